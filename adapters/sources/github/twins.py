"""Finds the commits of other branches that make the same change, over GraphQL.

GitHub has no query for them. So the commits on branches of releases that touch a file of the commit are listed; those
of the same size are compared with it by patches.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from adapters.sources.github import answers, queries
from adapters.sources.github.answers import Landed
from adapters.sources.github.client import Client
from bot.commits.files import generated, is_note
from bot.commits.twins import patch_id
from bot.errors import NotFound
from bot.values import Commit, FilePatch, Twin

WITHIN = timedelta(days=180)
"""How long before and after a commit its twins may have landed."""

PAGES, BRANCHES = 3, 10
"""The most pages of a hundred branches to read, and branches to search: those of the latest versions."""

MOST = 5
"""The most commits to compare by patches."""

_RELEASES = re.compile(
    r"(?:^|[/_.-])(?:releases?|rel|stable|maint\w*|lts|backports?)(?:$|[/_.-])|\d[._-](?:\d|x\b)|^v?\d"
)
_STAMP = "%Y-%m-%dT%H:%M:%SZ"

Patches = Callable[[Landed], Sequence[FilePatch]]
"""Reads the patches of a commit."""


class Twins:
    """Finds the twins of commits, with up to five requests, and one for each patch."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def found(self, repo: str, commit: Commit, default: str, patches: Patches, missing: NotFound) -> tuple[Twin, ...]:
        """The twins of a commit, newest first; `default` is the repository's own branch."""
        path = rarest_file(commit)
        own = patch_id(patches(Landed(commit.sha, "", commit.committed, commit.parents))) if path else ""
        if not own:
            return ()
        branches = [default, *releases(self._branches(repo, missing), default)]
        some = list(alike(commit, self._touching(repo, commit, path, branches, missing)))[:MOST]
        return tuple(Twin(place.sha, branch) for place, branch in some if patch_id(patches(place)) == own)

    def _branches(self, repo: str, missing: NotFound) -> list[str]:
        names: list[str] = []
        after = None
        for _ in range(PAGES):
            page = answers.read(answers.Branches, self._ask(repo, queries.BRANCHES, missing, after=after)).refs
            names += [node.name for node in page.nodes if node]
            if not page.has_next_page:
                break
            after = page.end_cursor
        return names

    def _touching(
        self, repo: str, commit: Commit, path: str, branches: Sequence[str], missing: NotFound
    ) -> Mapping[str, Sequence[answers.Sized]]:
        text, variables = queries.touching(branches)
        since, until = (format(moment, _STAMP) for moment in around(commit))
        data = self._ask(repo, text, missing, since=since, until=until, path=path, **variables)
        said = answers.read(answers.AllTouching, data).repository
        named = ((name, said.get(f"b{n}")) for n, name in enumerate(branches))
        return {name: found.nodes for name, found in named if found}

    def _ask(self, repo: str, text: str, missing: NotFound, **variables: object) -> object:
        owner, _, name = repo.partition("/")
        return self._client.query(text, missing, owner=owner, name=name, **variables)


def rarest_file(commit: Commit) -> str:
    """The file in whose history twins are searched: the most changed one of those that few others touch."""
    files = sorted(commit.files, key=lambda file: file.added + file.removed, reverse=True)
    own = [file.path for file in files if not (generated(file.path) or is_note(file.path))]
    return next(iter([*own, *(file.path for file in files)]), "")


def around(commit: Commit) -> tuple[datetime, datetime]:
    """The start and the end of the search for twins. GraphQL accepts no time before 1970."""
    return max(commit.committed - WITHIN, answers.EPOCH), commit.committed + WITHIN


def releases(names: Iterable[str], default: str) -> list[str]:
    """The branches of releases, those of the latest versions first."""

    def version(name: str) -> list[int]:
        return [int(digits) for digits in re.findall(r"\d{1,9}", name)]

    found = [name for name in names if name != default and _RELEASES.search(name)]
    return sorted(found, key=lambda name: (version(name), name), reverse=True)[:BRANCHES]


def alike(commit: Commit, touching: Mapping[str, Sequence[answers.Sized]]) -> Iterator[tuple[Landed, str]]:
    """The commits of the same size that are on no branch with the commit, each with its first branch."""
    here = {each.oid for found in touching.values() if any(c.oid == commit.sha for c in found) for each in found}
    seen = {commit.sha, *here}
    for branch, found in touching.items():
        for each in found:
            if each.oid not in seen and (each.additions, each.deletions) == (commit.added, commit.removed):
                seen.add(each.oid)
                yield answers.listed(each), branch
