"""Sessions of `requests` for the clients that use it: they connect as `adapters.network` says."""

from collections.abc import Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from adapters import network


class Adapter(HTTPAdapter):
    """Uses the proxy and the certificates of `adapters.network`."""

    def init_poolmanager(self, *positional: Any, **named: Any) -> None:
        """Direct connections to hosts."""
        super().init_poolmanager(*positional, **named, ssl_context=network.context())

    def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
        """Connections through a proxy."""
        return super().proxy_manager_for(proxy, **named, ssl_context=network.context())

    def send(  # noqa: PLR0917  # the library's own
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002  # what the library found
    ) -> requests.Response:
        """Send a request through the proxy of `adapters.network`, whatever the library found."""
        proxy = network.proxy_for(request.url or "")
        ours = {"http": proxy.url, "https": proxy.url} if proxy else {}
        return super().send(request, stream, timeout, verify, cert, ours)


def equip(session: requests.Session, adapter: type[Adapter] = Adapter) -> requests.Session:
    """Make `session` ignore environment variables. Raises ConfigError for one that names no certificates."""
    session.trust_env = False
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter(max_retries=0))
    return session
