"""Copies of the database while it is used, putting one back, and making it smaller: with real processes and files."""

import os
import shutil
import sqlite3
import stat
import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import forkserver
import pytest
import typed
from service import ROOT
from store_contract import ANALYSIS, DAILY, OTHER, START, commit, delivery, digest

from adapters.sources.git import fetching
from adapters.sources.git.remote import parse
from adapters.sources.git.source import GitSource
from adapters.stores.sqlite import SqliteStore
from bot.commits.hosts import Hosts
from bot.conversation import operator
from bot.errors import StoreError, Unavailable
from bot.values import AnalysisKey, DeliveryState, Place

REPO = commit(0).repo


@pytest.fixture
def path(tmp_path):
    return tmp_path / "digest.db"


@pytest.fixture
def store(path):
    with closing(SqliteStore(path)) as opened:
        yield opened


def run(folder, *words, how=typed.run):
    """A command on the database of a folder."""
    return how(*words, cwd=folder, HOME=str(folder), DIGEST_DATABASE=str(folder / "digest.db"))


def many(store, number, repo=REPO):
    """Commits with something to find and to weigh, and a digest of them."""
    made = [replace(commit(n), repo=repo, body=f"body {'word ' * 200}{n}") for n in range(number)]
    store.keep_commits(made)
    for each in made[:50]:
        store.keep_analysis(AnalysisKey(repo, each.sha, "p", "m", "en"), ANALYSIS)
    store.keep_digest(
        f"key-{repo}", replace(digest(*made[:20]), repository=replace(digest().repository, name=repo)), START
    )
    return made


# --- Backup and restore ------------------------------------------------------------------------


def test_a_backup_is_whole_while_others_write_and_only_its_owner_may_read_it(store, path, tmp_path):
    ended, written = threading.Event(), []

    def write():
        with closing(SqliteStore(path)) as own:
            subscription, last = own.subscribe(DAILY), 0
            for n in count():
                if ended.wait(0.002):  # there are others who need the processor
                    return
                made = own.plan(delivery(subscription.id, until=START + timedelta(days=n + 1)), last)
                own.keep_delivery(replace(made, state=DeliveryState.DONE))
                last = made.id
                written.append(n)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for n in range(5):
            while len(written) < 20 * (n + 1):
                assert writer.is_alive()
                ended.wait(0.002)
            done = run(tmp_path, "backup", f"kept-{n}.db", how=typed.process)
            assert (done.returncode, done.stderr) == (0, "")
    finally:
        ended.set()
        writer.join()
    counted = []
    for n in range(5):
        kept = tmp_path / f"kept-{n}.db"
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        with closing(sqlite3.connect(kept)) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            due = db.execute("SELECT count(*) FROM deliveries WHERE state = 'due'").fetchone()[0]
            counted.append(db.execute("SELECT max(id) FROM deliveries").fetchone()[0])
        assert due <= 1
    assert counted == sorted(counted)
    assert counted[0] >= 20
    left = {each.name for each in tmp_path.iterdir() if "kept" in each.name}
    assert left == {f"kept-{n}.db" for n in range(5)}


def test_a_backup_that_cannot_be_written_says_where(tmp_path, store):
    done = run(tmp_path, "backup", "missing/kept.db")
    assert done.returncode == 1
    assert "kept.db" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_restore_keeps_the_old_database_and_marks_the_new_one(tmp_path, path):
    with closing(SqliteStore(path)) as store:
        store.subscribe(DAILY)
    assert run(tmp_path, "backup", "kept.db").returncode == 0
    with closing(SqliteStore(path)) as store:
        store.subscribe(replace(DAILY, repo=OTHER))
    done = run(tmp_path, "restore", "kept.db", how=typed.process)
    assert (done.returncode, done.stderr) == (0, "")
    (aside,) = tmp_path.glob("digest.db.before-*")
    assert str(aside) in done.stdout
    with closing(SqliteStore(aside)) as old, closing(SqliteStore(path)) as new:
        assert [len(each.subscriptions()) for each in (old, new)] == [2, 1]
        assert not old.begin(START)
        assert new.begin(START)
        assert [*new.unsettled()] == [DAILY.place]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


