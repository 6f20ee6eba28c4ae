"""The git source: the contract, and what only git can hold."""

from __future__ import annotations

import dataclasses
import os
import shutil
import stat
import subprocess
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from git_server import GitServer
from hypothesis import given
from hypothesis import strategies as st
from repositories import (
    DAY,
    ENVIRONMENT,
    Builder,
    at,
    contract_history,
    git,
    lines,
    link,
    releases_history,
    script,
    submodule,
)
from source_contract import NEXT_DAY, OF_THE_DAY, Served, SourceContract, looks_history

from adapters.sources.git import history as reading
from adapters.sources.git import process, tree
from adapters.sources.git.process import GitSlow, run
from adapters.sources.git.remote import parse
from adapters.sources.git.settings import GitSettings
from adapters.sources.git.source import GitSource, from_settings
from bot.commits import hosts
from bot.commits.hosts import Hosts
from bot.errors import ConfigError, Forbidden, NotFound, Unavailable, UsageError
from bot.texts import Texts
from bot.values import FileChange, FileStatus, Look, LookKind, Window

EVER = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class TestContract(SourceContract):
    @pytest.fixture(scope="class")
    @classmethod
    def served(cls, tmp_path_factory):
        folder = tmp_path_factory.mktemp("contract")
        history = contract_history(folder / "example.git")
        empty = Builder(folder / "empty.git").finish()
        source = GitSource(folder / "clones")
        released = releases_history(folder / "released.git")
        looks = looks_history(folder / "looks.git")
        names = str(history.path), history, str(empty.path), str(folder / "missing"), str(released.path)
        return Served(source, *names, released, str(looks.path), looks)


@pytest.fixture
def source(tmp_path) -> GitSource:
    return GitSource(tmp_path / "clones")


@pytest.fixture
def build(tmp_path) -> Builder:
    return Builder(tmp_path / "example.git")


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The contract's history, for tests that only read it."""
    return contract_history(tmp_path_factory.mktemp("shared") / "example.git")


def everything(source: GitSource, repo: str, branch: str = ""):
    """All commits and patches of a branch, without the name that the repository goes by."""
    commits = source.commits(repo, branch, *EVER)
    return [dataclasses.replace(c, repo="") for c in commits], list(source.patches(repo, commits))


def only(source: GitSource, history, name: str):
    """The commit `name` and its patches by path."""
    commit = source.commit(str(history.path), history.sha(name))
    ((_, files),) = source.patches(str(history.path), [commit])
    assert [file.path for file in files] == [file.path for file in commit.files]
    return commit, {file.path: file for file in files}


# --- nothing of a repository is executed, and nothing but its objects counts ------------------


@pytest.fixture
def canary(tmp_path):
    """A program that leaves a file behind when it is run, and that file."""
    sung = tmp_path / "canary"
    bird = tmp_path / "bird"
    bird.write_text(f'#!/bin/sh\necho "$0 $*" >> "{sung}"\n')
    bird.chmod(0o755)
    return bird, sung


@pytest.fixture
def checkout(example, tmp_path):
    """A checkout of the contract's history that a test may make hostile."""
    git(tmp_path, "clone", "-q", "--no-hardlinks", str(example.path), "checkout")
    return tmp_path / "checkout"


TRAPS = {
    "external diff": (["diff.external={bird}"], "", ["log", "-p", "--ext-diff", "-3"]),
    "diff driver": (["diff.trap.command={bird}"], "* diff=trap", ["log", "-p", "--ext-diff", "-3"]),
    "textconv": (["diff.trap.textconv={bird}"], "* diff=trap", ["log", "-p", "-3"]),
    "filter": (["filter.trap.clean={bird}", "filter.trap.required=true"], "* filter=trap", ["add", "--all"]),
    "filter process": (["filter.trap.process={bird}"], "* filter=trap", ["hash-object", "README.md"]),
    "fsmonitor": (["core.fsmonitor={bird}"], "", ["status"]),
    "alias": (["alias.own=!{bird}"], "", ["own"]),
    "gpg": (["gpg.program={bird}", "log.showSignature=true"], "", ["log", "-1", "signed"]),
    "include": (["include.path={included}"], "", ["log", "-p", "--ext-diff", "-3"]),
    "hooks": (["core.hooksPath={hooks}"], "", ["update-ref", "refs/heads/new", "HEAD"]),
    "ssh": (["core.sshCommand={bird}", "remote.origin.url=ssh://localhost/x"], "", ["fetch"]),
    "upload pack": (["remote.origin.uploadpack={bird}"], "", ["fetch"]),
}


def _spring(checkout: Path, bird: Path, trap: str) -> list[str]:
    """Set a trap in the repository; returns the git command that walks into it."""
    entries, attributes, command = TRAPS[trap]
    included = checkout.parent / "included"
    included.write_text(f"[diff]\n\texternal = {bird}\n")
    hooks = checkout.parent / "hooks"
    hooks.mkdir()
    shutil.copy(bird, hooks / "reference-transaction")
    for entry in entries:
        name, _, value = entry.partition("=")
        git(checkout, "config", name, value.format(bird=bird, included=included, hooks=hooks))
    (checkout / ".git" / "info").mkdir(exist_ok=True)
    (checkout / ".git" / "info" / "attributes").write_text(attributes)
    (checkout / ".gitattributes").write_text(attributes)
    if trap == "gpg":
        _sign(checkout)
    if trap == "filter":
        (checkout / "README.md").write_text("changed\n")
    return command


def _sign(checkout: Path) -> None:
    """A commit with a signature header, on a branch of its own."""
    plain = git(checkout, "cat-file", "commit", "HEAD")
    head, _, message = plain.partition("\n\n")
    signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n AAAA\n -----END PGP SIGNATURE-----"
    sha = git(
        checkout, "hash-object", "-t", "commit", "-w", "--stdin", stdin=f"{head}\n{signature}\n\n{message}\n".encode()
    )
    git(checkout, "update-ref", "refs/heads/signed", sha)


def _careless(folder: Path, command: list[str]) -> None:
    """Run git as a careless program would: with the repository's configuration."""
    import subprocess

    subprocess.run(["git", *command], cwd=folder, env=ENVIRONMENT, capture_output=True, check=False)


@pytest.mark.parametrize("trap", TRAPS)
def test_no_program_that_a_repository_names_is_run(source, example, checkout, canary, trap):
    bird, sung = canary
    command = _spring(checkout, bird, trap)
    assert everything(source, str(checkout)) == everything(source, str(example.path))
    source.repository(str(checkout))
    source.pull(str(checkout), 12)
    if trap == "gpg":
        source.commits(str(checkout), "signed", *EVER)
    assert not sung.exists()
    _careless(checkout, command)
    assert sung.exists(), "the trap does not work, so the test shows nothing"


RESULT_CONFIG = """
diff.renames=false
diff.noprefix=true
diff.mnemonicPrefix=true
diff.context=0
diff.interHunkContext=9
diff.algorithm=patience
diff.suppressBlankEmpty=true
diff.relative=true
diff.submodule=log
diff.renameLimit=1
diff.ignoreSubmodules=all
diff.wsErrorHighlight=all
diff.colorMoved=zebra
diff.orderFile=order
color.ui=always
core.quotePath=true
core.abbrev=4
core.bigFileThreshold=1
core.attributesFile=binary
log.showSignature=true
log.showRoot=false
log.follow=true
log.diffMerges=combined
format.pretty=oneline
i18n.logOutputEncoding=ISO-8859-1
mailmap.file=names
notes.displayRef=*
grep.patternType=perl
extensions.worktreeConfig=true
"""


def test_results_depend_on_no_configuration_attribute_graft_or_replacement(source, example, checkout):
    for entry in RESULT_CONFIG.split():
        git(checkout, "config", *entry.split("=", 1))
    (checkout / "order").write_text("src/*\nREADME.md\n")
    (checkout / "names").write_text("other <other@example.com> <dev-one@example.com>\n")
    shutil.copy(checkout / "names", checkout / ".mailmap")
    (checkout / "binary").write_text("* binary\n")
    for place in (".gitattributes", ".git/info/attributes"):
        (checkout / place).parent.mkdir(exist_ok=True)
        shutil.copy(checkout / "binary", checkout / place)
    git(checkout, "replace", example.sha("several"), example.sha("root"))
    (checkout / ".git/info/grafts").write_text(f"{example.sha('binary')} {example.sha('root')}\n")
    assert everything(source, str(checkout)) == everything(source, str(example.path))


def test_results_depend_on_nothing_in_the_environment(source, example, canary, monkeypatch):
    bird, sung = canary
    tmp_path = bird.parent
    home = tmp_path / "house"
    home.mkdir()
    (home / ".gitconfig").write_text(f"[diff]\n\texternal = {bird}\n\tcontext = 0\n[core]\n\tpager = {bird}\n")
    expected = everything(source, str(example.path))
    hostile = {
        "GIT_DIR": str(tmp_path),
        "GIT_WORK_TREE": str(tmp_path),
        "GIT_OBJECT_DIRECTORY": str(tmp_path),
        "GIT_EXTERNAL_DIFF": str(bird),
        "GIT_PAGER": str(bird),
        "GIT_DIFF_OPTS": "--unified=0",
        "GIT_EXEC_PATH": str(tmp_path),
        "GIT_NAMESPACE": "other",
        "GIT_REPLACE_REF_BASE": "refs/heads",
        "GIT_TRACE": str(sung),
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "GIT_CONFIG_PARAMETERS": "'diff.context=0'",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "diff.external",
        "GIT_CONFIG_VALUE_0": str(bird),
        "HOME": str(home),
        "LC_ALL": "zh_CN.UTF-8",
        "TZ": "Asia/Shanghai",
    }
    for name, value in hostile.items():
        monkeypatch.setenv(name, value)
    assert everything(source, str(example.path)) == expected
    assert not sung.exists()


