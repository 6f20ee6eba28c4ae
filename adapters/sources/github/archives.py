"""Archives of repositories on GitHub, one per commit, kept on disk for a day to search their files.

An archive is two files: the contents of the repository's files, each ended by a NUL, in one piece that is searched as a
whole; and JSON with the start of each, and the cost. These files are the only record of what was fetched, so several
processes share the limits of a day.
"""

import json
import mmap
import shutil
import tarfile
import threading
import time
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC
from pathlib import Path
from typing import IO, Any, cast

from adapters import private
from adapters.sources.github import answers
from adapters.sources.github.client import Client
from bot.commits import lookup
from bot.commits.lookup import Content, Uses
from bot.errors import DigestError, NotFound

ARCHIVE_BYTES, ARCHIVE_SECONDS = 200_000_000, 60.0
"""The most bytes to fetch of a repository in a day, and seconds for that."""

WAITED = 1.0
"""The least seconds that a failed fetch counts, so that quick refusals can be retried."""

UNPACKED_BYTES, ARCHIVE_FILES = 500_000_000, 200_000
"""The most bytes in a day's archives of a repository, and files in one of them."""

_LEFT_OUT = "could not be searched in full: the archive leaves files out"
_END = b"\0"


class _TooMuch(Exception):
    """An archive is beyond a limit."""


@dataclass(slots=True)
class Spent:
    """What fetching a repository's archives has used of the day's limits."""

    fetched: int = 0
    seconds: float = 0.0
    unpacked: int = 0

    def add(self, other: "Spent") -> None:
        """Add another one."""
        self.fetched += other.fetched
        self.seconds += other.seconds
        self.unpacked += other.unpacked

    @property
    def within(self) -> bool:
        """Whether it is within all limits."""
        took = self.fetched <= ARCHIVE_BYTES and self.seconds <= ARCHIVE_SECONDS
        return took and self.unpacked <= UNPACKED_BYTES


class Archive:
    """The files of a commit's archive on disk; `index` is what `_Download.unpack` returned.

    `whole` says that it contains every file. Raises OSError if it was deleted.
    """

    def __init__(self, path: Path, index: Mapping[str, Any]) -> None:
        self._path = path
        self._paths: list[str] = index["paths"]
        self._starts: list[int] = index["starts"]
        self._others: dict[str, str] = index["others"]
        self._whole: bool = index["whole"]

    def uses(self, words: Sequence[str]) -> dict[str, Uses]:
        """How each of `words` is used."""
        found = {word: Uses() for word in words}
        if self._paths:
            with self._path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
                for word, uses in found.items():
                    self._count(text, word, uses)
        large = any(why == lookup.TOO_LARGE and lookup.is_code(path) for path, why in self._others.items())
        for uses in found.values():
            uses.partial = large or not self._whole
            if not self._whole and not uses.counts:
                uses.refused = uses.refused or _LEFT_OUT
        return found

    def _count(self, text: mmap.mmap, word: str, uses: Uses) -> None:
        path, end = "", 0
        for match in lookup.pattern(word).finditer(cast(bytes, text)):
            if match.start() >= end:
                at = bisect_right(self._starts, match.start())
                path, end = self._paths[at - 1], self._starts[at]
            uses.add(path, 1)
            if uses.refused:
                return

    def contents(self, paths: Sequence[str]) -> Iterator[tuple[str, Content]]:
        """The contents of those of `paths` that the archive knows, or why they cannot be read."""
        numbers = {path: n for n, path in enumerate(self._paths)}
        with self._path.open("rb") as file:
            for path in paths:
                if path in self._others:
                    yield path, self._others[path]
                elif (at := numbers.get(path)) is not None:
                    file.seek(self._starts[at])
                    yield path, file.read(self._starts[at + 1] - self._starts[at] - len(_END))
                elif self._whole:
                    yield path, lookup.NO_PATH


