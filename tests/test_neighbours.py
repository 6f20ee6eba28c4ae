"""Which commits of the same day have to do with one another, and why."""

from datetime import timedelta

import pytest
from make import MOMENT, change, commit, sha

from bot.commits.neighbours import names, neighbours
from bot.values import FilePatch, FileStatus


def other(number, subject="chore: else", *paths, hours=1.0, **more):
    """A commit that landed some hours after the one that is asked about."""
    files = [change(path) for path in paths or [f"own/{number}.py"]]
    return commit(subject, *files, sha=sha(number), committed=MOMENT + timedelta(hours=hours), **more)


def patch(*lines, path="src/app.py"):
    return (FilePatch(path, "\n".join(["@@ -1,2 +1,2 @@ unchanged_name", " context_name()", *lines])),)


CENTRE = commit("fix: load users once", change("src/app.py"), change(".changeset/red-fox.md"), change("uv.lock"))
OWN = patch("-    load_user(name)", "+def fetch(name):", "+    loadUser(name, Retry)", "+    return values")


def found(*others, patches=OWN, known=None, of=CENTRE):
    return [
        (c.sha[:7].strip("0"), reason)
        for c, reason in neighbours(of, patches, others, {sha: names(p) for sha, p in (known or {}).items()})
    ]


@pytest.mark.parametrize("path", ["src/app.py", ".changeset/red-fox.md"])
def test_a_commit_that_touches_the_same_file_is_a_neighbour(path):
    assert found(other(1, "x", path), other(2)) == [("1", f"touches {path}")]


def test_a_lock_file_joins_nobody():
    assert found(other(1, "x", "uv.lock")) == []


def test_a_renamed_file_is_known_by_its_former_path():
    moved = commit("move", change("src/new.py", status=FileStatus.RENAMED, previous="src/app.py"), sha=sha(1))
    assert found(moved) == [("1", "touches src/app.py")]
    assert found(other(2, "x", "src/app.py"), of=moved, patches=()) == [("2", "touches src/app.py")]


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        ("fix: load_user fails", "names in its title load_user"),
        ("perf: `loadUser` twice as fast", "names in its title loadUser"),
        ("feat: fetch in parallel", "names in its title fetch"),
        ("fix: load_users fails", ""),
        ("docs: values and context_name", ""),
    ],
)
def test_a_title_that_names_what_the_patch_changes_joins(subject, reason):
    assert found(other(1, subject)) == ([("1", reason)] if reason else [])


def test_a_patch_that_changes_lines_with_the_same_name_joins():
    known = {
        sha(1): patch("+    x = load_user()"),
        sha(2): patch("     x = load_user()"),
        sha(3): patch("+ return values"),
    }
    assert found(other(1), other(2), other(3), known=known) == [("1", "changes lines with load_user")]


def test_all_reasons_are_told_and_lists_are_short():
    known = {sha(1): patch("+ fetch()")}
    own = patch(*(f"+    some_{n}()" for n in range(5)), "+def fetch(): pass")
    one = other(1, "fix: some_0, some_1, some_2, some_3 and some_4", "src/app.py")
    assert found(one, patches=own, known=known) == [
        ("1", "touches src/app.py; names in its title some_0, some_1, some_2 and 2 more; changes lines with fetch")
    ]


@pytest.mark.parametrize(("others", "kept"), [(4, 4), (5, 0)])
def test_a_name_in_more_than_five_patches_says_nothing(others, kept):
    made = [other(n) for n in range(1, others + 1)]
    assert len(found(*made, known={each.sha: patch("+ load_user()") for each in made})) == kept


def test_a_changelog_that_many_write_to_joins_nobody_but_a_source_file_does():
    both = commit("x", change("CHANGELOG.md"), change("src/app.py"))
    assert len(found(*(other(n, "x", "CHANGELOG.md") for n in range(1, 6)), of=both, patches=())) == 5
    assert found(*(other(n, "x", "CHANGELOG.md") for n in range(1, 7)), of=both, patches=()) == []
    assert len(found(*(other(n, "x", "src/app.py") for n in range(1, 8)), of=both, patches=())) == 7


def test_the_nearest_in_time_come_first_eight_at_most_within_a_day():
    hours = [-24, 24.1, 3, -2, 1, -24.1, 5, 6, 7, 8, 9, 10]
    made = [other(n, "x", "src/app.py", hours=each) for n, each in enumerate(hours, 1)]
    assert [name for name, _ in found(*made)] == ["5", "4", "3", "7", "8", "9", "a", "b"]
    assert [name for name, _ in found(*made[:2])] == ["1"]


def test_a_commit_is_not_its_own_neighbour():
    assert found(CENTRE) == []


def test_generated_files_name_nothing():
    assert found(other(1, "fix: load_user"), patches=patch("+ load_user", path="dist/app.min.js")) == []
