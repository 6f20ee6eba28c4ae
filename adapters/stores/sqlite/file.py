"""The database file: opens, checks and migrates it once; a connection for each thread; errors as the bot's.

A file that is not ours, is damaged or was written by a later version is rejected before anything is written to it.

Settings of every connection: WAL, so that readers and the one writer do not wait for each other; `synchronous=FULL`,
since with NORMAL a power cut may undo the last transactions (https://sqlite.org/pragma.html#pragma_synchronous), and a
stored delivery step must not be lost; foreign keys on; a busy timeout. Every writing transaction is `BEGIN IMMEDIATE`:
one that reads first and then writes fails at once under a second writer, whatever the timeout.
"""

import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import ValidationError
from sqlite_utils import Database, Migrations

from adapters import private
from adapters.stores.sqlite.schema import MIGRATIONS
from bot.errors import DigestError, StoreError, Unavailable

T = TypeVar("T")

CHECKED_BYTES = 16 * 2**20
"""A file up to this size is checked completely when opened, in about 20 ms; a larger one only where it is read."""

CACHED_KIBIBYTES = 16 * 1024
"""Page cache of each connection."""

# Primary result codes, https://sqlite.org/rescode.html
_KEYS = {
    sqlite3.SQLITE_PERM: "database_readonly",
    sqlite3.SQLITE_READONLY: "database_readonly",
    sqlite3.SQLITE_CORRUPT: "database_damaged",
    sqlite3.SQLITE_NOTADB: "database_invalid",
    sqlite3.SQLITE_FULL: "database_full",
    sqlite3.SQLITE_CANTOPEN: "database_no_access",
}
_NO_ROOM = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}
"""What SQLite returns, besides SQLITE_FULL, if the disk is too full for the files next to the database."""
NEEDED_BYTES = 2**20
"""With fewer bytes free nothing can be written."""
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


class _Connection(NamedTuple):
    """A thread's connection. The lock is held while it is used: closing it during a call would crash SQLite."""

    thread: threading.Thread
    lock: threading.RLock
    db: Database

    @classmethod
    def of(cls, path: Path, busy_timeout: float) -> "_Connection":
        """A connection for this thread."""
        # Each thread has its own, so the check is off only for closing another thread's.
        raw = sqlite3.connect(path, timeout=busy_timeout, isolation_level=None, check_same_thread=False)
        try:
            db = Database(raw, execute_plugins=False)
            db.execute("PRAGMA foreign_keys = ON")
            db.execute("PRAGMA synchronous = FULL")
            db.execute(f"PRAGMA cache_size = -{CACHED_KIBIBYTES}")
        except BaseException:
            raw.close()
            raise
        return cls(threading.current_thread(), threading.RLock(), db)

    def close(self) -> None:
        """Close it as soon as it is not in use."""
        with self.lock:
            self.db.close()

    def closed_with_its_thread(self) -> bool:
        """Close it if its thread has ended; return whether it has."""
        if not self.thread.is_alive():
            self.db.close()
        return not self.thread.is_alive()


