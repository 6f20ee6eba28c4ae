"""Calls Feishu: its token, rates and retries, and its error codes as the bot's errors.

The SDK gets plain values: each answer has a code, whatever the HTTP status is, and the codes are interpreted only
here.
"""

import json
import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NamedTuple

from adapters import network
from adapters.chats.feishu import limits
from adapters.chats.feishu.sdk import sdk
from adapters.chats.ratelimit import RateLimit, Shared
from adapters.chats.retry import Retrier, Retryable
from adapters.chats.wall import Wall
from bot.errors import ConfigError, DigestError, Forbidden, NotFound, Refused, ThreadGone, Unavailable
from bot.values import one_line

NAME = "feishu"
"""The name used in `Place.chat`."""
TIMEOUT = 15
"""Seconds without a byte after which a call times out."""
TRIES = 4
"""How many times to try before Feishu counts as unavailable."""

_EARLY = 600
"""A token is no longer used this many seconds before it expires."""

Json = dict[str, Any]

# Codes of open.feishu.cn/document, "error codes": server-docs/im-v1/message/create and reply; for those from 99991400
# on server-docs/api-call-guide/generic-error-code.
NO_TOPICS = frozenset({230071})
NO_TOPIC_HERE = frozenset({230072})
"""A message that was forwarded with others cannot start a topic; others in the group can."""
_GROUP_BUSY = 230020
_BUSY = frozenset({99991400, _GROUP_BUSY})
NO_ANSWER = -1
_UNCLEAR = frozenset({NO_ANSWER, 230049, 2200, 1500, 99991500})
_SECRET = frozenset({10003, 10012, 10014, 10015})
_TOKEN = frozenset({99991661, 99991663, 99991664, 99991668, 99991671})
_SCOPE = frozenset({99991672, 99991679, 230027})
_OUT = frozenset({230002, 232011})
_GONE = frozenset({232006, 232009, 230073})
_CLOSED = frozenset({230013, 230017, 230018, 230035, 230050})
_THREAD = frozenset({230011, 230019, 230110})
_WORDS = frozenset({230022, 230028})
_CARD = frozenset({230025, 230099})
_FILE = frozenset({234006, 234010})
_LATE = frozenset({230031})


@dataclass(frozen=True)
class Answer:
    """Feishu's answer: code 0 is success, `NO_ANSWER` means none. `status` is the HTTP status, 0 if there was none."""

    code: int
    message: str = ""
    data: Json = field(default_factory=dict)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def busy(self) -> bool:
        """Whether the request is refused for now."""
        return self.code in _BUSY or self.status == HTTPStatus.TOO_MANY_REQUESTS

    @property
    def after(self) -> float | None:
        """After how many seconds to retry, if Feishu says so."""
        seconds = number(self.headers.get("x-ogw-ratelimit-reset"), -1.0)
        return max(seconds, 0.5) if seconds >= 0 else None

    @property
    def unclear(self) -> bool:
        """Whether the request may have been carried out anyway."""
        return self.code != 0 and self.code not in _BUSY and (self.code in _UNCLEAR or self.status >= 500)


class Gate(NamedTuple):
    """What a rate is counted for: a method of the application, and the group or person that a message goes to."""

    method: str
    target: str = ""

    @property
    def shared(self) -> "Gate":
        """The gate of the target: messages and replies are counted together, other methods separately."""
        return Gate("send" if self.method in ("messages", "reply") else self.method, self.target)


class NoHistory(Unavailable):
    """Feishu has no such history: the group does not exist, or the topic is too new."""


