"""Finds the authors of commits, by signatures and trailers: people and bots, by their preferred names. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bot.values import Person, one_line, sanitize

_MOST = 20
"""The most people stored for a commit."""
_TRAILERS = 20_000
"""Characters at the end of a message to search for trailers."""
_NAME = 300
"""The most characters stored of a name."""

# --- Signatures ------------------------------------------------------------------------------

_NOREPLY = re.compile(r"^(?:\d+[+-])?([A-Za-z0-9\[\]_.-]{1,100})@users\.noreply\.", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Signature:
    """A name and an email address in a commit, and the account if the host knows it."""

    name: str
    email: str = ""
    login: str | None = None

    @property
    def shown(self) -> str:
        """The name as written, else the email address's local part."""
        return self.name.strip() or self.email.partition("@")[0].strip() or "unknown"

    @property
    def person(self) -> Person:
        """The person, with a one-line name."""
        return Person(one_line(self.shown, _NAME) or "unknown", self.login or login_from_email(self.email))


def login_from_email(email: str) -> str | None:
    """The account behind a `users.noreply` address (`123+name@users.noreply.github.com`), else None."""
    found = _NOREPLY.match(email)
    return found.group(1) if found else None


_CO_AUTHOR = re.compile(r"\s{0,3}co-authored-by:\s{0,3}([^<>\n]{0,200}?)\s{0,3}<([^<>\n]{0,200})>", re.IGNORECASE)


def co_authors(body: str) -> list[Signature]:
    """The people in `Co-authored-by` trailers (docs.github.com, "Creating a commit with multiple authors")."""
    lines = sanitize(body[-_TRAILERS:]).split("\n")
    found = (_CO_AUTHOR.match(line) for line in lines if line.lstrip()[:2].lower() == "co")
    return [Signature(each[1], each[2]) for each in found if each][:_MOST]


# --- Mailmap ---------------------------------------------------------------------------------

MAILMAP_BYTES = 8 * 1024 * 1024
"""The most bytes of a `.mailmap` to read."""
_ENTRY = re.compile(r"([^<#]{0,200})<([^<>]{0,200})>(?:([^<>]{0,200})<([^<>]{0,200})>)?")


@dataclass(frozen=True)
class Mailmap:
    """The preferred names and addresses of people (gitmailmap(5)), by old address, and name if given."""

    entries: Mapping[tuple[str, str], tuple[str, str]] = field(default_factory=dict)

    def __call__(self, signed: Signature) -> Signature:
        """A signature with the preferred name and address."""
        if not self.entries:
            return signed
        email = signed.email.lower()
        found = self.entries.get((email, signed.name.lower())) or self.entries.get((email, ""))
        known = replace(signed, name=found[0] or signed.name, email=found[1] or signed.email) if found else signed
        # Anybody can propose changes to the file: it must not turn a person into a bot, whom a filter would drop.
        return signed if is_bot(known.person) and not is_bot(signed.person) else known


def mailmap(text: str) -> Mailmap:
    """Parse a mailmap; invalid lines are ignored."""
    entries: dict[tuple[str, str], tuple[str, str]] = {}
    for line in text[:MAILMAP_BYTES].splitlines():
        if found := _ENTRY.match(line.lstrip()):
            name, email, old_name, old_email = (part.strip() for part in found.groups(""))
            key = (old_email.lower(), old_name.lower()) if found[4] is not None else (email.lower(), "")
            known = entries.get(key, ("", ""))
            entries[key] = (name or known[0], (email if found[4] is not None else "") or known[1])
    return Mailmap(entries)


# --- Programs --------------------------------------------------------------------------------

