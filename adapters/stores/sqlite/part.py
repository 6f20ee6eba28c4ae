"""A store's parts on one SQLite file."""

import re
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import LiteralString, TypeVar

from sqlite_utils import Database

from adapters.stores.part import Found, Part, Session, Value
from adapters.stores.rows import Cell, Row, bound, to_json
from adapters.stores.sqlite.file import SqliteFile, any_text

T = TypeVar("T")
_LOCK = re.compile(r" FOR (NO KEY )?UPDATE( SKIP LOCKED)?")


class SqliteSession:
    """A `Session`."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def all(self, query: LiteralString, *values: Value) -> list[Found]:
        return self._done(query, values).fetchall()

    def one(self, query: LiteralString, *values: Value) -> Found | None:
        found: Found | None = self._done(query, values).fetchone()
        return found

    def run(self, statement: LiteralString, *values: Value) -> int:
        return self._done(statement, values).rowcount

    def run_each(self, statement: LiteralString, rows: Iterable[Sequence[Value]]) -> None:
        self.db.conn.executemany(_translated(statement), (_cells(row) for row in rows))

    def _done(self, statement: LiteralString, values: Sequence[Value]) -> sqlite3.Cursor:
        return self.db.execute(_translated(statement), _cells(values))


@lru_cache
def _translated(statement: str) -> str:
    """A statement in SQLite's syntax."""
    return _LOCK.sub("", statement).replace("= ANY(?)", "IN (SELECT value FROM json_each(?))")


def _cells(values: Sequence[Value]) -> Row:
    """Values as parameters; a list becomes JSON."""
    return bound(*(v if isinstance(v, str | int | bytes | None) else to_json(bound(*v)) for v in values))


class SqlitePart(Part):
    """A `Part` on one file."""

    def __init__(self, file: SqliteFile) -> None:
        super().__init__()
        self._file = file

    def _reading(self, work: Callable[[Session], T]) -> T:
        with self._file.reading() as db, any_text(db):
            return work(SqliteSession(db))

    def _writing(self, work: Callable[[Session], T]) -> T:
        with self._file.writing() as db:
            return work(SqliteSession(db))

    def _bound(self, *values: Cell) -> Row:
        return bound(*values)

    def _alone(self, db: Session, key: int) -> None:
        """Nothing to do: there is one writer at a time."""

    def _corrected(self, db: Session, *times: datetime) -> tuple[datetime, ...]:  # noqa: ARG002
        return times
