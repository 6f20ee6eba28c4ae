"""Whose tokens they are: a person, a channel, all who ask, and the scheduled digests, each within their own."""

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta

import pytest
from make import spend
from sqlite_utils import Database
from test_app import Talking
from test_asker import QUESTION, Model
from test_early import ONE, asking
from test_sqlite_store import first_migrations
from test_worker import CHANNEL, DAY, Time
from world import DAY as BUSY
from world import busy_day, words

from adapters.llms.openai.settings import OpenAISettings
from adapters.stores.rows import instant
from adapters.stores.sqlite import SqliteStore
from adapters.stores.sqlite.file import SqliteFile
from adapters.stores.sqlite.schema import MIGRATIONS
from bot.conversation import operator
from bot.errors import BudgetSpent
from bot.judgement.asker import Asker, Bill, Limits, most
from bot.ports import Verdict
from bot.texts import Texts
from bot.values import RULES, SCHEDULED, TERMINAL, Account, Importance, Place, Request, Taken, Usage

ROOM, OTHER_ROOM = Place("slack", "T1/C1"), Place("slack", "T1/C2")
ANNA = Account("slack", "T1/C1", "U1")
BEN = Account("slack", "T1/C1", "U2")
CARL = Account("slack", "T1/C2", "U3")
LIMITS = Limits(day=20_000, person=3_000, channel=5_000, scheduled=10_000)
FULL = Usage("some-model", 900, 100, 1)


@pytest.fixture
def store(tmp_path):
    made = SqliteStore(tmp_path / "digest.db")
    yield made
    made.close()


def asker(store, clock, limits=LIMITS, **more):
    return Asker(Model(usage=FULL, **more), Bill(store, limits, clock))


def ask_all(made, account, times=99):
    """Ask until nothing more is answered: how often it was, and why no more."""
    for number in range(times):
        try:
            made.reply(QUESTION, account)
        except BudgetSpent as spent:
            return number, spent.key
    return times, ""


# --- Whose limit -----------------------------------------------------------------------------


def test_a_person_a_channel_and_all_who_ask_have_limits_and_scheduled_digests_take_what_is_left(store, clock):
    made = asker(store, clock)
    assert ask_all(made, ANNA) == (3, "model_budget_person")
    assert ask_all(made, BEN) == (2, "model_budget_channel")
    assert ask_all(made, CARL) == (3, "model_budget_person")
    assert ask_all(made, TERMINAL) == (2, "model_budget_asked")
    assert made.bill.taken(CARL) == Taken(10_000, 10_000, 3_000, 3_000)
    assert ask_all(made, SCHEDULED) == (10, "model_budget_day")
    assert made.bill.taken(ANNA) == Taken(20_000, 10_000, 5_000, 3_000)
    clock.now = made.bill.limits.midnight(clock(), -1)
    assert ask_all(made, ANNA) == (3, "model_budget_person")


def test_a_person_is_the_same_in_every_channel_and_another_in_another_chat(store, clock):
    made = asker(store, clock)
    assert ask_all(made, ANNA)[0] == 3
    assert ask_all(made, Account("slack", "T1/C9", "U1"))[0] == 0
    assert ask_all(made, Account("feishu", "oc_1", "U1"))[0] == 3


def test_scheduled_digests_may_take_all_while_nobody_asks(store, clock):
    assert ask_all(asker(store, clock), SCHEDULED) == (20, "model_budget_day")


def test_without_limits_nobody_is_held(store, clock):
    assert ask_all(asker(store, clock, Limits()), ANNA, 30) == (30, "")


def test_where_all_is_for_scheduled_digests_nothing_can_be_asked_for(store, clock):
    assert ask_all(asker(store, clock, Limits(day=9_000, scheduled=9_000)), ANNA) == (0, "model_budget_asked")


