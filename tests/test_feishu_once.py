"""A message stands in Feishu exactly once, by whichever process: `uuid`, the history, and Feishu's pace."""

import random
from dataclasses import replace
from datetime import UTC, datetime

import feishu_limits as limits
import pytest
from feishu_server import (
    APP_ID,
    APP_SECRET,
    BAD_CARD,
    BEING_SENT,
    BROKEN,
    BUSY,
    DROPPED,
    INTERNAL,
    LOST,
    MERGED,
    ODD,
    SENSITIVE,
    FeishuServer,
    Time,
)

from adapters.chats.feishu.calls import Answer, Api, Caller, Gate
from adapters.chats.feishu.chat import FeishuChat
from adapters.chats.feishu.transports import LongConnection
from bot.delivery.sending import send
from bot.errors import ConfigError, Forbidden, LeaseLost, NotFound, Refused, ThreadGone, Unavailable
from bot.ports import Idempotency
from bot.texts import Texts
from bot.values import Attachment, Button, Buttons, Message, MessageKind, Place, Span, Text

GROUP = Place("feishu", "oc_1")
HELLO = Message("headline", (Span("Hello"),), (Text(((Span("world"),),)),))
LONG = Message("long", (Span("Long"),), (Text(tuple((Span("word " * 300),) for _ in range(60))),))
FILES = replace(HELLO, key="report", parts=(Attachment("a.md", "# 报告"), Attachment("a.html", "<p>")))
GROUPS = tuple(f"oc_{n}" for n in range(1, 41))


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def server(time):
    with FeishuServer(time, groups=GROUPS) as running:
        yield running
        assert (running.unknown, running.violations) == ([], [])


@pytest.fixture
def chat(server, time):
    return chat_of(server, time)


def chat_of(server, time, secret=APP_SECRET):
    api = Api(APP_ID, secret, server.root, time)
    return FeishuChat(api, LongConnection(api), clock=time, sleep=time.sleep, now=time)


def once(time, *, again=False, name="d1/headline", check=lambda: None):
    return Idempotency(name, datetime.fromtimestamp(time.now, UTC), again, check)


def cards(server, group="oc_1"):
    return [m for m in server.groups[group].messages if m["msg_type"] == "interactive"]


def files(server, group="oc_1"):
    return [server.shown(m) for m in server.groups[group].messages if m["msg_type"] == "file"]


def sends(server):
    return [r for r in server.requests if r.startswith("POST") and "/messages" in r]


# --- uuid and history ------------------------------------------------------------------------


def test_what_is_sent_for_the_first_time_is_not_looked_for(server, time, chat):
    chat.post(GROUP, HELLO, once(time))
    assert [r.split()[0] for r in server.requests] == ["POST", "POST"]  # a token, the message


@pytest.mark.parametrize("repeated", ["first", "refused", "silent"])
@pytest.mark.parametrize("fault", [DROPPED, LOST, BROKEN, INTERNAL, BEING_SENT, ODD])
def test_an_unclear_send_is_repeated_and_is_one_message(server, time, chat, fault, repeated):
    server.repeated = repeated
    server.queue(fault)
    thread = chat.post(GROUP, HELLO, once(time))
    assert [m["message_id"] for m in cards(server)] == [thread.thread]


def test_a_message_that_stays_unclear_is_looked_for_at_the_end(server, time, chat):
    server.queue(*[BEING_SENT] * 9)
    thread = chat.post(GROUP, HELLO, once(time))
    assert [m["message_id"] for m in cards(server)] == [thread.thread]


def test_a_message_that_never_arrives_is_not_taken_for_one_that_did(server, time, chat):
    server.queue(*[LOST] * 9)
    with pytest.raises(Unavailable):
        chat.post(GROUP, HELLO, once(time))
    assert cards(server) == []


def test_within_the_hour_a_history_that_may_not_be_read_does_not_matter(server, time, chat):
    server.scopes.discard("im:message.group_msg")
    first = once(time)
    thread = chat.post(GROUP, FILES, first)
    time.now += 3_500
    assert chat_of(server, time).post(GROUP, FILES, replace(first, again=True)) == thread
    assert len(cards(server)) == 1
    assert sorted(files(server)) == ["a.html", "a.md"]


def test_after_the_hour_a_history_that_may_not_be_read_allows_a_double_and_no_loss(server, time, chat):
    server.scopes.discard("im:message.group_msg")
    first = once(time)
    chat.post(GROUP, HELLO, first)
    time.now += 3_700
    chat_of(server, time).post(GROUP, HELLO, replace(first, again=True))
    assert len(cards(server)) == 2


