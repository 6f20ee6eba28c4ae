"""The tests' own Slack refuses what Slack refuses: one step past each limit, and each right that is missing."""

import json
import subprocess
import sys
import threading
import time as real_time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import slack_checks
import slack_limits as limits
import slack_server
from slack_checks import Refused
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import Clock, SignatureVerifier
from slack_sdk.socket_mode import SocketModeClient
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web import WebClient
from slack_server import APP_TOKEN, BOT, DROPPED, TOKEN, SlackServer, Time

HELLO = {"text": "Hello", "unfurl_links": False, "unfurl_media": False}


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def server(time):
    with SlackServer(time, channels=("C1", "C2"), private=("G1",)) as running:
        yield running


def bot(server, token=TOKEN):
    return WebClient(token, base_url=server.url, retry_handlers=[])


@pytest.fixture
def client(server):
    return bot(server)


def refused(call, *args, **kwargs):
    """The error of a call, and its answer."""
    with pytest.raises(SlackApiError) as failed:
        call(*args, **kwargs)
    return failed.value.response["error"]


def busy(call, **kwargs):
    """The Retry-After of a call that came too fast."""
    with pytest.raises(SlackApiError) as failed:
        call(**kwargs)
    assert failed.value.response.status_code == 429
    return int(failed.value.response.headers["Retry-After"])


def post(client, time, channel="C1", **more):
    time.now += 1
    return client.chat_postMessage(channel=channel, **HELLO, **more)["ts"]


# --- What a message and a view may hold ------------------------------------------------------


def plain(length, **more):
    return {"type": "plain_text", "text": "x" * length, **more}


def button(**more):
    return {"type": "button", "action_id": "a", "text": plain(1), **more}


def actions(*elements):
    return {"type": "actions", "elements": list(elements)}


def section(element):
    return {"type": "section", "text": plain(1), "accessory": element}


def option(text=1, value=1):
    return {"text": plain(text), "value": "v" * value}


def options(count, kind="static_select", **more):
    return {"type": kind, "options": [option(value=n + 1) for n in range(count)], **more}


def asks(**more):
    return {"type": "input", "label": plain(1), "element": {"type": "plain_text_input"}, **more}


def confirm(title=1, text=1, deny=1):
    return {"title": plain(title), "text": plain(text), "confirm": plain(1), "deny": plain(deny)}


def leaf(**more):
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [more]}]}


def table(rows, cells, text="x"):
    return {"type": "table", "rows": [[{"type": "raw_text", "text": text}] * cells] * rows}


# A limit, and a block that is as long as it is told to be.
LENGTHS = [
    (limits.HEADER, lambda n: {"type": "header", "text": plain(n)}),
    (limits.SECTION_TEXT, lambda n: {"type": "section", "text": plain(n)}),
    (limits.SECTION_FIELD, lambda n: {"type": "section", "fields": [plain(n)]}),
    (limits.SECTION_FIELDS, lambda n: {"type": "section", "fields": [plain(1)] * n}),
    (limits.MARKDOWN, lambda n: {"type": "markdown", "text": "x" * n}),
    (limits.CONTEXT, lambda n: {"type": "context", "elements": [plain(1)] * n}),
    (limits.ACTIONS, lambda n: actions(*(button(action_id=str(i)) for i in range(n)))),
    (limits.BUTTON_TEXT, lambda n: actions(button(text=plain(n)))),
    (limits.BUTTON_VALUE, lambda n: actions(button(value="x" * n))),
    (limits.ACTION_ID, lambda n: actions(button(action_id="x" * n))),
    (limits.BLOCK_ID, lambda n: {"type": "divider", "block_id": "x" * n}),
    (limits.URL, lambda n: leaf(type="link", url="https://".ljust(n, "x"))),
    (limits.CONFIRM_TITLE, lambda n: actions(button(confirm=confirm(title=n)))),
    (limits.CONFIRM_TEXT, lambda n: actions(button(confirm=confirm(text=n)))),
    (limits.CONFIRM_BUTTON, lambda n: actions(button(confirm=confirm(deny=n)))),
    (limits.OPTIONS, lambda n: section(options(n))),
    (limits.CHOICES, lambda n: section(options(n, "checkboxes"))),
    (limits.OPTION_TEXT, lambda n: section({"type": "radio_buttons", "options": [option(text=n)]})),
    (limits.OPTION_VALUE, lambda n: section({"type": "radio_buttons", "options": [option(value=n)]})),
    (limits.PLACEHOLDER, lambda n: section(options(1, placeholder=plain(n)))),
    (limits.INPUT_LABEL, lambda n: asks(label=plain(n))),
    (limits.INPUT_HINT, lambda n: asks(hint=plain(n))),
    (limits.TEXT_INPUT, lambda n: asks(element={"type": "plain_text_input", "max_length": n})),
    (limits.TABLE_ROWS, lambda n: table(n, 1)),
    (limits.TABLE_CELLS, lambda n: table(1, n)),
    (limits.TABLE_TEXT, lambda n: table(1, 1, "x" * n)),
]


