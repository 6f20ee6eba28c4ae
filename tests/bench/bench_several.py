"""How long a morning takes that several processes share: on PostgreSQL with 1, 2 and 4 workers, and on a file with one.

Real time, the real Slack and GitHub clients, a Slack that refuses what is faster than it allows, in several workspaces.
SUBSCRIPTIONS says how many are due at the same minute, of a fifth as many repositories; from 2,000 on, which are in 20
workspaces, the time is held against the least that Slack's limits allow. A run with so many wants a machine of its own.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

from bench_morning import FILES, MESSAGES, _repository
from github_server import GitHubServer
from postgres import Postgres, postgres
from pydantic import SecretStr
from service import quiet_zone
from slack_sdk.web import WebClient
from slack_server import TOKEN

from adapters.chats.slack import limits
from adapters.chats.slack.chat import SlackChat
from adapters.chats.slack.workspaces import OneWorkspace
from adapters.sources.github import source as github
from adapters.sources.github.settings import GitHubSettings
from adapters.stores.sqlite import SqliteStore
from bot.app import App
from bot.delivery.queued import Queued
from bot.delivery.steps import Steps
from bot.delivery.worker import Worker
from bot.ports import Progress, Readers, Store
from bot.repositories import Repositories
from bot.rights import Rights
from bot.values import Place, Subscription

NUMBER = int(os.environ.get("SUBSCRIPTIONS", "40"))
LARGE = 2_000
WORKSPACES = max(2, min(20, NUMBER // 100))
REPOSITORIES = max(1, NUMBER // 5)
WORKERS = (1, 2, 4)
LEASE = timedelta(seconds=60)
HERE = Path(__file__).parent


class _Workspaces(OneWorkspace):
    """Several, each with a token of its own."""

    def __init__(self, url: str) -> None:
        self._all = {f"T{n}": OneWorkspace(TOKEN if n == 1 else f"{TOKEN}-T{n}", url) for n in range(1, WORKSPACES + 1)}

    def client(self, team: str) -> WebClient:
        return self._all[team].own()

    def own(self) -> WebClient:
        return self._all["T1"].own()


def run() -> Iterator[dict[str, object]]:
    """Rows for each number of workers; CPU and transactions beside those of one."""
    with tempfile.TemporaryDirectory() as name, postgres() as server:
        folder, now = Path(name), datetime.now(UTC)
        server.keep_what_it_says()
        repo = _repository(folder / "repo", now)
        with GitHubServer({f"team/app{n}": repo for n in range(REPOSITORIES)}) as hub:
            plain = _morning(hub.url, str(folder / "digest.db"), 1, None)
            one: dict[str, float] = {}
            for workers in WORKERS:
                found = _morning(hub.url, server.fresh(), workers, server)
                yield from _rows(f"{workers} on PostgreSQL", found, one or found)
                one = one or found
            yield from _rows("1 on a file", plain, plain)


def _rows(who: str, found: dict[str, float], one: dict[str, float]) -> Iterator[dict[str, object]]:
    what = f"{NUMBER:,} due at once, {who}"
    each, near = NUMBER / WORKSPACES, 1.15 if NUMBER >= LARGE else None
    least = 60 * max(each * MESSAGES / limits.WORKSPACE.slack, each * FILES / limits.TIER_4.slack)
    yield row(f"{what}: all posted", found["seconds"], None, "s")
    yield row(f"{what}: beside what Slack allows", found["seconds"] / least, 1.2 if NUMBER >= LARGE else None, "×")
    yield row(f"{what}: CPU of the workers for each", found["cpu"] / NUMBER * 1_000, None, "ms")
    yield row(f"{what}: the same beside one worker's", found["cpu"] / one["cpu"], near, "×")
    yield row(f"{what}: from due to sent, p99", found["p99"], None, "s")
    yield row(f"{what}: answers 429", found["refused"], None)
    if found["transactions"]:
        yield row(f"{what}: transactions for each", found["transactions"] / NUMBER, None)
        yield row(f"{what}: the same beside one worker's", found["transactions"] / one["transactions"], near, "×")


def row(what: str, measured: float, bar: float | None, unit: str = "") -> dict[str, object]:
    """A row of the table."""
    return {"what": what, "measured": measured, "bar": bar, "unit": unit}


def _morning(hub: str, database: str, workers: int, server: Postgres | None) -> dict[str, float]:
    """One morning; a database is a name on the server, or a file."""
    address = server.address(database).get_secret_value() if server else database
    store = opened(address)
    with slack() as root:
        processes = started(workers, address, hub, root)
        before = transactions(server, database)
        follow(store)
        begun = time.time()  # nobody works yet
        begin(processes)
        waited = posted(root, begun)
        used = [float(process.communicate()[0]) for process in processes]
        made = transactions(server, database) - before
        refused = told(root)["refused"]
    store.close()
    return {
        "seconds": waited[-1],
        "cpu": sum(used),
        "p99": waited[int(len(waited) * 0.99)],
        "refused": refused,
        "transactions": made,
    }


def started(workers: int, address: str, hub: str, root: str) -> list[subprocess.Popen[str]]:
    """Processes that are ready to work, and wait for `begin`."""
    command = [sys.executable, str(HERE / "bench_several.py"), address, hub, f"{root}/api/"]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(workers)
    ]
    for process in processes:
        process.stdout.readline()
    return processes


def begin(processes: list[subprocess.Popen[str]]) -> None:
    """Let processes work, until their input ends."""
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()


def told(root: str) -> dict[str, object]:
    """What the tests' Slack counts."""
    with urllib.request.urlopen(f"{root}/_/stats") as answer:
        return json.load(answer)


