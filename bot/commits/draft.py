"""A commit while its reading is made: the input of the parsers."""

from dataclasses import dataclass

from bot.commits.message import Title
from bot.values import FileChange


@dataclass(frozen=True, slots=True)
class Draft:
    """The name of its repository, its parsed title, its body (inert), its files, and whether a `bot` wrote it."""

    repo: str
    sha: str
    title: Title
    body: str
    pull: int | None
    files: tuple[FileChange, ...]
    bot: bool
