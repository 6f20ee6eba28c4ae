"""Renders a neutral message as pages of card JSON 2.0, within Feishu's limits and with nothing left out. Pure.

Untrusted text is only in plain text, in text cells, or in Markdown where every character with a meaning to Markdown or
Feishu is an entity, so that nothing in it becomes a mention, an emoji, an image, a link or a style
(open.feishu.cn/document/feishu-cards/card-json-v2-components/content-components/rich-text). `lark_md` is never used: no
page says that it decodes entities.
"""

import json
import re
import sys
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from string import punctuation
from typing import Any
from unicodedata import east_asian_width
from urllib.parse import quote, urlsplit, urlunsplit

from adapters.chats.feishu import limits
from adapters.chats.rendering import Packer, Rendered, closed, high_first, is_high, opening, words
from bot.values import (
    Button,
    Count,
    Fields,
    Importance,
    Line,
    Message,
    Part,
    Span,
    Table,
    Text,
    one_line,
    sanitize,
)

Card = dict[str, Any]

_COLOURS = {Importance.HIGH: "red", Importance.MEDIUM: "orange", Importance.LOW: "green"}
_SHADES = {Importance.HIGH: "#F54A45", Importance.MEDIUM: "#FF8800", Importance.LOW: "#34C724"}
_ENVELOPE = 400
"""Bytes reserved for what surrounds the card in a request: the chat, the type and the `uuid`."""
_NUMBER = 20
"""Bytes reserved for a page's number, which is in its title and its notification."""
_TITLE = 120
"""Columns (two for a wide character) of a title: a header shows four lines, on a phone of about forty each."""
_SUMMARY = 200
"""Characters of the line in the list of chats."""
_OPEN = 5
"""Lines of a list that is shown expanded: a longer one is a collapsed panel."""
_PAIRS = 4
"""At least this many short labelled values are shown in two columns."""
_SHORT = 80
"""Columns of a value or name that counts as short."""
_CELL = 400
"""Characters of a cell: a row higher than 999 px is cut off, so longer text continues in the next row."""
_CELL_BYTES = 2_500
"""Bytes of a cell, so that a whole row always fits on a page."""
_TWO_LINES = 30
"""Columns that fit into two lines of a narrow cell."""
_LABEL = 16
"""Columns of a coloured label, which is never wrapped."""
_CHARTED = 8
"""A table of importances with at least this many rows gets a chart."""
_ROW = 5
"""Buttons in a row."""
_CONFIRM = 500
"""Characters of a confirmation before something is removed."""
_COMMAND = 2_000
"""Characters of a command: a longer one is rejected when the button is pressed."""
_WEIGHT = 40
"""A text with more characters may still take this many bytes less: asterisks and backticks had to be left out."""
_ADDRESS = 2_000
"""Characters of a link's address: with a longer one, the text is not linked."""


def render(
    message: Message,
    marks: Callable[[int], str] | None = None,
    *,
    buttons: bool = True,
    limit: int = limits.BODY_BYTES.ours,
) -> Rendered[Card]:
    """Render the whole message, on as many pages as needed; buttons at its end are on the first one.

    `marks` returns the name of the first element of page n, counted from 0, by which the message is recognised. Without
    `buttons`, those with a command are left out, because nothing would receive them. `limit` is in bytes of a whole
    request.
    """
    parts, closing = closed(message)
    head = _head(message)
    packer = _Packer(limit - head.size, message.counts, buttons=buttons)
    packer.reserve(closing)
    packer.flow([("", line) for line in head.links])
    files = packer.parts(parts)
    packer.close(closing)
    if not packer.pages[0].elements:
        head = replace(head, shown=False)
        packer.flow([("", message.title if markdown(message.title) else (Span("…"),))])
    return Rendered(tuple(_cards(head, packer.pages, marks)), files)