@pytest.mark.parametrize(("limit", "made"), LENGTHS)
def test_each_limit_is_taken_and_one_more_is_not(limit, made):
    slack_checks.refuse_blocks([made(limit.slack)])
    with pytest.raises(Refused, match="invalid_blocks"):
        slack_checks.refuse_blocks([made(limit.slack + 1)])


def test_a_whole_message_has_limits_of_its_own():
    divider = {"type": "divider"}
    slack_checks.refuse_blocks([divider] * limits.BLOCKS.slack)
    with pytest.raises(Refused, match="invalid_blocks"):
        slack_checks.refuse_blocks([divider] * (limits.BLOCKS.slack + 1))
    with pytest.raises(Refused, match="msg_blocks_too_long"):
        slack_checks.refuse_blocks([{"type": "section", "text": plain(2_900)}] * 5)
    with pytest.raises(Refused, match="only_one_table_allowed"):
        slack_checks.refuse_blocks([table(1, 1)] * 2)
    with pytest.raises(Refused, match="markdown blocks together"):
        slack_checks.refuse_blocks([{"type": "markdown", "text": "x" * 6_001}] * 2)
    with pytest.raises(Refused, match="msg_too_long"):
        slack_checks.refuse_message({"text": "x" * (limits.FALLBACK.slack + 1)})
    with pytest.raises(Refused, match="metadata_too_large"):
        slack_checks.refuse_message(
            {"text": "x", "metadata": {"event_type": "e", "event_payload": {"k": "x" * limits.METADATA.slack}}}
        )


@pytest.mark.parametrize(
    "block",
    [
        {"type": "video"},
        {"type": "divider", "colour": "red"},
        {"type": "header", "text": {"type": "mrkdwn", "text": "x"}},
        {"type": "header", "text": plain(1, verbatim=True)},
        {"type": "header"},
        {"type": "rich_text", "elements": []},
        {"type": "rich_text", "elements": [{"type": "rich_text_list", "elements": [], "style": "bullet"}]},
        leaf(type="team", team_id="T1"),
        leaf(type="text", text=""),
        leaf(type="text", text="x", style={"underline": True}),
        leaf(type="link", url="javascript:alert(1)"),
        table(1, 1, ""),
        {"type": "table", "rows": [[{"type": "raw_text", "text": "x"}] * n for n in (1, 2)]},
        actions({"type": "plain_text_input"}),
        actions(options(2, "multi_static_select")),
        actions(button(), button()),
        actions(button(style="green")),
        section({"type": "timepicker", "initial_time": "24:00"}),
        section(options(2, initial_option=option(value=9))),
        section(options(2, "checkboxes", initial_options=[])),
        section({"type": "conversations_select", "filter": {"include": []}}),
        asks(element=button()),
        "text",
    ],
)
def test_what_slack_does_not_know_is_refused(block):
    with pytest.raises(Refused, match="invalid_blocks"):
        slack_checks.refuse_blocks([block])


def test_a_name_of_a_block_stands_once():
    with pytest.raises(Refused, match="twice"):
        slack_checks.refuse_blocks([{"type": "divider", "block_id": "a"}] * 2)


MODAL = {"type": "modal", "title": plain(1), "submit": plain(1), "blocks": [asks()]}


