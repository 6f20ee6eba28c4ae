"""The operator's port, over real sockets."""

import logging
import socket
import threading
from http.client import HTTPConnection

import pytest
from prometheus_client.parser import text_string_to_metric_families

from adapters.monitor import Monitor
from bot.errors import ConfigError
from bot.values import Measure

COUNTED = Measure(
    "model_tokens",
    "Tokens.",
    "counter",
    (({"model": 'a"b\\c\nd', "kind": "prompt"}, 12.0), ({"kind": "completion", "model": "e"}, 3.5)),
)
MEASURES = (
    Measure("subscriptions", "Subscriptions\nof all.", "gauge", (({}, 2),)),
    COUNTED,
    Measure("deliveries", "Deliveries.", "gauge", ()),
)


class Port:
    """A monitor whose answers can be changed."""

    def __init__(self):
        self.ready = lambda: ""
        self.measures = lambda: MEASURES
        self.monitor = Monitor("127.0.0.1", 0, self._ready_now, self._measures_now)
        self.monitor.start()

    def _ready_now(self):
        return self.ready()

    def _measures_now(self):
        return self.measures()

    def call(self, path, method="GET", body=None):
        """Status, headers and body of an answer."""
        link = HTTPConnection("127.0.0.1", self.monitor.port, timeout=10)
        try:
            link.request(method, path, body)
            answer = link.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        finally:
            link.close()


@pytest.fixture
def port():
    opened = Port()
    yield opened
    opened.monitor.stop()


def fail():
    raise ValueError("password=hunter2")


def test_a_process_that_lives_says_so(port):
    port.ready = port.measures = fail
    status, headers, body = port.call("/healthz")
    assert (status, body) == (200, "ok\n")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Server"] is None


def test_readiness_is_asked_for_each_time(port):
    assert port.call("/readyz")[::2] == (200, "ready\n")
    port.ready = lambda: "数据库 is away"
    assert port.call("/readyz")[::2] == (503, "数据库 is away\n")
    port.ready = lambda: ""
    assert port.call("/readyz?verbose=1")[::2] == (200, "ready\n")


def test_measures_are_told_as_prometheus_reads_them(port):
    status, headers, body = port.call("/metrics")
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert headers["Cache-Control"] == "no-store"
    gauge, counter, empty = text_string_to_metric_families(body)
    assert (gauge.name, gauge.type, gauge.documentation) == (
        "commit_digest_subscriptions",
        "gauge",
        "Subscriptions\nof all.",
    )
    assert [(s.labels, s.value) for s in gauge.samples] == [({}, 2.0)]
    assert (counter.name, counter.type) == ("commit_digest_model_tokens", "counter")
    assert {s.name for s in counter.samples} == {"commit_digest_model_tokens_total"}
    assert [(s.labels, s.value) for s in counter.samples] == list(COUNTED.samples)
    assert (empty.name, empty.samples) == ("commit_digest_deliveries", [])


def test_measures_are_taken_for_each_request_once(port):
    taken = []
    port.measures = lambda: taken.append(1) or (Measure("n", "N.", "gauge", (({}, len(taken)),)) for _ in "a")
    assert "commit_digest_n 1.0\n" in port.call("/metrics")[2]
    assert "commit_digest_n 2.0\n" in port.call("/metrics")[2]


def late_failure():
    yield MEASURES[0]
    fail()


@pytest.mark.parametrize(
    "broken",
    [
        fail,
        late_failure,
        lambda: [Measure("n", "N.", "other", ())],
        lambda: [Measure("n", "N.", "gauge", (({}, "x"),))],
    ],
)
def test_measures_that_fail_are_told_without_detail_and_logged(port, caplog, broken):
    port.measures = broken
    status, headers, body = port.call("/metrics")
    assert (status, body, headers["Cache-Control"]) == (500, "Internal Server Error\n", "no-store")
    assert [(r.name, r.levelname, bool(r.exc_info)) for r in caplog.records] == [("digest.monitor", "ERROR", True)]
    assert port.call("/healthz")[0] == 200


def test_readiness_that_fails_is_told_without_detail_and_logged(port, caplog):
    port.ready = fail
    assert port.call("/readyz")[::2] == (503, "Service Unavailable\n")
    assert [(r.name, r.levelname, bool(r.exc_info)) for r in caplog.records] == [("digest.monitor", "ERROR", True)]


@pytest.mark.parametrize("path", ["/", "/metrics/", "/healthz/x", "/HEALTHZ", "/../metrics", "/%00"])
def test_there_is_nothing_else(port, path):
    assert port.call(path)[0] == 404
    assert port.call(path, "POST", b"x")[0] == 404


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
def test_other_methods_are_refused(port, path, method):
    status, headers, body = port.call(path, method)
    assert (status, headers["Allow"], headers["Cache-Control"]) == (405, "GET", "no-store")
    assert body == ("" if method == "HEAD" else "Method Not Allowed\n")


def test_head_is_answered_without_a_body(port):
    with socket.create_connection(("127.0.0.1", port.monitor.port), timeout=10) as link:
        link.sendall(b"HEAD /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        said = b"".join(iter(lambda: link.recv(4096), b""))
    assert said.endswith(b"\r\n\r\n")


def test_a_probe_is_answered_while_measures_take_long(port):
    entered, release = threading.Event(), threading.Event()
    port.measures = lambda: entered.set() or [release.wait(10)] * 0
    asked = threading.Thread(target=port.call, args=("/metrics",))
    asked.start()
    try:
        assert entered.wait(10)
        assert port.call("/healthz")[0] == 200
    finally:
        release.set()
        asked.join(10)


def test_a_port_that_is_taken_is_told(port):
    with pytest.raises(ConfigError) as refused:
        Monitor("127.0.0.1", port.monitor.port, str, tuple).start()
    assert (refused.value.key, refused.value.fields) == ("monitor_port", {"port": port.monitor.port})


def test_an_address_that_is_not_this_machines_is_told():
    with pytest.raises(ConfigError):
        Monitor("192.0.2.1", 0, str, tuple).start()  # RFC 5737: nobody's


def test_it_listens_at_ipv6_too():
    monitor = Monitor("::1", 0, str, tuple)
    try:
        monitor.start()
    except ConfigError:
        pytest.skip("this machine has no IPv6")
    try:
        with socket.create_connection(("::1", monitor.port), timeout=10) as link:
            link.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            assert link.recv(4096).startswith(b"HTTP/1.0 200 OK")
    finally:
        monitor.stop()


def test_once_stopped_nothing_is_left(caplog):
    caplog.set_level(logging.INFO)
    before = set(threading.enumerate())
    opened = Port()
    with socket.create_connection(("127.0.0.1", opened.monitor.port), timeout=10) as idle:
        assert opened.call("/healthz")[0] == 200
        opened.monitor.stop()
        assert idle.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", opened.monitor.port), timeout=10)
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
    assert set(threading.enumerate()) <= before
    assert caplog.records == []


def test_the_port_can_be_taken_again_at_once(port):
    port.call("/healthz")
    port.monitor.stop()
    again = Monitor("127.0.0.1", port.monitor.port, str, tuple)
    again.start()
    again.stop()
    port.monitor = Monitor("127.0.0.1", 0, str, tuple)
    port.monitor.start()
