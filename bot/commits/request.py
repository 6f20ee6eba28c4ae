"""Finds what a commit's pull request says beyond the commit's message. Pure.

Like a message it is untrusted: only its beginning is read, and what is stored is inert and bounded.
"""

import re
from collections.abc import Container
from dataclasses import dataclass

from bot.commits import message
from bot.values import ChangeRequest, one_line, sanitize

READ = message.READ
"""Characters of a description to read."""
_LINE, _ISSUES = 300, 5
"""Characters kept of a title, and how many titles of issues."""


@dataclass(frozen=True, slots=True)
class Requested:
    """A pull request from its source: its title, its description, and the titles of the issues it closes."""

    title: str = ""
    description: str = ""
    issues: tuple[str, ...] = ()


def beyond(requested: Requested, *said: str) -> ChangeRequest | None:
    """What a pull request says that the commit does not; None for nothing.

    Titles are compared by their words, descriptions paragraph by paragraph: what hosts and people copy into a message
    is wrapped, numbered and marked differently there. Argument `said`: what the commit says, in whatever parts.
    """
    heard = _Heard("\n".join(said))
    title = one_line(requested.title, _LINE)
    description = _NO_WORDS.sub("", sanitize(requested.description[:READ]))
    issues = [one_line(issue, _LINE) for issue in requested.issues[:_ISSUES]]
    found = ChangeRequest(
        "" if title in heard else title,
        message.said(description, heard),
        tuple(issue for issue in dict.fromkeys(issues) if issue not in heard),
    )
    return found if found != ChangeRequest() else None


_NO_WORDS = re.compile(
    r"^[ \t]{0,20}(?:(?:</?[a-z][^<>\n]{0,500}>|!\[[^\]\n]{0,300}\]\([^()\s]{0,500}\))[ \t]{0,20}){1,20}$",
    re.IGNORECASE | re.MULTILINE,
)
"""A line of only images and HTML tags."""


class _Heard(Container[str]):
    """A text that can be searched for another one's words, ignoring what is between them."""

    def __init__(self, text: str) -> None:
        self._words = _words(text)

    def __contains__(self, text: object) -> bool:
        return _words(str(text)) in self._words


def _words(text: str) -> str:
    """The words of a text in lower case, each between spaces; a text without words is contained in every other one."""
    return " ".join(["", *re.findall(r"\w+", text.casefold()), ""])
