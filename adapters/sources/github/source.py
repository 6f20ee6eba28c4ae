"""The commits of repositories on GitHub or GitHub Enterprise."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from github import Auth
from jwt.exceptions import PyJWTError

from adapters.sources.github import answers, queries
from adapters.sources.github.answers import ChangedFile, Changes, Landed, RestCommit
from adapters.sources.github.archives import Archives
from adapters.sources.github.client import Client, Recent, clock
from adapters.sources.github.settings import GitHubSettings
from adapters.sources.github.tags import Tags
from adapters.sources.github.tree import Files, GitHubTree
from adapters.sources.github.twins import Twins
from adapters.sources.github.walks import ROW, Found, Walks, listed
from bot.commits import lookup, people
from bot.commits.aftermath import followed
from bot.commits.line import contents, landing
from bot.commits.people import Mailmap
from bot.commits.reading import Written
from bot.errors import ConfigError, NotFound, Unavailable, UsageError
from bot.values import (
    EPOCH,
    INNER_COMMITS,
    Commit,
    Contents,
    FilePatch,
    Landing,
    Look,
    Quota,
    Release,
    Repository,
    Sight,
    Twin,
    Window,
    without_credentials,
)

_REPO = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")
_SHA = re.compile(r"[0-9a-f]{4,64}")
_WHOLE = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NO_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|^[-/]|/$|\.$|//")
"""Invalid in a branch's name (git-check-ref-format(1)); GitHub would interpret it differently."""

MARGIN = timedelta(days=1)
"""How long before a period to list history from, since a commit's date may be before its parent's."""

AT_ONCE = 8
"""Concurrent requests of one call; GitHub allows 100 (docs.github.com, Rate limits for the REST API)."""

BATCH = 50
"""Commits described by one GraphQL request, see `queries.DETAILS` for what that costs."""

COMPARED = 300
"""The most files in a comparison (docs.github.com, Compare two commits)."""

FOLDERS = 5
"""How many folders of a commit to read to distinguish changed modes from changed binary files; others count as binary.
"""

KEPT = 32 * 1024 * 1024
"""Bytes of files and patches kept, so that `patches()` need not ask again."""

FOLLOWED, LATER = 3, 30
"""How many files of a commit to follow through later commits, and how many of these to read."""

NAMED = 5
"""How many branches to list if one is unknown."""

_NO_DIFF = "github_diff_too_long"
_NOT_SHOWN = Changes((), shown=False)

_Result = TypeVar("_Result")


