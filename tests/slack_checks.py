"""What Slack refuses of a message or a view, and what our bot must never write although Slack takes it. Pure.

The numbers are `slack_limits`'s `slack` ones. Names of keys are those of slack_sdk.models and of
docs.slack.dev/reference/block-kit. What is not known here is refused: a fake that lets things pass is worth nothing.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import slack_limits as limits

from adapters.chats.slack.blocks import json_length, rendered_length

Json = dict[str, Any]


class Refused(Exception):
    """An answer with `ok: false`: Slack's `error`, and why, for whoever reads the failed test."""

    def __init__(self, error: str, why: str = "", **more: str) -> None:
        super().__init__(f"{error}: {why}" if why else error)
        self.error = error
        self.why = why
        self.more = more


def check_message(body: Json) -> None:
    """Refuse a message that Slack would refuse, with Slack's error, and one that our bot must not write.

    Raises Refused and AssertionError.
    """
    refuse_message(body)
    unfurls = body.get("unfurl_links") is not False or body.get("unfurl_media") is not False
    assert not unfurls, "unfurling is on"
    assert not (live := list(_live(body.get("blocks") or []))), live


COUNTED = ("json", "text")
"""What Slack may count of a message that is too long: nobody knows which, so that both are, unless a test says so."""


def refuse_message(body: Json, counted: Collection[str] = COUNTED) -> None:
    """Refuse a message that Slack would refuse. Raises Refused."""
    text = body.get("text")
    if not text:
        raise Refused("no_text")
    if not isinstance(text, str):
        raise Refused("invalid_arguments", "text is no string")
    if len(text) > limits.FALLBACK.slack:
        raise Refused("msg_too_long")
    refuse_blocks(body.get("blocks") or [], counted)
    _refuse_metadata(body.get("metadata"))


def refuse_blocks(blocks: Any, counted: Collection[str] = COUNTED) -> None:
    """Refuse blocks that no message may hold. Raises Refused."""
    if not isinstance(blocks, list):
        raise Refused("invalid_blocks_format", "blocks are no list")
    if len(blocks) > limits.BLOCKS.slack:
        raise Refused("invalid_blocks", f"{len(blocks)} blocks")
    lengths = {"json": (json_length(blocks), limits.JSON), "text": (rendered_length(blocks), limits.RENDERED)}
    if any(length > limit.slack for length, limit in (lengths[name] for name in counted)):
        raise Refused("msg_blocks_too_long")
    _blocks(blocks, "message")
    if sum(block["type"] == "table" for block in blocks) > limits.TABLES.slack:
        raise Refused("invalid_attachments", "only_one_table_allowed")


def refuse_view(view: Any, kind: str) -> None:
    """Refuse a view that Slack would refuse as a `kind`, modal or home. Raises Refused.

    A view that fits no schema is `invalid_arguments`, with pointers into it; one too large has an error of its own.
    """
    try:
        _view(view, kind)
    except Refused as refused:
        raise Refused("invalid_arguments", refused.why) if refused.error == "invalid_blocks" else refused from None
    if len(json.dumps(view, ensure_ascii=False).encode()) > limits.VIEW_BYTES.slack:
        raise Refused("view_too_large")


def unwanted(body: Json, *, unfurls: bool = True) -> list[str]:
    """What Slack takes and our bot must never write: live text, markup, and links that unfurl where they can."""
    found = [f"argument {name}" for name in ("link_names", "parse") if name in body]
    found += [f"{name} is on" for name in ("unfurl_links", "unfurl_media") if unfurls and body.get(name) is not False]
    found += [f"live text in {name}" for name in ("text", "initial_comment") if _LIVE.search(str(body.get(name, "")))]
    blocks = body.get("blocks") or (body.get("view") or {}).get("blocks") or []
    ids = Counter(_values(blocks, "action_id"))
    return [*found, *_live(blocks), *(f"action_id {name} twice" for name, count in ids.items() if count > 1)]


_LIVE = re.compile("<[!@#]")
_MENTIONS = {"user", "usergroup", "channel", "broadcast"}


def _live(value: Any) -> Iterator[str]:
    """The leaves that ping someone and the texts that Slack reads as markup."""
    if isinstance(value, dict):
        if value.get("type") in _MENTIONS or value.get("type") == "mrkdwn":
            yield f"{value['type']}: {json.dumps(value, ensure_ascii=False)[:200]}"
        if value.get("type") == "markdown" and _LIVE.search(str(value.get("text"))):
            yield "live text in markdown"
        for part in value.values():
            yield from _live(part)
    elif isinstance(value, list):
        for part in value:
            yield from _live(part)


