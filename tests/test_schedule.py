"""Days and periods in every zone."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.delivery import schedule

ZONES = ["UTC", "Asia/Shanghai", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/Santiago"]


@given(day=st.dates(date(1971, 1, 2), date(2060, 1, 1)), zone=st.sampled_from(ZONES))
def test_days_tile_time_without_gap_or_overlap(day, zone):
    today, tomorrow = schedule.day(day, zone), schedule.day(day + timedelta(days=1), zone)
    assert today.until == tomorrow.since
    assert today.since < today.until
    assert today.since.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [
        (date(2026, 3, 29), "Europe/Berlin", 23),
        (date(2026, 10, 25), "Europe/Berlin", 25),
        (date(2026, 3, 8), "America/New_York", 23),
        (date(2026, 4, 5), "Australia/Lord_Howe", 24.5),
        (date(2026, 10, 4), "Australia/Lord_Howe", 23.5),
        (date(2026, 2, 18), "Asia/Shanghai", 24),
    ],
)
def test_a_day_is_as_long_as_the_clocks_make_it(day, zone, hours):
    period = schedule.day(day, zone)
    assert (period.until - period.since) == timedelta(hours=hours)


def test_periods_by_name():
    now = datetime(2026, 2, 18, 17, 0, tzinfo=UTC)  # the 19th, 01:00 in Shanghai
    assert schedule.so_far(now, "Asia/Shanghai").since == datetime(2026, 2, 18, 16, tzinfo=UTC)
    assert schedule.so_far(now, "Asia/Shanghai").until == now
    assert schedule.yesterday(now, "Asia/Shanghai") == schedule.day(date(2026, 2, 18), "Asia/Shanghai")
    week = schedule.week(now, "Asia/Shanghai")
    assert week.until == schedule.day(date(2026, 2, 18), "Asia/Shanghai").until
    assert week.until - week.since == timedelta(days=7)


def test_numbers_of_weekdays_mean_what_crontab_says():
    """crontab(5) counts Sunday as 0; the library counts Monday as 0."""
    friday = datetime(2026, 2, 20, 12, tzinfo=UTC)
    assert schedule.next_slot("0 9 * * 0", "UTC", friday) == datetime(2026, 2, 22, 9, tzinfo=UTC)
    assert schedule.next_slot("0 9 * * 7", "UTC", friday) == datetime(2026, 2, 22, 9, tzinfo=UTC)
    assert schedule.next_slot("0 9 * * 1-5", "UTC", friday) == datetime(2026, 2, 23, 9, tzinfo=UTC)


def test_a_schedule_that_never_comes_has_no_next_slot():
    assert schedule.next_slot("0 9 31 2 *", "UTC", datetime(2026, 2, 20, tzinfo=UTC)) is None
