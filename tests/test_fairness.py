"""Whose turn it is: a busy channel and a host that does not answer keep nobody else waiting."""

import shutil
import socket
import threading
import time as real
from contextlib import ExitStack, suppress
from datetime import timedelta

import pytest
from git_server import GitServer
from test_worker import DAY, Time, opened

from bot.addresses import server_of
from bot.delivery import fairness
from bot.delivery.fairness import HANDS, SHARE, SLOW, Turns
from bot.delivery.job import Job
from bot.rights import Right, Rights
from bot.values import Delivery, Place, Subscription

BUSY, OTHER = (Place("slack", f"T1/C{n}") for n in (1, 2))


@pytest.fixture
def bot(tmp_path):
    with opened(tmp_path, Time(DAY - timedelta(hours=12))) as made:
        yield made


@pytest.mark.parametrize(
    ("repo", "host"),
    [
        ("owner/name", "github"),
        ("https://user:secret@Git.example.com:8443/a/b.git", "git.example.com:8443"),
        ("ssh://git@git.example.com/a", "git.example.com"),
        ("git@git.example.com:a/b.git", "git.example.com"),
        ("/srv/git/a@b:c", ""),
        ("./owner/name", ""),
    ],
)
def test_the_server_of_a_repository(repo, host):
    assert server_of(repo) == host


# --- What decides ----------------------------------------------------------------------------


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def turns(clock):
    return Turns(lambda _: False, clock)


def job(number, repo, place=BUSY, slot=DAY):
    subscription = Subscription(place, repo, "0 9 * * *", "UTC", "en", id=number)
    return Job(subscription, Delivery(number, slot, DAY, DAY, DAY, DAY, slot, id=number))


def known(turns, *hosts):
    """Let hosts be quick ones."""
    for number, host in enumerate(hosts):
        turns.wait([job(900_000 + number, f"https://{host}/a")])
        hand, _ = turns.take()
        turns.timed(hand, lambda _: None, lambda: None)(None)
        turns.done(hand)


def order(turns):
    """The deliveries in the order in which they are begun, one hand at a time."""
    found = []
    while turn := turns.take():
        hand, group = turn
        found += [each.delivery.id for each in group]
        turns.done(hand)
    return found


@pytest.mark.parametrize("number", [300, 900])
def test_one_subscription_of_a_channel_comes_second_beside_hundreds_of_another(turns, number):
    later = DAY + timedelta(minutes=1)
    waiting = [job(n, f"https://h/{n:04}") for n in range(1, number + 1)]
    turns.wait([*waiting, job(5_000, "https://h/zzz", OTHER, later)])
    assert order(turns)[:2] == [1, 5_000]


def test_who_comes_while_a_channel_is_being_served_is_next(turns):
    turns.wait([job(n, f"https://h/{n}") for n in range(1, 10)])
    hand, _ = turns.take()
    turns.done(hand)
    turns.wait([*(job(n, f"https://h/{n}") for n in range(2, 10)), job(50, "https://h/z", OTHER, DAY + timedelta(1))])
    assert order(turns)[0] == 50


def test_in_a_channel_who_waits_longest_is_first(turns):
    slots = {1: DAY + timedelta(hours=2), 2: DAY, 3: DAY + timedelta(hours=1)}
    turns.wait(job(n, f"https://h/{n}", slot=slot) for n, slot in slots.items())
    assert order(turns) == [2, 3, 1]


def test_deliveries_of_the_same_commits_take_one_turn(turns):
    turns.wait([job(1, "https://h/a"), job(2, "https://h/b"), job(3, "https://h/a", OTHER)])
    assert order(turns) == [1, 3, 2]


def test_what_could_not_go_on_is_not_begun(clock):
    turns = Turns(lambda each: each.delivery.id == 1, clock)
    turns.wait([job(1, "https://h/a"), job(2, "https://h/b"), job(3, "https://h/a", OTHER)])
    assert order(turns) == [3, 2]


class Reading:
    """Begins to read, and does not end before it is told."""

    def __init__(self, turns, hand):
        self._began, self._end = threading.Event(), threading.Event()

        def wait(_):
            self._began.set()
            assert self._end.wait(20)

        self._thread = threading.Thread(target=turns.timed(hand, wait, lambda: None), args=(None,))
        self._thread.start()
        assert self._began.wait(20)

    def end(self):
        self._end.set()
        self._thread.join()


