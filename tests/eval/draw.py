"""Draws the commits on which analyses are judged blind, by a rule that nobody can bend afterwards.

    python tests/eval/draw.py PATH…                 one day of each repository, and six commits of that day
    python tests/eval/draw.py --highs 15 PATH…      so many highs of the whole window, for what became of them

The rule: from the days of `WINDOW` (UTC) whose commits the rules grade with at least two highs, and with at least six
highs and mediums together, the one whose SHA-256 of "seed repository date" is the smallest; of its highs the four with
the smallest SHA-256 of "seed SHA", and of the mediums as many as make six (of the highs more, where mediums are too
few). A day that a trial has used is left out. The window ends early enough that 30 days of hindsight follow. Highs of
the whole window are those with the smallest SHA-256 of "seed SHA".
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

from adapters.sources.git.source import GitSource
from bot.errors import NotFound
from bot.judgement import triage
from bot.values import Commit, Importance

SEED = "blind measure 1"
WINDOW = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
HIGHS, ALL = 4, 6


def main(arguments: list[str]) -> int:
    """Print the days and commits as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repositories", nargs="+", metavar="PATH", help="a clone; its folder's name counts")
    parser.add_argument("--seed", default=SEED)
    parser.add_argument("--highs", type=int, default=0, metavar="N", help="draw highs of the whole window instead")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        source = GitSource(Path(folder))
        draw = partial(_highs, number=asked.highs) if asked.highs else _draw
        drawn = {_name(path): draw(source, path, asked.seed) for path in asked.repositories}
    print(json.dumps(drawn, indent=1))
    return 0


def _name(path: str) -> str:
    """`owner/name` for a clone beneath a folder `owner+name`, else the folder's own name."""
    return next((part.replace("+", "/") for part in reversed(Path(path).parts) if "+" in part), Path(path).name)


def _draw(source: GitSource, path: str, seed: str) -> dict[str, object]:
    days = {day: graded for day, graded in _days(source, path) if _enough(graded)}
    day = min(days, key=lambda d: _hash(seed, _name(path), d.isoformat()))
    order = sorted(days[day], key=lambda pair: _hash(seed, pair[0].sha))
    highs = [c for c, importance in order if importance is Importance.HIGH]
    mediums = [c for c, importance in order if importance is Importance.MEDIUM]
    number = max(HIGHS, ALL - len(mediums))
    return {
        "days": len(days),
        "day": day.isoformat(),
        "high": [c.sha for c in highs[:number]],
        "medium": [c.sha for c in mediums[: ALL - len(highs[:number])]],
    }


def _highs(source: GitSource, path: str, seed: str, number: int) -> list[str]:
    found = [c.sha for _, day in _days(source, path) for c, importance in day if importance is Importance.HIGH]
    return sorted(found, key=lambda sha: _hash(seed, sha))[:number]


def _days(source: GitSource, path: str) -> Iterator[tuple[date, list[tuple[Commit, Importance]]]]:
    """The days that can be read, with the rules' grades: a stored clone may lack its largest files."""
    since, end = WINDOW
    while since < end:
        with suppress(NotFound):
            commits = source.commits(path, "", since, since + timedelta(days=1))
            yield since.date(), [(c, j.importance) for c, j in zip(commits, triage.judge(commits), strict=True)]
        since += timedelta(days=1)


def _enough(graded: Iterable[tuple[Commit, Importance]]) -> bool:
    grades = [importance for _, importance in graded]
    return grades.count(Importance.HIGH) >= 2 and len(grades) - grades.count(Importance.LOW) >= ALL


def _hash(*words: str) -> str:
    return hashlib.sha256(" ".join(words).encode()).hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
