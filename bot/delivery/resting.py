"""Subscriptions that rest while the bot cannot, or may not, post in their channel, and go on when it can again."""

from datetime import datetime

from bot.delivery.ledger import GRACE
from bot.ports import Ledger, Subscriptions
from bot.values import TRIED, UNREACHABLE, Place, Subscription


def rests(subscription: Subscription) -> bool:
    """Whether somebody let it rest, until they say otherwise; what rests for another reason is tried all the same."""
    return bool(subscription.paused) and subscription.paused not in TRIED


def rest(place: Place, reason: str, subscriptions: Subscriptions) -> None:
    """Let every subscription of a channel rest. `reason` is a key of `[paused]`."""
    for each in subscriptions.subscriptions(place):
        subscriptions.pause(each.id, reason)


def wake(place: Place, now: datetime, subscriptions: Subscriptions, ledger: Ledger) -> None:
    """Let go on what rests in a channel because the bot could not post there."""
    for each in subscriptions.subscriptions(place):
        if each.paused in UNREACHABLE:
            resume(each, now, subscriptions, ledger)


def resume(subscription: Subscription, now: datetime, subscriptions: Subscriptions, ledger: Ledger) -> None:
    """Let a subscription go on that rested, at once with what is still to be posted."""
    subscriptions.pause(subscription.id, "")
    ledger.retry_soon(subscription.id, now, now + GRACE)
