"""Delivers every digest that is due, exactly once, with several processes that share a queue.

Each step of `bot.delivery.steps` is a task; the queue decides which process runs it, and when:

    plan       every few seconds, in one process at a time: writes rows for what is due, and tasks for what waits
    build      one task for all that is built from the same commits; by rank, then age, so that channels take turns
    deliver    holds its channel's lock, so that digests never interleave
    settle, early    are tasks too

The ledger decides what is due, not the queue: a lost task is added again at the next check, one that runs twice finds
nothing to do, and a process that stalled for too long finds the fence of `ledger` raised.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from bot import addresses
from bot.delivery.early import Early, coming_job
from bot.delivery.fairness import PERMITS, SHARE, Hosts, Permits, ranked
from bot.delivery.job import Job, together
from bot.delivery.ledger import is_late
from bot.delivery.steps import A_MOMENT, Steps
from bot.errors import NotFound
from bot.ports import Again, Crew, Queue, Task, Work
from bot.values import DeliveryState, Place

TICK, AHEAD = 5, 60
"""Seconds between two checks of what is due, and of what is due soon."""
LISTEN, WORK, PLAN = ROLES = ("listen", "work", "plan")
"""The roles that a process can have; it has all of them by default."""

_BUILDERS, _SENDERS = 4 * PERMITS, 192
"""Threads for each kind of task. Builders wait for a permit, so that a host that hangs leaves some to others; senders
mostly wait for rate limits, a second per channel or a minute per workspace.
"""
_SLOW = timedelta(seconds=5)
"""When a slow host that has its share is tried again."""
_URGENT = 1_000


class Queued:
    """Runs the tasks of a queue in one process. Safe for several threads."""

    def __init__(self, steps: Steps, queue: Queue, roles: Collection[str] = ROLES) -> None:
        self._steps = steps
        self._queue = queue
        self._roles = roles
        self._subscriptions = steps.subscriptions
        self._ledger = steps.ledger
        self._clock = steps.clock
        hosts = Hosts()
        self._permits = {name: Permits(hosts, steps.stopping) for name in ("build", "early")}
        self._early = Early(steps, hosts)

    # --- Running -----------------------------------------------------------------------------

    def begin(self, every: Callable[[float, Callable[[], object], str], None]) -> None:
        """Start taking tasks; `every` schedules the renewal of leases."""
        every(self._steps.lease.total_seconds() / 3, self._steps.leases.renew, "leases")
        steps: dict[str, Work] = {
            "plan": self.plan,
            "look_ahead": self.look_ahead,
            "build": self.build,
            "deliver": self.deliver,
            "settle": self.settle,
            "early": self.early,
        }
        planned = {"plan": TICK, "look_ahead": AHEAD} if PLAN in self._roles else {}
        self._queue.work(steps, tuple(self._crews()), planned)

    def halt(self) -> None:
        """Start nothing more. It does not wait, so a signal handler may call it."""
        self._steps.stopping.set()
        self._queue.halt()

    def stop(self, seconds: float) -> None:
        """Start nothing more, and wait up to `seconds` for the messages that are being sent."""
        self.halt()
        self._steps.stop(seconds)
        self._queue.stop(A_MOMENT.total_seconds())

    def _crews(self) -> Iterator[Crew]:
        if PLAN in self._roles:
            yield Crew("plan", 3, lambda: ["plan"])
        if WORK in self._roles:
            yield Crew("build", _BUILDERS, partial(self._lanes, "build"))
            yield Crew("send", _SENDERS, partial(self._lanes, "send"))
            yield Crew("early", PERMITS, partial(self._lanes, "early"), remembered=True, pause=TICK)

    def _lanes(self, kind: str) -> list[str]:
        """The lanes of a kind, one for each chat that this process has connected to."""
        return [_lane(kind, name) for name in tuple(self._steps.chats)]

    # --- Planning ----------------------------------------------------------------------------

    def plan(self) -> None:
        """Plan what is due, and add tasks for what waits. Safe to repeat."""
        steps = self._steps
        if steps.stopping.is_set() or steps.planner.clock_is_wrong():
            return
        now = self._clock()
        tasks = [_settle_task(place) for place in steps.restorer.unsettled()]
        tasks += map(_deliver_task, steps.planner.plan(steps.ours(), now))
        self._enqueue({task.key: task for task in (*tasks, *self._due(now))})

    def _enqueue(self, tasks: Mapping[str, Task]) -> None:
        """Queue tasks, and hasten those that were postponed: the ledger says that they are due."""
        waiting = self._queue.waiting() if tasks else {}
        if early := [key for key in tasks if waiting.get(key)]:
            self._queue.hasten(early)
        if new := [task for key, task in tasks.items() if key not in waiting]:
            self._queue.add(new)

    def _due(self, now: datetime) -> Iterator[Task]:
        """The tasks for the deliveries that wait."""
        to_build = []
        for job in self._steps.due(now):
            if job.delivery.digest or is_late(job.subscription, job.delivery, now):
                yield _deliver_task(job)
            else:
                to_build.append(job)
        yield from (_build_task(jobs, rank) for rank, jobs in ranked(to_build))

    def look_ahead(self) -> None:
        """Queue what is due soon to be built early, each once a day, whatever the result."""
        soon = self._early.due_soon()
        if soon and not self._steps.stopping.is_set():
            self._queue.add([_early_task(jobs, rank) for rank, jobs in ranked(soon)])

    # --- Working -----------------------------------------------------------------------------

    def build(self, deliveries: Sequence[int], host: str, key: str) -> Again | None:
        """Build the digests of deliveries of the same repository and period, and queue them to be sent."""
        if not (permit := self._permits["build"].take(host)):
            return self._later(host, key)
        with self._permits["build"].held(permit):
            taken = [job for job in self._now(deliveries) if self._steps.leases.acquire(job.lease)]
            self._steps.build(taken, partial(self._send_soon, sent := set[int]()))
        return self._again(job for job in self._jobs(set(deliveries) - sent) if not job.delivery.digest)

    def deliver(self, delivery: int) -> Again | None:
        """Send the rest of a delivery's messages, or give it up."""
        now, steps = self._clock(), self._steps
        for job in self._jobs([delivery]):
            late = is_late(job.subscription, job.delivery, now)
            if (late or self._is_ready(job)) and steps.leases.acquire(job.lease):
                (steps.give_up if late else steps.deliver)(job)
        return self._again(self._jobs([delivery]))

    def early(self, subscriptions: Sequence[int], host: str, key: str) -> Again | None:
        """Build digests that are due soon."""
        if not (permit := self._permits["early"].take(host)):
            return self._later(host, key)
        with self._permits["early"].held(permit):
            if jobs := list(self._coming(subscriptions)):
                self._early.build(jobs)
        return None

    def settle(self, place: Mapping[str, str | None]) -> Again | None:
        """Find out what was posted in a place, after a restore."""
        where = Place(**place)  # type: ignore[arg-type]  # as `_settle_task` gives it
        restorer = self._steps.restorer
        if restorer.take_one(where) and self._steps.settle(where):
            return None
        return Again(max(restorer.again(where), self._clock() + A_MOMENT))

    def _send_soon(self, sent: set[int], job: Job) -> bool:
        """Queue a delivery to be sent by any process; return False, since its lease is to be released."""
        self._queue.add([_deliver_task(job)])
        sent.add(job.delivery.id)
        return False

    def _coming(self, subscriptions: Collection[int]) -> Iterator[Job]:
        """What is due soon for subscriptions, by ID."""
        ours, now = self._steps.ours(), self._clock()
        for each in self._subscriptions.numbered(subscriptions):
            last = next(iter(self._ledger.deliveries(each.id, limit=1)), None)
            if ours(each) and (job := coming_job(each, last, now)):
                yield job

    def _jobs(self, deliveries: Iterable[int]) -> list[Job]:
        """The deliveries that still wait. Others are settled, or paused until `plan` finds them again."""
        known = []
        for number in deliveries:
            with suppress(NotFound):  # unsubscribed
                known.append(self._ledger.delivery(number))
        due = [delivery for delivery in known if delivery.state is DeliveryState.DUE]
        followed = self._steps.followed(due) if due else {}
        return [Job(followed[each.subscription], each) for each in due if each.subscription in followed]

    def _now(self, deliveries: Iterable[int]) -> list[Job]:
        """The deliveries whose digests are to be built now."""
        now = self._clock()
        waiting = (job for job in self._jobs(deliveries) if not is_late(job.subscription, job.delivery, now))
        return [job for job in waiting if self._is_ready(job) and not job.delivery.digest]

    def _is_ready(self, job: Job) -> bool:
        return job.delivery.retry <= self._clock() + A_MOMENT

    def _again(self, jobs: Iterable[Job]) -> Again | None:
        """When to retry deliveries, as the ledger says; None if none is waiting."""
        retries = [job.delivery.retry for job in jobs]
        return Again(max(min(retries), self._clock() + A_MOMENT)) if retries else None

    def _later(self, host: str, key: str) -> Again:
        """Retry later, under one of a slow host's few locks.

        So all processes together never work on more of its tasks at a time than its share.
        """
        return Again(self._clock() + _SLOW, f"slow:{host}:{int(key[-4:], 16) % SHARE}")


