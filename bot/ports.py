"""What the core needs of the world, as protocols."""

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
    Twin,
    Unreadable,
    Usage,
    Window,
)


class Verdict(StrEnum):
    """What came of looking at something: it works, works in part, does not, or could not be looked at."""

    FINE = "fine"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """What `digest doctor` found: `subject.outcome` names its text in `[doctor]`, `fields` fill the text's blanks.

    `error` is told instead, where something failed as it fails elsewhere.
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
    by somebody who did not live to tell: the chat waits, and looks for it, before it sends. `check` is called right
    before each send and raises LeaseLost where another process has taken over.
    """

    key: str
    begun: datetime
    again: bool
    check: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Posted:
    """What stands in a channel or thread: by its name each wanted message's thread, and the names of all files."""

    threads: Mapping[str, str]
    files: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Readers:
    """Who reads what is said at a place, as far as its chat can tell; what it cannot tell is taken for the worst.

    `alone`: one person and nobody else, `person` where the chat knows who. `guest`: somebody is no full member of the
    workspace. `shared`: the channel is one of several organisations.
    """

    alone: bool = False
    person: str = ""
    guest: bool = False
    shared: bool = False


class Progress:
    """Told how far a digest is. This one keeps silent; a chat that can show progress overrides it.

    It shows from `collecting` until `over`: nothing else is shown in between.
    """

    def collecting(self, repo: str) -> None:
        """The commits of `repo` are being read."""

    def analysing(self, done: int, total: int) -> None:
        """`done` of `total` high and medium commits are analysed."""

    def over(self) -> None:
        """The work ended, well or not: there is an answer to show."""


class Releases(Protocol):
    """What is known of a repository's releases, and of what has landed elsewhere. Safe to call from several threads."""

    def releases(self, repo: str, since: datetime = EPOCH) -> tuple[Release, ...]:
        """The tags that name releases of `repo`, oldest first by when each was made, as far as they can be known.

        With `since` only those made from then on. Nightlies, tags that move and, in a repository with a line of its
        own, those of other packages are left out, see `bot.commits.releases`. Raises NotFound, Forbidden, Unavailable.
        """
        ...

    def first_releases(self, repo: str, shas: Sequence[str]) -> Mapping[str, Release | None]:
        """By SHA (40 or 64 hex digits) the first of the releases from which each commit can be reached, or None.

        A commit of which that cannot be known is absent. Raises NotFound for an unknown repository, or where the
        history does not reach far enough (a shallow clone); also Forbidden, Unavailable.
        """
        ...

    def contents(self, repo: str, release: Release, before: Release | None, branch: str | None = None) -> Contents:
        """What a release has that the one `before` it has not; and of that, what is not on a branch (empty: default).

        Raises NotFound where one of them is not there, or the history does not reach far enough; Forbidden,
        Unavailable.
        """
        ...

    def read(self, repo: str, shas: Sequence[str]) -> tuple[Commit, ...]:
        """The commits of some SHAs, which are of one first-parent line, newest first. Raises NotFound, Unavailable."""
        ...

    def notes(self, repo: str, names: Sequence[str]) -> Mapping[str, str]:
        """By the name of a release what was published with it, or else its tag says, as it was written.

        It is read to 120,000 characters. Absent is a release without. Raises NotFound, Forbidden, Unavailable.
        """
        ...

    def twins(self, repo: str, commit: Commit) -> tuple[Twin, ...]:
        """The commits of other branches that make the same change as `commit`, by their patches, at most five.

        None where that would take too many requests. Raises NotFound, Forbidden, Unavailable.
        """
        ...