@pytest.mark.parametrize(
    ("limit", "made"),
    [
        (limits.VIEW_TITLE, lambda n: {"title": plain(n)}),
        (limits.VIEW_SUBMIT, lambda n: {"submit": plain(n)}),
        (limits.VIEW_SUBMIT, lambda n: {"close": plain(n)}),
        (limits.PRIVATE_METADATA, lambda n: {"private_metadata": "x" * n}),
        (limits.CALLBACK_ID, lambda n: {"callback_id": "x" * n}),
        (limits.VIEW_BLOCKS, lambda n: {"blocks": [{"type": "divider"}] * n}),
    ],
)
def test_each_limit_of_a_view_is_taken_and_one_more_is_not(limit, made):
    slack_checks.refuse_view(MODAL | made(limit.slack), "modal")
    with pytest.raises(Refused, match="invalid_arguments"):
        slack_checks.refuse_view(MODAL | made(limit.slack + 1), "modal")


def test_a_view_must_be_what_it_is_shown_as():
    without = {name: value for name, value in MODAL.items() if name != "submit"}
    twice = [asks(element={"type": "plain_text_input", "focus_on_load": True})] * 2
    wrong = [without, MODAL | {"blocks": [table(1, 1)]}, MODAL | {"blocks": []}, MODAL | {"blocks": twice}]
    for view in wrong:
        with pytest.raises(Refused):
            slack_checks.refuse_view(view, "modal")
    for view in (MODAL, {"type": "home", "title": plain(1), "blocks": [{"type": "divider"}]}):
        with pytest.raises(Refused):
            slack_checks.refuse_view(view, "home")
    with pytest.raises(Refused, match="view_too_large"):
        slack_checks.refuse_view(MODAL | {"blocks": [{"type": "section", "text": plain(3_000)}] * 90}, "modal")


@pytest.mark.parametrize(
    "body",
    [
        HELLO | {"unfurl_links": True},
        HELLO | {"text": "<!channel>"},
        HELLO | {"link_names": True},
        HELLO | {"blocks": [leaf(type="user", user_id="U1")]},
        HELLO | {"blocks": [leaf(type="broadcast", range="here")]},
        HELLO | {"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x"}}]},
        HELLO | {"blocks": [{"type": "markdown", "text": "<@U1>"}]},
        HELLO | {"blocks": [actions(button())] * 2},
    ],
)
def test_what_slack_takes_and_our_bot_must_not_write_is_written_down(body):
    slack_checks.refuse_message(body)
    assert len(slack_checks.unwanted(body)) == 1
    assert slack_checks.unwanted(HELLO) == []


# --- Who may do what -------------------------------------------------------------------------


def test_a_token_counts_in_its_workspace_and_until_it_is_revoked(server, client):
    server.add_workspace("T2", "xoxb-two", ("C7",))
    assert bot(server, "xoxb-two").auth_test()["team_id"] == "T2"
    assert bot(server, "xoxb-two").chat_postMessage(channel="C7", **HELLO)["ok"]
    assert refused(client.chat_postMessage, channel="C7", **HELLO) == "channel_not_found"
    assert refused(bot(server, "xoxb-other").auth_test) == "invalid_auth"
    assert refused(bot(server, None).auth_test) == "not_authed"
    assert refused(bot(server, APP_TOKEN).auth_test) == "not_allowed_token_type"
    assert refused(client.apps_connections_open, app_token=TOKEN) == "not_allowed_token_type"
    server.revoke(TOKEN)
    for call in (client.auth_test, lambda: client.conversations_info(channel="C1")):
        assert refused(call) == "token_revoked"


@pytest.mark.parametrize(
    ("scope", "method", "arguments"),
    [
        ("chat:write", "chat.postMessage", {"channel": "C1", "text": "x"}),
        ("channels:history", "conversations.history", {"channel": "C1"}),
        ("groups:history", "conversations.history", {"channel": "G1"}),
        ("groups:read", "users.conversations", {"types": "public_channel,private_channel"}),
        ("users:read", "users.info", {"user": "U1"}),
        ("im:write", "conversations.open", {"users": "U1"}),
        ("files:write", "files.getUploadURLExternal", {"filename": "a", "length": 1}),
    ],
)
def test_each_method_needs_its_scope(server, client, scope, method, arguments):
    assert scope in client.auth_test().headers["x-oauth-scopes"].split(",")
    server.scopes[TOKEN].discard(scope)
    with pytest.raises(SlackApiError) as failed:
        client.api_call(method, params=arguments)
    assert failed.value.response["error"] == "missing_scope"
    assert failed.value.response["needed"] == scope
    assert scope not in failed.value.response["provided"].split(",")


