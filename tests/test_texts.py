"""Labels and prompts: the same keys and blanks in every language, and a text for every error."""

import re
import string
from pathlib import Path

import pytest

import bot
from bot.errors import NotFound
from bot.judgement.triage import _NOTED, _TELLING
from bot.texts import LANGUAGES, Texts, _labels, prompt
from bot.values import Aspect, ChangeType, Importance

ROOT = Path(bot.__file__).parent.parent
CODE = [*ROOT.glob("bot/**/*.py"), *ROOT.glob("adapters/**/*.py")]
RAISED = re.compile(
    r"\b(?:UsageError|NotFound|Forbidden|Unavailable|ModelError|StoreError|ConfigError)\(\s*[\"'](\w+)[\"']"
)


def blanks(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def labels(language: str) -> dict[str, str]:
    return {f"{s}.{k}": v for s, section in _labels(language).items() for k, v in section.items()}


def test_every_language_has_the_same_keys_with_the_same_blanks():
    english, *others = [labels(language) for language in LANGUAGES]
    for other in others:
        assert other.keys() == english.keys()
        assert {k: blanks(v) for k, v in other.items()} == {k: blanks(v) for k, v in english.items()}


def test_every_error_that_is_raised_has_a_text():
    raised = {key for path in CODE for key in RAISED.findall(path.read_text(encoding="utf-8"))}
    assert len(raised) > 20
    assert raised - _labels("en")["errors"].keys() == set()


def test_every_error_text_belongs_to_an_error():
    code = "\n".join(path.read_text(encoding="utf-8") for path in CODE)
    assert [key for key in _labels("en")["errors"] if f'"{key}"' not in code] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_value_that_is_shown_has_a_label(language):
    texts = Texts(language)
    for importance in Importance:
        assert texts(f"importance.{importance}")
        assert texts(f"importance.{importance}_mark")
    assert all(texts(f"type.{t}") for t in ChangeType)
    assert all(texts(f"reason.note_{level}") for level in _NOTED)
    assert all(texts(f"aspect.{a}") for a in Aspect)
    assert all(texts(f"reason.{cue.name}") for cue in _TELLING)


def test_a_blank_that_is_not_filled_is_a_fault_of_the_program():
    with pytest.raises(KeyError):
        Texts("en")("digest.title", title="only this one")
    with pytest.raises(KeyError):
        prompt("analysis.v1", repository="no commit")


def test_what_is_filled_in_is_never_read_for_blanks():
    assert Texts("en")("errors.command_unknown", word="{near} {0} {word.__class__}").count("{near}") == 1
    _, user = prompt("analysis.v1", repository="r", mark="m", commit="$mark ${language} $$", language="English")
    assert "$mark ${language} $$" in user


def test_numbers_come_with_the_right_noun():
    assert [Texts("en").count("commits", n) for n in (0, 1, 1234)] == ["0 commits", "1 commit", "1,234 commits"]
    assert Texts("zh").count("commits", 1) == "1 个提交"


def test_an_error_is_told_in_the_readers_language():
    error = NotFound("no_commits", repo="team/app")
    assert Texts("en").error(error) == "team/app has no commits yet."
    assert Texts("zh").error(error) == "team/app 还没有提交。"
    assert str(error) == "no_commits repo=team/app"
