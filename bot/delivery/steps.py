"""The steps of a delivery. `worker` and `queued` decide when each is done.

    build      commits are read once for all deliveries that wait for them, and equal digests are built once
    send       each message is recorded as intended, sent, and recorded as done, with the chat's ID of it
    give up    checks once more for what may have been sent, and stops trying
    settle     finds out, after a restore, what was posted in a place before anything more is posted there

They run in threads of one process (`worker`), or as tasks of a queue that several processes share (`queued`). All that
another process needs is in the store. A process that works on a delivery holds a lease, which `renew` extends; if it is
killed, the lease expires.
"""

import logging
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from bot.addresses import is_group
from bot.app import App
from bot.delivery.arrival import Arrival
from bot.delivery.building import Builder
from bot.delivery.gathering import Gatherer
from bot.delivery.job import ChannelUnreachable, Job, TryLater
from bot.delivery.leases import LeaseHolder
from bot.delivery.ledger import LOOKED_BACK, failed, failed_before, failure_of, is_late, is_sound
from bot.delivery.pausing import pause, paused_by_person
from bot.delivery.planning import Planner
from bot.delivery.restoring import Restorer
from bot.delivery.sending import Sender
from bot.errors import DigestError, LeaseLost, NoRight, NotFound, ThreadGone, logged
from bot.ports import Archive, Chat, Leases, Ledger, Memory, Subscriptions
from bot.values import DENIED, Candidate, Delivery, DeliveryState, Failure, Place, Repository, Subscription

T = TypeVar("T")
Look = Callable[[Job], Repository]
Arrivals = Callable[[Job], Arrival]
"""Reads the commits that landed in a delivery's repository."""
HandOver = Callable[[Job], bool]
"""Takes a delivery with its digest, to be sent; returns whether it keeps the delivery's lease."""

PROBE = timedelta(hours=1)
"""How often a paused channel is tried: the chat may not say that the bot is back, or the bot may be offline then."""
A_MOMENT = timedelta(seconds=1)
"""When to retry what another thread or process holds."""
_log = logging.getLogger("digest.worker")


class Steps:
    """The steps of one process. Safe for several threads, and for any number of processes on the same store."""

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
    ) -> None:
        """`chats` are those that this process posts in, by name; `lease` is how long it may be silent."""
        self.chats = chats
        self.subscriptions = subscriptions
        self.ledger = ledger
        self.clock = app.clock
        self.lease = lease
        self.leases = LeaseHolder(leases, app.clock, lease)
        self.stopping = threading.Event()
        self.app = app
        self.builder = Builder(app, archive, ledger, self.leases)
        self.gatherer = Gatherer(app.repositories, self.builder, archive, ledger)
        self.sender = Sender(
            chats,
            archive=archive,
            ledger=ledger,
            subscriptions=subscriptions,
            leases=self.leases,
            clock=app.clock,
            stopping=self.stopping,
            may_see=app.repositories.check,
        )
        self.planner = Planner(chats, subscriptions=subscriptions, ledger=ledger, report_clock=app.report_clock)
        self.restorer = Restorer(
            chats, memory=memory, subscriptions=subscriptions, ledger=ledger, leases=self.leases, clock=app.clock
        )
        self.failures = 0
        """How many times a delivery failed or was given up."""

    def ours(self) -> Callable[[Subscription], bool]:
        """A filter for our subscriptions: those in our chats, except paused ones and those in unsettled places."""
        held = self.restorer.unsettled()
        return lambda s: s.place.chat in self.chats and s.place not in held and not paused_by_person(s)

    def followed(self, deliveries: Iterable[Delivery]) -> dict[int, Subscription]:
        """Our subscriptions of some deliveries, by ID."""
        ours = self.ours()
        return {s.id: s for s in self.subscriptions.numbered({d.subscription for d in deliveries}) if ours(s)}

    def active(self, until: datetime) -> list[Candidate]:
        """Our subscriptions to check up to a time, except paused ones."""
        ours, found = self.ours(), self.subscriptions.candidates(until, until)
        return [c for c in found if ours(c.subscription) and not c.subscription.paused]

    def due(self, now: datetime) -> Iterator[Job]:
        """Our deliveries that wait to be built, sent or given up."""
        found = self.ledger.due_deliveries(now)
        followed = self.followed(found)
        for delivery in found:
            subscription = followed.get(delivery.subscription)  # None: its chat belongs to another process
            if subscription and (is_late(subscription, delivery, now) or self._is_planned(subscription)):
                yield Job(subscription, delivery)

    def _is_planned(self, subscription: Subscription) -> bool:
        return is_sound(subscription) and subscription.id not in self.planner.unplanned

    def stop(self, seconds: float) -> None:
        """Wait up to `seconds` for the messages that are being sent; nothing more must be started."""
        if self.sender.in_flight.wait_none(seconds):
            self.leases.release_all()  # others need not wait until they expire

    # --- Working -----------------------------------------------------------------------------

    def build(self, jobs: Iterable[Job], send: HandOver) -> None:
        """Build the digests of deliveries that share a repository and period, and pass them on.

        Their leases must be held.
        """
        look = _shared(self.builder.look)
        arrivals = _shared(partial(self._arrival, look))
        opened: list[Job] = []
        for job in jobs:
            with self._accounted(job) as keep:
                if again := self._open(job):
                    opened.append(again)
                    keep()
        for job in opened:
            with self._accounted(job) as keep:
                built = job if job.delivery.digest else self._built(job, look, arrivals)
                if built.delivery.state is DeliveryState.DUE and send(built):
                    keep()

    def send(self, job: Job) -> None:
        """Post the rest of a delivery that was opened, and settle it."""
        with self._accounted(job):
            self._post(job)

    def deliver(self, job: Job) -> None:
        """Open a delivery that has its digest, and whose lease is held, and post the rest of it."""
        with self._accounted(job):
            if opened := self._open(job):
                self._post(opened)

    def give_up(self, job: Job) -> None:
        """Give a delivery up, after a last check for a message that may have been sent."""
        with self._accounted(job):
            if opened := self._open(job):
                self._settle(_looked_at(opened, self.sender.last_look))

    def settle(self, place: Place) -> bool:
        """Find out what was posted in a place whose lease is held; return whether that succeeded."""
        done = self.restorer.settle(place)
        self.failures += not done
        return done

    def _open(self, job: Job) -> Job | None:
        """Read the delivery and raise its fence; None if it is settled or was postponed since."""
        known = self.ledger.deliveries(job.subscription.id, limit=LOOKED_BACK)
        kept = next((d for d in known if d.id == job.delivery.id), None) or self.ledger.delivery(job.delivery.id)
        if kept.state is not DeliveryState.DUE or kept.retry > job.delivery.retry:
            return None
        opened = replace(kept, attempts=kept.attempts + 1)
        self.ledger.keep_delivery(opened)
        return Job(job.subscription, opened, failed_before(kept, known))

    def _arrival(self, look: Look, job: Job) -> Arrival:
        return self.builder.arrival(job, look(job))

    def _built(self, job: Job, look: Look, arrivals: Arrivals) -> Job:
        """Build the delivery's digest, if its channel may see the repository."""
        if is_group(job.subscription.repo):
            built = self.gatherer.build(job, self.sender.wake)
        else:
            repository = self.builder.repository(job, look)
            job = self.sender.wake(job) if job.subscription.paused == DENIED else job
            built = self.builder.build(job, repository, arrivals(job))
        if built.delivery.state is DeliveryState.QUIET:
            built.log(logging.INFO, "nothing to report")
        return built

    def _post(self, job: Job) -> None:
        sent = self.sender.send(job)
        seconds = round((self.clock() - job.delivery.slot).total_seconds(), 1)
        sent.log(logging.INFO, "delivered", messages=len(sent.delivery.steps), seconds=seconds)

    def _settle(self, job: Job) -> None:
        """Store a delivery that is done after all, or given up."""
        given_up = job.delivery.state is not DeliveryState.DONE
        self.ledger.keep_delivery((_given_up(job) if given_up else job).delivery)
        self.failures += given_up

    # --- When something goes wrong -----------------------------------------------------------

    @contextmanager
    def _accounted(self, job: Job) -> Iterator[Callable[[], None]]:
        """Work on a delivery, and release its lease at the end unless the block calls the function passed to it.

        Any error is stored with the delivery and decides when it is retried.
        """
        kept = threading.Event()
        try:
            yield kept.set
        except LeaseLost as error:
            job.log(logging.WARNING, "left alone", reason=str(error))
        except Exception as error:
            self._keep_error(job, error)
        finally:
            if not kept.is_set():
                self.leases.release(job.lease)

    def _keep_error(self, job: Job, error: Exception) -> None:
        try:
            kept = replace(job, delivery=self.ledger.delivery(job.delivery.id))
            if kept.delivery.state is DeliveryState.DUE and self.leases.extend(job.lease):
                if isinstance(error, NoRight) and not job.subscription.paused:
                    self.sender.post_denied(kept)
                self.failures += not isinstance(error, TryLater | ThreadGone)
                self.ledger.keep_delivery(_after(kept, error, self.clock(), self.subscriptions))
        except DigestError as second:  # the store itself fails, or the subscription is gone
            job.log(logging.WARNING, "not kept", reason=str(second))


