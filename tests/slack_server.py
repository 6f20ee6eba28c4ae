"""A Slack that enforces its documented limits over real sockets, keeps what it took, and fails loudly at the rest.

The Web API over HTTP, Socket Mode over a WebSocket, response URLs. Errors are those of docs.slack.dev's pages of the
methods; what a message or a view may hold is `slack_checks`'. `python tests/slack_server.py` serves by itself.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import itertools
import json
import math
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import slack_checks
from slack_checks import Refused, check_message
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from adapters.chats.slack import limits

__all__ = ["Refused", "check_message"]

TOKEN, APP_TOKEN = "xoxb-test", "xapp-test"
TEAM, BOT, BOT_ID, APP = "T1", "U0BOT", "B0BOT", "A0APP"
CLIENT_ID, CLIENT_SECRET = "111.222", "client-secret"
# How an answer can go wrong: each is used up by one request.
DROPPED, LOST, BUSY, BROKEN, INTERNAL = "dropped after accepting", "dropped before", "429", "500", "internal_error"

Json = dict[str, Any]

# Each method's scope and arguments (docs.slack.dev/reference/methods). None: no scope; `*` is the channel's kind.
_PAGE = "cursor limit"
METHODS: dict[str, tuple[str | None, str]] = {
    "auth.test": (None, ""),
    "chat.postMessage": ("chat:write", "channel text blocks metadata unfurl_links unfurl_media thread_ts"),
    "chat.postEphemeral": ("chat:write", "channel user text blocks thread_ts"),
    "conversations.history": ("*:history", f"channel oldest latest inclusive include_all_metadata {_PAGE}"),
    "conversations.replies": ("*:history", f"channel ts oldest latest inclusive include_all_metadata {_PAGE}"),
    "conversations.info": ("*:read", "channel"),
    "conversations.open": ("im:write", "users"),
    "users.info": ("users:read", "user include_locale"),
    "users.conversations": ("channels:read", f"user types exclude_archived {_PAGE}"),
    "views.open": (None, "trigger_id view"),
    "views.update": (None, "view_id view hash"),
    "views.publish": (None, "user_id view hash"),
    "files.getUploadURLExternal": ("files:write", "filename length alt_txt snippet_type"),
    "files.completeUploadExternal": ("files:write", "files channel_id thread_ts initial_comment"),
    "apps.connections.open": (None, ""),
    "oauth.v2.access": (None, "client_id client_secret code redirect_uri grant_type refresh_token"),
    "blocks.validate": (None, "message blocks view"),
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
# Calls a minute of a method in a workspace (docs.slack.dev/apis/web-api/rate-limits, and each method's page).
_TIERS = {
    **dict.fromkeys(
        ("conversations.history", "conversations.replies", "conversations.info", "users.conversations"), 50
    ),
    **dict.fromkeys(("views.open", "views.update", "views.publish", "users.info", "chat.postEphemeral"), 100),
}


class Ack(NamedTuple):
    """What the bot answered an envelope with, and after how many seconds."""

    payload: Any
    seconds: float


@dataclass
class Channel:
    """A channel and who is in it."""

    team: str
    name: str
    members: set[str] = field(default_factory=lambda: {"U1", BOT})
    private: bool = False
    archived: bool = False
    messages: list[Json] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """What its scopes begin with."""
        return "im" if self.name.startswith("D") else "groups" if self.private else "channels"


class SlackServer:
    """Workspaces, channels and what stands in them.

    `clock` (seconds) decides who comes too fast and what has expired; `hidden` seconds keep a message unseen;
    `throttle` refuses what comes too fast instead of counting it.
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
    ) -> None:
        self.channels: dict[str, Channel] = {}
        self.tokens: dict[str, str] = {}
        self.scopes: dict[str, set[str]] = {}
        self.add_workspace(TEAM, TOKEN, (*channels, *private))
        for name in private:
            self.channels[name].private = True
        self.users: dict[str, Json] = {"U1": {"tz": "Asia/Shanghai", "locale": "zh-CN"}}
        self.ephemeral: dict[str, list[Json]] = defaultdict(list)
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
        self.too_fast = 0
        self.hidden = hidden
        self._clock = clock
        self._throttle = throttle
        self._revoked: set[str] = set()
        self._faults: dict[str, list[str]] = defaultdict(list)
        self._last: dict[str, float] = defaultdict(lambda: float("-inf"))
        self._calls: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._pauses: dict[tuple[str, str | None], float] = {}
        self._told: set[tuple[str, str | None]] = set()
        self._uploads: dict[str, bytes] = {}
        self._triggers: dict[str, float | None] = {}
        self._urls: dict[str, tuple[str, str, float, int]] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self.root = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.url = f"{self.root}/api/"
        self.socket = Sockets()

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
        """What stands in each channel, seen or not."""
        return {name: channel.messages for name, channel in self.channels.items()}

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
        """What stands in a thread, or at the top of a channel."""
        return [m for m in self.channels[channel].messages if m.get("thread_ts") == ts]

    def trigger(self) -> str:
        """A trigger that opens one view, for three seconds."""
        with self._lock:
            name = f"{next(self._numbers)}.{TEAM}.trigger"
            self._triggers[name] = self._clock()
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
        scope, arguments = METHODS[method]
        if extra := set(body) - set(arguments.split()) - {"token"}:
            self.violations.append(f"{method}: unknown arguments {sorted(extra)}")
            raise Refused("invalid_arguments", str(sorted(extra)))
        team = "" if method in _OPEN else self._authorised(str(body.get("token")), scope, body)
        if error := self.errors.get(method):
            raise Refused(error)
        handler: Callable[[Json, str], Json] = getattr(self, "_" + method.replace(".", "_"))
        return handler(body, team)

    def _authorised(self, token: str, scope: str | None, body: Json) -> str:
        if token in self._revoked:
            raise Refused("token_revoked")
        if token not in self.tokens:
            raise Refused("invalid_auth")
        channel = self.channels.get(str(body.get("channel")))
        needed = scope.replace("*", channel.kind if channel else "channels") if scope else None
        if needed and needed not in self.scopes[token]:
            raise Refused("missing_scope", needed, needed=needed, provided=",".join(sorted(self.scopes[token])))
        return self.tokens[token]

    def _channel(self, name: object, team: str) -> Channel:
        channel = self.channels.get(str(name))
        if channel is None or channel.team != team:
            raise Refused("channel_not_found")
        return channel

    def _writable(self, name: object, team: str) -> Channel:
        channel = self._channel(name, team)
        if BOT not in channel.members:
            raise Refused("channel_not_found" if channel.private else "not_in_channel")
        if channel.archived:
            raise Refused("is_archived")
        return channel

    def _auth_test(self, body: Json, team: str) -> Json:
        scopes = ",".join(sorted(self.scopes[str(body["token"])]))
        known = {"team_id": team, "team": f"Team {team}", "user_id": BOT, "user": "commit-digest", "bot_id": BOT_ID}
        return known | {"url": "https://team.slack.test/", "_headers": {"x-oauth-scopes": scopes}}

    def _chat_postMessage(self, body: Json, team: str) -> Json:
        channel = self._writable(body.get("channel"), team)
        self._look(body, unfurls=True)
        slack_checks.refuse_message(body)
        top = {m["ts"] for m in channel.messages if not m.get("thread_ts")}
        if body.get("thread_ts") and body["thread_ts"] not in top:
            raise Refused("thread_not_found")
        known = {name: value for name, value in body.items() if name != "token"}
        kept = {**known, "ts": self._ts(), "type": "message", "bot_id": BOT_ID, "app_id": APP, "user": BOT}
        kept["_at"] = self._clock()
        channel.messages.append(kept)
        return {"channel": channel.name, "ts": kept["ts"], "message": {"text": body["text"]}}

    def _chat_postEphemeral(self, body: Json, team: str) -> Json:
        channel = self._writable(body.get("channel"), team)
        if body.get("user") not in channel.members:
            raise Refused("user_not_in_channel")
        self._look(body, unfurls=False)
        slack_checks.refuse_message(body)
        self.ephemeral[channel.name].append(body)
        return {"message_ts": self._ts()}

    def _ts(self) -> str:
        return f"{self._clock():.0f}.{next(self._numbers):06}"

    def _look(self, body: Json, *, unfurls: bool) -> None:
        """Write down what Slack takes and our bot must never write."""
        self.violations += slack_checks.unwanted(body, unfurls=unfurls)

    def _conversations_history(self, body: Json, team: str) -> Json:
        found = [m for m in self._visible(body, team) if not m.get("thread_ts")]
        return self._page(list(reversed(found)), body)

    def _conversations_replies(self, body: Json, team: str) -> Json:
        visible = self._visible(body | {"oldest": "0"}, team)
        parents = [m for m in visible if m["ts"] == body.get("ts")]
        if not parents:
            raise Refused("thread_not_found")
        since = float(body.get("oldest") or 0)
        replies = [m for m in visible if m.get("thread_ts") == body["ts"] and float(m["ts"]) >= since]
        return self._page([*parents, *replies], body)

    def _visible(self, body: Json, team: str) -> list[Json]:
        channel = self._channel(body.get("channel"), team)
        if BOT not in channel.members:
            raise Refused("not_in_channel")
        now, since = self._clock(), float(body.get("oldest") or 0)
        return [m for m in channel.messages if now - m["_at"] >= self.hidden and float(m["ts"]) >= since]

    @staticmethod
    def _page(found: list[Json], body: Json) -> Json:
        start, size = int(body.get("cursor") or 0), min(int(body.get("limit") or 15), limits.HISTORY.slack)
        shown, more = found[start : start + size], len(found) > start + size
        whole = str(body.get("include_all_metadata")).lower() in ("1", "true")
        told = [{k: v for k, v in m.items() if k != "_at" and (whole or k != "metadata")} for m in shown]
        return {
            "messages": told,
            "has_more": more,
            "response_metadata": {"next_cursor": str(start + size) if more else ""},
        }

    def _conversations_info(self, body: Json, team: str) -> Json:
        channel = self._channel(body.get("channel"), team)
        if channel.private and BOT not in channel.members:
            raise Refused("channel_not_found")
        return {"channel": self._shown(channel)}

    @staticmethod
    def _shown(channel: Channel) -> Json:
        known = {"id": channel.name, "name": f"name-{channel.name.lower()}", "is_private": channel.private}
        return known | {
            "is_member": BOT in channel.members,
            "is_archived": channel.archived,
            "is_im": channel.kind == "im",
        }

    def _conversations_open(self, body: Json, team: str) -> Json:
        user = str(body.get("users"))
        if user not in self.users and not any(user in c.members for c in self.channels.values()):
            raise Refused("user_not_found")
        name = f"D{user}"
        if name not in self.channels:
            self.add_channel(name, team, members=(user,))
        return {"channel": {"id": name}}

    def _users_info(self, body: Json, _: str) -> Json:
        if body.get("user") not in self.users:
            raise Refused("user_not_found")
        return {"user": {"id": body["user"], **self.users[body["user"]]}}

    def _users_conversations(self, body: Json, team: str) -> Json:
        kinds = {"public_channel": "channels", "private_channel": "groups", "im": "im"}
        wanted = {kinds[kind] for kind in str(body.get("types") or "public_channel").split(",")}
        found = [
            self._shown(c)
            for c in self.channels.values()
            if c.team == team
            and body.get("user") in c.members
            and c.kind in wanted
            and (not c.private or BOT in c.members)
        ]
        start, size = int(body.get("cursor") or 0), min(int(body.get("limit") or 100), 1_000)
        more = len(found) > start + size
        return {
            "channels": found[start : start + size],
            "response_metadata": {"next_cursor": str(start + size) if more else ""},
        }

    def _views_open(self, body: Json, _: str) -> Json:
        name = body.get("trigger_id")
        if name not in self._triggers:
            raise Refused("invalid_trigger_id")
        made = self._triggers[name]
        if made is None:
            raise Refused("exchanged_trigger_id")
        if self._clock() - made > limits.TRIGGER_SECONDS.slack:
            raise Refused("expired_trigger_id")
        view = self._view(body, "modal")
        self._triggers[name] = None
        return {"view": self._keep_view(f"V{next(self._numbers)}", view)}

    def _views_update(self, body: Json, _: str) -> Json:
        if body.get("view_id") not in self.views:
            raise Refused("not_found")
        return {"view": self._keep_view(str(body["view_id"]), self._view(body, "modal"))}

    def _views_publish(self, body: Json, _: str) -> Json:
        self.homes[str(body["user_id"])] = self._view(body, "home")
        return {"view": {"id": f"VH{body['user_id']}"}}

    def _view(self, body: Json, kind: str) -> Json:
        view: Json = json.loads(body["view"]) if isinstance(body.get("view"), str) else body["view"]
        self._look({"blocks": view.get("blocks")}, unfurls=False)
        slack_checks.refuse_view(view, kind)
        return view

    def _keep_view(self, name: str, view: Json) -> Json:
        self.views[name] = {**view, "id": name, "hash": f"{next(self._numbers)}.hash"}
        return {"id": name, "hash": self.views[name]["hash"]}

    def _files_getUploadURLExternal(self, body: Json, _: str) -> Json:
        if not body.get("filename") or int(body.get("length", 0)) < 1:
            raise Refused("invalid_arguments")
        number = f"F{len(self._uploads)}"
        self._uploads[number] = b""
        return {"upload_url": f"{self.root}/upload/{number}", "file_id": number}

    def _files_completeUploadExternal(self, body: Json, team: str) -> Json:
        channel = self._writable(body.get("channel_id"), team)
        files = json.loads(body["files"]) if isinstance(body["files"], str) else body["files"]
        for file in files:
            content = self._uploads[file["id"]]
            if not content:
                raise Refused("file_not_found")
            named = {"channel": channel.name, "thread_ts": body.get("thread_ts"), "name": file["title"]}
            self.files.append(named | {"content": content.decode()})
        return {"files": files}

    def _apps_connections_open(self, body: Json, _: str) -> Json:
        if body.get("token") != APP_TOKEN:
            raise Refused("not_allowed_token_type" if str(body.get("token")).startswith("xoxb") else "invalid_auth")
        if error := self.errors.get("apps.connections.open"):
            raise Refused(error)
        return {"url": self.socket.ticket()}

    def _oauth_v2_access(self, body: Json, _: str) -> Json:
        if (body.get("client_id"), body.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            raise Refused("bad_client_secret")
        team = self.codes.pop(str(body.get("code")), "")
        if not team:
            raise Refused("invalid_code")
        token = next(t for t, named in self.tokens.items() if named == team)
        return {
            "app_id": APP,
            "authed_user": {"id": "U1"},
            "scope": ",".join(sorted(SCOPES)),
            "token_type": "bot",
            "access_token": token,
            "bot_user_id": BOT,
            "team": {"id": team, "name": f"Team {team}"},
            "enterprise": None,
            "is_enterprise_install": False,
        }

    def _blocks_validate(self, body: Json, _: str) -> Json:
        message = (
            json.loads(body["message"]) if "message" in body else {"text": " ", "blocks": json.loads(body["blocks"])}
        )
        slack_checks.refuse_message(message)
        return {}

    # --- Rates ---

    def _too_soon(self, method: str, body: Json) -> int:
        """The seconds of a Retry-After; 0 where the call may go on."""
        now, channel = self._clock(), str(body.get("channel")) if body.get("channel") else None
        for gate in ((method, channel), (method, None)):
            if (until := self._pauses.get(gate, 0)) > now:
                if gate in self._told:
                    self.impatient.append(f"{method} {channel}: {until - now:.1f} s too early")
                self._told.add(gate)
                return math.ceil(until - now)
            self._told.discard(gate)
        if method == "chat.postMessage" and channel in self.channels:
            fast = now - self._last[channel] < limits.PACE - 1e-6
            self.too_fast += fast
            if fast and self._throttle:
                return 1
            self._last[channel] = now
        if not self._throttle or method not in _TIERS:
            return 0
        calls = self._calls[method, self.tokens.get(str(body.get("token")), "")]
        calls[:] = [at for at in calls if now - at < 60]
        if len(calls) >= _TIERS[method]:
            return math.ceil(60 - (now - calls[0]))
        calls.append(now)
        return 0

    # --- HTTP ---

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                self.do_POST()

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = urlsplit(self.path)
                kind, _, name = parts.path.strip("/").partition("/")
                with server._lock:
                    if kind == "upload":
                        server._uploads[name] = raw
                        self._say(200, b"OK")
                    elif kind == "respond":
                        self._say(*server._respond(name, json.loads(raw)))
                    elif kind == "_":
                        self._say(200, json.dumps(server.stats()).encode())
                    else:
                        self._answer(name, server._body(self.headers, raw, parts.query))

            def _answer(self, method: str, body: Json) -> None:
                server.requests.append(method)
                fault = server._faults[method].pop(0) if server._faults[method] else ""
                if fault == LOST:
                    self.close_connection = True
                    return
                if fault in (BUSY, BROKEN):
                    status, error = (429, "ratelimited") if fault == BUSY else (500, "service_unavailable")
                    self._say(status, json.dumps({"ok": False, "error": error}).encode(), {"Retry-After": "7"})
                    return
                if wait := server._too_soon(method, body):
                    said = json.dumps({"ok": False, "error": "ratelimited"}).encode()
                    self._say(429, said, {"Retry-After": str(wait)})
                    return
                try:
                    answer: Json = {"ok": True, **server.answer(method, body)}
                except Refused as refused:
                    answer = {"ok": False, "error": refused.error, **refused.more}
                    if refused.why:
                        answer["response_metadata"] = {"messages": [refused.why]}
                headers = answer.pop("_headers", {})
                if fault == DROPPED:
                    self.close_connection = True
                    return
                if fault == INTERNAL:
                    answer = {"ok": False, "error": "internal_error"}
                self._say(200, json.dumps(answer).encode(), headers)

            def _say(self, status: int, said: bytes, headers: dict[str, str] | None = None) -> None:
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

        return Handler

    @staticmethod
    def _body(headers: Any, raw: bytes, query: str) -> Json:
        kind = headers.get("Content-Type", "")
        if kind.startswith("application/json"):
            body = json.loads(raw or b"{}")
        else:
            body = {name: values[0] for name, values in parse_qs(raw.decode() or query).items()}
        if (given := headers.get("Authorization", "")).startswith("Bearer "):
            body.setdefault("token", given.removeprefix("Bearer "))
        elif given.startswith("Basic "):
            name, _, secret = base64.b64decode(given.removeprefix("Basic ")).decode().partition(":")
            body |= {"client_id": name, "client_secret": secret}
        return body

    def _respond(self, name: str, body: Json) -> tuple[int, bytes]:
        channel, user, made, uses = self._urls.get(name, ("", "", 0.0, 0))
        if not channel or self._clock() - made > limits.RESPONSE_SECONDS.slack:
            return 404, b"expired_url"
        if uses >= limits.RESPONSE_USES.slack:
            return 404, b"used_url"
        self._urls[name] = (channel, user, made, uses + 1)
        self._look(body, unfurls=False)
        try:
            slack_checks.refuse_response(body)
        except Refused as refused:
            self.violations.append(f"response: {refused}")
            return 400, str(refused).encode()
        self.responses.append((channel, user, body))
        return 200, b"ok"

    def stats(self) -> Json:
        """What a bench asks after."""
        return {
            "messages": {name: len(channel.messages) for name, channel in self.channels.items()},
            "ephemeral": sum(map(len, self.ephemeral.values())) + len(self.responses),
            "too_fast": self.too_fast,
            "requests": Counter(self.requests),
            "violations": self.violations,
        }

    # --- What Slack sends ---

    def slash(self, text: str, channel: str = "C1", user: str = "U1", team: str = TEAM) -> Json:
        """A slash command."""
        return {
            "command": "/digest",
            "text": text,
            "team_id": team,
            "team_domain": "team",
            "channel_id": channel,
            "channel_name": "general",
            "user_id": user,
            "user_name": "somebody",
            "api_app_id": APP,
            "is_enterprise_install": "false",
            "trigger_id": self.trigger(),
            "response_url": self.response_url(channel, user),
        }

    def event(self, kind: str, team: str = TEAM, **fields: Any) -> Json:
        """An event in its wrapper."""
        return {
            "type": "event_callback",
            "team_id": team,
            "api_app_id": APP,
            "event_id": f"Ev{next(self._numbers)}",
            "event_time": int(self._clock()),
            "authorizations": [{"team_id": team, "user_id": BOT, "is_bot": True, "enterprise_id": None}],
            "event": {"type": kind, "event_ts": self._ts(), **fields},
        }

    def mention(self, text: str, channel: str = "C1", user: str = "U1", thread_ts: str | None = None) -> Json:
        """Somebody mentions the bot, in a message that stands in the channel."""
        ts = self._ts()
        said = f"<@{BOT}> {text}"
        kept = {"ts": ts, "text": said, "user": user, "_at": self._clock()} | (
            {"thread_ts": thread_ts} if thread_ts else {}
        )
        self.channels[channel].messages.append(kept)
        thread = {"thread_ts": thread_ts} if thread_ts else {}
        return self.event("app_mention", channel=channel, user=user, text=said, ts=ts, **thread)

    def direct(self, text: str, user: str = "U1") -> Json:
        """A direct message to the bot."""
        self._conversations_open({"users": user}, TEAM)
        return self.event("message", channel_type="im", channel=f"D{user}", user=user, text=text, ts=self._ts())

    def _interaction(self, kind: str, user: str, **fields: Any) -> Json:
        person = {"id": user, "username": "somebody", "team_id": TEAM}
        known = {"type": kind, "team": {"id": TEAM, "domain": "team"}, "user": person, "api_app_id": APP}
        return {**known, "trigger_id": self.trigger(), "is_enterprise_install": False, "enterprise": None, **fields}

    def click(self, channel: str, message: Json, element: Json, user: str = "U1", *, ephemeral: bool = False) -> Json:
        """Somebody presses a button of a message."""
        pressed = {**element, "block_id": "b1", "action_ts": self._ts()}
        container = {
            "type": "message",
            "channel_id": channel,
            "message_ts": message.get("ts"),
            "is_ephemeral": ephemeral,
        }
        shown = {} if ephemeral else {"message": message}
        return self._interaction(
            "block_actions",
            user,
            container=container,
            channel={"id": channel, "name": "general"},
            actions=[pressed],
            response_url=self.response_url(channel, user),
            **shown,
        )

    def home_click(self, block_id: str, element: Json, user: str = "U1") -> Json:
        """Somebody presses a button of their Home."""
        view = {"id": f"VH{user}", "type": "home", "blocks": []}
        pressed = {**element, "block_id": block_id, "action_ts": self._ts()}
        container = {"type": "view", "view_id": view["id"]}
        return self._interaction("block_actions", user, container=container, view=view, actions=[pressed])

    def submit(self, view_id: str, values: dict[str, Json], user: str = "U1") -> Json:
        """Somebody sends a modal off."""
        state = {name: {"value": value} for name, value in values.items()}
        return self._interaction(
            "view_submission", user, view={**self.views[view_id], "state": {"values": state}}, response_urls=[]
        )

    def shortcut(self, channel: str, message: Json, callback_id: str, user: str = "U1") -> Json:
        """Somebody uses a message shortcut."""
        return self._interaction(
            "message_action",
            user,
            callback_id=callback_id,
            channel={"id": channel, "name": "general"},
            message=message,
            message_ts=message.get("ts"),
            response_url=self.response_url(channel, user),
        )


class Sockets:
    """Socket Mode's side of Slack (docs.slack.dev/apis/events-api/using-socket-mode)."""

    def __init__(self) -> None:
        self.acks: dict[str, Ack] = {}
        self._tickets: set[str] = set()
        self._numbers = itertools.count(1)
        self._open: list[ServerConnection] = []
        self._sent: dict[str, float] = {}
        self._changed = threading.Condition()
        self._server = serve(self._connected, "127.0.0.1", 0, close_timeout=0.2)
        self._port = self._server.socket.getsockname()[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def ticket(self) -> str:
        """An address for one connection."""
        name = str(next(self._numbers))
        self._tickets.add(name)
        return f"ws://127.0.0.1:{self._port}/link?ticket={name}"

    @property
    def connections(self) -> int:
        """How many are open."""
        with self._changed:
            return len(self._open)

    def _connected(self, link: ServerConnection) -> None:
        name = parse_qs(urlsplit(link.request.path).query).get("ticket", [""])[0]  # type: ignore[union-attr]
        with self._changed:
            if name not in self._tickets or len(self._open) >= limits.SOCKETS.slack:
                return
            self._tickets.discard(name)
            hello = {"type": "hello", "num_connections": len(self._open) + 1, "connection_info": {"app_id": APP}}
            link.send(json.dumps(hello))
            self._open.append(link)
            self._changed.notify_all()
        try:
            for said in link:
                self._acknowledged(json.loads(said))
        except (ConnectionClosed, OSError):
            pass
        finally:
            with self._changed:
                if link in self._open:
                    self._open.remove(link)

    def _acknowledged(self, said: Json) -> None:
        with self._changed:
            name = said["envelope_id"]
            self.acks[name] = Ack(said.get("payload"), time.monotonic() - self._sent[name])
            self._changed.notify_all()

    def envelope(self, kind: str, payload: Json, retry: int = 0) -> Json:
        """What comes over the socket: `slash_commands`, `events_api` or `interactive`."""
        retried = {"retry_attempt": retry, "retry_reason": "timeout"} if kind == "events_api" else {}
        accepts = kind != "events_api"
        name = f"e{next(self._numbers)}"
        return {"envelope_id": name, "type": kind, "accepts_response_payload": accepts, "payload": payload, **retried}

    def send_nowait(self, envelope: Json, timeout: float = 5.0) -> None:
        """Send an envelope on the newest connection, waiting for one to be open."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._open, timeout), "nobody is connected"
            self._sent[envelope["envelope_id"]] = time.monotonic()
            self._open[-1].send(json.dumps(envelope))

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
            for link in self._open:
                link.socket.close()
            self._open.clear()

    def refresh(self) -> None:
        """Ask for a new connection, as Slack does every few hours."""
        with self._changed:
            self._open.pop().send(json.dumps({"type": "disconnect", "reason": "refresh_requested"}))

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self.cut()


def signed(body: bytes, secret: str, timestamp: float) -> dict[str, str]:
    """The headers of a request of Slack's (docs.slack.dev/authentication/verifying-requests-from-slack)."""
    base = b"v0:" + str(int(timestamp)).encode() + b":" + body
    signature = hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": str(int(timestamp)), "X-Slack-Signature": f"v0={signature}"}


def main() -> None:
    """Serve by the real clock until standard input ends; the address is printed first."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--hidden", type=float, default=0)
    parser.add_argument("--throttle", action="store_true")
    parser.add_argument("--channels", default="C1")
    given = parser.parse_args()
    channels = given.channels.split(",")
    with SlackServer(
        time.time, channels=channels, hidden=given.hidden, throttle=given.throttle, port=given.port
    ) as server:
        print(server.root, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
