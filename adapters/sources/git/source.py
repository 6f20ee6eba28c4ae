"""The commits of git repositories, read with the `git` command."""

import re
import secrets
import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path

from adapters.sources.git import history, layout, missing, patches, tags, twins
from adapters.sources.git.clones import UNBOUNDED, Bounds, Clones, Opened
from adapters.sources.git.process import LIMITS, GitFailed, GitSlow, Limits
from adapters.sources.git.reach import Reach
from adapters.sources.git.remote import Remote, locate, parse
from adapters.sources.git.settings import GitSettings
from adapters.sources.git.tree import GitTree
from bot.commits import lookup, people, reading
from bot.commits.aftermath import MOST as MOST_LATER
from bot.commits.aftermath import followed
from bot.commits.hosts import Hosts
from bot.commits.line import Origin, contents, landing
from bot.commits.lookup import Spot
from bot.commits.people import Mailmap
from bot.commits.reading import Written
from bot.commits.releases import main_line
from bot.errors import DigestError, NotFound, Unavailable, UsageError
from bot.values import (
    EPOCH,
    Commit,
    Contents,
    FilePatch,
    Landing,
    Links,
    Look,
    Quota,
    Release,
    Repository,
    Sight,
    Twin,
    Window,
)

_NO_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\\ud800-\udfff]|\.\.|@\{|^[-/]|/$|\.$|//")
_SHA = re.compile(r"[0-9a-f]{4,64}")
_WHOLE = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_INCOMPLETE = re.compile(r"unable to read|[Cc]ould not (?:read|fetch)|missing (?:blob|tree|object)|bad object|promisor")
_NAMED = 5

_TOUCHED = 100
"""The most paths to search for commits that touch them."""

PAGE = 1_000
"""After how many commits of a line to check whether it left the old tip."""

BESIDE = 1_000
"""The most commits to read besides the line of an old tip that a rewrite removed."""


@dataclass(frozen=True)
class _Open:
    """A repository that is being read; `clone` is set if it is one of ours."""

    about: Repository
    view: layout.View
    layout: layout.Layout
    clone: Opened | None

    @property
    def title(self) -> str:
        return self.about.title

    def bring_changes(self, shas: Sequence[str]) -> None:
        """Fetch missing files that commits change. Raises NotFound, Forbidden, Unavailable, GitFailed."""
        self._bring(lambda: missing.of_changes(self.view, shas))

    def bring_files(self, sha: str, paths: Sequence[str]) -> None:
        """Fetch missing files of a commit's tree, by path. Raises NotFound, Forbidden, Unavailable, GitFailed."""
        self._bring(lambda: missing.of_files(self.view, sha, paths))

    def bring_tree(self, sha: str) -> None:
        """Fetch all missing files of a commit's tree. Raises NotFound, Forbidden, Unavailable, GitFailed."""
        self._bring(lambda: missing.of_tree(self.view, sha))

    def _bring(self, find: Callable[[], list[str]]) -> None:
        if self.clone and self.clone.partial:
            self.clone.bring(find)


class GitSource:
    """Commits of local repositories (bare, checkouts, folders in them, worktrees) and of URLs that git can clone.

    A repository's `name` is the real path of its root folder (that of a bare one is itself), or its URL without
    credentials. Nothing that a repository holds or says is ever executed, see `layout`. `credentials` are URLs with a
    user or a token in them, used whenever the same URL is asked for without; `clock` returns seconds since 1970;
    `hosts` knows where the pages of a repository are; `reach` which hosts may be contacted, all without one; `limits`
    how long git may take; `bounds` how much is kept of what is cloned.
    """

    def __init__(
        self,
        clones: Path,
        credentials: Iterable[str] = (),
        clock: Callable[[], float] = time.time,
        hosts: Hosts | None = None,
        reach: Reach | None = None,
        *,
        limits: Limits = LIMITS,
        bounds: Bounds = UNBOUNDED,
    ) -> None:
        self._clones = Clones(clones, clock, reach or Reach(), limits, bounds)
        self._limits = limits
        self._hosts = hosts or Hosts()
        self._secrets: dict[str, Remote] = {}
        for remote in filter(None, (parse(url, self._hosts) for url in credentials)):
            self._remember(remote)

    def repository(self, repo: str) -> Repository:
        """Title, default branch and web page, by the URL of the remote `origin` or the URL itself.

        Local repositories, those reached by ssh or with credentials count as private; the branch of a detached HEAD is
        empty. `beside` has other repositories on this machine that it is read from. Raises NotFound, Forbidden,
        Unavailable; UsageError for a URL that is not supported.
        """
        with self._open(repo) as opened:
            return replace(opened.about, beside=layout.beside(opened.layout))

    def group(self, name: str) -> tuple[Repository, ...]:
        """The repositories in a folder whose names start so; links to other places do not count.

        An unreadable one is included, with only its name. Raises NotFound, Forbidden for the folder.
        """
        folder, stem = layout.folder(name.removesuffix("*"))
        tops = (path for path in layout.folders(folder) if path.name.startswith(stem))
        return tuple(found for path in tops if (found := self._beneath(path)))

    def _beneath(self, path: Path) -> Repository | None:
        """The repository whose root is a folder; None if there is none."""
        try:
            found = self.repository(str(path))
        except NotFound:
            return None
        except DigestError:
            return Repository(str(path), path.name, "", None, private=True)
        return found if found.name == str(path) else None

    def commits(self, repo: str, branch: str, since: datetime, until: datetime) -> tuple[Commit, ...]:
        """The first-parent commits of a local or remote-tracking branch or tag with `since <= committed < until`.

        Newest first, by the history's order. Dates may be out of order: the walk ends after 1,000 consecutive commits
        that are older than `since`. Raises NotFound, Forbidden, Unavailable.
        """
        with self._open(repo) as opened:
            tip = _tip(opened, branch)
            if not tip:
                return ()
            with closing(_walk(opened.view, tip)) as walk:
                span = history.select(walk, since.timestamp(), until.timestamp())
            if span.last in opened.view.boundary() and not span.passed:
                raise _too_short(opened, history.moment(span.oldest))
            return _read(opened, span.shas)

    def landed(self, repo: str, branch: str, tip: str | None, window: Window) -> Landing:
        """What a branch has that it did not have at its old `tip`, see `bot.commits.line`.

        One walk that ends at the old tip. If that is not met within 1,000 commits, git is asked for ancestors, once for
        each 1,000 and about ten times if the branch left it; then the old line, and what else could be reached from the
        old tip, is read too. Raises NotFound, Forbidden, Unavailable.
        """
        with self._open(repo) as opened:
            head = _tip(opened, branch)
            return landing(_Walks(opened), head, tip, window, history.OUT_OF_ORDER) if head else Landing(tip or "")

    def commit(self, repo: str, sha: str) -> Commit:
        """The commit whose SHA starts with `sha` (4 to 64 hex digits); names of branches and tags mean nothing here.

        Raises NotFound, Forbidden, Unavailable; UsageError if several commits start so, or `sha` is not a SHA.
        """
        prefix = sha.lower()
        if not _SHA.fullmatch(prefix):
            raise UsageError("sha_invalid", sha=sha)
        with self._open(repo) as opened:
            found = _commits_by_prefix(opened.view, prefix)
            if not found:
                raise NotFound("commit_unknown", repo=opened.title, sha=sha)
            if len(found) > 1:
                raise UsageError("sha_ambiguous", sha=sha, candidates=tuple(s[:12] for s in found[:_NAMED]))
            return _read(opened, found)[0]

    def pull(self, repo: str, number: int) -> Commit:
        """The newest first-parent commit of the default branch whose message names the pull request `number`.

        Raises NotFound, Forbidden, Unavailable.
        """
        with self._open(repo) as opened:
            tip = _tip(opened, "")
            sha = _landed(opened.view, tip, number, opened.title) if tip else None
            if not sha:
                raise NotFound("pull_unknown", repo=opened.title, number=number)
            return _read(opened, [sha])[0]

    def later(self, repo: str, branch: str, commit: Commit, until: datetime) -> tuple[Commit, ...]:
        """What came after a commit on a branch and touches its files, see `bot.ports.CommitSource.later`.

        One walk down to the commit, and the reading of what it finds. Of very many files the largest count. Raises
        NotFound, Forbidden, Unavailable.
        """
        with self._open(repo, fresh=False) as opened:
            tip = _tip(opened, branch)
            paths = followed(commit)
            if not tip or not paths or _objects(opened.view, [commit.sha]) != [(commit.sha, "commit")]:
                return ()
            oldest = f"--max-age={int(commit.committed.timestamp())}"
            named = [f":(literal,top){path}" for path in paths]
            walked = ("rev-list", "--first-parent", "--timestamp", oldest, tip, f"^{commit.sha}", "--", *named)
            with closing(_printed(opened.view, *walked)) as printed:
                points = [(history.seconds(line.partition(b" ")[0]), history.text(line.split()[1])) for line in printed]
            shas = [sha for time, sha in points if time <= until.timestamp()]
            return _read_anyway(opened, shas[-MOST_LATER:])[::-1]

    def touching(self, repo: str, branch: str, paths: Sequence[str], most: int) -> tuple[Commit, ...]:
        """The newest first-parent commits of a branch that touch some files or folders, newest first.

        One walk, which ends once enough are found, and the reading of what it finds. Raises NotFound, Forbidden,
        Unavailable.
        """
        with self._open(repo, fresh=False) as opened:
            tip = _tip(opened, branch)
            named = [f":(literal,top){path}" for path in paths[:_TOUCHED] if path and "\0" not in path]
            if not tip or not named:
                return ()
            walked = ("rev-list", "--first-parent", f"--max-count={most}", tip, "--", *named)
            with closing(_printed(opened.view, *walked)) as printed:
                return _read_anyway(opened, [history.text(line) for line in printed])

    def patches(
        self, repo: str, commits: Sequence[Commit], paths: Collection[str] = ()
    ) -> Iterator[tuple[str, tuple[FilePatch, ...]]]:
        """For each commit its SHA and its patch against its first parent, in the order asked for, each once.

        With `paths`, only of those files, and only for commits that change one of them.

        One git process writes while the iteration reads; closing the iterator ends it. A file is kept to 256 KiB, a
        commit to 8 MiB and a line to 4,000 characters. Raises NotFound, Forbidden, Unavailable.
        """
        asked = list(dict.fromkeys(commit.sha for commit in commits))
        if not asked:
            return
        with self._open(repo, fresh=False) as opened:
            _refuse_unknown(opened, asked)
            opened.bring_changes(asked)
            mark = secrets.token_hex(16)
            named = ("--", *(f":(literal,top){path}" for path in paths)) if paths else ()
            command = history.log(mark, ("%H",), *history.DIFF, "--raw", "--patch", *named)
            with closing(opened.view.chunks(*command, stdin=_lines(asked))) as chunks:
                # From git 2.50 or so on a commit that changes none of the paths is printed without a patch.
                yield from ((sha, files) for sha, files in patches.read(chunks, mark) if files or not paths)

    def releases(self, repo: str, since: datetime = EPOCH) -> tuple[Release, ...]:
        """The tags that name releases, oldest first, see `bot.commits.releases`.

        One process lists every tag, one more finds what tags of tags point at. Raises NotFound, Forbidden, Unavailable.
        """
        with self._open(repo) as opened:
            return tuple(release for release in _line(opened) if release.made >= since)

    def first_releases(self, repo: str, shas: Sequence[str]) -> Mapping[str, Release | None]:
        """The first release with each commit, or None, by SHA; unknown commits are absent.

        However many commits and tags there are, the tags are listed once, the commits' dates once, and there is one
        walk from the releases that are not older than the oldest commit. Raises NotFound if a shallow clone ends on
        the way; also Forbidden, Unavailable.
        """
        with self._open(repo) as opened:
            return _first_releases(opened, _line(opened), [sha for sha in shas if _WHOLE.fullmatch(sha)])

    def contents(self, repo: str, release: Release, before: Release | None, branch: str | None = None) -> Contents:
        """What a release has that the one `before` it does not, see `bot.commits.line`.

        One walk, and about ten requests for ancestors if its branch left the line of the one before, or `branch`.
        Raises NotFound, Forbidden, Unavailable.
        """
        with self._open(repo, fresh=False) as opened:
            head = None if branch is None else _tip(opened, branch)
            return contents(_Walks(opened), release.sha, before.sha if before else "", head)

    def read(self, repo: str, shas: Sequence[str]) -> tuple[Commit, ...]:
        """The commits with these SHAs, all on one first-parent line, newest first.

        Raises NotFound, Forbidden, Unavailable.
        """
        with self._open(repo, fresh=False) as opened:
            _refuse_unknown(opened, shas)
            return _read(opened, shas)

    def notes(self, repo: str, names: Sequence[str]) -> Mapping[str, str]:
        """The messages of releases' tags by name, without signatures. Raises NotFound, Forbidden, Unavailable.

        One process for each name, which ends once enough is read.
        """
        with self._open(repo, fresh=False) as opened:
            known = [name for name in dict.fromkeys(names) if not _NO_REF.search(name)]
            said = ((name, tags.message(_begun(opened.view, f"refs/tags/{name}", tags.NOTES))) for name in known)
            return {name: text for name, text in said if text}

    def twins(self, repo: str, commit: Commit) -> tuple[Twin, ...]:
        """The commits of other branches with the same patch that touch the same files within half a year.

        One process lists these, one reads their patches, and one more for each that is the same finds its branches.
        Raises NotFound, Forbidden, Unavailable.
        """
        with self._open(repo, fresh=False) as opened:
            return twins.found(opened.view, commit, opened.about.branch, opened.bring_changes)

    def look(self, repo: str, commit: Commit, looks: Sequence[Look]) -> tuple[Sight, ...]:
        """The results of `looks` in the tree at `commit`, in order, see `bot.commits.lookup`.

        One process searches for all words, one reads all files; an incomplete tree of a partial clone is not searched.
        Raises NotFound for an unknown commit, Forbidden, Unavailable.
        """
        with self._open(repo, fresh=False) as opened:
            known = _objects(opened.view, [commit.sha]) if _WHOLE.fullmatch(commit.sha) else []
            if known != [(commit.sha, "commit")]:
                raise NotFound("commit_unknown", repo=opened.title, sha=commit.sha)
            opened.bring_tree(commit.sha)
            opened.bring_changes([commit.sha])
            return lookup.answer(commit, looks, GitTree(opened.view, commit.sha))

    def text(self, repo: str, branch: str, paths: Sequence[str]) -> str | None:
        """The content of the first of some paths that is a file at a branch's tip, see `bot.ports.CommitSource.text`.

        Raises NotFound, Forbidden, Unavailable.
        """
        with self._open(repo, fresh=False) as opened:
            tip = _tip(opened, branch)
            if not tip:
                return None
            opened.bring_files(tip, paths)
            known = dict(GitTree(opened.view, tip).contents([Spot(tip, path) for path in paths]))
            held = next((known[spot] for path in paths if known[spot := Spot(tip, path)] != lookup.NO_PATH), None)
            return history.text(held) if isinstance(held, bytes) else None

    def quota(self) -> Quota | None:
        """None: git has no such limit."""
        return None

    def forget(self, repo: str) -> bool:
        """Delete the clone of a repository; return whether there was one."""
        place = locate(repo, self._hosts)
        return isinstance(place, Remote) and self._clones.forget(place)

    def retain(self, followed: Iterable[str], since: datetime) -> int:
        """Delete the clones unused since a time, except those of `followed` repositories; return how many."""
        places = (parse(repo, self._hosts) for repo in followed)
        return self._clones.retain(filter(None, places), since.timestamp())

    def size(self) -> int:
        """Bytes of all clones."""
        return self._clones.size()

    def _remember(self, remote: Remote) -> Remote:
        """`remote`, with the credentials last seen for its URL if it has none."""
        if remote.credentials:
            self._secrets[remote.url] = remote
        return self._secrets.get(remote.url, remote)

    @contextmanager
    def _open(self, repo: str, *, fresh: bool = True) -> Iterator[_Open]:
        """Find, and for a URL fetch, a repository; git's failures become errors of the port."""
        place = locate(repo, self._hosts)
        if not isinstance(place, Remote):
            with self._viewed(place, None, None) as opened:
                yield opened
            return
        remote = self._remember(place)
        with self._clones.opened(remote, fresh=fresh) as clone, self._viewed(str(clone.path), remote, clone) as opened:
            yield opened

    @contextmanager
    def _viewed(self, path: str, remote: Remote | None, clone: Opened | None) -> Iterator[_Open]:
        """A repository on this disk, which may be the clone of a remote one."""
        found = layout.find(path)
        entries = layout.config(found)
        about = _about(found, remote, remote or parse(entries.get("remote.origin.url", ""), self._hosts))
        try:
            with layout.view(found, entries, self._limits) as view:
                yield _Open(about, view, found, clone)
        except GitFailed as failed:
            raise _error(failed, about.title) from None


def _about(found: layout.Layout, remote: Remote | None, known: Remote | None) -> Repository:
    """A repository from its HEAD, the URL it was requested with, and its `known` one."""
    address = known.address if known else None
    ref = layout.head(found)
    return Repository(
        name=remote.url if remote else str(found.top),
        title=(address and address.title) or (remote and remote.url) or found.top.name.removesuffix(".git"),
        branch=ref.removeprefix("ref: refs/heads/").strip() if ref.startswith("ref: refs/heads/") else "",
        url=address.web if address else None,
        private=remote.private if remote else True,
        links=address.links if address else Links(),
    )


def _error(failed: GitFailed, title: str) -> NotFound | Unavailable:
    """The error for a repository that git could not read."""
    if _INCOMPLETE.search(str(failed)):
        return NotFound("repository_incomplete", repo=title)
    if isinstance(failed, GitSlow):
        return Unavailable("git_slow", repo=title)
    last = str(failed).strip().rpartition("\n")[2]
    return Unavailable("git_failed", repo=title, problem=last[:200])


def _lines(shas: Iterable[str]) -> bytes:
    """SHAs as git reads them from its standard input."""
    return "".join(f"{sha}\n" for sha in shas).encode()


def _tip(opened: _Open, branch: str) -> str:
    """The SHA of a branch or tag, of HEAD when empty; itself empty for a repository without commits.

    Raises NotFound with up to five existing branches.
    """
    kinds = ("heads/", "remotes/", "tags/", "remotes/origin/")
    names = ["HEAD"] if branch in {"", "HEAD"} else [f"refs/{kind}{branch}" for kind in kinds]
    wanted = [] if _NO_REF.search(branch) else names
    objects = _objects(opened.view, [f"{name}^{{commit}}" for name in wanted])
    sha = next((sha for sha, kind in objects if kind == "commit"), "")
    known = [] if sha else _branches(opened)
    if known:
        missing = branch or opened.about.branch
        raise NotFound("branch_unknown", repo=opened.title, branch=missing, known=tuple(known[:_NAMED]))
    if branch and not sha and branch != opened.about.branch:
        raise NotFound("branch_none", repo=opened.title, branch=branch)
    return sha


def _objects(view: layout.View, names: Sequence[str]) -> list[tuple[str, str]]:
    """SHA and type of each object named; the name and `missing` (or `ambiguous`) if there is none."""
    said = view.run("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=_lines(names))
    return [(line.rpartition(" ")[0], line.rpartition(" ")[2]) for line in said.decode(errors="replace").splitlines()]


def _branches(opened: _Open) -> list[str]:
    """The branches' names, the default one first, then local before remote-tracking ones."""
    said = opened.view.run("for-each-ref", "--format=%(refname)", "refs/heads", "refs/remotes")
    refs = [ref for ref in said.decode(errors="replace").splitlines() if not ref.endswith("/HEAD")]
    names = [ref.removeprefix("refs/heads/").removeprefix("refs/remotes/") for ref in refs]
    return sorted(names, key=lambda name: name != opened.about.branch)


def _line(opened: _Open) -> tuple[Release, ...]:
    """The releases of a repository, oldest first."""
    said = opened.view.run(*tags.LIST)
    inner = tags.nested(said)
    objects = _objects(opened.view, [f"{sha}^{{commit}}" for sha in inner]) if inner else []
    peeled = {tag: sha for tag, (sha, kind) in zip(inner, objects, strict=True) if kind == "commit"}
    return main_line(tags.releases(said, peeled), opened.title)


def _first_releases(opened: _Open, line: Sequence[Release], shas: Sequence[str]) -> dict[str, Release | None]:
    """The first of `line` with each of `shas`, or None.

    Releases older than all of them are assumed to have none, which shortens the walk. A commit that one of them does
    have, because its date is wrong, is not found: then everything is walked.
    """
    asked = _dated(opened.view, shas)
    if not asked:
        return {}
    old = [release for release in line if release.made < history.moment(min(asked.values()))]
    found = dict(_held(opened, line[len(old) :], asked, old))
    if missing := asked.keys() - found.keys():
        found |= _held(opened, line, missing, ())
    return {sha: found.get(sha) for sha in asked}


def _dated(view: layout.View, shas: Sequence[str]) -> dict[str, int]:
    """SHA and committer time of those of `shas` that are commits here."""
    found = map(tags.step, view.run(*tags.DATES, stdin=_lines(shas)).splitlines())
    return {commit.sha: commit.time for commit in found if commit.sha in shas}


def _held(
    opened: _Open, line: Sequence[Release], asked: Collection[str], left_out: Iterable[Release]
) -> Mapping[str, Release | None]:
    """The first of `line` with each of `asked`, except those that one of `left_out` has."""
    starts = [*(release.sha for release in line), *asked, *(f"^{release.sha}" for release in left_out)]
    with closing(_printed(opened.view, *tags.WALK, stdin=_lines(starts))) as printed:
        walked = tags.holding(map(tags.step, printed), line, asked, opened.view.boundary())
    if walked.cut is not None:
        raise _too_short(opened, history.moment(walked.cut))
    return walked.first


def _walk(view: layout.View, tip: str) -> Generator[tuple[int, str], None, None]:
    """Committer time and SHA of `tip` and its first parents, as git writes them."""
    with closing(_printed(view, "rev-list", "--first-parent", "--timestamp", tip, "--")) as printed:
        for line in printed:
            seconds, _, sha = line.decode("ascii").partition(" ")
            yield history.seconds(seconds), sha


@dataclass(frozen=True, slots=True)
class _Point:
    """A commit of a walk."""

    sha: str
    committed: datetime


class _Walks:
    """The lines of a repository that is open, as `bot.commits.line` asks for them."""

    def __init__(self, opened: _Open) -> None:
        self._opened = opened
        self._view = opened.view

    def pages(self, tip: str) -> Iterator[list[_Point]]:
        page: list[_Point] = []
        with closing(_walk(self._view, tip)) as walk:
            points = (_Point(sha, history.moment(time)) for time, sha in walk)
            while some := list(islice(points, PAGE)):
                page = some
                yield page
        if page and page[-1].sha in self._view.boundary():
            raise _too_short(self._opened, page[-1].committed)

    def holds(self, tip: str, sha: str) -> bool:
        """See git-merge-base(1): it exits with 1, without output, if it cannot be reached."""
        try:
            self._view.run("merge-base", "--is-ancestor", sha, tip)
        except GitFailed as failed:
            if not str(failed).strip():
                return False
            if _objects(self._view, [tip]) != [(tip, "commit")]:
                raise NotFound("commit_unknown", repo=self._opened.title, sha=tip) from None
            raise
        return True

    def read(self, points: Sequence[_Point]) -> tuple[Commit, ...]:
        try:
            return _read(self._opened, [point.sha for point in points])
        except GitFailed as failed:
            raise _error(failed, self._opened.title) from None

    def beside(self, tip: str, head: str) -> list[_Point]:
        span = ("--no-merges", "--timestamp", f"--max-count={BESIDE}", tip, f"^{head}", "--")
        with closing(_printed(self._view, "rev-list", *span)) as printed:
            rows = [history.text(line).split() for line in printed]
        return [_Point(sha, history.moment(history.seconds(time))) for time, sha in rows]

    def origins(self, points: Sequence[_Point]) -> dict[str, Origin]:
        if not points:
            return {}
        mark = secrets.token_hex(16)
        command = history.log(mark, ("%H", "%an <%ae> %at %s", "%T", "%P"), "--no-patch")
        with closing(self._view.chunks(*command, stdin=_lines(point.sha for point in points))) as chunks:
            found = (map(history.text, fields[:4]) for fields in history.records(chunks, mark))
            return {sha: Origin(written, tree, parents.partition(" ")[0]) for sha, written, tree, parents in found}


def _printed(view: layout.View, *arguments: str, stdin: bytes = b"") -> Generator[bytes, None, None]:
    """The lines that git prints, as they come; closing the iterator ends the process."""
    rest = b""
    with closing(view.chunks(*arguments, stdin=stdin)) as chunks:
        for chunk in chunks:
            *whole, rest = (rest + chunk).split(b"\n")
            yield from whole


def _read_anyway(opened: _Open, shas: Sequence[str]) -> tuple[Commit, ...]:
    """As `_read`; if a file's content is missing, without line counts and renames, which need it."""
    try:
        return _read(opened, shas)
    except GitFailed as failed:
        if not _INCOMPLETE.search(str(failed)):
            raise
    return _read(opened, shas, "--raw", "--no-renames")


def _read(opened: _Open, shas: Sequence[str], *how: str) -> tuple[Commit, ...]:
    """The commits `shas`, all on one first-parent history, newest first; `how` are git's options for listing files."""
    if not shas:
        return ()
    opened.bring_changes(shas)
    mark, mailmap = secrets.token_hex(16), _mailmap(opened.view)
    command = history.log(mark, history.FIELDS, *history.DIFF, *(how or ("--raw", "--numstat")))
    with closing(opened.view.chunks(*command, stdin=_lines(shas))) as chunks:
        found = tuple(history.record(fields, mailmap) for fields in history.records(chunks, mark))
    cut = opened.view.boundary()
    if end := next((each for each in found if each.written.sha in cut), None):
        raise _too_short(opened, end.committed)  # its parents are missing: it would seem to add every file
    merges = [(each.written.sha, *each.parents) for each in found if len(each.parents) > 1]
    inner = _inner(opened.view, merges, mailmap) if merges else {}
    return tuple(
        reading.commit(
            opened.about.name,
            each.written,
            committed=each.committed,
            parents=each.parents,
            changes=each.files,
            inner=inner.get(each.written.sha, ()),
            mailmap=mailmap,
            place=opened.title,
        )
        for each in found
    )


def _mailmap(view: layout.View) -> Mailmap:
    """The tip's `.mailmap`, read to a limit."""
    kind, text = _begun(view, "HEAD:.mailmap", people.MAILMAP_BYTES)
    return people.mailmap(history.text(text)) if kind == b"blob" else Mailmap()


def _begun(view: layout.View, name: str, limit: int) -> tuple[bytes, bytes]:
    """The type of an object and the beginning of its content, slightly more than `limit` bytes at most."""
    kept: list[bytes] = []
    with closing(view.chunks("cat-file", "--batch", stdin=f"{name}\n".encode(errors="replace"))) as chunks:
        for chunk in chunks:
            kept.append(chunk)
            if sum(map(len, kept)) > limit:
                break
    head, _, text = b"".join(kept).partition(b"\n")
    return next(iter(head.split()[1:2]), b""), text


def _inner(view: layout.View, merges: Sequence[Sequence[str]], mailmap: Mailmap) -> dict[str, tuple[Written, ...]]:
    """The commits that each of `merges`, (SHA, parents …) newest first, brought in: two processes for all of them."""
    span = [merges[0][0], f"^{merges[-1][1]}", "--"]
    said = view.run("rev-list", "--parents", "--date-order", *span, seconds=view.limits.stream)
    rows = (line.split() for line in said.decode("ascii").splitlines())
    brought = history.brought(merges, {sha: parents for sha, *parents in rows})
    mark = secrets.token_hex(16)
    asked = dict.fromkeys(sha for shas in brought.values() for sha in shas)
    command = history.log(mark, history.FIELDS, "--no-patch")
    with closing(view.chunks(*command, stdin=_lines(asked))) as chunks:
        written = (history.written(fields, mailmap) for fields in history.records(chunks, mark)) if asked else ()
        known = {each.sha: each for each in written}
    return {sha: tuple(known[inner] for inner in shas) for sha, shas in brought.items()}


def _commits_by_prefix(view: layout.View, prefix: str) -> list[str]:
    """The SHAs of the commits that start with `prefix`; no ref and no other object counts."""
    objects = view.run("rev-parse", f"--disambiguate={prefix}").decode("ascii").split()
    return [sha for sha, kind in _objects(view, objects) if kind == "commit"]


def _landed(view: layout.View, tip: str, number: int, place: str) -> str | None:
    """The SHA of the newest first-parent commit of `tip` whose message names the pull request as its own."""
    named = ["--extended-regexp", f"--grep=(^|[^0-9]){number}([^0-9]|$)"]
    mark = secrets.token_hex(16)
    form = ["-z", "--encoding=UTF-8", f"--format={mark}%H%x00%B", "--no-patch", "--no-mailmap"]
    likely = None
    with closing(view.chunks("log", "--first-parent", *form, *named, tip, "--")) as chunks:
        for sha, message, *_ in history.records(chunks, mark):
            found, sure = reading.number_of(history.text(message), place)
            if found == number and sure:
                return history.text(sha)
            likely = likely or (history.text(sha) if found == number else None)
    return likely


def _refuse_unknown(opened: _Open, shas: Sequence[str]) -> None:
    """Raise NotFound for the first of `shas` that is not a commit here, or whose parents a shallow clone lacks."""
    if odd := next((sha for sha in shas if not _SHA.fullmatch(sha)), None):
        raise NotFound("commit_unknown", repo=opened.title, sha=odd)
    cut = opened.view.boundary()
    for asked, (sha, kind) in zip(shas, _objects(opened.view, shas), strict=True):
        if kind != "commit" or sha != asked:
            raise NotFound("commit_unknown", repo=opened.title, sha=asked)
    if cut.intersection(shas):
        _read(opened, sorted(cut.intersection(shas)))


def _too_short(opened: _Open, reaches: datetime) -> NotFound:
    """The error for a shallow clone; `reaches` is a date."""
    return NotFound("history_too_short", repo=opened.title, reaches=f"{reaches:%Y-%m-%d}")


def from_settings(settings: GitSettings, hosts: Hosts, named: Callable[[str], bool] | None = None) -> GitSource:
    """The configured source, with its folder for clones and the credentials of its default repository.

    `named` says whether the operator named a host; None if only the operator asks. Raises ConfigError.
    """
    credentials = [settings.digest_repo, *settings.digest_allow]
    bounds = Bounds(settings.digest_clones_most, settings.digest_clones_gb * 10**9)
    return GitSource(settings.digest_clones, credentials, hosts=hosts, reach=Reach(named), bounds=bounds)