@pytest.mark.parametrize(
    ("given", "shares"),
    [
        ({}, (5_000_000, 2_500_000, 1_000_000)),
        ({"openai_daily_tokens": 1_000}, (500, 250, 100)),
        ({"openai_daily_tokens": 0}, (0, 0, 0)),
        ({"openai_daily_tokens_scheduled": 0, "openai_daily_tokens_person": 7}, (0, 2_500_000, 7)),
    ],
)
def test_the_shares_are_parts_of_the_day_unless_they_are_set(given, shares):
    settings = OpenAISettings(_env_file=None, **given)
    assert tuple(map(settings.share, ("scheduled", "channel", "person"))) == shares


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(("account", "setting"), [(ANNA, "PERSON"), (BEN, "CHANNEL"), (TERMINAL, "SCHEDULED")])
def test_who_is_held_is_told_until_when_and_by_which_setting_and_nobody_is_named(
    store, clock, language, account, setting
):
    limits = Limits(day=8_000, person=1_000, channel=2_000, scheduled=5_000, zone="Asia/Shanghai")
    made = asker(store, clock, limits)
    for each in (ANNA, BEN, TERMINAL):
        made.reply(QUESTION, each)
    with pytest.raises(BudgetSpent) as spent:
        made.reply(QUESTION, account if account is not BEN else Account("slack", "T1/C1", "U9"))
    said = Texts(language).error(spent.value)
    assert f"OPENAI_DAILY_TOKENS_{setting}" in said
    assert Texts(language).aside("2026-02-21 00:00", "Asia/Shanghai") in said
    assert not any(name in said for name in ("U1", "U2", "U9", "C1"))


# --- Reservations ----------------------------------------------------------------------------


def test_questions_of_several_processes_in_the_same_moment_stay_within_every_limit(tmp_path, clock):
    answered, at_once = [], 0
    stores = [SqliteStore(tmp_path / "digest.db") for _ in range(3)]  # each as another process has it
    askers = [Asker(Model(usage=FULL), Bill(each, LIMITS, clock), 4) for each in stores]

    def ask(number):
        try:
            askers[number % 3].reply(QUESTION, (ANNA, BEN, CARL, SCHEDULED)[number % 4])
        except BudgetSpent:
            return
        answered.append(number % 4)

    def look():
        nonlocal at_once
        at_once = max(at_once, askers[0].bill.taken(SCHEDULED).total)

    for each in askers:
        each._model.before = look
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(ask, range(96)))
    assert answered.count(0) + answered.count(1) == 5
    assert answered.count(0) <= 3
    assert (answered.count(2), answered.count(3)) == (3, 12)
    assert at_once <= LIMITS.day
    for each in stores:
        each.close()


def test_what_is_being_asked_counts_for_its_person(store, clock):
    made, refused = asker(store, clock, Limits(day=20_000, person=most(QUESTION))), []

    def meanwhile():
        refused.append(ask_all(asker(store, clock, made.bill.limits), ANNA))

    made._model.before = meanwhile
    made.reply(QUESTION, ANNA)
    assert refused == [(0, "model_budget_person")]
    assert made.bill.taken(ANNA).person == FULL.prompt + FULL.completion


def test_a_fault_of_our_own_costs_nobody_their_share(store, clock):
    made = asker(store, clock)

    def broken(question):
        raise RuntimeError

    made._model.ask = broken
    for _ in range(20):
        with pytest.raises(RuntimeError):
            made.reply(QUESTION, ANNA)
    assert ask_all(asker(store, clock), ANNA, 1) == (1, "")


def test_a_question_whose_process_was_killed_counts_and_limits_hold_over_restarts(tmp_path, clock):
    code = (
        "import os, sys; from datetime import datetime; from pathlib import Path\n"
        "from adapters.stores.sqlite import SqliteStore; from bot.judgement.asker import Asker, Bill, Limits\n"
        "from bot.values import Account, Question\n"
        "model = type('M', (), {'name': 'm', 'ask': lambda *_: os._exit(9)})()\n"
        "clock = lambda: datetime.fromisoformat(sys.argv[2])\n"
        "bill = Bill(SqliteStore(Path(sys.argv[1])), Limits(day=20_000, person=1_500), clock)\n"
        "question = Question('analysis.v1', 's' * 297, 'u' * 297, {}, 800)\n"
        "Asker(model, bill).reply(question, Account('slack', 'T1/C1', 'U1'))\n"
    )
    path = tmp_path / "digest.db"
    assert subprocess.run([sys.executable, "-c", code, str(path), clock().isoformat()], check=False).returncode == 9
    with closing(SqliteStore(path)) as store:
        made = asker(store, clock, Limits(day=20_000, person=1_500))
        assert made.bill.taken(ANNA) == Taken(1_000, 1_000, 1_000, 1_000)
        assert ask_all(made, ANNA) == (0, "model_budget_person")
        assert ask_all(made, BEN) == (1, "model_budget_person")
        assert [s.requests for s in made.bill.today()] == [1]  # what was never answered was no request


