"""Renders forms and the App Home as Slack's views, and parses the values filled in. Pure.

As in messages, untrusted text is only in plain text and in leaves of rich text.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, assert_never

from adapters.chats.slack import limits
from adapters.chats.slack.blocks import Block, json_length, plain
from bot.errors import UsageError
from bot.values import Form, Input, InputKind, Problem, one_line

View = dict[str, Any]

FORM = "digest:form"
"""The name of the form's modal, which its submission contains."""
CHANNEL = "channel"
"""The block for choosing a channel."""


# --- The form --------------------------------------------------------------------------------


def modal(form: Form, metadata: str, *, problem: Problem | None = None, channel: tuple[str, str] | None = None) -> View:
    """A form as a modal.

    `metadata` is returned with what is filled in; `problem` is shown above the inputs; `channel`, a label and a hint,
    adds a choice of channels, if the form was not opened in one.
    """
    notes = [_note(f"⚠️ {problem.text}")] if problem else []
    chosen = [_channel(*channel)] if channel else []
    return {
        "type": "modal",
        "callback_id": FORM,
        "private_metadata": metadata,
        "title": plain(form.title, limits.VIEW_TITLE.ours),
        "submit": plain(form.submit, limits.VIEW_SUBMIT.ours),
        "close": plain(form.cancel, limits.VIEW_SUBMIT.ours),
        "blocks": [*notes, *chosen, *map(_input, form.inputs)],
    }


def note(title: str, text: str) -> View:
    """A modal with only text."""
    return {"type": "modal", "title": plain(title, limits.VIEW_TITLE.ours), "blocks": [_note(text)]}


def _note(text: str) -> Block:
    return {"type": "section", "text": plain(text, limits.SECTION_TEXT.ours)}


def _channel(label: str, hint: str) -> Block:
    return {
        "type": "input",
        "block_id": CHANNEL,
        "label": plain(label, limits.INPUT_LABEL.ours),
        "hint": plain(hint, limits.INPUT_HINT.ours),
        "element": {
            "type": "conversations_select",
            "action_id": CHANNEL,
            "filter": {"include": ["public", "private"], "exclude_bot_users": True},
        },
    }


def _input(field: Input) -> Block:
    block: Block = {
        "type": "input",
        "block_id": field.name,
        "label": plain(field.label, limits.INPUT_LABEL.ours),
        "optional": field.optional,
        "element": {"action_id": field.name, **_element(field)},
    }
    return block | ({"hint": plain(field.hint, limits.INPUT_HINT.ours)} if field.hint else {})


def _element(field: Input) -> Block:
    options = [_option(value, label) for value, label in field.choices]
    chosen = set(field.value.split(","))
    match field.kind:
        case InputKind.TEXT:
            value = {"initial_value": field.value} if field.value else {}
            return {"type": "plain_text_input", **value}
        case InputKind.TIME:
            return {"type": "timepicker", **({"initial_time": field.value} if field.value else {})}
        case InputKind.ONE:
            picked = [option for option in options if option["value"] in chosen]
            return {"type": "static_select", "options": options, **({"initial_option": picked[0]} if picked else {})}
        case InputKind.SEVERAL:
            picked = [option for option in options if option["value"] in chosen]
            return {"type": "checkboxes", "options": options, **({"initial_options": picked} if picked else {})}
        case _:
            assert_never(field.kind)


def _option(value: str, label: str) -> Block:
    return {"text": plain(label, limits.OPTION_TEXT.ours), "value": value}


def values_of(view: View) -> dict[str, str]:
    """The values filled in, by input; several choices are comma-separated."""
    state: Mapping[str, Mapping[str, Any]] = view.get("state", {}).get("values", {})
    return {name: _filled(next(iter(actions.values()), {})) for name, actions in state.items()}


def _filled(element: Mapping[str, Any]) -> str:
    match element.get("type"):
        case "static_select":
            return str((element.get("selected_option") or {}).get("value", ""))
        case "checkboxes":
            return ",".join(option["value"] for option in element.get("selected_options") or ())
        case "timepicker":
            return element.get("selected_time") or ""
        case "conversations_select":
            return element.get("selected_conversation") or ""
        case _:
            return element.get("value") or ""


def metadata(channel: str, thread: str | None, fixed: Iterable[tuple[str, str]]) -> str:
    """The hidden values that a form returns. Raises UsageError if they are too long for Slack."""
    text = json.dumps({"channel": channel, "thread": thread, "fixed": dict(fixed)}, ensure_ascii=False)
    if len(text) > limits.PRIVATE_METADATA.ours:
        raise UsageError("line_long", limit=f"{limits.PRIVATE_METADATA.ours:,}", length=f"{len(text):,}")
    return text


# --- The App Home ----------------------------------------------------------------------------

HOME = "home"
"""The prefix of the name of a row of buttons in the Home, followed by their channel."""


def home(title: str, about: str, follow: str, sections: Iterable[tuple[str, list[Block]]], more: str) -> View:
    """The Home: an introduction, a button to follow a repository, and each channel's name and blocks.

    Channels that do not fit are left out; `more` says how many (`{n}` is replaced).
    """
    button = {"type": "button", "action_id": "digest:home:0", "text": plain(follow, limits.BUTTON_TEXT.ours)}
    blocks: list[Block] = [
        {"type": "header", "text": plain(title, limits.HEADER.ours)},
        _note(about),
        {"type": "actions", "block_id": f"{HOME}:", "elements": [button | {"value": "subscribe", "style": "primary"}]},
    ]
    left_out = 0
    for name, shown in sections:
        section: list[Block] = [
            {"type": "divider"},
            {"type": "header", "text": plain(name, limits.HEADER.ours)},
            *shown,
        ]
        size = json_length([*blocks, *section])
        if left_out or len(blocks) + len(section) >= limits.VIEW_BLOCKS.ours or size > limits.VIEW_BYTES.ours:
            left_out += 1
        else:
            blocks += section
    if left_out:
        blocks.append(_note(more.replace("{n}", str(left_out))))
    return {"type": "home", "blocks": blocks}


def channel_of(block_id: str) -> str:
    """The channel of a row of buttons in the Home; empty for the one at the top."""
    return one_line(block_id.removeprefix(f"{HOME}:").partition(":")[0], 255)
