"""What strangers may take of the ports that are listened on, over real sockets."""

import socket
import struct
import threading
import time
from contextlib import contextmanager
from http.client import HTTPConnection

import pytest
from slack_server import signed

from adapters.chats.slack.transports import Http
from adapters.monitor import Monitor
from adapters.web import Limits, WebServer

SECRET = "signing-secret"
POST = b"POST /slack/events HTTP/1.1\r\nHost: h\r\n"
SHORT = Limits(seconds=0.3)
FEW = Limits(links=40, seconds=30)
PROMPT = 10
"""Seconds within which all is answered that does not wait for an idle connection to be cut."""


@contextmanager
def serving(app, limits):
    """The port of an application."""
    server = WebServer(app, "127.0.0.1", 0, "served", limits)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def watched(limits):
    """The port of a monitor."""
    monitor = Monitor("127.0.0.1", 0, str, tuple, limits)
    monitor.start()
    try:
        yield monitor.port
    finally:
        monitor.stop()


@contextmanager
def listening(http, take):
    """The port of a platform's way in."""
    thread = threading.Thread(target=http.run, args=(take,))
    thread.start()
    try:
        assert http.listening.wait(10)
        yield http.port
    finally:
        http.stop()
        thread.join(10)


class Bolt:
    """An application that is asked once a request is known to be Slack's."""

    oauth_flow = None

    def __init__(self):
        self.asked = []

    def dispatch(self, request):
        self.asked.append(request.raw_body)
        return type("Answer", (), {"status": 200, "headers": {}, "body": "taken"})


def link_to(port, data=b"", source="127.0.0.1"):
    link = socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0))
    link.sendall(data)
    return link


def said(port, data):
    """All that is answered."""
    with link_to(port, data) as link:
        try:
            return b"".join(iter(lambda: link.recv(4096), b""))
        except ConnectionResetError:
            return b""


def get(port, path="/healthz"):
    """The status of an answer, and the seconds that it took."""
    begun = time.monotonic()
    link = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        link.request("GET", path)
        return link.getresponse().status, time.monotonic() - begun
    finally:
        link.close()


