"""Slack's surfaces besides messages (docs.slack.dev/surfaces): a form as a modal, and the App Home."""

from dataclasses import replace

from adapters.chats.slack import views
from adapters.chats.slack.blocks import blocks_of
from adapters.chats.slack.people import People
from adapters.chats.slack.workspaces import NAME, parts_of, place_of
from bot.errors import UsageError
from bot.ports import Listener
from bot.values import Form, Place


class Surfaces:
    """The forms and the Home of the workspaces. Safe to call from several threads."""

    def __init__(self, people: People, listener: Listener) -> None:
        self._people = people
        self._listener = listener

    def open(self, place: Place, user: str, trigger: str, form: Form, channel: tuple[str, str] | None = None) -> None:
        """Show a form; with `channel`, a label and a hint, it asks for the channel too.

        Raises UsageError if Slack no longer waits for it.
        """
        team = parts_of(place)[0]
        if form.fresh and (zone := self._people.zone_of(team, user)):
            inputs = tuple(replace(i, value=zone) if i.name == "zone" else i for i in form.inputs)
            form = replace(form, inputs=inputs)
        kept = views.metadata(place.channel, place.thread, form.fixed)
        self._people.show(team, "views.open", trigger_id=trigger, view=views.modal(form, kept, channel=channel))

    def open_new(self, team: str, user: str, trigger: str) -> bool:
        """Show the form with a choice of channels; return whether Slack still waited for it."""
        place = place_of(team, "")
        try:
            self.open(place, user, trigger, self._listener.form(place, {}), self.channel_label())
        except UsageError:
            return False
        return True

    def channel_label(self) -> tuple[str, str]:
        """The label and the hint of the input that asks for a channel."""
        return self._listener.text(None, "slack.home_channel"), self._listener.text(None, "slack.home_channel_hint")

    def is_theirs(self, team: str, user: str, place: Place) -> bool:
        """Whether a person is in a channel, and it belongs to their workspace. Raises ConfigError, Unavailable."""
        own, channel = parts_of(place)
        if own != team:
            return False
        return channel in self._people.channels_of(team, user) or channel == self._people.direct(team, user)

    def publish(self, team: str, user: str) -> None:
        """Show in a person's Home what their channels follow, and only the channels they are in."""
        text = self._listener.text
        followed = [p for p in self._listener.followed_in(NAME) if parts_of(p)[0] == team]
        named: dict[str, str] = {}
        if followed:
            named = {channel: f"#{name}" for channel, name in self._people.channels_of(team, user).items()}
            named[self._people.direct(team, user)] = text(None, "slack.direct")
        sections = [
            (named[channel], blocks_of(post.headline, f"{views.HOME}:{place.channel}"))
            for place in (replace(each, viewer=user) for each in followed)
            if (channel := parts_of(place)[1]) in named and (post := self._listener.followed(place))
        ]
        shown = views.home(
            text(None, "slack.home_title"),
            text(None, "slack.home_about" if sections else "slack.home_none"),
            text(None, "answer.follow"),
            sections,
            text(None, "slack.home_more", n="{n}"),
        )
        self._people.show(team, "views.publish", user_id=user, view=shown)
