"""How much of the changed lines a model is shown, without a model.

`BENCH_REPO` names a repository whose newest days are read; without it a day is made with the patch sizes of real ones.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench_git import newest
from repositories import DAY, Builder, lines

from adapters.sources.git.source import GitSource
from bot.commits import patch
from bot.judgement import triage
from bot.values import Commit, FilePatch, Importance

BUDGET, PARTS = 40_000, 4
"""Tokens of one question, and questions for a high commit."""
SMALL = 1_000
"""Tokens of a patch of which every line is shown."""
DAYS = 12
"""The newest days of a real repository that are read."""
UNCOUNTED = re.compile(
    r"(?:^|/)(?:package-lock\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml"
    r"|go\.sum|bun\.lockb|[^/]+\.lock|[\w-]*requirements[-_]lock[\w.-]*\.txt)$|\.snap$|\.ambr$|\.term\.svg$"
    r"|(?:^|/)(?:__snapshots__|snapshots)/"
)
"""Lock files and snapshots, by name: no reader reads them, and so they are not counted."""


def run() -> list[dict[str, object]]:
    """The median shares that are not shown, of highs and of mediums, and the small commits that are not shown whole."""
    with tempfile.TemporaryDirectory() as folder:
        repo = os.environ.get("BENCH_REPO") or str(_made(Path(folder) / "days"))
        shares = list(_shares(GitSource(Path(folder) / "clones"), repo))
    missed = {i: [1 - share for importance, share, _ in shares if importance is i] for i in Importance}
    small = sum(share < 1 and size < SMALL for _, share, size in shares)
    rows = (
        (f"changed lines not shown, median of {len(missed[i])} {i} commits", _median(missed[i]), bar, "%")
        for i, bar in ((Importance.HIGH, 2), (Importance.MEDIUM, 10))
    )
    small_row = (f"of {len(shares)} commits, under {SMALL:,} tokens and not shown whole", small, 0, "")
    names = ("what", "measured", "bar", "unit")
    return [dict(zip(names, row, strict=True)) for row in (*rows, small_row)]


def _median(shares: Sequence[float]) -> float:
    return 100 * median(shares) if shares else 0.0


def _shares(source: GitSource, repo: str) -> Iterator[tuple[Importance, float, int]]:
    """Of each commit its importance by the rules, the share of its changed lines that is shown, and its tokens."""
    for day in _days(source, repo):
        patches = dict(source.patches(repo, day))
        for commit, judged in zip(day, triage.judge(day), strict=True):
            parts = PARTS if judged.importance is Importance.HIGH else 1
            yield judged.importance, _share(commit, patches[commit.sha], parts), _tokens(patches[commit.sha])


def _days(source: GitSource, repo: str) -> Iterator[list[Commit]]:
    """The newest days that have commits."""
    found = source.commits(repo, "", *newest(source, repo))
    days: Mapping[date, list[Commit]] = {d: list(of) for d, of in groupby(found, lambda c: c.committed.date())}
    yield from list(days.values())[:DAYS]


def _share(commit: Commit, patches: Sequence[FilePatch], parts: int) -> float:
    """The share of the changed lines, lock files and snapshots aside, that no line of `left_out` names."""
    pages = patch.parts(commit, patches, BUDGET, parts)
    counted = {f.path: f.added + f.removed for f in commit.files if not UNCOUNTED.search(f.path)}
    total = sum(counted.values())
    output = {line.split(" (")[0] for line in pages[0].left_out if line.endswith(", generated")}
    missed = sum(map(_missed, pages[0].left_out)) + sum(n for path, n in counted.items() if path in output)
    return 1 - missed / total if total else 1.0


def _missed(line: str) -> int:
    found = re.search(r", (\d+) changed lines (?:not shown|of a notebook)", line)
    return int(found[1]) if found else 0


def _tokens(patches: Sequence[FilePatch]) -> int:
    return sum(patch.tokens(p.text) for p in patches if not UNCOUNTED.search(p.path))


# Tokens of the patches of a day, as they were in the quantiles of busy repositories.
_HIGHS = (1_200, 2_700, 5_000, 9_000, 15_000, 22_000, 60_000, 100_000, 180_000)
_MEDIUMS = (80, 290, 720, 960, 1_400, 1_900, 2_900, 5_000, 10_000, 28_000, 80_000)


def _made(path: Path) -> Path:
    """Days of such commits: in each every fourth line of some files is another one."""
    kinds = (("feat(api)!: replace", _HIGHS), ("fix: repair", _MEDIUMS * 4))
    sized = [
        (f"{what} part {day}-{n} ({size})", DAY + timedelta(days=day, minutes=n), _sizes(f"part{day}_{n}", size))
        for day in range(DAYS)
        for n, (what, size) in enumerate((what, size) for what, sizes in kinds for size in sizes[day % 3 :: 3])
    ]
    build = Builder(path)
    before = {name: lines(1, count) for *_, files in sized for name, count in files.items()}
    build.commit("root", DAY - timedelta(days=1), before)
    for number, (message, moment, files) in enumerate(sized):
        changed = {name: before[name].replace("0\n", f"0 of {number}\n").replace("5\n", "5 again\n") for name in files}
        build.commit(str(number), moment, changed | {"uv.lock": lines(number, 40 * number)}, message=message)
    return build.finish().path


def _sizes(name: str, size: int) -> dict[str, int]:
    """How many lines each file of a commit has, that its patch may have `size` tokens."""
    count = size // 5
    files = {f"src/{name}/module{n}.py": min(1_000, count - n * 1_000) for n in range(-(-count // 1_000))}
    return files | {f"tests/test_{name}.py": count // 3 + 10, f"docs/{name}.md": count // 10 + 5}
