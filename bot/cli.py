"""The command line, and the one place where the real parts are joined.

Only click is imported before a command runs, so that `--help` and completion answer at once.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem, get_completion_class

if TYPE_CHECKING:
    from adapters.clock import Clock
    from bot.app import App
    from bot.conversation.commands import Commands
    from bot.delivery.worker import Worker
    from bot.errors import DigestError
    from bot.ports import Chat, CommitSource, Finding, Progress
    from bot.settings import Settings
    from bot.texts import Texts
    from bot.values import Message, Place, Post

_VERBS = (
    "today",
    "yesterday",
    "week",
    "latest",
    "search",
    "subscribe",
    "unsubscribe",
    "list",
    "settings",
    "status",
    "usage",
    "help",
)

_HELP = """What changed in a repository, what matters, and why.

\b
  digest yesterday                    yesterday's digest of the repository you are in
  digest today | week | latest        another time, also a date such as 2026-02-18
  digest yesterday owner/repo         another repository: on GitHub, a path, or a URL
  digest 6344 | 9a93eb7               one commit in full: a pull request or a SHA
  digest search WORDS                 commits of digests so far
  digest subscribe owner/repo         follow a repository; then plain "digest" is enough
  digest help                         everything you can ask, here and in a chat

Settings come from the environment or a .env file; without any, the rules write the digest, with no account and no
network. Set OPENAI_MODEL for a language model and GITHUB_TOKEN for GitHub.
"""


class _Known(click.ParamType[str]):
    """One of several names, which are only looked up when they are needed, so that `--help` of all is fast."""

    name = "name"

    def __init__(self, names: Callable[[], Iterable[str]]) -> None:
        self._names = names

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return click.Choice(tuple(self._names())).get_metavar(param, ctx) or ""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return click.Choice(tuple(self._names())).convert(value, param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return click.Choice(tuple(self._names())).shell_complete(ctx, param, incomplete)


def _formats() -> Iterable[str]:
    from bot.posts.report import FORMATS

    return FORMATS


def _languages() -> Iterable[str]:
    from bot.texts import LANGUAGES

    return LANGUAGES


class _Grammar(click.Group):
    """A group that takes every line that is no command of its own for one of the chat's."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] in self.commands:
            return super().resolve_command(ctx, args)
        return "ask", self.commands["ask"], args

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        verbs = [CompletionItem(verb) for verb in _VERBS if verb.startswith(incomplete)]
        return [*super().shell_complete(ctx, incomplete), *verbs]


@click.group(
    cls=_Grammar,
    help=_HELP,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "ignore_unknown_options": True, "max_content_width": 120},
)
@click.version_option(package_name="commit-digest", prog_name="digest")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Run what was asked; nothing asked means the last digest again."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(ask, words=(), as_json=False, repo="", to="")


@cli.command(hidden=True, context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="the answer as JSON")
@click.option("--repo", default="", help="the repository, where the words name none")
@click.option("--to", default="", help="post the answer there: slack:C0123456789, feishu:oc_…, slack-webhook:team")
def ask(words: tuple[str, ...], as_json: bool, repo: str, to: str) -> None:
    """Answer one line of the chat's grammar. What a place follows is changed and listed with `--to`, and told here."""
    from bot.conversation.commands import verb_of
    from bot.delivery.sending import deliver
    from bot.errors import UsageError
    from bot.texts import Texts

    verb = verb_of(_line(words))
    with _told_kindly(), _app() as (app, settings):
        chat, place = _chat(settings, to, known=verb not in _FOLLOWED)
        if verb == "report" and _is_webhook(place.chat):
            raise UsageError("webhook_files")
        asked = _request(_line(words))
        if verb == "subscribe" or verb in _FOLLOWED:
            if place.chat == "slack" and "/" not in place.channel:
                raise UsageError("place_workspace", place=to)
            asked = _request(_line(words), place)
            chat, place = _chat(settings, "")
        posts = _commands(app, settings, repo).run(asked)
        if as_json:
            _print_json(posts)
            return
        for post in posts:
            deliver(chat, place, post, Texts(settings.digest_language))


_FOLLOWED = ("unsubscribe", "list", "settings")
"""Lines about what a place follows already, also a webhook that is set up no more."""


