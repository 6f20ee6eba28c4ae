"""Subscriptions, deliveries and their progress, and metrics."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from bot.values.digest import Filters, Grade, Link
from bot.values.message import Place
from bot.values.text import Aside

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


UNREACHABLE = ("left", "archived", "gone", "closed")
"""The reasons why a channel's subscriptions are paused if the bot cannot post there: keys of `[paused]`."""

DENIED = "denied"
"""The reason why one subscription is paused: its channel may no longer see the repository. A key of `[paused]`."""

TRIED = (*UNREACHABLE, DENIED)
"""The reasons that may end without notice, so that paused subscriptions are retried."""

TOP, MOST_TOP = 12, 50
"""How many high commits a thread has by default, and at most."""

GATHERED = "gathered"
"""Instead of a digest's key: there is one digest for each repository of a group."""

LOOK = 1
"""The layout of this version's digests; 0 is that of versions before 0.3. A digest started in one is finished in it, so
that no part is lost or repeated.
"""


class Threads(StrEnum):
    """What is in the thread under a headline: everything, only the report, or nothing."""

    FULL = "yes"
    REPORT = "report"
    NONE = "no"


FOLLOW_UPS = 5
"""How many follow-ups a week a place gets by default."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A place that gets the digests of a repository.

    `branch` empty means the default one; `schedule` is a crontab expression in the IANA `zone`; `quiet` says whether a
    period without commits is posted; `paused` is the reason while it is paused. `created` is when it was created, and
    `scheduled` since when its schedule, zone and holidays are valid: nothing before that becomes due by them. `top` is
    how many high commits its threads have at most, and `threads` what they contain; `follow_ups` says whether it gets
    any. `holidays` names the calendar whose working days its schedule follows, empty for none. `id` is 0 until the
    store assigns one.
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
    top: int = TOP
    follow_ups: bool = True
    holidays: str = ""
    threads: Threads = Threads.FULL


class StepState(StrEnum):
    """How far one message of a delivery got: recorded before it is sent, and after."""

    INTENDED = "intended"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Step:
    """One message of a delivery: since when it is to be sent; once sent, the chat's name for the thread under it."""

    key: str
    state: StepState
    begun: datetime
    thread: str | None = None


@dataclass(frozen=True, slots=True)
class DeliveredCommit:
    """A reported commit: with which grade, when, and where; the place is the thread under the headline.

    `followed` says whether the subscription it was reported to still exists, as far as that is known.
    """

    sha: str
    grade: Grade
    place: Place
    at: datetime
    followed: bool = True


@dataclass(frozen=True, slots=True)
class FollowUp:
    """What became of a commit that was reported to a place at a time `told`, to be posted in that thread, `place`.

    If there is no such thread, it goes into the headline instead (`aloud`); the thread may turn out to be `gone`.
    `repo` is the repository of the commit if the subscription is to a group.
    """

    link: Link
    told: datetime
    place: Place
    aloud: bool = False
    gone: bool = False
    repo: str = ""

    @property
    def key(self) -> str:
        """The key of its message."""
        return f"since-{self.link.earlier.sha[:12]}-{self.link.later.sha[:12]}"


class DeliveryState(StrEnum):
    """The state of a delivery: due or in progress; posted; without anything to report; given up.

    `restored` was completed after a restore: the ledger had lost it. It was posted if it has steps; otherwise that is
    unknown, and it is not posted again.
    """

    DUE = "due"
    DONE = "done"
    QUIET = "quiet"
    FAILED = "failed"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as it is stored, to be shown in the reader's language: its key, and the fields of its text.

    A field may be several names, which each language lists in its own way, or have an aside, with its own brackets.
    """

    key: str
    fields: tuple[tuple[str, str | tuple[str, ...] | Aside], ...] = ()


@dataclass(frozen=True, slots=True)
class Gone:
    """A reported commit that is no longer on its branch, with what identifies it if it comes back.

    `shape` is which files it changes and by how many lines, `patch` what it does, `named` who wrote it under which
    title: each a hash, empty if unknown.
    """

    sha: str
    shape: str = ""
    patch: str = ""
    named: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a branch was reported: up to its commit `tip`, empty if there was nothing on it.

    It is None if only releases are reported. `releases` are the tags of the last weeks that existed then, each with the
    start of its SHA; None if that was never read. `gone` is what was reported and removed by a rewrite, latest first,
    as far as it did not come back.
    """

    branch: str
    tip: str | None
    releases: tuple[tuple[str, str], ...] | None = None
    gone: tuple[Gone, ...] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """A repository of a group in one delivery, whether or not it has anything to report.

    `cursor` is how far its digests got before, and `before` up to where; `mark` is up to where this delivery reports,
    None until it is read, or if it cannot be: then `failure` says why. `digest` is the key of its digest, empty for
    none; `new` says that the group did not have it before.
    """

    repo: str
    cursor: datetime
    before: Mark | None = None
    mark: Mark | None = None
    digest: str = ""
    failure: Failure | None = None
    new: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """One subscription's digest of the period `[since, until)`, due at `slot`, and how far its messages got.

    `cursor` is how far the earlier ones got: if that is before `since`, the time between is left out. `merged` counts
    earlier slots without a digest. `deadline` is when it is given up; `retry` is when it is next attempted. `attempts`
    only ever grows, so that a process that was overtaken finds out; `failures` are those that failed. `digest` is the
    key of the stored digest, once it is made. `looked_since` is set after a restore: since then its messages may have
    been sent without the ledger knowing, so each is looked for first. `top` and `threads` are the subscription's when
    the digest was made, and `look` is the form of its messages then; a `top` of None is for one started by an earlier
    version, which had no limits. `new_look` says that its place learns of that. `before` is up to where the earlier
    ones reported, and `mark` up to where this one does, once known; None if an earlier version went by dates, or a
    restore has lost it. `follow_ups` are posted after its digest, and `told` is, by SHA, when the place saw earlier
    commits that the digest refers to. `members` are the repositories of a group, each with its own; then `digest` is
    `GATHERED` once all of them are read.
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
    looked_since: datetime | None = None
    id: int = 0
    top: int | None = None
    before: Mark | None = None
    mark: Mark | None = None
    follow_ups: tuple[FollowUp, ...] = ()
    told: tuple[tuple[str, datetime], ...] = ()
    members: tuple[Member, ...] = ()
    threads: Threads = Threads.FULL
    look: int = 0
    new_look: bool = False

    @property
    def digests(self) -> tuple[str, ...]:
        """The keys of its digests, once all of them are built."""
        return self.gathered if self.digest == GATHERED else (self.digest,) if self.digest else ()

    @property
    def gathered(self) -> tuple[str, ...]:
        """The keys of a group's digests that are built."""
        return tuple(member.digest for member in self.members if member.digest)

    @property
    def sent(self) -> bool:
        """Whether anything of it is known to be posted."""
        return any(step.state is StepState.DONE for step in self.steps)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A subscription that may have something to plan, or to give up, with its latest delivery.

    `mark` belongs to the store: it differs once anything about that has changed.
    """

    subscription: Subscription
    last: Delivery | None
    mark: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row that cannot be read: the table it is in, its key, and the place it is about, if known."""

    table: str
    key: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric of the running bot: a `counter` or a `gauge` with its samples, each with its labels."""

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
