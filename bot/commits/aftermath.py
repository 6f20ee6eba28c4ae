"""Follows a commit's lines: which later commits removed or changed them. Pure.

A commit's lines are followed through the patches of those that touched its files after it, as git-blame(1) would find
them: a line belongs to the commit that wrote it last.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from bot.commits.files import FileKind, generated, kind
from bot.values import ChangeType, Commit, FilePatch, FileStatus

WITHIN = timedelta(days=30)
"""How long after a commit its lines are followed."""

MOST = 200
"""The most commits that touched its files after it to read."""

_LEAST, _LINES = 3, 20_000
"""The least lines of a change that says anything; the most lines of a commit to follow."""

_HUNK = re.compile(r"@@ -(\d+)(,0)?(?:,\d+)? \+(\d+)(,0)?(?:,\d+)? @@")
_TELLING = re.compile(r"\w.*\w.*\w")


_FILES = 100
"""The most files of a commit to follow, those with the most new lines."""


def followed(commit: Commit) -> tuple[str, ...]:
    """The files of a commit whose lines are followed: those that people wrote, with the most new lines first."""
    own = [f for f in commit.files if f.added and not f.binary and _counts(f.path)]
    return tuple(f.path for f in sorted(own, key=lambda f: -f.added)[:_FILES])


@dataclass(frozen=True, slots=True)
class Share:
    """A later commit, with a likely `kind` of link: it changed `of` lines, `changed` of them the earlier one's."""

    later: Commit
    kind: str
    changed: int
    of: int


def shares(
    earlier: Commit, patches: Sequence[FilePatch], later: Iterable[tuple[Commit, Sequence[FilePatch]]]
) -> Iterator[Share]:
    """The later commits most of whose changed lines were last changed by an earlier one.

    `patches` are the earlier one's, `later` all commits of its branch that touched its files after it, with their
    patches, the oldest first. Generated files and documentation do not count, nor do lines without words.
    """
    lines = _Lines(patches)
    for commit, changes in later:
        changed = lines.follow(commit, changes)
        of = _changed(commit, changes)
        named = _kind(earlier, commit)
        if named and changed >= _LEAST and 2 * changed > of:
            yield Share(commit, named, changed, of)


def _kind(earlier: Commit, later: Commit) -> str:
    """The likely kind of link from a later commit to an earlier one whose lines it changes; empty if unclear."""
    if later.reading.bot or later.reading.bumps:
        return ""
    if later.reading.reverts:
        return "reverts"
    if ChangeType.FIX in later.reading.types:
        return "repairs"
    same = {p.name for p in earlier.reading.people} & {p.name for p in later.reading.people}
    return "completes" if same and not earlier.reading.reverts else ""


def _counts(path: str) -> bool:
    return kind(path) is not FileKind.DOCS and not generated(path)


def _changed(commit: Commit, changes: Sequence[FilePatch]) -> int:
    """How many significant lines a commit removed or changed."""
    read = {patch.path: sum(bool(_TELLING.search(line)) for _, line in _removed(patch.text)) for patch in changes}
    return sum(read.get(f.path, f.removed) for f in commit.files if _counts(f.path))


def _removed(text: str) -> Iterator[tuple[int, str]]:
    """The lines that a patch removes, with their numbers in the old file."""
    for old, _, mark, line in _walk(text):
        if mark == "-":
            yield old, line


def _walk(text: str) -> Iterator[tuple[int, int, str, str]]:
    """Each line of a patch with its numbers in both files, its mark and its text."""
    old = new = 0
    for row in text.split("\n"):
        mark, line = row[:1], row[1:]
        if header := _HUNK.match(row):
            # If a side has no lines, its header names the line before (GNU diffutils, "Detailed Unified").
            old, new = int(header[1]) + bool(header[2]), int(header[3]) + bool(header[4])
        elif mark in ("-", "+", " "):
            yield old, new, mark, line
            old += mark != "+"
            new += mark != "-"


class _Lines:
    """The lines of a commit that are left, by path and number, as later commits move and change them."""

    def __init__(self, patches: Sequence[FilePatch]) -> None:
        self._left: dict[str, dict[int, str]] = {}
        for patch in patches:
            if patch.complete and _counts(patch.path):
                self._left[patch.path] = {new: line for _, new, mark, line in _walk(patch.text) if mark == "+"}
        if sum(map(len, self._left.values())) > _LINES:
            self._left.clear()

    def follow(self, commit: Commit, changes: Sequence[FilePatch]) -> int:
        """Apply a commit; return how many significant lines it removed or changed."""
        taken = 0
        texts = {patch.path: patch.text for patch in changes if patch.complete}
        for file in commit.files:
            before = file.previous or file.path
            if not (left := self._left.pop(before, None)):
                continue
            if file.path not in texts and not (file.status is FileStatus.RENAMED and not file.added + file.removed):
                continue  # its lines cannot be followed
            kept, gone = _moved(left, texts.get(file.path, ""))
            taken += sum(bool(_TELLING.search(line)) for line in gone)
            self._left[file.path] = kept
        return taken


def _moved(left: dict[int, str], text: str) -> tuple[dict[int, str], list[str]]:
    """The lines by number after a patch, and those that it removed.

    A line that does not match is no longer followed.
    """
    gone: list[str] = []
    removed, bounds, moves = set[int](), [0], [0]
    for old, new, mark, line in _walk(text):
        if mark == "-":
            removed.add(old)
            gone += [line] if left.get(old) == line else []
        if mark != " ":
            after = old + (mark == "-")
            bounds.append(after)
            moves.append(new + (mark == "+") - after)
    kept = ((old, line) for old, line in left.items() if old not in removed)
    return {old + moves[bisect_right(bounds, old) - 1]: line for old, line in kept}, gone
