"""A commit while it is read: what the parts of a reading are made from."""

from dataclasses import dataclass

from bot.commits.message import Title
from bot.values import FileChange


@dataclass(frozen=True, slots=True)
class Draft:
    """The name of its repository, its title taken apart, its body (inert), its files, and whether a `bot` wrote it."""

    repo: str
    sha: str
    title: Title
    body: str
    pull: int | None
    files: tuple[FileChange, ...]
    bot: bool
