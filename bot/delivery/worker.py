"""Delivers every digest that is due, exactly once: plans it, builds it, posts it, and writes down how far it got.

    tick       what `bot.delivery.planning` says is due becomes a row, in one process only
    build      the commits are read once for everybody who waits for them, and one digest is made of the same commits;
               `bot.delivery.fairness` says whose turn it is
    send       each message is written down as intended, sent, and written down as done, with what the chat calls it

All that another process needs is in the store. Who works on a delivery holds a lease, prolonged by `renew`; who was
killed holds it no longer than that.
"""

import logging
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from bot.app import App
from bot.delivery.arrival import Arrival
from bot.delivery.building import Builder
from bot.delivery.early import Early
from bot.delivery.fairness import MOST, Hand, Hosts, Turns
from bot.delivery.job import ChannelUnreachable, Job, TryLater
from bot.delivery.leases import LeaseHolder
from bot.delivery.ledger import (
    LOOKED_BACK,
    failed,
    failed_before,
    failure_of,
    is_late,
    is_sound,
)
from bot.delivery.planning import Planner
from bot.delivery.resting import rest, rests
from bot.delivery.restoring import Restorer
from bot.delivery.sending import InFlight, Sender
from bot.errors import DigestError, LeaseLost, NoRight, NotFound, ThreadGone
from bot.ports import Archive, Chat, Leases, Ledger, Memory, Subscriptions
from bot.values import DENIED, FOLLOW_UPS, Candidate, Delivery, DeliveryState, Failure, Place, Repository, Subscription

T = TypeVar("T")
Look = Callable[[Job], Repository]
Arrivals = Callable[[Job], Arrival]
"""Read the repository, and what landed in it, of a delivery."""

PROBE = timedelta(hours=1)
"""How often a resting channel is tried: a chat may not tell that the bot is back, or nobody may be listening then."""
IN_HAND = 128
"""Deliveries of one process at a time, beside those of slow hosts: the others are left to other processes."""

_SENDERS = 32
_A_MOMENT = timedelta(seconds=1)
_log = logging.getLogger("digest.worker")


