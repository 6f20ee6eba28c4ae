"""Delivers every digest that is due, exactly once: plans it, builds it, posts it, and writes down how far it got.

    tick       what `bot.delivery.schedule` says is due becomes a row, in one process only
    build      the commits are read once for everybody who waits for them, and one digest is made of the same commits
    send       each message is written down as intended, sent, and written down as done, with what the chat calls it

All that another process needs is in the store. Who works on a delivery holds a lease, prolonged by `renew`; who was
killed holds it no longer than that. Before each message the lease and the row are looked at again, so that a process
that stood still for too long sends nothing more. A message that was intended and not done may have been sent: the chat
is asked first (`Idempotency`).
"""

from __future__ import annotations

import hashlib
import logging
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby

from bot.app import GRACE, App, Scope, Sought, fallbacks, send
from bot.delivery import schedule
from bot.errors import DigestError, Forbidden, LeaseLost, NotFound, ThreadGone
from bot.ports import Chat, Idempotency, Store
from bot.posts import post as digests
from bot.posts import report
from bot.posts.labels import day_label
from bot.texts import Texts
from bot.values import (
    EPOCH,
    UNREACHABLE,
    Commit,
    Delivery,
    DeliveryState,
    Failure,
    Message,
    Period,
    Place,
    Post,
    Repository,
    Step,
    StepState,
    Subscription,
    local,
    one_line,
)

PROBE = timedelta(hours=1)
"""How often a resting channel is tried: a chat may not tell that the bot is back, or nobody may be listening then."""
BACKOFF, LONGEST_BACKOFF = timedelta(seconds=30), timedelta(minutes=30)
"""How long a delivery that failed waits: twice as long each time, up to the longest."""
LATE = timedelta(days=7)
"""So far back a commit may be dated that is pushed late: older ones are never looked for."""
LAST_CHANCE = timedelta(days=7)
"""When a delivery is given up that no other follows."""
IN_HAND = 128
"""Deliveries of one process at a time: the others are left to other processes."""

_BUILDERS, _SENDERS = 4, 32
_A_MOMENT = timedelta(seconds=1)
_log = logging.getLogger("digest.worker")


@dataclass(frozen=True, slots=True)
class _Job:
    """A delivery that this process holds the lease of."""

    subscription: Subscription
    delivery: Delivery

    @property
    def key(self) -> str:
        return _lease(self.delivery.id)

    def at(self, **changes: object) -> _Job:
        """The same delivery, further on."""
        return replace(self, delivery=replace(self.delivery, **changes))  # type: ignore[arg-type]


class _Later(Exception):
    """What is needed is being made by somebody else."""


class _Shut(Exception):
    """A channel does not take the bot's messages: it is gone, closed, or has taken the bot out."""

    def __init__(self, error: DigestError) -> None:
        super().__init__(error)
        self.error = error


