"""On which days people work: a country's public holidays, and the weekends that are worked instead. Pure.

A calendar is named by its country's code in ISO 3166-1, with a part of it in ISO 3166-2 behind a hyphen: `CN`, `DE-BE`.
Dates come from the package `holidays` (holidays.readthedocs.io), which is loaded once a calendar is needed: it takes
70 ms and 12 MB. What it only estimates, such as a feast that begins when the moon is seen, counts as a working day, and
so does a whole year that a government has not announced yet.
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
"""Countries where what is free, and worked for it, is decided each year: by China's State Council, in November."""
_ESTIMATED = "estimated"
"""What the package writes behind the name of a holiday whose date is not certain, in English."""
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
"""Countries by what they are called in Chinese; in English the package knows them all."""


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
    """Whether what is due on some days of the week (Monday 0) is due on a day of a calendar.

    Nothing is on a public holiday; on a weekend that is worked, what is due on every working day of a week.
    """
    if day in _year(calendar, day.year).worked and is_working_week(calendar, day, weekdays):
        return True
    return day.weekday() in weekdays and day not in _year(calendar, day.year).free


def is_working_week(calendar: str, day: date, weekdays: Collection[int]) -> bool:
    """Whether some days of the week (Monday 0) are all that are worked at that time, or more."""
    return set(weekdays) >= set(range(7)) - _year(calendar, day.year).weekend


def announced_until(calendar: str) -> int | None:
    """The last year of a calendar that was announced; None where nobody has to, and for a calendar that there is not.

    Years are known as the installed package `holidays` knows them.
    """
    return max(_announced(calendar), default=None)


def is_open(calendar: str, first: date, last: date) -> bool:
    """Whether it is not certain yet which days are free between two, so that the open ones count as working days."""
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
    """The years of a calendar that were announced, where that is needed."""
    country = calendar.partition("-")[0]
    if country not in _ANNOUNCED or not is_known(calendar):
        return ()
    announced: Mapping[int, object] = getattr(_found(country, 2001), "special_public_holidays", {})
    return announced


def _found(calendar: str, year: int) -> "HolidayBase":
    """What the package says of a year, with those around it: what is observed for New Year may lie in another one."""
    from holidays import country_holidays

    country, _, part = calendar.partition("-")
    return country_holidays(country, part or None, years=range(year - 1, year + 2), expand=False, language="en_US")


# --- Names -----------------------------------------------------------------------------------

_BETWEEN = re.compile(r"[\s,、/‐–-]+")
"""What stands between a country and a part of it."""


def is_known(calendar: str) -> bool:
    """Whether there is a calendar of that name."""
    country, hyphen, part = calendar.partition("-")
    return country in _countries().values() and (not hyphen or part in _parts(country).values())


def named(text: str) -> str:
    """The calendar that somebody means: `cn`, `China`, `中国`, `DE-BE`, `Germany, Berlin`. Raises UsageError.

    One that is not known is refused with the nearest country, or with the parts that its country has.
    """
    plain = unicodedata.normalize("NFKC", text).strip()
    if country := _country(plain):
        return country
    for between in _BETWEEN.finditer(plain):
        if country := _country(plain[: between.start()]):
            return f"{country}-{_part(country, plain[between.end() :])}"
    known = [name for name in _countries() if name]
    if near := difflib.get_close_matches(_spelt(plain), known, n=1, cutoff=0.8):
        raise UsageError("holidays_near", text=one_line(text, 60), near=_countries()[near[0]])
    raise UsageError("holidays_unknown", text=one_line(text, 60))


def _country(text: str) -> str:
    """The code of a country by any of its names; empty for none."""
    return _countries().get(_spelt(text), "")


def _part(country: str, text: str) -> str:
    """The code of a part of a country by its code or its name. Raises UsageError."""
    parts = _parts(country)
    if found := parts.get(_spelt(text)):
        return found
    known = tuple(dict.fromkeys(parts.values())) or "–"
    raise UsageError("holidays_part", country=country, text=one_line(text, 60), known=known)


@cache
def _countries() -> Mapping[str, str]:
    """The code of each country by each of its names and codes."""
    from holidays.registry import COUNTRIES

    coded = {_spelt(name): names[1] for names in COUNTRIES.values() for name in names}
    return coded | {_spelt(name): code for name, code in _CHINESE.items() if _spelt(code) in coded}


@cache
def _parts(country: str) -> Mapping[str, str]:
    """The code of each part of a country by its name and its code."""
    found = _found(country, 2001)
    names = {_spelt(name): code for name, code in found.subdivisions_aliases.items()}
    return names | {_spelt(code): code for code in found.subdivisions}


def _spelt(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()