def test_a_partial_clone_fetches_nothing_and_is_said_to_be_incomplete(source, example, canary, tmp_path):
    bird, sung = canary
    git(tmp_path, "clone", "-q", "--bare", str(example.path), "origin.git")
    git(tmp_path / "origin.git", "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "-q", "--no-checkout", "--filter=blob:none", f"file://{tmp_path}/origin.git", "partial")
    git(tmp_path / "partial", "config", "remote.origin.uploadpack", str(bird))
    with pytest.raises(NotFound) as caught:
        source.commits(str(tmp_path / "partial"), "", DAY, NEXT_DAY)
    assert caught.value.key == "repository_incomplete"
    assert not sung.exists()
    _careless(tmp_path / "partial", ["log", "-p"])
    assert sung.exists()


def _wrapped(folder: Path, text: str, monkeypatch) -> None:
    """Put a shell script in the place of git."""
    folder.mkdir()
    (folder / "git").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_a_repository_of_another_user_is_read(source, example, tmp_path, monkeypatch):
    import subprocess

    expected = everything(source, str(example.path))
    real = shutil.which("git")
    _wrapped(tmp_path / "bin", f'export GIT_TEST_ASSUME_DIFFERENT_OWNER=1\nexec {real} "$@"', monkeypatch)
    environment = {**ENVIRONMENT, "PATH": os.environ["PATH"]}
    refused = subprocess.run(["git", "log"], cwd=example.path, env=environment, capture_output=True, check=False)
    assert b"dubious ownership" in refused.stderr
    assert everything(source, str(example.path)) == expected


def test_the_repository_is_not_written_to(source, checkout):
    def state():
        return {path: path.lstat().st_mtime_ns for path in checkout.rglob("*")}

    before = state()
    everything(source, str(checkout))
    source.commit(str(checkout), git(checkout, "rev-parse", "HEAD"))
    assert state() == before


def test_no_view_is_left_behind(source, example, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "views"))
    (tmp_path / "views").mkdir()
    everything(source, str(example.path))
    with pytest.raises(NotFound):
        source.commits(str(example.path), "none", *EVER)
    next(iterator := source.patches(str(example.path), source.commits(str(example.path), "", *EVER)))
    assert list((tmp_path / "views").iterdir())
    iterator.close()
    assert list((tmp_path / "views").iterdir()) == []


# --- where a repository lies ------------------------------------------------------------------


def test_any_folder_of_a_checkout_names_its_repository(source, example, checkout, monkeypatch):
    expected = everything(source, str(example.path))
    for place in (checkout, checkout / "src", checkout / ".git", checkout / ".git" / "refs"):
        assert everything(source, str(place)) == expected
        assert source.repository(str(place)).name == str(checkout)
    monkeypatch.chdir(checkout / "src")
    assert source.repository(".").name == str(checkout)


def test_a_bare_repository_is_named_by_its_own_folder(source, example):
    about = source.repository(f"{example.path}/../{example.path.name}")
    assert (about.name, about.title, about.url, about.private) == (str(example.path), "example", None, True)


def test_a_file_url_is_a_local_path(source, example):
    assert source.repository(f"file://{example.path}") == source.repository(str(example.path))


def test_a_worktree_has_its_own_branch_and_the_shared_history(source, example, checkout):
    git(checkout, "worktree", "add", "-q", "../second", "origin/release/1.0", "-b", "second")
    second = checkout.parent / "second"
    assert source.repository(str(second)).branch == "second"
    assert source.repository(str(second)).name == str(second)
    assert source.commits(str(second), "", *EVER)[0].sha == example.sha("release")
    assert source.commits(str(second), "main", *EVER)[0].sha == example.sha("last")


def test_alternates_are_followed(source, example, tmp_path):
    git(tmp_path, "clone", "-q", "--shared", "--bare", str(example.path), "shared.git")
    assert everything(source, str(tmp_path / "shared.git")) == everything(source, str(example.path))


def test_packed_refs_are_read(source, example, checkout):
    git(checkout, "pack-refs", "--all")
    assert not (checkout / ".git" / "refs" / "heads" / "main").exists()
    assert everything(source, str(checkout)) == everything(source, str(example.path))


def test_a_sha256_repository_is_read(source, tmp_path):
    build = Builder(tmp_path / "long.git", objects="sha256")
    build.commit("one", at(1), {"a": "1\n"})
    history = build.finish()
    commit, patches = only(source, history, "one")
    assert len(commit.sha) == 64
    assert patches["a"].text == "@@ -0,0 +1 @@\n+1"
    assert source.commit(str(history.path), commit.sha[:10]) == commit


@pytest.mark.parametrize("name", ["missing", "file", "folder", "broken", "loop", "a\0b", "x" * 5000])
def test_what_is_no_repository_is_not_found(source, tmp_path, name):
    (tmp_path / "file").write_text("text")
    (tmp_path / "folder").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / ".git").write_text("gitdir: nowhere\n")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(NotFound) as caught:
        source.repository(f"{tmp_path}/{name}")
    assert caught.value.key == "path_unknown"


