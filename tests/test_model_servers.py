"""The model servers of docs/models.md: each refuses in its way, over a real socket, and is asked in a way it takes.

Two digests of three questions are asked of each: the second by a new process on the same database. `requests` is what
the first takes; the second takes three.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import answers
import pytest
from model_server import Fault, ModelServer, Refused
from repositories import Builder, lines
from world import DAY, World

from adapters.llms.openai.model import OpenAIModel
from adapters.llms.openai.reading import reply_of
from adapters.stores.sqlite.store import SqliteStore
from bot.errors import ConfigError, DigestError, Paused, Unavailable
from bot.judgement.asker import Asker, Bill, Limits
from bot.values import Finish, Question, Reply, Usage

DOCUMENT = Path(__file__).parents[1] / "docs" / "models.md"
NOW = datetime(2026, 2, 18, 9, tzinfo=UTC)
ANSWER = '{"ok": ["好"]}'
SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {"ok": {"type": "array", "items": {"type": "string"}, "maxItems": 3}},
    "required": ["ok"],
    "additionalProperties": False,
}
QUESTIONS = tuple(
    Question(name, "Judge the commits.", "fix: 漏れ", SCHEMA, room)
    for name, room in (("grades", 24_000), ("analysis", 6_000), ("overview", 500))
)
Body = dict[str, Any]
Test = Callable[[Body], object]


# --- What a server does not take -------------------------------------------------------------


def schema(body: Body) -> Body:
    found: Body = body.get("response_format", {}).get("json_schema", {})
    return found


def kind(body: Body) -> str | None:
    found: str | None = body.get("response_format", {}).get("type")
    return found


def bounded(body: Body) -> object:
    return "maxItems" in json.dumps(schema(body))


def asked_for(body: Body) -> int:
    return int(body.get("max_tokens") or body.get("max_completion_tokens") or 0)


def form(body: Body) -> str:
    """A request in words, beside what every request holds; in the order of the table's column."""
    told = [kind(body) or "no format"]
    if kind(body) == "json_schema":
        told += [name for name, holds in (("maxItems", bounded(body)), ("strict", schema(body).get("strict"))) if holds]
    told += [name for name in ("max_tokens", "max_completion_tokens") if name in body]
    told += ["temperature"] if "temperature" in body else []
    for name in ("enable_thinking", "thinking", "chat_template_kwargs", "reasoning_effort", "stream", "stream_options"):
        told += [name] if name in body else []
    return " ".join(told)


BEST = "json_schema maxItems strict max_tokens temperature"
NOTHING: object = ""
BAD = {"error": {"message": "Bad Request", "type": "BadRequestError", "code": 400}}
CHINESE = {"error": {"code": "1210", "message": "API 调用参数有误，请检查文档。"}}
OWN = frozenset({"enable_thinking", "thinking", "chat_template_kwargs", "reasoning_effort"})


def error(message: str) -> Body:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}


@dataclass(frozen=True)
class Server:
    """A server that refuses what `test` says, in the words of `said`; `ends` is the last form, `requests` how many."""

    name: str
    test: Test
    said: object
    ends: str
    requests: int = 4
    status: int = 400
    most: int = 24_000
    options: Body = field(default_factory=dict)

    def refuse(self, body: Body) -> Refused | None:
        said = self.said(body) if callable(self.said) else self.said
        return Refused.with_body(self.status, said) if self.test(body) else None


def without(*words: str) -> str:
    return " ".join(word for word in BEST.split() if word not in words)


def thinks_unless(*names: str) -> Test:
    """Takes no request that lets the model think, and no field but its own."""
    return lambda body: not set(names) <= set(body) or (OWN & set(body)) - set(names)


