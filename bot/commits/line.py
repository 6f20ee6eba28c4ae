"""What is new on a branch since it was last reported: by what can be reached, whatever the dates.

A line is the first-parent history of a branch, newest first, read in pages and no further than needed. Everything
below a reachable commit is reachable too, so a few questions find where a branch left its old line. Pure, except for
those questions.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

from bot.errors import NotFound
from bot.values import Commit, Contents, Landing, Window

MOST, PAGES = 5_000, 50
"""So many commits of a line, and pages of it, are read to find the old tip; past that its dates decide."""


LATE = timedelta(days=7)
"""So far back a commit might be dated that versions before this one told of."""


COMPARED = 200
"""So many commits of either side are compared by their patches, where a branch was rewritten: it takes reading them."""


class Named(Protocol):
    """Something that goes by a SHA."""

    @property
    def sha(self) -> str:
        """It."""
        ...


class Point(Named, Protocol):
    """A commit's place in a line."""

    @property
    def committed(self) -> datetime:
        """When it was committed, as it says."""
        ...


P = TypeVar("P", bound=Point)


@dataclass(frozen=True, slots=True)
class Origin:
    """By what a commit is known again: who wrote it when under which title; its tree, and its first parent's SHA."""

    written: str
    tree: str = ""
    parent: str = ""


class Lines(Protocol[P]):
    """What a source knows about the lines of a repository. Every method raises what the source raises."""

    def pages(self, tip: str) -> Iterable[Sequence[P]]:
        """The line down from `tip`, none of its pages empty. Raises NotFound where it is cut off (a shallow clone)."""
        ...

    def holds(self, tip: str, sha: str) -> bool:
        """Whether `sha` can be reached from `tip`. Raises NotFound where `tip` is not there any more."""
        ...

    def read(self, points: Sequence[P]) -> tuple[Commit, ...]:
        """The commits at some points of one line."""
        ...

    def beside(self, tip: str, head: str) -> Sequence[P]:
        """What can be reached from `tip`, by whatever way, and not from `head`: no merges, and not all of very many."""
        ...

    def origins(self, points: Sequence[P]) -> Mapping[str, Origin]:
        """By SHA what the commits at some points are known again by."""
        ...


@dataclass(frozen=True, slots=True)
class Stretch(Generic[P]):
    """The upper part of a line: `met` says that its old tip is right below, `whole` that no more of it is above.

    `below` is what was read of the rest.
    """

    points: tuple[P, ...]
    met: bool = False
    whole: bool = True
    below: tuple[P, ...] = ()


def landing(lines: Lines[P], head: str, tip: str | None, window: Window, row: int) -> Landing:
    """What `head` has that `tip` has not, see `bot.ports.CommitSource.landed`.

    Where dates decide, the line is read until `row` commits one after the other are older.
    """
    if tip is None:
        return by_dates(lines, head, window, row)
    try:
        new = beyond(lines.pages(head), tip, lambda sha: lines.holds(tip, sha))
        old = beyond(lines.pages(tip), head, lambda sha: lines.holds(head, sha)) if tip and not new.met else None
    except NotFound:
        return by_dates(lines, head, window, row, lost=True)
    if not new.whole:
        return by_dates(lines, head, window, row, dated=True)
    start, loose = waiting(new.points, window), _loose(lines, new, old) if old else 0
    # Where the merge that holds what was told waits, what it was merged into waits with it.
    told = new.points[start:] if start + loose < len(new.points) else ()
    if old and old.points:
        above = new.points[: len(new.points) - len(told)]
        stays = told[0].sha if told else tip if new.points else head
        here = Landing(stays, lines.read(told), lines.read(above), loose=loose, left=True)
        return _rewritten(lines, (head, tip), new.points, old.points, here)
    return Landing(told[0].sha if told else tip, lines.read(told), left=old is not None)


def by_dates(
    lines: Lines[P], head: str, window: Window, row: int, *, dated: bool = False, lost: bool = False
) -> Landing:
    """What is dated since some time, and what is above everything reported before, up to what waits.

    That is the newest commit, by its date, of the time before, if nobody knows what was reported. With `dated` there is
    too much of it.
    """
    line = recent(lines.pages(head), window.since, row)
    start = waiting(line, window)
    above = 0 if dated else _above(line, window)
    told = [point for n, point in enumerate(line) if n >= start and (n < above or point.committed >= window.since)]
    return Landing(line[start].sha if line[start:] else "", lines.read(told), dated=dated, lost=lost)


def contents(lines: Lines[P], new: str, old: str, head: str | None) -> Contents:
    """What the line of `new` has that `old` (empty: nothing is) has not; and of that, what `head` has not.

    Without a `head` that is not asked.
    """
    found = beyond(lines.pages(new), old, lambda sha: lines.holds(old, sha))
    shas = tuple(point.sha for point in found.points)
    if not shas or head is None or lines.holds(head, shas[0]):
        return Contents(shas, whole=found.whole)
    aside = bisect_left(shas, True, lo=1, key=lambda sha: lines.holds(head, sha))
    return Contents(shas, aside, found.whole)


