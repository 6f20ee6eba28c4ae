"""Questions about commits that rules answer: what is asked, of which commit, and the sentence that is said."""

import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from conftest import Clock
from repositories import Builder, lines
from world import CHANNEL, DAY, World, words

from bot.commits.files import FileKind
from bot.conversation.asked import asked, is_open, is_question
from bot.conversation.commands import ask
from bot.conversation.grammar import EVERYBODYS, CommitName
from bot.errors import Unavailable, UsageError
from bot.languages import LANGUAGES
from bot.posts import answers
from bot.rights import Right
from bot.values import Delivery, DeliveryState, MessageKind, Request, Step, StepState, Turn

TYPED = tomllib.loads((Path(__file__).parent / "data/asked.toml").read_text(encoding="utf-8"))
THREAD = replace(CHANNEL, thread="1700.1")


@pytest.mark.parametrize("ask", TYPED)
def test_a_question_is_recognised_or_left_alone(ask):
    found = {line: getattr(asked(line, EVERYBODYS), "ask", "none") for line in TYPED[ask]}
    assert {line: what for line, what in found.items() if what != ask} == {}


@pytest.mark.parametrize(
    ("line", "named", "more"),
    [
        ("is #1 and #2 released?", (CommitName(pull=1), CommitName(pull=2)), {}),
        ("is #12 in team/app released?", (CommitName("team/app", 12),), {"repo": "team/app"}),
        ("team/app 的 #12 发布了吗", (CommitName("team/app", 12),), {"repo": "team/app"}),
        ("is team/app#12 released", (CommitName("team/app", 12),), {}),
        ("is #12 in v0.21.0?", (CommitName(pull=12),), {"release": "v0.21.0"}),
        ("does it touch `src/a b.py`?", (), {"path": "src/a b.py"}),
        ("does it touch src/a.py?", (), {"path": "src/a.py"}),
        ("does it touch our config?", (), {"kind": FileKind.CONFIG}),
        ("影响测试吗？", (), {"kind": FileKind.TEST}),
        ("who knows pyproject.toml?", (), {"path": "pyproject.toml"}),
    ],
)
def test_what_is_named_in_a_question_is_kept(line, named, more):
    found = asked(line, EVERYBODYS)
    assert found.named == named
    assert {name: getattr(found, name) for name in more} == more


def test_long_and_nested_lines_cost_no_time():
    for line in ("is it " + "already " * 40 + "x", "有没有" * 90, "who " * 70, "is " + "#1 and " * 40 + "released"):
        assert asked(line, EVERYBODYS) is None
    assert asked("is it released? " * 100, EVERYBODYS) is None


def test_only_a_whole_sentence_is_a_question():
    assert [
        line for line in ("which change broke the cache", "哪个改动弄坏了缓存", "is that so bad?") if is_question(line)
    ]
    assert not any(map(is_question, ("frobnicate", "do something nice", "5 people", "yestrday?", "")))


@pytest.mark.parametrize(
    "line",
    [
        "we used to get lost entries. what's the limit now and since when",
        "1.2.3 doesn't build on windows (lock.wait). which commit did that",
        "incremental build keeps old names after i edit a file. known? what else got fixed lately",
        "cache.get(key) fails all of a sudden on main?? what changed",
        "who's been doing most of the work under src/ this month? what",
        "can i call get from inside an async fn? and which release has it",
        "9f156094ca 之后还有代码用 app 这个模块吗?",
    ],
)
def test_a_question_may_stand_anywhere_in_a_line(line):
    assert is_open(line, EVERYBODYS)


# --- What is answered --------------------------------------------------------------------------


def at(hours: float) -> datetime:
    return DAY + timedelta(hours=hours)


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """#100 is in v1.0.0, reverted by #103, which is reverted by #104; #101 is repaired, and in no release."""
    build = Builder(tmp_path_factory.mktemp("asked") / "app")
    ann, bob = (("Ann", "ann@example.com"), ("Bob", "bob@example.com"))
    build.commit("root", at(-99), {"src/server.py": lines(1, 30), "src/cache.py": lines(1, 9)}, author=ann)
    build.commit("100", at(1), {"src/server.py": lines(1, 60, "one")}, message="feat: a server (#100)", author=ann)
    build.tag("v1.0.0", "100", at(2))
    wide = {"src/cache.py": lines(1, 20, "two"), "conf/app.toml": "x = 1\n", "tests/test_cache.py": lines(1, 4)}
    build.commit("101", at(3), wide, message="feat: a cache (#101)", author=bob)
    build.commit(
        "102",
        at(4),
        {"src/cache.py": lines(1, 21, "two")},
        message="fix: the cache of #101 (#102)\n\nFixes #101",
        author=ann,
    )
    old = {"src/server.py": lines(1, 30)}
    build.commit(
        "103",
        at(5),
        old,
        message='Revert "feat: a server (#100)" (#103)\n\nThis reverts pull request #100.',
        author=bob,
    )
    build.tag("v1.1.0", "103", at(6))
    build.commit(
        "104",
        at(7),
        {"src/server.py": lines(1, 60, "one")},
        message='Revert "Revert \\"feat: a server\\"" (#104)\n\nThis reverts #103.',
        author=ann,
    )
    build.commit("105", at(25), {"docs/page.md": lines(1, 9)}, message="docs: a page (#105)", author=ann)
    reverted = 'Revert "docs: a page (#105)" (#106)\n\nThis reverts pull request #105.'
    build.commit("106", at(26), {"docs/page.md": None}, message=reverted, author=bob)
    return build.finish()