@contextmanager
def _another_user(folder: Path):
    """Run as somebody who may not read `folder`."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    folder.chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(mode)


@pytest.mark.parametrize("part", ["", "objects", "refs", "HEAD", "config"])
def test_a_repository_that_may_not_be_read_is_forbidden(source, build, part):
    build.commit("one", at(1), {"a": "1\n"})
    path = build.finish().path
    for folder in path.parents:
        if folder.stat().st_uid == os.geteuid() and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
    with _another_user(path / part), pytest.raises(Forbidden) as caught:
        source.commits(str(path), "", *EVER)
    assert caught.value.key == "repository_unreadable"


def test_a_format_that_is_not_known_is_said_to_be_unsupported(source, build):
    path = build.finish().path
    git(path, "config", "extensions.refStorage", "reftable")
    with pytest.raises(NotFound) as caught:
        source.commits(str(path), "", *EVER)
    assert caught.value.key == "repository_unsupported"


def test_where_a_shallow_clone_ends_above_the_old_tip_dates_decide(source, example, tmp_path):
    git(tmp_path, "clone", "-q", "--depth", "4", f"file://{example.path}", str(tmp_path / "shallow"))
    landed = source.landed(str(tmp_path / "shallow"), "", example.sha("start"), Window(at(16), NEXT_DAY, at(33)))
    assert [c.subject for c in landed.commits] == ["Speed up"]
    assert (landed.lost, landed.tip) == (True, example.sha("mention"))


def test_a_repository_with_a_missing_object_is_incomplete(source, build):
    build.commit("one", at(1), {"a": "1\n"})
    history = build.finish()
    blob = git(history.path, "rev-parse", "main:a")
    (history.path / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(NotFound) as caught:
        source.commits(str(history.path), "", *EVER)
    assert caught.value.key == "repository_incomplete"


@pytest.mark.parametrize("path", ["", "/nowhere"])
def test_without_git_the_error_says_so(source, example, path, monkeypatch):
    monkeypatch.setenv("PATH", path)
    with pytest.raises(ConfigError) as caught:
        source.commits(str(example.path), "", *EVER)
    assert (caught.value.key, caught.value.fields) == ("git_missing", {"needed": "2.32"})


@pytest.mark.parametrize(("said", "found"), [("git version 2.25.1", "2.25"), ("something else", "-")])
def test_a_git_that_is_too_old_is_refused(source, example, tmp_path, said, found, monkeypatch):
    _wrapped(tmp_path / "bin", f"echo {said}", monkeypatch)
    with pytest.raises(ConfigError) as caught:
        source.commits(str(example.path), "", *EVER)
    assert (caught.value.key, caught.value.fields) == ("git_old", {"needed": "2.32", "found": found})


def test_a_git_that_does_not_end_is_stopped(tmp_path, monkeypatch):
    text = '[ "$1" = --version ] && { echo git version 2.40.0; exit; }\nsleep 30 & wait'
    _wrapped(tmp_path / "bin", text, monkeypatch)
    with pytest.raises(GitSlow):
        run(tmp_path, "log", seconds=0.05, env={})


# --- what a URL says --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "title", "web"),
    [
        ("https://example.com/team/tool.git", "team/tool", "https://example.com/team/tool"),
        ("https://example.com/team/tool/", "team/tool", "https://example.com/team/tool"),
        ("https://user:secret@example.com:8443/team/tool", "team/tool", "https://example.com:8443/team/tool"),
        ("https://secret@example.com/team/tool.git", "team/tool", "https://example.com/team/tool"),
        ("http://127.0.0.1:3000/team/tool.git", "team/tool", "http://127.0.0.1:3000/team/tool"),
        ("git@example.com:team/tool.git", "team/tool", "https://example.com/team/tool"),
        ("git@example.com:group/part/tool.git", "group/part/tool", "https://example.com/group/part/tool"),
        ("ssh://git@example.com:2222/team/tool.git", "team/tool", "https://example.com/team/tool"),
        ("ssh://git:secret@example.com/team/tool.git", "team/tool", "https://example.com/team/tool"),
        ("git@alias:team/tool.git", None, None),
        ("/srv/git/tool.git", None, None),
        ("../tool.git", None, None),
        ("https://example.com/tool.git", None, None),
        ("https://example.com/a b/c", None, None),
        ("https://example.com/a/b?token=secret", None, None),
        ("https://exa mple.com/a/b", None, None),
        ("https://example.com:99999/a/b", None, None),
        ("javascript:alert(1)//a/b", None, None),
        ("", None, None),
    ],
)
def test_title_and_web_page_come_from_the_remote(source, build, url, title, web):
    path = build.finish().path
    git(path, "config", "remote.origin.url", url)
    about = source.repository(str(path))
    assert (about.title, about.url, about.private) == (title or "example", web, True)
    assert "secret" not in str(about)


@pytest.mark.parametrize(
    ("named", "page"), [("", None), ("example.com=gitlab", "https://example.com/team/tool/-/merge_requests/12")]
)
def test_links_are_those_of_the_host_as_the_settings_name_it(tmp_path, build, named, page):
    path = build.finish().path
    git(path, "config", "remote.origin.url", "git@example.com:team/tool.git")
    settings = GitSettings(_env_file=None, digest_clones=tmp_path / "clones", digest_hosts=named)
    read = from_settings(settings, hosts.from_settings(settings, ""))
    assert read.repository(str(path)).pull_url(12) == page


def test_a_config_that_cannot_be_parsed_only_costs_the_title(source, build):
    build.commit("one", at(1), {"a": "1\n"})
    path = build.finish().path
    (path / "config").write_text("[core\nbroken")
    assert source.repository(str(path)).title == "example"
    assert len(source.commits(str(path), "", *EVER)) == 1


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("https://example.com/team/tool", False),
        ("https://token@example.com/team/tool", True),
        ("http://example.com/team/tool", True),
        ("ssh://git@example.com/team/tool", True),
        ("git@example.com:team/tool", True),
    ],
)
def test_only_plain_https_is_public(url, private):
    assert parse(url, Hosts()).private is private


def test_a_short_ssh_url_is_kept_as_it_is_given():
    assert parse("git@example.com:team/tool.git", Hosts()).url == "git@example.com:team/tool.git"


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c touch% /tmp/x",
        "fd::3",
        "git://example.com/a/b",
        "ftp://example.com/a/b",
        "file://host/a/b",
        "--upload-pack=touch",
        "-u",
        "ssh://-oProxyCommand=touch/a/b",
        "ssh://-l@example.com/a/b",
        "git@-oProxyCommand=touch:a/b",
        "https://user:secret@example.com/a/b?x=1",
        "https://user:secret@exam ple.com/a/b",
        "https://example.com/a/b\n--upload-pack=x",
        "https://[::1",
        "",
    ],
)
def test_a_url_that_is_not_supported_is_refused_without_repeating_it(source, tmp_path, url):
    with pytest.raises(UsageError) as caught:
        source.commits(url, "", *EVER)
    assert str(caught.value) == "repository_url_refused"
    assert not (tmp_path / "clones").exists()


# --- clones -----------------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path):
    """A real git over http on the loopback interface."""
    with GitServer(tmp_path / "served") as server:
        yield server


def _grow(path: Path, name: str, branch: str = "main", hours: float = 48) -> None:
    """Another commit on a branch, as somebody would push it."""
    build = Builder(path.parent / f"{name}.git")
    build.commit(name, at(hours), {name: "1\n"}, branch=branch)
    built = build.finish()
    git(path, "fetch", "-q", str(built.path), f"+{branch}:{branch}")


def test_a_url_is_cloned_and_read_like_any_repository(example, server, tmp_path):
    shutil.copytree(example.path, server.folder / "team" / "example.git")
    source = GitSource(tmp_path / "clones")
    url = server.url("team/example.git")
    assert everything(source, url) == everything(source, str(example.path))
    about = source.repository(url)
    assert (about.name, about.title, about.branch) == (url, "team/example", "main")
    assert about.url == url.removesuffix(".git")
    assert {commit.repo for commit in source.commits(url, "", DAY, NEXT_DAY)} == {url}
    assert source.commits(url, "release/1.0", *EVER)[0].sha == example.sha("release")
    assert source.commits(url, "v1", *EVER)[0].sha == example.sha("squash")


def test_a_clone_is_fetched_at_most_once_a_minute(example, server, tmp_path):
    path = server.folder / "team" / "example.git"
    shutil.copytree(example.path, path)
    clock = Clock()
    source = GitSource(tmp_path / "clones", clock=clock)
    url = server.url("team/example.git")
    old = source.commits(url, "", *EVER)
    asked = len(server.requests)
    _grow(path, "forced")
    clock.now += 59
    assert source.commits(url, "", *EVER) == old
    assert len(server.requests) == asked
    clock.now += 1
    assert [commit.subject for commit in source.commits(url, "", *EVER)] == ["forced"]
    assert len(server.requests) > asked


def test_a_branch_that_is_deleted_or_made_default_on_the_server_is_so_in_the_clone(example, server, tmp_path):
    path = server.folder / "team" / "example.git"
    shutil.copytree(example.path, path)
    clock = Clock()
    source = GitSource(tmp_path / "clones", clock=clock)
    url = server.url("team/example.git")
    source.repository(url)
    git(path, "symbolic-ref", "HEAD", "refs/heads/release/1.0")
    git(path, "branch", "-D", "twin-one")
    clock.now += 61
    assert source.repository(url).branch == "release/1.0"
    assert source.commits(url, "", *EVER)[0].sha == example.sha("release")
    with pytest.raises(NotFound):
        source.commits(url, "twin-one", *EVER)


def test_a_clone_of_a_detached_head_takes_the_branch_at_the_same_commit(example, server, tmp_path):
    path = server.folder / "team" / "example.git"
    shutil.copytree(example.path, path)
    git(path, "branch", "also", "main")
    git(path, "update-ref", "--no-deref", "HEAD", "refs/heads/main")
    assert GitSource(tmp_path / "clones").repository(server.url("team/example.git")).branch == "main"


def test_an_empty_remote_has_no_commits(server, source):
    Builder(server.folder / "team" / "empty.git").finish()
    assert source.commits(server.url("team/empty.git"), "", *EVER) == ()


def test_patches_of_a_clone_need_no_fetch(example, server, tmp_path):
    shutil.copytree(example.path, server.folder / "team" / "example.git")
    clock = Clock()
    source = GitSource(tmp_path / "clones", clock=clock)
    url = server.url("team/example.git")
    day = source.commits(url, "", DAY, NEXT_DAY)
    clock.now += 3600
    asked = len(server.requests)
    assert len(list(source.patches(url, day))) == len(day)
    assert len(server.requests) == asked


def test_a_new_process_asks_the_server_before_it_serves_an_old_clone(example, server, tmp_path):
    shutil.copytree(example.path, server.folder / "team" / "example.git")
    url = server.url("team/example.git")
    day = GitSource(tmp_path / "clones").commits(url, "", DAY, NEXT_DAY)
    server.password = "user:secret"
    with pytest.raises(Forbidden):
        list(GitSource(tmp_path / "clones").patches(url, day))


def test_many_threads_fetch_once(example, server, tmp_path):
    shutil.copytree(example.path, server.folder / "team" / "example.git")
    source = GitSource(tmp_path / "clones")
    url = server.url("team/example.git")
    with ThreadPoolExecutor(4) as pool:
        days = list(pool.map(lambda _: source.commits(url, "", DAY, NEXT_DAY), range(8)))
    assert all(day == days[0] for day in days)
    assert sum("info/refs" in request for request in server.requests) == 2  # one asks for HEAD, one fetches


def test_credentials_reach_the_server_and_nobody_else(example, server, tmp_path):
    shutil.copytree(example.path, server.folder / "team" / "example.git")
    server.password = "user:s3cr3t"
    source = GitSource(tmp_path / "clones")
    url = server.url("team/example.git")
    with pytest.raises(Forbidden) as caught:
        source.commits(url, "", DAY, NEXT_DAY)
    assert caught.value.key == "repository_forbidden"
    with_them = url.replace("://", "://user:s3cr3t@")
    day = source.commits(with_them, "", DAY, NEXT_DAY)
    about = source.repository(with_them)
    assert (about.name, about.private) == (url, True)
    assert "s3cr3t" not in str(about) + str(day)
    assert source.commits(url, "", DAY, NEXT_DAY) == day, "the name without them finds the repository again"
    written = [path for path in (tmp_path / "clones").rglob("*") if path.is_file() and b"s3cr3t" in path.read_bytes()]
    assert written == []


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_a_failed_fetch_says_why_without_credentials(server, tmp_path, status):
    server.status = status
    url = server.url("team/none.git").replace("://", "://user:s3cr3t@")
    with pytest.raises((Forbidden, NotFound, Unavailable)) as caught:
        GitSource(tmp_path / "clones").commits(url, "", *EVER)
    key = {401: "repository_forbidden", 403: "repository_forbidden", 404: "address_unknown"}
    assert caught.value.key == key.get(status, "repository_unreachable")
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.fields["repo"] == "team/none"
    assert "token" not in Texts("en").error(caught.value)
    assert "令牌" not in Texts("zh").error(caught.value)


def test_a_server_that_is_gone_is_unavailable(server, tmp_path):
    url = server.url("team/example.git")
    server.close()
    with pytest.raises(Unavailable) as caught:
        GitSource(tmp_path / "clones").commits(url, "", *EVER)
    assert caught.value.key == "repository_unreachable"


def test_a_folder_that_cannot_hold_clones_is_said(server, tmp_path):
    (tmp_path / "clones").write_text("a file")
    with pytest.raises(Unavailable) as caught:
        GitSource(tmp_path / "clones").commits(server.url("team/example.git"), "", *EVER)
    assert caught.value.key == "clone_failed"


def test_the_settings_give_the_folder_and_the_credentials(example, server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(example.path, server.folder / "team" / "example.git")
    server.password = "user:s3cr3t"
    url = server.url("team/example.git")
    settings = GitSettings(digest_clones=tmp_path / "here", digest_repo=url.replace("://", "://user:s3cr3t@"))
    assert from_settings(settings, Hosts()).repository(url).private
    assert [path.suffix for path in (tmp_path / "here").iterdir() if path.is_dir()] == [".git"]


# --- which commits ----------------------------------------------------------------------------


def test_dates_out_of_order_hide_nothing(source, build):
    build.commit("root", at(-400))
    build.commit("early", at(1))
    for number in range(50):
        build.commit(f"old-{number}", at(-100))
    build.commit("late", at(2))
    build.commit("future", at(100))
    build.commit("pushed", at(-2))
    path = str(build.finish().path)
    assert [commit.subject for commit in source.commits(path, "", DAY, NEXT_DAY)] == ["late", "early"]


def test_the_walk_ends_after_a_thousand_older_commits_in_a_row():
    def walk(older: int):
        yield 10, "new"
        yield from ((1, f"old-{number}") for number in range(older))
        yield 10, "hidden"

    assert reading.select(walk(999), 5, 20).shas == ("new", "hidden")
    assert reading.select(walk(1000), 5, 20).shas == ("new",)
    assert reading.select(walk(1000), 5, 20).last == "old-999"


@pytest.mark.parametrize("written", ["-1000 +0000", "99999999999999 +0000"])
def test_a_date_that_is_none_is_1970(source, build, written):
    build.commit("odd", written)
    history = build.finish()
    commit = source.commit(str(history.path), history.sha("odd"))
    assert commit.committed == datetime(1970, 1, 1, tzinfo=UTC)
    assert source.commits(str(history.path), "", *EVER) == (commit,)


@pytest.mark.parametrize("identity", ["nobody", "nobody <>", "<> x", "a <b> 99999999999999999999999 +0000", ""])
def test_a_commit_with_a_broken_identity_is_read(source, build, identity):
    build.commit("one", at(1), {"a": "1\n"})
    path = build.finish().path
    text = f"tree {git(path, 'rev-parse', 'main^{tree}')}\nauthor {identity}\ncommitter {identity}\n\nBroken\n"
    sha = git(path, "hash-object", "--literally", "-t", "commit", "-w", "--stdin", stdin=text.encode())
    git(path, "update-ref", "refs/heads/broken", sha)
    (commit,) = source.commits(str(path), "broken", *EVER)
    assert (commit.sha, commit.subject, commit.committed.year) == (sha, "Broken", 1970)
    assert commit.author in {"unknown", "nobody", "a"}


@pytest.mark.parametrize(
    ("branch", "tip"),
    [
        ("release/1.0", "release"),
        ("origin/release/1.0", "release"),
        ("v1", "squash"),
        ("annotated", "squash"),
        ("main", "last"),
        ("HEAD", "last"),
        ("", "last"),
    ],
)
def test_a_branch_may_be_local_remote_tracking_or_a_tag(source, example, checkout, branch, tip):
    git(checkout, "-c", "user.name=x", "-c", "user.email=x@example.com", "tag", "-a", "-m", "x", "annotated", "v1")
    assert source.commits(str(checkout), branch, *EVER)[0].sha == example.sha(tip)


@pytest.mark.parametrize(
    "branch", ["main~1", "main^", "@{-1}", "main@{1}", "-n", "--all", "a b", "main\n", "*", "ma?n", "..", "\ud800", "/"]
)
def test_an_expression_is_no_branch(source, example, branch):
    with pytest.raises(NotFound) as caught:
        source.commits(str(example.path), branch, *EVER)
    assert caught.value.key == "branch_unknown"


def test_a_tree_s_tag_is_no_branch(source, build):
    build.commit("one", at(1), {"a": "1\n"})
    path = build.finish().path
    git(path, "tag", "folder", "main^{tree}")
    with pytest.raises(NotFound):
        source.commits(str(path), "folder", *EVER)


def test_at_most_five_branches_are_named_the_default_one_first(source, build):
    for name in ("a", "b", "c", "d", "e", "main", "z"):
        build.commit(name, at(1), branch=name)
    path = str(build.finish().path)
    with pytest.raises(NotFound) as caught:
        source.commits(path, "none", *EVER)
    assert caught.value.fields == {"repo": "example", "branch": "none", "known": ("main", "a", "b", "c", "d")}


def test_a_head_that_names_no_branch_while_others_exist_is_said(source, build):
    build.commit("one", at(1), branch="other")
    with pytest.raises(NotFound) as caught:
        source.commits(str(build.finish().path), "", *EVER)
    assert caught.value.fields == {"repo": "example", "branch": "main", "known": ("other",)}


def test_an_empty_repository_has_no_other_branch(source, build):
    path = str(build.finish().path)
    assert source.commits(path, "main", *EVER) == ()
    with pytest.raises(NotFound) as caught:
        source.commits(path, "other", *EVER)
    assert Texts("en").error(caught.value) == "example has no branches yet, so there is no other."


def test_a_detached_head_has_no_branch_and_still_a_history(source, example, checkout):
    git(checkout, "checkout", "-q", "--detach", example.sha("several"))
    assert source.repository(str(checkout)).branch == ""
    assert source.commits(str(checkout), "", *EVER)[0].sha == example.sha("several")


def test_several_threads_get_the_same(source, example):
    expected = everything(source, str(example.path))
    with ThreadPoolExecutor(4) as pool:
        assert all(got == expected for got in pool.map(lambda _: everything(source, str(example.path)), range(8)))


# --- releases ----------------------------------------------------------------------------------


def _firsts(source: GitSource, history, *names: str) -> dict[str, str]:
    """The first releases of commits by the builder's names."""
    found = source.first_releases(str(history.path), [history.sha(name) for name in names])
    return {name: release.name for name in names if (release := found.get(history.sha(name)))}


