"""What a command is: one record, from which parsing, the nearest match, help, completion and docs are made."""

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
    """What holds where a place has no subscription that says otherwise.

    `repo` is the repository that somebody works in who has a terminal open there: it comes before what is followed.
    `asked_language` and `asked_zone` are what somebody asked for by name: they come before what a subscription says.
    `hosts` reads addresses of repositories.
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
    """What commands work with; `by_operator` says that the operator types, also where another place is meant.

    `command` is what who reads the answer types before a line; `is_folder` says of a word whether it names a repository
    in the folder that the operator works in; `check_place` raises NotFound or Forbidden for a channel in which the bot
    cannot post.
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
        """The labels for who reads the answer, in a chat."""
        return Texts(language, self.command, chat)


@dataclass(frozen=True, slots=True)
class Context:
    """A request, read once: its words, its command, and what its place has set.

    `place` is where the answer goes, `who` who reads it, `naming` finds what is meant for them, `problem` says what of
    the line cannot be read. With `aloud` it was asked for that everybody sees the answer.
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
        """What is followed here, as far as who asks may know of it."""
        return self.naming.here

    @property
    def account(self) -> Account:
        """On whose account the language model is asked."""
        if self.who.by_operator or self.services.app.repositories.rights.is_operator(self.place):
            return TERMINAL
        return Account(self.place.chat, self.place.channel, self.who.person)

    def repositories(self, named: str = "") -> list[Repository]:
        """The repositories that are meant, those of groups one by one. Raises as `Naming.meant` does."""
        if not named:
            return self.naming.single()
        found = self.naming.meant(named)
        return [m for each in found for m in (self.naming.members(each) if is_group(each.name) else (each,))]

    def subscribed(self, repo: str) -> Subscription:
        """The place's subscription of `repo`, or what a new one would be."""
        return self.naming.subscribed(repo) or self.fresh(repo)

    def fresh(self, repo: str = "") -> Subscription:
        """What a new subscription would be."""
        return Subscription(self.place, repo, self.services.defaults.schedule, self.zone, self.texts.language)

    def scope(self, repo: str, period: Period) -> Scope:
        """A period as this place sees it."""
        followed = self.subscribed(repo)
        about = (repo, period, self.texts.language, followed.branch, followed.filters)
        return Scope(*about, rollup=period.is_long)


Handler = Callable[[Context, Sequence[str]], tuple[Post, ...]]
"""Answers a line whose words behind the command are given. Raises DigestError for what cannot be answered."""


@dataclass(frozen=True, slots=True)
class Command:
    """One thing that people can ask for by a word.

    `name` names its words in the labels (`[words]`), and its help there (`[help]`) where `help` names no other; `run`
    answers. `form` gives the form instead, in a chat that can show one, where the words ask for it, else None. A `free`
    one takes any words. One that is `about_place` concerns what a place follows: in a terminal `--to` names
    that place, which must be set up where something `begins` there. `files` says that it answers with files, `dated`
    that the words behind it name a day.
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
"""The thing of the grammar which, at the end of a line, lets everybody see the answer."""


_ALIKE, _SURELY_ALIKE = 0.6, 0.75
"""How near a word must be to one that is known: the first of a line, and any other."""


def unknown(*words: str) -> UsageError:
    """The error for the words of a line that nobody knows: of the first that is near one that is known, with that."""
    known = [each for name in Texts(BASE).keys("words") if name != PUBLIC for each in words_of(name)]
    for number, word in enumerate(words):
        cutoff = _SURELY_ALIKE if number else _ALIKE
        if near := difflib.get_close_matches(word.lower(), (*known, *dates.NAMES), n=1, cutoff=cutoff):
            return UsageError("command_near", word=one_line(word, 60), near=near[0])
    return UsageError("command_unknown", word=one_line(words[0], 60))
