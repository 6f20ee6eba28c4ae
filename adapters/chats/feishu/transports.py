"""How Feishu's events reach the bot: a persistent connection that the bot opens, or HTTP requests that Feishu sends."""

import asyncio
import hashlib
import hmac
import json
import logging
import random
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any, Protocol
from wsgiref.types import StartResponse, WSGIEnvironment

from websockets.asyncio.client import connect

from adapters import network
from adapters.chats.feishu import limits
from adapters.chats.feishu.calls import NO_ANSWER, Answer, Api, Gate, Json, translated
from adapters.chats.feishu.sdk import sdk
from adapters.chats.inbox import Busy
from adapters.web import WebTransport
from bot import DOCUMENTATION, addresses
from bot.addresses import Service
from bot.errors import ConfigError, DigestError, Unavailable

_log = logging.getLogger("digest.feishu")

Take = Callable[[Json], Json]
"""Accepts an event or a callback that Feishu pushes, and returns the immediate answer. Raises Busy if Feishu should
push it again.
"""


class Transport(Protocol):
    """A connection for incoming events."""

    def run(self, take: Take) -> None:
        """Pass what Feishu pushes to `take` until `stop` is called. Raises ConfigError, Unavailable."""
        ...

    @property
    def connected(self) -> bool:
        """Whether it is open."""
        ...

    def stop(self) -> None:
        """End `run`, from another thread, within five seconds."""
        ...


# --- The persistent connection ---------------------------------------------------------------

_ENDPOINT = "/callback/ws/endpoint"
_CONNECT = 10.0
"""Seconds that opening a connection may take."""
_ALIVE = 10.0
"""Seconds between two pings, and within which one must be answered."""
_STOP = 1.0
"""Seconds after which a thread that does not end is abandoned."""
_LONGEST = 30.0
"""The most seconds between two attempts to connect: a click waits three seconds and is never pushed again."""
_STEADY = 10.0
"""Seconds after which a connection counts as working."""
# Internal errors of Feishu, after which another attempt may succeed; and too many connections, one of which may end.
_PASSING = frozenset({NO_ANSWER, 1, 1000040343, 1000040350})


