"""Any language model behind an OpenAI-compatible chat completions endpoint, hosted or local.

Endpoints differ in what they take. Each difference is a ladder of ways to ask (`LADDERS`); a 400 or 422 that names the
thing refused leads one rung down, and how far down a model stands is kept for the life of the process.
"""

import json
import logging
import random
import re
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from http.client import responses as HTTP_REASONS
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import httpx2
import openai

from adapters import network
from adapters.llms.openai.settings import OpenAISettings
from bot.errors import ConfigError, ContextExceeded, DigestError, ModelError, Unavailable, Unreachable
from bot.values import Finish, Question, Reply, Usage, one_line

log = logging.getLogger("adapters.llms.openai")

TRIES = 3
"""How often a question is sent before a failing service is called unavailable."""

_CONNECT_SECONDS = 5.0
_BACKOFF_SECONDS = 0.5

# --- What an endpoint takes ------------------------------------------------------------------


class Dialect(NamedTuple):
    """How far an endpoint has pushed us down each ladder: the rung, counted from 0, that is used now."""

    format: int = 0
    limit: int = 0
    temperature: int = 0

    def joined(self, other: "Dialect") -> "Dialect":
        """The lower rung of each; the order of joins does not matter, so threads cannot pull to and fro."""
        return Dialect(*map(max, self, other))

    def rungs(self) -> tuple[str, ...]:
        """The names of the rungs stood on, one a ladder."""
        return tuple(ladder[rung] for ladder, rung in zip(LADDERS, self, strict=True))


LADDERS = (
    # Without a bound, a small model fills a list until its answer is cut off. OpenAI and llama.cpp take maxItems, Azure
    # and fine-tuned models do not. Sources: OpenAI, "Structured model outputs"; Azure OpenAI, "Structured outputs".
    ("json_schema with maxItems", "json_schema", "json_object", "text"),
    # OpenAI calls max_tokens deprecated, and its reasoning models refuse it by name. Ollama and LM Studio know nothing
    # else and ignore max_completion_tokens without a word: the loud refusal makes max_tokens the safe first try.
    # Sources: OpenAI API reference, "Create chat completion"; ollama/ollama issue 7125.
    ("max_tokens", "max_completion_tokens"),
    # Reasoning models take no temperature but the default ("unsupported_value").
    ("temperature 0", "default temperature"),
)
"""The ways to ask, best first; in the order of the fields of `Dialect`."""

_REFUSED = re.compile(
    r"unsupported|not support|unknown|unrecogni|unexpected|not permitted|not allowed|not available|extra|instead|"
    r"deprecated"
)
_FORMAT = re.compile(r"response_format|json_schema|json_object|json.?mode|structured.?output|schema|grammar")
_LIMIT = re.compile(r"max_(?:completion_)?tokens")
_TEMPERATURE = re.compile(r"temperature")
# `context_length_exceeded` is OpenAI's code, `exceed_context_size_error` llama.cpp's type; vLLM has only sentences.
_OVERFLOW = re.compile(
    r"context.?(?:length|size|window)|maximum context|prompt is too long|too many tokens|reduce the length|"
    r"max_tokens must be at least 1, got -"
)
# OpenAI and Azure `content_filter`, Alibaba `data_inspection_failed`, DeepSeek "Content Exists Risk", OpenRouter
# "flagged".
_FILTERED = re.compile(
    r"content_filter|content.policy|content management|data_?inspection|content exists risk|moderation|flagged"
)
_NO_MODEL = re.compile(
    r"model_not_found|not a valid model|(?:invalid|unknown|no such) model|\bmodel\b.*\bnot (?:exist|found)"
)
_QUOTA_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_COMPLAINT_KEYS = ("message", "msg", "loc", "param", "code", "type", "error", "detail", "metadata", "raw")


_COMPLAINT_DEPTH = 8  # levels of an error body that are read; some servers wrap the error of another in theirs


