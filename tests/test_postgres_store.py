"""The PostgreSQL store: the contract, and what only a server can do: be cut off, down, crowded, shared or forbidden."""

from __future__ import annotations

import logging
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import psycopg
import pytest
from click.testing import CliRunner
from make import spend
from pooler import Pooler
from postgres import SHARED, Postgres, postgres
from pydantic import SecretStr
from service import ROOT
from slack_sdk.oauth.installation_store import Installation
from store_contract import (
    ANNA,
    DAILY,
    OTHER,
    REPO,
    START,
    StoreContract,
    commit,
    delivery,
    digest,
    link,
    planned,
    shas,
)

from adapters.chats.slack.installations import EncryptedInstallations, fernet
from adapters.chats.slack.installations_postgres import PostgresInstallations
from adapters.chats.slack.workspaces import InstalledWorkspaces
from adapters.logs import Formatter, secrets_of
from adapters.stores.moving import MOVED
from adapters.stores.packing import packed
from adapters.stores.postgres import PostgresStore
from adapters.stores.postgres.moving import _PostgresSide
from adapters.stores.postgres.schema import MIGRATIONS
from adapters.stores.rows import DELIVERIES
from adapters.stores.sqlite import SqliteStore
from bot import parts
from bot.cli import cli
from bot.delivery.planning import Planner
from bot.errors import ConfigError, DigestError, NotFound, StoreError, Unavailable
from bot.ports import Store
from bot.settings import Settings
from bot.texts import Texts
from bot.values import (
    EPOCH,
    SCHEDULED,
    Analysis,
    AnalysisKey,
    DeliveryState,
    FileChange,
    FollowUp,
    Place,
    Reservation,
    Spending,
    Step,
    StepState,
    Taken,
    Usage,
)

T = TypeVar("T")


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as made:
        yield made


@pytest.fixture
def address(server: Postgres) -> SecretStr:
    return server.address(SHARED)


@pytest.fixture
def store(server: Postgres) -> PostgresStore:
    return server.store()


class TestPostgresStore(StoreContract):
    @pytest.fixture
    def reopen(self, store: PostgresStore, address: SecretStr) -> Iterator[Callable[[], PostgresStore]]:
        opened: list[PostgresStore] = []

        def again() -> PostgresStore:
            store.close()
            opened.append(PostgresStore(address))
            return opened[-1]

        yield again
        for each in opened:
            each.close()


# --- What PostgreSQL itself holds ------------------------------------------------------------


def test_a_nul_becomes_a_replacement_character_and_any_text_is_kept(store: PostgresStore) -> None:
    odd = commit(1, subject="a\0b \udc80", files=(FileChange("x\0"),))
    store.keep_commits([odd])
    kept = store.commits_by_sha(REPO, odd.sha)[0]
    assert (kept.subject, kept.files) == ("a\ufffdb \ufffd", (FileChange("x\0"),))
    kept = store.subscribe(replace(DAILY, branch="a\0b"))
    store.pause(kept.id, "left\0")
    assert store.subscriptions() == (replace(kept, paused="left\0"),)


def test_words_follow_each_other_wherever_they_stand_in_a_very_long_commit(store: PostgresStore) -> None:
    """A tsvector knows 16,383 positions, 256 of each word, and a mebibyte."""
    files = tuple(FileChange(f"src/part{n:05}/{'x' * 50}{n}/end.py") for n in range(9_000))
    store.keep_commits([commit(1, files=files), commit(2, files=(FileChange("end/src.py"),))])
    for query in ("src/part08999", f"{'x' * 50}8999/end", "x" * 45):
        assert shas(store.search(query, [REPO], 9)) == [commit(1).sha], query
    assert store.search(f"{'x' * 60}", [REPO], 9) == ()
    assert shas(store.search("end/src", [REPO], 9)) == [commit(2).sha]


