"""A message is sent exactly once, by whichever process: what may have been sent is looked for; and Slack's pace."""

import json
import random
import threading
import time as real_time
from dataclasses import replace
from datetime import UTC, datetime
from urllib.request import urlopen

import pytest
import slack_limits as limits
from slack_server import BROKEN, BUSY, DROPPED, INTERNAL, LOST, TOKEN, SlackServer, Time

from adapters.chats.ratelimit import RateLimit, RateLimiter
from adapters.chats.slack.calls import SETTLE, Caller, Gate
from adapters.chats.slack.chat import SlackChat
from adapters.chats.slack.workspaces import OneWorkspace
from bot.errors import LeaseLost, ThreadGone, Unavailable
from bot.ports import Idempotency
from bot.texts import Texts
from bot.values import Attachment, Message, Place, Span, Text

CHANNEL = Place("slack", "C1")
HELLO = Message("headline", (Span("Hello"),), (Text(((Span("world"),),)),))
LONG = Message("long", (Span("Long"),), (Text(tuple((Span("word " * 300),) for _ in range(20))),))
REPORT = replace(HELLO, key="report", parts=(Attachment("a.md", "# 报告"), Attachment("a.html", "<p>")))
FILES = replace(REPORT, parts=(*HELLO.parts, *REPORT.parts))


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def server(time):
    with SlackServer(time, channels=["C1", *(f"C{n}" for n in range(100, 140))]) as running:
        yield running
        assert (running.unknown, running.violations, running.impatient) == ([], [], [])


@pytest.fixture
def chat(server, time):
    return chat_of(server, time)


def chat_of(server, time, **more):
    return SlackChat(OneWorkspace(TOKEN, server.url), clock=time, sleep=time.sleep, now=time, **more)


def once(time, *, again=False, name="d1/headline", check=lambda: None):
    return Idempotency(name, datetime.fromtimestamp(time.now, UTC), again, check)


def all_in(server, channel="C1"):
    """What stands in a channel, with the shares of files."""
    return server.channels[channel].messages


def keys(server, channel="C1"):
    """The keys of what was sent, in the order in which it came."""
    return [m["metadata"]["event_payload"]["key"] for m in all_in(server, channel) if "metadata" in m]


def shares(server, channel="C1"):
    """The names of the files of each share."""
    return [[f["name"] for f in m["files"]] for m in all_in(server, channel) if "files" in m]


# --- What may have been sent before ----------------------------------------------------------


def test_what_is_there_is_not_sent_again_and_its_thread_is_returned(server, time, chat):
    first = once(time)
    thread = chat.post(CHANNEL, HELLO, first)
    reply = replace(first, key="d1/reply")
    chat.post(thread, HELLO, reply)
    time.now += 600
    other = chat_of(server, time)  # another process
    assert other.post(CHANNEL, HELLO, replace(first, again=True)) == thread
    assert other.post(thread, HELLO, replace(reply, again=True)) == thread
    assert keys(server) == ["d1/headline/0", "d1/reply/0"]


def test_what_is_not_there_is_sent_after_everybody_could_see_it(server, time):
    chat = chat_of(server, time, settle=3.5)
    chat.post(CHANNEL, HELLO, once(time, name="another"))
    time.slept.clear()
    chat.post(CHANNEL, HELLO, once(time, again=True))
    assert time.slept[0] == 3.5
    assert keys(server) == ["another/0", "d1/headline/0"]


def test_what_is_sent_for_the_first_time_is_not_waited_or_looked_for(server, time, chat):
    chat.post(CHANNEL, HELLO, once(time))
    assert (time.slept, server.requests) == ([], ["chat.postMessage"])


@pytest.mark.parametrize("within", ["channel", "thread"])
def test_of_several_pages_those_that_are_missing_are_sent(server, time, chat, within):
    place = CHANNEL if within == "channel" else chat.post(CHANNEL, HELLO)
    first = once(time, name="d1/long")
    chat.post(place, LONG, first)
    whole = keys(server)
    assert len(whole) > 3
    all_in(server)[-2:] = []  # who sent it was killed
    del server.requests[:]
    chat.post(place, LONG, replace(first, again=True))
    assert keys(server) == whole
    assert server.requests.count("chat.postMessage") == 2
    assert server.requests.count("conversations.replies") == 1
    assert server.requests.count("conversations.history") == (within == "channel")


