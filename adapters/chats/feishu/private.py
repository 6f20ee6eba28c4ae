"""Cards for one person in a Feishu group: nobody else sees them, and nobody is notified.

They work in ordinary groups, outside topics; they can be deleted, but neither changed nor replied to, so their buttons
contain the message that the answer belongs to
(open.feishu.cn/document/server-docs/im-v1/message-card/send-message-cards-that-are-only-visible-to-certain-people).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol
from uuid import uuid4

from adapters.chats.feishu.audience import Audience
from adapters.chats.feishu.calls import Api, Caller, Gate
from adapters.chats.feishu.cards import Card, render
from bot.errors import DigestError
from bot.values import Message, MessageKind, Place, Span

THREAD = "thread"
"""The key in a button of such a card for the message that its answer belongs to."""
_CARDS = "/open-apis/ephemeral/v1"


class Private:
    """Shows cards to one person. Safe for several threads.

    `is_apart` says whether a message is where the group's messages are not visible.
    """

    def __init__(self, api: Api, call: Caller, audience: Audience, is_apart: Callable[[str], bool]) -> None:
        self._api = api
        self._call = call
        self._audience = audience
        self._is_apart = is_apart

    def show(self, place: Place, card: Card) -> str | None:
        """Show a card to the viewer of a place; return its ID, or None if that is impossible."""
        try:
            if not self._is_possible(place):
                return None
            body = {"chat_id": place.channel, "open_id": place.viewer, "msg_type": "interactive"}
            body |= {"card": _returning(card, place.thread)}
            answer = self._call(
                Gate("ephemeral", place.channel), lambda: self._api.ask("POST", f"{_CARDS}/send", body=body)
            )
        except DigestError:  # whatever the error is, the answer may be public instead
            return None
        return str(answer.data.get("message_id") or "")

    def remove(self, card: str) -> None:
        """Delete a card. Raises DigestError."""
        if card:
            body = {"message_id": card}
            self._call(Gate("ephemeral/delete"), lambda: self._api.ask("POST", f"{_CARDS}/delete", body=body))

    def _is_possible(self, place: Place) -> bool:
        if not (place.viewer and self._audience.is_plain_group(place)):
            return False
        return place.thread is None or not self._is_apart(place.thread)


def _returning(value: Any, thread: str | None) -> Any:
    """A card whose buttons contain the message that the answer belongs to."""
    if isinstance(value, list):
        return [_returning(each, thread) for each in value]
    if not isinstance(value, dict):
        return value
    made = {name: _returning(each, thread) for name, each in value.items()}
    return made | {"value": {**made["value"], THREAD: thread or ""}} if made.get("type") == "callback" else made


# --- The note while the bot works ------------------------------------------------------------


class Posting(Protocol):
    """What a note needs from the chat if a card cannot be private."""

    def put(self, place: Place, card: Card, name: str) -> str:
        """Post a card other than a digest; return its ID. Raises DigestError."""

    def recall(self, message: str) -> None:
        """Recall a message. Raises DigestError."""


class CardNote:
    """A temporary card for a person who waits; `text` returns a label in the language of its place."""

    def __init__(self, private: Private, chat: Posting, place: Place, text: Callable[[str], str]) -> None:
        self._private = private
        self._chat = chat
        self._place = place
        self._text = text
        self._take_away: Callable[[], object] = lambda: None

    def show(self) -> None:
        """Show it. Raises DigestError."""
        said = Message("note", (Span(self._text("feishu.working")),), kind=MessageKind.NOTE)
        card = render(said).pages[0]
        shown = self._private.show(self._place, card)
        if shown is not None:
            self._take_away = partial(self._private.remove, shown)
        else:
            posted = self._chat.put(self._place, card, f"note:{uuid4().hex}")
            self._take_away = partial(self._chat.recall, posted)

    def remove(self) -> None:
        """Remove it. Raises DigestError."""
        self._take_away()
