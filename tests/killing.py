"""Kills the real program at random moments of a morning, and counts what was lost and what was doubled.

`digest run` in processes of its own, a SQLite file, the tests' Slack or Feishu, and GitHub on loopback.
"""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import forkserver
from feishu_server import BOT, FeishuServer
from forkserver import Process
from github_server import GitHubServer
from repositories import Builder, lines
from service import ROOT, environment, feishu_settings, quiet_zone, slack_settings
from slack_server import SlackServer

from adapters.chats.feishu.chat import _card_mark
from adapters.sources.git.source import GitSource
from adapters.stores.rows import dump, instant
from adapters.stores.sqlite import SqliteStore
from bot.delivery.ledger import idempotency_key
from bot.errors import StoreError
from bot.ports import Idempotency, Store
from bot.values import ChangeType, Delivery, DeliveryState, Grade, Importance, Place, StepState, Subscription

HIGH, MEDIUM = 2, 3
LEASE = 2.0
REFUSED = f"src/api{HIGH - 1}.py"
"""What Feishu's content review takes in no card: it stands in one of the high commits' replies only."""
MESSAGES = 1 + HIGH + 1 + 1 + 1  # headline, the high commits, the rest, what became of an earlier one, the report
EARLIER = 90
"""The number of what was told some days ago, and is taken back on that morning."""


def morning(path: Path, now: datetime) -> Path:
    """A repository with a few commits on the day before `now`, in any zone's sense of it."""
    build, noon = Builder(path), now - timedelta(hours=24)
    build.commit("root", noon - timedelta(days=20), {"README.md": "# App\n"})
    build.commit("old", noon - timedelta(days=5), {"src/old.py": "x = 1\n"}, message=f"fix: old part (#{EARLIER})")
    for n in range(HIGH):
        files = {f"src/api{n}.py": lines(1, 60, f"endpoint_{n}")}
        build.commit(
            f"h{n}", noon + timedelta(minutes=n), files, message=f"feat(api)!: replace endpoint {n} (#{n + 1})"
        )
    for n in range(MEDIUM):
        files = {f"src/part{n}.py": lines(1, 20, f"part_{n}")}
        build.commit(f"m{n}", noon + timedelta(minutes=10 + n), files, message=f"fix: wrong part {n} (#{n + 11})")
    build.commit(
        "revert", noon + timedelta(minutes=30), {"src/old.py": "x = 0\n"}, message=f"Revert #{EARLIER} (#{EARLIER + 1})"
    )
    return build.finish().path


class Room(Protocol):
    """A chat with two channels, and what stands in them."""

    places: tuple[Place, Place]

    def __enter__(self) -> object: ...

    def __exit__(self, *_: object) -> None: ...

    def settings(self) -> dict[str, str]:
        """What the program is told, so that it posts there."""
        ...

    def seed(self, place: Place) -> str:
        """A digest of some days ago in a channel; what the thread beneath it is called."""
        ...

    def struck(self) -> float:
        """A process was just killed or stopped; the seconds that pass until anything else happens."""
        ...

    def told(self, subscription: Subscription, delivery: Delivery, keys: Collection[str]) -> Counter[str]:
        """How often each message stands in the subscription's channel, under `files` all its files.

        `keys` are those of the steps that any delivery had: one that was restored knows its own no more.
        """
        ...

    def threads(self, place: Place, top: str | None) -> set[str | None]:
        """Beneath what the channel's messages hang, but for that one and the one of some days ago."""
        ...

    def faults(self) -> list[str]:
        """What must not have been done."""
        ...


class SlackRoom:
    """The tests' Slack. `hidden` seconds keep a message out of its history, `chaos` lets a part of all go wrong."""

    places = (Place("slack", "T1/C1"), Place("slack", "T1/C2"))

    def __init__(self, hidden: float, chaos: random.Random | None) -> None:
        self._server = SlackServer(time.time, channels=("C1", "C2"), hidden=hidden, chaos=chaos)
        self._seeds: set[str] = set()

    def __enter__(self) -> object:
        return self._server.__enter__()

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()

    def settings(self) -> dict[str, str]:
        return slack_settings(self._server.url)

    def seed(self, place: Place) -> str:
        channel = self._server.channels[place.channel.removeprefix("T1/")]
        seeded = self._server._keep(channel, {"text": "an earlier digest", "metadata": {}})
        self._seeds.add(seeded["ts"])
        return seeded["ts"]

    def struck(self) -> float:
        return 0

    def _messages(self, place: Place) -> list[dict]:
        messages = self._server.channels[place.channel.removeprefix("T1/")].messages
        return [m for m in messages if m["ts"] not in self._seeds]

    def told(self, subscription: Subscription, delivery: Delivery, keys: Collection[str]) -> Counter[str]:
        messages = self._messages(subscription.place)
        told = Counter(m["metadata"]["event_payload"]["key"].split("/")[1] for m in messages if not m.get("files"))
        told["files"] = sum(len(m["files"]) == 2 for m in messages if m.get("files"))
        told["report"] += sum(bool(m.get("files") and m["text"]) for m in messages)  # its words stand with its files
        return told

    def threads(self, place: Place, top: str | None) -> set[str | None]:
        return {m.get("thread_ts") for m in self._messages(place) if m["ts"] != top}

    def faults(self) -> list[str]:
        return [*self._server.violations, *self._server.unknown, *self._server.impatient]


