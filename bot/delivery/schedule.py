"""Days, periods and slots: when a digest is due and which time it covers. Pure; `now` is always passed in.

A slot is the first time of a local day at which a schedule fires. Its digest covers the time from where the one before
ended to the last local midnight before the slot. So the periods of a subscription follow each other without a gap and
without an overlap, however often its schedule or its zone is changed: a slot whose midnight lies not behind the last
one has nothing to tell, and is none.

What is typed is read by `bot.crontab`, and kept as every version reads it. What an earlier version kept goes on as that
one read it: `mon–fri`, with a dash that is none of crontab's, were Mondays.

Where `holidays` names a calendar, a schedule has no slot on its public holidays, whose time the next digest covers; one
that is due on every working day of a week also has one on a weekend that is worked.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import takewhile
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

from bot import crontab, workdays
from bot.crontab import WEEK
from bot.errors import UsageError
from bot.values import LONG, Period

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_RANGE = re.compile(rf"\b({'|'.join(_DAYS)})-({'|'.join(_DAYS)})\b(?!/)")
CATCH_UP = timedelta(days=7)
"""So far back a digest reaches that makes up for missed ones."""
_SLOTS = 3
"""So many times between slots are looked at: one that is due each day of one week in a month is not weekly."""
_LEFT_OUT = 60
"""After so many times that are holidays or weekends, one after the other, a schedule is never due: `0 9 1 1 *`."""
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


def is_weekly(expression: str, zone: str, slot: datetime) -> bool:
    """Whether the digests of a schedule read as rollups: from a slot on, they come so seldom, weekly or less often.

    One that makes up for missed days, or for holidays, is none for that.
    """
    following = slot_after(expression, zone, slot)
    for _ in range(_SLOTS):
        if following is None or (today(following, zone) - today(slot, zone)).days < LONG:
            return False
        slot, following = following, slot_after(expression, zone, following)
    return True


def time_of(expression: str) -> str:
    """The time of day at which a schedule is due, `09:00`; empty where it has not one alone."""
    found = re.match(r"(\d{1,2}) (\d{1,2}) ", expression)
    return f"{int(found[2]):02}:{int(found[1]):02}" if found else ""


def days_of(expression: str) -> tuple[str, ...]:
    """The days of the week on which a schedule is due, Monday first; none where it asks for other dates too."""
    return weekdays(expression) if re.fullmatch(r"\S+ \S+ \* \* \S+", expression) else ()


def weekdays(expression: str) -> tuple[str, ...]:
    """The days of the week that a schedule allows, Monday first. Raises UsageError."""
    fields = CronTrigger.from_crontab(_as_kept(expression), timezone=ZoneInfo("UTC")).fields
    (field,) = (f for f in fields if f.name == "day_of_week")
    monday = date(2024, 1, 1)
    return tuple(
        name
        for number, name in enumerate(WEEK)
        if field.get_next_value(datetime.combine(monday + timedelta(days=number), time())) == number
    )


def is_misread(expression: str) -> bool:
    """Whether a sound schedule, kept by an earlier version, is due otherwise than its text says, or than crontab's."""
    try:
        return weekdays(crontab.expression(expression)) != weekdays(expression)
    except UsageError:
        return True


def days_named(names: Sequence[str]) -> str:
    """`mon-fri`, `daily` or `mon,wed` for days in any order; other words stay as they are, to be refused later."""
    chosen = {name.lower() for name in names}
    for days, word in ((set(WEEK), "daily"), (set(WEEK[:5]), "mon-fri")):
        if chosen >= days and chosen.isdisjoint(set(WEEK) - days):
            return ",".join([word, *sorted(chosen - days)])
    return ",".join(sorted(chosen, key=lambda name: (WEEK.index(name) if name in WEEK else 7, name)))


