"""What becomes of a subscription when its branch is rewritten, replaced or cut off: nothing is told in floods."""

import random
from datetime import timedelta

import pytest
from git_server import GitServer
from github_server import TOKEN
from repositories import git
from test_pushes import DAY, HOUR, START, Follower, Made, Pushes, _git, _github
from test_worker import DAY as A_DAY
from test_worker import Time, opened

from adapters.sources.git.source import GitSource
from bot.delivery.arrival import arrival, said
from bot.texts import Texts
from bot.values import Filters, Mark, Window


@pytest.fixture(params=["git", "github"])
def told(request, tmp_path, monkeypatch):
    """Tells, for each of some mornings, what a follower was told of the head that was pushed before."""
    monkeypatch.setattr("github.Requester.time.sleep", lambda _: None)
    pushes = Pushes(tmp_path / "repo.git", random.Random(0))
    opening = _git(pushes, tmp_path) if request.param == "git" else _github(pushes, TOKEN)
    with opening as (source, repo, fresh):
        follower = Follower(pushes, source, repo)

        def morning(day, head=None):
            before = follower.told.copy()
            if head:
                pushes.push(head)
            with fresh:
                follower.morning(START + day * DAY - 3 * HOUR, "d")
            return set(follower.told - before)

        morning.pushes, morning.follower = pushes, follower
        yield morning


def uids(*made):
    return {one.uid for one in made}


@pytest.mark.parametrize("dropped", [0, 1])
def test_a_merge_the_other_way_that_waits_keeps_the_tip_where_it_was(told, dropped):
    """It was pushed in the morning and undone at noon: what the branch had before is not new then.

    Nor is it where the push also dropped the newest commit.
    """
    pushes = told.pushes
    root = pushes.new(START - 30 * DAY)
    main = pushes.some(root, [START - n * DAY for n in range(20, 1, -1)])
    told(1, main)
    own, main = pushes.new(START + DAY - 12 * HOUR, root), main.line()[dropped]
    assert told(2, pushes.new(START + 2 * DAY - 4 * HOUR, own, main)) == set()
    merged = pushes.new(START + 2 * DAY + HOUR, main, own)
    assert told(3, merged) == uids(merged)


def test_a_rebase_that_flattens_a_merge_tells_nothing_of_it_again_and_misses_nothing(told):
    pushes = told.pushes
    root = pushes.new(START - 30 * DAY)
    told(1, root)
    side = pushes.some(root, [START + HOUR, START + 2 * HOUR])
    merge = pushes.new(START + DAY - 8 * HOUR, root, side)
    assert told(2, pushes.new(START + DAY - 6 * HOUR, merge)) == uids(merge, pushes.head)
    last = pushes.head
    flat = pushes.new(START + 2 * DAY - 9 * HOUR, root)
    zero = flat
    for one in (side.parents[0], side, last):
        flat = Made(one.uid, START + 2 * DAY - 8 * HOUR, one.authored, one.title, (flat,))
    assert told(3, flat) == uids(zero)
    # The merge is not named as gone: what it brought is there.
    assert told.follower.notices == [
        f"The branch was rewritten (it was at {last.sha[:7]}). Already reported, so not repeated: 3 commits."
    ]


def test_a_history_with_other_names_and_titles_is_known_by_its_trees(told, monkeypatch):
    monkeypatch.setattr("bot.delivery.arrival._ids", lambda some, _: {} if not some else pytest.fail("reads patches"))
    pushes = told.pushes
    root = pushes.new(START - 90 * DAY)
    main = pushes.some(root, [START - n * DAY for n in range(40, 0, -1)])
    told(1, main)
    new = root
    for one in main.line()[-2::-1]:
        new = Made(one.uid, one.at, one.authored + HOUR, f"chore: {one.title}", (new,))
    fresh = pushes.new(START + DAY - 8 * HOUR, new)
    assert told(2, fresh) == uids(fresh)


def test_right_after_an_upgrade_what_lies_above_all_that_was_told_is_new(told):
    pushes = told.pushes
    newest = pushes.some(pushes.new(START - 30 * DAY), [START - 12 * HOUR])
    pushes.push(newest)
    told.follower.morning(START + DAY - 3 * HOUR, "o")
    assert told.follower.told.keys() == uids(newest)
    # One dated earlier than what was told of, one later and yet before this period.
    late = pushes.new(START - 10 * HOUR, pushes.new(START - 3 * DAY, newest))
    today = pushes.new(START + DAY + 3 * HOUR, late)
    assert told(2, today) == uids(*late.line()[:2], today)
    assert told(3) == set()