def complaint(body: object, depth: int = _COMPLAINT_DEPTH) -> str:
    """What an error body says, of its telling fields only: FastAPI servers echo the whole request beside them."""
    if isinstance(body, Mapping | list) and not depth:
        return ""
    if isinstance(body, Mapping):
        return " ".join(filter(None, (complaint(body.get(key), depth - 1) for key in _COMPLAINT_KEYS)))
    if isinstance(body, list):
        return " ".join(complaint(part, depth - 1) for part in body)
    return "" if body is None else str(body)[:2000]


def next_dialect(dialect: Dialect, said: str) -> Dialect | None:
    """One rung down each ladder that the complaint names; None where it is about something else."""
    said = said.lower()
    if _OVERFLOW.search(said) or _FILTERED.search(said) or _NO_MODEL.search(said):
        return None
    limit = _LIMIT.search(said) and _REFUSED.search(said)
    named = (_FORMAT.search(said), limit, _TEMPERATURE.search(said))
    last = (len(ladder) - 1 for ladder in LADDERS)
    lower = Dialect(*(min(rung + bool(hit), end) for rung, hit, end in zip(dialect, named, last, strict=True)))
    return lower if lower != dialect else None


# --- What is sent ----------------------------------------------------------------------------

_THOUGHT_TOKENS = 16_000
"""Room for the thoughts of a model that wants `max_completion_tokens`, which counts them (`max_tokens` never did).

Without it a model that thinks for long answers nothing at all, with finish_reason "length". It is a ceiling, and seldom
reached. Source: OpenAI API reference, "Create chat completion", max_completion_tokens.
"""

_KEPT_KEYWORDS = ("type", "description", "enum", "const")


def strict_schema(schema: Mapping[str, Any], *, bounded: bool = False) -> dict[str, Any]:
    """`schema` as strict structured outputs take it: objects closed, every property required, no constraints.

    Lengths, patterns, bounds and defaults go, but `maxItems` where `bounded`: some models refuse them, and the reply is
    checked against the full schema anyway. Source: OpenAI, "Structured model outputs", supported schemas.
    """
    if "$ref" in schema:  # a reference may have no sibling
        return {"$ref": schema["$ref"]}
    kept = (*_KEPT_KEYWORDS, "maxItems") if bounded else _KEPT_KEYWORDS
    strict: dict[str, Any] = {key: schema[key] for key in kept if key in schema}
    if "properties" in schema:
        parts = schema["properties"].items()
        strict["properties"] = {name: strict_schema(part, bounded=bounded) for name, part in parts}
        strict |= {"required": list(strict["properties"]), "additionalProperties": False}
    if "items" in schema:
        strict["items"] = strict_schema(schema["items"], bounded=bounded)
    if "anyOf" in schema:
        strict["anyOf"] = [strict_schema(part, bounded=bounded) for part in schema["anyOf"]]
    if "$defs" in schema:
        strict["$defs"] = {name: strict_schema(part, bounded=bounded) for name, part in schema["$defs"].items()}
    return strict


def request_body(model: str, question: Question, dialect: Dialect) -> dict[str, Any]:
    """The body of a chat completion that asks `question` the way `dialect` says."""
    form, limit, _ = dialect.rungs()
    system = question.system
    room = _THOUGHT_TOKENS if limit == "max_completion_tokens" else 0
    body: dict[str, Any] = {"model": model, limit: question.max_tokens + room}
    if not dialect.temperature:
        body["temperature"] = 0
    if form.startswith("json_schema"):
        name = re.sub(r"[^A-Za-z0-9_-]", "_", question.name)[:64] or "answer"  # OpenAI: these characters, at most 64
        schema = {"name": name, "strict": True, "schema": strict_schema(question.schema, bounded=form != "json_schema")}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    else:
        system += "\n\nAnswer with one JSON object and nothing else. It must follow this JSON Schema:\n"
        system += json.dumps(question.schema, ensure_ascii=False)
    if form == "json_object":
        body["response_format"] = {"type": form}
    body["messages"] = [{"role": "system", "content": system}, {"role": "user", "content": question.user}]
    return body


# --- What comes back -------------------------------------------------------------------------

