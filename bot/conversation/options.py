"""The options of a subscription, each described once: its syntax, its effect and its form input. Pure."""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from bot import crontab, workdays
from bot.commits import owners
from bot.conversation.zones import zone_named
from bot.delivery import schedule
from bot.errors import DigestError, UsageError
from bot.languages import BASE, LANGUAGES, language_named
from bot.posts.labels import zone_label
from bot.texts import Texts
from bot.values import MOST_TOP, InputKind, Subscription, Threads, one_line

_BETWEEN = frozenset({",", "，", ";", "；", "&", "with", "please", "请"})
"""Words that are allowed between options."""
ANYTHING = "any"
"""The value that resets an option: `paths any`."""
_YES_NO = ("yes", "no")


@dataclass(frozen=True, slots=True)
class Option:
    """An option of `subscribe`.

    `read` sets the typed value in a subscription, and raises UsageError; `value` returns the current one for a form.
    `choices` are the (value, label) pairs of an input, if it has any. An `optional` input may be left empty for any
    value. A `naming` option is part of the subscription's identity: it cannot be changed later. `goes_on` says whether
    a word after the value still belongs to it: `at 9 am`, `on every monday`. `also` are other names; `alone` says
    whether a value can belong to no other option, so that the name may be omitted.
    """

    name: str
    read: Callable[[Subscription, str], Subscription]
    value: Callable[[Subscription], str]
    kind: InputKind = InputKind.TEXT
    choices: Callable[[Texts], tuple[tuple[str, str], ...]] = lambda _: ()
    optional: bool = False
    naming: bool = False
    goes_on: Callable[[str], bool] = lambda _: False
    also: tuple[str, ...] = ()
    alone: Callable[[str], bool] = lambda _: False


def _at(wanted: Subscription, value: str) -> Subscription:
    return replace(wanted, schedule=crontab.at(wanted.schedule, value))


def _on(wanted: Subscription, value: str) -> Subscription:
    """Set the days of digests; with `release` only if there is one, on any day unless days are named."""
    words = [word for word in re.split(r"[\s,，、]+", value) if word]
    days = [word for word in words if not _is_release(word)]
    alone = len(days) < len(words)
    schedule = crontab.on(wanted.schedule, value if not alone else ",".join(days) or "daily")
    return replace(wanted, schedule=schedule, filters=replace(wanted.filters, releases=alone))


RELEASE = "release"
"""The value of `on` for releases only."""
_RELEASES = frozenset({RELEASE, "releases", "发布", "发版", "新版本"})


def _is_release(word: str) -> bool:
    return word.lower() in _RELEASES


def _days_of(wanted: Subscription) -> str:
    days = schedule.days_of(wanted.schedule)
    return ",".join((*days, *((RELEASE,) if wanted.filters.releases else ())))


def _days(texts: Texts) -> tuple[tuple[str, str], ...]:
    weekdays = tuple((d, texts(f"weekday.{n}")) for n, d in enumerate(crontab.WEEK))
    return (*weekdays, (RELEASE, texts("form.release")))


def _branch(wanted: Subscription, value: str) -> Subscription:
    return replace(wanted, branch=branch_of(value))


def branch_of(value: str) -> str:
    """The branch that a value names; empty for the default one."""
    return "" if value.lower() == ANYTHING else value


def _paths(wanted: Subscription, value: str) -> Subscription:
    return replace(wanted, filters=replace(wanted.filters, paths=_parts(value)))


def _authors(wanted: Subscription, value: str) -> Subscription:
    return replace(wanted, filters=replace(wanted.filters, authors=_parts(value)))


def _parts(value: str) -> tuple[str, ...]:
    parts = (part.strip() for part in re.split("[,，]", value))
    return () if value.lower() == ANYTHING else tuple(part for part in parts if part)


def _labels(wanted: Subscription, value: str) -> Subscription:
    return replace(wanted, filters=replace(wanted.filters, labels=_parts(value)))


