"""What is read out of messages as people and tools write them, and of text that nobody would write."""

import re
import tomllib
import unicodedata
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make import change, commit

from bot.values import SUBJECT_LENGTH, sanitize

CASES = tomllib.loads((Path(__file__).parent / "data/readings.toml").read_text("utf-8"))["case"]
CASE_KEYS = {"kind", "message", "inner", "author", "inner_author", "files", "login", "expect"}
PAGE = re.compile(r"https?://[^/\s]+/(?:c/)?([\w./-]+?)/(?:-/)?(?:pulls?|merge_requests|pull-requests|\+)/\d")
"""An address of a change request: the case's repository is the one that it names."""
SAID_LENGTH = 4_100
BOUNDS = {**dict.fromkeys(("subject", "title", "summary"), SUBJECT_LENGTH), "said": SAID_LENGTH, "people": 20}


def named():
    """Every case by its kind and its number within it."""
    numbers: dict[str, count] = {}
    for case in CASES:
        number = next(numbers.setdefault(case["kind"], count(1)))
        yield pytest.param(case, id=f"{case['kind'].replace(' ', '-')}-{number}")


def built(case):
    author = case.get("author", "dev-one")
    at = PAGE.search(case["message"])
    messages = case.get("inner", ())
    by = case.get("inner_author", author)
    authors = by if isinstance(by, list) else [by] * len(messages)
    return commit(
        case["message"],
        *map(change, case.get("files", ())),
        author=author,
        login=case.get("login"),
        place=at[1] if at else "",
        inner=list(zip(authors, messages, strict=True)),
    )


def texts(value):
    return value if isinstance(value, list) else [value]


def wrong(made, expect):
    """Each key whose value is not what is expected: (key, got, expected)."""
    reading = made.reading
    types = [str(each) for each in reading.types]
    shown = "\n".join((reading.subject, reading.title, reading.summary, reading.said))
    got = {
        "pull": made.pull or 0,
        "title": reading.title,
        "breaking": bool(reading.breaking),
        "security": bool(reading.security),
        "revert": bool(reading.reverts),
        "bot": reading.bot,
        "person": next((each.name for each in reading.people), ""),
        "people": sorted(each.name for each in reading.people),
    }
    for key, expected in expect.items():
        if key == "types":
            if not set(expected) <= set(types):
                yield key, types, expected
        elif key == "not_type":
            if expected in types:
                yield key, types, f"no {expected}"
        elif key == "quote_without":
            yield from ((key, shown, f"no {each!r}") for each in texts(expected) if each in shown)
        elif key == "said_with":
            yield from ((key, reading.said, f"with {each!r}") for each in texts(expected) if each not in reading.said)
        elif got[key] != (sorted(expected) if key == "people" else expected):
            yield key, got[key], expected


@pytest.mark.parametrize("case", list(named()))
def test_a_message_is_read_as_a_colleague_would_read_it(case):
    assert case.keys() <= CASE_KEYS
    faults = [f"{key}: {got!r}, expected {expected!r}" for key, got, expected in wrong(built(case), case["expect"])]
    assert not faults, "\n".join([repr(case["message"]), *faults])


def test_every_kind_has_neighbours():
    kinds = [case["kind"] for case in CASES]
    assert [kind for kind in dict.fromkeys(kinds) if kinds.count(kind) < 3] == []


# --- Bounds -----------------------------------------------------------------------------------------------------------

TRAILERS = "\n".join(f"Co-authored-by: Person {n} <p{n}@example.com>" for n in range(65_000))
HUGE = {
    "a megabyte of words": "word " * 200_000,
    "a megabyte without a space": "x" * 1_000_000,
    "a megabyte of lines": "fix: a fault\n\n" + "It was wrong.\n" * 75_000,
    "a megabyte of spaces": "a" + " " * 1_000_000 + "b",
    "a megabyte of empty lines": "a" + "\n" * 1_000_000 + "b",
    "a megabyte of blank lines": "a\n" + " \n" * 500_000 + "b",
    "a megabyte of Chinese": "修复：" + "漏洞" * 170_000,
    "round brackets": "(" * 200_000,
    "pairs of brackets": "()" * 100_000,
    "numbers in brackets": "(#1) " * 200_000,
    "square brackets": "[" * 200_000,
    "tags": "[a]" * 200_000,
    "nested brackets": "[" * 100_000 + "]" * 100_000,
    "backticks": "`" * 200_000,
    "fences": "a\n\n" + "```\n" * 200_000,
    "comments": "<!--" * 200_000,
    "comments in a body": "a\n\n" + "<!-- " * 200_000,
    "comments with ends": "a\n\n" + "<!---->" * 150_000,
    "merges": "Merge " * 200_000,
    "merges in quotes": 'Merge "' * 200_000,
    "reverts": 'Revert "' * 200_000,
    "reverts with ends": 'Revert "' * 50_000 + '"' * 50_000,
    "quotes": '"' * 200_000,
    "ellipses": "…" * 200_000,
    "dots": "." * 200_000,
    "stars": "a\n\n" + "*" * 200_000,
    "boxes": "a\n\n" + "- [ ] a\n" * 65_000,
    "headings": "a\n\n" + "# a\n" * 65_000,
    "tables": "a\n\n" + "|" * 200_000,
    "colons": "a:" * 200_000,
    "words with dashes": "a-" * 200_000,
    "exclamations": "feat" + "!" * 200_000 + ": a",
    "people": "a\n\n" + TRAILERS,
    "people at once": "a\n" + TRAILERS,
    "unknown trailers": "a\n\n" + "\n".join(f"X-Field-{n}: {n}" for n in range(65_000)),
    "addresses": "a\n\n" + "https://host/o/r/pull/1 " * 50_000,
    "one long address": "https://" + "a/" * 200_000,
    "digits": "#" + "1" * 200_000,
    "versions": "bump a from " + "1." * 200_000,
    "emoji": "✨" * 200_000,
    "emoji by name": ":sparkles: " * 100_000,
    "tickets": "ABC-1 " * 200_000,
    "escapes": "\x1b[31ma" * 200_000,
}