@cli.command()
@click.option("--repo", default="", help="the repository, where a line names none")
def chat(repo: str) -> None:
    """Talk to the bot as in a channel: threads are numbered and open with `thread 1`."""
    from adapters.chats import terminal
    from bot.conversation.host import Host

    with _told_kindly(), _app() as (app, settings):
        channel = terminal.Terminal(terminal.console(), folded=True)
        channel.listen(Host(app, _commands(app, settings, repo), channel))


@cli.command()
@click.option(
    "--once", is_flag=True, help="deliver what is due and end, for a cron or a CI job; exit code 1 on failure"
)
def run(once: bool) -> None:
    """Deliver every digest when it is due, and listen in every chat that is set up, until stopped (Ctrl+C, SIGTERM)."""
    import logging

    begun: list[Worker] = []
    try:
        _deliver(begun) if not once else _deliver_once()
    except SystemExit as ended:
        if begun:
            _leave(1 if ended.code else 0)
        raise
    except BaseException:
        if begun:
            logging.getLogger("digest").critical("uncaught", exc_info=True)
            _leave(1)
        raise
    if begun:
        _leave(0)


def _deliver_once() -> None:
    import time

    with _told_kindly(), _service(once=True) as (_, settings, worker, _), _clock() as clock:
        clock.every(settings.digest_lease / 3, worker.renew, "leases")
        delivered = worker.deliver_all(time.sleep)
    sys.exit(0 if delivered else 1)


def _deliver(begun: list[Worker]) -> None:
    """Deliver and listen until stopped; `begun` holds the worker, once it has threads that would outlive this."""
    import signal
    import time

    from bot.conversation.host import Host

    with _told_kindly(), _service(once=False) as (app, settings, worker, chats):
        sys.setswitchinterval(0.001)  # an acknowledgement waits for the thread that builds a digest at every step
        commands = _service_commands(app, settings)
        deadline: list[float] = []

        def stop(*_: object) -> None:
            deadline.append(time.monotonic() + _PATIENCE)
            worker.halt()
            for chat in chats.values():
                chat.close()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        listening = [lambda chat=chat: chat.listen(Host(app, commands, chat)) for chat in chats.values()]
        with _clock() as clock, _monitor(app, settings, clock):
            begun.append(worker)
            clock.every(settings.digest_lease / 3, worker.renew, "leases")
            clock.every(_TICK, worker.tick, "due")
            try:
                _together(listening, stop)
            finally:
                worker.stop(max(0.5, deadline[0] - time.monotonic()) if deadline else _PATIENCE)


@cli.command()
@click.argument("repos", nargs=-1)
@click.option(
    "--date", "day", default="yesterday", show_default=True, help="today, yesterday, week, latest or 2026-02-18"
)
@click.option("--lang", type=_Known(_languages), help="language of the report  [default: DIGEST_LANGUAGE]")
@click.option("--zone", default="", help="IANA time zone of the day  [default: DIGEST_ZONE]")
@click.option("--format", "form", type=_Known(_formats), default="md", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="a file instead of the terminal")
def report(repos: tuple[str, ...], day: str, lang: str | None, zone: str, form: str, output: Path | None) -> None:
    """Write the full report of one or several repositories."""
    from bot.conversation.commands import is_repository
    from bot.posts.report import FORMATS
    from bot.texts import Texts

    days = [word for word in repos if not is_repository(word)] or [day]
    named = [word for word in repos if is_repository(word)]
    with _told_kindly(), _app(lang, zone) as (app, settings):
        commands = _commands(app, settings, "")
        made = [d for repo in named or [""] for d in commands.digests(_request(_line((*days, repo))))]
        _write(FORMATS[form].write(made, Texts(settings.digest_language)), output)


@cli.command()
@click.option("--failed", is_flag=True, help="only those that were given up")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1_000))
def deliveries(failed: bool, limit: int) -> None:
    """List the latest deliveries: what was posted where, what waits, and why something was not."""
    from adapters.chats import terminal
    from bot.conversation import operator
    from bot.texts import Texts

    with _told_kindly(), _app() as (app, settings):
        message = operator.listed(app, failed, limit, settings.digest_zone, Texts(settings.digest_language))
        terminal.from_settings(settings).post(terminal.HOME, message)


