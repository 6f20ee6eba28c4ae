"""Each row of CONTRIBUTING's "Add something", really added to a copy of the program, which then runs as a process.

What a newcomer writes is written here: one file, and one line where that table says so.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import forkserver
import pytest
from answers import answer
from model_server import ModelServer
from service import ROOT, environment
from world import DAY, busy_day


@dataclass
class House:
    """A copy of the program, to which things are added."""

    folder: Path
    repo: str

    def write(self, path: str, text: str) -> None:
        (self.folder / path).write_text(text, encoding="utf-8")

    def line(self, path: str, before: str, line: str) -> None:
        """Add one line before another one."""
        text = (self.folder / path).read_text(encoding="utf-8")
        assert text.count(before) == 1, f"{before!r} is in {path} {text.count(before)} times"
        self.write(path, text.replace(before, f"{line}\n{before}"))

    def replace(self, path: str, old: str, new: str) -> None:
        text = (self.folder / path).read_text(encoding="utf-8")
        assert text.count(old) == 1
        self.write(path, text.replace(old, new))

    def check(self) -> None:
        """Hold the layers of the copy."""
        lint = Path(sys.executable).with_name("lint-imports")
        done = subprocess.run([lint, "--no-cache"], cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout

    def run(self, *words: str, fails: bool = False, **settings: str) -> str:
        """What a command prints; `fails` says that it must end with an error, which is returned."""
        told = environment(self.folder, DIGEST_ZONE="UTC", PYTHONPATH=str(self.folder), **settings)
        done = forkserver.run("-m", "bot", *words, kind="libraries", cwd=self.folder, env=told)
        assert (done.returncode != 0) is fails, done.stderr
        return done.stderr if fails else done.stdout


@pytest.fixture
def house(tmp_path):
    for name in ("bot", "adapters", "prompts"):
        shutil.copytree(ROOT / name, tmp_path / name)  # with bytecode, which a file that is changed loses
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return House(tmp_path, str(busy_day(tmp_path / "app").path))


DATE = f"{DAY:%Y-%m-%d}"

# --- A language ------------------------------------------------------------------------------


def french(english: str) -> str:
    """Labels that can be told from the English ones: each text ends in a mark, its blanks stay."""
    marked = re.sub(r'^(\w+ = ".*)"$', r'\1 ¤"', english, flags=re.MULTILINE)
    return marked.replace('today = "today ¤"', 'today = "aujourdhui"')


@pytest.fixture
def bilingual(house):
    house.write("prompts/labels.fr.toml", french((ROOT / "prompts/labels.en.toml").read_text(encoding="utf-8")))
    house.line("bot/languages.py", "        # The script", '        Language("fr", "Français", "French", "fr"),')
    return house


def test_a_language_is_one_file_of_labels_and_one_record(bilingual):
    fr = {"DIGEST_LANGUAGE": "fr"}
    assert "High ¤" in bilingual.run(DATE, bilingual.repo, **fr)
    report = bilingual.run("report", bilingual.repo, "--date", DATE, "--lang", "fr", "--format", "html")
    assert '<html lang="fr">' in report
    assert "¤" in report
    assert "fr" in bilingual.run("report", "--help")
    bilingual.run("subscribe", bilingual.repo, "lang", "fr")
    exported = bilingual.run("export")
    assert "language: fr" in exported
    bilingual.write("kept.yaml", exported)
    assert "1" in bilingual.run("import", "kept.yaml")
    assert "¤" in bilingual.run("settings", bilingual.repo)
    assert "¤" in bilingual.run("aujourdhui", bilingual.repo, **fr)
    wrong = bilingual.run("status", fails=True, DIGEST_LANGUAGE="eo")
    assert "en, fr, zh" in wrong


def test_a_language_is_a_choice_of_the_form(bilingual):
    code = (
        "from bot.conversation.forms import subscribe_form; from bot.texts import Texts;"
        "from bot.values import Place, Subscription;"
        "s = Subscription(Place('slack', 'C1'), 'a/b', '0 9 * * mon-fri', 'UTC', 'fr');"
        "print([i.choices for i in subscribe_form(s, True, Texts('fr')).inputs if i.name == 'lang'])"
    )
    told = environment(bilingual.folder, PYTHONPATH=str(bilingual.folder))
    done = forkserver.run("-c", code, kind="libraries", env=told, cwd=bilingual.folder)
    assert "('fr', 'Français')" in done.stdout


def test_a_model_is_asked_in_a_new_language(bilingual):
    asked = []

    def answers(body):
        asked.append("\n".join(message["content"] for message in body["messages"]))
        return answer(body)

    with ModelServer(answer=answers) as server:
        model = {"OPENAI_MODEL": "test-model", "OPENAI_API_KEY": server.key, "OPENAI_BASE_URL": server.url}
        told = bilingual.run(DATE, bilingual.repo, DIGEST_LANGUAGE="fr", **model)
    assert "¤" in told
    assert asked
    assert all("French" in question for question in asked)


# --- A command, a form of the report, a grade signal, a prompt -------------------------------

HELLO = '''"""A greeting."""

from bot.conversation.command import Command
from bot.values import Message, Post, Span


def _hello(context, words):
    return (Post(Message("hello", (Span(context.texts("help.hello_said", who=" ".join(words) or "you")),))),)


COMMANDS = (Command("hello", _hello),)
'''


def test_a_command_is_one_file_and_its_labels(house):
    house.write("bot/conversation/commands/hello.py", HELLO)
    for language, word in (("en", "hello"), ("zh", "你好")):
        path = f"prompts/labels.{language}.toml"
        house.line(path, "[help]\n", f'hello = "{word}"\n')
        house.line(
            path, "[errors]\n", 'hello_line = "/digest hello"\nhello = "say hello"\nhello_said = "Hello {who}!"\n'
        )
    assert "Hello Ada!" in house.run("hello", "Ada")
    assert "Hello you!" in house.run("你好")
    assert "• digest hello" in house.run("help")
    assert "hello" in house.run("helo", fails=True)
    completed = house.run(COMP_WORDS="digest hel", COMP_CWORD="1", _DIGEST_COMPLETE="bash_complete")
    assert {"plain,hello", "plain,help"} <= set(completed.split())


def test_a_form_of_the_report_is_one_file_and_one_record(house):
    house.write(
        "bot/posts/plain_text.py",
        '"""The report as plain text."""\n\n\ndef plain_text(digests, texts):\n'
        '    """Titles, one a line."""\n'
        '    return "".join(f"{e.commit.reading.title}\\n" for d in digests for e in d.entries)\n',
    )
    house.line("bot/posts/report.py", "from bot.texts import Texts", "from bot.posts.plain_text import plain_text")
    house.line("bot/posts/report.py", '        Format("json"', '        Format("txt", plain_text),')
    told = house.run("report", house.repo, "--date", DATE, "--format", "txt")
    assert len(told.splitlines()) == 29
    assert "replace endpoint 0" in told
    house.replace("pyproject.toml", '"markdown | html | data"', '"markdown | html | data | plain_text"')
    house.check()


def test_a_number_of_the_headline_is_one_line(house):
    house.line(
        "bot/posts/labels.py",
        '    parts += [texts.count("authors", digest.authors)]',
        '    parts += [texts.count("files", sum(len(e.commit.files) for e in digest.entries))]',
    )
    assert "35 files" in house.run(DATE, house.repo)


def test_a_signal_of_the_grades_is_one_cue_and_its_label(house):
    house.line(
        "bot/judgement/triage.py",
        '    _cue("stable"',
        r'    _cue("endpoint", 5.0, 2.0, r"\bwrong part 3\b"),',
    )
    for language in ("en", "zh"):
        house.line(f"prompts/labels.{language}.toml", "stable = ", 'endpoint = "touches part 3"')
    told = json.loads(house.run("report", house.repo, "--date", DATE, "--format", "json"))
    (graded,) = [e["grade"] for e in told["digests"][0]["entries"] if "part 3" in e["commit"]["subject"]]
    assert graded["reason"] == "touches part 3"


def test_a_prompt_is_one_file_and_its_name(house):
    system, user = (ROOT / "prompts/analysis.v4.md").read_text(encoding="utf-8").split("\n---\n")
    house.write("prompts/analysis.v5.md", f"{system}\nBe brief.\n---\n{user}")
    questions = house.folder / "bot/judgement/questions.py"
    text = questions.read_text(encoding="utf-8")
    assert text.count('"analysis.v4"') == 1
    questions.write_text(text.replace('"analysis.v4"', '"analysis.v5"'), encoding="utf-8")
    asked = []

    def answers(body):
        asked.append("\n".join(message["content"] for message in body["messages"]))
        return answer(body)

    with ModelServer(answer=answers) as server:
        model = {"OPENAI_MODEL": "test-model", "OPENAI_API_KEY": server.key, "OPENAI_BASE_URL": server.url}
        house.run(DATE, house.repo, OPENAI_DEPTH="brief", **model)
    assert any("Be brief." in question for question in asked)


# --- A chat, a source, a store ---------------------------------------------------------------

PAGER = '''"""A chat that writes what it posts to a file."""

from pathlib import Path

from bot.values import Place


class Pager:
    name = "pager"

    def post(self, place, message, once=None):
        with Path(place.channel).open("a", encoding="utf-8") as file:
            file.write("".join(span.text for span in message.title) + "\\n")
        return Place(self.name, place.channel, "thread")

    def listen(self, listener):
        return

    def close(self):
        return


def from_settings(settings, rates=None):
    return Pager()
'''


def test_a_chat_is_one_file_and_one_line(house):
    house.write("adapters/chats/pager.py", PAGER)
    house.line("bot/parts.py", '    "slack": ("adapters', '    "pager": ("adapters.chats.pager", lambda s: True),')
    house.run(DATE, house.repo, "--to", "pager:out.txt")
    posted = (house.folder / "out.txt").read_text(encoding="utf-8").splitlines()
    assert posted[0].startswith("app · 2026-02-18")
    assert len(posted) > 3
    house.replace("pyproject.toml", '"feishu | slack | terminal"', '"feishu | slack | terminal | pager"')
    house.check()


TOY = '''"""A source of one commit, on a fixed day."""

from datetime import UTC, datetime

from bot.commits.people import Signature
from bot.commits.reading import Written, commit
from bot.values import FileChange, Repository


class Toy:
    def repository(self, repo):
        return Repository(repo, "Toy", "main", None, private=False)

    def commits(self, repo, branch, since, until):
        at = datetime(2026, 2, 18, 12, tzinfo=UTC)
        written = Written("a" * 40, "feat: play", Signature("Ada"))
        made = commit(repo, written, committed=at, parents=(), changes=[FileChange("toy.py", added=3)])
        return (made,) if since <= at < until else ()

    def patches(self, repo, commits, paths=()):
        return ((each.sha, ()) for each in commits)

    def releases(self, repo, since=None):
        return ()

    def quota(self):
        return None


def from_settings(settings):
    return Toy()
'''


def test_a_commit_source_is_one_file_and_one_line(house):
    house.write("adapters/sources/toy.py", TOY)
    house.line(
        "bot/parts.py",
        "    return lambda repo: made(addresses.is_hosted(repo))",
        '    toy = import_module("adapters.sources.toy").from_settings(settings)\n'
        '    return lambda repo: toy if repo.startswith("/toy") else made(addresses.is_hosted(repo))',
    )
    told = house.run(DATE, "/toy/box")
    assert "feat: play" in told
    assert "1 commit" in told


def test_a_store_is_one_file_and_one_line(house):
    house.write(
        "adapters/stores/apart.py",
        '"""SQLite, in another file than the settings say."""\n\n'
        "from adapters.stores.sqlite import SqliteStore\n\n\n"
        "def from_settings(settings):\n"
        '    return SqliteStore(settings.digest_database.with_name("apart.db"))\n',
    )
    parts = house.folder / "bot/parts.py"
    text = parts.read_text(encoding="utf-8")
    parts.write_text(
        text.replace("from adapters.stores import sqlite\n", "from adapters.stores import apart as sqlite\n")
    )
    house.run(DATE, house.repo)
    assert (house.folder / "apart.db").exists()
    assert not (house.folder / "digest.db").exists()
