"""The two-minute headline: what stands where, what is linked, what is said once; and threads by choice."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from make import REPOSITORY, change, commit, sha
from slack_server import SlackServer
from test_worker import DAY, Bot, Time
from world import HOME, words

from bot.commits import related
from bot.conversation import operator
from bot.delivery import schedule
from bot.languages import LANGUAGES
from bot.posts import labels
from bot.posts import post as digests
from bot.posts.group import Group, group_post
from bot.texts import Texts
from bot.values import (
    Analysis,
    Attachment,
    Buttons,
    Digest,
    Entry,
    Filters,
    Grade,
    Importance,
    MessageKind,
    Request,
    Subscription,
    Table,
    Text,
    Theme,
    Threads,
)

EN, ZH = Texts("en"), Texts("zh")
HIGH, MEDIUM, LOW = Importance.HIGH, Importance.MEDIUM, Importance.LOW
PULLS = f"{REPOSITORY.url}/pull"


def entry(number, importance=HIGH, *, score=0.5, reason="", subject="", verdict="", summary="", by="m", files=()):
    one = commit(subject or f"feat: part {number} (#{number})", *files, sha=sha(number))
    grade = Grade(importance, one.reading.types, reason, f"The list says {number}.", score)
    return Entry(one, grade, Analysis(summary or f"The patch does {number}. And more.", verdict, by=by))


def digest(*entries, overview="An overview.", themes=()):
    period = schedule.day(datetime(2026, 2, 18).date(), "UTC")
    return Digest(REPOSITORY, "main", period, "en", Filters(), entries, overview, related.rows(entries), themes)


def said(line):
    return "".join(span.text for span in line)


def text(message, heading):
    """The lines beneath a heading."""
    (part,) = [p for p in message.parts if isinstance(p, Text) and p.heading.startswith(heading)]
    return [said(line) for line in part.lines]


THREE = digest(
    entry(1, score=0.2, reason="breaking change"),
    entry(2, score=0.9, reason="security", verdict="Hold the release."),
    entry(3, score=0.6, reason="breaking change"),
    entry(4, MEDIUM, reason="adds something new"),
    entry(5, LOW),
    themes=(Theme("Moving the parts", (sha(1), sha(4))),),
)


# --- Where what stands -----------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_reader_has_two_minutes(language):
    """Overview, what to read, the numbers, the table, and what belongs together."""
    texts = Texts(language)
    post = digests.post(THREE, texts, (Attachment("a.md", "text"),))
    kinds = [
        part.heading or said(part.lines[0])[:12] if isinstance(part, Text) else type(part)
        for part in post.headline.parts
    ]
    numbers = texts.count("commits", 5)[:5]
    assert kinds[1:3] == ["An overview.", texts("digest.to_read")]
    assert kinds[3].startswith(numbers)
    assert kinds[4:] == [Table, texts("digest.themes"), Buttons]
    assert [r.key for r in post.replies] == [*(f"commit:{sha(n)}" for n in (2, 3, 1)), "rest", "report"]


def test_each_high_commit_is_a_link_with_a_sentence_and_its_reason_the_weightiest_first():
    post = digests.post(THREE, EN)
    assert text(post.headline, "What to read") == [
        "🔴 feat: part 2 (#2) · Hold the release. · security",
        "🔴 feat: part 3 (#3) · The patch does 3. · breaking change (same for #1)",
        "🔴 feat: part 1 (#1) · The patch does 1.",
    ]
    links = [s.url for p in post.headline.parts if isinstance(p, Text) for line in p.lines for s in line if s.url]
    assert links[:3] == [f"{PULLS}/{n}" for n in (2, 3, 1)]


def test_a_reason_that_all_have_is_said_in_the_heading():
    both = digest(*(entry(n, reason="breaking change") for n in (1, 2)))
    (part,) = [p for p in digests.post(both, EN).headline.parts if isinstance(p, Text) and "What to read" in p.heading]
    assert part.heading == "What to read: breaking change"
    assert not any("breaking" in said(line) for line in part.lines)
    alone = digests.post(digest(entry(1, reason="breaking change")), EN).headline
    assert text(alone, "What to read") == ["🔴 feat: part 1 (#1) · The patch does 1. · breaking change"]


def test_the_rules_say_the_title_and_the_reason():
    made = digest(entry(1, reason="security", by="rules"))
    assert text(digests.post(made, EN).headline, "What to read") == ["🔴 feat: part 1 (#1) · security"]


def test_nobody_reads_forty_and_is_told_how_many_there_are():
    made = digest(*(entry(n, reason=f"reason {n}", score=n / 50) for n in range(1, 41)))
    lines = text(digests.post(made, EN, top=40).headline, "What to read")
    assert len(lines) == 13
    assert lines[0].startswith("🔴 feat: part 40")
    assert lines[-1] == "and 28 more of high importance"
    assert "What to read" not in words(digests.post(digest(entry(1, MEDIUM)), EN).headline)


# --- What is linked --------------------------------------------------------------------------


def linked(line):
    return {span.text: span.url for span in line if span.url}


def test_what_belongs_together_names_its_commits():
    (part,) = [
        p for p in digests.post(THREE, EN).headline.parts if isinstance(p, Text) and p.heading == "Related commits"
    ]
    assert [said(line) for line in part.lines] == ["Moving the parts · 2 commits: #1, #4"]
    assert linked(part.lines[0]) == {"#1": f"{PULLS}/1", "#4": f"{PULLS}/4"}


@pytest.mark.parametrize(
    ("overview", "shown"),
    [
        ("It was about moving the parts.", "It was about moving the parts (#1, #4)."),
        ("Moving the parts (#4) went on.", "Moving the parts (#4) went on."),
        ("x/Moving the parts is a path.", "x/Moving the parts is a path."),
        ("Read #2 first.", "Read #2 first."),
        ("", ""),
    ],
)
def test_a_theme_in_the_overview_names_its_commits_unless_the_overview_does(overview, shown):
    line = labels.overview_with_themes(replace(THREE, overview=overview), EN)
    assert said(line) == shown
    assert all(url.startswith(REPOSITORY.url) for url in linked(line).values())
    assert len(linked(line)) == shown.count("#")


def test_a_theme_of_many_names_the_weightiest_in_chinese_too():
    many = [entry(n, MEDIUM, score=n / 10) for n in range(1, 6)]
    made = digest(
        *many,
        overview="今天主要是配置文件的迁移工作。",
        themes=(Theme("配置文件的迁移", tuple(map(sha, range(1, 6)))),),
    )
    assert said(labels.overview_with_themes(made, ZH)) == "今天主要是配置文件的迁移（#5、#4、#3 +2）工作。"


# --- The rest --------------------------------------------------------------------------------


def rest(made):
    (message,) = [m for m in digests.post(made, EN).replies if m.key == "rest"]
    return [[said(line) for line in part.lines] for part in message.parts]


def test_medium_lines_say_what_the_analysis_says_and_low_ones_what_the_list_says():
    medium, low = rest(digest(entry(1, MEDIUM, reason="new"), entry(2, LOW), entry(3, MEDIUM)))
    assert medium == [f"🟡 {sha(1)[:7]} The patch does 1. · new", f"🟡 {sha(3)[:7]} The patch does 3."]
    assert low == [f"🟢 {sha(2)[:7]} The list says 2."]


def test_no_phrase_is_repeated_down_a_list():
    bumps = [
        entry(n, LOW, subject=f"build(deps): bump lib{n} from 1.0 to 1.{n}", files=(change("uv.lock"),)) for n in (5, 6)
    ]
    alike = [replace(entry(n, LOW), grade=replace(entry(1, LOW).grade, sentence="Fixes a typo.")) for n in (7, 8)]
    made = digest(*bumps, *alike, entry(9, MEDIUM, reason="small"), entry(10, MEDIUM, reason="small"))
    made = replace(made, rows=((sha(5), sha(6)), *((sha(n),) for n in (7, 8, 9, 10))))
    medium, low = rest(made)
    assert not any("small" in line for line in medium)
    assert [line.count("Fixes a typo.") for line in low] == [0, 1]
    assert low[1] == f"🟢 {sha(7)[:7]}, {sha(8)[:7]} Fixes a typo."
    assert "lib5 1.0 → 1.5, lib6 1.0 → 1.6" in low[0]


# --- Threads by choice -----------------------------------------------------------------------


@pytest.mark.parametrize(("threads", "keys"), [(Threads.NONE, []), (Threads.REPORT, ["report"])])
def test_a_thread_has_what_is_wanted(threads, keys):
    many = digest(*(entry(n, reason=f"r{n}") for n in range(1, 6)))
    post = digests.post(many, EN, (Attachment("a.md", "text"),), top=2, threads=threads)
    assert [reply.key for reply in post.replies] == keys
    assert "Shown below" not in words(post.headline)
    assert len(text(post.headline, "What to read")) == 5


@pytest.fixture
def time():
    return Time(DAY - timedelta(hours=12))


@pytest.fixture
def bot(tmp_path, time):
    with SlackServer(time.seconds) as server:
        made = Bot(tmp_path, server, time)
        for n in range(3):
            made.commit(f"part{n}", DAY + timedelta(hours=n), f"feat!: drop part {n}")
        yield made
        made.worker.stop(5)
        made.world.close()
        assert (server.unknown, server.violations) == ([], [])


def test_a_channel_that_wants_no_threads_gets_one_message(bot):
    followed = bot.follow(threads=Threads.NONE)
    bot.at("19T09:00")
    assert len(bot.server.messages["C1"]) == 1
    assert bot.states(followed)[-1] == "done"


def test_what_is_changed_meanwhile_changes_no_digest_that_is_begun(bot, monkeypatch):
    kept = bot.follow()
    bot.killed_after_sending(monkeypatch)
    bot.store.subscribe(replace(kept, threads=Threads.NONE))
    bot.worker.stop(5)
    bot.worker = bot.another()
    bot.time.sleep(120)
    bot.tick()
    assert len(bot.server.messages["C1"]) > 3


def test_who_wants_no_thread_is_told_in_the_headline_what_became_of_a_commit(bot):
    bot.follow(threads=Threads.NONE)
    bot.at("19T09:00")
    sha_of = bot.store.recent_digests(bot.repo, "main", "en", 1)[0].entries[-1].commit.sha
    bot.build.commit(
        "back",
        DAY + timedelta(hours=26),
        {"src/back.py": "x\n"},
        message=f'Revert "x"\n\nThis reverts commit {sha_of}.',
    )
    bot.build.finish()
    bot.at("20T09:00")
    first, second = bot.tops()
    assert "Since then" in str(second)
    assert bot.server.thread("C1", first["ts"]) == []


@pytest.mark.parametrize("value", ["yes", "no", "report"])
def test_it_is_exported_and_imported(value):
    kept = Subscription(
        HOME,
        "team/app",
        "0 9 * * *",
        "UTC",
        "en",
        threads=Threads(value),
        created=DAY,
        scheduled=DAY,
    )
    (record,) = operator.exported([kept])
    assert record.get("threads", "yes") == value
    assert operator.imported([record], DAY) == (kept,)
    if value != "report":  # as YAML reads a bare yes and no
        assert operator.imported([record | {"threads": value == "yes"}], DAY) == (kept,)


# --- A new look ------------------------------------------------------------------------------


def as_an_earlier_version(bot):
    """Deliveries as a version wrote them that knew one look."""
    with closing(sqlite3.connect(bot.folder / "digest.db")) as db, db:
        db.execute("UPDATE deliveries SET body = json_remove(body, '$.look', '$.threads', '$.new_look')")


def news(bot):
    return ["New layout" in str(message) for message in bot.tops()]


def test_a_new_look_is_announced_once_and_not_to_who_knew_no_other(bot):
    bot.follow()
    bot.at("19T09:00")
    as_an_earlier_version(bot)
    for day in (20, 21):
        bot.commit(f"day{day}", DAY + timedelta(days=day - 19, hours=3))
        bot.at(f"{day}T09:00")
    assert news(bot) == [False, True, False]


def test_what_was_begun_in_an_earlier_look_is_ended_in_it(bot, monkeypatch):
    bot.follow()
    bot.killed_after_sending(monkeypatch)
    as_an_earlier_version(bot)
    bot.worker.stop(5)
    bot.worker = bot.another()
    bot.time.sleep(120)
    bot.tick()
    (top,) = bot.tops()
    replies = [str(m["blocks"][0]) for m in bot.server.thread("C1", top["ts"])]
    shown = [n for text in replies for n in "012" if f"drop part {n}" in text]
    assert shown == list("210")  # in the order of the table


def test_an_earlier_look_is_as_it_was():
    post = digests.post(THREE, EN, (Attachment("a.md", "text"),), look=0)
    kinds = [
        part.heading or said(part.lines[0])[:12] if isinstance(part, Text) else type(part)
        for part in post.headline.parts
    ]
    assert kinds[1:] == ["An overview.", "5 commits | ", "Related commits", Table, Buttons]
    (table,) = [p for p in post.headline.parts if isinstance(p, Table)]
    assert [said(cell) for cell in (table.rows[0][0], table.rows[0][3])] == ["15:00", "🔴 High"]
    assert [r.key for r in post.replies] == [*(f"commit:{sha(n)}" for n in (1, 2, 3)), "rest", "report"]
    assert "The list says 4." in words(post.replies[3])
    assert post.replies[-1].kind is MessageKind.REPORT


def test_it_is_typed_shown_and_asked_by_the_form(bot):
    told = bot.world.said(f"subscribe {bot.repo} threads no")
    assert "In the thread nothing" in told
    assert bot.store.subscriptions()[0].threads is Threads.NONE
    context = bot.world.interpreter.context(Request(f"settings {bot.repo}", HOME, "U1"))
    (asked,) = [i for i in bot.world.interpreter.form(context).inputs if i.name == "threads"]
    assert (asked.value, [value for value, _ in asked.choices]) == ("no", ["yes", "report", "no"])
    assert "话题内容 仅完整报告" in bot.world.said(f"subscribe {bot.repo} threads report lang zh")
    assert "yes、report、no" in bot.world.said(f"subscribe {bot.repo} threads maybe")
    assert bot.store.subscriptions()[0].threads is Threads.REPORT
    assert "In the thread" not in bot.world.said(f"subscribe {bot.repo} threads yes lang en")


# --- Several repositories --------------------------------------------------------------------


def test_a_group_says_what_to_read_of_all_by_weight():
    other = replace(REPOSITORY, name="team/web", title="team/web", url="https://github.com/team/web")
    both = (THREE, replace(digest(entry(1, score=0.7, reason="security"), entry(6, LOW)), repository=other))
    group = Group("team/*", THREE.period, 2, both)
    post = group_post(group, EN, (Attachment("a.md", "text"),))
    assert text(post.headline, "What to read") == [
        "🔴 team/app: feat: part 2 (#2) · Hold the release. · security (same for team/web#1)",
        "🔴 team/web: feat: part 1 (#1) · The patch does 1.",
        "🔴 team/app: feat: part 3 (#3) · The patch does 3. · breaking change (same for team/app#1)",
        "🔴 team/app: feat: part 1 (#1) · The patch does 1.",
    ]
    order = [part.heading for part in post.headline.parts if isinstance(part, Text | Table)]
    assert order.index("What to read") < order.index("team/app")
    assert [
        reply.key for reply in group_post(group, EN, (Attachment("a.md", "x"),), threads=Threads.REPORT).replies
    ] == ["report"]
    assert group_post(group, EN, (Attachment("a.md", "x"),), threads=Threads.NONE).replies == ()
