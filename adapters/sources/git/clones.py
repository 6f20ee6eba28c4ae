"""This machine's clones of repositories given by URL: shared by its processes, limited, deleted when unused.

Next to a clone are two files. `NAME.lock` is held by all readers, exclusively for deleting it, and its time is that of
the last use. `NAME.fetched` is held while fetching, and says when that was last done and how many bytes the clone has
since: so no process fetches what another one on this machine has fetched within the minute.
"""

import errno
import fcntl
import hashlib
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

from adapters import private
from adapters.sources.git import fetching, process
from adapters.sources.git.fetching import Clone
from adapters.sources.git.process import Limits
from adapters.sources.git.reach import Reach
from adapters.sources.git.remote import Remote
from bot.errors import Unavailable

_log = logging.getLogger("digest.git")

_FRESH = 60.0
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}

Finder = Callable[[], Sequence[str]]
"""Returns the names of missing objects."""


class Bounds(NamedTuple):
    """The most clones to keep, and bytes of them; 0: no limit."""

    most: int = 0
    size: int = 0


UNBOUNDED = Bounds()


@dataclass(frozen=True, slots=True)
class Opened:
    """A clone that is being read, and not deleted meanwhile.

    In a `partial` one files may be missing: `bring` fetches those. Raises NotFound, Forbidden, Unavailable.
    """

    path: Path
    partial: bool
    bring: Callable[[Finder], None]


class _Fetched(NamedTuple):
    """When a clone was fetched, in seconds since 1970, and its size in bytes since then."""

    at: float
    size: int


