"""Feishu as a chat: sends cards to groups, direct chats and threads, and listens to what people do there."""

import hashlib
import json
import re
import time
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache, partial
from itertools import count
from typing import NamedTuple

from adapters.chats.feishu import limits
from adapters.chats.feishu.audience import Audience
from adapters.chats.feishu.calls import (
    NAME,
    NO_TOPIC_HERE,
    NO_TOPICS,
    Answer,
    Api,
    Caller,
    Gate,
    Json,
    NoHistory,
    number,
)
from adapters.chats.feishu.cards import Card, render
from adapters.chats.feishu.inbound import Inbound
from adapters.chats.feishu.private import CardNote, Private
from adapters.chats.feishu.settings import FeishuSettings
from adapters.chats.feishu.slash import register
from adapters.chats.feishu.transports import Http, LongConnection, Transport
from adapters.chats.ratelimit import shared_by
from adapters.chats.sending import Part, fresh, legible, matching, readable, send_parts
from bot.errors import ConfigError, NotFound, Refused, Unavailable
from bot.ports import Idempotency, Listener, Posted, Rates, Readers
from bot.values import Attachment, Message, Place

_MESSAGES = "/open-apis/im/v1/messages"
_INFO = "/open-apis/bot/v3/info"
_HISTORY_PAGES = 20
_ASK_AGAIN = 86_400.0
"""Seconds until the bot tries again to find out whether a group allows topics."""


_CARD, _FILE = "interactive", "file"
"""The types of messages that are sent."""


class _Mark(NamedTuple):
    """Identifies a message of a type: in a history by its name, within an hour by its `uuid`."""

    kind: str
    name: str
    uuid: str


