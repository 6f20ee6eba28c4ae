"""Working days: a country's public holidays, and the weekends that are worked instead. Pure.

A calendar is named by its country's code in ISO 3166-1, optionally with a subdivision in ISO 3166-2: `CN`, `DE-BE`.
Dates come from the package `holidays` (holidays.readthedocs.io), which is loaded when first needed: it takes 70 ms and
12 MB. Estimated dates, such as a feast that depends on the sighting of the moon, count as working days, and so does a
whole year that a government has not announced yet.
"""

import difflib
import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from bot.errors import UsageError
from bot.values import one_line

if TYPE_CHECKING:
    from holidays import HolidayBase

_ANNOUNCED = frozenset({"CN"})
"""Countries that decide free days, and days worked for them, each year: China's State Council, in November."""
_ESTIMATED = "estimated"
"""What the package appends to the English name of a holiday whose date is not certain."""
_CHINESE = {
    "中国": "CN",
    "香港": "HK",
    "澳门": "MO",
    "台湾": "TW",
    "日本": "JP",
    "韩国": "KR",
    "新加坡": "SG",
    "印度": "IN",
    "美国": "US",
    "加拿大": "CA",
    "英国": "GB",
    "德国": "DE",
    "法国": "FR",
    "澳大利亚": "AU",
}
"""Countries by their Chinese names; the package has the English ones."""


@dataclass(frozen=True, slots=True)
class _Year:
    """A year of a calendar: holidays that are `free`, and days of the `weekend` (days of the week, Monday 0) `worked`.

    `estimated` are holidays whose date is not certain; a year that is not `announced` has nothing but its weekend.
    """

    free: frozenset[date] = frozenset()
    worked: frozenset[date] = frozenset()
    weekend: frozenset[int] = frozenset()
    estimated: frozenset[date] = frozenset()
    announced: bool = True


# --- Days ------------------------------------------------------------------------------------


def is_due(calendar: str, day: date, weekdays: Collection[int]) -> bool:
    """Whether a schedule for some days of the week (Monday 0) is due on a day of a calendar.

    Nothing is due on a public holiday; a schedule for all working days is due on a weekend that is worked.
    """
    if day in _year(calendar, day.year).worked and is_working_week(calendar, day, weekdays):
        return True
    return day.weekday() in weekdays and day not in _year(calendar, day.year).free


def is_working_week(calendar: str, day: date, weekdays: Collection[int]) -> bool:
    """Whether days of the week (Monday 0) include all regular working days at that time."""
    return set(weekdays) >= set(range(7)) - _year(calendar, day.year).weekend


def announced_until(calendar: str) -> int | None:
    """The last announced year of a calendar; None if years need no announcement, or the calendar does not exist.

    This depends on the installed version of the package `holidays`.
    """
    return max(_announced(calendar), default=None)


def is_open(calendar: str, first: date, last: date) -> bool:
    """Whether the free days between two dates are not certain yet, so that uncertain ones count as working days."""
    years = [_year(calendar, number) for number in range(first.year, last.year + 1)]
    return any(not year.announced or any(first <= day <= last for day in year.estimated) for year in years)


@lru_cache(maxsize=1 << 10)
def _year(calendar: str, number: int) -> _Year:
    if not is_known(calendar):
        return _Year()
    found = _found(calendar, number)
    weekend, announced = frozenset(found.weekend), _announced(calendar)
    if announced and number not in announced:
        return _Year(weekend=weekend, announced=False)
    days = {day: found.get_list(day) for day in found if day.year == number}
    sure = frozenset(day for day, names in days.items() if any(_ESTIMATED not in name for name in names))
    worked = frozenset(day for day in found.weekend_workdays if day.year == number)
    return _Year(sure, worked, weekend, frozenset(days) - sure)


def _announced(calendar: str) -> Collection[int]:
    """The announced years of a calendar, if announcements are needed."""
    country = calendar.partition("-")[0]
    if country not in _ANNOUNCED or not is_known(calendar):
        return ()
    announced: Mapping[int, object] = getattr(_found(country, 2001), "special_public_holidays", {})
    return announced


def _found(calendar: str, year: int) -> "HolidayBase":
    """The package's data for a year and those around it: New Year may be observed in another year."""
    from holidays import country_holidays

    country, _, part = calendar.partition("-")
    return country_holidays(country, part or None, years=range(year - 1, year + 2), expand=False, language="en_US")


# --- Names -----------------------------------------------------------------------------------

_BETWEEN = re.compile(r"[\s,、/‐–-]+")
"""Separators between a country and its subdivision."""


def is_known(calendar: str) -> bool:
    """Whether a calendar exists."""
    country, hyphen, part = calendar.partition("-")
    return country in _countries().values() and (not hyphen or part in _parts(country).values())


def named(text: str) -> str:
    """Find a calendar by any name: `cn`, `China`, `中国`, `DE-BE`, `Germany, Berlin`. Raises UsageError.

    The error for an unknown one suggests the nearest country, or lists the subdivisions of its country.
    """
    plain = unicodedata.normalize("NFKC", text).strip()
    if country := _country(plain):
        return country
    for between in _BETWEEN.finditer(plain):
        if country := _country(plain[: between.start()]):
            return f"{country}-{_part(country, plain[between.end() :])}"
    known = [name for name in _countries() if name]
    if near := difflib.get_close_matches(_normalised(plain), known, n=1, cutoff=0.8):
        raise UsageError("holidays_near", text=one_line(text, 60), near=_countries()[near[0]])
    raise UsageError("holidays_unknown", text=one_line(text, 60))


def _country(text: str) -> str:
    """The code of a country by any of its names; empty if unknown."""
    return _countries().get(_normalised(text), "")


def _part(country: str, text: str) -> str:
    """The code of a country's subdivision by its code or name. Raises UsageError."""
    parts = _parts(country)
    if found := parts.get(_normalised(text)):
        return found
    known = tuple(dict.fromkeys(parts.values()))
    raise UsageError("holidays_part", country=country, text=one_line(text, 60), known=known)


@cache
def _countries() -> Mapping[str, str]:
    """The code of each country by each of its names and codes."""
    from holidays.registry import COUNTRIES

    coded = {_normalised(name): names[1] for names in COUNTRIES.values() for name in names}
    return coded | {_normalised(name): code for name, code in _CHINESE.items() if _normalised(code) in coded}


@cache
def _parts(country: str) -> Mapping[str, str]:
    """The codes of a country's subdivisions by name and code."""
    found = _found(country, 2001)
    names = {_normalised(name): code for name, code in found.subdivisions_aliases.items()}
    return names | {_normalised(code): code for code in found.subdivisions}


def _normalised(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()
