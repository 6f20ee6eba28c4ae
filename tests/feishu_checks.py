"""What Feishu refuses of a card, what a reader sees of one, and what our bot must never write. Pure.

The numbers are `feishu_limits`'s `feishu` ones. Names of properties are those of the pages of the
components (open.feishu.cn/document/feishu-cards/card-json-v2-components). What is not known here is refused: a fake
that lets things pass is worth nothing.
"""

from __future__ import annotations

import html
import itertools
import json
import re
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import feishu_limits as limits

Json = dict[str, Any]


class Refused(Exception):
    """An answer whose `code` is not 0. `ext` is the code within a card's, else what is told behind the text."""

    def __init__(self, code: int, msg: str, ext: int | str = "", *, status: int = 400, **more: Any) -> None:
        super().__init__(f"{code}: {msg} {ext}")
        self.code = code
        self.msg = f"{msg}, ext={ext}" if isinstance(ext, str) and ext else msg
        self.ext = ext
        self.status = status
        self.more = more


# Codes within 230099 (open.feishu.cn/document/server-docs/im-v1/message/create: error codes).
UNKNOWN, GONE_TAG, TOO_MANY, CHART, IMAGE, PERSON, ROW, CELL = (
    200621,
    200861,
    11310,
    200550,
    200570,
    100290,
    200914,
    200915,
)


def _card_refused(sub: int, why: str) -> Refused:
    return Refused(230099, f"Failed to create card content, ext=ErrCode: {sub}; ErrMsg: {why}; ", sub)


def check_card(card: Any, *, body_bytes: int, users: Container[str] = ()) -> None:
    """Refuse a card that Feishu would refuse. `users` are those who can be mentioned. Raises Refused.

    `body_bytes` is the size of the request that brings it. A card that is built wrongly in a way not thought of is
    refused too.
    """
    if body_bytes > limits.BODY_BYTES.feishu:
        raise Refused(230025, "The length of the message content reaches its limit.")
    try:
        _card(card, _Seen(users))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _card_refused(UNKNOWN, f"parse card json err, {error!r}") from error


@dataclass
class _Seen:
    """What is counted over a whole card, and where we are. `form` says whether within a form."""

    users: Container[str]
    ids: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    elements: int = 0
    tables: int = 0
    depth: int = 0
    form: bool = False


def _need(condition: object, why: str, sub: int = UNKNOWN) -> None:
    if not condition:
        raise _card_refused(sub, why)


# --- Properties ------------------------------------------------------------------------------