def test_where_the_first_page_is_not_there_nothing_else_is_looked_for(server, time, chat):
    chat.post(CHANNEL, LONG, once(time, again=True))
    assert server.requests.count("conversations.history") == 1
    assert "conversations.replies" not in server.requests
    assert keys(server)[0] == "d1/headline/0"


def test_it_is_found_behind_what_others_wrote_since(server, time, chat):
    first = once(time)
    thread = chat.post(CHANNEL, HELLO, first)
    for number in range(40):
        chat.post(CHANNEL, HELLO, once(time, name=f"other{number}"))
    assert chat.post(CHANNEL, HELLO, replace(first, again=True)) == thread
    assert keys(server).count("d1/headline/0") == 1


def test_a_long_name_fits_into_metadata_and_is_found_again(server, time, chat):
    first = once(time, name="é" * 2_000)
    thread = chat.post(CHANNEL, HELLO, first)
    assert len(json.dumps(server.messages["C1"][0]["metadata"])) <= limits.METADATA.ours
    assert chat.post(CHANNEL, HELLO, replace(first, again=True)) == thread
    assert len(keys(server)) == 1


def test_a_history_that_may_not_be_read_costs_a_double_and_no_loss(server, time, chat):
    first = once(time)
    chat.post(CHANNEL, HELLO, first)
    server.errors["conversations.history"] = "missing_scope"
    chat.post(CHANNEL, HELLO, replace(first, again=True))
    assert keys(server) == ["d1/headline/0"] * 2


@pytest.mark.parametrize("dropped", [True, False])
def test_a_history_that_fails_for_now_is_looked_at_again_later(server, time, chat, dropped):
    first = once(time)
    server.errors["conversations.history"] = "fatal_error"
    if dropped:
        server.queue(DROPPED)
    else:
        chat.post(CHANNEL, HELLO, first)
    with pytest.raises(Unavailable):
        chat.post(CHANNEL, HELLO, first if dropped else replace(first, again=True))
    del server.errors["conversations.history"]
    chat.post(CHANNEL, HELLO, replace(first, again=True))
    assert keys(server) == ["d1/headline/0"]


@pytest.mark.parametrize(("late", "count"), [(SETTLE - 1, 1), (SETTLE + 1, 2)])
@pytest.mark.parametrize("message", [HELLO, FILES])
def test_only_what_shows_later_than_it_is_waited_for_is_doubled(server, time, chat, message, late, count):
    thread = chat.post(CHANNEL, HELLO)
    time.now += 60
    server.hidden = late
    place = CHANNEL if message is HELLO else thread
    first = once(time)
    chat.post(place, message, first)
    chat.post(place, message, replace(first, again=True))
    assert keys(server).count("d1/headline/0") == count


def test_an_unclear_send_that_shows_late_is_waited_for(server, time, chat):
    server.hidden = SETTLE - 1
    server.queue(DROPPED)
    chat.post(CHANNEL, HELLO, once(time))
    assert keys(server) == ["d1/headline/0"]


# --- Files -----------------------------------------------------------------------------------


def test_files_are_shared_in_one_message(server, time, chat):
    thread = chat.post(CHANNEL, FILES, once(time))
    assert shares(server) == [["a.md", "a.html"]]
    assert [m.get("thread_ts") for m in all_in(server)] == [None, thread.thread]
    assert [(f["content"], f["title"]) for f in server.files] == [("# 报告", "a.md"), ("<p>", "a.html")]


def test_files_for_one_person_are_shared_in_one_message_too(server, time, chat):
    chat.post(replace(CHANNEL, viewer="U1"), FILES)
    assert shares(server, "DU1") == [["a.md", "a.html"]]


def test_files_that_are_there_are_not_shared_again(server, time, chat):
    first = once(time)
    thread = chat.post(CHANNEL, FILES, first)
    assert chat.post(CHANNEL, FILES, replace(first, again=True)) == thread
    assert (len(keys(server)), len(shares(server))) == (1, 1)


def test_files_that_are_missing_are_shared(server, time, chat):
    first = once(time)
    chat.post(CHANNEL, FILES, first)
    del all_in(server)[1:]
    chat.post(CHANNEL, FILES, replace(first, again=True))
    assert (len(keys(server)), len(shares(server))) == (1, 1)


def test_files_of_the_same_names_in_another_message_are_not_taken_for_it(server, time, chat):
    thread = chat.post(CHANNEL, HELLO)
    chat.post(thread, FILES, once(time, name="d1/report"))
    chat.post(thread, FILES, once(time, name="d2/report", again=True))
    server.queue(LOST, method="files.completeUploadExternal")
    chat.post(thread, FILES, once(time, name="d3/report"))
    assert len(shares(server)) == 3


