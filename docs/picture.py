"""Draw the README's picture from the program's own output: `python docs/picture.py REPO DATE docs/digest.svg`."""

import io
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.terminal_theme import MONOKAI

from adapters.chats.terminal import HOME, Terminal
from adapters.sources.git import GitSource
from adapters.stores.sqlite import SqliteStore
from bot.app import App, Policy
from bot.conversation.commands import Commands, Defaults
from bot.delivery.sending import deliver
from bot.ports import Progress
from bot.texts import Texts
from bot.values import Request


def main(repo: str, day: str, out: str) -> None:
    """Run one command on a fresh database and save what a person would see."""
    console = Console(record=True, width=120, file=io.StringIO(), force_terminal=True, highlight=False)
    with TemporaryDirectory() as folder:
        store, source = SqliteStore(Path(folder) / "digest.db"), GitSource(Path(folder) / "clones")
        app = App(
            store=store,
            source_of=lambda _: source,
            model=None,
            policy=Policy(),
            clock=lambda: datetime.now(UTC),
            concurrency=1,
            progress=Progress(),
        )
        chat = Terminal(console)
        for post in Commands(app, Defaults("en", "UTC", "0 9 * * mon-fri", repo)).run(Request(day, HOME, "you")):
            deliver(chat, HOME, post, Texts("en"))
        store.close()
    svg = console.export_svg(title="digest yesterday", theme=MONOKAI)
    # The picture stands for itself: no font is fetched from anywhere.
    svg = re.sub(r"@font-face \{.*?\}\s*|<!-- .*? -->\s*", "", svg, flags=re.DOTALL)
    Path(out).write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