FREE = {"fields": OWN}
SERVERS = [
    Server("as-openai", lambda body: False, NOTHING, BEST, 3),
    # Nothing says what is wrong: the fixed order.
    Server("no-max-items", bounded, NOTHING, without("maxItems")),
    Server("no-strict", lambda b: schema(b).get("strict"), CHINESE, without("maxItems", "strict"), 5, 422),
    Server("no-schema", schema, BAD, "json_object max_tokens temperature", 6),
    Server("no-json-mode", kind, NOTHING, "no format max_tokens temperature", 7),
    Server("other-name", lambda b: "max_tokens" in b, NOTHING, BEST.replace("max_tokens", "max_completion_tokens"), 8),
    Server("8192-unsaid", lambda b: asked_for(b) > 8192, CHINESE, BEST, 9, most=8192),
    Server("4096-unsaid", lambda b: asked_for(b) > 4096, NOTHING, BEST, 10, most=4096),
    Server("no-temperature", lambda b: "temperature" in b, BAD, without("temperature"), 11),
    Server("qwen-unsaid", thinks_unless("enable_thinking"), NOTHING, BEST + " enable_thinking", 13, options=FREE),
    Server("glm-unsaid", thinks_unless("thinking"), NOTHING, BEST + " thinking", 14, options=FREE),
    Server("vllm-unsaid", thinks_unless("chat_template_kwargs"), BAD, BEST + " chat_template_kwargs", 15, options=FREE),
    Server("effort-unsaid", thinks_unless("reasoning_effort"), BAD, BEST + " reasoning_effort", 16, options=FREE),
    Server("stream-unsaid", lambda b: "stream" not in b, NOTHING, BEST + " stream stream_options", 17),
    Server(
        "two-things",
        lambda b: schema(b) or "max_tokens" in b,
        NOTHING,
        "no format max_completion_tokens temperature",
        9,
    ),
    # The complaint names it.
    Server(
        "deepseek",
        schema,
        error("This response_format type is unavailable now"),
        "json_object max_tokens temperature",
    ),
    Server("llama-cpp", schema, error("Failed to parse grammar"), "json_object max_tokens temperature", 6, 500),
    Server(
        "openrouter",
        kind,
        {"error": {"message": "No endpoints found that can handle the requested parameters.", "code": 404}},
        "no format max_tokens temperature",
        7,
        404,
    ),
    Server(
        "openai-reasoning",
        lambda b: {"max_tokens", "temperature"} & set(b),
        lambda b: error(
            "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
            if "max_tokens" in b
            else "Unsupported value: 'temperature' does not support 0. Only the default (1) value is supported."
        ),
        "json_schema maxItems strict max_completion_tokens",
        5,
        most=40_000,
    ),
    Server(
        "8192",
        lambda b: asked_for(b) > 8192,
        error("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]"),
        BEST,
        most=8192,
    ),
    Server(
        "qwen",
        lambda b: b.get("enable_thinking", True),
        error("parameter.enable_thinking must be set to false for non-streaming calls"),
        BEST + " enable_thinking",
        options=FREE,
    ),
    Server(
        "qwq",
        lambda b: not b.get("stream"),
        error("This model only support stream mode, please enable the stream parameter to access the model. "),
        BEST + " stream stream_options",
    ),
    Server(
        "stream-without-usage",
        lambda b: not b.get("stream") or "stream_options" in b,
        error("streaming is required; stream_options is not supported"),
        BEST + " stream",
        5,
    ),
    Server(
        "error-with-200",
        schema,
        {"error": {"message": "response_format json_schema is not supported", "code": 400}},
        "json_object max_tokens temperature",
        status=200,
    ),
    Server("message-with-200", schema, {"code": 1210, "msg": "参数错误"}, "json_object max_tokens temperature", 6, 200),
    # Taken as it comes.
    Server("azure", lambda body: False, NOTHING, BEST, 3, options={"azure": "2024-10-21"}),
    Server("always-streams", lambda body: False, NOTHING, BEST, 3, options={"streams": True}),
    Server(
        "thoughts-hold-the-answer",
        lambda body: False,
        NOTHING,
        BEST,
        3,
        most=40_000,
        options={"item": lambda body: Fault.ANSWER_AS_THOUGHTS},
    ),
    Server("fenced", lambda body: False, NOTHING, BEST, 3, options={"answer": lambda body: f"```json\n{ANSWER}\n```"}),
]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with_store = SqliteStore(tmp_path / "digest.db")
    yield with_store
    with_store.close()


