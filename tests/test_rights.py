"""Who may see what: the policy by itself, what people are told, what the log has, and what becomes of deliveries.

`test_rights_matrix.py` has the whole of it through a real Slack server.
"""

import itertools
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from github_server import GitHubServer
from slack_server import SlackServer
from test_github_source import source
from test_worker import CHANNEL, Bot, Time
from world import HOME, World, busy_day, words

from bot.addresses import is_hosted
from bot.conversation import operator
from bot.conversation.interpreter import Interpreter
from bot.errors import ConfigError
from bot.ports import Readers
from bot.rights import Right, Rights, Who, granted, written
from bot.texts import Texts
from bot.values import DENIED, Place, Subscription

C1, C2 = Place("slack", "T1/C1"), Place("slack", "T1/C2")
ELSEWHERE = Place("slack", "T2/C9")
OPEN, SECRET, MISSING = "open/app", "acme/secret", "acme/missing"

# --- The policy by itself --------------------------------------------------------------------

MEMBER, GUEST, SHARED = Readers(), Readers(guest=True), Readers(shared=True)
ALONE = Readers(alone=True)
TEAM, BY_CHANNEL, BY_PERSON = ("T1=acme/*", "T1/C1=acme/*", "T1/U1=acme/*")


@pytest.mark.parametrize(
    ("right", "place", "readers", "seen"),
    [
        (TEAM, C1, MEMBER, True),
        (TEAM, C2, MEMBER, True),
        (TEAM, C1, GUEST, False),
        (TEAM, C1, SHARED, False),
        (TEAM, ELSEWHERE, MEMBER, False),
        (BY_CHANNEL, C1, MEMBER, True),
        (BY_CHANNEL, C1, GUEST, True),
        (BY_CHANNEL, C1, SHARED, True),
        (BY_CHANNEL, C2, MEMBER, False),
        (BY_CHANNEL, ELSEWHERE, MEMBER, False),
        (BY_PERSON, C1, MEMBER, False),
        (BY_PERSON, replace(C1, viewer="U1"), MEMBER, True),
        (BY_PERSON, replace(C1, viewer="U1"), GUEST, True),
        (BY_PERSON, Place("slack", "T1/DU1"), ALONE, True),
        (BY_PERSON, Place("slack", "T2/C1", viewer="U1"), MEMBER, False),
    ],
)
def test_a_right_is_for_a_workspace_a_channel_or_a_person(right, place, readers, seen):
    rights = Rights((), granted(right))
    assert (rights.right("acme/secret", Who(place, "U1", readers)) is not None) is seen
    assert rights.right("other/thing", Who(place, "U1", readers)) is None
    someone = Who(replace(place, viewer="U2") if place.viewer else place, "U2", readers)
    assert (rights.right("acme/secret", someone) is not None) is (seen and right != BY_PERSON)


def test_who_reads_is_taken_for_the_worst_until_the_chat_was_asked():
    rights = Rights((), granted(TEAM))
    assert rights.right(SECRET, Who(C1, "U1")) is None


@pytest.mark.parametrize(
    "entry", ["acme/*", "T1=", "=acme/*", "T1/=acme/*", "T1/C1/U1=acme/*", "*=acme/*", "slack:C1=acme/*", "T1 C1=a/b"]
)
def test_a_right_that_cannot_be_read_is_told_with_its_entry(entry):
    with pytest.raises(ConfigError) as wrong:
        granted(f"T1=fine/*, {entry}")
    assert wrong.value.key == "rights_setting"
    assert wrong.value.fields["entry"] == entry


def test_rights_are_written_as_they_are_read_and_without_passwords():
    line = "T1=acme/*, T1/C1=/srv/git/two words ,slack-webhook/team=https://bob:s3cret@example.com/o/n"
    rights = granted(line)
    assert [str(r) for r in rights][:2] == ["T1=acme/*", "T1/C1=/srv/git/two words"]
    assert "s3cret" not in written(rights)
    assert granted(written(rights))[:2] == rights[:2]


