"""What belongs together, as a reader sees it: bumps in one row, reverts and backports linked, stacks as a theme."""

from datetime import timedelta

import pytest
from repositories import Builder
from world import DAY, HOME, World, words

from bot.rights import Who
from bot.values import Table

PATH = "src/app.py"


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """Two days: what was done on the first is taken back, ported and gone on with on the second."""
    build = Builder(tmp_path_factory.mktemp("grouped") / "app")
    before = DAY - timedelta(days=1)
    build.commit("start", before, {PATH: "x = 1\n"}, message="feat: retry a failed start (#10)")
    build.commit("other", before + timedelta(hours=1), {PATH: "x = 2\n"}, message="fix: wait longer (#11)")
    build.commit("revert", DAY, {PATH: "x = 1\n"}, message='Revert "fix: wait longer (#11)" (#20)\n\nReverts #11.')
    picked = "(cherry picked from commit 0123456789abcdef0123456789abcdef01234567)"
    build.commit(
        "port", DAY + timedelta(minutes=1), {PATH: "x = 3\n"}, message=f"fix: pool\n\nBackport of #10\n{picked}"
    )
    for part in (1, 2, 3):
        build.commit(
            f"part{part}",
            DAY + timedelta(minutes=10 + part),
            {f"src/part{part}.py": "y = 1\n"},
            message=f"[{part}/3] Move the settings to TOML (#{30 + part})",
        )
    bot = ("dependabot[bot]", "49699333+dependabot[bot]@users.noreply.github.com")
    for n, (name, old, new) in enumerate(
        [("requests", "2.31.0", "2.32.0"), ("vite", "5.1.0", "5.2.0"), ("jiff", "0.2", "0.3")]
    ):
        build.commit(
            f"bump{n}",
            DAY + timedelta(minutes=30 + n),
            {"uv.lock": f"{name} {new}\n"},
            message=f"Bump {name} from {old} to {new} (#{40 + n})",
            author=bot,
        )
    return build.finish()


@pytest.fixture
def world(tmp_path, clock, history):
    made = World(tmp_path, clock, str(history.path))
    yield made
    made.close()


def said(world: World, text: str) -> str:
    """An answer's words, with single spaces."""
    return " ".join(world.said(text).split())


def table(post) -> list[list[str]]:
    (found,) = [part for part in post.headline.parts if isinstance(part, Table)]
    return [["".join(span.text for span in cell) for cell in row] for row in found.rows]


def test_bots_bumps_stand_in_one_row_with_their_versions(world):
    (post,) = world.ask("2026-02-18")
    rows = table(post)
    assert len(rows) == 6
    (bumps,) = [row for row in rows if "Dependency updates" in row[2]]
    assert bumps[2] == "Dependency updates, 3 commits: jiff 0.2 → 0.3, vite 5.1.0 → 5.2.0, requests 2.31.0 → 2.32.0"
    assert bumps[1] == "dependabot[bot]"
    assert "8 commits" in words(post.headline)


def test_a_revert_names_what_it_takes_back_also_of_an_earlier_day(world, history):
    world.ask("2026-02-17")
    expected = f"reverts {history.sha('other')[:7]} fix: wait longer (#11)"
    assert expected in said(world, "2026-02-18")
    assert expected in said(world, history.sha("revert")[:9])


def test_a_backport_whose_source_is_not_kept_is_named_by_its_number(tmp_path, clock, history):
    fresh = World(tmp_path, clock, str(history.path))
    assert "backports #10" in said(fresh, "2026-02-18")
    fresh.close()


def test_a_revert_never_names_what_landed_after_it(tmp_path, clock):
    build = Builder(tmp_path / "app")
    build.commit("first", DAY - timedelta(days=9), {PATH: "x = 1\n"}, message="feat: cache answers")
    build.commit("revert", DAY, {PATH: "x = 0\n"}, message='Revert "feat: cache answers"')
    build.commit("again", DAY + timedelta(hours=4), {PATH: "x = 1\n"}, message="feat: cache answers")
    history = build.finish()
    world = World(tmp_path, clock, str(history.path))
    world.ask("2026-02-18")
    (digest,) = world.store.recent_digests(str(history.path), "main", "en", 1)
    (relations,) = [e.relations for e in digest.entries if e.commit.sha == history.sha("revert")]
    assert history.sha("again") not in [r.sha for r in relations]
    world.close()


def test_a_pull_request_that_was_ported_is_found_where_it_landed(tmp_path, clock):
    build = Builder(tmp_path / "app")
    build.commit("root", DAY - timedelta(days=2), {PATH: "x = 1\n"}, message="start")
    build.commit("ported", DAY, {PATH: "x = 2\n"}, message="fix: x (#12)", branch="release", parents=["root"])
    build.commit("landed", DAY, {PATH: "x = 2\ny = 1\n"}, message="fix: x (#12)")
    history = build.finish()
    world = World(tmp_path, clock, str(history.path))
    world.store.keep_commits([world.source.commit(str(history.path), history.sha("ported"))])
    repository = world.repositories.find(str(history.path), Who(HOME))
    assert world.repositories.pull(repository, 12).sha == history.sha("landed")
    world.close()


def test_a_series_is_a_theme(world):
    (post,) = world.ask("2026-02-18")
    assert "Move the settings to TOML  · 3 commits:  #33 ,  #32 ,  #31" in words(post.headline)


def test_the_report_tells_the_same(world, history):
    world.ask("2026-02-17")
    repository = world.repositories.find(str(history.path), Who(HOME))
    (post,) = world.ask("report 2026-02-18")
    text = "\n".join(part.text for m in (post.headline, *post.replies) for part in m.parts if hasattr(part, "name"))
    assert repository.title in text
    assert f"reverts `{history.sha('other')[:7]}`" in text
    assert "Move the settings to TOML" in text
