"""Writes rows for the deliveries that are due, but none while this machine's clock is wrong.

A wrong clock leaves marks in the future, which would silence a subscription until then. Such deliveries are planned
again from those before them; the commits that they reported are known and not reported again.

A tick checks what the store's index says is due. Each check sets the time of the next one; changing a subscription, or
settling its delivery, makes it due for a check again.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from bot.delivery.job import Job, log
from bot.delivery.ledger import GRACE, LOOKED_BACK, is_late, is_sound, next_look, planned_delivery
from bot.delivery.pausing import paused_by_person
from bot.errors import DigestError, UsageError
from bot.ports import Chat, Ledger, Subscriptions
from bot.values import Candidate, Delivery, DeliveryState, Failure, Subscription

TOLERANCE = timedelta(hours=1)
"""How far this machine's clock may differ from a chat's."""
_FAR = timedelta(hours=2)
"""A wait longer than this was set by a wrong clock: regular ones are an hour at most."""
CHECKED = 200
"""How many subscriptions that are not due each tick after a start checks too."""
_log = logging.getLogger("digest.worker")


def clock_error(chats: Iterable[Chat]) -> timedelta | None:
    """How far this machine's clock is ahead of the chats', if it is too far; None if it is right or unknown."""
    offsets = []
    for chat in chats:
        try:
            ahead = chat.ahead()
        except DigestError:  # posting there will report it
            continue
        offsets += [ahead] if ahead is not None else []
    nearest = min(offsets, key=abs, default=timedelta())
    return nearest if abs(nearest) > TOLERANCE else None


class Planner:
    """Plans the deliveries that are due. For one thread at a time."""

    def __init__(
        self,
        chats: Mapping[str, Chat],
        *,
        subscriptions: Subscriptions,
        ledger: Ledger,
        report_clock: Callable[[timedelta | None], None],
    ) -> None:
        """`report_clock` is called after each check with how far the clock is off, or None."""
        self._chats = chats
        self._subscriptions = subscriptions
        self._ledger = ledger
        self._report_clock = report_clock
        self._wrong: timedelta | None = None
        self._checked: int | None = -1
        self.unplanned: set[int] = set()
        """The subscriptions that cannot be planned."""

    def clock_is_wrong(self) -> bool:
        """Whether this machine's clock is too far from the chats'; it is logged when that changes."""
        wrong = clock_error(tuple(self._chats.values()))  # a copy: other threads may add to it
        if wrong is not None and self._wrong is None:
            _log.error(
                "the clock is wrong: nothing is planned",
                extra={"fields": {"ahead_seconds": round(wrong.total_seconds())}},
            )
        elif wrong is None and self._wrong is not None:
            _log.info("the clock is right again")
        self._wrong = wrong
        self._report_clock(wrong)
        return wrong is not None

    def plan(self, ours: Callable[[Subscription], bool], now: datetime) -> list[Job]:
        """Plan what is due of our subscriptions, and return the late deliveries that are to be given up first."""
        late: list[Job] = []
        moments: list[tuple[Candidate, datetime | None]] = []
        for candidate in self._candidates(now):
            if ours(candidate.subscription):
                moments += self._look(candidate, now, late)
            elif paused_by_person(candidate.subscription):
                moments.append((candidate, None))
        self._subscriptions.look_at(moments, now)
        return late

    def _candidates(self, now: datetime) -> Iterable[Candidate]:
        """The subscriptions to check; after a start also all others, some at each tick.

        Another version, or new time zone data, may find that they are due at other times.
        """
        found = {c.subscription.id: c for c in self._subscriptions.candidates(now, now + TOLERANCE)}
        if self._checked is not None:
            others = {c.subscription.id: c for c in self._subscriptions.candidates_after(self._checked, CHECKED)}
            self._checked = max(others, default=None)
            found |= others
        return found.values()

    def _look(self, candidate: Candidate, now: datetime, late: list[Job]) -> list[tuple[Candidate, datetime | None]]:
        """Plan one subscription; return when to check it again, or nothing if at the next tick."""
        subscription = candidate.subscription
        try:
            last = self._planned(subscription, candidate.last, now)
            moment = next_look(subscription, last)
        except Exception as error:  # one bad subscription must not block the others
            if subscription.id not in self.unplanned:  # logged once, not at every tick
                log(logging.ERROR, "not planned", subscription, reason=str(error))
            self.unplanned.add(subscription.id)
            return []
        self.unplanned.discard(subscription.id)
        if last and last.state is DeliveryState.DUE and is_late(subscription, last, now):
            late.append(Job(subscription, last))
        return [(candidate, moment)] if moment is None or moment > now else []

    def _planned(self, subscription: Subscription, last: Delivery | None, now: datetime) -> Delivery | None:
        """Plan what is due, and return the latest delivery; if that is in the future, the one before it."""
        if not is_sound(subscription):
            raise UsageError("subscription_unsound", id=subscription.id)
        if last and last.state is DeliveryState.DUE:
            if last.slot <= now + TOLERANCE and last.retry <= now + _FAR:
                return last
            last = self._called_back(subscription, last, now)
        begun = self._begun(subscription, last, now)
        if last and last.state is DeliveryState.DUE:
            return last
        before = last if last is None or last.slot <= now + TOLERANCE else self._before(subscription, now)
        planned = planned_delivery(begun, before, now)
        made = self._ledger.plan(planned, last.id if last else 0) if planned else None
        if made:
            Job(subscription, made).log(logging.INFO, "due", until=made.until.isoformat())
        return made or before

    def _called_back(self, subscription: Subscription, last: Delivery, now: datetime) -> Delivery:
        """Correct what a wrong clock postponed or planned: retry it now, or leave it to the next one."""
        if last.sent or last.slot <= now + TOLERANCE:
            self._ledger.retry_soon(subscription.id, now, now + GRACE)
            return self._ledger.delivery(last.id)
        failure = Failure("clock_was_wrong")
        left = replace(last, state=DeliveryState.FAILED, failure=failure, attempts=last.attempts + 1)
        self._ledger.keep_delivery(left)
        Job(subscription, left).log(logging.WARNING, "rescheduled", reason=failure.key)
        return left

    def _begun(self, subscription: Subscription, last: Delivery | None, now: datetime) -> Subscription:
        """The subscription without dates in the future.

        While a delivery is due they stay stored: its keys contain them.
        """
        if max(subscription.created, subscription.scheduled) <= now + TOLERANCE:
            return subscription
        created, scheduled = (min(moment, now) for moment in (subscription.created, subscription.scheduled))
        kept = replace(subscription, created=created, scheduled=scheduled)
        return kept if last and last.state is DeliveryState.DUE else self._subscriptions.subscribe(kept)

    def _before(self, subscription: Subscription, now: datetime) -> Delivery | None:
        """The latest delivery that is not in the future."""
        known = self._ledger.deliveries(subscription.id, limit=10 * LOOKED_BACK)
        return next((d for d in known if d.slot <= now + TOLERANCE), None)
