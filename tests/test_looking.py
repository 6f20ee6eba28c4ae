"""Look before you say: the draft, what is looked up, and the analysis that has seen it, over a real model server."""

import json
from datetime import timedelta

import pytest
from answers import answer
from model_server import Fault
from repositories import Builder
from test_app import Talking
from test_build import purposes
from world import DAY, words

from bot.commits.patch import tokens
from bot.judgement.questions import Depth
from bot.posts.post import post
from bot.texts import Texts
from bot.values import Importance

CALLER = "from src.api import serve\n\n\ndef start():\n    serve(port=80)\n"


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """A change of a function's contract, whose caller the patch does not show."""
    build = Builder(tmp_path_factory.mktemp("looking") / "app")
    files = {"src/api.py": "def serve(port):\n    return port\n", "src/main.py": CALLER}
    build.commit("root", DAY - timedelta(days=1), files, message="start")
    changed = {"src/api.py": "def serve(host, port):\n    return host, port\n"}
    build.commit("change", DAY + timedelta(hours=1), changed, message="feat(api)!: serve a host (#7)")
    return build.finish()


@pytest.fixture
def talk(tmp_path, clock):
    made = []

    def start(history, answers, depth=Depth.NORMAL, folder="world", **more):
        (tmp_path / folder).mkdir(exist_ok=True)
        made.append(Talking(tmp_path / folder, clock, history, answers, depth=depth, **more))
        return made[-1]

    yield start
    for world in made:
        world.close()


def looking(body):
    """A model that asks who calls `serve`, and states what it found there."""
    user = body["messages"][-1]["content"]
    told = json.loads(answer(body))
    if "Draft what you would say" in user:
        told["claims"][0]["text"] = "Callers break."
        told["looks"] = [
            {"kind": "word", "word": "serve", "path": "", "line": 0, "why": "1"},
            {"kind": "before", "word": "", "path": "src/api.py", "line": 1, "why": "1"},
            {"kind": "place", "word": "", "path": "../../etc/passwd", "line": 0, "why": "1"},
        ]
    if "go through the claims" in user:
        told["risks"] = [
            {
                "text": "Starting fails: the caller passes no host.",
                "path": "src/main.py",
                "quote": "serve(port=80)",
                "mitigation": "Pass a host.",
            }
        ]
    return json.dumps(told)


def high(digest):
    (entry,) = digest.by_importance[Importance.HIGH]
    return entry


def test_what_was_looked_up_is_evidence_and_is_linked_where_it_is(talk, history):
    talking = talk(history, looking)
    entry = high(talking.digest())
    assert purposes(talking.server) == ["triage", "draft", "look", "check", "overview"]
    (risk,) = entry.analysis.risks
    assert (risk.evidence.path, risk.evidence.line, risk.evidence.sha) == ("src/main.py", 5, history.sha("change"))
    asked = talking.server.bodies[2]["messages"][-1]["content"]
    assert "5:     serve(port=80)" in asked
    assert "def serve(port):" in asked
    assert "etc/passwd:" in asked
    assert "root:" not in asked


def test_a_search_and_several_lines_are_evidence_and_both_are_shown_with_their_links(talk, history):
    def searching(body):
        told = json.loads(looking(body))
        if "go through the claims" in body["messages"][-1]["content"]:
            lines = {"path": "src/main.py", "quote": "4: def start():\n5:     serve(port=80)"}
            search = {"path": "search", "quote": "serve", "also": [lines]}
            refused = {"path": "search", "quote": "bind", "also": []}
            told["risks"] = [{"text": "Only start calls it.", "mitigation": "", **each} for each in (search, refused)]
        return json.dumps(told)

    talking = talk(history, searching)
    entry = high(talking.digest())
    (risk,) = entry.analysis.risks
    assert (risk.evidence.search.hits, set(risk.evidence.search.paths)) == (3, {"src/api.py", "src/main.py"})
    assert (risk.also[0].line, risk.also[0].last, risk.also[0].sha) == (4, 5, history.sha("change"))
    shown = "".join(talking.said("#7").split())
    assert f"searchedforserveat{history.sha('change')[:7]}:3usesinsrc/api.py,src/main.py" in shown
    assert "src/main.py:4-5defstart():↵serve(port=80)" in shown


