"""Calling Slack: no faster than it allows, again where it asks for patience, once where a second time would double.

No handler of the SDK's is used: its own repeats a post whose connection dropped, and doubles the message.
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
"""For every client that is made."""
TIMEOUT = 15
"""Seconds one call may take."""
TRIES = 4
"""How often something is sent before Slack is called unavailable."""
SETTLE = 5.0
"""Seconds until a message that was taken is looked for: a history may show it late."""

LOOKED_AT = 60
"""Pages of a history in which a message is looked for that was just sent."""
# Errors after which the message may stand in the channel all the same (chat.postMessage, "Errors").
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
"""Calls of such a method that may follow each other at once, of a minute's number."""


class StayingClient(WebClient):
    """The SDK's client, which would follow a redirect anywhere with its token; this one follows none.

    Bolt copies it for each request.
    """

    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:  # noqa: ARG002
        _compact(req)
        with outgoing.ask(req, self.timeout) as answer:
            return {"status": answer.status, "headers": answer.headers, "body": _text(answer)}


class StayingWebhook(WebhookClient):
    """The SDK's client of an address that is itself a secret; it follows no redirect."""

    def _perform_http_request_internal(self, url: str, req: Request) -> WebhookResponse:
        _compact(req)
        with outgoing.ask(req, self.timeout) as answer:
            return WebhookResponse(url=url, status_code=answer.status, body=_text(answer), headers=dict(answer.headers))


def _compact(request: Request) -> None:
    """Take spaces and escapes, which the SDK writes, out of JSON: Slack may count it as it comes."""
    if isinstance(request.data, bytes) and str(request.get_header("Content-type")).startswith("application/json"):
        with suppress(UnicodeEncodeError):  # half of a character, which only an escape can hold
            compact = json.dumps(json.loads(request.data), ensure_ascii=False, separators=(",", ":"))
            request.data = compact.encode()


def _text(answer: HTTPResponse) -> str:
    return answer.read().decode(answer.headers.get_content_charset() or "utf-8")


class TooLong(Unavailable):
    """A message holds more than Slack takes; nothing of it is posted."""


class Gate(NamedTuple):
    """What Slack counts together: a method in a workspace, and for posts the channel."""

    method: str
    team: str
    channel: str = ""

    @property
    def whole(self) -> "Gate":
        """The method in all of the workspace."""
        return Gate(self.method, self.team)


class Caller:
    """Calls Slack at the pace of every gate. Safe for several threads; `clock` and `sleep` are monotonic seconds.

    `settle` is how many seconds after an unclear call is looked for what came of it.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        settle: float = SETTLE,
        hear: Callable[[Mapping[str, str]], None] = lambda _: None,
        shared: Shared | None = None,
    ) -> None:
        """`hear` gets the headers of every answer that Slack gave to a token; `shared` holds the rates of several."""
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
        """The answer of `send`, repeated where it was refused for now, or where `settle` finds nothing of it.

        Without `settle` an unclear call is repeated: it must do no harm twice. `check` is called right before each
        `send`, and what it raises ends it all. Raises the bot's own errors.
        """

        def attempt() -> Any:
            try:
                answer = send()
                if isinstance(answer, SlackResponse):
                    self._hear(answer.headers)
                return answer
            except SlackApiError as error:
                failure = translated(error, gate)
                if _busy(error):  # a method is refused in all of a workspace, a post perhaps in its channel only
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
        """The answers of a method that gives what it has in pages, each once it is wanted; None: as many as it has."""
        more: dict[str, Any] = {}
        for _ in count() if most is None else range(most):
            page: SlackResponse = self(gate, partial(read, **arguments, **more))
            yield page
            more = {"cursor": (page.get("response_metadata") or {}).get("next_cursor")}
            if not more["cursor"]:
                return


def _rates(gate: Gate) -> dict[Hashable, Sequence[RateLimit]]:
    """What a call counts for, in its channel and its workspace at once, and the rates there.

    A burst and what follows are within the number of a minute together.
    """
    if gate.method == _POST:
        return {gate.whole: (RateLimit(60 / limits.WORKSPACE.ours),), gate: (RateLimit(limits.PACE),)}
    limit = _TIERS.get(gate.method)
    return {gate: (), gate.whole: (RateLimit(60 / (limit.ours - _BURST), _BURST),) if limit else ()}


def put(asked: str, url: str, raw: bytes) -> None:
    """Put the bytes of a file where Slack waits for them, as an answer from `asked` said. Raises OSError, Unavailable.

    They go to no host that is not Slack's.
    """
    if not addresses.serves(Service.SLACK, asked, url):
        raise Unavailable("slack_failed", error="upload_url")
    with outgoing.ask(Request(url, raw), TIMEOUT) as answer:  # noqa: S310  # Slack's own address
        answer.read()


def code(error: SlackApiError) -> str:
    """The name of Slack's error, empty where the answer was none of Slack's."""
    data = error.response.data
    return str(data.get("error", "")) if isinstance(data, dict) else ""


def _busy(error: SlackApiError) -> bool:
    return error.response.status_code == 429 or code(error) in _BUSY


def _unclear(error: SlackApiError) -> bool:
    """Whether what was asked may have been done all the same; a redirect is somebody's in between."""
    return code(error) in _UNCLEAR or error.response.status_code >= 500 or 300 <= error.response.status_code < 400


def translated(error: SlackApiError, gate: Gate) -> DigestError:
    """The error in the bot's terms."""
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
