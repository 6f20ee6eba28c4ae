"""Feishu over groups' custom bots, for teams that cannot install an application."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping, Sequence
from urllib.error import HTTPError
from urllib.request import Request

from adapters import outgoing
from adapters.chats.feishu import limits
from adapters.chats.feishu.calls import NO_ANSWER, TIMEOUT, Answer, read
from adapters.chats.feishu.cards import Card, render
from adapters.chats.feishu.settings import FeishuSettings
from adapters.chats.ratelimit import RateLimit
from adapters.chats.retry import Retryable
from adapters.chats.webhooks import Webhook, WebhookChat, webhooks
from bot.errors import ConfigError, DigestError, NotFound, Refused, Unavailable
from bot.ports import Rates
from bot.values import Message, one_line

_SETTING = "FEISHU_WEBHOOKS"
_BURST = 30
"""Cards allowed in a burst at the rate per second, out of the number allowed per minute."""
# Codes of open.feishu.cn/document/client-docs/bot-v3/add-custom-bot, and 99991400 of server-docs/api-call-guide.
_BUSY = frozenset({11232, 99991400})
_NO_BOT = 19001
_SETTINGS = {19021: "webhook_signature", 19022: "webhook_machine", 19024: "webhook_keyword"}


class FeishuWebhook(WebhookChat[Card]):
    """The groups of custom bots.

    `clock` and `sleep` are monotonic seconds, `now` is seconds since 1970, for signatures.
    """

    name = "feishu-webhook"
    setting = _SETTING
    rates = (
        RateLimit(1 / limits.WEBHOOK_RATE.ours),
        RateLimit(60 / (limits.WEBHOOKS_A_MINUTE.ours - _BURST), _BURST),  # together within the limit per minute
    )
    tries = 5

    def __init__(
        self,
        known: Mapping[str, Webhook],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
        rates: Rates | None = None,
    ) -> None:
        super().__init__(known, clock=clock, sleep=sleep, rates=rates)
        self._now = now

    def _pages(self, message: Message) -> Sequence[Card]:
        return render(message, buttons=False, limit=limits.WEBHOOK_BYTES.ours).pages

    def _send(self, name: str, page: Card) -> None:
        webhook = self._known[name]
        answer = _request(webhook.url.get_secret_value(), self._body(webhook, page))
        if answer.code != 0:
            raise refused(answer, name)

    def _body(self, webhook: Webhook, card: Card) -> bytes:
        """The request with a card, signed each time: a signature is valid for an hour."""
        body: dict[str, object] = {"msg_type": "interactive", "card": card}
        if secret := webhook.secret.get_secret_value():
            timestamp = str(int(self._now()))
            body |= {"timestamp": timestamp, "sign": signature(timestamp, secret)}
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def signature(timestamp: str, secret: str) -> str:
    """The signature of a request: an empty text, with time and secret as key (client-docs/bot-v3/add-custom-bot)."""
    return base64.b64encode(hmac.new(f"{timestamp}\n{secret}".encode(), b"", hashlib.sha256).digest()).decode()


def _request(url: str, body: bytes) -> Answer:
    """The answer to a request. Raises URLError if it was not sent completely, OSError or HTTPException after that."""
    request = Request(url, body, {"Content-Type": "application/json; charset=utf-8"})  # noqa: S310  # the settings' own
    try:
        with outgoing.ask(request, TIMEOUT) as response:
            return read(response.status, dict(response.headers), response.read())
    except HTTPError as error:
        with error:
            return read(error.code, dict(error.headers), error.read())


def refused(answer: Answer, name: str) -> DigestError | Retryable:
    """The answer as an error of the bot, retryable if Feishu is rate-limiting, which does not say for how long.

    Feishu's words are shown, but not a proxy's, which may contain the address.
    """
    code, status = answer.code, answer.status
    if code in _BUSY or status == 429:
        return Retryable(Unavailable("webhook_busy", webhook=name), name)
    if code == _NO_BOT or (code == NO_ANSWER and status in (404, 410)):
        return NotFound("webhook_gone", webhook=name, setting=_SETTING)
    if code in _SETTINGS:
        return ConfigError(_SETTINGS[code], webhook=name)
    if code == NO_ANSWER or status >= 500:
        return Unavailable("webhook_failed", webhook=name, error=status)
    return Refused("webhook_refused", webhook=name, error=f"{code} {one_line(answer.message, 120)}".strip())


def from_settings(settings: FeishuSettings, rates: Rates | None = None) -> FeishuWebhook:
    """The configured custom bots. Raises ConfigError."""
    return FeishuWebhook(webhooks(_SETTING, settings.feishu_webhooks, signed=True), rates=rates)
