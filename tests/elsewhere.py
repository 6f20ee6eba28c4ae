"""A host that sends everybody elsewhere, and one that writes down who came and with what in hand. Real sockets."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field

from serving import Handler, HttpServer


@dataclass
class Came:
    """A request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Elsewhere:
    """A server on the loopback interface; `sends` makes of a path the address to which it redirects, none: 404."""

    name: str = "127.0.0.1"
    status: int = 307
    sends: object = None
    came: list[Came] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://{self.name}:{self.port}"

    @property
    def secrets(self) -> str:
        """Everything that anybody brought, in one text."""
        return "\n".join(f"{each.path} {each.headers} {each.body.decode(errors='replace')}" for each in self.came)


@contextmanager
def elsewhere(sends=None, *, name="127.0.0.1", status=307):
    """An `Elsewhere` that listens; `sends(path)` is where it redirects to."""
    told = Elsewhere(name, status, sends)

    class Told(Handler):
        def answered(self, raw):
            told.came.append(Came(self.path, dict(self.headers), raw))
            if told.sends is None:
                return (404, b"nothing here", {}), 0.0
            return (told.status, b"", {"Location": told.sends(self.path)}), 0.0

    server = HttpServer(("127.0.0.1", 0), Told)
    told.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
