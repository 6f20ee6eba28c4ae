"""Renders a neutral message as pages of Block Kit, within Slack's limits and with nothing left out. Pure.

Untrusted text is only in `rich_text` leaves, `raw_text` cells and `plain_text`: mrkdwn is never used, so that nothing
in it becomes a mention, a link or a style (docs.slack.dev, "Formatting message text").
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from adapters.chats.rendering import Packer, Rendered, closed, high_first, is_high, opening, words
from adapters.chats.slack import limits
from bot.values import Button, Fields, Line, Message, Span, Table, Text, one_line

Block = dict[str, Any]

_LINE = 2_000
"""Characters of a leaf: a longer text continues in the next one, if necessary on the next page."""
_CONTINUED = 200
"""Characters reserved for the line that says which page of how many this is."""


class Split(NamedTuple):
    """How a message is divided: the characters of JSON on its first page, and on each further one.

    `earlier` is how it was done up to 0.2: every cell as rich text, JSON counted with spaces and a margin.
    """

    first: int
    more: int
    earlier: bool = False

    def cost(self, thing: object) -> int:
        """The characters of JSON that an element adds to those before it."""
        if self.earlier:
            return len(json.dumps(thing, ensure_ascii=False)) + _SPARE
        return json_length(thing) + 1


_SPARE = 60
"""Characters of JSON by which an earlier version overestimated each element."""
_RESERVED = 1_500
"""Characters of JSON that it reserved on the first page for the buttons at the end."""
SAFE = Split(limits.JSON.ours, limits.JSON.ours)
"""Accepted by Slack whether it counts JSON or text."""
WIDE = Split(limits.WIDE, limits.JSON.ours)
"""As much on the first page as Slack accepts if it counts text."""
SPLITS = (Split(15_000, 15_000, earlier=True), SAFE, WIDE)
"""By index, which is kept with a message, so that a message that was started with one is finished with it."""


@dataclass(frozen=True, slots=True)
class Page:
    """One Slack message: the fallback `text` for notifications and screen readers, its blocks, and its `split`."""

    text: str
    blocks: tuple[Block, ...]
    split: Split = SAFE


def render(message: Message, split: Split = SAFE) -> Rendered[Page]:
    """Render the whole message, on as many pages as needed; buttons at its end are on the first one."""
    parts, closing = closed(message)
    packer = _Packer(message.kind, split=split)
    packer.reserve(closing)
    packer.title(message.title)
    files = packer.parts(parts)
    packer.close()
    title = one_line(words(message.title), limits.FALLBACK.ours // 2) or "…"
    return Rendered(tuple(_pages(title, message, packer.pages, split)), files)


def blocks_of(message: Message, prefix: str) -> list[Block]:
    """The blocks of a message without its title, for a view; `prefix` begins the names of its rows of buttons."""
    packer = _Packer(f"{message.kind}:{prefix}", prefix=prefix)
    packer.parts(message.parts)
    return [block for page in packer.pages for block in page.blocks]


ACTION = "digest:"
"""The prefix of a button's name, followed by its message's kind."""


def _pages(title: str, message: Message, packed: "Sequence[_Packed]", split: Split) -> Iterable[Page]:
    for number, page in enumerate(packed, start=1):
        count = f" ({number}/{len(packed)})" if len(packed) > 1 else ""
        more = [_context(f"{one_line(title, 150)}{count}")] if number > 1 else []
        text = title if number > 1 else f"{title}\n{opening(message, limits.FALLBACK.ours // 3)}".strip()
        yield Page(escaped(f"{text}{count}"), (*more, *page.blocks), split)


def escaped(text: str) -> str:
    """Escape text for the fallback, which Slack reads as mrkdwn: three characters become entities."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


# --- Leaves ----------------------------------------------------------------------------------


def _leaves(line: Line) -> list[Block]:
    """The spans of a line, long ones in pieces; a link without text shows its address."""
    found = []
    for span in line:
        text = span.text or (span.url or "")
        for start in range(0, len(text), _LINE):
            found.append(_leaf(span, text[start : start + _LINE]))
    return found


def _portions(leaves: Sequence[Block]) -> Iterable[list[Block]]:
    """The leaves of a line together, or in portions that fit on a page if all of them would not."""
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
    """The characters of a block as compact JSON, in which it is sent."""
    return len(json.dumps(block, ensure_ascii=False, separators=(",", ":")))


# --- Packing ---------------------------------------------------------------------------------


@dataclass
class _Packed:
    """A page: `limit` is its capacity in characters of JSON; `rendered` and `size` are the characters used."""

    limit: int
    size: int
    blocks: list[Block] = field(default_factory=list)
    rendered: int = _CONTINUED
    tables: int = 0

    def fits(self, rendered: int, size: int) -> bool:
        """Whether `rendered` and `size` more characters fit."""
        return (
            len(self.blocks) < limits.BLOCKS.ours
            and self.rendered + rendered <= limits.RENDERED.ours
            and self.size + size <= self.limit
        )

    def count(self, rendered: int, size: int) -> None:
        """Count `rendered` and `size` more characters."""
        self.rendered += rendered
        self.size += size


