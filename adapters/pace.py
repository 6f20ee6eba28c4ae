"""Keeping to the limits of a service: how fast calls may follow each other, and when none may go at all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import NamedTuple

_MANY = 10_000


class Rate(NamedTuple):
    """One call every `each` seconds, after `burst` of them at once."""

    each: float
    burst: int = 1


class Pace:
    """How calls may follow each other at a rate. Pure."""

    def __init__(self, rate: Rate) -> None:
        self._each = rate.each
        self._ahead = (rate.burst - 1) * rate.each
        self._paid = float("-inf")

    @property
    def paid(self) -> float:
        """Until when earlier calls count; after it, it is as if there had been none."""
        return self._paid

    @property
    def opens(self) -> float:
        """When the next call may go."""
        return self._paid - self._ahead

    def take(self, now: float) -> None:
        """A call goes now."""
        self._paid = max(self._paid, now) + self._each


class Gates:
    """Lets calls through at the rates of what a service counts. Safe for several threads.

    A gate is named by any key; `clock` and `sleep` are monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._closed: dict[Hashable, float] = {}
        self._paces: dict[tuple[Hashable, Rate], Pace] = {}

    def wait(self, gates: Mapping[Hashable, Sequence[Rate]]) -> None:
        """Wait until all gates are open at once, and go through."""
        while (seconds := self._enter(gates)) > 0:
            self._sleep(seconds)

    def pause(self, gate: Hashable, seconds: float) -> None:
        """Keep everybody from a gate for some time."""
        with self._lock:
            self._closed[gate] = max(self._closed.get(gate, 0.0), self._clock() + seconds)

    def _enter(self, gates: Mapping[Hashable, Sequence[Rate]]) -> float:
        """Go through if the gates are open; the seconds until they may be otherwise.

        No place is kept for who waits: one that waits for its channel would keep the workspace waiting.
        """
        with self._lock:
            now = self._clock()
            self._forget(now)
            pauses = [self._closed.get(gate, now) for gate in gates]
            paces = [self._pace(gate, rate) for gate, rates in gates.items() for rate in rates]
            seconds = max(now, *pauses, *(pace.opens for pace in paces)) - now
            if seconds <= 0:
                for pace in paces:
                    pace.take(now)
            return seconds

    def _forget(self, now: float) -> None:
        """Forget gates that are open anyway, once there are many: each message that is changed has one."""
        if len(self._paces) > _MANY:
            self._paces = {name: pace for name, pace in self._paces.items() if pace.paid > now}
        if len(self._closed) > _MANY:
            self._closed = {gate: until for gate, until in self._closed.items() if until > now}

    def _pace(self, gate: Hashable, rate: Rate) -> Pace:
        return self._paces.setdefault((gate, rate), Pace(rate))
