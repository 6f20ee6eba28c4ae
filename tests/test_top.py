"""How much of a busy day a thread shows: the weightiest high commits; the table and the report have the others."""

import sqlite3
import time as times
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from make import REPOSITORY, change, commit, sha
from slack_server import SlackServer
from test_app import Talking
from test_worker import DAY, Bot, Time
from world import HOME, World, busy_day, words

from adapters.chats.slack import blocks
from bot.commits import related
from bot.conversation import operator
from bot.delivery import schedule
from bot.delivery.restoring import found_again
from bot.errors import UsageError
from bot.judgement import analysing, triage
from bot.posts import post as digests
from bot.posts.markdown import markdown
from bot.texts import Texts
from bot.values import RULES, TOP, Analysis, Digest, Entry, Filters, Grade, Importance, Request, Subscription

EN, ZH = Texts("en"), Texts("zh")


def entry(number, score=0.9, importance=Importance.HIGH) -> Entry:
    one = commit(f"feat(api)!: replace endpoint {number}", sha=sha(number), pull=number)
    return Entry(
        one, Grade(importance, one.reading.types, "", f"Sentence {number}.", score), Analysis(f"Summary {number}.")
    )


def digest(*entries) -> Digest:
    period = schedule.day(datetime(2026, 2, 18).date(), "UTC")
    return Digest(REPOSITORY, "main", period, "en", Filters(), entries, "An overview.", related.rows(entries))


FORTY = digest(*(entry(n, (n * 7 % 40) / 40) for n in range(40)))


def shown(post) -> list[str]:
    return [reply.key for reply in post.replies if reply.key.startswith("commit:")]


# --- What is posted --------------------------------------------------------------------------


def test_a_thread_has_the_weightiest_in_their_order_and_the_headline_says_so():
    post = digests.post(FORTY, EN)
    weightiest = sorted(FORTY.entries, key=lambda e: e.grade.score, reverse=True)[:TOP]
    assert shown(post) == [f"commit:{e.commit.sha}" for e in weightiest]
    assert "Shown below: the top 12 of 40 high commits" in words(post.headline)
    assert "40 个高重要度提交中最重要的 12 个" in words(digests.post(FORTY, ZH).headline)
    said, report = f"{words(post.headline)} ", markdown([FORTY], EN)
    assert all(f"replace endpoint {n} " in said for n in range(40))
    assert report.count("\n#### ") == 40


@pytest.mark.parametrize("top", [40, 50, None])
def test_nothing_is_said_where_nothing_is_left_out(top):
    post = digests.post(FORTY, EN, top=top)
    assert len(shown(post)) == 40
    assert "Shown below" not in words(post.headline)


def test_what_is_always_high_keeps_its_rank_and_is_never_less_than_high():
    def judged(n):
        return triage.judge([commit("feat!: drop it", change(added=n), sha=sha(n)), *others], ())[0]

    others = [commit("docs: a page", change("docs/a.md"), sha=sha(9_000 + n)) for n in range(28)]
    small, large = judged(1), judged(900)
    assert small.always
    assert large.always
    assert 0.5 <= small.score < large.score


def test_a_table_and_a_rest_that_nobody_reads_are_kept_to_what_is_weightiest(monkeypatch):
    monkeypatch.setattr(digests, "ROWS", 5)
    high = [entry(n, 0.9) for n in range(3)]
    rest = [entry(n, n / 100, Importance.MEDIUM if n % 2 else Importance.LOW) for n in range(10, 30)]
    post = digests.post(digest(*rest, *high), EN, top=2)
    told = words(post.headline)
    assert "Shown below: the top 2 of 3 high commits. All of them are in the full report." in told
    assert "The table shows the 5 most important of 23 rows" in told
    assert [n for n in range(30) if f"replace endpoint {n} " in f"{told} "] == [0, 1, 2, 27, 29]
    assert "and 15 more in the full report" in words(post.replies[-1])
    assert "Summary 29." in words(post.replies[-1])
    assert "Summary 19." not in words(post.replies[-1])


def test_a_day_of_twenty_thousand_breaking_commits_is_a_few_messages():
    one = entry(1)
    many = [replace(one, commit=replace(one.commit, sha=sha(n), pull=n)) for n in range(20_000)]
    post = digests.post(digest(*many), EN)
    assert len(post.replies) == TOP
    assert sum(len(blocks.render(message).pages) for message in (post.headline, *post.replies)) < 60


def test_what_is_taken_back_is_found_without_looking_at_every_pair():
    taken, back = commit("feat: a", sha=sha(7)), commit('Revert "feat: a"', sha=sha(1), body=f"reverts commit {sha(7)}")
    day = [back, *(replace(taken, sha=sha(n)) for n in range(1_000, 21_000)), taken]
    begun = times.process_time()
    assert triage._undone(day, ()) == {0, len(day) - 1}
    assert triage._undone([replace(back, sha=sha(n)) for n in range(1_000, 21_000)], ()) == frozenset()
    assert times.process_time() - begun < 10


# --- What is asked of a model ----------------------------------------------------------------


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    return busy_day(tmp_path_factory.mktemp("busy") / "app")


