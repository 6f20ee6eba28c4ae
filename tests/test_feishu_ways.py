"""Both ways in from Feishu: a persistent connection that fails in every way it can, and HTTP; and the doctor."""

import asyncio
import gc
import json
import socket
import threading
import time as real_time
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPConnection

import feishu_server
import forkserver
import pytest
from click.testing import CliRunner
from feishu_limits import EVENT_SECONDS
from feishu_server import APP_ID, APP_SECRET, USER, VERIFICATION, Ack, FeishuServer, Time, signed
from service import ROOT, environment, feishu_settings
from world import World, busy_day

from adapters.chats import inbox
from adapters.chats.feishu import calls, transports
from adapters.chats.feishu.calls import Api
from adapters.chats.feishu.chat import FeishuChat, from_settings
from adapters.chats.feishu.doctor import SCOPES
from adapters.chats.feishu.sdk import sdk
from adapters.chats.feishu.settings import FeishuSettings
from adapters.chats.feishu.transports import Http, LongConnection
from bot.cli import cli
from bot.delivery.sending import deliver
from bot.errors import ConfigError, Unavailable
from bot.texts import Texts
from bot.values import Place

GROUP = Place("feishu", "oc_1")
OFTEN = (0.05,) * 60
"""Events are pushed again and again, so that none is given up while its connection is cut."""


@pytest.fixture
def server():
    with FeishuServer(Time(), retries=OFTEN) as running:
        running.date = real_time.time  # processes of the real program have the real clock
        yield running
        assert (running.unknown, running.violations) == ([], [])


@pytest.fixture
def world(tmp_path, clock):
    made = World(tmp_path, clock)
    yield made
    made.close()


@pytest.fixture
def swift(monkeypatch):
    """Lost connections are replaced at once."""
    monkeypatch.setattr(transports, "_LONGEST", 0.02)


def chat_of(server, transport=None, secret=APP_SECRET, **more):
    time = server._clock
    api = Api(APP_ID, secret, server.root, now=time)
    way = transport or LongConnection(api, **more)
    return FeishuChat(api, way, clock=time, sleep=time.sleep, now=time)


@contextmanager
def listening(chat, world, within=5.0):
    """A chat that listens while this lasts, and ends `within` seconds."""
    failed = []

    def listen():
        try:
            chat.listen(world.host(chat))
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        begun = real_time.monotonic()
        chat.close()
        thread.join(10)
    assert not thread.is_alive()
    assert real_time.monotonic() - begun < within
    assert failed == []


def wait(found, seconds=30.0):
    """What `found` returns once it is something."""
    until = real_time.monotonic() + seconds
    while not (seen := found()):
        assert real_time.monotonic() < until, "nothing came"
        real_time.sleep(0.005)
    return seen


def idle(chat):
    wait(lambda: chat._inbound and chat._inbound.inbox.idle)


def answered(server, chat="oc_1"):
    """How often each message was answered, by its id."""
    replied = [m["root_id"] for m in server.group(chat).messages if m["sender"]["id"] == APP_ID and m.get("root_id")]
    return {name: replied.count(name) for name in replied}


def once(asked):
    return {message["message_id"]: 1 for message in asked}


# --- The persistent connection: its beginning and its end ------------------------------------


def test_an_application_that_feishu_does_not_know_is_told_at_once(server, world):
    chat = chat_of(server, secret="not-the-secret")
    with pytest.raises(ConfigError) as refused:
        chat.listen(world.host(chat))
    assert refused.value.key == "feishu_secret"
    assert "FEISHU_APP_SECRET" in Texts("en").error(refused.value)
    assert "not-the-secret" not in repr(refused.value)
    assert server.socket.opened == 0


def test_an_application_without_a_long_connection_is_told_at_once(server):
    with pytest.raises(ConfigError) as refused:
        LongConnection(Api(APP_ID, "not-the-secret", server.root)).run(lambda _: {})
    assert (refused.value.key, refused.value.fields) == ("feishu_no_connection", {"error": 514})