def test_an_old_list_is_a_right_only_for_channels_that_follow_and_only_while_there_are_no_rights():
    follows, other = Who(C1, readers=MEMBER, follows=frozenset({"acme/secret"})), Who(C2, readers=MEMBER)
    old = Rights(("acme/*",))
    assert old.right(SECRET, follows)
    assert old.right("acme/more", follows) is None
    assert old.right(SECRET, other) is None
    assert old.right(SECRET, replace(follows, readers=GUEST))  # as it was, and as the line of the doctor keeps it
    assert old.right(SECRET, replace(other, by_operator=True, in_public=True))
    assert replace(old, inherits=False).right(SECRET, follows) is None
    assert replace(old, rights=granted("T1/C9=other/thing")).right(SECRET, follows) is None


# --- What people are told --------------------------------------------------------------------


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    return busy_day(tmp_path_factory.mktemp("rights") / "repo")


@pytest.fixture
def github(repository):
    with GitHubServer({OPEN: repository.path, SECRET: repository.path}, private=(SECRET,)) as server:
        yield server


@pytest.fixture
def world(tmp_path, clock, github):
    made = World(tmp_path, clock, rights=())
    hosted = source(github)
    made.repositories.source_of = lambda repo: hosted if is_hosted(repo) else made.source
    yield made
    made.close()


def grant(world, line, **more):
    world.repositories.rights = Rights((), granted(line), **more)


LINES = (
    "subscribe {}",
    "subscribe {} at 09:00 lang zh",
    "unsubscribe {}",
    "settings {}",
    "list {}",
    "yesterday {}",
    "{}",
    "2026-02-18 {}",
    "latest {}",
    "report 2026-02-18 {}",
    "{}#100",
    "{}@0123456",
    "explain https://github.com/{}/pull/100",
    "https://github.com/{}/pull/100",
)


@pytest.mark.parametrize("line", LINES)
def test_what_is_private_is_told_as_what_is_not_there(world, caplog, line):
    caplog.set_level(logging.INFO, "digest.rights")
    secret, missing = (world.said(line.format(name), C1) for name in (SECRET, MISSING))
    assert secret.replace(SECRET, MISSING) == missing
    assert "wrong part" not in secret
    assert "endpoint" not in secret


@pytest.mark.parametrize("line", [line for line in LINES if not line.startswith(("unsubscribe", "settings", "list"))])
def test_a_refusal_is_in_the_log_and_a_right_is_when_it_is_used_first(world, caplog, line):
    caplog.set_level(logging.INFO, "digest.rights")
    world.ask(line.format(SECRET), C1)
    assert ("refused", SECRET, "T1", "C1") in {
        (r.message, r.fields["repo"], r.fields["workspace"], r.fields["channel"]) for r in caplog.records
    }
    caplog.clear()
    grant(world, "T1/C1=acme/*")
    for _ in range(2):
        world.ask(line.format(SECRET), C1)
    (used,) = caplog.records
    assert (used.message, used.fields["right"], used.fields["repo"]) == ("a right is used", "T1/C1=acme/*", SECRET)


def test_a_path_and_an_address_need_a_right_also_where_they_are_listed(world, repository):
    path = str(repository.path)
    for allow in ((), (path,)):
        world.repositories.rights = Rights(allow)
        assert "can't be followed here" in world.said(f"2026-02-18 {path}", C1)
        assert world.said("2026-02-18 /nowhere/else", C1).replace("/nowhere/else", path) == world.said(
            f"2026-02-18 {path}", C1
        )
    grant(world, f"T1/C1={path}")
    assert "29 commits" in world.said(f"2026-02-18 {path}", C1)
    assert "can't be followed here" in world.said(f"2026-02-18 {path}", C2)


def test_the_operator_s_terminal_sees_everything(world, repository):
    assert "29 commits" in world.said(f"2026-02-18 {SECRET}", HOME)
    assert "29 commits" in world.said(f"2026-02-18 {repository.path}", HOME)


def test_a_person_s_right_is_theirs_alone_and_gives_the_channel_nothing(world):
    grant(world, "T1/U1=acme/*")
    private = replace(C1, viewer="U1")
    assert "29 commits" in world.said(f"2026-02-18 {SECRET}", private)
    assert "can't be followed here" in world.said(f"2026-02-18 {SECRET}", C1)
    assert "can't be followed here" in world.said(f"subscribe {SECRET}", private)
    assert world.store.subscriptions() == ()