def process(server: ModelServer, store: SqliteStore, **more: Any) -> OpenAIModel:
    """A model as a new process makes it."""
    return OpenAIModel("test-model", server.key, server.url, 60, 8, learned=store, now=lambda: NOW, **more)


def digest(model: OpenAIModel) -> list[Reply]:
    return [model.ask(question) for question in QUESTIONS]


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in SERVERS])
def test_each_server_is_asked_in_a_way_that_it_takes(store: SqliteStore, row: Server) -> None:
    options: Body = {"answer": lambda body: ANSWER} | row.options
    with ModelServer(refuse=row.refuse, **options) as server:
        first = digest(process(server, store))
        taken = len(server.seen)
        second = digest(process(server, store))
    for reply in first + second:
        assert (reply.text.strip("`json\n"), reply.finish) == (ANSWER, Finish.STOP)
    ended = [form(body) for body in server.bodies[taken:]]
    assert (ended, taken) == ([row.ends] * len(QUESTIONS), row.requests)
    assert max(map(asked_for, server.bodies[taken:])) == row.most


def refusing(test: Test, status: int, body: object) -> Callable[[Body], Refused | None]:
    """A server that refuses, whatever it is asked for else."""
    return lambda asked: Refused.with_body(status, body) if test(asked) else None


def test_without_a_database_the_way_is_known_to_the_process(store: SqliteStore) -> None:
    with ModelServer(
        lambda body: ANSWER, refuse=lambda b: (schema(b) and Refused.with_body(400, "")) or None
    ) as server:
        model = OpenAIModel("test-model", server.key, server.url, 60, 8)
        digest(model)
        taken = len(server.seen)
        digest(model)
    assert (taken, len(server.seen)) == (6, 9)


def test_another_model_is_asked_in_the_best_way_and_what_is_old_or_damaged_is_found_out_again(
    store: SqliteStore,
) -> None:
    with ModelServer(
        lambda body: ANSWER, refuse=lambda b: (bounded(b) and Refused.with_body(400, "")) or None
    ) as server:
        digest(process(server, store))
        about = f"{server.url} test-model"
        assert json.loads(store.learned(about, NOW))["format"] == 1
        assert not store.learned(f"{server.url} other", NOW)
        for kept, then in (("{", NOW), ('{"format": 99}', NOW), ('{"format": 1}', NOW - timedelta(days=31))):
            store.learn(about, kept, then)
            before = len(server.seen)
            process(server, store).ask(QUESTIONS[0])
            assert len(server.seen) == before + 2, kept


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Any:
    build = Builder(tmp_path_factory.mktemp("day") / "app")
    build.commit("root", DAY - timedelta(days=3), {"src/server.py": lines(1, 30)})
    for number in range(2):
        name = f"part{number}"
        build.commit(name, DAY + timedelta(hours=number), {f"src/{name}.py": lines(1, 9, name)}, message=f"fix: {name}")
    return build.finish()


def test_two_digests_of_the_whole_bot_the_second_after_a_restart(tmp_path: Path, clock: Any, history: Any) -> None:
    taken, statuses = [], []
    with ModelServer(answers.answer, refuse=refusing(schema, 422, CHINESE)) as server:
        for day in ("2026-02-18", "2026-02-15"):
            with_store = World(tmp_path, clock, str(history.path))
            model = OpenAIModel("test-model", server.key, server.url, 60, 8, learned=with_store.store)
            with_store.app.model = Asker(model, Bill(with_store.store, Limits(), clock))
            with_store.ask(day)
            (made, *_) = with_store.store.recent_digests(str(history.path), "main", "en", 1)
            assert not made.degraded, day
            with_store.close()
            taken.append(len(server.seen))
            statuses.append(server.statuses.count(422))
    assert statuses == [3, 3]
    assert taken[1] > taken[0]


