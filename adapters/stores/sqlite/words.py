"""Words for the full-text index, and queries in its language. Pure.

SQLite's tokenizers (https://sqlite.org/fts5.html#tokenizers) take a run of Chinese for one word (`unicode61`) or find
nothing under three characters (`trigram`). So the text is cut here and handed over to the `ascii` tokenizer, which
splits at ASCII punctuation and keeps everything else as it is:

- Chinese and Japanese become overlapping pairs and the last character: 登录超时 is 登录 录超 超时 时. One character is
  then the prefix of a token, two are a token, more are a phrase of tokens.
- Any other word is one token, in lower case and without accents. The humps of `CancelToken` are indexed besides it,
  after the text, so that they part no phrase.
- A repository is the token `§` and its number, which no text can hold, since `§` is no letter.

A change to this module must come with a migration that builds the index anew: the index keeps no text, so what it
forgets must be cut as it was when it was indexed.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import pairwise

LONGEST_QUERY = 500
"""How many characters of a query count; what is beyond them restricts nothing."""

# Han with its extensions and compatibility forms, the marks 々〆〇, and kana.
_UNSPACED = (
    "\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_TOKEN = re.compile(rf"[{_UNSPACED}]+|[^\W_{_UNSPACED}]+")
_STRETCH = re.compile(rf"[{_UNSPACED}]+|[^\s{_UNSPACED}]+")
_ACCENTS = re.compile("[\u0300-\u036f]+")
_HUMP = re.compile(
    r"(?<=[a-z0-9])(?:[A-Z]+[0-9]*(?![a-z])|[A-Z][a-z0-9]*)"  # parse|JSON, Cancel|Token
    r"|(?<=[A-Z])[A-Z][a-z][a-z0-9]*"  # HTTP|Server
)


def segmented(text: str) -> str:
    """`text` cut into the tokens under which it is found, parted by spaces or ASCII punctuation."""
    body = text if text.isascii() else " ".join(_tokens(_folded(text)))
    return " ".join([body, *_HUMP.findall(text)])


def repository_token(number: int) -> str:
    """The token that every document of a repository holds."""
    return f"§{number}"


def query(words: str, repositories: Iterable[int]) -> str:
    """The FTS5 query for documents of any of `repositories` that hold all `words`; empty where nothing can match.

    Only the first `LONGEST_QUERY` characters of `words` count.
    """
    phrases = dict.fromkeys(_phrases(_folded(words[:LONGEST_QUERY])))
    places = " OR ".join(f'"{repository_token(number)}"' for number in repositories)
    return " AND ".join([f"({places})", *phrases]) if phrases and places else ""


def _folded(text: str) -> str:
    """Text in which case, accents and compatibility forms (full width, half-width kana) make no difference."""
    if text.isascii():
        return text.lower()
    bare = _ACCENTS.sub("", unicodedata.normalize("NFKD", text))
    return unicodedata.normalize("NFKC", bare).casefold()


def _tokens(folded: str) -> Iterator[str]:
    for run in _TOKEN.findall(folded):
        yield from [*_pairs(run), run[-1]] if _is_unspaced(run) else [run]


def _phrases(folded: str) -> Iterator[str]:
    """One FTS5 phrase for each run of Chinese and each other word; only tokens of letters and digits get into it."""
    for stretch in _STRETCH.findall(folded):
        if _is_unspaced(stretch) and len(stretch) > 1:
            yield f'"{" ".join(_pairs(stretch))}"'
        elif parts := _TOKEN.findall(stretch):
            yield f'"{" ".join(parts)}" *'


def _pairs(run: str) -> list[str]:
    return [first + second for first, second in pairwise(run)]


def _is_unspaced(run: str) -> bool:
    return re.match(f"[{_UNSPACED}]", run) is not None
