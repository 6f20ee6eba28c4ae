"""The log of a process: one event per line on standard error, as text or JSON, without secrets.

The formatter redacts, so that it applies to every logger, including those of libraries.
"""

import json
import logging
import math
import re
import sys
import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import TextIO
from urllib.parse import unquote

from pydantic import SecretStr

from bot.settings import Settings

_HIDDEN = "***"
# The shapes of tokens: Slack's (docs.slack.dev/authentication/tokens), GitHub's
# (github.blog/2021-04-05-behind-githubs-new-authentication-token-formats), OpenAI's, what follows `Bearer` (RFC 6750,
# 2.1), and what is before the host of an address (RFC 3986, 3.2.1). `sk-` is the end of many words, so it counts only
# at the start of one, or after an escape sequence.
_SHAPES = re.compile(
    r"xox[a-z](?:\.xox[a-z])?-[\w-]+|xapp-[\w-]+|gh[opusr]_[\w.-]{8,}|github_pat_\w+"
    r"|(?:(?<![a-z0-9])|(?<=%[0-9a-f]{2})|(?<=\\[nrt]))sk-[\w-]{20,}"
    r"|(?P<before>\bBearer(?:\s|%20|\+)+)[\w.~+/=%-]+|(?<=://)[^/\s]+(?=@)",
    re.IGNORECASE | re.ASCII,
)
_PLAIN = re.compile(r"[^\s\"'=\\]+")
_SHORTEST = 4
"""A shorter setting is not a real secret, and would redact most of the log."""


class Formatter(logging.Formatter):
    """Writes an event as one line, with its fields (`extra={"fields": {…}}`) and the traceback of an exception."""

    def __init__(self, secrets: frozenset[str], as_json: bool) -> None:
        super().__init__()
        longest_first = sorted(secrets, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(_in_any_form, longest_first))) if secrets else None
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """The line of an event, without its end."""
        fields = {name: self._value(value) for name, value in getattr(record, "fields", {}).items()}
        if record.exc_info:
            fields["traceback"] = self._redacted(self.formatException(record.exc_info))
        event = self._redacted(_message(record))
        moment = datetime.fromtimestamp(record.created, UTC)
        if self._as_json:
            head = {"time": _iso(moment, "milliseconds"), "level": record.levelname, "logger": record.name}
            head["event"] = event
            return json.dumps({**head, **fields, **head})  # fields cannot replace these
        said = [f"{name}={_quoted(str(value))}" for name, value in fields.items()]
        return " ".join([_iso(moment, "seconds"), record.levelname, record.name, _one_line(event), *said])

    def _value(self, value: object) -> object:
        """A field as logged: numbers and booleans unchanged, anything else as text."""
        text = str(value)
        redacted = self._redacted(text)
        exact = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
        return value if exact and redacted == text else redacted

    def _redacted(self, text: str) -> str:
        if self._secrets:
            text = self._secrets.sub(_HIDDEN, text)
        return _SHAPES.sub(rf"\g<before>{_HIDDEN}", text)


def _message(record: logging.LogRecord) -> str:
    """The message of an event. If its arguments do not fit, they are left out: `logging` would print them with secrets.

    The library's answer to an error in a formatter is `Handler.handleError`, which writes message and arguments.
    """
    try:
        return record.getMessage()
    except Exception:
        return str(record.msg)


def _in_any_form(secret: str) -> str:
    """A pattern for a secret: its characters plain or percent-encoded, or all as JSON or Python escape them."""
    encoded = "".join(map(_character, secret))
    escaped = {json.dumps(secret)[1:-1], repr(secret)[1:-1], repr(f'"{secret}')[2:-1]}  # a quote may be escaped or not
    return "|".join([encoded, *map(re.escape, sorted(escaped - {secret}))])


def _character(char: str) -> str:
    percent = "".join(f"%{byte:02x}" for byte in char.encode("utf-8", "surrogatepass"))
    return rf"(?:{re.escape(char)}|(?i:{percent})|\+)" if char == " " else f"(?:{re.escape(char)}|(?i:{percent}))"


def _iso(moment: datetime, timespec: str) -> str:
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")


def _one_line(text: str) -> str:
    """Text with invisible characters escaped, not removed, so that no secret is put together."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _quoted(value: str) -> str:
    """A value, quoted so that it cannot be mistaken for another field or line."""
    return value if _PLAIN.fullmatch(value) and value.isprintable() else json.dumps(value)


def secrets_of(settings: Settings) -> frozenset[str]:
    """The values of all secret settings; comma-separated ones separately, without the names before them."""
    values = (getattr(settings, name) for name in type(settings).model_fields)
    whole = [value.get_secret_value().strip() for value in values if isinstance(value, SecretStr)]
    parts = [part.strip() for secret in whole for part in secret.split(",")]
    named = [word for part in parts for word in part.partition("=")[2].split()]
    login = [_password(secret) for secret in whole]
    return frozenset(secret for secret in (*whole, *parts, *named, *login) if len(secret) >= _SHORTEST)


def _password(address: str) -> str:
    """The password in an address, percent-decoded; empty if there is none."""
    login, at, _ = address.partition("://")[2].rpartition("@")
    return unquote(login.partition(":")[2]) if at else ""


class _Handler(logging.StreamHandler[TextIO]):
    """The handler of this program."""


_known: set[str] = set()
"""Every secret that this process has read: when settings change, other parts may still use earlier ones."""


def configure(settings: Settings) -> None:
    """Configure the log on standard error: the bot's own events from INFO, libraries' from WARNING.

    Safe to call again when settings are read again: earlier secrets stay redacted, and every line has a handler.
    """
    _known.update(secrets_of(settings))
    formatter = Formatter(frozenset(_known), settings.digest_log == "json")
    for present in logging.getLogger().handlers:
        if isinstance(present, _Handler) and present.stream is sys.stderr:
            present.setFormatter(formatter)
            return
    handler = _Handler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("digest").setLevel(logging.INFO)


def catch() -> None:
    """Log uncaught errors of all threads, and Python's warnings: else they are printed unredacted."""
    log = logging.getLogger("digest")

    def uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        log.critical("uncaught", exc_info=(kind, error, trace))

    def in_thread(raised: threading.ExceptHookArgs) -> None:
        uncaught(raised.exc_type, raised.exc_value or raised.exc_type(), raised.exc_traceback)

    sys.excepthook, threading.excepthook = uncaught, in_thread
    logging.captureWarnings(True)
