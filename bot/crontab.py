"""Parses schedules: crontab expressions, and the times and days that people type instead. Pure.

A text must be valid as a whole; else the error names the word that is not. The result has one form, which all parsers
of crontab expressions read alike.
"""

import re
import unicodedata
from collections.abc import Iterable
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

from bot.errors import UsageError
from bot.values import one_line, whole_number

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
WEEK = (*_DAYS[1:], _DAYS[0])
"""The days of the week by name, Monday first, as `Texts` numbers them."""

# --- A whole expression ----------------------------------------------------------------------

_MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * sun",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
"""crontab(5), Extensions. `@reboot` names no time."""
_NUMBERS = r"\*(/\d+)?|\d+(-\d+)?(/\d+)?"
_FIELDS = {
    "minute": _NUMBERS,
    "hour": _NUMBERS,
    "day": rf"{_NUMBERS}|last",
    "month": rf"{_NUMBERS}|[a-z]{{3}}(-[a-z]{{3}})?",
}
"""The items of a field, by the library's name for it; the library ignores trailing text."""


def expression(text: str) -> str:
    """A crontab expression as it is stored, with days of the week by name.

    Raises UsageError for what cannot be parsed, and for days of the month together with days of the week: crontab means
    either of them, which the library does not support and people rarely expect.
    """
    fields = _plain(text).lower().split()
    fields = _MACROS.get(" ".join(fields), " ".join(fields)).split()
    if len(fields) != 5:
        raise UsageError("schedule_invalid", text=_shown(text))
    fields[:4] = (_field(name, field) for name, field in zip(_FIELDS, fields, strict=False))
    fields[4] = days(fields[4])
    if fields[2] != "*" and fields[4] != "*":
        raise UsageError("schedule_both", month=_shown(fields[2]), week=fields[4])
    return " ".join(fields)


def _field(name: str, text: str) -> str:
    items = ["last" if name == "day" and item == "l" else item for item in text.split(",")]
    for item in items:
        try:
            if not re.fullmatch(_FIELDS[name], item, re.ASCII):
                raise ValueError(item)
            CronTrigger(timezone=ZoneInfo("UTC"), **{name: item})
        except ValueError:
            raise UsageError("schedule_invalid", text=_shown(item)) from None
    return ",".join(items)


def at(schedule: str, text: str) -> str:
    """A schedule with another time of day and the same days. Raises UsageError."""
    return " ".join([time_of_day(text), *schedule.split()[2:]])


def on(schedule: str, text: str) -> str:
    """A schedule with other days of the week and the same times. Raises UsageError."""
    return " ".join([*schedule.split()[:2], "* *", days(text)])


# --- A time of day ---------------------------------------------------------------------------

_PARTS = {
    "凌晨": range(6),
    "早上|早晨|清晨|上午|早": range(4, 12),
    "中午": range(11, 14),
    "下午": range(12, 19),
    "傍晚|晚上|晚|夜里": range(17, 24),
}
"""The parts of a Chinese day, and the hours of each."""
_IN_CHINESE = "[零一二两三四五六七八九十]{1,3}"

_TIME = re.compile(
    rf"(?:(?P<part>{'|'.join(_PARTS)})\s*)?"
    rf"(?P<hour>[0-9]{{1,2}}|{_IN_CHINESE}(?=[点點时時]))(?:"
    r"[:.h](?P<minute>[0-9]{2})(?:\s*(?P<half>[ap])\.?m\.?)?|"
    r"\s*(?P<only_half>[ap])\.?m\.?|"
    rf"[点點时時](?:(?P<past>[0-9]{{1,2}}|{_IN_CHINESE})分?|(?P<thirty>半)|[整钟鐘])?)",
    re.IGNORECASE,
)
_SAID = {"noon": "12:00", "midday": "12:00", "midnight": "00:00", "正午": "12:00", "午夜": "00:00", "半夜": "00:00"}
_HALF = re.compile(r"[ap]\.?m\.?", re.IGNORECASE)


def time_of_day(text: str) -> str:
    """Minute and hour, as crontab has them, of `09:00`, `9.30`, `9am`, `下午3点` or `noon`. Raises UsageError."""
    plain = _plain(text)
    found = _TIME.fullmatch(_SAID.get(plain.lower(), plain))
    if not found:
        raise UsageError("time_invalid", text=_shown(text))
    hour, half = whole_number(found["hour"]), (found["half"] or found["only_half"] or "").lower()
    minute = 30 if found["thirty"] else whole_number(found["minute"] or found["past"] or "0")
    hours = [hour % 12 + 12 * (half == "p") if half else hour]
    if found["part"]:
        hours = [each for each in (hour, hour + 12) if each in _hours(found["part"])]
    if (half and not 1 <= hour <= 12) or hour > 23 or minute > 59 or not hours:
        raise UsageError("time_invalid", text=_shown(text))
    return f"{minute} {hours[0]}"


def _hours(part: str) -> range:
    """The hours of a part of the day."""
    return next(hours for names, hours in _PARTS.items() if part in names.split("|"))


def is_time(word: str) -> bool:
    """Whether a word can only be a time of day: `9am`, `09:00`, `早上9点`."""
    plain = _plain(word)
    return plain.lower() in _SAID or (bool(_TIME.fullmatch(plain)) and "." not in plain)


