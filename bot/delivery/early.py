"""Builds digests before their slots, where a model takes its time, so that they stand in the channel when they are due.

It is preparation and nothing else: what it leaves is a digest and analyses in the archive, where the slot finds them if
what landed is still the same. It posts nothing, plans nothing, and holds nothing that a delivery needs, but for the
digest itself while that is being built. Whatever goes wrong is logged once, and left to the slot.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from itertools import groupby

from bot.app import App
from bot.delivery.building import Builder
from bot.delivery.job import Job, TryLater, log, together
from bot.delivery.leases import LeaseHolder
from bot.delivery.ledger import coming_delivery
from bot.delivery.sending import InFlight
from bot.errors import DigestError, NoRight
from bot.ports import Ledger
from bot.values import Delivery, Subscription

_BUILDERS = 4
"""Digests of one process that are built early at a time: the others wait, or are another process's."""
_log = logging.getLogger("digest.worker")


class Early:
    """Builds what is due soon. Safe for several threads and several processes, of which one builds the same."""

    def __init__(
        self,
        app: App,
        builder: Builder,
        *,
        followed: Callable[[], Mapping[int, Subscription]],
        ledger: Ledger,
        leases: LeaseHolder,
        stopping: threading.Event,
    ) -> None:
        """`followed` gives the subscriptions by id; once `stopping` is set, nothing more is begun."""
        self.in_hand = InFlight()
        self._app = app
        self._builder = builder
        self._followed = followed
        self._ledger = ledger
        self._leases = leases
        self._stopping = stopping
        self._pool = ThreadPoolExecutor(_BUILDERS, "early")
        self._lock = threading.Lock()
        self._seen: set[tuple[Subscription, datetime]] = set()

    def begin(self) -> None:
        """Begin with what is due soon and not built yet, and wait for none of it. Twice does no harm."""
        if not self._app.model or self._stopping.is_set() or self._app.clock_ahead:
            return
        for _, group in groupby(sorted(self._unseen(self._app.clock()), key=together), key=together):
            jobs = tuple(group)
            lease = f"early:{together(jobs[0])}"
            if self.in_hand.number >= _BUILDERS:
                return
            if self._leases.acquire(lease):
                self._submit(lease, jobs)

    def stop(self) -> None:
        """Begin nothing more; what is being built is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _unseen(self, now: datetime) -> list[Job]:
        """What is due soon, but for what was built or failed already."""
        latest = {d.subscription: d for d in self._ledger.latest_deliveries()}
        active = [s for s in self._followed().values() if not s.paused]
        coming = {(s, c.slot): c for s in active if (c := _coming(s, latest.get(s.id), now))}
        with self._lock:
            self._seen &= coming.keys()
            left = [mark for mark in coming if mark not in self._seen]
        return [Job(mark[0], coming[mark]) for mark in left]

    def _submit(self, lease: str, jobs: Sequence[Job]) -> None:
        self.in_hand.add(1)

        def ended(_: Future[None]) -> None:
            self._leases.release(lease)
            self.in_hand.add(-1)

        try:
            self._pool.submit(self._prepare, jobs).add_done_callback(ended)
        except RuntimeError:  # the pool is shut down: we are stopping
            self._leases.release(lease)
            self.in_hand.add(-1)

    def _prepare(self, jobs: Sequence[Job]) -> None:
        """Build the digests of deliveries of the same repository and period."""
        try:
            look = self._builder.look(jobs[0])
            arrival = self._builder.arrival(jobs[0], look)
            for job in jobs:
                if self._stopping.is_set():
                    return
                try:
                    self._builder.prepare(job, self._builder.repository(job, lambda _: look), arrival)
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

    def _see(self, *jobs: Job) -> None:
        with self._lock:
            self._seen.update((job.subscription, job.delivery.slot) for job in jobs)


def _coming(subscription: Subscription, last: Delivery | None, now: datetime) -> Delivery | None:
    """What is due soon; nothing, where that cannot be told: who plans it says so."""
    try:
        return coming_delivery(subscription, last, now)
    except Exception:  # one that cannot be planned must keep nobody else's from being built
        return None
