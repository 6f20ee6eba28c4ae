"""Requests without redirects, which would send a token in a header, or a secret in an address, to another host."""

from functools import lru_cache
from http.client import HTTPResponse
from ssl import SSLContext
from typing import Any
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request, build_opener

from adapters import network


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Do not follow: the redirect itself is the answer, as an HTTPError."""


@lru_cache(8)
def _opener(proxy: str, context: SSLContext) -> OpenerDirector:
    proxies = ProxyHandler({"http": proxy, "https": proxy} if proxy else {})
    return build_opener(_Stay, proxies, HTTPSHandler(context=context))


def ask(request: Request, seconds: float) -> HTTPResponse:
    """The answer to `request`, within `seconds` for each wait.

    Raises OSError, including HTTPError; Unreachable, and ConfigError for wrong network settings.
    """
    url = request.full_url
    proxy = network.proxy_for(url)
    opener = _opener(proxy.url if proxy else "", network.context())
    try:
        answer: HTTPResponse = opener.open(request, timeout=seconds)
    except OSError as error:
        if obstacle := network.obstacle(error, url):
            raise obstacle from None
        raise
    return answer
