"""Digests that are built before their slots: on real parts, a model over a socket, and a clock moved by hand."""

import os
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import forkserver
import pytest
from answers import answer
from hanging import Silent, repeat
from hypothesis import given
from hypothesis import strategies as st
from model_server import Fault, ModelServer
from repositories import git
from service import ROOT, environment, quiet_zone, slack_settings
from slack_server import BROKEN, SlackServer
from test_build import purposes
from test_worker import CHANNEL, DAY, Bot, Time

from adapters.llms.openai.model import OpenAIModel
from bot.delivery import fairness, schedule
from bot.delivery.ledger import EARLY, coming_delivery, planned_delivery
from bot.rights import Right, Rights
from bot.values import DeliveryState, Filters, Importance, Place, Subscription

LIST, ANALYSIS, OVERVIEW = "grade the commits", "Analyse this commit", "open the morning digest"
ONE, TWO = "feat(api)!: replace one (#1)", "feat(api)!: replace two (#2)"


class Asked(Bot):
    """A bot with a model, which may be told to wait or to fail."""

    def __init__(self, folder, slack, time):
        self.fault, self.waits = None, None
        self.free, self.waiting = threading.Event(), threading.Event()
        self.model = ModelServer(self._answer, item=lambda _: self.fault)
        self.model.__enter__()
        still = {"clock": lambda: 0.0, "sleep": lambda _: None, "jitter": lambda: 1.0}
        model = OpenAIModel("test-model", self.model.key, self.model.url, timeout=20, concurrency=8, **still)
        super().__init__(folder, slack, time, model)

    def _answer(self, body):
        if self.waits and all(word in str(body["messages"]) for word in self.waits):
            self.waiting.set()
            assert self.free.wait(60)
            return answer(body).replace("The day was", "At last the day was")
        return answer(body)

    def early(self, text, worker=None):
        """Let it be some time, and what is due soon be built."""
        self.time.moment = datetime.fromisoformat(f"2026-02-{text}:00+00:00")
        worker = worker or self.worker
        worker.early.begin()
        assert worker.early.in_progress.wait_none(60)

    @property
    def asked(self):
        return purposes(self.model)

    def close(self):
        self.free.set()
        self.worker.stop(5)
        assert self.worker.early.in_progress.wait_none(60)
        self.world.close()
        self.model.__exit__(None)


@pytest.fixture
def time():
    return Time(DAY + timedelta(hours=12))


@pytest.fixture
def bot(tmp_path, time):
    with asking(tmp_path, time) as made:
        yield made


@contextmanager
def asking(folder, time):
    with SlackServer(time.seconds, channels=("C1", "C2", "C3")) as server:
        made = Asked(folder, server, time)
        try:
            yield made
        finally:
            made.close()
        assert (server.unknown, server.violations, server.impatient) == ([], [], [])


# --- When ------------------------------------------------------------------------------------


def test_a_digest_is_built_half_an_hour_before_its_slot_and_posted_at_once(bot):
    followed = bot.follow()
    bot.commit("one", DAY + timedelta(hours=3), ONE)
    bot.early("19T08:29")
    assert bot.asked == []
    bot.early("19T08:30")
    asked = bot.asked
    assert sorted(asked) == ["analysis", "overview", "triage"]
    assert (bot.said(), bot.store.deliveries()) == ([], ())
    bot.at("19T08:59")
    assert (bot.said(), bot.store.deliveries()) == ([], ())
    bot.at("19T09:00")
    (headline,) = bot.tops()
    assert "replace one" in str(headline)
    assert float(headline["ts"]) - (DAY + timedelta(hours=33)).timestamp() < 1
    assert bot.asked == asked
    assert bot.states(followed) == ["done"]
    bot.early("19T09:01")
    bot.at("19T23:00")
    assert bot.asked == asked
    assert len(bot.tops()) == 1


def test_it_is_looked_for_once_and_built_once_for_everybody(bot, monkeypatch):
    for n in (1, 2, 3):
        bot.follow(Place("slack", f"T1/C{n}"))
    bot.commit("one", DAY + timedelta(hours=3), ONE)
    read, listed = bot.world.source.landed, []
    monkeypatch.setattr(bot.world.source, "landed", lambda *a: listed.append(a) or read(*a))
    bot.early("19T08:30")
    asked, before = bot.asked, len(listed)
    bot.early("19T08:31")
    assert (len(listed), bot.asked) == (before, asked)
    bot.at("19T09:00")
    assert (len(listed), bot.asked) == (before + 1, asked)
    assert asked.count("triage") == 1
    assert [len(bot.tops(f"C{n}")) for n in (1, 2, 3)] == [1, 1, 1]


