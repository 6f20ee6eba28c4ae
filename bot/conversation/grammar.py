"""Parses the line of `/digest …`: its words, and the commits, repositories and dates among them. Pure.

    /digest                        the last digest again
    /digest 6344 | #6344 | !6344 | 9a93eb7 | owner/repo#6344 | owner/repo@9a93eb7 | a commit's or pull request's URL
    /digest owner/repo 6344        the same in another order; also PR 6344, #6344 #6345, and 6344 with a question mark
    /digest today | yesterday | week | latest | 2026-02-18  [owner/repo]
    /digest v0.21.0 | v0.20.0..v0.21.0 | 2026-02-01..2026-02-18  [owner/repo]
    /digest COMMAND …              the records in `bot.conversation.commands`

A repository is `owner/repo`, a path, or any form of its address. `post` at the end makes the answer public in a chat
that answers privately. Richer input in a chat (buttons, forms) becomes such a line.
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
"""Full-width forms of the grammar's characters, as Chinese keyboards type them."""
_STOPS = "。，、；？！…～"
"""Chinese punctuation, which is not part of a word."""
_WRAPPED = re.compile(r"<(?P<url>(?:https?://|mailto:|tel:)[^|<>\s]+)(?:\|(?P<typed>[^<>]*))?>")
"""A link with the text that was typed, as Slack and the Feishu adapter write it."""
_SENTENCE_END = re.compile(r"(?<=[\w)\]])[,;?!.:]+$")
"""Punctuation at the end of a word, but not of a name: `..` and `docs/*` stay."""
_QUOTES = (('“"„', '”“"'), ("‘'`", "’'`"), ("「『", "」』"), ("«", "»"))
"""Opening and closing quotes: straight ones, and typographic ones that programs replace them with."""
_QUOTED = "|".join(f"[{opening}]([^{opening}{closing}]+)[{closing}]" for opening, closing in _QUOTES)
_WORD = re.compile(rf"(?<!\S)(?:{_QUOTED})[{_STOPS},;?!.:]*(?!\S)|(\S+)")
_CALL = re.compile(r"<@[A-Z0-9]{1,40}(?:\|[^<>]{0,100})?>[,;?!.:]*")
_EMOJI = re.compile(r":[\w'+-]{1,60}:")
_PICTURES = frozenset({"So", "Sk", "Mn", "Cf"})
"""The categories of the characters in emoji (Unicode Standard Annex 44)."""
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}")
_SLASHED_DATE = re.compile(r"\d{4}/\d{1,2}/\d{1,2}|\d{1,2}/\d{1,2}/\d{4}")
_FIRST_YEAR = 1970
_LINK = re.compile(r"https?://\S+", re.IGNORECASE)
_REF = re.compile(r"(?P<repo>.*?)(?:[#!](?P<pull>\d{1,9})|@(?P<at>[0-9a-f]{4,64}))", re.IGNORECASE)
_BARE = re.compile(r"[0-9a-f]{4,64}|\d{1,9}", re.IGNORECASE)
_NOUN = re.compile(r"prs?|mrs?|pulls?|pull-?requests?|merge-?requests?|commits?|sha|合并请求|提交", re.IGNORECASE)
"""Words before a reference that add nothing to it."""
_JOINED = re.compile(rf"^(?:{_NOUN.pattern})[:：]?(?=[#!]?\d)", re.IGNORECASE)
AND = frozenset({"and", "和", "与", "及", "&", "+", ",", "，", "、"})
"""Words between the items of a list."""

EVERYBODYS = Hosts()
"""The well-known code hosts, for when the operator has configured none."""


@dataclass(frozen=True, slots=True)
class CommitName:
    """A commit as people name it; a plain number may be a pull request or the start of a SHA.

    `repo` is the repository's name or address; it may be empty.
    """

    repo: str = ""
    pull: int | None = None
    sha: str = ""


def words(text: str) -> list[str]:
    """Split a line into words, without `/digest`, and unwrap links that a chat put into brackets.

    Quoted text is one word, since a path may contain spaces. Emoji are dropped.
    """
    line = _WRAPPED.sub(_typed, _LEAD.sub("", one_line(text[:_TEXT_LIMIT]))).translate(_WIDE)
    found = ((match[1] or match[2] or match[3] or match[4], match[0]) for match in _WORD.finditer(line))
    return [quoted or _word(plain) for quoted, plain in found if quoted or not _is_emoji(plain)]


