"""What became of commits, and what places were told of that: the tables `links`, `follow_ups` and `muted`."""

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlite_utils import Database

from adapters.stores.rows import (
    FORGOTTEN,
    bound,
    follow_up_rows,
    instant,
    link_row,
    load_link,
    moment,
    place_key,
    to_json,
)
from adapters.stores.sqlite.commits import repository_number
from adapters.stores.sqlite.file import Part
from bot.ports import Aftermath
from bot.values import Delivery, Link, Place

_REPO = "(SELECT id FROM repositories WHERE name = ?)"


class SqliteAftermath(Part, Aftermath):
    """A `bot.ports.Aftermath`."""

    def keep_links(self, repo: str, links: Iterable[Link]) -> None:
        rows = [link_row(link) for link in links]
        if not rows:
            return
        with self._file.writing() as db:
            number = repository_number(db, repo)
            db.conn.executemany(
                "INSERT INTO links (repo, sha, later, certain, body) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (repo, sha, later) DO UPDATE SET certain = excluded.certain, body = excluded.body "
                "WHERE excluded.certain >= links.certain",
                ((number, *row) for row in rows),
            )

    def links(self, repo: str, shas: Collection[str]) -> tuple[Link, ...]:
        wanted = to_json([*shas])
        found = self._read_each(
            "links",
            load_link,
            f"SELECT sha, body FROM links WHERE repo = {_REPO} AND sha IN (SELECT value FROM json_each(?)) UNION "  # noqa: S608  # a constant
            f"SELECT sha, body FROM links WHERE repo = {_REPO} AND later IN (SELECT value FROM json_each(?))",
            *(repo, wanted, repo, wanted),
        )
        return tuple(sorted(found, key=lambda link: (link.at, link.later.sha, link.earlier.sha)))

    def followed_up(self, place: Place, since: datetime) -> tuple[tuple[str, str, datetime], ...]:
        return self._read(
            lambda sha, later, at: (sha, later, moment(at)),
            "SELECT sha, later, at FROM follow_ups WHERE place = ? AND at >= ? ORDER BY at, sha, later",
            *(place_key(place.whole), instant(since)),
        )

    def mute(self, thread: Place, now: datetime, muted: bool) -> None:
        with self._file.writing() as db:
            db.execute(
                "DELETE FROM muted WHERE place = ? OR at < ?", bound(place_key(thread), instant(now - FORGOTTEN))
            )
            if muted:
                db.execute("INSERT INTO muted VALUES (?, ?)", bound(place_key(thread), instant(now)))

    def is_muted(self, thread: Place) -> bool:
        return bool(self._read(int, "SELECT 1 FROM muted WHERE place = ?", place_key(thread)))


def put_follow_ups(db: Database, delivery: Delivery) -> None:
    """Keep what a delivery is to say of what became of commits, within its own transaction."""
    if rows := follow_up_rows(delivery):
        db.execute("DELETE FROM follow_ups WHERE at < ?", bound(instant(delivery.slot - FORGOTTEN)))
        db.conn.executemany("INSERT INTO follow_ups VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", rows)
