"""The whole bot on real parts: a real git repository, a real SQLite file, a clock that is moved by hand."""

from datetime import datetime, timedelta
from pathlib import Path

from repositories import Builder, History, lines

from adapters.sources.git.source import GitSource
from adapters.stores.sqlite import SqliteStore
from bot.app import App
from bot.conversation.command import Defaults, Services
from bot.conversation.host import Host
from bot.conversation.interpreter import Interpreter
from bot.delivery.steps import Steps
from bot.delivery.worker import Worker
from bot.judgement.asker import Asker, Bill, Limits
from bot.judgement.questions import Depth
from bot.ports import LanguageModel, Progress, Readers
from bot.repositories import Repositories
from bot.rights import Right, Rights
from bot.values import Buttons, Fields, Message, Place, Post, Request, Span, Table, Text

HOME = Place("terminal", "here")
CHANNEL = Place("slack", "C1")
WORKSPACES = ("T1", "slack", "feishu", "slack-webhook", "feishu-webhook")
DAY = datetime.fromisoformat("2026-02-18T00:00:00+00:00")


def busy_day(path: Path) -> History:
    """A repository with one commit before and 29 on 2026-02-18 (UTC): 6 must be read, 12 are medium, 11 low."""
    build = Builder(path)
    build.commit("root", DAY - timedelta(days=3), {"src/server.py": lines(1, 30), "README.md": "# App\n"})
    for n in range(6):
        files = {f"src/api{n}.py": lines(1, 60, f"endpoint_{n}"), f"tests/test_api{n}.py": lines(1, 10)}
        build.commit(
            f"high{n}", DAY + timedelta(minutes=10 + n), files, message=f"feat(api)!: replace endpoint {n} (#{100 + n})"
        )
    for n in range(12):
        files = {f"src/part{n}.py": lines(1, 20, f"part_{n}")}
        build.commit(
            f"medium{n}", DAY + timedelta(hours=2, minutes=n), files, message=f"fix: wrong part {n} (#{200 + n})"
        )
    for n in range(11):
        files = {f"docs/page{n}.md": lines(1, 5)}
        build.commit(f"low{n}", DAY + timedelta(hours=5, minutes=n), files, message=f"docs: page {n} (#{300 + n})")
    return build.finish()


class World:
    """An app and its commands over one database."""

    def __init__(
        self,
        folder: Path,
        clock,
        repo: str = "",
        model: LanguageModel | None = None,
        allow=(),
        language="en",
        limits=None,
        habits=None,
        depth=Depth.BRIEF,
        rights=None,
    ):
        """What `allow` lists everybody in the workspaces of the tests may see, unless `rights` say who."""
        self.chats = {}
        granted = [Right(team, "", pattern) for team in WORKSPACES for pattern in allow] if rights is None else rights
        self.store = SqliteStore(folder / "digest.db")
        self.source = GitSource(folder / "clones")
        self.sources = lambda _: self.source
        self.bill = Bill(self.store, limits or Limits(), clock)
        self.repositories = Repositories(
            lambda repo: self.sources(repo),  # noqa: PLW0108  # a test may name others later
            self.store,
            Rights(tuple(allow), tuple(granted)),
            clock,
            readers=self.readers,
        )
        self.app = App(
            repositories=self.repositories,
            archive=self.store,
            aftermath=self.store,
            model=Asker(model, self.bill) if model else None,
            clock=clock,
            concurrency=8,
            progress=Progress(),
            depth=depth,
            habits=habits or {},
        )
        self.defaults = Defaults(language, "UTC", "0 9 * * mon-fri", repo)
        self.interpreter = self.speaking(self.defaults)

    def speaking(self, defaults: Defaults) -> Interpreter:
        """Who answers, where nothing is set."""
        store = self.store
        bill, check = self.bill, self.check_place
        services = Services(self.app, store, store, store, store, store, bill, defaults, check_place=check)
        return Interpreter(services)

    def check_place(self, place) -> None:
        """Whether the bot can post there, as the chat says."""
        chat = self.chats.get(place.chat)
        if hasattr(chat, "check"):
            chat.check(place)

    def readers(self, place, person) -> Readers:
        """Who reads, as the chat says; members, where the world is in no such chat, or in one that says nothing."""
        chat = self.chats.get(place.chat)
        return chat.readers(place, person) if hasattr(chat, "readers") else Readers()

    def host(self, chat) -> Host:
        """Who listens to a chat."""
        self.chats[getattr(chat, "name", "")] = chat
        known = dict.fromkeys(("subscriptions", "ledger", "leases"), self.store)
        return Host(self.interpreter, chat, **known, clock=self.app.clock)

    def worker(self, chats) -> Worker:
        """A worker on the database, with leases of a minute."""
        self.chats |= chats
        known = dict.fromkeys(("archive", "subscriptions", "ledger", "leases", "memory"), self.store)
        return Worker(Steps(self.app, chats, timedelta(seconds=60), **known))

    def ask(self, text: str, place: Place = HOME) -> tuple[Post, ...]:
        return self.interpreter.answer(self.interpreter.context(Request(text, place, "U1")))

    def run(self, text: str, place: Place = HOME) -> tuple[Post, ...]:
        """The answer, or the error that there is instead."""
        return self.interpreter.run(self.interpreter.context(Request(text, place, "U1")))

    def said(self, text: str, place: Place = HOME) -> str:
        """The whole answer to a line, as words."""
        return "\n".join(words(m) for post in self.ask(text, place) for m in (post.headline, *post.replies))

    def close(self) -> None:
        self.store.close()


def spans(message: Message) -> list[Span]:
    """Every span of a message."""
    found = [*message.title]
    for part in message.parts:
        if isinstance(part, Text):
            found += [Span(part.heading), *(s for line in part.lines for s in line)]
        elif isinstance(part, Table):
            found += [s for row in part.rows for cell in row for s in cell]
        elif isinstance(part, Fields):
            found += [s for label, value in part.items for s in (Span(label), *value)]
        elif isinstance(part, Buttons):
            found += [Span(f"[{b.label}: {b.command or b.url}]") for b in part.items]
    return found


def words(message: Message) -> str:
    """The words of a message."""
    return " ".join(span.text for span in spans(message))
