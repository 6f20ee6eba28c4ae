"""The source `github` against a strict server on loopback that reads real git repositories."""

from __future__ import annotations

import copy
import functools
import io
import logging
import operator
import tarfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import github
import pytest
from github import Auth
from github_graphql import NODE_LIMIT, Parser, QueryError, _Run, execute
from github_server import ARCHIVE_TOKEN, TOKEN, App, Fault, GitHubServer, Pull
from repositories import BINARY, DAY, DEV_TWO, Builder, History, at, contract_history, lines, releases_history, script
from source_contract import NEXT_DAY, OF_THE_DAY, Served, SourceContract, looks_history

from adapters.sources.github import answers, archives, queries, tags, tree
from adapters.sources.github.client import Client
from adapters.sources.github.settings import GitHubSettings
from adapters.sources.github.source import BATCH, GitHubSource, from_settings
from bot import addresses
from bot.addresses import Service
from bot.commits import hosts
from bot.errors import ConfigError, NotFound, UsageError
from bot.values import ChangeRequest, FileChange, FileStatus, Look, LookKind, sanitize


def source(server: GitHubServer, token: str = TOKEN, archives: Path | None = None) -> GitHubSource:
    """A source for `server` that never waits."""
    return GitHubSource(Client(Auth.Token(token) if token else None, server.url, sleep=_no_sleep), archives)


def _no_sleep(seconds: float) -> None:
    raise AssertionError(f"slept {seconds} s")


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    """PyGithub's own pause between requests, a second before each query, fails the test."""
    monkeypatch.setattr("github.Requester.time", SimpleNamespace(sleep=_no_sleep))


def settings(**values: object) -> GitHubSettings:
    """Settings of which only `values` are set."""
    return GitHubSettings(_env_file=None, **values)


@pytest.fixture(scope="module")
def history(tmp_path_factory) -> History:
    return contract_history(tmp_path_factory.mktemp("github") / "app.git")


@pytest.fixture(scope="module")
def empty(tmp_path_factory) -> History:
    return Builder(tmp_path_factory.mktemp("github") / "empty.git").finish()


@pytest.fixture(scope="module")
def released(tmp_path_factory) -> History:
    return releases_history(tmp_path_factory.mktemp("github") / "product.git")


@pytest.fixture(scope="module")
def looks(tmp_path_factory) -> History:
    return looks_history(tmp_path_factory.mktemp("github") / "looks.git")


@contextmanager
def serving(history: History, **options: object) -> Iterator[GitHubServer]:
    """A server with one repository, `team/app`."""
    with GitHubServer({"team/app": history.path}, **options) as server:
        yield server


class _Contract(SourceContract):
    token = TOKEN

    @pytest.fixture(scope="class")
    @classmethod
    def served(cls, history, empty, released, looks, tmp_path_factory):
        repos = {"team/app": history.path, "team/empty": empty.path, "team/product": released.path}
        with GitHubServer({**repos, "team/looks": looks.path}) as server, pytest.MonkeyPatch.context() as patch:
            patch.setattr(tree, "SINGLE_FILES", 1_000)  # all tests here ask on behalf of the same few commits
            names = "team/app", history, "team/empty", "team/none", "team/product"
            made = source(server, cls.token, tmp_path_factory.mktemp("archives"))
            yield Served(made, *names, released, "team/looks", looks)

    def test_the_start_of_two_shas_is_ambiguous(self, served):
        """GitHub does not say that a start is ambiguous: it finds no commit."""
        one, two = served.history.sha("twin-one"), served.history.sha("twin-two")
        assert one[:4] == two[:4]
        with pytest.raises(NotFound) as caught:
            served.source.commit(served.repo, one[:4])
        assert caught.value.key == "commit_unknown"


class TestWithToken(_Contract):
    """The contract over GraphQL and REST."""


class TestWithoutToken(_Contract):
    """The contract over REST alone, which tells nothing of releases."""

    token = ""

    def test_releases_come_oldest_first_with_their_commits_and_times(self, served):
        assert served.source.releases(served.released) == ()

    def test_each_commit_has_the_first_release_that_holds_it_or_none(self, served):
        assert served.firsts(list(served.releases.shas)) == {}

    test_a_commit_asked_for_alone_has_the_same_first_release = None
    test_a_commit_that_no_release_has_is_in_none_and_one_that_nobody_knows_is_absent = None
    test_releases_since_some_time_are_those_made_from_then_on = None
    test_a_release_has_what_the_one_before_it_has_not = None
    test_a_commit_s_twins_are_those_of_other_branches_with_the_same_patch = None
    test_what_only_its_own_branch_has_of_a_release_is_told_apart = None
    test_what_is_no_commit_is_in_no_release_and_costs_the_others_nothing = None
    test_an_unknown_repository_s_releases_are_not_found = None


# --- releases --------------------------------------------------------------------------------


def many_tags(path, count: int, *, other: int = 0) -> History:
    """A repository with a commit and a release an hour, `other` packages' tags at the last, and one commit after it."""
    build = Builder(path)
    for number in range(count):
        build.commit(f"c{number}", at(24 * number))
        build.ref(f"refs/tags/v1.{number}.0", f"c{number}")
    for number in range(other):
        build.ref(f"refs/tags/lib-v1.{number}.0", f"c{count - 1}")
    build.commit("last", at(24 * count))
    return build.finish()


@pytest.fixture(scope="module")
def often(tmp_path_factory) -> History:
    return many_tags(tmp_path_factory.mktemp("often") / "app.git", 250)


def test_releases_take_a_request_for_each_hundred_tags(often):
    with serving(often) as server:
        found = source(server).releases("team/app")
    assert [release.name for release in found] == [f"v1.{number}.0" for number in range(250)]
    assert server.counts == {"graphql": 3 + 1}  # and one for what was published


def test_of_too_many_tags_the_latest_are_read_and_earlier_commits_are_in_none(often, monkeypatch):
    monkeypatch.setattr(tags, "PAGES", 2)
    with serving(often) as server:
        read = source(server)
        assert len(read.releases("team/app")) == 200
        asked = [often.sha(f"c{number}") for number in (0, 49, 60, 249)]
        found = {sha: release.name for sha, release in read.first_releases("team/app", asked).items()}
    assert found == {often.sha("c60"): "v1.60.0", often.sha("c249"): "v1.249.0"}


def test_a_day_s_commits_take_a_request_for_their_dates_one_for_tags_and_one_for_comparisons(often):
    with serving(often) as server:
        found = source(server).first_releases("team/app", [often.sha("c248"), often.sha("c249"), often.sha("last")])
    assert [release and release.name for release in found.values()] == ["v1.248.0", "v1.249.0", None]
    assert server.counts == {"graphql": 3 + 1}


def test_tags_are_read_until_one_is_the_repository_s_own(tmp_path):
    """Else the packages' tags, of which the first page is full, would be its releases."""
    history = many_tags(tmp_path / "app.git", 2, other=120)
    with serving(history) as server:
        found = source(server).first_releases("team/app", [history.sha("c1"), history.sha("last")])
    assert {sha: release.name for sha, release in found.items() if release} == {history.sha("c1"): "v1.1.0"}
    assert server.counts == {"graphql": 4 + 1}