def test_a_line_that_is_still_there_is_shown_where_it_is_now(talk, tmp_path):
    build = Builder(tmp_path / "kept")
    kept = "\n".join(["def kept():", "    return 1", *(f"line_{n} = {n}" for n in range(12))])
    build.commit("root", DAY - timedelta(days=1), {"src/api.py": f"{kept}\nx = 1\n"}, message="start")
    grown = {"src/api.py": f"import os\n\n{kept}\nx = 2\n"}
    build.commit("change", DAY + timedelta(hours=1), grown, message="feat(api)!: another x (#7)")

    def answers(body):
        told = json.loads(looking(body))
        if "Draft what you would say" in body["messages"][-1]["content"]:
            place = {"word": "", "path": "src/api.py", "line": 1, "why": "1"}
            told["looks"] = [{"kind": "before", **place}, {"kind": "place", **place}]
        if "go through the claims" in body["messages"][-1]["content"]:
            told["risks"] = [{"text": "It stays.", "path": "src/api.py", "quote": "line_5 = 5", "mitigation": ""}]
        return json.dumps(told)

    history = build.finish()
    (risk,) = high(talk(history, answers).digest()).analysis.risks
    assert (risk.evidence.line, risk.evidence.sha) == (10, history.sha("change"))


def test_the_second_question_begins_as_the_first(talk, history):
    talking = talk(history, looking)
    talking.digest()
    draft, look = (talking.server.bodies[n]["messages"] for n in (1, 2))
    beginning = draft[-1]["content"].split("\n\nDraft")[0]
    assert draft[0] == look[0]
    assert look[-1]["content"].startswith(beginning)


def test_the_thread_shows_what_is_read_first_and_the_rest_is_asked_for(talk, history):
    talking = talk(history, looking)
    digest = talking.digest()
    posted = words(post(digest, Texts("en")).replies[0])
    assert "Verdict" in posted
    assert "Full analysis: /digest #7" in posted
    assert "Technical insight" not in posted
    whole = talking.said("#7")
    assert "Technical insight" in whole
    assert "Before: " in whole


@pytest.mark.parametrize(
    ("path", "depth", "asked"),
    [
        ("src/limits.py", Depth.NORMAL, ["draft", "look"]),
        ("src/limits.py", Depth.BRIEF, ["batch"]),
        ("docs/limits.md", Depth.NORMAL, ["batch"]),
    ],
)
def test_a_small_change_of_code_is_looked_into_too(tmp_path, talk, path, depth, asked):
    build = Builder(tmp_path / "small")
    build.commit("root", DAY - timedelta(days=1), {path: "old = 1\n"}, message="start")
    build.commit("fix", DAY + timedelta(hours=1), {path: "old = 2\n"}, message="fix: it (#7)")

    def medium(body):
        told = json.loads(answer(body))
        for record in told.get("commits", []):
            if "importance" in record:
                record["importance"] = "medium"
        return json.dumps(told)

    talking = talk(build.finish(), medium, depth)
    assert len(talking.digest().by_importance[Importance.MEDIUM]) == 1
    assert [p for p in purposes(talking.server) if p in {"draft", "look", "analysis", "batch"}] == asked


def test_a_model_that_cannot_do_two_steps_does_one(talk, history):
    def single(body):
        return "I cannot." if "go through the claims" in body["messages"][-1]["content"] else answer(body)

    talking = talk(history, single)
    digest = talking.digest()
    assert purposes(talking.server) == ["triage", "draft", "look", "look", "analysis", "overview"]
    assert high(digest).analysis.by == "test-model"
    assert not digest.degraded


