"""The tests' own Feishu refuses what Feishu refuses: one step past each limit, and each right that is missing."""

import base64
import hashlib
import http.client
import io
import json
import random
import socket
import subprocess
import sys
import threading
import time as real_time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

import feishu_checks
import feishu_limits as limits
import feishu_server
import pytest
from feishu_checks import Refused, check_card, links, shown, unwanted
from feishu_server import APP_ID, APP_SECRET, BOT, USER, FeishuServer, Hook, Time, signed, webhook_sign
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from adapters.chats.feishu.sdk import sdk

IM = "/open-apis/im/v1"
TOKEN = "/open-apis/auth/v3/tenant_access_token/internal"


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def server(time):
    with FeishuServer(time, groups=("oc_1", "oc_2"), retries=(0.05, 0.05)) as running:
        yield running


@pytest.fixture
def throttled(time):
    with FeishuServer(time, groups=("oc_1", "oc_2"), throttle=True) as running:
        yield running


# --- Cards -----------------------------------------------------------------------------------


def plain(length=1):
    return {"tag": "plain_text", "content": "x" * length}


def md(content="x", **more):
    return {"tag": "markdown", "content": content, **more}


def button(label="Go", **more):
    callback = {"behaviors": [{"type": "callback", "value": {"line": "x"}}]}
    return {"tag": "button", "text": {"tag": "plain_text", "content": label}, **callback, **more}


def submit(**more):
    return {"tag": "button", "name": "ok", "text": plain(), "form_action_type": "submit", **more}


def form(*elements, **more):
    return {"tag": "form", "name": "form", "elements": [*elements, submit()], **more}


def option(value="1", text=1):
    return {"text": plain(text), "value": value}


def select(**more):
    return {"tag": "select_static", "name": "one", "options": [option("1"), option("2")], **more}


def several(**more):
    return {"tag": "multi_select_static", "name": "many", "options": [option("1"), option("2")], **more}


def table(count=1, kind="text", cell="x", rows=1, **more):
    columns = [{"name": f"c{n}", "display_name": f"C{n}", "data_type": kind} for n in range(count)]
    return {"tag": "table", "columns": columns, "rows": [{"c0": cell} for _ in range(rows)], **more}


def panel(*elements, **more):
    return {"tag": "collapsible_panel", "header": {"title": plain()}, "elements": list(elements), **more}


def columns(*elements, **more):
    return {"tag": "column_set", "columns": [{"tag": "column", "elements": list(elements)}], **more}


def chart(**more):
    return {"tag": "chart", "chart_spec": {"type": "bar", "data": {"values": []}}, **more}


def card(*elements, **more):
    return {"schema": "2.0", "config": {"update_multi": True}, "body": {"elements": list(elements)}, **more}


def header(**more):
    return {"title": plain(), **more}


def check(made, size=1_000):
    check_card(made, body_bytes=size, users={USER})


def sub_code(made):
    """The code within 230099 by which a card is refused."""
    with pytest.raises(Refused) as refused:
        check(made)
    assert refused.value.code == 230099
    assert f"ErrCode: {refused.value.ext}; " in refused.value.msg
    return refused.value.ext


ICON = {"tag": "standard_icon", "token": "time_outlined", "color": "blue", "size": "16px 16px"}
WHOLE = card(
    md("**x** <at id=ou_1></at>", element_id="m1", margin="0px 4px", text_align="left", text_size="normal", icon=ICON),
    {"tag": "div", "text": {"tag": "lark_md", "content": "x"}, "fields": [{"is_short": True, "text": plain()}]},
    {"tag": "div", "text": plain(), "icon": ICON},
    {"tag": "hr", "element_id": "h1"},
    {"tag": "img", "img_key": "img_v2_1", "alt": plain(), "preview": True},
    table(2, page_size=10, row_height="40px", header_style={"bold": True, "text_align": "left"}),
    {
        "tag": "table",
        "columns": [{"name": "n", "data_type": "number", "format": {"precision": 1}}],
        "rows": [{"n": 0.5}],
    },
    columns(action={"multi_url": {"url": "https://example.org/"}}),
    panel(header={"title": md(), "icon": ICON, "icon_position": "right"}),
    panel(md(), expanded=False, border={"color": "grey", "corner_radius": "5px"}, background_color="grey-50"),
    columns(button(type="primary", size="small", width="fill", icon=ICON), flex_mode="flow", horizontal_spacing="8px"),
    chart(aspect_ratio="16:9", preview=False, color_theme="brand", height="200px"),
    form(
        {
            "tag": "input",
            "name": "words",
            "required": True,
            "max_length": 1_000,
            "label": plain(),
            "placeholder": plain(),
        },
        select(initial_option="2", type="text", options=[{**option("2"), "icon": ICON}]),
        several(selected_values=["1"]),
        {"tag": "picker_time", "name": "at", "initial_time": "09:30"},
        submit(name="no", form_action_type="reset"),
    ),
    button(
        "Open",
        behaviors=[{"type": "open_url", "default_url": "https://example.org/"}],
        confirm={"title": plain(), "text": plain()},
    ),
    header=header(
        subtitle=plain(),
        template="blue",
        text_tag_list=[{"tag": "text_tag", "text": plain(), "color": "red"}],
        icon=ICON,
    ),
    card_link={"url": "https://example.org/"},
    config={
        "update_multi": True,
        "summary": {"content": "x"},
        "enable_forward": True,
        "style": {"color": {"cus-0": {}}},
    },
)


def test_a_card_with_everything_is_taken():
    check(WHOLE)
    assert unwanted(card()) == []


def places(value, path=()):
    """Where the objects of a card are that must hold nothing unknown."""
    if isinstance(value, dict):
        if not set(path) & {"chart_spec", "value", "rows"} and "style" not in path[:-1]:
            yield path
        for name, part in value.items():
            yield from places(part, (*path, name))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from places(part, (*path, number))


@pytest.mark.parametrize("path", list(places(WHOLE)), ids=lambda path: "/".join(map(str, path)) or "root")
def test_no_object_of_a_card_holds_an_unknown_property(path):
    made = json.loads(json.dumps(WHOLE))  # a copy in which nothing stands twice
    where = made
    for step in path:
        where = where[step]
    where["colour"] = "red"
    assert sub_code(made) == feishu_checks.UNKNOWN


# A limit, and a card that is as large as it is told to be.
LENGTHS = [
    (limits.ELEMENTS, lambda n: card(*[{"tag": "hr"}] * n), feishu_checks.TOO_MANY),
    (limits.ELEMENTS, lambda n: card(panel(*[{"tag": "hr"}] * (n - 2))), feishu_checks.TOO_MANY),
    (limits.ELEMENTS, lambda n: card(*[{"tag": "hr"}] * (n - 1), header=header()), feishu_checks.TOO_MANY),
    (limits.ELEMENTS, lambda n: card(*[{"tag": "hr"}] * (n - 2), md(icon=ICON)), feishu_checks.TOO_MANY),
    (limits.TABLES, lambda n: card(*[table()] * n), feishu_checks.TOO_MANY),
    (limits.TABLES, lambda n: card(table(), md("|a|b|\n|-|-|\n|1|2|\n\n" * (n - 1))), feishu_checks.TOO_MANY),
    (limits.TABLES, lambda n: card(panel(*[md("a | b\n--- | :-:\n1 | 2")] * n)), feishu_checks.TOO_MANY),
    (limits.TABLE_COLUMNS, lambda n: card(table(n)), feishu_checks.UNKNOWN),
    (limits.TABLE_PAGE, lambda n: card(table(page_size=n)), feishu_checks.UNKNOWN),
    (limits.TABLE_ROWS, lambda n: card(table(rows=n)), feishu_checks.ROW),
    (limits.NESTING, lambda n: card(nested(n)), feishu_checks.UNKNOWN),
    (limits.ELEMENT_ID, lambda n: card(md(element_id="x" * n)), feishu_checks.UNKNOWN),
    (
        limits.HEADER_TAGS,
        lambda n: card(header=header(text_tag_list=[{"tag": "text_tag", "text": plain()}] * n)),
        feishu_checks.UNKNOWN,
    ),
    (limits.BUTTON_TEXT, lambda n: card(button("x" * n)), feishu_checks.UNKNOWN),
    (limits.INPUT_TEXT, lambda n: card({"tag": "input", "max_length": n}), feishu_checks.UNKNOWN),
    (limits.INPUT_TEXT, lambda n: card({"tag": "input", "default_value": "x" * n}), feishu_checks.UNKNOWN),
    (limits.PLACEHOLDER, lambda n: card({"tag": "input", "placeholder": plain(n)}), feishu_checks.UNKNOWN),
    (limits.PLACEHOLDER, lambda n: card(select(placeholder=plain(n))), feishu_checks.UNKNOWN),
]


def nested(levels):
    return panel(nested(levels - 1)) if levels else md()


@pytest.mark.parametrize(("limit", "made", "sub"), LENGTHS)
def test_each_limit_of_a_card_is_taken_and_one_more_is_not(limit, made, sub):
    check(made(limit.feishu))
    assert sub_code(made(limit.feishu + 1)) == sub


def test_the_request_that_brings_a_card_has_a_size():
    check(card(), limits.BODY_BYTES.feishu)
    with pytest.raises(Refused, match="230025"):
        check(card(), limits.BODY_BYTES.feishu + 1)


def test_columns_count_as_one_level_of_containers():
    made = md()
    for _ in range(limits.NESTING.feishu):
        made = columns(made)
    check(card(made))
    assert sub_code(card(columns(made))) == feishu_checks.UNKNOWN


def test_a_table_within_code_is_no_table():
    code = "```\n|a|b|\n|-|-|\n```\n"
    check(card(*[table()] * limits.TABLES.feishu, md(code)))
    assert sub_code(card(*[table()] * limits.TABLES.feishu, md(code + "|a|b|\n|-|-|"))) == feishu_checks.TOO_MANY


