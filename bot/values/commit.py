"""A commit, its files and patches, what is parsed from it, and the repository and releases it belongs to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal
from urllib.parse import quote

from bot.values.text import one_line


class FileStatus(StrEnum):
    """What a commit did with a file; a copy counts as added, a change of type or mode as modified."""

    ADDED = "added"
    MODIFIED = "modified"
    REMOVED = "removed"
    RENAMED = "renamed"


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file of a commit. `previous` is the path it was renamed from; counts are lines, 0 for binary."""

    path: str
    status: FileStatus = FileStatus.MODIFIED
    added: int = 0
    removed: int = 0
    previous: str | None = None
    binary: bool = False


class ChangeType(StrEnum):
    """What kind of change a commit is."""

    FEATURE = "feature"
    FIX = "fix"
    PERFORMANCE = "performance"
    REFACTOR = "refactor"
    ARCHITECTURE = "architecture"
    SECURITY = "security"
    DOCS = "docs"
    TEST = "test"
    BUILD = "build"
    DEPENDENCIES = "dependencies"
    REVERT = "revert"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Person:
    """A person who wrote a commit or a part of it: the name as shown, and the account if known."""

    name: str
    login: str | None = None


@dataclass(frozen=True, slots=True)
class Bump:
    """A dependency that a commit updates; a version that the commit does not name is empty."""

    package: str
    old: str = ""
    new: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """A commit that another one names: by the start of its SHA, its pull request's number, or its title.

    `kind` is `reverts`, `repairs` or `completes`, `backports`, or `stacked`, which means: comes after it. A counter as
    in `[2/3]` names the rest of its series by the title they share. `request` says that its number was written as that
    of a change request, `!12`, where `#12` may be an issue's.
    """

    kind: Literal["reverts", "repairs", "completes", "backports", "stacked"]
    sha: str = ""
    pull: int | None = None
    title: str = ""
    request: bool = False


