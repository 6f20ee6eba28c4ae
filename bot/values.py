"""Every value that flows through the bot. Frozen, no I/O, no platform.

Times are timezone-aware datetimes in UTC unless a name says otherwise. A `repo` is the name by
which a source knows a repository: `owner/name` for a hosted one, an absolute path or a URL for git.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import Literal
from urllib.parse import quote

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# --- Text from outside -----------------------------------------------------------------------

# What a terminal or a browser acts on instead of showing: ANSI sequences, control characters,
# direction overrides and isolates, zero-width and other invisible formatting characters, surrogates.
# A sequence that is not ended takes nothing of the next line with it. The invisible ones are Unicode's
# Default_Ignorable_Code_Point; of variation selectors only one U+FE0F stays, which emoji need.
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[^\n]?)")
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff\ud800-\udfff]|(?<=\ufe0f)\ufe0f"
)


def inert(text: str) -> str:
    """Text that only shows: no control, direction or invisible character; spaces for tabs and line ends kept."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub("", _ANSI.sub("", text.replace("\r\n", "\n")))


def without_userinfo(address: str) -> str:
    """An address without the name and the password that may stand before its host; any other text as it is."""
    return re.sub(r"(?<=://)[^/@\s]*@", "", address)


def one_line(text: str, limit: int = 0) -> str:
    """`text` on one line with single spaces; with a `limit` (characters) shortened, ending in `…`."""
    line = " ".join(inert(text).split())
    return line if not limit or len(line) <= limit else line[: limit - 1].rstrip() + "…"


# --- Commits ---------------------------------------------------------------------------------


class FileStatus(StrEnum):
    """What happened to a file; a copy counts as added, a change of type or mode as modified."""

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
    """Somebody who wrote a commit or a part of it: the name that is shown, and the account where it is known."""

    name: str
    login: str | None = None


@dataclass(frozen=True, slots=True)
class Bump:
    """A dependency that a commit raises; a version that the commit does not name is empty."""

    package: str
    old: str = ""
    new: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """A commit that another one names: by the start of its SHA, its pull request's number, or its title.

    `kind` is `reverts`, `backports` or `stacked`, which means: comes after it. A counter as in `[2/3]` names the rest
    of its series by the title they share.
    """

    kind: Literal["reverts", "backports", "stacked"]
    sha: str = ""
    pull: int | None = None
    title: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """A counter in a title, such as `[2/3]`: of how many, what remains without it, and the tags and scope it shares."""

    total: str
    rest: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read out of a commit once, when it is first seen, and kept with it: nobody else looks into its message.

    `subject` is the title as people wrote it, without the number of its own change request: that of what was merged
    where the commit is a merge. `title` is the sentence without what stands in front of it (`feat(api):`, `[Core]`,
    a ticket, an emoji), `summary` also without an unknown part's name (`parser:`); `word` is what the header says,
    lower-case, `prefix` the type that it or a tag names, `types` one or two of what the commit is. `said` is what the
    body says to a reader, what users must know first, without trailers, forms and comments. `people` wrote what landed,
    who wrote most first; `merger` is who merged it, where that is somebody else; `bot` says that no person wrote any
    of it. `branch` is what was merged. `breaking`, `security` and `reverts` hold the words that say so, else nothing.
    `labels` are those of the change request, where the source tells them.
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
    """A patch without the ends of lines that are too long, and whether there was none such."""
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

    `subject` and `body` are the message as written, decoded, with NUL replaced and the body kept to 64 KiB;
    `author` made it: of a merge, who merged. `pull` is the pull request's number; `inner` the commits a merge brought
    in, oldest first; `reading` is what all of that says.
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

    `complete` is False where the source left lines out (a file or a commit above the size it reads or serves).
    """

    path: str
    text: str
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Links:
    """Where a repository's pages are on its host: templates with `{sha}`, `{number}`, `{path}` and `{line}` in them.

    `commit`, `change` (a pull or merge request) and `file` are whole addresses, `line` is what follows a file's. An
    empty one says that the host has no such page, or that nobody knows its form. `sign` stands before the number of a
    change request, as the host writes it.
    """

    commit: str = ""
    change: str = ""
    file: str = ""
    line: str = ""
    sign: str = "#"


@dataclass(frozen=True, slots=True)
class Repository:
    """What a source says of a repository: `title` is shown to people, `url` its web page (None: no links).

    Without `links`, as in what earlier versions kept, the pages are those that GitHub has below `url`.
    """

    name: str
    title: str
    branch: str
    url: str | None
    private: bool
    links: Links | None = None

    def commit_url(self, sha: str) -> str | None:
        """The web page of a commit; None where there is none that we know of."""
        return self._pages.commit.replace("{sha}", quote(sha, safe="")) or None

    def pull_url(self, number: int) -> str | None:
        """The web page of a pull or merge request; None where there is none that we know of."""
        return self._pages.change.replace("{number}", str(number)) or None

    def file_url(self, sha: str, path: str, line: int | None = None) -> str | None:
        """The web page of a file as it was at a commit, at a line of it; None where there is none that we know of.

        A path with `..` in it has none: a browser would leave the repository with it.
        """
        parts = path.split("/")
        if not {".", ".."}.isdisjoint(parts):
            return None
        # An empty part, which no path in git has, stays where it is: it may not begin another address.
        place = "/".join(quote(part, safe="", errors="replace") or "%2F" for part in parts)
        page = self._pages.file.replace("{sha}", quote(sha, safe="")).replace("{path}", place)
        return page + (self._pages.line.replace("{line}", str(line)) if page and line else "") or None

    def number(self, number: int) -> str:
        """A pull or merge request as its host writes it: `#12`, or `!12`."""
        return f"{self._pages.sign}{number}"

    @property
    def _pages(self) -> Links:
        if self.links is not None:
            return self.links
        if self.url is None:
            return Links()
        commit, change = f"{self.url}/commit/{{sha}}", f"{self.url}/pull/{{number}}"
        return Links(commit, change, f"{self.url}/blob/{{sha}}/{{path}}", "#L{line}")


class NoteLevel(StrEnum):
    """What maintainers call a change where they tell users of it, by how much it asks of them."""

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
    stands, `path` is empty and `label` set for a label of the change request. `heading` is under which it stands.
    `action` is the sentence of it that says what users must do, empty where it says nothing; `release` says that it
    stands in the notes of a release, which tell of earlier commits, `guessed` that its level is in no heading or name.
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
    """A tag that names a release: where it points, and when it was made, by its own time or else the commit's (UTC)."""

    name: str
    sha: str
    made: datetime