@pytest.mark.parametrize(
    ("made", "sub"),
    [
        ({"header": header()}, feishu_checks.UNKNOWN),
        (card() | {"schema": "1.0"}, feishu_checks.UNKNOWN),
        ([], feishu_checks.UNKNOWN),
        (card(config={"update_multi": False}), feishu_checks.UNKNOWN),
        (card(header={"template": "blue"}), feishu_checks.UNKNOWN),
        (card(header=header(template="pink")), feishu_checks.UNKNOWN),
        (card(header=header(text_tag_list=[{"tag": "tag", "text": plain()}])), feishu_checks.UNKNOWN),
        (card(panel(expanded="yes")), feishu_checks.UNKNOWN),
        (card(panel(background_color="pink")), feishu_checks.UNKNOWN),
        (card(header={"title": md()}), feishu_checks.UNKNOWN),
        (card(card_link={"url": "javascript:alert(1)"}), feishu_checks.UNKNOWN),
        (card("text"), feishu_checks.UNKNOWN),
        (card() | {"body": {"elements": {}}}, feishu_checks.UNKNOWN),
        (card(config={"update_multi": True, "summary": ""}), feishu_checks.UNKNOWN),
        (card(md(icon=plain())), feishu_checks.UNKNOWN),
        (card({"tag": "div", "text": {"tag": "plain_text", "content": 1}}), feishu_checks.UNKNOWN),
        (card({"tag": "video"}), feishu_checks.UNKNOWN),
        (card({"tag": "action", "actions": []}), feishu_checks.GONE_TAG),
        (card(panel({"tag": "note", "elements": []})), feishu_checks.GONE_TAG),
        (card(md(content=1)), feishu_checks.UNKNOWN),
        (card(md(element_id="1a")), feishu_checks.UNKNOWN),
        (card(md(element_id="a-b")), feishu_checks.UNKNOWN),
        (card(md(element_id="a"), panel(md(element_id="a"))), feishu_checks.UNKNOWN),
        (card(md(margin="5em")), feishu_checks.UNKNOWN),
        (card(md(text_align="middle")), feishu_checks.UNKNOWN),
        (card(md(icon={"tag": "emoji"})), feishu_checks.UNKNOWN),
        (card(md("![x](img_1)")), feishu_checks.IMAGE),
        (card(panel(md("a ![](https://example.org/x.png)"))), feishu_checks.IMAGE),
        (card(table(kind="markdown", cell="![x](y)")), feishu_checks.IMAGE),
        (card({"tag": "img", "img_key": "x.png", "alt": plain()}), feishu_checks.IMAGE),
        (card(md("<at id=all></at>")), feishu_checks.PERSON),
        (card(md("<at id='ou_2'></at>")), feishu_checks.PERSON),
        (card(md("<at ids=ou_1,ou_2></at>")), feishu_checks.PERSON),
        (card(md("<person id = 'ou_2'></person>")), feishu_checks.PERSON),
        (card(md("<at email=a@example.org></at>")), feishu_checks.PERSON),
        (card({"tag": "div", "text": {"tag": "lark_md", "content": "<at id=all></at>"}}), feishu_checks.PERSON),
        (card(table(kind="lark_md", cell="<at id=all></at>")), feishu_checks.PERSON),
        (card({"tag": "div"}), feishu_checks.UNKNOWN),
        (card(panel(table())), feishu_checks.UNKNOWN),
        (card(columns(table())), feishu_checks.UNKNOWN),
        (card(form(table())), feishu_checks.UNKNOWN),
        (card(panel(form())), feishu_checks.UNKNOWN),
        (card(columns()) | {"body": {"elements": [{"tag": "column_set", "columns": []}]}}, feishu_checks.UNKNOWN),
        (card({"tag": "column_set", "columns": [{"tag": "hr"}]}), feishu_checks.UNKNOWN),
        (card({"tag": "column_set", "columns": [{"tag": "column", "weight": 6}]}), feishu_checks.UNKNOWN),
        (card(table(page_size=0)), feishu_checks.UNKNOWN),
        (card(table(row_height="31px")), feishu_checks.UNKNOWN),
        (card(table(0)), feishu_checks.UNKNOWN),
        (card({"tag": "table", "columns": [{"name": "a"}] * 2, "rows": []}), feishu_checks.UNKNOWN),
        (card(table(kind="link")), feishu_checks.UNKNOWN),
        (card({"tag": "table", "columns": [{"name": "a"}], "rows": [{"b": "x"}]}), feishu_checks.ROW),
        (card({"tag": "table", "columns": [{"name": "a"}], "rows": ["x"]}), feishu_checks.ROW),
        (card(table() | {"rows": {}}), feishu_checks.ROW),
        (card(table(cell=1)), feishu_checks.CELL),
        (card(table(kind="number", cell="1")), feishu_checks.CELL),
        (card(table(kind="date", cell="2026-01-01")), feishu_checks.CELL),
        (card(table(kind="options", cell="x")), feishu_checks.CELL),
        (card(table(kind="options", cell=[{"text": "x", "colour": "red"}])), feishu_checks.CELL),
        (card(chart(chart_spec="{}")), feishu_checks.CHART),
        (card(chart(chart_spec={"data": {}})), feishu_checks.CHART),
        (card(chart(height="0px")), feishu_checks.UNKNOWN),
        (card(button("")), feishu_checks.UNKNOWN),
        (card(button(type="green")), feishu_checks.UNKNOWN),
        (card(button(size="huge")), feishu_checks.UNKNOWN),
        (card(button(url="https://example.org/")), feishu_checks.UNKNOWN),
        (card(button(value={"line": "x"})), feishu_checks.UNKNOWN),
        (card(button(behaviors=[{"type": "callback", "value": "x"}])), feishu_checks.UNKNOWN),
        (card(button(behaviors=[{"type": "callback"}])), feishu_checks.UNKNOWN),
        (card(button(behaviors=[{"type": "open_url", "default_url": "ftp://x"}])), feishu_checks.UNKNOWN),
        (card(button(behaviors=[{"type": "modal"}])), feishu_checks.UNKNOWN),
        (card(button(behaviors=[{"type": "link", "url": "https://example.org/"}])), feishu_checks.UNKNOWN),
        (card(select(behaviors=[{"type": "open_url", "default_url": "https://example.org/"}])), feishu_checks.UNKNOWN),
        (card(button(form_action_type="submit")), feishu_checks.UNKNOWN),
        (card(button(confirm={"title": plain()})), feishu_checks.UNKNOWN),
        (card({"tag": "input", "required": True}), feishu_checks.UNKNOWN),
        (card({"tag": "input", "max_length": 0}), feishu_checks.UNKNOWN),
        (card({"tag": "input", "max_length": 1, "default_value": "xx"}), feishu_checks.UNKNOWN),
        (card(form({"tag": "input"})), feishu_checks.UNKNOWN),
        (card(form({"tag": "input", "name": "a"}, select(name="a"))), feishu_checks.UNKNOWN),
        (card(form(select(name="form"))), feishu_checks.UNKNOWN),
        (card({"tag": "form", "name": "f", "elements": [md()]}), feishu_checks.UNKNOWN),
        (card({"tag": "form", "name": "f", "elements": [submit(form_action_type="reset")]}), feishu_checks.UNKNOWN),
        (card({"tag": "form", "name": "", "elements": [submit()]}), feishu_checks.UNKNOWN),
        (card(form(submit(name="b", form_action_type="send"))), feishu_checks.UNKNOWN),
        (card(select(options=[option("1"), option("1")])), feishu_checks.UNKNOWN),
        (card(select(options=[option("")])), feishu_checks.UNKNOWN),
        (card(select(options=[option(text=0)])), feishu_checks.UNKNOWN),
        (card(select(initial_option="3")), feishu_checks.UNKNOWN),
        (card(select(initial_index=3)), feishu_checks.UNKNOWN),
        (card(several(selected_values=["3"])), feishu_checks.UNKNOWN),
        (card({"tag": "picker_time"}), feishu_checks.UNKNOWN),
        (card({"tag": "picker_time", "initial_time": "24:00"}), feishu_checks.UNKNOWN),
        (card({"tag": "picker_time", "placeholder": {"tag": "lark_md", "content": "x"}}), feishu_checks.UNKNOWN),
    ],
)
def test_what_feishu_does_not_know_is_refused(made, sub):
    assert sub_code(made) == sub


@pytest.mark.parametrize(
    "made",
    [
        md("`<at id=all></at> ![x](y)`"),
        md("~~~\n<at id=all></at>\n~~~"),
        md("&#60;at id=all&#62; \\![x](y)"),
        md("<at id='ou_1'></at><person id='ou_1'></person>"),
        {"tag": "div", "text": {"tag": "plain_text", "content": "<at id=all></at> ![x](y)"}},
        table(cell="<at id=all></at> ![x](y)"),
        table(kind="options", cell=[{"text": "x", "color": "red"}]),
        table(kind="date", cell=1_700_000_000_000),
        select(initial_index=2),
        {"tag": "picker_time", "placeholder": plain()},
    ],
)
def test_what_only_shows_is_taken(made):
    check(card(made))


