"""What the row of a delivery says, and what it is to say next. Pure; `now` is always passed in.

Each message of a delivery is a step: written down as intended before it is sent, and as done after. One that is
intended and not done may have been sent. `Delivery.attempts` is the fence: whoever works on a delivery raises it first,
and a process with a lower number, which stood still for too long, keeps and sends nothing more.
"""

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from bot.delivery import schedule
from bot.errors import DigestError
from bot.languages import LANGUAGES
from bot.values import (
    EPOCH,
    Commit,
    Delivery,
    DeliveryState,
    Failure,
    FollowUp,
    Mark,
    Member,
    Place,
    Step,
    StepState,
    Subscription,
    one_line,
)

GRACE = timedelta(hours=1)
"""So long a delivery is tried at least, however late it is."""
EARLY = timedelta(minutes=30)
"""So long before its slot a digest may be built."""
LAST_CHANCE = timedelta(days=7)
"""When a delivery is given up that no other follows."""
BACKOFF, LONGEST_BACKOFF = timedelta(seconds=30), timedelta(minutes=30)
"""How long a delivery that failed waits: twice as long each time, up to the longest."""
LOOKED_BACK = 30
"""How many earlier deliveries of a subscription are looked at."""

# --- When a delivery is planned, and when it is given up ---------------------------------------


def is_sound(subscription: Subscription) -> bool:
    """Whether a subscription says what can be done: there are such a schedule, such a zone and such a language."""
    return schedule.is_sound(subscription.schedule, subscription.zone) and subscription.language in LANGUAGES


def planned_delivery(subscription: Subscription, last: Delivery | None, now: datetime) -> Delivery | None:
    """The delivery that is due; None where none is. Raises UsageError for a schedule that cannot be understood."""
    expression, zone, holidays = subscription.schedule, subscription.zone, subscription.holidays
    due = schedule.due(expression, zone, watermark(subscription, last), now, holidays)
    if due is None:
        return None
    return Delivery(
        subscription.id,
        due.slot,
        due.cursor,
        due.since,
        due.until,
        deadline_of(subscription, due.slot, now),
        retry=now,
        merged=due.merged,
        before=told_up_to(last),
        members=members_left(last),
    )


def deadline_of(subscription: Subscription, slot: datetime, now: datetime) -> datetime:
    """When the delivery of a slot is given up that is begun now. Raises UsageError as `planned_delivery` does."""
    following = schedule.slot_after(subscription.schedule, subscription.zone, slot, subscription.holidays)
    return max(following or slot + LAST_CHANCE, now + GRACE)


def next_look(subscription: Subscription, last: Delivery | None) -> datetime | None:
    """When there will be something to plan, or to give up; None where that is once something is changed.

    Before that moment `planned_delivery` plans nothing, and `is_late` says no. Raises as they do.
    """
    if last and last.state is DeliveryState.DUE:
        return None if subscription.paused else last.deadline
    mark = watermark(subscription, last)
    return schedule.first_slot(subscription.schedule, subscription.zone, mark, subscription.holidays)


def coming_delivery(subscription: Subscription, last: Delivery | None, now: datetime) -> Delivery | None:
    """What will be due within `EARLY`, of a period that has ended; None where nothing will, or something still waits.

    It is no row of the ledger, and has no number: it is planned when its slot is there, from what is known then.
    Raises UsageError for a schedule that cannot be understood.
    """
    if (last and last.state is DeliveryState.DUE) or planned_delivery(subscription, last, now):
        return None
    coming = planned_delivery(subscription, last, now + EARLY)
    return coming if coming and coming.until < now else None


def watermark(subscription: Subscription, last: Delivery | None) -> schedule.Watermark:
    """How far the digests of a subscription got. What was given up unposted is for the next one to tell."""
    if last is None:
        timed = (subscription.schedule, subscription.zone, subscription.created)
        first = schedule.first_watermark(*timed, subscription.holidays)
        return replace(first, slot=max(first.slot, subscription.scheduled))
    slot = max(last.slot, subscription.scheduled)
    if last.state is DeliveryState.FAILED and not last.sent:
        return schedule.Watermark(slot, last.until, last.cursor, last.merged + 1)
    return schedule.Watermark(slot, last.until, last.until)


def is_late(subscription: Subscription, delivery: Delivery, now: datetime) -> bool:
    """Whether a delivery is to be given up; one that rests is tried until the bot is back in its channel."""
    return delivery.deadline <= now and not subscription.paused


# --- What it tells -----------------------------------------------------------------------------


def told_up_to(last: Delivery | None) -> Mark | None:
    """Up to where a subscription was told of its branch; what was given up unposted told nothing."""
    if last and last.state is DeliveryState.FAILED and not last.sent:
        return last.before
    return last.mark if last else None


def members_left(last: Delivery | None) -> tuple[Member, ...]:
    """The repositories of a group, each with where a subscription was told of it; as `told_up_to` for one."""
    if last is None:
        return ()
    untold = last.state is DeliveryState.FAILED and not last.sent
    return tuple(
        Member(each.repo, each.cursor, each.before)
        if untold or each.mark is None
        else Member(each.repo, last.until, each.mark)
        for each in last.members
    )


