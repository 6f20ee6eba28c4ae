"""A day from source to report: against the reading alone, and in memory.

BENCH_REPO names a repository with at least 1,000 first-parent commits; without it one is made.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from repositories import Builder, lines
from world import DAY, HOME, World

from bot.posts import report
from bot.rights import Who
from bot.texts import Texts
from bot.values import Period, Scope

COMMITS = 1_000
CLOCK = lambda: datetime(2026, 2, 20, tzinfo=UTC)  # noqa: E731


def run() -> list[dict]:
    """The rows of this benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        repo = os.environ.get("BENCH_REPO") or str(_large(Path(folder) / "large"))
        reading, whole = (_child(repo, what, folder) for what in ("read", "report"))
        huge = _child(str(_huge(Path(folder) / "huge")), "report", folder)
        return [
            row("1,000 commits, rules, source to report / reading alone", whole[0] / reading[0], 3, "×"),
            row("… its peak memory", whole[1], 250, "MB"),
            row("… with one 100 MB patch in the day, peak memory", huge[1], 300, "MB"),
            row("digest --help, CPU", _help(), 0.25, "s"),
        ]


def row(what: str, measured: float, bar: float | None, unit: str) -> dict:
    return {"what": what, "measured": measured, "bar": bar, "unit": unit}


def _large(path: Path) -> Path:
    build = Builder(path)
    for n in range(COMMITS):
        # About 70 kB of patch a commit; a busy repository measured 110 kB.
        files = {f"src/module{n % 50}/part{m}.py": lines(n, n + 400, f"value_{n} = compute") for m in range(5)}
        files |= {f"tests/test_{n % 90}.py": lines(0, n % 200, f"check_{n}")}
        build.commit(
            f"c{n}", DAY + timedelta(seconds=n), files, message=f"feat: support case {n} (#{n})\n\nIt was asked for."
        )
    return build.finish().path


def _huge(path: Path) -> Path:
    build = Builder(path)
    build.commit("root", DAY - timedelta(days=1), {"a.py": "a\n"})
    build.commit(
        "huge",
        DAY + timedelta(hours=1),
        {"data/table.py": "x = 1\n" * (100 * 2**20 // 7)},
        message="feat!: support tables",
    )
    build.commit("small", DAY + timedelta(hours=2), {"a.py": "b\n"}, message="fix: a")
    return build.finish().path


def _child(repo: str, what: str, folder: str) -> tuple[float, float]:
    """The best seconds of three and the peak memory (MB) of a process that does `what`."""
    best, peak = 1e9, 0.0
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, __file__, what, repo, tempfile.mkdtemp(dir=folder)],
            capture_output=True,
            text=True,
            check=True,
        )
        seconds, megabytes = (float(word) for word in done.stdout.split())
        best, peak = min(best, seconds), max(peak, megabytes)
    return best, peak


def _measured(what: str, repo: str, folder: str) -> None:
    """The child: do `what` once and print seconds and peak memory."""
    world = World(Path(folder), CLOCK, repo)
    tip = world.source.commits(repo, "", datetime(1971, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))[:COMMITS]
    period = Period(tip[-1].committed, tip[0].committed + timedelta(seconds=1), "UTC")
    started = time.perf_counter()
    if what == "read":
        commits = world.source.commits(repo, "", period.since, period.until)
        for _ in world.source.patches(repo, commits):
            pass
    else:
        repository = world.repositories.find(repo, Who(HOME))
        report.markdown((world.app.digest(repository, Scope(repository.name, period, "en")),), Texts("en"))
    seconds = time.perf_counter() - started
    world.close()
    # Not ru_maxrss: Linux starts it at the parent's memory, which an exec hands down.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    print(seconds, int(status.split("VmHWM:")[1].split()[0]) / 1024)


@contextmanager
def _children():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent: list[float] = []
    yield spent
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def _help() -> float:
    """CPU seconds of `digest --help`, the best of five."""
    best = 1e9
    for _ in range(5):
        with _children() as spent:
            subprocess.run([sys.executable, "-m", "bot", "--help"], capture_output=True, check=True)
        best = min(best, spent[0])
    return best


if __name__ == "__main__":
    _measured(*sys.argv[1:])
