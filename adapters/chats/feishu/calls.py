"""Calling Feishu: its token, its rates, its patience, and its codes in the bot's own terms.

lark_oapi takes seconds to import, which happens with the first client. Its client is asked with plain values: each of
its answers is a code, whatever the HTTP status says, and the codes are read here, once.
"""

import io
import json
import logging
import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any, NamedTuple

import requests

from adapters import network, sessions
from adapters.chats.feishu import limits
from adapters.chats.ratelimit import RateLimit, Shared
from adapters.chats.retry import Retrier, Retryable
from adapters.chats.wall import Wall
from bot import imports
from bot.errors import ConfigError, DigestError, Forbidden, NotFound, Refused, ThreadGone, Unavailable
from bot.values import one_line

NAME = "feishu"
"""The name that stands in `Place.chat`."""
TIMEOUT = 15
"""Seconds without a byte after which a call is given up."""
TRIES = 4
"""How often something is sent before Feishu is called unavailable."""

_EARLY = 600
"""Seconds before its end after which a token is not used any more."""

Json = dict[str, Any]

# Codes of open.feishu.cn/document, "error codes": server-docs/im-v1/message/create and reply; for those from 99991400
# on server-docs/api-call-guide/generic-error-code.
NO_TOPICS = frozenset({230071})
NO_TOPIC_HERE = frozenset({230072})
"""A message that was forwarded with others cannot begin a topic; the group's others can."""
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
    """What Feishu said: 0 is success, `NO_ANSWER` that it said nothing. `status` is HTTP's, 0 where there was none."""

    code: int
    message: str = ""
    data: Json = field(default_factory=dict)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def busy(self) -> bool:
        """Whether what was asked is refused for now."""
        return self.code in _BUSY or self.status == HTTPStatus.TOO_MANY_REQUESTS

    @property
    def after(self) -> float | None:
        """Seconds after which a busy Feishu wants to be asked again, where it says so."""
        seconds = number(self.headers.get("x-ogw-ratelimit-reset"), -1.0)
        return max(seconds, 0.5) if seconds >= 0 else None

    @property
    def unclear(self) -> bool:
        """Whether what was asked may have been done all the same."""
        return self.code != 0 and self.code not in _BUSY and (self.code in _UNCLEAR or self.status >= 500)


class Gate(NamedTuple):
    """What Feishu counts together: a method of the application, and the group or person that a message is for."""

    method: str
    target: str = ""

    @property
    def shared(self) -> "Gate":
        """What is counted for the target: messages and replies as one, anything else by itself."""
        return Gate("send" if self.method in ("messages", "reply") else self.method, self.target)


class NoHistory(Unavailable):
    """Feishu has no history of that name: of a group that is not there, or of a topic that is too new."""