# "model_length" is Mistral's word; every other reason there is means that the model was done.
_FINISHES = {"length": Finish.LENGTH, "model_length": Finish.LENGTH, "content_filter": Finish.REFUSED}


def without_thoughts(text: str) -> str:
    """`text` without a leading `<think>` block; one that never ends leaves nothing.

    A block goes to its last end that has an object behind it, for thoughts may quote an end of thoughts. Chat templates
    that open the block in the prompt leave only its end in the answer, so what stands before a lone `</think>` goes as
    well, except in an answer that starts as JSON or a code fence: there it is a quotation.
    """
    start = text.lstrip()
    _, end, rest = start.partition("</think>")
    if start.startswith("<think>"):
        while "{" in rest.rpartition("</think>")[2] and "</think>" in rest:
            rest = rest.rpartition("</think>")[2]
        return rest.strip()
    return rest.strip() if end and not start.startswith(("{", "[", "`")) else text


def estimated_tokens(*texts: str) -> int:
    """A third of the UTF-8 bytes: measured to over-count slightly for diffs, Chinese and mixed text."""
    return -(-sum(len(text.encode("utf-8", "replace")) for text in texts) // 3)


_MOST_TOKENS = 10**9  # a larger count is nonsense, and might be one that no database holds


def _counted(counts: object, name: str) -> int | None:
    """A token count that a server gave; None where it gave none or nonsense."""
    number = getattr(counts, name, None)
    return number if type(number) is int and 0 <= number < _MOST_TOKENS else None


def _cached(counts: object, prompt: int) -> int:
    """How many of the prompt's tokens came from a cache; 0 where the server does not say, or says more than there were.

    Sources: OpenAI API reference, "The chat completion object", prompt_tokens_details; DeepSeek API, "Context Caching",
    prompt_cache_hit_tokens.
    """
    told = _counted(getattr(counts, "prompt_tokens_details", None), "cached_tokens")
    cached = _counted(counts, "prompt_cache_hit_tokens") if told is None else told
    return cached if cached and cached <= prompt else 0


def _content(message: object) -> str | None:
    """The text of a message. Mistral's reasoning models send parts, of which those of type "text" are the answer."""
    content = getattr(message, "content", None)
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, Mapping) and part.get("type") == "text"]
        return "".join(str(part.get("text", "")) for part in parts)
    if content is None and message is not None:
        return ""  # all of it was thoughts: an empty answer, which is asked for again like any other
    return content if isinstance(content, str) else None


def asked_tokens(body: Mapping[str, Any]) -> int:
    """An estimate of the tokens of a request's messages."""
    return estimated_tokens(*(part["content"] for part in body["messages"]))


def reply_of(completion: object, body: Mapping[str, Any], spent: Usage) -> Reply:
    """The reply in a completion; its usage is `spent` and what the server counted, or an estimate if it counted none.

    Raises ModelError where there is no message at all: no choice, a page of HTML.
    """
    choices = getattr(completion, "choices", None)
    first = choices[0] if isinstance(choices, list) and choices else None
    message = getattr(first, "message", None)
    content, refusal = _content(message), getattr(message, "refusal", None)
    finish = Finish.REFUSED if refusal else _FINISHES.get(str(getattr(first, "finish_reason", "")), Finish.STOP)
    text = content or ""
    counts = getattr(completion, "usage", None)
    prompt, answered = _counted(counts, "prompt_tokens"), _counted(counts, "completion_tokens")
    asked = asked_tokens(body) if prompt is None else prompt
    usage = replace(
        spent,
        prompt=spent.prompt + asked,
        completion=estimated_tokens(text) if answered is None else answered,
        cached=_cached(counts, asked),
    )
    if content is None and finish is Finish.STOP:
        raise ModelError("model_answer_unreadable", model=usage.model, usage=usage)
    return Reply(without_thoughts(text), finish, usage)


_LARGEST = 2_000_000
"""Bytes of an answer, unpacked: 64,000 tokens of thoughts in Chinese, with every character escaped, are a third."""
_PIECE = 65_536
_FRAMING = frozenset({"content-encoding", "content-length", "transfer-encoding"})
_GZIP = 47  # zlib's own word for "gzip or zlib, whichever the header says"