def _values(value: Any, key: str) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get(key), str):
            yield value[key]
        for part in value.values():
            yield from _values(part, key)
    elif isinstance(value, list):
        for part in value:
            yield from _values(part, key)


def _refuse_metadata(metadata: Any) -> None:
    """docs.slack.dev/reference/methods/chat.postMessage: invalid_metadata_format, metadata_too_large."""
    if metadata is None:
        return
    named = isinstance(metadata, dict) and set(metadata) == {"event_type", "event_payload"}
    if not (named and isinstance(metadata["event_type"], str) and isinstance(metadata["event_payload"], dict)):
        raise Refused("invalid_metadata_format")
    if len(json.dumps(metadata)) > limits.METADATA.slack:
        raise Refused("metadata_too_large")


# --- Blocks ----------------------------------------------------------------------------------


@dataclass
class _Seen:
    """What must stand once in a whole message or view, and where we are."""

    surface: str
    block_ids: set[str] = field(default_factory=set)
    action_ids: set[str] = field(default_factory=set)
    focused: int = 0


def _need(condition: bool, why: str) -> None:
    if not condition:
        raise Refused("invalid_blocks", why)


def _keys(value: Any, required: str, optional: str = "") -> None:
    """Refuse what is no object, lacks a required key, or has one that is not documented."""
    _need(isinstance(value, dict), f"no object: {value!r:.100}")
    kind = value.get("type", "object")
    _need(not (lacking := set(required.split()) - set(value)), f"{kind} lacks {lacking}")
    extra = set(value) - set(required.split()) - set(optional.split())
    _need(not extra, f"{kind} has {extra}")


def _length(value: Any, most: int, what: str, least: int = 1) -> None:
    _need(isinstance(value, str) and least <= len(value) <= most, f"{what}: {least} to {most} characters")


def _count(value: Any, most: int, what: str) -> None:
    _need(isinstance(value, list) and 1 <= len(value) <= most, f"{what}: 1 to {most}")


def _flags(value: Json, *names: str) -> None:
    for name in names:
        _need(isinstance(value.get(name, False), bool), f"{name} is no boolean")


def _text(value: Any, most: int, what: str, *, plain: bool = True) -> None:
    """A text object (docs.slack.dev/reference/block-kit/composition-objects/text-object)."""
    _keys(value, "type text", "emoji verbatim")
    kind = value["type"]
    _need(kind == "plain_text" or (kind == "mrkdwn" and not plain), f"{what} is {kind}")
    _need(("verbatim" if kind == "plain_text" else "emoji") not in value, f"{what}: a key of the other kind of text")
    _flags(value, "emoji", "verbatim")
    _length(value["text"], most, what)


def _blocks(blocks: Any, surface: str) -> _Seen:
    """Check a list of blocks. A block that is built wrongly in a way not thought of is refused too."""
    seen = _Seen(surface)
    try:
        for block in blocks:
            _block(block, seen)
        total = sum(len(block["text"]) for block in blocks if block["type"] == "markdown")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Refused("invalid_blocks", repr(error)) from error
    _need(total <= limits.MARKDOWN.slack, "markdown blocks together")
    _need(seen.focused <= 1, "focus_on_load twice")
    return seen


def _block(block: Any, seen: _Seen) -> None:
    _need(isinstance(block, dict), f"no block: {block!r:.100}")
    required, optional, surfaces, check = _BLOCKS.get(block.get("type", ""), ("", "", "", _nothing))
    _need(seen.surface in surfaces.split(), f"unknown block {block.get('type')} in a {seen.surface}")
    _keys(block, f"type {required}", f"block_id {optional}")
    if (name := block.get("block_id")) is not None:
        _length(name, limits.BLOCK_ID.slack, "block_id")
        _need(name not in seen.block_ids, f"block_id {name} twice")
        seen.block_ids.add(name)
    seen.action_ids = set()  # unique "among all other action_ids in the containing block"
    check(block, seen)


def _nothing(block: Json, seen: _Seen) -> None:
    """A divider holds nothing to check."""


def _header(block: Json, seen: _Seen) -> None:
    _text(block["text"], limits.HEADER.slack, "header")


def _context(block: Json, seen: _Seen) -> None:
    _count(block["elements"], limits.CONTEXT.slack, "context")
    for element in block["elements"]:
        _text(element, limits.SECTION_TEXT.slack, "context", plain=False)


