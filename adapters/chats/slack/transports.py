"""How Slack's events reach the bot: over a socket that the bot opens, or over HTTP that Slack calls."""

import logging
import threading
from collections.abc import Callable
from typing import Any, Protocol

from slack_bolt import App
from slack_bolt.adapter.socket_mode.websocket_client import SocketModeHandler
from slack_bolt.adapter.wsgi import SlackRequestHandler
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.websocket_client import SocketModeClient
from websocket import WebSocket, _app

from adapters import network
from adapters.chats.slack.calls import Gate, translated
from adapters.chats.slack.workspaces import web_client
from adapters.web import WebTransport
from bot import addresses
from bot.addresses import Service
from bot.errors import Unavailable

_log = logging.getLogger("digest.slack")


class Transport(Protocol):
    """A way in."""

    @property
    def secret(self) -> str:
        """The secret by which requests are known to be Slack's; empty where no stranger can send any."""
        ...

    def run(self, app: App) -> None:
        """Hand requests to `app` until `stop` is called. Raises ConfigError, Unavailable."""
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
        """Stay connected until stopped. Raises ConfigError for a token that Slack does not take, Unavailable."""
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
        """`issue`, which asks Slack where to connect to; Unavailable for a host that is not Slack's."""

        def issued() -> str:
            url = issue()
            if not addresses.serves(Service.SLACK, self._url, url):
                raise Unavailable("slack_failed", error="socket")
            return url

        return issued

    @property
    def connected(self) -> bool:
        """Whether there is a connection, of which Slack has answered the handshake."""
        session = self._client.current_session if self._client else None
        return bool(session and session.sock and session.sock.connected)

    def stop(self) -> None:
        """End `run`."""
        self._stopped.set()


class Silence:
    """No way in: messages go out, and nothing that people do is heard."""

    secret = ""

    def __init__(self) -> None:
        self._stopped, self.connected = threading.Event(), False

    def run(self, app: App) -> None:  # noqa: ARG002  # it is never called
        """Wait until stopped."""
        _log.warning("in Slack nothing is heard, only posted: SLACK_APP_TOKEN is not set; docs/slack.md says how")
        self.connected = True
        self._stopped.wait()
        self.connected = False

    def stop(self) -> None:
        """End `run`."""
        self._stopped.set()


class _Staying(WebSocket):
    """The connection beneath the SDK's, which would follow three redirects to anywhere; this one follows none.

    It goes as `adapters.network` says: the library knows some of the usual variables, and the machine's roots alone.
    """

    def connect(self, url: str, **options: Any) -> None:
        """Connect to `url` alone. Raises ConfigError and Unreachable where the network is not set up for it."""
        way = _way(network.proxy_for(url))
        self.sock_opt.sslopt["context"] = network.context()
        try:
            super().connect(url, **options | way, redirect_limit=0)  # type: ignore[no-untyped-call]
        except Exception as error:
            if lasting := network.obstacle(error, url):
                raise lasting from None
            raise


def _way(proxy: network.Proxy | None) -> dict[str, Any]:
    """How the library is told of a proxy, or of none: it would look for one itself where it is told of nothing."""
    if proxy is None:
        return {"http_proxy_host": "none", "http_proxy_port": 1, "http_no_proxy": ["*"], "proxy_type": "http"}
    auth = (proxy.user, proxy.password) if proxy.credentials else None
    return {"http_proxy_host": proxy.host, "http_proxy_port": proxy.port, "http_proxy_auth": auth, "proxy_type": "http"}


_app.WebSocket = _Staying  # type: ignore[attr-defined]  # what the SDK opens takes no other


def _close(client: SocketModeClient) -> None:
    """End a connection and what acknowledges.

    The SDK's own `close` waits for a thread that may sleep on its socket for ten seconds; that one ends by itself.
    """
    client.auto_reconnect_enabled, client.closed = False, True
    client.current_session_runner.event.set()
    client.enqueue_message("{}")  # which wakes the thread that waits for a message
    client.disconnect()
    client.current_app_monitor.shutdown()  # type: ignore[no-untyped-call]
    client.message_processor.shutdown()  # type: ignore[no-untyped-call]
    client.message_workers.shutdown()


class Http(WebTransport):
    """HTTP: Slack calls `/slack/events` at a public address, which leads to this host and port."""

    def __init__(self, secret: str, host: str, port: int) -> None:
        super().__init__(host, port, "slack-http", "SLACK_PORT")
        self.secret = secret

    def run(self, app: App) -> None:
        """Serve until stopped. Raises ConfigError where the port cannot be opened."""
        self.serve(SlackRequestHandler(app))
