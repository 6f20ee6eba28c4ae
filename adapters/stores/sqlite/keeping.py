"""What becomes of the file: copied while it is used, put back, and made smaller by what is to be forgotten.

Whatever takes long is done in steps, each a transaction of some hundredths of a second, so that no delivery waits.
"""

import logging
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from itertools import chain, count
from pathlib import Path

from sqlite_utils import Database

from adapters.stores.rows import (
    PERSONAL,
    UNREADABLE,
    bound,
    instant,
    load_delivery,
    load_digest,
    load_subscription,
    names_of,
    to_json,
)
from adapters.stores.sqlite.commits import forget_commits
from adapters.stores.sqlite.file import Part, SqliteFile, error_of
from bot import __version__
from bot.errors import StoreError, Unavailable
from bot.values import Unreadable

_log = logging.getLogger("digest.store")

_LOOKED_AT = 200
"""Digests that are looked at, the newest."""
_BATCH = 200
"""Commits that are forgotten in one transaction."""
PAUSE = 0.12
"""Seconds between two transactions: who waits for the file looks every tenth of one (sqliteDefaultBusyCallback)."""
_PAGES = 500
"""Pages that are given back to the disk in one transaction."""
_BUSY = 0.2
"""Seconds that a restore waits for other processes to let go."""
_NO_BACKUP = {"database_invalid", "database_foreign", "database_damaged", "database_no_access"}
_NOT_ASKED = (
    "UPDATE usage SET channel = '', asker = '' WHERE chat = ? AND channel != '' "
    "AND (channel = ? OR asker != '' AND asker IN (SELECT value FROM json_each(?)))"
)
"""Takes who asked, and where, from what the language model took; the day's sum stays."""


