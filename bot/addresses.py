"""Decides where the bot may connect: the hosts a response may name, private addresses, and normal forms of names. Pure.

Names and URLs are untrusted here: what cannot be parsed names no host, and is never an error.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from bot.values import without_credentials


class Service(StrEnum):
    """A service whose authenticated answers name addresses of its own."""

    SLACK = "slack"
    FEISHU = "feishu"
    GITHUB = "github"


HOSTS: dict[Service, tuple[str, ...]] = {
    # docs.slack.dev: files.getUploadURLExternal (files.slack.com), "Handling user interaction" (hooks.slack.com),
    # "Using Socket Mode" (wss-*.slack.com); GovSlack has the same below a domain of its own.
    Service.SLACK: ("slack.com", ".slack.com", ".slack-gov.com"),
    # What the persistent connection's endpoint answers: msg-frontier.feishu.cn, msg-frontier-*.larksuite.com.
    Service.FEISHU: (".feishu.cn", ".larksuite.com"),
    # docs.github.com, "Download a repository archive"; of a host of its own, GitHub Enterprise Server, see `serves`.
    Service.GITHUB: ("codeload.github.com",),
}
"""The hosts that a service's answers may name besides its own; with a leading dot, all below a domain."""

_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_SECURE = {"https", "wss"}


def serves(service: Service, asked: str, url: str) -> bool:
    """Whether a request may go to `url`, which `service` named in a response from `asked`, the address in the settings.

    That host itself may serve on any port; GitHub Enterprise Server has archives below `codeload.` where it isolates
    subdomains (docs.github.com, "Enabling subdomain isolation"). A secure address leads to secure ones only.
    """
    to, base = _split(url), _split(asked)
    if not to or not base or to.scheme not in _PORTS or (base.scheme in _SECURE and to.scheme not in _SECURE):
        return False
    own = {base.hostname, f"codeload.{base.hostname}"} if service is Service.GITHUB else {base.hostname}
    if to.hostname in own:
        return True
    listed = any(f"{'.' if host[0] == '.' else ''}{to.hostname}".endswith(host) for host in _listed(service, to))
    return listed and to.scheme in _SECURE and _port(to) == _PORTS[to.scheme]


def _listed(service: Service, to: SplitResult) -> Iterable[str]:
    """The entries of a service that may match: its domains, and the host itself."""
    return (host for host in HOSTS[service] if host[0] == "." or host == to.hostname)


def moved(url: str, location: str) -> str | None:
    """The address that `location`, a redirect from `url`, leads to; None if it is on another host, or no longer secure.

    Allowed are the same host, scheme and port, or from http to https on the same host with their default ports.
    """
    at, to = _split(url), _split(location, url)
    if not at or not to or to.hostname != at.hostname or to.username or to.password:
        return None
    same = (to.scheme, _port(to)) == (at.scheme, _port(at))
    secured = (at.scheme, _port(at), to.scheme, _port(to)) == ("http", 80, "https", 443)
    return to.geturl() if same or secured else None


_PLAIN = re.compile(r"[!-\[\]-~]{1,2000}")
"""The characters of an address. Other clients end a host at a backslash, Python's does not."""


def _split(url: str, base: str = "") -> SplitResult | None:
    """Parse an address, relative to a page at `base`; None if it is not one."""
    try:
        found = urlsplit(urljoin(base, url)) if _PLAIN.fullmatch(url) else None
        return found if found and found.hostname and _port(found) else None
    except ValueError:
        return None


def _port(url: SplitResult) -> int:
    return url.port or _PORTS.get(url.scheme, 0)


# --- Names from a chat -----------------------------------------------------------------------

_FILE = "file://"
_BEFORE_PATH = re.compile(r"[a-z+]+://[^/]*/?|[\w.-]+@[^/:]*:/?", re.IGNORECASE)
_NO_NAME = re.compile(r"[\x00-\x1f\x7f\\]")


def is_hosted(repo: str) -> bool:
    """Whether a name is `owner/name`, not a path or an address."""
    return repo.count("/") == 1 and not repo.startswith((".", "/", "~")) and ":" not in repo


def is_group(name: str) -> bool:
    """Whether a name means all repositories whose names start so: `owner/*`, `owner/team-*`, `/srv/git/*`."""
    stem = name.removesuffix("*")
    plain = name != stem and "*" not in stem and "/" in stem and not _BEFORE_PATH.match(name)
    return plain and (is_hosted(name) or is_path(name))


def is_path(name: str) -> bool:
    """Whether a repository's name is a local path, not an address or `owner/name`."""
    return name.startswith(("/", ".", "~", _FILE)) or not (_BEFORE_PATH.match(name) or name.count("/") == 1)


def normalised(name: str) -> str:
    """The normal form of a repository's name, by which rights are looked up; empty if it has none.

    A name without one leads elsewhere than it says (`..`, `//`, `%2e%2e`, a backslash, a trailing dot): a server, or
    this machine, would interpret it differently. Paths are case-sensitive; host names, and paths on hosts, are not.
    """
    text = without_credentials(name)
    if text.startswith(f"{_FILE}/"):
        text = unquote(text.removeprefix(_FILE))
    if is_path(text):
        path = text.rstrip("/") or text
        return path if path.startswith("/") and is_straight(path[1:]) else ""
    before = _BEFORE_PATH.match(text)
    return text.lower() if is_straight(text[before.end() if before else 0 :].rstrip("/"), encoded=True) else ""


def is_straight(path: str, *, encoded: bool = False) -> bool:
    """Whether every part of a path is a name that leads nowhere else; in an address parts may be percent-encoded."""
    if not encoded:
        return not any(part in {"", ".", ".."} or _NO_NAME.search(part) for part in path.split("/"))
    parts = [unquote(unquote(part)) for part in path.split("/")]  # twice: some servers decode what others have decoded
    return not any(not part or part[-1] == "." or "/" in part or _NO_NAME.search(part) for part in parts)


_HOST = re.compile(
    r"(?:[a-z+]{2,10}://(?:[^/@\s]{0,200}@)?|[\w.-]{1,100}@(?=[^/]{1,260}:))([a-z0-9.-]{1,255})(?=[:/]|$)"
)


def host_of(name: str) -> str:
    """The host that a repository's address, or a pattern of addresses, names in full; empty if it names none."""
    found = _HOST.match(without_credentials(name).lower())
    return found[1] if found else ""


def server_of(repo: str) -> str:
    """The host, with its port, that serves a repository; `github` for `owner/name`, empty for this machine."""
    if is_hosted(repo):
        return "github"
    _, full, rest = repo.partition("://")
    authority, short, _ = rest.partition("/") if full else repo.partition(":")
    remote = full or (short and "@" in authority and "/" not in authority)
    return authority.rpartition("@")[2].lower() if remote else ""


def hosts_of(names: Iterable[str]) -> frozenset[str]:
    """The hosts in addresses and patterns."""
    return frozenset(filter(None, map(host_of, names)))


_GLOBAL = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an IP address is on the public internet, not private, link-local, reserved, or this machine's.

    Source: the IANA special-purpose address registries, as `ipaddress` has them; RFC 6052 and RFC 3056 for addresses in
    which another one lies.
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    return _is_public6(ip) if isinstance(ip, IPv6Address) else _is_public4(ip)


def _is_public4(ip: IPv4Address) -> bool:
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _is_public6(ip: IPv6Address) -> bool:
    inner = IPv4Address(ip.packed[-4:]) if ip in _NAT64 else ip.ipv4_mapped or ip.sixtofour
    return _is_public4(inner) if inner else ip in _GLOBAL and ip.is_global
