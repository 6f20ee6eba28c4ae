"""What the core needs from the outside world, as protocols."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol

from bot.errors import DigestError
from bot.values import (
    EPOCH,
    Account,
    Analysis,
    AnalysisKey,
    Candidate,
    Commit,
    Contents,
    DeliveredCommit,
    Delivery,
    DeliveryState,
    Digest,
    FilePatch,
    Form,
    Grade,
    Landing,
    Link,
    Look,
    Message,
    Period,
    Place,
    Post,
    Problem,
    Question,
    Quota,
    Release,
    Reply,
    Repository,
    Request,
    Reservation,
    Sight,
    Spending,
    Subscription,
    Taken,
    Turn,
    Twin,
    Unreadable,
    Usage,
    Window,
)


class Verdict(StrEnum):
    """The result of a check: it works, works in part, fails, or could not be checked."""

    FINE = "fine"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """What `digest doctor` found: `subject.outcome` names its text in `[doctor]`, `fields` fill the text's blanks.

    If there is an `error`, its own text is shown instead.
    """

    subject: str
    verdict: Verdict
    outcome: str
    fields: Mapping[str, object] = field(default_factory=dict)
    error: DigestError | None = None


@dataclass(frozen=True, slots=True)
class Idempotency:
    """How a message is sent exactly once, across restarts and processes.

    `key` is the same whenever it is sent; `begun` is when that was first intended. With `again` it may have been sent
    by a process that was killed: the chat waits and looks for it before it sends. `check` is called right before each
    send and raises LeaseLost if another process has taken over.
    """

    key: str
    begun: datetime
    again: bool
    check: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Posted:
    """What is in a channel or thread: the thread of each wanted message, by its name, and the names of all files."""

    threads: Mapping[str, str]
    files: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Readers:
    """Who reads what is posted at a place, as far as the chat knows; what it does not know counts as the worst case.

    `alone`: exactly one person, who is `person` if the chat knows. `guest`: somebody is not a full member of the
    workspace. `shared`: the channel belongs to several organisations.
    """

    alone: bool = False
    person: str = ""
    guest: bool = False
    shared: bool = False


class Progress:
    """Receives how far a digest is. This one shows nothing; a chat that can show progress overrides it.

    It shows from `collecting` until `over`; nothing else is shown in between.
    """

    def collecting(self, repo: str) -> None:
        """The commits of `repo` are being read."""

    def analysing(self, done: int, total: int) -> None:
        """`done` of `total` high and medium commits are analysed."""

    def over(self) -> None:
        """The work ended, well or not: there is an answer to show."""


class Releases(Protocol):
    """A repository's releases, and what has landed on other branches. Safe to call from several threads."""

    def releases(self, repo: str, since: datetime = EPOCH) -> tuple[Release, ...]:
        """The tags that name releases of `repo`, oldest first by when each was made, as far as they can be known.

        With `since` only those made from then on. Nightlies, tags that move and, in a repository with a line of its
        own, those of other packages are left out: see `bot.commits.releases`. Raises NotFound, Forbidden, Unavailable.
        """
        ...

    def first_releases(self, repo: str, shas: Sequence[str]) -> Mapping[str, Release | None]:
        """By SHA (40 or 64 hex digits) the first release from which each commit can be reached, or None.

        A commit is absent if that cannot be known. Raises NotFound for an unknown repository, or if the history does
        not reach far enough (a shallow clone); also Forbidden, Unavailable.
        """
        ...

    def contents(self, repo: str, release: Release, before: Release | None, branch: str | None = None) -> Contents:
        """What a release has that the one `before` it does not; and which of it is not on a branch (empty: default).

        Raises NotFound if one of them does not exist, or the history does not reach far enough; Forbidden, Unavailable.
        """
        ...

    def read(self, repo: str, shas: Sequence[str]) -> tuple[Commit, ...]:
        """The commits with these SHAs, all on one first-parent line, newest first. Raises NotFound, Unavailable."""
        ...

    def notes(self, repo: str, names: Sequence[str]) -> Mapping[str, str]:
        """By the name of a release the notes published with it, or else its tag's message, as written.

        At most 120,000 characters are read. A release without notes is absent. Raises NotFound, Forbidden, Unavailable.
        """
        ...

    def twins(self, repo: str, commit: Commit) -> tuple[Twin, ...]:
        """The commits of other branches that make the same change as `commit`, by their patches, at most five.

        Empty if that would take too many requests. Raises NotFound, Forbidden, Unavailable.
        """
        ...


