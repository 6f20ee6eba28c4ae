"""Finds out who reads in a place in Slack: guests and people from other organisations see less than members."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from slack_sdk.web import WebClient

from adapters.chats.remembered import Remembered
from adapters.chats.slack.calls import Caller, Gate
from adapters.chats.slack.workspaces import Workspaces, parts_of
from bot.errors import ConfigError, DigestError, Unavailable
from bot.ports import Readers
from bot.values import Place

T = TypeVar("T")
Json = Mapping[str, Any]

# Full and single-channel guests, and people of another workspace (docs.slack.dev/reference/objects/user-object).
_GUEST = ("is_restricted", "is_ultra_restricted", "is_stranger")
# Shared with another organisation or workspace (docs.slack.dev/reference/objects/conversation-object).
_SHARED = ("is_ext_shared", "is_org_shared", "is_shared")
_PAGE = 999


class Audience:
    """Finds the readers of places. Safe to call from several threads; `clock` is monotonic seconds."""

    def __init__(self, workspaces: Workspaces, call: Caller, clock: Callable[[], float]) -> None:
        self._workspaces = workspaces
        self._call = call
        self._about = Remembered[Json](clock)
        self._lists = Remembered[frozenset[str] | None](clock)

    def readers(self, place: Place, person: str) -> Readers:
        """Who reads in a place where `person` asked; where Slack does not say, the worst is assumed.

        If others read too, one guest among them is enough. Raises ConfigError, Unavailable.
        """
        team, channel = parts_of(place)
        found = self._info("conversations.info", team, channel, lambda c: c.conversations_info(channel=channel))
        direct = channel.startswith("D")
        person = person or (str(found.get("user") or "") if direct else "")
        public = not direct and place.viewer is None
        return Readers(
            alone=direct,
            person=person,
            guest=(bool(person) and self._is_guest(team, person)) or (public and self._has_guests(team, channel)),
            shared=not found or any(found.get(flag) for flag in _SHARED),
        )

    def _is_guest(self, team: str, person: str) -> bool:
        """Whether a person is not a full member of a workspace; also True if Slack no longer knows them there."""
        found = self._info("users.info", team, person, lambda c: c.users_info(user=person))
        return not found or not _is_member(found, team)

    def _has_guests(self, team: str, channel: str) -> bool:
        """Whether anybody in a channel is not a full member of its workspace; also True if that is unknown."""
        inside, members = self._in_channel(team, channel), self._members(team)
        return inside is None or members is None or not inside <= members

    def _in_channel(self, team: str, channel: str) -> frozenset[str] | None:
        """The members of a channel; None if Slack does not say."""

        def read() -> frozenset[str]:
            method = self._workspaces.client(team).conversations_members
            arguments = {"channel": channel, "limit": _PAGE}
            pages = self._call.pages(Gate("conversations.members", team), method, arguments)
            return frozenset(str(each) for page in pages for each in page["members"])

        return self._lists.get((team, channel), lambda: _unless_refused(read, None))

    def _members(self, team: str) -> frozenset[str] | None:
        """The full members of a workspace, and its bots; None if Slack does not say."""

        def read() -> frozenset[str]:
            method = self._workspaces.client(team).users_list
            pages = self._call.pages(Gate("users.list", team), method, {"limit": _PAGE})
            return frozenset(str(each["id"]) for page in pages for each in page["members"] if _is_member(each, team))

        return self._lists.get(team, lambda: _unless_refused(read, None))

    def _info(self, method: str, team: str, about: str, ask: Callable[[WebClient], Any]) -> Json:
        """Slack's information on a channel or a person; empty if there is none."""

        def read() -> Json:
            client = self._workspaces.client(team)
            said = self._call(Gate(method, team), lambda: ask(client))
            return dict(said.get("channel") or said.get("user") or {})

        return self._about.get((method, team, about), lambda: _unless_refused(read, {}))


def _is_member(found: Json, team: str) -> bool:
    """Whether Slack's information is that of a full member of a workspace."""
    foreign = bool(team) and found.get("team_id", team) != team
    return not (foreign or found.get("deleted") or any(found.get(flag) for flag in _GUEST))


def _unless_refused(read: Callable[[], T], otherwise: T) -> T:
    """The result of `read`, or `otherwise` if Slack refuses. Raises ConfigError, Unavailable."""
    try:
        return read()
    except (ConfigError, Unavailable):
        raise
    except DigestError:
        return otherwise
