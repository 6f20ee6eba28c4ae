"""Check the wording of everything that people read: `python docs/style.py`. It prints nothing if all is well.

The rules are `style.toml` and the lists of unused words in `glossary.md`. They apply to the README, the documentation,
the changelog, the issue forms, the labels (help, errors, forms), the settings, the help of the command line, and what a
model wrote for a picture. Docstrings and comments have rules of their own, `[[code]]` in `style.toml`.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HEADINGS = {"en": "## Words we do not use\n", "zh": "## 不用的词\n"}
TYPED = "[words]"
"""The section of the labels with what people type, in which a second word for a thing is welcome."""
CODE = re.compile(r"^ *```.*?^ *```|`[^`\n]*`|<!--.*?-->|\]\([^)]*\)|https?://\S+|\{\w+\}", re.M | re.S)
COMMENT = re.compile(r"(?:^|  ) *# (.*)")
ZH = ("prompts/labels.zh.toml", "docs/settings.zh.toml")
"""What is in Chinese besides pages; the last is a model's answer for a picture."""
COUNTS = "[counts]"
"""The section of the labels with the nouns that numbers stand before, in both forms."""
PLURAL = re.compile(r"(?<!than )\{n\} (?:more |other |last )?(?!across\b|as\b|is\b|was\b)[a-z]+s\b")
CALLS = {"Field": "description", "option": "help", "argument": "help"}


@dataclass(frozen=True)
class Rule:
    """What is not written, and what is written instead; `bad` is an example, if there is one."""

    find: re.Pattern[str]
    say: str
    bad: str = ""


@cache
def _tables() -> dict[str, Any]:
    return tomllib.loads((ROOT / "docs/style.toml").read_text(encoding="utf-8"))


@cache
def rules(language: str) -> tuple[Rule, ...]:
    """The rules of a language, those of the glossary first."""
    own = tuple(Rule(_compiled(one["find"], language), one["say"], one["bad"]) for one in _tables()[language])
    return own if language == "code" else tuple(unused(language)) + own


def unused(language: str) -> Iterator[Rule]:
    """The words that the glossary lists as not used."""
    glossary = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
    table = glossary.partition(HEADINGS[language])[2].partition("\n## ")[0]
    for line in [line for line in table.splitlines() if line.startswith("| ")][2:]:
        word, say = (cell.strip().replace(r"\|", "|").strip("`") for cell in re.split(r"(?<!\\)\|", line)[1:-1])
        yield Rule(_compiled(word, language), say)


def _compiled(pattern: str, language: str) -> re.Pattern[str]:
    """In English whole words, whose spaces may be line breaks."""
    spaced = re.sub(r" (?![?*+])", r"\\s", pattern)
    return re.compile(pattern if language == "zh" else rf"\b(?:{spaced})\b", re.I)


def found(language: str, text: str) -> list[tuple[int, str, str]]:
    """The line, the words and what to write instead, of each place in a text that breaks a rule."""
    return [
        (text.count("\n", 0, hit.start()) + 1, " ".join(hit[0].split()), rule.say)
        for rule in rules(language)
        for hit in rule.find.finditer(text)
    ]


def prose(path: Path) -> str:
    """What people read in a file, with everything else blanked out, so that lines keep their numbers."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return _strings(text)
    if path.suffix == ".toml":
        text = re.sub(rf"^{re.escape(TYPED)}$.*?(?=^\[)", _blank, text, flags=re.M | re.S)
        text = re.sub(r'^(?:#.*|\[.*\]|[\w-]+ = ")|"$', _blank, text, flags=re.M)
    if path.suffix == ".json":
        text = re.sub(r'^ *(?:"\w+": )?"|",?$', _blank, text, flags=re.M)
    return re.sub(r"\n[ \t]+", "\n", CODE.sub(_blank, text))


def commentary(module: str) -> str:
    """The docstrings and comments of a module without the code in them; lines keep their numbers.

    They are found by their quotes: parsing all modules would take longer than every other check.
    """
    said, before = [], ""
    for number, part in enumerate(module.split('"""')):
        is_docstring = number % 2 and not before.rpartition("\n")[2].strip() and before.rstrip()[-1:] not in {"(", ","}
        said.append(part if is_docstring else "\n".join(map(_comment, part.split("\n"))))
        before = part
    return CODE.sub(_blank, "".join(said))


def _comment(line: str) -> str:
    found = COMMENT.search(line)
    return found[1] if found else ""


def _blank(hit: re.Match[str]) -> str:
    return re.sub(r"[^\n]", "\0", hit[0])


def _strings(code: str) -> str:
    """The help of commands and the descriptions of settings in a module, each in its line."""
    lines = [""] * (code.count("\n") + 1)
    for node in ast.walk(ast.parse(code)):
        for said in _said(node):
            lines[said.lineno - 1] += " " + CODE.sub(_blank, str(ast.literal_eval(said))).replace("\n", " ")
    return "\n".join(lines)


def _said(node: ast.AST) -> list[ast.Constant]:
    """The texts for people in a node: a keyword of a call, or the docstring of a command."""
    if isinstance(node, ast.Call):
        name = CALLS.get(getattr(node.func, "attr", getattr(node.func, "id", "")))
        return [k.value for k in node.keywords if k.arg == name and isinstance(k.value, ast.Constant)]
    is_command = isinstance(node, ast.FunctionDef) and any("command" in ast.unparse(d) for d in node.decorator_list)
    first = node.body[0] if is_command else None
    return [first.value] if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) else []


def files() -> dict[str, list[Path]]:
    """The files to check, by language; `code` are modules, of which docstrings and comments are checked."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / ".github").rglob("*.md")]
    forms = [*(ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")]
    code = [ROOT / "bot/cli.py", *(p for top in ("bot", "adapters") for p in (ROOT / top).rglob("settings.py"))]
    chinese = {page for page in pages if page.name.endswith(".zh.md")}
    both = ROOT / "docs/glossary.md"
    modules, unchecked = ({p for glob in _tables()[name] for p in ROOT.glob(glob)} for name in ("modules", "unchecked"))
    return {
        "code": sorted(modules - unchecked),
        "en": sorted({*pages, *forms, *code, ROOT / "prompts/labels.en.toml"} - chinese - {both}),
        "zh": sorted({*chinese, *(ROOT / name for name in ZH)}),
    }


def _read(language: str, path: Path) -> str:
    return commentary(path.read_text(encoding="utf-8")) if language == "code" else prose(path)


def problems() -> list[str]:
    """All that is found, as lines for a person."""
    labels = ROOT / "prompts/labels.en.toml"
    wrong = [
        (path, *each)
        for language, paths in files().items()
        for path in paths
        for each in found(language, _read(language, path))
    ]
    wrong += [(labels, *each) for each in plurals(labels.read_text(encoding="utf-8"))]
    return [f"{path.relative_to(ROOT)}:{line}: “{words}”; write: {say}" for path, line, words, say in wrong]


def plurals(labels: str) -> Iterator[tuple[int, str, str]]:
    """The line, the words and the remedy of each number before a plural noun in labels: it would say `1 commits`.

    `[counts]` has both forms; after “than” a number is a limit, and never 1.
    """
    counts = re.sub(rf"^{re.escape(COUNTS)}$.*?(?=^\[)", _blank, labels, flags=re.M | re.S)
    for hit in PLURAL.finditer(counts):
        yield counts.count("\n", 0, hit.start()) + 1, hit[0], "{count}, with both forms of the noun in [counts]"


if __name__ == "__main__":
    said = problems()
    print("\n".join(said), end="\n" if said else "")
    sys.exit(bool(said))