def _owners(wanted: Subscription, value: str) -> Subscription:
    named = _parts(value)
    if odd := next((owner for owner in named if not owners.is_owner(owner)), ""):
        raise UsageError("owner_invalid", text=one_line(odd, 60))
    return replace(wanted, filters=replace(wanted.filters, owners=named))


def _bots(wanted: Subscription, value: str) -> Subscription:
    return replace(wanted, filters=replace(wanted.filters, bots=_choice("bots", value, _YES_NO) == "yes"))


def _choice(option: str, value: str, known: Sequence[str]) -> str:
    if value.lower() not in known:
        raise UsageError("option_choice", option=option, value=one_line(value, 60), known=tuple(known))
    return value.lower()


def _top(wanted: Subscription, value: str) -> Subscription:
    number = int(value) if value.isdecimal() and len(value) <= len(str(MOST_TOP)) else 0
    if not 1 <= number <= MOST_TOP:
        raise UsageError("option_number", option="top", value=one_line(value, 60), least=1, most=MOST_TOP)
    return replace(wanted, top=number)


def _zone(wanted: Subscription, value: str) -> Subscription:
    return replace(wanted, zone=zone_named(value))


def _holidays(wanted: Subscription, value: str) -> Subscription:
    return replace(wanted, holidays="" if value.lower() in _NO_HOLIDAYS else workdays.named(value))


_NO_HOLIDAYS = frozenset({ANYTHING, "no", "none", "无"})
"""Values for digests on public holidays too."""


def _language(wanted: Subscription, value: str) -> Subscription:
    if language := language_named(value):
        return replace(wanted, language=language.code)
    raise UsageError("option_choice", option="lang", value=one_line(value, 60), known=tuple(LANGUAGES))


def _is_language(word: str) -> bool:
    """Whether a word can only be a language: two-letter codes may be anything."""
    return not (word.isascii() and len(word) <= len(BASE)) and language_named(word) is not None


def is_option(word: str) -> bool:
    """Whether a word starts an option: its name, or a value that implies one."""
    return bool(_option(word) or _alone(word))


def _option(word: str) -> Option | None:
    """The option with a name."""
    plain = word.lower().rstrip(":：=")
    return OPTIONS.get(plain) or next((each for each in OPTIONS.values() if plain in each.also), None)


def _alone(word: str) -> Option | None:
    """The option that a value implies: `9am`, `weekdays`, `中文`."""
    return next((each for each in OPTIONS.values() if each.alone(word)), None)


def _yes_no(texts: Texts) -> tuple[tuple[str, str], ...]:
    return tuple((answer, texts(f"answer.{answer}")) for answer in _YES_NO)


def _said(value: bool) -> str:
    return "yes" if value else "no"


