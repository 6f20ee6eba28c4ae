"""A clock that is wrong plans nothing, and one that was wrong silences nobody: Slack over a socket tells the time."""

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from feishu_server import APP_ID, APP_SECRET, FeishuServer
from slack_server import BROKEN, TOKEN
from test_worker import DAY, Time, opened

from adapters.chats.feishu.calls import Api
from adapters.chats.feishu.chat import FeishuChat
from adapters.chats.slack.chat import SlackChat
from adapters.chats.slack.workspaces import OneWorkspace
from adapters.chats.terminal import Terminal, console
from bot.conversation import operator
from bot.delivery.planning import clock_error
from bot.errors import Unavailable
from bot.texts import Texts
from bot.values import DeliveryState

MONTH = timedelta(days=30)


@pytest.fixture
def time():
    return Time(DAY - timedelta(hours=12))


@pytest.fixture
def bot(tmp_path, time):
    with opened(tmp_path, time) as made:
        yield made


def another_process(bot):
    """The bot is started again: what counts seconds there knows nothing of the wall's clock before."""
    address, seconds = OneWorkspace(TOKEN, bot.server.url), bot.time.seconds
    bot.chat = SlackChat(address, clock=seconds, sleep=bot.time.sleep, now=seconds, settle=4)
    bot.worker.stop(5)
    bot.worker = bot.another()


def wrong_by(bot, ahead):
    """This machine's clock goes wrong; Slack's stays right."""

    def theirs():
        return (bot.time.moment - ahead).timestamp()

    bot.server.date = theirs
    bot.time.moment += ahead
    another_process(bot)


@pytest.mark.parametrize("ahead", [MONTH, timedelta(minutes=61), -timedelta(minutes=61), -MONTH])
def test_a_clock_that_is_wrong_plans_nothing_and_says_so(bot, caplog, ahead):
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    bot.at("19T09:00")
    before = bot.store.deliveries()
    wrong_by(bot, ahead)
    caplog.clear()
    for _ in range(3):
        bot.time.sleep(86_400)
        bot.tick()
    assert bot.store.deliveries() == before
    said = [r for r in caplog.records if "clock" in r.getMessage()]
    assert [r.levelno for r in said] == [logging.ERROR]
    assert "differs from the chat's by" in bot.world.said("status")
    assert "differs from the chat's by" in operator.unready(bot.store, bot.world.app.clock_ahead)
    bot.server.date = bot.time.seconds  # it is set right
    bot.time.sleep(61)
    bot.tick()
    assert len(bot.store.deliveries()) > len(before) or ahead < timedelta()
    assert "differs from the chat's by" not in bot.world.said("status")
    assert operator.unready(bot.store, bot.world.app.clock_ahead) == ""


@pytest.mark.parametrize("ahead", [timedelta(minutes=59), -timedelta(minutes=59)])
def test_a_clock_that_is_near_enough_plans(bot, ahead):
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    bot.at("18T12:00")
    wrong_by(bot, ahead)
    bot.at("19T09:30")
    assert len(bot.tops()) == 1


def test_without_an_answer_nothing_is_checked(bot, monkeypatch):
    assert clock_error([Terminal(console(), Texts("en"))]) is None
    wrong_by(bot, MONTH)
    bot.server.errors["auth.test"] = "invalid_auth"  # Slack knows no such token: whoever says so may be anybody
    assert clock_error([bot.chat]) is None

    class Silent:
        def ahead(self):
            raise Unavailable("slack_busy")

    assert clock_error([Silent()]) is None


def test_feishu_tells_the_time_too(time):
    with FeishuServer(time.seconds, groups=("oc_1",)) as server:
        server.date = lambda: time.seconds() - MONTH.total_seconds()
        chat = FeishuChat(Api(APP_ID, APP_SECRET, server.root, time.seconds), None, now=time.seconds)
        assert abs(clock_error([chat]) - MONTH) < timedelta(minutes=1)
        server.date = time.seconds
        assert abs(clock_error([chat])) > timedelta(hours=1)  # it is not asked at every look
        time.sleep(61)
        assert clock_error([chat]) is None


@pytest.mark.parametrize(("days", "posts"), [(5, ["replace one", "fix: two"]), (30, ["", "replace one", "fix: two"])])
def test_what_a_clock_posted_in_the_future_is_not_posted_again_and_the_next_day_is(bot, days, posts):
    """A digest is posted by a clock that is ahead, of which no answer tells; then it is right again."""
    followed = bot.follow()
    bot.at("18T09:00")
    bot.commit("one", DAY + timedelta(hours=3), "feat(api)!: replace one (#1)")
    future = DAY + timedelta(days=days, hours=9)
    bot.time.moment = future  # 30 days are more than a digest makes up for: what that one leaves out is told after it
    bot.tick()
    bot.commit("two", DAY + timedelta(days=1, hours=3))
    bot.time.moment = DAY + timedelta(hours=33)
    another_process(bot)
    for day in ("19T09:00", "20T09:00", "21T09:00"):
        bot.at(day)
    tops = [str(each) for each in bot.tops()]
    assert [word in text for word, text in zip(posts, tops, strict=True)] == [True] * len(posts)
    assert sum("replace one" in text for text in tops) == sum("fix: two" in text for text in tops) == 1
    assert bot.states(followed)[-1] == "quiet"
    bot.commit("late", future - timedelta(hours=20))  # the day whose place was taken
    for day in (-1, 0, 1):
        bot.time.moment = future + timedelta(days=day)
        bot.tick()
    assert sum("fix: late" in str(each) for each in bot.tops()) == 1


def test_what_was_planned_in_the_future_and_not_posted_is_told_now(bot):
    followed = bot.follow()
    bot.at("18T09:00")
    bot.commit("one", DAY + timedelta(hours=3))
    bot.server.queue(*[BROKEN] * 4)
    bot.time.moment = datetime(2026, 3, 21, 9, tzinfo=UTC)
    bot.tick()
    assert bot.tops() == []
    bot.time.moment = DAY + timedelta(hours=33)
    another_process(bot)
    bot.at("19T09:01")
    assert len(bot.tops()) == 1
    assert "fix: one" in str(bot.tops()[0])
    assert bot.states(followed)[-2:] == ["failed", "done"]


def test_what_was_put_off_by_a_clock_goes_on(bot):
    bot.follow()
    bot.at("18T09:00")
    bot.commit("one", DAY + timedelta(hours=3))
    bot.server.queue(*[BROKEN] * 4)
    bot.at("19T09:00")
    (due,) = bot.store.deliveries(state=DeliveryState.DUE)
    bot.store.keep_delivery(replace(due, retry=due.retry + MONTH, deadline=due.deadline + MONTH))
    bot.tick()
    bot.tick()
    assert len(bot.tops()) == 1


def test_a_subscription_that_began_in_the_future_begins_now(bot):
    bot.follow(created=DAY + MONTH, scheduled=DAY + MONTH)
    bot.at("18T08:00")
    bot.commit("one", DAY + timedelta(hours=3))
    bot.at("18T09:00")
    bot.at("19T09:00")
    assert len(bot.tops()) == 1


def test_a_lease_of_the_future_holds_nobody_up(bot):
    now = bot.time.moment
    lease = timedelta(seconds=60)
    assert bot.store.claim("delivery:1", "killed", now + MONTH, now + MONTH + lease)
    assert bot.store.claim("delivery:1", "alive", now, now + lease)
    assert not bot.store.claim("delivery:1", "third", now, now + lease)
