"""The language model adapter: the real SDK against a strict server on loopback, and its pure parts."""

from __future__ import annotations

import ipaddress
import logging
import re
import socket
import ssl
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from model_server import FORMATS, Fault, ModelServer, Refused, Seen, check_strict
from pydantic import BaseModel, Field, SecretStr

from adapters.llms.openai.complaints import about_the_form
from adapters.llms.openai.dialect import Dialect, named, request_body, strict_schema
from adapters.llms.openai.forms import MOST
from adapters.llms.openai.gate import retry_after
from adapters.llms.openai.model import TRIES, OpenAIModel, _Cutoff, from_settings
from adapters.llms.openai.reading import estimated_tokens, without_thoughts
from adapters.llms.openai.settings import OpenAISettings
from bot.errors import ConfigError, DigestError, ModelError, Unavailable
from bot.ports import LanguageModel
from bot.values import Finish, Question, Usage

SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}},
    "required": ["ok"],
    "additionalProperties": False,
}
QUESTION = Question("triage/v1", "Judge the commits.", "fix: 漏れ", SCHEMA, 300)
FORMS = 13
"""Ways to ask a short question, all of them."""


class Time:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        yield running


@pytest.fixture
def time() -> Time:
    return Time()


Connect = Callable[..., OpenAIModel]


@pytest.fixture
def connect(time: Time) -> Connect:
    """A model on a server, whose clock and sleep are the test's."""

    def build(server: ModelServer, *, timeout: float = 20, concurrency: int = 32, url: str = "") -> OpenAIModel:
        return OpenAIModel(
            server.model,
            server.key,
            url or server.url,
            timeout,
            concurrency,
            sleep=time.sleep,
            clock=time.clock,
            jitter=lambda: 1.0,
        )

    return build


# --- An answer -------------------------------------------------------------------------------


def test_a_question_gets_the_text_the_end_and_the_usage_the_server_counted(
    server: ModelServer, connect: Connect
) -> None:
    model: LanguageModel = connect(server)
    reply = model.ask(QUESTION)
    assert (reply.text, reply.finish) == ('{"ok": true}', Finish.STOP)
    assert reply.usage == Usage("test-model", prompt=7, completion=3, requests=1)
    assert model.name == "test-model"


def test_the_best_form_is_asked_for_first(server: ModelServer, connect: Connect) -> None:
    connect(server).ask(QUESTION)
    (body,) = server.bodies
    assert body["messages"] == [
        {"role": "system", "content": "Judge the commits."},
        {"role": "user", "content": "fix: 漏れ"},
    ]
    assert body["response_format"]["json_schema"] == {"name": "triage_v1", "strict": True, "schema": SCHEMA}
    assert (body["max_tokens"], body["temperature"]) == (300, 0)


@pytest.mark.parametrize(
    ("fault", "text", "finish"),
    [
        (Fault.LENGTH, '{"ok":', Finish.LENGTH),
        (Fault.LENGTH_NULL, "", Finish.LENGTH),
        (Fault.EMPTY, "", Finish.STOP),
        (Fault.NULL, "", Finish.STOP),
        (Fault.REFUSAL, "", Finish.REFUSED),
        (Fault.FILTERED_ANSWER, '{"ok": true}', Finish.REFUSED),
        (Fault.FILTERED_PROMPT, "", Finish.REFUSED),
        (Fault.THINK, '{"ok": true}', Finish.STOP),
        (Fault.THINK_END_ONLY, '{"ok": true}', Finish.STOP),
        (Fault.THINK_UNCLOSED, "", Finish.STOP),
        (Fault.REASONING_FIELD, '{"ok": true}', Finish.STOP),
        (Fault.REASONING_PARTS, '{"ok": true}', Finish.STOP),
    ],
)
def test_every_way_to_end_is_told_apart(
    server: ModelServer, connect: Connect, fault: Fault, text: str, finish: Finish
) -> None:
    server.queue(fault)
    reply = connect(server).ask(QUESTION)
    assert (reply.text, reply.finish, reply.usage.requests) == (text, finish, 1)


