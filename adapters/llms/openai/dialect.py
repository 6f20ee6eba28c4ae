"""The forms of requests, since endpoints differ in what they accept.

A `Dialect` is one form: at first the top of each ladder. A refusal leads to a simpler one: as the complaint says, else
in the fixed order of `simpler`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from bot.values import Question

FORMATS = ("json_schema with maxItems", "json_schema", "json_schema without strict", "json_object", "text")
"""Without a limit, a small model fills a list until its answer is cut off. OpenAI and llama.cpp take maxItems, Azure
and fine-tuned models do not. Sources: OpenAI, "Structured model outputs"; Azure OpenAI, "Structured outputs".
"""

LIMITS = ("max_tokens", "max_completion_tokens")
"""OpenAI calls max_tokens deprecated, and its reasoning models refuse it by name. Ollama and LM Studio know nothing
else and ignore max_completion_tokens without a word: the loud refusal makes max_tokens the safe first try. Sources:
OpenAI API reference, "Create chat completion"; ollama/ollama issue 7125."""

THINKING: tuple[dict[str, Any], ...] = (
    {},
    {"enable_thinking": False},
    {"thinking": {"type": "disabled"}},
    {"chat_template_kwargs": {"enable_thinking": False}},
    {"reasoning_effort": "none"},
)
"""The ways to ask for an answer without reasoning: the model's default; Alibaba and SiliconFlow; DeepSeek, Zhipu and
Volcengine; vLLM and SGLang; OpenAI, Gemini and Ollama. Source: their API references on thinking.
"""

STREAMS: tuple[dict[str, Any], ...] = (
    {},
    {"stream": True, "stream_options": {"include_usage": True}},
    {"stream": True},
)

THOUGHT_TOKENS = 16_000
"""Extra tokens for a reasoning model, if the limit includes its reasoning.

Without them long reasoning leaves no answer at all, with finish_reason "length". It is a ceiling that is seldom
reached. Source: OpenAI API reference, "Create chat completion", max_completion_tokens.
"""

_OBJECT, _TEXT = FORMATS.index("json_object"), FORMATS.index("text")
_CEILINGS = (8_192, 4_096)
"""The most tokens of an answer if a server does not say: the usual limits of models. DeepSeek: [1, 8192]."""


class Dialect(NamedTuple):
    """One form: the rung of each ladder, counted from 0; `most` is the limit of tokens that can be requested.

    `thinks` is not a refusal but an observation: the model's reasoning needs tokens.
    """

    format: int = 0
    limit: int = 0
    most: int = 0
    temperature: int = 0
    thinking: int = 0
    stream: int = 0
    thinks: int = 0

    def joined(self, other: "Dialect") -> "Dialect":
        """The lower rung of each ladder; the order of joins does not matter, so threads cannot oscillate."""
        lower = Dialect(*map(max, self, other))
        return lower._replace(most=min(self.most, other.most) or lower.most)

    def names(self) -> tuple[str, ...]:
        """The form, in words."""
        ceiling = f"at most {self.most} tokens" if self.most else "as many tokens as wished"
        temperature = "default temperature" if self.temperature else "temperature 0"
        thinking = f"thinking off by {next(iter(THINKING[self.thinking]))}" if self.thinking else "thinking as it likes"
        stream = ("one answer", "a stream", "a stream without usage")[self.stream]
        return (FORMATS[self.format], LIMITS[self.limit], ceiling, temperature, thinking, stream)

    def changes(self, other: "Dialect") -> str:
        """The parts of this form that differ from the other, in words."""
        return ", ".join(mine for mine, theirs in zip(self.names(), other.names(), strict=True) if mine != theirs)


# --- What is sent ----------------------------------------------------------------------------

_KEPT_KEYWORDS = ("type", "description", "enum", "const")


def strict_schema(schema: Mapping[str, Any], *, bounded: bool = False) -> dict[str, Any]:
    """`schema` as strict structured outputs take it: objects closed, every property required, no constraints.

    Lengths, patterns, bounds and defaults are removed, except `maxItems` if `bounded`: some models refuse them, and the
    reply is checked with the full schema anyway. Source: OpenAI, "Structured model outputs", supported schemas.
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
    """The body of a chat completion for `question` in the form `dialect`."""
    body: dict[str, Any] = {"model": model, LIMITS[dialect.limit]: _tokens(question, dialect)}
    if not dialect.temperature:
        body["temperature"] = 0
    body |= THINKING[dialect.thinking] | STREAMS[dialect.stream]
    if form := _response_format(question, FORMATS[dialect.format]):
        body["response_format"] = form
    system = question.system
    if dialect.format >= _OBJECT:
        system += "\n\nAnswer with one JSON object and nothing else. It must follow this JSON Schema:\n"
        system += json.dumps(question.schema, ensure_ascii=False)
    body["messages"] = [{"role": "system", "content": system}, {"role": "user", "content": question.user}]
    return body


def _tokens(question: Question, dialect: Dialect) -> int:
    room = THOUGHT_TOKENS if dialect.thinks and not dialect.thinking else 0
    wished = question.max_tokens + room
    return min(wished, dialect.most) if dialect.most else wished


