"""What a tick costs where nothing is due, by how many subscriptions there are, on both stores."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from postgres import postgres

from adapters.chats.terminal import Terminal, console
from adapters.stores.due import at_once
from adapters.stores.postgres import PostgresStore
from adapters.stores.rows import delivery_columns, dump, instant, place_key
from adapters.stores.sqlite import SqliteStore
from bot.app import App
from bot.delivery.planning import CHECKED
from bot.delivery.steps import Steps
from bot.delivery.worker import Worker
from bot.ports import Progress, Readers, Store
from bot.repositories import Repositories
from bot.rights import Rights
from bot.texts import Texts
from bot.values import Delivery, DeliveryState, Place, Subscription

FEW, MANY, TICKS = 10_000, 100_000, 50
NOW = datetime(2026, 2, 18, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def run() -> list[dict[str, object]]:
    """Milliseconds of a tick, right after a start and later, and how they grow with what is idle."""
    with tempfile.TemporaryDirectory() as folder, postgres() as server:
        path = Path(folder)

        def file(many: int) -> Store:
            return SqliteStore(path / f"{many}.db")

        def database(_: int) -> Store:
            return PostgresStore(server.address(server.fresh()))

        return [row for name, opened in (("SQLite", file), ("PostgreSQL", database)) for row in _rows(name, opened)]


def _rows(name: str, opened: Callable[[int], Store]) -> Iterator[dict[str, object]]:
    taken = {}
    for many in (FEW, MANY):
        with closing(opened(many)) as store:
            fill(store, many)
            store.compact()
            begun, taken[many] = _ticks(store, many)
        yield _row(f"{name}: a tick at {many:,} idle subscriptions", taken[many], 50, "ms")
        yield _row(f"{name}: a tick in the minutes after a start", begun, 250, "ms")
    yield _row(f"{name}: {MANY:,} beside {FEW:,}", taken[MANY] / taken[FEW], 2, "×")


def fill(store: SqliteStore | PostgresStore, many: int, now: datetime = NOW, first: int = 1) -> None:
    """Subscriptions with numbers from `first` on that were told three hours ago, and are due tomorrow."""
    slot = (now - timedelta(hours=3)).replace(minute=0, second=0, microsecond=0)
    followed = [
        Subscription(Place("terminal", f"I{n}"), f"team/app{n % 400}", f"0 {slot.hour} * * *", "UTC", "en")
        for n in range(many)
    ]
    numbered = list(enumerate(followed, first))
    done = {"state": DeliveryState.DONE}
    told = [
        Delivery(n, slot, slot - 2 * DAY, slot - DAY, slot - timedelta(hours=9), slot + DAY, slot, **done)
        for n, _ in numbered
    ]
    rows_done = [(n, d.subscription, instant(d.until), *delivery_columns(d)) for n, d in enumerate(told, first)]
    rows = [(n, place_key(s.place), s.repo, s.branch, dump(s), at_once()) for n, s in numbered]
    store._writing(
        lambda db: db.run_each(
            "INSERT INTO subscriptions (id, place, repo, branch, body, due) VALUES (?, ?, ?, ?, ?, ?)", rows
        )
    )
    insert = (
        "INSERT INTO deliveries (id, subscription, until, state, attempts, retry, body) VALUES (?, ?, ?, ?, ?, ?, ?)"
    )
    store._writing(lambda db: db.run_each(insert, rows_done))


def _ticks(store: Store, many: int) -> tuple[float, float]:
    """The median of the ticks after a start, and of later ones."""
    look_at_all(store)
    worker = _worker(store)
    begun = [_seconds(worker.tick) for _ in range(many // CHECKED + 2)]
    store.compact()  # as autovacuum does within a minute, which the test server has off
    later = [_seconds(worker.tick) for _ in range(TICKS)]
    worker.stop(1)
    assert store.delivery_states()[DeliveryState.DONE] == many
    return statistics.median(begun[: many // CHECKED]) * 1000, statistics.median(later) * 1000


def look_at_all(store: Store, now: datetime = NOW) -> None:
    """The first tick of all, which knows of nothing yet and finds nothing due."""
    worker = _worker(store, now)
    worker.tick()
    worker.stop(1)


def _worker(store: Store, now: datetime = NOW) -> Worker:
    def clock() -> datetime:
        return now

    repositories = Repositories(lambda _: None, store, Rights(), clock, readers=lambda *_: Readers())
    app = App(
        repositories=repositories,
        archive=store,
        aftermath=store,
        model=None,
        clock=clock,
        concurrency=1,
        progress=Progress(),
    )
    ports = dict.fromkeys(("archive", "subscriptions", "ledger", "leases", "memory"), store)
    return Worker(Steps(app, {"terminal": Terminal(console(), Texts("en"))}, timedelta(seconds=60), **ports))


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _row(what: str, measured: float, bar: float, unit: str) -> dict[str, object]:
    return {"what": what, "measured": round(measured, 2), "bar": bar, "unit": unit}


if __name__ == "__main__":
    for row in run():
        print(f"{row['what']:<50} {row['measured']:>10} {row['unit']:<3} (bar {row['bar']})")
