"""Decides which hosts git may connect to: those that the operator named, and for names from a chat only those on the
internet.

Git and curl resolve names themselves, so a name could resolve to one address when it is checked and to another when it
is used. So git gets the addresses that were checked: `http.curloptResolve` for http (git-config(1), since git 2.37),
`HostName` for ssh (ssh_config(5)). Behind an http proxy, the proxy resolves names, and its rules apply.
"""

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from bot import addresses
from bot.errors import Unavailable

_PORTS = {"http": 80, "https": 443, "ssh": 22}
_MOST = 8
"""The most addresses of a host to pass to git."""


def _resolved(host: str, port: int) -> list[str]:
    """The addresses of a host. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True, slots=True)
class Pinned:
    """What pins git to the checked addresses: entries of its configuration, and options of ssh."""

    config: Mapping[str, str]
    ssh: Sequence[str] = ()


class Reach:
    """Decides how a host is reached. `named` says whether the operator named a host; None: only the operator asks.

    `resolve` returns the addresses of a host and a port, and raises OSError.
    """

    def __init__(
        self,
        named: Callable[[str], bool] | None = None,
        resolve: Callable[[str, int], Sequence[str]] = _resolved,
    ) -> None:
        self._named = named
        self._resolve = resolve

    def pinned(self, url: str, *, proxied: bool) -> Pinned:
        """The pinned addresses for the host of `url`, an address to clone from.

        Raises Unavailable in the same way for a host with an address that is not on the internet and for one with none:
        a stranger must not learn which names this network knows.
        """
        host, port, scheme = _parts(url)
        if self._named is None or self._named(host):
            return Pinned({})
        found = self._looked_up(host, port)
        if not all(map(addresses.is_public, found)) or not (found or (proxied and scheme != "ssh")):
            raise Unavailable("address_not_public", host=host)
        if not found:
            return Pinned({})
        if scheme == "ssh":  # the host key is found under the host's own name
            alias = host if port == _PORTS["ssh"] else f"[{host}]:{port}"
            return Pinned({}, (f"-oHostName={found[0]}", f"-oHostKeyAlias={alias}"))
        pinned = ",".join(f"[{each}]" if ":" in each else each for each in found[:_MOST])
        return Pinned({"http.curloptResolve": f"{host}:{port}:{pinned}"})

    def _looked_up(self, host: str, port: int) -> Sequence[str]:
        try:
            return self._resolve(host, port)
        except (OSError, UnicodeError):
            return ()


def _parts(url: str) -> tuple[str, int, str]:
    """Host, port and scheme of a URL that git clones."""
    split = urlsplit(url if "://" in url else f"ssh://{url.replace(':', '/', 1)}")
    return split.hostname or "", split.port or _PORTS[split.scheme], split.scheme
