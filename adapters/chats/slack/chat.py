"""Slack as a chat: messages out, in the channel, a thread or for one person; what people do there, in."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from slack_sdk.web import WebClient
from slack_sdk.webhook import WebhookClient

from adapters.chats.slack import limits
from adapters.chats.slack.blocks import Page, render
from adapters.chats.slack.calls import NO_RETRIES, SETTLE, TIMEOUT, Caller, Gate, put
from adapters.chats.slack.inbound import Inbound
from adapters.chats.slack.settings import SlackSettings
from adapters.chats.slack.transports import Http, Socket, Transport
from adapters.chats.slack.workspaces import NAME, InstalledWorkspaces, OneWorkspace, Workspaces, parts_of, place_of
from bot.errors import ConfigError, DigestError, Forbidden, NotFound
from bot.ports import Idempotency, Listener
from bot.values import Attachment, Message, MessageKind, Place

_bolt_log = logging.getLogger("digest.slack.bolt")
_bolt_log.setLevel(logging.ERROR)  # its warnings are hints for who writes listeners

_EVENT = "commit_digest"
_HISTORY_PAGES = 60
_NAME = 100
"""A longer name of a sending is told by its digest: metadata holds little."""

_Mark = str | tuple[str, ...]
"""By what a message is known again: the key that was sent with it, or the names of its files."""


class SlackChat:
    """Slack, in one workspace or several. Safe to call from several threads.

    `clock` and `sleep` are monotonic seconds, `now` is seconds since 1970, by which Slack names messages. `settle` is
    how many seconds after it was perhaps sent a message is looked for: a history may show it late.
    """

    def __init__(
        self,
        workspaces: Workspaces,
        transport: Transport | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
        settle: float = SETTLE,
    ) -> None:
        self._workspaces = workspaces
        self._transport = transport
        self._call = Caller(clock, sleep, settle)
        self._sleep = sleep
        self._now = now
        self._settle = settle
        self._answers = ResponseUrls(clock)
        self._inbound: Inbound | None = None

    @property
    def name(self) -> str:
        """The name that stands in `Place.chat`."""
        return NAME

    # --- Out ---------------------------------------------------------------------------------

    def post(self, place: Place, message: Message, once: Idempotency | None = None) -> Place:
        """Post `message` and return the thread beneath it; what one message cannot hold goes on in the thread.

        For a viewer it is shown to that person alone, and files go into their direct messages. Raises NotFound and
        Forbidden for a channel that the bot cannot write to, ThreadGone, ConfigError for a token that Slack does not
        take, Unavailable where a later try may succeed, and Overtaken.
        """
        team, channel = parts_of(place)
        client = self._workspaces.client(team)
        rendered = render(message)
        once = once or Idempotency(uuid.uuid4().hex, datetime.fromtimestamp(self._now(), UTC), False, lambda: None)
        if place.viewer and not channel.startswith("D"):  # direct messages are for the two of them anyway
            for page in rendered.pages:
                self._whisper(client, place, page, last=message.kind is MessageKind.ERROR)
            if rendered.files:
                self._share(client, place_of(team, self.direct(team, place.viewer)), rendered.files, once)
            return place
        keys = [f"{_short(once.key)}/{number}" for number in range(len(rendered.pages))]
        names = _names(file.name for file in rendered.files)
        found = self._found(client, place, [*keys, names] if names else keys, once) if once.again else {}
        thread = place.thread
        for key, page in zip(keys, rendered.pages, strict=True):
            posted = found.get(key) or self._send(client, Place(NAME, place.channel, thread), page, key, once)
            thread = thread or posted
        beneath = Place(NAME, place.channel, thread)
        if names and names not in found:
            self._share(client, beneath, rendered.files, once)
        return beneath

    def _send(self, client: WebClient, place: Place, page: Page, key: str, once: Idempotency) -> str:
        """The timestamp of a page that was posted, which names it within its channel."""
        team, channel = parts_of(place)
        sent: dict[str, Any] = {
            "channel": channel,
            "text": page.text,
            "blocks": list(page.blocks),
            "metadata": {"event_type": _EVENT, "event_payload": {"key": key}},
            "unfurl_links": False,
            "unfurl_media": False,
            **({"thread_ts": place.thread} if place.thread else {}),
        }

        def settle() -> str | None:
            return self._look(client, place, [key], once).get(key)

        answer = self._call(
            Gate("chat.postMessage", team, channel), lambda: client.chat_postMessage(**sent), settle, once.check
        )
        return answer if isinstance(answer, str) else str(answer["ts"])

    def _share(self, client: WebClient, place: Place, files: Sequence[Attachment], once: Idempotency) -> None:
        """Put files into a channel or thread, all in one message."""
        team, channel = parts_of(place)
        tried: set[str] = set()

        def send() -> object:
            ids = [self._upload(client, team, file) for file in files]  # anew each time: an id is good for one share
            tried.update(ids)
            once.check()
            return client.files_completeUploadExternal(
                files=[{"id": number, "title": file.name} for number, file in zip(ids, files, strict=True)],
                channel_id=channel,
                thread_ts=place.thread,
            )

        def settle() -> str | None:
            messages = self._since(client, place, once)
            return next((str(m["ts"]) for m in messages if tried & {f.get("id") for f in m.get("files") or ()}), None)

        self._call(Gate("files.completeUploadExternal", team, channel), send, settle)

    def _upload(self, client: WebClient, team: str, file: Attachment) -> str:
        """The id of a file that Slack has, and that nobody sees before it is shared."""
        raw = file.text.encode()
        address = self._call(
            Gate("files.getUploadURLExternal", team),
            lambda: client.files_getUploadURLExternal(filename=file.name, length=len(raw)),
        )
        self._call(Gate("upload", team), lambda: put(str(address["upload_url"]), raw))
        return str(address["file_id"])

    # --- What is there already ---------------------------------------------------------------

    def _found(self, client: WebClient, place: Place, wanted: Sequence[_Mark], once: Idempotency) -> dict[_Mark, str]:
        """What is there of a message that was perhaps sent before: timestamps by mark, of which the first comes first.

        All else is sent after the first page, into its thread where it begins one.
        """
        self._sleep(self._settle)
        first = wanted[0]
        found = self._look(client, place, wanted if place.thread else wanted[:1], once)
        if first not in found:
            return {}  # files of the same names are another message's
        if not place.thread and wanted[1:]:
            found |= self._look(client, Place(NAME, place.channel, found[first]), wanted[1:], once)
        return found

    def _look(self, client: WebClient, place: Place, wanted: Sequence[_Mark], once: Idempotency) -> dict[_Mark, str]:
        """The timestamps of the messages in a channel or thread that have the wanted marks, as far as they are seen."""
        found: dict[_Mark, str] = {}
        for message in self._since(client, place, once):
            if (mark := _mark(message)) in wanted:
                found[mark] = str(message["ts"])
            if len(found) == len(wanted):
                break
        return found

    def _since(self, client: WebClient, place: Place, once: Idempotency) -> Iterator[dict[str, Any]]:
        """The messages of a channel or thread since something was first to be sent; none where it may not read them.

        A history that may not be read settles nothing: a rare double is better than a loss. Raises Unavailable where a
        later look may tell.
        """
        team, channel = parts_of(place)
        asked: dict[str, Any] = {
            "channel": channel,
            "oldest": f"{once.begun.timestamp() - 60:.6f}",  # the clocks of two machines differ
            "limit": limits.HISTORY.ours,
            "include_all_metadata": True,
            **({"ts": place.thread} if place.thread else {}),
        }
        read = client.conversations_replies if place.thread else client.conversations_history
        gate = Gate(f"conversations.{'replies' if place.thread else 'history'}", team, channel)
        for _ in range(_HISTORY_PAGES):
            try:
                page = self._call(gate, lambda: read(**asked))
            except (NotFound, Forbidden, ConfigError):
                return
            yield from page["messages"]
            asked["cursor"] = (page.get("response_metadata") or {}).get("next_cursor")
            if not asked["cursor"]:
                return

    # --- For one person ----------------------------------------------------------------------

    def _whisper(self, client: WebClient, place: Place, page: Page, *, last: bool) -> None:
        """Show a page to one person: by the answer that Slack waits for, where there is one, else as ephemeral.

        Only the former reaches a channel that the bot is not in, and only a few times; one is kept for what must be
        said at last. Raises NotFound where neither is possible.
        """
        team, channel = parts_of(place)
        viewer = str(place.viewer)
        url = None if place.thread else self._answers.take(place.channel, viewer, spare=0 if last else 1)
        if url and self._answer(url, page):
            return
        shown: dict[str, Any] = {"thread_ts": place.thread} if place.thread else {}
        try:
            self._call(
                Gate("chat.postEphemeral", team, channel),
                lambda: client.chat_postEphemeral(
                    channel=channel, user=viewer, text=page.text, blocks=list(page.blocks), **shown
                ),
            )
        except (NotFound, Forbidden):
            url = self._answers.take(place.channel, viewer, spare=0 if last else 1)
            if not (url and self._answer(url, page)):
                raise NotFound("slack_elsewhere") from None

    def _answer(self, url: str, page: Page) -> bool:
        """Answer a command or a click; whether Slack took it."""
        webhook = WebhookClient(url, timeout=TIMEOUT, retry_handlers=NO_RETRIES)
        try:
            said = webhook.send(text=page.text, blocks=list(page.blocks), response_type="ephemeral")
        except OSError:
            return False
        return said.status_code == 200

    def heard(self, place: Place, response_url: str) -> None:
        """Somebody asked something, and Slack waits for the answer."""
        self._answers.add(place.channel, str(place.viewer), response_url)

    # --- Who and where -----------------------------------------------------------------------

    def direct(self, team: str, user: str) -> str:
        """The channel of direct messages with somebody. Raises ConfigError, Unavailable."""
        client = self._workspaces.client(team)
        opened = self._call(Gate("conversations.open", team), lambda: client.conversations_open(users=user))
        return str(opened["channel"]["id"])

    def channels_of(self, team: str, user: str) -> dict[str, str]:
        """The channels that somebody is in, and the bot may know of, with their names."""
        client = self._workspaces.client(team)
        found: dict[str, str] = {}
        asked: dict[str, Any] = {"user": user, "types": "public_channel,private_channel", "limit": 999}
        while True:
            page = self._call(Gate("users.conversations", team), lambda: client.users_conversations(**asked))
            found |= {str(c["id"]): str(c.get("name", c["id"])) for c in page["channels"]}
            asked["cursor"] = (page.get("response_metadata") or {}).get("next_cursor")
            if not asked["cursor"]:
                return found

    def zone_of(self, team: str, user: str) -> str:
        """The time zone of somebody's profile; empty where Slack does not say."""
        client = self._workspaces.client(team)
        try:
            said = self._call(Gate("users.info", team), lambda: client.users_info(user=user))
        except DigestError:
            return ""
        return str(said["user"].get("tz") or "")

    def show(self, team: str, method: str, **view: Any) -> None:
        """Open, update or publish a view: `views.open` and the like. Raises UsageError for one that comes too late."""
        client = self._workspaces.client(team)
        self._call(Gate(method, team), lambda: client.api_call(method, json=view))

    # --- In ----------------------------------------------------------------------------------

    def listen(self, listener: Listener) -> None:
        """Tell `listener` what people do, until `close` is called. Raises ConfigError, Unavailable."""
        if self._transport is None:
            raise ConfigError("slack_no_app_token")
        app = self._workspaces.app(_bolt_log, self._transport.secret)
        self._inbound = Inbound(app, self, listener, self._workspaces.forget)
        try:
            self._transport.run(app)
        finally:
            self._inbound.drain()

    def close(self) -> None:
        """Stop listening, after what is being answered, or after some seconds."""
        if self._transport:
            self._transport.stop()


