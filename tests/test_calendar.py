"""Holidays and filters as people set them, in the answers, the digests and `digest doctor`."""

import tomllib
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from conftest import Clock
from github import Auth
from github_server import TOKEN, Fault, GitHubServer, Pull
from repositories import Builder, lines
from world import CHANNEL, DAY, World

from adapters.sources.github.client import Client
from adapters.sources.github.source import GitHubSource
from bot.conversation import forms, operator
from bot.errors import NotFound, UsageError
from bot.ports import Verdict
from bot.texts import Texts
from bot.values import Filters, Place, Subscription

TYPED = tomllib.loads((Path(__file__).parent / "data/typed.toml").read_text(encoding="utf-8"))
OWNERS = "/src/ @org/core\n/docs/ @org/docs ann@team.dev\n"


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """Three commits of the 18th, a Wednesday: two to what the core team owns, one to documents."""
    build = Builder(tmp_path_factory.mktemp("calendar") / "app")
    build.commit("root", DAY - timedelta(days=3), {".github/CODEOWNERS": OWNERS, "src/a.py": lines(1, 9)})
    for n, path in enumerate(("src/b.py", "docs/a.md", "src/c.py"), 1):
        made = DAY + timedelta(hours=n)
        build.commit(f"pull{n}", made, {path: lines(1, 20)}, message=f"feat: part {n} (#{n})")
    return build.finish()


@pytest.fixture(scope="module")
def world(tmp_path_factory, history):
    clock = Clock(datetime(2026, 2, 20, 1, 0, tzinfo=UTC))
    made = World(tmp_path_factory.mktemp("world"), clock, str(history.path), allow=(str(history.path),))
    yield made
    made.close()


def followed(world, history, options):
    world.run(f"unsubscribe {history.path}", CHANNEL) if world.store.subscriptions(CHANNEL) else None
    world.run(f"subscribe {history.path} {options}", CHANNEL)
    (kept,) = world.store.subscriptions(CHANNEL)
    return kept


# --- Typed -----------------------------------------------------------------------------------


def test_an_option_means_what_it_says(world, history):
    found = {}
    for typed in TYPED["calendar"]:
        kept = followed(world, history, typed)
        found[typed] = [kept.holidays, ",".join(kept.filters.labels), ",".join(kept.filters.owners)]
    assert found == TYPED["calendar"]


@pytest.mark.parametrize(
    ("options", "key"), [(o, key) for key, each in TYPED["refused_calendar"].items() for o in each]
)
def test_what_cannot_be_meant_is_refused_by_name(world, history, options, key):
    with pytest.raises(UsageError) as refused:
        world.run(f"subscribe {history.path} {options}", CHANNEL)
    assert refused.value.key == key
    assert Texts("en").error(refused.value)
    assert Texts("zh").error(refused.value)


def test_a_form_shows_what_is_kept_and_says_the_same(world, history):
    kept = followed(world, history, "at 09:00 on mon-fri holidays DE-BE labels bug,-docs owned-by @org/core")
    form = forms.subscribe_form(kept, True, Texts("en"))
    values = {each.name: each.value for each in form.inputs}
    assert (values["holidays"], values["labels"], values["owned-by"]) == ("DE-BE", "bug, -docs", "@org/core")
    line = forms.line(values | dict(form.fixed))
    assert " holidays DE-BE lang en paths any authors any labels bug,-docs owned-by @org/core " in line
    line = forms.line(values | {"holidays": "", "labels": "", "owned-by": ""})
    assert " holidays any lang en paths any authors any labels any owned-by any " in line


def test_what_is_unsubscribed_comes_back_with_its_holidays_and_filters(world, history):
    kept = followed(world, history, 'at 09:00 on mon-fri holidays CN labels "good first issue" owned-by @org/core')
    (post,) = world.run(f"unsubscribe {history.path}", CHANNEL)
    line = post.headline.parts[0].lines[1][0].text
    world.run(line.replace(" app ", f" {history.path} "), CHANNEL)
    (again,) = world.store.subscriptions(CHANNEL)
    same = {"id": 0, "created": kept.created, "scheduled": kept.scheduled}
    assert replace(again, **same) == replace(kept, **same)


# --- Answered --------------------------------------------------------------------------------


def test_the_answer_names_the_next_days_and_up_to_when_holidays_are_known(world, history):
    world.run(f"unsubscribe {history.path}", CHANNEL) if world.store.subscriptions(CHANNEL) else None
    world.run(f"subscribe {history.path} at 09:00 on mon-fri zone Asia/Shanghai holidays CN", CHANNEL)
    said = world.said("list", CHANNEL)
    assert "2026-02-24" in said, "the first day after the Spring Festival"
    assert "CN (dates are known up to 2026; no holidays are assumed after that)" in said
    assert "Public holidays DE-BE" in _list(world, history, "holidays DE-BE")
    assert "EG (a holiday counts as a working day until its date is fixed)" in _list(world, history, "holidays EG")


def _list(world, history, options):
    followed(world, history, options)
    return world.said("list", CHANNEL)