def test_a_bot_deletes_what_it_wrote_and_nothing_else(server, client):
    ts = client.chat_postMessage(channel="C1", **HELLO)["ts"]
    theirs = server.mention("hello")["event"]["ts"]
    assert refused(client.chat_delete, channel="C1", ts=theirs) == "cant_delete_message"
    assert client.chat_delete(channel="C1", ts=ts)["ok"]
    assert refused(client.chat_delete, channel="C1", ts=ts) == "message_not_found"


def test_a_status_stands_beneath_a_message_until_the_bot_answers_takes_it_away_or_two_minutes_pass(
    server, client, time
):
    ts, said = server.mention("hello")["event"]["ts"], "is working on it …"
    assert refused(client.assistant_threads_setStatus, channel_id="C1", thread_ts="1.000001", status=said) == (
        "invalid_thread_ts"
    )
    asked = {"channel_id": "C1", "thread_ts": ts}
    ends = (
        lambda: client.assistant_threads_setStatus(**asked, status=""),
        lambda: client.chat_postMessage(channel="C1", thread_ts=ts, **HELLO),
        lambda: time.sleep(121),
    )
    for end in ends:
        client.assistant_threads_setStatus(**asked, status=said)
        assert server.working() == [said]
        end()
        assert server.working() == []
    server.leave("C1")
    assert refused(client.assistant_threads_setStatus, **asked, status=said) == "not_in_channel"


def test_where_the_bot_is_not_it_writes_and_reads_nothing(server, client, time):
    posted = {"channel": "C1", "user": "U1", "text": "x"}
    assert refused(client.chat_postEphemeral, **posted | {"user": "U9"}) == "user_not_in_channel"
    server.archive("C2")
    assert refused(client.chat_postMessage, channel="C2", **HELLO) == "is_archived"
    server.leave("C1")
    server.leave("G1")
    assert refused(client.chat_postMessage, channel="C1", **HELLO) == "not_in_channel"
    assert refused(client.chat_postEphemeral, **posted) == "not_in_channel"
    assert refused(client.conversations_history, channel="C1") == "not_in_channel"
    assert refused(client.files_upload_v2, channel="C1", filename="a", content="b") == "not_in_channel"
    assert refused(client.conversations_info, channel="G1") == "channel_not_found"
    assert client.conversations_info(channel="C1")["channel"]["is_member"] is False
    server.scopes[TOKEN].add("chat:write.public")
    assert client.chat_postMessage(channel="C1", **HELLO)["ok"]
    assert server.violations == []


def test_what_nobody_knows_is_told_loudly(server, client):
    assert refused(client.api_call, "chat.update") == "unknown_method"
    assert server.unknown == ["chat.update"]
    assert refused(client.chat_postMessage, channel="C1", link_names=True, **HELLO) == "invalid_arguments"
    assert "link_names" in server.violations[-1]
    assert refused(client.api_call, "users.info") == "invalid_arguments"
    assert refused(client.api_call, "views.open", json={"trigger_id": server.trigger(), "view": 5}) == (
        "invalid_arguments"
    )
    assert refused(client.api_call, "files.getUploadURLExternal", params={"filename": "a", "length": "b"}) == (
        "fatal_error"
    )
    assert "ValueError" in server.violations[-1]


# --- Reading ---------------------------------------------------------------------------------


