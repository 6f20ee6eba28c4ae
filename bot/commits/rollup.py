"""What makes a digest of a week or longer one that is read in two minutes: what lasts of it, and where it happened.

Pure: all that a commit says is in its reading.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import replace

from bot.commits.files import FileKind, component, generated, kind
from bot.commits.related import Landed
from bot.values import ChangeType, Commit, Component, Entry, FileChange, Reference, Rollup, Theme, Undone

_COMPONENTS = 12
"""Components that are kept."""
_BROAD, _SPLITS = 0.4, 4
"""A component with such a share of all commits says little: its folders stand for it. So often that is looked for."""
_PART = re.compile(r"[^\"“'`]{0,40}(?:\bpartial(?:ly)?\b|\bparts? of\b|部分)", re.IGNORECASE)
"""Words before what is quoted that say that not all of it is taken back."""


def roll_up(commits: Sequence[Commit]) -> Rollup:
    """The rollup of the commits of a period, newest first."""
    undone = Rollup(undone_of(commits))
    out = undone.left_out
    return replace(undone, components=components([c for c in commits if c.sha not in out]))


def weightiest_first(themes: Sequence[Theme], entries: Sequence[Entry]) -> tuple[Theme, ...]:
    """Themes by their gravest commits, among equals by how many they have."""
    grades = {e.commit.sha: e.grade for e in entries}

    def weight(theme: Theme) -> tuple[int, int, float]:
        gravest = max(grades[sha].weight for sha in theme.shas)
        return gravest[0], len(theme.shas), gravest[1]

    return tuple(sorted(themes, key=weight, reverse=True))


# --- What was taken back ---------------------------------------------------------------------


def undone_of(commits: Sequence[Commit]) -> tuple[Undone, ...]:
    """The commits of a period, newest first, that another one of it took back; who only did that is spent with them.

    A revert that is taken back in its turn has taken nothing back. What is taken back in part stays.
    """
    period = _Period(commits)
    takers: dict[int, int] = {}  # by place the place of the one that took it back, and still holds
    for n in range(len(commits)):
        if n not in takers:
            takers |= dict.fromkeys(period.taken(n, takers), n)
    return tuple(
        Undone(commits[taken].sha, commits[by].sha, period.spent(by, takers)) for taken, by in sorted(takers.items())
    )


class _Period:
    """The commits of a period, newest first, by their places, and which of them each takes back."""

    def __init__(self, commits: Sequence[Commit]) -> None:
        self._commits = commits
        self._landed = Landed(commits)
        # A merge of one commit goes by that one's name too.
        self._merges = {c.inner[0].sha: n for n, c in enumerate(commits) if len(c.inner) == 1}

    def taken(self, n: int, gone: Collection[int]) -> list[int]:
        """What a commit takes back, of what is not gone already."""
        return [place for found in self._named(n) if (place := next((p for p in found if p not in gone), -1)) >= 0]

    def spent(self, n: int, takers: dict[int, int]) -> bool:
        """Whether a commit did nothing but take back commits of the period."""
        pure = self._commits[n].reading.types[0] is ChangeType.REVERT or self._brings_back(n)
        return pure and list(takers.values()).count(n) == len(self._named(n))

    def _named(self, n: int) -> list[list[int]]:
        """For each commit that one says it reverts, the places of those it may mean, the latest first."""
        read = self._commits[n].reading
        if _PART.match(read.reverts) or not (read.reverts or self._brings_back(n)):
            return []
        return [self._meant(n, r) for r in read.references if r.kind == "reverts"]

    def _brings_back(self, n: int) -> bool:
        """Whether a commit calls itself no revert, but takes one back."""
        named = (r for r in self._commits[n].reading.references if r.kind == "reverts")
        return any(bool(self._commits[m].reading.reverts) for r in named for m in self._meant(n, r))

    def _meant(self, n: int, named: Reference) -> list[int]:
        """The places of the earlier commits that a reference can mean, by the surest of its names that finds any.

        The revert of a revert quotes the number of what that took back: a title is surer.
        """
        by_sha, by_title, by_pull = (
            self._landed.before(n, Reference("reverts", sha=sha, pull=pull, title=title))
            if sha or title or pull
            else []
            for sha, pull, title in ((named.sha, None, ""), ("", None, named.title), ("", named.pull, ""))
        )
        both = [m for m in by_title if m in by_pull]
        return by_sha or both or by_title or by_pull or self._merged(n, named)

    def _merged(self, n: int, named: Reference) -> list[int]:
        merged = self._merges.items() if named.sha else ()
        return [m for sha, m in merged if m > n and sha.startswith(named.sha)]


# --- Where it happened -----------------------------------------------------------------------


def components(commits: Sequence[Commit]) -> tuple[Component, ...]:
    """The components that most commits changed, the busiest first."""
    changed = [_changed(commit) for commit in commits]
    split: set[str] = set()
    for _ in range(_SPLITS):
        found = _counted(changed, split)
        broad = {c.name for c in found if c.commits > max(_BROAD * len(commits), 3)}
        if broad <= split or not broad:
            break
        split |= broad
    return _counted(changed, split)[:_COMPONENTS]


def _changed(commit: Commit) -> list[FileChange]:
    """The files that tell where a commit happened: its source, else whatever people wrote of it, else all."""
    written = [f for f in commit.files if not generated(f.path)]
    return [f for f in written if kind(f.path) is FileKind.SOURCE] or written or list(commit.files)


def _counted(changed: Sequence[Sequence[FileChange]], split: Collection[str]) -> tuple[Component, ...]:
    found: dict[str, list[int]] = {}
    for files in changed:
        for name in {_place(f.path, split) for f in files}:
            found.setdefault(name, [0, 0, 0])[0] += 1
        for file in files:
            sums = found[_place(file.path, split)]
            sums[1:] = sums[1] + file.added, sums[2] + file.removed
    counted = (Component(name, *sums) for name, sums in found.items())
    return tuple(sorted(counted, key=lambda c: (-c.commits, -c.added - c.removed, c.name)))


def _place(path: str, split: Collection[str]) -> str:
    """The component of a path; of one that is split, the folder below, where there is one."""
    name, folders = component(path), path.split("/")[:-1]
    while name in split and len(folders) > (depth := name.count("/") + 1):
        name = "/".join(folders[: depth + 1])
    return name
