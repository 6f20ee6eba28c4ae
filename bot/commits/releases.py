"""Which tags name the releases of a repository: the names that are versions, and of these its own line. Pure.

People tag much besides: nightlies, tags that move (`latest`, `v4` of an action), commits for a build service, and the
packages of a monorepo. The forms are those of the tags of git, cargo, hugo, ironic, jax, executorch, click, luigi,
libxml2, abseil, astro, changesets, serde, tokio and actions/checkout, and what semver.org and PEP 440 call a
pre-release; `tests/test_releases.py` has them.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from bot.values import Release

LONGEST = 200
"""Characters of a name; a longer one names no release that could be shown."""

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
)  # possessive: a name is anybody's, and must not make it try every way
_SEMVER = re.compile(r"-[0-9A-Za-z.-]+(?:\+.*)?")
_NIGHTLY = frozenset(_UNFINISHED)
_OVER = "eol"
"""By which OpenStack and others say that a branch has ended: `rocky-11.1.4-eol`."""

_PLAIN = frozenset({"", "v", "version", "ver", "release", "releases", "rel", "stable", "tag", "tags", "build"})
"""Words before a version that name no package: `release-1.2`, `REL_15_2`, `stable-2.14.0`."""

_BUILD = "b"
"""Before the number of a build, as llama.cpp tags each: `b4567`."""


@dataclass(frozen=True, slots=True)
class Version:
    """What a tag's name says: what stands before the version, its numbers, and whether it is of a line at all.

    `family` is lower case and without the separator; `package` says that its form names a package, as `cli@1.2` and
    `api/v1.2` do. A `nightly` is made of whatever there is, and is no release.
    """

    family: str
    numbers: tuple[int, ...]
    final: bool
    package: bool
    nightly: bool


def version(name: str) -> Version | None:
    """The version that a tag's name holds, None where it holds none or could not be shown."""
    if len(name) > LONGEST or not name.isprintable() or name.startswith("-"):
        return None
    for found in _NUMBER.finditer(name):
        numbers = tuple(int(part) for part in re.split(r"[-._]", found[1]))
        if _REST.fullmatch(name, found.end()) or (len(numbers) >= 3 and _SEMVER.fullmatch(name, found.end())):
            return _version(name[: found.start()], numbers, name[found.end() :])
    return None


def _version(prefix: str, numbers: tuple[int, ...], rest: str) -> Version | None:
    """The version of which the parts are known; None for the end of a branch."""
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

    The repository's own are the versions without a name, and those with its name. Where there are none, the family to
    which more than half of the versions belong is its line. Where no family has so many, or they have the form of
    packages, it releases packages, and each of their versions is a release.
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
    """Whether `names` hold a version that is the repository's own, so that no other tag can change its line."""
    read = filter(None, map(version, names))
    return any(len(v.numbers) > 1 and not v.nightly and _is_own(v, repository) for v in read)


def _is_own(read: Version, repository: str) -> bool:
    """Whether what stands before a version is nothing, or the repository's name, also without its last digits."""
    title = _squeezed(repository.rstrip("/").rpartition("/")[2].removesuffix(".git"))
    names = {title, title.rstrip("0123456789")}
    if read.family.startswith("@"):
        return _squeezed(read.family.rpartition("/")[2]) in names
    name = _squeezed("".join(word for word in re.split(r"[-_/. ]", read.family) if word not in _PLAIN))
    return not name or name in names or (name == _BUILD and len(read.numbers) == 1)


def _squeezed(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower()))


def _most(versions: Iterable[Version]) -> str | None:
    """The family of more than half of `versions`, None where there is none, or where it has the form of a package."""
    all_ = list(versions)
    counts = Counter(each.family for each in all_ if not each.package)
    family, count = next(iter(counts.most_common(1)), ("", 0))
    return family if count * 2 > len(all_) else None


def _moved(known: AbstractSet[tuple[int, ...]]) -> Callable[[Version], bool]:
    """Tells the versions that are moved to each new one: `v4` beside `v4.1.0`, `v1.2` beside `v1.2.0`.

    Source: docs.github.com, About custom actions.
    """
    majors = {numbers[:1] for numbers in known if len(numbers) > 2}

    def moved(read: Version) -> bool:
        longer = ((*read.numbers, 0), (*read.numbers, 0, 0))
        return read.numbers in majors or (read.final and len(read.numbers) < 3 and not known.isdisjoint(longer))

    return moved


def _sorted(tags: Iterable[Release]) -> tuple[Release, ...]:
    return tuple(sorted(tags, key=lambda tag: (tag.made, tag.name)))
