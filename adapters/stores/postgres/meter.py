"""What language models took, one row each; and what was found out of services, in the table `learned`."""

from datetime import datetime

from adapters.stores.postgres.part import Part
from adapters.stores.rows import instant
from bot.ports import Learned, Meter
from bot.values import Spending, Usage


class PostgresMeter(Part, Meter):
    """A `bot.ports.Meter`."""

    def add_usage(self, usage: Usage, purpose: str, now: datetime) -> None:
        self._write(
            "INSERT INTO usage (at, model, purpose, prompt, completion, requests, cached) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s)",
            *(instant(now), usage.model, purpose, usage.prompt, usage.completion, usage.requests, usage.cached),
        )

    def add_checks(self, model: str, purpose: str, stated: int, dropped: int, now: datetime) -> None:
        self._write(
            "INSERT INTO usage (at, model, purpose, prompt, completion, requests, stated, dropped) "
            "VALUES (%s, %s, %s, 0, 0, 0, %s, %s)",
            *(instant(now), model, purpose, stated, dropped),
        )

    def usage(self, since: datetime, until: datetime) -> tuple[Spending, ...]:
        found = self._read(
            "SELECT model, purpose, sum(prompt)::bigint, sum(completion)::bigint, sum(requests)::bigint, "
            "sum(stated)::bigint, sum(dropped)::bigint, sum(cached)::bigint "
            "FROM usage WHERE at >= %s AND at < %s GROUP BY model, purpose ORDER BY model, purpose",
            *(instant(since), instant(until)),
        )
        return tuple(Spending(*row) for row in found)


class PostgresLearned(Part, Learned):
    """A `bot.ports.Learned`."""

    def learned(self, about: str, since: datetime) -> str:
        found = self._read("SELECT what FROM learned WHERE about = %s AND at >= %s", about, instant(since))
        return str(found[0][0]) if found else ""

    def learn(self, about: str, what: str, now: datetime) -> None:
        self._write(
            "INSERT INTO learned (about, what, at) VALUES (%s, %s, %s) "
            "ON CONFLICT (about) DO UPDATE SET what = excluded.what, at = excluded.at",
            *(about, what, instant(now)),
        )
