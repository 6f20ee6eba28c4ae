"""Leases: a row for each, in the table `claims`. On a server they expire by its clock."""

from collections.abc import Iterable
from datetime import datetime

from adapters.stores.part import Part, Session
from adapters.stores.rows import FAR, instant
from bot.ports import Leases
from bot.values import Delivery, DeliveryState

_EXPIRED = (
    "DELETE FROM claims WHERE key IN (SELECT key FROM claims WHERE until <= ? AND key != ? "
    "ORDER BY until LIMIT 100 FOR UPDATE SKIP LOCKED)"
)
"""Rows that another process is changing are skipped, so that nothing waits."""
_TAKEN = (
    "INSERT INTO claims (key, holder, until) VALUES (?, ?, ?) "
    "ON CONFLICT (key) DO UPDATE SET holder = excluded.holder, until = excluded.until "
    "WHERE claims.holder = excluded.holder OR claims.until <= ? OR claims.until > excluded.until + ? RETURNING key"
)
_RENEWED = (
    "UPDATE claims SET until = ? WHERE key IN (SELECT key FROM claims "
    "WHERE key = ANY(?) AND holder = ? AND until > ? ORDER BY key FOR UPDATE)"
)

_STATE = "SELECT state, attempts FROM deliveries WHERE id = ?"


class LeasesPart(Part, Leases):
    """A `bot.ports.Leases`."""

    def claim(self, key: str, holder: str, now: datetime, until: datetime) -> bool:
        return self._writing(lambda db: self._take(db, key, holder, now, until))

    def _take(self, db: Session, key: str, holder: str, now: datetime, until: datetime) -> bool:
        begun, end = (instant(time) for time in self._corrected(db, now, until))
        db.run(_EXPIRED, begun, key)
        return db.one(_TAKEN, key, holder, end, begun, FAR) is not None

    def still_due(self, delivery: Delivery, key: str, holder: str, now: datetime, until: datetime) -> bool:
        def look(db: Session) -> bool:
            known = (DeliveryState.DUE, delivery.attempts)
            return self._take(db, key, holder, now, until) and db.one(_STATE, delivery.id) == known

        return self._writing(look)

    def renew(self, keys: Iterable[str], holder: str, now: datetime, until: datetime) -> None:
        wanted = list(keys)

        def prolong(db: Session) -> None:
            begun, end = (instant(time) for time in self._corrected(db, now, until))
            db.run(_RENEWED, end, wanted, holder, begun)

        self._writing(prolong)

    def release_all(self, holder: str) -> None:
        self._write("DELETE FROM claims WHERE holder = ?", holder)

    def release(self, key: str, holder: str) -> None:
        self._write("DELETE FROM claims WHERE key = ? AND holder = ?", key, holder)