def is_call(word: str) -> bool:
    """Whether a word is only a mention, as Slack writes it."""
    return bool(_CALL.fullmatch(word))


def _is_emoji(plain: str) -> bool:
    return bool(_EMOJI.fullmatch(plain)) or all(unicodedata.category(each) in _PICTURES for each in plain)


def _word(plain: str) -> str:
    """A word without the punctuation after it."""
    ended = plain.rstrip(_STOPS)
    return plain if not ended else ended if ended.endswith("..") else _SENTENCE_END.sub("", ended)


def _typed(link: re.Match[str]) -> str:
    """The typed text of a link that a chat made, also of `README.md`, `a@b.dev` and `2026-02-18`."""
    url, typed = link["url"], (link["typed"] or "").strip()
    scheme, _, rest = url.partition(":")
    same = scheme.lower() == "tel" or unquote(rest).removeprefix("//").rstrip("/").lower() == typed.rstrip("/").lower()
    if typed and not same:
        return f" {url} "  # in Chinese there is no space around it
    return typed or url


def quoted(value: str) -> str:
    """Quote a value to make it one word; the grammar has no way to escape a quote."""
    plain = value.replace('"', "").replace("“", "").replace("”", "")
    return f'"{plain}"' if " " in plain else plain


def check_length(line: str) -> None:
    """Reject a line that is too long. Raises UsageError."""
    if len(line) > _TEXT_LIMIT:
        raise UsageError("line_long", limit=f"{_TEXT_LIMIT:,}", length=f"{len(line):,}")


def reference(word: str, hosts: Hosts = EVERYBODYS) -> CommitName | None:
    """The commit that a word names, or None. `hosts` parses addresses."""
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
    """Whether a word announces that the next one is a reference: `PR 6344`."""
    return bool(_NOUN.fullmatch(word))


def named_commits(words: Sequence[str], hosts: Hosts = EVERYBODYS) -> tuple[CommitName, ...]:
    """The commits that a line names, without duplicates: `6344`, `PR 6344`, `#1 and #2`, `owner/repo 6344`.

    The words may be in any order. Empty for a line that contains anything else.
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
    """The commits and pull requests that a text links to, in order, without duplicates. `hosts` parses addresses."""
    links = ((word, _LINK.search(word)) for word in words(text))
    found = (_page(link[0] if link else word, hosts) for word, link in links)
    return tuple(dict.fromkeys(named for named in found if named))


def _page(word: str, hosts: Hosts) -> CommitName | None:
    """The commit or pull request whose web page a word links to."""
    page = hosts.page(word)
    if page and (page.number is not None or page.sha):
        return CommitName(page.repository.typed, page.number, page.sha)
    return None


def is_repository(word: str) -> bool:
    """Whether a word can name a repository: `owner/repo`, a path, or an address."""
    has_slash = "/" in word and not is_time(word) and not _SLASHED_DATE.fullmatch(word)
    return has_slash or word in (".", "..") or word.startswith("~")


def is_date(word: str) -> bool:
    """Whether a word has the form of a date."""
    return bool(_DATE.fullmatch(word))


def dates(word: str) -> tuple[str, str] | None:
    """The two dates in `2026-02-01..2026-02-18`; None for any other word."""
    ends = releases.ends(word)
    return ends if ends and all(map(is_date, ends)) else None


def is_release(word: str) -> bool:
    """Whether a word names a release, or two, like `v0.20.0..v0.21.0`."""
    if is_date(word) or dates(word):
        return False
    return bool(releases.ends(word)) or (releases.is_name(word) and reference(word) is None)


def is_time(word: str) -> bool:
    """Whether a word can only mean the scope of a digest: a date, a release, or two of them."""
    return is_date(word) or bool(dates(word)) or is_release(word)


def parse_date(word: str) -> date:
    """Parse `2026-02-18`. Raises UsageError for a day that does not exist or is before the Unix epoch."""
    try:
        found = date(*(int(part) for part in word.split("-")))
    except ValueError:
        found = date.min
    if found.year < _FIRST_YEAR:
        raise UsageError("date_invalid", text=word)
    return found
