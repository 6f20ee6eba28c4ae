"""The SQLite store: the contract, and what only a file can do: be damaged, foreign, newer, full, shared or killed."""

from __future__ import annotations

import errno
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import forkserver
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from make import spend
from service import ROOT
from sqlite_utils import Database, Migrations
from store_contract import DAILY, REPO, START, StoreContract, commit, digest, examples, planned, shas

from adapters.stores.packing import packed
from adapters.stores.rows import DELIVERIES, instant
from adapters.stores.sqlite import SqliteStore, from_settings
from adapters.stores.sqlite.file import CHECKED_BYTES, SqliteFile
from adapters.stores.sqlite.keeping import keep_before, restore
from adapters.stores.sqlite.schema import MIGRATIONS
from bot import __version__
from bot.errors import StoreError, Unavailable
from bot.settings import Settings
from bot.values import Analysis, AnalysisKey, DeliveryState, FileChange, Spending, Step, StepState, Usage


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "digest.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(path)) as store:
        yield store


@pytest.fixture
def filled(path: Path) -> Path:
    """A closed database with commits in it, too large for one page to hold them."""
    with closing(SqliteStore(path)) as store:
        store.keep_commits(commit(n, body="A body. " * 50) for n in range(300))
    return path


class TestSqliteStore(StoreContract):
    @pytest.fixture
    def reopen(self, store: SqliteStore, path: Path) -> Iterator[Callable[[], SqliteStore]]:
        opened: list[SqliteStore] = []

        def again() -> SqliteStore:
            store.close()
            opened.append(SqliteStore(path))
            return opened[-1]

        yield again
        for each in opened:
            each.close()


# --- What SQLite itself holds ----------------------------------------------------------------


def test_nul_is_kept_and_a_lone_surrogate_becomes_a_replacement_character(store: SqliteStore) -> None:
    odd = commit(1, subject="a\0b \udc80", login="\ud800", files=(FileChange("x\udfff\0"),))
    store.keep_commits([odd])
    kept = store.commits_by_sha(REPO, odd.sha)[0]
    assert (kept.subject, kept.login, kept.files) == ("a\0b \ufffd", "\ufffd", (FileChange("x\ufffd\0"),))
    store.keep_digest("k\udc80", digest(odd), START)
    again = store.digest("k\udc80")
    assert again == digest(kept)


@given(text=st.text(st.characters(codec=None), max_size=20))
@example(text="\ud800")
@example(text="a\0b")
@examples
def test_any_text_is_kept_but_for_surrogates(store: SqliteStore, text: str) -> None:
    replaced = "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text)
    store.keep_commits([commit(1, repo=text, subject=text)])
    assert store.commits_by_sha(text, commit(1).sha) == (commit(1, repo=text, subject=replaced),)
    store.keep_analysis(AnalysisKey(text, commit(1).sha, text, text, text), Analysis(text))
    assert store.analysis(AnalysisKey(text, commit(1).sha, text, text, text)) == Analysis(replaced)


def test_a_number_beyond_64_bits_is_kept_as_the_nearest(store: SqliteStore) -> None:
    store.keep_commits([commit(1, pull=10**30)])
    assert store.commits_by_sha(REPO, commit(1).sha)[0].pull == 2**63 - 1


