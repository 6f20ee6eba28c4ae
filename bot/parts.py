"""The only place where the real parts are joined. Parts that a command does not need are not imported."""

import logging
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import SecretStr

from adapters import logs, network
from adapters.chats import terminal
from adapters.chats.feishu.settings import FeishuSettings
from adapters.chats.slack.settings import SlackSettings
from adapters.llms.openai.settings import OpenAISettings
from adapters.sources.git.settings import GitSettings
from adapters.sources.github.settings import GitHubSettings
from adapters.stores import sqlite
from adapters.stores.moving import move as move_rows
from bot import addresses
from bot.app import App
from bot.commits import hosts
from bot.conversation import operator
from bot.conversation.agents import OperatorsAgents
from bot.conversation.command import Defaults, Services
from bot.conversation.host import Host
from bot.conversation.interpreter import Interpreter
from bot.conversation.zones import zone_named
from bot.delivery.planning import clock_error
from bot.delivery.queued import LISTEN, ROLES, Queued
from bot.delivery.steps import Steps
from bot.delivery.worker import Worker
from bot.errors import ConfigError, DigestError, StoreError, Unavailable, UsageError
from bot.judgement.asker import Asker, Bill, Limits
from bot.judgement.questions import EARLIER, Depth
from bot.ports import (
    Chat,
    CommitSource,
    Finding,
    LanguageModel,
    Learned,
    Progress,
    Queue,
    Rates,
    Slots,
    Store,
    Verdict,
)
from bot.posts.labels import columns
from bot.repositories import Repositories
from bot.rights import Rights, granted
from bot.settings import database_of, habits, load, misspelled, unread
from bot.supervision import Readying, Supervisor
from bot.texts import COMMAND, SHELL, Texts
from bot.values import EPOCH, Message, Place, Quota, Request, Span, Table

if TYPE_CHECKING:
    from adapters.clock import Clock
    from adapters.sources.git.source import GitSource
    from adapters.stores.postgres import PostgresStore
    from adapters.stores.sqlite import SqliteStore

_log = logging.getLogger("digest")
_DISTRIBUTION = "commit-digest"


class AllSettings(OpenAISettings, FeishuSettings, SlackSettings, GitHubSettings, GitSettings):
    """All settings: the core's, then each adapter's, from the last base to the first."""


@dataclass(frozen=True, slots=True)
class Program:
    """The program with its real parts."""

    settings: AllSettings
    store: Store
    bill: Bill
    app: App
    chats: "Chats"
    progress: Progress
    queue: Queue | None
    """The queue that several processes share; None if the store is a file."""

    @contextmanager
    def working(self) -> Iterator[None]:
        """Show progress from the beginning: a clone may take a while before a digest is started."""
        self.progress.collecting("")
        try:
            yield
        finally:
            self.progress.over()

    @property
    def texts(self) -> Texts:
        """The labels in the operator's language."""
        return Texts(self.settings.digest_language)

    def in_terminal(self, repo: str = "", shown_in: str = terminal.NAME) -> Interpreter:
        """The interpreter for the operator; `repo`, or else the current checkout, is the default repository.

        `shown_in` is the chat whose readers see the answer.
        """
        settings, asked = self.settings, self.settings.model_fields_set  # what the user set, anywhere
        return self._interpreter(
            {
                "by_operator": True,
                "command": SHELL if shown_in == terminal.NAME else COMMAND,
                "is_folder": is_repository,
            },
            repo=repo or settings.digest_repo or _checkout(),
            asked_language=settings.digest_language if "digest_language" in asked else "",
            asked_zone=settings.digest_zone if "digest_zone" in asked else "",
        )

    def in_chats(self) -> Interpreter:
        """The interpreter for channels, in which the operator's current folder means nothing."""
        return self._interpreter({"check_place": lambda place: self.chats.get(place.chat).check(place)})

    def _interpreter(self, typing: Mapping[str, Any], **asked: str) -> Interpreter:
        settings, store = self.settings, self.store
        kept = (settings.digest_language, settings.digest_zone, settings.digest_schedule)
        defaults = Defaults(*kept, hosts=_hosts(settings), **asked)
        return Interpreter(Services(self.app, store, store, store, store, store, self.bill, defaults, **typing))

    def host(self, interpreter: Interpreter, chat: Chat) -> Host:
        """The listener for a chat."""
        store = self.store
        return Host(interpreter, chat, subscriptions=store, ledger=store, leases=store, clock=self.app.clock)

    def worker(self) -> Worker:
        """The worker that delivers in threads of this process only."""
        return Worker(self._steps())

    def runner(self, roles: Collection[str]) -> Worker | Queued:
        """What delivers in this process: with other processes through a queue, if there is one."""
        if not self.queue:
            return self.worker()
        return Queued(self._steps(), self.queue, roles)

    def _steps(self) -> Steps:
        lease = timedelta(seconds=self.settings.digest_lease)
        kept = dict.fromkeys(("archive", "subscriptions", "ledger", "leases", "memory"), self.store)
        return Steps(self.app, self.chats.made, lease, **kept)


