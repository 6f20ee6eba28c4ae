"""The grammar of `/digest …`: one line in, posts out, the same in every chat and in the terminal.

    /digest                        the last digest again
    /digest 6344 | #6344 | !6344 | 9a93eb7 | owner/repo#6344 | owner/repo@9a93eb7 | a commit's or pull request's URL
    /digest today | yesterday | week | latest | 2026-02-18  [owner/repo]
    /digest report [owner/repo] [2026-02-18]
    /digest search WORDS
    /digest subscribe owner/repo [at 09:00] [on mon-fri] [zone Z] [lang en|zh] [branch B] [paths a/,b/] [authors -bot]
    /digest unsubscribe owner/repo | settings [owner/repo] | list | status | usage | help
    /digest explain TEXT           the commits that a text links to

A repository is `owner/repo`, a path, or its address in any spelling: what is followed here under any name comes first.
`post` at the end answers where everybody sees it, in a chat that answers a person alone. Everything that is richer in a
chat (buttons, forms) ends as such a line.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import TypeVar

from bot.app import App, Scope
from bot.commits.hosts import Hosts
from bot.conversation import forms, operator
from bot.delivery import resting, schedule
from bot.errors import DigestError, NotFound, UsageError
from bot.posts import post as digests
from bot.posts import report
from bot.settings import check_zone
from bot.texts import LANGUAGES, Texts
from bot.values import (
    Button,
    Buttons,
    Commit,
    DeliveryState,
    Digest,
    Fields,
    Filters,
    Form,
    Line,
    Message,
    MessageKind,
    Part,
    Period,
    Place,
    Post,
    Problem,
    Repository,
    Request,
    Span,
    Spending,
    Subscription,
    Table,
    Text,
    one_line,
    without_credentials,
)

_TEXT_LIMIT = 2_000
_FOUND_LIMIT = 20
_EXPLAINED = 3
"""Commits of one text that are explained at once: each can be long."""
_PUBLIC = ("post", "发布")
_RECENT = 20
_T = TypeVar("_T")
_Made = TypeVar("_Made")

# --- Reading a line --------------------------------------------------------------------------

_LEAD = re.compile(r"^\s*[/／]?\s*(?:digest(?:\s+|$)|日报\s*)", re.IGNORECASE)
_WIDE = str.maketrans("＃＠／", "#@/")
"""What a Chinese keyboard writes for characters of the grammar."""
_SLACK_LINK = re.compile(r"<(https?://[^|>\s]+)(?:\|[^>]*)?>")
_WORD = re.compile(r'(?<!\S)[“"]([^"“”]+)[”"](?!\S)|(\S+)')
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}")
_LINK = re.compile(r"https?://\S+", re.IGNORECASE)
_REF = re.compile(r"(?P<repo>.*?)(?:[#!](?P<pull>\d{1,9})|@(?P<at>[0-9a-f]{4,64}))", re.IGNORECASE)
_BARE = re.compile(r"[0-9a-f]{4,64}|\d{1,9}", re.IGNORECASE)

EVERYBODYS = Hosts()
"""The code hosts that everybody knows, where the operator has named none."""

VERBS = {
    "today": "today",
    "今天": "today",
    "yesterday": "yesterday",
    "昨天": "yesterday",
    "week": "week",
    "本周": "week",
    "latest": "latest",
    "最近": "latest",
    "report": "report",
    "报告": "report",
    "search": "search",
    "搜索": "search",
    "subscribe": "subscribe",
    "订阅": "subscribe",
    "unsubscribe": "unsubscribe",
    "退订": "unsubscribe",
    "list": "list",
    "列表": "list",
    "settings": "settings",
    "设置": "settings",
    "explain": "explain",
    "解释": "explain",
    "status": "status",
    "状态": "status",
    "usage": "usage",
    "用量": "usage",
    "help": "help",
    "帮助": "help",
}
"""Every word that starts a command, and the command it means."""

_PERIODS = {"today": schedule.so_far, "yesterday": schedule.yesterday, "week": schedule.week}
_OPTIONS = ("at", "on", "zone", "lang", "branch", "paths", "authors", "bots", "quiet")


@dataclass(frozen=True, slots=True)
class Reference:
    """A commit as people name it; a bare number may be both a pull request and the start of a SHA.

    `repo` is a name or an address of the repository, empty for none.
    """

    repo: str = ""
    pull: int | None = None
    sha: str = ""


_STOPS = "。，、；？！"
"""What ends a sentence in Chinese is no part of a word."""


def words(text: str) -> list[str]:
    """The words of a line without `/digest`, with links that a chat wrapped taken out of their brackets.

    What stands between double quotes is one word: a path may hold spaces.
    """
    line = _SLACK_LINK.sub(r"\1", _LEAD.sub("", one_line(text[:_TEXT_LIMIT]))).translate(_WIDE)
    return [quoted or plain.rstrip(_STOPS) or plain for quoted, plain in _WORD.findall(line)]


def verb_of(line: str) -> str:
    """The command that a line begins with, whatever it is called; empty for none."""
    return VERBS.get(next(iter(words(line)), "").lower(), "")


def _check_length(line: str) -> None:
    """Refuse a line that would be cut. Raises UsageError."""
    if len(line) > _TEXT_LIMIT:
        raise UsageError("line_long", limit=f"{_TEXT_LIMIT:,}", length=f"{len(line):,}")


def reference(word: str, hosts: Hosts = EVERYBODYS) -> Reference | None:
    """What commit a word names, or None. `hosts` reads addresses."""
    page = hosts.page(word)
    if page and (page.number is not None or page.sha):
        return Reference(page.repository.typed, page.number, page.sha)
    if found := _REF.fullmatch(word):
        return Reference(found["repo"], int(found["pull"]) if found["pull"] else None, (found["at"] or "").lower())
    if _BARE.fullmatch(word):
        number = int(word) if word.isdigit() and len(word) <= 9 else None
        return Reference(pull=number, sha=word.lower() if len(word) >= 4 else "")
    return None


def references(text: str, hosts: Hosts = EVERYBODYS) -> tuple[Reference, ...]:
    """The commits and pull requests that a text links to, each once, in order. `hosts` reads addresses."""
    found: dict[Reference, None] = {}
    for word in words(text):
        link = _LINK.search(word)
        page = hosts.page(link[0] if link else word)
        if page and (page.number is not None or page.sha):
            found[Reference(page.repository.typed, page.number, page.sha)] = None
    return tuple(found)


def publicly(request: Request) -> Request:
    """A request whose line ends in `post`, without that word, for everybody to see."""
    typed = words(request.text)
    if len(typed) < 2 or typed[-1].lower() not in _PUBLIC or typed[0].lower() in _FREE:
        return request
    text = re.sub(r"\s*\S+\s*$", "", request.text)
    return replace(request, text=text, place=replace(request.place, viewer=None))


_FREE = ("search", "搜索")
"""Commands whose words are anything: there `post` is a word like others."""


def is_repository(word: str) -> bool:
    """Whether a word can name a repository: `owner/repo`, a path, or an address."""
    return "/" in word or word in (".", "..") or word.startswith("~")


def parse_date(word: str) -> date:
    """The date of `2026-02-18`. Raises UsageError for a day that no calendar has, or that is before the Unix epoch."""
    try:
        found = date(*(int(part) for part in word.split("-")))
    except ValueError:
        found = date.min
    if found.year < _FIRST_YEAR:
        raise UsageError("date_invalid", text=word)
    return found


_FIRST_YEAR = 1970


# --- Answering -------------------------------------------------------------------------------


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


class Commands:
    """Answers requests with posts."""

    def __init__(self, app: App, defaults: Defaults) -> None:
        self._app = app
        self._defaults = defaults
        self._hosts = defaults.hosts
        self._handlers: dict[str, Callable[[_Asked, list[str]], tuple[Post, ...]]] = {
            "today": self._day,
            "yesterday": self._day,
            "week": self._day,
            "latest": self._day,
            "report": self._report,
            "search": self._search,
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
            "list": self._list,
            "settings": self._list,
            "explain": self._explain,
            "status": self._status,
            "usage": self._usage,
            "help": self._help,
        }

    def answer(self, request: Request) -> tuple[Post, ...]:
        """What is answered; an expected failure is answered with its text in the place's language."""
        try:
            return self.run(request)
        except DigestError as error:
            texts = self._asked(request).texts
            return (Post(Message("error", (Span(texts.error(error)),), kind=MessageKind.ERROR)),)

    def run(self, request: Request) -> tuple[Post, ...]:
        """What is answered. Raises DigestError for what cannot be."""
        asked = self._asked(request)
        posts = self._answer(asked, words(request.text))
        told = dict.fromkeys(asked.texts.error(error) for error in asked.failed)
        return (*posts, *(Post(Message("error", (Span(text),), kind=MessageKind.ERROR)) for text in told))

    def _answer(self, asked: _Asked, typed: list[str]) -> tuple[Post, ...]:
        _check_length(asked.request.text)
        if not typed:
            return self._last(asked)
        if verb := VERBS.get(typed[0].lower()):
            return self._handlers[verb](asked, [verb, *typed[1:]])
        if any(_DATE.fullmatch(word) for word in typed):
            return self._day(asked, typed)
        if len(typed) == 1 and (named := reference(typed[0], self._hosts)):
            return self._expand(asked, named)
        if len(typed) <= 2 and is_repository(typed[0]):
            return self._day(asked, [*typed[1:], typed[0]] if len(typed) == 2 else ["yesterday", typed[0]])
        raise self._unknown(typed[0])

    @staticmethod
    def _unknown(word: str) -> UsageError:
        if near := difflib.get_close_matches(word.lower(), VERBS, n=1, cutoff=0.6):
            return UsageError("command_near", word=one_line(word, 60), near=near[0])
        return UsageError("command_unknown", word=one_line(word, 60))

    def _asked(self, request: Request) -> _Asked:
        """The request with what its channel has set."""
        here = self._app.store.subscriptions(request.place.whole)
        named = next((word for word in words(request.text) if is_repository(word)), self._defaults.repo)
        followed = next((s for s in here if self._is(s.repo, named)), here[0] if here else None)
        language = self._defaults.asked_language or (followed.language if followed else self._defaults.language)
        zone = self._defaults.asked_zone or (followed.zone if followed else self._defaults.zone)
        return _Asked(request, here, Texts(language), zone)

    # --- Which repository --------------------------------------------------------------------

    def spelled(self, place: Place, word: str) -> str:
        """The name of the repository that a word means in a place. Raises UsageError."""
        return self._spelled(self._asked(Request("", place, "")), word)

    def _spelled(self, asked: _Asked, word: str) -> str:
        """The name of the repository that a word means, as far as its spelling tells.

        That is what is followed here under another spelling. Else an address as git takes it stays what git clones from
        if the operator types it, or has listed it; any other address means GitHub's `owner/name`, or what git clones.
        Raises UsageError for what means none.
        """
        if followed := next((s.repo for s in asked.here if self._is(s.repo, word)), ""):
            return followed
        page = self._hosts.page(word)
        if page is None:
            return self._name_or_path(asked, word)
        if self._is_clone(asked, word):
            return word
        names = self._hosts.names(page.repository)
        return next(filter(self._app.is_listed, names), names[0])

    def _name_or_path(self, asked: _Asked, word: str) -> str:
        """`word` as `owner/name`, or as a path, which only the operator may name. Raises UsageError."""
        name = word.rstrip("/").removesuffix(".git")
        if self._hosts.is_name(name) and (self._hosts.is_name(word) or not self._app.is_operator(asked.place)):
            return name
        if self._app.is_operator(asked.place) or self._app.is_listed(word) or word.startswith(("/", ".", "~")):
            return word
        raise UsageError("repository_unclear", text=one_line(without_credentials(word), 60))

    def _is(self, repo: str, word: str) -> bool:
        """Whether the name `repo` and a word are spellings of one repository."""
        return repo == word or (bool(key := self._hosts.key(word)) and self._hosts.key(repo) == key)

    def _is_clone(self, asked: _Asked, word: str) -> bool:
        """Whether a word is an address to clone from as it stands, and somebody wants just that."""
        page = self._hosts.page(word)
        wanted = self._app.is_operator(asked.place) or self._app.is_listed(word)
        return bool(page and page.plain and wanted)

    def _repository(self, asked: _Asked, word: str, at_hand: Sequence[str]) -> Repository:
        """The repository that a word means: the one at hand that is called so, or lives there, else any other.

        Raises DigestError.
        """
        name = self._spelled(asked, word)
        known = None if name in at_hand else self._titled(asked, at_hand, word)
        return known or self._app.repository(name, asked.place)

    def _meant(self, asked: _Asked, named: str = "", *, cloned: bool = False) -> list[Repository]:
        """The repositories that are meant: the one named, else the one worked in, else those followed here.

        With `cloned` an address to clone from means a clone of its own, also where one is at hand.
        """
        worked_in = [self._spelled(asked, self._defaults.repo)] if self._defaults.repo else []
        at_hand = worked_in or list(dict.fromkeys(s.repo for s in asked.here))
        if named:
            apart = cloned and self._is_clone(asked, named)
            return [self._repository(asked, named, () if apart else at_hand)]
        if not at_hand:
            raise UsageError("repo_missing")
        return self._each(asked, at_hand, lambda repo: self._app.repository(repo, asked.place))

    @staticmethod
    def _each(asked: _Asked, things: Sequence[_T], work: Callable[[_T], _Made]) -> list[_Made]:
        """`work` on each of several; one that fails costs no other its answer, and is told at the end.

        Raises the first failure where all fail.
        """
        made: list[_Made] = []
        failed: list[DigestError] = []
        for thing in things:
            try:
                made.append(work(thing))
            except DigestError as error:
                failed.append(error)
        if failed and not made:
            raise failed[0]
        asked.failed.extend(failed)
        return made

    def _titled(self, asked: _Asked, at_hand: Sequence[str], word: str) -> Repository | None:
        """The clone at hand whose title or address a word is, so that a link from the web finds the clone worked in."""
        for repo in at_hand:
            try:
                repository = self._app.repository(repo, asked.place)
            except DigestError:
                continue  # one that is out of reach cannot be the one that is meant
            if repository.title.lower() == word.lower() or self._is(repository.url or "", word):
                return repository
        return None

    # --- Digests -----------------------------------------------------------------------------

    def _last(self, asked: _Asked) -> tuple[Post, ...]:
        """The last digest of each repository again; yesterday's where there is none yet."""
        return tuple(self._each(asked, self._meant(asked), lambda repository: self._last_of(asked, repository)))

    def _last_of(self, asked: _Asked, repository: Repository) -> Post:
        scope = self._scope(asked, repository, schedule.yesterday(self._app.clock(), asked.zone))
        branch = scope.branch or repository.branch
        recent = self._app.store.recent_digests(repository.name, branch, asked.texts.language, _RECENT)
        # Another channel may have asked for the same branch with other filters, or in another zone.
        kept = [d for d in recent if (d.filters, d.period.zone) == (scope.filters, asked.zone)]
        return self._post(kept[0] if kept else self._app.digest(repository, scope), asked.texts)

    def digests(self, request: Request) -> tuple[Digest, ...]:
        """The digests of `yesterday owner/repo` and the like, before any layout. Raises DigestError."""
        asked = self._asked(request)
        return self._digests(asked, words(request.text))

    def _day(self, asked: _Asked, typed: list[str]) -> tuple[Post, ...]:
        return tuple(self._post(made, asked.texts) for made in self._digests(asked, typed))

    def _digests(self, asked: _Asked, typed: Sequence[str]) -> tuple[Digest, ...]:
        named = [w for w in typed if is_repository(w)]
        if len(named) > 1:
            raise UsageError("repo_one", first=one_line(named[0], 60), second=one_line(named[1], 60))
        left = [w for w in typed if not is_repository(w)]

        def make(repository: Repository) -> Digest:
            period = self._period(asked, repository, left)
            return self._app.digest(repository, self._scope(asked, repository, period))

        return tuple(self._each(asked, self._meant(asked, *named, cloned=True), make))

    def _scope(self, asked: _Asked, repository: Repository, period: Period) -> Scope:
        followed = self._subscribed(asked, repository.name)
        return Scope(repository.name, period, asked.texts.language, followed.branch, followed.filters)

    def _subscribed(self, asked: _Asked, repo: str) -> Subscription:
        """The place's subscription of `repo`, or what a new one would be."""
        fresh = Subscription(asked.place, repo, self._defaults.schedule, asked.zone, asked.texts.language)
        return next((s for s in asked.here if s.repo == repo), fresh)

    def _period(self, asked: _Asked, repository: Repository, typed: Sequence[str]) -> Period:
        now, zone = self._app.clock(), asked.zone
        if len(typed) == 2 and all(_DATE.fullmatch(word) for word in typed):
            return self._span(now, zone, *sorted(map(parse_date, typed)))
        if len(typed) != 1:
            raise self._unknown(typed[1] if len(typed) > 1 else "")
        word = VERBS.get(typed[0].lower(), typed[0])
        if word in _PERIODS:
            return _PERIODS[word](now, zone)
        if word != "latest" and not _DATE.fullmatch(word):
            raise self._unknown(word)
        branch = self._subscribed(asked, repository.name).branch
        wanted = self._app.latest(repository, zone, branch) if word == "latest" else parse_date(word)
        return self._span(now, zone, wanted, wanted)

    @staticmethod
    def _span(now: datetime, zone: str, first: date, last: date) -> Period:
        """The days from `first` to `last`, until now where the last is today. Raises UsageError for a later one."""
        today = schedule.today(now, zone)
        if last > today:
            raise UsageError("date_future", date=last.isoformat())
        until = now if last == today else schedule.day(last, zone).until
        return Period(schedule.day(first, zone).since, until, zone)

    def _post(self, digest: Digest, texts: Texts) -> Post:
        return digests.post(digest, texts, report.attachments(digest, texts))

    def _report(self, asked: _Asked, typed: list[str]) -> tuple[Post, ...]:
        rest = typed[1:] if any(not is_repository(w) for w in typed[1:]) else ["yesterday", *typed[1:]]
        return tuple(self._files(made, asked.texts) for made in self._digests(asked, rest))

    @staticmethod
    def _files(made: Digest, texts: Texts) -> Post:
        title = f"{texts('digest.report')}: {made.repository.title} · {digests.day_label(made.period, texts)}"
        return Post(Message("report", (Span(title),), report.attachments(made, texts), kind=MessageKind.REPORT))

    # --- One commit --------------------------------------------------------------------------

    def _expand(self, asked: _Asked, named: Reference) -> tuple[Post, ...]:
        found = self._candidates(asked, named)
        if len(found) > 1:
            return (self._ask_back(asked, named, found),)
        repository, commit, _ = found[0]
        entry = self._app.expand(repository, commit, asked.texts.language)
        message = digests.commit_message(repository, entry, asked.zone, asked.texts)
        return (Post(message),)

    def _explain(self, asked: _Asked, typed: list[str]) -> tuple[Post, ...]:
        """The commits that a text links to: one in full, or the first few of them."""
        found = references(" ".join(typed[1:]), self._hosts)
        if not found:
            raise UsageError("explain_nothing")
        posts = self._each(asked, found[:_EXPLAINED], lambda one: self._expand(asked, one))
        if len(found) > _EXPLAINED:
            more = asked.texts("answer.explained", n=_EXPLAINED, of=len(found))
            posts.append((Post(Message("more", (Span(more),))),))
        return tuple(post for answer in posts for post in answer)

    def _candidates(self, asked: _Asked, named: Reference) -> list[tuple[Repository, Commit, str]]:
        """Every commit that the reference can mean, each with its number or `@sha`, which name it in its repository."""
        found: dict[tuple[str, str], tuple[Repository, Commit, str]] = {}
        missing: list[DigestError] = []
        for repository in self._meant(asked, named.repo):
            for look in self._looks(repository, named):
                try:
                    commit, name = look()
                except DigestError as error:
                    if isinstance(error, UsageError):
                        raise
                    missing.append(error)
                else:
                    found.setdefault((repository.name, commit.sha), (repository, commit, name))
        if not found:
            raise missing[0]
        return list(found.values())

    def _looks(self, repository: Repository, named: Reference) -> list[Callable[[], tuple[Commit, str]]]:
        """The ways to look a reference up.

        A bare number of up to six digits is a pull request; only a SHA that the bot has told of can make it ambiguous,
        since in a large repository nearly every short number starts some SHA.
        """
        looks: list[Callable[[], tuple[Commit, str]]] = []
        if (number := named.pull) is not None:
            looks.append(lambda: (self._app.pull(repository, number), repository.number(number)))
        if named.sha and (named.pull is None or len(named.sha) >= 7):
            looks.append(lambda: self._by_sha(repository, named.sha))
        elif named.sha:
            for kept in self._app.store.commits_by_sha(repository.name, named.sha):
                looks.append(lambda kept=kept: (kept, f"@{kept.sha}"))  # type: ignore[misc]
        return looks

    def _by_sha(self, repository: Repository, sha: str) -> tuple[Commit, str]:
        commit = self._app.commit(repository, sha)
        return commit, f"@{commit.sha}"

    def _ask_back(self, asked: _Asked, named: Reference, found: Sequence[tuple[Repository, Commit, str]]) -> Post:
        texts = asked.texts
        lines: list[Line] = [
            (Span(f"{repository.title} {commit.short}: ", code=True), *digests.subject_line(repository, commit, 100))
            for repository, commit, _ in found
        ]
        buttons = tuple(
            Button(f"{one_line(repository.title, 60)}{name[:10]}", forms.quoted(f"{repository.name}{name}"))
            for repository, _, name in found
        )
        title = texts("answer.which", text=named.sha or found[0][0].number(named.pull or 0))
        return Post(
            Message(
                "which", (Span(title),), (Text(tuple(lines), bullets=True), Buttons(buttons)), kind=MessageKind.QUESTION
            )
        )

    # --- Search ------------------------------------------------------------------------------

    def _search(self, asked: _Asked, typed: list[str]) -> tuple[Post, ...]:
        wanted = " ".join(typed[1:])
        if not wanted:
            raise UsageError("search_empty")
        by_name = {r.name: r for r in self._meant(asked)}
        found = self._app.store.search(wanted, list(by_name), _FOUND_LIMIT + 1)
        more, found = len(found) > _FOUND_LIMIT, found[:_FOUND_LIMIT]
        if not found:
            raise NotFound("search_nothing", text=one_line(wanted, 60))
        rows = tuple(
            (
                (Span(f"{digests.local(c.committed, asked.zone):%Y-%m-%d}"),),
                (Span(digests.people_label(c, digests.AUTHOR_LIMIT)),),
                digests.subject_line(by_name[c.repo], c),
                (Span(c.short, by_name[c.repo].commit_url(c.sha), code=True),),
            )
            for c in found
        )
        texts = asked.texts
        columns = (*(texts(f"table.{name}") for name in ("time", "author", "message")), "SHA")
        key = "answer.found_more" if more else "answer.found"
        title = texts(key, count=texts.count("commits", len(found)), text=one_line(wanted, 60))
        return (Post(Message("search", (Span(title),), (Table(columns, rows),))),)

    # --- Subscriptions -----------------------------------------------------------------------

    def _subscribe(self, asked: _Asked, typed: list[str]) -> tuple[Post, ...]:
        if len(typed) < 2 or not is_repository(typed[1]):
            raise UsageError("subscribe_what")
        clones = [s.repo for s in asked.here if not self._hosts.key(s.repo)]  # what they are of only they can tell
        repository = self._repository(asked, typed[1], clones)
        wanted = self._wanted(asked, repository.name, _options(typed[2:]))
        self._app.check_branch(repository, wanted.branch)
        kept = self._app.store.subscribe(
            replace(self._begun(asked, wanted), place=asked.place.whole, repo=repository.name, paused="")
        )
        resting.resume(kept, self._app.clock(), self._app.store, self._app.store)
        texts = Texts(kept.language)
        title = texts("answer.subscribed", repo=repository.title)
        parts = (self._described(kept, texts),)
        return (Post(Message("subscribed", (Span(title),), parts, kind=MessageKind.ANNOUNCEMENT)),)

    def _begun(self, asked: _Asked, wanted: Subscription) -> Subscription:
        """A subscription with when it began, and since when its schedule holds; a change does not make it a new one."""
        now = self._app.clock()
        known = next((s for s in asked.here if s.id == wanted.id), None)
        if known is None:
            return replace(wanted, created=now, scheduled=now)
        same = (known.schedule, known.zone) == (wanted.schedule, wanted.zone)
        return wanted if same else replace(wanted, scheduled=now)

    def _wanted(self, asked: _Asked, repo: str, options: dict[str, str]) -> Subscription:
        """The subscription of `repo`, of the branch that the options name, with what they ask. Raises UsageError."""
        current = self._subscribed(asked, repo)
        branch = _branch(options)
        if branch is not None and branch != current.branch:
            others = (s for s in asked.here if (s.repo, s.branch) == (repo, branch))
            current = next(others, replace(current, id=0))
        wanted = _with_options(current, options)
        return replace(wanted, schedule=schedule.check(wanted.schedule))

    def form(self, request: Request) -> Form | None:
        """The form that a line asks for: `subscribe` alone for a new one, `settings owner/repo` for one that is there.

        None for every other line.
        """
        typed = words(request.text)
        verb = VERBS.get(typed[0].lower()) if typed else None
        asked = self._asked(request)
        if verb == "subscribe" and len(typed) == 1:
            fresh = Subscription(asked.place, "", self._defaults.schedule, asked.zone, asked.texts.language)
            return forms.subscribe_form(fresh, False, asked.texts)
        if verb == "settings" and len(typed) > 1:
            found = self._named_here(asked, typed[1:])
            return forms.subscribe_form(found[0], True, asked.texts) if len(found) == 1 else None
        return None

    def filled_form(self, place: Place, values: Mapping[str, str]) -> Form:
        """The form that was filled in with `values`, as it was filled in."""
        asked = self._asked(Request("", place, ""))
        known = [s for s in asked.here if (s.repo, s.branch) == (values.get("repo"), values.get("branch", ""))]
        fresh = Subscription(place, "", self._defaults.schedule, asked.zone, asked.texts.language)
        form = forms.subscribe_form(known[0] if known else fresh, bool(known), asked.texts)
        return forms.filled(form, values)

    def problem(self, place: Place, values: Mapping[str, str]) -> Problem | None:
        """What is wrong with a filled-in form, as far as that can be told without asking anybody."""
        request = Request(forms.line(values), place, "")
        try:
            asked, typed = self._asked(request), words(request.text)
            _check_length(request.text)
            if len(typed) < 2 or not is_repository(typed[1]):
                raise UsageError("subscribe_what")
            name = self._spelled(asked, typed[1])
            self._app.check_name(name, place)
            self._wanted(asked, name, _options(typed[2:]))
        except DigestError as error:
            return self.told(place, values, error)
        return None

    def told(self, place: Place, values: Mapping[str, str], error: DigestError) -> Problem:
        """An error beside the input of the form that it is about."""
        texts = self._asked(Request("", place, "")).texts
        return Problem(forms.about(error, self.filled_form(place, values)), texts.error(error))

    def texts(self, place: Place | None) -> Texts:
        """The labels in the language of a place; without one, in the operator's."""
        return self._asked(Request("", place, "")).texts if place else Texts(self._defaults.language)

    def _named_here(self, asked: _Asked, typed: Sequence[str]) -> list[Subscription]:
        """The subscriptions of this channel that `owner/repo [branch B]` names. Raises UsageError."""
        name, branch = (typed[0] if typed else ""), _branch(_options(typed[1:]))
        found = self._living_at(asked, name) if self._hosts.page(name) else self._called(asked, name)
        return [s for s in found if branch in (None, s.branch)]

    def _living_at(self, asked: _Asked, address: str) -> list[Subscription]:
        """The subscriptions of this channel to the repository at an address, also to a clone of it."""
        if found := [s for s in asked.here if self._is(s.repo, address)]:
            return found
        known = self._titled(asked, list(dict.fromkeys(s.repo for s in asked.here)), address)
        return [s for s in asked.here if known and s.repo == known.name]

    def _called(self, asked: _Asked, name: str) -> list[Subscription]:
        """The subscriptions of this channel to what is called so: by a name, a title, or a relative path."""
        with suppress(UsageError):  # what nobody could follow is told as what nobody follows
            name = self._spelled(asked, name)
        named = {name.lower(), self._title(asked, name).lower(), self._name(asked, name)}
        return [s for s in asked.here if named & {s.repo, s.repo.lower(), self._title(asked, s.repo).lower()}]

    def _described(self, subscription: Subscription, texts: Texts) -> Fields:
        try:
            due = schedule.next_slot(subscription.schedule, subscription.zone, self._app.clock())
        except UsageError:
            due = None  # kept by an older program, or changed by hand: it is shown, and never due
        filters = subscription.filters
        items = [
            ("schedule", f"{subscription.schedule} ({subscription.zone})"),
            ("next", f"{digests.local(due, subscription.zone):%Y-%m-%d %H:%M}" if due else texts("answer.never")),
            ("language", subscription.language),
            ("branch", subscription.branch),
            ("paths", ", ".join(filters.paths)),
            ("authors", ", ".join(filters.authors)),
            ("bots", "" if filters.bots else texts("answer.no")),
            ("quiet", texts("answer.yes") if subscription.quiet else ""),
            ("paused", texts(f"paused.{subscription.paused}") if subscription.paused else ""),
        ]
        return Fields(tuple((texts(f"setting.{name}"), (Span(value),)) for name, value in items if value))

    def _unsubscribe(self, asked: _Asked, typed: list[str]) -> tuple[Post, ...]:
        gone = self._here(asked, typed[1:])
        named = {self._title(asked, s.repo) for s in gone}
        for subscription in gone:
            self._app.store.unsubscribe(subscription.id)
        title = asked.texts("answer.unsubscribed", repo=", ".join(sorted(named)))
        return (Post(Message("unsubscribed", (Span(title),), kind=MessageKind.ANNOUNCEMENT)),)

    def _here(self, asked: _Asked, typed: Sequence[str]) -> list[Subscription]:
        """The subscriptions of this channel that somebody named. Raises NotFound where there is none."""
        if found := self._named_here(asked, typed):
            return found
        followed = ", ".join(self._title(asked, s.repo) for s in asked.here) or "–"
        raise NotFound("not_subscribed", repo=one_line(" ".join(typed), 60) or "–", followed=followed)

    def _title(self, asked: _Asked, repo: str) -> str:
        """What people call a followed repository; its own name where it cannot be reached any more."""
        try:
            return self._app.repository(repo, asked.place).title
        except DigestError:
            return repo

    def _name(self, asked: _Asked, repo: str) -> str:
        """The name under which a repository is kept that people call by a relative path."""
        try:
            return self._app.repository(repo, asked.place).name if repo else ""
        except DigestError:
            return repo

    def _list(self, asked: _Asked, typed: list[str]) -> tuple[Post, ...]:
        texts = asked.texts
        if not asked.here:
            follow = Buttons((Button(texts("answer.follow"), "subscribe"),))
            return (Post(Message("list", (Span(texts("answer.follows_nothing")),), (follow,))),)
        shown = self._here(asked, typed[1:]) if len(typed) > 1 else asked.here
        parts: list[Part] = []
        for subscription in shown:
            parts += self._subscription(asked, subscription)
        if len(typed) > 1:
            parts.append(Text(((Span(texts("answer.change_how", repo=self._title(asked, shown[0].repo))),),)))
        else:
            parts.append(Buttons((Button(texts("answer.follow"), "subscribe"),)))
        title = texts("answer.follows", n=len(asked.here))
        return (Post(Message("list", (Span(title),), tuple(parts))),)

    def _subscription(self, asked: _Asked, subscription: Subscription) -> tuple[Part, ...]:
        """One subscription: its repository, its settings, and what can be done with it."""
        texts, title = asked.texts, self._title(asked, subscription.repo)
        several = sum(s.repo == subscription.repo for s in asked.here) > 1
        branch = subscription.branch or (forms.ANYTHING if several else "")
        named = " ".join([forms.quoted(title), *(["branch", branch] if branch else [])])
        gone = Button(
            texts("answer.unfollow"), f"unsubscribe {named}", confirm=texts("answer.unfollow_sure", repo=title)
        )
        return (
            Text(((Span(title, strong=True),),)),
            self._described(subscription, texts),
            Buttons((Button(texts("answer.change"), f"settings {named}"), gone)),
        )

    # --- Status and help ---------------------------------------------------------------------

    def _status(self, asked: _Asked, _: list[str]) -> tuple[Post, ...]:
        """What is due and what went wrong: of this channel, or of all of them for the operator."""
        texts, store = asked.texts, self._app.store
        everything = self._app.is_operator(asked.place)
        shown = store.subscriptions() if everything else asked.here
        used = self._app.spent_today()
        cost = self._app.limits.cost(used)
        states = store.delivery_states()
        items = [
            ("model", self._app.model.name if self._app.model else texts("digest.by_rules")),
            ("tokens", f"{self._tokens(used, texts)} ({sum(u.requests for u in used):,})"),
            *([("cost", _price(cost))] if cost is not None else []),
            ("follows", str(len(shown))),
            ("commits", f"{store.counts()['commits']:,}"),
            *([("quota", quota)] if everything and (quota := self._quota(asked)) else []),
            *([(name, f"{states[state]:,}") for name, state in _COUNTED if states[state]] if everything else []),
        ]
        fields = Fields(tuple((texts(f"status.{name}"), (Span(value),)) for name, value in items))
        parts: list[Part] = [fields, *([self._due(asked, shown, everything)] if shown else [])]
        return (Post(Message("status", (Span(texts("status.title")),), tuple(parts))),)

    def _quota(self, asked: _Asked) -> str:
        """What GitHub still allows, or why that is not known; empty where nothing is followed there."""
        try:
            quota = self._app.quota()
        except DigestError as error:
            return asked.texts.error(error)
        if quota is None:
            return ""
        reset = f"{digests.local(quota.reset, asked.zone):%H:%M}"
        return asked.texts("status.quota_of", left=f"{quota.left:,}", limit=f"{quota.limit:,}", reset=reset)

    def _due(self, asked: _Asked, shown: Sequence[Subscription], everything: bool) -> Table:
        """When each subscription is due next, and what became of its last digest."""
        texts, now = asked.texts, self._app.clock()
        latest = {d.subscription: d for d in self._app.store.latest_deliveries()}
        names = ("repo", *(("channel",) if everything else ()), "next", "last")
        rows = []
        for each in shown:
            due = operator.due_next(each, now)
            cells = {
                "repo": each.repo if everything else self._title(asked, each.repo),
                "channel": f"{each.place.chat}:{each.place.channel}",
                "next": f"{digests.local(due, each.zone):%Y-%m-%d %H:%M} ({each.zone})" if due else "–",
                "last": texts(f"paused.{each.paused}")
                if each.paused
                else operator.stand(latest.get(each.id), each.zone, texts),
            }
            rows.append(tuple((Span(cells[name]),) for name in names))
        return Table(tuple(texts(f"status.{name}") for name in names), tuple(rows), texts("status.deliveries"))

    def _tokens(self, used: Sequence[Spending], texts: Texts) -> str:
        """Tokens taken today, and of how many."""
        tokens, limit = sum(u.prompt + u.completion for u in used), self._app.limits.day
        return texts("usage.of" if limit else "usage.tokens", tokens=f"{tokens:,}", limit=f"{limit:,}")

    def _usage(self, asked: _Asked, _: list[str]) -> tuple[Post, ...]:
        texts, now = asked.texts, self._app.clock()
        month = self._app.store.usage(now - timedelta(days=30), now + timedelta(seconds=1))
        title = (Span(texts("usage.title")),)
        if not month:
            return (Post(Message("usage", title, (Text(((Span(texts("usage.none")),),)),))),)
        items = [("today", self._tokens(self._app.spent_today(), texts))]
        if (cost := self._app.limits.cost(month)) is not None:
            items.append(("cost", _price(cost)))
        fields = Fields(tuple((texts(f"usage.{name}"), (Span(value),)) for name, value in items))
        columns = ("model", "purpose", "requests", "prompt", "completion", "dropped")
        rows = tuple(tuple((Span(cell),) for cell in _usage_row(spent, texts)) for spent in month)
        table = Table(tuple(texts(f"usage.{c}") for c in columns), rows, heading=texts("usage.month"))
        return (Post(Message("usage", title, (fields, table))),)

    def _help(self, asked: _Asked, _: list[str]) -> tuple[Post, ...]:
        texts = asked.texts
        names = (
            "expand",
            "last",
            "day",
            "report",
            "search",
            "explain",
            "subscribe",
            "unsubscribe",
            "list",
            "status",
            "usage",
        )
        names = (*names, *(("post",) if asked.place.viewer else ()))
        lines: tuple[Line, ...] = tuple(
            (Span(texts(f"help.{name}_line"), code=True), Span(f" {texts(f'help.{name}')}")) for name in names
        )
        return (Post(Message("help", (Span(texts("help.title")),), (Text(lines, bullets=True),))),)


