"""Decides which releases a digest reports: those whose tags were not there at its subscription's last digest. Pure.

A tag may be dated long before it is pushed, and one without a date has its commit's. So a subscription remembers the
tags of the last weeks, and reports each that it does not know, once, whatever its date; a known one that moved is only
reported as moved. A tag dated in a later period is reported in that period. If it was known before, it stays known,
since its date changes when it is moved or its release is published. A tag that does not count as a release for a while,
since other packages have more versions then, also stays known.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from bot.values import Delivery, Release

LATE = timedelta(days=60)
"""How long before the end of a period a tag may be dated to be reported."""

MOST = 500
"""How many tags a subscription remembers: if there are more in that time, only the newest are reported."""

_SHORT = 12

Known = tuple[tuple[str, str], ...]
"""Names of tags, each with the start of its SHA."""


@dataclass(frozen=True, slots=True)
class News:
    """The releases to report, the tags that a subscription knows afterwards, and moved ones with their old SHAs."""

    releases: tuple[Release, ...] = ()
    known: Known | None = None
    moved: tuple[tuple[Release, str], ...] = ()


def news(
    line: Iterable[Release], known: Known | None, delivery: Delivery, now: datetime, earlier: Iterable[Delivery] = ()
) -> News:
    """The news for a delivery; `line` are the releases of its repository, oldest first.

    If no tags are `known` yet, new means dated in its period, or in those of the `earlier` deliveries, latest first,
    that could not read any. Tags dated in a period that was given up are known from then on.
    """
    recent = [release for release in line if release.made >= delivery.until - LATE][-MOST:]
    there = [release for release in recent if release.made < delivery.until or release.made > now]
    had = dict(known or ())
    if known is None:
        unread = takewhile(lambda each: each.mark and each.mark.releases is None, earlier)
        since = min([delivery.since, *(each.since for each in unread)])
        new = [release for release in there if since <= release.made < delivery.until]
    else:
        new = [r for r in there if r.name not in had and not delivery.cursor <= r.made < delivery.since]
    moved = [(r, had[r.name]) for r in there if not r.sha.startswith(had.get(r.name, ""))]
    return News(tuple(new), _remembered(had, there), tuple(moved))


def _remembered(had: Mapping[str, str], there: Sequence[Release]) -> Known:
    """The tags known from now on, the last seen at the end."""
    seen = {release.name: release.sha[:_SHORT] for release in there}
    before = [(name, sha) for name, sha in had.items() if name not in seen]
    return (*before, *seen.items())[-MOST:]
