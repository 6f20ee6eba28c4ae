"""What is made of a day when model and rules disagree, when a patch is large, and when the budget ends."""

import json
from datetime import timedelta

import pytest
from answers import answer
from model_server import Fault
from repositories import Builder
from test_app import Talking
from world import DAY, HOME, words

from bot.commits.patch import tokens
from bot.judgement import questions
from bot.judgement.asker import Limits
from bot.rights import Who
from bot.texts import Texts
from bot.values import RULES, ChangeType, Importance


def purposes(server) -> list[str]:
    """Which prompts were asked, in order."""
    told = {
        "grade the commits": "triage",
        "first looks": "second",
        "describe several commits": "batch",
        "read in": "merge",
        "Draft what you would say": "draft",
        "go through the claims": "look",
        "what somebody else wrote": "check",
        "Analyse this commit": "analysis",
        "open the morning digest": "overview",
    }
    asked = ["\n".join(message["content"] for message in body["messages"]) for body in server.bodies]
    return [next(name for words, name in told.items() if words in question) for question in asked]


@pytest.fixture
def talk(tmp_path, clock):
    """Makes worlds with a model server, and closes them whatever happens."""
    made = []

    def start(history, *answers, **more):
        (tmp_path / f"world{len(made)}").mkdir()
        made.append(Talking(tmp_path / f"world{len(made)}", clock, history, *answers, **more))
        return made[-1]

    yield start
    for world in made:
        world.close()


def lines(first, last, word):
    return "".join(f"{word}_{n} = {n}\n" for n in range(first, last))


@pytest.fixture(scope="module")
def disputed(tmp_path_factory):
    """A day of a documentation change that matters, a feature that does not, and ordinary fixes."""
    build = Builder(tmp_path_factory.mktemp("disputed") / "app")
    build.commit("root", DAY - timedelta(days=1), {"src/app.py": lines(0, 5, "root")}, message="start")
    build.commit("docs", DAY + timedelta(hours=1), {"docs/a.md": "careful\n"}, message="docs: how to upgrade (#1)")
    wide = {f"src/api/part{n}.py": lines(0, 90, f"part{n}") for n in range(6)} | {"tests/test_api.py": "x = 1\n"}
    build.commit("wide", DAY + timedelta(hours=2), wide, message="feat: add an API with options (#2)")
    for n in range(6):
        build.commit(f"fix{n}", DAY + timedelta(hours=3, minutes=n), {f"src/f{n}.py": "x = 1\n"}, message=f"fix: {n}")
    return build.finish()


def contrary(second):
    """A model that grades the feature low and the page high, and then says `second` of both."""

    def answers(body):
        system, user = body["messages"][0]["content"], body["messages"][-1]["content"]
        if "grade the commits" in system:
            told = json.loads(answer(body))
            for line, record in zip(
                [line for line in user.splitlines() if "| prior" in line], told["commits"], strict=True
            ):
                record["importance"] = "low" if "feat:" in line else "high" if "docs:" in line else "medium"
            return json.dumps(told)
        if "first looks" in system:
            shas = [line.split()[1] for line in user.splitlines() if line.startswith("commit ")]
            return json.dumps(
                {"commits": [{"sha": s, "importance": second, "reason": "seen in the patch"} for s in shas]}
            )
        return answer(body)

    return answers


def test_grades_two_steps_apart_are_decided_with_the_patch(talk, disputed):
    talking = talk(disputed, contrary("medium"))
    digest = talking.digest()
    grades = {e.commit.sha: e.grade for e in digest.entries}
    assert purposes(talking.server).count("second") == 1
    asked = talking.server.bodies[purposes(talking.server).index("second")]["messages"][-1]["content"]
    assert "+careful" in asked
    assert "+part0_1 = 1" in asked
    assert "fix: 1" not in asked
    for name in ("docs", "wide"):
        found = grades[disputed.sha(name)]
        assert (found.importance, found.reason) == (Importance.MEDIUM, "seen in the patch")
    assert not digest.degraded


