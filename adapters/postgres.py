"""The PostgreSQL server in DIGEST_DATABASE: connections, transactions that survive cut connections, errors as the
bot's.

Sessions have no state: no prepared statements, no `SET`, no locks beyond a transaction. So a pooler in transaction mode
works (https://www.pgbouncer.org/features.html).

A connection may be cut anywhere. Then reads are repeated, and so are transactions that were not yet committed. If the
answer to COMMIT is lost, another connection asks for the state of the transaction by its number (`pg_xact_status`,
https://www.postgresql.org/docs/current/functions-info.html), so that none is done twice.
"""

import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString, NoReturn, TypeVar

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout
from pydantic import SecretStr, ValidationError

from bot.errors import ConfigError, DigestError, StoreError, Unavailable

T = TypeVar("T")
Connection = psycopg.Connection[tuple[Any, ...]]
Work = Callable[[Connection], T]

CONNECTIONS = 10
"""The most connections of a process: its threads use one for a few milliseconds each."""
_ATTEMPTS = 3
_UNKNOWN = 5.0
"""Seconds for which a server may still be working on a COMMIT whose answer was lost."""
_ALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 30_000}
"""After how long a silent peer counts as gone (https://www.postgresql.org/docs/current/libpq-connect.html)."""

# By SQLSTATE, https://www.postgresql.org/docs/current/errcodes-appendix.html
_KEYS = {
    "28000": "postgres_login",
    "28P01": "postgres_login",
    "3D000": "postgres_no_database",
    "42501": "postgres_rights",
    "3F000": "postgres_rights",
    "25006": "postgres_readonly",
    "53100": "postgres_full",
}
_CROWDED = "53300"
_BUSY = {"55P03", "57014"}
_DAMAGED = {"XX001", "XX002"}
_REFUSED = (
    (re.compile("password authentication failed|no password supplied|role .{0,200} does not exist|pg_hba"), "28P01"),
    (re.compile("database .{0,200} does not exist"), "3D000"),
    (re.compile("too many (?:clients|connections)|connection slots"), _CROWDED),
    (re.compile("permission denied for database"), "42501"),
)
"""For a refused connection libpq has a text and no SQLSTATE."""
_QUOTED = re.compile(r"(['\"]).*?\1")
_SERIAL = (errors.SerializationFailure, errors.DeadlockDetected)


class _CutError(Exception):
    """The connection was cut, and the transaction was not committed."""


class Server:
    """One database on one server. Safe for several threads."""

    def __init__(self, address: SecretStr, timeout: float = 10, clock: Callable[[], datetime] | None = None) -> None:
        """Connect once. `timeout` is how many seconds to wait for a connection; `clock` is this machine's.

        Raises ConfigError for an invalid address, StoreError, and Unavailable if the server does not answer.
        """
        self._known = _parts(address)
        self.name = _shown(self._known)
        self._timeout = timeout
        self._closed = False
        self.clock = Clock(clock or _now)
        self._known |= {"connect_timeout": self._known.get("connect_timeout") or max(2, int(timeout))}
        self.options: dict[str, Any] = {**_ALIVE, **self._known, "prepare_threshold": None}
        """The options for any other connection to it."""
        self._probe()
        logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)  # we log it ourselves, without host and user
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            kwargs={**self.options, "autocommit": True},
            min_size=0,
            max_size=CONNECTIONS,
            timeout=timeout,
            reconnect_timeout=timeout,
            num_workers=2,
            open=True,
        )

    def read(self, work: Work[T]) -> T:
        """The result of `work`, which reads with single statements; each sees what is committed by then."""
        return self._repeated(lambda: self._read(work))

    def write(self, work: Work[T]) -> T:
        """The result of `work` in one transaction; `work` may be called again, and must not change anything else."""
        return self._repeated(lambda: self._write(work))

    @contextmanager
    def transaction(self, begin: LiteralString) -> Iterator[Connection]:
        """A transaction of many steps, which is not repeated if it is cut; `begin` starts it."""
        try:
            with self._translated(), self._connection() as db:
                db.execute(begin)
                try:
                    yield db
                    db.execute("COMMIT")
                except BaseException:
                    with suppress(psycopg.Error):  # the first error is the one to raise
                        db.execute("ROLLBACK")
                    raise
        except _CutError:
            raise Unavailable("postgres_down", server=self.name, problem="the connection was cut") from None

    def close(self) -> None:
        """Close all connections; a later call raises StoreError."""
        self._closed = True
        self._pool.close(timeout=0)

    # --- Attempts ---

    def _repeated(self, attempt: Callable[[], T]) -> T:
        for left in reversed(range(_ATTEMPTS)):
            try:
                with self._translated():
                    return attempt()
            except _CutError:
                if not left:
                    raise Unavailable("postgres_down", server=self.name, problem="the connection was cut") from None
                self._drop_broken()
        raise AssertionError

    def _read(self, work: Work[T]) -> T:
        with self._connection() as db:
            return work(db)

    def _write(self, work: Work[T]) -> T:
        committing = ""
        try:
            with self._connection() as db:
                number = _begun(db)
                made = _done(db, work)
                committing = number
                db.execute("COMMIT")
        except _CutError:
            if not committing or not self._was_kept(committing):
                raise
        return made

    def _was_kept(self, number: str) -> bool:
        """Whether a transaction whose connection was cut was committed. Raises Unavailable if that is unknown."""
        deadline = time.monotonic() + _UNKNOWN
        while True:
            status = self._status(number)
            if status in {"committed", "aborted"}:
                return bool(status == "committed")
            if time.monotonic() > deadline:
                raise Unavailable("postgres_unknown", server=self.name)
            time.sleep(0.05)

    def _status(self, number: str) -> str:
        """The state of a transaction; empty if this connection is cut too."""
        self._drop_broken()
        try:
            with self._connection() as db:
                (status,) = db.execute("SELECT pg_xact_status(%s::xid8)", (number,)).fetchone() or ("",)
        except _CutError:
            return ""
        return str(status)

    def _drop_broken(self) -> None:
        """Drop all broken connections: after a restart of the server, none of them works."""
        with suppress(psycopg.Error, PoolClosed):
            self._pool.check()

    # --- Connections ---

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """A connection. Raises _CutError if it is cut meanwhile, or if the server asks to repeat a transaction."""
        db = self._taken()
        try:
            yield db
        except _SERIAL as error:
            raise _CutError from error
        except errors.ReadOnlySqlTransaction:
            db.close()  # the next one may reach the new primary
            raise
        except psycopg.Error as error:
            if db.broken or db.closed:
                raise _CutError from error
            raise
        finally:
            self._pool.putconn(db)

    def _taken(self) -> Connection:
        try:
            return self._pool.getconn()
        except PoolTimeout:
            self._probe()
            raise Unavailable("database_busy", path=self.name) from None
        except PoolClosed:
            raise StoreError("database_closed", path=self.name) from None

    def _probe(self) -> None:
        """Connect once, outside the pool, which does not say why it cannot."""
        try:
            psycopg.connect(**self._known).close()
        except psycopg.Error as error:
            self._refused(error)

    # --- Errors ---

    def _refused(self, error: psycopg.Error) -> NoReturn:
        """Raise the error for a failed connection, without its text, which may contain a mistaken host."""
        said = str(error)
        for pattern, state in _REFUSED:
            if pattern.search(said) and (known := self._known_error(state)):
                raise known from None
        problem = " ".join(_QUOTED.sub("…", said.partition("\n")[0]).split())
        raise Unavailable("postgres_down", server=self.name, problem=problem) from None

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            if self._closed:
                raise StoreError("database_closed", path=self.name) from None
            raise self._error_of(error) from error
        except ValidationError as error:  # JSON that no version of this program wrote; do not show its text
            raise StoreError("database_damaged", path=self.name) from error

    def _error_of(self, error: psycopg.Error) -> DigestError:
        state = error.sqlstate or ""
        if state in _BUSY:
            return Unavailable("database_busy", path=self.name)
        if state in _DAMAGED:
            return StoreError("database_damaged", path=self.name)
        said = error.diag.message_primary or type(error).__name__
        failed = StoreError("postgres_failed", server=self.name, problem=f"{state} {said}".strip())
        return self._known_error(state) or failed

    def _known_error(self, state: str) -> DigestError | None:
        if state == _CROWDED:
            return Unavailable("postgres_crowded", server=self.name)
        return StoreError(_KEYS[state], server=self.name) if state in _KEYS else None


