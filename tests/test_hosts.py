"""Code hosts: where their pages lie, and what addresses say, by tables."""

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from bot.commits import hosts
from bot.commits.hosts import Hosts, Kind
from bot.errors import ConfigError
from bot.languages import LANGUAGES
from bot.parts import AllSettings
from bot.texts import Texts
from bot.values import Links, Repository

SHA = "9a93eb75cd0123456789abcdef0123456789abcd"
PATH = "src/a b#1.py"
NAMED = Hosts(
    {
        "git.example.com": Kind.GITLAB,
        "code.example.com:8443": Kind.GITEA,
        "review.example.com": Kind.GERRIT,
        "azure.example.com": Kind.AZURE,
    },
    github="ghe.example.com",
)


def repository(remote: str, known: Hosts = NAMED) -> Repository:
    """The repository of a remote, as the git source makes it."""
    address = known.remote(remote)
    assert address, remote
    return Repository(remote, address.title, "main", address.web, True, address.links)


# --- Pages of each kind of host --------------------------------------------------------------

PAGES = [
    # remote, commit, change request, file and line; None: the host has no such page
    (
        "https://github.com/team/app.git",
        f"https://github.com/team/app/commit/{SHA}",
        "https://github.com/team/app/pull/12",
        f"https://github.com/team/app/blob/{SHA}/src/a%20b%231.py#L7",
    ),
    (
        "git@ghe.example.com:team/app.git",
        f"https://ghe.example.com/team/app/commit/{SHA}",
        "https://ghe.example.com/team/app/pull/12",
        f"https://ghe.example.com/team/app/blob/{SHA}/src/a%20b%231.py#L7",
    ),
    (
        "https://octo.ghe.com/team/app.git",
        f"https://octo.ghe.com/team/app/commit/{SHA}",
        "https://octo.ghe.com/team/app/pull/12",
        f"https://octo.ghe.com/team/app/blob/{SHA}/src/a%20b%231.py#L7",
    ),
    (
        "git@gitlab.com:group/part/app.git",
        f"https://gitlab.com/group/part/app/-/commit/{SHA}",
        "https://gitlab.com/group/part/app/-/merge_requests/12",
        f"https://gitlab.com/group/part/app/-/blob/{SHA}/src/a%20b%231.py#L7",
    ),
    (
        "ssh://git@git.example.com:2222/group/app.git",
        f"https://git.example.com/group/app/-/commit/{SHA}",
        "https://git.example.com/group/app/-/merge_requests/12",
        f"https://git.example.com/group/app/-/blob/{SHA}/src/a%20b%231.py#L7",
    ),
    (
        "https://gitee.com/team/app.git",
        f"https://gitee.com/team/app/commit/{SHA}",
        "https://gitee.com/team/app/pulls/12",
        f"https://gitee.com/team/app/blob/{SHA}/src/a%20b%231.py#L7",
    ),
    (
        "https://codeberg.org/team/app.git",
        f"https://codeberg.org/team/app/commit/{SHA}",
        "https://codeberg.org/team/app/pulls/12",
        f"https://codeberg.org/team/app/src/commit/{SHA}/src/a%20b%231.py#L7",
    ),
    (
        "ssh://git@code.example.com:2222/team/app.git",
        f"https://code.example.com:8443/team/app/commit/{SHA}",
        "https://code.example.com:8443/team/app/pulls/12",
        f"https://code.example.com:8443/team/app/src/commit/{SHA}/src/a%20b%231.py#L7",
    ),
    (
        "https://opendev.org/team/app",
        f"https://opendev.org/team/app/commit/{SHA}",
        "https://review.opendev.org/c/team/app/+/12",
        f"https://opendev.org/team/app/src/commit/{SHA}/src/a%20b%231.py#L7",
    ),
    (
        "git@bitbucket.org:team/app.git",
        f"https://bitbucket.org/team/app/commits/{SHA}",
        "https://bitbucket.org/team/app/pull-requests/12",
        f"https://bitbucket.org/team/app/src/{SHA}/src/a%20b%231.py#lines-7",
    ),
    (
        "ssh://git@bitbucket.example.com:7999/KEY/app.git",
        f"https://bitbucket.example.com/projects/KEY/repos/app/commits/{SHA}",
        "https://bitbucket.example.com/projects/KEY/repos/app/pull-requests/12",
        f"https://bitbucket.example.com/projects/KEY/repos/app/browse/src/a%20b%231.py?at={SHA}#7",
    ),
    (
        "https://stash.example.com/scm/~dev-one/app.git",
        f"https://stash.example.com/users/dev-one/repos/app/commits/{SHA}",
        "https://stash.example.com/users/dev-one/repos/app/pull-requests/12",
        f"https://stash.example.com/users/dev-one/repos/app/browse/src/a%20b%231.py?at={SHA}#7",
    ),
    (
        "git@ssh.dev.azure.com:v3/org/project/app",
        f"https://dev.azure.com/org/project/_git/app/commit/{SHA}",
        "https://dev.azure.com/org/project/_git/app/pullrequest/12",
        f"https://dev.azure.com/org/project/_git/app?path=/src/a%20b%231.py&version=GC{SHA}"
        "&line=7&lineEnd=7&lineStartColumn=1&lineEndColumn=999",
    ),
    (
        "https://example-review.googlesource.com/a/tools/app",
        f"https://example.googlesource.com/tools/app/+/{SHA}",
        "https://example-review.googlesource.com/c/tools/app/+/12",
        f"https://example.googlesource.com/tools/app/+/{SHA}/src/a%20b%231.py#7",
    ),
    (
        "https://review.example.com/r/a/tools/app",
        f"https://review.example.com/r/plugins/gitiles/tools/app/+/{SHA}",
        "https://review.example.com/r/c/tools/app/+/12",
        f"https://review.example.com/r/plugins/gitiles/tools/app/+/{SHA}/src/a%20b%231.py#7",
    ),
    (
        "https://git.kernel.org/pub/scm/tools/app.git",
        f"https://git.kernel.org/pub/scm/tools/app.git/commit/?id={SHA}",
        None,
        f"https://git.kernel.org/pub/scm/tools/app.git/tree/src/a%20b%231.py?id={SHA}#n7",
    ),
    (
        "git@git.sr.ht:~dev-one/app",
        f"https://git.sr.ht/~dev-one/app/commit/{SHA}",
        None,
        f"https://git.sr.ht/~dev-one/app/tree/{SHA}/item/src/a%20b%231.py#L7",
    ),
    ("https://unknown.example.com/team/app.git", None, None, None),
]