def test_a_history_comes_in_pages_the_newest_first_and_without_replies(server, client, time):
    sent = [post(client, time) for _ in range(20)]
    post(client, time, thread_ts=sent[0])
    pages = [(page["messages"], page["has_more"]) for page in client.conversations_history(channel="C1", limit=100)]
    assert [(len(messages), more) for messages, more in pages] == [(15, True), (5, False)]
    assert [m["ts"] for messages, _ in pages for m in messages] == sent[::-1]
    found = client.conversations_history(channel="C1", oldest=sent[3], latest=sent[6])
    assert [m["ts"] for m in found["messages"]] == [sent[5], sent[4]]
    found = client.conversations_history(channel="C1", oldest=sent[3], latest=sent[6], inclusive=True)
    assert [m["ts"] for m in found["messages"]] == sent[6:2:-1]
    for wrong, error in ({"cursor": "5"}, "invalid_cursor"), ({"limit": 1_000}, "invalid_limit"):
        assert refused(client.conversations_history, channel="C1", **wrong) == error
    assert refused(client.conversations_history, channel="C1", oldest="soon") == "invalid_ts_oldest"


def test_a_thread_comes_in_pages_the_oldest_first_after_what_began_it(client, time):
    top = post(client, time)
    sent = [post(client, time, thread_ts=top) for _ in range(20)]
    pages = [[m["ts"] for m in page["messages"]] for page in client.conversations_replies(channel="C1", ts=top)]
    assert pages == [[top, *sent[:14]], [top, *sent[14:]]]
    found = client.conversations_replies(channel="C1", ts=top, oldest=sent[17])
    assert [m["ts"] for m in found["messages"]] == [top, *sent[18:]]
    assert refused(client.conversations_replies, channel="C1", ts="5.000001") == "thread_not_found"
    assert refused(client.chat_postMessage, channel="C1", thread_ts=sent[0], **HELLO) == "thread_not_found"


def test_metadata_is_told_whole_only_if_asked_for(client, time):
    metadata = {"event_type": "digest", "event_payload": {"key": "1"}}
    post(client, time, metadata=metadata)
    (short,) = client.conversations_history(channel="C1")["messages"]
    (whole,) = client.conversations_history(channel="C1", include_all_metadata=True)["messages"]
    assert short["metadata"] == {"event_type": "digest"}
    assert whole["metadata"] == metadata
    assert {"channel", "unfurl_links", "token"}.isdisjoint(whole)


def test_a_message_shows_up_late_where_it_is_hidden(server, client, time):
    server.hidden = 5
    top = post(client, time)
    assert client.conversations_history(channel="C1")["messages"] == []
    assert refused(client.conversations_replies, channel="C1", ts=top) == "thread_not_found"
    time.now += 5
    assert len(client.conversations_history(channel="C1")["messages"]) == 1


def test_people_and_their_channels(server, client):
    assert client.users_info(user="U1")["user"]["tz_offset"] == 8 * 3_600
    assert "locale" not in client.users_info(user="U1")["user"]
    assert client.users_info(user="U1", include_locale=True)["user"]["locale"] == "zh-CN"
    assert refused(client.users_info, user="U9") == "user_not_found"
    assert client.conversations_open(users="U1")["channel"]["id"] == "DU1"
    assert server.channels["DU1"].members == {"U1", BOT}
    assert refused(client.conversations_open, users="U9") == "user_not_found"
    kinds = "public_channel,private_channel"
    pages = client.users_conversations(user="U1", types=kinds, limit=2)
    assert [[c["id"] for c in page["channels"]] for page in pages] == [["C1", "C2"], ["G1"]]
    server.leave("C1")
    server.leave("G1")
    server.channels["C2"].members.discard("U1")
    found = client.users_conversations(user="U1", types=kinds)["channels"]
    assert [c["id"] for c in found] == ["C1"]


# --- Files, installations, validation --------------------------------------------------------


def test_a_file_is_shared_where_it_was_sent(server, client, time):
    top = post(client, time)
    client.files_upload_v2(channel="C1", thread_ts=top, filename="a.md", title="A", content="# 报告")
    (file,) = server.files
    assert [file[name] for name in ("channel", "thread_ts", "name", "title", "content")] == [
        "C1",
        top,
        "a.md",
        "A",
        "# 报告",
    ]
    asked = {"files": [{"id": file["id"]}], "channel_id": "C1"}
    assert refused(client.files_completeUploadExternal, **asked) == "file_not_found"
    assert refused(client.files_getUploadURLExternal, filename="a", length=0) == "missing_argument"