def read() -> AllSettings:
    """Read the settings; from then on this process trusts their certificates. Raises ConfigError."""
    settings = load(AllSettings)
    network.trust(settings.digest_ca_file)
    return settings


@contextmanager
def program(
    lang: str | None = None, zone: str = "", *, strangers: bool = False, patient: bool = False
) -> Iterator[Program]:
    """The program, closed at the end; `lang` and `zone` override the settings. Raises DigestError.

    `strangers` means that people other than the operator name repositories: then not every host is contacted. `patient`
    means waiting for a database server that does not answer.
    """
    asked = {"digest_language": lang, "digest_zone": zone and zone_named(zone)}
    settings = read().model_copy(update={name: value for name, value in asked.items() if value})
    store = _awaited(settings) if patient else stored(settings)
    store.count_in(settings.digest_clones / "counts")
    try:
        # A service logs its progress, or shows none.
        drawn = sys.stderr.isatty() and not strangers
        yield _joined(settings, store, terminal.DrawnProgress() if drawn else Progress(), strangers)
    finally:
        store.close()


def stored(settings: AllSettings) -> Store:
    """The store: an SQLite file, or a PostgreSQL database. Raises ConfigError, StoreError, Unavailable."""
    if isinstance(settings.digest_database, Path):
        return sqlite.from_settings(settings)
    try:
        from adapters.stores import postgres
    except ImportError:
        raise ConfigError("postgres_missing") from None
    return postgres.from_settings(settings)


_SERVER = 5.0
"""Seconds between two checks whether a database server answers."""


def _awaited(settings: AllSettings) -> Store:
    """The store, once its server answers; the start and the end of waiting are logged."""
    waited = False
    while True:
        try:
            store = stored(settings)
        except Unavailable as error:
            if not waited:
                _log.warning("waiting for the database: %s", Texts(settings.digest_language).error(error))
            waited = True
            time.sleep(_SERVER)
            continue
        if waited:
            _log.warning("the database answers")
        return store


def _joined(settings: AllSettings, store: Store, progress: Progress, strangers: bool) -> Program:
    limits = Limits(
        day=settings.openai_daily_tokens,
        digest=settings.openai_digest_tokens,
        person=settings.share("person"),
        channel=settings.share("channel"),
        scheduled=settings.share("scheduled"),
        zone=settings.digest_zone,
        prompt_price=settings.openai_prompt_price,
        completion_price=settings.openai_completion_price,
        cached_price=settings.openai_cached_price,
    )
    bill, model = Bill(store, limits, _now), _model(settings, store)
    queue, rates, slots = _shared(settings, store)
    chats = Chats(settings, rates, store)
    sources = _sources(settings, _named(settings, store) if strangers else None)
    concurrency = settings.openai_concurrency
    app = App(
        repositories=Repositories(
            sources,
            store,
            _rights(settings),
            _now,
            readers=lambda place, person: chats.get(place.chat).readers(place, person),
        ),
        archive=store,
        aftermath=store,
        model=Asker(model, bill, concurrency, slots) if model else None,
        clock=_now,
        concurrency=concurrency,
        depth=_depth(settings, bill),
        chosen=bool(settings.openai_depth),
        progress=progress,
        habits=habits(settings.digest_notes),
        follow_ups=settings.digest_follow_ups,
    )
    return Program(settings, store, bill, app, chats, progress, queue)


