"""Links between commits and the follow-ups to them: the tables `links`, `follow_ups`, `muted` and `aliases`."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import LiteralString

from adapters.stores.commits import ALIAS, repository_number
from adapters.stores.part import Part, Session
from adapters.stores.rows import FORGOTTEN, follow_up_rows, instant, link_row, load_link, moment, place_key
from bot.ports import Aftermath
from bot.values import Delivery, Link, Place

_REPO: LiteralString = "(SELECT id FROM repositories WHERE name = ?)"
_LINK: LiteralString = (
    "INSERT INTO links (repo, sha, later, certain, body) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (repo, sha, later) DO UPDATE SET certain = excluded.certain, body = excluded.body "
    "WHERE excluded.certain >= links.certain"
)
_FOLLOW_UP: LiteralString = "INSERT INTO follow_ups VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"


class AftermathPart(Part, Aftermath):
    """A `bot.ports.Aftermath`."""

    def keep_links(self, repo: str, links: Iterable[Link]) -> None:
        rows = sorted((self._bound(*link_row(link)) for link in links), key=str)
        if not rows:
            return

        def keep(db: Session) -> None:
            number = repository_number(db, repo)
            db.run_each(_LINK, [(number, *row) for row in rows])

        self._writing(keep)

    def keep_renamed(self, repo: str, names: Mapping[str, str]) -> None:
        rows = sorted(self._bound(*pair) for pair in names.items() if pair[0] != pair[1])
        if not rows:
            return

        def keep(db: Session) -> None:
            number = repository_number(db, repo)
            db.run_each(ALIAS, [(number, *row) for row in rows])

        self._writing(keep)

    def links(self, repo: str, shas: Collection[str]) -> tuple[Link, ...]:
        query = (
            f"SELECT sha, body FROM links WHERE repo = {_REPO} AND sha = ANY(?) UNION "  # noqa: S608  # a constant
            f"SELECT sha, body FROM links WHERE repo = {_REPO} AND later = ANY(?)"
        )
        wanted = [*shas]
        found = self._read_each("links", load_link, query, repo, wanted, repo, wanted)
        return tuple(sorted(found, key=lambda link: (link.at, link.later.sha, link.earlier.sha)))

    def followed_up(self, place: Place, since: datetime) -> tuple[tuple[str, str, datetime], ...]:
        query = "SELECT sha, later, at FROM follow_ups WHERE place = ? AND at >= ? ORDER BY at, sha, later"
        found = self._read(query, place_key(place.whole), instant(since))
        return tuple((sha, later, moment(at)) for sha, later, at in found)

    def mute(self, thread: Place, now: datetime, muted: bool) -> None:
        key = place_key(thread)

        def change(db: Session) -> None:
            db.run("DELETE FROM muted WHERE place = ? OR at < ?", key, instant(now - FORGOTTEN))
            if muted:
                db.run("INSERT INTO muted VALUES (?, ?) ON CONFLICT DO NOTHING", key, instant(now))

        self._writing(change)

    def is_muted(self, thread: Place) -> bool:
        return bool(self._read("SELECT 1 FROM muted WHERE place = ?", place_key(thread)))


def put_follow_ups(db: Session, delivery: Delivery) -> None:
    """Store the follow-ups of a delivery, within its transaction."""
    if rows := follow_up_rows(delivery):
        db.run("DELETE FROM follow_ups WHERE at < ?", instant(delivery.slot - FORGOTTEN))
        db.run_each(_FOLLOW_UP, rows)
