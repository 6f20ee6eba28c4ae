"""Days, periods and slots: when a digest is due and which time it covers. Pure; `now` is always passed in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

from bot.ports import UsageError
from bot.values import Period

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
WEEK = (*_DAYS[1:], _DAYS[0])
"""The days of the week by name, Monday first, as `Texts` numbers them."""
_RANGE = re.compile(rf"\b({'|'.join(_DAYS)})-({'|'.join(_DAYS)})\b(?!/)")
_NUMBER = re.compile(r"(?<![/\d])[0-7](?!\d)")


def midnight(day: date, zone: str) -> datetime:
    """The first moment of a local day, in UTC. Where the clocks skip midnight, the moment they skip to."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(ZoneInfo("UTC"))


def day(of: date, zone: str) -> Period:
    """The whole local day, 23 to 25 hours long where the clocks change."""
    return Period(midnight(of, zone), midnight(of + timedelta(days=1), zone), zone)


def today(now: datetime, zone: str) -> date:
    """The date in `zone`."""
    return now.astimezone(ZoneInfo(zone)).date()


def so_far(now: datetime, zone: str) -> Period:
    """Today until now."""
    return Period(midnight(today(now, zone), zone), now, zone)


def yesterday(now: datetime, zone: str) -> Period:
    """The last whole local day."""
    return day(today(now, zone) - timedelta(days=1), zone)


def week(now: datetime, zone: str) -> Period:
    """The last seven whole local days."""
    end = today(now, zone)
    return Period(midnight(end - timedelta(days=7), zone), midnight(end, zone), zone)


def crontab(at: str, on: str) -> str:
    """The crontab expression of `at 09:00 on mon-fri`. Raises UsageError for what is no time or no days."""
    found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", at)
    if not found:
        raise UsageError("time_invalid", text=at)
    return check(f"{int(found[2])} {int(found[1])} * * {_weekdays(on)}")


def parts(expression: str) -> tuple[str, str]:
    """Time and days of a schedule that `crontab` made; 09:00 and mon-fri where another one is more than that."""
    found = re.fullmatch(r"(\d{1,2}) (\d{1,2}) \* \* (\S+)", expression)
    return (f"{int(found[2]):02}:{int(found[1]):02}", found[3]) if found else ("09:00", "mon-fri")


def weekdays(on: str) -> tuple[str, ...]:
    """The days that `mon-fri` or the like names, Monday first."""
    fields = CronTrigger.from_crontab(check(f"0 0 * * {_weekdays(on)}"), timezone=ZoneInfo("UTC")).fields
    (field,) = (f for f in fields if f.name == "day_of_week")
    monday = date(2024, 1, 1)
    return tuple(
        name
        for number, name in enumerate(WEEK)
        if field.get_next_value(datetime.combine(monday + timedelta(days=number), time())) == number
    )


def days_named(names: Sequence[str]) -> str:
    """`mon-fri`, `daily` or `mon,wed` for days in any order; other words stay as they are, to be refused later."""
    chosen = {name.lower() for name in names}
    if chosen == set(WEEK):
        return "daily"
    if chosen == set(WEEK[:5]):
        return "mon-fri"
    return ",".join(sorted(chosen, key=lambda name: (WEEK.index(name) if name in WEEK else 7, name)))


def _weekdays(on: str) -> str:
    names = {"daily": "*", "每天": "*", "weekdays": "mon-fri", "工作日": "mon-fri"}
    return names.get(on.lower(), on.lower())


def check(expression: str) -> str:
    """`expression` with days of the week by name. Raises UsageError where it is no crontab expression.

    crontab(5) counts Sunday as 0 and 7; APScheduler counts Monday as 0, so numbers are turned into names first.
    """
    fields = expression.split()
    if len(fields) == 5:
        named = _NUMBER.sub(lambda found: _DAYS[int(found[0]) % 7], fields[4].lower())
        fields[4] = _RANGE.sub(_spelt, named)
    try:
        CronTrigger.from_crontab(" ".join(fields), timezone=ZoneInfo("UTC"))
    except ValueError:
        raise UsageError("schedule_invalid", text=expression) from None
    return " ".join(fields)


def _spelt(found: re.Match[str]) -> str:
    """A range of days that ends before it begins, as `sun-thu` does for APScheduler, day by day."""
    first, last = (WEEK.index(found[n]) for n in (1, 2))
    if first <= last:
        return found[0]
    return ",".join(WEEK[n % 7] for n in range(first, last + 8))


def next_slot(expression: str, zone: str, now: datetime) -> datetime | None:
    """When the schedule is due next, in UTC; None for one that never is (31 February)."""
    found = CronTrigger.from_crontab(check(expression), timezone=ZoneInfo(zone)).get_next_fire_time(None, now)
    return found.astimezone(ZoneInfo("UTC")) if found else None
