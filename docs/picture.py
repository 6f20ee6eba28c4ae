"""Draw the README's picture from the program's own output: `python docs/picture.py REPO DATE docs/digest.svg`."""

import io
import os
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.terminal_theme import MONOKAI

from adapters.chats.terminal import HOME, Terminal
from bot import parts
from bot.delivery.sending import deliver
from bot.values import Request


def main(repo: str, day: str, out: str) -> None:
    """Run one command on a fresh database and save what a person would see."""
    console = Console(record=True, width=120, file=io.StringIO(), force_terminal=True, highlight=False)
    with TemporaryDirectory() as folder:
        os.environ |= {"DIGEST_DATABASE": f"{folder}/digest.db", "DIGEST_LANGUAGE": "en", "DIGEST_ZONE": "UTC"}
        with parts.program() as program:
            interpreter = program.in_terminal(repo)
            for post in interpreter.run(interpreter.context(Request(day, HOME, "you"))):
                deliver(Terminal(console, program.texts), HOME, post, program.texts)
    svg = console.export_svg(title="digest yesterday", theme=MONOKAI)
    # The picture stands for itself: no font is fetched from anywhere.
    svg = re.sub(r"@font-face \{.*?\}\s*|<!-- .*? -->\s*", "", svg, flags=re.DOTALL)
    Path(out).write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
