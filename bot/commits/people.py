"""Who wrote what landed, by signatures and trailers: people apart from programs, under the names they go by. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bot.values import Person, inert, one_line

_MOST = 20
"""People of one commit that are kept."""
_TRAILERS = 20_000
"""Characters at the end of a message in which trailers are looked for."""
_NAME = 300
"""Characters of a name that are kept."""

# --- Signatures ------------------------------------------------------------------------------

_NOREPLY = re.compile(r"^(?:\d+[+-])?([A-Za-z0-9\[\]_.-]{1,100})@users\.noreply\.", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Signature:
    """A name and an email address as a commit bears them, and the account where the host knows it."""

    name: str
    email: str = ""
    login: str | None = None

    @property
    def shown(self) -> str:
        """The name as written, else the email address's local part."""
        return self.name.strip() or self.email.partition("@")[0].strip() or "unknown"

    @property
    def person(self) -> Person:
        """Who that is, in a name of one line."""
        return Person(one_line(self.shown, _NAME) or "unknown", self.login or login_from_email(self.email))


def login_from_email(email: str) -> str | None:
    """The account behind a `users.noreply` address (`123+name@users.noreply.github.com`), else None."""
    found = _NOREPLY.match(email)
    return found.group(1) if found else None


_CO_AUTHOR = re.compile(r"\s{0,3}co-authored-by:\s{0,3}([^<>\n]{0,200}?)\s{0,3}<([^<>\n]{0,200})>", re.IGNORECASE)


def co_authors(body: str) -> list[Signature]:
    """Whom `Co-authored-by` trailers name (docs.github.com, "Creating a commit with multiple authors")."""
    lines = inert(body[-_TRAILERS:]).split("\n")
    found = (_CO_AUTHOR.match(line) for line in lines if line.lstrip()[:2].lower() == "co")
    return [Signature(each[1], each[2]) for each in found if each][:_MOST]


# --- Mailmap ---------------------------------------------------------------------------------

MAILMAP_BYTES = 8 * 1024 * 1024
"""A larger `.mailmap` is read to here."""
_ENTRY = re.compile(r"([^<#]{0,200})<([^<>]{0,200})>(?:([^<>]{0,200})<([^<>]{0,200})>)?")


@dataclass(frozen=True)
class Mailmap:
    """The names and addresses that people want to go by (gitmailmap(5)): by old address, and name where one counts."""

    entries: Mapping[tuple[str, str], tuple[str, str]] = field(default_factory=dict)

    def __call__(self, signed: Signature) -> Signature:
        """A signature under the name and address that its owner goes by."""
        if not self.entries:
            return signed
        email = signed.email.lower()
        found = self.entries.get((email, signed.name.lower())) or self.entries.get((email, ""))
        return replace(signed, name=found[0] or signed.name, email=found[1] or signed.email) if found else signed


def mailmap(text: str) -> Mailmap:
    """The mailmap of a file; a line that says nothing is passed over."""
    entries: dict[tuple[str, str], tuple[str, str]] = {}
    for line in text[:MAILMAP_BYTES].splitlines():
        if found := _ENTRY.match(line.lstrip()):
            name, email, old_name, old_email = (part.strip() for part in found.groups(""))
            key = (old_email.lower(), old_name.lower()) if found[4] is not None else (email.lower(), "")
            known = entries.get(key, ("", ""))
            entries[key] = (name or known[0], (email if found[4] is not None else "") or known[1])
    return Mailmap(entries)


# --- Programs --------------------------------------------------------------------------------

# GitHub marks its apps' accounts with `[bot]`; these call themselves otherwise.
_BOTS = frozenset(
    """
    dependabot dependabot-preview renovate github-actions pre-commit-ci mergify greenkeeper weblate zuul bors copybara
    copybara-service scala-steward snyk whitesource imgbot allcontributors codecov travis travis-ci semantic-release
    transifex crowdin pontoon gitlocalize homu dotnet-maestro google-ml-automation tensorflower-gardener gardener
    chromium-autoroll autoroll skia-autoroll rust-timer pyup release-please changesets lerna netlify restyled deepsource
    sonatype-lift gerrit jenkins buildbot ghost-automation web-flow gitee-ci marge
    """.split()  # noqa: SIM905  # a list would take sixty lines
)
_BOT_NAME = re.compile(
    r"\[bot\]|\(bot\)|(?:^|[\s_-])bot(?:$|[\s_-])|(?:^|[\s_-])robot$|^hosted weblate$|gerrit code review|l10n daemon"
    r"|autoroller?$"
    r"|^(?:github|gitlab) (?:actions?|ci|bot)\b|(?:^|[\s_-])ci$|service account|(?:^|[\s-])automation(?:$|[\s-])"
    r"|机器人$",
    re.IGNORECASE,
)
_TEAM = re.compile(r"^(?P<of>[\w.-]{1,60}) (?:authors|team|developers|contributors)$", re.IGNORECASE)


# Assistants sign what somebody had them write: they are no noise, but whoever else signs goes before them.
_ASSISTANT = re.compile(
    r"claude (?:code|opus|sonnet|haiku)\b.*|(?:chat)?gpt[ -]?\d.*|chatgpt.*|(?:github )?copilot\b.*|(?:openai )?codex"
    r"|devin[ -]ai\b.*"
    r"|gemini (?:cli|code|\d).*|cursor(?: ?agent)?|aider \(.*|amp|windsurf|google-labs-jules",
    re.IGNORECASE,
)
_ASSISTANTS_EMAILS = frozenset(
    {"noreply@anthropic.com", "cursoragent@cursor.com", "amp@ampcode.com", "noreply@openai.com"}
)


def _is_assistant(signed: Signature) -> bool:
    return bool(_ASSISTANT.fullmatch(signed.name.strip())) or signed.email.lower() in _ASSISTANTS_EMAILS


def is_bot(person: Person) -> bool:
    """Whether a name or an account is a program's."""
    return any(_is_program(name) for name in (person.name, person.login or ""))


def _is_program(name: str) -> bool:
    plain = name.strip().lower()
    return plain.replace(" ", "-") in _BOTS or bool(_BOT_NAME.search(plain))


# --- Who wrote it ----------------------------------------------------------------------------


def writers(signed: Iterable[Sequence[Signature]]) -> tuple[Person, ...]:
    """Who wrote commits, each given by its author and co-authors: who wrote most of them first, else in order.

    Programs and assistants count only where nobody else wrote anything; so does a name that stands for a whole project
    (`jax authors`, under which exports are made).
    """
    signatures = [signature for each in signed for signature in each]
    assistants = {s.person.name.casefold() for s in signatures if _is_assistant(s)}
    people = [signature.person for signature in signatures]
    count = Counter(person.name.casefold() for person in people)
    once = {person.name.casefold(): person for person in reversed(people)}
    ordered = sorted(dict.fromkeys(person.name.casefold() for person in people), key=lambda name: -count[name])
    everybody = [once[name] for name in ordered]
    known = [p for p in everybody if not is_bot(p)]
    persons = [p for p in known if p.name.casefold() not in assistants]
    named = [p for p in persons if not _TEAM.match(p.name)]
    return tuple((named or persons or known or everybody)[:_MOST])