def unpacked(pieces: Iterable[bytes], coding: str) -> bytes | None:
    """A body, its pieces unpacked by their Content-Encoding; None for one that is too large or cannot be unpacked.

    Never more than the bound and one piece are held, however well the body is packed. `coding` may be gzip or deflate:
    other codings are not asked for (RFC 9110, section 8.4.1).
    """
    if coding.strip().lower() in {"", "identity"}:
        return _bounded(pieces)
    if coding.strip().lower() not in {"gzip", "x-gzip", "deflate"}:
        return None
    try:
        return _bounded(_inflated(pieces))
    except zlib.error:
        return None


def _bounded(pieces: Iterable[bytes]) -> bytes | None:
    body = bytearray()
    for piece in pieces:
        if len(body) + len(piece) > _LARGEST:
            return None
        body += piece
    return bytes(body)


def _inflated(pieces: Iterable[bytes]) -> Iterable[bytes]:
    """The unpacked pieces, none above `_PIECE` bytes. What follows the end of the packed stream is not read."""
    stream = zlib.decompressobj(_GZIP)
    for piece in pieces:
        packed = piece
        while packed and not stream.eof:
            yield stream.decompress(packed, _PIECE)
            packed = stream.unconsumed_tail
        if stream.eof:
            return


# --- What fails ------------------------------------------------------------------------------


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that a server asks us to wait (RFC 9110, Retry-After: a number or a date); None where it does not say.

    A date is measured against the response's own `Date`, so that a wrong clock on either side does no harm.
    """
    value = headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    until = _http_date(value)
    return max(0.0, (until - (_http_date(headers.get("date", "")) or now)).total_seconds()) if until else None


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def pause(error: openai.APIError, failures: int, left: float, jitter: float) -> float | None:
    """Seconds to wait before the next try; None where none would help or `left`, the time that remains, is too short.

    `failures` counts the failed tries so far; `jitter` (0..1) spreads them between half and the whole of the backoff.
    """
    if failures >= TRIES or not _passing(error):
        return None
    asked = retry_after(error.response.headers, datetime.now(UTC)) if isinstance(error, openai.APIStatusError) else None
    wait = _BACKOFF_SECONDS * 2 ** (failures - 1) * (1 + jitter) / 2 if asked is None else asked
    return wait if wait < left else None


def _passing(error: openai.APIError) -> bool:
    """Whether the same request may succeed in a moment."""
    if isinstance(error, openai.APIStatusError):
        return (error.status_code in {408, 409, 429} or error.status_code >= 500) and not _spent(error)
    return isinstance(error, openai.APIConnectionError)


def _lost(error: openai.APIError) -> bool:
    """Whether the question may have reached the model and its answer did not reach us: it is billed all the same."""
    unheard = httpx2.ConnectError | httpx2.ConnectTimeout
    return isinstance(error, openai.APIConnectionError) and not isinstance(error.__cause__, unheard)


def _spent(error: openai.APIStatusError) -> bool:
    """Whether the account has no money left; OpenAI says so with 429 and a code, DeepSeek with 402."""
    return error.status_code == 402 or bool(_QUOTA_CODES & {str(error.code), str(error.type)})


def _outside_error(error: openai.APIError, model: str, url: str, seconds: float, key: str) -> DigestError:
    """What an error of the SDK means to a person. The server's words are kept only without the key."""
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
    if _NO_MODEL.search(said.lower()) and status in {400, 403, 404}:
        return ConfigError("model_unknown", model=model)
    if status in {401, 403}:
        return ConfigError("model_key_invalid", url=url)
    if status in {404, 405} or status < 400:
        return ConfigError("model_endpoint_wrong", url=url)
    if status == 429:
        return Unavailable("model_throttled", model=model)
    if _passing(error):
        return Unavailable("model_unavailable", model=model, status=status)
    if _OVERFLOW.search(said.lower()) or status == 413:
        return ContextExceeded("model_context_overflow", model=model)
    reason = one_line(said.replace(key, "…"), 200) or HTTP_REASONS.get(status, "")
    return ModelError("model_request_refused", model=model, status=status, reason=reason)