def test_look_ups_are_ranges_of_an_index(store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    execute = Database.execute

    def remember(db: Database, sql: str, parameters: object = None) -> sqlite3.Cursor:
        asked.append((sql, parameters))
        return execute(db, sql, parameters)

    monkeypatch.setattr(Database, "execute", remember)
    store.commits_by_sha(REPO, "ab12")
    store.commits_by_pull(REPO, 5)
    with closing(sqlite3.connect(path)) as connection:
        plans = [str(connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()) for sql, values in asked]
    assert "(repo=? AND sha>? AND sha<?)" in plans[0]
    assert "USING INDEX commits_by_pull (repo=? AND pull=?)" in plans[1]
    assert not any("SCAN" in plan or "TEMP B-TREE FOR ORDER BY" in plan for plan in plans[1:])


def test_replacing_commits_and_analyses_leaves_nothing_in_the_index(store: SqliteStore, path: Path) -> None:
    store.keep_commits([commit(1, subject="Alpha 登录 CancelToken"), commit(2)])
    for text in ("Beta", "贝塔 HttpServer", "Gamma"):
        store.keep_analysis(AnalysisKey(REPO, commit(1).sha, "p", "m", "en"), Analysis(text))
        store.keep_commits([commit(1, subject=text)])
    store.keep_analysis(AnalysisKey(REPO, commit(1).sha, "p", "m", "en"), Analysis("last"))
    store.keep_commits([commit(1, subject="last")])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE VIRTUAL TABLE temp.terms USING fts5vocab('main', 'words', 'row')")
        terms = {term for (term,) in connection.execute("SELECT term FROM temp.terms")}
        connection.execute("INSERT INTO words (words) VALUES ('integrity-check')")
    assert terms == {"§1", "last", "change", "number", "2"}


# --- Durability and transactions -------------------------------------------------------------


def test_every_connection_is_set_up_for_sharing_and_durability(
    path: Path, databases: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.stores.sqlite.file._Connection.of", databases)  # as it is for everybody but tests
    with closing(SqliteStore(path)) as store, store._file.reading() as db:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        assert [db.execute(f"PRAGMA {name}").fetchone()[0] for name in names] == ["wal", 2, 1, 10_000]


def test_a_digest_that_fails_halfway_leaves_nothing(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(SqliteStore, "_index_analyses", fail)
    with pytest.raises(RuntimeError):
        store.keep_digest("k", digest(commit(1)), START)
    assert store.digest("k") is None
    assert store.search("change", [REPO], 1) == ()
    assert {name for name, rows in store.counts().items() if rows} == {"bytes"}


def test_a_writer_that_waits_too_long_is_told_that_the_database_is_busy(store: SqliteStore, path: Path) -> None:
    with (
        closing(SqliteStore(path, busy_timeout=0.01)) as impatient,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable) as refused:
            impatient.claim("k", "one", START, START)
        assert (refused.value.key, refused.value.fields) == ("database_busy", {"path": str(path)})
        assert impatient.commits_by_sha(REPO, "a") == ()
        other.execute("ROLLBACK")
        assert impatient.claim("k", "one", START, START)


def test_a_full_disk_is_told_and_leaves_what_was_kept(store: SqliteStore) -> None:
    store.keep_commits([commit(1)])
    with store._file.reading() as db:
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StoreError, match="database_full"):
        store.keep_commits([commit(2, body="long " * 10_000)])
    assert store.commits_by_sha(REPO, "000000") == (commit(1),)


def test_a_failing_disk_is_told_and_leaves_what_was_kept(store: SqliteStore, path: Path) -> None:
    store.keep_commits([commit(1)])
    with file_size_limit(200_000), pytest.raises(StoreError) as refused:
        store.keep_commits([commit(2, body="long " * 100_000)])
    assert refused.value.key in {"database_failed", "database_full"}
    assert refused.value.fields["path"] == str(path)
    store.keep_commits([commit(3)])
    assert store.search("change", [REPO], 9) == (commit(3), commit(1))


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Writes beyond `size` bytes of a file fail, as those to a failing disk do (Python ignores the signal)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_connections_of_ended_threads_are_closed(store: SqliteStore) -> None:
    for _ in range(5):
        thread = threading.Thread(target=store.counts)
        thread.start()
        thread.join()
    assert len(store._file._open) == 2
    store.counts()


def test_a_closed_store_says_so_in_every_thread(store: SqliteStore, path: Path) -> None:
    store.counts()
    store.close()
    for call in (store.counts, lambda: store.claim("k", "one", START, START)):
        with pytest.raises(StoreError, match="database_closed"):
            call()
    assert [each.name for each in path.parent.glob("digest.db*")] == ["digest.db"]


def test_closing_while_threads_are_at_work_ends_each_with_an_error(path: Path) -> None:
    def work(store: SqliteStore, begun: threading.Event) -> str:
        try:
            while True:
                store.search("change", [REPO], 300)
                store.claim("k", "one", START, START)
                begun.set()
        except StoreError as error:
            return error.key

    with closing(SqliteStore(path)) as store:
        store.keep_commits(commit(n) for n in range(300))
    for _ in range(5):
        store = SqliteStore(path)
        begun = [threading.Event() for _ in range(3)]
        with ThreadPoolExecutor(3) as pool:
            ends = [pool.submit(work, store, each) for each in begun]
            for each in begun:
                each.wait()
            store.close()
        assert [end.result() for end in ends] == ["database_closed"] * 3


# --- Files that cannot be used ---------------------------------------------------------------


def refused(path: Path, key: str) -> StoreError:
    """The error with which the file is refused; asserts that no byte of it changed and nothing was left beside it."""
    before = path.read_bytes() if path.is_file() else None
    beside = set(path.parent.iterdir())
    with pytest.raises(StoreError) as caught:
        SqliteStore(path)
    assert (caught.value.key, caught.value.fields["path"]) == (key, str(path))
    assert (path.read_bytes() if path.is_file() else None) == before
    assert set(path.parent.iterdir()) == beside
    return caught.value


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "digest.db"
    SqliteStore(path).close()
    assert path.is_file()


def test_an_empty_file_is_a_new_database(path: Path) -> None:
    path.touch()
    with closing(SqliteStore(path)) as store:
        store.keep_commits([commit(1)])


@pytest.mark.parametrize("content", [b"This is a text of some length, no database.\n" * 100, b"\0" * 5000, b"\n"])
def test_a_file_that_is_no_database_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    refused(path, "database_invalid")


def test_the_database_of_another_program_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE cookies (name TEXT)")
    refused(path, "database_foreign")


def test_a_folder_in_the_databases_place_is_refused(path: Path) -> None:
    path.mkdir()
    refused(path, "database_not_a_file")


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(StoreError, match="database_folder"):
        SqliteStore(tmp_path / "file" / "digest.db")
    assert (tmp_path / "file").read_bytes() == b"mine"


@pytest.mark.parametrize("pages", [1, 2, -1])
def test_a_truncated_database_is_refused(filled: Path, pages: int) -> None:
    content = filled.read_bytes()
    filled.write_bytes(content[: pages * 4096])
    refused(filled, "database_damaged")


def test_a_database_with_a_page_of_garbage_is_refused(filled: Path) -> None:
    content = bytearray(filled.read_bytes())
    with closing(sqlite3.connect(filled)) as connection:
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'commits'").fetchone()[0]
    content[(page - 1) * 4096 : page * 4096] = b"\xa5" * 4096
    filled.write_bytes(content)
    refused(filled, "database_damaged")


def test_damage_that_opening_did_not_look_for_is_told_when_it_is_met(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.stores.sqlite.file.CHECKED_BYTES", 0)
    with closing(sqlite3.connect(filled)) as connection:
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'commits'").fetchone()[0]
    content = bytearray(filled.read_bytes())
    content[(page - 1) * 4096 : page * 4096] = b"\xa5" * 4096
    filled.write_bytes(content)
    with closing(SqliteStore(filled)) as store, pytest.raises(StoreError, match="database_damaged"):
        store.commits_by_sha(REPO, "00000")


def test_json_that_no_version_wrote_is_none(store: SqliteStore, path: Path) -> None:
    store.keep_digest("k", digest(commit(1)), START)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE digests SET packed = ?", (packed("{}"),))
        connection.execute("UPDATE commits SET packed = x'01ff'")
    assert store.digest("k") is None
    assert store.commits_by_sha(REPO, commit(1).sha) == ()
    assert [(row.table, row.key) for row in store.unreadable()] == [("digests", "k")]
    store.keep_digest("k", digest(commit(1)), START)
    assert store.digest("k") == digest(commit(1))
    assert store.commits_by_sha(REPO, commit(1).sha) == (commit(1),)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter; those of pytest are its own user's."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)


@pytest.mark.parametrize(
    ("file_mode", "folder_mode", "told"),
    [
        (0o444, 0o777, "database_no_access"),
        (0o222, 0o777, "database_no_access"),
        (0o666, 0o555, "database_no_access"),
        (0o666, 0o777, ""),
    ],
)
def test_a_file_or_folder_without_the_needed_rights_is_refused(
    filled: Path, open_folder: Path, file_mode: int, folder_mode: int, told: str
) -> None:
    path = open_folder / "digest.db"
    path.write_bytes(filled.read_bytes())
    path.chmod(file_mode)
    open_folder.chmod(folder_mode)
    assert as_ordinary_user(path) == (f"{told} path={path}" if told else "")
    path.chmod(0o666)
    assert path.read_bytes() == filled.read_bytes()


def as_ordinary_user(path: Path) -> str:
    """What a process without special rights says when it opens `path`; the administrator may write to any file."""
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom adapters.stores.sqlite import SqliteStore\n"
        "os.chdir(Path(sys.argv[1]).parent)\nif os.geteuid() == 0: os.setuid(65534)\n"
        "try: SqliteStore(Path(sys.argv[1])).close()\nexcept Exception as error: print(error)"
    )
    return subprocess.run(
        [sys.executable, "-c", script, path], capture_output=True, text=True, check=True
    ).stdout.strip()


# --- Versions --------------------------------------------------------------------------------


def first_migrations(count: int) -> Migrations:
    """The migrations of an earlier version, which knew the first `count` of today's."""
    earlier = Migrations(MIGRATIONS.name)
    with Database(memory=True) as empty:
        for migration in MIGRATIONS.pending(empty)[:count]:
            earlier(name=migration.name)(migration.fn)
    return earlier


def test_a_database_of_a_later_version_is_refused(filled: Path) -> None:
    with closing(sqlite3.connect(filled)) as connection, connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, 'from_the_future', '')",
            [MIGRATIONS.name],
        )
    refused(filled, "database_newer")


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_a_database_of_an_earlier_version_is_brought_up_to_date(path: Path, count: int) -> None:
    SqliteFile(path, 1, first_migrations(count)).close()
    with closing(SqliteStore(path)) as store:
        store.keep_digest("k", digest(commit(1)), START)
        assert store.search("replay", [REPO], 1) == (commit(1),)
        assert store.claim("k", "one", START, START)


