"""From judged commits to the post: statistics, filters, themes, and what a message holds."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from make import REPOSITORY, change, commit, sha

from bot.commits import related
from bot.commits.filters import wanted
from bot.delivery import schedule
from bot.judgement import rules, triage
from bot.posts import labels, report
from bot.posts import post as digests
from bot.texts import Texts
from bot.values import (
    Analysis,
    Aspect,
    Attachment,
    Digest,
    Entry,
    Evidence,
    Fields,
    FileChange,
    FileStatus,
    Filters,
    Grade,
    Importance,
    Insight,
    Links,
    Risk,
    Table,
    Text,
)

EN, ZH = Texts("en"), Texts("zh")


def entry(number, importance=Importance.LOW, subject="fix: a thing (#1)", **more) -> Entry:
    one = commit(subject, sha=sha(number), **{k: v for k, v in more.items() if k not in ("analysis", "theme")})
    grade = rules.grade(one, triage.judge([one])[0], EN)
    grade = Grade(importance, grade.types, grade.reason, grade.sentence, grade.score, more.get("theme", ""))
    return Entry(one, grade, more.get("analysis") or Analysis(f"Summary {number}."))


def digest(*entries, language="en", **more) -> Digest:
    period = schedule.day(datetime(2026, 2, 18).date(), "Asia/Shanghai")
    return Digest(
        REPOSITORY, "main", period, language, Filters(), entries, "An overview.", related.rows(entries), **more
    )


GRADE = Grade(Importance.LOW, (), "small", "It does.", 0.1)
MIXED = digest(
    entry(1, Importance.HIGH, committed=datetime(2026, 2, 18, 15, 59, tzinfo=UTC)),
    entry(2, Importance.MEDIUM, author="dev-two"),
    entry(3),
    entry(4),
)


def said(line) -> str:
    return "".join(span.text for span in line)


def words(message) -> str:
    spans = [*message.title]
    for part in message.parts:
        if isinstance(part, Text):
            spans += [s for line in part.lines for s in line]
    return " ".join(s.text for s in spans)


def test_the_statistics_count_everything_once():
    assert labels.statistics(MIXED, EN) == ("4 commits", "🔴 1", "🟡 1", "🟢 2", "+40 −8", "2 authors")
    assert labels.statistics(MIXED, ZH) == ("4 个提交", "🔴 1", "🟡 1", "🟢 2", "+40 −8", "2 位作者")
    assert labels.statistics(digest(entry(1), usual=24), EN)[-2:] == ("1 author", "usually 24")
    assert "4 commits | 🔴 1 | 🟡 1 | 🟢 2 | +40 −8 | 2 authors" in words(digests.post(MIXED, EN).headline)


# --- The overview's links --------------------------------------------------------------------

LINKED = digest(entry(1, subject="fix: a (#6344)"), entry(2, subject="fix: b"), entry(3, subject="fix: c (#7)"))
COMMITS, PULLS = f"{REPOSITORY.url}/commit", f"{REPOSITORY.url}/pull"


def linked(overview, value=LINKED) -> dict[str, str]:
    line = labels.overview_line(replace(value, overview=overview))
    assert "".join(span.text for span in line) == overview
    return {span.text: span.url for span in line if span.url}


def test_an_overview_links_the_commits_it_names_by_number_or_sha():
    assert linked(f"Read #6344, then {sha(2)[:7]}: both.") == {
        "#6344": f"{PULLS}/6344",
        sha(2)[:7]: f"{COMMITS}/{sha(2)}",
    }
    assert linked("先读#6344（以及#7）。") == {"#6344": f"{PULLS}/6344", "#7": f"{PULLS}/7"}
    assert linked(sha(2)[:12]) == {sha(2)[:12]: f"{COMMITS}/{sha(2)}"}


@pytest.mark.parametrize(
    "text",
    [
        "#6345 is not of this day.",
        "#63444 and #634 neither.",
        "other/repo#7 and a#7 and &#7; are others.",
        "https://evil.example/#7 and https://evil.example/0000002",
        "0000009 is no commit, and 00000 is too short.",
        "x0000002, 0000002x and 0000002@evil.example",
        "!7 is how others write it.",
        "<!channel> <@U012AB3CD> @everyone",
        "",
    ],
)
def test_what_names_no_commit_of_the_digest_is_no_link(text):
    assert linked(text) == {}


def test_a_sha_that_two_begin_with_is_no_link():
    twins = digest(*(Entry(commit("x", sha="abcdef1" + d * 33), GRADE, Analysis("x.")) for d in "01"))
    assert linked("abcdef1 and abcdef10", twins) == {"abcdef10": f"{COMMITS}/abcdef1{'0' * 33}"}


def test_numbers_are_named_and_linked_as_the_host_writes_them():
    links = Links("https://git.example/c/{sha}", "https://git.example/mr/{number}", sign="!")
    host = replace(LINKED, repository=replace(REPOSITORY, links=links))
    assert linked("Read !7, not #7.", host) == {"!7": "https://git.example/mr/7"}
    bare = replace(LINKED, repository=replace(REPOSITORY, links=replace(links, change="")))
    assert linked("!7", bare) == {"!7": f"https://git.example/c/{sha(3)}"}
    assert linked("#7", replace(LINKED, repository=replace(REPOSITORY, url=None))) == {}


HOSTILE_OVERVIEW = (
    "[#7](https://evil.example/a) <https://evil.example|#7> <a href='https://evil.example'>#7</a> <!channel> @everyone "
    "**#6344** `#7` | #7 | evil/repo#7 https://evil.example/#7 \x1b]8;;https://evil.example\x07#7"
)


@pytest.mark.parametrize("texts", [EN, ZH])
def test_a_hostile_overview_links_to_this_digest_alone_and_stays_text(texts):
    value = replace(LINKED, overview=HOSTILE_OVERVIEW)
    (line,) = [p.lines[0] for p in digests.post(value, texts).headline.parts if isinstance(p, Text)][1:2]
    urls = {span.url for span in line if span.url}
    assert urls == {f"{PULLS}/7", f"{PULLS}/6344"}
    shown = report.markdown([value], texts)
    assert "](https://evil" not in shown.replace("\\]", "")
    assert "<a href" not in shown
    page = report.html([value], texts)
    assert 'href="https://evil' not in page
    assert f'href="{PULLS}/7"' in page


def test_the_rules_overview_names_what_to_read_with_links():
    high = [entry(n, Importance.HIGH, f"feat: part {n} (#{n})") for n in (1, 2)]
    said = rules.overview(REPOSITORY, [e.commit for e in high], 2, EN)
    assert linked(said, digest(*high)) == {"#1": f"{PULLS}/1", "#2": f"{PULLS}/2"}


def test_a_message_and_the_report_tell_the_same_facts_of_a_commit():
    one = entry(1, Importance.HIGH)
    (fields,) = [p for p in digests.commit_message(REPOSITORY, one, "UTC", EN).parts if isinstance(p, Fields)]
    chapter = [line for line in report.markdown([digest(one)], EN).splitlines() if line.startswith("- **")]
    labels = [label for label, _ in fields.items]
    assert labels == ["SHA", "Type", "Importance", "Author", "Landed", "Size", "Analysis"]
    assert [line.removeprefix("- **").partition("**")[0] for line in chapter[: len(labels)]] == labels


def test_the_table_has_every_commit_in_local_time_with_its_links():
    (table,) = [p for p in digests.post(MIXED, EN).headline.parts if isinstance(p, Table)]
    assert len(table.rows) == 4
    time, author, message, importance = table.rows[0]
    assert (said(time), said(author), said(importance)) == ("🔴 23:59", "dev-one", "High")
    assert message[0].url == f"https://github.com/team/app/commit/{sha(1)[:12]}"
    assert [s.text for s in message] == ["fix: a thing", " (", "#1", ")"]
    assert message[2].url == "https://github.com/team/app/pull/1"


def test_high_commits_have_a_reply_each_and_the_rest_shares_one():
    post = digests.post(MIXED, EN, (Attachment("a.md", "text"),))
    assert [m.key for m in post.replies] == [f"commit:{sha(1)}", "rest", "report"]
    assert "a thing (src)." in words(post.replies[1])
    assert "1 medium, 2 low" in words(post.replies[1])


def test_a_day_without_commits_says_so_and_has_no_table_and_no_report():
    post = digests.post(digest(), EN, (Attachment("a.md", "text"),))
    assert post.replies == ()
    assert not any(isinstance(p, Table) for p in post.headline.parts)


def test_a_commit_says_all_that_is_known_with_evidence_as_a_link():
    risk = Risk("It may hang.", Evidence("src/a b.py", "wait()", 7), "Set a limit.")
    one = entry(1, analysis=Analysis("Sum.", risks=(risk,), coverage=0.834, note="Simpler than asked."))
    message = digests.commit_message(REPOSITORY, one, "UTC", EN)
    said = words(message)
    assert "It may hang." in said
    assert "What to do: Set a limit." in said
    assert "Simpler than asked." in said
    links = [s.url for p in message.parts if isinstance(p, Text) for line in p.lines for s in line if s.url]
    assert links == [f"https://github.com/team/app/blob/{sha(1)}/src/a%20b.py#L7"]
    assert ("Read", "83% of the changed lines") in [(label, value[0].text) for label, value in message.parts[0].items]


def test_each_part_of_a_statement_has_its_link():
    first, second = Evidence("src/a.py", "wait()", 7), Evidence("src/b.py", "stop()", 9)
    analysis = Analysis("Sum.", insights=(Insight(Aspect.PERFORMANCE, "It hangs.", first, (second,)),))
    message = digests.commit_message(REPOSITORY, entry(1, analysis=analysis), "UTC", EN)
    links = [s.url for p in message.parts if isinstance(p, Text) for line in p.lines for s in line if s.url]
    assert [link.rpartition("/")[2] for link in links] == ["a.py#L7", "b.py#L9"]


@pytest.mark.parametrize(
    ("evidence", "shown", "url"),
    [
        (
            Evidence("src/b.py", "a()", 7, removed=True, gone=True),
            "src/a.py:7 (removed) a()",
            f"blob/{'0' * 40}/src/a.py#L7",
        ),
        (Evidence("src/b.py", "made()", 7), "src/b.py:7 made()", f"blob/{sha(1)}/src/b.py#L7"),
        (Evidence("", "drops v1"), "commit message drops v1", f"commit/{sha(1)}"),
        (
            Evidence("src/b.py", "if a:\n    go()", 7, last=8),
            "src/b.py:7-8 if a: ↵ go()",
            f"blob/{sha(1)}/src/b.py#L7-L8",
        ),
        (
            Evidence("src/c.py", "stop()", 9, "0" * 40),
            "src/c.py:9 (before this commit) stop()",
            f"blob/{'0' * 40}/src/c.py#L9",
        ),
        (
            Evidence("src/b.py", "a()\nb()", 7, removed=True, last=8),
            "src/a.py:7-8 (before this commit) a() ↵ b()",
            f"blob/{'0' * 40}/src/a.py#L7-L8",
        ),
    ],
)
def test_evidence_links_to_where_it_stands(evidence, shown, url):
    renamed = FileChange("src/b.py", FileStatus.RENAMED, 1, 1, "src/a.py")
    one = entry(1, changes=(renamed,), analysis=Analysis("Sum.", risks=(Risk("It may hang.", evidence, ""),)))
    message = digests.commit_message(REPOSITORY, one, "UTC", EN)
    assert shown in " ".join(words(message).split())
    links = [s.url for p in message.parts if isinstance(p, Text) for line in p.lines for s in line if s.url]
    assert links == [f"https://github.com/team/app/{url}"]


def test_a_message_shows_the_lines_of_a_quote_that_it_has_room_for_and_the_report_all():
    long = Evidence("src/a.py", "\n".join(["go(" + "x" * 60 + ")"] * 5), 7, last=11)
    one = entry(1, analysis=Analysis("Sum.", risks=(Risk("It may hang.", long, ""),)))
    said = words(digests.commit_message(REPOSITORY, one, "UTC", EN))
    assert "src/a.py:7-11" in said
    assert said.count("x" * 60) == 2
    assert said.count("…") == 1
    written = report.markdown([digest(one)], EN)
    assert written.count(f"`go({'x' * 60})`") == 5
    assert f"[`src/a.py:7-11`](https://github.com/team/app/blob/{sha(1)}/src/a.py#L7-L11)" in written


def test_merged_commits_are_listed_under_their_merge():
    message = digests.commit_message(REPOSITORY, entry(1, inner=(("dev-two", "part one"),)), "UTC", EN)
    assert "part one · dev-two" in words(message)


@pytest.mark.parametrize(
    ("filters", "passes"),
    [
        (Filters(), True),
        (Filters(authors=("dev-one",)), True),
        (Filters(authors=("DEV-1",)), True),
        (Filters(authors=("dev-two",)), False),
        (Filters(authors=("-dev-one",)), False),
        (Filters(authors=("-dev-two",)), True),
        (Filters(paths=("src",)), True),
        (Filters(paths=("src/",)), True),
        (Filters(paths=("sr",)), False),
        (Filters(paths=("src/app.py",)), True),
        (Filters(bots=False), True),
    ],
)
def test_filters_choose_by_author_path_and_bot(filters, passes):
    assert wanted(commit(login="dev-1"), filters) is passes


def test_a_file_that_leaves_a_folder_touches_it():
    moved = commit("refactor: move", FileChange("lib/a.py", FileStatus.RENAMED, previous="src/a.py"))
    assert wanted(moved, Filters(paths=("src/",)))
    assert not wanted(moved, Filters(paths=("docs/",)))


def test_a_removed_file_links_to_where_it_was():
    gone = commit("fix: x", FileChange("src/old.py", FileStatus.REMOVED, removed=9), change("src/app.py"))
    assert labels.path_url(REPOSITORY, gone, "src/old.py") == f"{REPOSITORY.url}/blob/{'0' * 40}/src/old.py"
    assert labels.path_url(REPOSITORY, gone, "src/app.py") == f"{REPOSITORY.url}/blob/{'a' * 40}/src/app.py"
    assert REPOSITORY.file_url("a" * 40, "src/\udc80.py")


def test_bots_are_known_by_account_or_name():
    assert commit(login="dependabot[bot]").reading.bot
    assert commit(author="renovate[bot]").reading.bot
    assert not commit(author="robot-builder").reading.bot


def test_a_very_long_subject_is_shortened_in_rows_only():
    one = commit("fix: " + "long " * 1000, change())
    assert len(labels.subject_line(REPOSITORY, one)[0].text) <= 200


def test_a_period_longer_than_a_day_shows_dates_in_the_table():
    week = schedule.week(datetime(2026, 2, 20, tzinfo=UTC), "UTC")
    (table,) = [
        p
        for p in digests.post(
            Digest(REPOSITORY, "main", week, "en", Filters(), (entry(1),), "x", ((entry(1).commit.sha,),)), EN
        ).headline.parts
        if isinstance(p, Table)
    ]
    assert said(table.rows[0][0]) == "🟢 02-18 15:00"
