"""A table in one piece: as much in one message as a workspace takes, what was found out of it kept, and what breaks."""

import json
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha1

import pytest
from feishu_checks import check_card
from samples import digest as sample
from slack_server import TEAM, TOKEN, SlackServer, Time
from test_slack import DAYS

from adapters.chats.feishu.cards import render as feishu
from adapters.chats.slack import limits
from adapters.chats.slack.blocks import SAFE, SPLITS, WIDE, json_length, render
from adapters.chats.slack.chat import SlackChat
from adapters.chats.slack.splits import Splits
from adapters.chats.slack.workspaces import OneWorkspace
from adapters.stores.sqlite import SqliteStore
from bot.commits import related
from bot.errors import Unavailable
from bot.ports import Idempotency
from bot.posts import post as digests
from bot.texts import Texts
from bot.values import Importance, Place

CHANNEL = Place("slack", "C1")
LANGUAGES = ("en", "zh")
EARLIER = SPLITS[0]


def day(count, language="en", most_high=50):
    """The sample's day with so many commits, and no two bumps, which would share a row."""
    entries, high = [], 0
    known = [e for e in sample("normal", language).entries if not e.commit.reading.bumps]
    for number in range(count):
        one = known[number % len(known)]
        high += one.grade.importance is Importance.HIGH
        grade = one.grade if high <= most_high else replace(one.grade, importance=Importance.LOW)
        made = replace(one.commit, sha=sha1(str(number).encode()).hexdigest())
        entries.append(replace(one, commit=made, grade=grade))
    return replace(sample("normal", language), entries=tuple(entries), rows=related.rows(entries), themes=())


def headline(count, language="en", **more):
    return digests.post(day(count, language, **more), Texts(language)).headline


def pieces(messages):
    """The rows of each table, without its header, of messages as Slack has them."""
    return [block["rows"][1:] for m in messages for block in m["blocks"] if block["type"] == "table"]


def pages(split, *arguments, **more):
    return [{"blocks": page.blocks} for page in render(headline(*arguments, **more), split).pages]


def all_rows(messages):
    return [row for rows in pieces(messages) for row in rows]


def time_of(row):
    return row[0]["text"]


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def slack(time):
    """Makes servers that count in one way."""
    made = []

    def start(*counted, **more):
        made.append(SlackServer(time, counted=counted, **more).__enter__())
        return made[-1]

    yield start
    for server in made:
        server.__exit__()
        assert (server.unknown, server.violations, server.impatient) == ([], [], [])


def chat_of(server, time, learned=None):
    return SlackChat(OneWorkspace(TOKEN, server.url), clock=time, sleep=time.sleep, now=time, learned=learned)


def once(time, *, again=False, check=lambda: None):
    return Idempotency("d1/headline", datetime.fromtimestamp(time.now, UTC), again, check)


# --- One piece -------------------------------------------------------------------------------


