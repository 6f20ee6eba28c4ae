"""What language models took, one row each; and what was found out of services, in the table `learned`."""

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import LiteralString

from adapters.postgres import Connection
from adapters.stores.postgres.cells import bound
from adapters.stores.postgres.part import Part
from adapters.stores.rows import instant
from bot.ports import Learned, Meter
from bot.values import Account, Reservation, Spending, Taken, Usage

_LOCK = 0x6469676573740003
"""The key of the lock under which one process reserves while others wait; `schema` has another."""
_FORGET: LiteralString = "UPDATE usage SET channel = '', asker = '' WHERE channel != '' AND at < %s"
"""Who asked matters for the day's limits alone."""
_RESERVE: LiteralString = (
    "INSERT INTO usage (at, model, purpose, prompt, completion, requests, chat, channel, asker, reservation, reserved) "
    "VALUES (%s, %s, %s, 0, 0, 0, %s, %s, %s, %s, %s)"
)
_TAKEN: LiteralString = """
    SELECT coalesce(sum(tokens), 0)::bigint, coalesce(sum(tokens) FILTER (WHERE chat != ''), 0)::bigint,
        coalesce(sum(tokens) FILTER (WHERE chat = %s AND channel = %s AND channel != ''), 0)::bigint,
        coalesce(sum(tokens) FILTER (WHERE chat = %s AND asker = %s AND asker != ''), 0)::bigint
    FROM (SELECT chat, channel, asker, prompt::numeric + completion + reserved AS tokens
        FROM usage WHERE at >= %s AND at < %s) AS each_request
"""


class PostgresMeter(Part, Meter):
    """A `bot.ports.Meter`."""

    def reserve(self, wanted: Reservation, since: datetime, until: datetime, allow: Callable[[Taken], None]) -> str:
        name, by = uuid.uuid4().hex, wanted.account
        row = bound(
            *(instant(wanted.at), wanted.model, wanted.purpose),
            *(by.chat, by.channel, by.person, name, wanted.tokens),
        )

        def reserve(db: Connection) -> None:
            db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            db.execute(_FORGET, bound(instant(since)))
            allow(_taken(db, by, since, until))
            db.execute(_RESERVE, row)

        self._server.write(reserve)
        return name

    def charge(self, reservation: str, usage: Usage | None) -> None:
        if usage is None:
            self._write("DELETE FROM usage WHERE reservation = %s AND reservation != ''", reservation)
            return
        self._write(
            "UPDATE usage SET model = %s, prompt = %s, completion = %s, requests = %s, cached = %s, reserved = 0, "
            "reservation = '' WHERE reservation = %s AND reservation != ''",
            *(usage.model, usage.prompt, usage.completion, usage.requests, usage.cached, reservation),
        )

    def taken(self, account: Account, since: datetime, until: datetime) -> Taken:
        return self._server.read(lambda db: _taken(db, account, since, until))

    def add_checks(self, model: str, purpose: str, stated: int, dropped: int, now: datetime) -> None:
        self._write(
            "INSERT INTO usage (at, model, purpose, prompt, completion, requests, stated, dropped) "
            "VALUES (%s, %s, %s, 0, 0, 0, %s, %s)",
            *(instant(now), model, purpose, stated, dropped),
        )

    def usage(self, since: datetime, until: datetime) -> tuple[Spending, ...]:
        found = self._read(
            "SELECT model, purpose, sum(prompt)::bigint, sum(completion)::bigint, sum(requests)::bigint, "
            "sum(stated)::bigint, sum(dropped)::bigint, sum(cached)::bigint, "
            "coalesce(sum(prompt + completion) FILTER (WHERE chat != ''), 0)::bigint "
            "FROM usage WHERE at >= %s AND at < %s AND reservation = '' "
            "GROUP BY model, purpose ORDER BY model, purpose",
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


def _taken(db: Connection, by: Account, since: datetime, until: datetime) -> Taken:
    wanted = bound(by.chat, by.channel, by.chat, by.person, instant(since), instant(until))
    return Taken(*(db.execute(_TAKEN, wanted).fetchone() or (0, 0, 0, 0)))
