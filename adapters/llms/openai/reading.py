"""Parses responses: the answer, whole or streamed, with or without reasoning, and its usage."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from bot.errors import ModelError
from bot.values import Finish, Reply, Usage

# "model_length" is Mistral's word; every other reason there is means that the model was done.
_FINISHES = {"length": Finish.LENGTH, "model_length": Finish.LENGTH, "content_filter": Finish.REFUSED}
_THOUGHTS = ("reasoning_content", "reasoning")
"""The fields with reasoning: DeepSeek's, which most adopted, and that of OpenRouter, Ollama and newer vLLM."""


# --- The body --------------------------------------------------------------------------------


def completion(body: bytes) -> object:
    """The completion in a body, assembled if streamed; None if it is neither."""
    try:
        text = body.decode("utf-8", "replace").lstrip("\ufeff \r\n")
        return _joined(_chunks(text)) if text.startswith(("data:", "event:", ":", "id:")) else json.loads(text)
    except (ValueError, RecursionError):  # invalid JSON, or nested too deeply
        return None


def _chunks(text: str) -> Iterator[Mapping[str, Any]]:
    """The chunks in server-sent events (HTML standard, "Server-sent events"), as chat completions use them."""
    for line in text.split("\n"):
        data = line.removeprefix("data:").strip()
        if line.startswith("data:") and data and data != "[DONE]":
            yield _mapping(json.loads(data))


def _joined(chunks: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One completion from the chunks of a stream; an error in it becomes the answer.

    A stream that ends without a reason was cut off.
    """
    usage, finish, pieces = None, "", defaultdict[str, list[Any]](list)
    for chunk in chunks:
        if chunk.get("error"):
            return dict(chunk)
        usage = chunk.get("usage") or usage
        choice = _first(chunk)
        delta = _mapping(choice.get("delta") or choice.get("message"))
        for key in ("content", "refusal", *_THOUGHTS):
            pieces[key] += _parts(delta.get(key))
        finish = choice.get("finish_reason") or finish
    message = {key: _whole(parts) for key, parts in pieces.items() if parts}
    return {"usage": usage, "choices": [{"message": message, "finish_reason": finish or "length"}] if pieces else []}


def _parts(piece: object) -> list[Any]:
    return piece if isinstance(piece, list) else [piece] if isinstance(piece, str) else []


def _whole(parts: list[Any]) -> Any:
    """Join texts; if there are parts with a type, return them unchanged."""
    typed = any(isinstance(part, Mapping) for part in parts)
    texts = [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]
    return texts if typed else "".join(map(str, parts))


# --- The answer ------------------------------------------------------------------------------


def without_thoughts(text: str) -> str:
    """`text` without a leading `<think>` block; nothing is left if the block does not end.

    A block extends to its last end tag that is followed by an object, since reasoning may quote an end tag. Chat
    templates that open the block in the prompt leave only its end in the answer, so what comes before a lone `</think>`
    is removed as well, except in an answer that starts as JSON or a code fence: there it is a quotation.
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


def asked_tokens(body: Mapping[str, Any]) -> int:
    """An estimate of the tokens of a request's messages."""
    return estimated_tokens(*(part["content"] for part in body["messages"]))


def reply_of(answer: object, body: Mapping[str, Any], spent: Usage) -> Reply:
    """The reply in a completion; its usage is `spent` and what the server counted, or an estimate if it counted none.

    Raises ModelError if there is no message at all: no choice, or a page of HTML.
    """
    first = _first(answer)
    message = first.get("message")
    content = _content(message)
    refused = isinstance(message, Mapping) and message.get("refusal")
    finish = Finish.REFUSED if refused else _FINISHES.get(str(first.get("finish_reason")), Finish.STOP)
    usage = _usage(answer, body, spent, content or "")
    if content is None and finish is Finish.STOP:
        raise ModelError("model_answer_unreadable", model=usage.model, usage=usage)
    text = without_thoughts(content or "")
    return Reply(text if text.strip() or finish is not Finish.STOP else _misplaced(message), finish, usage)


def thought(answer: object) -> bool:
    """Whether a completion shows that its model reasons: by its text, its tokens, or the lack of an answer."""
    first = _first(answer)
    message = first.get("message")
    if not isinstance(message, Mapping):
        return False
    counts = _mapping(_mapping(answer).get("usage"))
    counted = _counted(counts.get("completion_tokens_details"), "reasoning_tokens")
    text = _content(message) or ""
    cut = not text and str(first.get("finish_reason")) == "length"
    shown = any(isinstance(message.get(key), str) and message[key].strip() for key in _THOUGHTS)
    return bool(counted or shown or cut or text.lstrip().startswith("<think>"))


def _first(answer: object) -> Mapping[str, Any]:
    choices = _mapping(answer).get("choices")
    return _mapping(choices[0]) if isinstance(choices, list) and choices else {}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _content(message: object) -> str | None:
    """The text of a message. Mistral's reasoning models send parts, of which those of type "text" are the answer."""
    if not isinstance(message, Mapping):
        return None
    content = message.get("content")
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, Mapping) and part.get("type") == "text"]
        return "".join(str(part.get("text", "")) for part in parts)
    if content is None:
        return ""  # only reasoning: an empty answer, which is retried like any other
    return content if isinstance(content, str) else None


def _misplaced(message: object) -> str:
    """An answer that a server mistook for reasoning: a reasoning field with only one JSON object.

    An object within other reasoning may be from a commit. Source: vllm-project/vllm issue 16182.
    """
    for key in _THOUGHTS:
        text = _mapping(message).get(key)
        bare = without_thoughts(text).strip() if isinstance(text, str) else ""
        bare = bare.removeprefix("```json").removeprefix("```").removesuffix("```").strip()
        try:
            if bare.startswith("{") and isinstance(json.loads(bare, strict=False), dict):
                return bare
        except (ValueError, RecursionError):
            continue
    return ""


# --- What it took ----------------------------------------------------------------------------

_MOST_TOKENS = 10**9  # a larger count is a mistake, and may not fit into the database


def _usage(answer: object, body: Mapping[str, Any], spent: Usage, text: str) -> Usage:
    counts = _mapping(answer).get("usage")
    prompt, answered = _counted(counts, "prompt_tokens"), _counted(counts, "completion_tokens")
    asked = asked_tokens(body) if prompt is None else prompt
    return replace(
        spent,
        prompt=spent.prompt + asked,
        completion=estimated_tokens(text) if answered is None else answered,
        cached=_cached(counts, asked),
    )


def _counted(counts: object, name: str) -> int | None:
    """A token count from a server; None if missing or invalid."""
    number = _mapping(counts).get(name)
    return number if type(number) is int and 0 <= number < _MOST_TOKENS else None


def _cached(counts: object, prompt: int) -> int:
    """How many of the prompt's tokens were cached; 0 if the server does not say, or gives an impossible number.

    Sources: OpenAI API reference, "The chat completion object", prompt_tokens_details; DeepSeek API, "Context Caching",
    prompt_cache_hit_tokens.
    """
    detailed = _counted(_mapping(counts).get("prompt_tokens_details"), "cached_tokens")
    cached = _counted(counts, "prompt_cache_hit_tokens") if detailed is None else detailed
    return cached if cached and cached <= prompt else 0
