"""The files of a commit, searched and read with git."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from adapters.sources.git import history
from adapters.sources.git.layout import View
from adapters.sources.git.process import GitFailed, GitSlow
from bot.commits import lookup
from bot.commits.lookup import Content, Spot, Uses

SECONDS = 20
"""The most seconds for one search, or for reading files."""

SEARCHED_BYTES, READ_BYTES = 64 * 1024 * 1024, 32 * 1024 * 1024
"""The most bytes of files to count uses in, and to read for showing."""

PIECE = 8 * 1024 * 1024
"""Bytes of files in memory at once while uses are counted."""

EXCLUDED = 1_000
"""The most files that a search can exclude by name: too large or, in a partial clone, missing."""

SAMPLE = 400
"""How many files, from all parts of a large tree, to sample for words that are far too common to search."""

LIKELY = 12
"""A word must be in at least this many files of the sample to count as too common."""

_ENTRY = re.compile(rb"(\d+) (\w+) ([0-9a-f]+) +(\d+|-|BAD)\t(.+)", re.DOTALL)
_GREP = (
    "grep",
    "--files-with-matches",
    "--null",
    "-I",
    "--fixed-strings",
    "--word-regexp",
    "--full-name",
    "--no-recurse-submodules",
    "--no-color",
    "--threads=1",  # several took 1.7 times the CPU on two cores, and no less time
)
_MISSING = "could not be read: not all of the tree is here"
_NOT_HERE = "the commit before is not here: the history was cut off"


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry of a tree; the size is None unless it is a file that exists."""

    mode: bytes
    kind: bytes
    oid: bytes
    size: int | None