class SqliteKeeping(Part):
    """What the operator does with the file: a part of `bot.ports.Database`."""

    # --- Copies ---

    def back_up(self, target: Path) -> int:
        with self._file.reading() as db, _beside(target) as path:
            _copied(db.conn, path, target)
            path.replace(target)
            return target.stat().st_size

    # --- Forgetting ---

    def forget_repository(self, repo: str) -> bool:
        known = self._names(repo)
        with self._file.counting() as db:
            gone = db.execute("DELETE FROM subscriptions WHERE lower(repo) = lower(?)", bound(repo)).rowcount
            for name in known:
                db.execute(
                    "DELETE FROM told_commits WHERE repo = (SELECT id FROM repositories WHERE name = ?)", (name,)
                )
        for name in known:
            self._forget(name)
            self._write("DELETE FROM repositories WHERE name = ?", name)
        return bool(gone or known)

    def forget_person(self, person: str) -> int:
        names = to_json(names_of(person))
        chat, _, channel = person.partition(":")
        with self._file.counting() as db:
            gone = db.execute(
                "DELETE FROM subscriptions WHERE json_extract(place, '$[0]') = ? AND json_extract(place, '$[1]') = ?",
                bound(chat, channel),
            ).rowcount
            db.execute(
                "DELETE FROM muted WHERE json_extract(place, '$[0]') = ? AND json_extract(place, '$[1]') = ?",
                bound(chat, channel),
            )
            gone += db.execute(_NOT_ASKED, bound(chat, channel, names)).rowcount
            for table, column in _columns_of_people(db):
                removal = f"DELETE FROM {table} WHERE {column} IN (SELECT value FROM json_each(?))"  # noqa: S608
                gone += db.execute(removal, (names,)).rowcount
        return int(gone)

    def retain(self, since: datetime, followed: Collection[str]) -> int:
        wanted = {name.lower() for name in followed}
        old = [name for name in self._old(since) if name.lower() not in wanted]
        for name in old:
            self._forget(name)
        return len(old)

    def _names(self, repo: str) -> tuple[str, ...]:
        """How a repository is written in what is kept of it."""
        return self._read(
            str,
            "SELECT name FROM repositories WHERE lower(name) = lower(?) UNION "
            "SELECT repo FROM digests WHERE lower(repo) = lower(?)",
            *(repo, repo),
        )

    def _old(self, since: datetime) -> tuple[str, ...]:
        """The repositories of which no digest was kept, and no commit was made, since some time."""
        return self._read(
            str,
            "SELECT name FROM repositories r WHERE NOT EXISTS "
            "(SELECT 1 FROM digests d WHERE d.repo = r.name AND d.kept >= ?) "
            "AND EXISTS (SELECT 1 FROM commits c WHERE c.repo = r.id) "
            "AND coalesce((SELECT max(committed) FROM commits c WHERE c.repo = r.id), 0) < ?",
            *(instant(since), int(since.timestamp())),
        )

    def _forget(self, name: str) -> None:
        """Forget commits, what became of them, their words, analyses and digests of a repository."""
        self._write("DELETE FROM digests WHERE repo = ?", name)
        for table in ("analyses", "links"):
            removal = f"DELETE FROM {table} WHERE repo = (SELECT id FROM repositories WHERE name = ?)"  # noqa: S608
            self._write(removal, name)
        more = True
        while more:
            with self._file.writing() as db:
                more = forget_commits(db, name, _BATCH)
            time.sleep(PAUSE)

    # --- What cannot be read ---

    def unreadable(self) -> tuple[Unreadable, ...]:
        newest = "id IN (SELECT max(id) FROM deliveries GROUP BY subscription)"
        of = "(SELECT place FROM subscriptions s WHERE s.id = d.subscription)"
        checked: tuple[tuple[str, Callable[..., object], str], ...] = (
            ("subscriptions", load_subscription, "SELECT id, body, place FROM subscriptions"),
            ("deliveries", load_delivery, f"SELECT id, body, {of} FROM deliveries d WHERE state = 'due' OR {newest}"),  # noqa: S608
            ("digests", _load_digest, f"SELECT key, body, repo FROM digests ORDER BY kept DESC LIMIT {_LOOKED_AT}"),  # noqa: S608
        )
        return tuple(found for table, make, query in checked for found in self._wrong(table, make, query))

    def _wrong(self, table: str, make: Callable[..., object], query: str) -> Iterator[Unreadable]:
        for key, body, place in self._read_each(table, lambda *row: row, query):
            try:
                make(key, body)
            except UNREADABLE:
                yield Unreadable(table, str(key), str(place or ""))

    # --- Space ---

    def compact(self) -> None:
        self._merge_words()
        with self._file.reading() as db:
            if db.execute("PRAGMA auto_vacuum").fetchone()[0] == 0:  # a file of an earlier version, made anew once
                db.execute("PRAGMA auto_vacuum = INCREMENTAL")
                db.execute("VACUUM")
            while (free := db.execute("PRAGMA freelist_count").fetchone()[0]) > 0:
                # Each step of the statement is a page; a cursor would end after the first, since it has no columns.
                db.conn.executescript(f"PRAGMA incremental_vacuum({_PAGES});")
                if db.execute("PRAGMA freelist_count").fetchone()[0] >= free:
                    break
                time.sleep(PAUSE)
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _merge_words(self) -> None:
        """Let go of what the index holds of documents that are gone (https://sqlite.org/fts5.html, "merge")."""
        pages = -_PAGES
        while True:
            with self._file.writing() as db:
                before = db.conn.total_changes
                db.execute("INSERT INTO words (words, rank) VALUES ('merge', ?)", (pages,))
                if db.conn.total_changes - before < 2:
                    return
            pages = _PAGES
            time.sleep(PAUSE)

    def free(self) -> int:
        return self._file.free()


def _load_digest(_: str, body: str) -> object:
    return load_digest(body)


def _columns_of_people(db: Database) -> Iterator[tuple[str, str]]:
    tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()]
    for table in tables:
        names = {row[1] for row in db.execute(f'PRAGMA table_info("{table}")').fetchall()}
        yield from ((f'"{table}"', column) for column in PERSONAL if column in names)


