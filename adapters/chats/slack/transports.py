"""How Slack's events reach the bot: over a socket that the bot opens, or over HTTP that Slack calls."""

import hashlib
import hmac
import io
import logging
import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, Protocol
from wsgiref.types import StartResponse, WSGIEnvironment

from slack_bolt import App
from slack_bolt.adapter.socket_mode.websocket_client import SocketModeHandler
from slack_bolt.adapter.wsgi import SlackRequestHandler
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.websocket_client import SocketModeClient
from websocket import WebSocket, _app

from adapters import network
from adapters.chats.slack.calls import Gate, translated
from adapters.chats.slack.workspaces import web_client
from adapters.web import LIMITS, Limits, WebTransport
from bot import DOCUMENTATION, addresses
from bot.addresses import Service
from bot.errors import Unavailable

_log = logging.getLogger("digest.slack")


class Transport(Protocol):
    """A connection for incoming events."""

    @property
    def secret(self) -> str:
        """The secret that verifies requests; empty if only Slack can send them."""
        ...

    def run(self, app: App) -> None:
        """Pass requests to `app` until `stop` is called. Raises ConfigError, Unavailable."""
        ...

    @property
    def connected(self) -> bool:
        """Whether it is open."""
        ...

    def stop(self) -> None:
        """End `run`, from another thread."""
        ...


class Socket:
    """Socket Mode: the bot opens a WebSocket, so that it needs no public address."""

    secret = ""

    def __init__(self, app_token: str, url: str) -> None:
        self._token = app_token
        self._url = url
        self._stopped = threading.Event()
        self._client: SocketModeClient | None = None

    def run(self, app: App) -> None:
        """Stay connected until stopped. Raises ConfigError for a token that Slack rejects, Unavailable."""
        handler = SocketModeHandler(
            app, self._token, logger=_log, web_client=web_client(None, self._url), ping_interval=10
        )
        self._client = handler.client
        listed = self._listed(handler.client.issue_new_wss_url)
        handler.client.issue_new_wss_url = listed  # type: ignore[method-assign]
        try:
            handler.connect()  # type: ignore[no-untyped-call]
            self._stopped.wait()
        except SlackApiError as error:
            raise translated(error, Gate("apps.connections.open", "")) from None
        except OSError:
            raise Unavailable("slack_failed", error="connection") from None
        finally:
            self._client = None
            _close(handler.client)

    def _listed(self, issue: Callable[[], str]) -> Callable[[], str]:
        """Wrap `issue`, which asks Slack where to connect: raises Unavailable for a host that is not Slack's."""

        def issued() -> str:
            url = issue()
            if not addresses.serves(Service.SLACK, self._url, url):
                raise Unavailable("slack_failed", error="socket")
            return url

        return issued

    @property
    def connected(self) -> bool:
        """Whether there is a connection and Slack has answered the handshake."""
        session = self._client.current_session if self._client else None
        return bool(session and session.sock and session.sock.connected)

    def stop(self) -> None:
        """End `run`."""
        self._stopped.set()


class Silence:
    """No connection: messages are sent, and nothing is received."""

    secret = ""

    def __init__(self) -> None:
        self._stopped, self.connected = threading.Event(), False

    def run(self, app: App) -> None:  # noqa: ARG002  # it is never called
        """Wait until stopped."""
        _log.warning(
            "in Slack nothing is heard, only posted: SLACK_APP_TOKEN is not set; see %s/slack.md", DOCUMENTATION
        )
        self.connected = True
        self._stopped.wait()
        self.connected = False

    def stop(self) -> None:
        """End `run`."""
        self._stopped.set()


class _Staying(WebSocket):
    """The connection that the SDK uses, but without redirects: the library would follow up to three, to any host.

    It connects as `adapters.network` says: the library knows only some of the proxy variables, and the system's roots.
    """

    def connect(self, url: str, **options: Any) -> None:
        """Connect to `url`. Raises Unreachable, and ConfigError for wrong network settings."""
        way = _way(network.proxy_for(url))
        self.sock_opt.sslopt["context"] = network.context()
        try:
            super().connect(url, **options | way, redirect_limit=0)  # type: ignore[no-untyped-call]
        except Exception as error:
            if lasting := network.obstacle(error, url):
                raise lasting from None
            raise