def test_without_a_model_nothing_is_built_early(tmp_path, time, monkeypatch):
    with SlackServer(time.seconds, channels=("C1",)) as server:
        bot = Bot(tmp_path, server, time)
        bot.follow()
        bot.commit("one", DAY + timedelta(hours=3))
        monkeypatch.setattr(bot.world.source, "commits", lambda *_: pytest.fail("read"))
        time.moment = DAY + timedelta(hours=32, minutes=45)
        bot.worker.early.begin()
        assert bot.worker.early.in_progress.wait_none(60)
        assert bot.store.counts()["digests"] == 0
        bot.worker.stop(5)
        bot.world.close()


def test_who_delivers_once_builds_nothing_early(bot):
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3), ONE)
    bot.time.moment = DAY + timedelta(hours=32, minutes=45)
    assert bot.worker.deliver_all(bot.time.sleep)
    assert bot.asked == []


def test_while_the_last_digest_waits_none_is_built_early(bot):
    """If it is given up, the next one tells its commits too."""
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3), ONE)
    bot.server.queue(*[BROKEN] * 4)
    bot.at("19T09:00")
    asked = bot.asked
    bot.commit("two", DAY + timedelta(days=1, hours=3), TWO)
    bot.early("20T08:45")
    assert bot.asked == asked
    bot.at("20T09:00")
    assert "replace one" in str(bot.tops())
    assert "replace two" in str(bot.tops())


def test_a_slot_just_after_midnight_is_built_when_its_period_has_ended(bot):
    bot.follow(schedule="10 0 * * *")
    bot.commit("one", DAY + timedelta(hours=3), ONE)
    bot.early("18T23:45")
    bot.early("19T00:00")
    assert bot.asked == []
    bot.early("19T00:01")
    asked = bot.asked
    assert "analysis" in asked
    bot.at("19T00:10")
    assert len(bot.tops()) == 1
    assert bot.asked == asked


def told(delivery):
    return delivery and (delivery.slot, delivery.cursor, delivery.since, delivery.until, delivery.merged)


@pytest.mark.parametrize(
    ("zone", "expression", "slot", "hours"),
    [
        ("Europe/Berlin", "0 9 * * *", "2026-03-30T07:00", 23),  # the day before, the clocks went forward
        ("Europe/Berlin", "15 3 * * *", "2026-03-29T01:15", 24),  # right after they did
        ("America/New_York", "0 9 * * *", "2026-11-02T14:00", 25),
        ("America/New_York", "15 1 * * *", "2026-11-01T05:15", 24),  # a time that comes twice
        ("Africa/Cairo", "30 9 * * *", "2026-04-25T06:30", 23),  # a day that had no midnight
    ],
)
def test_where_the_clocks_change_half_an_hour_stays_one(zone, expression, slot, hours):
    due = datetime.fromisoformat(f"{slot}:00+00:00")
    followed = Subscription(CHANNEL, "r", expression, zone, "en", created=due - timedelta(hours=30), id=1)
    last = planned_delivery(followed, None, due - timedelta(hours=20))
    last = replace(last, state=DeliveryState.DONE) if last else None
    assert coming_delivery(followed, last, due - EARLY - timedelta(seconds=1)) is None
    coming = coming_delivery(followed, last, due - EARLY)
    assert told(coming) == told(planned_delivery(followed, last, due))
    assert coming.slot == due
    assert coming.until - coming.since == timedelta(hours=hours)
    assert coming_delivery(followed, last, due) is None


ZONES = ("UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York", "Africa/Cairo", "Australia/Lord_Howe")


@given(
    zone=st.sampled_from(ZONES),
    hour=st.integers(0, 23),
    minute=st.integers(0, 59),
    on=st.sampled_from(("*", "mon-fri", "mon", "1,3,5")),
    now=st.datetimes(datetime(2026, 3, 1), datetime(2026, 11, 30), timezones=st.just(UTC)),
    ago=st.timedeltas(timedelta(0), timedelta(days=9)),
)
def test_what_is_built_early_is_what_will_be_due(zone, hour, minute, on, now, ago):
    followed = Subscription(CHANNEL, "r", f"{minute} {hour} * * {on}", zone, "en", created=now - ago, id=1)
    coming = coming_delivery(followed, None, now)
    if coming:
        assert planned_delivery(followed, None, now) is None
        assert coming.until < now < coming.slot <= now + EARLY
        assert coming.id == 0
        assert told(coming) == told(planned_delivery(followed, None, coming.slot))
    elif (due := planned_delivery(followed, None, now + EARLY)) and due.slot > now:
        assert due.until >= now or planned_delivery(followed, None, now)