@pytest.fixture
def world(tmp_path, history):
    clock = Clock(datetime(2026, 2, 20, 1, 0, tzinfo=UTC))
    made = World(tmp_path, clock, "", allow=(str(history.path),))
    made.run(f"subscribe {history.path} on wed", CHANNEL)
    yield made
    made.close()


def said(world, line, place=CHANNEL, **more):
    """The words of an answer, without the spaces that stand between spans."""
    posts = world.interpreter.answer(world.interpreter.context(Request(line, place, "U1", **more)))
    found = [words(message) for post in posts for message in (post.headline, *post.replies)]
    return " ".join(" ".join(found).replace("  ", " ").split())


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("is #100 released?", ["#100 has been released: the first release with it is v1.0.0 ( 2026-02-18 )"]),
        ("is #100 in v1.1.0?", ["Yes, #100 is in v1.1.0", "v1.0.0"]),
        ("is #103 in v1.0.0?", ["No, #103 is not in v1.0.0", "v1.1.0"]),
        ("is #103 released?", ["first release with it is v1.1.0", "reverted by #104", "not released yet"]),
        ("is #105 released?", ["#105 has not been released yet", "reverted by #106"]),
        ("is #104 released?", ["#104 has not been released yet", "v1.1.0"]),
        ("was #100 reverted?", ["#100 was reverted", "reverted by #103", "reverted by #104"]),
        ("was #101 reverted?", ["#101 was not reverted, but it was fixed later", "fixed by #102"]),
        ("was #102 reverted?", ["#102 was neither reverted nor fixed", "no later commit on main"]),
        ("was #105 reverted?", ["#105 was reverted", "reverted by #106"]),
        ("who wrote #101?", ["#101 was written by Bob and landed on 2026-02-18"]),
        ("who knows src/server.py?", ["src/server.py", "Ann : 3", "Bob : 1"]),
        ("who knows the code of #101?", ["src/cache.py"]),
        ("which files does #101 change?", ["3 files", "src/cache.py", "conf/app.toml"]),
        ("does #101 touch our config?", ["Yes, #101 touches configuration : 1 of 3 files", "conf/app.toml"]),
        ("does #100 touch our config?", ["No, #100 does not touch configuration"]),
        ("does #101 touch conf/?", ["Yes, #101 touches “conf/” : 1 of 3 files"]),
        ("does #101 touch the cache?", ["Yes, #101 touches “cache” : 2 of 3 files"]),
        ("since when is #100 there?", ["#100 has been on main since 2026-02-18 01:00 ( UTC )", "v1.0.0"]),
        ("since when is #104 there?", ["It has not been released yet"]),
        ("#100 发布了吗", ["已有版本包含", "#100", "v1.0.0"]),
    ],
)
def test_a_question_is_answered_in_a_sentence(world, line, parts):
    answer = said(world, line).replace(" .", ".").replace(" :", ":")
    assert [part for part in parts if part.replace(" :", ":") not in answer] == []


def test_a_release_is_not_asked_for_among_none(world, monkeypatch):
    monkeypatch.setattr(ask, "_line", lambda *_: ())
    answer = said(world, "is #100 in v9.9.9?")
    assert "No releases of" in answer


def test_without_a_page_of_the_commit_none_is_named(world, monkeypatch):
    monkeypatch.setattr(answers, "_FILES", 1)
    answer = said(world, "which files does #101 change?")
    assert "2 more" in answer
    assert "page" not in answer


def test_an_answer_is_a_sentence_with_a_link_in_either_language(world, history):
    for language in LANGUAGES:
        world.run(f"subscribe {history.path} on wed lang {language}", CHANNEL)
        for line in [*TYPED["released"][:1], "was #100 reverted?", "who wrote #100?", "does #101 touch our config?"]:
            (post,) = world.ask(line, CHANNEL)
            assert post.headline.kind is MessageKind.ANSWER
            assert any("\u4e00" <= c <= "\u9fff" for c in words(post.headline)) == (language == "zh")


def test_what_rules_cannot_answer_gets_a_kind_answer(world):
    for line in (
        "which change could have broken the cache?",
        "哪个改动可能弄坏了缓存？",
    ):
        with pytest.raises(UsageError) as refused:
            world.run(line, CHANNEL)
        assert refused.value.key == "ask_unknown"


