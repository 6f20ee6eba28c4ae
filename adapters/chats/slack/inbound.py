"""What people do in Slack, as lines of the bot's grammar.

Bolt's listeners only acknowledge and queue: Slack waits three seconds and repeats what it got no answer to. The work is
done by threads of our own; what was done once is not done again, since the listener knows a request by its id.
"""

from __future__ import annotations

import html
import json
import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from slack_bolt import Ack, App

from adapters.chats.slack import views
from adapters.chats.slack.blocks import ACTION, blocks_of
from adapters.chats.slack.workspaces import NAME, parts_of, place_of
from bot.errors import DigestError, UsageError
from bot.ports import Listener
from bot.values import Form, Message, MessageKind, Place, Problem, Request, Span

if TYPE_CHECKING:
    from adapters.chats.slack.chat import SlackChat

Body = dict[str, Any]

_log = logging.getLogger("digest.slack")

EXPLAIN = "digest:explain"
"""The message shortcut's name in the manifest."""
_WORKERS = 8
_WAITING = 200
"""Requests that may wait for a worker; beyond, people are asked to try again."""
_SLOW = 2.5
"""Seconds after which somebody who waits is told that the bot is at it."""
_DRAIN = 8.0
"""Seconds that are left to what is being answered when the bot stops."""
_LINKS = 10
_LINK = re.compile(r"https?://[^\s<>|\"]+")
_LEFT = {"channel_left": "left", "group_left": "left", "channel_archive": "archived", "group_archive": "archived"}
_LEFT |= {"channel_deleted": "gone", "group_deleted": "gone"}
_BACK = ("channel_unarchive", "group_unarchive")


