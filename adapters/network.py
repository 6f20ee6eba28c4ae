"""Outgoing connections: one proxy, one set of certificates, and one error for each obstacle.

Each client library reads some of the usual environment variables, in its own way, and some exit on one that they cannot
use. So none of them reads any: the variables are interpreted here, and the result is passed to each.
"""

import base64
import ipaddress
import os
import re
import socket
import ssl
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple, TypeGuard
from urllib.parse import SplitResult, unquote, urlsplit

import certifi

from bot.errors import ConfigError, Unreachable
from bot.settings import unquoted
from bot.values import one_line

# --- Proxies ---------------------------------------------------------------------------------

_SECURE = {"https", "wss"}
_ALL = ("all_proxy", "ALL_PROXY")
_PROXIES = {False: ("http_proxy", "HTTP_PROXY", *_ALL), True: ("https_proxy", "HTTPS_PROXY", *_ALL)}
_AROUND = ("no_proxy", "NO_PROXY")
_SOCKS = {"socks", "socks4", "socks4a", "socks5", "socks5h"}
_DEFAULT_PORT, _SOCKS_PORT = 80, 1080
_PASSING = 500
"""From this status on a proxy's error is temporary (RFC 9110, 15.6)."""


class Proxy(NamedTuple):
    """An HTTP proxy, and the variable that names it; user and password are empty if it needs none."""

    variable: str
    host: str
    port: int
    user: str = ""
    password: str = ""
    credentials: str = ""
    """User and password as in the address."""
    scheme: str = "http"

    @property
    def url(self) -> str:
        """Its address, with credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        before = f"{self.credentials}@" if self.credentials else ""
        return f"{self.scheme}://{before}{host}:{self.port}"


def proxy_for(url: str, environ: Mapping[str, str] = os.environ, *, socks: bool = False) -> Proxy | None:
    """The proxy for `url`; None if it is reached directly.

    This machine's own addresses are: a proxy would look for them on its own machine. Raises ConfigError for a variable
    without a usable proxy; SOCKS proxies are only usable if `socks`.
    """
    split = urlsplit(url)
    name, value = _first(_PROXIES[split.scheme in _SECURE], environ)
    if not value or _is_around(split, _first(_AROUND, environ)[1]):
        return None
    return _parsed(name, value, socks)


def _first(names: tuple[str, ...], environ: Mapping[str, str]) -> tuple[str, str]:
    """The first of some variables that is set, and its value."""
    said = ((name, unquoted(environ.get(name, ""))) for name in names)
    return next(((name, value) for name, value in said if value), ("", ""))


def _parsed(name: str, value: str, socks: bool) -> Proxy:
    """The proxy that a variable names. Raises ConfigError, without the value, which may contain a password."""
    try:
        split = urlsplit(value if "://" in value else f"http://{value}")
        usual = _SOCKS_PORT if split.scheme in _SOCKS else _DEFAULT_PORT
        port = split.port if split.port is not None else usual
    except ValueError:
        raise ConfigError("proxy_invalid", name=name) from None
    if split.scheme in _SOCKS and not socks:
        raise ConfigError("proxy_socks", name=name)
    known = split.scheme in {"http", *_SOCKS}
    if not known or not split.hostname or not port or re.search(r"[\s\x00-\x1f]", value):
        raise ConfigError("proxy_invalid", name=name)
    said = (unquote(split.username or ""), unquote(split.password or ""))
    return Proxy(name, split.hostname, port, *said, split.netloc.rpartition("@")[0], split.scheme)


def _is_around(split: SplitResult, listed: str) -> bool:
    """Whether an address is reached without a proxy: this machine's own, or one that `NO_PROXY` lists."""
    host = (split.hostname or "").lower().rstrip(".")
    port = split.port or (443 if split.scheme in _SECURE else _DEFAULT_PORT)
    entries = (entry.lower() for entry in re.split(r"[\s,]+", listed) if entry)
    return _is_here(host) or any(_is_listed(host, port, entry) for entry in entries)


def _is_here(host: str) -> bool:
    address = _address(host)
    return host == "localhost" or host.endswith(".localhost") or bool(address and address.is_loopback)


def _is_listed(host: str, port: int, entry: str) -> bool:
    """Whether an entry of `NO_PROXY` matches a host: `*`, a name and its subdomains, an address, a network."""
    if entry == "*":
        return True
    if address := _address(host):
        try:
            return address in ipaddress.ip_network(entry.strip("[]"), strict=False)
        except ValueError:
            pass
    name, _, wanted = entry.rpartition(":") if re.search(r"[^:]:\d+$", entry) else (entry, "", "")
    name = name.strip("[]").removeprefix("*").lstrip(".")
    return (not wanted or int(wanted) == port) and bool(name) and (host == name or host.endswith(f".{name}"))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def tunnel(proxy: Proxy, url: str, seconds: float) -> socket.socket:
    """A connection to the host of `url` through a proxy (RFC 9110, 9.3.6), before TLS. Raises OSError."""
    said = f"{proxy.user}:{proxy.password}".encode()
    headers = {"Proxy-Authorization": f"Basic {base64.b64encode(said).decode()}"} if proxy.credentials else {}
    split = urlsplit(url)
    link = HTTPConnection(proxy.host, proxy.port, timeout=seconds)
    link.set_tunnel(split.hostname or "", split.port or (443 if split.scheme in _SECURE else _DEFAULT_PORT), headers)
    link.connect()
    opened: socket.socket = link.sock
    return opened


# --- Certificates ----------------------------------------------------------------------------

SETTING = "DIGEST_CA_FILE"
_FILES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO")
_FOLDERS = ("SSL_CERT_DIR", "GIT_SSL_CAPATH")
_own: list[str] = []


