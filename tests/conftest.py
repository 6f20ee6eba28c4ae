"""Fixtures for all tests. Nothing here reaches the network, sleeps, or reads the user's settings."""

import gc
import os
import sqlite3
import threading
import uuid
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import count

import pytest
from hypothesis import settings

from adapters.stores.sqlite.file import SqliteFile, _Connection
from adapters.stores.sqlite.schema import MIGRATIONS

gc.disable()  # what is imported and collected stays: see `pytest_collection_finish`
# Nor are there the machine's own proxies and certificates: a whole folder of them would be read for every fetch.
for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY"):
    os.environ.pop(name, None)
    os.environ.pop(name.lower(), None)
pytest.register_assert_rewrite("store_contract", "source_contract")
# `make stress` sets STRESS: the same tests with many more examples.
settings.register_profile(
    "commit-digest", database=None, deadline=None, max_examples=2_000 if os.environ.get("STRESS") else 30
)
settings.load_profile("commit-digest")


def pytest_collection_finish():
    """The tests themselves and what they import are no garbage: nobody looks through a million objects again."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def homes(tmp_path_factory):
    """New folders beneath one of their own: pytest's would look through thousands of its others for each."""
    folder = tmp_path_factory.mktemp("homes")
    return (folder / str(number) for number in count())


@pytest.fixture(autouse=True)
def own_world(homes, monkeypatch):
    """Every test starts in an empty folder, with no setting of the user's and no home of theirs."""
    for name in os.environ:
        if name.startswith(("DIGEST_", "GITHUB_", "OPENAI_", "GIT_", "SLACK_", "FEISHU_")):
            monkeypatch.delenv(name)
    home = next(homes)
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.chdir(home)


@pytest.fixture(scope="session", autouse=True)
def certificates():
    """The certificates of the world are read once, and not for each of a thousand clients, most of whom need none."""
    read = import_module("httpcore2").default_ssl_context
    known = {}

    def once(**asked):
        key = (*asked.items(), *map(os.environ.get, ("SSL_CERT_FILE", "SSL_CERT_DIR")))
        if key not in known:
            known[key] = read(**asked)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpcore2.default_ssl_context", once)
        yield


@pytest.fixture(scope="session", autouse=True)
def databases(tmp_path_factory):
    """A new database is a copy of one, and nobody waits for the disk: both take longer than most tests.

    Processes that a test starts make theirs as everybody does, and wait.
    """
    prepare, connect, copying = SqliteFile._prepare, _Connection.of, threading.Lock()
    path = tmp_path_factory.mktemp("database") / "new.db"
    SqliteFile(path, 1).close()
    new = path.read_bytes()

    def prepared(file):
        with copying:
            if file._migrations is MIGRATIONS and not file.path.stat().st_size:
                file.path.write_bytes(new)
                with closing(sqlite3.connect(file.path)) as db, db:  # each has a name of its own
                    db.execute("PRAGMA synchronous = OFF")
                    db.execute("UPDATE memory SET name = ?", (uuid.uuid4().hex,))
        prepare(file)

    def hasty(path, busy_timeout):
        made = connect(path, busy_timeout)
        made.db.execute("PRAGMA synchronous = OFF")
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SqliteFile, "_prepare", prepared)
        patch.setattr(_Connection, "of", hasty)
        yield connect


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def pass_time(self, **duration: float) -> None:
        self.now += timedelta(**duration)


@pytest.fixture
def clock() -> Clock:
    """Two days after the busiest day of the test repositories."""
    return Clock(datetime(2026, 2, 20, 1, 0, tzinfo=UTC))
