"""Parses CODEOWNERS, the owners of a repository's files. Pure.

As on GitHub (docs.github.com, About code owners), the last line whose pattern matches a path counts, and one without
owners removes them; invalid lines are ignored. GitLab's sections (docs.gitlab.com, Code Owners syntax) each count
separately, with their own owners for lines without any.

The file is untrusted and must not stop the bot: a path is matched with a pattern part by part, in time linear in both
lengths, which translating a whole pattern to a regular expression could not guarantee.
"""

import difflib
import fnmatch
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

PATHS = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")
"""Where it may be; the first one counts."""
_MOST = 10_000
"""The most lines with patterns; a file with more is ignored."""

_Part = re.Pattern[str] | None
"""A part of a pattern between slashes; None means any number of folders."""
_WORD = re.compile(r"(?:\\.|[^\s\\])+")
_HEADING = re.compile(r"\^?\[(?P<name>[^\]]+)\](?:\[\d+\])?(?P<owners>(?:\s.*)?)")
_OWNER = re.compile(r"@?[\w.-]+(?:/[\w.-]+)*|[^@\s<>]+@[^@\s<>]+")
_ANY = re.compile("")


@dataclass(frozen=True, slots=True)
class _Rule:
    """A line: the parts of its pattern, and its owners, in lower case without `@`."""

    parts: tuple[_Part, ...]
    owners: frozenset[str]


@dataclass(frozen=True, slots=True)
class Owners:
    """A parsed CODEOWNERS: the rules of each section, last first, and all owners in them."""

    sections: tuple[tuple[_Rule, ...], ...]
    everybody: frozenset[str]

    def of(self, path: str) -> frozenset[str]:
        """The owners of a path, in lower case without `@`."""
        parts = path.split("/")
        found = (next((r.owners for r in rules if _fits(r.parts, parts)), frozenset()) for rules in self.sections)
        return frozenset[str]().union(*found)

    def named(self, owners: Iterable[str]) -> frozenset[str]:
        """The owners that people mean by `@org/team`, `team`, `@somebody` or an address."""
        wanted = {plain(owner) for owner in owners}
        return frozenset(o for o in self.everybody if o in wanted or ("/" in o and o.rpartition("/")[2] in wanted))

    def nearest(self, owner: str) -> list[str]:
        """The known owners that are spelled most like an unknown one."""
        teams = {known.rpartition("/")[2]: known for known in sorted(self.everybody)}
        return [teams[near] for near in difflib.get_close_matches(plain(owner).rpartition("/")[2], teams, 3, 0)]


def plain(owner: str) -> str:
    """An owner in lower case without `@`."""
    return owner.removeprefix("@").lower()


def is_owner(word: str) -> bool:
    """Whether a word can name an owner: a team, an account, or an email address."""
    return bool(_OWNER.fullmatch(word))


def parse(text: str) -> Owners | None:
    """Parse a CODEOWNERS; None if it is too long."""
    sections: dict[str, list[_Rule]] = {"": []}
    rules, default = sections[""], frozenset[str]()
    for line in text.splitlines():
        words = list(_words(line))
        if heading := _HEADING.fullmatch(line.strip()):
            rules, default = sections.setdefault(heading["name"].lower(), []), _owners(_words(heading["owners"]))
        elif words and (parts := _pattern(words[0])):
            rules.append(_Rule(parts, _owners(words[1:]) if words[1:] else default))
    if sum(map(len, sections.values())) > _MOST:
        return None
    everybody = frozenset[str]().union(*(rule.owners for rules in sections.values() for rule in rules))
    return Owners(tuple(tuple(reversed(rules)) for rules in sections.values()), everybody)


def _words(line: str) -> Iterator[str]:
    """The words of a line, up to a comment."""
    for found in _WORD.finditer(line):
        if found[0].startswith("#"):
            return
        yield found[0]


def _owners(words: Iterable[str]) -> frozenset[str]:
    return frozenset(plain(word) for word in words if is_owner(word))


def _pattern(text: str) -> tuple[_Part, ...]:
    """The parts of a pattern; empty if CODEOWNERS does not support it."""
    if text.startswith("!") or not text.strip("/") or "[" in text:
        return ()
    rooted = "/" in text.rstrip("/")
    *folders, last = text.strip("/").split("/")
    parts = [None if folder == "**" else _part(folder) for folder in folders]
    if text.endswith("/"):
        parts += [_ANY if last == "**" else _part(last), _ANY, None]  # everything below, not the folder itself
    elif last == "**":
        parts += [_ANY, None]
    elif last == "*" and rooted:
        parts += [_ANY]  # the files in the folder, not in its subfolders
    else:
        parts += [_part(last), None]
    return tuple(parts if rooted else [None, *parts])


def _part(text: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(re.sub(r"\\(.)", r"\1", text)))


def _fits(pattern: Sequence[_Part], path: Sequence[str]) -> bool:
    """Whether a path matches a pattern, part by part; on a mismatch, the last `**` matches one more folder."""
    at = here = 0
    star, taken = -1, 0
    while here < len(path):
        part = pattern[at] if at < len(pattern) else _NOTHING
        if part is None:
            star, taken = at, here
            at += 1
        elif part.match(path[here]):
            at, here = at + 1, here + 1
        elif star >= 0:
            taken += 1
            at, here = star + 1, taken
        else:
            return False
    return all(part is None for part in pattern[at:])


_NOTHING = re.compile(r"(?!)")
