"""The parts of lark_oapi that the bot uses: sending requests, the persistent connection, and the cipher of events.

The package imports a client for each of about sixty interfaces of Feishu, and the persistent connection's module a
class for each of their events: ten thousand modules, two seconds and 125 MB. We send and read plain values, so the
modules below the package are imported without it.
"""

import importlib.util
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import ModuleType, SimpleNamespace
from typing import Any

import requests

from adapters import sessions
from bot import imports

_PACKAGE = "lark_oapi"
_EVENTS = f"{_PACKAGE}.event.dispatcher_handler"
_importing = threading.Lock()


@dataclass(frozen=True, slots=True)
class Sdk:
    """The modules of the SDK that are used."""

    core: Any
    """Kinds of requests and of tokens, and the cipher."""
    model: Any
    """Requests and their options."""
    transport: Any
    """Sends a request over HTTP, and writes a form with a file."""
    ws: Any
    """The persistent connection's client."""


def sdk() -> Sdk:
    """The SDK, imported when first needed, and silenced: it prints to standard output, including tickets.

    It must not follow redirects, which would send the application's secret elsewhere. It connects as `adapters.network`
    says.
    """
    with _importing:
        return _imported()


@cache
def _imported() -> Sdk:
    with imports.of_much(), _alone():
        from lark_oapi import core  # noqa: PLC0415
        from lark_oapi.core import model  # noqa: PLC0415
        from lark_oapi.core.http import transport  # noqa: PLC0415
        from lark_oapi.ws import client as ws  # noqa: PLC0415

    transport.requests = SimpleNamespace(request=_request)

    logger = logging.getLogger("Lark")
    logger.handlers.clear()
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    return Sdk(core, model, transport, ws)


@contextmanager
def _alone() -> Iterator[None]:
    """Import modules below the package without its own imports; importing the package later works as usual."""
    stand_ins: dict[str, ModuleType] = {}
    if _PACKAGE not in sys.modules and (spec := importlib.util.find_spec(_PACKAGE)):
        events = ModuleType(_EVENTS)
        events.EventDispatcherHandler = object  # type: ignore[attr-defined]  # named for readers only
        stand_ins = {_PACKAGE: importlib.util.module_from_spec(spec), _EVENTS: events}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]


def _request(method: str, url: str, **options: Any) -> requests.Response:
    with sessions.equip(requests.Session()) as session:
        return session.request(method, url, **options, allow_redirects=False)