class Worker:
    """One process's hands. Safe for several threads; any number of processes may have one on the same store."""

    def __init__(
        self,
        app: App,
        chats: Mapping[str, Chat],
        lease: timedelta,
        *,
        archive: Archive,
        subscriptions: Subscriptions,
        ledger: Ledger,
        leases: Leases,
        memory: Memory,
        follow_ups: int = FOLLOW_UPS,
    ) -> None:
        """`chats` are by name; a process may be silent for a `lease`; a place gets so many `follow_ups` a week."""
        self._chats = chats
        self._subscriptions = subscriptions
        self._ledger = ledger
        self._clock = app.clock
        self._leases = LeaseHolder(leases, app.clock, lease)
        self._stopping = threading.Event()
        self._builder = Builder(app, archive, ledger, self._leases, follow_ups)
        self._sender = Sender(
            chats,
            archive=archive,
            ledger=ledger,
            subscriptions=subscriptions,
            leases=self._leases,
            clock=app.clock,
            stopping=self._stopping,
            may_see=app.repositories.check,
        )
        self._planner = Planner(chats, subscriptions=subscriptions, ledger=ledger, tell=app.tell_clock)
        self._restorer = Restorer(
            chats, memory=memory, subscriptions=subscriptions, ledger=ledger, leases=self._leases, clock=app.clock
        )
        hosts = Hosts()
        self.early = Early(app, self._builder, hosts, self._active, leases=self._leases, stopping=self._stopping)
        self._build_pool = ThreadPoolExecutor(MOST, "build")
        self._send_pool = ThreadPoolExecutor(_SENDERS, "send")
        posting = self._sender.is_posting
        self._turns = Turns(lambda job: bool(job.delivery.digest) and posting(job.subscription.place), hosts)
        self._in_hand = InFlight()
        self._failures = 0
        self._submitted = 0

    # --- Running -----------------------------------------------------------------------------

    def tick(self) -> bool:
        """Plan what has become due, and begin with what waits; whether there was any. Twice does no harm."""
        if self._stopping.is_set() or self._planner.clock_is_wrong():
            return False
        before, now = self._submitted, self._clock()
        for place in self._restorer.take():
            self._submit(self._send_pool, self._settle_place, place)
        for late in self._planner.plan(self._ours(), now):
            self._give_up_soon(late)
        self._begin(now)
        return self._submitted > before

    def renew(self) -> None:
        """Prolong every lease that is held. To be called three times in the time of a lease."""
        self._leases.renew()

    def drain(self, seconds: float | None = None) -> bool:
        """Wait until nothing is in hand; whether that came within `seconds`."""
        return self._in_hand.wait_none(seconds)

    def deliver_all(self, sleep: Callable[[float], None]) -> bool:
        """Deliver everything that is due, each tried once; whether all of it went out."""
        while True:
            while self.tick() or self._in_hand.number:
                self.drain(_A_MOMENT.total_seconds())  # a host may turn out to be slow, and leave hands to others
            soon = self._ledger.due_deliveries(self._clock() + 2 * _A_MOMENT)
            if not self._restorer.waits and all(each.paused for each in self._followed(soon).values()):
                return not self._failures
            sleep(_A_MOMENT.total_seconds())  # another process has them in hand

    def halt(self) -> None:
        """Begin nothing more. It waits for nothing, so that a signal's handler may call it."""
        self._stopping.set()

    def stop(self, seconds: float) -> None:
        """Begin nothing more, and wait up to `seconds` for the messages that are just being sent."""
        self.halt()
        for pool in (self._build_pool, self._send_pool):
            pool.shutdown(wait=False, cancel_futures=True)
        self.early.stop()
        if self._sender.in_flight.wait_none(seconds):
            self._leases.release_all()  # nobody need wait until they run out

    def _ours(self) -> Callable[[Subscription], bool]:
        """What is ours: what is in our chats, but for what somebody let rest, and what is in an unsettled place."""
        held = self._restorer.unsettled()
        return lambda s: s.place.chat in self._chats and s.place not in held and not rests(s)

    def _followed(self, deliveries: Iterable[Delivery]) -> dict[int, Subscription]:
        """The subscriptions of deliveries that are ours, by id."""
        ours = self._ours()
        return {s.id: s for s in self._subscriptions.numbered({d.subscription for d in deliveries}) if ours(s)}

    def _active(self, until: datetime) -> list[Candidate]:
        """What of ours is to be looked at up to some time, but for what rests."""
        ours, found = self._ours(), self._subscriptions.candidates(until, until)
        return [c for c in found if ours(c.subscription) and not c.subscription.paused]

    # --- Beginning ---------------------------------------------------------------------------

    def _begin(self, now: datetime) -> None:
        """Begin with the deliveries that wait, and let those wait whose turn comes later."""
        waiting, due = [], self._ledger.due_deliveries(now)
        followed = self._followed(due)
        for delivery in due:
            subscription = followed.get(delivery.subscription)  # None: it is another process's chat's
            if subscription and is_late(subscription, delivery, now):
                self._give_up_soon(Job(subscription, delivery))
            elif subscription and is_sound(subscription) and subscription.id not in self._planner.unplanned:
                waiting.append(Job(subscription, delivery))
        self._turns.wait(job for job in waiting if not self._leases.holds(job.lease))
        self._go_on()

    def _go_on(self) -> None:
        """Begin with those whose turn it is, as long as there are hands."""
        while self._has_room() and not self._stopping.is_set() and (turn := self._turns.take()):
            (hand, group), taken = turn, list[Job]()
            try:
                taken += (job for job in group if self._leases.acquire(job.lease))
            finally:  # also where the store fails
                if taken:
                    self._submit(self._build_pool, partial(self._build, hand), *taken)
                else:
                    self._turns.done(hand)

    def _has_room(self) -> bool:
        return self._in_hand.number - self._turns.apart < IN_HAND

    def _give_up_soon(self, job: Job) -> None:
        if self._has_room() and self._leases.acquire(job.lease):
            self._submit(self._send_pool, self._give_up, job)

    def _settle_place(self, place: Place) -> None:
        self._failures += not self._restorer.settle(place)

    def _submit(self, pool: ThreadPoolExecutor, work: Callable[..., None], *jobs: Job | Place) -> None:
        self._in_hand.add(len(jobs))
        self._submitted += 1

        def ended(future: Future[None]) -> None:
            if not future.cancelled() and (error := future.exception()):
                _log.error("a worker failed", exc_info=error)
            with self._in_hand.counted():  # what goes on now was in hand all the time
                self._in_hand.add(-len(jobs))
                self._go_on()

        try:
            pool.submit(work, *jobs).add_done_callback(ended)
        except RuntimeError:  # the pool is shut down: we are stopping
            self._in_hand.add(-len(jobs))

    def _open(self, job: Job) -> Job | None:
        """The delivery as it is kept, with its fence raised; None where it is settled, or was put off since."""
        known = self._ledger.deliveries(job.subscription.id, limit=LOOKED_BACK)
        kept = next((d for d in known if d.id == job.delivery.id), None) or self._ledger.delivery(job.delivery.id)
        if kept.state is not DeliveryState.DUE or kept.retry > job.delivery.retry:
            return None
        opened = replace(kept, attempts=kept.attempts + 1)
        self._ledger.keep_delivery(opened)
        return Job(job.subscription, opened, failed_before(kept, known))

    # --- Working -----------------------------------------------------------------------------

    def _build(self, hand: Hand, *jobs: Job) -> None:
        """Make the digests of deliveries of the same repository and period, and go on to send them."""
        with self._turns.held(hand, self._go_on):
            look = _shared(self._builder.look)
            self._build_all(look, _shared(partial(self._arrival, look)), jobs)

    def _arrival(self, look: Look, job: Job) -> Arrival:
        return self._builder.arrival(job, look(job))

    def _build_all(self, look: Look, arrivals: Arrivals, jobs: Iterable[Job]) -> None:
        opened: list[Job] = []
        for job in jobs:
            with self._accounted(job) as hand_on:
                if again := self._open(job):
                    opened.append(again)
                    hand_on()
        for job in opened:
            with self._accounted(job) as hand_on:
                built = job if job.delivery.digest else self._built(job, look, arrivals)
                if built.delivery.state is DeliveryState.DUE:
                    hand_on()
                    self._submit(self._send_pool, self._send, built)

    def _built(self, job: Job, look: Look, arrivals: Arrivals) -> Job:
        """The delivery with its digest, where its channel may see the repository that others wait for too."""
        repository = self._builder.repository(job, look)
        job = self._sender.wake(job) if job.subscription.paused == DENIED else job
        return self._builder.build(job, repository, arrivals(job))

    def _send(self, job: Job) -> None:
        """Post what has not been posted of a delivery, and settle it."""
        with self._accounted(job):
            sent = self._sender.send(job)
            seconds = round((self._clock() - job.delivery.slot).total_seconds(), 1)
            sent.log(logging.INFO, "delivered", messages=len(sent.delivery.steps), seconds=seconds)

    def _give_up(self, job: Job) -> None:
        """Give a delivery up, after a last look for the message of which nobody knows whether it was sent."""
        with self._accounted(job):
            if opened := self._open(job):
                self._settle(_looked_at(opened, self._sender.last_look))

    def _settle(self, job: Job) -> None:
        """Keep a delivery that is done after all, or is given up."""
        given_up = job.delivery.state is not DeliveryState.DONE
        self._ledger.keep_delivery((_given_up(job) if given_up else job).delivery)
        self._failures += given_up

    # --- When something goes wrong -----------------------------------------------------------

    @contextmanager
    def _accounted(self, job: Job) -> Iterator[Callable[[], None]]:
        """Work on a delivery, whose lease is given back at the end, unless the work says that it was handed on.

        Whatever goes wrong is kept with the delivery, and decides when it is tried again.
        """
        handed_on = threading.Event()
        try:
            yield handed_on.set
        except LeaseLost as error:
            job.log(logging.WARNING, "left alone", reason=str(error))
        except Exception as error:
            self._keep_error(job, error)
        finally:
            if not handed_on.is_set():
                self._leases.release(job.lease)

    def _keep_error(self, job: Job, error: Exception) -> None:
        try:
            kept = replace(job, delivery=self._ledger.delivery(job.delivery.id))
            if kept.delivery.state is DeliveryState.DUE and self._leases.extend(job.lease):
                if isinstance(error, NoRight) and not job.subscription.paused:
                    self._sender.tell_denied(kept)
                self._failures += not isinstance(error, TryLater | ThreadGone)
                self._ledger.keep_delivery(_after(kept, error, self._clock(), self._subscriptions))
        except DigestError as second:  # the store itself fails, or the subscription is gone
            job.log(logging.WARNING, "not kept", reason=str(second))