_COMMON = "tag element_id margin"
_BOX = "direction padding horizontal_spacing horizontal_align vertical_spacing vertical_align"
_ASKED = "name required disabled width behaviors confirm"
# What each component requires, and what it may have besides.
_COMPONENTS: dict[str, tuple[str, str]] = {
    "markdown": ("content", "text_align text_size icon i18n_content"),
    "div": ("", "text fields icon width"),
    "hr": ("", ""),
    "img": ("img_key alt", "title corner_radius scale_type size transparent preview"),
    "table": ("columns rows", "page_size row_height row_max_height freeze_first_column header_style"),
    "collapsible_panel": ("header elements", f"expanded background_color border {_BOX}"),
    "column_set": ("columns", "flex_mode horizontal_spacing horizontal_align background_style action"),
    "column": ("", f"elements width weight background_style action {_BOX}"),
    "button": ("text", f"type size icon hover_tips disabled_tips form_action_type {_ASKED}"),
    "chart": ("chart_spec", "aspect_ratio color_theme preview height"),
    "form": ("name elements", _BOX),
    "input": (
        "",
        "placeholder default_value disabled_tips max_length input_type show_icon rows auto_resize max_rows label"
        f" label_position {_ASKED}",
    ),
    "select_static": ("options", f"type placeholder initial_index initial_option {_ASKED}"),
    "multi_select_static": ("options", f"type placeholder selected_values {_ASKED}"),
    "picker_time": ("", f"initial_time placeholder {_ASKED}"),
}
# The same of what stands within components and is none.
_PARTS: dict[str, tuple[str, str]] = {
    "card": ("schema body", "config card_link header"),
    "config": (
        "",
        "streaming_mode streaming_config summary locales enable_forward update_multi width_mode"
        " use_custom_translation enable_forward_interaction style",
    ),
    "summary": ("", "content i18n_content"),
    "style": ("", "text_size color"),
    "header": ("title", "subtitle text_tag_list i18n_text_tag_list template icon padding"),
    "body": ("elements", _BOX),
    "plain_text": ("content", "element_id i18n_content text_size text_color text_align lines"),
    "lark_md": ("content", "element_id i18n_content text_size text_align lines"),
    "text_tag": ("text", "element_id color"),
    "standard_icon": ("token", "color size"),
    "custom_icon": ("img_key", "size"),
    "field": ("text", "is_short"),
    "panel header": (
        "title",
        "background_color vertical_align padding position width icon icon_position icon_expanded_angle",
    ),
    "border": ("", "color corner_radius"),
    "table column": (
        "name",
        "display_name width data_type vertical_align horizontal_align format date_format",
    ),
    "header_style": ("", "text_align text_size background_style text_color bold lines"),
    "format": ("", "precision symbol separator"),
    "table option": ("text", "color"),
    "select option": ("text value", "icon"),
    "confirm": ("title text", ""),
    "callback": ("value", ""),
    "open_url": ("default_url", "pc_url ios_url android_url"),
    "link": ("", "url pc_url ios_url android_url"),
    "action": ("multi_url", ""),
}
_COLOURS = (
    "neutral blue turquoise lime orange violet indigo wathet green yellow red purple carmine grey white black default"
)
_WORDS = {
    "schema": "2.0",
    "template": "blue wathet turquoise green yellow orange red carmine violet purple indigo grey default",
    "text_align": "left center right",
    "horizontal_align": "left center right",
    "vertical_align": "top center bottom",
    "direction": "vertical horizontal",
    "flex_mode": "none stretch flow bisect trisect",
    "icon_position": "left right follow_text",
    "aspect_ratio": "1:1 2:1 4:3 16:9",
    "color_theme": "brand rainbow complementary converse primary",
    "form_action_type": "submit reset",
    "input_type": "text multiline_text password",
    "label_position": "top left",
    "data_type": "text lark_md markdown number options date persons",
}
_FLAGS = {"expanded", "preview", "required", "disabled", "update_multi", "enable_forward", "streaming_mode", "bold"}
_FLAGS |= {"enable_forward_interaction", "freeze_first_column", "is_short", "auto_resize", "show_icon", "separator"}
_SPACING = re.compile(r"small|medium|large|extra_large|\d{1,2}px")
_LENGTHS = re.compile(r"-?\d{1,3}(?:px)?(?: -?\d{1,3}(?:px)?){0,3}")
_PATTERNS = {
    "horizontal_spacing": _SPACING,
    "vertical_spacing": _SPACING,
    "margin": _LENGTHS,
    "padding": _LENGTHS,
    "text_size": re.compile(r"[a-z][a-z0-9_-]*"),
    "row_height": re.compile(r"low|middle|high|auto|\d+px"),
    "row_max_height": re.compile(r"\d+px"),
    "height": re.compile(r"auto|[1-9]\d{0,2}px"),
    "width": re.compile(r"default|fill|auto|weighted|auto_when_fold|\d+px|\d+%"),
    "width_mode": re.compile(r"default|fill|compact"),
    "initial_time": re.compile(r"([01]\d|2[0-3]):[0-5]\d"),
    "element_id": re.compile(rf"[A-Za-z][A-Za-z0-9_]{{0,{limits.ELEMENT_ID.feishu - 1}}}"),
}
_TYPES = {
    "button": "default primary danger text primary_text danger_text primary_filled danger_filled laser",
    "select_static": "default text",
    "multi_select_static": "default text",
}
_SIZES = "tiny small medium large"


