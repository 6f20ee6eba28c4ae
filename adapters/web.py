"""A WSGI application (PEP 3333) on a port of this machine, for whoever calls the bot: a platform, a probe."""

import socket
import threading
from wsgiref.types import WSGIApplication

from waitress.server import create_server

from bot.errors import ConfigError

_LARGEST_BODY = 1_000_000
"""Bytes of a request from a platform, which are some kilobytes; a stranger's may be anything."""


class WebServer:
    """Serves an application in threads of its own.

    `largest` is the most bytes that a request may have. Port 0 is any free one, which `port` is once it is listened on.
    """

    def __init__(self, app: WSGIApplication, host: str, port: int, name: str, largest: int) -> None:
        self._app = app
        self._host, self.port = host, port
        self._name = name
        self._largest = largest

    def start(self) -> None:
        """Serve from now on. Raises OSError where the port cannot be opened."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        opened = socket.create_server((self._host, self.port), family=family)
        self.port = opened.getsockname()[1]
        self._server = create_server(
            self._app, sockets=[opened], threads=8, max_request_body_size=self._largest, ident=""
        )
        self._thread = threading.Thread(target=self._server.run, name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Serve no more; what is being answered is waited for, a second at most."""
        server = self._server

        def end() -> None:
            server.close()
            for link in list(server._map.values()):
                link.close()

        server.task_dispatcher.shutdown(timeout=1)
        server.trigger.pull_trigger(end)  # in the server's own thread, which would trip over a socket that is gone
        self._thread.join(1)


class WebTransport:
    """A way in that a platform calls: an application that is served until it is stopped.

    `port` is the one that is listened on, once it is; `name` is the thread's, `setting` chooses the port.
    """

    def __init__(self, host: str, port: int, name: str, setting: str) -> None:
        self._host, self.port = host, port
        self._name, self._setting = name, setting
        self._stopped = threading.Event()
        self.listening = threading.Event()

    def serve(self, app: WSGIApplication) -> None:
        """Serve `app` until `stop` is called. Raises ConfigError where the port cannot be opened."""
        server = WebServer(app, self._host, self.port, self._name, _LARGEST_BODY)
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