def test_where_no_labels_are_known_the_answer_and_the_digest_say_so(world, history):
    world.run(f"unsubscribe {history.path}", CHANNEL) if world.store.subscriptions(CHANNEL) else None
    said = world.said(f"subscribe {history.path} labels bug", CHANNEL)
    assert "the labels of its pull requests could not be read" in said
    digest = world.said("2026-02-18", CHANNEL)
    assert "the labels of its pull requests could not be read" in digest
    assert "3 commits" in digest


def test_a_digest_tells_what_the_named_owners_own(world, history):
    followed(world, history, "owned-by docs")
    digest = world.said("2026-02-18", CHANNEL)
    assert "part 2" in digest
    assert "part 1" not in digest
    assert "2 commits left out" in digest
    followed(world, history, "owned-by core")
    assert "1 commit left out" in world.said("2026-02-18", CHANNEL), "another filter is another digest"


def test_what_codeowners_names_no_more_is_not_filtered_and_said(world, history):
    kept = followed(world, history, "owned-by docs")
    world.store.subscribe(replace(kept, filters=Filters(owners=("@org/gone",))))
    digest = world.said("2026-02-18", CHANNEL)
    assert "no CODEOWNERS file on this branch names @org/gone" in digest
    assert "3 commits" in digest


def test_the_doctor_names_holidays_that_are_not_kept():
    place = Place("slack", "T1/C1")
    each = [
        Subscription(place, "o/r", "0 9 * * mon-fri", "UTC", "en", holidays=calendar, id=n)
        for n, calendar in enumerate(("CN", "DE-BE", "XX", ""), 1)
    ]
    found = list(operator._followed(each, datetime(2026, 11, 20, tzinfo=UTC)))
    assert [(f.subject, f.outcome, f.fields["calendar"]) for f in found] == [
        ("holidays", "until", "CN"),
        ("holidays", "unknown", "XX"),
    ]
    assert {f.verdict for f in found} == {Verdict.WARNING}
    assert list(operator._followed(each[:2], datetime(2026, 6, 1, tzinfo=UTC))) == []
    for language in ("en", "zh"):
        for one in found:
            assert Texts(language)(f"doctor.{one.subject}_{one.outcome}", **one.fields)


# --- GitHub ----------------------------------------------------------------------------------


@contextmanager
def github(history, token):
    pulls = {"team/app": [Pull(n, history.sha(f"pull{n}"), labels=("Bug",) if n == 1 else ()) for n in (1, 2, 3)]}
    with GitHubServer({"team/app": history.path}, pulls=pulls) as server:
        auth = Auth.Token(token) if token else None
        yield GitHubSource(Client(auth, server.url, sleep=lambda _: None)), server


def test_labels_of_github_filter_where_there_is_a_token(tmp_path, clock, history):
    for token, told in ((TOKEN, ["feat: part 1 (#1)"]), ("", [f"feat: part {n} (#{n})" for n in (3, 2, 1)])):
        with github(history, token) as (source, _):
            folder = tmp_path / (token or "none")
            folder.mkdir()
            world = World(folder, clock, "team/app", allow=("team/app",))
            world.source = source
            assert source.repository("team/app").labelled == bool(token)
            world.store.subscribe(
                Subscription(CHANNEL, "team/app", "0 9 * * *", "UTC", "en", filters=Filters(labels=("bug",)))
            )
            said = world.said("2026-02-18", CHANNEL)
            (digest,) = world.store.recent_digests("team/app", "main", "en", 5)
            assert [e.commit.subject for e in digest.entries] == told
            assert ("pull requests could not be read" in said) == (not token)
            world.close()


def test_codeowners_is_asked_for_again_without_using_up_the_limit(history):
    with github(history, TOKEN) as (source, server):
        first = source.text("team/app", "main", ("nothing", ".github/CODEOWNERS"))
        assert first == OWNERS
        assert source.text("team/app", "", (".github/CODEOWNERS",)) == OWNERS
        assert source.text("team/app", "main", ("src", "nothing")) is None
        assert server.counts["contents"] >= 3


def test_labels_are_known_where_github_describes_a_commit_only_by_itself(history):
    with github(history, TOKEN) as (source, server):
        server.fault("graphql", Fault(how=""), *[Fault(502, "Bad Gateway")] * 3)
        found = source.commits("team/app", "", DAY, DAY + timedelta(days=1))
        assert [c.reading.labels for c in found] == [(), (), ("Bug",)]


def test_what_is_kept_by_the_text_of_filters_is_found_again():
    assert repr(Filters(labels=("bug",), owners=("@core",))) == repr(Filters())
    assert Filters(labels=("a",)).unwritten != Filters(owners=("a",)).unwritten
    assert not any(Filters().unwritten)


def test_without_codeowners_nobody_can_be_followed_by_it(tmp_path, clock):
    build = Builder(tmp_path / "bare")
    build.commit("root", DAY, {"a.py": "1\n"})
    path = build.finish().path
    world = World(tmp_path, clock, str(path), allow=(str(path),))
    with pytest.raises(NotFound) as refused:
        world.run(f"subscribe {path} owned-by @org/core", CHANNEL)
    assert (refused.value.key, refused.value.option) == ("owners_none", "owned-by")
    assert world.store.subscriptions() == ()
    world.close()