def test_what_could_not_be_looked_at_is_not_denied(world, monkeypatch):
    def fail(*_):
        raise Unavailable("git_slow", repo="app")

    monkeypatch.setattr(world.source, "later", fail)
    assert "I can't tell whether #100 was reverted or fixed" in said(world, "was #100 reverted?")
    monkeypatch.setattr(world.source, "first_releases", fail)
    assert "I can't tell whether #100 has been released" in said(world, "is #100 released?")


def test_a_repository_that_may_not_be_seen_is_none(tmp_path, history):
    world = World(tmp_path, Clock(at(48)), rights=(Right("T9", "", str(history.path)),))
    for line in (f"is {history.path}#100 released?", f"who knows the code of {history.path}#100?"):
        assert "v1.0.0" not in said(world, line)
        assert "Ann" not in said(world, line)
    world.close()


# --- What a thread is about --------------------------------------------------------------------


def test_in_a_thread_it_is_what_the_last_answer_told_of(world):
    assert "Which commit?" in said(world, "is it released?", THREAD)
    said(world, "#101", THREAD)
    assert "#101 has" not in said(world, "is it released?", replace(CHANNEL, thread="1700.2"))
    assert "#101 has been released: the first release with it is v1.1.0" in said(world, "is it released?", THREAD)
    said(world, "who wrote #100?", THREAD)
    assert "#100 was reverted" in said(world, "was it reverted?", THREAD)
    assert "Ann" in said(world, "谁写的？", THREAD)
    assert "feat: a server" in said(world, "why was this changed?", THREAD)


def test_what_one_person_alone_was_told_is_no_talk_of_the_channel(world):
    said(world, "#101", replace(CHANNEL, viewer="U1"))
    assert "Which commit?" in said(world, "is it released?", CHANNEL)


def test_a_message_beneath_another_one_goes_on_from_there(world):
    """Feishu names each message that is answered; the thread of the answer is the question itself."""
    said(world, "#101", replace(CHANNEL, thread="om_1"))
    assert "v1.1.0" in said(world, "is it released?", replace(CHANNEL, thread="om_3"), beneath=("om_2", "om_1"))
    said(world, "#100", replace(CHANNEL, thread="om_5"), beneath=("om_1", "om_1"))
    assert "Ann" in said(world, "who wrote it?", replace(CHANNEL, thread="om_7"), beneath=("om_6", "om_1"))


def deliver(world, history, *steps):
    """A delivery of the digest of the day, with the threads that its messages have."""
    (subscription,) = world.store.subscriptions(CHANNEL)
    world.run("2026-02-18", replace(CHANNEL, viewer="U1"))
    (made,) = world.store.recent_digests(str(history.path), "main", "en", 1)
    world.store.keep_digest("kept", made, at(24))
    planned = Delivery(subscription.id, at(33), at(0), at(0), at(24), at(48), at(33), digest="kept")
    kept = world.store.plan(planned, 0)
    done = tuple(Step(key, StepState.DONE, at(33), thread) for key, thread in steps)
    world.store.keep_delivery(replace(kept, state=DeliveryState.DONE, steps=done))


def test_in_the_thread_of_a_digest_it_is_the_digest(world, history):
    deliver(world, history, ("headline", "1700.1"))
    answer = said(world, "is it released?", THREAD)
    assert "Released: 4 of 5 commits" in answer.replace(" :", ":")
    assert "v1.1.0 ( 2026-02-18 ): 3" in answer
    assert "Reverted or fixed" in said(world, "was it reverted?", THREAD)
    assert "Which commit of this digest?" in said(world, "who wrote it?", THREAD)
    assert "Bob" in said(world, "who wrote #101?", THREAD)


def test_beneath_the_card_of_a_commit_it_is_that_commit(world, history):
    sha = history.sha("101")
    deliver(world, history, ("headline", "om_1"), (f"commit:{sha}", "om_2"), (f"commit:{history.sha('100')}", "om_3"))
    place = replace(CHANNEL, thread="om_9")
    assert "Released" in said(world, "is it released?", place, beneath=("om_1",))
    assert "Ann" in said(world, "who wrote #104?", place, beneath=("om_1",))
    assert "#101 has been released" in said(world, "is it released?", place, beneath=("om_2", "om_1"))


def test_turns_of_a_repository_that_may_be_seen_no_more_are_none(world):
    world.store.keep_turn(THREAD, Turn(at(40), "is it?", "yes", "secret/other", ("a" * 40,)))
    assert "Which commit?" in said(world, "is it released?", THREAD)


def test_a_revert_whose_release_is_unknown_is_not_called_unreleased(world, history, monkeypatch):
    known = world.source.first_releases
    unknown = history.sha("104")

    def partly(repo, shas):
        return {sha: release for sha, release in known(repo, shas).items() if sha != unknown}

    monkeypatch.setattr(world.source, "first_releases", partly)
    text = said(world, "is #103 released?")
    assert "first release with it is v1.1.0" in text
    assert "reverted by #104" in text
    assert "not released yet" not in text
