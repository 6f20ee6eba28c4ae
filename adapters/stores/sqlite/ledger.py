"""How far every delivery got, and which commits it told of: the tables `deliveries`, `told` and `told_commits`."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from sqlite_utils import Database

from adapters.stores.rows import (
    DELIVERIES,
    bound,
    delivery_columns,
    headline,
    instant,
    load,
    load_delivery,
    load_digest,
    told_rows,
)
from adapters.stores.sqlite.aftermath import put_follow_ups
from adapters.stores.sqlite.commits import repository_number
from adapters.stores.sqlite.file import Part
from bot.errors import LeaseLost, NotFound
from bot.ports import Ledger
from bot.values import Commit, Delivery, DeliveryState, Subscription

_SETTLED_UNPOSTED = (DeliveryState.FAILED, DeliveryState.RESTORED)


class SqliteLedger(Part, Ledger):
    """A `bot.ports.Ledger`."""

    def plan(self, delivery: Delivery, last: int) -> Delivery | None:
        """Keep a new delivery and return it with its id, where the subscription's latest one is still number `last`.

        `last` is 0 where there was none. None where another process was first, or the subscription is gone. Of settled
        ones the latest `DELIVERIES` of a subscription are kept.
        """
        number = bound(delivery.subscription)
        with self._file.counting() as db:
            if not db.execute("SELECT 1 FROM subscriptions WHERE id = ?", number).fetchone():
                return None
            latest = "SELECT id, state FROM deliveries WHERE subscription = ? ORDER BY id DESC LIMIT 1"
            kept = db.execute(latest, number).fetchone() or (0, "")
            if kept[0] != last or kept[1] == DeliveryState.DUE:
                return None
            # One of the same period is left by a clock that was wrong: it stood in the future then.
            same = "DELETE FROM deliveries WHERE subscription = ? AND until = ? AND state != 'due'"
            db.execute(same, bound(delivery.subscription, instant(delivery.until)))
            row = db.execute(
                "INSERT INTO deliveries (subscription, until, state, attempts, retry, body) VALUES (?, ?, ?, ?, ?, ?) "
                "RETURNING id",
                bound(delivery.subscription, instant(delivery.until), *delivery_columns(delivery)),
            ).fetchone()
            db.execute(
                "DELETE FROM deliveries WHERE subscription = ? AND state != 'due' AND id <= "
                "(SELECT id FROM deliveries WHERE subscription = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
                bound(delivery.subscription, delivery.subscription, DELIVERIES),
            )
        return replace(delivery, id=row[0])

    def keep_delivery(self, delivery: Delivery) -> None:
        with self._file.counting() as db:
            _keep(db, delivery)

    def mark_delivered(self, delivery: Delivery, landed: Iterable[Commit]) -> None:
        rows = [bound(delivery.subscription, c.sha, delivery.id, instant(c.committed)) for c in landed]
        with self._file.counting() as db:
            _keep(db, delivery)
            db.execute(
                "DELETE FROM told WHERE subscription = ? AND delivery < (SELECT min(id) FROM deliveries "
                "WHERE subscription = ?)",
                bound(delivery.subscription, delivery.subscription),
            )
            db.conn.executemany("INSERT INTO told VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", rows)

    def retry_soon(self, subscription: int, retry: datetime, deadline: datetime) -> None:
        with self._file.counting() as db:
            found = db.execute(
                "SELECT id, body FROM deliveries WHERE subscription = ? AND state = 'due'", bound(subscription)
            ).fetchall()
            for kept in (load_delivery(*row) for row in found):
                _put(db, replace(kept, retry=retry, deadline=max(kept.deadline, deadline)))

    def reopen(self, delivery: Delivery) -> bool:
        with self._file.counting() as db:
            kept = db.execute("SELECT state, attempts FROM deliveries WHERE id = ?", bound(delivery.id)).fetchone()
            if not kept or kept[0] not in _SETTLED_UNPOSTED or kept[1] >= delivery.attempts:
                return False
            later = "SELECT 1 FROM deliveries WHERE subscription = ? AND id > ?"
            made_up = kept[0] == DeliveryState.FAILED and not delivery.sent
            if made_up and db.execute(later, bound(delivery.subscription, delivery.id)).fetchone():
                return False
            _put(db, delivery)
            return True

    def delivery(self, number: int) -> Delivery:
        found = self._deliveries("WHERE id = ?", number)
        if not found:
            raise NotFound("delivery_unknown", id=number)
        return found[0]

    def deliveries(
        self, subscription: int | None = None, state: DeliveryState | None = None, limit: int = 1_000
    ) -> tuple[Delivery, ...]:
        wanted = {"subscription = ?": subscription, "state = ?": state}
        given = {condition: value for condition, value in wanted.items() if value is not None}
        where = f"WHERE {' AND '.join(given)}" if given else ""
        return self._deliveries(f"{where} ORDER BY id DESC LIMIT ?", *given.values(), max(limit, 0))

    def latest_deliveries(self) -> tuple[Delivery, ...]:
        return self._deliveries("WHERE id IN (SELECT max(id) FROM deliveries GROUP BY subscription)")

    def due_deliveries(self, now: datetime) -> tuple[Delivery, ...]:
        return self._deliveries("WHERE state = 'due' AND retry <= ? ORDER BY retry, id", instant(now))

    def delivery_states(self) -> dict[DeliveryState, int]:
        rows = self._read(lambda *row: row, "SELECT state, count(*) FROM deliveries GROUP BY state")
        return {state: dict(rows).get(state, 0) for state in DeliveryState}

    def delivered_shas(self, subscription: int, but: int) -> frozenset[str]:
        return frozenset(
            self._read(str, "SELECT sha FROM told WHERE subscription = ? AND delivery != ?", subscription, but)
        )

    def _deliveries(self, rest: str, *values: str | int) -> tuple[Delivery, ...]:
        return self._read_each("deliveries", load_delivery, f"SELECT id, body FROM deliveries {rest}", *values)  # noqa: S608  # constants


def _put(db: Database, delivery: Delivery) -> None:
    db.execute(
        "UPDATE deliveries SET state = ?, attempts = ?, retry = ?, body = ? WHERE id = ?",
        bound(*delivery_columns(delivery), delivery.id),
    )


def _keep(db: Database, delivery: Delivery) -> None:
    kept = db.execute("SELECT state, attempts FROM deliveries WHERE id = ?", bound(delivery.id)).fetchone()
    if not kept:
        raise NotFound("delivery_unknown", id=delivery.id)
    if kept[1] > delivery.attempts or kept[0] != DeliveryState.DUE:
        raise LeaseLost("delivery_overtaken", id=delivery.id)
    _put(db, delivery)
    _remember_told(db, delivery)
    put_follow_ups(db, delivery)
    if delivery.state is DeliveryState.FAILED and not delivery.sent:
        for table in ("told", "follow_ups"):
            db.execute(f"DELETE FROM {table} WHERE delivery = ?", bound(delivery.id))  # noqa: S608  # constants


def _remember_told(db: Database, delivery: Delivery) -> None:
    """Remember what a delivery told of, in the moment in which its headline is posted."""
    if not (step := headline(delivery)):
        return
    row = db.execute("SELECT body FROM digests WHERE key = ?", bound(delivery.digest)).fetchone()
    followed = db.execute("SELECT body FROM subscriptions WHERE id = ?", bound(delivery.subscription)).fetchone()
    if not row or not followed:
        return
    digest, place = load_digest(row[0]), load(Subscription, followed[0]).place
    rows = told_rows(repository_number(db, digest.repository.name), place, step, digest)
    db.conn.executemany("INSERT INTO told_commits VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", rows)
    db.execute("UPDATE digests SET told = 1 WHERE key = ?", bound(delivery.digest))
