"""The terminal as a chat: the first thing a newcomer runs, with no account.

On a terminal posts are drawn with rich; piped, they are plain text. Untrusted text reaches rich only as `rich.text`
objects, so that markup in it is not interpreted, and `Span` has removed all control characters.
"""

import sys
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from typing import IO, assert_never

from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.style import Style
from rich.table import Table as Grid
from rich.text import Text as Styled

from adapters.chats.rendering import words
from bot.ports import Idempotency, Listener, Posted, Progress, Readers
from bot.values import (
    Attachment,
    Buttons,
    Fields,
    Line,
    Message,
    Part,
    Place,
    Request,
    Table,
    Text,
)

NAME = "terminal"
HOME = Place(NAME, "here")
"""The terminal's one channel."""
USER = "you"
"""The terminal's one person."""
Say = Callable[..., str]
"""What fills a label, by its key and its blanks, in the operator's language."""


def console(stream: IO[str] | None = None) -> Console:
    """A console on a stream (standard output) that honours NO_COLOR."""
    return Console(file=stream or sys.stdout, highlight=False, emoji=False, markup=False)


class Terminal:
    """A chat with one channel. Threads are numbered; if `folded`, only their numbers of replies are shown.

    `say` fills labels in the operator's language.
    """

    name = NAME

    def __init__(self, out: Console, say: Say, folded: bool = False, lines: Iterator[str] | None = None) -> None:
        self._out = out
        self._say = say
        self._folded = folded
        self._lines = lines
        self._threads: list[list[Message]] = []
        self._open: str | None = None

    # --- Out ---------------------------------------------------------------------------------

    def post(self, place: Place, message: Message, once: Idempotency | None = None) -> Place:  # noqa: ARG002  # nothing is sent over a network
        """Show `message`, in its thread if `place` is one, and return the thread below it."""
        if place.thread is not None:
            number = int(place.thread)
            while len(self._threads) < number:  # started by an earlier process
                self._threads.append([])
            self._threads[number - 1].append(message)
            if not self._folded or place.thread == self._open:
                self._show(message, reply=True)
            return place
        self._threads.append([])
        self._show(message, reply=False)
        return Place(NAME, place.channel, str(len(self._threads)))

    def _show(self, message: Message, reply: bool) -> None:
        if self._out.is_terminal:
            self._out.print(Padding(_drawn(message, reply, self._say), (0, 0, 1, 2 if reply else 0), expand=False))
        else:
            self._out.file.write(_plain(message, reply, self._say))

    def posted(self, place: Place, names: Collection[str], since: datetime) -> Posted:  # noqa: ARG002  # no history
        """Nothing: a terminal has no history."""
        return Posted({})

    def ahead(self) -> None:
        """None: it has no clock of its own."""

    def check(self, place: Place) -> None:
        """Nothing is known before posting."""

    def readers(self, place: Place, person: str) -> Readers:  # noqa: ARG002  # it is one person's
        """The operator."""
        return Readers(alone=True)

    # --- In ----------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """True: it is always there."""
        return True

    def listen(self, listener: Listener) -> None:
        """Pass on every line. `thread 2` opens a thread, `back` leaves it, `exit` or the end of input ends."""
        if self._lines is None and sys.stdin.isatty():
            self._out.print(Styled(listener.text(HOME, "answer.leave"), style="dim"))
        for line in self._lines or _typed(self._prompt):
            word, _, rest = line.strip().removeprefix("/").partition(" ")
            if word in ("exit", "quit"):
                return
            if word == "back":
                self._open = None
            elif word == "thread":
                self._enter(rest.strip())
            elif line.strip():
                listener.request(Request(line.strip(), Place(NAME, HOME.channel, self._open), USER))
                self._show_thread_size()

    def close(self) -> None:
        """Nothing to do: the end of input ends it."""

    def _prompt(self) -> str:
        return f"{self._say('terminal.thread', thread=self._open)}> " if self._open else "> "

    def _enter(self, number: str) -> None:
        """Open a thread and show what is in it."""
        if not number.isdecimal() or not 1 <= int(number) <= len(self._threads):
            last = len(self._threads)
            wrong = self._say("terminal.no_thread", last=last) if last else self._say("terminal.no_threads")
            self._out.print(Styled(wrong, style="yellow"))
            return
        self._open = number
        for message in self._threads[int(number) - 1]:
            self._show(message, reply=True)

    def _show_thread_size(self) -> None:
        """Show how many replies are in the newest thread."""
        if self._folded and self._open is None and self._threads and self._threads[-1]:
            replies = self._say("terminal.replies", n=len(self._threads[-1]), thread=len(self._threads))
            self._out.print(Styled(replies, style="cyan"))


def _typed(prompt: Callable[[], str]) -> Iterator[str]:
    """Lines as they are typed, until the end of input (Ctrl+D) or an interrupt (Ctrl+C)."""
    while True:
        try:
            yield input(prompt() if sys.stdin.isatty() else "")
        except (EOFError, KeyboardInterrupt):
            if sys.stdin.isatty():
                sys.stdout.write("\n")  # the shell's prompt gets a line of its own
            return