# --- Judgement -------------------------------------------------------------------------------


class Importance(StrEnum):
    """How soon a reader should know: high means read this today."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Aspect(StrEnum):
    """What a technical insight is about."""

    ARCHITECTURE = "architecture"
    PERFORMANCE = "performance"
    SECURITY = "security"
    COMPATIBILITY = "compatibility"


RULES = "rules"
"""The name that stands in `by` where no language model was asked."""


@dataclass(frozen=True, slots=True)
class Grade:
    """A commit's importance, one or two types, and why, in a few words. `sentence` says what the commit does.

    `theme` names the commits it belongs with, empty for none; `score` (0..1) ranks within a day; `by` is the
    model's name or `rules`.
    """

    importance: Importance
    types: tuple[ChangeType, ...]
    reason: str
    sentence: str
    score: float
    theme: str = ""
    by: str = RULES


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where a statement can be checked: a path of the commit and a quote that stands in its patch.

    `line` is the quote's line in the new file; None for a removed line, or where only the message holds it.
    """

    path: str
    quote: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Impact:
    """A component that the commit changes, with its paths, and what changes for it."""

    component: str
    paths: tuple[str, ...]
    effect: str


@dataclass(frozen=True, slots=True)
class Insight:
    """A technical observation with the evidence for it."""

    aspect: Aspect
    text: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Risk:
    """What can go wrong, where that can be seen, and what to do about it."""

    text: str
    evidence: Evidence
    mitigation: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Who should do what."""

    who: str
    action: str


@dataclass(frozen=True, slots=True)
class Analysis:
    """What is said of one commit. Low has only a summary, medium adds impact and suggestions, high everything.

    `coverage` is the share (0..1) of changed lines that were read; `dropped` counts statements left out because
    their evidence was not found; `note` says, in the reader's language, why an analysis is simpler than asked.
    """

    summary: str
    impact: tuple[Impact, ...] = ()
    insights: tuple[Insight, ...] = ()
    risks: tuple[Risk, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    by: str = RULES
    coverage: float = 1.0
    dropped: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class AnalysisKey:
    """An analysis is kept once for each of these; `prompt` names the prompt and its version."""

    repo: str
    sha: str
    prompt: str
    model: str
    language: str


# --- Digests ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Period:
    """The half-open time `[since, until)` in UTC, and the IANA zone in which it is shown."""

    since: datetime
    until: datetime
    zone: str


@dataclass(frozen=True, slots=True)
class Filters:
    """What of a repository a subscription wants.

    `authors`: names or logins; with a leading `-`, everyone but them. `paths`: folders or files; a commit counts
    when it touches one. `bots`: whether bots' commits count.
    """

    authors: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    bots: bool = True


@dataclass(frozen=True, slots=True)
class Relation:
    """An earlier commit that a commit says it `reverts`, `backports` or is `stacked` on.

    `sha` and `title` are empty where only its pull request's number is known.
    """

    kind: str
    sha: str
    pull: int | None
    title: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One commit of a digest with what is said of it, and the commits it names."""

    commit: Commit
    grade: Grade
    analysis: Analysis
    relations: tuple[Relation, ...] = ()


