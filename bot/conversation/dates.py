"""Parses days as people write them: `18 Feb`, `2026/02/18`, `last friday`, `3 days ago`, `上周五`, `2月18日`. Pure.

The text must match as a whole: it names a day or a span of days, or it is not a date. A day without a year is the
latest one in the past; a day of the week is the latest before today.
"""

import re
import unicodedata
from calendar import monthrange
from collections.abc import Callable, Sequence
from datetime import date, timedelta

from bot.errors import UsageError
from bot.values import one_line, whole_number

Span = tuple[date, date]
"""The first and the last day of a span; the same day twice for one day."""

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?P<name>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_NAMES = (
    "monday tuesday wednesday thursday friday saturday sunday january february march april may june july august"
    " september october november december"
)
NAMES = tuple(_NAMES.split())
"""The full names of days and months."""
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKDAY = r"(?P<weekday>mon|tue|wed|thu|fri|sat|sun)(?:day|s|sday|nesday|rs|rsday|urday)?"
_CHINESE_WEEK = "一二三四五六日"
_NUMBER = r"\d{1,3}|[一二两三四五六七八九十]{1,3}"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>\d{4})"
_LEAD = re.compile(r"^(?:on|for|of|from|the)\s+")

_Reader = Callable[[re.Match[str], date], Span | None]


def spoken(words: Sequence[str], today: date, is_repository: Callable[[str], bool]) -> list[str]:
    """Replace the date in the words of a line by `2026-02-18`, a span of days by `2026-02-09..2026-02-15`.

    A line with anything else besides repositories is returned unchanged. Raises UsageError for a day that does not
    exist or is ambiguous.
    """
    others = [word for word in words if is_repository(word)]
    said = " ".join(word for word in words if word not in others)
    if not (found := span(said, today)):
        return list(words)
    return [written(found), *others]


def written(days: Span) -> str:
    """Days as a word of the grammar: `2026-02-18`, or `2026-02-09..2026-02-15`."""
    first, last = days
    return first.isoformat() if first == last else f"{first}..{last}"


def span(text: str, today: date) -> Span | None:
    """The days that a text names, or None. Raises UsageError as `spoken` does."""
    plain = _LEAD.sub("", _plain(text))
    for pattern, read in _READERS:
        if found := pattern.fullmatch(plain):
            try:
                return read(found, today)
            except (ValueError, OverflowError):
                raise UsageError("date_invalid", text=one_line(text, 60)) from None
    return None


# --- A date of the calendar --------------------------------------------------------------------


def _written(found: re.Match[str], _: date) -> Span:
    return _one(date(int(found["year"]), int(found["month"]), int(found["day"])))


def _named(found: re.Match[str], today: date) -> Span:
    month = _MONTHS.index(found["name"][:3]) + 1
    return _dated(found["year"], month, int(found["day"]), today)


def _in_chinese(found: re.Match[str], today: date) -> Span:
    return _dated(found["year"], whole_number(found["month"]), whole_number(found["day"]), today)


def _dated(year: str | None, month: int, day: int, today: date) -> Span:
    """A day in a given year, else in the latest year in which it is past; 29 February may be long ago."""
    if year:
        return _one(date(int(year), month, day))
    date(2000, month, day)  # a leap year has every day
    for before in range(9):
        last_day = monthrange(today.year - before, month)[1]
        if day <= last_day and (made := date(today.year - before, month, day)) <= today:
            return _one(made)
    raise ValueError(day)


def _either(found: re.Match[str], _: date) -> Span:
    """`18/02/2026` or `02/18/2026`; if both are possible, the error asks which."""
    first, second, year = int(found["first"]), int(found["second"]), int(found["year"])
    ways = [(month, day) for month, day in ((second, first), (first, second)) if month <= len(_MONTHS)]
    dates = list(dict.fromkeys(date(year, month, day) for month, day in ways))
    if len(dates) > 1:
        raise UsageError("date_which", text=found[0], first=dates[0].isoformat(), second=dates[1].isoformat())
    if not dates:
        raise ValueError(found[0])
    return _one(dates[0])


# --- A day counted from today ------------------------------------------------------------------


def _ago(found: re.Match[str], today: date) -> Span:
    return _one(today - timedelta(days=whole_number(found["count"])))


def _before_yesterday(found: re.Match[str], today: date) -> Span:
    return _one(today - timedelta(days=2 + found[0].startswith("大")))


def _weekday(found: re.Match[str], today: date) -> Span:
    return _one(_latest(_WEEKDAYS.index(found["weekday"]), today))


def _weekday_in_chinese(found: re.Match[str], today: date) -> Span:
    """`周五` is the latest one, `上周五` the one of last week; weeks begin on Monday."""
    number = _CHINESE_WEEK.index(found["weekday"].replace("天", "日"))
    if not found["last"]:
        return _one(_latest(number, today))
    return _one(_monday(today) + timedelta(days=number - 7))


def _latest(number: int, today: date) -> date:
    return today - timedelta(days=(today.weekday() - number - 1) % 7 + 1)


def _last_week(_: re.Match[str], today: date) -> Span:
    monday = _monday(today) - timedelta(days=7)
    return monday, monday + timedelta(days=6)


def _this_week(_: re.Match[str], today: date) -> Span:
    """`本周` is Monday until today, which no English word for seven days means."""
    return _monday(today), today


def _last_month(_: re.Match[str], today: date) -> Span:
    last = today.replace(day=1) - timedelta(days=1)
    return last.replace(day=1), last


def _monday(today: date) -> date:
    return today - timedelta(days=today.weekday())


# --- Shared helpers ----------------------------------------------------------------------------


def _one(day: date) -> Span:
    return day, day


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text)).strip().lower()


_WRITTEN = re.compile(rf"{_YEAR}(?P<sign>[-/.])(?P<month>\d{{1,2}})(?P=sign)(?P<day>\d{{1,2}})")
_READERS: tuple[tuple[re.Pattern[str], _Reader], ...] = (
    (_WRITTEN, _written),
    (re.compile(rf"(?P<day>\d{{1,2}})\.(?P<month>\d{{1,2}})\.{_YEAR}"), _written),
    (re.compile(rf"(?P<first>\d{{1,2}})/(?P<second>\d{{1,2}})/{_YEAR}"), _either),
    (re.compile(rf"{_DAY}(?: of)?[ -]?{_MONTH}(?:[ ,-]+{_YEAR})?"), _named),
    (re.compile(rf"{_MONTH}[ -]?{_DAY}(?:[ ,-]+{_YEAR})?"), _named),
    (re.compile(rf"(?:{_YEAR}年)?(?P<month>{_NUMBER})月(?P<day>{_NUMBER})[日号]?"), _in_chinese),
    (re.compile(rf"(?P<count>{_NUMBER}) ?(?:days? ago|天之?前)"), _ago),
    (re.compile(r"(?:the )?day before yesterday|大?前天|大?前日"), _before_yesterday),
    (re.compile(rf"(?:last |past |this past )?{_WEEKDAY}"), _weekday),
    (re.compile(r"(?P<last>上个?)?(?:周|星期|礼拜)(?P<weekday>[一二三四五六日天])"), _weekday_in_chinese),
    (re.compile(r"[本这]个?(?:周|星期|礼拜)"), _this_week),
    (re.compile(r"last week|上个?(?:周|星期|礼拜)"), _last_week),
    (re.compile(r"last month|上个?月"), _last_month),
)
"""The patterns of days, and how each is parsed."""
