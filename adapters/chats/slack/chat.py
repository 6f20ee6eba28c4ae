"""Slack as a chat: sends messages to channels, threads or one person, and listens to what people do there."""

import hashlib
import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from slack_sdk.web import WebClient

from adapters.chats.ratelimit import shared_by
from adapters.chats.rendering import is_files
from adapters.chats.sending import Json, Part, Replayed, fresh, legible, matching, readable, send_parts
from adapters.chats.slack import limits
from adapters.chats.slack.audience import Audience
from adapters.chats.slack.blocks import SAFE, SPLITS, Page, Split, json_length, render
from adapters.chats.slack.calls import LOOKED_AT, SETTLE, Caller, Gate, TooLong, put
from adapters.chats.slack.inbound import Inbound
from adapters.chats.slack.notes import StatusNote
from adapters.chats.slack.people import People
from adapters.chats.slack.settings import SlackSettings
from adapters.chats.slack.splits import Splits
from adapters.chats.slack.transports import Http, Silence, Socket, Transport
from adapters.chats.slack.workspaces import NAME, InstalledWorkspaces, OneWorkspace, Workspaces, parts_of, place_of
from adapters.chats.wall import Wall
from bot.errors import ConfigError, Unavailable
from bot.ports import Idempotency, Learned, Listener, Posted, Rates, Readers
from bot.values import Attachment, Message, MessageKind, Place

_bolt_log = logging.getLogger("digest.slack.bolt")
_bolt_log.setLevel(logging.ERROR)  # its warnings are hints for developers of listeners

_EVENT = "commit_digest"
_NAME = 100
"""Longer names of messages are replaced by their hashes: metadata is limited."""

_Mark = str | tuple[str, ...]
"""Identifies a message: the key that was sent with it, or the names of its files and then its text."""