# GitHub marks its apps' accounts with `[bot]`; these have other names, which no person has.
_BOTS = frozenset(
    """
    dependabot dependabot-preview renovate github-actions pre-commit-ci mergify greenkeeper weblate zuul bors
    borsng homu copybara copybara-service scala-steward snyk whitesource imgbot allcontributors codecov travis-ci
    semantic-release transifex crowdin pontoon gitlocalize dotnet-maestro google-ml-automation tensorflower-
    gardener chromium-autoroll skia-autoroll rust-timer pyup release-please netlify restyled deepsource sonatype-
    lift hugoreleaser web-flow gitee-ci
    """.split()  # noqa: SIM905  # a list would take sixty lines
)
_BOT_NAME = re.compile(
    r"\[bot\]|\(bot\)|[_-](?:bot|robot|ci)$|(?:^|[_-])bot[_-]|^hosted weblate$|gerrit code review|l10n daemon"
    r"|autoroller?$"
    r"|^(?:github|gitlab) (?:actions?|ci|bot)\b|service account"
    r"|^(?:(?:\w+ ){2,4}|(?:renovate|release|merge|ci|crowdin|weblate|sync|update|github|gitlab|translation|deploy"
    r"|build"
    r"|version|dependency|lint|format|docs|backport|stale|automation) )bot$|机器人$",
    re.IGNORECASE,
)
_NAMED_BOT = re.compile(r"(?:[a-z]{2,}|[A-Z][\w]+)(?:bot|Bot)$")
_PEOPLE = frozenset({"abbot", "talbot", "cabot", "turbot", "sabot", "gobot"})
_TEAM = re.compile(r"^(?P<of>[\w.-]{1,60}) (?:authors|team|developers|contributors)$", re.IGNORECASE)


# Assistants sign what people had them write: they count, but after all other authors.
_ASSISTANT = re.compile(
    r"(?:anthropic )?claude (?:ai|code|opus|sonnet|haiku|\d).*|(?:chat)?gpt[ -]?\d.*|chatgpt.*|(?:github )?copilot\b.*"
    r"|(?:openai )?codex|devin[ -]ai\b.*|gemini (?:cli|code|\d).*|cursor(?: ?agent| ai| grok.*)?|grok \d.*|aider \(.*"
    r"|windsurf|google-labs-jules",
    re.IGNORECASE,
)
_ASSISTANTS_EMAILS = frozenset(
    {"noreply@anthropic.com", "cursoragent@cursor.com", "amp@ampcode.com", "noreply@openai.com"}
)


def _is_assistant(signed: Signature) -> bool:
    return bool(_ASSISTANT.fullmatch(signed.name.strip())) or signed.email.lower() in _ASSISTANTS_EMAILS


def is_bot(person: Person) -> bool:
    """Whether a name or an account is a bot's."""
    return any(_is_program(name) for name in (person.name, person.login or ""))


def _is_program(name: str) -> bool:
    plain = name.strip()
    if plain.lower().replace(" ", "-") in _BOTS or _BOT_NAME.search(plain):
        return True
    return bool(_NAMED_BOT.fullmatch(plain)) and plain.lower() not in _PEOPLE


# --- Who wrote it ----------------------------------------------------------------------------


def writers(signed: Iterable[Sequence[Signature]]) -> tuple[Person, ...]:
    """The authors of commits; each commit is given by its author and then its co-authors.

    The author of most of them comes first, then by number of contributions, then in the order of the commits.

    Bots and assistants count only if no person wrote anything; so does a name for a whole project (`jax authors`, under
    which exports are made).
    """
    commits = list(signed)
    people: dict[str, Person] = {}
    for signature in (each for commit in commits for each in commit):
        people.setdefault(signature.person.name.casefold(), signature.person)
    authored = Counter(commit[0].person.name.casefold() for commit in commits if commit)
    parts = Counter(name for commit in commits for name in {each.person.name.casefold() for each in commit})
    persons = {s.person.name.casefold() for commit in commits for s in commit if not _is_assistant(s)}
    ordered = sorted(people, key=lambda name: (-authored[name], -parts[name]))
    known = [name for name in ordered if not is_bot(people[name])]
    unaided = [name for name in known if name in persons]
    named = [name for name in unaided if not _TEAM.match(name)]
    return tuple(people[name] for name in (named or unaided or known or ordered)[:_MOST])
