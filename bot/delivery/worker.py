"""Delivers every digest that is due, exactly once, with the threads of one process; any number may share a store.

    tick       writes rows for what is due (`bot.delivery.planning`), in one process only
    build      in the order that `bot.delivery.fairness` decides
    send       in another pool of threads, so that building keeps no finished digest waiting

`bot.delivery.steps` does the steps.
"""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from functools import partial

from bot.delivery.early import Early
from bot.delivery.fairness import MOST, Hosts, Permit, Turns
from bot.delivery.job import Job
from bot.delivery.ledger import is_late
from bot.delivery.sending import InFlight
from bot.delivery.steps import A_MOMENT, Steps
from bot.values import Place

MAX_IN_PROGRESS = 256
"""Deliveries of one process at a time, not counting slow hosts: the others are left to other processes."""
TICK = 5
"""Seconds between two checks of what is due."""
AHEAD = 60
"""Seconds between two checks of what is due soon."""

_SENDERS = 128
"""Threads that send; mostly they wait for rate limits: a second per channel, or a minute per workspace."""
_log = logging.getLogger("digest.worker")


class Worker:
    """Runs the steps in threads. Safe for several threads, and for any number of processes on the same store."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._ledger = steps.ledger
        self._clock = steps.clock
        self._stopping = steps.stopping
        hosts = Hosts()
        self.early = Early(steps, hosts)
        self._build_pool = ThreadPoolExecutor(MOST, "build")
        self._send_pool = ThreadPoolExecutor(_SENDERS, "send")
        posting = steps.sender.is_posting
        self._turns = Turns(lambda job: bool(job.delivery.digest) and posting(job.subscription.place), hosts)
        self._in_progress = InFlight()
        self._submitted = 0

    # --- Running -----------------------------------------------------------------------------

    def begin(self, every: Callable[[float, Callable[[], object], str], None]) -> None:
        """Register the periodic work: `every` takes the seconds, the function and a name."""
        every(self._steps.lease.total_seconds() / 3, self.renew, "leases")
        every(TICK, self.tick, "due")
        every(AHEAD, self.early.begin, "early")

    def tick(self) -> bool:
        """Plan what is due, and start what waits; return whether there was any. Safe to repeat."""
        steps = self._steps
        if self._stopping.is_set() or steps.planner.clock_is_wrong():
            return False
        before, now = self._submitted, self._clock()
        for place in steps.restorer.take():
            self._submit(self._send_pool, steps.settle, place)
        for late in steps.planner.plan(steps.ours(), now):
            self._give_up_soon(late)
        self._begin(now)
        return self._submitted > before

    def renew(self) -> None:
        """Extend every lease that is held. Call it three times within the lifetime of a lease."""
        self._steps.leases.renew()

    def drain(self, seconds: float | None = None) -> bool:
        """Wait until nothing is in progress; return whether that was within `seconds` (None: no limit)."""
        return self._in_progress.wait_none(seconds)

    def deliver_all(self, sleep: Callable[[float], None]) -> bool:
        """Deliver everything that is due, trying each once; return whether all succeeded."""
        steps = self._steps
        while True:
            while self.tick() or self._in_progress.number:
                self.drain(A_MOMENT.total_seconds())  # a host may turn out to be slow, which frees permits
            soon = self._ledger.due_deliveries(self._clock() + 2 * A_MOMENT)
            if not steps.restorer.waits and all(each.paused for each in steps.followed(soon).values()):
                return not steps.failures
            sleep(A_MOMENT.total_seconds())  # another process is working on them

    def halt(self) -> None:
        """Start nothing more. It does not wait, so a signal handler may call it."""
        self._stopping.set()

    def stop(self, seconds: float) -> None:
        """Start nothing more, and wait up to `seconds` for the messages that are being sent."""
        self.halt()
        for pool in (self._build_pool, self._send_pool):
            pool.shutdown(wait=False, cancel_futures=True)
        self.early.stop()
        self._steps.stop(seconds)

    # --- Beginning ---------------------------------------------------------------------------

    def _begin(self, now: datetime) -> None:
        """Start the deliveries that wait, as far as it is their turn."""
        waiting, steps = [], self._steps
        for job in steps.due(now):
            if is_late(job.subscription, job.delivery, now):
                self._give_up_soon(job)
            else:
                waiting.append(job)
        self._turns.wait(job for job in waiting if not steps.leases.holds(job.lease))
        self._go_on()

    def _go_on(self) -> None:
        """Start the next groups while permits are free."""
        while self._has_capacity() and not self._stopping.is_set() and (turn := self._turns.take()):
            (permit, group), taken = turn, list[Job]()
            try:
                taken += (job for job in group if self._steps.leases.acquire(job.lease))
            finally:  # even if the store fails
                if taken:
                    self._submit(self._build_pool, partial(self._build, permit), *taken)
                else:
                    self._turns.done(permit)

    def _has_capacity(self) -> bool:
        return self._in_progress.number - self._turns.apart < MAX_IN_PROGRESS

    def _give_up_soon(self, job: Job) -> None:
        if self._has_capacity() and self._steps.leases.acquire(job.lease):
            self._submit(self._send_pool, self._steps.give_up, job)

    def _build(self, permit: Permit, *jobs: Job) -> None:
        """Build the digests of deliveries of the same repository and period, and go on to send them."""
        with self._turns.held(permit, self._go_on):
            self._steps.build(jobs, self._send_soon)

    def _send_soon(self, job: Job) -> bool:
        self._submit(self._send_pool, self._steps.send, job)
        return True

    def _submit(self, pool: ThreadPoolExecutor, work: Callable[..., object], *jobs: Job | Place) -> None:
        self._in_progress.add(len(jobs))
        self._submitted += 1

        def ended(future: Future[object]) -> None:
            if not future.cancelled() and (error := future.exception()):
                _log.error("a worker failed", exc_info=error)
            with self._in_progress.counted():  # so that the count never drops to zero in between
                self._in_progress.add(-len(jobs))
                self._go_on()

        try:
            pool.submit(work, *jobs).add_done_callback(ended)
        except RuntimeError:  # the pool is shut down: we are stopping
            self._in_progress.add(-len(jobs))