# --- The shell -------------------------------------------------------------------------------


class _Cutoff:
    """Ends one HTTP exchange after `seconds`, whatever it is waiting for.

    The client's own timeouts bound each read, so a server that drips may go on for ever. Shutting the socket down wakes
    the reading thread with an end of file, at any phase and without touching the descriptor that it still holds.
    """

    def __init__(self, seconds: float) -> None:
        self.over = False
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True  # a process that ends does not wait for it

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()

    def watch(self, event: str, info: Mapping[str, Any]) -> None:
        """Learn the socket from a connection's trace (the `trace` request extension of httpx2)."""
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
                # Beneath TLS: SSLSocket.shutdown would take the TLS state away from the thread that reads.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        except OSError:
            log.debug("the connection was gone before it could be shut down")


class _BoundedClient(httpx2.Client):
    """An HTTP client whose read timeout bounds the whole exchange, from connecting to the last byte of the body.

    Only the resolution of the host's name is outside: the resolver has its own timeouts. A body that `unpacked` does
    not take is an empty one, which no answer is.
    """

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        with _Cutoff(request.extensions["timeout"]["read"]) as cutoff:
            request.extensions["trace"] = cutoff.watch
            try:
                response = _read(super().send(request, **options | {"stream": True}))
            except httpx2.TransportError:
                if not cutoff.over:
                    raise
        if cutoff.over:  # also where the end of file looked like the end of the answer
            raise httpx2.ReadTimeout("the answer took too long", request=request)
        return response


def _read(response: httpx2.Response) -> httpx2.Response:
    """`response` with its whole body in memory. The client's own way unpacks a piece of any size at once."""
    try:
        body = unpacked(response.iter_raw(), response.headers.get("content-encoding", ""))
    finally:
        response.close()
    if body is None:
        log.warning("an answer was dropped: more than %s bytes unpacked, or packed in a way not asked for", _LARGEST)
    headers = [(name, value) for name, value in response.headers.multi_items() if name not in _FRAMING]
    return httpx2.Response(response.status_code, headers=headers, content=body or b"", request=response.request)


