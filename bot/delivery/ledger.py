"""The state of a delivery's row and the next one. Pure; `now` is always passed in.

Each message of a delivery is a step: it is recorded as intended before it is sent, and as done afterwards. One that is
intended but not done may have been sent. `Delivery.attempts` is the fence: each attempt raises it first, and a process
with a lower number, which stalled for too long, can no longer write or send anything.
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
    Aside,
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
"""The minimum time for which a delivery is tried, however late it is."""
EARLY = timedelta(minutes=30)
"""How long before its slot a digest may be built."""
LAST_CHANCE = timedelta(days=7)
"""When a delivery is given up if there is no next slot."""
BACKOFF, LONGEST_BACKOFF = timedelta(seconds=30), timedelta(minutes=30)
"""How long a failed delivery waits: doubled each time, up to the longest."""
LOOKED_BACK = 30
"""How many earlier deliveries of a subscription are read."""

# --- When a delivery is planned, and when it is given up ---------------------------------------


def is_sound(subscription: Subscription) -> bool:
    """Whether a subscription's schedule, zone and language are valid."""
    return schedule.is_sound(subscription.schedule, subscription.zone) and subscription.language in LANGUAGES


def planned_delivery(subscription: Subscription, last: Delivery | None, now: datetime) -> Delivery | None:
    """The delivery that is due, or None. Raises UsageError for an invalid schedule."""
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
        before=reported_up_to(last),
        members=members_left(last),
    )


def deadline_of(subscription: Subscription, slot: datetime, now: datetime) -> datetime:
    """When the delivery of a slot, planned now, is given up. Raises UsageError for an invalid schedule."""
    following = schedule.slot_after(subscription.schedule, subscription.zone, slot, subscription.holidays)
    return max(following or slot + LAST_CHANCE, now + GRACE)


def next_look(subscription: Subscription, last: Delivery | None) -> datetime | None:
    """When there will be something to plan or to give up; None if nothing until something changes.

    Until then `planned_delivery` returns None and `is_late` False. Raises UsageError for an invalid schedule.
    """
    if last and last.state is DeliveryState.DUE:
        return None if subscription.paused else last.deadline
    mark = watermark(subscription, last)
    return schedule.first_slot(subscription.schedule, subscription.zone, mark, subscription.holidays)


def coming_delivery(subscription: Subscription, last: Delivery | None, now: datetime) -> Delivery | None:
    """The delivery due within `EARLY` whose period has ended; None if there is none, or one is still due.

    It is not in the ledger and has no ID: it is planned at its slot, from what is known then. Raises UsageError for an
    invalid schedule.
    """
    if (last and last.state is DeliveryState.DUE) or planned_delivery(subscription, last, now):
        return None
    coming = planned_delivery(subscription, last, now + EARLY)
    return coming if coming and coming.until < now else None


def watermark(subscription: Subscription, last: Delivery | None) -> schedule.Watermark:
    """How far the digests of a subscription got. What was given up unposted is left to the next one."""
    if last is None:
        timed = (subscription.schedule, subscription.zone, subscription.created)
        first = schedule.first_watermark(*timed, subscription.holidays)
        return replace(first, slot=max(first.slot, subscription.scheduled))
    slot = max(last.slot, subscription.scheduled)
    if last.state is DeliveryState.FAILED and not last.sent:
        return schedule.Watermark(slot, last.until, last.cursor, last.merged + 1)
    return schedule.Watermark(slot, last.until, last.until)


def is_late(subscription: Subscription, delivery: Delivery, now: datetime) -> bool:
    """Whether to give a delivery up; a paused one is tried until the bot can post in its channel again."""
    return delivery.deadline <= now and not subscription.paused


# --- What it reports ---------------------------------------------------------------------------


def reported_up_to(last: Delivery | None) -> Mark | None:
    """Up to where a branch was reported to a subscription; a delivery given up unposted reported nothing."""
    if last and last.state is DeliveryState.FAILED and not last.sent:
        return last.before
    return last.mark if last else None


def members_left(last: Delivery | None) -> tuple[Member, ...]:
    """The repositories of a group, each with where it was reported up to; the counterpart of `reported_up_to`."""
    if last is None:
        return ()
    unposted = last.state is DeliveryState.FAILED and not last.sent
    return tuple(
        Member(each.repo, each.cursor, each.before)
        if unposted or each.mark is None
        else Member(each.repo, last.until, each.mark)
        for each in last.members
    )


def unbuilt(delivery: Delivery) -> Delivery:
    """Reset a delivery of which nothing was posted, to be built again; each repository of a group is read again."""
    members = (replace(each, mark=None, digest="", failure=None) for each in delivery.members)
    return replace(delivery, digest="", members=tuple(members))