HOLD = (
    "import sys; from pathlib import Path; from adapters.stores.sqlite import SqliteStore\n"
    "store = SqliteStore(Path(sys.argv[1])); store.counts(); print('open', flush=True); sys.stdin.read()"
)


def test_a_restore_is_refused_while_a_process_has_the_database_open(tmp_path, path):
    with closing(SqliteStore(path)) as store:
        store.subscribe(DAILY)
    assert run(tmp_path, "backup", "kept.db").returncode == 0
    told = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = dict.fromkeys(("stdin", "stdout"), forkserver.PIPE)
    with forkserver.start("-c", HOLD, str(path), env=told, **pipes) as other:
        assert other.stdout.readline() == "open\n"
        done = run(tmp_path, "restore", "kept.db")
        other.stdin.close()
    assert done.returncode == 1
    assert "Stop `digest run`" in done.stderr
    assert not [*tmp_path.glob("digest.db.before-*")]
    with closing(SqliteStore(path)) as store:
        assert not store.begin(START)
    assert run(tmp_path, "restore", "kept.db").returncode == 0


def test_a_damaged_database_is_put_aside_too(tmp_path, path):
    with closing(SqliteStore(path)) as store:
        store.subscribe(DAILY)
    assert run(tmp_path, "backup", "kept.db").returncode == 0
    path.write_bytes(b"garbage" * 1_000)
    path.with_name("digest.db-wal").write_bytes(b"more of it")
    assert run(tmp_path, "restore", "kept.db").returncode == 0
    assert len([*tmp_path.glob("digest.db.before-*")]) == 2
    with closing(SqliteStore(path)) as store:
        assert len(store.subscriptions()) == 1


@pytest.mark.parametrize("content", [b"no database" * 500, b"", None])
def test_what_is_no_backup_is_refused_and_nothing_is_changed(tmp_path, path, content):
    with closing(SqliteStore(path)) as store:
        store.subscribe(DAILY)
    if content is not None:
        (tmp_path / "kept.db").write_bytes(content)
    else:
        with closing(sqlite3.connect(tmp_path / "kept.db")) as db:
            db.execute("CREATE TABLE somebody_elses (a)")
    done = run(tmp_path, "restore", "kept.db")
    assert done.returncode == 1
    assert "kept.db does not exist, or is not a complete backup" in done.stderr
    assert not [each for each in tmp_path.iterdir() if "before" in each.name or each.name.startswith(".digest")]
    with closing(SqliteStore(path)) as store:
        assert len(store.subscriptions()) == 1
        assert not store.begin(START)


def test_a_plain_copy_of_a_file_in_use_is_no_backup(store, path, tmp_path):
    """What docs/backup.md says: the log beside the file holds what was written last."""
    store.subscribe(DAILY)
    shutil.copy(path, tmp_path / "copy.db")
    with closing(sqlite3.connect(tmp_path / "copy.db")) as db:
        try:
            found = db.execute("SELECT count(*) FROM subscriptions").fetchone()[0]
        except sqlite3.OperationalError:  # not even the tables
            found = 0
    assert found == 0
    store.back_up(tmp_path / "kept.db")
    with closing(SqliteStore(tmp_path / "kept.db")) as kept:
        assert len(kept.subscriptions()) == 1


# --- Forgetting --------------------------------------------------------------------------------


def rows(path, table):
    with closing(sqlite3.connect(path)) as db:
        return db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_a_repository_is_forgotten_with_all_that_was_kept_and_the_space_comes_back(store, path, tmp_path):
    store.subscribe(replace(DAILY, repo=REPO))
    store.subscribe(replace(DAILY, repo=OTHER))
    many(store, 2_000)
    others = many(store, 20, OTHER)
    before = store.counts()["bytes"]
    store.close()
    done = run(tmp_path, "forget", REPO.upper() if "/" in REPO else REPO)
    assert (done.returncode, done.stderr) == (0, "")
    with closing(SqliteStore(path)) as again:
        counts = again.counts()
        assert counts["bytes"] < before / 5
        assert (counts["commits"], counts["digests"], counts["subscriptions"]) == (20, 1, 1)
        assert again.search("body", [OTHER], 5)
        assert not again.search("body", [REPO], 5)
        assert again.commits_by_sha(OTHER, others[0].sha)
        with again._file.writing() as db:
            db.execute("INSERT INTO words (words) VALUES ('integrity-check')")
    done = run(tmp_path, "forget", REPO)
    assert done.returncode == 1
    assert "Nothing is stored" in done.stderr


