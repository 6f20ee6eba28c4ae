"""What all chats over webhooks share: they send messages, in pages, and receive nothing."""

import re
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from http.client import HTTPException
from typing import Generic, TypeVar
from urllib.error import URLError

from pydantic import SecretStr

from adapters.chats.ratelimit import RateLimit, shared_by
from adapters.chats.rendering import is_files
from adapters.chats.retry import Retrier, Retryable
from adapters.chats.sending import fresh
from bot.errors import ConfigError, Forbidden, NotFound, Refused, Unavailable
from bot.ports import Idempotency, Listener, Posted, Rates, Readers
from bot.settings import HOST, LAST_PORT
from bot.values import Message, Place


@dataclass(frozen=True, slots=True)
class Webhook:
    """The address of a group bot, and the key that signs its messages (may be empty). Both are secret."""

    url: SecretStr
    secret: SecretStr


_WEBHOOK = re.compile(rf"(?P<name>[\w.-]{{1,60}})=(?P<url>https?://{HOST}/[!-~]+)(?:\s+(?P<secret>[!-~]+))?")


def webhooks(name: str, value: SecretStr, *, signed: bool) -> dict[str, Webhook]:
    """The webhooks that the setting `name` lists, by their names; if `signed`, each may have a secret.

    Raises ConfigError, which says which entry is wrong, but never shows it.
    """
    found: dict[str, Webhook] = {}
    entries = filter(None, map(str.strip, value.get_secret_value().split(",")))
    for number, entry in enumerate(entries, 1):
        known = _WEBHOOK.fullmatch(entry)
        fits = known and known["name"] not in found and int(known["port"] or 0) <= LAST_PORT
        if not known or not fits or (known["secret"] and not signed):
            form = "team=https://… secret" if signed else "team=https://…"
            raise ConfigError("webhook_setting", name=name, number=number, form=form)
        found[known["name"]] = Webhook(SecretStr(known["url"]), SecretStr(known["secret"] or ""))
    return found


Page = TypeVar("Page")

_REMEMBERED = 1_000
"""For how many messages the pages that arrived are remembered."""


class WebhookChat(ABC, Generic[Page]):
    """The channels of webhooks, by their names in the settings. Safe to call from several threads.

    Webhooks have no message IDs and no history. If an answer is lost, it is unknown whether the message arrived, and
    the caller sends it again later: a rare duplicate is better than a loss.
    """

    name: str
    """The name used in `Place.chat`; the channel is the webhook's name in the settings."""
    setting: str
    """The setting that lists the webhooks."""
    rates: Sequence[RateLimit]
    """The rate limits of a webhook."""
    tries: int
    """How many times to try a page before the platform counts as unavailable."""

    def __init__(
        self,
        known: Mapping[str, Webhook],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        rates: Rates | None = None,
    ) -> None:
        """`clock` and `sleep` are monotonic seconds; `rates` are the ones that several processes share."""
        self._known = known
        self._retrier = Retrier(self.tries, clock, sleep, shared_by(self.name, rates))
        self._arrived: dict[str, int] = {}
        self._closing = threading.Event()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the webhooks."""
        return tuple(self._known)

    def place(self, name: str) -> Place:
        """The channel of a webhook. Raises NotFound if none with that name is configured."""
        if name not in self._known:
            raise NotFound("webhook_unknown", webhook=name, setting=self.setting)
        return Place(self.name, name)

    def post(self, place: Place, message: Message, once: Idempotency | None = None) -> Place:
        """Post `message`, on as many pages as needed, and return the channel: there are no threads.

        Files, and buttons that send the bot a command, are left out; a message with only files is not posted. A page
        known to have arrived is not sent again when the same message is retried. Raises NotFound for a webhook that was
        removed, Forbidden, ConfigError, Unavailable if a later attempt may succeed, LeaseLost, and Refused for a page
        that the platform rejects, after all others are posted.
        """
        channel = self.place(place.channel)
        once = once or fresh(0)
        pages, refusal = () if is_files(message) else self._pages(message), None
        for number in range(self._arrived.get(once.key, 0), len(pages)):
            try:
                self._retrier(
                    {channel.channel: self.rates}, partial(self._attempt, channel.channel, pages[number]), once.check
                )
            except Refused as error:
                refusal = error
            self._arrived[once.key] = number + 1
        self._arrived.pop(once.key, None)
        while len(self._arrived) > _REMEMBERED:  # entries of messages that were given up
            self._arrived.pop(next(iter(self._arrived)))
        if refusal:
            raise refusal
        return channel

    def posted(self, place: Place, names: Collection[str], since: datetime) -> Posted:  # noqa: ARG002  # there is no history
        """There is no history. Raises Forbidden, and NotFound for a webhook that was removed."""
        raise Forbidden("webhook_history", webhook=self.place(place.channel).channel)

    def ahead(self) -> None:
        """None: its answers are not authenticated."""

    def check(self, place: Place) -> None:
        """Nothing is known before something is posted."""

    def readers(self, place: Place, person: str) -> Readers:  # noqa: ARG002  # nothing is known
        """Unknown: the operator who configured it knows who reads there."""
        return Readers()

    @abstractmethod
    def _pages(self, message: Message) -> Sequence[Page]:
        """The pages of a message without its files."""

    def _attempt(self, name: str, page: Page) -> None:
        """Send a page; retry only if it certainly did not arrive: it was refused for now, or could not be sent."""
        try:
            self._send(name, page)
        except URLError:  # no connection, or it was not written completely
            raise Retryable(Unavailable("webhook_failed", webhook=name, error="connection"), name) from None
        except (OSError, HTTPException, ValueError, LookupError):
            raise Unavailable("webhook_unclear", webhook=name) from None

    @abstractmethod
    def _send(self, name: str, page: Page) -> None:
        """Send a page once. Raises Retryable if it was refused for now, URLError if it was not sent completely."""

    def listen(self, listener: Listener) -> None:  # noqa: ARG002  # there are no requests
        """Wait until `close` is called."""
        self._closing.wait()

    @property
    def connected(self) -> bool:
        """True: messages can be sent, and nothing is received."""
        return not self._closing.is_set()

    def close(self) -> None:
        """End `listen`."""
        self._closing.set()