@cli.command()
@click.argument("number", metavar="ID", type=int)
def retry(number: int) -> None:
    """Try a delivery again that was given up."""
    from bot.conversation import operator
    from bot.texts import Texts

    with _told_kindly(), _app() as (app, settings):
        operator.retry(app, number)
        click.echo(Texts(settings.digest_language)("delivery.again", id=number))


@cli.command()
@click.argument("repo")
@click.option("--from", "first", required=True, help="the first day: 2026-02-18")
@click.option("--to", "last", required=True, help="the last day")
@click.option("--branch", default="", help="a branch  [default: the repository's own]")
@click.option("--lang", type=_Known(_languages), help="language  [default: DIGEST_LANGUAGE]")
@click.option("--zone", default="", help="IANA time zone of the days  [default: DIGEST_ZONE]")
def backfill(repo: str, first: str, last: str, branch: str, lang: str | None, zone: str) -> None:
    """Make the digests of past days and keep them, without posting them: for search, and for what is usual."""
    from adapters.chats import terminal
    from bot.conversation import operator
    from bot.conversation.commands import parse_date
    from bot.posts.labels import day_label
    from bot.texts import Texts
    from bot.values import Subscription

    with _told_kindly(), _app(lang, zone) as (app, settings):
        texts = Texts(settings.digest_language)
        repo = _commands(app, settings, "").spelled(terminal.HOME, repo)
        wanted = Subscription(terminal.HOME, repo, "", settings.digest_zone, settings.digest_language, branch)
        for made in operator.backfill(app, wanted, parse_date(first), parse_date(last)):
            count = texts.count("commits", len(made.entries))
            click.echo(texts("delivery.backfilled", day=day_label(made.period, texts), count=count))


@cli.command()
def export() -> None:
    """Print all subscriptions as YAML."""
    import yaml

    from bot.conversation import operator

    with _told_kindly(), _app() as (app, _):
        records = operator.exported(app.store.subscriptions())
        click.echo(yaml.safe_dump(records, allow_unicode=True, sort_keys=False), nl=False)


@cli.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
def import_(file: Path) -> None:
    """Follow what a YAML file of `digest export` lists (- for standard input); what is followed already is changed."""
    from bot.conversation import operator
    from bot.texts import Texts

    with _told_kindly(), _app() as (app, settings):
        subscriptions = operator.imported(_yaml(file), app.clock())
        operator.follow(app, subscriptions)
        click.echo(Texts(settings.digest_language)("delivery.imported", n=len(subscriptions)))


@cli.command()
@click.argument("what", type=click.Choice(["slack", "feishu"]), required=False)
@click.option("--channel", default="", help="the id of a channel or group to look at: C0123456789, oc_…")
def doctor(what: str | None, channel: str) -> None:
    """Look at how the bot, or only one chat, is set up, and say what to do about what does not work."""
    from bot.ports import Verdict
    from bot.settings import load
    from bot.texts import Texts

    failed = False
    with _told_kindly():
        settings = load()
        texts = Texts(settings.digest_language)
        for finding in _findings(settings, what, channel, texts):
            failed |= finding.verdict is Verdict.FAILED
            told = (
                texts.error(finding.error)
                if finding.error
                else texts(f"doctor.{finding.subject}_{finding.outcome}", **finding.fields)
            )
            click.echo(f"{texts(f'doctor.{finding.verdict}_mark')} {texts(f'doctor.{finding.subject}')}: {told}")
    sys.exit(1 if failed else 0)


def _findings(settings: Settings, what: str | None, channel: str, texts: Texts) -> Iterator[Finding]:
    """What is found of everything, or of one chat."""
    from bot.conversation import operator

    if what is None:
        with _app() as (app, _):
            yield from operator.examine(app, str(settings.digest_database))
    group = channel.startswith(_FEISHU_GROUP)  # so that one of a chat is not looked for in the other
    if what == "slack" or (what is None and _CHATS["slack"][1](settings)):
        from adapters.chats.slack.doctor import examine

        yield from examine(settings, "" if group and what is None else channel, _sample(texts))
    if what == "feishu" or (what is None and _CHATS["feishu"][1](settings)):
        from adapters.chats.feishu import doctor as feishu_doctor

        yield from feishu_doctor.examine(settings, channel if group or what else "")
    if what is None:
        yield from (_webhook_finding(settings, name) for name in _CHATS if _is_webhook(name))


