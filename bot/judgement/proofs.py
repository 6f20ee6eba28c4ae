"""Finds a model's evidence about a commit in what it was shown. Pure.

A quote is searched for in what was shown: the patch, the message and the pull request, the lines that were looked up,
and the titles of other commits. A search of a whole tree is evidence too, even of absence.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.commits.enclosing import enclosing
from bot.commits.patch import EvidenceIndex, places
from bot.judgement.questions import titled
from bot.judgement.shapes import SEARCH
from bot.values import Commit, Evidence, Excerpt, LookKind, Search, Sight

NUMBER = re.compile(r"^\d+: ", re.MULTILINE)
"""The number before a line that was looked up."""
_SHORT, _NAMED = 7, 3
"""The least digits that name a commit, and the most files of a search to name."""


class Finder(Protocol):
    """Where quotes are searched for."""

    def find(self, path: str, quote: str, near: int = 0) -> Evidence | None:
        """Where `quote` is in what `path` names, of several places nearest to line `near`; None if it is not there."""
        ...


@dataclass(frozen=True, slots=True)
class Proofs:
    """All that is shown of a commit: its patch and words, what `landed` at the time, and what was looked up."""

    commit: Commit
    index: EvidenceIndex
    landed: Sequence[Commit] = ()
    sights: Sequence[Sight] = ()

    def find(self, path: str, quote: str, near: int = 0) -> Evidence | None:
        """Where `quote` is: `path` names a file, a search (`search`), another commit (its SHA), or nothing else."""
        return (
            (self._searched(quote) if path == SEARCH else None)
            or self.index.find(path, quote, near)
            or _excerpted(path, quote, near, self.sights, self.commit)
            or (self._titled(path, quote) if path else self._searched(quote))
        )

    def _searched(self, word: str) -> Evidence | None:
        """A search for a word in the whole tree: any other one does not prove absence."""
        word = word.strip("`'\" ")
        sights = (s for s in self.sights if s.look.kind is LookKind.WORD and s.look.word.strip("`'\" ") == word)
        whole = next((s for s in sights if not (s.refused or s.unread or s.partial)), None)
        return Evidence("", word, sha=self.commit.sha, search=_search(whole)) if whole and word else None

    def _titled(self, name: str, quote: str) -> Evidence | None:
        """The title of another commit that was shown."""
        if len(name) < _SHORT:
            return None
        found = [commit for commit in self.landed if commit.sha.startswith(name.lower())]
        return Evidence("", quote, sha=found[0].sha) if len(found) == 1 and places(quote, [titled(found[0])]) else None


def _search(sight: Sight) -> Search:
    """The result of a search; the files are named if they are few and no name is shortened."""
    elsewhere = (each.rpartition(" (")[0] for each in sight.elsewhere)
    shown = dict.fromkeys((*(each.path for each in sight.excerpts), *elsewhere))
    is_whole = len(shown) == sight.files <= _NAMED and not any(path.endswith("…") for path in shown)
    return Search(sight.hits, sight.files, tuple(shown) if is_whole else ())


def seen(path: str, quote: str, sights: Sequence[Sight], commit: Commit) -> Evidence | None:
    """Where a quote is in the lines that were looked up; with an empty path in any file."""
    paths = [path] if path else list(dict.fromkeys(each.path for sight in sights for each in sight.excerpts))
    return next(filter(None, (_excerpted(each, quote, 0, sights, commit) for each in paths)), None)


def _excerpted(path: str, quote: str, line: int, sights: Sequence[Sight], commit: Commit) -> Evidence | None:
    """Where a quote is in the lines that were looked up, each of which was shown after its number.

    A line that exists at the commit is shown there, whatever else was looked up before; of several, the one nearest to
    `line`.
    """
    quote = NUMBER.sub("", quote)
    excerpts = [excerpt for sight in sights for excerpt in sight.excerpts if excerpt.path == path]
    found = [
        (
            each.sha != commit.sha,
            abs(each.start + at - line) if line else 0,
            _at(quote, each, at, last),
        )
        for each in excerpts
        for at, last in places(quote, each.lines)
    ]
    return min(found, key=lambda each: each[:2])[-1] if found else None


def _at(quote: str, excerpt: Excerpt, first: int, last: int) -> Evidence:
    """A quote at lines of an excerpt, by their indices."""
    start, lines = excerpt.start, excerpt.lines
    inside = enclosing(excerpt.path, (*excerpt.above, *lines[:first]), lines[first])
    end = start + last if last > first else None
    return Evidence(excerpt.path, quote, start + first, excerpt.sha, last=end, inside=inside)
