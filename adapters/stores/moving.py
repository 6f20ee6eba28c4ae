"""Copies one database to another, of either kind, and compares every row before it commits.

Both have the same columns with the same names. Leases are not copied: they belong to processes that have ended.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from typing import LiteralString, NamedTuple, Protocol

from adapters.stores.rows import COMMIT_COLUMNS, Row
from bot.errors import StoreError


class Table(NamedTuple):
    """A table; its key columns come first."""

    name: LiteralString
    columns: LiteralString
    keys: int

    @property
    def query(self) -> LiteralString:
        """All rows, in the same order in both databases."""
        order = ", ".join(self.columns.split(", ")[: self.keys])
        return f"SELECT {self.columns} FROM {self.name} ORDER BY {order}"  # noqa: S608  # constants


_USAGE: LiteralString = (
    "at, model, purpose, prompt, completion, requests, stated, dropped, cached, "
    "chat, channel, asker, reservation, reserved"
)
MOVED = (
    Table("repositories", "id, name", 1),
    Table("commits", f"id, repo, {COMMIT_COLUMNS}", 1),
    Table("analyses", "repo, sha, prompt, model, language, body, packed", 5),
    Table("analysis_words", "commit_id, language, words, packed", 2),
    Table("digests", "key, repo, branch, language, since, until, count, kept, told, body, packed", 1),
    Table("subscriptions", "id, place, repo, branch, body", 1),
    Table("deliveries", "id, subscription, until, state, attempts, retry, body", 1),
    Table("told", "subscription, sha, delivery, committed", 2),
    Table("told_commits", "repo, sha, place, at, grade, subscription", 3),
    Table("aliases", "repo, sha, kept", 3),
    Table("links", "repo, sha, later, certain, body", 3),
    Table("follow_ups", "place, sha, later, at, subscription, delivery", 3),
    Table("muted", "place, at", 1),
    Table("turns", "place, at, person, repo, body", 2),
    Table("usage", _USAGE, 14),
    Table("unsettled", "place, at", 1),
    Table("learned", "about, what, at", 1),
    Table("memory", "name, count, restored", 1),
)
"""In an order in which each row is after those it refers to."""

NUMBERED: tuple[LiteralString, ...] = ("subscriptions", "deliveries")
"""The tables whose IDs are never reused, even after rows were deleted."""


class Side(Protocol):
    """One database, within one transaction."""

    def rows(self, table: Table) -> Iterator[Row]:
        """All rows of a table, in its order."""
        ...

    def kept(self, row: Row) -> Row:
        """A row as this database can store it."""
        ...

    def fill(self, table: Table, rows: Iterable[Row]) -> None:
        """Insert rows into an empty table; in `memory` replace the only row."""
        ...

    def last(self) -> Mapping[LiteralString, int]:
        """The last ID used in each table of `NUMBERED`."""
        ...

    def go_on(self, last: Mapping[LiteralString, int]) -> None:
        """Use only higher IDs than these from now on, and index all commits."""
        ...


def move(source: Side, target: Side) -> dict[str, int]:
    """Copy all rows, and return how many of each table. Raises StoreError if a copy differs."""
    moved = {}
    for table in MOVED:
        target.fill(table, source.rows(table))
        moved[table.name] = _compared(table, source, target)
    target.go_on(source.last())
    return moved


def _compared(table: Table, source: Side, target: Side) -> int:
    number = 0
    for meant, found in zip_longest(source.rows(table), target.rows(table)):
        if meant is None or found is None or target.kept(meant) != found:
            raise StoreError("move_differs", table=table.name, row=str((meant or found or ("",))[0])[:100])
        number += 1
    return number