class CommitSource(Releases, Protocol):
    """Where commits come from. Safe to call from several threads."""

    def repository(self, repo: str) -> Repository:
        """Facts about `repo`. Raises NotFound, Forbidden, Unavailable."""
        ...

    def group(self, name: str) -> tuple[Repository, ...]:
        """The repositories whose names begin as that of a group does (`owner/team-*`), in the order of their names.

        Archived ones, of which nothing can come, are left out. Raises NotFound for an unknown owner or folder,
        Forbidden, Unavailable.
        """
        ...

    def commits(self, repo: str, branch: str, since: datetime, until: datetime) -> tuple[Commit, ...]:
        """First-parent commits of `branch` (empty: the default one) with `since <= committed < until`, newest first.

        Raises NotFound for an unknown repository or branch, or if the history does not reach back to `since` (a shallow
        clone); an empty repository has none and raises nothing. Also Forbidden, Unavailable.
        """
        ...

    def landed(self, repo: str, branch: str, tip: str | None, window: Window) -> Landing:
        """What `branch` has that it did not have at its old `tip`, whatever the dates; an empty tip: nothing.

        This is everything up to the newest commit that is dated before the window's end or after its `now`. Without a
        tip (None), if the tip no longer exists, or if more lies between than is read, it is what is dated from the
        window's start on. Raises as `commits` does.
        """
        ...

    def commit(self, repo: str, sha: str) -> Commit:
        """The commit whose SHA starts with `sha` (4 to 64 hex digits). Raises NotFound; UsageError when ambiguous."""
        ...

    def pull(self, repo: str, number: int) -> Commit:
        """The commit with which pull request `number` landed on the default branch. Raises NotFound."""
        ...

    def later(self, repo: str, branch: str, commit: Commit, until: datetime) -> tuple[Commit, ...]:
        """First-parent commits of `branch` that came after a commit and touch a file that it touches, oldest first.

        Only the first of those dated up to `until`: see `bot.commits.aftermath`. Raises as `commits` does.
        """
        ...

    def touching(self, repo: str, branch: str, paths: Sequence[str], most: int) -> tuple[Commit, ...]:
        """The newest first-parent commits of `branch` (empty: the default one) that touch some files or folders.

        At most `most`, the newest first; if there are many paths, perhaps only the first ones count. Raises as
        `commits` does.
        """
        ...

    def patches(
        self, repo: str, commits: Sequence[Commit], paths: Collection[str] = ()
    ) -> Iterator[tuple[str, tuple[FilePatch, ...]]]:
        """For each commit its SHA and the patch against its first parent, in the order asked for.

        With `paths`, only those files, and only commits that change one of them. Lazy: a patch is read when the
        iteration reaches it. At most 256 KiB of a file and 8 MiB of a commit are read; the rest is marked incomplete.
        Raises NotFound, Unavailable.
        """
        ...

    def look(self, repo: str, commit: Commit, looks: Sequence[Look]) -> tuple[Sight, ...]:
        """The results of `looks` in the tree at `commit`, in order; `bot.commits.lookup` has the limits.

        What cannot be looked up has its refusal in its own Sight. Raises NotFound, Forbidden, Unavailable for the
        repository itself.
        """
        ...

    def text(self, repo: str, branch: str, paths: Sequence[str]) -> str | None:
        """The content of the first of some `paths` that is a file at a branch's tip; None if none is, or above 1 MB.

        A link does not count as a file. Raises NotFound for an unknown repository or branch; Forbidden, Unavailable.
        """
        ...

    def quota(self) -> Quota | None:
        """The remaining requests, None if there is no limit. Raises Unavailable, ConfigError."""
        ...


class LanguageModel(Protocol):
    """Something that answers a question with text. Safe to call from several threads."""

    @property
    def name(self) -> str:
        """The model's name, part of the key under which its answers are stored."""
        ...

    def ask(self, question: Question) -> Reply:
        """One answer. Raises ModelError if there is none, Unavailable if a later attempt may succeed."""
        ...