class Inbound:
    """The listeners of one Bolt application."""

    def __init__(self, app: App, chat: SlackChat, listener: Listener, forget: Callable[[str], None]) -> None:
        self._chat = chat
        self._listener = listener
        self._forget = forget
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="slack")
        self._counting = threading.Lock()
        self._at_work = 0
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

    @property
    def idle(self) -> bool:
        """Whether nothing is worked on or waits."""
        with self._counting:
            return self._at_work == 0

    def drain(self) -> None:
        """Let what is being answered come to its end, for some seconds; what waits is dropped."""
        ended = threading.Thread(target=lambda: self._workers.shutdown(cancel_futures=True), daemon=True)
        ended.start()
        ended.join(_DRAIN)

    # --- Lines -------------------------------------------------------------------------------

    def _on_command(self, ack: Ack, body: Body) -> None:
        place = place_of(body["team_id"], body["channel_id"], viewer=body["user_id"])
        request = Request(_plain(body.get("text") or ""), place, body["user_id"], f"slack:{body['trigger_id']}")
        self._accept(ack, lambda: self._asked(request, body))

    def _on_mention(self, body: Body, context: Mapping[str, Any]) -> None:
        event = body["event"]
        if event.get("bot_id") or not event.get("user"):  # another bot's mention: two bots would never stop
            return
        text = re.sub(rf"<@{re.escape(str(context.get('bot_user_id')))}(?:\|[^>]*)?>", " ", event.get("text") or "")
        place = place_of(body["team_id"], event["channel"], event.get("thread_ts") or event["ts"])
        self._accept(None, lambda: self._asked(self._said(body, _plain(text), place), body))

    def _on_message(self, body: Body) -> None:
        """A direct message; what the bot or another one wrote, and changes of messages, are none of its business."""
        event = body["event"]
        if event.get("channel_type") != "im" or event.get("subtype") or event.get("bot_id"):
            return
        place = place_of(body["team_id"], event["channel"], event.get("thread_ts"))
        self._accept(None, lambda: self._asked(self._said(body, _plain(event.get("text") or ""), place), body))

    @staticmethod
    def _said(body: Body, text: str, place: Place) -> Request:
        """What an event says; it is known again by the message, which two kinds of events may tell of."""
        event = body["event"]
        return Request(text, place, event["user"], f"slack:{place.channel}:{event['ts']}")

    def _on_shortcut(self, ack: Ack, body: Body) -> None:
        message, user = body["message"], body["user"]["id"]
        thread = message.get("thread_ts") or message.get("ts")
        place = place_of(body["team"]["id"], body["channel"]["id"], thread, viewer=user)
        links = " ".join(list(dict.fromkeys(_links(message)))[:_LINKS])
        request = Request(f"explain {links}", place, user, f"slack:{body['trigger_id']}")
        self._accept(self._or_busy(ack, body), lambda: self._asked(request, body))

    def _asked(self, request: Request, body: Body) -> None:
        """Answer a request, as a form where it asks for one, and say so where that takes a while."""
        if request.place.viewer and (url := body.get("response_url")):
            self._chat.heard(request.place, url)
        trigger = body.get("trigger_id")

        def show(form: Form) -> None:
            self._open(form, request.place, request.user, str(trigger))

        slow = threading.Timer(_SLOW, self._tell_slow, (request,))
        slow.daemon = True
        slow.start()
        try:
            self._listener.request(request, show if trigger else None)
        finally:
            slow.cancel()

    def _tell_slow(self, request: Request) -> None:
        place = replace(request.place, viewer=request.user)
        self._tell(place, "slack.working")

    def _tell(self, place: Place, key: str) -> None:
        """Say something to one person; where that cannot be said, nothing more can be done."""
        try:
            self._chat.post(place, Message("error", (Span(self._listener.text(place, key)),), kind=MessageKind.ERROR))
        except DigestError:
            return

    # --- Buttons -----------------------------------------------------------------------------

    def _on_action(self, ack: Ack, body: Body) -> None:
        pressed = body["actions"][0]
        if not pressed.get("value"):  # a link, which the person's own program opens
            ack()
            return
        work = self._pressed_at_home if body.get("view") else self._pressed
        self._accept(self._or_busy(ack, body), lambda: work(body, str(pressed["value"])))

    def _pressed(self, body: Body, command: str) -> None:
        """A button under a message: the answer is for who pressed it, but a question's in public is public."""
        user, container = body["user"]["id"], body["container"]
        message = body.get("message") or {}
        thread = message.get("thread_ts") or container.get("thread_ts")
        place = place_of(body["team"]["id"], body["channel"]["id"], thread, viewer=user)
        if body["actions"][0]["action_id"].startswith(f"{ACTION}which:") and not container.get("is_ephemeral"):
            place = replace(place, thread=thread or message.get("ts"), viewer=None)
        self._asked(Request(command, place, user, f"slack:{body['trigger_id']}"), body)

    def _pressed_at_home(self, body: Body, command: str) -> None:
        """A button of the Home, in the channel that it names, if that is one of the person's."""
        team, user = body["team"]["id"], body["user"]["id"]
        channel = views.channel_of(str(body["actions"][0].get("block_id", "")))
        if not channel:
            self._show_new(team, user, str(body["trigger_id"]))
            return
        place = Place(NAME, channel, viewer=user)
        if not self._theirs(team, user, place):
            self._tell(place_of(team, self._chat.direct(team, user)), "slack.not_yours")
            return
        self._asked(Request(command, place, user, f"slack:{body['trigger_id']}"), body)
        self._publish(team, user)

    def _theirs(self, team: str, user: str, place: Place) -> bool:
        """Whether somebody is in a channel, and it is one of their workspace."""
        own, channel = parts_of(place)
        if own != team:
            return False
        return channel in self._chat.channels_of(team, user) or channel == self._chat.direct(team, user)

    # --- The form ----------------------------------------------------------------------------

    def _open(self, form: Form, place: Place, user: str, trigger: str, channel: tuple[str, str] | None = None) -> None:
        """Show a form. Raises UsageError where Slack waits for it no more."""
        team = parts_of(place)[0]
        if form.fresh and (zone := self._chat.zone_of(team, user)):
            inputs = tuple(replace(i, value=zone) if i.name == "zone" else i for i in form.inputs)
            form = replace(form, inputs=inputs)
        kept = views.metadata(place.channel, place.thread, form.fixed)
        self._chat.show(team, "views.open", trigger_id=trigger, view=views.modal(form, kept, channel=channel))

    def _show_new(self, team: str, user: str, trigger: str) -> None:
        """The form for a channel that is still to be chosen."""
        place = place_of(team, "")
        try:
            self._open(self._listener.form(place, {}), place, user, trigger, self._channel_label())
        except UsageError:
            self._tell(place_of(team, self._chat.direct(team, user)), "slack.form_expired")

    def _channel_label(self) -> tuple[str, str]:
        return self._listener.text(None, "slack.home_channel"), self._listener.text(None, "slack.home_channel_hint")

    def _on_submission(self, ack: Ack, body: Body) -> None:
        """A form that was filled in: what is plainly wrong is told at once, beneath its input."""
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
        """Do what a form asks, once; show it again with what is wrong, or that it is done."""
        team, user, view = body["team"]["id"], body["user"]["id"], body["view"]
        if not self._listener.first(name):
            return
        if chosen and not self._theirs(team, user, place):
            problem: Problem | None = Problem("", self._listener.text(place, "slack.not_yours"))
        else:
            problem = self._listener.submit(Request("", place, user), values)
        form = self._listener.form(place, values)
        shown = views.note(form.title, form.done)
        if problem:
            channel = self._channel_label() if chosen else None
            shown = views.modal(form, view["private_metadata"], problem=problem, channel=channel)
        self._chat.show(team, "views.update", view_id=view["id"], view=shown)

    # --- Home --------------------------------------------------------------------------------

    def _on_home(self, body: Body) -> None:
        event = body["event"]
        if event.get("tab") == "home":
            self._accept(None, lambda: self._publish(body["team_id"], event["user"]))

    def _publish(self, team: str, user: str) -> None:
        """Show somebody what their channels follow: those that they are in, and no other."""
        followed = [p for p in self._listener.followed_in(NAME) if parts_of(p)[0] == team]
        named = self._chat.channels_of(team, user) if followed else {}
        if followed:
            named |= {self._chat.direct(team, user): self._listener.text(None, "slack.direct")}
        sections = [
            (self._named(channel, named[channel]), blocks_of(post.headline, f"{views.HOME}:{place.channel}"))
            for place in followed
            if (channel := parts_of(place)[1]) in named and (post := self._listener.followed(place))
        ]
        text = self._listener.text
        about = text(None, "slack.home_about" if sections else "slack.home_none")
        shown = views.home(
            text(None, "slack.home_title"),
            about,
            text(None, "answer.follow"),
            sections,
            text(None, "slack.home_more", n="{n}"),
        )
        self._chat.show(team, "views.publish", user_id=user, view=shown)

    @staticmethod
    def _named(channel: str, name: str) -> str:
        return name if channel.startswith("D") else f"#{name}"

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
            self._chat.post(place, hello)

    def _on_channel(self, body: Body) -> None:
        event = body["event"]
        place = place_of(body["team_id"], event["channel"])
        if reason := _LEFT.get(event["type"]):
            self._accept(None, lambda: self._listener.left(place, reason))
        else:
            self._accept(None, lambda: self._listener.joined(place))

    def _on_uninstalled(self, body: Body) -> None:
        """The app was taken out of a workspace, or the bot's token was revoked."""
        if body["event"]["type"] == "tokens_revoked" and not (body["event"].get("tokens") or {}).get("bot"):
            return
        team = body["team_id"]
        self._accept(None, lambda: self._removed(team))

    def _removed(self, team: str) -> None:
        self._forget(team)
        self._listener.removed(lambda place: place.chat == NAME and parts_of(place)[0] == team)

    # --- Work --------------------------------------------------------------------------------

    def _accept(self, ack: Callable[..., Any] | None, work: Callable[[], None]) -> None:
        """Acknowledge, then let a worker do it; with too much to do already, say that instead."""
        with self._counting:
            room = self._at_work < _WORKERS + _WAITING
            self._at_work += room
        if room:
            if ack:
                ack()
            self._workers.submit(self._worked, work)
        elif ack:
            ack(text=self._listener.text(None, "slack.busy"))

    def _or_busy(self, ack: Ack, body: Body) -> Callable[..., None]:
        """The acknowledgement of a click or a shortcut, in which Slack shows no text: that is answered afterwards."""

        def acknowledged(text: str = "") -> None:
            ack()
            if text and body.get("response_url"):
                user = body["user"]["id"]
                place = place_of(body["team"]["id"], body["channel"]["id"], viewer=user)
                self._chat.heard(place, body["response_url"])
                self._tell(place, "slack.busy")

        return acknowledged

    def _worked(self, work: Callable[[], None]) -> None:
        try:
            work()
        except DigestError as error:
            _log.warning("a Slack request failed: %s", error.key)
        except Exception:
            _log.exception("a Slack request failed")
        finally:
            with self._counting:
                self._at_work -= 1


def _plain(text: str) -> str:
    """What somebody typed: Slack sends three characters as entities."""
    return html.unescape(text) if "&" in text else text


def _links(value: object) -> Iterator[str]:
    """Every link in a message, wherever it stands: text, blocks, attachments."""
    if isinstance(value, str):
        yield from (html.unescape(link) for link in _LINK.findall(value))
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _links(part)
    elif isinstance(value, list):
        for part in value:
            yield from _links(part)
