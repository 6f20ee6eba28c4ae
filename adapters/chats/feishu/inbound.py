"""Turns what people do in Feishu into lines of the bot's grammar.

Feishu waits three seconds for an answer, so everything is only accepted here, and handled by threads of our own. Events
are repeated until accepted, and sometimes afterwards: a message is recognised by its ID. Clicks are never repeated.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple, Protocol

from adapters.chats.feishu import forms
from adapters.chats.feishu.calls import NAME, Json
from adapters.chats.feishu.cards import Card
from adapters.chats.feishu.private import THREAD
from adapters.chats.inbox import Busy, Inbox, Note
from bot.errors import DigestError, Unavailable
from bot.ports import Listener
from bot.values import Button, Buttons, Form, Message, MessageKind, Place, Problem, Request, Span, Text

_DRAIN = 3.5
"""Seconds that current answers get when the bot stops."""
_COMMAND = re.compile(r"^\s*[/／]\s*(?:digest(?=\s|$)|日报(?=[\s\d#＃]|$))", re.IGNORECASE)
# A link that Feishu wrapped, or a typed one: in Chinese there is no space around it.
_LINK = re.compile(r"\[([^\[\]\n]*)\]\((https?://[^)\s]{1,2000})\)|(https?://[!-~]+)")
_MENTION = re.compile(r"@_(?:user_\d+|all)")
_LEFT = {"im.chat.member.bot.deleted_v1": "left", "im.chat.disbanded_v1": "gone"}


class Outbound(Protocol):
    """What answers need from the chat that posts them."""

    def me(self) -> str:
        """The open ID of the bot. Raises ConfigError, Unavailable."""

    def post(self, place: Place, message: Message) -> object:
        """Post a message. Raises DigestError."""

    def show(self, place: Place, card: Card, name: str) -> object:
        """Show a card other than a digest to the viewer of a place, privately if possible. Raises DigestError.

        `name` is the same if it is shown again.
        """

    def note(self, place: Place, text: Callable[[str], str]) -> Note:
        """A note to the viewer of a place that the bot is working; `text` returns labels for it."""

    def update(self, message: str, card: Card) -> None:
        """Replace a card. Raises DigestError."""

    def remove(self, card: str) -> None:
        """Delete a card that only one person sees. Raises DigestError."""


class Inbound:
    """Receives what Feishu pushes, for one chat."""

    def __init__(self, chat: Outbound, listener: Listener) -> None:
        self._chat = chat
        self._listener = listener
        self.inbox = Inbox(NAME, chat.post, listener, drain=_DRAIN)
        self._lock = threading.Lock()
        self._submitting: set[str] = set()

    def take(self, body: Json) -> Json:
        """Accept an event or a callback, and return the immediate answer. Raises Busy for an event.

        Unused kinds are accepted too: else they would be repeated.
        """
        header, event = body.get("header") or {}, body.get("event") or {}
        kind = str(header.get("event_type", ""))
        name = f"feishu:{header.get('event_id', '')}"
        if kind == "card.action.trigger":
            return self._on_action(name, event)
        if kind == "im.message.receive_v1":
            self.inbox.accept(lambda: self._on_message(event))
        elif kind == "im.chat.member.bot.added_v1":
            self.inbox.accept(lambda: self._on_added(name, Place(NAME, event["chat_id"])))
        elif reason := _LEFT.get(kind):
            self.inbox.accept(lambda: self._on_left(name, Place(NAME, event["chat_id"]), reason))
        return {}

    # --- Lines -------------------------------------------------------------------------------

    def _on_message(self, event: Json) -> None:
        """A direct message, or one in a group that mentions the bot or is a command."""
        message, sender = event["message"], event.get("sender") or {}
        if sender.get("sender_type") != "user":  # ignore bots: two of them would never stop
            return
        if message.get("message_type") not in ("text", "post"):  # a picture or a sticker has no line
            return
        text, named = self._line(message)
        direct = message.get("chat_type") == "p2p"
        if not (direct or named or _COMMAND.match(text)):
            return
        # In a direct chat, only a message in a thread is answered in a thread.
        thread = None if direct and not message.get("thread_id") else message["message_id"]
        user = str((sender.get("sender_id") or {}).get("open_id", ""))
        place = Place(NAME, message["chat_id"], thread)
        beneath = tuple(str(message[name]) for name in ("parent_id", "root_id") if message.get(name))
        self._answer(Request(text, place, user, f"feishu:{message['message_id']}", beneath))

    def _line(self, message: Json) -> tuple[str, bool]:
        """The text of a message without mentions, and whether the bot is mentioned."""
        text = "".join(_wrapped(part) if isinstance(part, str) else _link(*part) for part in _texts(message))
        mentions = [mention for mention in message.get("mentions") or () if isinstance(mention, dict)]
        return _MENTION.sub(" ", text).strip(), bool(mentions) and self._is_named(mentions)

    def _is_named(self, mentions: list[Json]) -> bool:
        """Whether the bot is mentioned; while its own ID is unknown, whether any bot is."""
        try:
            me = self._chat.me()
        except Unavailable:
            return any(mention.get("mentioned_type") == "bot" for mention in mentions)
        return any((mention.get("id") or {}).get("open_id") == me for mention in mentions)

    def _answer(self, request: Request) -> None:
        """Answer a request, with a form if it asks for one; show a note if that takes a while."""

        private = _private(request)

        def show(form: Form) -> None:
            self._chat.show(private, forms.card(form, dict(form.fixed)), f"form:{request.id}")

        note = self._chat.note(private, lambda key: self._listener.text(request.place, key))
        self.inbox.answer(request, show, note)

    # --- Buttons and forms -------------------------------------------------------------------

    def _on_action(self, name: str, event: Json) -> Json:
        """A button that was pressed, or a form that was submitted; answered with a toast."""
        context, action = event.get("context") or {}, event.get("action") or {}
        card, channel = str(context.get("open_message_id", "")), str(context.get("open_chat_id", ""))
        value = action.get("value")
        if not (card and channel and isinstance(value, dict)):
            return {}
        # A private card has no replies: the answer belongs where it was requested.
        place = Place(NAME, channel, str(value[THREAD]) or None if THREAD in value else card)
        request = Request(
            str(value.get("command") or ""),
            place,
            str((event.get("operator") or {}).get("open_id", "")),
            name,
        )
        try:
            if isinstance(kept := value.get(forms.FORM), dict):
                fixed = {str(name): str(text) for name, text in kept.items()}
                return self._on_form(request, _Card(card, THREAD in value), fixed, action)
            self.inbox.accept(lambda: self._answer(request))
        except Busy:
            return _toast("warning", self._listener.text(place, "feishu.busy"))
        return _toast("info", self._listener.text(place, "feishu.working"))

    def _on_form(self, request: Request, card: "_Card", fixed: Mapping[str, str], action: Json) -> Json:
        """A submitted form: obvious problems are shown at once, and nothing that was typed is lost."""
        values = {**fixed, **forms.values_of(action.get("form_value") or {})}
        if problem := self._listener.problem(request.place, values):
            return _toast("error", problem.text)
        form = self._listener.form(request.place, values)
        if not self._begin(card.id):
            return _toast("info", form.waiting)

        def work() -> None:
            try:
                self._submitted(request, card, fixed, values)
            finally:
                self._submitting.discard(card.id)

        try:
            self.inbox.accept(work)
        except Busy:
            self._submitting.discard(card.id)
            raise
        return _toast("info", form.waiting)

    def _begin(self, card: str) -> bool:
        """Mark a form as in progress; return whether it was not already: people may press twice."""
        with self._lock:
            if card in self._submitting:
                return False
            self._submitting.add(card)
            return True

    def _submitted(self, request: Request, card: "_Card", fixed: Mapping[str, str], values: Mapping[str, str]) -> None:
        """Do what a form asks, once; then show it again with the problem, or the success."""
        if not self._listener.first(request.id):
            return
        problem = self._listener.submit(request, values)
        form = self._listener.form(request.place, values)
        shown = forms.card(form, dict(fixed), problem=problem) if problem else forms.note(form.title, form.done)
        try:
            if not card.private:
                self._chat.update(card.id, shown)
                return
            self._chat.remove(card.id)  # it cannot be changed
            if problem:
                self._chat.show(_private(request), shown, f"form:{request.id}")
        except DigestError:
            self._say(_private(request), problem)

    def _say(self, place: Place, problem: Problem | None) -> None:
        """Post the problem with a form below it, if it can no longer be changed."""
        if problem:
            self._chat.post(place, Message("error", (Span(problem.text),), kind=MessageKind.ERROR))

    # --- Where the bot is --------------------------------------------------------------------

    def _on_added(self, name: str, place: Place) -> None:
        if self._listener.first(name):
            self._listener.joined(place)
            self._chat.post(place, self._welcome(place))

    def _on_left(self, name: str, place: Place, reason: str) -> None:
        if self._listener.first(name):  # a repeated event may be older than the bot's return
            self._listener.left(place, reason)

    def _welcome(self, place: Place) -> Message:
        """A welcome with three things to do, the first one as a button."""

        def text(key: str) -> str:
            return self._listener.text(place, key)

        things = tuple((Span(text(f"feishu.hello_{name}")),) for name in ("follow", "ask", "help"))
        follow = Buttons((Button(text("answer.follow"), "subscribe"),))
        return Message("hello", (Span(text("feishu.hello")),), (Text(things, bullets=True), follow))


class _Card(NamedTuple):
    """The card of a form: its ID, and whether only one person sees it."""

    id: str
    private: bool


def _private(request: Request) -> Place:
    """The place that only the person who asked reads, if possible."""
    return replace(request.place, viewer=request.user or None)


def _toast(kind: str, text: str) -> Json:
    """A toast for the person who pressed (open.feishu.cn/document, card-callback-communication)."""
    return {"toast": {"type": kind, "content": text}}


def _wrapped(text: str) -> str:
    """A text with its links in the grammar's form."""
    return _LINK.sub(lambda found: f" {found[3]} " if found[3] else _link(found[2], found[1]), text)


def _link(url: str, typed: str) -> str:
    """A link with the typed text, which counts if Feishu made the link."""
    plain = not any(sign in f"{url}{typed}" for sign in "<>|\n")
    return f"<{url}|{typed}>" if plain and typed else f" {url} "


def _texts(message: Json) -> Iterator[str | tuple[str, str]]:
    """The texts of a plain or rich message, by line and style; links are pairs of text and address."""
    try:
        content = json.loads(message.get("content") or "{}")
    except ValueError:
        return
    if not isinstance(content, dict):
        return
    if message.get("message_type") == "text":
        yield str(content.get("text") or "")
        return
    yield f"{content.get('title') or ''}\n"
    for line in content.get("content") or ():
        for leaf in line or ():
            # A mention has its placeholder.
            text, link = str(leaf.get("text") or leaf.get("user_id") or ""), leaf.get("href")
            yield (str(link), text) if link else text
        yield "\n"
