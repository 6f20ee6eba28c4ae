"""A company's proxy on the loopback interface: it asks for a password, lets some hosts through, and may open TLS.

Names lead where `hosts` says, whatever DNS knows: what arrives has come through here. TLS ends here, with certificates
of an authority of its own, as behind a proxy that looks into what passes; beneath it lies plain HTTP, or a WebSocket.
"""

from __future__ import annotations

import base64
import datetime
import ipaddress
import select
import socket
import socketserver
import ssl
import threading
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """Issues certificates, whose own one is in `file`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Company Authority")])
        self.file = folder / "authority.pem"
        extension = x509.BasicConstraints(ca=True, path_length=None)
        self.file.write_bytes(self._signed(self._name, self._key, extension).public_bytes(serialization.Encoding.PEM))
        self._made: dict[str, ssl.SSLContext] = {}

    def context(self, host: str) -> ssl.SSLContext:
        """What a server of this name speaks TLS with."""
        if host not in self._made:
            key, file = ec.generate_private_key(ec.SECP256R1()), self._folder / f"{host}.pem"
            subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
            made = self._signed(subject, key, x509.SubjectAlternativeName([_general(host)]))
            private = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
            self._made[host] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._made[host].load_cert_chain(file)
        return self._made[host]

    def _signed(self, subject, key, extension) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).add_extension(extension, critical=True)
        builder = builder.not_valid_before(now - datetime.timedelta(days=1))
        return builder.not_valid_after(now + datetime.timedelta(days=30)).sign(self._key, hashes.SHA256())


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


class ProxyServer:
    """Leads `hosts`, by name, to ports of this machine; with `password` (`user:secret`) only who has it.

    `status`, when set, is the answer to everything; `asked` are the hosts that were let through, or not, by verb.
    """

    def __init__(self, hosts: dict[str, int], authority: Authority, password: str = "") -> None:
        self.hosts, self.authority, self.password = hosts, authority, password
        self.status = 0
        self.asked: list[str] = []
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> ProxyServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Its address, with what it wants to know."""
        before = f"{self.password}@" if self.password else ""
        return f"http://{before}127.0.0.1:{self._server.server_address[1]}"


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64


def _handler(proxy: ProxyServer) -> type[socketserver.StreamRequestHandler]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                self._serve()

        def _serve(self) -> None:
            verb, target, _ = self.rfile.readline().decode().split(" ", 2)
            headers = {}
            while (line := self.rfile.readline().decode().strip()) != "":
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            split = urlsplit(target if "://" in target else f"//{target}")
            proxy.asked.append(f"{verb} {split.hostname}")
            wanted = f"Basic {base64.b64encode(proxy.password.encode()).decode()}"
            if proxy.password and headers.get("proxy-authorization") != wanted:
                return self._refuse(407, "Proxy Authentication Required", 'Proxy-Authenticate: Basic realm="company"')
            if proxy.status or split.hostname not in proxy.hosts:
                return self._refuse(proxy.status or 403, "Not For You")
            with socket.create_connection(("127.0.0.1", proxy.hosts[split.hostname])) as behind:
                if verb == "CONNECT":
                    self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    self._inside(split.hostname, behind)
                else:
                    self._plain(verb, split, headers, behind)
            return None

        def _inside(self, host: str, behind: socket.socket) -> None:
            try:
                inner = proxy.authority.context(host).wrap_socket(self.connection, server_side=True)
            except OSError:  # who asked does not trust us
                return
            with inner:
                _pump(inner, behind)

        def _plain(self, verb, split, headers, behind) -> None:
            path = (split.path or "/") + (f"?{split.query}" if split.query else "")
            headers = {n: v for n, v in headers.items() if not n.startswith("proxy-")} | {"connection": "close"}
            lines = [f"{verb} {path} HTTP/1.1", *(f"{n}: {v}" for n, v in headers.items()), "", ""]
            behind.sendall("\r\n".join(lines).encode() + self.rfile.read(int(headers.get("content-length", 0))))
            while piece := behind.recv(65_536):
                self.wfile.write(piece)

        def _refuse(self, status: int, reason: str, *headers: str) -> None:
            lines = [f"HTTP/1.1 {status} {reason}", *headers, "Content-Length: 0", "Connection: close", "", ""]
            self.wfile.write("\r\n".join(lines).encode())

    return Handler


def _pump(one: ssl.SSLSocket, other: socket.socket) -> None:
    """Hand on what comes from either, until one of them ends."""
    while True:
        ready = [one] if one.pending() else select.select([one, other], [], [], 30)[0]
        if not ready:
            return
        for each in ready:
            if not (piece := each.recv(65_536)):
                return
            (other if each is one else one).sendall(piece)