# --- What is kept of it ----------------------------------------------------------------------


def rows(path):
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT chat, channel, asker, prompt FROM usage ORDER BY prompt").fetchall()


def test_who_asked_is_kept_for_the_day_and_that_somebody_asked_for_good(store, tmp_path, clock):
    spend(store, Usage("m", 1), "p", clock(), ANNA)
    clock.pass_time(days=1)
    spend(store, Usage("m", 2), "p", clock(), BEN)
    asker(store, clock).reply(QUESTION, SCHEDULED)
    assert rows(tmp_path / "digest.db")[:2] == [("slack", "", "", 1), ("slack", "T1/C1", "U2", 2)]
    assert {s.purpose: s.asked for s in store.usage(clock() - timedelta(days=2), clock() + timedelta(days=1))} == {
        "analysis.v1": 0,
        "p": 3,
    }


def test_a_person_who_is_forgotten_leaves_the_sum(store, tmp_path, clock):
    for number, account in enumerate((ANNA, BEN, CARL, SCHEDULED, Account("slack", "T1/U1", ""))):
        spend(store, Usage("m", 10**number), "p", clock(), account)
    assert store.forget_person("slack:") == 0
    assert store.forget_person("slack:T1/U1") == 2
    assert store.forget_person("slack:T1/U1") == 0
    assert [row[:3] for row in rows(tmp_path / "digest.db")] == [
        ("slack", "", ""),
        ("slack", "T1/C1", "U2"),
        ("slack", "T1/C2", "U3"),
        ("", "", ""),
        ("slack", "", ""),
    ]
    assert asker(store, clock).bill.taken(ANNA) == Taken(11_111, 10_111, 10, 0)


def test_what_an_earlier_version_took_counts_for_the_day_and_for_nobody(tmp_path, clock):
    path = tmp_path / "digest.db"
    with Database(memory=True) as empty:
        known = [migration.name for migration in MIGRATIONS.pending(empty)]
    earlier = SqliteFile(path, 1, first_migrations(known.index("accounts")))
    with earlier.writing() as db:
        db.execute(
            "INSERT INTO usage (at, model, purpose, prompt, completion, requests) VALUES (?, 'm', 'p', 15000, 500, 1)",
            (instant(clock()),),
        )
    earlier.close()
    with closing(SqliteStore(path)) as store:
        made = asker(store, clock)
        assert made.bill.taken(ANNA) == Taken(15_500)
        assert ask_all(made, ANNA) == (3, "model_budget_person")
        assert ask_all(made, SCHEDULED) == (1, "model_budget_day")


# --- In the chat -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    return busy_day(tmp_path_factory.mktemp("busy") / "app")


@pytest.fixture
def talking(tmp_path, clock, history):
    limits = Limits(day=1_000_000, person=100_000, channel=250_000, scheduled=500_000)
    made = Talking(tmp_path, clock, history, allow=(str(history.path),), limits=limits)
    yield made
    made.close()


def said(talking, user, text, place=ROOM):
    """What somebody is answered."""
    context = talking.interpreter.context(Request(text, place, user))
    return "\n".join(words(m) for post in talking.interpreter.answer(context) for m in (post.headline, *post.replies))


def used_up(talking, account, limit):
    spend(talking.store, Usage("test-model", limit), "analysis.v4", talking.app.clock(), account)


HELD = "The person who asked for this has used up their 100,000 tokens for today"


def test_who_has_used_theirs_up_gets_the_digest_by_rules_and_why_and_others_get_it_by_the_model(talking, history):
    used_up(talking, ANNA, 100_000)
    asked = len(talking.server.statuses)
    held = said(talking, "U1", f"2026-02-18 {history.path}")
    assert HELD in held
    assert "replace endpoint 0" in held
    assert len(talking.server.statuses) == asked
    assert talking.store.recent_digests(str(history.path), "main", "en", 9) == ()
    free = said(talking, "U2", f"2026-02-18 {history.path}")
    assert "used up" not in free
    assert talking.bill.taken(BEN).person > 1_000
    assert said(talking, "U1", f"2026-02-18 {history.path}") == free  # what is kept costs nothing


