"""Which tags name releases: names as projects write them, and whole repositories as they tag."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.commits.releases import LONGEST, Version, before, bundles, ends, is_name, main_line, settled, version
from bot.values import Release

START = datetime(2026, 1, 1, tzinfo=UTC)


def tags(*names: str) -> tuple[Release, ...]:
    """Tags of those names, each made a day after the one before."""
    return tuple(Release(name, f"{n:040x}", START + timedelta(days=n)) for n, name in enumerate(names))


def kept(repository: str, *names: str) -> list[str]:
    """The names of the releases among tags of those names."""
    return [release.name for release in main_line(tags(*names), repository)]


VERSIONS = {
    "v1.2.3": ("", (1, 2, 3)),
    "1.2.3": ("", (1, 2, 3)),
    "V2.0": ("", (2, 0)),
    "v.1.4": ("", (1, 4)),
    "v4": ("", (4,)),
    "20260526.rc2": ("", (20260526,)),
    "2024-01-15": ("", (2024, 1, 15)),
    "v2.14.5.1": ("", (2, 14, 5, 1)),
    "v1.0.0-rc.1": ("", (1, 0, 0)),
    "8.0.0a1": ("", (8, 0, 0)),
    "8.2.0rc0": ("", (8, 2, 0)),
    "v5.2.0-BETA": ("", (5, 2, 0)),
    "v2.0.0.RC1": ("", (2, 0, 0)),
    "2.4.0.Final": ("", (2, 4, 0)),
    "1.0.0.post2": ("", (1, 0, 0)),
    "v13.0.0-next.3": ("", (13, 0, 0)),
    "v2.12q-pre1": ("", (2, 12)),
    "0.0.0-next--wasm-20220216194508": ("", (0, 0, 0)),
    "v1.2.3+build.5": ("", (1, 2, 3)),
    "1.21.0-9.0.pre": ("", (1, 21, 0)),
    "release-1.2.3": ("release", (1, 2, 3)),
    "release/1.2": ("release", (1, 2)),
    "REL_15_2": ("rel", (15, 2)),
    "jax-v0.4.32-rc": ("jax", (0, 4, 32)),
    "go1.21rc2": ("go", (1, 21)),
    "OpenSSL_1_0_2x": ("openssl", (1, 0, 2)),
    "LIBXML2.6.31": ("libxml", (2, 6, 31)),
    "OpenSSL_1_0_1-beta2": ("openssl", (1, 0, 1)),
    "1.0-b2": ("", (1, 0)),
    "log4j-2.17.1": ("log4j", (2, 17, 1)),
    "swift-5.9-RELEASE": ("swift", (5, 9)),
    "llvmorg-17.0.1": ("llvmorg", (17, 0, 1)),
    "cargo-util-0.2": ("cargo-util", (0, 2)),
    "crate/v0.3": ("crate", (0, 3)),
    "@scope/pkg@1.2.3": ("@scope/pkg", (1, 2, 3)),
    "pkg-v1.0.0": ("pkg", (1, 0, 0)),
    "debian/1.2.3-1": ("debian", (1, 2, 3)),
}


@pytest.mark.parametrize(("name", "expected"), VERSIONS.items())
def test_a_version_is_read_out_of_a_name_with_what_stands_before_it(name, expected):
    read = version(name)
    assert read is not None
    assert (read.family, read.numbers, read.nightly) == (*expected, False)


NONE = [
    "latest", "stable", "nightly", "edge", "main", "master", "canary", "", "test", "7.x", "8.0.x", "LIB_XML_1_X", "-x",
    "-1.2.3", "--exec=1.2.3", "../1.2.3\n", "v1.0\x1b[31m", "v1.\u202e0.1", "v1.0.0\udc80", "stein-eol", "newton-em",
    "bugfix-33.0-eol", "rocky-11.1.4-eol", "v2.41-start", "homu-tmp", "PRE_MUCKUP", "v1.2-windows",
    "v" + "1." * LONGEST + "0",
]  # fmt: skip


@pytest.mark.parametrize("name", NONE)
def test_no_version_is_read_out_of_what_is_none(name):
    assert version(name) is None


NIGHTLY = [
    "nightly-2026-01-05", "nightly/20260105", "v1.0.0-nightly.20260105", "v14.0.1-canary.7", "edge-24.1.1", "1.0.dev3",
    "7.0.0.dev0", "v0.13.0-dev.20240101", "weekly.2012-03-27", "1.0-SNAPSHOT", "daily-1.2.3", "v1.0.0-insiders.4",
]  # fmt: skip


@pytest.mark.parametrize("name", NIGHTLY)
def test_what_is_made_of_whatever_there_is_is_a_nightly(name):
    read = version(name)
    assert read is not None
    assert read.nightly


@pytest.mark.parametrize("name", ["@team/edge@1.0.0", "edge-runtime@1.0.0", "pkg-dev-v1.0.0", "nightly-tools/v1.2.0"])
def test_a_package_with_such_a_word_in_its_name_is_none(name):
    read = version(name)
    assert read is not None
    assert not read.nightly


REPOSITORIES = {
    "bare versions": ("team/app", ["v0.1.0", "latest", "v0.2.0-rc.1", "v0.2.0", "nightly-2026-01-05"], [0, 2, 3]),
    "two spellings": ("spotify/luigi", ["2.8.0", "v3.7.0", "3.8.0", "v3.8.0"], [0, 1, 2, 3]),
    "an action": (
        "actions/checkout",
        ["1.0.0", "v1", "v2-beta", "v2.0.0", "v2", "v2.1.0", "v3.0.0", "v3"],
        [0, 3, 5, 6],
    ),
    "moving minors": ("docker/tool", ["v1", "v1.2", "v1.2.0", "v1.2.1", "v1.3"], [2, 3, 4]),
    "versions of one number": ("systemd/systemd", ["v254", "v255-rc1", "v255", "v255.1"], [0, 1, 2, 3]),
    "builds": ("ggml-org/llama.cpp", ["b4567", "b4568", "master-abc1234"], [0, 1]),
    "own name": ("jax-ml/jax", ["0.3.20", "jax-v0.4.1", "jaxlib-v0.4.1", "jaxlib-v0.4.2", "jax-v0.4.2"], [0, 1, 4]),
    "own name in parts": ("team/big-tool", ["big-tool-1.0.0", "big_tool_1_1_0", "bigger-tool-1.0.0"], [0, 1]),
    "own name with a digit": ("GNOME/libxml2", ["LIBXML2.6.31", "LIBXML_2_4_7", "v2.15.0", "CVE-2016-1839"], [0, 1, 2]),
    "own package": ("withastro/astro", ["@astrojs/mdx@1.0.0", "astro@1.0.0", "create-astro@1.0.0"], [1]),
    "own package with a scope": ("sveltejs/kit", ["@sveltejs/kit@2.0.0", "@sveltejs/enhance@1.0.0"], [0]),
    "a workspace": ("tokio-rs/tokio", ["tokio-1.0.0", "tokio-util-0.6.0", "tokio-stream-0.1.0", "tokio-1.1.0"], [0, 3]),
    "modules of Go": ("golang/tools", ["v0.1.0", "gopls/v0.4.0", "cmd/guru/v0.1.0", "gopls/v0.5.0-pre.1"], [0]),
    "a few others beside": ("git/git", ["v1.0.0", "gitgui-0.7.0", "junio-gpg-pub", "v1.1"], [0, 3]),
    "builds of a service": ("pytorch/executorch", ["ciflow/trunk/21953", "ciflow/all/20260814-221907", "v0.6.0"], [2]),
    "only builds of a service": ("team/app", ["ciflow/trunk/21953", "deploy-20260814", "viable/strict/1786"], []),
    "changesets": ("changesets/changesets", ["@changesets/cli@2.0.0", "@changesets/git@1.0.0", "get@1.0.0"], [0, 1, 2]),
    "another name for most": (
        "llvm/llvm-project",
        ["llvmorg-17.0.1", "llvmorg-18.1.0", "llvmorg-19-init", "x-1.0"],
        [0, 1],
    ),
    "packages of which none has most": ("team/mono", ["a-1.0.0", "b-v1.0.0", "a-1.1.0", "c-2.0.0"], [0, 1, 2, 3]),
    "one package of a monorepo": ("team/mono", ["cli@1.0.0", "cli@1.1.0", "lib@1.0.0"], [0, 1, 2]),
    "ended branches": (
        "openstack/ironic",
        ["2014.2.rc1", "2014.2", "bugfix-33.0-eol", "33.0.1", "stein-eol"],
        [0, 1, 3],
    ),
    "channels": ("linkerd/linkerd2", ["edge-24.1.1", "stable-2.14.0", "edge-24.1.2", "stable-2.14.1"], [1, 3]),
    "a URL": ("https://git.example.com/team/tool.git", ["tool-1.0.0", "other-1.0.0", "other-1.1.0"], [0]),
    "a folder": ("/srv/tool/", ["tool-1.0.0", "other-1.0.0", "other-1.1.0"], [0]),
    "nothing": ("team/app", [], []),
}


@pytest.mark.parametrize(("repository", "names", "expected"), REPOSITORIES.values(), ids=REPOSITORIES.keys())
def test_the_line_of_a_repository(repository, names, expected):
    assert kept(repository, *names) == [names[at] for at in expected]


def test_releases_are_ordered_by_when_they_were_made_and_then_by_name():
    old, new, same = tags("v2.0.0", "v1.0.0", "v1.0.0-rc1")
    same = Release(same.name, same.sha, new.made)
    assert [r.name for r in main_line([same, new, old], "team/app")] == ["v2.0.0", "v1.0.0", "v1.0.0-rc1"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["lib-1.0", "v1.0.0"], True),
        (["app@1.0.0"], True),
        (["lib-1.0.0", "@x/lib@2.0.0", "latest", "nightly-1.2.0"], False),
        (["v4"], False),  # a full version elsewhere would make it one that moves
        ([], False),
    ],
)
def test_a_line_is_settled_by_a_version_of_the_repository_s_own(names, expected):
    assert settled(names, "team/app") is expected


@given(st.lists(st.text(st.sampled_from("v19.-_@/abcreap+~ \x00\u202e"), max_size=40), max_size=20))
def test_whatever_tags_are_called_releases_are_some_of_them_and_can_be_shown(names):
    given_tags = tags(*names)
    found = main_line(given_tags, "team/app")
    assert set(found) <= set(given_tags)
    assert list(found) == sorted(found, key=lambda release: (release.made, release.name))
    assert all(release.name.isprintable() and not release.name.startswith("-") for release in found)


@given(st.lists(st.text(st.sampled_from("v19.-_@/"), max_size=10), max_size=10))
def test_once_settled_further_tags_of_others_do_not_change_the_line(names):
    if settled(names, "team/app"):
        line = main_line(tags(*names), "team/app")
        assert main_line((*tags(*names), *tags("other-1.0.0", "x@2.0", "latest")), "team/app") == line


@pytest.mark.parametrize("part", ["eap", "a", "a.1", "rc1", "-a", "1.", "v1", "_1", "@1"])
def test_no_name_takes_long_to_read(part):
    """Each could be taken apart in 2 to the power of 60 ways by an expression that tries all of them."""
    assert version(f"1.0{part * 60}!") is None


def test_twenty_thousand_tags_are_read_in_one_go():
    names = [f"v{n}" for n in range(10_000)] + [f"v{n}.0.0" for n in range(10_000)]
    assert kept("team/app", *names) == names[10_000:]


def test_a_version_says_whether_its_form_is_a_package_s():
    assert version("cli@1.0.0") == Version("cli", (1, 0, 0), final=True, package=True, nightly=False)
    assert version("api/v1.0") == Version("api", (1, 0), final=True, package=True, nightly=False)
    assert version("release/1.0-rc1") == Version("release", (1, 0), final=False, package=False, nightly=False)


# --- One after the other -----------------------------------------------------------------------

LINE = (
    *("v1.0.0rc1", "v1.0.0", "v1.1.0-rc1", "v1.0.1", "v1.1.0-rc2", "v1.1.0", "v2.0.0-beta.1", "v1.0.2", "v2.0.0"),
    *("v1.1.0.post1", "v2.0.1"),
)


@pytest.mark.parametrize(
    ("name", "before_it"),
    [
        ("v1.0.0rc1", None),
        ("v1.0.0", "v1.0.0rc1"),  # there is no final one
        ("v1.1.0-rc1", "v1.0.0"),
        ("v1.0.1", "v1.0.0"),
        ("v1.1.0-rc2", "v1.1.0-rc1"),
        ("v1.1.0", "v1.0.1"),
        ("v2.0.0-beta.1", "v1.1.0"),
        ("v1.0.2", "v1.0.1"),
        ("v2.0.0", "v1.1.0"),
        ("v1.1.0.post1", "v1.1.0"),
        ("v2.0.1", "v2.0.0"),
    ],
)
def test_the_release_before_one_is_the_version_before_it_that_was_made_earlier(name, before_it):
    line = tags(*LINE)
    found = before(next(each for each in line if each.name == name), line, "team/app")
    assert (found and found.name) == before_it


def test_before_a_package_comes_its_own_last_version():
    line = tags("cli@1.0.0", "api@1.0.0", "cli@1.1.0", "api@1.0.1")
    assert [(found := before(each, line, "team/kit")) and found.name for each in line[2:]] == ["cli@1.0.0", "api@1.0.0"]


def test_packages_are_told_together_and_releases_of_one_line_alone():
    packages = tags("cli@1.0.0", "api@1.0.0", "cli@1.1.0")
    assert [[r.name for r in some] for some in bundles(packages[1:], packages, "team/kit")] == [
        ["cli@1.1.0", "api@1.0.0"]
    ]
    own = tags("v1.0.0", "v1.1.0")
    assert [[r.name for r in some] for some in bundles(own, own, "team/app")] == [["v1.1.0"], ["v1.0.0"]]
    assert bundles((), own, "team/app") == []


@given(st.text(max_size=40))
def test_any_word_can_be_looked_at(word):
    is_name(word)
    ends(f"{word}..{word}")