def _properties(value: Any, kind: str, path: str, *, tagged: bool = False) -> None:
    """Refuse an object that lacks a property, or has an unknown one or one with an impossible value."""
    needed, optional = _COMPONENTS.get(kind) or _PARTS[kind]
    allowed = {*needed.split(), *optional.split(), *(_COMMON.split() if kind in _COMPONENTS else ())}
    allowed |= {"tag"} if tagged else set()
    _need(not (extra := sorted(set(value) - allowed)), f"unknown property, property: {extra}, path: {path}")
    _need(not (lacking := sorted(set(needed.split()) - set(value))), f"lacks property: {lacking}, path: {path}")
    for name, given in value.items() if kind != "style" else ():  # which names sizes and colours of its own
        _value(name, given, f"{path} -> {name}")


def _value(name: str, given: Any, path: str) -> None:
    if name in _WORDS:
        _need(given in _WORDS[name].split(), f"{given!r} is none of {_WORDS[name]}, path: {path}")
    if name in _FLAGS:
        _need(isinstance(given, bool), f"no boolean, path: {path}")
    if name in _PATTERNS:
        _need(isinstance(given, str) and _PATTERNS[name].fullmatch(given), f"{given!r} does not fit, path: {path}")
    if name in {"text_color", "color", "background_color", "background_style"}:
        shade = re.fullmatch(r"([a-z]+)(?:-\d{2,3})?|rgba\([\d., ]+\)|cus-[\w-]+", str(given))
        known = shade and (shade.group(1) is None or shade.group(1) in f"{_COLOURS} none".split())
        _need(known, f"colour {given!r}, path: {path}")


def _text(value: Any, seen: _Seen, path: str, *, rich: bool = False, panel: bool = False) -> str:
    """A text object: plain, or where it may be with Markdown; its content."""
    tag = value.get("tag")
    allowed = {"plain_text", *(("lark_md",) if rich else ()), *(("markdown",) if panel else ())}
    _need(tag in allowed, f"tag {tag!r} here, path: {path}")
    _properties(value, tag, path, tagged=True)
    _counted(value, seen, path)
    _need(isinstance(value["content"], str), f"content is no string, path: {path}")
    if tag != "plain_text":
        _rich(value["content"], seen, path)
    return str(value["content"])


def _icon(value: Any, seen: _Seen, path: str) -> None:
    _need(isinstance(value, dict) and value.get("tag") in ("standard_icon", "custom_icon"), f"icon, path: {path}")
    _properties(value, value["tag"], path, tagged=True)
    _counted(value, seen, path)


def _counted(value: Json, seen: _Seen, path: str) -> None:
    """Count an element, and refuse an element_id that another one has."""
    seen.elements += 1
    _need(seen.elements <= limits.ELEMENTS.feishu, "element exceeds the limit", TOO_MANY)
    if (name := value.get("element_id")) is not None:
        _need(name not in seen.ids, f"duplicate element_id {name}, path: {path}")
        seen.ids.add(name)


# --- The card --------------------------------------------------------------------------------


def _card(card: Any, seen: _Seen) -> None:
    _properties(card, "card", "ROOT")
    config = card.get("config", {})
    _properties(config, "config", "config")
    _need(config.get("update_multi", True), "update_multi is false")  # 2.0 knows shared cards only
    if "summary" in config:
        _properties(config["summary"], "summary", "summary")
    if "style" in config:
        _properties(config["style"], "style", "style")
    if "card_link" in card:
        _link(card["card_link"], "card_link")
    if "header" in card:
        _header(card["header"], seen)
    _properties(card["body"], "body", "body")
    _elements(card["body"]["elements"], seen, "body -> elements", root=True)
    _need(seen.tables <= limits.TABLES.feishu, "card table number over limit; ErrorValue: table", TOO_MANY)


