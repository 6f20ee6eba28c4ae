"""The base class of the parts of a store, in both databases: sessions, transactions, and reading rows.

SQL is written once, in the common subset of SQLite and PostgreSQL: `?` for a value, `= ANY(?)` for a list of them, and
PostgreSQL's `FOR …` for rows to lock until the transaction ends. SQLite has one writer at a time and needs no row
locks, so its sessions remove them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, LiteralString, Protocol, TypeVar

from adapters.stores.rows import Cell, Row, Unread
from adapters.stores.twin import Twin

T = TypeVar("T")
Value = Cell | Sequence[Cell]
Found = tuple[Any, ...]
"""A row as returned by a database."""


class Session(Protocol):
    """A thread's connection, in a transaction or for single statements. It accepts any values."""

    def all(self, query: LiteralString, *values: Value) -> list[Found]:
        """The rows of a query."""
        ...

    def one(self, query: LiteralString, *values: Value) -> Found | None:
        """The first row of a query."""
        ...

    def run(self, statement: LiteralString, *values: Value) -> int:
        """Run a statement; return how many rows it changed."""
        ...

    def run_each(self, statement: LiteralString, rows: Iterable[Sequence[Value]]) -> None:
        """Run a statement for each row of values."""
        ...


class Part(ABC):
    """A part of a store with its tables, in a database that all parts share."""

    _twin: Twin | None = None

    def __init__(self) -> None:
        self._unread = Unread()

    # --- What each database does in its own way ---

    @abstractmethod
    def _reading(self, work: Callable[[Session], T]) -> T:
        """The result of `work`, which reads with single statements."""

    @abstractmethod
    def _writing(self, work: Callable[[Session], T]) -> T:
        """The result of `work` in one transaction; `work` may be called again, and must not change anything else."""

    @abstractmethod
    def _bound(self, *values: Cell) -> Row:
        """Values as they are stored."""

    @abstractmethod
    def _alone(self, db: Session, key: int) -> None:
        """Take the lock `key`, which is released at the end of the transaction."""

    @abstractmethod
    def _corrected(self, db: Session, *times: datetime) -> tuple[datetime, ...]:
        """Convert times of this machine's clock to the clock by which leases expire."""

    # --- What is the same in each ---

    def _read(self, query: LiteralString, *values: Value) -> list[Found]:
        """The rows of a query."""
        return self._reading(lambda db: db.all(query, *values))

    def _read_each(self, table: str, make: Callable[..., T], query: LiteralString, *values: Value) -> tuple[T, ...]:
        """The result of `make` for each row of a table, except unreadable ones, which are logged once.

        The first cell of a row is its key.
        """
        return tuple(self._unread.readable(table, make, self._read(query, *values)))

    def _write(self, statement: LiteralString, *values: Value) -> None:
        """Run one statement in a transaction."""
        self._writing(lambda db: db.run(statement, *values))

    def _counted(self, work: Callable[[Session], T]) -> T:
        """The result of `work` in a transaction of the ledger, which is counted, after the commit also in the twin."""
        made, name, count = self._writing(lambda db: (work(db), *self._count(db)))
        if self._twin:
            self._twin.raise_to(name, count)
        return made

    def _count(self, db: Session) -> tuple[str, int]:
        """Count a transaction. If the twin is ahead, this is an older database, and it is marked as restored.

        Other transactions that count wait from here until the end, so this comes last.
        """
        name, count = db.one("SELECT name, count FROM memory FOR UPDATE") or ("", 0)
        ahead = self._twin.read(name) if self._twin else 0
        if ahead > count:
            db.run("UPDATE memory SET restored = 1")
        following = max(count, ahead) + 1
        db.run("UPDATE memory SET count = ?", following)
        return name, following