class Worker:
    """One process's hands. Safe for several threads; any number of processes may have one on the same store."""

    def __init__(self, app: App, chats: Mapping[str, Chat], lease: timedelta) -> None:
        """`chats` are those that it may post in, by name; `lease` is how long a process may be silent."""
        self._app = app
        self._store = app.store
        self._chats = chats
        self._leases = Leases(app.store, app.clock, lease)
        self._builders = ThreadPoolExecutor(_BUILDERS, "build")
        self._senders = ThreadPoolExecutor(_SENDERS, "send")
        self._stopping = threading.Event()
        self._posting = _Counter()
        self._working = _Counter()
        self._failures = 0
        self._submitted = 0
        self._unplanned: set[int] = set()
        self._turns: dict[Place, threading.Lock] = {}

    # --- Running -----------------------------------------------------------------------------

    def tick(self) -> bool:
        """Plan what has become due, and begin with what waits; whether there was any. Twice does no harm."""
        if self._stopping.is_set():
            return False
        before = self._submitted
        now = self._app.clock()
        ours = {s.id: s for s in self._store.subscriptions() if s.place.chat in self._chats}
        followed = {s.id: s for s in ours.values() if not s.paused or s.paused in UNREACHABLE}
        self._plan(list(followed.values()), now)
        self._begin_all(followed, now)
        return self._submitted > before

    def renew(self) -> None:
        """Prolong every lease that is held. To be called three times in the time of a lease."""
        self._leases.renew()

    def drain(self, seconds: float | None = None) -> bool:
        """Wait until nothing is in hand; whether that came within `seconds`."""
        return self._working.wait_none(seconds)

    def deliver_all(self, sleep: Callable[[float], None]) -> bool:
        """Deliver everything that is due, each tried once; whether all of it went out."""
        while True:
            while self.tick():
                self.drain()
            soon = self._app.clock() + 2 * _A_MOMENT
            ours = {s.id for s in self._store.subscriptions() if s.place.chat in self._chats and not s.paused}
            if not any(d.subscription in ours for d in self._store.due_deliveries(soon)):
                return not self._failures
            sleep(_A_MOMENT.total_seconds())  # another process has them in hand

    def halt(self) -> None:
        """Begin nothing more. It waits for nothing, so that a signal's handler may call it."""
        self._stopping.set()

    def stop(self, seconds: float) -> None:
        """Begin nothing more, and wait up to `seconds` for the messages that are just being sent."""
        self.halt()
        for pool in (self._builders, self._senders):
            pool.shutdown(wait=False, cancel_futures=True)
        if self._posting.wait_none(seconds):
            self._leases.give_all()  # nobody need wait until they run out

    # --- Planning ----------------------------------------------------------------------------

    def _plan(self, followed: Sequence[Subscription], now: datetime) -> None:
        latest = {d.subscription: d for d in self._store.latest_deliveries()}
        for subscription in followed:
            try:
                self._plan_one(subscription, latest.get(subscription.id), now)
                self._unplanned.discard(subscription.id)
            except Exception as error:  # one that cannot be planned must keep nobody else's from being
                if subscription.id not in self._unplanned:  # said once, not at every tick
                    _event(logging.ERROR, "not planned", **_named(subscription), reason=str(error))
                self._unplanned.add(subscription.id)

    def _plan_one(self, subscription: Subscription, last: Delivery | None, now: datetime) -> None:
        if last and last.state is DeliveryState.DUE:
            if last.deadline <= now and not subscription.paused:  # one that rests is tried until the bot is back
                self._give_up_soon(_Job(subscription, last))
            return
        planned = planned_delivery(subscription, last, now)
        if planned and (made := self._store.plan(planned, last.id if last else 0)):
            _event(logging.INFO, "due", delivery=made.id, **_named(subscription), until=made.until.isoformat())

    def _give_up_soon(self, job: _Job) -> None:
        if self._working.number < IN_HAND and self._leases.take(job.key):
            self._submit(self._senders, self._give_up_all, [job])

    def _give_up_all(self, jobs: list[_Job]) -> None:
        for job in jobs:
            with self._accounted(job):
                self._give_up(job)

    def _give_up(self, job: _Job) -> None:
        """Give a delivery up, after a last look for the message of which nobody knows whether it was sent."""
        job = replace(job, delivery=self._store.delivery(job.delivery.id))
        if job.delivery.state is not DeliveryState.DUE:
            return
        job = job.at(attempts=job.delivery.attempts + 1)
        self._store.keep_delivery(job.delivery)
        whole = False
        try:
            job, whole = self._last_look(job)
        except Exception:  # whatever stands in the way must not keep the next digest from being planned
            _log.exception("a last look failed")
        if whole:
            self._store.keep_delivery(job.at(state=DeliveryState.DONE, failure=None).delivery)
            return
        failure = job.delivery.failure or Failure("delivery_late")
        job = job.at(state=DeliveryState.FAILED, failure=failure)
        self._store.keep_delivery(job.delivery)
        self._failures += 1
        known = {"delivery": job.delivery.id, **_named(job.subscription)}
        _event(logging.ERROR, "given up", **known, tries=job.delivery.failures, reason=_reason(failure))

    def _last_look(self, job: _Job) -> tuple[_Job, bool]:
        """The delivery, with the message done that was begun if the chat shows it; and whether all of it is posted."""
        made = self._post(job) if job.delivery.steps else None
        if made is None:
            return job, False
        post, texts = made
        messages = {m.key: m for m in (post.headline, *post.replies)}
        begun = next((s for s in job.delivery.steps if s.state is StepState.INTENDED), None)
        if begun and begun.key in messages:
            job = self._looked_for(job, begun, messages[begun.key], texts)
        done = {s.key for s in job.delivery.steps if s.state is StepState.DONE}
        return job, set(messages) <= done

    def _looked_for(self, job: _Job, begun: Step, message: Message, texts: Texts) -> _Job:
        """The delivery, with a message done that was begun, if the chat shows it."""

        def send_nothing() -> None:
            raise LeaseLost("stopping")

        headline = job.delivery.steps[0]
        place = job.subscription.place if begun is headline else replace(job.subscription.place, thread=headline.thread)
        once = Idempotency(send_name(job.subscription, job.delivery, message), begun.begun, True, send_nothing)
        for said, named in ((message, once), *fallbacks(message, "", texts, once)):
            with suppress(DigestError):
                thread = self._chats[place.chat].post(place, said, named)
                return job.at(steps=_done(job.delivery.steps, begun, thread))
        return job

    # --- Building ----------------------------------------------------------------------------

    def _begin_all(self, followed: Mapping[int, Subscription], now: datetime) -> None:
        """Begin with the deliveries that wait, those of one repository and period together."""
        waiting = []
        for delivery in self._store.due_deliveries(now):
            if delivery.subscription not in followed:
                continue  # it belongs to another process's chat
            job = _Job(followed[delivery.subscription], delivery)
            if delivery.deadline > now or job.subscription.paused:
                waiting.append(job)
            else:
                self._give_up_soon(job)
        waiting.sort(key=_together)
        for _, group in groupby(waiting, key=_together):
            if self._working.number >= IN_HAND or self._stopping.is_set():
                return
            jobs = [job for job in group if self._leases.take(job.key)]
            if jobs:
                self._submit(self._builders, self._build, jobs)

    def _submit(self, pool: ThreadPoolExecutor, work: Callable[[list[_Job]], None], jobs: list[_Job]) -> None:
        self._working.add(len(jobs))
        self._submitted += 1

        def done(future: Future[None]) -> None:
            self._working.add(-len(jobs))
            if not future.cancelled() and (error := future.exception()):
                _log.error("a worker failed", exc_info=error)

        try:
            pool.submit(work, jobs).add_done_callback(done)
        except RuntimeError:  # the pool is shut down: we are stopping
            self._working.add(-len(jobs))

    def _build(self, jobs: list[_Job]) -> None:
        """Make the digests of deliveries of the same repository and period, and go on to send them."""
        begun: list[_Job] = []
        for job in jobs:
            with self._accounted(job) as passed_on:
                if again := self._begun(job):
                    begun.append(again)
                    passed_on()
        landed = _once(self._landed)
        for job in begun:
            with self._accounted(job) as passed_on:
                made = job if job.delivery.digest else self._made(job, *landed(job))
                if made.delivery.state is DeliveryState.DUE:
                    passed_on()
                    self._submit(self._senders, self._send_all, [made])

    def _begun(self, job: _Job) -> _Job | None:
        """The delivery, counted as tried once more; None where it is no longer due."""
        delivery = self._store.delivery(job.delivery.id)
        if delivery.state is not DeliveryState.DUE or delivery.retry > self._app.clock():
            return None
        job = replace(job, delivery=delivery).at(attempts=delivery.attempts + 1)
        self._store.keep_delivery(job.delivery)
        return job

    def _landed(self, job: _Job) -> tuple[Repository, tuple[Commit, ...]]:
        """The commits of a delivery's period, and of the time before it, in which some may have been pushed late."""
        subscription, delivery = job.subscription, job.delivery
        repository = self._app.repository(subscription.repo, subscription.place)
        period = Period(delivery.since - LATE, delivery.until, subscription.zone)
        return repository, self._app.landed(repository, subscription.branch, period)

    def _made(self, job: _Job, repository: Repository, landed: Sequence[Commit]) -> _Job:
        """The delivery with its digest made; settled, where there is nothing to tell."""
        subscription, delivery = job.subscription, job.delivery
        period = Period(delivery.since, delivery.until, subscription.zone)
        scope = Scope(subscription.repo, period, subscription.language, subscription.branch, subscription.filters)
        sought = self._app.sought(repository, scope, undelivered(delivery, landed, self._told(delivery)))
        silent = not sought.commits and not subscription.quiet and delivery.cursor == delivery.since
        job = job.at(state=DeliveryState.QUIET) if silent else job.at(digest=self._digest(subscription, sought))
        self._store.mark_delivered(job.delivery, landed, delivery.cursor - LATE)
        if silent:
            _event(logging.INFO, "nothing to tell", delivery=delivery.id, **_named(subscription))
        return job

    def _digest(self, subscription: Subscription, sought: Sought) -> str:
        """The key of the digest that is sought, which is made now unless it is kept. Raises _Later.

        One that lacks something is kept apart: who asks for that day later may get a better one, but what is being
        delivered must not change.
        """
        if kept := self._kept(sought):
            return kept
        with self._alone(f"digest:{sought.key}"):
            if kept := self._kept(sought):
                return kept
            made = self._app.made(sought)
            key = _lacking(sought) if made.degraded else sought.key
            self._store.keep_digest(key, made, self._app.clock())
            _event(logging.INFO, "built", **_named(subscription), commits=len(made.entries), degraded=made.degraded)
            return key

    def _kept(self, sought: Sought) -> str:
        """The key of the digest that is kept: a whole one, else one that lacks something; empty for none."""
        whole = self._store.digest(sought.key)
        if whole and not whole.degraded:
            return sought.key
        return _lacking(sought) if self._store.digest(_lacking(sought)) else ""

    def _told(self, delivery: Delivery) -> frozenset[str] | None:
        """What the subscription was told of by other deliveries; None where this is the first."""
        known = self._store.deliveries(delivery.subscription, limit=_LOOKED_BACK)
        earlier = (d for d in known if d.id < delivery.id)
        if not any(d.sent or d.state is DeliveryState.QUIET for d in earlier):
            return None
        return self._store.delivered_shas(delivery.subscription, but=delivery.id)

    @contextmanager
    def _alone(self, key: str) -> Iterator[None]:
        """Do something that nobody else does meanwhile. Raises _Later where somebody does."""
        if not self._leases.take(key):
            raise _Later
        try:
            yield
        finally:
            self._leases.give(key)

    # --- Sending -----------------------------------------------------------------------------

    def _send_all(self, jobs: list[_Job]) -> None:
        for job in jobs:
            with self._accounted(job):
                self._send(job)

    def _send(self, job: _Job) -> None:
        """Post what has not been posted of a delivery, and settle it."""
        made = self._post(job)
        if made is None:
            raise _Later
        with self._turn(job.subscription.place):
            job = self._send_post(job, *made)
        job = job.at(state=DeliveryState.DONE, failure=None)
        self._store.keep_delivery(job.delivery)
        waited = (self._app.clock() - job.delivery.slot).total_seconds()
        _event(
            logging.INFO,
            "delivered",
            delivery=job.delivery.id,
            **_named(job.subscription),
            messages=len(job.delivery.steps),
            seconds=round(waited, 1),
        )

    def _send_post(self, job: _Job, post: Post, texts: Texts) -> _Job:
        """The delivery with every message posted."""
        place = job.subscription.place
        for number, message in enumerate((post.headline, *post.replies)):
            job, thread = self._step(job, place, message, texts)
            place = thread if number == 0 else place
        return job

    @contextmanager
    def _turn(self, place: Place) -> Iterator[None]:
        """Post a digest while no other one is posted there: one must not stand within another. Raises _Later."""
        turn = self._turns.setdefault(place, threading.Lock())
        if not turn.acquire(blocking=False):
            raise _Later
        try:
            yield
        finally:
            turn.release()

    def _post(self, job: _Job) -> tuple[Post, Texts] | None:
        """What is posted, the same however often it is begun, and the labels; None where its digest is gone."""
        digest = self._store.digest(job.delivery.digest)
        if digest is None:
            self._store.keep_delivery(job.at(digest="").delivery)
            return None
        texts = Texts(digest.language)  # as it was made, whatever the subscription says by now
        failed = failed_before(job.delivery, self._store.deliveries(job.subscription.id, limit=_LOOKED_BACK))
        said = notes(job.delivery, failed, digest.period, texts)
        return digests.post(digest, texts, report.attachments(digest, texts), said), texts

    def _step(self, job: _Job, place: Place, message: Message, texts: Texts) -> tuple[_Job, Place]:
        """A message posted, now or earlier, and the thread beneath it."""
        chat = self._chats[place.chat]
        step = next((s for s in job.delivery.steps if s.key == message.key), None)
        if step and step.state is StepState.DONE:
            return job, replace(place, thread=step.thread)
        again = step is not None
        step = step or Step(message.key, StepState.INTENDED, self._app.clock())
        if self._stopping.is_set():
            raise LeaseLost("stopping")
        if not again:
            job = job.at(steps=(*job.delivery.steps, step))
            self._store.keep_delivery(job.delivery)
        once = Idempotency(
            send_name(job.subscription, job.delivery, message), step.begun, again, lambda: self._check(job)
        )
        with self._posting.counted():
            try:
                thread = send(chat, place, message, texts, once)
            except ThreadGone:
                raise
            except (NotFound, Forbidden) as error:
                raise _Shut(error) from None
            job = job.at(steps=_done(job.delivery.steps, step, thread))
            self._store.keep_delivery(job.delivery)
        return self._awake(job) if job.subscription.paused else job, thread

    def _awake(self, job: _Job) -> _Job:
        """The delivery of a channel in which the bot can post again, though nobody said so: all of it goes on."""
        for each in self._store.subscriptions(job.subscription.place):
            if each.paused in UNREACHABLE:
                self._app.resume(each)
        _event(logging.INFO, "goes on", **_named(job.subscription))
        deadline = max(job.delivery.deadline, self._app.clock() + GRACE)
        return replace(job, subscription=replace(job.subscription, paused="")).at(deadline=deadline)

    def _check(self, job: _Job) -> None:
        """Whether this process may still send. Raises Overtaken."""
        if self._stopping.is_set():
            raise LeaseLost("stopping")
        kept = self._store.delivery(job.delivery.id) if self._leases.hold(job.key) else None
        if kept is None or kept.state is not DeliveryState.DUE or kept.attempts != job.delivery.attempts:
            raise LeaseLost("delivery_overtaken", id=job.delivery.id)

    # --- When something goes wrong -----------------------------------------------------------

    @contextmanager
    def _accounted(self, job: _Job) -> Iterator[Callable[[], None]]:
        """Work on a delivery, whose lease is given back at the end, unless the work says that it was passed on.

        Whatever goes wrong is kept with the delivery, and decides when it is tried again.
        """
        keep_lease = threading.Event()
        try:
            yield keep_lease.set
        except LeaseLost as error:
            _event(logging.WARNING, "left alone", delivery=job.delivery.id, reason=str(error))
        except Exception as error:
            self._went_wrong(job, error)
        finally:
            if not keep_lease.is_set():
                self._leases.give(job.key)

    def _went_wrong(self, job: _Job, error: Exception) -> None:
        try:
            delivery = self._store.delivery(job.delivery.id)
            if delivery.state is DeliveryState.DUE and self._leases.hold(job.key):
                self._store.keep_delivery(self._after(job.subscription, delivery, error))
        except DigestError as second:  # the store itself fails, or the subscription is gone
            _event(logging.WARNING, "not kept", delivery=job.delivery.id, reason=str(second))

    def _after(self, subscription: Subscription, delivery: Delivery, error: Exception) -> Delivery:
        """The delivery after an error: to be tried again, done, or resting with its subscription."""
        now = self._app.clock()
        if isinstance(error, _Later):
            return replace(delivery, retry=now + _A_MOMENT)
        shut = isinstance(error, _Shut)
        if isinstance(error, _Shut):
            error = error.error
        if not isinstance(error, DigestError):
            reference = uuid.uuid4().hex[:8]
            _log.error("a delivery failed, reference %s", reference, exc_info=error)
            error = NotFound("delivery_crashed", reference=reference)
        failure = Failure(error.key, tuple((name, one_line(str(value), 200)) for name, value in error.fields.items()))
        delivery = replace(delivery, failure=failure)
        known = {"delivery": delivery.id, **_named(subscription), "reason": str(error)}
        if isinstance(error, ThreadGone):
            _event(logging.WARNING, "its message was removed", **known)
            return replace(delivery, state=DeliveryState.DONE)
        if shut:
            self._rest(subscription, "left" if isinstance(error, NotFound) else "closed")
            return replace(delivery, retry=now + PROBE)
        self._failures += 1
        delivery = replace(delivery, failures=delivery.failures + 1)
        wait = backoff(delivery.failures)
        _event(logging.WARNING, "failed", **known, tries=delivery.failures, again_in=wait.total_seconds())
        return replace(delivery, retry=now + wait)

    def _rest(self, subscription: Subscription, reason: str) -> None:
        """Let every subscription of a channel rest that cannot be posted in."""
        self._failures += 1
        if subscription.paused:
            return
        for each in self._store.subscriptions(subscription.place):
            self._store.pause(each.id, reason)
        _event(logging.WARNING, "resting", **_named(subscription), reason=reason)