class SlackChat:
    """Slack, in one workspace or several. Safe to call from several threads.

    `clock` and `sleep` are monotonic seconds, `now` is seconds since 1970, as in Slack's timestamps. `settle` is how
    many seconds to wait before looking for a message that may have been sent: a history may show it late.
    """

    name = NAME

    def __init__(
        self,
        workspaces: Workspaces,
        transport: Transport | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
        settle: float = SETTLE,
        rates: Rates | None = None,
        learned: Learned | None = None,
    ) -> None:
        """`rates` are the ones that several processes share; `learned` stores what was learned about workspaces."""
        self._workspaces = workspaces
        self._transport = transport or Silence()
        self._wall = Wall(now)
        self._call = Caller(clock, sleep, settle, self._wall.hear, shared_by(NAME, rates))
        self._sleep = sleep
        self._now = now
        self._settle = settle
        self._splits = Splits(learned, now)
        self._people = People(workspaces, self._call, clock)
        self._audience = Audience(workspaces, self._call, clock)
        self._inbound: Inbound | None = None

    # --- Out ---------------------------------------------------------------------------------

    def post(self, place: Place, message: Message, once: Idempotency | None = None) -> Place:
        """Post `message` and return its thread; what does not fit into one message continues in the thread.

        For a viewer it is shown only to them, and files go to their direct messages. Raises NotFound and Forbidden for
        a channel that the bot cannot write to, ThreadGone, ConfigError for a token that Slack rejects, Unavailable if a
        later attempt may succeed, and LeaseLost.
        """
        team, channel = parts_of(place)
        client, once = self._workspaces.client(team), once or fresh(self._now())
        if place.viewer and not channel.startswith("D"):  # direct messages are private anyway
            return self._whisper(client, place, message, once)
        before = self._before(client, place, once) if once.again else None
        split = _split_of(before or (), once) or self._splits.of(team)
        try:
            return self._put(client, place, message, once, split=split, before=before)
        except TooLong:  # a page longer than Slack accepts: it was not posted
            self._splits.learn(team)
        return self._put(client, place, message, once, split=SAFE, before=before)

    def _whisper(self, client: WebClient, place: Place, message: Message, once: Idempotency) -> Place:
        """Show a message to one person, and send its files to their direct messages."""
        rendered, (team, _) = render(message), parts_of(place)
        for page in rendered.pages:
            self._people.whisper(place, page, last=message.kind in (MessageKind.ERROR, MessageKind.NOTE))
        if rendered.files and place.viewer:
            direct = place_of(team, self._people.direct(team, place.viewer))
            self._share(client, rendered.files, _said(message), once, direct)
        return place

    def _before(self, client: WebClient, place: Place, once: Idempotency) -> Replayed:
        """The messages where a message may have been sent, read once it would be visible there."""
        self._sleep(self._settle)
        return Replayed(self._since(client, place, once))

    def _put(
        self,
        client: WebClient,
        place: Place,
        message: Message,
        once: Idempotency,
        *,
        split: Split,
        before: Replayed | None,
    ) -> Place:
        """Post a message, divided by `split`, except parts that are there `before`, and return its thread."""
        rendered, said = render(message, split), _said(message) if is_files(message) else ""
        keys = [_key(once, number) for number in range(len(rendered.pages))]
        pages = [
            Part[_Mark](key, partial(self._send, client, page, key, once))
            for key, page in zip(keys, rendered.pages, strict=True)
            if not said  # the text of a message with only files is with the files
        ]
        share = partial(self._share, client, rendered.files, said, once)
        names = _names(file.name for file in rendered.files)
        files = [Part[_Mark]((*names, said), share)] if names else []

        def look(looked: Place, wanted: Sequence[_Mark]) -> dict[_Mark, str]:  # only the first page starts a thread
            wanted = wanted if looked.thread else [m for m in wanted if m not in keys[1:]]
            known = before if looked.thread == place.thread else None
            return _found(known or self._since(client, looked, once), wanted)

        return send_parts(place, pages, files, look if before else None)

    def _send(self, client: WebClient, page: Page, key: str, once: Idempotency, place: Place) -> str:
        """Post a page and return its timestamp, its ID within the channel. Raises TooLong if it is too long."""
        team, channel = parts_of(place)
        sent: dict[str, Any] = {
            "channel": channel,
            "text": page.text,
            "blocks": list(page.blocks),
            "metadata": {"event_type": _EVENT, "event_payload": {"key": key, "split": SPLITS.index(page.split)}},
            "unfurl_links": False,
            "unfurl_media": False,
            **({"thread_ts": place.thread} if place.thread else {}),
        }

        def settle() -> str | None:
            return _found(self._since(client, place, once), [key]).get(key)

        gate = Gate("chat.postMessage", team, channel)
        try:
            answer = self._call(gate, lambda: client.chat_postMessage(**sent), settle, once.check)
        except TooLong as error:
            if json_length(page.blocks) > limits.JSON.ours:
                raise
            raise Unavailable(error.key, **error.fields) from None
        return answer if isinstance(answer, str) else str(answer["ts"])

    def _share(self, client: WebClient, files: Sequence[Attachment], said: str, once: Idempotency, place: Place) -> str:
        """Share files in a channel or thread, all in one message with its text; Slack returns no timestamp for it."""
        team, channel = parts_of(place)
        tried: set[str] = set()

        def send() -> object:
            ids = [self._upload(client, team, file) for file in files]  # again each time: an ID is valid for one share
            tried.update(ids)
            once.check()
            return client.files_completeUploadExternal(
                files=[{"id": number, "title": file.name} for number, file in zip(ids, files, strict=True)],
                channel_id=channel,
                thread_ts=place.thread,
                initial_comment=said or None,
            )

        def settle() -> str | None:
            messages = self._since(client, place, once)
            return next((str(m["ts"]) for m in messages if tried & {f.get("id") for f in m.get("files") or ()}), None)

        self._call(Gate("files.completeUploadExternal", team, channel), send, settle)
        return ""

    def _upload(self, client: WebClient, team: str, file: Attachment) -> str:
        """Upload a file, which nobody sees before it is shared, and return its ID."""
        raw = file.text.encode()
        address = self._call(
            Gate("files.getUploadURLExternal", team),
            lambda: client.files_getUploadURLExternal(filename=file.name, length=len(raw)),
        )
        self._call(Gate("upload", team), lambda: put(client.base_url, str(address["upload_url"]), raw))
        return str(address["file_id"])

    def readers(self, place: Place, person: str) -> Readers:
        """Who reads in a place where `person` asked, as of a few minutes ago at most.

        Raises ConfigError, Unavailable.
        """
        return self._audience.readers(place, person)

    def check(self, place: Place) -> None:
        """Check that the bot is in a channel and can post there. Raises NotFound, Forbidden."""
        with suppress(ConfigError, Unavailable):  # then posting a digest will show it
            self._people.check(place)

    # --- What is there already ---------------------------------------------------------------

    def posted(self, place: Place, names: Collection[str], since: datetime) -> Posted:
        """The messages in a channel or thread that were sent under one of `names` since a time.

        Raises Forbidden if the app must not read the history; NotFound, ConfigError, Unavailable.
        """
        self._sleep(self._settle)
        team, _ = parts_of(place)
        wanted = {f"{_short(name)}/0": name for name in names}
        threads, files = {}, set[str]()
        with legible("slack_scope"):
            for message in self._messages(self._workspaces.client(team), place, since):
                mark = _mark(message)
                if isinstance(mark, tuple):
                    files |= {*mark[:-1]}
                elif mark in wanted:
                    threads[wanted[mark]] = place.thread or str(message["ts"])
        return Posted(threads, frozenset(files))

    def _since(self, client: WebClient, place: Place, once: Idempotency) -> Iterator[Json]:
        """The last messages of a channel or thread since the first attempt to send. Raises Unavailable."""
        return readable(self._messages(client, place, once.begun, LOOKED_AT))

    def _messages(self, client: WebClient, place: Place, since: datetime, pages: int | None = None) -> Iterator[Json]:
        """The messages of a channel or thread since a time, the newest `pages` or all."""
        team, channel = parts_of(place)
        arguments: dict[str, Any] = {
            "channel": channel,
            "oldest": f"{since.timestamp() - 60:.6f}",  # the clocks of two machines differ
            "limit": limits.HISTORY.ours,
            "include_all_metadata": True,
            **({"ts": place.thread} if place.thread else {}),
        }
        read = client.conversations_replies if place.thread else client.conversations_history
        gate = Gate(f"conversations.{'replies' if place.thread else 'history'}", team, channel)
        for page in self._call.pages(gate, read, arguments, pages):
            yield from page["messages"]

    def ahead(self) -> timedelta | None:
        """How far this machine's clock is ahead of Slack's; None before the first authenticated answer."""
        return self._wall.ahead(self._greet)

    def _greet(self) -> None:
        """Make an authenticated call, if there is a token in the settings. Raises what calling raises."""
        if client := self._workspaces.own():
            self._call(Gate("auth.test", ""), client.auth_test)

    # --- In ----------------------------------------------------------------------------------

    def listen(self, listener: Listener) -> None:
        """Pass what people do to `listener`, until `close` is called. Raises ConfigError, Unavailable."""
        app = self._workspaces.app(
            _bolt_log, self._transport.secret, lambda team: listener.text(None, "slack.not_invited", workspace=team)
        )
        note = partial(StatusNote, self._workspaces, self._call, self._people)
        self._inbound = Inbound(app, self._people, self.post, listener, self._workspaces.forget, note=note)
        try:
            self._transport.run(app)
        finally:
            self._inbound.inbox.drain()

    @property
    def connected(self) -> bool:
        """Whether the connection is open."""
        return self._transport.connected

    def close(self) -> None:
        """Stop listening, after current requests are answered or some seconds have passed."""
        self._transport.stop()


