"""People in Slack, their channels, and what is shown to only one of them: views and ephemeral messages."""

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from adapters.chats.slack import limits
from adapters.chats.slack.blocks import Page
from adapters.chats.slack.calls import NO_RETRIES, TIMEOUT, Caller, Gate, StayingWebhook
from adapters.chats.slack.workspaces import Workspaces, parts_of
from bot import addresses
from bot.addresses import Service
from bot.errors import DigestError, Forbidden, NotFound, Unavailable
from bot.values import Place


class People:
    """The people of the workspaces. Safe to call from several threads; `clock` is monotonic seconds."""

    def __init__(self, workspaces: Workspaces, call: Caller, clock: Callable[[], float]) -> None:
        self._workspaces = workspaces
        self._call = call
        self._answers = ResponseUrls(clock)

    def direct(self, team: str, user: str) -> str:
        """The channel of direct messages with a person. Raises ConfigError, Unavailable."""
        client = self._workspaces.client(team)
        opened = self._call(Gate("conversations.open", team), lambda: client.conversations_open(users=user))
        return str(opened["channel"]["id"])

    def channels_of(self, team: str, user: str) -> dict[str, str]:
        """The channels of a person that the bot may know of: names by ID."""
        client = self._workspaces.client(team)
        arguments = {"user": user, "types": "public_channel,private_channel", "limit": 999}
        pages = self._call.pages(Gate("users.conversations", team), client.users_conversations, arguments)
        return {str(c["id"]): str(c.get("name", c["id"])) for page in pages for c in page["channels"]}

    def check(self, place: Place) -> None:
        """Check that the bot can post in a channel (docs.slack.dev/reference/objects/conversation-object).

        Raises NotFound and Forbidden, worded for members of the channel; ConfigError, Unavailable.
        """
        team, channel = parts_of(place)
        if channel.startswith("D"):
            return
        client = self._workspaces.client(team)
        try:
            info = self._call(Gate("conversations.info", team), lambda: client.conversations_info(channel=channel))
        except NotFound:  # a private channel does not exist for non-members
            raise NotFound("slack_invite") from None
        if info["channel"].get("is_archived"):
            raise Forbidden("slack_archived")
        if not info["channel"].get("is_member"):  # a bot that may post without being a member still cannot share files
            raise NotFound("slack_invite")

    def zone_of(self, team: str, user: str) -> str:
        """The time zone of a person's profile; empty if Slack does not say."""
        client = self._workspaces.client(team)
        try:
            response = self._call(Gate("users.info", team), lambda: client.users_info(user=user))
        except DigestError:
            return ""
        return str(response["user"].get("tz") or "")

    def show(self, team: str, method: str, **view: Any) -> None:
        """Open, update or publish a view: `views.open` and the like. Raises UsageError if it is too late."""
        client = self._workspaces.client(team)
        self._call(Gate(method, team), lambda: client.api_call(method, json=view))

    def waits(self, place: Place, response_url: str) -> None:
        """Remember the address at which Slack waits for the answer to a person."""
        self._answers.add(place.channel, str(place.viewer), response_url)

    def whisper(self, place: Place, page: Page, *, last: bool) -> None:
        """Show a page to one person: as the answer that Slack waits for, if any, else as an ephemeral message.

        Only the former reaches channels that the bot is not in, and only a few times; the last use is reserved for the
        `last` page. Raises NotFound if neither is possible.
        """
        if (place.thread is None and self._answered(place, page, last=last)) or self._shown(place, page):
            return
        if not self._answered(place, page, last=last):
            raise NotFound("slack_elsewhere")

    def _shown(self, place: Place, page: Page) -> bool:
        """Show a page as an ephemeral message; return whether the bot may do so there."""
        team, channel = parts_of(place)
        client = self._workspaces.client(team)
        shown: dict[str, Any] = {"channel": channel, "user": place.viewer, "text": page.text, "blocks": [*page.blocks]}
        shown |= {"thread_ts": place.thread} if place.thread else {}
        try:
            self._call(Gate("chat.postEphemeral", team, channel), lambda: client.chat_postEphemeral(**shown))
        except (NotFound, Forbidden):
            return False
        return True

    def _answered(self, place: Place, page: Page, *, last: bool) -> bool:
        """Answer a command or a click that Slack waits for; return whether there was one and Slack accepted it."""
        url = self._answers.take(place.channel, str(place.viewer), spare=0 if last else 1)
        asked = self._workspaces.client(parts_of(place)[0]).base_url
        if url is None or not addresses.serves(Service.SLACK, asked, url):
            return False
        webhook = StayingWebhook(url, timeout=TIMEOUT, retry_handlers=NO_RETRIES)
        try:
            response = webhook.send(text=page.text, blocks=list(page.blocks), response_type="ephemeral")
        except (OSError, Unavailable):
            return False
        return response.status_code == 200


class ResponseUrls:
    """The addresses at which Slack waits for answers: each can be used a few times within half an hour.

    They are stored by channel and person, since an answer has nothing else; `clock` is monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], list[_ResponseUrl]] = defaultdict(list)

    def add(self, channel: str, user: str, url: str) -> None:
        """Store an address."""
        until = self._clock() + limits.RESPONSE_SECONDS.ours
        with self._lock:
            self._forget()
            self._kept[channel, user].append(_ResponseUrl(url, limits.RESPONSE_USES.slack, until))

    def take(self, channel: str, user: str, *, spare: int) -> str | None:
        """Use an address, leaving `spare` uses of it; None if there is none."""
        with self._lock:
            self._forget()
            usable = [each for each in self._kept.get((channel, user), ()) if each.uses > spare]
            if not usable:
                return None
            usable[-1].uses -= 1
            return usable[-1].url

    def _forget(self) -> None:
        now = self._clock()
        for who, urls in list(self._kept.items()):
            urls[:] = [each for each in urls if each.uses and each.until > now]
            if not urls:
                del self._kept[who]


@dataclass
class _ResponseUrl:
    url: str
    uses: int
    until: float
