"""What every chat behind webhooks does: messages out, in pages, and nothing in. The platform's own is in its folder."""

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
    """Where a group bot is posted to, and with what its messages are signed, empty for nothing. Both are secret."""

    url: SecretStr
    secret: SecretStr


_WEBHOOK = re.compile(rf"(?P<name>[\w.-]{{1,60}})=(?P<url>https?://{HOST}/[!-~]+)(?:\s+(?P<secret>[!-~]+))?")


def webhooks(name: str, value: SecretStr, *, signed: bool) -> dict[str, Webhook]:
    """The webhooks that the setting `name` lists, by their own names; with `signed` a secret may stand behind each.

    Raises ConfigError that says which entry is wrong, never what stands there.
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
"""Messages of which it is remembered how many pages arrived."""


class WebhookChat(ABC, Generic[Page]):
    """The channels of webhooks, by their names in the settings. Safe to call from several threads.

    A webhook takes no name for a message and shows no history. Where an answer is lost, nobody can find out whether the
    message arrived, and whoever called sends it again later: a rare double is better than a loss.
    """

    name: str
    """The name that stands in `Place.chat`; the channel is the webhook's name in the settings."""
    setting: str
    """The setting that lists the webhooks."""
    rates: Sequence[RateLimit]
    """How fast messages may follow each other to a webhook."""
    tries: int
    """How often a page is sent before the platform is called unavailable."""

    def __init__(
        self,
        known: Mapping[str, Webhook],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        rates: Rates | None = None,
    ) -> None:
        """`clock` and `sleep` are monotonic seconds, `rates` those of several processes."""
        self._known = known
        self._retrier = Retrier(self.tries, clock, sleep, shared_by(self.name, rates))
        self._arrived: dict[str, int] = {}
        self._closing = threading.Event()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the webhooks."""
        return tuple(self._known)

    def place(self, name: str) -> Place:
        """The channel of a webhook. Raises NotFound where none of that name is set up."""
        if name not in self._known:
            raise NotFound("webhook_unknown", webhook=name, setting=self.setting)
        return Place(self.name, name)

    def post(self, place: Place, message: Message, once: Idempotency | None = None) -> Place:
        """Post `message`, on as many pages as it takes, and return the channel: there are no threads.

        Files, and buttons that ask the bot something, are left out; of nothing but files nothing is posted. A page that
        is known to have arrived is not sent again when the same message is tried later. Raises NotFound for a webhook
        that was removed, Forbidden, ConfigError, Unavailable where a later try may succeed, LeaseLost, and at the end
        Refused for a page that the platform does not take, where all others are posted.
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
        while len(self._arrived) > _REMEMBERED:  # of messages that were given up
            self._arrived.pop(next(iter(self._arrived)))
        if refusal:
            raise refusal
        return channel

    def posted(self, place: Place, names: Collection[str], since: datetime) -> Posted:  # noqa: ARG002  # none of it helps
        """There is no history. Raises Forbidden, and NotFound for a webhook that was removed."""
        raise Forbidden("webhook_history", webhook=self.place(place.channel).channel)

    def ahead(self) -> None:
        """None: whoever answers need not prove who it is."""

    def check(self, place: Place) -> None:
        """Nothing is known before something is posted."""

    def readers(self, place: Place, person: str) -> Readers:  # noqa: ARG002  # nobody can be asked
        """Nobody in particular: who reads there, the operator knows, who named it."""
        return Readers()

    @abstractmethod
    def _pages(self, message: Message) -> Sequence[Page]:
        """The pages of a message without its files."""

    def _attempt(self, name: str, page: Page) -> None:
        """Send a page; again only where it certainly did not arrive: it was refused for now, or could not be sent."""
        try:
            self._send(name, page)
        except URLError:  # no connection, or not all of it was written
            raise Retryable(Unavailable("webhook_failed", webhook=name, error="connection"), name) from None
        except (OSError, HTTPException, ValueError, LookupError):
            raise Unavailable("webhook_unclear", webhook=name) from None

    @abstractmethod
    def _send(self, name: str, page: Page) -> None:
        """Send a page once. Raises Retryable where it was refused for now, URLError where it was not sent whole."""

    def listen(self, listener: Listener) -> None:  # noqa: ARG002  # nobody can ask anything here
        """Wait until `close` is called."""
        self._closing.wait()

    @property
    def connected(self) -> bool:
        """Whether messages may be sent: nothing ever comes in."""
        return not self._closing.is_set()

    def close(self) -> None:
        """Let `listen` end."""
        self._closing.set()