def test_nothing_is_left_of_a_connection_and_another_can_follow_in_the_same_process(server, world):
    client = sdk().ws
    before = set(threading.enumerate())
    client.loop = imported = asyncio.new_event_loop()  # as importing it makes one
    for _ in range(3):
        chat = chat_of(server)
        with listening(chat, world, within=5):
            asked = server.say("help")
            idle(chat)
            assert answered(server)[asked["message_id"]] == 1
            assert len([t for t in threading.enumerate() if t.name == "feishu"]) == 1
        wait(lambda: server.socket.connections == 0)
        assert client.loop.is_closed()
        assert asyncio.all_tasks(client.loop) == set()
    assert imported.is_closed()
    wait(lambda: set(threading.enumerate()) <= before)
    gc.collect()  # what was not closed would warn


def test_what_is_stopped_before_it_begins_ends_at_once(server):
    way = LongConnection(Api(APP_ID, APP_SECRET, server.root))
    way.stop()
    begun = real_time.monotonic()
    way.run(lambda _: {})
    assert real_time.monotonic() - begun < 5
    assert server.socket.opened == 0


def test_an_endpoint_that_does_not_answer_keeps_nobody_from_ending(server, world):
    server.hang_endpoint = True
    with listening(chat_of(server), world, within=5):
        wait(lambda: [r for r in server.requests if r.endswith("/endpoint")] or server.hang_endpoint)
        real_time.sleep(0.3)
    server.hang_endpoint = False
    wait(lambda: not [t for t in threading.enumerate() if t.name == "feishu"])
    assert server.socket.opened == 0