def test_a_host_of_which_nothing_is_known_has_one_hand_and_a_quick_one_all(turns):
    turns.wait(job(n, f"https://h/{n}") for n in range(1, 20))
    hand, _ = turns.take()
    assert turns.take() is None
    turns.timed(hand, lambda _: None, lambda: None)(None)
    assert sum(turns.take() is not None for _ in range(19)) == HANDS - 1


def test_a_slow_host_has_no_more_than_its_share_and_takes_nobody_elses_hand(turns, clock):
    known(turns, "good", "slow")
    turns.wait(
        [*(job(n, f"https://slow/{n}") for n in range(1, 50)), job(99, "https://good/a", slot=DAY + timedelta(1))]
    )
    readings = [Reading(turns, turns.take()[0]) for _ in range(HANDS)]
    assert turns.take() is None
    clock.now = SLOW
    _, group = turns.take()  # it had all hands when nobody knew: it gets no other
    assert group[0].delivery.id == 99
    for reading in readings[: HANDS - SHARE]:
        reading.end()
    assert turns.take() is None
    for reading in readings[HANDS - SHARE :]:
        reading.end()


def test_a_host_is_slow_until_it_is_quick_again(turns, clock):
    turns.wait(job(n, f"https://h/{n}") for n in range(1, 20))
    hand, _ = turns.take()
    reading = Reading(turns, hand)
    clock.now = SLOW
    reading.end()
    turns.done(hand)
    hands = [turns.take()[0] for _ in range(SHARE)]
    assert turns.take() is None
    turns.timed(hands[0], lambda _: None, lambda: None)(None)
    assert turns.take() is not None


# --- On real parts ---------------------------------------------------------------------------


def repeat(step, until, seconds=60):
    """Do something until something holds."""
    end = real.monotonic() + seconds
    while not until():
        assert real.monotonic() < end
        step()
        threading.Event().wait(0.02)


class Silent:
    """A host that takes connections, and answers nothing."""

    def __init__(self):
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self):
        return self

    def __exit__(self, *error):
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def test_twelve_hosts_that_hang_do_not_keep_a_good_one_from_being_read(bot, monkeypatch):
    monkeypatch.setattr(fairness, "SLOW", 0.1)
    bot.world.repositories.rights = Rights(("*",), (Right("T1", "", "*"),))
    bot.commit("one", DAY + timedelta(hours=3))
    with ExitStack() as stack:
        hosts = [stack.enter_context(Silent()) for _ in range(12)]
        for number in range(60):  # each has more than its share to be read, and all come first
            url = f"{hosts[number % 12].url}/owner/repo{number}.git"
            subscription = Subscription(BUSY, url, "0 9 * * *", "UTC", "en", created=bot.time.moment)
            bot.store.subscribe(subscription)
        good = stack.enter_context(GitServer(bot.folder / "served"))
        shutil.copytree(bot.repo, good.folder / "repo.git")
        bot.repo = good.url("repo.git").replace("127.0.0.1", "localhost")  # the last by its name
        bot.follow(OTHER)
        bot.time.moment = DAY + timedelta(hours=33)
        try:
            repeat(bot.worker.tick, lambda: any("fix: one" in str(m) for m in bot.tops("C2")), 40)
        finally:
            bot.worker.halt()
    assert bot.worker.drain(60)


def test_a_channel_that_follows_very_much_does_not_keep_another_waiting(bot):
    bot.commit("one", DAY + timedelta(hours=3))
    for number in range(60):
        repo = bot.folder / f"a{number:03}"
        repo.symlink_to(bot.folder / "repo")
        subscription = Subscription(BUSY, str(repo), "0 9 * * *", "UTC", "en", created=bot.time.moment)
        bot.store.subscribe(subscription)
    bot.follow(OTHER)
    asked, find = [], bot.world.source.repository

    def repository(name):
        asked.append(name)
        return find(name)

    bot.world.source.repository = repository
    bot.time.moment = DAY + timedelta(hours=33)
    repeat(bot.worker.tick, lambda: any("fix: one" in str(m) for m in bot.tops("C2")))
    bot.worker.halt()
    assert asked.index(bot.repo) < 10  # though its name and its number are the last
    assert bot.worker.drain(60)
