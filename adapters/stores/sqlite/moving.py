"""An SQLite file as one side of a copy."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import LiteralString

from sqlite_utils import Database

from adapters.stores.moving import NUMBERED, Side, Table
from adapters.stores.part import Session
from adapters.stores.rows import Row, bound
from adapters.stores.sqlite.archive import SqliteArchive
from adapters.stores.sqlite.file import any_text
from adapters.stores.sqlite.part import SqliteSession


class SqliteMoving(SqliteArchive):
    """The store's sides for a copy."""

    @contextmanager
    def source(self) -> Iterator[Side]:
        """The database as of one moment, to read."""
        with self._file.reading() as db, any_text(db), db.atomic():
            yield _SqliteSide(db, self._index_all)

    @contextmanager
    def target(self) -> Iterator[Side]:
        """The database to be filled, in one transaction."""
        with self._file.writing() as db:
            yield _SqliteSide(db, self._index_all)


class _SqliteSide:
    def __init__(self, db: Database, index_all: Callable[[Session], None]) -> None:
        self._db = db
        self._index_all = index_all

    def rows(self, table: Table) -> Iterator[Row]:
        yield from self._db.execute(table.query)

    def kept(self, row: Row) -> Row:
        return bound(*row)

    def fill(self, table: Table, rows: Iterable[Row]) -> None:
        if table.name == "memory":
            self._db.execute("DELETE FROM memory")
        marks = ", ".join("?" for _ in table.columns.split(", "))
        insert = f"INSERT INTO {table.name} ({table.columns}) VALUES ({marks})"  # noqa: S608  # constants
        self._db.conn.executemany(insert, (bound(*row) for row in rows))

    def last(self) -> Mapping[LiteralString, int]:
        given = dict(self._db.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
        return {name: given.get(name, 0) for name in NUMBERED}

    def go_on(self, last: Mapping[LiteralString, int]) -> None:
        for name, number in last.items():
            self._db.execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
            self._db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, number))
        self._index_all(SqliteSession(self._db))