@pytest.mark.parametrize("fault", [Fault.NO_USAGE, Fault.NULL_USAGE_COUNTS, Fault.ABSURD_USAGE])
def test_usage_that_the_server_did_not_count_is_estimated(server: ModelServer, connect: Connect, fault: Fault) -> None:
    server.queue(fault)
    usage = connect(server).ask(QUESTION).usage
    assert usage == Usage("test-model", prompt=10, completion=4, requests=1)


@pytest.mark.parametrize(
    ("counts", "cached"),
    [
        ({"prompt_tokens_details": {"cached_tokens": 5}}, 5),
        ({"prompt_tokens_details": {"cached_tokens": 7}}, 7),
        ({"prompt_tokens_details": None, "prompt_cache_hit_tokens": 6, "prompt_cache_miss_tokens": 1}, 6),
        ({"prompt_tokens_details": {"cached_tokens": 0}, "prompt_cache_hit_tokens": 6}, 0),
        ({"prompt_tokens_details": {"cached_tokens": None}}, 0),
        ({"prompt_tokens_details": {}}, 0),
        ({"prompt_tokens_details": None}, 0),
        ({"prompt_tokens_details": {"cached_tokens": 8}}, 0),
        ({"prompt_tokens_details": {"cached_tokens": -1}}, 0),
        ({"prompt_tokens_details": {"cached_tokens": "many"}}, 0),
        ({"prompt_tokens_details": {"cached_tokens": 5.5}}, 0),
        ({"prompt_tokens_details": {"cached_tokens": 10**30}}, 0),
        ({"prompt_tokens_details": ["cached_tokens"]}, 0),
        ({"prompt_tokens_details": "cached"}, 0),
        ({"prompt_tokens_details": None, "prompt_cache_hit_tokens": -6}, 0),
        ({"prompt_tokens_details": {"cached_tokens": 5}, "prompt_tokens": None}, 5),
        ({"prompt_tokens_details": {"cached_tokens": 11}, "prompt_tokens": None}, 0),
    ],
)
def test_what_the_service_had_cached_is_believed_where_it_can_be(
    server: ModelServer, connect: Connect, counts: dict[str, Any], cached: int
) -> None:
    server.counts = counts
    usage = connect(server).ask(QUESTION).usage
    assert usage == Usage("test-model", 10 if "prompt_tokens" in counts else 7, 3, 1, cached)


def test_a_prompt_that_begins_as_an_earlier_one_is_cached(server: ModelServer, connect: Connect) -> None:
    model, long = connect(server), "line\n" * 2_000
    assert model.ask(replace(QUESTION, user=long + "one")).usage.cached == 0
    assert 2_000 < model.ask(replace(QUESTION, user=long + "two")).usage.cached <= 2_500


@pytest.mark.parametrize(
    "fault",
    [
        Fault.NO_CHOICES,
        Fault.NULL_CHOICES,
        Fault.NO_MESSAGE,
        Fault.HTML,
        Fault.BROKEN_JSON,
        Fault.DEEP_JSON,
        Fault.TEXT_BODY,
    ],
)
def test_a_reply_without_an_answer_is_an_error_that_keeps_the_usage(
    server: ModelServer, connect: Connect, fault: Fault
) -> None:
    server.queue(fault)
    with pytest.raises(ModelError) as caught:
        connect(server).ask(QUESTION)
    assert caught.value.key == "model_answer_unreadable"
    usage = caught.value.fields["usage"]
    assert isinstance(usage, Usage)
    assert (usage.prompt > 0, usage.requests) == (True, 1)


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ("<think>a</think>{}", "{}"),
        (" \n<think>\n{a}\n</think>\n\n{}\n", "{}"),
        ("<think>for ever", ""),
        ("so {a}</think>\n{}", "{}"),
        ('{"quote": "<think>a</think>"}', '{"quote": "<think>a</think>"}'),
        ("```json\n</think>\n```", "```json\n</think>\n```"),
        ("plain", "plain"),
    ],
)
def test_thoughts_are_left_out_and_quotations_of_them_are_not(text: str, rest: str) -> None:
    assert without_thoughts(text) == rest


def test_tokens_are_estimated_from_bytes() -> None:
    assert [estimated_tokens(""), estimated_tokens("abcd"), estimated_tokens("漏れ", "\ud800")] == [0, 2, 3]


