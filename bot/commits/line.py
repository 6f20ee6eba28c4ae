"""Finds what is new on a branch since it was last reported: by reachability, whatever the dates.

A line is the first-parent history of a branch, newest first, read in pages and no further than needed. Everything below
a reachable commit is reachable too, so a few requests find where a branch left its old line. Pure, except for those
requests.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

from bot.errors import NotFound
from bot.values import Commit, Contents, Landing, Window

MOST, PAGES = 5_000, 50
"""The most commits of a line, and pages of it, to read to find the old tip; beyond that dates decide."""


LATE = timedelta(days=7)
"""How far back a commit may be dated that earlier versions reported."""


COMPARED = 200
"""The most commits of either side to compare by patches after a rewrite, since they must be read."""


class Named(Protocol):
    """Something with a SHA."""

    @property
    def sha(self) -> str:
        """It."""
        ...


class Point(Named, Protocol):
    """A commit's place in a line."""

    @property
    def committed(self) -> datetime:
        """Its committer date."""
        ...


P = TypeVar("P", bound=Point)


@dataclass(frozen=True, slots=True)
class Origin:
    """Identifies a commit after a rewrite: its author, author date and title; its tree, and its first parent's SHA."""

    written: str
    tree: str = ""
    parent: str = ""


class Lines(Protocol[P]):
    """The lines of a repository in a source. All methods raise what the source raises."""

    def pages(self, tip: str) -> Iterable[Sequence[P]]:
        """The line down from `tip`, in non-empty pages. Raises NotFound if it is cut off (a shallow clone)."""
        ...

    def holds(self, tip: str, sha: str) -> bool:
        """Whether `sha` can be reached from `tip`. Raises NotFound if `tip` no longer exists."""
        ...

    def read(self, points: Sequence[P]) -> tuple[Commit, ...]:
        """The commits at points of one line."""
        ...

    def beside(self, tip: str, head: str) -> Sequence[P]:
        """The commits reachable from `tip` in any way, but not from `head`, without merges; if very many, not all."""
        ...

    def origins(self, points: Sequence[P]) -> Mapping[str, Origin]:
        """The origins of the commits at points, by SHA."""
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
    """What `head` has that `tip` does not, see `bot.ports.CommitSource.landed`.

    If dates decide, the line is read until `row` consecutive commits are older.
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
    # If the merge that contains reported commits waits, what it was merged into waits with it.
    reported = new.points[start:] if start + loose < len(new.points) else ()
    if old and old.points:
        above = new.points[: len(new.points) - len(reported)]
        stays = reported[0].sha if reported else tip if new.points else head
        here = Landing(stays, lines.read(reported), lines.read(above), loose=loose, left=True)
        return _rewritten(lines, (head, tip), new.points, old.points, here)
    return Landing(reported[0].sha if reported else tip, lines.read(reported), left=old is not None)


def by_dates(
    lines: Lines[P], head: str, window: Window, row: int, *, dated: bool = False, lost: bool = False
) -> Landing:
    """The commits dated since the window's start, and those above everything reported before, up to what waits.

    If it is unknown what was reported, that is the newest commit dated before. `dated` says that there is too much of
    it.
    """
    line = recent(lines.pages(head), window.since, row)
    start = waiting(line, window)
    above = 0 if dated else _above(line, window)
    reported = [point for n, point in enumerate(line) if n >= start and (n < above or point.committed >= window.since)]
    return Landing(line[start].sha if line[start:] else "", lines.read(reported), dated=dated, lost=lost)


def contents(lines: Lines[P], new: str, old: str, head: str | None) -> Contents:
    """What the line of `new` has that `old` (empty: nothing) does not; and of that, what `head` does not have.

    Without a `head` the latter is left out.
    """
    found = beyond(lines.pages(new), old, lambda sha: lines.holds(old, sha))
    shas = tuple(point.sha for point in found.points)
    if not shas or head is None or lines.holds(head, shas[0]):
        return Contents(shas, whole=found.whole)
    aside = bisect_left(shas, True, lo=1, key=lambda sha: lines.holds(head, sha))
    return Contents(shas, aside, found.whole)


def _above(line: Sequence[Point], window: Window) -> int:
    """How many of a line's first commits are above those reported the week before, else above its newest."""
    before = [n for n, point in enumerate(line) if point.committed < window.since]
    reported = (n for n in before if line[n].sha in window.reported and line[n].committed >= window.since - LATE)
    return next(reported, max(before, key=lambda n: line[n].committed, default=len(line)))


def _loose(lines: Lines[P], new: Stretch[P], old: Stretch[P]) -> int:
    """How many of the lowest new commits do not contain the rest of the old line: a merge above does.

    None of them may be the next tip, or that rest would be reported again.
    """
    if not old.below or old.below[0].sha in {point.sha for point in new.below}:
        return 0
    still = old.below[0].sha
    return len(new.points) - bisect_left(new.points, True, key=lambda point: not lines.holds(point.sha, still))


def _rewritten(lines: Lines[P], tips: tuple[str, str], new: Sequence[P], old: Sequence[P], here: Landing) -> Landing:
    """What landed where the branch left its old tip, the second of `tips`, with what became of reported commits.

    That is all that could be reached from there: a rewrite may flatten what a merge brought. Of what is gone, only as
    much is read as is compared, since it may be a whole branch. If it can no longer be read, it is left out.
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
    """The new commits that are an old one: new SHA to old, by author, date and title, else by tree.

    The same result from the same files is the same change, whatever its title.
    """
    found = paired(new, old, {sha: origin.written for sha, origin in origins.items()})
    trees = {sha: origin.tree for sha, origin in origins.items()}
    before = {sha: trees.get(origin.parent, origin.parent) for sha, origin in origins.items()}
    changes = {sha: f"{before[sha]} {tree}" for sha, tree in trees.items() if tree and tree != before[sha]}
    back = set(found.values())
    rest = [one for one in old if one.sha not in back]
    return found | paired([one for one in new if one.sha not in found], rest, changes)


def paired(new: Iterable[Named], old: Iterable[Named], names: Mapping[str, str]) -> dict[str, str]:
    """The new commits with the same of `names` as an old one: new SHA to old; of several equal ones each once."""
    left: dict[str, list[str]] = {}
    for one in old:
        left.setdefault(names.get(one.sha, ""), []).append(one.sha)
    left.pop("", None)
    return {one.sha: alike.pop(0) for one in new if (alike := left.get(names.get(one.sha, "")))}


def beyond(pages: Iterable[Sequence[P]], tip: str, reached: Callable[[str], bool]) -> Stretch[P]:
    """The part of a line that cannot be reached from `tip` (empty: all of it); `reached` decides that for a SHA."""
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
    """A line down to where `row` consecutive commits are older than `since`: dates may be out of order.

    Raises NotFound if it is cut off before any is.
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
    reported = (n for n, point in enumerate(line) if point.committed < window.until or point.committed > window.now)
    return next(reported, len(line))
