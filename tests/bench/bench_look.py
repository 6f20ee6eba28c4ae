"""What looking things up costs in a tree of 7,000 files, by every process together; `BENCH_REPO` names another tree."""

from __future__ import annotations

import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from repositories import DAY, Builder, git

from adapters.sources.git.source import GitSource
from bot.values import Commit, Look, LookKind

FILES = 7_000
ROUNDS = 3


def run() -> list[dict[str, object]]:
    """CPU seconds of the look-ups of one commit, its processes included, and against reading the commit's patch."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.environ.get("BENCH_REPO") or str(_generated(Path(folder) / "bench.git"))
        source = GitSource(Path(folder) / "clones")
        commit = source.commit(path, git(Path(path), "rev-parse", "HEAD"))
        looks = _looks(commit)
        looking = _least(lambda: source.look(path, commit, looks))
        reading = _least(lambda: list(source.patches(path, [commit])))
    files = (
        len(git(Path(path), "ls-tree", "-r", "--name-only", "HEAD").splitlines())
        if "BENCH_REPO" in os.environ
        else FILES
    )
    what = f"{len(looks)} look-ups of a commit in {files:,} files"
    return [
        {"what": f"CPU of {what}", "measured": looking, "bar": 0.5, "unit": "s"},
        {"what": f"{what} / reading its patch", "measured": looking / reading, "bar": None, "unit": "x"},
    ]


def tree() -> dict[str, str]:
    """The files of a tree that is large enough for a look-up to cost something."""
    chance = random.Random(7)
    return {f"packages/part_{n % 40}/src/module_{n}.py": _module(n, chance) for n in range(FILES)}


def _generated(path: Path) -> Path:
    """A repository of 7,000 files of 120 lines; names are used by one file, by some, and by nearly all."""
    build = Builder(path)
    build.commit("base", DAY, tree())
    chance = random.Random(8)
    build.commit("change", DAY, {f"packages/part_{n}/src/module_{n}.py": _module(n, chance) for n in range(5)})
    built = build.finish().path
    git(built, "repack", "-adq")
    return built


def _module(number: int, chance: random.Random) -> str:
    """A module that uses names of others."""
    lines = ["from parts import shared", "", ""]
    for n in range(20):
        used = chance.randrange(FILES)
        lines += [
            f"def task_{number}_{n}(value, option=None):",
            f'    """Do part {n} of what module {number} is for, unless the option says otherwise."""',
            f"    result = task_{used}_{n}(value)",
            f"    setting_{used % 500} = result.value + shared(option)",
            f"    return setting_{used % 500}",
            "",
        ]
    return "\n".join(lines)


def _looks(commit: Commit) -> list[Look]:
    """Ten words, rare and common ones, and ten places now and before."""
    words = ["task_3_4", "task_7_1", "setting_77", "setting_5", "shared", "option", "module_12", "nowhere_at_all"]
    paths = [file.path for file in commit.files][:5]
    places = [Look(kind, path=path, line=40) for path in paths for kind in (LookKind.PLACE, LookKind.BEFORE)]
    return [*(Look(LookKind.WORD, word) for word in [*words, "result", "value"]), *places]


def _least(call: Callable[[], object]) -> float:
    """The least CPU seconds of some calls, those of ended processes included."""
    taken = []
    for _ in range(ROUNDS):
        before = used()
        call()
        taken.append(used() - before)
    return round(min(taken), 4)


def used() -> float:
    """CPU seconds of this process and of those that it started and that have ended."""
    both = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


if __name__ == "__main__":
    start = time.perf_counter()
    for row in run():
        print(row)
    print(f"{time.perf_counter() - start:.1f} s")
