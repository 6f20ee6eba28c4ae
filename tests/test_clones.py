"""A machine's clones: what is fetched of a repository, who shares it, and what is removed; with real git over http."""

from __future__ import annotations

import fcntl
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import forkserver
import pytest
from git_server import GitServer
from repositories import Builder, at, contract_history, git, releases_history
from service import ROOT
from source_contract import Served, SourceContract, looks_history

from adapters.sources.git import fetching
from adapters.sources.git.clones import Bounds
from adapters.sources.git.settings import GitSettings
from adapters.sources.git.source import GitSource, from_settings
from bot.commits.hosts import Hosts
from bot.errors import NotFound, Unavailable
from bot.values import Look, LookKind

EVER = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
WORD = Look(LookKind.WORD, "harbour")
BEFORE = Look(LookKind.BEFORE, path="moved.py", line=1)


class Clock:
    """Seconds since 1970 that pass when a test says so."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server(tmp_path):
    with GitServer(tmp_path / "served") as server:
        yield server


@pytest.fixture
def history(server):
    """A day of two commits upon files that they leave alone; one file has another content each time."""
    build = Builder(server.folder / "app.git")
    quiet = {f"quiet/{n}.py": f"harbour = {n}\n" for n in range(20)}
    build.commit("start", at(-48), {**quiet, "moved.py": "one\n", "old.py": "before\n", ".mailmap": "Who <a@b.c>\n"})
    build.commit("first", at(1), {"moved.py": "two\n", "old.py": None})
    build.commit("second", at(2), {"moved.py": "three\n"})
    made = build.finish()
    git(made.path, "config", "uploadpack.allowFilter", "true")
    return made


def files(clones) -> set[str]:
    """What the files hold that are in the one clone there is."""
    (clone,) = clones.glob("*.git")
    listed = git(clone, "cat-file", "--batch-all-objects", "--batch-check=%(objecttype) %(objectname)").splitlines()
    return {git(clone, "cat-file", "blob", line.split()[1]) for line in listed if line.startswith("blob")}


def day(source, url):
    return source.commits(url, "", at(0), at(24))


def fetches(server) -> int:
    return sum(path.endswith("git-upload-pack") and "?" not in path for path in server.requests)


class TestPartial(SourceContract):
    """Of a server that can leave files out, everything is told as of a repository on this disk."""

    @pytest.fixture(scope="class")
    @classmethod
    def served(cls, tmp_path_factory):
        folder = tmp_path_factory.mktemp("partial")
        with GitServer(folder / "served") as server:
            history = contract_history(server.folder / "example.git")
            released, looks = (
                releases_history(server.folder / "released.git"),
                looks_history(server.folder / "looks.git"),
            )
            Builder(server.folder / "empty.git").finish()
            for made in (history, released, looks):
                git(made.path, "config", "uploadpack.allowFilter", "true")
            repo, empty, missing, tags, looked = (
                server.url(f"{name}.git") for name in ("example", "empty", "missing", "released", "looks")
            )
            source = GitSource(folder / "clones")
            yield Served(source, repo, history, empty, missing, tags, released, looked, looks)


# --- What is fetched --------------------------------------------------------------------------


def test_a_cold_machine_fetches_the_history_and_the_files_that_the_day_changes(server, history, tmp_path):
    found = GitSource(tmp_path / "clones")
    url = server.url("app.git")
    assert [replaced(c) for c in day(found, url)] == [replaced(c) for c in day(found, str(history.path))]
    assert files(tmp_path / "clones") == {"one", "two", "three", "before", "Who <a@b.c>"}
    patches = dict(found.patches(url, day(found, url)))
    assert patches == dict(found.patches(str(history.path), day(found, str(history.path))))


def replaced(commit):
    """A commit without where it was read."""
    return (commit.sha, commit.subject, commit.files, commit.reading.people)


def test_only_the_tree_that_is_looked_into_is_fetched_and_once(server, history, tmp_path):
    found, url = GitSource(tmp_path / "clones"), server.url("app.git")
    second, first = day(found, url)
    asked = fetches(server)
    sights = found.look(url, second, [WORD, BEFORE])
    local = found.look(str(history.path), second, [WORD, BEFORE])
    assert [(s.hits, s.files, s.unread, s.refused, bool(s.excerpts)) for s in sights] == [
        (s.hits, s.files, s.unread, s.refused, bool(s.excerpts)) for s in local
    ]
    assert sights[0].files == 20
    assert fetches(server) > asked
    asked = fetches(server)
    for commit in (first, second):
        found.look(url, commit, [WORD, BEFORE])
    assert fetches(server) == asked, "what both trees hold is here"


def test_a_large_tree_is_asked_for_in_several_requests(server, history, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "AT_ONCE", 8)
    found, url = GitSource(tmp_path / "clones"), server.url("app.git")
    commit = day(found, url)[0]
    asked = fetches(server)
    assert found.look(url, commit, [WORD])[0].files == 20
    assert fetches(server) - asked >= 3


def test_many_who_look_at_once_fetch_a_tree_once(server, history, tmp_path):
    found, url = GitSource(tmp_path / "clones"), server.url("app.git")
    commit = day(found, url)[0]
    asked = fetches(server)
    with ThreadPoolExecutor(4) as pool:
        sights = list(pool.map(lambda _: found.look(url, commit, [WORD])[0].files, range(4)))
    assert sights == [20] * 4
    once = fetches(server) - asked
    assert once <= 2, "protocol 2 asks what there is, and for it"


def test_a_twin_on_another_branch_is_found_without_the_files_of_what_is_none(server, tmp_path):
    build = Builder(server.folder / "app.git")
    build.commit("start", at(-48), {"a.py": "one\n", "b.py": "one\n"})
    build.commit("fix", at(1), {"a.py": "two\n"})
    build.commit("both", at(2), {"a.py": "never fetched\n", "b.py": "likewise\n"}, branch="old", parents=["start"])
    build.commit("port", at(3), {"a.py": "two\n", "b.py": "one\n"}, branch="ports", parents=["start"])
    made = build.finish()
    git(made.path, "config", "uploadpack.allowFilter", "true")
    found, url = GitSource(tmp_path / "clones"), server.url("app.git")
    (twin,) = found.twins(url, found.commit(url, made.sha("fix")))
    assert (twin.sha, twin.branch) == (made.sha("port"), "ports")
    assert "never fetched" not in files(tmp_path / "clones")


def test_what_lands_later_is_fetched_without_what_it_leaves_alone(server, history, tmp_path):
    clock = Clock()
    found, url = GitSource(tmp_path / "clones", clock=clock), server.url("app.git")
    day(found, url)
    build = Builder(tmp_path / "next.git")
    build.commit("third", at(30), {"quiet/1.py": "changed\n"})
    git(history.path, "fetch", "-q", str(build.finish().path), "+main:next")
    tree = git(history.path, "rev-parse", "next^{tree}")
    third = git(
        history.path, "-c", "user.name=a", "-c", "user.email=a@b.c", "commit-tree", tree, "-p", "main", "-m", "3"
    )
    git(history.path, "update-ref", "refs/heads/main", third)
    git(history.path, "update-ref", "-d", "refs/heads/next")
    clock.now += 60
    newest = found.commits(url, "", *EVER)[0]
    assert newest.sha == third
    assert "changed" in files(tmp_path / "clones")


@pytest.mark.parametrize("how", ["no filter", "no single objects"])
def test_a_server_that_can_give_no_part_gives_all(server, history, tmp_path, how):
    if how == "no filter":
        git(history.path, "config", "uploadpack.allowFilter", "false")
    else:
        server.speaks_old = True
    found, url = GitSource(tmp_path / "clones"), server.url("app.git")
    assert len(day(found, url)) == 2
    assert len(files(tmp_path / "clones")) == 25
    (sight,) = found.look(url, day(found, url)[0], [WORD])
    assert (sight.files, sight.unread) == (20, 0)


def test_a_file_that_the_server_has_no_more_costs_its_commit_alone(server, history, tmp_path):
    found, url = GitSource(tmp_path / "clones"), server.url("app.git")
    found.repository(url)
    gone = git(history.path, "rev-parse", "main:moved.py")
    shutil.copytree(history.path, tmp_path / "whole.git")
    git(tmp_path / "whole.git", "repack", "-adq")
    shutil.rmtree(history.path / "objects")
    objects = git(tmp_path / "whole.git", "cat-file", "--batch-all-objects", "--batch-check=%(objectname)").split()
    kept = "\n".join(each for each in objects if each != gone).encode()
    (history.path / "objects" / "pack").mkdir(parents=True)
    git(tmp_path / "whole.git", "pack-objects", "-q", str(history.path / "objects" / "pack" / "pack"), stdin=kept)
    with pytest.raises(NotFound):
        found.commit(url, history.sha("second"))
    assert found.commit(url, history.sha("first")).sha == history.sha("first")


def test_a_clone_of_an_earlier_version_stays_whole(server, history, tmp_path):
    url = server.url("app.git")
    found = GitSource(tmp_path / "clones")
    found.repository(url)
    (clone,) = (tmp_path / "clones").glob("*.git")
    shutil.rmtree(clone)
    git(tmp_path, "init", "-q", "--bare", str(clone))
    git(clone, "fetch", "-q", str(history.path), "+refs/*:refs/*")
    assert len(day(GitSource(tmp_path / "clones"), url)) == 2
    assert len(files(tmp_path / "clones")) == 25


# --- Who shares it ----------------------------------------------------------------------------


def test_two_processes_of_a_machine_fetch_once_a_minute_together(server, history, tmp_path):
    clock, url = Clock(), server.url("app.git")
    one, two = (GitSource(tmp_path / "clones", clock=clock) for _ in range(2))
    for source in (one, two):
        day(source, url)  # each asks the server once whether it may
    for _ in range(3):
        clock.now += 60
        asked = len(server.requests)
        assert day(one, url) == day(two, url)
        assert sum("info/refs" in path for path in server.requests[asked:]) == 2, "HEAD, and a fetch"


READ = """
import sys
from pathlib import Path
from datetime import UTC, datetime
from adapters.sources.git.source import GitSource
from adapters.sources.git import fetching
from adapters.sources.git.clones import Bounds
source = GitSource(Path(sys.argv[1]), bounds=Bounds(most=1))
span = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
for _ in range(2):
    for url in sys.argv[2:]:
        print(len(source.commits(url, "", *span)))
