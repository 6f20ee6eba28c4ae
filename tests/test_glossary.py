"""docs/glossary.md and docs/style.toml: one word for each thing, in both languages, and plain words for readers."""

import importlib.util
import re
import time
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
spec = importlib.util.spec_from_file_location("style_script", ROOT / "docs" / "style.py")
style = importlib.util.module_from_spec(spec)
spec.loader.exec_module(style)


def test_nothing_that_people_read_breaks_a_rule_and_that_is_known_at_once():
    began = time.process_time()
    assert style.problems() == []
    assert time.process_time() - began < 2


@pytest.mark.parametrize("language", ["en", "zh", "code"])
def test_each_rule_finds_its_example(language):
    own = [rule for rule in style.rules(language) if rule.bad]
    assert len(own) > 8
    assert [rule.bad for rule in own if not rule.find.search(rule.bad)] == []


@pytest.mark.parametrize(
    ("language", "bad", "good"),
    [
        ("en", "Mend it in .env", "Fix it in .env"),
        ("en", "{text} is no date.", "There is no date; it is no longer there."),
        ("en", "resets anew at 00:00", "renewed at 00:00"),
        ("en", "This is no place\nto post to", "This is not\na channel"),
        ("code", "what a place was told of", "what was reported to a place"),
        ("code", "the gravest of what whoever asked took back", "the most important that the person reverted"),
        ("zh", "没有投递", "没有推送记录"),
        ("zh", "已发布", "仅在发布分支上；请发布版本"),
        ("zh", "没有提交, 也没有版本", "没有提交，也没有版本"),
    ],
)
def test_the_rules_find_what_they_should(language, bad, good):
    assert style.found(language, bad)
    assert not style.found(language, good)


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [
        ("page.md", "# Told\n\n`told`\n\n```sh\ntold\n```\n\n[a](told.md)\n\n- Mend\n  anew\n", [1, 11, 12]),
        ("labels.toml", '# told\n[words]\na = "told"\n\n[told]\ntold = "told {told}"\n', [6]),
        (
            "cli.py",
            '"""Told."""\n\n\n@cli.command()\n@click.option("--told", help="told")\n'
            'def told() -> None:\n    """Do it.\n\n    It mends.\n    """\n\n\ndef other() -> None:\n    """Told."""\n',
            [5, 7],
        ),
        ("settings.py", 'told: str = Field("told", description="told", examples=["told"])\n', [1]),
    ],
)
def test_it_looks_at_what_people_read_and_at_nothing_else(tmp_path, name, text, lines):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert sorted({line for line, *_ in style.found("en", style.prose(tmp_path / name))}) == lines


def test_of_a_module_docstrings_and_comments_are_read_and_no_code():
    lines = {
        '"""Told."""': True,
        'told = "told"': False,
        "told = 1  # told": True,
        'TEXT = """': False,
        'told  """': False,
        "def told() -> None:": False,
        "    # told, as `told` was": True,
        '    """Do `told`.': False,
        "": False,
        "    It was told.": True,
        '    """': False,
        "    run(": False,
        '        """': False,
        '        told"""': False,
        "    )": False,
    }
    found = {line for line, *_ in style.found("code", style.commentary("\n".join(lines)))}
    assert found == {number for number, is_read in enumerate(lines.values(), 1) if is_read}


@pytest.mark.parametrize(
    ("label", "wrong"),
    [
        ('more = "and {n} more themes in the report"', ["{n} more themes"]),
        ('who = "{n} others"', ["{n} others"]),
        ('large = "{name} has more than {n} commits; {n} of {of} fit"', []),
        ('more = "and {n} more in the report"', []),
        ('[counts]\ncommits = "{n} commits"', []),
    ],
)
def test_a_number_stands_before_a_noun_only_in_the_counts(label, wrong):
    found = list(style.plurals(f'[a]\nb = ""\n{label}\n\n[z]\n'))
    assert [words for _, words, _ in found] == wrong
    assert [line for line, *_ in found] == [3] * len(wrong)


def test_every_file_that_people_read_is_looked_at():
    looked = {str(path.relative_to(ROOT)) for paths in style.files().values() for path in paths}
    assert {"README.md", "README.zh.md", "CHANGELOG.md", "docs/operating.md", "docs/feishu.zh.md"} <= looked
    assert {"bot/cli.py", "bot/settings.py", "adapters/chats/slack/settings.py", "docs/settings.zh.toml"} <= looked
    assert {f"prompts/labels.{language}.toml" for language in ("en", "zh")} <= looked


def rows(heading: str) -> list[list[str]]:
    """The rows of the glossary's table below a heading, as cells."""
    _, _, behind = (ROOT / "docs/glossary.md").read_text(encoding="utf-8").partition(f"{heading}\n")
    lines = [line for line in behind.partition("\n## ")[0].splitlines() if line.startswith("| ")][2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_the_glossary_has_each_word_once_in_both_languages_and_uses_no_other():
    table = rows("# Glossary · 术语表")
    assert len(table) >= 30
    assert all(len(row) == 4 and all(row) for row in table)
    for column, language in ((0, "en"), (2, "zh")):
        words = [word for row in table for word in re.split("[,、] ?", row[column].replace("*", ""))]
        assert all(one != two for one, two in pairwise(sorted(words))), "each word stands for one thing"
        own = [f"{row[column]} {row[column + 1]}" for row in table]
        assert [style.found(language, text) for text in own if style.found(language, text)] == []
