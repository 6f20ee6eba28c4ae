"""The form behind `/digest subscribe`: what it asks, what its answers mean as a line of the grammar. Pure.

A chat that can show a form shows this one; what was filled in ends as the line that somebody could have typed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bot.delivery import schedule
from bot.errors import DigestError
from bot.texts import LANGUAGES, Texts
from bot.values import Form, Input, InputKind, Subscription

ANYTHING = "any"
"""The value of an option that takes back what was set before: `paths any`."""

_ORDER = ("at", "on", "zone", "lang", "branch", "paths", "authors", "bots", "quiet")
_CLEARED = ("paths", "authors")
# Which input an error is about: everything else is about the repository, which is asked for first.
_ABOUT = {
    "time_invalid": "at",
    "schedule_invalid": "on",
    "zone_unknown": "zone",
    "branch_unknown": "branch",
    "branch_none": "branch",
}


def subscribe_form(current: Subscription, known: bool, texts: Texts, title: str = "") -> Form:
    """The form for a subscription as it is now, or as a new one would be.

    `known` says that it is there already: its repository and branch, which name it, stay. `title` is what people call
    its repository.
    """
    at, on = schedule.parts(current.schedule)
    repo = title or current.repo
    naming = () if known else (_text("repo", repo, texts), _text("branch", current.branch, texts, optional=True))
    inputs = (
        *naming[:1],
        Input("at", texts("form.at"), at, texts("form.at_hint"), InputKind.TIME),
        Input(
            "on",
            texts("form.on"),
            ",".join(schedule.weekdays(on)),
            kind=InputKind.SEVERAL,
            choices=tuple((d, texts(f"weekday.{n}")) for n, d in enumerate(schedule.WEEK)),
        ),
        _text("zone", current.zone, texts),
        Input(
            "lang",
            texts("form.lang"),
            current.language,
            kind=InputKind.ONE,
            choices=tuple((language, texts(f"language.{language}")) for language in LANGUAGES),
        ),
        *naming[1:],
        _text("paths", ", ".join(current.filters.paths), texts, optional=True),
        _text("authors", ", ".join(current.filters.authors), texts, optional=True),
        _yes_no("bots", current.filters.bots, texts),
        _yes_no("quiet", current.quiet, texts),
    )
    named = (("repo", current.repo), *((("branch", current.branch),) if current.branch else ()))
    return Form(
        title=texts("form.change" if known else "form.follow"),
        submit=texts("form.submit"),
        cancel=texts("form.cancel"),
        waiting=texts("form.waiting"),
        done=texts("form.done"),
        inputs=inputs,
        fixed=named if known else (),
        fresh=not known,
    )


def _text(name: str, value: str, texts: Texts, *, optional: bool = False) -> Input:
    return Input(name, texts(f"form.{name}"), value, texts(f"form.{name}_hint"), optional=optional)


def _yes_no(name: str, value: bool, texts: Texts) -> Input:
    choices = tuple((answer, texts(f"answer.{answer}")) for answer in ("yes", "no"))
    return Input(name, texts(f"form.{name}"), "yes" if value else "no", kind=InputKind.ONE, choices=choices)


def filled(form: Form, values: Mapping[str, str]) -> Form:
    """The form with what somebody put in."""
    fixed = dict(form.fixed)
    inputs = tuple(replace(i, value=values.get(i.name, "" if i.optional else i.value)) for i in form.inputs)
    return replace(form, inputs=inputs, fixed=tuple((n, values.get(n, v)) for n, v in fixed.items()), fresh=False)


def line(values: Mapping[str, str]) -> str:
    """`subscribe owner/repo at 09:00 …`, as if it had been typed."""
    said = {name: " ".join(values.get(name, "").split()) for name in ("repo", *_ORDER)}
    said |= {name: ",".join(_list(said[name])) or (ANYTHING if name in values else "") for name in _CLEARED}
    said["on"] = schedule.days_named(_list(said["on"]))
    words = [word for name in _ORDER if said[name] for word in (name, quoted(said[name]))]
    return " ".join(["subscribe", *([quoted(said["repo"])] if said["repo"] else []), *words])


def _list(value: str) -> Sequence[str]:
    return [part.strip() for part in value.replace("，", ",").split(",") if part.strip()]


def quoted(value: str) -> str:
    """A value as one word of the grammar, which has no way to write a quote within quotes."""
    plain = value.replace('"', "").replace("“", "").replace("”", "")
    return f'"{plain}"' if " " in plain else plain


def about(error: DigestError, form: Form) -> str:
    """The input that an error is about, where the form has it; else the first one."""
    names = [i.name for i in form.inputs]
    option = str(error.fields.get("option", ""))
    name = _ABOUT.get(error.key, option)
    return name if name in names else names[0]