def test_a_commit_is_compared_with_twice_as_many_releases_each_time(tmp_path):
    build = Builder(tmp_path / "app.git")
    build.commit("root", at(0))
    build.commit("waits", at(1), branch="topic", parents=["root"])
    for number in range(20):
        build.commit(f"c{number}", at(2 + number), parents=["root"] if not number else None)
        build.ref(f"refs/tags/v1.{number}.0", f"c{number}")
    build.commit("merge", at(30), parents=["c19", "waits"])
    build.ref("refs/tags/v2.0.0", "merge")
    history = build.finish()
    with serving(history) as server:
        found = source(server).first_releases("team/app", [history.sha("waits")])
    assert [release.name for release in found.values()] == ["v2.0.0"]
    assert server.counts == {"graphql": 2 + 3 + 1}


def test_a_commit_is_compared_with_so_many_releases_and_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(tags, "MOST", 12)
    build = Builder(tmp_path / "app.git")
    build.commit("root", at(0))
    for name in ("near", "far"):
        build.commit(name, at(1), branch=name, parents=["root"])
    for number in range(11):
        build.commit(f"c{number}", at(2 + number), parents=["root"] if not number else None)
        build.ref(f"refs/tags/v1.{number}.0", f"c{number}")
    for number, name in enumerate(("near", "far")):
        build.commit(f"merge-{name}", at(80 + number), parents=["c10" if name == "near" else "merge-near", name])
        build.ref(f"refs/tags/v{2 + number}.0.0", f"merge-{name}")
    history = build.finish()
    with serving(history) as server:
        found = source(server).first_releases("team/app", [history.sha("near"), history.sha("far")])
    assert {sha: release.name for sha, release in found.items()} == {history.sha("near"): "v2.0.0"}


def test_packages_that_were_released_together_take_one_comparison(tmp_path):
    build = Builder(tmp_path / "app.git")
    build.commit("aside", at(0), branch="aside")
    build.commit("one", at(1))
    for number in range(60):
        build.ref(f"refs/tags/@team/p{number:02}@1.0.0", "one")
    build.commit("two", at(2))
    build.ref("refs/tags/@team/p00@1.1.0", "two")
    history = build.finish()
    with serving(history) as server:
        found = source(server).first_releases("team/app", [history.sha(name) for name in ("aside", "one", "two")])
    assert [release and release.name for release in found.values()] == [None, "@team/p00@1.0.0", "@team/p00@1.1.0"]
    assert server.counts == {"graphql": 3 + 1}


def test_comparisons_are_bounded_and_what_they_do_not_reach_is_absent(often, monkeypatch):
    monkeypatch.setattr(tags, "COMPARISONS", 5)
    with serving(often) as server:
        found = source(server).first_releases("team/app", [often.sha("c248"), often.sha("c10"), often.sha("c20")])
    assert sorted(release.name for release in found.values()) == ["v1.10.0", "v1.248.0"]


def test_a_release_without_anything_in_common_with_a_commit_does_not_hold_it(tmp_path):
    build = Builder(tmp_path / "app.git")
    build.commit("one", at(0))
    build.commit("other", at(1), branch="other")
    build.ref("refs/tags/v1.0.0", "other")
    build.tag("v2.0.0", "one", at(2))
    history = build.finish()
    with serving(history) as server:
        found = source(server).first_releases("team/app", [history.sha("one"), history.sha("other")])
    assert {sha: release.name for sha, release in found.items()} == {
        history.sha("one"): "v2.0.0",
        history.sha("other"): "v1.0.0",
    }


def test_without_a_token_releases_cost_no_request(often):
    with serving(often) as server:
        read = source(server, token="")
        assert (read.releases("team/app"), read.first_releases("team/app", [often.sha("last")])) == ((), {})
        with pytest.raises(UsageError):
            read.releases("app")
    assert not server.counts


def test_a_renamed_repository_s_line_is_that_of_its_name_of_today(tmp_path):
    build = Builder(tmp_path / "tool.git")
    build.commit("one", at(1))
    for tag in ("tool-1.0.0", "app-1.0.0", "app-1.1.0"):
        build.ref(f"refs/tags/{tag}", "one")
    history = build.finish()
    with GitHubServer({"team/tool": history.path}, moved={"team/app": "team/tool"}) as server:
        assert [release.name for release in source(server).releases("team/app")] == ["tool-1.0.0"]


TAGS = 'refs(refPrefix: "refs/tags/", %s) { nodes { name } }'
TAG = 'ref(qualifiedName: "refs/tags/v1") { %s }'


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ('refs(refPrefix: "refs/tags/") { nodes { name } }', "You must provide a `first`"),
        (TAGS % "first: 101, orderBy: {field: TAG_COMMIT_DATE, direction: DESC}", "between 1 and 100"),
        (TAGS % 'first: 9, orderBy: {field: "TAG_COMMIT_DATE", direction: "DESC"}', "refs: refs/tags/"),
        (TAGS % "first: 9, orderBy: {field: DATE, direction: DESC}", "DATE"),
        (TAGS % "first: 9, contains: 7", "doesn't accept argument 'contains'"),
        (TAG % "compare { status }", "missing required argument 'headRef'"),
        (TAG % 'compare(headRef: "main") { contains }', "doesn't exist on type"),
        (TAG % "target { committedDate }", "doesn't exist on type 'GitObject'"),
    ],
)
def test_the_server_takes_only_what_the_schema_has(history, query, problem):
    with serving(history) as server, pytest.raises(QueryError, match=problem):
        execute(f'query {{ repository(owner: "team", name: "app") {{ {query} }} }}', {}, server)


# --- repositories ----------------------------------------------------------------------------


def test_a_repository_has_github_s_spelling_and_web_page(history):
    with serving(history, private=["team/app"]) as server:
        found = source(server).repository("TEAM/App")
    assert (found.name, found.title, found.branch, found.private) == ("team/app", "team/app", "main", True)
    assert found.commit_url("abc") == f"{server.web}/team/app/commit/abc"
    assert found.links == hosts.links(hosts.Kind.GITHUB, found.url)


@pytest.mark.parametrize(
    "text", ["app", "team/", "/app", "team/app/x", "team/..", "team app/x", "team/a?b", "-t/app\n", ""]
)
def test_anything_but_owner_and_name_is_refused_without_a_request(history, text):
    with serving(history) as server:
        for call in (source(server).repository, lambda repo: source(server).commits(repo, "", DAY, NEXT_DAY)):
            with pytest.raises(UsageError) as caught:
                call(text)
            assert (caught.value.key, caught.value.fields) == ("repository_syntax", {"text": text})
    assert not server.counts


@pytest.mark.parametrize("token", [TOKEN, ""])
def test_a_renamed_repository_is_followed_and_keeps_its_period(history, token):
    with serving(history, moved={"old/name": "team/app"}) as server:
        found = source(server, token).commits("old/name", "", DAY, NEXT_DAY)
        assert source(server, token).repository("old/name").name == "team/app"
        assert source(server, token).commit("old/name", found[0].sha) == found[0]
    assert [commit.sha for commit in found] == [history.sha(name) for name in OF_THE_DAY]
    assert {commit.repo for commit in found} == {"team/app"}