def _shared(settings: AllSettings, store: Store) -> tuple[Queue | None, Rates | None, Slots | None]:
    """What several processes share besides the store: nothing if that is a file."""
    if isinstance(settings.digest_database, Path):
        return None, None, None
    from adapters.queue import ProcrastinateQueue
    from adapters.stores.postgres.rates import PostgresRates
    from adapters.stores.postgres.slots import PostgresSlots

    server, lease = cast("PostgresStore", store).server, settings.digest_lease
    queue = ProcrastinateQueue(server, timedelta(seconds=lease))
    return queue, PostgresRates(server), PostgresSlots(server, lease)


def _rights(settings: AllSettings) -> Rights:
    """The rights. If people can install the app themselves, `allow` gives no rights."""
    return Rights(settings.digest_allow, granted(settings.digest_rights), inherits=not settings.slack_client_id)


def _depth(settings: OpenAISettings, bill: Bill) -> Depth:
    """The depth in the settings; else the default of a new installation, or what an old one had."""
    if settings.openai_depth:
        return Depth(settings.openai_depth)
    old = any(spent.purpose in EARLIER for spent in bill.since(EPOCH))
    return Depth.BRIEF if old else Depth.NORMAL


def _now() -> datetime:
    return datetime.now(UTC)


def _model(settings: OpenAISettings, store: Store) -> LanguageModel | None:
    if not settings.openai_model:
        return None
    from adapters.llms.openai import model

    return model.from_settings(settings, store)


def _hosts(settings: AllSettings) -> hosts.Hosts:
    return hosts.from_settings(settings, settings.github_url)


def _named(settings: AllSettings, store: Store) -> Callable[[str], bool]:
    """Whether the operator named a host: in the settings, or by what they follow in their terminal."""
    listed = (*settings.digest_allow, *(right.pattern for right in granted(settings.digest_rights)))
    given = addresses.hosts_of((settings.digest_repo, *listed, settings.github_url))
    known = given | {place.partition(":")[0] for place in hosts.named(settings.digest_hosts)}

    def named(host: str) -> bool:
        followed = (s.repo for s in store.subscriptions() if s.place.chat == terminal.HOME.chat)
        return host in known or host in addresses.hosts_of(followed)

    return named


def _sources(settings: AllSettings, named: Callable[[str], bool] | None) -> Callable[[str], CommitSource]:
    """The source of a repository by its name: `owner/name` is on GitHub, a path or a URL is read with git.

    `named` says whether the operator named a host; None if only the operator asks.
    """

    @cache
    def made(hosted: bool) -> CommitSource:
        if hosted:
            from adapters.sources.github import source

            return source.from_settings(settings, settings.digest_clones / "archives", settings.digest_zone)
        from adapters.sources.git import source as git

        return git.from_settings(settings, _hosts(settings), named)

    return lambda repo: made(addresses.is_hosted(repo))


def serve_agents(made: Program, repo: str) -> None:
    """Answer other programs with the operator's rights, until they close the connection. Raises ConfigError."""
    try:
        from adapters import mcp
    except ImportError:
        raise ConfigError("mcp_missing") from None
    hosts = _hosts(made.settings)
    agents = OperatorsAgents(lambda name: made.in_terminal(name or repo), terminal.HOME, terminal.USER, hosts)
    mcp.serve(agents, version(_DISTRIBUTION), Texts(made.settings.digest_language, SHELL).error)


# --- Chats -----------------------------------------------------------------------------------

_CHATS: dict[str, tuple[str, Callable[[AllSettings], bool]]] = {
    "slack": ("adapters.chats.slack.chat", lambda s: bool(s.slack_bot_token or s.slack_client_id)),
    "feishu": ("adapters.chats.feishu.chat", lambda s: bool(s.feishu_app_id)),
    "slack-webhook": ("adapters.chats.slack.webhook", lambda s: bool(s.slack_webhooks)),
    "feishu-webhook": ("adapters.chats.feishu.webhook", lambda s: bool(s.feishu_webhooks)),
}
"""Every chat except the terminal: its module, and whether it is configured."""


def is_webhook(name: str) -> bool:
    """Whether a chat, by its name, only receives messages."""
    return name.endswith("-webhook")