def _as_kept(expression: str) -> str:
    """A schedule as the library is to read it. Raises UsageError where it cannot.

    What `crontab.expression` spelt stays as it is. All else was kept by an earlier version and is read as it read it:
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


def is_sound(expression: str, zone: str) -> bool:
    """Whether a schedule can be understood, in a zone that there is."""
    try:
        next_slot(expression, zone, datetime(2000, 1, 1, tzinfo=ZoneInfo("UTC")))
    except (UsageError, ValueError, LookupError, OSError):  # of a zone's name anything may be asked of the disk
        return False
    return True


def _spelt(found: re.Match[str]) -> str:
    """A range of days that ends before it begins, as `sun-thu` does for APScheduler, day by day."""
    first, last = (WEEK.index(found[n]) for n in (1, 2))
    if first <= last:
        return found[0]
    return ",".join(WEEK[n % 7] for n in range(first, last + 8))


@lru_cache(maxsize=1 << 14)
def next_slot(expression: str, zone: str, now: datetime, holidays: str = "") -> datetime | None:
    """When the schedule is due next, in UTC; None for one that never is (31 February)."""
    if not holidays:
        return _next_time(expression, zone, now)
    days = [WEEK.index(name) for name in weekdays(expression)]
    if workdays.is_working_week(holidays, today(now, zone), days):  # then a weekend may be worked too
        expression = " ".join([*expression.split()[:4], "*"])
    for _ in range(_LEFT_OUT):
        slot = _next_time(expression, zone, now)
        if slot is None or workdays.is_due(holidays, today(slot, zone), days):
            return slot
        now = day(today(slot, zone), zone).until
    return None


def _next_time(expression: str, zone: str, now: datetime) -> datetime | None:
    """When an expression comes next, on whatever day."""
    found = CronTrigger.from_crontab(_as_kept(expression), timezone=ZoneInfo(zone)).get_next_fire_time(None, now)
    return found.astimezone(ZoneInfo("UTC")) if found else None


@dataclass(frozen=True, slots=True)
class Due:
    """A slot that has passed, and the period `[since, until)` of its digest.

    `cursor` is where the digests before ended; where it lies before `since`, the time between is given up, because the
    bot was away for longer than it makes up for. `merged` counts the missed slots that it makes up for.
    """

    slot: datetime
    cursor: datetime
    since: datetime
    until: datetime
    merged: int = 0


@dataclass(frozen=True, slots=True)
class Watermark:
    """How far a subscription's digests got: `slot` is the last one that was theirs, `until` its end.

    `cursor` is the end of what was posted; it lies before `until` where the last digests could not be posted, of which
    there are `missed`. `slot` may be later, where the schedule was changed since.
    """

    slot: datetime
    until: datetime
    cursor: datetime
    missed: int = 0


def due(expression: str, zone: str, mark: Watermark, now: datetime, holidays: str = "") -> Due | None:
    """The latest slot after `mark.slot` that has passed, with everything since `mark.cursor`; None where none has.

    Where nobody was there when slots passed, what is made up for begins with the period in which `CATCH_UP` ends: a
    long one, as of a holiday, is told whole. Raises UsageError for what is no crontab expression.
    """
    passed = list(takewhile(lambda found: found[0] <= now, _slots(expression, zone, mark, holidays)))
    if not passed:
        return None
    slot, until = passed[-1]
    since = mark.cursor
    if len(passed) > 1:
        earliest = midnight(today(until, zone) - CATCH_UP, zone)
        begun = (end for end in (mark.until, *(end for _, end in passed[:-1])) if end <= earliest)
        since = max([mark.cursor, *begun])
    return Due(slot, mark.cursor, since, until, mark.missed + len(passed) - 1)


def first_slot(expression: str, zone: str, mark: Watermark, holidays: str = "") -> datetime | None:
    """The first slot after `mark.slot`, in UTC, whether or not it has passed. Raises as `due` does."""
    return next((slot for slot, _ in _slots(expression, zone, mark, holidays)), None)


def coming(expression: str, zone: str, mark: Watermark, now: datetime, holidays: str = "") -> Iterator[datetime]:
    """The slots after `now`, in UTC, the next one first. Raises UsageError for what is no crontab expression."""
    return (slot for slot, _ in _slots(expression, zone, replace(mark, slot=max(mark.slot, now)), holidays))


def _slots(expression: str, zone: str, mark: Watermark, holidays: str) -> Iterator[tuple[datetime, datetime]]:
    """The slots after `mark.slot`, each with its end."""
    after = mark.slot + timedelta(microseconds=1)
    while slot := next_slot(expression, zone, after, holidays):
        this = day(today(slot, zone), zone)
        if this.since > mark.until:
            yield slot, this.since
        after = this.until


def first_watermark(expression: str, zone: str, created: datetime, holidays: str = "") -> Watermark:
    """Where a new subscription begins: its first digest covers the day that was the last whole one before its slot."""
    first, begun = next_slot(expression, zone, created, holidays), today(created, zone)
    if first and today(first, zone) == begun:
        begun -= timedelta(days=1)
    cursor = midnight(begun, zone)
    return Watermark(created, cursor, cursor)


def slot_after(expression: str, zone: str, slot: datetime, holidays: str = "") -> datetime | None:
    """The next slot on a later local day, in UTC; None where there is none."""
    return next_slot(expression, zone, day(today(slot, zone), zone).until, holidays)
