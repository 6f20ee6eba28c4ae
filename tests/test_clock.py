"""The metronome: ticks come, none is lost, and none runs twice at once."""

import logging
import threading
from datetime import datetime, timedelta

import pytest

from adapters import clock as clocks
from adapters.clock import Clock
from bot.errors import Unavailable

STEP = 0.01
PATIENCE = 10


class Counted:
    """A work that counts its calls, and can be waited for."""

    def __init__(self, work=lambda: None):
        self.calls = 0
        self._changed = threading.Condition()
        self._work = work

    def __call__(self):
        with self._changed:
            self.calls += 1
            self._changed.notify_all()
        self._work()

    def reach(self, calls):
        with self._changed:
            return self._changed.wait_for(lambda: self.calls >= calls, PATIENCE)

    def more(self, calls):
        return self.reach(self.calls + calls)


@pytest.fixture
def ticking():
    metronome = Clock()
    metronome.start()
    yield metronome
    metronome.stop()


def test_ticks_come(ticking):
    work = Counted()
    ticking.every(STEP, work, "work")
    assert work.reach(3)


def test_the_first_tick_comes_at_once(ticking):
    work = Counted()
    ticking.every(3600, work, "work")
    assert work.reach(1)


def test_a_work_that_raises_is_logged_and_called_again(ticking, caplog):
    def fail():
        raise ValueError("no luck")

    work = Counted(fail)
    ticking.every(STEP, work, "unlucky")
    assert work.reach(3)
    record = caplog.records[0]
    assert (record.name, record.levelname, record.getMessage()) == ("digest.clock", "ERROR", "unlucky failed")
    assert str(record.exc_info[1]) == "no luck"


def test_a_slow_work_is_never_run_twice_at_once_and_holds_up_no_other(ticking, caplog):
    caplog.set_level(logging.WARNING)
    release = threading.Event()
    slow, quick = Counted(lambda: release.wait(PATIENCE)), Counted()
    try:
        ticking.every(STEP, slow, "slow")
        assert slow.reach(1)
        ticking.every(STEP, quick, "quick")
        assert quick.reach(10)
        assert slow.calls == 1
    finally:
        release.set()
    assert slow.reach(2)
    assert [record for record in caplog.records if record.name.startswith("apscheduler")] == []


def test_a_late_tick_is_not_lost_and_several_are_one(monkeypatch):
    class HoursAgo(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) - timedelta(hours=5, minutes=30)  # no tick of an hour falls on now

    work, other = Counted(), Counted()
    metronome = Clock()
    with monkeypatch.context() as patched:
        patched.setattr(clocks, "datetime", HoursAgo)
        metronome.every(3600, work, "late")
    metronome.every(STEP, other, "other")
    metronome.start()
    try:
        assert work.reach(1)
        assert other.more(10)
        assert work.calls == 1
    finally:
        metronome.stop()


def test_stop_waits_for_no_work_and_nothing_is_called_after_it():
    release = threading.Event()
    slow, quick = Counted(lambda: release.wait(PATIENCE)), Counted()
    metronome = Clock()
    metronome.every(STEP, slow, "slow")
    metronome.every(STEP, quick, "quick")
    metronome.start()
    try:
        assert slow.reach(1)
        assert quick.reach(2)
        metronome.stop()
        assert not release.is_set()
        assert slow.calls == 1
    finally:
        release.set()
    called, witness, other = quick.calls, Counted(), Clock()
    other.every(STEP, witness, "witness")
    other.start()
    try:
        assert witness.reach(10)
    finally:
        other.stop()
    assert slow.calls == 1
    assert quick.calls <= called + 1  # one may have been under way


def test_what_fails_because_everything_is_being_closed_is_not_logged(caplog):
    metronome, begun, closed = Clock(), threading.Event(), threading.Event()

    def work():
        begun.set()
        closed.wait(PATIENCE)
        ended.append(True)
        raise ValueError("closed")

    ended = []
    metronome.every(3600, work, "late")
    metronome.start()
    assert begun.wait(PATIENCE)
    metronome.stop()
    closed.set()
    until = datetime.now() + timedelta(seconds=PATIENCE)
    while not ended or any(t.name.startswith("APScheduler") for t in threading.enumerate()):
        assert datetime.now() < until
    assert caplog.records == []


def test_what_does_not_answer_is_told_once_and_again_when_it_does(ticking, caplog):
    def down():
        if work.calls < 4:
            raise Unavailable("postgres_down", server="db", problem="refused")

    work = Counted(down)
    ticking.every(STEP, work, "due")
    assert work.reach(6)
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert said == [("WARNING", "due is waiting"), ("WARNING", "due continues")]
