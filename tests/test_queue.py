"""The queue that several processes share: what Procrastinate does, and what we ask of it beyond that."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from pooler import Pooler
from postgres import SHARED, Postgres, postgres
from pydantic import SecretStr

from adapters.postgres import Server
from adapters.queue import ProcrastinateQueue
from bot.errors import Unavailable
from bot.ports import Again, Crew, Task, Work

LEASE = timedelta(seconds=1.5)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as made:
        made.keep_what_it_says()
        yield made


@pytest.fixture
def database(server: Postgres) -> Iterator[Server]:
    with closing(Server(server.cleared())) as made:
        yield made


@pytest.fixture
def queue(database: Server) -> ProcrastinateQueue:
    return ProcrastinateQueue(database, LEASE)


def task(name: str, /, lane: str = "work", lock: str = "", priority: int = 0, **arguments: object) -> Task:
    return Task("do", name, lane, arguments, lock, priority)


@contextmanager
def working(database: Server, work: Work, number: int = 1, plan: Work = lambda: None, lanes=lambda: ["work"]):
    """A process's threads, which do `work`, and plan each second."""
    made = ProcrastinateQueue(database, LEASE)
    crews = [Crew("work", number, lanes), Crew("plan", 3, lambda: ["plan"])]
    made.work({"do": work, "plan": plan}, crews, {"plan": 1})
    try:
        yield made
    finally:
        made.stop(5)


def left(queue: ProcrastinateQueue) -> dict[str, bool]:
    """What waits of that which a test added."""
    return {key: off for key, off in queue.waiting().items() if len(key) < 3}


def counts(queue: ProcrastinateQueue) -> dict[str, int]:
    return {state: number for (step, state), number in queue.counts().items() if step == "do"}


