"""Whatever a language model does wrong, the digest goes out whole: docs/models.md is the table of it, this holds it.

Each row of `FAULTS` is tried on a whole bot: a real git repository, a real SQLite file, and the real client against a
server that does exactly that. The day has four commits, so that there are four questions: the grades of all, the one
high commit, the two medium ones together, and the overview.
"""

from __future__ import annotations

import ast
import json
import os
import re
import threading
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import answers
import pytest
from model_server import Fault, ModelServer
from repositories import Builder, lines
from world import DAY, World, words

from adapters.llms.openai.model import OpenAIModel
from bot.posts import report
from bot.texts import Texts
from bot.values import RULES, Digest, Importance, Post, Table

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "models.md"
LABELS = tomllib.loads((ROOT / "prompts" / "labels.en.toml").read_text(encoding="utf-8"))
MODEL = "test-model"
NOTE = LABELS["digest"]["no_model_note"]
STRESS = bool(os.environ.get("STRESS"))

GRADES, HIGH, MEDIUM, OVERVIEW = (
    "grade the commits",
    "Analyse this commit",
    "describe several",
    "open the morning digest",
)
QUESTIONS = (GRADES, HIGH, MEDIUM, OVERVIEW)
"""What the system text of each question says."""
COMMITS = {"low": None, "two": MEDIUM, "one": MEDIUM, "high": HIGH}
"""The day's commits, newest first, and the question about each alone: of a low one the grade says all."""


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """A day with one high commit, two medium ones and a low one."""
    build = Builder(tmp_path_factory.mktemp("day") / "app")
    build.commit("root", DAY - timedelta(days=3), {"src/server.py": lines(1, 30)})
    for n, (name, subject, path) in enumerate(
        [
            ("high", "feat(api)!: replace the endpoint (#1)", "src/api.py"),
            ("one", "fix: wrong part one (#2)", "src/one.py"),
            ("two", "fix: wrong part two (#3)", "src/two.py"),
            ("low", "docs: a page (#4)", "docs/page.md"),
        ]
    ):
        build.commit(name, DAY + timedelta(hours=n + 1), {path: lines(1, 20, name)}, message=subject)
    return build.finish()


# --- What can be wrong with a text -----------------------------------------------------------

Body = dict[str, Any]
Spoil = Callable[[str, Body], str]
"""From a good answer and its request to a bad one."""


def data(change: Callable[[Any], Any]) -> Spoil:
    """A bad answer that is valid JSON."""
    return lambda text, body: json.dumps(change(json.loads(text)))


def without_a_field(found: dict) -> dict:
    """The last field is left out: of each commit in a list, else of the answer."""
    for part in found.get("commits", [found]):
        part.popitem()
    return found


def wrong_word(found: dict) -> dict:
    """A grade or an aspect that there is not."""
    for part in found.get("commits", ()):
        part["importance"] = "critical"
    for part in found.get("insights", ()):
        part["aspect"] = "style"
    return found


def in_another_language(text: str, body: Body) -> str:
    system, user = body["messages"]
    return answers.answer({"messages": [{**system, "content": system["content"] + " Chinese"}, user]})


def invented_quotes(text: str, body: Body) -> str:
    return text.replace('"quote": "', '"quote": "invented ')


def listed(change: Callable[[list], list]) -> Spoil:
    """A change of the list of commits."""
    return data(lambda found: {"commits": change(found["commits"])})


