"""Releases of a repository: their contents, their breaking changes, and the first one with a commit.

A failure here never stops a digest: unreadable parts of a release are left out, and it is still reported.
"""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from bot.commits import notes, releases
from bot.commits.rollup import undone_of
from bot.errors import DigestError, NotFound, UsageError
from bot.ports import Archive, CommitSource
from bot.repositories import Repositories
from bot.values import (
    Between,
    Broken,
    Commit,
    Contents,
    Importance,
    NoteLevel,
    Period,
    Release,
    Released,
    Repository,
    Rollup,
    Standing,
    one_line,
)

MOST = 20
"""The most releases shown in full in a digest, the newest ones."""
ASIDE = 50
"""The most commits of a release's own branch to list."""
_READ, _FROM_AFAR, _PATCHED = 1_000, 50, 20
"""The most commits of a release to check for breaking changes; of these, those that cost requests, and such patches."""
_NEAR = 5
_BREAKS, _TEXT = 20, 300


class Releasing:
    """What a digest says about releases, from a repository's source and the store. Safe for several threads."""

    def __init__(self, repositories: Repositories, archive: Archive) -> None:
        self._repositories = repositories
        self._archive = archive

    # --- Which there are ---------------------------------------------------------------------

    def within(self, repository: Repository, period: Period) -> tuple[Release, ...]:
        """The releases made in a period; none if that cannot be read."""
        try:
            line = self._source(repository).releases(repository.name, period.since)
        except DigestError:
            return ()
        return tuple(release for release in line if release.made < period.until)

    def between(self, repository: Repository, older: str, newer: str) -> Between:
        """A release by its name, with the one before it, or with a named older one; they may be in either order.

        Raises NotFound for a name that no release has, and Unavailable.
        """
        line = self._source(repository).releases(repository.name)
        wanted = called(newer, line, repository)
        if not older:
            return Between(releases.before(wanted, line, repository.title), wanted)
        first, last = sorted((called(older, line, repository), wanted), key=lambda release: release.made)
        return Between(first, last)

    def commits(self, repository: Repository, between: Between) -> tuple[Commit, ...]:
        """The commits of a release that the older one does not have, newest first.

        Raises NotFound, Unavailable, UsageError.
        """
        found = self._source(repository).contents(repository.name, between.newer, between.older)
        if not found.whole:
            raise UsageError("release_large", name=between.newer.name, n=f"{len(found.shas):,}")
        return self._repositories.read(repository, found.shas)

    def standing(self, repository: Repository, commit: Commit) -> Standing:
        """The first release with a commit, and the same commits on other branches."""
        source = self._source(repository)
        made = Standing()
        try:
            known = source.first_releases(repository.name, [commit.sha])
            first = known.get(commit.sha)
            none = commit.sha in known and not first and bool(source.releases(repository.name))
            made = Standing(first, none)
            return replace(made, twins=source.twins(repository.name, commit))
        except DigestError:
            return made

    # --- What is in them ---------------------------------------------------------------------

    def released(self, repository: Repository, some: Sequence[Release], branch: str) -> tuple[Released, ...]:
        """What a digest says about releases, newest first; `branch` is the one in its table."""
        if not some:
            return ()
        source, name = self._source(repository), repository.name
        line, said = None, dict[str, str]()
        with suppress(DigestError):
            line = [*source.releases(name), *some]
        with suppress(DigestError):
            said = dict(source.notes(name, [release.name for release in some[-MOST:]]))
        bundles = releases.bundles(some, line or some, repository.title)
        return tuple(self._released(repository, each, line, said, branch) for each in bundles[:MOST])

    def _released(
        self,
        repository: Repository,
        bundle: Sequence[Release],
        line: Iterable[Release] | None,
        said: dict[str, str],
        branch: str,
    ) -> Released:
        """What is said about a release, or about packages that were released together; of a `line` if that is known."""
        newest, *packages = bundle
        before = _before(bundle, line, repository) if line else None
        found = self._contents(repository, newest, before, branch)
        commits = self._read(repository, found.shas if found else ())
        aside = found.aside if found else 0
        side = frozenset(found.shas[:aside] if found else ())
        written = [text for release in bundle for text in notes.published(said.get(release.name, ""))]
        mentioned = "\n".join(said.get(release.name, "") for release in bundle) if written else ""
        breaks = [Broken(one_line(text, _TEXT)) for text in dict.fromkeys(written)]
        gone = Rollup(undone_of(commits)).left_out
        breaks += self._breaks(repository, [c for c in commits if c.sha not in gone and not _mentions(mentioned, c)])
        return Released(
            newest,
            before.name if before else "",
            len(found.shas) if found and found.whole else None,
            aside,
            tuple(commit for commit in commits if commit.sha in side)[:ASIDE],
            tuple(breaks[:_BREAKS]),
            tuple(packages),
            unread=line is None,
        )

    def _contents(
        self, repository: Repository, release: Release, before: Release | None, branch: str
    ) -> Contents | None:
        """What a release has that the one before it does not; None for the first one, or if it cannot be read."""
        if before is None:
            return None
        try:
            return self._source(repository).contents(repository.name, release, before, branch)
        except DigestError:
            return None

    def _read(self, repository: Repository, shas: Sequence[str]) -> tuple[Commit, ...]:
        """The commits of a release to check: the stored ones, and some more."""
        try:
            return self._repositories.read(repository, shas[:_READ], _READ if self._is_near(repository) else _FROM_AFAR)
        except DigestError:
            return ()

    def _breaks(self, repository: Repository, commits: Sequence[Commit]) -> list[Broken]:
        """The breaking changes of commits, by messages and notes to users; those reported as high come first."""
        grades = self._archive.delivered_grades(repository.name, [commit.sha for commit in commits])
        noted = self._noted(repository, commits)
        broken = [c for c in commits if c.reading.breaking or c.sha in noted]
        found = [(c, noted.get(c.sha) or c.reading.title or c.reading.subject) for c in broken]
        found.sort(
            key=lambda each: (grade := grades.get(each[0].sha)) is None or grade.importance is not Importance.HIGH
        )
        return [Broken(one_line(text, _TEXT), commit.sha) for commit, text in found]

    def _noted(self, repository: Repository, commits: Sequence[Commit]) -> dict[str, str]:
        """The breaking changes in fragments of notes that commits add, by SHA."""
        telling = {c.sha: c for c in commits if any(notes.is_telling(f.path) for f in c.files)}
        if not telling or (len(telling) > _PATCHED and not self._is_near(repository)):
            return {}
        paths = {f.path for c in telling.values() for f in c.files if notes.is_telling(f.path)}
        found: dict[str, str] = {}
        try:
            for sha, patches in self._source(repository).patches(repository.name, list(telling.values()), paths):
                said = () if notes.prepares_release(telling[sha], patches) else notes.notes(patches)
                if said and said[0].level is NoteLevel.BREAKING:
                    found[sha] = said[0].text
        except DigestError:
            pass
        return found

    def _is_near(self, repository: Repository) -> bool:
        """Whether reading costs no rate-limited requests."""
        return self._source(repository).quota() is None

    def _source(self, repository: Repository) -> CommitSource:
        return self._repositories.source_of(repository.name)


