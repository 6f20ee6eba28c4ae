"""Which releases a digest tells of: those whose tags were not there when its subscription was told last. Pure.

A tag may be dated long before it is pushed, and one without a time of its own has its commit's. So a subscription
remembers the tags of the last weeks, and tells of each that it does not know, once, whatever its date; one that moved
is known, and is only said to have moved. What is dated in a later period waits for it, and stays known where it was:
the date of a tag changes when it moves, or when its release is published. So does one that is no release for a while,
since other packages have more versions then.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from bot.values import Delivery, Release

LATE = timedelta(days=60)
"""So long before a period's end a tag may be dated that it tells of."""

MOST = 500
"""Tags that a subscription remembers: where more are made in that time, only the newest of them are told of."""

_SHORT = 12

Known = tuple[tuple[str, str], ...]
"""Names of tags, each with the start of its SHA."""


@dataclass(frozen=True, slots=True)
class News:
    """The releases to be told of, what a subscription knows then, and tags that moved, with where they were."""

    told: tuple[Release, ...] = ()
    known: Known | None = None
    moved: tuple[tuple[Release, str], ...] = ()


def news(
    line: Iterable[Release], known: Known | None, delivery: Delivery, now: datetime, earlier: Iterable[Delivery] = ()
) -> News:
    """What is new for a delivery, of the releases of a repository, oldest first.

    Where nobody looked before, that is what is dated in its period, and in those of the `earlier` deliveries, the
    latest first, that could not look. What is dated in a time that was given up is known from then on.
    """
    recent = [release for release in line if release.made >= delivery.until - LATE][-MOST:]
    there = [release for release in recent if release.made < delivery.until or release.made > now]
    had = dict(known or ())
    if known is None:
        unread = takewhile(lambda each: each.mark and each.mark.releases is None, earlier)
        since = min([delivery.since, *(each.since for each in unread)])
        told = [release for release in there if since <= release.made < delivery.until]
    else:
        told = [r for r in there if r.name not in had and not delivery.cursor <= r.made < delivery.since]
    moved = [(r, had[r.name]) for r in there if not r.sha.startswith(had.get(r.name, ""))]
    return News(tuple(told), _remembered(had, there), tuple(moved))


def _remembered(had: Mapping[str, str], there: Sequence[Release]) -> Known:
    """What is known from now on, what was seen last at the end."""
    seen = {release.name: release.sha[:_SHORT] for release in there}
    before = [(name, sha) for name, sha in had.items() if name not in seen]
    return (*before, *seen.items())[-MOST:]
