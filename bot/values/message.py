"""Posts, requests and forms, independent of any chat."""

from dataclasses import dataclass
from enum import StrEnum

from bot.values.digest import Importance
from bot.values.text import sanitize


@dataclass(frozen=True, slots=True)
class Span:
    """A run of text within a line, made inert here, so that no renderer can forget it; `url` makes it a link.

    With `importance` it is the mark or the name of that importance, which a chat may show as a colour.
    """

    text: str
    url: str | None = None
    strong: bool = False
    code: bool = False
    importance: Importance | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", sanitize(self.text).replace("\n", " ").replace("\t", " "))


Line = tuple[Span, ...]
"""One line of spans."""


@dataclass(frozen=True, slots=True)
class Text:
    """Paragraphs, or with `bullets` a list. `heading` is above them, empty for none."""

    lines: tuple[Line, ...]
    heading: str = ""
    bullets: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a header row; every row has as many cells as there are columns.

    `numbers` are the indices of the columns with numbers, which a chat may align.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Line, ...], ...]
    heading: str = ""
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Fields:
    """Short labelled values that a platform may set side by side; `colon` is what its language has after a label."""

    items: tuple[tuple[str, Line], ...]
    colon: str = ": "


@dataclass(frozen=True, slots=True)
class Button:
    """Something to press: it either sends `command` as if it had been typed, or opens `url`.

    `confirm` is asked before something is removed.
    """

    label: str
    command: str = ""
    url: str = ""
    confirm: str = ""


@dataclass(frozen=True, slots=True)
class Buttons:
    """Buttons in a row."""

    items: tuple[Button, ...]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file: its name and its text."""

    name: str
    text: str


Part = Text | Table | Fields | Buttons | Attachment
"""What a message is made of; renderers match on it with `assert_never`."""


class MessageKind(StrEnum):
    """The kind of a message: part of a digest, or of an answer.

    A `QUESTION` asks which of several things is meant; an `ANNOUNCEMENT` is for everybody in a channel; an `ERROR` and
    a `NOTE` are for the person who asked, and so is a `PERSONAL` one, unless it is to be public.
    """

    HEADLINE = "headline"
    COMMIT = "commit"
    REST = "rest"
    REPORT = "report"
    ANSWER = "answer"
    QUESTION = "question"
    ANNOUNCEMENT = "announcement"
    PERSONAL = "personal"
    ERROR = "error"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Count:
    """How many commits of a message have an importance; `label` is the number and its mark, `name` is in words."""

    importance: Importance
    number: int
    label: str
    name: str


@dataclass(frozen=True, slots=True)
class Message:
    """One neutral message. `key` is unique within its post and stable, `title` also serves as the notification.

    `importance` is the highest among its commits, None if it is about none; `counts` are its commits by importance,
    the highest first, if it says how many.
    """

    key: str
    title: Line
    parts: tuple[Part, ...] = ()
    kind: MessageKind = MessageKind.ANSWER
    importance: Importance | None = None
    counts: tuple[Count, ...] = ()


@dataclass(frozen=True, slots=True)
class Post:
    """Everything the bot says at once: a headline and the replies in its thread."""

    headline: Message
    replies: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """A channel of a chat, or with `thread` a thread in it; with `viewer` only that person sees what is posted.

    The names of channels, threads and viewers are up to the chat. A file for a viewer goes to their direct chat with
    the bot, since no platform shows a file to one person in a channel.
    """

    chat: str
    channel: str
    thread: str | None = None
    viewer: str | None = None

    @property
    def whole(self) -> "Place":
        """The channel itself, for everybody in it."""
        return Place(self.chat, self.channel)


@dataclass(frozen=True, slots=True)
class Request:
    """What a person typed, and where. `id` is the same when a chat delivers it again; empty if it never does.

    `beneath` are the messages that it replies to, the nearest first, unless its place contains them.
    """

    text: str
    place: Place
    user: str
    id: str = ""
    beneath: tuple[str, ...] = ()


class InputKind(StrEnum):
    """The kind of an input: a line of text, a time of day, one of the choices, or several of them."""

    TEXT = "text"
    TIME = "time"
    ONE = "one"
    SEVERAL = "several"


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a form. `choices` are (value, label) pairs; for `SEVERAL`, `value` is comma-separated."""

    name: str
    label: str
    value: str = ""
    hint: str = ""
    kind: InputKind = InputKind.TEXT
    choices: tuple[tuple[str, str], ...] = ()
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """A line of the grammar to fill in, for a chat that can show one.

    `fixed` are hidden values; `fresh` says that nothing was set before, so that a chat may fill in what it knows about
    the person, such as their time zone; `done` is shown once it was submitted, `waiting` until then; `colon` follows
    the label of an input in the form's language.
    """

    title: str
    submit: str
    cancel: str
    waiting: str
    done: str
    inputs: tuple[Input, ...]
    fixed: tuple[tuple[str, str], ...] = ()
    fresh: bool = False
    colon: str = ": "


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem with a form: the name of the input, and what to do about it."""

    input: str
    text: str