class Api:
    """Calls made with the application's token. Safe for several threads.

    `now` returns seconds since 1970, for the expiry of tokens.
    """

    def __init__(self, app_id: str, secret: str, domain: str, now: Callable[[], float] = time.time) -> None:
        self.app_id = app_id
        self.secret = secret
        self.domain = domain
        self._now = now
        self._token = ""
        self._until = 0.0
        self._lock = threading.Lock()
        self.wall = Wall(now)

    def ask(self, method: str, path: str, *, query: Mapping[str, object] | None = None, body: object = None) -> Answer:
        """Call Feishu with the application's token; if that is refused, a new one is fetched, once.

        If there is no token, the answer is the one to the request for it. Raises Unreachable, and ConfigError for wrong
        network settings.
        """
        return self._with_token(lambda token: self._request(method, path, query, body, token))

    def ask_plainly(self, method: str, path: str, body: object) -> Answer:
        """Call Feishu without a token."""
        return self._request(method, path, None, body, "")

    def upload(self, name: str, raw: bytes) -> Answer:
        """Upload a file; its key is in the answer's data."""
        return self._with_token(lambda token: self._upload(name, raw, token))

    def _with_token(self, send: Callable[[str], Answer]) -> Answer:
        token, answer = self._fresh_token()
        if not token:
            return answer
        answer = send(token)
        if answer.code == 0:
            self.wall.hear(answer.headers)
        if answer.code in _TOKEN:
            self._forget(token)
            token, answer = self._fresh_token()
            return send(token) if token else answer
        return answer

    def _fresh_token(self) -> tuple[str, Answer]:
        """The application's token, fetched if there is none or it expires soon; or empty, with Feishu's answer.

        Several threads may fetch one at the same time: each is valid, and none waits for another's call.
        """
        with self._lock:
            if self._now() < self._until:
                return self._token, Answer(0)
        body = {"app_id": self.app_id, "app_secret": self.secret}
        answer = self.ask_plainly("POST", "/open-apis/auth/v3/tenant_access_token/internal", body)
        token = answer.data.get("tenant_access_token") if answer.code == 0 else None
        if not token:
            return "", answer if answer.code else Answer(NO_ANSWER, "no token", status=502)
        with self._lock:
            self._token = str(token)
            self._until = self._now() + number(answer.data.get("expire"), 2 * _EARLY) - _EARLY
            return self._token, answer

    def _forget(self, token: str) -> None:
        with self._lock:
            if self._token == token:
                self._until = 0.0

    def _request(self, method: str, path: str, query: Mapping[str, object] | None, body: object, token: str) -> Answer:
        request = self._prepared(method, path, body, token)
        request.queries = [(name, _written(value)) for name, value in (query or {}).items()]
        request.headers["Content-Type"] = "application/json; charset=utf-8"
        return self._answered(request, token)

    def _upload(self, name: str, raw: bytes, token: str) -> Answer:
        form = {"file_type": "stream", "file_name": name, "file": (name, raw)}
        body = sdk().transport.MultipartEncoder(form)
        request = self._prepared("POST", "/open-apis/im/v1/files", body, token)
        request.headers["Content-Type"] = body.content_type
        return self._answered(request, token)

    def _prepared(self, method: str, path: str, body: object, token: str) -> Any:
        """A request of the SDK's."""
        lark, request = sdk(), sdk().model.BaseRequest()
        request.http_method, request.uri, request.body = lark.core.HttpMethod[method], path, body
        request.token_types = {lark.core.AccessTokenType.TENANT} if token else set()
        return request

    def _answered(self, request: Any, token: str) -> Answer:
        lark = sdk()
        config, option = lark.model.Config(), lark.model.RequestOption()
        config.domain, config.timeout, option.tenant_access_token = self.domain, TIMEOUT, token
        try:
            raw = lark.transport.Transport.execute(config, request, option)
        except OSError as error:  # requests' errors are subclasses
            if lasting := network.obstacle(error, self.domain):
                raise lasting from None
            return Answer(NO_ANSWER, "connection", status=0)
        return read(raw.status_code, raw.headers, raw.content)


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def number(value: object, default: float) -> float:
    """`value` if it is a number, else `default`."""
    try:
        return float(str(value))
    except ValueError:
        return default


def read(status: int, headers: Mapping[str, str], content: bytes) -> Answer:
    """Parse an answer.

    In the answers about the token and about the bot, the content is next to the code instead of in `data`. A custom
    bot's older answers have only `StatusCode`; newer ones have `code` too.
    """
    known = {name.lower(): value for name, value in headers.items()}
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return Answer(NO_ANSWER, "redirect", status=status, headers=known)  # from a proxy, not from Feishu
    try:
        parsed = json.loads(content)
        code, data = int(parsed.get("code", parsed.get("StatusCode"))), parsed.get("data")
    except (ValueError, AttributeError, TypeError):
        return Answer(NO_ANSWER, "no JSON", status=status, headers=known)
    beside = {name: parsed[name] for name in parsed if name not in ("code", "msg", "data")}
    return Answer(code, str(parsed.get("msg", "")), beside | (data if isinstance(data, dict) else {}), status, known)


