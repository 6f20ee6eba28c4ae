"""The report as JSON. Pure."""

import json as jsonlib
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from zoneinfo import ZoneInfo

from bot.values import (
    Analysis,
    Commit,
    Digest,
    Entry,
    Evidence,
    Filters,
    Insight,
    Person,
    Reading,
    Released,
    Repository,
    Risk,
    Undone,
    sanitize,
)

SCHEMA = 1
"""The version of the JSON format; it is raised when a name or a meaning changes."""


def json(digests: Sequence[Digest]) -> str:
    """The report of one or more digests as JSON, indented, ending in a newline.

    `{"schema": 1, "digests": […]}`. A digest has the fields of `bot.values.Digest` by name, recursively and in order; a
    moment is `{"local": …, "utc": …}`, both ISO 8601, the local one in the period's time zone. Control, direction and
    invisible characters are removed from texts. Left out are fields that depend on how this machine reached the
    repository: its name in its source (perhaps a path), whether it is private, and accounts; and those that follow from
    others: the rows of the table, and what analyses corrected, which the grades contain. Optional fields are left out
    if empty: those about a pull request, releases or follow-ups, the rollup, the reverting commit that filters hide,
    further evidence, the last line of a quote with several, and a search's result.
    """
    plain = [_jsonable(digest, ZoneInfo(digest.period.zone)) for digest in digests]
    return jsonlib.dumps({"schema": SCHEMA, "digests": plain}, ensure_ascii=False, indent=2) + "\n"


_LEFT_OUT: dict[type, tuple[str, ...]] = {
    Repository: ("name", "private", "links", "beside", "labelled"),
    Digest: ("rows",),
    Analysis: ("correction",),
    Commit: ("repo", "login"),
    Person: ("login",),
}


_OPTIONAL: dict[type, tuple[str, ...]] = {
    Reading: ("request",),
    Evidence: ("request", "last", "search"),
    Entry: ("since",),
    Insight: ("also",),
    Risk: ("also",),
    Released: ("unread",),
    Undone: ("named",),
    Digest: ("releases", "between", "rollup"),
    Filters: ("releases", "labels", "owners"),
}


def _jsonable(value: object, zone: ZoneInfo) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        empty = (name for name in _OPTIONAL.get(type(value), ()) if not getattr(value, name))
        left_out = {*_LEFT_OUT.get(type(value), ()), *empty}
        return {f.name: _jsonable(getattr(value, f.name), zone) for f in fields(value) if f.name not in left_out}
    if isinstance(value, datetime):
        utc = value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        return {"local": value.astimezone(zone).isoformat(), "utc": utc}
    if isinstance(value, tuple):
        return [_jsonable(item, zone) for item in value]
    if isinstance(value, Enum):
        return value.value
    return sanitize(value) if isinstance(value, str) else value
