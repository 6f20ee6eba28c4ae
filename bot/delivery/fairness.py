"""Whose turn it is to be read and built: no channel and no host keeps the others waiting.

Channels take turns, and within a channel who waits longest is first. A hand is held while commits are read and digests
are made of them. A host that does not answer keeps its hands for itself: they count no longer among the others', and it
gets no more than its share.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, partial
from itertools import count

from bot import addresses
from bot.delivery.job import Job, together
from bot.errors import DigestError
from bot.values import Place
from bot.watched import watching

HANDS = 4
"""Groups that are read and built at a time, beside those of slow hosts."""
MOST = 64
"""Groups at a time, with those of slow hosts; the last HANDS are for hosts that are known to be quick."""
SHARE = 3
"""Groups of one slow host at a time."""
SLOW = 5.0
"""Seconds of one reading after which a host is a slow one, until it has been read in less."""
LONG = 60.0
"""Seconds of reading for one group, however short each was, after which its host is a slow one."""
_LOOK = 0.5


@dataclass(frozen=True, eq=False, slots=True)
class Group:
    """Deliveries that are built of the same commits, on whose host, in which channels, and since when they wait."""

    jobs: tuple[Job, ...]
    host: str
    channels: frozenset[Place]
    age: tuple[datetime, int]


@dataclass(eq=False, slots=True)
class Hand:
    """Works on so many deliveries of a host: since when it is reading what, and how long it has read before."""

    host: str
    jobs: int
    since: list[float] = field(default_factory=list)
    spent: float = 0.0

    def is_late(self, now: float) -> bool:
        """Whether its host keeps it waiting."""
        waits = now - min(self.since, default=now)
        return waits >= SLOW or self.spent + waits >= LONG


class Hosts:
    """Which hosts are slow and which are quick, by all that is read of them. Safe for several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` counts seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._reading: set[Hand] = set()
        self._slow: set[str] = set()
        self._quick: set[str] = set()

    def known(self) -> tuple[frozenset[str], frozenset[str]]:
        """The slow ones, among them those that just keep somebody waiting, and the quick ones."""
        with self._lock:
            self._notice()
            return frozenset(self._slow), frozenset(self._quick)

    @contextmanager
    def reading(self, hand: Hand, changed: Callable[[], object]) -> Iterator[None]:
        """Read something for a hand; `changed` is called where that shows the host to be quicker or slower."""
        began = self._begin(hand)
        try:
            yield
        finally:
            if self._end(hand, began):
                with suppress(DigestError):  # of the store, which is no fault of what was read
                    changed()

    def _begin(self, hand: Hand) -> float:
        with self._lock:
            began = self._clock()
            hand.since.append(began)
            self._reading.add(hand)
        return began

    def _end(self, hand: Hand, began: float) -> bool:
        with self._lock:
            before, now = (hand.host in self._slow, hand.host in self._quick), self._clock()
            self._notice()
            if not any(each.host == hand.host and each.is_late(now) for each in self._reading):
                self._slow.discard(hand.host)
                self._quick.add(hand.host)
            hand.since.remove(began)
            hand.spent += now - began
            if not hand.since:
                self._reading.discard(hand)
            return before != (hand.host in self._slow, hand.host in self._quick)

    def _notice(self) -> None:
        """Find the hosts that keep somebody waiting."""
        now = self._clock()
        late = {hand.host for hand in self._reading if hand.is_late(now)}
        self._slow |= late
        self._quick -= late


class Turns:
    """Groups that wait, and the hands that work. Safe for several threads."""

    def __init__(self, blocked: Callable[[Job], bool], hosts: Hosts) -> None:
        """`blocked` says that a delivery could not go on if it were begun; `hosts` may know what others read too."""
        self._blocked = blocked
        self._hosts = hosts
        self._lock = threading.Lock()
        self._waiting: list[Group] = []
        self._hands: set[Hand] = set()
        self._turn = count(1)
        self._served: dict[Place, int] = {}

    def wait(self, jobs: Iterable[Job]) -> None:
        """Let these wait, and nothing else any more."""
        groups: dict[object, list[Job]] = {}
        for job in sorted(jobs, key=_age):
            groups.setdefault(together(job), []).append(job)
        with self._lock:
            self._waiting = [_grouped(tuple(group)) for group in groups.values()]
            channels = {channel for group in self._waiting for channel in group.channels}
            self._served = {channel: turn for channel, turn in self._served.items() if channel in channels}

    def take(self) -> tuple[Hand, tuple[Job, ...]] | None:
        """The group whose turn it is, and a hand for it; None where nothing can be begun now."""
        with self._lock:
            may = cache(partial(_may, self._hands, *self._hosts.known()))
            for group in sorted(self._waiting, key=self._order):
                jobs = [job for job in group.jobs if not self._blocked(job)] if may(group.host) else []
                if jobs:
                    return self._begin(group, len(jobs)), tuple(jobs)
        return None

    @property
    def apart(self) -> int:
        """Deliveries in the hands of slow hosts."""
        slow, _ = self._hosts.known()
        with self._lock:
            return sum(hand.jobs for hand in self._hands if hand.host in slow)

    @contextmanager
    def held(self, hand: Hand, changed: Callable[[], object]) -> Iterator[None]:
        """Work with a hand, which is free when this ends: what this thread reads of its host is timed.

        `changed` is called when more, or less, of that host may be begun.
        """
        try:
            with watching(partial(self._hosts.reading, hand, changed)):
                yield
        finally:
            self.done(hand)

    def done(self, hand: Hand) -> None:
        """The hand is free."""
        with self._lock:
            self._hands.discard(hand)

    def _begin(self, group: Group, jobs: int) -> Hand:
        self._waiting.remove(group)
        turn = next(self._turn)
        self._served.update(dict.fromkeys(group.channels, turn))
        hand = Hand(group.host, jobs)
        self._hands.add(hand)
        return hand

    def _order(self, group: Group) -> tuple[object, ...]:
        """Whose turn comes first: the channel that was served the longest ago, then who waits longest."""
        return min(self._served.get(channel, 0) for channel in group.channels), group.age


class Hands:
    """The hands of a process to which a queue gives what it is to read. Safe for several threads."""

    def __init__(self, hosts: Hosts, stopping: threading.Event) -> None:
        """Once `stopping` is set, no hand is given any more."""
        self._hosts = hosts
        self._stopping = stopping
        self._free = threading.Condition()
        self._hands: set[Hand] = set()

    def take(self, host: str) -> Hand | None:
        """A hand for a host, once one is free; None where the host is slow and has its share in hand already."""
        with self._free:
            while not self._stopping.is_set():
                slow, quick = self._hosts.known()
                if _may(self._hands, slow, quick, host):
                    self._hands.add(hand := Hand(host, 1))
                    return hand
                if host in slow:
                    return None
                self._free.wait(_LOOK)  # that a host is slow shows by time alone
        return None

    @contextmanager
    def held(self, hand: Hand) -> Iterator[None]:
        """Work with a hand, which is free when this ends: what this thread reads of its host is timed."""
        try:
            with watching(partial(self._hosts.reading, hand, self._tell)):
                yield
        finally:
            with self._free:
                self._hands.discard(hand)
            self._tell()

    def _tell(self) -> None:
        with self._free:
            self._free.notify_all()


def _may(hands: Collection[Hand], slow: frozenset[str], quick: frozenset[str], host: str) -> bool:
    """Whether a group of a host may begin. One of which nothing is known yet shows first how quick it is."""
    held = sum(hand.host == host for hand in hands)
    busy = sum(hand.host not in slow for hand in hands)
    if host in quick:
        return busy < HANDS and len(hands) < MOST
    if len(hands) >= MOST - HANDS:
        return False
    return held < SHARE if host in slow else busy < HANDS and not held


def ranked(jobs: Iterable[Job]) -> list[tuple[int, tuple[Job, ...]]]:
    """Deliveries that are built together, who waits longest first, each with its rank: how many come before it.

    Counted is within its channel, where that has the fewest: so channels take turns if the lowest rank is first.
    """
    groups: dict[object, list[Job]] = {}
    for job in sorted(jobs, key=_age):
        groups.setdefault(together(job), []).append(job)
    seen: Counter[Place] = Counter()
    found = []
    for each in groups.values():
        channels = {job.subscription.place.whole for job in each}
        found.append((min(seen[channel] for channel in channels), tuple(each)))
        seen.update(channels)
    return found


def _age(job: Job) -> tuple[datetime, int]:
    """Sorts who waits longest first."""
    return job.delivery.slot, job.delivery.id


def _grouped(jobs: tuple[Job, ...]) -> Group:
    channels = frozenset(job.subscription.place.whole for job in jobs)
    return Group(jobs, addresses.server_of(jobs[0].subscription.repo), channels, min(map(_age, jobs)))
