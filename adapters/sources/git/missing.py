"""Finds the objects that a partial clone lacks and that are about to be read."""

import re
from collections.abc import Iterable, Iterator, Sequence

from adapters.sources.git import history
from adapters.sources.git.layout import View
from adapters.sources.git.process import GitFailed

_SIDES = re.compile(rb":(\d{6}) (\d{6}) ([0-9a-f]+) ([0-9a-f]+) [A-Z]")
_NO_FILE = {b"160000", b"000000"}
"""Modes of a submodule's commit, and of a side on which there is no file (git-diff-tree(1), raw output format)."""


def of_changes(view: View, shas: Iterable[str]) -> list[str]:
    """The files that these commits change, on both sides, and the tip's `.mailmap`. Raises GitFailed."""
    command = ("log", "--no-walk=unsorted", "--stdin", "--format=", *history.SIDES)
    said = view.run(*command, stdin="".join(f"{sha}\n" for sha in shas).encode(), seconds=view.limits.stream)
    return _absent(view, [*_mailmap(view), *_sides(said)])


def of_tree(view: View, sha: str) -> list[str]:
    """The files of a commit's tree. Raises GitFailed."""
    asked = ("rev-list", "--objects", "--no-object-names", "--missing=print", f"{sha}^{{tree}}")
    said = view.run(*asked, seconds=view.limits.stream).decode("ascii").split()
    return [line[1:] for line in said if line.startswith("?")]


def of_files(view: View, sha: str, paths: Sequence[str]) -> list[str]:
    """Some files of a commit's tree, if they exist. Raises GitFailed."""
    return _absent(view, _files(view, sha, paths))


def _sides(said: bytes) -> Iterator[bytes]:
    """The files that a `log` of SIDES names."""
    fields = iter(said.split(b"\0"))
    for field in fields:
        if entry := _SIDES.fullmatch(field.lstrip(b"\n")):
            yield from (
                oid for mode, oid in zip(entry.groups()[:2], entry.groups()[2:], strict=True) if mode not in _NO_FILE
            )
            next(fields, None)  # its path, which may have any form


def _mailmap(view: View) -> list[bytes]:
    try:
        return _files(view, "HEAD", [".mailmap"])
    except GitFailed:  # a HEAD that names no commit
        return []


def _files(view: View, sha: str, paths: Sequence[str]) -> list[bytes]:
    said = view.run("ls-tree", "--full-tree", sha, "--", *(f":(top,literal){path}" for path in paths))
    return [row.split()[2] for row in said.splitlines() if row.split()[1] == b"blob"]


def _absent(view: View, objects: Iterable[bytes]) -> list[str]:
    """The objects that are missing."""
    asked = b"".join(b"%s\n" % each for each in dict.fromkeys(objects))
    said = view.run("cat-file", "--batch-check=%(objectname)", stdin=asked)
    return [line.split()[0] for line in said.decode("ascii").splitlines() if line.endswith(" missing")]