@pytest.mark.parametrize("topics", [True, False], ids=["topics", "plain replies"])
@pytest.mark.parametrize("within", ["group", "thread"])
def test_of_several_pages_and_files_those_that_are_missing_are_sent(server, time, chat, within, topics):
    server.group("oc_1").topics = topics
    message = replace(LONG, parts=(*LONG.parts, *FILES.parts))
    place = GROUP if within == "group" else chat.post(GROUP, HELLO)
    first = once(time, name="d1/long")
    thread = chat.post(place, message, first)
    group = server.group("oc_1")
    whole = [server.shown(m) for m in group.messages]
    assert len(whole) > 4
    own = [m for m in group.messages if place.thread != m["message_id"]]
    lost = own[1::2]
    group.messages = [m for m in group.messages if m not in lost]
    time.now += 4_000
    assert chat_of(server, time).post(place, message, replace(first, again=True)) == thread
    assert sorted(server.shown(m) for m in group.messages) == sorted(whole)


def test_files_of_the_same_name_of_another_digest_are_not_taken_for_ours(server, time, chat):
    chat.post(GROUP, FILES, once(time, name="d0/report"))
    time.now += 10
    chat.post(GROUP, FILES, once(time, name="d1/report", again=True))
    assert len(cards(server)) == 2
    assert sorted(files(server)) == ["a.html", "a.html", "a.md", "a.md"]


def test_what_others_wrote_is_not_taken_for_ours(server, time, chat):
    first = once(time)
    chat.post(GROUP, HELLO, first)
    (ours,) = cards(server)
    ours["sender"] = {"id": "cli_other", "id_type": "app_id", "sender_type": "app"}
    time.now += 4_000
    chat.post(GROUP, HELLO, replace(first, again=True))
    assert len(cards(server)) == 2


@pytest.mark.parametrize(("before", "after", "pages"), [(0, 120, 1), (120, 0, 3), (0, 1_100, 1), (1_100, 0, 21)])
def test_however_much_was_written_since_a_message_is_found(server, time, chat, before, after, pages):
    """A group's history is looked through from when the sending began, and, where it is long, from its end."""
    first = once(time)
    talk(server, time, before)
    thread = chat.post(GROUP, HELLO, first)
    talk(server, time, after)
    time.now += 4_000
    server.requests.clear()
    assert chat_of(server, time).post(GROUP, HELLO, replace(first, again=True)) == thread
    assert sum(r.startswith("GET") for r in server.requests) == pages


def talk(server, time, count):
    for number in range(count):
        time.now += 1
        server.group("oc_1").post_by("ou_1", f"talk {number}")


def test_what_others_wrote_in_the_second_in_which_the_look_begins_ends_nothing(server, time, chat):
    time.now += 0.2
    server.group("oc_1").post_by("ou_1", "talk")
    time.now += 60.7
    first = once(time)
    chat.post(GROUP, HELLO, first)
    time.now += 4_000
    chat_of(server, time).post(GROUP, HELLO, replace(first, again=True))
    assert len(cards(server)) == 1


@pytest.mark.parametrize(
    "page",
    [
        {"items": None},
        {"items": [None, 7, {}]},
        {"has_more": True},
        {"items": [{"msg_type": "file", "body": None}, {"msg_type": "interactive", "body": {"content": None}}]},
    ],
)
def test_an_odd_history_settles_nothing_and_ends_nothing(server, time, chat, monkeypatch, page):
    monkeypatch.setattr(server, "_list", lambda call: {"data": page})
    chat.post(GROUP, FILES, once(time, again=True))
    assert len(cards(server)) == 1


def test_what_stood_there_before_the_sending_began_is_not_looked_at(server, time, chat):
    chat.post(GROUP, HELLO, once(time, name="d0/headline"))
    talk(server, time, 120)
    time.now += 7_000
    server.requests.clear()
    chat.post(GROUP, HELLO, once(time, again=True))
    assert sum(r.startswith("GET") for r in server.requests) == 1


def test_a_file_that_answers_something_else_is_not_taken_for_ours(server, time, chat):
    """Two subscriptions of one repository in a group without topics post files of the same names."""
    server.group("oc_1").topics = False
    other, thread = chat.post(GROUP, HELLO), chat.post(GROUP, HELLO)
    first = once(time, name="d1/report")
    chat.post(thread, FILES, first)
    group = server.group("oc_1")
    group.messages = [m for m in group.messages if m["msg_type"] != "file"]  # killed right after the card
    chat.post(other, FILES, once(time, name="d2/report"))
    time.now += 4_000
    chat_of(server, time).post(thread, FILES, replace(first, again=True))
    assert sorted(server.shown(m) for m in server.thread("oc_1", thread.thread) if m["msg_type"] == "file") == [
        "a.html",
        "a.md",
    ]