def unbuilt(delivery: Delivery) -> Delivery:
    """A delivery of which nothing was posted, to be built anew; each repository of a group is read again."""
    members = (replace(each, mark=None, digest="", failure=None) for each in delivery.members)
    return replace(delivery, digest="", members=tuple(members))


def undelivered(delivery: Delivery, landed: Iterable[Commit], delivered: Collection[str]) -> tuple[Commit, ...]:
    """The commits of a delivery: those that landed, but for `delivered` ones, and for what is dated in a time given up.

    What was forced away and came back later landed twice, and so did what a clock that was wrong told too early.
    """
    return tuple(
        commit
        for commit in landed
        if commit.sha not in delivered and not delivery.cursor <= commit.committed < delivery.since
    )


def failed_before(delivery: Delivery, known: Iterable[Delivery]) -> tuple[Delivery, ...]:
    """The deliveries that were given up since the last one that was posted, of those `known`, the latest first.

    What nobody can tell of after a restore counts as given up.
    """
    failed = []
    for earlier in known:
        if earlier.id < delivery.id:
            doubtful = earlier.state is DeliveryState.RESTORED and not earlier.sent
            if earlier.state is not DeliveryState.FAILED and not doubtful:
                break
            failed.append(earlier)
            if earlier.sent:
                break
    return tuple(failed)


# --- Its messages, one after the other -----------------------------------------------------------


def advanced(delivery: Delivery, keys: Iterable[str], now: datetime) -> Delivery:
    """The delivery with the first of the messages `keys` intended that is not posted; done, where all of them are."""
    posted = messages_in(delivery, StepState.DONE)
    following = next((key for key in keys if key not in posted), None)
    if following is None:
        return replace(delivery, state=DeliveryState.DONE, failure=None)
    if following in messages_in(delivery, StepState.INTENDED):
        return delivery
    begun = delivery.looked_since or now
    return replace(delivery, steps=(*delivery.steps, Step(following, StepState.INTENDED, begun)))


def messages_in(delivery: Delivery, state: StepState) -> dict[str, Step]:
    """The messages that got so far and no further, by key."""
    return {step.key: step for step in delivery.steps if step.state is state}


def mark_posted(delivery: Delivery, key: str, thread: str | None) -> Delivery:
    """The delivery with one of its messages posted; `thread` is what its chat calls the thread beneath it."""
    steps = (replace(s, state=StepState.DONE, thread=thread) if s.key == key else s for s in delivery.steps)
    return replace(delivery, steps=tuple(steps))


def place_of(subscription: Subscription, delivery: Delivery, step: Step) -> Place:
    """Where a message belongs: the headline, which is the first, in the subscription's place, all others beneath it.

    What became of a commit is said where the place was told of that.
    """
    if follow_up := follow_up_of(delivery, step.key):
        return follow_up.place
    headline = delivery.steps[0]
    return subscription.place if step.key == headline.key else replace(subscription.place, thread=headline.thread)


def follow_up_of(delivery: Delivery, key: str) -> FollowUp | None:
    """What became of a commit, where that is what the message `key` says."""
    return next((each for each in delivery.follow_ups if each.key == key and not each.aloud), None)


def mark_gone(delivery: Delivery, key: str) -> Delivery:
    """The delivery where the thread of one of its follow-ups is there no more: it is left to the next headline."""
    gone = (replace(each, gone=each.gone or each.key == key) for each in delivery.follow_ups)
    return mark_posted(replace(delivery, follow_ups=tuple(gone)), key, None)


def idempotency_key(subscription: Subscription, until: datetime, message: str) -> str:
    """By what its chat knows a message again: the same for the same delivery, and for no other of any database.

    `until` is the delivery's, of which a subscription has one: its number may be another one's after a restore.
    `message` is its key within the post.
    """
    place = subscription.place
    moments = [(moment - EPOCH) // timedelta(microseconds=1) for moment in (subscription.created, until)]
    named = (place.chat, place.channel, place.thread, subscription.repo, subscription.branch, *moments)
    return f"{hashlib.sha256(repr(named).encode()).hexdigest()[:24]}/{message}"


# --- When it fails -------------------------------------------------------------------------------


def failure_of(error: DigestError) -> Failure:
    """An error as it is kept."""
    return Failure(error.key, tuple((name, _kept(value)) for name, value in error.fields.items()))


def _kept(value: object) -> str | tuple[str, ...]:
    return tuple(map(_kept_word, value)) if isinstance(value, tuple) else _kept_word(value)


def _kept_word(value: object) -> str:
    return one_line(str(value), 200)


def failed(delivery: Delivery, error: DigestError, now: datetime) -> Delivery:
    """The delivery after one more failure, to be tried again after a pause."""
    failures = delivery.failures + 1
    return replace(delivery, failure=failure_of(error), failures=failures, retry=now + backoff(failures))


def backoff(failures: int) -> timedelta:
    """How long a delivery waits that has failed so often."""
    doubled = int(2 ** min(max(failures, 1) - 1, 20))
    return min(BACKOFF * doubled, LONGEST_BACKOFF)
