"""A Slack that enforces its documented limits over a real socket, keeps what it took, and fails loudly at the rest.

The numbers are `adapters.chats.slack.limits`'s `slack` ones; errors are those of docs.slack.dev, chat.postMessage.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from adapters.chats.slack import limits
from adapters.chats.slack.blocks import json_length, rendered_length

TOKEN = "xoxb-test"
# How an answer can go wrong: each is used up by one request.
DROPPED, LOST, BUSY, BROKEN, INTERNAL = "dropped after accepting", "dropped before", "429", "500", "internal_error"


class Refused(Exception):
    """An answer with `ok: false`."""


def check_message(body: dict[str, Any]) -> None:
    """Refuse a message that Slack would refuse. Raises Refused with Slack's error."""
    blocks = body.get("blocks") or []
    if not body.get("text"):
        raise Refused("no_text")
    if len(body["text"]) > limits.FALLBACK.slack:
        raise Refused("msg_too_long")
    if len(blocks) > limits.BLOCKS.slack:
        raise Refused("invalid_blocks")
    if rendered_length(blocks) > limits.RENDERED.slack or json_length(blocks) > limits.JSON.slack:
        raise Refused("msg_blocks_too_long")
    tables = [block for block in blocks if block.get("type") == "table"]
    if len(tables) > limits.TABLES.slack:
        raise Refused("invalid_attachments: only_one_table_allowed")
    for block in blocks:
        _check(block)
    if len(json.dumps(body.get("metadata", {}))) > limits.METADATA.slack:
        raise Refused("metadata_too_large")
    if body.get("unfurl_links") is not False or body.get("unfurl_media") is not False:
        raise AssertionError("unfurling is on")


def _need(condition: bool, why: str) -> None:
    if not condition:
        raise Refused(f"invalid_blocks: {why}")


def _check(block: dict[str, Any]) -> None:
    match block["type"]:
        case "header":
            _plain(block["text"], limits.HEADER.slack)
        case "context":
            _need(1 <= len(block["elements"]) <= limits.CONTEXT.slack, "context")
            for element in block["elements"]:
                _plain(element, 3_000)
        case "rich_text":
            _need(bool(block["elements"]), "empty rich_text")
            for element in block["elements"]:
                _rich(element)
        case "table":
            _table(block)
        case "actions":
            _need(1 <= len(block["elements"]) <= limits.ACTIONS.slack, "actions")
            for element in block["elements"]:
                _button(element)
        case other:
            _need(False, f"unknown block {other}")


def _plain(text: dict[str, Any], most: int) -> None:
    _need(text["type"] == "plain_text" and 1 <= len(text["text"]) <= most, "plain_text")


def _rich(element: dict[str, Any]) -> None:
    _need(bool(element["elements"]), "empty element")
    if element["type"] == "rich_text_list":
        for section in element["elements"]:
            _rich(section)
        return
    _need(element["type"] == "rich_text_section", "element")
    for leaf in element["elements"]:
        _need(leaf["type"] in ("text", "link") and bool(leaf["text"]), "leaf")
        _need(set(leaf) <= {"type", "text", "url", "style"}, "leaf")
        if leaf["type"] == "link":
            _need(leaf["url"].startswith(("http://", "https://")) and len(leaf["url"]) <= limits.URL.slack, "link")


def _table(block: dict[str, Any]) -> None:
    rows = block["rows"]
    _need(1 <= len(rows) <= limits.TABLE_ROWS.slack, "rows")
    _need(len({len(row) for row in rows}) == 1 and len(rows[0]) <= limits.TABLE_CELLS.slack, "cells")
    _need(rendered_length(rows) <= limits.TABLE_TEXT.slack, "table text")
    for cell in (cell for row in rows for cell in row):
        if cell["type"] == "raw_text":
            _need(bool(cell["text"]), "empty cell")
        else:
            _check(cell)


def _button(element: dict[str, Any]) -> None:
    _plain(element["text"], limits.BUTTON_TEXT.slack)
    _need(len(element.get("value", "")) <= limits.BUTTON_VALUE.slack, "button value")
    _need(len(element.get("url", "")) <= limits.URL.slack, "button url")