# --- The table -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A fault, in one or several ways that end alike.

    `second` is the number of requests where only the first answer to each question is so, and the digest is the
    model's in the end; None where a second answer is not asked for. `every` is the number where every answer is so, and
    `says` the label of what the reader is told then, "" where the digest is the model's all the same. `questions` are
    those that can go wrong so; `ungraded` and `unread` are the commits that the rules grade and describe then, where
    that is not all of whom the questions speak.
    """

    name: str
    ways: tuple[Fault | Spoil, ...]
    second: int | None
    every: int
    says: str
    questions: tuple[str, ...] = QUESTIONS
    ungraded: tuple[str, ...] | None = None
    unread: tuple[str, ...] | None = None
    pauses: tuple[float, ...] = ()
    server: Mapping[str, Any] = field(default_factory=dict)
    timeout: float = 0

    @property
    def tried(self) -> Sequence[Fault | Spoil]:
        """Every bad text, and of the server's faults the first: to the client the others of a row are the same, as
        `test_openai_model` holds of each. `make stress` tries all of them on the whole bot.
        """
        faults = [way for way in self.ways if isinstance(way, Fault)]
        return [way for way in self.ways if STRESS or way not in faults[1:]]

    @property
    def graded_by_rules(self) -> set[str]:
        return set(COMMITS if GRADES in self.questions else ()) if self.ungraded is None else set(self.ungraded)

    @property
    def read_by_rules(self) -> set[str]:
        spoken = [name for name, question in COMMITS.items() if question in self.questions]
        return set(spoken if self.unread is None else self.unread)


UNUSABLE = "digest.model_unusable"
LISTS = (GRADES, MEDIUM)

FAULTS = [
    # Taken as it is: four questions, four requests.
    Row(
        "think",
        (Fault.THINK, Fault.THINK_END_ONLY, Fault.REASONING_FIELD, Fault.REASONING_PARTS, Fault.ANSWER_AS_THOUGHTS),
        4,
        4,
        "",
    ),
    Row("prose", (lambda text, body: f"Sure! Here it is:\n\n{text}\n\nAnything else?",), 4, 4, ""),
    Row("fence", (lambda text, body: f"```json\n{text}\n```", lambda text, body: f"```\n{text}"), 4, 4, ""),
    Row("no-usage", (Fault.NO_USAGE, Fault.NULL_USAGE_COUNTS, Fault.ABSURD_USAGE), 4, 4, ""),
    # Asked again once with what was wrong, then by rules.
    Row("cut-off-told", (Fault.LENGTH, Fault.LENGTH_NULL), 8, 8, UNUSABLE),
    Row("cut-off-untold", (lambda text, body: text[: len(text) // 2], lambda text, body: text[:-1]), 8, 8, UNUSABLE),
    Row("empty", (Fault.EMPTY, Fault.NULL, lambda text, body: " \n", Fault.THINK_UNCLOSED), 8, 8, UNUSABLE),
    Row(
        "no-json",
        (
            lambda text, body: "I am sorry, I do not know.",
            lambda text, body: "<!DOCTYPE html><html><style>body { margin: 0 }</style><body>Sign in</body></html>",
            lambda text, body: f'{{"commits": {"1" * 5_000}}}',  # more digits than Python reads
            lambda text, body: '{"commits": ' * 5_000,  # deeper than it goes
        ),
        8,
        8,
        UNUSABLE,
    ),
    Row("refused", (Fault.REFUSAL, Fault.FILTERED_ANSWER, Fault.FILTERED_PROMPT), 8, 8, UNUSABLE),
    Row("braces-in-prose", (lambda text, body: f"I looked at {{all}} of it: {text}",), 8, 8, UNUSABLE),
    Row("field-missing", (data(without_a_field),), 8, 8, UNUSABLE),
    Row("nested", (data(lambda found: {"answer": found}),), 8, 8, UNUSABLE),
    Row(
        "list",
        (data(lambda found: found.get("commits", list(found.values()))), lambda text, body: "[]"),
        8,
        8,
        UNUSABLE,
    ),
    Row("word-wrong", (data(wrong_word),), 6, 6, UNUSABLE, (GRADES, HIGH)),
    Row("language", (in_another_language,), 6, 6, UNUSABLE, (HIGH, OVERVIEW)),
    Row("list-empty", (listed(lambda found: []),), 6, 6, UNUSABLE, LISTS),
    # Asked again once; what is right in either answer is taken.
    Row(
        "sha-made-up",
        (
            listed(lambda found: [*found, found[0] | {"sha": "f00f00f"}]),
            listed(lambda found: [{"sha": "f00f00f"}, *found]),
        ),
        6,
        6,
        "",
        LISTS,
    ),
    Row(
        "commit-missing",
        (listed(lambda found: found[:-1]), listed(lambda found: [*found[:-1], found[-1] | {"sha": "f00f00f"}])),
        6,
        6,
        UNUSABLE,
        LISTS,
        ungraded=("high",),
        unread=("one",),
    ),
    Row(
        "commit-doubled",
        (listed(lambda found: [*found, found[0]]), listed(lambda found: [found[0], *found, found[0]])),
        6,
        6,
        UNUSABLE,
        LISTS,
        ungraded=("low",),
        unread=("two",),
    ),
    # Sent again by the client: three times a question, three questions; the fourth is not asked any more.
    Row(
        "throttled-told",
        (Fault.THROTTLED,),
        8,
        9,
        "errors.model_throttled",
        pauses=(7.0,) * 6,
        server={"retry_after": "7"},
    ),
    Row("throttled", (Fault.THROTTLED,), 8, 9, "errors.model_throttled", pauses=(0.5, 0.5, 0.5, 1.0, 1.0, 1.0)),
    Row("server-error", (Fault.SERVER_ERROR, Fault.BAD_GATEWAY_HTML, Fault.CONFLICT), 8, 9, "errors.model_unavailable"),
    Row("overloaded", (Fault.OVERLOADED,), 8, 9, "errors.model_unavailable"),
    Row("dropped", (Fault.DROPPED, Fault.DROPPED_MIDWAY, Fault.DROPPED_CHUNK), 8, 9, "errors.model_unreachable"),
    # The whole time is over with the first request of a question.
    Row("hanging", (Fault.HANG,), None, 3, "errors.model_timeout", timeout=0.2),
    Row("dripping", (Fault.DRIP, Fault.DRIP_HEADERS, Fault.DRIP_UNSIZED), None, 3, "errors.model_timeout", timeout=0.2),
    # By rules at once: the same question would end the same way.
    Row(
        "overflow",
        (Fault.OVERFLOW, Fault.OVERFLOW_LLAMA, Fault.OVERFLOW_VLLM, Fault.TOO_LARGE),
        None,
        8,  # the analysis is tried with ever less of the patch
        "errors.model_context_overflow",
    ),
    Row(
        "no-answer", (Fault.NO_CHOICES, Fault.NULL_CHOICES, Fault.NO_MESSAGE), None, 4, "errors.model_answer_unreadable"
    ),
    Row(
        "html",
        (Fault.HTML, Fault.BROKEN_JSON, Fault.TEXT_BODY, Fault.DEEP_JSON),
        None,
        4,
        "errors.model_answer_unreadable",
    ),
    # The first question is tried in every simpler form, once.
    Row("request-refused", (Fault.INVALID, Fault.DEEP_ERROR), None, 17, "errors.model_request_refused"),
    # By rules after one request: no question can succeed before somebody mends a setting.
    Row("model-unknown", (Fault.NO_MODEL, Fault.NO_MODEL_400), None, 1, "errors.model_unknown"),
    Row("key-wrong", (Fault.BAD_KEY, Fault.FORBIDDEN), None, 1, "errors.model_key_invalid"),
    Row("no-quota", (Fault.QUOTA, Fault.QUOTA_TYPE, Fault.NO_BALANCE), None, 1, "errors.model_quota_spent"),
    Row("address-wrong", (Fault.NO_SUCH_PATH, Fault.REDIRECT), None, 1, "errors.model_endpoint_wrong"),
]
BY_NAME = {row.name: row for row in FAULTS}


# --- Trying a row ----------------------------------------------------------------------------


def asked(body: Body) -> str:
    """Which of the questions a request asks."""
    return next(q for q in QUESTIONS if any(q in message["content"] for message in body["messages"]))


class Model:
    """A model that answers in one bad way: the first time each question is put to it, or every time."""

    def __init__(self, way: Fault | Spoil, questions: tuple[str, ...], every: bool) -> None:
        self.way, self.questions, self.every = way, questions, every
        self.seen: set[str] = set()
        self.lock = threading.Lock()

    def item(self, body: Body) -> Fault | str | None:
        question = asked(body)
        with self.lock:
            first = question not in self.seen
            self.seen.add(question)
        if question not in self.questions or not (first or self.every):
            return None
        return self.way if isinstance(self.way, Fault) else self.way(answers.answer(body), body)


@dataclass(frozen=True)
class Told:
    """What came of it."""

    digest: Digest
    post: Post
    bodies: list[Body]
    pauses: list[float]

    @property
    def headline(self) -> str:
        return words(self.post.headline)


def tell(folder: Path, clock, history, item, *, timeout: float = 0, language: str = "en", **server: Any) -> Told:
    """The digest of the day, with a model server on which `item` decides what goes wrong.

    With a `timeout` the client's clock is real; without, it moves with the pauses, which are written down.
    """
    folder.mkdir(exist_ok=True)
    pauses: list[float] = []
    still = {} if timeout else {"clock": lambda: sum(pauses), "sleep": pauses.append, "jitter": lambda: 1.0}
    with ModelServer(answers.answer, item=item, **server) as running:
        model = OpenAIModel(MODEL, running.key, running.url, timeout or 60, 8, **still)
        world = World(folder, clock, str(history.path), model=model, language=language)
        try:
            (post,) = world.ask("2026-02-18")
            (digest,) = world.store.recent_digests(str(history.path), "main", language, 1)
        finally:
            world.close()
    return Told(digest, post, running.bodies, sorted(pauses))


def assert_whole(told: Told, history) -> None:
    """Every commit stands in the table and in the thread, and every sentence is a whole one."""
    landed = [history.sha(name) for name in ("low", "two", "one", "high")]
    assert [e.commit.sha for e in told.digest.entries] == landed
    (table,) = [part for part in told.post.headline.parts if isinstance(part, Table)]
    assert [row[2][0].text for row in table.rows] == [
        "docs: a page",
        "fix: wrong part two",
        "fix: wrong part one",
        "feat(api)!: replace the endpoint",
    ]
    high, rest = told.post.replies[:2]
    assert high.key == f"commit:{history.sha('high')}"
    assert all(sha[:7] in words(rest) for sha in landed[:3])
    said = [told.digest.overview]
    said += [text for e in told.digest.entries for text in (e.grade.sentence, e.analysis.summary)]
    assert not [text for text in said if not re.search(r"[.!?。”)]$", text)]
    assert not [text for text in said if "{" in text or "think" in text]


def by_rules(told: Told, history) -> tuple[set[str], set[str]]:
    """The commits that the rules graded, and those that they described beyond the grade's sentence."""
    entries = {name: e for name in COMMITS for e in told.digest.entries if e.commit.sha == history.sha(name)}
    assert {e.grade.by for e in entries.values()} | {e.analysis.by for e in entries.values()} <= {RULES, MODEL}
    assert entries["low"].analysis.by == entries["low"].grade.by
    return (
        {name for name, e in entries.items() if e.grade.by == RULES},
        {name for name, e in entries.items() if e.analysis.by == RULES and name != "low"},
    )