def test_a_release_dated_before_what_it_holds_is_found_nonetheless(source, build):
    build.commit("one", DAY)
    build.commit("two", at(10))
    build.tag("v1.0.0", "two", at(-2000))
    build.commit("three", at(12))
    build.tag("v1.1.0", "three", at(13))
    history = build.finish()
    assert _firsts(source, history, "one", "two", "three") == {"one": "v1.0.0", "two": "v1.0.0", "three": "v1.1.0"}
    assert _firsts(source, history, "two", "three") == {"two": "v1.0.0", "three": "v1.1.0"}


def test_dates_that_no_calendar_has_and_tags_without_one_cost_no_answer(source, build):
    build.commit("one", "9999999999999 +0000")
    build.ref("refs/tags/v1.0.0", "one")
    build.commit("two", 0)
    history = build.finish()
    body = f"object {history.sha('two')}\ntype commit\ntag v1.1.0\ntagger nobody\n\nText\n"
    sha = git(history.path, "hash-object", "-t", "tag", "-w", "--literally", "--stdin", stdin=body.encode())
    git(history.path, "update-ref", "refs/tags/v1.1.0", sha)
    assert [r.made.year for r in source.releases(str(history.path))] == [1970, 1970]
    assert _firsts(source, history, "one", "two") == {"one": "v1.0.0", "two": "v1.1.0"}


def test_a_merged_branch_is_released_with_its_merge(source, build):
    build.commit("base", at(1))
    build.commit("aside", at(2), branch="topic", parents=["base"])
    build.commit("main", at(3), parents=["base"])
    build.ref("refs/tags/v1.0", "main")
    build.commit("merge", at(4), parents=["main", "aside"])
    build.ref("refs/tags/v1.1", "merge")
    expected = {"base": "v1.0", "aside": "v1.1", "main": "v1.0", "merge": "v1.1"}
    assert _firsts(source, build.finish(), *expected) == expected


def test_histories_without_anything_in_common_each_have_their_releases(source, build):
    build.commit("one", at(1))
    build.commit("other", at(2), branch="other")
    build.ref("refs/tags/v1.0", "one")
    build.ref("refs/tags/v2.0", "other")
    assert _firsts(source, build.finish(), "one", "other") == {"one": "v1.0", "other": "v2.0"}


def test_names_that_git_itself_does_not_allow_are_no_releases(source, build):
    build.commit("one", at(1))
    build.ref("refs/tags/v1.0", "one")
    history = build.finish()
    odd = ["v1.0\x1b[31m", "v1 0", "v1.3.lock", "v1..4"]
    lines_ = [f"{history.sha('one')} refs/tags/{name}\n" for name in odd]
    (history.path / "packed-refs").write_text("# pack-refs with: peeled\n" + "".join(lines_))
    assert [release.name for release in source.releases(str(history.path))] == ["v1.0"]


def test_the_line_is_that_of_the_name_by_which_a_repository_is_known(source, tmp_path):
    build = Builder(tmp_path / "tool.git")
    build.commit("one", at(1))
    for tag in ("tool-1.0.0", "lib-1.0.0", "lib-1.1.0"):
        build.ref(f"refs/tags/{tag}", "one")
    history = build.finish()
    assert [release.name for release in source.releases(str(history.path))] == ["tool-1.0.0"]
    git(history.path, "remote", "add", "origin", "https://github.com/team/lib")
    assert [release.name for release in source.releases(str(history.path))] == ["lib-1.0.0", "lib-1.1.0"]


