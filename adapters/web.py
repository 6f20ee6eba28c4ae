"""Serves a WSGI application (PEP 3333) on a port of this machine, for platforms and probes.

Anybody can call it. So a connection serves one request, which must arrive, and whose response must be read, in time.
While all places are taken, the connection that has waited longest is dropped. Rejections are logged once, then as a
count once a minute.
"""

import ipaddress
import logging
import math
import select
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from bot.errors import ConfigError

_log = logging.getLogger("digest.web")
_SILENT = logging.Logger("waitress.queue", logging.CRITICAL + 1)
"""Swallows a warning for every waiting request, of which a stranger can send any number."""

_THREADS = 8
_HEADERS = 32_000
"""Bytes of a request before its body: platforms and proxies need a few thousand."""
_MEMORY = 64_000
"""Bytes of a body that are kept in memory; the rest is in a temporary file."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits for callers: bytes of a request's body, places for all callers, and seconds to send and to read.

    `quiet` are the seconds between two log lines about rejections.
    """

    body: int = 1_000_000
    links: int = 256
    seconds: float = 10.0
    quiet: float = 60.0


LIMITS = Limits()
"""Far above a platform's requests, which have a few kilobytes."""


class WebServer:
    """Serves an application in its own threads.

    Port 0 means any free one; `port` is the actual one once it is listened on.
    """

    def __init__(self, app: WSGIApplication, host: str, port: int, name: str, limits: Limits) -> None:
        self._app = app
        self._host, self.port = host, port
        self._name = name
        self._limits = limits
        self._refused = _Counted("requests were refused", name, limits.quiet)
        self._failed = _Counted("requests could not be answered", name, limits.quiet)

    def start(self) -> None:
        """Start serving. Raises OSError if the port cannot be opened."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        opened = socket.create_server((self._host, self.port), family=family)
        self.port = opened.getsockname()[1]
        self._server = _Server(self._respond, opened, self._limits, self._refused)
        self._thread = threading.Thread(target=self._server.run, name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving; wait at most a second for responses in progress."""
        server = self._server

        def end() -> None:
            server.close()
            for link in list(server._map.values()):
                link.close()

        server.task_dispatcher.shutdown(timeout=1)
        with suppress(OSError):  # the thread has already ended
            server.trigger.pull_trigger(end)  # in the server's own thread, which would fail on a closed socket
        self._thread.join(1)

    def _respond(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        """The application's answer, without letting strangers flood the log."""

        def started(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            if status.startswith("4"):
                self._refused.add(status)
            return start(status, headers, *error)

        try:
            return self._app(environ, started)
        except Exception as error:
            self._failed.add(type(error).__name__, error)
            start("500 Internal Server Error", [("Content-Type", "text/plain")], sys.exc_info())
            return [b"Internal Server Error\n"]


class _Counted:
    """Events that callers can cause at will: the first is logged, the following ones are counted."""

    def __init__(self, event: str, name: str, quiet: float) -> None:
        self._event, self._name, self._quiet = event, name, quiet
        self._lock = threading.Lock()
        self._count, self._latest, self._next = 0, "", -math.inf

    def add(self, what: str, error: Exception | None = None) -> None:
        """Count one, and log the count if it is time."""
        with self._lock:
            self._count, self._latest = self._count + 1, what
        self.report(error)

    def report(self, error: Exception | None = None) -> None:
        """Log how many there were since the last line, if it is time."""
        with self._lock:
            if not self._count or time.monotonic() < self._next:
                return
            fields = {"server": self._name, "count": self._count, "latest": self._latest}
            self._count, self._next = 0, time.monotonic() + self._quiet
        _log.warning(self._event, exc_info=error, extra={"fields": fields})


class _Request(HTTPRequestParser):  # type: ignore[misc]  # waitress ships no types
    """The only request of a connection."""

    def parse_header(self, header_plus: bytes) -> None:
        """Parse what comes before the body. Raises ParsingError, also where waitress itself would fail."""
        try:
            super().parse_header(header_plus)
        except ValueError:  # a number with thousands of digits, an address with half a bracket
            raise ParsingError("Malformed request") from None
        self.headers["CONNECTION"] = "close"


class _Link(HTTPChannel):  # type: ignore[misc]  # waitress ships no types
    """A connection; until its request is being answered, it is closed at `due`, in monotonic seconds."""

    parser_class = _Request

    def __init__(self, server: "_Server", *given: Any, **named: Any) -> None:
        self.due, self.asked = time.monotonic() + server.limits.seconds, False
        super().__init__(server, *given, **named)

    def service(self) -> None:
        """Answer the request, in a thread."""
        error = self.requests[0].error
        if error:
            self.server.refused.add(f"{error.code} {error.reason}")
        super().service()
        self.due = time.monotonic() + self.server.limits.seconds

    def handle_error(self) -> None:
        """Close on errors in waitress, which would log a traceback."""
        self.end("a connection")

    handle_expt = handle_error  # urgent data, which would be logged until it is read

    def end(self, why: str) -> None:
        """Close without an answer."""
        self.server.refused.add(why)
        self.handle_close()


class _Server(TcpWSGIServer):  # type: ignore[misc]  # waitress ships no types
    """Accepts connections, and closes those that take too long.

    waitress's own limits are too coarse: it accepts nothing while its places are taken, and every byte extends the
    time.
    """

    channel_class = _Link

    def __init__(self, app: WSGIApplication, opened: socket.socket, limits: Limits, refused: _Counted) -> None:
        self.limits, self.refused = limits, refused
        known = Adjustments(
            sockets=[opened],
            ident="",
            asyncore_use_poll=True,  # select supports no descriptors above 1024
            log_socket_errors=False,  # it would log a traceback for each hang-up
            inbuf_overflow=_MEMORY,
            max_request_header_size=_HEADERS,
            max_request_body_size=limits.body,
        )
        known.asyncore_loop_timeout = min(1.0, limits.seconds / 4)  # between two checks for late ones
        tasks = ThreadedTaskDispatcher()
        tasks.queue_logger = _SILENT
        tasks.set_thread_count(_THREADS)
        where = (opened.family, opened.type, opened.proto, opened.getsockname())
        super().__init__(app, {}, True, opened, dispatcher=tasks, adj=known, sockinfo=where, bind_socket=False)

    def readable(self) -> bool:
        """Whether another connection can be accepted; the server's thread asks at least once a second."""
        self.refused.report()
        now = time.monotonic()
        for link in [link for link in self.active_channels.values() if link.due < now]:
            link.end("too slow")
        return bool(self.accepting) and (self._room() or bool(self._waiting()))

    def handle_accept(self) -> None:
        """Accept a connection, if necessary by closing another one."""
        if self._room() or self._make_room():
            super().handle_accept()

    def accept(self) -> Any:
        """The next connection, if there is one."""
        try:
            return super().accept()
        except OSError:  # this process cannot open more files
            self._make_room()
            return None

    def add_task(self, task: _Link) -> None:
        """Answer a request that has arrived; from here on it is our time."""
        task.due, task.asked = math.inf, True
        super().add_task(task)

    def _room(self) -> bool:
        return len(self.active_channels) < self.limits.links

    def _waiting(self) -> list[_Link]:
        """The connections whose request has not arrived."""
        return [link for link in self.active_channels.values() if not link.asked]

    def _make_room(self) -> bool:
        """Close the longest waiting connection without unread data, of the callers with the most; return if one was."""
        waiting = _silent(self._waiting())
        held = Counter(_neighbours(link.addr[0]) for link in waiting)
        if waiting:
            max(waiting, key=lambda link: (held[_neighbours(link.addr[0])], -link.due)).end("no place")
        return self._room()


def _silent(links: list[_Link]) -> list[_Link]:
    """The connections without unread data: under load a request may be unread for a moment."""
    polled = select.poll()
    for link in links:
        polled.register(link._fileno, select.POLLIN)
    come = {file for file, _ in polled.poll(0)}
    return [link for link in links if link._fileno not in come]


def _neighbours(address: str) -> str:
    """The address of a caller; for IPv6 the network, since one caller has a whole one (RFC 6177)."""
    if ":" not in address:
        return address
    return str(ipaddress.ip_network((address.partition("%")[0], 64), strict=False))


class WebTransport:
    """A connection that a platform opens: an application that is served until it is stopped.

    `port` is the actual one, once it is listened on; `name` is the thread's; `setting` is the port's setting.
    """

    def __init__(self, host: str, port: int, name: str, setting: str, limits: Limits = LIMITS) -> None:
        self._host, self.port = host, port
        self._name, self._setting = name, setting
        self._limits = limits
        self._stopped = threading.Event()
        self.listening = threading.Event()

    def serve(self, app: WSGIApplication) -> None:
        """Serve `app` until `stop` is called. Raises ConfigError if the port cannot be opened."""
        server = WebServer(app, self._host, self.port, self._name, self._limits)
        try:
            server.start()
        except OSError as error:
            raise ConfigError("port_closed", port=self.port, problem=error.strerror, setting=self._setting) from None
        self.port = server.port
        self.listening.set()
        self._stopped.wait()
        server.stop()

    @property
    def connected(self) -> bool:
        """Whether it can be called."""
        return self.listening.is_set() and not self._stopped.is_set()

    def stop(self) -> None:
        """End `serve`, from another thread."""
        self._stopped.set()