@pytest.mark.parametrize("counted", ["json", "text"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_thirty_rows_stand_in_one_message_whatever_slack_counts(slack, time, counted, language):
    server = slack(counted)
    chat_of(server, time).post(CHANNEL, headline(30, language))
    (rows,) = pieces(server.messages["C1"])
    assert len(rows) == 30
    assert server.messages["C1"][0]["blocks"][-1]["type"] == "actions"


@pytest.mark.parametrize("language", LANGUAGES)
def test_twenty_seven_rows_stand_beneath_the_overview_whatever_slack_counts(language):
    (page,) = pages(SAFE, 27, language)
    assert json_length(page["blocks"]) <= limits.JSON.slack


@pytest.mark.parametrize("language", LANGUAGES)
def test_fifty_rows_stand_in_one_message_where_slack_counts_text(slack, time, language):
    server = slack("text")
    chat_of(server, time).post(CHANNEL, headline(50, language))
    (message,) = server.messages["C1"]
    assert [len(rows) for rows in pieces([message])] == [50]
    assert server.requests == ["chat.postMessage"]


def test_a_cell_without_links_is_plain_and_the_others_have_their_links():
    (page,) = pages(SAFE, 20)
    for time, author, message, importance in pieces([page])[0]:
        assert {time["type"], author["type"], importance["type"]} == {"raw_text"}
        (section,) = message["elements"]
        kinds = [leaf["type"] for leaf in section["elements"]]
        assert set(kinds) == {"link"}
        assert len(kinds) <= 2
    subject, number = section["elements"] if len(kinds) == 2 else (*section["elements"], None)
    assert "/commit/" in subject["url"]
    assert number is None or number["text"].startswith(" (#")


def test_what_is_sent_is_compact(slack, time):
    server, sent = slack("json"), []
    kept = server._body
    server._body = lambda method, headers, raw, query: sent.append(raw) or kept(method, headers, raw, query)
    chat_of(server, time).post(CHANNEL, headline(5, "zh"))
    assert json.dumps(json.loads(sent[-1]), ensure_ascii=False, separators=(",", ":")).encode() == sent[-1]
    assert "工作进程".encode() in sent[-1]


# --- What was found out ----------------------------------------------------------------------


def test_a_refusal_is_answered_at_once_under_the_same_name_and_remembered(slack, time, tmp_path):
    server = slack("json")
    with closing(SqliteStore(tmp_path / "digest.db")) as store:
        begun = time.now
        chat = chat_of(server, time, store)
        chat.post(CHANNEL, headline(50), once(time))
        assert server.requests.count("chat.postMessage") == 1 + len(server.messages["C1"])
        assert time.now - begun < 10  # no pause but the one between two messages of a channel
        assert server.messages["C1"][0]["metadata"]["event_payload"]["key"] == "d1/headline/0"
        assert len(Counter(map(commit_of, all_rows(server.messages["C1"])))) == 50
        del server.requests[:], server.channels["C1"].messages[:]
        for other in (chat, chat_of(server, time, store)):  # another process too
            other.post(CHANNEL, headline(50))
        assert server.requests.count("chat.postMessage") == len(server.messages["C1"])
        time.now += timedelta(days=31).total_seconds()
        assert Splits(store, time).of(TEAM) == WIDE  # limits change


def commit_of(row):
    return json.dumps(row[2])


def test_what_one_workspace_takes_says_nothing_of_another():
    splits = Splits(None, lambda: 0.0)
    splits.learn("T1")
    assert (splits.of("T1"), splits.of("T2")) == (SAFE, WIDE)


def test_what_is_too_long_however_it_is_divided_is_told(slack, time):
    server = slack("json")
    server.errors["chat.postMessage"] = "msg_blocks_too_long"
    with pytest.raises(Unavailable) as refused:
        chat_of(server, time).post(CHANNEL, headline(50))
    assert refused.value.key == "slack_refused"
    assert server.requests == ["chat.postMessage"] * 2


# --- What was begun --------------------------------------------------------------------------


class Killed(Exception):
    pass


def killed_after_one(server, time, message, *, split=None, learned=None):
    """A process that dies once one page was taken."""
    chat, asked = chat_of(server, time, learned), []
    if split:
        chat._splits.of = lambda _: split

    def check():
        asked.append(1)
        if len(server.messages["C1"]):
            raise Killed

    with pytest.raises(Killed):
        chat.post(CHANNEL, message, once(time, check=check))
    assert len(server.messages["C1"]) == 1


@pytest.mark.parametrize("split", [EARLIER, SAFE, WIDE])
def test_a_message_is_ended_as_it_was_begun(slack, time, split):
    """By an earlier version, or before somebody else found out that the workspace takes less, or more."""
    server, message = slack("text"), headline(150)
    killed_after_one(server, time, message, split=split)
    if split is EARLIER:
        del server.messages["C1"][0]["metadata"]["event_payload"]["split"]  # it kept none
    later = chat_of(server, time)
    later._splits.of = lambda _: SAFE if split is WIDE else WIDE
    later.post(CHANNEL, message, once(time, again=True))
    whole = [page.blocks for page in render(message, split).pages]
    assert [tuple(m["blocks"]) for m in server.messages["C1"]] == whole
    assert Counter(map(commit_of, all_rows(server.messages["C1"]))).most_common(1)[0][1] == 1


def test_what_an_earlier_version_began_is_divided_as_it_did():
    """As version 0.2 divided these days (rows of each page's table)."""
    for made, language, rows in (
        (sample("normal", "en"), "en", [[13], [16]]),
        (sample("normal", "zh"), "zh", [[14], [15]]),
        (DAYS["150 commits"], "zh", [[14], *[[17]] * 8]),
        (DAYS["longest"], "zh", [[12]]),
    ):
        told = digests.post(made, Texts(language), look=0).headline
        found = [[len(r) for r in pieces([{"blocks": p.blocks}])] for p in render(told, EARLIER).pages]
        assert found == rows


# --- What breaks -----------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("count", "split"), [(60, SAFE), (60, WIDE), (400, WIDE)])
def test_every_high_row_is_in_the_first_piece_and_each_piece_is_in_order(language, count, split):
    made = headline(count, language, most_high=count // 8)
    rows = [pieces([{"blocks": page.blocks}]) for page in render(made, split).pages]
    first, *others = [piece for page in rows for piece in page]
    high = [row for piece in (first, *others) for row in piece if "🔴" in time_of(row)]
    assert len(high) == count // 8
    assert all(row in first for row in high)
    assert sum(map(len, (first, *others))) == min(count, digests.ROWS)
    order = {commit_of([None, None, render_cell(row), None]): n for n, row in enumerate(table_of(made).rows)}
    for piece in (first, *others):
        places = [order[commit_of(row)] for row in piece]
        assert places == sorted(places)


def table_of(message):
    return next(part for part in message.parts if hasattr(part, "rows"))


def render_cell(row):
    from adapters.chats.slack.blocks import _cell

    return _cell(row[2], SAFE)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("count", [27, 60, 400])
def test_feishu_has_the_table_in_one_card_or_every_high_row_in_the_first(language, count):
    cards = feishu(headline(count, language, most_high=count // 8)).pages
    for card in cards:
        check_card(card, body_bytes=len(json.dumps(json.dumps(card, ensure_ascii=False), ensure_ascii=False).encode()))
    found = [e["rows"] for card in cards for e in card["body"]["elements"] if e["tag"] == "table"]
    assert len(found) == 1 or count == 400
    assert sum("🔴" in row["c0"] for row in found[0]) == count // 8
    assert not any("🔴" in row["c0"] for rows in found[1:] for row in rows)


@pytest.mark.parametrize("language", LANGUAGES)
def test_importance_stands_in_the_first_column_which_a_phone_shows(language):
    marks = Counter(time_of(row)[0] for row in pieces(pages(SAFE, 20, language))[0])
    assert set(marks) == {"🔴", "🟡", "🟢"}
    (card,) = feishu(headline(20, language)).pages
    (table,) = [e for e in card["body"]["elements"] if e["tag"] == "table"]
    assert table["freeze_first_column"]
    assert int(table["columns"][0]["width"].removesuffix("px")) <= 120
    assert {row["c0"][0] for row in table["rows"]} == set(marks)
