"""From a digest to the messages in its channel, each sent once.

Before each message the lease and the row are looked at again, so that a process that stood still for too long sends
nothing more. A message that was intended and not done may have been sent: the chat is asked first (`Idempotency`).
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime

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
from bot.delivery.resting import resume, wake
from bot.delivery.telling import gathered_messages, messages, unread
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

# --- What a chat is given ------------------------------------------------------------------------


def deliver(chat: Chat, place: Place, post: Post, texts: Texts) -> None:
    """Post the headline, and the replies in the thread beneath it. Raises as `Chat.post` does."""
    thread = send(chat, place, post.headline, texts)
    for reply in post.replies:
        send(chat, thread, reply, texts)


def send(chat: Chat, place: Place, message: Message, texts: Texts, once: Idempotency | None = None) -> Place:
    """Post a message and return the thread beneath it; of what the chat does not take, that is posted instead.

    Where a channel takes nothing in threads, it is posted in the channel itself. Raises as `Chat.post` does.
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
    """What stands in for a message that a chat does not take, the first choice first, each under a key of its own."""
    made = digests.withheld(message, reason, texts)
    return [(said, replace(once, key=f"{once.key}/{name}") if once else None) for name, said in made.items()]


# --- A delivery, message by message --------------------------------------------------------------


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
        """The delivery, done: every message that was not posted yet is.

        Raises TryLater while another digest is being posted in its place, or where its own is kept no more;
        ChannelUnreachable; ThreadGone; LeaseLost; NoRight where its channel may not see the repository any more; and
        what the chat and the store raise.
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
        """Whether a digest is just being posted in a place, so that no other one can be."""
        turn = self._turns.get(place)
        return turn is not None and turn.locked()

    def last_look(self, job: Job) -> Job:
        """The delivery before it is given up: the message that may have been sent is posted if its chat shows it.

        It is done where nothing is missing. Raises as `send` does; nothing is sent.
        """
        if not job.delivery.steps:
            return job
        wanted, texts = self._content(job)
        for key, step in messages_in(job.delivery, StepState.INTENDED).items():
            job = self._looked_for(job, step, wanted[key], texts) if key in wanted else job
        whole = wanted.keys() <= messages_in(job.delivery, StepState.DONE).keys()
        return job.at(state=DeliveryState.DONE, failure=None) if whole else job

    def tell_denied(self, job: Job) -> None:
        """Say in the channel of a delivery that it may not see the repository any more, without naming that.

        Who reads there may be why. It is looked for first, and may fail: the operator has the log.
        """
        subscription, delivery = job.subscription, job.delivery
        step = Step(DENIED, StepState.INTENDED, delivery.slot)
        once = self._idempotency(job, step, True, lambda: self._check(job))
        said = Texts(subscription.language, chat=subscription.place.chat)("digest.denied", id=subscription.id)
        try:
            self._chats[subscription.place.chat].post(subscription.place, Message(DENIED, (Span(said),)), once)
        except DigestError as error:
            job.log(logging.WARNING, "its channel could not be told", reason=str(error))

    def _content(self, job: Job, *, sending: bool = False) -> tuple[dict[str, Message], Texts]:
        """What is posted, by key and in order, and the labels; before `sending` rights are looked at again."""
        if job.delivery.digest == GATHERED:
            return gathered_messages(job, self._seen(job))
        digest = self._digest(job)
        if sending:
            self._may_see(digest.repository, Who.gets(job.subscription), job.subscription.repo)
        return messages(job, digest)

    def _seen(self, job: Job) -> tuple[Digest, ...]:
        """The digests of a group that its channel may see now. Raises TryLater, and NoRight where it may see none."""
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
        """What is to be posted. Raises TryLater where it is kept no more."""
        digest = job.digest or self._archive.digest(job.delivery.digest)
        if digest is None:
            self._ledger.keep_delivery(job.at(digest="").delivery)
            raise TryLater
        return digest

    @contextmanager
    def _turn(self, place: Place) -> Iterator[None]:
        """Post a digest while no other one is posted there: one must not stand within another. Raises TryLater."""
        turn = self._turns.setdefault(place, threading.Lock())
        if not turn.acquire(blocking=False):
            raise TryLater
        try:
            yield
        finally:
            turn.release()

    def _advance(self, job: Job, wanted: Iterable[str]) -> Job:
        """Write down what was posted, together with what follows: a message that is intended, or that all is done."""
        following = advanced(job.delivery, wanted, self._clock())
        if self._stopping.is_set() and following.state is DeliveryState.DUE:
            self._ledger.keep_delivery(job.delivery)
            raise LeaseLost("stopping")
        self._ledger.keep_delivery(following)
        return replace(job, delivery=following)

    def _post(self, job: Job, message: Message, texts: Texts, *, again: bool) -> Job:
        """The delivery with a message posted that is intended; `again` where it may have been sent before."""
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
        """The delivery with something said in a thread of before; where that is gone, the next headline says it."""
        try:
            self._chats[place.chat].post(place, message, once)
        except (NotFound, Forbidden, Refused) as error:
            job.log(logging.INFO, "its thread takes nothing", reason=str(error))
            return replace(job, delivery=mark_gone(job.delivery, step.key))
        return replace(job, delivery=mark_posted(job.delivery, step.key, place.thread))

    def _idempotency(self, job: Job, step: Step, again: bool, check: Callable[[], None]) -> Idempotency:
        return Idempotency(idempotency_key(job.subscription, job.delivery.until, step.key), step.begun, again, check)

    def _check(self, job: Job) -> None:
        """Whether this process may still send. Raises LeaseLost."""
        if self._stopping.is_set():
            raise LeaseLost("stopping")
        if not self._leases.may_send(job.lease, job.delivery):
            raise LeaseLost("delivery_overtaken", id=job.delivery.id)

    def _looked_for(self, job: Job, step: Step, message: Message, texts: Texts) -> Job:
        """The delivery, with a message posted that may have been sent, if the chat shows it."""

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
        """The delivery of a channel in which the bot can post again, though nobody said so: all of it goes on.

        Of one that rested because the channel had no right, that alone goes on.
        """
        if job.subscription.paused == DENIED:
            resume(job.subscription, self._clock(), self._subscriptions, self._ledger)
        else:
            wake(job.subscription.place, self._clock(), self._subscriptions, self._ledger)
        job.log(logging.INFO, "resumed")
        deadline = max(job.delivery.deadline, self._clock() + GRACE)
        return replace(job, subscription=replace(job.subscription, paused="")).at(deadline=deadline)


class InFlight:
    """Counts what is under way, and lets somebody wait until nothing is."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.number = 0

    def add(self, number: int) -> None:
        """Count so many more, or with a negative number fewer."""
        with self._changed:
            self.number += number
            self._changed.notify_all()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """One more, while this lasts."""
        self.add(1)
        try:
            yield
        finally:
            self.add(-1)

    def wait_none(self, seconds: float | None) -> bool:
        """Wait until nothing is under way; whether that came within `seconds`, or None: however long it takes."""
        with self._changed:
            return self._changed.wait_for(lambda: self.number <= 0, seconds)