def test_a_code_installs_the_bot_once(server):
    server.codes["abc"] = "T3"
    known = {"client_id": slack_server.CLIENT_ID, "client_secret": slack_server.CLIENT_SECRET, "code": "abc"}
    anybody = bot(server, None)
    assert refused(anybody.oauth_v2_access, **known | {"client_secret": "x"}) == "bad_client_secret"
    said = anybody.oauth_v2_access(**known)
    assert bot(server, said["access_token"]).auth_test()["team_id"] == said["team"]["id"] == "T3"
    assert refused(anybody.oauth_v2_access, **known) == "invalid_code"


def test_anybody_may_ask_whether_a_message_is_good(server):
    anybody = bot(server, None)
    assert anybody.blocks_validate(message={"blocks": [{"type": "divider"}]})["ok"]
    assert anybody.blocks_validate(view=MODAL)["ok"]
    assert refused(anybody.blocks_validate, blocks=[{"type": "video"}]) == "invalid_blocks"


# --- Views -----------------------------------------------------------------------------------


def test_a_trigger_opens_one_view_within_three_seconds(server, client, time):
    trigger, late = server.trigger(), server.trigger()
    time.now += limits.TRIGGER_SECONDS.slack
    view = client.views_open(trigger_id=trigger, view=MODAL)["view"]
    assert server.views[view["id"]]["blocks"][0]["block_id"]
    assert refused(client.views_open, trigger_id=trigger, view=MODAL) == "exchanged_trigger_id"
    time.now += 0.1
    assert refused(client.views_open, trigger_id=late, view=MODAL) == "expired_trigger_id"
    assert refused(client.views_open, trigger_id="1.2.x", view=MODAL) == "invalid_trigger_id"
    other = server.trigger("T2")
    assert refused(client.views_open, trigger_id=other, view=MODAL) == "invalid_trigger_id"


def test_a_view_is_changed_by_who_knows_its_state(server, client):
    view = client.views_open(trigger_id=server.trigger(), view=MODAL)["view"]
    newer = client.views_update(view_id=view["id"], hash=view["hash"], view=MODAL)["view"]
    assert refused(client.views_update, view_id=view["id"], hash=view["hash"], view=MODAL) == "hash_conflict"
    assert newer["hash"] != view["hash"]
    assert refused(client.views_update, view_id="V0", view=MODAL) == "not_found"
    home = {"type": "home", "blocks": [{"type": "divider"}]}
    client.views_publish(user_id="U1", view=home)
    assert server.homes["U1"]["type"] == "home"
    assert refused(client.views_publish, user_id="U1", view=MODAL) == "invalid_arguments"


# --- Response URLs ---------------------------------------------------------------------------


def respond(url, **body):
    asked = Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urlopen(asked) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_response_url_serves_five_times_within_half_an_hour(server, time):
    url, late = server.response_url("C1", "U1"), server.response_url("C1", "U1")
    for _ in range(limits.RESPONSE_USES.slack):
        assert respond(url, text="x", response_type="in_channel") == (200, "ok")
    assert respond(url, text="x") == (404, "used_url")
    assert server.responses[0] == ("C1", "U1", {"text": "x", "response_type": "in_channel"})
    time.now += limits.RESPONSE_SECONDS.slack + 1
    assert respond(late, text="x") == (404, "expired_url")
    assert respond(f"{server.root}/respond/r0", text="x")[0] == 404
    assert server.violations == []


@pytest.mark.parametrize(
    "body",
    [{}, {"text": "x", "colour": 1}, {"text": "x", "response_type": "secret"}, {"blocks": [{"type": "video"}]}],
)
def test_a_response_is_checked_like_a_message(server, body):
    assert respond(server.response_url("C1", "U1"), **body)[0] == 400
    assert len(server.violations) == 1
    assert server.responses == []


# --- Who is there ----------------------------------------------------------------------------


