"""Decides which deliveries are read and built next: no channel and no host keeps the others waiting.

Channels take turns; within a channel the longest wait is first. A permit is held while commits are read and digests are
made from them. The permits of a host that does not answer no longer count among those of the others, and it gets no
more than its share.
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

PERMITS = 4
"""Groups that are read and built at a time, not counting slow hosts."""
MOST = 64
"""Groups at a time, including slow hosts; the last PERMITS are for hosts that are known to be fast."""
SHARE = 3
"""Groups of one slow host at a time."""
SLOW = 5.0
"""Seconds that one read may take before its host counts as slow, until one takes less."""
LONG = 60.0
"""Seconds that all reads for one group may take before its host counts as slow."""
_LOOK = 0.5


@dataclass(frozen=True, eq=False, slots=True)
class Group:
    """Deliveries built from the same commits, with their host, channels and age: the slot and ID of the oldest."""

    jobs: tuple[Job, ...]
    host: str
    channels: frozenset[Place]
    age: tuple[datetime, int]


@dataclass(eq=False, slots=True)
class Permit:
    """Allows a host's group of `jobs` deliveries to be read.

    `since` are the starts of its running reads, `spent` the seconds of earlier ones.
    """

    host: str
    jobs: int
    since: list[float] = field(default_factory=list)
    spent: float = 0.0

    def is_late(self, now: float) -> bool:
        """Whether the host is too slow, at `now` in seconds."""
        waits = now - min(self.since, default=now)
        return waits >= SLOW or self.spent + waits >= LONG


class Hosts:
    """Which hosts are slow and which are fast, as measured by every read. Safe for several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` returns seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._reading: set[Permit] = set()
        self._slow: set[str] = set()
        self._fast: set[str] = set()

    def known(self) -> tuple[frozenset[str], frozenset[str]]:
        """The slow hosts, including those that are slow right now, and the fast ones."""
        with self._lock:
            self._notice()
            return frozenset(self._slow), frozenset(self._fast)

    @contextmanager
    def reading(self, permit: Permit, changed: Callable[[], object]) -> Iterator[None]:
        """Time a read under a permit; `changed` is called if the host turns out to be faster or slower."""
        began = self._begin(permit)
        try:
            yield
        finally:
            if self._end(permit, began):
                with suppress(DigestError):  # an error of the store must not fail the read
                    changed()

    def _begin(self, permit: Permit) -> float:
        with self._lock:
            began = self._clock()
            permit.since.append(began)
            self._reading.add(permit)
        return began

    def _end(self, permit: Permit, began: float) -> bool:
        with self._lock:
            before, now = (permit.host in self._slow, permit.host in self._fast), self._clock()
            self._notice()
            if not any(each.host == permit.host and each.is_late(now) for each in self._reading):
                self._slow.discard(permit.host)
                self._fast.add(permit.host)
            permit.since.remove(began)
            permit.spent += now - began
            if not permit.since:
                self._reading.discard(permit)
            return before != (permit.host in self._slow, permit.host in self._fast)

    def _notice(self) -> None:
        """Mark the hosts that are slow right now."""
        now = self._clock()
        late = {permit.host for permit in self._reading if permit.is_late(now)}
        self._slow |= late
        self._fast -= late


class Turns:
    """The waiting groups and the permits in use. Safe for several threads."""

    def __init__(self, blocked: Callable[[Job], bool], hosts: Hosts) -> None:
        """`blocked` says whether a delivery could not continue if it were started; `hosts` may be shared."""
        self._blocked = blocked
        self._hosts = hosts
        self._lock = threading.Lock()
        self._waiting: list[Group] = []
        self._permits: set[Permit] = set()
        self._turn = count(1)
        self._served: dict[Place, int] = {}

    def wait(self, jobs: Iterable[Job]) -> None:
        """Replace the waiting deliveries by these."""
        groups: dict[object, list[Job]] = {}
        for job in sorted(jobs, key=_age):
            groups.setdefault(together(job), []).append(job)
        with self._lock:
            self._waiting = [_grouped(tuple(group)) for group in groups.values()]
            channels = {channel for group in self._waiting for channel in group.channels}
            self._served = {channel: turn for channel, turn in self._served.items() if channel in channels}

    def take(self) -> tuple[Permit, tuple[Job, ...]] | None:
        """The next group, with a permit; None if nothing can be started now."""
        with self._lock:
            may = cache(partial(_may, self._permits, *self._hosts.known()))
            for group in sorted(self._waiting, key=self._order):
                jobs = [job for job in group.jobs if not self._blocked(job)] if may(group.host) else []
                if jobs:
                    return self._begin(group, len(jobs)), tuple(jobs)
        return None

    @property
    def apart(self) -> int:
        """The number of deliveries that slow hosts keep waiting."""
        slow, _ = self._hosts.known()
        with self._lock:
            return sum(permit.jobs for permit in self._permits if permit.host in slow)

    @contextmanager
    def held(self, permit: Permit, changed: Callable[[], object]) -> Iterator[None]:
        """Hold a permit, and time what this thread reads of its host; the permit is released at the end.

        `changed` is called when its host turns out to be faster or slower.
        """
        try:
            with watching(partial(self._hosts.reading, permit, changed)):
                yield
        finally:
            self.done(permit)

    def done(self, permit: Permit) -> None:
        """Release a permit."""
        with self._lock:
            self._permits.discard(permit)

    def _begin(self, group: Group, jobs: int) -> Permit:
        self._waiting.remove(group)
        turn = next(self._turn)
        self._served.update(dict.fromkeys(group.channels, turn))
        permit = Permit(group.host, jobs)
        self._permits.add(permit)
        return permit

    def _order(self, group: Group) -> tuple[object, ...]:
        """Sort key: the channel served longest ago first, then the longest wait."""
        return min(self._served.get(channel, 0) for channel in group.channels), group.age


class Permits:
    """The permits of a process that takes its work from a queue. Safe for several threads."""

    def __init__(self, hosts: Hosts, stopping: threading.Event) -> None:
        """Once `stopping` is set, no permit is given."""
        self._hosts = hosts
        self._stopping = stopping
        self._free = threading.Condition()
        self._permits: set[Permit] = set()

    def take(self, host: str) -> Permit | None:
        """Wait for a permit for a host; None if the host is slow and already has its share."""
        with self._free:
            while not self._stopping.is_set():
                slow, fast = self._hosts.known()
                if _may(self._permits, slow, fast, host):
                    self._permits.add(permit := Permit(host, 1))
                    return permit
                if host in slow:
                    return None
                self._free.wait(_LOOK)  # only time shows that a host is slow
        return None

    @contextmanager
    def held(self, permit: Permit) -> Iterator[None]:
        """Hold a permit, and time what this thread reads of its host; the permit is released at the end."""
        try:
            with watching(partial(self._hosts.reading, permit, self._notify)):
                yield
        finally:
            with self._free:
                self._permits.discard(permit)
            self._notify()

    def _notify(self) -> None:
        with self._free:
            self._free.notify_all()


def _may(permits: Collection[Permit], slow: frozenset[str], fast: frozenset[str], host: str) -> bool:
    """Whether a group of a host may start. A host that is not known yet gets one permit, to be measured."""
    held = sum(permit.host == host for permit in permits)
    busy = sum(permit.host not in slow for permit in permits)
    if host in fast:
        return busy < PERMITS and len(permits) < MOST
    if len(permits) >= MOST - PERMITS:
        return False
    return held < SHARE if host in slow else busy < PERMITS and not held


def ranked(jobs: Iterable[Job]) -> list[tuple[int, tuple[Job, ...]]]:
    """Groups that are built together, the longest wait first, each with its rank: how many come before it.

    The rank is counted per channel; of several channels, the lowest counts. Building the lowest rank first makes
    channels take turns.
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
    """Sort key: the longest wait first."""
    return job.delivery.slot, job.delivery.id


def _grouped(jobs: tuple[Job, ...]) -> Group:
    channels = frozenset(job.subscription.place.whole for job in jobs)
    return Group(jobs, addresses.server_of(jobs[0].subscription.repo), channels, min(map(_age, jobs)))
