"""A Slack that enforces its documented limits over real sockets, keeps what it took, and fails loudly at the rest.

The Web API over HTTP, Socket Mode over a WebSocket, response URLs. Errors are those of docs.slack.dev's pages of the
methods; what a message or a view may hold is `slack_checks`'. What Slack takes but our bot must not do stands in
`violations`, `unknown` and `impatient`, which a test asserts to be empty. `python tests/slack_server.py` serves alone.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import itertools
import json
import math
import random
import socket
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import serving
import slack_checks
import slack_limits as limits
from serving import Handler, HttpServer, lateness
from slack_checks import Refused, check_message
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

__all__ = ["Refused", "check_message"]

TOKEN, APP_TOKEN = "xoxb-test", "xapp-test"
TEAM, BOT, BOT_ID, APP = "T1", "U0BOT", "B0BOT", "A0APP"
CLIENT_ID, CLIENT_SECRET = "111.222", "client-secret"
# How an answer can go wrong: each is used up by one request.
DROPPED, LOST, BUSY, BROKEN, INTERNAL = "dropped after accepting", "dropped before", "429", "500", "internal_error"

CHAOTIC = ("chat.postMessage", "files.completeUploadExternal")

Json = dict[str, Any]
Answer = tuple[int, bytes] | tuple[int, bytes, dict[str, str]]

_PAGE = "cursor limit"
_RANGE = f"oldest latest inclusive include_all_metadata {_PAGE}"
# Each method's scopes, and the arguments that it needs and that it may have (docs.slack.dev/reference/methods). `*` is
# the kind of the channel, `+` the kinds that are asked for. An argument that is not here is one our bot has no use for.
METHODS: dict[str, tuple[str, str, str]] = {
    "auth.test": ("", "", "team_id"),
    "auth.revoke": ("", "", "test"),
    "chat.postMessage": ("chat:write", "channel", "text blocks metadata unfurl_links unfurl_media thread_ts"),
    "chat.postEphemeral": ("chat:write", "channel user", "text blocks thread_ts"),
    "chat.delete": ("chat:write", "channel ts", ""),
    "assistant.threads.setStatus": ("chat:write", "channel_id thread_ts", "status"),
    "conversations.history": ("*:history", "channel", _RANGE),
    "conversations.replies": ("*:history", "channel ts", _RANGE),
    "conversations.info": ("*:read", "channel", ""),
    "conversations.members": ("*:read", "channel", _PAGE),
    "conversations.open": ("im:write", "users", ""),
    "users.info": ("users:read", "user", "include_locale"),
    "users.list": ("users:read", "", f"include_locale {_PAGE}"),
    "users.conversations": ("+:read", "", f"user types exclude_archived {_PAGE}"),
    "views.open": ("", "trigger_id view", ""),
    "views.update": ("", "view_id view", "hash"),
    "views.publish": ("", "user_id view", "hash"),
    "files.getUploadURLExternal": ("files:write", "filename length", "alt_txt snippet_type"),
    "files.completeUploadExternal": ("files:write", "files", "channel_id thread_ts initial_comment"),
    "apps.connections.open": ("", "", ""),
    "oauth.v2.access": ("", "client_id client_secret code", "redirect_uri grant_type"),
    "blocks.validate": ("", "", "message blocks view"),
}
SCOPES = frozenset(
    [
        "commands",
        "chat:write",
        "app_mentions:read",
        "channels:read",
        "groups:read",
        "channels:history",
        "groups:history",
        "im:read",
        "im:history",
        "im:write",
        "files:write",
        "users:read",
    ]
)
_OPEN = {"apps.connections.open", "oauth.v2.access", "blocks.validate"}
_JSON = {"view", "blocks", "metadata", "files", "message"}
_KINDS = {"public_channel": "channels", "private_channel": "groups", "im": "im"}
# Calls a minute of a method in a workspace (docs.slack.dev/apis/web-api/rate-limits, and each method's page).
_TIERS = {
    **dict.fromkeys(
        ("conversations.history", "conversations.replies", "conversations.info", "users.conversations"),
        limits.TIER_3.slack,
    ),
    **dict.fromkeys(
        ("views.open", "views.update", "views.publish", "users.info", "conversations.members", "chat.postEphemeral"),
        limits.TIER_4.slack,
    ),
    "users.list": limits.TIER_2.slack,
    **dict.fromkeys(("files.getUploadURLExternal", "files.completeUploadExternal"), limits.TIER_4.slack),
    "chat.delete": limits.TIER_3.slack,
}


class Ack(NamedTuple):
    """What the bot answered an envelope with, and after how many seconds."""

    payload: Any
    seconds: float


@dataclass
class Channel:
    """A channel and who is in it, `shared` with another organisation by Slack Connect or not.

    A message in it has the keys that were sent, and those that Slack adds.
    """

    team: str
    name: str
    members: set[str] = field(default_factory=lambda: {"U1", BOT})
    private: bool = False
    archived: bool = False
    shared: bool = False
    threads: bool = True
    messages: list[Json] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """What its scopes begin with."""
        return "im" if self.name.startswith("D") else "groups" if self.private else "channels"

    @property
    def shown_name(self) -> str:
        """Its name as people see it."""
        return f"name-{self.name.lower()}"

    def tops(self) -> list[Json]:
        """The messages that are no replies."""
        return [m for m in self.messages if not m.get("thread_ts")]


@dataclass
class _Upload:
    name: str
    length: int
    content: bytes | None = None


class SlackServer:
    """Workspaces, channels and what stands in them.

    `clock` (seconds) decides who comes too fast and what has expired; `hidden` seconds keep a message unseen;
    `throttle` also refuses what comes too fast, which is counted in any case. With `chaos` a part of the answers to
    `CHAOTIC` methods is late or goes wrong. `counted` is by what a message is too long: by its text, its JSON, or both.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        channels: Iterable[str] = ("C1",),
        private: Iterable[str] = (),
        hidden: float = 0,
        throttle: bool = False,
        port: int = 0,
        chaos: random.Random | None = None,
        counted: Collection[str] = slack_checks.COUNTED,
    ) -> None:
        self.counted = counted
        self.channels: dict[str, Channel] = {}
        self.tokens: dict[str, str] = {}
        self.scopes: dict[str, set[str]] = {}
        self.add_workspace(TEAM, TOKEN, (*channels, *private))
        for name in private:
            self.channels[name].private = True
        self.users: dict[str, Json] = {"U1": {"tz": "Asia/Shanghai", "locale": "zh-CN"}}
        self.ephemeral: dict[str, list[Json]] = defaultdict(list)
        self.statuses: dict[tuple[str, str], tuple[str, float]] = {}
        self.status_set: list[str] = []
        self.deleted: list[Json] = []
        self.responses: list[tuple[str, str, Json]] = []
        self.files: list[Json] = []
        self.views: dict[str, Json] = {}
        self.homes: dict[str, Json] = {}
        self.codes: dict[str, str] = {}
        self.errors: dict[str, str] = {}
        self.requests: list[str] = []
        self.unknown: list[str] = []
        self.violations: list[str] = []
        self.impatient: list[str] = []
        self.too_fast = self.refused = 0
        self.tolerance = 1e-6
        """Seconds by which a channel's messages may be ahead of their pace: not all are on their way equally long."""
        self.hidden = hidden
        self._clock = clock
        self.date = clock
        self._throttle = throttle
        self._chaos = chaos
        self._revoked: set[str] = set()
        self._faults: dict[str, list[str]] = defaultdict(list)
        self._next: dict[str, float] = defaultdict(lambda: float("-inf"))
        self._calls: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._pauses: dict[tuple[str, str | None], float] = {}
        self._told: set[tuple[str, str | None]] = set()
        self._uploads: dict[str, _Upload] = {}
        self._triggers: dict[str, tuple[str, float | None]] = {}
        self._urls: dict[str, tuple[str, str, float, int]] = {}
        self._accepted: dict[str, float] = {}
        self._latest = 0
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self._server = HttpServer(("127.0.0.1", port), self._handler())
        self.root = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.url = f"{self.root}/api/"
        self.socket = Sockets(self._acknowledged, self.violations)

    def __enter__(self) -> SlackServer:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()
        self._server.shutdown()
        self._server.server_close()

    # --- Setting the scene ---

    @property
    def messages(self) -> dict[str, list[Json]]:
        """What was written in each channel, seen or not; shared files stand in `files`."""
        return {
            name: [message for message in channel.messages if not message.get("files")]
            for name, channel in self.channels.items()
        }

    def add_workspace(self, team: str, token: str, channels: Iterable[str] = ()) -> None:
        """A workspace in which a token is good."""
        self.tokens[token] = team
        self.scopes[token] = set(SCOPES)
        self.channels |= {name: Channel(team, name) for name in channels}

    def add_channel(self, name: str, team: str = TEAM, *, private: bool = False, members: Iterable[str] = ()) -> None:
        """A channel with the bot, and those named."""
        self.channels[name] = Channel(team, name, {BOT, *members}, private)

    def revoke(self, token: str) -> None:
        """A token is good no more."""
        self._revoked.add(token)

    def archive(self, channel: str) -> None:
        """A channel takes no more messages."""
        self.channels[channel].archived = True

    def leave(self, channel: str) -> None:
        """The bot is taken out of a channel."""
        self.channels[channel].members.discard(BOT)

    def queue(self, *faults: str, method: str = "chat.postMessage") -> None:
        """Let the next calls of a method go wrong."""
        self._faults[method] += faults

    def pause(self, method: str, seconds: float, channel: str | None = None) -> None:
        """Refuse a method for some time."""
        self._pauses[method, channel] = self._clock() + seconds

    def thread(self, channel: str, ts: str | None) -> list[Json]:
        """What was written in a thread, or at the top of a channel; shared files stand in `files`."""
        return [m for m in self._in_thread(channel, ts) if not m.get("files")]

    def _in_thread(self, channel: str, ts: str | None) -> list[Json]:
        return [m for m in self.channels[channel].messages if m.get("thread_ts") == ts]

    def trigger(self, team: str = TEAM) -> str:
        """A trigger that opens one view, for three seconds. Its form is "132456.7890123.abcdef" (views.open)."""
        with self._lock:
            number = next(self._numbers)
            name = f"{number}.{number}.{number:06x}"
            self._triggers[name] = (team, self._clock())
            return name

    def response_url(self, channel: str, user: str) -> str:
        """Where an answer to a command or a click is waited for."""
        with self._lock:
            name = f"r{next(self._numbers)}"
            self._urls[name] = (channel, user, self._clock(), 0)
            return f"{self.root}/respond/{name}"

    # --- Answers ---

    def answer(self, method: str, body: Json) -> Json:
        """What a method answers. Raises Refused."""
        if method not in METHODS:
            self.unknown.append(method)
            raise Refused("unknown_method")
        _, needed, optional = METHODS[method]
        if extra := set(body) - set(needed.split()) - set(optional.split()) - {"token"}:
            self.violations.append(f"{method}: unknown arguments {sorted(extra)}")
            raise Refused("invalid_arguments", f"unknown {sorted(extra)}")
        team = "" if method in _OPEN else self._authorised(method, body)
        if error := self.errors.get(method):
            raise Refused(error, **({"needed": METHODS[method][0]} if error == "missing_scope" else {}))
        if lacking := [name for name in needed.split() if body.get(name) in (None, "")]:
            raise Refused("invalid_arguments", f"missing required field: {lacking[0]}")
        handler: Callable[[Json, str], Json] = getattr(self, "_" + method.replace(".", "_"))
        return handler(_decoded(body), team)

    def _authorised(self, method: str, body: Json) -> str:
        """The workspace of a token that may call a method."""
        token = body.get("token")
        if not token:
            raise Refused("not_authed")
        if token == APP_TOKEN:
            raise Refused("not_allowed_token_type")
        if token in self._revoked:
            raise Refused("token_revoked")
        if token not in self.tokens:
            raise Refused("invalid_auth")
        for needed in self._scopes(METHODS[method][0], body):
            if needed not in self.scopes[token]:
                raise Refused("missing_scope", needed, needed=needed, provided=",".join(sorted(self.scopes[token])))
        return self.tokens[token]

    def _scopes(self, scope: str, body: Json) -> list[str]:
        channel = self.channels.get(str(body.get("channel")))
        if scope.startswith("+"):
            kinds = str(body.get("types") or "public_channel").split(",")
            return [scope.replace("+", _KINDS.get(kind, kind)) for kind in kinds]
        return [scope.replace("*", channel.kind if channel else "channels")] if scope else []

    def _channel(self, name: object, team: str) -> Channel:
        """A channel that the workspace has; a private one only exists for those in it."""
        channel = self.channels.get(str(name))
        if channel is None or channel.team != team or (channel.kind != "channels" and BOT not in channel.members):
            raise Refused("channel_not_found")
        return channel

    def _writable(self, name: object, team: str, body: Json) -> Channel:
        """A channel that the bot may write to: as a member, or in public by a scope of its own."""
        channel = self._channel(name, team)
        if BOT not in channel.members and "chat:write.public" not in self.scopes[body["token"]]:
            raise Refused("not_in_channel")
        if channel.archived:
            raise Refused("is_archived")
        return channel

    def _auth_test(self, body: Json, team: str) -> Json:
        scopes = ",".join(sorted(self.scopes[str(body["token"])]))
        known = {"team_id": team, "team": f"Team {team}", "user_id": BOT, "user": "commit-digest", "bot_id": BOT_ID}
        told = {"url": "https://team.slack.test/", "is_enterprise_install": False}
        return known | told | {"_headers": {"x-oauth-scopes": scopes}}

    def _auth_revoke(self, body: Json, _: str) -> Json:
        """docs.slack.dev/reference/methods/auth.revoke."""
        if not _true(body.get("test")):
            self._revoked.add(str(body["token"]))
        return {"revoked": not _true(body.get("test"))}

    def _chat_postMessage(self, body: Json, team: str) -> Json:
        channel = self._writable(body["channel"], team, body)
        self._look(body, unfurls=True)
        slack_checks.refuse_message(body, self.counted)
        self._refuse_thread(channel, body)
        known = {name: value for name, value in body.items() if name != "token"}
        kept = self._keep(channel, {**known, "bot_id": BOT_ID, "app_id": APP, "user": BOT})
        self.statuses.pop((channel.name, str(body.get("thread_ts"))), None)
        return {"channel": channel.name, "ts": kept["ts"], "message": _public(kept, whole=True)}

    def _chat_delete(self, body: Json, team: str) -> Json:
        """docs.slack.dev/reference/methods/chat.delete: a bot deletes what it wrote itself."""
        channel = self._channel(body["channel"], team)
        found = [m for m in channel.messages if m["ts"] == body["ts"]]
        if not found:
            raise Refused("message_not_found")
        if found[0].get("bot_id") != BOT_ID:
            raise Refused("cant_delete_message")
        channel.messages.remove(found[0])
        self.deleted.append(found[0])
        return {"channel": channel.name, "ts": body["ts"]}

    def _assistant_threads_setStatus(self, body: Json, team: str) -> Json:
        """docs.slack.dev/reference/methods/assistant.threads.setStatus; an empty one takes it away."""
        if not isinstance(body.get("status"), str):
            raise Refused("invalid_arguments", "missing required field: status")
        channel, thread = self._channel(body["channel_id"], team), str(body["thread_ts"])
        if BOT not in channel.members:
            raise Refused("not_in_channel")
        if thread not in {m["ts"] for m in channel.tops()}:
            raise Refused("invalid_thread_ts")
        self.statuses.pop((channel.name, thread), None)
        if body["status"]:
            self.statuses[channel.name, thread] = (body["status"], self._clock())
            self.status_set.append(body["status"])
        return {}

    def working(self) -> list[str]:
        """The statuses that stand there: until the app answers in the thread, or for two minutes."""
        return [status for status, at in self.statuses.values() if self._clock() - at < limits.STATUS_SECONDS.slack]

    @staticmethod
    def _refuse_thread(channel: Channel, body: Json) -> None:
        if body.get("thread_ts") and not channel.threads:
            raise Refused("restricted_action_non_threadable_channel")
        if body.get("thread_ts") and body["thread_ts"] not in {m["ts"] for m in channel.tops()}:
            raise Refused("thread_not_found")

    def _keep(self, channel: Channel, message: Json) -> Json:
        kept = {**message, "ts": self._ts(), "type": "message", "team": channel.team}
        self._accepted[kept["ts"]] = self._clock()
        channel.messages.append(kept)
        return kept

    def _chat_postEphemeral(self, body: Json, team: str) -> Json:
        channel = self._channel(body["channel"], team)
        if BOT not in channel.members:
            raise Refused("not_in_channel")
        if channel.archived:
            raise Refused("is_archived")
        if body["user"] not in channel.members:
            raise Refused("user_not_in_channel")
        self._look(body, unfurls=False)
        slack_checks.refuse_message(body, self.counted)
        ts = self._ts()
        known = {name: value for name, value in body.items() if name != "token"}
        self.ephemeral[channel.name].append({**known, "message_ts": ts})
        return {"message_ts": ts}

    def _ts(self) -> str:
        """A time by which Slack names a message: the clock's, and no time twice."""
        with self._lock:
            self._latest = max(int(self._clock() * 1_000_000), self._latest + 1)
            return f"{self._latest // 1_000_000}.{self._latest % 1_000_000:06}"

    def _look(self, body: Json, *, unfurls: bool) -> None:
        """Write down what Slack takes and our bot must never write."""
        self.violations += slack_checks.unwanted(body, unfurls=unfurls)

    def _conversations_history(self, body: Json, team: str) -> Json:
        """The newest first, without replies."""
        channel = self._readable(body, team)
        found = [m for m in channel.tops() if self._seen(m) and _within(m, body)]
        shown, cursor = _page(found[::-1], body, limits.HISTORY.slack, limits.HISTORY.slack)
        return self._told_messages(channel, shown, cursor, body)

    def _conversations_replies(self, body: Json, team: str) -> Json:
        """The message that begins the thread, on each page and whatever is asked, then replies, the oldest first."""
        channel = self._readable(body, team)
        parents = [m for m in channel.tops() if m["ts"] == body["ts"] and self._seen(m)]
        if not parents:
            raise Refused("thread_not_found")
        replies = [m for m in self._in_thread(channel.name, body["ts"]) if self._seen(m) and _within(m, body)]
        most = limits.HISTORY.slack - 1
        asked = body | ({"limit": max(1, int(body["limit"]) - 1)} if str(body.get("limit", "")).isdigit() else {})
        shown, cursor = _page(replies, asked, most, most)
        return self._told_messages(channel, [*parents, *shown], cursor, body)

    def _readable(self, body: Json, team: str) -> Channel:
        channel = self._channel(body["channel"], team)
        if BOT not in channel.members:
            raise Refused("not_in_channel")
        return channel

    def _seen(self, message: Json) -> bool:
        return self._clock() - self._accepted[message["ts"]] >= self.hidden

    def _told_messages(self, channel: Channel, messages: list[Json], cursor: str, body: Json) -> Json:
        replied = {m.get("thread_ts") for m in channel.messages}
        told = [
            _public(m, whole=_true(body.get("include_all_metadata")))
            | ({"thread_ts": m["ts"]} if m["ts"] in replied else {})
            for m in messages
        ]
        return {"messages": told, "has_more": bool(cursor), "response_metadata": {"next_cursor": cursor}}

    def _conversations_info(self, body: Json, team: str) -> Json:
        return {"channel": self._shown(self._channel(body["channel"], team))}

    @staticmethod
    def _shown(channel: Channel) -> Json:
        named = {} if channel.kind == "im" else {"name": channel.shown_name}
        return {
            "id": channel.name,
            **named,
            "is_private": channel.private,
            "is_member": BOT in channel.members,
            "is_archived": channel.archived,
            "is_im": channel.kind == "im",
            "is_shared": channel.shared,
            "is_ext_shared": channel.shared,
            "is_org_shared": False,
            "is_pending_ext_shared": False,
            **({"user": next(iter(channel.members - {BOT}), BOT)} if channel.kind == "im" else {}),
        }

    def _conversations_open(self, body: Json, team: str) -> Json:
        user = str(body["users"])
        if not self._knows(user):
            raise Refused("user_not_found")
        name = f"D{user}"
        if name not in self.channels:
            self.add_channel(name, team, members=(user,))
        return {"channel": {"id": name}}

    def _knows(self, user: object) -> bool:
        return user in self.users or any(user in channel.members for channel in self.channels.values())

    def _users_info(self, body: Json, team: str) -> Json:
        if body["user"] not in self.users:
            raise Refused("user_not_found")
        return {"user": self._person(str(body["user"]), body, team)}

    def _person(self, name: str, body: Json, team: str) -> Json:
        """docs.slack.dev/reference/objects/user-object; a test says who is a guest."""
        known = self.users.get(name, {})
        hidden = set() if _true(body.get("include_locale")) else {"locale"}
        shift = datetime.fromtimestamp(self._clock(), ZoneInfo(known.get("tz", "UTC"))).utcoffset()
        told = {name: value for name, value in known.items() if name not in hidden}
        flags = {"deleted": False, "is_restricted": False, "is_ultra_restricted": False, "is_bot": False}
        here = {"id": name, "team_id": team, "tz_offset": int(shift.total_seconds())}
        return {**here, **flags, **told}

    def _users_list(self, body: Json, team: str) -> Json:
        inside = {each for channel in self.channels.values() if channel.team == team for each in channel.members}
        found = [self._person(name, body, team) for name in sorted({*self.users, *inside, BOT})]
        shown, cursor = _page(found, body, 999, 999)
        return {"members": shown, "response_metadata": {"next_cursor": cursor}}

    def _conversations_members(self, body: Json, team: str) -> Json:
        """docs.slack.dev/reference/methods/conversations.members."""
        found = sorted(self._channel(body["channel"], team).members)
        shown, cursor = _page([{"id": each} for each in found], body, 100, 1_000)
        return {"members": [each["id"] for each in shown], "response_metadata": {"next_cursor": cursor}}

    def _users_conversations(self, body: Json, team: str) -> Json:
        """The channels of somebody; private ones only where the bot is in them too."""
        user = body.get("user", BOT)
        if not self._knows(user):
            raise Refused("user_not_found")
        kinds = str(body.get("types") or "public_channel").split(",")
        if not set(kinds) <= set(_KINDS):
            raise Refused("invalid_types", str(kinds))
        wanted = {_KINDS[kind] for kind in kinds}
        found = [
            self._shown(c)
            for c in self.channels.values()
            if c.team == team and user in c.members and c.kind in wanted and (c.kind == "channels" or BOT in c.members)
            if not (c.archived and _true(body.get("exclude_archived")))
        ]
        shown, cursor = _page(found, body, 100, 999)
        return {"channels": shown, "response_metadata": {"next_cursor": cursor}}

    def _views_open(self, body: Json, team: str) -> Json:
        owner, made = self._triggers.get(body["trigger_id"], ("", None))
        if owner != team:
            raise Refused("invalid_trigger_id")
        if made is None:
            raise Refused("exchanged_trigger_id")
        if self._clock() - made > limits.TRIGGER_SECONDS.slack:
            raise Refused("expired_trigger_id")
        view = self._view(body["view"], "modal")
        self._triggers[body["trigger_id"]] = (team, None)
        name = f"V{next(self._numbers)}"
        self.views[name] = self._whole(name, team, view)
        return {"view": self.views[name]}

    def _views_update(self, body: Json, team: str) -> Json:
        known = self.views.get(body["view_id"])
        if not known or known["team_id"] != team:
            raise Refused("not_found")
        if body.get("hash", known["hash"]) != known["hash"]:
            raise Refused("hash_conflict")
        self.views[known["id"]] = self._whole(known["id"], team, self._view(body["view"], "modal"))
        return {"view": self.views[known["id"]]}

    def _views_publish(self, body: Json, team: str) -> Json:
        user = body["user_id"]
        if not self._knows(user):
            raise Refused("invalid_arguments", "user_id")
        known = self.homes.get(user, {})
        if known and body.get("hash", known["hash"]) != known["hash"]:
            raise Refused("hash_conflict")
        self.homes[user] = self._whole(f"VH{user}", team, self._view(body["view"], "home"))
        return {"view": self.homes[user]}

    def _view(self, view: Any, kind: str) -> Json:
        slack_checks.refuse_view(view, kind)
        self._look({"blocks": view["blocks"]}, unfurls=False)
        return dict(view)

    def _whole(self, name: str, team: str, view: Json) -> Json:
        """A view as Slack answers it: with a hash, and a block_id for every block."""
        blocks = [{**block, "block_id": block.get("block_id") or f"b{n}"} for n, block in enumerate(view["blocks"])]
        known = {"callback_id": "", "private_metadata": "", "state": {"values": {}}, "root_view_id": name}
        known |= {"id": name, "team_id": team, "app_id": APP, "bot_id": BOT_ID, "hash": f"{next(self._numbers)}.hash"}
        return {**known, **view, "blocks": blocks}

    def _files_getUploadURLExternal(self, body: Json, _: str) -> Json:
        if int(body["length"]) < 1:
            raise Refused("missing_argument", "length")
        number = f"F{next(self._numbers)}"
        self._uploads[number] = _Upload(body["filename"], int(body["length"]))
        return {"upload_url": f"{self.root}/upload/{number}", "file_id": number}

    def _uploaded(self, number: str, raw: bytes) -> tuple[int, bytes]:
        if not (upload := self._uploads.get(number)):
            return 404, b"not found"
        if len(raw) != upload.length:
            self.violations.append(f"upload: {len(raw)} bytes instead of {upload.length}")
        upload.content = raw
        return 200, f"OK - {len(raw)}".encode()

    def _files_completeUploadExternal(self, body: Json, team: str) -> Json:
        where: Json = {"channel": None, "thread_ts": body.get("thread_ts")}
        if "channel_id" in body:
            channel = self._writable(body["channel_id"], team, body)
            if BOT not in channel.members:  # to write in public is a right to write, not to share
                raise Refused("not_in_channel")
            self._refuse_thread(channel, {} if channel.threads else body)
            if where["thread_ts"] and where["thread_ts"] not in {m["ts"] for m in channel.tops()}:
                raise Refused("invalid_arguments", "thread_ts")
            where["channel"] = channel.name
        self._look(body, unfurls=False)
        if not all((known := self._uploads.get(file["id"])) and known.content for file in body["files"]):
            raise Refused("file_not_found")
        shared = []
        for file in body["files"]:
            upload = self._uploads.pop(file["id"])
            shared.append({"id": file["id"], "name": upload.name, "title": file.get("title", upload.name)})
            self.files.append({**file, **where, "name": upload.name, "content": upload.content.decode()})
        if where["channel"]:
            known = {"text": body.get("initial_comment", ""), "bot_id": BOT_ID, "app_id": APP, "user": BOT}
            thread = {"thread_ts": where["thread_ts"]} if where["thread_ts"] else {}
            self._keep(channel, {**known, **thread, "files": shared})
        return {"files": body["files"]}

    def _apps_connections_open(self, body: Json, _: str) -> Json:
        if not (token := body.get("token")):
            raise Refused("not_authed")
        if token != APP_TOKEN:
            raise Refused("invalid_auth" if str(token).startswith("xapp-") else "not_allowed_token_type")
        return {"url": self.socket.ticket()}

    def _oauth_v2_access(self, body: Json, _: str) -> Json:
        if body["client_id"] != CLIENT_ID:
            raise Refused("invalid_client_id")
        if body["client_secret"] != CLIENT_SECRET:
            raise Refused("bad_client_secret")
        if not (team := self.codes.pop(body["code"], "")):
            raise Refused("invalid_code")
        tokens = [token for token, named in self.tokens.items() if named == team]
        if not tokens:
            tokens = [f"xoxb-{team}"]
            self.add_workspace(team, tokens[0])
        self._revoked.discard(tokens[0])
        return {
            "app_id": APP,
            "authed_user": {"id": "U1"},
            "scope": ",".join(sorted(self.scopes[tokens[0]])),
            "token_type": "bot",
            "access_token": tokens[0],
            "bot_user_id": BOT,
            "team": {"id": team, "name": f"Team {team}"},
            "enterprise": None,
            "is_enterprise_install": False,
        }

    def _blocks_validate(self, body: Json, _: str) -> Json:
        given = set(body) & {"message", "blocks", "view"}
        if len(given) != 1:
            raise Refused("invalid_arguments", "one of blocks, message and view")
        if "view" in given:
            slack_checks.refuse_view(body["view"], str(body["view"].get("type")))
            return {}
        # A message without a text is not told of.
        message = body["message"] if "message" in given else {"blocks": body["blocks"]}
        slack_checks.refuse_message(message | {"text": message.get("text") or " "})
        return {}

    # --- Rates ---

    def _too_soon(self, method: str, body: Json) -> int:
        """The seconds of a Retry-After; 0 where the call may go on."""
        now, channel = self._clock(), str(body.get("channel")) if body.get("channel") else None
        for gate in dict.fromkeys([(method, channel), (method, None)]):
            if (until := self._pauses.get(gate, 0)) > now:
                if gate in self._told:
                    self.impatient.append(f"{method} {channel}: {until - now:.1f} s too early")
                self._told.add(gate)
                return math.ceil(until - now)
            self._told.discard(gate)
        if method == "chat.postMessage" and channel in self.channels:
            sent = self._calls["chat.postMessage", self.channels[channel].team]
            sent[:] = [at for at in sent if now - at < 60]
            if self._throttle and len(sent) >= limits.WORKSPACE.slack:
                return 1
            fast = now < self._next[channel] - self.tolerance
            self.too_fast += fast
            if fast and self._throttle:
                return 1
            sent.append(now)
            self._next[channel] = max(now, self._next[channel]) + limits.PACE
        if not self._throttle or method not in _TIERS:
            return 0
        calls = self._calls[method, self.tokens.get(str(body.get("token")), "")]
        calls[:] = [at for at in calls if now - at < 60]
        if len(calls) >= _TIERS[method]:
            return math.ceil(60 - (now - calls[0]))
        calls.append(now)
        return 0

    def _next_fault(self, method: str) -> str:
        """How the next answer goes wrong: as it was queued, or as chance wills."""
        if self._faults[method]:
            return self._faults[method].pop(0)
        if self._chaos and method in CHAOTIC:
            return self._chaos.choices(("", DROPPED, LOST, BUSY, BROKEN, INTERNAL), (78, 6, 4, 4, 4, 4))[0]
        return ""

    # --- HTTP ---

    def _handler(self) -> type[Handler]:
        server = self

        class Answering(Handler):
            def time(self) -> float:
                return server.date()

            def answered(self, raw: bytes) -> tuple[serving.Answer | None, float]:
                parts = urlsplit(self.path)
                kind, _, name = parts.path.strip("/").partition("/")
                with server._lock:
                    said = self._answer(kind, name, raw, parts.query)
                    accepted = name in CHAOTIC and said is not None and said[0] == 200
                    late = lateness(server._chaos, accepted=accepted)
                if said is None:
                    return None, late
                status, body, *more = said
                return (status, body, {"Content-Type": "application/json", **(more[0] if more else {})}), late

            def _answer(self, kind: str, name: str, raw: bytes, query: str) -> Answer | None:
                if kind == "upload":
                    return server._uploaded(name, raw)
                if kind == "respond":
                    return server._respond(name, raw)
                if kind == "_":
                    told = server.written() if name == "messages" else server.stats()
                    return 200, json.dumps(told).encode()
                return self._call(name, server._body(name, self.headers, raw, query))

            def _call(self, method: str, body: Json) -> Answer | None:
                server.requests.append(method)
                fault = server._next_fault(method)
                if fault == LOST:
                    return None
                if fault in (BUSY, BROKEN):
                    status, error = (429, "ratelimited") if fault == BUSY else (500, "service_unavailable")
                    after = {"Retry-After": "1" if server._chaos else "7"}
                    return status, json.dumps({"ok": False, "error": error}).encode(), after
                if wait := server._too_soon(method, body):
                    server.refused += 1
                    said = json.dumps({"ok": False, "error": "ratelimited"}).encode()
                    return 429, said, {"Retry-After": str(wait)}
                answer = server._answered(method, body)
                headers = answer.pop("_headers", {})
                if fault == DROPPED:
                    return None
                if fault == INTERNAL:
                    answer = {"ok": False, "error": "internal_error"}
                return 200, json.dumps(answer).encode(), headers

        return Answering

    def _answered(self, method: str, body: Json) -> Json:
        """The answer, or the error; what nobody thought of is written down and breaks no connection."""
        try:
            return {"ok": True, **self.answer(method, body)}
        except Refused as refused:
            why = {"response_metadata": {"messages": [f"[ERROR] {refused.why}"]}} if refused.why else {}
            return {"ok": False, "error": refused.error, **refused.more, **why}
        except Exception as error:
            self.violations.append(f"{method}: {error!r}")
            return {"ok": False, "error": "fatal_error"}

    def _body(self, method: str, headers: Any, raw: bytes, query: str) -> Json:
        kind = headers.get("Content-Type", "")
        if kind.startswith("application/json"):
            body: Json = json.loads(raw or b"{}")
        else:
            body = {name: values[0] for name, values in parse_qs(raw.decode() or query).items()}
        if method == "apps.connections.open" and "token" in body:
            self.violations.append(f"{method}: the token stands outside the header")
        if (given := headers.get("Authorization", "")).startswith("Bearer "):
            body.setdefault("token", given.removeprefix("Bearer "))
        elif given.startswith("Basic "):
            name, _, secret = base64.b64decode(given.removeprefix("Basic ")).decode().partition(":")
            body |= {"client_id": name, "client_secret": secret}
        return body

    def _respond(self, name: str, raw: bytes) -> tuple[int, bytes]:
        """An answer to a command or a click (docs.slack.dev/interactivity/handling-user-interaction)."""
        channel, user, made, uses = self._urls.get(name, ("", "", 0.0, 0))
        if not channel or self._clock() - made > limits.RESPONSE_SECONDS.slack:
            return 404, b"expired_url"
        if uses >= limits.RESPONSE_USES.slack:
            return 404, b"used_url"
        self._urls[name] = (channel, user, made, uses + 1)
        try:
            body = json.loads(raw)
            slack_checks.refuse_response(body)
        except (Refused, ValueError) as refused:
            self.violations.append(f"response: {refused}")
            return 400, str(refused).encode()
        self._look(body, unfurls=False)
        self.responses.append((channel, user, body))
        return 200, b"ok"

    def _acknowledged(self, envelope: Json, payload: Any) -> None:
        """Check what came back with an acknowledgement, and show a view that came with it."""
        if not payload:
            return
        with self._lock:
            try:
                self._take(envelope, payload)
            except Refused as refused:
                self.violations.append(f"acknowledgement of {envelope['type']}: {refused}")

    def _take(self, envelope: Json, payload: Any) -> None:
        sent = envelope["payload"]
        if not envelope["accepts_response_payload"] or not isinstance(payload, dict):
            raise Refused("invalid_payload", "nothing is waited for")
        if envelope["type"] == "slash_commands":
            slack_checks.refuse_response(payload)
            self._look(payload, unfurls=False)
        elif sent["type"] == "view_submission":
            self._react(sent["view"], payload)
        else:
            raise Refused("invalid_payload", f"nobody reads it for {sent['type']}")

    def _react(self, view: Json, payload: Json) -> None:
        """What a submission is answered with (docs.slack.dev/surfaces/modals: response_action)."""
        match payload:
            case {"response_action": "errors", "errors": dict(errors), **rest} if errors and not rest:
                inputs = {block["block_id"] for block in view["blocks"] if block["type"] == "input"}
                if not set(errors) <= inputs or not all(errors.values()):
                    raise Refused("invalid_payload", f"errors of {set(errors) - inputs}")
            case {"response_action": "update", "view": shown, **rest} if not rest:
                checked = self._view(shown, "modal")
                if self.views[view["id"]]["hash"] == view["hash"]:  # else a later update was quicker
                    self.views[view["id"]] = self._whole(view["id"], view["team_id"], checked)
            case {"response_action": "clear", **rest} if not rest:
                self.views.pop(view["id"], None)
            case _:
                raise Refused("invalid_payload", f"{payload!r:.100}")

    def written(self) -> Json:
        """All that stands in the channels, seen or not, and what must not have been done."""
        return {
            "messages": {name: channel.messages for name, channel in self.channels.items()},
            "violations": self.violations,
            "unknown": self.unknown,
            "impatient": self.impatient,
        }

    def stats(self) -> Json:
        """What a bench asks after."""
        return {
            "messages": {name: len(channel.messages) for name, channel in self.channels.items()},
            "latest": [float(channel.messages[-1]["ts"]) for channel in self.channels.values() if channel.messages],
            "ephemeral": sum(map(len, self.ephemeral.values())) + len(self.responses),
            "files": len(self.files),
            "too_fast": self.too_fast,
            "refused": self.refused,
            "requests": Counter(self.requests),
            "violations": self.violations,
            "unknown": self.unknown,
            "impatient": self.impatient,
        }

    # --- What Slack sends ---

    def slash(self, text: str, channel: str = "C1", user: str = "U1", team: str = TEAM) -> Json:
        """A slash command (docs.slack.dev/interactivity/implementing-slash-commands)."""
        known = self.channels.get(channel)
        names = {"im": "directmessage", "groups": "privategroup"}
        return {
            "token": "verification",
            "command": "/digest",
            "text": text,
            "team_id": team,
            "team_domain": "team",
            "channel_id": channel,
            "channel_name": names.get(known.kind, known.shown_name) if known else "unknown",
            "user_id": user,
            "user_name": "somebody",
            "api_app_id": APP,
            "is_enterprise_install": "false",
            "trigger_id": self.trigger(team),
            "response_url": self.response_url(channel, user),
        }

    def event(self, kind: str, team: str = TEAM, **fields: Any) -> Json:
        """An event in its wrapper (docs.slack.dev/apis/events-api: callback field)."""
        allowed = {"team_id": team, "user_id": BOT, "is_bot": True, "enterprise_id": None}
        return {
            "token": "verification",
            "type": "event_callback",
            "team_id": team,
            "api_app_id": APP,
            "event_id": f"Ev{next(self._numbers)}",
            "event_time": int(self._clock()),
            "authorizations": [allowed | {"is_enterprise_install": False}],
            "is_ext_shared_channel": False,
            "event": {"type": kind, "event_ts": self._ts(), **fields},
        }

    def mention(self, text: str, channel: str = "C1", user: str = "U1", thread_ts: str | None = None) -> Json:
        """Somebody mentions the bot, in a message that stands in the channel."""
        thread = {"thread_ts": thread_ts} if thread_ts else {}
        where = self.channels[channel]
        with self._lock:
            kept = self._keep(where, {"text": f"<@{BOT}> {text}", "user": user, **thread})
        said = {"channel": channel, "user": user, "text": kept["text"], "ts": kept["ts"], **thread}
        return self.event("app_mention", where.team, **said)

    def direct(self, text: str, user: str = "U1") -> Json:
        """A direct message to the bot."""
        with self._lock:
            self._conversations_open({"users": user}, TEAM)
        return self.event("message", channel_type="im", channel=f"D{user}", user=user, text=text, ts=self._ts())

    def _interaction(self, kind: str, user: str, team: str = TEAM, **fields: Any) -> Json:
        person = {"id": user, "username": "somebody", "name": "somebody", "team_id": team}
        known = {"type": kind, "team": {"id": team, "domain": "team"}, "user": person, "api_app_id": APP}
        known |= {"token": "verification", "trigger_id": self.trigger(team)}
        return {**known, "is_enterprise_install": False, "enterprise": None, **fields}

    def click(self, channel: str, message: Json, element: Json, user: str = "U1", *, ephemeral: bool = False) -> Json:
        """Somebody presses a button of a message (docs.slack.dev/reference/interaction-payloads/block_actions-payload).

        A message for one person is not told, and `message` may be anything then.
        """
        where = self.channels[channel]
        container = {
            "type": "message",
            "channel_id": channel,
            "message_ts": message.get("ts") or self._ts(),
            "is_ephemeral": ephemeral,
            **({"thread_ts": message["thread_ts"]} if message.get("thread_ts") else {}),
        }
        shown = {} if ephemeral else {"message": _public(message, whole=False)}
        return self._interaction(
            "block_actions",
            user,
            where.team,
            container=container,
            channel={"id": channel, "name": where.shown_name},
            actions=[{**element, "block_id": _block_of(message, element), "action_ts": self._ts()}],
            response_url=self.response_url(channel, user),
            state={"values": {}},
            **shown,
        )

    def home_click(self, block_id: str, element: Json, user: str = "U1") -> Json:
        """Somebody presses a button of their Home."""
        view = self.homes.get(user) or {"id": f"VH{user}", "type": "home", "blocks": []}
        pressed = {**element, "block_id": block_id, "action_ts": self._ts()}
        container = {"type": "view", "view_id": view["id"]}
        return self._interaction("block_actions", user, container=container, view=view, actions=[pressed])

    def submit(self, view_id: str, values: dict[str, Json], user: str = "U1") -> Json:
        """Somebody sends a modal off, with `values` by the block that asked."""
        view = self.views[view_id]
        elements = {block["block_id"]: block["element"] for block in view["blocks"] if block["type"] == "input"}
        state = {}
        for name, element in elements.items():
            value = {"type": element["type"], **values.get(name, {})}
            assert value["type"] == element["type"], f"{name} is a {element['type']}"
            state[name] = {element.get("action_id", "value"): value}
        return self._interaction(
            "view_submission", user, view["team_id"], view={**view, "state": {"values": state}}, response_urls=[]
        )

    def shortcut(self, channel: str, message: Json, callback_id: str, user: str = "U1") -> Json:
        """Somebody uses a message shortcut (docs.slack.dev/reference/interaction-payloads)."""
        where = self.channels[channel]
        return self._interaction(
            "message_action",
            user,
            where.team,
            callback_id=callback_id,
            channel={"id": channel, "name": where.shown_name},
            message=_public(message, whole=False),
            message_ts=message.get("ts"),
            action_ts=self._ts(),
            response_url=self.response_url(channel, user),
        )


