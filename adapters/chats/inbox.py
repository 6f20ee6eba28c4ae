"""Accepts requests from a chat at once, since no platform waits long, and answers them in threads of our own."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Protocol

from bot.errors import DigestError, Unavailable
from bot.ports import Listener
from bot.values import Form, Message, MessageKind, Place, Request, Span

_WORKERS = 8
_WAITING = 200
"""The most requests that may wait for a thread."""
_QUIET, _LONGEST = 0.01, 0.1
"""Seconds without another request before work begins, and the longest wait for them: a burst is acknowledged first."""
_SLOW = 2.5
"""Seconds after which a person who waits is shown that the bot is working."""


class Busy(Exception):
    """Too much is waiting already, or the bot is stopping: nothing more is accepted now."""


class Note(Protocol):
    """A temporary note to a person who waits that the bot is working."""

    def show(self) -> float | None:
        """Show it; return the seconds until it must be shown again (None: never). Raises DigestError."""
        ...

    def remove(self) -> None:
        """Remove it. Raises DigestError."""
        ...


class Inbox:
    """A bounded pool of threads that answer requests. Safe for several threads.

    `chat` is its name, in the log and in labels' keys; `post` posts in it; `drain` is how many seconds accepted
    requests get when the bot stops.
    """

    def __init__(
        self, chat: str, post: Callable[[Place, Message], object], listener: Listener, *, drain: float
    ) -> None:
        self._chat = chat
        self._post = post
        self._listener = listener
        self._drain = drain
        self._log = logging.getLogger(f"digest.{chat}")
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix=chat)
        self._lock = threading.Lock()
        self._taken = 0
        self._latest = 0.0
        self._ended = False

    @property
    def idle(self) -> bool:
        """Whether nothing is in progress or waiting."""
        with self._lock:
            return self._taken == 0

    def accept(self, work: Callable[[], object], acknowledge: Callable[[], object] = lambda: None) -> None:
        """Acknowledge, then do the work in a thread. Raises Busy, and does neither, if it cannot be accepted."""
        with self._lock:  # also while submitting: `drain` ends the pool
            if self._ended or self._taken >= _WORKERS + _WAITING:
                raise Busy
            acknowledge()
            self._taken += 1
            self._latest = time.monotonic()
            self._pool.submit(self._run, work)

    def drain(self) -> None:
        """Accept nothing more, and let accepted work finish for some seconds; what still waits then is dropped."""
        with self._lock:
            self._ended = True
        ending = threading.Thread(target=self._pool.shutdown, daemon=True)
        ending.start()
        ending.join(self._drain)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def answer(self, request: Request, show: Callable[[Form], None] | None, note: Note) -> None:
        """Answer a request, with a form if it asks for one; `note` is shown if that takes a while."""
        waiting = _Waiting(note)
        try:
            self._listener.request(request, show, waiting.over)
        finally:
            waiting.over()

    def say(self, place: Place, key: str) -> None:
        """Post one of the bot's texts; errors are ignored, since nothing more can be done."""
        with suppress(DigestError):
            text = self._listener.text(place, key)
            self._post(place, Message("note", (Span(text),), kind=MessageKind.NOTE))

    def _run(self, work: Callable[[], object]) -> None:
        self._let_others_in()
        try:
            work()
        except DigestError as error:
            shown = error if isinstance(error, Unavailable) else error.key
            self._log.warning("a request in %s failed: %s", self._chat, shown)
        except Exception:
            self._log.exception("a request in %s failed", self._chat)
        finally:
            with self._lock:
                self._taken -= 1

    def _let_others_in(self) -> None:
        """Wait until no more requests are coming in, since work would delay their acknowledgement."""
        longest = time.monotonic() + _LONGEST
        while (rest := self._latest + _QUIET - (now := time.monotonic())) > 0 and now < longest:
            time.sleep(rest)


class _Waiting:
    """Shows a note once a person has waited for a while, until the answer comes and never after it."""

    def __init__(self, note: Note) -> None:
        self._note = note
        self._lock = threading.Lock()
        self._shown = self._over = False
        self._timer = self._after(_SLOW)

    def _after(self, seconds: float) -> threading.Timer:
        timer = threading.Timer(seconds, self._show)
        timer.daemon = True
        timer.start()
        return timer

    def _show(self) -> None:
        with self._lock:
            if self._over:
                return
            self._shown = True
            with suppress(DigestError):
                if again := self._note.show():
                    self._timer = self._after(again)

    def over(self) -> None:
        """Remove the note if it was shown. If it is being shown, wait for that: else it would appear later."""
        with self._lock:
            self._timer.cancel()
            if self._shown and not self._over:
                with suppress(DigestError):
                    self._note.remove()
            self._over = True
