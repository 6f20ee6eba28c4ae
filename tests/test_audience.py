"""Who reads at a place, as Slack and Feishu tell it over real sockets: remembered a while, the worst where unknown."""

import pytest
from feishu_server import APP_ID, APP_SECRET, FeishuServer
from slack_server import BOT, TOKEN, SlackServer, Time

from adapters.chats import remembered
from adapters.chats.feishu.calls import Api
from adapters.chats.feishu.chat import FeishuChat
from adapters.chats.slack.chat import SlackChat
from adapters.chats.slack.webhook import SlackWebhook
from adapters.chats.slack.workspaces import OneWorkspace
from adapters.chats.terminal import HOME, Terminal, console
from bot.errors import ConfigError, Unavailable
from bot.ports import Readers
from bot.texts import Texts
from bot.values import Place

C1 = Place("slack", "T1/C1")
PRIVATE = Place("slack", "T1/C1", viewer="U1")


@pytest.fixture
def slack():
    with SlackServer(Time(), channels=("C1",), private=("G1",)) as server:
        yield server
        assert (server.unknown, server.violations) == ([], [])


@pytest.fixture
def chat(slack):
    return SlackChat(OneWorkspace(TOKEN, slack.url), clock=slack._clock, sleep=slack._clock.sleep, now=slack._clock)


def test_members_of_a_channel_of_their_own_are_nobody_else(chat):
    assert (chat.readers(C1, "U1").guest, chat.readers(C1, "U1").shared) == (False, False)
    assert (chat.readers(PRIVATE, "U1").guest, chat.readers(PRIVATE, "U1").alone) == (False, False)


@pytest.mark.parametrize("flag", ["is_restricted", "is_ultra_restricted", "is_stranger", "deleted"])
def test_a_guest_is_one_alone_and_among_others(slack, chat, flag):
    slack.users["U8"] = {flag: True}
    slack.channels["C1"].members.add("U8")
    assert chat.readers(Place("slack", "T1/C1", viewer="U8"), "U8").guest
    assert not chat.readers(PRIVATE, "U1").guest  # only the member reads
    assert chat.readers(C1, "U1").guest
    assert chat.readers(C1, "").guest


def test_somebody_of_another_workspace_is_a_guest(slack, chat):
    slack.users["U8"] = {"team_id": "T9"}
    assert chat.readers(Place("slack", "T1/C1", viewer="U8"), "U8").guest


def test_who_is_not_known_is_a_guest_and_a_channel_that_is_not_known_is_shared(chat):
    assert chat.readers(Place("slack", "T1/C1", viewer="U404"), "U404").guest
    assert chat.readers(Place("slack", "T1/C404", viewer="U1"), "U1").shared


def test_a_direct_message_is_for_the_one_whose_it_is(slack, chat):
    slack.direct("help")
    assert chat.readers(Place("slack", "T1/DU1"), "") == Readers(alone=True, person="U1")
    slack.users["U1"] = {"is_restricted": True}
    slack._clock.now += remembered.SECONDS + 1
    assert chat.readers(Place("slack", "T1/DU1"), "").guest


def test_a_private_channel_without_the_bot_counts_as_shared(slack, chat):
    slack.leave("G1")
    assert chat.readers(Place("slack", "T1/G1", viewer="U1"), "U1").shared


def test_what_slack_said_counts_for_a_while_and_no_longer(slack, chat):
    for _ in range(3):
        chat.readers(C1, "U1")
    asked = ["conversations.info", "users.info", "conversations.members", "users.list"]
    assert [m for m in slack.requests if m != "auth.test"] == asked
    slack.channels["C1"].shared = True
    assert not chat.readers(C1, "U1").shared
    slack._clock.now += remembered.SECONDS + 1
    assert chat.readers(C1, "U1").shared


def test_while_slack_is_away_nobody_is_taken_for_anything(slack, chat):
    slack.queue(*["500"] * 4, method="users.info")
    with pytest.raises(Unavailable):
        chat.readers(C1, "U1")
    assert not chat.readers(C1, "U1").guest


def test_a_scope_that_is_missing_is_told_with_its_name(slack, chat):
    slack.scopes[TOKEN].discard("users:read")
    with pytest.raises(ConfigError) as missing:
        chat.readers(C1, "U1")
    assert missing.value.fields["scope"] == "users:read"


def test_the_bot_alone_in_a_channel_is_no_guest(slack, chat):
    slack.channels["C1"].members = {BOT}
    assert not chat.readers(C1, "").guest


@pytest.mark.parametrize(
    ("made", "readers"),
    [
        ({}, Readers()),
        ({"external": True}, Readers(shared=True)),
        ({"kind": "p2p"}, Readers(alone=True)),
        ({"dissolved": True}, Readers(shared=True)),
    ],
)
def test_feishu_tells_of_external_groups(made, readers):
    time = Time()
    with FeishuServer(time, groups=()) as server:
        server.add_group("oc_9", **made)
        api = Api(APP_ID, APP_SECRET, server.root, now=time)
        asked = FeishuChat(api, None, clock=time, sleep=time.sleep, now=time)
        for _ in range(2):
            assert asked.readers(Place("feishu", "oc_9"), "ou_1") == readers
        assert server.requests[1:] == ["GET /open-apis/im/v1/chats/oc_9"]
        assert (server.unknown, server.violations) == ([], [])


def test_where_nobody_can_be_asked_the_operator_knows_who_reads():
    assert SlackWebhook({}).readers(Place("slack-webhook", "team"), "") == Readers()
    assert Terminal(console(), Texts("en")).readers(HOME, "").alone