def test_a_private_repository_is_unknown_without_a_token(history):
    with serving(history, private=["team/app"]) as server, pytest.raises(NotFound) as caught:
        source(server, "").commits("team/app", "", DAY, NEXT_DAY)
    assert caught.value.key == "repository_unknown"


def test_enterprise_lies_below_a_path_with_graphql_beside_it(history):
    with serving(history, prefix="/api/v3") as server:
        read = from_settings(settings(github_url=server.url + "/", github_token=TOKEN))
        assert read.repository("team/app").url == f"{server.web}/team/app"
        assert len(read.commits("team/app", "", DAY, NEXT_DAY)) == len(OF_THE_DAY)
        assert server.counts["graphql"] == 2


@pytest.mark.parametrize("token", [TOKEN, ""])
@pytest.mark.parametrize("branch", ["main~1", "main^{tree}", "refs/../x", "a b", "main:x", "v1"])
def test_what_is_no_branch_is_unknown(history, token, branch):
    with serving(history) as server, pytest.raises(NotFound) as caught:
        source(server, token).commits("team/app", branch, DAY, NEXT_DAY)
    assert caught.value.key == "branch_unknown"


@pytest.mark.parametrize("token", [TOKEN, ""])
def test_an_empty_repository_has_no_commits_on_any_branch(empty, token):
    with serving(empty) as server:
        assert source(server, token).commits("team/app", "other", DAY, NEXT_DAY) == ()


# --- requests --------------------------------------------------------------------------------


def squash_day(path, commits: int = 29) -> History:
    """A day of squash merges of two files each; 3, 11 and 20 are a rename, a binary file and a direct push."""
    build = Builder(path)
    build.commit("root", at(-40), {"a.txt": lines(1, 20)})
    for n in range(1, commits + 1):
        files: dict = {f"src/{n}.py": lines(1, n), "README.md": f"# {n}\n"}
        if n == 3:
            files = {"a.txt": None, "b.txt": lines(1, 21)}
        if n == 11:
            files = {"logo.bin": BINARY}
        message = "Pushed by hand" if n == 20 else f"Change {n} (#{100 + n})\n\nWhy."
        build.commit(f"c{n}", at(n * 23 / commits), files, message=message, author=DEV_TWO)
    return build.finish()


@pytest.fixture(scope="module")
def squashed(tmp_path_factory) -> History:
    return squash_day(tmp_path_factory.mktemp("github") / "squashed.git")


def test_a_day_of_squash_merges_costs_two_graphql_requests_and_rest_only_where_files_are_in_doubt(squashed):
    with serving(squashed) as server:
        found = source(server).commits("team/app", "", DAY, NEXT_DAY)
        assert server.counts == {"graphql": 2, "commit": 3}
    assert [commit.pull for commit in found] == [None if n == 20 else 100 + n for n in range(29, 0, -1)]


def test_with_and_without_a_token_the_day_is_the_same(squashed):
    with serving(squashed) as server:
        one = source(server).commits("team/app", "", DAY, NEXT_DAY)
        server.counts.clear()
        two = source(server, "").commits("team/app", "", DAY, NEXT_DAY)
        assert server.counts == {"repository": 1, "list": 1, "contents": 1, "commit": 29}
    assert one == two
    assert one[-3].files == (FileChange("b.txt", FileStatus.RENAMED, 1, 0, "a.txt"),)


def test_patches_of_what_rest_has_told_already_cost_nothing(squashed):
    with serving(squashed) as server:
        read = source(server, "")
        day = read.commits("team/app", "", DAY, NEXT_DAY)
        before = server.counts.copy()
        patches = dict(read.patches("team/app", day))
        assert server.counts == before
    assert list(patches) == [commit.sha for commit in day]
    assert patches[squashed.sha("c1")][1].text == "@@ -0,0 +1 @@\n+line 1"


def test_a_patch_is_asked_for_when_the_iteration_reaches_it(squashed):
    with serving(squashed) as server:
        read = source(server)
        day = read.commits("team/app", "", DAY, NEXT_DAY)
        server.counts.clear()
        patches = read.patches("team/app", day)
        assert server.counts == {}
        next(patches)
        next(patches)
        assert server.counts == {"commit": 2}


def test_a_list_that_did_not_change_is_asked_for_with_its_etag_and_costs_nothing(squashed):
    with serving(squashed) as server:
        read = source(server, "")
        first = read.commits("team/app", "", DAY, NEXT_DAY)
        server.counts.clear()
        assert read.commits("team/app", "", DAY, NEXT_DAY) == first
        assert server.counts == {"repository": 1, "list": 1, "unchanged": 2}


def test_a_repository_that_did_not_change_does_not_count_against_the_limit(squashed):
    with serving(squashed) as server:
        read = source(server)
        read.repository("team/app")
        remaining = server.remaining
        assert read.repository("team/app").branch == "main"
        assert (server.counts["unchanged"], server.remaining) == (1, remaining)


def test_a_list_that_changed_is_read_anew(tmp_path):
    build = Builder(tmp_path / "app.git")
    build.commit("one", at(1), {"a": "1\n"})
    history = build.finish()
    with serving(history) as server:
        read = source(server, "")
        assert len(read.commits("team/app", "", DAY, NEXT_DAY)) == 1
        again = Builder(tmp_path / "app.git")
        again.commit("one", at(1), {"a": "1\n"})
        again.commit("two", at(2), {"a": "2\n"})
        again.finish()
        server.load()
        assert [commit.subject for commit in read.commits("team/app", "", DAY, NEXT_DAY)] == ["two", "one"]
        assert server.counts["unchanged"] == 1


@pytest.fixture(scope="module")
def long_day(tmp_path_factory) -> History:
    build = Builder(tmp_path_factory.mktemp("github") / "long.git")
    for n in range(260):
        build.commit(f"c{n}", DAY + timedelta(minutes=5 * n), {"n.txt": f"{n}\n"}, message=f"Change {n} (#{n + 1})")
    return build.finish()


@pytest.mark.parametrize(
    ("token", "counts"),
    [(TOKEN, {"graphql": 4, "commit": 1}), ("", {"repository": 1, "list": 3, "contents": 1, "commit": 1})],
)
def test_a_history_is_listed_page_by_page_up_to_the_tip(long_day, token, counts):
    with serving(long_day) as server:
        found = source(server, token).commits("team/app", "", DAY, DAY + timedelta(minutes=5))
        assert [commit.subject for commit in found] == ["Change 0 (#1)"]
        assert server.counts == counts


def test_a_long_day_is_described_fifty_commits_at_a_time(long_day):
    with serving(long_day) as server:
        found = source(server).commits("team/app", "", DAY, NEXT_DAY)
        assert [commit.subject for commit in found] == [f"Change {n} (#{n + 1})" for n in range(259, -1, -1)]
        assert server.counts == {"graphql": 3 + 6, "commit": 1}