def _looked_at(job: Job, look: Callable[[Job], Job]) -> Job:
    """The delivery after a last check, if that was possible."""
    try:
        return look(job)
    except TryLater:  # its digest is no longer kept
        return job
    except Exception:  # no error may keep the next digest from being planned
        _log.exception("a last look failed")
        return job


def _after(job: Job, error: Exception, now: datetime, subscriptions: Subscriptions) -> Delivery:
    """The delivery after an error: to be retried, done, or paused with its subscription."""
    delivery = job.delivery
    if isinstance(error, TryLater):
        return replace(delivery, retry=now + A_MOMENT)
    if isinstance(error, ChannelUnreachable):
        (cause,) = error.args
        if not job.subscription.paused:
            reason = "left" if isinstance(cause, NotFound) else "closed"
            pause(job.subscription.place, reason, subscriptions)
            job.log(logging.WARNING, "paused", reason=reason)
        return replace(delivery, failure=failure_of(cause), retry=now + PROBE)
    if isinstance(error, NoRight):
        if not job.subscription.paused:
            subscriptions.pause(job.subscription.id, DENIED)
            job.log(logging.WARNING, "paused", reason=DENIED)
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
    """The delivery as given up."""
    failure = job.delivery.failure or Failure("delivery_late")
    reason = " ".join([failure.key, *(f"{name}={logged(value)}" for name, value in failure.fields)])
    job.log(logging.ERROR, "given up", tries=job.delivery.failures, reason=reason)
    return job.at(state=DeliveryState.FAILED, failure=failure)


def _fault(error: Exception) -> DigestError:
    """An error for a bug of ours, logged under a reference that users see."""
    reference = uuid.uuid4().hex[:8]
    _log.error("a delivery failed, reference %s", reference, exc_info=error)
    return DigestError("delivery_crashed", reference=reference)


def _shared(read: Callable[[Job], T]) -> Callable[[Job], T]:
    """A function that calls `read` once and gives all callers its result, or raises its error."""
    found: Future[T] = Future()

    def get(job: Job) -> T:
        if not found.done():
            try:
                found.set_result(read(job))
            except DigestError as error:
                found.set_exception(error)
        return found.result()

    return get
