"""Sends the messages of a digest to its channel, each once.

Before each message the lease and the row are checked again, so that a process that stalled for too long sends nothing
more. A message that is intended but not done may have been sent: the chat is asked first (`Idempotency`).
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime

from bot.delivery.content import gathered_messages, messages, unread
from bot.delivery.job import ChannelUnreachable, Job, TryLater
from bot.delivery.leases import LeaseHolder
from bot.delivery.ledger import (
    GRACE,
    advanced,
    follow_up_of,
    idempotency_key,
    mark_gone,
    mark_posted,
    messages_in,
    place_of,
)
from bot.delivery.pausing import resume, wake
from bot.errors import DigestError, Forbidden, LeaseLost, NoRight, NotFound, NoThreads, Refused, ThreadGone
from bot.ports import Archive, Chat, Idempotency, Ledger, Subscriptions
from bot.posts import post as digests
from bot.rights import Who
from bot.texts import Texts
from bot.values import (
    DENIED,
    GATHERED,
    DeliveryState,
    Digest,
    Message,
    Place,
    Post,
    Repository,
    Span,
    Step,
    StepState,
)

# --- Posting -------------------------------------------------------------------------------------


def deliver(chat: Chat, place: Place, post: Post, texts: Texts) -> None:
    """Post the headline, and the replies in its thread. Raises as `Chat.post` does."""
    thread = send(chat, place, post.headline, texts)
    for reply in post.replies:
        send(chat, thread, reply, texts)


def send(chat: Chat, place: Place, message: Message, texts: Texts, once: Idempotency | None = None) -> Place:
    """Post a message, or a fallback if the chat refuses it, and return the thread below it.

    If a channel does not allow threads, it is posted in the channel itself. Raises as `Chat.post` does.
    """
    try:
        return chat.post(place, message, once)
    except NoThreads:
        if place.thread is None:
            raise
        return send(chat, replace(place, thread=None), message, texts, once)
    except Refused as error:
        refusal = error
    begun = refusal.thread
    place = replace(place, thread=begun or place.thread)
    for said, named in fallbacks(message, texts.error(refusal), texts, once):
        try:
            thread = chat.post(place, said, named)
        except Refused as error:
            refusal = error
        else:
            return place if begun else thread
    raise refusal


def fallbacks(
    message: Message, reason: str, texts: Texts, once: Idempotency | None
) -> list[tuple[Message, Idempotency | None]]:
    """The fallbacks for a message that a chat refuses, in order, each with a key of its own."""
    made = digests.withheld(message, reason, texts)
    return [(said, replace(once, key=f"{once.key}/{name}") if once else None) for name, said in made.items()]


# --- Deliveries ----------------------------------------------------------------------------------


class Sender:
    """Posts the digests of deliveries. Safe for several threads."""

    def __init__(
        self,
        chats: Mapping[str, Chat],
        *,
        archive: Archive,
        ledger: Ledger,
        subscriptions: Subscriptions,
        leases: LeaseHolder,
        clock: Callable[[], datetime],
        stopping: threading.Event,
        may_see: Callable[[Repository, Who, str], object],
    ) -> None:
        """`chats` are by name; once `stopping` is set, nothing more is sent; `may_see` raises NoRight."""
        self.in_flight = InFlight()
        self._chats = chats
        self._archive = archive
        self._ledger = ledger
        self._subscriptions = subscriptions
        self._leases = leases
        self._clock = clock
        self._stopping = stopping
        self._may_see = may_see
        self._turns: dict[Place, threading.Lock] = {}

    def send(self, job: Job) -> Job:
        """Post every message of a delivery that was not posted yet, and return the finished job.

        Raises TryLater while another digest is being posted in its place, or if its own is no longer kept;
        ChannelUnreachable; ThreadGone; LeaseLost; NoRight if its channel may no longer see the repository; and what the
        chat and the store raise.
        """
        wanted, texts = self._content(job, sending=True)
        posted, uncertain = (messages_in(job.delivery, state) for state in (StepState.DONE, StepState.INTENDED))
        with self._turn(job.subscription.place):
            job = self._advance(job, wanted)
            for key, message in wanted.items():
                if key not in posted:
                    with self.in_flight.counted():
                        again = key in uncertain or job.delivery.looked_since is not None
                        job = self._post(job, message, texts, again=again)
                        job = self._advance(job, wanted)
                    job = self.wake(job) if job.subscription.paused else job
        return job

    def is_posting(self, place: Place) -> bool:
        """Whether a digest is being posted in a place, so that no other one can be."""
        turn = self._turns.get(place)
        return turn is not None and turn.locked()

    def last_look(self, job: Job) -> Job:
        """Check, before a delivery is given up, whether the message that may have been sent is in the chat.

        The job is done if nothing is missing. Nothing is sent. Raises as `send` does.
        """
        if not job.delivery.steps:
            return job
        wanted, texts = self._content(job)
        for key, step in messages_in(job.delivery, StepState.INTENDED).items():
            job = self._looked_for(job, step, wanted[key], texts) if key in wanted else job
        whole = wanted.keys() <= messages_in(job.delivery, StepState.DONE).keys()
        return job.at(state=DeliveryState.DONE, failure=None) if whole else job

    def post_denied(self, job: Job) -> None:
        """Post in a delivery's channel that it may no longer see the repository, without naming it.

        The name is left out because the people in the channel may be the reason. The chat is asked first whether it has
        already been posted. A failure is only logged.
        """
        subscription, delivery = job.subscription, job.delivery
        step = Step(DENIED, StepState.INTENDED, delivery.slot)
        once = self._idempotency(job, step, True, lambda: self._check(job))
        said = Texts(subscription.language, chat=subscription.place.chat)("digest.denied", id=subscription.id)
        try:
            self._chats[subscription.place.chat].post(subscription.place, Message(DENIED, (Span(said),)), once)
        except DigestError as error:
            job.log(logging.WARNING, "its channel could not be informed", reason=str(error))

    def _content(self, job: Job, *, sending: bool = False) -> tuple[dict[str, Message], Texts]:
        """The messages, by key and in order, and the labels; before `sending` rights are checked again."""
        if job.delivery.digest == GATHERED:
            return gathered_messages(job, self._seen(job))
        digest = self._digest(job)
        if sending:
            self._may_see(digest.repository, Who.gets(job.subscription), job.subscription.repo)
        return messages(job, digest)

    def _seen(self, job: Job) -> tuple[Digest, ...]:
        """The digests of a group that its channel may see now. Raises TryLater, and NoRight if it may see none."""
        digests, refused = list[Digest](), list[NoRight]()
        for member in job.delivery.members:
            if not member.digest:
                continue
            if (digest := self._archive.digest(member.digest)) is None:
                self._ledger.keep_delivery(unread(job.delivery, member))
                raise TryLater
            try:
                self._may_see(digest.repository, Who.gets(job.subscription), member.repo)
            except NoRight as error:
                refused.append(error)
            else:
                digests.append(digest)
        if refused and not digests:
            raise refused[0]
        return tuple(digests)

    def _digest(self, job: Job) -> Digest:
        """The digest to post. Raises TryLater if it is no longer kept."""
        digest = job.digest or self._archive.digest(job.delivery.digest)
        if digest is None:
            self._ledger.keep_delivery(job.at(digest="").delivery)
            raise TryLater
        return digest

    @contextmanager
    def _turn(self, place: Place) -> Iterator[None]:
        """Hold a place while a digest is posted there: digests must not interleave. Raises TryLater."""
        turn = self._turns.setdefault(place, threading.Lock())
        if not turn.acquire(blocking=False):
            raise TryLater
        try:
            yield
        finally:
            turn.release()

    def _advance(self, job: Job, wanted: Iterable[str]) -> Job:
        """Record what was posted and what follows, in one write: the next message is intended, or all is done."""
        following = advanced(job.delivery, wanted, self._clock())
        if self._stopping.is_set() and following.state is DeliveryState.DUE:
            self._ledger.keep_delivery(job.delivery)
            raise LeaseLost("stopping")
        self._ledger.keep_delivery(following)
        return replace(job, delivery=following)

    def _post(self, job: Job, message: Message, texts: Texts, *, again: bool) -> Job:
        """Post the intended message; `again` says that it may have been sent before."""
        step = messages_in(job.delivery, StepState.INTENDED)[message.key]
        place = place_of(job.subscription, job.delivery, step)
        once = self._idempotency(job, step, again, lambda: self._check(job))
        if follow_up_of(job.delivery, step.key):
            return self._follow_up(job, step, place, message, once)
        try:
            thread = send(self._chats[place.chat], place, message, texts, once)
        except ThreadGone:
            raise
        except (NotFound, Forbidden) as error:
            raise ChannelUnreachable(error) from None
        return replace(job, delivery=mark_posted(job.delivery, step.key, thread.thread))

    def _follow_up(self, job: Job, step: Step, place: Place, message: Message, once: Idempotency) -> Job:
        """Post a follow-up in an earlier thread; if that is gone, it is left to the next headline."""
        try:
            self._chats[place.chat].post(place, message, once)
        except (NotFound, Forbidden, Refused) as error:
            job.log(logging.INFO, "its thread does not accept messages", reason=str(error))
            return replace(job, delivery=mark_gone(job.delivery, step.key))
        return replace(job, delivery=mark_posted(job.delivery, step.key, place.thread))

    def _idempotency(self, job: Job, step: Step, again: bool, check: Callable[[], None]) -> Idempotency:
        return Idempotency(idempotency_key(job.subscription, job.delivery.until, step.key), step.begun, again, check)

    def _check(self, job: Job) -> None:
        """Check that this process may still send. Raises LeaseLost."""
        if self._stopping.is_set():
            raise LeaseLost("stopping")
        if not self._leases.may_send(job.lease, job.delivery):
            raise LeaseLost("delivery_overtaken", id=job.delivery.id)

    def _looked_for(self, job: Job, step: Step, message: Message, texts: Texts) -> Job:
        """Mark a message that may have been sent as posted if the chat shows it."""

        def send_nothing() -> None:
            raise LeaseLost("stopping")

        place = place_of(job.subscription, job.delivery, step)
        once = self._idempotency(job, step, True, send_nothing)
        for said, named in ((message, once), *fallbacks(message, "", texts, once)):
            with suppress(DigestError):
                thread = self._chats[place.chat].post(place, said, named)
                return replace(job, delivery=mark_posted(job.delivery, step.key, thread.thread))
        return job

    def wake(self, job: Job) -> Job:
        """Resume the channel of a delivery, since the bot turned out to be able to post there again.

        If the subscription was paused because the channel had no right, only it is resumed.
        """
        if job.subscription.paused == DENIED:
            resume(job.subscription, self._clock(), self._subscriptions, self._ledger)
        else:
            wake(job.subscription.place, self._clock(), self._subscriptions, self._ledger)
        job.log(logging.INFO, "resumed")
        deadline = max(job.delivery.deadline, self._clock() + GRACE)
        return replace(job, subscription=replace(job.subscription, paused="")).at(deadline=deadline)


class InFlight:
    """Counts what is in progress; threads can wait until nothing is."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.number = 0

    def add(self, number: int) -> None:
        """Add to the count; `number` may be negative."""
        with self._changed:
            self.number += number
            self._changed.notify_all()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count one more during a block of code."""
        self.add(1)
        try:
            yield
        finally:
            self.add(-1)

    def wait_none(self, seconds: float | None) -> bool:
        """Wait until nothing is in progress; return whether that was within `seconds` (None: no limit)."""
        with self._changed:
            return self._changed.wait_for(lambda: self.number <= 0, seconds)