@pytest.mark.parametrize("token", [TOKEN, ""])
def test_a_commit_of_700_files_takes_three_requests(tmp_path, token):
    build = Builder(tmp_path / "app.git")
    build.commit("root", at(-40), {"a": "1\n"})
    build.commit("wide", at(1), {f"f/{n:03}.txt": f"{n}\n" for n in range(700)})
    with serving(build.finish()) as server:
        (commit,) = source(server, token).commits("team/app", "", DAY, NEXT_DAY)
        assert [file.path for file in commit.files] == [f"f/{n:03}.txt" for n in range(700)]
        assert server.counts["commit"] == 3


def test_a_merge_takes_one_comparison_for_its_files_and_its_commits(history):
    with serving(history) as server:
        read = source(server)
        (merge,) = read.commits("team/app", "", at(11), at(12))
        assert server.counts == {"graphql": 2, "compare": 1}
        assert [inner.subject for inner in merge.inner] == ["Try", "Better"]
        assert [file.path for _, files in read.patches("team/app", [merge]) for file in files] == ["src/fast.py"]
        assert server.counts["compare"] == 1


def test_a_merge_of_more_than_300_files_has_all_of_them(tmp_path):
    build = Builder(tmp_path / "app.git")
    build.commit("root", at(-40), {"a": "1\n"})
    wide = {f"f/{n:03}.txt": f"{n}\n" for n in range(310)}
    build.commit("inner", at(1), wide, branch="topic", parents=["root"])
    build.commit("merge", at(2), wide, parents=["root", "inner"], message="Merge pull request #7 from team/topic")
    with serving(build.finish()) as server:
        (merge,) = source(server).commits("team/app", "", DAY, NEXT_DAY)
        assert (len(merge.files), len(merge.inner)) == (310, 1)
        assert server.counts == {"graphql": 2, "compare": 1, "commit": 2}


def test_a_merge_of_many_commits_lists_the_first_250(tmp_path):
    build = Builder(tmp_path / "app.git")
    build.commit("root", at(-40), {"a": "1\n"})
    tip = "root"
    for n in range(260):
        tip = build.commit(f"i{n}", DAY + timedelta(minutes=n), {"b": f"{n}\n"}, branch="topic", parents=[tip])
    build.commit("merge", at(6), {"b": "259\n"}, parents=["root", tip], message="Merge branch 'topic'")
    with serving(build.finish()) as server:
        (merge,) = source(server).commits("team/app", "", DAY, NEXT_DAY)
        assert server.counts["compare"] == 3
    assert [inner.subject for inner in merge.inner] == [f"i{n}" for n in range(250)]


# --- pull requests ---------------------------------------------------------------------------


def rebased(path) -> History:
    """A pull request of two commits that was rebased; each changes one line of another file, there and back."""
    build = Builder(path)
    build.commit("root", at(-40), {"a": "x\n", "b": "p\n"})
    build.commit("one", at(1), {"a": "y\n", "b": "q\n"})
    build.commit("two", at(2), {"a": "x\n"})
    build.commit("three", at(3), {"c": "1\n"})
    return build.finish()


def test_files_of_a_pull_request_are_not_taken_for_those_of_one_of_its_commits(tmp_path):
    history = rebased(tmp_path / "app.git")
    pull = Pull(9, history.sha("two"), base=history.sha("root"), commits=2)
    with serving(history, pulls={"team/app": [pull]}) as server:
        _, two, one = source(server).commits("team/app", "", DAY, NEXT_DAY)
    assert [file.path for file in two.files] == ["a"]
    assert (two.pull, one.pull) == (9, None)


@pytest.mark.parametrize("token", [TOKEN, ""])
def test_a_pull_request_that_no_subject_names_is_known_with_a_token(tmp_path, token):
    history = rebased(tmp_path / "app.git")
    with serving(history, pulls={"team/app": [Pull(10, history.sha("three"))]}) as server:
        read = source(server, token)
        three = read.commits("team/app", "", at(3), at(4))[0]
        assert three.pull == (10 if token else None)
        assert read.commit("team/app", three.sha) == three
        assert read.pull("team/app", 10).pull == 10
        if token:
            assert server.counts["commit"] == 2


def test_the_labels_of_a_pull_request_come_in_the_request_that_is_made_anyway(tmp_path):
    history = rebased(tmp_path / "app.git")
    plain, labelled = (
        Pull(10, history.sha("three")),
        Pull(10, history.sha("three"), labels=("breaking-change", "area/x")),
    )
    requests = []
    for pull, labels in ((plain, ()), (labelled, ("breaking-change", "area/x"))):
        with serving(history, pulls={"team/app": [pull]}) as server:
            three = source(server).commits("team/app", "", at(3), at(4))[0]
            requests.append(server.counts)
        assert three.reading.labels == labels
    assert requests[0] == requests[1]


ASKED = Pull(
    10,
    landed="three",
    labels=("breaking-change",),
    title="Keep c",
    body="<!-- a form -->\r\n## Why\r\n\r\nNobody had a `c`.\r\n\r\n- [x] tested\r\n\r\nCloses #4\r\n",
    issues=((4, "There is no c", "team/app"), (5, "A secret plan", "team/private"), None),
)
WRITTEN = ChangeRequest("Keep c", "Nobody had a `c`.", ("There is no c",))


def asking(history, pull: Pull) -> AbstractContextManager[GitHubServer]:
    """A server of `rebased` where a pull request landed as its commit `three`."""
    return serving(history, pulls={"team/app": [replace(pull, landed=history.sha("three"))]})


def test_what_people_wrote_in_a_pull_request_comes_in_the_request_that_is_made_anyway(tmp_path):
    """Of the issues those of this repository: who reads here need not be allowed to read the others."""
    history = rebased(tmp_path / "app.git")
    requests = []
    for pull, written in ((Pull(10), None), (ASKED, WRITTEN)):
        with asking(history, pull) as server:
            three = source(server).commits("team/app", "", at(3), at(4))[0]
            requests.append(server.counts)
            assert source(server).commit("team/app", three.sha) == three
        assert three.reading.request == written
    assert requests[0] == requests[1]


def test_a_pull_request_that_says_what_its_commit_says_tells_nothing_more(history):
    with serving(history) as server:
        found = source(server).commits("team/app", "", DAY, NEXT_DAY)
    assert any(commit.pull for commit in found)
    assert not any(commit.reading.request for commit in found)


@pytest.mark.parametrize("issues", [None, (None,), ()])
def test_a_token_that_may_not_read_issues_reads_the_rest(tmp_path, issues):
    history = rebased(tmp_path / "app.git")
    with asking(history, replace(ASKED, issues=issues)) as server:
        three = source(server).commits("team/app", "", at(3), at(4))[0]
        assert server.counts["commit"] == 0
    assert three.reading.request == replace(WRITTEN, issues=())