class CommitSource(Releases, Protocol):
    """Where commits come from. Safe to call from several threads."""

    def repository(self, repo: str) -> Repository:
        """What is known of `repo`. Raises NotFound, Forbidden, Unavailable."""
        ...

    def commits(self, repo: str, branch: str, since: datetime, until: datetime) -> tuple[Commit, ...]:
        """First-parent commits of `branch` (empty: the default one) with `since <= committed < until`, newest first.

        Raises NotFound for an unknown repository or branch, or where the history does not reach back to `since`
        (a shallow clone); an empty repository has none and raises nothing. Also Forbidden, Unavailable.
        """
        ...

    def landed(self, repo: str, branch: str, tip: str | None, window: Window) -> Landing:
        """What `branch` has that it had not at its old `tip`, whatever its dates say; empty: there was nothing then.

        Told is all up to the newest commit that is dated before the window's end or after its `now`. Without a tip
        (None), where it is not there any more, and where more lies between than is read, it is what is dated from the
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

        Of those that are dated up to `until` the first ones, see `bot.commits.aftermath`. Raises as `commits` does.
        """
        ...

    def patches(
        self, repo: str, commits: Sequence[Commit], paths: Collection[str] = ()
    ) -> Iterator[tuple[str, tuple[FilePatch, ...]]]:
        """For each commit its SHA and the patch against its first parent, in the order asked for.

        With `paths` of those files alone, and only for commits that change one of them.
        Lazy: a patch is read when the iteration reaches it. A file is read to 256 KiB and a commit to 8 MiB, the rest
        is marked incomplete. Raises NotFound, Unavailable.
        """
        ...

    def look(self, repo: str, commit: Commit, looks: Sequence[Look]) -> tuple[Sight, ...]:
        """What each of `looks` finds in the tree at `commit`, in their order; `bot.commits.lookup` has the limits.

        What cannot be looked up is refused in its own Sight. Raises NotFound, Forbidden, Unavailable for the repository
        itself.
        """
        ...

    def quota(self) -> Quota | None:
        """The requests that are left, None where there is no limit. Raises Unavailable, ConfigError."""
        ...


class LanguageModel(Protocol):
    """Something that answers a question with text. Safe to call from several threads."""

    @property
    def name(self) -> str:
        """The model's name, part of the key under which its answers are kept."""
        ...

    def ask(self, question: Question) -> Reply:
        """One answer. Raises ModelError where there is none, Unavailable where a later try may succeed."""
        ...


class Listener(Protocol):
    """What a chat tells of what people do there. Safe to call from several threads; raises nothing that it expects."""

    def request(
        self, request: Request, show: Callable[[Form], None] | None = None, before: Callable[[], None] = lambda: None
    ) -> None:
        """Answer a request where it was made; one whose `id` was seen before is not answered again.

        `show` opens a form, in a chat that has such: it is called instead of an answer where the line asks for one, and
        may raise DigestError, which is told. `before` is called right before anything is said or shown.
        """
        ...

    def problem(self, place: Place, values: Mapping[str, str]) -> Problem | None:
        """What is wrong with a filled-in form, as far as that can be told without asking anybody."""
        ...

    def submit(self, request: Request, values: Mapping[str, str]) -> Problem | None:
        """Do what a filled-in form asks, and tell its place; or say what is wrong with it.

        The request's text does not count.
        """
        ...

    def first(self, name: str) -> bool:
        """Whether something that people did comes for the first time, to whichever process; `name` is its own."""
        ...

    def form(self, place: Place, values: Mapping[str, str]) -> Form:
        """The form again as somebody filled it in."""
        ...

    def followed(self, place: Place) -> Post | None:
        """What a channel follows, as far as the place's viewer may know, and what can be done; None for nothing."""
        ...

    def followed_in(self, chat: str) -> tuple[Place, ...]:
        """The channels of a chat that follow something."""
        ...

    def left(self, place: Place, reason: str) -> None:
        """The bot can post in a channel no more: its subscriptions rest. `reason` is a key of `[paused]`."""
        ...

    def joined(self, place: Place) -> None:
        """The bot can post in a channel again: what rested for that goes on."""
        ...

    def removed(self, belongs: Callable[[Place], bool]) -> None:
        """The bot was taken out of a whole workspace: the subscriptions of places that belong to it are removed."""
        ...

    def text(self, place: Place | None, key: str, **fields: object) -> str:
        """A label (`section.name`) in the language of a place, or in the operator's."""
        ...