# --- What an endpoint takes ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formats", "walk"),
    [
        (FORMATS, ["json_schema"]),
        (FORMATS - {"maxItems"}, ["json_schema"]),
        (frozenset({"json_object"}), ["json_schema", "json_object"]),
        (frozenset({"text"}), ["json_schema", "json_object", None]),
    ],
)
def test_the_formats_are_tried_downwards_once_and_remembered(
    connect: Connect, formats: frozenset[str], walk: list[str | None]
) -> None:
    with ModelServer(formats=formats) as server:
        model = connect(server)
        first, second = model.ask(QUESTION), model.ask(QUESTION)
    assert [body.get("response_format", {}).get("type") for body in server.bodies] == [*walk, walk[-1]]
    assert (first.usage.requests, second.usage.requests) == (len(walk), 1)


def test_without_a_schema_format_the_schema_stands_in_the_system_text(connect: Connect) -> None:
    with ModelServer(formats=frozenset({"json_object"})) as server:
        connect(server).ask(QUESTION)
    system, user = server.bodies[-1]["messages"]
    assert "JSON" in system["content"]
    assert '"additionalProperties": false' in system["content"]
    assert user["content"] == QUESTION.user


def test_a_reasoning_model_gets_its_own_token_parameter_room_for_thoughts_and_no_temperature(connect: Connect) -> None:
    with ModelServer(limits=frozenset({"max_completion_tokens"}), fixed_temperature=True) as server:
        model = connect(server)
        assert [model.ask(QUESTION).usage.requests for _ in range(2)] == [3, 1]
    last = server.bodies[-1]
    assert last["max_completion_tokens"] == 300 + 16_000
    assert not {"max_tokens", "temperature"} & set(last)
    assert last["response_format"]["type"] == "json_schema"


