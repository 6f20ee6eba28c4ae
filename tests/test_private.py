"""What the bot keeps is for its own user: files and folders by their modes, tokens at rest."""

import logging
import os
import shutil
import stat
from pathlib import Path

import pytest
import slack_server
from git_server import GitServer
from repositories import contract_history
from slack_server import SlackServer
from test_slack_ways import TOKEN, Listening, doctor, install, installed

from adapters import private
from adapters.sources.git.source import GitSource
from adapters.stores.sqlite import SqliteStore


@pytest.fixture(autouse=True)
def usual():
    """What most machines have: new files can be read by everybody."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path):
    return stat.S_IMODE(Path(path).stat().st_mode)


def parts(path):
    """The modes of a database and of what lies beside it."""
    return {each.name: mode(each) for each in path.parent.iterdir() if each.name.startswith(path.name)}


OWN = {"digest.db": 0o600, "digest.db-wal": 0o600, "digest.db-shm": 0o600}


def test_a_new_database_and_its_folder_are_for_one_user_alone(tmp_path):
    path = tmp_path / "share" / "commit-digest" / "digest.db"
    store = SqliteStore(path)
    store.release_all("nobody")
    assert parts(path) == OWN
    assert [mode(folder) for folder in (path.parent, path.parent.parent)] == [0o700, 0o700]
    assert mode(tmp_path) != 0, "what was there stays"
    store.close()


def test_a_database_of_an_earlier_version_is_closed_to_others_with_what_lies_beside_it(tmp_path):
    path = tmp_path / "digest.db"
    other = SqliteStore(path)
    other.release_all("nobody")
    for name in OWN:
        (tmp_path / name).chmod(0o644)
    store = SqliteStore(path)
    assert parts(path) == OWN
    store.close()
    other.close()


def test_a_group_that_was_let_in_stays_and_others_go(tmp_path):
    path = tmp_path / "digest.db"
    SqliteStore(path).close()
    path.chmod(0o664)
    SqliteStore(path).close()
    assert mode(path) == 0o660


def test_a_file_of_somebody_else_is_left_as_it_is(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError

    path = tmp_path / "file"
    path.touch(0o644)
    monkeypatch.setattr(Path, "chmod", refuse)
    private.close(path)
    private.close(tmp_path / "none")
    assert mode(path) == 0o644


def test_clones_are_for_one_user_alone(tmp_path):
    history = contract_history(tmp_path / "example.git")
    with GitServer(tmp_path / "served") as server:
        shutil.copytree(history.path, server.folder / "app.git")
        GitSource(tmp_path / "new" / "clones").repository(server.url("app.git"))
    clones = tmp_path / "new" / "clones"
    (clone,) = clones.glob("*.git")
    assert [mode(folder) for folder in (clones.parent, clones, clone)] == [0o700] * 3


def test_every_folder_that_is_made_is_private(tmp_path):
    private.folder(tmp_path / "a" / "b" / "c")
    private.folder(tmp_path / "a" / "b" / "c")
    assert [mode(tmp_path / each) for each in ("a", "a/b", "a/b/c")] == [0o700] * 3


# --- Tokens at rest ------------------------------------------------------------------------------


@pytest.fixture
def server():
    with SlackServer(slack_server.Time()) as running:
        yield running


def test_tokens_in_clear_are_told_in_the_log_when_the_bot_starts(tmp_path, clock, server, caplog):
    with caplog.at_level(logging.WARNING), Listening(tmp_path, clock, server, installed(tmp_path, server, key="")):
        pass
    assert "SLACK_TOKEN_KEY" in caplog.text
    caplog.clear()
    with Listening(tmp_path, clock, server, installed(tmp_path, server)):
        pass
    assert "SLACK_TOKEN_KEY" not in caplog.text


@pytest.mark.parametrize(("key", "mark"), [("", "!"), ("k" * 43 + "=", "✓")])
def test_the_doctor_tells_whether_tokens_are_in_clear(monkeypatch, server, key, mark):
    given = {"SLACK_BOT_TOKEN": "", "SLACK_CLIENT_ID": "1.2", "SLACK_TOKEN_KEY": key, "SLACK_APP_TOKEN": "xapp-test"}
    _, said = doctor(monkeypatch, server, **given)
    (told,) = (line for line in said.splitlines() if "Stored Slack tokens" in line)
    assert told.startswith(mark)
    assert "SLACK_TOKEN_KEY" in told


def test_nothing_of_a_token_is_left_in_the_files_once_there_is_a_key(tmp_path, clock, server):
    with Listening(tmp_path, clock, server, installed(tmp_path, server, key="")) as listening:
        install(listening, server, "T1")
        kept = b"".join(path.read_bytes() for path in tmp_path.glob("digest.db*"))
        assert TOKEN.encode() in kept
    assert installed(tmp_path, server).client("T1").token == TOKEN
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("digest.db*"))
    assert TOKEN.encode() not in kept
