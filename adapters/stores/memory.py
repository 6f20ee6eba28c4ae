"""Detects a restored database: the tables `memory` and `unsettled`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from adapters.stores.due import changed
from adapters.stores.part import Part, Session
from adapters.stores.rows import delivery_columns, dump, instant, load, load_subscription, moment
from adapters.stores.twin import Twin
from bot.ports import Memory
from bot.values import Delivery, Place, Subscription


class MemoryPart(Part, Memory):
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
        def settle(db: Session) -> None:
            known = db.one("DELETE FROM unsettled WHERE place = ? RETURNING at", dump(place))
            for delivery in deliveries if known else ():  # if not, another process was first
                _put(db, delivery)

        self._counted(settle)

    def _forgot(self, db: Session, followed: Sequence[Subscription], now: datetime) -> bool:
        self._count(db)
        (forgot,) = db.one("SELECT restored FROM memory") or (0,)
        if forgot:
            _unsettle(db, followed, now)
            db.run("UPDATE memory SET restored = 0")
        return bool(forgot)


def _unsettle(db: Session, followed: Sequence[Subscription], now: datetime) -> None:
    """Mark all places with subscriptions: what was posted there last is unknown."""
    places = {dump(subscription.place) for subscription in followed}
    rows = [(place, instant(now)) for place in sorted(places)]
    db.run_each("INSERT INTO unsettled (place, at) VALUES (?, ?) ON CONFLICT DO NOTHING", rows)


def _put(db: Session, delivery: Delivery) -> None:
    """Store a delivery, new or not, and raise its fence. Without a subscription it is not stored."""
    number, until = delivery.subscription, instant(delivery.until)
    if not db.one("SELECT 1 FROM subscriptions WHERE id = ? FOR NO KEY UPDATE", number):
        return
    changed(db, number)
    query = "SELECT attempts FROM deliveries WHERE subscription = ? AND until = ? FOR NO KEY UPDATE"
    known = db.one(query, number, until)
    kept = replace(delivery, attempts=known[0] + 1) if known else delivery
    db.run(
        "INSERT INTO deliveries (subscription, until, state, attempts, retry, body) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (subscription, until) DO UPDATE SET state = excluded.state, retry = excluded.retry, "
        "attempts = excluded.attempts, body = excluded.body",
        *(number, until, *delivery_columns(kept)),
    )
