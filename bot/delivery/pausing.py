"""Pauses subscriptions while the bot cannot, or must not, post in their channel, and resumes them when it can again."""

from datetime import datetime

from bot.delivery.ledger import GRACE
from bot.ports import Ledger, Subscriptions
from bot.values import TRIED, UNREACHABLE, Place, Subscription


def paused_by_person(subscription: Subscription) -> bool:
    """Whether a person paused it; one that is paused for another reason is still tried."""
    return bool(subscription.paused) and subscription.paused not in TRIED


def pause(place: Place, reason: str, subscriptions: Subscriptions) -> None:
    """Pause every subscription of a channel. `reason` is a key of `[paused]` in the labels."""
    for each in subscriptions.subscriptions(place):
        subscriptions.pause(each.id, reason)


def wake(place: Place, now: datetime, subscriptions: Subscriptions, ledger: Ledger) -> None:
    """Resume the subscriptions of a channel that are paused because the bot could not post there."""
    for each in subscriptions.subscriptions(place):
        if each.paused in UNREACHABLE:
            resume(each, now, subscriptions, ledger)


def resume(subscription: Subscription, now: datetime, subscriptions: Subscriptions, ledger: Ledger) -> None:
    """Resume a subscription, and retry at once what is still to be posted."""
    subscriptions.pause(subscription.id, "")
    ledger.retry_soon(subscription.id, now, now + GRACE)
