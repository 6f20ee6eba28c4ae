"""What language models took, one row each; and what was found out of services, in the table `learned`."""

import uuid
from collections.abc import Callable
from datetime import datetime

from sqlite_utils import Database

from adapters.stores.rows import bound, instant
from adapters.stores.sqlite.file import Part
from bot.ports import Learned, Meter
from bot.values import Account, Reservation, Spending, Taken, Usage


class SqliteMeter(Part, Meter):
    """A `bot.ports.Meter`."""

    def reserve(self, wanted: Reservation, since: datetime, until: datetime, allow: Callable[[Taken], None]) -> str:
        name, by = uuid.uuid4().hex, wanted.account
        with self._file.writing() as db:
            db.execute(_FORGET, bound(instant(since)))
            allow(_taken(db, by, since, until))
            db.execute(
                "INSERT INTO usage (at, model, purpose, prompt, completion, requests, chat, channel, asker, "
                "reservation, reserved) VALUES (?, ?, ?, 0, 0, 0, ?, ?, ?, ?, ?)",
                bound(
                    *(instant(wanted.at), wanted.model, wanted.purpose),
                    *(by.chat, by.channel, by.person, name, wanted.tokens),
                ),
            )
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
        with self._file.reading() as db:
            return _taken(db, account, since, until)

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
            "sum(cached), sum(iif(chat = '', 0, prompt + completion)) FROM usage "
            "WHERE at >= ? AND at < ? AND reservation = '' "
            "GROUP BY model, purpose ORDER BY model, purpose",
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


_FORGET = "UPDATE usage SET channel = '', asker = '' WHERE channel != '' AND at < ?"
"""Who asked matters for the day's limits alone."""
_TAKEN = """
    SELECT total(tokens), total(tokens) FILTER (WHERE chat != ''),
        total(tokens) FILTER (WHERE chat = ? AND channel = ? AND channel != ''),
        total(tokens) FILTER (WHERE chat = ? AND asker = ? AND asker != '')
    FROM (SELECT *, prompt + completion + reserved AS tokens FROM usage WHERE at >= ? AND at < ?)
"""


def _taken(db: Database, by: Account, since: datetime, until: datetime) -> Taken:
    wanted = bound(by.chat, by.channel, by.chat, by.person, instant(since), instant(until))
    return Taken(*map(int, db.execute(_TAKEN, wanted).fetchone()))
