"""The files of a commit on GitHub: searched in its archive, and read there or one by one."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

from adapters.sources.github import answers
from adapters.sources.github.archives import Archive, Archives
from adapters.sources.github.client import Client, Recent
from bot.commits import lookup
from bot.commits.lookup import Content, Spot, Uses
from bot.errors import DigestError, NotFound

SINGLE_FILES = 20
"""The most files of a commit to request one by one."""

AT_ONCE = 8
"""Concurrent requests."""

KEPT = 8 * 1024 * 1024
"""Bytes of cached files that were requested one by one."""

COUNTED = 1_000
"""How many commits' numbers of requested files are remembered."""


class Files:
    """Single files of commits, each requested once, and only while enough requests are left.

    Safe for several threads.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._kept: Recent[tuple[str, Spot], Content] = Recent(KEPT)
        self._asked: Recent[tuple[str, str], int] = Recent(COUNTED)

    def read(self, name: str, sha: str, spots: Sequence[Spot]) -> Iterator[tuple[Spot, Content]]:
        """The contents of `spots`, or why they cannot be read; the requests count for the commit `sha`."""
        known = {spot: self._kept.get((name, spot)) for spot in spots}
        new = [spot for spot, content in known.items() if content is None]
        asked = self._asked.get((name, sha)) or 0
        some = new[: max(SINGLE_FILES - asked, 0)]
        self._asked.keep((name, sha), asked + len(some), 1)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = dict(zip(some, pool.map(lambda spot: self._one(name, spot), some), strict=True))
        for spot, content in known.items():
            yield spot, found.get(spot, lookup.UNREADABLE) if content is None else content

    def _one(self, name: str, spot: Spot) -> Content:
        if not self._client.spare:
            return lookup.UNREADABLE
        path = f"/repos/{name}/contents/{quote(spot.path, errors='replace')}"
        try:
            content = answers.content(self._client.get(path, NotFound("commit_unknown"), ref=spot.sha).data)
        except NotFound:
            content = lookup.NO_PATH
        except DigestError:  # this must not affect anything else
            return lookup.UNREADABLE
        self._kept.keep((name, spot), content, len(content))
        return content


class GitHubTree:
    """The tree of the commit `sha`, and of others that are asked for, of the repository `name`."""

    def __init__(self, name: str, sha: str, archives: Archives, files: Files) -> None:
        self._name = name
        self._sha = sha
        self._archives = archives
        self._files = files

    def uses(self, words: Sequence[str]) -> dict[str, Uses]:
        """How each of `words` is used, from the archive, which is fetched for that."""
        archive = self._archives.get(self._name, self._sha, fetch=True)
        try:
            return archive.uses(words) if archive else {word: Uses(refused=lookup.UNSEARCHABLE) for word in words}
        except OSError:
            return {word: Uses(refused=lookup.UNREADABLE) for word in words}

    def contents(self, spots: Sequence[Spot]) -> Iterator[tuple[Spot, Content]]:
        """The contents of `spots`: from the archive if there is one, else one by one."""
        archive = self._archives.get(self._name, self._sha, fetch=False)
        held = self._held(archive, [spot for spot in spots if spot.sha == self._sha]) if archive else {}
        yield from held.items()
        if rest := [spot for spot in spots if spot not in held]:
            yield from self._files.read(self._name, self._sha, rest)

    @staticmethod
    def _held(archive: Archive, spots: Sequence[Spot]) -> dict[Spot, Content]:
        """The contents of `spots` in the archive."""
        by_path = {spot.path: spot for spot in spots}
        try:
            return {by_path[path]: content for path, content in archive.contents(tuple(by_path))}
        except OSError:
            return {}
