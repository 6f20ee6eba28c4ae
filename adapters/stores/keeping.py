"""What the operator does with the database: deleting data, and listing unreadable rows."""

import json
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import LiteralString, NamedTuple

from adapters.stores.commits import COLUMNS, REPLACED
from adapters.stores.packing import either, packed
from adapters.stores.part import Found, Part, Session, Value
from adapters.stores.rows import (
    UNREADABLE,
    commit_of,
    commit_row,
    instant,
    load_delivery,
    load_digest,
    load_subscription,
    names_of,
)
from bot.values import Unreadable

_REPO: LiteralString = "(SELECT id FROM repositories WHERE name = ?)"
_NOT_ASKED: LiteralString = (
    "UPDATE usage SET channel = '', asker = '' WHERE chat = ? AND channel != '' "
    "AND (channel = ? OR asker != '' AND asker = ANY(?))"
)
"""Removes person and channel from the usage of the language model; the day's total stays."""
_IN_THREADS: tuple[LiteralString, ...] = ("muted", "turns")


class KeepingPart(Part):
    """What the operator does with the database: a part of `bot.ports.Database`."""

    # --- What each database does in its own way ---

    @abstractmethod
    def _forget_commits(self, name: str) -> None:
        """Delete the commits of a repository, with their words, in short steps."""

    @abstractmethod
    def _columns_of_people(self, db: Session) -> Iterable[tuple[str, str]]:
        """The tables and columns that contain a person of a chat, including those of slack_sdk."""

    def _pause(self) -> None:
        """Let other processes write between steps."""

    # --- Packing ---

    def _pack(self) -> None:
        """Pack what an earlier version stored as plain text, in short steps."""
        for plain in _PLAIN:
            before: list[Found] = []
            while (rows := self._read(plain.query, _AT_ONCE)) and rows != before:  # unchanged rows could not be written
                self._write_each(plain.update, [(packed(text), *key) for text, *key in rows])
                before = rows
        after = -1
        while rows := self._read(_PLAIN_COMMITS, after, _AT_ONCE):
            self._write_each(f"{REPLACED} AND packed IS NULL", [*_packed_commits(rows)])
            after = rows[-1][0]

    def _write_each(self, statement: LiteralString, rows: Sequence[Sequence[Value]]) -> None:
        self._writing(lambda db: db.run_each(statement, rows))
        self._pause()

    # --- Forgetting ---

    def forget_repository(self, repo: str) -> bool:
        known = self._names(repo)

        def forget(db: Session) -> int:
            db.run("DELETE FROM turns WHERE lower(repo) = lower(?)", repo)
            for name in known:
                db.run(f"DELETE FROM told_commits WHERE repo = {_REPO}", name)  # noqa: S608
            return db.run("DELETE FROM subscriptions WHERE lower(repo) = lower(?)", repo)

        gone = self._counted(forget)
        for name in known:
            self._forget(name)
            self._write("DELETE FROM repositories WHERE name = ?", name)
        return bool(gone or known)

    def forget_person(self, person: str) -> int:
        chat, _, channel = person.partition(":")
        names = names_of(person)

        def forget(db: Session) -> int:
            rows = db.all("SELECT id, place FROM subscriptions")
            alone = [number for number, place in rows if _parts(place)[:2] == [chat, channel]]
            gone = db.run("DELETE FROM subscriptions WHERE id = ANY(?)", alone)
            for table in _IN_THREADS:
                threads = [place for (place,) in db.all(f"SELECT DISTINCT place FROM {table}")]  # noqa: S608
                own = [place for place in threads if _parts(place)[:2] == [chat, channel]]
                db.run(f"DELETE FROM {table} WHERE place = ANY(?)", own)  # noqa: S608
            gone += db.run(_NOT_ASKED, chat, channel, names)
            for table, column in self._columns_of_people(db):
                gone += db.run(f'DELETE FROM "{table}" WHERE "{column}" = ANY(?)', names)  # noqa: S608  # the catalogue's
            return gone

        return self._counted(forget)

    def retain(self, since: datetime, followed: Collection[str]) -> int:
        wanted = {name.lower() for name in followed}
        old = [name for name in self._old(since) if name.lower() not in wanted]
        for name in old:
            self._forget(name)
        return len(old)

    def _names(self, repo: str) -> list[str]:
        """The names under which a repository is stored."""
        query = (
            "SELECT name FROM repositories WHERE lower(name) = lower(?) UNION "
            "SELECT repo FROM digests WHERE lower(repo) = lower(?)"
        )
        return [row[0] for row in self._read(query, repo, repo)]

    def _old(self, since: datetime) -> list[str]:
        """The repositories without digests stored, or commits made, since a time."""
        found = self._read(
            "SELECT name FROM repositories r WHERE NOT EXISTS "
            "(SELECT 1 FROM digests d WHERE d.repo = r.name AND d.kept >= ?) "
            "AND (SELECT max(committed) FROM commits c WHERE c.repo = r.id) < ?",
            *(instant(since), int(since.timestamp())),
        )
        return [row[0] for row in found]

    def _forget(self, name: str) -> None:
        """Delete a repository's commits, links, words, analyses and digests."""
        self._write("DELETE FROM digests WHERE repo = ?", name)
        self._write("DELETE FROM turns WHERE repo = ?", name)
        self._write(f"DELETE FROM analyses WHERE repo = {_REPO}", name)  # noqa: S608
        self._write(f"DELETE FROM links WHERE repo = {_REPO}", name)  # noqa: S608
        self._forget_commits(name)

    # --- What cannot be read ---

    def unreadable(self) -> tuple[Unreadable, ...]:
        newest: LiteralString = "id IN (SELECT max(id) FROM deliveries GROUP BY subscription)"
        of: LiteralString = "(SELECT place FROM subscriptions s WHERE s.id = d.subscription)"
        checked: tuple[tuple[str, Callable[..., object], LiteralString], ...] = (
            ("subscriptions", load_subscription, "SELECT id, place, body FROM subscriptions"),
            ("deliveries", load_delivery, f"SELECT id, {of}, body FROM deliveries d WHERE state = 'due' OR {newest}"),  # noqa: S608
            ("digests", _load_digest, "SELECT key, repo, body, packed FROM digests ORDER BY kept DESC LIMIT 200"),
        )
        return tuple(found for table, make, query in checked for found in self._wrong(table, make, query))

    def _wrong(self, table: str, make: Callable[..., object], query: LiteralString) -> Iterator[Unreadable]:
        for key, place, *body in self._read(query):
            try:
                make(key, *body)
            except UNREADABLE:
                yield Unreadable(table, str(key), str(place or ""))


