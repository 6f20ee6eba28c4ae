"""A week or longer reads as a rollup: what lasts of it, where it happened, who it was; its table is in the report."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from feishu_checks import check_card
from make import change, commit, sha
from repositories import Builder
from samples import digest as sample
from samples import rolled_up
from slack_checks import refuse_blocks
from test_worker import DAY, Time, opened
from world import World, words

from adapters.chats.feishu.cards import render as feishu
from adapters.chats.slack.blocks import render as slack
from adapters.stores.rows import dump, load_digest
from bot.commits.rollup import components, most_important_first, roll_up, undone_of
from bot.delivery import schedule
from bot.judgement import rules
from bot.judgement.history import History
from bot.languages import LANGUAGES
from bot.posts import report, rollup
from bot.posts.post import post
from bot.texts import Texts
from bot.values import Analysis, ChangeType, Entry, Filters, Grade, Importance, Period, Place, Rollup, Table, Theme

EN = Texts("en")


# --- What was taken back ---------------------------------------------------------------------


def landed(*subjects, **more):
    """Commits with these subjects or (subject, body), the first one landed first; newest first."""
    told = [(each, "") if isinstance(each, str) else each for each in subjects]
    return [commit(s, sha=sha(n), body=b, **more) for n, (s, b) in enumerate(told, 1)][::-1]


def taken(commits):
    """Which commits are left out, and the pairs, by the places in which they landed, from 1 on."""
    number = {c.sha: n for n, c in enumerate(commits[::-1], 1)}
    made = Rollup(undone_of(commits))
    return sorted(number[s] for s in made.left_out), [(number[u.sha], number[u.by]) for u in made.undone]


REVERT = 'Revert "feat: a cache (#1)" (#2)'


@pytest.mark.parametrize(
    ("commits", "out", "pairs"),
    [
        (("feat: a cache (#1)", "fix: a fault (#9)", REVERT), [1, 3], [(1, 3)]),
        (("feat: a cache (#1)", 'Revert "feat: a cache (#1)"'), [1, 2], [(1, 2)]),
        # By the SHA in the body alone, in the words of git.
        (("feat: a cache", ("Take the cache out", f"This reverts commit {sha(1)}.")), [1, 2], [(1, 2)]),
        # What lies before the period: its revert is news.
        ((REVERT, "fix: a fault (#9)"), [], []),
        # A revert that was taken back in its turn has taken nothing back.
        (("feat: a cache (#1)", REVERT, 'Revert "Revert "feat: a cache (#1)"" (#3)'), [2, 3], [(2, 3)]),
        (("feat: a cache (#1)", REVERT, 'Reapply "feat: a cache (#1)" (#2)'), [2, 3], [(2, 3)]),
        (
            (
                "feat: a cache (#1)",
                REVERT,
                'Reapply "feat: a cache" (#3)',
                ("Drop it", f"This reverts commit {sha(3)}."),
            ),
            [1, 2, 3, 4],
            [(3, 4), (1, 2)],
        ),
        # Landed again under the same title: each revert means the one before it.
        (("feat: a cache (#1)", REVERT, "feat: a cache (#3)"), [1, 2], [(1, 2)]),
        (
            ("feat: a cache", 'Revert "feat: a cache"', "feat: a cache", 'Revert "feat: a cache"'),
            [1, 2, 3, 4],
            [(3, 4), (1, 2)],
        ),
        (("feat: a cache (#1)", REVERT, 'Reapply "feat: a cache" (#3)'), [2, 3], [(2, 3)]),
        # So is what landed again, and was taken back again.
        (('Reland "feat: a cache" (#3)', 'Revert "Reland "feat: a cache"" (#4)'), [1, 2], [(1, 2)]),
        # Who does something else as well is news, and what is taken back in part.
        (("feat: a cache (#1)", ("feat: a better cache (#2)", "Reverts #1 and does it by key.")), [1], [(1, 2)]),
        (("feat: a cache (#1)", 'Partially revert "feat: a cache (#1)" (#2)'), [], []),
        *(
            (("feat: a cache (#1)", words), [1, 2], [(1, 2)])
            for words in (
                "Temporarily revert #1 (#2)",
                'Manually revert "feat: a cache (#1)" (#2)',
                "Quick revert of #1 (#2)",
                "fix: a crash by reverting #1 (#2)",
                "Fix CI: revert #1 (#2)",
                "Undo #1 (#2)",
                "Rollback #1 (#2)",
                "Reverted #1 (#2)",
                f"Backed out changeset {sha(1)[:12]} (bug 7)",
                f"Automated rollback of commit {sha(1)}",
                ("Take the cache out (#2)", "This undoes #1."),
            )
        ),
        # An advice takes nothing back, nor does a word in a name.
        (("feat: a cache (#1)", ("docs: caching", "If it is slow, revert #1.")), [], []),
        (("feat: a cache (#1)", "feat: add part of the revert button (#2)"), [], []),
        (("feat: parts of a cache (#1)", 'Revert "feat: parts of a cache (#1)" (#2)'), [1, 2], [(1, 2)]),
        (("feat: a cache (#1)", ("Revert two", f"Reverts #1, #{88}.")), [1], [(1, 2)]),
    ],
)
def test_what_was_taken_back_within_the_period_is_left_out(commits, out, pairs):
    assert taken(landed(*commits)) == (out, pairs)


def test_a_merge_of_one_commit_is_taken_back_by_that_ones_name():
    merge = commit("Merge pull request #1 from a/b", sha=sha(1), inner=("feat: a cache",))
    taker = commit("Take it out", sha=sha(2), body=f"This reverts commit {merge.inner[0].sha}.")
    assert taken([taker, merge]) == ([1, 2], [(1, 2)])
    two = commit("Merge pull request #1 from a/b", sha=sha(1), inner=("feat: a cache", "feat: more of it"))
    assert taken([taker, two]) == ([], [])


# --- Where it happened -----------------------------------------------------------------------


def test_components_count_commits_by_their_source_and_a_broad_one_stands_for_its_folders():
    files = [
        (change("app/ops/a.py", 5, 1), change("tests/test_a.py", 50)),
        (change("app/ops/b.py"), change("uv.lock", 900)),
        (change("app/net/c.py"),),
        (change("app/main.py"),),
        (change("tests/test_b.py"),),
        (change("README.md"),),
    ]
    found = components([commit("x", *each, sha=sha(n)) for n, each in enumerate(files, 1)])
    assert [(c.name, len(c.shas)) for c in found] == [("app/ops", 2), ("app", 1), ("app/net", 1)]
    assert (found[0].added, found[0].removed) == (15, 3)
    only = components([commit("x", *each, sha=sha(n)) for n, each in enumerate(files[-2:], 1)])
    assert [c.name for c in only] == [".", "tests"]


def test_themes_stand_by_weight():
    entries = [entry(n, i) for n, i in enumerate((Importance.LOW, Importance.HIGH, Importance.LOW, Importance.LOW), 1)]
    themes = [Theme("two", (sha(1), sha(3))), Theme("three", (sha(1), sha(3), sha(4))), Theme("high", (sha(2), sha(3)))]
    assert [t.title for t in most_important_first(themes, entries)] == ["high", "three", "two"]


def entry(number, importance=Importance.LOW, subject=""):
    one = commit(subject or f"fix: part {number} (#{number})", sha=sha(number))
    return Entry(one, Grade(importance, (ChangeType.FIX,), "", f"Part {number}.", 0.5), Analysis(f"Part {number}."))


# --- What a channel sees ---------------------------------------------------------------------

every_language = pytest.mark.parametrize("language", LANGUAGES)


def texts_of(message):
    return {
        p.heading: ["".join(s.text for s in line) for line in p.lines] for p in message.parts if hasattr(p, "lines")
    }


@every_language
def test_a_rollup_has_no_table_and_names_nothing_that_was_taken_back_as_news(language):
    made, texts = rolled_up(language), Texts(language)
    told = post(made, texts, report.attachments(made, texts))
    assert not any(isinstance(p, Table) for m in (told.headline, *told.replies) for p in m.parts)
    said = texts_of(told.headline)
    assert "#900" in "".join(said.pop(texts("rollup.undone")))
    (rest,) = [texts_of(m) for m in told.replies if m.key == "rest"]
    everywhere = str([said, rest, made.overview, [m.title for m in told.replies]])
    assert "#900" not in everywhere
    assert "#901" not in everywhere
    assert f"commit:{made.rollup.undone[0].sha}" not in [m.key for m in told.replies]
    assert sum(c.number for c in told.headline.counts) == len(made.entries) - 2
    assert said[texts("rollup.components")]
    assert all(re.match(r"█+░* \d+ \S", line) for line in said[texts("rollup.components")])


@every_language
def test_a_theme_stands_with_its_commits(language):
    made, texts = rolled_up(language), Texts(language)
    told = post(made, texts)
    titles = [t.title for t in made.themes]
    assert [line.partition(" · ")[0] for line in texts_of(told.headline)[texts("rollup.themes")]] == titles
    (rest,) = [texts_of(m) for m in told.replies if m.key == "rest"]
    assert {t: len(rest[t]) for t in titles} == {t.title: len(t.shas) for t in made.themes}


def test_a_day_keeps_its_table_and_looks_as_it_did():
    told = post(sample(), EN)
    assert sum(isinstance(p, Table) for p in told.headline.parts) == 1


def test_what_was_kept_before_there_were_rollups_is_none():
    text = dump(sample()).replace(',"rollup":null', "")
    assert "rollup" not in text
    assert load_digest(text) == sample()
    assert load_digest(dump(rolled_up("en"))) == rolled_up("en")


def test_what_is_usual_for_a_week_is_what_lasts_of_one():
    made, week = rolled_up("en"), timedelta(days=7)
    weeks = [
        replace(
            made, period=replace(made.period, since=made.period.since - n * week, until=made.period.until - n * week)
        )
        for n in (1, 2, 3)
    ]
    archive = SimpleNamespace(recent_digests=lambda *_: tuple(weeks))
    history = History(made.repository, None, archive, made.branch)
    assert history.usual(made) == len(made.lasting.entries) == len(made.entries) - 2


def test_the_overview_by_rules_says_where_it_was_and_what_came_to_nothing():
    commits = landed("feat: a cache (#1)", "fix: a fault (#9)", REVERT)
    made = roll_up(commits, commits)
    assert rules.rollup_overview(made, 1, EN) == (
        "Most of the changes are in src (1 commit). Reverted since, so left out here: 1 commit."
    )


@every_language
def test_chats_take_a_rollup_and_a_bar_is_never_wider_than_a_phone(language):
    made, texts = rolled_up(language), Texts(language)
    for message in (told := post(made, texts)).headline, *told.replies:
        for page in slack(message).pages:
            refuse_blocks(list(page.blocks))
        for card in feishu(message).pages:
            check_card(card, body_bytes=len(json.dumps(json.dumps(card)).encode()))
    for line in rollup.component_lines(made, texts, 12):
        assert len(line[0].text) == 10


# --- The report ------------------------------------------------------------------------------


@every_language
def test_the_report_has_the_whole_table_and_says_of_what_was_taken_back_that_it_was(language):
    made, texts = rolled_up(language), Texts(language)
    text = report.markdown([made], texts)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == len(made.entries) + 2
    assert sum("(#r1-undone)" in row for row in rows) == 2
    page = report.html([made], texts)
    assert page.count("<svg") == 4
    assert page.count('href="#r1-undone"') == 2
    told = json.loads(report.FORMATS["json"].write([made], texts))["digests"][0]["rollup"]
    assert [each["sha"] for each in told["undone"]] == [made.rollup.undone[0].sha]


def test_only_a_rollup_says_in_json_that_it_is_one():
    assert '"rollup"' not in report.FORMATS["json"].write([sample()], EN)


# --- When it reads so ------------------------------------------------------------------------

WED = datetime(2026, 2, 18, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "weekly"),
    [
        ("0 9 * * wed", True),
        ("0 9 1 * *", True),
        ("0 9 1,15 * *", True),
        ("0 9 * * *", False),
        ("0 9 * * mon-fri", False),
        ("0 9 * * mon,thu", False),
        ("0 9 1-7 * *", False),
    ],
)
def test_a_schedule_that_comes_seldom_reads_as_a_rollup(expression, weekly):
    slot = schedule.next_slot(expression, "UTC", WED)
    assert schedule.is_weekly(expression, "UTC", slot) is weekly
    last = datetime(2026, 3, 7, 9, tzinfo=UTC)
    assert schedule.is_weekly("0 9 1-7 * *", "UTC", last) is False
    assert schedule.is_weekly("0 9 31 2 *", "UTC", WED) is False


@pytest.mark.parametrize(("days", "long"), [(1, False), (4, False), (5, True), (7, True)])
def test_a_question_about_five_days_reads_as_a_rollup(days, long):
    for zone in ("UTC", "Asia/Shanghai", "America/New_York"):
        since = schedule.midnight(WED.date(), zone)
        assert Period(since, schedule.midnight(WED.date() + timedelta(days=days), zone), zone).is_long is long


def table_in(message):
    return any(block["type"] == "table" for block in message["blocks"])


def test_a_weekly_subscription_reads_as_a_rollup_and_a_daily_one_that_makes_up_for_a_week_does_not(tmp_path):
    with opened(tmp_path, Time(DAY - timedelta(hours=12))) as bot:
        weekly = bot.follow(schedule="0 9 * * wed")
        daily = bot.follow(Place("slack", "C2"))
        bot.at("18T09:00")
        for n in range(3):
            bot.commit(f"one{n}", DAY + timedelta(days=n, hours=3))
        bot.commit("two", DAY + timedelta(days=3), 'Revert "fix: one2"')
        bot.at("25T09:00")
        (rolled,), (long,) = bot.tops(), bot.tops("C2")
        assert (table_in(rolled), table_in(long)) == (False, True)
        assert "2 commits |" in str(rolled)
        assert "4 commits |" in str(long)
        assert "Reverted within this period" in str(rolled)
        kept = [bot.store.digest(bot.store.deliveries(s.id)[0].digest) for s in (weekly, daily)]
        assert [digest.rollup is not None for digest in kept] == [True, False]


def test_what_became_of_a_commit_within_the_week_is_said_of_it_unless_that_was_taken_back(tmp_path):
    build = Builder(tmp_path / "repo")
    build.commit("root", DAY - timedelta(days=9), {"a.py": "1\n"}, message="feat: a start")
    subjects = (
        "feat: a cache (#1)",
        REVERT,
        'Reapply "feat: a cache" (#3)',
        "fix: the cache (#4)\n\nFixes a bug of #1.",
    )
    for n, subject in enumerate(subjects):
        build.commit(f"c{n}", DAY - timedelta(days=6 - n), {f"{n}.py": "2\n"}, message=subject)
    build.finish()
    world = World(tmp_path, lambda: DAY + timedelta(hours=1), str(tmp_path / "repo"))
    (told,) = world.ask("week")
    (line,) = [x for x in texts_of(told.headline)[EN("rollup.read")] if "feat: a cache" in x]
    assert "reverted by" not in line
    assert "2 commits |" in words(told.headline)
    world.close()


@pytest.mark.parametrize("schedule_", ["0 9 * * thu", "0 9 * * *"], ids=["week", "day"])
def test_a_revert_that_filters_hide_takes_back_all_the_same(tmp_path, schedule_):
    with opened(tmp_path, Time(DAY - timedelta(hours=12))) as bot:
        bot.follow(schedule=schedule_, filters=Filters(bots=False))
        bot.at("18T09:00")
        bot.commit("one", DAY + timedelta(hours=3), "feat(api)!: a cache (#1)")
        robot = ("merge-bot[bot]", "1+merge-bot[bot]@users.noreply.github.com")
        subject = 'Revert "feat(api)!: a cache (#1)" (#2)'
        bot.build.commit("two", DAY + timedelta(hours=9), {"src/one.py": None}, message=subject, author=robot)
        bot.build.commit("x", DAY + timedelta(hours=10), {"x.py": "1\n"}, message="fix: a step")
        bot.build.finish()
        bot.at("19T09:00")
        assert "reverted by" in str(bot.server.messages["C1"])
        (kept,) = [bot.store.digest(d.digest) for d in bot.store.deliveries() if d.digest]
        assert [e.commit.pull for e in kept.lasting.entries] == ([None] if kept.rollup else [None, 1])
        assert '"pull": 2' in report.FORMATS["json"].write([kept], EN)


def test_a_question_about_a_week_is_answered_with_a_rollup(tmp_path):
    build = Builder(tmp_path / "repo")
    build.commit("root", DAY - timedelta(days=3), {"a.py": "1\n"}, message="feat: a start")
    build.commit("next", DAY - timedelta(days=1), {"a.py": "2\n"}, message="fix: a step")
    build.finish()
    world = World(tmp_path, lambda: DAY + timedelta(hours=1), str(tmp_path / "repo"))
    for asked, rolled in (("week", True), ("2026-02-13 2026-02-17", True), ("2026-02-14 2026-02-17", False)):
        (told,) = world.ask(asked)
        tables = [p for p in told.headline.parts if isinstance(p, Table)]
        assert bool(tables) is not rolled, asked
        assert "fix: a step" in words(told.headline)
    world.close()