class Listener(Protocol):
    """Receives what people do in a chat. Safe to call from several threads; raises nothing that it expects."""

    def request(
        self, request: Request, show: Callable[[Form], None] | None = None, before: Callable[[], None] = lambda: None
    ) -> None:
        """Answer a request where it was made; repeats, recognised by their `id`, are ignored.

        `show` opens a form, in a chat that has forms: it is called instead of answering if the line asks for one, and
        may raise DigestError, which is shown. `before` is called right before anything is said or shown.
        """
        ...

    def problem(self, place: Place, values: Mapping[str, str]) -> Problem | None:
        """What is wrong with a filled-in form, as far as can be decided without asking a service."""
        ...

    def submit(self, request: Request, values: Mapping[str, str]) -> Problem | None:
        """Do what a filled-in form asks and say so at its place, or return what is wrong with it.

        The request's text is ignored.
        """
        ...

    def first(self, name: str) -> bool:
        """Whether this event is new to all processes; `name` identifies it."""
        ...

    def form(self, place: Place, values: Mapping[str, str]) -> Form:
        """The form with the values that were entered."""
        ...

    def followed(self, place: Place) -> Post | None:
        """What a channel follows, as far as the place's viewer may see, with buttons; None for nothing."""
        ...

    def followed_in(self, chat: str) -> tuple[Place, ...]:
        """The channels of a chat that follow something."""
        ...

    def left(self, place: Place, reason: str) -> None:
        """The bot can no longer post in a channel: its subscriptions are paused. `reason` is a key of `[paused]`."""
        ...

    def joined(self, place: Place) -> None:
        """The bot can post in a channel again: subscriptions paused for that continue."""
        ...

    def removed(self, belongs: Callable[[Place], bool]) -> None:
        """A workspace removed the bot: the subscriptions of places that belong to it are deleted."""
        ...

    def text(self, place: Place | None, key: str, **fields: object) -> str:
        """A label (`section.name`) in the language of a place, or in the operator's."""
        ...


class Chat(Protocol):
    """A chat platform."""

    @property
    def name(self) -> str:
        """The name used in `Place.chat`."""
        ...

    def post(self, place: Place, message: Message, once: Idempotency | None = None) -> Place:
        """Post `message` and return the thread under it; with `once` exactly once, if the platform lets us check.

        Raises NotFound if the channel does not exist or has removed the bot, ThreadGone, Forbidden, ConfigError,
        Unavailable if a later attempt may succeed, LeaseLost, and at the end Refused for a part that the platform
        rejects, once all others are posted.
        """
        ...

    def posted(self, place: Place, names: Collection[str], since: datetime) -> Posted:
        """The messages in a channel or thread that were sent under one of `names` since a time.

        A name is an `Idempotency.key`. A process killed just before may still have been sending: the chat waits for
        that. Raises Forbidden if the history can never be read; NotFound, ConfigError, Unavailable.
        """
        ...

    def ahead(self) -> timedelta | None:
        """How far this machine's clock is ahead of the chat's, by a response that only the chat itself can have sent.

        None if there is none. Raises whatever requesting one raises.
        """
        ...

    def readers(self, place: Place, person: str) -> Readers:
        """Who reads in a place, as the chat reports it for `person` (may be empty); cached for a while.

        Raises ConfigError, and Unavailable if it may be known later; whatever is unknown counts as the worst case.
        """
        ...

    def check(self, place: Place) -> None:
        """Check that the bot can post in a channel.

        Raises NotFound and Forbidden, worded for members of the channel; nothing if the chat does not say.
        """
        ...

    def listen(self, listener: Listener) -> None:
        """Report to `listener` what people do, until the input ends or `close` is called. Raises ConfigError."""
        ...

    @property
    def connected(self) -> bool:
        """Whether the chat receives what people do, or would if it could receive. Makes no request."""
        ...

    def close(self) -> None:
        """Stop listening, once current answers are done, or after some seconds."""
        ...


