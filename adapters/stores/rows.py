"""Converts values to database rows and back. Pure.

A database stores UTF-8 and 64-bit integers. A lone surrogate, which UTF-8 cannot represent, is stored as U+FFFD, and a
larger number as the nearest that fits. A commit's time is stored in whole seconds, as in git; all other times in
microseconds; both since 1970 in UTC.
"""

import json
import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from adapters.stores.packing import packed, unpacked
from adapters.stores.words import segmented
from bot.commits import related
from bot.commits.reading import as_it_was, reread
from bot.errors import StoreError
from bot.values import (
    Analysis,
    Commit,
    DeliveredCommit,
    Delivery,
    Digest,
    FileChange,
    FileStatus,
    Grade,
    InnerCommit,
    Link,
    Place,
    Reading,
    Step,
    StepState,
    Subscription,
)

T = TypeVar("T")
_log = logging.getLogger("digest.store")
Cell = str | int | bytes | None
Row = tuple[Cell, ...]

COMMIT_COLUMNS = "sha, subject, author, login, committed, pull, packed, body, parents, files, inner_commits, reading"
"""The columns of `commit_row`, in order; from `body` on they contain what earlier versions stored unpacked."""

UNREADABLE = (ValueError, LookupError, TypeError, AttributeError)
"""The errors of reading a row that no version of this program wrote; pydantic's are ValueErrors."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_MICROSECOND = timedelta(microseconds=1)
_SURROGATE = re.compile("[\ud800-\udfff]")
_LARGEST = 2**63 - 1

TABLES = (
    "told_commits",
    "repositories",
    "commits",
    "aliases",
    "analyses",
    "digests",
    "subscriptions",
    "deliveries",
    "told",
    "usage",
    "claims",
    "links",
    "follow_ups",
    "muted",
    "turns",
)
"""The tables with what must be remembered; the others can be rebuilt from them."""

LOOKED_UP = 10
"""The most commits that a lookup by SHA or pull request returns (`bot.ports.Archive`)."""

DELIVERIES = 100
"""How many deliveries of a subscription are kept: three months of mornings, about two kilobytes each."""

FORGOTTEN = timedelta(days=90)
"""How long follow-ups, and muted threads, are remembered."""

FAR = 7 * 86_400 * 1_000_000
"""Microseconds: a lease that outlasts another one with its key by so much was taken by a wrong clock."""

PERSONAL = ("person", "user_id")
"""The columns with a person of a chat, in this program's tables and in those of slack_sdk."""

