"""The worker on real parts: a git repository, a SQLite file, Slack over a socket, and a clock that is moved by hand."""

import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from plain import unpack_all
from repositories import Builder, git, lines
from slack_server import BROKEN, DROPPED, TOKEN, SlackServer
from world import World

from adapters.chats.slack.chat import SlackChat
from adapters.chats.slack.workspaces import OneWorkspace
from adapters.stores.sqlite import SqliteStore
from bot.conversation import operator
from bot.delivery.leases import LeaseHolder
from bot.delivery.ledger import backoff
from bot.errors import Unavailable, UsageError
from bot.judgement import triage
from bot.values import DeliveryState, Filters, Importance, Place, StepState, Subscription

CHANNEL = Place("slack", "T1/C1")
DAY = datetime(2026, 2, 18, tzinfo=UTC)


class Time:
    """A clock that sleeping and a test move; for everybody who asks, in every form."""

    def __init__(self, now):
        self.moment = now
        self._lock = threading.Lock()

    def __call__(self):
        return self.moment

    def seconds(self):
        return self.moment.timestamp()

    def sleep(self, seconds):
        with self._lock:  # never too short: who sleeps for less than it shows would sleep for ever
            self.moment += timedelta(seconds=seconds, microseconds=1)


class Bot:
    """A worker, what it works with, and the channels it posts in."""

    def __init__(self, folder, server, time, model=None):
        self.time, self.server, self.folder = time, server, folder
        self.build = Builder(folder / "repo")
        self.repo = str(folder / "repo")
        self.commit("root", DAY - timedelta(days=30))
        self.world = World(folder, time, allow=(str(folder / "*"),), model=model)
        self.store = self.world.store
        self.chat = SlackChat(
            OneWorkspace(TOKEN, server.url), clock=time.seconds, sleep=time.sleep, now=time.seconds, settle=4
        )
        self.worker = self.another()

    def another(self):
        return self.world.worker({"slack": self.chat})

    def commit(self, name, at, subject="", folder="src"):
        self.build.commit(name, at, {f"{folder}/{name}.py": lines(1, 20, name)}, message=subject or f"fix: {name}")
        self.build.finish()

    def follow(self, place=CHANNEL, **fields):
        known = {"schedule": "0 9 * * *", "zone": "UTC", "language": "en", "created": self.time.moment}
        return self.store.subscribe(Subscription(place, self.repo, **(known | fields)))

    def at(self, text):
        """Let it be some time, and the worker do what is due."""
        self.time.moment = datetime.fromisoformat(f"2026-02-{text}:00+00:00")
        self.tick()

    def tick(self):
        while self.worker.tick():
            assert self.worker.drain(60)

    def killed_after_sending(self, monkeypatch):
        """It is the morning of the 19th, and the process dies right after the chat took its first message."""
        post = self.chat.post

        def die(place, message, once=None):
            post(place, message, once)
            raise KeyboardInterrupt

        monkeypatch.setattr(self.chat, "post", die)
        self.time.moment = DAY + timedelta(hours=33)
        self.worker.tick()
        self.worker.drain(60)
        monkeypatch.undo()

    def tops(self, channel="C1"):
        return self.server.thread(channel, None)

    def said(self, channel="C1"):
        """The words of everything in a channel."""
        return [str(m) for m in self.server.messages[channel]]

    def states(self, subscription):
        return [str(d.state) for d in reversed(self.store.deliveries(subscription.id))]


@contextmanager
def opened(folder, time):
    """A bot in three channels of a Slack that nothing wrong was asked of."""
    with SlackServer(time.seconds, channels=("C1", "C2", "C3")) as server:
        made = Bot(folder, server, time)
        yield made
        made.worker.stop(5)
        made.world.close()
        assert (server.unknown, server.violations) == ([], [])


@pytest.fixture
def time():
    return Time(DAY - timedelta(hours=12))


@pytest.fixture
def bot(tmp_path, time):
    with opened(tmp_path, time) as made:
        yield made
        made.worker.stop(5)
        assert made.server.impatient == []


def test_a_digest_is_posted_when_it_is_due_and_once(bot):
    followed = bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    bot.at("18T09:00")
    assert bot.tops() == []  # nothing landed on the 17th, and quiet days are quiet
    bot.at("19T08:59")
    assert bot.tops() == []
    bot.at("19T09:00")
    (headline,) = bot.tops()
    assert "fix: one" in str(headline)
    before = len(bot.said())
    for _ in range(3):
        bot.tick()
    bot.at("19T23:00")
    assert len(bot.said()) == before
    assert bot.states(followed) == ["quiet", "done"]


