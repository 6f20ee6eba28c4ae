"""Days and times as people write them: each means what it says, or is refused by the word that cannot be read."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import crontab
from bot.conversation.options import OPTIONS, typed_options
from bot.delivery import schedule
from bot.errors import ConfigError, UsageError
from bot.settings import Settings, load
from bot.texts import Texts

MONDAY = datetime(2026, 2, 16, tzinfo=UTC)
WORK = "mon tue wed thu fri"
ALL = "mon tue wed thu fri sat sun"

DAYS = {
    # dashes of every keyboard
    "mon-fri": WORK,
    "mon–fri": WORK,
    "mon—fri": WORK,
    "mon‐fri": WORK,
    "mon‑fri": WORK,
    "mon−fri": WORK,
    "mon－fri": WORK,
    "mon~fri": WORK,
    "mon～fri": WORK,
    "mon〜fri": WORK,
    "Mon - Fri": WORK,
    "mon to fri": WORK,
    "Monday through Friday": WORK,
    "mon至fri": WORK,
    "mon到fri": WORK,
    # lists
    "mon,wed": "mon wed",
    "mon，wed": "mon wed",
    "mon、wed": "mon wed",
    "mon, wed": "mon wed",
    "Mon/Wed": "mon wed",
    "mon／wed": "mon wed",
    "mon;wed": "mon wed",
    "mon&wed": "mon wed",
    "mon wed": "mon wed",
    "mon and wed": "mon wed",
    "Tuesdays and Thursdays": "tue thu",
    "tue,tues,weds,thur,thurs": "tue wed thu",
    "mon-wed,fri": "mon tue wed fri",
    # words
    "weekdays": WORK,
    "Weekday": WORK,
    "workdays": WORK,
    "every weekday": WORK,
    "business days": WORK,
    "weekends": "sat sun",
    "weekdays,sat": "mon tue wed thu fri sat",
    "daily": ALL,
    "every day": ALL,
    "every monday": "mon",
    "every monday and friday": "mon fri",
    # Chinese
    "周一至周五": WORK,
    "周一到五": WORK,
    "星期一～星期五": WORK,
    "礼拜一-礼拜三": "mon tue wed",
    "周1-5": WORK,
    "週一、週三": "mon wed",
    "周一三五": "mon wed fri",
    "周一、三、五": "mon wed fri",
    "每周一和周四": "mon thu",
    "周六日": "sat sun",
    "星期天": "sun",
    "工作日": WORK,
    "每个工作日": WORK,
    "周末": "sat sun",
    "每天": ALL,
    # over the end of the week, and what crontab has
    "fri-mon": "mon fri sat sun",
    "sun-thu": "mon tue wed thu sun",
    "mon-sun": ALL,
    "0-7": ALL,
    "1-5": WORK,
    "１-５": WORK,
    "5-7": "fri sat sun",
    "6-1": "mon sat sun",
    "7": "sun",
    "0": "sun",
    "*": ALL,
    "*/2": "tue thu sat sun",
    "mon-fri/2": "mon wed fri",
    "1-5/2": "mon wed fri",
    "fri-mon/2": "fri sun",
}
"""By what is typed the days that it says."""

NO_DAYS = {
    "funday": "funday",
    "mon-fry": "mon-fry",
    "mon–": "mon–",
    "-fri": "-fri",
    "mon--fri": "mon--fri",
    "mon-wed-fri": "mon-wed-fri",
    "mon/2": "mon/2",
    "1/2": "1/2",
    "mon-fri/0": "mon-fri/0",
    "*/9": "*/9",
    "mon#2": "mon#2",
    "5L": "5L",
    "fri L": "L",
    "?": "?",
    "8": "8",
    "1-8": "1-8",
    "12": "12",
    "1st": "1st",
    "1号": "1号",
    "周八": "周八",
    "mon-周八": "mon-周八",
    "weekdays-sat": "weekdays-sat",
    "every other monday": "other",
    "every two weeks": "two",
    "mon except holidays": "except",
    "周一至周五除节假日": "周一至周五除节假日",
    "mon.wed": "mon.wed",
    "monwed": "monwed",
    "mon_fri": "mon_fri",
    "mon|wed": "mon|wed",
    "mon→fri": "mon→fri",
    "montag": "montag",
    "weekly": "weekly",
    "every": "every",
    ",": ",",
    "": "",
}
"""By what is typed the word that is refused."""

TIMES = {
    "09:00": (9, 0),
    "9:05": (9, 5),
    "09.00": (9, 0),
    "０９：３０": (9, 30),
    "9am": (9, 0),
    "9 am": (9, 0),
    "9 P.M.": (21, 0),
    "12am": (0, 0),
    "12:30pm": (12, 30),
    "9:15 pm": (21, 15),
    "21点": (21, 0),
    "9点半": (9, 30),
    "9点05分": (9, 5),
    "9時": (9, 0),
    "0:00": (0, 0),
    "23:59": (23, 59),
}
NO_TIMES = [
    "24:00",
    "25:00",
    "9",
    "900",
    "09:60",
    "9:5",
    "13pm",
    "0am",
    "9:00-10:00",
    "09:00:00",
    "9 o'clock",
    "25点",
    "",
]


def days_due(expression):
    """The dates of three weeks on which a schedule is due."""
    after, found = MONDAY, []
    while (slot := schedule.next_slot(expression, "UTC", after)) < MONDAY + timedelta(days=21):
        found.append(slot.date())
        after = schedule.day(slot.date(), "UTC").until
    return found


def that_are(names):
    dates = [date(2026, 2, 16) + timedelta(days=n) for n in range(21)]
    return [each for each in dates if f"{each:%a}".lower() in names.split()]


def test_the_table_is_long_enough():
    assert len(DAYS) + len(NO_DAYS) + len(TIMES) + len(NO_TIMES) > 120


@pytest.mark.parametrize("typed", DAYS)
def test_days_mean_what_they_say(typed):
    expression = crontab.on("0 9 * * *", typed)
    assert days_due(expression) == that_are(DAYS[typed])
    assert crontab.expression(expression) == expression
    assert not schedule.is_misread(expression)


@pytest.mark.parametrize("typed", NO_DAYS)
def test_days_that_cannot_be_read_are_refused_by_name(typed):
    with pytest.raises(UsageError) as refused:
        crontab.on("0 9 * * *", typed)
    assert (refused.value.key, refused.value.fields["text"]) == ("days_invalid", NO_DAYS[typed])


@pytest.mark.parametrize("typed", TIMES)
def test_times_mean_what_they_say(typed):
    hour, minute = TIMES[typed]
    slot = schedule.next_slot(crontab.at("0 8 * * *", typed), "UTC", MONDAY)
    assert slot == MONDAY.replace(hour=hour, minute=minute)


@pytest.mark.parametrize("typed", NO_TIMES)
def test_times_that_cannot_be_read_are_refused_by_name(typed):
    with pytest.raises(UsageError) as refused:
        crontab.at("0 9 * * *", typed)
    assert (refused.value.key, refused.value.fields["text"]) == ("time_invalid", typed)


@given(st.text(max_size=12) | st.lists(st.sampled_from([*DAYS, *NO_DAYS, "/2", "-", "，"]), max_size=4).map("".join))
def test_what_is_read_is_spelt_so_that_it_reads_the_same(text):
    try:
        field = crontab.days(text)
    except UsageError:
        return
    assert crontab.days(field) == field
    named = schedule.weekdays(f"0 9 * * {field}")
    assert named
    assert re.fullmatch(r"\*|[a-z]{3}(-[a-z]{3})?(,[a-z]{3}(-[a-z]{3})?)*", field)


# --- Several words behind an option ------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("at 9 am on every day", {"at": "9 am", "on": "every day"}),
        ("on mon to fri at 09:00", {"on": "mon to fri", "at": "09:00"}),
        ("on mon, wed zone UTC", {"on": "mon, wed", "zone": "UTC"}),
        ("on mon – fri bots no", {"on": "mon – fri", "bots": "no"}),
        ("on 周一 和 周三 lang zh", {"on": "周一 和 周三", "lang": "zh"}),
        ("branch mon on tue", {"branch": "mon", "on": "tue"}),
    ],
)
def test_days_and_times_may_be_several_words(line, found):
    assert typed_options(line.split()) == found


def test_a_mistyped_option_behind_days_is_told_as_one():
    with pytest.raises(UsageError) as refused:
        typed_options(["on", "mon", "zoen", "UTC"])
    assert (refused.value.key, refused.value.fields["near"]) == ("option_unknown", "zone")


def test_no_option_is_taken_for_days():
    assert [name for name in OPTIONS if crontab.goes_on_days(name) or crontab.goes_on_time(name)] == []


# --- Whole expressions -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("0 9 * * Mon-Fri", "0 9 * * mon-fri"),
        ("0 9 * * mon–fri", "0 9 * * mon-fri"),
        ("０ ９ ＊ ＊ 1-5", "0 9 * * mon-fri"),
        ("*/15 9-17 * * 1,3", "*/15 9-17 * * mon,wed"),
        ("5/10 9 * * *", "5/10 9 * * *"),
        ("0 9 1,15 * *", "0 9 1,15 * *"),
        ("0 9 L * *", "0 9 last * *"),
        ("0 9 * jan-mar,dec mon", "0 9 * jan-mar,dec mon"),
        ("@daily", "0 0 * * *"),
        ("@Weekly", "0 0 * * sun"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
    ],
)
def test_an_expression_is_kept_in_one_spelling(written, kept):
    assert crontab.expression(written) == kept == crontab.expression(kept)
    assert not schedule.is_misread(kept)


def test_a_schedule_of_a_month_is_due_on_its_days():
    assert schedule.next_slot(crontab.expression("0 9 L * *"), "UTC", MONDAY) == MONDAY.replace(day=28, hour=9)
    weekly = schedule.next_slot(crontab.expression("@weekly"), "UTC", MONDAY)
    assert weekly == MONDAY.replace(day=22)


@pytest.mark.parametrize(
    ("written", "key", "named"),
    [
        ("@reboot", "schedule_invalid", "@reboot"),
        ("now and then", "schedule_invalid", "now and then"),
        ("0 9 * *", "schedule_invalid", "0 9 * *"),
        ("0 0 9 * * mon", "schedule_invalid", "0 0 9 * * mon"),
        ("60 9 * * *", "schedule_invalid", "60"),
        ("0 9,24 * * *", "schedule_invalid", "24"),
        ("0 9 lastly * *", "schedule_invalid", "lastly"),
        ("0 9 15W * *", "schedule_invalid", "15w"),
        ("0 9 * jan–mar *", "schedule_invalid", "jan–mar"),
        ("0 9 * jan-mar/2 *", "schedule_invalid", "jan-mar/2"),
        ("0 9 * janx *", "schedule_invalid", "janx"),
        ("0 9 * nov-feb *", "schedule_invalid", "nov-feb"),
        ("0 9 ? * mon", "schedule_invalid", "?"),
        ("0 9 * * mon#2", "days_invalid", "mon#2"),
        ("0 9 * * 5L", "days_invalid", "5l"),
        ("0 9 * * mon-fry", "days_invalid", "mon-fry"),
    ],
)
def test_an_expression_that_cannot_be_read_is_refused_by_name(written, key, named):
    with pytest.raises(UsageError) as refused:
        crontab.expression(written)
    assert (refused.value.key, refused.value.fields["text"]) == (key, named)


@pytest.mark.parametrize("written", ["0 9 1 * mon", "0 9 1-7 * 1", "0 9 */2 * fri", "0 9 L * fri"])
def test_days_of_the_month_and_of_the_week_together_are_refused(written):
    """crontab(5) means either of them, where the library means both at once."""
    with pytest.raises(UsageError, match="schedule_both"):
        crontab.expression(written)


@pytest.mark.parametrize(
    ("value", "named"), [("0 9 * * mon-fry", "mon-fry"), ("0 9 1 * mon", "mon"), ("09:00", "09:00")]
)
def test_the_setting_is_read_to_its_end_and_refused_by_name(monkeypatch, value, named):
    monkeypatch.setenv("DIGEST_SCHEDULE", value)
    with pytest.raises(ConfigError) as refused:
        load(Settings)
    assert refused.value.fields["name"] == "DIGEST_SCHEDULE"
    assert named in str(refused.value.fields["problem"])


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("0 9 1 * mon", "同时指定了日（1）和星期（mon）：crontab 只要满足其一就会触发。请只写其中一个，另一个写 *。"),
        ("0 9 * * mon-fry", "“0 9 * * mon-fry”无效，应为 crontab 表达式，例如 0 9 * * mon-fri。"),
    ],
)
def test_why_the_setting_is_refused_is_told_in_full(monkeypatch, value, problem):
    monkeypatch.setenv("DIGEST_SCHEDULE", value)
    with pytest.raises(ConfigError) as refused:
        load(Settings)
    assert Texts("zh").error(refused.value).startswith(f"设置 DIGEST_SCHEDULE 有误：{problem}")


def test_the_setting_is_kept_as_it_is_meant(monkeypatch):
    monkeypatch.setenv("DIGEST_SCHEDULE", "30 8 * * 周一至周五")
    assert load(Settings).digest_schedule == "30 8 * * mon-fri"


# --- Kept by an earlier version ------------------------------------------------------------------

KEPT = {
    "0 9 * * mon–fri": ("mon", True),
    "0 9 * * mon，wed": ("mon", True),
    "0 9 * * mon/wed": ("mon", True),
    "0 9 * * mon-fri/2": (WORK, True),
    "0 9 * * mon/2": ("mon", True),
    "0 9 * * mon#tue": ("mon", True),
    "0 9 * * */2": ("mon wed fri sun", True),
    "0 9 * * sun-thu": ("mon tue wed thu sun", False),
    "0 9 * * fri,sat,sun,mon": ("mon fri sat sun", False),
    "0 9 * * mon,tue,wed,thu,fri": (WORK, False),
    "0 9 * * 1-5": (WORK, False),
}
"""By what an earlier version kept the days on which it was due with that version, and whether it says others."""


@pytest.mark.parametrize("kept", KEPT)
def test_what_an_earlier_version_kept_goes_on_and_is_named_where_it_was_misread(kept):
    days, misread = KEPT[kept]
    assert schedule.is_sound(kept, "UTC")
    assert days_due(kept) == that_are(days)
    assert schedule.is_misread(kept) == misread


def test_days_of_the_month_and_week_that_an_earlier_version_kept_go_on_together():
    kept = "0 9 1 * mon"
    assert schedule.next_slot(kept, "UTC", MONDAY) == datetime(2026, 6, 1, 9, tzinfo=UTC)
    assert schedule.is_misread(kept)


# --- What a form shows ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kept", "time", "days"),
    [
        ("5 7 * * *", "07:05", ALL),
        ("30 18 * * mon-thu,sun", "18:30", "mon tue wed thu sun"),
        ("0 9 * * mon–fri", "09:00", "mon"),
        ("0 */2 * * *", "", ALL),
        ("0 9 1 * *", "09:00", ""),
        ("0 9 * feb mon", "09:00", ""),
    ],
)
def test_a_schedule_gives_back_its_time_and_days(kept, time, days):
    assert (schedule.time_of(kept), schedule.days_of(kept)) == (time, tuple(days.split()))


def test_what_is_not_named_of_a_schedule_stays():
    assert crontab.at("0 9 1 * *", "10:30") == "30 10 1 * *"
    assert crontab.on("*/30 8,12 1 * *", "mon") == "*/30 8,12 * * mon"