def label(key: str) -> re.Pattern[str]:
    """What a label looks like with anything in its blanks."""
    section, name = key.split(".")
    return re.compile(re.sub(r"\\\{\w+\\\}", ".+", re.escape(LABELS[section][name])))


def assert_by_model(told: Told, history) -> None:
    """Nothing is missing, and nothing is said to be."""
    assert by_rules(told, history) == (set(), set())
    assert "The day was about starting" in told.digest.overview
    assert (told.digest.degraded, told.digest.notices) == (False, ())
    assert not [e for e in told.digest.entries if e.analysis.note]


def assert_by_rules(told: Told, history, row: Row) -> None:
    """What the model did not do the rules did, and both the headline and the commit's own message say so."""
    assert told.digest.degraded
    (notice,) = told.digest.notices
    assert label(row.says).fullmatch(notice)
    assert notice in told.headline
    assert by_rules(told, history) == (row.graded_by_rules, row.read_by_rules)
    assert ("The day was about starting" in told.digest.overview) == (OVERVIEW not in row.questions)
    noted = {e.commit.sha for e in told.digest.entries if e.analysis.note == NOTE}
    assert noted == {history.sha(name) for name in row.read_by_rules}
    assert (NOTE in words(told.post.replies[0])) == ("high" in row.read_by_rules)


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in FAULTS])
def test_when_every_answer_is_so(tmp_path, clock, history, row: Row) -> None:
    for number, way in enumerate(row.tried):
        model = Model(way, row.questions, every=True)
        told = tell(tmp_path / str(number), clock, history, model.item, timeout=row.timeout, **row.server)
        assert_whole(told, history)
        if row.says:
            assert_by_rules(told, history, row)
        else:
            assert_by_model(told, history)
        assert len(told.bodies) == row.every, way
        assert not row.pauses or told.pauses == list(row.pauses) or set(told.pauses) == set(row.pauses) == {7.0}


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in FAULTS if row.second is not None])
def test_when_the_first_answer_is_so_the_second_is_taken(tmp_path, clock, history, row: Row) -> None:
    for number, way in enumerate(row.ways if STRESS else row.ways[:1]):
        model = Model(way, row.questions, every=False)
        told = tell(tmp_path / str(number), clock, history, model.item, **row.server)
        assert_whole(told, history)
        assert_by_model(told, history)
        assert len(told.bodies) == row.second, way
        if row.every == len(QUESTIONS) + len(row.questions):
            assert_says_what_was_wrong(told, row)