def test_a_force_push_past_what_was_never_read_and_is_deleted_stops_nothing(tmp_path):
    """A partial clone knows of the commits that are gone, and lacks their files for ever."""
    server, now = GitServer(tmp_path / "served"), [1_000.0]
    pushes = Pushes(tmp_path / "served" / "app.git", random.Random(0))
    git(pushes.path, "config", "uploadpack.allowFilter", "true")
    main = pushes.some(pushes.new(START - 9 * DAY), [START - n * DAY for n in (8, 7, 6, 1)])
    pushes.push(main)
    with server:
        source, url = GitSource(tmp_path / "clones", clock=lambda: now[0]), server.url("app.git")
        first = source.landed(url, "main", None, Window(START - 2 * DAY, START, START))
        assert len(first.commits) == 1
        other = pushes.new(START + HOUR, main.line()[3])
        pushes.push(other)
        git(pushes.path, "update-ref", "-d", "refs/made")
        git(pushes.path, "gc", "-q", "--prune=now")
        now[0] += 1_000
        landing = source.landed(url, "main", first.tip, Window(START, START + DAY, START + DAY))
        come = arrival("main", Mark("main", first.tip), landing, lambda some: source.patches(url, some))
    assert [commit.sha for commit in come.commits] == [other.sha]
    assert (come.mark.tip, come.missing, said(come, Texts("en"))) == (other.sha, 3, ())


# --- In a channel ----------------------------------------------------------------------------


@pytest.fixture
def bot(tmp_path):
    with opened(tmp_path, Time(A_DAY - timedelta(hours=12))) as made:
        yield made


def test_a_subscription_hears_of_a_rewrite_what_its_filters_let_through(bot):
    """What nobody told it of is not called reported, and on a quiet day nothing is posted for it."""
    bot.follow(filters=Filters(authors=("alice",)))
    bot.at("18T09:00")
    bot.build.commit("one", A_DAY + 3 * HOUR, {"a": "1\n"}, author=("alice", "alice@example.com"))
    bot.build.commit("bob", A_DAY + 4 * HOUR, {"b": "1\n"}, author=("bob", "bob@example.com"))
    bot.build.finish()
    bot.at("19T09:00")
    git(bot.folder / "repo", "update-ref", "refs/heads/main", "main^")
    bot.at("20T09:00")
    assert len(bot.tops()) == 1
    git(bot.folder / "repo", "update-ref", "refs/heads/main", "main^")
    bot.at("21T09:00")
    assert "no longer on it" in str(bot.tops()[-1])


def test_a_filter_of_labels_that_nobody_knows_hides_no_rewrite(bot):
    bot.follow(filters=Filters(labels=("bug",)))
    bot.commit("one", A_DAY + timedelta(hours=3))
    bot.at("19T09:00")
    assert "fix: one" in str(bot.tops()[-1])
    git(bot.folder / "repo", "update-ref", "refs/heads/main", "main^")
    bot.at("20T09:00")
    assert "no longer on it" in str(bot.tops()[-1])


def test_a_default_branch_that_merges_the_old_one_tells_nothing_old(bot):
    """gitflow: `develop` was the default branch; `main`, which merges the releases of it, becomes it."""
    build, repo, last = bot.build, bot.folder / "repo", "root"
    for n in range(1, 6):
        at = A_DAY - (10 - n) * DAY
        build.commit(f"f{n}", at, {f"f{n}": "1\n"}, branch="develop", parents=[last] if n == 1 else None)
        build.commit(f"m{n}", at + HOUR, {f"f{n}": "1\n"}, message=f"Release number {n}", parents=[last, f"f{n}"])
        last = f"m{n}"
    build.finish()
    git(repo, "symbolic-ref", "HEAD", "refs/heads/develop")
    bot.follow()
    bot.at("18T09:00")
    build.commit("f6", A_DAY + HOUR, {"f6": "1\n"}, branch="develop")
    build.commit("m6", A_DAY + 2 * HOUR, {"f6": "1\n"}, message="Release number 6", parents=["m5", "f6"])
    build.finish()
    git(repo, "symbolic-ref", "HEAD", "refs/heads/develop")
    bot.at("19T09:00")
    bot.commit("new", A_DAY + 27 * HOUR, "feat: of the 19th")
    git(repo, "symbolic-ref", "HEAD", "refs/heads/main")
    bot.at("20T09:00")
    text = str(bot.server.messages["C1"][-2:])
    assert "of the 19th" in text
    assert not any(f"Release number {n}" in text for n in range(1, 6))