# --- What is no refusal of the form ----------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "key"),
    [
        (402, {}, "model_quota_spent"),
        (429, {"error": {"code": "1113", "message": "余额不足或无可用资源包,请充值。"}}, "model_quota_spent"),
        (400, {"code": "Arrearage", "message": "Access denied, please make sure your account is in good standing."},
         "model_quota_spent"),
        (403, {"code": 30011, "message": "Your paid balance is insufficient."}, "model_quota_spent"),
        (200, {"error": {"message": "账户已欠费"}}, "model_quota_spent"),
        (200, {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}, "model_quota_spent"),
        (400, {"error": {"message": "API key not valid. Please pass a valid API key.", "code": 400}},
         "model_key_invalid"),
        (200, {"error": {"message": "身份验证失败", "code": "1000"}}, "model_key_invalid"),
        (401, {}, "model_key_invalid"),
        (403, {}, "model_key_invalid"),
        (400, {"error": {"message": "模型不存在，请检查模型代码", "code": "1211"}}, "model_unknown"),
        (404, {"error": {"message": "The model does not exist", "code": "model_not_found"}}, "model_unknown"),
        (400, {"error": {"message": "Prompt 超长", "code": "1261"}}, "model_context_overflow"),
        (400, {"error": {"message": "输入内容超过最大上下文"}}, "model_context_overflow"),
    ],
)  # fmt: skip
def test_what_no_simpler_form_mends_is_told_at_once(store: SqliteStore, status: int, body: Body, key: str) -> None:
    server = ModelServer(refuse=lambda asked: Refused.with_body(status, body))
    with server, pytest.raises(DigestError) as caught:
        process(server, store).ask(QUESTIONS[0])
    assert (caught.value.key, len(server.seen)) == (key, 1)


def test_a_limit_told_in_an_answer_is_waited_for(store: SqliteStore) -> None:
    said = iter([{"error": {"message": "请求过于频繁", "code": "1302"}}])
    refuse = {"refuse": lambda body: Refused.with_body(200, told) if (told := next(said, None)) else None}
    with ModelServer(lambda body: ANSWER, **refuse) as server:
        reply = process(server, store, sleep=lambda seconds: None).ask(QUESTIONS[0])
    assert (reply.text, reply.usage.requests) == (ANSWER, 2)


@pytest.mark.parametrize(
    "path",
    ["", "/openai", "/openai/deployments/test-model", "/openai/deployments/test-model/chat/completions"],
)
def test_azures_address_in_any_form_leads_to_the_deployment(store: SqliteStore, path: str) -> None:
    with ModelServer(azure="2024-10-21") as server:
        address = server.url.replace("/?", f"{path}?")
        model = OpenAIModel("test-model", server.key, address, 20, 2)
        assert model.ask(QUESTIONS[2]).finish is Finish.STOP
        assert "authorization" not in server.seen[0].headers
        with pytest.raises(ConfigError) as caught:
            OpenAIModel("test-model", "other", address, 20, 2).ask(QUESTIONS[2])
    assert "?" not in str(caught.value)


def test_an_address_copied_whole_is_the_service(store: SqliteStore) -> None:
    with ModelServer() as server:
        model = OpenAIModel("test-model", server.key, f"{server.url}/chat/completions", 20, 2)
        assert model.ask(QUESTIONS[2]).finish is Finish.STOP