def test_a_long_thread_is_read_back_to_when_the_sending_began_and_no_further(server, time, chat):
    thread = chat.post(GROUP, HELLO)
    for number in range(120):
        time.now += 1
        chat.post(thread, HELLO, once(time, name=f"d{number}"))
    time.now += 100
    first = once(time, name="reply")
    chat.post(thread, HELLO, first)
    time.now += 4_000
    server.requests.clear()
    assert chat_of(server, time).post(thread, HELLO, replace(first, again=True)) == thread
    assert len(cards(server)) == 122
    assert sum(r == "GET /open-apis/im/v1/messages" for r in server.requests) == 1
    chat_of(server, time).post(thread, HELLO, replace(first, again=True, key="another"))
    assert sum(r == "GET /open-apis/im/v1/messages" for r in server.requests) == 2


# --- Where it may be written -----------------------------------------------------------------


def test_where_no_topics_are_allowed_replies_are_plain(server, time, chat):
    server.group("oc_1").topics = False
    thread = chat.post(GROUP, HELLO)
    for _ in range(2):
        chat.post(thread, HELLO)
    assert [m["reply_in_thread"] for m in cards(server)] == [False, False, False]
    assert {m.get("root_id") for m in cards(server)[1:]} == {thread.thread}
    assert len(sends(server)) == 4  # it was asked for a topic once


def test_a_message_that_was_forwarded_with_others_is_answered_plainly_and_others_in_topics(server, chat):
    thread = chat.post(GROUP, HELLO)
    server.queue(MERGED, path="/reply")
    chat.post(thread, HELLO)
    chat.post(chat.post(GROUP, HELLO), HELLO)
    assert [m["reply_in_thread"] for m in cards(server) if m.get("root_id")] == [False, True]


def test_whether_topics_are_allowed_is_asked_again_the_next_day(server, time, chat):
    server.group("oc_1").topics = False
    thread = chat.post(GROUP, HELLO)
    chat.post(thread, HELLO)
    server.group("oc_1").topics = True
    chat.post(thread, HELLO)
    time.now += 90_000
    chat.post(thread, HELLO)
    assert [m["reply_in_thread"] for m in cards(server) if m.get("root_id")] == [False, False, True]


def group_without_bot(server):
    server.group("oc_1").members.discard("ou_bot")


def dissolved(server):
    server.group("oc_1").dissolved = True


def muted(server):
    server.group("oc_1").muted = True


def no_bots(server):
    server.group("oc_1").forbids = True


@pytest.mark.parametrize(
    ("closed", "error"),
    [(group_without_bot, NotFound), (dissolved, NotFound), (muted, Forbidden), (no_bots, Forbidden)],
)
def test_a_group_that_takes_no_messages_is_named(server, chat, closed, error):
    closed(server)
    with pytest.raises(error) as told:
        chat.post(GROUP, HELLO)
    assert "oc_1" in Texts("en").error(told.value)


def test_a_recalled_message_is_answered_no_more(server, chat):
    thread = chat.post(GROUP, HELLO)
    server.recall(thread.thread)
    with pytest.raises(ThreadGone):
        chat.post(thread, HELLO)


# --- What it is not allowed to say -----------------------------------------------------------


TITLED = replace(HELLO, title=(Span("Title", "https://github.com/o/r/commit/abc"),))


@pytest.mark.parametrize("refusal", [SENSITIVE, BAD_CARD])
def test_what_is_refused_is_replaced_by_a_card_that_says_so(server, time, chat, refusal):
    server.queue(refusal)
    first = once(time, name="d1/commit")
    message = replace(TITLED, key="commit")
    thread = send(chat, GROUP, message, Texts("en"), first)
    (card,) = cards(server)
    told = server.shown(card)
    assert "was not accepted by this chat" in told
    assert ("content review" if refusal == SENSITIVE else "230099") in told
    assert "github.com/o/r/commit/abc" in told
    assert "Title" not in told
    assert "world" not in told
    server.queue(refusal)
    assert send(chat_of(server, time), GROUP, message, Texts("en"), replace(first, again=True)) == thread
    assert len(cards(server)) == 1