def test_search_and_the_last_digest_are_of_what_may_be_seen(world):
    for repo in (OPEN, SECRET):
        world.store.subscribe(Subscription(C1, repo, "0 9 * * *", "UTC", "en"))
        world.ask(f"2026-02-18 {repo}", HOME)
    for line in ("search endpoint", "", "2026-02-18", "#203", "list", "status", "unsubscribe nothing/here"):
        assert "acme" not in world.said(line, C1), line
    world.readers = None
    world.repositories._readers = lambda *_: GUEST
    for line in ("search endpoint", "", "2026-02-18", "#203", "list", "status", "unsubscribe nothing/here"):
        guest = world.said(line, C1)
        assert "acme" not in guest, line
        assert "open/app" in guest or "2026-02-18" in guest or "wrong part" in guest, line
    assert "not followed here" in world.said(f"unsubscribe {SECRET}", C1)
    assert len(world.store.subscriptions()) == 2


def test_a_list_says_that_something_rests_and_not_what_it_is_where_that_may_not_be_seen(world):
    world.store.subscribe(Subscription(C1, OPEN, "0 9 * * *", "UTC", "en"))
    secret = world.store.subscribe(Subscription(C1, SECRET, "0 9 * * *", "UTC", "en"))
    grant(world, "T1=acme/*")
    assert SECRET in world.said("list", C1)
    grant(world, "T1/C9=acme/*")
    said = world.said("list", C1)
    assert "Followed here: 2" in said
    assert f"a repository that must not be shown here (subscription {secret.id})" in said
    assert "no longer has access to the repository" in said
    assert "acme" not in said
    assert "acme" not in world.said(f"settings {secret.id}", C1)
    assert world.interpreter.followed(replace(C1, viewer="U1")) is not None
    world.repositories._readers = lambda *_: GUEST
    assert "Followed here: 1" in world.said("list", C1)
    assert "not followed here" in world.said(f"unsubscribe {secret.id}", C1)
    world.repositories._readers = lambda *_: MEMBER
    assert f"(subscription {secret.id})" in world.said(f"unsubscribe {secret.id}", C1)
    assert [s.repo for s in world.store.subscriptions()] == [OPEN]


@pytest.mark.parametrize("line", [*LINES, "yesterday https://github.com/{}", "subscribe HTTPS://github.com/{}.git"])
def test_no_refusal_tells_that_something_is_followed_that_may_not_be_seen(world, line):
    world.store.subscribe(Subscription(C1, OPEN, "0 9 * * *", "UTC", "en"))
    world.store.subscribe(Subscription(C1, SECRET, "0 9 * * *", "Asia/Shanghai", "zh"))
    world.store.subscribe(Subscription(C1, "https://github.com/acme/hidden", "0 9 * * *", "UTC", "zh"))
    for name in (SECRET, SECRET.title(), "acme/hidden"):
        said, missing = (world.said(line.format(each), C1) for each in (name, f"{name}x"))
        assert said.replace(name, f"{name}x") == missing


def test_a_refusal_is_logged_once_and_only_where_somebody_asked(world, caplog):
    caplog.set_level(logging.INFO, "digest.rights")
    for repo in (OPEN, SECRET):
        world.store.subscribe(Subscription(C1, repo, "0 9 * * *", "UTC", "en"))
    for line in ("list", "help", "status", "search endpoint", f"2026-02-18 {OPEN}", f"unsubscribe {MISSING}x"):
        caplog.clear()
        world.ask(line, C1)
        assert SECRET not in {r.fields["repo"] for r in caplog.records}, line
    for line in (f"2026-02-18 {SECRET}", f"subscribe {SECRET}", f"{SECRET}#100"):
        caplog.clear()
        world.ask(line, C1)
        assert [(r.message, r.fields["repo"]) for r in caplog.records] == [("refused", SECRET)], line


