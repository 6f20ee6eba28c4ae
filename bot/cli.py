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
  digest today | week | latest        another time, also a date such as 2026-02-18
  digest yesterday owner/repo         another repository: on GitHub, a path, or a URL
  digest 6344 | 9a93eb7               one commit in full: a pull request or a SHA
  digest search WORDS                 commits of digests so far
  digest subscribe owner/repo         follow a repository; then plain "digest" is enough
  digest help                         everything you can ask, here and in a chat

Settings come from the environment or a .env file; without any, the rules write the digest, with no account and no
network. Set OPENAI_MODEL for a language model and GITHUB_TOKEN for GitHub.
"""


@cache
def _actions() -> Any:
    """What commands do, imported when the first one runs."""
    with imports.of_much():
        return import_module("bot.actions")


class _Known(click.ParamType[str]):
    """One of several names, which are only looked up when they are needed, so that `--help` of all is fast."""

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
    """A group that takes every line that is no command of its own for one of the chat's."""

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
_REPO = click.option("--repo", default="", help="the repository, where a line names none")


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
@click.option("--json", "as_json", is_flag=True, help="the answer as JSON")
@_REPO
@click.option("--to", default="", help="post the answer there: slack:C0123456789, feishu:oc_…, slack-webhook:team")
def ask(words: tuple[str, ...], as_json: bool, repo: str, to: str) -> None:
    """Answer one line of the chat's grammar. What a place follows is changed and listed with `--to`, and told here."""
    _actions().ask(words, repo, to, as_json=as_json)


@cli.command()
@_REPO
def chat(repo: str) -> None:
    """Talk to the bot as in a channel: threads are numbered and open with `thread 1`."""
    _actions().chat(repo)


@cli.command()
@_REPO
def mcp(repo: str) -> None:
    """Answer agents over the Model Context Protocol (stdio): digest, commit, search, question, releases; read-only."""
    _actions().mcp(repo)


@cli.command()
@click.option(
    "--once", is_flag=True, help="deliver what is due and end, for a cron or a CI job; exit code 1 on failure"
)
@click.option(
    "--only",
    multiple=True,
    type=_Known(_roles),
    help="of one process among several on PostgreSQL, any number of each; may be given twice  [default: all]",
)
def run(once: bool, only: tuple[str, ...]) -> None:
    """Deliver every digest when it is due, and listen in every chat that is set up, until stopped (Ctrl+C, SIGTERM)."""
    _actions().run(once, only)


@cli.command()
@click.argument("repos", nargs=-1)
@click.option(
    "--date", "day", default="yesterday", show_default=True, help="today, yesterday, week, latest or 2026-02-18"
)
@_LANG
@_ZONE
@click.option("--format", "form", type=_Known(_formats), default="md", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="a file instead of the terminal")
def report(repos: tuple[str, ...], day: str, lang: str | None, zone: str, form: str, output: Path | None) -> None:
    """Write the full report of one or several repositories."""
    _actions().report(repos, day, form, output, lang=lang, zone=zone)


@cli.command()
@click.option("--failed", is_flag=True, help="only those that were given up")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1_000))
def deliveries(failed: bool, limit: int) -> None:
    """List the latest deliveries: what was posted where, what waits, and why something was not."""
    _actions().deliveries(limit, failed=failed)


@cli.command()
@click.argument("number", metavar="ID", type=int)
def retry(number: int) -> None:
    """Try a delivery again that was given up."""
    _actions().retry(number)


@cli.command()
@click.argument("repo")
@click.option("--from", "first", required=True, help="the first day: 2026-02-18")
@click.option("--to", "last", required=True, help="the last day")
@click.option("--branch", default="", help="a branch  [default: the repository's own]")
@_LANG
@_ZONE
def backfill(repo: str, first: str, last: str, branch: str, lang: str | None, zone: str) -> None:
    """Make the digests of past days and keep them, without posting them: for search, and for what is usual."""
    _actions().backfill(repo, first, last, branch=branch, lang=lang, zone=zone)


@cli.command()
def export() -> None:
    """Print all subscriptions as YAML."""
    _actions().export()


@cli.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
def import_(file: Path) -> None:
    """Follow what a YAML file of `digest export` lists (- for standard input); what is followed already is changed."""
    _actions().import_(file)


@cli.command()
@click.argument("what", type=click.Choice(["slack", "feishu"]), required=False)
@click.option("--channel", default="", help="the id of a channel or group to look at: C0123456789, oc_…")
def doctor(what: str | None, channel: str) -> None:
    """Look at how the bot, or only one chat, is set up, and say what to do about what does not work."""
    _actions().doctor(what, channel)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="as JSON")
def db(as_json: bool) -> None:
    """Show where the database is, its size, and what it holds."""
    _actions().db(as_json=as_json)


@cli.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def backup(file: Path) -> None:
    """Copy the database to a file, also while the bot runs: a plain copy of a file in use is no backup."""
    _actions().backup(file)


@cli.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def restore(file: Path) -> None:
    """Put a backup in the place of the database, while nothing runs; the old one is kept beside it."""
    _actions().restore(file)


@cli.command()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
def move(source: str, target: str) -> None:
    """Copy everything from one database (a file, or postgresql://…) into another, empty one, while nothing runs."""
    _actions().move(source, target)


@cli.command()
@click.argument("what", metavar="REPOSITORY|PERSON")
def forget(what: str) -> None:
    """Remove all that is kept of a repository, or of a person of a chat (slack:T0123/U0123, feishu:ou_…)."""
    _actions().forget(what)


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell: eval "$(digest completion bash)"."""
    completer = get_completion_class(shell)
    assert completer is not None  # the choices are click's own shells
    click.echo(completer(cli, {}, "digest", "_DIGEST_COMPLETE").source())


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no such character shows a question mark
    cli(prog_name="digest")