@pytest.mark.parametrize("token", [TOKEN, ""])
def test_a_commit_that_is_asked_for_by_its_pull_request_has_what_that_answer_tells(tmp_path, token):
    build = Builder(tmp_path / "app.git")
    build.commit("root", at(1), {"a": "1\n"})
    build.commit("three", at(2), {"a": "2\n"}, message="feat: c (#10)")
    history = build.finish()
    with asking(history, ASKED) as server:
        found = source(server, token).pull("team/app", 10)
        assert (server.counts["graphql"], server.counts["pull"], server.counts["commit"]) == (0, 1, 1)
        assert source(server, token).commit("team/app", found.sha).reading.request is None
    assert found.reading.request == replace(WRITTEN, issues=())
    assert found.reading.labels == ("breaking-change",)


@pytest.mark.parametrize("letter", ["x ", "<!-- ", "\x1b[2J\u202e", "@everyone\n\n", "字"])
def test_a_description_of_a_megabyte_is_read_to_its_limit(tmp_path, letter):
    history = rebased(tmp_path / "app.git")
    huge = replace(ASKED, body="First.\n\n" + letter * (1_000_000 // len(letter)), title=letter * 1_000)
    with asking(history, huge) as server:
        made = source(server)
        kept = [made.commits("team/app", "", at(3), at(4))[0], made.pull("team/app", 10)]
    for commit in kept:
        written = commit.reading.request
        assert written.said.startswith("First.")
        assert len(written.said) <= 4_001
        assert len(written.title) <= 300
        assert sanitize(written.said) == written.said


def test_a_batch_of_details_asks_for_as_many_nodes_as_it_says():
    parsed = Parser(queries.DETAILS)
    run = _Run(parsed, {"ids": [str(n) for n in range(BATCH)]}, None)
    run.check(parsed.query, "Query", 1)
    assert run.nodes + BATCH == 6_400 < NODE_LIMIT
    assert "= 6,400 nodes" in (Path(queries.__file__)).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "field",
    [
        "bodyMarkdown",
        "closingIssues(first: 5) { nodes { title } }",
        "closingIssuesReferences { nodes { title } }",
        "closingIssuesReferences(first: 500) { nodes { title } }",
        "closingIssuesReferences(first: 5, state: OPEN) { nodes { title } }",
        "closingIssuesReferences(first: 5) { nodes { name } }",
        "repository",
    ],
)
def test_the_tests_server_refuses_what_a_pull_request_of_github_has_not(field):
    assert execute(queries.DETAILS, {"ids": []}, None) == ({"nodes": []}, [])
    query = queries.DETAILS.replace("number merged", f"number merged {field}")
    with pytest.raises(QueryError):
        execute(query, {"ids": []}, None)


def test_a_pull_request_that_is_not_merged_says_so(history):
    with serving(history, pulls={"team/app": [Pull(99)]}) as server, pytest.raises(NotFound) as caught:
        source(server).pull("team/app", 99)
    assert (caught.value.key, caught.value.fields["number"]) == ("pull_not_merged", 99)


# --- commits ---------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [TOKEN, ""])
def test_the_account_of_an_author_is_the_login(history, token):
    with serving(history, logins={"dev-one@example.com": "one"}) as server:
        read = source(server, token)
        (start,) = read.commits("team/app", "", DAY, at(1))
        assert (start.author, start.login) == ("dev-one", "one")
        assert read.commit("team/app", start.sha) == start


def test_a_branch_whose_name_could_be_a_sha_is_no_sha(tmp_path):
    build = Builder(tmp_path / "app.git")
    build.commit("root", at(1), {"a": "1\n"})
    build.ref("refs/heads/beef", "root")
    history = build.finish()
    assert not history.sha("root").startswith("beef")
    with serving(history) as server, pytest.raises(NotFound) as caught:
        source(server).commit("team/app", "beef")
    assert caught.value.key == "commit_unknown"


@pytest.mark.parametrize("sha", ["abc", "main", "../x", "g" * 7, "a" * 65, ""])
def test_what_is_no_sha_is_refused(history, sha):
    with serving(history) as server, pytest.raises(UsageError) as caught:
        source(server).commit("team/app", sha)
    assert caught.value.key == "sha_invalid"


@pytest.mark.parametrize("token", [TOKEN, ""])
def test_a_long_message_is_kept_to_its_limits(tmp_path, token):
    build = Builder(tmp_path / "app.git")
    build.commit("root", at(1), {"a": "1\n"}, message="s" * 1_500 + "\n\n" + "b" * 1_000_000)
    with serving(build.finish()) as server:
        commit = source(server, token).commits("team/app", "", DAY, NEXT_DAY)[0]
    assert commit.subject == "s" * 1_000
    assert commit.body.startswith("s" * 500 + "\n\nbbb")
    assert len(commit.body) <= 65_536
    assert commit.body.endswith("b\n[… 935,026 more characters]")


def test_an_author_without_a_name_is_called_by_the_address(tmp_path):
    build = Builder(tmp_path / "app.git")
    build.commit("root", at(1), {"a": "1\n"}, author=("", "dev-nine@example.com"))
    with serving(build.finish()) as server:
        assert source(server).commits("team/app", "", DAY, NEXT_DAY)[0].author == "dev-nine"


@pytest.mark.parametrize("token", [TOKEN, ""])
def test_a_commit_dated_some_hours_before_its_parent_hides_nothing(tmp_path, token):
    build = Builder(tmp_path / "app.git")
    build.commit("root", at(-40), {"a": "0\n"})
    build.commit("one", at(5), {"a": "1\n"})
    build.commit("slow clock", at(-9), {"a": "2\n"})
    build.commit("two", at(6), {"a": "3\n"})
    with serving(build.finish()) as server:
        found = source(server, token).commits("team/app", "", DAY, NEXT_DAY)
    assert [commit.subject for commit in found] == ["two", "one"]


# --- patches ---------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [TOKEN, ""])
def test_empty_files_bare_renames_and_changed_modes_have_no_lines(tmp_path, token):
    build = Builder(tmp_path / "app.git")
    build.commit("root", at(-40), {"moved.txt": lines(1, 9), "run.sh": "x\n"})
    changed = {"empty.txt": "", "moved.txt": None, "to.txt": lines(1, 9), "run.sh": script("x\n")}
    build.commit("quiet", at(1), changed)
    with serving(build.finish()) as server:
        read = source(server, token)
        (commit,) = read.commits("team/app", "", DAY, NEXT_DAY)
        ((_, patches),) = read.patches("team/app", [commit])
    assert commit.files == (
        FileChange("empty.txt", FileStatus.ADDED),
        FileChange("run.sh", FileStatus.MODIFIED),
        FileChange("to.txt", FileStatus.RENAMED, previous="moved.txt"),
    )
    assert [(patch.text, patch.complete) for patch in patches] == [("", True)] * 3


@pytest.mark.parametrize("token", [TOKEN, ""])
def test_a_changed_mode_is_told_from_a_changed_binary_file_in_five_folders(tmp_path, token):
    build = Builder(tmp_path / "app.git")
    before: dict = {f"{n}/run me#.sh": f"{n}\n" for n in range(7)}
    build.commit("root", at(-40), {**before, "0/logo.bin": BINARY, "0/old.bin": BINARY})
    changed = {path: script(text) for path, text in before.items()}
    build.commit("modes", at(1), {**changed, "0/logo.bin": BINARY + b"more", "0/old.bin": None})
    with serving(build.finish()) as server:
        (commit,) = source(server, token).commits("team/app", "", DAY, NEXT_DAY)
        assert server.counts["contents"] == 5 + (not token)  # without a token the mailmap takes one
    assert [file.path for file in commit.files if file.binary] == [
        "0/logo.bin",
        "0/old.bin",
        "5/run me#.sh",
        "6/run me#.sh",
    ]


def test_a_folder_that_cannot_be_listed_leaves_its_files_binary(tmp_path):
    build = Builder(tmp_path / "app.git")
    build.commit("root", at(-40), {"run.sh": "x\n"})
    build.commit("modes", at(1), {"run.sh": script("x\n")})
    with serving(build.finish()) as server:
        server.fault("contents", Fault(404, "Not Found"))
        (commit,) = source(server).commits("team/app", "", DAY, NEXT_DAY)
    assert commit.files == (FileChange("run.sh", FileStatus.MODIFIED, binary=True),)


def test_a_patch_that_github_leaves_out_is_incomplete(history):
    with serving(history) as server:
        server.repos["team/app"].patch_limit = 0
        read = source(server)
        ((_, (patch,)),) = read.patches("team/app", [read.commit("team/app", history.sha("mention"))])
    assert (patch.text, patch.complete) == ("", False)


def test_a_patch_is_kept_to_256_kib_of_whole_lines(tmp_path):
    build = Builder(tmp_path / "app.git")
    build.commit("root", at(1), {"big.txt": lines(1, 40_000), "small.txt": "1\n", "wide.txt": "w" * 5_000 + "\n"})
    with serving(build.finish()) as server:
        read = source(server)
        ((_, (big, small, wide)),) = read.patches("team/app", read.commits("team/app", "", DAY, NEXT_DAY))
    assert not big.complete
    assert 256 * 1024 - 20 < len(big.text) <= 256 * 1024
    assert big.text.rpartition("\n")[2].startswith("+line ")
    assert (small.text, small.complete) == ("@@ -0,0 +1 @@\n+1", True)
    assert not wide.complete
    assert max(map(len, wide.text.split("\n"))) == 4_000


def test_the_patches_of_a_commit_are_kept_to_8_mib(tmp_path):
    build = Builder(tmp_path / "app.git")
    build.commit("root", at(1), {f"{n:02}.txt": lines(1, 20_000) for n in range(40)})
    with serving(build.finish()) as server:
        read = source(server)
        ((_, patches),) = read.patches("team/app", read.commits("team/app", "", DAY, NEXT_DAY))
    assert sum(len(patch.text) for patch in patches) <= 8 * 1024 * 1024
    assert [patch.complete for patch in patches[:3]] == [True] * 3 or not patches[-1].complete
    assert not patches[-1].complete


# --- who asks --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keys() -> tuple[bytes, bytes]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048)
    form = serialization.Encoding.PEM
    private = key.private_bytes(form, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    return private, key.public_key().public_bytes(form, serialization.PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture
def key_file(tmp_path, keys):
    path = tmp_path / "app.pem"
    path.write_bytes(keys[0])
    return path


@pytest.mark.parametrize(("life", "tokens"), [(3600, 1), (10, 6)])
def test_an_app_gets_a_token_and_renews_it_before_it_ends(squashed, keys, key_file, life, tokens):
    app = App("4711", keys[1], 99, life)
    with serving(squashed, token="", app=app, private=["team/app"]) as server:
        given = settings(
            github_url=server.url, github_app_id="4711", github_app_key=key_file, github_app_installation=99
        )
        read = from_settings(given)
        assert len(read.commits("team/app", "", DAY, NEXT_DAY)) == 29
        assert server.counts["token"] >= tokens
        assert life == 10 or server.counts["token"] == 1


def test_nothing_that_is_logged_holds_a_token(squashed, keys, key_file, caplog):
    caplog.set_level(logging.DEBUG)
    app = App("4711", keys[1], 99)
    with serving(squashed, app=app) as server:
        source(server).repository("team/app")
        given = settings(
            github_url=server.url, github_app_id="4711", github_app_key=key_file, github_app_installation=99
        )
        from_settings(given).commits("team/app", "", DAY, NEXT_DAY)
        assert server.counts["token"] == 1
    assert "127.0.0.1" in caplog.text
    assert TOKEN not in caplog.text
    assert "ghs_" not in caplog.text


def test_an_app_without_all_of_its_settings_is_refused(key_file):
    with pytest.raises(ConfigError) as caught:
        from_settings(settings(github_app_id="4711", github_app_key=key_file))
    assert caught.value.key == "github_app_incomplete"


def test_a_key_that_is_none_or_cannot_be_read_is_refused(tmp_path):
    given = {"github_app_id": "4711", "github_app_installation": 99}
    path = tmp_path / "app.pem"
    with pytest.raises(ConfigError) as caught:
        from_settings(settings(github_app_key=path, **given))
    assert (caught.value.key, caught.value.fields) == ("github_app_key_unreadable", {"path": path})
    path.write_text("-----BEGIN RSA PRIVATE KEY-----\nsecret\n-----END RSA PRIVATE KEY-----\n")
    with pytest.raises(ConfigError) as caught:
        from_settings(settings(github_app_key=path, **given))
    assert caught.value.key == "github_app_key_invalid"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["api.github.com", "ftp://x", "https://"])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(ConfigError) as caught:
        from_settings(settings(github_url=url))
    assert caught.value.key == "github_url_wrong"


def test_a_connection_is_never_used_by_two_threads_at_once(squashed, monkeypatch):
    """PyGithub writes a request onto its connection and sends it in a second step."""
    kind = github.Requester.HTTPRequestsConnectionClass
    ask, answer = kind.request, kind.getresponse
    busy: Counter[int] = Counter()
    most: list[int] = []

    def request(self, *arguments, **options):
        busy[id(self)] += 1
        most.append(busy[id(self)])
        return ask(self, *arguments, **options)

    def getresponse(self):
        try:
            return answer(self)
        finally:
            busy[id(self)] -= 1

    monkeypatch.setattr(kind, "request", request)
    monkeypatch.setattr(kind, "getresponse", getresponse)
    with serving(squashed) as server, ThreadPoolExecutor(6) as pool:
        read = source(server)
        asked = [pool.submit(read.commits, "team/app", "", DAY, NEXT_DAY) for _ in range(6)]
        found = {tuple(commit.sha for commit in one.result()) for one in asked}
    assert found == {tuple(squashed.sha(f"c{n}") for n in range(29, 0, -1))}
    assert set(most) == {1}
    assert len(busy) > 1


# --- files of a pull request -----------------------------------------------------------------

PROVEN = {
    "oid": "a" * 40,
    "message": "Add it (#7)\n\nWhy.",
    "additions": 5,
    "deletions": 2,
    "changedFilesIfAvailable": 2,
    "associatedPullRequests": {
        "nodes": [
            {
                "number": 7,
                "merged": True,
                "mergeCommit": {"oid": "a" * 40},
                "commits": {"totalCount": 3},
                "files": {
                    "totalCount": 2,
                    "nodes": [
                        {"path": "a.py", "additions": 5, "deletions": 0, "changeType": "ADDED"},
                        {"path": "b.py", "additions": 0, "deletions": 2, "changeType": "DELETED"},
                    ],
                },
            }
        ]
    },
}


def changed(path: str, value: object) -> dict:
    """`PROVEN` with another value at a dotted path."""
    detail = copy.deepcopy(PROVEN)
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    functools.reduce(operator.getitem, way, detail)[last] = value
    return detail


def test_files_of_a_pull_request_that_are_provably_the_commit_s_are_taken():
    assert answers.proven_files(answers.Detail.model_validate(PROVEN)) == (
        FileChange("a.py", FileStatus.ADDED, 5, 0),
        FileChange("b.py", FileStatus.REMOVED, 0, 2),
    )


PULL = "associatedPullRequests.nodes.0"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("associatedPullRequests", None),
        ("associatedPullRequests.nodes", []),
        ("message", "Add it"),
        ("message", "Add it (#8)"),
        ("additions", 6),
        ("deletions", 1),
        ("changedFilesIfAvailable", 3),
        ("changedFilesIfAvailable", None),
        (f"{PULL}.merged", False),
        (f"{PULL}.mergeCommit", None),
        (f"{PULL}.mergeCommit.oid", "b" * 40),
        (f"{PULL}.files", None),
        (f"{PULL}.files.totalCount", 101),
        (f"{PULL}.files.nodes.0.changeType", "RENAMED"),
        (f"{PULL}.files.nodes.0.changeType", "COPIED"),
        (f"{PULL}.files.nodes.1", {"path": "b.bin", "additions": 0, "deletions": 0, "changeType": "MODIFIED"}),
    ],
)
def test_one_doubt_is_enough_to_ask_rest(path, value):
    assert answers.proven_files(answers.Detail.model_validate(changed(path, value))) is None


