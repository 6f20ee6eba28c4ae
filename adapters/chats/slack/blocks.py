"""From a neutral message to what Slack takes: pages of Block Kit, none beyond a limit, nothing left out. Pure.

Text from outside stands only in `rich_text` leaves, `raw_text` cells and `plain_text`: no mrkdwn is ever written, so
that nothing in it is read as a mention, a link or a style (docs.slack.dev, "Formatting message text").
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapters.chats.rendering import Packer, Rendered, closed, opening, words
from adapters.chats.slack import limits
from bot.values import Button, Fields, Line, Message, Span, Table, Text, one_line

Block = dict[str, Any]

_LINE = 2_000
"""Characters of a leaf: a longer text goes on in the next one, on the next page if need be."""
_BUTTONS = 1_500
"""Characters of JSON kept on the first page for the buttons at the end, which nobody should search a thread for."""
_CONTINUED = 200
"""Characters kept for the line that says which page of how many this is."""


@dataclass(frozen=True, slots=True)
class Page:
    """One message of Slack's: the fallback `text` for notifications and screen readers, and its blocks."""

    text: str
    blocks: tuple[Block, ...]


def render(message: Message) -> Rendered[Page]:
    """Everything the message says, on as many pages as it takes; buttons at its end stand on the first one."""
    parts, closing = closed(message)
    packer = _Packer(message.kind)
    if closing:
        packer.pages[0].size += _BUTTONS
    packer.title(message.title)
    files = packer.parts(parts)
    packer.close(closing)
    title = one_line(words(message.title), limits.FALLBACK.ours // 2) or "…"
    return Rendered(tuple(_pages(title, message, packer.pages)), files)


def blocks_of(message: Message, prefix: str) -> list[Block]:
    """The blocks of a message without its title, for a view; `prefix` begins the names of its rows of buttons."""
    packer = _Packer(f"{message.kind}:{prefix}", prefix)
    packer.parts(message.parts)
    return [block for page in packer.pages for block in page.blocks]


ACTION = "digest:"
"""The name of a button begins so, followed by its message's kind."""


def _pages(title: str, message: Message, packed: "Sequence[_Packed]") -> Iterable[Page]:
    for number, page in enumerate(packed, start=1):
        count = f" ({number}/{len(packed)})" if len(packed) > 1 else ""
        more = [_context(f"{one_line(title, 150)}{count}")] if number > 1 else []
        text = title if number > 1 else f"{title}\n{opening(message, limits.FALLBACK.ours // 3)}".strip()
        yield Page(escaped(f"{text}{count}"), (*more, *page.blocks))


def escaped(text: str) -> str:
    """Text for the fallback, which Slack reads as mrkdwn: the three characters that begin a token are entities."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


# --- Leaves ----------------------------------------------------------------------------------


def _leaves(line: Line) -> list[Block]:
    """The spans of a line, long ones in pieces; a link without words shows its address."""
    found = []
    for span in line:
        text = span.text or (span.url or "")
        for start in range(0, len(text), _LINE):
            found.append(_leaf(span, text[start : start + _LINE]))
    return found


def _portions(leaves: Sequence[Block]) -> Iterable[list[Block]]:
    """The leaves of a line together, or in portions that always fit on a page, where all of them would not."""
    portion: list[Block] = []
    for leaf in leaves:
        wide = portion and rendered_length([*portion, leaf]) > 3 * _LINE
        if wide or (portion and json_length([*portion, leaf]) > limits.JSON.ours * 2 // 3):
            yield portion
            portion = []
        portion.append(leaf)
    if portion:
        yield portion


def _leaf(span: Span, text: str) -> Block:
    style = {name: True for name, on in (("bold", span.strong), ("code", span.code)) if on}
    linked = span.url is not None and len(span.url) <= limits.URL.ours
    leaf: Block = {"type": "link", "url": span.url, "text": text} if linked else {"type": "text", "text": text}
    return leaf | ({"style": style} if style else {})


def _section(leaves: Sequence[Block]) -> Block:
    return {"type": "rich_text_section", "elements": list(leaves)}


def _context(text: str) -> Block:
    return {"type": "context", "elements": [plain(text, 2 * _CONTINUED)]}


def rendered_length(block: object) -> int:
    """The characters of a block that a reader sees, `&`, `<` and `>` counted as their entities."""
    if isinstance(block, dict):
        own = len(escaped(block["text"])) if isinstance(block.get("text"), str) else 0
        header = 100 if block.get("type") == "header" else 0
        return own + header + sum(rendered_length(value) for value in block.values() if not isinstance(value, str))
    return sum(map(rendered_length, block)) if isinstance(block, list | tuple) else 0


def json_length(block: object) -> int:
    """The characters of a block as JSON."""
    return len(json.dumps(block, ensure_ascii=False))


# --- Packing ---------------------------------------------------------------------------------


@dataclass
class _Packed:
    blocks: list[Block] = field(default_factory=list)
    rendered: int = _CONTINUED
    size: int = 2 * _CONTINUED
    tables: int = 0

    def fits(self, *things: Block) -> bool:
        """Whether so much more may stand here."""
        return (
            len(self.blocks) < limits.BLOCKS.ours
            and self.rendered + sum(map(rendered_length, things)) <= limits.RENDERED.ours
            and self.size + sum(json_length(thing) + 60 for thing in things) <= limits.JSON.ours
        )

    def count(self, *things: Block) -> None:
        self.rendered += sum(map(rendered_length, things))
        self.size += sum(json_length(thing) + 60 for thing in things)


class _Packer(Packer):
    """Puts blocks on pages. `name` stands in the names of buttons, `prefix` begins those of their rows."""

    def __init__(self, name: str, prefix: str = "") -> None:
        self.pages = [_Packed()]
        self._name = name
        self._prefix = prefix
        self._buttons = 0

    def text(self, part: Text) -> None:
        self.lines(part.heading, part.lines, bullets=part.bullets)

    def fields(self, part: Fields) -> None:
        self.lines("", [(Span(f"{label}: ", strong=True), *value) for label, value in part.items])

    def _room(self, *things: Block) -> _Packed:
        """The page on which `things` fit: the last one, or a new one."""
        if self.pages[-1].blocks and not self.pages[-1].fits(*things):
            self.pages.append(_Packed())
        return self.pages[-1]

    def _add(self, block: Block) -> None:
        page = self._room(block)
        page.blocks.append(block)
        page.count(block)

    def title(self, line: Line) -> None:
        text = words(line)
        if any(span.url for span in line) or not 0 < len(text) <= limits.HEADER.ours:
            self.lines("", [tuple(Span(s.text, s.url, strong=True, code=s.code) for s in line)])
        else:
            self._add({"type": "header", "text": {"type": "plain_text", "text": text, "emoji": False}})

    def lines(self, heading: str, lines: Sequence[Line], *, bullets: bool = False) -> None:
        """Lines as rich text: a list, or one below the other."""
        if heading:
            self._line([{"type": "text", "text": heading, "style": {"bold": True}}], bullet=False)
        for line in lines:
            for number, leaves in enumerate(_portions(_leaves(line))):
                self._line(leaves, bullet=bullets and number == 0)

    def _line(self, leaves: list[Block], *, bullet: bool) -> None:
        section = _section(leaves)
        element = {"type": "rich_text_list", "style": "bullet", "elements": [section]} if bullet else section
        page = self._room(element)
        page.count(element)
        last = page.blocks[-1] if page.blocks else None
        if not last or last["type"] != "rich_text":
            page.blocks.append({"type": "rich_text", "elements": [element]})
        elif bullet and last["elements"][-1]["type"] == "rich_text_list":
            last["elements"][-1]["elements"].append(section)
        else:
            previous = last["elements"][-1]
            if previous["type"] == "rich_text_section":
                previous["elements"].append({"type": "text", "text": "\n"})
            last["elements"].append(element)

    def table(self, table: Table) -> None:
        """A table, whose header row stands again on each page that it goes on on."""
        if table.heading:
            self.lines(table.heading, ())
        header = [{"type": "raw_text", "text": column or " "} for column in table.columns]
        open_table: Block | None = None
        for row in table.rows:
            cells = [_cell(cell) for cell in row]
            if open_table is None or not self._row_fits(open_table, cells):
                open_table = {"type": "table", "rows": [header]}
                self._begin(open_table, cells)
            open_table["rows"].append(cells)
            self.pages[-1].count({"row": cells})

    def _row_fits(self, table: Block, cells: list[Block]) -> bool:
        return (
            len(table["rows"]) < limits.TABLE_ROWS.ours
            and rendered_length(table) + rendered_length(cells) <= limits.TABLE_TEXT.ours
            and self.pages[-1].fits({"row": cells})
        )

    def _begin(self, table: Block, first: list[Block]) -> None:
        if self.pages[-1].tables:
            self.pages.append(_Packed())
        page = self._room(table, {"row": first})
        page.blocks.append(table)
        page.count(table)
        page.tables += 1

    def close(self, items: Sequence[Button]) -> None:
        """Buttons at the end: on the first page, if they are no more than it has room for."""
        first = self.pages[0]
        first.size -= _BUTTONS if items else 0
        pages, self.pages = self.pages, [first]
        self.buttons(items)
        self.pages = [first, *pages[1:], *self.pages[1:]]

    def buttons(self, items: Sequence[Button]) -> None:
        pressed = [item for item in items if len(item.command) <= limits.BUTTON_VALUE.ours]
        for start in range(0, len(pressed), limits.ACTIONS.ours):
            elements = [self._button(item) for item in pressed[start : start + limits.ACTIONS.ours]]
            named = {"block_id": f"{self._prefix}:{self._buttons}"} if self._prefix else {}
            self._add({"type": "actions", "elements": elements} | named)

    def _button(self, button: Button) -> Block:
        self._buttons += 1
        made: Block = {
            "type": "button",
            "action_id": f"{ACTION}{self._name}:{self._buttons}",
            "text": plain(button.label, limits.BUTTON_TEXT.ours),
        }
        if button.confirm:
            made |= {"style": "danger", "confirm": _confirm(button)}
        return made | ({"url": button.url} if button.url else {"value": button.command})


def _cell(line: Line) -> Block:
    leaves = _leaves(line)
    return {"type": "rich_text", "elements": [_section(leaves)]} if leaves else {"type": "raw_text", "text": " "}


def _confirm(button: Button) -> Block:
    """What is asked before something is taken away; the answers are the button's own words and a mark."""
    return {
        "title": plain(button.label, limits.CONFIRM_TITLE.ours),
        "text": plain(button.confirm, limits.CONFIRM_TEXT.ours),
        "confirm": plain(button.label, limits.CONFIRM_BUTTON.ours),
        "deny": plain("✕", limits.CONFIRM_BUTTON.ours),
        "style": "danger",
    }


def plain(text: str, limit: int) -> Block:
    """Text that Slack shows as it is, on one line."""
    return {"type": "plain_text", "text": one_line(text, limit) or "…", "emoji": False}
