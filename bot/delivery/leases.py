"""The leases of one process: who works on what, so that nobody else does."""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

from bot.delivery.job import TryLater
from bot.errors import DigestError
from bot.ports import Leases
from bot.values import Delivery


class LeaseHolder:
    """Holds the leases of one process, each for one of its threads. Safe for several threads."""

    def __init__(self, leases: Leases, clock: Callable[[], datetime], lifetime: timedelta) -> None:
        self._leases = leases
        self._clock = clock
        self._lifetime = lifetime
        self._holder = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._held: set[str] = set()

    def acquire(self, key: str) -> bool:
        """Take a lease that nobody holds, in this process or another; whether it was free."""
        with self._lock:
            if key in self._held:
                return False
            self._held.add(key)
        acquired = False
        try:
            acquired = self.extend(key)
        finally:
            if not acquired:
                self._forget(key)
        return acquired

    def holds(self, key: str) -> bool:
        """Whether this process holds a lease, as far as it knows."""
        with self._lock:
            return key in self._held

    def extend(self, key: str) -> bool:
        """Prolong a lease; whether it is still, or again, this process's."""
        now = self._clock()
        return self._leases.claim(key, self._holder, now, now + self._lifetime)

    def may_send(self, key: str, delivery: Delivery) -> bool:
        """Prolong the lease of a delivery; whether it is ours, and nobody has gone on with the delivery meanwhile."""
        now = self._clock()
        return self._leases.still_due(delivery, key, self._holder, now, now + self._lifetime)

    @contextmanager
    def alone(self, key: str) -> Iterator[None]:
        """Do something that nobody else does meanwhile. Raises TryLater where somebody does."""
        if not self.acquire(key):
            raise TryLater
        try:
            yield
        finally:
            self.release(key)

    def renew(self) -> None:
        """Prolong all that are held."""
        now = self._clock()
        with self._lock:
            held = tuple(self._held)
        self._leases.renew(held, self._holder, now, now + self._lifetime)

    def release(self, key: str) -> None:
        """Give a lease back; where the store cannot be reached, it runs out by itself."""
        self._forget(key)
        with suppress(DigestError):
            self._leases.release(key, self._holder)

    def release_all(self) -> None:
        """Give everything back."""
        with self._lock:
            self._held.clear()
        with suppress(DigestError):
            self._leases.release_all(self._holder)

    def _forget(self, key: str) -> None:
        with self._lock:
            self._held.discard(key)