def _short(name: str) -> str:
    """A message's name, shortened to fit into metadata."""
    return name if len(name) <= _NAME else hashlib.sha256(name.encode()).hexdigest()


def _key(once: Idempotency, number: int) -> str:
    """The name of a page."""
    return f"{_short(once.key)}/{number}"


def _found(messages: Iterable[Json], wanted: Sequence[_Mark]) -> dict[_Mark, str]:
    """The timestamps of the messages that have the wanted marks, as far as they are found."""
    return matching(messages, wanted, _bears, "ts")


def _split_of(messages: Iterable[Json], once: Idempotency) -> Split | None:
    """How a message was divided whose first page was posted; an earlier version stored no number."""
    first = next((message for message in messages if _mark(message) == _key(once, 0)), None)
    number = first["metadata"]["event_payload"].get("split", 0) if first else -1
    return SPLITS[number] if number in range(len(SPLITS)) else None


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names))


def _mark(message: dict[str, Any]) -> _Mark:
    """The mark of a message; empty if it is not ours."""
    if files := message.get("files"):
        return (*_names(str(file.get("name")) for file in files), str(message.get("text") or ""))
    metadata = message.get("metadata") or {}
    return str((metadata.get("event_payload") or {}).get("key", "")) if metadata.get("event_type") == _EVENT else ""


def _said(message: Message) -> str:
    """The text posted with the files of a message: its title."""
    return render(replace(message, parts=())).pages[0].text


def _bears(message: dict[str, Any], mark: _Mark) -> bool:
    """Whether a message has a mark; an earlier version shared files without text."""
    known = _mark(message)
    return known == mark or (isinstance(mark, tuple) and known == (*mark[:-1], ""))


def from_settings(settings: SlackSettings, rates: Rates | None = None, learned: Learned | None = None) -> SlackChat:
    """The chat as configured: to post only or to listen too, for one workspace or several. Raises ConfigError."""
    workspaces, transport = _workspaces(settings), _transport(settings)
    return SlackChat(workspaces, transport, settle=settings.digest_settle, rates=rates, learned=learned)


def _workspaces(settings: SlackSettings) -> Workspaces:
    secret = settings.slack_client_secret.get_secret_value()
    if settings.slack_client_id or secret:
        if not (settings.slack_client_id and secret):
            raise ConfigError("slack_oauth_incomplete")
        if settings.slack_mode != "http":
            raise ConfigError("slack_oauth_mode")
        key = settings.slack_token_key.get_secret_value()
        return InstalledWorkspaces(
            settings.slack_client_id,
            secret,
            settings.digest_database,
            key,
            settings.slack_url,
            invited=settings.digest_workspaces,
        )
    if token := settings.slack_bot_token.get_secret_value():
        return OneWorkspace(token, settings.slack_url)
    raise ConfigError("slack_no_token")


def _transport(settings: SlackSettings) -> Transport:
    """The transport; `Silence` if only posting is configured. Raises ConfigError."""
    if settings.slack_mode == "http":
        if not (secret := settings.slack_signing_secret.get_secret_value()):
            raise ConfigError("slack_no_secret")
        return Http(secret, settings.slack_host, settings.slack_port)
    token = settings.slack_app_token.get_secret_value()
    return Socket(token, settings.slack_url) if token else Silence()
