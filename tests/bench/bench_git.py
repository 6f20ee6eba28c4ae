"""How fast the git source reads, measured against git itself; `BENCH_REPO` names a repository to read instead."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from repositories import DAY, ENVIRONMENT, Builder

from adapters.sources.git.source import GitSource
from bot.values import Commit

COMMITS = 1000
ROUNDS = 3


def run() -> list[dict[str, object]]:
    """The measurements: seconds of ours over git's (interleaved, the least of three), and peak memory in a child."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.environ.get("BENCH_REPO") or str(_generated(Path(folder) / "bench.git"))
        source = GitSource(Path(folder) / "clones")
        since, until = newest(source, path)
        shas = [commit.sha for commit in source.commits(path, "", since, until)]
        metadata = _ratio(lambda: _metadata(source, path, since, until), lambda: _raw(path, shas, "--numstat"))
        both = _ratio(lambda: _both(source, path, since, until), lambda: _raw(path, shas, "--patch", "--numstat"))
        peak = _peak(path, since, until)
    what = f"{len(shas)} commits of {Path(path).name}"
    return [
        {"what": f"metadata of {what} / git log --numstat", "measured": metadata, "bar": 1.5, "unit": "x"},
        {"what": f"metadata and patches of {what} / git log -p --numstat", "measured": both, "bar": 1.5, "unit": "x"},
        {"what": f"peak memory, metadata and patches of {what}", "measured": peak, "bar": 150.0, "unit": "MB"},
    ]


def _generated(path: Path) -> Path:
    """A repository with a thousand commits of eight files of 200 lines each, some lines changed in each."""
    chance = random.Random(7)
    files = {f"src/module_{n}.py": [f"value_{n}_{i} = {i}\n" for i in range(200)] for n in range(200)}
    build = Builder(path)
    build.commit("0", DAY - timedelta(days=1), {name: "".join(text) for name, text in files.items()})
    for number in range(1, COMMITS + 1):
        touched = chance.sample(sorted(files), 8)
        for name in touched:
            for _ in range(10):
                files[name][chance.randrange(200)] = f"value = {chance.random()}\n"
        build.commit(str(number), DAY + timedelta(minutes=number), {name: "".join(files[name]) for name in touched})
    return build.finish().path


def newest(source: GitSource, path: str) -> tuple[datetime, datetime]:
    """The period of the newest commits that are measured."""
    command = ["git", "-c", "safe.directory=*", "-C", path, "log", "--first-parent", f"-{COMMITS}", "--format=%ct"]
    said = subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=True).stdout
    oldest = min(int(seconds) for seconds in said.split())
    return datetime.fromtimestamp(oldest, UTC), datetime(2100, 1, 1, tzinfo=UTC)


def _metadata(source: GitSource, path: str, since: datetime, until: datetime) -> Sequence[Commit]:
    return source.commits(path, "", since, until)


def _both(source: GitSource, path: str, since: datetime, until: datetime) -> None:
    for _ in source.patches(path, source.commits(path, "", since, until)):
        pass


def _raw(path: str, shas: Sequence[str], *options: str) -> None:
    """What git itself needs for the same commits, its output thrown away."""
    command = ["git", "-c", "safe.directory=*", "-C", path, "log", "--no-walk=unsorted", "--stdin", "--root"]
    command += ["--diff-merges=first-parent", *options]
    asked = "".join(f"{sha}\n" for sha in shas).encode()
    subprocess.run(command, env=ENVIRONMENT, input=asked, stdout=subprocess.DEVNULL, check=True)


def _ratio(ours: Callable[[], object], theirs: Callable[[], object]) -> float:
    """The least time of ours over the least of theirs, taken in turns."""
    times: dict[Callable[[], object], list[float]] = {ours: [], theirs: []}
    for _ in range(ROUNDS):
        for measured, taken in times.items():
            start = time.perf_counter()
            measured()
            taken.append(time.perf_counter() - start)
    return round(min(times[ours]) / min(times[theirs]), 2)


def _peak(path: str, since: datetime, until: datetime) -> float:
    """Peak memory in MB of a Python process that reads metadata and all patches; git's own is not counted."""
    code = "import bench_git, sys; bench_git.measure_memory(*sys.argv[1:])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])}
    command = [sys.executable, "-c", code, path, since.isoformat(), until.isoformat()]
    return float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def measure_memory(path: str, since: str, until: str) -> None:
    """Read everything and print this process's peak memory in MB (proc(5), VmHWM; it is in kB).

    Not getrusage's ru_maxrss: that starts from the memory of the process that started this one.
    """
    with tempfile.TemporaryDirectory() as folder:
        _both(GitSource(Path(folder)), path, datetime.fromisoformat(since), datetime.fromisoformat(until))
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(round(int(status["VmHWM"].split()[0]) / 1024, 1))


if __name__ == "__main__":
    for row in run():
        verdict = "ok" if float(str(row["measured"])) <= float(str(row["bar"])) else "ABOVE"
        print(f"{row['measured']:>8} {row['unit']:<3} (bar {row['bar']}) {verdict:<6} {row['what']}")