def _section(block: Json, seen: _Seen) -> None:
    _need("text" in block or "fields" in block, "section without text and fields")
    if "text" in block:
        _text(block["text"], limits.SECTION_TEXT.slack, "section", plain=False)
    if "fields" in block:
        _count(block["fields"], limits.SECTION_FIELDS.slack, "fields")
        for part in block["fields"]:
            _text(part, limits.SECTION_FIELD.slack, "field", plain=False)
    if "accessory" in block:
        _element(block["accessory"], "section", seen)
    _flags(block, "expand")


def _markdown(block: Json, seen: _Seen) -> None:
    _length(block["text"], limits.MARKDOWN.slack, "markdown")


def _actions(block: Json, seen: _Seen) -> None:
    _count(block["elements"], limits.ACTIONS.slack, "actions")
    for element in block["elements"]:
        _element(element, "actions", seen)


def _input(block: Json, seen: _Seen) -> None:
    _text(block["label"], limits.INPUT_LABEL.slack, "label")
    if "hint" in block:
        _text(block["hint"], limits.INPUT_HINT.slack, "hint")
    _flags(block, "optional", "dispatch_action")
    _element(block["element"], "input", seen)


def _table(block: Json, seen: _Seen) -> None:
    """docs.slack.dev/reference/block-kit/blocks/table-block."""
    rows = block["rows"]
    _count(rows, limits.TABLE_ROWS.slack, "rows")
    for row in rows:
        _count(row, limits.TABLE_CELLS.slack, "cells")
        for cell in row:
            _cell(cell)
    _need(len({len(row) for row in rows}) == 1, "rows of different lengths")
    _need(rendered_length(rows) <= limits.TABLE_TEXT.slack, "table text")
    settings = block.get("column_settings", [])
    _need(len(settings) <= limits.TABLE_CELLS.slack, "column_settings")
    for column in (column for column in settings if column is not None):
        _keys(column, "", "align is_wrapped")
        _need(column.get("align", "left") in ("left", "center", "right"), "align")
        _flags(column, "is_wrapped")


def _cell(cell: Json) -> None:
    match cell.get("type"):
        case "raw_text":
            _keys(cell, "type text")
            _need(isinstance(cell["text"], str) and bool(cell["text"]), "empty cell")
        case "raw_number":
            _keys(cell, "type value text")
            _need(isinstance(cell["value"], int | float) and bool(cell["text"]), "number")
        case "rich_text":
            _keys(cell, "type elements", "block_id")
            _rich_text(cell, _Seen("message"))
        case other:
            _need(False, f"unknown cell {other}")


# What a block requires, what it may have besides, and the surfaces that show it.
_BLOCKS: dict[str, tuple[str, str, str, Callable[[Json, _Seen], None]]] = {
    "divider": ("", "", "message modal home", _nothing),
    "header": ("text", "", "message modal home", _header),
    "context": ("elements", "", "message modal home", _context),
    "section": ("", "text fields accessory expand", "message modal home", _section),
    "actions": ("elements", "", "message modal home", _actions),
    "input": ("label element", "hint optional dispatch_action", "message modal home", _input),
    "markdown": ("text", "", "message", _markdown),
    "table": ("rows", "column_settings", "message", _table),
    "rich_text": ("elements", "", "message modal home", lambda block, seen: _rich_text(block, seen)),  # noqa: PLW0108  # defined below
}


# --- Rich text -------------------------------------------------------------------------------

_STYLES = {"bold", "italic", "strike", "code"}
_LEAVES = {
    "text": ("text", "style"),
    "link": ("url", "text style unsafe"),
    "emoji": ("name", "skin_tone unicode style"),
    "date": ("timestamp format", "url fallback style"),
    "color": ("value", "style"),
    "user": ("user_id", "style"),
    "usergroup": ("usergroup_id", "style"),
    "channel": ("channel_id", "style"),
    "broadcast": ("range", "style"),
}


def _rich_text(block: Json, seen: _Seen) -> None:
    """docs.slack.dev/reference/block-kit/blocks/rich-text-block."""
    _need(bool(block["elements"]), "empty rich_text")
    for element in block["elements"]:
        _rich(element)


def _rich(element: Json) -> None:
    kind = element.get("type")
    if kind == "rich_text_list":
        _keys(element, "type style elements", "indent offset border")
        _need(element["style"] in ("bullet", "ordered"), "list style")
        for name in ("indent", "offset", "border"):
            _need(isinstance(number := element.get(name, 0), int) and number >= 0, name)
        _need(all(section["type"] == "rich_text_section" for section in element["elements"]), "list of sections")
    elif kind in ("rich_text_quote", "rich_text_preformatted"):
        _keys(element, "type elements", "border")
    else:
        _need(kind == "rich_text_section", f"unknown element {kind}")
        _keys(element, "type elements")
    _need(bool(element["elements"]), f"empty {kind}")
    for part in element["elements"]:
        (_rich if kind == "rich_text_list" else _leaf)(part)
    if kind == "rich_text_preformatted":
        _need(all(leaf["type"] in ("text", "link") for leaf in element["elements"]), "leaf in preformatted")