class Clones:
    """Clones of remote repositories in `folder`, each fetched at most once a minute of `clock` (seconds since 1970).

    `reach` decides which hosts may be contacted, `limits` how long git may take, `bounds` how much is kept.
    """

    def __init__(
        self,
        folder: Path,
        clock: Callable[[], float],
        reach: Reach,
        limits: Limits = process.LIMITS,
        bounds: Bounds = UNBOUNDED,
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._reach = reach
        self._limits = limits
        self._bounds = bounds
        self._answered: dict[str, Clone] = {}

    @contextmanager
    def opened(self, remote: Remote, *, fresh: bool) -> Iterator[Opened]:
        """The clone of `remote`, fetched now unless it was fetched within the minute, or need not be `fresh`.

        The first time in a process it is always fetched: the server decides whether it may still be read.
        Raises NotFound, Forbidden, Unavailable.
        """
        path = self._path(remote)
        with ExitStack() as held:
            with _translated(remote):
                private.folder(path.parent)
                using = held.enter_context(_locked(_lock(path), fcntl.LOCK_SH))
                os.utime(using.fileno())
                if self._is_due(remote, path, fresh):
                    self._fetch(remote, path, fresh)
            clone = self._answered[remote.url]
            yield Opened(path, clone.partial, partial(self._bring, clone))

    def forget(self, remote: Remote) -> bool:
        """Delete the clone of a remote once it is not in use; return whether there was one."""
        path = self._path(remote)
        self._answered.pop(remote.url, None)
        return path.exists() and self._removed(path, 0)

    def retain(self, followed: Iterable[Remote], since: float) -> int:
        """Delete the clones unused since a time (seconds since 1970), except those of `followed`; return how many."""
        kept = {self._path(remote) for remote in followed}
        for half in self._folder.glob("*.gone"):  # of a process that was killed
            shutil.rmtree(half, ignore_errors=True)
        unused = [path for path in self._all() if path not in kept and _used(path) < since]
        return sum(self._removed(path) for path in unused)

    def size(self) -> int:
        """Bytes of everything in the folder."""
        return _bytes(self._folder)

    # --- Fetching ---

    def _is_due(self, remote: Remote, path: Path, fresh: bool) -> bool:
        fetched = _fetched(path)
        if remote.url not in self._answered or not fetched:  # none: it was deleted
            return True
        return fresh and not 0 <= self._clock() - fetched.at < _FRESH

    def _fetch(self, remote: Remote, path: Path, fresh: bool) -> None:
        """Fetch, unless another process did while this one waited for its turn."""
        with _locked(_stamp(path), fcntl.LOCK_EX) as stamp:
            if not self._is_due(remote, path, fresh):
                return
            with _nothing_begun(path):
                self._answered[remote.url] = Clone(remote, path, self._reach, self._limits).fetch()
            _note(stamp, self._clock(), path)
        self._keep_within(path)

    def _bring(self, clone: Clone, missing: Finder) -> None:
        """Fetch what is missing, if it still is once no other process fetches."""
        if not missing():
            return
        with _translated(clone.remote), _locked(_stamp(clone.path), fcntl.LOCK_EX) as stamp:
            if not (wanted := missing()):
                return
            clone.bring(wanted)
            fetched = _fetched(clone.path)
            _note(stamp, fetched.at if fetched else 0, clone.path)
        self._keep_within(clone.path)

    # --- Keeping ---

    def _path(self, remote: Remote) -> Path:
        name = re.sub(r"[^A-Za-z0-9]+", "-", remote.path.removesuffix(".git")).strip("-")[-60:]
        return self._folder / f"{name}-{hashlib.sha256(remote.url.encode()).hexdigest()[:16]}.git"

    def _all(self) -> list[Path]:
        """All clones, the longest unused first."""
        return sorted(self._folder.glob("*.git"), key=_used)

    def _keep_within(self, used: Path) -> None:
        """Delete the longest unused clones until the bounds are met, except the one that is `used`."""
        clones = self._all()
        sizes = {path: fetched.size if (fetched := _fetched(path)) else _bytes(path) for path in clones}
        number, size = len(clones), sum(sizes.values())
        for path in clones:
            if not self._beyond(number, size):
                return
            if path != used and self._removed(path):
                number, size = number - 1, size - sizes[path]
                _log.info("a clone was deleted", extra={"fields": {"clone": path.stem, "bytes": sizes[path]}})

    def _beyond(self, number: int, size: int) -> bool:
        return 0 < self._bounds.most < number or 0 < self._bounds.size < size

    def _removed(self, path: Path, how: int = fcntl.LOCK_NB) -> bool:
        """Delete a clone unless it is in use (if `how` is 0, wait for that to end); return whether it is gone.

        It is renamed first and its files deleted then, so that a killed process never leaves half a clone.
        """
        gone = path.with_suffix(".gone")
        try:
            with _locked(_lock(path), fcntl.LOCK_EX | how):
                shutil.rmtree(gone, ignore_errors=True)
                path.rename(gone)
                _stamp(path).unlink(missing_ok=True)
                shutil.rmtree(gone, ignore_errors=True)
        except OSError:  # it is in use, or another process has deleted it
            return False
        return True


def _lock(path: Path) -> Path:
    return path.with_suffix(".lock")


def _stamp(path: Path) -> Path:
    return path.with_suffix(".fetched")


@contextmanager
def _locked(path: Path, how: int) -> Iterator[IO[str]]:
    """A file next to a clone, locked with flock(2). Raises OSError."""
    with path.open("a+", encoding="ascii") as file:
        fcntl.flock(file, how)
        yield file


def _used(path: Path) -> float:
    """When a clone was last used, in seconds since 1970."""
    lock = _lock(path)
    return lock.stat().st_mtime if lock.exists() else 0.0


def _fetched(path: Path) -> _Fetched | None:
    """The record of a clone's last fetch; None if there is none, or it is being written."""
    try:
        at, size = _stamp(path).read_text("ascii").split()
        return _Fetched(float(at), int(size))
    except (OSError, ValueError):
        return None


def _note(stamp: IO[str], at: float, path: Path) -> None:
    stamp.truncate(0)
    stamp.write(f"{at} {_bytes(path)}")


def _bytes(folder: Path) -> int:
    """Bytes of the files below a folder; some may be deleted meanwhile."""
    found = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                found += os.stat(os.path.join(where, name)).st_size
    return found


@contextmanager
def _nothing_begun(path: Path) -> Iterator[None]:
    """Delete a clone whose first fetch fails, so that it does not count towards the bounds."""
    new = not path.exists()
    try:
        yield
    except BaseException:
        if new:
            shutil.rmtree(path, ignore_errors=True)
        raise


@contextmanager
def _translated(remote: Remote) -> Iterator[None]:
    """Translate errors of git, or of the disk, into errors of the port."""
    try:
        yield
    except process.GitFailed as failed:
        raise fetching.error(str(failed), remote) from None
    except OSError as failed:
        if failed.errno in _NO_ROOM:
            raise Unavailable("clone_disk_full", repo=remote.title or remote.url) from None
        problem = failed.strerror or type(failed).__name__
        raise Unavailable("clone_failed", repo=remote.title or remote.url, problem=problem) from None
