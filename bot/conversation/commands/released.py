"""Which releases there are."""

from collections.abc import Sequence

from bot.conversation.command import Command, Context
from bot.conversation.grammar import is_repository
from bot.errors import NotFound, UsageError
from bot.values import Message, Post, Repository, Span, Text, local, one_line

_SHOWN = 20


def _releases(context: Context, words: Sequence[str]) -> tuple[Post, ...]:
    """The latest releases of the repository that is named, or of those that are meant."""
    if len(words) > 1 or not all(map(is_repository, words)):
        raise UsageError("command_unknown", word=one_line(" ".join(words), 60))

    def make(repository: Repository) -> Post:
        line = context.services.app.repositories.source_of(repository.name).releases(repository.name)
        if not line:
            raise NotFound("release_none", repo=repository.title)
        lines = tuple(
            (
                Span(release.name, repository.release_url(release)),
                Span(f" · {local(release.made, context.zone):%Y-%m-%d}"),
            )
            for release in reversed(line[-_SHOWN:])
        )
        title = (Span(f"{repository.title} · {context.texts('release.heading')}"),)
        return Post(Message("releases", title, (Text(lines, bullets=True),)))

    return tuple(context.naming.each(context.repositories(*words), make))


COMMANDS = (Command("releases", _releases),)