class LongConnection:
    """The bot opens a WebSocket, so that it needs no public address.

    Each connection gets its own SDK client and event loop, which end with it: the SDK's client cannot be stopped, waits
    forever in several places, and keeps its loop in the module. It gets an address that is fetched with a timeout, must
    not reconnect on its own, and is pinged; `sleep` waits between pings.
    """

    def __init__(self, api: Api, *, sleep: Callable[[float], Coroutine[Any, Any, object]] = asyncio.sleep) -> None:
        self._api = api
        self._sleep = sleep
        self._stopped = threading.Event()
        self._ending: Callable[[], None] = lambda: None
        self._failure: DigestError | None = None
        self.connected = False

    def run(self, take: Take) -> None:
        """Stay connected until stopped.

        Raises ConfigError for an application that Feishu rejects, Unavailable if it ended on its own.
        """
        sdk()
        thread = threading.Thread(target=self._stay, args=(take,), name="feishu", daemon=True)
        thread.start()
        while thread.is_alive() and not self._stopped.wait(0.2):
            pass
        self._ending()
        thread.join(_STOP)
        if self._failure:
            raise self._failure
        if not self._stopped.is_set():  # it ended without a request to stop
            raise Unavailable("feishu_failed", error="connection")

    def stop(self) -> None:
        """End `run`."""
        self._stopped.set()

    def _stay(self, take: Take) -> None:
        failures, once, reported = 0, False, set[int]()
        while not self._stopped.is_set():
            try:
                answer = endpoint(self._api)
            except DigestError as error:  # the network settings are wrong
                self._failure = error
                return
            begun = time.monotonic()
            if self._stopped.is_set():  # while waiting for it
                return
            if answer.code == 0:
                once = True
                self._failure = self._ended(answer, take)
                if self._failure:
                    return
            elif not once and answer.status == HTTPStatus.OK and answer.code not in _PASSING:
                self._failure = refused(answer)
                return
            failures += 1
            if time.monotonic() - begun > _STEADY:
                failures, reported = 0, set()
            if not self._stopped.is_set():
                if answer.code not in reported:  # each reason once, not at every attempt
                    reported.add(answer.code)
                    _log.warning("the persistent connection to Feishu ended (%s), opening another", answer.code)
                self._stopped.wait(_pause(failures))

    def _ended(self, answer: Answer, take: Take) -> DigestError | None:
        """How one connection ended: the error to fix first, or None if another attempt may succeed."""
        try:
            asyncio.run(self._connected(answer, take))
        except (Exception, asyncio.CancelledError) as error:  # any error of the SDK
            return network.obstacle(error, str(answer.data.get("URL")))
        return None

    async def _connected(self, answer: Answer, take: Take) -> None:
        """One connection, from opening it to its end."""
        if not addresses.serves(Service.FEISHU, self._api.domain, str(answer.data.get("URL"))):
            _log.warning(
                "Feishu named a host for the persistent connection that is not one of Feishu's: see %s/security.md",
                DOCUMENTATION,
            )
            raise Unavailable("feishu_failed", error="socket")
        ws = sdk().ws
        ws.websockets = SimpleNamespace(connect=_Staying)
        if not ws.loop.is_running():
            ws.loop.close()  # the one created by importing the SDK
        ws.loop = loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)  # the SDK's tasks end with their connection
        client = ws.Client(
            self._api.app_id,
            self._api.secret,
            log_level=sdk().core.LogLevel.CRITICAL,
            event_handler=_Handler(take),
            domain=self._api.domain,
            auto_reconnect=False,
        )
        client._get_conn_url = lambda: answer.data["URL"]
        client._ping_interval = _interval(answer)
        await asyncio.wait_for(client._connect(), _CONNECT)
        link, stopped = client._conn, asyncio.Event()
        self._ending = lambda: _call(loop, stopped.set)
        if self._stopped.is_set():
            stopped.set()
        self.connected = True
        ends = [asyncio.ensure_future(each) for each in (link.wait_closed(), stopped.wait(), self._watch(link))]
        ping = asyncio.ensure_future(client._ping_loop())
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.connected = False
            ping.cancel()
            with suppress(Exception):
                await asyncio.wait_for(link.close(), 1)

    async def _watch(self, link: Any) -> None:
        """Return once the other side no longer answers pings, even if the connection looks open."""
        with suppress(Exception):
            while True:
                await self._sleep(_ALIVE)
                pong, late = await link.ping(), asyncio.ensure_future(self._sleep(_ALIVE))
                await asyncio.wait([pong, late], return_when=asyncio.FIRST_COMPLETED)
                late.cancel()
                if not pong.done():
                    return


class _Staying(connect):
    """A connection that follows no redirects: the library's own follows up to ten, to any host.

    It connects as `adapters.network` says: the SDK would bypass every proxy, and the library would not decode a
    password.
    """

    def __init__(self, uri: str, **options: Any) -> None:
        way: dict[str, Any] = {"ssl": network.context()} if uri.startswith("wss:") else {}
        if proxy := network.proxy_for(uri):
            way["sock"] = network.tunnel(proxy, uri, _CONNECT)
        super().__init__(uri, **options | way | {"proxy": None})

    def process_redirect(self, exc: Exception) -> Exception:
        """Follow no redirect."""
        return exc


class _Handler:
    """Receives events from the SDK's client; it returns the answer, or raises to have the event pushed again."""

    def __init__(self, take: Take) -> None:
        self._take = take

    def _do_without_validation(self, payload: bytes) -> Json | None:
        try:
            return self._take(json.loads(payload)) or None
        except Busy:
            raise
        except Exception:  # the SDK's log is silenced, so it is logged here
            _log.exception("a Feishu event could not be processed")
            raise


def endpoint(api: Api) -> Answer:
    """Request the single-use address of a persistent connection."""
    return api.ask_plainly("POST", _ENDPOINT, {"AppID": api.app_id, "AppSecret": api.secret})