# --- Decisions, pure -------------------------------------------------------------------------

_LOOKED_BACK = 30


def planned_delivery(subscription: Subscription, last: Delivery | None, now: datetime) -> Delivery | None:
    """The delivery that is due; None where none is. Raises UsageError for a schedule that cannot be understood."""
    expression, zone = subscription.schedule, subscription.zone
    due = schedule.due(expression, zone, watermark(subscription, last), now)
    if due is None:
        return None
    deadline = schedule.slot_after(expression, zone, due.slot) or due.slot + LAST_CHANCE
    return Delivery(
        subscription.id,
        due.slot,
        due.cursor,
        due.since,
        due.until,
        max(deadline, now + GRACE),
        retry=now,
        merged=due.merged,
    )


def watermark(subscription: Subscription, last: Delivery | None) -> schedule.Watermark:
    """How far the digests of a subscription got. What was given up unposted is for the next one to tell."""
    if last is None:
        first = schedule.first_watermark(subscription.schedule, subscription.zone, subscription.created)
        return replace(first, slot=max(first.slot, subscription.scheduled))
    slot = max(last.slot, subscription.scheduled)
    if last.state is DeliveryState.FAILED and not last.sent:
        return schedule.Watermark(slot, last.until, last.cursor, last.merged + 1)
    return schedule.Watermark(slot, last.until, last.until)


