"""The same day through a clone and through GitHub gives the same digest, byte for byte."""

import datetime
import subprocess
from dataclasses import replace

import pytest
from github_server import TOKEN, GitHubServer
from repositories import contract_history
from world import HOME, World, busy_day, words

from adapters.sources.git.source import GitSource
from adapters.sources.github import source as github
from adapters.sources.github.settings import GitHubSettings
from bot.commits.hosts import Hosts, Kind
from bot.delivery import schedule
from bot.posts import report
from bot.rights import Who
from bot.texts import Texts
from bot.values import Repository, Scope


@pytest.fixture(scope="module", params=["busy", "contract"])
def day(request, tmp_path_factory):
    """A repository and the date of its day."""
    path = tmp_path_factory.mktemp(request.param) / "app"
    return (busy_day(path), "2026-02-18") if request.param == "busy" else (contract_history(path), "2026-02-16")


@pytest.fixture
def told(tmp_path, clock, day):
    """The digest of that day from each source, with and without a token."""
    history, date = day
    period = schedule.day(datetime.date.fromisoformat(date), "UTC")
    with GitHubServer({"team/app": history.path}) as server:
        origin = f"{server.web}/team/app.git"
        subprocess.run(["git", "-C", str(history.path), "config", "remote.origin.url", origin], check=True)
        made = {}
        for name, repo, token in [
            ("git", str(history.path), ""),
            ("token", "team/app", TOKEN),
            ("public", "team/app", ""),
        ]:
            folder = tmp_path / name
            folder.mkdir()
            world = World(folder, clock, repo)
            hosts = Hosts({server.web.partition("://")[2]: Kind.GITHUB})
            world.repositories.source_of = lambda _, f=folder, h=hosts: GitSource(f / "clones", hosts=h)
            if name != "git":
                settings = GitHubSettings(github_token=token, github_url=server.url)
                world.repositories.source_of = lambda _, s=settings: github.from_settings(s)
            repository = world.repositories.find(repo, Who(HOME))
            made[name] = (world.app.digest(repository, Scope(repository.name, period, "en")), world)
        yield made
        for _, world in made.values():
            world.close()


def anonymous(digest):
    """The digest without what a source alone knows: its name for the repository, accounts, labels, and privacy."""
    repository = replace(digest.repository, name="", private=False, labelled=False)
    entries = tuple(replace(e, commit=_anonymous(e.commit)) for e in digest.entries)
    return replace(digest, repository=repository, entries=entries)


def _anonymous(commit):
    people = tuple(replace(person, login=None) for person in commit.reading.people)
    return replace(commit, repo="", login=None, reading=replace(commit.reading, people=people))


@pytest.mark.parametrize("other", ["token", "public"])
def test_reports_are_equal_byte_for_byte(told, other):
    digests = [told["git"][0], told[other][0]]
    if other == "public":  # REST alone tells of no releases
        digests[0] = replace(digests[0], releases=())
    assert isinstance(digests[0].repository, Repository)
    assert anonymous(digests[0]) == anonymous(digests[1])
    for language in ("en", "zh"):
        texts = Texts(language)
        assert report.markdown([digests[0]], texts) == report.markdown([digests[1]], texts)
        assert report.html([digests[0]], texts) == report.html([digests[1]], texts)
    assert report.json([digests[0]]) == report.json([digests[1]])


@pytest.mark.parametrize("other", ["token", "public"])
def test_one_commit_is_told_alike(told, day, other):
    history, _ = day
    sha = history.sha("high3" if "high3" in history.shas else "squash")[:7]
    said = told["git"][1].said(sha)
    released = " Release first released in  v1" if other == "public" and "squash" in history.shas else ""
    assert said.count(released) > 0
    assert said.replace(released, "") == told[other][1].said(sha)
    assert sha in words(told["git"][1].ask(sha)[0].headline)
