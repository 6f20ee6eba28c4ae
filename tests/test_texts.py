"""Labels and prompts: the same keys and blanks in every language, and a text for every error."""

import ast
import re
import string
from functools import cache
from pathlib import Path

import pytest

import bot
from bot.errors import NotFound, UsageError
from bot.judgement.triage import _NOTED, _TELLING
from bot.languages import LANGUAGES
from bot.texts import Texts, _labels, prompt
from bot.values import Aspect, ChangeType, Importance

ROOT = Path(bot.__file__).parent.parent
CODE = [*ROOT.glob("bot/**/*.py"), *ROOT.glob("adapters/**/*.py")]


def blanks(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def labels(language: str) -> dict[str, str]:
    return {f"{s}.{k}": v for s, section in _labels(language).items() for k, v in section.items()}


def test_every_language_has_the_same_keys_with_the_same_blanks():
    english, *others = [labels(language) for language in LANGUAGES]
    for other in others:
        assert other.keys() == english.keys()
        assert {k: blanks(v) for k, v in other.items()} == {k: blanks(v) for k, v in english.items()}


@cache
def trees() -> dict[Path, ast.Module]:
    """Each file, read as Python once a test needs it: whoever only collects tests does not wait for it."""
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in CODE}


def test_a_page_is_named_by_the_address_that_it_has():
    for text in (text for language in LANGUAGES for text in labels(language).values()):
        assert "<docs>" not in text
        assert not re.search(r"(?<!main/)docs/[\w.]+\.md", text), text
        for page in re.findall(rf"{re.escape(bot.DOCUMENTATION)}/([\w.]+\.md)", text):
            assert (ROOT / "docs" / page).is_file()


def named(node: ast.expr) -> str:
    """The last name of `name` or `module.name`."""
    return getattr(node, "id", "") or getattr(node, "attr", "")


@cache
def kinds() -> set[str]:
    """The names of DigestError and of every class beneath it, and of `Failure`, which keeps an error's key."""
    classes = [node for tree in trees().values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found, before = {"DigestError"}, set()
    while found != before:
        before = set(found)
        found |= {node.name for node in classes if found & {named(base) for base in node.bases}}
    return found | {"Failure"}


def words(node: ast.expr, tree: ast.Module) -> set[str]:
    """The keys that an argument may be: itself, each side of a choice, or what a table of its module holds."""
    if isinstance(node, ast.Constant):
        return {node.value}
    if isinstance(node, ast.IfExp):
        return words(node.body, tree) | words(node.orelse, tree)
    if isinstance(node, ast.Subscript):
        table = {named(a.targets[0]): a.value for a in tree.body if isinstance(a, ast.Assign)}[named(node.value)]
        return {key for value in table.values for key in words(value, tree)}
    assert isinstance(node, ast.Attribute), f"{ast.unparse(node)}: write the key where the error is made, or in a table"
    assert node.attr == "key", "another error's"
    return set()


def keys(path: Path) -> set[str]:
    calls = [node for node in ast.walk(trees()[path]) if isinstance(node, ast.Call) and named(node.func) in kinds()]
    return {key for call in calls for key in words(call.args[0], trees()[path])}


def test_every_error_class_is_found():
    assert {"DigestError", "ThreadGone", "Refused", "LeaseLost", "Failure"} < kinds()
    made = [path for path in CODE if keys(path)]
    assert len(made) > 20


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_error_has_a_text_and_every_text_an_error(language):
    raised = {key for path in CODE for key in keys(path)}
    assert raised == _labels(language)["errors"].keys()


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
        prompt("analysis.v4", repository="no commit")


def test_what_is_filled_in_is_never_read_for_blanks():
    assert Texts("en")("errors.command_unknown", word="{near} {0} {word.__class__}").count("{near}") == 1
    _, user = prompt("analysis.v4", repository="r", mark="m", commit="$mark ${language} $$", language="English")
    assert "$mark ${language} $$" in user


def test_numbers_come_with_the_right_noun():
    assert [Texts("en").count("commits", n) for n in (0, 1, 1234)] == ["0 commits", "1 commit", "1,234 commits"]
    assert Texts("zh").count("commits", 1) == "1 个提交"


def test_an_error_is_told_in_the_readers_language():
    error = NotFound("no_commits", repo="team/app")
    assert Texts("en").error(error) == "team/app has no commits yet."
    assert Texts("zh").error(error) == "team/app 还没有任何提交。"
    assert str(error) == "no_commits repo=team/app"


@pytest.mark.parametrize(
    ("names", "said"),
    [("根目录", "根目录等"), ("bot", "bot 等"), ("a（b）", "a（b）等"), ("根目录、bot", "根目录、bot 等")],
)
def test_a_space_sets_off_latin_words_only(names, said):
    assert Texts("zh")("rules.and_more", names=names) == said


def test_a_space_is_kept_before_latin_words_only():
    texts = Texts("zh")
    near = {name: texts.error(UsageError("zone_near", name="X", near=name)) for name in ("Asia/Shanghai", "北京")}
    assert near == {"Asia/Shanghai": "没有时区 X。是不是 Asia/Shanghai？", "北京": "没有时区 X。是不是北京？"}
    assert "Did you mean 北京" in Texts("en").error(UsageError("zone_near", name="X", near="北京"))


@pytest.mark.parametrize(("language", "end"), [("en", "Followed here: nothing"), ("zh", "已订阅：无")])
def test_an_empty_list_is_said(language, end):
    assert Texts(language).error(NotFound("not_subscribed", repo="a/b", followed=())).endswith(end)


def test_where_the_reader_is_has_the_name_that_the_chat_gives_it():
    def said(language: str, chat: str) -> str:
        return Texts(language, chat=chat)("usage.channel")

    assert [said("zh", chat) for chat in ("slack", "feishu", "feishu-webhook", "terminal", "")] == [
        "今日在本频道的提问",
        "今日在本群的提问",
        "今日在本群的提问",
        "今日在终端的提问",
        "今日在终端的提问",
    ]
    assert said("en", "feishu") == "Tokens for requests today, this group"
