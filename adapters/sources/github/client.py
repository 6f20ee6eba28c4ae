"""GitHub's API over PyGithub: requests, pages, waits and errors; it knows nothing about commits.

PyGithub 2.10 has one connection per requester and stores the request on it before sending it, so two threads would send
each other's: every request borrows its own requester. Its retry sleeps for any `Retry-After`, however long, and ignores
429: it is switched off, and waiting is decided here.
"""

import json
import logging
import re
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Generic, TypeVar
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import requests
from github import Auth, Github, GithubException
from github.Requester import Requester

from adapters import network
from adapters.sources.github import waits
from adapters.sources.github.waits import Waits
from bot import addresses
from bot.addresses import Service
from bot.errors import ConfigError, DigestError, Forbidden, Unavailable
from bot.values import Aside

TRIES = 3

MAX_WAIT = 30.0
"""The longest wait in seconds; longer ones are left to a later attempt."""

SECONDARY_WAIT = 60.0
"""Seconds to wait at a limit without a time (docs.github.com, Best practices for using the REST API)."""

REMEMBERED = 8 * 1024 * 1024
"""Bytes of answers kept to be requested again with their ETag."""

_AGENT = "commit-digest"
_PIECE = 1 << 16
_API_VERSION = "2022-11-28"
_ACCEPT = "application/vnd.github+json"
_NEXT = re.compile(r'<([^<>]+)>;\s*rel="next"')
_NO_ANSWER = 0
_NO_DIFF = re.compile(r"\bdiff (?:is (?:taking too long|(?:temporarily )?unavailable)|exceeded)")

Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Answer:
    """A response.

    Its status is 0 when none could be read; headers are by lower-case name, and the decoded JSON comes with its length
    in characters.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    data: object = None
    size: int = 0

    @property
    def message(self) -> str:
        """GitHub's message for an error, in lower case."""
        return str(self.data.get("message", "")).lower() if isinstance(self.data, dict) else ""

    @property
    def without_diff(self) -> bool:
        """Whether GitHub cannot make a diff.

        It says so with 406, 422, 500 or 503: "Sorry, this diff is taking too long to generate" (docs.github.com,
        Compare two commits), "… is temporarily unavailable", "the diff exceeded the maximum number of lines", mostly
        with an error of the field `diff`, whose code is `not_available` or `too_large`.
        """
        errors = self.data.get("errors") if isinstance(self.data, dict) else None
        named = [error.get("field") for error in errors or () if isinstance(error, dict)]
        return self.status >= 400 and ("diff" in named or bool(_NO_DIFF.search(self.message)))

    @property
    def following(self) -> str:
        """The address of the next page, empty on the last (docs.github.com, Using pagination in the REST API)."""
        found = _NEXT.search(self.headers.get("link", ""))
        return found.group(1) if found else ""


def limit(answer: Answer, now: datetime) -> float | None:
    """Seconds until a rate limit ends, None if `answer` mentions none.

    Source: docs.github.com, Rate limits for the REST API: 403 or 429 with `retry-after`, else with
    `x-ratelimit-remaining: 0` and the epoch second in `x-ratelimit-reset`, else a minute.
    """
    if answer.status not in {403, 429}:
        return None
    if (after := answer.headers.get("retry-after", "")).isdigit():
        return float(after)
    if answer.headers.get("x-ratelimit-remaining") == "0":
        reset = float(answer.headers.get("x-ratelimit-reset", "0"))
        return max(reset - now.timestamp(), 0) + 1
    return SECONDARY_WAIT if answer.status == 429 or "rate limit" in answer.message else None


def pause(answer: Answer, attempt: int, now: datetime) -> float | None:
    """Seconds to wait before retrying; None if retrying is useless. `attempt` counts from 0."""
    if attempt + 1 >= TRIES:
        return None
    if (seconds := limit(answer, now)) is not None:
        return seconds if seconds <= MAX_WAIT else None
    return 0.5 * 2**attempt if answer.status == _NO_ANSWER or answer.status >= 500 else None


def failure(answer: Answer, missing: DigestError, now: datetime) -> DigestError | None:
    """The error of `answer`, None if it succeeded; `missing` is the one for what does not exist."""
    if 200 <= answer.status < 300:
        return None
    if (seconds := limit(answer, now)) is not None:
        return rate_limited(now + timedelta(seconds=seconds))
    if answer.without_diff:
        return Unavailable("github_diff_too_long")
    match answer.status:
        case 401:
            return ConfigError("github_token_invalid")
        case 403 | 451:
            return Forbidden("github_forbidden")
        case 404 | 409 | 422:
            return missing
        case _:
            return Unavailable("github_unavailable")


def rate_limited(reset: datetime) -> Unavailable:
    """The error for a limit that ends at `reset`, shown in that time's own zone, to the minute after."""
    return Unavailable(
        "github_rate_limited", reset=Aside(f"{reset + timedelta(minutes=1):%Y-%m-%d %H:%M}", str(reset.tzinfo))
    )


