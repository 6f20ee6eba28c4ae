"""The commands that people can type, a file for each group of them.

To add a command, add a file with its `COMMANDS` here, and its words and help to the labels; it is found automatically.
`grammar` parses lines, and `naming` finds the repositories.
"""

import pkgutil
from importlib import import_module

from bot.conversation.command import Command
from bot.texts import words_of

COMMANDS: dict[str, Command] = {
    command.name: command
    for module in pkgutil.iter_modules(__path__)
    for command in import_module(f"{__name__}.{module.name}").COMMANDS
}
"""All commands, by name."""

WORDS = {word: command for command in COMMANDS.values() for word in words_of(command.name)}
"""All words that start a command, in lower case."""
