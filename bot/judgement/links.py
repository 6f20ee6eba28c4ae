"""What became of commits: found once, when the later commit is first seen, and stored; likely ones on request."""

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from itertools import takewhile

from bot.commits.aftermath import MOST, WITHIN, Share, followed, shares
from bot.commits.related import Landed
from bot.errors import DigestError
from bot.judgement.history import History
from bot.ports import Aftermath
from bot.values import Commit, Entry, Link, Named, Relation, Repository

_BUILDS = "stacked"
"""A kind that says nothing about what became of the earlier commit."""


class Links:
    """What became of the commits of one repository."""

    def __init__(self, repository: Repository, history: History, kept: Aftermath) -> None:
        self._repository = repository
        self._source = history.source
        self._history = history
        self._kept = kept

    def found(self, commits: Sequence[Commit]) -> tuple[Link, ...]:
        """The links from commits that landed, newest first, to earlier ones, among them or stored.

        It is stored, so that it is known from both ends. Raises what the store raises.
        """
        landed = Landed(commits)
        links = [link for c in commits for link in self._of(c, self._history.relations(c, landed))]
        self._kept.keep_links(self._repository.name, links)
        return tuple(links)

    def since(self, commit: Commit, branch: str) -> tuple[Link, ...]:
        """Everything that became of a commit, by time, including what is only likely, which is searched for now.

        If the source fails, or allows only a few more requests, only what is stored is returned. Raises what the store
        raises.
        """
        with suppress(DigestError):
            if self._history.affords():
                month = commit.committed + WITHIN
                self._keep(commit, self._source.later(self._repository.name, branch, commit, month)[:MOST])
        return self._known(commit)

    def until_now(self, commit: Commit, branch: str, now: datetime) -> tuple[tuple[Link, ...], int | None]:
        """As `since`, with certain links up to now, even in files whose lines are not followed.

        Also returned is how many later commits were read, None if they could not be.
        """
        looked: int | None = None
        with suppress(DigestError):
            if self._history.affords():
                later = self._later(commit, branch, now)
                looked = len(later)
                self._keep(commit, later)
        return self._known(commit), looked

    def _later(self, commit: Commit, branch: str, now: datetime) -> tuple[Commit, ...]:
        """The first commits after one that touch its lines, and the last ones that touch its files, oldest first."""
        repo = self._repository.name
        first = self._source.later(repo, branch, commit, now)[:MOST]
        paths = [file.path for file in commit.files]
        if len(first) < MOST and set(paths) <= set(followed(commit)):
            return first
        last = takewhile(lambda each: each.sha != commit.sha, self._source.touching(repo, branch, paths, MOST))
        known = {each.sha for each in first}
        more = [each for each in last if each.sha not in known and each.committed >= commit.committed]
        return (*first, *reversed(more))

    def _keep(self, commit: Commit, later: Sequence[Commit]) -> None:
        """Store what is found, even if the source fails on the way."""
        found: list[Link] = []
        try:
            for link in self._looked_for(commit, later):
                found.append(link)  # keep what was found before a failure
        finally:
            self._kept.keep_links(self._repository.name, found)

    def _known(self, commit: Commit) -> tuple[Link, ...]:
        kept = self._kept.links(self._repository.name, [commit.sha])
        return tuple(link for link in kept if link.earlier.sha == commit.sha)

    def _looked_for(self, commit: Commit, later: Sequence[Commit]) -> Iterable[Link]:
        """What later commits that touch the same files say about a commit, and what became of its lines."""
        landed = Landed((*reversed(later), commit))
        for each in later:
            yield from (k for k in self._of(each, self._history.relations(each, landed)) if k.earlier.sha == commit.sha)
        month = commit.committed + WITHIN
        for share in self._shares(commit, [each for each in later if each.committed <= month]):
            yield self._link(share.kind, self._named(commit), share.later, share.changed, share.of)

    def _shares(self, commit: Commit, later: Sequence[Commit]) -> Iterable[Share]:
        """What became of a commit's lines; patches are read one after the other."""
        if not later:
            return ()
        paths, known = set(followed(commit)), {each.sha: each for each in later}
        for each in later:
            paths |= {f.path for f in each.files if f.previous in paths}
        read = self._source.patches(self._repository.name, [commit, *later], paths)
        sha, own = next(read, ("", ()))
        return shares(commit, own, ((known[sha], patches) for sha, patches in read)) if sha == commit.sha else ()

    def _of(self, commit: Commit, relations: Iterable[Relation]) -> Iterable[Link]:
        for each in relations:
            if each.sha and each.kind != _BUILDS:
                yield self._link(each.kind, Named(each.sha, each.pull, each.title), commit)

    def _link(self, kind: str, earlier: Named, commit: Commit, changed: int = 0, of: int = 0) -> Link:
        return Link(kind, earlier, self._named(commit), commit.committed, changed, of)

    def _named(self, commit: Commit) -> Named:
        return Named(commit.sha, commit.pull, self._repository.titled(commit))


def netted(entries: Sequence[Entry], links: Sequence[Link], undone: Collection[str] = ()) -> tuple[Entry, ...]:
    """The entries of a digest with what became of each within it, except what its `undone` commits did."""
    found: dict[str, tuple[Link, ...]] = {}
    for link in links:
        if link.later.sha not in undone:
            found[link.earlier.sha] = (*found.get(link.earlier.sha, ()), link)
    return tuple(replace(entry, since=found.get(entry.commit.sha, ())) for entry in entries)