def test_a_step_down_is_logged_once(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    with ModelServer(formats=frozenset({"text"})) as server:
        model = connect(server)
        model.ask(QUESTION)
        model.ask(QUESTION)
    said = [record.getMessage() for record in caplog.records if record.name == "adapters.llms.openai"]
    assert said == ["test-model refuses json_schema with maxItems; going on with text"]


def test_many_first_questions_walk_the_ladders_once(connect: Connect) -> None:
    with ModelServer(formats=frozenset({"text"}), fixed_temperature=True) as server:
        model = connect(server)
        with ThreadPoolExecutor(20) as pool:
            replies = list(pool.map(lambda _: model.ask(QUESTION), range(20)))
    assert [reply.text for reply in replies] == ['{"ok": true}'] * 20
    assert server.statuses.count(400) == 3
    assert len(server.statuses) == 23


def test_a_first_question_that_fails_does_not_make_the_others_wait_for_ever(
    server: ModelServer, connect: Connect
) -> None:
    server.queue(Fault.BAD_KEY)
    model = connect(server)
    with pytest.raises(ConfigError):
        model.ask(QUESTION)
    assert model.ask(QUESTION).text == '{"ok": true}'


def test_threads_that_learn_at_the_same_time_cannot_pull_to_and_fro() -> None:
    one, other = Dialect(format=1, limit=1, most=8192), Dialect(format=2, temperature=1, most=4096)
    assert one.joined(other) == other.joined(one) == Dialect(format=2, limit=1, most=4096, temperature=1)
    assert one.joined(Dialect()) == Dialect().joined(one) == one


@pytest.mark.parametrize(
    ("said", "changes"),
    [
        ("This response_format type is unavailable now invalid_request_error", {"format": 3}),
        ("'response_format.type' must be 'json_schema' or 'text'", {"format": 1}),
        ("Failed to parse grammar", {"format": 1}),
        ("Extra inputs are not permitted body max_tokens", {"limit": 1}),
        ("Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead.", {"limit": 1}),
        ("max_tokens is too large: 20000. This model supports at most 16384 completion tokens", {"most": 16384}),
        ("Range of max_tokens should be [1, 8192]", {"most": 8192}),
        ("max_tokens: integer above maximum value, expected a value <= 32768, but got 20000", {"most": 8192}),
        ("max_tokens 超出范围", {"most": 8192}),
        ("invalid temperature: only 1 is allowed for this model", {"temperature": 1, "thinks": 1}),
        ("extra_forbidden temperature extra_forbidden response_format", {"format": 1, "temperature": 1, "thinks": 1}),
        ("parameter.enable_thinking must be set to false for non-streaming calls", {"thinking": 1}),
        ("Json mode response is not supported when enable_thinking is true", {"thinking": 1}),
        ("chat_template_kwargs.enable_thinking must be false", {"thinking": 3}),
        ("response_format needs thinking.type to be disabled", {"thinking": 2}),
        ("reasoning_effort must be none here", {"thinking": 4}),
        ("This model only support stream mode, please enable the stream parameter", {"stream": 1}),
        ("Something else", {}),
        ("", {}),
    ],
)
def test_what_a_complaint_names_is_what_is_left_out(said: str, changes: dict[str, int]) -> None:
    assert named(Dialect(), said, 20_000) == Dialect(**changes)


@pytest.mark.parametrize(
    "said",
    [
        "max_tokens must be at least 1, got -186.",
        "maximum context length is 8192 tokens, response_format not supported",
        "Range of input length should be [1, 30720]",
        "输入内容超过模型上下文长度",
        "Filtered by the content management policy, whatever the response_format",
        "系统检测到输入可能包含不安全或敏感内容",
        "Model Not Exist",
        "模型 qwen-9 不存在",
        "Insufficient Balance",
        "您的账户已欠费，请充值后重试",
        "API key not valid. Please pass a valid API key.",
    ],
)
def test_a_complaint_about_something_else_leads_nowhere(said: str) -> None:
    assert not about_the_form(said)


def test_an_endpoint_that_takes_no_way_of_asking_is_an_error(connect: Connect) -> None:
    with ModelServer(limits=frozenset({"max_output_tokens"})) as server:
        asked = connect(server)
        with pytest.raises(ModelError) as caught:
            asked.ask(QUESTION)
        assert (caught.value.key, set(server.statuses)) == ("model_request_refused", {400})
        assert len(server.statuses) <= MOST
        with pytest.raises(ModelError):
            asked.ask(QUESTION)
        assert len(server.statuses) <= MOST + 2  # what helped nobody is not tried again


# --- Schemas ---------------------------------------------------------------------------------


class Level(StrEnum):
    HIGH = "high"
    LOW = "low"


class Part(BaseModel):
    """A nested object with every constraint that strict mode refuses."""

    title: Annotated[str, Field(max_length=20, min_length=1, pattern="^a")] = "a"
    default: float = Field(0.5, ge=0, le=1)
    line: int | None = None


class Answer(BaseModel):
    level: Level
    kind: Literal["a", "b"] = Field("a", description="what it is")
    parts: list[Part] = Field(default_factory=list, max_length=3)
    tags: list[str]


def test_a_schema_with_constraints_becomes_one_that_strict_mode_takes() -> None:
    schema = Answer.model_json_schema()
    with pytest.raises(Refused):
        check_strict("answer", schema)
    strict = strict_schema(schema)
    check_strict("answer", strict)
    assert strict["required"] == ["level", "kind", "parts", "tags"]
    assert set(strict["$defs"]["Part"]["properties"]) == {"title", "default", "line"}
    assert strict["properties"]["kind"] == {"type": "string", "enum": ["a", "b"], "description": "what it is"}
    assert strict_schema(strict) == strict


def test_lists_are_bounded_where_the_endpoint_takes_bounds(connect: Connect) -> None:
    question = Question("q", "System.", "User.", Answer.model_json_schema(), 5)
    sent = []
    for formats in (FORMATS, FORMATS - {"maxItems"}):
        with ModelServer(formats=formats) as server:
            connect(server).ask(question)
        sent.append(server.bodies[-1]["response_format"]["json_schema"]["schema"]["properties"]["parts"])
    assert [parts.get("maxItems") for parts in sent] == [3, None]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('<think>It says: </think>{"a": "evil"} hm.</think>{"a": "honest"}', '{"a": "honest"}'),
        ('<think>hm</think>{"a": 1}', '{"a": 1}'),
        ('<think>hm</think>{"a": 1}</think>', '{"a": 1}</think>'),
    ],
)
def test_thoughts_that_quote_an_end_of_thoughts_give_no_answer(text: str, answer: str) -> None:
    assert without_thoughts(text) == answer


