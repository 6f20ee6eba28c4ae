"""Kills the real program at random moments of a morning, and counts what was lost and what was doubled.

`digest run` in processes of its own, a SQLite file, the tests' Slack and GitHub on loopback.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from github_server import GitHubServer
from repositories import Builder, lines
from service import ROOT, environment, quiet_zone
from slack_server import SlackServer

from adapters.stores.sqlite import SqliteStore
from bot.values import Delivery, DeliveryState, Place, StepState, Subscription

CHANNELS = ("C1", "C2")
HIGH, MEDIUM = 2, 3
LEASE = 2.0
MESSAGES = 1 + HIGH + 1 + 1  # headline, the high commits, the rest, the report


def morning(path: Path, now: datetime) -> Path:
    """A repository with a few commits on the day before `now`, in any zone's sense of it."""
    build, noon = Builder(path), now - timedelta(hours=24)
    build.commit("root", noon - timedelta(days=20), {"README.md": "# App\n"})
    for n in range(HIGH):
        files = {f"src/api{n}.py": lines(1, 60, f"endpoint_{n}")}
        build.commit(
            f"h{n}", noon + timedelta(minutes=n), files, message=f"feat(api)!: replace endpoint {n} (#{n + 1})"
        )
    for n in range(MEDIUM):
        files = {f"src/part{n}.py": lines(1, 20, f"part_{n}")}
        build.commit(f"m{n}", noon + timedelta(minutes=10 + n), files, message=f"fix: wrong part {n} (#{n + 11})")
    return build.finish().path


@dataclass
class Run:
    """What came of one morning."""

    seed: int
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    kills: int = 0
    in_a_send: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.faults)


class Morning:
    """One morning of two channels that follow one repository, with processes that are killed and started again."""

    def __init__(
        self, folder: Path, github: GitHubServer, seed: int, *, hidden: float, settle: float, chaos: bool, racing: bool
    ) -> None:
        self._chance = random.Random(seed)
        self._folder = folder
        self._database = folder / "digest.db"
        self._github = github
        self._settle = settle
        self._racing = racing
        self._processes: list[subprocess.Popen[bytes]] = []
        self._slack = SlackServer(
            time.time, channels=CHANNELS, hidden=hidden, chaos=random.Random(seed) if chaos else None
        )
        self.run = Run(seed)

    def play(self) -> Run:
        """Begin, kill or stop now and then, let it end, and count."""
        now = datetime.now(UTC)
        store = SqliteStore(self._database)
        created = now - timedelta(hours=24)
        subscription = Subscription(Place("slack", ""), "team/app", "0 6 * * *", quiet_zone(now), "en", created=created)
        for channel in CHANNELS:
            store.subscribe(replace(subscription, place=Place("slack", f"T1/{channel}")))
        try:
            with self._slack:
                self._start()
                self._wait(store.deliveries, "nothing is due")
                for _ in range(self._chance.choice((1, 1, 2))):
                    time.sleep(self._chance.uniform(0, 7))
                    self._strike(store)
                self._wait(lambda: self._ended(store), "not all is posted")
                self._end()
                self._count(store)
        finally:
            for process in self._processes:
                process.kill()
                process.wait()
            store.close()
        return self.run

    def _start(self) -> None:
        told = environment(
            self._folder,
            self._slack.url,
            PYTHONFAULTHANDLER="1",
            DIGEST_LEASE=str(LEASE),
            DIGEST_SETTLE=str(self._settle),
            GITHUB_URL=self._github.url,
        )
        with (self._folder / "log").open("ab") as log:
            while len(self._processes) < (2 if self._racing else 1):
                command = [sys.executable, "-m", "bot", "run"]
                self._processes.append(
                    subprocess.Popen(command, env=told, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
                )

    def _strike(self, store: SqliteStore) -> None:
        """Kill a process, or let it stand still past its lease; then let there be as many as before."""
        self.run.kills += 1
        victim = self._chance.choice(self._processes)
        if self._racing and self._chance.random() < 0.4:
            victim.send_signal(signal.SIGSTOP)
            self.run.in_a_send += _in_a_send(store)
            time.sleep(LEASE + self._chance.uniform(0.5, 3))
            victim.send_signal(signal.SIGCONT)
            return
        victim.kill()
        victim.wait()
        self.run.in_a_send += _in_a_send(store)
        self._processes.remove(victim)
        time.sleep(self._chance.uniform(0, 1))
        self._start()

    def _end(self) -> None:
        """Ask the processes to end, which they do at once."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                # One that was only just started may not know the signal yet.
                if (code := process.wait(10)) not in (0, -signal.SIGTERM):
                    self.run.faults.append(f"ended with {code}")
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGABRT)  # tells where each thread stands
                process.wait()
                self.run.faults.append(f"did not end within 10 s\n{(self._folder / 'log').read_text()[-9_000:]}")

    def _ended(self, store: SqliteStore) -> bool:
        found = store.deliveries()
        return len(found) == len(CHANNELS) and all(d.state is DeliveryState.DONE for d in found)

    def _wait(self, condition, problem: str, seconds: float = 120) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, f"seed {self.run.seed}: {problem}\n{(self._folder / 'log').read_text()}"
            time.sleep(0.05)

    def _count(self, store: SqliteStore) -> None:
        """Look for every message of every delivery in its channel."""
        for delivery in store.deliveries():
            channel = CHANNELS[delivery.subscription - 1]
            self._count_channel(delivery, self._slack.channels[channel].messages)
        slack = self._slack
        self.run.faults += [*slack.violations, *slack.unknown, *slack.impatient]

    def _count_channel(self, delivery: Delivery, messages: list[dict]) -> None:
        steps = [step.key for step in delivery.steps]
        if len(steps) != MESSAGES or len(set(steps)) != MESSAGES:
            self.run.faults.append(f"steps {steps}")
        told = Counter(m["metadata"]["event_payload"]["key"].split("/")[1] for m in messages if not m.get("files"))
        told["files"] = sum(len(m["files"]) == 2 for m in messages if m.get("files"))
        (top,) = {s.thread for s in delivery.steps if s.key == "headline"}
        for key in (*steps, "files"):
            self.run.lost += [key] if not told[key] else []
            self.run.doubled += [key] * (told[key] - 1)
        if strange := set(told) - {*steps, "files"}:
            self.run.faults.append(f"unexpected {strange}")
        threads = {m.get("thread_ts") for m in messages if m["ts"] != top}
        if threads != {top} and not self.run.doubled:
            self.run.faults.append(f"threads {threads} beneath {top}")


def _in_a_send(store: SqliteStore) -> int:
    """How many messages were just being sent."""
    return sum(s.state is StepState.INTENDED for d in store.deliveries() for s in d.steps)


@contextmanager
def hub(folder: Path) -> Iterator[GitHubServer]:
    """A GitHub with one repository."""
    with GitHubServer({"team/app": morning(folder / "repo", datetime.now(UTC))}) as running:
        yield running
