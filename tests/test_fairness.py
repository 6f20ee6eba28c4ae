"""Whose turn it is: a busy channel and a host that does not answer keep nobody else waiting."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import pytest
from git_server import GitServer
from github import Auth
from github_server import TOKEN, Fault, GitHubServer
from hanging import Silent, repeat
from test_worker import DAY, Time, opened

from adapters.sources.github.client import Client
from adapters.sources.github.source import GitHubSource
from bot.addresses import is_hosted, server_of
from bot.delivery import fairness, worker
from bot.delivery.fairness import LONG, MOST, PERMITS, SHARE, SLOW, Hosts, Turns
from bot.delivery.job import Job
from bot.rights import Right, Rights
from bot.values import Delivery, Place, Subscription
from bot.watched import watched, watching

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
def hosts(clock):
    return Hosts(clock)


@pytest.fixture
def turns(hosts):
    return Turns(lambda _: False, hosts)


@pytest.fixture
def reading(hosts):
    """Begins to read something with a permit, and returns what ends it."""

    begun = []  # else one that is forgotten would end

    def begin(permit, changed=lambda: None):
        stack = ExitStack()
        stack.enter_context(hosts.reading(permit, changed))
        begun.append(stack)
        return stack.close

    return begin


def job(number, repo, place=BUSY, slot=DAY):
    subscription = Subscription(place, repo, "0 9 * * *", "UTC", "en", id=number)
    return Job(subscription, Delivery(number, slot, DAY, DAY, DAY, DAY, slot, id=number))


def known(turns, reading, *quick):
    """Let hosts be quick ones."""
    for number, host in enumerate(quick):
        turns.wait([job(900_000 + number, f"https://{host}/a")])
        permit, _ = turns.take()
        reading(permit)()
        turns.done(permit)


def order(turns):
    """The deliveries in the order in which they are begun, one permit at a time."""
    found = []
    while turn := turns.take():
        permit, group = turn
        found += [each.delivery.id for each in group]
        turns.done(permit)
    return found


@pytest.mark.parametrize("number", [300, 900])
def test_one_subscription_of_a_channel_comes_second_beside_hundreds_of_another(turns, number):
    later = DAY + timedelta(minutes=1)
    waiting = [job(n, f"https://h/{n:04}") for n in range(1, number + 1)]
    turns.wait([*waiting, job(5_000, "https://h/zzz", OTHER, later)])
    assert order(turns)[:2] == [1, 5_000]


def test_who_comes_while_a_channel_is_being_served_is_next(turns):
    turns.wait([job(n, f"https://h/{n}") for n in range(1, 10)])
    permit, _ = turns.take()
    turns.done(permit)
    turns.wait([*(job(n, f"https://h/{n}") for n in range(2, 10)), job(50, "https://h/z", OTHER, DAY + timedelta(1))])
    assert order(turns)[0] == 50


def test_in_a_channel_who_waits_longest_is_first(turns):
    slots = {1: DAY + timedelta(hours=2), 2: DAY, 3: DAY + timedelta(hours=1)}
    turns.wait(job(n, f"https://h/{n}", slot=slot) for n, slot in slots.items())
    assert order(turns) == [2, 3, 1]


def test_deliveries_of_the_same_commits_take_one_turn(turns):
    turns.wait([job(1, "https://h/a"), job(2, "https://h/b"), job(3, "https://h/a", OTHER)])
    assert order(turns) == [1, 3, 2]


def test_what_could_not_go_on_is_not_begun(hosts):
    turns = Turns(lambda each: each.delivery.id == 1, hosts)
    turns.wait([job(1, "https://h/a"), job(2, "https://h/b"), job(3, "https://h/a", OTHER)])
    assert order(turns) == [3, 2]


def begun(turns):
    """Every permit that can begin now."""
    return [turn[0] for turn in iter(turns.take, None)]


def test_a_host_of_which_nothing_is_known_has_one_hand_and_a_quick_one_all(turns, reading):
    turns.wait(job(n, f"https://h/{n}") for n in range(1, 20))
    (permit,) = begun(turns)
    reading(permit)()
    assert len(begun(turns)) == PERMITS - 1


def test_a_slow_host_has_no_more_than_its_share_and_takes_nobody_elses_hand(turns, clock, reading):
    known(turns, reading, "good", "slow")
    turns.wait(
        [*(job(n, f"https://slow/{n}") for n in range(1, 50)), job(99, "https://good/a", slot=DAY + timedelta(1))]
    )
    permits = begun(turns)
    assert [permit.host for permit in permits] == ["slow"] * PERMITS
    for permit in permits:
        reading(permit)
    clock.now = SLOW
    _, group = turns.take()  # it had all permits when nobody knew: it gets no other
    assert group[0].delivery.id == 99
    for permit in permits[: PERMITS - SHARE]:
        turns.done(permit)
    assert turns.take() is None


def test_a_host_that_lists_commits_at_once_and_hangs_on_patches_is_a_slow_one(turns, clock, reading):
    known(turns, reading, "slow")
    turns.wait(job(n, f"https://slow/{n}") for n in range(1, 50))
    permits = begun(turns)
    for permit in permits:
        reading(permit)()  # its commits
        reading(permit)  # its patches
    turns.wait(job(n, f"https://other/{n}") for n in range(1, 3))
    assert begun(turns) == []
    clock.now = SLOW
    assert [permit.host for permit in begun(turns)] == ["other"]


def test_a_host_that_answers_every_time_just_in_time_is_a_slow_one(turns, clock, reading):
    known(turns, reading, "drips")
    turns.wait(job(n, f"https://drips/{n}") for n in range(1, 50))
    permits = begun(turns)
    while clock.now < LONG:
        ends = [reading(permit) for permit in permits]
        clock.now += SLOW * 0.9
        for end in ends:
            end()
    turns.wait([job(99, "https://other/a")])
    assert [permit.host for permit in begun(turns)] == ["other"]


def test_a_host_is_slow_until_it_is_quick_again(turns, clock, reading):
    turns.wait(job(n, f"https://h/{n}") for n in range(1, 20))
    (permit,) = begun(turns)
    end = reading(permit)
    clock.now = SLOW
    end()
    turns.done(permit)
    permits = begun(turns)
    assert len(permits) == SHARE
    reading(permits[0])()
    assert len(begun(turns)) == PERMITS - SHARE


def test_who_shows_its_speed_is_gone_on_with_at_once(turns, clock, reading):
    turns.wait(job(n, f"https://h/{n}") for n in range(1, 20))
    (permit,), told = begun(turns), []
    reading(permit, lambda: told.append("quick"))()
    reading(permit, lambda: told.append("as before"))()
    end = reading(permit, lambda: told.append("slow"))
    clock.now = SLOW
    end()
    assert told == ["quick", "slow"]


def test_many_hosts_that_hang_leave_permits_to_those_that_are_fast(turns, clock, reading):
    known(turns, reading, "good")
    for n in range(MOST):
        turns.wait([job(n + 1, f"https://slow{n}/a")])
        for permit in begun(turns):
            reading(permit)
        clock.now += SLOW
    turns.wait(job(n, f"https://good/{n}") for n in range(1, 20))
    assert len(begun(turns)) == PERMITS


def test_who_else_reads_tells_which_hosts_are_slow(hosts, clock, reading):
    early, turns = Turns(lambda _: False, hosts), Turns(lambda _: False, hosts)
    early.wait([job(1, "https://h/1")])
    (permit,) = begun(early)
    reading(permit)
    clock.now = SLOW
    turns.wait([*(job(n, f"https://h/{n}") for n in range(2, 20)), job(99, "https://other/a")])
    assert [permit.host for permit in begun(turns)] == [*["h"] * SHARE, "other"]


class Told:
    """A source that tells when it is asked."""

    def __init__(self, events):
        self._events = events

    def patches(self, repo, commits, paths=()):
        for sha in commits:
            self._events.append(sha)
            yield sha, ()

    def releases(self, repo, since=None):
        self._events.append("releases")
        return ()


def test_each_patch_is_a_reading_and_what_is_done_with_it_is_none():
    events = []

    @contextmanager
    def watch():
        events.append("[")
        yield
        events.append("]")

    unwatched = watched(Told(events))
    with watching(watch):
        source = watched(Told(events))
    for sha, _ in source.patches("r", ["a", "b"]):
        events.append(f"{sha} is read")
    assert " ".join(events) == "[ a ] a is read [ b ] b is read [ ]"
    events.clear()
    with ThreadPoolExecutor(1) as pool:  # whoever reads it later
        pool.submit(source.releases, "r").result()
    unwatched.releases("r")
    assert " ".join(events) == "[ releases ] releases"


# --- On real parts ---------------------------------------------------------------------------


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


def test_a_host_that_lists_commits_at_once_and_hangs_afterwards_keeps_no_other_waiting(bot, monkeypatch):
    monkeypatch.setattr(fairness, "SLOW", 1.0)  # what is listed takes less
    bot.world.repositories.rights = Rights(("*",), (Right("T1", "", "*"),))
    bot.commit("one", DAY + timedelta(hours=3), "fix: one (#1)")
    names = [f"team/app{n}" for n in range(2 * PERMITS)]
    with GitHubServer(dict.fromkeys(names, bot.folder / "repo")) as hub:
        hub.fault("commit", *[Fault(how="hang")] * 100)
        github = GitHubSource(Client(Auth.Token(TOKEN), hub.url, lambda _: None))
        bot.world.sources = lambda repo: github if is_hosted(repo) else bot.world.source
        for name in names:
            bot.store.subscribe(Subscription(BUSY, name, "0 9 * * *", "UTC", "en", created=bot.time.moment))
        bot.time.moment = DAY + timedelta(hours=33)
        repeat(bot.worker.tick, lambda: hub.counts["commit"] >= PERMITS)
        assert hub.counts["graphql"] >= PERMITS  # they were listed
        bot.store.subscribe(Subscription(OTHER, bot.repo, "0 9 * * *", "UTC", "en", created=DAY))
        repeat(bot.worker.tick, lambda: any("fix: one" in str(m) for m in bot.tops("C2")), 40)
        assert hub.counts["commit"] < len(names)
        bot.worker.halt()
    assert bot.worker.drain(60)


def test_a_host_that_hangs_on_very_many_channels_keeps_no_other_waiting(bot, monkeypatch):
    monkeypatch.setattr(fairness, "SLOW", 0.1)
    monkeypatch.setattr(worker, "MAX_IN_PROGRESS", 8)
    bot.world.repositories.rights = Rights(("*",), (Right("T1", "", "*"),))
    bot.commit("one", DAY + timedelta(hours=3))
    with Silent() as host:
        for n in range(worker.MAX_IN_PROGRESS):
            place = Place("slack", "T1/C1", f"{n}.0")
            url = f"{host.url}/a/b.git"
            bot.store.subscribe(Subscription(place, url, "0 9 * * *", "UTC", "en", created=bot.time.moment))
        bot.time.moment = DAY + timedelta(hours=33)
        bot.worker.tick()
        bot.store.subscribe(Subscription(OTHER, bot.repo, "0 9 * * *", "UTC", "en", created=DAY))
        repeat(bot.worker.tick, lambda: any("fix: one" in str(m) for m in bot.tops("C2")), 40)
        bot.worker.halt()
    assert bot.worker.drain(60)
