"""A delivery that this process works on, and why it may have to stop."""

import logging
from dataclasses import dataclass, replace

from bot.values import Delivery, Digest, Subscription

_log = logging.getLogger("digest.worker")


class TryLater(Exception):
    """Another thread or process is using what is needed: try again in a moment."""


class ChannelUnreachable(Exception):
    """A channel does not accept the bot's messages: it is gone, closed, or has removed the bot.

    The argument is the error.
    """


@dataclass(frozen=True, slots=True)
class Job:
    """A delivery whose lease this process holds.

    `failed` are the deliveries that were given up since the last one that was posted, the latest first. `digest` is set
    if it was only just built.
    """

    subscription: Subscription
    delivery: Delivery
    failed: tuple[Delivery, ...] = ()
    digest: Digest | None = None

    @property
    def lease(self) -> str:
        """The key of its lease."""
        return f"delivery:{self.delivery.id}"

    def at(self, **changes: object) -> "Job":
        """The job with changed fields of its delivery."""
        return replace(self, delivery=replace(self.delivery, **changes))  # type: ignore[arg-type]

    def log(self, level: int, event: str, **fields: object) -> None:
        """Log an event of this delivery."""
        log(level, event, self.subscription, delivery=self.delivery.id, **fields)


def together(job: Job) -> tuple[object, ...]:
    """A key that is equal for deliveries built from the same commits."""
    subscription, delivery = job.subscription, job.delivery
    where = (subscription.place.chat, subscription.repo, subscription.branch, subscription.zone)
    reported = (subscription.filters.releases, str(delivery.before))
    return (*where, delivery.cursor, delivery.since, delivery.until, *reported)


def log(level: int, event: str, subscription: Subscription, **fields: object) -> None:
    """Log an event of a subscription."""
    named = {"subscription": subscription.id, "repo": subscription.repo, "channel": subscription.place.channel}
    _log.log(level, event, extra={"fields": {**fields, **named}})
