"""The command line: how each command is typed. What it does is in `bot.actions`.

Only click is imported before a command runs, so that `--help` and completion answer at once.
"""

import io
import sys
from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class

from bot import __version__, imports

_HELP = """What changed in a repository, what matters, and why.

\b
  digest yesterday                    yesterday's digest of the repository you are in
  digest today | week | latest        another period, or a date such as 2026-02-18
  digest yesterday owner/repo         another repository: on GitHub, a path, or a URL
  digest 6344 | 9a93eb7               one commit in depth: a pull request or a SHA
  digest search WORDS                 search the commits of earlier digests
  digest subscribe owner/repo         follow a repository; digest alone then shows its last digest
  digest help                         everything you can ask, here and in a chat

Settings come from the environment or from ~/.config/commit-digest/.env. Without any, built-in rules
produce the digest: no account, no network. Set OPENAI_MODEL to use a language model, and GITHUB_TOKEN for GitHub.
"""


@cache
def _actions() -> Any:
    """What commands do, imported when the first one runs."""
    with imports.of_much():
        return import_module("bot.actions")


class _Known(click.ParamType[str]):
    """One of several names, looked up only when needed, so that `digest --help` is fast."""

    name = "name"

    def __init__(self, names: Callable[[], Iterable[str]], meant: Callable[[str], str] = str) -> None:
        self._names = names
        self._meant = meant

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return click.Choice(tuple(self._names())).get_metavar(param, ctx) or ""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return click.Choice(tuple(self._names())).convert(self._meant(value), param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return click.Choice(tuple(self._names())).shell_complete(ctx, param, incomplete)


def _formats() -> Iterable[str]:
    from bot.posts.report import FORMATS

    return FORMATS


def _languages() -> Iterable[str]:
    from bot.languages import LANGUAGES

    return LANGUAGES


def _language(name: str) -> str:
    """The code of the language that a name means, else the name."""
    from bot.languages import language_named

    language = language_named(name)
    return language.code if language else name


def _roles() -> Iterable[str]:
    from bot.delivery.queued import ROLES

    return ROLES


class _Grammar(click.Group):
    """A group that passes every line that is not one of its own commands on to the chat's grammar."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] in self.commands:
            return super().resolve_command(ctx, args)
        return "ask", self.commands["ask"], args

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from bot.conversation.commands import COMMANDS

        own = super().shell_complete(ctx, incomplete)
        known = {item.value for item in own}
        return [*own, *(CompletionItem(c) for c in COMMANDS if c.startswith(incomplete) and c not in known)]


_LANG = click.option("--lang", type=_Known(_languages, _language), help="language  [default: DIGEST_LANGUAGE]")
_ZONE = click.option("--zone", default="", help="IANA time zone of the days  [default: DIGEST_ZONE]")
_REPO = click.option("--repo", default="", help="the repository to use if a request names none")


@click.group(
    cls=_Grammar,
    help=_HELP,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "ignore_unknown_options": True, "max_content_width": 120},
)
@click.version_option(__version__, prog_name="digest")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Run what was asked; nothing asked means the last digest again."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(ask, words=(), as_json=False, repo="", to="")


@cli.command(hidden=True, context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="print the answer as JSON")
@_REPO
@click.option("--to", default="", help="channel to post in: slack:C0123456789, feishu:oc_…, slack-webhook:team")
def ask(words: tuple[str, ...], as_json: bool, repo: str, to: str) -> None:
    """Answer a line such as `yesterday` or `search rate limit`, as in a chat. The word `ask` may be left out.

    `--to` posts the answer in another channel. With subscribe, unsubscribe, list and settings, it says instead which
    channel they apply to, and the answer is printed in the terminal.
    """
    _actions().ask(words, repo, to, as_json=as_json)


@cli.command()
@_REPO
def chat(repo: str) -> None:
    """Talk to the bot as in a channel.

    Threads are numbered; `thread 1` opens the first.
    """
    _actions().chat(repo)


@cli.command()
@_REPO
def mcp(repo: str) -> None:
    """Answer agents over MCP (Model Context Protocol), read-only.

    It reads standard input and writes to standard output.
    """
    _actions().mcp(repo)


@cli.command()
@click.option("--once", is_flag=True, help="post what is due and exit, for cron or a CI job; exit code 1 on failure")
@click.option(
    "--only",
    multiple=True,
    type=_Known(_roles),
    help="do only this part of the work (requires PostgreSQL; other processes do the rest); may be given twice"
    "  [default: all]",
)
def run(once: bool, only: tuple[str, ...]) -> None:
    """Post digests when they are due, and answer in chats.

    Runs until it is stopped (Ctrl+C, SIGTERM).
    """
    _actions().run(once, only)


@cli.command()
@click.argument("repos", nargs=-1)
@click.option(
    "--date", "day", default="yesterday", show_default=True, help="today, yesterday, week, latest or 2026-02-18"
)
@_LANG
@_ZONE
@click.option("--format", "form", type=_Known(_formats), default="md", show_default=True, help="file format")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="write to this file")
def report(repos: tuple[str, ...], day: str, lang: str | None, zone: str, form: str, output: Path | None) -> None:
    """Write the full report of one or more repositories."""
    _actions().report(repos, day, form, output, lang=lang, zone=zone)


@cli.command()
@click.option("--failed", is_flag=True, help="only those that the bot gave up on")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1_000), help="how many to list")
def deliveries(failed: bool, limit: int) -> None:
    """List recent deliveries.

    Shows what was posted where, what is waiting, and why something was not posted.
    """
    _actions().deliveries(limit, failed=failed)


@cli.command()
@click.argument("number", metavar="ID", type=int)
def retry(number: int) -> None:
    """Retry a delivery that the bot gave up on."""
    _actions().retry(number)


@cli.command()
@click.argument("repo")
@click.option("--from", "first", required=True, help="the first day, such as 2026-02-18")
@click.option("--to", "last", required=True, help="the last day")
@click.option("--branch", default="", help="a branch  [default: the repository's default branch]")
@_LANG
@_ZONE
def backfill(repo: str, first: str, last: str, branch: str, lang: str | None, zone: str) -> None:
    """Build the digests of past days without posting them.

    Search then finds their commits, and later digests are compared with them.
    """
    _actions().backfill(repo, first, last, branch=branch, lang=lang, zone=zone)


@cli.command()
def export() -> None:
    """Print all subscriptions as YAML."""
    _actions().export()


@cli.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
def import_(file: Path) -> None:
    """Import subscriptions from a YAML file.

    If FILE is -, standard input is read. The format is that of `digest export`. Existing subscriptions are updated.
    """
    _actions().import_(file)


@cli.command()
@click.argument("what", type=click.Choice(["slack", "feishu"]), required=False)
@click.option("--channel", default="", help="also check this channel or group: C0123456789, oc_…")
def doctor(what: str | None, channel: str) -> None:
    """Check the setup and say what to fix.

    With slack or feishu, only that chat.
    """
    _actions().doctor(what, channel)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="print as JSON")
def db(as_json: bool) -> None:
    """Show the database's path, size and contents."""
    _actions().db(as_json=as_json)


@cli.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def backup(file: Path) -> None:
    """Back up the database to a file.

    Works while the bot runs. Copying a database file that is in use is not a backup.
    """
    _actions().backup(file)


@cli.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def restore(file: Path) -> None:
    """Replace the database with a backup.

    Stop the bot first. The old database is kept next to the new one.
    """
    _actions().restore(file)


@cli.command()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
def move(source: str, target: str) -> None:
    """Copy a database into another, empty one.

    Each is a file or postgresql://… Stop the bot first.
    """
    _actions().move(source, target)


@cli.command()
@click.argument("what", metavar="REPOSITORY|PERSON")
def forget(what: str) -> None:
    """Delete all data about a repository or a person.

    A person is slack:T0123/U0123 or feishu:ou_…
    """
    _actions().forget(what)


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a shell completion script.

    Use it with: eval "$(digest completion bash)"
    """
    completer = get_completion_class(shell)
    assert completer is not None  # the choices are click's own shells
    click.echo(completer(cli, {}, "digest", "_DIGEST_COMPLETE").source())


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no such character shows a question mark
    cli(prog_name="digest")
