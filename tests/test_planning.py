"""A tick looks only at what the index says is due, and misses nothing that looking at everything would find."""

import os
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.stores.sqlite import SqliteStore
from bot.delivery.ledger import is_late
from bot.delivery.pausing import paused_by_person
from bot.delivery.planning import Planner
from bot.values import DeliveryState, Place, Step, StepState, Subscription

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
START = datetime(2026, 3, 26, 7, tzinfo=UTC)
"""Three days before Europe's clocks change."""
SCHEDULES = ("0 9 * * *", "30 2 * * *", "0 9 * * mon-fri", "0 7,15 * * *", "0 9 31 * *", "0 0 31 2 *")
ZONES = ("UTC", "Europe/Berlin", "Asia/Shanghai", "America/New_York")
CHANGES = st.one_of(
    st.tuples(
        st.just("wait"), st.sampled_from([HOUR, 5 * HOUR, DAY, 3 * DAY, 40 * DAY, -HOUR / 2, -5 * HOUR, -3 * DAY])
    ),
    st.tuples(
        st.just("follow"),
        st.integers(0, 2),
        st.sampled_from(SCHEDULES),
        st.sampled_from(ZONES),
        st.sampled_from(["", "", "DE"]),
    ),
    st.tuples(st.just("pause"), st.integers(0, 2), st.sampled_from(["", "left", "user"])),
    st.tuples(st.just("leave"), st.integers(0, 2)),
    st.tuples(st.just("settle"), st.sampled_from(["done", "quiet", "failed"]), st.booleans()),
    st.tuples(st.just("put off"), st.sampled_from([HOUR / 2, 9 * HOUR])),
    st.tuples(st.just("reopen")),
)


class Unwritten:
    """A store in which nobody names a moment."""

    def __init__(self, store):
        self._store = store

    def __getattr__(self, name):
        return getattr(self._store, name)

    def look_at(self, moments, now):
        """Nothing is kept of it."""


def planner(store, subscriptions=None):
    return Planner({}, subscriptions=subscriptions or store, ledger=store, report_clock=lambda _: None)


def ours(subscription):
    return not paused_by_person(subscription)


def change(store, now, what, *more):
    """Something happens; the time after it."""
    due = store.deliveries(state=DeliveryState.DUE)
    if what == "wait":
        return now + more[0]
    if what == "follow":
        number, schedule, zone, *holidays = more
        known = {"created": now, "scheduled": now, "language": "en", "schedule": schedule, "zone": zone}
        known["holidays"] = "".join(holidays)
        store.subscribe(Subscription(Place("slack", f"C{number}"), "team/app", **known))
    elif what == "pause":
        store.pause(more[0] + 1, more[1])
    elif what == "leave":
        store.unsubscribe(more[0] + 1)
    elif what == "settle":
        steps = (Step("headline", StepState.DONE, now, "t"),) if more[1] else ()
        for each in due:
            store.keep_delivery(replace(each, state=DeliveryState(more[0]), steps=steps, attempts=each.attempts + 1))
    elif what == "put off":
        for each in due:
            store.keep_delivery(replace(each, retry=now + more[0]))
    else:
        for each in store.deliveries(state=DeliveryState.FAILED):
            store.reopen(replace(each, state=DeliveryState.DUE, attempts=each.attempts + 1, deadline=now + HOUR))
    return now


@given(changes=st.lists(CHANGES, max_size=25))
@settings(max_examples=2_000 if os.environ.get("STRESS") else 20)
def test_looking_at_everything_finds_nothing_more(tmp_path_factory, changes):
    """Whatever happens to clocks, schedules, zones and deliveries, and in whichever order."""
    path, now = tmp_path_factory.mktemp("planning") / "digest.db", START
    with closing(SqliteStore(path)) as store:
        indexed = planner(store)
        indexed._checked = None  # what is looked at after a start would hide what the index misses
        for each in changes:
            now = change(store, now, *each)
            for _ in range(2):  # what one tick calls back the next one plans
                late = indexed.plan(ours, now)
            known = store.deliveries()
            assert {job.delivery.id for job in late} == {
                d.id
                for d in known
                if d.state is DeliveryState.DUE and is_late(store.numbered({d.subscription})[0], d, now)
                if ours(store.numbered({d.subscription})[0])
            }
            assert planner(store, Unwritten(store)).plan(ours, now) == late
            assert store.deliveries() == known


def test_after_a_start_all_are_looked_at_some_at_a_time(tmp_path, monkeypatch):
    """Other data of the zones may think otherwise of when they are due."""
    monkeypatch.setattr("bot.delivery.planning.CHECKED", 2)
    with closing(SqliteStore(tmp_path / "digest.db")) as store:
        for number in range(5):
            change(store, START, "follow", number, SCHEDULES[0], "UTC")
        planner(store).plan(ours, START)
        store.look_at([(c, None) for c in store.candidates(START + DAY, START)], START)  # another version thought so
        started = planner(store)
        planned = []
        for _ in range(4):
            started.plan(ours, START + DAY)
            planned.append(len(store.deliveries()))
        assert planned == [2, 4, 5, 5]


def test_what_rests_is_not_looked_at_again_and_again(tmp_path):
    with closing(SqliteStore(tmp_path / "digest.db")) as store:
        change(store, START, "follow", 0, SCHEDULES[0], "UTC")
        store.pause(1, "user")
        planner(store).plan(ours, START)
        assert store.candidates(START + 99 * DAY, START) == ()
        store.pause(1, "")
        planner(store).plan(ours, START + DAY)
        assert len(store.deliveries()) == 1