def assert_says_what_was_wrong(told: Told, row: Row) -> None:
    """Each question that was asked again begins as it was asked first."""
    for question in row.questions:
        first, second = [b["messages"][-1]["content"] for b in told.bodies if asked(b) == question]
        assert second.startswith(f"{first}\n\nYour previous answer could not be used: ")


# --- Faults of one answer, of one commit, and without a trace --------------------------------


def test_an_english_answer_to_a_chinese_question_is_not_taken(tmp_path, clock, history) -> None:
    def english(body: Body) -> str:
        asked = [{**message, "content": message["content"].replace("Chinese", "")} for message in body["messages"]]
        return answers.answer({"messages": asked})

    told = tell(tmp_path, clock, history, english, language="zh")
    assert_whole(told, history)
    assert {e.analysis.by for e in told.digest.entries} == {RULES}
    assert (len(told.bodies), len(told.digest.notices)) == (8, 1)
    assert "server" not in told.digest.overview


def test_quotes_that_are_not_in_the_patch_are_asked_for_again(tmp_path, clock, history) -> None:
    told = tell(tmp_path, clock, history, Model(invented_quotes, (HIGH,), every=False).item)
    assert_by_model(told, history)
    (high,) = told.digest.by_importance[Importance.HIGH]
    assert (high.analysis.dropped, len(high.analysis.risks), len(told.bodies)) == (0, 1, 5)
    second = [b["messages"][-1]["content"] for b in told.bodies if asked(b) == HIGH][1]
    assert "the quote is not in what was shown of that path" in second


