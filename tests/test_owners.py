"""CODEOWNERS, as GitHub and GitLab read it, and what filters by owner and label let through."""

import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from make import change, commit
from pathspec import GitIgnoreSpec

from bot.commits import owners
from bot.commits.filters import Known, wanted
from bot.values import FileChange, FileStatus, Filters

# The example of docs.github.com, "About code owners", "Example of a CODEOWNERS file".
GITHUB = """
# This is a comment.
*       @global-owner1 @global-owner2
*.js    @js-owner #This is an inline comment.
*.go docs@example.com
*.txt @octo-org/octocats
/build/logs/ @doctocat
docs/* docs@example.com
apps/ @octocat
/docs/ @doctocat
/scripts/ @doctocat @octocat
**/logs @octocat
/apps/ @octocat
/apps/github
"""


@pytest.mark.parametrize(
    ("path", "who"),
    [
        ("README.md", "global-owner1 global-owner2"),
        ("src/app.js", "js-owner"),
        ("src/main.go", "docs@example.com"),
        ("a/b.txt", "octo-org/octocats"),
        ("build/logs/today", "octocat"),  # by **/logs, which stands behind
        ("lib/build/logs", "octocat"),
        ("lib/apps/x.js", "octocat"),
        ("docs/getting-started.md", "doctocat"),
        ("docs/build-app/troubleshooting.md", "doctocat"),
        ("scripts/run", "doctocat octocat"),
        ("apps/web/x", "octocat"),
        ("apps/github", ""),
        ("apps/github/x", ""),
    ],
)
def test_the_last_pattern_that_fits_counts(path, who):
    assert owners.parse(GITHUB).of(path) == frozenset(who.split())


@pytest.mark.parametrize(
    ("pattern", "fits", "fits_not"),
    [
        ("docs/*", ["docs/a.md"], ["docs/sub/a.md", "lib/docs/a.md", "docs"]),
        ("/docs/", ["docs/a", "docs/a/b"], ["docs", "lib/docs/a"]),
        ("docs", ["docs", "lib/docs", "docs/a", "lib/docs/a"], ["docs2", "mydocs"]),
        ("/*", ["README.md"], ["src/a"]),
        ("*", ["README.md", "src/a"], []),
        ("**", ["README.md", "src/a"], []),
        ("a/**/z", ["a/z", "a/b/z", "a/b/c/z", "a/b/z/y"], ["a", "z", "b/a/z"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "b/a/c"]),
        ("a/**/", ["a/b/c"], ["a", "a/b", "b/a/c"]),
        ("*.md", ["x.md", "a/x.md", "a/.md"], ["x.mdx"]),
        (r"with\ space/", ["with space/a"], ["with/a", "space/a"]),
        ("a?c", ["abc", "x/abc"], ["ac", "a/c"]),
        ("!a", [], ["a", "!a"]),
        ("[ab]", [], ["a", "b", "[ab]"]),
        ("/", [], ["a"]),
    ],
)
def test_a_pattern_fits_as_github_says(pattern, fits, fits_not):
    known = owners.parse(f"{pattern} @team")
    assert [path for path in (*fits, *fits_not) if known.of(path)] == fits


PARTS = st.sampled_from(["a", "b", "ab", "*", "**", "a*", "*b", "?", "a?b"])
PATHS = st.lists(st.sampled_from(["a", "b", "ab", "axb", "ba"]), min_size=1, max_size=4).map("/".join)


@given(
    parts=st.lists(PARTS, min_size=1, max_size=4),
    before=st.sampled_from(["", "/"]),
    behind=st.sampled_from(["", "/"]),
    path=PATHS,
)
def test_but_for_stars_at_its_end_a_pattern_means_what_it_means_in_gitignore(parts, before, behind, path):
    pattern = before + "/".join(parts) + behind
    assume(parts[-1] not in {"*", "**"} or (parts[-1] == "*" and behind))
    fits = bool(owners.parse(f"{pattern} @team").of(path))
    assert fits == GitIgnoreSpec.from_lines([pattern]).match_file(path), (pattern, path)


def test_sections_of_gitlab_count_each_by_itself():
    """The examples of docs.gitlab.com, Code Owners syntax."""
    known = owners.parse(
        "* @admin\n[README Owners]\nREADME.md @user1 @user2\ninternal/README.md @user4\n"
        "[Documentation][2] @docs-team\ndocs/\nREADME.md\n^[Database] @database-team\nmodel/db/\n"
        "[DOCUMENTATION]\nREADME.md @writer\n"
    )
    assert known.of("README.md") == {"admin", "user1", "user2", "writer"}
    assert known.of("internal/README.md") == {"admin", "user4", "writer"}
    assert known.of("docs/a.md") == {"admin", "docs-team"}
    assert known.of("model/db/x") == {"admin", "database-team"}


def test_an_owner_is_named_as_people_type_it():
    known = owners.parse("* @Org/Core @Ann bob@team.dev\n/x @other/core")
    assert known.named(["@org/core"]) == {"org/core"}
    assert known.named(["core"]) == {"org/core", "other/core"}
    assert known.named(["@ann", "BOB@team.dev", "nobody"]) == {"ann", "bob@team.dev"}
    assert known.nearest("@org/cors")[0] in {"org/core", "other/core"}


def test_whoever_writes_the_file_cannot_stop_the_bot_with_it():
    stars, deep = "*a" * 60 + "b", "/".join(["**/a"] * 40) + "/b"
    path = "/".join(["a" * 200] * 40)
    known = owners.parse(f"{stars} @team\n{deep} @team\n" * 20)
    begun = time.process_time()
    assert known.of(path) == frozenset()
    assert time.process_time() - begun < 1
    assert owners.parse("a @b\n" * 20_000) is None


# --- Filters ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "labels", "passes"),
    [
        (("bug",), ("Bug", "area/x"), True),
        (("bug",), ("feature",), False),
        (("bug",), (), False),
        (("-dependencies",), ("dependencies",), False),
        (("-dependencies",), (), True),
        (("bug", "-dependencies"), ("bug", "Dependencies"), False),
        (("bug", "security"), ("security",), True),
    ],
)
def test_a_filter_on_labels_goes_by_those_of_the_pull_request(asked, labels, passes):
    made = commit(labels=labels)
    assert wanted(made, Filters(labels=asked)) is passes
    assert wanted(made, Filters(labels=asked), Known(labelled=False)), "nobody knows labels there"


def test_a_filter_on_owners_goes_by_the_files_also_by_what_they_were_called():
    known = Known(owners=owners.parse("/core/ @org/core\n/docs/ @org/docs"))
    moved = commit("refactor: move", FileChange("docs/a.md", FileStatus.RENAMED, previous="core/a.md"))
    both = commit("feat: x", change("core/a.py"), change("other.py"))
    assert wanted(both, Filters(owners=("@org/core",)), known)
    assert not wanted(both, Filters(owners=("docs",)), known)
    assert all(wanted(moved, Filters(owners=(team,)), known) for team in ("core", "docs"))
    assert not wanted(both, Filters(owners=("core",), bots=True, paths=("docs/",)), known), "all filters must fit"


def test_what_filters_go_by_and_is_not_known_lets_everything_through_and_is_said():
    known = Known(labelled=False, owners=owners.parse("* @org/core"))
    asked = Filters(labels=("bug",), owners=("gone",))
    assert known.lacking(asked) == ("labels", "owners")
    assert wanted(commit(), asked, known)
    assert Known(labelled=True, owners=known.owners).lacking(Filters(labels=("bug",), owners=("core",))) == ()
