"""Finds the tags that name releases of a repository: versions of its own line. Pure.

People tag much else: nightlies, tags that move (`latest`, `v4` of an action), commits for a build service, and the
packages of a monorepo. The forms are those of the tags of git, cargo, hugo, ironic, jax, executorch, click, luigi,
libxml2, abseil, astro, changesets, serde, tokio and actions/checkout, and what semver.org and PEP 440 call a
pre-release; `tests/test_releases.py` has them.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from bot.values import Release

LONGEST = 200
"""The most characters of a name of a release."""

_UNFINISHED = ("nightly", "canary", "daily", "weekly", "edge", "insiders", "experimental", "snapshot", "dev")
_STAGES = (
    *("alpha", "beta", "cr", "rc", "ea", "eap", "pre", "preview", "next", "milestone", "final", "ga", "lts", "release"),
    *("stable", "post", "patch", "pl", "sp"),
)
_WORD = "|".join(sorted((*_STAGES, *_UNFINISHED), key=len, reverse=True))
_NUMBER = re.compile(r"(?:(?<![a-z])v[-._]?)?(?<!\d)(\d{4}-\d\d-\d\d(?!\d)|\d+(?:[._]\d+)*)", re.ASCII | re.IGNORECASE)
_REST = re.compile(
    rf"(?:[-._~]?(?:(?:{_WORD})(?![a-z])[-._]?\d*(?:\.\d+)*|[abcmp](?![a-z])\d*)|(?<=\d)[a-z](?![a-z\d]))*+(?:\+.*)?",
    re.ASCII | re.IGNORECASE,
)  # possessive: names are untrusted and must not cause backtracking
_SEMVER = re.compile(r"-[0-9A-Za-z.-]+(?:\+.*)?")
_NIGHTLY = frozenset(_UNFINISHED)
_OVER = "eol"
"""How OpenStack and others mark the end of a branch: `rocky-11.1.4-eol`."""

_PLAIN = frozenset({"", "v", "version", "ver", "release", "releases", "rel", "stable", "tag", "tags", "build"})
"""Words before a version that are not a package's name: `release-1.2`, `REL_15_2`, `stable-2.14.0`."""

_BUILD = "b"
"""Before the number of a build, as llama.cpp tags each: `b4567`."""


@dataclass(frozen=True, slots=True)
class Version:
    """A parsed tag name: what comes before the version, its numbers, and whether it is on a line at all.

    `family` is lower-case and without the separator; `package` says that its form names a package, like `cli@1.2` and
    `api/v1.2`. A `nightly` does not count as a release.
    """

    family: str
    numbers: tuple[int, ...]
    final: bool
    package: bool
    nightly: bool


def version(name: str) -> Version | None:
    """The version in a tag's name; None if there is none or it could not be shown."""
    parts = _parts(name)
    return _version(*parts) if parts else None


def _parts(name: str) -> tuple[str, tuple[int, ...], str] | None:
    """The part of a name before the version, its numbers, and the rest."""
    if len(name) > LONGEST or not name.isprintable() or name.startswith("-"):
        return None
    for found in _NUMBER.finditer(name):
        numbers = tuple(int(part) for part in re.split(r"[-._]", found[1]))
        if _REST.fullmatch(name, found.end()) or (len(numbers) >= 3 and _SEMVER.fullmatch(name, found.end())):
            return name[: found.start()], numbers, name[found.end() :]
    return None


def _version(prefix: str, numbers: tuple[int, ...], rest: str) -> Version | None:
    """The version from its parts; None for the end of a branch."""
    family = prefix.rstrip("-_/@. ").lower()
    said, before = set(_words(rest)), _words(family)
    if _OVER in said:
        return None
    nightly = bool(said & _NIGHTLY or (before and _NIGHTLY.issuperset(before)))
    package = "@" in prefix or ("/" in prefix and not _PLAIN.issuperset(before))
    return Version(family, numbers, not rest, package, nightly)


def _words(text: str) -> list[str]:
    return re.findall("[a-z]+", text.lower())


def main_line(tags: Iterable[Release], repository: str) -> tuple[Release, ...]:
    """The releases among `tags`, oldest first; `repository` is its title or name, such as `team/app`.

    The repository's own are the versions without a name, and those with its name. If there are none, its line is the
    family of more than half of the versions. If there is no such family, or it has the form of a package, the
    repository releases packages, and each of their versions is a release.
    """
    named = [(tag, read) for tag in tags if (read := version(tag.name)) and not read.nightly]
    own = [(tag, read) for tag, read in named if _is_own(read, repository)]
    if not own:
        others = [(tag, read) for tag, read in named if len(read.numbers) > 1]
        most = _most(read for _, read in others)
        return _sorted(tag for tag, read in others if most is None or read.family == most)
    moved = _moved({read.numbers for _, read in own})
    return _sorted(tag for tag, read in own if not moved(read))


def settled(names: Iterable[str], repository: str) -> bool:
    """Whether `names` contain a version of the repository's own, so that other tags cannot change its line."""
    read = filter(None, map(version, names))
    return any(len(v.numbers) > 1 and not v.nightly and _is_own(v, repository) for v in read)


def _is_own(read: Version, repository: str) -> bool:
    """Whether the part before a version is empty, or the repository's name, also without its last digits."""
    title = _squeezed(repository.rstrip("/").rpartition("/")[2].removesuffix(".git"))
    names = {title, title.rstrip("0123456789")}
    if read.family.startswith("@"):
        return _squeezed(read.family.rpartition("/")[2]) in names
    name = _squeezed("".join(word for word in re.split(r"[-_/. ]", read.family) if word not in _PLAIN))
    return not name or name in names or (name == _BUILD and len(read.numbers) == 1)


