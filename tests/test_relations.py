"""Which earlier commit one means that names it: by what is kept, in a real store; the branches are a list."""

from datetime import timedelta

import pytest
from make import MOMENT, REPOSITORY, change, commit, sha

from adapters.stores.sqlite import SqliteStore
from bot.commits import hosts
from bot.commits.related import Landed
from bot.errors import Unavailable
from bot.judgement.history import History
from bot.values import DeliveredCommit, Grade, Importance, Place, Repository

HOUR = timedelta(hours=1)
GITLAB_URL = "https://gitlab.com/team/app"
GITLAB = Repository("team/app", "team/app", "main", GITLAB_URL, False, hosts.links(hosts.Kind.GITLAB, GITLAB_URL))


class Branches:
    """A source that knows which commits are on which branch."""

    def __init__(self, **branches):
        self.branches = {name.replace("_", "/"): set(shas) for name, shas in branches.items()}
        self.known, self.asked = {}, []

    def commits(self, repo, branch, since, until):
        self.asked.append(branch)
        on = (self.known[each] for each in self.branches[branch])
        return tuple(c for c in on if since <= c.committed < until)

    def quota(self):
        return None


class Silent(Branches):
    def commits(self, *_):
        raise Unavailable("github_unavailable")


@pytest.fixture
def store(tmp_path):
    made = SqliteStore(tmp_path / "digest.db")
    yield made
    made.close()


def landed(number, subject, body="", hours=0, **more):
    return commit(subject, change(), sha=sha(number), body=body, committed=MOMENT + hours * HOUR, **more)


def meant(store, later, *kept, source=None, branch="main", day=(), repository=REPOSITORY):
    """What a commit says that it does with which of those that are kept, by their numbers; `#1` where nobody knows."""
    store.keep_commits(kept)
    source = source or Branches(main=())
    source.known = {c.sha: c for c in kept}
    found = History(repository, source, store, branch).relations(later, Landed((later, *day)))
    return [(r.kind, int(r.sha[:7], 16) if r.sha else f"#{r.pull}") for r in found]


ORIGINAL, TWIN = (landed(n, "feat: a cache (#1)", hours=n) for n in (1, 2))
BY_NUMBER = landed(9, "Revert the new default from #1 (#9)", hours=9)
BY_TITLE = landed(9, 'Revert "feat: a cache"', hours=9)


@pytest.mark.parametrize("later", [BY_NUMBER, BY_TITLE], ids=["number", "title"])
def test_of_twins_the_one_on_the_branch_is_meant(store, later):
    both = (ORIGINAL, TWIN)
    assert meant(store, later, *both, source=Branches(main=[sha(1)], release_1=[sha(2)])) == [("reverts", 1)]
    there = Branches(main=[sha(1)], release_1=[sha(2)])
    assert meant(store, later, *both, source=there, branch="release/1") == [("reverts", 2)]
    default = Branches(main=[sha(1)], release_1=[])
    assert meant(store, later, *both, source=default, branch="release/1") == [("reverts", 1)]


def test_of_two_on_the_branch_the_latest_is_meant_and_of_none_nobody_knows(store):
    both = (ORIGINAL, TWIN)
    assert meant(store, BY_NUMBER, *both, source=Branches(main=[sha(1), sha(2)])) == [("reverts", 2)]
    assert meant(store, BY_NUMBER, *both, source=Branches(main=[])) == [("reverts", "#1")]
    assert meant(store, BY_TITLE, *both, source=Silent(main=[])) == []
    assert meant(store, BY_NUMBER, day=both[::-1]) == [("reverts", 2)]


def test_only_where_several_may_be_meant_a_source_is_asked(store):
    source = Branches(main=[sha(1)])
    assert meant(store, BY_NUMBER, ORIGINAL, source=source) == [("reverts", 1)]
    assert source.asked == []


def test_who_was_told_of_a_commit_before_knows_that_it_is_the_earlier_one_whatever_their_dates_say(store, monkeypatch):
    ahead, told = landed(1, "feat: a cache (#1)", hours=99), {}
    monkeypatch.setattr(store, "delivered_to", lambda _, name: told.get(name, ()))
    assert meant(store, BY_NUMBER, ahead) == [("reverts", "#1")]
    assert meant(store, BY_TITLE, ahead) == []
    told[sha(1)] = (DeliveredCommit(sha(1), Grade(Importance.LOW, (), "", "", 0.1), Place("slack", "C1"), MOMENT),)
    assert meant(store, BY_TITLE, ahead) == [("reverts", 1)]


@pytest.mark.parametrize("same_day", [True, False], ids=["same day", "kept"])
def test_who_names_a_commit_that_a_merge_brought_means_the_merge_unless_it_takes_back_only_that(store, same_day):
    def said(body, *inner):
        merge = commit("Merge pull request #1 from u/cache", sha=sha(70), inner=inner, committed=MOMENT - HOUR)
        later = landed(8, "fix: a crash", body.format(merge.inner[0].sha))
        return meant(store, later, day=[merge]) if same_day else meant(store, later, merge)

    steps = ("feat: a cache", "feat: more of it")
    assert said("Fixes: commit {}", *steps) == [("repairs", 70)]
    assert said("This reverts commit {}.", *steps) == []
    assert said("This reverts commit {}.", steps[0]) == [("reverts", 70)]


def test_all_that_are_named_are_known(store):
    eight = [landed(n, f"feat: part {n} (#{n})", hours=-n) for n in range(1, 9)]
    names = ", ".join(f"#{n}" for n in range(1, 8))
    found = meant(store, landed(20, f"Revert {names} and #8 (#20)"), *eight)
    assert found == [("reverts", n) for n in range(1, 9)]


def test_where_change_requests_have_a_sign_of_their_own_a_plain_number_is_an_issues(store):
    request = landed(1, "feat: a cache", body="See merge request team/app!12")
    issue, named = (landed(n, "feat: more", body=f"Follow-up to {s}12", hours=n) for n, s in ((2, "#"), (3, "!")))
    assert (
        meant(store, issue, request, repository=GITLAB) == meant(store, issue, day=[request], repository=GITLAB) == []
    )
    assert meant(store, named, request, repository=GITLAB) == [("completes", 1)]