def test_a_connection_that_is_only_half_opened_keeps_nobody_from_ending(server, world, monkeypatch):
    """Somebody takes the connection, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"ws://127.0.0.1:{silent.getsockname()[1]}/ws?device_id=d&service_id=1"
        monkeypatch.setattr(server.socket, "ticket", lambda: address)
        monkeypatch.setattr(transports, "_STOP", 0.5)
        with listening(chat_of(server), world, within=5):
            silent.accept()[0].close()
            link, _ = silent.accept()
        link.close()
        wait(lambda: not [t for t in threading.enumerate() if t.name == "feishu"], 12)


# --- The persistent connection: when it fails ------------------------------------------------


def test_an_endpoint_that_is_down_is_asked_until_it_is_back_and_that_is_said_once(server, world, swift, caplog):
    server.endpoint_down = True
    with listening(chat_of(server), world):
        wait(lambda: sum(r.endswith("/endpoint") for r in server.requests) > 5)
        server.endpoint_down = False
        asked = server.say("help")
        wait(lambda: answered(server) == once([asked]))
    assert caplog.text.count("persistent connection") == 1


@pytest.mark.parametrize(
    "body", [b"[1]", b"null", b'"text"', b'{"code": 0}', b'{"code": "x"}', b"\xff", b"<html>", b""]
)
def test_whatever_the_endpoint_answers_it_is_asked_again(server, world, swift, monkeypatch, body):
    respond = server._respond

    def odd(method, parts, *more):
        said = respond(method, parts, *more)
        return (200, body, {}) if parts.path.endswith("/endpoint") and odd.on else said

    odd.on = True
    monkeypatch.setattr(server, "_respond", odd)
    with listening(chat_of(server), world) as thread:
        wait(lambda: sum(r.endswith("/endpoint") for r in server.requests) > 3)
        assert thread.is_alive()
        odd.on = False
        asked = server.say("help")
        wait(lambda: answered(server) == once([asked]))


def test_a_connection_that_ends_by_itself_is_no_end_that_was_asked_for(server, monkeypatch):
    way = LongConnection(Api(APP_ID, APP_SECRET, server.root))
    monkeypatch.setattr(way, "_stay", lambda take: None)
    with pytest.raises(Unavailable):
        way.run(lambda _: {})


def test_a_secret_that_is_revoked_while_connected_is_said_once_and_tried_without_haste(
    server, world, monkeypatch, caplog
):
    monkeypatch.setattr(transports, "_STEADY", 0.2)
    monkeypatch.setattr(transports, "_LONGEST", 0.3)
    with listening(chat_of(server), world):
        server.socket.wait_connected()
        real_time.sleep(0.3)
        server.errors["POST /callback/ws/endpoint"] = 514
        server.socket.drop()
        wait(lambda: sum(r.endswith("/endpoint") for r in server.requests) > 3)
        begun, before = real_time.monotonic(), len(server.requests)
        real_time.sleep(0.5)
        assert len(server.requests) - before <= (real_time.monotonic() - begun) / 0.1
        server.errors.clear()
        asked = server.say("help")
        wait(lambda: answered(server) == once([asked]))
    assert [r.args for r in caplog.records if "persistent connection" in r.message] == [(0,), (514,)]
    assert APP_SECRET not in caplog.text


def test_an_endpoint_that_answers_nothing_is_no_connection_that_lasted(server, monkeypatch, caplog):
    monkeypatch.setattr(transports, "_STEADY", 0.1)
    monkeypatch.setattr(transports, "_LONGEST", 0.01)
    monkeypatch.setattr(calls, "TIMEOUT", 0.2)
    server.hang_endpoint = True
    way = LongConnection(Api(APP_ID, APP_SECRET, server.root))
    running = threading.Thread(target=way.run, args=(lambda _: {},), daemon=True)
    running.start()
    real_time.sleep(1)
    way.stop()
    running.join(5)
    server.hang_endpoint = False
    assert caplog.text.count("persistent connection") == 1


@pytest.mark.parametrize("failures", [0, 1, 5, 100, 100_000])
def test_the_pause_between_two_tries_grows_to_half_a_minute_and_no_further(failures):
    assert 0.1 <= transports._pause(failures) <= 30
    assert failures < 100 or transports._pause(failures) >= 15


class Sleeps:
    """A sleep that lasts until it is told that its time has passed."""

    def __init__(self):
        self.begun = 0
        self._asleep = []

    async def __call__(self, seconds):
        loop = asyncio.get_running_loop()
        woken = loop.create_future()
        self._asleep.append((loop, woken))
        self.begun += 1
        await woken

    def end(self):
        """Let the next sleep end, once somebody sleeps; how many had begun by then."""
        loop, woken = wait(self._next)
        begun = self.begun
        loop.call_soon_threadsafe(lambda: woken.done() or woken.set_result(None))
        return begun

    def _next(self):
        while self._asleep:
            loop, woken = self._asleep.pop(0)
            if not woken.done():
                return loop, woken
        return None


def test_a_connection_that_looks_open_but_is_dead_is_noticed_and_replaced(server, world, swift):
    sleeps = Sleeps()
    chat = chat_of(server, sleep=sleeps)
    with listening(chat, world):
        server.socket.wait_connected(seconds=60)  # the first one waits for the import of the SDK
        for n in range(2, 5):
            begun = sleeps.end()  # a ping, which is answered before the time for it has passed
            wait(lambda begun=begun: sleeps.begun >= begun + 2)
            assert server.socket.opened == n - 1
            server.socket.freeze()
            asked = server.say("help", wait=False)  # which waits for another connection
            sleeps.end()  # a ping
            sleeps.end()  # which is not answered
            wait(lambda asked=asked: answered(server).get(asked["message_id"]))
            idle(chat)
            assert answered(server)[asked["message_id"]] == 1
            assert server.socket.opened == n
        wait(lambda: len(server.socket._links) == 1)
    gc.collect()


def test_a_connection_that_the_other_side_ends_is_replaced(server, world, swift):
    chat = chat_of(server)
    with listening(chat, world):
        for n in range(1, 4):
            asked = server.say("help")
            idle(chat)
            assert answered(server)[asked["message_id"]] == 1
            assert server.socket.opened == n
            for link in list(server.socket._links):
                link.close()
            wait(lambda n=n: server.socket.opened == n + 1)


def test_events_whose_acknowledgement_is_cut_off_come_again_and_are_answered_once(server, world, swift):
    chat = chat_of(server)
    with listening(chat, world):
        server.socket.wait_connected()
        server.socket.drop_before_ack = 5
        asked = [server.say("help", wait=False) for _ in range(8)]
        wait(lambda: server.socket.unacked == 0)
        idle(chat)
        assert server.socket.drop_before_ack == 0
        assert answered(server) == once(asked)


def test_fifty_cuts_among_commands_and_a_delivery_lose_nothing_and_double_nothing(server, tmp_path, clock, swift):
    history = busy_day(tmp_path / "repo")
    world = World(tmp_path, clock, allow=[str(history.path)])
    (post,) = world.ask(f"2026-02-18 {history.path}", GROUP)
    server.add_group("oc_calm")
    chat = chat_of(server)
    deliver(chat, replace(GROUP, channel="oc_calm"), post, Texts("en"))
    asked, threads, connections = [], set(), set()
    with listening(chat, world):
        delivering = threading.Thread(target=deliver, args=(chat, GROUP, post, Texts("en")), daemon=True)
        for n in range(50):
            server.socket.wait_connected()
            connections.add(server.socket.connections)
            if n == 5:
                delivering.start()
            asked.append(server.say("help", wait=False))
            server.socket.drop_before_ack = int(n % 3 == 0)
            real_time.sleep(0.002 * (n % 5))
            server.socket.drop()
            threads.add(len([t for t in threading.enumerate() if t.name == "feishu"]))
        wait(lambda: server.socket.unacked == 0)
        delivering.join(10)
        idle(chat)
    world.close()
    assert server.socket.opened >= 50
    assert threads == {1}
    assert connections == {1}
    told = answered(server)
    assert {m["message_id"]: told.get(m["message_id"]) for m in asked} == once(asked)
    calm = [server.shown(m) for m in server.group("oc_calm").messages]
    (headline,) = [m for m in server.tops("oc_1") if m["sender"]["id"] == APP_ID]
    assert [server.shown(m) for m in (headline, *server.thread("oc_1", headline["message_id"]))] == calm
    assert len(calm) > 5


# --- The persistent connection: what comes over it -------------------------------------------


@pytest.mark.parametrize("kind", ["im.message.message_read_v1", "im.chat.updated_v1", "what.is.not.yet.thought.of"])
def test_events_that_nobody_waits_for_are_taken(server, world, kind):
    with listening(chat_of(server), world):
        assert server.deliver(server.event(kind, chat_id="oc_1")).code == 200


def test_an_event_in_many_pieces_is_put_together(server, world):
    server.socket.part = 100
    chat = chat_of(server)
    with listening(chat, world):
        server.say("help " + "x" * 3_000)
        idle(chat)
        (told,) = server.group("oc_1").private
        assert "characters" in server.shown(told)


def test_what_was_acknowledged_before_the_end_is_answered_and_the_rest_by_the_next_process(server, world, monkeypatch):
    held, answer = threading.Event(), world.interpreter.answer
    monkeypatch.setattr(world.interpreter, "answer", lambda request: held.wait(10) and answer(request))
    with listening(chat_of(server), world):
        taken = [server.say("help") for _ in range(20)]
        server.socket.drop_before_ack = 3
        cut = [server.say("help", wait=False) for _ in range(3)]
        wait(lambda: server.socket.drop_before_ack == 0)
        threading.Timer(0.3, held.set).start()
    rest = [server.say("help", wait=False) for _ in range(5)]
    told = answered(server)
    assert {m["message_id"]: told.get(m["message_id"]) for m in taken} == once(taken)
    assert not {m["message_id"] for m in rest} & set(told)
    chat = chat_of(server)
    with listening(chat, world):
        wait(lambda: server.socket.unacked == 0)
        idle(chat)
    assert answered(server) == once([*taken, *cut, *rest])


# --- HTTP ------------------------------------------------------------------------------------

KEY = "encrypt-key"


class Feishu:
    """A bot that Feishu calls, and how Feishu does."""

    def __init__(self, server, world, **more):
        time = server._clock
        self.server = server
        self.http = Http(KEY, VERIFICATION, "127.0.0.1", 0, now=time, **more)
        self.chat = chat_of(server, self.http)
        server.deliver = self.deliver

    def deliver(self, event, callback=False, wait=10.0):
        begun = real_time.monotonic()
        status, said = self.send(*self.signed(event))
        data = json.loads(said) if callback else None
        return Ack(status, data, real_time.monotonic() - begun)

    def signed(self, event, key=KEY, token=VERIFICATION, later=0.0):
        return signed(event, key, token=token, timestamp=self.server._clock() + later)

    def send(self, headers, body, method="POST", path="/feishu/events"):
        """Status and body of the answer."""
        link = HTTPConnection("127.0.0.1", self.http.port, timeout=10)
        try:
            link.request(method, path, body, headers)
            answer = link.getresponse()
            return answer.status, answer.read().decode()
        finally:
            link.close()

    def asks(self, text="help"):
        """Somebody's message, and the event that tells of it."""
        asked = self.server.group("oc_1").post_by(USER, f"/digest {text}")
        return asked, self.server.message_event(asked)

    def idle(self):
        wait(lambda: self.chat._inbound.inbox.idle)