class GitTree:
    """The tree of the commit `sha`, and of others that are asked for, in a view of its repository."""

    def __init__(self, view: View, sha: str) -> None:
        self._view = view
        self._sha = sha

    @cached_property
    def _all(self) -> dict[bytes, _Entry]:
        """Every entry, with what is below folders."""
        return self._listed("-r", self._sha)

    def uses(self, words: Sequence[str]) -> dict[str, Uses]:
        """How each of `words` is used. A file above 1 MB is not searched; where that is code, the search is partial.

        One `git grep` names the files that use any of them, which are then read. A word that is far too common would
        list nearly all of them: a sample of the tree reveals such a word first.
        """
        found = {word: Uses() for word in words}
        try:
            self._search(found)
        except GitFailed as failed:
            _refuse(found, "could not be searched in time" if isinstance(failed, GitSlow) else lookup.UNREADABLE)
        return found

    def _search(self, found: Mapping[str, Uses]) -> None:
        blobs = [(path, entry.size) for path, entry in self._all.items() if entry.kind == b"blob"]
        small = [path for path, size in blobs if size is not None and size <= lookup.FILE_BYTES]
        skipped = [path for path, size in blobs if size is None or size > lookup.FILE_BYTES]
        missing = sum(size is None for _, size in blobs)
        if len(skipped) > EXCLUDED:
            _refuse(found, _MISSING if missing > EXCLUDED else lookup.UNSEARCHABLE)
        else:
            _refuse({word: found[word] for word in self._likely(found, small)}, lookup.TOO_COMMON)
        partial = any(lookup.is_code(history.text(path)) for path in skipped[:EXCLUDED])
        for uses in found.values():
            uses.unread, uses.partial = missing, partial
        if left := {word: uses for word, uses in found.items() if not uses.refused}:
            self._count(left, self._naming(left, skipped))

    def _likely(self, words: Iterable[str], paths: Sequence[bytes]) -> list[str]:
        """The words that a sample shows to be far too common."""
        some = paths[:: len(paths) // SAMPLE] if len(paths) > 2 * SAMPLE else ()
        sample = {word: Uses() for word in words}
        self._count(sample, some)
        least = max(LIKELY, 2 * lookup.COMMON * len(some) / max(len(paths), 1))
        return [word for word, uses in sample.items() if uses.refused or len(uses.counts) >= least]

    def _naming(self, words: Iterable[str], skipped: Iterable[bytes]) -> list[bytes]:
        """The files that use any of `words`, which git reads from its standard input: it sees none as an option."""
        left_out = [f":(exclude,top,literal){os.fsdecode(path)}" for path in skipped]
        cores = "".join(f"{core}\n" for core in dict.fromkeys(map(lookup.core, words))).encode()
        command = (*_GREP, "-f", "-", self._sha, "--", *left_out)
        try:
            said = self._view.run(*command, stdin=cores, seconds=SECONDS)
        except GitFailed as failed:
            if str(failed):  # where nothing is found it says nothing
                raise
            return []
        return [name[len(self._sha) + 1 :] for name in said.split(b"\0")[:-1]]

    def _count(self, found: Mapping[str, Uses], paths: Sequence[bytes]) -> None:
        """Count the uses in `paths`; words are refused if these are too much to read."""
        sought = [(word.encode(), lookup.pattern(word), uses) for word, uses in found.items()]
        left = SEARCHED_BYTES
        for path, content in self._read(paths):
            left -= len(content)
            if left < 0:
                _refuse(found, "too common: too much to read")
                return
            for word, wanted, uses in sought:
                if not uses.refused and word in content and not lookup.is_binary(content):
                    uses.add(history.text(path), len(wanted.findall(content)))

    def _read(self, paths: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """Paths and contents, a piece of them at a time."""
        rest = list(paths)
        while rest:
            sizes = accumulate(self._all[path].size or 0 for path in rest)
            end = max(sum(size <= PIECE for size in sizes), 1)
            piece, rest = rest[:end], rest[end:]
            yield from zip(piece, self._blobs([self._all[path].oid for path in piece]), strict=True)

    def contents(self, spots: Sequence[Spot]) -> Iterator[tuple[Spot, Content]]:
        """The contents of `spots`, all read by one process."""
        left, wanted = READ_BYTES, []
        for spot, entry in self._entries(spots):
            if isinstance(entry, _Entry) and (left := left - (entry.size or 0)) >= 0:
                wanted.append((spot, entry.oid))
            else:
                yield spot, entry if isinstance(entry, str) else lookup.UNREADABLE
        held: list[Content]
        try:
            held = [*self._blobs([oid for _, oid in wanted])]
        except GitFailed:
            held = [lookup.UNREADABLE] * len(wanted)
        yield from zip((spot for spot, _ in wanted), held, strict=True)

    def _entries(self, spots: Iterable[Spot]) -> Iterator[tuple[Spot, _Entry | str]]:
        """The entries of `spots`, or why they cannot be read."""
        by_sha: dict[str, list[Spot]] = {}
        for spot in spots:
            by_sha.setdefault(spot.sha, []).append(spot)
        for sha, some in by_sha.items():
            paths = [f":(top,literal){spot.path}" for spot in some]
            try:
                known = self._listed("--full-tree", sha, "--", *paths)
            except GitFailed:
                yield from ((spot, lookup.UNREADABLE if sha == self._sha else _NOT_HERE) for spot in some)
            else:
                yield from ((spot, _readable(known.get(spot.path.encode()))) for spot in some)

    def _listed(self, *arguments: str) -> dict[bytes, _Entry]:
        """The entries of a tree by path (git-ls-tree(1)). Raises GitFailed."""
        said = self._view.run("ls-tree", "-l", "-z", *arguments, seconds=SECONDS)
        rows = filter(None, map(_ENTRY.fullmatch, said.split(b"\0")))
        return {row[5]: _Entry(row[1], row[2], row[3], int(row[4]) if row[4].isdigit() else None) for row in rows}

    def _blobs(self, oids: Sequence[bytes]) -> Iterator[bytes]:
        """The contents of objects, in order (git-cat-file(1), batch output). Raises GitFailed."""
        asked = b"".join(b"%s\n" % oid for oid in oids)
        said = self._view.run("cat-file", "--batch", "--buffer", stdin=asked, seconds=SECONDS) if oids else b""
        at = 0
        for _ in oids:
            start = said.index(b"\n", at) + 1
            about = said[at:start].split()
            if len(about) != 3:  # it was deleted meanwhile
                raise GitFailed(os.fsdecode(said[at:start]))
            at = start + int(about[2]) + 1
            yield said[start : at - 1]


def _readable(entry: _Entry | None) -> _Entry | str:
    """An entry that can be read, or why it cannot."""
    if entry is None:
        return lookup.NO_PATH
    if entry.kind != b"blob":
        return lookup.SUBMODULE if entry.kind == b"commit" else lookup.FOLDER
    if entry.mode == b"120000":
        return lookup.LINK
    if entry.size is None:
        return lookup.UNREADABLE
    return entry if entry.size <= lookup.FILE_BYTES else lookup.TOO_LARGE


def _refuse(found: Mapping[str, Uses], reason: str) -> None:
    """Refuse every word that is not refused yet."""
    for uses in found.values():
        uses.refused = uses.refused or reason