def test_twenty_thousand_tags_are_listed_once_and_walked_once(source, build, monkeypatch):
    for number in range(20):
        build.commit(f"c{number}", at(number))
    history = build.finish()
    shas = [history.sha(f"c{number}") for number in range(20)]
    packed = sorted(f"refs/tags/{'pkg-' * (n % 2)}v{n // 1000}.{n}.0 {shas[n // 1000]}" for n in range(20_000))
    rows = (line.rpartition(" ") for line in packed)
    text = "".join(f"{sha} {ref}\n" for ref, _, sha in rows)
    (history.path / "packed-refs").write_text("# pack-refs with: peeled fully-peeled sorted\n" + text)
    commands = _watched(monkeypatch)
    found = source.first_releases(str(history.path), shas)
    assert [found[sha].name.split(".")[0] for sha in shas] == [f"v{number}" for number in range(20)]
    assert [command[0] for command in commands if command[0] != "config"] == ["for-each-ref", "rev-list", "rev-list"]
    assert not any("v1" in argument for command in commands for argument in command)
    assert len(source.releases(str(history.path))) == 10_000


def _watched(monkeypatch) -> list[tuple[str, ...]]:
    """The arguments with which git is started from here on."""
    commands = []
    started = process._started

    def watched(folder, arguments, *others):
        commands.append(tuple(arguments))
        return started(folder, arguments, *others)

    monkeypatch.setattr(process, "_started", watched)
    return commands


def test_a_release_in_a_clone_follows_its_tag(example, server, tmp_path):
    path = server.folder / "team" / "example.git"
    shutil.copytree(example.path, path)
    clock = Clock()
    source = GitSource(tmp_path / "clones", clock=clock)
    url = server.url("team/example.git")
    assert [(r.name, r.sha) for r in source.releases(url)] == [("v1", example.sha("squash"))]
    git(path, "tag", "-f", "v1", example.sha("start"))
    git(path, "tag", "v2.0.0", example.sha("merge"))
    clock.now += 60
    assert [r.sha for r in source.releases(url)] == [example.sha("start"), example.sha("merge")]
    git(path, "tag", "-d", "v1")
    clock.now += 60
    assert [r.name for r in source.releases(url)] == ["v2.0.0"]


def test_a_clone_without_files_tells_releases_all_the_same(source, tmp_path):
    history = releases_history(tmp_path / "origin.git")
    git(history.path, "tag", "-d", "v0.1.0", "v0.2.0")  # of a tree and a blob, which such a clone cannot be made of
    git(history.path, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "-q", "--bare", "--filter=blob:none", f"file://{history.path}", "partial")
    found = source.first_releases(str(tmp_path / "partial"), [history.sha("two")])
    assert [release.name for release in found.values()] == ["v1.1.0-rc1"]


def test_a_shallow_clone_in_which_a_release_may_be_missed_says_how_far_it_reaches(source, tmp_path):
    history = releases_history(tmp_path / "origin.git")
    options = ["--depth=2", "--no-single-branch", "--bare"]
    git(tmp_path, "clone", "-q", *options, f"file://{history.path}", "shallow.git")
    path = str(tmp_path / "shallow.git")
    with pytest.raises(NotFound) as caught:
        source.first_releases(path, [history.sha("root"), history.sha("seven")])
    assert caught.value.key == "history_too_short"
    assert source.first_releases(path, [history.sha("seven")]) == {history.sha("seven"): None}


# --- shallow clones ---------------------------------------------------------------------------


def _shallow(history, folder: Path, depth: int) -> str:
    git(folder, "clone", "-q", "--bare", f"--depth={depth}", f"file://{history.path}", "shallow.git")
    return str(folder / "shallow.git")


def test_a_shallow_clone_that_ends_too_soon_says_how_far_it_reaches(source, example, tmp_path):
    path = _shallow(example, tmp_path, 3)
    with pytest.raises(NotFound) as caught:
        source.commits(path, "", DAY, NEXT_DAY)
    assert caught.value.key == "history_too_short"
    assert caught.value.fields["reaches"] == "2026-02-16"


def test_a_shallow_clone_that_reaches_far_enough_is_like_any_other(source, example, tmp_path):
    path = _shallow(example, tmp_path, 9)
    assert [c.sha for c in source.commits(path, "", at(9), NEXT_DAY)] == [example.sha(n) for n in OF_THE_DAY[:-1]]


def test_the_last_commit_of_a_shallow_clone_does_not_pretend_to_add_every_file(source, example, tmp_path):
    path = _shallow(example, tmp_path, 2)
    whole = source.commit(str(example.path), example.sha("mention"))
    for call in (lambda: source.commit(path, whole.sha), lambda: list(source.patches(path, [whole]))):
        with pytest.raises(NotFound) as caught:
            call()
        assert (caught.value.key, caught.value.fields["reaches"]) == ("history_too_short", "2026-02-16")


def test_a_full_history_younger_than_the_period_is_complete(source, build):
    build.commit("one", at(1))
    assert len(source.commits(str(build.finish().path), "", DAY - timedelta(days=9), NEXT_DAY)) == 1


# --- merges -----------------------------------------------------------------------------------


def _subjects(commits):
    return {commit.subject: [inner.subject for inner in commit.inner] for commit in commits if commit.inner}


def test_each_of_several_merges_lists_its_own_commits(source, build):
    build.commit("root", at(-5))
    build.commit("a1", at(1), branch="a", parents=["root"])
    build.commit("b1", at(0.5), branch="b", parents=["root"])
    build.commit("a2", at(2), branch="a")
    build.commit("merge-a", at(3), parents=["root", "a2"])
    build.commit("between", at(4))
    build.commit("a3", at(4.5), branch="a")
    build.commit("b2", at(4.6), branch="b", parents=["b1", "a3"])
    build.commit("merge-b", at(5), parents=["between", "b2"])
    build.commit("nothing-new", at(6), parents=["merge-b", "a1"])
    commits = source.commits(str(build.finish().path), "", DAY, NEXT_DAY)
    assert _subjects(commits) == {"merge-a": ["a1", "a2"], "merge-b": ["b1", "a3", "b2"]}
    assert [commit.subject for commit in commits] == ["nothing-new", "merge-b", "between", "merge-a"]


def test_what_main_had_already_is_no_inner_commit(source, build):
    build.commit("root", at(-5))
    build.commit("on-main", at(1))
    build.commit("work", at(2), branch="topic", parents=["on-main"])
    build.commit("merge", at(3), parents=["on-main", "work"])
    history = build.finish()
    assert _subjects([source.commit(str(history.path), history.sha("merge"))]) == {"merge": ["work"]}


def test_an_octopus_and_an_unrelated_history_are_merges_too(source, build):
    build.commit("root", at(-5), {"a": "1\n"})
    build.commit("x", at(1), {"x": "1\n"}, branch="x", parents=["root"])
    build.commit("orphan-1", at(-900), {"o": "1\n"}, branch="o")
    build.commit("orphan-2", at(2), {"o": "2\n"}, branch="o")
    build.commit("octopus", at(3), {"x": "1\n", "o": "2\n"}, parents=["root", "x", "orphan-2"])
    history = build.finish()
    commit, patches = only(source, history, "octopus")
    assert len(commit.parents) == 3
    assert [inner.subject for inner in commit.inner] == ["orphan-1", "x", "orphan-2"]
    assert {f.path: f.status for f in commit.files} == {"o": FileStatus.ADDED, "x": FileStatus.ADDED}
    assert patches["o"].text == "@@ -0,0 +1 @@\n+2"


def test_a_merge_lists_its_oldest_250_commits(source, build):
    build.commit("root", at(-500))
    for number in range(260):
        build.commit(f"c{number}", at(-400 + number), branch="topic", parents=["root"] if not number else None)
    build.commit("merge", at(3), parents=["root", "c259"])
    (merge,) = source.commits(str(build.finish().path), "", DAY, NEXT_DAY)
    assert [inner.subject for inner in merge.inner] == [f"c{number}" for number in range(250)]


# --- messages and names -----------------------------------------------------------------------


def _message(source, build, message, **more):
    build.commit("one", at(1), message=message, **more)
    history = build.finish()
    return source.commit(str(history.path), history.sha("one"))


@pytest.mark.parametrize(
    ("message", "subject", "body"),
    [
        ("", "", ""),
        ("\n\n", "", ""),
        ("One\nTwo\n\nThree\n", "One", "Two\n\nThree"),
        ("One\r\n\r\nTwo\r\nThree\r\n", "One", "Two\r\nThree"),
        ("\n\nLate\n", "Late", ""),
        (b"bad \xff\xfe byte\n\n\xe4", "bad \ufffd\ufffd byte", "\ufffd"),
        ("tab\tbell\x07 esc\x1b[0m \u202e\u2028 end", "tab\tbell\x07 esc\x1b[0m \u202e\u2028 end", ""),
        ("diff --git a/x b/x\n@@ -1 +1 @@\n:100644 100644 a b M\tx", "diff --git a/x b/x", None),
        ("修复缓存 🎉\n\n正文", "修复缓存 🎉", "正文"),
    ],
)
def test_a_message_is_split_at_its_first_line(source, build, message, subject, body):
    commit = _message(source, build, message)
    assert commit.subject == subject
    assert body is None or commit.body == body
    assert commit.files == ()


def test_a_message_in_another_encoding_is_decoded(source, build):
    commit = _message(
        source, build, "Größe\n\nÜber".encode("latin-1"), encoding="ISO-8859-1", author=("Zoë".encode("latin-1"), "z@e")
    )
    assert (commit.subject, commit.body, commit.author) == ("Größe", "Über", "Zoë")


def test_an_encoding_that_nobody_knows_is_read_as_utf_8(source, build):
    assert _message(source, build, "Größe", encoding="klingon").subject == "Größe"


