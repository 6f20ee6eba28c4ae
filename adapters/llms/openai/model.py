"""Any language model behind an OpenAI-compatible chat completions endpoint, hosted or local.

Endpoints differ in what they accept: `dialect` has the forms of requests, `forms` finds the one that works. All threads
keep to the pauses that they ask for (`gate`).
"""

import logging
import random
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from http.client import responses as HTTP_REASONS
from typing import Any, Self

import httpx2
import openai

from adapters import network
from adapters.llms.openai.complaints import (
    about_the_form,
    bad_key,
    complaint,
    error_within,
    filtered,
    no_model,
    no_money,
    status_of,
    too_long,
)
from adapters.llms.openai.dialect import names_a_field
from adapters.llms.openai.endpoint import endpoint
from adapters.llms.openai.forms import Forms, Walk
from adapters.llms.openai.gate import Gate, retry_after
from adapters.llms.openai.reading import asked_tokens, completion, reply_of, thought
from adapters.llms.openai.settings import OpenAISettings
from bot.errors import ConfigError, ContextExceeded, DigestError, Invalid, ModelError, Paused, Unavailable, Unreachable
from bot.ports import Learned
from bot.values import Finish, Question, Reply, Usage, one_line

log = logging.getLogger("adapters.llms.openai")

TRIES = 3
"""How many times a question is sent before a failing service counts as unavailable."""

_CONNECT_SECONDS = 5.0
_BACKOFF_SECONDS = 0.5
_QUOTA_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})

# --- What comes back -------------------------------------------------------------------------

_LARGEST = 2_000_000
"""Bytes of an uncompressed answer: 64,000 tokens of reasoning in Chinese, with every character escaped, are a third."""
_LARGEST_STREAM = 12_000_000
"""Bytes of a streamed answer, in which each piece is surrounded by about 300 bytes: 40,000 tokens."""
_PIECE = 65_536
_FRAMING = frozenset({"content-encoding", "content-length", "transfer-encoding"})
_GZIP = 47  # zlib's value for "gzip or zlib, as the header says"


def unpacked(pieces: Iterable[bytes], coding: str, most: int = _LARGEST) -> bytes | None:
    """A body, decompressed by its Content-Encoding; None if it is above `most` bytes or corrupt.

    Never more than the limit and one piece are in memory, however well the body is compressed. `coding` may be gzip or
    deflate: others are not requested (RFC 9110, section 8.4.1).
    """
    if coding.strip().lower() in {"", "identity"}:
        return _bounded(pieces, most)
    if coding.strip().lower() not in {"gzip", "x-gzip", "deflate"}:
        return None
    try:
        return _bounded(_inflated(pieces), most)
    except zlib.error:
        return None


def _bounded(pieces: Iterable[bytes], most: int) -> bytes | None:
    body = bytearray()
    for piece in pieces:
        if len(body) + len(piece) > most:
            return None
        body += piece
    return bytes(body)


def _inflated(pieces: Iterable[bytes]) -> Iterable[bytes]:
    """The decompressed pieces, none above `_PIECE` bytes. What follows the end of the stream is not read."""
    stream = zlib.decompressobj(_GZIP)
    for piece in pieces:
        packed = piece
        while packed and not stream.eof:
            yield stream.decompress(packed, _PIECE)
            packed = stream.unconsumed_tail
        if stream.eof:
            return


# --- What fails ------------------------------------------------------------------------------


def asked_pause(error: openai.APIError) -> float | None:
    """Seconds that a temporarily failing service asks us to wait; None if it does not say."""
    if isinstance(error, openai.APIStatusError) and _passing(error):
        return retry_after(error.response.headers, datetime.now(UTC))
    return None


def backoff(failures: int, jitter: float) -> float:
    """Seconds to wait after a number of `failures`; `jitter` (0..1) spreads them between half and the whole."""
    return _BACKOFF_SECONDS * float(2 ** (failures - 1)) * (1 + jitter) / 2