class OpenAIModel:
    """`LanguageModel` on an OpenAI-compatible endpoint.

    `base_url` ends where `/chat/completions` begins; an empty `key` is fine for a local server; `timeout` (seconds)
    bounds a whole answer with its retries; at most `concurrency` questions are under way at once, further ones wait.
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
    ) -> None:
        self._model, self._timeout = model, timeout
        self._sleep, self._clock, self._jitter = sleep, clock, jitter
        self._key = key or "no-key-needed"  # the SDK insists on one
        self._url = base_url
        self._places = threading.BoundedSemaphore(concurrency)
        self._dialect, self._dialect_lock = Dialect(), threading.Lock()
        self._first, self._probed = threading.Lock(), False

    @cached_property
    def _client(self) -> openai.OpenAI:
        """The SDK's client, made with the first question, which then says what the network is not set up for.

        Raises ConfigError.
        """
        # A connection of its own for each request: the cutoff learns a socket when it connects, and a handshake is
        # nothing beside the seconds of an answer.
        # No redirects: what is asked holds code, and goes to the address that was set.
        # Nothing packed: an answer is small, and what comes packed all the same has to be unpacked with care.
        proxy = network.proxy_for(self._url)
        http = _BoundedClient(
            headers={"Accept-Encoding": "identity"},
            limits=httpx2.Limits(max_keepalive_connections=0),
            follow_redirects=False,
            verify=network.context(),
            proxy=proxy.url if proxy else None,
            trust_env=False,
        )
        return openai.OpenAI(api_key=self._key, base_url=self._url, max_retries=0, http_client=http)

    @property
    def name(self) -> str:
        """The model's name as the endpoint knows it."""
        return self._model

    def ask(self, question: Question) -> Reply:
        """One answer, its text without thoughts; `usage.requests` counts the failed requests too.

        Raises ConfigError (key, model, address, quota), Unavailable, ModelError. Each carries what was spent as the
        field `usage`. The very first question of a process goes alone, so that many do not all learn the dialect.
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
        with self._places:  # the time starts when the question's turn comes
            ends = self._clock() + self._timeout
            spent, failures = Usage(self._model), 0
            while True:
                spent, dialect = replace(spent, requests=spent.requests + 1), self._dialect
                body = request_body(self._model, question, dialect)
                outcome = self._send(body, ends - self._clock(), spent)
                if isinstance(outcome, Reply):
                    return outcome
                if self._adapted(dialect, outcome):
                    continue
                if _filtered(outcome):
                    return Reply("", Finish.REFUSED, spent)
                if _lost(outcome):
                    spent = replace(spent, prompt=spent.prompt + asked_tokens(body))
                failures += 1
                told = self._told(outcome, spent)
                wait = pause(outcome, failures, ends - self._clock(), self._jitter())
                if wait is None or isinstance(told, Unreachable):
                    raise told
                self._sleep(wait)

    def _send(self, body: dict[str, Any], left: float, spent: Usage) -> Reply | openai.APIError:
        """One HTTP request. Errors are returned: raised anew inside `except`, they would drag the SDK's words along."""
        try:
            timeout = httpx2.Timeout(max(left, 0.001), connect=max(min(left, _CONNECT_SECONDS), 0.001))
            completion = self._client.chat.completions.create(**body, timeout=timeout)
        except openai.APIError as error:
            return error
        except (ValueError, RecursionError):  # a body that calls itself JSON and is not, or is nested without end
            completion = None
        return reply_of(completion, body, spent)

    def _adapted(self, used: Dialect, error: openai.APIError) -> bool:
        """Whether the endpoint refused the way of asking and there is another; it is remembered."""
        if not isinstance(error, openai.APIStatusError) or error.status_code not in {400, 422}:
            return False
        lower = next_dialect(used, complaint(error.body))
        if lower is None:
            return False
        with self._dialect_lock:
            known, self._dialect = self._dialect, self._dialect.joined(lower)
        if known != self._dialect:
            log.warning("%s refuses %s; going on with %s", self._model, _changes(used, lower), _changes(lower, used))
        return True

    def _told(self, error: openai.APIError, spent: Usage) -> DigestError:
        told = _outside_error(error, self._model, self._url, self._timeout, self._key)
        told.fields["usage"] = spent
        return told


def _filtered(error: openai.APIError) -> bool:
    """Whether a filter stopped the question before the model saw it."""
    status = getattr(error, "status_code", 0)
    return 400 <= status < 500 and _FILTERED.search(complaint(error.body).lower()) is not None


def _changes(one: Dialect, other: Dialect) -> str:
    """The rungs of `one` that `other` does not stand on."""
    return ", ".join(mine for mine, theirs in zip(one.rungs(), other.rungs(), strict=True) if mine != theirs)


def _plain_address(url: str) -> bool:
    """Whether `url` is an HTTP address that may be shown: errors name it, and httpx2 logs it at INFO."""
    try:
        parts = urlsplit(url)
        named = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return named and "@" not in parts.netloc and not parts.query


def from_settings(settings: OpenAISettings) -> OpenAIModel:
    """The model that the settings name. Raises ConfigError for an address or a key that cannot be used."""
    key = settings.openai_api_key.get_secret_value().strip()
    if not (key.isascii() and key.isprintable()):
        raise ConfigError("setting_invalid", name="OPENAI_API_KEY", problem="a key has only plain ASCII characters")
    url = settings.openai_base_url.strip()
    if not _plain_address(url):
        problem = "use http:// or https://, a host and a path, without user, password and query"
        raise ConfigError("setting_invalid", name="OPENAI_BASE_URL", problem=problem)
    return OpenAIModel(settings.openai_model, key, url, settings.openai_timeout, settings.openai_concurrency)
