"""Questions and answers in threads: the table `turns`."""

from datetime import datetime, timedelta

from adapters.stores.part import Part, Session
from adapters.stores.rows import check_times, dump_checked, instant, load, place_key
from bot.ports import Talks
from bot.values import Place, Turn

REMEMBERED = timedelta(days=30)
"""How long the questions and answers of a thread are kept."""
TURNS = 12
"""The most turns of a thread that are kept."""


class TalksPart(Part, Talks):
    """A `bot.ports.Talks`."""

    def keep_turn(self, place: Place, turn: Turn) -> None:
        key, at = place_key(place), instant(turn.at)
        row = self._bound(key, at, turn.person, turn.repo, dump_checked(turn))

        def keep(db: Session) -> None:
            db.run("DELETE FROM turns WHERE at < ?", instant(turn.at - REMEMBERED))
            db.run(
                "INSERT INTO turns (place, at, person, repo, body) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (place, at) DO UPDATE SET person = excluded.person, repo = excluded.repo, "
                "body = excluded.body",
                *row,
            )
            db.run(
                "DELETE FROM turns WHERE place = ? AND at NOT IN "
                "(SELECT at FROM turns WHERE place = ? ORDER BY at DESC LIMIT ?)",
                *(row[0], row[0], TURNS),
            )

        self._writing(keep)

    def turns(self, place: Place, since: datetime) -> tuple[Turn, ...]:
        query = "SELECT at, body FROM turns WHERE place = ? AND at >= ? ORDER BY at"
        return self._read_each("turns", _load_turn, query, place_key(place), instant(since))


def _load_turn(_: int, body: str) -> Turn:
    """The turn of a row. Raises ValueError if it cannot be read."""
    return check_times(load(Turn, body))
