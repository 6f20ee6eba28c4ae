"""A restored backup, and a database that lost what it wrote last, post nothing twice: the channels' histories tell."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from operator import attrgetter

import pytest
from repositories import git
from slack_server import SlackServer
from test_worker import CHANNEL, DAY, Bot, Time

from adapters.stores.sqlite import SqliteStore
from bot.conversation import operator
from bot.delivery.restoring import headlines, known_until
from bot.delivery.steps import Steps
from bot.delivery.worker import Worker
from bot.errors import Unavailable
from bot.values import DeliveryState, Place, Subscription


@pytest.fixture
def time():
    return Time(DAY - timedelta(hours=12))


@pytest.fixture
def bot(tmp_path, time):
    with SlackServer(time.seconds, channels=("C1", "C2", "C3")) as server:
        made = Bot(tmp_path, server, time)
        made.store.count_in(tmp_path / "counts")
        yield made
        made.worker.stop(5)
        made.store.close()
        assert (server.unknown, server.violations, server.impatient) == ([], [], [])


def kept(bot):
    """A backup of the database, as SQLite makes one."""
    path = bot.folder / "backup.db"
    with closing(sqlite3.connect(bot.folder / "digest.db")) as db, closing(sqlite3.connect(path)) as target:
        db.backup(target)
    return path


def restart(bot, backup=None):
    """The process ends; the database is another one; whether the next process finds that out."""
    bot.worker.stop(5)
    bot.store.close()
    if backup:
        shutil.copy(backup, bot.folder / "digest.db")
    store = bot.store = SqliteStore(bot.folder / "digest.db")
    store.count_in(bot.folder / "counts")
    forgot = store.begin(bot.time.moment)
    bot.world.app._archive = bot.world.app.aftermath = bot.world.store = store
    bot.worker = worker(bot)
    return forgot


def worker(bot):
    kept = dict.fromkeys(("archive", "subscriptions", "ledger", "leases", "memory"), bot.store)
    return Worker(Steps(bot.world.app, {"slack": bot.chat}, timedelta(seconds=60), **kept))


def three_mornings(bot):
    """Digests of three days; the backup is from the first."""
    bot.follow()
    bot.at("18T09:00")
    bot.commit("one", DAY + timedelta(hours=3), "feat(api)!: replace one (#1)")
    bot.at("19T09:00")
    backup = kept(bot)
    bot.commit("two", DAY + timedelta(days=1, hours=3), "feat(api)!: replace two (#2)")
    bot.at("20T09:00")
    bot.commit("three", DAY + timedelta(days=2, hours=3), "feat(api)!: replace three (#3)")
    bot.at("21T09:00")
    assert len(bot.tops()) == 3
    return backup


def test_a_restored_backup_posts_nothing_again(bot):
    backup = three_mornings(bot)
    before = bot.said()
    bot.time.sleep(3_600)
    assert restart(bot, backup)
    bot.tick()
    assert bot.said() == before
    assert bot.states(bot.store.subscriptions()[0]) == ["quiet", "done", "restored", "restored"]
    bot.commit("four", DAY + timedelta(days=3, hours=3))
    bot.at("22T09:00")
    *_, fourth = bot.tops()
    assert "fix: four" in str(fourth)
    assert all(f"replace {n}" not in str(fourth) for n in ("one", "two", "three"))
    assert "that were missed" not in str(fourth)
    assert len(bot.tops()) == 4


def test_a_digest_that_the_backup_does_not_know_and_nobody_posted_is_posted(bot):
    backup = three_mornings(bot)
    bot.commit("four", DAY + timedelta(days=3, hours=3))
    bot.time.moment = DAY + timedelta(days=4, hours=10)
    assert restart(bot, backup)
    bot.tick()
    *_, fourth = bot.tops()
    assert len(bot.tops()) == 4
    assert "fix: four" in str(fourth)
    assert "replace three" not in str(fourth)


def test_what_was_interrupted_goes_on_with_what_does_not_stand_there(bot, monkeypatch):
    """Killed after the first reply, and the database has forgotten that morning."""
    bot.follow()
    bot.at("18T09:00")
    bot.commit("one", DAY + timedelta(hours=3), "feat(api)!: replace one (#1)")
    bot.commit("two", DAY + timedelta(hours=4))
    backup, post = kept(bot), bot.chat.post

    def die(place, message, once=None):
        thread = post(place, message, once)
        if message.key != "headline":
            raise KeyboardInterrupt
        return thread

    monkeypatch.setattr(bot.chat, "post", die)
    bot.time.moment = DAY + timedelta(hours=33)
    bot.worker.tick()
    bot.worker.drain(60)
    monkeypatch.undo()
    assert len(bot.said()) == 2
    bot.time.sleep(300)
    assert restart(bot, backup)
    bot.tick()
    keys = [m["metadata"]["event_payload"]["key"].split("/")[1] for m in bot.server.messages["C1"] if "files" not in m]
    assert sorted(keys) == sorted({*keys})
    assert len(keys) == 3
    assert [len(m["files"]) for m in bot.server.channels["C1"].messages if m.get("files")] == [2]
    assert bot.states(bot.store.subscriptions()[0]) == ["quiet", "done"]


def test_a_restored_backup_says_what_became_of_a_commit_once(bot, monkeypatch):
    """Killed after the follow-up, or before it, and the database has forgotten that morning."""
    bot.follow()
    bot.at("18T09:00")
    bot.commit("one", DAY + timedelta(hours=3), "feat(api)!: replace one (#1)")
    bot.at("19T09:00")
    bot.commit("two", DAY + timedelta(days=1, hours=3), "Revert #1 (#2)")
    backup, post = kept(bot), bot.chat.post

    def die(place, message, once=None):
        thread = post(place, message, once)
        if message.key.startswith("since-"):
            raise KeyboardInterrupt
        return thread

    monkeypatch.setattr(bot.chat, "post", die)
    bot.time.moment = DAY + timedelta(days=2, hours=9)
    bot.worker.tick()
    bot.worker.drain(60)
    monkeypatch.undo()
    bot.time.sleep(300)
    assert restart(bot, backup)
    bot.tick()
    first, second = bot.tops()
    assert sum("reverted by" in str(m) for m in bot.server.thread("C1", first["ts"])) == 1
    assert sum(bool(m.get("files")) for m in bot.server.channels["C1"].messages) == 2
    assert "reported 2026-02-19" in str(bot.server.thread("C1", second["ts"]))


def test_a_first_digest_of_which_nothing_is_known_goes_on_with_the_same_period(bot, monkeypatch):
    """Killed after the headline, and the database has no delivery at all."""
    bot.time.moment = DAY + timedelta(hours=2)
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3), "feat(api)!: replace one (#1)")
    backup, post = kept(bot), bot.chat.post

    def die(place, message, once=None):
        if message.key != "headline":
            raise KeyboardInterrupt
        return post(place, message, once)

    monkeypatch.setattr(bot.chat, "post", die)
    bot.time.moment = DAY + timedelta(hours=33)
    bot.worker.tick()
    bot.worker.drain(60)
    monkeypatch.undo()
    (before,) = bot.store.deliveries()
    bot.time.sleep(300)
    assert restart(bot, backup)
    bot.tick()
    (after,) = bot.store.deliveries()
    planned = attrgetter("slot", "cursor", "since", "until")
    assert planned(after) == planned(before)
    assert after.state is DeliveryState.DONE


def test_a_restart_without_a_loss_reads_no_history(bot, monkeypatch):
    three_mornings(bot)
    monkeypatch.setattr(bot.chat, "posted", lambda *_: pytest.fail("read"))
    assert not restart(bot)
    assert not restart(bot, kept(bot))
    bot.tick()


def test_a_loss_is_noticed_also_where_something_was_written_since(bot):
    backup = three_mornings(bot)
    bot.worker.stop(5)
    bot.store.close()
    shutil.copy(backup, bot.folder / "digest.db")
    with closing(SqliteStore(bot.folder / "digest.db")) as store:  # `digest retry`, say, until the numbers are even
        store.count_in(bot.folder / "counts")
        for _ in range(50):
            store.retry_soon(1, bot.time.moment, bot.time.moment)
    assert restart(bot)


def test_a_kill_amid_settling_leaves_the_rest_for_later(bot, monkeypatch):
    backup = three_mornings(bot)
    before = bot.said()
    assert restart(bot, backup)

    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(bot.chat, "posted", die)
    bot.worker.tick()
    bot.worker.drain(60)
    monkeypatch.undo()
    assert bot.said() == before
    bot.time.sleep(61)
    assert not restart(bot)
    assert [*bot.store.unsettled()] == [CHANNEL]
    bot.tick()
    assert not bot.store.unsettled()
    assert bot.said() == before


def test_nothing_is_posted_while_a_history_cannot_be_read_for_now(bot):
    backup = three_mornings(bot)
    before = bot.said()
    assert restart(bot, backup)
    bot.server.errors["conversations.history"] = "fatal_error"
    bot.tick()
    assert bot.said() == before
    bot.server.errors.clear()
    bot.time.sleep(31)
    bot.tick()
    assert not bot.store.unsettled()
    assert bot.said() == before


def test_where_no_history_can_be_read_nothing_doubtful_is_posted_and_the_channel_is_told(bot):
    backup = three_mornings(bot)
    before = bot.said()
    assert restart(bot, backup)
    bot.server.errors["conversations.history"] = "missing_scope"
    bot.tick()
    assert bot.said() == before
    (last, *_) = bot.store.deliveries()
    assert (last.state, last.sent) == (DeliveryState.RESTORED, False)
    assert f"digest retry {last.id}" in operator.delivery_status(last, "UTC", bot.world.interpreter.texts(None))
    bot.commit("four", DAY + timedelta(days=3, hours=3))
    bot.at("22T09:00")
    *_, fourth = bot.tops()
    assert "The digest for 2026-02-19 to 2026-02-20 may or may not have been posted" in str(fourth)
    assert "replace three" not in str(fourth)
    operator.retry(bot.store, last.id, bot.time.moment)
    bot.tick()
    *_, again = bot.tops()
    assert "replace three" in str(again)
    assert "fix: four" not in str(again)


def test_each_place_of_a_channel_is_settled_by_itself(bot):
    bot.follow()
    git(bot.folder / "repo", "branch", "next")
    bot.follow(branch="next")
    bot.follow(Place("slack", "T1/C2"))
    bot.at("18T09:00")
    backup = kept(bot)
    bot.commit("one", DAY + timedelta(hours=3))
    git(bot.folder / "repo", "branch", "-f", "next", "main")
    bot.at("19T09:00")
    bot.time.sleep(2)  # of two digests of a channel one may have to wait until the other stands
    bot.tick()
    before = (bot.said(), bot.said("C2"))
    assert [len(bot.tops(c)) for c in ("C1", "C2")] == [2, 1]
    assert restart(bot, backup)
    bot.tick()
    assert (bot.said(), bot.said("C2")) == before


def test_a_zone_that_was_set_since_the_backup_does_not_hide_a_digest(bot):
    followed = bot.follow()
    bot.at("18T09:00")
    backup = kept(bot)
    bot.store.subscribe(replace(followed, zone="Asia/Kathmandu", scheduled=bot.time.moment))
    bot.commit("one", DAY + timedelta(hours=3))
    bot.at("19T04:00")
    assert len(bot.tops()) == 1
    assert restart(bot, backup)
    bot.at("19T09:30")
    assert len(bot.tops()) == 1


def test_a_busy_channel_is_read_to_the_end(bot):
    backup = three_mornings(bot)
    before = len(bot.tops())
    for _ in range(1_000):
        bot.server.channels["C1"].messages.append({"ts": bot.server._ts(), "text": "chat"})
    for message in bot.server.channels["C1"].messages:
        bot.server._accepted.setdefault(message["ts"], 0)
    assert restart(bot, backup)
    bot.tick()
    assert len([m for m in bot.tops() if m.get("metadata")]) == before


def test_what_may_have_been_posted_is_named_without_numbers_of_the_ledger(bot):
    followed = Subscription(CHANNEL, "team/app", "0 9 * * *", "UTC", "en", created=DAY)
    since = known_until(followed, None)
    named = headlines(followed, since, DAY + timedelta(days=2))
    assert {DAY, DAY + timedelta(days=1), DAY + timedelta(days=2)} <= {*named.values()}
    assert all("/headline" in name for name in named)


def test_a_place_that_cannot_be_settled_keeps_no_other_waiting(bot, monkeypatch):
    bot.follow()
    bot.follow(Place("slack", "T1/C2"))
    bot.at("18T09:00")
    backup = kept(bot)
    bot.commit("one", DAY + timedelta(hours=3))
    bot.time.moment = DAY + timedelta(hours=33)
    posted = bot.chat.posted
    bot.store.count_in(bot.folder / "counts")
    bot.store.retry_soon(1, bot.time.moment, bot.time.moment)
    assert restart(bot, backup)

    def fail(place, *rest):
        if place.channel == "T1/C1":
            raise Unavailable("slack_busy")
        return posted(place, *rest)

    monkeypatch.setattr(bot.chat, "posted", fail)
    bot.tick()
    assert [len(bot.tops(c)) for c in ("C1", "C2")] == [0, 1]
    monkeypatch.undo()
    bot.time.sleep(31)
    bot.tick()
    assert [len(bot.tops(c)) for c in ("C1", "C2")] == [1, 1]