def test_where_there_are_no_threads_two_digests_do_not_stand_within_each_other(bot, monkeypatch):
    posted, pause = [], threading.Event()

    def post(place, message, once=None):
        posted.append(message.key)
        pause.wait(0.02)  # in which the other one would go on
        return place

    monkeypatch.setattr(bot.chat, "post", post)
    bot.follow()
    bot.follow(branch="main", language="zh")
    bot.commit("one", DAY + timedelta(hours=3))
    bot.at("19T09:00")
    for _ in range(3):  # the one that found the other one there is tried again soon
        bot.time.sleep(2)
        bot.tick()
    assert len(posted) > 4
    assert posted[: len(posted) // 2] == posted[len(posted) // 2 :]


def test_a_quiet_day_is_posted_where_that_is_wanted(bot):
    bot.follow(quiet=True)
    bot.at("18T09:00")
    (headline,) = bot.tops()
    assert "nothing landed" in str(headline)


def test_channels_with_the_same_wish_share_a_digest_and_its_reading(bot, monkeypatch):
    followed = [bot.follow(Place("slack", f"T1/C{n}")) for n in (1, 2, 3)]
    bot.commit("one", DAY + timedelta(hours=3))
    asked = []
    read = bot.world.source.landed
    monkeypatch.setattr(bot.world.source, "landed", lambda *a: asked.append(a) or read(*a))
    bot.at("19T09:00")
    assert [len(bot.tops(f"C{n}")) for n in (1, 2, 3)] == [1, 1, 1]
    assert len(asked) == 1
    assert len({bot.store.deliveries(s.id)[0].digest for s in followed}) == 1


def test_two_workers_share_the_work_and_post_nothing_twice(bot):
    for n in (1, 2, 3):
        bot.follow(Place("slack", f"T1/C{n}"), language="zh" if n == 3 else "en")
    bot.commit("one", DAY + timedelta(hours=3))
    other = bot.another()
    bot.time.moment = DAY + timedelta(hours=33)
    threads = [threading.Thread(target=w.deliver_all, args=(bot.time.sleep,)) for w in (bot.worker, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.stop(5)
    assert [len(bot.tops(f"C{n}")) for n in (1, 2, 3)] == [1, 1, 1]


def test_a_late_push_is_told_once_and_marked(bot):
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    bot.at("19T09:00")
    # A rebase keeps the dates: this one was written on the 18th and is pushed on the 19th.
    bot.commit("late", DAY + timedelta(hours=5))
    bot.commit("two", DAY + timedelta(days=1, hours=5))
    bot.at("20T09:00")
    bot.at("21T09:00")
    first, second = bot.tops()
    assert "fix: late" not in str(first)
    assert "fix: late" in str(second)
    assert "2026-02-18 05:00" in str(second)
    assert "fix: one" not in str(second)
    assert "Landed in this period but dated outside it: 1 commit" in str(second)


def test_what_lay_there_before_the_first_digest_is_not_late(bot):
    bot.commit("old", DAY - timedelta(days=3))
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    bot.at("19T09:00")
    bot.commit("two", DAY + timedelta(days=1, hours=3))
    bot.at("20T09:00")
    assert not any("fix: old" in said for said in bot.said())


def test_filtered_commits_do_not_come_back_as_late_when_the_filter_goes(bot):
    bot.follow(filters=Filters(paths=("src/",)))
    bot.commit("one", DAY + timedelta(hours=3))
    bot.commit("manual", DAY + timedelta(hours=4), folder="docs")
    bot.at("19T09:00")
    bot.follow(created=DAY - timedelta(hours=12))
    bot.commit("two", DAY + timedelta(days=1, hours=3))
    bot.at("20T09:00")
    assert not any("fix: manual" in said for said in bot.said())


def test_what_was_missed_is_made_up_for_and_said(bot):
    bot.follow()
    for day in range(4):
        bot.commit(f"d{day}", DAY + timedelta(days=day, hours=3))
    bot.at("22T09:30")
    (headline,) = bot.tops()
    assert all(f"fix: d{day}" in str(headline) for day in range(4))
    assert "also covers earlier ones that were missed: 4" in str(headline)


def test_more_than_seven_days_are_given_up_and_said(bot):
    bot.follow()
    bot.commit("first", DAY + timedelta(hours=3))
    bot.commit("last", DAY + timedelta(days=9, hours=3))
    bot.at("28T09:30")
    (headline,) = bot.tops()
    assert "fix: last" in str(headline)
    assert "fix: first" not in str(headline)
    assert "from 2026-02-17 00:00 to 2026-02-21 00:00 is not in any digest" in str(headline)


def test_a_failing_slack_is_tried_again_later_and_nothing_is_doubled(bot):
    followed = bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    bot.server.queue(*[BROKEN] * 4)
    bot.at("19T09:00")
    assert bot.tops() == []
    waiting = bot.store.deliveries(followed.id)[0]
    assert waiting.failure.key == "slack_failed"
    assert waiting.retry > bot.time.moment
    assert "next attempt" in operator.delivery_status(waiting, "UTC", bot.world.interpreter.texts(CHANNEL))
    bot.tick()
    assert bot.tops() == []  # not before its time
    bot.time.sleep(31)
    bot.tick()
    assert len(bot.tops()) == 1
    assert bot.states(followed) == ["done"]


def test_waiting_grows_up_to_half_an_hour():
    assert [backoff(n).total_seconds() for n in (1, 2, 3, 9, 10_000)] == [30, 60, 120, 1_800, 1_800]


def test_what_could_not_be_posted_at_all_is_in_the_next_digest_which_says_so(bot):
    followed = bot.follow()
    bot.at("18T09:00")
    bot.commit("one", DAY + timedelta(hours=3))
    bot.server.queue(*[BROKEN] * 4)
    bot.at("19T09:00")
    bot.commit("two", DAY + timedelta(days=1, hours=3))
    bot.at("20T09:00")
    (headline,) = bot.tops()
    assert "fix: one" in str(headline)
    assert "fix: two" in str(headline)
    assert "The digest for 2026-02-18 Wednesday could not be posted; its commits are in this one." in str(headline)
    assert "that were missed" not in str(headline)
    assert bot.states(followed)[-2:] == ["failed", "done"]
    with pytest.raises(UsageError) as refused:
        operator.retry(bot.store, bot.store.deliveries(followed.id)[1].id, bot.time.moment)
    assert refused.value.key == "delivery_made_up"


def test_what_was_posted_in_part_is_said_in_the_next_and_can_be_tried_again(bot):
    followed = bot.follow()
    bot.commit("one", DAY + timedelta(hours=3), "feat(api)!: replace one (#1)")
    bot.server.queue("", *[BROKEN] * 4)
    bot.at("19T09:00")
    assert len(bot.tops()) == 1
    bot.server.queue(*[BROKEN] * 4)
    bot.commit("two", DAY + timedelta(days=1, hours=3))
    bot.at("20T09:00")
    bot.time.sleep(60)
    bot.tick()
    _, second = bot.tops()
    assert "Only part of the digest" in str(second)
    assert "fix: two" in str(second)
    assert "replace one" not in str(second)
    failed = next(d for d in bot.store.deliveries(followed.id) if d.state is DeliveryState.FAILED)
    operator.retry(bot.store, failed.id, bot.time.moment)
    bot.tick()
    thread = bot.server.thread("C1", bot.tops()[0]["ts"])
    assert sum("replace one" in str(m) for m in thread) >= 1
    assert bot.store.delivery(failed.id).state is DeliveryState.DONE
    with pytest.raises(UsageError) as refused:
        operator.retry(bot.store, failed.id, bot.time.moment)
    assert refused.value.key == "delivery_not_failed"


def test_a_channel_that_is_gone_rests_and_goes_on_when_the_bot_is_back(bot):
    followed = bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    bot.server.leave("C1")
    bot.at("19T09:00")
    assert [s.paused for s in bot.store.subscriptions()] == ["left"]
    bot.at("20T09:00")
    assert len([d for d in bot.store.deliveries(followed.id) if d.state is DeliveryState.DUE]) == 1
    bot.server.channels["C1"].members.add("U0BOT")
    bot.world.host(bot.chat).joined(CHANNEL)
    bot.tick()
    (headline,) = bot.tops()
    assert "fix: one" in str(headline)


def test_an_archived_channel_rests(bot):
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    bot.server.archive("C1")
    bot.time.moment = DAY + timedelta(hours=33)
    assert not bot.worker.deliver_all(bot.time.sleep)
    assert [s.paused for s in bot.store.subscriptions()] == ["closed"]


def test_a_digest_that_somebody_removes_is_not_posted_again(bot):
    followed = bot.follow()
    bot.commit("one", DAY + timedelta(hours=3), "feat(api)!: replace one (#1)")
    bot.server.queue("", *[BROKEN] * 4)
    bot.at("19T09:00")
    bot.server.channels["C1"].messages.clear()
    bot.time.sleep(60)
    bot.tick()
    assert bot.said() == []
    assert bot.states(followed)[-1] == "done"


def test_who_unsubscribes_amid_a_delivery_gets_nothing_more(bot):
    followed = bot.follow()
    bot.commit("one", DAY + timedelta(hours=3), "feat(api)!: replace one (#1)")
    bot.server.queue("", *[BROKEN] * 4)
    bot.at("19T09:00")
    posted = len(bot.said())
    bot.store.unsubscribe(followed.id)
    bot.time.sleep(60)
    bot.tick()
    assert len(bot.said()) == posted


def test_a_repository_that_cannot_be_read_is_tried_again_and_told_to_the_operator(bot):
    followed = bot.follow()
    moved = bot.folder / "moved"
    (bot.folder / "repo").rename(moved)
    bot.at("19T09:00")
    waiting = bot.store.deliveries(followed.id)[0]
    assert waiting.state is DeliveryState.DUE
    assert waiting.failure is not None
    assert [s.paused for s in bot.store.subscriptions()] == [""]
    moved.rename(bot.folder / "repo")
    bot.commit("one", DAY + timedelta(hours=3))
    bot.time.sleep(31)
    bot.tick()
    assert len(bot.tops()) == 1


def test_a_schedule_that_nobody_understands_stops_no_other(bot, caplog):
    bot.follow(Place("slack", "T1/C2"), schedule="now and then")
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    bot.at("19T09:00")
    assert len(bot.tops()) == 1
    assert "not planned" in caplog.text


def test_a_worker_that_is_stopped_sends_nothing_more_and_another_goes_on_at_once(bot):
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    bot.time.moment = DAY + timedelta(hours=33)
    bot.worker.stop(5)
    bot.tick()
    assert bot.said() == []
    bot.worker = bot.another()
    bot.tick()
    assert len(bot.tops()) == 1


def test_a_process_that_stood_still_past_its_lease_sends_nothing(bot, monkeypatch):
    """Between its check and its send another one takes over, and is done."""
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    other = bot.another()
    post, stood = bot.chat.post, []

    def stand_still(place, message, once=None):
        if not stood:
            stood.append(True)
            bot.time.sleep(61)
            assert other.deliver_all(bot.time.sleep)
        return post(place, message, once)

    monkeypatch.setattr(bot.chat, "post", stand_still)
    bot.at("19T09:00")
    other.stop(5)
    assert len(bot.tops()) == 1
    keys = [m["metadata"]["event_payload"]["key"] for m in bot.server.messages["C1"]]
    assert len(keys) == len(set(keys))


def test_a_lease_is_one_threads(bot):
    leases = LeaseHolder(bot.store, bot.time, timedelta(seconds=60))
    assert leases.acquire("k")
    assert not leases.acquire("k")
    leases.release("k")
    assert leases.acquire("k")
    bot.time.sleep(50)
    leases.renew()
    bot.time.sleep(50)
    assert not LeaseHolder(bot.store, bot.time, timedelta(seconds=60)).acquire("k")


def test_a_fault_of_our_own_is_kept_and_costs_no_other_channel_its_digest(bot, monkeypatch, caplog):
    broken = bot.follow(Place("slack", "T1/C2"))
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    post = bot.chat.post

    def trip(place, message, once=None):
        if place.channel == "T1/C2":
            raise RuntimeError("a fault")
        return post(place, message, once)

    monkeypatch.setattr(bot.chat, "post", trip)
    bot.at("19T09:00")
    assert len(bot.tops()) == 1
    assert bot.store.deliveries(broken.id)[0].failure.key == "delivery_crashed"
    assert "a fault" in caplog.text


def test_deliver_all_tells_whether_everything_went_out(bot):
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    bot.time.moment = DAY + timedelta(hours=33)
    bot.server.queue(*[BROKEN] * 4)
    assert not bot.worker.deliver_all(bot.time.sleep)
    bot.time.sleep(31)
    second = bot.another()
    assert second.deliver_all(bot.time.sleep)
    second.stop(5)
    assert len(bot.tops()) == 1


def test_settings_may_change_between_slots(bot):
    followed = bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    bot.at("19T09:00")
    bot.store.subscribe(replace(followed, zone="Asia/Shanghai", language="zh"))
    bot.commit("two", DAY + timedelta(days=1, hours=3))
    bot.at("20T01:00")
    _, second = bot.tops()
    assert "fix: two" in str(second)
    assert "fix: one" not in str(second)


def test_a_commit_that_was_forced_away_is_said_to_be_gone_when_it_is_expanded(bot):
    bot.follow()
    bot.commit("keep", DAY + timedelta(hours=2))
    bot.commit("gone", DAY + timedelta(hours=3))
    bot.at("19T09:00")
    sha = bot.store.recent_digests(bot.repo, "main", "en", 1)[0].entries[0].commit.sha
    assert "no longer on main" not in bot.world.said(sha[:9], CHANNEL)
    git(bot.folder / "repo", "update-ref", "refs/heads/main", f"{sha}~1")
    told = bot.world.said(sha[:9], CHANNEL)
    assert "This commit is no longer on main" in told
    assert "fix: gone" in told


# --- What a review found ---------------------------------------------------------------------


def test_a_time_that_is_moved_after_a_failure_stops_nobody(bot):
    followed = bot.follow()
    bot.at("18T09:00")
    bot.follow(Place("slack", "T1/C2"), schedule="30 9 * * *", created=DAY)
    bot.commit("one", DAY + timedelta(hours=3))
    bot.server.queue(*[BROKEN] * 40)
    bot.at("19T09:00")
    bot.store.subscribe(replace(followed, schedule="0 15 * * *", scheduled=DAY + timedelta(hours=34)))
    bot.server._faults.clear()
    bot.at("20T09:30")
    assert len(bot.tops("C2")) == 1
    bot.at("20T15:00")
    assert sum("fix: one" in str(m) for m in bot.tops()) == 1


def test_one_subscription_that_cannot_be_planned_keeps_nobody_elses_from_being(bot, monkeypatch):
    broken = bot.follow(Place("slack", "T1/C2"), zone="Europe/Berlin")
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    plan = bot.store.plan

    def fail(delivery, last):
        if delivery.subscription == broken.id:
            raise RuntimeError("no such zone any more")
        return plan(delivery, last)

    monkeypatch.setattr(bot.store, "plan", fail)
    bot.at("19T09:00")
    assert len(bot.tops()) == 1


def test_a_lease_that_could_not_be_given_back_runs_out(bot, monkeypatch):
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    release, failed = bot.store.release, []

    def fail(key, holder):
        if not failed:
            failed.append(key)
            raise Unavailable("database_busy", path="x")
        release(key, holder)

    monkeypatch.setattr(bot.store, "release", fail)
    bot.server.queue(*[BROKEN] * 4)
    bot.at("19T09:00")
    assert failed
    for _ in range(4):
        bot.time.sleep(25)
        bot.worker.renew()
    other, bot.worker = bot.worker, bot.another()
    bot.tick()
    other.stop(5)
    assert len(bot.tops()) == 1


def test_a_weekly_digest_that_failed_is_whole_in_the_next(bot):
    bot.follow(schedule="0 9 * * wed")
    bot.at("18T09:00")
    bot.commit("one", DAY + timedelta(days=2))
    bot.server.queue(*[BROKEN] * 4)
    bot.at("25T09:00")
    bot.commit("two", DAY + timedelta(days=8))
    bot.time.moment = datetime(2026, 3, 4, 9, tzinfo=UTC)
    bot.tick()
    (headline,) = bot.tops()
    assert "fix: one" in str(headline)
    assert "fix: two" in str(headline)
    assert "not in any digest" not in str(headline)


def test_a_schedule_that_is_changed_makes_nothing_due_that_was_not(bot):
    followed = bot.follow(schedule="0 9 1 * *")
    bot.commit("one", DAY + timedelta(hours=3))
    bot.at("25T12:00")
    bot.store.subscribe(replace(followed, schedule="0 9 * * *", scheduled=bot.time.moment))
    bot.tick()
    assert bot.tops() == []
    bot.at("26T09:00")
    (headline,) = bot.tops()
    assert "fix: one" in str(headline)
    assert "that were missed" not in str(headline)
    assert "not in any digest" not in str(headline)


def test_another_branch_begins_when_it_is_followed(bot):
    bot.world.said(f"subscribe {bot.repo} at 09:00 on daily zone UTC", CHANNEL)
    bot.at("25T12:00")
    git(bot.folder / "repo", "branch", "next")
    bot.world.said(f"subscribe {bot.repo} branch next", CHANNEL)
    first, second = bot.store.subscriptions()
    assert first.created < second.created == bot.time.moment
    bot.world.said(f"subscribe {bot.repo} branch next at 10:00", CHANNEL)
    changed = bot.store.subscriptions()[1]
    assert (changed.id, changed.created, changed.scheduled) == (second.id, second.created, bot.time.moment)
    assert bot.store.subscriptions()[0] == first


def test_a_message_that_was_sent_just_before_a_kill_is_found_and_not_sent_again(bot, monkeypatch):
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    bot.killed_after_sending(monkeypatch)
    bot.worker = bot.another()
    bot.time.sleep(61)
    bot.tick()
    keys = [m["metadata"]["event_payload"]["key"] for m in bot.server.messages["C1"]]
    assert len(keys) == len(set(keys)) == 2
    assert len(bot.server.files) == 2  # of the report, whose words stand with them


def test_a_message_that_was_intended_and_not_sent_before_a_kill_is_sent_after_it(bot, monkeypatch):
    """What is posted and what follows are written down in one: killed right after that."""
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    post = bot.chat.post

    def die(place, message, once=None):
        if message.key != "headline":
            raise KeyboardInterrupt
        return post(place, message, once)

    monkeypatch.setattr(bot.chat, "post", die)
    bot.time.moment = DAY + timedelta(hours=33)
    bot.worker.tick()
    bot.worker.drain(60)
    monkeypatch.undo()
    begun = bot.store.deliveries()[0]
    assert [step.state for step in begun.steps] == [StepState.DONE, StepState.INTENDED]
    bot.worker = bot.another()
    bot.time.sleep(61)
    bot.tick()
    keys = [m["metadata"]["event_payload"]["key"] for m in bot.server.messages["C1"]]
    assert len(keys) == len(set(keys)) == 2
    assert len(bot.server.files) == 2  # of the report, whose words stand with them


def test_who_is_stopped_amid_a_delivery_ends_its_message_and_intends_no_other(bot, monkeypatch):
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    post, again = bot.chat.post, []

    def halt(place, message, once=None):
        again.append(once.again)
        thread = post(place, message, once)
        bot.worker.halt()
        return thread

    monkeypatch.setattr(bot.chat, "post", halt)
    bot.time.moment = DAY + timedelta(hours=33)
    for steps in (1, 2, 3):
        bot.worker.tick()
        bot.worker.drain(60)
        assert [s.state for s in bot.store.deliveries()[0].steps] == [StepState.DONE] * steps
        bot.worker.stop(5)
        bot.worker = bot.another()
    assert again == [False] * 3  # nobody need look for what was not begun
    assert bot.store.deliveries()[0].state is DeliveryState.DONE


def test_a_delivery_of_long_ago_that_is_tried_again_is_found(bot, monkeypatch):
    followed = bot.follow()
    bot.commit("one", DAY + timedelta(hours=3), "feat(api)!: replace one (#1)")
    bot.server.queue("", *[BROKEN] * 4)
    bot.at("19T09:00")
    bot.at("20T09:00")
    bot.at("21T09:00")
    failed = next(d for d in bot.store.deliveries(followed.id) if d.state is DeliveryState.FAILED)
    monkeypatch.setattr("bot.delivery.steps.LOOKED_BACK", 1)
    operator.retry(bot.store, failed.id, bot.time.moment)
    bot.tick()
    assert bot.store.delivery(failed.id).state is DeliveryState.DONE


def test_who_stood_still_while_another_tried_and_failed_sends_nothing(bot, monkeypatch):
    """The other one's message may stand in the channel, and only its number of attempts tells of it."""
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    other = bot.another()
    post, stood = bot.chat.post, []

    def stand_still(place, message, once=None):
        if not stood:
            stood.append(True)
            bot.time.sleep(61)
            bot.server.queue(DROPPED)
            bot.server.errors["conversations.history"] = "fatal_error"
            assert not other.deliver_all(bot.time.sleep)
            assert len(bot.tops()) == 0  # it could not even look, and left it for later
            bot.server.errors.clear()
        return post(place, message, once)

    monkeypatch.setattr(bot.chat, "post", stand_still)
    bot.at("19T09:00")
    assert bot.tops() == []
    bot.time.sleep(61)
    bot.tick()
    other.stop(5)
    assert len(bot.tops()) == 1


def test_what_was_given_up_as_too_old_does_not_come_back_as_late(bot):
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    bot.at("19T09:00")
    bot.commit("lost", DAY + timedelta(days=1, hours=3))
    bot.commit("last", DAY + timedelta(days=8, hours=3))
    bot.at("28T09:30")
    _, second = bot.tops()
    assert "fix: last" in str(second)
    assert "fix: lost" not in str(second)
    assert "from 2026-02-19 00:00 to 2026-02-21 00:00 is not in any digest" in str(second)


def test_a_message_that_was_sent_before_a_long_downtime_counts_as_posted(bot, monkeypatch):
    """Killed right after Slack took the headline, and down past the next slot."""
    followed = bot.follow()
    bot.at("18T09:00")
    bot.commit("one", DAY + timedelta(hours=3))
    bot.killed_after_sending(monkeypatch)
    (interrupted,) = [d for d in bot.store.deliveries(followed.id) if d.state is DeliveryState.DUE]
    assert not interrupted.sent
    bot.commit("two", DAY + timedelta(days=1, hours=3))
    bot.time.moment = DAY + timedelta(days=2, hours=10)
    bot.worker = bot.another()
    bot.tick()
    _, second = bot.tops()
    assert "fix: one" not in str(second)
    assert "fix: two" in str(second)
    assert "Only part of the digest" in str(second)


def test_a_channel_that_lets_the_bot_in_again_without_a_word_is_noticed(bot):
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    bot.server.leave("C1")
    bot.at("19T09:00")
    bot.server.channels["C1"].members.add("U0BOT")
    bot.time.sleep(1_800)
    bot.tick()
    assert bot.tops() == []  # it asks once an hour
    bot.time.sleep(1_900)
    bot.tick()
    assert len(bot.tops()) == 1
    assert [s.paused for s in bot.store.subscriptions()] == [""]


@pytest.mark.parametrize("how", ["joined", "subscribe"])
def test_a_channel_that_is_told_to_go_on_does_so_at_once(bot, how):
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    bot.server.leave("C1")
    bot.at("19T09:00")
    bot.server.channels["C1"].members.add("U0BOT")
    if how == "joined":
        bot.world.host(bot.chat).joined(CHANNEL)
    else:
        bot.world.said(f"subscribe {bot.repo}", CHANNEL)
    bot.tick()
    assert len(bot.tops()) == 1


def test_everything_of_a_channel_wakes_when_one_of_it_does(bot):
    bot.follow()
    git(bot.folder / "repo", "branch", "next")
    bot.follow(branch="next", schedule="0 17 * * *")
    bot.commit("one", DAY + timedelta(hours=3))
    bot.server.leave("C1")
    bot.at("19T09:00")
    assert {s.paused for s in bot.store.subscriptions()} == {"left"}
    bot.server.channels["C1"].members.add("U0BOT")
    bot.at("19T12:00")
    assert {s.paused for s in bot.store.subscriptions()} == {""}


def test_a_channel_that_rested_without_anything_due_is_noticed_too(bot):
    followed = bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    bot.store.pause(followed.id, "left")
    bot.at("19T09:00")
    assert len(bot.tops()) == 1
    assert [s.paused for s in bot.store.subscriptions()] == [""]


def test_what_was_begun_before_a_long_rest_is_ended_after_it(bot):
    bot.follow()
    bot.at("18T09:00")
    bot.commit("one", DAY + timedelta(hours=3), "feat(api)!: replace one (#1)")
    bot.server.queue("", *[BROKEN] * 4)
    bot.at("19T09:00")
    bot.server.leave("C1")
    bot.time.sleep(60)
    bot.tick()
    bot.at("22T10:00")
    bot.server.channels["C1"].members.add("U0BOT")
    bot.world.host(bot.chat).joined(CHANNEL)
    bot.tick()
    first = bot.tops()[0]
    assert "replace one" in str(bot.server.thread("C1", first["ts"]))


def test_what_is_whole_when_it_would_be_given_up_is_done(bot, monkeypatch):
    """Killed between the last message and the word that all are posted."""
    followed = bot.follow()
    bot.at("18T09:00")
    bot.commit("one", DAY + timedelta(hours=3))
    keep = bot.store.keep_delivery

    def die(delivery):
        if delivery.state is DeliveryState.DONE:
            raise KeyboardInterrupt
        keep(delivery)

    monkeypatch.setattr(bot.store, "keep_delivery", die)
    bot.time.moment = DAY + timedelta(hours=33)
    bot.worker.tick()
    bot.worker.drain(60)
    monkeypatch.undo()
    bot.commit("two", DAY + timedelta(days=1, hours=3))
    bot.worker = bot.another()
    bot.at("20T10:00")
    _, second = bot.tops()
    assert "Only part of" not in str(second)
    assert bot.states(followed)[-2:] == ["done", "done"]


def test_what_was_told_long_ago_is_not_late_after_an_absence_and_a_failure(bot):
    bot.follow()
    bot.commit("one", DAY - timedelta(hours=10))
    bot.at("18T09:00")
    assert len(bot.tops()) == 1
    bot.commit("two", datetime(2026, 3, 10, 3, tzinfo=UTC))
    bot.server.queue(*[BROKEN] * 4)
    bot.time.moment = datetime(2026, 3, 12, 9, tzinfo=UTC)
    bot.tick()
    bot.time.moment = datetime(2026, 3, 13, 9, tzinfo=UTC)
    bot.tick()
    _, second = bot.tops()
    assert "fix: two" in str(second)
    assert "fix: one" not in str(second)


def test_a_failure_before_a_quiet_day_is_not_told_after_it(bot):
    bot.follow(filters=Filters(paths=("docs/",)))
    bot.at("18T09:00")
    bot.commit("one", DAY + timedelta(hours=3))
    moved = bot.folder / "moved"
    (bot.folder / "repo").rename(moved)
    bot.at("19T09:00")
    moved.rename(bot.folder / "repo")
    bot.at("20T09:00")
    bot.commit("manual", DAY + timedelta(days=2, hours=3), folder="docs")
    bot.at("21T09:00")
    (headline,) = bot.tops()
    assert "could not be posted" not in str(headline)
    assert "that were missed" not in str(headline)


def test_a_digest_that_lacks_something_is_delivered_as_it_was_begun(bot, monkeypatch):
    """Somebody asks for the same day in between, and gets a better one."""
    bot.follow()
    bot.at("18T09:00")
    bot.commit("one", DAY + timedelta(hours=3), "feat(api)!: replace one (#1)")
    patches = bot.world.source.patches

    def fail(repo, commits, paths=()):
        raise Unavailable("github_unavailable")
        yield

    monkeypatch.setattr(bot.world.source, "patches", fail)
    bot.server.queue("", *[BROKEN] * 4)
    bot.at("19T09:00")
    begun = bot.store.deliveries()[0]
    monkeypatch.setattr(bot.world.source, "patches", patches)
    bot.world.said("2026-02-18", CHANNEL)
    bot.time.sleep(60)
    bot.tick()
    ended = bot.store.delivery(begun.id)
    assert (ended.state, ended.digest) == (DeliveryState.DONE, begun.digest)
    assert bot.store.digest(begun.digest).degraded


# --- What was told, for good -----------------------------------------------------------------


def test_what_was_told_is_remembered_for_good(bot):
    followed = bot.follow()
    bot.commit("one", DAY + timedelta(hours=3), "feat!: drop the old port (#7)")
    bot.at("19T09:00")
    repo, told = bot.repo, git(bot.folder / "repo", "rev-parse", "main").strip()
    (where,) = bot.store.delivered_to(repo, told)
    (headline,) = bot.tops()
    assert where.place == replace(CHANNEL, thread=headline["ts"])
    assert where.grade.importance is Importance.HIGH
    bot.store.unsubscribe(followed.id)
    assert bot.store.delivered_to(repo, told) == (replace(where, followed=False),)
    assert bot.store.delivered_to(repo, "0" * 40) == ()


def test_a_commit_keeps_the_grade_with_which_it_was_told_first(bot, monkeypatch):
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3), "feat!: drop the old port (#7)")
    bot.at("19T09:00")
    # A later version that would say otherwise, in another language, with other filters.
    monkeypatch.setattr(triage, "_always", lambda _: False)
    bot.follow(Place("slack", "T1/C2"), language="zh", filters=Filters(paths=("src/",)), created=DAY)
    bot.at("19T09:05")
    assert "不兼容变更" in str(bot.said("C2")) or "🔴 1" in str(bot.said("C2"))
    sha = git(bot.folder / "repo", "rev-parse", "main").strip()
    assert {w.grade.importance for w in bot.store.delivered_to(bot.repo, sha)} == {Importance.HIGH}
    assert "🔴" in bot.world.said(f"{bot.repo}@{sha[:10]}")


def test_a_digest_that_was_posted_is_never_made_anew_by_an_upgrade(bot, monkeypatch):
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    bot.at("19T09:00")
    monkeypatch.setattr(triage, "VERSION", 99)
    monkeypatch.setattr(bot.world.app, "build", lambda *_: pytest.fail("made anew"))
    bot.follow(Place("slack", "T1/C2"), created=DAY)
    bot.at("19T09:05")
    assert "fix: one" in str(bot.tops("C2"))
    assert len(bot.store.delivered_to(bot.repo, git(bot.folder / "repo", "rev-parse", "main").strip())) == 2


def test_a_digest_that_was_not_posted_is_made_by_the_version_of_today(bot, monkeypatch):
    bot.commit("one", DAY + timedelta(hours=3))
    bot.time.moment = DAY + timedelta(hours=30)
    assert "fix: one" in bot.world.said(f"2026-02-18 {bot.repo}")
    kept = bot.store.counts()["digests"]
    monkeypatch.setattr(triage, "VERSION", 99)
    bot.world.said(f"2026-02-18 {bot.repo}")
    assert bot.store.counts()["digests"] == kept + 1


def test_what_an_earlier_version_told_of_is_remembered_too(bot):
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3), "feat!: drop the old port (#7)")
    bot.at("19T09:00")
    told = git(bot.folder / "repo", "rev-parse", "main").strip()
    known = bot.store.delivered_to(bot.repo, told)
    key = bot.store.deliveries()[0].digest
    assert known
    unpack_all(bot.store)
    with sqlite3.connect(bot.folder / "digest.db") as db:
        db.execute("DROP TABLE told_commits")
        db.execute("ALTER TABLE digests DROP COLUMN told")
        db.execute("DELETE FROM _sqlite_migrations WHERE name IN ('told_commits', 'told_by')")
    db.close()
    again = SqliteStore(bot.folder / "digest.db")
    assert [(w.place, w.grade) for w in again.delivered_to(bot.repo, told)] == [(w.place, w.grade) for w in known]
    assert abs(again.delivered_to(bot.repo, told)[0].at - known[0].at) < timedelta(seconds=1)
    digest = again.digest(key)
    assert list(again.delivered_digests(bot.repo, digest.branch, "en", digest.period)) == [key]
    again.close()
