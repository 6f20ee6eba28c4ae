"""Builds digests before their slots, where a model takes its time, so that they stand in the channel when they are due.
Whose turn it is says `bot.delivery.fairness`, as for deliveries.

It is preparation and nothing else: what it leaves is a digest and analyses in the archive, where the slot finds them if
what landed is still the same. It posts nothing, plans nothing, and holds nothing that a delivery needs, but for the
digest itself while that is being built. Whatever goes wrong is logged once, and left to the slot.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime

from bot.addresses import is_group
from bot.delivery.fairness import MOST, Hand, Hosts, Turns
from bot.delivery.job import Job, TryLater, log, together
from bot.delivery.ledger import EARLY, coming_delivery
from bot.delivery.sending import InFlight
from bot.delivery.steps import Steps
from bot.errors import DigestError, NoRight
from bot.values import Delivery, Subscription

_log = logging.getLogger("digest.worker")


class Early:
    """Builds what is due soon. Safe for several threads and several processes, of which one builds the same."""

    def __init__(self, steps: Steps, hosts: Hosts) -> None:
        """`hosts` knows which are slow, also by what is read for deliveries."""
        self.in_hand = InFlight()
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
        """Begin with what is due soon and not built yet, and wait for none of it. Twice does no harm."""
        if self._stopping.is_set():
            return
        unseen = self._unseen()
        self._turns.wait(job for job in unseen if not self._leases.holds(_lease(job)))
        self._go_on()

    def stop(self) -> None:
        """Begin nothing more; what is being built is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def due_soon(self) -> list[Job]:
        """What is due soon; nothing, where no model takes its time for it, or the clock cannot be trusted."""
        if not self._app.model or self._app.clock_ahead:
            return []
        now = self._app.clock()
        return [job for c in self._active(now + EARLY) if (job := coming_job(c.subscription, c.last, now))]

    def _unseen(self) -> list[Job]:
        """What is due soon, but for what was built or failed already."""
        coming = {(job.subscription, job.delivery.slot): job for job in self.due_soon()}
        with self._lock:
            self._seen &= coming.keys()
            left = [mark for mark in coming if mark not in self._seen]
        return [coming[mark] for mark in left]

    def _go_on(self) -> None:
        """Begin with those whose turn it is, as long as there are hands."""
        while not self._stopping.is_set() and (turn := self._turns.take()):
            hand, jobs = turn
            acquired = False
            try:
                acquired = self._leases.acquire(_lease(jobs[0]))
            finally:  # also where the store fails
                if not acquired:
                    self._turns.done(hand)
            if acquired:
                self._submit(hand, jobs)

    def _submit(self, hand: Hand, jobs: Sequence[Job]) -> None:
        self.in_hand.add(1)

        def ended(_: Future[None]) -> None:
            self._leases.release(_lease(jobs[0]))
            with self.in_hand.counted():  # what goes on now was in hand all the time
                self.in_hand.add(-1)
                self._go_on()

        try:
            self._pool.submit(self._prepare, hand, jobs).add_done_callback(ended)
        except RuntimeError:  # the pool is shut down: we are stopping
            self._leases.release(_lease(jobs[0]))
            self.in_hand.add(-1)

    def _prepare(self, hand: Hand, jobs: Sequence[Job]) -> None:
        with self._turns.held(hand, self._go_on):
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
                except TryLater:  # somebody builds the same, and is looked after once more
                    continue
                except NoRight:  # which its slot says
                    pass
                self._see(job)
        except DigestError as error:
            log(logging.WARNING, "not built early", jobs[0].subscription, reason=str(error))
            self._see(*jobs)
        except Exception:
            if not self._stopping.is_set():  # what it works with may be closed by then
                _log.exception("an early digest failed")
            self._see(*jobs)

    def _alone(self, first: Job) -> Callable[[Job], None]:
        """What builds the digests of deliveries of one repository, which is read once. Raises what reading raises."""
        look = self._builder.look(first)
        arrival = self._builder.arrival(first, look)
        return lambda job: self._builder.prepare(job, self._builder.repository(job, lambda _: look), arrival)

    def _see(self, *jobs: Job) -> None:
        with self._lock:
            self._seen.update((job.subscription, job.delivery.slot) for job in jobs)


def _lease(job: Job) -> str:
    """The key of the lease on what is built together with a delivery."""
    return f"early:{together(job)}"


def coming_job(subscription: Subscription, last: Delivery | None, now: datetime) -> Job | None:
    """What is due soon of a subscription, whose latest delivery is `last`."""
    coming = None if subscription.paused else _coming(subscription, last, now)
    return Job(subscription, coming) if coming else None


def _coming(subscription: Subscription, last: Delivery | None, now: datetime) -> Delivery | None:
    """What is due soon; nothing, where that cannot be told: who plans it says so."""
    try:
        return coming_delivery(subscription, last, now)
    except Exception:  # one that cannot be planned must keep nobody else's from being built
        return None