@pytest.mark.parametrize(("remote", "commit", "change", "line"), PAGES)
def test_each_kind_of_host_has_its_own_pages(remote, commit, change, line):
    found = repository(remote)
    assert (found.commit_url(SHA), found.pull_url(12), found.file_url(SHA, PATH, 7)) == (commit, change, line)
    file = found.file_url(SHA, PATH)
    assert file is None if line is None else line.startswith(file)


@pytest.mark.parametrize(
    ("kind", "end"),
    [
        (Kind.GITHUB, "#L7-L9"),
        (Kind.GITLAB, "#L7-9"),
        (Kind.GITEE, "#L7-L9"),
        (Kind.GITEA, "#L7-L9"),
        (Kind.BITBUCKET, "#lines-7:9"),
        (Kind.BITBUCKET_SERVER, "#7-9"),
        (Kind.AZURE, "&line=7&lineEnd=9&lineStartColumn=1&lineEndColumn=999"),
        (Kind.GITILES, "#7"),
        (Kind.CGIT, "#n7"),
        (Kind.SOURCEHUT, "#L7"),
    ],
)
def test_several_lines_have_a_link_of_their_own_where_the_host_has_one(kind, end):
    found = Repository("r", "r", "main", None, False, hosts.links(kind, "https://x.example/r"))
    assert found.file_url(SHA, "a.py", 7, 9).endswith(end)
    assert found.file_url(SHA, "a.py", 7, 9).startswith(found.file_url(SHA, "a.py"))
    assert replace(found, links=Links()).file_url(SHA, "a.py", 7, 9) is None


def test_every_kind_has_an_example_and_a_commit_s_page():
    shown = {NAMED.remote(remote).kind for remote, *_ in PAGES}
    assert set(Kind) - shown <= {Kind.FORGEJO, Kind.GITEA}
    assert all(hosts.links(kind, "https://x.example/r").commit for kind in Kind)


@pytest.mark.parametrize(("kind", "said"), [(Kind.GITHUB, "#12"), (Kind.GITLAB, "!12"), (Kind.GITEE, "!12")])
def test_a_change_request_is_written_as_its_host_writes_it(kind, said):
    found = Repository("r", "r", "main", None, False, hosts.links(kind, "https://x.example/r"))
    assert found.number(12) == said
    assert replace(found, links=Links()).number(12) == "#12"


# --- What was kept before there were links ---------------------------------------------------