@pytest.mark.parametrize("merged", [False, True], ids=["alone", "merged"])
@pytest.mark.parametrize("message", [pytest.param(text, id=name.replace(" ", "-")) for name, text in HUGE.items()])
def test_a_huge_message_is_read_within_bounds(message, merged):
    made = commit("Merge pull request #1 from o/b", inner=[("Ana", message)]) if merged else commit(message)
    reading = made.reading
    lengths = {name: len(getattr(reading, name)) for name in BOUNDS}
    assert {name: length for name, length in lengths.items() if length > BOUNDS[name]} == {}
    assert lengths["subject"] > 0


# --- Any text ---------------------------------------------------------------------------------------------------------

# Bits of which messages are made, so that what is drawn comes near to what is read.
BITS = (
    *(
        "feat",
        "fix",
        "!",
        "(",
        ")",
        ":",
        ": ",
        "[",
        "]",
        "【",
        "】",
        "：",
        "（",
        "）",
        "#12",
        "!12",
        "(#12)",
        "GH-1",
        "ABC-1",
    ),
    *("Merge ", "Merge pull request #1 from a/b", "Merge branch 'a' into b", "Merged PR 1: ", "Revert ", '"', "'", "`"),
    *("\n", "\n\n", "\r\n", "\t", " ", "…", "...", "<!--", "-->", "```", "- [ ] ", "- [x] ", "## ", "* ", "---", "|"),
    *(
        "BREAKING CHANGE",
        "破坏性变更",
        "回滚",
        "修复",
        "漏洞",
        "Co-authored-by: A <a@b.c>",
        "Change-Id: I1",
        "None",
        "N/A",
    ),
    *(
        "See merge request a/b!1",
        "Part-of: <https://h/a/-/merge_requests/1>",
        "1: a r=b",
        "✨",
        ":boom:",
        "word",
        "Bump a",
    ),
    *("\x00", "\x1b[31m", "\x07", "\x85", "\u202e", "\u200b", "\ud800", "\x0b", "\x0c", "\x1c", "\u2028"),
)
MESSAGES = st.one_of(
    st.text(st.characters(), max_size=400),
    st.lists(st.one_of(st.sampled_from(BITS), st.text(max_size=8)), max_size=24).map("".join),
)
INNER = st.lists(st.tuples(st.sampled_from(["Ana", "Bo", "dependabot[bot]", ""]), MESSAGES), max_size=4)


def controls(text, allowed=""):
    """What stands in `text` that is not shown: a control, a surrogate, a direction override, an invisible character."""
    hidden = "\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\ufeff"
    return [c for c in text if c not in allowed and (unicodedata.category(c) in {"Cc", "Cs"} or c in hidden)]


@given(MESSAGES, INNER)
def test_any_message_is_read_and_no_control_character_survives(message, inner):
    reading = commit(message, inner=inner).reading
    assert controls(reading.subject) == []
    assert controls(reading.title) == []
    assert controls(reading.summary) == []
    assert controls(reading.said, allowed="\n\t") == []
    assert all(controls(each.name) == [] for each in reading.people)
    assert len(reading.subject) <= SUBJECT_LENGTH
    assert len(reading.said) <= SAID_LENGTH


@given(MESSAGES)
def test_a_message_with_a_letter_has_a_title(message):
    reading = commit(message).reading
    if any(c.isalpha() for c in sanitize(message)):
        assert reading.subject
        assert reading.title
        assert reading.summary