# --- What lands meanwhile --------------------------------------------------------------------


def test_what_is_pushed_meanwhile_is_told_and_only_it_is_analysed(bot):
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3), ONE)
    bot.early("19T08:30")
    before = len(bot.asked)
    bot.commit("two", DAY + timedelta(hours=5), TWO)
    bot.at("19T09:00")
    (headline,) = bot.tops()
    assert "replace one" in str(headline)
    assert "replace two" in str(headline)
    new = bot.asked[before:]
    assert new.count("analysis") == 1
    (body,) = (b for b, p in zip(bot.model.bodies[before:], new, strict=True) if p == "analysis")
    assert "src/two.py" in str(body)
    assert bot.store.digest(bot.store.deliveries()[0].digest).degraded is False
    bot.commit("three", DAY + timedelta(days=1, hours=3))
    bot.at("20T09:00")
    assert "replace" not in str(bot.tops()[1])


def test_what_is_forced_away_meanwhile_is_not_told(bot):
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3), ONE)
    bot.commit("gone", DAY + timedelta(hours=4), TWO)
    bot.early("19T08:30")
    git(bot.folder / "repo", "update-ref", "refs/heads/main", "main~1")
    bot.at("19T09:00")
    (headline,) = bot.tops()
    assert "replace one" in str(headline)
    assert "replace two" not in str(headline)


def test_what_was_told_before_and_what_is_late_are_the_same_early_and_at_the_slot(bot):
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3), ONE)
    bot.at("19T09:00")
    bot.commit("late", DAY + timedelta(hours=5), TWO)
    bot.commit("three", DAY + timedelta(days=1, hours=3))
    bot.early("20T08:40")
    asked = bot.asked
    bot.at("20T09:00")
    _, second = bot.tops()
    assert "replace two" in str(second)
    assert "replace one" not in str(second)
    assert bot.asked == asked


@pytest.mark.parametrize("how", ["removed", "rests"])
def test_who_goes_meanwhile_gets_nothing(bot, how):
    followed = bot.follow()
    bot.commit("one", DAY + timedelta(hours=3), ONE)
    bot.early("19T08:30")
    if how == "removed":
        bot.store.unsubscribe(followed.id)
    else:
        bot.store.pause(followed.id, "asked")
    bot.at("19T09:00")
    assert bot.said() == []


def test_who_rests_gets_none_built_early(bot):
    followed = bot.follow()
    bot.store.pause(followed.id, "left")
    bot.commit("one", DAY + timedelta(hours=3), ONE)
    bot.early("19T08:30")
    assert bot.asked == []


def test_another_wish_is_built_early_too_and_another_time_is_kept(bot):
    followed = bot.follow()
    bot.commit("one", DAY + timedelta(hours=3), ONE)
    bot.early("19T08:30")
    changed = bot.store.subscribe(replace(followed, language="zh", filters=Filters(paths=("src/",))))
    bot.early("19T08:40")
    asked = bot.asked
    assert asked.count("triage") == 2
    bot.store.subscribe(replace(changed, schedule="0 10 * * *", scheduled=bot.time.moment))
    bot.at("19T09:00")
    assert bot.tops() == []
    bot.at("19T10:00")
    (headline,) = bot.tops()
    assert "提交" in str(headline)
    assert bot.asked == asked


# --- When something goes wrong ---------------------------------------------------------------


def test_what_lacks_something_is_built_anew_at_the_slot(bot, caplog):
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3), ONE)
    bot.fault = Fault.SERVER_ERROR
    bot.early("19T08:30")
    tried = len(bot.asked)
    bot.early("19T08:31")
    assert len(bot.asked) == tried  # it is not tried over and over
    assert caplog.text.count("not built early") == 1
    assert bot.store.counts()["digests"] == 0
    bot.fault = None
    bot.at("19T09:00")
    (sent,) = bot.store.deliveries()
    digest = bot.store.digest(sent.digest)
    assert not digest.degraded
    assert digest.by_importance[Importance.HIGH][0].analysis.by == "test-model"
    assert len(bot.tops()) == 1


def test_a_model_that_is_down_at_the_slot_too_costs_no_digest(bot):
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3), ONE)
    bot.fault = Fault.BAD_KEY
    bot.early("19T08:30")
    bot.at("19T09:00")
    assert len(bot.tops()) == 1
    assert bot.store.digest(bot.store.deliveries()[0].digest).degraded


