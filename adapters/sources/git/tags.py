"""The arguments of git for tags and the commits they contain, and parsing its output. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from adapters.sources.git import history
from bot.values import Release

_FIELDS = ("objecttype", "objectname", "*objecttype", "*objectname", "creatordate:unix", "*committerdate:unix")
LIST = ("for-each-ref", "--format=" + "".join(f"%({name})%00" for name in _FIELDS) + "%(refname:lstrip=2)", "refs/tags")
"""Every tag: its object, what an annotated one points at, and when each was made (git-for-each-ref(1)).

`creatordate` is an annotated tag's own date, of which old ones have none, and a commit's committer date.
"""

WALK = ("rev-list", "--topo-order", "--parents", "--timestamp", "--stdin")
"""The commits that are asked for on standard input and all before them, each before its parents (git-rev-list(1))."""

DATES = ("rev-list", "--no-walk=unsorted", "--timestamp", "--ignore-missing", "--stdin")
"""Time and SHA of the commits on standard input that exist (git-rev-list(1))."""

NOTES = 120_000
"""The most bytes of a tag to read."""

_SIGNED = re.compile(r"^-----BEGIN (?:PGP|SSH|SIGNED) (?:SIGNATURE|MESSAGE)-----", re.MULTILINE)
_NEVER = 1 << 60


def releases(said: bytes, peeled: Mapping[str, str]) -> Iterator[Release]:
    """The tags of `LIST` that point at commits; `peeled` says at which commit a tag of a tag points, by SHA."""
    for kind, sha, inner, target, made, committed, name in _rows(said):
        commit = sha if kind == "commit" else target if inner == "commit" else peeled.get(target, "")
        if commit:
            yield Release(name, commit, history.moment(history.seconds(made) or history.seconds(committed)))


def nested(said: bytes) -> tuple[str, ...]:
    """The tags at which tags point. Git before 2.45 follows an annotated tag by one step only (its release notes)."""
    return tuple(dict.fromkeys(target for _, _, inner, target, *_ in _rows(said) if inner == "tag"))


def message(read: tuple[bytes, bytes]) -> str:
    """The message of an annotated tag, from its type and the beginning of its object; empty for anything else.

    Its signature is a part of its text (git-tag(1), gitformat-signature(5)).
    """
    kind, body = read
    said = body[:NOTES].partition(b"\n\n")[2] if kind == b"tag" else b""
    return _SIGNED.split(history.text(said), maxsplit=1)[0].strip()


def _rows(said: bytes) -> Iterator[list[str]]:
    return (history.text(line).split("\0") for line in said.split(b"\n") if line)


@dataclass(frozen=True, slots=True)
class Step:
    """A commit of `WALK`."""

    time: int
    sha: str
    parents: tuple[str, ...]


def step(line: bytes) -> Step:
    """A commit as `WALK` writes it."""
    time, sha, *parents = line.decode("ascii").split()
    return Step(history.seconds(time), sha, tuple(parents))


@dataclass(frozen=True, slots=True)
class Holding:
    """The result of a walk: for each commit found, the first release that has it, None if none does.

    `cut` is the committer time of a commit at which a shallow clone ends: what comes before it is unknown.
    """

    first: Mapping[str, Release | None]
    cut: int | None = None


def holding(walk: Iterable[Step], line: Iterable[Release], asked: Iterable[str], boundary: frozenset[str]) -> Holding:
    """The first of `line` (oldest first) from which each of `asked` can be reached.

    `walk` has every commit before its parents, so that all that is held by a child is known when its turn comes. The
    walk ends with the last of `asked`.
    """
    by_rank = tuple(line)
    own = {release.sha: rank for rank, release in reversed(tuple(enumerate(by_rank)))}
    least: dict[str, int] = {}
    waiting, found = set(asked), {}
    for commit in walk:
        if not waiting:
            break
        rank = min(own.get(commit.sha, _NEVER), least.pop(commit.sha, _NEVER))
        if commit.sha in waiting:
            waiting.remove(commit.sha)
            found[commit.sha] = by_rank[rank] if rank < _NEVER else None
        if rank == _NEVER:
            continue
        if commit.sha in boundary and waiting:
            return Holding(found, commit.time)
        for parent in commit.parents:
            least[parent] = min(rank, least.get(parent, _NEVER))
    return Holding(found)
