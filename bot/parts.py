"""The one place where the real parts are joined. A part that a command does not need is not imported for it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.chats import terminal
from adapters.chats.feishu.settings import FeishuSettings
from adapters.chats.slack.settings import SlackSettings
from adapters.llms.openai.settings import OpenAISettings
from adapters.sources.git.settings import GitSettings
from adapters.sources.github.settings import GitHubSettings
from adapters.stores import sqlite
from bot.app import App, Policy
from bot.commits import hosts
from bot.conversation.commands import Commands, Defaults, zone_named
from bot.errors import ConfigError, DigestError, UsageError
from bot.judgement.asker import Limits
from bot.ports import Chat, CommitSource, Finding, LanguageModel, Progress, Verdict
from bot.settings import habits, load, misspelt
from bot.texts import Texts
from bot.values import Message, Place, Quota, Span, Table

if TYPE_CHECKING:
    from adapters.clock import Clock
    from bot.delivery.worker import Worker


class AllSettings(OpenAISettings, FeishuSettings, SlackSettings, GitHubSettings, GitSettings):
    """Every setting: the core's, then each adapter's, from the last base to the first."""


@contextmanager
def app(lang: str | None = None, zone: str = "") -> Iterator[tuple[App, AllSettings]]:
    """The program with its real parts, closed at the end; `lang` and `zone` come before the settings'."""
    asked = {"digest_language": lang, "digest_zone": zone and zone_named(zone)}
    settings = load(AllSettings).model_copy(update={name: value for name, value in asked.items() if value})
    store = sqlite.from_settings(settings)
    try:
        model = _model(settings)
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


def _model(settings: OpenAISettings) -> LanguageModel | None:
    if not settings.openai_model:
        return None
    from adapters.llms.openai import model

    return model.from_settings(settings)


@contextmanager
def _progress() -> Iterator[Progress]:
    """Progress on a terminal's error stream, with the time left; silence elsewhere."""
    if not sys.stderr.isatty():
        yield Progress()
        return
    with terminal.drawn_progress() as drawn:
        yield drawn


def _hosts(settings: AllSettings) -> hosts.Hosts:
    return hosts.from_settings(settings, settings.github_url)


def _sources(settings: AllSettings) -> Callable[[str], CommitSource]:
    """The source of a repository by its name: `owner/name` is GitHub's, a path or a URL is git's."""

    @cache
    def made(hosted: bool) -> CommitSource:
        if hosted:
            from adapters.sources.github import source

            return source.from_settings(settings)
        from adapters.sources import git

        return git.from_settings(settings, _hosts(settings))

    return lambda repo: made(_hosted(repo))


def _hosted(repo: str) -> bool:
    return repo.count("/") == 1 and not repo.startswith(("/", ".", "~")) and ":" not in repo


# --- Chats -----------------------------------------------------------------------------------

_CHATS: dict[str, tuple[str, Callable[[AllSettings], bool]]] = {
    "slack": ("adapters.chats.slack.chat", lambda s: bool(s.slack_bot_token or s.slack_client_id)),
    "feishu": ("adapters.chats.feishu.chat", lambda s: bool(s.feishu_app_id)),
    "slack-webhook": ("adapters.chats.slack.webhook", lambda s: bool(s.slack_webhooks)),
    "feishu-webhook": ("adapters.chats.feishu.webhook", lambda s: bool(s.feishu_webhooks)),
}
"""Every chat besides the terminal: the module that makes it, and whether it is set up."""


def is_webhook(name: str) -> bool:
    """Whether a chat, by its name, only takes messages."""
    return name.endswith("-webhook")


def chat(settings: AllSettings, to: str, *, known: bool = True) -> tuple[Chat, Place]:
    """The chat that `slack:C0123456789` names, and the channel in it; the terminal for none.

    With `known` a webhook must be set up. Raises UsageError, NotFound, ConfigError.
    """
    if not to:
        return terminal.Terminal(terminal.console()), terminal.HOME
    name, _, channel = to.partition(":")
    if name not in _CHATS or not channel:
        raise UsageError("place_unknown", place=to)
    made = _made(settings, name)
    return made, made.place(channel) if known and is_webhook(name) else Place(name, channel)


def _made(settings: AllSettings, name: str) -> Any:
    """A chat. Raises ConfigError."""
    return import_module(_CHATS[name][0]).from_settings(settings)


def _chats(settings: AllSettings) -> dict[str, Chat]:
    """Every chat that is set up, by name."""
    return {name: _made(settings, name) for name, (_, is_set_up) in _CHATS.items() if is_set_up(settings)}