class FeishuChat:
    """Feishu, or Lark, in the groups that one application's bot is in. Safe to call from several threads.

    A channel is the ID of a group or a direct chat (`oc_…`), a thread the ID of its first message (`om_…`). A message
    for a viewer is shown only to them if Feishu can, else in the thread where it was requested. `clock` and `sleep` are
    monotonic seconds, `now` is seconds since 1970.
    """

    name = NAME

    def __init__(
        self,
        api: Api,
        transport: Transport,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
        rates: Rates | None = None,
    ) -> None:
        """`rates` are the ones that several processes share."""
        self._api = api
        self._transport = transport
        self._call = Caller(clock, sleep, shared_by(f"{NAME}/{api.app_id}", rates))
        self._now = now
        self._audience = Audience(api, self._call, clock)
        self._private = Private(api, self._call, self._audience, self._is_apart)
        self._plain: dict[str, float] = {}
        self._me = ""
        self._inbound: Inbound | None = None

    # --- Out ---------------------------------------------------------------------------------

    def post(self, place: Place, message: Message, once: Idempotency | None = None) -> Place:
        """Post `message` and return its thread; what does not fit on one card continues in the thread.

        Every message has a `uuid`, so that sending it again within an hour has no effect. Raises NotFound and Forbidden
        for a group that the bot cannot write to, ThreadGone, ConfigError for an application that Feishu rejects,
        Unavailable if a later attempt may succeed, LeaseLost, and Refused for a part that Feishu rejects, after all
        others are posted.
        """
        once = once or fresh(self._now())
        rendered = render(message, lambda number: _card_mark(once, number).name)
        if place.viewer and not rendered.files and self._show_privately(place, rendered.pages):
            return place
        pages = [self._card(card, once, number) for number, card in enumerate(rendered.pages)]
        contents = [(_file_mark(once, file), cache(partial(self._uploaded, file, once))) for file in rendered.files]
        files = [Part(mark, partial(self._send, mark, content, once)) for mark, content in contents]
        return send_parts(place, pages, files, partial(self._sent, once) if once.again else None)

    def _show_privately(self, place: Place, pages: Sequence[Card]) -> bool:
        """Show cards only to the viewer of a place; return whether that was possible."""
        return all(self._private.show(place, card) is not None for card in pages)

    def note(self, place: Place, text: Callable[[str], str]) -> CardNote:
        """A note to the viewer of a place that the bot is working; `text` returns labels for it."""
        return CardNote(self._private, self, place, text)

    def recall(self, message: str) -> None:
        """Recall a message of the bot. Raises NotFound, ConfigError, Unavailable.

        Source: open.feishu.cn/document/server-docs/im-v1/message/delete.
        """
        self._call(Gate("recall"), lambda: self._api.ask("DELETE", f"{_MESSAGES}/{message}"))

    def show(self, place: Place, card: Card, name: str) -> None:
        """Show a card other than a digest to the viewer of a place, privately if possible.

        `name` is the same if it is shown again.
        """
        if not self._show_privately(place, [card]):
            self.put(place, card, name)

    def put(self, place: Place, card: Card, name: str) -> str:
        """Post such a card for all readers of a place, and return its ID."""
        return self._card(card, fresh(self._now(), name), 0).send(place)

    def remove(self, card: str) -> None:
        """Delete a card that only one person sees. Raises ConfigError, Unavailable."""
        self._private.remove(card)

    def update(self, message: str, card: Card) -> None:
        """Replace a card. Raises NotFound if it is gone or too old, ConfigError, Unavailable.

        Feishu lets cards be changed for 14 days (open.feishu.cn/document/server-docs/im-v1/message-card/patch).
        """
        self._call(
            Gate("patch", message),
            lambda: self._api.ask("PATCH", f"{_MESSAGES}/{message}", body={"content": _content(card)}),
        )

    def _card(self, card: Card, once: Idempotency, number: int) -> Part[_Mark]:
        mark = _card_mark(once, number)
        return Part(mark, partial(self._send, mark, partial(_content, card), once))

    def _send(self, mark: _Mark, content: Callable[[], str], once: Idempotency, place: Place) -> str:
        """Post a message unless it was already sent under the same name, and return its ID."""
        answers: list[Answer] = []

        def send() -> Answer:
            answers.append(self._posted(place, mark, content()))
            return answers[-1]

        try:
            answer = self._call(Gate("reply" if place.thread else "messages", place.channel), send, once.check)
            if posted := answer.data.get("message_id"):
                return str(posted)
            failure = Unavailable("feishu_failed", error="message_id")
        except Unavailable as error:
            failure = error
        # It may have been accepted anyway, and Feishu does not document its response to a uuid that it already knows.
        perhaps = any(answer.unclear or answer.code == 0 for answer in answers)
        if perhaps and (found := self._look(once, place, [mark]).get(mark)):
            return found
        raise failure

    def _posted(self, place: Place, mark: _Mark, content: str) -> Answer:
        """Post a message in a topic if the group has topics, else as a plain reply."""
        body = {"msg_type": mark.kind, "content": content, "uuid": mark.uuid}
        if not place.thread:
            query = {"receive_id_type": "chat_id"}
            return self._api.ask("POST", _MESSAGES, query=query, body=body | {"receive_id": place.channel})
        path, topic = f"{_MESSAGES}/{place.thread}/reply", self._plain.get(place.channel, 0.0) < self._now()
        answer = self._api.ask("POST", path, body=body | {"reply_in_thread": topic})
        if answer.code in NO_TOPICS:
            self._plain[place.channel] = self._now() + _ASK_AGAIN
        if answer.code in NO_TOPICS | NO_TOPIC_HERE:
            return self._api.ask("POST", path, body=body | {"reply_in_thread": False})
        return answer

    def _uploaded(self, file: Attachment, once: Idempotency) -> str:
        """Upload a file and return the content of its message. Raises Refused if it is too large or empty."""
        raw = file.text.encode()
        if not 0 < len(raw) <= limits.FILE_BYTES.ours:
            raise Refused("feishu_file")
        content = json.dumps(self._call(Gate("files"), lambda: self._api.upload(file.name, raw)).data)
        once.check()  # the upload may have taken long
        return content

    # --- What is there already ---------------------------------------------------------------

    def posted(self, place: Place, names: Collection[str], since: datetime) -> Posted:
        """The messages in a group or thread that were sent under one of `names` since a time.

        Raises Forbidden if the application must not read the history; NotFound, ConfigError, Unavailable.
        """
        wanted = {_card_name(name, 0)[0]: name for name in names}
        threads, files = {}, set[str]()
        with legible("feishu_scope"):
            for message in self._messages(place, since, None):
                if message.get("msg_type") == _FILE and _is_beneath(place, message):
                    files.add(_file_name(message))
                for known in wanted.keys() & set(_NAMED.findall(_body(message))):
                    threads[wanted[known]] = place.thread or str(message.get("message_id"))
        return Posted(threads, frozenset(files))

    def _sent(self, once: Idempotency, place: Place, wanted: Sequence[_Mark]) -> dict[_Mark, str]:
        """The parts of a message that were already sent, by mark.

        Files are recognised only by their names, which others may have too: within the hour of their `uuid` they are
        sent again instead.
        """
        recent = self._now() - once.begun.timestamp() < limits.UUID_SECONDS.ours
        return self._look(once, place, [mark for mark in wanted if not (recent and mark.kind == _FILE)])

    def _look(self, once: Idempotency, place: Place, wanted: Sequence[_Mark]) -> dict[_Mark, str]:
        """The IDs of the wanted messages in a group or thread, as far as they are found."""
        return matching(self._since(place, once), wanted, partial(_bears, place), "message_id")

    def _since(self, place: Place, once: Idempotency) -> Iterator[Json]:
        """The bot's messages in a group or thread since the first attempt to send. Raises Unavailable."""
        return readable(self._messages(place, once.begun, _HISTORY_PAGES))

    def _messages(self, place: Place, since: datetime, pages: int | None) -> Iterator[Json]:
        """The bot's messages in a group or thread since a time, from this many `pages` at each end, or all."""
        begun = int(since.timestamp()) - 60  # the clocks of two machines differ
        for message in self._history(place, begun, pages):
            if number(message.get("create_time"), 0) / 1_000 < begun:
                return
            if (message.get("sender") or {}).get("id") == self._api.app_id:
                yield message

    def _history(self, place: Place, begun: int, pages: int | None) -> Iterator[Json]:
        """The messages of a thread, newest first; or of a group since a time, from both ends of it.

        A thread's history cannot be limited by time; a group's includes replies outside threads.
        """
        if place.thread and (topic := self._topic(place.thread)):
            yield from self._pages({"container_id_type": "thread", "container_id": topic}, "Desc", pages)
            return
        group = {"container_id_type": "chat", "container_id": place.channel, "start_time": begun}
        try:
            whole = yield from self._pages(group, "Asc", pages)
        except NoHistory:
            raise NotFound("feishu_group", group=place.channel) from None
        if not whole:
            yield from self._pages(group, "Desc", pages)

    def _pages(self, container: Mapping[str, object], order: str, most: int | None) -> Generator[Json, None, bool]:
        """The messages of some pages of a history; returns whether there are no more."""
        query: dict[str, object] = {
            **container,
            "sort_type": f"ByCreateTime{order}",
            "page_size": limits.HISTORY.ours,
            "card_msg_content_type": "user_card_content",  # cards as they were sent, with their marks
        }
        for _ in count() if most is None else range(most):
            page = self._call(Gate("list"), lambda: self._api.ask("GET", _MESSAGES, query=query)).data
            yield from (item for item in page.get("items") or () if isinstance(item, dict))
            if not (page.get("has_more") and page.get("page_token")):
                return True
            query["page_token"] = page["page_token"]
        return False

    def _topic(self, message: str) -> str:
        """The ID of the thread below a message, as histories need it; empty if there is none."""
        return str(self._about(message).get("thread_id") or "")

    def _is_apart(self, message: str) -> bool:
        """Whether a message is a reply in a topic, where the group's messages are not seen, or was recalled."""
        about = self._about(message)
        return bool((about.get("thread_id") and about.get("root_id")) or about.get("deleted"))

    def _about(self, message: str) -> Json:
        answer = self._call(Gate("get"), lambda: self._api.ask("GET", f"{_MESSAGES}/{message}"))
        return next((item for item in answer.data.get("items") or () if isinstance(item, dict)), {})

    def ahead(self) -> timedelta | None:
        """How far this machine's clock is ahead of Feishu's; None before the first answer to the token."""
        return self._api.wall.ahead(partial(self._api.ask, "GET", _INFO))

    # --- Who ---------------------------------------------------------------------------------

    def me(self) -> str:
        """The open ID of the bot, as in mentions. Raises ConfigError, Unavailable."""
        if not self._me:
            answer = self._call(Gate("info"), lambda: self._api.ask("GET", _INFO))
            self._me = str((answer.data.get("bot") or {}).get("open_id", ""))
        return self._me

    def readers(self, place: Place, person: str) -> Readers:  # noqa: ARG002  # Feishu says it only for chats
        """Who reads in a place, as of a few minutes ago at most. Raises ConfigError, Unavailable."""
        return self._audience.readers(place)

    def check(self, place: Place) -> None:
        """Check that the bot is in a group. Raises NotFound."""
        with suppress(ConfigError, Unavailable):  # then posting a digest will show it
            self._audience.check(place)

    # --- In ----------------------------------------------------------------------------------

    def listen(self, listener: Listener) -> None:
        """Pass what people do to `listener`, until `close` is called. Raises ConfigError."""
        self._inbound = Inbound(self, listener)
        with suppress(Unavailable):  # the first mention asks for it again
            self.me()
        self._inbound.inbox.accept(lambda: register(self._api, listener.text(None, "feishu.slash")))
        try:
            self._transport.run(self._inbound.take)
        finally:
            self._inbound.inbox.drain()

    @property
    def connected(self) -> bool:
        """Whether the connection is open."""
        return self._transport.connected

    def close(self) -> None:
        """Stop listening, after current requests are answered or some seconds have passed."""
        self._transport.stop()