def undelivered(delivery: Delivery, landed: Sequence[Commit], told: frozenset[str] | None) -> tuple[Commit, ...]:
    """The commits of a delivery: those of its period, and those pushed late that no earlier digest `told` of."""
    return tuple(
        commit
        for commit in landed
        if delivery.since <= commit.committed < delivery.until
        or (told is not None and commit.committed < delivery.cursor and commit.sha not in told)
    )


def failed_before(delivery: Delivery, known: Sequence[Delivery]) -> tuple[Delivery, ...]:
    """The deliveries that were given up since the last one that was posted, of those `known`, the latest first."""
    failed = []
    for earlier in known:
        if earlier.id < delivery.id:
            if earlier.state is not DeliveryState.FAILED:
                break
            failed.append(earlier)
            if earlier.sent:
                break
    return tuple(failed)


def notes(delivery: Delivery, failed: Sequence[Delivery], period: Period, texts: Texts) -> tuple[str, ...]:
    """What a headline says of digests that were missed, or could not be posted."""
    said = []
    if failed:
        taken_over = failed[0].since >= delivery.since
        key = "digest.failed_part" if failed[0].sent else "digest.failed_all" if taken_over else "digest.failed_gone"
        day = day_label(Period(failed[0].since, failed[0].until, period.zone), texts)
        said.append(texts(key, day=day, reason=texts.failure(failed[0].failure)))
    if (missed := delivery.merged - sum(not d.sent for d in failed)) > 0:
        said.append(texts("digest.merged", count=missed))
    if delivery.cursor < delivery.since:
        ends = (local(moment, period.zone) for moment in (delivery.cursor, delivery.since))
        since, until = (f"{moment:%Y-%m-%d %H:%M}" for moment in ends)
        said.append(texts("digest.gap", since=since, until=until))
    return tuple(said)