def _lane(kind: str, chat: str) -> str:
    return f"{kind}/{chat}"


def _build_task(jobs: Sequence[Job], rank: int) -> Task:
    key = _digest_of(together(jobs[0]))
    numbers = [job.delivery.id for job in jobs]
    return _reading_task("build", f"build:{key}", {"deliveries": numbers, "key": key}, jobs[0], rank)


def _early_task(jobs: Sequence[Job], rank: int) -> Task:
    numbers = [job.subscription.id for job in jobs]
    key = _digest_of((*together(jobs[0]), *map(repr, (job.subscription for job in jobs))))
    return _reading_task("early", f"early:{key}", {"subscriptions": numbers, "key": key}, jobs[0], rank)


def _reading_task(step: str, key: str, arguments: Mapping[str, object], job: Job, rank: int) -> Task:
    host, chat = addresses.server_of(job.subscription.repo), job.subscription.place.chat
    return Task(step, key, _lane(step, chat), {**arguments, "host": host}, priority=-rank)


def _deliver_task(job: Job) -> Task:
    """The task that sends one delivery, under its channel's lock."""
    lane, lock = _lane("send", job.subscription.place.chat), _channel(job.subscription.place)
    return Task("deliver", f"deliver:{job.delivery.id}", lane, {"delivery": job.delivery.id}, lock)


def _settle_task(place: Place) -> Task:
    fields = {"chat": place.chat, "channel": place.channel, "thread": place.thread, "viewer": place.viewer}
    lock = _channel(place)
    return Task("settle", f"settle:{place}", _lane("send", place.chat), {"place": fields}, lock, _URGENT)


def _channel(place: Place) -> str:
    return f"channel:{place.chat}/{place.channel}"


def _digest_of(named: tuple[object, ...]) -> str:
    return hashlib.sha256(repr(named).encode()).hexdigest()[:32]
