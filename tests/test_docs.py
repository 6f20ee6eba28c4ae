"""The pages: every block and command runs, is parsed, or says why not; every name, link and picture is real."""

import importlib.util
import re
import shlex
import subprocess
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import groupby, takewhile
from pathlib import Path

import click
import pytest
import yaml
from markdown_it import MarkdownIt
from repositories import Builder, lines
from typed import run

from bot import crontab
from bot.cli import cli
from bot.conversation import grammar
from bot.conversation.asked import asked as question
from bot.conversation.commands import WORDS
from bot.judgement import cost, questions
from bot.parts import AllSettings

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [
    *(ROOT / f"{name}.md" for name in ("README", "README.zh", "CONTRIBUTING", "SECURITY")),
    *sorted(DOCS.glob("*.md")),
]
LINKED = [ROOT / "CHANGELOG.md", ROOT / ".github/PULL_REQUEST_TEMPLATE.md"]
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.M | re.S)
SETTING = re.compile(r"\b(?:DIGEST|SLACK|FEISHU|GITHUB|OPENAI)_[A-Z_]*[A-Z]\b")
NOT_SETTINGS = {"SLACK_WEBHOOK"}
"""A secret of a CI job."""
EXPORTED = {"COMPOSE_FILE"}
DATE = re.compile(r"\$\(date [^)]*\)")
SCHEDULE = r"^((?:\S+ +){4}\S+) +"
WITHOUT = {
    "docker": "needs Docker: tests/test_deploy.py reads the files that it uses",
    "systemctl": "needs systemd", "systemd-run": "needs systemd", "journalctl": "needs systemd",
    "useradd": "needs root", "install": "needs root",
    "createuser": "needs a server of one's own", "createdb": "needs a server of one's own",
    "dropdb": "needs a server of one's own",
    "pg_dump": "tests/test_postgres_store.py backs up and restores",
    "pg_restore": "tests/test_postgres_store.py backs up and restores",
    "psql": "tests/test_postgres_store.py backs up and restores",
    "git": "needs the public repository", "cd": "changes the folder only", "cp": "copies a file only",
    "echo": "writes a file only", "pipx": "make release installs the package", "python3": "make setup does the same",
}  # fmt: skip
"""Why a command is only parsed."""
ONLY_PARSED = {
    "run": "runs until it is stopped: tests/test_start.py", "doctor": "connects: tests/test_slack_ways.py",
    "move": "needs a server: tests/test_postgres_store.py",
}  # fmt: skip


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    language: str
    text: str

    def commands(self) -> Iterator[list[str]]:
        """The words of each simple command of a shell block or a crontab, without redirections."""
        plain = re.sub(SCHEDULE, "", self.text, flags=re.M) if self.language == "cron" else self.text
        for line in DATE.sub("2026-02-18", plain).replace("\\\n", " ").splitlines():
            lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            for joined, words in groupby(lexer, lambda word: word == "&&"):
                command = list(takewhile(lambda word: word not in {"<", ">", ">>"}, words))
                if command and not joined:
                    yield command


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def blocks() -> tuple[Block, ...]:
    return tuple(
        Block(page, language, re.sub(rf"^{indent}", "", code, flags=re.M))
        for page in PAGES
        for indent, language, code in BLOCK.findall(text(page))
    )


def shell() -> list[tuple[Block, list[str]]]:
    return [(block, words) for block in blocks() if block.language in {"sh", "cron"} for words in block.commands()]


