"""Slots and periods: whatever happens to schedules, zones, clocks and machines, each moment is in one period."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make import commit, sha

from bot.commits import line
from bot.delivery import schedule
from bot.delivery.ledger import planned_delivery, undelivered
from bot.delivery.schedule import Watermark, due
from bot.errors import UsageError
from bot.values import DeliveryState, Landing, Mark, Place, Step, StepState, Subscription, Window

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def walk(expression, zone, created, until, step=HOUR):
    """What is due while a bot looks every hour and posts at once: (slot, since, until) of each digest."""
    told, now, found = schedule.first_watermark(expression, zone, created), created, []
    while now <= until:
        if made := due(expression, zone, told, now):
            found.append(made)
            told = Watermark(made.slot, made.until, made.until)
        now += step
    return found


# --- By example ------------------------------------------------------------------------------


def test_the_first_digest_covers_the_day_before_its_slot():
    (made,) = walk("0 9 * * *", "Europe/Berlin", utc("2026-02-17T10:00"), utc("2026-02-18T09:00"))
    assert (made.slot, made.since, made.until) == (
        utc("2026-02-18T08:00"),
        utc("2026-02-16T23:00"),
        utc("2026-02-17T23:00"),
    )


def test_the_first_digest_on_the_day_of_the_subscription_covers_the_day_before_it():
    (made,) = walk("0 9 * * *", "Europe/Berlin", utc("2026-02-18T05:00"), utc("2026-02-18T09:00"))
    assert (made.since, made.until) == (utc("2026-02-16T23:00"), utc("2026-02-17T23:00"))


def test_what_was_due_before_the_subscription_is_not():
    assert walk("0 9 * * *", "UTC", utc("2026-02-18T09:01"), utc("2026-02-19T08:59")) == []


def test_a_monday_digest_of_a_working_week_covers_friday_to_sunday():
    made = walk("0 9 * * mon-fri", "UTC", utc("2026-02-19T10:00"), utc("2026-02-23T10:00"))
    assert [(m.since.day, m.until.day, m.until.weekday()) for m in made] == [(19, 20, 4), (20, 23, 0)]


def test_several_times_a_day_are_one_slot():
    made = walk("0 9,17 * * *", "UTC", utc("2026-02-18T05:00"), utc("2026-02-20T23:00"))
    assert [m.slot for m in made] == [utc("2026-02-18T09:00"), utc("2026-02-19T09:00"), utc("2026-02-20T09:00")]
    assert len(walk("* * * * *", "UTC", utc("2026-02-18T05:00"), utc("2026-02-20T23:00"))) == 3


# Each case: zone, schedule, from, to, hours of each period, and the UTC times of the slots.
NIGHTS = [
    ("America/New_York", "30 2 * * *", "2026-03-07T06:00", "2026-03-09T12:00", [24, 24, 23], "07:30 07:30 06:30"),
    ("America/New_York", "30 1 * * *", "2026-10-31T04:00", "2026-11-02T12:00", [24, 24, 25], "05:30 05:30 06:30"),
    ("Europe/Berlin", "30 2 * * *", "2026-03-28T00:00", "2026-03-30T12:00", [24, 24, 23], "01:30 01:30 00:30"),
    ("Europe/Berlin", "30 2 * * *", "2026-10-24T00:00", "2026-10-26T12:00", [24, 24, 25], "00:30 00:30 01:30"),
    ("Australia/Lord_Howe", "15 2 * * *", "2026-10-02T14:00", "2026-10-05T02:00", [24, 24, 23.5], "15:45 15:45 15:15"),
    ("Australia/Lord_Howe", "45 1 * * *", "2026-04-03T14:00", "2026-04-05T20:00", [24, 24, 24.5], "14:45 14:45 15:15"),
]


@pytest.mark.parametrize(("zone", "expression", "begin", "end", "hours", "slots"), NIGHTS)
def test_a_night_in_which_the_clocks_change_has_one_digest_and_loses_no_time(
    zone, expression, begin, end, hours, slots
):
    made = walk(expression, zone, utc(begin), utc(end), timedelta(minutes=15))
    assert [(m.until - m.since) / HOUR for m in made] == hours
    assert all(a.until == b.since for a, b in pairwise(made))
    assert " ".join(f"{m.slot:%H:%M}" for m in made) == slots


def test_moving_from_shanghai_to_los_angeles_loses_and_repeats_nothing():
    place, created = Place("slack", "C1"), utc("2026-02-17T02:00")
    subscription = Subscription(place, "o/r", "0 9 * * *", "Asia/Shanghai", "zh", created=created)
    first = planned_delivery(subscription, None, utc("2026-02-18T01:00"))
    assert (first.since, first.until) == (utc("2026-02-16T16:00"), utc("2026-02-17T16:00"))
    moved = replace(subscription, zone="America/Los_Angeles")
    done = replace(first, state=DeliveryState.DONE, id=1)
    assert planned_delivery(moved, done, utc("2026-02-18T16:59")) is None
    second = planned_delivery(moved, done, utc("2026-02-18T17:00"))
    assert (second.since, second.until) == (utc("2026-02-17T16:00"), utc("2026-02-18T08:00"))  # 16 hours
    back = planned_delivery(subscription, replace(second, state=DeliveryState.DONE, id=2), utc("2026-02-19T01:00"))
    assert (back.since, back.until) == (utc("2026-02-18T08:00"), utc("2026-02-18T16:00"))  # the 8 that are left


# --- Downtime --------------------------------------------------------------------------------


def test_what_was_missed_is_made_up_for_in_one_digest():
    told = Watermark(utc("2026-02-16T09:00"), utc("2026-02-16T00:00"), utc("2026-02-16T00:00"))
    made = due("0 9 * * *", "UTC", told, utc("2026-02-20T03:00"))
    assert (made.slot, made.since, made.until, made.merged) == (
        utc("2026-02-19T09:00"),
        utc("2026-02-16T00:00"),
        utc("2026-02-19T00:00"),
        2,
    )


def test_at_most_seven_days_are_made_up_for():
    told = Watermark(utc("2026-01-05T09:00"), utc("2026-01-05T00:00"), utc("2026-01-05T00:00"))
    made = due("0 9 * * *", "UTC", told, utc("2026-02-20T10:00"))
    assert (made.cursor, made.since, made.until) == (
        utc("2026-01-05T00:00"),
        utc("2026-02-13T00:00"),
        utc("2026-02-20T00:00"),
    )


def test_a_monthly_digest_covers_its_month_also_after_one_was_missed():
    told = Watermark(utc("2026-01-01T09:00"), utc("2026-01-01T00:00"), utc("2026-01-01T00:00"))
    assert due("0 9 1 * *", "UTC", told, utc("2026-02-01T10:00")).since == utc("2026-01-01T00:00")
    late = due("0 9 1 * *", "UTC", told, utc("2026-03-05T10:00"))
    assert (late.since, late.until, late.merged) == (utc("2026-02-01T00:00"), utc("2026-03-01T00:00"), 1)


def test_a_schedule_that_is_none_is_refused_and_one_that_never_fires_is_never_due():
    told = Watermark(utc("2026-01-05T09:00"), utc("2026-01-05T00:00"), utc("2026-01-05T00:00"))
    assert due("0 9 31 2 *", "UTC", told, utc("2026-02-20T10:00")) is None
    with pytest.raises(UsageError):
        due("every morning", "UTC", told, utc("2026-02-20T10:00"))


# --- Any history -----------------------------------------------------------------------------

ZONES = [
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Asia/Shanghai",
    "America/Los_Angeles",
    "Pacific/Apia",
    "America/Sao_Paulo",
]
SCHEDULES = ["0 9 * * *", "0 9 * * mon-fri", "30 2 * * *", "15 0 * * sun", "0 9,17 * * *", "45 23 * * *", "0 8 1 * *"]
# What may happen between two looks: time passes; a schedule or a zone is changed; the clock stands; a post fails.
STEPS = st.tuples(
    st.integers(1, 60 * 24 * 12),
    st.tuples(st.sampled_from(SCHEDULES), st.sampled_from(ZONES), st.sampled_from(["", "CN", "DE-BE"])),
    st.sampled_from("ddddfp"),
)


class Pushed:
    """A line of commits in the order in which they were pushed, as `bot.commits.line` asks for it."""

    def __init__(self, commits) -> None:
        self.newest = commits[::-1]
        self.place = {c.sha: n for n, c in enumerate(self.newest)}

    def pages(self, tip):
        left = self.newest[self.place[tip] :]
        return (left[n : n + 3] for n in range(0, len(left), 3))

    def holds(self, tip, sha):
        return self.place[sha] >= self.place[tip]

    def read(self, points):
        return tuple(points)

    def landed(self, made, now):
        tip = made.before.tip if made.before else None
        if not self.newest:
            return Landing(tip or "")
        return line.landing(self, self.newest[0].sha, tip, Window(made.cursor, made.until, now), 1_000)


@given(
    start=st.datetimes(datetime(2025, 9, 1), datetime(2026, 11, 30)),
    first=st.tuples(st.sampled_from(SCHEDULES), st.sampled_from(ZONES), st.sampled_from(["", "CN", "US"])),
    changes=st.lists(STEPS, min_size=1, max_size=14),
    landed=st.lists(
        st.tuples(st.integers(-5_000, 60 * 24 * 90), st.integers(-60 * 24 * 40, 60 * 24 * 400)), max_size=25
    ),
)
def test_each_commit_is_in_exactly_one_digest(start, first, changes, landed):
    """Commits are pushed, dated any time before or after, and told by a bot that sleeps, fails and is changed.

    What lies at or below the last tip must be told once; unless the time it is dated in was given up (and said so), or
    it lay there before the first digest.
    """
    created = start.replace(tzinfo=UTC)
    pushes = sorted(
        (created + timedelta(minutes=minute), created + timedelta(minutes=minute - before), number)
        for number, (minute, before) in enumerate(landed)
    )
    commits = [(commit(sha=sha(number), committed=dated), pushed) for pushed, dated, number in pushes]
    expression, zone, holidays = first
    known = {"created": created, "holidays": holidays}
    subscription = Subscription(Place("slack", "C1"), "o/r", expression, zone, "en", **known)
    now, last, told, gaps, there, ended, begin = created, None, [], [], None, None, None
    for minutes, new, outcome in changes:
        now += timedelta(minutes=minutes)
        made = planned_delivery(subscription, last, now)
        if made:
            assert made.since < made.until <= made.slot <= now
            assert made.cursor <= made.since
            assert ended in (None, made.cursor), "periods follow each other"
            found = Pushed([c for c, pushed in commits if pushed <= now]).landed(made, now)
            chosen = undelivered(made, found.commits, frozenset())
            state = {"d": DeliveryState.DONE, "f": DeliveryState.FAILED, "p": DeliveryState.FAILED}[outcome]
            steps = (Step("headline", StepState.DONE, now, "t"),) if outcome == "p" else ()  # posted in part
            number = (last.id if last else 0) + 1
            last = replace(made, id=number, state=state, steps=steps, mark=Mark("main", found.tip))
            ended = made.cursor if outcome == "f" else made.until
            if outcome != "f":
                told += [c.sha for c in chosen]
                gaps.append((made.cursor, made.since))
                begin = begin or made.cursor
                there = {c.sha for c, pushed in commits if pushed <= now} if there is None else there
                tip = found.tip
        if new != (subscription.schedule, subscription.zone, subscription.holidays):
            expression, zone, holidays = new
            subscription = replace(subscription, schedule=expression, zone=zone, holidays=holidays, scheduled=now)
    assert len(told) == len(set(told))
    if there is None or not tip:
        return
    line_of = [c for c, _ in commits]
    at = [c.sha for c in line_of].index(tip)
    assert not set(told) & {c.sha for c in line_of[at + 1 :]}
    for each in line_of[: at + 1]:
        given_up = any(since <= each.committed < until for since, until in gaps)
        before_the_first = each.sha in there and each.committed < begin
        assert each.sha in told or given_up or before_the_first