@pytest.fixture
def feishu(server, world):
    made = Feishu(server, world)
    with listening(made.chat, world):
        assert made.http.listening.wait(10)
        yield made


def test_a_request_that_is_not_feishus_costs_one_line_of_all_and_never_a_traceback(feishu, caplog):
    bodies = (b"", b"\xff", b"{x", b"[" * 90_000, b'{"encrypt": 1}', b'{"encrypt": "%s"}' % (b"A" * 88), b"[]", b'""')
    for body in bodies:
        assert feishu.send({"X-Lark-Request-Timestamp": "1" * 5000}, body)[0] == 401
    headers, body = feishu.signed({"type": "event"})
    assert feishu.send(headers | {"X-Lark-Request-Timestamp": "1" * 5000}, body)[0] == 401
    refused = [(r.message, r.fields["latest"], r.exc_info) for r in caplog.records if r.name == "digest.web"]
    assert refused == [("requests were refused", "401 Unauthorized", None)]
    assert not any(record.exc_info for record in caplog.records)


def test_feishus_first_question_is_answered(feishu):
    asked = {"challenge": "abc-é", "type": "url_verification"}
    headers, body = feishu.signed(asked)
    assert feishu.send({"Content-Type": headers["Content-Type"]}, body) == (200, '{"challenge": "abc-é"}')
    assert feishu.send(*feishu.signed(asked, key="another"))[0] == 401
    assert feishu.send(*feishu.signed(asked, token="another"))[0] == 401