def undelivered(delivery: Delivery, landed: Iterable[Commit], delivered: Collection[str]) -> tuple[Commit, ...]:
    """The commits to report of those that landed.

    That is all except those whose SHA is in `delivered`, and those dated in a period that was given up.

    A commit lands twice if a force-push removed it for a while, or if a wrong clock reported it too early.
    """
    return tuple(
        commit
        for commit in landed
        if commit.sha not in delivered and not delivery.cursor <= commit.committed < delivery.since
    )


def failed_before(delivery: Delivery, known: Iterable[Delivery]) -> tuple[Delivery, ...]:
    """The deliveries in `known` that were given up since the last posted one, latest first.

    After a restore, one whose state is unknown counts as given up.
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


# --- Its messages --------------------------------------------------------------------------------


def advanced(delivery: Delivery, keys: Iterable[str], now: datetime) -> Delivery:
    """The delivery with the first unposted message of `keys` intended; done if all of them are posted."""
    posted = messages_in(delivery, StepState.DONE)
    following = next((key for key in keys if key not in posted), None)
    if following is None:
        return replace(delivery, state=DeliveryState.DONE, failure=None)
    if following in messages_in(delivery, StepState.INTENDED):
        return delivery
    begun = delivery.looked_since or now
    return replace(delivery, steps=(*delivery.steps, Step(following, StepState.INTENDED, begun)))


def messages_in(delivery: Delivery, state: StepState) -> dict[str, Step]:
    """The messages in a state, by key."""
    return {step.key: step for step in delivery.steps if step.state is state}


def mark_posted(delivery: Delivery, key: str, thread: str | None) -> Delivery:
    """The delivery with one message marked as posted; `thread` is the chat's ID of the thread below it."""
    steps = (replace(s, state=StepState.DONE, thread=thread) if s.key == key else s for s in delivery.steps)
    return replace(delivery, steps=tuple(steps))


def place_of(subscription: Subscription, delivery: Delivery, step: Step) -> Place:
    """Where a message is posted: the headline, the first one, in the subscription's place, all others in its thread.

    A follow-up goes where the commit was reported.
    """
    if follow_up := follow_up_of(delivery, step.key):
        return follow_up.place
    headline = delivery.steps[0]
    return subscription.place if step.key == headline.key else replace(subscription.place, thread=headline.thread)


def follow_up_of(delivery: Delivery, key: str) -> FollowUp | None:
    """The follow-up that the message `key` is; None if it is another message."""
    return next((each for each in delivery.follow_ups if each.key == key and not each.aloud), None)


def mark_gone(delivery: Delivery, key: str) -> Delivery:
    """The delivery with a follow-up whose thread is gone: it is left to the next headline."""
    gone = (replace(each, gone=each.gone or each.key == key) for each in delivery.follow_ups)
    return mark_posted(replace(delivery, follow_ups=tuple(gone)), key, None)


def idempotency_key(subscription: Subscription, until: datetime, message: str) -> str:
    """The key by which a chat recognises a message: the same for each attempt, and different in every database.

    `until` identifies the delivery: its ID may be reused after a restore. `message` is the message's key in the post.
    """
    place = subscription.place
    moments = [(moment - EPOCH) // timedelta(microseconds=1) for moment in (subscription.created, until)]
    named = (place.chat, place.channel, place.thread, subscription.repo, subscription.branch, *moments)
    return f"{hashlib.sha256(repr(named).encode()).hexdigest()[:24]}/{message}"


# --- When it fails -------------------------------------------------------------------------------


def failure_of(error: DigestError) -> Failure:
    """An error as it is stored."""
    return Failure(error.key, tuple((name, _stored(value)) for name, value in error.fields.items()))


def _stored(value: object) -> str | tuple[str, ...] | Aside:
    if isinstance(value, Aside):
        return Aside(_stored_word(value.text), _stored_word(value.aside))
    return tuple(map(_stored_word, value)) if isinstance(value, tuple) else _stored_word(value)


def _stored_word(value: object) -> str:
    return one_line(str(value), 200)


def failed(delivery: Delivery, error: DigestError, now: datetime) -> Delivery:
    """The delivery after one more failure, to be retried after a backoff."""
    failures = delivery.failures + 1
    return replace(delivery, failure=failure_of(error), failures=failures, retry=now + backoff(failures))


def backoff(failures: int) -> timedelta:
    """How long a delivery waits after a number of `failures`."""
    doubled = int(2 ** min(max(failures, 1) - 1, 20))
    return min(BACKOFF * doubled, LONGEST_BACKOFF)