class Recent(Generic[Key, Value]):
    """A cache of recently used values, up to `size` bytes. Safe for several threads."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held = 0
        self._lock = threading.Lock()
        self._values: OrderedDict[Key, tuple[Value, int]] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        """The value under `key`, or None."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def keep(self, key: Key, value: Value, size: int) -> None:
        """Store `value` of `size` bytes, unless the cache is smaller; the least recently used are dropped."""
        with self._lock:
            self._held -= self._values.pop(key)[1] if key in self._values else 0
            if size > self._size:
                return
            self._values[key] = (value, size)
            self._held += size
            while self._held > self._size:
                self._held -= self._values.popitem(last=False)[1][1]


def clock(zone: str) -> Callable[[], datetime]:
    """The time now, in a zone: that in which a person reads when a limit ends."""
    return partial(datetime.now, ZoneInfo(zone))


_PATIENCE = Waits()
_UTC = clock("UTC")


class Client:
    """Sends requests to GitHub, waits if that helps, and raises the bot's errors. Safe for several threads."""

    def __init__(
        self,
        auth: Auth.Auth | None,
        url: str,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = _UTC,
        patience: Waits = _PATIENCE,
    ) -> None:
        waits.bound()
        # At DEBUG PyGithub logs whole answers, including private code and an App's token.
        logging.getLogger("github.Requester").setLevel(logging.INFO)
        # The library below it logs addresses: that of a private repository's archive has a token in it.
        logging.getLogger("urllib3.connectionpool").addFilter(_without_token)
        self._auth = auth
        self._url = url
        self._sleep = sleep
        self.now = now
        self._patience = patience
        self._lock = threading.Lock()
        self._idle: deque[Requester] = deque()
        self._closed: dict[str, datetime] = {}
        self._remembered: Recent[str, Answer] = Recent(REMEMBERED)
        self._spare = True

    @property
    def authenticated(self) -> bool:
        """Whether requests carry a token; GraphQL needs one (docs.github.com, Forming calls with GraphQL)."""
        return self._auth is not None

    @property
    def spare(self) -> bool:
        """Whether half of an hour's requests are left, as far as known; optional requests leave the other half."""
        return self._spare

    def get(
        self, path: str, missing: DigestError, /, *, allow: int = 200, remember: bool = False, **query: str | int
    ) -> Answer:
        """The answer to `GET path`; the status `allow` is returned like a success.

        With `remember` the answer is kept and asked for again with its ETag: unchanged, it does not count against the
        rate limit (docs.github.com, Best practices for using the REST API). Raises `missing` if it does not exist,
        ConfigError, Forbidden, Unavailable.
        """
        address = f"{path}?{urlencode(query)}" if query else path
        known = self._remembered.get(address) if remember else None
        condition = {"If-None-Match": known.headers["etag"]} if known else {}
        answer = self._ask("GET", address, {"Accept": _ACCEPT, **condition})
        if known and answer.status == 304:
            return known
        if remember and answer.status == 200 and "etag" in answer.headers:
            self._remembered.keep(address, answer, answer.size)
        return self._checked(answer, missing, allow)

    def pages(
        self, path: str, missing: DigestError, /, *, allow: int = 200, remember: bool = False, **query: str | int
    ) -> Iterator[Answer]:
        """Every page of `GET path`. Raises like `get`."""
        answer = self.get(path, missing, allow=allow, remember=remember, **query)
        yield answer
        while answer.following:
            answer = self.get(answer.following, missing, remember=remember)
            yield answer

    def query(self, text: str, missing: DigestError, **variables: object) -> object:
        """The `data` of a GraphQL query. Raises like `get`; a part that failed is null in it."""
        answer = self._ask("POST", "", {}, {"query": text, "variables": variables})
        self._checked(answer, missing)
        return answer.data

    @contextmanager
    def download(self, path: str, missing: DigestError) -> Iterator[Iterator[bytes]]:
        """The content that `GET path` redirects to, in pieces as it arrives, requested once and without credentials.

        Only hosts known to serve archives are contacted; the address may contain a secret, and is never shown. Raises
        like `get`.
        """
        location = self.get(path, missing, allow=302).headers.get("location", "")
        if not addresses.serves(Service.GITHUB, self._url, location):
            raise Unavailable("github_unavailable")
        self._refuse_while_closed("archive")
        options = {"User-Agent": _AGENT}
        try:
            with (
                waits.within(self._patience),
                waits.session() as session,
                session.get(location, headers=options, stream=True, allow_redirects=False, auth=_as_nobody) as response,
            ):
                headers = {name.lower(): value for name, value in response.headers.items()}
                answer = Answer(response.status_code, headers)
                self._close("archive", answer)
                self._checked(answer, missing)
                yield response.iter_content(_PIECE)
        except OSError as error:  # requests' errors are subclasses
            raise network.obstacle(error, location) or Unavailable("github_unavailable") from None

    def _checked(self, answer: Answer, missing: DigestError, allow: int = 200) -> Answer:
        error = failure(answer, missing, self.now())
        if error is not None and answer.status != allow:
            raise error
        return answer

    def _ask(self, verb: str, address: str, headers: dict[str, str], body: object = None) -> Answer:
        """One answer, with up to three attempts. Raises at once while a limit is known to apply."""
        meter = "core" if verb == "GET" else "graphql"
        answer = Answer(_NO_ANSWER)
        for attempt in range(TRIES):
            self._refuse_while_closed(meter)
            answer = self._send(verb, address, dict(headers), body)
            if (seconds := pause(answer, attempt, self.now())) is None:
                break
            self._sleep(seconds)
        self._close(meter, answer)
        if meter == "core":
            self._spare = half_left(answer, self._spare)
        return answer

    def _refuse_while_closed(self, meter: str) -> None:
        """Raise Unavailable while a limit is known to apply."""
        if (reset := self._closed.get(meter)) and reset > self.now():
            raise rate_limited(reset)

    def _close(self, meter: str, answer: Answer) -> None:
        """Remember until when the limit in an answer applies."""
        if (left := limit(answer, self.now())) is not None:
            self._closed[meter] = self.now() + timedelta(seconds=left)

    def _send(self, verb: str, address: str, headers: dict[str, str], body: object) -> Answer:
        try:
            with waits.within(self._patience), self._requester() as requester:
                answer = _answer(*requester.requestJson(verb, address or requester.graphql_url, None, headers, body))
        except GithubException as error:
            return _app_refused(error)
        except (OSError, ValueError) as error:  # requests' errors are subclasses
            if lasting := network.obstacle(error, self._url):
                raise lasting from None
            return Answer(_NO_ANSWER)
        except RuntimeError:  # PyGithub's error for a redirect to another host or from http to https
            raise ConfigError("github_url_wrong", url=self._url) from None
        return answer if verb == "GET" else graphql(answer)

    @contextmanager
    def _requester(self) -> Iterator[Requester]:
        with self._lock:
            requester = self._idle.pop() if self._idle else self._new()
            if self._auth is not None and not self._auth.token:  # an App's token is renewed here, by one thread
                raise ConfigError("github_app_refused")
        yield requester
        self._idle.append(requester)

    def _new(self) -> Requester:
        return Github(
            auth=self._auth,
            base_url=self._url,
            user_agent=_AGENT,
            per_page=100,
            retry=None,
            seconds_between_requests=None,
            seconds_between_writes=None,
            lazy=True,
            api_version=_API_VERSION,
        ).requester