def _passing(error: openai.APIError) -> bool:
    """Whether the same request may succeed in a moment."""
    if isinstance(error, openai.APIStatusError):
        return (error.status_code in {408, 409, 429} or error.status_code >= 500) and not _spent(error)
    return isinstance(error, openai.APIConnectionError)


def _lost(error: openai.APIError) -> bool:
    """Whether the question may have reached the model although its answer did not reach us: it is billed anyway."""
    unheard = httpx2.ConnectError | httpx2.ConnectTimeout
    return isinstance(error, openai.APIConnectionError) and not isinstance(error.__cause__, unheard)


def _spent(error: openai.APIStatusError) -> bool:
    """Whether the account has no money left; OpenAI says so with 429 and a code, DeepSeek with 402, others in words."""
    coded = error.status_code == 402 or bool(_QUOTA_CODES & {str(error.code), str(error.type)})
    return coded or (error.status_code < 500 and no_money(complaint(error.body)))


def _outside_error(error: openai.APIError, model: str, url: str, seconds: float, key: str) -> DigestError:
    """An error of the SDK as one of the bot. The server's words are kept only without the key."""
    if isinstance(error, openai.APIStatusError):
        return _status_error(error, model, url, key)
    if lasting := network.obstacle(error, url):
        return lasting
    if isinstance(error, openai.APITimeoutError) and not isinstance(error.__cause__, httpx2.ConnectTimeout):
        return Unavailable("model_timeout", model=model, seconds=f"{seconds:g}")
    return Unavailable("model_unreachable", url=url)


def _status_error(error: openai.APIStatusError, model: str, url: str, key: str) -> DigestError:
    status, said = error.status_code, complaint(error.body)
    if _spent(error):
        return ConfigError("model_quota_spent", model=model)
    if status == 407 and (proxy := network.proxy_for(url)):
        return network.refusal(status, proxy, url)
    if no_model(said) and status in {400, 403, 404}:
        return ConfigError("model_unknown", model=model)
    if status in {401, 403} or (status == 400 and bad_key(said)):
        return ConfigError("model_key_invalid", url=url)
    if status in {404, 405} or status < 400:
        return ConfigError("model_endpoint_wrong", url=url)
    if status == 429:
        return Unavailable("model_throttled", model=model)
    if _passing(error):
        return Unavailable("model_unavailable", model=model, status=status)
    if too_long(said) or status == 413:
        return ContextExceeded("model_context_overflow", model=model)
    reason = one_line(said.replace(key, "…"), 200) or HTTP_REASONS.get(status, "")
    return ModelError("model_request_refused", model=model, status=status, reason=reason)


# --- The shell -------------------------------------------------------------------------------


