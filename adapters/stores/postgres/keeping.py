"""What the operator does with the database: made smaller by what is to be forgotten. Copies are pg_dump's."""

import json
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import LiteralString

from psycopg import sql

from adapters.postgres import Connection
from adapters.stores.postgres.cells import bound
from adapters.stores.postgres.part import Part
from adapters.stores.rows import (
    PERSONAL,
    TABLES,
    UNREADABLE,
    instant,
    load_delivery,
    load_digest,
    load_subscription,
    names_of,
)
from bot.errors import StoreError
from bot.values import Unreadable

_BATCH = 1_000
"""Commits that are forgotten in one transaction."""
_REPO: LiteralString = "(SELECT id FROM repositories WHERE name = %s)"
_NOT_ASKED: LiteralString = (
    "UPDATE usage SET channel = '', asker = '' WHERE chat = %s AND channel != '' "
    "AND (channel = %s OR asker != '' AND asker = ANY(%s))"
)
"""Takes who asked, and where, from what the language model took; the day's sum stays."""


class PostgresKeeping(Part):
    """What the operator does with the database: a part of `bot.ports.Database`."""

    def back_up(self, target: Path) -> int:  # noqa: ARG002
        raise StoreError("postgres_backup", server=self._server.name)

    def free(self) -> None:
        """The server's disk is not seen from here."""

    # --- Forgetting ---

    def forget_repository(self, repo: str) -> bool:
        known = self._names(repo)

        def forget(db: Connection) -> int:
            for name in known:
                db.execute(f"DELETE FROM told_commits WHERE repo = {_REPO}", bound(name))  # noqa: S608
            return db.execute("DELETE FROM subscriptions WHERE lower(repo) = lower(%s)", bound(repo)).rowcount

        gone = self._counted(forget)
        for name in known:
            self._forget(name)
            self._write("DELETE FROM repositories WHERE name = %s", name)
        return bool(gone or known)

    def forget_person(self, person: str) -> int:
        chat, _, channel = person.partition(":")
        names = list(bound(*names_of(person)))

        def forget(db: Connection) -> int:
            rows = db.execute("SELECT id, place FROM subscriptions").fetchall()
            alone = [number for number, place in rows if _parts(place)[:2] == [chat, channel]]
            gone = db.execute("DELETE FROM subscriptions WHERE id = ANY(%s)", (alone,)).rowcount
            threads = [place for (place,) in db.execute("SELECT place FROM muted").fetchall()]
            own = [place for place in threads if _parts(place)[:2] == [chat, channel]]
            db.execute("DELETE FROM muted WHERE place = ANY(%s)", (own,))
            gone += db.execute(_NOT_ASKED, (*bound(chat, channel), names)).rowcount
            return gone + sum(db.execute(each, (names,)).rowcount for each in _removals(db))

        return self._counted(forget)

    def retain(self, since: datetime, followed: Collection[str]) -> int:
        wanted = {name.lower() for name in followed}
        old = [name for name in self._old(since) if name.lower() not in wanted]
        for name in old:
            self._forget(name)
        return len(old)

    def _names(self, repo: str) -> list[str]:
        """How a repository is written in what is kept of it."""
        query = (
            "SELECT name FROM repositories WHERE lower(name) = lower(%s) UNION "
            "SELECT repo FROM digests WHERE lower(repo) = lower(%s)"
        )
        return [row[0] for row in self._read(query, repo, repo)]

    def _old(self, since: datetime) -> list[str]:
        """The repositories of which no digest was kept, and no commit was made, since some time."""
        found = self._read(
            "SELECT name FROM repositories r WHERE NOT EXISTS "
            "(SELECT 1 FROM digests d WHERE d.repo = r.name AND d.kept >= %s) "
            "AND (SELECT max(committed) FROM commits c WHERE c.repo = r.id) < %s",
            *(instant(since), int(since.timestamp())),
        )
        return [row[0] for row in found]

    def _forget(self, name: str) -> None:
        """Forget commits, what became of them, their words, analyses and digests of a repository."""
        self._write("DELETE FROM digests WHERE repo = %s", name)
        self._write(f"DELETE FROM analyses WHERE repo = {_REPO}", name)  # noqa: S608
        self._write(f"DELETE FROM links WHERE repo = {_REPO}", name)  # noqa: S608
        few = f"DELETE FROM commits WHERE id IN (SELECT id FROM commits WHERE repo = {_REPO} LIMIT %s)"  # noqa: S608
        while self._server.write(lambda db: db.execute(few, bound(name, _BATCH)).rowcount) == _BATCH:
            pass

    # --- What cannot be read ---

    def unreadable(self) -> tuple[Unreadable, ...]:
        newest: LiteralString = "id IN (SELECT max(id) FROM deliveries GROUP BY subscription)"
        of: LiteralString = "(SELECT place FROM subscriptions s WHERE s.id = d.subscription)"
        checked: tuple[tuple[str, Callable[..., object], LiteralString], ...] = (
            ("subscriptions", load_subscription, "SELECT id, body, place FROM subscriptions"),
            ("deliveries", load_delivery, f"SELECT id, body, {of} FROM deliveries d WHERE state = 'due' OR {newest}"),  # noqa: S608
            ("digests", _load_digest, "SELECT key, body, repo FROM digests ORDER BY kept DESC LIMIT 200"),
        )
        return tuple(found for table, make, query in checked for found in self._wrong(table, make, query))

    def _wrong(self, table: str, make: Callable[..., object], query: LiteralString) -> Iterator[Unreadable]:
        for key, body, place in self._read(query):
            try:
                make(key, body)
            except UNREADABLE:
                yield Unreadable(table, str(key), str(place or ""))

    # --- Space ---

    def compact(self) -> None:
        """Let the space be used again; what autovacuum does in its own time too."""
        every = sql.SQL(", ").join(map(sql.Identifier, (*TABLES, "words", "analysis_words")))
        self._server.read(lambda db: db.execute(sql.SQL("VACUUM {}").format(every)))


def _load_digest(_: str, body: str) -> object:
    return load_digest(body)


def _parts(place: str) -> list[object]:
    with suppress(ValueError):
        return list(json.loads(place))
    return []


def _removals(db: Connection) -> list[sql.Composed]:
    """A statement for each column that holds people, which takes their names."""
    query = (
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = current_schema() AND column_name = ANY(%s)"
    )
    removal = sql.SQL("DELETE FROM {} WHERE {} = ANY(%s)")
    columns = db.execute(query, (list(PERSONAL),)).fetchall()
    return [removal.format(sql.Identifier(table), sql.Identifier(column)) for table, column in columns]
