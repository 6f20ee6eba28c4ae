"""A pooler in transaction mode before a PostgreSQL server, as PgBouncer is: each transaction gets another session.

It refuses what PgBouncer refuses (https://www.pgbouncer.org/features.html, /config.html: `ignore_startup_parameters`).
Messages are those of https://www.postgresql.org/docs/current/protocol-message-formats.html.
"""

from __future__ import annotations

import selectors
import socket
import struct
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path

TRACKED = {"user", "database", "application_name", "client_encoding", "datestyle", "timezone"}
ASKING = {b"Q", b"S", b"F"}
"""The messages that ReadyForQuery answers."""


class Pooler:
    """Listens in a folder, as a server does, and has some sessions of the server in another one."""

    def __init__(self, folder: Path, server: Path, database: str, sessions: int = 3) -> None:
        self.refused: list[str] = []
        self.transactions = 0
        self._idle = deque(_session(server, database) for _ in range(sessions))
        self._all = list(self._idle)
        self._free = threading.Condition()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()
        for session in self._all:
            session.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._listener.accept()[0],), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError, EOFError, struct.error):
            named = _startup(client).split(b"\0")
            unknown = {name.decode() for name in named[::2] if name} - TRACKED
            if unknown:
                self.refused += sorted(unknown)
                return
            client.sendall(_message(b"R", struct.pack("!I", 0)))
            client.sendall(_message(b"S", b"client_encoding\0UTF8\0") + _message(b"S", b"server_version\x0018.0\0"))
            client.sendall(_message(b"K", struct.pack("!II", 1, 1)) + _message(b"Z", b"I"))
            while True:
                self._transaction(client, _received(client))

    def _transaction(self, client: socket.socket, first: tuple[bytes, bytes]) -> None:
        """Give a client a session, until the server says that it is in no transaction."""
        if first[0] == b"X":
            raise EOFError
        with self._free:
            while not self._idle:
                self._free.wait()
            session = self._idle.popleft()
            self.transactions += 1
        _relay(client, session, first)
        with self._free:
            self._idle.append(session)
            self._free.notify()


def _relay(client: socket.socket, session: socket.socket, first: tuple[bytes, bytes]) -> None:
    session.sendall(_message(*first))
    asked = first[0] in ASKING
    with selectors.DefaultSelector() as waiting:
        for each in (client, session):
            waiting.register(each, selectors.EVENT_READ)
        while True:
            for key, _ in waiting.select():
                kind, body = _received(key.fileobj)
                (session if key.fileobj is client else client).sendall(_message(kind, body))
                asked += key.fileobj is client and kind in ASKING
                asked -= key.fileobj is session and kind == b"Z"
                if not asked and (kind, body) == (b"Z", b"I"):
                    return


def _session(server: Path, database: str) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.connect(str(server / ".s.PGSQL.5432"))
    named = b"user\0postgres\0database\0" + database.encode() + b"\0\0"
    made.sendall(struct.pack("!II", len(named) + 8, 196608) + named)
    while _received(made)[0] != b"Z":
        pass
    return made


def _startup(client: socket.socket) -> bytes:
    """The parameters that a client names."""
    size, version = struct.unpack("!II", _exactly(client, 8))
    assert version == 196608, "what comes over a socket in the file system asks for no encryption"
    return _exactly(client, size - 8)


def _received(peer: socket.socket) -> tuple[bytes, bytes]:
    head = _exactly(peer, 5)
    return head[:1], _exactly(peer, struct.unpack("!I", head[1:])[0] - 4)


def _exactly(peer: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = peer.recv(size - len(found))
        if not more:
            raise EOFError
        found += more
    return found


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body
