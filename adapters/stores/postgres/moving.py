"""A PostgreSQL database as one side of a copy."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import LiteralString

from adapters.postgres import Connection
from adapters.stores.moving import NUMBERED, Side, Table
from adapters.stores.part import Session
from adapters.stores.postgres.archive import PostgresArchive
from adapters.stores.postgres.cells import bound
from adapters.stores.postgres.part import PostgresSession
from adapters.stores.rows import Row

_AT_ONCE = 1_000
"""Rows fetched at once."""
_COUNTED: tuple[LiteralString, ...] = (*NUMBERED, "repositories", "commits")


class PostgresMoving(PostgresArchive):
    """The store's sides for a copy."""

    @contextmanager
    def source(self) -> Iterator[Side]:
        """The database as of one moment, to read."""
        with self._server.transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") as db:
            yield _PostgresSide(db, self._index_all)

    @contextmanager
    def target(self) -> Iterator[Side]:
        """The database to be filled, in one transaction."""
        with self._server.transaction("BEGIN") as db:
            yield _PostgresSide(db, self._index_all)


class _PostgresSide:
    def __init__(self, db: Connection, index_all: Callable[[Session], None]) -> None:
        self._db = db
        self._index_all = index_all

    def rows(self, table: Table) -> Iterator[Row]:
        with self._db.cursor(f"moved_{table.name}") as cursor:
            cursor.itersize = _AT_ONCE
            yield from cursor.execute(table.query)

    def kept(self, row: Row) -> Row:
        return bound(*row)

    def fill(self, table: Table, rows: Iterable[Row]) -> None:
        if table.name == "memory":
            self._db.execute("DELETE FROM memory")
        with self._db.cursor() as cursor, cursor.copy(f"COPY {table.name} ({table.columns}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(bound(*row))

    def last(self) -> Mapping[LiteralString, int]:
        query: LiteralString = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM"
        found = {name: self._db.execute(f"{query} {name}_id_seq").fetchone() for name in NUMBERED}
        return {name: row[0] if row else 0 for name, row in found.items()}

    def go_on(self, last: Mapping[LiteralString, int]) -> None:
        for name in _COUNTED:
            highest: LiteralString = f"SELECT greatest(%s, (SELECT max(id) FROM {name}))"  # noqa: S608  # a constant
            (number,) = self._db.execute(highest, (last.get(name, 0),)).fetchone() or (0,)
            if number:
                self._db.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", (name, number))
        self._index_all(PostgresSession(self._db))