def trust(file: Path | None) -> None:
    """Trust the certificates in the setting `DIGEST_CA_FILE`, in the whole process, in addition to the usual ones.

    Raises ConfigError for a file that cannot be used.
    """
    before = _own[:]
    _own[:] = [str(file)] if file else []
    try:
        if file:
            context()
    except ConfigError:
        _own[:] = before  # existing connections are not affected
        raise


def _named(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The files and folders with certificates in the settings and variables, with the name of each."""
    yield from ((SETTING, file) for file in _own)
    for name in (*_FILES, *_FOLDERS):
        for path in unquoted(environ.get(name, "")).split(os.pathsep if name in _FOLDERS else "\0"):
            if path:
                yield name, path


def context(environ: Mapping[str, str] = os.environ) -> ssl.SSLContext:
    """The TLS context: the machine's roots, Mozilla's, and those in the setting and the usual variables.

    Raises ConfigError for a variable that names no certificates.
    """
    return _context(tuple((name, path, _changed(path)) for name, path in _named(environ)))


def _changed(path: str) -> int:
    """The modification time of a file, so that a changed one is read again."""
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(4)
def _context(named: tuple[tuple[str, str, int], ...]) -> ssl.SSLContext:
    made = _plain()
    made.load_verify_locations(certifi.where())  # slim images have no roots of their own
    for name, path, _ in named:
        try:
            made.load_verify_locations(**({"capath": path} if Path(path).is_dir() else {"cafile": path}))
            Path(path).stat()  # a missing folder is accepted silently
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            problem = getattr(error, "strerror", None) if not isinstance(error, ssl.SSLError) else None
            raise ConfigError("certificates_unreadable", name=name, problem=problem or "no certificates") from None
    return made


def _plain() -> ssl.SSLContext:
    """A context with the machine's roots, which on macOS and Windows are not in files."""
    if sys.platform in {"darwin", "win32"}:
        import truststore  # noqa: PLC0415

        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return _compiled(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


def _compiled(made: ssl.SSLContext) -> ssl.SSLContext:
    """A context with the roots at OpenSSL's default places; what `SSL_CERT_FILE` names is added, and checked."""
    paths = ssl.get_default_verify_paths()
    file, folder = Path(paths.openssl_cafile), Path(paths.openssl_capath)
    if file.is_file() or folder.is_dir():
        made.load_verify_locations(str(file) if file.is_file() else None, str(folder) if folder.is_dir() else None)
    return made


def bundle(environ: Mapping[str, str] = os.environ) -> bytes:
    """The certificates of `context` as the content of one file; empty if only the machine's own are trusted.

    Raises ConfigError.
    """
    named = tuple(_named(environ))
    if not named:
        return b""
    context(environ)
    paths = [Path(path) for _, path in named]
    files = [file for path in paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    system = ssl.get_default_verify_paths().openssl_cafile
    base = [Path(certifi.where()), *(path for path in (Path(system),) if path.is_file())]
    return b"\n".join(file.read_bytes() for file in (*base, *files) if file.is_file())


# --- Obstacles -------------------------------------------------------------------------------

_STATUS = re.compile(
    r"(?:tunnel connection failed|proxy rejected connection: http|connect via proxy status|"
    r"received http code|connect tunnel failed, response|^)\W*(?P<status>407|4\d\d|5\d\d)\b",
    re.I,
)
_NO_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


def obstacle(error: BaseException, url: str) -> Unreachable | ConfigError | None:
    """The permanent cause that kept a client from `url`: a certificate, a name, a proxy; None if it may be temporary.

    `error` is the client's; its causes and what it wraps are checked too.
    """
    host, chain = urlsplit(url).hostname or "", list(_chain(error))
    if known := next((each for each in chain if isinstance(each, Unreachable | ConfigError)), None):
        return known
    if untrusted := next((each for each in chain if isinstance(each, ssl.SSLCertVerificationError)), None):
        return Unreachable("certificate_untrusted", host=host, problem=untrusted.verify_message)
    if proxy := proxy_for(url):
        return _blocked(chain, proxy, host)
    if any(isinstance(each, socket.gaierror) and each.errno in _NO_NAME for each in chain):
        return Unreachable("host_unknown", host=host)
    return None


def _blocked(chain: list[BaseException], proxy: Proxy, host: str) -> Unreachable | None:
    """Why a proxy refuses connections to a host; None if it did not, or may accept them later."""
    for each in chain:
        named = "proxy" in type(each).__name__.lower() or "tunnel connection failed" in str(each).lower()
        if named and (found := _STATUS.search(str(each))):
            status = int(found["status"])
            return refusal(status, proxy, host) if status < _PASSING else None
    if unknown := next((each for each in chain if _is_absent(each)), None):
        return Unreachable("proxy_absent", name=proxy.variable, problem=one_line(str(unknown.strerror or ""), 80))
    return None


def _is_absent(error: BaseException) -> TypeGuard[OSError]:
    """Whether there is no proxy at its address; a name server that does not answer may do so later."""
    return isinstance(error, ConnectionRefusedError) or (isinstance(error, socket.gaierror) and error.errno in _NO_NAME)


def refusal(status: int, proxy: Proxy, host: str) -> Unreachable:
    """The error for a proxy's refusal, by its status."""
    if status == 407:
        return Unreachable("proxy_credentials", name=proxy.variable)
    return Unreachable("proxy_refused", name=proxy.variable, host=host, status=status)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error with all its causes and what they wrap, without duplicates."""
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        wrapped = (each.__cause__, each.__context__, getattr(each, "reason", None), *each.args)
        waiting += [inner for inner in wrapped if isinstance(inner, BaseException)]