class _Packer(Packer):
    """Puts blocks on pages. `name` is part of buttons' names, `prefix` starts those of their rows."""

    def __init__(self, name: str, *, prefix: str = "", split: Split = SAFE) -> None:
        self._split = split
        self.pages = [_Packed(split.first, 2 * _CONTINUED if split.earlier else len("[]"))]
        self._name = name
        self._prefix = prefix
        self._buttons = 0
        self._headed = self._apart = False
        self._closing: list[Block] = []
        self._reserved = (0, 0)

    def text(self, part: Text) -> None:
        """Lines in the block of those before them; lines with a heading get their own block."""
        self._apart = not self._split.earlier and (self._headed or bool(part.heading))
        self._headed = bool(part.heading)
        self.lines(part.heading, part.lines, bullets=part.bullets)

    def fields(self, part: Fields) -> None:
        self.lines("", [(Span(label + part.colon, strong=True), *value) for label, value in part.items])

    def _next(self) -> _Packed:
        """A new page; a line says which one it is, except on the first."""
        self.pages.append(self._further())
        return self.pages[-1]

    def _further(self) -> _Packed:
        return _Packed(self._split.more, 2 * _CONTINUED)

    def _room(self, rendered: int, size: int) -> _Packed:
        """The page on which that many characters fit: the last one, or a new one."""
        page = self.pages[-1]
        return self._next() if page.blocks and not page.fits(rendered, size) else page

    def _add(self, block: Block) -> None:
        used = rendered_length(block), self._split.cost(block)
        page = self._room(*used)
        page.blocks.append(block)
        page.count(*used)

    def title(self, line: Line) -> None:
        text = words(line)
        if any(span.url for span in line) or not 0 < len(text) <= limits.HEADER.ours:
            self.lines("", [tuple(Span(s.text, s.url, strong=True, code=s.code) for s in line)])
        else:
            self._add({"type": "header", "text": {"type": "plain_text", "text": text, "emoji": False}})

    # --- Text --------------------------------------------------------------------------------

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
        rendered = rendered_length(element)
        page = self._room(rendered, self._line_cost(self.pages[-1], element, section))
        page.count(rendered, self._line_cost(page, element, section))
        last, self._apart = self._open(page), False
        if not last:
            page.blocks.append({"type": "rich_text", "elements": [element]})
        elif _goes_on(last, element):
            last["elements"][-1]["elements"].append(section)
        else:
            previous = last["elements"][-1]
            if previous["type"] == "rich_text_section":
                previous["elements"].append(_BREAK)
            last["elements"].append(element)

    def _open(self, page: _Packed) -> Block | None:
        """The block that the next line is added to; None if it starts one."""
        last = page.blocks[-1] if page.blocks and not self._apart else None
        return last if last and last["type"] == "rich_text" else None

    def _line_cost(self, page: _Packed, element: Block, section: Block) -> int:
        """The characters of JSON that a line adds to a page."""
        last = self._open(page)
        if self._split.earlier:
            return self._split.cost(element)
        if not last:
            return self._split.cost({"type": "rich_text", "elements": [element]})
        return self._split.cost(section) if _goes_on(last, element) else self._split.cost([element, _BREAK])

    # --- Tables ------------------------------------------------------------------------------

    def table(self, table: Table) -> None:
        """A table, in one piece if it fits on a page; else with its header on each page, and high rows first."""
        if table.heading:
            self.lines(table.heading, ())
        header = [{"type": "raw_text", "text": column or " "} for column in table.columns]
        rows = [[_cell(cell, self._split) for cell in row] for row in table.rows]
        order = self._order(table, header, rows)
        pieces: list[tuple[Block, list[int]]] = []
        for number in order:
            if not pieces or not self._row_fits(pieces[-1][0], rows[number]):
                made: Block = {"type": "table", "rows": [header]}
                high = [] if pieces else [rows[n] for n in order if is_high(table.rows[n])]
                self._begin(made, rows[number], high)
                pieces.append((made, []))
            made, numbers = pieces[-1]
            made["rows"].append(rows[number])
            numbers.append(number)
            self.pages[-1].count(rendered_length(rows[number]), self._split.cost(self._row(rows[number])))
        for made, numbers in pieces:
            made["rows"][1:] = [rows[number] for number in sorted(numbers)]

    def _order(self, table: Table, header: list[Block], rows: Sequence[list[Block]]) -> Sequence[int]:
        """The order of rows on pages, by number; a table that fits on a new page starts one."""
        if self._split.earlier or _holds(self.pages[-1], header, rows):
            return range(len(rows))
        if _holds(self._further(), header, rows):
            self._next()
            return range(len(rows))
        return high_first(table)

    def _row(self, cells: list[Block]) -> object:
        """A row in the form in which it is counted."""
        return {"row": cells} if self._split.earlier else cells

    def _row_fits(self, table: Block, cells: list[Block]) -> bool:
        rendered = rendered_length(cells)
        return (
            len(table["rows"]) < limits.TABLE_ROWS.ours
            and rendered_length(table) + rendered <= limits.TABLE_TEXT.ours
            and self.pages[-1].fits(rendered, self._split.cost(self._row(cells)))
        )

    def _begin(self, table: Block, first: list[Block], high: Sequence[list[Block]]) -> None:
        """Start a table on a page that fits its first row, and if possible all rows that are high."""
        page, (header,) = self.pages[-1], table["rows"]
        scattered = high and not self._split.earlier and not _holds(page, header, high)
        if page.tables or (scattered and _holds(self._further(), header, high)):
            self._next()
        used = rendered_length(table), self._split.cost(table)
        page = self._room(used[0] + rendered_length(first), used[1] + self._split.cost(self._row(first)))
        page.blocks.append(table)
        page.count(*used)
        page.tables += 1

    # --- Buttons -----------------------------------------------------------------------------

    def reserve(self, items: Sequence[Button]) -> None:
        """Reserve space on the first page for the buttons at the end, so that people need not search a thread."""
        self._closing = list(self._button_rows(items))
        rendered = sum(map(rendered_length, self._closing))
        size = sum(map(self._split.cost, self._closing))
        self._reserved = (0, _RESERVED if items else 0) if self._split.earlier else (rendered, size)
        self.pages[0].count(*self._reserved)

    def close(self) -> None:
        """The buttons at the end: on the first page, if they fit into the reserved space."""
        first = self.pages[0]
        first.count(*(-each for each in self._reserved))
        pages, self.pages = self.pages, [first]
        for block in self._closing:
            self._add(block)
        self.pages = [first, *pages[1:], *self.pages[1:]]

    def buttons(self, items: Sequence[Button]) -> None:
        for block in self._button_rows(items):
            self._add(block)

    def _button_rows(self, items: Sequence[Button]) -> Iterable[Block]:
        pressed = [item for item in items if len(item.command) <= limits.BUTTON_VALUE.ours]
        for start in range(0, len(pressed), limits.ACTIONS.ours):
            elements = [self._button(item) for item in pressed[start : start + limits.ACTIONS.ours]]
            named = {"block_id": f"{self._prefix}:{self._buttons}"} if self._prefix else {}
            yield {"type": "actions", "elements": elements} | named

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


