"""The releases of a repository on GitHub, and the first with a commit, over GraphQL.

GitHub has no query for the tags with a commit, but each tag can be compared with it: if the commit is identical to the
tag or behind it, the tag contains it (docs.github.com, GraphQL reference: Ref.compare, ComparisonStatus). A binary
search would be wrong, since a later release of an older line contains less. But releases contain older commits, so the
oldest releases since the commit are compared first, and mostly few comparisons are enough.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from adapters.sources.github import answers, queries
from adapters.sources.github.client import Client
from bot.commits import releases
from bot.errors import NotFound
from bot.values import Release

PAGES = 50
"""The most pages of a hundred tags to read."""

DATED = 100
"""Commits whose dates one request gets."""

NOTED = 10
"""Releases whose notes one request gets; each may have 125,000 characters."""

COMPARED = 50
"""Comparisons of one request, which GitHub ends after 10 seconds (docs.github.com, Rate limits and query limits)."""

COMPARISONS = 2000
"""Comparisons of one call: 40 requests of the 5,000 points of an hour."""

FIRST = 4
"""How many releases to compare a commit with first; the number doubles each time."""

MOST = 124
"""The most releases to compare a commit with: five rounds. Of 1,000 commits of the default branch of each of click,
tokio, cargo, ironic, jax and astro the first was among the first 10; of any branch's among the first 82, except old
commits that astro imported late.
"""

MARGIN = timedelta(days=1)
"""How wrong the clock may be that dated a tag or a commit."""

_SHA = re.compile("[0-9a-f]{40}")

Pair = tuple[str, str]
"""The name of a tag, and a SHA."""


@dataclass(frozen=True, slots=True)
class Line:
    """The releases of a repository, oldest first, and how far back its tags were read (None: all)."""

    releases: tuple[Release, ...]
    reaches: datetime | None = None


class Tags:
    """Gets tags and compares them with commits. Its errors are those of `Client.query`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def releases(self, repo: str, since: datetime, missing: NotFound) -> tuple[Release, ...]:
        """The releases of `repo` since a time, oldest first. Raises `missing` if the repository does not exist."""
        return tuple(each for each in self._line(repo, since, missing).releases if each.made >= since)

    def notes(self, repo: str, names: Sequence[str], missing: NotFound) -> dict[str, str]:
        """The notes published with tags, by name. Raises like `releases`."""
        found: dict[str, str] = {}
        for start in range(0, len(names), NOTED):
            some = names[start : start + NOTED]
            text, variables = queries.notes(some)
            said = answers.read(answers.PublishedTags, self._ask(repo, text, missing, **variables)).repository
            named = ((name, said.get(f"n{n}")) for n, name in enumerate(some))
            found |= {name: one.description for name, one in named if one and not one.is_draft and one.description}
        return found

    def first(self, repo: str, shas: Sequence[str], missing: NotFound) -> dict[str, Release | None]:
        """The first release with each commit, or None, by SHA. Raises like `releases`."""
        dates = self._dates(repo, tuple(dict.fromkeys(filter(_SHA.fullmatch, shas))), missing)
        if not dates:
            return {}
        line = self._line(repo, min(dates.values()) - MARGIN, missing)
        waiting, whole = candidates(dates, line)
        found: dict[str, Release] = {}
        width, left = FIRST, COMPARISONS
        while waiting and left:
            pairs = [(each.name, sha) for sha, some in waiting.items() for each in some[:width]][:left]
            waiting = narrowed(waiting, self._compared(repo, pairs, missing), found)
            width, left = width * 2, left - len(pairs)
        known = whole - waiting.keys()  # these were compared with all releases that may have them
        return {sha: found.get(sha) for sha in dates if sha in found or sha in known}

    def _line(self, repo: str, since: datetime, missing: NotFound) -> Line:
        """The releases since `since`, and earlier ones as far as they decide the repository's line."""
        tags: list[answers.Tagged] = []
        title, after, reaches = repo, None, None
        for _ in range(PAGES):
            data = self._ask(repo, queries.TAGS, missing, after=after)
            about = answers.read(answers.Tags, data)
            title, page = about.name, about.refs
            read = [tag for node in (page.nodes if page else ()) if node and (tag := answers.tag(node))]
            tags += read
            reaches = min((tag.committed for tag in read), default=reaches)
            if page is None or not page.has_next_page:
                reaches = None
                break
            if reaches and reaches < since and releases.settled((tag.release.name for tag in tags), title):
                break
            after = page.end_cursor
        known = answers.read(answers.Published, self._ask(repo, queries.PUBLISHED, missing)).nodes if tags else ()
        return Line(releases.main_line(answers.published(tags, known), title), reaches)

    def _dates(self, repo: str, shas: Sequence[str], missing: NotFound) -> dict[str, datetime]:
        """The committer dates of those of `shas` that are commits there."""
        found: dict[str, datetime] = {}
        for start in range(0, len(shas), DATED):
            some = shas[start : start + DATED]
            text, variables = queries.dates(some)
            said = answers.read(answers.Dates, self._ask(repo, text, missing, **variables)).repository
            named = ((sha, said.get(f"c{n}")) for n, sha in enumerate(some))
            found |= {sha: commit.committed_date for sha, commit in named if commit and commit.committed_date}
        return found

    def _compared(self, repo: str, pairs: Sequence[Pair], missing: NotFound) -> dict[Pair, bool]:
        """Whether each tag contains its commit."""
        found: dict[Pair, bool] = {}
        for start in range(0, len(pairs), COMPARED):
            some = pairs[start : start + COMPARED]
            text, variables = queries.comparisons(some)
            said = answers.read(answers.Comparisons, self._ask(repo, text, missing, **variables)).repository
            found |= {pair: answers.holds(said.get(f"p{n}")) for n, pair in enumerate(some)}
        return found

    def _ask(self, repo: str, text: str, missing: NotFound, **variables: object) -> object:
        owner, _, name = repo.partition("/")
        return self._client.query(text, missing, owner=owner, name=name, **variables)


def candidates(dates: Mapping[str, datetime], line: Line) -> tuple[dict[str, tuple[Release, ...]], set[str]]:
    """The releases that may have each commit, by SHA, oldest first; commits older than the tags read are absent.

    Also the commits for which these are all candidates. Of several releases at one commit only the oldest is compared:
    packages are often released together.
    """
    found, whole = {}, set()
    for sha, date in dates.items():
        since = date - MARGIN
        if not line.reaches or since >= line.reaches:
            by_commit: dict[str, Release] = {}
            for release in line.releases:
                if release.made >= since:
                    by_commit.setdefault(release.sha, release)
            found[sha] = tuple(by_commit.values())[:MOST]
            whole |= {sha} if len(by_commit) <= MOST else set()
    return found, whole


def narrowed(
    waiting: Mapping[str, tuple[Release, ...]], held: Mapping[Pair, bool], found: dict[str, Release]
) -> dict[str, tuple[Release, ...]]:
    """The releases still to compare each commit with, by SHA, after the comparisons `held`.

    The first release with a commit is put into `found`.
    """
    left = {}
    for sha, some in waiting.items():
        at = next((n for n, each in enumerate(some) if held.get((each.name, sha), True)), len(some))
        if rest := some[at:]:
            if (rest[0].name, sha) in held:
                found[sha] = rest[0]
            else:
                left[sha] = rest
    return left