def test_quotes_that_are_never_in_the_patch_are_dropped_and_counted(tmp_path, clock, history) -> None:
    told = tell(tmp_path, clock, history, Model(invented_quotes, (HIGH,), every=True).item)
    assert_whole(told, history)
    assert_by_model(told, history)
    (high,) = told.digest.by_importance[Importance.HIGH]
    assert (high.analysis.dropped, high.analysis.risks, high.analysis.insights, len(told.bodies)) == (2, (), (), 5)
    assert "statements dropped for lack of evidence: 2" in report.markdown([told.digest], Texts("en"))


def test_of_two_answers_the_one_with_more_evidence_is_taken(tmp_path, clock, history) -> None:
    def worse(body: Body) -> str | None:
        if asked(body) != HIGH:
            return None
        found = json.loads(answers.answer(body))
        found["risks"][0]["quote"] = "invented"
        if "Your previous answer" in body["messages"][-1]["content"]:
            found["insights"][0]["quote"] = "invented"
        return json.dumps(found)

    told = tell(tmp_path, clock, history, worse)
    assert_by_model(told, history)
    (high,) = told.digest.by_importance[Importance.HIGH]
    assert (high.analysis.dropped, len(high.analysis.risks), len(high.analysis.insights)) == (1, 0, 1)