def refused(answer: Answer) -> DigestError:
    """The error for a refused address of a connection."""
    error = translated(answer, Gate("endpoint"))
    known = isinstance(error, ConfigError) or answer.unclear
    return error if known else ConfigError("feishu_no_connection", error=answer.code)


def _pause(failures: int) -> float:
    """Seconds until the next attempt, after a number of `failures` in a row."""
    return random.uniform(0.5, 1) * min(_LONGEST, 0.2 * 2.0 ** min(failures, 20))  # noqa: S311


def _interval(answer: Answer) -> float:
    """Seconds between two pings of the SDK's own kind, as Feishu requests."""
    wished = (answer.data.get("ClientConfig") or {}).get("PingInterval")
    return float(wished) if isinstance(wished, int | float) and wished > 0 else 120.0


def _call(loop: asyncio.AbstractEventLoop, work: Callable[[], None]) -> None:
    with suppress(RuntimeError):  # the loop is closed: it ended on its own
        loop.call_soon_threadsafe(work)


# --- HTTP ------------------------------------------------------------------------------------

_PATH = "/feishu/events"


class Http(WebTransport):
    """HTTP: Feishu calls `/feishu/events` at a public address that is forwarded to this host and port.

    Every request is encrypted and signed with `key`, and must not be older than five minutes by `now`, in seconds since
    1970 (open.feishu.cn/document, "Encrypt Key"); `token` is the application's verification token, empty if it is not
    checked.
    """

    def __init__(self, key: str, token: str, host: str, port: int, now: Callable[[], float] = time.time) -> None:
        super().__init__(host, port, "feishu-http", "FEISHU_PORT")
        self._key = key
        self._token = token
        self._now = now

    def run(self, take: Take) -> None:
        """Serve until stopped. Raises ConfigError without a key, or if the port cannot be opened."""
        if not self._key:
            raise ConfigError("feishu_no_key")
        sdk()

        def respond(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
            status, body = self._answered(environ, take)
            start(f"{status.value} {status.phrase}", [("Content-Type", "application/json; charset=utf-8")])
            return [json.dumps(body, ensure_ascii=False).encode()]

        self.serve(respond)

    def _answered(self, environ: WSGIEnvironment, take: Take) -> tuple[HTTPStatus, Json]:
        """The answer to a request; it reveals nothing to callers other than Feishu."""
        if environ["PATH_INFO"] != _PATH:
            return HTTPStatus.NOT_FOUND, {}
        if environ["REQUEST_METHOD"] != "POST":
            return HTTPStatus.METHOD_NOT_ALLOWED, {}
        body = environ["wsgi.input"].read()
        event = self._opened(body)
        if event is None:
            return HTTPStatus.UNAUTHORIZED, {}
        if event.get("type") == "url_verification":  # sent once, when the address is saved
            return HTTPStatus.OK, {"challenge": str(event.get("challenge", ""))}
        if not self._signed(environ, body):
            return HTTPStatus.UNAUTHORIZED, {}
        try:
            return HTTPStatus.OK, take(event)
        except Busy:
            return HTTPStatus.SERVICE_UNAVAILABLE, {}

    def _opened(self, body: bytes) -> Json | None:
        """The content of an encrypted request; None if it was not encrypted with our key or has another token."""
        try:
            event = json.loads(sdk().core.AESCipher(self._key).decrypt_str(json.loads(body)["encrypt"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        if not isinstance(event, dict):
            return None
        token = event.get("token") or (event.get("header") or {}).get("token") or ""
        return event if not self._token or hmac.compare_digest(str(token).encode(), self._token.encode()) else None

    def _signed(self, environ: WSGIEnvironment, body: bytes) -> bool:
        """Whether a request was recently signed with our key."""
        at, nonce, signature = (
            str(environ.get(f"HTTP_X_LARK_{name}", "")) for name in ("REQUEST_TIMESTAMP", "REQUEST_NONCE", "SIGNATURE")
        )
        expected = hashlib.sha256(f"{at}{nonce}{self._key}".encode() + body).hexdigest()
        known = hmac.compare_digest(expected.encode(), signature.encode())
        return known and at.isdecimal() and abs(self._now() - int(at)) <= limits.CALLBACK_AGE.ours