class Archives:
    """Today's archives in `folder` (None: none are kept), fetched with `client`. Safe for several threads."""

    def __init__(self, folder: Path | None, client: Client) -> None:
        self._folder = folder
        self._client = client
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    def get(self, name: str, sha: str, *, fetch: bool) -> Archive | None:
        """The archive of a commit; None if it is not kept and must not or cannot be fetched."""
        if self._folder is None:
            return None
        today = self._folder / f"{self._client.now().astimezone(UTC):%Y-%m-%d}"
        with self._guard:
            lock = self._locks.setdefault(name, threading.Lock())
        try:
            with lock:
                self._forget_all_but(today)
                return self._kept(today / name.replace("/", "+"), name, sha, fetch)
        except (OSError, ValueError, KeyError, TypeError):  # a full disk, or a corrupt file
            return None

    @staticmethod
    def _forget_all_but(today: Path) -> None:
        for day in today.parent.glob("????-??-??"):
            if day != today:
                shutil.rmtree(day, ignore_errors=True)

    def _kept(self, folder: Path, name: str, sha: str, fetch: bool) -> Archive | None:
        index, files = folder / f"{sha}.json", folder / f"{sha}.files"
        if fetch and not index.exists():
            private.folder(folder)
            self._fetch(name, sha, index, files)
        known = json.loads(index.read_text()) if index.exists() else {}
        return Archive(files, known) if "paths" in known else None

    def _fetch(self, name: str, sha: str, index: Path, files: Path) -> None:
        """Fetch an archive, if another one as large as the day's largest would be within the limits.

        If that fails, its cost is still stored, so that the limits hold.
        """
        earlier = [Spent(**json.loads(path.read_text())["spent"]) for path in index.parent.glob("*.json")]
        before, expected = Spent(), Spent()
        for each in [*earlier, *sorted(earlier, key=lambda each: each.fetched)[-1:]]:
            expected.add(each)
        for each in earlier:
            before.add(each)
        if expected.within:
            said = self._fetched(name, sha, files, before)
            if said["spent"]["fetched"] or said["spent"]["seconds"] >= WAITED:
                part = index.with_suffix(f".{threading.get_ident()}")
                part.write_text(json.dumps(said))
                part.rename(index)

    def _fetched(self, name: str, sha: str, files: Path, before: Spent) -> dict[str, Any]:
        """The index of an archive and the cost of fetching it; only the cost if it failed."""
        download = _Download(before)
        index: dict[str, Any] = {}
        try:
            with self._client.download(f"/repos/{name}/tarball/{sha}", NotFound("commit_unknown")) as pieces:
                index = download.unpack(pieces, files)
            index["whole"] = self._is_whole(name, sha)
        except (DigestError, _TooMuch, tarfile.TarError, EOFError, OSError):
            files.unlink(missing_ok=True)
            index = {}
        finally:
            download.stop()
        return {**index, "spent": asdict(download.spent)}

    def _is_whole(self, name: str, sha: str) -> bool:
        """Whether an archive has all files: `export-ignore` (gitattributes(5)) leaves some out.

        The file with that setting may itself be left out, so it is requested.
        """
        try:
            answer = self._client.get(f"/repos/{name}/contents/.gitattributes", NotFound("commit_unknown"), ref=sha)
        except NotFound:
            return True
        said = answers.content(answer.data)
        return isinstance(said, bytes) and b"export-ignore" not in said


class _Download:
    """An archive being downloaded: a file that is read once, up to a limit. `before` is the day's usage so far.

    Raises _TooMuch at a limit.
    """

    def __init__(self, before: Spent) -> None:
        self.spent = Spent()
        self._before = before
        self._begun = time.monotonic()
        self._pieces: Iterator[bytes] = iter(())
        self._rest = b""
        self._paths: list[str] = []
        self._starts = [0]
        self._others: dict[str, str] = {}

    def unpack(self, pieces: Iterator[bytes], files: Path) -> dict[str, Any]:
        """Write the contents of all files to `files`, and return where each begins."""
        self._pieces = pieces
        with tarfile.open(fileobj=cast(IO[bytes], self), mode="r|gz") as tar, files.open("wb") as out:
            for member in tar:
                tar.members.clear()  # type: ignore[attr-defined]  # else it keeps every one that has been
                self._take(member, tar, out)
        return {"paths": self._paths, "starts": self._starts, "others": self._others}

    def read(self, size: int) -> bytes:
        """The next bytes, fewer at the end."""
        while len(self._rest) < size and (piece := next(self._pieces, b"")):
            self._rest += piece
            self.spent.fetched += len(piece)
            self._check()
        given, self._rest = self._rest[:size], self._rest[size:]
        return given

    def stop(self) -> None:
        """Count the time, even if nothing was received."""
        self.spent.seconds = time.monotonic() - self._begun

    def _check(self) -> None:
        self.stop()
        both = Spent(**asdict(self.spent))
        both.add(self._before)
        if not both.within or len(self._paths) > ARCHIVE_FILES:
            raise _TooMuch

    def _take(self, member: tarfile.TarInfo, tar: tarfile.TarFile, out: IO[bytes]) -> None:
        """Keep a file, or why it is not shown. All are in one folder, which is named after the commit."""
        self.spent.unpacked += member.size
        self._check()
        path = member.name.partition("/")[2].encode(errors="surrogateescape").decode(errors="replace")
        if member.issym() or member.isdir():
            self._others[path] = lookup.LINK if member.issym() else lookup.FOLDER
        if not member.isreg():
            return
        file = tar.extractfile(member) if member.size <= lookup.FILE_BYTES else None
        content = file.read() if file else b""
        if file is None or lookup.is_binary(content):
            self._others[path] = lookup.TOO_LARGE if file is None else lookup.BINARY
            return
        out.write(content + _END)
        self._paths.append(path)
        self._starts.append(self._starts[-1] + len(content) + len(_END))