def test_what_a_reader_sees_of_a_card():
    read = shown(
        card(
            md("# Head\n**bold** ~~gone~~ [`a.py`](https://example.org/a) &#60;b&#62; 1 &#42; 2<br>\\*"),
            md("<font color='red'>red</font> <text_tag color='blue'>tag</text_tag> `a &#60; **b**`\n```py\n# x\n```"),
            md("<local_datetime millisecond='1700000000000' format_type='time'></local_datetime>"),
            table(kind="options", cell=[{"text": "S", "color": "red"}, {"text": "T", "color": "blue"}]),
            table(kind="date", cell=1_700_000_000_000),
            table(kind="markdown", cell="[link](https://example.org/c)"),
            table(cell="[plain](x) &#60;"),
            panel(md("inside"), header={"title": md("**panel**")}),
            button("Press"),
            form({"tag": "input", "name": "i", "default_value": "given"}, select(options=[option("1", 3)])),
            header=header(subtitle=plain(2), text_tag_list=[{"tag": "text_tag", "text": plain(4)}]),
        )
    ).split("\n")
    assert read[:3] == ["x", "xx", "xxxx"]
    assert read[3:6] == ["Head", "bold gone a.py <b> 1 * 2", "*"]
    assert read[6:8] == ["red tag a &#60; **b**", "# x"]
    seen = [line for line in read[8:] if line]
    assert seen[:9] == [
        "2023-11-14 22:13",
        *("C0", "S T"),
        *("C0", "2023-11-14 22:13"),
        *("C0", "link"),
        *("C0", "[plain](x) &#60;"),
    ]
    assert seen[9:] == ["panel", "inside", "Press", "given", "xxx", "x"]


def test_the_links_of_a_card_are_read_in_order():
    made = card(
        md("[a](https://example.org/a?x=1&#38;y) `[no](https://example.org/no)` <a href='https://example.org/h'>h</a>"),
        table(kind="lark_md", cell="[c](https://example.org/c)"),
        table(cell="[no](https://example.org/no)"),
        button(behaviors=[{"type": "open_url", "default_url": "https://example.org/b"}]),
        columns(action={"multi_url": {"url": "https://example.org/s"}}),
        card_link={"url": "https://example.org/l"},
    )
    check(made)
    expected = ["a?x=1&y", "h", "c"]
    assert links(made)[:3] == [f"https://example.org/{name}" for name in expected]
    assert sorted(links(made)[3:]) == [f"https://example.org/{name}" for name in "bls"]


@pytest.mark.parametrize(
    "made",
    [
        {"schema": "2.0", "body": {"elements": []}},
        card(md("<at id=ou_1></at>")),
        card(md("`<at id=ou_1></at>`")),
        card(md("<person id=ou_1></person>")),
        card(panel(md("<b>x</b>"))),
        card(md("a <script")),
        card(md("<link url='https://example.org/'>x</link>")),
        card(table(kind="lark_md", cell="<b>x</b>")),
        card(md("well :DONE:")),
        card(md("[x](javascript:alert)")),
        card(table(kind="persons", cell=["ou_1"])),
        card(form(button(name="x", behaviors=[]))),
        card(button(behaviors=[])),
    ],
)
def test_what_our_bot_must_never_write_is_told(made):
    check(made)
    assert len(unwanted(made)) == 1


@pytest.mark.parametrize(
    "element",
    [
        md("<font color='red'>x</font><br><text_tag color='red'>y</text_tag> [x](https://example.org/) at 10:30:00"),
        md("<local_datetime millisecond='1700000000000'></local_datetime>"),
        md("`a <b> :DONE:` &#58;DONE&#58;\n```\n<b>\n```"),
        {"tag": "div", "text": {"tag": "plain_text", "content": "<at id=all> :DONE: <b>"}},
        form(select()),
    ],
)
def test_what_our_renderer_may_write_is_not(element):
    assert unwanted(card(element)) == []


# --- Calling Feishu --------------------------------------------------------------------------


def ask(server, method, path, body=None, *, query=None, token="", raw=None, headers=None):
    """The status, the answer and its headers."""
    url = f"{server.root}{path}" + (f"?{urlencode(query)}" if query else "")
    sent = raw if raw is not None else json.dumps(body, ensure_ascii=False).encode() if body is not None else None
    told = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    request = Request(url, sent, {**told, **(headers or {})}, method=method)
    try:
        with urlopen(request) as answer:
            return answer.status, json.load(answer), answer.headers
    except HTTPError as error:
        with error:
            return error.code, json.load(error), error.headers


def token_of(server):
    _, told, _ = ask(server, "POST", TOKEN, {"app_id": APP_ID, "app_secret": APP_SECRET})
    return told["tenant_access_token"]


class Bot:
    """Calls a server with a token of its own."""

    def __init__(self, server):
        self.server = server
        self.token = token_of(server)
        self.count = 0

    def ask(self, method, path, body=None, **more):
        return ask(self.server, method, path, body, **{"token": self.token, **more})

    def code(self, method, path, body=None, **more):
        return self.ask(method, path, body, **more)[1]["code"]

    def body(self, content=None, kind="text", **more):
        self.count += 1
        content = {"text": "x"} if content is None else content
        return {"msg_type": kind, "content": json.dumps(content, ensure_ascii=False), "uuid": f"n{self.count}", **more}

    def send(self, content=None, kind="text", chat="oc_1", **more):
        body = self.body(content, kind, receive_id=chat, **more)
        return self.ask("POST", f"{IM}/messages", body, query={"receive_id_type": "chat_id"})[1]

    def card(self, *elements, **more):
        return self.send(card(*elements, **more), "interactive")["data"]["message_id"]

    def reply(self, to, content=None, kind="text", **more):
        return self.ask("POST", f"{IM}/messages/{to}/reply", self.body(content, kind, **more))[1]

    def list(self, name="oc_1", kind="chat", **query):
        return self.ask("GET", f"{IM}/messages", query={"container_id_type": kind, "container_id": name, **query})[1]

    def ids(self, *args, **query):
        return [item["message_id"] for item in self.list(*args, **query)["data"]["items"]]


@pytest.fixture
def bot(server):
    return Bot(server)


def test_a_token_is_for_the_right_application_and_two_hours(server, time):
    assert ask(server, "POST", TOKEN, {"app_id": "cli_other", "app_secret": APP_SECRET})[1]["code"] == 10003
    assert ask(server, "POST", TOKEN, {"app_id": APP_ID, "app_secret": "x"})[1]["code"] == 10014
    _, told, _ = ask(
        server, "POST", TOKEN, {"app_id": APP_ID, "app_secret": APP_SECRET}, headers={"Content-Type": "x/y"}
    )
    assert told["expire"] == 7_200
    bot = Bot(server)
    assert bot.token == told["tenant_access_token"]
    time.now += 7_199
    assert bot.code("GET", "/open-apis/bot/v3/info") == 0
    time.now += 1
    status, told, _ = bot.ask("GET", "/open-apis/bot/v3/info")
    assert (status, told["code"]) == (400, 99991663)
    assert Bot(server).code("GET", "/open-apis/bot/v3/info") == 0


def test_a_token_is_renewed_in_its_last_half_hour(server, time):
    first = token_of(server)
    time.now += 5_399
    assert token_of(server) == first
    time.now += 1
    assert token_of(server) != first


def test_a_token_must_be_one(server, bot):
    info = "/open-apis/bot/v3/info"
    assert bot.code("GET", info, token="") == 99991661
    assert bot.code("GET", info, token="u-user") == 99991668
    assert bot.code("GET", info, token="t-other") == 99991663
    server.revoke_tokens()
    assert bot.code("GET", info) == 99991663


def test_the_bot_learns_who_it_is(bot):
    assert bot.ask("GET", "/open-apis/bot/v3/info")[1]["bot"]["open_id"] == BOT


@pytest.mark.parametrize(
    ("method", "path", "scopes"),
    [(e.method, e.path.replace(":id", "om_0"), e.scopes) for e in feishu_server.ENDPOINTS if e.scopes],
)
def test_each_endpoint_needs_one_of_its_scopes(server, bot, method, path, scopes):
    for scope in scopes.split():
        server.scopes = {scope}
        assert bot.code(method, path, {} if method != "GET" else None) != 99991672
    server.scopes -= set(scopes.split())
    status, told, _ = bot.ask(method, path, {} if method != "GET" else None)
    assert (status, told["code"]) == (400, 99991672)
    assert f"[{', '.join(scopes.split())}]" in told["msg"]
    assert [v["subject"] for v in told["error"]["permission_violations"]] == scopes.split()


PRIVATE = "/open-apis/ephemeral/v1"


def test_a_private_card_is_one_persons_in_an_ordinary_group(server, bot):
    server.add_group("oc_topics", kind="topic")
    sent = {"chat_id": "oc_1", "open_id": USER, "msg_type": "interactive", "card": card(md())}
    for wrong, code in (
        ({"chat_id": "oc_topics"}, 18053),
        ({"chat_id": server.p2p().name}, 18053),
        ({"open_id": "ou_elsewhere"}, 18054),
        ({"card": json.dumps(sent["card"])}, 18055),
        ({"card": card({"tag": "action"})}, 230099),
    ):
        assert bot.code("POST", f"{PRIVATE}/send", sent | wrong) == code
    name = bot.ask("POST", f"{PRIVATE}/send", sent)[1]["data"]["message_id"]
    assert [each["open_id"] for each in server.group("oc_1").private] == [USER]
    assert server.group("oc_1").messages == []
    assert bot.reply(name)["code"] == 230001  # it can be neither answered nor changed
    assert bot.code("PATCH", f"{IM}/messages/{name}", {"content": json.dumps(sent["card"])}) == 230001
    assert bot.code("POST", f"{PRIVATE}/delete", {"message_id": name}) == 0
    assert bot.code("POST", f"{PRIVATE}/delete", {"message_id": name}) == 18056


def test_a_bot_takes_its_own_messages_back_once(server, bot):
    mine = bot.send()["data"]["message_id"]
    theirs = server.group("oc_1").post_by(USER, "x")["message_id"]
    assert bot.code("DELETE", f"{IM}/messages/{theirs}") == 230026
    assert [bot.code("DELETE", f"{IM}/messages/{mine}") for _ in range(2)] == [0, 230110]


