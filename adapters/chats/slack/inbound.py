"""Turns what people do in Slack into lines of the bot's grammar.

Bolt's listeners only acknowledge and queue: Slack waits three seconds and repeats unacknowledged events. Threads of our
own do the work; nothing is done twice, since the listener recognises a request by its ID.
"""

import html
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from slack_bolt import Ack, App

from adapters.chats.inbox import Busy, Inbox, Note
from adapters.chats.slack import views
from adapters.chats.slack.blocks import ACTION
from adapters.chats.slack.people import People
from adapters.chats.slack.surfaces import Surfaces
from adapters.chats.slack.workspaces import NAME, parts_of, place_of
from bot.ports import Listener
from bot.values import Message, MessageKind, Place, Problem, Request, Span

Body = dict[str, Any]

EXPLAIN = "digest:explain"
"""The message shortcut's name in the manifest."""
_DRAIN = 8.0
"""Seconds that current answers get when the bot stops."""
_QUESTION = (f"{ACTION}{MessageKind.QUESTION}:", f"{ACTION}which:")
"""The prefixes of the names of a question's buttons, including those of an earlier version."""
_LINKS = 10
_LINK = re.compile(r"https?://[^\s<>|\"]+")
_LEFT = {"channel_left": "left", "group_left": "left", "channel_archive": "archived", "group_archive": "archived"}
_LEFT |= {"channel_deleted": "gone", "group_deleted": "gone"}
_BACK = ("channel_unarchive", "group_unarchive")


