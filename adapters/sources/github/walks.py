"""The lines of a repository on GitHub, as `bot.commits.line` asks for them.

A history is listed by date, with merged commits among the line. So each page starts at the commit where the last one
left the line: however odd the dates are, each page continues the walk.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from adapters.sources.github import answers, queries
from adapters.sources.github.answers import Landed, RestCommit
from adapters.sources.github.client import Client
from bot.commits.line import Origin
from bot.errors import NotFound
from bot.values import Commit

ROW = 100
"""After this many consecutive commits that are too old, the rest is assumed to be too old: mostly one page."""

MOST_BESIDE = 10
"""The most requests for what could be reached from an old tip besides its line."""

Found = dict[str, RestCommit]
"""What REST said about commits, by SHA."""


class Walks:
    """The lines of one repository: a request for each page, and one for each check of ancestors.

    `head` is the newest page of the branch, `found` what REST said about it, and `read` gets the commits at places.
    """

    def __init__(
        self,
        client: Client,
        name: str,
        head: Sequence[Landed],
        found: Found,
        read: Callable[[Sequence[Landed], Found], tuple[Commit, ...]],
    ) -> None:
        self._client = client
        self._name = name
        self._head = head
        self._found = found
        self._read = read

    def pages(self, tip: str) -> Iterator[tuple[Landed, ...]]:
        """The line down from `tip`."""
        while tip:
            page = answers.first_parents(self._history(tip), tip)
            if not page:
                raise NotFound("commit_unknown", repo=self._name, sha=tip)
            yield page
            tip = next(iter(page[-1].parents), "")

    def holds(self, tip: str, sha: str) -> bool:
        """Whether `sha` can be reached from `tip`.

        See docs.github.com, Compare two commits: the second page lists no files, which would make it long. What has no
        common history with `tip` is not found either.
        """
        missing = NotFound("commit_unknown", repo=self._name, sha=tip)
        try:
            answer = self._client.get(f"/repos/{self._name}/compare/{tip}...{sha}", missing, per_page=1, page=2)
        except NotFound:
            if not self._history(tip):
                raise
            return False
        return answers.read(answers.Comparison, answer.data).status in {"behind", "identical"}

    def read(self, points: Sequence[Landed]) -> tuple[Commit, ...]:
        """The commits at some points."""
        return self._read(points, self._found)

    def beside(self, tip: str, head: str) -> list[Landed]:
        """The commits reachable from `tip` but not from `head`: no merges, of the oldest thousand.

        See docs.github.com, Compare two commits; without a common history there is no such list.
        """
        missing = NotFound("commit_unknown", repo=self._name, sha=tip)
        pages = self._client.pages(f"/repos/{self._name}/compare/{head}...{tip}", missing, per_page=100)
        try:
            found = [answers.read(answers.Comparison, page.data).commits for page in islice(pages, MOST_BESIDE)]
        except NotFound:
            return []
        return [answers.landed(commit) for page in found for commit in page if len(commit.parents) < 2]

    def origins(self, points: Sequence[Landed]) -> dict[str, Origin]:
        """The origins of commits, by SHA."""
        return {p.sha: Origin(p.origin, p.tree, next(iter(p.parents), "")) for p in points}

    def _history(self, tip: str) -> Sequence[Landed]:
        """The newest page of the history that ends in `tip`; empty if that commit no longer exists."""
        if self._head and self._head[0].sha == tip:
            return self._head
        return self._described(tip) if self._client.authenticated else self._listed(tip)

    def _described(self, tip: str) -> Sequence[Landed]:
        owner, _, title = self._name.partition("/")
        missing = NotFound("repository_unknown", repo=self._name)
        data = self._client.query(queries.NEXT, missing, owner=owner, name=title, tip=tip, since=None, after=None)
        found = answers.read(answers.Line, data).tip
        return tuple(map(answers.listed, found.history.nodes)) if found else ()

    def _listed(self, tip: str) -> Sequence[Landed]:
        missing = NotFound("commit_unknown", repo=self._name, sha=tip)
        try:
            answer = self._client.get(f"/repos/{self._name}/commits", missing, sha=tip, per_page=100)
        except NotFound:
            return ()
        return listed(answer.data, self._found)


def listed(data: object, found: Found) -> Sequence[Landed]:
    """The places of a page from REST; its data is stored in `found`."""
    page: Iterable[RestCommit] = answers.read(tuple[RestCommit, ...], data)
    found |= {commit.sha: commit for commit in page}
    return tuple(map(answers.landed, page))
