"""What all parts of a store are based on, in either database: sessions, transactions, and reading rows.

SQL is written once, in what SQLite and PostgreSQL both understand: `?` for a value, `= ANY(?)` for a list of them, and
PostgreSQL's `FOR …` for the rows that are locked until the transaction ends. SQLite needs no locks, since one writes at
a time, and its sessions leave them out.
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
"""A row as a database gives it."""


class Session(Protocol):
    """A connection of one thread, within a transaction or for single statements. Any values will do."""

    def all(self, query: LiteralString, *values: Value) -> list[Found]:
        """The rows of a query."""
        ...

    def one(self, query: LiteralString, *values: Value) -> Found | None:
        """The first row of a query."""
        ...

    def run(self, statement: LiteralString, *values: Value) -> int:
        """How many rows a statement changed."""
        ...

    def run_each(self, statement: LiteralString, rows: Iterable[Sequence[Value]]) -> None:
        """Run a statement for each of some rows of values."""
        ...


class Part(ABC):
    """One part of a store: what the rows of its tables are, in a database that all parts share."""

    _twin: Twin | None = None

    def __init__(self) -> None:
        self._unread = Unread()

    # --- What each database does in its own way ---

    @abstractmethod
    def _reading(self, work: Callable[[Session], T]) -> T:
        """What `work` reads with statements of their own."""

    @abstractmethod
    def _writing(self, work: Callable[[Session], T]) -> T:
        """What `work` makes of one transaction, all or nothing; it may be called again, and changes nothing else."""

    @abstractmethod
    def _bound(self, *values: Cell) -> Row:
        """Values as they are kept."""

    @abstractmethod
    def _alone(self, db: Session, key: int) -> None:
        """Wait until nobody else is in here with the same number, and let nobody in until the transaction ends."""

    @abstractmethod
    def _corrected(self, db: Session, *times: datetime) -> tuple[datetime, ...]:
        """Times of this machine's clock by the one by which leases run out."""

    # --- What is the same in each ---

    def _read(self, query: LiteralString, *values: Value) -> list[Found]:
        """The rows of a query."""
        return self._reading(lambda db: db.all(query, *values))

    def _read_each(self, table: str, make: Callable[..., T], query: LiteralString, *values: Value) -> tuple[T, ...]:
        """What `make` makes of each row of a table, except those that cannot be read, which are logged once.

        The first cell of a row is its key.
        """
        return tuple(self._unread.readable(table, make, self._read(query, *values)))

    def _write(self, statement: LiteralString, *values: Value) -> None:
        """A transaction of one statement."""
        self._writing(lambda db: db.run(statement, *values))

    def _counted(self, work: Callable[[Session], T]) -> T:
        """What `work` makes of a transaction of the ledger, which is counted here and, once it is kept, in the twin."""
        made, name, count = self._writing(lambda db: (work(db), *self._count(db)))
        if self._twin:
            self._twin.raise_to(name, count)
        return made

    def _count(self, db: Session) -> tuple[str, int]:
        """Count a transaction. Where the twin is ahead, this database is an older one, and is marked as restored.

        Others who count wait from here on until the transaction ends: so it is the last thing in each.
        """
        name, count = db.one("SELECT name, count FROM memory FOR UPDATE") or ("", 0)
        ahead = self._twin.read(name) if self._twin else 0
        if ahead > count:
            db.run("UPDATE memory SET restored = 1")
        following = max(count, ahead) + 1
        db.run("UPDATE memory SET count = ?", following)
        return name, following