def _leaf(leaf: Json) -> None:
    kind = leaf.get("type", "")
    _need(kind in _LEAVES, f"unknown leaf {kind}")
    required, optional = _LEAVES[kind]
    _keys(leaf, f"type {required}", optional)
    style = leaf.get("style", {})
    _need(set(style) <= _STYLES and all(isinstance(on, bool) for on in style.values()), f"style {style}")
    _need(isinstance(leaf.get("text", "x"), str) and bool(leaf.get("text", "x")), "empty leaf")
    if kind == "link":
        _url(leaf["url"])


def _url(url: Any) -> None:
    _length(url, limits.URL.slack, "url")
    _need(url.startswith(("http://", "https://")), f"url {url!r:.50}")


# --- Elements --------------------------------------------------------------------------------


def _element(element: Any, where: str, seen: _Seen) -> None:
    """docs.slack.dev/reference/block-kit/block-elements; `where` is the block that holds it."""
    _need(isinstance(element, dict), "no element")
    required, optional, blocks, check = _ELEMENTS.get(element.get("type", ""), ("", "", "", _nothing))
    _need(where in blocks.split(), f"unknown element {element.get('type')} in {where}")
    _keys(element, f"type {required}", f"action_id {optional}")
    if (name := element.get("action_id")) is not None:
        _length(name, limits.ACTION_ID.slack, "action_id")
        _need(name not in seen.action_ids, f"action_id {name} twice")
        seen.action_ids.add(name)
    if "placeholder" in element:
        _text(element["placeholder"], limits.PLACEHOLDER.slack, "placeholder")
    if "confirm" in element:
        _confirm(element["confirm"])
    _flags(element, "focus_on_load")
    seen.focused += element.get("focus_on_load", False)
    check(element, seen)


def _confirm(confirm: Json) -> None:
    _keys(confirm, "title text confirm deny", "style")
    _text(confirm["title"], limits.CONFIRM_TITLE.slack, "confirm title")
    _text(confirm["text"], limits.CONFIRM_TEXT.slack, "confirm text", plain=False)
    _text(confirm["confirm"], limits.CONFIRM_BUTTON.slack, "confirm")
    _text(confirm["deny"], limits.CONFIRM_BUTTON.slack, "deny")
    _need(confirm.get("style", "danger") in ("primary", "danger"), "confirm style")


def _button(element: Json, seen: _Seen) -> None:
    _text(element["text"], limits.BUTTON_TEXT.slack, "button")
    _length(element.get("value", ""), limits.BUTTON_VALUE.slack, "button value", least=0)
    _length(element.get("accessibility_label", "x"), limits.BUTTON_TEXT.slack, "accessibility_label")
    _need(element.get("style", "danger") in ("primary", "danger"), "button style")
    if "url" in element:
        _url(element["url"])


def _option(option: Json) -> None:
    _keys(option, "text value", "description")
    _text(option["text"], limits.OPTION_TEXT.slack, "option")
    _length(option["value"], limits.OPTION_VALUE.slack, "option value")
    if "description" in option:
        _text(option["description"], limits.OPTION_TEXT.slack, "option description")


def _options(most: int) -> Callable[[Json, _Seen], None]:
    """Options, and the initial ones among them exactly as they stand there."""

    def check(element: Json, seen: _Seen) -> None:
        _count(element["options"], most, "options")
        for option in element["options"]:
            _option(option)
        chosen = element.get("initial_options", [element["initial_option"]] if "initial_option" in element else [])
        _need("initial_options" not in element or bool(chosen), "empty initial_options")
        _need(all(option in element["options"] for option in chosen), "an initial option that is no option")
        _need(element.get("max_selected_items", 1) >= 1, "max_selected_items")

    return check


def _text_input(element: Json, seen: _Seen) -> None:
    most, least = element.get("max_length", limits.TEXT_INPUT.slack), element.get("min_length", 0)
    _need(1 <= most <= limits.TEXT_INPUT.slack, "max_length")
    _need(0 <= least <= most, "min_length")
    _flags(element, "multiline")
    if "initial_value" in element:
        _length(element["initial_value"], most, "initial_value", least=0)
    if "dispatch_action_config" in element:
        _keys(element["dispatch_action_config"], "trigger_actions_on")