def _squeezed(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower()))


def _most(versions: Iterable[Version]) -> str | None:
    """The family of more than half of `versions`; None if there is none, or it has the form of a package."""
    all_ = list(versions)
    counts = Counter(each.family for each in all_ if not each.package)
    family, count = next(iter(counts.most_common(1)), ("", 0))
    return family if count * 2 > len(all_) else None


def _moved(known: AbstractSet[tuple[int, ...]]) -> Callable[[Version], bool]:
    """A test for versions that move to each new one: `v4` next to `v4.1.0`, `v1.2` next to `v1.2.0`.

    Source: docs.github.com, About custom actions.
    """
    majors = {numbers[:1] for numbers in known if len(numbers) > 2}

    def moved(read: Version) -> bool:
        longer = ((*read.numbers, 0), (*read.numbers, 0, 0))
        return read.numbers in majors or (read.final and len(read.numbers) < 3 and not known.isdisjoint(longer))

    return moved


def _sorted(tags: Iterable[Release]) -> tuple[Release, ...]:
    return tuple(sorted(tags, key=lambda tag: (tag.made, tag.name)))


# --- One after the other ---------------------------------------------------------------------

_FINAL = frozenset({"final", "ga", "lts", "release", "stable"})
_LATER = frozenset({"post", "patch", "pl", "sp", "p"})
_PRE, _WHOLE, _POST = -1, 0, 1


def _stage(rest: str) -> int:
    """Whether the rest of a version makes it one before the release (-1), the release (0), or later (1)."""
    said = rest.partition("+")[0]
    words = set(_words(said))
    if words <= _FINAL:
        return _WHOLE
    return _POST if words <= _LATER or re.fullmatch("[A-Za-z]", said) else _PRE


def _rank(name: str) -> tuple[tuple[int, ...], int]:
    """Sort key of versions: `1.2` is `1.2.0`, and a release candidate comes before its release."""
    _, numbers, rest = _parts(name) or ("", (), "")
    while numbers and not numbers[-1]:
        numbers = numbers[:-1]
    return numbers, _stage(rest)


def before(release: Release, line: Iterable[Release], repository: str) -> Release | None:
    """The release before one of a line: the highest lower version of those made before it.

    For a final release it is the previous final one, if there is any; for a package, one of the same package. A later
    release of an older line comes after the one that it follows, not after the newest.
    """
    own = _Ordered(release)
    lower = [
        each
        for each in map(_Ordered, line)
        if each.release.made <= release.made and each < own and _same_family(each.release, release, repository)
    ]
    whole = [each for each in lower if each.rank[1] >= _WHOLE] if own.rank[1] >= _WHOLE else []
    found = max(whole or lower, default=None)
    return found.release if found else None


@dataclass(order=True)
class _Ordered:
    """A release, ordered by its version and its time."""

    release: Release = field(compare=False)
    rank: tuple[tuple[int, ...], int] = field(init=False)
    made: datetime = field(init=False)
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.rank, self.made, self.name = _rank(self.release.name), self.release.made, self.release.name


def _same_family(one: Release, other: Release, repository: str) -> bool:
    read = [version(each.name) for each in (one, other)]
    return all(each and _is_own(each, repository) for each in read) or len({each and each.family for each in read}) == 1


def bundles(releases: Iterable[Release], line: Iterable[Release], repository: str) -> list[tuple[Release, ...]]:
    """Releases that are reported together, newest first: the packages of a repository as one, any other by itself.

    `line` are all releases of the repository.
    """
    read = [found for each in line if (found := version(each.name)) and not _is_own(found, repository)]
    newest = sorted(releases, key=lambda release: (release.made, release.name), reverse=True)
    if len({each.family for each in read}) > 1:
        return [tuple(newest)] if newest else []
    return [(release,) for release in newest]


# --- As people type them ---------------------------------------------------------------------

_RANGE = re.compile(r"(?P<older>[^.…].*?)(?:\.{2,3}|…)(?P<newer>[^.…].*)")


def is_name(word: str) -> bool:
    """Whether a word can only mean a release: a version, as tags have it.

    One with a `/` may be a repository, and means a release only after `@` or a word such as `release/`.
    """
    read = version(word)
    if read is None or read.nightly or word.startswith(("/", ".", "~")):
        return False
    if "/" in word and not word.startswith("@") and word.partition("/")[0].lower() not in _PLAIN:
        return False
    return read.package or len(read.numbers) > 1 or set(_words(read.family)) <= _PLAIN


def ends(word: str) -> tuple[str, str] | None:
    """The two ends of `v0.20.0..v0.21.0` or `2026-02-01..2026-02-18`; None for any other word.

    Chats make an ellipsis of three dots.
    """
    found = _RANGE.fullmatch(word)
    if found is None or not (is_name(found["older"]) and is_name(found["newer"])):
        return None
    return found["older"], found["newer"]


def called(name: str, line: Iterable[Release]) -> Release | None:
    """The release of a line with a name, ignoring case and a leading `v`.

    `1.2.3` also means `core@1.2.3` or `core-1.2.3`, if that is the only one.
    """
    known = {release.name: release for release in line}
    alike = {name.lower().removeprefix("v"): release for name, release in known.items()}
    bare = name.lower().removeprefix("v")
    ends = [release for other, release in alike.items() if _is_end(bare, other)] if bare[:1].isdigit() else []
    return known.get(name) or alike.get(bare) or (ends[0] if len(ends) == 1 else None)


def _is_end(version: str, name: str) -> bool:
    before = name.removesuffix(version)
    return before != name and before.endswith(("@", "-", "/", "-v", "@v", "/v"))