to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""Compact JSON; `json.dumps` with options would create an encoder for every call."""


# --- Cells -----------------------------------------------------------------------------------


def bound(*values: Cell) -> Row:
    """`values` as parameters that a database accepts."""
    return tuple(_cell(value) for value in values)


def _cell(value: Cell) -> Cell:
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATE.sub("\ufffd", value)
    return max(-_LARGEST - 1, min(_LARGEST, value)) if isinstance(value, int) else value


def instant(time: datetime) -> int:
    """A time in microseconds since 1970."""
    return (time - _EPOCH) // _MICROSECOND


def moment(instant: int) -> datetime:
    """The time for microseconds since 1970."""
    return _EPOCH + instant * _MICROSECOND


# --- Whole values as JSON --------------------------------------------------------------------


_adapter: Callable[[Any], TypeAdapter[Any]] = lru_cache(TypeAdapter)
"""The adapter of a type, created on first use: that takes longer than opening a store."""


def dump(value: object) -> str:
    """A frozen dataclass as JSON."""
    adapter = _adapter(type(value))
    try:
        return adapter.dump_json(value).decode()
    except PydanticSerializationError:  # a lone surrogate
        return _SURROGATE.sub("\ufffd", to_json(adapter.dump_python(value, mode="json")))


def dump_checked(value: object) -> str:
    """A frozen dataclass as JSON that can be read back. Raises StoreError if it could not."""
    body = dump(value)
    try:
        check_times(load(type(value), body))
    except ValueError:  # pydantic's error is one
        raise StoreError("row_invalid", kind=type(value).__name__) from None
    return body


def check_times(value: T) -> T:
    """Check that all times in a value have a zone: others cannot be compared. Raises ValueError."""
    for field in fields(value):  # type: ignore[arg-type]  # a dataclass
        time = getattr(value, field.name)
        if isinstance(time, datetime) and time.tzinfo is None:
            raise ValueError(f"{field.name} has no zone")
    return value


def load(kind: type[T], text: str) -> T:
    """Read the value that `dump` wrote. Raises pydantic.ValidationError."""
    value: T = _adapter(kind).validate_json(text)
    return value


def built(kind: type[T], value: object) -> T:
    """The value for parsed JSON. Raises pydantic.ValidationError."""
    made: T = _adapter(kind).validate_python(value)
    return made


def load_digest(text: str) -> Digest:
    """Read the digest that `dump` wrote, in any version. Raises pydantic.ValidationError.

    A digest from before commits had readings looks as it did: its commits get the reading that was made when showing
    them. So does one that was stored without the rows of its table.
    """
    digest = _with_readings(text)
    return digest if digest.rows else replace(digest, rows=related.rows(digest.entries))


def _with_readings(text: str) -> Digest:
    try:
        return load(Digest, text)
    except ValidationError as error:
        missing = {problem["loc"][-1] for problem in error.errors(include_url=False) if problem["type"] == "missing"}
        if missing != {"reading"}:
            raise
        value = json.loads(text)
    old = [entry["commit"] for entry in value["entries"] if "reading" not in entry["commit"]]
    for commit in old:
        commit["reading"] = {"subject": commit["subject"], "title": "", "summary": ""}
    made = load(Digest, to_json(value))
    unread = {commit["sha"] for commit in old}
    entries = (replace(e, commit=as_it_was(e.commit)) if e.commit.sha in unread else e for e in made.entries)
    return replace(made, entries=tuple(entries))


class Unread:
    """The rows that could not be read, each logged once. Safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._logged: set[tuple[str, str]] = set()

    def readable(self, table: str, make: Callable[..., T], rows: Iterable[Sequence[Any]]) -> Iterator[T]:
        """The result of `make` for each row of a table, except unreadable ones; the first cell of a row is its key."""
        for row in rows:
            try:
                made = make(*row)
            except UNREADABLE:
                self._log_once(table, str(row[0]))
            else:
                yield made

    def _log_once(self, table: str, key: str) -> None:
        with self._lock:
            new = (table, key) not in self._logged
            self._logged.add((table, key))
        if new:
            _log.error("a row cannot be read: see digest doctor", extra={"fields": {"table": table, "key": key}})


# --- Columns besides the whole value ---------------------------------------------------------


def load_subscription(number: int, body: str) -> Subscription:
    """The subscription of a row. Raises ValueError if it cannot be read."""
    return replace(check_times(load(Subscription, body)), id=number)


def place_key(place: Place) -> str:
    """The key of a place; SQLite's migration `places` writes the same."""
    return to_json((place.chat, place.channel, place.thread))


def load_delivery(number: int, body: str) -> Delivery:
    """The delivery of a row. Raises ValueError if it cannot be read."""
    return replace(check_times(load(Delivery, body)), id=number)


def delivery_columns(delivery: Delivery) -> tuple[str, int, int, str]:
    """The columns `state`, `attempts`, `retry` and `body` of a delivery."""
    return delivery.state, delivery.attempts, instant(delivery.retry), dump_checked(delivery)


def digest_columns(digest: Digest) -> tuple[str, str, str, int, int, int]:
    """The columns `repo`, `branch`, `language`, `since`, `until` and `count` of a digest."""
    period = digest.period
    since, until = instant(period.since), instant(period.until)
    return digest.repository.name, digest.branch, digest.language, since, until, len(digest.entries)


def load_delivered(sha: str) -> Callable[[str, int, str, bool], DeliveredCommit]:
    """A function from `place`, `at`, `grade` and whether the subscription still exists to a reported commit."""
    return lambda place, at, grade, followed: DeliveredCommit(
        sha, load(Grade, grade), load(Place, place), moment(at), bool(followed)
    )


def headline(delivery: Delivery) -> Step | None:
    """The step with which a delivery has just posted its headline: its first completed one, and the only one."""
    done = [step for step in delivery.steps if step.state is StepState.DONE]
    return done[0] if len(done) == 1 and delivery.digest else None