def _header(header: Any, seen: _Seen) -> None:
    _properties(header, "header", "header")
    for name in ("title", "subtitle"):
        if name in header:
            _text(header[name], seen, f"header -> {name}", rich=True)
    tags = header.get("text_tag_list", [])
    _need(len(tags) <= limits.HEADER_TAGS.feishu, "header -> text_tag_list")
    for tag in tags:
        _need(tag.get("tag") == "text_tag", "header -> text_tag_list: tag")
        _properties(tag, "text_tag", "header -> text_tag_list", tagged=True)
        _counted(tag, seen, "header -> text_tag_list")
        _text(tag["text"], seen, "header -> text_tag_list -> text")
    if "icon" in header:
        _icon(header["icon"], seen, "header -> icon")


def _elements(elements: Any, seen: _Seen, path: str, *, root: bool = False) -> None:
    _need(isinstance(elements, list), f"no list, path: {path}")
    for number, element in enumerate(elements):
        _element(element, seen, f"{path} -> [{number}]", root=root)


def _element(element: Any, seen: _Seen, path: str, *, root: bool = False) -> None:
    tag = element.get("tag")
    _need(tag not in ("action", "note"), f"cards of schema V2 no longer support this capability; tag: {tag}", GONE_TAG)
    _need(tag in _CHECKS, f"unknown tag {tag!r}, path: {path}")
    _need(root or tag not in ("table", "form"), f"{tag} is not at the root, path: {path}")
    path = f"{path}(tag: {tag})"
    _properties(element, tag, path)
    _counted(element, seen, path)
    _CHECKS[tag](element, seen, path)


def _within(elements: Any, seen: _Seen, path: str) -> None:
    """The elements of a container."""
    seen.depth += 1
    _need(seen.depth <= limits.NESTING.feishu, f"containers are nested too deep, path: {path}")
    _elements(elements, seen, f"{path} -> elements")
    seen.depth -= 1


def _markdown(element: Json, seen: _Seen, path: str) -> None:
    if "icon" in element:
        _icon(element["icon"], seen, path)
    _rich(element["content"], seen, path)
    seen.tables += _pipe_tables(element["content"])


def _rich(content: str, seen: _Seen, path: str) -> None:
    """Refuse images that nobody uploaded, and mentions of who cannot be mentioned."""
    bare = without_code(content)
    _need(not _IMAGE.search(bare), f"invalid image key, path: {path}", IMAGE)
    for tag in _MENTION.findall(bare):
        names = re.findall(r"\bids?\s*=\s*[\"']?([^\"'>\s]+)", tag)
        wanted = [name for given in names for name in given.split(",")]
        _need(wanted and all(name in seen.users for name in wanted), f"there is an invalid user, path: {path}", PERSON)


def _div(element: Json, seen: _Seen, path: str) -> None:
    _need("text" in element or "fields" in element, f"div without text and fields, path: {path}")
    if "text" in element:
        _text(element["text"], seen, f"{path} -> text", rich=True)
    for part in element.get("fields", []):
        _properties(part, "field", f"{path} -> fields")
        _text(part["text"], seen, f"{path} -> fields", rich=True)
    if "icon" in element:
        _icon(element["icon"], seen, path)


def _img(element: Json, seen: _Seen, path: str) -> None:
    _need(re.fullmatch(r"img_\w+", element["img_key"]), f"invalid image key, path: {path}", IMAGE)
    _text(element["alt"], seen, f"{path} -> alt")


def _hr(element: Json, seen: _Seen, path: str) -> None:
    """A line holds nothing to check."""


def _panel(element: Json, seen: _Seen, path: str) -> None:
    header = element["header"]
    _properties(header, "panel header", f"{path} -> header")
    _text(header["title"], seen, f"{path} -> header -> title", panel=True)
    if "icon" in header:
        _icon(header["icon"], seen, f"{path} -> header -> icon")
    if "border" in element:
        _properties(element["border"], "border", f"{path} -> border")
    _within(element["elements"], seen, path)