# --- The frame -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Head:
    """What every page has: the title, its colour, up to three tags, and the text of a notification.

    `links` are lines below the title: the title itself if a header would cut it off, else its links that are nowhere
    else. If not `shown`, only further pages have a title: a message that consists of its title has it in the body.
    """

    title: str
    summary: str
    template: str
    tags: tuple[tuple[str, str], ...] = ()
    links: tuple[Line, ...] = ()
    shown: bool = True

    @property
    def size(self) -> int:
        """Bytes of an empty page, and of what surrounds it."""
        marked = {"element_id": "x" * limits.ELEMENT_ID.ours}
        return _ENVELOPE + 2 * _NUMBER + _sent(_dumped(self.card([marked], 0, 1, wide=True)))

    def card(self, elements: Sequence[Card], number: int, count: int, *, wide: bool) -> Card:
        """Page `number` of `count`, counted from 0; `wide` allows it to be as wide as the chat."""
        counter = f" ({number + 1}/{count})" if number else ""
        config = {"update_multi": True, "summary": {"content": f"{self.summary}{counter}"}}
        header: Card = {"title": _plain(f"{self.title}{counter}"), "template": self.template}
        if self.tags and not number:
            header["text_tag_list"] = [
                {"tag": "text_tag", "text": _plain(text), "color": color} for text, color in self.tags
            ]
        return {
            "schema": "2.0",
            "config": config | ({"width_mode": "fill"} if wide else {}),
            **({"header": header} if self.shown or number else {}),
            "body": {"elements": list(elements)},
        }


def _head(message: Message) -> _Head:
    whole = one_line(words(_visible(message.title)))
    title, only = _shortened(whole or "…"), _links_of(message)
    links = (only,) if only else ()
    if title != (whole or "…"):
        links = (tuple(Span(span.text, span.url, strong=True, code=span.code) for span in message.title),)
    summary = " · ".join(filter(None, (whole, opening(message))))
    colour = _COLOURS[message.importance] if message.importance else "blue"
    tags = [(count.label, _COLOURS[count.importance]) for count in message.counts if count.number]
    return _Head(title, one_line(summary, _SUMMARY) or "…", colour, tuple(tags[: limits.HEADER_TAGS.ours]), links)


def _cards(head: _Head, pages: "Sequence[_Page]", marks: Callable[[int], str] | None) -> Iterator[Card]:
    for number, page in enumerate(pages):
        elements = page.elements
        if marks:
            elements = [{"tag": elements[0]["tag"], "element_id": marks(number), **elements[0]}, *elements[1:]]
        yield head.card(elements, number, len(pages), wide=page.tables > 0)


def _links_of(message: Message) -> Line:
    """The links of the title that are nowhere else."""
    elsewhere = {span.url for part in message.parts for line in _lines_of(part) for span in line}
    links = {span.url: span for span in message.title if span.url and _address(span.url)}
    return tuple(piece for url, span in links.items() if url not in elsewhere for piece in (Span(" · "), span))[1:]


def _lines_of(part: Part) -> Iterator[Line]:
    match part:
        case Text():
            yield from part.lines
        case Fields():
            yield from (value for _, value in part.items)
        case Table():
            yield from (cell for row in part.rows for cell in row)
        case _:
            pass


def _labelled(title: str) -> str:
    """A title with a colon, a full-width one if the title ends in Chinese."""
    return f"{title}：" if title and _width(title[-1]) > 1 else f"{title}: "


def _counted(heading: str, number: int) -> str:
    """A heading with a number in brackets, full-width ones if the heading ends in Chinese."""
    return f"{heading}（{number}）" if _width(heading[-1]) > 1 else f"{heading} ({number})"


def _width(text: str) -> int:
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in text)