def test_a_grade_that_is_missing_is_said_to_be_by_the_rules(tmp_path, clock, history) -> None:
    told = tell(tmp_path, clock, history, Model(listed(lambda found: found[:-1]), (GRADES,), every=True).item)
    assert_whole(told, history)
    assert by_rules(told, history) == ({"high"}, set())
    assert (told.digest.degraded, told.digest.notices) == (True, (LABELS["digest"]["model_unusable"],))


@pytest.mark.parametrize("way", [Fault.REFUSAL, Fault.OVERFLOW, Fault.EMPTY])
def test_one_commit_that_a_model_fails_at_costs_only_its_own_depth(tmp_path, clock, history, way: Fault) -> None:
    told = tell(tmp_path, clock, history, Model(way, (HIGH,), every=True).item)
    assert_whole(told, history)
    assert by_rules(told, history) == (set(), {"high"})
    assert "The day was about starting" in told.digest.overview
    assert NOTE in words(told.post.replies[0])
    assert len(told.digest.notices) == 1


def test_a_server_that_takes_any_name_answers_and_the_digest_names_the_setting(tmp_path, clock, history) -> None:
    told = tell(tmp_path, clock, history, lambda body: None, model=None)
    assert_by_model(told, history)
    assert {body["model"] for body in told.bodies} == {MODEL}
    assert f"by {MODEL}" in words(told.post.replies[0])


def test_two_answers_with_different_gaps_make_a_whole_one(tmp_path, clock, history) -> None:
    def gaps(body: Body) -> str:
        found = json.loads(answers.answer(body))
        if "commits" in found:
            del found["commits"]["Your previous answer" in body["messages"][-1]["content"]]
        return json.dumps(found)

    told = tell(tmp_path, clock, history, gaps)
    assert_whole(told, history)
    assert_by_model(told, history)
    assert len(told.bodies) == 6


def test_a_cut_off_answer_gets_more_room_the_second_time(tmp_path, clock, history) -> None:
    told = tell(tmp_path, clock, history, Model(Fault.LENGTH, QUESTIONS, every=False).item)
    for question in QUESTIONS:
        first, second = [b for b in told.bodies if asked(b) == question]
        assert second["max_tokens"] == 2 * first["max_tokens"]
        assert "cut off" in second["messages"][-1]["content"]


# --- The document ----------------------------------------------------------------------------


def fault_rows() -> list[list[str]]:
    """The cells of each row of the document's table whose last column is headed `Tested by`."""
    rows = [
        [cell.strip() for cell in line.strip("| \n").split(" | ")]
        for line in DOCUMENT.read_text(encoding="utf-8").splitlines()
        if line.startswith("|")
    ]
    start = next(n for n, cells in enumerate(rows) if cells[-1] == "Tested by")
    width = len(rows[start])
    found = rows[start + 2 :]
    assert all(len(cells) == width for cells in found)
    return found


def named_tests(cell: str) -> list[tuple[str, str, str]]:
    """The file, the function and the parameter of each test that a cell names."""
    return re.findall(r"`(tests/\w+\.py)::(\w+)(?:\[([\w-]+)\])?`", cell)


def functions(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_each_row_of_the_document_names_a_test_that_exists() -> None:
    rows = fault_rows()
    for cells in rows:
        found = named_tests(cells[-1])
        assert found, cells[0]
        for path, name, parameter in found:
            assert name in functions(path), (cells[0], name)
            assert not parameter or parameter in BY_NAME, (cells[0], parameter)


def test_the_document_tells_every_fault() -> None:
    told = {parameter for cells in fault_rows() for *_, parameter in named_tests(cells[-1])}
    assert told - {""} == set(BY_NAME)


def test_every_fault_of_the_server_is_tried_by_the_client_and_on_the_whole_bot() -> None:
    assert {way for row in FAULTS for way in row.ways if isinstance(way, Fault)} == set(Fault)
    files = (ROOT / "tests" / name for name in ("test_openai_model.py", "test_model_servers.py"))
    tried = "".join(file.read_text(encoding="utf-8") for file in files)
    assert {fault for fault in Fault if not re.search(rf"Fault\.{fault.name}\b", tried)} == set()
