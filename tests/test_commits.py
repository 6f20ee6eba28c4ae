"""Who wrote a commit, whom filters let through, how often a commit is read, and what was kept by earlier versions."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make import change, commit
from samples import digest as sample
from world import HOME, World, busy_day, words

from adapters.stores.sqlite import SqliteStore
from bot import report
from bot.commits import message, people
from bot.commits.filters import wanted
from bot.commits.people import Signature
from bot.texts import Texts
from bot.values import Filters, Request

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
    from bot.digest import people_label

    inner = [("Ana", "one"), ("Bo", "two"), ("Bo", "three"), ("Cy", "four\n\nCo-authored-by: Dee <dee@example.com>")]
    merge = commit("Merge branch 'x'", inner=inner, author="Max")
    assert people_label(merge) == "Bo, Ana +2"
    assert merge.reading.merger == "Max"


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
    monkeypatch.setattr(message, "read", lambda text: counted.append(text) or read(text))
    world.commands.run(Request("2026-02-18", HOME, ""))
    assert len(counted) == 29
    counted.clear()
    monkeypatch.setattr(world.source, "commits", lambda *_: pytest.fail("the source is asked again"))
    (found,) = world.commands.run(Request("search endpoint", HOME, ""))
    assert "replace endpoint" in words(found.headline)
    assert counted == []


# --- What earlier versions kept --------------------------------------------------------------

DATA = Path(__file__).parent / "data"


def test_a_digest_of_an_earlier_version_looks_as_it_did(tmp_path):
    path = tmp_path / "digest.db"
    with closing(SqliteStore(path)) as store:
        store.keep_digest("key", sample("normal"), datetime(2026, 2, 19, tzinfo=UTC))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE digests SET body = ?", ((DATA / "kept.json").read_text(encoding="utf-8"),))
    with closing(SqliteStore(path)) as store:
        kept = store.digest("key")
        assert report.markdown([kept], Texts("en")) == (DATA / "kept.en.md").read_text(encoding="utf-8")


def test_a_commit_of_an_earlier_version_is_read_when_it_is_found(tmp_path):
    path = tmp_path / "digest.db"
    merge = commit("Merge pull request #7 from ana/x", body="feat!: page lists", inner=[("Ana", "page lists")])
    with closing(SqliteStore(path)) as store:
        store.keep_commits([merge])
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE commits SET reading = NULL")
    with closing(SqliteStore(path)) as store:
        (found,) = store.commits_by_sha("team/app", merge.sha)
        assert (found.reading.title, found.reading.breaking) == ("page lists", "page lists")
        assert [p.name for p in found.reading.people] == ["Ana"]


def test_a_notebook_and_a_sample_are_no_tests_by_a_word():
    made = commit("[Misc] update dockerfile and e2e", change("Dockerfile"), change("Dockerfile.a2"), change("setup.py"))
    assert "test" not in made.reading.types
