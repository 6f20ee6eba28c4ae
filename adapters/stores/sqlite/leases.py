"""Who works on what: a row for each lease, in the table `claims`."""

from collections.abc import Iterable
from datetime import datetime

from adapters.stores.rows import FAR, bound, instant
from adapters.stores.sqlite.file import Part
from bot.ports import Leases


class SqliteLeases(Part, Leases):
    """A `bot.ports.Leases`."""

    def claim(self, key: str, holder: str, now: datetime, until: datetime) -> bool:
        with self._file.writing() as db:
            db.execute("DELETE FROM claims WHERE until <= ?", bound(instant(now)))
            taken = db.execute(
                "INSERT INTO claims (key, holder, until) VALUES (?, ?, ?) "
                "ON CONFLICT (key) DO UPDATE SET holder = excluded.holder, until = excluded.until "
                "WHERE holder = excluded.holder OR claims.until > excluded.until + ? RETURNING key",
                bound(key, holder, instant(until), FAR),
            ).fetchone()
        return taken is not None

    def renew(self, keys: Iterable[str], holder: str, now: datetime, until: datetime) -> None:
        rows = [bound(instant(until), key, holder, instant(now)) for key in keys]
        with self._file.writing() as db:
            db.conn.executemany("UPDATE claims SET until = ? WHERE key = ? AND holder = ? AND until > ?", rows)

    def release_all(self, holder: str) -> None:
        self._write("DELETE FROM claims WHERE holder = ?", holder)

    def release(self, key: str, holder: str) -> None:
        self._write("DELETE FROM claims WHERE key = ? AND holder = ?", key, holder)