def test_deep_settles_what_is_open_with_a_third_question(talk, history):
    def wondering(body):
        told = json.loads(looking(body))
        if "further things to look up" in body["messages"][-1]["content"]:
            look = {"kind": "word", "word": "start", "path": "", "line": 0, "why": "1"}
            told = {**told, "risks": [], "looks": [look]}
        return json.dumps(told)

    talking = talk(history, wondering, Depth.DEEP)
    entry = high(talking.digest())
    asked = purposes(talking.server)
    assert asked == ["triage", "draft", "look", "look", "check", "overview"]
    third = talking.server.bodies[3]["messages"][-1]["content"]
    assert "--- word start: 1 hits in 1 files" in third
    assert "further things to look up" not in third
    assert "It stays." in third  # the claim as the second answer left it
    assert [risk.text for risk in entry.analysis.risks] == ["Starting fails: the caller passes no host."]


def test_deep_asks_no_third_question_where_nothing_is_open(talk, history):
    def sure(body):
        told = json.loads(looking(body))
        return json.dumps({**told, "looks": told.get("looks", [])})

    talking = talk(history, sure, Depth.DEEP)
    talking.digest()
    assert purposes(talking.server) == ["triage", "draft", "look", "check", "overview"]


def test_a_claim_that_is_not_gone_through_is_asked_for_again(talk, history):
    def forgetful(body):
        told = json.loads(looking(body))
        if "go through the claims" in body["messages"][-1]["content"] and "not gone through" not in str(body):
            told["claims"] = []
        return json.dumps(told)

    talking = talk(history, forgetful)
    assert high(talking.digest()).analysis.risks
    assert purposes(talking.server).count("look") == 2


def test_what_was_proven_at_first_is_kept_when_it_is_asked_again(talk, history):
    seen = []

    def wavering(body):
        user = body["messages"][-1]["content"]
        told = json.loads(looking(body))
        if "go through the claims" in user:
            seen.append(user)
            path = {"path": "src/api.py", "mitigation": "Do."}
            first, second = (
                {"text": "The first risk.", "quote": "def serve(host, port):", **path},
                {"text": "The second risk.", "quote": "return host, port", **path},
            )
            wrong = {"quote": "invented_name"}
            told["risks"] = [first | wrong, second] if len(seen) > 1 else [first, second | wrong]
        return json.dumps(told)

    talking = talk(history, wavering)
    entry = high(talking.digest())
    assert {risk.text for risk in entry.analysis.risks} == {"The first risk.", "The second risk."}
    assert "Your previous answer:\nDATA " in seen[1]
    assert "invented_name" in seen[1]


def test_a_deeper_analysis_serves_a_shallower_wish_and_not_the_reverse(talk, history):
    deep = talk(history, looking)
    deep.digest()
    brief = talk(history, looking, Depth.BRIEF)
    assert "Starting fails" in brief.said("#7")
    assert not {"analysis", "draft"} & set(purposes(brief.server))

    shallow = talk(history, looking, Depth.BRIEF, folder="other")
    shallow.digest()
    wishing = talk(history, looking, folder="other")
    wishing.said("#7")
    assert {"draft", "look"} <= set(purposes(wishing.server))


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A commit of about 30,000 tokens."""
    build = Builder(tmp_path_factory.mktemp("wide") / "app")
    build.commit("root", DAY - timedelta(days=1), {"src/app.py": "x = 1\n"}, message="start")
    files = {f"src/part{n}.py": "".join(f"part{n}_{k} = {k}\n" for k in range(1_000)) for n in range(5)}
    build.commit("wide", DAY + timedelta(hours=1), files, message="feat!: generate the tables (#7)")
    return build.finish()


@pytest.mark.parametrize("context", [32_000, 16_000, 8_000])
def test_the_length_of_a_context_is_found_out_and_lived_within(talk, wide, context):
    talking = talk(wide, answer)

    def too_long(body):
        size = sum(tokens(message["content"]) for message in body["messages"])
        return Fault.OVERFLOW if size > context - 2_000 else None

    talking.server.item = too_long
    digest = talking.digest()
    entry = high(digest)
    assert entry.analysis.by == "test-model"
    assert not digest.degraded
    assert entry.analysis.coverage == 1 or context == 8_000
    assert entry.analysis.coverage > 0.25
    assert talking.app.model.room < 40_000 or context == 32_000
