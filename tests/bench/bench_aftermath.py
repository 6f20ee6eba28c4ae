"""What became of commits: what finding it adds to a day, and how long it takes to follow the lines of one."""

import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[1]))

from repositories import Builder, lines
from world import DAY, World

from bot.judgement.links import Links
from bot.repositories import OPERATOR
from bot.values import Period, Scope

NOW = datetime(2026, 3, 1, tzinfo=UTC)
COMMITS, FILES, LATER = 200, 20, 100


def run() -> list[dict]:
    """The rows of this benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        ratio = _ratio(Path(folder))
        return [
            row(f"{COMMITS} commits, a third names earlier ones, with what became of them / without", ratio, 1.2, "×"),
            row(f"what became of 2,000 lines, through {LATER} later commits", _asked(Path(folder)), 2, "s"),
        ]


def row(what: str, measured: float, bar: float | None, unit: str) -> dict:
    return {"what": what, "measured": measured, "bar": bar, "unit": unit}


def _ratio(folder: Path) -> float:
    """How much longer a day takes, the best of three each."""
    repo, best = str(_busy(folder / "busy")), {True: 1e9, False: 1e9}
    for turn in range(6):
        finding = turn % 2 == 0
        world = World(Path(tempfile.mkdtemp(dir=folder)), lambda: NOW, allow=(repo,), repo=repo)
        repository = world.app.repositories.find(repo, OPERATOR)
        world.store.keep_commits(world.source.commits(repo, "", DAY - timedelta(days=9), DAY))
        scope = Scope(repository.name, Period(DAY, DAY + timedelta(days=1), "UTC"), "en")
        begun = time.perf_counter()
        if finding:
            digest = world.app.digest(repository, scope)
            assert len(world.store.links(repository.name, [e.commit.sha for e in digest.entries])) > COMMITS // 4
        else:
            with patch.object(Links, "found", lambda *_: ()):
                world.app.digest(repository, scope)
        best[finding] = min(best[finding], time.perf_counter() - begun)
        world.close()
    return best[True] / best[False]


def _busy(path: Path) -> Path:
    build = Builder(path)
    for day, name in ((-1, "old"), (0, "new")):
        for n in range(COMMITS):
            named = f"Revert #{n}" if day == 0 and n % 3 == 0 else f"feat: support case {n}"
            number = n + (COMMITS if day == 0 else 0)
            files = {f"src/part{n}.py": lines(0, 60, f"{name}_{n}")}
            when = DAY + timedelta(days=day, minutes=n)
            build.commit(f"{name}{n}", when, files, message=f"{named} (#{number})\n\nIt was asked for.")
    return build.finish().path


def _asked(folder: Path) -> float:
    """Seconds, the best of three; what was found is not found again."""
    build, best = Builder(folder / "asked"), 1e9
    texts = [[f"value_{n} = compute({m})\n" for m in range(100)] for n in range(FILES)]
    build.commit("root", DAY - timedelta(days=1), {"README.md": "# App\n"})
    build.commit("large", DAY, {f"src/{n}.py": "".join(text) for n, text in enumerate(texts)}, message="feat: it (#1)")
    for n in range(LATER):
        text = texts[n % FILES]
        text[n % 90 : n % 90 + 5] = [f"mended_{n} = {m}\n" for m in range(5)]
        build.commit(f"c{n}", DAY + timedelta(hours=n), {f"src/{n % FILES}.py": "".join(text)}, message=f"fix: {n}")
    repo = str(build.finish().path)
    for _ in range(3):
        world = World(Path(tempfile.mkdtemp(dir=folder)), lambda: NOW, allow=(repo,), repo=repo)
        repository = world.app.repositories.find(repo, OPERATOR)
        large = world.source.pull(repo, 1)
        begun = time.perf_counter()
        links = world.app.links(repository, "").since(large, "")
        best = min(best, time.perf_counter() - begun)
        assert len(links) > LATER // 2
        world.close()
    return best


if __name__ == "__main__":
    for each in run():
        print(each)
