"""Finds commits that landed around the same time and touch the same things, with reasons. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import timedelta
from itertools import islice

from bot.commits.files import generated, is_note
from bot.values import Commit, FilePatch

WITHIN = timedelta(hours=24)
"""How long before and after a commit its neighbours landed."""

MOST = 8
"""The most neighbours of a commit."""

COMMON = 5
"""The most patches in which a name, or a changelog, still relates two of them."""

_READ, _WIDE = 5_000, 500
"""The most changed lines of a commit, and characters of a line, to search for names."""

_SHOWN = 3
"""The most files and names in a reason."""

_NAME = re.compile(r"(?<![\w$])[A-Za-z_$][\w$]{3,79}(?![\w$])")
_CHANGED = re.compile(r"^[+-](.*)", re.MULTILINE)
_DEFINED = re.compile(
    r"\b(?:class|const|def|enum|fn|fun|func|function|interface|let|macro_rules!|mod|module|object|record|static|struct"
    r"|trait|type|typedef|union|val|var)\s+([A-Za-z_$][\w$]{3,79})"
)
_COMPOUND = re.compile(r".+_.*\w|[a-z$].*[A-Z]|[A-Z][A-Z\d]*[a-z]\w*[A-Z]")
"""A name that is not an ordinary word: `load_user`, `loadUser`, `LoadUser`."""


def neighbours(
    commit: Commit,
    patches: Sequence[FilePatch],
    others: Iterable[Commit],
    names_of: Mapping[str, Set[str]],
) -> tuple[tuple[Commit, str], ...]:
    """The `others` that are related to `commit`, each with a reason in English, nearest in time first.

    They landed within a day, and touch a file that it touches, also a changeset, or name what its `patches` change, in
    the title or in their own patch, whose `names` are in `names_of` by SHA, if known. At most 8.
    """
    near = [other for other in others if other.sha != commit.sha and _distance(commit, other) <= WITHIN]
    words: dict[str, Set[str]] = {other.sha: names_of.get(other.sha, frozenset()) for other in near}
    significant = _significant(patches, words.values())
    files = _paths(commit) - _common_notes(near)
    found = [
        (other, reason)
        for other in sorted(near, key=lambda each: (_distance(commit, each), each.sha))
        if (reason := _reason(other, files, significant, words[other.sha]))
    ]
    return tuple(found[:MOST])


def _distance(one: Commit, other: Commit) -> timedelta:
    return abs(one.committed - other.committed)


def _paths(commit: Commit) -> set[str]:
    """The files that a commit touches, except generated ones, with their former paths."""
    touched = {path for file in commit.files for path in (file.path, file.previous) if path}
    return {path for path in touched if not generated(path)}


def _common_notes(commits: Iterable[Commit]) -> set[str]:
    """Changelogs that nearly every commit changes."""
    touched = Counter(path for commit in commits for path in _paths(commit) if is_note(path))
    return {path for path, number in touched.items() if number > COMMON}


def names(patches: Iterable[FilePatch]) -> set[str]:
    """The names on the lines that patches change, without generated files; of a long patch, only its beginning."""
    return {name for line in islice(_lines(patches), _READ) for name in _NAME.findall(line[:_WIDE])}


def _lines(patches: Iterable[FilePatch]) -> Iterable[str]:
    return (line for patch in patches if not generated(patch.path) for line in _CHANGED.findall(patch.text))


def _significant(patches: Sequence[FilePatch], words: Iterable[Set[str]]) -> set[str]:
    """The names a patch defines, and those on its changed lines that are not words, unless many patches have them."""
    own = {name for name in names(patches) if _COMPOUND.match(name)}
    own |= {name for line in _lines(patches) for name in _DEFINED.findall(line)}
    used = Counter(name for some in words for name in own & some)
    return {name for name in own if used[name] + 1 <= COMMON}


def _reason(other: Commit, files: set[str], names: set[str], words: Set[str]) -> str:
    """Why a commit is a neighbour; empty if it is not."""
    same, named = files & _paths(other), names & set(_NAME.findall(other.reading.subject))
    reasons = [("touches", same), ("names in its title", named), ("changes lines with", (names & words) - named)]
    return "; ".join(f"{what} {_listed(some)}" for what, some in reasons if some)


def _listed(some: set[str]) -> str:
    """Up to three of them, and how many more there are."""
    more = f" and {len(some) - _SHOWN} more" if len(some) > _SHOWN else ""
    return ", ".join(sorted(some)[:_SHOWN]) + more
