"""Public holidays and worked weekends: which days have a digest, and that each moment is in one of them."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service import ROOT

from bot import workdays
from bot.delivery import schedule
from bot.delivery.schedule import Watermark

WEEKDAYS = "0 9 * * mon-fri"
SHANGHAI = "Asia/Shanghai"


def days(calendar, first, number, expression=WEEKDAYS, zone=SHANGHAI):
    """The next days on which something is due."""
    start = schedule.midnight(date.fromisoformat(first), zone)
    mark = Watermark(start, start - timedelta(days=30), start - timedelta(days=30))
    found = schedule.coming(expression, zone, mark, start - timedelta(seconds=1), calendar)
    return [f"{schedule.today(slot, zone):%a %m-%d}" for slot in islice(found, number)]


# The State Council's notice for 2026 (gov.cn, 国办发明电〔2025〕7号): Spring Festival is free from 15 to 23 February,
# 14 and 28 February are worked; National Day from 1 to 7 October, 20 September and 10 October are worked.


def test_chinas_spring_festival_is_free_and_its_saturdays_are_worked():
    assert days("CN", "2026-02-12", 8) == [
        "Thu 02-12",
        "Fri 02-13",
        "Sat 02-14",
        "Tue 02-24",
        "Wed 02-25",
        "Thu 02-26",
        "Fri 02-27",
        "Sat 02-28",
    ]


def test_a_sunday_may_be_worked_too():
    assert days("CN", "2026-09-18", 3) == ["Fri 09-18", "Sun 09-20", "Mon 09-21"]


def test_a_schedule_that_is_due_less_often_has_no_more_days_for_that():
    assert days("CN", "2026-02-09", 3, "0 9 * * mon") == ["Mon 02-09", "Mon 03-02", "Mon 03-09"]
    assert days("CN", "2026-02-12", 3, "0 9 * * *") == ["Thu 02-12", "Fri 02-13", "Sat 02-14"]


def test_a_state_has_its_own_days():
    assert days("DE-BE", "2026-03-06", 2, zone="Europe/Berlin") == ["Fri 03-06", "Mon 03-09"]
    assert days("DE-BE", "2027-03-05", 2, zone="Europe/Berlin") == ["Fri 03-05", "Tue 03-09"]  # Women's Day
    assert days("DE", "2027-03-05", 2, zone="Europe/Berlin") == ["Fri 03-05", "Mon 03-08"]


def test_of_a_year_that_is_not_announced_no_holiday_is_assumed():
    until = workdays.announced_until("CN")
    assert until >= 2026
    assert days("CN", f"{until + 1}-01-01", 7, "0 9 * * *") == days("", f"{until + 1}-01-01", 7, "0 9 * * *")
    assert workdays.is_open("CN", date(until, 12, 1), date(until + 1, 1, 1))
    assert not workdays.is_open("CN", date(until, 1, 1), date(until, 12, 31))
    assert workdays.announced_until("DE-BE") is None
    assert not workdays.is_open("DE-BE", date(2026, 1, 1), date(2040, 1, 1))


def test_a_holiday_whose_date_is_estimated_is_not_assumed():
    """Ashura of 2027 is estimated in India, its Independence Day is not."""
    weekdays = range(7)
    assert workdays.is_due("IN", date(2027, 6, 16), weekdays)
    assert not workdays.is_due("IN", date(2027, 8, 15), weekdays)
    assert workdays.is_open("IN", date(2027, 6, 1), date(2027, 6, 30))
    assert not workdays.is_open("IN", date(2027, 12, 1), date(2027, 12, 31))


def test_a_day_that_is_always_free_is_never_due():
    assert schedule.next_slot("0 9 1 1 *", "Europe/Berlin", datetime(2026, 2, 1, tzinfo=UTC), "DE") is None


def test_a_calendar_that_nobody_knows_any_more_has_no_holidays():
    assert not workdays.is_known("XX-YY")
    assert days("XX-YY", "2026-02-12", 5) == days("", "2026-02-12", 5)


def test_a_bot_that_is_away_after_a_holiday_tells_all_of_it():
    told = datetime(2026, 2, 13, 16, tzinfo=UTC)  # up to the 14th in Shanghai
    made = schedule.due(
        WEEKDAYS, SHANGHAI, Watermark(told, told, told), datetime(2026, 2, 25, 12, tzinfo=UTC), holidays="CN"
    )
    assert (made.since, made.until, made.merged) == (told, datetime(2026, 2, 24, 16, tzinfo=UTC), 1)


@given(
    start=st.datetimes(datetime(2025, 1, 1), datetime(2027, 3, 1)),
    calendar=st.sampled_from(["CN", "DE-BE", "US", "HU", "IL", "TR", "XX"]),
    expression=st.sampled_from([WEEKDAYS, "0 9 * * *", "0 9 * * mon", "0 9 1 * *", "30 0 * * sun-thu"]),
    zone=st.sampled_from([SHANGHAI, "Europe/Berlin", "America/New_York"]),
)
def test_periods_follow_each_other_over_every_holiday(start, calendar, expression, zone):
    created = start.replace(tzinfo=UTC)
    mark, made = schedule.first_watermark(expression, zone, created, calendar), []
    for _ in range(12):
        slot = schedule.first_slot(expression, zone, mark, calendar)
        made.append(schedule.due(expression, zone, mark, slot, calendar))
        assert made[-1].slot == slot
        mark = Watermark(slot, made[-1].until, made[-1].until)
    assert all(before.until == after.since for before, after in pairwise(made))
    assert all(m.since < m.until <= m.slot for m in made)


# --- Names -----------------------------------------------------------------------------------


def test_what_is_named_is_known_by_that_name():
    for calendar in ("CN", "DE-BE", "DE-Augsburg", "US-CA", "GB-SCT", "HK", "TW"):
        assert workdays.named(calendar) == calendar
        assert workdays.is_known(calendar)
    assert not workdays.is_known("china")
    assert not workdays.is_known("DE-")


def test_holidays_are_loaded_only_where_somebody_keeps_some():
    """They take a tenth of a second, and 12 MB."""
    code = (
        "import sys, bot.cli, bot.conversation.host, bot.delivery.worker\n"
        "from bot.delivery import schedule\n"
        "from datetime import UTC, datetime\n"
        "assert schedule.next_slot('0 9 * * *', 'UTC', datetime.now(UTC))\n"
        "assert 'holidays' not in sys.modules\n"
        "assert schedule.next_slot('0 9 * * *', 'UTC', datetime.now(UTC), 'CN')\n"
        "assert 'holidays' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, check=True, timeout=60)


@pytest.mark.parametrize("number", [2026, 2027])
def test_what_is_observed_for_new_year_may_lie_in_the_year_before(number):
    """The first of January 2028 is a Saturday: in the United States the Friday before is free."""
    assert workdays.is_due("US", date(number, 12, 31), range(5)) == (number == 2026)
