"""Decides which follow-ups a place gets: an earlier commit was reverted, fixed, completed or backported. Pure.

This is decided once, when a digest is built, and kept with its delivery, so that a retry posts the same. From then on
it counts towards the limits.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from bot.delivery.ledger import messages_in
from bot.values import DeliveredCommit, Delivery, DeliveryState, FollowUp, Importance, Link, Place, StepState

LATE = timedelta(days=30)
"""How long after a commit was reported follow-ups to it are posted."""
_WEEK = timedelta(days=7)
_A_COMMIT = 2
"""The most follow-ups to one commit."""
_ORDER = ("reverts", "repairs", "completes", "backports")
"""The order of importance, if there are too many."""

Said = Iterable[tuple[str, str, datetime]]
"""Follow-ups that were posted: the SHAs of the earlier commit and the later one, and when."""


def follow_ups(
    links: Iterable[Link],
    known: Mapping[str, DeliveredCommit],
    said: Said,
    muted: Callable[[Place], bool],
    *,
    now: datetime,
    most: int,
) -> tuple[FollowUp, ...]:
    """The follow-ups to post, most serious first: only certain links that were not posted yet.

    `known` has where and when commits were reported to the place, by SHA; `said` are its follow-ups of the last `LATE`;
    `most` is the limit per week.
    """
    pairs = {(earlier, later): at for earlier, later, at in said}
    left = most - sum(now - at < _WEEK for at in pairs.values())
    times = dict[str, int]()
    for earlier, _ in pairs:
        times[earlier] = times.get(earlier, 0) + 1
    found: list[FollowUp] = []
    for link in sorted(links, key=lambda each: _weight(each, known)):
        sha, where = link.earlier.sha, known.get(link.earlier.sha)
        wanted = link.certain and where and where.followed and now - where.at <= LATE
        wanted = wanted and (sha, link.later.sha) not in pairs
        if len(found) < left and wanted and where and times.get(sha, 0) < _A_COMMIT and not muted(where.place):
            found.append(FollowUp(link, where.at, where.place, aloud=where.place.thread is None))
            times[sha] = times.get(sha, 0) + 1
            pairs[sha, link.later.sha] = now
    return tuple(found)


def _weight(link: Link, known: Mapping[str, DeliveredCommit]) -> tuple[int, int, datetime, str]:
    first = known.get(link.earlier.sha)
    rank = first.grade.importance.rank if first else Importance.LOW.rank
    return _ORDER.index(link.kind) if link.kind in _ORDER else len(_ORDER), -rank, link.at, link.later.sha


def left_over(known: Iterable[Delivery], muted: Callable[[Place], bool], now: datetime) -> tuple[FollowUp, ...]:
    """The follow-ups that earlier deliveries, latest first, left unposted, unless it is too late for them.

    One that may have been posted in a thread, or could not be, goes into the headline.
    """
    found: dict[str, FollowUp] = {}
    for delivery in known:
        if delivery.state is DeliveryState.RESTORED:  # all of it is posted, or it is unknown
            break
        if delivery.state is DeliveryState.DUE:  # an operator retries it: it posts its own
            continue
        for each in _unsaid(delivery):
            found.setdefault(each.key, each)
        if delivery.sent:
            break
    return tuple(each for each in found.values() if now - each.told <= LATE and not muted(each.place))


def _unsaid(delivery: Delivery) -> Iterator[FollowUp]:
    done, begun = (messages_in(delivery, state) for state in (StepState.DONE, StepState.INTENDED))
    for each in delivery.follow_ups:
        if each.aloud and not (delivery.sent and _is_shown(delivery, each)):
            yield each
        elif each.gone or (not each.aloud and each.key in begun):
            yield replace(each, aloud=True, gone=False)
        elif not each.aloud and each.key not in done:
            yield each


def _is_shown(delivery: Delivery, said: FollowUp) -> bool:
    """Whether a headline shows it: that of a group covers only repositories that have a digest."""
    return not said.repo or any(member.digest for member in delivery.members if member.repo == said.repo)


def first_reported(delivered: Iterable[DeliveredCommit], place: Place) -> DeliveredCommit | None:
    """Where a commit was first reported to a channel, preferably by a subscription that still exists; else None."""
    here = [each for each in delivered if each.place.whole == place.whole]
    return next((each for each in here if each.followed), next(iter(here), None))
