"""What came before: the commits, grades and digests that a period is compared with."""

import statistics
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import cache

from bot.commits.related import Landed
from bot.errors import DigestError
from bot.judgement import triage
from bot.languages import LANGUAGES
from bot.ports import Archive, CommitSource
from bot.values import (
    Commit,
    Digest,
    Filters,
    Grade,
    Importance,
    Period,
    Reference,
    Relation,
    Repository,
    Scope,
)

_RECENT = 10
SHOWN = 5
"""The most commits named by one that are shown with it."""
_KNOWN = 30
"""The most commits named by one to look for."""
_LOOKED_AT = 5
"""The most candidates for a reference to look for on a branch: each takes a request."""
_TITLED = 20
"""The most commits with the words of a title to compare with it."""
_WHOLE = (40, 64)
"""The lengths of full SHAs, in hex digits."""
_LOOK_BACK = (2, 12, 60)
"""How many days back to look for commits before a quiet period, step by step."""
_AFFORDED = 200
"""The requests that must be left to read commits before a period."""
_NOTHING = Landed()


class History:
    """The earlier commits of a repository, from the archive and from its source.

    If a reference is ambiguous, those on the `branch` are preferred.
    """

    def __init__(self, repository: Repository, source: CommitSource, archive: Archive, branch: str) -> None:
        self._repository = repository
        self.source = source
        self._archive = archive
        self._branch = branch
        self._recent = cache(self._read_recent)
        self._is_on = cache(self._look_on)

    def before(self, scope: Scope, commits: Sequence[Commit]) -> tuple[Commit, ...]:
        """The commits that fill up the page of a period, newest first: stored ones of earlier days, or from the source.

        They must not endanger a digest: no more days are read than needed, and if they are unavailable, or would use
        many of the remaining requests, the period is graded by itself.
        """
        missing = triage.PAGE - len(commits)
        if not commits or missing <= 0:
            return ()
        known: dict[str, Commit] = {}
        for language in LANGUAGES:
            for digest in self._recent(scope.branch, language):
                if digest.filters in (Filters(), scope.filters) and digest.period.until <= scope.period.since:
                    known |= {e.commit.sha: e.commit for e in digest.entries}
        own, until = {c.sha for c in commits}, scope.period.since
        with suppress(DigestError):
            for days in _LOOK_BACK:
                if len(known.keys() - own) >= missing or not self.affords():
                    break
                since = scope.period.since - timedelta(days=days)
                found = self.source.commits(self._repository.name, scope.branch, since, until)
                known |= {c.sha: c for c in found}
                until = since
        earlier = (commit for sha, commit in known.items() if sha not in own)
        return tuple(sorted(earlier, key=lambda c: c.committed, reverse=True)[:missing])

    def affords(self) -> bool:
        """Whether the source allows a few hundred more requests."""
        quota = self.source.quota()
        return quota is None or quota.left >= _AFFORDED

    def _read_recent(self, branch: str, language: str) -> tuple[Digest, ...]:
        return self._archive.recent_digests(self._repository.name, branch, language, _RECENT)

    # --- What commits name -------------------------------------------------------------------

    def grave(self, commits: Sequence[Commit]) -> frozenset[str]:
        """The SHAs of commits that revert what was reported as high, or what is in a release."""
        found: set[str] = set()
        landed = Landed(commits)
        for commit in commits:
            named = [r for r in commit.reading.references if r.kind == "reverts"] if commit.reading.reverts else []
            taken = {c.sha for reference in named[:_KNOWN] for c in self._meant(commit, reference, landed)}
            taken |= {r.sha for r in named[:_KNOWN] if len(r.sha) in _WHOLE}
            if taken and (self._was_high(taken) or self._are_released(taken)):
                found.add(commit.sha)
        return frozenset(found)

    def _was_high(self, shas: Collection[str]) -> bool:
        grades = self._archive.delivered_grades(self._repository.name, shas)
        return any(grade.importance is Importance.HIGH for grade in grades.values())

    def _are_released(self, shas: Collection[str]) -> bool:
        """Whether any of some commits is in a release, as far as the source knows."""
        try:
            return any(self.source.first_releases(self._repository.name, sorted(shas)).values())
        except DigestError:
            return False

    def relations(self, commit: Commit, day: Landed = _NOTHING) -> tuple[Relation, ...]:
        """The commits that a commit names: of its day, or stored ones of earlier days; else only their number."""
        named = commit.reading.references[:_KNOWN]
        found = (self._relation(commit, reference, day) for reference in named)
        return tuple(relation for relation in found if relation)

    def _relation(self, commit: Commit, named: Reference, day: Landed) -> Relation | None:
        if found := self._likeliest(self._meant(commit, named, day), day):
            return Relation(named.kind, found.sha, found.pull, self._repository.titled(found))
        # A number that no commit has may be an issue's, which is not a commit to fix.
        known = named.pull is not None and named.kind != "repairs" and not self._is_issue(named)
        return Relation(named.kind, "", named.pull, named.title) if known else None

    def _likeliest(self, meant: Sequence[Commit], day: Landed) -> Commit | None:
        """The likeliest of the candidates: the latest on the branch, else on the default branch."""
        if len(meant) < 2 or meant[0] in day:
            return next(iter(meant), None)
        with suppress(DigestError):
            for branch in dict.fromkeys((self._branch, self._repository.branch)):
                for each in meant[:_LOOKED_AT]:
                    if self._is_on(branch, each):
                        return each
        return None

    def _look_on(self, branch: str, commit: Commit) -> bool:
        """Whether a commit is on a branch. Raises NotFound, Unavailable."""
        since, until = commit.committed, commit.committed + timedelta(seconds=1)
        return any(c.sha == commit.sha for c in self.source.commits(self._repository.name, branch, since, until))

    def _meant(self, commit: Commit, named: Reference, day: Landed) -> list[Commit]:
        """The earlier commits that a reference can mean, latest first: of the same day, else stored ones."""
        named = replace(named, pull=None) if self._is_issue(named) else named
        if not (found := day.older(commit, named)):
            kept = self._kept(commit, named)
            found = [c for c in kept if c.sha != commit.sha and self._is_earlier(c, commit)]
        return [c for c in found if named.kind != "reverts" or not _is_part(named.sha, c)]

    def _kept(self, commit: Commit, named: Reference) -> Sequence[Commit]:
        found: Sequence[Commit] = ()
        if named.sha:
            found = self._archive.commits_by_sha(commit.repo, named.sha, aliases=True)
        if not found and named.pull is not None:
            found = self._archive.commits_by_pull(commit.repo, named.pull)
        if not found and named.title and named.kind == "reverts":
            found = self._titled(commit, named.title)
        return found

    def _is_earlier(self, one: Commit, other: Commit) -> bool:
        """Whether a commit landed before another one, by their dates or by when they were reported."""
        if one.committed <= other.committed:
            return True
        times = [self._archive.delivered_to(self._repository.name, each.sha) for each in (one, other)]
        return bool(times[0]) and (not times[1] or times[0][0].at < times[1][0].at)

    def _is_issue(self, named: Reference) -> bool:
        """Whether a number is an issue's: if pull requests have a sign of their own, `#12` is not one."""
        return not named.request and not self._repository.number(0).startswith("#")

    def _titled(self, commit: Commit, title: str) -> list[Commit]:
        """The stored commits with a title, latest first."""
        found = self._archive.search(title, [commit.repo], _TITLED)
        alike = (c for c in found if c.reading.subject.casefold() == title.casefold())
        return sorted(alike, key=lambda c: c.committed, reverse=True)

    # --- What was delivered ------------------------------------------------------------------

    def grade(self, commit: Commit, language: str) -> Grade | None:
        """The grade with which a commit was first reported; else that of a recent digest, which compared it."""
        if delivered := self._archive.delivered_grades(self._repository.name, [commit.sha]):
            return delivered[commit.sha]
        recent = self._recent(self._repository.branch, language)
        return next((e.grade for d in recent for e in d.entries if e.commit.sha == commit.sha), None)

    def gone_from(self, commit: Commit, branches: Sequence[str]) -> str:
        """The branch, of some, whose digest reported a commit that is no longer on it; empty if it is, or unknown."""
        wanted = [(branch, language) for branch in branches for language in LANGUAGES]
        recent = (self._recent(*each) for each in wanted)
        digest = next((d for some in recent for d in some if any(e.commit.sha == commit.sha for e in d.entries)), None)
        if digest is None:
            return ""
        try:
            return "" if self._is_on(digest.branch, commit) else digest.branch
        except DigestError:
            return ""

    def usual(self, made: Digest) -> int | None:
        """The median number of commits of at least three earlier digests of the same length and filters.

        In a rollup only lasting commits count.
        """
        length = _length(made.period)
        alike = {
            d.period: len(d.lasting.entries)
            for d in self._recent(made.branch, made.language)
            if d.period.until <= made.period.since
            and abs(_length(d.period) - length) <= timedelta(hours=1)
            and (d.filters, d.period.zone) == (made.filters, made.period.zone)
        }.values()
        return round(statistics.median(alike)) if len(alike) >= 3 else None


def _is_part(sha: str, merge: Commit) -> bool:
    """Whether a SHA is one of several commits that a merge brought."""
    return bool(sha) and len(merge.inner) > 1 and any(each.sha.startswith(sha) for each in merge.inner)


def _length(period: Period) -> timedelta:
    return period.until - period.since