def test_a_subject_of_a_megabyte_goes_on_in_the_body(source, build):
    commit = _message(source, build, "s" * 1_000_000 + " (#7)\n\nbody")
    assert commit.subject == "s" * 1000
    assert len(commit.body) <= 65_536
    assert commit.body.startswith("sss")
    assert commit.body.endswith("\n[… 933,535 more characters]")
    assert commit.pull == 7


@pytest.mark.parametrize(("length", "kept"), [(65_536, True), (65_537, False)])
def test_a_body_is_kept_to_64_kib(source, build, length, kept):
    commit = _message(source, build, "One\n\n" + "界" * length)
    assert (commit.body == "界" * length) is kept
    assert len(commit.body) <= 65_536
    assert kept or commit.body.endswith("more characters]")


def test_a_nul_ends_a_message_as_git_reads_it(source, build):
    assert "\0" not in _message(source, build, b"One\0two\n\nthree").subject


@pytest.mark.parametrize(
    ("author", "shown", "login"),
    [
        (("dev-one", "dev@example.com"), "dev-one", None),
        (("", "dev@example.com"), "dev", None),
        (("", ""), "unknown", None),
        ((b"d\xffv", "dev@example.com"), "d\ufffdv", None),
        (("bot", "41898282+robot[bot]@users.noreply.github.com"), "bot", "robot[bot]"),
        (("x", "someone@users.noreply.github.com"), "x", "someone"),
    ],
)
def test_an_author_always_has_a_name(source, build, author, shown, login):
    commit = _message(source, build, "One", author=author)
    assert (commit.author, commit.login) == (shown, login)


# --- files ------------------------------------------------------------------------------------

ODD = {
    b"with space.txt": "with space.txt",
    b'quote".txt': 'quote".txt',
    b"tab\tnew\nline.txt": "tab\tnew\nline.txt",
    b"back\\slash": "back\\slash",
    "ünï/文件.txt".encode(): "ünï/文件.txt",
    b"bad-\xff\xfe": "bad-\ufffd\ufffd",
    b"a b/b a": "a b/b a",
    b":colon": ":colon",
    b"-dash": "-dash",
    b"5\t3\tnumbers": "5\t3\tnumbers",
}


def test_a_path_may_hold_any_byte(source, build):
    build.commit("add", at(1), dict.fromkeys(ODD, "1\n"))
    build.commit("edit", at(2), dict.fromkeys(ODD, "2\n"))
    history = build.finish()
    for name, patch in (("add", "@@ -0,0 +1 @@\n+1"), ("edit", "@@ -1 +1 @@\n-1\n+2")):
        commit, patches = only(source, history, name)
        assert sorted(f.path for f in commit.files) == sorted(ODD.values())
        assert {f.text for f in patches.values()} == {patch}
        assert all((f.added, f.removed) == (1, int(name == "edit")) for f in commit.files)


def test_every_kind_of_change_has_its_status(source, build):
    text = lines(1, 30)
    target = "1" * 40
    first = {
        "moved": text,
        "edited-move": text * 2,
        "mode": "#!x\n",
        "type": "target",
        "empty": "",
        "sub": submodule(target),
    }
    build.commit("root", at(-1), {**first, "kept": lines(50, 90)})
    build.commit(
        "all",
        at(1),
        {
            "moved": None,
            "new/moved": text,
            "edited-move": None,
            "new/edited": text * 2 + "more\n",
            "mode": script("#!x\n"),
            "type": link("target"),
            "empty": None,
            "new/empty": "",
            "sub": submodule("2" * 40),
            "copy": lines(50, 90),
            "link": link("a\nb"),
        },
    )
    commit, patches = only(source, build.finish(), "all")
    R, M, A = FileStatus.RENAMED, FileStatus.MODIFIED, FileStatus.ADDED
    found = {f.path: f for f in commit.files}
    assert found["new/moved"] == FileChange("new/moved", R, 0, 0, "moved")
    assert found["new/edited"] == FileChange("new/edited", R, 1, 0, "edited-move")
    assert found["mode"] == FileChange("mode", M, 0, 0)
    assert found["type"] == FileChange("type", M, 0, 0)  # a file became a link to what it held: no line differs
    assert found["sub"] == FileChange("sub", M, 1, 1)
    assert found["copy"] == FileChange("copy", A, 41, 0)
    assert found["link"] == FileChange("link", A, 2, 0)
    assert {found["new/empty"].status, found["new/empty"].added} <= {A, R, 0}
    assert patches["new/moved"].text == patches["mode"].text == ""
    assert patches["type"].text == (
        "@@ -1 +0,0 @@\n-target\n\\ No newline at end of file\n@@ -0,0 +1 @@\n+target\n\\ No newline at end of file"
    )
    assert patches["sub"].text.startswith("@@ -1 +1 @@\n-Subproject commit 1111")
    assert all(f.complete for f in patches.values())


def test_less_than_half_alike_is_no_rename(source, build):
    build.commit("root", at(-1), {"old": lines(1, 10)})
    build.commit("one", at(1), {"old": None, "new": lines(1, 3) + lines(100, 120, "other")})
    commit, _ = only(source, build.finish(), "one")
    assert {f.path: f.status for f in commit.files} == {"old": FileStatus.REMOVED, "new": FileStatus.ADDED}


def test_a_commit_of_5000_files_is_read_whole(source, build):
    build.commit("many", at(1), {f"d{n % 50}/f{n}": f"{n}\n" for n in range(5000)})
    commit, patches = only(source, build.finish(), "many")
    assert (len(commit.files), commit.added, len(patches)) == (5000, 5000, 5000)
    assert all(f.complete and f.text.startswith("@@ -0,0 +1 @@\n+") for f in patches.values())


def test_a_commit_without_files_has_none(source, build):
    build.commit("root", at(-1), {"a": "1\n"})
    build.commit("nothing", at(1))
    commit, patches = only(source, build.finish(), "nothing")
    assert (commit.files, patches) == ((), {})


def test_counts_agree_with_patches_on_random_changes(source, build):
    import random

    chance = random.Random(3)
    for number in range(30):
        files = {f"f{chance.randrange(8)}": "".join(f"{chance.randrange(9)}\n" for _ in range(60)) for _ in range(3)}
        build.commit(str(number), at(number / 2), {**files, f"f{chance.randrange(8)}": None} if number else files)
    path = str(build.finish().path)
    commits = source.commits(path, "", *EVER)
    for commit, (_, patches) in zip(commits, source.patches(path, commits), strict=True):
        for file, patch in zip(commit.files, patches, strict=True):
            signs = [line[:1] for line in patch.text.split("\n")]
            assert (file.path, file.added, file.removed) == (patch.path, signs.count("+"), signs.count("-"))


# --- lookups ----------------------------------------------------------------------------------


def test_a_branch_named_like_a_sha_does_not_hide_the_commit(source, example, checkout):
    prefix = example.sha("squash")[:8]
    git(checkout, "update-ref", f"refs/heads/{prefix}", example.sha("root"))
    git(checkout, "update-ref", f"refs/tags/{example.sha('squash')}", example.sha("root"))
    assert source.commit(str(checkout), prefix).subject == "Add the cache (#12)"
    assert source.commit(str(checkout), example.sha("squash")).subject == "Add the cache (#12)"


def test_a_branch_that_looks_like_hexadecimal_is_no_sha(source, example, checkout):
    git(checkout, "update-ref", "refs/heads/beef", example.sha("root"))
    with pytest.raises(NotFound):
        source.commit(str(checkout), "beef")
    assert source.commits(str(checkout), "beef", *EVER)[0].sha == example.sha("root")


def test_only_commits_are_found_by_sha(source, example, checkout):
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.com")
    git(checkout, *identity, "tag", "-a", "-m", "x", "annotated", "v1")
    for name in ("v1^{tree}", "v1:README.md", "annotated"):
        with pytest.raises(NotFound) as caught:
            source.commit(str(checkout), git(checkout, "rev-parse", name))
        assert caught.value.key == "commit_unknown"


def test_an_ambiguous_sha_names_its_candidates(source, example):
    shas = [example.sha("twin-one"), example.sha("twin-two")]
    with pytest.raises(UsageError) as caught:
        source.commit(str(example.path), shas[0][:4])
    assert caught.value.fields["candidates"] == tuple(sorted(sha[:12] for sha in shas))


@pytest.mark.parametrize("sha", ["", "abc", "main", "HEAD", "xyz12345", "a" * 65, "-a123", "abcd\n", "^abcd"])
def test_what_is_no_sha_is_refused(source, example, sha):
    with pytest.raises(UsageError) as caught:
        source.commit(str(example.path), sha)
    assert caught.value.key == "sha_invalid"


def test_a_pull_request_is_its_newest_commit_whose_subject_names_it(source, build):
    build.commit("one", at(1), message="Add (#12)")
    build.commit("again", at(2), message="Add again (#12)")
    build.commit("body", at(3), message="Other\n\nlike (#12)\nMerge pull request #12 from x")
    build.commit("longer", at(4), message="Merge pull request #121 from x")
    build.commit("middle", at(5), message="Revert (#12) for now")
    build.commit("elsewhere", at(6), message="Port (#12)", branch="other", parents=["one"])
    history = build.finish()
    assert source.pull(str(history.path), 12).sha == history.sha("again")
    assert source.pull(str(history.path), 121).sha == history.sha("longer")