# --- Helpers ---------------------------------------------------------------------------------


def _true(value: object) -> bool:
    """A flag, which comes as JSON or in a form."""
    return str(value).lower() in ("1", "true")


def _decoded(body: Json) -> Json:
    """The arguments, those that are JSON within a form as what they mean."""
    try:
        return {n: json.loads(v) if n in _JSON and isinstance(v, str) else v for n, v in body.items()}
    except ValueError:
        raise Refused("invalid_arguments", "no JSON") from None


def _block_of(message: Json, element: Json) -> str:
    """The name of the block that holds an element; Slack names the nameless ones."""
    for number, block in enumerate(message.get("blocks") or ()):
        if element in (*block.get("elements", ()), block.get("accessory")):
            return str(block.get("block_id") or f"b{number}")
    return "b0"


_PUBLIC = ("type", "user", "bot_id", "app_id", "team", "ts", "thread_ts", "text", "blocks", "files")


def _public(message: Json, *, whole: bool) -> Json:
    """A message as Slack tells it; what was sent with it is told to the sender alone, and only if asked for."""
    told = {name: message[name] for name in _PUBLIC if name in message}
    if metadata := message.get("metadata"):
        told["metadata"] = metadata if whole else {"event_type": metadata["event_type"]}
    return told


def _within(message: Json, body: Json) -> bool:
    """Whether a message is one of the time that is asked for; its bounds count where `inclusive` is set."""
    at, inclusive = Decimal(message["ts"]), _true(body.get("inclusive"))
    for name, side in (("oldest", 1), ("latest", -1)):
        if body.get(name):
            try:
                beyond = (at - Decimal(str(body[name]))) * side
            except InvalidOperation:
                raise Refused(f"invalid_ts_{name}") from None
            if beyond < 0 or (beyond == 0 and not inclusive):
                return False
    return True


