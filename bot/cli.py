"""The command line. Only click is imported before a command runs, so that `--help` and completion answer at once."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem, get_completion_class

if TYPE_CHECKING:
    from bot.app import App
    from bot.delivery.worker import Worker
    from bot.errors import DigestError
    from bot.parts import AllSettings
    from bot.values import Digest, Place, Post

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
    from bot import parts
    from bot.conversation.commands import verb_of
    from bot.errors import UsageError
    from bot.texts import Texts

    verb = verb_of(_line(words))
    with _app() as (app, settings):
        chat, place = parts.chat(settings, to, known=verb not in _FOLLOWED)
        if verb == "report" and parts.is_webhook(place.chat):
            raise UsageError("webhook_files")
        asked = _request(_line(words))
        if verb == "subscribe" or verb in _FOLLOWED:
            if place.chat == "slack" and "/" not in place.channel:
                raise UsageError("place_workspace", place=to)
            asked = _request(_line(words), place)
            chat, place = parts.chat(settings, "")
        posts = parts.commands(app, settings, repo).run(asked)
        if as_json:
            _print_json(posts)
            return
        for post in posts:
            app.deliver(chat, place, post, Texts(settings.digest_language))


_FOLLOWED = ("unsubscribe", "list", "settings")
"""Lines about what a place follows already, also a webhook that is set up no more."""


@cli.command()
@click.option("--repo", default="", help="the repository, where a line names none")
def chat(repo: str) -> None:
    """Talk to the bot as in a channel: threads are numbered and open with `thread 1`."""
    from adapters.chats import terminal
    from bot import parts
    from bot.conversation.host import Host

    with _app() as (app, settings):
        channel = terminal.Terminal(terminal.console(), folded=True)
        channel.listen(Host(app, parts.commands(app, settings, repo), channel))


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

    from bot import parts

    with _told_kindly(), parts.service(once=True) as (_, settings, worker, _), parts.clock() as clock:
        clock.every(settings.digest_lease / 3, worker.renew, "leases")
        delivered = worker.deliver_all(time.sleep)
    sys.exit(0 if delivered else 1)


def _deliver(begun: list[Worker]) -> None:
    """Deliver and listen until stopped; `begun` holds the worker, once it has threads that would outlive this."""
    import signal
    import time

    from bot import parts
    from bot.conversation.host import Host

    with _told_kindly(), parts.service(once=False) as (app, settings, worker, chats):
        sys.setswitchinterval(0.001)  # an acknowledgement waits for the thread that builds a digest at every step
        commands = parts.service_commands(app, settings)
        deadline: list[float] = []

        def stop(*_: object) -> None:
            deadline.append(time.monotonic() + _PATIENCE)
            worker.halt()
            for chat in chats.values():
                chat.close()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        listening = [lambda chat=chat: chat.listen(Host(app, commands, chat)) for chat in chats.values()]
        with parts.clock() as clock, parts.monitor(app, settings, clock):
            begun.append(worker)
            clock.every(settings.digest_lease / 3, worker.renew, "leases")
            clock.every(_TICK, worker.tick, "due")
            try:
                _together(listening, stop)
            finally:
                worker.stop(max(0.5, deadline[0] - time.monotonic()) if deadline else _PATIENCE)


_TICK = 5
"""Seconds between two looks at what is due."""
_PATIENCE = 8.0
"""Seconds that a message which is just being sent is waited for: service managers kill after ten."""


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


@cli.command()
@click.argument("repos", nargs=-1)
@click.option(
    "--date", "day", default="yesterday", show_default=True, help="today, yesterday, week, latest or 2026-02-18"
)
@click.option("--lang", type=click.Choice(["en", "zh"]), help="language of the report  [default: DIGEST_LANGUAGE]")
@click.option("--zone", default="", help="IANA time zone of the day  [default: DIGEST_ZONE]")
@click.option("--format", "form", type=click.Choice(["md", "html", "json"]), default="md", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="a file instead of the terminal")
def report(repos: tuple[str, ...], day: str, lang: str | None, zone: str, form: str, output: Path | None) -> None:
    """Write the full report of one or several repositories."""
    from bot import parts
    from bot.conversation.commands import is_repository
    from bot.posts import report as reports
    from bot.texts import Texts

    days = [word for word in repos if not is_repository(word)] or [day]
    named = [word for word in repos if is_repository(word)]
    with _app(lang, zone) as (app, settings):
        commands = parts.commands(app, settings, "")
        made = [d for repo in named or [""] for d in commands.digests(_request(_line((*days, repo))))]
        texts = Texts(settings.digest_language)
        writers: dict[str, Callable[[list[Digest]], str]] = {
            "md": lambda d: reports.markdown(d, texts),
            "html": lambda d: reports.html(d, texts),
            "json": reports.json,
        }
        _write(writers[form](made), output)


@cli.command()
@click.option("--failed", is_flag=True, help="only those that were given up")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1_000))
def deliveries(failed: bool, limit: int) -> None:
    """List the latest deliveries: what was posted where, what waits, and why something was not."""
    from bot import parts
    from bot.conversation import operator
    from bot.texts import Texts

    with _app() as (app, settings):
        chat, place = parts.chat(settings, "")
        message = operator.listed(app, failed, limit, settings.digest_zone, Texts(settings.digest_language))
        chat.post(place, message)


@cli.command()
@click.argument("number", metavar="ID", type=int)
def retry(number: int) -> None:
    """Try a delivery again that was given up."""
    from bot.conversation import operator
    from bot.texts import Texts

    with _app() as (app, settings):
        operator.retry(app, number)
        click.echo(Texts(settings.digest_language)("delivery.again", id=number))


@cli.command()
@click.argument("repo")
@click.option("--from", "first", required=True, help="the first day: 2026-02-18")
@click.option("--to", "last", required=True, help="the last day")
@click.option("--branch", default="", help="a branch  [default: the repository's own]")
@click.option("--lang", type=click.Choice(["en", "zh"]), help="language  [default: DIGEST_LANGUAGE]")
@click.option("--zone", default="", help="IANA time zone of the days  [default: DIGEST_ZONE]")
def backfill(repo: str, first: str, last: str, branch: str, lang: str | None, zone: str) -> None:
    """Make the digests of past days and keep them, without posting them: for search, and for what is usual."""
    from bot import parts
    from bot.conversation import operator
    from bot.conversation.commands import parse_date
    from bot.posts.post import day_label
    from bot.texts import Texts
    from bot.values import Subscription

    with _app(lang, zone) as (app, settings):
        texts = Texts(settings.digest_language)
        _, here = parts.chat(settings, "")
        repo = parts.commands(app, settings, "").spelled(here, repo)
        wanted = Subscription(here, repo, "", settings.digest_zone, settings.digest_language, branch)
        for made in operator.backfill(app, wanted, parse_date(first), parse_date(last)):
            count = texts.count("commits", len(made.entries))
            click.echo(texts("delivery.backfilled", day=day_label(made.period, texts), count=count))


@cli.command()
def export() -> None:
    """Print all subscriptions as YAML."""
    import yaml

    from bot.conversation import operator

    with _app() as (app, _):
        records = operator.exported(app.store.subscriptions())
        click.echo(yaml.safe_dump(records, allow_unicode=True, sort_keys=False), nl=False)


@cli.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
def import_(file: Path) -> None:
    """Follow what a YAML file of `digest export` lists (- for standard input); what is followed already is changed."""
    from bot.conversation import operator
    from bot.texts import Texts

    with _app() as (app, settings):
        subscriptions = operator.imported(_yaml(file), app.clock())
        operator.follow(app, subscriptions)
        click.echo(Texts(settings.digest_language)("delivery.imported", n=len(subscriptions)))


@cli.command()
@click.argument("what", type=click.Choice(["slack", "feishu"]), required=False)
@click.option("--channel", default="", help="the id of a channel or group to look at: C0123456789, oc_…")
def doctor(what: str | None, channel: str) -> None:
    """Look at how the bot, or only one chat, is set up, and say what to do about what does not work."""
    from bot import parts
    from bot.ports import Verdict
    from bot.settings import Settings, load
    from bot.texts import Texts

    failed = False
    with _told_kindly():
        texts = Texts(load(Settings).digest_language)
        for finding in parts.findings(what, channel):
            failed |= finding.verdict is Verdict.FAILED
            told = (
                texts.error(finding.error)
                if finding.error
                else texts(f"doctor.{finding.subject}_{finding.outcome}", **finding.fields)
            )
            click.echo(f"{texts(f'doctor.{finding.verdict}_mark')} {texts(f'doctor.{finding.subject}')}: {told}")
    sys.exit(1 if failed else 0)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="as JSON")
def db(as_json: bool) -> None:
    """Show where the database is, its size, and what it holds."""
    with _app() as (app, settings):
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


# --- Asking ----------------------------------------------------------------------------------


@contextmanager
def _app(lang: str | None = None, zone: str = "") -> Iterator[tuple[App, AllSettings]]:
    """The program with its real parts, whose expected failures end it with their text."""
    from bot import parts

    with _told_kindly(), parts.app(lang, zone) as made:
        yield made


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
    from bot.settings import Settings, load
    from bot.texts import Texts
    from bot.values import sanitize

    try:
        language: str = load(Settings).digest_language
    except ConfigError:
        language = "en"
    return sanitize(Texts(language).error(error))


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
