"""A strict OpenAI-compatible model server on loopback: it refuses what OpenAI refuses and fails the way servers fail.

    with ModelServer(answer=lambda body: '{"ok": true}') as server:
        server.queue(Fault.SERVER_ERROR, Fault.THINK)   # the next two valid requests; then answers again
        OpenAIModel("test-model", server.key, server.url, timeout=5, concurrency=2).ask(question)
        assert server.statuses == [500, 200]

Sources: OpenAI API reference, "Create chat completion" and "Error codes"; OpenAI, "Structured model outputs" (supported
schemas); the llama.cpp server's `exceed_context_size_error`.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

PATH = "/v1/chat/completions"
FORMATS = frozenset({"maxItems", "json_schema", "json_object", "text"})
LIMITS = frozenset({"max_tokens", "max_completion_tokens"})


class Fault(Enum):
    """A way in which the next valid request goes wrong."""

    LENGTH = auto()  # cut off in the middle, finish_reason length
    LENGTH_NULL = auto()  # every token went into thinking: null content, finish_reason length
    EMPTY = auto()
    NULL = auto()
    REFUSAL = auto()
    FILTERED_ANSWER = auto()  # finish_reason content_filter
    FILTERED_PROMPT = auto()  # 400, Azure's dialect
    THINK = auto()  # a think block before the answer
    THINK_UNCLOSED = auto()
    THINK_END_ONLY = auto()  # the chat template opened the block in the prompt
    REASONING_FIELD = auto()  # thoughts in reasoning_content, where they belong
    ANSWER_AS_THOUGHTS = auto()  # the whole answer in reasoning_content, null content: vLLM issue 16182
    REASONING_PARTS = auto()  # content as a list of parts, thoughts first: Mistral's dialect
    NO_USAGE = auto()
    NULL_USAGE_COUNTS = auto()
    ABSURD_USAGE = auto()  # counts that no database can hold
    NO_CHOICES = auto()
    NULL_CHOICES = auto()
    NO_MESSAGE = auto()
    HTML = auto()
    BROKEN_JSON = auto()
    DEEP_JSON = auto()  # nested deeper than a parser goes
    TEXT_BODY = auto()  # JSON, but not an object
    THROTTLED = auto()  # 429; with `retry_after` the header
    SERVER_ERROR = auto()
    BAD_GATEWAY_HTML = auto()
    OVERLOADED = auto()  # 529
    CONFLICT = auto()
    OVERFLOW = auto()  # OpenAI's dialect
    OVERFLOW_LLAMA = auto()
    OVERFLOW_VLLM = auto()
    TOO_LARGE = auto()  # 413
    BAD_KEY = auto()  # 401 that echoes the key
    FORBIDDEN = auto()
    NO_MODEL = auto()
    NO_MODEL_400 = auto()  # DeepSeek answers 400
    NO_SUCH_PATH = auto()  # 404 of a web server
    REDIRECT = auto()  # 307, which asks for the whole body at another address
    QUOTA = auto()  # 429 insufficient_quota
    QUOTA_TYPE = auto()  # the same, told by the type alone
    NO_BALANCE = auto()  # 402
    INVALID = auto()  # 400 for a reason of its own, echoing the key
    DEEP_ERROR = auto()  # 400 whose error object holds itself a thousand times; its code is a list
    DROPPED = auto()  # the connection closes without an answer
    DROPPED_MIDWAY = auto()  # it closes in the middle of a body whose length was told
    DROPPED_CHUNK = auto()  # … and of one that comes in chunks
    HANG = auto()  # nothing at all, until the server ends
    DRIP = auto()  # headers, then a byte now and then for ever
    DRIP_HEADERS = auto()
    DRIP_UNSIZED = auto()  # a body that ends where the connection does


@dataclass(frozen=True)
class Seen:
    """One request: `at` in monotonic seconds, `port` the client's, `status` its answer's (0: no whole answer)."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]
    at: float
    port: int = 0
    status: list[int] = field(default_factory=lambda: [0])