def _response_format(question: Question, form: str) -> dict[str, Any] | None:
    if not form.startswith("json_schema"):
        return None if form == "text" else {"type": form}
    name = re.sub(r"[^A-Za-z0-9_-]", "_", question.name)[:64] or "answer"  # OpenAI: these characters, at most 64
    schema: dict[str, Any] = {"name": name, "schema": strict_schema(question.schema, bounded=form.endswith("maxItems"))}
    if not form.endswith("without strict"):
        schema["strict"] = True
    return {"type": "json_schema", "json_schema": schema}


# --- What is refused -------------------------------------------------------------------------

_UNKNOWN = re.compile(
    r"unsupported|not support|unknown|unrecogni|unexpected|not permitted|not allowed|not available|extra|instead|"
    r"deprecated|不支持|未知|不允许"
)
_FORMAT = re.compile(r"response_format|json_schema|json_object|json.?mode|structured.?output|schema|grammar")
# DeepSeek: "This response_format type is unavailable now"; a fault of the schema itself is another thing.
_FORMAT_TYPE = re.compile(
    r"response_format.{0,12}type\b.{0,40}(?:unavailable|unsupported|not (?:support|available))|"
    r"json_schema\W{0,3}(?:is|are) (?:unavailable|unsupported|not (?:support|available))"
)
_LIMIT = re.compile(r"max_(?:completion_)?tokens")
_TOO_LARGE = re.compile(r"too (?:large|high|big)|at most|maximum|range|less than|exceed|above|<=|超|最大|范围")
_TEMPERATURE = re.compile(r"temperature")
_THINKING = re.compile(r"thinking|reasoning_effort")
_STREAM = re.compile(r"\bstream|流式")
_LEAST = 256  # a smaller number in a complaint about tokens is something else


def names_a_field(said: str) -> bool:
    """Whether a complaint names a part of the form, or rejects all of it."""
    said = said.lower()
    fields = (_FORMAT, _LIMIT, _TEMPERATURE, _THINKING, _STREAM)
    return any(field.search(said) for field in fields) or "requested parameters" in said


def named(dialect: Dialect, said: str, sent: int) -> Dialect:
    """One rung down on each ladder that a complaint names; unchanged if it names none. `sent` are the requested tokens.

    A complaint about reasoning names what it is incompatible with (JSON mode, no stream): reasoning is turned off.
    """
    said = said.lower()
    if _THINKING.search(said) and not dialect.thinking:
        return dialect._replace(thinking=_way_not_to_think(said))
    if _STREAM.search(said):
        return dialect._replace(stream=min(dialect.stream + 1, len(STREAMS) - 1))
    lower = _limited(dialect, said, sent)
    if _FORMAT.search(said) and dialect.format < _TEXT:
        past = _FORMAT_TYPE.search(said) and dialect.format < _OBJECT
        lower = lower._replace(format=_OBJECT if past else dialect.format + 1)
    if _TEMPERATURE.search(said):  # reasoning models take no temperature but the default ("unsupported_value")
        lower = lower._replace(temperature=1, thinks=1)
    return lower


def _way_not_to_think(said: str) -> int:
    """The way to turn off reasoning that a complaint names; by default that of most services."""
    for word, rung in (("chat_template", 3), ("enable_thinking", 1), ("reasoning_effort", 4)):
        if word in said:
            return rung
    return 2


def _limited(dialect: Dialect, said: str, sent: int) -> Dialect:
    """The form after a complaint about the limit of tokens: another name, the number in it, or a usual one."""
    if not _LIMIT.search(said):
        return dialect
    if _UNKNOWN.search(said) and not _TOO_LARGE.search(said):
        return dialect._replace(limit=len(LIMITS) - 1)
    named = [number for number in map(int, re.findall(r"\d{3,6}", said)) if _LEAST <= number < sent]
    usual = [ceiling for ceiling in _CEILINGS if ceiling < sent] if _TOO_LARGE.search(said) else []
    most = max(named, default=0) or max(usual, default=0)
    return dialect._replace(most=most) if most else dialect


_STEPS: tuple[tuple[Dialect, bool], ...] = (
    *((Dialect(format=rung), True) for rung in range(1, len(FORMATS))),
    (Dialect(limit=1), False),
    *((Dialect(most=ceiling), True) for ceiling in _CEILINGS),
    (Dialect(temperature=1), True),
    (Dialect(temperature=1, limit=1), False),
    *((Dialect(thinking=rung), False) for rung in range(1, len(THINKING))),
    *((Dialect(stream=rung), False) for rung in range(1, len(STREAMS))),
)
"""The fixed order, and whether the step stays when the next is tried: leaving something out is harmless, while a server
may not know another name.
"""


def simpler(dialect: Dialect) -> Iterator[tuple[Dialect, Dialect]]:
    """The forms to try, in the fixed order, if a refusal does not say what is wrong, each with only its last step.

    If a form works, its last step may be all that was needed.
    """
    plain = dialect
    for step, stays in _STEPS:
        form = plain.joined(step)
        yield form, dialect.joined(step)
        plain = form if stays else plain
