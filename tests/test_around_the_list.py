"""Ways around the list of what may be read: every spelling, and what a folder in it leads to. Real git repositories."""

import os

import pytest
from repositories import Builder, at, git
from world import World

from adapters.sources.git.source import GitSource
from bot.errors import Forbidden, NotFound, UsageError
from bot.rights import Right, Rights, Who
from bot.values import Place, Repository

CHANNEL, HOME = Place("slack", "C1"), Place("terminal", "here")
WORDS = "the merger is off"


@pytest.fixture
def folders(tmp_path):
    """A folder that may be read, and one beside it that may not, each with a repository."""
    for folder, said in (("allowed", "nothing special"), ("secret", WORDS)):
        build = Builder(tmp_path / folder / "app.git")
        build.commit("one", at(1), {"a": f"{said}\n"}, message=said)
        build.finish()
    return tmp_path


@pytest.fixture
def world(folders, clock):
    made = World(folders, clock, allow=[f"{folders}/allowed/*"])
    yield made
    made.close()


def refused(world, name, place=CHANNEL):
    """The error for a repository, which must be one."""
    with pytest.raises((Forbidden, NotFound, UsageError)) as caught:
        world.repositories.find(str(name), Who(place))
    return caught.value


# --- Spellings -----------------------------------------------------------------------------------


def test_what_is_listed_is_seen(world, folders):
    assert world.repositories.find(f"{folders}/allowed/app.git", Who(CHANNEL)).name == f"{folders}/allowed/app.git"
    assert world.repositories.find(f"file://{folders}/allowed/app.git", Who(CHANNEL)).branch == "main"


@pytest.mark.parametrize(
    "form",
    [
        "{}/allowed/../secret/app.git",
        "{}/allowed/x/../../secret/app.git",
        "{}/allowed//../secret/app.git",
        "file://{}/allowed/../secret/app.git",
        "file://{}/allowed/%2e%2e/secret/app.git",
        "{}/ALLOWED/app.git",
    ],
)
def test_no_spelling_of_a_path_leads_out_of_the_list(world, folders, form):
    (folders / "allowed" / "x").mkdir()
    (folders / "ALLOWED").symlink_to(folders / "secret")
    name = form.format(folders)
    assert refused(world, name).key == "repo_not_allowed"
    assert WORDS not in world.said(f"2026-02-16 {name}", CHANNEL)
    assert WORDS not in world.said(f"subscribe {name}", CHANNEL)


@pytest.mark.parametrize(
    "name",
    [
        "http://h.example/pub/../priv/x",
        "http://h.example/pub/%2e%2e/priv/x",
        "http://h.example/pub/%252e%252e/priv/x",
        "http://h.example/pub//../priv/x",
        "http://h.example/pub/..%2fpriv/x",
        "http://h.example/pub/..\\priv/x",
        "http://h.example/pub/x/.",
        "git@h.example:pub/../priv/x",
    ],
)
def test_no_spelling_of_an_address_leads_out_of_the_list(name):
    who, patterns = Who(CHANNEL), ("http://h.example/pub/*", "git@h.example:pub/*")
    rights = Rights(patterns, tuple(Right("slack", "C1", pattern) for pattern in patterns))
    assert rights.right("http://h.example/pub/x", who)
    assert rights.right("git@h.example:pub/x", who)
    assert rights.right(name, who) is None
    assert not rights.lists(name, who)


@pytest.mark.parametrize(
    "name", ["http://127.0.0.1:1/pub/../priv/x", "http://127.0.0.1:1/pub/%2e%2e/x", "http://h/a./b"]
)
def test_git_is_given_no_address_that_it_would_read_as_another(tmp_path, name):
    with pytest.raises(UsageError) as caught:
        GitSource(tmp_path / "clones").repository(name)
    assert caught.value.key == "repository_url_refused"


# --- What a folder leads to ------------------------------------------------------------------------