def _page(found: list[Json], body: Json, default: int, most: int) -> tuple[list[Json], str]:
    """A page, and the cursor of the next one: a text that means nothing to who gets it."""
    try:
        size = int(body.get("limit") or default)
        start = int(base64.b64decode(body["cursor"], validate=True).removeprefix(b"next:")) if body.get("cursor") else 0
    except ValueError:
        raise Refused("invalid_cursor" if str(body.get("limit", "0")).isdigit() else "invalid_limit") from None
    if not 1 <= size <= 999:
        raise Refused("invalid_limit")
    end = start + min(size, most)
    return found[start:end], base64.b64encode(b"next:%d" % end).decode() if len(found) > end else ""


# --- Socket Mode -----------------------------------------------------------------------------


class Sockets:
    """Socket Mode's side of Slack (docs.slack.dev/apis/events-api/using-socket-mode).

    `check` looks at each acknowledgement, by the envelope and the payload.
    """

    def __init__(self, check: Callable[[Json, Any], None], violations: list[str]) -> None:
        self.acks: dict[str, Ack] = {}
        self._violations = violations
        self._check = check
        self._tickets: set[str] = set()
        self._numbers = itertools.count(1)
        self._links: set[ServerConnection] = set()
        self._open: list[ServerConnection] = []
        self._sent: dict[str, tuple[Json, float]] = {}
        self._changed = threading.Condition()
        self._server = serve(
            self._connected, "127.0.0.1", 0, process_request=self._admit, compression=None, close_timeout=0.2
        )
        self._port = self._server.socket.getsockname()[1]
        self._serving = serving.serving(self._server)

    def ticket(self) -> str:
        """An address for one connection."""
        with self._changed:
            name = str(next(self._numbers))
            self._tickets.add(name)
        return f"ws://127.0.0.1:{self._port}/link?ticket={name}"

    @property
    def connections(self) -> int:
        """How many are open."""
        with self._changed:
            return len(self._open)

    def _admit(self, link: ServerConnection, request: Request) -> Response | None:
        name = parse_qs(urlsplit(request.path).query).get("ticket", [""])[0]
        with self._changed:
            if name not in self._tickets:
                return link.respond(403, "no such ticket")
            self._tickets.discard(name)
        return None

    def _connected(self, link: ServerConnection) -> None:
        try:
            with self._changed:
                self._links.add(link)
                count = len(self._links)
            if count > limits.SOCKETS.slack:
                link.send(json.dumps({"type": "disconnect", "reason": "too_many_websockets"}))
                return
            told = {"num_connections": count, "connection_info": {"app_id": APP}}
            told |= {"debug_info": {"host": "applink-1", "approximate_connection_time": 18_060}}
            link.send(json.dumps({"type": "hello", **told}))
            with self._changed:
                self._open.append(link)
                self._changed.notify_all()
            for said in link:
                self._acknowledged(json.loads(said))
        except (ConnectionClosed, OSError):
            pass
        finally:
            self._forget(link)
            with self._changed:
                self._links.discard(link)

    def _forget(self, link: ServerConnection) -> None:
        with self._changed:
            if link in self._open:
                self._open.remove(link)

    def _acknowledged(self, said: Json) -> None:
        with self._changed:
            if said.get("envelope_id") not in self._sent:
                self._violations.append(f"acknowledgement of nothing: {said!r:.100}")
                return
            envelope, at = self._sent[said["envelope_id"]]
        ack = Ack(said.get("payload"), time.monotonic() - at)
        self._check(envelope, ack.payload)
        with self._changed:
            self.acks[said["envelope_id"]] = ack
            self._changed.notify_all()

    def envelope(self, kind: str, payload: Json, retry: int = 0) -> Json:
        """What comes over the socket: `slash_commands`, `events_api` or `interactive`."""
        retried = {"retry_attempt": retry, "retry_reason": "timeout" if retry else ""} if kind == "events_api" else {}
        accepts = kind != "events_api"
        name = f"e{next(self._numbers)}"
        return {"envelope_id": name, "type": kind, "accepts_response_payload": accepts, "payload": payload, **retried}

    def send_nowait(self, envelope: Json, timeout: float = 5.0) -> None:
        """Send an envelope on the newest connection, waiting for one to be open."""
        until = time.monotonic() + timeout
        while True:
            with self._changed:
                assert self._changed.wait_for(lambda: self._open, until - time.monotonic()), "nobody is connected"
                link = self._open[-1]
                self._sent[envelope["envelope_id"]] = (envelope, time.monotonic())
            try:
                link.send(json.dumps(envelope))
                return
            except (ConnectionClosed, OSError):
                self._forget(link)

    def send(self, envelope: Json, timeout: float = 3.0) -> Ack | None:
        """Send an envelope; what it was acknowledged with, or None where it was not in time."""
        self.acks.pop(envelope["envelope_id"], None)
        self.send_nowait(envelope)
        with self._changed:
            self._changed.wait_for(lambda: envelope["envelope_id"] in self.acks, timeout)
            return self.acks.get(envelope["envelope_id"])

    def wait_connected(self, timeout: float = 10.0) -> None:
        """Wait for a connection."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._open, timeout), "nobody connects"

    def cut(self) -> None:
        """End every connection without a word."""
        with self._changed:
            self._open.clear()
            for link in self._links:
                with suppress(OSError):  # which has ended already
                    link.socket.shutdown(socket.SHUT_RDWR)  # closing alone would wait for the thread that reads

    def refresh(self) -> None:
        """Ask for new connections, as Slack does every few hours; on the old ones nothing is sent any more."""
        with self._changed:
            old, self._open = self._open, []
        for link in old:
            link.send(json.dumps({"type": "disconnect", "reason": "refresh_requested", "debug_info": {}}))

    def close(self) -> None:
        """End the server."""
        serving.end(self._server, self._serving)
        self.cut()


def signed(body: bytes, secret: str, timestamp: float) -> dict[str, str]:
    """The headers of a request of Slack's (docs.slack.dev/authentication/verifying-requests-from-slack)."""
    base = b"v0:" + str(int(timestamp)).encode() + b":" + body
    signature = hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": str(int(timestamp)), "X-Slack-Signature": f"v0={signature}"}


