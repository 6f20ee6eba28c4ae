"""Calling Slack: no faster than it allows, again where it asks for patience, once where a second time would double.

No handler of the SDK's is used: its own repeats a post whose connection dropped, and doubles the message.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry import RetryHandler

from adapters.chats.slack import limits
from adapters.pace import Gates, Rate
from bot.errors import ConfigError, DigestError, Forbidden, NotFound, ThreadGone, Unavailable, UsageError
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
        self._gates = Gates(clock, sleep)
        self._sleep = sleep
        self._settle = settle

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
            self._gates.wait(_gates(gate))
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
                    self._gates.pause(gate, wait * 2**attempt)
                else:  # a method is refused in all of a workspace, a post perhaps in its channel only
                    self._gates.pause(gate if gate.method == _POST else gate.whole, wait)
        raise last


def _gates(gate: Gate) -> dict[Hashable, Sequence[Rate]]:
    """What a call goes through, in its channel and its workspace at once, and the rates there.

    A burst and what follows are within the number of a minute together.
    """
    if gate.method == _POST:
        return {gate.whole: (Rate(60 / limits.WORKSPACE.ours),), gate: (Rate(limits.PACE),)}
    limit = _TIERS.get(gate.method)
    return {gate: (), gate.whole: (Rate(60 / (limit.ours - _BURST), _BURST),) if limit else ()}


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
