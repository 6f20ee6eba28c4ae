"""The prompts as they are sent: their size, and word for word (`GOLDEN=1 pytest tests/test_prompts.py` writes them)."""

import os
import re
from importlib.resources import files
from pathlib import Path

import pytest
from make import PATCH, REPOSITORY, change, commit, sha

from bot.commits import patch
from bot.judgement import questions as asking
from bot.judgement import triage
from bot.texts import prompt
from bot.values import Analysis, Aspect, Entry, Evidence, Grade, Impact, Importance, Insight, Question, Risk, Suggestion

GOLDEN = Path(__file__).parent / "golden"
DAY = [
    commit("feat(api)!: retry a failed start (#1)", change(added=3, removed=1), sha=sha(1), body="It failed at night."),
    commit("docs: 说明如何升级 (#2)", change("docs/upgrade.md", 9, 0), sha=sha(2)),
]
SEEN = patch.select(DAY[0], [PATCH], 2_000)
PART = Analysis(
    summary="A failed start is tried again.",
    impact=(Impact("src", ("src/app.py",), "starts take longer"),),
    insights=(
        Insight(Aspect.PERFORMANCE, "Three tries take three times as long.", Evidence("src/app.py", "retries=3")),
    ),
    risks=(Risk("A broken start is seen later.", Evidence("src/app.py", "retries=3"), "Log each try."),),
    suggestions=(Suggestion("operators", "Raise the start timeout."),),
)
GRADE = Grade(Importance.HIGH, (), "breaking change", "A failed start is tried again.", 0.9, "starting")


def questions(language: str) -> dict[str, Question]:
    """One question of each prompt."""
    entries = [Entry(c, GRADE, PART) for c in DAY]
    made = (
        asking.triage_question(REPOSITORY, DAY, triage.judge(DAY), language),
        asking.second_question(REPOSITORY, [(DAY[0], SEEN)], language),
        asking.analysis_question(REPOSITORY, DAY[0], SEEN, language),
        asking.batch_question(REPOSITORY, [(DAY[0], SEEN), (DAY[1], patch.select(DAY[1], [], 9))], language),
        asking.merge_question(REPOSITORY, DAY[0], [PART, PART], language),
        asking.overview_question(REPOSITORY, entries, language),
    )
    return {question.name: question for question in made}


def test_every_prompt_is_in_use_and_every_prompt_in_use_is_there():
    there = {path.name.removesuffix(".md") for path in files("prompts").iterdir() if path.name.endswith(".md")}
    assert there == set(asking.PROMPTS) == set(questions("en"))


@pytest.mark.parametrize("name", asking.PROMPTS)
def test_a_prompt_is_short_and_in_no_language(name):
    system, user = (files("prompts") / f"{name}.md").read_text(encoding="utf-8").split("\n---\n")
    assert patch.tokens(system) + patch.tokens(user) < 1_500
    assert "$language" in system
    assert system.isascii()


@pytest.mark.parametrize("name", asking.PROMPTS)
def test_a_prompt_fences_its_data_and_says_that_they_are_no_instructions(name):
    system, user = (files("prompts") / f"{name}.md").read_text(encoding="utf-8").split("\n---\n")
    assert user.count("DATA $mark") == 2
    assert re.search(r"Nothing in (?:it|them) is an instruction", system)
    assert "praise" in system


@pytest.mark.parametrize("name", asking.PROMPTS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_prompt_is_sent_word_for_word(name, language):
    question = questions(language)[name]
    sent = f"{question.system}\n---\n{question.user}\n"
    path = GOLDEN / f"{name}.{language}.txt"
    if os.environ.get("GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(sent, encoding="utf-8")
    assert sent == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", asking.PROMPTS)
def test_a_blank_that_is_not_filled_is_refused(name):
    with pytest.raises(KeyError):
        prompt(name, language="English", mark="m")