_FEISHU_GROUP = "oc_"


def _webhook_finding(settings: Settings, name: str) -> Finding:
    """Whether a setting with webhooks can be read; whether they work only a message would tell."""
    from bot.errors import ConfigError
    from bot.ports import Finding, Verdict

    subject = name.replace("-", "_")
    if not _CHATS[name][1](settings):
        return Finding(subject, Verdict.SKIPPED, "none")
    try:
        names = ", ".join(_made(settings, name).names)
    except ConfigError as error:
        return Finding(subject, Verdict.FAILED, "error", error=error)
    return Finding(subject, Verdict.FINE, "fine", {"names": names})


def _sample(texts: Texts) -> Message:
    """A message with a table, as a digest has."""
    from bot.values import Message, Span, Table

    columns = tuple(texts(f"table.{name}") for name in ("time", "author", "message", "importance"))
    row = tuple((Span(word),) for word in ("09:00", "commit-digest", "feat: …", texts("importance.high")))
    return Message("sample", (Span("Commit Digest"),), (Table(columns, (row,)),))


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="as JSON")
def db(as_json: bool) -> None:
    """Show where the database is, its size, and what it holds."""
    with _told_kindly(), _app() as (app, settings):
        counts = app.store.counts()
        if as_json:
            import json

            click.echo(json.dumps({"path": str(settings.digest_database), **counts}, ensure_ascii=False))
            return
        click.echo(f"{settings.digest_database}  {counts.pop('bytes'):,} bytes")
        for table, rows in counts.items():
            click.echo(f"{rows:>12,}  {table}")


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell: eval "$(digest completion bash)"."""
    completer = get_completion_class(shell)
    assert completer is not None  # the choices are click's own shells
    click.echo(completer(cli, {}, "digest", "_DIGEST_COMPLETE").source())


# --- Joining the parts -----------------------------------------------------------------------


@contextmanager
def _app(lang: str | None = None, zone: str = "") -> Iterator[tuple[App, Settings]]:
    """The program with its real parts, closed at the end."""
    from adapters.stores import sqlite
    from bot.app import App, Policy
    from bot.conversation.commands import zone_named
    from bot.judgement.asker import Limits
    from bot.settings import habits, load

    settings = load()
    if lang or zone:
        changed = {"digest_language": lang} if lang else {}
        changed |= {"digest_zone": zone_named(zone)} if zone else {}
        settings = settings.model_copy(update=changed)
    store = sqlite.from_settings(settings)
    model = None
    if settings.openai_model:
        from adapters.llms import openai

        model = openai.from_settings(settings)
    try:
        with _progress() as progress:
            yield (
                App(
                    store=store,
                    source_of=_sources(settings),
                    model=model,
                    policy=Policy(settings.digest_allow),
                    clock=lambda: datetime.now(UTC),
                    concurrency=settings.openai_concurrency,
                    progress=progress,
                    habits=habits(settings.digest_notes),
                    limits=Limits(
                        day=settings.openai_daily_tokens,
                        digest=settings.openai_digest_tokens,
                        zone=settings.digest_zone,
                        prompt_price=settings.openai_prompt_price,
                        completion_price=settings.openai_completion_price,
                    ),
                ),
                settings,
            )
    finally:
        store.close()


def _sources(settings: Settings) -> Callable[[str], CommitSource]:
    """The source of a repository by its name: `owner/name` is GitHub's, a path or a URL is git's."""
    made: dict[str, CommitSource] = {}

    def source_of(repo: str) -> CommitSource:
        kind = "github" if _hosted(repo) else "git"
        if kind not in made:
            if kind == "github":
                from adapters.sources import github

                made[kind] = github.from_settings(settings)
            else:
                from adapters.sources import git

                made[kind] = git.from_settings(settings)
        return made[kind]

    return source_of


def _chat(settings: Settings, to: str, *, known: bool = True) -> tuple[Chat, Place]:
    """The chat that `slack:C0123456789` names, and the channel in it; the terminal for none.

    With `known` a webhook must be set up. Raises UsageError, NotFound, ConfigError.
    """
    from adapters.chats import terminal
    from bot.errors import UsageError
    from bot.values import Place

    if not to:
        return terminal.from_settings(settings), terminal.HOME
    name, _, channel = to.partition(":")
    if name not in _CHATS or not channel:
        raise UsageError("place_unknown", place=to)
    chat = _made(settings, name)
    return chat, chat.place(channel) if known and _is_webhook(name) else Place(name, channel)


def _chats(settings: Settings) -> dict[str, Chat]:
    """Every chat that is set up, by name."""
    return {name: _made(settings, name) for name, (_, is_set_up) in _CHATS.items() if is_set_up(settings)}


_CHATS: dict[str, tuple[str, Callable[[Settings], bool]]] = {
    "slack": ("adapters.chats.slack", lambda s: bool(s.slack_bot_token.get_secret_value() or s.slack_client_id)),
    "feishu": ("adapters.chats.feishu", lambda s: bool(s.feishu_app_id)),
    "slack-webhook": ("adapters.chats.slack.webhook", lambda s: bool(s.slack_webhooks.get_secret_value())),
    "feishu-webhook": ("adapters.chats.feishu.webhook", lambda s: bool(s.feishu_webhooks.get_secret_value())),
}
"""Every chat besides the terminal: the module that makes it, and whether it is set up."""


def _is_webhook(name: str) -> bool:
    return name.endswith("-webhook")


def _made(settings: Settings, name: str) -> Any:
    """A chat. Raises ConfigError."""
    return import_module(_CHATS[name][0]).from_settings(settings)


@contextmanager
def _service(once: bool) -> Iterator[tuple[App, Settings, Worker, dict[str, Chat]]]:
    """The program with its worker and its chats. Raises ConfigError where there is none to listen in."""
    from datetime import timedelta

    from adapters import logs
    from adapters.chats import terminal
    from bot.delivery.worker import Worker
    from bot.errors import ConfigError

    with _app() as (app, settings):
        logs.configure(settings)
        logs.catch()
        chats = _chats(settings)
        if once:
            chats[terminal.HOME.chat] = terminal.from_settings(settings)
        elif not chats:
            raise ConfigError("chat_none")
        store, lease = app.store, timedelta(seconds=settings.digest_lease)
        yield (
            app,
            settings,
            Worker(app, chats, lease, archive=store, subscriptions=store, ledger=store, leases=store),
            chats,
        )


_TICK = 5
"""Seconds between two looks at what is due."""
_QUOTA = 60
"""Seconds between two looks at what GitHub still allows."""
_PATIENCE = 8.0
"""Seconds that a message which is just being sent is waited for: service managers kill after ten."""


@contextmanager
def _clock() -> Iterator[Clock]:
    """A metronome, which ticks while this lasts."""
    from adapters.clock import Clock

    clock = Clock()
    clock.start()
    try:
        yield clock
    finally:
        clock.stop()


@contextmanager
def _monitor(app: App, settings: Settings, clock: Clock) -> Iterator[None]:
    """The operator's port, where one is set."""
    if not settings.digest_monitor_port:
        yield
        return
    from adapters.monitor import Monitor
    from bot.conversation import operator
    from bot.errors import DigestError
    from bot.values import Quota

    known: list[Quota | None] = [None]

    def look() -> None:
        with suppress(DigestError):
            known[0] = app.quota()

    clock.every(_QUOTA, look, "quota")  # apart, so that a slow GitHub makes no answer slow
    monitor = Monitor(
        settings.digest_monitor_host,
        settings.digest_monitor_port,
        lambda: operator.unready(app),
        lambda: operator.measures(app, known[0]),
    )
    monitor.start()
    try:
        yield
    finally:
        monitor.stop()


