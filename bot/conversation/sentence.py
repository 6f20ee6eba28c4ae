"""Finds what a whole sentence asks for, without a model: "what changed in #9468?", "昨天有什么". Pure.

It finds only requests for information; changes must be typed as commands. A line of one or two words is not a sentence:
an unknown word in it is reported as a mistake.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import date

from bot.commits.hosts import Hosts
from bot.conversation import dates, grammar
from bot.texts import words_of

_TIMES = ("today", "yesterday", "week", "latest")
ASKED = ("help", "list", "status")
"""Commands without words that only show information."""
_LEAST = 3
_LONGEST_DATE = 4
"""The most words of a date: `18th of February 2026`."""
_LONGEST_CHINESE = 11
_SHA = re.compile(r"(?=.*\d)[0-9a-f]{7,64}", re.IGNORECASE)
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_BETWEEN = re.compile("[，。；？！、]")
"""Chinese punctuation, which separates words without a space."""
_FILLERS = frozenset(
    {"for", "of", "from", "on", "in", "the", "this", "please", "pls", "thanks", "digest", "me", "show", "请", "的"}
    | {"release", "version", "版本", "what's", "what’s", "whats"}
)


def without_fillers(words: Sequence[str]) -> list[str]:
    """Drop the words that only make it a sentence: `yesterday's digest please` becomes `yesterday`."""
    return [_bare(word) if _is_time(_bare(word)) else word for word in words if word.lower() not in _FILLERS]


def _is_time(word: str) -> bool:
    return any(word in words_of(name) for name in _TIMES)


def meant(words: Sequence[str], hosts: Hosts, today: date) -> list[str]:
    """The words of the command that a sentence asks for, or none.

    That is its commits, else its one or two releases, else its time, else a command that only shows information. The
    repositories that it names are added to a release or time. Raises UsageError for an ambiguous date.
    """
    if len(words) < _LEAST and not any(map(_CHINESE.search, words)):
        return []
    words = [part for word in words for part in apart(word)]
    if found := commits(words, hosts):
        return list(found)
    time = _release(words) or _time(words, today)
    if time:
        return [time, *(word for word in words if grammar.is_repository(word))]
    return next(([name] for name in ASKED for word in words if _bare(word) in words_of(name)), [])


def apart(word: str) -> list[str]:
    """The parts of a word between Chinese punctuation marks."""
    return [part for part in _BETWEEN.split(word) if part]


def commits(words: Sequence[str], hosts: Hosts) -> tuple[str, ...]:
    """The words of a sentence that can only name a commit; a plain number does so after a word like `PR`."""
    return tuple(dict.fromkeys(_commits(words, hosts)))


def _commits(words: Sequence[str], hosts: Hosts) -> Iterator[str]:
    for number, word in enumerate(words):
        if not (named := grammar.reference(word, hosts)):
            continue
        sure = _SHA.fullmatch(word) or named.repo or (named.pull is not None and not named.sha)
        if grammar.is_noun(words[number - 1]) if word.isdigit() else sure:
            yield word


def _release(words: Sequence[str]) -> str:
    """The release that a sentence names, or a range of two; empty if there is none."""
    named = list(dict.fromkeys(word for word in words if grammar.is_release(word)))
    return "..".join(named[:2])


def _time(words: Sequence[str], today: date) -> str:
    """The first time that a sentence names, as a word of the grammar; empty if there is none."""
    for start, word in enumerate(words):
        if _is_time(_bare(word)):
            return _bare(word)
        for length in range(_LONGEST_DATE, 0, -1):
            if found := dates.span(" ".join(words[start : start + length]), today):
                return dates.written(found)
        if _CHINESE.search(word) and (found_within := _within(word, today)):
            return found_within
    return ""


def _within(word: str, today: date) -> str:
    """The first time within a Chinese word, since Chinese has no spaces."""
    times = [each for name in _TIMES for each in words_of(name) if _CHINESE.search(each)]
    for start in range(len(word)):
        for length in range(_LONGEST_CHINESE, 1, -1):
            part = word[start : start + length]
            if part in times:
                return part
            if _CHINESE.search(part) and (found := dates.span(part, today)):
                return dates.written(found)
    return ""


def _bare(word: str) -> str:
    return re.sub(r"['’]s$", "", word.lower())