_BREAK: Block = {"type": "text", "text": "\n"}


def _goes_on(last: Block, element: Block) -> bool:
    """Whether a line continues the list at the end of a block."""
    return bool(element["type"] == "rich_text_list" == last["elements"][-1]["type"])


def _holds(page: _Packed, header: list[Block], rows: Sequence[list[Block]]) -> bool:
    """Whether a whole table fits on a page."""
    rendered = rendered_length([header, *rows])
    return (
        not page.tables
        and len(rows) < limits.TABLE_ROWS.ours
        and rendered <= limits.TABLE_TEXT.ours
        and page.fits(rendered, json_length({"type": "table", "rows": [header, *rows]}) + 1)
    )


def _cell(line: Line, split: Split) -> Block:
    """A cell: plain if nothing in it is linked or styled."""
    leaves = _leaves(line)
    if not leaves:
        return {"type": "raw_text", "text": " "}
    if not split.earlier and not any("style" in leaf or leaf["type"] == "link" for leaf in leaves):
        return {"type": "raw_text", "text": "".join(leaf["text"] for leaf in leaves)}
    return {"type": "rich_text", "elements": [_section(leaves if split.earlier else _joined(leaves))]}


def _joined(leaves: Sequence[Block]) -> list[Block]:
    """Join separators between links, which are not words, to the next leaf, or else to the one before."""
    found: list[Block] = []
    before = ""
    for number, leaf in enumerate(leaves):
        following = leaves[number + 1] if number + 1 < len(leaves) else {}
        if _is_joint(leaf) and _takes(following):
            before = leaf["text"]
        elif _is_joint(leaf) and found and _takes(found[-1]):
            found[-1] = found[-1] | {"text": found[-1]["text"] + leaf["text"]}
        else:
            found.append(leaf | {"text": before + leaf["text"]} if before else leaf)
            before = ""
    return found


def _is_joint(leaf: Block) -> bool:
    return leaf["type"] == "text" and "style" not in leaf and not any(c.isalnum() for c in leaf["text"])


def _takes(leaf: Block) -> bool:
    return leaf.get("type") == "link" and "style" not in leaf


def _confirm(button: Button) -> Block:
    """A confirmation before something is removed; its answers are the button's text and a mark."""
    return {
        "title": plain(button.label, limits.CONFIRM_TITLE.ours),
        "text": plain(button.confirm, limits.CONFIRM_TEXT.ours),
        "confirm": plain(button.label, limits.CONFIRM_BUTTON.ours),
        "deny": plain("✕", limits.CONFIRM_BUTTON.ours),
        "style": "danger",
    }


def plain(text: str, limit: int) -> Block:
    """Text that Slack shows unchanged, on one line."""
    return {"type": "plain_text", "text": one_line(text, limit) or "…", "emoji": False}
