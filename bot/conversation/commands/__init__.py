"""What people can ask for by a word, in a file for what belongs together.

To add a command, add a file here with its `COMMANDS`, and its words and its help to the labels: it is found by itself.
How a line reads belongs to `grammar`, which repository is meant to `naming`.
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
"""Every command, by name."""

WORDS = {word: command for command in COMMANDS.values() for word in words_of(command.name)}
"""Every word that starts a command, in lower case."""