OPTIONS = {
    option.name: option
    for option in (
        Option(
            "at",
            _at,
            lambda s: schedule.time_of(s.schedule),
            InputKind.TIME,
            goes_on=crontab.goes_on_time,
            also=("时间",),
            alone=crontab.is_time,
        ),
        Option(
            "on",
            _on,
            _days_of,
            InputKind.SEVERAL,
            _days,
            goes_on=lambda word: crontab.goes_on_days(word) or _is_release(word.strip(",，、")),
            also=("日期", "每逢"),
            alone=crontab.is_days,
        ),
        Option(
            "zone",
            _zone,
            lambda s: zone_label(s.zone),
            goes_on=lambda word: not is_option(word),
            also=("时区", "timezone", "tz"),
        ),
        Option(
            "holidays",
            _holidays,
            lambda s: s.holidays,
            optional=True,
            goes_on=lambda word: not is_option(word),
            also=("holiday", "节假日", "假期"),
        ),
        Option(
            "lang",
            _language,
            lambda s: s.language,
            InputKind.ONE,
            lambda _: tuple((language.code, language.name) for language in LANGUAGES.values()),
            also=("language", "语言"),
            alone=_is_language,
        ),
        Option("branch", _branch, lambda s: s.branch, optional=True, naming=True, also=("分支",)),
        Option("paths", _paths, lambda s: ", ".join(s.filters.paths), optional=True, also=("path", "路径")),
        Option("authors", _authors, lambda s: ", ".join(s.filters.authors), optional=True, also=("author", "作者")),
        Option("labels", _labels, lambda s: ", ".join(s.filters.labels), optional=True, also=("label", "标签")),
        Option("owned-by", _owners, lambda s: ", ".join(s.filters.owners), optional=True, also=("负责人",)),
        Option("bots", _bots, lambda s: _said(s.filters.bots), InputKind.ONE, _yes_no, also=("机器人",)),
        Option(
            "quiet",
            lambda s, value: replace(s, quiet=_choice("quiet", value, _YES_NO) == "yes"),
            lambda s: _said(s.quiet),
            InputKind.ONE,
            _yes_no,
        ),
        Option("top", _top, lambda s: str(s.top)),
        Option(
            "threads",
            lambda s, value: replace(s, threads=Threads(_choice("threads", value, tuple(Threads)))),
            lambda s: str(s.threads),
            InputKind.ONE,
            lambda texts: tuple((str(each), texts(f"threads.{each}")) for each in Threads),
        ),
        Option(
            "follow-ups",
            lambda s, value: replace(s, follow_ups=_choice("follow-ups", value, _YES_NO) == "yes"),
            lambda s: _said(s.follow_ups),
            InputKind.ONE,
            _yes_no,
        ),
    )
}
"""All options, in the order of the form."""


def typed_options(typed: Sequence[str]) -> dict[str, str]:
    """Parse `at 09:00 on mon-fri` into a mapping. Raises UsageError for an unknown option or a missing value."""
    found: dict[str, str] = {}
    for name, value in _pairs(typed):
        option = _option(name)
        if option is None:
            raise _unknown(name)
        with blaming(option.name):
            if not value:
                raise UsageError("option_empty", option=option.name)
        found[option.name] = value
    return found


def _unknown(word: str) -> UsageError:
    """The error for an unknown option, with the nearest one, else with all of them."""
    if near := difflib.get_close_matches(word.lower(), OPTIONS, n=1):
        return UsageError("option_unknown", word=one_line(word, 60), near=near[0])
    return UsageError("option_none", word=one_line(word, 60), known=tuple(OPTIONS))


def _pairs(typed: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each option's name with its value, which may be missing (empty)."""
    rest = [word for word in typed if word not in _BETWEEN]
    while rest:
        option = _option(rest[0])
        if not option and (option := _alone(rest[0])):
            rest.insert(0, option.name)
        name, value, rest = rest[0], rest[1:2], rest[2:]
        while option and rest and option.goes_on(rest[0]):
            value.append(rest.pop(0))
        yield name, " ".join(value)


def with_options(wanted: Subscription, options: Mapping[str, str]) -> Subscription:
    """A subscription with the options. Raises UsageError with the name of its option."""
    for name, option in OPTIONS.items():
        if name in options:
            with blaming(name):
                wanted = option.read(wanted, options[name])
    return wanted


def continued(wanted: Subscription, known: Subscription | None, now: datetime) -> Subscription:
    """Keep the times at which an existing subscription was created and its schedule took effect."""
    if known is None:
        return replace(wanted, created=now, scheduled=now)
    same = (known.schedule, known.zone, known.holidays) == (wanted.schedule, wanted.zone, wanted.holidays)
    return replace(wanted, created=known.created, scheduled=known.scheduled if same else now)


@contextmanager
def blaming(option: str, kind: type[DigestError] = DigestError) -> Iterator[None]:
    """Attribute errors of a kind, raised in this block, to an option."""
    try:
        yield
    except kind as error:
        error.option = option
        raise