def _way(proxy: network.Proxy | None) -> dict[str, Any]:
    """The library's options for a proxy, or explicitly for none: by default it would look for one."""
    if proxy is None:
        return {"http_proxy_host": "none", "http_proxy_port": 1, "http_no_proxy": ["*"], "proxy_type": "http"}
    auth = (proxy.user, proxy.password) if proxy.credentials else None
    return {"http_proxy_host": proxy.host, "http_proxy_port": proxy.port, "http_proxy_auth": auth, "proxy_type": "http"}


_app.WebSocket = _Staying  # type: ignore[attr-defined]  # what the SDK opens takes no other


def _close(client: SocketModeClient) -> None:
    """Close a connection and the threads that acknowledge.

    The SDK's own `close` waits for a thread that may block on its socket for ten seconds; that one ends on its own.
    """
    client.auto_reconnect_enabled, client.closed = False, True
    client.current_session_runner.event.set()
    client.enqueue_message("{}")  # wakes the thread that waits for a message
    client.disconnect()
    client.current_app_monitor.shutdown()  # type: ignore[no-untyped-call]
    client.message_processor.shutdown()  # type: ignore[no-untyped-call]
    client.message_workers.shutdown()


_FRESH = 300.0
"""Seconds for which a signature is valid (docs.slack.dev/authentication/verifying-requests-from-slack)."""
_PAGES = 2
"""Installation pages served at a time: anybody can request one, and each may call Slack."""


class Http(WebTransport):
    """HTTP: Slack calls `/slack/events` at a public address that is forwarded to this host and port."""

    def __init__(self, secret: str, host: str, port: int, limits: Limits = LIMITS) -> None:
        super().__init__(host, port, "slack-http", "SLACK_PORT", limits)
        self.secret = secret
        self._pages = threading.BoundedSemaphore(_PAGES)

    def run(self, app: App) -> None:
        """Serve until stopped. Raises ConfigError if the port cannot be opened."""
        handler = SlackRequestHandler(app)

        def respond(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
            if environ["REQUEST_METHOD"] != "POST":
                return self._page(handler, environ, start)
            if environ["PATH_INFO"] != handler.path:
                return _refused(HTTPStatus.NOT_FOUND, start)
            body = environ["wsgi.input"].read()
            if not self._signed(environ, body):
                return _refused(HTTPStatus.UNAUTHORIZED, start)
            return handler(_with(environ, body), start)

        self.serve(respond)

    def _page(self, handler: SlackRequestHandler, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        """A page for a browser, whose request has no body."""
        if not self._pages.acquire(blocking=False):
            return _refused(HTTPStatus.TOO_MANY_REQUESTS, start)
        try:
            return handler(_with(environ, b""), start)
        finally:
            self._pages.release()

    def _signed(self, environ: WSGIEnvironment, body: bytes) -> bool:
        """Whether Slack recently signed a request; Bolt checks that only after reading and logging the body."""
        at, signature = (str(environ.get(f"HTTP_X_SLACK_{name}", "")) for name in ("REQUEST_TIMESTAMP", "SIGNATURE"))
        signed = hmac.new(self.secret.encode(), f"v0:{at}:".encode() + body, hashlib.sha256).hexdigest()
        known = hmac.compare_digest(f"v0={signed}".encode(), signature.encode())
        return known and abs(time.time() - int(at)) <= _FRESH


def _with(environ: WSGIEnvironment, body: bytes) -> WSGIEnvironment:
    return environ | {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}


def _refused(status: HTTPStatus, start: StartResponse) -> Iterable[bytes]:
    """The answer to callers other than Slack; it reveals nothing."""
    start(f"{status.value} {status.phrase}", [("Content-Type", "text/plain; charset=utf-8")])
    return [f"{status.phrase}\n".encode()]
