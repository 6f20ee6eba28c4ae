"""Whether the database is the one that was written last: the tables `memory` and `unsettled`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from sqlite_utils import Database

from adapters.stores.rows import bound, delivery_columns, dump, instant, load, load_subscription, moment
from adapters.stores.sqlite.file import Part
from adapters.stores.twin import Twin
from bot.ports import Memory
from bot.values import Delivery, Place, Subscription


class SqliteMemory(Part, Memory):
    """A `bot.ports.Memory`."""

    def count_in(self, folder: Path) -> None:
        self._file.twin = Twin(folder)

    def begin(self, now: datetime) -> bool:
        followed = self._read_each("subscriptions", load_subscription, "SELECT id, body FROM subscriptions")
        with self._file.counting() as db:
            (forgot,) = db.execute("SELECT restored FROM memory").fetchone()
            if forgot:
                _unsettle(db, followed, now)
                db.execute("UPDATE memory SET restored = 0")
        return bool(forgot)

    def unsettled(self) -> Mapping[Place, datetime]:
        query = "SELECT place, at FROM unsettled"
        found = self._read_each("unsettled", lambda place, at: (load(Place, place), moment(at)), query)
        return dict(found)

    def settle(self, place: Place, deliveries: Sequence[Delivery]) -> None:
        with self._file.counting() as db:
            known = db.execute("DELETE FROM unsettled WHERE place = ? RETURNING at", bound(dump(place))).fetchone()
            for delivery in deliveries if known else ():  # else another process was first
                _put(db, delivery)


def _unsettle(db: Database, followed: Sequence[Subscription], now: datetime) -> None:
    """Nobody knows what was posted last in the places that follow something."""
    places = {dump(subscription.place) for subscription in followed}
    rows = (bound(place, instant(now)) for place in sorted(places))
    db.conn.executemany("INSERT INTO unsettled (place, at) VALUES (?, ?) ON CONFLICT DO NOTHING", rows)


def _put(db: Database, delivery: Delivery) -> None:
    """Keep a delivery, a new one too, whoever works on it: it is overtaken. One without a subscription is not kept."""
    values = (delivery.subscription, instant(delivery.until), *delivery_columns(delivery))
    db.execute(
        "INSERT INTO deliveries (subscription, until, state, attempts, retry, body) "
        "SELECT ?, ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM subscriptions WHERE id = ?) "
        "ON CONFLICT (subscription, until) DO UPDATE SET state = excluded.state, retry = excluded.retry, "
        "attempts = attempts + 1, body = json_set(excluded.body, '$.attempts', attempts + 1)",
        bound(*values, delivery.subscription),
    )