def _without_token(record: logging.LogRecord) -> bool:
    """Whether a log record contains no address with a token."""
    return "token=" not in record.getMessage()


def _as_nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Send no credentials, also none from a `.netrc`, which `requests` would use by default."""
    return request


def half_left(answer: Answer, before: bool) -> bool:
    """Whether half of the requests of an hour are left; an answer that does not say changes nothing."""
    remaining, most = (answer.headers.get(f"x-ratelimit-{name}", "") for name in ("remaining", "limit"))
    return int(remaining) * 2 >= int(most) if remaining.isdigit() and most.isdigit() else before


def _answer(status: int, headers: Mapping[str, str], text: str) -> Answer:
    """A response decoded; a success that is not JSON counts as none, an error's page only as its status."""
    try:
        return Answer(status, headers, json.loads(text) if text else None, len(text))
    except ValueError:
        return Answer(_NO_ANSWER if status < 400 else status, headers)


def _app_refused(error: GithubException) -> Answer:
    """Convert PyGithub's error for an App's request for a token. Raises ConfigError for a refusal."""
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    answer = Answer(error.status, headers, error.data)
    if error.status < 500 and limit(answer, datetime.now(UTC)) is None:
        raise ConfigError("github_app_refused") from None
    return answer


def graphql(answer: Answer) -> Answer:
    """A GraphQL answer with the status that REST would have, reduced to its data.

    Errors come with status 200; a limit among them has `x-ratelimit-remaining: 0` (docs.github.com, Rate limits and
    query limits for the GraphQL API).
    """
    if answer.status != 200 or not isinstance(answer.data, dict):
        return answer
    types = {str(error.get("type")) for error in answer.data.get("errors") or ()}
    data = answer.data.get("data")
    headers = answer.headers
    if any(name.startswith("RATE_LIMIT") for name in types):
        return Answer(403, {**headers, "x-ratelimit-remaining": "0"})
    if isinstance(data, dict) and any(data.values()):  # parts that failed are null in it
        return Answer(200, headers, data)
    if types & {"FORBIDDEN", "INSUFFICIENT_SCOPES"}:
        return Answer(403)
    return Answer(404 if "NOT_FOUND" in types else 502)