def test_a_report_is_one_message_with_its_words_and_is_shared_once(server, time, chat):
    thread, asked = chat.post(CHANNEL, HELLO), replace(REPORT, title=(Span("Hello again <!here>"),))
    chat.post(thread, asked)  # somebody asked for the same files, which is another message
    first = once(time, name="d1/report")
    for again in (True, True, False):
        chat.post(thread, REPORT, replace(first, again=again))
    assert [m["text"] for m in all_in(server)[1:]] == ["Hello again &lt;!here&gt;", "Hello", "Hello"]
    assert shares(server) == 3 * [["a.md", "a.html"]]
    assert {m["thread_ts"] for m in all_in(server)[1:]} == {thread.thread}


def test_a_report_that_an_earlier_version_shared_is_not_shared_again(server, time, chat):
    thread, first = chat.post(CHANNEL, HELLO), once(time, name="d1/report")
    chat.post(thread, FILES, first)  # its words in a message of their own
    chat.post(thread, REPORT, replace(first, again=True))
    assert len(shares(server)) == 1


@pytest.mark.parametrize("fault", [DROPPED, LOST, BUSY, BROKEN, INTERNAL])
def test_a_share_that_went_wrong_ends_in_one(server, time, chat, fault):
    server.queue(fault, method="files.completeUploadExternal")
    chat.post(CHANNEL, FILES, once(time))
    assert shares(server) == [["a.md", "a.html"]]
    assert server.requests.count("files.completeUploadExternal") == (1 if fault in (DROPPED, INTERNAL) else 2)


@pytest.mark.parametrize("fault", [LOST, BUSY, BROKEN])
def test_a_file_that_found_no_place_is_given_another(server, time, chat, fault):
    server.queue(fault, method="files.getUploadURLExternal")
    chat.post(CHANNEL, FILES, once(time))
    assert shares(server) == [["a.md", "a.html"]]


def test_a_share_that_shows_too_late_is_repeated_whole(server, time, chat):
    thread = chat.post(CHANNEL, HELLO)
    time.now += 60
    server.hidden = SETTLE + 1
    server.queue(DROPPED, method="files.completeUploadExternal")
    chat.post(thread, FILES, once(time))
    assert len(shares(server)) == 2


# --- Another process -------------------------------------------------------------------------


class Checked:
    """A check that writes down what had been asked of Slack when it was called, and fails from some call on."""

    def __init__(self, server, fails_at=99):
        self.server = server
        self.fails_at = fails_at
        self.seen = []

    def __call__(self):
        self.seen.append(len(self.server.requests))
        if len(self.seen) >= self.fails_at:
            raise LeaseLost("overtaken")


def test_the_check_is_right_before_each_send(server, time, chat):
    check = Checked(server)
    chat.post(CHANNEL, replace(LONG, parts=(*LONG.parts, *REPORT.parts)), once(time, check=check))
    sent = [n for n, m in enumerate(server.requests) if m in ("chat.postMessage", "files.completeUploadExternal")]
    assert check.seen == sent
    assert len(sent) > 3


@pytest.mark.parametrize("fault", [LOST, BUSY, BROKEN])
def test_the_check_is_before_each_repetition_and_ends_it(server, time, chat, fault):
    server.queue(fault)
    check = Checked(server, fails_at=2)
    with pytest.raises(LeaseLost):
        chat.post(CHANNEL, HELLO, once(time, check=check))
    assert server.requests.count("chat.postMessage") == 1
    assert server.messages["C1"] == []


def test_the_check_comes_after_the_wait_for_the_channel(server, time, chat):
    chat.post(CHANNEL, HELLO)
    seen = []
    chat.post(CHANNEL, HELLO, once(time, check=lambda: seen.append(time.now)))
    assert seen == [1_001.0]


@pytest.mark.parametrize(("fails_at", "messages", "files"), [(1, 0, 0), (2, 1, 0)])
def test_who_was_overtaken_sends_nothing_more(server, time, chat, fails_at, messages, files):
    with pytest.raises(LeaseLost):
        chat.post(CHANNEL, FILES, once(time, check=Checked(server, fails_at)))
    assert (len(keys(server)), len(shares(server))) == (messages, files)


