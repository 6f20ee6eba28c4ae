"""Mornings of two to four processes on one PostgreSQL server: any is killed or stopped, or the server itself.

Or all are killed, and go on with a backup.
"""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import cast

from github_server import GitHubServer
from killing import LEASE, Morning, Room, _in_a_send
from postgres import Postgres

from adapters.stores.postgres import PostgresStore
from bot.errors import Unavailable
from bot.ports import Store

SPLIT = (("--only", "listen"), ("--only", "plan"), ("--only", "work"), ("--only", "work"))
_ONE_AT_A_TIME = threading.Lock()


class Patient:
    """A store for a test, which waits while the server is being started again."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str):
        method = getattr(self._store, name)

        def patiently(*args, **named):
            until = time.monotonic() + 60
            while True:
                try:
                    return method(*args, **named)
                except Unavailable:
                    assert time.monotonic() < until
                    time.sleep(0.1)

        return patiently


class SharedMorning(Morning):
    """One morning of two channels, with two to four processes; in every third each has only a part of the work."""

    def __init__(
        self,
        folder: Path,
        github: GitHubServer,
        seed: int,
        room: Room,
        server: Postgres,
        *,
        settle: float,
        forgetting: bool = False,
    ) -> None:
        super().__init__(folder, github, seed, room, settle=settle, racing=True, forgetting=forgetting)
        self._server = server
        with _ONE_AT_A_TIME:
            self._name = server.fresh()
        self._roles = list(SPLIT) if seed % 3 == 2 else [()] * (2 + seed % 3)
        self.struck: list[str] = []

    def _opened(self) -> Store:
        return cast(Store, Patient(PostgresStore(self._server.address(self._name))))

    def _settings(self) -> dict[str, str]:
        return {"DIGEST_DATABASE": self._server.address(self._name).get_secret_value()}

    def _await_a_moment(self, store: Store) -> None:
        if not self._forgetting and self._chance.random() < 0.6:
            self._stop_all_in_a_send(store)
        else:
            super()._await_a_moment(store)

    def _stop_in_a_send(self, store: Store) -> None:
        self._stop_all_in_a_send(store)

    def _stop_all_in_a_send(self, store: Store) -> None:
        """Stop every process with a message half sent, whoever sends it."""

        def stopped() -> bool:
            if not _in_a_send(store):
                return self._ended(store)
            self._signal(signal.SIGSTOP)
            for process in self._processes:
                process.stopped()
            if _in_a_send(store):
                return True
            self._signal(signal.SIGCONT)
            return False

        self._wait(stopped, "nothing is sent", pause=0.01)

    def _signal(self, number: signal.Signals) -> None:
        for process in self._processes:
            process.send_signal(number)

    def _strike(self, store: Store) -> Store:
        """Kill a process, let one stand still past its lease, or end or cut off the server."""
        self.run.kills += 1
        how = self._chance.choice(("kill", "kill", "stop", "crash", "cut"))
        self.struck.append(how)
        self.run.in_a_send += _in_a_send(store)
        victim = self._chance.choice(self._processes)
        if how == "kill":
            victim.kill()
            victim.wait()
            self._remove(victim)
        elif how == "crash":
            with _ONE_AT_A_TIME:  # others are on the same server
                self._server.crash()
        elif how == "cut":
            with _ONE_AT_A_TIME:
                self._server.cut(self._name)
        if how == "stop":
            victim.send_signal(signal.SIGSTOP)
        for process in self._processes:
            if how != "stop" or process is not victim:
                process.send_signal(signal.SIGCONT)
        time.sleep(LEASE + self._chance.uniform(0.5, 3) if how == "stop" else self._chance.uniform(0, 1))
        victim.send_signal(signal.SIGCONT)
        self._start()
        return store

    # --- What the database forgets ---

    def _reopened(self, store: Store) -> Store:
        return store

    def _back_up(self, store: Store) -> None:
        self._server.dump(self._name, self._folder / "backup.dump")

    def _restored(self, store: Store) -> Store:
        """A backup in place of the database, of which the bot is told, or which it notices itself by its folder."""
        store.close()
        self._server.restore(self._name, self._folder / "backup.dump")
        if self._chance.random() < 0.5:
            self._server.sql("UPDATE memory SET restored = 1", self._name)
        return self._opened()
