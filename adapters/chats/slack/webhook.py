"""Slack over incoming webhooks, for a team that may not install an app: messages out, and nothing in.

A webhook takes no name for a message and shows no history. Where Slack's answer is lost, nobody can find out whether
the message arrived, and whoever called sends it again later: a rare double is better than a loss.
"""

from __future__ import annotations

import logging
import re
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from http.client import HTTPException
from urllib.error import URLError

from slack_sdk.webhook import WebhookClient, WebhookResponse

from adapters.chats.slack import limits
from adapters.chats.slack.blocks import Page, render
from adapters.chats.slack.calls import NO_RETRIES, TIMEOUT, TRIES
from adapters.pace import Gates, Rate
from bot.ports import ConfigError, DigestError, Forbidden, Listener, NotFound, Once, Unavailable
from bot.settings import Settings, Webhook, webhooks
from bot.values import EPOCH, Attachment, Buttons, Message, Part, Place, Span, Text

NAME = "slack-webhook"
"""The name that stands in `Place.chat`; the channel is the webhook's name in the settings."""

_SETTING = "SLACK_WEBHOOKS"
_sdk_log = logging.getLogger("digest.slack.webhook")
_sdk_log.setLevel(logging.CRITICAL)  # what fails is raised, and the SDK's own words may hold an address
_RATE = Rate(limits.PACE)
_PATIENCE = 60.0
"""A longer pause than so many seconds is not waited for: whoever called tries again later."""
# What Slack answers (docs.slack.dev/messaging/sending-messages-using-incoming-webhooks, "Handling errors").
_GONE = frozenset({"no_service", "no_service_id", "no_active_hooks", "no_team", "team_disabled", "channel_not_found"})
_CLOSED = frozenset({"channel_is_archived", "action_prohibited", "posting_to_general_channel_denied"})
_WORD = re.compile(r"[a-z_]{1,60}")


class SlackWebhook:
    """The channels of incoming webhooks, by their names in the settings. Safe to call from several threads.

    `clock` and `sleep` are monotonic seconds.
    """

    name = NAME

    def __init__(
        self,
        known: Mapping[str, Webhook],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._known = known
        self._gates = Gates(clock, sleep)
        self._arrived: dict[str, int] = {}
        self._closing = threading.Event()

    # --- Out ---------------------------------------------------------------------------------

    def place(self, name: str) -> Place:
        """The channel of a webhook. Raises NotFound where none of that name is set up."""
        if name not in self._known:
            raise NotFound("webhook_unknown", webhook=name, setting=_SETTING)
        return Place(NAME, name)

    def post(self, place: Place, message: Message, once: Once | None = None) -> Place:
        """Post `message`, on as many pages as it takes, and return the channel: there are no threads.

        Files, and buttons that ask the bot something, are left out; of nothing but files nothing is posted. A page that
        is known to have arrived is not sent again when the same message is tried later. Raises NotFound for a webhook
        that was removed, Forbidden, ConfigError, Unavailable where a later try may succeed, and Overtaken.
        """
        channel = self.place(place.channel)
        once = once or Once(uuid.uuid4().hex, EPOCH, False, lambda: None)
        pages = render(carried).pages if (carried := without_answers(message)) else ()
        for number in range(self._arrived.get(once.name, 0), len(pages)):
            self._send(channel.channel, pages[number], once.check)
            self._arrived[once.name] = number + 1
        self._arrived.pop(once.name, None)
        return channel

    def _send(self, name: str, page: Page, check: Callable[[], None]) -> None:
        """Send a page, again only where it certainly did not arrive: it was refused for now, or Slack not reached."""
        url = self._known[name].url.get_secret_value()
        client = WebhookClient(url, timeout=TIMEOUT, retry_handlers=NO_RETRIES, logger=_sdk_log)
        last: DigestError = Unavailable("webhook_failed", webhook=name, error="connection")
        for attempt in range(TRIES):
            self._gates.wait({name: (_RATE,)})
            check()
            try:
                answer = client.send(text=page.text, blocks=list(page.blocks), unfurl_links=False, unfurl_media=False)
            except URLError:  # no connection, or not all of it was written
                last, wait = Unavailable("webhook_failed", webhook=name, error="connection"), 2.0**attempt
            except (OSError, HTTPException, ValueError, LookupError):
                raise Unavailable("webhook_unclear", webhook=name) from None
            else:
                if answer.status_code == 200 and answer.body.strip() == "ok":
                    return
                last, pause = refused(answer, name)
                if pause is None or pause > _PATIENCE:
                    raise last
                wait = pause
            self._gates.pause(name, wait)
        raise last

    # --- In ----------------------------------------------------------------------------------

    def listen(self, listener: Listener) -> None:  # noqa: ARG002  # nobody can ask anything here
        """Wait until `close` is called."""
        self._closing.wait()

    def close(self) -> None:
        """Let `listen` end."""
        self._closing.set()


def without_answers(message: Message) -> Message | None:
    """What a webhook can carry of a message: no files, and of buttons the links. None where only files are in it."""
    if message.parts and all(isinstance(part, Attachment) for part in message.parts):
        return None
    parts = (_carried(part) for part in message.parts if not isinstance(part, Attachment))
    return replace(message, parts=tuple(part for part in parts if part))


def _carried(part: Part) -> Part | None:
    """A part without buttons: pressing even a link tells the app, and Slack marks an app that listens to nothing."""
    if not isinstance(part, Buttons):
        return part
    links = tuple((Span(button.label, button.url),) for button in part.items if button.url)
    return Text(links) if links else None


def refused(answer: WebhookResponse, name: str) -> tuple[DigestError, float | None]:
    """The error in the bot's terms, and the seconds after which another try may succeed; None where it may not.

    The words of an answer are told only where they are one of Slack's: a proxy's page may hold the address.
    """
    status, said = answer.status_code, answer.body.strip()
    if status == 429:
        after = str(answer.headers.get("Retry-After", ""))
        return Unavailable("webhook_busy", webhook=name), float(after) if after.isdecimal() else 1.0
    if said in _CLOSED:
        return Forbidden("webhook_closed", webhook=name), None
    if said == "invalid_token":
        return ConfigError("webhook_token", webhook=name, setting=_SETTING), None
    if said in _GONE or status in (404, 410):
        return NotFound("webhook_gone", webhook=name, setting=_SETTING), None
    if status >= 500 or status < 400:  # a page of somebody in between, or an error after which it may have arrived
        return Unavailable("webhook_failed", webhook=name, error=status), None
    return Unavailable("webhook_refused", webhook=name, error=said if _WORD.fullmatch(said) else status), None


def from_settings(settings: Settings) -> SlackWebhook:
    """The webhooks that are set up. Raises ConfigError."""
    return SlackWebhook(webhooks(_SETTING, settings.slack_webhooks, signed=False))
