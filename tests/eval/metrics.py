"""How well grades agree with those that maintainers gave: pure functions on lists, importance as 0 low, 1, 2 high."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

PAGE, BEST = 29, 5
"""Commits of a page, as many as the day this began with, and how many of them somebody reads first."""

NAMES = (
    "macro_f1",
    "kappa",
    "auc_high",
    "auc_listed",
    "precision_high",
    "recall_high",
    "share_high",
    "recall_at_5",
    "precision_at_5",
)


@dataclass(frozen=True, slots=True)
class Page:
    """Consecutive commits: what maintainers said, what was said here, and the score that ranks them.

    `levels` is 2 where the maintainers' notes only single out the high ones.
    """

    truth: tuple[int, ...]
    said: tuple[int, ...]
    scores: tuple[float, ...]
    levels: int = 3


def measure(pages: Sequence[Page]) -> dict[str, float]:
    """Every metric of one repository that its pages allow."""
    truth = [t for page in pages for t in page.truth]
    said = [s for page in pages for s in page.said]
    scores = [s for page in pages for s in page.scores]
    high = [t == 2 for t in truth]
    hits = sum(t == s == 2 for t, s in zip(truth, said, strict=True))
    found: dict[str, float | None] = {
        "auc_high": auc(high, scores),
        "precision_high": _ratio(hits, said.count(2)),
        "recall_high": _ratio(hits, truth.count(2)),
        "share_high": said.count(2) / len(said),
    }
    read = [page for page in pages if len(page.truth) > BEST]
    best = sum(expected_hits([t == 2 for t in p.truth], p.scores) for p in read)
    found["recall_at_5"] = _ratio(best, sum(p.truth.count(2) for p in read))
    found["precision_at_5"] = _ratio(best, BEST * len(read))
    if pages[0].levels == 3:
        found |= {
            "macro_f1": macro_f1(truth, said),
            "kappa": kappa(truth, said),
            "auc_listed": auc([t > 0 for t in truth], scores),
        }
    return {name: value for name in NAMES if (value := found.get(name)) is not None}


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def macro_f1(truth: Sequence[int], said: Sequence[int]) -> float:
    """The mean over the grades that occur of F1."""
    grades = sorted(set(truth))
    both = [sum(t == s == grade for t, s in zip(truth, said, strict=True)) for grade in grades]
    sizes = [truth.count(grade) + said.count(grade) for grade in map(int, grades)]
    return sum(2 * b / size for b, size in zip(both, sizes, strict=True)) / len(grades)


def kappa(truth: Sequence[int], said: Sequence[int]) -> float | None:
    """Cohen's kappa with quadratic weights: two grades apart is four times as wrong as one."""
    seen = sum((t - s) ** 2 for t, s in zip(truth, said, strict=True))
    counts = [(t, said_, truth.count(t) * said.count(said_)) for t in range(3) for said_ in range(3)]
    chance = sum((t - s) ** 2 * n for t, s, n in counts) / len(truth)
    return 1 - seen / chance if chance else None


def auc(wanted: Sequence[bool], scores: Sequence[float]) -> float | None:
    """The chance that a wanted one is scored above another; ties count half."""
    positive = sum(wanted)
    if positive in (0, len(wanted)):
        return None
    ranked = sorted(zip(scores, wanted, strict=True))
    total, before = 0.0, 0
    for _, group in groupby(ranked, key=lambda pair: pair[0]):
        tied = [w for _, w in group]
        total += sum(tied) * (before + (len(tied) + 1) / 2)
        before += len(tied)
    return (total - positive * (positive + 1) / 2) / (positive * (len(wanted) - positive))


def expected_hits(wanted: Sequence[bool], scores: Sequence[float]) -> float:
    """How many of the best five are wanted, ties broken at random."""
    cut = sorted(scores)[-BEST]
    above = [w for w, s in zip(wanted, scores, strict=True) if s > cut]
    tied = [w for w, s in zip(wanted, scores, strict=True) if s == cut]
    return sum(above) + sum(tied) * (BEST - len(above)) / len(tied)


def mean(measured: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean over repositories, each of which counts alike."""
    found = {name: [m[name] for m in measured if name in m] for name in NAMES}
    return {name: sum(values) / len(values) for name, values in found.items() if values}


def intervals(repositories: Sequence[Sequence[Page]], rounds: int) -> dict[str, tuple[float, float]]:
    """95 % intervals of the means, from as many draws of each repository's pages, with a fixed seed."""
    chance = random.Random(0)
    drawn = [mean([measure(chance.choices(pages, k=len(pages))) for pages in repositories]) for _ in range(rounds)]
    found: dict[str, tuple[float, float]] = {}
    for name in NAMES:
        values = sorted(d[name] for d in drawn if name in d)
        if values:
            low, high = int(0.025 * len(values)), min(int(0.975 * len(values)), len(values) - 1)
            found[name] = (values[low], values[high])
    return found