def test_a_model_that_fails_only_at_the_slot_does_no_harm(bot):
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3), ONE)
    bot.early("19T08:30")
    bot.fault = Fault.BAD_KEY
    bot.at("19T09:00")
    assert not bot.store.digest(bot.store.deliveries()[0].digest).degraded


def test_a_repository_that_cannot_be_read_early_is_read_at_the_slot(bot, caplog):
    bot.follow()
    bot.follow(Place("slack", "T1/C2"))
    bot.commit("one", DAY + timedelta(hours=3), ONE)
    moved = bot.folder / "moved"
    (bot.folder / "repo").rename(moved)
    bot.early("19T08:30")
    bot.early("19T08:31")
    assert caplog.text.count("not built early") == 1
    moved.rename(bot.folder / "repo")
    bot.at("19T09:00")
    assert [len(bot.tops(c)) for c in ("C1", "C2")] == [1, 1]
    assert [d.failures for d in bot.store.deliveries()] == [0, 0]


def test_a_fault_of_our_own_is_logged_and_left_to_the_slot(bot, monkeypatch, caplog):
    bot.follow(Place("slack", "T1/C2"), schedule="now and then")
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3), ONE)
    monkeypatch.setattr(bot.world.app, "build", lambda *_: 1 / 0)
    bot.early("19T08:30")
    bot.early("19T08:31")
    monkeypatch.undo()
    assert caplog.text.count("ZeroDivisionError") == 1
    bot.at("19T09:00")
    assert len(bot.tops()) == 1


# --- Beside deliveries, and beside other processes -------------------------------------------


def test_a_delivery_waits_for_an_early_build_that_still_runs(bot):
    followed = bot.follow()
    bot.commit("one", DAY + timedelta(hours=3), ONE)
    bot.waits = (OVERVIEW,)
    bot.time.moment = DAY + timedelta(hours=32, minutes=59)
    bot.worker.early.begin()
    assert bot.waiting.wait(60)
    bot.at("19T09:00")
    (waiting,) = bot.store.deliveries(followed.id)
    assert (waiting.state, waiting.failures, waiting.failure) == (DeliveryState.DUE, 0, None)
    bot.free.set()
    assert bot.worker.early.in_progress.wait_none(60)
    bot.time.sleep(2)
    bot.tick()
    assert len(bot.tops()) == 1
    assert sorted(bot.asked) == ["analysis", "overview", "triage"]


def test_an_early_build_holds_up_no_other_delivery(bot):
    """As many as there are threads for them, and one more."""
    bot.commit("one", DAY + timedelta(hours=3), ONE)
    for n in range(5):
        git(bot.folder / "repo", "branch", f"b{n}")
        bot.follow(branch=f"b{n}", schedule="20 9 * * *", language="zh")
    bot.follow(Place("slack", "T1/C2"))
    bot.waits = (OVERVIEW, "Chinese")
    bot.time.moment = DAY + timedelta(hours=33)
    bot.worker.early.begin()
    assert bot.waiting.wait(60)
    assert bot.worker.early.in_progress.number == 4
    bot.tick()
    assert len(bot.tops("C2")) == 1


def test_of_two_processes_one_builds(bot):
    for n in (1, 2):
        bot.follow(Place("slack", f"T1/C{n}"))
    bot.commit("one", DAY + timedelta(hours=3), ONE)
    bot.waits = (LIST,)
    other = bot.another()
    bot.time.moment = DAY + timedelta(hours=32, minutes=30)
    bot.worker.early.begin()
    assert bot.waiting.wait(60)
    other.early.begin()
    assert other.early.in_progress.wait_none(60)
    bot.free.set()
    assert bot.worker.early.in_progress.wait_none(60)
    bot.early("19T08:31", other)
    asked = bot.asked
    assert sorted(asked) == ["analysis", "overview", "triage"]
    bot.time.moment = DAY + timedelta(hours=33)
    threads = [threading.Thread(target=w.deliver_all, args=(bot.time.sleep,)) for w in (bot.worker, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.stop(5)
    assert bot.asked == asked
    assert [len(bot.tops(f"C{n}")) for n in (1, 2)] == [1, 1]


def test_who_stood_still_past_its_lease_replaces_nothing(bot):
    """The other process has built the same since, and may be posting it."""
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3), ONE)
    bot.waits = (OVERVIEW,)
    bot.time.moment = DAY + timedelta(hours=32, minutes=30)
    bot.worker.early.begin()
    assert bot.waiting.wait(60)
    bot.waits = None
    other = bot.another()
    bot.early("19T08:32", other)
    kept = bot.store.recent_digests(bot.repo, "main", "en", 9)
    assert ["At last" in digest.overview for digest in kept] == [False]
    bot.free.set()
    assert bot.worker.early.in_progress.wait_none(60)
    assert bot.store.recent_digests(bot.repo, "main", "en", 9) == kept
    other.stop(5)