class Archive(Protocol):
    """Stored commits, analyses and digests, and which of them were delivered."""

    def keep_commits(self, commits: Iterable[Commit]) -> None:
        """Store commits; known ones are replaced."""
        ...

    def commits_by_sha(self, repo: str, prefix: str, *, aliases: bool = False) -> tuple[Commit, ...]:
        """Known commits of `repo` whose SHA starts with `prefix` (lower-case hex), newest first, at most 10.

        With `aliases`, if there is none, the merges that brought such a commit, and those of `keep_renamed`.
        """
        ...

    def commits_by_pull(self, repo: str, number: int) -> tuple[Commit, ...]:
        """Known commits of `repo` that belong to pull request `number`, newest first, at most 10."""
        ...

    def search(self, words: str, repos: Sequence[str], limit: int) -> tuple[Commit, ...]:
        """Commits of `repos` whose message, paths or analyses contain all `words`, latest first, at most `limit`.

        A word matches at the start of a word, Chinese anywhere, even a single character. Any text is a valid query;
        only the start of a very long one counts.
        """
        ...

    def analysis(self, key: AnalysisKey) -> Analysis | None:
        """The stored analysis, or None."""
        ...

    def keep_analysis(self, key: AnalysisKey, analysis: Analysis) -> None:
        """Store an analysis of a stored commit; an earlier one under the same key is replaced."""
        ...

    def digest(self, key: str) -> Digest | None:
        """The digest stored under `key`, or None."""
        ...

    def keep_digest(self, key: str, digest: Digest, now: datetime) -> None:
        """Store a digest, its commits and its analyses' texts for search, in one transaction."""
        ...

    def recent_digests(self, repo: str, branch: str, language: str, limit: int) -> tuple[Digest, ...]:
        """Stored digests of `repo` and `branch` in `language`, latest period first; of each the last stored."""
        ...

    def delivered_to(self, repo: str, sha: str) -> tuple[DeliveredCommit, ...]:
        """Where a commit was reported, the earliest place first; outlives digests, deliveries and subscriptions."""
        ...

    def delivered_grades(self, repo: str, shas: Iterable[str]) -> dict[str, Grade]:
        """The grades with which commits were first reported, by SHA; absent if they never were."""
        ...

    def delivered_digests(self, repo: str, branch: str, language: str, period: Period) -> dict[str, Digest]:
        """The posted digests of a period, in its zone, by key, made by any version."""
        ...


class Aftermath(Protocol):
    """Links between commits, and the follow-ups that places got."""

    def keep_links(self, repo: str, links: Iterable[Link]) -> None:
        """Store links between commits of `repo`; for the same two commits, a certain one is kept."""
        ...

    def links(self, repo: str, shas: Collection[str]) -> tuple[Link, ...]:
        """The links of commits, at either end, ordered by when the later commit landed."""
        ...

    def keep_renamed(self, repo: str, names: Mapping[str, str]) -> None:
        """Store the old SHAs of commits whose SHAs a rewrite of their branch changed, by the new ones."""
        ...

    def followed_up(self, place: Place, since: datetime) -> tuple[tuple[str, str, datetime], ...]:
        """The follow-ups a channel got since some time: the earlier SHA, the later one, and when.

        One counts from the moment its delivery is stored with it, unless that was given up unposted.
        """
        ...

    def mute(self, thread: Place, now: datetime, muted: bool) -> None:
        """Turn follow-ups in a thread off, or on again."""
        ...

    def is_muted(self, thread: Place) -> bool:
        """Whether follow-ups are off there."""
        ...


class Talks(Protocol):
    """Questions and answers in threads, for as long as people may refer to them."""

    def keep_turn(self, place: Place, turn: Turn) -> None:
        """Store a question and its answer in a thread; only the last ones are kept, and not for long."""
        ...

    def turns(self, place: Place, since: datetime) -> tuple[Turn, ...]:
        """The questions and answers in a thread, or a channel without one, since a time, oldest first."""
        ...


