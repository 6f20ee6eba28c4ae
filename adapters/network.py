"""Outgoing connections: one proxy, one set of certificates, and one error for each obstacle.

Every client library reads some of the usual variables, each others and each in its own way, and some end the program
over one that they cannot use. So none of them reads any: what the variables mean is decided here, and passed to each.
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
"""From this status on an answer of a proxy is about the moment (RFC 9110, 15.6)."""


class Proxy(NamedTuple):
    """A proxy for HTTP, and the variable that names it; user and password are empty where it wants none."""

    variable: str
    host: str
    port: int
    user: str = ""
    password: str = ""
    credentials: str = ""
    """User and password as they stand in the address."""
    scheme: str = "http"

    @property
    def url(self) -> str:
        """Its address, with what it wants to know."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        before = f"{self.credentials}@" if self.credentials else ""
        return f"{self.scheme}://{before}{host}:{self.port}"


def proxy_for(url: str, environ: Mapping[str, str] = os.environ, *, socks: bool = False) -> Proxy | None:
    """The proxy through which `url` is reached, None where it is reached without.

    This machine's own addresses are: a proxy would look for them on its own. Raises ConfigError for a variable that
    names no proxy that can be used; one for SOCKS can where `socks` says so.
    """
    split = urlsplit(url)
    name, value = _first(_PROXIES[split.scheme in _SECURE], environ)
    if not value or _is_around(split, _first(_AROUND, environ)[1]):
        return None
    return _parsed(name, value, socks)


def _first(names: tuple[str, ...], environ: Mapping[str, str]) -> tuple[str, str]:
    """The first of some variables that is set, and what it says."""
    said = ((name, unquoted(environ.get(name, ""))) for name in names)
    return next(((name, value) for name, value in said if value), ("", ""))


def _parsed(name: str, value: str, socks: bool) -> Proxy:
    """The proxy that a variable names. Raises ConfigError, without the value: there may be a password in it."""
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
    """Whether an address is reached around any proxy: this machine's own, or one that `NO_PROXY` lists."""
    host = (split.hostname or "").lower().rstrip(".")
    port = split.port or (443 if split.scheme in _SECURE else _DEFAULT_PORT)
    entries = (entry.lower() for entry in re.split(r"[\s,]+", listed) if entry)
    return _is_here(host) or any(_is_listed(host, port, entry) for entry in entries)


def _is_here(host: str) -> bool:
    address = _address(host)
    return host == "localhost" or host.endswith(".localhost") or bool(address and address.is_loopback)


def _is_listed(host: str, port: int, entry: str) -> bool:
    """Whether an entry of `NO_PROXY` means a host: `*`, a name and its subdomains, an address, a network."""
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
    """A connection to the host of `url` through a proxy (RFC 9110, 9.3.6), in which TLS may begin. Raises OSError."""
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
    """Trust what the setting `DIGEST_CA_FILE` names, in all of this process, besides what is trusted anyway.

    Raises ConfigError for a file that cannot be used.
    """
    before = _own[:]
    _own[:] = [str(file)] if file else []
    try:
        if file:
            context()
    except ConfigError:
        _own[:] = before  # what is connected goes on as it was
        raise


def _named(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The files and folders with certificates that are named, with what names each."""
    yield from ((SETTING, file) for file in _own)
    for name in (*_FILES, *_FOLDERS):
        for path in unquoted(environ.get(name, "")).split(os.pathsep if name in _FOLDERS else "\0"):
            if path:
                yield name, path


def context(environ: Mapping[str, str] = os.environ) -> ssl.SSLContext:
    """Whom a connection trusts: the machine's roots, Mozilla's, and whatever the setting and the usual variables name.

    Raises ConfigError for a variable that names no certificates.
    """
    return _context(tuple((name, path, _changed(path)) for name, path in _named(environ)))


def _changed(path: str) -> int:
    """When a file was last changed, so that a corrected one is read again."""
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
            Path(path).stat()  # a folder that is not there is taken without a word
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            problem = getattr(error, "strerror", None) if not isinstance(error, ssl.SSLError) else None
            raise ConfigError("certificates_unreadable", name=name, problem=problem or "no certificates") from None
    return made


def _plain() -> ssl.SSLContext:
    """A context with the machine's roots. Those of macOS and Windows are in no file."""
    if sys.platform in {"darwin", "win32"}:
        import truststore  # noqa: PLC0415

        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return _compiled(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


def _compiled(made: ssl.SSLContext) -> ssl.SSLContext:
    """A context with the roots at OpenSSL's own places: what `SSL_CERT_FILE` names comes besides, and is checked."""
    paths = ssl.get_default_verify_paths()
    file, folder = Path(paths.openssl_cafile), Path(paths.openssl_capath)
    if file.is_file() or folder.is_dir():
        made.load_verify_locations(str(file) if file.is_file() else None, str(folder) if folder.is_dir() else None)
    return made


def bundle(environ: Mapping[str, str] = os.environ) -> bytes:
    """The certificates of `context` as one file holds them; empty where nothing is named besides the machine's own.

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


# --- What stands in the way ------------------------------------------------------------------

_STATUS = re.compile(
    r"(?:tunnel connection failed|proxy rejected connection: http|connect via proxy status|"
    r"received http code|connect tunnel failed, response|^)\W*(?P<status>407|4\d\d|5\d\d)\b",
    re.I,
)
_NO_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


def obstacle(error: BaseException, url: str) -> Unreachable | ConfigError | None:
    """What lasts of what kept a client from reaching `url`: a certificate, a name, a proxy. None for what may pass.

    `error` is the client's; what it was raised from and what it wraps is looked at too.
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
    """Why a proxy lets nobody through to a host; None where it did, or may do so later."""
    for each in chain:
        named = "proxy" in type(each).__name__.lower() or "tunnel connection failed" in str(each).lower()
        if named and (found := _STATUS.search(str(each))):
            status = int(found["status"])
            return refusal(status, proxy, host) if status < _PASSING else None
    if unknown := next((each for each in chain if _is_absent(each)), None):
        return Unreachable("proxy_absent", name=proxy.variable, problem=one_line(str(unknown.strerror or ""), 80))
    return None


def _is_absent(error: BaseException) -> TypeGuard[OSError]:
    """Whether nobody is where a proxy should be; a name server that does not answer may do so later."""
    return isinstance(error, ConnectionRefusedError) or (isinstance(error, socket.gaierror) and error.errno in _NO_NAME)


def refusal(status: int, proxy: Proxy, host: str) -> Unreachable:
    """What the answer of a proxy that lets nobody through means."""
    if status == 407:
        return Unreachable("proxy_credentials", name=proxy.variable)
    return Unreachable("proxy_refused", name=proxy.variable, host=host, status=status)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and all that it was raised from, or wraps, each once."""
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        wrapped = (each.__cause__, each.__context__, getattr(each, "reason", None), *each.args)
        waiting += [inner for inner in wrapped if isinstance(inner, BaseException)]
