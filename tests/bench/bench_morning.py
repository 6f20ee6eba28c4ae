"""How long a large morning takes: 1,000 channels that follow 100 repositories, all due at the same minute.

The worker in a process of its own, with the real Slack and GitHub clients, against the tests' servers, of which Slack's
refuses what is faster than Slack allows. Time runs faster for both by the same factor, so that a morning takes minutes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from github_server import GitHubServer
from repositories import Builder, lines
from service import quiet_zone
from slack_server import TOKEN, faster

from adapters.chats.slack import limits
from adapters.chats.slack.chat import SlackChat
from adapters.chats.slack.workspaces import OneWorkspace
from adapters.sources.github import source as github
from adapters.sources.github.settings import GitHubSettings
from adapters.stores.sqlite import SqliteStore
from bot.app import App
from bot.delivery.steps import Steps
from bot.delivery.worker import Worker
from bot.ports import Progress, Readers
from bot.repositories import Repositories
from bot.rights import Rights
from bot.values import DeliveryState, Place, Subscription

HERE = Path(__file__).parent
CHANNELS, REPOSITORIES, SPEED = 1_000, 100, 10.0
MESSAGES, FILES = 2, 2
"""Of each digest: the headline, the commits, the report; and the report's files."""


def run() -> list[dict[str, object]]:
    """The time is compared with the least that Slack's limits allow for so many messages and files."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        now = datetime.now(UTC)
        repo = _repository(path / "repo", now)
        with GitHubServer({f"team/app{n}": repo for n in range(REPOSITORIES)}) as hub:
            database = path / "digest.db"
            _follow(database, now)
            names = ",".join(f"C{n}" for n in range(CHANNELS))
            begun = time.time()
            server = [sys.executable, str(HERE.parent / "slack_server.py"), "--throttle", "--channels", names]
            server += ["--begun", str(begun), "--speed", str(SPEED)]
            with subprocess.Popen(server, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as slack:
                root = slack.stdout.readline().strip()
                worker = [sys.executable, __file__, str(database), hub.url, f"{root}/api/", str(begun)]
                told = json.loads(subprocess.run(worker, check=True, capture_output=True, text=True).stdout)
                with urllib.request.urlopen(f"{root}/_/stats") as answer:
                    stats = json.load(answer)
                slack.stdin.close()
            listed, described = hub.counts["list"], hub.counts["commit"]
    least = 60 * max(CHANNELS * MESSAGES / limits.WORKSPACE.slack, CHANNELS * FILES / limits.TIER_4.slack)
    # The files of a digest are one message more.
    assert set(stats["messages"].values()) == {MESSAGES + 1}, stats
    assert stats["files"] == CHANNELS * FILES, stats
    what = f"{CHANNELS:,} channels, {REPOSITORIES} repositories, one minute"
    return [
        _row(f"{what}: all posted, beside what Slack allows", told["seconds"] / least, 1.2, "×"),
        _row(f"{what}: histories read for each repository", listed / REPOSITORIES, 1),
        _row(f"{what}: commits read for each repository", described / REPOSITORIES, 1),
        _row(f"{what}: digests made for each repository", told["digests"] / REPOSITORIES, 1),
        # Where time runs faster, a late thread is later: some are a little too early for the server.
        _row(f"{what}: answers 429 for each message", stats["refused"] / CHANNELS / (MESSAGES + 1), None),
        _row(f"{what}: memory, peak", told["memory"], 300, "MB"),
    ]


def _row(what: str, measured: float, bar: float | None, unit: str = "") -> dict[str, object]:
    return {"what": what, "measured": measured, "bar": bar, "unit": unit}


def _repository(path: Path, now: datetime) -> Path:
    build = Builder(path)
    build.commit("root", now - timedelta(days=20), {"README.md": "# App\n"})
    files = {"src/part.py": lines(1, 20, "part")}
    build.commit("one", now - timedelta(hours=24), files, message="fix: wrong part (#1)")
    return build.finish().path


def _follow(database: Path, now: datetime) -> None:
    zone = quiet_zone(now)
    store = SqliteStore(database)
    for n in range(CHANNELS):
        place, repo = Place("slack", f"T1/C{n}"), f"team/app{n % REPOSITORIES}"
        store.subscribe(Subscription(place, repo, "0 6 * * *", zone, "en", created=now - timedelta(hours=24)))
    store.close()


def work(database: str, hub: str, slack: str, begun: str) -> None:
    """The other process: deliver everything, and tell how long that took by its faster clock."""
    clock, started = faster(float(begun), SPEED), time.monotonic()
    store = SqliteStore(Path(database))
    source = github.from_settings(GitHubSettings(github_url=hub, _env_file=None))

    def now() -> datetime:
        return datetime.fromtimestamp(clock(), UTC)

    repositories = Repositories(
        lambda _: source,
        store,
        Rights(),
        now,
        readers=lambda *_: Readers(),
    )
    app = App(
        repositories=repositories,
        archive=store,
        aftermath=store,
        model=None,
        clock=now,
        concurrency=8,
        progress=Progress(),
    )
    chat = SlackChat(OneWorkspace(TOKEN, slack), clock=clock, sleep=lambda s: time.sleep(s / SPEED), now=clock)
    ports = dict.fromkeys(("archive", "subscriptions", "ledger", "leases", "memory"), store)
    worker = Worker(Steps(app, {"slack": chat}, timedelta(seconds=60 * SPEED), **ports))
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(5):
            worker.renew()

    threading.Thread(target=renew, daemon=True).start()
    while store.delivery_states()[DeliveryState.DONE] < CHANNELS:
        worker.tick()
        worker.drain(2)
    ended.set()
    status = Path("/proc/self/status").read_text() if sys.platform.startswith("linux") else "VmHWM: 0"
    memory = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024
    seconds = (time.monotonic() - started) * SPEED
    print(json.dumps({"seconds": seconds, "memory": memory, "digests": store.counts()["digests"]}))
    worker.stop(5)


if __name__ == "__main__":
    work(*sys.argv[1:])
