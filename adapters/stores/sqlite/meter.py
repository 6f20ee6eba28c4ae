"""What language models took, one row each; and what was found out of services, in the table `learned`."""

from datetime import datetime

from adapters.stores.rows import bound, instant
from adapters.stores.sqlite.file import Part
from bot.ports import Learned, Meter
from bot.values import Spending, Usage


class SqliteMeter(Part, Meter):
    """A `bot.ports.Meter`."""

    def add_usage(self, usage: Usage, purpose: str, now: datetime) -> None:
        self._write(
            "INSERT INTO usage (at, model, purpose, prompt, completion, requests, cached) VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(instant(now), usage.model, purpose, usage.prompt, usage.completion, usage.requests, usage.cached),
        )

    def add_checks(self, model: str, purpose: str, stated: int, dropped: int, now: datetime) -> None:
        self._write(
            "INSERT INTO usage (at, model, purpose, prompt, completion, requests, stated, dropped) "
            "VALUES (?, ?, ?, 0, 0, 0, ?, ?)",
            *(instant(now), model, purpose, stated, dropped),
        )

    def usage(self, since: datetime, until: datetime) -> tuple[Spending, ...]:
        return self._read(
            Spending,
            "SELECT model, purpose, sum(prompt), sum(completion), sum(requests), sum(stated), sum(dropped), "
            "sum(cached) FROM usage WHERE at >= ? AND at < ? GROUP BY model, purpose ORDER BY model, purpose",
            *(instant(since), instant(until)),
        )


class SqliteLearned(Part, Learned):
    """A `bot.ports.Learned`."""

    def learned(self, about: str, since: datetime) -> str:
        with self._file.reading() as db:
            query = "SELECT what FROM learned WHERE about = ? AND at >= ?"
            found = db.execute(query, bound(about, instant(since))).fetchone()
        return str(found[0]) if found else ""

    def learn(self, about: str, what: str, now: datetime) -> None:
        self._write(
            "INSERT INTO learned (about, what, at) VALUES (?, ?, ?) "
            "ON CONFLICT (about) DO UPDATE SET what = excluded.what, at = excluded.at",
            *(about, what, instant(now)),
        )
