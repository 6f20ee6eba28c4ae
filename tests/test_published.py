"""Published releases at GitHub: their times and notes, drafts, and what the API does not tell; over the fake GitHub."""

from contextlib import contextmanager

import pytest
from github import Auth
from github_server import TOKEN, GitHubServer, Published
from repositories import Builder, at
from world import World, words

from adapters.sources.github import answers
from adapters.sources.github.client import Client
from adapters.sources.github.source import GitHubSource
from bot.values import Release

NOTES = """## What's Changed

### Breaking Changes 🛠
* The `port` option is gone, use `--listen` by @dev-one in https://github.com/team/app/pull/12
* **BREAKING**: Python 3.9 is no longer supported by @dev-two in #13

### Exciting New Features 🎉
* A faster start by @dev-one in #14

**Full Changelog**: https://github.com/team/app/compare/v1.0.0...v1.1.0
"""


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    build = Builder(tmp_path_factory.mktemp("published") / "app.git")
    build.commit("root", at(-200), {"app.py": "1\n"})
    build.ref("refs/tags/v1.0.0", "root")
    build.commit("gone", at(-90), {"app.py": "2\n"}, message="feat!: drop the port option (#12)")
    build.commit("other", at(-80), {"app.py": "3\n"}, message="feat!: another name (#15)")
    build.commit("cut", at(-70), {"app.py": "4\n"}, message="Release v1.1.0 (#16)")
    build.ref("refs/tags/v1.1.0", "cut")
    build.commit("fix", at(-60), {"app.py": "5\n"}, branch="v1", parents=["gone"], message="fix: a fault (#17)")
    build.tag("v1.0.1", "fix", at(5))
    build.commit("late", at(3), {"app.py": "6\n"}, message="fix: late (#18)")
    build.ref("refs/tags/latest", "late")
    return build.finish()


@contextmanager
def served(history, *releases, token=TOKEN, **options):
    published = {"team/app": releases}
    with GitHubServer({"team/app": history.path}, releases=published, **options) as server:
        yield GitHubSource(Client(Auth.Token(token) if token else None, server.url, sleep=lambda _: None)), server


def test_a_tag_without_a_time_of_its_own_was_made_when_it_was_published(history):
    published = Published("v1.1.0", at(4), NOTES), Published("v1.0.1", at(30))
    with served(history, *published) as (source, _):
        assert source.releases("team/app") == (
            Release("v1.0.0", history.sha("root"), at(-200)),
            Release("v1.1.0", history.sha("cut"), at(4)),
            Release("v1.0.1", history.sha("fix"), at(5)),
        )
        assert [release.name for release in source.releases("team/app", at(0))] == ["v1.1.0", "v1.0.1"]


def test_what_is_published_is_known_though_its_tag_was_not_read_unless_that_is_gone():
    said = {"tagName": "v1.0.0", "isDraft": False, "publishedAt": "2026-02-16T06:00:00Z"}
    commit = {"oid": "a" * 40, "committedDate": "2026-01-01T00:00:00Z"}
    gone = {**said, "tagName": "v7.7.7", "tagCommit": None}
    data = {"repository": {"releases": {"nodes": [{**said, "tagCommit": commit}, gone, None]}}}
    assert answers.published((), answers.read(answers.Published, data).nodes) == (Release("v1.0.0", "a" * 40, at(6)),)


def test_drafts_are_no_releases_also_where_the_token_is_shown_them(history):
    draft = Published("v1.1.0", None, "secret plans")
    for pushes in (False, True):
        with served(history, draft, pushes=pushes) as (source, _):
            assert {r.name: r.made for r in source.releases("team/app")}["v1.1.0"] == at(-70)
            assert source.notes("team/app", ["v1.1.0"]) == {}


def test_notes_are_asked_for_by_name_ten_at_a_time(history):
    names = [f"v9.{number}.0" for number in range(24)]
    published = [Published("v1.1.0", at(4), NOTES), Published("v1.0.1", at(5), "x" * 125_000)]
    with served(history, *published) as (source, server):
        found = source.notes("team/app", [*names, "v1.1.0", "v1.0.1", "v1.1.0", 'x"} evil'])
        assert server.counts == {"graphql": 3}
    assert found.keys() == {"v1.1.0", "v1.0.1"}
    assert found["v1.1.0"] == NOTES
    assert len(found["v1.0.1"]) == 120_000


def test_without_a_token_nothing_is_told_and_nothing_asked(history):
    with served(history, Published("v1.1.0", at(4), NOTES), token="") as (source, server):
        assert source.releases("team/app") == ()
        assert source.notes("team/app", ["v1.1.0"]) == {}
        assert not server.counts


def test_a_release_of_the_day_leads_the_headline_with_what_its_notes_say_it_breaks(history, tmp_path, clock):
    with served(history, Published("v1.1.0", at(4), NOTES)) as (source, server):
        world = World(tmp_path, clock, "team/app")
        world.sources = lambda _: source
        (said,) = world.ask("/digest 2026-02-16")
        world.close()
        page = f"{server.web}/team/app/releases/tag/"
    text = words(said.headline).replace("  ", " ")
    assert "v1.1.0 · 04:00 · 3 commits since v1.0.0 · breaking: The `port` option is gone, use `--listen` ;" in text
    assert "Python 3.9 is no longer supported ; 1 more" in text
    assert "v1.0.1 · 05:00 · 2 commits since v1.0.0 · 1 of them only on the release branch" in text
    assert "fix: late" in text
    beneath = {m.key: words(m) for m in said.replies}
    assert "another name" in beneath["release:v1.1.0"]  # its notes do not name it
    assert "drop the port option" not in beneath["release:v1.1.0"]  # they do
    assert "fix: a fault" in beneath["release:v1.0.1"]
    (released,) = [part for part in said.headline.parts if getattr(part, "heading", "") == "Releases"]
    assert [line[0].url for line in released.lines] == [f"{page}v1.0.1", f"{page}v1.1.0"]


def test_the_digest_of_a_release_is_read_from_afar(history, tmp_path, clock):
    with served(history, Published("v1.1.0", at(4), NOTES)) as (source, _):
        world = World(tmp_path, clock, "team/app")
        world.sources = lambda _: source
        (said,) = world.ask("/digest v1.1.0")
        one = world.said(f"team/app@{history.sha('fix')}")
        world.close()
    assert "3 commits | " in words(said.headline)
    assert "team/app · v1.1.0, since v1.0.0" in words(said.headline)
    assert "first released in v1.0.1" in one.replace("  ", " ")