def test_a_commit_that_somebody_asks_for_beyond_their_limit_says_why(talking, history):
    used_up(talking, ANNA, 100_000)
    assert HELD in said(talking, "U1", f"{history.path}#305")
    assert "Technical insight" in said(talking, "U2", f"{history.path}#305")


def test_a_digest_of_today_that_others_have_whole_is_not_replaced_by_one_that_lacks_something(talking, clock, history):
    clock.now = BUSY + timedelta(hours=3)
    assert "used up" not in said(talking, "U2", f"today {history.path}")
    used_up(talking, ANNA, 100_000)
    clock.pass_time(hours=4)
    assert HELD in said(talking, "U1", f"today {history.path}")
    assert HELD not in said(talking, "U2", "")


def test_usage_status_doctor_and_metrics_tell_what_was_asked_for(talking, clock):
    used_up(talking, ANNA, 90_000)
    used_up(talking, CARL, 5_000)
    used_up(talking, SCHEDULED, 7_000)
    for text in ("usage", "status"):
        told = said(talking, "U1", text)
        assert "102,000 of 1,000,000" in told
        assert "Tokens for everyone's requests today 95,000 of 500,000 tokens" in told
        assert "Tokens for requests today, this channel 90,000 of 250,000 tokens" in told
        assert "your requests today 90,000 of 100,000 tokens" in told
        assert "your requests today 0 of 100,000 tokens" in said(talking, "U2", text)
        assert "your requests" not in talking.said(text)
    used_up(talking, BEN, 410_000)
    measured = {m.name: m.samples for m in operator.measures(talking.store, clock(), None)}
    assert measured["model_asked_tokens"] == (({"model": "test-model", "purpose": "analysis.v4"}, 505_000.0),)
    found = {f.subject: f for f in operator.examine(talking.app, talking.store, "digest.db")}
    finding = found["tokens"]
    assert {found["model"].verdict, finding.verdict} == {Verdict.WARNING}
    for language in ("en", "zh"):
        told = Texts(language)(f"doctor.tokens_{finding.outcome}", **finding.fields)
        assert all(part in told for part in ("512,000", "1,000,000", "505,000", "500,000", "100,000", "250,000"))


# --- Scheduled digests -----------------------------------------------------------------------


def test_however_much_was_asked_for_the_scheduled_digest_has_its_share_also_before_its_slot(tmp_path):
    time = Time(DAY + timedelta(hours=12))
    with asking(tmp_path, time) as bot:
        bot.world.bill.limits = Limits(day=200_000, scheduled=100_000)
        bot.follow(CHANNEL)
        bot.commit("one", DAY + timedelta(hours=3), ONE)
        time.moment = DAY + timedelta(hours=30)
        spend(bot.store, Usage("m", 100_000), "p", time.moment, ANNA)
        bot.early("19T08:30")
        taken = bot.world.bill.taken(SCHEDULED)
        assert (taken.asked, taken.total > 101_000) == (100_000, True)
        bot.at("19T09:00")
        digest = bot.store.digest(bot.store.deliveries()[0].digest)
        assert not digest.degraded
        assert RULES not in {e.analysis.by for e in digest.entries if e.grade.importance is Importance.HIGH}
        assert "used up" not in str(bot.said())


def test_where_the_day_is_spent_the_scheduled_digest_goes_out_by_rules_and_says_until_when(tmp_path):
    time = Time(DAY + timedelta(hours=12))
    with asking(tmp_path, time) as bot:
        bot.world.bill.limits = Limits(day=200_000, scheduled=100_000)
        bot.follow(CHANNEL)
        bot.commit("one", DAY + timedelta(hours=3), ONE)
        spend(bot.store, Usage("m", 200_000), "p", DAY + timedelta(hours=25))
        bot.at("19T09:00")
        assert "replace one" in str(bot.tops())
        assert "2026-02-20 00:00 (UTC)" in str(bot.tops())