def test_messages_buttons_and_forms_come_over_http_too(feishu, server):
    server.say("subscribe")
    feishu.idle()
    (form,) = server.group("oc_1").private
    ack = server.submit(form, {"repo": "team/app", "zone": "Mars/Base"})
    assert (ack.code, ack.data["toast"]["type"], ack.seconds < EVENT_SECONDS.feishu) == (200, "error", True)
    server.say("settings")
    feishu.idle()
    (_, card) = server.group("oc_1").private
    ack = server.press(card, "Follow a repository")
    assert (ack.code, ack.data["toast"]["type"], ack.seconds < EVENT_SECONDS.feishu) == (200, "info", True)
    feishu.idle()
    assert len(server.group("oc_1").private) == 3
    assert server.deliver(server.event("not.thought.of")).code == 200


@pytest.mark.parametrize("twice", ["message", "button"])
def test_what_is_replayed_is_answered_and_done_once(feishu, server, twice):
    _, event = feishu.asks("settings")
    if twice == "button":
        server.deliver(event)
        feishu.idle()
        (card,) = server.group("oc_1").private
        events = []
        server.deliver = lambda event, **_: (events.append(event), Ack(0, None, 0))[1]
        server.press(card, "Follow a repository")
        (event,) = events
    sent = feishu.signed(event)
    assert [feishu.send(*sent)[0] for _ in range(3)] == [200, 200, 200]
    feishu.idle()
    assert len(server.group("oc_1").private) == (1 if twice == "message" else 2)