"""


def test_processes_that_remove_each_others_clones_all_read_what_they_ask_for(server, history, tmp_path):
    shutil.copytree(history.path, server.folder / "other.git")
    urls = [server.url("app.git"), server.url("other.git")]
    words = ("-c", READ, str(tmp_path / "clones"))
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with ThreadPoolExecutor(2) as both:
        begun = [both.submit(forkserver.run, *words, *order, env=env) for order in (urls, urls[::-1])]
    for done in (each.result() for each in begun):
        assert (done.stdout.split(), done.stderr) == (["3"] * 4, "")
    assert len(list((tmp_path / "clones").glob("*.git"))) <= 2


# --- What is removed --------------------------------------------------------------------------


def named(clones) -> set[str]:
    return {path.name.split("-")[0] for path in clones.glob("*.git")}


@pytest.fixture
def several(server, history):
    """The URLs of three repositories."""
    for name in ("b", "c"):
        shutil.copytree(history.path, server.folder / f"{name}.git")
    (server.folder / "app.git").rename(server.folder / "a.git")
    return [server.url(f"{name}.git") for name in "abc"]


def used(clones, name, when):
    (lock,) = clones.glob(f"{name}-*.lock")
    os.utime(lock, (when, when))


@pytest.mark.parametrize("bounds", [Bounds(most=2), Bounds(size=1)])
def test_what_was_not_used_for_the_longest_goes_where_there_are_too_many(several, tmp_path, bounds, caplog):
    caplog.set_level("INFO")
    clones = tmp_path / "clones"
    a, b, c = several
    for url in (a, b):
        GitSource(clones).repository(url)
    used(clones, "a", 1_000)
    GitSource(clones, bounds=bounds).repository(c)
    assert named(clones) == ({"b", "c"} if bounds.most else {"c"}), "the one that is used stays, however large"
    assert [record.message for record in caplog.records] == ["a clone was deleted"] * (1 if bounds.most else 2)
    assert len(day(GitSource(clones, bounds=bounds), a)) == 2, "and what is gone comes back"


def test_a_clone_that_is_being_read_stays(several, tmp_path):
    clones = tmp_path / "clones"
    a, b, c = several
    GitSource(clones).repository(a)
    (lock,) = clones.glob("a-*.lock")
    with lock.open("a+") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        GitSource(clones, bounds=Bounds(most=1)).repository(b)
        assert named(clones) == {"a", "b"}
        assert GitSource(clones).retain([], datetime.now(UTC) + timedelta(days=1)) == 1
        assert named(clones) == {"a"}
    GitSource(clones, bounds=Bounds(most=1)).repository(c)
    assert named(clones) == {"c"}


def test_a_process_whose_clone_was_removed_fetches_it_anew(several, tmp_path):
    url = several[0]
    one = GitSource(tmp_path / "clones")
    commits = day(one, url)
    assert GitSource(tmp_path / "clones").forget(url)
    assert len(dict(one.patches(url, commits))) == 2


def test_half_of_a_removed_clone_is_none(several, tmp_path, monkeypatch):
    clones, url = tmp_path / "clones", several[0]
    GitSource(clones).repository(url)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)  # as where the process is killed
        assert GitSource(clones).forget(url)
    assert not list(clones.glob("*.git"))
    assert len(list(clones.glob("*.gone"))) == 1
    assert len(day(GitSource(clones), url)) == 2
    assert GitSource(clones).retain([url], datetime.now(UTC)) == 0
    assert not list(clones.glob("*.gone"))


def test_what_cannot_be_fetched_takes_no_place(several, server, tmp_path):
    clones = tmp_path / "clones"
    GitSource(clones).repository(several[0])
    with pytest.raises(NotFound):
        GitSource(clones, bounds=Bounds(most=1)).repository(server.url("none.git"))
    assert named(clones) == {"a"}
    server.status = 500
    with pytest.raises(Unavailable):
        GitSource(clones).repository(several[0])
    assert named(clones) == {"a"}, "one that was fetched before stays"


def test_what_nobody_follows_or_uses_goes(several, tmp_path):
    source = GitSource(tmp_path / "clones")
    a, b, _ = several
    for url in (a, b):
        source.repository(url)
    now = datetime.now(UTC)
    assert source.retain([b], now - timedelta(days=1)) == 0
    assert source.retain([b], now + timedelta(days=1)) == 1
    assert named(tmp_path / "clones") == {"b"}
    assert source.size() > 1_000
    assert source.forget(b)
    assert not source.forget(b)
    assert not source.forget("/srv/git/a-folder-of-mine")


def test_the_settings_bound_what_is_kept(several, tmp_path):
    settings = GitSettings(_env_file=None, digest_clones=tmp_path / "clones", digest_clones_most=1)
    source = from_settings(settings, Hosts())
    for url in several:
        source.repository(url)
    assert named(tmp_path / "clones") == {"c"}