class Subscriptions(Protocol):
    """Subscriptions."""

    def subscribe(self, subscription: Subscription) -> Subscription:
        """Store a subscription and return it with its ID; one for the same place, repo and branch is replaced."""
        ...

    def unsubscribe(self, subscription: int) -> None:
        """Delete a subscription and its deliveries; it need not exist."""
        ...

    def pause(self, subscription: int, reason: str) -> None:
        """Pause a subscription for a reason, or resume it with none; it need not exist."""
        ...

    def subscriptions(self, place: Place | None = None) -> tuple[Subscription, ...]:
        """All subscriptions by id, or those of one channel or thread."""
        ...

    def numbered(self, numbers: Collection[int]) -> tuple[Subscription, ...]:
        """The subscriptions with these numbers, by ID; missing ones are left out."""
        ...

    def candidates(self, now: datetime, ahead: datetime) -> tuple[Candidate, ...]:
        """The subscriptions to look at, by ID: found by an index, however many others there are.

        These are the ones whose moment has come (`look_at`), or that changed since it was set: their settings, whether
        they are paused, and how their latest delivery went. A moment set, or a delivery postponed, by a clock that
        showed a time after `ahead` counts as changed.
        """
        ...

    def candidates_after(self, number: int, limit: int) -> tuple[Candidate, ...]:
        """Subscriptions with higher numbers, by ID, whether or not their moment has come."""
        ...

    def look_at(self, moments: Iterable[tuple[Candidate, datetime | None]], now: datetime) -> None:
        """Set the moment to look at each again; None: only once something changes.

        A subscription that changed since it was returned is looked at anyway.
        """
        ...


class Ledger(Protocol):
    """How far every delivery got, recorded before and after each step."""

    def plan(self, delivery: Delivery, last: int) -> Delivery | None:
        """Store a new delivery and return it with its ID, if the subscription's latest one is still number `last`.

        `last` is 0 if there was none. None if another process was first, or the subscription is gone. Old ones that
        are completed may be deleted, but not the latest 30.
        """
        ...

    def keep_delivery(self, delivery: Delivery) -> None:
        """Store how far a delivery got; the earlier state is replaced. One given up unposted has reported nothing.

        Once its headline is posted, its commits are remembered permanently: see `delivered_to`.

        Raises NotFound if it was deleted with its subscription: nothing more may be posted for it. Raises LeaseLost
        if it was attempted again since, or is completed.
        """
        ...

    def retry_soon(self, subscription: int, retry: datetime, deadline: datetime) -> None:
        """Retry a subscription's due deliveries at `retry`, and do not give them up before `deadline`."""
        ...

    def reopen(self, delivery: Delivery) -> bool:
        """Make a given-up delivery due again; whether it still was the one given up.

        If nothing of it was posted, it must still be the latest: otherwise a later one has its commits.
        """
        ...

    def delivery(self, number: int) -> Delivery:
        """The delivery of that number. Raises NotFound."""
        ...

    def deliveries(
        self, subscription: int | None = None, state: DeliveryState | None = None, limit: int = 1_000
    ) -> tuple[Delivery, ...]:
        """Deliveries, the latest first: of all subscriptions or one, in any state or one, at most `limit`."""
        ...

    def latest_deliveries(self) -> tuple[Delivery, ...]:
        """The latest delivery of each subscription that has any."""
        ...

    def due_deliveries(self, now: datetime) -> tuple[Delivery, ...]:
        """The deliveries that are due and may be attempted now, the one waiting longest first."""
        ...

    def delivery_states(self) -> dict[DeliveryState, int]:
        """How many deliveries are in each state."""
        ...

    def delivered_shas(self, subscription: int, but: int) -> frozenset[str]:
        """SHAs of commits that a subscription's other deliveries reported."""
        ...

    def mark_delivered(self, delivery: Delivery, landed: Iterable[Commit]) -> None:
        """Store a delivery, and that it reports `landed` to its subscription, as long as the delivery is stored.

        Raises as `keep_delivery` does.
        """
        ...


class Meter(Protocol):
    """The tokens that language models used, and for whom; persons and channels only until the day ends."""

    def reserve(self, wanted: Reservation, since: datetime, until: datetime, allow: Callable[[Taken], None]) -> str:
        """Reserve what a question may use, and return the reservation's name.

        `allow` gets what was used and reserved from `since` to `until`, the day, and raises if that is already too
        much: then nothing is reserved. No other process reserves meanwhile. Who asked before `since` is deleted.
        """
        ...

    def charge(self, reservation: str, usage: Usage | None) -> None:
        """Replace what was reserved for a question by what it used; None: nothing.

        A reservation that is never charged, since its process was killed, counts as used: the service bills it anyway.
        """
        ...

    def taken(self, account: Account, since: datetime, until: datetime) -> Taken:
        """What was used and is reserved for `since <= at < until`."""
        ...

    def add_checks(self, model: str, purpose: str, stated: int, dropped: int, now: datetime) -> None:
        """Add how many statements an answer made, and how many of them were dropped."""
        ...

    def usage(self, since: datetime, until: datetime) -> tuple[Spending, ...]:
        """Sums per model and purpose for `since <= at < until`, in that order."""
        ...


