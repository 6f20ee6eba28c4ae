"""What all chats share in rendering a neutral message: its parts in order, on pages. Pure."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, assert_never

from bot.values import Attachment, Button, Buttons, Fields, Importance, Line, Message, Part, Table, Text, one_line

_Page = TypeVar("_Page")


@dataclass(frozen=True, slots=True)
class Rendered(Generic[_Page]):
    """A rendered message: at least one page, and the files that go with it."""

    pages: tuple[_Page, ...]
    files: tuple[Attachment, ...]


def words(line: Line) -> str:
    """The text of a line."""
    return "".join(span.text for span in line)


def opening(message: Message, limit: int = 0) -> str:
    """The first words after the title, other than tables, for a notification; `limit` is in characters."""
    lines = [words(line) for part in message.parts if isinstance(part, Text) for line in part.lines]
    return one_line(" · ".join(lines[:3]).replace("。 · ", " · "), limit)  # a Chinese full stop would end what goes on


def is_files(message: Message) -> bool:
    """Whether a message is nothing but files."""
    return bool(message.parts) and all(isinstance(part, Attachment) for part in message.parts)


def closed(message: Message) -> tuple[Sequence[Part], tuple[Button, ...]]:
    """The parts of a message without the buttons at its end, and these, which belong on its first page."""
    *before, last = message.parts or (Text(()),)
    return (before, last.items) if isinstance(last, Buttons) else (message.parts, ())


def is_high(row: Sequence[Line]) -> bool:
    """Whether a row of a table begins with the mark of a high importance."""
    return any(span.importance is Importance.HIGH for span in row[0])


def high_first(table: Table) -> list[int]:
    """The indices of a table's rows in the order in which they are put on pages: high ones first."""
    return sorted(range(len(table.rows)), key=lambda number: not is_high(table.rows[number]))


class Packer(ABC):
    """Puts parts on pages; what does not fit on one continues on the next."""

    def parts(self, parts: Sequence[Part]) -> tuple[Attachment, ...]:
        """Put all parts on pages; return the files, which are on none."""
        files: list[Attachment] = []
        for part in parts:
            match part:
                case Text():
                    self.text(part)
                case Fields():
                    self.fields(part)
                case Table():
                    self.table(part)
                case Buttons():
                    self.buttons(part.items)
                case Attachment():
                    files.append(part)
                case _:
                    assert_never(part)
        return tuple(files)

    @abstractmethod
    def text(self, part: Text) -> None:
        """Paragraphs or a list."""

    @abstractmethod
    def fields(self, part: Fields) -> None:
        """Labelled values."""

    @abstractmethod
    def table(self, part: Table) -> None:
        """A table, whose header is repeated on each page."""

    @abstractmethod
    def buttons(self, items: Sequence[Button]) -> None:
        """Buttons in rows."""