class _Plain(NamedTuple):
    """A packed column of a table, and the columns of its key."""

    table: LiteralString
    column: LiteralString
    keys: LiteralString

    @property
    def query(self) -> LiteralString:
        """A batch of rows that are not packed."""
        return f"SELECT {self.column}, {self.keys} FROM {self.table} WHERE packed IS NULL LIMIT ?"  # noqa: S608

    @property
    def update(self) -> LiteralString:
        """Packs a row, unless it was changed meanwhile."""
        marks = ", ".join("?" for _ in self.keys.split(", "))
        where: LiteralString = f"WHERE ({self.keys}) = ({marks}) AND packed IS NULL"
        return f"UPDATE {self.table} SET {self.column} = '', packed = ? {where}"  # noqa: S608


_AT_ONCE = 50
"""Rows packed in one transaction."""
_PLAIN = (
    _Plain("digests", "body", "key"),
    _Plain("analyses", "body", "repo, sha, prompt, model, language"),
    _Plain("analysis_words", "words", "commit_id, language"),
)
_PLAIN_COMMITS = f"SELECT id, {COLUMNS} FROM commits WHERE packed IS NULL AND id > ? ORDER BY id LIMIT ?"  # noqa: S608


def _packed_commits(rows: Iterable[Found]) -> Iterator[tuple[Value, ...]]:
    for number, *row in rows:
        with suppress(*UNREADABLE):  # an unreadable one is left unchanged
            yield (*commit_row(commit_of("", row)), number)


def _load_digest(_: str, body: str, kept: bytes | None) -> object:
    return load_digest(either(body, kept))


def _parts(place: str) -> list[object]:
    with suppress(ValueError):
        return list(json.loads(place))
    return []
