"""What language models took, one row each."""

from datetime import datetime

from adapters.stores.sqlite.file import Part
from adapters.stores.sqlite.rows import instant
from bot.ports import Meter
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