class GitHubSource:
    """Commits from GitHub's REST API and, with a token, its GraphQL API.

    A day costs one GraphQL request for each 100 commits since, one for each 50 first-parent commits of it, and a REST
    request for each commit whose files GraphQL cannot prove (`answers.proven_files`). Without a token it costs two REST
    requests and one for each commit. If a changed mode looks like a changed binary file, it costs one for each of up to
    five folders. GitHub lists at most 3,000 files of a commit (docs.github.com, Get a commit), and leaves patches out
    of long answers; those are marked incomplete. A lookup costs an archive, kept below `archives` for a day, or without
    such a folder, or at the limits, a request for each file.
    """

    def __init__(self, client: Client, archives: Path | None = None) -> None:
        self._client = client
        self._archives = Archives(archives, client)
        self._files = Files(client)
        self._changes: Recent[tuple[str, str], Changes] = Recent(KEPT)
        self._names: dict[str, str] = {}
        self._mailmaps: dict[str, Mailmap] = {}
        self._tags = Tags(client)
        self._twins = Twins(client)

    def repository(self, repo: str) -> Repository:
        """Title, default branch and web page; the name is in GitHub's spelling, the current one if it was renamed.

        It has labels if there is a token. Raises UsageError for anything but `owner/name`; NotFound, Forbidden,
        Unavailable, ConfigError.
        """
        answer = self._client.get(f"/repos/{_checked(repo)}", _no_repository(repo), remember=True)
        read = answers.read(answers.RestRepository, answer.data)
        found = answers.repository(read, labelled=self._client.authenticated)
        self._names[repo] = found.name
        return found

    def group(self, name: str) -> tuple[Repository, ...]:
        """The repositories of an organisation or a person whose names start so; a request for each 100.

        For an organisation, all that the token may read (docs.github.com, List organization repositories), for a
        person, the public ones. Raises UsageError, NotFound, Forbidden, Unavailable, ConfigError.
        """
        owner, _, stem = _checked(name.removesuffix("*") + "x").removesuffix("x").partition("/")
        missing = NotFound("organization_unknown", owner=owner)
        try:
            found = self._listed_of(f"/orgs/{owner}/repos", missing)
        except NotFound:
            found = self._listed_of(f"/users/{owner}/repos", missing)
        begin = f"{owner}/{stem}".lower()
        alike = (each for each in found if each.name.lower().startswith(begin))
        return tuple(sorted(alike, key=lambda each: each.name.lower()))

    def _listed_of(self, path: str, missing: NotFound) -> list[Repository]:
        """The repositories in a list, except archived ones."""
        pages = self._client.pages(path, missing, remember=True, per_page=100)
        named = (each for page in pages for each in answers.read(tuple[answers.RestRepository, ...], page.data))
        knows = self._client.authenticated
        return [answers.repository(each, labelled=knows) for each in named if not each.archived]

    def commits(self, repo: str, branch: str, since: datetime, until: datetime) -> tuple[Commit, ...]:
        """The first-parent commits of `branch` with `since <= committed < until`, newest first.

        The history is listed from a day before `since` to the branch's tip, since only the tip shows what is on the
        first-parent line; a commit that is dated more than a day before its parent ends it. Raises UsageError,
        NotFound, Forbidden, Unavailable, ConfigError.
        """
        _checked(repo)
        read = self._described if self._client.authenticated else self._listed
        return read(repo, branch, since.astimezone(UTC), until.astimezone(UTC))

    def landed(self, repo: str, branch: str, tip: str | None, window: Window) -> Landing:
        """What a branch has that it did not have at its old `tip`, see `bot.commits.line`.

        A request for each page of up to 100 commits down to the old tip, at most 50, and one comparison for each page
        without it. If the branch left it, about 20 more, up to ten pages of what else could be reached from the old
        tip, and the requests to read and compare up to 200 commits. GitHub keeps commits removed by a force-push for
        long. Raises UsageError, NotFound, Forbidden, Unavailable, ConfigError.
        """
        found: Found = {}
        name, head = self._newest(_checked(repo), branch, found)
        walks = Walks(self._client, name, head, found, partial(self._commits_at, name))
        return landing(walks, head[0].sha, tip, window, ROW) if head else Landing(tip or "")

    def commit(self, repo: str, sha: str) -> Commit:
        """The commit whose SHA starts with `sha`; names of branches and tags are not accepted.

        GitHub does not distinguish the start of several SHAs from that of none: both are NotFound. Raises UsageError
        for anything but a SHA, also Forbidden, Unavailable, ConfigError.
        """
        prefix = sha.lower()
        if not _SHA.fullmatch(prefix):
            raise UsageError("sha_invalid", sha=sha)
        name = self._name(repo)
        return self._alone(name, prefix, NotFound("commit_unknown", repo=name, sha=sha))

    def _alone(
        self, name: str, prefix: str, missing: NotFound, pull: answers.Pull | None = None, *, whole: bool = False
    ) -> Commit:
        """A commit by the start of its SHA, in a request of its own; `pull` is its pull request, if known.

        If `whole`, the pull request's own text is requested too, if the message certainly names it.
        """
        pages = self._commit_pages(name, prefix, missing)
        try:
            found, shown = next(pages), True
        except Unavailable as error:
            found, shown = self._without_files(name, prefix, missing, error), False
        if not found.sha.startswith(prefix):
            raise missing
        place, words = answers.landed(found), answers.delivered(found)
        if self._client.authenticated and (whole or not answers.names_pull(words)):
            more = self._details([place]).get(place.sha)
            words = answers.detailed(more) if more else words
        words = answers.asked(words, pull) if pull else words
        changes = self._changed(name, place, chain([found], pages)) if shown else _NOT_SHOWN
        return answers.commit(name, place, words, changes, self._mailmap(name))

    def pull(self, repo: str, number: int) -> Commit:
        """The commit with which pull request `number` landed, on any branch.

        Raises NotFound, also for one that is not merged; Forbidden, Unavailable, ConfigError.
        """
        name = self._name(repo)
        missing = NotFound("pull_unknown", repo=name, number=number)
        pull = answers.read(answers.Pull, self._client.get(f"/repos/{name}/pulls/{number}", missing).data)
        if not pull.merged or not pull.merge_commit_sha:
            raise NotFound("pull_not_merged", repo=name, number=number)
        sha = pull.merge_commit_sha
        found = self._alone(name, sha, NotFound("commit_unknown", repo=name, sha=sha), pull)
        return replace(found, pull=number)

    def later(self, repo: str, branch: str, commit: Commit, until: datetime) -> tuple[Commit, ...]:
        """What came after a commit on a branch and touches its files, see `bot.ports.CommitSource.later`.

        A REST request for each of up to three files, those with the most new lines, and those for reading up to 30
        commits. GitHub lists merged commits, and not the merge. Raises like `commits`.
        """
        name = self._name(_checked(repo))
        start = {"sha": branch} if branch and not _NO_BRANCH.search(branch) else {}
        ends = {"since": _stamp(commit.committed), "until": _stamp(until + MARGIN)}
        found: Found = {}
        for path in followed(commit)[:FOLLOWED]:
            found |= self._list(name, path=path, per_page=100, **ends, **start)
        before = {commit.sha, *commit.parents}
        places = (place for place in map(answers.landed, found.values()) if place.sha not in before)
        later = sorted((p for p in places if p.committed >= commit.committed), key=lambda p: p.committed)
        return self._commits_at(name, later[:LATER], found)

    def touching(self, repo: str, branch: str, paths: Sequence[str], most: int) -> tuple[Commit, ...]:
        """The newest commits of a branch that touch some files or folders, newest first.

        A REST request for each of the first three paths, and those for reading up to 30 commits. GitHub lists merged
        commits, and not the merge. Raises like `commits`.
        """
        name = self._name(_checked(repo))
        start: dict[str, Any] = {"sha": branch} if branch and not _NO_BRANCH.search(branch) else {}
        number = min(most, LATER)
        found: Found = {}
        for path in [path for path in paths if path][:FOLLOWED]:
            address, missing = f"/repos/{name}/commits", _no_repository(name)
            answer = self._client.get(address, missing, allow=409, path=path, per_page=number, **start)
            if answer.status != 409:
                listed(answer.data, found)
        places = sorted(map(answers.landed, found.values()), key=lambda place: place.committed, reverse=True)
        return self._commits_at(name, places[:number], found)

    def patches(
        self, repo: str, commits: Sequence[Commit], paths: Collection[str] = ()
    ) -> Iterator[tuple[str, tuple[FilePatch, ...]]]:
        """For each commit its SHA and its patch against its first parent, in the order asked for, each once.

        With `paths`, only of those files, and only for commits that change one of them.

        A REST request for each commit that is not cached. A file is kept to 256 KiB, a commit to 8 MiB and a line to
        4,000 characters. If GitHub cannot make a diff, the patch is incomplete. Raises NotFound, Forbidden,
        Unavailable, ConfigError.
        """
        asked = [c for c in commits if not paths or any(f.path in paths for f in c.files)]
        for commit in {commit.sha: commit for commit in asked}.values():
            place = Landed(commit.sha, "", commit.committed, commit.parents)
            changes = self._changed(self._name(repo), place)
            found = changes.patches if changes.shown else answers.unread(commit.files)
            yield commit.sha, tuple(patch for patch in found if not paths or patch.path in paths)

    def releases(self, repo: str, since: datetime = EPOCH) -> tuple[Release, ...]:
        """The tags that name releases, oldest first, see `bot.commits.releases`; none without a token.

        A GraphQL request for each 100 tags, until they are older than `since`, at most 50, and one for the published
        releases of the 100 newest commits: of more than 5,000 tags those of the oldest commits are missing.
        REST names a tag's commit and no date (docs.github.com, List repository tags): without a token it would take one
        of the 60 requests of an hour for each tag. Raises UsageError, NotFound, Forbidden, Unavailable, ConfigError.
        """
        _checked(repo)
        return self._tags.releases(repo, since, _no_repository(repo)) if self._client.authenticated else ()

    def first_releases(self, repo: str, shas: Sequence[str]) -> Mapping[str, Release | None]:
        """The first release with each commit, or None, by SHA; empty without a token, see `releases`.

        A GraphQL request for each 100 commits, one for each 100 tags, until they are older than the oldest of the
        commits, and one for each 50 comparisons of a commit with a release, see `tags`. Absent are commits that are
        older than the tags that were read, those in none of the first 124 releases since, and those that would take
        more than 2,000 comparisons in all. A release made more than a day before a commit is not compared with it.
        Raises like `releases`.
        """
        _checked(repo)
        return self._tags.first(repo, shas, _no_repository(repo)) if self._client.authenticated else {}

    def contents(self, repo: str, release: Release, before: Release | None, branch: str | None = None) -> Contents:
        """What a release has that the one `before` it does not, see `bot.commits.line`.

        A request for each page of up to 100 commits, at most 50, and one comparison for each; about ten more if its
        branch left the line of the one before, or `branch`. Raises UsageError, NotFound, Forbidden, Unavailable,
        ConfigError.
        """
        found: Found = {}
        name, head = self._newest(_checked(repo), branch, found) if branch is not None else (self._name(repo), ())
        walks = Walks(self._client, name, head, found, partial(self._commits_at, name))
        return contents(walks, release.sha, before.sha if before else "", head[0].sha if head else None)

    def read(self, repo: str, shas: Sequence[str]) -> tuple[Commit, ...]:
        """The commits with these SHAs, in order: with a token a request for each 50, and those of a period.

        Raises UsageError, NotFound, Forbidden, Unavailable, ConfigError.
        """
        name = self._name(_checked(repo))
        if not self._client.authenticated:
            return tuple(self.commit(name, sha) for sha in shas)
        parts = (shas[start : start + BATCH] for start in range(0, len(shas), BATCH))
        return self._commits_at(name, [place for some in parts for place in self._places(name, some)], {})

    def _places(self, name: str, shas: Sequence[str]) -> list[Landed]:
        """The places of commits. Raises NotFound for one that does not exist."""
        owner, _, title = name.partition("/")
        text, variables = queries.commits(shas)
        data = self._client.query(text, _no_repository(name), owner=owner, name=title, **variables)
        said = answers.read(answers.Places, data).repository
        found = []
        for n, sha in enumerate(shas):
            if (place := said.get(f"c{n}")) is None:
                raise NotFound("commit_unknown", repo=name, sha=sha)
            found.append(answers.listed(place))
        return found

    def notes(self, repo: str, names: Sequence[str]) -> Mapping[str, str]:
        """The notes published with tags, by name: a request for each ten; empty without a token.

        Raises UsageError, NotFound, Forbidden, Unavailable, ConfigError.
        """
        _checked(repo)
        wanted = tuple(dict.fromkeys(names))
        return self._tags.notes(repo, wanted, _no_repository(repo)) if self._client.authenticated else {}

    def twins(self, repo: str, commit: Commit) -> tuple[Twin, ...]:
        """The commits on branches of releases with the same patch, see `twins`; empty without a token.

        Up to four requests, and one for each of at most five patches. Raises UsageError, NotFound, Forbidden,
        Unavailable, ConfigError.
        """
        if not self._client.authenticated:
            return ()
        about = self.repository(repo)
        read = partial(self._patches, about.name)
        return self._twins.found(about.name, commit, about.branch, read, _no_repository(repo))

    def _patches(self, name: str, place: Landed) -> tuple[FilePatch, ...]:
        """The patches of a commit; an incomplete one if GitHub cannot show it."""
        changes = self._changed(name, place)
        return changes.patches if changes.shown else answers.unread(())

    def look(self, repo: str, commit: Commit, looks: Sequence[Look]) -> tuple[Sight, ...]:
        """The results of `looks` in the tree at `commit`, in order, see `bot.commits.lookup`.

        Words are searched for in an archive of the commit, within the daily limits of `archives`. Other files, and
        those of the first parent, are requested one by one, at most 20 per commit and while half of the hour's requests
        are left. Raises UsageError, NotFound, Forbidden, Unavailable, ConfigError for the repository itself; other
        failures are refusals.
        """
        name = self._name(repo)
        if not _WHOLE.fullmatch(commit.sha):
            raise NotFound("commit_unknown", repo=name, sha=commit.sha)
        return lookup.answer(commit, looks, GitHubTree(name, commit.sha, self._archives, self._files))

    def text(self, repo: str, branch: str, paths: Sequence[str]) -> str | None:
        """The content of the first of some paths that is a file at a branch's tip, see `bot.ports.CommitSource.text`.

        A request for each path up to that one; unchanged files do not count against the limit. Raises UsageError,
        NotFound, Forbidden, Unavailable, ConfigError.
        """
        name = self._name(_checked(repo))
        tip = f"?ref={quote(branch, safe='')}" if branch else ""
        for path in paths if not _NO_BRANCH.search(branch) else ():
            with suppress(NotFound):
                place, missing = f"/repos/{name}/contents/{quote(path)}{tip}", NotFound("commit_unknown")
                answer = self._client.get(place, missing, remember=True)
                held = answers.content(answer.data)
                return held.decode(errors="replace") if isinstance(held, bytes) else None
        return None

    def quota(self) -> Quota | None:
        """The requests left this hour; asking for them is free (docs.github.com, Get rate limit status).

        None if an Enterprise server has no limits. Raises ConfigError, Unavailable.
        """
        try:
            answer = self._client.get("/rate_limit", NotFound("github_no_limits"))
        except NotFound:
            return None
        core = answers.read(answers.RateLimit, answer.data)
        return Quota(core.remaining, core.limit, datetime.fromtimestamp(core.reset, UTC))

    # --- A period ----------------------------------------------------------------------------

    def _listed(self, repo: str, branch: str, since: datetime, until: datetime) -> tuple[Commit, ...]:
        """The commits of a period, over REST only."""
        about, start = self._start(repo, branch)
        found = self._list(about.name, since=_stamp(since), per_page=100, **start)
        line = answers.first_parents(map(answers.landed, found.values()), next(iter(found), ""))
        return self._commits_at(about.name, [place for place in line if since <= place.committed < until], found)

    def _start(self, repo: str, branch: str) -> tuple[Repository, dict[str, str]]:
        """A repository, and where REST starts listing a branch."""
        about = self.repository(repo)
        return about, {} if branch in {"", about.branch} else {"sha": self._branch_tip(about.name, branch)}

    def _newest(self, repo: str, branch: str, found: Found) -> tuple[str, Sequence[Landed]]:
        """The repository's name, and the newest page of a branch; REST's data is stored in `found`."""
        if self._client.authenticated:
            about = self._opened(repo, branch, None)
            return about.name, tuple(map(answers.listed, about.tip.history.nodes)) if about.tip else ()
        known, start = self._start(repo, branch)
        path, missing = f"/repos/{known.name}/commits", _no_repository(known.name)
        page = self._client.get(path, missing, allow=409, remember=True, per_page=100, **start)
        return known.name, listed(page.data, found) if page.status != 409 else ()

    def _commits_at(self, name: str, places: Sequence[Landed], found: Found) -> tuple[Commit, ...]:
        """The commits at places; without GraphQL, from REST's data."""
        if self._client.authenticated:
            details = self._details(places)
            return tuple(_at_once(lambda place: self._put_together(name, place, details.get(place.sha)), places))
        mailmap = self._mailmap(name) if places else Mailmap()
        changes = _at_once(lambda place: self._changed(name, place), places)
        return tuple(
            answers.commit(name, place, answers.delivered(found[place.sha]), change, mailmap)
            for place, change in zip(places, changes, strict=True)
        )

    def _list(self, name: str, **query: str | int) -> dict[str, RestCommit]:
        """A history by SHA, in GitHub's order; that of an empty repository is empty."""
        pages = self._client.pages(f"/repos/{name}/commits", _no_repository(name), allow=409, remember=True, **query)
        found: dict[str, RestCommit] = {}
        for page in pages:
            if page.status != 409:
                found |= {commit.sha: commit for commit in answers.read(tuple[RestCommit, ...], page.data)}
        return found

    def _branch_tip(self, name: str, branch: str) -> str:
        """The SHA of a branch; empty in a repository without any."""
        unknown = NotFound("branch_unknown", repo=name, branch=branch)
        try:
            if _NO_BRANCH.search(branch):
                raise unknown
            answer = self._client.get(f"/repos/{name}/branches/{quote(branch, safe='')}", unknown, remember=True)
        except NotFound:
            self._refuse_branch(name, branch)
            return ""
        return answers.read(answers.Branch, answer.data).tip

    def _refuse_branch(self, name: str, branch: str) -> None:
        """Raise NotFound that names similar branches; an empty repository has none and raises nothing."""
        answer = self._client.get(f"/repos/{name}/branches", _no_repository(name), per_page=100)
        names = [known.name for known in answers.read(tuple[answers.Branch, ...], answer.data)]
        if names:
            known = tuple(get_close_matches(branch, names, NAMED, 0))
            raise NotFound("branch_unknown", repo=name, branch=branch, known=known)

    def _described(self, repo: str, branch: str, since: datetime, until: datetime) -> tuple[Commit, ...]:
        """The commits of a period, over GraphQL, and REST for what that lacks."""
        name, line = self._history(repo, branch, _stamp(since))
        return self._commits_at(name, [place for place in line if since <= place.committed < until], {})

    def _history(self, repo: str, branch: str, since: str) -> tuple[str, tuple[Landed, ...]]:
        """The repository's name, and a branch's first-parent line down to `since`."""
        about = self._opened(repo, branch, since)
        if about.tip is None:
            return about.name, ()
        owner, _, title = repo.partition("/")
        common: dict[str, object] = {"owner": owner, "name": title, "since": since}
        tip, page = about.tip.oid, about.tip.history
        found = list(page.nodes)
        while page.has_next_page:
            position = {"tip": tip, "after": page.end_cursor}
            data = self._client.query(queries.NEXT, _no_repository(repo), **common, **position)
            page = answers.read(answers.Next, data).history
            found += page.nodes
        return about.name, answers.first_parents(map(answers.listed, found), tip)

    def _opened(self, repo: str, branch: str, since: str | None) -> answers.First:
        """A repository with the newest page of a branch's history, down to `since` if given."""
        owner, _, title = repo.partition("/")
        asked: dict[str, object] = {"owner": owner, "name": title, "since": since}
        ref = {"ref": f"refs/heads/{branch}"} if branch else {}
        text = queries.BRANCH if branch else queries.DEFAULT
        about = answers.read(answers.First, self._client.query(text, _no_repository(repo), **asked, **ref))
        self._names[repo] = about.name
        self._mailmaps[about.name] = people.mailmap(about.mailmap or "")
        if about.tip is None and branch:
            self._refuse_branch(about.name, branch)
        return about

    def _details(self, places: Sequence[Landed]) -> dict[str, answers.Detail]:
        """GraphQL's details of commits, by SHA; those that it cannot describe are left to REST."""
        found: dict[str, answers.Detail] = {}
        for start in range(0, len(places), BATCH):
            ids = [place.node for place in places[start : start + BATCH]]
            try:
                data = self._client.query(queries.DETAILS, Unavailable("github_unavailable"), ids=ids)
            except Unavailable as error:
                if error.key != "github_unavailable":
                    raise
                continue
            found |= {node.oid: node for node in answers.read(answers.Details, data).nodes if node}
        return found

    def _put_together(self, name: str, place: Landed, detail: answers.Detail | None) -> Commit:
        """A commit of a period; without details it is requested separately."""
        if detail is None:  # its labels decide whether it is reported
            missing = NotFound("commit_unknown", repo=name, sha=place.sha)
            return self._alone(name, place.sha, missing, whole=True)
        files = answers.proven_files(detail) if len(place.parents) == 1 else None
        changes = self._changed(name, place) if files is None else Changes(files)
        return answers.commit(name, place, answers.detailed(detail), changes, self._mailmap(name))

    # --- A commit ----------------------------------------------------------------------------

    def _name(self, repo: str) -> str:
        """GitHub's name of a repository; known ones are not requested again."""
        return self._names.get(repo) or self.repository(repo).name

    def _mailmap(self, name: str) -> Mailmap:
        """A repository's `.mailmap`, requested once unless the history came with it."""
        if name not in self._mailmaps:
            try:
                answer = self._client.get(f"/repos/{name}/contents/.mailmap", NotFound("commit_unknown"))
                held = answers.content(answer.data)
                text = held.decode(errors="replace") if isinstance(held, bytes) else ""
                self._mailmaps[name] = people.mailmap(text)
            except NotFound:
                self._mailmaps[name] = Mailmap()
        return self._mailmaps[name]

    def _commit_pages(self, name: str, sha: str, missing: NotFound) -> Iterator[RestCommit]:
        """A commit, page by page of its files.

        Without `per_page` a page has 300 files (docs.github.com, Get a commit).
        """
        for page in self._client.pages(f"/repos/{name}/commits/{sha}", missing):
            yield answers.read(RestCommit, page.data)

    def _without_files(self, name: str, sha: str, missing: NotFound, error: Unavailable) -> RestCommit:
        """A commit whose files GitHub cannot list, from the history that starts at it; else raises `error`."""
        if error.key != _NO_DIFF:
            raise error
        answer = self._client.get(f"/repos/{name}/commits", missing, sha=sha, per_page=1)
        return answers.read(tuple[RestCommit, ...], answer.data)[0]

    def _changed(self, name: str, place: Landed, pages: Iterable[RestCommit] = ()) -> Changes:
        """What a commit changes against its first parent, from the cache, `pages` or GitHub."""
        if kept := self._changes.get((name, place.sha)):
            return kept
        missing = NotFound("commit_unknown", repo=name, sha=place.sha)
        try:
            inner, files = self._compared(name, place, missing) if len(place.parents) > 1 else ((), None)
            if files is None:
                pages = pages or self._commit_pages(name, place.sha, missing)
                files = [file for page in pages for file in page.files]
        except Unavailable as error:
            if error.key != _NO_DIFF:
                raise
            return _NOT_SHOWN
        changes = answers.changes(files, inner, self._before(name, place, filter(answers.silent, files)))
        self._changes.keep((name, place.sha), changes, changes.size)
        return changes

    def _before(self, name: str, place: Landed, files: Iterable[ChangedFile]) -> dict[str, str]:
        """The contents of the folders of `files` before the commit, by path: a request for each of a few folders."""
        found: dict[str, str] = {}
        folders = dict.fromkeys(file.filename.rpartition("/")[0] for file in files) if place.parents else {}
        for folder in list(folders)[:FOLDERS]:
            path = f"/repos/{name}/contents/{quote(folder, errors='replace')}".rstrip("/")
            with suppress(NotFound):
                answer = self._client.get(path, NotFound("commit_unknown"), ref=place.parents[0])
                found |= {e.path: e.sha for e in answers.read(tuple[answers.Content, ...], answer.data)}
        return found

    def _compared(
        self, name: str, merge: Landed, missing: NotFound
    ) -> tuple[tuple[Written, ...], Sequence[ChangedFile] | None]:
        """What a merge brought in, oldest first, and its files; None if there may be more of them.

        Comparing a merge with its first parent gives both at once (docs.github.com, Compare two commits): files are on
        the first page. What the files of a merge commit are compared with is not documented.
        """
        path = f"/repos/{name}/compare/{merge.parents[0]}...{merge.sha}"
        found: list[Written] = []
        files: Sequence[ChangedFile] = ()
        for page in self._client.pages(path, missing, per_page=100):
            comparison = answers.read(answers.Comparison, page.data)
            files = files or comparison.files
            found += answers.inner_commits(comparison.commits, merge.sha)
            if len(found) >= INNER_COMMITS:
                break
        return tuple(found[:INNER_COMMITS]), files if len(files) < COMPARED else None


