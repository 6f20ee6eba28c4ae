"""Limits how many things all processes do at once: a lease for each slot, in the table `claims`."""

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from adapters.postgres import Server
from bot.errors import DigestError
from bot.ports import Slots

_SECOND = 1_000_000
_POLL = 0.25
"""Seconds between two checks for a free slot."""
_NOW = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
_TAKEN = (
    f"INSERT INTO claims (key, holder, until) SELECT slot, %(holder)s, {_NOW} + %(lease)s "  # noqa: S608  # constants
    "FROM (SELECT 'slot:' || %(name)s || ':' || n AS slot FROM generate_series(1, %(number)s) AS n) AS slots "
    f"WHERE NOT EXISTS (SELECT FROM claims WHERE key = slot AND until > {_NOW}) ORDER BY random() LIMIT 1 "
    "ON CONFLICT (key) DO UPDATE SET holder = excluded.holder, until = excluded.until "
    f"WHERE claims.until <= {_NOW} RETURNING key"
)
_RENEWED = f"UPDATE claims SET until = {_NOW} + %s WHERE key = ANY(%s) AND holder = %s"  # noqa: S608  # constants
_GIVEN_BACK = "DELETE FROM claims WHERE key = %s AND holder = %s"


class PostgresSlots(Slots):
    """A `bot.ports.Slots`. A process that is silent for `lease` seconds loses its slots."""

    def __init__(self, server: Server, lease: float) -> None:
        self._server = server
        self._lease = lease
        self._holder = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._held: set[str] = set()
        self._renewing = False

    @contextmanager
    def taken(self, name: str, number: int) -> Iterator[None]:
        key = self._take(name, number)
        try:
            yield
        finally:
            with self._lock:
                self._held.discard(key)
            with suppress(DigestError):  # it expires
                self._server.write(lambda db: db.execute(_GIVEN_BACK, (key, self._holder)))

    def _take(self, name: str, number: int) -> str:
        given = {"name": name, "number": number, "holder": self._holder, "lease": int(self._lease * _SECOND)}
        while True:
            found = self._server.write(lambda db: db.execute(_TAKEN, given).fetchone())
            if found:
                self._hold(found[0])
                return str(found[0])
            time.sleep(_POLL)

    def _hold(self, key: str) -> None:
        with self._lock:
            self._held.add(key)
            if not self._renewing:
                self._renewing = True
                threading.Thread(target=self._renew, name="slots", daemon=True).start()

    def _renew(self) -> None:
        """Extend the leases, until none is held."""
        while True:
            time.sleep(self._lease / 3)
            with self._lock:
                held = list(self._held)
                self._renewing = bool(held)
            if not held:
                return
            with suppress(DigestError):
                given = (int(self._lease * _SECOND), held, self._holder)
                self._server.write(lambda db, given=given: db.execute(_RENEWED, given))  # type: ignore[misc]