class _Cutoff:
    """Ends an HTTP exchange after `seconds`, in any phase.

    The client's own timeouts bound each read, so a server that sends byte by byte may go on forever. Shutting down the
    socket wakes the reading thread with an end of file, in any phase, without touching the descriptor it still holds.
    """

    def __init__(self, seconds: float) -> None:
        self.over = False
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True  # the process does not wait for it at exit

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()

    def watch(self, event: str, info: Mapping[str, Any]) -> None:
        """Get the socket from a connection's trace (the `trace` request extension of httpx2)."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")
            if self.over:
                self._shutdown()

    def _cut(self) -> None:
        self.over = True
        self._shutdown()

    def _shutdown(self) -> None:
        try:
            if self._socket is not None:
                # Below TLS: SSLSocket.shutdown would remove the TLS state from the thread that reads.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        except OSError:
            log.debug("the connection was gone before it could be shut down")


class _BoundedClient(httpx2.Client):
    """An HTTP client whose read timeout bounds the whole exchange, from connecting to the last byte of the body.

    Only resolving the host's name is not included: the resolver has its own timeouts. A body that `unpacked` rejects
    becomes empty, which is not a valid answer.
    """

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        with _Cutoff(request.extensions["timeout"]["read"]) as cutoff:
            request.extensions["trace"] = cutoff.watch
            try:
                response = _read(super().send(request, **options | {"stream": True}))
            except httpx2.TransportError:
                if not cutoff.over:
                    raise
        if cutoff.over:  # even if the end of file looked like the end of the answer
            raise httpx2.ReadTimeout("the answer took too long", request=request)
        return response


def _read(response: httpx2.Response) -> httpx2.Response:
    """`response` with its whole body in memory. The client itself would decompress a piece of any size at once."""
    streamed = response.headers.get("content-type", "").startswith("text/event-stream")
    most = _LARGEST_STREAM if streamed else _LARGEST
    try:
        body = unpacked(response.iter_raw(), response.headers.get("content-encoding", ""), most)
    finally:
        response.close()
    if body is None:
        log.warning(
            "an answer was dropped: it has more than %s bytes when decompressed, or an encoding not requested", most
        )
    headers = [(name, value) for name, value in response.headers.multi_items() if name not in _FRAMING]
    return httpx2.Response(response.status_code, headers=headers, content=body or b"", request=response.request)


class OpenAIModel:
    """`LanguageModel` on an OpenAI-compatible endpoint.

    `base_url` ends where `/chat/completions` begins, or is an address of Azure's with its `api-version`; an empty `key`
    is fine for a local server; `timeout` (seconds) limits a whole answer with its retries and pauses; at most
    `concurrency` questions are sent at once, further ones wait. The form that the server accepts is stored in
    `learned`, if given; `now` returns the time.
    """

    def __init__(
        self,
        model: str,
        key: str,
        base_url: str,
        timeout: float,
        concurrency: int,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        learned: Learned | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._model, self._timeout = model, timeout
        self._sleep, self._clock, self._jitter = sleep, clock, jitter
        self._key = key or "no-key-needed"  # the SDK insists on one
        self._endpoint = endpoint(base_url)
        self._url = self._endpoint.url
        self._places = threading.BoundedSemaphore(concurrency)
        self._forms = Forms(model, self._url, learned, now)
        self._gate = Gate(clock, sleep)
        self._first, self._probed = threading.Lock(), False

    @cached_property
    def _client(self) -> openai.OpenAI:
        """The SDK's client, created with the first question. Raises ConfigError for wrong network settings."""
        # A new connection for each request: the cutoff gets the socket when it connects, and a handshake is short
        # compared with an answer.
        # No redirects: questions contain code, and go only to the configured address.
        # No compression: answers are small, and compressed ones have to be unpacked with care.
        proxy = network.proxy_for(self._url)
        http = _BoundedClient(
            headers={"Accept-Encoding": "identity"},
            limits=httpx2.Limits(max_keepalive_connections=0),
            follow_redirects=False,
            verify=network.context(),
            proxy=proxy.url if proxy else None,
            trust_env=False,
        )
        return self._endpoint.client(self._key, http)

    @property
    def name(self) -> str:
        """The model's name as the endpoint knows it."""
        return self._model

    def ask(self, question: Question) -> Reply:
        """One answer, its text without reasoning; `usage.requests` includes failed requests.

        Raises ConfigError (key, model, address, quota), Unavailable, ModelError. Each carries what was spent as the
        field `usage`. The first question of a process is sent alone, so that not all of them search for the form.
        """
        if not self._probed:
            with self._first:
                if not self._probed:
                    try:
                        return self._answer(question)
                    finally:
                        self._probed = True
        return self._answer(question)

    def _answer(self, question: Question) -> Reply:
        with self._places:  # the time starts when it is the question's turn
            ends, walk = self._clock() + self._timeout, self._forms.begin(question)
            spent, failures = Usage(self._model), 0
            while True:
                self._pass_gate(ends, spent)
                spent, body = replace(spent, requests=spent.requests + 1), walk.body
                outcome = self._send(body, ends - self._clock(), spent)
                if isinstance(outcome, Reply):
                    walk.taken()
                    return outcome
                if _refused(walk, outcome):
                    continue
                if _filtered(outcome):
                    return Reply("", Finish.REFUSED, spent)
                if _lost(outcome):
                    spent = replace(spent, prompt=spent.prompt + asked_tokens(body))
                failures += 1
                failure = self._failure(outcome, spent)
                if isinstance(failure, Unreachable) or not self._waited(outcome, failures, ends):
                    raise failure

    def _pass_gate(self, ends: float, spent: Usage) -> None:
        """Wait until the service's pause is over. Raises Paused if that is later than `ends`."""
        asked = self._gate.passed(ends)
        if asked is not None:
            raise Paused("model_paused", model=self._model, seconds=f"{asked:,.0f}", usage=spent)

    def _waited(self, error: openai.APIError, failures: int, ends: float) -> bool:
        """Wait for the backoff, and return whether to retry the question; requested pauses are left to the gate."""
        asked = asked_pause(error)
        if asked is not None:
            self._gate.close(asked)
        if failures >= TRIES or not _passing(error):
            return False
        wait = backoff(failures, self._jitter()) if asked is None else 0
        if wait >= ends - self._clock():
            return False
        if wait:
            self._sleep(wait)
        return True

    def _send(self, body: dict[str, Any], left: float, spent: Usage) -> Reply | openai.APIError:
        """One HTTP request. Errors are returned: raised inside `except`, they would carry the SDK's words along."""
        try:
            timeout = httpx2.Timeout(max(left, 0.001), connect=max(min(left, _CONNECT_SECONDS), 0.001))
            asked = {"model": body["model"], "messages": body["messages"], "extra_body": body, "timeout": timeout}
            raw = self._client.chat.completions.with_raw_response.create(**asked)
        except openai.APIError as error:
            return error
        answer = completion(raw.http_response.content)
        if error_body := error_within(answer):
            return _status_error_within(error_body, raw.http_response)
        if thought(answer):
            self._forms.thinks()
        return reply_of(answer, body, spent)

    def _failure(self, error: openai.APIError, spent: Usage) -> DigestError:
        failure = _outside_error(error, self._model, self._url, self._timeout, self._key)
        failure.fields["usage"] = spent
        return failure


