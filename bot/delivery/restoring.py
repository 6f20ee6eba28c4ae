"""After a restore the ledger lacks its last changes: each channel's history is read once to find out what was posted.

Until then nothing is posted there. Every message carries its name (`ledger.idempotency_key`), which is derived from
what the database still knows, so that the headlines of all possible deliveries are looked for at once:

    found             the headline's delivery was posted and counts as reported, whatever the ledger says
    the newest one    may be incomplete: if so it is continued, and each message is looked for first
    not found         it was not posted, and is planned as usual
    no history        unknown: what may have been posted is not posted again, and its channel is informed
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from bot.delivery import schedule
from bot.delivery.leases import LeaseHolder
from bot.delivery.ledger import GRACE, LOOKED_BACK, backoff, deadline_of, idempotency_key, is_sound, planned_delivery
from bot.errors import DigestError, Forbidden, ThreadGone
from bot.ports import Chat, Ledger, Memory, Subscriptions
from bot.posts.post import HEADLINE, WITHHELD
from bot.posts.report import FORMATS
from bot.values import EPOCH, LOOK, Delivery, DeliveryState, Place, Step, StepState, Subscription

LONGEST = timedelta(days=62)
"""How far back to look for deliveries: two months, since a subscription may be due once a month."""
_QUARTER = timedelta(minutes=15)
"""Midnight in every zone falls on a multiple of this, so a zone that was set since the backup is covered too."""
_FILES = sum(form.attached for form in FORMATS.values())
_log = logging.getLogger("digest.worker")


# --- What may have been posted -----------------------------------------------------------------


def known_until(subscription: Subscription, last: Delivery | None) -> datetime:
    """Up to where it is certain what was reported to a subscription; `last` is its latest known delivery."""
    if last is None:
        return subscription.created - timedelta(days=3)  # its first period ends after that, in any zone
    open_ended = last.state is DeliveryState.DUE or (last.state is DeliveryState.FAILED and not last.sent)
    return last.cursor if open_ended else last.until


def headlines(subscription: Subscription, since: datetime, now: datetime) -> dict[str, datetime]:
    """The ends of all periods that may have been reported since `since`, by the names of their headlines."""
    first = max(since, now - LONGEST)
    begun = EPOCH + ((first - EPOCH) // _QUARTER + 1) * _QUARTER
    untils = (begun + n * _QUARTER for n in range((now - begun) // _QUARTER + 1))
    return {name: until for until in untils for name in names(subscription, until, HEADLINE)}


def names(subscription: Subscription, until: datetime, key: str) -> tuple[str, ...]:
    """The names that a message, or a fallback posted instead of it, may have."""
    name = idempotency_key(subscription, until, key)
    return (name, *(f"{name}/{instead}" for instead in WITHHELD))


# --- What is stored ----------------------------------------------------------------------------


def found_again(
    subscription: Subscription, known: Sequence[Delivery], posted: Mapping[datetime, str], whole: bool, now: datetime
) -> Iterator[Delivery]:
    """The deliveries whose headlines were found; `posted` maps the ends of their periods to the headlines' threads.

    `known` are those in the ledger, latest first; `whole` says whether the newest one was posted completely.
    """
    if not posted:
        return
    kept, newest, last = {d.until: d for d in known}, max(posted), next(iter(known), None)
    yield from (
        _settled(d) for d in known if d.state is DeliveryState.DUE and d.until < newest and d.until not in posted
    )
    for until in sorted(posted):
        delivery = last = kept.get(until) or replace(_forgotten(subscription, last, until, now), look=LOOK)
        if not delivery.sent:
            step = Step(HEADLINE, StepState.DONE, until, posted[until])
            delivery = replace(delivery, steps=(step,))
        goes_on = until == newest and not whole
        yield _going_on(subscription, delivery, now) if goes_on else _settled(delivery)


def in_doubt(subscription: Subscription, last: Delivery | None, now: datetime) -> Iterator[Delivery]:
    """The deliveries that may or may not have been posted."""
    if last and last.state is DeliveryState.DUE:
        last = _settled(last)
        yield last
    if planned := planned_delivery(subscription, last, now):
        yield _settled(planned)


def _settled(delivery: Delivery) -> Delivery:
    return replace(delivery, state=DeliveryState.RESTORED, failure=None)


def _going_on(subscription: Subscription, delivery: Delivery, now: datetime) -> Delivery:
    deadline = max(delivery.deadline, deadline_of(subscription, delivery.slot, now))
    again = replace(delivery, state=DeliveryState.DUE, failure=None, deadline=deadline, retry=now)
    if not delivery.digest:  # what was built stays as it is
        again = replace(again, top=subscription.top, threads=subscription.threads, look=LOOK)
    return replace(again, looked_since=delivery.until)


def _forgotten(subscription: Subscription, last: Delivery | None, until: datetime, now: datetime) -> Delivery:
    """A delivery known only by its headline, as it was planned after `last`, or else covering all that is unknown."""
    slot = schedule.next_slot(subscription.schedule, subscription.zone, until, subscription.holidays)
    slot = slot if slot and slot < min(now, until + timedelta(days=1)) else until
    planned = planned_delivery(subscription, last, slot)
    if planned and planned.until == until:
        return replace(planned, deadline=now + GRACE, retry=now)
    since = min(known_until(subscription, last), until)
    return Delivery(subscription.id, slot, since, since, until, now + GRACE, now)


# --- Looking -----------------------------------------------------------------------------------


class Restorer:
    """Settles the places of this process's chats. Safe for several threads and processes."""

    def __init__(
        self,
        chats: Mapping[str, Chat],
        *,
        memory: Memory,
        subscriptions: Subscriptions,
        ledger: Ledger,
        leases: LeaseHolder,
        clock: Callable[[], datetime],
    ) -> None:
        """`chats` are by name."""
        self._chats = chats
        self._memory = memory
        self._subscriptions = subscriptions
        self._ledger = ledger
        self._leases = leases
        self._clock = clock
        self._failures: dict[Place, int] = {}
        self._retry: dict[Place, datetime] = {}
        self.waits = False
        """Whether another process is settling a place."""

    def unsettled(self) -> frozenset[Place]:
        """The places where nothing may be posted yet."""
        return frozenset(place for place in self._memory.unsettled() if place.chat in self._chats)

    def take(self) -> list[Place]:
        """Take the leases of the places that this process is to settle now; `settle` releases them."""
        now, self.waits = self._clock(), False
        taken = []
        for place in sorted(self.unsettled(), key=str):
            if self._retry.get(place, now) > now:
                continue
            if self._leases.acquire(_lease(place)):
                taken.append(place)
            else:
                self.waits = True
        return taken

    def take_one(self, place: Place) -> bool:
        """Take the lease of one place, if it is free; `settle` releases it."""
        return self._leases.acquire(_lease(place))

    def again(self, place: Place) -> datetime:
        """When to retry a place that could not be settled."""
        return self._retry.get(place, self._clock())

    def settle(self, place: Place) -> bool:
        """Find out what was posted in a place, and store it; return whether that succeeded.

        If not, it is retried later.
        """
        try:
            at = self._memory.unsettled().get(place)
            if at is not None:
                self._memory.settle(place, self._found(place, at))
        except DigestError as error:
            self._put_off(place, str(error))
            return False
        except Exception:
            _log.exception("a history could not be read")
            self._put_off(place, "unexpected")
            return False
        finally:
            self._leases.release(_lease(place))
        return True

    def _put_off(self, place: Place, reason: str) -> None:
        failures = self._failures[place] = self._failures.get(place, 0) + 1
        self._retry[place] = self._clock() + backoff(failures)
        _say(logging.WARNING, "not settled", place, reason=reason, tries=failures)

    def _found(self, place: Place, at: datetime) -> list[Delivery]:
        """The deliveries to store for a place. Raises what `Chat.posted` raises, except Forbidden."""
        followed = [s for s in self._subscriptions.subscriptions(place) if is_sound(s)]
        known = {s.id: self._ledger.deliveries(s.id, limit=LOOKED_BACK) for s in followed}
        try:
            posted = self._headlines(place, followed, known)
            found = [delivery for s in posted for delivery in self._of(s, known[s.id], posted[s])]
        except Forbidden as error:
            found = [d for s in followed for d in in_doubt(s, next(iter(known[s.id]), None), at)]
            _say(logging.WARNING, "in doubt", place, reason=str(error), deliveries=len(found))
        else:
            _say(logging.INFO, "settled", place, deliveries=len(found))
        return found

    def _headlines(
        self, place: Place, followed: Sequence[Subscription], known: Mapping[int, Sequence[Delivery]]
    ) -> dict[Subscription, dict[datetime, str]]:
        """What was posted for each subscription: the ends of the periods, with the threads of their headlines."""
        now = self._clock()
        since = {s: known_until(s, next(iter(known[s.id]), None)) for s in followed}
        wanted = {s: headlines(s, since[s], now) for s in followed}
        if not any(wanted.values()):
            return {}
        oldest = max(min(since.values()), now - LONGEST)
        threads = self._chats[place.chat].posted(place, {n for each in wanted.values() for n in each}, oldest).threads
        return {s: {until: threads[n] for n, until in wanted[s].items() if n in threads} for s in followed}

    def _of(
        self, subscription: Subscription, known: Sequence[Delivery], posted: Mapping[datetime, str]
    ) -> list[Delivery]:
        whole = bool(posted) and self._is_whole(subscription, max(posted), posted[max(posted)])
        return list(found_again(subscription, known, posted, whole, self._clock()))

    def _is_whole(self, subscription: Subscription, until: datetime, thread: str) -> bool:
        """Whether the last message of a digest, with its files, is in the thread."""
        chat, place = self._chats[subscription.place.chat], replace(subscription.place, thread=thread)
        try:
            posted = chat.posted(place, (), until)
        except ThreadGone:  # the headline was removed, and its thread with it
            return True
        return len(posted.files) >= _FILES


def _lease(place: Place) -> str:
    return f"restoring:{place}"


def _say(level: int, event: str, place: Place, **fields: object) -> None:
    _log.log(level, event, extra={"fields": {**fields, "chat": place.chat, "channel": place.channel}})
