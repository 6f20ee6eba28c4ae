"""Usage of language models, a row for each request; and what was learned about services, in the table `learned`."""

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import LiteralString

from adapters.stores.part import Part, Session
from adapters.stores.rows import instant
from bot.ports import Learned, Meter
from bot.values import Account, Reservation, Spending, Taken, Usage

_LOCK = 0x6469676573740003
"""The key of the lock for reserving tokens, one process at a time; `schema` has another."""
_FORGET: LiteralString = "UPDATE usage SET channel = '', asker = '' WHERE channel != '' AND at < ?"
"""Person and channel are only needed for the limits of the day."""
_RESERVE: LiteralString = (
    "INSERT INTO usage (at, model, purpose, prompt, completion, requests, chat, channel, asker, reservation, reserved) "
    "VALUES (?, ?, ?, 0, 0, 0, ?, ?, ?, ?, ?)"
)
_TAKEN: LiteralString = """
    SELECT sum(tokens), sum(tokens) FILTER (WHERE chat != ''),
        sum(tokens) FILTER (WHERE chat = ? AND channel = ? AND channel != ''),
        sum(tokens) FILTER (WHERE chat = ? AND asker = ? AND asker != '')
    FROM (SELECT chat, channel, asker, 1.0 * prompt + completion + reserved AS tokens
        FROM usage WHERE at >= ? AND at < ?) AS each_request
"""


class MeterPart(Part, Meter):
    """A `bot.ports.Meter`."""

    def reserve(self, wanted: Reservation, since: datetime, until: datetime, allow: Callable[[Taken], None]) -> str:
        name, by = uuid.uuid4().hex, wanted.account
        row = (instant(wanted.at), wanted.model, wanted.purpose, by.chat, by.channel, by.person, name, wanted.tokens)

        def reserve(db: Session) -> None:
            self._alone(db, _LOCK)
            db.run(_FORGET, instant(since))
            allow(_taken(db, by, since, until))
            db.run(_RESERVE, *row)

        self._writing(reserve)
        return name

    def charge(self, reservation: str, usage: Usage | None) -> None:
        if usage is None:
            self._write("DELETE FROM usage WHERE reservation = ? AND reservation != ''", reservation)
            return
        self._write(
            "UPDATE usage SET model = ?, prompt = ?, completion = ?, requests = ?, cached = ?, reserved = 0, "
            "reservation = '' WHERE reservation = ? AND reservation != ''",
            *(usage.model, usage.prompt, usage.completion, usage.requests, usage.cached, reservation),
        )

    def taken(self, account: Account, since: datetime, until: datetime) -> Taken:
        return self._reading(lambda db: _taken(db, account, since, until))

    def add_checks(self, model: str, purpose: str, stated: int, dropped: int, now: datetime) -> None:
        self._write(
            "INSERT INTO usage (at, model, purpose, prompt, completion, requests, stated, dropped) "
            "VALUES (?, ?, ?, 0, 0, 0, ?, ?)",
            *(instant(now), model, purpose, stated, dropped),
        )

    def usage(self, since: datetime, until: datetime) -> tuple[Spending, ...]:
        found = self._read(
            "SELECT model, purpose, sum(prompt), sum(completion), sum(requests), sum(stated), sum(dropped), "
            "sum(cached), coalesce(sum(prompt + completion) FILTER (WHERE chat != ''), 0) "
            "FROM usage WHERE at >= ? AND at < ? AND reservation = '' "
            "GROUP BY model, purpose ORDER BY model, purpose",
            *(instant(since), instant(until)),
        )
        return tuple(Spending(model, purpose, *map(int, sums)) for model, purpose, *sums in found)


class LearnedPart(Part, Learned):
    """A `bot.ports.Learned`."""

    def learned(self, about: str, since: datetime) -> str:
        found = self._read("SELECT what FROM learned WHERE about = ? AND at >= ?", about, instant(since))
        return str(found[0][0]) if found else ""

    def learn(self, about: str, what: str, now: datetime) -> None:
        self._write(
            "INSERT INTO learned (about, what, at) VALUES (?, ?, ?) "
            "ON CONFLICT (about) DO UPDATE SET what = excluded.what, at = excluded.at",
            *(about, what, instant(now)),
        )


def _taken(db: Session, by: Account, since: datetime, until: datetime) -> Taken:
    wanted = (by.chat, by.channel, by.chat, by.person, instant(since), instant(until))
    return Taken(*(int(tokens or 0) for tokens in db.one(_TAKEN, *wanted) or ()))