def test_a_repository_that_an_earlier_version_kept_opens_and_looks_as_it_was():
    kept = b'{"name":"t/a","title":"t/a","branch":"main","url":"https://git.example.com/t/a","private":false}'
    found = TypeAdapter(Repository).validate_json(kept)
    assert found.commit_url("abc") == "https://git.example.com/t/a/commit/abc"
    assert found.pull_url(12) == "https://git.example.com/t/a/pull/12"
    assert found.file_url("abc", "a b.py", 7) == "https://git.example.com/t/a/blob/abc/a%20b.py#L7"
    assert found.number(12) == "#12"
    assert replace(found, url=None).commit_url("abc") is None


def test_links_are_kept_with_a_repository():
    adapter, found = TypeAdapter(Repository), repository("git@gitlab.com:group/app.git")
    assert adapter.validate_json(adapter.dump_json(found)) == found


@pytest.mark.parametrize("path", ["../../../evil/x", "a/../../b", "./a"])
@pytest.mark.parametrize("remote", [remote for remote, commit, *_ in PAGES if commit])
def test_a_path_that_would_leave_the_repository_is_no_link(remote, path):
    assert repository(remote).file_url(SHA, path) is None


@pytest.mark.parametrize(("path", "shown"), [("/etc/passwd", "%2F/etc/passwd"), ("a//b", "a/%2F/b"), ("", "%2F")])
def test_an_empty_part_of_a_path_begins_no_other_address(path, shown):
    assert repository("https://github.com/team/app").file_url("abc", path).endswith(f"/blob/abc/{shown}")


@given(st.text(max_size=40), st.text(max_size=60))
def test_no_path_and_no_sha_breaks_out_of_an_address(sha, path):
    for remote, *_ in PAGES:
        found = repository(remote)
        for url in (found.commit_url(sha), found.file_url(sha, path, 7)):
            if url:
                assert url.startswith(f"{found.url.partition('/team')[0]}")
                assert url.count("#") <= 1
                assert url.isascii()
                assert url.isprintable()
                assert not {" ", '"', "<", ">", "{", "}", "\\"} & set(url)


# --- Remotes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("remote", "web", "title"),
    [
        ("https://github.com/team/app", "https://github.com/team/app", "team/app"),
        ("https://github.com/team/app.git", "https://github.com/team/app", "team/app"),
        ("https://user:secret@github.com/team/app.git", "https://github.com/team/app", "team/app"),
        ("git@github.com:team/app.git", "https://github.com/team/app", "team/app"),
        ("git@github.com:/team/app.git", "https://github.com/team/app", "team/app"),
        ("ssh://git@ssh.github.com:443/team/app.git", "https://github.com/team/app", "team/app"),
        ("ssh://git@altssh.gitlab.com:443/g/p/app.git", "https://gitlab.com/g/p/app", "g/p/app"),
        ("http://git.example.com:8080/g/app.git", "http://git.example.com:8080/g/app", "g/app"),
        ("https://git.example.com:443/g/app.git", "https://git.example.com/g/app", "g/app"),
        ("https://code.example.com:8443/t/app.git", "https://code.example.com:8443/t/app", "t/app"),
        ("https://dev.azure.com/org/app/_git/app", "https://dev.azure.com/org/app/_git/app", "org/app/app"),
        ("https://org@dev.azure.com/org/p/_git/app", "https://dev.azure.com/org/p/_git/app", "org/p/app"),
        ("org@vs-ssh.visualstudio.com:v3/org/p/app", "https://dev.azure.com/org/p/_git/app", "org/p/app"),
        (
            "ssh://org@vs-ssh.visualstudio.com:22/DefaultCollection/p/_ssh/app",
            "https://org.visualstudio.com/DefaultCollection/p/_git/app",
            "p/app",
        ),
        ("https://org.visualstudio.com/_git/app", "https://org.visualstudio.com/_git/app", "app"),
        ("https://tfs.example.com/tfs/C/P/_git/app", "https://tfs.example.com/tfs/C/P/_git/app", "tfs/C/P/app"),
        (
            "https://x.example.com/bitbucket/scm/KEY/app.git",
            "https://x.example.com/bitbucket/projects/KEY/repos/app",
            "KEY/app",
        ),
        ("ssh://git@x.example.com:7999/~dev/app.git", "https://x.example.com/users/dev/repos/app", "~dev/app"),
        ("https://example.googlesource.com/app", "https://example.googlesource.com/app", "app"),
        ("ssh://me@review.example.com:29418/t/app", "https://review.example.com/plugins/gitiles/t/app", "t/app"),
        ("git@gitolite.kernel.org:pub/scm/t/app.git", "https://git.kernel.org/pub/scm/t/app.git", "t/app"),
        ("https://unknown.example.com/team/tree/app", "https://unknown.example.com/team/tree/app", "team/tree/app"),
        ("http://127.0.0.1:3000/team/app.git", "http://127.0.0.1:3000/team/app", "team/app"),
    ],
)
def test_a_remote_of_any_spelling_has_its_web_page(remote, web, title):
    found = NAMED.remote(remote)
    assert (found.web, found.title) == (web, title)