def test_the_server_takes_the_whole_question_with_such_a_schema(server: ModelServer, connect: Connect) -> None:
    question = Question("a very/long näme " * 9, "System.", "User.", Answer.model_json_schema(), 5)
    connect(server).ask(question)
    assert server.statuses == [200]
    assert re.fullmatch(r"[A-Za-z0-9_-]{64}", server.bodies[0]["response_format"]["json_schema"]["name"])


def test_a_question_without_a_name_still_names_its_schema() -> None:
    body = request_body("m", Question("", "s", "u", SCHEMA, 5), Dialect())
    assert body["response_format"]["json_schema"]["name"] == "answer"


# --- Retries ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        Fault.THROTTLED,
        Fault.SERVER_ERROR,
        Fault.BAD_GATEWAY_HTML,
        Fault.OVERLOADED,
        Fault.CONFLICT,
        Fault.DROPPED,
        Fault.DROPPED_MIDWAY,
        Fault.DROPPED_CHUNK,
    ],
)
def test_a_passing_failure_is_tried_again_and_counted(
    server: ModelServer, connect: Connect, time: Time, fault: Fault
) -> None:
    server.queue(fault, fault)
    reply = connect(server).ask(QUESTION)
    assert (reply.text, reply.usage.requests) == ('{"ok": true}', 3)
    assert reply.usage.prompt == (27 if "DROPPED" in fault.name else 7)
    assert time.pauses == [0.5, 1.0]


def test_the_backoff_is_spread_by_jitter(server: ModelServer, time: Time) -> None:
    server.queue(Fault.SERVER_ERROR, Fault.SERVER_ERROR)
    model = OpenAIModel(
        "test-model", server.key, server.url, 20, 1, sleep=time.sleep, clock=time.clock, jitter=lambda: 0
    )
    model.ask(QUESTION)
    assert time.pauses == [0.25, 0.5]


def test_the_time_a_server_asks_for_is_waited(server: ModelServer, connect: Connect, time: Time) -> None:
    server.queue(Fault.THROTTLED, retry_after="7")
    connect(server).ask(QUESTION)
    assert time.pauses == [7.0]


@pytest.mark.parametrize("wish", ["20", "Fri, 31 Dec 2199 23:59:59 GMT", "9" * 400])
def test_a_wait_beyond_the_whole_time_is_not_begun(
    server: ModelServer, connect: Connect, time: Time, wish: str
) -> None:
    server.queue(Fault.OVERLOADED, retry_after=wish)
    with pytest.raises(Unavailable):
        connect(server, timeout=20).ask(QUESTION)
    assert (time.pauses, server.statuses) == ([], [529])


def test_the_whole_time_covers_the_tries_together(server: ModelServer, connect: Connect, time: Time) -> None:
    server.queue(Fault.THROTTLED, Fault.THROTTLED, retry_after="6")
    with pytest.raises(Unavailable):
        connect(server, timeout=10).ask(QUESTION)
    assert time.pauses == [6.0]