def test_what_was_taken_before_cached_tokens_were_kept_had_none(path: Path) -> None:
    earlier = SqliteFile(path, 1, first_migrations(13))
    with earlier.writing() as db:
        db.execute(
            "INSERT INTO usage (at, model, purpose, prompt, completion, requests, stated) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (instant(START), "m", "analysis.v1", 900, 70, 3, 2),
        )
    earlier.close()
    with closing(SqliteStore(path)) as store:
        spend(store, Usage("m", 10, 1, 1, cached=8), "analysis.v1", START)
        (spent,) = store.usage(START, START + timedelta(days=1))
    assert spent == Spending("m", "analysis.v1", 910, 71, 4, 2, 0, 8)


def test_a_migration_that_fails_changes_nothing(filled: Path) -> None:
    failing = first_migrations(99)
    failing(name="adds")(lambda db: db.table("more").create({"id": int}))
    failing(name="fails")(lambda db: db.execute("INSERT INTO nowhere VALUES (1)"))
    before = filled.read_bytes()
    with pytest.raises(StoreError, match="database_failed"):
        SqliteFile(filled, 1, failing)
    assert filled.read_bytes() == before
    SqliteStore(filled).close()


def copies(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir() if ".before-" in file.name)


def test_what_an_earlier_version_kept_is_copied_before_it_is_changed(path: Path) -> None:
    earlier = SqliteFile(path, 1, first_migrations(13))
    with earlier.writing() as db:
        db.execute("INSERT INTO repositories (name) VALUES ('acme/rocket')")  # only in the write-ahead log as yet
    SqliteStore(path).close()
    earlier.close()
    name = f"{path.name}.before-{__version__}"
    assert copies(path) == [name]
    assert (path.parent / name).stat().st_mode & 0o777 == 0o600
    again = SqliteFile(path.parent / name, 1, first_migrations(13))
    with again.reading() as db:
        assert db.execute("SELECT name FROM repositories").fetchall() == [("acme/rocket",)]
    again.close()
    with closing(sqlite3.connect(path)) as connection, connection:  # as one more change of the same version
        connection.execute("DELETE FROM _sqlite_migrations WHERE name = 'learned'")
        connection.execute("DROP TABLE learned")
    SqliteStore(path).close()
    assert copies(path) == [name, f"{name}-2"]