def pretend(folders, how):
    """A folder in the list that reads the repository beside it; what it is called."""
    secret, evil = folders / "secret" / "app.git", folders / "allowed" / "evil"
    evil.mkdir()
    if how == "git file":
        (evil / ".git").write_text(f"gitdir: {secret}\n")
    elif how == "git file through a link":
        (evil / "way").symlink_to(secret)
        (evil / ".git").write_text("gitdir: way\n")
    elif how == "git link":
        (evil / ".git").symlink_to(secret)
    elif how == "link":
        evil.rmdir()
        evil.symlink_to(secret)
    else:
        git(evil.parent, "init", "-q", "--bare", "-b", "main", "evil")
        sha = git(secret, "rev-parse", "main")
        (evil / "refs" / "heads" / "main").write_text(f"{sha}\n")
        objects = evil / "objects"
        (objects / "info").mkdir(exist_ok=True)
        if how == "commondir":
            (evil / "commondir").write_text(f"{secret}\n")
        elif how.startswith("alternates"):
            said = {
                "alternates": f"{secret}/objects\n",
                "alternates, quoted": f'"{secret}/objects"\n',
                "alternates, relative": "../../../secret/app.git/objects\n",
                "alternates of alternates": f"{objects}/more\n",
            }[how]
            (objects / "info" / "alternates").write_text(said)
            (objects / "more" / "info").mkdir(parents=True)
            (objects / "more" / "info" / "alternates").write_text(f"{secret}/objects\n")
        elif how == "objects":
            (objects / "info").rmdir()
            (objects / "pack").rmdir()
            objects.rmdir()
            objects.symlink_to(secret / "objects")
        elif how == "packs":
            git(secret, "repack", "-adq")
            (objects / "pack").rmdir()
            (objects / "pack").symlink_to(secret / "objects" / "pack")
        elif how == "a pack":
            git(secret, "repack", "-adq")
            for pack in (secret / "objects" / "pack").iterdir():
                (objects / "pack" / pack.name).symlink_to(pack)
    return str(evil)


WAYS = [
    "git file",
    "git file through a link",
    "git link",
    "link",
    "commondir",
    "alternates",
    "alternates, quoted",
    "alternates, relative",
    "alternates of alternates",
    "objects",
    "packs",
    "a pack",
]


@pytest.mark.parametrize("how", WAYS)
def test_a_folder_in_the_list_that_reads_another_repository_is_none(world, folders, how):
    name = pretend(folders, how)
    there = world.source.commits(name, "", at(0), at(48))
    assert [commit.subject for commit in there] == [WORDS], "it does read it"
    nothing = refused(world, f"{folders}/allowed/nothing")
    assert refused(world, name).key == nothing.key == "path_unknown"
    assert WORDS not in world.said(f"2026-02-16 {name}", CHANNEL)
    assert "follows" not in world.said(f"subscribe {name}", CHANNEL)


@pytest.mark.parametrize("how", WAYS)
def test_it_is_one_where_both_are_in_the_list(folders, clock, how):
    world = World(folders, clock, allow=[f"{folders}/allowed/*", f"{folders}/secret/app.git"])
    name = pretend(folders, how)
    if how == "alternates, quoted":  # which nobody writes, and we do not read
        assert refused(world, name).key == "path_unknown"
    else:
        assert world.repositories.find(name, Who(CHANNEL)).branch == "main"
    world.close()


@pytest.mark.parametrize("how", WAYS)
def test_the_operator_reads_what_is_theirs(folders, clock, how):
    name = pretend(folders, how)
    world = World(folders, clock)
    assert world.repositories.find(name, Who(HOME)).branch == "main"
    world.close()


def test_a_worktree_and_a_submodule_are_read_where_what_they_belong_to_is_listed(folders, clock, tmp_path):
    checkout = folders / "main" / "app"
    git(folders, "clone", "-q", str(folders / "allowed" / "app.git"), str(checkout))
    git(checkout, "worktree", "add", "-q", str(folders / "trees" / "second"), "-b", "second")
    alone = World(folders, clock, allow=[f"{folders}/trees/*"])
    assert refused(alone, folders / "trees" / "second").key == "path_unknown"
    alone.close()
    both = World(folders, clock, allow=[f"{folders}/trees/*", str(checkout)])
    found = both.repositories.find(f"{folders}/trees/second", Who(CHANNEL))
    assert (found.branch, found.beside) == ("second", (str(checkout),))
    both.close()