def test_headers_count_however_they_are_spelt(feishu, server):
    asked, event = feishu.asks()
    headers, body = feishu.signed(event)
    assert feishu.send({name.lower(): value for name, value in headers.items()}, body)[0] == 200
    feishu.idle()
    assert answered(server) == once([asked])


@pytest.mark.parametrize("later", [-290, 290])
def test_a_clock_that_is_some_minutes_off_is_no_harm(feishu, later):
    assert feishu.send(*feishu.signed(feishu.asks()[1], later=later))[0] == 200
    feishu.idle()


@pytest.mark.parametrize(
    "forge",
    [
        lambda f, e: f.signed(e, later=-310),
        lambda f, e: f.signed(e, later=310),
        lambda f, e: f.signed(e, later=-1e12),
        lambda f, e: f.signed(e, key="another"),
        lambda f, e: f.signed(e, key=""),
        lambda f, e: f.signed(e, token="another"),
        lambda f, e: f.signed({**e, "header": {n: v for n, v in e["header"].items() if n != "token"}}, token=""),
        lambda f, e: ({}, f.signed(e)[1]),
        lambda f, e: (f.signed(e)[0] | {"X-Lark-Signature": ""}, f.signed(e)[1]),
        lambda f, e: (f.signed(e)[0] | {"X-Lark-Signature": "0" * 64}, f.signed(e)[1]),
        lambda f, e: (f.signed(e)[0] | {"X-Lark-Signature": "\u00e9" * 64}, f.signed(e)[1]),
        lambda f, e: (f.signed(e)[0] | {"X-Lark-Request-Timestamp": "now"}, f.signed(e)[1]),
        lambda f, e: (f.signed(e)[0] | {"X-Lark-Request-Timestamp": "\u00b2\u00b9"}, f.signed(e)[1]),
        lambda f, e: (f.signed(e)[0] | {"X-Lark-Request-Nonce": "other"}, f.signed(e)[1]),
        lambda f, e: (f.signed(e)[0], f.signed(e)[1].replace(b'"}', b'" }')),
    ],
)
def test_a_request_that_is_not_feishus_is_refused_and_changes_nothing(feishu, server, forge, caplog):
    _, event = feishu.asks("subscribe team/app")
    status, said = feishu.send(*forge(feishu, event))
    assert (status, said) == (401, "{}")
    feishu.idle()
    assert answered(server) == {}
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"encrypt": null}',
        b'{"encrypt": 5}',
        b'{"encrypt": "!"}',
        b'{"encrypt": "AAAA"}',
        b'{"encrypt": "\xc3\xa9"}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_what_is_no_request_at_all_is_refused(feishu, body, caplog):
    assert feishu.send({}, body) == (401, "{}")
    assert not [record for record in caplog.records if record.exc_info]


def test_what_is_elsewhere_no_post_or_far_too_large_is_refused(feishu):
    sent = feishu.signed(feishu.asks()[1])
    assert feishu.send(*sent, path="/other")[0] == 404
    assert feishu.send(*sent, path="/feishu/events/more")[0] == 404
    assert feishu.send(*sent, method="GET")[0] == 405
    assert feishu.send(*sent, method="PUT")[0] == 405
    link = HTTPConnection("127.0.0.1", feishu.http.port, timeout=10)
    link.putrequest("POST", "/feishu/events")
    link.putheader("Content-Length", "1100000")
    link.endheaders()  # the body is not even waited for
    assert link.getresponse().status == 413
    link.close()


