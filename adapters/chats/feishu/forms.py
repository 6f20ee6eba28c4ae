"""Renders forms as Feishu's cards, and parses the values filled in. Pure.

As in messages, untrusted text is only in plain text and in editable fields.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, assert_never

from adapters.chats.feishu import limits
from adapters.chats.feishu.cards import Card
from bot.errors import UsageError
from bot.values import Form, Input, InputKind, Problem, one_line, sanitize

FORM = "form"
"""The key of the hidden values that a form's button returns, next to what is filled in."""


def card(form: Form, kept: dict[str, str], *, problem: Problem | None = None) -> Card:
    """A form as a card, with one button (…/card-json-v2-components/containers/form-container).

    `kept` is returned with what is filled in; `problem` is shown above the inputs, with the name of its input. Raises
    UsageError if a value is longer than Feishu's inputs allow.
    """
    submit: Card = {
        "tag": "button",
        "name": "submit",
        "type": "primary_filled",
        "text": _plain(form.submit, limits.BUTTON_TEXT.ours),
        "form_action_type": "submit",
        "behaviors": [{"type": "callback", "value": {FORM: kept}}],
    }
    elements = [element for each in form.inputs for element in _elements(each)]
    notes = [_words(_explained(form, problem), text_color="red")] if problem else []
    return _card(form.title, *notes, {"tag": "form", "name": FORM, "elements": [*elements, submit]})


def note(title: str, text: str) -> Card:
    """A card with only text."""
    return _card(title, _words(text))


def values_of(form_value: Mapping[str, Any]) -> dict[str, str]:
    """The values filled in, by input; several choices are comma-separated, and a time of day has no zone."""
    return {name: _filled(value) for name, value in form_value.items()}


def _filled(value: object) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    text = "" if value is None else str(value)
    return re.sub(r"^(\d{2}:\d{2}) [+-]\d{4}$", r"\1", text)


def _explained(form: Form, problem: Problem) -> str:
    label = next((field.label for field in form.inputs if field.name == problem.input), "")
    return f"{label}{form.colon}{problem.text}" if label else problem.text


def _card(title: str, *elements: Card) -> Card:
    name = one_line(title) or "…"
    return {
        "schema": "2.0",
        "config": {"update_multi": True, "summary": {"content": name}},
        "header": {"title": _plain(name), "template": "blue"},
        "body": {"elements": list(elements)},
    }


def _plain(text: str, limit: int = 0) -> Card:
    return {"tag": "plain_text", "content": one_line(text, limit) or "…"}


def _words(text: str, **more: str) -> Card:
    return {"tag": "div", "text": {"tag": "plain_text", "content": sanitize(text).strip() or "…", **more}}


def _elements(field: Input) -> Iterator[Card]:
    """The label of an input, the input, and its hint if a value hides the placeholder that would show it."""
    yield _words(field.label)
    yield {"name": field.name, "required": not field.optional, "width": "fill", **_element(field)}
    if field.hint and (field.value or len(field.hint) > limits.PLACEHOLDER.ours):
        yield _words(field.hint, text_size="notation", text_color="grey")


def _element(field: Input) -> Card:
    hint = {"placeholder": _plain(field.hint, limits.PLACEHOLDER.ours)} if field.hint else {}
    values = [value for value, _ in field.choices]
    options = [{"text": _plain(label, limits.BUTTON_TEXT.ours), "value": value} for value, label in field.choices]
    match field.kind:
        case InputKind.TEXT:
            return {"tag": "input", "max_length": limits.INPUT_TEXT.ours, **hint, **_default(field.value)}
        case InputKind.TIME:
            return {"tag": "picker_time", "placeholder": _plain(field.hint or field.label)} | _initial(field.value)
        case InputKind.ONE:
            # By index: Feishu's page does not say whether an option's value or its label is meant.
            chosen = {"initial_index": values.index(field.value) + 1} if field.value in values else {}
            return {"tag": "select_static", "options": options, **hint, **chosen}
        case InputKind.SEVERAL:
            ticked = [value for value in values if value in field.value.split(",")]
            return {"tag": "multi_select_static", "options": options, "selected_values": ticked, **hint}
        case _:
            assert_never(field.kind)


def _default(value: str) -> Card:
    if len(value) > limits.INPUT_TEXT.ours:
        raise UsageError("line_long", limit=f"{limits.INPUT_TEXT.ours:,}", length=f"{len(value):,}")
    return {"default_value": value} if value else {}


def _initial(value: str) -> Card:
    """The time of day to show; Feishu rejects a card with an invalid one."""
    return {"initial_time": value} if re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value) else {}
