"""Requests that stay with the host they were meant for: nothing here follows a redirect, which would take along what is
in hand, a token in a header or a secret in an address."""

from http.client import HTTPResponse
from typing import Any
from urllib.request import HTTPRedirectHandler, Request, build_opener


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow nothing: the redirect itself is the answer, as an HTTPError."""


_OPENER = build_opener(_Stay)


def ask(request: Request, seconds: float) -> HTTPResponse:
    """The answer to `request`, within `seconds` for each wait. Raises OSError, of which HTTPError is one."""
    answer: HTTPResponse = _OPENER.open(request, timeout=seconds)
    return answer
