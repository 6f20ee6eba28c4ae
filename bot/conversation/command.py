"""A command is one record, from which parsing, nearest matches, help, completion and docs are made."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.addresses import is_group
from bot.app import App
from bot.commits.hosts import Hosts
from bot.conversation import dates
from bot.conversation.grammar import EVERYBODYS
from bot.conversation.naming import Naming
from bot.errors import UsageError
from bot.judgement.asker import Bill
from bot.languages import BASE
from bot.ports import Archive, Database, Ledger, Subscriptions, Talks
from bot.rights import Who
from bot.texts import COMMAND, Texts, words_of
from bot.values import TERMINAL, Account, Form, Period, Place, Post, Repository, Request, Scope, Subscription, one_line


@dataclass(frozen=True, slots=True)
class Defaults:
    """The defaults for places without a subscription.

    `repo` is the repository of the terminal's current folder: it takes precedence over those followed. `asked_language`
    and `asked_zone` were set explicitly: they take precedence over a subscription's. `hosts` parses addresses.
    """

    language: str
    zone: str
    schedule: str
    repo: str = ""
    asked_language: str = ""
    asked_zone: str = ""
    hosts: Hosts = EVERYBODYS


@dataclass(frozen=True, slots=True)
class Services:
    """What commands work with; `by_operator` says that the operator is typing, even if for another place.

    `command` is what the reader types before a line; `is_folder` says whether a word names a repository in the
    operator's current folder; `check_place` raises NotFound or Forbidden for a channel that the bot cannot post in.
    """

    app: App
    archive: Archive
    subscriptions: Subscriptions
    ledger: Ledger
    database: Database
    talks: Talks
    bill: Bill
    defaults: Defaults
    by_operator: bool = False
    command: str = COMMAND
    is_folder: Callable[[str], bool] = lambda _: False
    check_place: Callable[[Place], None] = lambda _: None

    def texts(self, language: str, chat: str = "") -> Texts:
        """The labels for the reader of the answer, in a chat."""
        return Texts(language, self.command, chat)


@dataclass(frozen=True, slots=True)
class Context:
    """A parsed request: its words, its command, and the settings of its place.

    `place` is where the answer goes, `who` reads it, `naming` resolves names for them, and `problem` is the error if
    the line is invalid. `aloud` means that everybody is to see the answer.
    """

    request: Request
    words: tuple[str, ...]
    command: "Command | None"
    place: Place
    who: Who
    texts: Texts
    zone: str
    naming: Naming
    services: Services
    problem: UsageError | None = None
    aloud: bool = False

    @property
    def now(self) -> datetime:
        """The time, in UTC."""
        return self.services.app.clock()

    @property
    def here(self) -> tuple[Subscription, ...]:
        """The subscriptions here that the person asking may know of."""
        return self.naming.here

    @property
    def account(self) -> Account:
        """The account that the language model's tokens are charged to."""
        if self.who.by_operator or self.services.app.repositories.rights.is_operator(self.place):
            return TERMINAL
        return Account(self.place.chat, self.place.channel, self.who.person)

    def repositories(self, named: str = "") -> list[Repository]:
        """The repositories that are meant, with groups expanded. Raises as `Naming.meant` does."""
        if not named:
            return self.naming.single()
        found = self.naming.meant(named)
        return [m for each in found for m in (self.naming.members(each) if is_group(each.name) else (each,))]

    def subscribed(self, repo: str) -> Subscription:
        """The place's subscription to `repo`, or what a new one would be."""
        return self.naming.subscribed(repo) or self.fresh(repo)

    def fresh(self, repo: str = "") -> Subscription:
        """What a new subscription would be."""
        return Subscription(self.place, repo, self.services.defaults.schedule, self.zone, self.texts.language)

    def scope(self, repo: str, period: Period) -> Scope:
        """The scope of a period with this place's settings."""
        followed = self.subscribed(repo)
        about = (repo, period, self.texts.language, followed.branch, followed.filters)
        return Scope(*about, rollup=period.is_long)


Handler = Callable[[Context, Sequence[str]], tuple[Post, ...]]
"""Answers a line; it gets the words after the command. Raises DigestError if there is no answer."""


@dataclass(frozen=True, slots=True)
class Command:
    """Something that people can ask for by a word.

    `name` is the key of its words in the labels (`[words]`), and also of its help (`[help]`) unless `help` gives
    another key; `run` answers. `form` returns the form to show instead if the chat can show one and the words ask for
    it, else None. A `free` one accepts any words. One that is `about_place` concerns what a place follows: in a
    terminal `--to` names that place, which must be set up if the command starts a subscription there (`begins`).
    `files` says that it answers with files, `dated` that the words after it name a day.
    """

    name: str
    run: Handler
    help: str = ""
    form: Callable[[Context, Sequence[str]], Form | None] = lambda *_: None
    free: bool = False
    about_place: bool = False
    begins: bool = False
    files: bool = False
    dated: bool = False


PUBLIC = "post"
"""The word at the end of a line that makes the answer visible to everybody."""


_ALIKE, _SURELY_ALIKE = 0.6, 0.75
"""How similar a word must be to a known one: the first of a line, and any other."""


def unknown(*words: str) -> UsageError:
    """The error for unknown words of a line: it suggests a known word for the first that resembles one."""
    known = [each for name in Texts(BASE).keys("words") if name != PUBLIC for each in words_of(name)]
    for number, word in enumerate(words):
        cutoff = _SURELY_ALIKE if number else _ALIKE
        if near := difflib.get_close_matches(word.lower(), (*known, *dates.NAMES), n=1, cutoff=cutoff):
            return UsageError("command_near", word=one_line(word, 60), near=near[0])
    return UsageError("command_unknown", word=one_line(words[0], 60))