def wait(holds: Callable[[], object], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_of_the_same_key_one_waits_or_is_worked_on(database, queue):
    begun, go_on, done = threading.Event(), threading.Event(), []

    def work(n: int) -> None:
        begun.set()
        go_on.wait(20)
        done.append(n)

    queue.add([task("a", n=1), task("b", n=2)])
    queue.add([task("b", n=3), task("a", n=4)])
    assert left(queue) == {"a": False, "b": False}
    with working(database, work):
        begun.wait(20)
        queue.add([task("a", n=5), task("b", n=6)])
        assert counts(queue) == {"working": 1, "waiting": 1}
        go_on.set()
        wait(lambda: not left(queue))
    assert done == [1, 2]


def test_the_highest_priority_is_first_and_of_the_same_lock_one_is_worked_on(database, queue):
    done, together, most = [], [], []

    def work(key: str) -> None:
        together.append(key)
        most.append(len(together))
        time.sleep(0.05)
        together.remove(key)
        done.append(key)

    queue.add([task("a", lock="c", key="a"), task("b", lock="c", key="b", priority=-1), task("c", key="c", priority=5)])
    with working(database, work, number=1):
        wait(lambda: not left(queue))
    assert done == ["c", "a", "b"]
    queue.add([task(name, lock="c", key=name) for name in "abc"])
    most.clear()
    with working(database, work, number=3):
        wait(lambda: not left(queue))
    assert max(most) == 1


def test_what_is_put_off_is_done_again_and_can_be_hastened(database, queue):
    times = []

    def work() -> Again | None:
        times.append(time.monotonic())
        return Again(datetime.now(UTC) + timedelta(hours=1), "other") if len(times) == 1 else None

    queue.add([task("a")])
    with working(database, work):
        wait(lambda: left(queue) == {"a": True})
        assert counts(queue) == {"put off": 1}
        queue.hasten(["a"])
        wait(lambda: not left(queue))
    assert len(times) == 2


def test_what_raises_is_tried_again(database, queue, caplog):
    def work() -> None:
        raise RuntimeError("no")

    queue.add([task("a")])
    with working(database, work):
        wait(lambda: left(queue) == {"a": True})
    assert "a task failed" in caplog.text


def test_what_is_remembered_is_not_done_again(database, queue):
    done = []
    made = ProcrastinateQueue(database, LEASE)
    made.work({"do": lambda: done.append(1)}, [Crew("work", 1, lambda: ["work"], remembered=True)], {})
    try:
        queue.add([task("a")])
        wait(lambda: done and not left(queue))
        queue.add([task("a"), task("b")])
        wait(lambda: len(done) == 2 and not left(queue))
    finally:
        made.stop(5)


def test_one_process_at_a_time_plans(database):
    running, most = [], []

    def work() -> None:
        running.append(1)
        most.append(len(running))
        time.sleep(0.2)
        running.pop()

    with working(database, work, plan=work), working(database, work, plan=work):
        wait(lambda: len(most) >= 3)
    assert max(most) == 1


def test_what_is_done_every_few_seconds_is_not_put_off_where_it_fails(database, caplog):
    times = []

    def work() -> None:
        times.append(1)
        raise Unavailable("database_busy", path="p") if len(times) < 3 else RuntimeError

    with working(database, lambda: None, plan=work):
        wait(lambda: len(times) >= 4)
    assert "a task waits" in caplog.text
    assert "a task failed" in caplog.text


def test_what_a_dead_process_had_in_hand_is_taken_up_and_not_ended_by_it(server, database, queue):
    """The first one is silent and then goes on, as after SIGSTOP: what it says of its task is heard no more."""
    begun, go_on, done = threading.Event(), threading.Event(), []

    def stuck() -> None:
        begun.set()
        go_on.wait(20)
        done.append("first")

    def work() -> None:
        done.append("second")
        go_on.set()
        wait(lambda: "first" in done)
        time.sleep(0.5)
        assert counts(queue) == {"working": 1}

    queue.add([task("a")])
    with working(database, stuck, lanes=lambda: [] if begun.is_set() else ["work"]):
        begun.wait(20)
        database.write(lambda db: db.execute("DELETE FROM procrastinate_workers"))  # as after a long silence
        with working(database, work):
            wait(lambda: done == ["second", "first"])
            wait(lambda: not left(queue))


def test_what_a_server_gives_back_that_was_done_is_taken_up(database, queue):
    """As a standby does that lacks the last moments: a task is worked on there by a process that is done with it."""
    begun, go_on = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait(20)

    queue.add([task("a")])
    with working(database, work):
        begun.wait(20)
        (row,) = database.read(
            lambda db: db.execute("SELECT id, worker_id FROM procrastinate_jobs WHERE task_name = 'do'")
        )
        go_on.set()
        wait(lambda: not left(queue))
        again = "INSERT INTO procrastinate_jobs (id, queue_name, task_name, queueing_lock, status, worker_id) "
        again += "VALUES (%s, 'work', 'do', 'a', 'doing', %s)"
        database.write(lambda db: db.execute(again, row))
        wait(lambda: not left(queue))


def test_a_pooler_may_stand_between(server, tmp_path):
    server.cleared()
    done = []

    def work(n: int) -> None:
        done.append(n)

    with closing(Pooler(tmp_path, server._folder, SHARED)) as pooler:
        address = SecretStr(f"postgresql://postgres@/{SHARED}?host={tmp_path}")
        with closing(Server(address)) as database, working(database, work):
            queue = ProcrastinateQueue(database, LEASE)
            queue.add([task(str(n), n=n) for n in range(5)])
            wait(lambda: len(done) == 5 and not left(queue))
        assert pooler.refused == []


@pytest.mark.parametrize("how", ["cut", "crash"])
def test_work_goes_on_after_the_server_is_gone(server, database, queue, how):
    done = []

    def work(n: int) -> None:
        time.sleep(0.01)
        done.append(n)

    queue.add([task(str(n), n=n) for n in range(40)])
    with working(database, work, number=4):
        wait(lambda: len(done) > 5)
        server.crash() if how == "crash" else server.cut(SHARED)
        wait(lambda: not left(queue), 40)
    assert set(done) >= set(range(40)) - set(done[:1])