class Refused(Exception):
    """A request that the API does not accept."""

    def __init__(self, status: int, message: str, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body: object = error_body(message, code, param)

    @classmethod
    def with_body(cls, status: int, body: object) -> Refused:
        """A refusal in another dialect: `body` is all that is said."""
        refused = cls(status, "")
        refused.body = body
        return refused


def error_body(message: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """The error object of OpenAI's API."""
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}


# --- What the API accepts --------------------------------------------------------------------

_FIELDS = LIMITS | {
    "messages", "model", "audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs",
    "metadata", "modalities", "n", "parallel_tool_calls", "prediction", "presence_penalty", "reasoning_effort",
    "response_format", "seed", "service_tier", "stop", "store", "stream", "stream_options", "temperature",
    "tool_choice", "tools", "top_logprobs", "top_p", "user", "verbosity", "web_search_options",
}  # fmt: skip
_ROLES = {"system", "developer", "user", "assistant", "tool"}
# What every model takes, fine-tuned ones too: those refuse lengths, patterns, formats and bounds as well.
_KEYWORDS = {"type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "$ref",
             "$defs", "definitions", "description", "title"}  # fmt: skip
_MOST_PROPERTIES, _DEEPEST = 5000, 10


def _schema_error(name: str, where: tuple[str, ...], problem: str) -> Refused:
    message = f"Invalid schema for response_format '{name}': In context={where}, {problem}"
    return Refused(400, message, "invalid_json_schema", "response_format")


def check_strict(name: str, node: Any, where: tuple[str, ...] = (), depth: int = 0, *, bounded: bool = False) -> int:
    """The number of properties of a schema that strict mode takes. Raises Refused for one that it does not."""
    if not isinstance(node, dict):
        raise _schema_error(name, where, "schema must be an object.")
    if unknown := set(node) - _KEYWORDS - ({"maxItems"} if bounded else set()):
        raise _schema_error(name, where, f"'{min(unknown)}' is not permitted.")
    if "$ref" in node:
        if len(node) > 1:
            raise _schema_error(name, where, "$ref cannot have keywords beside it.")
        return 0
    if not {"type", "anyOf", "enum", "const"} & set(node):
        raise _schema_error(name, where, "schema must have a 'type' key.")
    if depth > _DEEPEST:
        raise _schema_error(name, where, f"more than {_DEEPEST} levels of nesting.")
    if node.get("type") == "array" and "items" not in node:
        raise _schema_error(name, where, "array schema missing items.")
    number = _check_object(name, node, where) if "object" in _types(node) else 0
    for key, part in _parts(node):
        deeper = depth + (key in node.get("properties", {}) or key == "items")
        number += check_strict(name, part, (*where, key), deeper, bounded=bounded)
    if number > _MOST_PROPERTIES:
        raise _schema_error(name, where, f"more than {_MOST_PROPERTIES} properties.")
    return number


def _types(node: dict[str, Any]) -> list[Any]:
    kind = node.get("type")
    return kind if isinstance(kind, list) else [kind]


def _check_object(name: str, node: dict[str, Any], where: tuple[str, ...]) -> int:
    properties = node.get("properties", {})
    if node.get("additionalProperties") is not False:
        raise _schema_error(name, where, "'additionalProperties' is required to be supplied and to be false.")
    if sorted(node.get("required", ())) != sorted(properties):
        problem = "'required' is required to be supplied and to be an array including every key in properties."
        raise _schema_error(name, where, problem)
    return len(properties)


def _parts(node: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key in ("properties", "$defs", "definitions"):
        yield from node.get(key, {}).items()
    if "items" in node:
        yield "items", node["items"]
    yield from ((f"anyOf {n}", part) for n, part in enumerate(node.get("anyOf", ())))


def _check_messages(body: dict[str, Any]) -> None:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refused(400, "Invalid 'messages': empty array.", "empty_array", "messages")
    for n, message in enumerate(messages):
        if not isinstance(message, dict) or set(message) - {"role", "content", "name"}:
            raise Refused(400, f"Invalid 'messages[{n}]'.", "invalid_type", f"messages[{n}]")
        if message.get("role") not in _ROLES or not isinstance(message.get("content"), str):
            raise Refused(400, f"Invalid 'messages[{n}]'.", "invalid_value", f"messages[{n}]")


def _check_format(body: dict[str, Any], supported: frozenset[str]) -> None:
    if "response_format" not in body:
        return
    form = body["response_format"]
    kind = form.get("type") if isinstance(form, dict) else None
    if kind not in FORMATS - {"maxItems"}:
        raise Refused(400, f"Invalid value: '{kind}'.", "invalid_value", "response_format.type")
    if kind not in supported:
        # The words of a model that cannot: no code, no parameter.
        raise Refused(400, f"Invalid parameter: 'response_format' of type '{kind}' is not supported with this model.")
    if kind == "json_object" and not any("json" in m["content"].lower() for m in body["messages"]):
        said = "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
        raise Refused(400, said, None, "messages")
    if set(form) != ({"type", "json_schema"} if kind == "json_schema" else {"type"}):
        raise Refused(400, "Unknown parameter in 'response_format'.", "unknown_parameter", "response_format")
    if kind == "json_schema":
        _check_json_schema(form["json_schema"], bounded="maxItems" in supported)


def _check_json_schema(given: Any, *, bounded: bool) -> None:
    if not isinstance(given, dict) or set(given) - {"name", "schema", "strict", "description"}:
        raise Refused(400, "Invalid 'response_format.json_schema'.", "invalid_type", "response_format.json_schema")
    if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", str(given.get("name", ""))):
        where = "response_format.json_schema.name"
        raise Refused(400, f"Invalid '{where}': string does not match pattern.", "invalid_value", where)
    if given.get("strict"):
        if _types(given.get("schema") or {}) != ["object"]:
            raise _schema_error(given["name"], (), "schema must be a JSON Schema of 'type: \"object\"'.")
        check_strict(given["name"], given["schema"], bounded=bounded)


# --- How it answers --------------------------------------------------------------------------

_STATUS: dict[Fault, tuple[int, dict[str, Any]]] = {
    Fault.THROTTLED: (429, error_body("Rate limit reached for requests", "rate_limit_exceeded")),
    Fault.SERVER_ERROR: (500, error_body("The server had an error while processing your request")),
    Fault.OVERLOADED: (529, error_body("Overloaded", "overloaded_error")),
    Fault.CONFLICT: (409, error_body("The requested resource is locked")),
    Fault.OVERFLOW: (
        400,
        error_body(
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
            "context_length_exceeded",
            "messages",
        ),
    ),
    Fault.OVERFLOW_LLAMA: (
        400,
        {
            "error": {
                "code": 400,
                "message": "request (9001 tokens) exceeds the available context size (8192 tokens), try increasing it",
                "type": "exceed_context_size_error",
                "n_prompt_tokens": 9001,
                "n_ctx": 8192,
            }
        },
    ),
    Fault.OVERFLOW_VLLM: (
        400,
        {
            "object": "error",
            "message": "'max_tokens' or 'max_completion_tokens' is too large: 500. This model's maximum context length "
            "is 8192 tokens and your request has 8001 input tokens.",
            "type": "BadRequestError",
            "param": None,
            "code": 400,
        },
    ),
    Fault.TOO_LARGE: (413, error_body("Request Entity Too Large")),
    Fault.FILTERED_PROMPT: (400, error_body("The response was filtered by the policy", "content_filter", "prompt")),
    Fault.FORBIDDEN: (403, error_body("Country, region, or territory not supported", "unsupported_country")),
    Fault.NO_MODEL: (404, error_body("The model does not exist or you do not have access to it.", "model_not_found")),
    Fault.NO_MODEL_400: (400, error_body("Model Not Exist", "invalid_request_error")),
    Fault.NO_SUCH_PATH: (404, {"detail": "Not Found"}),
    Fault.QUOTA_TYPE: (
        429,
        {"error": {"message": "You exceeded your current quota", "type": "insufficient_quota", "code": None}},
    ),
    Fault.QUOTA: (429, error_body("You exceeded your current quota, please check your plan", "insufficient_quota")),
    Fault.NO_BALANCE: (402, error_body("Insufficient Balance", "invalid_request_error")),
}
_HTML = "<!DOCTYPE html><html><title>Sign in</title><body>Please sign in to this network.</body></html>"
_DRIP_SECONDS = 0.01


class ModelServer:
    """`answer(body)` gives the text of each answer; everything else is an option or a `Fault`.

    While nothing is queued, `item(body)` says what goes wrong with a request: a fault, another text, or None.
    `formats` and `limits` are what it accepts, `fixed_temperature` refuses any; `delay` is seconds an answer takes;
    more than `limit` answers at once get 429; `retry_after` goes with every error status that was not queued.
    `key` and `model` are the only ones it knows, `model` None takes any name; with `tls` it speaks HTTPS.
    `refuse(body)` is what it does not take beside what the API does not, `fields` are fields of its own that it takes;
    with `azure`, an API version, it is one of Azure's; `streams` answers with a stream, asked or not.
    With `keep_alive` a connection may carry several requests; without, a client that keeps it cannot delay the end.
    """

    def __init__(
        self,
        answer: Callable[[dict[str, Any]], str] = lambda body: '{"ok": true}',
        *,
        item: Callable[[dict[str, Any]], Fault | str | None] = lambda body: None,
        retry_after: str | None = None,
        key: str = "sk-test-0123456789abcdef",
        model: str | None = "test-model",
        formats: frozenset[str] = FORMATS,
        limits: frozenset[str] = LIMITS,
        fixed_temperature: bool = False,
        delay: float = 0.0,
        limit: int | None = None,
        tls: ssl.SSLContext | None = None,
        keep_alive: bool = False,
        refuse: Callable[[dict[str, Any]], Refused | None] = lambda body: None,
        fields: frozenset[str] = frozenset(),
        azure: str = "",
        streams: bool = False,
    ) -> None:
        self.refuse, self.fields, self.azure, self.streams = refuse, fields, azure, streams
        self.answer, self.key, self.model = answer, key, model
        self.item, self.retry_after = item, retry_after
        self.formats, self.limits, self.fixed_temperature = formats, limits, fixed_temperature
        self.delay, self.limit, self.keep_alive = delay, limit, keep_alive
        self.counts: dict[str, Any] = {}  # what it counts otherwise, or beside the rest
        self.seen: list[Seen] = []
        self.most_at_once = 0
        self.abandoned = threading.Event()  # set when a client went away from an unfinished answer
        self._at_once = 0
        self._queue: deque[tuple[Fault | str, str | None]] = deque()
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._http = _Http(("127.0.0.1", 0), _handler(self))
        self._scheme = "https" if tls else "http"
        if tls:  # the handshake is left to the handler's first read: it must not hold up those who accept
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), name="model-server")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """End, and raise what broke a handler (`answer`, say), unless the test failed anyhow."""
        self._ending.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        if self._http.errors and kind is None:
            raise self._http.errors[0]

    @property
    def url(self) -> str:
        """The base URL, ending in /v1; of one of Azure's the address without a path, with its version."""
        host = f"{self._scheme}://127.0.0.1:{self._http.server_address[1]}"
        return f"{host}/?api-version={self.azure}" if self.azure else f"{host}/v1"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The bodies of all requests, in order."""
        return [seen.body for seen in self.seen]

    @property
    def statuses(self) -> list[int]:
        """What the requests were answered with, in order; 0 where there was no whole answer."""
        return [seen.status[0] for seen in self.seen]

    @property
    def prompt_characters(self) -> int:
        """Characters of all messages of all requests."""
        return sum(len(m["content"]) for body in self.bodies for m in body.get("messages", ()))

    def queue(self, *items: Fault | str, retry_after: str | None = None) -> None:
        """What the next valid requests get: a fault, or an answer's text. `retry_after` goes with error statuses."""
        self._queue.extend((item, retry_after) for item in items)

    # From here on: what the handler calls.

    def check(self, seen: Seen) -> None:
        """Raise Refused for what the API does not accept."""
        if seen.method != "POST":
            raise Refused(405, f"Not allowed to {seen.method} on {seen.path}.")
        deployed = f"/openai/deployments/{self.model}/chat/completions?api-version={self.azure}"
        if seen.path != (deployed if self.azure else PATH):
            raise Refused(404, f"Invalid URL ({seen.method} {seen.path})")
        if self.azure and seen.headers.get("api-key") != self.key:
            raise Refused(401, "Access denied due to invalid subscription key or wrong API endpoint.", "401")
        if not self.azure and seen.headers.get("authorization") != f"Bearer {self.key}":
            raise Refused(401, f"Incorrect API key provided: {seen.headers.get('authorization')}", "invalid_api_key")
        if seen.headers.get("content-type", "").partition(";")[0] != "application/json":
            raise Refused(400, "Unsupported content type.")
        self._check_body(seen.body)

    def _check_body(self, body: dict[str, Any]) -> None:
        if refused := self.refuse(body):
            raise refused
        if unknown := set(body) - _FIELDS - self.fields:
            raise Refused(400, f"Unknown parameter: '{min(unknown)}'.", "unknown_parameter", min(unknown))
        if self.model is not None and body.get("model") != self.model:
            raise Refused(404, f"The model `{body.get('model')}` does not exist.", "model_not_found")
        _check_messages(body)
        self._check_numbers(body)
        _check_format(body, self.formats)

    def _check_numbers(self, body: dict[str, Any]) -> None:
        for name in sorted(LIMITS & set(body)):
            if name not in self.limits:
                said = f"Unsupported parameter: '{name}' is not supported with this model."
                raise Refused(400, f"{said} Use '{min(self.limits)}' instead.", "unsupported_parameter", name)
            if not isinstance(body[name], int) or body[name] < 1:
                raise Refused(400, f"Invalid '{name}'.", "integer_below_min_value", name)
        if "temperature" in body and self.fixed_temperature:
            said = "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is"
            raise Refused(400, f"{said} supported.", "unsupported_value", "temperature")
        if not 0 <= body.get("temperature", 1) <= 2:
            raise Refused(400, "Invalid 'temperature'.", "decimal_above_max_value", "temperature")

    @contextmanager
    def place(self) -> Iterator[bool]:
        """A place among the answers under way; False where there are too many."""
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            free = self.limit is None or self._at_once <= self.limit
        try:
            yield free
        finally:
            with self._lock:
                self._at_once -= 1

    def next_item(self, body: dict[str, Any]) -> tuple[Fault | str | None, str | None]:
        """What the queue has for this request, else what `item` says."""
        with self._lock:
            return self._queue.popleft() if self._queue else (self.item(body), self.retry_after)

    def record(self, seen: Seen) -> None:
        """Remember a request."""
        with self._lock:
            self.seen.append(seen)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait; True when the server ends meanwhile."""
        return self._ending.wait(seconds)

    def _cached(self, body: dict[str, Any]) -> int:
        """How much of a prompt began an earlier one: from 1,024 tokens on, by 128 (OpenAI, "Prompt caching")."""
        text = _asked(body)
        with self._lock:
            earlier = [_asked(seen.body) for seen in self.seen if seen.status[0] == 200]
        begun = max((_shared(text, other) for other in earlier), default=0) // 4
        return begun - begun % 128 if begun >= 1024 else 0

    def completion(self, body: dict[str, Any], item: Fault | str | None) -> dict[str, Any]:
        """The body of an answer, changed as the fault says."""
        text = item if isinstance(item, str) else self.answer(body)
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
        choice: dict[str, Any] = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        prompt, answered = -(-sum(len(m["content"]) for m in body["messages"]) // 4), -(-len(text) // 4)
        usage: Any = {"prompt_tokens": prompt, "completion_tokens": answered, "total_tokens": prompt + answered}
        usage["prompt_tokens_details"] = {"cached_tokens": self._cached(body), "audio_tokens": 0}
        usage |= self.counts
        whole = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1767225600, "model": body["model"],
                 "choices": [choice], "usage": usage, "system_fingerprint": None}  # fmt: skip
        if isinstance(item, Fault):
            _spoil(item, whole, choice, message)
        return whole


def streamed(whole: dict[str, Any], body: dict[str, Any]) -> str:
    """A completion as server-sent events: a comment, pieces of seven characters, why it ended, and what was asked for.

    Source: OpenAI API reference, "The chat completion chunk object".
    """
    (choice,) = whole["choices"]
    start = {key: whole[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    for key in ("reasoning_content", "content"):
        text = choice["message"].get(key) or ""
        deltas += [{key: text[at : at + 7]} for at in range(0, len(text), 7)]
    chunks = [start | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append(start | {"choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    if body.get("stream_options", {}).get("include_usage"):
        chunks.append(start | {"choices": [], "usage": whole["usage"]})
    events = [json.dumps(chunk, ensure_ascii=False) for chunk in chunks]
    return ": keep-alive\r\n\r\n" + "".join(f"data: {event}\n\n" for event in [*events, "[DONE]"])


def _asked(body: dict[str, Any]) -> str:
    return "".join(message["content"] for message in body["messages"])


def _shared(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    same, differs = 0, min(len(one), len(other)) + 1
    while differs - same > 1:
        middle = (same + differs) // 2
        same, differs = (middle, differs) if one.startswith(other[:middle]) else (same, middle)
    return same


def _spoil(fault: Fault, whole: dict[str, Any], choice: dict[str, Any], message: dict[str, Any]) -> None:
    """Change an answer with status 200 as `fault` says."""
    text = message["content"]
    changes: dict[Fault, tuple[dict[str, Any], dict[str, Any]]] = {
        Fault.LENGTH: (message, {"content": text[: len(text) // 2]}),
        Fault.LENGTH_NULL: (message, {"content": None}),
        Fault.EMPTY: (message, {"content": ""}),
        Fault.NULL: (message, {"content": None}),
        Fault.REFUSAL: (message, {"content": None, "refusal": "I'm sorry, I cannot assist with that."}),
        Fault.FILTERED_ANSWER: (choice, {"finish_reason": "content_filter"}),
        Fault.THINK: (message, {"content": f"<think>\nWell, {{so}}.\n</think>\n\n{text}"}),
        Fault.THINK_UNCLOSED: (message, {"content": f"<think>\nWell, {text}"}),
        Fault.THINK_END_ONLY: (message, {"content": f"Well, {{so}}.\n</think>\n\n{text}"}),
        Fault.REASONING_FIELD: (message, {"reasoning_content": "Well, {so}."}),
        Fault.ANSWER_AS_THOUGHTS: (message, {"content": None, "reasoning_content": text}),
        Fault.REASONING_PARTS: (
            message,
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "Well, {so}."}]},
                    {"type": "text", "text": text},
                ]
            },
        ),
        Fault.NO_USAGE: (whole, {"usage": None}),
        Fault.NULL_USAGE_COUNTS: (whole, {"usage": {"prompt_tokens": None, "completion_tokens": None}}),
        Fault.ABSURD_USAGE: (whole, {"usage": {"prompt_tokens": 10**30, "completion_tokens": True}}),
        Fault.NO_CHOICES: (whole, {"choices": []}),
        Fault.NULL_CHOICES: (whole, {"choices": None}),
        Fault.NO_MESSAGE: (choice, {"message": None}),
    }
    where, change = changes[fault]
    where.update(change)
    if fault in {Fault.LENGTH, Fault.LENGTH_NULL}:
        choice["finish_reason"] = "length"


# --- The wire --------------------------------------------------------------------------------


class _Http(ThreadingHTTPServer):
    daemon_threads = False  # closing waits for the handlers: none outlives the server
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.errors: list[BaseException] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep what broke a handler; a client that went away is no news."""
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, ConnectionError):
            self.errors.append(error)