class Inbound:
    """The listeners of one Bolt application."""

    def __init__(
        self,
        app: App,
        people: People,
        post: Callable[[Place, Message], object],
        listener: Listener,
        forget: Callable[[str], None],
        *,
        note: Callable[[Place, Callable[[str], str]], Note],
    ) -> None:
        """`note` creates the note to a person who waits in a place; it gets the function that returns labels there."""
        self._note = note
        self._people = people
        self._post = post
        self._listener = listener
        self._forget = forget
        self._surfaces = Surfaces(people, listener)
        self.inbox = Inbox(NAME, post, listener, drain=_DRAIN)
        app.command(re.compile("^/"))(self._on_command)
        app.event("app_mention")(self._on_mention)
        app.event("message")(self._on_message)
        app.action(re.compile(f"^{ACTION}"))(self._on_action)
        app.view(views.FORM)(self._on_submission)
        app.shortcut(EXPLAIN)(self._on_shortcut)
        app.event("app_home_opened")(self._on_home)
        app.event("member_joined_channel")(self._on_joined)
        for event in (*_LEFT, *_BACK):
            app.event(event)(self._on_channel)
        app.event("app_uninstalled")(self._on_uninstalled)
        app.event("tokens_revoked")(self._on_uninstalled)

    # --- Lines -------------------------------------------------------------------------------

    def _on_command(self, ack: Ack, body: Body) -> None:
        place = place_of(body["team_id"], body["channel_id"], viewer=body["user_id"])
        request = Request(_plain(body.get("text") or ""), place, body["user_id"], f"slack:{body['trigger_id']}")
        self._accept(ack, lambda: self._answer(request, body))

    def _on_mention(self, body: Body, context: Mapping[str, Any]) -> None:
        event = body["event"]
        if event.get("bot_id") or not event.get("user"):  # ignore bots: two of them would never stop
            return
        text = without_mention(event.get("text") or "", str(context.get("bot_user_id")))
        place = place_of(body["team_id"], event["channel"], event.get("thread_ts") or event["ts"])
        self._accept(None, lambda: self._answer(self._request(body, _plain(text), place), body))

    def _on_message(self, body: Body) -> None:
        """A direct message; messages by bots, and edits of messages, are ignored."""
        event = body["event"]
        if event.get("channel_type") != "im" or event.get("subtype") or event.get("bot_id"):
            return
        place = place_of(body["team_id"], event["channel"], event.get("thread_ts"))
        self._accept(None, lambda: self._answer(self._request(body, _plain(event.get("text") or ""), place), body))

    @staticmethod
    def _request(body: Body, text: str, place: Place) -> Request:
        """The request of an event; its ID is the message's, which two kinds of events may report."""
        event = body["event"]
        return Request(text, place, event["user"], f"slack:{place.channel}:{event['ts']}")

    def _on_shortcut(self, ack: Ack, body: Body) -> None:
        message, user = body["message"], body["user"]["id"]
        thread = message.get("thread_ts") or message.get("ts")
        place = place_of(body["team"]["id"], body["channel"]["id"], thread, viewer=user)
        links = " ".join(list(dict.fromkeys(_links(message)))[:_LINKS])
        request = Request(f"explain {links}", place, user, f"slack:{body['trigger_id']}")
        self._accept(self._or_busy(ack, body), lambda: self._answer(request, body))

    def _answer(self, request: Request, body: Body) -> None:
        """Answer a request, with a form if it asks for one; show a note if that takes a while."""
        if request.place.viewer and (url := body.get("response_url")):
            self._people.waits(request.place, url)
        trigger = body.get("trigger_id")
        show = partial(self._surfaces.open, request.place, request.user, trigger) if trigger else None
        place = replace(request.place, viewer=request.user)
        self.inbox.answer(request, show, self._note(request.place, lambda key: self._listener.text(place, key)))

    # --- Buttons -----------------------------------------------------------------------------

    def _on_action(self, ack: Ack, body: Body) -> None:
        pressed = body["actions"][0]
        if not pressed.get("value"):  # a link, which Slack opens
            ack()
            return
        work = self._pressed_at_home if body.get("view") else self._pressed
        self._accept(self._or_busy(ack, body), lambda: work(body, str(pressed["value"])))

    def _pressed(self, body: Body, command: str) -> None:
        """A button below a message; the answer is for the person who pressed it, but public after a public question."""
        user, container = body["user"]["id"], body["container"]
        message = body.get("message") or {}
        thread = message.get("thread_ts") or container.get("thread_ts")
        place = place_of(body["team"]["id"], body["channel"]["id"], thread, viewer=user)
        if body["actions"][0]["action_id"].startswith(_QUESTION) and not container.get("is_ephemeral"):
            place = replace(place, thread=thread or message.get("ts"), viewer=None)
        self._answer(Request(command, place, user, f"slack:{body['trigger_id']}"), body)

    def _pressed_at_home(self, body: Body, command: str) -> None:
        """A button in the Home, for the channel that it names, if that is one of the person's."""
        team, user = body["team"]["id"], body["user"]["id"]
        channel = views.channel_of(str(body["actions"][0].get("block_id", "")))
        if not channel:
            if not self._surfaces.open_new(team, user, str(body["trigger_id"])):
                self.inbox.say(place_of(team, self._people.direct(team, user)), "slack.form_expired")
            return
        place = Place(NAME, channel, viewer=user)
        if not self._surfaces.is_theirs(team, user, place):
            self.inbox.say(place_of(team, self._people.direct(team, user)), "slack.not_yours")
            return
        self._answer(Request(command, place, user, f"slack:{body['trigger_id']}"), body)
        self._surfaces.publish(team, user)

    # --- The form ----------------------------------------------------------------------------

    def _on_submission(self, ack: Ack, body: Body) -> None:
        """A submitted form: obvious problems are shown at once, below the input."""
        view, user = body["view"], body["user"]["id"]
        kept = json.loads(view["private_metadata"])
        filled = views.values_of(view)
        place = Place(NAME, kept["channel"], kept["thread"], viewer=user)
        if chosen := filled.pop(views.CHANNEL, ""):
            place = place_of(body["team"]["id"], chosen, viewer=user)
        values = kept["fixed"] | filled
        if problem := self._listener.problem(place, values):
            ack(response_action="errors", errors={problem.input: problem.text})
            return
        form = self._listener.form(place, values)
        name = f"slack:{view['id']}:{view['hash']}"
        self._accept(
            lambda text="": ack(response_action="update", view=views.note(form.title, text or form.waiting)),
            lambda: self._submitted(body, name, place, values, chosen=bool(chosen)),
        )

    def _submitted(self, body: Body, name: str, place: Place, values: Mapping[str, str], *, chosen: bool) -> None:
        """Do what a form asks, once; then show it again with the problem, or the success."""
        team, user, view = body["team"]["id"], body["user"]["id"], body["view"]
        if not self._listener.first(name):
            return
        if chosen and not self._surfaces.is_theirs(team, user, place):
            problem: Problem | None = Problem("", self._listener.text(place, "slack.not_yours"))
        else:
            problem = self._listener.submit(Request("", place, user), values)
        form = self._listener.form(place, values)
        shown = views.note(form.title, form.done)
        if problem:
            channel = self._surfaces.channel_label() if chosen else None
            shown = views.modal(form, view["private_metadata"], problem=problem, channel=channel)
        self._people.show(team, "views.update", view_id=view["id"], view=shown)

    # --- Home --------------------------------------------------------------------------------

    def _on_home(self, body: Body) -> None:
        event = body["event"]
        if event.get("tab") == "home":
            self._accept(None, lambda: self._surfaces.publish(body["team_id"], event["user"]))

    # --- Where the bot is --------------------------------------------------------------------

    def _on_joined(self, body: Body, context: Mapping[str, Any]) -> None:
        event = body["event"]
        if event["user"] == context.get("bot_user_id"):
            place = place_of(body["team_id"], event["channel"])
            self._accept(None, lambda: self._joined(place, body["event_id"]))

    def _joined(self, place: Place, event: str) -> None:
        if self._listener.first(f"slack:{event}"):
            self._listener.joined(place)
            hello = Message("hello", (Span(self._listener.text(place, "slack.hello")),))
            self._post(place, hello)

    def _on_channel(self, body: Body) -> None:
        event = body["event"]
        place = place_of(body["team_id"], event["channel"])
        if reason := _LEFT.get(event["type"]):
            self._accept(None, lambda: self._listener.left(place, reason))
        else:
            self._accept(None, lambda: self._listener.joined(place))

    def _on_uninstalled(self, body: Body) -> None:
        """The app was uninstalled from a workspace, or the bot's token was revoked."""
        if body["event"]["type"] == "tokens_revoked" and not (body["event"].get("tokens") or {}).get("bot"):
            return
        team = body["team_id"]
        self._accept(None, lambda: self._removed(team))

    def _removed(self, team: str) -> None:
        self._forget(team)
        self._listener.removed(lambda place: place.chat == NAME and parts_of(place)[0] == team)

    # --- Work --------------------------------------------------------------------------------

    def _accept(self, ack: Callable[..., Any] | None, work: Callable[[], None]) -> None:
        """Acknowledge, then do the work in a thread; if too much is waiting already, say that instead."""
        try:
            self.inbox.accept(work, ack or (lambda: None))
        except Busy:
            if ack:
                ack(text=self._listener.text(None, "slack.busy"))

    def _or_busy(self, ack: Ack, body: Body) -> Callable[..., None]:
        """The acknowledgement of a click or a shortcut; Slack shows no text in it, so that is posted afterwards."""

        def acknowledged(text: str = "") -> None:
            ack()
            if text and body.get("response_url"):
                user = body["user"]["id"]
                place = place_of(body["team"]["id"], body["channel"]["id"], viewer=user)
                self._people.waits(place, body["response_url"])
                self.inbox.say(place, "slack.busy")

        return acknowledged


def _plain(text: str) -> str:
    """The text as typed: Slack sends three characters as entities."""
    return html.unescape(text) if "&" in text else text


def _links(value: object) -> Iterator[str]:
    """All links in a message: in its text, blocks and attachments."""
    if isinstance(value, str):
        yield from (html.unescape(link) for link in _LINK.findall(value))
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _links(part)
    elif isinstance(value, list):
        for part in value:
            yield from _links(part)


def without_mention(text: str, user: str) -> str:
    """A text without the mentions of a user.

    The name in a mention is limited: otherwise unclosed mentions would take quadratic time.
    """
    return re.sub(rf"<@{re.escape(user)}(?:\|[^<>]{{0,100}})?>", " ", text)
