"""Slack, written to through the real SDK and a real socket: nothing beyond a limit, nothing cut, nothing doubled."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import slack_server
from hypothesis import given
from hypothesis import strategies as st
from make import REPOSITORY, change, commit
from samples import HOSTILE
from samples import digest as sample
from slack_server import BROKEN, BUSY, DROPPED, INTERNAL, LOST, TOKEN, SlackServer, Time

from adapters.chats.slack import limits
from adapters.chats.slack.blocks import render, rendered_length
from adapters.chats.slack.chat import SlackChat
from adapters.chats.slack.workspaces import OneWorkspace
from bot.commits import related
from bot.delivery import schedule
from bot.errors import ConfigError, Forbidden, NotFound, Unavailable
from bot.posts import post as digests
from bot.posts.report import attachments
from bot.texts import Texts
from bot.values import (
    MOST_TOP,
    Analysis,
    Aspect,
    Attachment,
    Button,
    Buttons,
    Digest,
    Entry,
    Evidence,
    Fields,
    Filters,
    Grade,
    Impact,
    Importance,
    Insight,
    Message,
    Place,
    Risk,
    Span,
    Suggestion,
    Table,
    Text,
)

CHANNEL = Place("slack", "C1")


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def server(time):
    with SlackServer(time) as running:
        yield running
        assert (running.unknown, running.violations, running.impatient) == ([], [], [])


@pytest.fixture
def chat(server, time):
    return chat_of(server, time)


def chat_of(server, time, token=TOKEN):
    return SlackChat(OneWorkspace(token, server.url), clock=time, sleep=time.sleep, now=time)


def words(value) -> str:
    """Every text of blocks, as a reader sees them."""
    if isinstance(value, dict):
        own = value["text"] if isinstance(value.get("text"), str) else ""
        return own + "".join(words(part) for part in value.values() if not isinstance(part, str))
    return "".join(map(words, value)) if isinstance(value, list) else ""


def deliver(chat, post, place=CHANNEL):
    thread = chat.post(place, post.headline)
    for reply in post.replies:
        chat.post(thread, reply)


# --- Whole days ------------------------------------------------------------------------------

LONGEST = "这一段分析说明了提交改变的内容、原因以及影响范围，没有任何一句会被截断。" * 50  # 1,850 characters


def entry(number, importance, text):
    made = commit(
        f"feat: 支持第 {number} 种情况，包括 `quotes` & <brackets> *stars* (#{number})",
        change(f"src/part{number}.py"),
        sha=f"{number:040x}",
        committed=datetime(2026, 2, 18, 12, tzinfo=UTC) - timedelta(minutes=number),
    )
    evidence = Evidence(f"src/part{number}.py", "x = 1", 1)
    said = Analysis(
        summary=f"第 {number} 个摘要：{text}",
        impact=tuple(Impact(f"部件{n}", (f"src/part{number}.py",), text[:600]) for n in range(8)),
        insights=tuple(Insight(Aspect.PERFORMANCE, f"洞察{n}：{text}", evidence) for n in range(6)),
        risks=tuple(Risk(f"风险{n}：{text}", evidence, text[:1000]) for n in range(6)),
        suggestions=tuple(Suggestion("维护者", f"建议{n}：{text[:500]}") for n in range(4)),
        by="some-model",
    )
    grade = Grade(importance, (), "原因", f"第 {number} 个提交的一句话。", 0.5)
    return Entry(made, grade, said if importance is Importance.HIGH else Analysis(f"第 {number} 个提交的一句话。"))


def day(count, highs=0, text="短。"):
    entries = tuple(entry(n, Importance.HIGH if n < highs else Importance.LOW, text) for n in range(count))
    period = schedule.day(datetime(2026, 2, 18, tzinfo=UTC).date(), "UTC")
    overview = "今天的概述。" if count else "没有提交。"
    return Digest(REPOSITORY, "main", period, "zh", Filters(), entries, overview, related.rows(entries))


DAYS = {
    "150 commits": day(150, 18),
    "29 commits": day(29, 4),
    "empty": day(0),
    "longest": day(12, 6, LONGEST),
}


@pytest.mark.parametrize("name", DAYS)
def test_a_day_is_taken_whole_and_read_back_complete(chat, server, name):
    made, texts = DAYS[name], Texts("zh")
    post = digests.post(made, texts, attachments(made, texts), top=MOST_TOP)
    deliver(chat, post)
    (headline,) = server.thread("C1", None)
    replies = server.thread("C1", headline["ts"])
    everything = "".join(words(m["blocks"]) for m in (headline, *replies))
    tables = [block for m in (headline, *replies) for block in m["blocks"] if block["type"] == "table"]
    rows = [row for table in tables for row in table["rows"][1:]]
    assert len(rows) == len(made.entries)
    assert all(table["rows"][0] == tables[0]["rows"][0] for table in tables)
    for e in made.entries:
        assert everything.count(f"第 {e.commit.pull} 种情况") >= 1
        for said in (e.analysis.summary, *(r.text for r in e.analysis.risks), *(i.effect for i in e.analysis.impact)):
            assert said in everything.replace("\n", "")
    assert len(server.files) == (2 if made.entries else 0)
    assert server.too_fast == 0
    assert all(f["thread_ts"] == headline["ts"] for f in server.files)


def test_pages_that_go_on_say_which_they_are(chat, server):
    deliver(chat, digests.post(DAYS["150 commits"], Texts("zh")))
    (headline,) = server.thread("C1", None)
    more = [m for m in server.thread("C1", headline["ts"]) if m["blocks"][0]["type"] == "context"]
    assert more
    assert "(2/" in words(more[0]["blocks"][:1])
    assert "(2/" in more[0]["text"]


@pytest.mark.parametrize("kind", ["normal", "hostile", "empty"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_sample_days_are_taken_and_text_stands_in_no_mrkdwn(chat, server, kind, language):
    made, texts = sample(kind, language), Texts(language)
    deliver(chat, digests.post(made, texts, attachments(made, texts)))
    for message in server.messages["C1"]:
        assert '"mrkdwn"' not in json.dumps(message["blocks"])
        assert not {"<!", "<@", "<#"} & {message["text"][n : n + 2] for n in range(len(message["text"]))}
        urls = [part.split('"')[0] for part in json.dumps(message["blocks"]).split('"url": "')[1:]]
        assert all(url.startswith("https://github.com/") for url in urls)


def test_the_fallback_reads_as_a_notification(chat, server):
    deliver(chat, digests.post(sample("normal", "en"), Texts("en")))
    text = server.messages["C1"][0]["text"]
    assert "2026-02-18" in text
    assert len(text) <= limits.FALLBACK.ours
    assert HOSTILE  # the hostile day is told above


TEXTS = st.text(max_size=9_000)
SPANS = st.builds(
    Span, TEXTS, url=st.sampled_from([None, "https://github.com/a/b"]), strong=st.booleans(), code=st.booleans()
)
LINES = st.lists(SPANS, max_size=4).map(tuple)
PARTS = st.one_of(
    st.builds(Text, st.lists(LINES, max_size=5).map(tuple), heading=st.text(max_size=50), bullets=st.booleans()),
    st.builds(Fields, st.lists(st.tuples(st.text(max_size=20), LINES), max_size=5).map(tuple)),
    st.lists(st.tuples(LINES, LINES), max_size=5).map(lambda rows: Table(("a", "b"), tuple(rows))),
    st.builds(Buttons, st.lists(st.builds(Button, TEXTS, command=TEXTS), max_size=8).map(tuple)),
)


@given(title=LINES, parts=st.lists(PARTS, max_size=5))
def test_whatever_a_message_holds_slack_takes_it_and_nothing_is_left_out(title, parts):
    pages = render(Message("key", title, tuple(parts))).pages
    for page in pages:
        body = {"text": page.text, "blocks": list(page.blocks), "unfurl_links": False, "unfurl_media": False}
        slack_server.check_message(body)
        assert rendered_length(page.blocks) <= limits.RENDERED.slack
    shown = "".join(words(list(page.blocks)) for page in pages).replace("\n", "")
    for part in parts:
        if isinstance(part, Text):
            for line in part.lines:
                assert "".join(span.text for span in line).replace("\n", "") in shown or len(line) > 1


# --- Sending ---------------------------------------------------------------------------------

HELLO = Message("headline", (Span("Hello"),), (Text(((Span("world"),),)),))


@pytest.mark.parametrize("fault", [DROPPED, LOST, BUSY, BROKEN, INTERNAL])
def test_an_unclear_or_refused_send_ends_in_one_message(chat, server, fault):
    server.queue(fault)
    thread = chat.post(CHANNEL, HELLO)
    chat.post(thread, replace(HELLO, key="reply"))
    assert len(server.messages["C1"]) == 2
    assert thread.thread == server.messages["C1"][0]["ts"]


def test_a_reply_whose_answer_was_lost_is_found_in_its_thread(chat, server):
    thread = chat.post(CHANNEL, HELLO)
    server.queue(DROPPED)
    chat.post(thread, replace(HELLO, key="reply"))
    assert len(server.thread("C1", thread.thread)) == 1
    assert "conversations.replies" in server.requests


def test_a_pause_that_slack_asks_for_is_kept(chat, server, time):
    server.queue(BUSY)
    chat.post(CHANNEL, HELLO)
    assert 7 in time.slept


def test_one_message_a_second_a_channel(chat, server):
    for number in range(5):
        chat.post(CHANNEL, replace(HELLO, key=str(number)))
    assert server.too_fast == 0


def test_a_history_that_cannot_be_read_costs_a_double_and_no_loss(chat, server):
    server.errors["conversations.history"] = "missing_scope"
    server.queue(DROPPED)
    chat.post(CHANNEL, HELLO)
    assert len(server.messages["C1"]) == 2


def test_a_slack_that_stays_broken_is_unavailable(chat, server):
    server.queue(*[BROKEN] * 9)
    with pytest.raises(Unavailable) as failed:
        chat.post(CHANNEL, HELLO)
    assert failed.value.key == "slack_failed"


@pytest.mark.parametrize(
    ("error", "kind", "key"),
    [
        ("not_in_channel", NotFound, "slack_channel"),
        ("is_archived", Forbidden, "slack_closed"),
        ("token_revoked", ConfigError, "slack_token"),
        ("missing_scope", ConfigError, "slack_scope"),
        ("invalid_blocks", Unavailable, "slack_refused"),
    ],
)
def test_a_refusal_is_told_in_the_bots_terms_and_not_repeated(chat, server, error, kind, key):
    server.errors["chat.postMessage"] = error
    with pytest.raises(kind) as refused:
        chat.post(CHANNEL, HELLO)
    assert refused.value.key == key
    assert Texts("en").error(refused.value)
    assert server.requests == ["chat.postMessage"]
    assert TOKEN not in str(refused.value)


def test_a_wrong_token_and_an_unknown_channel_are_told(server, chat, time):
    with pytest.raises(NotFound):
        chat.post(Place("slack", "C9"), HELLO)
    with pytest.raises(ConfigError):
        chat_of(server, time, "xoxb-other").post(CHANNEL, HELLO)


def test_a_file_goes_into_the_thread(chat, server):
    chat.post(CHANNEL, replace(HELLO, parts=(*HELLO.parts, Attachment("report.md", "# 报告"))))
    assert [(f["content"], f["thread_ts"]) for f in server.files] == [("# 报告", server.messages["C1"][0]["ts"])]


def test_the_buttons_of_a_long_day_stand_in_the_channel_and_not_in_its_thread(chat, server):
    deliver(chat, digests.post(DAYS["150 commits"], Texts("zh")))
    (headline,) = server.thread("C1", None)
    kinds = [block["type"] for block in headline["blocks"]]
    assert (kinds[-1], "table" in kinds) == ("actions", True)
    assert not any(b["type"] == "actions" for m in server.thread("C1", headline["ts"]) for b in m["blocks"])
