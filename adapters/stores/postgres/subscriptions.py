"""Who follows what: a row for each subscription, found by its place."""

import json
from contextlib import suppress
from dataclasses import replace
from typing import LiteralString

from adapters.postgres import Connection
from adapters.stores.postgres.cells import bound
from adapters.stores.postgres.part import Part
from adapters.stores.rows import dump_checked, load_subscription, place_key, to_json
from bot.ports import Subscriptions
from bot.values import Place, Subscription


class PostgresSubscriptions(Part, Subscriptions):
    """A `bot.ports.Subscriptions`."""

    def subscribe(self, subscription: Subscription) -> Subscription:
        body = dump_checked(subscription)
        row = bound(place_key(subscription.place), subscription.repo, subscription.branch, body)
        query = (
            "INSERT INTO subscriptions (place, repo, branch, body) VALUES (%s, %s, %s, %s) "
            "ON CONFLICT (place, repo, branch) DO UPDATE SET body = excluded.body RETURNING id"
        )
        (number,) = self._server.write(lambda db: db.execute(query, row).fetchone()) or (0,)
        return replace(subscription, id=number)

    def unsubscribe(self, subscription: int) -> None:
        self._write("DELETE FROM subscriptions WHERE id = %s", subscription)

    def pause(self, subscription: int, reason: str) -> None:
        def rest(db: Connection) -> None:
            query = "SELECT body FROM subscriptions WHERE id = %s FOR NO KEY UPDATE"
            found = db.execute(query, bound(subscription)).fetchone()
            with suppress(ValueError):  # a row that nobody can read rests already
                if found:
                    body = to_json(json.loads(found[0]) | {"paused": reason})
                    db.execute("UPDATE subscriptions SET body = %s WHERE id = %s", bound(body, subscription))

        self._server.write(rest)

    def subscription(self, number: int) -> Subscription | None:
        query: LiteralString = "SELECT id, body FROM subscriptions WHERE id = %s"
        return next(iter(self._read_each("subscriptions", load_subscription, query, number)), None)

    def subscriptions(self, place: Place | None = None) -> tuple[Subscription, ...]:
        where: LiteralString = "WHERE place = %s" if place else ""
        values = (place_key(place),) if place else ()
        query: LiteralString = f"SELECT id, body FROM subscriptions {where} ORDER BY id"  # noqa: S608  # constants
        return self._read_each("subscriptions", load_subscription, query, *values)