@dataclass(frozen=True, slots=True)
class Series:
    """A counter in a title, such as `[2/3]`: of how many, what remains without it, and the tags and scope it shares."""

    total: str
    rest: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """What people wrote in a commit's pull request (or merge request) that its message does not say.

    `title` is on one line; `said` is what the description says to a reader, as a message's is; `issues` are the titles
    of issues that it closes. All of it is inert and bounded.
    """

    title: str = ""
    said: str = ""
    issues: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What is parsed from a commit once, when it is first seen, and stored with it: nothing else reads its message.

    `subject` is the title as people wrote it, without the number of its own pull request; for a merge, that of what
    was merged. `title` is the sentence without what comes before it (`feat(api):`, `[Core]`,
    a ticket, an emoji), `summary` also without an unknown part's name (`parser:`); `word` is what the header says,
    lower-case, `prefix` the type that it or a tag names, `types` one or two of what the commit is. `said` is what the
    body says to a reader, what users must know first, without trailers, forms and comments. `people` wrote what landed,
    the main author first; `merger` is who merged it, if that is somebody else; `bot` says that no person wrote any of
    it. `branch` is what was merged. `breaking`, `security` and `reverts` have the words that say so, or nothing.
    `labels` are those of the pull request, and `request` is what people wrote in it beyond the message, if the source
    has them.
    """

    subject: str
    title: str
    summary: str
    said: str = ""
    word: str = ""
    prefix: ChangeType | None = None
    scope: str = ""
    tags: tuple[str, ...] = ()
    types: tuple[ChangeType, ...] = (ChangeType.OTHER,)
    people: tuple[Person, ...] = ()
    merger: str = ""
    bot: bool = False
    branch: str = ""
    breaking: str = ""
    security: str = ""
    reverts: str = ""
    bumps: tuple[Bump, ...] = ()
    references: tuple[Reference, ...] = ()
    series: Series | None = None
    labels: tuple[str, ...] = ()
    request: ChangeRequest | None = None


@dataclass(frozen=True, slots=True)
class InnerCommit:
    """A commit that a merge brought in: listed under the merge, never an entry of its own."""

    sha: str
    subject: str
    author: str


SUBJECT_LENGTH, BODY_LENGTH = 1_000, 65_536
"""Characters kept of a message: what a subject has beyond begins the body."""


INNER_COMMITS = 250
"""Commits listed of a merge; GitHub lists as many of a pull request (REST API, "List commits on a pull request")."""


FILE_PATCH_BYTES, PATCH_BYTES, PATCH_LINE_LENGTH = 256 * 1024, 8 * 1024 * 1024, 4_000
"""Bytes kept of a file's patch and of a commit's, and characters of one of its lines."""


def shortened_lines(hunks: str) -> tuple[str, bool]:
    """A patch with overlong lines cut, and whether none had to be."""
    if len(hunks) <= PATCH_LINE_LENGTH:
        return hunks, True
    lines = hunks.split("\n")
    if max(map(len, lines)) <= PATCH_LINE_LENGTH:
        return hunks, True
    cut = PATCH_LINE_LENGTH - 1
    return "\n".join(line if len(line) <= PATCH_LINE_LENGTH else f"{line[:cut]}…" for line in lines), False


@dataclass(frozen=True, slots=True)
class Commit:
    """One entry of a branch's first-parent history. `committed` is the committer date, when it landed.

    `subject` and `body` are the message as written, decoded, with NUL replaced and the body kept to 64 KiB; `author`
    made it; for a merge, the person who merged. `pull` is the pull request's number; `inner` the commits a merge
    brought in, oldest first; `reading` is what all of that says.
    """

    repo: str
    sha: str
    subject: str
    body: str
    author: str
    login: str | None
    committed: datetime
    parents: tuple[str, ...]
    pull: int | None
    files: tuple[FileChange, ...]
    inner: tuple[InnerCommit, ...] = ()
    reading: Reading = field(kw_only=True)

    @property
    def short(self) -> str:
        """The first seven hex digits of the SHA."""
        return self.sha[:7]

    @property
    def added(self) -> int:
        """Lines added over all files."""
        return sum(f.added for f in self.files)

    @property
    def removed(self) -> int:
        """Lines removed over all files."""
        return sum(f.removed for f in self.files)


@dataclass(frozen=True, slots=True)
class FilePatch:
    """The hunks of one file, from the first `@@` on, without `diff --git` headers; empty for binary files.

    `complete` is False if the source left lines out (a file or a commit above the size it reads or serves).
    """

    path: str
    text: str
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Window:
    """When a period ends, what time it is now, and since when dates count if they must.

    `reported` are the SHAs of what earlier versions reported, which went by dates and remembered no tip.
    """

    since: datetime
    until: datetime
    now: datetime
    reported: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Landing:
    """What a branch has now that it did not have at an earlier tip, newest first, and up to which `tip` that goes.

    `left` says that the branch's first-parent line left that tip. If it was rewritten, `waiting` is what is not
    reported yet, and `returned` says by SHA what came back and what it was called before: by author, time and title, or
    by the files before and after. `missing` commits of the line did not, and `gone` are the newest of these; `aside` is
    what else could be reached from the tip and is gone. The last `loose` of what is new do not hold what still exists
    of the old line. `dated` says that dates decided, since the line is too long, `lost` that they did since the earlier
    tip no longer exists.
    """

    tip: str
    commits: tuple[Commit, ...] = ()
    waiting: tuple[Commit, ...] = ()
    gone: tuple[Commit, ...] = ()
    missing: int = 0
    returned: Mapping[str, str] = field(default_factory=dict)
    dated: bool = False
    lost: bool = False
    aside: tuple[Commit, ...] = ()
    loose: int = 0
    left: bool = False


@dataclass(frozen=True, slots=True)
class Links:
    """Where a repository's pages are on its host: templates with `{sha}`, `{number}`, `{path}` and `{line}` in them.

    `commit`, `change` (a pull or merge request) and `file` are whole addresses, `line` is what follows a file's, and
    `lines` what follows it for several lines, up to `{last}`. An empty one says that the host has no such page, or that
    its form is unknown. `sign` comes before the number of a pull request, as the host writes it. `tag` is the page of a
    tag, with `{name}` in it.
    """

    commit: str = ""
    change: str = ""
    file: str = ""
    line: str = ""
    sign: str = "#"
    tag: str = ""
    lines: str = ""


_BRIEF = 12
"""Digits of a SHA that name a commit of any repository that there is."""


@dataclass(frozen=True, slots=True)
class Repository:
    """What a source says about a repository: `title` is shown to people, `url` its web page (None: no links).

    `labelled` says that the source knows the labels of pull requests.

    Without `links`, as stored by earlier versions, the pages are those that GitHub has below `url`. `beside` are other
    repositories on this machine that it is read from: a worktree's own, and those that lend it objects.
    """

    name: str
    title: str
    branch: str
    url: str | None
    private: bool
    links: Links | None = None
    beside: tuple[str, ...] = ()
    labelled: bool = False

    def commit_url(self, sha: str) -> str | None:
        """The web page of a commit; None if none is known."""
        return self._pages.commit.replace("{sha}", quote(sha, safe="")) or None

    def brief_url(self, sha: str) -> str | None:
        """The web page of a commit, by the start of its SHA if its host is GitHub, which finds it by that.

        A table has many of them, and chats limit the size of a message (docs.github.com, "Autolinked references and
        URLs"; twelve digits are what git itself shortens to in the largest repositories).
        """
        page = self.commit_url(sha) or ""
        return self.commit_url(sha[:_BRIEF]) if page.startswith("https://github.com/") else page or None

    def pull_url(self, number: int) -> str | None:
        """The web page of a pull or merge request; None if none is known."""
        return self._pages.change.replace("{number}", str(number)) or None

    def release_url(self, release: "Release") -> str | None:
        """The web page of a release, or of the commit that it points at; None if none is known."""
        page = self._pages.tag.replace("{name}", quote(release.name, safe="/", errors="replace"))
        return page or self.commit_url(release.sha)

    def file_url(self, sha: str, path: str, line: int | None = None, last: int | None = None) -> str | None:
        """The web page of a file as it was at a commit, at a line of it or at those up to `last`; None if unknown.

        A path with `..` in it has none: it would lead a browser out of the repository. A host that cannot show several
        lines shows the first one.
        """
        parts = path.split("/")
        if not {".", ".."}.isdisjoint(parts):
            return None
        # An empty part, which no path in git has, stays where it is: it may not begin another address.
        place = "/".join(quote(part, safe="", errors="replace") or "%2F" for part in parts)
        page = self._pages.file.replace("{sha}", quote(sha, safe="")).replace("{path}", place)
        return page + (self._at(line, last) if page and line else "") or None

    def _at(self, line: int, last: int | None) -> str:
        form = (self._pages.lines if last else "") or self._pages.line
        return form.replace("{line}", str(line)).replace("{last}", str(last))

    def number(self, number: int) -> str:
        """A pull or merge request as its host writes it: `#12`, or `!12`."""
        return f"{self._pages.sign}{number}"

    def named(self, commit: Commit) -> str:
        """How people name a commit: by the number of its pull request, or by its SHA."""
        return self.number(commit.pull) if commit.pull is not None else commit.short

    def titled(self, commit: Commit, limit: int = 0) -> str:
        """A commit's title with the number of its pull request, once."""
        subject = one_line(commit.reading.subject, limit) or commit.short
        number = self.number(commit.pull) if commit.pull is not None else ""
        return subject if number in subject else f"{subject} ({number})"

    @property
    def _pages(self) -> Links:
        if self.links is not None:
            return self.links
        if self.url is None:
            return Links()
        commit, change = f"{self.url}/commit/{{sha}}", f"{self.url}/pull/{{number}}"
        return Links(commit, change, f"{self.url}/blob/{{sha}}/{{path}}", "#L{line}", lines="#L{line}-L{last}")


class NoteLevel(StrEnum):
    """What maintainers call a change when they tell users about it, by how much it asks of them."""

    BREAKING = "breaking"
    SECURITY = "security"
    DEPRECATION = "deprecation"
    FEATURE = "feature"
    FIX = "fix"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Note:
    """What a commit itself tells users: an entry of a changelog, a fragment of one, a changeset, or a label.

    `text` is the sentence as written, on one line, empty for a label; `path` and `line` (in the new file) say where it
    is; for a label of the pull request, `path` is empty and `label` set. `heading` is the one above it. `action` is its
    sentence that says what users must do, empty for none; `release` says that it is in the notes of a release, which
    are about earlier commits, `guessed` that no heading or name gives its level.
    """

    level: NoteLevel
    text: str = ""
    path: str = ""
    line: int | None = None
    heading: str = ""
    label: str = ""
    action: str = ""
    release: bool = False
    guessed: bool = False


@dataclass(frozen=True, slots=True)
class Release:
    """A tag that names a release: where it points, and when it was made (UTC).

    By its own time, otherwise by when its notes were published, otherwise by the commit's.
    """

    name: str
    sha: str
    made: datetime


@dataclass(frozen=True, slots=True)
class Contents:
    """What a release has that the one before it does not: its first-parent commits, newest first.

    The first `aside` of them are only on its own branch. If there are too many, `whole` is False.
    """

    shas: tuple[str, ...]
    aside: int = 0
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Twin:
    """A commit of another branch that makes the same change, and one of the branches that have it."""

    sha: str
    branch: str
