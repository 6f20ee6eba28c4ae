"""Makes a digest of a week or longer readable in two minutes: what lasts of it, and in which components it happened.

Pure: it uses only readings.
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from bot.commits.claims import names_reverted
from bot.commits.files import FileKind, component, generated, kind
from bot.commits.message import parse
from bot.commits.related import Landed
from bot.values import (
    ChangeType,
    Commit,
    Component,
    Entry,
    FileChange,
    Named,
    Reading,
    Reference,
    Rollup,
    Theme,
    Undone,
)

_COMPONENTS = 12
"""Components that are kept."""
_BROAD, _SPLITS = 0.4, 4
"""The share of all commits from which a component is split into its folders, and how many times that is repeated."""
_PART = re.compile(r"[^\"“'`]{0,40}(?:\bpartial(?:ly)?\b|\bparts? of\b|部分)", re.IGNORECASE)
"""Words before a quote that say that only a part of it is reverted."""
_NUMBER = re.compile(r"\s{0,3}\([#!]\d{1,9}\)")


def roll_up(commits: Sequence[Commit], landed: Sequence[Commit]) -> Rollup:
    """The rollup of commits of a period, newest first; those that filters hide, in `landed`, may revert them."""
    shown, all_ = {c.sha for c in commits}, {c.sha: c for c in landed}
    taken = [u if u.by in shown else replace(u, named=_named(all_[u.by])) for u in undone_of(landed) if u.sha in shown]
    undone = Rollup(tuple(taken))
    return replace(undone, components=components([c for c in commits if c.sha not in undone.left_out]))


def _named(commit: Commit) -> Named:
    return Named(commit.sha, commit.pull, commit.reading.subject)


def most_important_first(themes: Sequence[Theme], entries: Sequence[Entry]) -> tuple[Theme, ...]:
    """Themes by their most important commits, among equals by how many they have."""
    grades = {e.commit.sha: e.grade for e in entries}

    def weight(theme: Theme) -> tuple[int, int, float]:
        gravest = max(grades[sha].weight for sha in theme.shas)
        return gravest[0], len(theme.shas), gravest[1]

    return tuple(sorted(themes, key=weight, reverse=True))


# --- Reverts ---------------------------------------------------------------------------------


def undone_of(commits: Sequence[Commit]) -> tuple[Undone, ...]:
    """The commits of a period, newest first, that another one in it reverted; pure reverts are marked as spent.

    A revert that was itself reverted undoes nothing. A partly reverted commit stays.
    """
    period = _Period(commits)
    takers: dict[int, int] = {}  # place of a commit to the place of the revert that is still valid
    for n in range(len(commits)):
        if n not in takers:
            takers |= dict.fromkeys(period.taken(n, takers), n)
    return tuple(
        Undone(commits[taken].sha, commits[by].sha, period.spent(by, takers)) for taken, by in sorted(takers.items())
    )


class _Period:
    """The commits of a period, newest first, by their places, and which others each reverts."""

    def __init__(self, commits: Sequence[Commit]) -> None:
        self._commits = commits
        self._landed = Landed(commits)
        self._titles: dict[str, list[int]] = {}
        for n, commit in enumerate(commits):
            self._titles.setdefault(_bare(commit.reading.subject), []).append(n)
        # A merge of one commit has that one's name too.
        self._merges = {c.inner[0].sha: n for n, c in enumerate(commits) if len(c.inner) == 1}

    def taken(self, n: int, gone: Collection[int]) -> list[int]:
        """The commits that one reverts and that are not gone already."""
        return [place for found in self._named(n) if (place := next((p for p in found if p not in gone), -1)) >= 0]

    def spent(self, n: int, takers: dict[int, int]) -> bool:
        """Whether a commit only reverted commits of the period."""
        read = self._commits[n].reading
        pure = read.types[0] is ChangeType.REVERT or _calls_itself_a_revert(read) or self._brings_back(n)
        return pure and list(takers.values()).count(n) == len(self._named(n))

    def _named(self, n: int) -> list[list[int]]:
        """For each commit that one says it reverts, the places of those it may mean, latest first."""
        read = self._commits[n].reading
        says = read.reverts or _calls_itself_a_revert(read) or self._brings_back(n)
        if _PART.match(read.reverts or read.subject) or not says:
            return []
        return [self._meant(n, r) for r in _reverted(read)]

    def _brings_back(self, n: int) -> bool:
        """Whether a commit reverts a revert, in any words, so that the original is there again."""
        meant = (m for r in _reverted(self._commits[n].reading) for m in self._meant(n, r))
        return any(self._commits[m].reading.reverts for m in meant)

    def _meant(self, n: int, named: Reference) -> list[int]:
        """The places of the earlier commits that a reference can mean, by the surest of its names that finds any.

        The revert of a revert quotes the number of the original: a title is surer.
        """
        by_sha = self._landed.before(n, Reference("reverts", named.sha)) if named.sha else []
        by_pull = self._landed.before(n, Reference("reverts", pull=named.pull)) if named.pull else []
        by_title = [m for m in self._titles.get(_bare(named.title), ()) if m > n] if named.title else []
        both = [m for m in by_title if m in by_pull]
        return by_sha or both or by_title or by_pull or self._merged(n, named)

    def _merged(self, n: int, named: Reference) -> list[int]:
        merged = self._merges.items() if named.sha else ()
        return [m for sha, m in merged if m > n and sha.startswith(named.sha)]


def _bare(title: str) -> str:
    """A title without numbers of pull requests, which a quote may omit."""
    return _NUMBER.sub("", title).casefold()


def _reverted(read: Reading) -> list[Reference]:
    return [r for r in read.references if r.kind == "reverts"]


def _calls_itself_a_revert(read: Reading) -> bool:
    """Whether a title says that it is a revert, unless the reading says that it lands something again."""
    return names_reverted(parse(read.subject))


# --- Where it happened -----------------------------------------------------------------------


def components(commits: Sequence[Commit]) -> tuple[Component, ...]:
    """The components with the most commits, busiest first; each commit is in the one it changed most.

    Commits that touch no source are in none, unless none do: tests, documents and pipelines are shown by type.
    """
    changed = {c.sha: files for c in commits if (files := _source(c))} or {c.sha: _written(c) for c in commits}
    split: set[str] = set()
    for _ in range(_SPLITS):
        broad = {c.name for c in _grouped(changed, split) if len(c.shas) > max(_BROAD * len(changed), 3)}
        if broad <= split:
            break
        split |= broad
    return _grouped(changed, split)[:_COMPONENTS]


def _written(commit: Commit) -> list[FileChange]:
    return [f for f in commit.files if not generated(f.path)] or list(commit.files)


def _source(commit: Commit) -> list[FileChange]:
    return [f for f in _written(commit) if kind(f.path) is FileKind.SOURCE]


def _grouped(changed: Mapping[str, Sequence[FileChange]], split: Collection[str]) -> tuple[Component, ...]:
    """The components of commits; `changed` has by SHA the files that decide."""
    found: dict[str, list[str]] = {}
    for sha, files in changed.items():
        if files:
            found.setdefault(_main(files, split), []).append(sha)
    grouped = (_component(name, shas, [f for s in shas for f in changed[s]]) for name, shas in found.items())
    return tuple(sorted(grouped, key=lambda c: (-len(c.shas), -c.added - c.removed, c.name)))


def _component(name: str, shas: Sequence[str], files: Sequence[FileChange]) -> Component:
    return Component(name, tuple(shas), sum(f.added for f in files), sum(f.removed for f in files))


def _main(files: Sequence[FileChange], split: Collection[str]) -> str:
    """The component of which most lines changed."""
    lines: Counter[str] = Counter()
    for file in files:
        lines[_place(file.path, split)] += file.added + file.removed + 1
    return max(sorted(lines), key=lines.__getitem__)


def _place(path: str, split: Collection[str]) -> str:
    """The component of a path; if it is split, the folder below it, if any."""
    name, folders = component(path), path.split("/")[:-1]
    while name in split and len(folders) > (depth := name.count("/") + 1):
        name = "/".join(folders[: depth + 1])
    return name
