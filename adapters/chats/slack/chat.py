"""Posting to Slack: one message a second a channel, sent once, and settled by the history where that is unclear."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from http.client import HTTPException
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web import WebClient

from adapters.chats.slack import limits
from adapters.chats.slack.blocks import Page, escaped, render
from bot.ports import ConfigError, DigestError, Forbidden, NotFound, Unavailable, UsageError
from bot.settings import Settings
from bot.values import Attachment, Buttons, Message, Place, Request, one_line

NAME = "slack"
"""The name that stands in `Place.chat`."""
TRIES = 4
"""How often a message is sent before Slack is called unavailable."""

_TIMEOUT = 15
_PATIENCE = 60.0
"""Seconds that are waited at most where Slack names a longer time."""
_EVENT = "commit_digest"
# Errors after which the message may stand in the channel all the same (chat.postMessage, "Errors").
_UNCLEAR = frozenset({"internal_error", "fatal_error", "request_timeout", "service_unavailable", "team_added_to_org"})
_GONE = frozenset({"channel_not_found", "not_in_channel", "thread_not_found", "message_not_found"})
_CLOSED = frozenset({"is_archived", "restricted_action", "restricted_action_read_only_channel", "not_allowed"})
_TOKEN = frozenset(
    {"not_authed", "invalid_auth", "account_inactive", "token_revoked", "token_expired", "not_allowed_token_type"}
)


class SlackChat:
    """One workspace, through a bot token. Safe to call from several threads."""

    def __init__(
        self,
        token: str,
        *,
        url: str = WebClient.BASE_URL,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        # No handler of the SDK's: its own repeats a post whose connection dropped, and doubles the message.
        self._client = WebClient(token, base_url=url, timeout=_TIMEOUT, retry_handlers=[])
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next: dict[str, float] = {}

    @property
    def name(self) -> str:
        """The name that stands in `Place.chat`."""
        return NAME

    def post(self, place: Place, message: Message) -> Place:
        """Post `message` and return the thread beneath it; what one message cannot hold goes on in the thread.

        Raises NotFound and Forbidden for a channel that the bot cannot write to, ConfigError for a token that Slack
        does not take, Unavailable where a later try may succeed.
        """
        # Nobody here hears a button that is pressed, and Slack would show a fault.
        heard = tuple(part for part in message.parts if not isinstance(part, Buttons))
        rendered = render(replace(message, parts=heard))
        thread = place.thread
        for number, page in enumerate(rendered.pages):
            posted = self._send(place.channel, thread, page, f"{message.key}/{number}")
            thread = thread or posted
        for file in rendered.files:
            self._upload(place.channel, str(thread), file)
        return replace(place, thread=thread)

    def listen(self, handle: Callable[[Request], None]) -> None:  # noqa: ARG002  # part of the protocol
        """Slack is only written to so far. Raises UsageError."""
        raise UsageError("slack_silent")

    # --- Sending -----------------------------------------------------------------------------

    def _send(self, channel: str, thread: str | None, page: Page, key: str) -> str:
        """The timestamp of a page that was posted, which names it within its channel."""
        sent: dict[str, Any] = {
            "channel": channel,
            "text": page.text,
            "blocks": list(page.blocks),
            "metadata": {"event_type": _EVENT, "event_payload": {"key": one_line(key, 200)}},
            "unfurl_links": False,
            "unfurl_media": False,
            **({"thread_ts": thread} if thread else {}),
        }

        def settle() -> str | None:
            return self._find(channel, thread, sent["metadata"])

        answer = self._call(channel, lambda: self._client.chat_postMessage(**sent), settle)
        return answer if isinstance(answer, str) else str(answer["ts"])

    def _upload(self, channel: str, thread: str, file: Attachment) -> None:
        """Put a file into a thread. An upload cannot be looked up, so an unclear one is not repeated."""
        self._call(
            channel,
            lambda: self._client.files_upload_v2(
                channel=channel, thread_ts=thread, filename=file.name, title=file.name, content=file.text
            ),
            lambda: "",
        )

    def _find(self, channel: str, thread: str | None, metadata: dict[str, Any]) -> str | None:
        """The timestamp of the message with `metadata`, where a readable history holds it."""
        asked: dict[str, Any] = {"channel": channel, "limit": limits.HISTORY.ours, "include_all_metadata": True}
        try:
            if thread:
                found = self._client.conversations_replies(ts=thread, **asked)
            else:
                found = self._client.conversations_history(**asked)
        except (SlackApiError, OSError, HTTPException):
            return None  # a history that cannot be read settles nothing: a rare double is better than a loss
        messages: list[dict[str, Any]] = found["messages"]
        return next((str(m["ts"]) for m in messages if m.get("metadata") == metadata), None)

    def _call(self, channel: str, send: Callable[[], Any], settle: Callable[[], str | None]) -> Any:
        """The answer of `send`, repeated where it was refused for now, or where `settle` finds nothing of it."""
        last: DigestError = Unavailable("slack_failed", error="timeout")
        for attempt in range(TRIES):
            self._pace(channel)
            try:
                return send()
            except SlackApiError as error:
                last, wait = _translated(error, channel)
                if wait is None:
                    raise last from None
                unclear = _code(error) in _UNCLEAR or error.response.status_code >= 500
            except (OSError, HTTPException):
                wait, unclear = 1.0, True
            if unclear and (found := settle()) is not None:
                return found
            if attempt + 1 < TRIES:
                self._sleep(min(wait * (1 if not unclear else 2**attempt), _PATIENCE))
        raise last

    def _pace(self, channel: str) -> None:
        """Wait until the channel may get its next message."""
        with self._lock:
            now = self._clock()
            at = max(now, self._next.get(channel, now))
            self._next[channel] = at + limits.PACE
        if at > now:
            self._sleep(at - now)


def _code(error: SlackApiError) -> str:
    data = error.response.data
    return str(data.get("error", "")) if isinstance(data, dict) else ""


def _translated(error: SlackApiError, channel: str) -> tuple[DigestError, float | None]:
    """The error in the bot's terms, and the seconds after which another try may succeed; None for never."""
    code, response = _code(error), error.response
    if response.status_code == 429 or code in ("ratelimited", "rate_limited", "message_limit_exceeded"):
        return Unavailable("slack_busy"), float(response.headers.get("Retry-After", 1))
    if code in _GONE:
        return NotFound("slack_channel", channel=channel), None
    if code in _CLOSED:
        return Forbidden("slack_closed", channel=channel), None
    if code in _TOKEN:
        return ConfigError("slack_token"), None
    if code == "missing_scope":
        return ConfigError("slack_scope", scope=escaped(str(response.get("needed", "?")))), None
    if code in _UNCLEAR or response.status_code >= 500:
        return Unavailable("slack_failed", error=code or str(response.status_code)), 1.0
    return Unavailable("slack_refused", error=one_line(code, 80)), None


def from_settings(settings: Settings) -> SlackChat:
    """The workspace of the token. Raises ConfigError where none is set."""
    token = settings.slack_bot_token.get_secret_value()
    if not token:
        raise ConfigError("slack_no_token")
    return SlackChat(token, url=settings.slack_url)
