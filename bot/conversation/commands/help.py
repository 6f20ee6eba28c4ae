"""The commands and examples that people can type."""

from collections.abc import Sequence

from bot.conversation.command import PUBLIC, Command, Context
from bot.values import Line, Message, Post, Span, Text


def _help(context: Context, _: Sequence[str]) -> tuple[Post, ...]:
    texts = context.texts
    names = [key.removesuffix("_line") for key in texts.keys("help") if key.endswith("_line")]
    lines: tuple[Line, ...] = tuple(
        (Span(texts(f"help.{name}_line"), code=True), Span(f" {texts(f'help.{name}')}"))
        for name in names
        if name != PUBLIC or context.place.viewer  # else the answer is public anyway
    )
    return (Post(Message("help", (Span(texts("help.title")),), (Text(lines, bullets=True),))),)


COMMANDS = (Command("help", _help),)
