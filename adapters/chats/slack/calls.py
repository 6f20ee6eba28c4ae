"""Calling Slack: no faster than it allows, again where it asks for patience, once where a second time would double.

No handler of the SDK's is used: its own repeats a post whose connection dropped, and doubles the message.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry import RetryHandler

from adapters.chats.slack import limits
from bot.ports import ConfigError, DigestError, Forbidden, NotFound, ThreadGone, Unavailable, UsageError
from bot.values import one_line

NO_RETRIES: list[RetryHandler] = []
"""For every client that is made."""
TIMEOUT = 15
"""Seconds one call may take."""
TRIES = 4
"""How often something is sent before Slack is called unavailable."""
SETTLE = 5.0
"""Seconds until a message that was taken is looked for: a history may show it late."""

_PATIENCE = 60.0
"""A longer pause than so many seconds is not waited for: whoever called tries again later."""
# Errors after which the message may stand in the channel all the same (chat.postMessage, "Errors").
_UNCLEAR = frozenset({"internal_error", "fatal_error", "request_timeout", "service_unavailable", "team_added_to_org"})
_GONE = frozenset({"channel_not_found", "not_in_channel", "user_not_in_channel"})
_THREAD = frozenset({"thread_not_found", "message_not_found"})
_CLOSED = frozenset({"is_archived", "restricted_action", "restricted_action_read_only_channel", "not_allowed"})
_TOKEN = frozenset({"not_authed", "invalid_auth", "account_inactive", "token_revoked", "token_expired"})
_TRIGGER = frozenset({"expired_trigger_id", "exchanged_trigger_id", "invalid_trigger_id", "trigger_expired"})
_BUSY = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
_POST = "chat.postMessage"
# Methods that one digest calls several times, or all at once after a restart.
_TIERS = {
    **dict.fromkeys(("conversations.history", "conversations.replies", "users.conversations"), limits.TIER_3),
    **dict.fromkeys(("files.getUploadURLExternal", "files.completeUploadExternal"), limits.TIER_4),
}
_BURST = 4
"""Calls of such a method that may follow each other at once, of a minute's number."""


class Gate(NamedTuple):
    """What Slack counts together: a method in a workspace, and for posts the channel."""

    method: str
    team: str
    channel: str = ""

    @property
    def whole(self) -> Gate:
        """The method in all of the workspace."""
        return Gate(self.method, self.team)


class Pace:
    """How calls may follow each other: `burst` of them at once, and one more every `each` seconds. Pure."""

    def __init__(self, each: float, burst: int = 1) -> None:
        self._each = each
        self._ahead = (burst - 1) * each
        self._paid = float("-inf")

    @property
    def opens(self) -> float:
        """When the next call may go."""
        return self._paid - self._ahead

    def take(self, now: float) -> None:
        """A call goes now."""
        self._paid = max(self._paid, now) + self._each


