"""What people type arrives as the same words from every chat, however its server writes it down."""

import html
import json
import re
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from adapters.chats.feishu.inbound import Inbound as Feishu
from adapters.chats.slack.inbound import Inbound as Slack
from adapters.chats.terminal import Terminal, console
from bot.conversation.grammar import is_call, words
from bot.texts import Texts

TYPED = tomllib.loads((Path(__file__).parent / "data/typed.toml").read_text(encoding="utf-8"))
OPTIONS = ("followed", "refused_options", "calendar", "refused_calendar")
WHOLE, KEYS = ("asked", "followed", "several"), ("near", "calendar")
"""Tables whose lines are their keys and values, and their keys alone; those of the others are their values."""
LINES = sorted(
    {
        f"subscribe team/app {line}" if kind in OPTIONS else line
        for kind, table in TYPED.items()
        for meant, typed in table.items()
        for line in ([meant] if kind in KEYS else [meant, *typed] if kind in WHOLE else typed)
    }
)
BOT = "U0BOT"
# docs.slack.dev, "Formatting message text": three characters are entities, and what looks like an address is a link.
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
ADDRESS = re.compile(
    r"(?P<mail>[\w.+-]+@[\w-]+\.(?:dev|com))|(?P<url>https?://[!-~]+)|(?P<host>(?<![\w/.@-])[\w-]+\.(?:md|py|rs|dev|io)\b)"
)


class Taken:
    """Takes what an adapter makes of events, at once and in the same thread."""

    def __init__(self):
        self.lines = []

    def accept(self, work, ack=lambda: None):
        ack()
        work()

    def answer(self, request, *_):
        self.lines.append(request.text)

    def request(self, request, *_):
        self.lines.append(request.text)


def as_slack(typed: str) -> str:
    """What Slack's server makes of a typed line."""
    text = "".join(ENTITIES.get(sign, sign) for sign in typed)

    def link(found: re.Match[str]) -> str:
        if found["mail"]:
            return f"<mailto:{found[0]}|{found[0]}>"
        return f"<{found[0]}>" if found["url"] else f"<http://{found[0]}|{found[0]}>"

    return ADDRESS.sub(link, text)


def of_slack(typed: str) -> list[str]:
    """The line of a slash command, of a mention, and of a direct message."""
    kinds = dict.fromkeys(("command", "event", "action", "view", "shortcut"), lambda _: lambda handler: handler)
    slack = Slack(
        SimpleNamespace(**kinds),
        SimpleNamespace(waits=lambda *_: None),
        lambda *_: None,
        SimpleNamespace(),
        lambda _: None,
        note=lambda *_: None,
    )
    slack.inbox = taken = Taken()
    text = as_slack(typed)
    slash = {"team_id": "T1", "channel_id": "C1", "user_id": "U1", "trigger_id": "1", "text": text}
    slack._on_command(lambda *_: None, slash)
    event = {"user": "U1", "channel": "C1", "ts": "1.000001", "text": f"<@{BOT}> {text} <@U2|ann>"}
    slack._on_mention({"team_id": "T1", "event": event}, {"bot_user_id": BOT})
    slack._on_message({"team_id": "T1", "event": {**event, "channel_type": "im", "text": text}})
    return taken.lines


def of_feishu(typed: str) -> list[str]:
    """The line of a text, and of a text with styles in which what looks like an address is a link."""
    feishu = Feishu(SimpleNamespace(me=lambda: "ou_bot", post=None, note=lambda *_: None), SimpleNamespace())
    feishu.inbox = taken = Taken()
    mention = {"key": "@_user_1", "id": {"open_id": "ou_bot"}, "mentioned_type": "bot"}

    def write(kind: str, content: object) -> None:
        message = {"message_type": kind, "content": json.dumps(content), "mentions": [mention], "chat_id": "oc_1"}
        sent = {"message": message | {"message_id": "om_1"}, "sender": {"sender_type": "user"}}
        feishu.take({"header": {"event_type": "im.message.receive_v1", "event_id": "1"}, "event": sent})

    write("text", {"text": f"@_user_1 {typed}"})
    leaves = [{"tag": "at", "user_id": "@_user_1"}, {"tag": "text", "text": " "}]
    rest = 0
    for found in ADDRESS.finditer(typed):
        leaves.append({"tag": "text", "text": typed[rest : found.start()]})
        href = found[0] if found["url"] else f"{'mailto:' if found['mail'] else 'http://'}{found[0]}"
        leaves.append({"tag": "a", "href": href, "text": found[0]})
        rest = found.end()
    write("post", {"title": "", "content": [[*leaves, {"tag": "text", "text": typed[rest:]}]]})
    return taken.lines


def of_terminal(typed: str) -> list[str]:
    """The line of an open terminal."""
    taken = Taken()
    Terminal(console(), Texts("en"), lines=iter([typed])).listen(
        SimpleNamespace(request=taken.request, text=lambda *_: "")
    )
    return taken.lines


def said(line: str) -> list[str]:
    """The words of a line but for those that only call somebody."""
    return [word for word in words(line) if not is_call(word)]


@pytest.mark.parametrize("way", [of_slack, of_feishu, of_terminal])
def test_a_line_arrives_as_the_same_words(way):
    assert len(LINES) > 300
    wrong = {line: got for line in LINES for got in way(line) if said(got) != said(line)}
    assert wrong == {}


def test_the_ways_make_something_of_it():
    typed = "search README.md a@b.dev <x> & y"
    assert as_slack(typed) != html.unescape(as_slack(typed)) != typed
    assert [len(way(typed)) for way in (of_slack, of_feishu, of_terminal)] == [3, 2, 1]
    assert words(of_feishu(typed)[1])[:3] == ["search", "README.md", "a@b.dev"]