_COUNTED = (("waiting", DeliveryState.DUE), ("failed", DeliveryState.FAILED))


def _price(cost: float) -> str:
    """A cost with as many digits as tell something."""
    return f"{cost:,.2f}" if cost >= 1 else f"{cost:.4f}"


def _usage_row(spent: Spending, texts: Texts) -> tuple[str, ...]:
    numbers = (f"{n:,}" for n in (spent.requests, spent.prompt, spent.completion))
    percent = round(100 * spent.dropped / spent.stated) if spent.stated else 0
    share = texts("usage.share", dropped=spent.dropped, stated=spent.stated, percent=percent) if spent.stated else ""
    return (spent.model, spent.purpose, *numbers, share)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request with what its place has set; `failed` is what went wrong beside an answer that could be given."""

    request: Request
    here: tuple[Subscription, ...]
    texts: Texts
    zone: str
    failed: list[DigestError] = field(default_factory=list)

    @property
    def place(self) -> Place:
        return self.request.place


# --- Options of subscribe --------------------------------------------------------------------


def _options(typed: Sequence[str]) -> dict[str, str]:
    """`at 09:00 on mon-fri` as a mapping. Raises UsageError for an option nobody knows or one without a value."""
    found: dict[str, str] = {}
    for name, value in zip(typed[::2], [*typed[1::2], ""], strict=False):
        if name.lower() not in _OPTIONS:
            near = difflib.get_close_matches(name.lower(), _OPTIONS, n=1, cutoff=0)
            raise UsageError("option_unknown", word=one_line(name, 60), near=near[0] if near else _OPTIONS[0])
        if not value:
            raise UsageError("option_empty", option=name.lower())
        found[name.lower()] = value
    return found


def _with_options(wanted: Subscription, options: dict[str, str]) -> Subscription:
    """A subscription with what was asked for. Raises UsageError."""
    if "at" in options or "on" in options:
        at, on = schedule.parts(wanted.schedule)
        wanted = replace(wanted, schedule=schedule.crontab(options.get("at", at), options.get("on", on)))
    if "zone" in options:
        wanted = replace(wanted, zone=zone_named(options["zone"]))
    if "lang" in options:
        wanted = replace(wanted, language=_choice("lang", options["lang"], LANGUAGES))
    if (branch := _branch(options)) is not None:
        wanted = replace(wanted, branch=branch)
    if "quiet" in options:
        wanted = replace(wanted, quiet=_choice("quiet", options["quiet"], ("yes", "no")) == "yes")
    return replace(wanted, filters=_filters(wanted.filters, options))


def _branch(options: Mapping[str, str]) -> str | None:
    """The branch that options name, empty for the default one; None where they name none."""
    branch = options.get("branch")
    return "" if branch and branch.lower() == forms.ANYTHING else branch


def _filters(filters: Filters, options: dict[str, str]) -> Filters:
    if "paths" in options:
        filters = replace(filters, paths=_parts(options["paths"]))
    if "authors" in options:
        filters = replace(filters, authors=_parts(options["authors"]))
    if "bots" in options:
        filters = replace(filters, bots=_choice("bots", options["bots"], ("yes", "no")) == "yes")
    return filters


def _parts(value: str) -> tuple[str, ...]:
    if value.lower() == forms.ANYTHING:
        return ()
    return tuple(part for part in re.split("[,，]", value) if part)


def _choice(option: str, value: str, known: Sequence[str]) -> str:
    if value.lower() not in known:
        raise UsageError("option_choice", option=option, value=one_line(value, 60), known=", ".join(known))
    return value.lower()


def zone_named(name: str) -> str:
    """`name` as the time zone is spelt. Raises UsageError."""
    try:
        return check_zone(name)
    except ValueError:
        raise UsageError("zone_unknown", name=one_line(name, 60)) from None