class Api:
    """The application's client. Safe for several threads.

    `now` is seconds since 1970, by which a token ends.
    """

    def __init__(self, app_id: str, secret: str, domain: str, now: Callable[[], float] = time.time) -> None:
        self.app_id = app_id
        self.secret = secret
        self.domain = domain
        self._now = now
        self._client: Any = None
        self._token = ""
        self._until = 0.0
        self._lock = threading.Lock()
        self.wall = Wall(now)

    def ask(self, method: str, path: str, *, query: Mapping[str, object] | None = None, body: object = None) -> Answer:
        """What Feishu answers, with the application's token, which is fetched anew once where it is refused.

        Where no token is to be had, the answer is the one to the question for it. Raises Unreachable and ConfigError
        where the network is not set up for it.
        """
        return self._with_token(lambda token: self._request(method, path, query, body, token))

    def ask_plainly(self, method: str, path: str, body: object) -> Answer:
        """What Feishu answers without a token."""
        return self._request(method, path, None, body, "")

    def upload(self, name: str, raw: bytes) -> Answer:
        """What Feishu answers to a file; its key is in the data."""
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
        """The token of the application, fetched where there is none or it ends soon; empty with what Feishu said.

        Several threads may fetch one at a time: each is good, and none waits for another's call.
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
        lark = sdk()
        request = lark.BaseRequest.builder().http_method(lark.HttpMethod[method]).uri(path)
        request = request.headers({"Content-Type": "application/json; charset=utf-8"}).body(body)
        request = request.queries([(name, _written(value)) for name, value in (query or {}).items()])
        request = request.token_types({lark.AccessTokenType.TENANT} if token else set())
        return self._answered(lambda option: self._sdk_client().request(request.build(), option), token)

    def _upload(self, name: str, raw: bytes, token: str) -> Answer:
        from lark_oapi.api.im.v1 import CreateFileRequest, CreateFileRequestBody  # noqa: PLC0415

        file = io.BytesIO(raw)
        file.name = name
        body = CreateFileRequestBody.builder().file_type("stream").file_name(name).file(file).build()
        request = CreateFileRequest.builder().request_body(body).build()
        return self._answered(lambda option: self._sdk_client().im.v1.file.create(request, option), token)

    def _answered(self, send: Callable[[Any], Any], token: str) -> Answer:
        option = sdk().RequestOption.builder().tenant_access_token(token).build()
        try:
            raw = send(option).raw
        except OSError as error:  # requests' errors are such
            if lasting := network.obstacle(error, self.domain):
                raise lasting from None
            return Answer(NO_ANSWER, "connection", status=0)
        except (ValueError, AttributeError, TypeError):  # the SDK reads any answer as an object of JSON
            return Answer(NO_ANSWER, "no JSON", status=502)
        return read(raw.status_code, raw.headers, raw.content)

    def _sdk_client(self) -> Any:
        if self._client is None:
            lark = sdk()
            builder = lark.Client.builder().app_id(self.app_id).app_secret(self.secret).domain(self.domain)
            self._client = builder.timeout(TIMEOUT).enable_set_token(True).log_level(lark.LogLevel.CRITICAL).build()
        return self._client


@cache
def sdk() -> Any:
    """lark_oapi, imported when it is first needed, and silenced: it prints to standard output, tickets among it.

    It is kept from following redirects: it would take the application's secret along, in the body. It reaches Feishu as
    `adapters.network` says.
    """
    with imports.of_much():
        import lark_oapi  # noqa: PLC0415
        from lark_oapi.core.http import transport  # noqa: PLC0415

    transport.requests = SimpleNamespace(request=_request)

    logger = logging.getLogger("Lark")
    logger.handlers.clear()
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    return lark_oapi


def _request(method: str, url: str, **options: Any) -> requests.Response:
    with sessions.equip(requests.Session()) as session:
        return session.request(method, url, **options, allow_redirects=False)


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def number(value: object, default: float) -> float:
    """A number as it came, or another one where none did."""
    try:
        return float(str(value))
    except ValueError:
        return default


def read(status: int, headers: Mapping[str, str], content: bytes) -> Answer:
    """An answer as it came. Some lie beside the code instead of in `data`: the token, what the bot is.

    A custom bot's older answers have only `StatusCode`, which newer ones keep beside `code`.
    """
    known = {name.lower(): value for name, value in headers.items()}
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return Answer(NO_ANSWER, "redirect", status=status, headers=known)  # somebody's in between, not Feishu's
    try:
        parsed = json.loads(content)
        code, data = int(parsed.get("code", parsed.get("StatusCode"))), parsed.get("data")
    except (ValueError, AttributeError, TypeError):
        return Answer(NO_ANSWER, "no JSON", status=status, headers=known)
    beside = {name: parsed[name] for name in parsed if name not in ("code", "msg", "data")}
    return Answer(code, str(parsed.get("msg", "")), beside | (data if isinstance(data, dict) else {}), status, known)


class Caller:
    """Calls Feishu within its rates. Safe for several threads; `clock` and `sleep` are monotonic seconds."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        shared: Shared | None = None,
    ) -> None:
        """`shared` holds the rates of several processes."""
        self._retrier = Retrier(TRIES, clock, sleep, shared)

    def __call__(self, gate: Gate, send: Callable[[], Answer], check: Callable[[], None] | None = None) -> Answer:
        """The answer to `send`, repeated while it is refused for now or unclear: it must do no harm twice.

        `check` is called right before each `send`, and what it raises ends it all. Raises the bot's own errors.
        """

        def attempt() -> Answer:
            answer = send()
            if answer.code == 0:
                return answer
            failure = translated(answer, gate)
            if not (answer.busy or answer.unclear):
                raise failure
            # What is refused for now is refused to all of the application, but for a group's own rate.
            key = gate.shared if answer.unclear or answer.code == _GROUP_BUSY else Gate(gate.method)
            raise Retryable(failure, key, answer.after if answer.busy else None)

        return self._retrier(_rates(gate), attempt, check)


_BURST = 30
"""Calls that may follow each other at once, of a minute's number, and of the 50 of a second (…/message/create)."""


def _rates(gate: Gate) -> dict[Hashable, Sequence[RateLimit]]:
    """What a call counts for, and the rates there. A burst and what follows are within a minute's number together."""
    whole = RateLimit(60 / (limits.CALLS_A_MINUTE.ours - _BURST), _BURST)
    rates: dict[Hashable, Sequence[RateLimit]] = {Gate(gate.method): (whole,)}
    if gate.target:
        rates[gate.shared] = (RateLimit(1 / (limits.PATCH_RATE if gate.method == "patch" else limits.GROUP_RATE).ours),)
    return rates


def translated(answer: Answer, gate: Gate) -> DigestError:
    """The answer's code as an error in the bot's terms."""
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
    """The permissions that are missing, as far as Feishu names them."""
    violations = (answer.data.get("error") or {}).get("permission_violations") or ()
    named = [str(each.get("subject")) for each in violations if isinstance(each, dict)]
    return tuple(one_line(name, 60) for name in named[:_SCOPES]) or one_line(answer.message, 120)


_SCOPES = 3
"""Permissions that an error names."""