NOW = datetime(2026, 2, 18, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "12"}, 12.0),
        ({"retry-after": " 0 "}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "1250", "retry-after": "9"}, 1.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "Wed, 18 Feb 2026 12:00:05 GMT"}, 5.0),
        ({"retry-after": "Wed, 18 Feb 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "Wed, 18 Feb 2026 13:00:09 GMT", "date": "Wed, 18 Feb 2026 13:00:00 GMT"}, 9.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


@given(st.text(), st.text())
def test_no_header_of_a_server_breaks_the_reading(value: str, date: str) -> None:
    seconds = retry_after({"retry-after": value, "date": date}, NOW)
    assert seconds is None or seconds >= 0


# --- Failures --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "kind", "key"),
    [
        (Fault.SERVER_ERROR, Unavailable, "model_unavailable"),
        (Fault.DROPPED, Unavailable, "model_unreachable"),
        (Fault.DROPPED_MIDWAY, Unavailable, "model_unreachable"),
        (Fault.THROTTLED, Unavailable, "model_throttled"),
        (Fault.QUOTA, ConfigError, "model_quota_spent"),
        (Fault.QUOTA_TYPE, ConfigError, "model_quota_spent"),
        (Fault.NO_BALANCE, ConfigError, "model_quota_spent"),
        (Fault.BAD_KEY, ConfigError, "model_key_invalid"),
        (Fault.FORBIDDEN, ConfigError, "model_key_invalid"),
        (Fault.NO_MODEL, ConfigError, "model_unknown"),
        (Fault.NO_MODEL_400, ConfigError, "model_unknown"),
        (Fault.NO_SUCH_PATH, ConfigError, "model_endpoint_wrong"),
        (Fault.REDIRECT, ConfigError, "model_endpoint_wrong"),
        (Fault.OVERFLOW, ModelError, "model_context_overflow"),
        (Fault.OVERFLOW_LLAMA, ModelError, "model_context_overflow"),
        (Fault.OVERFLOW_VLLM, ModelError, "model_context_overflow"),
        (Fault.TOO_LARGE, ModelError, "model_context_overflow"),
        (Fault.INVALID, ModelError, "model_request_refused"),
        (Fault.DEEP_ERROR, ModelError, "model_request_refused"),
    ],
)
def test_each_failure_has_its_error_and_counts_its_requests(
    server: ModelServer, connect: Connect, fault: Fault, kind: type[DigestError], key: str
) -> None:
    server.queue(*[fault] * MOST)
    with pytest.raises(kind) as caught:
        connect(server).ask(QUESTION)
    assert caught.value.key == key
    requests = {"model_request_refused": FORMS}.get(key, TRIES if kind is Unavailable else 1)
    lost = requests * 10 if key == "model_unreachable" else 0  # the server may have billed what it did not answer
    assert caught.value.fields["usage"] == Usage("test-model", prompt=lost, requests=requests)
    assert len(server.seen) == requests


def test_an_address_without_its_version_is_told_as_a_wrong_address(server: ModelServer, connect: Connect) -> None:
    with pytest.raises(ConfigError) as caught:
        connect(server, url=server.url.removesuffix("/v1")).ask(QUESTION)
    assert caught.value.key == "model_endpoint_wrong"


def test_a_server_that_is_not_there_is_unreachable(connect: Connect, time: Time) -> None:
    with ModelServer() as gone:
        url = gone.url
    with pytest.raises(Unavailable) as caught:
        connect(gone, url=url).ask(QUESTION)
    assert (caught.value.key, caught.value.fields["url"], len(time.pauses)) == ("model_unreachable", url, TRIES - 1)
    assert caught.value.fields["usage"] == Usage("test-model", requests=TRIES)


# --- Time and threads ------------------------------------------------------------------------

SLOW = [Fault.HANG, Fault.DRIP, Fault.DRIP_HEADERS, Fault.DRIP_UNSIZED]


def assert_ended(server: ModelServer, fault: Fault) -> None:
    """Ask a server that never finishes, with a real clock: it ends, and neither thread nor connection stays."""
    server.queue(fault)
    with pytest.raises(Unavailable) as caught:
        OpenAIModel("test-model", server.key, server.url, 0.2, 1).ask(QUESTION)
    assert (caught.value.key, caught.value.fields["seconds"]) == ("model_timeout", "0.2")
    assert caught.value.fields["usage"] == Usage("test-model", prompt=10, requests=1)
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    assert fault is Fault.HANG or server.abandoned.wait(10)
    assert len(server.seen) == 1


@pytest.mark.parametrize("fault", SLOW)
def test_a_server_that_never_finishes_is_left_in_time(server: ModelServer, fault: Fault) -> None:
    assert_ended(server, fault)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and a certificate of 127.0.0.1 that vouches for itself."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    today = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, today - timedelta(1), today + timedelta(1))
    signed = builder.add_extension(address, critical=False).sign(key, hashes.SHA256())
    encoding, private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path = tmp_path / "server.pem"
    path.write_bytes(signed.public_bytes(encoding) + key.private_bytes(encoding, private, serialization.NoEncryption()))
    return path


@pytest.mark.parametrize("fault", SLOW)
def test_the_time_holds_beneath_tls_too(certificate: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with ModelServer(tls=context) as server:
        assert_ended(server, fault)


def test_no_connection_is_used_twice_since_the_cutoff_learns_it_when_it_is_made(connect: Connect) -> None:
    with ModelServer(keep_alive=True) as server:
        model = connect(server)
        model.ask(QUESTION)
        model.ask(QUESTION)
        first, second = server.seen
    assert first.port != second.port


def test_a_connection_that_is_made_too_late_is_shut_at_once() -> None:
    ours, theirs = socket.socketpair()
    stream = SimpleNamespace(get_extra_info=lambda name: ours)
    with ours, theirs, _Cutoff(0) as cutoff:
        cutoff._timer.join()
        cutoff.watch("connection.connect_tcp.complete", {"return_value": stream})
        assert theirs.recv(1) == b""


def test_no_more_questions_are_under_way_than_set(connect: Connect) -> None:
    together = threading.Barrier(3)

    def answer(body: dict[str, object]) -> str:
        if "wait" in str(body["messages"]):
            together.wait(20)  # three at once, or the test fails here
        return "{}"

    with ModelServer(answer, delay=0.02) as server:  # long enough for a fourth to be seen, were there one
        model = connect(server, concurrency=3)
        model.ask(QUESTION)
        with ThreadPoolExecutor(9) as pool:
            list(pool.map(lambda _: model.ask(Question("q", "s", "wait", SCHEMA, 5)), range(9)))
    assert server.most_at_once == 3


# --- Secrets and settings --------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault.BAD_KEY, Fault.INVALID, Fault.SERVER_ERROR, Fault.HTML, Fault.THROTTLED])
def test_the_key_reaches_neither_log_nor_error(
    server: ModelServer, connect: Connect, caplog: pytest.LogCaptureFixture, fault: Fault
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="openai")  # what OPENAI_LOG=debug does
    model = connect(server)
    server.queue(*[fault] * MOST)
    with pytest.raises(DigestError) as caught:
        model.ask(QUESTION)
    assert {"openai._base_client", "httpx2"} <= {record.name for record in caplog.records}
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(caught.value.fields)
    for text in (caplog.text, told, repr(model)):
        assert server.key not in text
    assert caught.value.__context__ is None
    assert server.seen[0].headers["authorization"] == f"Bearer {server.key}"


def test_a_refusal_keeps_the_servers_reason_on_one_short_line(server: ModelServer, connect: Connect) -> None:
    server.queue(*[Fault.INVALID] * MOST)
    with pytest.raises(ModelError) as caught:
        connect(server).ask(QUESTION)
    assert caught.value.fields["reason"] == "Something else is wrong with …. user invalid_value invalid_request_error"


def settings(url: str, key: str = "k") -> OpenAISettings:
    return OpenAISettings(
        _env_file=None,
        openai_model="test-model",
        openai_api_key=SecretStr(key),
        openai_base_url=url,
        openai_timeout=20,
        openai_concurrency=2,
    )


def test_the_settings_make_a_model_that_works(server: ModelServer) -> None:
    model = from_settings(settings(server.url, f" {server.key}\n"))
    assert (model.name, model.ask(QUESTION).text) == ("test-model", '{"ok": true}')


def test_a_local_server_needs_no_key() -> None:
    with ModelServer(key="no-key-needed") as server:
        assert from_settings(settings(server.url, "")).ask(QUESTION).finish is Finish.STOP


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8080/v1",
        "ftp://host/v1",
        "https://",
        "http://[::1/v1",
        "https://me:pw@host/v1",
        "https://host/v1?k=s",
    ],
)
def test_an_address_that_cannot_be_used_or_shown_is_refused_by_name(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_settings(settings(url))
    assert caught.value.fields["name"] == "OPENAI_BASE_URL"
    assert "pw" not in str(caught.value)
    assert "k=s" not in str(caught.value)


def test_a_key_that_no_header_can_carry_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigError) as caught:
        from_settings(settings("http://127.0.0.1/v1", "sk-“quoted”"))
    assert caught.value.fields["name"] == "OPENAI_API_KEY"
    assert "quoted" not in str(caught.value)