def test_nothing_is_copied_where_nothing_is_changed(path: Path) -> None:
    SqliteStore(path).close()
    SqliteStore(path).close()
    assert copies(path) == []


def test_a_change_that_fails_leaves_no_copy_at_every_start(filled: Path) -> None:
    failing = first_migrations(99)
    failing(name="fails")(lambda db: db.execute("INSERT INTO nowhere VALUES (1)"))
    with pytest.raises(StoreError, match="database_failed"):
        SqliteFile(filled, 1, failing, before_change=keep_before)
    assert copies(filled) == []


def test_without_room_for_the_copy_nothing_is_changed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SqliteFile(path, 1, first_migrations(13)).close()
    before = path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "mkstemp", full)
    with pytest.raises(StoreError, match="file_unwritable"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_who_goes_back_puts_the_copy_in_the_place_of_what_is_refused(path: Path) -> None:
    SqliteFile(path, 1, first_migrations(13)).close()
    SqliteStore(path).close()
    (copy,) = copies(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE _sqlite_migrations SET name = 'from_the_future' WHERE name = 'learned'")
    refused(path, "database_newer")
    aside = restore(path, path.parent / copy, START)
    with closing(SqliteStore(path)) as store:
        assert store.begin(START)  # as after any restore: the channels are looked into first
    assert aside is not None
    refused(aside, "database_newer")


def test_opening_a_database_that_is_up_to_date_changes_nothing(filled: Path) -> None:
    before = filled.read_bytes()
    SqliteStore(filled).close()
    assert filled.read_bytes() == before
    assert len(before) < CHECKED_BYTES


def test_the_settings_name_the_file(path: Path) -> None:
    with closing(from_settings(Settings(_env_file=None, digest_database=path))) as store:
        store.keep_commits([commit(1)])
    assert path.is_file()


def test_old_deliveries_are_forgotten_unless_they_are_still_due(store: SqliteStore) -> None:
    number, day = store.subscribe(DAILY).id, timedelta(days=1)
    first = last = planned(store, number)
    for n in range(1, DELIVERIES + 20):
        store.keep_delivery(replace(last, state=DeliveryState.FAILED, attempts=1))
        last = planned(store, number, last.id, until=START + (n + 1) * day)
        if n == 3:
            posted = (Step("headline", StepState.DONE, START, "t"),)
            assert store.reopen(replace(first, attempts=2, steps=posted))
    kept = store.deliveries(number)
    assert [d.id for d in kept[:DELIVERIES]] == list(range(last.id, last.id - DELIVERIES, -1))
    assert [d.id for d in kept[DELIVERIES:]] == [first.id]


# --- Several processes -----------------------------------------------------------------------

RACE = """
import sys
from datetime import timedelta
from pathlib import Path
from adapters.stores.sqlite import SqliteStore
sys.path.insert(0, sys.argv[3])
from store_contract import START
print("ready", flush=True)
sys.stdin.readline()
for n in range(20):
    SqliteStore(Path(sys.argv[1]) / f"{n}.db").close()
store = SqliteStore(Path(sys.argv[1]) / "race.db")
hour = timedelta(hours=1)
won = [n for n in range(60) if store.claim("slot", sys.argv[2], START + n * hour, START + (n + 1) * hour)]
store.close()
print(*won)
"""

WRITE = """
import sys
from pathlib import Path
from adapters.stores.sqlite import SqliteStore
sys.path.insert(0, sys.argv[3])
from dataclasses import replace
from store_contract import REPO, START, commit, digest
from bot.values import Step, StepState
store = SqliteStore(Path(sys.argv[1]))
for n in range(int(sys.argv[2]), 10_000):
    store.keep_digest(f"k{n}", digest(*(commit(n * 100 + i) for i in range(100))), START)
    store.keep_delivery(replace(store.delivery(1), steps=(Step(str(n), StepState.DONE, START),)))
    print(n, flush=True)
"""


def process(script: str, *arguments: object) -> forkserver.Process:
    words = ("-c", script, *map(str, arguments), str(Path(__file__).parent))
    return forkserver.start(*words, env={"PYTHONPATH": str(ROOT)}, stdin=forkserver.PIPE, stdout=forkserver.PIPE)


def test_processes_open_new_files_together_and_one_gets_the_lease_each_round(tmp_path: Path) -> None:
    racers = [process(RACE, tmp_path, name) for name in ("one", "two", "three")]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    won = [int(number) for racer in racers for number in racer.stdout.read().split()]
    for racer in racers:
        with racer:  # until it has ended
            pass
    assert [racer.returncode for racer in racers] == [0, 0, 0]
    assert sorted(won) == list(range(60))


def test_a_killed_writer_leaves_whole_digests_and_loses_nothing_it_kept(store: SqliteStore, path: Path) -> None:
    number = store.subscribe(DAILY).id
    made = planned(store, number)
    assert made.id == 1
    last = -1
    for _ in range(3):
        last = written_until_killed(path, last + 1)
        assert [step.key for step in store.deliveries(number)[0].steps] in ([str(last)], [str(last + 1)])
        assert store.digest(f"k{last}") == digest(*(commit(last * 100 + i) for i in range(100)))
        kept = store.counts()["digests"]
        assert kept in (last + 1, last + 2)
        assert store.counts()["commits"] == kept * 100
        assert len(store.search("change replay", [REPO], 10_000)) == kept * 100
        last = kept - 1
    store.keep_delivery(replace(made, steps=(Step("after", StepState.DONE, START),)))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.execute("INSERT INTO words (words) VALUES ('integrity-check')")
    assert shas(store.commits_by_sha(REPO, "0000000")) == [commit(0).sha]


def written_until_killed(path: Path, first: int) -> int:
    """Start a writer, kill it amid its third digest, and return the last digest it told to be kept."""
    with process(WRITE, path, first) as writer:
        for _ in range(2):
            last = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
        writer.stdin.close()
        return max([last, *map(int, writer.stdout.read().split())])