def test_granted_scopes_are_told(server, bot):
    told = bot.ask("GET", "/open-apis/application/v6/scopes")[1]["data"]["scopes"]
    assert {scope["scope_name"] for scope in told if scope["grant_status"] == 1} == server.scopes
    server.scopes.discard("im:resource")
    told = bot.ask("GET", "/open-apis/application/v6/scopes")[1]["data"]["scopes"]
    assert {"scope_name": "im:resource", "scope_type": "tenant", "grant_status": 2} in told


def test_what_is_unknown_is_written_down(server, bot):
    assert ask_status(server, "PUT", f"{IM}/messages/om_1") == 404
    assert server.unknown == [f"PUT {IM}/messages/om_1"]
    bot.send(colour="red")
    bot.list(page="1")
    assert [v.split(": ", 1)[1] for v in server.violations] == ["unknown body ['colour']", "unknown query ['page']"]


def ask_status(server, method, path):
    connection = http.client.HTTPConnection(urlsplit(server.root).netloc)
    connection.request(method, path)
    status = connection.getresponse().status
    connection.close()
    return status


def test_what_is_no_json_and_what_is_missing_is_refused(server, bot):
    for raw in (b"{", b"[]"):
        assert bot.ask("POST", f"{IM}/messages", raw=raw)[:2] == (400, {"code": 9499, "msg": "Bad Request"})
    assert [said.partition(": ")[2] for said in server.violations] == ["no JSON"] * 2
    told = bot.ask("POST", f"{IM}/messages", {"msg_type": "text"}, query={"receive_id_type": "chat_id"})[1]
    assert told["code"] == 99992402
    assert [v["field"] for v in told["error"]["field_violations"]] == ["receive_id", "content"]


def test_errors_can_be_forced(server, bot):
    server.errors[f"{IM}/messages"] = 230006
    assert bot.send()["code"] == bot.list()["code"] == 230006
    server.errors = {f"GET {IM}/messages": 99991672}
    assert bot.send()["code"] == 0
    assert bot.list()["code"] == 99991672


# --- Sending ---------------------------------------------------------------------------------


def test_a_message_stands_where_it_was_sent(server, bot):
    told = bot.send(card(button(), header=header()), "interactive")["data"]
    assert json.loads(told["body"]["content"])["elements"] == [
        [{"tag": "text", "text": "请升级至最新版本客户端，以查看内容"}]
    ]
    assert told["sender"] == {"id": APP_ID, "id_type": "app_id", "sender_type": "app", "tenant_key": "tenant_1"}
    (message,) = server.tops("oc_1")
    assert (message["message_id"], message["uuid"], message["app_id"]) == (told["message_id"], "n1", APP_ID)
    assert message["card"]["body"]["elements"] == [button()]
    assert server.shown(message) == "x\nGo"
    assert server.tops("oc_2") == []
    assert server.violations == []


def test_somebody_is_written_to_in_a_chat_of_their_own(server, bot):
    query = {"receive_id_type": "open_id"}
    told = bot.ask("POST", f"{IM}/messages", bot.body(receive_id=USER), query=query)[1]["data"]
    assert (
        bot.ask("POST", f"{IM}/messages", bot.body(receive_id=USER), query=query)[1]["data"]["chat_id"]
        == told["chat_id"]
    )
    assert server.groups[told["chat_id"]].kind == "p2p"
    assert bot.code("POST", f"{IM}/messages", bot.body(receive_id="ou_9"), query=query) == 230013
    assert bot.code("POST", f"{IM}/messages", bot.body(receive_id=USER), query={"receive_id_type": "email"}) == 99992402


def test_a_chat_can_refuse(server, bot):
    server.violations.clear()
    assert bot.send(chat="oc_9")["code"] == 230001
    group = server.group("oc_1")
    group.muted = True
    assert bot.send()["code"] == 230018
    group.forbids = True
    assert bot.send()["code"] == 230035
    group.members.discard(BOT)
    assert bot.send()["code"] == bot.list()["code"] == 230002
    group.dissolved = True
    assert bot.send()["code"] == bot.list()["code"] == 232009
    assert group.messages == []


@pytest.mark.parametrize(
    ("kind", "content", "code"),
    [
        ("interactive", card({"tag": "video"}), 230099),
        ("text", {"text": ""}, 230001),
        ("text", {"words": "x"}, 230001),
        ("post", {"zh_cn": {"title": "x", "content": []}}, 230001),
        ("image", {"image_key": "img_1"}, 230001),
        ("file", {"file_key": "file_v3_0"}, 230017),
    ],
)
def test_a_content_must_be_what_its_type_says(bot, kind, content, code):
    assert bot.send(content, kind)["code"] == code


def test_a_content_is_a_string(bot):
    body = {"receive_id": "oc_1", "msg_type": "text", "content": {"text": "x"}, "uuid": "u"}
    assert bot.code("POST", f"{IM}/messages", body, query={"receive_id_type": "chat_id"}) == 230001


@pytest.mark.parametrize(
    ("kind", "content", "size"),
    [
        ("interactive", lambda n: card(md("x" * n)), limits.BODY_BYTES.feishu),
        ("post", lambda n: {"zh_cn": {"content": [[{"tag": "text", "text": "x" * n}]]}}, limits.BODY_BYTES.feishu),
        ("text", lambda n: {"text": "x" * n}, limits.TEXT_BYTES.feishu),
    ],
)
def test_a_request_with_a_message_has_a_size(bot, kind, content, size):
    def sent(length):
        body = bot.body(content(length), kind, receive_id="oc_1", uuid="u")
        raw = json.dumps(body, ensure_ascii=False).encode()
        return len(raw), bot.code("POST", f"{IM}/messages", raw=raw, query={"receive_id_type": "chat_id"})

    around = sent(100)[0] - 100
    bot.server._uuids.clear()
    assert sent(size - around) == (size, 0)
    bot.server._uuids.clear()
    assert sent(size - around + 1) == (size + 1, 230025)


def test_a_uuid_is_one_message_for_an_hour(server, bot, time):
    first = bot.send(uuid="u")["data"]["message_id"]
    time.now += limits.UUID_SECONDS.feishu - 0.5
    assert bot.send(uuid="u")["data"]["message_id"] == first
    server.repeated = "refused"
    assert bot.send(uuid="u")["code"] == 230049
    server.repeated = "first"
    time.now += 0.5
    assert bot.send(uuid="u")["data"]["message_id"] != first
    assert len(server.tops("oc_1")) == 2
    assert server.violations == []


def test_a_uuid_of_a_refused_message_is_free(server, bot):
    server.group("oc_1").muted = True
    assert bot.send(uuid="u")["code"] == 230018
    server.group("oc_1").muted = False
    assert bot.send(uuid="u")["code"] == 0
    assert len(server.tops("oc_1")) == 1


def test_a_uuid_counts_for_replies_too(server, bot):
    root = bot.send()["data"]["message_id"]
    first = bot.reply(root, uuid="u")["data"]["message_id"]
    assert bot.reply(root, uuid="u")["data"]["message_id"] == first
    assert len(server.thread("oc_1", root)) == 1


def test_a_uuid_has_a_length_and_names_one_content(server, bot):
    assert bot.send(uuid="x" * limits.UUID.feishu)["code"] == 0
    assert bot.send(uuid="x" * (limits.UUID.feishu + 1))["code"] == 99992402
    bot.send(uuid="u")
    bot.send({"text": "other"}, uuid="u")
    assert server.violations == ["uuid u again with another content"]


@pytest.mark.parametrize(
    ("kind", "content", "more"),
    [
        ("text", {"text": "x"}, {"uuid": ""}),
        ("text", {"text": '<at user_id="all"></at>'}, {}),
        ("post", {"zh_cn": {"content": [[{"tag": "at", "user_id": "all"}]]}}, {}),
        ("post", {"zh_cn": {"content": [[{"tag": "md", "text": "<at id=all></at>"}]]}}, {}),
        ("interactive", card(button(behaviors=[])), {}),
    ],
)
def test_what_our_bot_must_never_send_is_written_down(server, bot, kind, content, more):
    assert bot.send(content, kind, **more)["code"] == 0
    assert len(server.violations) == 1


def test_a_post_is_shown(server, bot):
    bot.send({"zh_cn": {"title": "", "content": [[{"tag": "text", "text": "a"}, {"tag": "a", "text": "b"}]]}}, "post")
    assert server.shown(server.tops("oc_1")[0]) == "ab"


# --- Replies ---------------------------------------------------------------------------------


def test_a_reply_begins_a_topic_and_the_next_one_stays_in_it(server, bot):
    root = bot.send()["data"]["message_id"]
    first = bot.reply(root, reply_in_thread=True)["data"]
    second = bot.reply(first["message_id"])["data"]
    assert first["thread_id"] == second["thread_id"] == server.tops("oc_1")[0]["thread_id"]
    assert {(m["root_id"], m["parent_id"]) for m in (first, second)} == {(root, root)}
    assert [m["message_id"] for m in server.thread("oc_1", root)] == [first["message_id"], second["message_id"]]
    assert server.thread("oc_1", root)[0]["reply_in_thread"] is True


def test_a_plain_reply_stands_in_the_chat(server, bot):
    root = bot.send()["data"]["message_id"]
    first = bot.reply(root)["data"]
    second = bot.reply(first["message_id"])["data"]
    assert "thread_id" not in first
    assert (second["root_id"], second["parent_id"]) == (root, first["message_id"])
    assert len(server.thread("oc_1", root)) == 2
    assert [m["message_id"] for m in server.tops("oc_1")] == [root]


def test_every_message_of_a_topic_group_is_a_topic(server, bot):
    server.add_group("oc_t", kind="topic")
    root = bot.send(chat="oc_t")["data"]
    assert bot.reply(root["message_id"])["data"]["thread_id"] == root["thread_id"]