def test_a_search_looks_further_where_candidates_hold_the_words_apart(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.stores.postgres.archive._LOOKED_THROUGH", 2)
    store.keep_commits([commit(0, subject="http.cancel"), *(commit(n, subject="cancel the http") for n in range(1, 8))])
    assert shas(store.search("http.cancel", [REPO], 1)) == [commit(0).sha]


def test_json_that_no_version_wrote_is_none(store: PostgresStore, server: Postgres) -> None:
    store.keep_digest("k", digest(commit(1)), START)
    store._write("UPDATE digests SET packed = ?", packed("{}"))
    server.sql("UPDATE commits SET packed = '\\x01ff'", SHARED)
    assert store.digest("k") is None
    assert store.commits_by_sha(REPO, commit(1).sha) == store.search("change", [REPO], 9) == ()
    assert [(row.table, row.key) for row in store.unreadable()] == [("digests", "k")]
    store.keep_digest("k", digest(commit(1)), START)
    assert store.digest("k") == digest(commit(1))
    assert store.commits_by_sha(REPO, commit(1).sha) == (commit(1),)


def test_a_digest_that_fails_halfway_leaves_nothing(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(PostgresStore, "_index_analyses", fail)
    with pytest.raises(RuntimeError):
        store.keep_digest("k", digest(commit(1)), START)
    assert {name for name, rows in store.counts().items() if rows} == {"bytes"}


def test_old_deliveries_are_forgotten_unless_they_are_still_due(store: PostgresStore) -> None:
    number, day = store.subscribe(DAILY).id, timedelta(days=1)
    first = last = planned(store, number)
    for n in range(1, DELIVERIES + 5):
        store.keep_delivery(replace(last, state=DeliveryState.FAILED, attempts=1))
        last = planned(store, number, last.id, until=START + (n + 1) * day)
        if n == 3:
            posted = (Step("headline", StepState.DONE, START, "t"),)
            assert store.reopen(replace(first, attempts=2, steps=posted))
    kept = [each.id for each in store.deliveries(number)]
    assert kept == [*range(last.id, last.id - DELIVERIES, -1), first.id]


def test_what_was_told_is_forgotten_with_its_delivery(store: PostgresStore, server: Postgres) -> None:
    number = store.subscribe(DAILY).id
    first = planned(store, number)
    store.mark_delivered(first, [commit(1)])
    store.keep_delivery(replace(first, state=DeliveryState.DONE))
    second = planned(store, number, first.id, until=START + timedelta(days=2))
    store.mark_delivered(second, [commit(2)])
    server.sql(f"DELETE FROM deliveries WHERE id = {first.id}", SHARED)
    store.mark_delivered(second, [commit(3)])
    assert server.sql("SELECT delivery, sha FROM told ORDER BY sha", SHARED) == sorted(
        (second.id, commit(n).sha) for n in (2, 3)
    )


def test_a_repository_and_a_person_are_forgotten_and_what_is_old_goes(store: PostgresStore, server: Postgres) -> None:
    store.keep_digest("k", digest(commit(1)), START)
    store.keep_commits([commit(2, repo=OTHER)])
    store.keep_analysis(AnalysisKey(REPO, commit(1).sha, "p", "m", "en"), Analysis("Alpha"))
    store.subscribe(DAILY)
    store.subscribe(replace(DAILY, place=Place("slack", "T1/U1"), repo=OTHER))
    server.sql("CREATE TABLE IF NOT EXISTS slack_people (user_id text, token text)", SHARED)
    server.sql("INSERT INTO slack_people VALUES ('U1', 'x'), ('U2', 'y')", SHARED)
    assert store.forget_person("slack:T1/U1") == 2
    assert server.sql("SELECT user_id FROM slack_people", SHARED) == [("U2",)]
    assert store.retain(START + timedelta(days=9), [REPO.upper()]) == 1
    assert store.commits_by_sha(OTHER, commit(2).sha) == ()
    assert store.forget_repository(REPO.upper())
    assert not store.forget_repository(REPO)
    store.compact()
    left = {name for name, rows in store.counts().items() if rows}
    assert left == {"bytes", "repositories"}  # of what was old the name is kept: what was told of it is remembered
    server.sql("DROP TABLE slack_people", SHARED)


def test_a_copy_is_pg_dumps(store: PostgresStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="postgres_backup"):
        store.back_up(tmp_path / "copy")
    assert store.free() is None


def test_what_the_page_says_copies_and_restores_also_from_before_an_upgrade(server: Postgres, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "postgres.md").read_text(encoding="utf-8").partition("## Backup and restore")[2]
    copy, back, *_ = re.findall(r"^```sh\n(.*?)^```", page, re.M | re.S)
    address = server.address("digest")
    env = {"PATH": server.path, "PGHOST": str(server._folder), "PGUSER": "postgres"}
    env["DIGEST_DATABASE"] = address.get_secret_value()

    def follow(lines: str) -> None:
        subprocess.run(["sh", "-ec", lines], cwd=tmp_path, env=env, check=True, capture_output=True)

    server.sql("CREATE ROLE digest LOGIN")
    server.sql("CREATE DATABASE digest OWNER digest")
    with closing(PostgresStore(address)) as store:
        store.keep_commits([commit(1)])
    follow(copy)
    (dump,) = tmp_path.glob("digest-*.dump")
    with closing(PostgresStore(address)) as store:
        store.keep_commits([commit(2)])
    server.sql("CREATE TABLE of_a_later_version (id int)", "digest")
    follow(back.replace("digest-2026-02-18.dump", dump.name))
    assert server.sql("SELECT to_regclass('of_a_later_version')", "digest") == [(None,)]
    with closing(PostgresStore(address)) as store:
        assert shas(store.commits_by_sha(REPO, commit(1).sha)) == shas([commit(1)])
        assert not store.commits_by_sha(REPO, commit(2).sha)
        assert store.begin(START)  # the channels' histories are read first


# --- Connections that are cut ----------------------------------------------------------------


def cutting(monkeypatch: pytest.MonkeyPatch, server: Postgres, begins: str, *, after: bool) -> list[str]:
    """Cut every connection once, right before or after the server did the next statement that begins so."""
    execute, done = psycopg.Connection.execute, []

    def cut(db: psycopg.Connection, query: object, *rest: object, **more: object) -> object:
        meant = not done and str(query).startswith(begins)
        if meant:
            done.append(str(query))
        if meant and not after:
            server.cut(SHARED)
        made = execute(db, query, *rest, **more)
        if meant and after:
            server.cut(SHARED)
            raise psycopg.OperationalError("the answer was lost") from lost(db)
        return made

    def lost(db: psycopg.Connection) -> None:
        db.close()

    monkeypatch.setattr(psycopg.Connection, "execute", cut)
    return done


@pytest.mark.parametrize(
    ("begins", "after"),
    [
        ("BEGIN", False),
        ("INSERT INTO deliveries", False),
        ("SELECT name, count FROM memory", False),
        ("COMMIT", False),
        ("COMMIT", True),
    ],
)
def test_a_transaction_that_is_cut_anywhere_is_done_once(
    store: PostgresStore, server: Postgres, monkeypatch: pytest.MonkeyPatch, begins: str, after: bool
) -> None:
    number = store.subscribe(DAILY).id
    done = cutting(monkeypatch, server, begins, after=after)
    made = store.plan(delivery(number), 0)
    assert done, "nothing was cut"
    assert made is not None
    assert store.deliveries() == (made,)
    done = cutting(monkeypatch, server, begins.replace("INSERT INTO deliveries", "UPDATE deliveries"), after=after)
    store.keep_delivery(settled := replace(made, state=DeliveryState.DONE))
    assert done, "nothing was cut"
    assert store.deliveries() == (settled,)


def test_a_transaction_is_done_once_though_whoever_asks_what_became_of_it_is_cut_too(
    store: PostgresStore, server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = store.plan(delivery(store.subscribe(DAILY).id), 0)
    assert made is not None
    asked = cutting(monkeypatch, server, "SELECT pg_xact_status", after=True)
    done = cutting(monkeypatch, server, "COMMIT", after=True)
    store.keep_delivery(settled := replace(made, state=DeliveryState.DONE))
    assert len(done) == len(asked) == 1
    assert store.deliveries() == (settled,)


def test_what_was_taken_is_counted_once_though_the_answer_is_lost(
    store: PostgresStore, server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = Reservation(SCHEDULED, "m", "p", 9, START)
    reservation = store.reserve(wanted, START, START + timedelta(days=1), lambda _: None)
    assert cutting(monkeypatch, server, "COMMIT", after=True) == []
    store.charge(reservation, Usage("m", 1, 1, 1))
    assert store.usage(START, START + timedelta(days=1)) == (Spending("m", "p", 1, 1, 1),)


def test_reading_goes_on_though_every_connection_was_cut(store: PostgresStore, server: Postgres) -> None:
    store.keep_commits([commit(1)])
    with ThreadPoolExecutor(4) as pool:  # several connections are open
        list(pool.map(lambda _: store.counts(), range(8)))
    server.cut(SHARED)
    assert store.commits_by_sha(REPO, commit(1).sha) == (commit(1),)


def test_a_lock_holds_whatever_isolation_the_server_has_as_its_default(server: Postgres) -> None:
    name, day = server.fresh(), (START, START + timedelta(days=1))
    server.sql(f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'")
    seen: list[Taken] = []
    with closing(PostgresStore(server.address(name))) as store:

        def reserve(_: int) -> None:
            store.reserve(Reservation(ANNA, "m", "p", 1, START), *day, seen.append)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(reserve, range(40)))
    assert [taken.person for taken in seen] == [*range(40)]


def test_a_server_that_crashed_and_came_back_is_met_again_with_all_that_was_kept(
    store: PostgresStore, server: Postgres
) -> None:
    number = store.subscribe(DAILY).id
    made = planned(store, number)
    with ThreadPoolExecutor(4) as pool:  # several connections are open
        list(pool.map(lambda _: store.counts(), range(8)))
    server.sql("CHECKPOINT")  # the tests' server need not survive a crash otherwise
    server.crash()
    store.keep_delivery(replace(made, state=DeliveryState.DONE))
    assert [each.state for each in store.deliveries(number)] == [DeliveryState.DONE]


def test_two_who_wait_for_each_other_both_get_done(store: PostgresStore) -> None:
    """The server ends one of them (40P01), which is repeated."""
    store.keep_commits([commit(1)])
    barrier, calls = threading.Barrier(2, timeout=9), []

    def crossed(first: int, second: int) -> None:
        def work(db: psycopg.Connection) -> None:
            calls.append(first)
            db.execute("SELECT pg_advisory_xact_lock(%s)", (first,))
            with suppress(threading.BrokenBarrierError):
                barrier.wait()
            barrier.abort()
            db.execute("SELECT pg_advisory_xact_lock(%s)", (second,))

        store._server.write(work)

    with ThreadPoolExecutor(2) as pool:
        for each in [pool.submit(crossed, 1, 2), pool.submit(crossed, 2, 1)]:
            each.result()
    assert len(calls) == 3


# --- Leases by the server's clock ------------------------------------------------------------


def test_a_machine_whose_clock_is_wrong_takes_nobodys_lease(store: PostgresStore, address: SecretStr) -> None:
    now, minute = datetime.now(UTC), timedelta(minutes=1)
    assert store.claim("k", "one", now, now + 60 * minute)
    for wrong in (timedelta(hours=3), timedelta(hours=-3)):
        with closing(PostgresStore(address, clock=lambda wrong=wrong: datetime.now(UTC) + wrong)) as other:
            there = now + wrong
            assert not other.claim("k", "two", there, there + minute)
            assert other.claim(f"k{wrong}", "two", there, there + minute)
            assert not store.claim(f"k{wrong}", "one", now, now + minute)
            other.renew([f"k{wrong}"], "two", there, there + 2 * minute)
            assert not store.claim(f"k{wrong}", "one", now + 1.5 * minute, now + 3 * minute)
            assert store.claim(f"k{wrong}", "one", now + 2.5 * minute, now + 3 * minute)


# --- Servers and databases that cannot be used -----------------------------------------------


def refused(address: SecretStr, kind: type[DigestError], key: str) -> str:
    """What is said of an address; asserts that it is this, names the setting, and shows no password."""
    with pytest.raises(DigestError) as caught:
        PostgresStore(address, timeout=0.3)
    assert (type(caught.value), caught.value.key) == (kind, key)
    said = Texts("en").error(caught.value)
    assert "s3cr" not in f"{said} {caught.value}"
    assert caught.value.__cause__ is None or "s3cr" not in str(caught.value.__cause__)
    return said


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://bot:s3cr/et@host/db",
        "postgresql://bot:s3cr@et@host/db",
        "postgresql://bot:pw#s3cr@et@host/db",
        "postgresql://bot:12/s3cr@host/db",
        "postgresql://bot:s3cr%et@host/db",
        "postgresql://bot:pw@host:s3cr/db",
        "postgresql://bot:pw@host/db?s3cr=1",
        "postgresql://",
    ],
)
def test_an_address_that_is_none_is_refused_and_not_shown(address: str) -> None:
    assert "DIGEST_DATABASE" in refused(SecretStr(address), ConfigError, "postgres_address")


def test_a_server_that_does_not_answer_is_waited_for_later(tmp_path: Path) -> None:
    said = refused(SecretStr(f"postgresql://bot:s3cret@/db?host={tmp_path}"), Unavailable, "postgres_down")
    assert "DIGEST_DATABASE" in said
    assert "No such file" in said


def test_a_login_that_is_refused_or_a_database_that_is_not_there_is_named(server: Postgres) -> None:
    refused(server.address("nowhere"), StoreError, "postgres_no_database")
    refused(server.address(SHARED, "nobody", "s3cret"), StoreError, "postgres_login")
    server.sql("CREATE ROLE locked LOGIN PASSWORD 'right'")
    hba = Path(server.sql("SHOW hba_file")[0][0])
    plain = hba.read_text()
    hba.write_text(f"local all locked scram-sha-256\n{plain}")
    server.sql("SELECT pg_reload_conf()")
    try:
        refused(server.address(SHARED, "locked", "s3cret"), StoreError, "postgres_login")
        refused(server.address(SHARED, "locked"), StoreError, "postgres_login")
    finally:
        hba.write_text(plain)
        server.sql("SELECT pg_reload_conf()")


def test_a_user_without_rights_is_told_which(server: Postgres) -> None:
    server.sql("CREATE ROLE stranger LOGIN")
    bare = server.fresh("template0")
    assert "CREATE" in refused(server.address(bare, "stranger"), StoreError, "postgres_rights")
    assert server.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", bare) == [(0,)]
    refused(server.address(server.fresh(), "stranger"), StoreError, "postgres_rights")


def test_an_owner_who_may_create_nothing_else_is_enough(server: Postgres) -> None:
    server.sql("CREATE ROLE owner LOGIN NOSUPERUSER NOCREATEDB")
    name = server.fresh("template0", "OWNER owner")
    with closing(PostgresStore(server.address(name, "owner"))) as store:
        store.keep_commits([commit(1)])
        assert shas(store.search("change", [REPO], 9)) == [commit(1).sha]
        assert store.name == f"postgresql://owner@{server._folder}/{name}"


def test_a_database_of_a_later_version_another_program_or_encoding_is_refused(server: Postgres) -> None:
    later = server.fresh()
    server.sql(f"INSERT INTO digest_schema (version) VALUES ({len(MIGRATIONS) + 1})", later)
    refused(server.address(later), StoreError, "postgres_newer")
    foreign = server.fresh("template0")
    server.sql("CREATE TABLE commits (id int)", foreign)
    refused(server.address(foreign), StoreError, "postgres_foreign")
    assert server.sql("SELECT to_regclass('digest_schema')::text", foreign) == [(None,)]
    latin = server.fresh("template0", "ENCODING 'SQL_ASCII' LOCALE 'C'")
    refused(server.address(latin), StoreError, "postgres_encoding")


def test_a_server_that_takes_no_changes_or_no_connections_says_so(server: Postgres) -> None:
    name = server.fresh()
    with closing(PostgresStore(server.address(name), timeout=0.3)) as store:
        server.sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        server.cut(name)
        with pytest.raises(StoreError, match="postgres_readonly"):
            store.subscribe(DAILY)
        server.sql(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
        server.cut(name)
        with pytest.raises(Unavailable, match="postgres_down"):
            store.subscriptions()
        server.sql(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        server.sql(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")
        assert eventually(lambda: store.subscribe(DAILY)).id == 1


def test_a_server_that_is_away_for_ten_minutes_delays_what_was_due_and_loses_nothing(server: Postgres) -> None:
    name, slot = server.fresh(), START + timedelta(days=1, hours=9)
    with closing(PostgresStore(server.address(name), timeout=0.3)) as store:
        store.subscribe(replace(DAILY, schedule="0 9 * * *", zone="UTC", created=START + timedelta(hours=10)))
        planner = Planner({}, subscriptions=store, ledger=store, report_clock=lambda _: None)
        planner.plan(lambda _: True, slot - timedelta(minutes=1))
        server.sql(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
        server.cut(name)
        for minute in (0, 9):
            with pytest.raises(Unavailable, match="postgres_down"):
                planner.plan(lambda _: True, slot + timedelta(minutes=minute))
        server.sql(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")
        eventually(lambda: planner.plan(lambda _: True, slot + timedelta(minutes=10)))
        assert [(each.slot, each.merged) for each in store.deliveries()] == [(slot, 0)]


def eventually(work: Callable[[], T]) -> T:
    """What comes of a call, once its server answers."""
    for _ in range(50):
        with suppress(Unavailable):
            return work()
    return work()


@pytest.mark.parametrize("version", [0, 1, len(MIGRATIONS) - 1])
def test_many_who_open_a_database_at_once_migrate_it_once(
    server: Postgres, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    """A new one, and those of earlier versions."""
    name = server.fresh("template0")
    with monkeypatch.context() as earlier:
        earlier.setattr("adapters.stores.postgres.schema.MIGRATIONS", MIGRATIONS[:version])
        PostgresStore(server.address(name)).close()
    with ThreadPoolExecutor(4) as pool:
        for store in pool.map(lambda _: PostgresStore(server.address(name)), range(4)):
            store.close()
    assert server.sql("SELECT version FROM digest_schema", name) == [(n + 1,) for n in range(len(MIGRATIONS))]
    assert server.sql("SELECT count(*) FROM memory", name) == [(1,)]


def test_a_migration_that_fails_changes_nothing(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    name = server.fresh()
    failing = (
        *MIGRATIONS,
        lambda db: db.execute("CREATE TABLE more (id int)"),
        lambda db: db.execute("SELECT nothing"),
    )
    monkeypatch.setattr("adapters.stores.postgres.schema.MIGRATIONS", failing)
    refused(server.address(name), StoreError, "postgres_failed")
    assert server.sql("SELECT to_regclass('more')::text, (SELECT count(*) FROM digest_schema)", name) == [
        (None, len(MIGRATIONS))
    ]
    monkeypatch.undo()
    PostgresStore(server.address(name)).close()


def test_a_closed_store_says_so(store: PostgresStore) -> None:
    store.counts()
    store.close()
    for call in (store.counts, lambda: store.claim("k", "one", START, START)):
        with pytest.raises(StoreError, match="database_closed"):
            call()


def test_nothing_is_left_in_a_session(store: PostgresStore, server: Postgres) -> None:
    """So that a pooler in transaction mode may give the next transaction to another session."""
    store.keep_digest("k", digest(commit(1), commit(2)), START)
    for _ in range(9):
        store.subscriptions()
        store.claim("k", "one", START, START + timedelta(hours=1))

    def left(db: psycopg.Connection) -> list[tuple[object, ...]]:
        return db.execute(
            "SELECT (SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_cursors WHERE name != ''), "
            "(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'), "
            "(SELECT count(*) FROM pg_settings WHERE source = 'session')"
        ).fetchall()

    assert store._server.read(left) == [(0, 0, 0, 0)]


def test_a_pooler_may_give_each_transaction_another_session(server: Postgres, tmp_path: Path) -> None:
    server.cleared()
    address = SecretStr(f"postgresql://postgres@/{SHARED}?host={tmp_path}")
    with closing(Pooler(tmp_path, server._folder, SHARED)) as pooler, closing(PostgresStore(address)) as store:
        made = planned(store, store.subscribe(DAILY).id)
        store.keep_digest("k", digest(commit(1), commit(2)), START)
        store.mark_delivered(replace(made, digest="k"), [commit(1), commit(2)])
        with ThreadPoolExecutor(6) as pool:
            taken = [*pool.map(lambda n: store.claim("k", str(n), START, START + timedelta(hours=2)), range(12))]
            list(pool.map(lambda n: store.keep_commits([commit(n)]), range(6)))
        assert sum(taken) == 1
        assert store.delivered_shas(made.subscription, 0) == {commit(1).sha, commit(2).sha}
        assert len(store.search("change", [REPO], 9)) == 6
        with store.source() as side:
            assert len([*side.rows(MOVED[1])]) == 6
        assert store.counts()["commits"] == 6
        assert (pooler.refused, pooler.transactions > 30) == ([], True)


@pytest.fixture
def small_disk(server: Postgres) -> Iterator[Path]:
    """A disk of 24 MB, on which the server may write."""
    folder = Path(tempfile.mkdtemp(prefix="disk"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("nobody but root may mount a disk")
    shutil.chown(folder, server.server.system_user)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
    folder.rmdir()


def test_a_full_disk_is_told_and_leaves_what_was_kept(server: Postgres, small_disk: Path) -> None:
    server.sql(f"CREATE TABLESPACE small LOCATION '{small_disk}'")
    name = server.fresh(more="TABLESPACE small")
    with closing(PostgresStore(server.address(name))) as store:
        kept = []

        def keep(store: PostgresStore) -> None:
            for number in range(99):
                store.learn(str(number), secrets.token_hex(500_000), START)
                kept.append(number)

        with pytest.raises(StoreError, match="postgres_full"):
            keep(store)
        assert len(kept) > 2
        assert [number for number in range(99) if store.learned(str(number), START)] == kept
        subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
        store.learn("more", "room", START)
        assert store.learned("more", START) == "room"
    server.sql(f"DROP DATABASE {name}")
    server.sql("DROP TABLESPACE small")


# --- The program on it -----------------------------------------------------------------------

PASSWORD = "s3cr/et@home"


@pytest.fixture
def set_up(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> str:
    """The settings name an empty database, with a password; its name."""
    server.cleared()
    monkeypatch.setenv("DIGEST_DATABASE", server.address(SHARED, password=PASSWORD).get_secret_value())
    return f"postgresql://postgres@{server._folder}/{SHARED}"


def test_the_address_is_the_whole_switch(set_up: str, server: Postgres) -> None:
    with parts.program() as program:
        program.store.subscribe(DAILY)
        findings = {each.subject: each for each in parts.findings(None, "")}
    assert server.sql("SELECT count(*) FROM subscriptions", SHARED) == [(1,)]
    assert findings["database"].fields["path"] == set_up
    assert "disk" not in findings
    told = CliRunner().invoke(cli, ["db"]).output
    assert told.startswith(set_up)
    assert "s3cr" not in told


def test_what_only_a_file_can_do_names_what_does_it(set_up: str, tmp_path: Path) -> None:
    for command in ("backup", "restore"):
        done = CliRunner().invoke(cli, [command, str(tmp_path / "copy")])
        assert done.exit_code == 1
        assert ("pg_dump" if command == "backup" else "pg_restore") in done.output
        assert "s3cr" not in done.output


def test_a_bot_that_starts_without_its_server_says_so_once_and_waits(
    server: Postgres, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    name, waits = server.fresh(), []
    monkeypatch.setenv("DIGEST_DATABASE", server.address(name, password=PASSWORD).get_secret_value())
    server.sql(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            server.sql(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")

    monkeypatch.setattr(parts.time, "sleep", wait)
    with monkeypatch.context() as mine:
        mine.setattr(sys, "excepthook", sys.excepthook)
        mine.setattr(threading, "excepthook", threading.excepthook)
        handlers, level = logging.root.handlers[:], logging.root.level
        try:
            with parts.service(once=False) as made:
                assert made.store.subscriptions() == ()
        finally:
            logging.captureWarnings(False)
            logging.root.handlers[:], logging.root.level = handlers, level
    said = capfd.readouterr().err
    assert len(waits) == 3
    assert said.count("waiting for the database") == said.count("the database answers") == 1
    assert "s3cr" not in said
    server.sql(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
    assert CliRunner().invoke(cli, ["db"]).exit_code == 1, "a command does not wait"


def test_a_log_never_shows_the_password(server: Postgres) -> None:
    settings = Settings(_env_file=None, digest_database=server.address(SHARED, password=PASSWORD).get_secret_value())
    assert "s3cr" not in repr(settings)
    formatter = Formatter(secrets_of(settings), as_json=False)
    for text in (PASSWORD, quote(PASSWORD, safe=""), settings.digest_database.get_secret_value()):
        record = logging.makeLogRecord(
            {"name": "digest", "levelname": "INFO", "msg": f"lost {text}", "fields": {"at": text}}
        )
        assert "s3cr" not in formatter.format(record)


def test_without_the_driver_what_to_install_is_named(set_up: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("adapters.stores.postgres", "adapters.postgres"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("adapters.stores.postgres", raising=False)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    done = CliRunner().invoke(cli, ["db"])
    assert "commit-digest[postgres]" in done.output


# --- Slack's installations -------------------------------------------------------------------

KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


def installation(team: str, user: str, **more: object) -> Installation:
    return Installation(
        app_id="A",
        team_id=team,
        user_id=user,
        user_token=f"xoxp-{user}",
        bot_token=f"xoxb-{team}",
        bot_id="B",
        bot_user_id="U",
        bot_scopes=["chat:write", "commands"],
        installed_at=1_700_000_000.5,
        **more,
    )


@pytest.fixture
def installed(server: Postgres) -> Iterator[Callable[..., PostgresInstallations]]:
    address, made = server.cleared(), []

    def installations(key: str = "", **more: object) -> PostgresInstallations:
        made.append(PostgresInstallations(address, "client", fernet(key), **more))
        return made[-1]

    yield installations
    for each in made:
        each.server.close()


def test_installations_are_kept_in_the_database_and_encrypted_once_there_is_a_key(installed, server: Postgres) -> None:
    first = installed()
    for team, user in (("T1", "U1"), ("T1", "U2"), ("T2", "U3")):
        first.save(installation(team, user))
    assert first.find_bot(team_id="T1").bot_scopes == ["chat:write", "commands"]
    server.sql("INSERT INTO slack_bots VALUES ('client', 'T3', 'oops')", SHARED)
    then = installed(KEY)
    bodies = server.sql("SELECT body FROM slack_bots UNION ALL SELECT body FROM slack_installations", SHARED)
    assert not any("xox" in body for (body,) in bodies)
    assert then.find_bot(team_id="T1").bot_token == "xoxb-T1"
    assert then.find_installation(team_id="T1", user_id="U2").user_token == "xoxp-U2"
    assert then.find_installation(team_id="T2").installed_at == 1_700_000_000.5
    assert then.find_bot(team_id="T9") is None
    assert installed(KEY, invited={"T2"}).find_bot(team_id="T1") is None
    for team, store in (("T3", then), ("T1", installed())):  # one row cannot be read, and one needs the key
        with pytest.raises(ConfigError, match="slack_token_unreadable"):
            store.find_bot(team_id=team)
    then.delete_all(enterprise_id=None, team_id="T1")
    assert then.find_bot(team_id="T1") is then.find_installation(team_id="T1") is None
    assert then.find_bot(team_id="T2").bot_token == "xoxb-T2"


def test_the_workspaces_of_an_address_are_in_the_database(server: Postgres, installed) -> None:
    installed().save(installation("T1", "U1"))
    spaces = InstalledWorkspaces("client", "secret", server.address(SHARED), "", "http://localhost/api/", invited=())
    assert spaces.client("T1").token == "xoxb-T1"
    spaces.app(logging.getLogger("test"), "secret", str)
    spaces.forget("T1")
    with pytest.raises(NotFound):
        spaces.client("T1")
    spaces._installations.server.close()


# --- From one database into another ----------------------------------------------------------


def lived_in(store: Store, folder: Path) -> None:
    """A store in which something of every table is kept, and something was removed."""
    store.count_in(folder / "counts")
    store.begin(START)
    gone = store.subscribe(replace(DAILY, branch="gone"))
    kept = [store.subscribe(replace(DAILY, branch=name)) for name in ("", "next")]
    for day in range(20):
        made = [commit(day * 10 + n, subject=f"Fix 登录 CancelToken {n}", pull=day) for n in range(5)]
        store.keep_digest(f"k{day}", digest(*made, day=day), START + timedelta(days=day))
        last = max((each.id for each in store.deliveries(kept[0].id)), default=0)
        delivered = planned(store, kept[0].id, last, until=START + timedelta(days=day + 1), digest=f"k{day}")
        store.mark_delivered(delivered, made)
        said = (FollowUp(link(day, 99), START, replace(DAILY.place, thread="t")),)
        steps = (Step("headline", StepState.DONE, START, f"t{day}"),)
        done = replace(delivered, state=DeliveryState.DONE, steps=steps, follow_ups=said)
        store.keep_delivery(done)
    planned(store, kept[1].id)
    planned(store, gone.id)
    store.keep_analysis(AnalysisKey(REPO, commit(1).sha, "p", "m", "zh"), Analysis("会话会过期"))
    store.keep_commits([commit(999, repo=OTHER, subject="odd \0 \udc80")])
    spend(store, Usage("m", 1, 2, 3, cached=4), "p", START, ANNA)
    store.reserve(Reservation(ANNA, "m", "p", 5, START), START, START + timedelta(days=1), lambda _: None)
    store.learn("server", "两", START)
    store.keep_links(REPO, [link(1, 2), link(1, 3, changed=3, of=4)])
    store.mute(Place("slack", "C1", "两"), START, True)
    store.claim("k", "one", START, START + timedelta(hours=1))
    number = store.subscribe(replace(DAILY, branch="last")).id
    store.unsubscribe(number)
    store.unsubscribe(gone.id)


def answers(store: Store) -> list[object]:
    """What a store says of what `lived_in` kept."""
    day = timedelta(days=1)
    one = commit(1).sha
    return [
        [store.commits_by_sha(REPO, f"{n:07x}") for n in range(100)],
        [store.commits_by_pull(REPO, n) for n in range(20)],
        [
            store.search(words, [REPO], 50)
            for words in ("登录", "cancel", "canceltoken 3", "过期", "replay skew", "录登")
        ],
        store.recent_digests(REPO, "main", "en", 50),
        store.analysis(AnalysisKey(REPO, one, "p", "m", "zh")),
        store.delivered_to(REPO, one),
        store.delivered_grades(REPO, [one, commit(2).sha]),
        store.delivered_digests(REPO, "main", "en", digest().period),
        store.subscriptions(),
        store.deliveries(),
        store.latest_deliveries(),
        store.due_deliveries(START + 99 * day),
        [(c.subscription, c.last) for c in store.candidates(START + 99 * day, START)],
        store.delivered_shas(2, but=0),
        store.usage(START, START + day),
        store.taken(ANNA, START, START + day),
        store.learned("server", START),
        store.links(REPO, [one]),
        store.followed_up(DAILY.place, EPOCH),
        store.is_muted(Place("slack", "C1", "两")),
        store.unsettled(),
    ]


def test_all_moves_there_and_back_and_answers_as_before(
    server: Postgres, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, there, back = tmp_path / "digest.db", server.address(server.fresh()), tmp_path / "back.db"
    with closing(SqliteStore(first)) as store:
        lived_in(store, tmp_path)
        known, old = answers(store), store.counts()
    EncryptedInstallations(first, "client", fernet(KEY)).save(installation("T1", "U1"))
    parts.move(str(first), there.get_secret_value())
    parts.move(there.get_secret_value(), str(back))
    installations = PostgresInstallations(there, "client", fernet(KEY))
    with closing(installations.server), closing(PostgresStore(there)) as middle, closing(SqliteStore(back)) as last:
        assert installations.find_bot(team_id="T1").bot_token == "xoxb-T1"
        for store in (middle, last):
            assert answers(store) == known
            new = store.counts()
            assert {**new, "claims": 1, "bytes": 0} == {**old, "bytes": 0}
            store.count_in(tmp_path / "counts")
            assert store.begin(START) is (store is last), "the same database; what the one before went on with it lacks"
            assert store.subscribe(replace(DAILY, branch="new")).id == 5
            assert store.plan(delivery(5), 0).id == 23
            store.keep_commits([commit(1, subject="Changed")])
            assert shas(store.search("changed", [REPO], 9)) == [commit(1).sha]
            assert commit(1).sha not in shas(store.search("登录", [REPO], 999))
    assert EncryptedInstallations(back, "client", fernet(KEY)).find_bot(team_id="T1").bot_token == "xoxb-T1"


def test_a_row_that_does_not_arrive_leaves_the_new_database_empty(
    server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, name = tmp_path / "digest.db", server.fresh()
    target = server.address(name, password=PASSWORD).get_secret_value()
    with closing(SqliteStore(path)) as store:
        lived_in(store, tmp_path)
    fill = _PostgresSide.fill
    with monkeypatch.context() as broken:
        broken.setattr(_PostgresSide, "fill", lambda side, table, rows: fill(side, table, list(rows)[:-1]))
        failed = CliRunner().invoke(cli, ["move", str(path), target])
    assert (failed.exit_code, "differs after copying" in failed.output) == (1, True)
    assert server.sql("SELECT (SELECT count(*) FROM commits), (SELECT count(*) FROM memory)", name) == [(0, 1)]
    moved = CliRunner().invoke(cli, ["move", str(path), target])
    assert moved.exit_code == 0
    assert "DIGEST_DATABASE" in moved.output
    again = CliRunner().invoke(cli, ["move", str(path), target])
    missing = CliRunner().invoke(cli, ["move", str(tmp_path / "none.db"), target])
    assert again.exit_code == missing.exit_code == 2
    assert "untouched" in again.output
    assert "s3cr" not in failed.output + moved.output + again.output