def _shortened(text: str) -> str:
    """A title that a header shows in full."""
    while _width(text) > _TITLE:
        text = text[: -max(1, (_width(text) - _TITLE) // 2) - 1].rstrip() + "…"
    return text


# --- Markdown --------------------------------------------------------------------------------

# The characters that Markdown or Feishu interpret: those in Feishu's table of escapes and in CommonMark, a full stop
# after a number, which starts a list, and one after `www`, which starts a link.
_READ = re.compile(r"[-&<>*_~`\[\]()!#:+/\\\"'$|@=^{}]|^\.|(?<=[0-9])\.(?=\s|$)|(?<=[wW])\.")
# Allowed unescaped between backticks, where entities are not decoded (spec.commonmark.org, "Code spans").
_CODE = re.compile(r"[A-Za-z0-9_./-]*[A-Za-z0-9_/-](?::[0-9]+)?")


def escaped(text: str) -> str:
    """Escape text so that Markdown shows it unchanged."""
    return _READ.sub(lambda found: f"&#{ord(found[0])};", text)


def _address(url: str) -> str:
    """A web address, with all characters that could end it percent-encoded; empty for any other, or one too long."""
    try:
        parts = urlsplit(url.strip())
        host = parts.hostname
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not host:
        return ""
    rest = urlunsplit(parts)[len(f"{parts.scheme}://{parts.netloc}") :]
    made = f"{parts.scheme}://{_quoted(parts.netloc, ':')}{_quoted(rest)}"
    return made if len(made) <= _ADDRESS else ""


def _quoted(text: str, also: str = "") -> str:
    return quote(text, safe=f"/?#@&=+,%.~-_{also}", errors="replace")


def _span(span: Span, before: str) -> str:
    """A span without its bold; code right after the code `before` it becomes text."""
    address = _address(span.url) if span.url else ""
    is_code = span.code and not before.endswith("`") and _CODE.fullmatch(span.text)
    shown = f"`{span.text}`" if is_code else escaped(span.text)
    return f"[{shown}]({address})" if address else shown


def markdown(line: Line) -> str:
    """A line as Markdown; neighbouring bold spans share one pair of asterisks."""
    groups: list[tuple[bool, str]] = []
    for strong, spans in groupby(_visible(line), lambda span: span.strong):
        text = ""
        for span in spans:
            text += _span(span, text or (groups[-1][1] if groups else ""))
        groups.append((strong, text))
    made = ""
    for number, (strong, text) in enumerate(groups):
        following = groups[number + 1][1] if number + 1 < len(groups) else ""
        made += _bold(text, made, following) if strong else text
    return made.strip()


def _visible(line: Line) -> Line:
    """The spans that are not empty; a link without text shows its address."""
    spans = (span if span.text.strip() or not span.url else replace(span, text=span.url) for span in line)
    return tuple(span for span in spans if span.text)


def _bold(text: str, before: str, after: str) -> str:
    """Markdown in bold, if its neighbours allow it: else the asterisks would be visible."""
    bare = text.strip()
    if not bare:
        return text
    start = text.index(bare)
    head, tail = text[:start], text[start + len(bare) :]
    if not _flanks((before + head)[-1:], bare[0]) or not _flanks((tail + after)[:1], bare[-1]):
        return text
    return f"{head}**{bare}**{tail}"


def _flanks(outside: str, inside: str) -> bool:
    """Whether asterisks between these two are delimiters (spec.commonmark.org, "Emphasis and strong emphasis")."""
    return inside.isalnum() or not outside or outside.isspace() or outside in punctuation


def _piece(span: Span, text: str) -> Span:
    """A piece of a span; an empty piece of a link is dropped, or its address would be shown."""
    return replace(span, text=text, url=span.url if text.strip() or not span.text.strip() else None)


def _first(line: Line, count: int) -> tuple[Line, Line]:
    """The first `count` characters of a line, and the rest."""
    head: list[Span] = []
    for number, span in enumerate(line):
        if len(span.text) > count:
            left, right = (_piece(span, text) for text in (span.text[:count], span.text[count:]))
            return (*head, *([left] if left.text else [])), (right, *line[number + 1 :])
        count -= len(span.text)
        head.append(span)
    return tuple(head), ()


def _fitting(line: Line, room: int, cost: Callable[[Line], int], longest: int = sys.maxsize) -> tuple[Line, Line]:
    """As much of a line as costs at most `room`, broken between words if possible; at least one character."""
    text = words(line)
    if len(text) <= longest and cost(line) <= room:
        return line, ()
    most = range(1, min(len(text), longest) + 1)
    count = bisect(most, room - _WEIGHT, key=lambda n: cost(_first(line, n)[0]))
    if (space := text.rfind(" ", count // 2, count)) > 0:
        count = space + 1
    return _first(line, max(count, 1))


# --- Elements --------------------------------------------------------------------------------


def _dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _sent(text: str) -> int:
    """Bytes of a text inside a JSON string."""
    return len(_dumped(text).encode()) - 2


def _cost(element: Card) -> int:
    """Bytes that an element adds to a request, in which the card is JSON within JSON."""
    return _sent(_dumped(element)) + 2


def _added(text: str) -> int:
    """Bytes that a text adds to a request when it is appended to another."""
    return _sent(_dumped(text)[1:-1])


def _sent_markdown(line: Line) -> int:
    return _added(markdown(line))


def _count(value: object) -> int:
    """How many components and elements a value consists of, including nested ones."""
    if isinstance(value, dict):
        return ("tag" in value) + sum(map(_count, value.values()))
    return sum(map(_count, value)) if isinstance(value, list) else 0


def _plain(text: str) -> Card:
    return {"tag": "plain_text", "content": text}


def _markdown_element(content: str = "") -> Card:
    return {"tag": "markdown", "content": content}


def _panel(title: str, inside: Card, *, expanded: bool) -> Card:
    """A collapsible panel (…/card-json-v2-components/containers/collapsible-panel)."""
    arrow = {"tag": "standard_icon", "token": "down-small-ccm_outlined", "size": "16px 16px"}
    return {
        "tag": "collapsible_panel",
        "expanded": expanded,
        "header": {"title": _plain(title), "icon": arrow, "icon_expanded_angle": -180},
        "border": {"color": "grey", "corner_radius": "5px"},
        "padding": "8px 8px 8px 8px",
        "elements": [inside],
    }


def _columns(parts: Sequence[Sequence[Card]], mode: str, **more: str | int) -> Card:
    """Elements side by side; `mode` is the `flex_mode`, the behaviour on narrow screens."""
    return {
        "tag": "column_set",
        "flex_mode": mode,
        "columns": [{"tag": "column", **more, "elements": list(part)} for part in parts],
    }


def _button(button: Button) -> Card:
    behavior: Card = {"type": "callback", "value": {"command": sanitize(button.command)}}
    if button.url:
        behavior = {"type": "open_url", "default_url": _address(button.url)}
    made: Card = {
        "tag": "button",
        "text": _plain(one_line(button.label, limits.BUTTON_TEXT.ours) or "…"),
        "type": "danger" if button.confirm else "default",
        "behaviors": [behavior],
    }
    if button.confirm:
        made["confirm"] = {"title": made["text"], "text": _plain(one_line(button.confirm, _CONFIRM))}
    return made


# --- Tables ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Column:
    """A column of a table: its name, and the type of its cells: `text`, `markdown` or `options`."""

    name: str
    title: str
    kind: str
    width: str

    @property
    def card(self) -> Card:
        """The column's definition in the table."""
        return {
            "name": self.name,
            "display_name": self.title,
            "data_type": self.kind,
            "width": self.width,
            "vertical_align": "top",
        }

    def value(self, cell: Line) -> object:
        """A cell's value in a row."""
        if self.kind == "options":
            return [{"text": s.text.strip(), "color": _COLOURS[s.importance]} for s in cell if s.importance]
        return markdown(cell) if self.kind == "markdown" else words(cell)

    def cost(self, cell: Line) -> int:
        """Bytes that a cell adds to a request."""
        return _sent(_dumped({self.name: self.value(cell)}))


def _table_columns(table: Table) -> tuple[_Column, ...]:
    cells = [[row[n] for row in table.rows] for n in range(len(table.columns))]
    return tuple(_column(n, one_line(title, _SHORT), cells[n]) for n, title in enumerate(table.columns))


def _column(number: int, title: str, cells: Sequence[Line]) -> _Column:
    """The type of a column: importances as coloured labels, links and bold as Markdown, others as text.

    A width is at least 80 px; on a phone, which shows about 320 px, columns after the first scroll. Short texts, such
    as names, wrap to a second line; a column whose texts mostly take more than two lines gets the width of a sentence.
    """
    widths = [_width(words(cell)) for cell in cells]
    widest = max(_width(title), *widths)
    labels = all(len(cell) == 1 and cell[0].importance for cell in cells)
    styled = any(span.url or span.strong or span.code for cell in cells for span in cell)
    if widest <= _LABEL and not styled and labels:
        kind, most = "options", 140
    else:
        kind = "markdown" if styled else "text"
        most = 300 if styled or sum(widths) > _TWO_LINES * len(widths) else 130
    return _Column(f"c{number}", title, kind, f"{min(max(80, 7 * widest + 24), most)}px")


def _frame(columns: Sequence[_Column]) -> Card:
    """A table without rows (…/card-json-v2-components/content-components/table)."""
    return {
        "tag": "table",
        "page_size": limits.TABLE_PAGE.ours,
        "row_height": "auto",
        "row_max_height": "999px",
        "freeze_first_column": True,
        "header_style": {"background_style": "grey", "lines": 2},
        "columns": [column.card for column in columns],
        "rows": [],
    }


def _rows(columns: Sequence[_Column], row: Sequence[Line]) -> Iterator[Card]:
    """A row, or several for a row with long cells."""
    left = [_visible(cell) for cell in row]
    while True:
        cells: Card = {}
        for number, column in enumerate(columns):
            taken, left[number] = _fitting(left[number], _CELL_BYTES, column.cost, _CELL) if left[number] else ((), ())
            cells[column.name] = column.value(taken)
        yield cells
        if not any(left):
            return


def _chart(counts: Sequence[Count]) -> Card | None:
    """The numbers of each importance as a ring; None if there is nothing to compare."""
    found = [count for count in counts if count.number]
    if len(found) < 2:
        return None
    return {
        "tag": "chart",
        "height": "140px",
        "preview": False,
        "chart_spec": {
            "type": "pie",
            "data": {"values": [{"name": f"{each.name} {each.number}", "value": each.number} for each in found]},
            "categoryField": "name",
            "valueField": "value",
            "outerRadius": 0.9,
            "innerRadius": 0.6,
            "color": [_SHADES[each.importance] for each in found],
            "legends": {"visible": True, "orient": "right"},
        },
    }


# --- Packing ---------------------------------------------------------------------------------


@dataclass
class _Page:
    """A page; `size` and `count` are the bytes, and the components and elements, that are left."""

    size: int
    count: int
    elements: list[Card] = field(default_factory=list)
    tables: int = 0
    charts: int = 0

    def fits(self, size: int, count: int) -> bool:
        return size <= self.size and count <= self.count

    def add(self, element: Card) -> None:
        self.elements.append(element)
        self.size -= _cost(element)
        self.count -= _count(element)


_Holder = tuple[Card, Card]
"""An element, and the Markdown in it that lines are added to."""


class _Packer(Packer):
    """Puts elements on pages of `size` bytes. Without `buttons` those with a command are left out."""

    def __init__(self, size: int, counts: Sequence[Count], *, buttons: bool) -> None:
        self._whole = size
        self._counts = counts
        self._pressed = buttons
        self._reserved: list[Card] = []
        self.pages = [self._page()]

    def _page(self) -> _Page:
        header = 2 + 2 * limits.HEADER_TAGS.ours
        return _Page(self._whole, limits.ELEMENTS.ours - header)

    def _put(self, elements: Iterable[Card]) -> None:
        for element in elements:
            page = self.pages[-1]
            (page if page.fits(_cost(element), _count(element)) else self._next()).add(element)

    # --- Text --------------------------------------------------------------------------------

    def text(self, part: Text) -> None:
        """Paragraphs or a list; lines that begin with importances get a panel for each, a long list is one panel."""
        heading, lines = sanitize(part.heading), [line for line in part.lines if markdown(line)]
        if part.bullets and lines and not heading and all(line[0].importance for line in lines):
            for mark, alike in groupby(lines, lambda line: line[0]):
                some = [line[1:] for line in alike]
                shown = len(some) <= _OPEN or mark.importance is not Importance.LOW
                self._panels(f"{mark.text.strip()} {len(some)}", some, expanded=shown)
        elif part.bullets and 0 < _width(heading) <= _SHORT and len(lines) > _OPEN:
            self._panels(_counted(heading, len(lines)), lines, expanded=False)
        else:
            head = [("", (Span(heading, strong=True),))] if heading.strip() else []
            self.flow([*head, *(("- " if part.bullets else "", line) for line in lines)])

    def _panels(self, title: str, lines: Sequence[Line], *, expanded: bool) -> None:
        """A panel with lines; on the next page another one continues it, and says so."""

        def make(again: bool) -> _Holder:
            inside = _markdown_element()
            return _panel(f"… {title}" if again else title, inside, expanded=expanded), inside

        self.flow([("- ", line) for line in lines], make)

    def flow(self, rows: Iterable[tuple[str, Line]], make: Callable[[bool], _Holder] | None = None) -> None:
        """Lines with their leads, one below the other, in elements that `make` returns, one for each page.

        `make` gets whether it continues lines from the page before.
        """
        make = make or _markdown_holder
        inside, again = None, False
        for lead, line in rows:
            rest = _visible(line)
            while markdown(rest):
                frame, fresh = make(again)
                opening, count = _cost(frame), _count(frame)
                size = opening + _added(f"\n{lead}{markdown(rest)}")
                page = self.pages[-1]
                if not page.fits(size, count) and page.elements and self._goes_to_next(page, size, count):
                    page, inside = self._next(), None
                taken, rest = _fitting(rest, page.size - opening - _added(f"\n{lead}"), _sent_markdown)
                if inside is None:
                    page.add(frame)
                    inside, again = fresh, True
                text = ("\n" if inside["content"] else "") + lead + markdown(taken)
                inside["content"] += text
                page.size -= _added(text)
                lead = ""  # noqa: PLW2901  # only the first piece of a line gets the lead

    def _goes_to_next(self, page: _Page, size: int, count: int) -> bool:
        """Whether something that does not fit on a page should start the next one rather than be divided."""
        return size <= self._whole or page.size < self._whole // 4 or page.count < count

    def _next(self) -> _Page:
        self.pages.append(self._page())
        return self.pages[-1]

    def fields(self, part: Fields) -> None:
        """Labelled values: short ones in two columns, longer ones one below the other."""
        lines: list[Line] = [(Span(label + part.colon, strong=True), *value) for label, value in part.items]
        if len(lines) >= _PAIRS and all(_width(words(line)) <= _SHORT for line in lines):
            half = (len(lines) + 1) // 2
            sides = [[_markdown_element("\n".join(map(markdown, some)))] for some in (lines[:half], lines[half:])]
            pair = _columns(sides, "bisect", width="weighted", weight=1)
            if _cost(pair) <= self._whole // 2:
                self._put([pair])
                return
        self.flow([("", line) for line in lines])

    # --- Tables ------------------------------------------------------------------------------

    def table(self, table: Table) -> None:
        """A table in one piece if a page can hold it; else the first piece has all rows that are high.

        Its columns are repeated on each page.
        """
        if heading := sanitize(table.heading).strip():
            self.flow([("", (Span(heading, strong=True),))])
        if len(table.columns) > limits.TABLE_COLUMNS.ours:
            self._records(table)
            return
        columns = _table_columns(table) if table.rows else ()
        if columns and columns[-1].kind == "options" and len(table.rows) >= _CHARTED:
            self._chart()
        rows = [list(_rows(columns, row)) for row in table.rows] if columns else []
        pieces: list[tuple[Card, list[tuple[int, Card]]]] = []
        for number in self._order(table, _frame(columns), rows):
            for cells in rows[number]:
                if not pieces or not self._goes_on(pieces[-1][0], cells):
                    pieces.append((_frame(columns), []))
                    self._begin(pieces[-1][0], cells)
                made, placed = pieces[-1]
                made["rows"].append(cells)
                placed.append((number, cells))
                self.pages[-1].size -= _cost(cells)
        for made, placed in pieces:
            made["rows"] = [cells for _, cells in sorted(placed, key=lambda each: each[0])]

    def _order(self, table: Table, frame: Card, rows: Sequence[Sequence[Card]]) -> Sequence[int]:
        """The order of rows on pages, by number; a table that fits on a new page starts one.

        A table without marks, as earlier versions wrote it, is divided as they did.
        """
        high = [cells for row, some in zip(table.rows, rows, strict=False) if is_high(row) for cells in some]
        whole = [cells for some in rows for cells in some]
        if not any(row[0] and row[0][0].importance for row in table.rows) or _holds(self.pages[-1], frame, whole):
            return range(len(rows))
        if _holds(self._page(), frame, whole):
            self._next()
            return range(len(rows))
        if not _holds(self.pages[-1], frame, high) and _holds(self._page(), frame, high):
            self._next()
        return high_first(table)

    def _goes_on(self, table: Card, cells: Card) -> bool:
        return len(table["rows"]) < limits.TABLE_ROWS.ours and self.pages[-1].fits(_cost(cells), 0)

    def _begin(self, table: Card, first: Card) -> None:
        page = self.pages[-1]
        full = page.tables >= limits.TABLES.ours or not page.fits(_cost(table) + _cost(first), _count(table))
        page = self._next() if full else page
        page.add(table)
        page.tables += 1

    def _chart(self) -> None:
        chart = _chart(self._counts)
        if chart and self.pages[-1].charts < limits.CHARTS.ours:
            self._put([chart])
            self.pages[-1].charts += 1

    def _records(self, table: Table) -> None:
        """A table with too many columns: each row as a line of labelled values."""
        for row in table.rows:
            pairs = zip(map(sanitize, table.columns), row, strict=True)
            spans = [(Span(_labelled(title), strong=True), *cell, Span(" ")) for title, cell in pairs]
            self.flow([("- ", tuple(span for some in spans for span in some))])

    # --- Buttons -----------------------------------------------------------------------------

    def buttons(self, items: Sequence[Button]) -> None:
        """Buttons at their place in a message."""
        self._put(self._button_rows(items))

    def reserve(self, items: Sequence[Button]) -> None:
        """Reserve space on the first page for the buttons at the end, if they take at most half of it."""
        rows = self._button_rows(items)
        size, count = sum(map(_cost, rows)), sum(map(_count, rows))
        if size <= self._whole // 2 and count <= self.pages[0].count // 2:
            self._reserved = rows
            self.pages[0].size -= size
            self.pages[0].count -= count

    def close(self, items: Sequence[Button]) -> None:
        """The buttons at the end: on the first page, if space was reserved for them."""
        if self._reserved:
            self.pages[0].elements += self._reserved
        else:
            self.buttons(items)

    def _button_rows(self, items: Sequence[Button]) -> list[Card]:
        """Buttons side by side, a few in a row; a single one needs no row."""
        made = [_button(item) for item in items if self._is_shown(item)]
        rows: list[list[Card]] = []
        for button in made:
            if not rows or len(rows[-1]) >= _ROW or sum(map(_cost, rows[-1])) + _cost(button) > self._whole // 2:
                rows.append([])
            rows[-1].append(button)
        return [row[0] if len(row) == 1 else _columns([[button] for button in row], "flow") for row in rows]

    def _is_shown(self, button: Button) -> bool:
        if button.url:
            return bool(_address(button.url))
        return self._pressed and len(button.command) <= _COMMAND


def _holds(page: _Page, frame: Card, rows: Sequence[Card]) -> bool:
    """Whether a whole table fits on a page."""
    fits = page.tables < limits.TABLES.ours and len(rows) <= limits.TABLE_ROWS.ours
    return fits and page.fits(_cost(frame) + sum(map(_cost, rows)), _count(frame))


def _markdown_holder(_: bool) -> _Holder:
    made = _markdown_element()
    return made, made
