"""How fast evidence is checked and a large patch is cut to what a model sees."""

from __future__ import annotations

import random
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from make import change, commit

from bot.commits import patch
from bot.judgement.questions import PARTS, QUESTION_TOKENS
from bot.values import Commit, FilePatch

CLAIMS = 12
"""Statements of one answer, at most: six insights and six risks."""


def run() -> list[dict[str, object]]:
    """Seconds are the least of five; memory is what the selection itself takes, the patch not counted."""
    small, patches = _patch(lines=2_000, files=10)
    real = [f"value_{n * 15} = compute({n * 15})" for n in range(CLAIMS - 2)]
    quotes = [*real, "not_there(1)", "value_7 = nothing"]

    def check() -> None:
        proof = patch.EvidenceIndex(small, patches)
        found = [proof.find(small.files[n % 10].path, quote) for n, quote in enumerate(quotes)]
        assert sum(evidence is not None for evidence in found) == len(real)

    large, big = _patch(lines=200_000, files=50)
    size = sum(len(p.text) for p in big) / 1e6
    what = f"patch of {size:.0f} MB"
    return [
        {"what": f"checking {CLAIMS} quotes in 2,000 lines", "measured": _least(check) * 1e3, "bar": 5, "unit": "ms"},
        {
            "what": f"one page of a {what}",
            "measured": _least(lambda: patch.select(large, big, QUESTION_TOKENS)),
            "bar": 1,
            "unit": "s",
        },
        {
            "what": f"{PARTS} pages of it",
            "measured": _least(lambda: patch.parts(large, big, QUESTION_TOKENS, PARTS)),
            "bar": 1,
            "unit": "s",
        },
        {
            "what": "memory for these",
            "measured": _memory(lambda: patch.parts(large, big, QUESTION_TOKENS, PARTS)),
            "bar": 100,
            "unit": "MB",
        },
    ]


def _patch(lines: int, files: int) -> tuple[Commit, list[FilePatch]]:
    """A commit of `files` files, a hunk every 40 lines, all lines added."""
    chance = random.Random(3)
    each = lines // files
    patches = []
    for number in range(files):
        text = []
        for n in range(each):
            if n % 40 == 0:
                text.append(f"@@ -0,0 +{n + 1},40 @@ def part_{n}():")
            text.append(f"+    value_{n} = compute({n})  # {chance.random()}")
        patches.append(FilePatch(f"src/part{number}.py", "\n".join(text)))
    return commit("feat: x", *(change(p.path, each, 0) for p in patches)), patches


def _least(work: Callable[[], object]) -> float:
    times = []
    for _ in range(5):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def _memory(work: Callable[[], object]) -> float:
    tracemalloc.start()
    work()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / 1e6
