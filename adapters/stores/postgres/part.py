"""A store's parts on one PostgreSQL server."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, LiteralString, TypeVar

from adapters.postgres import Connection, Server
from adapters.stores.part import Found, Part, Session, Value
from adapters.stores.postgres.cells import bound
from adapters.stores.rows import Cell, Row

T = TypeVar("T")


class PostgresSession:
    """A `Session`."""

    def __init__(self, db: Connection) -> None:
        self.db = db

    def all(self, query: LiteralString, *values: Value) -> list[Found]:
        return self.db.execute(_translated(query), _parameters(values)).fetchall()

    def one(self, query: LiteralString, *values: Value) -> Found | None:
        return self.db.execute(_translated(query), _parameters(values)).fetchone()

    def run(self, statement: LiteralString, *values: Value) -> int:
        return self.db.execute(_translated(statement), _parameters(values)).rowcount

    def run_each(self, statement: LiteralString, rows: Iterable[Sequence[Value]]) -> None:
        with self.db.cursor() as cursor:
            cursor.executemany(_translated(statement), [_parameters(row) for row in rows])


def _translated(statement: LiteralString) -> LiteralString:
    """A statement in psycopg's syntax."""
    return statement.replace("?", "%s")


def _parameters(values: Sequence[Value]) -> tuple[Any, ...]:
    return tuple(
        bound(each)[0] if isinstance(each, str | int | bytes | None) else list(bound(*each)) for each in values
    )


class PostgresPart(Part):
    """A `Part` on one server."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server

    def _reading(self, work: Callable[[Session], T]) -> T:
        return self._server.read(lambda db: work(PostgresSession(db)))

    def _writing(self, work: Callable[[Session], T]) -> T:
        return self._server.write(lambda db: work(PostgresSession(db)))

    def _bound(self, *values: Cell) -> Row:
        return bound(*values)

    def _alone(self, db: Session, key: int) -> None:
        db.all("SELECT pg_advisory_xact_lock(?)", key)

    def _corrected(self, db: Session, *times: datetime) -> tuple[datetime, ...]:
        assert isinstance(db, PostgresSession)
        return self._server.clock.corrected(db.db, *times)
