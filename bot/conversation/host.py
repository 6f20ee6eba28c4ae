"""The bot as a chat sees it: takes what people do there, answers where they did it, and never lets an error escape.

Everything that a chat tells comes through here: lines, forms, and the channels it was let into or taken out of.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

from bot.app import App
from bot.conversation import forms
from bot.conversation.commands import Commands, publicly
from bot.delivery import resting
from bot.delivery.sending import deliver
from bot.errors import ConfigError, DigestError, Forbidden, NotFound
from bot.ports import Chat
from bot.values import (
    Attachment,
    Form,
    Line,
    Message,
    MessageKind,
    Place,
    Post,
    Problem,
    Request,
    Span,
    Text,
)

_log = logging.getLogger("digest")

_REMEMBERED = timedelta(days=1)
"""How long a request is known again: Slack repeats an event for five minutes, Feishu for seven hours."""


class Host:
    """The `Listener` of one chat."""

    def __init__(self, app: App, commands: Commands, chat: Chat) -> None:
        self._app = app
        self._commands = commands
        self._chat = chat

    # --- What people ask ---------------------------------------------------------------------

    def request(self, request: Request, show: Callable[[Form], None] | None = None) -> None:
        """Answer a request where it was made, once."""
        request = publicly(request)

        def answer() -> None:
            if request.id and not self.first(request.id):
                return
            if show and (form := self._commands.form(request)):
                show(form)
                return
            for post in self._commands.answer(request):
                self._deliver(request, post)

        self._guarded(request, answer)

    def problem(self, place: Place, values: Mapping[str, str]) -> Problem | None:
        """What is wrong with a filled-in form, as far as that can be told without asking anybody."""
        return self._commands.problem(place, values)

    def submit(self, request: Request, values: Mapping[str, str]) -> Problem | None:
        """Do what a filled-in form asks, and tell its place; or say what is wrong with it."""
        try:
            posts = self._commands.run(replace(request, text=forms.line(values)))
        except DigestError as error:
            return self._commands.told(request.place, values, error)

        def tell() -> None:
            for post in posts:
                self._deliver(request, post)

        self._guarded(request, tell)
        return None

    def first(self, name: str) -> bool:
        """Whether something that people did comes for the first time, to whichever process."""
        now = self._app.clock()
        return self._app.store.claim(f"request:{name}", uuid.uuid4().hex, now, now + _REMEMBERED)

    def form(self, place: Place, values: Mapping[str, str]) -> Form:
        """The form again as somebody filled it in."""
        return self._commands.filled_form(place, values)

    def followed(self, place: Place) -> Post | None:
        """What a channel follows; None where it follows nothing."""
        if not self._app.store.subscriptions(place.whole):
            return None
        return self._commands.answer(Request("settings", place, ""))[0]

    def followed_in(self, chat: str) -> tuple[Place, ...]:
        """The channels of a chat that follow something."""
        places = (s.place for s in self._app.store.subscriptions() if s.place.chat == chat)
        return tuple(dict.fromkeys(places))

    def text(self, place: Place | None, key: str, **fields: object) -> str:
        """A label in the language of a place, or in the operator's."""
        return self._commands.texts(place)(key, **fields)

    # --- Where the bot is --------------------------------------------------------------------

    def left(self, place: Place, reason: str) -> None:
        """The bot can post in a channel no more: its subscriptions rest."""
        resting.rest(place.whole, reason, self._app.store)

    def joined(self, place: Place) -> None:
        """The bot can post in a channel again: what rested for that goes on."""
        resting.wake(place.whole, self._app.clock(), self._app.store, self._app.store)

    def removed(self, belongs: Callable[[Place], bool]) -> None:
        """The bot was taken out of a whole workspace: its subscriptions are removed."""
        for subscription in self._app.store.subscriptions():
            if belongs(subscription.place):
                self._app.store.unsubscribe(subscription.id)

    # --- Answering ---------------------------------------------------------------------------

    def _deliver(self, request: Request, post: Post) -> None:
        """Post an answer where it was asked for.

        What concerns everybody is for everybody, unless the chat does not let the bot in: then the person is told. An
        error is for the person alone.
        """
        place, kind, texts = request.place, post.headline.kind, self._commands.texts(request.place)
        if kind is MessageKind.ERROR:
            place = _private(request)
        elif kind is MessageKind.ANNOUNCEMENT and place.viewer:
            try:
                deliver(self._chat, replace(place, viewer=None), post, texts)
            except (NotFound, Forbidden) as error:
                deliver(self._chat, place, post, texts)
                self._tell(place, texts.error(error))
            return
        deliver(self._chat, place, self._with_files_named(place, post) if place.viewer else post, texts)

    def _with_files_named(self, place: Place, post: Post) -> Post:
        """A post for one person, which says where its files are."""

        def named(message: Message) -> Message:
            if not any(isinstance(part, Attachment) for part in message.parts):
                return message
            note: Line = (Span(self.text(place, "answer.files_apart")),)
            return replace(message, parts=(*message.parts, Text((note,))))

        return Post(named(post.headline), tuple(named(reply) for reply in post.replies))

    def _guarded(self, request: Request, work: Callable[[], object]) -> None:
        """Do `work`; what goes wrong is told to the person who asked, and nobody else."""
        private = _private(request)
        try:
            work()
        except ConfigError as error:
            # A setting is the operator's business; who asked can only hand it on.
            _log.error("request failed: %s", error)
            self._tell(private, self._commands.texts(private).error(error))
        except DigestError as error:
            self._tell(private, self._commands.texts(private).error(error))
        except Exception:
            reference = uuid.uuid4().hex[:8]
            _log.exception("request failed, reference %s", reference)
            self._tell(private, self.text(private, "answer.failed", reference=reference))

    def _tell(self, place: Place, text: str) -> None:
        try:
            self._chat.post(place, Message("error", (Span(text),), kind=MessageKind.ERROR))
        except DigestError as error:
            _log.warning("an answer could not be told: %s", error.key)


def _private(request: Request) -> Place:
    """Where only the person who asked reads."""
    return replace(request.place, viewer=request.user or None)