def test_a_lift_to_high_that_the_rules_do_not_share_is_looked_at_with_its_patch(talk, disputed):
    """What the rules call medium, the list high, and the patch medium."""

    def lifting(body):
        system, user = body["messages"][0]["content"], body["messages"][-1]["content"]
        told = json.loads(answer(body))
        if "grade the commits" in system:
            for record in told["commits"]:
                if record["sha"] == disputed.sha("fix2")[:7]:
                    record.update({"importance": "high", "rank": 9})
        if "first looks" in system:
            shas = [line.split()[1] for line in user.splitlines() if line.startswith("commit ")]
            told = {"commits": [{"sha": s, "importance": "medium", "rank": 4, "reason": "a constant"} for s in shas]}
        return json.dumps(told)

    talking = talk(disputed, lifting)
    grades = {e.commit.sha: e.grade for e in talking.digest().entries}
    asked = talking.server.bodies[purposes(talking.server).index("second")]["messages"][-1]["content"]
    assert [line.split()[1] for line in asked.splitlines() if line.startswith("commit ")] == [disputed.sha("fix2")[:7]]
    found = grades[disputed.sha("fix2")]
    assert (found.importance, found.reason) == (Importance.MEDIUM, "a constant")


def test_who_has_read_the_patch_corrects_the_row_and_never_how_grave_it_is(talk, disputed):
    right = {"types": ["revert"], "theme": "", "sentence": "It takes the constants back.", "importance": "low"}

    def correcting(body):
        told = json.loads(answer(body))
        for record in (told, *told.get("commits", [])):
            if "importance" in record and record["sha"] == disputed.sha("fix1")[:7]:
                record["importance"] = "medium"
            if "correction" in record:
                record["correction"] = right
        return json.dumps(told)

    talking = talk(disputed, correcting)
    digest = talking.digest()
    deep = [e for i in (Importance.HIGH, Importance.MEDIUM) for e in digest.by_importance[i]]
    assert [e.commit.sha for e in deep] == [
        disputed.sha(name) for name in ("wide", "fix1")
    ]  # one alone, one of a batch
    assert {(e.grade.types, e.grade.sentence) for e in deep} == {((ChangeType.REVERT,), "It takes the constants back.")}
    low = digest.by_importance[Importance.LOW]
    assert not [e for e in low if ChangeType.REVERT in e.grade.types]
    assert "It takes the constants back." in talking.said("2026-02-18")
    repository, wide = talking.repositories.find(str(disputed.path), Who(HOME)), deep[0].commit
    alone = talking.app.expand(repository, wide, Texts("en")).grade
    assert (alone.importance, alone.types) == (Importance.HIGH, (ChangeType.REVERT,))


@pytest.mark.parametrize("context", [8_000, 4_000])
def test_a_list_that_is_too_long_for_a_context_is_asked_in_halves(talk, tmp_path, context):
    build = Builder(tmp_path / "app")
    said = "It was so before, and now it is otherwise. " * 14
    for n in range(30):
        build.commit(
            f"c{n}", DAY + timedelta(minutes=n), {f"src/f{n}.py": f"x = {n}\n"}, message=f"fix: part {n}\n\n{said}"
        )
    history = build.finish()
    talking = talk(history)

    def too_long(body):
        size = sum(tokens(message["content"]) for message in body["messages"])
        return Fault.OVERFLOW if size > context else None

    talking.server.item = too_long
    digest = talking.digest()
    assert {e.grade.by for e in digest.entries} == {"test-model"}
    assert purposes(talking.server).count("triage") > 2


def test_a_second_look_lives_within_a_small_context(talk, disputed):
    talking = talk(disputed, contrary("medium"))

    def too_long(body):
        small = "first looks" not in body["messages"][0]["content"]
        size = sum(tokens(message["content"]) for message in body["messages"])
        return None if small or size < 3_000 else Fault.OVERFLOW

    talking.server.item = too_long
    digest = talking.digest()
    assert purposes(talking.server).count("second") > 1
    assert {e.grade.reason for e in digest.entries} >= {"seen in the patch"}
    assert not digest.degraded


def test_a_second_look_that_fails_leaves_the_first_grades(talk, disputed):
    talking = talk(disputed, contrary("urgent"))
    digest = talking.digest()
    grades = {e.commit.sha: e.grade.importance for e in digest.entries}
    assert purposes(talking.server).count("second") == 2
    assert grades[disputed.sha("docs")] is Importance.HIGH
    assert grades[disputed.sha("wide")] is Importance.LOW
    assert digest.degraded


def test_what_a_model_gets_wrong_of_a_list_falls_to_the_rules_alone(talk, disputed):
    wrong = disputed.sha("fix3")[:7]

    def answers(body):
        told = json.loads(answer(body))
        for record in told.get("commits", []):
            if record["sha"] == wrong:
                record["importance" if "importance" in record else "summary"] = ""
        return json.dumps(told)

    talking = talk(disputed, answers)
    digest = talking.digest()
    assert {e.commit.short for e in digest.entries if e.grade.by == RULES} == {wrong}
    assert len(digest.notices) == 1