class FeishuRoom:
    """The tests' Feishu. With `later` more than an hour passes there whenever a process is killed.

    So it knows no `uuid` of before any more, and only its history tells what stands in a group.
    """

    places = (Place("feishu", "oc_1"), Place("feishu", "oc_2"))

    def __init__(self, hidden: float, chaos: random.Random | None, *, later: bool) -> None:
        self._passed = 0.0
        self._later = later
        self._seeds: set[str] = set()
        self._server = FeishuServer(
            lambda: time.time() + self._passed, groups=("oc_1", "oc_2"), hidden=hidden, chaos=chaos
        )
        self._server.date = time.time  # the program's clock is right: it is the `uuid`s that are forgotten
        self._server.forbidden.add(REFUSED)

    def __enter__(self) -> object:
        return self._server.__enter__()

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()

    def settings(self) -> dict[str, str]:
        return feishu_settings(self._server.root)

    def seed(self, place: Place) -> str:
        group = self._server.groups[place.channel]
        seeded = self._server._keep(group, "text", '{"text": "an earlier digest"}', BOT)
        self._seeds.add(seeded["message_id"])
        return seeded["message_id"]

    def struck(self) -> float:
        seconds = 3_700 if self._later else 0
        self._passed += seconds
        return seconds

    def told(self, subscription: Subscription, delivery: Delivery, keys: Collection[str]) -> Counter[str]:
        messages = self._server.groups[subscription.place.channel].messages
        names = [(key, name) for key in keys for name in (key, f"{key}/withheld")]
        steps = {_uuid(subscription, delivery, name): key for key, name in names}
        cards = [m for m in messages if m["msg_type"] == "interactive"]
        told = Counter(steps.get(m["uuid"], f"a stranger: {self._server.shown(m)[:80]}") for m in cards)
        names = Counter(self._server.shown(m) for m in messages if m["msg_type"] == "file")
        # Two files, of which each stands for the pair.
        notices = sum("was not accepted by this chat" in self._server.shown(m) for m in cards)
        assert notices >= 1, "nothing was refused"
        told["files"] = max(names.values(), default=0) if len(names) == 2 else 0
        return told

    def threads(self, place: Place, top: str | None) -> set[str | None]:
        known = {top, *self._seeds}
        return {m.get("root_id") for m in self._server.groups[place.channel].messages if m["message_id"] not in known}

    def faults(self) -> list[str]:
        return [*self._server.violations, *self._server.unknown]


def _uuid(subscription: Subscription, delivery: Delivery, key: str) -> str:
    """By what Feishu knows the card of a step again."""
    name = idempotency_key(subscription, delivery.until, key)
    return _card_mark(Idempotency(name, datetime.now(UTC), False, lambda: None), 0).uuid


@dataclass
class Run:
    """What came of one morning."""

    seed: int
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    kills: int = 0
    in_a_send: int = 0
    forgotten: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.faults)