def plain(environ, start):
    start("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode()]


def lines(caplog):
    return [(r.message, r.fields["count"], r.fields["latest"], bool(r.exc_info)) for r in caplog.records]


def until(holds):
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


# --- Places and time -------------------------------------------------------------------------


def test_idle_connections_keep_neither_port_from_answering():
    with watched(FEW) as probed, listening(Http(SECRET, "127.0.0.1", 0, FEW), Bolt()) as port:
        held = [link_to(each, data) for each in (probed, port) for data in (b"", POST) for _ in range(75)]
        body = b"text=help"
        link = HTTPConnection("127.0.0.1", port, timeout=10)
        link.request("POST", "/slack/events", body, signed(body, SECRET, time.time()))
        assert link.getresponse().read() == b"taken"
        link.close()
        status, seconds = get(probed)
        assert (status, seconds < PROMPT) == (200, True)
        for each in held:
            each.close()


def test_the_probe_is_answered_soon_while_the_other_port_is_stormed():
    over = threading.Event()

    def storm(port):
        held = []
        while not over.is_set():
            held.append(link_to(port, POST))
            if len(held) > 100:
                held.pop(0).close()
        for link in held:
            link.close()

    with watched(FEW) as probed, listening(Http(SECRET, "127.0.0.1", 0, FEW), Bolt()) as port:
        stormer = threading.Thread(target=storm, args=(port,))
        stormer.start()
        try:
            found = [get(probed) for _ in range(20)]
        finally:
            over.set()
            stormer.join(10)
    assert [(status, seconds) for status, seconds in found if status != 200 or seconds > PROMPT] == []


@pytest.mark.parametrize(
    ("begun", "drop"),
    [
        (b"", b""),
        (b"", b"\r\n"),
        (b"", b"\r\n\r\n"),
        (b"GET / HTTP/1.1\r\n", b"X: y\r\n"),
        (POST + b"Content-Length: 100\r\n\r\n", b"x"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"\x16\x03\x01\x02", b"\x00"),
    ],
)
def test_who_asks_slowly_is_cut_however_often_a_byte_comes(begun, drop):
    with serving(plain, SHORT) as server, link_to(server.port, begun) as link:
        started = time.monotonic()
        link.settimeout(0.02)
        while time.monotonic() - started < 5:
            try:
                link.sendall(drop)
                if not link.recv(10):
                    break
            except TimeoutError:
                pass
            except OSError:
                break
        assert 0.2 < time.monotonic() - started < 4


def test_who_does_not_read_the_answer_is_cut():
    def large(_, start):
        start("200 OK", [("Content-Type", "text/plain")])
        return [b"x" * 9_000_000]

    with serving(large, SHORT) as server, link_to(server.port, b"GET / HTTP/1.1\r\n\r\n"):
        until(lambda: server._server.active_channels)
        until(lambda: not server._server.active_channels)


def test_what_is_being_answered_is_not_cut_and_a_connection_is_for_one_request():
    def slow(environ, start):
        threading.Event().wait(0.6)
        return plain(environ, start)

    with serving(slow, SHORT) as server:
        answer = said(server.port, b"GET /a HTTP/1.1\r\nConnection: keep-alive\r\n\r\nGET /b HTTP/1.1\r\n\r\n")
    assert answer.endswith(b"/a")
    assert b"Connection: close" in answer
    assert answer.count(b"HTTP/1.1") == 1


def test_who_holds_most_makes_room_first():
    with (
        serving(plain, Limits(links=10, seconds=30)) as server,
        link_to(server.port, b"GET /mine HTTP/1.1\r\n") as mine,  # waits longest of all
    ):
        held = [link_to(server.port, source="127.0.0.2") for _ in range(40)]
        assert get(server.port, "/")[0] == 200
        mine.sendall(b"\r\n")
        assert mine.recv(4096).startswith(b"HTTP/1.1 200")
        for link in held:
            link.close()


def test_nobody_is_accepted_while_all_are_being_answered():
    entered, release = threading.Semaphore(0), threading.Event()

    def waits(environ, start):
        entered.release()
        release.wait(10)
        return plain(environ, start)

    with serving(waits, Limits(links=3, seconds=30)) as server:
        links = [link_to(server.port, b"GET /%d HTTP/1.1\r\n\r\n" % number) for number in range(5)]
        assert all(entered.acquire(timeout=10) for _ in range(3))
        assert not entered.acquire(timeout=0.2)
        release.set()
        assert all(link.recv(4096).startswith(b"HTTP/1.1 200") for link in links)
        for link in links:
            link.close()


# --- What is refused -------------------------------------------------------------------------

UNSIGNED = {
    "no signature": POST + b"Content-Length: 6\r\n\r\ntext=a",
    "a wrong signature": POST + b"X-Slack-Signature: v0=a\r\nX-Slack-Request-Timestamp: 1\r\n\r\n",
    "a signature of other letters": POST + b"X-Slack-Signature: v0=\xff\r\nContent-Length: 1\r\n\r\na",
    "a time that is none": POST
    + b"X-Slack-Signature: a\r\nX-Slack-Request-Timestamp: abc\r\nContent-Length: 1\r\n\r\na",
    "no UTF-8": POST + b"Content-Length: 2\r\n\r\n\xff\xfe",
    "no JSON": POST + b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{x",
    "deep JSON": POST + b"Content-Type: application/json\r\nContent-Length: 90000\r\n\r\n" + b"[" * 90_000,
    "a payload that is none": POST
    + b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\npayload={",
    "a page with a body": b"GET /slack/install HTTP/1.1\r\nContent-Length: 2\r\n\r\n\xff{",
    "elsewhere": b"GET /%00%ff/../x HTTP/1.1\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "half an address": b"GET http://[x HTTP/1.1\r\n\r\n",
    "a number without end": POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
    "a body without end": POST + b"Content-Length: 99999999999\r\n\r\n",
    "headers without end": b"GET / HTTP/1.1\r\nX: " + b"a" * 32_000,
    "a broken chunk": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    "another encoding": POST + b"Transfer-Encoding: x\r\n\r\n",
    "no HTTP": b"\x00\xff\r\n\r\n",
}


def test_a_request_that_is_not_slacks_costs_one_line_of_all_and_never_a_traceback(caplog):
    bolt = Bolt()
    with listening(Http(SECRET, "127.0.0.1", 0), bolt) as port:
        for name, data in UNSIGNED.items():
            status = said(port, data).partition(b" ")[2][:3]
            assert status in (b"400", b"401", b"404", b"413", b"431", b"501"), name
    assert lines(caplog) == [("requests were refused", 1, "401 Unauthorized", False)]
    assert bolt.asked == []


def test_what_else_is_refused_is_counted_without_another_request(caplog):
    with serving(plain, Limits(quiet=0.3, seconds=0.4)) as server:
        for _ in range(30):
            said(server.port, b"get / HTTP/1.1\r\n\r\n")
        until(lambda: sum(count for _, count, *_ in lines(caplog)) == 30)
    assert len(lines(caplog)) < 8
    assert {(event, latest) for event, _, latest, _ in lines(caplog)} == {("requests were refused", "400 Bad Request")}


@pytest.mark.parametrize("way", ["reset", "urgent", "gone"])
def test_a_connection_that_breaks_leaves_no_traceback(caplog, way):
    with serving(plain, Limits(quiet=0)) as server:
        for _ in range(3):
            with link_to(server.port, POST) as link:
                if way == "urgent":
                    link.send(b"!", socket.MSG_OOB)
                    until(lambda: not server._server.active_channels)
                elif way == "reset":
                    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        until(lambda: not server._server.active_channels)
        assert get(server.port, "/")[0] == 200
    expected = [("requests were refused", 1, "a connection", False)] * 3 if way == "urgent" else []
    assert lines(caplog) == expected


def test_many_at_once_that_wait_for_a_thread_cost_no_line(caplog):
    with serving(plain, Limits()) as server:
        links = [link_to(server.port, b"GET / HTTP/1.1\r\n\r\n") for _ in range(100)]
        assert all(link.recv(4096).startswith(b"HTTP/1.1 200") for link in links)
        for link in links:
            link.close()
    assert caplog.records == []


def test_a_fault_of_ours_is_logged_once_and_counted(caplog):
    def fails(environ, start):
        raise OSError(environ["PATH_INFO"])

    with serving(fails, Limits()) as server:
        assert {get(server.port, "/")[0] for _ in range(5)} == {500}
    assert lines(caplog) == [("requests could not be answered", 1, "OSError", True)]


def test_pages_for_installing_hold_no_event_up():
    http = Http(SECRET, "127.0.0.1", 0)
    with listening(http, Bolt()) as port:
        with http._pages, http._pages:
            assert get(port, "/slack/install")[0] == 429
            body = b"text=help"
            head = "".join(f"{name}: {value}\r\n" for name, value in signed(body, SECRET, time.time()).items())
            length = b"Content-Length: %d\r\n\r\n" % len(body)
            assert said(port, POST + head.encode() + length + body).endswith(b"taken")
        assert get(port, "/slack/install")[0] == 404  # of this application, which has none