def test_the_operator_who_types_for_a_channel_sees_it_all_and_gives_it_only_what_it_may_see(world):
    world.store.subscribe(Subscription(C1, SECRET, "0 9 * * *", "UTC", "en"))
    known = world.interpreter._services
    world.interpreter = Interpreter(replace(known, by_operator=True))
    world.repositories._readers = lambda *_: GUEST
    assert SECRET in world.said("list", C1)
    assert "can't be followed here" in world.said(f"subscribe {SECRET}", C2)
    assert [s.place for s in world.store.subscriptions()] == [C1]
    world.repositories.rights = Rights(("acme/*",))
    assert "now follows" in world.said(f"subscribe {SECRET}", C2)
    grant(world, "T1/C9=acme/*")
    assert "can't be followed here" in world.said(f"subscribe {SECRET} at 10:00", C2)
    assert "no longer follows" in world.said(f"unsubscribe {SECRET}", C2)


# --- What becomes of deliveries --------------------------------------------------------------

DAY = datetime(2026, 2, 18, tzinfo=UTC)


@pytest.fixture
def bot(tmp_path):
    time = Time(DAY - timedelta(hours=12))
    with SlackServer(time.seconds, channels=("C1", "C2")) as server:
        made = Bot(tmp_path, server, time)
        made.commit("one", DAY + timedelta(hours=3))
        yield made
        made.worker.stop(5)
        made.world.close()
        assert (server.unknown, server.violations, server.impatient) == ([], [], [])


def allow(bot, *rights):
    bot.world.repositories.rights = Rights((), tuple(Right("T1", name, f"{bot.folder}/*") for name in rights))


def test_a_right_that_was_taken_away_stops_the_digests_and_nothing_is_lost_once_it_is_given_again(bot, caplog):
    followed = bot.follow()
    allow(bot)
    bot.at("19T09:00")
    (note,) = bot.tops()
    assert "this channel no longer has access to the repository" in str(note)
    assert bot.repo not in str(note)
    assert bot.store.subscriptions()[0].paused == DENIED
    assert any(r.fields.get("reason") == DENIED for r in caplog.records if r.message == "paused")
    bot.commit("two", DAY + timedelta(days=1, hours=3))
    bot.at("20T09:00")
    bot.at("20T13:00")
    assert len(bot.tops()) == 1  # said once, tried every hour
    allow(bot, "C1")
    bot.at("20T14:30")
    bot.at("20T14:31")
    said = " ".join(map(str, bot.tops()))
    assert "fix: one" in said
    assert "fix: two" in said
    assert len(bot.tops()) == 3
    assert bot.store.subscriptions()[0].paused == ""
    assert bot.states(followed)[-2:] == ["done", "done"]


def test_what_was_built_before_the_right_was_taken_away_is_not_posted(bot):
    bot.follow()
    bot.server.queue(*["500"] * 4)
    bot.at("19T09:00")
    assert bot.tops() == []
    (delivery,) = [d for d in bot.store.deliveries() if d.digest]
    allow(bot)
    bot.at("19T09:30")
    assert "fix: one" not in str(bot.said())
    assert bot.store.delivery(delivery.id).digest  # kept for when it may be seen again
    allow(bot, "C1")
    bot.at("19T11:00")
    assert "fix: one" in str(bot.said())


@pytest.mark.parametrize("order", list(itertools.permutations(("C1", "C2"))))
def test_channels_that_wait_for_one_repository_are_asked_for_one_by_one(bot, order):
    for name in order:
        bot.follow(Place("slack", f"T1/{name}"))
    allow(bot, "C1")
    bot.at("19T09:00")
    assert "fix: one" in str(bot.said("C1"))
    assert "fix: one" not in str(bot.said("C2"))
    (denied,) = bot.store.subscriptions(Place("slack", "T1/C2"))
    assert denied.paused == DENIED
    assert {d.digest for d in bot.store.deliveries(denied.id)} == {""}  # nothing is built for it either


def test_a_denied_channel_that_cannot_be_told_is_denied_all_the_same(bot):
    bot.follow()
    bot.server.leave("C1")
    allow(bot)
    bot.at("19T09:00")
    assert bot.store.subscriptions()[0].paused == DENIED


