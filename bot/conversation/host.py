"""The bot as a chat sees it: takes what people do there, answers where they did it, and never lets an error escape.

Everything that comes from a chat comes through here: lines, forms, and the channels it was let into or taken out of.
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
from bot.delivery.resting import rest, wake
from bot.delivery.sending import deliver
from bot.errors import ConfigError, DigestError, Forbidden, NotFound, ThreadGone
from bot.ports import Chat, Leases, Ledger, Subscriptions
from bot.texts import Texts
from bot.values import Attachment, Form, Line, Message, MessageKind, Place, Post, Problem, Request, Span, Text

_log = logging.getLogger("digest")

_REMEMBERED = timedelta(days=1)
"""How long a request is known again: Slack repeats an event for five minutes, Feishu for seven hours."""


class Host:
    """The `Listener` of one chat. `clock` gives the time in UTC."""

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
        """What is wrong with a filled-in form, as far as that can be known without asking anybody."""
        return self._interpreter.problem(place, values)

    def submit(self, request: Request, values: Mapping[str, str]) -> Problem | None:
        """Do what a filled-in form asks, and announce it; or say what is wrong with it."""
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
        """What a channel begins to follow meanwhile; nothing of it, where the bot cannot say so there."""
        known = {each.id for each in self._subscriptions.subscriptions(place.whole)}
        try:
            yield
        except (NotFound, Forbidden):
            for each in self._subscriptions.subscriptions(place.whole):
                if each.id not in known:
                    self._subscriptions.unsubscribe(each.id)
            raise

    def first(self, name: str) -> bool:
        """Whether something that people did comes for the first time, to whichever process."""
        now = self._clock()
        return self._leases.claim(f"request:{name}", uuid.uuid4().hex, now, now + _REMEMBERED)

    def form(self, place: Place, values: Mapping[str, str]) -> Form:
        """The form again as somebody filled it in."""
        return self._interpreter.filled_form(place, values)

    def followed(self, place: Place) -> Post | None:
        """What a channel follows, as far as the viewer of the place may know of it; None for nothing."""
        return self._interpreter.followed(place)

    def followed_in(self, chat: str) -> tuple[Place, ...]:
        """The channels of a chat that follow something."""
        places = (s.place for s in self._subscriptions.subscriptions() if s.place.chat == chat)
        return tuple(dict.fromkeys(places))

    def text(self, place: Place | None, key: str, **fields: object) -> str:
        """A label in the language of a place, or in the operator's."""
        return self._interpreter.texts(place)(key, **fields)

    # --- Where the bot is --------------------------------------------------------------------

    def left(self, place: Place, reason: str) -> None:
        """The bot can post in a channel no more: its subscriptions rest."""
        rest(place.whole, reason, self._subscriptions)

    def joined(self, place: Place) -> None:
        """The bot can post in a channel again: what rested for that goes on."""
        wake(place.whole, self._clock(), self._subscriptions, self._ledger)

    def removed(self, belongs: Callable[[Place], bool]) -> None:
        """The bot was taken out of a whole workspace: its subscriptions are removed."""
        for subscription in self._subscriptions.subscriptions():
            if belongs(subscription.place):
                self._subscriptions.unsubscribe(subscription.id)

    # --- Answering ---------------------------------------------------------------------------

    def _with_files_for_all(self, place: Place, person: str, posts: tuple[Post, ...]) -> tuple[Post, ...]:
        """Posts for which nobody asked files: with their reports where others read them too, else without.

        One person has a button for the report.
        """
        if not any(reply.kind is MessageKind.REPORT for post in posts for reply in post.replies):
            return posts
        return tuple(map(_without_report, posts)) if self._is_alone(place, person) else posts

    def _is_alone(self, place: Place, person: str) -> bool:
        """Whether one person alone reads at a place, as far as the chat says."""
        about = replace(place, viewer=person or None)  # who the others are is not asked after: that takes many calls
        try:
            return place.viewer is not None or self._chat.readers(about, person).alone
        except DigestError:
            return False

    def _announce(self, place: Place, request: Request, posts: tuple[Post, ...]) -> None:
        """Say what was begun, to everybody, in the language that was just chosen. Raises as `Chat.post` does."""
        texts = self._interpreter.texts(place)
        for post in posts:
            if post.headline.kind is not MessageKind.ANNOUNCEMENT:
                self._deliver(place, request, post, texts)
                continue
            try:
                deliver(self._chat, replace(place, viewer=None), post, texts)
            except ThreadGone:  # what was asked was taken back, and is done all the same
                deliver(self._chat, place.whole, post, texts)

    def _deliver(self, place: Place, request: Request, post: Post, texts: Texts, *, aloud: bool = False) -> None:
        """Post an answer at a place.

        What concerns everybody is for everybody, unless the chat does not let the bot in: then the person is told. An
        error is for the person alone, and what is personal too, unless it is to be said `aloud`.
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
        """Do `work`; what goes wrong is for the person who asked, and nobody else. `before` is called before that.

        Raises what is `passing`.
        """
        private = _private(request.place, request)
        try:
            work()
        except passing:
            raise
        except DigestError as error:
            before()
            if isinstance(error, ConfigError):
                # A setting is the operator's business; who asked can only hand it on.
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
    """A post for one person, which says where its files are."""
    note: Line = (Span(texts("answer.files_apart")),)

    def named(message: Message) -> Message:
        files = any(isinstance(part, Attachment) for part in message.parts)
        return replace(message, parts=(*message.parts, Text((note,)))) if files else message

    return Post(named(post.headline), tuple(map(named, post.replies)))


def _without_report(post: Post) -> Post:
    return replace(post, replies=tuple(reply for reply in post.replies if reply.kind is not MessageKind.REPORT))


def _private(place: Place, request: Request) -> Place:
    """Where only the person who asked reads."""
    return replace(place, viewer=request.user or None)