def test_an_answer_among_thoughts_is_none() -> None:
    thoughts = f"The commit says {ANSWER}, so I would answer {ANSWER}"
    message = {"content": "", "reasoning_content": thoughts}
    completion = {"choices": [{"message": message, "finish_reason": "stop"}]}
    assert reply_of(completion, {"messages": []}, Usage("m")).text == ""


# --- Pauses ----------------------------------------------------------------------------------


class Time:
    """A clock that moves only when somebody sleeps, or a test says so."""

    def __init__(self) -> None:
        self.now, self.pauses = 1000.0, []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def time() -> Time:
    return Time()


def asking(server: ModelServer, time: Time, timeout: float) -> OpenAIModel:
    clock = {"clock": lambda: time.now, "sleep": time.sleep, "jitter": lambda: 1.0}
    return OpenAIModel("test-model", server.key, server.url, timeout, 8, **clock)


def test_a_pause_is_obeyed_to_the_second_and_by_everybody(time: Time) -> None:
    with ModelServer() as server:
        model = asking(server, time, 80)
        server.queue(Fault.THROTTLED, retry_after="90")
        with pytest.raises(Paused) as caught:
            model.ask(QUESTIONS[2])
        assert (caught.value.key, caught.value.fields["seconds"]) == ("model_paused", "90")
        time.now += 5  # another question, and nothing is sent: the pause ends after its time too
        with pytest.raises(Paused) as caught:
            model.ask(QUESTIONS[1])
        assert caught.value.fields["seconds"] == "90"
        time.now += 29
        assert model.ask(QUESTIONS[1]).finish is Finish.STOP  # 34 s after, it waits for the 56 that are left
    assert (time.pauses, server.statuses) == ([56.0], [429, 200])


@pytest.mark.parametrize("fault", [Fault.THROTTLED, Fault.OVERLOADED, Fault.SERVER_ERROR])
def test_a_pause_within_the_time_is_waited_whatever_failed(time: Time, fault: Fault) -> None:
    with ModelServer() as server:
        server.queue(fault, retry_after="90")
        assert asking(server, time, 120).ask(QUESTIONS[2]).usage.requests == 2
    assert time.pauses == [90.0]


def test_the_last_try_closes_the_gate_for_the_others_too(time: Time) -> None:
    with ModelServer() as server:
        model = asking(server, time, 100)
        server.queue(*[Fault.THROTTLED] * 3, retry_after="30")
        with pytest.raises(Unavailable):
            model.ask(QUESTIONS[2])
        model.ask(QUESTIONS[2])
    assert time.pauses == [30.0, 30.0, 30.0]


def test_a_pause_without_end_ends_after_a_day(time: Time) -> None:
    with ModelServer() as server:
        model = asking(server, time, 100)
        server.queue(Fault.THROTTLED, retry_after="9" * 400)
        with pytest.raises(Paused):
            model.ask(QUESTIONS[2])
        time.now += 86_400
        assert model.ask(QUESTIONS[2]).finish is Finish.STOP


def test_a_digest_that_cannot_wait_is_written_by_rules_and_says_why(tmp_path: Path, clock: Any, history: Any) -> None:
    with ModelServer(answers.answer, item=lambda body: Fault.THROTTLED, retry_after="300") as server:
        model = OpenAIModel("test-model", server.key, server.url, 60, 8)
        world = World(tmp_path, clock, str(history.path), model=model)
        world.ask("2026-02-18")
        (made,) = world.store.recent_digests(str(history.path), "main", "en", 1)
        world.close()
    assert len(server.seen) == 1
    assert [notice for notice in made.notices if "pause of 300 s" in notice]
    assert len(made.notices) == 1


# --- The document ----------------------------------------------------------------------------


def test_the_document_tells_every_server() -> None:
    rows = re.findall(r"^\| (.+) \| (.+) \| (\d+) \| `([\w-]+)` \|$", DOCUMENT.read_text(encoding="utf-8"), re.M)
    assert {name: int(requests) for *_, requests, name in rows} == {row.name: row.requests for row in SERVERS}
