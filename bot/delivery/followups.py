"""What a place is told of commits that it was told of before: reverted, repaired, completed, ported. Pure.

It is decided once, when a digest is made, and kept with its delivery, so that it is the same however often that is
begun. It counts from then on.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from bot.delivery.ledger import messages_in
from bot.values import DeliveredCommit, Delivery, DeliveryState, FollowUp, Importance, Link, Place, StepState

LATE = timedelta(days=30)
"""So long after a place was told of a commit it is told what became of that."""
_WEEK = timedelta(days=7)
_A_COMMIT = 2
"""How often a place is told of one commit again."""
_ORDER = ("reverts", "repairs", "completes", "backports")
"""What comes first where not all of it may be said."""

Said = Iterable[tuple[str, str, datetime]]
"""What was said already: the earlier commit, the later one, and when."""


def follow_ups(
    links: Iterable[Link],
    told: Mapping[str, DeliveredCommit],
    said: Said,
    muted: Callable[[Place], bool],
    *,
    now: datetime,
    most: int,
) -> tuple[FollowUp, ...]:
    """What is to be said of what became of commits, the gravest first: what is certain, and was not said.

    `told` is by SHA where and when the place was told of a commit, `said` what it was told of such since `LATE`; `most`
    is how often a week it may be.
    """
    pairs = {(earlier, later): at for earlier, later, at in said}
    left = most - sum(now - at < _WEEK for at in pairs.values())
    times = dict[str, int]()
    for earlier, _ in pairs:
        times[earlier] = times.get(earlier, 0) + 1
    found: list[FollowUp] = []
    for link in sorted(links, key=lambda each: _weight(each, told)):
        sha, where = link.earlier.sha, told.get(link.earlier.sha)
        wanted = link.certain and where and where.followed and now - where.at <= LATE
        wanted = wanted and (sha, link.later.sha) not in pairs
        if len(found) < left and wanted and where and times.get(sha, 0) < _A_COMMIT and not muted(where.place):
            found.append(FollowUp(link, where.at, where.place, aloud=where.place.thread is None))
            times[sha] = times.get(sha, 0) + 1
            pairs[sha, link.later.sha] = now
    return tuple(found)


def _weight(link: Link, told: Mapping[str, DeliveredCommit]) -> tuple[int, int, datetime, str]:
    known = told.get(link.earlier.sha)
    rank = known.grade.importance.rank if known else Importance.LOW.rank
    return _ORDER.index(link.kind) if link.kind in _ORDER else len(_ORDER), -rank, link.at, link.later.sha


def left_over(known: Iterable[Delivery], muted: Callable[[Place], bool], now: datetime) -> tuple[FollowUp, ...]:
    """What earlier deliveries, the latest first, were to say and did not: it is said now, where it is not too late.

    What perhaps was said in a thread is said in the headline, as is what could not be said there.
    """
    found: dict[str, FollowUp] = {}
    for delivery in known:
        if delivery.state is DeliveryState.RESTORED:  # all of it stands there, or nobody can tell
            break
        if delivery.state is DeliveryState.DUE:  # an operator retries it: it says it itself
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
    """Whether a headline says it: that of a group is about repositories that have a digest."""
    return not said.repo or any(member.digest for member in delivery.members if member.repo == said.repo)


def first_told(delivered: Iterable[DeliveredCommit], place: Place) -> DeliveredCommit | None:
    """Where a channel was told of a commit first, best by a subscription that it still has; None where it was not."""
    here = [each for each in delivered if each.place.whole == place.whole]
    return next((each for each in here if each.followed), next(iter(here), None))