class SlackServer:
    """Channels and what stands in them. `clock` decides who posts too fast; `hidden` seconds keep a message unseen."""

    def __init__(self, clock: Callable[[], float], *, channels: tuple[str, ...] = ("C1",)) -> None:
        self.messages: dict[str, list[dict[str, Any]]] = {channel: [] for channel in channels}
        self.files: list[dict[str, Any]] = []
        self.errors: dict[str, str] = {}
        self.requests: list[str] = []
        self.too_fast = 0
        self._clock = clock
        self._faults: list[str] = []
        self._last: dict[str, float] = defaultdict(lambda: float("-inf"))
        self._uploads: dict[str, bytes] = {}
        self._lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.root = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.url = f"{self.root}/api/"

    def __enter__(self) -> SlackServer:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def queue(self, *faults: str) -> None:
        """Let the next posts go wrong."""
        self._faults += faults

    def thread(self, channel: str, ts: str | None) -> list[dict[str, Any]]:
        """What stands in a thread, or at the top of a channel."""
        return [m for m in self.messages[channel] if m.get("thread_ts") == ts]

    # --- Answers ---

    def answer(self, method: str, body: dict[str, Any]) -> dict[str, Any]:
        """What a method answers. Raises Refused."""
        known = {
            "chat.postMessage": self._post,
            "conversations.history": lambda b: self._read(b, None),
            "conversations.replies": lambda b: self._read(b, b["ts"]),
            "files.getUploadURLExternal": self._upload_url,
            "files.completeUploadExternal": self._complete,
        }
        if method not in known:
            raise Refused("unknown_method")
        if body.get("token") != TOKEN:
            raise Refused("invalid_auth")
        if error := self.errors.get(method):
            raise Refused(error)
        return known[method](body)

    def _post(self, body: dict[str, Any]) -> dict[str, Any]:
        channel = body.get("channel", "")
        if channel not in self.messages:
            raise Refused("channel_not_found")
        now = self._clock()
        self.too_fast += now - self._last[channel] < limits.PACE - 1e-6
        self._last[channel] = now
        check_message(body)
        top = {m["ts"] for m in self.messages[channel] if not m.get("thread_ts")}
        if body.get("thread_ts") and body["thread_ts"] not in top:
            raise Refused("thread_not_found")
        kept = {**body, "ts": f"{len(self.messages[channel]) + 1}.000100"}
        self.messages[channel].append(kept)
        return {"channel": channel, "ts": kept["ts"]}

    def _read(self, body: dict[str, Any], thread: str | None) -> dict[str, Any]:
        found = [m for m in self.messages[body["channel"]] if m.get("thread_ts") == thread]
        shown = reversed(found[-min(int(body.get("limit", 15)), limits.HISTORY.slack) :])
        return {"messages": [m if body.get("include_all_metadata") else {**m, "metadata": {}} for m in shown]}

    def _upload_url(self, body: dict[str, Any]) -> dict[str, Any]:
        if not body.get("filename") or int(body.get("length", 0)) < 1:
            raise Refused("invalid_arguments")
        number = f"F{len(self._uploads)}"
        self._uploads[number] = b""
        return {"upload_url": f"{self.root}/upload/{number}", "file_id": number}

    def _complete(self, body: dict[str, Any]) -> dict[str, Any]:
        files = json.loads(body["files"]) if isinstance(body["files"], str) else body["files"]
        for file in files:
            where = {"channel": body["channel_id"], "thread_ts": body.get("thread_ts")}
            self.files.append({**file, **where, "content": self._uploads[file["id"]].decode()})
        return {"files": files}

    def _handler(server) -> type[BaseHTTPRequestHandler]:  # the handler's own self is another one
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                self.do_POST()

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = urlsplit(self.path)
                with server._lock:
                    if parts.path.startswith("/upload/"):
                        server._uploads[parts.path.removeprefix("/upload/")] = raw
                        self._say(200, b"OK")
                        return
                    self._answer(parts.path.removeprefix("/api/"), server._body(self.headers, raw, parts.query))

            def _answer(self, method: str, body: dict[str, Any]) -> None:
                server.requests.append(method)
                fault = server._faults.pop(0) if server._faults and method == "chat.postMessage" else ""
                if fault == LOST:
                    self.close_connection = True
                    return
                if fault in (BUSY, BROKEN):
                    status, error = (429, "ratelimited") if fault == BUSY else (500, "service_unavailable")
                    self._say(status, json.dumps({"ok": False, "error": error}).encode(), {"Retry-After": "7"})
                    return
                try:
                    answer: dict[str, Any] = {"ok": True, **server.answer(method, body)}
                except Refused as refused:
                    answer = {"ok": False, "error": str(refused), "needed": "chat:write"}
                if fault == DROPPED:
                    self.close_connection = True
                    return
                if fault == INTERNAL:
                    answer = {"ok": False, "error": "internal_error"}
                self._say(200, json.dumps(answer).encode())

            def _say(self, status: int, said: bytes, headers: dict[str, str] | None = None) -> None:
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

        return Handler

    @staticmethod
    def _body(headers: Any, raw: bytes, query: str) -> dict[str, Any]:
        kind = headers.get("Content-Type", "")
        if kind.startswith("application/json"):
            body = json.loads(raw or b"{}")
        else:
            body = {name: values[0] for name, values in parse_qs(raw.decode() or query).items()}
        body.setdefault("token", headers.get("Authorization", "").removeprefix("Bearer "))
        return body