def goes_on_time(word: str) -> bool:
    """Whether a word can only continue a time of day: `9 am`."""
    return bool(_HALF.fullmatch(word))


# --- Days of the week ------------------------------------------------------------------------

_NAMES = (
    ("sundays?", "sun"),
    ("mondays?", "mon"),
    ("tuesdays?", "tues?"),
    ("wednesdays?", "weds?"),
    ("thursdays?", "thurs", "thur?"),
    ("fridays?", "fri"),
    ("saturdays?", "sat"),
)
_CHINESE = "日一二三四五六"
_SETS = (
    (range(7), r"daily|every\s*day|each\s+day|每天|每日|天天|\*"),
    (range(1, 6), r"(?:every\s+|each\s+|每个?)?(?:week|work|business\s+|working\s+)days?|每?个?工作日"),
    ((6, 7), r"(?:every\s+|each\s+)?weekends?|每?个?(?:周末|週末)"),
)
_END = r"(?![a-z0-9])"
_DAY = rf"(?:{'|'.join(n for names in _NAMES for n in names)}){_END}|(?:周|週|星期|礼拜|禮拜)?[{_CHINESE}]" + (
    rf"|(?:周|週|星期|礼拜|禮拜)天|(?:周|週|星期|礼拜|禮拜)?[0-7]{_END}"
)
_TO = r"\s*[-‐‑‒–—―−~〜至到]\s*|\s+(?:to|thru|through)\s+"
_ITEM = re.compile(
    rf"(?P<first>{_DAY})(?:(?:{_TO})(?P<last>{_DAY})(?:/(?P<step>[1-7]){_END})?)?|\*/(?P<every>[1-7]){_END}|"
    + "|".join(rf"(?P<set{number}>(?:{names}){_END})" for number, (_, names) in enumerate(_SETS)),
    re.IGNORECASE,
)
_BETWEEN = re.compile(rf"[\s,、;&+]|/(?!\d)|[和与與及]|(?:and|every|each){_END}|每个?", re.IGNORECASE)
_WORD = re.compile(r"[^\s,、;]+")
_BEGIN = frozenset({"every", "each", "每", "每个"})


def days(text: str) -> str:
    """The days of the week that a text names, as a field of crontab: `*`, `mon-fri`, `mon,wed`.

    Numbers count as in crontab(5): Sunday is 0 and 7. A range may go over the end of the week. Raises UsageError with
    the invalid word.
    """
    plain, at, named = _plain(text), 0, set[int]()
    while at < len(plain):
        if found := _ITEM.match(plain, at):
            named.update(_named(found))
        elif not (found := _BETWEEN.match(plain, at)):
            word = next(each for each in _WORD.finditer(plain) if each.end() > at)
            raise UsageError("days_invalid", text=_shown(word[0]))
        at = found.end()
    if not named:
        raise UsageError("days_invalid", text=_shown(text))
    return as_field(named)


def is_days(word: str) -> bool:
    """Whether a word can only name days of the week, or begins to: `weekdays`, `mon-fri`, `每天`, `every`."""
    plain = _plain(word).lower()
    if plain in _BEGIN:
        return True
    try:
        return bool(days(plain)) and any(letter.isalpha() for letter in plain)
    except UsageError:
        return False


def goes_on_days(word: str) -> bool:
    """Whether a word can only continue days of the week: `mon to fri`, `every monday`."""
    plain = _plain(word)
    return bool(_ITEM.match(plain) or _BETWEEN.match(plain) or re.match(rf"{_TO}|\s+days?\s+", f" {plain} "))


def as_field(numbers: Iterable[int]) -> str:
    """Days of the week, Sunday 0 or 7, as a field of crontab: Monday first, three and more in a row as a range."""
    chosen = [name for name in WEEK if name in {_DAYS[number % 7] for number in numbers}]
    if len(chosen) == len(WEEK):
        return "*"
    rows: list[list[str]] = []
    for name in chosen:
        if rows and WEEK.index(rows[-1][-1]) + 1 == WEEK.index(name):
            rows[-1].append(name)
        else:
            rows.append([name])
    return ",".join(f"{row[0]}-{row[-1]}" if len(row) > 2 else ",".join(row) for row in rows)


def _named(found: re.Match[str]) -> Iterable[int]:
    """The numbers of the days that a part of a text names."""
    if found["every"]:
        return range(0, 7, int(found["every"]))
    if not found["first"]:
        return next(numbers for n, (numbers, _) in enumerate(_SETS) if found[f"set{n}"])
    first = _number(found["first"])
    last = _number(found["last"] or found["first"])
    return range(first, last + 7 * (last < first) + 1, int(found["step"] or 1))


def _number(name: str) -> int:
    """The number of a day as written; Sunday is 0 if written as a name."""
    if name[-1] == "天":
        return 0
    if name[-1] in _CHINESE:
        return _CHINESE.index(name[-1])
    return int(name[-1]) if name[-1].isdigit() else _DAYS.index(name[:3].lower())


# --- Shared helpers --------------------------------------------------------------------------


def _plain(text: str) -> str:
    """A text with full-width letters, digits and signs as ASCII."""
    return unicodedata.normalize("NFKC", text).strip()


def _shown(text: str) -> str:
    return one_line(text, 60)