def _card_mark(once: Idempotency, number: int) -> _Mark:
    """The card of one page. Its name is valid for an element: 20 letters and digits."""
    return _Mark(_CARD, *_card_name(once.key, number))


_NAMED = re.compile(rf"\bd[0-9a-f]{{{limits.ELEMENT_ID.ours - 1}}}\b")


def _card_name(key: str, number: int) -> tuple[str, str]:
    """The name of a card's element by which a history shows it, and the card's `uuid`."""
    name = hashlib.sha256(f"{key}/{number}".encode()).hexdigest()
    return f"d{name[: limits.ELEMENT_ID.ours - 1]}", name[: limits.UUID.ours]


def _file_mark(once: Idempotency, file: Attachment) -> _Mark:
    """The message of one file; a history shows only its name."""
    name = hashlib.sha256(f"{once.key}/{file.name}".encode()).hexdigest()
    return _Mark(_FILE, file.name, name[: limits.UUID.ours])


def _bears(place: Place, message: Json, mark: _Mark) -> bool:
    """Whether a message has a mark: a card by its element's name, a file by its name and what it replies to."""
    if message.get("msg_type") != mark.kind:
        return False
    if mark.kind == _CARD:
        return mark.name in _body(message)
    return _is_beneath(place, message) and _file_name(message) == mark.name


