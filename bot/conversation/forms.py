"""The form of `/digest subscribe`: what it asks, and its answers as a line of the grammar. Pure.

A chat that supports forms shows this one; the answers become a line that could have been typed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bot.conversation.grammar import quoted
from bot.conversation.options import ANYTHING, OPTIONS, Option
from bot.delivery import schedule
from bot.errors import DigestError
from bot.texts import Texts
from bot.values import Form, Input, InputKind, Subscription

_HINTED = (InputKind.TEXT, InputKind.TIME)
"""Kinds of inputs whose labels do not say what is allowed."""


KNOWN = "known"
"""A hidden field of the form of an existing subscription, which was shown to a person who may know of it."""


def subscribe_form(current: Subscription, known: bool, texts: Texts) -> Form:
    """The form for a subscription: the current one, or a new one with the defaults.

    `known` says that it exists: then its repository and branch cannot be changed.
    """
    repo = Input("repo", texts("form.repo"), current.repo, texts("form.repo_hint"))
    options = (_input(option, current, texts) for option in OPTIONS.values() if not (known and option.naming))
    named = ((KNOWN, "1"), ("repo", current.repo), *((("branch", current.branch),) if current.branch else ()))
    return Form(
        title=texts("form.change" if known else "form.follow"),
        submit=texts("form.submit"),
        cancel=texts("form.cancel"),
        waiting=texts("form.waiting"),
        done=texts("form.done"),
        inputs=(*(() if known else (repo,)), *options),
        fixed=named if known else (),
        fresh=not known,
        colon=texts("report.colon"),
    )


def _input(option: Option, current: Subscription, texts: Texts) -> Input:
    hint = texts(f"form.{option.name}_hint") if option.kind in _HINTED else ""
    value = option.value(current)
    return Input(
        option.name,
        texts(f"form.{option.name}"),
        value,
        hint,
        option.kind,
        option.choices(texts),
        option.optional or not value,  # a schedule that no form can show is kept
    )


def filled(form: Form, values: Mapping[str, str]) -> Form:
    """The form with the values that were entered."""
    fixed = dict(form.fixed)
    inputs = tuple(replace(i, value=values.get(i.name, "" if i.optional else i.value)) for i in form.inputs)
    return replace(form, inputs=inputs, fixed=tuple((n, values.get(n, v)) for n, v in fixed.items()), fresh=False)


def line(values: Mapping[str, str]) -> str:
    """The line `subscribe owner/repo at 09:00 …` that stands for the values."""
    plain = {name: " ".join(values.get(name, "").split()) for name in ("repo", *OPTIONS)}
    listed = (name for name, option in OPTIONS.items() if option.optional and not option.naming)
    plain |= {name: ",".join(_list(plain[name])) or (ANYTHING if name in values else "") for name in listed}
    plain["on"] = schedule.days_named(_list(plain["on"]))
    words = [word for name in OPTIONS if plain[name] for word in (name, quoted(plain[name]))]
    return " ".join(["subscribe", *([quoted(plain["repo"])] if plain["repo"] else []), *words])


def _list(value: str) -> Sequence[str]:
    return [part.strip() for part in value.replace("，", ",").split(",") if part.strip()]


def input_of(error: DigestError, form: Form) -> str:
    """The input that an error is about if the form has it, else the first one."""
    names = [i.name for i in form.inputs]
    return error.option if error.option in names else names[0]
