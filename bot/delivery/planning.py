"""What has become due gets a row; nothing does while this machine's clock is wrong.

A clock that was wrong leaves marks in the future, which would silence a subscription until then. They are planned anew
from what came before them; what they told of is known, and is not told again.

A tick looks at what has come due, found by the store's index: each look names the moment of the next one, and whatever
changes a subscription, or settles its delivery, lets it be looked at again.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from bot.delivery.job import Job, log
from bot.delivery.ledger import GRACE, LOOKED_BACK, is_late, is_sound, next_look, planned_delivery
from bot.delivery.resting import rests
from bot.errors import DigestError, UsageError
from bot.ports import Chat, Ledger, Subscriptions
from bot.values import Candidate, Delivery, DeliveryState, Failure, Subscription

TOLERANCE = timedelta(hours=1)
"""So far this machine's clock may be from a chat's."""
_FAR = timedelta(hours=2)
"""What waits for longer was put off by a clock that was wrong: pauses are an hour at most."""
CHECKED = 200
"""Subscriptions that are looked at in each tick after a start, though nothing of them is due."""
_log = logging.getLogger("digest.worker")


def clock_error(chats: Iterable[Chat]) -> timedelta | None:
    """How far this machine's clock is ahead of the chats', where that is too far; None where it is not, or unknown."""
    told = []
    for chat in chats:
        try:
            ahead = chat.ahead()
        except DigestError:  # whatever stands in the way is told by whoever posts there
            continue
        told += [ahead] if ahead is not None else []
    nearest = min(told, key=abs, default=timedelta())
    return nearest if abs(nearest) > TOLERANCE else None


class Planner:
    """Plans what has become due. For one thread at a time."""

    def __init__(
        self,
        chats: Mapping[str, Chat],
        *,
        subscriptions: Subscriptions,
        ledger: Ledger,
        tell: Callable[[timedelta | None], None],
    ) -> None:
        """`tell` is told what is wrong with the clock, whenever it was looked at."""
        self._chats = chats
        self._subscriptions = subscriptions
        self._ledger = ledger
        self._tell = tell
        self._wrong: timedelta | None = None
        self._checked: int | None = -1
        self.unplanned: set[int] = set()
        """The subscriptions that cannot be planned."""

    def clock_is_wrong(self) -> bool:
        """Whether this machine's clock is too far from the chats'; it is logged when that changes."""
        wrong = clock_error(tuple(self._chats.values()))  # others may add to them
        if wrong is not None and self._wrong is None:
            _log.error(
                "the clock is wrong: nothing is planned",
                extra={"fields": {"ahead_seconds": round(wrong.total_seconds())}},
            )
        elif wrong is None and self._wrong is not None:
            _log.info("the clock is right again")
        self._wrong = wrong
        self._tell(wrong)
        return wrong is not None

    def plan(self, ours: Callable[[Subscription], bool], now: datetime) -> list[Job]:
        """Plan what is due of our subscriptions, and name what is to be given up for that."""
        late: list[Job] = []
        moments: list[tuple[Candidate, datetime | None]] = []
        for candidate in self._candidates(now):
            if ours(candidate.subscription):
                moments += self._look(candidate, now, late)
            elif rests(candidate.subscription):
                moments.append((candidate, None))
        self._subscriptions.look_at(moments, now)
        return late

    def _candidates(self, now: datetime) -> Iterable[Candidate]:
        """What is to be looked at; after a start all the others too, some at each tick.

        Another version, or other data of the zones, may think otherwise of when they are due.
        """
        found = {c.subscription.id: c for c in self._subscriptions.candidates(now, now + TOLERANCE)}
        if self._checked is not None:
            others = {c.subscription.id: c for c in self._subscriptions.candidates_after(self._checked, CHECKED)}
            self._checked = max(others, default=None)
            found |= others
        return found.values()

    def _look(self, candidate: Candidate, now: datetime, late: list[Job]) -> list[tuple[Candidate, datetime | None]]:
        """Plan what is due of one; when to look at it again, unless that is at the next tick."""
        subscription = candidate.subscription
        try:
            last = self._planned(subscription, candidate.last, now)
            moment = next_look(subscription, last)
        except Exception as error:  # one that cannot be planned must keep nobody else's from being
            if subscription.id not in self.unplanned:  # said once, not at every tick
                log(logging.ERROR, "not planned", subscription, reason=str(error))
            self.unplanned.add(subscription.id)
            return []
        self.unplanned.discard(subscription.id)
        if last and last.state is DeliveryState.DUE and is_late(subscription, last, now):
            late.append(Job(subscription, last))
        return [(candidate, moment)] if moment is None or moment > now else []

    def _planned(self, subscription: Subscription, last: Delivery | None, now: datetime) -> Delivery | None:
        """The latest delivery, once what is due is planned; where that is one of the future, the one before."""
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
        """What was put off, or planned, by a clock that was wrong: it goes on now, or is left to the next one."""
        if last.sent or last.slot <= now + TOLERANCE:
            self._ledger.retry_soon(subscription.id, now, now + GRACE)
            return self._ledger.delivery(last.id)
        failure = Failure("clock_was_wrong")
        left = replace(last, state=DeliveryState.FAILED, failure=failure, attempts=last.attempts + 1)
        self._ledger.keep_delivery(left)
        Job(subscription, left).log(logging.WARNING, "rescheduled", reason=failure.key)
        return left

    def _begun(self, subscription: Subscription, last: Delivery | None, now: datetime) -> Subscription:
        """The subscription, which cannot have begun in the future; what it is called by stays while anything is due."""
        if max(subscription.created, subscription.scheduled) <= now + TOLERANCE:
            return subscription
        created, scheduled = (min(moment, now) for moment in (subscription.created, subscription.scheduled))
        kept = replace(subscription, created=created, scheduled=scheduled)
        return kept if last and last.state is DeliveryState.DUE else self._subscriptions.subscribe(kept)

    def _before(self, subscription: Subscription, now: datetime) -> Delivery | None:
        """The latest delivery that is not of the future."""
        known = self._ledger.deliveries(subscription.id, limit=10 * LOOKED_BACK)
        return next((d for d in known if d.slot <= now + TOLERANCE), None)
