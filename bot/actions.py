"""What each command of the command line does, on the program's real parts. `bot.cli` says how it is typed."""

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import click
from pydantic import TypeAdapter

from adapters.chats import terminal
from bot import parts
from bot.conversation import operator
from bot.conversation.commands import WORDS
from bot.conversation.grammar import is_repository, parse_date, quoted, words
from bot.delivery.queued import ROLES, WORK, Queued
from bot.delivery.sending import deliver
from bot.delivery.worker import Worker
from bot.errors import ConfigError, DigestError, NotFound, UsageError
from bot.ports import Verdict
from bot.posts.labels import day_label
from bot.posts.report import FORMATS
from bot.settings import Settings, language, load
from bot.texts import SHELL, Texts
from bot.values import Post, Request, Subscription, sanitize

_P = ParamSpec("_P")


def _kindly(work: Callable[_P, None]) -> Callable[_P, None]:
    """An expected failure ends the program with its text: exit code 2 for a wrong command, 1 for everything else."""

    @wraps(work)
    def kindly(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            work(*args, **kwargs)
        except DigestError as error:
            click.echo(f"digest: {sanitize(_texts().error(error))}", err=True)
            sys.exit(2 if isinstance(error, UsageError) else 1)
        except BrokenPipeError:
            # The reader of a pipe (head, less) has gone: nothing is left to say, also not at shutdown.
            sys.stderr.close()
            sys.exit(1)

    return kindly


def _texts() -> Texts:
    """The labels in the operator's language."""
    return Texts(language(), SHELL)


def _line(typed: Iterable[str]) -> str:
    """Words as one line of the grammar, in which quoted text is one word."""
    return " ".join(map(quoted, typed))


# --- Asking ----------------------------------------------------------------------------------


@_kindly
def ask(typed: Sequence[str], repo: str, to: str, *, as_json: bool) -> None:
    """Answer one line of the grammar, in the terminal or at the place `to`."""
    # A sentence in quotation marks, which a shell needs for its question mark, is the line itself.
    is_sentence = len(typed) == 1 and " " in typed[0] and not parts.is_repository(typed[0])
    line = typed[0] if is_sentence else _line(typed)
    command = WORDS.get(next(iter(words(line)), "").lower())
    about_place, files = command is not None and command.about_place, command is not None and command.files
    with parts.program() as program:
        # A webhook that is no longer configured can still be unfollowed.
        known = not about_place or (command and command.begins) or False
        chat, place = parts.chat(program.settings, to, known=known, rates=program.chats.rates, learned=program.store)
        if files and parts.is_webhook(place.chat):
            raise UsageError("webhook_files")
        asked = terminal.HOME
        if about_place:
            if place.chat == "slack" and "/" not in place.channel:
                raise UsageError("place_workspace", place=to)
            asked = place
            chat, place = parts.chat(program.settings, "")
        interpreter = program.in_terminal(repo, place.chat)
        with program.working():
            posts = interpreter.run(interpreter.context(Request(line, asked, terminal.USER)))
        if as_json:
            click.echo(TypeAdapter(tuple[Post, ...]).dump_json(posts, indent=2).decode())
            return
        for post in posts:
            deliver(chat, place, post, program.texts)


@_kindly
def chat(repo: str) -> None:
    """Answer in the terminal as in a channel."""
    with parts.program() as program:
        channel = terminal.Terminal(terminal.console(), program.texts, folded=True)
        channel.listen(program.host(program.in_terminal(repo), channel))


@_kindly
def mcp(repo: str) -> None:
    """Answer other programs over the Model Context Protocol."""
    with parts.program() as program:
        parts.serve_agents(program, repo)


@_kindly
def report(named: Sequence[str], day: str, form: str, output: Path | None, *, lang: str | None, zone: str) -> None:
    """Write the full report of one or several repositories."""
    repos = [word for word in named if is_repository(word) or parts.is_repository(word)]
    days = [word for word in named if word not in repos] or [day]
    with parts.program(lang, zone) as program:
        interpreter = program.in_terminal()
        requests = (Request(_line((*days, repo)), terminal.HOME, terminal.USER) for repo in repos or [""])
        with program.working():
            found = [interpreter.digests(request) for request in requests]
        made = [digest for digests, _ in found for digest in digests]
        text = FORMATS[form].write(made, program.texts)
        for error in (error for _, failed in found for error in failed):
            click.echo(program.texts.error(error), err=True)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError("output_unwritable", path=str(output), problem=error.strerror) from None
    click.echo(program.texts("answer.written", path=output, size=f"{output.stat().st_size:,}"))


# --- Running ---------------------------------------------------------------------------------

_DAY = 86_400
"""Seconds between two cleanups of old data."""
_CHANGED = 60
"""Seconds between two checks for changed settings of a chat."""
_PATIENCE = 8.0
"""Seconds to wait for a message that is being sent: service managers kill after ten."""


def run(once: bool, only: Sequence[str]) -> None:
    """Deliver every digest when it is due, and listen in every chat, until stopped; with `once` only what is due now.

    `only` names the roles of this process, if other processes have the rest.
    """
    begun: list[Worker | Queued] = []
    try:
        _deliver_once() if once else _deliver(begun, tuple(only) or ROLES)
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


@_kindly
def _deliver_once() -> None:
    with parts.service(once=True) as program, parts.clock() as clock:
        wrong = parts.set_up(program)
        worker = program.worker()
        clock.every(program.settings.digest_lease / 3, worker.renew, "leases")
        delivered = worker.deliver_all(time.sleep)
    for error in wrong.values():
        raise error
    sys.exit(0 if delivered else 1)


@_kindly
def _deliver(begun: list[Worker | Queued], roles: Collection[str]) -> None:
    """Deliver and listen until stopped; `begun` holds the worker, once it has threads that would outlive this."""
    with parts.service(once=False) as program:
        if set(roles) != set(ROLES) and not program.queue:
            raise UsageError("roles_need_server")
        sys.setswitchinterval(0.001)  # an acknowledgement waits for the thread that builds a digest at every step
        supervisor, worker = parts.supervisor(program, roles), program.runner(roles)
        parts.introduce(program, roles)
        supervisor.prepare()
        deadline: list[float] = []

        def stop(*_: object) -> None:
            deadline.append(time.monotonic() + _PATIENCE)
            worker.halt()
            supervisor.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        with parts.clock() as clock, parts.monitor(program, clock, supervisor):
            begun.append(worker)
            worker.begin(clock.every)
            if WORK in roles:
                clock.every(_DAY, lambda: parts.retain(program), "retention")
            clock.every(_CHANGED, supervisor.refresh, "settings")
            try:
                supervisor.run()
            finally:
                worker.stop(max(0.5, deadline[0] - time.monotonic()) if deadline else _PATIENCE)


def _leave(code: int) -> None:
    """End at once: what a thread is still building would only be thrown away, and made again by the next process."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # the output may be closed
            stream.flush()
    os._exit(code)


# --- Operating -------------------------------------------------------------------------------


@_kindly
def deliveries(limit: int, *, failed: bool) -> None:
    """List the latest deliveries."""
    with parts.program() as program:
        zone = program.settings.digest_zone
        message = operator.listed(program.store, program.texts, zone, failed=failed, limit=limit)
        chat, place = parts.chat(program.settings, "")
        chat.post(place, message)


@_kindly
def retry(number: int) -> None:
    """Try a delivery again that was given up."""
    with parts.program() as program:
        operator.retry(program.store, number, program.app.clock())
        click.echo(program.texts("delivery.again", id=number))


@_kindly
def backfill(repo: str, first: str, last: str, *, branch: str, lang: str | None, zone: str) -> None:
    """Build the digests of past days and store them, without posting them."""
    with parts.program(lang, zone) as program:
        texts, settings, home = program.texts, program.settings, terminal.HOME
        name = program.in_terminal().context(Request("", home, terminal.USER)).naming.spelled(repo)
        wanted = Subscription(home, name, "", settings.digest_zone, settings.digest_language, branch)
        for made in operator.backfill(program.app, wanted, parse_date(first), parse_date(last)):
            count = texts.count("commits", len(made.entries))
            click.echo(texts("delivery.backfilled", day=day_label(made.period, texts), count=count))


@_kindly
def export() -> None:
    """Print all subscriptions as YAML."""
    import yaml

    with parts.program() as program:
        records = operator.exported(program.store.subscriptions())
        click.echo(yaml.safe_dump(records, allow_unicode=True, sort_keys=False), nl=False)


@_kindly
def import_(file: Path) -> None:
    """Follow what a YAML file of `export` lists, or standard input for `-`."""
    with parts.program() as program:
        subscriptions = operator.imported(_yaml(file), program.app.clock())
        operator.follow(program.store, subscriptions)
        click.echo(program.texts("delivery.imported", n=len(subscriptions)))


def _yaml(file: Path) -> object:
    """The content of a YAML file. Raises UsageError."""
    import yaml

    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        return yaml.safe_load(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        problem = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        raise UsageError("import_unreadable", path=str(file), problem=problem) from None


@_kindly
def doctor(what: str | None, channel: str) -> None:
    """Check the setup of the bot, or of only one chat."""
    failed, texts = False, Texts(load(Settings).digest_language)
    colon = texts("report.colon")
    for finding in parts.findings(what, channel):
        failed |= finding.verdict is Verdict.FAILED
        outcome = (
            texts.error(finding.error)
            if finding.error
            else texts(f"doctor.{finding.subject}_{finding.outcome}", **finding.fields)
        )
        click.echo(f"{texts(f'doctor.{finding.verdict}_mark')} {texts(f'doctor.{finding.subject}')}{colon}{outcome}")
    sys.exit(1 if failed else 0)


@_kindly
def backup(file: Path) -> None:
    """Copy the database, even while it is being written."""
    with parts.program() as program:
        size = program.store.back_up(file.absolute())
        click.echo(program.texts("keeping.backed_up", path=file, size=_megabytes(size)))


@_kindly
def restore(file: Path) -> None:
    """Replace the database by a backup."""
    database, aside = parts.restore(file)
    texts = _texts()
    click.echo(texts("keeping.restored", path=database))
    if aside:
        click.echo(texts("keeping.aside", path=aside))


@_kindly
def move(source: str, target: str) -> None:
    """Copy everything into another, empty database."""
    moved = parts.move(source, target)
    for table, rows in moved.items():
        click.echo(f"{rows:>12,}  {table}")
    click.echo(_texts()("keeping.moved", n=f"{sum(moved.values()):,}"))


@_kindly
def forget(what: str) -> None:
    """Delete everything about a repository or a person, and print how much space that freed."""
    with parts.program() as program:
        before = parts.kept_bytes(program)
        if not parts.forget(program, what):
            raise NotFound("forget_unknown", what=what)
        after = parts.kept_bytes(program)
        click.echo(program.texts("keeping.forgotten", what=what, before=_megabytes(before), after=_megabytes(after)))


def _megabytes(size: int) -> str:
    return f"{size / 2**20:.1f}"


@_kindly
def db(*, as_json: bool) -> None:
    """Show where the database is, its size and its contents."""
    with parts.program() as program:
        path, counts = program.store.name, program.store.counts()
        if as_json:
            click.echo(json.dumps({"path": path, **counts}, ensure_ascii=False))
            return
        click.echo(f"{path}  {counts.pop('bytes'):,} bytes")
        for table, rows in counts.items():
            click.echo(f"{rows:>12,}  {table}")
