"""What came before: the commits, grades and digests that a period is compared with."""

import statistics
from collections.abc import Collection, Sequence
from contextlib import suppress
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
_MOST_RELATIONS = 5
_TITLED = 20
"""Commits that hold the words of a title, of which those that have it are chosen."""
_WHOLE = (40, 64)
"""Hex digits of a SHA that is not shortened."""
_LOOK_BACK = (2, 12, 60)
"""How many days back the commits before a quiet period are looked for, one step after the other."""
_AFFORDED = 200
"""Requests that a source must still allow, for a look at commits before a period."""
_NOTHING = Landed()


class History:
    """What is known of a repository's earlier commits, from the archive and from its source."""

    def __init__(self, repository: Repository, source: CommitSource, archive: Archive) -> None:
        self._repository = repository
        self.source = source
        self._archive = archive
        self._recent = cache(self._read_recent)

    def before(self, scope: Scope, commits: Sequence[Commit]) -> tuple[Commit, ...]:
        """What fills the page of a period's commits, newest first: stored ones of earlier days, or from the source.

        They must not endanger a digest: no more days are read than needed, and if they are unavailable, or would use
        much of what the source still allows, the period is graded by itself.
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
        """Whether the source allows some hundred requests more."""
        quota = self.source.quota()
        return quota is None or quota.left >= _AFFORDED

    def _read_recent(self, branch: str, language: str) -> tuple[Digest, ...]:
        return self._archive.recent_digests(self._repository.name, branch, language, _RECENT)

    # --- What commits name -------------------------------------------------------------------

    def grave(self, commits: Sequence[Commit]) -> frozenset[str]:
        """The SHAs of commits that take back what was delivered as high, or what is in a release."""
        found: set[str] = set()
        landed = Landed(commits)
        for commit in commits:
            named = [r for r in commit.reading.references if r.kind == "reverts"] if commit.reading.reverts else []
            taken = {c.sha for reference in named[:_MOST_RELATIONS] for c in self._meant(commit, reference, landed)}
            taken |= {r.sha for r in named[:_MOST_RELATIONS] if len(r.sha) in _WHOLE}
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
        named = commit.reading.references[:_MOST_RELATIONS]
        found = (self._relation(commit, reference, day) for reference in named)
        return tuple(relation for relation in found if relation)

    def _relation(self, commit: Commit, named: Reference, day: Landed) -> Relation | None:
        near = self._meant(commit, named, day)
        if len(near) == 1 and near[0].sha != commit.sha and near[0].committed <= commit.committed:
            return Relation(named.kind, near[0].sha, near[0].pull, self._repository.titled(near[0]))
        # What a number is of that no commit has may be an issue: nobody repairs one of those.
        known = named.pull is not None and named.kind != "repairs"
        return Relation(named.kind, "", named.pull, named.title) if known else None

    def _meant(self, commit: Commit, named: Reference, day: Landed) -> list[Commit]:
        """The earlier commits that a reference can mean: of the same day, otherwise stored ones."""
        near = day.older(commit, named)
        if not near and named.sha:
            near = list(self._archive.commits_by_sha(commit.repo, named.sha))
        if not near and named.pull is not None and not self._is_issue(named):
            near = list(self._archive.commits_by_pull(commit.repo, named.pull))
        if not near and named.title and named.kind == "reverts":
            near = self._titled(commit, named.title)
        return near

    def _is_issue(self, named: Reference) -> bool:
        """Whether a number is an issue's: if pull requests have a sign of their own, `#12` is not one."""
        return named.kind == "repairs" and not self._repository.number(0).startswith("#")

    def _titled(self, commit: Commit, title: str) -> list[Commit]:
        """The latest stored commit with a title: what was reverted twice has two."""
        found = self._archive.search(title, [commit.repo], _TITLED)
        alike = [c for c in found if c.reading.subject.casefold() == title.casefold() and c.sha != commit.sha]
        before = (c for c in alike if c.committed <= commit.committed)
        return sorted(before, key=lambda c: c.committed, reverse=True)[:1]

    # --- What was delivered ------------------------------------------------------------------

    def grade(self, commit: Commit, language: str) -> Grade | None:
        """The grade with which a commit was delivered first; else that of a recent digest, which compared it."""
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
        since, until = commit.committed, commit.committed + timedelta(seconds=1)
        try:
            there = self.source.commits(self._repository.name, digest.branch, since, until)
        except DigestError:
            return ""
        return "" if any(c.sha == commit.sha for c in there) else digest.branch

    def usual(self, made: Digest) -> int | None:
        """The median number of commits of at least three earlier digests that are as long and filtered alike."""
        length = _length(made.period)
        alike = {
            d.period: len(d.entries)
            for d in self._recent(made.branch, made.language)
            if d.period.until <= made.period.since
            and abs(_length(d.period) - length) <= timedelta(hours=1)
            and (d.filters, d.period.zone) == (made.filters, made.period.zone)
        }.values()
        return round(statistics.median(alike)) if len(alike) >= 3 else None


def _length(period: Period) -> timedelta:
    return period.until - period.since