def test_not_everything_can_be_answered(server, bot):
    assert bot.reply("om_9")["code"] == 230001
    assert "invalid message_id" in bot.reply("om_9")["msg"]
    root = bot.send()["data"]["message_id"]
    server.group("oc_1").topics = False
    assert bot.reply(root, reply_in_thread=True)["code"] == 230071
    assert bot.reply(root)["code"] == 0
    server.recall(root)
    assert bot.reply(root)["code"] == 230011
    server.group("oc_1").members.discard(BOT)
    assert bot.reply(root)["code"] == 230002


# --- Cards that change -----------------------------------------------------------------------


def patch(bot, message, *elements, **more):
    content = json.dumps(card(*elements))
    return bot.code("PATCH", f"{IM}/messages/{message}", {"content": content, **more})


def test_a_card_is_replaced(server, bot):
    message = bot.card(md("before"))
    assert patch(bot, message, md("after")) == 0
    assert server.shown(server.tops("oc_1")[0]) == "after"
    assert server.tops("oc_1")[0]["updated"] is True
    assert patch(bot, message, {"tag": "video"}) == 230099
    assert patch(bot, message, md("x" * limits.BODY_BYTES.feishu)) == 230025
    assert server.shown(server.tops("oc_1")[0]) == "after"


def test_a_card_is_replaced_for_two_weeks(bot, time):
    message = bot.card(md())
    time.now += limits.PATCH_SECONDS.feishu
    bot.token = token_of(bot.server)
    assert patch(bot, message, md()) == 0
    time.now += 1
    assert patch(bot, message, md()) == 230031


def test_only_our_own_cards_are_replaced(server, bot):
    assert patch(bot, "om_9", md()) == 230001
    assert patch(bot, bot.send()["data"]["message_id"], md()) == 230054
    assert patch(bot, server.group("oc_1").post_by(USER, "x")["message_id"], md()) == 230027
    message = bot.card(md())
    server.recall(message)
    assert patch(bot, message, md()) == 230110


# --- Reading ---------------------------------------------------------------------------------


def test_a_history_comes_in_pages(bot):
    sent = [bot.send()["data"]["message_id"] for _ in range(5)]
    assert bot.ids() == sent
    assert bot.ids(sort_type="ByCreateTimeDesc") == sent[::-1]
    for order, expected in (("ByCreateTimeAsc", sent), ("ByCreateTimeDesc", sent[::-1])):
        found, token = [], {}
        while token is not None:
            page = bot.list(page_size=2, sort_type=order, **token)["data"]
            found.append([item["message_id"] for item in page["items"]])
            token = {"page_token": page["page_token"]} if page["has_more"] else None
        assert found == [expected[:2], expected[2:4], expected[4:]]


def test_a_page_goes_on_where_the_last_one_ended(bot):
    sent = [bot.send()["data"]["message_id"] for _ in range(3)]
    token = bot.list(page_size=2, sort_type="ByCreateTimeDesc")["data"]["page_token"]
    bot.send()
    assert bot.ids(page_size=2, sort_type="ByCreateTimeDesc", page_token=token) == [sent[0]]
    assert bot.list(page_size=2, page_token=token)["code"] == 230001
    assert bot.list(page_token="x")["code"] == 230001


def test_a_page_has_a_size(bot):
    for _ in range(limits.HISTORY.feishu + 1):
        bot.send()
    assert len(bot.ids()) == 20
    assert len(bot.ids(page_size=limits.HISTORY.feishu)) == limits.HISTORY.feishu
    for size in (0, limits.HISTORY.feishu + 1, "x"):
        assert bot.list(page_size=size)["code"] == 99992402


def test_a_history_has_bounds_in_seconds(bot, time):
    sent = []
    for _ in range(3):
        sent.append(bot.send()["data"]["message_id"])
        time.now += 1
    assert bot.ids(start_time=1_001) == sent[1:]
    assert bot.ids(end_time=1_001) == sent[:2]
    assert bot.ids(start_time=1_001, end_time=1_001) == [sent[1]]
    assert bot.list(start_time=1_001_000)["data"]["items"] == []
    assert bot.list(start_time=1_001_000_000_000)["code"] == bot.list(end_time="1.5")["code"] == 230001


def test_a_topic_is_listed_by_itself(server, bot):
    root, other = (bot.send()["data"]["message_id"] for _ in range(2))
    inside = bot.reply(root, reply_in_thread=True)["data"]
    plainly = bot.reply(other)["data"]["message_id"]
    assert bot.ids() == [root, other, plainly]
    assert bot.ids(only_thread_root_messages="true") == [root, other]
    assert bot.ids(inside["thread_id"], "thread") == [root, inside["message_id"]]
    assert bot.list()["data"]["items"][0]["thread_id"] == inside["thread_id"]
    assert bot.list(inside["thread_id"], "thread", start_time=1)["code"] == 230001
    assert bot.list("omt_9", "thread")["code"] == bot.list("oc_9")["code"] == bot.list(kind="user")["code"] == 230001
    assert bot.list(sort_type="Desc")["code"] == 230001


def test_a_card_is_told_whole_only_if_asked_for(bot):
    made = card(md("&#60;"), header=header())
    message = bot.send(made, "interactive")["data"]["message_id"]
    for items in (bot.list()["data"]["items"], bot.ask("GET", f"{IM}/messages/{message}")[1]["data"]["items"]):
        assert json.loads(items[0]["body"]["content"])["title"] == "x"
    whole = {"card_msg_content_type": "user_card_content"}
    (item,) = bot.list(**whole)["data"]["items"]
    assert json.loads(item["body"]["content"]) == made
    (item,) = bot.ask("GET", f"{IM}/messages/{message}", query=whole)[1]["data"]["items"]
    assert json.loads(item["body"]["content"]) == made
    assert bot.list(card_msg_content_type="all")["code"] == 230001


def test_reading_a_group_needs_a_right_of_its_own(server, bot):
    message = bot.send()["data"]["message_id"]
    direct = bot.ask("POST", f"{IM}/messages", bot.body(receive_id=USER), query={"receive_id_type": "open_id"})
    server.scopes.discard("im:message.group_msg")
    assert bot.list()["code"] == bot.code("GET", f"{IM}/messages/{message}") == 230027
    assert len(bot.ids(direct[1]["data"]["chat_id"])) == 1


def test_a_message_can_be_unseen_for_a_while(time):
    with FeishuServer(time, hidden=5) as server:
        bot = Bot(server)
        message = bot.send()["data"]["message_id"]
        assert bot.ids() == []
        assert bot.code("GET", f"{IM}/messages/{message}") == 230001
        time.now += 5
        assert bot.ids() == [message]
        assert bot.code("GET", f"{IM}/messages/{message}") == 0


def test_what_was_recalled_is_told_without_its_words(server, bot):
    server.recall(bot.send({"text": "secret"})["data"]["message_id"])
    (item,) = bot.list()["data"]["items"]
    assert item["deleted"] is True
    assert "secret" not in item["body"]["content"]


def test_people_write_too(server, bot):
    said = server.group("oc_1").post_by(USER, "hello")
    (item,) = bot.list()["data"]["items"]
    assert item["message_id"] == said["message_id"]
    assert item["sender"]["id"] == USER
    assert server.shown(said) == "hello"


def test_a_chat_is_described(server, bot):
    path = f"{IM}/chats"
    assert bot.ask("GET", f"{path}/oc_1")[1]["data"]["chat_mode"] == "group"
    assert bot.code("GET", f"{path}/oc_9") == 232006
    server.remove_bot("oc_1")
    assert bot.code("GET", f"{path}/oc_1") == 232011
    server.dissolve("oc_2")
    assert bot.code("GET", f"{path}/oc_2") == 232009


# --- Files -----------------------------------------------------------------------------------