def test_a_refused_headline_keeps_its_title_and_its_buttons_or_else_only_says_so(server, time, chat):
    buttons = Buttons((Button("Full report", "report o/r 2026-02-18"),))
    headline = replace(TITLED, parts=(*TITLED.parts, buttons), kind=MessageKind.HEADLINE)
    for count, shown in ((1, True), (2, False)):
        server.queue(*[SENSITIVE] * count)
        send(chat, GROUP, headline, Texts("en"), once(time, name=f"d{count}/headline"))
        told = server.shown(cards(server)[-1])
        assert "was not accepted by this chat" in told
        assert ("Title" in told, "Full report" in told) == (shown, shown)
    server.queue(*[SENSITIVE] * 3)
    with pytest.raises(Refused):
        send(chat, GROUP, headline, Texts("en"), once(time, name="d3/headline"))


@pytest.mark.parametrize("refused", [0, 1, 2])
def test_of_several_pages_only_the_refused_one_is_missing_and_that_is_said_in_the_thread(server, time, chat, refused):
    message = replace(LONG, key="rest", parts=(*LONG.parts, *FILES.parts))
    whole = chat_of(server, time).post(Place("feishu", "oc_2"), message)
    pages = [server.shown(m) for m in server.group("oc_2").messages]
    if refused == 0:
        server.queue(SENSITIVE)
    else:
        server.queue(*[""] * (refused - 1), SENSITIVE, path="/reply")
    first = once(time, name="d1/rest")
    thread = send(chat, GROUP, message, Texts("en"), first)
    told = [server.shown(m) for m in server.group("oc_1").messages]
    (notice,) = [text for text in told if "was not accepted by this chat" in text]
    assert sorted(text for text in told if text != notice) == sorted(pages[:refused] + pages[refused + 1 :])
    assert thread.thread == server.tops("oc_1")[0]["message_id"]
    assert len(server.tops("oc_1")) == 1
    assert whole.thread != thread.thread
    again = send(chat_of(server, time), GROUP, message, Texts("en"), replace(first, again=True))
    assert again == thread
    assert len(server.tops("oc_1")) == 1
    assert len(server.group("oc_1").messages) == len(told) + 1  # by now it is taken


@pytest.mark.parametrize("text", ["", "x" * 30_000_001])
def test_a_file_that_feishu_never_takes_costs_nothing_else(server, time, chat, text):
    report = replace(HELLO, key="report", parts=(Attachment("a.md", "# 报告"), Attachment("b.html", text)))
    send(chat, GROUP, report, Texts("en"), once(time))
    assert files(server) == ["a.md"]
    assert any("30 MB" in server.shown(card) for card in cards(server))


# --- Tokens, permissions, rates --------------------------------------------------------------


def test_a_token_is_fetched_once_and_anew_before_it_ends(server, time, chat):
    tokens = "POST /open-apis/auth/v3/tenant_access_token/internal"
    for _ in range(3):
        chat.post(GROUP, HELLO)
    assert server.requests.count(tokens) == 1
    time.now += 6_700
    chat.post(GROUP, HELLO)
    assert server.requests.count(tokens) == 2


def test_a_token_that_is_taken_back_is_fetched_anew(server, chat):
    chat.post(GROUP, HELLO)
    server.revoke_tokens()
    chat.post(GROUP, HELLO)
    assert len(cards(server)) == 2


@pytest.mark.parametrize("fault", [BROKEN, LOST, ODD, BUSY])
def test_a_token_that_cannot_be_had_for_now_is_asked_for_again(server, chat, fault):
    server.queue(fault, path="/token")
    chat.post(GROUP, HELLO)
    assert len(cards(server)) == 1


def test_a_wrong_secret_is_told_and_not_shown(server, time):
    with pytest.raises(ConfigError) as told:
        chat_of(server, time, secret="not-the-secret").post(GROUP, HELLO)
    text = Texts("en").error(told.value)
    assert "FEISHU_APP_SECRET" in text
    assert "not-the-secret" not in f"{text}{told.value!r}"


def test_a_missing_permission_is_named(server, chat):
    server.scopes -= {"im:message:send_as_bot"}
    with pytest.raises(ConfigError) as told:
        chat.post(GROUP, HELLO)
    assert "im:message" in Texts("en").error(told.value)


def test_a_refusal_for_now_is_waited_for_as_long_as_feishu_says(server, time, chat):
    server.queue(BUSY)
    chat.post(GROUP, HELLO)
    assert time.slept == [7]
    assert len(cards(server)) == 1


