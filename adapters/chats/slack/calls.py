"""Calls Slack: within its rates, with retries when rate-limited, and only once if repeating would post a duplicate.

The SDK's retry handlers are not used: its default repeats a post whose connection dropped, which duplicates it.
"""

import json
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from http.client import HTTPException, HTTPResponse
from itertools import count
from typing import Any, NamedTuple
from urllib.request import Request

from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry import RetryHandler
from slack_sdk.web import SlackResponse, WebClient
from slack_sdk.webhook import WebhookClient, WebhookResponse

from adapters import outgoing
from adapters.chats.ratelimit import RateLimit, Shared
from adapters.chats.retry import Retrier, Retryable
from adapters.chats.slack import limits
from bot import addresses
from bot.addresses import Service
from bot.errors import ConfigError, DigestError, Forbidden, NotFound, NoThreads, ThreadGone, Unavailable, UsageError
from bot.values import one_line

NO_RETRIES: list[RetryHandler] = []
"""For every client."""
TIMEOUT = 15
"""Seconds one call may take."""
TRIES = 4
"""How many times to try before Slack counts as unavailable."""
SETTLE = 5.0
"""Seconds to wait before looking for a message that may have been accepted: a history may show it late."""

LOOKED_AT = 60
"""Pages of a history to search for a message that was just sent."""
# Errors after which the message may be in the channel anyway (chat.postMessage, "Errors").
_UNCLEAR = frozenset({"internal_error", "fatal_error", "request_timeout", "service_unavailable", "team_added_to_org"})
_GONE = frozenset({"channel_not_found", "not_in_channel", "user_not_in_channel"})
_NOBODY = frozenset({"user_not_found", "user_not_visible", "users_not_found"})
_THREAD = frozenset({"thread_not_found", "message_not_found"})
_NO_THREADS = frozenset({"restricted_action_non_threadable_channel", "restricted_action_thread_locked"})
_CLOSED = frozenset({"is_archived", "restricted_action", "restricted_action_read_only_channel", "not_allowed"})
_TOKEN = frozenset({"not_authed", "invalid_auth", "account_inactive", "token_revoked", "token_expired"})
_TRIGGER = frozenset({"expired_trigger_id", "exchanged_trigger_id", "invalid_trigger_id", "trigger_expired"})
_BUSY = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
_TOO_LONG = frozenset({"msg_blocks_too_long", "msg_too_long"})
_POST = "chat.postMessage"
# Methods that one digest calls several times, or all at once after a restart.
_TIERS = {
    **dict.fromkeys(("conversations.history", "conversations.replies", "users.conversations"), limits.TIER_3),
    "conversations.info": limits.TIER_3,
    "users.list": limits.TIER_2,
    **dict.fromkeys(("users.info", "conversations.members"), limits.TIER_4),
    **dict.fromkeys(("files.getUploadURLExternal", "files.completeUploadExternal"), limits.TIER_4),
}
_BURST = 4
"""Calls of such a method allowed in a burst, out of the number allowed per minute."""


class StayingClient(WebClient):
    """The SDK's client, but without redirects, which it would follow anywhere with its token.

    Bolt copies it for each request.
    """

    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:  # noqa: ARG002
        _compact(req)
        with outgoing.ask(req, self.timeout) as answer:
            return {"status": answer.status, "headers": answer.headers, "body": _text(answer)}


class StayingWebhook(WebhookClient):
    """The SDK's client for an address that is itself a secret, but without redirects."""

    def _perform_http_request_internal(self, url: str, req: Request) -> WebhookResponse:
        _compact(req)
        with outgoing.ask(req, self.timeout) as answer:
            return WebhookResponse(url=url, status_code=answer.status, body=_text(answer), headers=dict(answer.headers))


def _compact(request: Request) -> None:
    """Remove spaces and escapes, which the SDK writes, from JSON: Slack may count it as sent."""
    if isinstance(request.data, bytes) and str(request.get_header("Content-type")).startswith("application/json"):
        with suppress(UnicodeEncodeError):  # a lone surrogate, which only an escape can represent
            compact = json.dumps(json.loads(request.data), ensure_ascii=False, separators=(",", ":"))
            request.data = compact.encode()


def _text(answer: HTTPResponse) -> str:
    return answer.read().decode(answer.headers.get_content_charset() or "utf-8")


class TooLong(Unavailable):
    """A message is longer than Slack accepts; nothing of it is posted."""


class Gate(NamedTuple):
    """What a rate is counted for: a method in a workspace, and for posts the channel."""

    method: str
    team: str
    channel: str = ""

    @property
    def whole(self) -> "Gate":
        """The gate of the method in the whole workspace."""
        return Gate(self.method, self.team)


