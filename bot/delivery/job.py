"""A delivery in the hands of this process, and why it may have to let go of it."""

import logging
from dataclasses import dataclass, replace

from bot.values import Delivery, Digest, Subscription

_log = logging.getLogger("digest.worker")


class TryLater(Exception):
    """What is needed is in somebody else's hands for a moment."""


class ChannelUnreachable(Exception):
    """A channel does not take the bot's messages: it is gone, closed, or has removed the bot. It holds the error."""


@dataclass(frozen=True, slots=True)
class Job:
    """A delivery whose lease this process holds.

    `failed` are the deliveries that were given up since the last one that was posted, the latest first.
    `digest` is what is to be posted, where it was only just made.
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
        """The same delivery, further on."""
        return replace(self, delivery=replace(self.delivery, **changes))  # type: ignore[arg-type]

    def log(self, level: int, event: str, **fields: object) -> None:
        """Log an event of this delivery."""
        log(level, event, self.subscription, delivery=self.delivery.id, **fields)


def together(job: Job) -> tuple[object, ...]:
    """What deliveries have in common that are built of the same commits."""
    subscription, delivery = job.subscription, job.delivery
    where = (subscription.place.chat, subscription.repo, subscription.branch, subscription.zone)
    told = (subscription.filters.releases, str(delivery.before))
    return (*where, delivery.cursor, delivery.since, delivery.until, *told)


def log(level: int, event: str, subscription: Subscription, **fields: object) -> None:
    """Log an event of a subscription."""
    named = {"subscription": subscription.id, "repo": subscription.repo, "channel": subscription.place.channel}
    _log.log(level, event, extra={"fields": {**fields, **named}})
