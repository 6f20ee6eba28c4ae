"""When each subscription is to be checked: the columns `due` and `looked` of `subscriptions`, each with an index.

`due` is that time. Below zero it means at once, with a new number each time, so that a check that started before a
change does not overwrite it. `looked` is when the time was set, by the clock of that process.
"""

import secrets
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import LiteralString

from adapters.stores.part import Found, Part, Session
from adapters.stores.rows import instant, load_delivery, load_subscription
from bot.values import Candidate, Delivery, Subscription

_NEVER = 2**63 - 1
_FOUND: LiteralString = (
    "SELECT s.id, s.body, s.due, d.id, d.body FROM subscriptions s LEFT JOIN deliveries d "
    "ON d.id = (SELECT max(l.id) FROM deliveries l WHERE l.subscription = s.id)"
)
_DUE: LiteralString = (
    "SELECT id FROM subscriptions WHERE due <= ? UNION SELECT id FROM subscriptions WHERE looked > ? "
    "UNION SELECT subscription FROM deliveries WHERE state = 'due' AND retry > ?"
)
_NAMED: LiteralString = (
    "UPDATE subscriptions SET due = ?, looked = ? WHERE id = ? AND due + 0 = ? AND (due != ? OR looked > ?)"
)
"""`+ 0` keeps a planner from the index of `due`: thousands of rows may have the same, whatever its statistics say."""


def at_once() -> int:
    """The value of `due` for a changed subscription."""
    return -1 - secrets.randbits(62)


def changed(db: Session, subscription: int) -> None:
    """Mark a subscription to be checked, since it was changed."""
    db.run("UPDATE subscriptions SET due = ? WHERE id = ?", at_once(), subscription)


class DuePart(Part):
    """The part of `bot.ports.Subscriptions` that finds those to check."""

    def numbered(self, numbers: Collection[int]) -> tuple[Subscription, ...]:
        query: LiteralString = "SELECT id, body FROM subscriptions WHERE id = ANY(?) ORDER BY id"
        return self._read_each("subscriptions", load_subscription, query, [*numbers])

    def candidates(self, now: datetime, ahead: datetime) -> tuple[Candidate, ...]:
        late = instant(ahead)
        return self._candidates(f"{_FOUND} WHERE s.id IN ({_DUE}) ORDER BY s.id", instant(now), late, late)

    def candidates_after(self, number: int, limit: int) -> tuple[Candidate, ...]:
        return self._candidates(f"{_FOUND} WHERE s.id > ? ORDER BY s.id LIMIT ?", number, limit)

    def look_at(self, moments: Iterable[tuple[Candidate, datetime | None]], now: datetime) -> None:
        looked, rows = instant(now), []
        for candidate, moment in moments:
            due = _NEVER if moment is None else instant(moment)
            rows.append((due, looked, candidate.subscription.id, candidate.mark, due, looked))
        if rows:
            self._writing(lambda db: db.run_each(_NAMED, rows))

    def _candidates(self, query: LiteralString, *values: int) -> tuple[Candidate, ...]:
        return self._read_each("subscriptions", self._candidate, query, *values)

    def _candidate(self, number: int, body: str, mark: int, *latest: Found) -> Candidate:
        return Candidate(load_subscription(number, body), self._latest(latest), mark)

    def _latest(self, row: Found) -> Delivery | None:
        """The latest delivery; None if it cannot be read."""
        rows = [row] if row[0] is not None else []
        return next(self._unread.readable("deliveries", load_delivery, rows), None)