def test_a_number_in_a_body_takes_no_pull_request_from_its_subject(source, build):
    build.commit("one", at(1), message="feat: pay out the wages (#123)")
    build.commit("two", at(2), message="docs: a typo\n\nPR-URL: #123")
    build.commit("three", at(3), message="fix: a crash\n\nPR-URL: #124")
    history = build.finish()
    assert source.pull(str(history.path), 123).sha == history.sha("one")
    assert source.pull(str(history.path), 124).sha == history.sha("three")


# --- patches ----------------------------------------------------------------------------------


def test_patches_of_a_commit_asked_for_twice_come_once(source, example):
    path = str(example.path)
    commit = source.commit(path, example.sha("squash"))
    assert len(list(source.patches(path, [commit, commit]))) == 1


def test_content_cannot_imitate_the_stream_around_it(source, build):
    trick = "".join(
        f"{text}\n" for text in ("diff --git a/x b/x", "@@ -1 +1 @@", "commit", "--- a/x", "+++ b/x", "\0\0")
    )
    build.commit("root", at(-1), {"a": "x" * 9000 + "\n", "b": "1\n"})
    build.commit("one", at(1), {"a": "x" * 9000 + "\n" + trick * 3, "b": "2\n"})
    _, patches = only(source, build.finish(), "one")
    assert patches["a"].text.count("+diff --git a/x b/x") == 3
    assert "\n+\0\0\n" in patches["a"].text
    assert patches["b"].text == "@@ -1 +1 @@\n-1\n+2"


def test_line_ends_and_bad_bytes_of_content_are_kept_readable(source, build):
    build.commit("one", at(1), {"a": b"dos\r\nold mac\rbad \xff\n\n"})
    _, patches = only(source, build.finish(), "one")
    assert patches["a"].text == "@@ -0,0 +1,3 @@\n+dos\r\n+old mac\rbad \ufffd\n+"
    assert patches["a"].complete


@pytest.mark.parametrize(("size", "complete"), [(4000 - 1, True), (4000, False), (100_000, False)])
def test_a_long_line_is_shortened(source, build, size, complete):
    build.commit("one", at(1), {"a": "first\n" + "x" * size + "\nlast\n"})
    _, patches = only(source, build.finish(), "one")
    rows = patches["a"].text.split("\n")
    assert [len(row) for row in rows] == [len("@@ -0,0 +1,3 @@"), 6, 4000, 5]
    assert (patches["a"].complete, rows[2].endswith("…")) == (complete, not complete)


def test_a_file_is_kept_to_256_kib_of_whole_lines(source, build):
    text = lines(1, 40_000)
    build.commit("one", at(1), {"a": text, "b": "1\n", "exact": "e" * 99 + "\n"})
    _, patches = only(source, build.finish(), "one")
    assert not patches["a"].complete
    assert 256 * 1024 - 20 < len(patches["a"].text) <= 256 * 1024
    assert patches["a"].text.rpartition("\n")[2].startswith("+line ")
    assert patches["b"].complete


@pytest.mark.parametrize("spare", [0, 1])
def test_exactly_256_kib_are_complete(source, build, spare):
    rows = 256 * 1024 // 1024
    header = len(f"@@ -0,0 +1,{rows} @@\n")
    text = ("x" * 1022 + "\n") * (rows - 1)
    text += "x" * (256 * 1024 - header - len(text) - rows + spare) + "\n"
    build.commit("one", at(1), {"a": text})
    _, patches = only(source, build.finish(), "one")
    assert patches["a"].complete is (spare == 0)
    assert len(patches["a"].text) <= 256 * 1024


def test_a_commit_is_kept_to_8_mib_and_still_names_every_file(source, build):
    text = lines(1, 22_000)
    build.commit("one", at(1), {f"f{n:02}": text for n in range(40)} | {"z": "1\n"})
    _, patches = only(source, build.finish(), "one")
    total = sum(len(f.text) for f in patches.values())
    assert 8 * 1024 * 1024 - 2000 < total <= 8 * 1024 * 1024
    assert (patches["f00"].complete, patches["f39"].complete, patches["f39"].text) == (True, False, "")


def test_a_huge_patch_takes_little_memory(source, build):
    many = lines(1, 1_500_000, "some text")
    build.commit("one", at(1), {"lines": many, "one-line": "y" * 20_000_000 + "\n", "z": "1\n"})
    history = build.finish()
    del many
    commit = source.commit(str(history.path), history.sha("one"))
    tracemalloc.start()
    try:
        ((_, files),) = source.patches(str(history.path), [commit])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6_000_000
    assert [(file.path, file.complete) for file in files] == [("lines", False), ("one-line", False), ("z", True)]
    assert len(files[1].text) < 5000


def test_closing_the_iterator_early_ends_git(source, build, monkeypatch):
    started = []

    class Noted(subprocess.Popen):
        def __init__(self, *args, **more):
            super().__init__(*args, **more)
            started.append(self)

    text = lines(1, 20_000)
    for number in range(40):
        build.commit(str(number), at(number / 4), {f"f{number}": f"{number}\n{text}"})
    path = str(build.finish().path)
    iterator = source.patches(path, source.commits(path, "", *EVER))
    monkeypatch.setattr(subprocess, "Popen", Noted)
    next(iterator)
    assert started[-1].poll() is None, "git still writes"
    iterator.close()
    assert started[-1].returncode is not None


def test_patches_are_only_read_when_the_iteration_starts(source, tmp_path, example):
    commit = source.commit(str(example.path), example.sha("squash"))
    iterator = source.patches(str(tmp_path / "missing"), [commit])
    with pytest.raises(NotFound):
        next(iterator)


@given(st.lists(st.binary(max_size=12)), st.sampled_from([b"ab", b"aab", b"\n--"]))
def test_a_stream_is_split_alike_however_it_is_cut(chunks, delimiter):
    parts, part = [], b""
    for piece, last in reading.pieces(chunks, delimiter):
        part += piece
        if last:
            parts.append(part)
            part = b""
    assert part == b""
    assert parts == b"".join(chunks).split(delimiter)


# --- looking things up ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def looks(tmp_path_factory):
    return looks_history(tmp_path_factory.mktemp("looks") / "looks.git")


WORDS = [Look(LookKind.WORD, word) for word in ("load_user", "everywhere", "nowhere")]
PLACES = [Look(LookKind.PLACE, path="src/server.py"), Look(LookKind.BEFORE, path="src/gone.py")]


def looked(source, path, commit, *asked):
    """What looks find, without the repository's name in anything."""
    return source.look(str(path), commit, asked or (*WORDS, *PLACES))


def test_all_words_are_one_search_and_all_files_one_reading(source, looks, monkeypatch):
    commit = source.commit(str(looks.path), looks.sha("change"))
    run, commands = process.run, []

    def counted(folder, *arguments, **more):
        commands.append(arguments[0])
        return run(folder, *arguments, **more)

    monkeypatch.setattr(process, "run", counted)
    asked = [Look(LookKind.WORD, word) for word in ("load_user", "odd_name", "wide_word", "side_only")]
    sights = looked(source, looks.path, commit, *asked, *PLACES)
    assert [bool(sight.excerpts) for sight in sights] == [True, True, True, False, True, True]
    assert commands.count("grep") == 1
    assert commands.count("cat-file") == 3  # whether the commit is here, counting the uses, reading what is shown


def test_what_a_commit_s_tree_says_is_read_and_not_the_checkout(source, build, tmp_path):
    build.commit("one", at(0), {"a.py": "old_name = 1\n"})
    build.commit("two", at(1), {"a.py": "new_name = 1\n"})
    history = build.finish()
    git(tmp_path, "clone", "-q", str(history.path), "checkout")
    (tmp_path / "checkout" / "b.py").write_text("old_name = new_name\n")
    commit = source.commit(str(tmp_path / "checkout"), history.sha("one"))
    old, new = looked(
        source, tmp_path / "checkout", commit, *(Look(LookKind.WORD, word) for word in ("old_name", "new_name"))
    )
    assert (old.hits, new.hits) == (1, 0)


@pytest.mark.parametrize("trap", ["external diff", "textconv", "filter", "fsmonitor", "alias", "hooks"])
def test_looking_runs_no_program_that_a_repository_names(source, example, checkout, canary, trap):
    bird, sung = canary
    _spring(checkout, bird, trap)
    commit = source.commit(str(checkout), example.sha("several"))
    sights = looked(
        source, checkout, commit, Look(LookKind.WORD, "cache"), Look(LookKind.BEFORE, path="README.md", line=1)
    )
    assert [bool(sight.excerpts) for sight in sights] == [True, True]
    assert not sung.exists()


def test_what_is_found_depends_on_no_configuration(source, looks, tmp_path):
    commit = source.commit(str(looks.path), looks.sha("change"))
    expected = looked(source, looks.path, commit)
    git(tmp_path, "clone", "-q", "--bare", str(looks.path), "odd.git")
    odd = {"patternType": "perl", "extendedRegexp": "true", "lineNumber": "true", "column": "true", "threads": "9"}
    for name, value in odd.items():
        git(tmp_path / "odd.git", "config", f"grep.{name}", value)
    git(tmp_path / "odd.git", "config", "color.ui", "always")
    (tmp_path / "odd.git" / "info").mkdir(exist_ok=True)
    (tmp_path / "odd.git" / "info" / "attributes").write_text("* binary export-ignore\n")
    assert looked(source, tmp_path / "odd.git", commit) == expected