def backoff(attempts: int) -> timedelta:
    """How long a delivery waits that has failed so often."""
    doubled = int(2 ** min(max(attempts, 1) - 1, 20))
    return min(BACKOFF * doubled, LONGEST_BACKOFF)


def send_name(subscription: Subscription, delivery: Delivery, message: Message) -> str:
    """What a message is called in its chat: the same for the same delivery, and for no other of any database."""
    place = subscription.place
    moments = [(moment - EPOCH) // timedelta(microseconds=1) for moment in (subscription.created, delivery.until)]
    named = (place.chat, place.channel, subscription.repo, subscription.branch, delivery.id, *moments)
    return f"{hashlib.sha256(repr(named).encode()).hexdigest()[:24]}/{message.key}"


def _done(steps: Sequence[Step], step: Step, thread: Place) -> tuple[Step, ...]:
    """The steps, with one of them done."""
    done = replace(step, state=StepState.DONE, thread=thread.thread)
    return tuple(done if each.key == step.key else each for each in steps)


def _lacking(sought: Sought) -> str:
    """The key of a digest that lacks something."""
    return f"{sought.key}-degraded"


def _together(job: _Job) -> tuple[object, ...]:
    """What deliveries have in common that are built of the same commits."""
    subscription, delivery = job.subscription, job.delivery
    where = (subscription.place.chat, subscription.repo, subscription.branch, subscription.zone)
    return (*where, delivery.cursor, delivery.since, delivery.until)


def _named(subscription: Subscription) -> dict[str, object]:
    """A subscription as the log names it."""
    return {"subscription": subscription.id, "repo": subscription.repo, "channel": subscription.place.channel}


def _reason(failure: Failure | None) -> str:
    return " ".join([failure.key, *(f"{name}={value}" for name, value in failure.fields)]) if failure else "unknown"


def _event(level: int, event: str, **fields: object) -> None:
    _log.log(level, event, extra={"fields": fields})


def _lease(delivery: int) -> str:
    return f"delivery:{delivery}"


def _once(
    read: Callable[[_Job], tuple[Repository, tuple[Commit, ...]]],
) -> Callable[[_Job], tuple[Repository, tuple[Commit, ...]]]:
    """`read`, which is done for the first who asks, and whose result or error is everybody's."""
    kept: list[tuple[Repository, tuple[Commit, ...]] | DigestError] = []

    def get(job: _Job) -> tuple[Repository, tuple[Commit, ...]]:
        if not kept:
            try:
                kept.append(read(job))
            except DigestError as error:
                kept.append(error)
        if isinstance(kept[0], DigestError):
            raise kept[0]
        return kept[0]

    return get


# --- Holding ---------------------------------------------------------------------------------


class Leases:
    """The leases of one process, of which each is held by one thread. Safe for several threads."""

    def __init__(self, store: Store, clock: Callable[[], datetime], life: timedelta) -> None:
        self._store = store
        self._clock = clock
        self._life = life
        self._holder = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._held: set[str] = set()

    def take(self, key: str) -> bool:
        """Take a lease that nobody holds, in this process or another."""
        with self._lock:
            if key in self._held:
                return False
            self._held.add(key)
        taken = False
        try:
            taken = self.hold(key)
        finally:
            if not taken:
                with self._lock:
                    self._held.discard(key)
        return taken

    def hold(self, key: str) -> bool:
        """Prolong a lease; whether it is still, or again, this process's."""
        now = self._clock()
        return self._store.claim(key, self._holder, now, now + self._life)

    def give(self, key: str) -> None:
        """Give a lease back; where the store cannot be reached, it runs out by itself."""
        with self._lock:
            self._held.discard(key)
        with suppress(DigestError):
            self._store.release(key, self._holder)

    def give_all(self) -> None:
        """Give everything back."""
        with self._lock:
            self._held.clear()
        with suppress(DigestError):
            self._store.release_all(self._holder)

    def renew(self) -> None:
        """Prolong all that are held."""
        now = self._clock()
        with self._lock:
            held = tuple(self._held)
        self._store.renew(held, self._holder, now, now + self._life)


class _Counter:
    """Counts what goes on, and lets somebody wait until nothing does."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.number = 0

    def add(self, number: int) -> None:
        with self._changed:
            self.number += number
            self._changed.notify_all()

    @contextmanager
    def counted(self) -> Iterator[None]:
        self.add(1)
        try:
            yield
        finally:
            self.add(-1)

    def wait_none(self, seconds: float | None) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.number <= 0, seconds)
