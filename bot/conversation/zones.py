"""Finds time zones by what people call them: a city, an offset, an abbreviation, or the official name. Pure.

If an abbreviation is ambiguous, or is a fixed offset although people mean a place, the error asks which.
"""

import difflib
import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from typing import TypeVar
from zoneinfo import available_timezones

from bot.errors import UsageError
from bot.settings import check_zone
from bot.values import one_line

_Meant = TypeVar("_Meant")

_PLACES = {
    "Asia/Shanghai": "beijing china shenzhen guangzhou hangzhou chengdu nanjing wuhan xian suzhou 北京 上海 深圳 广州"
    " 杭州 成都 南京 武汉 西安 苏州 中国 东八区",
    "Asia/Hong_Kong": "hk hkt 香港",
    "Asia/Taipei": "台北 台湾",
    "Asia/Singapore": "sgt 新加坡",
    "Asia/Tokyo": "jst osaka kyoto 东京 日本",
    "Asia/Seoul": "kst korea 首尔 韩国",
    "Asia/Kolkata": "india bangalore bengaluru mumbai delhi new_delhi hyderabad chennai pune 印度",
    "Asia/Jerusalem": "tel_aviv haifa",
    "Asia/Ho_Chi_Minh": "hanoi vietnam",
    "Europe/London": "uk england edinburgh manchester cambridge oxford 伦敦 英国",
    "Europe/Berlin": "germany munich hamburg cologne frankfurt stuttgart 柏林 德国",
    "Europe/Paris": "france lyon toulouse grenoble 巴黎 法国",
    "Europe/Amsterdam": "netherlands rotterdam 阿姆斯特丹",
    "Europe/Zurich": "geneva basel lausanne switzerland 苏黎世",
    "Europe/Madrid": "spain barcelona",
    "Europe/Rome": "italy milan",
    "Europe/Moscow": "msk 莫斯科",
    "America/New_York": "nyc boston washington philadelphia atlanta miami eastern 纽约",
    "America/Chicago": "austin dallas houston central 芝加哥",
    "America/Denver": "boulder mountain",
    "America/Los_Angeles": "la sf san_francisco seattle san_jose san_diego portland palo_alto pacific"
    " 洛杉矶 旧金山 西雅图",
    "America/Toronto": "montreal ottawa waterloo 多伦多",
    "America/Sao_Paulo": "brazil rio 圣保罗",
    "Australia/Sydney": "canberra 悉尼",
    "Pacific/Auckland": "new_zealand wellington",
    "UTC": "z utc0 gmt0 协调世界时",
}
"""Other names of zones, which the time zone database does not have."""

_SEVERAL = {
    "pst pdt pt": ("America/Los_Angeles", "Asia/Manila"),
    "mst mdt mt": ("America/Denver", "America/Phoenix"),
    "cst cdt ct": ("America/Chicago", "Asia/Shanghai"),
    "est edt et": ("America/New_York", "America/Panama"),
    "ist": ("Asia/Kolkata", "Asia/Jerusalem", "Europe/Dublin"),
    "bst": ("Europe/London", "Asia/Dhaka"),
    "ast adt": ("America/Halifax", "Asia/Riyadh"),
    "aest aedt": ("Australia/Sydney", "Australia/Brisbane"),
    "cest": ("Europe/Berlin", "Europe/Paris"),
    "usa us america united_states": ("America/New_York", "America/Los_Angeles"),
    "美国": ("America/New_York", "America/Los_Angeles"),
    "australia": ("Australia/Sydney", "Australia/Perth"),
}
"""Ambiguous names of zones. Some are fixed offsets in the time zone database."""

_UNEVEN = {
    "+3:30": "Asia/Tehran",
    "+4:30": "Asia/Kabul",
    "+5:30": "Asia/Kolkata",
    "+5:45": "Asia/Kathmandu",
    "+6:30": "Asia/Yangon",
    "+9:30": "Australia/Darwin",
}
"""Offsets that are not whole hours, with zones that have them all year."""

_OFFSET = re.compile(r"(?:utc|gmt)?\s*(?P<sign>[+-])\s*0?(?P<hour>\d{1,2})(?::?(?P<minute>[0-5]\d))?")
_EAST, _WEST = 14, 12
_ALIKE = 0.75
"""How similar a name must be to a zone's to count as a typo."""
_DASHES = str.maketrans("−–—", "---")
_TIME = re.compile(r"(?:[\s_](?:(?:standard|summer|daylight)[\s_])?time|时间|標準時間|标准时间)$")


def zone_named(name: str) -> str:
    """The time zone that a name means, by its name in the time zone database.

    Raises UsageError for an unknown name, with the nearest one, or for an ambiguous one.
    """
    letters = unicodedata.normalize("NFKD", name).translate(_DASHES).strip().lower()
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    key = re.sub(r"[\s_]+", "_", _TIME.sub("", plain)).replace(".", "").replace("'", "")
    if which := _by_word(_SEVERAL).get(key):
        raise UsageError("zone_which", name=one_line(name, 60), zones=tuple(which))
    try:
        return _places().get(key) or _offset(plain) or check_zone(plain.replace(" ", "_"))
    except ValueError:
        raise _unknown(name, key) from None


def _unknown(name: str, key: str) -> UsageError:
    """The error for an unknown zone, with the nearest name."""
    zones = _places() | {zone.lower(): zone for zone in available_timezones()}
    if near := difflib.get_close_matches(key, zones, n=1, cutoff=_ALIKE):
        return UsageError("zone_near", name=one_line(name, 60), near=zones[near[0]])
    return UsageError("zone_unknown", name=one_line(name, 60))


def _offset(text: str) -> str:
    """The zone at a fixed offset from UTC; empty if it is not one. The database counts them westwards."""
    found = _OFFSET.fullmatch(text)
    if not found:
        return ""
    sign, hour, minute = found["sign"], int(found["hour"]), found["minute"] or "00"
    if minute != "00":
        return _UNEVEN.get(f"{sign}{hour}:{minute}", "")
    if hour > (_EAST if sign == "+" else _WEST):
        return ""
    return f"Etc/GMT{'-' if sign == '+' else '+'}{hour}" if hour else "UTC"


@cache
def _places() -> dict[str, str]:
    """Zones by name: the cities of the database, and the places above."""
    cities = {name.rpartition("/")[2].lower(): name for name in sorted(available_timezones()) if "/" in name}
    fixed = {city: name for city, name in cities.items() if not name.startswith(("Etc/", "SystemV/", "US/", "Brazil/"))}
    return fixed | _by_word({words: zone for zone, words in _PLACES.items()})


def _by_word(meant: Mapping[str, _Meant]) -> dict[str, _Meant]:
    return {word: each for words, each in meant.items() for word in words.split()}
