"""Days, periods and slots: when a digest is due and what time it covers. Pure; `now` is always passed in.

A slot is the first time of a local day at which a schedule fires. Its digest covers the time from the end of the
previous one to the last local midnight before the slot. So the periods of a subscription have no gaps and no overlaps,
however often its schedule or zone is changed: a slot whose midnight is not after the last one has nothing to report and
is skipped.

`bot.crontab` parses what people type, and stores it in a form that every version reads alike. What an earlier version
stored is still read as that version did: `mon–fri`, with an en dash, meant Mondays.

With a calendar in `holidays`, a schedule has no slots on public holidays; the next digest covers their time. One that
is due on every working day also has a slot on weekend days that are worked.
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
"""How far back a digest catches up on missed ones."""
_SLOTS = 3
"""How many gaps between slots are checked: a schedule for each day of one week a month is not weekly."""
_LEFT_OUT = 60
"""After this many holidays and weekends in a row a schedule counts as never due: `0 9 1 1 *`."""
_NUMBER = re.compile(r"(?<![/\d])[0-7](?!\d)")


def midnight(day: date, zone: str) -> datetime:
    """The start of a local day, in UTC. If the clocks skip midnight, the time they skip to."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(ZoneInfo("UTC"))


def day(of: date, zone: str) -> Period:
    """The whole local day: 23 or 25 hours if the clocks change."""
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
    """Whether the digests of a schedule are rollups: from `slot` on, they are always at least `LONG` days apart.

    A digest that catches up on missed days or holidays is not one for that reason.
    """
    following = slot_after(expression, zone, slot)
    for _ in range(_SLOTS):
        if following is None or (today(following, zone) - today(slot, zone)).days < LONG:
            return False
        slot, following = following, slot_after(expression, zone, following)
    return True


def time_of(expression: str) -> str:
    """The time of day at which a schedule is due, `09:00`; empty if there are several."""
    found = re.match(r"(\d{1,2}) (\d{1,2}) ", expression)
    return f"{int(found[2]):02}:{int(found[1]):02}" if found else ""


def days_of(expression: str) -> tuple[str, ...]:
    """The days of the week on which a schedule is due, Monday first; empty if it also depends on dates."""
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
    """Whether a valid schedule, stored by an earlier version, is due at other times than its text means in crontab."""
    try:
        return weekdays(crontab.expression(expression)) != weekdays(expression)
    except UsageError:
        return True


def days_named(names: Sequence[str]) -> str:
    """`mon-fri`, `daily` or `mon,wed` for days in any order; other words are left unchanged, to be rejected later."""
    chosen = {name.lower() for name in names}
    for days, word in ((set(WEEK), "daily"), (set(WEEK[:5]), "mon-fri")):
        if chosen >= days and chosen.isdisjoint(set(WEEK) - days):
            return ",".join([word, *sorted(chosen - days)])
    return ",".join(sorted(chosen, key=lambda name: (WEEK.index(name) if name in WEEK else 7, name)))


def _as_kept(expression: str) -> str:
    """A schedule as APScheduler should parse it. Raises UsageError if it is invalid.

    The output of `crontab.expression` is left unchanged. Anything else was stored by an earlier version and is read as
    it did: crontab(5) counts Sunday as 0 and 7, APScheduler counts Monday as 0, so numbers become names first.
    """
    fields = expression.split()
    if len(fields) == 5:
        named = _NUMBER.sub(lambda found: _DAYS[int(found[0]) % 7], fields[4].lower())
        fields[4] = _RANGE.sub(_spelled, named)
    try:
        CronTrigger.from_crontab(" ".join(fields), timezone=ZoneInfo("UTC"))
    except ValueError:
        raise UsageError("schedule_invalid", text=expression) from None
    return " ".join(fields)


def is_sound(expression: str, zone: str) -> bool:
    """Whether a schedule and a zone are valid."""
    try:
        next_slot(expression, zone, datetime(2000, 1, 1, tzinfo=ZoneInfo("UTC")))
    except (UsageError, ValueError, LookupError, OSError):  # looking up a zone's name reads files
        return False
    return True


def _spelled(found: re.Match[str]) -> str:
    """Spell out a range that APScheduler takes to end before it begins, like `sun-thu`, day by day."""
    first, last = (WEEK.index(found[n]) for n in (1, 2))
    if first <= last:
        return found[0]
    return ",".join(WEEK[n % 7] for n in range(first, last + 8))


@lru_cache(maxsize=1 << 14)
def next_slot(expression: str, zone: str, now: datetime, holidays: str = "") -> datetime | None:
    """When the schedule is due next, in UTC; None if never (31 February)."""
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
    """When an expression fires next, regardless of holidays."""
    found = CronTrigger.from_crontab(_as_kept(expression), timezone=ZoneInfo(zone)).get_next_fire_time(None, now)
    return found.astimezone(ZoneInfo("UTC")) if found else None


@dataclass(frozen=True, slots=True)
class Due:
    """A slot that has passed, and its digest's period `[since, until)`.

    `cursor` is where the previous digest ended; if it is before `since`, the time between is given up, because the bot
    was offline for longer than it catches up on. `merged` counts the missed slots that it catches up on.
    """

    slot: datetime
    cursor: datetime
    since: datetime
    until: datetime
    merged: int = 0


@dataclass(frozen=True, slots=True)
class Watermark:
    """How far a subscription's digests got: `slot` is their last one, `until` its end.

    `cursor` is the end of what was posted; it is before `until` if the last `missed` digests could not be posted.
    `slot` may be later if the schedule was changed since.
    """

    slot: datetime
    until: datetime
    cursor: datetime
    missed: int = 0


def due(expression: str, zone: str, mark: Watermark, now: datetime, holidays: str = "") -> Due | None:
    """The latest slot after `mark.slot` that has passed, with everything since `mark.cursor`; else None.

    If slots were missed, catching up starts with the period that contains the start of `CATCH_UP`: a long one, such as
    after a holiday, is reported as a whole. Raises UsageError for an invalid crontab expression.
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
    """The first slot after `mark.slot`, in UTC, past or future; else None. Raises as `due` does."""
    return next((slot for slot, _ in _slots(expression, zone, mark, holidays)), None)


def coming(expression: str, zone: str, mark: Watermark, now: datetime, holidays: str = "") -> Iterator[datetime]:
    """The slots after `now`, in UTC, the next one first. Raises UsageError for an invalid crontab expression."""
    return (slot for slot, _ in _slots(expression, zone, replace(mark, slot=max(mark.slot, now)), holidays))


def _slots(expression: str, zone: str, mark: Watermark, holidays: str) -> Iterator[tuple[datetime, datetime]]:
    """The slots after `mark.slot`, each with the end of its period."""
    after = mark.slot + timedelta(microseconds=1)
    while slot := next_slot(expression, zone, after, holidays):
        this = day(today(slot, zone), zone)
        if this.since > mark.until:
            yield slot, this.since
        after = this.until


def first_watermark(expression: str, zone: str, created: datetime, holidays: str = "") -> Watermark:
    """Where a new subscription starts: its first digest covers the last whole day before its slot."""
    first, begun = next_slot(expression, zone, created, holidays), today(created, zone)
    if first and today(first, zone) == begun:
        begun -= timedelta(days=1)
    cursor = midnight(begun, zone)
    return Watermark(created, cursor, cursor)


def slot_after(expression: str, zone: str, slot: datetime, holidays: str = "") -> datetime | None:
    """The next slot on a later local day, in UTC, or None."""
    return next_slot(expression, zone, day(today(slot, zone), zone).until, holidays)