class Caller:
    """Calls Slack within the rates of each gate. Safe for several threads; `clock` and `sleep` are monotonic seconds.

    `settle` is how many seconds to wait after an unclear call before looking for its result.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        settle: float = SETTLE,
        hear: Callable[[Mapping[str, str]], None] = lambda _: None,
        shared: Shared | None = None,
    ) -> None:
        """`hear` gets the headers of authenticated answers; `shared` has the rates that several processes share."""
        self._retrier = Retrier(TRIES, clock, sleep, shared)
        self._sleep = sleep
        self._settle = settle
        self._hear = hear

    def __call__(
        self,
        gate: Gate,
        send: Callable[[], Any],
        settle: Callable[[], str | None] | None = None,
        check: Callable[[], None] | None = None,
    ) -> Any:
        """The answer to `send`, which is retried if refused for now, or if `settle` does not find its result.

        Without `settle` an unclear call is repeated: it must be safe to repeat. `check` is called right before each
        `send`; its errors end the attempts. Raises the bot's own errors.
        """

        def attempt() -> Any:
            try:
                answer = send()
                if isinstance(answer, SlackResponse):
                    self._hear(answer.headers)
                return answer
            except SlackApiError as error:
                failure = translated(error, gate)
                if _busy(error):  # a method is refused in the whole workspace, a post perhaps only in its channel
                    key = gate if gate.method == _POST else gate.whole
                    raise Retryable(failure, key, float(error.response.headers.get("Retry-After", 1))) from None
                if not _unclear(error):
                    raise failure from None
            except (OSError, HTTPException):
                failure = Unavailable("slack_failed", error="timeout")
            if settle:
                self._sleep(self._settle)
                if (found := settle()) is not None:
                    return found
            raise Retryable(failure, gate)

        return self._retrier(_rates(gate), attempt, check)

    def pages(
        self,
        gate: Gate,
        read: Callable[..., SlackResponse],
        arguments: Mapping[str, Any],
        most: int | None = LOOKED_AT,
    ) -> Iterator[SlackResponse]:
        """The pages of a method's answer, each requested when needed; at most `most` of them (None: all)."""
        more: dict[str, Any] = {}
        for _ in count() if most is None else range(most):
            page: SlackResponse = self(gate, partial(read, **arguments, **more))
            yield page
            more = {"cursor": (page.get("response_metadata") or {}).get("next_cursor")}
            if not more["cursor"]:
                return


def _rates(gate: Gate) -> dict[Hashable, Sequence[RateLimit]]:
    """The keys that a call counts for, its channel and its workspace, with their limits.

    A burst and the following calls stay within the limit per minute.
    """
    if gate.method == _POST:
        return {gate.whole: (RateLimit(60 / limits.WORKSPACE.ours),), gate: (RateLimit(limits.PACE),)}
    limit = _TIERS.get(gate.method)
    return {gate: (), gate.whole: (RateLimit(60 / (limit.ours - _BURST), _BURST),) if limit else ()}


def put(asked: str, url: str, raw: bytes) -> None:
    """Upload the bytes of a file to the address that an answer from `asked` gave. Raises OSError, Unavailable.

    They are only sent to hosts of Slack.
    """
    if not addresses.serves(Service.SLACK, asked, url):
        raise Unavailable("slack_failed", error="upload_url")
    with outgoing.ask(Request(url, raw), TIMEOUT) as answer:  # noqa: S310  # Slack's own address
        answer.read()


def code(error: SlackApiError) -> str:
    """The code of Slack's error; empty if the answer was not Slack's."""
    data = error.response.data
    return str(data.get("error", "")) if isinstance(data, dict) else ""


def _busy(error: SlackApiError) -> bool:
    return error.response.status_code == 429 or code(error) in _BUSY


def _unclear(error: SlackApiError) -> bool:
    """Whether the request may have been carried out anyway; a redirect comes from a proxy."""
    return code(error) in _UNCLEAR or error.response.status_code >= 500 or 300 <= error.response.status_code < 400


def translated(error: SlackApiError, gate: Gate) -> DigestError:
    """The error as one of the bot's."""
    name, response = code(error), error.response
    if _busy(error):
        return Unavailable("slack_busy")
    if name in _TOKEN and gate.method == "apps.connections.open":
        return ConfigError("slack_app_token")
    named: tuple[tuple[frozenset[str], DigestError], ...] = (
        (_GONE, NotFound("slack_channel", channel=gate.channel)),
        (_NOBODY, NotFound("slack_person")),
        (_THREAD, ThreadGone("slack_thread", channel=gate.channel)),
        (_NO_THREADS, NoThreads("slack_no_threads", channel=gate.channel)),
        (_CLOSED, Forbidden("slack_closed", channel=gate.channel)),
        (_TRIGGER, UsageError("slack_form_expired")),
        (frozenset({"not_allowed_token_type"}), ConfigError("slack_app_token")),
        (_TOKEN, ConfigError("slack_token")),
    )
    for names, failure in named:
        if name in names:
            return failure
    if name == "missing_scope":
        return ConfigError("slack_scope", scope=one_line(str(response.get("needed", "?")), 80))
    if _unclear(error):
        return Unavailable("slack_failed", error=name or str(response.status_code))
    if name in _TOO_LONG:
        return TooLong("slack_refused", error=name)
    return Unavailable("slack_refused", error=one_line(name, 80))
