"""How long a host is waited for that hangs: over real sockets, and with limits that are shorter than the real ones."""

import os
import time
from datetime import UTC, datetime

import pytest
from git_server import GitServer
from github_server import Fault, GitHubServer
from hanging import Dripping, Silent
from repositories import DAY, Builder, at

from adapters.sources.git import process
from adapters.sources.git.process import GitSlow, Limits
from adapters.sources.git.source import GitSource
from adapters.sources.github import archives
from adapters.sources.github.client import TRIES, Client
from adapters.sources.github.source import GitHubSource
from adapters.sources.github.waits import Waits
from bot.errors import Unavailable
from bot.values import Look, LookKind

SOON = 10.0
"""Seconds within which everything here ends, far below any of the real limits."""


@pytest.fixture(autouse=True)
def _soon():
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < 2 * SOON


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    build = Builder(tmp_path_factory.mktemp("waits") / "app.git")
    build.commit("root", at(-40), {"a.py": "def one(): pass\n"})
    build.commit("one", at(1), {"b.py": "one()\n" * 50}, message="One (#1)")
    return build.finish()


# --- GitHub ----------------------------------------------------------------------------------


def source(url, archives=None, **patience):
    waits = Waits(**{"connect": 1, "read": 1, "whole": 0.3} | patience)
    return GitHubSource(Client(None, url, lambda _: None, lambda: datetime.now(UTC), waits), archives)


def refused(call):
    begun = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        call()
    assert caught.value.key == "github_unavailable"
    assert time.monotonic() - begun < SOON


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_github_that_never_answers_is_given_up(scheme):
    with Silent() as host:
        url = host.url.replace("http", scheme)
        refused(lambda: source(url, connect=0.2, read=0.2, whole=60).repository("team/app"))


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX-Long: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n",
    ],
    ids=["status", "header", "body", "body without an end", "chunk"],
)
def test_a_github_that_drips_is_given_up(head):
    with Dripping(head) as host:
        refused(lambda: source(host.url).repository("team/app"))
        assert host.taken == TRIES


def test_a_tls_handshake_that_drips_is_given_up():
    with Dripping(b"\x16\x03\x03\x3f\xff\x02") as host:
        refused(lambda: source(host.url.replace("http", "https")).repository("team/app"))
        assert host.taken == TRIES


def test_what_hangs_once_is_asked_for_again(history):
    with GitHubServer({"team/app": history.path}) as server:
        server.fault("commit", Fault(how="hang"), Fault(how="drip"))
        found = source(server.url, read=0.3, whole=0.5).commits("team/app", "", DAY, at(24))
    assert [commit.subject for commit in found] == ["One (#1)"]


def test_a_connection_is_kept_for_the_next_request(history, monkeypatch):
    with GitHubServer({"team/app": history.path}) as server:
        made, take = [], server._http.process_request
        monkeypatch.setattr(server._http, "process_request", lambda *each: made.append(each) or take(*each))
        read = source(server.url, whole=60)
        for _ in range(3):
            read.repository("team/app")
    assert len(made) == 1


@pytest.mark.parametrize("how", ["hang", "drip"])
def test_an_archive_that_hangs_is_given_up_and_its_time_counts(history, tmp_path, how, monkeypatch):
    monkeypatch.setattr(archives, "WAITED", 0.1)
    monkeypatch.setattr(archives, "ARCHIVE_SECONDS", 0.1)
    with GitHubServer({"team/app": history.path}) as server:
        server.fault("codeload", *[Fault(how=how)] * 2)
        read = source(server.url, tmp_path, read=0.3, whole=0.4)
        commit = read.commit("team/app", history.sha("one"))
        for _ in range(2):
            (sight,) = read.look("team/app", commit, [Look(LookKind.WORD, "one")])
            assert sight.refused
    assert server.counts["codeload"] == 1


# --- git -------------------------------------------------------------------------------------

QUICK = Limits(answer=0.5, stream=0.5, fetch=0.5, stall=60)


def unreachable(url, folder, limits):
    begun = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        GitSource(folder / "clones", limits=limits).commits(url, "", DAY, at(24))
    assert caught.value.key == "repository_unreachable"
    assert time.monotonic() - begun < SOON


@pytest.mark.parametrize("limits", [QUICK, Limits(stall=1)], ids=["in all", "without a byte"])
def test_a_git_host_that_never_answers_is_given_up(tmp_path, limits):
    with Silent() as host:
        unreachable(f"{host.url}/team/app.git", tmp_path, limits)


@pytest.mark.parametrize("limits", [QUICK, Limits(stall=1)], ids=["in all", "with next to nothing"])
def test_a_git_host_that_drips_is_given_up(tmp_path, limits):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n\r\n"
    with Dripping(head) as host:
        unreachable(f"{host.url}/team/app.git", tmp_path, limits)


def test_a_git_host_that_answers_and_hangs_when_it_is_fetched_from_is_given_up(history, tmp_path):
    with GitServer(tmp_path / "served") as server:
        (server.folder / "app.git").symlink_to(history.path)
        server.hangs = True
        unreachable(server.url("app.git"), tmp_path, Limits(fetch=0.5))


def wrapped(folder, text, monkeypatch):
    """Put a shell script in the place of git."""
    (folder / "git").write_text(f'#!/bin/sh\n[ "$1" = --version ] && {{ echo git version 2.40.0; exit; }}\n{text}\n')
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize(
    "text",
    ["echo some; sleep 60", "yes", "exec 1>&-; sleep 60", "while true; do echo a; sleep 0.02; done"],
    ids=["hangs", "floods", "closes and hangs", "drips"],
)
def test_a_git_that_does_not_end_is_stopped_while_it_is_read(tmp_path, text, monkeypatch):
    wrapped(tmp_path, text, monkeypatch)
    begun = time.monotonic()
    with pytest.raises(GitSlow):
        for _ in process.chunks(tmp_path, "log", seconds=0.3, env={}):
            pass
    assert time.monotonic() - begun < SOON


def test_a_repository_s_git_keeps_to_the_limits_that_are_set(history, tmp_path, monkeypatch):
    read = GitSource(tmp_path / "clones", limits=QUICK)
    assert len(read.commits(str(history.path), "", DAY, at(24))) == 1
    wrapped(tmp_path, '[ "$2" = config ] && exit 1\nsleep 60', monkeypatch)
    with pytest.raises(Unavailable) as caught:
        read.commits(str(history.path), "", DAY, at(24))
    assert caught.value.key == "git_slow"
