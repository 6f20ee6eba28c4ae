"""The leases of one process: they keep others from doing the same work."""

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
        """Take a lease and return True, unless another thread or process holds it."""
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
        """Whether this process holds a lease, without asking the store."""
        with self._lock:
            return key in self._held

    def extend(self, key: str) -> bool:
        """Extend a lease; return whether this process holds it."""
        now = self._clock()
        return self._leases.claim(key, self._holder, now, now + self._lifetime)

    def may_send(self, key: str, delivery: Delivery) -> bool:
        """Extend a delivery's lease; return whether we hold it and no other process has worked on the delivery."""
        now = self._clock()
        return self._leases.still_due(delivery, key, self._holder, now, now + self._lifetime)

    @contextmanager
    def alone(self, key: str) -> Iterator[None]:
        """Hold a lease for a block of code. Raises TryLater if it is taken."""
        if not self.acquire(key):
            raise TryLater
        try:
            yield
        finally:
            self.release(key)

    def renew(self) -> None:
        """Extend all leases that are held."""
        now = self._clock()
        with self._lock:
            held = tuple(self._held)
        self._leases.renew(held, self._holder, now, now + self._lifetime)

    def release(self, key: str) -> None:
        """Release a lease; if the store cannot be reached, it expires."""
        self._forget(key)
        with suppress(DigestError):
            self._leases.release(key, self._holder)

    def release_all(self) -> None:
        """Release all leases."""
        with self._lock:
            self._held.clear()
        with suppress(DigestError):
            self._leases.release_all(self._holder)

    def _forget(self, key: str) -> None:
        with self._lock:
            self._held.discard(key)
