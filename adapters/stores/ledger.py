"""Deliveries, and the commits that they reported: the tables `deliveries`, `told` and `told_commits`.

Planning locks the row of a subscription, and changing a delivery its row, until the transaction ends.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import LiteralString

from adapters.stores.aftermath import put_follow_ups
from adapters.stores.commits import repository_number
from adapters.stores.due import changed
from adapters.stores.packing import either
from adapters.stores.part import Part, Session, Value
from adapters.stores.rows import (
    DELIVERIES,
    delivery_columns,
    headline,
    instant,
    load_delivery,
    load_digest,
    load_subscription,
    reported_rows,
)
from bot.errors import LeaseLost, NotFound
from bot.ports import Ledger
from bot.values import Commit, Delivery, DeliveryState

_SETTLED_UNPOSTED = (DeliveryState.FAILED, DeliveryState.RESTORED)
_FOLLOWED = "SELECT body FROM subscriptions WHERE id = ? FOR NO KEY UPDATE"
_TOLD = "INSERT INTO told VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_TOLD_COMMITS = "INSERT INTO told_commits VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"


class LedgerPart(Part, Ledger):
    """A `bot.ports.Ledger`."""

    def plan(self, delivery: Delivery, last: int) -> Delivery | None:
        """Store a new delivery, see `bot.ports.Ledger`. Of settled ones the latest `DELIVERIES` are kept."""
        row = (delivery.subscription, instant(delivery.until), *delivery_columns(delivery))
        number = self._counted(lambda db: _planned(db, row, last))
        return replace(delivery, id=number) if number else None

    def keep_delivery(self, delivery: Delivery) -> None:
        self._counted(lambda db: _keep(db, delivery))

    def mark_delivered(self, delivery: Delivery, landed: Iterable[Commit]) -> None:
        rows = sorted({(delivery.subscription, c.sha, delivery.id, instant(c.committed)) for c in landed}, key=str)

        def mark(db: Session) -> None:
            _keep(db, delivery)
            db.run(
                "DELETE FROM told WHERE subscription = ? AND delivery < (SELECT min(id) FROM deliveries "
                "WHERE subscription = ?)",
                *(delivery.subscription, delivery.subscription),
            )
            db.run_each(_TOLD, rows)

        self._counted(mark)

    def retry_soon(self, subscription: int, retry: datetime, deadline: datetime) -> None:
        query = "SELECT id, body FROM deliveries WHERE subscription = ? AND state = 'due' FOR NO KEY UPDATE"

        def hasten(db: Session) -> None:
            for kept in (load_delivery(*row) for row in db.all(query, subscription)):
                _put(db, replace(kept, retry=retry, deadline=max(kept.deadline, deadline)))

        self._counted(hasten)

    def reopen(self, delivery: Delivery) -> bool:
        return self._counted(lambda db: _reopened(db, delivery))

    def delivery(self, number: int) -> Delivery:
        found = self._deliveries("WHERE id = ?", number)
        if not found:
            raise NotFound("delivery_unknown", id=number)
        return found[0]

    def deliveries(
        self, subscription: int | None = None, state: DeliveryState | None = None, limit: int = 1_000
    ) -> tuple[Delivery, ...]:
        wanted: dict[LiteralString, int | str | None] = {"subscription = ?": subscription, "state = ?": state}
        given = {condition: value for condition, value in wanted.items() if value is not None}
        where: LiteralString = f"WHERE {' AND '.join(given)}" if given else ""
        return self._deliveries(f"{where} ORDER BY id DESC LIMIT ?", *given.values(), max(limit, 0))

    def latest_deliveries(self) -> tuple[Delivery, ...]:
        return self._deliveries("WHERE id IN (SELECT max(id) FROM deliveries GROUP BY subscription)")

    def due_deliveries(self, now: datetime) -> tuple[Delivery, ...]:
        return self._deliveries("WHERE state = 'due' AND retry <= ? ORDER BY retry, id", instant(now))

    def delivery_states(self) -> dict[DeliveryState, int]:
        found: dict[str, int] = dict(self._read("SELECT state, count(*) FROM deliveries GROUP BY state"))
        return {state: found.get(state, 0) for state in DeliveryState}

    def delivered_shas(self, subscription: int, but: int) -> frozenset[str]:
        query: LiteralString = "SELECT sha FROM told WHERE subscription = ? AND delivery != ?"
        return frozenset(row[0] for row in self._read(query, subscription, but))

    def _deliveries(self, rest: LiteralString, *values: str | int) -> tuple[Delivery, ...]:
        return self._read_each("deliveries", load_delivery, f"SELECT id, body FROM deliveries {rest}", *values)  # noqa: S608  # constants


def _planned(db: Session, row: tuple[Value, ...], last: int) -> int | None:
    """Insert a delivery and return its ID; None if another process was first or the subscription is gone."""
    subscription, until = row[:2]
    if not db.one(_FOLLOWED, subscription):
        return None
    latest = "SELECT id, state FROM deliveries WHERE subscription = ? ORDER BY id DESC LIMIT 1"
    kept = db.one(latest, subscription) or (0, "")
    if kept[0] != last or kept[1] == DeliveryState.DUE:
        return None
    # A delivery of the same period was left by a wrong clock, when it was in the future.
    same = "DELETE FROM deliveries WHERE subscription = ? AND until = ? AND state != 'due'"
    db.run(same, subscription, until)
    made = db.one(
        "INSERT INTO deliveries (subscription, until, state, attempts, retry, body) VALUES (?, ?, ?, ?, ?, ?) "
        "RETURNING id",
        *row,
    )
    db.run(
        "DELETE FROM deliveries WHERE subscription = ? AND state != 'due' AND id <= "
        "(SELECT id FROM deliveries WHERE subscription = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
        *(subscription, subscription, DELIVERIES),
    )
    return made[0] if made else None


def _reopened(db: Session, delivery: Delivery) -> bool:
    db.one(_FOLLOWED, delivery.subscription)  # prevents planning a later one meanwhile
    kept = _state(db, delivery.id)
    if not kept or kept[0] not in _SETTLED_UNPOSTED or kept[1] >= delivery.attempts:
        return False
    later = "SELECT 1 FROM deliveries WHERE subscription = ? AND id > ? LIMIT 1"
    made_up = kept[0] == DeliveryState.FAILED and not delivery.sent
    if made_up and db.one(later, delivery.subscription, delivery.id):
        return False
    changed(db, delivery.subscription)
    _put(db, delivery)
    return True


def _state(db: Session, number: int) -> tuple[str, int] | None:
    query = "SELECT state, attempts FROM deliveries WHERE id = ? FOR NO KEY UPDATE"
    found = db.one(query, number)
    return (found[0], found[1]) if found else None


def _put(db: Session, delivery: Delivery) -> None:
    db.run(
        "UPDATE deliveries SET state = ?, attempts = ?, retry = ?, body = ? WHERE id = ?",
        *(*delivery_columns(delivery), delivery.id),
    )


def _keep(db: Session, delivery: Delivery) -> None:
    if delivery.state is not DeliveryState.DUE:
        changed(db, delivery.subscription)  # locks it before the delivery, as planning does
    kept = _state(db, delivery.id)
    if not kept:
        raise NotFound("delivery_unknown", id=delivery.id)
    if kept[1] > delivery.attempts or kept[0] != DeliveryState.DUE:
        raise LeaseLost("delivery_overtaken", id=delivery.id)
    _put(db, delivery)
    _remember_reported(db, delivery)
    put_follow_ups(db, delivery)
    if delivery.state is DeliveryState.FAILED and not delivery.sent:
        db.run("DELETE FROM told WHERE delivery = ?", delivery.id)
        db.run("DELETE FROM follow_ups WHERE delivery = ?", delivery.id)


def _remember_reported(db: Session, delivery: Delivery) -> None:
    """Remember what a delivery reported, at the moment its headline is posted."""
    if not (step := headline(delivery)):
        return
    if not (followed := db.one("SELECT body FROM subscriptions WHERE id = ?", delivery.subscription)):
        return
    subscription = load_subscription(delivery.subscription, followed[0])
    for key in delivery.digests:
        if not (row := db.one("SELECT body, packed FROM digests WHERE key = ?", key)):
            continue
        digest = load_digest(either(*row))
        rows = reported_rows(repository_number(db, digest.repository.name), subscription, step, digest)
        db.run_each(_TOLD_COMMITS, rows)
        db.run("UPDATE digests SET told = 1 WHERE key = ?", key)
