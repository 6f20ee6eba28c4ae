"""What became of commits, and what places were told of that: the tables `links`, `follow_ups` and `muted`."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import LiteralString

from adapters.postgres import Connection
from adapters.stores.postgres.cells import bound
from adapters.stores.postgres.commits import repository_number
from adapters.stores.postgres.part import Part
from adapters.stores.rows import FORGOTTEN, follow_up_rows, instant, link_row, load_link, moment, place_key
from bot.ports import Aftermath
from bot.values import Delivery, Link, Place

_REPO: LiteralString = "(SELECT id FROM repositories WHERE name = %s)"
_LINK: LiteralString = (
    "INSERT INTO links (repo, sha, later, certain, body) VALUES (%s, %s, %s, %s, %s) "
    "ON CONFLICT (repo, sha, later) DO UPDATE SET certain = excluded.certain, body = excluded.body "
    "WHERE excluded.certain >= links.certain"
)
_FOLLOW_UP: LiteralString = "INSERT INTO follow_ups VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"


class PostgresAftermath(Part, Aftermath):
    """A `bot.ports.Aftermath`."""

    def keep_links(self, repo: str, links: Iterable[Link]) -> None:
        rows = sorted((bound(*link_row(link)) for link in links), key=str)
        if not rows:
            return

        def keep(db: Connection) -> None:
            number = repository_number(db, repo)
            with db.cursor() as cursor:
                cursor.executemany(_LINK, [(number, *row) for row in rows])

        self._server.write(keep)

    def links(self, repo: str, shas: Collection[str]) -> tuple[Link, ...]:
        wanted = [*shas]
        found = self._read_each(
            "links",
            load_link,
            f"SELECT sha, body FROM links WHERE repo = {_REPO} AND (sha = ANY(%s) OR later = ANY(%s))",  # noqa: S608  # a constant
            *(repo, wanted, wanted),
        )
        return tuple(sorted(found, key=lambda link: (link.at, link.later.sha, link.earlier.sha)))

    def followed_up(self, place: Place, since: datetime) -> tuple[tuple[str, str, datetime], ...]:
        query: LiteralString = (
            "SELECT sha, later, at FROM follow_ups WHERE place = %s AND at >= %s ORDER BY at, sha, later"
        )
        found = self._read(query, place_key(place.whole), instant(since))
        return tuple((sha, later, moment(at)) for sha, later, at in found)

    def mute(self, thread: Place, now: datetime, muted: bool) -> None:
        def change(db: Connection) -> None:
            old = bound(place_key(thread), instant(now - FORGOTTEN))
            db.execute("DELETE FROM muted WHERE place = %s OR at < %s", old)
            if muted:
                row = bound(place_key(thread), instant(now))
                db.execute("INSERT INTO muted VALUES (%s, %s) ON CONFLICT DO NOTHING", row)

        self._server.write(change)

    def is_muted(self, thread: Place) -> bool:
        return bool(self._read("SELECT 1 FROM muted WHERE place = %s", place_key(thread)))


def put_follow_ups(db: Connection, delivery: Delivery) -> None:
    """Keep what a delivery is to say of what became of commits, within its own transaction."""
    if rows := follow_up_rows(delivery):
        db.execute("DELETE FROM follow_ups WHERE at < %s", bound(instant(delivery.slot - FORGOTTEN)))
        with db.cursor() as cursor:
            cursor.executemany(_FOLLOW_UP, [bound(*row) for row in rows])