class Morning:
    """One morning of two channels that follow one repository, with processes that are killed and started again."""

    def __init__(
        self,
        folder: Path,
        github: GitHubServer,
        seed: int,
        room: Room,
        *,
        settle: float,
        racing: bool,
        forgetting: bool = False,
    ) -> None:
        """With `forgetting` the database is, after each kill, a backup or one whose log is gone."""
        self._chance = random.Random(seed)
        self._folder = folder
        self._database = folder / "digest.db"
        self._github = github
        self._settle = settle
        self._racing = racing
        self._forgetting = forgetting
        self._keys: set[str] = set()
        self._threads: dict[Place, str] = {}
        self._processes: list[Process] = []
        self._roles: list[tuple[str, ...]] = [()] * (2 if racing else 1)
        self._doing: dict[Process, tuple[str, ...]] = {}
        self._room = room
        self.run = Run(seed)

    def _opened(self) -> Store:
        return SqliteStore(self._database)

    def _settings(self) -> dict[str, str]:
        """What else a process is told."""
        return {}

    def play(self) -> Run:
        """Begin, kill or stop now and then, let it end, and count."""
        now = datetime.now(UTC)
        store = self._opened()
        created = now - timedelta(hours=24)
        for place in self._room.places:
            store.subscribe(Subscription(place, "team/app", "0 6 * * *", quiet_zone(now), "en", created=created))
            self._threads[place] = self._room.seed(place)
            self._tell(store, replace(place, thread=self._threads[place]), now)
        if self._forgetting:
            store = self._reopened(store)
            self._back_up(store)
        try:
            with self._room:
                self._start()
                self._wait(store.deliveries, "nothing is due")
                for _ in range(self._chance.choice((1, 1, 2))):
                    self._await_a_moment(store)
                    store = self._forget(store) if self._forgetting else self._strike(store)
                self._wait(lambda: self._ended(store), "not all is posted")
                self._end()
                self._count(store)
        finally:
            for process in self._processes:
                process.kill()
                process.wait()
            store.close()
        return self.run

    def _tell(self, store: Store, thread: Place, now: datetime) -> None:
        """Let it be known that a channel was told of a commit some days ago, in a thread."""
        repo = str(self._folder.parent / "repo")
        old = replace(GitSource(self._folder / "clones").pull(repo, EARLIER), repo="team/app")
        store.keep_commits([old])
        grade = Grade(Importance.MEDIUM, (ChangeType.FIX,), "", "", 0.5)
        row = (old.sha, dump(thread), instant(now - timedelta(days=4)), dump(grade))
        store._write(
            "INSERT INTO told_commits (repo, sha, place, at, grade) "
            "SELECT id, ?, ?, ?, ? FROM repositories WHERE name = 'team/app'",
            *row,
        )

    def _await_a_moment(self, store: Store) -> None:
        """Let some time pass: any, or a little after something new is to be sent, or until something is being sent."""
        if self.run.seed % 4 == 0 and not self.run.kills:
            self._stop_in_a_send(store)
            return
        if self._chance.random() < 0.5:
            time.sleep(self._chance.uniform(0, 7))
            return
        for _ in range(self._chance.choice((1, 2, 3)) if self._forgetting else 1):
            seen = _steps(store)
            self._wait(lambda seen=seen: _steps(store) > seen or self._ended(store), "nothing goes on")
            if self._forgetting and self._chance.random() < 0.5:
                self._back_up(store)
        time.sleep(self._chance.uniform(0, 0.4))

    def _stop_in_a_send(self, store: Store) -> None:
        """Stop the process with a message half sent, however long a send takes, so that it is killed just there."""
        (process,) = self._processes

        def stopped() -> bool:
            if not _in_a_send(store):
                return self._ended(store)
            process.send_signal(signal.SIGSTOP)
            process.stopped()
            with suppress(StoreError):  # SQLite cannot be read where its writer stands amid a change of the log's index
                if _in_a_send(store):
                    return True
            process.send_signal(signal.SIGCONT)
            return False

        self._wait(stopped, "nothing is sent", pause=0.01)

    def _start(self) -> None:
        told = environment(
            self._folder,
            **self._room.settings(),
            **self._settings(),
            PYTHONFAULTHANDLER="1",
            DIGEST_LEASE=str(LEASE),
            DIGEST_SETTLE=str(self._settle),
            GITHUB_URL=self._github.url,
        )
        with (self._folder / "log").open("ab") as log:
            while len(self._processes) < len(self._roles):
                doing = list(self._doing.values())
                role = next(each for each in self._roles if doing.count(each) < self._roles.count(each))
                words = ("-m", "bot", "run", *role)
                process = forkserver.start(*words, env=told, cwd=ROOT, stdout=log, stderr=log)
                self._processes.append(process)
                self._doing[process] = role

    def _strike(self, store: Store) -> Store:
        """Kill a process, or let it stand still past its lease; then let there be as many as before."""
        self.run.kills += 1
        victim = self._chance.choice(self._processes)
        if self._racing and self._chance.random() < 0.4:
            victim.send_signal(signal.SIGSTOP)
            self._pass(store)
            self.run.in_a_send += _in_a_send(store)
            time.sleep(LEASE + self._chance.uniform(0.5, 3))
            victim.send_signal(signal.SIGCONT)
            return store
        victim.kill()
        victim.wait()
        self._pass(store)
        self.run.in_a_send += _in_a_send(store)
        self._remove(victim)
        time.sleep(self._chance.uniform(0, 1))
        self._start()
        return store

    def _remove(self, victim: Process) -> None:
        self._processes.remove(victim)
        del self._doing[victim]

    # --- What the database forgets ---

    def _forget(self, store: Store) -> Store:
        """Kill all; then the database is what it was earlier."""
        self.run.kills += 1
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
        self._processes.clear()
        self._doing.clear()
        self.run.in_a_send += _in_a_send(store)
        self._see(store)
        before = _steps(store)
        store = self._restored(store)
        self.run.forgotten += before - _steps(store)
        time.sleep(self._chance.uniform(0, 1))
        self._start()
        return store

    def _restored(self, store: Store) -> Store:
        """A backup in place of the database, or what is left of it without its log, of which a part may be kept."""
        lost = self._chance.random() < 0.5
        taken = self._folder / ("lost.db" if lost else "backup.db")
        if lost:
            shutil.copy(self._database, taken)  # without the log, as long as somebody has it open
        store.close()
        for name in ("", "-wal", "-shm"):
            Path(f"{self._database}{name}").unlink(missing_ok=True)
        shutil.copy(taken, self._database)
        return SqliteStore(self._database)

    def _reopened(self, store: Store) -> Store:
        """The store again, with all of it in the file itself."""
        store.close()
        return SqliteStore(self._database)

    def _back_up(self, store: Store) -> None:
        """Keep a backup, or have SQLite move what it logged into the file: both as it may be at any time."""
        with closing(sqlite3.connect(self._database)) as db:
            if self._chance.random() < 0.3:
                db.execute("PRAGMA wal_checkpoint(PASSIVE)")
            with closing(sqlite3.connect(self._folder / "backup.db")) as target:
                db.backup(target)

    def _see(self, store: Store) -> None:
        self._keys |= {step.key for delivery in store.deliveries() for step in delivery.steps}

    def _pass(self, store: Store) -> None:
        """Let time pass: for the program, what it began is so much longer ago."""
        seconds = timedelta(seconds=self._room.struck())
        for delivery in store.deliveries() if seconds else ():
            aged = tuple(replace(step, begun=step.begun - seconds) for step in delivery.steps)
            if delivery.state is DeliveryState.DUE:
                store.keep_delivery(replace(delivery, steps=aged))

    def _end(self) -> None:
        """Ask the processes to end, which they do."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                # One that was only just started may not know the signal yet, or still import Feishu's SDK: that takes
                # three seconds of CPU, half a minute where sixteen others want it.
                if (code := process.wait(60)) not in (0, -signal.SIGTERM):
                    self.run.faults.append(f"ended with {code}")
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGABRT)  # tells where each thread stands
                process.wait()
                self.run.faults.append(f"did not end within 60 s\n{(self._folder / 'log').read_text()[-9_000:]}")

    def _ended(self, store: Store) -> bool:
        found = store.deliveries()
        self._see(store)
        ended = (DeliveryState.DONE, DeliveryState.RESTORED)
        return len(found) == len(self._room.places) and all(d.state in ended for d in found)

    def _wait(self, condition, problem: str, seconds: float = 120, pause: float = 0.05) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, f"seed {self.run.seed}: {problem}\n{(self._folder / 'log').read_text()}"
            time.sleep(pause)

    def _count(self, store: Store) -> None:
        """Look for every message of every delivery in its channel."""
        for delivery in store.deliveries():
            (subscription,) = (s for s in store.subscriptions() if s.id == delivery.subscription)
            self._count_channel(subscription, delivery)
        self.run.faults += self._room.faults()

    def _count_channel(self, subscription: Subscription, delivery: Delivery) -> None:
        steps = [step.key for step in delivery.steps]
        told = self._room.told(subscription, delivery, {*self._keys, *steps})
        if delivery.state is DeliveryState.RESTORED:
            steps = [key for key in told if key != "files"]
        if len(steps) != MESSAGES or len(set(steps)) != MESSAGES:
            self.run.faults.append(f"steps {steps}")
        (top,) = {s.thread for s in delivery.steps if s.key == "headline"}
        for key in (*steps, "files"):
            self.run.lost += [key] if not told[key] else []
            self.run.doubled += [key] * (told[key] - 1)
        if strange := set(told) - {*steps, "files"}:
            self.run.faults.append(f"unexpected {strange}")
        threads, earlier = self._room.threads(subscription.place, top), self._threads[subscription.place]
        if threads != {top, earlier} and not self.run.doubled:
            self.run.faults.append(f"threads {threads} beneath {top} and {earlier}")


def _steps(store: Store) -> int:
    """How many messages were begun or sent."""
    return sum(1 + (s.state is StepState.DONE) for d in store.deliveries() for s in d.steps)


def _in_a_send(store: Store) -> int:
    """How many messages were just being sent."""
    return sum(s.state is StepState.INTENDED for d in store.deliveries() for s in d.steps)


@contextmanager
def hub(folder: Path) -> Iterator[GitHubServer]:
    """A GitHub with one repository."""
    with GitHubServer({"team/app": morning(folder / "repo", datetime.now(UTC))}) as running:
        yield running