@pytest.mark.parametrize("said", [f"{'x' * 70_000}\n", "a\0b\n", "".join(f"/nowhere/{n}\n" for n in range(200))])
def test_alternates_that_are_too_many_or_no_paths_are_listed_nowhere(world, folders, said):
    (folders / "allowed" / "app.git" / "objects" / "info").mkdir(exist_ok=True)
    (folders / "allowed" / "app.git" / "objects" / "info" / "alternates").write_text(said)
    assert refused(world, folders / "allowed" / "app.git").key == "path_unknown"


def test_repositories_that_borrow_from_each_other_are_read(folders, clock):
    for name, other in (("one", "two"), ("two", "one")):
        git(folders, "clone", "-q", "--bare", str(folders / "allowed" / "app.git"), str(folders / "both" / name))
        (folders / "both" / name / "objects" / "info" / "alternates").write_text(f"../../{other}/objects\n")
    world = World(folders, clock, allow=[f"{folders}/both/*"])
    assert world.repositories.find(f"{folders}/both/one", Who(CHANNEL)).beside == (f"{folders}/both/two",)
    world.close()


# --- Titles, and what refusals tell ------------------------------------------------------------------


def test_a_folder_s_title_is_no_name_of_it(folders, clock):
    git(folders / "secret" / "app.git", "config", "remote.origin.url", "https://github.com/allowed/app.git")
    world = World(folders, clock, allow=("allowed/*", f"{folders}/*/x"))
    about = GitSource(folders / "clones").repository(f"{folders}/secret/app.git")
    assert about.title == "allowed/app"
    with pytest.raises(Forbidden):
        world.repositories.check(about, Who(CHANNEL))
    world.repositories.check(about, Who(HOME))
    world.close()


@pytest.mark.parametrize("there", ["secret/app.git", "secret", "closed/app.git", "nowhere"])
def test_a_link_out_of_the_list_tells_nothing_of_what_is_there(world, folders, there):
    closed = folders / "closed"
    closed.mkdir()
    closed.chmod(0)
    (folders / "allowed" / "link").symlink_to(folders / there)
    error = refused(world, folders / "allowed" / "link")
    assert error.args == NotFound("path_unknown", path=f"{folders}/allowed/link").args
    closed.chmod(0o700)


def test_what_is_outside_the_list_is_refused_alike_whether_it_is_there_or_not(world, folders):
    there, nowhere = f"{folders}/secret/app.git", f"{folders}/secret/nothing"
    assert str(refused(world, there)).replace(there, "X") == str(refused(world, nowhere)).replace(nowhere, "X")


class Hosted:
    """A host with one private repository."""

    def repository(self, repo):
        if repo == "team/app":
            return Repository(repo, repo, "main", None, True)
        if repo == "team/old":
            return Repository("other/new", "other/new", "main", None, True)
        raise NotFound("repository_unknown", repo=repo)


@pytest.mark.parametrize("allow", [(), ("else/*",), ("team/old",)])
def test_a_private_repository_of_a_host_is_refused_like_one_that_there_is_not(world, allow):
    world.repositories.source_of = lambda _: Hosted()
    world.repositories.rights = Rights(allow)
    told = {str(refused(world, name)).replace(name, "X") for name in ("team/app", "team/none")}
    assert len(told) == 1
    assert "other/new" not in str(refused(world, "team/old"))


def test_the_operator_is_told_what_it_is(folders, clock):
    world = World(folders, clock, allow=[f"{folders}/allowed/*"])
    assert world.repositories.find(f"{folders}/secret/app.git", Who(HOME)).branch == "main"
    assert refused(world, folders / "secret" / "nothing", HOME).key == "path_unknown"
    world.close()
    assert os.listdir(folders / "secret") == ["app.git"]