def _timepicker(element: Json, seen: _Seen) -> None:
    _need(bool(re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", element.get("initial_time", "00:00"))), "initial_time")


def _conversations(element: Json, seen: _Seen) -> None:
    _flags(element, "default_to_current_conversation", "response_url_enabled")
    _need("response_url_enabled" not in element or seen.surface == "modal", "response_url_enabled outside a modal")
    if "filter" in element:
        chosen = element["filter"]
        _keys(chosen, "", "include exclude_bot_users exclude_external_shared_channels")
        _need(bool(chosen), "empty filter")
        _flags(chosen, "exclude_bot_users", "exclude_external_shared_channels")
        include = chosen.get("include", ["im"])
        _need(bool(include) and set(include) <= {"im", "mpim", "private", "public"}, "filter include")


_ASKED = "placeholder confirm focus_on_load"
_EVERYWHERE = "section actions input"
# What an element requires, what it may have besides, and the blocks that hold it.
_ELEMENTS: dict[str, tuple[str, str, str, Callable[[Json, _Seen], None]]] = {
    "button": ("text", "url value style confirm accessibility_label", "section actions", _button),
    "plain_text_input": (
        "",
        "initial_value multiline min_length max_length dispatch_action_config placeholder focus_on_load",
        "input",
        _text_input,
    ),
    "static_select": ("options", f"initial_option {_ASKED}", _EVERYWHERE, _options(limits.OPTIONS.slack)),
    "multi_static_select": (
        "options",
        f"initial_options max_selected_items {_ASKED}",
        "section input",
        _options(limits.OPTIONS.slack),
    ),
    "checkboxes": ("options", "initial_options confirm focus_on_load", _EVERYWHERE, _options(limits.CHOICES.slack)),
    "radio_buttons": ("options", "initial_option confirm focus_on_load", _EVERYWHERE, _options(limits.CHOICES.slack)),
    "timepicker": ("", f"initial_time timezone {_ASKED}", _EVERYWHERE, _timepicker),
    "conversations_select": (
        "",
        f"initial_conversation default_to_current_conversation filter response_url_enabled {_ASKED}",
        _EVERYWHERE,
        _conversations,
    ),
}


# --- Views -----------------------------------------------------------------------------------

_ANY_VIEW = "private_metadata callback_id external_id"


def _view(view: Any, kind: str) -> None:
    """docs.slack.dev/reference/views: modals, and Home tabs, which have neither title nor submit."""
    _need(isinstance(view, dict) and view.get("type") == kind, f"no {kind}")
    modal = "title", f"submit close clear_on_close notify_on_close {_ANY_VIEW}"
    required, optional = modal if kind == "modal" else ("", _ANY_VIEW)
    _keys(view, f"type blocks {required}", optional)
    _count(view["blocks"], limits.VIEW_BLOCKS.slack, "blocks of a view")
    _blocks(view["blocks"], kind)
    _length(view.get("private_metadata", ""), limits.PRIVATE_METADATA.slack, "private_metadata", least=0)
    _length(view.get("callback_id", ""), limits.CALLBACK_ID.slack, "callback_id", least=0)
    _length(view.get("external_id", ""), limits.CALLBACK_ID.slack, "external_id", least=0)
    _flags(view, "clear_on_close", "notify_on_close")
    if kind == "modal":
        _text(view["title"], limits.VIEW_TITLE.slack, "title")
        for name in {"submit", "close"} & set(view):
            _text(view[name], limits.VIEW_SUBMIT.slack, name)
        asks = any(block["type"] == "input" for block in view["blocks"])
        _need("submit" in view or not asks, "a modal that asks has no submit")


# --- Responses -------------------------------------------------------------------------------

_RESPONSE = {"text", "blocks", "response_type", "replace_original", "delete_original", "thread_ts"}
_RESPONSE |= {"unfurl_links", "unfurl_media"}


def refuse_response(body: Any) -> None:
    """Refuse what a response URL or the acknowledgement of a command would refuse. Raises Refused."""
    if not isinstance(body, dict):
        raise Refused("invalid_payload")
    if extra := set(body) - _RESPONSE:
        raise Refused("invalid_payload", f"unknown {extra}")
    if body.get("response_type", "ephemeral") not in ("ephemeral", "in_channel"):
        raise Refused("invalid_payload", "response_type")
    if body.get("delete_original") is True:
        return
    if not body.get("text") and not body.get("blocks"):
        raise Refused("no_text")
    refuse_message({"text": body.get("text") or " ", "blocks": body.get("blocks")})