def chat(
    settings: AllSettings, to: str, *, known: bool = True, rates: Rates | None = None, learned: Learned | None = None
) -> tuple[Chat, Place]:
    """The chat that `slack:C0123456789` names, and the channel in it; the terminal if empty.

    If `known`, a webhook must be configured; `rates` and `learned` are what several processes share. Raises UsageError,
    NotFound and ConfigError.
    """
    if not to:
        return terminal.Terminal(terminal.console(), Texts(settings.digest_language)), terminal.HOME
    name, _, channel = to.partition(":")
    if name not in _CHATS or not channel:
        raise UsageError("place_unknown", place=to)
    made = _made(settings, name, rates, learned)
    return made, made.place(channel) if known and is_webhook(name) else Place(name, channel)


def _made(settings: AllSettings, name: str, rates: Rates | None = None, learned: Learned | None = None) -> Any:
    """A chat. Raises ConfigError."""
    make = import_module(_CHATS[name][0]).from_settings
    return make(settings, rates, learned) if name in _LEARNING else make(settings, rates)


_LEARNING = frozenset({"slack"})
"""The chats that store what they learn about their platform."""


class Chats:
    """The chats, each created when needed, and again when its settings change. Safe for several threads."""

    def __init__(self, settings: AllSettings, rates: Rates | None = None, learned: Learned | None = None) -> None:
        """`rates` and `learned` are what several processes share."""
        self._settings = settings
        self.rates = rates
        self._learned = learned
        self._own: dict[str, Mapping[str, object]] = {}
        self.made: dict[str, Chat] = {}
        """The created ones, by name: always the same mapping."""
        self.set_up = tuple(name for name, (_, is_set_up) in _CHATS.items() if is_set_up(settings))
        """The names of all that are configured."""

    def get(self, name: str) -> Chat:
        """A chat. Raises ConfigError."""
        if name not in self.made:
            self.made[name] = _made(self._settings, name, self.rates, self._learned)
        return self.made[name]

    def make(self, name: str) -> Chat:
        """A new chat, created from the current settings. Raises ConfigError."""
        settings = read()
        if settings != self._settings:  # a secret may be new
            self._settings = settings
            logs.configure(settings)
        self._own[name] = _settings_of(settings, name)
        self.made[name] = _made(settings, name, self.rates, self._learned)
        return self.made[name]

    def is_outdated(self, name: str) -> bool:
        """Whether the settings of a chat have changed and can be read."""
        with suppress(ConfigError):
            return name in self._own and _settings_of(load(AllSettings), name) != self._own[name]
        return False


def _settings_of(settings: AllSettings, name: str) -> Mapping[str, object]:
    """The settings of a chat."""
    service = name.partition("-")[0]
    return {field: getattr(settings, field) for field in type(settings).model_fields if field.startswith(service)}


def is_repository(word: str) -> bool:
    """Whether a word is the path of a folder with a git repository, bare or not."""
    with suppress(OSError, ValueError):  # the word may be an invalid path
        folder = Path(word)
        return (folder / ".git").exists() or all((folder / name).exists() for name in ("HEAD", "objects", "refs"))
    return False


def _checkout() -> str:
    """The current folder, if it belongs to a git repository; else empty."""
    try:
        here = Path.cwd()
    except OSError:  # it is gone
        return ""
    return str(here) if any((folder / ".git").exists() for folder in (here, *here.parents)) else ""


# --- Running ---------------------------------------------------------------------------------

_QUOTA = 60
"""Seconds between two checks of GitHub's remaining requests."""


@contextmanager
def service(once: bool) -> Iterator[Program]:
    """The program as a service, which waits for its database server, unless it runs `once`."""
    logs.configure(read())
    logs.catch()
    with program(strangers=True, patient=not once) as made:
        if path := unread(AllSettings):
            _log.warning("%s is not read: it may be somebody else's; DIGEST_ENV_FILE names a file to read", path)
        if made.store.begin(made.app.clock()):
            _log.warning("restored: nothing is posted in a channel until its history has been read")
        yield made


def introduce(made: Program, roles: Collection[str] = ROLES) -> None:
    """Log in one line what this process is."""
    settings = made.settings
    known = {
        **({"only": ", ".join(roles)} if set(roles) != set(ROLES) else {}),
        "version": version(_DISTRIBUTION),
        "chats": ", ".join(made.chats.set_up),
        **operator.followed(made.store.subscriptions(), made.app.clock()),
        "model": settings.openai_model or "none",
        "port": settings.digest_monitor_port or "none",
    }
    _log.info("started", extra={"fields": known})


