"""Feishu as a chat: messages out, as cards in a group, a direct chat or a thread; what people do there, in."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

from adapters.chats.feishu import limits
from adapters.chats.feishu.calls import NAME, NO_TOPICS, Answer, Api, Caller, Gate, Json
from adapters.chats.feishu.cards import Card, render
from adapters.chats.feishu.inbound import Inbound
from adapters.chats.feishu.transports import Http, LongConnection, Transport
from bot.ports import ConfigError, Forbidden, Listener, NotFound, Once, Unavailable
from bot.settings import Settings
from bot.values import Attachment, Message, Place

_log = logging.getLogger("digest.feishu")

_MESSAGES = "/open-apis/im/v1/messages"
_HISTORY_PAGES = 20


class _Part(NamedTuple):
    """One message of Feishu's: its kind, and by what it is known again in a history: a mark, or a file's name."""

    kind: str
    mark: str
    uuid: str


class FeishuChat:
    """Feishu, or Lark, in the groups that one application's bot is in. Safe to call from several threads.

    A channel is the id of a group or a direct chat (`oc_…`), a thread that of the message (`om_…`) it hangs beneath. No
    message is for one person alone in a group: what is meant for a viewer stands in the thread, where it was asked for.
    `clock` and `sleep` are monotonic seconds, `now` is seconds since 1970.
    """

    def __init__(
        self,
        api: Api,
        transport: Transport,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._api = api
        self._transport = transport
        self._call = Caller(clock, sleep)
        self._now = now
        self._plain: set[str] = set()
        self._me = ""
        self._inbound: Inbound | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The name that stands in `Place.chat`."""
        return NAME

    # --- Out ---------------------------------------------------------------------------------

    def post(self, place: Place, message: Message, once: Once | None = None) -> Place:
        """Post `message` and return the thread beneath it; what one card cannot hold goes on in the thread.

        Every message bears a `uuid`, so that a second sending within an hour is none. Raises NotFound and Forbidden for
        a group that the bot cannot write to, ThreadGone, Refused, ConfigError for an application that Feishu does not
        take, Unavailable where a later try may succeed, and Overtaken.
        """
        once = once or Once(uuid.uuid4().hex, datetime.fromtimestamp(self._now(), UTC), False, lambda: None)
        rendered = render(message, lambda number: _card_part(once, number).mark)
        cards = [_card_part(once, number) for number in range(len(rendered.pages))]
        files = [_file_part(once, file) for file in rendered.files]
        found = self._found(place, [*cards, *files], once) if once.again else {}
        thread = place.thread
        for part, card in zip(cards, rendered.pages, strict=True):
            beneath = Place(NAME, place.channel, thread)
            posted = found.get(part.mark) or self._send(beneath, part, partial(_content, card), once)
            thread = thread or posted
        beneath = Place(NAME, place.channel, thread)
        for part, file in zip(files, rendered.files, strict=True):
            if part.mark not in found:
                self._send(beneath, part, partial(self._uploaded, file), once)
        return beneath

    def show(self, place: Place, card: Card, name: str) -> str:
        """Post a card that is no message of the bot's own; its id. `name` is the same when it is shown again."""
        once = Once(name, datetime.fromtimestamp(self._now(), UTC), False, lambda: None)
        return self._send(place, _card_part(once, 0), partial(_content, card), once)

    def update(self, message: str, card: Card) -> None:
        """Put another card in the place of one. Raises NotFound where it is gone or too old, ConfigError, Unavailable.

        Feishu lets cards be changed for 14 days (open.feishu.cn/document/server-docs/im-v1/message-card/patch).
        """
        self._call(
            Gate("patch", message),
            lambda: self._api.ask("PATCH", f"{_MESSAGES}/{message}", body={"content": _content(card)}),
        )

    def _send(self, place: Place, part: _Part, content: Callable[[], str], once: Once) -> str:
        """The id of a message that was posted, now or by an earlier sending of the same name."""

        def post(topic: bool) -> Answer:
            body = {"msg_type": part.kind, "content": written, "uuid": part.uuid}
            if place.thread:
                return self._api.ask(
                    "POST", f"{_MESSAGES}/{place.thread}/reply", body=body | {"reply_in_thread": topic}
                )
            query = {"receive_id_type": "chat_id"}
            return self._api.ask("POST", _MESSAGES, query=query, body=body | {"receive_id": place.channel})

        def send() -> Answer:
            answer = post(place.channel not in self._plain)
            if answer.code in NO_TOPICS:
                self._plain.add(place.channel)
                answer = post(False)
            return answer

        written = content()
        try:
            answer = self._call(Gate("reply" if place.thread else "messages", place.channel), send, once.check)
        except Unavailable:
            # It may have been taken all the same, and Feishu does not say what it answers to a uuid that it knows.
            if posted := self._look(place, [part], once).get(part.mark):
                return posted
            raise
        return str(answer.data["message_id"])

    def _uploaded(self, file: Attachment) -> str:
        """The content of a message with a file, which Feishu has by then."""
        raw = file.text.encode()
        return json.dumps(self._call(Gate("files"), lambda: self._api.upload(file.name, raw)).data)

    # --- What is there already ---------------------------------------------------------------

    def _found(self, place: Place, parts: list[_Part], once: Once) -> dict[str, str]:
        """What is there of a message that was perhaps sent before: ids by mark, of which the first comes first.

        All else is sent after the first card, into its thread where it begins one.
        """
        first, *rest = parts
        found = self._look(place, parts if place.thread else [first], once)
        if first.mark not in found:
            return {}  # files of the same names are another message's
        if not place.thread and rest:
            found |= self._look(Place(NAME, place.channel, found[first.mark]), rest, once)
        return found

    def _look(self, place: Place, parts: list[_Part], once: Once) -> dict[str, str]:
        """The ids of the messages in a group or thread that are the wanted ones, by mark, as far as they are seen."""
        found: dict[str, str] = {}
        for message in self._since(place, once):
            for part in parts:
                content = str((message.get("body") or {}).get("content", ""))
                if message.get("msg_type") == part.kind and _bears(content, part):
                    found[part.mark] = str(message["message_id"])
            if len(found) == len(parts):
                break
        return found

    def _since(self, place: Place, once: Once) -> Iterator[Json]:
        """The bot's messages in a group or thread since something was first to be sent; none where it may not read.

        A history that may not be read settles nothing: a rare double is better than a loss. Raises Unavailable where a
        later look may tell.
        """
        begun = once.begun.timestamp() - 60  # the clocks of two machines differ
        try:
            for message in self._history(place, begun):
                if int(message.get("create_time") or 0) / 1_000 < begun:
                    return
                if (message.get("sender") or {}).get("id") == self._api.app_id:
                    yield message
        except (NotFound, Forbidden, ConfigError):
            return

    def _history(self, place: Place, begun: float) -> Iterator[Json]:
        """The messages of a group or thread, the newest first."""
        topic = self._topic(place.thread) if place.thread else ""
        asked: dict[str, object] = {
            # A thread's history takes no times, and a group's has the replies that are in no thread.
            **({"container_id_type": "thread", "container_id": topic} if topic else _group(place, begun)),
            "sort_type": "ByCreateTimeDesc",
            "page_size": limits.HISTORY.ours,
            "card_msg_content_type": "user_card_content",  # cards as they were sent, with their marks
        }
        for _ in range(_HISTORY_PAGES):
            page = self._call(Gate("list"), lambda: self._api.ask("GET", _MESSAGES, query=asked)).data
            yield from page.get("items") or ()
            if not page.get("has_more"):
                return
            asked["page_token"] = page["page_token"]

    def _topic(self, message: str) -> str:
        """The thread that hangs beneath a message, by the name that histories take; empty where there is none."""
        answer = self._call(Gate("get"), lambda: self._api.ask("GET", f"{_MESSAGES}/{message}"))
        return next((str(item.get("thread_id") or "") for item in answer.data.get("items") or ()), "")

    # --- Who ---------------------------------------------------------------------------------

    def me(self) -> str:
        """The open id of the bot, by which mentions name it. Raises ConfigError, Unavailable."""
        with self._lock:
            if not self._me:
                answer = self._call(Gate("info"), lambda: self._api.ask("GET", "/open-apis/bot/v3/info"))
                self._me = str((answer.data.get("bot") or {}).get("open_id", ""))
            return self._me

    # --- In ----------------------------------------------------------------------------------

    def listen(self, listener: Listener) -> None:
        """Tell `listener` what people do, until `close` is called. Raises ConfigError."""
        self._inbound = Inbound(self, listener)
        with suppress(Unavailable):  # it is asked for again with the first mention
            self.me()
        try:
            self._transport.run(self._inbound.take)
        finally:
            self._inbound.drain()

    def close(self) -> None:
        """Stop listening, after what is being answered, or after some seconds."""
        self._transport.stop()