def test_it_tells_who_is_a_guest_and_what_is_shared(server, client):
    server.users["U8"] = {"is_restricted": True}
    server.channels["C2"].shared = True
    assert client.users_info(user="U8")["user"]["is_restricted"] is True
    assert client.users_info(user="U1")["user"]["is_restricted"] is False
    flags = [client.conversations_info(channel=c)["channel"]["is_ext_shared"] for c in ("C1", "C2")]
    assert flags == [False, True]
    listed = {user["id"]: user["is_restricted"] for user in client.users_list()["members"]}
    assert listed == {BOT: False, "U1": False, "U8": True}
    assert client.conversations_members(channel="C1", limit=1)["response_metadata"]["next_cursor"]
    assert client.conversations_members(channel="C1")["members"] == [BOT, "U1"]
    server.leave("G1")
    assert refused(client.conversations_members, channel="G1") == "channel_not_found"
    assert refused(client.users_list, limit=1_000) == "invalid_limit"
    server.scopes[TOKEN].discard("users:read")
    assert refused(client.users_list) == "missing_scope"


def test_a_token_that_was_given_back_is_good_no_more(server, client):
    assert client.auth_revoke(test=True)["revoked"] is False
    assert client.auth_test()["ok"]
    assert client.auth_revoke()["revoked"] is True
    assert refused(client.auth_test) == "token_revoked"


# --- Rates and faults ------------------------------------------------------------------------


def test_a_channel_takes_one_message_a_second(server, client, time):
    for channel in ("C1", "C2", "C1"):
        client.chat_postMessage(channel=channel, **HELLO)
    assert server.too_fast == 1
    server._throttle = True
    assert busy(client.chat_postMessage, channel="C1", **HELLO) == 1
    time.now += 2
    assert client.chat_postMessage(channel="C1", **HELLO)["ok"]
    assert len(server.messages["C1"]) == 3


def test_a_method_takes_so_many_calls_a_minute_in_a_workspace(server, client, time):
    server._throttle = True
    server.add_workspace("T2", "xoxb-two", ("C7",))
    for _ in range(limits.TIER_3.slack):
        client.conversations_info(channel="C1")
    time.now += 20.5
    assert busy(client.conversations_info, channel="C1") == 40
    assert bot(server, "xoxb-two").conversations_info(channel="C7")["ok"]
    assert client.conversations_history(channel="C1")["ok"]
    time.now += 40
    assert client.conversations_info(channel="C1")["ok"]


def test_who_comes_back_before_the_pause_is_over_is_written_down(server, client, time):
    server.pause("chat.postMessage", 7.5, channel="C1")
    assert busy(client.chat_postMessage, channel="C1", **HELLO) == 8
    assert client.chat_postMessage(channel="C2", **HELLO)["ok"]
    assert server.impatient == []
    time.now += 5
    assert busy(client.chat_postMessage, channel="C1", **HELLO) == 3
    assert len(server.impatient) == 1
    time.now += 3
    assert client.chat_postMessage(channel="C1", **HELLO)["ok"]


def test_a_fault_befalls_the_method_that_it_is_for(server, client):
    server.queue(DROPPED, method="chat.postEphemeral")
    assert client.chat_postMessage(channel="C1", **HELLO)["ok"]
    with pytest.raises(OSError, match="closed connection"):
        client.chat_postEphemeral(channel="C1", user="U1", text="x")
    assert len(server.ephemeral["C1"]) == 1


# --- Socket Mode -----------------------------------------------------------------------------


@pytest.fixture
def listening(server):
    """A client of the SDK's own, and what it answers an envelope with."""
    answers = []

    def acknowledge(client, request):
        if request.type != "hello" and answers:
            client.send_socket_mode_response(SocketModeResponse(request.envelope_id, answers[-1]))

    client = SocketModeClient(APP_TOKEN, web_client=bot(server, None), ping_interval=0.2)
    client.socket_mode_request_listeners.append(acknowledge)
    client.connect()
    server.socket.wait_connected()
    yield answers
    client.close()


def test_an_envelope_is_acknowledged_and_what_comes_back_is_looked_at(server, listening):
    command = server.socket.envelope("slash_commands", server.slash("help"))
    assert server.socket.send(command, timeout=0.1) is None
    for answer, violations in (None, 0), ({"text": "x"}, 0), ({"blocks": [{"type": "video"}]}, 1):
        listening.append(answer)
        ack = server.socket.send(server.socket.envelope("slash_commands", server.slash("help")))
        assert ack.payload == answer
        assert 0 < ack.seconds < 3
        assert len(server.violations) == violations
    listening.append({"text": "x"})
    for kind, payload in (
        ("events_api", server.mention("help")),
        ("interactive", server.click("C1", {}, button(), ephemeral=True)),
    ):
        server.violations.clear()
        assert server.socket.send(server.socket.envelope(kind, payload))
        assert len(server.violations) == 1


