"""What all parts of the store share."""

from collections.abc import Callable
from typing import Any, LiteralString, TypeVar

from adapters.postgres import Connection, Server
from adapters.stores.postgres.cells import bound
from adapters.stores.rows import Cell, Unread
from adapters.stores.twin import Twin

T = TypeVar("T")


class Part:
    """One part of a store: what the rows of its tables are, in a database that all parts share."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._unread = Unread()
        self._twin: Twin | None = None

    def _read(self, query: LiteralString, *values: Cell | list[str]) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self._server.read(lambda db: db.execute(query, _parameters(values)).fetchall())

    def _read_each(
        self, table: str, make: Callable[..., T], query: LiteralString, *values: Cell | list[str]
    ) -> tuple[T, ...]:
        """What `make` makes of each row of a table, but for those that cannot be read, which are told once."""
        return tuple(self._unread.readable(table, make, self._read(query, *values)))

    def _write(self, statement: LiteralString, *values: Cell) -> None:
        """A transaction of one statement."""
        self._server.write(lambda db: db.execute(statement, bound(*values)))

    def _counted(self, work: Callable[[Connection], T]) -> T:
        """What `work` makes of a transaction of the ledger, which is counted here and, once it is kept, in the twin."""
        made, name, count = self._server.write(lambda db: (work(db), *self._count(db)))
        if self._twin:
            self._twin.raise_to(name, count)
        return made

    def _count(self, db: Connection) -> tuple[str, int]:
        """Count a transaction. Where the twin is ahead, this database is an older one, and is marked as restored.

        Others who count wait from here on until the transaction ends: so it is the last thing in each.
        """
        name, count = db.execute("SELECT name, count FROM memory FOR UPDATE").fetchone() or ("", 0)
        ahead = self._twin.read(name) if self._twin else 0
        following = max(count, ahead) + 1
        db.execute("UPDATE memory SET count = %s, restored = greatest(restored, %s)", (following, int(ahead > count)))
        return name, following


def _parameters(values: tuple[Cell | list[str], ...]) -> tuple[Any, ...]:
    return tuple(list(bound(*each)) if isinstance(each, list) else bound(each)[0] for each in values)