@pytest.mark.parametrize(
    "remote",
    [
        "git@alias:team/app.git",
        "https://github.com/team",
        "https://github.com/team/app/more",
        "https://dev.azure.com/org/project/app",
        "https://example.com/app.git",
        "https://github.com:99999/team/app",
        "https://git hub.com/team/app",
        "https://github.com/team/..",
        "https://github.com/team/%2e%2e",
        "https://gi\u0442hub.com/team/app",
        "https://\u212aernel.example.com/team/app",
        "https://github.com\\@evil.example/team/app",
        "https://github.com/team/.git",
        "https://github.com/te{sha}am/app",
        "https://[::1]/team/app",
        "https://github.com/team/app\n",
        "javascript:alert(1)//team/app",
        "file:///srv/git/app",
        "/srv/git/app.git",
        "team/app",
        "",
    ],
)
def test_a_remote_whose_pages_nobody_can_tell_has_none(remote):
    assert NAMED.remote(remote) is None


# --- What people paste -----------------------------------------------------------------------

CHANGES = [
    "https://github.com/team/app/pull/129",
    "https://github.com/team/app/pull/129/",
    "https://github.com/team/app/pull/129/files",
    "https://github.com/team/app/pull/129/files?diff=split&w=1#diff-1",
    f"https://github.com/team/app/pull/129/commits/{SHA}",
    "https://github.com/team/app/pull/129.diff",
    "https://github.com/team/app/pull/129#issuecomment-1",
    "github.com/team/app/pull/129",
    "http://github.com/team/app/pull/129",
    "https://www.github.com/team/app/pull/129",
    "(https://github.com/team/app/pull/129),",
    "https://gitlab.com/group/part/app/-/merge_requests/129",
    "https://gitlab.com/group/part/app/-/merge_requests/129/diffs?commit_id=1#note_1",
    "https://gitlab.com/group/part/app/merge_requests/129",
    "gitlab.example.com/group/app/-/merge_requests/129#note_1",
    "https://unknown.example.com/group/part/app/-/merge_requests/129",
    "https://unknown.example.com/team/app/pulls/129",
    "https://unknown.example.com:8443/team/app/pull/129",
    "https://gitee.com/team/app/pulls/129/files",
    "https://codeberg.org/team/app/pulls/129/files",
    "https://bitbucket.org/team/app/pull-requests/129/a-title/diff",
    "https://bitbucket.example.com/projects/KEY/repos/app/pull-requests/129/overview",
    "https://unknown.example.com/users/dev/repos/app/pull-requests/129/diff#a.py",
    "https://dev.azure.com/org/p/_git/app/pullrequest/129?_a=files",
    "https://org.visualstudio.com/p/_git/app/pullrequest/129",
    "https://example-review.googlesource.com/c/tools/app/+/129",
    "https://example-review.googlesource.com/c/tools/app/+/129/3/src/a.py",
    "https://review.opendev.org/c/team/app/+/129",
    "https://review.example.com/r/c/tools/app/+/129",
]
COMMITS = [
    f"https://github.com/team/app/commit/{SHA}",
    f"https://github.com/team/app/commit/{SHA.upper()}",
    f"https://github.com/team/app/commits/{SHA}",
    f"https://github.com/team/app/commit/{SHA}.patch",
    f"https://github.com/team/app/commit/{SHA}#diff-1",
    f"https://github.com/team/app/commit/{SHA}?diff=split",
    f"https://gitlab.com/group/part/app/-/commit/{SHA}",
    f"https://gitlab.com/group/app/commit/{SHA}",
    f"https://unknown.example.com/group/part/app/-/commit/{SHA}",
    f"https://gitee.com/team/app/commit/{SHA}",
    f"https://codeberg.org/team/app/commit/{SHA}",
    f"https://bitbucket.org/team/app/commits/{SHA}",
    f"https://bitbucket.example.com/projects/KEY/repos/app/commits/{SHA}#a.py",
    f"https://dev.azure.com/org/p/_git/app/commit/{SHA}?refName=refs%2Fheads%2Fmain",
    f"https://example.googlesource.com/tools/app/+/{SHA}",
    f"https://example.googlesource.com/tools/app/+/{SHA}%5E%21/",
    f"https://review.example.com/plugins/gitiles/tools/app/+/{SHA}",
    f"https://git.kernel.org/pub/scm/tools/app.git/commit/?id={SHA}",
    f"https://git.kernel.org/pub/scm/tools/app.git/commit/src/a.py?h=main&id={SHA}",
    f"https://git.sr.ht/~dev/app/commit/{SHA}",
]
REPOSITORIES = [
    "https://github.com/team/app/tree/main",
    "https://github.com/team/app/blob/main/src/\u6587\u6863.py#L3",
    "https://github.com/team/app/commits/main",
    "https://github.com/team/app/issues/12",
    "https://gitlab.com/group/part/app/-/tree/main/src",
    "https://gitee.com/team/app/tree/master",
    "https://codeberg.org/team/app/src/branch/main/a.py",
    "https://bitbucket.org/team/app/src/main/",
    "https://bitbucket.example.com/projects/KEY/repos/app/browse/a.py?at=main#3",
    "https://dev.azure.com/org/p/_git/app?path=/a.py&version=GBmain",
    f"https://example.googlesource.com/tools/app/+/{SHA}/src/a.py",
    "https://example.googlesource.com/tools/app/+log/refs/heads/main",
    "https://git.kernel.org/pub/scm/tools/app.git/tree/a.py?h=main",
    "https://git.sr.ht/~dev/app/tree/main/item/a.py",
    "https://unknown.example.com/team/app/tree/main",
    "git://git.kernel.org/pub/scm/tools/app.git",
    "git+https://gitlab.com/group/part/app.git",
]


