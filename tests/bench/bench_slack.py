"""How soon the bot acknowledges what people ask in Slack while it builds a digest, and how much memory it takes.

The real program (`digest run`) in a process of its own, the tests' Slack server in this one.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from repositories import Builder, lines
from service import ROOT, environment, slack_settings
from slack_server import SlackServer

from adapters.stores.sqlite import SqliteStore
from bot.values import Place, Subscription

PER_SECOND, SECONDS, AT_ONCE = 50, 20, 60
IMAGE = {"MALLOC_ARENA_MAX": "2"}
"""What the image and the systemd unit set: glibc would otherwise keep a tenth more memory."""


def run() -> list[dict[str, object]]:
    """Acknowledgements are measured from sending an envelope to its answer, on the server's side."""
    with tempfile.TemporaryDirectory() as folder, SlackServer(time.time) as server:
        repo = repository(Path(folder) / "repo")
        database = Path(folder) / "digest.db"
        store = SqliteStore(database)
        store.subscribe(
            Subscription(Place("slack", "T1/C1"), repo, "0 9 * * *", "UTC", "en", created=datetime.now(UTC))
        )
        store.close()
        bot = subprocess.Popen(
            [sys.executable, "-m", "bot", "run"],
            env=environment(Path(folder), **slack_settings(server.url), **IMAGE, DIGEST_ALLOW=repo),
            cwd=ROOT,
        )
        try:
            server.socket.wait_connected(30)
            time.sleep(1)
            at_rest = memory(bot.pid)
            at_once = _at_once(server)
            waited = _ask(server)
            at_work = memory(bot.pid, "VmHWM")
        finally:
            bot.terminate()
            begun = time.monotonic()
            bot.wait(30)
            stopping = time.monotonic() - begun
    p99 = _p99(waited)
    what = f"Slack, {PER_SECOND} commands a second while digests of 400 commits are built"
    return [
        {"what": f"Slack, {AT_ONCE} commands at once: ack p99", "measured": _p99(at_once), "bar": 100, "unit": "ms"},
        {"what": f"{what}: ack p99", "measured": p99, "bar": 100, "unit": "ms"},
        {"what": f"{what}: ack median", "measured": statistics.median(waited) * 1e3, "bar": None, "unit": "ms"},
        {"what": "digest run with Slack alone, at rest", "measured": at_rest, "bar": 120, "unit": "MB"},
        {"what": "the same after the commands and digests, peak", "measured": at_work, "bar": 120, "unit": "MB"},
        {"what": "SIGTERM to the end", "measured": stopping, "bar": 10, "unit": "s"},
    ]


def _p99(waited: list[float]) -> float:
    """Milliseconds within which all but one of a hundred are."""
    return statistics.quantiles(waited, n=100)[98] * 1e3


def _at_once(server: SlackServer) -> list[float]:
    """Ask for small things all at the same time; the seconds of each acknowledgement."""
    lines = [("list", "help", "status", "qwerty")[number % 4] for number in range(AT_ONCE)]
    asked = [server.socket.envelope("slash_commands", server.slash(line)) for line in lines]
    for envelope in asked:
        server.socket.send_nowait(envelope)
    return _acknowledged(server, [envelope["envelope_id"] for envelope in asked])


def _ask(server: SlackServer) -> list[float]:
    """Ask for fresh digests all the time, and for small things at a steady pace; the seconds of each small ack."""
    asked = []
    day = datetime(2026, 2, 18, tzinfo=UTC)

    def build() -> None:
        for back in range(SECONDS // 2):
            line = f"{day - timedelta(days=back):%Y-%m-%d}"
            server.socket.send_nowait(server.socket.envelope("slash_commands", server.slash(line)))
            time.sleep(2)

    threading.Thread(target=build, daemon=True).start()
    begun = time.monotonic()
    for number in range(PER_SECOND * SECONDS):
        time.sleep(max(0.0, begun + number / PER_SECOND - time.monotonic()))
        line = ("list", "help", "status", "qwerty")[number % 4]
        envelope = server.socket.envelope("slash_commands", server.slash(line))
        asked.append(envelope["envelope_id"])
        server.socket.send_nowait(envelope)
    return _acknowledged(server, asked)


def _acknowledged(server: SlackServer, asked: list[str]) -> list[float]:
    """The seconds after which each envelope was acknowledged, once all are."""
    until = time.monotonic() + 10
    while any(name not in server.socket.acks for name in asked) and time.monotonic() < until:
        time.sleep(0.05)
    missing = [name for name in asked if name not in server.socket.acks]
    assert not missing, f"{len(missing)} never acknowledged"
    return [server.socket.acks[name].seconds for name in asked]


def memory(pid: int, kind: str = "VmRSS") -> float:
    """Resident megabytes of a process, now or at most so far."""
    if not sys.platform.startswith("linux"):
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith(kind)).split()[1]) / 1024


def repository(path: Path) -> str:
    """Ten days of 400 commits each."""
    build = Builder(path)
    first = datetime(2026, 2, 9, tzinfo=UTC)
    for number in range(4_000):
        at = first + timedelta(minutes=number * 3.6)
        files = {f"src/part{number % 40}.py": lines(1, 12, f"value_{number}")}
        build.commit(f"c{number}", at, files, message=f"fix: part {number} (#{number + 1})")
    return str(build.finish().path)
