"""What the tests' servers of platforms share: how they serve, answer late or never, and end without a trace."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle, islice

from websockets.sync.server import Server

Answer = tuple[int, bytes, Mapping[str, str]]
"""Status, body, and headers."""


_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw15").removeprefix("gw")) % 16
_PORTS = cycle(range(20_000 + 700 * _WORKER, 20_700 + 700 * _WORKER))
"""Those of this worker, below the ones that the system gives to clients."""


class HttpServer(ThreadingHTTPServer):
    """An HTTP server with a thread for each connection."""

    daemon_threads = True
    request_queue_size = 128  # with the five of the standard library many callers at once are reset

    def server_bind(self) -> None:
        """Take a port that no server had lately, so that whoever still asks after a test reaches nobody else's."""
        host, asked = self.server_address[:2]
        for port in () if asked else islice(_PORTS, 700):
            self.server_address = host, port
            with suppress(OSError):
                return super().server_bind()
        return super().server_bind()


class Handler(BaseHTTPRequestHandler):
    """Answers every request with what `answered` says."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answered(self, raw: bytes) -> tuple[Answer | None, float]:
        """The answer to a request with this body, or None for a connection that drops; and how many seconds late."""
        raise NotImplementedError

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The `Date` of an answer, by the server's own clock."""
        return super().date_time_string(self.time() if timestamp is None else timestamp)

    def time(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def do_GET(self) -> None:
        said, late = self.answered(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        if said is None:
            self.close_connection = True
            return
        time.sleep(late)
        with suppress(ConnectionError):  # who asked may have been killed meanwhile
            self._say(*said)

    do_POST = do_PATCH = do_PUT = do_DELETE = do_GET

    def _say(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def lateness(chance: random.Random | None, *, accepted: bool) -> float:
    """The seconds that an answer is late, one of ten by chance, of those to what was accepted."""
    return chance.uniform(0, 0.6) if chance and accepted and chance.random() < 0.1 else 0.0


def serving(server: Server) -> threading.Thread:
    """A thread in which a WebSocket server serves."""

    def serve_forever() -> None:
        with suppress(OSError):  # it was ended before it had begun
            server.serve_forever()

    thread = threading.Thread(target=serve_forever, daemon=True)
    thread.start()
    return thread


def end(server: Server, thread: threading.Thread) -> None:
    """End a WebSocket server, and close the pipe that its library leaves open: a run of all tests has a thousand."""
    server.shutdown()
    thread.join(5)
    os.close(server.shutdown_watcher)
    os.close(server.shutdown_notifier)