def _column_set(element: Json, seen: _Seen, path: str) -> None:
    _need(isinstance(element["columns"], list) and element["columns"], f"no columns, path: {path}")
    if "action" in element:
        _properties(element["action"], "action", f"{path} -> action")
        _link(element["action"]["multi_url"], path)
    for number, column in enumerate(element["columns"]):
        _need(column.get("tag") == "column", f"no column, path: {path}")
        _column(column, seen, f"{path} -> columns -> [{number}]")


def _column(column: Json, seen: _Seen, path: str) -> None:
    _properties(column, "column", path)
    _counted(column, seen, path)
    weight = column.get("weight", 1)
    _need(isinstance(weight, int) and 1 <= weight <= 5, f"weight, path: {path}")
    _within(column.get("elements", []), seen, path)


def _link(value: Any, path: str) -> None:
    _properties(value, "link", path)
    for name, url in value.items():
        _need(isinstance(url, str) and (not url or _WEB.match(url)), f"{name}: {url!r:.60}, path: {path}")


# --- Tables and charts -----------------------------------------------------------------------


def _table(element: Json, seen: _Seen, path: str) -> None:
    """open.feishu.cn/document/feishu-cards/card-json-v2-components/content-components/table."""
    seen.tables += 1
    size = element.get("page_size", 5)
    _need(isinstance(size, int) and 1 <= size <= limits.TABLE_PAGE.feishu, f"page_size, path: {path}")
    if "header_style" in element:
        _properties(element["header_style"], "header_style", f"{path} -> header_style")
    if str(element.get("row_height", "low")).endswith("px"):
        _need(32 <= int(element["row_height"][:-2]) <= 124, f"row_height, path: {path}")
    columns = element["columns"]
    _need(isinstance(columns, list) and 1 <= len(columns) <= limits.TABLE_COLUMNS.feishu, f"columns, path: {path}")
    kinds: dict[str, str] = {}
    for column in columns:
        _properties(column, "table column", f"{path} -> columns")
        _need(column["name"] and column["name"] not in kinds, f"column {column['name']!r} twice, path: {path}")
        kinds[column["name"]] = column.get("data_type", "text")
        if "format" in column:
            _properties(column["format"], "format", f"{path} -> format")
    _need(isinstance(element["rows"], list), f"rows are no list, path: {path}", ROW)
    _need(len(element["rows"]) <= limits.TABLE_ROWS.feishu, f"rows, path: {path}", ROW)
    for row in element["rows"]:
        _need(isinstance(row, dict) and set(row) <= set(kinds), f"a key of a row is no column, path: {path}", ROW)
        for name, cell in row.items():
            _need(_CELLS[kinds[name]](cell), f"{name}: no {kinds[name]}: {cell!r:.60}, path: {path}", CELL)
            if kinds[name] in ("lark_md", "markdown"):
                _rich(cell, seen, path)


def _is_options(cell: Any) -> bool:
    known = isinstance(cell, list) and all(isinstance(option, dict) and "text" in option for option in cell)
    return known and all(set(o) <= {"text", "color"} and isinstance(o["text"], str) for o in cell)


def _is_number(cell: Any) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def _is_text(cell: Any) -> bool:
    return isinstance(cell, str)


_CELLS: dict[str, Callable[[Any], bool]] = {
    "text": _is_text,
    "lark_md": _is_text,
    "markdown": _is_text,
    "number": _is_number,
    "options": _is_options,
    "date": lambda cell: _is_number(cell) and cell >= 0,
    "persons": lambda cell: isinstance(cell, str | list),
}


def _chart(element: Json, seen: _Seen, path: str) -> None:
    spec = element["chart_spec"]
    known = isinstance(spec, dict) and isinstance(spec.get("type"), str) and "data" in spec
    _need(known, f"chart spec is invalid, path: {path}", CHART)


