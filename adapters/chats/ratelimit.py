"""Keeping to the rate limits of a service, and to the pauses that it asks for."""

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import NamedTuple

_MANY = 10_000


class RateLimit(NamedTuple):
    """One call every `period` seconds, after `burst` of them at once."""

    period: float
    burst: int = 1


class RateLimiter:
    """Lets calls through at the rates that a service counts, each under a key. Safe for several threads.

    It is the generic cell rate algorithm (ITU-T I.371): a key remembers until when its earlier calls count. `clock` and
    `sleep` are monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._paused: dict[Hashable, float] = {}
        self._counted: dict[tuple[Hashable, RateLimit], float] = {}

    def wait(self, limits: Mapping[Hashable, Sequence[RateLimit]]) -> None:
        """Wait until a call is within the limits of all its keys at once, and count it."""
        while (seconds := self._acquire(limits)) > 0:
            self._sleep(seconds)

    def pause(self, key: Hashable, seconds: float) -> None:
        """Let nobody through under a key for some time."""
        with self._lock:
            self._paused[key] = max(self._paused.get(key, 0.0), self._clock() + seconds)

    def _acquire(self, limits: Mapping[Hashable, Sequence[RateLimit]]) -> float:
        """Count a call if it may go; the seconds until it may otherwise.

        No place is kept for who waits: one that waits for its channel would keep the workspace waiting.
        """
        with self._lock:
            now = self._clock()
            self._forget(now)
            cells = [(key, limit) for key, each in limits.items() for limit in each]
            counted = [self._counted.get(cell, now) for cell in cells]
            ahead = [(limit.burst - 1) * limit.period for _, limit in cells]
            opens = [until - early for until, early in zip(counted, ahead, strict=True)]
            seconds = max(now, *opens, *(self._paused.get(key, now) for key in limits)) - now
            if seconds <= 0:
                self._counted |= {
                    cell: max(until, now) + cell[1].period for cell, until in zip(cells, counted, strict=True)
                }
            return seconds

    def _forget(self, now: float) -> None:
        """Forget keys that nothing holds back, once there are many: each message that is changed has one."""
        if len(self._counted) > _MANY:
            self._counted = {cell: until for cell, until in self._counted.items() if until > now}
        if len(self._paused) > _MANY:
            self._paused = {key: until for key, until in self._paused.items() if until > now}
