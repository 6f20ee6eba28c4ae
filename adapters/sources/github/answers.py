"""Validates GitHub's answers, and converts them to commits, files and patches. Pure.

Sources: docs.github.com, REST API endpoints for commits, for pull requests and for repositories; GraphQL reference.
"""

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, TypeVar, cast

from pydantic import (
    AfterValidator,
    AliasGenerator,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.alias_generators import to_camel

from bot.commits import hosts, lookup, reading, request
from bot.commits.people import Mailmap, Signature
from bot.commits.reading import Written
from bot.commits.request import Requested
from bot.errors import Unavailable
from bot.values import (
    FILE_PATCH_BYTES,
    PATCH_BYTES,
    Commit,
    FileChange,
    FilePatch,
    FileStatus,
    Release,
    Repository,
    shortened_lines,
)

INNER_LENGTH = 4_000
"""Characters kept of a merged commit's message."""

EMPTY_BLOB = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
"""The object id of an empty file (`git hash-object /dev/null`)."""

_STATUS = {
    "added": FileStatus.ADDED,
    "copied": FileStatus.ADDED,
    "removed": FileStatus.REMOVED,
    "deleted": FileStatus.REMOVED,
    "renamed": FileStatus.RENAMED,
}


_Kind = TypeVar("_Kind")
_adapter: Callable[[object], TypeAdapter[Any]] = cache(TypeAdapter)


def read(kind: type[_Kind], data: object) -> _Kind:
    """Validate an answer. Raises Unavailable if it is not as documented."""
    try:
        return cast(_Kind, _adapter(kind).validate_python(data))
    except ValidationError:
        raise Unavailable("github_unavailable") from None


def _moment(value: object, parse: ValidatorFunctionWrapHandler) -> datetime:
    """Parse a date; an impossible one, as a commit may have, becomes 1970."""
    try:
        found: datetime = parse(value)
        return found.astimezone(UTC)
    except (ValidationError, OverflowError):
        return EPOCH


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Moment = Annotated[datetime, WrapValidator(_moment)]
Description = Annotated[str | None, AfterValidator(lambda text: text and text[: request.READ])]
"""A description, cut to what is read."""
NOTES = 120_000
"""The most characters kept of a release's notes."""
Notes = Annotated[str | None, AfterValidator(lambda text: text and text[:NOTES])]


# --- REST ------------------------------------------------------------------------------------


class Actor(BaseModel):
    """An author or committer in a commit; without `login` if the account is gone, and in REST."""

    name: str | None = None
    email: str | None = None
    date: Moment = EPOCH
    login: str | None = Field(default=None, validation_alias=AliasPath("user", "login"))


class Parent(BaseModel):
    """A parent of a commit."""

    sha: str


class ChangedFile(BaseModel):
    """A file of a commit. `patch` is absent for a binary file and for one that is too long."""

    filename: str
    status: str
    additions: int
    deletions: int
    sha: str | None = None
    patch: str | None = None
    previous_filename: str | None = None


class Content(BaseModel):
    """An entry of a folder, of which GitHub lists 1,000 (docs.github.com, Get repository content)."""

    path: str
    sha: str


class TextFile(BaseModel):
    """A file with its content, which GitHub leaves out above 1 MB (docs.github.com, Get repository content)."""

    type: str = "file"
    content: str = ""
    encoding: str = ""


class RestCommit(BaseModel):
    """A commit of the REST API."""

    sha: str
    node_id: str
    message: str = Field(validation_alias=AliasPath("commit", "message"))
    author: Actor | None = Field(default=None, validation_alias=AliasPath("commit", "author"))
    committer: Actor | None = Field(default=None, validation_alias=AliasPath("commit", "committer"))
    login: str | None = Field(default=None, validation_alias=AliasPath("author", "login"))
    parents: tuple[Parent, ...]
    tree: str = Field(default="", validation_alias=AliasPath("commit", "tree", "sha"))
    files: tuple[ChangedFile, ...] = ()


class Comparison(BaseModel):
    """The commits between two, oldest first, and the files between them."""

    commits: tuple[RestCommit, ...]
    files: tuple[ChangedFile, ...] = ()
    status: str = ""


class RestRepository(BaseModel):
    """A repository."""

    full_name: str
    default_branch: str
    html_url: str
    private: bool
    archived: bool = False


class Branch(BaseModel):
    """A branch and its tip."""

    name: str
    tip: str = Field(validation_alias=AliasPath("commit", "sha"))


class Label(BaseModel):
    """A label of a pull request."""

    name: str


class Pull(BaseModel):
    """A pull request."""

    number: int
    merged: bool
    merge_commit_sha: str | None = None
    title: str = ""
    body: Description = None
    labels: tuple[Label, ...] = ()


class RateLimit(BaseModel):
    """How many REST requests are left, and the epoch second at which the limit resets."""

    model_config = ConfigDict(
        alias_generator=AliasGenerator(validation_alias=lambda name: AliasPath("resources", "core", name))
    )

    limit: int
    remaining: int
    reset: int


# --- GraphQL ---------------------------------------------------------------------------------


class _Camel(BaseModel):
    """GraphQL's fields are in camel case."""

    model_config = ConfigDict(alias_generator=to_camel)


class Oid(BaseModel):
    """A commit with only its SHA."""

    oid: str


class Listed(_Camel):
    """A commit of a history, with few fields."""

    id: str
    oid: str
    committed_date: Moment
    authored_date: Moment
    message_headline: str
    author: Actor | None = None
    parents: tuple[Oid, ...] = Field(validation_alias=AliasPath("parents", "nodes"))
    tree: str = Field(default="", validation_alias=AliasPath("tree", "oid"))


class _Page(_Camel):
    """A page of a list, and where the next one starts."""

    has_next_page: bool = Field(validation_alias=AliasPath("pageInfo", "hasNextPage"))
    end_cursor: str | None = Field(default=None, validation_alias=AliasPath("pageInfo", "endCursor"))


class History(_Page):
    """A page of a history."""

    nodes: tuple[Listed, ...]


class Tip(BaseModel):
    """A commit with the history that ends in it."""

    oid: str
    history: History


class First(BaseModel):
    """A repository with the first page of a branch's history; no `tip`: no such branch, or none at all."""

    name: str = Field(validation_alias=AliasPath("repository", "nameWithOwner"))
    mailmap: str | None = Field(default=None, validation_alias=AliasPath("repository", "mailmap", "text"))
    tip: Tip | None = Field(default=None, validation_alias=AliasPath("repository", "tip", "target"))


class Next(BaseModel):
    """A later page."""

    history: History = Field(validation_alias=AliasPath("repository", "tip", "history"))


class Line(BaseModel):
    """The history that ends in a commit; None if there is no such commit."""

    tip: Tip | None = Field(default=None, validation_alias=AliasPath("repository", "tip"))


class TagTarget(_Camel):
    """What a tag points at: a commit, another tag, or something else, about which nothing is known."""

    oid: str = ""
    committed_date: Moment = EPOCH
    tagger: Actor | None = None
    target: "TagTarget | None" = None


class TagRef(BaseModel):
    """A tag."""

    name: str
    target: TagTarget | None = None


class TagRefs(_Page):
    """A page of the tags."""

    nodes: tuple[TagRef | None, ...]


class Tags(BaseModel):
    """A repository with a page of its tags."""

    name: str = Field(validation_alias=AliasPath("repository", "nameWithOwner"))
    refs: TagRefs | None = Field(default=None, validation_alias=AliasPath("repository", "refs"))


class TagCommit(_Camel):
    """The commit of a published release."""

    oid: str
    committed_date: Moment = EPOCH


class PublishedRelease(_Camel):
    """A published release; without a commit if its tag is gone. Drafts are only visible to people who can push."""

    tag_name: str
    is_draft: bool
    published_at: Moment = EPOCH
    tag_commit: TagCommit | None = None


class Published(BaseModel):
    """The published releases of a repository."""

    nodes: tuple[PublishedRelease | None, ...] = Field(validation_alias=AliasPath("repository", "releases", "nodes"))


class PublishedTag(_Camel):
    """The notes published with a tag, cut to what is read."""

    is_draft: bool
    description: Notes = None


class PublishedTags(BaseModel):
    """The notes published with tags, by alias; None if there are none."""

    repository: dict[str, PublishedTag | None]


class Places(BaseModel):
    """Commits by alias; None for one that does not exist."""

    repository: dict[str, Listed | None]


class Branches(BaseModel):
    """A page of a repository's branches."""

    refs: TagRefs = Field(validation_alias=AliasPath("repository", "refs"))


class Sized(Listed):
    """A commit of a history, with its size."""

    additions: int
    deletions: int


class Touching(BaseModel):
    """The commits of a branch that touch a file."""

    nodes: tuple[Sized, ...] = Field(default=(), validation_alias=AliasPath("target", "history", "nodes"))


class AllTouching(BaseModel):
    """Those of several branches, by alias; None for a branch that no longer exists."""

    repository: dict[str, Touching | None]


class Dated(_Camel):
    """A commit's date; None if the object is not a commit."""

    committed_date: Moment | None = None


class Dates(BaseModel):
    """Commits by alias; None for one that does not exist."""

    repository: dict[str, Dated | None]


class Compared(BaseModel):
    """How a commit relates to a tag, empty if GitHub cannot compare them."""

    status: str = Field(default="", validation_alias=AliasPath("compare", "status"))


class Comparisons(BaseModel):
    """Comparisons by alias; None for a tag that no longer exists."""

    repository: dict[str, Compared | None]


class PullFile(_Camel):
    """A file of a pull request."""

    path: str
    additions: int
    deletions: int
    change_type: str


class Issue(BaseModel):
    """An issue that a pull request closes, and the repository it is in."""

    title: str
    repository: str = Field(validation_alias=AliasPath("repository", "nameWithOwner"))


class MergedPull(_Camel):
    """A pull request to which a commit belongs; of its files at most a hundred.

    A token without rights on issues gets none, or null for each (GraphQL reference, PullRequest).
    """

    number: int
    merged: bool
    title: str = ""
    body: Description = None
    repository: str = Field(default="", validation_alias=AliasPath("repository", "nameWithOwner"))
    issues: tuple[Issue | None, ...] | None = Field(
        default=None, validation_alias=AliasPath("closingIssuesReferences", "nodes")
    )
    merge_commit: str | None = Field(default=None, validation_alias=AliasPath("mergeCommit", "oid"))
    commit_count: int = Field(validation_alias=AliasPath("commits", "totalCount"))
    labels: tuple[Label, ...] = Field(default=(), validation_alias=AliasPath("labels", "nodes"))
    files: tuple[PullFile, ...] | None = Field(default=None, validation_alias=AliasPath("files", "nodes"))
    file_count: int = Field(default=0, validation_alias=AliasPath("files", "totalCount"))


class Detail(_Camel):
    """A commit's message, author and sizes. The sizes are those of its difference from the first parent."""

    oid: str
    message: str
    author: Actor | None = None
    additions: int
    deletions: int
    changed_files_if_available: int | None = None
    pulls: tuple[MergedPull, ...] = Field(default=(), validation_alias=AliasPath("associatedPullRequests", "nodes"))

    @property
    def pull(self) -> MergedPull | None:
        """The merged pull request that brought the commit in."""
        return next((pull for pull in self.pulls if pull.merged), None)


class Details(BaseModel):
    """Several commits; None if GitHub could not say."""

    nodes: tuple[Detail | None, ...]


# --- What they mean --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Landed:
    """A commit's place in a history. `node` is its ID in GraphQL, `tree` the SHA of its tree.

    `origin` is its author, author date and title.
    """

    sha: str
    node: str
    committed: datetime
    parents: tuple[str, ...]
    origin: str = ""
    tree: str = ""


@dataclass(frozen=True, slots=True)
class DeliveredCommit:
    """A commit's own data, and its pull request as GitHub knows it."""

    message: str
    author: Signature
    pull: int | None = None
    labels: tuple[str, ...] = ()
    request: Requested | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What a commit changes against its first parent; not `shown` if GitHub cannot make the diff."""

    files: tuple[FileChange, ...]
    patches: tuple[FilePatch, ...] = ()
    inner: tuple[Written, ...] = ()
    shown: bool = True

    @property
    def size(self) -> int:
        """About how many bytes of memory it uses."""
        return sum(len(p.text) + 300 for p in self.patches) + sum(len(w.message) + 300 for w in self.inner) + 300


def content(data: object) -> lookup.Content:
    """The content of a path in a commit, or why it cannot be read. Raises Unavailable."""
    if isinstance(data, list):
        return lookup.FOLDER
    file = read(TextFile, data)
    if file.type != "file":
        return {"symlink": lookup.LINK, "submodule": lookup.SUBMODULE}.get(file.type, lookup.UNREADABLE)
    if file.encoding != "base64":
        return lookup.TOO_LARGE if file.encoding == "none" else lookup.UNREADABLE
    try:
        return base64.b64decode(file.content, validate=False)
    except ValueError:
        raise Unavailable("github_unavailable") from None


def repository(answer: RestRepository, *, labelled: bool) -> Repository:
    """The repository as a value of the core; `labelled` says that its commits have labels."""
    name, web = answer.full_name, answer.html_url
    links = hosts.links(hosts.Kind.GITHUB, web)
    return Repository(name, name, answer.default_branch, web, answer.private, links, labelled=labelled)


@dataclass(frozen=True, slots=True)
class Tagged:
    """A tag, the date of its commit, and whether it has a time of its own."""

    release: Release
    committed: datetime
    timed: bool


def tag(ref: TagRef) -> Tagged | None:
    """A tag; None if it does not point at a commit."""
    target = ref.target
    tagger = target.tagger if target else None
    while target and target.target:
        target = target.target
    if target is None or not target.oid:
        return None
    timed = bool(tagger and tagger.date != EPOCH)
    made = tagger.date if tagger and timed else target.committed_date
    return Tagged(Release(ref.name, target.oid, made), target.committed_date, timed)


def published(tags: Iterable[Tagged], releases: Iterable[PublishedRelease | None]) -> tuple[Release, ...]:
    """Combine tags and published releases: a tag without a time of its own was made when it was published.

    A release says where its tag points if that is not among `tags`.
    """
    known = {one.tag_name: one for one in releases if one and not one.is_draft and one.published_at != EPOCH}
    made = [
        replace(one.release, made=known[one.release.name].published_at)
        if one.release.name in known and not one.timed
        else one.release
        for one in tags
    ]
    left = known.keys() - {release.name for release in made}
    more = [(one, one.tag_commit) for name, one in known.items() if name in left]
    return (*made, *(Release(one.tag_name, at.oid, one.published_at) for one, at in more if at))


def holds(compared: Compared | None) -> bool:
    """Whether a tag contains a commit, which then is identical or behind (GraphQL reference, ComparisonStatus).

    If there is no comparison they have no common history: REST then says "No common ancestor between …".
    """
    return compared is not None and compared.status in {"BEHIND", "IDENTICAL"}


def landed(commit: RestCommit) -> Landed:
    """The place of a commit of the REST API."""
    when = (commit.committer or Actor()).date
    author = commit.author or Actor()
    origin = _origin(author, author.date, commit.message.partition("\n")[0])
    return Landed(commit.sha, commit.node_id, when, tuple(p.sha for p in commit.parents), origin, commit.tree)


def listed(commit: Listed) -> Landed:
    """The place of a commit of GraphQL."""
    parents = tuple(parent.oid for parent in commit.parents)
    origin = _origin(commit.author or Actor(), commit.authored_date, commit.message_headline)
    return Landed(commit.oid, commit.id, commit.committed_date, parents, origin, commit.tree)


def _origin(author: Actor, authored: datetime, title: str) -> str:
    return f"{author.name} <{author.email}> {authored} {title}"


def first_parents(commits: Iterable[Landed], tip: str) -> tuple[Landed, ...]:
    """Those of `commits` on the first-parent line down from `tip`, newest first."""
    by_sha = {commit.sha: commit for commit in commits}
    line = []
    while found := by_sha.pop(tip, None):
        line.append(found)
        tip = found.parents[0] if found.parents else ""
    return tuple(line)


def delivered(commit: RestCommit) -> DeliveredCommit:
    """The data of a commit of the REST API."""
    return DeliveredCommit(commit.message, _signature(commit.author, commit.login))


def detailed(detail: Detail) -> DeliveredCommit:
    """The data of a commit of GraphQL."""
    pull = detail.pull
    signed = _signature(detail.author, detail.author.login if detail.author else None)
    if pull is None:
        return DeliveredCommit(detail.message, signed)
    # Readers of this repository may not be allowed to read others, whose issues may be closed from here.
    issues = tuple(issue.title for issue in pull.issues or () if issue and issue.repository == pull.repository)
    written = Requested(pull.title, pull.body or "", issues)
    return DeliveredCommit(detail.message, signed, pull.number, _names(pull.labels), written)


def asked(words: DeliveredCommit, pull: Pull) -> DeliveredCommit:
    """A commit's data with that of its pull request, requested by number, unless that is known."""
    if words.request:
        return words
    return replace(words, pull=pull.number, labels=_names(pull.labels), request=Requested(pull.title, pull.body or ""))


def _names(labels: Iterable[Label]) -> tuple[str, ...]:
    return tuple(label.name for label in labels)


def commit(repo: str, place: Landed, words: DeliveredCommit, changes: Changes, mailmap: Mailmap) -> Commit:
    """Build a commit with its reading."""
    return reading.commit(
        repo,
        Written(place.sha, words.message, mailmap(words.author), len(place.parents) > 1),
        committed=place.committed,
        parents=place.parents,
        changes=changes.files,
        inner=[replace(each, author=mailmap(each.author)) for each in changes.inner],
        pull=words.pull,
        labels=words.labels,
        request=words.request,
        mailmap=mailmap,
    )


def _signature(author: Actor | None, login: str | None) -> Signature:
    author = author or Actor()
    return Signature(author.name or "", author.email or "", login)


def inner_commits(commits: Iterable[RestCommit], merge: str) -> tuple[Written, ...]:
    """The commits that a merge brought in, among those up to it."""
    return tuple(
        Written(each.sha, each.message[:INNER_LENGTH], _signature(each.author, each.login), len(each.parents) > 1)
        for each in commits
        if each.sha != merge
    )


def changes(files: Sequence[ChangedFile], inner: tuple[Written, ...], before: Mapping[str, str]) -> Changes:
    """Files and patches, up to 256 KiB a file and 8 MiB in all; `before` returns the contents of `silent` files."""
    left = PATCH_BYTES
    patches = []
    for file in files:
        patch = _patch(file, min(left, FILE_PATCH_BYTES))
        left -= len(patch.text.encode(errors="replace"))
        patches.append(patch)
    return Changes(tuple(_file(file, before) for file in files), tuple(patches), inner)


def unread(files: Iterable[FileChange]) -> tuple[FilePatch, ...]:
    """The patch of a commit that GitHub does not show: empty for each file, or one without a name if none are known."""
    return tuple(FilePatch(path, "", complete=False) for path in [file.path for file in files] or [""])


def _file(file: ChangedFile, before: Mapping[str, str]) -> FileChange:
    status = _STATUS.get(file.status, FileStatus.MODIFIED)
    previous = file.previous_filename if status is FileStatus.RENAMED else None
    binary = _without_lines(file) and not (silent(file) and before.get(file.filename) == file.sha)
    return FileChange(file.filename, status, file.additions, file.deletions, previous, binary)


def _without_lines(file: ChangedFile) -> bool:
    """Whether GitHub shows no lines at all, as for binary files, but also for empty files and pure renames."""
    silent = file.patch is None and file.additions == file.deletions == 0
    return silent and file.status != "renamed" and file.sha != EMPTY_BLOB


def silent(file: ChangedFile) -> bool:
    """Whether `file` may be a changed binary one, or one of which only the mode changed.

    A `diff-entry` has no mode (docs.github.com, Get a commit). On the tests' server, which serves its documented
    fields, a script made executable and a changed binary file differed in nothing but `filename` and `sha`. The content
    of their folder before the commit decides.
    """
    return _without_lines(file) and file.status in {"modified", "changed"}


def _patch(file: ChangedFile, limit: int) -> FilePatch:
    """A patch of at most `limit` bytes; incomplete when lines are missing or shortened, here or by GitHub."""
    text = (file.patch or "").removesuffix("\n")
    lines = _whole_lines(text, limit).split("\n")
    counted = (sum(line[:1] == "+" for line in lines), sum(line[:1] == "-" for line in lines))
    shown, whole = shortened_lines("\n".join(lines))
    return FilePatch(file.filename, shown, counted == (file.additions, file.deletions) and whole)


def _whole_lines(text: str, limit: int) -> str:
    """As many whole lines of `text` as fit into `limit` bytes."""
    raw = text.encode(errors="replace")
    return text if len(raw) <= limit else raw[: max(raw.rfind(b"\n", 0, limit + 1), 0)].decode()


def names_pull(words: DeliveredCommit) -> bool:
    """Whether a message certainly names its own pull request, so that GitHub need not be asked for it."""
    return reading.number_of(words.message)[1]


def proven_files(detail: Detail) -> tuple[FileChange, ...] | None:
    """The files of a commit if those of its pull request are provably the same, else None.

    GraphQL lists files for a pull request only. They are the commit's when it is what the pull request landed as, in
    one piece (one commit, or a squash that names it), all of them are there, and number and sums agree. A renamed
    file's former path, and whether a file without lines is binary, are missing: then REST is used.
    """
    pull = detail.pull
    if pull is None or pull.files is None or pull.merge_commit != detail.oid:
        return None
    files = pull.files
    squashed = pull.commit_count == 1 or reading.number_of(detail.message)[0] == pull.number
    sizes = (len(files), sum(f.additions for f in files), sum(f.deletions for f in files))
    same = pull.file_count == detail.changed_files_if_available == len(files) and sizes[1:] == (
        detail.additions,
        detail.deletions,
    )
    plain = all(f.change_type not in {"RENAMED", "COPIED"} and f.additions + f.deletions > 0 for f in files)
    return tuple(_pull_file(file) for file in files) if squashed and same and plain else None


def _pull_file(file: PullFile) -> FileChange:
    status = _STATUS.get(file.change_type.lower(), FileStatus.MODIFIED)
    return FileChange(file.path, status, file.additions, file.deletions)
