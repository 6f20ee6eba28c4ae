"""What people type, and what it means: each line is answered as the line of the grammar that it stands for."""

import tomllib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from conftest import Clock
from repositories import Builder, lines
from world import CHANNEL, DAY, World

from bot.conversation import dates, sentence
from bot.conversation.grammar import EVERYBODYS
from bot.conversation.grammar import words as split
from bot.errors import UsageError
from bot.posts.labels import zone_label
from bot.texts import Texts

TODAY = date(2026, 2, 20)
TYPED = tomllib.loads((Path(__file__).parent / "data/typed.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """Two commits on the 18th, a Wednesday, and one on each of some days before."""
    build = Builder(tmp_path_factory.mktemp("typed") / "app")
    for n, days in enumerate((40, 16, 9, 5, 1)):
        build.commit(f"before{n}", DAY - timedelta(days=days, hours=-3), {f"src/old{n}.py": lines(1, 9)})
    for n in (100, 101):
        made = DAY + timedelta(hours=n - 90)
        build.commit(f"pull{n}", made, {f"src/part{n}.py": lines(1, 20)}, message=f"feat: part {n} (#{n})")
    return build.finish()


class Remembered:
    """A source that is asked the same only once: what stands still needs no git for every line."""

    def __init__(self, source):
        self._source = source
        self._known = {}

    def __getattr__(self, name):
        def once(*asked):
            key = name, repr(asked)
            if key not in self._known:
                found = getattr(self._source, name)(*asked)
                self._known[key] = list(found) if name == "patches" else found
            return iter(self._known[key]) if name == "patches" else self._known[key]

        return once


@pytest.fixture(scope="module")
def asked(tmp_path_factory, history):
    """A world in which nothing is changed, so that its digests are built once."""
    clock = Clock(datetime(2026, 2, 20, 1, 0, tzinfo=UTC))
    made = World(tmp_path_factory.mktemp("asked"), clock, str(history.path), allow=(str(history.path),))
    source = Remembered(made.source)
    made.sources = lambda _: source
    made.run(f"subscribe {history.path} on wed", CHANNEL)
    yield made
    made.close()


@pytest.fixture
def world(tmp_path, clock, history):
    made = World(tmp_path, clock, str(history.path), allow=(str(history.path),))
    made.run(f"subscribe {history.path} on wed", CHANNEL)
    yield made
    made.close()


@pytest.mark.parametrize("line", TYPED["asked"])
def test_a_line_means_what_it_says(asked, line):
    meant = asked.ask(line, CHANNEL)
    others = {typed: asked.said(typed, CHANNEL) for typed in TYPED["asked"][line] if asked.ask(typed, CHANNEL) != meant}
    assert others == {}


def test_several_commits_are_answered_in_their_order(asked):
    both = [*asked.ask("#100"), *asked.ask("#101")]
    for typed in (
        "#100 #101",
        "#100, #101",
        "#100 and #101",
        "PRs 100 101",
        "#100 和 #101",
        "看看 #100 和 #101 有什么不同",
    ):
        assert list(asked.ask(typed)) == both, typed


@pytest.mark.parametrize("options", TYPED["followed"])
def test_an_option_means_what_it_says(world, history, options):
    other = f"subscribe {history.path} at 07:07 on sun zone Asia/Dili lang en paths any authors any bots yes"

    def followed(typed):
        world.run(f"subscribe {history.path} {typed}", CHANNEL)
        (kept,) = world.store.subscriptions(CHANNEL)
        world.run(other, CHANNEL)
        return kept

    world.run(other, CHANNEL)
    meant = followed(options)
    found = {typed: followed(typed) for typed in TYPED["followed"][options]}
    assert {typed: kept for typed, kept in found.items() if kept != meant} == {}


def test_people_type_enough():
    lines = [line for kind in TYPED.values() for each in kind.values() for line in each]
    assert len([line for kind in TYPED.values() for line in kind]) + len(lines) > 300


@pytest.mark.parametrize(("line", "near"), TYPED["near"].items())
def test_a_refusal_names_what_was_not_understood_and_the_nearest_that_is(asked, history, line, near):
    said = asked.said(line.replace("subscribe .", f"subscribe {history.path}"), CHANNEL)
    wrong = next(word for word in line.split() if word[:3].lower() in ("wen", "yes", "feb", "ser", "ber", "zoe"))
    assert wrong in said
    assert near in said


@pytest.mark.parametrize("line", TYPED["several"])
def test_several_repositories_are_followed_in_one_line(tmp_path, clock, line):
    named = {}
    for name in ("one", "two"):
        build = Builder(tmp_path / name / "app")
        build.commit("first", DAY, {"a.py": "b = 1\n"})
        named[name] = build.finish().path
    world = World(tmp_path, clock, allow=("*",))

    def followed(typed):
        posts = world.run(typed.format(**named), CHANNEL)
        kept = world.store.subscriptions(CHANNEL)
        (gone,) = world.run("unsubscribe {one} {two}".format(**named), CHANNEL)
        assert world.store.subscriptions(CHANNEL) == ()
        assert len(gone.headline.parts[0].lines) == 1 + len(kept)
        return posts, {(each.repo, each.schedule) for each in kept}

    meant = followed(line)
    assert meant[1] == {(str(path), "0 21 * * mon-fri") for path in named.values()}
    assert {typed: found for typed in TYPED["several"][line] if (found := followed(typed)) != meant} == {}
    world.close()


def test_of_several_repositories_one_that_cannot_be_followed_costs_the_others_nothing(world, history, tmp_path):
    posts = world.run(f"subscribe {tmp_path / 'nowhere'} {history.path} at 9pm", CHANNEL)
    assert [post.headline.key for post in posts] == ["subscribed", "error"]
    (kept,) = world.store.subscriptions(CHANNEL)
    assert kept.schedule == "0 21 * * wed"
    with pytest.raises(UsageError):
        world.run(f"subscribe {history.path} other/repo at 25:00", CHANNEL)


def test_the_digests_of_several_repositories_are_asked_for_in_one_line(asked, history):
    (one,) = asked.run(f"2026-02-18 {history.path} and {history.path}", CHANNEL)
    assert one.headline.key == "headline"


@pytest.mark.parametrize(
    ("line", "key"),
    [(line, key) for key, lines in TYPED["refused"].items() for line in lines]
    + [(f"subscribe . {line}", key) for key, lines in TYPED["refused_options"].items() for line in lines],
)
def test_what_cannot_be_meant_is_refused_by_name(asked, history, line, key):
    with pytest.raises(UsageError) as refused:
        asked.run(line.replace("subscribe .", f"subscribe {history.path}"), CHANNEL)
    assert refused.value.key == key
    assert Texts("en").error(refused.value)


def test_what_is_unsubscribed_can_be_had_again_by_the_line_that_is_shown(world, history):
    settings = "at 21:30 on mon,wed zone UTC+8 lang zh paths docs/,src/ authors -bot bots no quiet yes top 5"
    world.run(f"subscribe {history.path} {settings}", CHANNEL)
    (kept,) = world.store.subscriptions(CHANNEL)
    (post,) = world.run(f"unsubscribe {history.path}", CHANNEL)
    line = post.headline.parts[0].lines[1][0].text
    assert line.startswith("/digest subscribe app at 21:30 on mon,wed zone UTC+8 lang zh ")
    world.run(line.replace(" app ", f" {history.path} "), CHANNEL)
    (again,) = world.store.subscriptions(CHANNEL)
    assert replace(again, id=0, created=kept.created, scheduled=kept.scheduled) == replace(kept, id=0)


@pytest.mark.parametrize(
    ("options", "english", "chinese"),
    [
        (
            "at 09:00 on mon-fri",
            "every weekday at 09:00 (0 9 * * mon-fri, UTC)",
            "每个工作日 09:00（0 9 * * mon-fri，UTC）",
        ),
        ("at 9pm on daily", "every day at 21:00 (0 21 * * *, UTC)", "每天 21:00（0 21 * * *，UTC）"),
        ("at 9 on mon,wed", "Monday, Wednesday at 09:00 (0 9 * * mon,wed, UTC)", ""),
    ],
)
def test_a_schedule_is_shown_as_people_say_it(world, history, options, english, chinese):
    for language, said in (("en", english), ("zh", chinese)):
        if said:
            world.run(f"subscribe {history.path} {options.replace('at 9 ', 'at 9:00 ')} lang {language}", CHANNEL)
            assert said in world.said("list", CHANNEL)


# --- Its parts ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("<https://github.com/team/app|team/app>", "https://github.com/team/app"),
        ("<http://README.md|README.md>", "README.md"),
        ("<http://github.com/team/app|github.com/team/app>", "github.com/team/app"),
        ("<mailto:ann@team.dev|ann@team.dev>", "ann@team.dev"),
        ("docs/,", "docs/,"),
        ("..", ".."),
        ("./clone", "./clone"),
        ("docs/*", "docs/*"),
        ("v1.2.", "v1.2"),
        ("#100?!", "#100"),
    ],
)
def test_a_word_is_what_was_typed(typed, kept):
    assert split(typed) == [kept]


def test_a_day_without_a_year_is_the_latest_that_has_been():
    assert dates.span("20 feb", TODAY) == (TODAY, TODAY)
    assert dates.span("21 feb", TODAY) == (date(2025, 2, 21),) * 2
    assert dates.span("29 feb", TODAY) == (date(2024, 2, 29),) * 2
    assert dates.span("may", TODAY) is None


def test_a_sentence_changes_nothing():
    for typed in (
        "please subscribe to owner/repo now",
        "could you unsubscribe owner/repo",
        "请取消订阅 owner/repo 谢谢",
    ):
        assert sentence.meant(split(typed), EVERYBODYS, TODAY) == []


def test_a_fixed_offset_is_shown_as_people_count_it():
    shown = {zone: zone_label(zone) for zone in ("Etc/GMT-8", "Etc/GMT+5", "Etc/GMT", "UTC", "Asia/Shanghai")}
    assert shown == {
        "Etc/GMT-8": "UTC+8",
        "Etc/GMT+5": "UTC-5",
        "Etc/GMT": "Etc/GMT",
        "UTC": "UTC",
        "Asia/Shanghai": "Asia/Shanghai",
    }
