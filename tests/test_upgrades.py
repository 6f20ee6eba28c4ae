"""Databases that earlier versions wrote: each opens with all that it holds, and a copy of it stays as it was.

`tests/data/databases` holds one of each milestone that changed the tables, made by that version's own code: the digest
of a day of three commits in /tmp/app, and a subscription.
"""

import gzip
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import pytest
from sqlite_utils import Database

from adapters.stores.sqlite import SqliteStore
from adapters.stores.sqlite.keeping import restore
from adapters.stores.sqlite.schema import MIGRATIONS
from bot import __version__
from bot.conversation import operator
from bot.delivery import schedule
from bot.delivery.ledger import watermark
from bot.values import EPOCH, TOP, Filters, Place, Subscription

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


# --- What was followed means what it meant -------------------------------------------------------


def test_a_subscription_of_an_earlier_version_means_what_it_meant(database):
    with closing(SqliteStore(database)) as store:
        (kept,) = store.subscriptions()
    told = replace(kept, created=EPOCH, scheduled=EPOCH, id=0)
    # What came later is as it was: nothing is filtered, a thread has its replies, and says what became of commits.
    assert told == Subscription(Place("terminal", "here"), REPO, "7 9 * * mon-fri", "UTC", "zh")
    assert (told.filters, told.quiet, told.top, told.follow_ups) == (Filters(), False, TOP, True)
    assert moments(kept) == ["2026-12-01 09:07", "2026-12-02 09:07", "2026-12-03 09:07"]
    assert list(operator._followed([kept], NOW)) == []


ODD = {
    '"schedule":"0 9 * * 1-5"': "2026-12-01 09:00",
    '"schedule":"0 9 * * 0"': "2026-12-06 09:00",
    '"schedule":"0 9 * * 7"': "2026-12-06 09:00",
    '"schedule":"30 8 * * 5,sat"': "2026-12-04 08:30",
    '"schedule":"0 9 * * sun-thu"': "2026-12-01 09:00",
    '"schedule":"0 9 1 * *"': "2026-12-01 09:00",
    '"schedule":"0 9 * * mon","zone":"Asia/Shanghai"': "2026-12-07 01:00",
    # What was due otherwise than it says goes on, and is named; what cannot be done is named.
    '"schedule":"0 9 * * mon–fri"': "misread 2026-12-07 09:00",
    '"schedule":"0 9 1 * mon"': "misread 2027-02-01 09:00",
    '"schedule":"@daily"': "unsound",
    '"schedule":"9am"': "unsound",
    '"zone":"Mars/Base"': "unsound",
    '"language":"fr"': "unsound",
}
"""What earlier versions kept, or somebody wrote into the database, and when it was due first, or what doctor says."""


@pytest.mark.parametrize("written", ODD)
def test_whatever_was_kept_means_what_it_meant_or_is_named_by_the_doctor(tmp_path, written):
    path = tmp_path / "digest.db"
    path.write_bytes(gzip.decompress(KEPT[0].read_bytes()))
    with closing(sqlite3.connect(path)) as db, db:
        (body,) = db.execute("SELECT body FROM subscriptions").fetchone()
        changed = json.dumps(json.loads(body) | json.loads(f"{{{written}}}"), ensure_ascii=False)
        db.execute("UPDATE subscriptions SET body = ?", (changed,))
    with closing(SqliteStore(path)) as store:
        (kept,) = store.subscriptions()
    named = [finding.outcome for finding in operator._followed([kept], NOW)]
    due = moments(kept)[:1] if "unsound" not in named else []
    assert " ".join([*named, *due]) == ODD[written]


def moments(kept: Subscription) -> list[str]:
    """When the next digests of a subscription are due, in UTC."""
    slots = schedule.coming(kept.schedule, kept.zone, watermark(kept, None), NOW)
    return [f"{slot:%Y-%m-%d %H:%M}" for slot in islice(slots, 3)]
