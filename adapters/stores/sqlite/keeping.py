"""Backs up the file while it is in use, restores it, and shrinks it by deleting old data.

Long work is done in steps, each a transaction of a few hundredths of a second, so that no delivery waits.
"""

import logging
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from itertools import chain, count
from pathlib import Path

from adapters.stores.commits import Document, commits_of, said_of
from adapters.stores.keeping import KeepingPart
from adapters.stores.part import Session
from adapters.stores.rows import PERSONAL
from adapters.stores.sqlite.archive import SqliteArchive
from adapters.stores.sqlite.file import SqliteFile, error_of
from bot import __version__
from bot.errors import StoreError, Unavailable

_log = logging.getLogger("digest.store")

_BATCH = 200
"""Commits deleted in one transaction."""
PAUSE = 0.12
"""Seconds between two transactions: a waiting process polls every tenth of a second (sqliteDefaultBusyCallback)."""
_PAGES = 500
"""Pages freed in one transaction."""
_BUSY = 0.2
"""Seconds that a restore waits for other processes to close the file."""
_NO_BACKUP = {"database_invalid", "database_foreign", "database_damaged", "database_no_access"}
_PEOPLE = (
    "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c "
    "WHERE m.type = 'table' AND c.name = ANY(?)"
)


class SqliteKeeping(KeepingPart, SqliteArchive):
    """What the operator does with the file: a part of `bot.ports.Database`."""

    # --- Copies ---

    def back_up(self, target: Path) -> int:
        with self._file.reading() as db, _beside(target) as path:
            _copied(db.conn, path, target)
            path.replace(target)
            return target.stat().st_size

    # --- Forgetting ---

    def _forget_commits(self, name: str) -> None:
        more = True
        while more:
            more = self._writing(lambda db: self._forget_some(db, name))
            self._pause()

    def _forget_some(self, db: Session, name: str) -> bool:
        """Delete commits with their words, which the index needs for that; return whether there may be more."""
        found = commits_of(db, name, _BATCH)
        said = said_of(db, [each.id for each in found])
        self._index(db, [Document(k.id, k.repo, (k.words, *said[k.id].values()), ()) for k in found])
        db.run("DELETE FROM commits WHERE id = ANY(?)", [each.id for each in found])
        return len(found) == _BATCH

    def _columns_of_people(self, db: Session) -> Iterable[tuple[str, str]]:
        return [(table, column) for table, column in db.all(_PEOPLE, PERSONAL)]

    # --- Space ---

    def _pause(self) -> None:
        time.sleep(PAUSE)

    def compact(self) -> None:
        self._pack()
        self._merge_words()
        with self._file.reading() as db:
            if db.execute("PRAGMA auto_vacuum").fetchone()[0] == 0:  # a file of an earlier version is rewritten once
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
        """Remove deleted documents from the index (https://sqlite.org/fts5.html, "merge")."""
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


# --- Copies and replacements ---------------------------------------------------------------------


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A temporary file, readable only by its owner, to replace `target`; deleted at the end if it did not.

    Raises StoreError if it cannot be created.
    """
    path: Path | None = None
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")  # created with mode 0600
        os.close(handle)
        path = Path(name)
        yield path
    except OSError as error:
        raise StoreError("file_unwritable", path=str(target), problem=error.strerror) from None
    finally:
        for ending in ("", "-wal", "-shm", "-journal") if path else ():
            Path(f"{path}{ending}").unlink(missing_ok=True)


def _copied(source: sqlite3.Connection, path: Path, target: Path) -> None:
    """Copy a database, as of one moment, into a single file. Raises StoreError about `target`."""
    with _errors_about(target), closing(sqlite3.connect(path)) as copy:
        source.backup(copy)  # all in one step: in WAL mode a reader does not block writers
        if copy.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise StoreError("database_damaged", path=str(target))
        copy.execute("PRAGMA journal_mode = DELETE").fetchall()  # a single file, without others next to it


@contextmanager
def _errors_about(path: Path) -> Iterator[None]:
    """Translate SQLite's errors in the block into errors about the file at `path`."""
    try:
        yield
    except sqlite3.Error as error:
        raise error_of(error, path) from None


def keep_before(database: Path) -> Path:
    """Copy a database that this version is about to change to `NAME.before-VERSION` next to it.

    If one exists already, from an earlier change of the same version, a number is appended. Raises
    StoreError.
    """
    endings = chain([""], (f"-{number}" for number in count(2)))
    targets = (database.with_name(f"{database.name}.before-{__version__}{ending}") for ending in endings)
    target = next(path for path in targets if not path.exists())
    readable = f"{database.absolute().as_uri()}?mode=ro"
    with _beside(target) as path:
        with _errors_about(target), closing(sqlite3.connect(readable, uri=True)) as source:
            _copied(source, path, target)
        path.replace(target)
    _log.info("copied before the upgrade", extra={"fields": {"copy": str(target)}})
    return target


def restore(database: Path, backup: Path, now: datetime) -> Path | None:
    """Replace the database by a backup, marked as restored; return where the old one, if any, is kept.

    Raises StoreError for a file that is not a database of this program, or if a process has the old one open.
    """
    database.parent.mkdir(parents=True, exist_ok=True)
    readable = f"{backup.absolute().as_uri()}?mode=ro"
    with _beside(database) as path:
        try:
            with _errors_about(backup), closing(sqlite3.connect(readable, uri=True)) as source:
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
    """Bring a copy of a backup up to date and mark it as restored. Raises StoreError if it is not this program's."""
    with closing(SqliteFile(path, _BUSY)) as file, file.writing() as db:
        db.execute("UPDATE memory SET restored = 1")


@contextmanager
def _nobody_else(database: Path) -> Iterator[bool]:
    """Hold the database exclusively, with everything in the one file; yield whether it is sound enough for that.

    Raises StoreError while a process has it open.
    """
    sound = database.exists()
    if not sound:
        yield sound
        return
    with closing(sqlite3.connect(database, timeout=_BUSY, isolation_level=None)) as db:
        try:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            db.execute("PRAGMA journal_mode = DELETE").fetchall()  # fails while another connection is open
            db.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            if isinstance(error_of(error, database), Unavailable):
                raise StoreError("restore_in_use", path=str(database)) from None
            sound = False
        yield sound
        with suppress(sqlite3.Error):
            db.execute("ROLLBACK")


def _put_aside(database: Path, now: datetime, sound: bool) -> Path | None:
    """Keep the old database under another name, with the files next to it if it is not sound."""
    if not database.exists():
        return None
    aside = database.with_name(f"{database.name}.before-{now:%Y%m%dT%H%M%SZ}")
    for ending in () if sound else ("-wal", "-journal"):
        with suppress(FileNotFoundError):
            Path(f"{database}{ending}").replace(f"{aside}{ending}")
    Path(f"{database}-shm").unlink(missing_ok=True)
    os.link(database, aside)
    return aside
