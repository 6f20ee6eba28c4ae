"""Slack over incoming webhooks, for teams that cannot install an app."""

import logging
import re
from collections.abc import Sequence
from dataclasses import replace

from slack_sdk.webhook import WebhookResponse

from adapters.chats.ratelimit import RateLimit
from adapters.chats.retry import Retryable
from adapters.chats.slack import limits
from adapters.chats.slack.blocks import Page, render
from adapters.chats.slack.calls import NO_RETRIES, TIMEOUT, TRIES, StayingWebhook
from adapters.chats.slack.settings import SlackSettings
from adapters.chats.webhooks import WebhookChat, webhooks
from bot.errors import ConfigError, DigestError, Forbidden, NotFound, Refused, Unavailable
from bot.ports import Rates
from bot.values import Attachment, Buttons, Message, Part, Span, Text

_SETTING = "SLACK_WEBHOOKS"
_sdk_log = logging.getLogger("digest.slack.webhook")
_sdk_log.setLevel(logging.CRITICAL)  # errors are raised, and the SDK's own messages may contain the address
# What Slack answers (docs.slack.dev/messaging/sending-messages-using-incoming-webhooks, "Handling errors").
_GONE = frozenset({"no_service", "no_service_id", "no_active_hooks", "no_team", "team_disabled", "channel_not_found"})
_CLOSED = frozenset({"channel_is_archived", "action_prohibited", "posting_to_general_channel_denied"})
_CONTENT = frozenset({"invalid_blocks", "invalid_payload", "msg_blocks_too_long", "msg_too_long", "no_text"})
_WORD = re.compile(r"[a-z_]{1,60}")


class SlackWebhook(WebhookChat[Page]):
    """The channels of incoming webhooks."""

    name = "slack-webhook"
    setting = _SETTING
    rates = (RateLimit(limits.PACE),)
    tries = TRIES

    def _pages(self, message: Message) -> Sequence[Page]:
        return render(without_answers(message)).pages

    def _send(self, name: str, page: Page) -> None:
        url = self._known[name].url.get_secret_value()
        client = StayingWebhook(url, timeout=TIMEOUT, retry_handlers=NO_RETRIES, logger=_sdk_log)
        answer = client.send(text=page.text, blocks=list(page.blocks), unfurl_links=False, unfurl_media=False)
        if answer.status_code != 200 or answer.body.strip() != "ok":
            raise refused(answer, name)


def without_answers(message: Message) -> Message:
    """The parts of a message that a webhook supports: no files, and only buttons with links."""
    parts = (_carried(part) for part in message.parts if not isinstance(part, Attachment))
    return replace(message, parts=tuple(part for part in parts if part))


def _carried(part: Part) -> Part | None:
    """A part without buttons: even links notify the app, and Slack shows a warning if it does not answer."""
    if not isinstance(part, Buttons):
        return part
    links = tuple((Span(button.label, button.url),) for button in part.items if button.url)
    return Text(links) if links else None


def refused(answer: WebhookResponse, name: str) -> DigestError | Retryable:
    """The answer as an error of the bot, retryable if Slack is rate-limiting.

    An answer's words are shown only if they are known to be Slack's: a proxy's page may contain the address.
    """
    status, reason = answer.status_code, answer.body.strip()
    if status == 429:
        after = str(answer.headers.get("Retry-After", ""))
        return Retryable(Unavailable("webhook_busy", webhook=name), name, float(after) if after.isdecimal() else 1.0)
    if reason in _CLOSED:
        return Forbidden("webhook_closed", webhook=name)
    if reason == "invalid_token":
        return ConfigError("webhook_token", webhook=name, setting=_SETTING)
    if reason in _GONE or status in (404, 410):
        return NotFound("webhook_gone", webhook=name, setting=_SETTING)
    if status >= 500 or status < 400:  # a proxy's page, or an error after which it may have arrived
        return Unavailable("webhook_failed", webhook=name, error=status)
    if reason in _CONTENT:
        return Refused("webhook_refused", webhook=name, error=reason)
    return Unavailable("webhook_refused", webhook=name, error=reason if _WORD.fullmatch(reason) else status)


def from_settings(settings: SlackSettings, rates: Rates | None = None) -> SlackWebhook:
    """The configured webhooks. Raises ConfigError."""
    return SlackWebhook(webhooks(_SETTING, settings.slack_webhooks, signed=False), rates=rates)