def test_what_is_too_much_at_once_is_to_be_pushed_again(feishu, server, monkeypatch):
    monkeypatch.setattr(inbox, "_WAITING", -inbox._WORKERS)
    asked, event = feishu.asks()
    assert server.deliver(event).code == 503
    monkeypatch.undo()
    assert server.deliver(event).code == 200
    feishu.idle()
    assert answered(server) == once([asked])


def test_a_port_that_is_taken_is_told(feishu, server):
    taken = Http(KEY, "", "127.0.0.1", feishu.http.port)
    with pytest.raises(ConfigError) as refused:
        chat_of(server, taken).listen(None)
    assert refused.value.key == "port_closed"
    assert "FEISHU_PORT" in Texts("en").error(refused.value)


# --- Settings --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({}, "feishu_no_app"),
        ({"feishu_app_id": APP_ID}, "feishu_no_app"),
        ({"feishu_app_secret": APP_SECRET}, "feishu_no_app"),
    ],
)
def test_what_is_missing_is_told_by_its_setting(given, key):
    with pytest.raises(ConfigError) as refused:
        from_settings(FeishuSettings(_env_file=None, **given))
    assert refused.value.key == key
    assert "FEISHU_" in Texts("en").error(refused.value)


def test_http_without_a_key_can_post_but_not_listen():
    given = {"feishu_app_id": APP_ID, "feishu_app_secret": APP_SECRET, "feishu_mode": "http"}
    chat = from_settings(FeishuSettings(_env_file=None, **given))
    with pytest.raises(ConfigError) as refused:
        chat._transport.run(lambda _: {})
    assert refused.value.key == "feishu_no_key"


def digest(tmp_path, *words, **settings):
    """The real program as a process: its exit code, and all that it says."""
    done = forkserver.run("-m", "bot", *words, cwd=ROOT, env=environment(tmp_path, **settings))
    assert APP_SECRET not in done.stdout + done.stderr
    return done.returncode, done.stdout + done.stderr


def test_the_program_does_not_start_with_http_that_anybody_could_call(tmp_path, server):
    code, said = digest(tmp_path, "run", FEISHU_MODE="http", **feishu_settings(server.root))
    assert code == 1
    assert "digest: Over HTTP, Feishu needs your application's Encrypt Key" in said
    assert "FEISHU_ENCRYPT_KEY" in said
    assert "Traceback" not in said


# --- The doctor ------------------------------------------------------------------------------


def doctor(monkeypatch, server, *options, **settings):
    for name, value in (feishu_settings(server.root) | settings).items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(cli, ["doctor", "feishu", *options])
    assert APP_SECRET not in result.output
    assert not result.exception or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


def test_the_doctor_finds_everything_well_and_posts_nothing(monkeypatch, server):
    code, said = doctor(monkeypatch, server, "--channel", "oc_1")
    assert code == 0, said
    assert said.count("✓") == len(said.splitlines()) == 4
    assert "Name of oc_1" in said
    assert server.group("oc_1").messages == []
    assert server.socket.opened == 0


def test_the_doctor_looks_at_no_group_that_it_is_not_asked_about(monkeypatch, server):
    code, said = doctor(monkeypatch, server)
    assert (code, said.count("✓")) == (0, 3)


@pytest.mark.parametrize("channel", ["C0123456789", "General", "oc_404"])
def test_the_doctor_looks_at_whatever_it_is_asked_about(monkeypatch, server, channel):
    code, said = doctor(monkeypatch, server, "--channel", channel)
    assert code == 1
    assert f"no Feishu group {channel}" in said


SCOPELESS = "im:message.p2p_msg:readonly"


