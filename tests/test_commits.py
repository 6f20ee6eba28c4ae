"""Who wrote a commit, whom filters let through, how often a commit is read, and what was kept by earlier versions."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make import change, commit
from plain import unpack_all
from samples import digest as sample
from world import World, busy_day, words

from adapters.stores.sqlite import SqliteStore
from bot.commits import message, people
from bot.commits.filters import wanted
from bot.commits.people import Signature
from bot.posts import report
from bot.texts import Texts
from bot.values import Filters, Person

# --- People ----------------------------------------------------------------------------------

MAILMAP = """
# comment
Ana Real <ana@example.com>
Bo Real <bo@example.com> <bo@old.example.com>
<cy@example.com> <cy@old.example.com>
Dee Real <dee@example.com> Dee <shared@example.com>
Eve Real <eve@example.com> eve <shared@example.com>
"""


@pytest.mark.parametrize(
    ("name", "email", "expected"),
    [
        ("ana", "ANA@example.com", ("Ana Real", "ANA@example.com")),
        ("b", "bo@old.example.com", ("Bo Real", "bo@example.com")),
        ("Cy", "cy@old.example.com", ("Cy", "cy@example.com")),
        ("dee", "shared@example.com", ("Dee Real", "dee@example.com")),
        ("EVE", "shared@example.com", ("Eve Real", "eve@example.com")),
        ("Fay", "shared@example.com", ("Fay", "shared@example.com")),
        ("Gus", "gus@example.com", ("Gus", "gus@example.com")),
    ],
)
def test_a_mailmap_says_by_which_name_somebody_goes(name, email, expected):
    found = people.mailmap(MAILMAP)(Signature(name, email))
    assert (found.name, found.email) == expected


@given(st.text(max_size=300))
def test_any_text_is_a_mailmap(text):
    found = people.mailmap(text)(Signature("Ana", "ana@example.com"))
    assert isinstance(found.name, str)


def test_a_mailmap_of_a_hundred_thousand_lines_is_read():
    text = "".join(f"Name {n} <new{n}@example.com> <old{n}@example.com>\n" for n in range(100_000))
    assert people.mailmap(text)(Signature("x", "old99999@example.com")).name == "Name 99999"


def test_a_mailmap_of_one_endless_line_is_bounded():
    found = people.mailmap("<" * 9_000_000 + " Ana <ana@example.com>")
    assert found(Signature("ana", "ana@example.com")).name == "ana"


def test_of_several_the_row_names_two_and_how_many_more():
    from bot.posts.labels import people_label
    from bot.texts import Texts

    inner = [("Ana", "one"), ("Bo", "two"), ("Bo", "three"), ("Cy", "four\n\nCo-authored-by: Dee <dee@example.com>")]
    merge = commit("Merge branch 'x'", inner=inner, author="Max")
    assert people_label(merge, Texts("en")) == "Bo, Ana +2"
    assert merge.reading.merger == "Max"


@pytest.mark.parametrize(
    "body",
    [
        "Co-authored-by: Ana <noreply@anthropic.com>\nCo-authored-by: Bo <bo@example.com>",
        "Co-authored-by: Bo <bo@example.com>\nCo-authored-by: Bo <bo@example.com>",
        "Co-authored-by: Claude <noreply@anthropic.com>",
    ],
)
def test_a_trailer_takes_no_author_away(body):
    assert commit("feat: lists", author="Ana", body=body).reading.people[0].name == "Ana"


@pytest.mark.parametrize(
    "name",
    ["Wang Ci", "Jan Bot", "Travis", "Marge", "Jenkins", "Peter Automation", "Bo Talbot", "Abbot", "robot-builder"],
)
def test_a_person_is_no_program_by_the_sound_of_the_name(name):
    assert not people.is_bot(Person(name))


@pytest.mark.parametrize(
    "name",
    [
        "dependabot[bot]",
        "Renovate Bot",
        "k8s-ci-robot",
        "OpenStack Proposal Bot",
        "pyup-bot",
        "Hosted Weblate",
        "FooTestBot",
    ],
)
def test_a_program_is_known_however_it_is_called(name):
    assert people.is_bot(Person(name))


def test_a_mailmap_makes_no_program_of_a_person():
    mapped = people.mailmap("dependabot[bot] <cy@example.com>\n")
    assert mapped(Signature("Cy", "cy@example.com")).name == "Cy"


def test_a_bots_bump_stays_the_bots_whoever_brought_its_branch_up_to_date():
    bump = commit(
        "Bump serde from 1.0.1 to 1.0.2 (#7)",
        change("Cargo.lock"),
        author="dependabot[bot]",
        body="Bumps serde from 1.0.1 to 1.0.2.\n\nCo-authored-by: Ana <ana@example.com>",
    )
    assert bump.reading.bot
    assert [p.name for p in bump.reading.people] == ["dependabot[bot]", "Ana"]
    assert not wanted(bump, Filters(bots=False))


# --- Numbers and titles ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subject", "body", "known", "expected"),
    [
        ("docs: a typo", "PR-URL: #123", 456, 456),
        ("docs: a typo", "PR-URL: https://github.com/other/repo/pull/123", None, None),
        ("docs: a typo", "Reviewed-on: https://evil.example/123", None, None),
        ("docs: a typo", "Part-of: <https://gitlab.example.com/other/app/-/merge_requests/9>", None, None),
        ("docs: a typo", "PR-URL: https://github.com/team/app/pull/123", None, 123),
        ("docs: a typo (#7)", "PR-URL: #123", 456, 7),
    ],
)
def test_a_body_takes_no_number_that_is_surer_known_or_of_another_place(subject, body, known, expected):
    assert commit(subject, body=body, pull=known).pull == expected


@pytest.mark.parametrize(
    "subject", ["Update the docs on (#12) handling", "Release 1.2 (#12): notes", "fix(#12): an empty list"]
)
def test_a_number_within_a_sentence_stays_there(subject):
    assert "#12" in commit(subject).reading.subject


@pytest.mark.parametrize(
    ("subject", "body", "inner", "title"),
    [
        (
            "Merge branch 'main' into dev",
            "Conflicts:\n\tREADME.md\n\tpom.xml",
            ["Count a quota once"],
            "Count a quota once",
        ),
        ("Merge branch 'main' into dev", "# Conflicts:\n#\tREADME.md", ["Count a quota once"], "Count a quota once"),
        ("Merge \"Merge branch 'stable-2.15'\"", "", ["Close the file"], "Close the file"),
        (
            "Count each quota once, however many wo… (#8)",
            "",
            ["Count each quota once, however many workers ask"],
            "Count each quota once, however many workers ask",
        ),
        (
            "Count each quota once, however many wo…",
            "* Count each quota once, however many workers ask",
            [],
            "Count each quota once, however many workers ask",
        ),
    ],
)
def test_a_title_is_found_where_it_stands_whole(subject, body, inner, title):
    assert commit(subject, body=body, inner=inner).reading.title == title


@pytest.mark.parametrize(
    ("subject", "inner"),
    [
        ("Merge branch 'topic'", ["fixup! Add a page", "squash! Add a page"]),
        ("[Take 2] Log each step", []),
        ('Revert "Revert "Log each step""', []),
        ("Merge branch 'topic'", ['Revert "Log a step"', "Log each step"]),
    ],
)
def test_what_repairs_or_brings_back_neither_breaks_nor_reverts(subject, inner):
    read = commit(subject, inner=inner, body="" if inner else "Reverts 0123abcd0123abcd").reading
    assert (read.breaking, read.reverts) == ("", "")


# --- Filters ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "bots"),
    [
        ({"author": "mergify[bot]", "inner": [("Ana", "add paging")]}, True),
        ({"author": "Ana", "inner": [("renovate[bot]", "Bump x from 1 to 2")]}, False),
        ({"author": "renovate[bot]", "inner": [("renovate[bot]", "Bump x from 1 to 2"), ("Ana", "mend it")]}, True),
        ({"author": "Ana", "body": "Co-authored-by: renovate[bot] <bot@example.com>"}, True),
        ({"author": "Hosted Weblate"}, False),
    ],
)
def test_a_filter_of_bots_never_drops_what_a_person_wrote(made, bots):
    assert wanted(commit("Merge branch 'x'", **made), Filters(bots=False)) is bots


@pytest.mark.parametrize(
    ("authors", "passes"),
    [(("-Ana",), True), (("-Ana", "-Bo"), False), (("Bo",), True), (("Max",), False), (("-Max",), True)],
)
def test_a_filter_of_authors_asks_who_wrote_it(authors, passes):
    merge = commit("Merge branch 'x'", author="Max", inner=[("Ana", "one"), ("Bo", "two")])
    assert wanted(merge, Filters(authors=authors)) is passes


# --- Reading once ----------------------------------------------------------------------------


@pytest.fixture
def world(tmp_path, clock):
    history = busy_day(tmp_path / "app")
    made = World(tmp_path, clock, str(history.path))
    yield made
    made.close()


def test_a_commit_is_read_once(world, monkeypatch):
    counted = []
    read = message.read
    monkeypatch.setattr(message, "read", lambda *a: counted.append(a) or read(*a))
    world.run("2026-02-18")
    assert len(counted) == 29
    counted.clear()
    monkeypatch.setattr(world.source, "commits", lambda *_: pytest.fail("the source is asked again"))
    (found,) = world.run("search endpoint")
    assert "replace endpoint" in words(found.headline)
    assert counted == []


# --- What earlier versions kept --------------------------------------------------------------

DATA = Path(__file__).parent / "data"


def test_a_digest_of_an_earlier_version_looks_as_it_did(tmp_path):
    path = tmp_path / "digest.db"
    with closing(SqliteStore(path)) as store:
        store.keep_digest("key", sample("normal"), datetime(2026, 2, 19, tzinfo=UTC))
    with closing(sqlite3.connect(path)) as db, db:
        kept = (DATA / "kept.json").read_text(encoding="utf-8")
        db.execute("UPDATE digests SET packed = NULL, body = ?", (kept,))
    with closing(SqliteStore(path)) as store:
        kept = store.digest("key")
        assert report.markdown([kept], Texts("en")) == (DATA / "kept.en.md").read_text(encoding="utf-8")


def test_a_commit_of_an_earlier_version_is_read_when_it_is_found(tmp_path):
    path = tmp_path / "digest.db"
    merge = commit("Merge pull request #7 from ana/x", body="feat!: page lists", inner=[("Ana", "page lists")])
    with closing(SqliteStore(path)) as store:
        store.keep_commits([merge])
        unpack_all(store)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE commits SET reading = NULL")
    with closing(SqliteStore(path)) as store:
        (found,) = store.commits_by_sha("team/app", merge.sha)
        assert (found.reading.title, found.reading.breaking) == ("page lists", "page lists")
        assert [p.name for p in found.reading.people] == ["Ana"]


def test_a_notebook_and_a_sample_are_no_tests_by_a_word():
    made = commit("[Misc] update dockerfile and e2e", change("Dockerfile"), change("Dockerfile.a2"), change("setup.py"))
    assert "test" not in made.reading.types


def test_a_program_that_merges_a_person_s_update_wrote_none_of_it():
    update = ("dev-one", "Update cc to 1.1.22")
    manifests = change("Cargo.toml"), change("Cargo.lock")
    found = commit("Auto merge of #14607 - one:cc, r=two", *manifests, author="bors", inner=[update])
    assert ([person.name for person in found.reading.people], found.reading.merger) == (["dev-one"], "bors")