def _leave(code: int) -> None:
    """End at once: what a thread is still building would only be thrown away, and made again by the next process."""
    import logging
    import os

    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody may be reading any more
            stream.flush()
    os._exit(code)


def _together(works: Sequence[Callable[[], None]], stop: Callable[[], None]) -> None:
    """Do several things at the same time, until the last one ends; the first failure stops the others and is raised."""
    from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

    with ThreadPoolExecutor(len(works)) as pool:
        going = [pool.submit(work) for work in works]
        # A signal that another thread takes does not wake a main thread that waits without end.
        while any(not future.done() for future in going):
            ended, _ = wait(going, timeout=0.5, return_when=FIRST_EXCEPTION)
            if any(future.exception() for future in ended):
                stop()
    for future in going:
        future.result()


def _hosted(repo: str) -> bool:
    return repo.count("/") == 1 and not repo.startswith(("/", ".", "~")) and ":" not in repo


def _service_commands(app: App, settings: Settings) -> Commands:
    """The grammar in a channel, which follows what it says and not what the operator works in."""
    from bot.commits import hosts
    from bot.conversation.commands import Commands, Defaults

    kept = (settings.digest_language, settings.digest_zone, settings.digest_schedule)
    return Commands(app, Defaults(*kept, hosts=hosts.from_settings(settings)))