def test_a_pull_request_of_one_commit_needs_no_number_in_the_subject():
    detail = changed(f"{PULL}.commits.totalCount", 1) | {"message": "Add it"}
    assert answers.proven_files(answers.Detail.model_validate(detail)) is not None


# --- looking things up -----------------------------------------------------------------------

WORD = Look(LookKind.WORD, "load_user")
PLACES = (Look(LookKind.PLACE, path="src/server.py"), Look(LookKind.BEFORE, path="src/gone.py"))


def asked(read: GitHubSource, looks: History, name: str = "change"):
    """A commit of the repository of things to look up."""
    return read.commit("team/app", looks.sha(name))


def look(read: GitHubSource, commit, *asked: Look):
    return read.look("team/app", commit, asked or (WORD, *PLACES))


def test_an_archive_is_fetched_once_and_a_file_of_the_parent_once(looks, tmp_path):
    with serving(looks) as server:
        read = source(server, archives=tmp_path)
        commit = asked(read, looks)
        server.counts.clear()
        first, again = look(read, commit), look(read, commit)
        assert first == again
        assert all(sight.excerpts for sight in first)
        # The contents are those of `.gitattributes`, which may leave files out, and of the file before.
        assert server.counts == {"tarball": 1, "codeload": 1, "contents": 2}
        assert look(source(server, archives=tmp_path), commit) == first, "another process has it too"
        assert server.counts["codeload"] == 1