@pytest.mark.parametrize("word", ["-O", "--open-files-in-pager=touch canary", "-f", "--no-index", "--ext-grep"])
def test_a_word_is_never_an_option(source, looks, tmp_path, monkeypatch, word):
    monkeypatch.chdir(tmp_path)
    commit = source.commit(str(looks.path), looks.sha("change"))
    asked = [Look(LookKind.WORD, word), Look(LookKind.PLACE, path=word), Look(LookKind.BEFORE, word, word)]
    assert [(s.hits, s.excerpts) for s in looked(source, looks.path, commit, *asked)] == [(0, ())] * 3
    assert not list(tmp_path.glob("canary*"))


def test_300_000_hits_neither_fill_memory_nor_hide_a_rare_word(source, build, tmp_path):
    many = {f"src/part{n % 9}/f{n}.py": "common = common + common\n" * 50 for n in range(2_000)}
    history = (build.commit("one", at(0), {**many, "src/rare.py": "rare = common\n"}), build.finish())[1]
    commit = source.commit(str(history.path), history.sha("one"))
    tracemalloc.start()
    common, rare = looked(source, history.path, commit, Look(LookKind.WORD, "common"), Look(LookKind.WORD, "rare"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert common.refused.startswith("too common")
    assert (rare.hits, rare.files, rare.excerpts[0].lines) == (1, 1, ("rare = common",))
    assert peak < 20_000_000


def test_words_that_are_only_middling_common_are_counted_exactly(source, build):
    files = {
        f"src/f{n}.py": ("first_word\n" if n % 9 == 0 else "x\n") + "second\n" * (n % 7 == 0) for n in range(2_000)
    }
    history = (build.commit("one", at(0), files), build.finish())[1]
    commit = source.commit(str(history.path), history.sha("one"))
    first, second = looked(source, history.path, commit, *(Look(LookKind.WORD, w) for w in ("first_word", "second")))
    assert (first.hits, first.files) == (223, 223)
    assert (second.hits, second.files) == (286, 286)


def test_a_file_of_a_hundred_megabytes_is_neither_searched_nor_read(source, build, tmp_path):
    build.commit("one", at(0), {"small.py": "a_word\n"})
    history = build.finish()
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.write(b"a_word\n")
        file.truncate(100 << 20)
    git(tmp_path, "clone", "-q", str(history.path), "checkout")
    checkout = tmp_path / "checkout"
    blob = git(checkout, "-c", "core.bigFileThreshold=1m", "-c", "core.compression=1", "hash-object", "-w", str(huge))
    huge.unlink()
    entry = f"100644 blob {blob}\thuge.bin\n" + git(checkout, "ls-tree", "HEAD") + "\n"
    tree = git(checkout, "mktree", stdin=entry.encode())
    sha = git(checkout, "-c", "user.name=a", "-c", "user.email=a@b", "commit-tree", tree, "-m", "huge")
    commit = dataclasses.replace(source.commit(str(checkout), history.sha("one")), sha=sha)
    word, place = looked(
        source, checkout, commit, Look(LookKind.WORD, "a_word"), Look(LookKind.PLACE, path="huge.bin", line=1)
    )
    assert (word.hits, word.files) == (1, 1)
    assert place.refused == "larger than 1 MB"


@pytest.mark.parametrize(("path", "partial"), [("data/huge.txt", False), ("src/huge.py", True)])
def test_a_search_that_passes_over_code_is_partial(source, build, path, partial):
    build.commit("one", at(0), {"small.py": "a_word\n", path: "x = 1\n" * 200_000})
    history = build.finish()
    commit = source.commit(str(history.path), history.sha("one"))
    word, none = looked(source, history.path, commit, *(Look(LookKind.WORD, name) for name in ("a_word", "no_word")))
    assert (word.hits, word.partial) == (1, partial)
    assert (none.hits, none.refused, none.partial) == (0, "", partial)


def test_too_many_large_files_cannot_be_searched_and_places_can(source, looks, monkeypatch):
    monkeypatch.setattr(tree, "EXCLUDED", 0)
    commit = source.commit(str(looks.path), looks.sha("change"))
    word, place = looked(source, looks.path, commit, WORDS[0], PLACES[0])
    assert word.refused == "cannot be searched here"
    assert place.excerpts


def test_what_is_too_much_to_read_is_refused(source, looks, monkeypatch):
    monkeypatch.setattr(tree, "SEARCHED_BYTES", 300)
    monkeypatch.setattr(tree, "READ_BYTES", 400)
    commit = source.commit(str(looks.path), looks.sha("change"))
    asked = [WORDS[0], *[Look(LookKind.PLACE, path=path) for path in ("src/server.py", "src/accounts.py", "src/-O")]]
    word, *places = looked(source, looks.path, commit, *asked)
    assert word.refused.startswith("too common")
    assert "could not be read" in {place.refused for place in places}
    assert any(place.excerpts for place in places)


def test_a_search_that_takes_too_long_is_refused_and_the_rest_works(source, looks, tmp_path, monkeypatch):
    commit = source.commit(str(looks.path), looks.sha("change"))
    real = shutil.which("git")
    script = f'for a; do [ "$a" = grep ] && exec sleep 60; done\nexec {real} "$@"'
    _wrapped(tmp_path / "bin", script, monkeypatch)
    monkeypatch.setattr(tree, "SECONDS", 1)
    word, place = looked(source, looks.path, commit, WORDS[0], PLACES[0])
    assert word.refused == "could not be searched in time"
    assert place.excerpts


@pytest.mark.parametrize("broken", ["grep", "cat-file --batch --buffer", "ls-tree"])
def test_a_git_that_fails_costs_the_looks_alone(source, looks, tmp_path, monkeypatch, broken):
    commit = source.commit(str(looks.path), looks.sha("change"))
    real = shutil.which("git")
    script = f'case "$*" in *"{broken}"*) echo oops >&2; exit 128;; esac\nexec {real} "$@"'
    _wrapped(tmp_path / "bin", script, monkeypatch)
    sights = looked(source, looks.path, commit, WORDS[0], PLACES[0])
    assert "could not be read" in {sight.refused for sight in sights}


def test_a_partial_clone_is_searched_as_far_as_it_is_here(source, looks, tmp_path, monkeypatch):
    git(tmp_path, "clone", "-q", "--bare", str(looks.path), "origin.git")
    git(tmp_path / "origin.git", "config", "uploadpack.allowFilter", "true")
    origin = f"file://{tmp_path}/origin.git"
    git(tmp_path, "clone", "-q", "--no-checkout", "--filter=blob:limit=1k", origin, "partial")
    commit = source.commit(str(looks.path), looks.sha("change"))
    word, here, missing = looked(
        source, tmp_path / "partial", commit, WORDS[0], PLACES[0], Look(LookKind.PLACE, path="src/long.py")
    )
    (whole,) = looked(source, looks.path, commit, WORDS[0])
    sizes = [row.split()[3] for row in git(looks.path, "ls-tree", "-r", "-l", looks.sha("change")).splitlines()]
    large = sum(size.isdigit() and int(size) >= 1024 for size in sizes)
    assert large
    assert (word.refused, word.unread, whole.unread) == ("", large, 0)
    assert word.hits == whole.hits
    assert here.excerpts
    assert missing.refused == "could not be read"
    monkeypatch.setattr(tree, "EXCLUDED", 0)
    (refused,) = looked(source, tmp_path / "partial", commit, WORDS[0])
    assert refused.refused == "could not be read: not all of the tree is here"


def test_the_commit_before_a_shallow_clone_s_last_is_refused_kindly(source, looks, tmp_path):
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{looks.path}", "shallow")
    commit = source.commit(str(looks.path), looks.sha("merge"))
    word, place, before = looked(source, tmp_path / "shallow", commit, WORDS[0], *PLACES)
    assert word.hits
    assert place.excerpts
    assert before.refused == "the commit before is not here: the history was cut off"


@pytest.mark.parametrize("sha", ["0" * 40, "HEAD", "--help", "", "1" * 64])
def test_a_commit_that_is_not_here_cannot_be_looked_into(source, looks, sha):
    commit = dataclasses.replace(source.commit(str(looks.path), looks.sha("change")), sha=sha)
    with pytest.raises(NotFound) as caught:
        looked(source, looks.path, commit)
    assert caught.value.key == "commit_unknown"


def test_a_path_with_a_line_end_or_no_utf_8_is_counted_and_harms_nobody(source, build):
    files = {b"a\nb.py": "a_word\n", b"\xff.py": "a_word\n", "c\td.py": "a_word = 1\n"}
    history = (build.commit("one", at(0), files), build.finish())[1]
    commit = source.commit(str(history.path), history.sha("one"))
    (sight,) = looked(source, history.path, commit, Look(LookKind.WORD, "a_word"))
    assert (sight.hits, sight.files) == (3, 3)
    assert "c\td.py" in [excerpt.path for excerpt in sight.excerpts]


def test_several_threads_look_at_once(source, looks):
    commit = source.commit(str(looks.path), looks.sha("change"))
    expected = looked(source, looks.path, commit)
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda _: looked(source, looks.path, commit), range(12))) == [expected] * 12


def test_what_came_later_is_read_where_the_content_of_a_file_is_missing(source, build):
    build.commit("one", at(1), {"a": "1\n2\n3\n"})
    build.commit("two", at(2), {"a": "1\n2\n4\n", "b": "large\n"}, message="Revert it")
    history = build.finish()
    blob = git(history.path, "rev-parse", "main:b")
    one = source.commit(str(history.path), history.sha("one"))
    (history.path / "objects" / blob[:2] / blob[2:]).unlink()
    (later,) = source.later(str(history.path), "", one, NEXT_DAY)
    assert (later.subject, [file.path for file in later.files]) == ("Revert it", ["a", "b"])
    assert source.touching(str(history.path), "", ["a"], 1) == (later,)