class Caller:
    """Calls Feishu within its rate limits. Safe for several threads; `clock` and `sleep` are monotonic seconds."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        shared: Shared | None = None,
    ) -> None:
        """`shared` has the rates that several processes share."""
        self._retrier = Retrier(TRIES, clock, sleep, shared)

    def __call__(self, gate: Gate, send: Callable[[], Answer], check: Callable[[], None] | None = None) -> Answer:
        """The answer to `send`, which is retried while refused for now or unclear: it must be safe to repeat.

        `check` is called right before each `send`; its errors end the attempts. Raises the bot's own errors.
        """

        def attempt() -> Answer:
            answer = send()
            if answer.code == 0:
                return answer
            failure = translated(answer, gate)
            if not (answer.busy or answer.unclear):
                raise failure
            # A refusal is for the whole application, except for a group's own rate.
            key = gate.shared if answer.unclear or answer.code == _GROUP_BUSY else Gate(gate.method)
            raise Retryable(failure, key, answer.after if answer.busy else None)

        return self._retrier(_rates(gate), attempt, check)


_BURST = 30
"""Calls allowed in a burst, out of the number allowed per minute and the 50 per second (…/message/create)."""


def _rates(gate: Gate) -> dict[Hashable, Sequence[RateLimit]]:
    """The keys that a call counts for, with their limits.

    A burst and the following calls stay within the limit per minute.
    """
    whole = RateLimit(60 / (limits.CALLS_A_MINUTE.ours - _BURST), _BURST)
    rates: dict[Hashable, Sequence[RateLimit]] = {Gate(gate.method): (whole,)}
    if gate.target:
        rates[gate.shared] = (RateLimit(1 / (limits.PATCH_RATE if gate.method == "patch" else limits.GROUP_RATE).ours),)
    return rates


def translated(answer: Answer, gate: Gate) -> DigestError:
    """The answer's code as an error of the bot."""
    code, group = answer.code, gate.target
    simple: tuple[tuple[frozenset[int], DigestError], ...] = (
        (_SECRET, ConfigError("feishu_secret")),
        (_TOKEN, ConfigError("feishu_secret")),
        (_SCOPE, ConfigError("feishu_scope", scope=_scope(answer))),
        (frozenset({230006}), ConfigError("feishu_bot_off")),
        (_OUT | _GONE, NotFound("feishu_group", group=group)),
        (_CLOSED, Forbidden("feishu_closed", group=group)),
        (_THREAD, ThreadGone("feishu_thread")),
        (_WORDS, Refused("feishu_words")),
        (_CARD, Refused("feishu_card", error=f"{code} {one_line(answer.message, 120)}")),
        (_FILE, Refused("feishu_file")),
        (_LATE, NotFound("feishu_old")),
    )
    for codes, error in simple:
        if code in codes:
            return error
    if code == 230001 and "message_id" in answer.message:
        return ThreadGone("feishu_thread")
    if code == 230001 and "receive_id" in answer.message:
        return NotFound("feishu_group", group=group)
    if code == 230001 and "container_id" in answer.message:
        return NoHistory("feishu_refused", error=f"{code} {one_line(answer.message, 120)}")
    if answer.busy:
        return Unavailable("feishu_busy")
    if answer.unclear:
        return Unavailable("feishu_failed", error=code if code != NO_ANSWER else answer.message)
    return Unavailable("feishu_refused", error=f"{code} {one_line(answer.message, 120)}")


def _scope(answer: Answer) -> str | tuple[str, ...]:
    """The missing permissions, as far as Feishu names them."""
    violations = (answer.data.get("error") or {}).get("permission_violations") or ()
    named = [str(each.get("subject")) for each in violations if isinstance(each, dict)]
    return tuple(one_line(name, 60) for name in named[:_SCOPES]) or one_line(answer.message, 120)


_SCOPES = 3
"""Permissions that an error names."""