@pytest.mark.parametrize(
    ("settings", "break_it", "told"),
    [
        ({"FEISHU_APP_ID": ""}, lambda s: None, "FEISHU_APP_ID"),
        ({"FEISHU_APP_SECRET": ""}, lambda s: None, "FEISHU_APP_SECRET"),
        ({"FEISHU_APP_SECRET": "wrong"}, lambda s: None, "FEISHU_APP_SECRET"),
        ({"FEISHU_APP_ID": "cli_other"}, lambda s: None, "FEISHU_APP_ID"),
        ({}, lambda s: s.scopes.discard(SCOPELESS), f"missing: {SCOPELESS}"),
        ({}, lambda s: s.scopes.clear(), "missing: im:message:send_as_bot, "),
        ({}, lambda s: s.groups.pop("oc_1"), "oc_1"),
        ({}, lambda s: s.group("oc_1").members.discard("ou_bot"), "add the bot"),
        ({}, lambda s: setattr(s.group("oc_1"), "dissolved", True), "oc_1"),
        ({}, lambda s: setattr(s, "endpoint_down", True), "Try again later"),
        ({}, lambda s: s.errors.update({"POST /callback/ws/endpoint": 514}), "FEISHU_MODE=http"),
        ({"FEISHU_MODE": "http"}, lambda s: None, "FEISHU_ENCRYPT_KEY"),
        ({}, lambda s: s.errors.update({"GET /open-apis/bot/v3/info": 230006}), "no bot"),
    ],
)
def test_the_doctor_says_what_to_do(monkeypatch, server, settings, break_it, told):
    break_it(server)
    code, said = doctor(monkeypatch, server, "--channel", "oc_1", **settings)
    assert (code, said.count("✗") > 0) == (1, True)
    assert told in said


def test_the_doctor_says_what_a_permission_would_be_good_for_that_is_not_needed(monkeypatch, server):
    server.scopes.discard("im:message.group_msg")
    code, said = doctor(monkeypatch, server)
    assert (code, said.count("!"), said.count("✗")) == (0, 1, 0)
    assert "With im:message.group_msg as well" in said


def test_a_wider_permission_stands_for_the_narrower_ones(monkeypatch, server):
    server.scopes = {"im:message", "im:message.group_msg", "im:message.p2p_msg:readonly", "im:resource", "im:chat"}
    code, said = doctor(monkeypatch, server, "--channel", "oc_1")
    assert (code, said.count("✓")) == (0, 4)


def test_the_doctor_says_where_feishu_is_to_call(monkeypatch, server):
    code, said = doctor(monkeypatch, server, FEISHU_MODE="http", FEISHU_ENCRYPT_KEY=KEY, FEISHU_PORT="3999")
    assert (code, "/feishu/events" in said, "127.0.0.1:3999" in said) == (0, True, True)
    assert KEY not in said
    assert not [r for r in server.requests if r.endswith("/endpoint")]


def test_the_doctor_as_a_program_speaks_the_operators_language(tmp_path, server):
    server.scopes.discard(SCOPELESS)
    said = {}

    def run(language):
        settings = feishu_settings(server.root) | {"DIGEST_LANGUAGE": language}
        code, told = digest(tmp_path, "doctor", "feishu", "--channel", "oc_1", **settings)
        assert code == 1
        said[language] = told.splitlines()

    threads = [threading.Thread(target=run, args=(language,), daemon=True) for language in ("en", "zh")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert said["en"][0] == "✓ Feishu application: Commit Digest (cli_test)"
    assert said["en"][1].startswith(f"✗ Feishu permissions: missing: {SCOPELESS}.")
    assert said["zh"][0] == "✓ 飞书应用：Commit Digest（cli_test）"
    assert said["zh"][1].startswith(f"✗ 飞书权限：缺少 {SCOPELESS}。")
    assert [len(lines) for lines in said.values()] == [4, 4]


def test_documentation_and_doctor_ask_for_the_same_permissions():
    for language in ("", ".zh"):
        documented = (ROOT / "docs" / f"feishu{language}.md").read_text(encoding="utf-8")
        assert all(f"`{names[0]}`" in documented for names in SCOPES)
    assert all(set(names) & feishu_server.SCOPES for names in SCOPES)