def test_a_channel_that_became_shared_gets_no_more_of_what_its_workspace_may_see(bot):
    bot.follow()
    allow(bot, "")
    bot.at("19T09:00")
    assert "fix: one" in str(bot.said())
    bot.server.channels["C1"].shared = True
    bot.commit("two", DAY + timedelta(days=1, hours=3))
    bot.at("20T09:00")
    assert "fix: two" not in str(bot.said())
    assert "this channel no longer has access to the repository" in str(bot.tops()[-1])


def test_while_slack_does_not_say_who_reads_a_digest_waits_and_nobody_is_denied(bot):
    bot.follow()
    allow(bot, "")
    bot.server.queue(*["500"] * 4, method="conversations.info")
    bot.at("19T09:00")
    assert bot.tops() == []
    assert bot.store.subscriptions()[0].paused == ""
    bot.at("19T09:30")
    assert "fix: one" in str(bot.said())


def test_the_doctor_tells_where_a_guest_made_the_right_of_a_workspace_none(bot, caplog):
    caplog.set_level(logging.INFO, "digest.rights")
    bot.follow()
    allow(bot, "")
    bot.server.channels["C1"].shared = True
    bot.at("19T09:00")
    bot.at("19T13:00")
    assert not [r for r in caplog.records if r.message == "refused"]  # nobody asked: that it rests is told
    (found,) = [f for f in operator.examine(bot.world.app, bot.store, "") if f.subject == "rights"]
    assert (found.outcome, found.fields["channels"]) == ("strangers", ("T1/C1",))
    line = found.fields["line"]
    assert line == f"DIGEST_RIGHTS=T1={bot.folder}/*,T1/C1={bot.repo}"
    assert line in Texts("zh")("doctor.rights_strangers", **found.fields)
    bot.world.repositories.rights = Rights((), granted(line.split("=", 1)[1].strip('"')))
    bot.at("19T15:00")
    assert "fix: one" in str(bot.said())
    (found,) = [f for f in operator.examine(bot.world.app, bot.store, "") if f.subject == "rights"]
    assert found.outcome == "fine"


# --- What exists goes on, and the doctor -----------------------------------------------------


def test_a_channel_that_follows_today_goes_on_and_the_doctor_has_the_line_that_keeps_it(bot):
    bot.follow()
    bot.world.repositories.rights = Rights((f"{bot.folder}/*",))
    bot.at("19T09:00")
    assert "fix: one" in str(bot.said("C1"))
    assert "can't be followed here" in bot.world.said(f"2026-02-18 {bot.repo}", Place("slack", "T1/C2"))
    assert "can't be followed here" in bot.world.said(f"subscribe {bot.repo}", Place("slack", "T1/C2"))
    (found,) = [f for f in operator.examine(bot.world.app, bot.store, "") if f.subject == "rights"]
    assert found.outcome == "old"
    line = found.fields["line"]
    assert line == f"DIGEST_RIGHTS=T1/C1={bot.repo}"
    bot.world.repositories.rights = Rights((f"{bot.folder}/*",), granted(line.split("=", 1)[1].strip('"')))
    bot.commit("two", DAY + timedelta(days=1, hours=3))
    bot.at("20T09:00")
    assert "fix: two" in str(bot.said("C1"))
    (found,) = [f for f in operator.examine(bot.world.app, bot.store, "") if f.subject == "rights"]
    assert found.outcome == "fine"


def test_where_people_install_the_app_themselves_an_old_list_is_no_right(bot):
    bot.follow()
    bot.world.repositories.rights = Rights((f"{bot.folder}/*",), inherits=False)
    bot.at("19T09:00")
    assert "fix: one" not in str(bot.said())
    (found,) = [f for f in operator.examine(bot.world.app, bot.store, "") if f.subject == "rights"]
    assert (found.outcome, str(found.verdict)) == ("missing", "failed")
    assert f"T1/C1={bot.repo}" in found.fields["line"]


def test_what_is_public_needs_no_right(world):
    world.store.subscribe(Subscription(CHANNEL, OPEN, "0 9 * * *", "UTC", "en"))
    (found,) = [f for f in operator.examine(world.app, world.store, "") if f.subject == "rights"]
    assert found.outcome == "none"
    assert "29 commits" in world.said(f"2026-02-18 {OPEN}", C1)
    assert words(world.ask("list", CHANNEL)[0].headline)
