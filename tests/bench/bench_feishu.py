"""What Feishu costs: time to start and memory, beside the bare import of its SDK; and how soon the bot acknowledges.

The real program (`digest run`) in a process of its own, the tests' Feishu server in this one.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

from bench_slack import memory, repository
from feishu_server import USER, FeishuServer
from service import ROOT, environment, feishu_settings

from adapters.stores.sqlite import SqliteStore
from bot.values import Place, Subscription

PER_SECOND, SECONDS, STARTS = 12, 20, 3
"""Lines that are asked, a few less than Feishu lets an application answer: 1,000 a minute."""
GROUPS = tuple(f"oc_{n}" for n in range(1, 21))
_BARE = """
import time
begun = time.monotonic()
import lark_oapi
print(time.monotonic() - begun, flush=True)
input()
"""


def run() -> list[dict[str, object]]:
    """Starts are measured a few times by turns, of which the median counts; the first import of all is left out."""
    _bare()
    with tempfile.TemporaryDirectory() as folder, FeishuServer(time.time, groups=GROUPS) as server:
        repo = repository(Path(folder) / "repo")
        store = SqliteStore(Path(folder) / "digest.db")
        subscription = Subscription(Place("feishu", "oc_1"), repo, "0 9 * * *", "UTC", "en", created=datetime.now(UTC))
        store.subscribe(subscription)
        store.close()
        told = environment(Path(folder), **feishu_settings(server.root), DIGEST_ALLOW=repo)
        starts, bare = [], []
        for _ in range(STARTS):
            bare.append(_bare())
            seconds, bot = _started(server, told)
            starts.append((seconds, memory(bot.pid)))
            if len(starts) < STARTS:
                _ended(bot)
        waited = _ask(server)
        at_work, stopping = memory(bot.pid, "VmHWM"), _ended(bot)
    start, at_rest = (statistics.median(column) for column in zip(*starts, strict=True))
    imported, resident = (statistics.median(column) for column in zip(*bare, strict=True))
    p99 = statistics.quantiles(waited, n=100)[98] * 1e3
    what = f"Feishu, {PER_SECOND} lines a second while digests of 400 commits are built"
    return [
        _row("import lark_oapi alone", imported, None, "s"),
        _row("import lark_oapi alone, memory", resident, None, "MB"),
        _row("digest run with Feishu, from the start to being connected", start, None, "s"),
        _row("the same / the import alone", start / imported, 1, "×"),
        _row("digest run with Feishu alone, at rest", at_rest, None, "MB"),
        _row("the same less the import alone", at_rest - resident, 0, "MB"),
        _row("the same after the lines and digests, peak, less the import alone", at_work - resident, 50, "MB"),
        _row(f"{what}: ack p99", p99, 250, "ms"),
        _row(f"{what}: ack median", statistics.median(waited) * 1e3, None, "ms"),
        _row("Feishu, SIGTERM to the end", stopping, 5, "s"),
    ]


def _row(what: str, measured: float, bar: float | None, unit: str) -> dict[str, object]:
    return {"what": what, "measured": measured, "bar": bar, "unit": unit}


def _bare() -> tuple[float, float]:
    """The seconds and the resident megabytes of a process that imports the SDK and nothing else."""
    with subprocess.Popen(
        [sys.executable, "-c", _BARE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        seconds = float(process.stdout.readline())
        taken = memory(process.pid)
        process.communicate("\n")
    return seconds, taken


def _started(server: FeishuServer, told: dict[str, str]) -> tuple[float, subprocess.Popen[bytes]]:
    """A bot that is connected, and the seconds that it took."""
    begun = time.monotonic()
    bot = subprocess.Popen([sys.executable, "-m", "bot", "run"], env=told, cwd=ROOT)
    try:
        server.socket.wait_connected(1, 60)
    except BaseException:
        bot.kill()
        raise
    seconds = time.monotonic() - begun
    time.sleep(1)
    return seconds, bot


def _ended(bot: subprocess.Popen[bytes]) -> float:
    """The seconds from SIGTERM to the end."""
    begun = time.monotonic()
    bot.terminate()
    bot.wait(30)
    return time.monotonic() - begun


def _ask(server: FeishuServer) -> list[float]:
    """Ask for fresh digests all the time, and for small things at a steady pace; the seconds of each small ack."""
    day = datetime(2026, 2, 18, tzinfo=UTC)

    def build() -> None:
        for back in range(SECONDS // 2):
            server.say(f"/digest {day - timedelta(days=back):%Y-%m-%d}", wait=False)
            time.sleep(2)

    def ask(number: int) -> float:
        line = ("list", "help", "status", "qwerty")[number % 4]
        group = server.group(GROUPS[1 + number % (len(GROUPS) - 1)])  # each is answered at its own pace
        event = server.message_event(server._said(group, line, USER, None, True, False, None))
        ack = server.socket.push(event, wait=20)
        assert ack.code == 200, ack
        return ack.seconds

    threading.Thread(target=build, daemon=True).start()
    begun, asked = time.monotonic(), []
    with ThreadPoolExecutor(64) as pool:
        for number in range(PER_SECOND * SECONDS):
            time.sleep(max(0.0, begun + number / PER_SECOND - time.monotonic()))
            asked.append(pool.submit(ask, number))
    return [future.result() for future in asked]
