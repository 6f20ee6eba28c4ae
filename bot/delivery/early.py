"""Builds digests before their slots if a model is used, so that they are posted on time. The order is that of
`bot.delivery.fairness`, as for deliveries.

It only prepares: it leaves a digest and analyses in the archive, which the slot uses if the commits are still the same.
It posts nothing, plans nothing and blocks no delivery, except while it builds the digest itself. An error is logged
once and left to the slot.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime

from bot.addresses import is_group
from bot.delivery.fairness import MOST, Hosts, Permit, Turns
from bot.delivery.job import Job, TryLater, log, together
from bot.delivery.ledger import EARLY, coming_delivery
from bot.delivery.sending import InFlight
from bot.delivery.steps import Steps
from bot.errors import DigestError, NoRight
from bot.values import Delivery, Subscription

_log = logging.getLogger("digest.worker")


class Early:
    """Builds what is due soon. Safe for several threads and processes: only one of them builds each digest."""

    def __init__(self, steps: Steps, hosts: Hosts) -> None:
        """`hosts` knows which hosts are slow; share it with the deliveries."""
        self.in_progress = InFlight()
        self._app = steps.app
        self._builder = steps.builder
        self._gatherer = steps.gatherer
        self._active = steps.active
        self._leases = steps.leases
        self._stopping = steps.stopping
        self._pool = ThreadPoolExecutor(MOST, "early")
        self._turns = Turns(lambda _: False, hosts)
        self._lock = threading.Lock()
        self._seen: set[tuple[Subscription, datetime]] = set()

    def begin(self) -> None:
        """Start building what is due soon and not built yet, without waiting. Safe to repeat."""
        if self._stopping.is_set():
            return
        unseen = self._unseen()
        self._turns.wait(job for job in unseen if not self._leases.holds(_lease(job)))
        self._go_on()

    def stop(self) -> None:
        """Start nothing more, and do not wait for what is being built."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def due_soon(self) -> list[Job]:
        """The deliveries due soon; none without a model, or if the clock is wrong."""
        if not self._app.model or self._app.clock_ahead:
            return []
        now = self._app.clock()
        return [job for c in self._active(now + EARLY) if (job := coming_job(c.subscription, c.last, now))]

    def _unseen(self) -> list[Job]:
        """What is due soon and has neither been built nor failed."""
        coming = {(job.subscription, job.delivery.slot): job for job in self.due_soon()}
        with self._lock:
            self._seen &= coming.keys()
            left = [mark for mark in coming if mark not in self._seen]
        return [coming[mark] for mark in left]

    def _go_on(self) -> None:
        """Start the next groups while permits are free."""
        while not self._stopping.is_set() and (turn := self._turns.take()):
            permit, jobs = turn
            acquired = False
            try:
                acquired = self._leases.acquire(_lease(jobs[0]))
            finally:  # even if the store fails
                if not acquired:
                    self._turns.done(permit)
            if acquired:
                self._submit(permit, jobs)

    def _submit(self, permit: Permit, jobs: Sequence[Job]) -> None:
        self.in_progress.add(1)

        def ended(_: Future[None]) -> None:
            self._leases.release(_lease(jobs[0]))
            with self.in_progress.counted():  # so that the count never drops to zero in between
                self.in_progress.add(-1)
                self._go_on()

        try:
            self._pool.submit(self._prepare, permit, jobs).add_done_callback(ended)
        except RuntimeError:  # the pool is shut down: we are stopping
            self._leases.release(_lease(jobs[0]))
            self.in_progress.add(-1)

    def _prepare(self, permit: Permit, jobs: Sequence[Job]) -> None:
        with self._turns.held(permit, self._go_on):
            self.build(jobs)

    def build(self, jobs: Sequence[Job]) -> None:
        """Build the digests of deliveries of the same repository and period."""
        try:
            prepare = self._gatherer.prepare if is_group(jobs[0].subscription.repo) else self._alone(jobs[0])
            for job in jobs:
                if self._stopping.is_set():
                    return
                try:
                    prepare(job)
                except TryLater:  # another process builds the same: look again later
                    continue
                except NoRight:  # reported at its slot
                    pass
                self._see(job)
        except DigestError as error:
            log(logging.WARNING, "not built early", jobs[0].subscription, reason=str(error))
            self._see(*jobs)
        except Exception:
            if not self._stopping.is_set():  # the store may be closed by then
                _log.exception("an early digest failed")
            self._see(*jobs)

    def _alone(self, first: Job) -> Callable[[Job], None]:
        """Read the repository of some deliveries, and return a function that prepares one of them.

        Raises what reading raises.
        """
        look = self._builder.look(first)
        arrival = self._builder.arrival(first, look)
        return lambda job: self._builder.prepare(job, self._builder.repository(job, lambda _: look), arrival)

    def _see(self, *jobs: Job) -> None:
        with self._lock:
            self._seen.update((job.subscription, job.delivery.slot) for job in jobs)


def _lease(job: Job) -> str:
    """The key of the lease on all deliveries that are built together with this one."""
    return f"early:{together(job)}"


def coming_job(subscription: Subscription, last: Delivery | None, now: datetime) -> Job | None:
    """The delivery of a subscription that is due soon; `last` is its latest one."""
    coming = None if subscription.paused else _coming(subscription, last, now)
    return Job(subscription, coming) if coming else None


def _coming(subscription: Subscription, last: Delivery | None, now: datetime) -> Delivery | None:
    """The delivery that is due soon; None if it cannot be planned, which the planner reports."""
    try:
        return coming_delivery(subscription, last, now)
    except Exception:  # one bad subscription must not block the others
        return None
