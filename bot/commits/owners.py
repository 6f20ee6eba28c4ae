"""Who owns which files: a repository's CODEOWNERS. Pure.

Read as GitHub reads it (docs.github.com, About code owners): of the lines whose pattern fits a path the last one
counts, and one without owners takes them away; a line that cannot be read is passed over. GitLab's sections
(docs.gitlab.com, Code Owners syntax) each count by themselves, with their own owners where a line names none.

Whoever writes the file must not be able to stop the bot with it: a path is held against a pattern part by part, in time
that grows with the length of both, which no translation of a whole pattern to a regular expression promises.
"""

import difflib
import fnmatch
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

PATHS = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")
"""Where it may lie; the first one counts."""
_MOST = 10_000
"""A file with more lines that name a pattern is not read."""

_Part = re.Pattern[str] | None
"""A part of a pattern between slashes; None stands for any number of folders."""
_WORD = re.compile(r"(?:\\.|[^\s\\])+")
_HEADING = re.compile(r"\^?\[(?P<name>[^\]]+)\](?:\[\d+\])?(?P<owners>(?:\s.*)?)")
_OWNER = re.compile(r"@?[\w.-]+(?:/[\w.-]+)*|[^@\s<>]+@[^@\s<>]+")
_ANY = re.compile("")


@dataclass(frozen=True, slots=True)
class _Rule:
    """A line: its pattern, part by part, and the owners that it names, in lower case without `@`."""

    parts: tuple[_Part, ...]
    owners: frozenset[str]


@dataclass(frozen=True, slots=True)
class Owners:
    """What a CODEOWNERS says: the rules of each section, the last first, and everybody whom they name."""

    sections: tuple[tuple[_Rule, ...], ...]
    everybody: frozenset[str]

    def of(self, path: str) -> frozenset[str]:
        """The owners of a path, in lower case without `@`."""
        parts = path.split("/")
        found = (next((r.owners for r in rules if _fits(r.parts, parts)), frozenset()) for rules in self.sections)
        return frozenset[str]().union(*found)

    def named(self, owners: Iterable[str]) -> frozenset[str]:
        """Those that some `owners` mean, as people type them: `@org/team`, `team`, `@somebody`, an address."""
        wanted = {plain(owner) for owner in owners}
        return frozenset(o for o in self.everybody if o in wanted or ("/" in o and o.rpartition("/")[2] in wanted))

    def nearest(self, owner: str) -> list[str]:
        """Owners that are spelt most like one that is not known."""
        teams = {known.rpartition("/")[2]: known for known in sorted(self.everybody)}
        return [teams[near] for near in difflib.get_close_matches(plain(owner).rpartition("/")[2], teams, 3, 0)]


def plain(owner: str) -> str:
    """An owner in lower case without `@`."""
    return owner.removeprefix("@").lower()


def is_owner(word: str) -> bool:
    """Whether a word can name an owner: a team, an account, or an address of mail."""
    return bool(_OWNER.fullmatch(word))


def parse(text: str) -> Owners | None:
    """What a CODEOWNERS says; None for one that is too long."""
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
    """The parts of a pattern; none for one that CODEOWNERS does not know."""
    if text.startswith("!") or not text.strip("/") or "[" in text:
        return ()
    rooted = "/" in text.rstrip("/")
    *folders, last = text.strip("/").split("/")
    parts = [None if folder == "**" else _part(folder) for folder in folders]
    if text.endswith("/"):
        parts += [_ANY if last == "**" else _part(last), _ANY, None]  # what is below, not the folder itself
    elif last == "**":
        parts += [_ANY, None]
    elif last == "*" and rooted:
        parts += [_ANY]  # what is in the folder, and not what is below its folders
    else:
        parts += [_part(last), None]
    return tuple(parts if rooted else [None, *parts])


def _part(text: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(re.sub(r"\\(.)", r"\1", text)))


def _fits(pattern: Sequence[_Part], path: Sequence[str]) -> bool:
    """Whether a path fits a pattern, part by part; where it does not, the last `**` takes one folder more."""
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