class Learned(Protocol):
    """What was found out about a service by using it, so that the next process need not find out again."""

    def learned(self, about: str, since: datetime) -> str:
        """What was last stored about a service; empty if nothing was, or only before `since`."""
        ...

    def learn(self, about: str, what: str, now: datetime) -> None:
        """Store it, replacing what was there."""
        ...


class Leases(Protocol):
    """Leases, which keep other processes from the same work; one that is not renewed expires."""

    def claim(self, key: str, holder: str, now: datetime, until: datetime) -> bool:
        """Take the lease on `key` until `until`, or extend one's own; False while another holder has it."""
        ...

    def renew(self, keys: Iterable[str], holder: str, now: datetime, until: datetime) -> None:
        """Extend those leases of a holder that have not expired."""
        ...

    def still_due(self, delivery: Delivery, key: str, holder: str, now: datetime, until: datetime) -> bool:
        """Extend the lease on `key` as `claim` does, right before a message of a delivery is sent.

        Whether that went well, and the delivery is still due and was not attempted again since: only then may it be
        sent.
        """
        ...

    def release_all(self, holder: str) -> None:
        """Release every lease of a holder."""
        ...

    def release(self, key: str, holder: str) -> None:
        """Release a lease; another holder's stays."""
        ...


class Memory(Protocol):
    """Whether the database has lost its latest writes, after a restored backup or a lost write-ahead log.

    Each write of the ledger is counted, in the database and then in a file elsewhere. If the database is behind that
    file, it has lost something. A database may also be marked as restored.
    """

    def count_in(self, folder: Path) -> None:
        """From now on also count in a folder that is not restored or lost together with the database."""
        ...

    def begin(self, now: datetime) -> bool:
        """Count a start; whether something was lost. Then every place that follows something is unsettled."""
        ...

    def unsettled(self) -> Mapping[Place, datetime]:
        """The places where it is unknown what was posted last, each with when that was noticed."""
        ...

    def settle(self, place: Place, deliveries: Sequence[Delivery]) -> None:
        """Store what was found out about a place, which is then settled; new deliveries have no number.

        In one transaction, so that a kill leaves all of it for another time.
        """
        ...


class Rate(NamedTuple):
    """What a service counts under a name: one call every `period` seconds, after `burst` of them at once.

    `calls` of them are counted together, and follow each other no faster than that.
    """

    name: str
    period: float
    burst: int
    calls: int = 1


class Room(NamedTuple):
    """Whether a call may go; and for how many more seconds each rate's calls count, and each pause lasts."""

    granted: bool
    counted: Sequence[float]
    paused: Sequence[float]


class Rates(Protocol):
    """The rates at which all processes may call a service. Safe for several threads; raises as a store does."""

    def take(self, rates: Sequence[Rate], pauses: Sequence[str]) -> Room:
        """Count calls if the first is within all of its rates, and none of its pauses lasts; all in one step."""
        ...

    def pause(self, name: str, seconds: float) -> None:
        """Hold back every call under a name for some time."""
        ...


class Slots(Protocol):
    """How many things all processes together may do at once. Safe for several threads; raises as a store does."""

    def taken(self, name: str, number: int) -> AbstractContextManager[None]:
        """Hold one of `number` slots of a name during the `with` block; waits until one is free."""
        ...


@dataclass(frozen=True, slots=True)
class Task:
    """A step to be run by whichever process serves its `lane`; `arguments` are plain values.

    Of tasks with the same `key`, one waits or runs at a time; of those with the same `lock` (empty: none), one runs.
    In a lane the highest `priority` comes first, then the one waiting longest.
    """

    step: str
    key: str
    lane: str
    arguments: Mapping[str, object]
    lock: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Again:
    """Run a task once more `at` some time, then under another lock if one is given."""

    at: datetime
    lock: str = ""