def names_of(released: Iterable[Released]) -> set[str]:
    """The names of all releases in a digest."""
    return {release.name for one in released for release in (one.release, *one.packages)}


def spanning(period: Period, commits: Sequence[Commit]) -> Period:
    """Extend a period to all commits of a release, which were made before it, some long before."""
    times = [commit.committed for commit in commits]
    last = max((time + timedelta(seconds=1) for time in times), default=period.until)
    return replace(period, since=min(times, default=period.since), until=max(period.until, last))


def called(name: str, line: Sequence[Release], repository: Repository) -> Release:
    """The release of `line`, oldest first, with a name. Raises NotFound with the latest ones, if there are any."""
    if found := releases.called(name, line):
        return found
    if not line:
        raise NotFound("release_none", repo=repository.title)
    known = tuple(release.name for release in reversed(line[-_NEAR:]))
    raise NotFound("release_unknown", repo=repository.title, name=one_line(name, 60), known=known)


def _before(bundle: Sequence[Release], line: Iterable[Release], repository: Repository) -> Release | None:
    """The release before one; for packages, the last one of any."""
    if len(bundle) == 1:
        return releases.before(bundle[0], line, repository.title)
    first = min(release.made for release in bundle)
    return max((r for r in line if r.made < first and r not in bundle), key=lambda r: r.made, default=None)


def _mentions(text: str, commit: Commit) -> bool:
    """Whether the notes of a release mention a commit: then only they decide whether it is breaking."""
    if not text:
        return False
    return commit.short in text or bool(re.search(rf"(?:[#!]|/pull/|/pulls/|/merge_requests/){commit.pull}\b", text))
