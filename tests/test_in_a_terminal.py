"""The program in a real terminal: what stands on the screen, and what was typed."""

import io
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from screen import Screen, Session
from world import World, busy_day

from adapters.chats.terminal import DrawnProgress
from bot import parts
from bot.conversation import grammar
from bot.conversation.grammar import CommitName
from bot.languages import LANGUAGES
from bot.texts import SHELL, Texts

BAR = re.compile(r"━{5}|\d+/(\d+|\?)\s")


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    return busy_day(tmp_path_factory.mktemp("busy") / "app")


@pytest.fixture(scope="module")
def checkout(history, tmp_path_factory):
    folder = tmp_path_factory.mktemp("home") / "app"
    subprocess.run(["git", "clone", "-q", str(history.path), str(folder)], check=True)
    return folder


# --- Progress --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_a_digest_begins_on_a_line_of_its_own(checkout, size):
    with Session("2026-02-18", cwd=checkout, size=size) as session:
        assert session.ended() == 0
        lines = session.screen.lines
    assert lines[0].startswith("╭─ app")
    assert [line for line in lines if BAR.search(line)] == []
    assert max(map(len, lines)) <= size[0]


def test_a_conversation_can_be_typed_and_says_how_to_leave(checkout):
    with Session("chat", cwd=checkout) as session:
        session.wait(">")
        assert session.screen.lines == ["Type help to see what you can ask; type exit or press Ctrl+D to leave.", ">"]
        session.type("2026-02-18")
        session.wait(">", 2)
        session.type("exit")
        assert session.ended() == 0
        lines = session.screen.lines
    assert lines[1] == "> 2026-02-18"
    assert lines[2].startswith("╭─ app")
    assert [line for line in lines if line.startswith(">")] == ["> 2026-02-18", "> exit"]
    assert [line for line in lines if BAR.search(line)] == []


def test_progress_is_drawn_between_its_beginning_and_its_end_only():
    out = io.StringIO()
    drawn = DrawnProgress(Console(file=out, width=80, force_terminal=True))
    drawn.analysing(1, 2)
    drawn.over()
    assert out.getvalue() == ""
    for _ in range(2):
        drawn.collecting("team/app")
        drawn.analysing(1, 2)
        drawn.over()
        drawn.over()
    assert "team/app" in out.getvalue()
    screen = Screen(80)
    screen.feed(out.getvalue())
    assert set(screen.lines) == {""}


def test_progress_ends_with_the_work_also_where_it_fails(tmp_path, clock, history):
    world = World(tmp_path, clock, str(history.path))
    seen = []

    class Noted(DrawnProgress):
        def collecting(self, repo):
            seen.append("begun")

        def over(self):
            seen.append("over")

    world.app._progress = Noted()
    world.ask("2026-02-18")
    world.ask("#305")
    world.repositories.commits = None  # nothing can be read
    with pytest.raises(TypeError):
        world.run("2026-02-17")
    assert seen == ["begun", "over"] * 3
    world.close()


# --- Repositories ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("owner/repo 6344", [CommitName("owner/repo", 6344, "6344")]),
        ("6344 owner/repo", [CommitName("owner/repo", 6344, "6344")]),
        ("./clone 9a93eb7", [CommitName("./clone", sha="9a93eb7")]),
        ("6344", [CommitName(pull=6344, sha="6344")]),
        ("PR 100", [CommitName(pull=100)]),
        ("pr#100", [CommitName(pull=100)]),
        ("合并请求 100", [CommitName(pull=100)]),
        ("#100 and #101", [CommitName(pull=100), CommitName(pull=101)]),
        ("#100 #100 owner/repo", [CommitName("owner/repo", pull=100)]),
        ("owner/repo#1 owner/repo", []),
        ("owner/repo other/repo 6344", []),
        ("owner/repo", []),
        ("helpp 6344", []),
        ("prs", []),
        ("", []),
    ],
)
def test_a_commit_may_stand_beside_its_repository(line, found):
    assert grammar.named_commits(line.split()) == tuple(found)


@pytest.fixture
def terminal(tmp_path, clock, history, monkeypatch):
    """A world whose operator types in a folder with clones."""
    monkeypatch.chdir(tmp_path)
    for name in ("clone", "team/app", "list"):
        subprocess.run(["git", "clone", "-q", str(history.path), name], check=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(history.path), "bare"], check=True)
    (tmp_path / "folder").mkdir()
    world = World(tmp_path, clock)
    known = {"by_operator": True, "command": SHELL, "is_folder": parts.is_repository}
    world.interpreter._services = replace(world.interpreter._services, **known)
    yield world
    world.close()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("./clone 103", "replace endpoint 3"),
        ("clone 103", "replace endpoint 3"),
        ("103 clone", "replace endpoint 3"),
        ("bare 103", "replace endpoint 3"),
        ("clone#103", "replace endpoint 3"),
        ("2026-02-18 clone", "29 commits"),
        ("2026-02-18 {here}/clone", "29 commits"),
        ("2026-02-18 team/app", "29 commits"),
        ("list", "Nothing is followed here yet. Try: digest subscribe owner/repo"),
        ("folder 103", "I don't know “folder”"),
        ("subscribe clone branch clone", "clone"),
    ],
)
def test_a_folder_that_holds_a_repository_is_one(terminal, line, told):
    assert told in terminal.said(line.format(here=Path.cwd()))


def test_words_that_are_searched_for_stay_as_they_are(terminal):
    terminal.ask("subscribe clone branch main")
    assert "“clone”" in terminal.said("search clone")
    assert "no longer follows clone" in terminal.said("unsubscribe clone")


def test_a_folder_is_none_where_somebody_else_types(terminal):
    terminal.interpreter._services = replace(terminal.interpreter._services, is_folder=lambda _: False)
    assert "I don't know “clone”" in terminal.said("clone 103")


# --- Hints -------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["help", "list", "lisst", "nothing", "search", "subscribe", "settings", "yesterday"])
def test_hints_are_lines_of_the_shell(terminal, line):
    assert "/digest" not in terminal.said(line)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_hint_can_be_one_of_the_shell(language):
    slash, shell = Texts(language), Texts(language, SHELL)
    for name in ("list_line", "subscribe_line", "last_line"):
        assert f"/{shell(f'help.{name}')}" == slash(f"help.{name}")


def test_a_day_on_which_nothing_landed_names_the_last_one_that_has_something(terminal):
    assert "digest latest ./clone" in terminal.said("2026-02-17 clone")
    assert "digest latest" not in terminal.said("2026-02-18 clone")
    assert "29 commits" in terminal.said("latest clone")