@pytest.mark.parametrize("address", CHANGES)
def test_a_pasted_change_request_is_understood(address):
    page = NAMED.page(address)
    assert (page.number, page.sha, page.plain) == (129, "", False)
    _is_read_again(page)


@pytest.mark.parametrize("address", COMMITS)
def test_a_pasted_commit_is_understood(address):
    page = NAMED.page(address)
    assert (page.number, page.sha, page.plain) == (None, SHA, False)
    _is_read_again(page)


@pytest.mark.parametrize("address", REPOSITORIES)
def test_any_other_page_names_its_repository(address):
    page = NAMED.page(address)
    assert (page.number, page.sha, page.plain) == (None, "", False)
    _is_read_again(page)


def _is_read_again(page):
    """The repository ends in the same place on every page, and what is typed for it means it again."""
    name = page.repository.title.rpartition("/")[2]
    assert name == "app"
    assert NAMED.page(page.repository.typed).repository == page.repository
    assert NAMED.page(page.repository.web).repository == page.repository
    assert NAMED.key(page.repository.clone) == page.repository.key


def test_what_our_own_links_say_is_read_back():
    for remote, commit, change, line in PAGES:
        address = NAMED.remote(remote)
        if commit:
            assert (NAMED.page(commit).repository, NAMED.page(commit).sha) == (address, SHA)
            assert NAMED.page(line).repository == address
        if change:
            assert (NAMED.page(change).repository, NAMED.page(change).number) == (address, 12)


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("https://github.com/team/app", True),
        ("https://github.com/team/app.git", True),
        ("git@github.com:team/app.git", True),
        ("ssh://git@github.com/team/app.git", True),
        ("github.com/team/app", False),
        ("https://github.com/team/app?tab=readme-ov-file", False),
        ("https://github.com/team/app#readme", False),
        ("git+ssh://git@github.com/team/app.git", False),
    ],
)
def test_what_git_would_clone_as_it_stands_is_told_apart(address, plain):
    assert NAMED.page(address).plain is plain


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://github.com@evil.example/team/app/pull/1", "evil.example"),
        ("https://github.com:443@evil.example/team/app", "evil.example"),
        ("https://github.com%2f@evil.example/team/app", "evil.example"),
        ("https://github.com.evil.example/team/app", "github.com.evil.example"),
        ("https://evilgithub.com/team/app", "evilgithub.com"),
        ("https://evil.example/github.com/team/app", "evil.example"),
    ],
)
def test_a_host_that_only_looks_like_another_is_itself(address, host):
    page = Hosts().page(address)
    assert page.repository.root == f"https://{host}"
    assert "team/app" not in Hosts().names(page.repository)


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "javascript://github.com/team/app/pull/1",
        "data:text/html,github.com/team/app",
        "https://github.com",
        "https://github.com/",
        "https://github.com/team",
        "https:///team/app",
        "https://github.com:65536/team/app",
        "https://github.com/../../team/app",
        "https://github.com/team/app\nhttps://evil.example/a/b",
        "https://git\u200bhub.com/team/app",
        "https://\uff47ithub.com/team/app",
        "https://g\u0456thub.com/team/app",
        "https://github.com/te am/app",
        "https://-github.com/team/app",
        "https://git..hub.com/team/app",
        "github/team/app",
        "unknown.example.com/team/app",
        "src/team/app",
        "./github.com/team/app",
        "..",
        "",
    ],
)
def test_what_is_no_address_of_a_repository_is_none(address):
    assert Hosts().page(address) is None


