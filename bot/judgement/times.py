"""Finds what else landed, and was released, at the time of a commit."""

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta

from bot.commits import neighbours
from bot.errors import DigestError
from bot.judgement.questions import Around
from bot.ports import CommitSource
from bot.values import Commit, FilePatch, Release

_RELEASES = 8
_READ = 300
"""The most commits around a day whose patches are read for the names in them."""


class Times:
    """The days of one branch, each read once. Safe for several threads.

    If something cannot be read, a commit is analysed without it.
    """

    def __init__(self, source: CommitSource, repo: str, branch: str) -> None:
        self._source = source
        self._repo = repo
        self._branch = branch
        self._lock = threading.Lock()
        self._days: dict[date, tuple[tuple[Commit, ...], Mapping[str, frozenset[str]]]] = {}
        self._releases: tuple[Release, ...] | None = None

    def around(self, commit: Commit, patches: Sequence[FilePatch]) -> Around:
        """Related commits within a day of a commit, whatever a channel's filters, and releases."""
        with self._lock:
            others, names = self._day(commit.committed.date())
            near = self._released(commit)
        return Around(neighbours.neighbours(commit, patches, others, names), near)

    def _day(self, day: date) -> tuple[tuple[Commit, ...], Mapping[str, frozenset[str]]]:
        """The commits of a day and of a day before and after it, and the names on the lines that they change."""
        if day not in self._days:
            midnight = datetime.combine(day, time(), UTC)
            since, until = midnight - neighbours.WITHIN, midnight + timedelta(days=1) + neighbours.WITHIN
            self._days[day] = (), {}
            with suppress(DigestError):
                found = self._source.commits(self._repo, self._branch, since, until)
                self._days[day] = found, {}
                self._days[day] = found, self._names(found)
        return self._days[day]

    def _names(self, commits: Sequence[Commit]) -> Mapping[str, frozenset[str]]:
        """The names in patches, by SHA; empty if reading a patch uses a rate-limited request."""
        if self._source.quota() is not None:
            return {}
        read = self._source.patches(self._repo, commits[:_READ])
        return {sha: frozenset(neighbours.names(patches)) for sha, patches in read}

    def _released(self, commit: Commit) -> tuple[tuple[Release, bool], ...]:
        """The releases within a day of a commit, and whether one is the first with it."""
        with suppress(DigestError):
            if self._releases is None:
                self._releases = ()
                self._releases = self._source.releases(self._repo)
            near = [r for r in self._releases if abs(r.made - commit.committed) <= neighbours.WITHIN][-_RELEASES:]
            first = self._source.first_releases(self._repo, [commit.sha]) if near else {}
            return tuple((release, first.get(commit.sha) == release) for release in near)
        return ()
