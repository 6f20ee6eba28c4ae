"""Commit sources whose reads are watched, so that a hanging host is noticed while it hangs.

The thread that builds a digest sets its watch once; a source obtained in that thread is watched from then on, in
whichever thread it is read.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from datetime import datetime

from bot.ports import CommitSource
from bot.values import (
    EPOCH,
    Commit,
    Contents,
    FilePatch,
    Landing,
    Look,
    Quota,
    Release,
    Repository,
    Sight,
    Twin,
    Window,
)

Watch = Callable[[], AbstractContextManager[None]]
"""Entered for the duration of one read."""

_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)


@contextmanager
def watching(watch: Watch) -> Iterator[None]:
    """Watch all reads of the sources that this thread gets during the block."""
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)


def watched(source: CommitSource) -> CommitSource:
    """The source, watched if this thread has a watch."""
    watch = _watch.get()
    return Watched(source, watch) if watch else source


class Watched:
    """A `CommitSource` whose reads are watched; of patches, each read is, but not the work between them."""

    def __init__(self, source: CommitSource, watch: Watch) -> None:
        self._source = source
        self._watch = watch

    def repository(self, repo: str) -> Repository:
        """As the source's."""
        with self._watch():
            return self._source.repository(repo)

    def group(self, name: str) -> tuple[Repository, ...]:
        """As the source's."""
        with self._watch():
            return self._source.group(name)

    def commits(self, repo: str, branch: str, since: datetime, until: datetime) -> tuple[Commit, ...]:
        """As the source's."""
        with self._watch():
            return self._source.commits(repo, branch, since, until)

    def landed(self, repo: str, branch: str, tip: str | None, window: Window) -> Landing:
        """As the source's."""
        with self._watch():
            return self._source.landed(repo, branch, tip, window)

    def commit(self, repo: str, sha: str) -> Commit:
        """As the source's."""
        with self._watch():
            return self._source.commit(repo, sha)

    def pull(self, repo: str, number: int) -> Commit:
        """As the source's."""
        with self._watch():
            return self._source.pull(repo, number)

    def later(self, repo: str, branch: str, commit: Commit, until: datetime) -> tuple[Commit, ...]:
        """As the source's."""
        with self._watch():
            return self._source.later(repo, branch, commit, until)

    def touching(self, repo: str, branch: str, paths: Sequence[str], most: int) -> tuple[Commit, ...]:
        """As the source's."""
        with self._watch():
            return self._source.touching(repo, branch, paths, most)

    def patches(
        self, repo: str, commits: Sequence[Commit], paths: Collection[str] = ()
    ) -> Iterator[tuple[str, tuple[FilePatch, ...]]]:
        """As the source's."""
        found = self._source.patches(repo, commits, paths)
        while True:
            with self._watch():
                read = next(found, None)
            if read is None:
                return
            yield read

    def releases(self, repo: str, since: datetime = EPOCH) -> tuple[Release, ...]:
        """As the source's."""
        with self._watch():
            return self._source.releases(repo, since)

    def first_releases(self, repo: str, shas: Sequence[str]) -> Mapping[str, Release | None]:
        """As the source's."""
        with self._watch():
            return self._source.first_releases(repo, shas)

    def contents(self, repo: str, release: Release, before: Release | None, branch: str | None = None) -> Contents:
        """As the source's."""
        with self._watch():
            return self._source.contents(repo, release, before, branch)

    def read(self, repo: str, shas: Sequence[str]) -> tuple[Commit, ...]:
        """As the source's."""
        with self._watch():
            return self._source.read(repo, shas)

    def notes(self, repo: str, names: Sequence[str]) -> Mapping[str, str]:
        """As the source's."""
        with self._watch():
            return self._source.notes(repo, names)

    def twins(self, repo: str, commit: Commit) -> tuple[Twin, ...]:
        """As the source's."""
        with self._watch():
            return self._source.twins(repo, commit)

    def look(self, repo: str, commit: Commit, looks: Sequence[Look]) -> tuple[Sight, ...]:
        """As the source's."""
        with self._watch():
            return self._source.look(repo, commit, looks)

    def text(self, repo: str, branch: str, paths: Sequence[str]) -> str | None:
        """As the source's."""
        with self._watch():
            return self._source.text(repo, branch, paths)

    def quota(self) -> Quota | None:
        """As the source's."""
        with self._watch():
            return self._source.quota()