def _short(name: str) -> str:
    """The name of a sending, as metadata can hold it."""
    return name if len(name) <= _NAME else hashlib.sha256(name.encode()).hexdigest()


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names))


def _mark(message: dict[str, Any]) -> _Mark:
    """By what a message is known again; empty where it is none of ours."""
    if files := message.get("files"):
        return _names(str(file.get("name")) for file in files)
    metadata = message.get("metadata") or {}
    return str((metadata.get("event_payload") or {}).get("key", "")) if metadata.get("event_type") == _EVENT else ""


def from_settings(settings: SlackSettings) -> SlackChat:
    """Slack as it is set up: to post only, to listen too, for one workspace or several. Raises ConfigError."""
    return SlackChat(_workspaces(settings), _transport(settings), settle=settings.digest_settle)


def _workspaces(settings: SlackSettings) -> Workspaces:
    secret = settings.slack_client_secret.get_secret_value()
    if settings.slack_client_id or secret:
        if not (settings.slack_client_id and secret):
            raise ConfigError("slack_oauth_incomplete")
        if settings.slack_mode != "http":
            raise ConfigError("slack_oauth_mode")
        key = settings.slack_token_key.get_secret_value()
        return InstalledWorkspaces(settings.slack_client_id, secret, settings.digest_database, key, settings.slack_url)
    if token := settings.slack_bot_token.get_secret_value():
        return OneWorkspace(token, settings.slack_url)
    raise ConfigError("slack_no_token")