def upload(bot, content, name="digest.md", kind="stream"):
    lines = []
    for field, value in (("file_type", kind), ("file_name", name)):
        lines.append(f'--cut\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'.encode())
    lines.append(
        b'--cut\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + content + b"\r\n--cut--"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=cut"}
    return bot.ask("POST", f"{IM}/files", raw=b"".join(lines), headers=headers)[1]


def test_a_file_is_uploaded_and_sent(server, bot):
    content = "中\r\n\x00".encode() + bytes(range(256))
    key = upload(bot, content, "日报.md")["data"]["file_key"]
    assert server.uploads[key] == ("日报.md", content)
    bot.send({"file_key": key}, "file")
    (item,) = bot.list()["data"]["items"]
    assert json.loads(item["body"]["content"]) == {"file_key": key, "file_name": "日报.md"}
    assert server.shown(server.tops("oc_1")[0]) == "日报.md"


def test_a_file_has_a_size_and_a_name(bot):
    assert upload(bot, b"x" * limits.FILE_BYTES.feishu)["code"] == 0
    assert upload(bot, b"x" * (limits.FILE_BYTES.feishu + 1))["code"] == 234006
    assert upload(bot, b"")["code"] == 234010
    assert upload(bot, b"x", name="")["code"] == 99992402
    assert upload(bot, b"x", kind="exe")["code"] == 234001


def test_a_field_of_a_form_has_a_name(bot):
    raw = b"--cut\r\nContent-Disposition: form-data\r\n\r\nx\r\n--cut--"
    headers = {"Content-Type": "multipart/form-data; boundary=cut"}
    assert bot.code("POST", f"{IM}/files", raw=raw, headers=headers) == 9499


# --- Rates -----------------------------------------------------------------------------------


def test_a_group_takes_five_messages_a_second(throttled, time):
    bot = Bot(throttled)
    assert {bot.send()["code"] for _ in range(limits.GROUP_RATE.feishu)} == {0}
    time.now += 0.9
    assert bot.send()["code"] == 230020
    assert bot.send(chat="oc_2")["code"] == 0
    time.now += 0.1
    assert bot.send()["code"] == 0
    assert (throttled.too_fast, throttled.refused) == (1, 1)


def test_replies_count_as_messages_of_the_group(throttled):
    bot = Bot(throttled)
    root = bot.send()["data"]["message_id"]
    assert {bot.reply(root)["code"] for _ in range(limits.GROUP_RATE.feishu - 1)} == {0}
    assert bot.reply(root)["code"] == 230020


def test_a_card_is_replaced_five_times_a_second(throttled, time):
    bot = Bot(throttled)
    message = bot.card(md())
    assert {patch(bot, message, md()) for _ in range(limits.PATCH_RATE.feishu)} == {0}
    assert patch(bot, message, md()) == 230020
    time.now += 1
    assert patch(bot, message, md()) == 0


def test_an_endpoint_is_called_fifty_times_a_second(throttled, time):
    bot = Bot(throttled)
    assert {bot.list()["code"] for _ in range(limits.CALL_RATE.feishu)} == {0}
    status, told, headers = bot.ask(
        "GET", f"{IM}/messages", query={"container_id_type": "chat", "container_id": "oc_1"}
    )
    assert (status, told["code"], headers["x-ogw-ratelimit-reset"]) == (429, 99991400, "1")
    assert bot.code("GET", f"{IM}/chats/oc_1") == 0
    time.now += 1
    assert bot.list()["code"] == 0


def test_an_endpoint_is_called_a_thousand_times_a_minute(throttled, time):
    bot = Bot(throttled)
    for _ in range(limits.CALLS_A_MINUTE.feishu // 50):
        throttled._calls["/list", "60"] += [time.now] * 50
        time.now += 1
    throttled._calls["/list", "60"].pop()
    assert bot.list()["code"] == 0
    status, told, headers = bot.ask(
        "GET", f"{IM}/messages", query={"container_id_type": "chat", "container_id": "oc_1"}
    )
    assert (status, told["code"], headers["x-ogw-ratelimit-reset"]) == (429, 99991400, "40")
    time.now += 40
    assert bot.list()["code"] == 0


def test_who_comes_too_fast_is_counted_in_any_case(server, bot):
    assert {bot.send()["code"] for _ in range(limits.GROUP_RATE.feishu + 2)} == {0}
    assert (server.too_fast, server.refused) == (2, 0)


# --- Faults ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "accepted"),
    [(feishu_server.DROPPED, True), (feishu_server.LOST, False)],
)
def test_an_answer_can_get_lost(server, bot, fault, accepted):
    server.queue(fault)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        bot.send(uuid="u")
    assert len(server.tops("oc_1")) == accepted
    assert bot.send(uuid="u")["code"] == 0
    assert len(server.tops("oc_1")) == 1


@pytest.mark.parametrize(
    ("fault", "status", "code", "accepted"),
    [
        (feishu_server.BUSY, 429, 99991400, False),
        (feishu_server.INTERNAL, 500, 2200, True),
        (feishu_server.BEING_SENT, 400, 230049, True),
        (feishu_server.SENSITIVE, 400, 230022, False),
    ],
)
def test_an_answer_can_go_wrong(server, bot, fault, status, code, accepted):
    server.queue(fault, path="/reply")
    root = bot.send()["data"]["message_id"]
    told = bot.ask("POST", f"{IM}/messages/{root}/reply", bot.body())
    assert (told[0], told[1]["code"]) == (status, code)
    assert told[2]["x-ogw-ratelimit-reset"] == ("7" if status == 429 else None)
    assert len(server.thread("oc_1", root)) == accepted
    assert bot.reply(root)["code"] == 0


def test_an_answer_can_be_a_web_page(server, bot):
    server.queue(feishu_server.BROKEN)
    with pytest.raises(json.JSONDecodeError):
        bot.send()
    assert server.tops("oc_1") == []


def test_a_part_of_the_answers_goes_wrong_by_chance(time):
    with FeishuServer(time, chaos=random.Random(1)) as server:
        bot, codes = Bot(server), set()
        for number in range(60):
            try:
                codes.add(bot.send(uuid=f"u{number}")["code"])
            except (ConnectionError, http.client.HTTPException, json.JSONDecodeError) as error:
                codes.add(type(error))
        assert {0, 99991400, 230049, 2200, json.JSONDecodeError} <= codes
        assert bot.list()["code"] == 0


def test_nobody_thought_of_everything(server, bot, monkeypatch):
    monkeypatch.setattr(server, "_list", lambda call: 1 / 0)
    assert bot.list()["code"] == 2200
    assert "ZeroDivisionError" in server.violations[0]


# --- Custom bots -----------------------------------------------------------------------------


def hook(server, body, token="h1"):
    return ask(server, "POST", f"/open-apis/bot/v2/hook/{token}", body)[1]["code"]


CARD = {"msg_type": "interactive", "card": card(md())}


def test_a_custom_bot_takes_messages(server):
    server.hooks["h1"] = Hook()
    opens = button(behaviors=[{"type": "open_url", "default_url": "https://example.org/"}])
    bodies = [
        CARD,
        {"msg_type": "text", "content": {"text": "x"}},
        {"msg_type": "post", "content": {"post": {"zh_cn": {"content": [[{"tag": "text", "text": "x"}]]}}}},
        {"msg_type": "interactive", "card": card(opens)},
    ]
    assert [hook(server, body) for body in bodies] == [0, 0, 0, 0]
    assert server.hooks["h1"].messages == bodies
    assert server.violations == []
    assert hook(server, CARD, "h2") == 19001
    assert hook(server, {"msg_type": "image"}) == 9499
    assert hook(server, {"msg_type": "interactive", "card": card({"tag": "video"})}) == 230099
    assert hook(server, {"msg_type": "interactive", "card": card(button())}) == 0
    assert server.violations == ["a button of a webhook calls back"]


def test_a_custom_bot_checks_signatures(server, time):
    server.hooks["h1"] = Hook(secret="s")
    at = int(time.now)

    def sent(secret="s", timestamp=at):
        return hook(server, CARD | {"timestamp": str(timestamp), "sign": webhook_sign(secret, str(timestamp))})

    assert hook(server, CARD) == sent("other") == 19021
    assert sent() == sent(timestamp=at - limits.WEBHOOK_SIGN_SECONDS.feishu + 3_600) == 0
    time.now += limits.WEBHOOK_SIGN_SECONDS.feishu
    assert sent() == 0
    time.now += 1
    assert sent() == 19021
    assert len(server.hooks["h1"].messages) == 3


def test_a_custom_bot_may_wait_for_a_word(server):
    server.hooks["h1"] = Hook(keyword="日报")
    assert hook(server, CARD) == 19024
    assert hook(server, {"msg_type": "text", "content": {"text": "日报"}}) == 0


def test_a_request_to_a_custom_bot_has_a_size(server):
    server.hooks["h1"] = Hook()
    around = len(json.dumps({"msg_type": "text", "content": {"text": ""}}).encode())
    for size, code in ((limits.WEBHOOK_BYTES.feishu, 0), (limits.WEBHOOK_BYTES.feishu + 1, 9499)):
        assert hook(server, {"msg_type": "text", "content": {"text": "x" * (size - around)}}) == code


def test_a_custom_bot_has_rates(throttled, time):
    throttled.hooks = {"h1": Hook(), "h2": Hook()}
    assert {hook(throttled, CARD) for _ in range(limits.WEBHOOK_RATE.feishu)} == {0}
    assert hook(throttled, CARD) == 11232
    assert hook(throttled, CARD, "h2") == 0
    for _ in range(limits.WEBHOOKS_A_MINUTE.feishu // limits.WEBHOOK_RATE.feishu - 1):
        time.now += 1
        assert {hook(throttled, CARD) for _ in range(limits.WEBHOOK_RATE.feishu)} == {0}
    time.now += 1
    assert hook(throttled, CARD) == 11232
    time.now += 60
    assert hook(throttled, CARD) == 0


# --- The persistent connection ---------------------------------------------------------------


def endpoint(server, app_id=APP_ID, secret=APP_SECRET):
    return ask(server, "POST", "/callback/ws/endpoint", {"AppID": app_id, "AppSecret": secret})


@pytest.fixture(scope="module")
def frames():
    return sdk().ws.Frame


class Link:
    """A connection as the bot has one."""

    def __init__(self, server, frames):
        self._frames = frames
        url = endpoint(server)[1]["data"]["URL"]
        before = server.socket.opened
        self.link = connect(url, proxy=None)
        while server.socket.opened == before:
            real_time.sleep(0.001)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.link.close()
        self.link.socket.close()

    def read(self, seconds=5):
        """The headers and the payload of the next frame."""
        frame = self._frames()
        frame.ParseFromString(self.link.recv(seconds))
        return {header.key: header.value for header in frame.headers}, bytes(frame.payload)

    def write(self, method, headers, payload=b""):
        frame = self._frames()
        frame.SeqID = frame.LogID = frame.service = 0
        frame.method, frame.payload = method, payload
        for name, value in headers.items():
            header = frame.headers.add()
            header.key, header.value = name, value
        self.link.send(frame.SerializeToString())

    def ack(self, headers, code=200, data=None):
        told = {"code": code} | ({"data": base64.b64encode(json.dumps(data).encode()).decode()} if data else {})
        self.write(1, headers, json.dumps(told).encode())

    def take(self, **more):
        """Read an event, and answer it."""
        headers, payload = self.read()
        self.ack(headers, **more)
        return json.loads(payload)


@contextmanager
def meanwhile(work, *args, **more):
    """What is done in another thread, and its result."""
    with ThreadPoolExecutor(1) as pool:
        yield (future := pool.submit(work, *args, **more))
        future.result(10)


def test_an_address_is_for_the_right_application(server):
    assert endpoint(server, app_id="cli_other")[1]["code"] == 403
    assert endpoint(server, secret="x")[1]["code"] == 514
    told = endpoint(server)[1]["data"]
    assert set(told["ClientConfig"]) == {"ReconnectCount", "ReconnectInterval", "ReconnectNonce", "PingInterval"}
    assert "device_id=" in told["URL"]
    assert "service_id=" in told["URL"]
    server.endpoint_down = True
    assert endpoint(server)[0] == 503


def test_nobody_may_say_where_to_connect(server):
    server.hang_endpoint = True
    with meanwhile(endpoint, server) as asked:
        real_time.sleep(0.05)
        assert not asked.done()
        assert token_of(server)
        server.hang_endpoint = False
    assert asked.result()[1]["code"] == 0


def test_an_address_is_good_once(server, frames):
    with Link(server, frames) as link:
        url = endpoint(server)[1]["data"]["URL"]
        assert server.socket.connections == 1
        connect(url, proxy=None).close()
        with pytest.raises(InvalidStatus) as refused:
            connect(url, proxy=None)
        assert refused.value.response.status_code == 403
        assert refused.value.response.headers["handshake-status"] == "403"
        link.write(0, {"type": "ping"})
        headers, payload = link.read()
        assert headers == {"type": "pong"}
        assert json.loads(payload) == server.socket.config


def test_there_are_only_so_many_connections(server, frames, monkeypatch):
    monkeypatch.setattr(feishu_server.limits, "SOCKETS", limits.SOCKETS._replace(feishu=1))
    with Link(server, frames):
        assert endpoint(server)[1]["code"] == 1000040350
    server.socket.drop()
    until = real_time.monotonic() + 5
    while endpoint(server)[1]["code"] and real_time.monotonic() < until:
        real_time.sleep(0.001)
    assert endpoint(server)[1]["code"] == 0


def test_an_event_is_answered(server, frames):
    with Link(server, frames) as link, meanwhile(server.socket.push, {"a": "中"}) as pushed:
        headers, payload = link.read()
        assert json.loads(payload) == {"a": "中"}
        assert (headers["type"], headers["sum"], headers["seq"]) == ("event", "1", "0")
        link.ack(headers, data={"b": 1})
    assert pushed.result()[:2] == (200, {"b": 1})
    assert server.socket.unacked == 0


def test_a_large_event_comes_in_parts(server, frames):
    server.socket.part = 10
    body = {"text": "x" * 20}
    with Link(server, frames) as link, meanwhile(server.socket.push, body):
        parts = [link.read() for _ in range(4)]
        assert [(h["sum"], h["seq"]) for h, _ in parts] == [("4", str(n)) for n in range(4)]
        assert len({h["message_id"] for h, _ in parts}) == 1
        assert json.loads(b"".join(payload for _, payload in parts)) == body
        link.ack(parts[-1][0])


def test_an_event_that_is_not_taken_comes_again(server, frames):
    with Link(server, frames) as link:
        with meanwhile(server.socket.push, {"a": 1}) as pushed:
            first = link.read()[0]
            link.ack(first, code=500)
        assert pushed.result().code == 500
        assert server.socket.unacked == 1
        second = link.read()[0]
        assert second["message_id"] == first["message_id"]
        link.ack(second)
        link.write(0, {"type": "ping"})
        link.read()
        assert server.socket.unacked == 0
        with pytest.raises(TimeoutError):
            link.read(0.15)


def test_an_event_is_given_up_after_its_retries(server, frames):
    with Link(server, frames) as link:
        server.socket.push({"a": 1}, wait=0)
        assert len({link.read()[0]["message_id"] for _ in range(3)}) == 1
        with pytest.raises(TimeoutError):
            link.read(0.2)
        assert server.socket.unacked == 1


def test_a_callback_never_comes_again(server, frames):
    with Link(server, frames) as link:
        assert server.socket.push({"a": 1}, callback=True, wait=0.01) == (0, None, 0.01)
        link.read()
        with pytest.raises(TimeoutError):
            link.read(0.2)
        assert server.socket.unacked == 0


def test_an_event_waits_for_somebody(server, frames):
    server.socket.push({"a": 1}, wait=0)
    assert server.socket.unacked == 1
    with Link(server, frames) as link:
        assert link.take() == {"a": 1}


def test_who_pushes_waits_for_somebody(server, frames):
    with meanwhile(server.socket.push, {"a": 1}, callback=True) as pushed, Link(server, frames) as link:
        assert link.take() == {"a": 1}
    assert pushed.result().code == 200


def test_a_connection_that_its_bot_ends_is_gone(server, frames):
    with Link(server, frames):
        assert server.socket.connections == 1
    until = real_time.monotonic() + 5
    while server.socket.connections and real_time.monotonic() < until:
        real_time.sleep(0.001)
    assert server.socket.connections == 0


def test_a_connection_can_end_before_its_answer_is_read(server, frames):
    server.socket.drop_before_ack = 1
    with Link(server, frames) as link:
        server.socket.push({"a": 1}, wait=0)
        headers, _ = link.read()
        link.ack(headers)
        with pytest.raises(ConnectionClosed):
            link.read()
    assert server.socket.unacked == 1
    with Link(server, frames) as link:
        again, _ = link.read()
        assert again["message_id"] == headers["message_id"]
        link.ack(again)
        link.write(0, {"type": "ping"})
        link.read()
    assert server.socket.unacked == 0
    assert server.socket.opened == 2


def test_connections_are_cut(server, frames):
    with Link(server, frames) as link, Link(server, frames) as other:
        server.socket.wait_connected(2)
        server.socket.drop()
        for ended in (link, other):
            with pytest.raises(ConnectionClosed):
                ended.read()
        assert server.socket.connections == 0
    with pytest.raises(AssertionError, match="0 are connected"):
        server.socket.wait_connected(seconds=0.01)


def test_a_frozen_connection_looks_open(server, frames):
    with Link(server, frames) as link:
        server.socket.freeze()
        link.write(0, {"type": "ping"})
        with pytest.raises(TimeoutError):
            link.read(0.1)
        assert not link.link.ping().wait(0.1)
        with Link(server, frames) as fresh, meanwhile(server.socket.push, {"a": 1}):
            assert fresh.take() == {"a": 1}


def test_what_comes_over_the_connection_must_be_a_frame(server, frames):
    with Link(server, frames) as link:
        link.link.send(b"\xff")
        link.write(1, {"message_id": "msg_0"}, b"{}")
        link.write(1, {"message_id": "msg_0"}, b"[]")
        link.write(0, {"type": "pong"})
        link.write(0, {"type": "ping"})
        link.read()
    expected = ["a frame that is none", "acknowledgement of nothing", "a frame that is none", "a frame of an unknown"]
    assert all(said.startswith(want) for said, want in zip(server.violations, expected, strict=True))


# --- What people do --------------------------------------------------------------------------


class Taken:
    """Stands in for a bot over HTTP: keeps what it is told, and answers as it is told to."""

    def __init__(self, server):
        self.told = []
        self.data = None
        self.seconds = 0.0
        server.deliver = self

    def __call__(self, body, callback=False, wait=10.0):
        self.told.append((body, callback))
        return feishu_server.Ack(200, self.data, self.seconds)

    @property
    def event(self):
        return self.told[-1][0]["event"]


@pytest.fixture
def taken(server):
    return Taken(server)


def test_somebody_mentions_the_bot(server, taken):
    message = server.say("subscribe owner/repo")
    (body, callback), header = taken.told[0], taken.told[0][0]["header"]
    assert (body["schema"], header["event_type"], callback) == ("2.0", "im.message.receive_v1", False)
    assert (header["app_id"], header["token"], header["tenant_key"]) == (APP_ID, "verification-token", "tenant_1")
    told = body["event"]["message"]
    assert json.loads(told["content"]) == {"text": "@_user_1 subscribe owner/repo"}
    assert [(m["key"], m["id"]["open_id"]) for m in told["mentions"]] == [("@_user_1", BOT)]
    assert (told["chat_id"], told["chat_type"], told["message_type"]) == ("oc_1", "group", "text")
    assert body["event"]["sender"]["sender_id"]["open_id"] == USER
    assert server.tops("oc_1") == [message]


def test_somebody_writes_a_rich_text_and_to_the_bot_alone(server, taken):
    server.say("help", rich=True)
    line = json.loads(taken.event["message"]["content"])["content"][0]
    assert [part["tag"] for part in line] == ["at", "text"]
    assert server.shown(server.tops("oc_1")[0]) == " help"
    server.say("help", server.p2p().name)
    told = taken.event["message"]
    assert (told["chat_type"], json.loads(told["content"]), told["mentions"]) == ("p2p", {"text": "help"}, [])


def test_who_is_not_mentioned_is_only_told_with_a_right(server, taken):
    server.say("hello", mention=False)
    assert len(taken.told) == 1
    server.scopes.discard("im:message.group_msg")
    server.say("hello", mention=False)
    assert len(taken.told) == 1
    assert len(server.tops("oc_1")) == 2


def test_somebody_answers_in_a_topic(server, taken, bot):
    root = bot.send()["data"]["message_id"]
    server.say("help", thread=root)
    told = taken.event["message"]
    assert told["root_id"] == told["parent_id"] == root
    assert told["thread_id"] == server.tops("oc_1")[0]["thread_id"]
    server.group("oc_2").topics = False
    plainly = bot.send(chat="oc_2")["data"]["message_id"]
    server.say("help", "oc_2", thread=plainly)
    assert "thread_id" not in taken.event["message"]
    assert taken.event["message"]["root_id"] == plainly


def test_an_event_can_come_twice(server, taken):
    message = server.say("help", message_id="om_x")
    assert server.say("help", message_id="om_x") == message
    (first, _), (second, _) = taken.told
    assert first["event"] == second["event"]
    assert first["header"]["event_id"] != second["header"]["event_id"]
    assert len(server.tops("oc_1")) == 1


def test_somebody_presses_a_button(server, taken, bot):
    bot.card(
        columns(button("Go", name="go")),
        button("Open", behaviors=[{"type": "open_url", "default_url": "https://x.org"}]),
    )
    (message,) = server.tops("oc_1")
    assert server.press(message, "Go").code == 200
    body, callback = taken.told[0]
    assert (body["header"]["event_type"], callback) == ("card.action.trigger", True)
    assert taken.event["action"] == {"tag": "button", "value": {"line": "x"}, "name": "go"}
    assert taken.event["context"] == {"open_message_id": message["message_id"], "open_chat_id": "oc_1"}
    assert taken.event["operator"]["open_id"] == USER
    for label in ("Open", "Stop"):
        with pytest.raises(AssertionError):
            server.press(message, label)


def test_a_callback_is_answered_with_words_and_a_card(server, taken, bot):
    bot.card(button())
    (message,) = server.tops("oc_1")
    taken.data = {"toast": {"type": "info", "content": "Done"}, "card": {"type": "raw", "data": card(md("after"))}}
    server.press(message, "Go")
    assert server.toasts == [(USER, "Done")]
    assert server.shown(message) == "after"
    assert server.violations == []


@pytest.mark.parametrize(
    "data",
    [
        {"text": "x"},
        {"toast": {"type": "loud", "content": "x"}},
        {"toast": {"type": "info"}},
        {"card": card(md("after"))},
        {"card": {"type": "template", "data": card(md("after"))}},
        {"card": {"type": "raw", "data": card({"tag": "video"})}},
        {"card": {"type": "raw", "data": card(md("<at id=ou_1></at>"))}},
    ],
)
def test_a_wrong_answer_to_a_callback_is_written_down(server, taken, bot, data):
    bot.card(button())
    taken.data = data
    server.press(server.tops("oc_1")[0], "Go")
    assert len(server.violations) == 1


def test_a_late_answer_to_a_callback_does_nothing(server, taken, bot):
    bot.card(button())
    taken.data = {"toast": {"type": "info", "content": "Done"}}
    taken.seconds = limits.CALLBACK_SECONDS.feishu + 0.1
    server.press(server.tops("oc_1")[0], "Go")
    assert server.toasts == []


def filled(*elements):
    return form(
        {"tag": "input", "name": "words", "default_value": "x", "max_length": 3},
        {"tag": "input", "name": "more"},
        select(initial_index=2),
        several(selected_values=["1"]),
        {"tag": "picker_time", "name": "at", "initial_time": "09:30"},
        *elements,
    )


def test_somebody_sends_a_form_off(server, taken, bot):
    bot.card(filled())
    (message,) = server.tops("oc_1")
    server.submit(message, {})
    shown_ = {"words": "x", "more": "", "one": "2", "many": ["1"], "at": "09:30 +0800"}
    action = taken.event["action"]
    assert (action["form_value"], action["name"], action["tag"]) == (shown_, "ok", "button")
    server.submit(message, {"words": "", "one": "1", "many": ["1", "2"], "at": "10:00"})
    assert taken.event["action"]["form_value"] == {
        "words": "",
        "more": "",
        "one": "1",
        "many": ["1", "2"],
        "at": "10:00 +0800",
    }


@pytest.mark.parametrize("values", [{"other": "x"}, {"words": "xxxx"}, {"one": "3"}, {"many": ["3"]}, {"must": ""}])
def test_a_form_lets_nobody_send_what_it_cannot_hold(server, taken, bot, values):
    bot.card(filled({"tag": "input", "name": "must", "required": True, "default_value": "x"}))
    with pytest.raises(AssertionError):
        server.submit(server.tops("oc_1")[0], values)
    assert taken.told == []


def test_a_form_can_bring_a_value_of_its_own(server, taken, bot):
    made = form(select(initial_option="1"))
    made["elements"][-1]["behaviors"] = [{"type": "callback", "value": {"kept": "x"}}]
    bot.card(made)
    server.submit(server.tops("oc_1")[0], {})
    assert taken.event["action"]["value"] == {"kept": "x"}


def test_the_bot_comes_and_goes(server, taken):
    server.add_bot("oc_new")
    server.remove_bot("oc_new")
    server.dissolve("oc_1")
    kinds = [body["header"]["event_type"] for body, _ in taken.told]
    assert kinds == ["im.chat.member.bot.added_v1", "im.chat.member.bot.deleted_v1", "im.chat.disbanded_v1"]
    assert [body["event"]["chat_id"] for body, _ in taken.told] == ["oc_new", "oc_new", "oc_1"]
    assert BOT not in server.group("oc_new").members


def test_people_reach_the_bot_over_the_long_connection(server, frames):
    with Link(server, frames) as link:
        with meanwhile(server.say, "help"):
            told = link.take()["event"]["message"]
        assert told["message_id"] == server.tops("oc_1")[0]["message_id"]
        message = server.say("again", wait=False)
        assert link.take()["event"]["message"]["message_id"] == message["message_id"]
        with meanwhile(server.add_bot, "oc_3"):
            assert link.take()["event"]["chat_id"] == "oc_3"


# --- With lark_oapi --------------------------------------------------------------------------


@pytest.fixture
def client(server):
    import lark_oapi
    from lark_oapi.core.token.manager import TokenManager

    TokenManager.cache.cache.clear()
    return lark_oapi.Client.builder().app_id(APP_ID).app_secret(APP_SECRET).domain(server.root).build()


def test_the_client_of_feishu_understands_the_server(server, client):
    from lark_oapi.api.im import v1

    body = v1.CreateMessageRequestBody.builder().receive_id("oc_1").msg_type("interactive").uuid("u1")
    body = body.content(json.dumps(card(md()))).build()
    sent = client.im.v1.message.create(
        v1.CreateMessageRequest.builder().receive_id_type("chat_id").request_body(body).build()
    )
    assert sent.data.message_id == server.tops("oc_1")[0]["message_id"]
    body = (
        v1.ReplyMessageRequestBody.builder().msg_type("text").content('{"text":"x"}').reply_in_thread(True).uuid("u2")
    )
    request = v1.ReplyMessageRequest.builder().message_id(sent.data.message_id).request_body(body.build()).build()
    assert client.im.v1.message.reply(request).data.root_id == sent.data.message_id
    request = v1.ListMessageRequest.builder().container_id_type("chat").container_id("oc_1").page_size(1).build()
    listed = client.im.v1.message.list(request).data
    assert [item.message_id for item in listed.items] == [sent.data.message_id]
    file = io.BytesIO(b"text\r\n")
    file.name = "日报.md"
    body = v1.CreateFileRequestBody.builder().file_type("stream").file_name("日报.md").file(file).build()
    key = client.im.v1.file.create(v1.CreateFileRequest.builder().request_body(body).build()).data.file_key
    assert server.uploads[key] == ("日报.md", b"text\r\n")
    assert server.violations == []
    server.errors[f"{IM}/messages"] = 230002
    assert client.im.v1.message.list(request).code == 230002


def dispatched(headers, raw, key="key", token="token"):
    """What lark_oapi makes of a request, and what it hands over."""
    import lark_oapi
    from lark_oapi.core.model import RawRequest

    got = []
    handler = lark_oapi.EventDispatcherHandler.builder(key, token)
    handler = handler.register_p2_im_message_receive_v1(got.append).build()
    request = RawRequest()
    request.uri, request.headers, request.body = "/", headers, raw
    return handler.do(request).status_code, [event.event.message.message_id for event in got]


def test_an_event_over_http_is_encrypted_and_signed(server, taken):
    message = server.say("help")
    body = taken.told[0][0]
    headers, raw = signed(body, "key", token="token", timestamp=1_000.9, nonce="abc")
    assert dispatched(headers, raw) == (200, [message["message_id"]])
    assert dispatched(headers | {"X-Lark-Request-Nonce": "x"}, raw) == (500, [])
    assert dispatched(headers, raw, key="other") == (500, [])
    assert b"help" not in raw
    expected = hashlib.sha256(b"1000abckey" + raw).hexdigest()
    assert (headers["X-Lark-Request-Timestamp"], headers["X-Lark-Signature"]) == ("1000", expected)
    bare, plainly = signed(body, "")
    assert json.loads(plainly) == body
    assert set(bare) == {"Content-Type"}
    challenge = {"type": "url_verification", "challenge": "c"}
    assert json.loads(signed(challenge, "", token="t")[1]) == challenge | {"token": "t"}


# --- As a process ----------------------------------------------------------------------------


def test_it_serves_alone():
    command = [sys.executable, str(Path(feishu_server.__file__)), "--groups", "oc_1,oc_9", "--speed", "2"]
    root = str(Path(feishu_server.__file__).parents[1])
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env={"PYTHONPATH": root}) as process:
        server = type("Address", (), {"root": process.stdout.readline().strip()})
        Bot(server).send(chat="oc_9")
        with urlopen(f"{server.root}/_/stats") as answer:
            assert json.load(answer)["messages"] == {"oc_1": 0, "oc_9": 1}
        with urlopen(f"{server.root}/_/messages") as answer:
            told = json.load(answer)
        assert (told["messages"]["oc_9"][0]["uuid"], told["violations"], told["unknown"]) == ("n1", [], [])
        process.stdin.close()
        assert process.wait(10) == 0


def test_it_answers_many_at_once(server):
    bot = Bot(server)
    with ThreadPoolExecutor(32) as pool:
        codes = list(pool.map(lambda n: bot.send(uuid=f"u{n % 50}")["code"], range(100)))
    assert codes == [0] * 100
    assert len(server.tops("oc_1")) == 50


def test_its_threads_end_with_it(time):
    before = threading.active_count()
    with FeishuServer(time) as server, socket.create_connection(urlsplit(server.root).netloc.split(":")):
        assert threading.active_count() > before
    until = real_time.monotonic() + 5
    while threading.active_count() > before and real_time.monotonic() < until:
        real_time.sleep(0.001)
    assert threading.active_count() <= before
