"""Shows a person who waits in Slack that the bot is working, and removes that before the answer.

In a thread it is one of Slack's statuses, which belongs to no message
(docs.slack.dev/reference/methods/assistant.threads.setStatus: `chat:write`, since 2026-03-05 in channels too). If that
is refused, and in direct messages, it is a message that is deleted. The answer to a slash command can be neither
replaced nor deleted (slackapi/bolt-js#2287, bolt-python#1268): there only that person sees it, and can dismiss it.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial

from adapters.chats.slack.blocks import render
from adapters.chats.slack.calls import Caller, Gate
from adapters.chats.slack.people import People
from adapters.chats.slack.workspaces import Workspaces, parts_of
from bot.errors import DigestError
from bot.values import Message, MessageKind, Place, Span

_AGAIN = 90.0
"""Seconds after which a status is set again: Slack removes it after two minutes."""


class StatusNote:
    """The note for one request; `text` returns a label in the language of its place."""

    def __init__(
        self, workspaces: Workspaces, call: Caller, people: People, place: Place, text: Callable[[str], str]
    ) -> None:
        self._workspaces = workspaces
        self._call = call
        self._people = people
        self._place = place
        self._team, self._channel = parts_of(place)
        self._text = text
        self._take_away: Callable[[], object] = lambda: None

    def show(self) -> float | None:
        """Set the status, or post a message. Raises DigestError."""
        if self._place.thread:
            with suppress(DigestError):  # the app or the channel does not support it
                self._set(self._text("slack.status"))
                self._take_away = partial(self._set, "")
                return _AGAIN
        page = render(Message("note", (Span(self._text("slack.working")),), kind=MessageKind.NOTE)).pages[0]
        if self._place.viewer and not self._channel.startswith("D"):
            self._people.whisper(self._place, page, last=True)
        else:
            self._take_away = partial(self._delete, self._post(page.text))
        return None

    def remove(self) -> None:
        """Remove it. Raises DigestError."""
        self._take_away()

    def _set(self, status: str) -> None:
        client, thread = self._workspaces.client(self._team), str(self._place.thread)
        self._call(
            Gate("assistant.threads.setStatus", self._team),
            lambda: client.assistant_threads_setStatus(channel_id=self._channel, thread_ts=thread, status=status),
        )

    def _post(self, text: str) -> str:
        """Post a message and return its timestamp; empty if it is unclear whether it was posted; it is not retried."""
        client = self._workspaces.client(self._team)
        answer = self._call(
            Gate("chat.postMessage", self._team, self._channel),
            lambda: client.chat_postMessage(
                channel=self._channel, text=text, thread_ts=self._place.thread, unfurl_links=False, unfurl_media=False
            ),
            lambda: "",
        )
        return answer if isinstance(answer, str) else str(answer["ts"])

    def _delete(self, ts: str) -> None:
        """Delete a message (docs.slack.dev/reference/methods/chat.delete)."""
        client = self._workspaces.client(self._team)
        if ts:
            self._call(Gate("chat.delete", self._team), lambda: client.chat_delete(channel=self._channel, ts=ts))