@given(st.text(max_size=200) | st.from_regex(r"(https?://|git@|)[a-z.@:/\\#?+~%-]{0,80}", fullmatch=True))
def test_any_text_can_be_looked_at(text):
    page = NAMED.page(text)
    NAMED.remote(text)
    if page:
        assert page.repository.web.isascii()
        assert page.repository.web.startswith(("http://", "https://"))
        assert NAMED.page(page.repository.typed) is not None


@pytest.mark.parametrize("part", ["a", "a.", "a/", "https://", "@", "-", "%2e/", "+/", "a:", "a@"])
def test_a_megabyte_of_anything_is_looked_at_in_no_time(part):
    begun = time.thread_time()
    for text in (part * (1_000_000 // len(part)), f"https://github.com/{part * 990}", part * 600):
        NAMED.page(text)
        NAMED.remote(text)
    assert time.thread_time() - begun < 1


# --- One repository in every spelling --------------------------------------------------------


def test_names_of_a_repository_are_github_s_own_or_what_git_clones():
    known = Hosts(github="ghe.example.com:8443")
    assert known.names(known.page("ghe.example.com:8443/team/app/tree/main").repository)[0] == "team/app"
    assert known.names(known.page("github.com/team/app").repository)[0] == "https://github.com/team/app"
    stash = known.page("https://stash.example.com/projects/KEY/repos/app/browse").repository
    assert known.names(stash)[0] == "https://stash.example.com/scm/KEY/app.git"


def test_every_spelling_has_one_key():
    spellings = [
        "team/app",
        "https://github.com/Team/App/tree/main",
        "git@github.com:team/app.git",
        "github.com/team/app/",
    ]
    assert {Hosts().key(each) for each in spellings} == {"github.com/team/app"}
    assert Hosts().key("/srv/git/app") == ""


# --- The setting -----------------------------------------------------------------------------


def from_settings(**values) -> Hosts:
    settings = AllSettings(_env_file=None, **values)
    return hosts.from_settings(settings, settings.github_url)


def test_the_setting_names_hosts_and_comes_before_what_a_name_says():
    known = from_settings(digest_hosts="gitlab.example.com=gitea, Code.Example.com:8443 = GitLab,")
    assert known.remote("git@gitlab.example.com:t/app.git").kind is Kind.GITEA
    assert known.remote("git@code.example.com:t/app.git").web == "https://code.example.com:8443/t/app"
    assert known.remote("https://code.example.com/t/app.git").kind is None, "another port is another host"


@pytest.mark.parametrize(
    "wrong", ["git.example.com", "git.example.com=svn", "=gitlab", "https://git.example.com=gitlab", "x:70000=gitea"]
)
def test_a_wrong_entry_is_named_with_the_setting_and_the_known_kinds(wrong):
    with pytest.raises(ConfigError) as caught:
        from_settings(digest_hosts=f"git.example.com=gitlab,{wrong}")
    for language in LANGUAGES:
        told = Texts(language).error(caught.value)
        assert all(word in told for word in ("DIGEST_HOSTS", wrong, *Kind))


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://api.github.com", "github.com"),
        ("https://api.octo.ghe.com", "octo.ghe.com"),
        ("https://code.example.com:8443/api/v3/", "code.example.com:8443"),
        ("https://api.example.com/api/v3", "api.example.com"),
    ],
)
def test_an_enterprise_host_is_github_without_being_named(url, host):
    known = from_settings(github_url=url)
    assert known.page(f"https://{host}/team/app").repository.kind is Kind.GITHUB
    assert known.names(known.page(f"https://{host}/team/app").repository)[0] == "team/app"