def commands(app: App, settings: AllSettings, repo: str) -> Commands:
    """The grammar in a terminal; `repo`, or else the checkout we are in, is meant where a line names none."""
    asked = settings.model_fields_set  # what the user set, in a file, the environment or an option
    return _commands(
        app,
        settings,
        repo=repo or settings.digest_repo or _checkout(),
        asked_language=settings.digest_language if "digest_language" in asked else "",
        asked_zone=settings.digest_zone if "digest_zone" in asked else "",
    )


def service_commands(app: App, settings: AllSettings) -> Commands:
    """The grammar in a channel, which follows what it says and not what the operator works in."""
    return _commands(app, settings)


def _commands(app: App, settings: AllSettings, **asked: str) -> Commands:
    kept = (settings.digest_language, settings.digest_zone, settings.digest_schedule)
    return Commands(app, Defaults(*kept, hosts=_hosts(settings), **asked))


def _checkout() -> str:
    """The folder we are in, where it belongs to a git repository."""
    here = Path.cwd()
    return str(here) if any((folder / ".git").exists() for folder in (here, *here.parents)) else ""


# --- Running ---------------------------------------------------------------------------------

_QUOTA = 60
"""Seconds between two looks at what GitHub still allows."""


@contextmanager
def service(once: bool) -> Iterator[tuple[App, AllSettings, Worker, dict[str, Chat]]]:
    """The program with its worker and its chats. Raises ConfigError where there is none to listen in."""
    from adapters import logs
    from bot.delivery.worker import Worker

    with app() as (made, settings):
        logs.configure(settings)
        logs.catch()
        chats = _chats(settings)
        if once:
            chats[terminal.HOME.chat], _ = chat(settings, "")
        elif not chats:
            raise ConfigError("chat_none")
        yield made, settings, Worker(made, chats, timedelta(seconds=settings.digest_lease)), chats


@contextmanager
def clock() -> Iterator[Clock]:
    """A metronome, which ticks while this lasts."""
    from adapters.clock import Clock

    made = Clock()
    made.start()
    try:
        yield made
    finally:
        made.stop()


@contextmanager
def monitor(app: App, settings: AllSettings, clock: Clock) -> Iterator[None]:
    """The operator's port, where one is set."""
    if not settings.digest_monitor_port:
        yield
        return
    from adapters.monitor import Monitor
    from bot.conversation import operator

    known: list[Quota | None] = [None]

    def look() -> None:
        with suppress(DigestError):
            known[0] = app.quota()

    clock.every(_QUOTA, look, "quota")  # apart, so that a slow GitHub makes no answer slow
    made = Monitor(
        settings.digest_monitor_host,
        settings.digest_monitor_port,
        lambda: operator.unready(app),
        lambda: operator.measures(app, known[0]),
    )
    made.start()
    try:
        yield
    finally:
        made.stop()


# --- The doctor ------------------------------------------------------------------------------

_FEISHU_GROUP = "oc_"


def findings(what: str | None, channel: str) -> Iterator[Finding]:
    """What is found of everything, or of one chat."""
    settings = load(AllSettings)
    yield from _settings_findings(settings, what)
    if what is None:
        from bot.conversation import operator

        with app() as (made, _):
            yield from operator.examine(made, str(settings.digest_database))
    group = channel.startswith(_FEISHU_GROUP)  # so that one of a chat is not looked for in the other
    if what == "slack" or (what is None and _CHATS["slack"][1](settings)):
        from adapters.chats.slack import doctor

        sample = _sample(Texts(settings.digest_language))
        yield from doctor.examine(settings, "" if group and what is None else channel, sample)
    if what == "feishu" or (what is None and _CHATS["feishu"][1](settings)):
        from adapters.chats.feishu import doctor as feishu_doctor

        yield from feishu_doctor.examine(settings, channel if group or what else "")
    if what is None:
        yield from (_webhook_finding(settings, name) for name in _CHATS if is_webhook(name))


def _settings_findings(settings: AllSettings, what: str | None) -> Iterator[Finding]:
    """The names of the settings that are set, of which any value may be a secret; and names that may be misspelt."""
    if what is None:
        names = ", ".join(name.upper() for name in type(settings).model_fields if name in settings.model_fields_set)
        outcome, verdict = ("fine", Verdict.FINE) if names else ("none", Verdict.SKIPPED)
        yield Finding("settings", verdict, outcome, {"names": names})
    for name, near in misspelt(type(settings)).items():
        yield Finding("settings", Verdict.WARNING, "misspelt", {"name": name, "near": near})


def _webhook_finding(settings: AllSettings, name: str) -> Finding:
    """Whether a setting with webhooks can be read; whether they work only a message would tell."""
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
    columns = tuple(texts(f"table.{name}") for name in ("time", "author", "message", "importance"))
    row = tuple((Span(word),) for word in ("09:00", "commit-digest", "feat: …", texts("importance.high")))
    return Message("sample", (Span("Commit Digest"),), (Table(columns, (row,)),))
