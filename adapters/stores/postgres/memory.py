"""Whether the database is the one that was written last: the tables `memory` and `unsettled`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from adapters.postgres import Connection
from adapters.stores.postgres.cells import bound
from adapters.stores.postgres.part import Part
from adapters.stores.rows import delivery_columns, dump, instant, load, load_subscription, moment
from adapters.stores.twin import Twin
from bot.ports import Memory
from bot.values import Delivery, Place, Subscription


class PostgresMemory(Part, Memory):
    """A `bot.ports.Memory`."""

    def count_in(self, folder: Path) -> None:
        self._twin = Twin(folder)

    def begin(self, now: datetime) -> bool:
        followed = self._read_each("subscriptions", load_subscription, "SELECT id, body FROM subscriptions")
        return self._counted(lambda db: self._forgot(db, followed, now))

    def unsettled(self) -> Mapping[Place, datetime]:
        query = "SELECT place, at FROM unsettled"
        return dict(self._read_each("unsettled", lambda place, at: (load(Place, place), moment(at)), query))

    def settle(self, place: Place, deliveries: Sequence[Delivery]) -> None:
        def settle(db: Connection) -> None:
            known = db.execute("DELETE FROM unsettled WHERE place = %s RETURNING at", bound(dump(place))).fetchone()
            for delivery in deliveries if known else ():  # else another process was first
                _put(db, delivery)

        self._counted(settle)

    def _forgot(self, db: Connection, followed: Sequence[Subscription], now: datetime) -> bool:
        self._count(db)
        (forgot,) = db.execute("SELECT restored FROM memory").fetchone() or (0,)
        if forgot:
            _unsettle(db, followed, now)
            db.execute("UPDATE memory SET restored = 0")
        return bool(forgot)


def _unsettle(db: Connection, followed: Sequence[Subscription], now: datetime) -> None:
    """Nobody knows what was posted last in the places that follow something."""
    places = {dump(subscription.place) for subscription in followed}
    with db.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO unsettled (place, at) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            [bound(place, instant(now)) for place in sorted(places)],
        )


def _put(db: Connection, delivery: Delivery) -> None:
    """Keep a delivery, a new one too, whoever works on it: it is overtaken. One without a subscription is not kept."""
    number, until = bound(delivery.subscription, instant(delivery.until))
    if not db.execute("SELECT 1 FROM subscriptions WHERE id = %s FOR NO KEY UPDATE", (number,)).fetchone():
        return
    query = "SELECT attempts FROM deliveries WHERE subscription = %s AND until = %s FOR NO KEY UPDATE"
    known = db.execute(query, (number, until)).fetchone()
    kept = replace(delivery, attempts=known[0] + 1) if known else delivery
    db.execute(
        "INSERT INTO deliveries (subscription, until, state, attempts, retry, body) VALUES (%s, %s, %s, %s, %s, %s) "
        "ON CONFLICT (subscription, until) DO UPDATE SET state = excluded.state, retry = excluded.retry, "
        "attempts = excluded.attempts, body = excluded.body",
        bound(number, until, *delivery_columns(kept)),
    )
