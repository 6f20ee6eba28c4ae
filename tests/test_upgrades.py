"""Databases that earlier versions wrote: each opens with all that it holds, and a copy of it stays as it was.

`tests/data/databases` holds one of each milestone that changed the tables, made by that version's own code: the digest
of a day of three commits in /tmp/app, and a subscription.
"""

import gzip
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlite_utils import Database

from adapters.stores.sqlite import SqliteStore
from adapters.stores.sqlite.keeping import restore
from adapters.stores.sqlite.schema import MIGRATIONS
from bot import __version__

KEPT = sorted((Path(__file__).parent / "data" / "databases").glob("*.db.gz"))
REPO = "/tmp/app"
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
SUBJECTS = {"feat: a service that runs (#1)", "fix: the replay of old events (#2)", "docs: how to start"}


@pytest.fixture(params=KEPT, ids=lambda file: file.name.partition(".")[0])
def database(request, tmp_path) -> Path:
    path = tmp_path / "digest.db"
    path.write_bytes(gzip.decompress(request.param.read_bytes()))
    return path


def test_there_are_databases_of_enough_milestones():
    assert len(KEPT) >= 8


def test_all_that_was_kept_is_there_after_the_upgrade(database):
    with closing(SqliteStore(database)) as store:
        assert store.unreadable() == ()
        (digest,) = store.recent_digests(REPO, "main", "en", 5)
        assert {entry.commit.subject for entry in digest.entries} == SUBJECTS
        assert {commit.subject for commit in store.search("replay", [REPO], 5)} == {
            "fix: the replay of old events (#2)"
        }
        (followed,) = store.subscriptions()
        assert (followed.repo, followed.schedule, followed.language) == (REPO, "7 9 * * mon-fri", "zh")


def lacks_tables(database: Path) -> bool:
    with Database(database) as db, db.atomic():
        return bool(MIGRATIONS.pending(db))


def test_the_copy_is_made_where_the_tables_change_and_can_take_its_place_again(database):
    changes = lacks_tables(database)
    SqliteStore(database).close()
    copy = database.with_name(f"digest.db.before-{__version__}")
    assert copy.exists() == changes
    if not changes:
        return
    kept = copy.read_bytes()
    assert lacks_tables(copy)
    assert restore(database, copy, NOW) is not None
    with closing(SqliteStore(database)) as store:
        assert store.counts()["commits"] == 3
        assert store.begin(NOW)  # the channels are looked into before anything is posted
    assert copy.read_bytes() == kept
