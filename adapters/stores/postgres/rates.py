"""The rates that all processes share: a row for each rate and each pause, in the table `rates`.

Times are the server's, in microseconds. Calls do not wait for the disk: a row lost in a crash of the server only means
that a call comes too early.
"""

from collections.abc import Sequence

from adapters.postgres import Connection, Server
from bot.ports import Rate, Rates, Room

_SECOND = 1_000_000
_QUICK = "SET LOCAL synchronous_commit = off"
_NOW = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
_KEPT = f"SELECT name, until, {_NOW} FROM rates WHERE name = ANY(%s) ORDER BY name FOR UPDATE"  # noqa: S608  # constants
_NEW = "INSERT INTO rates SELECT unnest(%s::text[]), 0 ON CONFLICT DO NOTHING"
_OLD = (
    "DELETE FROM rates WHERE name IN (SELECT name FROM rates WHERE until > 0 AND until < %s AND name != ALL(%s) "
    "ORDER BY until LIMIT 100 FOR UPDATE SKIP LOCKED)"
)
_COUNTED = (
    "UPDATE rates SET until = given.until FROM unnest(%s::text[], %s::bigint[]) AS given (name, until) "
    "WHERE rates.name = given.name"
)
_PAUSED = (
    f"INSERT INTO rates VALUES (%s, {_NOW} + %s) "  # noqa: S608  # constants
    "ON CONFLICT (name) DO UPDATE SET until = greatest(rates.until, excluded.until)"
)


class PostgresRates(Rates):
    """A `bot.ports.Rates`: the generic cell rate algorithm, as `adapters.chats.ratelimit` has it."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def take(self, rates: Sequence[Rate], pauses: Sequence[str]) -> Room:
        names = sorted({*(rate.name for rate in rates), *pauses})
        return self._server.write(lambda db: _taken(db, rates, pauses, names))

    def pause(self, name: str, seconds: float) -> None:
        self._server.write(lambda db: db.execute(_PAUSED, (name, int(seconds * _SECOND))))


def _taken(db: Connection, rates: Sequence[Rate], pauses: Sequence[str], names: Sequence[str]) -> Room:
    db.execute(_QUICK)
    kept, now = _locked(db, names)
    opens = [kept[rate.name] - int((rate.burst - 1) * rate.period * _SECOND) for rate in rates]
    granted = max((*opens, *(kept[name] for name in pauses)), default=0) <= now
    if granted:
        counted = {rate.name: max(kept[rate.name], now) + int(rate.period * rate.calls * _SECOND) for rate in rates}
        db.execute(_COUNTED, (list(counted), list(counted.values())))
        kept |= counted
    left = {name: max(0.0, (until - now) / _SECOND) for name, until in kept.items()}
    return Room(granted, [left[rate.name] for rate in rates], [left[name] for name in pauses])


def _locked(db: Connection, names: Sequence[str]) -> tuple[dict[str, int], int]:
    """Lock the rows until the transaction ends; return until when each counts, and the current time."""
    rows = db.execute(_KEPT, (list(names),)).fetchall()
    if len(rows) < len(names):
        db.execute(_NEW, (list(names),))
        rows = db.execute(_KEPT, (list(names),)).fetchall()
        db.execute(_OLD, (rows[0][2] - 60 * _SECOND, list(names)))
    return {name: until for name, until, _ in rows}, min(now for *_, now in rows)