class SqliteFile:
    """One database file. Safe for threads; other processes may use the same file."""

    def __init__(
        self,
        path: Path,
        busy_timeout: float,
        migrations: Migrations = MIGRATIONS,
        before_change: Callable[[Path], Path] | None = None,
    ) -> None:
        """Open `path`, creating it and its folder if missing, and bring it up to date.

        `busy_timeout` is how many seconds to wait for another writer. `before_change` copies `path` before a migration
        of existing data, while nothing can be written. Raises StoreError, and Unavailable if another process keeps the
        file locked.
        """
        self.path = path
        self._before_change = before_change
        self._busy_timeout = busy_timeout
        self._migrations = migrations
        self._local = threading.local()
        self._lock = threading.Lock()
        self._open: list[_Connection] = []
        self._closed = False
        self._check_path()
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[Database]:
        """This thread's connection, for single statements. Raises StoreError, Unavailable."""
        with self._translated(), self._held() as db:
            yield db

    @contextmanager
    def writing(self) -> Iterator[Database]:
        """One writing transaction. Raises StoreError, Unavailable."""
        with self._translated(), self._held() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.commit()
            except BaseException:
                with suppress(sqlite3.Error):  # the first error is the one to raise
                    db.rollback()
                raise

    def size(self) -> int:
        """Bytes of the file and of its write-ahead log."""
        return sum(part.stat().st_size for part in (self.path, Path(f"{self.path}-wal")) if part.exists())

    def free(self) -> int:
        """Free bytes on its disk."""
        return free_bytes(self.path)

    def close(self) -> None:
        """Close the connections of all threads, each after its current call; a later call raises StoreError."""
        self._closed = True
        with self._lock:
            for connection in self._open:
                connection.close()
            self._open.clear()

    # --- Opening ---

    def _check_path(self) -> None:
        """Check what SQLite does not: it would open a file without write permission read-only."""
        try:
            private.folder(self.path.parent)
        except OSError as error:
            raise StoreError("database_folder", path=str(self.path), problem=error.strerror) from error
        if self.path.exists() and not self.path.is_file():
            raise StoreError("database_not_a_file", path=str(self.path))
        needed = [self.path, self.path.parent] if self.path.exists() else [self.path.parent]
        if not all(os.access(each, os.R_OK | os.W_OK) for each in needed):
            raise StoreError("database_no_access", path=str(self.path))
        if self.path.exists() and self.path.stat().st_size == 1:  # SQLite treats it as empty and would overwrite it
            raise StoreError("database_invalid", path=str(self.path))
        self._keep_private()

    def _keep_private(self) -> None:
        """Make it readable only by this user: SQLite's files next to it get the same mode (sqlite.org, WAL)."""
        try:
            private.file(self.path)
        except OSError:
            raise StoreError("database_no_access", path=str(self.path)) from None
        for part in ("-wal", "-shm", "-journal"):
            private.close(Path(f"{self.path}{part}"))

    def _prepare(self) -> None:
        with self.reading() as db, db.atomic():  # one view of the file, which another process may be creating
            self._check_origin(db)
            self._check_pages(db)
            pending = self._migrations.pending(db)
        if pending:
            with self.reading() as db:
                if not db.table_names():
                    db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # allows a new file to free space in steps
            with self.writing() as db:
                self._check_origin(db)
                self._migrate(db)
        with self.reading() as db:
            self._enable_wal(db)

    def _migrate(self, db: Database) -> None:
        """Apply what no other process has applied meanwhile. The copy is kept if the file was changed."""
        copy: Path | None = None
        if self._before_change and self._migrations.applied(db) and self._migrations.pending(db):
            copy = self._before_change(self.path)
        try:
            self._migrations.apply(db)
        except BaseException:
            if copy:
                copy.unlink(missing_ok=True)
            raise

    def _check_pages(self, db: Database) -> None:
        if self.size() <= CHECKED_BYTES and db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise StoreError("database_damaged", path=str(self.path))

    def _enable_wal(self, db: Database) -> None:
        """Switch to WAL. SQLite does not wait for others that open a new file at the same time, so this does."""
        deadline = time.monotonic() + self._busy_timeout
        while True:
            try:
                return db.enable_wal()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
            time.sleep(0.01)

    def _check_origin(self, db: Database) -> None:
        """Check that this version of the program or an earlier one wrote the file, or it is empty.

        Raises StoreError.
        """
        applied = {migration.name for migration in self._migrations.applied(db)}
        if not applied and db.table_names():
            raise StoreError("database_foreign", path=str(self.path))
        if applied - _names(self._migrations):
            raise StoreError("database_newer", path=str(self.path))

    # --- Connections ---

    @contextmanager
    def _held(self) -> Iterator[Database]:
        """This thread's connection, which is not closed meanwhile."""
        connection = getattr(self._local, "connection", None) or self._connect()
        with connection.lock:
            if self._closed:
                raise StoreError("database_closed", path=str(self.path))
            yield connection.db

    def _connect(self) -> _Connection:
        with self._lock:
            if self._closed:
                raise StoreError("database_closed", path=str(self.path))
            connection = self._local.connection = _Connection.of(self.path, self._busy_timeout)
            self._open = [each for each in self._open if not each.closed_with_its_thread()]
            self._open.append(connection)
        return connection

    # --- Errors ---

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise error_of(error, self.path) from error
        except ValidationError as error:  # JSON that no version of this program wrote; do not show its text
            raise StoreError("database_damaged", path=str(self.path)) from error


def error_of(error: sqlite3.Error, path: Path) -> DigestError:
    """An error of SQLite with the file at `path`, as one of the bot's."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # 0: raised by Python's module itself
    if code in _BUSY:
        return Unavailable("database_busy", path=str(path))
    if code in _NO_ROOM and free_bytes(path) < NEEDED_BYTES:
        return StoreError("database_full", path=str(path))
    if code in _KEYS:
        return StoreError(_KEYS[code], path=str(path))
    return StoreError("database_failed", path=str(path), problem=str(error))


def free_bytes(path: Path) -> int:
    """Free bytes on the disk of a file."""
    try:
        return shutil.disk_usage(path.parent).free
    except OSError:
        return 0


@contextmanager
def any_text(db: Database) -> Iterator[None]:
    """Read text that is not UTF-8 too, which would fail a whole query; such a row counts as unreadable."""
    db.conn.text_factory = _text
    try:
        yield
    finally:
        db.conn.text_factory = str


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _names(migrations: Migrations) -> set[str]:
    """The names of all migrations of a set."""
    with Database(memory=True, execute_plugins=False) as empty:
        return {migration.name for migration in migrations.pending(empty)}
