"""Lookups in the tree at a commit, and what they found."""

from dataclasses import dataclass
from enum import StrEnum


class LookKind(StrEnum):
    """What is looked up: every place that uses a word, a place in a file, or that place at the first parent."""

    WORD = "word"
    PLACE = "place"
    BEFORE = "before"


@dataclass(frozen=True, slots=True)
class Look:
    """One thing to look up. `line` counts from 1; 0 is the top, or where `word` is in the file if one is given.

    With `until`, the lines from `line` to there; with a `word`, those from `line` on; otherwise the definition around
    it.
    """

    kind: LookKind
    word: str = ""
    path: str = ""
    line: int = 0
    until: int = 0


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Lines of a file from line number `start` on, in the tree of the commit `sha` (of BEFORE: the first parent).

    `above` are the first lines of the definitions or sections that enclose what follows, the outer one first.
    """

    path: str
    start: int
    lines: tuple[str, ...]
    sha: str
    above: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sight:
    """What a look found: `hits` uses of its word in `files` files; `excerpts` show some of them.

    `elsewhere` names files that use it and are not shown, each with its number of uses. `refused` says why nothing was
    looked up, in English for the model. No hits and no refusal is a finding, except for `unread` files of the tree that
    could not be searched; `partial` says that there may be others.
    """

    look: Look
    excerpts: tuple[Excerpt, ...] = ()
    hits: int = 0
    files: int = 0
    refused: str = ""
    elsewhere: tuple[str, ...] = ()
    unread: int = 0
    partial: bool = False