def _checked(repo: str) -> str:
    """`repo` if it has the form `owner/name`. Raises UsageError."""
    if not _REPO.fullmatch(repo):
        raise UsageError("repository_syntax", text=repo)
    return repo


def _no_repository(repo: str) -> NotFound:
    return NotFound("repository_unknown", repo=repo)


def _stamp(since: datetime) -> str:
    """The time from which to list a history. GraphQL accepts none before 1970 (its reference, `Commit.history`)."""
    return (max(since, answers.EPOCH + MARGIN) - MARGIN).strftime("%Y-%m-%dT%H:%M:%SZ")


def _at_once(work: Callable[[Landed], _Result], places: Sequence[Landed]) -> list[_Result]:
    """The results of `work` in order, several at a time; the first error ends it."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [pool.submit(work, place) for place in places]
        try:
            return [future.result() for future in futures]
        finally:
            pool.shutdown(cancel_futures=True)


# --- Settings --------------------------------------------------------------------------------


def from_settings(settings: GitHubSettings, archives: Path | None = None, zone: str = "UTC") -> GitHubSource:
    """The source for a GitHub App if one is set, else for a token, else for public repositories.

    Archives are kept below the folder `archives`; errors name times in `zone`. Raises ConfigError.
    """
    if not re.match(r"https?://[^/\s]", settings.github_url):
        raise ConfigError("github_url_wrong", url=without_credentials(settings.github_url))
    client = Client(_auth(settings), settings.github_url.rstrip("/"), now=clock(zone))
    return GitHubSource(client, archives)


def _auth(settings: GitHubSettings) -> Auth.Auth | None:
    if settings.github_app_id or settings.github_app_key or settings.github_app_installation:
        return _app(settings)
    token = settings.github_token.get_secret_value().strip()
    return Auth.Token(token) if token else None


def _app(settings: GitHubSettings) -> Auth.Auth:
    """An App's authentication, its key tried once. PyGithub renews its tokens."""
    path = settings.github_app_key
    if not settings.github_app_id or not path or not settings.github_app_installation:
        raise ConfigError("github_app_incomplete")
    try:
        app = Auth.AppAuth(settings.github_app_id, path.read_text("ascii"))
        app.create_jwt()
    except (OSError, UnicodeDecodeError):
        raise ConfigError("github_app_key_unreadable", path=path) from None
    except (PyJWTError, ValueError, TypeError, AssertionError):
        raise ConfigError("github_app_key_invalid", path=path) from None
    return app.get_installation_auth(settings.github_app_installation)