@dataclass(frozen=True, slots=True)
class Theme:
    """Commits of the period that belong together, by SHA, in table order."""

    title: str
    shas: tuple[str, ...]


@dataclass(frozen=True)
class Digest:
    """A period of one branch of one repository: everything that is said of it, before any layout.

    `entries` are newest first; `usual` is the median number of commits of comparable earlier digests (None: too few);
    `notices` are sentences for the reader about what is missing and why; `degraded` says that a model or a patch was
    missing, so that a later try may tell more.
    """

    repository: Repository
    branch: str
    period: Period
    language: str
    filters: Filters
    entries: tuple[Entry, ...]
    overview: str
    themes: tuple[Theme, ...] = ()
    usual: int | None = None
    notices: tuple[str, ...] = ()
    degraded: bool = False

    @cached_property
    def by_importance(self) -> dict[Importance, tuple[Entry, ...]]:
        """The entries of each importance, in table order."""
        return {i: tuple(e for e in self.entries if e.grade.importance is i) for i in Importance}

    @property
    def added(self) -> int:
        """Lines added over all entries."""
        return sum(e.commit.added for e in self.entries)

    @property
    def removed(self) -> int:
        """Lines removed over all entries."""
        return sum(e.commit.removed for e in self.entries)

    @property
    def authors(self) -> int:
        """How many people (or bots) wrote the entries."""
        return len({person.name for e in self.entries for person in e.commit.reading.people})


# --- What the bot says -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Span:
    """A run of text within a line, made inert here, so that no renderer can forget it; `url` makes it a link."""

    text: str
    url: str | None = None
    strong: bool = False
    code: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", inert(self.text).replace("\n", " ").replace("\t", " "))


Line = tuple[Span, ...]
"""One line of spans."""


@dataclass(frozen=True, slots=True)
class Text:
    """Paragraphs, or with `bullets` a list. `heading` stands above them, empty for none."""

    lines: tuple[Line, ...]
    heading: str = ""
    bullets: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a header row; every row has as many cells as there are columns."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Line, ...], ...]
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Fields:
    """Short labelled values that a platform may set side by side."""

    items: tuple[tuple[str, Line], ...]


@dataclass(frozen=True, slots=True)
class Button:
    """Something to press: it either sends `command` as if it had been typed, or opens `url`.

    `confirm` is what is asked before something is taken away.
    """

    label: str
    command: str = ""
    url: str = ""
    confirm: str = ""


@dataclass(frozen=True, slots=True)
class Buttons:
    """Buttons in a row."""

    items: tuple[Button, ...]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file: its name and its text."""

    name: str
    text: str


Part = Text | Table | Fields | Buttons | Attachment
"""What a message is made of; renderers match on it with `assert_never`."""


@dataclass(frozen=True, slots=True)
class Message:
    """One neutral message. `key` is unique within its post and stable, `title` also serves as the notification."""

    key: str
    title: Line
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Post:
    """Everything the bot says at once: a headline and the replies threaded beneath it."""

    headline: Message
    replies: tuple[Message, ...] = ()


# --- Where, who, when ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """A channel of a chat, or with `thread` a thread in it; with `viewer` only that person sees what is posted.

    What a channel, a thread and a viewer are called is the chat's business. A file for a viewer goes to where only the
    two of them write, since no platform shows a file to one person in a channel.
    """

    chat: str
    channel: str
    thread: str | None = None
    viewer: str | None = None

    @property
    def whole(self) -> Place:
        """The channel itself, for everybody in it."""
        return Place(self.chat, self.channel)


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody typed, where, and who. `id` is the same when a chat hands it over again; empty: it never does."""

    text: str
    place: Place
    user: str
    id: str = ""