def _looked_at(job: Job, look: Callable[[Job], Job]) -> Job:
    """The delivery after a last look, if that was possible."""
    try:
        return look(job)
    except TryLater:  # its digest is kept no more
        return job
    except Exception:  # whatever stands in the way must not keep the next digest from being planned
        _log.exception("a last look failed")
        return job


def _after(job: Job, error: Exception, now: datetime, subscriptions: Subscriptions) -> Delivery:
    """The delivery after an error: to be tried again, done, or resting with its subscription."""
    delivery = job.delivery
    if isinstance(error, TryLater):
        return replace(delivery, retry=now + _A_MOMENT)
    if isinstance(error, ChannelUnreachable):
        (cause,) = error.args
        if not job.subscription.paused:
            reason = "left" if isinstance(cause, NotFound) else "closed"
            rest(job.subscription.place, reason, subscriptions)
            job.log(logging.WARNING, "resting", reason=reason)
        return replace(delivery, failure=failure_of(cause), retry=now + PROBE)
    if isinstance(error, NoRight):
        if not job.subscription.paused:
            subscriptions.pause(job.subscription.id, DENIED)
            job.log(logging.WARNING, "resting", reason=DENIED)
        return replace(delivery, failure=failure_of(error), retry=now + PROBE)
    if isinstance(error, ThreadGone):
        job.log(logging.WARNING, "its message was removed", reason=str(error))
        return replace(delivery, failure=failure_of(error), state=DeliveryState.DONE)
    known = error if isinstance(error, DigestError) else _fault(error)
    delivery = failed(delivery, known, now)
    wait = (delivery.retry - now).total_seconds()
    job.log(logging.WARNING, "failed", reason=str(known), tries=delivery.failures, again_in=wait)
    return delivery


def _given_up(job: Job) -> Job:
    """The delivery, which is tried no more."""
    failure = job.delivery.failure or Failure("delivery_late")
    reason = " ".join([failure.key, *(f"{name}={value}" for name, value in failure.fields)])
    job.log(logging.ERROR, "given up", tries=job.delivery.failures, reason=reason)
    return job.at(state=DeliveryState.FAILED, failure=failure)


def _fault(error: Exception) -> DigestError:
    """A fault of our own, logged under a reference that people are told."""
    reference = uuid.uuid4().hex[:8]
    _log.error("a delivery failed, reference %s", reference, exc_info=error)
    return DigestError("delivery_crashed", reference=reference)


def _shared(read: Callable[[Job], T]) -> Callable[[Job], T]:
    """`read`, which is done for the first who asks, and whose result or error is everybody's."""
    found: Future[T] = Future()

    def get(job: Job) -> T:
        if not found.done():
            try:
                found.set_result(read(job))
            except DigestError as error:
                found.set_exception(error)
        return found.result()

    return get
