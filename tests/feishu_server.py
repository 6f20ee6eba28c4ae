"""A Feishu that enforces its documented limits over real sockets, keeps what it took, and fails loudly at the rest.

The Open API over HTTP, the persistent connection over a WebSocket, webhooks of custom bots. Codes are those of the
pages of the methods on open.feishu.cn/document; what a card may hold is `feishu_checks`'. What Feishu takes but our
bot must not do stands in `violations` and `unknown`, which a test asserts to be empty. `python
tests/feishu_server.py` serves alone.
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
import re
import secrets
import socket
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import feishu_checks
import feishu_limits as limits
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from feishu_checks import Refused
from serving import Handler, HttpServer, end, lateness, serving
from slack_server import Time, faster
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from adapters.chats.feishu.sdk import sdk

__all__ = ["Time"]

APP_ID, APP_SECRET, TENANT = "cli_test", "app-secret", "tenant_1"
BOT, BOT_NAME, USER = "ou_bot", "Commit Digest", "ou_1"
VERIFICATION = "verification-token"
# How an answer can go wrong: each is used up by one request. What is dropped, broken inside or being sent was accepted.
DROPPED, LOST, BUSY, BROKEN = "dropped after accepting", "dropped before", "429", "502"
INTERNAL, BEING_SENT, SENSITIVE = "2200", "230049", "230022"
ODD, BAD_CARD, MERGED = "JSON that is no object", "230099", "230072"

CHAOTIC = ("/messages", "/reply")
RETRIES = (15.0, 300.0, 3_600.0, 21_600.0)
"""After how many seconds an event is pushed again (open.feishu.cn/document: event-subscription-guide)."""

Json = dict[str, Any]
Answer = tuple[int, bytes, dict[str, str]]


class Endpoint(NamedTuple):
    """A method of the Open API: any one of its scopes is needed. Names that are not here our bot has no use for."""

    name: str
    method: str
    path: str
    scopes: str = ""
    query: str = ""
    needed: str = ""
    optional: str = ""


_IM = "/open-apis/im/v1"
_SLASH = "/open-apis/application/v7/app_slash_commands"
_SEND = "im:message im:message:send_as_bot"
_READ = "im:message im:message:readonly im:message.history:readonly"
_PAGE = "start_time end_time sort_type page_size page_token card_msg_content_type only_thread_root_messages"
ENDPOINTS = (
    Endpoint("/token", "POST", "/open-apis/auth/v3/tenant_access_token/internal", needed="app_id app_secret"),
    Endpoint("/messages", "POST", f"{_IM}/messages", _SEND, "receive_id_type", "receive_id msg_type content", "uuid"),
    Endpoint("/reply", "POST", f"{_IM}/messages/:id/reply", _SEND, "", "msg_type content", "uuid reply_in_thread"),
    Endpoint("/patch", "PATCH", f"{_IM}/messages/:id", f"{_SEND} im:message:update", "", "content"),
    Endpoint("/recall", "DELETE", f"{_IM}/messages/:id", f"{_SEND} im:message:recall"),
    Endpoint("/private", "POST", "/open-apis/ephemeral/v1/send", _SEND, "", "chat_id msg_type card open_id"),
    Endpoint("/private_end", "POST", "/open-apis/ephemeral/v1/delete", f"{_SEND} im:message:update", "", "message_id"),
    Endpoint("/slash", "GET", _SLASH, "application:app_slash_command:read"),
    Endpoint("/slash_new", "POST", _SLASH, "application:app_slash_command:write", "", "command description", "icon"),
    Endpoint("/slash_set", "PATCH", f"{_SLASH}/:id", "application:app_slash_command:write", "", "description", "icon"),
    Endpoint("/list", "GET", f"{_IM}/messages", _READ, f"container_id_type container_id {_PAGE}"),
    Endpoint("/message", "GET", f"{_IM}/messages/:id", _READ, "user_id_type card_msg_content_type"),
    Endpoint(
        "/files", "POST", f"{_IM}/files", "im:resource im:resource:upload", "", "file_type file_name file", "duration"
    ),
    Endpoint("/bot", "GET", "/open-apis/bot/v3/info"),
    Endpoint("/chat", "GET", f"{_IM}/chats/:id", "im:chat im:chat:read im:chat:readonly", "user_id_type"),
    Endpoint("/scopes", "GET", "/open-apis/application/v6/scopes"),
    Endpoint("/endpoint", "POST", "/callback/ws/endpoint", needed="AppID AppSecret"),
    Endpoint("/hook", "POST", "/open-apis/bot/v2/hook/:id", "", "", "msg_type", "content card timestamp sign"),
)
_OPEN = {"/token", "/endpoint", "/hook"}
SCOPES = frozenset(
    [
        "im:message:send_as_bot",
        "im:message:readonly",
        "im:message.group_msg",
        "im:message.group_at_msg:readonly",
        "im:message.p2p_msg:readonly",
        "im:resource",
        "im:chat:readonly",
    ]
)
_TOLD = ("root_id", "parent_id", "thread_id", "msg_type", "create_time", "update_time", "deleted", "updated", "chat_id")
_INVALID = "Your request contains an invalid request parameter"
_OLD_CLIENT = "请升级至最新版本客户端，以查看内容"
_TOKEN_SECONDS, _TOKEN_RENEWED = 7_200, 1_800
_ZONE = "+0800"


class Ack(NamedTuple):
    """What the bot answered an event or a callback with, and after how many seconds; `code` is 0 for no answer."""

    code: int
    data: Any
    seconds: float


@dataclass
class Group:
    """A chat and who is in it. A message in it is as it is told, with what was sent besides.

    `private` are cards that one person sees, by `open_id`.
    `kind` is group, topic or p2p; without `topics` nobody can reply in a topic; `muted` lets only its owner write,
    `forbids` says that no bot may; an `external` one has people of other organisations.
    """

    name: str
    kind: str = "group"
    members: set[str] = field(default_factory=lambda: {USER, BOT})
    topics: bool = True
    muted: bool = False
    forbids: bool = False
    dissolved: bool = False
    external: bool = False
    messages: list[Json] = field(default_factory=list)
    private: list[Json] = field(default_factory=list)
    keep: Callable[..., Json] = field(default=lambda *_, **__: {}, repr=False)

    def tops(self) -> list[Json]:
        """The messages that are no replies."""
        return [m for m in self.messages if not m.get("root_id")]

    def post_by(self, user: str, text: str, **more: Any) -> Json:
        """Somebody writes something that the bot is not told of."""
        return self.keep(self, "text", json.dumps({"text": text}), user, **more)


@dataclass
class Hook:
    """A custom bot of a group: what it checks, and what was sent to it."""

    secret: str = ""
    keyword: str = ""
    messages: list[Json] = field(default_factory=list)


class Call(NamedTuple):
    """A request: the id within its path, its query and body, and how many bytes the body has."""

    id: str
    query: dict[str, str]
    body: Json
    size: int


class FeishuServer:
    """A tenant, its chats and what stands in them.

    `clock` (seconds) decides who comes too fast and what has expired; `hidden` seconds keep a message unseen;
    `throttle` also refuses what comes too fast, which is counted in any case. With `chaos` a part of the answers to
    `CHAOTIC` endpoints is late or goes wrong. `retries` are the real seconds after which an event is pushed again.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        groups: Iterable[str] = ("oc_1",),
        hidden: float = 0,
        throttle: bool = False,
        port: int = 0,
        chaos: random.Random | None = None,
        retries: tuple[float, ...] = RETRIES,
    ) -> None:
        self.groups: dict[str, Group] = {}
        for name in groups:
            self.add_group(name)
        self.users = {USER: "Somebody"}
        self.forbidden: set[str] = set()
        self.scopes = set(SCOPES)
        self.hooks: dict[str, Hook] = {}
        self.uploads: dict[str, tuple[str, bytes]] = {}
        self.slash_commands: dict[str, Json] = {}
        self.toasts: list[tuple[str, str]] = []
        self.errors: dict[str, int] = {}
        self.repeated = "first"
        self.hang_endpoint = self.endpoint_down = False
        self.requests: list[str] = []
        self.unknown: list[str] = []
        self.violations: list[str] = []
        self.too_fast = self.refused = 0
        self.hidden = hidden
        self._clock = clock
        self.date = clock
        self._throttle = throttle
        self._chaos = chaos
        self._closed = False
        self._faults: dict[str, list[str]] = defaultdict(list)
        self._calls: dict[tuple[str, ...], list[float]] = defaultdict(list)
        self._tokens: dict[str, float] = {}
        self._accepted: dict[str, float] = {}
        self._uuids: dict[str, tuple[float, str, Json]] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self._server = HttpServer(("127.0.0.1", port), self._handler())
        self.root = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.socket = Sockets(self.violations, retries)
        self.deliver: Callable[..., Ack] = self.socket.push
        """How people's doings reach the bot: over the persistent connection, or as a test posts them to it."""

    def __enter__(self) -> FeishuServer:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        self.socket.close()
        self._server.shutdown()
        self._server.server_close()

    # --- Setting the scene ---

    def add_group(self, name: str, **more: Any) -> Group:
        """A chat with the bot and somebody, of which nobody is told."""
        self.groups[name] = Group(name, keep=self._keep, **more)
        return self.groups[name]

    def group(self, name: str) -> Group:
        """A chat."""
        return self.groups[name]

    def p2p(self, user: str = USER) -> Group:
        """The chat of somebody with the bot, made where there is none yet."""
        name = f"oc_p2p_{user}"
        return self.groups.get(name) or self.add_group(name, kind="p2p", members={user, BOT})

    def queue(self, *faults: str, path: str = "/messages") -> None:
        """Let the next calls of an endpoint go wrong; `path` is its name in `ENDPOINTS`."""
        self._faults[path] += faults

    def revoke_tokens(self) -> None:
        """No token that was handed out is good any more."""
        self._tokens.clear()

    def recall(self, message_id: str) -> None:
        """Somebody takes a message back."""
        self._find(message_id)["deleted"] = True

    def tops(self, chat: str) -> list[Json]:
        """The messages of a chat that are no replies."""
        return self.groups[chat].tops()

    def thread(self, chat: str, root_id: str) -> list[Json]:
        """The replies to a message, in a topic or not."""
        return [m for m in self.groups[chat].messages if m.get("root_id") == root_id]

    def shown(self, message: Json) -> str:
        """What a reader sees of a message."""
        content = json.loads(message["body"]["content"])
        match message["msg_type"]:
            case "interactive":
                return feishu_checks.shown(content)
            case "post":
                body = content if "content" in content else next(iter(content.values()))
                return "\n".join("".join(part.get("text", "") for part in line) for line in body["content"])
            case kind:
                return str(content["text" if kind == "text" else "file_name"])

    def _find(self, message_id: str) -> Json:
        found = [m for group in self.groups.values() for m in group.messages if m["message_id"] == message_id]
        if not found:
            raise Refused(230001, _INVALID, "invalid message_id")
        return found[0]

    # --- Answers ---

    def _answered(self, endpoint: Endpoint, call: Call, token: str) -> tuple[int, Json, dict[str, str]]:
        """The answer, or the error; what nobody thought of is written down and breaks no connection."""
        try:
            return 200, {"code": 0, "msg": "success", **self._answer(endpoint, call, token)}, {}
        except Refused as refused:
            more = dict(refused.more)
            reset = more.pop("reset", None)
            headers = {"x-ogw-ratelimit-limit": str(limits.CALL_RATE.feishu), "x-ogw-ratelimit-reset": str(reset)}
            said = {"code": refused.code, "msg": refused.msg, "error": {"log_id": secrets.token_hex(8), **more}}
            return refused.status, said, headers if reset else {}
        except Exception as error:
            self.violations.append(f"{endpoint.method} {endpoint.path}: {error!r}")
            return 500, {"code": 2200, "msg": "Internal Error"}, {}

    def _answer(self, endpoint: Endpoint, call: Call, token: str) -> Json:
        path = endpoint.path.replace(":id", call.id)
        for kind, given, known in (
            ("query", call.query, endpoint.query),
            ("body", call.body, f"{endpoint.needed} {endpoint.optional}"),
        ):
            if extra := sorted(set(given) - set(known.split())):
                self.violations.append(f"{endpoint.method} {path}: unknown {kind} {extra}")
        if endpoint.name not in _OPEN:
            self._authorise(endpoint, token)
        for prefix, code in self.errors.items():
            if f"{endpoint.method} {path}".startswith(prefix) or path.startswith(prefix):
                raise self._lacking(endpoint.scopes.split()) if code == 99991672 else Refused(code, "forced")
        if endpoint.name not in _OPEN:
            self._pace_endpoint(endpoint.name)
        if lacking := [name for name in endpoint.needed.split() if call.body.get(name) in (None, "")]:
            violations = [{"field": name, "description": f"{name} is required"} for name in lacking]
            raise Refused(99992402, "field validation failed", field_violations=violations)
        handler: Callable[[Call], Json] = getattr(self, "_" + endpoint.name[1:])
        return handler(call)

    def _authorise(self, endpoint: Endpoint, token: str) -> None:
        """Refuse a token that is none, or too old, or may not do this."""
        if not token:
            raise Refused(99991661, "Missing access token for authorization.")
        if not token.startswith("t-"):
            raise Refused(
                99991668, "Invalid access token for authorization. Please make a request with token attached."
            )
        if self._clock() >= self._tokens.get(token, float("-inf")):
            raise Refused(
                99991663, "Invalid access token for authorization. Please make a request with token attached."
            )
        if endpoint.scopes and not self.scopes & set(endpoint.scopes.split()):
            raise self._lacking(endpoint.scopes.split())

    @staticmethod
    def _lacking(scopes: list[str]) -> Refused:
        """open.feishu.cn/document: how to fix the 99991672 error."""
        told = f"Access denied. One of the following scopes is required: [{', '.join(scopes)}]."
        lacking = [{"type": "action_scope_required", "subject": scope} for scope in scopes]
        return Refused(99991672, told, permission_violations=lacking)

    def _token(self, call: Call) -> Json:
        """The same token while it is good for half an hour more."""
        if call.body["app_id"] != APP_ID:
            raise Refused(10003, "invalid param", status=200)
        if call.body["app_secret"] != APP_SECRET:
            raise Refused(10014, "app secret invalid", status=200)
        now = self._clock()
        good = [token for token, until in self._tokens.items() if until - now > _TOKEN_RENEWED]
        if not good:
            good = [f"t-{secrets.token_hex(12)}"]
            self._tokens[good[0]] = now + _TOKEN_SECONDS
        return {"msg": "ok", "tenant_access_token": good[-1], "expire": int(self._tokens[good[-1]] - now)}

    def _bot(self, _: Call) -> Json:
        return {"msg": "ok", "bot": {"activate_status": 2, "app_name": BOT_NAME, "avatar_url": "", "open_id": BOT}}

    def _scopes(self, _: Call) -> Json:
        known = {scope for endpoint in ENDPOINTS for scope in endpoint.scopes.split()} | SCOPES | self.scopes
        told = [
            {"scope_name": scope, "scope_type": "tenant", "grant_status": 1 if scope in self.scopes else 2}
            for scope in sorted(known)
        ]
        return {"data": {"scopes": told}}

    def _chat(self, call: Call) -> Json:
        group = self.groups.get(call.id)
        if group is None:
            raise Refused(232006, "Your request specifies a chat_id which is invalid.")
        if group.dissolved:
            raise Refused(232009, "Your request specifies a chat which has already been dissolved.")
        if BOT not in group.members:
            raise Refused(232011, "Operator can NOT be out of the chat.")
        people = len(group.members - {BOT})
        told = {"name": f"Name of {group.name}", "avatar": "", "description": "", "external": group.external}
        told |= {"chat_mode": group.kind, "chat_type": "private", "group_message_type": "chat", "tenant_key": TENANT}
        return {"data": {**told, "user_count": str(people), "bot_count": "1", "chat_status": "normal"}}

    # --- Messages ---

    def _messages(self, call: Call) -> Json:
        kind, name = call.query.get("receive_id_type"), str(call.body["receive_id"])
        if kind == "open_id":
            if name not in self.users:
                raise Refused(230013, "Bot has NO availability to this user.")
            name = self.p2p(name).name
        elif kind != "chat_id":
            raise Refused(99992402, "field validation failed")
        return self._send(self._writable(name), call, None)

    def _reply(self, call: Call) -> Json:
        parent = self._find(call.id)
        group = self._writable(parent["chat_id"])
        if parent["deleted"]:
            raise Refused(230011, "The message was withdrawn.")
        if call.body.get("reply_in_thread") is True and not group.topics:
            raise Refused(230071, "The current chat does not support reply_in_thread.")
        return self._send(group, call, parent)

    def _writable(self, name: str) -> Group:
        """A chat that the bot may write to."""
        group = self.groups.get(name)
        if group is None:
            raise Refused(230001, _INVALID, "invalid receive_id")
        if group.dissolved:
            raise Refused(232009, "Your request specifies a chat which has already been dissolved.")
        if BOT not in group.members:
            raise Refused(230002, "Bot/User can NOT be out of the chat.")
        if group.forbids:
            raise Refused(230035, "Send Message Permission deny.")
        if group.muted:
            raise Refused(230018, "These operations are NOT allowed at current group settings.")
        return group

    def _send(self, group: Group, call: Call, parent: Json | None) -> Json:
        """Keep a message, or tell of the first one that came with the same uuid within the hour."""
        body, now = call.body, self._clock()
        uuid, print_ = body.get("uuid"), hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        if not uuid:
            self.violations.append(f"a message without uuid: {body['content']:.100}")
        elif not isinstance(uuid, str) or len(uuid) > limits.UUID.feishu:
            raise Refused(99992402, "field validation failed", field_violations=[{"field": "uuid"}])
        elif uuid in self._uuids and now - self._uuids[uuid][0] < limits.UUID_SECONDS.feishu:
            _, known, message = self._uuids[uuid]
            if known != print_ and body["msg_type"] != "file":  # a file is put up anew, under another key
                self.violations.append(f"uuid {uuid} again with another content")
            if self.repeated == "refused":
                raise Refused(230049, "The message is being sent.")
            if self.repeated == "silent":
                return {"data": {}}
            return {"data": self._public(message, whole=False)}
        content = self._content(group, str(body["msg_type"]), body["content"], call.size)
        most = limits.GROUP_RATE.feishu
        if self._pace(("group", group.name), most, 1):
            raise Refused(230020, "This operation triggers the frequency limit.")
        own: Json = {"uuid": uuid, "app_id": APP_ID, "reply_in_thread": bool(body.get("reply_in_thread"))}
        message = self._keep(
            group, body["msg_type"], content, BOT, parent=parent, in_thread=body.get("reply_in_thread") is True, **own
        )
        if uuid:
            self._uuids[uuid] = (now, print_, message)
        return {"data": self._public(message, whole=False)}

    def _content(self, group: Group, kind: str, content: Any, size: int) -> str:
        """The content of a message as it is kept. Raises Refused."""
        try:
            value = json.loads(content)
        except (TypeError, ValueError):
            raise Refused(230001, _INVALID, "content is not a string in json format") from None
        if size > (limits.TEXT_BYTES if kind == "text" else limits.BODY_BYTES).feishu:
            raise Refused(230025, "The length of the message content reaches its limit.")
        match kind:
            case "text":
                self._plain(value)
            case "post":
                self._post(value)
            case "interactive":
                self._look(value, size, group)
            case "file":
                return self._file(value)
            case _:
                raise Refused(230001, _INVALID, "invalid msg_type")
        return str(content)

    def _plain(self, value: Any) -> None:
        if not isinstance(value, dict) or set(value) != {"text"} or not value["text"]:
            raise Refused(230001, _INVALID, "invalid text content")
        if "<at" in value["text"]:
            self.violations.append(f"mention in a text: {value['text']:.100}")

    def _post(self, value: Any) -> None:
        for post in value.values() if isinstance(value, dict) else ():
            for line in post.get("content") or ():
                for part in line:
                    if part.get("tag") not in ("text", "a", "hr", "code_block", "md"):
                        self.violations.append(f"{part.get('tag')} in a post")
                    if part.get("tag") == "md" and "<at" in part["text"]:
                        self.violations.append(f"mention in a post: {part['text']:.100}")
        if not isinstance(value, dict) or not any(post.get("content") for post in value.values()):
            raise Refused(230001, _INVALID, "invalid post content")

    def _file(self, value: Any) -> str:
        key = value.get("file_key") if isinstance(value, dict) else None
        if key not in self.uploads:
            raise Refused(230017, "Bot is NOT the owner of the resource.")
        return json.dumps({"file_key": key, "file_name": self.uploads[key][0]}, ensure_ascii=False)

    def _look(self, card: Any, size: int, group: Group) -> None:
        """Refuse a card that Feishu would refuse, and write down what it takes and our bot must never write."""
        feishu_checks.check_card(card, body_bytes=size, users=group.members - {BOT})
        if any(word in json.dumps(card, ensure_ascii=False) for word in self.forbidden):
            raise Refused(230022, "The content of the message contains sensitive information.")
        self.violations += feishu_checks.unwanted(card)

    def _keep(
        self,
        group: Group,
        kind: str,
        content: str,
        sender: str,
        *,
        parent: Json | None = None,
        in_thread: bool = False,
        message_id: str | None = None,
        **more: Any,
    ) -> Json:
        """A message in a chat. What answers something that stands in a topic stays in it."""
        with self._lock:
            number, now = next(self._numbers), str(int(self._clock() * 1_000))
            app = sender == BOT
            known: Json = {"message_id": message_id or f"om_{number}", "msg_type": kind, "chat_id": group.name}
            known["order"] = number
            known |= {"create_time": now, "update_time": now, "deleted": False, "updated": False}
            known["sender"] = {"id": APP_ID if app else sender, "id_type": "app_id" if app else "open_id"}
            known["sender"] |= {"sender_type": "app" if app else "user", "tenant_key": TENANT}
            known |= {"body": {"content": content}, "mentions": [], **self._place(group, number, parent, in_thread)}
            if kind == "interactive":
                known["card"] = json.loads(content)
            message = {**known, **more}
            self._accepted[message["message_id"]] = self._clock()
            group.messages.append(message)
            return message

    def _place(self, group: Group, number: int, parent: Json | None, in_thread: bool) -> Json:
        """Where a message stands (open.feishu.cn/document/im-v1/message/intro: root_id and parent_id)."""
        if parent is None:
            return {"thread_id": f"omt_{number}"} if group.kind == "topic" else {}
        root = self._find(parent.get("root_id") or parent["message_id"])
        if in_thread or parent.get("thread_id"):
            thread = root.setdefault("thread_id", f"omt_{number}")
            return {"thread_id": thread, "root_id": root["message_id"], "parent_id": root["message_id"]}
        return {"root_id": root["message_id"], "parent_id": parent["message_id"]}

    def _patch(self, call: Call) -> Json:
        message = self._find(call.id)
        group = self._writable(message["chat_id"])
        if message["deleted"]:
            raise Refused(230110, "Action unavailable as the message has been deleted.")
        if message.get("app_id") != APP_ID:
            raise Refused(230027, "Lack of necessary permissions.")
        if message["msg_type"] != "interactive":
            raise Refused(230054, "This operation is not supported for this message type.")
        if self._clock() - int(message["create_time"]) / 1_000 > limits.PATCH_SECONDS.feishu:
            raise Refused(230031, "This message has exceeded the valid time for modification.")
        self._content(group, "interactive", call.body["content"], call.size)
        if self._pace(("patch", call.id), limits.PATCH_RATE.feishu, 1):
            raise Refused(230020, "This operation triggers the frequency limit.")
        self._replace(message, call.body["content"])
        return {"data": {}}

    def _replace(self, message: Json, content: str) -> None:
        message["body"]["content"], message["card"] = content, json.loads(content)
        message |= {"updated": True, "update_time": str(int(self._clock() * 1_000))}

    def _recall(self, call: Call) -> Json:
        """open.feishu.cn/document/server-docs/im-v1/message/delete."""
        message = self._find(call.id)
        self._writable(message["chat_id"])
        if message.get("app_id") != APP_ID:
            raise Refused(230026, "No permission to recall this message.")
        if message["deleted"]:
            raise Refused(230110, "Action unavailable as the message has been deleted.")
        message["deleted"] = True
        return {"data": {}}

    def _private(self, call: Call) -> Json:
        """A card for one person (…/message-card/send-message-cards-that-are-only-visible-to-certain-people).

        The code for chats without such is what somebody measured (deepcoldy/botmux#63); the others are no page's.
        """
        group = self._writable(str(call.body["chat_id"]))
        if group.kind != "group":
            raise Refused(18053, "chat can not be thread")
        if call.body["open_id"] not in group.members - {BOT}:
            raise Refused(18054, "the user is not in the chat")
        if call.body["msg_type"] != "interactive" or not isinstance(call.body["card"], dict):
            raise Refused(18055, "msg_type must be interactive, and card an object")
        self._content(group, "interactive", json.dumps(call.body["card"], ensure_ascii=False), call.size)
        if self._pace(("private", group.name), limits.PRIVATE_RATE.feishu, 1):
            raise Refused(230020, "This operation triggers the frequency limit.")
        with self._lock:
            number = next(self._numbers)
            card = {"message_id": f"om_{number}", "order": number, "chat_id": group.name, "msg_type": "interactive"}
            card |= {"open_id": call.body["open_id"], "card": call.body["card"], "sender": {"id": APP_ID}}
            card |= {"body": {"content": json.dumps(call.body["card"], ensure_ascii=False)}, "deleted": False}
            group.private.append(card)
        return {"data": {"message_id": card["message_id"]}}

    def _private_end(self, call: Call) -> Json:
        """open.feishu.cn/document/server-docs/im-v1/message-card/delete-message-cards-that-are-only-visible-…."""
        cards = [card for group in self.groups.values() for card in group.private]
        found = [card for card in cards if card["message_id"] == call.body["message_id"] and not card["deleted"]]
        if not found:
            raise Refused(18056, "no such card")
        found[0]["deleted"] = True
        return {"data": {}}

    def _slash(self, _: Call) -> Json:
        return {"data": {"items": list(self.slash_commands.values())}}

    def _slash_new(self, call: Call) -> Json:
        """open.feishu.cn/document/mcp_open_tools/agent-best-practices/agent-supports-slash-commands."""
        name = str(call.body["command"])
        self._describe(call.body["description"])
        if any(known["command"] == name for known in self.slash_commands.values()):
            raise Refused(40000000, "command already exists")
        if name.startswith("/") or len(self.slash_commands) >= limits.SLASH_COMMANDS.feishu:
            raise Refused(40000001, "invalid command")
        number = f"cmd_{next(self._numbers)}"
        known = {"command_id": number, "command": name, "description": call.body["description"]}
        self.slash_commands[number] = known
        return {"data": known}

    def _slash_set(self, call: Call) -> Json:
        if call.id not in self.slash_commands:
            raise Refused(40000002, "no such command")
        self._describe(call.body["description"])
        self.slash_commands[call.id]["description"] = call.body["description"]
        return {"data": self.slash_commands[call.id]}

    @staticmethod
    def _describe(description: Any) -> None:
        if not isinstance(description, dict) or not description.get("default_value"):
            raise Refused(40000003, "description.default_value is required")

    def _message(self, call: Call) -> Json:
        message = self._find(call.id)
        if not self._seen(message):
            raise Refused(230001, _INVALID, "invalid message_id")
        self._readable(self.groups[message["chat_id"]])
        return {"data": {"items": [self._public(message, whole=self._whole(call))]}}

    def _list(self, call: Call) -> Json:
        """The history of a chat or a topic, page by page."""
        kind, name, size = call.query.get("container_id_type"), call.query.get("container_id", ""), self._size(call)
        if kind not in ("chat", "thread"):
            raise Refused(230001, _INVALID, "invalid container_id_type")
        if kind == "thread" and {"start_time", "end_time"} & set(call.query):
            raise Refused(230001, _INVALID, "thread does not support start_time and end_time")
        order = call.query.get("sort_type", "ByCreateTimeAsc")
        if order not in ("ByCreateTimeAsc", "ByCreateTimeDesc"):
            raise Refused(230001, _INVALID, "invalid sort_type")
        found = self._in_topic(name) if kind == "thread" else self._in_chat(name, call)
        sign = 1 if order.endswith("Asc") else -1
        after = self._after(call, f"{kind} {name} {order}")
        left = [(n * sign, message) for n, message in enumerate(found)][::sign]
        left = [(place, message) for place, message in left if (after is None or place > after)]
        page = [(place, m) for place, m in left if self._seen(m)][:size]
        more = len([m for _, m in left if self._seen(m)]) > size
        token = base64.b64encode(f"{kind} {name} {order} {page[-1][0]}".encode()).decode() if more else ""
        items = [self._public(m, whole=self._whole(call)) for _, m in page]
        return {"data": {"items": items, "has_more": more, "page_token": token}}

    @staticmethod
    def _size(call: Call) -> int:
        size = call.query.get("page_size", "20")
        if not size.isdigit() or not 1 <= int(size) <= limits.HISTORY.feishu:
            raise Refused(99992402, "field validation failed", field_violations=[{"field": "page_size"}])
        return int(size)

    @staticmethod
    def _after(call: Call, listing: str) -> int | None:
        """The place after which a page goes on; a token is good for the listing that it came with."""
        if not (token := call.query.get("page_token")):
            return None
        with suppress(ValueError):
            known, _, place = base64.b64decode(token, validate=True).decode().rpartition(" ")
            if known == listing:
                return int(place)
        raise Refused(230001, _INVALID, "invalid page_token")

    @staticmethod
    def _whole(call: Call) -> bool:
        kind = call.query.get("card_msg_content_type", "")
        if kind not in ("", "raw_card_content", "user_card_content"):
            raise Refused(230001, _INVALID, "invalid card_msg_content_type")
        return kind == "user_card_content"

    def _in_topic(self, name: str) -> list[Json]:
        for group in self.groups.values():
            if found := [m for m in group.messages if m.get("thread_id") == name]:
                self._readable(group)
                return found
        raise Refused(230001, _INVALID, "invalid container_id")

    def _in_chat(self, name: str, call: Call) -> list[Json]:
        """What stands in a chat; of a topic only its first message does. Both bounds count, in seconds."""
        if name not in self.groups:
            raise Refused(230001, _INVALID, "invalid container_id")
        self._readable(self.groups[name])
        found = [m for m in self.groups[name].messages if not (m.get("thread_id") and m.get("root_id"))]
        if call.query.get("only_thread_root_messages", "false").lower() == "true":
            found = [m for m in found if not m.get("root_id")]
        for bound, side in (("start_time", 1), ("end_time", -1)):
            if given := call.query.get(bound):
                if not given.isdigit() or len(given) > 10:
                    raise Refused(230001, _INVALID, f"invalid {bound}")
                found = [m for m in found if (int(m["create_time"]) // 1_000 - int(given)) * side >= 0]
        return found

    def _readable(self, group: Group) -> None:
        if group.dissolved:
            raise Refused(232009, "Your request specifies a chat which has already been dissolved.")
        if BOT not in group.members:
            raise Refused(230002, "Bot/User can NOT be out of the chat.")
        if group.kind != "p2p" and "im:message.group_msg" not in self.scopes:
            raise Refused(230027, "Lack of necessary permissions, ext=need scope: im:message.group_msg")

    def _seen(self, message: Json) -> bool:
        return self._clock() - self._accepted[message["message_id"]] >= self.hidden

    @staticmethod
    def _public(message: Json, *, whole: bool) -> Json:
        """A message as Feishu tells it; a card only `whole` as it was sent."""
        told = {name: message[name] for name in _TOLD if message.get(name) is not None}
        content = message["body"]["content"]
        if message["deleted"]:
            content = "This message was recalled"
        elif message["msg_type"] == "interactive" and not whole:
            title = (message["card"].get("header") or {}).get("title", {}).get("content", "")
            content = json.dumps({"title": title, "elements": [[{"tag": "text", "text": _OLD_CLIENT}]]})
        mentions = [{**m, "id": m["id"]["open_id"], "id_type": "open_id"} for m in message["mentions"]]
        told |= {"mentions": mentions} if mentions else {}
        return {"message_id": message["message_id"], **told, "sender": message["sender"], "body": {"content": content}}

    def _files(self, call: Call) -> Json:
        content = call.body["file"]
        if call.body["file_type"] not in ("stream", "opus", "mp4", "pdf", "doc", "xls", "ppt"):
            raise Refused(234001, "Invalid request param.")
        if not content:
            raise Refused(234010, "File's size can't be 0.")
        if len(content) > limits.FILE_BYTES.feishu:
            raise Refused(234006, "The file size exceed the max value.")
        key = f"file_v3_{next(self._numbers)}"
        self.uploads[key] = (call.body["file_name"], content)
        return {"data": {"file_key": key}}

    # --- Custom bots and the persistent connection ---

    def _hook(self, call: Call) -> Json:
        """open.feishu.cn/document/client-docs/bot-v3/add-custom-bot."""
        hook = self.hooks.get(call.id)
        if hook is None:
            raise Refused(19001, "param invalid: incoming webhook access token invalid")
        if call.size > limits.WEBHOOK_BYTES.feishu:
            raise Refused(9499, "Bad Request")
        rates = (limits.WEBHOOK_RATE.feishu, 1), (limits.WEBHOOKS_A_MINUTE.feishu, 60)
        if any(self._pace(("hook", call.id, str(seconds)), most, seconds) for most, seconds in rates):
            raise Refused(11232, "frequency limited psm[lark.oapi.app_platform_runtime]appID[1500]", status=200)
        self._check_sign(hook, call.body)
        body, kind = call.body, call.body["msg_type"]
        if hook.keyword and hook.keyword not in json.dumps(body, ensure_ascii=False):
            raise Refused(19024, "Key Words Not Found", status=200)
        match kind:
            case "text":
                self._plain(body.get("content"))
            case "post":
                self._post((body.get("content") or {}).get("post"))
            case "interactive":
                self._look(body.get("card"), call.size, Group("", members=set()))
                if any(part.get("type") == "callback" for part in feishu_checks.walk(body["card"])):
                    self.violations.append("a button of a webhook calls back")
            case _:
                raise Refused(9499, "Bad Request")
        hook.messages.append(body)
        return {"data": {}}

    def _check_sign(self, hook: Hook, body: Json) -> None:
        if not hook.secret:
            return
        at = str(body.get("timestamp", ""))
        stale = not at.isdigit() or abs(self._clock() - int(at)) > limits.WEBHOOK_SIGN_SECONDS.feishu
        if stale or not hmac.compare_digest(str(body.get("sign", "")), webhook_sign(hook.secret, at)):
            told = "sign match fail or timestamp is not within one hour from current time"
            raise Refused(19021, told, status=200)

    def _endpoint(self, call: Call) -> Json:
        """Where to connect to. The codes are those that lark_oapi.ws reads."""
        if call.body["AppID"] != APP_ID:
            raise Refused(403, "app not found", status=200)
        if call.body["AppSecret"] != APP_SECRET:
            raise Refused(514, "auth failed", status=200)
        if self.socket.connections >= limits.SOCKETS.feishu:
            raise Refused(1000040350, "the number of connections exceeded the limit", status=200)
        return {"data": {"URL": self.socket.ticket(), "ClientConfig": dict(self.socket.config)}}

    # --- Rates ---

    def _pace_endpoint(self, name: str) -> None:
        for most, seconds in ((limits.CALL_RATE.feishu, 1), (limits.CALLS_A_MINUTE.feishu, 60)):
            if wait := self._pace((name, str(seconds)), most, seconds):
                raise Refused(99991400, "request trigger frequency limit", status=429, reset=math.ceil(wait))

    def _pace(self, key: tuple[str, ...], most: int, seconds: float) -> float:
        """The seconds until one more is taken; 0 where it is taken, which is then written down."""
        now = self._clock()
        calls = [at for at in self._calls[key] if now - at < seconds - 1e-6]
        self._calls[key] = calls
        if len(calls) >= most:
            self.too_fast += 1
            if self._throttle:
                self.refused += 1
                return max(seconds - (now - calls[-most]), 1e-3)
        calls.append(now)
        return 0

    def _next_fault(self, name: str) -> str:
        """How the next answer goes wrong: as it was queued, or as chance wills."""
        if self._faults[name]:
            return self._faults[name].pop(0)
        if self._chaos and name in CHAOTIC:
            faults = ("", DROPPED, LOST, BUSY, BROKEN, INTERNAL, BEING_SENT)
            return self._chaos.choices(faults, (76, 6, 4, 4, 3, 3, 4))[0]
        return ""

    # --- HTTP ---

    def _handler(self) -> type[Handler]:
        server = self

        class Answering(Handler):
            def time(self) -> float:
                return server.date()

            def answered(self, raw: bytes) -> tuple[Answer | None, float]:
                parts = urlsplit(self.path)
                endpoint, name = _endpoint_of(self.command, unquote(parts.path))
                if endpoint.name == "/endpoint":
                    server._wait_released()
                with server._lock:
                    said = server._respond(self.command, parts, raw, self.headers, endpoint, name)
                    accepted = endpoint.name in CHAOTIC and said is not None and said[0] == 200
                    late = lateness(server._chaos, accepted=accepted)
                if said is None:
                    return None, late
                status, body, headers = said
                known = {"Content-Type": "application/json; charset=utf-8", "X-Tt-Logid": secrets.token_hex(8)}
                return (status, body, {**known, **headers}), late

        return Answering

    def _wait_released(self) -> None:
        """Let somebody who asks where to connect wait, while that is wanted."""
        while self.hang_endpoint and not self._closed:
            time.sleep(0.01)

    def _respond(
        self, method: str, parts: Any, raw: bytes, headers: Any, endpoint: Endpoint, name: str
    ) -> Answer | None:
        if parts.path.startswith("/_/"):
            return 200, json.dumps(self.written() if parts.path == "/_/messages" else self.stats()).encode(), {}
        self.requests.append(f"{method} {parts.path}")
        if not endpoint.name:
            self.unknown.append(f"{method} {parts.path}")
            return 404, b"404 page not found", {"Content-Type": "text/plain"}
        fault = self._next_fault(endpoint.name)
        if fault == LOST:
            return None
        if fault == BUSY:
            reset = "1" if self._chaos else "7"
            told = {"x-ogw-ratelimit-limit": str(limits.CALL_RATE.feishu), "x-ogw-ratelimit-reset": reset}
            return 429, _json({"code": 99991400, "msg": "request trigger frequency limit"}), told
        if fault in _REFUSALS:
            return _REFUSALS[fault]
        if endpoint.name == "/endpoint" and self.endpoint_down:
            return 503, _json({"code": 1, "msg": "system busy"}), {}
        try:
            call = _call(name, parts.query, raw, headers)
        except ValueError:
            self.violations.append(f"{method} {parts.path}: no JSON")
            return 400, _json({"code": 9499, "msg": "Bad Request"}), {}
        token = headers.get("Authorization", "")
        status, said, more = self._answered(endpoint, call, token.removeprefix("Bearer "))
        if fault == DROPPED:
            return None
        if fault == INTERNAL:
            return 500, _json({"code": 2200, "msg": "Internal Error"}), {}
        if fault == BEING_SENT:
            return 400, _json({"code": 230049, "msg": "The message is being sent."}), {}
        return status, _json(said), more

    def written(self) -> Json:
        """All that stands in the chats, seen or not, and what must not have been done."""
        return {
            "messages": {name: group.messages for name, group in self.groups.items()},
            "violations": self.violations,
            "unknown": self.unknown,
        }

    def stats(self) -> Json:
        """What a bench asks after."""
        return {
            "messages": {name: len(group.messages) for name, group in self.groups.items()},
            "files": len(self.uploads),
            "too_fast": self.too_fast,
            "refused": self.refused,
            "requests": Counter(self.requests),
            "violations": self.violations,
            "unknown": self.unknown,
        }

    # --- What people do ---

    def event(self, kind: str, **event: Any) -> Json:
        """An event or a callback in its wrapper (open.feishu.cn/document/server-docs/event-subscription-guide)."""
        header = {"event_id": f"ev_{next(self._numbers)}", "event_type": kind, "token": VERIFICATION}
        header |= {"create_time": str(int(self._clock() * 1_000)), "tenant_key": TENANT, "app_id": APP_ID}
        return {"schema": "2.0", "header": header, "event": event}

    def say(
        self,
        text: str,
        chat: str = "oc_1",
        user: str = USER,
        *,
        thread: str | None = None,
        mention: bool = True,
        rich: bool = False,
        message_id: str | None = None,
        wait: bool = True,
    ) -> Json:
        """Somebody writes to the bot, which is told, unless it may only be told of mentions and this holds none.

        `thread` is what is answered, in a topic where there are such. With the `message_id` of a message that stands
        there the bot is told of that one again. Without `wait` nobody waits for an answer.
        """
        group = self.groups[chat]
        known = [m for m in group.messages if m["message_id"] == message_id]
        message = known[0] if known else self._said(group, text, user, thread, mention, rich, message_id)
        if group.kind == "p2p" or message["mentions"] or "im:message.group_msg" in self.scopes:
            self.deliver(self.message_event(message), wait=10.0 if wait else 0.0)
        return message

    def _said(
        self,
        group: Group,
        text: str,
        user: str,
        thread: str | None,
        mention: bool,
        rich: bool,
        message_id: str | None,
    ) -> Json:
        named = mention and group.kind != "p2p"
        if rich:
            at = [{"tag": "at", "user_id": "@_user_1", "user_name": BOT_NAME, "style": []}] if named else []
            line = [*at, {"tag": "text", "text": f" {text}" if named else text, "style": []}]
            content: Json = {"title": "", "content": [line]}
        else:
            content = {"text": f"@_user_1 {text}" if named else text}
        mentions = [_mention(BOT, BOT_NAME, "bot")] if named else []
        with self._lock:
            parent = self._find(thread) if thread else None
            dumped, kind = json.dumps(content, ensure_ascii=False), "post" if rich else "text"
            more: Json = {"parent": parent, "in_thread": group.topics, "message_id": message_id, "mentions": mentions}
            return self._keep(group, kind, dumped, user, **more)

    def message_event(self, message: Json) -> Json:
        """What the bot is told of a message (open.feishu.cn/document/server-docs/im-v1/message/events/receive)."""
        kinds = {"group": "group", "topic": "topic_group", "p2p": "p2p"}
        told = {name: message[name] for name in ("message_id", "create_time", "update_time", "chat_id")}
        told |= {name: message[name] for name in ("root_id", "parent_id", "thread_id") if message.get(name)}
        told |= {"chat_type": kinds[self.groups[message["chat_id"]].kind], "message_type": message["msg_type"]}
        told |= {"content": message["body"]["content"], "mentions": message["mentions"]}
        user = message["sender"]["id"]
        sender = {"sender_id": _ids(user), "sender_type": "user", "tenant_key": TENANT}
        return self.event("im.message.receive_v1", sender=sender, message=told)

    def press(self, message: Json, label: str, user: str = USER) -> Ack:
        """Somebody presses the button of a card that has this label."""
        buttons = [part for part in feishu_checks.walk(message["card"]) if part.get("tag") == "button"]
        named = [button for button in buttons if button["text"]["content"] == label and not button.get("disabled")]
        assert named, f"no button {label!r} among {[button['text']['content'] for button in buttons]}"
        return self._act(message, user, _action(named[0]))

    def submit(self, message: Json, values: Json, user: str = USER) -> Ack:
        """Somebody sends the form of a card off, with `values` by name where they are not as the form shows them."""
        forms = [part for part in feishu_checks.walk(message["card"]) if part.get("tag") == "form"]
        assert forms, "the card holds no form"
        inputs = {part["name"]: part for part in feishu_checks.walk(forms[0]) if part.get("tag") in _FILLED}
        assert set(values) <= set(inputs), f"{sorted(set(values) - set(inputs))} are no inputs"
        filled = {name: _filled(part, values.get(name)) for name, part in inputs.items()}
        button = next(part for part in feishu_checks.walk(forms[0]) if part.get("form_action_type") == "submit")
        return self._act(message, user, _action(button) | {"form_value": filled, "timezone": "Asia/Shanghai"})

    def _act(self, message: Json, user: str, action: Json) -> Ack:
        """open.feishu.cn/document/feishu-cards/card-callback-communication."""
        body = self.event(
            "card.action.trigger",
            operator={"tenant_key": TENANT, **_ids(user)},
            token=f"c-{next(self._numbers)}",
            action=action,
            host="im_message",
            context={"open_message_id": message["message_id"], "open_chat_id": message["chat_id"]},
        )
        ack = self.deliver(body, callback=True)
        with self._lock:
            self._take(message, user, ack)
        return ack

    def _take(self, message: Json, user: str, ack: Ack) -> None:
        """Show what a callback is answered with: words for a moment, and a card instead of the one there."""
        data = ack.data or {}
        if ack.seconds > limits.CALLBACK_SECONDS.feishu:
            return
        if extra := sorted(set(data) - {"toast", "card"}):
            self.violations.append(f"answer to a callback: unknown {extra}")
        if toast := data.get("toast"):
            if toast.get("type") not in ("info", "success", "warning", "error") or not toast.get("content"):
                self.violations.append(f"answer to a callback: {toast!r:.100}")
            self.toasts.append((user, str(toast.get("content"))))
        if card := data.get("card"):
            try:
                if set(card) != {"type", "data"} or card["type"] != "raw":
                    raise Refused(200341, f"card {sorted(card)}")
                content = json.dumps(card["data"], ensure_ascii=False)
                self._look(card["data"], len(content.encode()), self.groups[message["chat_id"]])
                self._replace(message, content)
            except Refused as refused:
                self.violations.append(f"answer to a callback: {refused}")

    def add_bot(self, chat: str, user: str = USER) -> None:
        """Somebody takes the bot into a chat, made where there is none."""
        if chat not in self.groups:
            self.add_group(chat)
        self.groups[chat].members.add(BOT)
        self._tell("im.chat.member.bot.added_v1", chat, user)

    def remove_bot(self, chat: str, user: str = USER) -> None:
        """Somebody takes the bot out of a chat."""
        self.groups[chat].members.discard(BOT)
        self._tell("im.chat.member.bot.deleted_v1", chat, user)

    def dissolve(self, chat: str, user: str = USER) -> None:
        """Somebody ends a chat."""
        self.groups[chat].dissolved = True
        self._tell("im.chat.disbanded_v1", chat, user)

    def _tell(self, kind: str, chat: str, user: str) -> None:
        """Tell of a chat whoever has been connected, or listens otherwise."""
        if self.socket.opened or self.deliver != self.socket.push:
            told = {"chat_id": chat, "operator_id": _ids(user), "external": False, "operator_tenant_key": TENANT}
            wait = 10.0 if self.socket.connections or self.deliver != self.socket.push else 0.0
            self.deliver(self.event(kind, **told, name=f"Name of {chat}"), wait=wait)


# --- Helpers ---------------------------------------------------------------------------------


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


_NOBODY = Endpoint("", "", "")


_REFUSALS: dict[str, Answer] = {
    BROKEN: (502, b"<html><body>502 Bad Gateway</body></html>", {"Content-Type": "text/html"}),
    ODD: (200, b"[1]", {}),
    **{
        code: (400, _json({"code": int(code), "msg": "as it was queued"}), {}) for code in (SENSITIVE, BAD_CARD, MERGED)
    },
}
"""How an answer goes wrong that accepts nothing."""


def _endpoint_of(method: str, path: str) -> tuple[Endpoint, str]:
    """The endpoint that a request asks for, and the id within its path."""
    for endpoint in ENDPOINTS:
        found = re.fullmatch(endpoint.path.replace(":id", "([^/]+)"), path)
        if found and endpoint.method == method:
            return endpoint, found.group(1) if found.groups() else ""
    return _NOBODY, ""


def _call(name: str, query: str, raw: bytes, headers: Any) -> Call:
    """A request read. Raises ValueError."""
    kind = headers.get("Content-Type", "")
    body = _parts(kind, raw) if kind.startswith("multipart/form-data") else json.loads(raw or b"{}")
    if not isinstance(body, dict):
        raise ValueError("no object")
    asked = {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}
    return Call(name, asked, body, len(raw))


def _parts(kind: str, raw: bytes) -> Json:
    """The fields of a form with a file, which is bytes (RFC 7578)."""
    boundary = b"--" + kind.partition("boundary=")[2].strip('"').encode()
    fields: Json = {}
    for part in raw.split(boundary)[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        found = re.search(rb'[; ]name="([^"]*)"', head)
        if not found:
            raise ValueError("a field without a name")
        name = found.group(1).decode()
        content = content.removesuffix(b"\r\n")
        fields[name] = content if name == "file" else content.decode()
    return fields


def _ids(user: str) -> Json:
    return {"open_id": user, "union_id": user.replace("ou_", "on_"), "user_id": None}


def _mention(user: str, name: str, kind: str) -> Json:
    return {"key": "@_user_1", "id": _ids(user), "name": name, "tenant_key": TENANT, "mentioned_type": kind}


def _action(button: Json) -> Json:
    """What a callback tells of a button."""
    values = [behaviour["value"] for behaviour in button.get("behaviors", []) if behaviour["type"] == "callback"]
    assert values or button.get("form_action_type") == "submit", f"{button['text']['content']!r} calls nobody back"
    named = {"name": button["name"]} if "name" in button else {}
    return {"tag": "button", "value": values[0] if values else {}, **named}


_FILLED = ("input", "select_static", "multi_select_static", "picker_time")


def _filled(part: Json, given: Any) -> Any:
    """What a form sends of an input: as it was filled in, else as it was shown."""
    options = [option["value"] for option in part.get("options", [])]
    match part["tag"]:
        case "input":
            value = part.get("default_value", "") if given is None else given
            assert len(value) <= part.get("max_length", limits.INPUT_TEXT.feishu), f"{part['name']} is too long"
        case "select_static":
            index = part.get("initial_index", 0)
            shown = part.get("initial_option") or (options[index - 1] if index else "")
            value = shown if given is None else given
            assert value in (*options, ""), f"{value!r} is no option of {part['name']}"
        case "multi_select_static":
            value = list(part.get("selected_values", []) if given is None else given)
            assert set(value) <= set(options), f"{value!r} are no options of {part['name']}"
        case _:
            value = part.get("initial_time", "") if given is None else given
            value = f"{value} {_ZONE}" if value else ""
    assert value or not part.get("required"), f"{part['name']} is required"
    return value


def webhook_sign(secret: str, timestamp: str) -> str:
    """The signature of what is sent to a custom bot (open.feishu.cn/document/client-docs/bot-v3/add-custom-bot)."""
    key = f"{timestamp}\n{secret}".encode()
    return base64.b64encode(hmac.new(key, b"", hashlib.sha256).digest()).decode()


def signed(
    body: Json, key: str, *, token: str = "", timestamp: float | None = None, nonce: str = "n"
) -> tuple[dict[str, str], bytes]:
    """The headers and the body of a request of Feishu's; without a `key` it is neither encrypted nor signed.

    open.feishu.cn/document/server-docs/event-subscription-guide: encrypt key, AES-256-CBC with a PKCS #7 padding.
    """
    holder = body.get("header", body)
    told = {**body, "header": {**holder, "token": token}} if "header" in body else {**body, "token": token}
    raw = _json(told if token else body)
    headers = {"Content-Type": "application/json; charset=utf-8"}
    if not key:
        return headers, raw
    padder = PKCS7(128).padder()
    start = secrets.token_bytes(16)
    cipher = Cipher(algorithms.AES256(hashlib.sha256(key.encode()).digest()), modes.CBC(start)).encryptor()
    sealed = start + cipher.update(padder.update(raw) + padder.finalize()) + cipher.finalize()
    raw = _json({"encrypt": base64.b64encode(sealed).decode()})
    at = str(int(time.time() if timestamp is None else timestamp))
    signature = hashlib.sha256(f"{at}{nonce}{key}".encode() + raw).hexdigest()
    headers |= {"X-Lark-Request-Timestamp": at, "X-Lark-Request-Nonce": nonce, "X-Lark-Signature": signature}
    return headers, raw


# --- The persistent connection ---------------------------------------------------------------

_CONTROL, _DATA = 0, 1


@dataclass
class _Delivery:
    """An event or a callback on its way: when it was last sent and is sent again, in seconds of the real clock."""

    name: str
    payload: bytes
    callback: bool
    attempts: int = 0
    at: float = 0.0
    due: float = math.inf
    ack: Ack | None = None
    done: bool = False


class Sockets:
    """The persistent connection's side of Feishu, as lark_oapi.ws speaks with it.

    `config` is told to who connects; `part` is from how many bytes on a payload comes in pieces. The next
    `drop_before_ack` events are delivered, and their connection is cut instead of their answer read.
    """

    def __init__(self, violations: list[str], retries: tuple[float, ...]) -> None:
        self.config = {"ReconnectCount": -1, "ReconnectInterval": 1, "ReconnectNonce": 0, "PingInterval": 1}
        self.part = 16_384
        self.drop_before_ack = 0
        self.opened = 0
        self._violations = violations
        self._retries = retries
        self._tickets: set[str] = set()
        self._numbers = itertools.count(1)
        self._open: list[ServerConnection] = []
        self._links: set[ServerConnection] = set()
        self._frozen: set[ServerConnection] = set()
        self._deaf: set[tuple[ServerConnection, str]] = set()
        self._deliveries: dict[str, _Delivery] = {}
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._server = serve(
            self._connected,
            "127.0.0.1",
            0,
            process_request=self._admit,
            compression=None,
            close_timeout=0.2,
            ping_interval=None,
        )
        self._port = self._server.socket.getsockname()[1]
        self._serving = serving(self._server)
        self._again = threading.Thread(target=self._push_again, daemon=True)
        self._again.start()

    def ticket(self) -> str:
        """An address for one connection."""
        with self._changed:
            name = str(next(self._numbers))
            self._tickets.add(name)
        return f"ws://127.0.0.1:{self._port}/ws?device_id=d{name}&service_id=1&ticket={name}"

    @property
    def connections(self) -> int:
        """How many are open and not frozen."""
        with self._changed:
            return len(self._open)

    @property
    def unacked(self) -> int:
        """How many events got no answer that says that they were taken."""
        with self._changed:
            return sum(not delivery.done and not delivery.callback for delivery in self._deliveries.values())

    def wait_connected(self, n: int = 1, seconds: float = 60.0) -> None:
        """Wait for `n` connections."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._open) >= n, seconds), f"{len(self._open)} are connected"

    def push(self, body: Json, callback: bool = False, wait: float = 10.0) -> Ack:
        """Send an event or a callback, waiting for somebody to be connected; what it is answered with within `wait`.

        Without `wait` it is on its way, and an event waits for a connection.
        """
        delivery = _Delivery(f"msg_{next(self._numbers)}", _json(body), callback)
        if wait:
            self.wait_connected(seconds=wait)
        with self._changed:
            self._deliveries[delivery.name] = delivery
            if not self._open:
                delivery.due = 0.0
                return Ack(0, None, 0.0)
        self._send(delivery)
        with self._changed:
            self._changed.wait_for(lambda: delivery.ack, wait)
            return delivery.ack or Ack(0, None, wait)

    def drop(self) -> None:
        """End every connection without a word."""
        with self._changed:
            self._open.clear()
            for link in self._links:
                _cut(link)

    def freeze(self) -> None:
        """Answer nothing more on the connections there are, and read nothing; they stay open."""
        with self._changed:
            for link in self._open:
                link.send_data = lambda: None  # type: ignore[method-assign]
            self._frozen |= set(self._open)
            self._open.clear()

    def close(self) -> None:
        """End the server."""
        self._closed.set()
        self._again.join(5)
        end(self._server, self._serving)
        self.drop()

    def _admit(self, link: ServerConnection, request: Request) -> Response | None:
        asked = parse_qs(urlsplit(request.path).query)
        with self._changed:
            if (name := asked.get("ticket", [""])[0]) in self._tickets:
                self._tickets.discard(name)
                return None
        refused = link.respond(403, "no such ticket")
        refused.headers["handshake-status"] = "403"
        refused.headers["handshake-msg"] = "no such ticket"
        return refused

    def _connected(self, link: ServerConnection) -> None:
        try:
            with self._changed:
                self.opened += 1
                self._links.add(link)
                self._open.append(link)
                self._changed.notify_all()
            for raw in link:
                if link not in self._frozen:
                    self._received(link, raw)
        except (ConnectionClosed, OSError):
            pass
        finally:
            with self._changed:
                self._links.discard(link)
                self._frozen.discard(link)
                self._forget(link)

    def _forget(self, link: ServerConnection) -> None:
        with self._changed:
            if link in self._open:
                self._open.remove(link)
                self._changed.notify_all()

    def _received(self, link: ServerConnection, raw: str | bytes) -> None:
        frame = _frame()
        try:
            frame.ParseFromString(raw)
            headers = {header.key: header.value for header in frame.headers}
            said = json.loads(frame.payload) if frame.method == _DATA else {}
            if not isinstance(said, dict):
                raise ValueError("no object")
        except Exception as error:
            self._violations.append(f"a frame that is none: {error!r:.100}")
            return
        if frame.method == _CONTROL and headers.get("type") == "ping":
            link.send(_framed(_CONTROL, {"type": "pong"}, _json(self.config)))
        elif frame.method == _DATA:
            self._acknowledged(link, headers.get("message_id", ""), said)
        else:
            self._violations.append(f"a frame of an unknown type: {headers}")

    def _acknowledged(self, link: ServerConnection, name: str, said: Json) -> None:
        with self._changed:
            if (delivery := self._deliveries.get(name)) is None:
                self._violations.append(f"acknowledgement of nothing: {name!r:.100}")
                return
            if (link, name) in self._deaf:
                self._forget(link)
                _cut(link)
                return
            data = json.loads(base64.b64decode(said["data"])) if said.get("data") else None
            delivery.ack = Ack(int(said.get("code", 0)), data, time.monotonic() - delivery.at)
            in_time = delivery.ack.seconds <= limits.EVENT_SECONDS.feishu
            delivery.done = delivery.done or (delivery.ack.code == 200 and in_time)
            self._changed.notify_all()

    def _send(self, delivery: _Delivery) -> None:
        """Send on one of the connections, another each time; an event is due again after its next pause."""
        while True:
            with self._changed:
                if not self._open:
                    return
                link = self._open[next(self._numbers) % len(self._open)]
                delivery.at = time.monotonic()
                left = self._retries[delivery.attempts :] if not delivery.callback else ()
                delivery.due = delivery.at + left[0] if left else math.inf
                deaf = bool(self.drop_before_ack) and not delivery.callback
                if deaf:
                    self.drop_before_ack -= 1
                    self._deaf.add((link, delivery.name))
            try:
                self._send_on(link, delivery)
            except (ConnectionClosed, OSError):
                with self._changed:
                    self.drop_before_ack += deaf
                self._forget(link)
            else:
                delivery.attempts += 1
                return

    def _send_on(self, link: ServerConnection, delivery: _Delivery) -> None:
        size = max(self.part, 1)
        parts = [delivery.payload[n : n + size] for n in range(0, len(delivery.payload), size)]
        for seq, part in enumerate(parts):
            headers = {"type": "event", "message_id": delivery.name, "trace_id": f"t_{delivery.name}"}
            link.send(_framed(_DATA, headers | {"sum": str(len(parts)), "seq": str(seq)}, part))

    def _push_again(self) -> None:
        while not self._closed.wait(0.01):
            with self._changed:
                now, pending = time.monotonic(), list(self._deliveries.values())
                due = [d for d in pending if not d.done and not d.callback and d.due <= now] if self._open else []
            for delivery in due:
                self._send(delivery)


def _cut(link: ServerConnection) -> None:
    with suppress(OSError):  # which has ended already
        link.socket.shutdown(socket.SHUT_RDWR)  # closing alone would wait for the thread that reads


def _frame() -> Any:
    """An empty frame."""
    return sdk().ws.Frame()


def _framed(method: int, headers: dict[str, str], payload: bytes) -> bytes:
    frame = _frame()
    frame.SeqID = frame.LogID = 0
    frame.service, frame.method, frame.payload = 1, method, payload
    for key, value in headers.items():
        header = frame.headers.add()
        header.key, header.value = key, value
    return bytes(frame.SerializeToString())


def main() -> None:
    """Serve by the real clock until standard input ends; the address is printed first."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--hidden", type=float, default=0)
    parser.add_argument("--throttle", action="store_true")
    parser.add_argument("--groups", default="oc_1")
    parser.add_argument("--begun", type=float, default=time.time(), help="seconds since 1970 from which on time runs")
    parser.add_argument("--speed", type=float, default=1, help="how much faster than it does")
    parser.add_argument("--faults", type=int, default=-1, help="seed of what goes wrong by chance; -1: nothing does")
    given = parser.parse_args()
    groups, clock = given.groups.split(","), faster(given.begun, given.speed)
    chaos = random.Random(given.faults) if given.faults >= 0 else None
    retries = tuple(seconds / given.speed for seconds in RETRIES)
    known = {"hidden": given.hidden, "throttle": given.throttle, "port": given.port, "retries": retries}
    with FeishuServer(clock, groups=groups, chaos=chaos, **known) as server:
        print(server.root, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
