"""Prompts, labels and the report's style from the `prompts` package: read once, filled strictly.

An unfilled blank or a missing text is a bug and raises KeyError at once; values are never searched for blanks, so
untrusted text can contain `$` and `{}`.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from string import Template

from bot import DOCUMENTATION
from bot.errors import DigestError
from bot.languages import LANGUAGES
from bot.values import Aside, Failure

_PAGES = "<docs>"
"""The labels' placeholder for the location of docs/: an installed program has no such folder."""


@lru_cache
def _labels(language: str) -> dict[str, dict[str, str]]:
    text = files("prompts").joinpath(f"labels.{language}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text.replace(_PAGES, DOCUMENTATION))


@lru_cache
def _prompt(name: str) -> tuple[Template, Template]:
    system, user = files("prompts").joinpath(f"{name}.md").read_text(encoding="utf-8").split("\n---\n")
    return Template(system.strip()), Template(user.strip())


def prompt(name: str, **blanks: str) -> tuple[str, str]:
    """The system and the user text of prompt `name` (`analysis.v1`), with every `$blank` filled."""
    system, user = _prompt(name)
    return system.substitute(blanks), user.substitute(blanks)


@lru_cache
def style() -> str:
    """The style sheet of the HTML report."""
    return files("prompts").joinpath("report.css").read_text(encoding="utf-8")


def words_of(name: str) -> frozenset[str]:
    """The words of a command or option in all languages, in lower case."""
    labels = (_labels(language)["words"] for language in LANGUAGES)
    return frozenset(word for words in labels for word in words.get(name, "").split())


_NOTHING = "answer.nothing"
"""The label of an empty list: a sentence that ends in a colon must not look unfilled."""
_HAN = "\u3000-\u303f\u3400-\u9fff\uff00-\uffef"
"""Chinese characters and full-width marks, as the inside of a character class."""
_CHINESE = re.compile(rf"[{_HAN}]")
_BEFORE = re.compile(rf"(?<=[{_HAN}]) \{{([a-z_]+)\}}")
_AFTER = re.compile(rf"\{{([a-z_]+)\}} (?=[{_HAN}])")
_HERE = "<here>"
"""The labels' placeholder for the reader's place: a channel in one chat, a group in another."""

COMMAND = "/digest"
"""What the labels have before a line of the grammar, as typed in a chat."""
SHELL = "digest"
"""What is typed in a terminal instead."""


class Texts:
    """The labels of one language; `command` is what the reader types before a line of the grammar, `chat` the chat."""

    def __init__(self, language: str, command: str = COMMAND, chat: str = "") -> None:
        self.language = language
        self._labels = _labels(language)
        self._command = command
        here = self._labels["here"]
        self._here = here.get(chat.partition("-")[0], here["other"])  # `feishu-webhook` posts to groups of `feishu`

    def __call__(self, key: str, **fields: object) -> str:
        """The label `section.name` with its `{blanks}` filled: a tuple is listed, an `Aside` has its brackets, an
        error is said without its full stop. The spaces that set off Latin text in Chinese are left out around Chinese.
        """
        section, name = key.split(".")
        label = self._labels[section][name].replace(COMMAND, self._command).replace(_HERE, self._here)
        said = {name: self._said(value) for name, value in fields.items()}
        return _joined(label, said).format(**said)

    def _said(self, value: object) -> object:
        if isinstance(value, Aside):
            return self.aside(value.text, value.aside)
        if isinstance(value, DigestError):
            return self.error(value).rstrip(".。")
        if isinstance(value, tuple):
            return self.listed(map(str, value)) if value else self(_NOTHING)
        return value

    def listed(self, names: Iterable[str]) -> str:
        """Names with what this language has between them."""
        return self("answer.between").join(names)

    def some(self, names: Sequence[str], most: int) -> str:
        """The first names, at most `most`, and that there are more if there are."""
        first = self.listed(names[:most])
        return self("rules.and_more", names=first) if len(names) > most else first

    def aside(self, text: str, aside: str) -> str:
        """A text with an aside in the brackets of this language."""
        return text + self("digest.named", names=aside)

    def sentences(self, *said: str) -> str:
        """Sentences one after another; empty ones are left out."""
        return self("answer.gap").join(filter(None, said))

    def keys(self, section: str) -> tuple[str, ...]:
        """The names of a section's labels, in their order."""
        return tuple(self._labels[section])

    def count(self, name: str, number: int) -> str:
        """A number with its noun in the right form: `1 commit`, `1,234 commits`."""
        form = f"counts.{name}_one" if number == 1 else f"counts.{name}"
        return self(form, n=f"{number:,}")

    def error(self, error: DigestError) -> str:
        """The text of an expected error, for people."""
        return self(f"errors.{error.key}", **error.fields)

    def failure(self, failure: Failure | None) -> str:
        """The text of a stored failure, for people; its key if a later version removed the text."""
        if failure is None:
            return "–"
        try:
            return self(f"errors.{failure.key}", **dict(failure.fields))
        except KeyError:
            return failure.key


def _joined(label: str, said: Mapping[str, object]) -> str:
    """The label without the spaces next to those blanks that are filled with Chinese on that side."""
    label = _BEFORE.sub(lambda blank: blank[0][bool(_CHINESE.match(str(said.get(blank[1])))) :], label)
    return _AFTER.sub(lambda blank: blank[0][: -1 if _CHINESE.match(str(said.get(blank[1]))[-1:]) else None], label)
