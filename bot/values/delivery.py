"""Who gets which digest and when, how far its delivery got, and what is measured of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from bot.values.digest import Filters, Grade, Link
from bot.values.message import Place

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


UNREACHABLE = ("left", "archived", "gone", "closed")
"""Why a channel's subscriptions can rest, because the bot cannot post there: keys of `[paused]`."""

DENIED = "denied"
"""Why one subscription can rest: its channel may see the repository no more. A key of `[paused]`."""

TRIED = (*UNREACHABLE, DENIED)
"""The reasons to rest that may end without anybody saying so: it is tried again and again."""

TOP, MOST_TOP = 12, 50
"""How many high commits a thread has where nobody says so, and at most."""

FOLLOW_UPS = 5
"""How often a week a place is told what became of commits that it was told of, where nobody says so."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A place that gets the digests of a repository.

    `branch` empty means the default one; `schedule` is a crontab expression in the IANA `zone`; `quiet` says whether a
    period without commits is posted; `paused` holds the reason while it rests. `created` is when it began, and
    `scheduled` since when its schedule and zone are as they are: what they would have made due before is not. `top` is
    how many high commits its threads have at most; `follow_ups` says whether it is told what became of those. `id` is 0
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
    top: int = TOP
    follow_ups: bool = True


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
class DeliveredCommit:
    """That a commit was told of: with which grade, when, and where; the place is the thread beneath the headline."""

    sha: str
    grade: Grade
    place: Place
    at: datetime


@dataclass(frozen=True, slots=True)
class FollowUp:
    """What became of a commit that a place was told of at a time `told`, to be said in the thread of that, `place`.

    It is said in the headline instead where there is no such thread (`aloud`); the thread may turn out to be `gone`.
    """

    link: Link
    told: datetime
    place: Place
    aloud: bool = False
    gone: bool = False

    @property
    def key(self) -> str:
        """The key of its message."""
        return f"since-{self.link.earlier.sha[:12]}-{self.link.later.sha[:12]}"


class DeliveryState(StrEnum):
    """What became of a delivery: it is due or under way; it is posted; nothing was to be told; it was given up.

    `restored` is what was settled after a restore: the ledger had forgotten it. It was posted where it has steps; else
    nobody can find out, and it is not posted again.
    """

    DUE = "due"
    DONE = "done"
    QUIET = "quiet"
    FAILED = "failed"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as it is kept, so that it can be told in the reader's language: its key, and the fields of its text."""

    key: str
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Gone:
    """A commit that was told of, and that its branch has no more; by what it is known again where it comes back.

    `shape` is which files it changes and by how many lines, `patch` what it does, `named` who wrote it under which
    title: each a hash, empty where it is not known.
    """

    sha: str
    shape: str = ""
    patch: str = ""
    named: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """Up to where a branch was told of: its commit `tip`, which is empty where there was nothing on it.

    It is None where only releases are told of. `releases` are the tags of the last weeks that were there by then, each
    with the start of its SHA; None where nobody looked. `gone` is what was told of and was rewritten away, the latest
    first, as far as it did not come back.
    """

    branch: str
    tip: str | None
    releases: tuple[tuple[str, str], ...] | None = None
    gone: tuple[Gone, ...] = ()


@dataclass(frozen=True, slots=True)
class Delivery:
    """One subscription's digest of the period `[since, until)`, due at `slot`, and how far its messages got.

    `cursor` is how far the earlier ones got: where it lies before `since`, the time between is left out. `merged`
    counts the slots that passed before without a digest. `deadline` is when it is given up; `retry` is when it is next
    tried. `attempts` only ever grows, so that who was overtaken finds out; `failures` are those that failed. `digest`
    is the key under which what is posted is kept, once it is made. `looked_since` is set after a restore: since
    then its messages may have been sent, of which the ledger knows nothing, so that each is looked for first. `top` is
    the subscription's when the digest was made; None for one that an earlier version began, which had no bounds.
    `before` is up to where the earlier ones told, and `mark` up to where this one does, once that is known; None where
    an earlier version told by dates alone, or a restore has forgotten it. `follow_ups` are said after its digest, and
    `told` is by SHA when the place was told of earlier commits that the digest refers to.
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

    @property
    def sent(self) -> bool:
        """Whether anything of it is known to be posted."""
        return any(step.state is StepState.DONE for step in self.steps)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A subscription at which there may be something to plan, or to give up, with its latest delivery.

    `mark` is the store's: it is another one once anything of that has changed.
    """

    subscription: Subscription
    last: Delivery | None
    mark: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row that cannot be read: the table it is in, its key, and the place it is about, as far as that is known."""

    table: str
    key: str
    place: str = ""


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