def _handler(server: ModelServer) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        model = server

    return Handler


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 20.0  # seconds that a silent client may take
    model: ModelServer
    seen: Seen

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        try:
            body = json.loads(raw or b"{}")
        except ValueError:
            body = None
        headers = {name.lower(): value for name, value in self.headers.items()}
        given = body if isinstance(body, dict) else {}
        self.seen = Seen(self.command, self.path, headers, given, time.monotonic(), self.client_address[1])
        self.model.record(self.seen)
        try:
            if not isinstance(body, dict):
                raise Refused(400, "We could not parse the JSON body of your request.")
            self.model.check(self.seen)
        except Refused as refused:
            self._json(refused.status, refused.body)
        else:
            with self.model.place() as free:
                self._serve(*(self.model.next_item(self.seen.body) if free else (Fault.THROTTLED, None)))

    do_GET = do_PUT = do_DELETE = do_POST

    def _serve(self, item: Fault | str | None, retry_after: str | None) -> None:
        headers = {"Retry-After": retry_after} if retry_after is not None else {}
        if isinstance(item, Fault) and item in _STATUS:
            self._json(*_STATUS[item], headers)
        elif isinstance(item, Fault) and item in _SPECIAL:
            _SPECIAL[item](self)
        elif not (self.model.delay and self.model.wait(self.model.delay)):
            whole = self.model.completion(self.seen.body, item)
            if self.model.streams or self.seen.body.get("stream"):
                self._send(200, "text/event-stream; charset=utf-8", streamed(whole, self.seen.body))
            else:
                self._json(200, whole)

    def _json(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
        self._send(status, "application/json", json.dumps(body), headers)

    def _send(self, status: int, kind: str, text: str, headers: Mapping[str, str] | None = None) -> None:
        data = text.encode()
        self.seen.status[0] = status
        self._head(status, kind, {"Content-Length": str(len(data)), **(headers or {})})
        self.wfile.write(data)

    def _head(self, status: int, kind: str, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        connection = "keep-alive" if self.model.keep_alive else "close"
        for name, value in {"Content-Type": kind, "Connection": connection, **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _bad_key(self) -> None:
        said = f"Incorrect API key provided: {self.headers['Authorization'].removeprefix('Bearer ')}."
        self._json(401, error_body(said, "invalid_api_key"))

    def _invalid(self) -> None:
        said = f"Something else is wrong with {self.headers['Authorization'].removeprefix('Bearer ')}."
        self._json(400, error_body(said, "invalid_value", "user"))

    def _dropped(self) -> None:
        socket.socket.shutdown(self.connection, socket.SHUT_RDWR)
        self.close_connection = True

    def _midway(self, framing: Mapping[str, str], start: str) -> None:
        body = json.dumps(self.model.completion(self.seen.body, None))
        self._head(200, "application/json", framing)
        self.wfile.write((start + body[: len(body) // 2]).encode())
        self._dropped()

    def _hang(self) -> None:
        self.model.wait()
        self.close_connection = True

    def _drip(self, start: bytes, drop: bytes) -> None:
        self.close_connection = True
        try:
            self.wfile.write(start)
            while not self.model.wait(_DRIP_SECONDS):
                self.wfile.write(drop)
        except OSError:
            self.model.abandoned.set()


_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_SPECIAL: dict[Fault, Callable[[_Handler], None]] = {
    Fault.HTML: lambda handler: handler._send(200, "text/html", _HTML),
    Fault.BROKEN_JSON: lambda handler: handler._send(200, "application/json", '{"id": "chatcmpl-1", "choi'),
    Fault.DEEP_JSON: lambda handler: handler._send(200, "application/json", "[" * 100_000),
    Fault.DEEP_ERROR: lambda handler: handler._send(
        400, "application/json", '{"code": [], "error":' * 900 + "{}" + "}" * 900
    ),
    Fault.TEXT_BODY: lambda handler: handler._json(200, "hello"),
    Fault.BAD_GATEWAY_HTML: lambda handler: handler._send(502, "text/html", "<html>502 Bad Gateway</html>"),
    Fault.REDIRECT: lambda handler: handler._send(307, "text/html", "", {"Location": "/elsewhere"}),
    Fault.BAD_KEY: _Handler._bad_key,
    Fault.INVALID: _Handler._invalid,
    Fault.DROPPED: _Handler._dropped,
    Fault.DROPPED_MIDWAY: lambda handler: handler._midway({"Content-Length": "99999"}, ""),
    Fault.DROPPED_CHUNK: lambda handler: handler._midway({"Transfer-Encoding": "chunked"}, "FFFF\r\n"),
    Fault.HANG: _Handler._hang,
    Fault.DRIP: lambda handler: handler._drip(_HEAD + b"Content-Length: 99999999\r\n\r\n", b" "),
    Fault.DRIP_HEADERS: lambda handler: handler._drip(_HEAD + b"X-Slow: ", b"a"),
    Fault.DRIP_UNSIZED: lambda handler: handler._drip(
        _HEAD + b'Connection: close\r\n\r\n{"choices": [{"message": {"content": "{}"}}]}', b" "
    ),
}