class Time:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now = 1_000.0
        self.slept = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def faster(begun: float, speed: float) -> Callable[[], float]:
    """A clock that shows seconds since 1970, and from `begun` on runs faster."""
    return lambda: begun + (time.time() - begun) * speed


def main() -> None:
    """Serve by the real clock until standard input ends; the address is printed first."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--hidden", type=float, default=0)
    parser.add_argument("--throttle", action="store_true")
    parser.add_argument("--channels", default="C1")
    parser.add_argument("--workspaces", type=int, default=1, help="which have the channels by turns: T1, T2, …")
    parser.add_argument("--begun", type=float, default=time.time(), help="seconds since 1970 from which on time runs")
    parser.add_argument("--speed", type=float, default=1, help="how much faster than it does")
    parser.add_argument("--faults", type=int, default=-1, help="seed of what goes wrong by chance; -1: nothing does")
    given = parser.parse_args()
    channels, clock = given.channels.split(","), faster(given.begun, given.speed)
    chaos = random.Random(given.faults) if given.faults >= 0 else None
    known = {"hidden": given.hidden, "throttle": given.throttle, "port": given.port}
    with SlackServer(clock, channels=channels, chaos=chaos, **known) as server:
        for number in range(1, given.workspaces) if given.workspaces > 1 else ():
            server.add_workspace(f"T{number + 1}", f"{TOKEN}-T{number + 1}", channels[number :: given.workspaces])
        print(server.root, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