# --- A file beside, and in its place -------------------------------------------------------------


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A file that only its owner may read, to take the place of `target`; gone at the end if it did not.

    Raises StoreError where the folder takes none.
    """
    path: Path | None = None
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")  # made with mode 0600
        os.close(handle)
        path = Path(name)
        yield path
    except OSError as error:
        raise StoreError("file_unwritable", path=str(target), problem=error.strerror) from None
    finally:
        for ending in ("", "-wal", "-shm", "-journal") if path else ():
            Path(f"{path}{ending}").unlink(missing_ok=True)


def _copied(source: sqlite3.Connection, path: Path, target: Path) -> None:
    """Copy a database, as it is at one moment, into a whole file. Raises StoreError about `target`."""
    with _told_of(target), closing(sqlite3.connect(path)) as copy:
        source.backup(copy)  # all in one step: in WAL mode a reader keeps no writer waiting
        if copy.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise StoreError("database_damaged", path=str(target))
        copy.execute("PRAGMA journal_mode = DELETE").fetchall()  # one file, with none beside it


@contextmanager
def _told_of(path: Path) -> Iterator[None]:
    """SQLite's errors are about the file at `path`."""
    try:
        yield
    except sqlite3.Error as error:
        raise error_of(error, path) from None


def keep_before(database: Path) -> Path:
    """Copy a database that this version is about to change to `NAME.before-VERSION` beside it.

    Where there is one already, which an earlier change of the same version left, a number stands behind it. Raises
    StoreError.
    """
    endings = chain([""], (f"-{number}" for number in count(2)))
    targets = (database.with_name(f"{database.name}.before-{__version__}{ending}") for ending in endings)
    target = next(path for path in targets if not path.exists())
    readable = f"{database.absolute().as_uri()}?mode=ro"
    with _beside(target) as path:
        with _told_of(target), closing(sqlite3.connect(readable, uri=True)) as source:
            _copied(source, path, target)
        path.replace(target)
    _log.info("copied before it is changed", extra={"fields": {"copy": str(target)}})
    return target


def restore(database: Path, backup: Path, now: datetime) -> Path | None:
    """Put a backup in the place of the database, marked as restored; where the old one is kept, None where none was.

    Raises StoreError: for what is no database of this program, and where a process has the old one open.
    """
    database.parent.mkdir(parents=True, exist_ok=True)
    readable = f"{backup.absolute().as_uri()}?mode=ro"
    with _beside(database) as path:
        try:
            with _told_of(backup), closing(sqlite3.connect(readable, uri=True)) as source:
                if not source.execute("SELECT 1 FROM sqlite_master").fetchone():  # an empty file is an empty database
                    raise StoreError("backup_invalid", path=str(backup))
                _copied(source, path, backup)
            _mark(path)
        except StoreError as error:
            if error.key in _NO_BACKUP:
                raise StoreError("backup_invalid", path=str(backup)) from None
            raise
        with _nobody_else(database) as sound:
            aside = _put_aside(database, now, sound)
            path.replace(database)
    return aside


def _mark(path: Path) -> None:
    """Bring a copy of a backup up to date, refuse what is not this program's, and mark it as restored."""
    with closing(SqliteFile(path, _BUSY)) as file, file.writing() as db:
        db.execute("UPDATE memory SET restored = 1")


@contextmanager
def _nobody_else(database: Path) -> Iterator[bool]:
    """Hold the database alone, with all of it in the one file; whether it is sound enough for that.

    Raises StoreError while a process has it open.
    """
    sound = database.exists()
    if not sound:
        yield sound
        return
    with closing(sqlite3.connect(database, timeout=_BUSY, isolation_level=None)) as db:
        try:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            db.execute("PRAGMA journal_mode = DELETE").fetchall()  # refused while another connection is open
            db.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            if isinstance(error_of(error, database), Unavailable):
                raise StoreError("restore_in_use", path=str(database)) from None
            sound = False
        yield sound
        with suppress(sqlite3.Error):
            db.execute("ROLLBACK")


def _put_aside(database: Path, now: datetime, sound: bool) -> Path | None:
    """Keep the old database under another name, with what one that is not sound may have beside it."""
    if not database.exists():
        return None
    aside = database.with_name(f"{database.name}.before-{now:%Y%m%dT%H%M%SZ}")
    for ending in () if sound else ("-wal", "-journal"):
        with suppress(FileNotFoundError):
            Path(f"{database}{ending}").replace(f"{aside}{ending}")
    Path(f"{database}-shm").unlink(missing_ok=True)
    os.link(database, aside)
    return aside