# --- The server itself -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 200),
        ({"surprise": 1}, 400),
        ({"model": "other"}, 404),
        ({"messages": []}, 400),
        ({"messages": [{"role": "robot", "content": "x"}]}, 400),
        ({"max_tokens": 0}, 400),
        ({"temperature": 3}, 400),
        ({"response_format": {"type": "yaml"}}, 400),
        ({"response_format": {"type": "json_object"}}, 400),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}}}, 400),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "a b", "schema": SCHEMA}}}, 400),
    ],
)
def test_the_server_refuses_what_the_api_refuses(change: dict[str, object], status: int) -> None:
    whole = {"model": "test-model", "messages": [{"role": "user", "content": "hello"}]} | change
    headers = {"content-type": "application/json", "authorization": "Bearer k"}
    with ModelServer(key="k") as server:
        try:
            server.check(Seen("POST", "/v1/chat/completions", headers, whole, 0.0))
            seen = 200
        except Refused as refused:
            seen = refused.status
    assert seen == status


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 0),
        ({"method": "GET"}, 405),
        ({"path": "/v1/completions"}, 404),
        ({"headers": {"content-type": "application/json"}}, 401),
        ({"headers": {"content-type": "application/json", "authorization": "Bearer other"}}, 401),
        ({"headers": {"content-type": "text/plain", "authorization": "Bearer k"}}, 400),
    ],
)
def test_the_server_refuses_what_is_wrong_around_the_body(change: dict[str, Any], status: int) -> None:
    body = {"model": "test-model", "messages": [{"role": "user", "content": "hello"}]}
    headers = {"content-type": "application/json; charset=utf-8", "authorization": "Bearer k"}
    with ModelServer(key="k") as server:
        try:
            server.check(replace(Seen("POST", "/v1/chat/completions", headers, body, 0.0), **change))
            seen = 0
        except Refused as refused:
            seen = refused.status
    assert seen == status


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": [], "additionalProperties": False},
        SCHEMA | {"properties": {"ok": {"type": "boolean", "default": True}}},
        SCHEMA | {"properties": {"ok": {"type": "string", "minLength": 1}}},
        SCHEMA | {"properties": {"ok": {"type": "array", "items": {"type": "string"}, "maxItems": 3}}},
        SCHEMA | {"properties": {"ok": {"allOf": []}}},
        SCHEMA | {"properties": {"ok": {}}},
    ],
)
def test_the_server_holds_schemas_to_strict_mode(schema: dict[str, object]) -> None:
    with pytest.raises(Refused):
        check_strict("answer", schema)