def _refused(walk: Walk, error: openai.APIError) -> bool:
    """Whether the form may be what was refused, and there is a simpler one to try next.

    Some say so with a server's error, and OpenRouter with 404 if no provider accepts all of it: then only if it is
    named.
    """
    if not isinstance(error, openai.APIStatusError) or _spent(error):
        return False
    status, said = error.status_code, complaint(error.body)
    mute = status in {400, 415, 422, 501}
    if not about_the_form(said) or not (mute or (status in {404, 500} and names_a_field(said))):
        return False
    return walk.refused(said, mute=mute or status == 404)


def _status_error_within(body: object, response: httpx2.Response) -> openai.APIStatusError:
    """The error in an answer with status 200, as if it had its own status."""
    response_of_error = httpx2.Response(status_of(body), headers=response.headers, request=response.request)
    return openai.APIStatusError("an error within an answer", response=response_of_error, body=body)


def _filtered(error: openai.APIError) -> bool:
    """Whether a filter stopped the question before the model saw it."""
    return 400 <= getattr(error, "status_code", 0) < 500 and filtered(complaint(error.body))


def from_settings(settings: OpenAISettings, learned: Learned | None = None) -> OpenAIModel:
    """The configured model. Raises ConfigError for an unusable address or key."""
    key = settings.openai_api_key.get_secret_value().strip()
    if not (key.isascii() and key.isprintable()):
        raise ConfigError("setting_invalid", name="OPENAI_API_KEY", problem=Invalid("problem_key"))
    url = settings.openai_base_url.strip()
    endpoint(url)
    timeout, concurrency = settings.openai_timeout, settings.openai_concurrency
    return OpenAIModel(settings.openai_model, key, url, timeout, concurrency, learned=learned)