# --- Drawn on a terminal ---------------------------------------------------------------------


def _drawn(message: Message, reply: bool, say: Say) -> RenderableType:
    title = _styled(message.title)
    title.stylize("bold")
    parts = [drawn for part in message.parts for drawn in _part(part, say)]
    if not parts:
        return title
    return Panel(Group(*parts), title=title, title_align="left", border_style="dim" if reply else "cyan", expand=False)


def _part(part: Part, say: Say) -> Iterator[RenderableType]:
    match part:
        case Text():
            if part.heading:
                yield Styled(f"\n{part.heading}", style="bold cyan")
            yield from (_bullet(line) if part.bullets else _styled(line) for line in part.lines)
        case Table():
            yield _grid(part)
        case Fields():
            grid = _pairs(2)
            for label, value in part.items:
                grid.add_row(Styled(label, style="dim"), _styled(value))
            yield grid
        case Buttons():
            yield Styled(f"\n{_pressed(part, say)}", style="dim")
        case Attachment():
            yield Styled(_file(part, say), style="cyan")
        case _:
            assert_never(part)


def _pairs(gap: int) -> Grid:
    """Two columns, of which nothing is cut off: Chinese has no spaces where a line could be broken."""
    grid = Grid.grid(padding=(0, gap))
    grid.add_column(overflow="fold")
    grid.add_column(overflow="fold")
    return grid


def _bullet(line: Line) -> Grid:
    row = _pairs(1)
    row.add_row(Styled("•"), _styled(line))
    return row


def _grid(part: Table) -> Grid:
    grid = Grid(box=None, padding=(0, 1), header_style="bold", title=part.heading or None)
    for number, name in enumerate(part.columns):
        justify: JustifyMethod = "right" if number in part.numbers else "left"
        no_wrap = number in (0, len(part.columns) - 1, *part.numbers)
        grid.add_column(name, justify=justify, overflow="fold", no_wrap=no_wrap)
    for row in part.rows:
        grid.add_row(*(_styled(cell) for cell in row))
    return grid


def _styled(line: Line) -> Styled:
    text = Styled()
    for span in line:
        style = Style(bold=span.strong or None, color="cyan" if span.code else None, link=span.url)
        text.append(span.text, style)
    return text


def _pressed(part: Buttons, say: Say) -> str:
    """What to type instead of pressing a button."""
    colon = say("report.colon")
    return "   ".join(f"{b.label}{colon}{b.url or f'digest {b.command}'}" for b in part.items)


def _file(part: Attachment, say: Say) -> str:
    return say("terminal.file", name=part.name, size=f"{len(part.text.encode()):,}")


# --- Plain, for a pipe -----------------------------------------------------------------------


def _plain(message: Message, reply: bool, say: Say) -> str:
    title = f"{'-- ' if reply else ''}{words(message.title)}"
    return "\n".join([title, *(line for part in message.parts for line in _plain_part(part, say)), "", ""])


def _plain_part(part: Part, say: Say) -> Iterator[str]:
    match part:
        case Text():
            if part.heading:
                yield f"\n{part.heading}"
            yield from (f"{'• ' if part.bullets else ''}{words(line)}" for line in part.lines)
        case Table():
            if part.heading:
                yield f"\n{part.heading}"
            yield "\t".join(part.columns)
            yield from ("\t".join(words(cell).replace("\t", " ") for cell in row) for row in part.rows)
        case Fields():
            yield from (f"{label}{part.colon}{words(value)}" for label, value in part.items)
        case Buttons():
            yield _pressed(part, say)
        case Attachment():
            yield _file(part, say)
        case _:
            assert_never(part)


# --- Progress --------------------------------------------------------------------------------


class DrawnProgress(Progress):
    """Progress of a digest as a line on a stream (standard error): what is being done, n of m, and the time left.

    The line is redrawn at the cursor, so it is only shown while nothing else is written.
    """

    def __init__(self, out: Console | None = None) -> None:
        self._out = out or Console(stderr=True)
        self._bar: Bar | None = None

    def collecting(self, repo: str) -> None:
        """The commits of `repo` are being read."""
        if self._bar is None:
            columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn())
            left = (MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Bar(*columns, *left, console=self._out, transient=True)
            self._bar.add_task("", total=None)
            self._bar.start()
        self._bar.update(_LINE, description=repo, total=None, completed=0)

    def analysing(self, done: int, total: int) -> None:
        """`done` of `total` commits are analysed."""
        if self._bar:
            self._bar.update(_LINE, total=total, completed=done)

    def over(self) -> None:
        """Remove the line and restore the cursor."""
        if self._bar:
            self._bar.stop()
            self._bar = None


_LINE = TaskID(0)
"""The only line of progress."""
