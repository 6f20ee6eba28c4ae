"""Keeps to the rate limits of a service, and to the pauses that it asks for."""

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from bot.errors import DigestError
from bot.ports import Rate, Rates, Room

_MANY = 10_000
_BATCH, _SLICE = 8, 2.0
"""The most calls, and seconds of calls, reserved at once of a rate that processes share."""


class RateLimit(NamedTuple):
    """One call every `period` seconds, after `burst` of them at once."""

    period: float
    burst: int = 1


Cell = tuple[Hashable, RateLimit]
"""What calls are counted for: a limit with a key."""


class Shared(NamedTuple):
    """The rates that all processes share in their database; `service` is the service with these limits."""

    rates: Rates
    service: str

    def name(self, *named: object) -> str:
        """The name of a rate or a pause there, which does not reveal a webhook's key."""
        return hashlib.sha256(repr((self.service, *named)).encode()).hexdigest()[:32]


def shared_by(service: str, rates: Rates | None) -> Shared | None:
    """The shared rates of a service; None if nothing is shared."""
    return Shared(rates, service) if rates else None


class RateLimiter:
    """Lets calls through within the rate limits of a service, each with a key. Safe for several threads.

    It is the generic cell rate algorithm (ITU-T I.371): a key remembers until when its earlier calls count. `clock` and
    `sleep` are monotonic seconds. With `shared`, other processes' calls count too: a call that is allowed by what is
    known locally asks the database, and its answer is remembered locally. So only calls that may be allowed
    ask the database; and if others wait for the same rate in this process, calls are reserved for them too, which
    expire if unused.
    """

    def __init__(
        self, clock: Callable[[], float], sleep: Callable[[float], None], shared: Shared | None = None
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._shared = shared
        self._lock = threading.Lock()
        self._paused: dict[Hashable, float] = {}
        self._counted: dict[Cell, float] = {}
        self._waiting: Counter[Cell] = Counter()
        self._stock: dict[Cell, tuple[int, float]] = {}

    def wait(self, limits: Mapping[Hashable, Sequence[RateLimit]]) -> None:
        """Wait until a call is within the limits of all its keys, and count it."""
        cells = [(key, limit) for key, each in limits.items() for limit in each]
        with self._lock:
            self._waiting.update(cells)
        try:
            while True:
                while (seconds := self._acquire(limits)) > 0:
                    self._sleep(seconds)
                if not self._shared or self._is_granted(cells, tuple(limits), self._shared):
                    return
        finally:
            with self._lock:
                self._waiting.subtract(cells)
                self._waiting += Counter()  # drops keys that nothing waits for

    def pause(self, key: Hashable, seconds: float) -> None:
        """Block a key for some seconds."""
        with self._lock:
            self._paused[key] = max(self._paused.get(key, 0.0), self._clock() + seconds)
        if self._shared:
            with suppress(DigestError):  # it applies in this process, at least
                self._shared.rates.pause(self._shared.name(key), seconds)

    def _is_granted(self, cells: Sequence[Cell], keys: Sequence[Hashable], shared: Shared) -> bool:
        """Whether a call is allowed by the shared rates; what they say is remembered."""
        with self._lock:
            asked = {cell: self._batch(cell) for cell in cells if not self._has_stock(cell)}
            used = [cell for cell in cells if cell not in asked]
            self._use(used, -1)
        if not asked:  # also without a rate: people may be waiting
            return True
        rates = [Rate(shared.name(*cell), *cell[1], calls) for cell, calls in asked.items()]
        room = None
        try:
            room = shared.rates.take(rates, [shared.name(key) for key in keys])
            self._note(asked, keys, room)
            return room.granted
        finally:
            if not (room and room.granted):
                with self._lock:
                    self._use(used, 1)

    def _note(self, asked: Mapping[Cell, int], keys: Sequence[Hashable], room: Room) -> None:
        """Remember what the shared rates say."""
        with self._lock:
            now = self._clock()
            for (cell, calls), left in zip(asked.items(), room.counted, strict=True):
                more = calls - 1 if room.granted else 0
                self._counted[cell] = now + left - more * cell[1].period
                if more:
                    self._stock[cell] = more, now + left + cell[1].period
            for key, left in zip(keys, room.paused, strict=True):
                self._paused[key] = max(self._paused.get(key, 0.0), now + left)

    def _batch(self, cell: Cell) -> int:
        """How many calls to reserve: as many as wait here, within limits."""
        return max(1, min(self._waiting[cell], _BATCH, int(_SLICE / cell[1].period)))

    def _has_stock(self, cell: Cell) -> bool:
        number, until = self._stock.get(cell, (0, 0.0))
        if number and until > self._clock():
            return True
        self._stock.pop(cell, None)
        return False

    def _use(self, cells: Iterable[Cell], number: int) -> None:
        """Take calls from the reserved ones, or return them."""
        for cell in cells:
            left, until = self._stock.get(cell, (0, self._clock() + cell[1].period))
            self._stock[cell] = left + number, until

    def _acquire(self, limits: Mapping[Hashable, Sequence[RateLimit]]) -> float:
        """Count a call if it is allowed; else return the seconds until it is.

        Waiting calls do not queue: one that waits for its channel would block the whole workspace.
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
        """Forget keys that block nothing, once there are many: each message that is changed has one."""
        if len(self._counted) > _MANY:
            self._counted = {cell: until for cell, until in self._counted.items() if until > now}
        if len(self._paused) > _MANY:
            self._paused = {key: until for key, until in self._paused.items() if until > now}
