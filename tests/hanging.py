"""Servers that hang, over real sockets: one that never answers, and one that answers a byte at a time."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress


def repeat(step: Callable[[], object], until: Callable[[], bool], seconds: float = 60) -> None:
    """Do something until something holds."""
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end
        step()
        threading.Event().wait(0.02)


class Silent:
    """A host that takes connections, and answers nothing."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class Dripping(Silent):
    """A host that answers every connection with `head`, and then for ever a byte every few milliseconds."""

    PAUSE = 0.02

    def __init__(self, head: bytes = b"") -> None:
        super().__init__()
        self._head = head
        self._closed = threading.Event()
        self.taken = 0
        self._threads = [threading.Thread(target=self._serve)]

    def __enter__(self) -> Dripping:
        self._threads[0].start()
        return self

    def __exit__(self, *error: object) -> None:
        self._closed.set()
        super().__exit__()
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.taken += 1
                self._threads.append(threading.Thread(target=self._drip, args=(connection,)))
                self._threads[-1].start()

    def _drip(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.sendall(self._head)
            while not self._closed.wait(self.PAUSE):
                connection.sendall(b"a")