def test_the_server_throttles_beyond_its_limit(connect: Connect, time: Time) -> None:
    entered, leave = threading.Event(), threading.Event()

    def answer(body: dict[str, object]) -> str:
        if "slow" in str(body["messages"]):
            entered.set()
            leave.wait(20)
        return "{}"

    with ModelServer(answer, limit=1) as server, ThreadPoolExecutor(1) as pool:
        model = connect(server)
        model.ask(QUESTION)
        slow = pool.submit(model.ask, Question("q", "s", "slow", SCHEMA, 5))
        assert entered.wait(20)
        with pytest.raises(Unavailable):
            model.ask(QUESTION)
        leave.set()
        assert slow.result().text == "{}"
    assert server.statuses.count(429) == TRIES
    assert server.prompt_characters == 4 * len(QUESTION.system + QUESTION.user) + len("s" + "slow")


def test_what_breaks_in_the_answers_is_raised_at_the_servers_end(connect: Connect) -> None:
    def answer(body: dict[str, object]) -> str:
        raise LookupError("no such question")

    def ask() -> None:
        with ModelServer(answer) as server:
            connect(server).ask(QUESTION)

    with pytest.raises(Unavailable):  # the test's own failure comes first …
        ask()
    with pytest.raises(LookupError), ModelServer(answer) as server, pytest.raises(Unavailable):  # … then the server's
        connect(server).ask(QUESTION)
