"""How a line of `/digest …` reads: its words, and the commits, repositories and dates among them. Pure.

    /digest                        the last digest again
    /digest 6344 | #6344 | !6344 | 9a93eb7 | owner/repo#6344 | owner/repo@9a93eb7 | a commit's or pull request's URL
    /digest owner/repo 6344        the same in another order; also PR 6344, #6344 #6345, and 6344 with a question mark
    /digest today | yesterday | week | latest | 2026-02-18  [owner/repo]
    /digest v0.21.0 | v0.20.0..v0.21.0 | 2026-02-01..2026-02-18  [owner/repo]
    /digest COMMAND …              the records in `bot.conversation.commands`

A repository is `owner/repo`, a path, or its address in any spelling. `post` at the end answers where everybody sees it,
in a chat that answers a person alone. Everything that is richer in a chat (buttons, forms) ends as such a line.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from urllib.parse import unquote

from bot.commits import releases
from bot.commits.hosts import Hosts
from bot.errors import UsageError
from bot.values import one_line

_TEXT_LIMIT = 2_000
_LEAD = re.compile(r"^\s*(?:[/／]\s*)?(?:digest(?:[,，:：]?\s+|$)|日报[,，:：]?\s*)", re.IGNORECASE)
_WIDE = {0xFF00 + code - 0x20: chr(code) for code in range(0x21, 0x7F) if chr(code).isalnum()}
_WIDE |= dict(zip(map(ord, "＃＠／．＿－"), "#@/._-", strict=True))
"""What a Chinese keyboard writes for characters of the grammar."""
_STOPS = "。，、；？！…～"
"""What ends a sentence in Chinese is no part of a word."""
_WRAPPED = re.compile(r"<(?P<url>(?:https?://|mailto:|tel:)[^|<>\s]+)(?:\|(?P<typed>[^<>]*))?>")
"""A link with what was typed, as Slack writes it and Feishu's adapter does."""
_SENTENCE_END = re.compile(r"(?<=[\w)\]])[,;?!.:]+$")
"""What ends a sentence or a part of it, and no name: `..` and `docs/*` stay."""
_QUOTES = (('“"„', '”“"'), ("‘'`", "’'`"), ("「『", "」』"), ("«", "»"))
"""Opening and closing quotes: those of keyboards, and those that programs make of them."""
_QUOTED = "|".join(f"[{opening}]([^{opening}{closing}]+)[{closing}]" for opening, closing in _QUOTES)
_WORD = re.compile(rf"(?<!\S)(?:{_QUOTED})[{_STOPS},;?!.:]*(?!\S)|(\S+)")
_CALL = re.compile(r"<@[A-Z0-9]{1,40}(?:\|[^<>]{0,100})?>[,;?!.:]*")
_EMOJI = re.compile(r":[\w'+-]{1,60}:")
_PICTURES = frozenset({"So", "Sk", "Mn", "Cf"})
"""The categories that emoji are made of (Unicode Standard Annex 44)."""
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}")
_SLASHED_DATE = re.compile(r"\d{4}/\d{1,2}/\d{1,2}|\d{1,2}/\d{1,2}/\d{4}")
_FIRST_YEAR = 1970
_LINK = re.compile(r"https?://\S+", re.IGNORECASE)
_REF = re.compile(r"(?P<repo>.*?)(?:[#!](?P<pull>\d{1,9})|@(?P<at>[0-9a-f]{4,64}))", re.IGNORECASE)
_BARE = re.compile(r"[0-9a-f]{4,64}|\d{1,9}", re.IGNORECASE)
_NOUN = re.compile(r"prs?|mrs?|pulls?|pull-?requests?|merge-?requests?|commits?|sha|合并请求|提交", re.IGNORECASE)
"""What people say before a reference, which says it already."""
_JOINED = re.compile(rf"^(?:{_NOUN.pattern})[:：]?(?=[#!]?\d)", re.IGNORECASE)
AND = frozenset({"and", "和", "与", "及", "&", "+", ",", "，", "、"})
"""What stands between several of a kind."""

EVERYBODYS = Hosts()
"""The code hosts that everybody knows, where the operator has named none."""


@dataclass(frozen=True, slots=True)
class CommitName:
    """A commit as people name it; a bare number may be both a pull request and the start of a SHA.

    `repo` is a name or an address of the repository, empty for none.
    """

    repo: str = ""
    pull: int | None = None
    sha: str = ""


def words(text: str) -> list[str]:
    """The words of a line without `/digest`, with links that a chat wrapped taken out of their brackets.

    What stands between quotes is one word: a path may hold spaces. An emoji by itself is none.
    """
    line = _WRAPPED.sub(_typed, _LEAD.sub("", one_line(text[:_TEXT_LIMIT]))).translate(_WIDE)
    found = ((match[1] or match[2] or match[3] or match[4], match[0]) for match in _WORD.finditer(line))
    return [quoted or _word(plain) for quoted, plain in found if quoted or not _is_emoji(plain)]


def is_call(word: str) -> bool:
    """Whether a word only calls somebody, as Slack writes a mention."""
    return bool(_CALL.fullmatch(word))


