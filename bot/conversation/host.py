"""The bot as a chat sees it: handles what people do there, answers in the same place, and lets no error escape.

Everything from a chat passes through here: lines, forms, and being added to or removed from channels.
"""

import logging
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from bot.conversation import forms
from bot.conversation.interpreter import Interpreter
from bot.delivery.pausing import pause, wake
from bot.delivery.sending import deliver
from bot.errors import ConfigError, DigestError, Forbidden, NotFound, ThreadGone
from bot.ports import Chat, Leases, Ledger, Subscriptions
from bot.texts import Texts
from bot.values import Attachment, Form, Line, Message, MessageKind, Place, Post, Problem, Request, Span, Text

_log = logging.getLogger("digest")

_REMEMBERED = timedelta(days=1)
"""How long requests are remembered: Slack retries an event for five minutes, Feishu for seven hours."""


class Host:
    """The `Listener` of one chat. `clock` returns the time in UTC."""

    def __init__(
        self,
        interpreter: Interpreter,
        chat: Chat,
        *,
        subscriptions: Subscriptions,
        ledger: Ledger,
        leases: Leases,
        clock: Callable[[], datetime],
    ) -> None:
        self._interpreter = interpreter
        self._chat = chat
        self._subscriptions = subscriptions
        self._ledger = ledger
        self._leases = leases
        self._clock = clock

    # --- What people ask ---------------------------------------------------------------------

    def request(
        self, request: Request, show: Callable[[Form], None] | None = None, before: Callable[[], None] = lambda: None
    ) -> None:
        """Answer a request where it was made, once; `before` is called right before the answer."""

        def answer() -> None:
            if request.id and not self.first(request.id):
                return
            context = self._interpreter.context(request, in_public=True)
            if show and (form := self._interpreter.form(context)):
                before()
                show(form)
                return
            if context.command and context.command.begins:
                with self._beginning(context.place):
                    posts = self._interpreter.answer(context)
                    before()
                    self._announce(context.place, request, posts)
                return
            posts = self._interpreter.answer(context)
            if not (context.command and context.command.files):
                posts = self._with_files_for_all(context.place, request.user, posts)
            before()
            for post in posts:
                self._deliver(context.place, request, post, context.texts, aloud=context.aloud)

        self._guarded(request, answer, before)

    def problem(self, place: Place, values: Mapping[str, str]) -> Problem | None:
        """The problem with a filled-in form, as far as that is known without any request."""
        return self._interpreter.problem(place, values)

    def submit(self, request: Request, values: Mapping[str, str]) -> Problem | None:
        """Do what a filled-in form asks and announce it; or return the problem with it."""
        try:
            context = self._interpreter.context(replace(request, text=forms.line(values)))
            with self._beginning(request.place):
                posts = self._interpreter.run(context)
                said = partial(self._announce, request.place, request, posts)
                self._guarded(request, said, passing=(NotFound, Forbidden))
        except DigestError as error:
            return self._interpreter.complaint(request.place, values, error)
        return None

    @contextmanager
    def _beginning(self, place: Place) -> Iterator[None]:
        """Undo new subscriptions of the block if the bot cannot announce them in the channel."""
        known = {each.id for each in self._subscriptions.subscriptions(place.whole)}
        try:
            yield
        except (NotFound, Forbidden):
            for each in self._subscriptions.subscriptions(place.whole):
                if each.id not in known:
                    self._subscriptions.unsubscribe(each.id)
            raise

    def first(self, name: str) -> bool:
        """Whether an action is new to all processes; they remember it."""
        now = self._clock()
        return self._leases.claim(f"request:{name}", uuid.uuid4().hex, now, now + _REMEMBERED)

    def form(self, place: Place, values: Mapping[str, str]) -> Form:
        """The form with the values that were entered."""
        return self._interpreter.filled_form(place, values)

    def followed(self, place: Place) -> Post | None:
        """What a channel follows, as far as the place's viewer may know of it; None if nothing."""
        return self._interpreter.followed(place)

    def followed_in(self, chat: str) -> tuple[Place, ...]:
        """The channels of a chat that have subscriptions."""
        places = (s.place for s in self._subscriptions.subscriptions() if s.place.chat == chat)
        return tuple(dict.fromkeys(places))

    def text(self, place: Place | None, key: str, **fields: object) -> str:
        """A label in the language of a place, or by default the operator's."""
        return self._interpreter.texts(place)(key, **fields)

    # --- Where the bot is --------------------------------------------------------------------

    def left(self, place: Place, reason: str) -> None:
        """The bot can no longer post in a channel: pause its subscriptions."""
        pause(place.whole, reason, self._subscriptions)

    def joined(self, place: Place) -> None:
        """The bot can post in a channel again: resume what was paused for that."""
        wake(place.whole, self._clock(), self._subscriptions, self._ledger)

    def removed(self, belongs: Callable[[Place], bool]) -> None:
        """The bot was removed from a workspace: delete its subscriptions."""
        for subscription in self._subscriptions.subscriptions():
            if belongs(subscription.place):
                self._subscriptions.unsubscribe(subscription.id)

    # --- Answering ---------------------------------------------------------------------------

    def _with_files_for_all(self, place: Place, person: str, posts: tuple[Post, ...]) -> tuple[Post, ...]:
        """Posts whose files nobody asked for: keep the reports only if several people read them.

        A single reader has a button for the report.
        """
        if not any(reply.kind is MessageKind.REPORT for post in posts for reply in post.replies):
            return posts
        return tuple(map(_without_report, posts)) if self._is_alone(place, person) else posts

    def _is_alone(self, place: Place, person: str) -> bool:
        """Whether only one person reads in a place, as far as the chat knows."""
        about = replace(place, viewer=person or None)  # do not ask for the members: that takes many calls
        try:
            return place.viewer is not None or self._chat.readers(about, person).alone
        except DigestError:
            return False

    def _announce(self, place: Place, request: Request, posts: tuple[Post, ...]) -> None:
        """Announce new subscriptions to everybody, in the language that was just chosen. Raises as `Chat.post` does."""
        texts = self._interpreter.texts(place)
        for post in posts:
            if post.headline.kind is not MessageKind.ANNOUNCEMENT:
                self._deliver(place, request, post, texts)
                continue
            try:
                deliver(self._chat, replace(place, viewer=None), post, texts)
            except ThreadGone:  # the request was deleted, but has been carried out
                deliver(self._chat, place.whole, post, texts)

    def _deliver(self, place: Place, request: Request, post: Post, texts: Texts, *, aloud: bool = False) -> None:
        """Post an answer in a place.

        A public answer is posted for everybody, or, if the bot cannot post there, to the person. Errors and personal
        answers are for the person only, unless `aloud`.
        """
        kind = post.headline.kind
        if kind is MessageKind.ERROR or (kind is MessageKind.PERSONAL and not aloud):
            place = _private(place, request)
        elif kind is MessageKind.ANNOUNCEMENT and place.viewer:
            try:
                deliver(self._chat, replace(place, viewer=None), post, texts)
            except (NotFound, Forbidden) as error:
                deliver(self._chat, place, post, texts)
                self._complain(place, texts.error(error))
            return
        deliver(self._chat, place, _with_files_named(post, texts) if place.viewer else post, texts)

    def _guarded(
        self,
        request: Request,
        work: Callable[[], object],
        before: Callable[[], None] = lambda: None,
        passing: tuple[type[DigestError], ...] = (),
    ) -> None:
        """Do `work`, and show errors only to the person who asked; `before` is called before an error is shown.

        Raises errors of the `passing` types.
        """
        private = _private(request.place, request)
        try:
            work()
        except passing:
            raise
        except DigestError as error:
            before()
            if isinstance(error, ConfigError):
                # Only the operator can change a setting; the person can only pass it on.
                _log.error("request failed: %s", error)
            self._complain(private, self._interpreter.texts(private).error(error))
        except Exception:
            before()
            reference = uuid.uuid4().hex[:8]
            _log.exception("request failed, reference %s", reference)
            self._complain(private, self.text(private, "answer.failed", reference=reference))

    def _complain(self, place: Place, text: str) -> None:
        try:
            self._chat.post(place, Message("error", (Span(text),), kind=MessageKind.ERROR))
        except DigestError as error:
            _log.warning("an answer could not be posted: %s", error.key)


def _with_files_named(post: Post, texts: Texts) -> Post:
    """A post for one person that says where its files are."""
    note: Line = (Span(texts("answer.files_apart")),)

    def named(message: Message) -> Message:
        files = any(isinstance(part, Attachment) for part in message.parts)
        return replace(message, parts=(*message.parts, Text((note,)))) if files else message

    return Post(named(post.headline), tuple(map(named, post.replies)))


def _without_report(post: Post) -> Post:
    return replace(post, replies=tuple(reply for reply in post.replies if reply.kind is not MessageKind.REPORT))


def _private(place: Place, request: Request) -> Place:
    """The place where only the person who asked reads."""
    return replace(place, viewer=request.user or None)
