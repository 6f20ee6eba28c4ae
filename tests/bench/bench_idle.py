"""What a PostgreSQL server and two workers do with 10,000 and 100,000 subscriptions that are idle, and a few due ones.

SUBSCRIPTIONS says how many are due at the same minute. CPU is a share of one core, that of all the server's processes.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import bench_several as several
from bench_morning import _repository
from bench_tick import FEW, MANY, fill, look_at_all
from github_server import GitHubServer
from postgres import Postgres, postgres

WORKERS, WINDOW, WARM = 2, 30, 15
"""Processes; seconds that are measured while nothing is due, and seconds before that."""
_FIRST = 1_000_000
"""The number of the first idle subscription: the others have the lower ones."""
_TICKS = os.sysconf("SC_CLK_TCK")


def run() -> Iterator[dict[str, object]]:
    """Rows for each number of idle subscriptions, and the larger beside the smaller."""
    with tempfile.TemporaryDirectory() as name, postgres() as server:
        folder, now = Path(name), datetime.now(UTC)
        server.keep_what_it_says()
        repo = _repository(folder / "repo", now)
        with GitHubServer({f"team/app{n}": repo for n in range(several.REPOSITORIES)}) as hub:
            found = {many: _morning(hub.url, server, many) for many in (FEW, MANY)}
    for many, each in found.items():
        what = f"{many:,} idle, {several.NUMBER} due"
        yield several.row(f"{what}: from due to sent, p99", each["p99"], None, "s")
        yield several.row(f"{what}: transactions a second while nothing is due", each["transactions"], None)
        yield several.row(f"{what}: the server's CPU while nothing is due", each["cpu"] * 100, 10, "%")
        yield several.row(f"{what}: the workers' CPU while nothing is due", each["workers"] * 100, 10, "%")
    beside = found[MANY]["p99"] / found[FEW]["p99"]
    yield several.row(f"p99 with {MANY:,} beside {FEW:,}", beside, 1.5, "×")


def _morning(hub: str, server: Postgres, many: int) -> dict[str, float]:
    """Nothing is due for a while, then some are; what that took."""
    database = server.fresh()
    address = server.address(database).get_secret_value()
    with closing(several.opened(address)) as store, several.slack() as root:
        fill(store, many, datetime.now(UTC), _FIRST)
        store.compact()
        look_at_all(store, datetime.now(UTC))
        store.compact()  # as autovacuum does within a minute, which the test server has off
        processes = several.started(WORKERS, address, hub, root)
        several.begin(processes)
        time.sleep(WARM)
        pids = [process.pid for process in processes]
        before = several.transactions(server, database), _used(_servers()), _used(pids), time.time()
        time.sleep(WINDOW)
        after = several.transactions(server, database), _used(_servers()), _used(pids), time.time()
        made, cpu, workers, seconds = (later - earlier for earlier, later in zip(before, after, strict=True))
        begun = time.time()
        several.follow(store)
        waited = several.posted(root, begun)
        for process in processes:
            process.communicate()
    rates = {"transactions": made / seconds, "cpu": cpu / seconds, "workers": workers / seconds}
    return {"p99": waited[int(len(waited) * 0.99)], **rates}


def _servers() -> list[int]:
    """The processes of the server, of which the first also counts those that ended."""
    named = ((int(path.parent.name), path) for path in Path("/proc").glob("[0-9]*/comm"))
    return [pid for pid, path in named if path.read_text(encoding="utf-8").strip() == "postgres"]


def _used(pids: list[int]) -> float:
    """Seconds of CPU of processes and of their children that ended (proc_pid_stat(5))."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        total += sum(map(int, fields[11:15]))
    return total / _TICKS