def set_up(made: Program) -> dict[str, ConfigError]:
    """Create the terminal and all configured chats; return the errors of those that fail, by name."""
    wrong = {}
    made.chats.made[terminal.HOME.chat], _ = chat(made.settings, "")
    for name in made.chats.set_up:
        try:
            made.chats.get(name)
        except ConfigError as error:
            wrong[name] = error
            _log.error("a chat does not work", extra={"fields": {"chat": name, "reason": error}})
    return wrong


def supervisor(made: Program, roles: Collection[str] = ROLES) -> Supervisor | Readying:
    """What listens in all configured chats, or only creates them. Raises ConfigError if there are none."""
    chats, store = made.chats, made.store
    if not chats.set_up:
        raise ConfigError("chat_none")
    if LISTEN not in roles:
        return Readying(chats.set_up, chats)
    interpreter = made.in_chats()

    def reconnected(name: str) -> None:
        """Retry at once what has waited since a chat failed."""
        now = made.app.clock()
        for each in store.subscriptions():
            if each.place.chat == name:
                store.retry_soon(each.id, now, now)

    def listen(chat: Chat) -> None:
        chat.listen(made.host(interpreter, chat))

    return Supervisor(chats.set_up, chats, listen, reconnected)


@contextmanager
def clock() -> Iterator["Clock"]:
    """A clock for periodic work, which runs during the block."""
    from adapters.clock import Clock

    made = Clock()
    made.start()
    try:
        yield made
    finally:
        made.stop()


@contextmanager
def monitor(made: Program, clock: "Clock", supervised: Supervisor | Readying) -> Iterator[None]:
    """The monitoring port, if one is set."""
    settings, store = made.settings, made.store
    if not settings.digest_monitor_port:
        yield
        return

    from adapters.monitor import Monitor

    known: list[Quota | None] = [None]

    def look() -> None:
        with suppress(DigestError):
            known[0] = made.app.repositories.quota(s.repo for s in store.subscriptions())

    clock.every(_QUOTA, look, "quota")  # separately, so that a slow GitHub does not slow down answers
    port = Monitor(
        settings.digest_monitor_host,
        settings.digest_monitor_port,
        lambda: operator.unready(store, made.app.clock_ahead, supervised.unready()),
        lambda: operator.measures(store, made.app.clock(), known[0], made.queue),
    )
    port.start()
    try:
        yield
    finally:
        port.stop()


# --- What is kept ----------------------------------------------------------------------------


def restore(backup: Path) -> tuple[Path, Path | None]:
    """Replace the database by a backup; return its path and the old one's. Raises StoreError, ConfigError."""
    database = load(AllSettings).digest_database
    if not isinstance(database, Path):
        raise StoreError("postgres_restore")
    return database, sqlite.restore(database, backup, _now())


def move(source: str, target: str) -> dict[str, int]:
    """Copy everything from one database to another, empty one; return how many rows of each table.

    Raises UsageError, ConfigError, StoreError, Unavailable.
    """
    ends = [_database(source), _database(target)]
    if isinstance(ends[0], Path) and not ends[0].is_file():
        raise UsageError("move_no_source", path=source)
    settings = load(AllSettings)
    with closing(_movable(settings, ends[0])) as old, closing(_movable(settings, ends[1])) as new:
        if any(rows for name, rows in new.counts().items() if name not in {"bytes", "claims"}):
            raise UsageError("move_not_empty", path=new.name)
        from adapters.chats.slack.moving import move_installations

        installed = move_installations(*ends)
        with old.source() as here, new.target() as there:
            return {**move_rows(here, there), "slack_installations": installed}


def _database(value: str) -> Path | SecretStr:
    try:
        found = database_of(value)
    except ValueError:
        raise UsageError("move_no_source", path=value) from None
    assert isinstance(found, Path | SecretStr)
    return found


def _movable(settings: AllSettings, database: Path | SecretStr) -> "SqliteStore | PostgresStore":
    made = stored(settings.model_copy(update={"digest_database": database}))
    return cast("SqliteStore | PostgresStore", made)


def _clones(made: Program) -> "GitSource":
    from adapters.sources.git import source as git

    return git.from_settings(made.settings, _hosts(made.settings))


def kept_bytes(made: Program) -> int:
    """Bytes of the database and of all clones."""
    return made.store.counts()["bytes"] + _clones(made).size()