def _above(line: Sequence[Point], window: Window) -> int:
    """How many of a line's first commits lie above what was told of in the week before, else above the newest of it."""
    before = [n for n, point in enumerate(line) if point.committed < window.since]
    told = (n for n in before if line[n].sha in window.reported and line[n].committed >= window.since - LATE)
    return next(told, max(before, key=lambda n: line[n].committed, default=len(line)))


def _loose(lines: Lines[P], new: Stretch[P], old: Stretch[P]) -> int:
    """How many of the new commits, the lowest, do not hold what is still there of the old line: a merge above does.

    None of them may be the next tip, or that would be told again.
    """
    if not old.below or old.below[0].sha in {point.sha for point in new.below}:
        return 0
    still = old.below[0].sha
    return len(new.points) - bisect_left(new.points, True, key=lambda point: not lines.holds(point.sha, still))


def _rewritten(lines: Lines[P], tips: tuple[str, str], new: Sequence[P], old: Sequence[P], here: Landing) -> Landing:
    """What landed where the branch left its old tip, the second of `tips`, with what became of what was told.

    That is all that could be reached from there: a rewrite may lay flat what a merge brought. Of what is gone no more
    is read than somebody compares: a whole branch may be. Where it cannot be read any more, nothing is said of it.
    """
    line = {point.sha for point in old}
    away = (*old, *(point for point in lines.beside(tips[1], tips[0]) if point.sha not in line))
    returned = _returned(new, away, {**lines.origins(new), **lines.origins(away)})
    back = set(returned.values())
    left = [point for point in away if point.sha not in back]
    try:
        read = lines.read(left[:COMPARED])
    except NotFound:
        read = ()
    gone, aside = (tuple(c for c in read if (c.sha in line) is on) for on in (True, False))
    missing = sum(point.sha in line for point in left)
    return replace(here, gone=gone, aside=aside, missing=missing, returned=returned)


def _returned(new: Sequence[Named], old: Sequence[Named], origins: Mapping[str, Origin]) -> dict[str, str]:
    """Which of the new commits are an old one by another name: by who wrote them, else by their trees, by SHA.

    Who makes the same of the same files makes the same change, by whatever name.
    """
    found = paired(new, old, {sha: origin.written for sha, origin in origins.items()})
    trees = {sha: origin.tree for sha, origin in origins.items()}
    before = {sha: trees.get(origin.parent, origin.parent) for sha, origin in origins.items()}
    changes = {sha: f"{before[sha]} {tree}" for sha, tree in trees.items() if tree and tree != before[sha]}
    back = set(found.values())
    rest = [one for one in old if one.sha not in back]
    return found | paired([one for one in new if one.sha not in found], rest, changes)


def paired(new: Iterable[Named], old: Iterable[Named], names: Mapping[str, str]) -> dict[str, str]:
    """Which of the new commits go by the same of `names` as an old one, by SHA; of several alike each once."""
    left: dict[str, list[str]] = {}
    for one in old:
        left.setdefault(names.get(one.sha, ""), []).append(one.sha)
    left.pop("", None)
    return {one.sha: alike.pop(0) for one in new if (alike := left.get(names.get(one.sha, "")))}


def beyond(pages: Iterable[Sequence[P]], tip: str, reached: Callable[[str], bool]) -> Stretch[P]:
    """What of a line cannot be reached from `tip` (empty: nothing can); `reached` decides that for a SHA."""
    line: list[P] = []
    for number, page in enumerate(pages, 1):
        at = next((at for at, point in enumerate(page) if point.sha == tip), None)
        if at is not None:
            return Stretch((*line, *page[:at]), met=True)
        line += page
        if tip and reached(line[-1].sha):
            break
        if len(line) >= MOST or number >= PAGES:
            return Stretch(tuple(line), whole=False)
    left = bisect_left(line, True, key=lambda point: reached(point.sha)) if tip else len(line)
    return Stretch(tuple(line[:left]), below=tuple(line[left:]))


def recent(pages: Iterable[Sequence[P]], since: datetime, row: int) -> tuple[P, ...]:
    """A line down to where `row` commits one after the other are older than `since`: dates may be out of order.

    Raises NotFound where it is cut off before any is.
    """
    line: list[P] = []
    older, passed = 0, False
    try:
        for point in (point for page in pages for point in page):
            line.append(point)
            older = older + 1 if point.committed < since else 0
            passed = passed or older > 0
            if older == row:
                break
    except NotFound:
        if not passed:
            raise
    return tuple(line)


def waiting(line: Sequence[P], window: Window) -> int:
    """How many of a line's first commits wait for a later digest.

    Those above the newest one that is dated before the period's end, or after now.
    """
    told = (n for n, point in enumerate(line) if point.committed < window.until or point.committed > window.now)
    return next(told, len(line))
