"""Subscriptions: a row for each, found by its place."""

import json
from contextlib import suppress
from dataclasses import replace
from typing import LiteralString

from adapters.stores.due import DuePart, at_once
from adapters.stores.part import Session
from adapters.stores.rows import dump_checked, load_subscription, place_key, to_json
from bot.ports import Subscriptions
from bot.values import Place, Subscription


class SubscriptionsPart(DuePart, Subscriptions):
    """A `bot.ports.Subscriptions`."""

    def subscribe(self, subscription: Subscription) -> Subscription:
        body = dump_checked(subscription)
        row = (place_key(subscription.place), subscription.repo, subscription.branch, body, at_once())
        query = (
            "INSERT INTO subscriptions (place, repo, branch, body, due) VALUES (?, ?, ?, ?, ?) ON CONFLICT "
            "(place, repo, branch) DO UPDATE SET body = excluded.body, due = excluded.due RETURNING id"
        )
        (number,) = self._writing(lambda db: db.one(query, *row)) or (0,)
        return replace(subscription, id=number)

    def unsubscribe(self, subscription: int) -> None:
        self._write("DELETE FROM subscriptions WHERE id = ?", subscription)

    def pause(self, subscription: int, reason: str) -> None:
        def set_reason(db: Session) -> None:
            query = "SELECT body FROM subscriptions WHERE id = ? FOR NO KEY UPDATE"
            found = db.one(query, subscription)
            with suppress(ValueError):  # an unreadable row is paused already
                if found:
                    body = to_json(json.loads(found[0]) | {"paused": reason})
                    db.run("UPDATE subscriptions SET body = ?, due = ? WHERE id = ?", body, at_once(), subscription)

        self._writing(set_reason)

    def subscriptions(self, place: Place | None = None) -> tuple[Subscription, ...]:
        where: LiteralString = "WHERE place = ?" if place else ""
        values = (place_key(place),) if place else ()
        query: LiteralString = f"SELECT id, body FROM subscriptions {where} ORDER BY id"  # noqa: S608  # constants
        return self._read_each("subscriptions", load_subscription, query, *values)