class Chat(Protocol):
    """A chat platform."""

    @property
    def name(self) -> str:
        """The name that stands in `Place.chat`."""
        ...

    def post(self, place: Place, message: Message, once: Idempotency | None = None) -> Place:
        """Post `message` and return the thread beneath it; with `once` exactly once, wherever the platform lets us see.

        Raises NotFound where the channel is not there or has taken the bot out, ThreadGone, Forbidden, ConfigError,
        Unavailable where a later try may succeed, LeaseLost, and at the end Refused for a part that the platform does
        not take, where all others are posted.
        """
        ...

    def posted(self, place: Place, names: Collection[str], since: datetime) -> Posted:
        """Which messages stand in a channel or thread that were sent since some time under one of `names`.

        A name is an `Idempotency.key`. Whoever was killed just before may still have been sending: the chat waits for
        that. Raises Forbidden where the history cannot be read, whoever asks when; NotFound, ConfigError, Unavailable.
        """
        ...

    def ahead(self) -> timedelta | None:
        """How far this machine's clock is ahead of the chat's, by an answer that only the chat itself can have given.

        None where it gave none. Raises what asking for one raises.
        """
        ...

    def readers(self, place: Place, person: str) -> Readers:
        """Who reads at a place, asked of the chat for `person` (empty: nobody in particular), and remembered a while.

        Raises ConfigError, and Unavailable where that can be told later; what cannot be told is taken for the worst.
        """
        ...

    def check(self, place: Place) -> None:
        """Refuse a channel in which the bot cannot post, with words for somebody who is in it.

        Raises NotFound and Forbidden; where the chat does not tell, nothing.
        """
        ...

    def listen(self, listener: Listener) -> None:
        """Tell `listener` what people do, until there is no more or `close` is called. Raises ConfigError."""
        ...

    @property
    def connected(self) -> bool:
        """Whether what people do there is told, or would be if there were a way in. It asks nobody."""
        ...

    def close(self) -> None:
        """Stop listening, after what is being answered, or after some seconds."""
        ...


class Archive(Protocol):
    """Commits, analyses and digests that were read or made, and which of them were delivered."""

    def keep_commits(self, commits: Iterable[Commit]) -> None:
        """Keep commits; one that is known already is replaced."""
        ...

    def commits_by_sha(self, repo: str, prefix: str) -> tuple[Commit, ...]:
        """Known commits of `repo` whose SHA starts with `prefix` (lower-case hex), newest first, at most 10."""
        ...

    def commits_by_pull(self, repo: str, number: int) -> tuple[Commit, ...]:
        """Known commits of `repo` that belong to pull request `number`, newest first, at most 10."""
        ...

    def search(self, words: str, repos: Sequence[str], limit: int) -> tuple[Commit, ...]:
        """Commits of `repos` whose message, paths or analyses hold all `words`, newest kept first, at most `limit`.

        A word matches at the start of a word, Chinese wherever it stands, from one character on. Any text is a valid
        query; of a very long one only the start counts.
        """
        ...

    def analysis(self, key: AnalysisKey) -> Analysis | None:
        """The kept analysis, or None."""
        ...

    def keep_analysis(self, key: AnalysisKey, analysis: Analysis) -> None:
        """Keep an analysis of a kept commit; an earlier one under the same key is replaced."""
        ...

    def digest(self, key: str) -> Digest | None:
        """The digest kept under `key`, or None."""
        ...

    def keep_digest(self, key: str, digest: Digest, now: datetime) -> None:
        """Keep a digest, its commits and its analyses' texts for search, in one transaction."""
        ...

    def recent_digests(self, repo: str, branch: str, language: str, limit: int) -> tuple[Digest, ...]:
        """Kept digests of `repo` and `branch` in `language`, the latest period first, of one what was kept last."""
        ...

    def delivered_to(self, repo: str, sha: str) -> tuple[DeliveredCommit, ...]:
        """Where a commit was told of, the first place first; it outlives digests, deliveries and subscriptions."""
        ...

    def delivered_grades(self, repo: str, shas: Iterable[str]) -> dict[str, Grade]:
        """By SHA the grade with which each commit was told of first, of those that were told of at all."""
        ...

    def delivered_digests(self, repo: str, branch: str, language: str, period: Period) -> dict[str, Digest]:
        """By key the digests of a period, in its zone, that were posted, whichever version made them."""
        ...


