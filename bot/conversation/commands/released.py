"""The releases of repositories."""

from collections.abc import Sequence
from dataclasses import replace

from bot.conversation.command import Command, Context
from bot.conversation.grammar import is_repository
from bot.errors import NotFound, UsageError
from bot.values import Message, Post, Repository, Span, Text, local, one_line

_SHOWN = 20
_EACH, _REPOSITORIES = 3, 20
"""The most releases of each of several repositories, and the most of these, in one answer."""


def _releases(context: Context, words: Sequence[str]) -> tuple[Post, ...]:
    """The latest releases of the named repository, or of those that are meant."""
    if len(words) > 1 or not all(map(is_repository, words)):
        raise UsageError("command_unknown", word=one_line(" ".join(words), 60))
    meant = context.repositories(*words)
    if len(meant) > 1:
        return (_of_several(context, meant),)
    title = (Span(f"{meant[0].title} · {context.texts('release.heading')}"),)
    return (Post(Message("releases", title, (_lines(context, meant[0], _SHOWN),))),)


def _of_several(context: Context, meant: Sequence[Repository]) -> Post:
    """The latest releases of several repositories; those without any are left out."""

    def make(repository: Repository) -> Text | NotFound:
        try:
            return replace(_lines(context, repository, _EACH), heading=repository.title)
        except NotFound as error:
            return error

    made = context.naming.each(meant[:_REPOSITORIES], make)
    parts = [part for part in made if isinstance(part, Text)]
    if not parts:
        raise next(error for error in made if isinstance(error, NotFound))
    more = len(meant) - _REPOSITORIES
    parts += [Text(((Span(context.texts("release.more", n=more)),),))] if more > 0 else []
    return Post(Message("releases", (Span(context.texts("release.heading")),), tuple(parts)))


def _lines(context: Context, repository: Repository, most: int) -> Text:
    """The latest releases of a repository. Raises NotFound if it has none, Unavailable."""
    line = context.services.app.repositories.source_of(repository.name).releases(repository.name)
    if not line:
        raise NotFound("release_none", repo=repository.title)
    lines = tuple(
        (
            Span(release.name, repository.release_url(release)),
            Span(f" · {local(release.made, context.zone):%Y-%m-%d}"),
        )
        for release in reversed(line[-most:])
    )
    return Text(lines, bullets=True)


COMMANDS = (Command("releases", _releases),)