def test_a_model_is_asked_of_the_weightiest_and_the_rules_write_what_no_thread_has(
    tmp_path, clock, history, monkeypatch
):
    monkeypatch.setattr(analysing, "MOST_TOP", 2)
    world = Talking(tmp_path, clock, history)
    try:
        world.ask("2026-02-18")
        (made,) = world.store.recent_digests(str(history.path), "main", "en", 1)
        high = sorted(made.by_importance[Importance.HIGH], key=lambda e: e.grade.weight, reverse=True)
        assert [e.analysis.by == RULES for e in high] == [False] * 2 + [True] * 4
        assert all(e.grade.by != RULES for e in high)  # the list's question graded them all
        assert "the language model read only the 2 most important of the 6 high commits" in high[2].analysis.note
        assert not made.degraded
        assert "written by rules" not in world.said(f"#{high[2].commit.pull}").lower()  # asked for, it is read
    finally:
        world.close()


# --- What a subscription says ----------------------------------------------------------------


@pytest.fixture
def world(tmp_path, clock, history):
    made = World(tmp_path, clock, str(history.path))
    yield made
    made.close()


def test_a_subscription_says_how_many_and_twelve_where_nobody_does(world, history):
    assert "at most 12" in world.said(f"subscribe {history.path}")
    assert "at most 2" in world.said(f"subscribe {history.path} top 2")
    assert "最多 2 个" in world.said(f"subscribe {history.path} lang zh")
    world.ask(f"subscribe {history.path} lang en")
    assert "High commits in the thread at most 2" in world.said("list")
    (post,) = world.ask("2026-02-18")
    assert len(shown(post)) == 2
    assert "Shown below: the top 2 of 6 high commits" in words(post.headline)
    report = world.ask("report 2026-02-18")[0].headline.parts[0].text
    assert all(f"replace endpoint {n}" in report for n in range(6))


@pytest.mark.parametrize("value", ["0", "51", "-3", "all", "1.5", "9" * 1_000, "²"])
def test_a_number_out_of_bounds_changes_nothing_and_is_told_kindly(world, history, value):
    told = world.said(f"subscribe {history.path} top {value}")
    assert "Use a number from 1 to 50." in told
    assert world.store.subscriptions() == ()


def test_the_form_asks_for_it_with_what_is_set(world, history):
    world.ask(f"subscribe {history.path} top 7")
    form = world.interpreter.form(world.interpreter.context(Request(f"settings {history.path}", HOME, "U1")))
    assert [i.value for i in form.inputs if i.name == "top"] == ["7"]


def test_it_is_exported_and_imported(world):
    kept = Subscription(HOME, "team/app", "0 9 * * *", "UTC", "en", top=3, created=DAY, scheduled=DAY)
    (record,) = operator.exported([kept])
    assert record["top"] == 3
    assert operator.imported([record], DAY) == (kept,)
    for wrong in (0, 51, "3"):
        with pytest.raises(UsageError):
            operator.imported([record | {"top": wrong}], DAY)


# --- What is delivered -----------------------------------------------------------------------


@pytest.fixture
def time():
    return Time(DAY - timedelta(hours=12))


@pytest.fixture
def bot(tmp_path, time):
    """A bot that tells of five breaking commits in the morning of the 19th."""
    with SlackServer(time.seconds, channels=("C1", "C2", "C3")) as server:
        made = Bot(tmp_path, server, time)
        for n in range(5):
            made.commit(f"part{n}", DAY + timedelta(hours=n), f"feat!: drop part {n}")
        yield made
        made.worker.stop(5)
        made.world.close()
        assert (server.unknown, server.violations) == ([], [])


def replies(bot) -> list[str]:
    """Which of the five have a reply, oldest first."""
    (top,) = bot.tops()
    said = [str(m["blocks"][0]) for m in bot.server.thread("C1", top["ts"])]
    return [n for text in said for n in "01234" if f"drop part {n}" in text]


def as_an_earlier_version(bot, table):
    """The rows of a table as a version wrote them that knew no bounds."""
    with closing(sqlite3.connect(bot.folder / "digest.db")) as db, db:
        db.execute(f"UPDATE {table} SET body = json_remove(body, '$.top')")


def test_a_thread_has_no_more_than_its_subscription_says(bot):
    bot.follow(top=2)
    bot.at("19T09:00")
    assert len(replies(bot)) == 2
    assert "Shown below: the top 2 of 5 high commits" in str(bot.said())


def test_a_subscription_of_an_earlier_version_has_twelve(bot):
    bot.follow()
    as_an_earlier_version(bot, "subscriptions")
    assert [s.top for s in bot.store.subscriptions()] == [TOP]
    bot.at("19T09:00")
    assert len(replies(bot)) == 5


def test_what_an_earlier_version_began_ends_as_it_began(bot, monkeypatch):
    bot.follow(top=2)
    bot.killed_after_sending(monkeypatch)
    as_an_earlier_version(bot, "deliveries")
    bot.worker.stop(5)
    bot.worker = bot.another()
    bot.time.sleep(120)
    bot.tick()
    assert sorted(replies(bot)) == list("01234")


def test_a_number_that_is_changed_changes_no_digest_that_is_begun(bot, monkeypatch):
    kept = bot.follow(top=2)
    bot.killed_after_sending(monkeypatch)
    bot.store.subscribe(replace(kept, top=4))
    bot.worker.stop(5)
    bot.worker = bot.another()
    bot.time.sleep(120)
    bot.tick()
    assert len(replies(bot)) == 2


def test_a_digest_that_the_ledger_forgot_goes_on_as_its_subscription_says(bot):
    kept, until = bot.follow(top=2), DAY + timedelta(days=1)
    (forgotten,) = found_again(kept, (), {until: "1.0"}, whole=False, now=until + timedelta(hours=9))
    assert forgotten.top == 2
    built = replace(forgotten, digest="key", top=None)
    (again,) = found_again(kept, (built,), {until: "1.0"}, whole=False, now=until + timedelta(hours=9))
    assert again.top is None
