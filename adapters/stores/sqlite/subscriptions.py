"""Who follows what: a row for each subscription, found by its place."""

from dataclasses import replace

from adapters.stores.rows import bound, dump_checked, load_subscription, place_key
from adapters.stores.sqlite.file import Part
from bot.ports import Subscriptions
from bot.values import Place, Subscription


class SqliteSubscriptions(Part, Subscriptions):
    """A `bot.ports.Subscriptions`."""

    def subscribe(self, subscription: Subscription) -> Subscription:
        body = dump_checked(subscription)
        with self._file.writing() as db:
            row = db.execute(
                "INSERT INTO subscriptions (place, repo, branch, body) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (place, repo, branch) DO UPDATE SET body = excluded.body RETURNING id",
                bound(place_key(subscription.place), subscription.repo, subscription.branch, body),
            ).fetchone()
        return replace(subscription, id=row[0])

    def unsubscribe(self, subscription: int) -> None:
        self._write("DELETE FROM subscriptions WHERE id = ?", subscription)

    def pause(self, subscription: int, reason: str) -> None:
        self._write("UPDATE subscriptions SET body = json_set(body, '$.paused', ?) WHERE id = ?", reason, subscription)

    def subscription(self, number: int) -> Subscription | None:
        query = "SELECT id, body FROM subscriptions WHERE id = ?"
        return next(iter(self._read_each("subscriptions", load_subscription, query, number)), None)

    def subscriptions(self, place: Place | None = None) -> tuple[Subscription, ...]:
        where, values = ("WHERE place = ?", (place_key(place),)) if place else ("", ())
        return self._read_each(
            "subscriptions",
            load_subscription,
            f"SELECT id, body FROM subscriptions {where} ORDER BY id",  # noqa: S608  # constants
            *values,
        )