class InputKind(StrEnum):
    """How an input is filled in: a line of text, a time of day, one of the choices, or several of them."""

    TEXT = "text"
    TIME = "time"
    ONE = "one"
    SEVERAL = "several"


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a form. `choices` are (value, label); of `SEVERAL`, `value` holds them with commas between."""

    name: str
    label: str
    value: str = ""
    hint: str = ""
    kind: InputKind = InputKind.TEXT
    choices: tuple[tuple[str, str], ...] = ()
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """A line of the grammar to fill in, for a chat that can show one.

    `fixed` are values that go with it unseen; `fresh` says that nothing was set before, so that a chat may put in what
    it knows of the person, such as their time zone; `done` is told once it was taken, `waiting` until then.
    """

    title: str
    submit: str
    cancel: str
    waiting: str
    done: str
    inputs: tuple[Input, ...]
    fixed: tuple[tuple[str, str], ...] = ()
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a form: the name of the input, and what to do about it."""

    input: str
    text: str


LEFT = ("left", "archived", "gone", "closed")
"""Why a channel's subscriptions can rest, because the bot cannot post there: keys of `[paused]`."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A place that gets the digests of a repository.

    `branch` empty means the default one; `schedule` is a crontab expression in the IANA `zone`; `quiet` says whether a
    period without commits is posted; `paused` holds the reason while it rests. `created` is when it began, and
    `scheduled` since when its schedule and zone are as they are: what they would have made due before is not. `id` is 0
    until the store gives one.
    """

    place: Place
    repo: str
    schedule: str
    zone: str
    language: str
    branch: str = ""
    filters: Filters = field(default_factory=Filters)
    quiet: bool = False
    paused: str = ""
    created: datetime = EPOCH
    scheduled: datetime = EPOCH
    id: int = 0


class StepState(StrEnum):
    """How far one message of a delivery got: written down before it is sent, and after."""

    INTENDED = "intended"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Step:
    """One message of a delivery: since when it is to be sent; once sent, what the chat calls the thread beneath it."""

    key: str
    state: StepState
    begun: datetime
    thread: str | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """That a commit was told of: with which grade, when, and where; the place is the thread beneath the headline."""

    sha: str
    grade: Grade
    place: Place
    at: datetime


class DeliveryState(StrEnum):
    """What became of a delivery: it is due or under way; it is posted; nothing was to be told; it was given up."""

    DUE = "due"
    DONE = "done"
    QUIET = "quiet"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as it is kept, so that it can be told in the reader's language: its key, and the fields of its text."""

    key: str
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Delivery:
    """One subscription's digest of the period `[since, until)`, due at `slot`, and how far its messages got.

    `cursor` is how far the earlier ones got: where it lies before `since`, the time between is left out. `merged`
    counts the slots that passed before without a digest. `deadline` is when it is given up; `retry` is when it is next
    tried. `attempts` only ever grows, so that who was overtaken finds out; `failures` are those that failed. `digest`
    is the key under which what is posted is kept, once it is made.
    """

    subscription: int
    slot: datetime
    cursor: datetime
    since: datetime
    until: datetime
    deadline: datetime
    retry: datetime
    merged: int = 0
    digest: str = ""
    state: DeliveryState = DeliveryState.DUE
    attempts: int = 0
    failures: int = 0
    failure: Failure | None = None
    steps: tuple[Step, ...] = ()
    id: int = 0

    @property
    def sent(self) -> bool:
        """Whether anything of it is known to be posted."""
        return any(step.state is StepState.DONE for step in self.steps)


@dataclass(frozen=True, slots=True)
class Measure:
    """What is measured of the running bot: a `counter` or a `gauge` with its samples, each with its labels."""

    name: str
    help: str
    kind: str
    samples: tuple[tuple[Mapping[str, str], float], ...]


@dataclass(frozen=True, slots=True)
class Quota:
    """How many requests a service still allows until `reset`, and of how many."""

    left: int
    limit: int
    reset: datetime


# --- The language model ----------------------------------------------------------------------


@dataclass(frozen=True)
class Question:
    """What a language model is asked. `schema` is the JSON Schema of the answer, `name` says which prompt it is."""

    name: str
    system: str
    user: str
    schema: dict[str, object]
    max_tokens: int


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that requests took: prompt, completion, and the number of requests."""

    model: str
    prompt: int = 0
    completion: int = 0
    requests: int = 0


@dataclass(frozen=True, slots=True)
class Spending:
    """What questions of one purpose (a prompt's name) took of one model, and how well their answers held.

    `stated` counts statements that name evidence, `dropped` those of them whose evidence was not found.
    """

    model: str
    purpose: str
    prompt: int = 0
    completion: int = 0
    requests: int = 0
    stated: int = 0
    dropped: int = 0


class Finish(StrEnum):
    """Why a model stopped: it was done, it ran out of tokens, or it (or its filter) would not."""

    STOP = "stop"
    LENGTH = "length"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Reply:
    """A model's answer as it came, and what it took."""

    text: str
    finish: Finish
    usage: Usage