def _card_part(once: Once, number: int) -> _Part:
    """The card of one page. Its mark is a name that an element may have: 20 letters and digits."""
    name = hashlib.sha256(f"{once.name}/{number}".encode()).hexdigest()
    return _Part("interactive", f"d{name[: limits.ELEMENT_ID.ours - 1]}", name[: limits.UUID.ours])


def _file_part(once: Once, file: Attachment) -> _Part:
    """The message of one file, which a history shows with its name only."""
    name = hashlib.sha256(f"{once.name}/{file.name}".encode()).hexdigest()
    return _Part("file", file.name, name[: limits.UUID.ours])


def _bears(content: str, part: _Part) -> bool:
    if part.kind == "interactive":
        return part.mark in content
    try:
        return bool(json.loads(content).get("file_name") == part.mark)
    except (ValueError, AttributeError):
        return False


def _content(card: Card) -> str:
    return json.dumps(card, ensure_ascii=False)


def _group(place: Place, begun: float) -> Mapping[str, object]:
    return {"container_id_type": "chat", "container_id": place.channel, "start_time": int(begun)}


def from_settings(settings: Settings) -> FeishuChat:
    """Feishu as it is set up. Raises ConfigError."""
    secret = settings.feishu_app_secret.get_secret_value()
    if not (settings.feishu_app_id and secret):
        raise ConfigError("feishu_no_app")
    api = Api(settings.feishu_app_id, secret, settings.feishu_url)
    return FeishuChat(api, _transport(settings, api))


def _transport(settings: Settings, api: Api) -> Transport:
    """The way in. Raises ConfigError for HTTP that anybody could call."""
    if settings.feishu_mode == "socket":
        return LongConnection(api)
    if not (key := settings.feishu_encrypt_key.get_secret_value()):
        raise ConfigError("feishu_no_key")
    token = settings.feishu_verification_token.get_secret_value()
    return Http(key, token, settings.feishu_host, settings.feishu_port)