def _transport(settings: SlackSettings) -> Transport | None:
    """The way in; None where nothing is set up to listen, which posting does not need. Raises ConfigError."""
    if settings.slack_mode == "http":
        if not (secret := settings.slack_signing_secret.get_secret_value()):
            raise ConfigError("slack_no_secret")
        return Http(secret, settings.slack_host, settings.slack_port)
    token = settings.slack_app_token.get_secret_value()
    return Socket(token, settings.slack_url) if token else None


class ResponseUrls:
    """Where Slack waits for answers: each address serves a few times within half an hour.

    They are kept by channel and person, since an answer knows no more; `clock` is monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], list[_ResponseUrl]] = defaultdict(list)

    def add(self, channel: str, user: str, url: str) -> None:
        """Keep an address."""
        until = self._clock() + limits.RESPONSE_SECONDS.ours
        with self._lock:
            self._forget()
            self._kept[channel, user].append(_ResponseUrl(url, limits.RESPONSE_USES.slack, until))

    def take(self, channel: str, user: str, *, spare: int) -> str | None:
        """An address to answer to, of which `spare` uses stay; None where there is none."""
        with self._lock:
            self._forget()
            usable = [each for each in self._kept.get((channel, user), ()) if each.uses > spare]
            if not usable:
                return None
            usable[-1].uses -= 1
            return usable[-1].url

    def _forget(self) -> None:
        now = self._clock()
        for who, urls in list(self._kept.items()):
            urls[:] = [each for each in urls if each.uses and each.until > now]
            if not urls:
                del self._kept[who]


@dataclass
class _ResponseUrl:
    url: str
    uses: int
    until: float