# --- What can be pressed and filled in -------------------------------------------------------


def _named(element: Json, seen: _Seen, path: str) -> None:
    """Within a form each has a name, which stands once in the card; nothing is required outside of one."""
    name = element.get("name")
    _need(name or not seen.form, f"no name within a form, path: {path}")
    _need("required" not in element or seen.form, f"required outside a form, path: {path}")
    if name is not None:
        _need(isinstance(name, str) and name not in seen.names, f"name {name!r} twice, path: {path}")
        seen.names.add(name)
    if "confirm" in element:
        _properties(element["confirm"], "confirm", f"{path} -> confirm")
        _text(element["confirm"]["title"], seen, f"{path} -> confirm")
        _text(element["confirm"]["text"], seen, f"{path} -> confirm")
    _need(element.get("type", "default") in _TYPES.get(element["tag"], "default").split(), f"type, path: {path}")
    if "placeholder" in element:
        words = _text(element["placeholder"], seen, f"{path} -> placeholder")
        _need(len(words) <= limits.PLACEHOLDER.feishu, f"placeholder, path: {path}")
    for behaviour in element.get("behaviors", []):
        _behaviour(behaviour, element["tag"], f"{path} -> behaviors")


def _behaviour(behaviour: Any, tag: str, path: str) -> None:
    kind = behaviour["type"]
    _need(kind in ("callback", "open_url"), f"type, path: {path}")
    _properties({name: value for name, value in behaviour.items() if name != "type"}, kind, path)
    if kind == "callback":
        _need(isinstance(behaviour["value"], dict), f"value is no object, path: {path}")
    else:
        _need(tag == "button", f"open_url of a {tag}, path: {path}")
        _need(_WEB.match(str(behaviour["default_url"])), f"default_url: {behaviour['default_url']!r:.60}, path: {path}")


def _button(element: Json, seen: _Seen, path: str) -> None:
    _named(element, seen, path)
    words = _text(element["text"], seen, f"{path} -> text")
    _need(0 < len(words) <= limits.BUTTON_TEXT.feishu, f"text: 1 to {limits.BUTTON_TEXT.feishu}, path: {path}")
    _need(element.get("size", "medium") in _SIZES.split(), f"size, path: {path}")
    _need("form_action_type" not in element or seen.form, f"form_action_type outside a form, path: {path}")
    if "icon" in element:
        _icon(element["icon"], seen, path)
    for name in {"hover_tips", "disabled_tips"} & set(element):
        _text(element[name], seen, f"{path} -> {name}")


def _input(element: Json, seen: _Seen, path: str) -> None:
    _named(element, seen, path)
    most = element.get("max_length", limits.INPUT_TEXT.feishu)
    _need(isinstance(most, int) and 1 <= most <= limits.INPUT_TEXT.feishu, f"max_length, path: {path}")
    given = element.get("default_value", "")
    _need(isinstance(given, str) and len(given) <= most, f"default_value, path: {path}")
    for name in {"label", "disabled_tips"} & set(element):
        _text(element[name], seen, f"{path} -> {name}")


def _select(element: Json, seen: _Seen, path: str) -> None:
    _named(element, seen, path)
    values = []
    for option in element["options"]:
        _properties(option, "select option", f"{path} -> options")
        if "icon" in option:
            _icon(option["icon"], seen, f"{path} -> options")
        _need(_text(option["text"], seen, f"{path} -> options"), f"empty option, path: {path}")
        _need(isinstance(option["value"], str) and option["value"], f"value of an option, path: {path}")
        values.append(option["value"])
    _need(len(set(values)) == len(values), f"value of an option twice, path: {path}")
    chosen = [
        *element.get("selected_values", []),
        *([element["initial_option"]] if "initial_option" in element else []),
    ]
    _need(set(chosen) <= set(values), f"chosen is no option, path: {path}")
    index = element.get("initial_index", 0)
    _need(isinstance(index, int) and 0 <= index <= len(values), f"initial_index, path: {path}")