def reported_rows(repo: int, subscription: Subscription, step: Step, digest: Digest) -> list[Row]:
    """The rows of `told_commits` for what a digest reported to a subscription in a step."""
    where, at = dump(replace(subscription.place, thread=step.thread)), instant(step.begun)
    return [bound(repo, e.commit.sha, where, at, dump(e.grade), subscription.id) for e in digest.entries]


def link_row(link: Link) -> Row:
    """The columns `sha`, `later`, `certain` and `body` of a link."""
    return bound(link.earlier.sha, link.later.sha, int(link.certain), dump_checked(link))


def load_link(_: str, body: str) -> Link:
    """The link of a row. Raises ValueError if it cannot be read."""
    return check_times(load(Link, body))


def follow_up_rows(delivery: Delivery) -> list[Row]:
    """The rows of `follow_ups` for the follow-ups of a delivery."""
    at, known = instant(delivery.slot), (delivery.subscription, delivery.id)
    each = ((place_key(f.place.whole), f.link.earlier.sha, f.link.later.sha) for f in delivery.follow_ups)
    return sorted({bound(*named, at, *known) for named in each}, key=str)


def names_of(person: str) -> tuple[str, str, str]:
    """The forms in which a person of a chat (`slack:T1/U1`) is stored."""
    within = person.rpartition(":")[2]
    return person, within, within.rpartition("/")[2]


# --- Commits ---------------------------------------------------------------------------------
# A file is an array, not an object with field names, which would make a large store a fifth larger.


def commit_row(commit: Commit) -> Row:
    """The columns `COMMIT_COLUMNS` of a commit."""
    files = [(f.path, f.status, f.added, f.removed, f.previous, f.binary) for f in commit.files]
    inner = [(i.sha, i.subject, i.author) for i in commit.inner]
    more = to_json([commit.body, commit.parents, files, inner])
    return bound(
        commit.sha,
        commit.subject,
        commit.author,
        commit.login,
        (commit.committed - _EPOCH) // _SECOND,
        commit.pull,
        packed(f"{more[:-1]},{dump(commit.reading)}]"),
        *("", "", "", "", None),
    )


def commit_of(repo: str, row: Sequence[Any]) -> Commit:
    """The commit of a row of `COMMIT_COLUMNS`."""
    sha, subject, author, login, committed, pull, more, *plain = row
    body, parents, files, inner, reading = json.loads(unpacked(more)) if more is not None else _unpacked_row(*plain)
    commit = Commit(
        repo=repo,
        sha=sha,
        subject=subject,
        body=body,
        author=author,
        login=login,
        committed=_EPOCH + committed * _SECOND,
        parents=tuple(parents),
        pull=pull,
        files=tuple(FileChange(path, FileStatus(status), *rest) for path, status, *rest in files),
        inner=tuple(InnerCommit(*fields) for fields in inner),
        reading=built(Reading, reading) if reading else _UNREAD,
    )
    return commit if reading else reread(commit)


def _unpacked_row(body: str, parents: str, files: str, inner: str, reading: str | None) -> list[Any]:
    """What an earlier version stored in separate columns."""
    return [body, *map(json.loads, (parents, files, inner)), json.loads(reading) if reading else None]


_UNREAD = Reading("", "", "")


def commit_words(commit: Commit) -> str:
    """The text of a commit for the index: its message, inner commits' subjects, and paths, including old ones."""
    paths = [path for file in commit.files for path in (file.path, file.previous) if path]
    return segmented("\n".join([commit.subject, commit.body, *(i.subject for i in commit.inner), *paths]))


def analysis_words(analysis: Analysis) -> str:
    """The text of an analysis for the index: all prose, without quoted code."""
    return segmented(
        "\n".join(
            [
                analysis.summary,
                *(part for impact in analysis.impact for part in (impact.component, impact.effect)),
                *(insight.text for insight in analysis.insights),
                *(part for risk in analysis.risks for part in (risk.text, risk.mitigation)),
                *(part for suggestion in analysis.suggestions for part in (suggestion.who, suggestion.action)),
            ]
        )
    )
