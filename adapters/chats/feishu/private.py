"""Cards for one person in a Feishu group: nobody else sees them, and nobody is notified.

They are for ordinary groups, and stand in the group itself, in no topic; they can be deleted, but neither changed nor
answered, so that their buttons say beneath what the answer belongs
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
"""The key of what a button of such a card brings back: the message beneath which its answer belongs."""
_CARDS = "/open-apis/ephemeral/v1"


class Private:
    """Shows cards to one person. Safe for several threads.

    `is_apart` says of the message that is answered whether it stands where the group's own messages are not seen.
    """

    def __init__(self, api: Api, call: Caller, audience: Audience, is_apart: Callable[[str], bool]) -> None:
        self._api = api
        self._call = call
        self._audience = audience
        self._is_apart = is_apart

    def show(self, place: Place, card: Card) -> str | None:
        """Show the viewer of a place a card; its id, None where that cannot be."""
        try:
            if not self._is_possible(place):
                return None
            body = {"chat_id": place.channel, "open_id": place.viewer, "msg_type": "interactive"}
            body |= {"card": _returning(card, place.thread)}
            answer = self._call(
                Gate("ephemeral", place.channel), lambda: self._api.ask("POST", f"{_CARDS}/send", body=body)
            )
        except DigestError:  # whatever it is, others may see the answer
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
    """A card whose buttons bring back beneath what the answer belongs."""
    if isinstance(value, list):
        return [_returning(each, thread) for each in value]
    if not isinstance(value, dict):
        return value
    made = {name: _returning(each, thread) for name, each in value.items()}
    return made | {"value": {**made["value"], THREAD: thread or ""}} if made.get("type") == "callback" else made


# --- That the bot is at it -------------------------------------------------------------------


class Posting(Protocol):
    """What a note needs of the chat, where a card cannot be private."""

    def put(self, place: Place, card: Card, name: str) -> str:
        """Post a card that is no message; its id. Raises DigestError."""

    def recall(self, message: str) -> None:
        """Take a message back. Raises DigestError."""


class CardNote:
    """A card for who waits, which is taken away again; `text` gives a label in the language of its place."""

    def __init__(self, private: Private, chat: Posting, place: Place, text: Callable[[str], str]) -> None:
        self._private = private
        self._chat = chat
        self._place = place
        self._text = text
        self._take_away: Callable[[], object] = lambda: None

    def show(self) -> None:
        """Say it. Raises DigestError."""
        said = Message("note", (Span(self._text("feishu.working")),), kind=MessageKind.NOTE)
        card = render(said).pages[0]
        shown = self._private.show(self._place, card)
        if shown is not None:
            self._take_away = partial(self._private.remove, shown)
        else:
            posted = self._chat.put(self._place, card, f"note:{uuid4().hex}")
            self._take_away = partial(self._chat.recall, posted)

    def remove(self) -> None:
        """Take it away. Raises DigestError."""
        self._take_away()
