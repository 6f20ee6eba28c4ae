"""Splits texts into words for the full-text index, and parses queries to it. Pure.

SQLite's tokenizers (https://sqlite.org/fts5.html#tokenizers) treat a run of Chinese as one word (`unicode61`) or find
nothing under three characters (`trigram`); PostgreSQL's parser also treats it as one word. So the text is split here.
In SQLite the `ascii` tokenizer gets it, which splits at ASCII punctuation and leaves everything else unchanged;
`tokens` does the same for PostgreSQL:

- Chinese and Japanese become overlapping pairs and the last character: 登录超时 is 登录 录超 超时 时. One character is
  then the prefix of a token, two are a token, more are a phrase of tokens.
- Any other word is one token, in lower case and without accents. The parts of `CancelToken` are
  also indexed, after the text, so that they do not break phrases.
- A repository is the token `§` and its number, which no text contains, since `§` is not a letter.

A change to this module must come with a migration that rebuilds the index: the index stores no text, so what is
deleted from it must be split as it was when it was indexed.
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

LONGEST_QUERY = 500
"""How many characters of a query count; the rest is ignored."""

# Han with its extensions and compatibility forms, the marks 々〆〇, and kana.
_UNSPACED = (
    "\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_TOKEN = re.compile(rf"[{_UNSPACED}]+|[^\W_{_UNSPACED}]+")
_STRETCH = re.compile(rf"[{_UNSPACED}]+|[^\s{_UNSPACED}]+")
_CUT = re.compile("[0-9a-z\x80-\U0010ffff]+")
_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_ACCENTS = re.compile("[\u0300-\u036f]+")
_HUMP = re.compile(
    r"(?<=[a-z0-9])(?:[A-Z]+[0-9]*(?![a-z])|[A-Z][a-z0-9]*)"  # parse|JSON, Cancel|Token
    r"|(?<=[A-Z])[A-Z][a-z][a-z0-9]*"  # HTTP|Server
)


def segmented(text: str) -> str:
    """Split `text` into tokens, separated by spaces or ASCII punctuation."""
    body = text if text.isascii() else " ".join(_tokens(_folded(text)))
    return " ".join([body, *_HUMP.findall(text)])


def tokens(segmented: str) -> list[str]:
    """The tokens of a text from `segmented`, in order, as SQLite's `ascii` tokenizer splits it."""
    return _CUT.findall(segmented.translate(_LOWER))


def repository_token(number: int) -> str:
    """The token that every document of a repository contains."""
    return f"§{number}"


class Phrase(NamedTuple):
    """Tokens that follow each other; `open` if the last one is only the start of a word."""

    tokens: tuple[str, ...]
    open: bool


def phrases(words: str) -> tuple[Phrase, ...]:
    """The phrases that a document must contain: one for each run of Chinese and each other word, without duplicates.

    Only the first `LONGEST_QUERY` characters count, and only letters and digits get into a token.
    """
    return tuple(dict.fromkeys(_phrases(_folded(words[:LONGEST_QUERY]))))


def _folded(text: str) -> str:
    """Normalise text: lower case, without accents and compatibility forms (full width, half-width kana)."""
    if text.isascii():
        return text.lower()
    bare = _ACCENTS.sub("", unicodedata.normalize("NFKD", text))
    return unicodedata.normalize("NFKC", bare).casefold()


def _tokens(folded: str) -> Iterator[str]:
    for run in _TOKEN.findall(folded):
        yield from [*_pairs(run), run[-1]] if _is_unspaced(run) else [run]


def _phrases(folded: str) -> Iterator[Phrase]:
    for stretch in _STRETCH.findall(folded):
        if _is_unspaced(stretch) and len(stretch) > 1:
            yield Phrase(tuple(_pairs(stretch)), open=False)
        elif parts := _TOKEN.findall(stretch):
            yield Phrase(tuple(parts), open=True)


def _pairs(run: str) -> list[str]:
    return [first + second for first, second in pairwise(run)]


def _is_unspaced(run: str) -> bool:
    return re.match(f"[{_UNSPACED}]", run) is not None
