"""Who works on what: a row for each lease, in the table `claims`. They run out by the server's clock."""

from collections.abc import Iterable
from datetime import datetime

from adapters.postgres import Connection
from adapters.stores.postgres.cells import bound
from adapters.stores.postgres.part import Part
from adapters.stores.rows import FAR, instant
from bot.ports import Leases

_EXPIRED = (
    "DELETE FROM claims WHERE key IN (SELECT key FROM claims WHERE until <= %s AND key != %s "
    "ORDER BY until LIMIT 100 FOR UPDATE SKIP LOCKED)"
)
"""What somebody else is just taking or removing is left to them, so that nobody waits."""
_TAKEN = (
    "INSERT INTO claims (key, holder, until) VALUES (%s, %s, %s) "
    "ON CONFLICT (key) DO UPDATE SET holder = excluded.holder, until = excluded.until "
    "WHERE claims.holder = excluded.holder OR claims.until <= %s OR claims.until > excluded.until + %s RETURNING key"
)
_RENEWED = (
    "UPDATE claims SET until = %s WHERE key IN (SELECT key FROM claims "
    "WHERE key = ANY(%s) AND holder = %s AND until > %s ORDER BY key FOR UPDATE)"
)


class PostgresLeases(Part, Leases):
    """A `bot.ports.Leases`."""

    def claim(self, key: str, holder: str, now: datetime, until: datetime) -> bool:
        def take(db: Connection) -> bool:
            begun, end = (instant(time) for time in self._server.clock.corrected(db, now, until))
            db.execute(_EXPIRED, bound(begun, key))
            return db.execute(_TAKEN, bound(key, holder, end, begun, FAR)).fetchone() is not None

        return self._server.write(take)

    def renew(self, keys: Iterable[str], holder: str, now: datetime, until: datetime) -> None:
        wanted = list(bound(*keys))

        def prolong(db: Connection) -> None:
            begun, end = (instant(time) for time in self._server.clock.corrected(db, now, until))
            db.execute(_RENEWED, (*bound(end), wanted, *bound(holder, begun)))

        self._server.write(prolong)

    def release_all(self, holder: str) -> None:
        self._write("DELETE FROM claims WHERE holder = %s", holder)

    def release(self, key: str, holder: str) -> None:
        self._write("DELETE FROM claims WHERE key = %s AND holder = %s", key, holder)
