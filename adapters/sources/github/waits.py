"""Limits the time of requests to GitHub: for a connection, for a byte, and for a whole answer.

The timeouts of `requests` are for each wait: a server that sends a byte now and then never exceeds them, be it in a
header or a body. So the connection of a request that takes too long is shut down while it is being read.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import requests
from github.Requester import HTTPRequestsConnectionClass, HTTPSRequestsConnectionClass, Requester
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from adapters import sessions


@dataclass(frozen=True, slots=True)
class Waits:
    """Timeouts in seconds: for a connection, without a byte, and for a whole answer.

    GitHub ends a request after 10 itself (docs.github.com, Troubleshooting the REST API).
    """

    connect: float = 10
    read: float = 20
    whole: float = 60


class _Limit:
    """The time limit of one request, whose connection is shut down at the end."""

    def __init__(self, waits: Waits) -> None:
        self.waits = waits
        self.over = False
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None

    def watch(self, connection: socket.socket) -> None:
        """Set the request's connection, possibly before TLS takes it over, hence with another descriptor of it."""
        with self._lock:
            self._forget()
            self._connection = socket.socket(fileno=os.dup(connection.fileno()))
            self._shut()

    def end(self) -> None:
        """End the request, since the time is over."""
        with self._lock:
            self.over = True
            self._shut()

    def close(self) -> None:
        """Stop watching."""
        with self._lock:
            self._forget()

    def _shut(self) -> None:
        if self.over and self._connection:
            with suppress(OSError):  # it is closed already
                self._connection.shutdown(socket.SHUT_RDWR)

    def _forget(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None


_limit: ContextVar[_Limit | None] = ContextVar("limit", default=None)


@contextmanager
def within(waits: Waits) -> Iterator[None]:
    """Limit the time of one request and reading its answer. Raises requests.Timeout when it is over, in any case."""
    limit = _Limit(waits)
    timer = threading.Timer(waits.whole, limit.end)
    timer.daemon = True
    timer.start()
    token = _limit.set(limit)
    try:
        yield
    finally:
        _limit.reset(token)
        timer.cancel()
        limit.close()
        if limit.over:
            raise requests.Timeout(f"no end after {waits.whole:g} s")


def session() -> requests.Session:
    """A session whose requests keep to the time of `within`."""
    return sessions.equip(requests.Session(), _Adapter)


def bound() -> None:
    """Limit every request of PyGithub to the time of `within`; safe to repeat."""
    Requester.injectConnectionClasses(_Http, _Https)
    # PyGithub does not reuse connections of custom classes: without this name each request would open a new one.
    setattr(Requester, "_Requester__persist", True)  # noqa: B010


class _Http(HTTPRequestsConnectionClass):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        sessions.equip(self.session, _Adapter)


class _Https(HTTPSRequestsConnectionClass):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        sessions.equip(self.session, _Adapter)


class _Adapter(sessions.Adapter):
    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        _watched(self.poolmanager)

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        return _watched(super().proxy_manager_for(*arguments, **options))

    def send(self, *arguments: Any, **options: Any) -> requests.Response:
        if limit := _limit.get():
            options["timeout"] = (limit.waits.connect, limit.waits.read)
        return super().send(*arguments, **options)


def _watched(manager: PoolManager) -> PoolManager:
    manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
    return manager


class _Watched(HTTPConnection):
    """A connection that registers with the limit of the request that it serves."""

    def _new_conn(self) -> socket.socket:
        made = super()._new_conn()
        _watch(made)
        return made

    def request(self, *arguments: Any, **options: Any) -> None:
        if self.sock is not None:  # kept from an earlier request
            _watch(self.sock)
        super().request(*arguments, **options)


def _watch(connection: socket.socket) -> None:
    if limit := _limit.get():
        limit.watch(connection)


class _WatchedTls(_Watched, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Watched


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedTls
