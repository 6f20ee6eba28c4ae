"""The steps of deliveries as tasks: what becomes one, and when it is done again. The queue is one of this process."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta

import pytest
from click.testing import CliRunner
from service import ROOT, environment
from slack_server import BROKEN
from test_worker import CHANNEL, DAY, Bot, Time, opened

from bot.cli import cli
from bot.conversation import operator
from bot.delivery.fairness import SHARE, Permits, ranked
from bot.delivery.job import Job
from bot.delivery.queued import PLAN, ROLES, Queued
from bot.delivery.steps import Steps
from bot.ports import Again, Queue
from bot.values import Delivery, DeliveryState, Place, Subscription

OTHER = Place("slack", "T1/C2")


class Here(Queue):
    """A queue of one process, which does its tasks when it is told to."""

    def __init__(self, time):
        self.time, self.tasks, self.later, self.done = time, {}, {}, []

    def add(self, tasks):
        for task in tasks:
            self.tasks.setdefault(task.key, task)

    def hasten(self, keys):
        for key in keys:
            self.later.pop(key, None)

    def waiting(self):
        return {key: key in self.later for key in self.tasks}

    def counts(self):
        return {("deliver", "waiting"): 3}

    def work(self, steps, crews, every):
        self.steps, self.crews, self.every = steps, {crew.name: crew for crew in crews}, every

    def halt(self):
        pass

    def stop(self, seconds):
        pass

    def run(self):
        """Do what waits, the highest priority first, until nothing does that is to be done now."""
        while ready := [t for t in self.tasks.values() if self.later.get(t.key, self.time.moment) <= self.time.moment]:
            task = max(ready, key=lambda each: each.priority)
            self.done.append(task)
            self.later.pop(task.key, None)
            if again := self.steps[task.step](**task.arguments):
                self.later[task.key] = again.at
            else:
                del self.tasks[task.key]


class Several(Bot):
    """A bot whose work is in a queue."""

    def another(self):
        self.queue = Here(self.time)
        self.world.chats |= {"slack": self.chat}
        known = dict.fromkeys(("archive", "subscriptions", "ledger", "leases", "memory"), self.store)
        made = Queued(Steps(self.world.app, {"slack": self.chat}, timedelta(seconds=60), **known), self.queue)
        made.begin(lambda seconds, work, name: None)
        return made

    def tick(self):
        self.queue.steps["plan"]()
        self.queue.run()


@pytest.fixture
def time():
    return Time(DAY - timedelta(hours=12))


@pytest.fixture
def bot(tmp_path, time, monkeypatch):
    monkeypatch.setattr("test_worker.Bot", Several)
    with opened(tmp_path, time) as made:
        yield made


def test_a_morning_goes_through_the_queue(bot):
    bot.follow()
    bot.follow(OTHER)
    bot.commit("one", DAY + timedelta(hours=3))
    bot.at("19T09:00")
    assert [task.step for task in bot.queue.done] == ["build", "deliver", "deliver"]
    assert len(bot.tops("C1")) == len(bot.tops("C2")) == 1
    assert (bot.queue.tasks, {d.state for d in bot.store.deliveries()}) == ({}, {DeliveryState.DONE})
    bot.tick()
    assert len(bot.queue.done) == 3


def test_deliveries_of_a_channel_have_one_lock_and_those_of_a_digest_one_key(bot):
    bot.follow()
    bot.follow(OTHER)
    bot.time.moment = DAY + timedelta(hours=33)
    bot.commit("one", DAY + timedelta(hours=3))
    bot.queue.steps["plan"]()
    bot.queue.steps["plan"]()
    (build,) = bot.queue.tasks.values()
    assert build.key.startswith("build:")
    assert build.lane == "build/slack"
    bot.queue.run()
    assert [task.lock for task in bot.queue.done] == ["", "channel:slack/T1/C1", "channel:slack/T1/C2"]


def test_what_failed_is_put_off_as_long_as_the_ledger_says_and_comes_sooner_once_that_says_so(bot):
    followed = bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    bot.server.queue(*[BROKEN] * 4)
    bot.at("19T09:00")
    (delivery,) = bot.store.deliveries()
    ((key, at),) = bot.queue.later.items()
    assert (key, at) == (f"deliver:{delivery.id}", delivery.retry)
    bot.tick()
    assert bot.tops() == []
    bot.store.retry_soon(followed.id, bot.time.moment, bot.time.moment + timedelta(hours=1))
    bot.tick()
    assert len(bot.tops()) == 1


def test_a_repository_that_cannot_be_read_is_tried_again_by_the_same_task(bot):
    bot.repo = f"{bot.folder}/nowhere"
    followed = bot.follow()
    bot.at("19T09:00")
    (delivery,) = bot.store.deliveries(followed.id)
    ((key, at),) = bot.queue.later.items()
    assert key.startswith("build:")
    assert at == delivery.retry > bot.time.moment


def test_what_is_late_is_given_up_though_it_was_put_off_for_longer(bot):
    followed = bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    bot.server.queue(*[BROKEN] * 4)
    bot.at("19T09:00")
    ((key, _),) = bot.queue.later.items()
    bot.queue.later[key] = bot.time.moment + timedelta(days=3)
    bot.server.queue("", *[BROKEN] * 4)  # the last look finds nothing
    bot.at("20T09:00")
    assert bot.states(followed)[0] == "failed"
    assert bot.queue.later == {}


def test_a_task_of_before_a_restore_waits_until_its_place_is_settled(bot):
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    bot.time.moment = DAY + timedelta(hours=33)
    bot.queue.steps["plan"]()
    (build,) = bot.queue.tasks.values()
    with closing(sqlite3.connect(bot.folder / "digest.db")) as db, db:
        db.execute("UPDATE memory SET restored = 1")
    bot.store.begin(bot.time.moment)
    assert bot.store.unsettled()
    assert bot.queue.steps["build"](**build.arguments) is None
    assert not bot.store.deliveries()[0].digest
    bot.tick()
    assert not bot.store.unsettled()
    bot.tick()
    assert len(bot.tops()) == 1


def test_a_delivery_that_another_process_holds_is_left_to_it(bot):
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    bot.time.moment = DAY + timedelta(hours=33)
    bot.queue.steps["plan"]()
    (build,) = bot.queue.tasks.values()
    (number,) = build.arguments["deliveries"]
    until = bot.time.moment + timedelta(seconds=30)
    assert bot.store.claim(f"delivery:{number}", "another", bot.time.moment, until)
    bot.queue.run()
    assert bot.tops() == []
    assert bot.queue.later[build.key] > bot.time.moment
    bot.time.moment = until + timedelta(seconds=1)
    bot.tick()
    assert len(bot.tops()) == 1


def test_what_is_unfollowed_meanwhile_is_done_with(bot):
    followed = bot.follow()
    bot.time.moment = DAY + timedelta(hours=33)
    bot.queue.steps["plan"]()
    bot.store.unsubscribe(followed.id)
    bot.queue.run()
    assert bot.queue.tasks == {}


# --- Whose turn it is ------------------------------------------------------------------------


def job(number: int, place: Place, repo: str) -> Job:
    known = {"slot": DAY, "cursor": DAY, "since": DAY, "until": DAY, "deadline": DAY, "retry": DAY}
    delivery = Delivery(number, **known, id=number)
    return Job(Subscription(place, repo, "0 9 * * *", "UTC", "en", id=number), delivery)


def test_channels_take_turns():
    jobs = [job(n, CHANNEL, f"https://h/{n}") for n in range(3)] + [job(9, OTHER, "https://h/9")]
    assert [(rank, group[0].delivery.id) for rank, group in ranked(jobs)] == [(0, 0), (1, 1), (2, 2), (0, 9)]


def test_what_is_built_together_has_the_rank_of_the_channel_that_waits_for_least():
    jobs = [job(0, CHANNEL, "https://h/0"), job(1, CHANNEL, "https://h/1"), job(2, OTHER, "https://h/1")]
    assert [(rank, len(group)) for rank, group in ranked(jobs)] == [(0, 1), (0, 2)]


def test_a_slow_host_has_its_share_of_permits_and_others_are_put_back_under_its_locks(bot):
    permits: Permits = bot.worker._permits["build"]
    permits._hosts._slow.add("slow.example.org")
    taken = [permits.take("slow.example.org") for _ in range(SHARE)]
    assert all(taken)
    again = bot.queue.steps["build"](deliveries=[1], host="slow.example.org", key="0f" * 16)
    assert isinstance(again, Again)
    assert again.lock.startswith("slow:slow.example.org:")
    assert permits.take("quick.example.org")


# --- Roles -----------------------------------------------------------------------------------


def test_a_role_takes_only_its_tasks(bot):
    assert set(bot.queue.crews) == {"plan", "build", "send", "early"}
    known = dict.fromkeys(("archive", "subscriptions", "ledger", "leases", "memory"), bot.store)
    found = {}
    for role in ROLES:
        queue = Here(bot.time)
        steps = Steps(bot.world.app, {}, timedelta(seconds=60), **known)
        Queued(steps, queue, (role,)).begin(lambda *_: None)
        found[role] = (set(queue.crews), set(queue.every))
    assert found == {
        "listen": (set(), set()),
        "work": ({"build", "send", "early"}, set()),
        PLAN: ({"plan"}, {"plan", "look_ahead"}),
    }


def test_a_process_takes_tasks_of_the_chats_that_it_has(bot):
    lanes = {name: crew.lanes() for name, crew in bot.queue.crews.items()}
    assert lanes == {"plan": ["plan"], "build": ["build/slack"], "send": ["send/slack"], "early": ["early/slack"]}


def test_work_is_not_split_on_a_file(tmp_path, monkeypatch):
    monkeypatch.setenv("DIGEST_DATABASE", str(tmp_path / "digest.db"))
    monkeypatch.setenv("HOME", str(tmp_path))
    told = CliRunner().invoke(cli, ["run", "--only", "work"])
    assert told.exit_code == 2
    assert "PostgreSQL" in told.output


def test_the_metrics_tell_what_waits(bot):
    measures = {m.name: m for m in operator.measures(bot.store, bot.time.moment, None, bot.queue)}
    assert measures["queue_tasks"].samples == (({"step": "deliver", "state": "waiting"}, 3.0),)
    assert "queue_tasks" not in {m.name for m in operator.measures(bot.store, bot.time.moment, None)}


def test_a_file_needs_nothing_of_postgresql(tmp_path):
    code = "import sys; from bot import parts\nwith parts.program() as made: made.runner(('listen', 'work', 'plan'))\n"
    code += "print([name for name in sys.modules if name.partition('.')[0] in ('psycopg', 'procrastinate')])"
    told = environment(tmp_path, PYTHONPATH=str(ROOT))
    ended = subprocess.run(
        [sys.executable, "-c", code], env=told, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "[]"