Work = Callable[..., Again | None]
"""Runs a task with its arguments; None once it is done. If it raises, the task is run again after a pause."""


@dataclass(frozen=True, slots=True)
class Crew:
    """A `number` of threads that take tasks from the lanes that `lanes` returns at the time.

    Completed tasks are deleted, unless they are `remembered` for a day: then no task with the same key is added
    meanwhile. If nothing waits, the crew looks again after `pause` seconds.
    """

    name: str
    number: int
    lanes: Callable[[], Sequence[str]]
    remembered: bool = False
    pause: float = 1.0


class Agents(Protocol):
    """What another program may ask, in words, and read; it changes nothing. Safe for several threads.

    A repository that is empty is the one worked in, or those that are followed. Each answer is Markdown. All raise
    DigestError.
    """

    def digest(self, time: str, repository: str = "") -> str:
        """The report of a period: `yesterday`, `week`, a date, two dates or a release."""
        ...

    def commit(self, name: str, repository: str = "") -> str:
        """A commit's full analysis, by its pull request, its SHA, or its address."""
        ...

    def search(self, words: str, repository: str = "") -> str:
        """The commits of past digests that contain some words."""
        ...

    def question(self, question: str, repository: str = "") -> str:
        """The answer to a question about commits."""
        ...

    def releases(self, repository: str = "") -> str:
        """The latest releases."""
        ...


class Queue(Protocol):
    """Work shared by processes: if one dies, its tasks return to the queue.

    Safe for several threads. Raises StoreError and Unavailable as a store does.
    """

    def add(self, tasks: Sequence[Task]) -> None:
        """Add tasks, except those whose key is already waiting or running."""
        ...

    def hasten(self, keys: Collection[str]) -> None:
        """Run postponed tasks now."""
        ...

    def waiting(self) -> Mapping[str, bool]:
        """The keys of all waiting and running tasks, and whether each is postponed."""
        ...

    def counts(self) -> Mapping[tuple[str, str], int]:
        """How many tasks there are, by step and by `waiting`, `put off` or `working`."""
        ...

    def work(self, steps: Mapping[str, Work], crews: Sequence[Crew], every: Mapping[str, int]) -> None:
        """Start running tasks in threads of its own, and each step in `every` that often (seconds), in one process.

        Such a step gets no arguments; it is in the lane `plan`.
        """
        ...

    def halt(self) -> None:
        """Take no more tasks. Returns at once."""
        ...

    def stop(self, seconds: float) -> None:
        """Take no more tasks, wait up to `seconds` for running ones, and return the rest to the queue."""
        ...


class Database(Protocol):
    """The database behind all of this."""

    @property
    def name(self) -> str:
        """Where it is, fit to be shown: a path, or an address without its password."""
        ...

    def counts(self) -> dict[str, int]:
        """Rows of each table, and `bytes`, the size of the database."""
        ...

    def close(self) -> None:
        """Close every connection."""
        ...

    def unreadable(self) -> tuple[Unreadable, ...]:
        """The unreadable rows on which deliveries and digests depend.

        Methods that list rows skip them: only what depends on such a row is affected.
        """
        ...

    def free(self) -> int | None:
        """Free bytes on its disk, None if that is another machine's."""
        ...

    def back_up(self, target: Path) -> int:
        """Copy all of it, while in use, to a file that only its owner may read; the copy's size in bytes.

        An existing file is replaced once the copy is complete. Raises StoreError.
        """
        ...

    def forget_repository(self, repo: str) -> bool:
        """Delete everything about a repository, including subscriptions; whether there was anything."""
        ...

    def forget_person(self, person: str) -> int:
        """Delete the rows of a person (`slack:T1/U1`), and the subscriptions of their direct chat; how many."""
        ...

    def retain(self, since: datetime, followed: Collection[str]) -> int:
        """Delete commits, analyses and digests of repositories unused since, except `followed`; how many.

        Which commits were reported stays stored.
        """
        ...

    def compact(self) -> None:
        """Compress what an earlier version did not, and free unused space; deliveries need not wait for it."""
        ...


class Store(Archive, Aftermath, Talks, Subscriptions, Ledger, Meter, Learned, Leases, Memory, Database, Protocol):
    """Everything that must be stored. Safe for several threads and several processes on one database."""