class Aftermath(Protocol):
    """What became of commits, and what places were told of that."""

    def keep_links(self, repo: str, links: Iterable[Link]) -> None:
        """Keep what became of commits of `repo`; of the same two what is certain stays."""
        ...

    def links(self, repo: str, shas: Collection[str]) -> tuple[Link, ...]:
        """What is kept of commits, whichever end of it they are, by when the later one landed."""
        ...

    def followed_up(self, place: Place, since: datetime) -> tuple[tuple[str, str, datetime], ...]:
        """What a channel was told since some time of what became of commits: the earlier SHA, the later one, and when.

        It counts from the moment in which its delivery is kept with it, and not where that was given up unposted.
        """
        ...

    def mute(self, thread: Place, now: datetime, muted: bool) -> None:
        """Let nothing more be said in a thread of what became of its commits, or again."""
        ...

    def is_muted(self, thread: Place) -> bool:
        """Whether nothing more is to be said there."""
        ...


class Subscriptions(Protocol):
    """Who follows what."""

    def subscribe(self, subscription: Subscription) -> Subscription:
        """Keep a subscription and return it with its id; one for the same place, repo and branch is replaced."""
        ...

    def unsubscribe(self, subscription: int) -> None:
        """Remove a subscription and its deliveries. One that is not there is no error."""
        ...

    def pause(self, subscription: int, reason: str) -> None:
        """Let a subscription rest for a reason, or with none go on. One that is not there is no error."""
        ...

    def subscriptions(self, place: Place | None = None) -> tuple[Subscription, ...]:
        """All subscriptions by id, or those of one channel or thread."""
        ...

    def numbered(self, numbers: Collection[int]) -> tuple[Subscription, ...]:
        """The subscriptions of some numbers, by id; what is not there is left out."""
        ...

    def candidates(self, now: datetime, ahead: datetime) -> tuple[Candidate, ...]:
        """The subscriptions that are to be looked at, by id: found by an index, however many others there are.

        Those are the ones whose moment has come (`look_at`), or of which something was changed since it was named: what
        they ask for, whether they rest, and what became of their latest delivery. What was named, or put off, by a
        clock that showed a time after `ahead` counts as changed.
        """
        ...

    def candidates_after(self, number: int, limit: int) -> tuple[Candidate, ...]:
        """Subscriptions with higher numbers, by id, whether or not they are to be looked at."""
        ...

    def look_at(self, moments: Iterable[tuple[Candidate, datetime | None]], now: datetime) -> None:
        """Name the moment at which each is to be looked at again; None: only once something is changed.

        One of which something was changed since it was given is to be looked at all the same.
        """
        ...