class Caller:
    """Keeps the pace of every gate. Safe for several threads; `clock` and `sleep` are monotonic seconds.

    `settle` is how many seconds after an unclear call is looked for what came of it.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        settle: float = SETTLE,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._settle = settle
        self._lock = threading.Lock()
        self._closed: dict[Gate, float] = {}
        self._paces: dict[Gate, Pace] = {}

    def __call__(
        self,
        gate: Gate,
        send: Callable[[], Any],
        settle: Callable[[], str | None] | None = None,
        check: Callable[[], None] | None = None,
    ) -> Any:
        """The answer of `send`, repeated where it was refused for now, or where `settle` finds nothing of it.

        Without `settle` an unclear call is repeated: it must do no harm twice. `check` is called right before each
        `send`, and what it raises ends it all. Raises the bot's own errors.
        """
        last: DigestError = Unavailable("slack_failed", error="timeout")
        for attempt in range(TRIES):
            self._wait(gate)
            if check:
                check()
            try:
                return send()
            except SlackApiError as error:
                last, wait = translated(error, gate)
                if wait is None or wait > _PATIENCE:
                    raise last from None
                unclear = code(error) in _UNCLEAR or error.response.status_code >= 500
            except (OSError, HTTPException):
                wait, unclear = 1.0, True
            if unclear and settle:
                self._sleep(self._settle)
                if (found := settle()) is not None:
                    return found
            if attempt + 1 < TRIES:
                if unclear:
                    self._pause(gate, wait * 2**attempt)
                else:  # a method is refused in all of a workspace, a post perhaps in its channel only
                    self._pause(gate if gate.method == _POST else gate.whole, wait)
        raise last

    def _wait(self, gate: Gate) -> None:
        """Wait until the gate is open, in its channel and its workspace at once, and go through."""
        while (seconds := self._enter(gate)) > 0:
            self._sleep(seconds)

    def _enter(self, gate: Gate) -> float:
        """Go through the gate if it is open; the seconds until it may be otherwise.

        No place is kept for who waits: one that waits for its channel would keep the workspace waiting.
        """
        with self._lock:
            now = self._clock()
            paces = self._paces_of(gate)
            pauses = [self._closed.get(each, now) for each in (gate, gate.whole)]
            seconds = max(now, *pauses, *(pace.opens for pace in paces)) - now
            if seconds <= 0:
                for pace in paces:
                    pace.take(now)
            return seconds

    def _paces_of(self, gate: Gate) -> list[Pace]:
        """What keeps the limits of a gate; a burst and what follows are within the number of a minute together."""
        if gate.method == _POST:
            each = 60 / limits.WORKSPACE.ours
            return [
                self._paces.setdefault(gate, Pace(limits.PACE)),
                self._paces.setdefault(gate.whole, Pace(each)),
            ]
        if limit := _TIERS.get(gate.method):
            return [self._paces.setdefault(gate.whole, Pace(60 / (limit.ours - _BURST), _BURST))]
        return []

    def _pause(self, gate: Gate, seconds: float) -> None:
        """Keep everybody from a gate for some time."""
        with self._lock:
            self._closed[gate] = max(self._closed.get(gate, 0.0), self._clock() + seconds)


def put(url: str, raw: bytes) -> None:
    """Put the bytes of a file where Slack waits for them. Raises OSError."""
    with urlopen(Request(url, raw), timeout=TIMEOUT) as answer:  # noqa: S310  # Slack's own address
        answer.read()


def code(error: SlackApiError) -> str:
    """The name of Slack's error, empty where the answer was none of Slack's."""
    data = error.response.data
    return str(data.get("error", "")) if isinstance(data, dict) else ""


def translated(error: SlackApiError, gate: Gate) -> tuple[DigestError, float | None]:
    """The error in the bot's terms, and the seconds after which another try may succeed; None for never."""
    name, response = code(error), error.response
    if response.status_code == 429 or name in _BUSY:
        return Unavailable("slack_busy"), float(response.headers.get("Retry-After", 1))
    if name in _GONE:
        return NotFound("slack_channel", channel=gate.channel), None
    if name in _THREAD:
        return ThreadGone("slack_thread", channel=gate.channel), None
    if name in _CLOSED:
        return Forbidden("slack_closed", channel=gate.channel), None
    if name in _TRIGGER:
        return UsageError("slack_form_expired"), None
    if name == "not_allowed_token_type" or (name in _TOKEN and gate.method == "apps.connections.open"):
        return ConfigError("slack_app_token"), None
    if name in _TOKEN:
        return ConfigError("slack_token"), None
    if name == "missing_scope":
        return ConfigError("slack_scope", scope=one_line(str(response.get("needed", "?")), 80)), None
    if name in _UNCLEAR or response.status_code >= 500:
        return Unavailable("slack_failed", error=name or str(response.status_code)), 1.0
    return Unavailable("slack_refused", error=one_line(name, 80)), None