def test_places_alone_fetch_no_archive(looks, tmp_path):
    with serving(looks) as server:
        read = source(server, archives=tmp_path)
        commit = asked(read, looks)
        server.counts.clear()
        assert all(sight.excerpts for sight in look(read, commit, *PLACES))
        assert server.counts == {"contents": 2}


def test_a_private_repository_s_archive_is_fetched_with_its_own_token_alone(looks, tmp_path, caplog, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login dev-one password netrc0secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    kept = tmp_path / "archives"
    with serving(looks, private=["team/app"]) as server, caplog.at_level(logging.DEBUG):
        read = source(server, archives=kept)
        assert look(read, asked(read, looks))[0].hits == 12
        assert server.counts["codeload"] == 1
    told = caplog.text + "".join(path.read_text(errors="replace") for path in kept.rglob("*.json"))
    assert TOKEN not in told
    assert ARCHIVE_TOKEN not in told


def test_an_archive_comes_from_the_host_that_the_table_names_and_from_no_other(looks, tmp_path, monkeypatch):
    with serving(looks, codeload="localhost") as server:
        read = source(server, archives=tmp_path)
        commit = asked(read, looks)
        word, *places = look(read, commit)
        assert word.refused == "cannot be searched here"
        assert all(place.excerpts for place in places)
        assert not server.counts["codeload"]
        monkeypatch.setattr(addresses, "serves", lambda service, asked, url: service is Service.GITHUB)
        assert look(read, commit)[0].hits == 12


def test_without_a_folder_for_archives_files_are_asked_for_one_by_one(looks):
    with serving(looks) as server:
        read = source(server)
        word, *places = look(read, asked(read, looks))
        assert word.refused == "cannot be searched here"
        assert all(place.excerpts for place in places)
        assert not server.counts["tarball"]


def test_of_one_commit_twenty_files_are_asked_for(looks):
    with serving(looks) as server:
        read = source(server)
        commit = asked(read, looks)
        many = [Look(LookKind.PLACE, path=f"many/f{n:03}.txt") for n in range(25)]
        first = look(read, commit, *many[:15])
        second = look(read, commit, *many[10:])
        assert [bool(sight.excerpts) for sight in (*first, *second)] == [True] * 25 + [False] * 5
        assert {sight.refused for sight in second[-5:]} == {"could not be read"}
        assert look(read, asked(read, looks, "merge"), many[24])[0].excerpts


def test_half_of_an_hour_s_requests_are_left_for_what_must_be_read(looks):
    with serving(looks) as server:
        read = source(server)
        commit = asked(read, looks)
        server.remaining = 2_501
        first = look(read, commit, PLACES[0])
        read.commit("team/app", looks.sha("root"))
        server.counts.clear()
        second = look(read, commit, PLACES[1])
        assert (bool(first[0].excerpts), second[0].refused) == (True, "could not be read")
        assert not server.counts["contents"]


def limited(looks, tmp_path, monkeypatch, **limits: float):
    """What a search finds at three commits, one after the other, under other limits; and how many were fetched."""
    for name, value in limits.items():
        monkeypatch.setattr(archives, name, value)
    with serving(looks) as server:
        read = source(server, archives=tmp_path)
        found = [look(read, asked(read, looks, name), WORD)[0] for name in ("change", "root", "merge", "change")]
        return [sight.refused for sight in found], server.counts["codeload"]


UNSEARCHABLE = "cannot be searched here"


@pytest.mark.parametrize("name", ["ARCHIVE_BYTES", "ARCHIVE_SECONDS", "UNPACKED_BYTES", "ARCHIVE_FILES"])
def test_an_archive_beyond_a_limit_is_given_up_once_and_for_the_day(looks, tmp_path, monkeypatch, name):
    refused, fetched = limited(looks, tmp_path, monkeypatch, **{name: 0})
    assert refused == [UNSEARCHABLE] * 4
    assert fetched == (3 if name == "ARCHIVE_FILES" else 1)
    assert not list(tmp_path.rglob("*.files"))


def test_another_commit_s_archive_is_fetched_while_one_as_large_is_within_the_day_s_limit(looks, tmp_path, monkeypatch):
    with serving(looks) as server:
        size = len(server.repos["team/app"].archive(looks.sha("root"), "x/"))
    refused, fetched = limited(looks, tmp_path, monkeypatch, ARCHIVE_BYTES=size * 2.5)
    assert refused == ["", "", UNSEARCHABLE, ""]
    assert fetched == 2


def test_archives_are_kept_for_a_day(looks, tmp_path):
    now = [at(9)]
    with serving(looks) as server:
        made = Client(Auth.Token(TOKEN), server.url, sleep=_no_sleep, now=lambda: now[0])
        read = GitHubSource(made, tmp_path)
        commit = asked(read, looks)
        for hour, fetched in ((9, 1), (23, 1), (24, 2), (50, 3)):
            now[0] = at(hour)
            assert look(read, commit, WORD)[0].hits == 12
            assert server.counts["codeload"] == fetched
            assert [path.name for path in tmp_path.iterdir()] == [f"{at(hour):%Y-%m-%d}"]


def test_an_archive_that_leaves_files_out_proves_no_absence(tmp_path):
    build = Builder(tmp_path / "app.git")
    ignore = "/tests export-ignore\n/.gitattributes export-ignore\n"
    build.commit("one", at(1), {".gitattributes": ignore, "tests/a.py": "hidden = 1\n", "b.py": "shown = 1\n"})
    history = build.finish()
    with serving(history) as server:
        read = source(server, archives=tmp_path / "archives")
        asked = [Look(LookKind.WORD, "shown"), Look(LookKind.WORD, "hidden"), Look(LookKind.PLACE, path="tests/a.py")]
        shown, hidden, place = look(read, read.commit("team/app", history.sha("one")), *asked)
    assert (shown.hits, shown.refused, shown.partial) == (1, "", True)
    assert hidden.refused.startswith("could not be searched in full")
    assert place.excerpts[0].lines == ("hidden = 1",)


@pytest.mark.parametrize(("path", "partial"), [("data/huge.txt", False), ("src/huge.py", True)])
def test_an_archive_with_code_too_large_to_search_is_searched_in_part(tmp_path, path, partial):
    build = Builder(tmp_path / "app.git")
    build.commit("one", at(1), {"small.py": "a_word\n", path: "x = 1\n" * 200_000})
    history = build.finish()
    with serving(history) as server:
        read = source(server, archives=tmp_path / "archives")
        commit = read.commit("team/app", history.sha("one"))
        word, none = look(read, commit, *(Look(LookKind.WORD, name) for name in ("a_word", "no_word")))
    assert (word.hits, word.partial) == (1, partial)
    assert (none.hits, none.refused, none.partial) == (0, "", partial)


def packed(*members: tuple[str, bytes, dict[str, object]]) -> bytes:
    """A tar.gz of files, of which each may have attributes of a TarInfo."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as tar:
        for name, content, more in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in more.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(content)) if info.size == len(content) else tar.fileobj.write(info.tobuf())
    return held.getvalue()


def test_nothing_in_an_archive_is_written_anywhere_but_where_it_is_kept(looks, tmp_path):
    hostile = packed(
        ("../../escaped", b"load_user", {}),
        ("/tmp/escaped", b"load_user", {}),
        ("x/a.py", b"load_user = 1\n", {}),
        ("x/link", b"", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}),
        ("x/hard", b"", {"type": tarfile.LNKTYPE, "linkname": "/etc/passwd"}),
        ("x/null", b"", {"type": tarfile.CHRTYPE}),
        ("x/pipe", b"", {"type": tarfile.FIFOTYPE}),
        ("nofolder", b"load_user", {}),
    )
    with serving(looks) as server:
        read = source(server, archives=tmp_path / "archives")
        commit = asked(read, looks)
        server.fault("codeload", Fault(200, body=hostile))
        places = [Look(LookKind.PLACE, path=path) for path in ("a.py", "link", "hard", "null")]
        word, *found = look(read, commit, WORD, *places)
    assert "a.py" in [excerpt.path for excerpt in word.excerpts]
    assert [sight.refused for sight in found] == ["", "a symbolic link", "no such path", "no such path"]
    kept = sorted(path.suffix for path in tmp_path.rglob("*") if path.is_file())
    assert kept == [".files", ".json"]


def test_an_archive_that_unpacks_to_too_much_is_given_up_before_it_does(looks, tmp_path):
    bomb = packed(("x/a.py", b"load_user", {}), ("x/zeros", b"\0" * 2_000_000, {}), ("x/b", b"", {"size": 10**12}))
    with serving(looks) as server:
        read = source(server, archives=tmp_path)
        commit = asked(read, looks)
        server.fault("codeload", Fault(200, body=bomb))
        assert look(read, commit, WORD)[0].refused == UNSEARCHABLE


@pytest.mark.parametrize(
    "held", ["", "{", "[]", "null", '{"paths": []}', '{"paths": 3, "spent": {}}', '{"spent": {"odd": 1}}']
)
def test_what_somebody_did_to_the_kept_files_costs_the_search_alone(looks, tmp_path, held):
    with serving(looks) as server:
        read = source(server, archives=tmp_path)
        commit = asked(read, looks)
        look(read, commit)
        for path in tmp_path.rglob("*.json"):
            path.write_text(held)
        word, *places = look(read, commit)
        assert word.refused
        assert all(place.excerpts for place in places)


def test_an_archive_that_is_gone_from_the_disk_costs_the_search_alone(looks, tmp_path):
    with serving(looks) as server:
        read = source(server, archives=tmp_path)
        commit = asked(read, looks)
        look(read, commit)
        for path in tmp_path.rglob("*.files"):
            path.unlink()
        word, *places = look(read, commit)
        assert word.refused == "could not be read"
        assert all(place.excerpts for place in places)


def test_a_disk_that_cannot_be_written_to_costs_the_search_alone(looks, tmp_path):
    (tmp_path / "file").write_text("")
    with serving(looks) as server:
        read = source(server, archives=tmp_path / "file" / "archives")
        word, *places = look(read, asked(read, looks))
        assert word.refused == UNSEARCHABLE
        assert all(place.excerpts for place in places)


def test_several_threads_fetch_one_archive(looks, tmp_path):
    with serving(looks) as server:
        read = source(server, archives=tmp_path)
        commit = asked(read, looks)
        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(lambda _: look(read, commit), range(12)))
        assert found == [found[0]] * 12
        assert server.counts["codeload"] == 1


def test_what_is_no_commit_cannot_be_looked_into(looks):
    with serving(looks) as server:
        read = source(server)
        commit = replace(asked(read, looks), sha="../../user")
        with pytest.raises(NotFound):
            look(read, commit)