class Ledger(Protocol):
    """How far every delivery got, written down before and after each step."""

    def plan(self, delivery: Delivery, last: int) -> Delivery | None:
        """Keep a new delivery and return it with its id, where the subscription's latest one is still number `last`.

        `last` is 0 where there was none. None where another process was first, or the subscription is gone. Old ones
        that are settled may be forgotten, but not the latest 30.
        """
        ...

    def keep_delivery(self, delivery: Delivery) -> None:
        """Keep how far a delivery got; the earlier state is replaced. What is given up unposted has told nothing.

        Once its headline is posted, what it told of is remembered for good: see `delivered_to`.

        Raises NotFound where it was removed with its subscription: nothing more is to be posted for it. Raises
        LeaseLost where it was tried more often since, or is settled.
        """
        ...

    def retry_soon(self, subscription: int, retry: datetime, deadline: datetime) -> None:
        """Let what is due of a subscription be tried at `retry`, and not be given up before `deadline`."""
        ...

    def reopen(self, delivery: Delivery) -> bool:
        """Keep a settled delivery as due again; whether it is still the one that was given up.

        One of which nothing was posted must still be the latest: else a later one tells its commits.
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
        """The deliveries that are due and to be tried now, the one that waits the longest first."""
        ...

    def delivery_states(self) -> dict[DeliveryState, int]:
        """How many deliveries are in each state."""
        ...

    def delivered_shas(self, subscription: int, but: int) -> frozenset[str]:
        """SHAs of commits that a subscription was told of by deliveries but one."""
        ...

    def mark_delivered(self, delivery: Delivery, landed: Iterable[Commit]) -> None:
        """Keep a delivery, and that its subscription is told of `landed` by it, as long as the delivery is kept.

        Raises as `keep_delivery` does.
        """
        ...


class Meter(Protocol):
    """What language models took, and on whose account: of that, persons and channels only until the day is over."""

    def reserve(self, wanted: Reservation, since: datetime, until: datetime, allow: Callable[[Taken], None]) -> str:
        """Reserve what a question may take, and return the reservation's name.

        `allow` gets what was taken and is reserved from `since` to `until`, the day, and raises where that is too much
        already: then nothing is reserved. No other process reserves meanwhile. Who asked before `since` is forgotten.
        """
        ...

    def charge(self, reservation: str, usage: Usage | None) -> None:
        """Keep what a question took instead of what was reserved for it; None: it took nothing.

        One that is never charged, since its process was killed, counts as taken: a service bills it all the same.
        """
        ...

    def taken(self, account: Account, since: datetime, until: datetime) -> Taken:
        """What was taken and is reserved for `since <= at < until`."""
        ...

    def add_checks(self, model: str, purpose: str, stated: int, dropped: int, now: datetime) -> None:
        """Add how many statements an answer made, and how many of them were dropped."""
        ...

    def usage(self, since: datetime, until: datetime) -> tuple[Spending, ...]:
        """Sums per model and purpose for `since <= at < until`, in that order."""
        ...


class Learned(Protocol):
    """What was found out of a service by asking it, so that the next process need not find it out again."""

    def learned(self, about: str, since: datetime) -> str:
        """What was kept last about a service; empty where nothing was, or only before `since`."""
        ...

    def learn(self, about: str, what: str, now: datetime) -> None:
        """Keep it, in the place of what was kept before."""
        ...


class Leases(Protocol):
    """Who works on what, so that nobody else does; a lease that nobody renews runs out."""

    def claim(self, key: str, holder: str, now: datetime, until: datetime) -> bool:
        """Take the lease on `key` until `until`, or prolong one's own; False while another holder's is unexpired."""
        ...

    def renew(self, keys: Iterable[str], holder: str, now: datetime, until: datetime) -> None:
        """Prolong those leases of a holder that have not run out."""
        ...

    def release_all(self, holder: str) -> None:
        """Give every lease of a holder back."""
        ...

    def release(self, key: str, holder: str) -> None:
        """Give a lease back; another holder's stays."""
        ...


class Memory(Protocol):
    """Whether what is remembered is all that was: a restored backup, or a lost log of writes, has forgotten the last.

    Each write of the ledger is counted, in the database and, after that, in a file elsewhere: where the database is
    behind that file, it has forgotten something. A database may also be marked as restored.
    """

    def count_in(self, folder: Path) -> None:
        """Count in a folder too, from now on, which is not restored or lost together with the database."""
        ...

    def begin(self, now: datetime) -> bool:
        """Count a start; whether something was forgotten. Then every place that follows something is unsettled."""
        ...

    def unsettled(self) -> Mapping[Place, datetime]:
        """The places of which nobody knows what was posted there last, each with when that was found out."""
        ...

    def settle(self, place: Place, deliveries: Sequence[Delivery]) -> None:
        """Keep what was found out of a place: deliveries that are new have no number. It is unsettled no more.

        All in one, so that a kill leaves all of it for another time.
        """
        ...


class Rate(NamedTuple):
    """What a service counts under a name: one call every `period` seconds, after `burst` of them at once.

    So many `calls` are counted together, which follow each other no faster than that.
    """

    name: str
    period: float
    burst: int
    calls: int = 1


class Room(NamedTuple):
    """Whether a call may go; for how many seconds on the calls of each rate count, and each pause lasts."""

    granted: bool
    counted: Sequence[float]
    paused: Sequence[float]


class Rates(Protocol):
    """How fast all processes together may call a service. Safe for several threads; raises as a store does."""

    def take(self, rates: Sequence[Rate], pauses: Sequence[str]) -> Room:
        """Count calls if the first is within all of its rates, and none of its pauses lasts; all in one step."""
        ...

    def pause(self, name: str, seconds: float) -> None:
        """Let nobody through for some time."""
        ...


class Slots(Protocol):
    """How many things all processes together do at once. Safe for several threads; raises as a store does."""

    def taken(self, name: str, number: int) -> AbstractContextManager[None]:
        """Hold one of `number` slots of a name while this lasts; it waits until one is free."""
        ...