def test_a_file_of_an_earlier_version_gives_its_space_back_too(tmp_path):
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as db:  # made by a version that did not choose
        db.execute("PRAGMA auto_vacuum = NONE")
        db.execute("VACUUM")
        db.execute("CREATE TABLE x (a)")
        db.execute("DROP TABLE x")
    with closing(SqliteStore(path)) as store:
        many(store, 1_000)
        before = store.counts()["bytes"]
        assert store.forget_repository(REPO)
        store.compact()
        assert store.counts()["bytes"] < before / 5


def test_deliveries_go_on_while_much_is_forgotten(store, path):
    many(store, 1_000)
    subscription, ended = store.subscribe(DAILY), threading.Event()
    waited = []

    def deliver():
        with closing(SqliteStore(path, busy_timeout=1)) as own:
            last, n = 0, 0
            while not ended.wait(0.05):
                n += 1
                begun = datetime.now(UTC)
                made = own.plan(delivery(subscription.id, until=START + timedelta(days=n)), last)
                own.keep_delivery(replace(made, state=DeliveryState.DONE))
                waited.append((datetime.now(UTC) - begun).total_seconds())
                last = made.id

    thread = threading.Thread(target=deliver)
    thread.start()
    try:
        store.retain(datetime(2100, 1, 1, tzinfo=UTC), [])
        store.compact()
    finally:
        ended.set()
        thread.join()
    assert rows(path, "commits") == 0
    assert len(waited) > 3
    assert max(waited) < 3


def test_a_person_is_forgotten(store, path, tmp_path):
    direct = store.subscribe(replace(DAILY, place=Place("feishu", "ou_1")))
    store.subscribe(DAILY)
    with closing(sqlite3.connect(path)) as db:  # as slack_sdk keeps who installed the app
        db.execute("CREATE TABLE slack_installations (id INTEGER, user_id TEXT, user_token TEXT)")
        db.executemany("INSERT INTO slack_installations VALUES (?, ?, 'xoxp')", [(1, "U1"), (2, "U2"), (3, "")])
        db.commit()
    assert run(tmp_path, "forget", "slack:T1/U1").returncode == 0
    assert run(tmp_path, "forget", "feishu:ou_1").returncode == 0
    assert run(tmp_path, "forget", "feishu:ou_1").returncode == 1
    assert rows(path, "slack_installations") == 2
    assert direct.id not in {s.id for s in store.subscriptions()}
    assert len(store.subscriptions()) == 1


def test_what_nobody_follows_is_kept_for_so_many_days(store, path):
    many(store, 300)
    many(store, 300, OTHER)
    long_after = START + timedelta(days=5_000)
    assert store.retain(START - timedelta(days=1), []) == 0
    assert store.retain(long_after, [REPO, OTHER.upper()]) == 0
    before = store.counts()["bytes"]
    assert store.retain(long_after, [OTHER]) == 1
    store.compact()
    assert store.counts()["bytes"] < before
    assert not store.commits_by_sha(REPO, commit(1).sha)
    assert store.commits_by_sha(OTHER, commit(1).sha)
    assert store.retain(long_after, [OTHER]) == 0


# --- A full disk -------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["fatal: write error: No space left on device", "error: Disk quota exceeded"])
def test_a_clone_on_a_full_disk_says_so(said):
    assert fetching.error(said, parse("https://a.example/x", Hosts())).key == "clone_disk_full"


def test_a_folder_on_a_full_disk_says_so(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetching.Clone, "fetch", full)
    with pytest.raises(Unavailable, match="clone_disk_full"):
        GitSource(tmp_path / "clones").repository("https://a.example/x")


def test_a_disk_that_is_full_makes_the_bot_unready_and_doctor_names_it(store, monkeypatch):
    assert operator.unready(store) == ""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 100))
    assert "disk" in operator.unready(store)


def test_a_log_that_finds_no_room_is_told_as_a_full_disk(store, path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 100))
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    with pytest.raises(StoreError, match="database_full"), store._file.reading():
        raise error
