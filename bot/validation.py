"""What is wrong with a value that a person wrote, in a setting or a file: pydantic finds it, the labels say it."""

import re

from pydantic import ValidationError

from bot.errors import Invalid

_KEYS = {
    "int_parsing": "problem_whole",
    "int_type": "problem_whole",
    "int_from_float": "problem_whole",
    "float_parsing": "problem_number",
    "float_type": "problem_number",
    "bool_parsing": "problem_yes_or_no",
    "bool_type": "problem_yes_or_no",
    "string_type": "problem_text",
    "string_too_short": "problem_empty",
    "list_type": "problem_list",
    "missing": "problem_missing",
    "extra_forbidden": "problem_unknown",
    "dict_type": "problem_names",
    "model_type": "problem_names",
}
"""The texts of pydantic's errors that need no more than their type. Source: docs.pydantic.dev, "Validation Errors"."""


def first(error: ValidationError) -> tuple[str, Invalid]:
    """The name of the first invalid field, `a.b` if it is in another, and what is wrong with it; never its value."""
    found = error.errors(include_input=False, include_url=False)[0]
    return ".".join(map(str, found["loc"])), _problem(found["type"], found["msg"], found.get("ctx", {}))


def _problem(kind: str, message: str, context: dict[str, object]) -> Invalid:
    own = context.get("error")
    if isinstance(own, Invalid):
        return own
    match kind:
        case "literal_error":
            words = re.findall(r"'([^']*)'", str(context["expected"]))
            return Invalid("problem_one_of", known=tuple(filter(None, words)))
        case "greater_than_equal":
            return Invalid("problem_at_least", limit=_number(context["ge"]))
        case "less_than_equal":
            return Invalid("problem_at_most", limit=_number(context["le"]))
        case _ if kind in _KEYS:
            return Invalid(_KEYS[kind])
    return Invalid("problem_other", message=message.removeprefix("Value error, "))


def _number(limit: object) -> str:
    return str(limit).removesuffix(".0")
