"""Keeps chats running independently: each starts, fails, logs that and restarts without affecting the others."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from bot.errors import ConfigError, DigestError, Unavailable
from bot.ports import Chat

_log = logging.getLogger("digest.chats")

FIRST, LONGEST = 1.0, 60.0
"""Seconds until a failed chat restarts: the first time, and at most."""
LOOK = 0.5
"""Seconds between two checks whether a chat is connected."""
PARTING = 2.0
"""Seconds for all chats to stop; one that is still connecting is abandoned then."""
_DOUBLINGS = 10


class Makers(Protocol):
    """Creates chats from the current settings."""

    def make(self, name: str) -> Chat:
        """Create a chat, which replaces the one with that name. Raises ConfigError."""
        ...

    def is_outdated(self, name: str) -> bool:
        """Whether a chat's settings have been changed since it was made."""
        ...


@dataclass
class _State:
    """The state of a chat: its last error, and whether it has ever been connected."""

    chat: Chat | None = None
    trouble: DigestError | None = None
    connected: bool = False
    reported: set[str] = field(default_factory=set)


class Readying:
    """Creates chats for a process that only posts in them; has the interface of a `Supervisor`."""

    def __init__(self, names: Sequence[str], makers: Makers) -> None:
        self._names, self._makers = names, makers
        self._wrong: dict[str, DigestError] = {}
        self._stopped = False

    def prepare(self) -> None:
        """Create the chats that can be created."""
        for name in self._names:
            self._make(name)

    def run(self) -> None:
        """Wait until `stop` is called. Raises ConfigError if no chat can be created with its settings."""
        if len(self._wrong) == len(self._names):
            raise self._wrong[self._names[0]]
        while not self._stopped:
            time.sleep(LOOK)  # no Event, as in `Supervisor.run`

    def stop(self) -> None:
        """End `run`."""
        self._stopped = True

    def unready(self) -> DigestError | None:
        """Why no chat can be posted to; None if one can."""
        return next(iter(self._wrong.values())) if len(self._wrong) == len(self._names) else None

    def refresh(self) -> None:
        """Create chats that could not be created, or whose settings changed, again."""
        for name in self._names:
            if name in self._wrong or self._makers.is_outdated(name):
                self._make(name)

    def _make(self, name: str) -> None:
        try:
            self._makers.make(name)
        except DigestError as error:
            if str(self._wrong.get(name)) != str(error):
                fields = {"chat": name, "reason": error}
                _log.error("a chat does not work; retrying", extra={"fields": fields})
            self._wrong[name] = error
        else:
            self._wrong.pop(name, None)


class Supervisor:
    """Listens in chats, each in its own thread, until it is stopped.

    `listen` listens in a chat until that is closed, and raises DigestError; `reconnected` gets the name of a chat that
    is connected again. `wait` waits some seconds, or until it is stopped, and says whether it is.
    """

    def __init__(
        self,
        names: Sequence[str],
        makers: Makers,
        listen: Callable[[Chat], None],
        reconnected: Callable[[str], None] = lambda _: None,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self._states = {name: _State() for name in names}
        self._makers, self._listen, self._reconnected = makers, listen, reconnected
        self._stopped, self._looking = threading.Event(), threading.Lock()
        self._wait = wait or self._stopped.wait

    def prepare(self) -> None:
        """Create the chats that can be created, so that they are known from the beginning."""
        for name, state in self._states.items():
            with suppress(DigestError):  # it is reported at the next attempt
                state.chat = self._makers.make(name)

    def run(self) -> None:
        """Listen until `stop` is called. Raises ConfigError if no chat can work as it is set up."""
        threads = [threading.Thread(target=self._keep, args=(name,), name=name, daemon=True) for name in self._states]
        for thread in threads:
            thread.start()
        # A signal that another thread receives does not wake a main thread that waits without a timeout.
        while not self._stopped.is_set() and any(t.is_alive() for t in threads) and not self._hopeless():
            self._look()
            time.sleep(LOOK)  # no Event: a signal handler that sets one would deadlock a thread that holds its lock
        hopeless = self._hopeless()
        self.stop()
        ends = time.monotonic() + PARTING
        for thread in threads:
            thread.join(max(0.0, ends - time.monotonic()))
        if hopeless:
            raise hopeless

    def stop(self) -> None:
        """End `run`."""
        self._stopped.set()
        for chat in [state.chat for state in self._states.values()]:
            if chat:
                chat.close()

    def unready(self) -> DigestError | None:
        """Why no chat is connected; None if one is. Before the first connection none is."""
        self._look()
        if any(chat and chat.connected for chat in [state.chat for state in self._states.values()]):
            return None
        troubles = (state.trouble for state in self._states.values())
        return next(filter(None, troubles), Unavailable("chat_connecting", names=tuple(self._states)))

    def _hopeless(self) -> ConfigError | None:
        """The error of the first chat, if all have wrong settings and none ever worked."""
        troubles = [None if state.connected else state.trouble for state in self._states.values()]
        wrong = [trouble for trouble in troubles if isinstance(trouble, ConfigError)]
        return wrong[0] if len(wrong) == len(troubles) else None

    # --- One chat ----------------------------------------------------------------------------

    def _keep(self, name: str) -> None:
        failures, state = 0, self._states[name]
        while not self._stopped.is_set():
            trouble = self._attempt(name, state)
            state.chat = None
            if trouble:
                failures = 0 if state.trouble is None else failures
                failures += 1
                self._log_trouble(name, state, trouble)
                self._wait(min(LONGEST, FIRST * 2.0 ** min(failures - 1, _DOUBLINGS)))

    def _attempt(self, name: str, state: _State) -> DigestError | None:
        """Create a chat and listen in it; return its error, or None if it was closed."""
        try:
            chat = state.chat = state.chat or self._makers.make(name)
            if not self._stopped.is_set():
                self._listen(chat)
        except DigestError as error:
            return error
        except Exception:
            _log.exception("a chat failed", extra={"fields": {"chat": name}})
            return DigestError("chat_crashed", chat=name)
        return None

    def _log_trouble(self, name: str, state: _State, trouble: DigestError) -> None:
        """Log the error of a chat, once until it works again."""
        state.trouble = trouble
        if str(trouble) not in state.reported:
            state.reported.add(str(trouble))
            _log.error("a chat does not work; retrying", extra={"fields": {"chat": name, "reason": trouble}})

    def _look(self) -> None:
        """Update which chats are connected."""
        with self._looking:
            for name, state in self._states.items():
                chat, trouble = state.chat, state.trouble
                if chat and chat.connected and (trouble or not state.connected):
                    if trouble and not self._has_reconnected(name):
                        continue
                    state.connected, state.trouble, state.reported = True, None, set()
                    _log.info("connected", extra={"fields": {"chat": name}})

    def _has_reconnected(self, name: str) -> bool:
        """Report that a chat is back; if that fails, as with a busy database, it is reported at the next check."""
        try:
            self._reconnected(name)
        except DigestError as error:
            _log.warning("a reconnection is not recorded yet", extra={"fields": {"chat": name, "reason": error}})
            return False
        return True

    def refresh(self) -> None:
        """Restart the chats whose settings changed meanwhile."""
        for name, state in self._states.items():
            if (chat := state.chat) and self._makers.is_outdated(name):
                _log.info("a chat's settings were changed", extra={"fields": {"chat": name}})
                chat.close()
