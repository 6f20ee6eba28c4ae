"""docs/glossary.md: a word for each thing, in both languages, and no second word for it in what people read."""

import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GLOSSARY = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
TYPED = "words"
"""The section of what people type, in which a second word for a thing is a kindness."""


def rows(heading: str) -> list[list[str]]:
    """The rows of the table beneath a heading, as cells."""
    _, _, behind = GLOSSARY.partition(f"{heading}\n")
    table = behind.partition("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("| ")][2:]
    return [[cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def unused(language: str) -> dict[str, re.Pattern[str]]:
    """What is not said in a language, by what is said instead."""
    heading, edge = {"en": ("## Words we do not use", r"\b"), "zh": ("## 不用的词", "")}[language]
    return {right: re.compile(rf"{edge}(?:{word.strip('`')}){edge}", re.I) for word, right in rows(heading)}


def labels(language: str) -> dict[str, str]:
    text = (ROOT / f"prompts/labels.{language}.toml").read_text(encoding="utf-8")
    sections = tomllib.loads(text)
    return {f"{s}.{key}": v for s, section in sections.items() if s != TYPED for key, v in section.items()}


def found(language: str, texts: dict[str, str]) -> list[str]:
    return [
        f"{key}: {hit[0]!r} → {right}"
        for key, text in texts.items()
        for right, pattern in unused(language).items()
        if (hit := pattern.search(text))
    ]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_label_has_a_second_word_for_a_thing(language):
    assert found(language, labels(language)) == []


@pytest.mark.parametrize(
    ("language", "bad", "good"),
    [
        ("en", "Mend it in .env", "Fix it in .env"),
        ("en", "{text} is no date.", "There is no date; it is no longer there."),
        ("en", "resets anew at 00:00", "renewed at 00:00"),
        ("zh", "没有投递", "没有推送记录"),
        ("zh", "已发布", "仅在发布分支上"),
        ("zh", "没有提交, 也没有版本", "没有提交，也没有版本"),
    ],
)
def test_the_list_finds_what_it_should(language, bad, good):
    assert found(language, {"x": bad})
    assert not found(language, {"x": good})


def test_the_glossary_has_each_word_once_in_both_languages_and_uses_no_other():
    table = rows("# Glossary · 术语表")
    assert len(table) >= 30
    assert all(len(row) == 4 and all(row) for row in table)
    for column, language in ((0, "en"), (2, "zh")):
        words = [word for row in table for word in re.split("[,、] ?", row[column].replace("*", ""))]
        assert all(one != two for one, two in pairwise(sorted(words))), "each word stands for one thing"
        own = {row[column]: f"{row[column]} {row[column + 1]}" for row in table}
        assert found(language, own) == []