def test_who_is_stopped_waits_for_no_early_build_and_begins_none(bot):
    bot.follow()
    bot.follow(Place("slack", "T1/C2"), language="zh")
    bot.commit("one", DAY + timedelta(hours=3), ONE)
    bot.waits = (LIST,)
    bot.time.moment = DAY + timedelta(hours=32, minutes=30)
    bot.worker.early.begin()
    assert bot.waiting.wait(60)
    bot.worker.stop(5)
    assert bot.worker.early.in_progress.number == 1
    bot.worker.early.begin()
    bot.free.set()
    assert bot.worker.early.in_progress.wait_none(60)
    assert bot.asked.count("triage") == 1  # the other language's was not begun
    bot.worker = bot.another()
    bot.at("19T09:00")
    assert [len(bot.tops(c)) for c in ("C1", "C2")] == [1, 1]


@pytest.mark.parametrize("during", [LIST, ANALYSIS, OVERVIEW] if os.environ.get("STRESS") else [ANALYSIS])
def test_who_is_killed_amid_an_early_build_leaves_the_slot_as_it_was(tmp_path, during):
    """The real program, ended with SIGKILL while the model answers; at the slot another process delivers."""
    now = datetime.now(UTC)
    slot = (now + timedelta(minutes=20)).replace(second=0, microsecond=0)
    zone = quiet_zone(slot)
    local = schedule.midnight(schedule.today(slot, zone), zone)
    clock = Time(now)
    with asking(tmp_path, clock) as bot:
        hour = int((slot - local).total_seconds() // 3600)
        bot.commit("one", local - timedelta(hours=9), ONE)
        bot.follow(schedule=f"{slot.minute} {hour} * * *", zone=zone, created=now - timedelta(hours=20))
        bot.waits = (during,)
        told = environment(
            tmp_path,
            **slack_settings(bot.server.url),
            DIGEST_ALLOW=str(tmp_path / "*"),
            DIGEST_CLONES=str(tmp_path / "clones"),
            OPENAI_API_KEY=bot.model.key,
            OPENAI_BASE_URL=bot.model.url,
            OPENAI_MODEL="test-model",
            OPENAI_DEPTH="brief",
        )
        with forkserver.start("-m", "bot", "run", env=told, cwd=ROOT) as process:
            begun = bot.waiting.wait(20)
            process.kill()
        assert begun
        assert (bot.store.deliveries(), bot.said()) == ((), [])
        bot.waits = None
        bot.free.set()
        clock.moment = slot
        bot.tick()
        (sent,) = bot.store.deliveries()
        assert sent.state is DeliveryState.DONE
        assert not bot.store.digest(sent.digest).degraded
        assert len(bot.tops()) == 1


# --- Whose turn it is ------------------------------------------------------------------------


def test_a_channel_that_follows_very_much_does_not_keep_another_s_from_being_built(bot):
    bot.commit("one", DAY + timedelta(hours=3), ONE)
    for n in range(40):
        (bot.folder / f"a{n:02}").symlink_to(bot.folder / "repo")
        bot.store.subscribe(replace(bot.follow(), id=0, repo=str(bot.folder / f"a{n:02}")))
    bot.follow(Place("slack", "T1/C2"))
    asked, find = [], bot.world.source.repository

    def repository(name):
        asked.append(name)
        return find(name)

    bot.world.source.repository = repository
    bot.early("19T08:30")
    assert len(asked) >= 41  # though nobody begins anew
    assert asked.index(bot.repo) < 10  # though its name and its number are the last


def test_hosts_that_hang_do_not_keep_another_s_from_being_built(bot, monkeypatch):
    monkeypatch.setattr(fairness, "SLOW", 0.1)
    bot.world.repositories.rights = Rights(("*",), (Right("T1", "", "*"),))
    bot.commit("one", DAY + timedelta(hours=3), ONE)
    with ExitStack() as stack:
        for _ in range(12):
            host = stack.enter_context(Silent())
            for n in range(fairness.SHARE + 1):
                bot.store.subscribe(replace(bot.follow(), id=0, repo=f"{host.url}/a/{n}.git"))
        bot.follow(Place("slack", "T1/C2"))
        bot.time.moment = datetime.fromisoformat("2026-02-19T08:30:00+00:00")
        repeat(bot.worker.early.begin, lambda: "overview" in bot.asked)
        assert bot.worker.early.in_progress.number > fairness.PERMITS
        bot.worker.halt()