def _picker_time(element: Json, seen: _Seen, path: str) -> None:
    _named(element, seen, path)
    _need("initial_time" in element or "placeholder" in element, f"neither initial_time nor placeholder, path: {path}")


def _form(element: Json, seen: _Seen, path: str) -> None:
    """open.feishu.cn/document/feishu-cards/card-json-v2-components/containers/form-container."""
    _need(element["name"] and element["name"] not in seen.names, f"name of a form, path: {path}")
    seen.names.add(element["name"])
    seen.form = True
    _within(element["elements"], seen, path)
    seen.form = False
    _need(any(_submits(part) for part in walk(element)), f"a form without a button that submits, path: {path}")


def _submits(part: Json) -> bool:
    return part.get("tag") == "button" and part.get("form_action_type") == "submit"


_CHECKS: dict[str, Callable[[Json, _Seen, str], None]] = {
    "markdown": _markdown,
    "div": _div,
    "hr": _hr,
    "img": _img,
    "table": _table,
    "collapsible_panel": _panel,
    "column_set": _column_set,
    "button": _button,
    "chart": _chart,
    "form": _form,
    "input": _input,
    "select_static": _select,
    "multi_select_static": _select,
    "picker_time": _picker_time,
}


# --- Markdown --------------------------------------------------------------------------------