def script(name: str):
    spec = importlib.util.spec_from_file_location(f"{name}_script", DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- Blocks ----------------------------------------------------------------------------------


def test_every_block_has_a_language_that_is_looked_at():
    drawn = [block for block in blocks() if not block.language]
    assert {block.language for block in blocks()} - {""} == {"sh", "ini", "cron", "yaml"}
    contracts = tomllib.loads(text(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"]
    (core,) = [each for each in contracts if each.get("containers") == ["bot"]]
    assert [block.text.split() for block in drawn] == [" ".join(core["layers"]).split()], "the layers, held elsewhere"


def test_every_block_of_data_is_read_by_what_reads_it():
    for block in blocks():
        if block.language == "yaml":
            assert yaml.safe_load(block.text)
        for schedule in re.findall(SCHEDULE, block.text, re.M) if block.language == "cron" else ():
            assert crontab.expression(schedule)
        if block.language == "ini":
            read = {name.lower(): value for name, value in re.findall(r"^(?:# )?([A-Z_]+)=(.+)$", block.text, re.M)}
            assert read.keys() <= AllSettings.model_fields.keys()
            assert AllSettings(_env_file=None, **{name: value for name, value in read.items() if "…" not in value})


def test_every_shell_block_is_one_a_shell_can_read():
    code = "\n".join(block.text for block in blocks() if block.language == "sh")
    done = subprocess.run(["bash", "-n"], input=code, capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_every_command_of_a_shell_block_is_run_or_parsed_or_says_why_not():
    reasons = Counter(why_not(command) or "run" for _, command in shell())
    for reason, number in sorted(reasons.items()):
        print(f"{number:4} {reason}")
    assert reasons["run"] >= 20


def why_not(command: list[str]) -> str:
    """Why a command is only parsed; empty if it is run here. Raises AssertionError if it does not exist."""
    name, *rest = command
    if name == "make":
        assert {target for target in rest if "=" not in target} <= targets(), command
        assert all(f"$({word.partition('=')[0]}" in text(ROOT / "Makefile") for word in rest if "=" in word), command
        return "tests/test_contributing.py knows the targets of make"
    if name == "export":
        assert all(word.partition("=")[0] in EXPORTED | {n.upper() for n in AllSettings.model_fields} for word in rest)
        return "sets a variable only"
    if name.endswith("pip"):
        assert all((ROOT / rest[i + 1]).is_file() for i, word in enumerate(rest) if word == "--requirement"), command
        return "make release installs the package"
    if name == ".venv/bin/python":
        assert all((ROOT / word).is_file() for word in rest if word.endswith(".py")), command
        return "runs what the tests run"
    if Path(name).name == "digest":
        parsed(rest)
        return ONLY_PARSED.get(rest[0], "")
    return WITHOUT[name]


def targets() -> set[str]:
    (names,) = re.findall(r"^\.PHONY: (.*)$", text(ROOT / "Makefile"), re.M)
    return set(names.split())


def parsed(words: list[str]) -> None:
    """Fail where the command line would not take these words."""
    if words and words[0] in cli.commands:
        with cli.commands[words[0]].make_context(words[0], list(words[1:]), ignore_unknown_options=False):
            return
    with cli.commands["ask"].make_context("ask", list(words)) as context:
        asked = context.params["words"]
    assert not asked or is_understood(asked[0]) or question(" ".join(asked), grammar.EVERYBODYS), words


def is_understood(word: str) -> bool:
    """Whether a line may begin with this word."""
    known = (grammar.reference, grammar.is_date, grammar.is_release, grammar.is_repository, grammar.dates)
    return word.lower() in WORDS or any(ask(word) for ask in known)


# --- What is typed ---------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path):
    """A repository in which something landed yesterday, and one release followed another."""
    now = datetime.now(UTC)
    build = Builder(tmp_path / "repository", bare=False)
    for number, (name, days) in enumerate((("root", 40), ("old", 20), ("limit", 1))):
        message = (
            "feat: a rate limit for each person (#6344)" if name == "limit" else f"feat: part {number} (#{number})"
        )
        build.commit(name, now - timedelta(days=days), {f"src/{name}.py": lines(1, 60)}, message=message)
    build.tag("v0.20.0", "old", now - timedelta(days=20))
    build.tag("v0.21.0", "limit", now - timedelta(days=1))
    return build.finish().path


def test_what_a_page_tells_to_type_works(tmp_path, repository):
    """Each line once, in the order in which they stand, in one home, since some need what came before."""
    typed = dict.fromkeys(
        tuple(words) for _, words in shell() if Path(words[0]).name == "digest" and not why_not(words)
    )
    assert len(typed) >= 10
    kept = {"DIGEST_DATABASE": str(tmp_path / "digest.db"), "DIGEST_RIGHTS": f"feishu-webhook/team={repository}"}
    kept["FEISHU_WEBHOOKS"] = "team=https://open.feishu.cn/open-apis/bot/v2/hook/x secret"
    for words in typed:
        meant = [word.replace("owner/repo", str(repository)).replace("/backups", str(tmp_path)) for word in words[1:]]
        done = run(*meant, cwd=repository, **kept)
        assert done.returncode == 0, (words, done.stderr)
        assert done.stdout.strip(), words


def test_every_command_that_a_sentence_names_is_one():
    """`digest …` for the terminal and `/digest …` for a chat."""
    unknown = []
    for page in PAGES:
        for line in re.findall(r"`((?:/|@Commit Digest /?)?digest [^`]*)`", BLOCK.sub("", text(page))):
            words = re.split(r" [|>] ", re.sub(r"\b(ID|NUMBER)\b", "7", line).replace("\\|", "|"))[0].split()[1:]
            words = words[2:] if line.startswith("@") else words
            if "…" in line or any(re.fullmatch(r"[A-Z|]+|\[.*|\{.*|.*\.\.\.", word) for word in words):
                words = words[:1]  # a form, with its parts named
            try:
                if len(words) == 1:
                    assert words[0] in cli.commands or re.match(r"[A-Z\[…-]", words[0]) or is_understood(words[0])
                elif words:
                    parsed(words)
            except (click.ClickException, AssertionError) as error:
                unknown.append((page.name, line, str(error)))
    assert unknown == [], "\n".join(map(str, unknown))


# --- Names -----------------------------------------------------------------------------------


def test_every_setting_that_a_page_names_is_one():
    known = {name.upper() for name in AllSettings.model_fields} | NOT_SETTINGS
    named = {(page.name, name) for page in PAGES for name in SETTING.findall(text(page))}
    assert {(page, name) for page, name in named if name not in known} == set()


def test_every_path_that_a_page_names_exists():
    for page in PAGES:
        for path in re.findall(r"`((?:bot|adapters|prompts|tests|docs|deploy)/[\w./-]+)`", text(page)):
            if not re.search(r"NAME|XX|vN", path):
                assert (ROOT / path).exists(), f"{page.name} names {path}"


def test_every_test_that_a_page_names_exists():
    known = "\n".join(text(path) for path in (ROOT / "tests").rglob("*.py"))
    names = set(re.findall(r"^\s*def (test_\w+)", known, re.M)) | {path.name for path in (ROOT / "tests").rglob("*.py")}
    for page in PAGES:
        for named in re.findall(r"`((?:test|bench)_[\w.…]+|…\w+)`", text(page)):
            pattern = re.escape(named).replace("…", r"\w*")
            assert any(re.fullmatch(pattern, name) for name in names), f"{page.name} names {named}"


@pytest.mark.parametrize("name", ["README.md", "README.zh.md", "docs/models.md"])
def test_a_page_says_what_a_commit_costs_as_it_is_computed(name):
    page = (ROOT / name).read_text(encoding="utf-8")
    assert [said for one in cost.of_one().values() if (said := _in_thousands(one.tokens)) not in page] == []


def _in_thousands(tokens: int) -> str:
    return f"{round(tokens, -3):,}"


def test_the_sizes_that_an_estimate_assumes_are_those_of_the_page():
    page = (DOCS / "models.md").read_text(encoding="utf-8")
    sizes = (questions.DRAFTED[0], *(round(found // 3, -2) for found in questions.FOUND))
    assert [said for size in sizes if (said := f"{size:,}") not in page.partition("sizes are assumed")[2][:400]] == []


def test_the_prompts_that_the_changelog_calls_new_are_in_use():
    unreleased = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").partition("\n## 0.2.0")[0]
    named = set(re.findall(r"`([a-z]+\.v\d+)`", unreleased))
    assert named
    assert named <= set(questions.PROMPTS)


def test_every_message_in_a_table_of_troubles_is_one_that_people_see():
    for language, heading in (("en", "What you see|Notice"), ("zh", "现象|提示")):
        labels = text(ROOT / f"prompts/labels.{language}.toml")
        pages = [page for page in PAGES if page.name.endswith(".zh.md") is (language == "zh")]
        tables = [
            table
            for page in pages
            for table in re.findall(rf"^\| (?:{heading}) \|.*?(?:\n\n|\Z)", text(page), re.M | re.S)
        ]
        assert tables
        for said in re.findall(r"^\| “(.*?)” \|", "\n".join(tables), re.M):
            assert re.search(re.escape(said).replace("……", r"\{\w+\}"), labels), said


def test_every_message_that_the_page_of_models_quotes_is_one_that_people_see():
    faults = text(ROOT / "docs/models.md").partition("| Fault |")[2]
    quoted = re.findall(r"(?:By rules, |`: )“(.+?)(?: …)?”", faults)
    assert len(quoted) > 20
    labels = text(ROOT / "prompts/labels.en.toml")
    patterns = {said: ".+?".join(map(re.escape, said.split(" … "))) for said in quoted}
    assert [said for said, pattern in patterns.items() if not re.search(pattern, labels)] == []


# --- Links and order -------------------------------------------------------------------------


def anchors(page: str) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    titles = re.findall(r"^#+ (.*)$", BLOCK.sub("", page), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "CHANGELOG.md", ROOT / ".github/PULL_REQUEST_TEMPLATE.md"], ids=lambda page: page.name
)
def test_every_link_of_a_page_leads_somewhere(page):
    for path, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", re.sub("`[^`\n]*`", "", text(page))):
        target = page.parent / path if path else page
        assert target.exists(), f"{page.name} links to {path}"
        assert not anchor or anchor in anchors(text(target)), f"{page.name} links to {path}#{anchor}"


def test_the_index_has_every_page_and_each_leads_to_its_neighbours():
    index = text(DOCS / "README.md")
    for page in PAGES:
        assert page.name == "README.md" or f"{page.name})" in index or page.parent == ROOT, page.name
    for path, whole in script("pages").written().items():
        assert text(path) == whole, f"{path.name}: run python docs/pages.py"


def test_the_picture_of_the_layers_is_what_the_contracts_say():
    assert text(DOCS / "layers.svg") == script("layers").picture(), "run python docs/layers.py"


def commands(page: Path) -> list[str]:
    """What is typed or set on a page, without what is said about it."""
    own = "\n".join(block.text for block in blocks() if block.page == page)
    kept = [re.sub(r"\s*#.*", "", line) for line in own.splitlines()]
    return [re.sub(r"[一-龥].*|the-signing-secret", "", line).strip() for line in kept if line.strip()]


@pytest.mark.parametrize(
    "chinese", sorted(page for page in PAGES if page.name.endswith(".zh.md")), ids=lambda page: page.name
)
def test_a_page_and_its_chinese_twin_have_the_same_sections_and_commands(chinese):
    english = chinese.with_name(chinese.name.replace(".zh", ""))
    levels = [re.findall(r"^(#+) ", BLOCK.sub("", text(page)), re.M) for page in (english, chinese)]
    assert levels[0] == levels[1]
    assert [line for line in commands(chinese) if line != "DIGEST_LANGUAGE=zh"] == commands(english)
    pictures = [len(re.findall(r"^!\[", text(page), re.M)) for page in (english, chinese)]
    assert pictures[0] == pictures[1]
    for kind in (r"^ *\| ", r"^ *- ", r"^ *\d+\. "):  # rows of tables, items of lists
        counts = [len(re.findall(kind, BLOCK.sub("", text(page)), re.M)) for page in (english, chinese)]
        assert counts[0] == counts[1], kind


def test_a_readme_fits_what_it_promises():
    for name in ("README.md", "README.zh.md"):
        first = text(ROOT / name).split("\n## ")[0]
        assert len(re.findall("^make demo", first, re.M)) == 2
        assert len(first.splitlines()) <= 25, "one screen"


@pytest.mark.parametrize("page", [*PAGES, *LINKED], ids=lambda page: page.name)
def test_emphasis_ends_where_it_is_meant_to(page):
    """CommonMark shows the asterisks of `**词：**` when a Chinese character follows."""
    blocks = MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))
    spans = [span for block in blocks for span in block.children or ()]

    assert [span.content for span in spans if span.type == "text" and "*" in span.content] == []
