"""The monitoring port: whether the process is alive and ready, and its metrics, for probes and for Prometheus."""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from adapters.web import Limits, WebServer
from bot.errors import ConfigError
from bot.values import Measure

_log = logging.getLogger("digest.monitor")

_PREFIX = "commit_digest_"
_Family = CounterMetricFamily | GaugeMetricFamily
_FAMILIES: dict[str, type[_Family]] = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}
_TEXT = "text/plain; charset=utf-8"
_LIMITS = Limits(body=10_000)  # valid requests have no body


@dataclass(frozen=True, slots=True)
class _Answer:
    """The answer to a request."""

    status: HTTPStatus
    body: bytes
    kind: str = _TEXT


class Monitor:
    """Serves `/healthz`, `/readyz` and `/metrics` in a thread of its own.

    `ready` says why no work can be done, empty if it can; `measures` returns the current measurements. Both are called
    from several threads, for each request.
    """

    def __init__(
        self,
        host: str,
        port: int,
        ready: Callable[[], str],
        measures: Callable[[], Iterable[Measure]],
        limits: Limits = _LIMITS,
    ) -> None:
        self._server = WebServer(self._respond, host, port, "monitor", limits)
        self._measures = measures
        self._ready = ready
        self._routes = {"/healthz": _alive, "/readyz": self._readiness, "/metrics": self._metrics}

    @property
    def port(self) -> int:
        """The port, once it is listened on."""
        return self._server.port

    def start(self) -> None:
        """Start serving. Raises ConfigError if the port cannot be opened."""
        try:
            self._server.start()
        except OSError:
            raise ConfigError("monitor_port", port=self._server.port) from None

    def stop(self) -> None:
        """Stop serving; wait at most a second for responses in progress."""
        self._server.stop()

    def _respond(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        """A WSGI application (PEP 3333)."""
        method, route = environ["REQUEST_METHOD"], self._routes.get(environ["PATH_INFO"])
        allow: list[tuple[str, str]] = []
        if route is None:
            answer = _plain(HTTPStatus.NOT_FOUND)
        elif method != "GET":
            answer, allow = _plain(HTTPStatus.METHOD_NOT_ALLOWED), [("Allow", "GET")]
        else:
            answer = route()
        headers = [("Content-Type", answer.kind), ("Cache-Control", "no-store"), *allow]
        start(f"{answer.status.value} {answer.status.phrase}", headers)
        return [] if method == "HEAD" else [answer.body]

    def _readiness(self) -> _Answer:
        try:
            problem = self._ready()
        except Exception:
            _log.exception("readiness could not be checked")
            return _plain(HTTPStatus.SERVICE_UNAVAILABLE)
        return _plain(HTTPStatus.SERVICE_UNAVAILABLE, problem) if problem else _plain(HTTPStatus.OK, "ready")

    def _metrics(self) -> _Answer:
        registry = CollectorRegistry()
        try:
            registry.register(_Collected(self._measures))
            return _Answer(HTTPStatus.OK, generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4)
        except Exception:
            _log.exception("metrics could not be read")
            return _plain(HTTPStatus.INTERNAL_SERVER_ERROR)


class _Collected(Collector):
    """Metrics for Prometheus's client library, read at each request."""

    def __init__(self, measures: Callable[[], Iterable[Measure]]) -> None:
        self._measures = measures

    def collect(self) -> Iterator[_Family]:
        """A family for each measure."""
        return map(_family, self._measures())


def _family(measure: Measure) -> _Family:
    """A measure with its samples, which have the same labels. The library adds `_total` to counters."""
    names = sorted({name for labels, _ in measure.samples for name in labels})
    family = _FAMILIES[measure.kind](_PREFIX + measure.name, measure.help, labels=names)
    for labels, value in measure.samples:
        family.add_metric([labels[name] for name in names], value)
    return family


def _plain(status: HTTPStatus, text: str = "") -> _Answer:
    """A line of text, by default the status's phrase."""
    return _Answer(status, f"{text or status.phrase}\n".encode())


def _alive() -> _Answer:
    return _plain(HTTPStatus.OK, "ok")