def posted(root: str, begun: float) -> list[float]:
    """Wait until all is posted in every channel; after how many seconds it was, in order."""
    while (stats := told(root))["files"] < NUMBER * FILES or set(stats["messages"].values()) != {MESSAGES + 1}:
        time.sleep(0.5)
    return sorted(moment - begun for moment in stats["latest"])


@contextmanager
def slack() -> Iterator[str]:
    """The address of the tests' Slack."""
    names = ",".join(f"C{n}" for n in range(NUMBER))
    command = [sys.executable, str(HERE.parent / "slack_server.py"), "--throttle", "--channels", names]
    command += ["--workspaces", str(WORKSPACES)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().strip()
        process.stdin.close()


def transactions(server: Postgres | None, name: str) -> int:
    """All that the server has made in a database."""
    if not server:
        return 0
    time.sleep(1.5)  # sessions tell at most once a second
    return server.sql(f"SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = '{name}'")[0][0]


def opened(address: str) -> Store:
    """The store of an address, or of a file."""
    if not address.startswith("postgres"):
        return SqliteStore(Path(address))
    from adapters.stores.postgres import PostgresStore

    return PostgresStore(SecretStr(address))


def follow(store: Store) -> None:
    """Subscriptions that are due at once."""
    now = datetime.now(UTC)
    zone = quiet_zone(now)
    for n in range(NUMBER):
        place, repo = Place("slack", f"T{n % WORKSPACES + 1}/C{n}"), f"team/app{n % REPOSITORIES}"
        store.subscribe(Subscription(place, repo, "0 6 * * *", zone, "en", created=now - timedelta(hours=24)))


def work(address: str, hub: str, slack: str) -> None:
    """Another process: deliver with the others until the input ends, and tell what CPU that took."""
    store = opened(address)
    source = github.from_settings(GitHubSettings(github_url=hub, _env_file=None))
    repositories = Repositories(lambda _: source, store, Rights(), _now, readers=lambda *_: Readers())
    app = App(
        repositories=repositories,
        archive=store,
        model=None,
        clock=_now,
        concurrency=8,
        progress=Progress(),
        aftermath=store,
    )
    rates, queue = None, None
    if address.startswith("postgres"):
        from adapters.queue import ProcrastinateQueue
        from adapters.stores.postgres.rates import PostgresRates

        rates, queue = PostgresRates(store.server), ProcrastinateQueue(store.server, LEASE)
    chats = {"slack": SlackChat(_Workspaces(slack), rates=rates)}
    ports = dict.fromkeys(("archive", "subscriptions", "ledger", "leases", "memory"), store)
    steps = Steps(app, chats, LEASE, **ports)
    made = Queued(steps, queue) if queue else Worker(steps)
    print("ready", flush=True)
    sys.stdin.readline()
    used = _used()
    made.begin(_every)
    sys.stdin.read()
    print(_used() - used, flush=True)
    os._exit(0)


def _now() -> datetime:
    return datetime.now(UTC)


def _used() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _every(seconds: float, task, name: str) -> None:
    def go_on() -> None:
        while True:
            task()
            time.sleep(seconds)

    threading.Thread(target=go_on, name=name, daemon=True).start()


if __name__ == "__main__":
    work(*sys.argv[1:])