@dataclass(frozen=True, slots=True)
class Task:
    """A step that waits to be done by whichever process has hands for its `lane`: `arguments` are plain values.

    Of the same `key` one waits or is worked on at a time, of the same `lock` (empty: none) one is worked on. Of what
    waits in a lane the highest `priority` is first, then what waits longest.
    """

    step: str
    key: str
    lane: str
    arguments: Mapping[str, object]
    lock: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Again:
    """That a task is to be done once more: `at` some time, from then on under another lock where one is given."""

    at: datetime
    lock: str = ""


Work = Callable[..., Again | None]
"""Does a task, by its arguments; None once it is done. What it raises lets the task be done again after a pause."""


@dataclass(frozen=True, slots=True)
class Crew:
    """So many threads of a process that take tasks from lanes: whichever `lanes` gives at the time.

    What is done is forgotten, unless it is `remembered` for a day: then no task of the same key is added meanwhile.
    Where nothing waits, it is looked again after `pause` seconds.
    """

    name: str
    number: int
    lanes: Callable[[], Sequence[str]]
    remembered: bool = False
    pause: float = 1.0


class Queue(Protocol):
    """What is to be done, shared by processes: a process that dies gives back what it had in hand.

    Safe for several threads. Raises StoreError and Unavailable as a store does.
    """

    def add(self, tasks: Sequence[Task]) -> None:
        """Let tasks wait, but for those whose key is there already, waiting or worked on."""
        ...

    def hasten(self, keys: Collection[str]) -> None:
        """Let tasks be done now that were put off."""
        ...

    def waiting(self) -> Mapping[str, bool]:
        """The keys of all tasks that wait or are worked on, and whether each was put off until later."""
        ...

    def counts(self) -> Mapping[tuple[str, str], int]:
        """How many tasks there are, by step and by `waiting`, `put off` or `working`."""
        ...

    def work(self, steps: Mapping[str, Work], crews: Sequence[Crew], every: Mapping[str, int]) -> None:
        """Begin to do tasks, in threads of its own. `every` so many seconds a step is done without one, by one process.

        A step that is called so gets no arguments; it is in the lane `plan`.
        """
        ...

    def halt(self) -> None:
        """Take nothing more. It waits for nothing."""
        ...

    def stop(self, seconds: float) -> None:
        """Take nothing more, wait up to `seconds` for what is done, and give back what is not."""
        ...


class Database(Protocol):
    """The one place in which all of it is kept."""

    @property
    def name(self) -> str:
        """Where that is, as it may be told: a path, or an address without its password."""
        ...

    def counts(self) -> dict[str, int]:
        """Rows of each table, and `bytes`, the size of the database."""
        ...

    def close(self) -> None:
        """Let go of every connection."""
        ...

    def unreadable(self) -> tuple[Unreadable, ...]:
        """The rows that no version of this program wrote, as far as deliveries and digests depend on them.

        Nothing that lists rows gives such a one: it costs what hangs on it, and nobody else.
        """
        ...

    def free(self) -> int | None:
        """Bytes that are left on its disk, None where that is another machine's."""
        ...

    def back_up(self, target: Path) -> int:
        """Copy all of it into a file that only its owner may read, while it is used; the copy's bytes.

        What stood there before is replaced once the copy is whole. Raises StoreError.
        """
        ...

    def forget_repository(self, repo: str) -> bool:
        """Remove all that is kept of a repository, its subscriptions too; whether there was anything."""
        ...

    def forget_person(self, person: str) -> int:
        """Remove the rows of a person of a chat (`slack:T1/U1`), and what is followed with them alone; how many."""
        ...

    def retain(self, since: datetime, followed: Collection[str]) -> int:
        """Remove commits, analyses and digests of repositories of which nothing came since, but `followed`; how many.

        That a commit was told of is remembered for good.
        """
        ...

    def compact(self) -> None:
        """Pack what an earlier version did not, and give unused space back; deliveries need not wait for it."""
        ...


class Store(Archive, Aftermath, Subscriptions, Ledger, Meter, Learned, Leases, Memory, Database, Protocol):
    """All that must be remembered. Safe for several threads and several processes on one database."""