def test_the_pace_of_a_group_is_kept(server, time, chat):
    server._throttle = True
    begun = time.now
    thread = chat.post(GROUP, HELLO)
    for _ in range(19):
        chat.post(thread, HELLO)
    assert (server.too_fast, server.refused) == (0, 0)
    assert 19 / limits.GROUP_RATE.ours - 0.5 <= time.now - begun <= 20 / limits.GROUP_RATE.ours


def test_messages_and_replies_share_the_pace_of_a_group(server, time, chat):
    server._throttle = True
    thread = chat.post(GROUP, HELLO)
    for _ in range(10):
        chat.post(GROUP, HELLO)
        chat.post(thread, HELLO)
    assert (server.too_fast, server.refused) == (0, 0)


def test_a_group_that_waits_keeps_no_other_waiting(server, time, chat):
    for _ in range(3):
        chat.post(GROUP, HELLO)
    before = time.now
    chat.post(Place("feishu", "oc_2"), HELLO)
    assert time.now == before


@pytest.mark.parametrize("method", ["messages", "reply", "files", "list"])
def test_calls_are_within_their_limits_in_every_second_and_minute(time, method):
    call, went = Caller(time, time.sleep), []

    def send():
        went.append(time.now)
        return Answer(0)

    for number in range(2_500):
        call(Gate(method, f"oc_{number}"), send)
    for seconds, most in ((1, limits.CALL_RATE.feishu), (60, limits.CALLS_A_MINUTE.feishu)):
        assert max(sum(at <= other < at + seconds for other in went) for at in went[::50]) <= most
    assert time.now - went[0] < 2_500 / limits.CALLS_A_MINUTE.ours * 60 * 1.1


def test_trouble_in_one_group_keeps_no_other_waiting(server, time, chat):
    server.queue(*[INTERNAL] * 4)
    server.hidden = 1e9
    with pytest.raises(Unavailable):
        chat.post(GROUP, HELLO)
    before = time.now
    chat.post(Place("feishu", "oc_2"), HELLO)
    assert time.now - before < 1


def test_what_was_refused_for_now_is_not_looked_for(server, chat):
    server.queue(*[BUSY] * 9)
    with pytest.raises(Unavailable):
        chat.post(GROUP, HELLO)
    assert not [r for r in server.requests if r.startswith("GET")]


def test_who_was_overtaken_during_an_upload_sends_no_file(server, time, chat):
    asked = []

    def check():
        asked.append(len(server.uploads))
        if server.uploads:
            raise LeaseLost("stopping")

    thread = chat.post(GROUP, HELLO)
    with pytest.raises(LeaseLost):
        chat.post(thread, FILES, once(time, check=check))
    assert files(server) == []


@pytest.mark.parametrize("fault", [BROKEN, BUSY, MERGED])
def test_a_file_is_put_up_once_however_often_its_message_is_sent(server, chat, fault):
    thread = chat.post(GROUP, HELLO)
    server.queue("", fault, path="/reply")
    chat.post(thread, FILES)
    assert sorted(files(server)) == ["a.html", "a.md"]
    assert len(server.uploads) == 2


def test_who_may_send_no_more_uploads_nothing(server, time, chat):
    def overtaken():
        raise LeaseLost("stopping")

    thread = chat.post(GROUP, HELLO)
    with pytest.raises(LeaseLost):
        chat.post(thread, FILES, once(time, again=True, check=overtaken))
    assert server.uploads == {}


def test_many_groups_are_served_within_the_limits(server, time, chat):
    server._throttle = True
    for number in range(400):
        chat.post(Place("feishu", GROUPS[number % 40]), HELLO)
    assert (server.too_fast, server.refused) == (0, 0)


# --- By chance -------------------------------------------------------------------------------


def persist(chat, message, once):
    """Post until Feishu is well, as whoever delivers does."""
    try:
        return chat.post(GROUP, message, once)
    except Unavailable:
        return persist(chat, message, replace(once, again=True))


@pytest.mark.parametrize("later", [0, 4_000], ids=["within the hour", "after it"])
@pytest.mark.parametrize("seed", range(3))
def test_whatever_goes_wrong_each_message_and_file_is_there_once(time, seed, later):
    with FeishuServer(time, chaos=random.Random(seed)) as server:
        for number in range(12):
            first = once(time, name=f"d{number}")
            persist(chat_of(server, time), FILES, first)
            time.now += later
            persist(chat_of(server, time), FILES, replace(first, again=True))
        assert len(cards(server)) == 12
        assert sorted(files(server)) == ["a.html"] * 12 + ["a.md"] * 12
        assert (server.unknown, server.violations) == ([], [])
