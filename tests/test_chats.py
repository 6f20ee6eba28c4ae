"""The contract of chats, held by the terminal, Slack and Feishu alike: the real clients against strict servers."""

import io
import threading
import time as real_time

import feishu_server
import pytest
from chat_contract import ChatContract, Recorder, RemoteChatContract
from feishu_server import FeishuServer
from slack_server import APP_TOKEN, TEAM, TOKEN, SlackServer, Time
from test_slack import words

from adapters.chats.feishu.calls import Api
from adapters.chats.feishu.chat import FeishuChat
from adapters.chats.feishu.transports import LongConnection
from adapters.chats.slack.chat import SlackChat
from adapters.chats.slack.transports import Socket
from adapters.chats.slack.workspaces import OneWorkspace
from adapters.chats.terminal import HOME, Terminal, console
from bot.texts import Texts
from bot.values import Place


def asked(chat, server, ask):
    """What a listener is told of while `ask` asks something."""
    told = Recorder()
    listening = threading.Thread(target=chat.listen, args=(told,), daemon=True)
    listening.start()
    try:
        server.socket.wait_connected()
        ask()
        until = real_time.monotonic() + 30
        while not told.requests:
            assert real_time.monotonic() < until, "nothing was told"
            real_time.sleep(0.01)
    finally:
        chat.close()
        listening.join(10)
    assert not listening.is_alive()
    (request,) = told.requests
    return request


class TerminalRoom:
    place = HOME

    def __init__(self):
        self.out = io.StringIO()
        self.lines = []
        self.chat = Terminal(console(self.out), Texts("en"), lines=iter(lambda: self.lines.pop(0), None))

    def all(self):
        return self.out.getvalue()

    def beneath(self, thread):
        """What is shown when somebody opens the thread."""
        before = len(self.out.getvalue())
        self.lines += [f"thread {thread.thread}", "back", "exit"]
        self.chat.listen(Recorder())
        return self.out.getvalue()[before:]

    def files(self, thread):
        return [line.split(" (")[0] for line in self.beneath(thread).splitlines() if line.endswith(" bytes)")]

    def ask(self, line):
        told = Recorder()
        self.lines += [line, "exit"]
        self.chat.listen(told)
        (request,) = told.requests
        return request


class SlackRoom:
    place, nowhere = Place("slack", "T1/C1"), Place("slack", "T1/C404")

    def __init__(self, server, time):
        self.server, self.time = server, time
        self.chat = self.other()

    def other(self):
        transport = Socket(APP_TOKEN, self.server.url)
        clock = {"clock": self.time, "sleep": self.time.sleep, "now": self.time}
        return SlackChat(OneWorkspace(TOKEN, self.server.url), transport, **clock)

    def _messages(self, thread):
        return [m for m in self.server.channels["C1"].messages if thread is None or m.get("thread_ts") == thread.thread]

    def all(self):
        return self.beneath(None)

    def beneath(self, thread):
        return "\n".join(words(m["blocks"]) for m in self._messages(thread) if "blocks" in m)

    def files(self, thread):
        return [f["name"] for m in self._messages(thread) for f in m.get("files", ())]

    def remove(self, thread):
        channel = self.server.channels["C1"]
        channel.messages = [m for m in channel.messages if m["ts"] != thread.thread]

    def ask(self, line):
        server = self.server

        def say():
            server.socket.send(server.socket.envelope("events_api", server.mention(line)))

        return asked(self.chat, server, say)


class FeishuRoom:
    place, nowhere = Place("feishu", "oc_1"), Place("feishu", "oc_404")

    def __init__(self, server, time):
        self.server, self.time = server, time
        self.chat = self.other()

    def other(self):
        api = Api(feishu_server.APP_ID, feishu_server.APP_SECRET, self.server.root, self.time)
        return FeishuChat(api, LongConnection(api), clock=self.time, sleep=self.time.sleep, now=self.time)

    def _messages(self, thread):
        return self.server.thread("oc_1", thread.thread) if thread else self.server.groups["oc_1"].messages

    def all(self):
        return self.beneath(None)

    def beneath(self, thread):
        return "\n".join(self.server.shown(m) for m in self._messages(thread) if m["msg_type"] == "interactive")

    def files(self, thread):
        return [self.server.shown(m) for m in self._messages(thread) if m["msg_type"] == "file"]

    def remove(self, thread):
        self.server.recall(thread.thread)

    def ask(self, line):
        return asked(self.chat, self.server, lambda: self.server.say(line))


class TestTerminal(ChatContract):
    @pytest.fixture
    def room(self):
        return TerminalRoom()


class TestSlack(RemoteChatContract):
    @pytest.fixture
    def room(self):
        time = Time()
        with SlackServer(time) as server:
            assert TEAM == "T1"
            yield SlackRoom(server, time)
            assert (server.unknown, server.violations, server.impatient) == ([], [], [])


class TestFeishu(RemoteChatContract):
    @pytest.fixture
    def room(self):
        time = Time()
        with FeishuServer(time) as server:
            yield FeishuRoom(server, time)
            assert (server.unknown, server.violations) == ([], [])