def test_a_thread_that_was_removed_is_told(server, time, chat):
    with pytest.raises(ThreadGone) as gone:
        chat.post(Place("slack", "C1", "999.000001"), HELLO, once(time, again=True))
    assert gone.value.key == "slack_thread"
    assert "C1" in Texts("en").error(gone.value)
    assert server.messages["C1"] == []


# --- Pace ------------------------------------------------------------------------------------


def test_a_rate_limit_allows_a_burst_and_then_one_after_the_other(time):
    limiter, begun, went = RateLimiter(time, time.sleep), time.now, []
    for asked in (0, 0, 0, 0, 0, 100, 100, 100, 100):
        time.now = max(time.now, begun + asked)
        limiter.wait({"key": (RateLimit(2.0, burst=3),)})
        went.append(time.now - begun)
    assert went == [0, 0, 0, 2, 4, 100, 100, 100, 102]


def test_the_pace_of_a_workspace_is_kept_over_many_channels(server, time, chat):
    server._throttle = True
    for number in range(600):
        chat.post(Place("slack", f"C{100 + number % 40}"), HELLO)
    assert server.too_fast == 0
    assert len(server.requests) == 600  # nothing was refused
    assert 600 / limits.WORKSPACE.ours * 60 - 1 < time.now - 1_000 < 600 / limits.WORKSPACE.slack * 60 + 60


def test_a_channel_that_waits_keeps_no_other_waiting(server, time, chat):
    for _ in range(5):
        chat.post(CHANNEL, HELLO)
    before = time.now
    chat.post(Place("slack", "C100"), HELLO)
    assert time.now - before <= 60 / limits.WORKSPACE.ours


@pytest.mark.parametrize(
    ("method", "limit"),
    [
        ("conversations.history", limits.TIER_3),
        ("conversations.replies", limits.TIER_3),
        ("files.getUploadURLExternal", limits.TIER_4),
        ("files.completeUploadExternal", limits.TIER_4),
    ],
)
def test_reads_and_shares_are_within_their_limit_in_every_minute(time, method, limit):
    call, went = Caller(time, time.sleep), []
    for number in range(3 * limit.slack):
        call(Gate(method, "T1", f"C{number}"), lambda: went.append(time.now))
    assert max(sum(at <= other < at + 60 for other in went) for at in went) <= limit.slack
    assert went.count(1_000.0) > 1  # what comes at once may go at once, up to a few
    assert time.now - 1_000 < 3 * 60 * 1.4


def test_a_method_that_is_refused_is_left_alone_in_all_of_the_workspace(server, time):
    waits = []

    def sleep(seconds):
        waits.append(chat._call._retrier.limiter._acquire({Gate("conversations.history", ""): ()}))
        time.sleep(seconds)

    chat = SlackChat(OneWorkspace(TOKEN, server.url), clock=time, sleep=sleep, now=time)
    server.queue(BUSY, method="conversations.history")
    chat.post(CHANNEL, HELLO, once(time, again=True))
    assert waits == [0, 7]


def test_several_threads_keep_the_pace_together():
    call, went = Caller(), []
    gates = [Gate("chat.postMessage", "T1", f"C{n % 2}") for n in range(6)]
    threads = [
        threading.Thread(
            target=call, args=(gate, lambda g=gate: went.append((g.channel, real_time.monotonic()))), daemon=True
        )
        for gate in gates
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    for channel in ("C0", "C1"):
        first, second, third = [at for named, at in went if named == channel]
        assert min(second - first, third - second) > limits.PACE - 0.2  # a thread may stand still after it may go


# --- By chance -------------------------------------------------------------------------------


def persist(chat, once):
    """Post until Slack is well, as whoever delivers does."""
    try:
        chat.post(CHANNEL, FILES, once)
    except Unavailable:
        persist(chat, replace(once, again=True))


@pytest.mark.parametrize("seed", range(5))
def test_whatever_goes_wrong_each_message_and_share_is_there_once(time, seed):
    with SlackServer(time, chaos=random.Random(seed)) as server:
        chat = chat_of(server, time)
        for number in range(20):
            persist(chat, once(time, name=f"d{number}"))
        assert sorted(keys(server)) == sorted(f"d{number}/0" for number in range(20))
        assert len(shares(server)) == 20
        assert server.requests.count("chat.postMessage") > 20
        with urlopen(f"{server.root}/_/messages") as answer:
            told = json.load(answer)
        assert told == {"messages": {"C1": all_in(server)}, "violations": [], "unknown": [], "impatient": []}