def _commands(app: App, settings: Settings, repo: str) -> Commands:
    """The grammar in a terminal."""
    from bot.commits import hosts
    from bot.conversation.commands import Commands, Defaults

    repo = repo or settings.digest_repo or _checkout()
    said = settings.model_fields_set  # what the user set, in a file, the environment or an option
    return Commands(
        app,
        Defaults(
            settings.digest_language,
            settings.digest_zone,
            settings.digest_schedule,
            repo,
            settings.digest_language if "digest_language" in said else "",
            settings.digest_zone if "digest_zone" in said else "",
            hosts.from_settings(settings),
        ),
    )


def _checkout() -> str:
    """The folder we are in, where it belongs to a git repository."""
    here = Path.cwd()
    return str(here) if any((folder / ".git").exists() for folder in (here, *here.parents)) else ""


def _line(words: Iterable[str]) -> str:
    """Words as one line of the grammar, which takes what stands between quotes as one word."""
    return " ".join(f'"{word}"' if " " in word else word for word in words)


def _request(text: str, place: Place | None = None) -> Any:
    """What the operator types, about the terminal or another place."""
    from adapters.chats import terminal
    from bot.values import Request

    return Request(text, place or terminal.HOME, terminal.USER)


# --- Showing ---------------------------------------------------------------------------------


@contextmanager
def _told_kindly() -> Iterator[None]:
    """An expected failure ends the program with its text: exit code 2 for a wrong command, 1 for everything else."""
    from bot.errors import DigestError, UsageError

    try:
        yield
    except DigestError as error:
        click.echo(f"digest: {_told(error)}", err=True)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except BrokenPipeError:
        # The reader of a pipe (head, less) has gone: nothing is left to say, also not at shutdown.
        sys.stderr.close()
        sys.exit(1)


def _told(error: DigestError) -> str:
    from bot.errors import ConfigError
    from bot.settings import load
    from bot.texts import Texts
    from bot.values import sanitize

    try:
        language: str = load().digest_language
    except ConfigError:
        language = "en"
    return sanitize(Texts(language).error(error))


@contextmanager
def _progress() -> Iterator[Progress]:
    """Progress on a terminal's error stream, with the time left; silence elsewhere."""
    from bot.ports import Progress

    if not sys.stderr.isatty():
        yield Progress()
        return
    from adapters.chats.terminal import drawn_progress

    with drawn_progress() as drawn:
        yield drawn


def _print_json(posts: tuple[Post, ...]) -> None:
    from pydantic import TypeAdapter

    from bot.values import Post

    click.echo(TypeAdapter(tuple[Post, ...]).dump_json(posts, indent=2).decode())


def _yaml(file: Path) -> object:
    """What a YAML file holds. Raises UsageError."""
    import yaml

    from bot.errors import UsageError

    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        return yaml.safe_load(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        problem = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        raise UsageError("import_unreadable", path=str(file), problem=problem) from None


def _write(text: str, output: Path | None) -> None:
    from bot.errors import ConfigError

    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError("output_unwritable", path=str(output), problem=error.strerror) from None


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no such character shows a question mark
    cli(prog_name="digest")


if __name__ == "__main__":
    main()