def forget(made: Program, what: str) -> bool:
    """Delete everything about a repository, or a person of a chat; return whether there was anything."""
    if what.partition(":")[0] in _CHATS:
        found = bool(made.store.forget_person(what))
    else:
        asked = made.in_terminal().context(Request("", terminal.HOME, terminal.USER))
        repo = asked.naming.spelled(what)
        found = made.store.forget_repository(repo)
        found = _clones(made).forget(repo) or found
    if found:
        made.store.compact()
    return found


_UNUSED = timedelta(days=7)
"""How long unused clones are kept: they can be fetched again."""


def retain(made: Program) -> None:
    """Delete what is no longer followed: clones on this machine after a week, other data as the settings say.

    Then compact the database.
    """
    days, followed = made.settings.digest_keep_days, [s.repo for s in made.store.subscriptions()]
    followed += [member.repo for delivery in made.store.latest_deliveries() for member in delivery.members]
    clones = _clones(made).retain(followed, _now() - _UNUSED)
    gone = made.store.retain(_now() - timedelta(days=days), followed) if days else 0
    made.store.compact()
    if gone or clones:
        fields = {"repositories": gone, "clones": clones}
        logging.getLogger("digest").info("forgotten", extra={"fields": fields})


# --- The doctor ------------------------------------------------------------------------------

_FEISHU_GROUP = "oc_"


def findings(what: str | None, channel: str) -> Iterator[Finding]:
    """The findings of all checks, or of one chat's."""
    settings = read()
    yield from _settings_findings(settings, what)
    if what is None:
        with program(strangers=True) as made:
            yield from operator.examine(made.app, made.store, made.store.name)
    yield from _clock_finding(settings, what)
    group = channel.startswith(_FEISHU_GROUP)  # so that a channel is not looked for in the wrong chat
    if what == "slack" or (what is None and _CHATS["slack"][1](settings)):
        from adapters.chats.slack import doctor

        sample = _sample(Texts(settings.digest_language))
        yield from doctor.examine(settings, "" if group and what is None else channel, sample)
    if what == "feishu" or (what is None and _CHATS["feishu"][1](settings)):
        from adapters.chats.feishu import doctor as feishu_doctor

        yield from feishu_doctor.examine(settings, channel if group or what else "")
    if what is None:
        yield from (_webhook_finding(settings, name) for name in _CHATS if is_webhook(name))


def _clock_finding(settings: AllSettings, what: str | None) -> Iterator[Finding]:
    """Whether this machine's clock agrees with those of the chats that answer."""
    with suppress(ConfigError):  # a finding of its own
        chats = Chats(settings)
        made = [chats.get(name) for name in chats.set_up] if what is None else []
        if (ahead := clock_error(made)) is not None:
            yield Finding("clock", Verdict.FAILED, "far", {"hours": operator.hours(ahead)})


def _settings_findings(settings: AllSettings, what: str | None) -> Iterator[Finding]:
    """The names of the settings that are set, without values, which may be secrets; and likely misspellings."""
    if what is None:
        names = tuple(name.upper() for name in type(settings).model_fields if name in settings.model_fields_set)
        outcome, verdict = ("fine", Verdict.FINE) if names else ("none", Verdict.SKIPPED)
        yield Finding("settings", verdict, outcome, {"names": names})
    if path := unread(type(settings)):
        yield Finding("settings", Verdict.WARNING, "unread", {"path": str(path)})
    for name, near in misspelled(type(settings)).items():
        yield Finding("settings", Verdict.WARNING, "misspelt", {"name": name, "near": near})


def _webhook_finding(settings: AllSettings, name: str) -> Finding:
    """Whether a setting with webhooks can be parsed; only a message would show whether they work."""
    subject = name.replace("-", "_")
    if not _CHATS[name][1](settings):
        return Finding(subject, Verdict.SKIPPED, "none")
    try:
        names = tuple(_made(settings, name).names)
    except ConfigError as error:
        return Finding(subject, Verdict.FAILED, "error", error=error)
    return Finding(subject, Verdict.FINE, "fine", {"names": names})


def _sample(texts: Texts) -> Message:
    """A message with a table, like a digest."""
    row = tuple((Span(word),) for word in ("09:00", "commit-digest", "feat: …", texts("importance.high")))
    return Message("sample", (Span("Commit Digest"),), (Table(columns(texts), (row,)),))