_WEB = re.compile(r"https?://\S+$")
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})[^\n]*\n(.*?)(?:^ {0,3}\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<![\\`])(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_IMAGE = re.compile(r"(?<!\\)!\[[^\]]*\]\([^)]*\)")
_LINK = re.compile(r"(?<![\\!])\[([^\[\]]*)\]\(([^()\s]*)\)")
_MENTION = re.compile(r"<(?:at|person)\b[^>]*>?", re.IGNORECASE)
_TAG = re.compile(r"</?([A-Za-z][\w-]*)[^>]*>?")
_DELIMITER = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*")
_LOCAL = re.compile(r"<local_datetime\b[^>]*?\bmillisecond=[\"']?(\d+)[^>]*>(?:[^<]*</local_datetime>)?")
_HREF = re.compile(r"<(?:a|link)\b[^>]*?\b(?:href|url)=[\"']?([^\"'>\s]+)")
_MARKS = re.compile(r"^ {0,3}#{1,6} +|^ {0,3}> ?|\*\*|~~|(?<!\\)\*(?=\S)|(?<=\S)\*", re.MULTILINE)
OURS = frozenset({"font", "text_tag", "br", "local_datetime"})
"""The tags that our renderer may write."""


def without_code(content: str) -> str:
    """Markdown without its code, in which nothing has a meaning."""
    return _SPAN.sub(" ", _FENCE.sub("\n", content))


def _pipe_tables(content: str) -> int:
    """How many tables there are in Markdown: a row of a head, and one of dashes beneath."""
    lines = without_code(content).split("\n")
    pairs = itertools.pairwise(lines)
    return sum("|" in head and "|" in line and bool(_DELIMITER.fullmatch(line)) for head, line in pairs)


def markdown_shown(content: str) -> str:
    """What a reader sees of Markdown: links as their label, entities decoded, code as it is, no marks."""
    kept: list[str] = []

    def keep(code: str) -> str:
        kept.append(code)
        return f"\x00{len(kept) - 1}\x00"

    text = _FENCE.sub(lambda found: keep(found.group(2)), content)
    text = _SPAN.sub(lambda found: keep(found.group(2)), text)
    text = re.sub(r"\\([!-/:-@\[-`{-~])", lambda found: keep(found.group(1)), text)
    text = _LOCAL.sub(lambda found: keep(_moment(found.group(1))), text)
    text = re.sub(r"<br ?/?>", "\n", text)
    text = _LINK.sub(r"\1", text)
    text = _MARKS.sub("", _TAG.sub("", text))
    return re.sub("\x00(\\d+)\x00", lambda found: kept[int(found.group(1))], html.unescape(text))


def _moment(milliseconds: str) -> str:
    """A time as a reader in UTC sees it."""
    return f"{datetime.fromtimestamp(int(milliseconds) / 1_000, UTC):%Y-%m-%d %H:%M}"


# --- Reading a card back ---------------------------------------------------------------------


def walk(value: Any) -> Iterator[Json]:
    """Every object of a card, in the order in which it is read; what a chart and a callback hold is no part of it."""
    if isinstance(value, dict):
        yield value
        for name, part in value.items():
            if name not in ("chart_spec", "value", "rows"):
                yield from walk(part)
    elif isinstance(value, list):
        for part in value:
            yield from walk(part)


def _pieces(card: Json) -> Iterator[tuple[str, bool]]:
    """The texts of a card in the order in which they are read, and whether each is Markdown."""
    for part in (*walk(card.get("header", {})), *walk(card.get("body", {}))):
        match part.get("tag"):
            case "plain_text":
                yield str(part["content"]), False
            case "markdown" | "lark_md":
                yield str(part["content"]), True
            case "table":
                yield from _cells(part)
            case "input":
                yield str(part.get("default_value", "")), False


def _cells(table: Json) -> Iterator[tuple[str, bool]]:
    for column in table["columns"]:
        yield str(column.get("display_name", "")), False
    for row in table["rows"]:
        for column in table["columns"]:
            cell, kind = row.get(column["name"], ""), column.get("data_type", "text")
            if kind == "options":
                cell = " ".join(option["text"] for option in cell or ())
            elif kind == "date" and cell != "":
                cell = _moment(str(int(cell)))
            yield str(cell), kind in ("lark_md", "markdown")


def shown(card: Json) -> str:
    """All that a reader sees of a card, a line for each piece."""
    texts = (markdown_shown(text) if rich else text for text, rich in _pieces(card))
    return "\n".join(text for text in texts if text)


def links(card: Json) -> list[str]:
    """The addresses that a card leads to, in the order in which they are read."""
    found: list[str] = []
    for text, rich in _pieces(card):
        if rich:
            bare = without_code(text)
            found += [html.unescape(url) for _, url in _LINK.findall(bare)] + _HREF.findall(bare)
    for part in walk(card):
        if part.get("type") == "open_url":
            found.append(part["default_url"])
        found += [url for name in ("multi_url", "card_link") if (url := (part.get(name) or {}).get("url"))]
    return found


def unwanted(card: Json) -> list[str]:
    """What Feishu takes of a card and our bot must never write: mentions, live markup, what cannot be updated."""
    found = [] if card.get("config", {}).get("update_multi") is True else ["update_multi is missing"]
    for text, rich in _pieces(card):
        if rich:
            found += _live(text)
    for part in walk(card):
        if part.get("data_type") == "persons":
            found.append(f"persons in column {part.get('name')}")
        if part.get("tag") == "button" and not part.get("behaviors") and not part.get("form_action_type"):
            found.append(f"button without behaviors: {part['text']['content']}")
    return found


def _live(text: str) -> list[str]:
    """What of Markdown acts instead of showing."""
    found = [f"mention: {tag}" for tag in _MENTION.findall(text)]
    bare = without_code(text)
    found += [f"tag: {name}" for name in sorted({*_TAG.findall(bare)} - OURS - {"at", "person"})]
    found += [f"emoji: {key}" for key in re.findall(r"(?<![\w/]):[A-Z][A-Za-z]+:", bare)]
    found += [f"link: {url}" for _, url in _LINK.findall(bare) if not _WEB.match(html.unescape(url))]
    return [f"{what} in {json.dumps(text, ensure_ascii=False)[:120]}" for what in found]