def _is_emoji(plain: str) -> bool:
    return bool(_EMOJI.fullmatch(plain)) or all(unicodedata.category(each) in _PICTURES for each in plain)


def _word(plain: str) -> str:
    """A word without what ends the sentence behind it."""
    ended = plain.rstrip(_STOPS)
    return plain if not ended else ended if ended.endswith("..") else _SENTENCE_END.sub("", ended)


def _typed(link: re.Match[str]) -> str:
    """What somebody typed where a chat made a link of it: of `README.md`, `a@b.dev` and `2026-02-18` too."""
    url, typed = link["url"], (link["typed"] or "").strip()
    scheme, _, rest = url.partition(":")
    same = scheme.lower() == "tel" or unquote(rest).removeprefix("//").rstrip("/").lower() == typed.rstrip("/").lower()
    if typed and not same:
        return f" {url} "  # in Chinese, words stand beside it without a space
    return typed or url


def quoted(value: str) -> str:
    """A value as one word of the grammar, which has no way to write a quote within quotes."""
    plain = value.replace('"', "").replace("“", "").replace("”", "")
    return f'"{plain}"' if " " in plain else plain


def check_length(line: str) -> None:
    """Refuse a line that would be cut. Raises UsageError."""
    if len(line) > _TEXT_LIMIT:
        raise UsageError("line_long", limit=f"{_TEXT_LIMIT:,}", length=f"{len(line):,}")


def reference(word: str, hosts: Hosts = EVERYBODYS) -> CommitName | None:
    """What commit a word names, or None. `hosts` reads addresses."""
    if found := _page(word, hosts):
        return found
    word = _JOINED.sub("", word.strip("()[]（）"))
    if named := _REF.fullmatch(word):
        return CommitName(named["repo"], int(named["pull"]) if named["pull"] else None, (named["at"] or "").lower())
    if _BARE.fullmatch(word):
        number = int(word) if word.isdigit() and len(word) <= 9 else None
        return CommitName(pull=number, sha=word.lower() if len(word) >= 4 else "")
    return None


def is_noun(word: str) -> bool:
    """Whether a word says of the next one that it is a reference: `PR 6344`."""
    return bool(_NOUN.fullmatch(word))


def named_commits(words: Sequence[str], hosts: Hosts = EVERYBODYS) -> tuple[CommitName, ...]:
    """The commits that a whole line names, each once: `6344`, `PR 6344`, `#1 and #2`, `owner/repo 6344` in any order.

    None for a line that says anything else besides.
    """
    said = [word for word in words if not is_noun(word) and word.lower() not in AND]
    found = [(word, reference(word, hosts)) for word in said]
    named = tuple(dict.fromkeys(each for _, each in found if each))
    repos = {word for word, each in found if not each and is_repository(word)}
    if any(not each and word not in repos for word, each in found) or len(repos) > 1:
        return ()
    if repos and any(each.repo for each in named):
        return ()
    return tuple(replace(each, repo=each.repo or "".join(repos)) for each in named)


def references(text: str, hosts: Hosts = EVERYBODYS) -> tuple[CommitName, ...]:
    """The commits and pull requests that a text links to, each once, in order. `hosts` reads addresses."""
    links = ((word, _LINK.search(word)) for word in words(text))
    found = (_page(link[0] if link else word, hosts) for word, link in links)
    return tuple(dict.fromkeys(named for named in found if named))


def _page(word: str, hosts: Hosts) -> CommitName | None:
    """The commit or pull request whose web page a word is."""
    page = hosts.page(word)
    if page and (page.number is not None or page.sha):
        return CommitName(page.repository.typed, page.number, page.sha)
    return None


def is_repository(word: str) -> bool:
    """Whether a word can name a repository: `owner/repo`, a path, or an address."""
    spelt = "/" in word and not is_time(word) and not _SLASHED_DATE.fullmatch(word)
    return spelt or word in (".", "..") or word.startswith("~")


def is_date(word: str) -> bool:
    """Whether a word is written as a date is."""
    return bool(_DATE.fullmatch(word))


def dates(word: str) -> tuple[str, str] | None:
    """The two dates of `2026-02-01..2026-02-18`; None for any other word."""
    ends = releases.ends(word)
    return ends if ends and all(map(is_date, ends)) else None


def is_release(word: str) -> bool:
    """Whether a word names a release, or two as `v0.20.0..v0.21.0` does."""
    if is_date(word) or dates(word):
        return False
    return bool(releases.ends(word)) or (releases.is_name(word) and reference(word) is None)


def is_time(word: str) -> bool:
    """Whether a word can only mean what a digest is of: a date, a release, or two of them."""
    return is_date(word) or bool(dates(word)) or is_release(word)


def parse_date(word: str) -> date:
    """The date of `2026-02-18`. Raises UsageError for a day that no calendar has, or that is before the Unix epoch."""
    try:
        found = date(*(int(part) for part in word.split("-")))
    except ValueError:
        found = date.min
    if found.year < _FIRST_YEAR:
        raise UsageError("date_invalid", text=word)
    return found