# --- Large commits ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A commit of about 30,000 tokens, and one that is larger than is ever read."""
    build = Builder(tmp_path_factory.mktemp("large") / "app")
    build.commit("root", DAY - timedelta(days=1), {"src/app.py": "x = 1\n"}, message="start")
    files = {f"src/part{n}.py": lines(0, 1_000, f"part{n}") for n in range(5)}
    build.commit("large", DAY + timedelta(hours=1), files, message="feat: generate the tables (#7)")
    files = {f"src/more{n}.py": lines(0, 2_000, f"more{n}") for n in range(9)}
    build.commit("huge", DAY + timedelta(hours=2), files, message="feat: generate the other tables (#8)")
    return build.finish()


def merging(body):
    """Answers as the model does, and makes one analysis out of parts by taking the last."""
    user = body["messages"][-1]["content"]
    if "read in" not in body["messages"][0]["content"]:
        return answer(body)
    parts = [line.split(": ", 1)[1] for line in user.splitlines() if line.startswith("part ")]
    return parts[-1]


def test_a_large_commit_is_read_in_parts_and_merged(talk, large):
    talking = talk(large, merging)
    talking.app.model.room = 12_000
    said = talking.said("#7")
    assert sorted(purposes(talking.server)) == ["analysis"] * 3 + ["merge"]
    assert "of the changed lines" not in said
    shown = {
        line
        for body in talking.server.bodies
        for line in body["messages"][-1]["content"].splitlines()
        if line.startswith("+part")
    }
    assert len(shown) == 5_000
    assert "src/part4.py:" in said
    assert talking.said("#7") == said
    assert len(talking.server.bodies) == 4


def test_a_commit_beyond_all_parts_says_how_much_was_read(talk, large):
    talking = talk(large, merging)
    talking.app.model.room = 12_000
    said = talking.said("#8")
    assert purposes(talking.server).count("analysis") == questions.PARTS
    assert "of the changed lines" in said
    asked = len(talking.server.bodies)
    assert talking.said("#8") == said  # more cannot be read, so nothing is asked again
    assert len(talking.server.bodies) == asked


def test_a_digest_reads_a_commit_whole(talk, large):
    talking = talk(large, merging)
    digest = talking.digest()
    entry = next(e for e in digest.entries if e.commit.sha == large.sha("large"))
    assert entry.analysis.coverage == 1
    asked = len(talking.server.bodies)
    assert "of the changed lines" not in talking.said("#7")
    assert len(talking.server.bodies) == asked


def test_parts_that_cannot_be_merged_are_set_side_by_side(talk, large):
    def answers(body):
        return "no" if "read in" in body["messages"][0]["content"] else answer(body)

    talking = talk(large, answers)
    talking.app.model.room = 12_000
    entry = talking.app.expand(
        talking.repositories.find(str(large.path), Who(HOME)), talking.source.pull(str(large.path), 7), Texts("en")
    )
    assert entry.analysis.coverage == 1
    assert len(entry.analysis.risks) == 3
    assert {r.evidence.line is not None for r in entry.analysis.risks} == {True}


# --- The budget ------------------------------------------------------------------------------


def test_when_the_budget_is_spent_the_rules_write_the_rest_and_it_is_said(talk, disputed):
    talking = talk(disputed, limits=Limits(digest=6_000))
    digest = talking.digest()
    assert {e.grade.by for e in digest.entries} == {"test-model"}
    assert RULES in {e.analysis.by for e in digest.entries}
    assert len(digest.entries) == 8
    assert "6,000 tokens" in digest.notices[0]
    assert "6,000 tokens" in talking.said("2026-02-18")


def test_a_day_without_tokens_left_asks_nothing(talk, disputed):
    talking = talk(disputed, limits=Limits(day=10))
    digest = talking.digest()
    assert talking.server.bodies == []
    assert len(digest.entries) == 8
    assert "Today's 10 tokens" in digest.notices[0]


def test_usage_is_shown_by_question_with_its_cost_and_what_was_dropped(talk, disputed):
    limits = Limits(day=2_000_000, prompt_price=1, completion_price=4)
    talking = talk(disputed, limits=limits)
    assert "The language model was not used" in talking.said("usage")
    talking.digest()
    said = talking.said("usage")
    assert "of 2,000,000 tokens" in said
    assert "Cost, last 30 days" in said
    assert {"grades", "analysis", "overview"} <= set(said.split())
    assert "0 of 2 (0%)" in said
    assert "Cost today" in talking.said("status")
    assert "用量" in words(talking.ask("用量")[0].headline) or "Language model" in words(
        talking.ask("用量")[0].headline
    )