def test_a_submission_is_answered_about_its_own_inputs(server, client, listening):
    view = client.views_open(trigger_id=server.trigger(), view=MODAL | {"blocks": [asks(block_id="zone")]})["view"]
    sent = server.submit(view["id"], {"zone": {"value": "UTC"}})
    assert sent["view"]["state"]["values"]["zone"] == {"value": {"type": "plain_text_input", "value": "UTC"}}
    for answer, violations in (
        ({"response_action": "errors", "errors": {"zone": "no"}}, 0),
        ({"response_action": "errors", "errors": {"time": "no"}}, 1),
        ({"response_action": "dance"}, 2),
        ({"response_action": "update", "view": {"type": "modal"}}, 3),
        ({"response_action": "update", "view": MODAL | {"title": plain(5)}}, 3),
    ):
        listening.append(answer)
        assert server.socket.send(server.socket.envelope("interactive", sent))
        assert len(server.violations) == violations
    assert server.views[view["id"]]["title"] == plain(5)


def test_a_connection_that_is_cut_or_refreshed_comes_back(server, listening):
    listening.append(None)
    for end in (server.socket.cut, server.socket.refresh):
        end()
        server.socket.wait_connected()
        # The SDK's own client reads a new connection only once the old one's read has timed out, after three seconds.
        assert server.socket.send(server.socket.envelope("events_api", server.mention("help"), retry=1), timeout=15)
    assert server.requests.count("apps.connections.open") == 3


def test_a_ticket_is_good_once_and_ten_connections_are_enough(server):
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    ticket = server.socket.ticket()
    links = [connect(ticket, proxy=None)]
    with pytest.raises(InvalidStatus):
        connect(ticket, proxy=None)
    for _ in range(limits.SOCKETS.slack):
        links.append(connect(server.socket.ticket(), proxy=None))
        said = json.loads(links[-1].recv(5))
    assert said == {"type": "disconnect", "reason": "too_many_websockets"}
    assert json.loads(links[0].recv(5))["num_connections"] == 1
    assert server.socket.connections == limits.SOCKETS.slack
    links[0].send(json.dumps({"envelope_id": "nothing"}))
    for link in links:
        link.close()
    assert len(server.violations) == 1


# --- HTTP mode, and by itself ----------------------------------------------------------------


def test_a_request_is_signed_as_the_sdk_checks_it():
    class Then(Clock):
        def now(self):
            return 5_000.0

    headers = slack_server.signed(b"body", "secret", 5_000.4)
    assert SignatureVerifier("secret", Then()).is_valid_request(b"body", headers)
    assert not SignatureVerifier("secret", Then()).is_valid_request(b"other", headers)


def test_many_callers_are_counted_one_by_one(server):
    threads = [
        threading.Thread(target=bot(server).chat_postMessage, kwargs={"channel": "C1", **HELLO}, daemon=True)
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert len({m["ts"] for m in server.messages["C1"]}) == 20
    assert server.too_fast == 19


def test_it_serves_by_itself_until_its_input_ends():
    command = [sys.executable, slack_server.__file__, "--throttle", "--channels", "C5"]
    path = {"PYTHONPATH": str(Path(slack_server.__file__).parents[1])}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=path) as process:
        root = process.stdout.readline().strip()
        WebClient(TOKEN, base_url=f"{root}/api/").chat_postMessage(channel="C5", **HELLO)
        with urlopen(f"{root}/_/stats") as answer:
            stats = json.loads(answer.read())
        begun = real_time.monotonic()
        process.communicate("")
    assert process.returncode == 0
    assert real_time.monotonic() - begun < 10
    assert stats["messages"] == {"C5": 1}
    assert stats["requests"] == {"chat.postMessage": 1}
    assert stats["violations"] == []