def _begun(db: Connection) -> str:
    """Begin a transaction and return its number, in one round trip.

    The isolation level is explicit: after waiting for a lock, statements see what others committed.
    """
    cursor = db.execute("BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_current_xact_id()::text")
    cursor.nextset()
    (number,) = cursor.fetchone() or ("",)
    return str(number)


def _done(db: Connection, work: Work[T]) -> T:
    try:
        return work(db)
    except BaseException:
        with suppress(psycopg.Error):  # the first error is the one to raise
            db.execute("ROLLBACK")
        raise


# --- The address -----------------------------------------------------------------------------


def _parts(address: SecretStr) -> dict[str, Any]:
    """The parts of an address, as libpq parses it.

    Raises ConfigError, without the address, which may contain a password.
    """
    try:
        known: dict[str, Any] = dict(conninfo_to_dict(address.get_secret_value()))
    except psycopg.Error:
        known = {}
    misread = "@" in f"{known.get('host', '')}{known.get('dbname', '')}"  # part of a password that is not encoded
    if not known or misread or not str(known.get("port", "0")).replace(",", "").isdigit():
        raise ConfigError("postgres_address")
    return known


def _shown(known: dict[str, Any]) -> str:
    """An address that can be shown: without its password and its query."""
    user = f"{known['user']}@" if known.get("user") else ""
    port = f":{known['port']}" if known.get("port") else ""
    return f"postgresql://{user}{known.get('host', '')}{port}/{known.get('dbname', '')}"


# --- The server's clock ----------------------------------------------------------------------


def _now() -> datetime:
    return datetime.now(UTC)


class Clock:
    """Tracks how far the server's clock is ahead, so that the leases of all machines expire by the same clock.

    An estimate is kept until an answer contradicts it: the answer's time is between request and arrival, so a slow one
    says little (Cristian's algorithm).
    """

    _KEPT = 1.0
    """Seconds for which an answer is reused."""

    def __init__(self, local: Callable[[], datetime]) -> None:
        self._local = local
        self._ahead = timedelta()
        self._asked = -self._KEPT

    def corrected(self, db: Connection, *times: datetime) -> tuple[datetime, ...]:
        """Convert times of this machine's clock to the server's."""
        if time.monotonic() - self._asked >= self._KEPT:
            self._ask(db)
        return tuple(moment + self._ahead for moment in times)

    def _ask(self, db: Connection) -> None:
        before = self._local()
        (server,) = db.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").fetchone() or (0,)
        after, there = self._local(), datetime.fromtimestamp(0, UTC) + timedelta(microseconds=server)
        if not there - after <= self._ahead <= there - before:
            self._ahead = there - before - (after - before) / 2
        self._asked = time.monotonic()
