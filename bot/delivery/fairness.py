"""Whose turn it is to be read and built: no channel and no host keeps the others waiting.

Channels take turns, and within a channel who waits longest is first. A hand is held while commits are read and digests
are made of them. A host that does not answer keeps its hands for itself: they count no longer among the others', and it
gets no more than its share.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import count
from typing import TypeVar

from bot import addresses
from bot.delivery.job import Job, together
from bot.values import Place

T = TypeVar("T")

HANDS = 4
"""Groups that are read and built at a time, beside those that wait for a slow host."""
MOST = 64
"""Groups at a time, with those that wait for slow hosts."""
SHARE = 3
"""Groups of one slow host at a time."""
SLOW = 5.0
"""Seconds of reading after which a host is a slow one, until it has been read in less."""


@dataclass(frozen=True, eq=False, slots=True)
class Group:
    """Deliveries that are built of the same commits, on whose host, in which channels, and since when they wait."""

    jobs: tuple[Job, ...]
    host: str
    channels: frozenset[Place]
    age: tuple[datetime, int]


@dataclass(eq=False, slots=True)
class Hand:
    """Works on a group: on which host's, and since when it has been reading, None while it is not."""

    host: str
    since: float | None = None


class Turns:
    """Groups that wait, and the hands that work. Safe for several threads."""

    def __init__(self, blocked: Callable[[Job], bool], clock: Callable[[], float] = time.monotonic) -> None:
        """`blocked` says that a delivery could not go on if it were begun; `clock` counts seconds."""
        self._blocked = blocked
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: list[Group] = []
        self._hands: set[Hand] = set()
        self._slow: set[str] = set()
        self._quick: set[str] = set()
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
            self._notice()
            may = cache(self._may)
            for group in sorted(self._waiting, key=self._order):
                jobs = [job for job in group.jobs if not self._blocked(job)] if may(group.host) else []
                if jobs and len(self._hands) < MOST:
                    return self._begin(group), tuple(jobs)
        return None

    def _begin(self, group: Group) -> Hand:
        self._waiting.remove(group)
        turn = next(self._turn)
        self._served.update(dict.fromkeys(group.channels, turn))
        hand = Hand(group.host)
        self._hands.add(hand)
        return hand

    def timed(self, hand: Hand, read: Callable[[Job], T], after: Callable[[], None]) -> Callable[[Job], T]:
        """`read`, and `after` it; how long it takes says whether the host is slow."""

        def get(job: Job) -> T:
            began = self._begin_reading(hand)
            try:
                return read(job)
            finally:
                self._end_reading(hand, began)
                after()

        return get

    @contextmanager
    def held(self, hand: Hand) -> Iterator[None]:
        """The hand is free when this ends."""
        try:
            yield
        finally:
            self.done(hand)

    def done(self, hand: Hand) -> None:
        """The hand is free."""
        with self._lock:
            self._hands.discard(hand)

    def _begin_reading(self, hand: Hand) -> float:
        with self._lock:
            hand.since = began = self._clock()
        return began

    def _end_reading(self, hand: Hand, began: float) -> None:
        with self._lock:
            hand.since = None
            slow = self._clock() - began >= SLOW
            (self._slow if slow else self._quick).add(hand.host)
            (self._quick if slow else self._slow).discard(hand.host)

    def _notice(self) -> None:
        """Find the hosts that keep somebody waiting."""
        late = {h.host for h in self._hands if h.since is not None and self._clock() - h.since >= SLOW}
        self._slow |= late
        self._quick -= late

    def _may(self, host: str) -> bool:
        """Whether a group of a host may begin. One of which nothing is known yet shows first how quick it is."""
        held = sum(hand.host == host for hand in self._hands)
        if host in self._slow:
            return held < SHARE
        busy = sum(hand.since is None or hand.host not in self._slow for hand in self._hands)
        return busy < HANDS and (host in self._quick or not held)

    def _order(self, group: Group) -> tuple[object, ...]:
        """Whose turn comes first: the channel that was served the longest ago, then who waits longest."""
        return min(self._served.get(channel, 0) for channel in group.channels), group.age


def _age(job: Job) -> tuple[datetime, int]:
    """Sorts who waits longest first."""
    return job.delivery.slot, job.delivery.id


def _grouped(jobs: tuple[Job, ...]) -> Group:
    channels = frozenset(job.subscription.place.whole for job in jobs)
    return Group(jobs, addresses.server_of(jobs[0].subscription.repo), channels, min(map(_age, jobs)))