def _body(message: Json) -> str:
    return str((message.get("body") or {}).get("content", ""))


def _is_beneath(place: Place, message: Json) -> bool:
    """Whether it is not a plain reply to another message; threads are searched separately."""
    return bool(message.get("thread_id")) or place.thread in (message.get("root_id"), message.get("parent_id"))


def _file_name(message: Json) -> str:
    """The name of a message's file; empty if it is not a file."""
    try:
        return str(json.loads(_body(message)).get("file_name") or "")
    except (ValueError, AttributeError):
        return ""


def _content(card: Card) -> str:
    return json.dumps(card, ensure_ascii=False)


def from_settings(settings: FeishuSettings, rates: Rates | None = None) -> FeishuChat:
    """The chat as configured. Raises ConfigError."""
    secret = settings.feishu_app_secret.get_secret_value()
    if not (settings.feishu_app_id and secret):
        raise ConfigError("feishu_no_app")
    api = Api(settings.feishu_app_id, secret, settings.feishu_url)
    return FeishuChat(api, _transport(settings, api), rates=rates)


def _transport(settings: FeishuSettings, api: Api) -> Transport:
    if settings.feishu_mode == "socket":
        return LongConnection(api)
    key = settings.feishu_encrypt_key.get_secret_value()
    token = settings.feishu_verification_token.get_secret_value()
    return Http(key, token, settings.feishu_host, settings.feishu_port)
