"""A WSGI application (PEP 3333) on a port of this machine, for whoever calls the bot: a platform, a probe.

Anybody may call. So a connection serves one request, which has to arrive, and its response to be read, in time. While
all places are taken, the connection that waited longest is dropped. Rejections cost one log line, then a count once a
minute.
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
"""Takes a warning for every request that has to wait, of which a stranger can send any number."""

_THREADS = 8
_HEADERS = 32_000
"""Bytes of a request before its body: platforms and what stands before us need some thousands."""
_MEMORY = 64_000
"""Bytes of a body that are kept in memory; the rest lies in a file meanwhile."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a caller may take: bytes of a request's body, places of all callers, and seconds to ask and to read.

    `quiet` are the seconds between two lines of log about what was refused.
    """

    body: int = 1_000_000
    links: int = 256
    seconds: float = 10.0
    quiet: float = 60.0


LIMITS = Limits()
"""What a platform's requests, of some kilobytes, never come near to."""


class WebServer:
    """Serves an application in threads of its own.

    Port 0 is any free one, which `port` is once it is listened on.
    """

    def __init__(self, app: WSGIApplication, host: str, port: int, name: str, limits: Limits) -> None:
        self._app = app
        self._host, self.port = host, port
        self._name = name
        self._limits = limits
        self._refused = _Counted("requests were refused", name, limits.quiet)
        self._failed = _Counted("requests could not be answered", name, limits.quiet)

    def start(self) -> None:
        """Serve from now on. Raises OSError where the port cannot be opened."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        opened = socket.create_server((self._host, self.port), family=family)
        self.port = opened.getsockname()[1]
        self._server = _Server(self._respond, opened, self._limits, self._refused)
        self._thread = threading.Thread(target=self._server.run, name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving; responses in progress are waited for, a second at most."""
        server = self._server

        def end() -> None:
            server.close()
            for link in list(server._map.values()):
                link.close()

        server.task_dispatcher.shutdown(timeout=1)
        with suppress(OSError):  # that thread was awake, and has ended already
            server.trigger.pull_trigger(end)  # in the server's own thread, which would trip over a socket that is gone
        self._thread.join(1)

    def _respond(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        """The application's answer; a stranger cannot fill the log through it."""

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
    """Something that callers can cause at will: the first is a line of log, what follows a count now and then."""

    def __init__(self, event: str, name: str, quiet: float) -> None:
        self._event, self._name, self._quiet = event, name, quiet
        self._lock = threading.Lock()
        self._count, self._latest, self._next = 0, "", -math.inf

    def add(self, what: str, error: Exception | None = None) -> None:
        """Count one, and log the count if it is time."""
        with self._lock:
            self._count, self._latest = self._count + 1, what
        self.tell(error)

    def tell(self, error: Exception | None = None) -> None:
        """Log how many there were since the last line, if it is time."""
        with self._lock:
            if not self._count or time.monotonic() < self._next:
                return
            fields = {"server": self._name, "count": self._count, "latest": self._latest}
            self._count, self._next = 0, time.monotonic() + self._quiet
        _log.warning(self._event, exc_info=error, extra={"fields": fields})


class _Request(HTTPRequestParser):  # type: ignore[misc]  # waitress ships no types
    """A request, the only one of its connection."""

    def parse_header(self, header_plus: bytes) -> None:
        """Read what comes before the body. Raises ParsingError, also for what waitress itself fails on."""
        try:
            super().parse_header(header_plus)
        except ValueError:  # a number with thousands of digits, an address with half a bracket
            raise ParsingError("Malformed request") from None
        self.headers["CONNECTION"] = "close"


class _Link(HTTPChannel):  # type: ignore[misc]  # waitress ships no types
    """A connection, and whether its request has arrived: it ends at `due` by the monotonic clock.

    While it is being answered it never does.
    """

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
        """Close what waitress trips over, which would log where."""
        self.end("a connection")

    handle_expt = handle_error  # urgent data, which would be logged for as long as nobody reads it

    def end(self, why: str) -> None:
        """Close without an answer."""
        self.server.refused.add(why)
        self.handle_close()


class _Server(TcpWSGIServer):  # type: ignore[misc]  # waitress ships no types
    """Accepts connections, and ends those that take too long.

    waitress's own limits are too coarse: it accepts nobody while its places are taken, and every byte buys more time.
    """

    channel_class = _Link

    def __init__(self, app: WSGIApplication, opened: socket.socket, limits: Limits, refused: _Counted) -> None:
        self.limits, self.refused = limits, refused
        known = Adjustments(
            sockets=[opened],
            ident="",
            asyncore_use_poll=True,  # select knows no file beyond 1024
            log_socket_errors=False,  # with a traceback, for whoever hangs up
            inbuf_overflow=_MEMORY,
            max_request_header_size=_HEADERS,
            max_request_body_size=limits.body,
        )
        known.asyncore_loop_timeout = min(1.0, limits.seconds / 4)  # between two looks at who is late
        tasks = ThreadedTaskDispatcher()
        tasks.queue_logger = _SILENT
        tasks.set_thread_count(_THREADS)
        where = (opened.family, opened.type, opened.proto, opened.getsockname())
        super().__init__(app, {}, True, opened, dispatcher=tasks, adj=known, sockinfo=where, bind_socket=False)

    def readable(self) -> bool:
        """Whether another connection can be accepted; the server's thread asks at least once a second."""
        self.refused.tell()
        now = time.monotonic()
        for link in [link for link in self.active_channels.values() if link.due < now]:
            link.end("too slow")
        return bool(self.accepting) and (self._room() or bool(self._waiting()))

    def handle_accept(self) -> None:
        """Accept a connection, for which somebody may have to go."""
        if self._room() or self._make_room():
            super().handle_accept()

    def accept(self) -> Any:
        """The next connection, if there is one."""
        try:
            return super().accept()
        except OSError:  # this process can open no more files
            self._make_room()
            return None

    def add_task(self, task: _Link) -> None:
        """Answer a request that has arrived, which is our own time."""
        task.due, task.asked = math.inf, True
        super().add_task(task)

    def _room(self) -> bool:
        return len(self.active_channels) < self.limits.links

    def _waiting(self) -> list[_Link]:
        """The connections whose request has not arrived."""
        return [link for link in self.active_channels.values() if not link.asked]

    def _make_room(self) -> bool:
        """End who waits longest, of those that hold most, and has nothing to be read; whether there is room now."""
        waiting = _silent(self._waiting())
        held = Counter(_neighbours(link.addr[0]) for link in waiting)
        if waiting:
            max(waiting, key=lambda link: (held[_neighbours(link.addr[0])], -link.due)).end("no place")
        return self._room()


def _silent(links: list[_Link]) -> list[_Link]:
    """Those of which nothing has come that was not read yet: in a rush a request may lie there for a moment."""
    polled = select.poll()
    for link in links:
        polled.register(link._fileno, select.POLLIN)
    come = {file for file, _ in polled.poll(0)}
    return [link for link in links if link._fileno not in come]


def _neighbours(address: str) -> str:
    """The address of a caller; of IPv6 the network, of which one caller has a whole one (RFC 6177)."""
    if ":" not in address:
        return address
    return str(ipaddress.ip_network((address.partition("%")[0], 64), strict=False))


class WebTransport:
    """A way in that a platform calls: an application that is served until it is stopped.

    `port` is the one that is listened on, once it is; `name` is the thread's, `setting` chooses the port.
    """

    def __init__(self, host: str, port: int, name: str, setting: str, limits: Limits = LIMITS) -> None:
        self._host, self.port = host, port
        self._name, self._setting = name, setting
        self._limits = limits
        self._stopped = threading.Event()
        self.listening = threading.Event()

    def serve(self, app: WSGIApplication) -> None:
        """Serve `app` until `stop` is called. Raises ConfigError where the port cannot be opened."""
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
