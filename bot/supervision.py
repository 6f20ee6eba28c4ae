"""Keeps every chat running on its own: each starts, fails, says so and restarts without affecting the others."""

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
"""Seconds until a chat that failed begins again: after the first time, and at most."""
LOOK = 0.5
"""Seconds between two looks at whether a chat is connected."""
PARTING = 2.0
"""Seconds for all chats together to end in; one that is just being connected is left alone then."""
_DOUBLINGS = 10


class Makers(Protocol):
    """Makes chats from what is set now."""

    def make(self, name: str) -> Chat:
        """A chat by its name, which from now on is the one of that name. Raises ConfigError."""
        ...

    def is_outdated(self, name: str) -> bool:
        """Whether a chat's settings have been changed since it was made."""
        ...


@dataclass
class _State:
    """How a chat is doing: what it failed of last, and whether it has ever been connected."""

    chat: Chat | None = None
    trouble: DigestError | None = None
    connected: bool = False
    reported: set[str] = field(default_factory=set)


class Readying:
    """Makes chats for a process that posts in them and does not listen; has the face of a `Supervisor`."""

    def __init__(self, names: Sequence[str], makers: Makers) -> None:
        self._names, self._makers = names, makers
        self._wrong: dict[str, DigestError] = {}
        self._stopped = False

    def prepare(self) -> None:
        """Make what can be made."""
        for name in self._names:
            self._make(name)

    def run(self) -> None:
        """Wait until `stop` is called. Raises ConfigError where no chat can be made, as they are set up."""
        if len(self._wrong) == len(self._names):
            raise self._wrong[self._names[0]]
        while not self._stopped:
            time.sleep(LOOK)  # no Event, as in `Supervisor.run`

    def stop(self) -> None:
        """End `run`."""
        self._stopped = True

    def unready(self) -> DigestError | None:
        """Why no chat can be posted to, None if one can."""
        return next(iter(self._wrong.values())) if len(self._wrong) == len(self._names) else None

    def refresh(self) -> None:
        """Make chats again that could not be made, or whose settings changed."""
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
        """Make what can be made, so that whoever looks which chats there are finds them from the beginning."""
        for name, state in self._states.items():
            with suppress(DigestError):  # it is reported at the next attempt
                state.chat = self._makers.make(name)

    def run(self) -> None:
        """Listen until `stop` is called. Raises ConfigError if no chat can work as it is set up."""
        threads = [threading.Thread(target=self._keep, args=(name,), name=name, daemon=True) for name in self._states]
        for thread in threads:
            thread.start()
        # A signal that another thread takes does not wake a main thread that waits without end.
        while not self._stopped.is_set() and any(t.is_alive() for t in threads) and not self._hopeless():
            self._look()
            time.sleep(LOOK)  # no Event: a signal's handler sets one, which deadlocks a thread that is at its lock
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
        """Why nobody can be reached, None if somebody can; before the first chat is connected nobody can."""
        self._look()
        if any(chat and chat.connected for chat in [state.chat for state in self._states.values()]):
            return None
        troubles = (state.trouble for state in self._states.values())
        return next(filter(None, troubles), Unavailable("chat_connecting", names=tuple(self._states)))

    def _hopeless(self) -> ConfigError | None:
        """What is wrong with the first chat, if each has to be set up differently and none ever worked."""
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
                self._tell(name, state, trouble)
                self._wait(min(LONGEST, FIRST * 2.0 ** min(failures - 1, _DOUBLINGS)))

    def _attempt(self, name: str, state: _State) -> DigestError | None:
        """Make a chat and listen in it; why it failed, None if it was closed."""
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

    def _tell(self, name: str, state: _State, trouble: DigestError) -> None:
        """Say once what a chat failed of, until it works again."""
        state.trouble = trouble
        if str(trouble) not in state.reported:
            state.reported.add(str(trouble))
            _log.error("a chat does not work; retrying", extra={"fields": {"chat": name, "reason": trouble}})

    def _look(self) -> None:
        """Notice which chats are connected by now."""
        with self._looking:
            for name, state in self._states.items():
                chat, trouble = state.chat, state.trouble
                if chat and chat.connected and (trouble or not state.connected):
                    if trouble and not self._has_reconnected(name):
                        continue
                    state.connected, state.trouble, state.reported = True, None, set()
                    _log.info("connected", extra={"fields": {"chat": name}})

    def _has_reconnected(self, name: str) -> bool:
        """Report that a chat is back; if that fails, as with a busy database, it is reported at the next look."""
        try:
            self._reconnected(name)
        except DigestError as error:
            _log.warning("not recorded yet", extra={"fields": {"chat": name, "reason": error}})
            return False
        return True

    def refresh(self) -> None:
        """Restart the chats whose settings changed meanwhile."""
        for name, state in self._states.items():
            if (chat := state.chat) and self._makers.is_outdated(name):
                _log.info("its settings were changed", extra={"fields": {"chat": name}})
                chat.close()
