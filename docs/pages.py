"""Write what the pages have from the program and from each other: `python docs/pages.py`.

The tables of `commands.md` are made from the commands' help, and the last line of each page, which leads to its
neighbours, from the order in `README.md`.
"""

import re
import sys
from pathlib import Path

import click

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))
from bot.cli import cli  # noqa: E402
from bot.texts import Texts  # noqa: E402

PAGE = re.compile(r"^\d+\. \[([^]]+)\]\(([\w.]+\.md)\)", re.M)
"""A page of the index that lies in this folder: its title and its file."""
FOOT = re.compile(r"\n---\n\n[^\n]*\n\Z")


def written() -> dict[Path, str]:
    """The whole text of each page, by its path."""
    pages = [(title, DOCS / name) for title, name in PAGE.findall((DOCS / "README.md").read_text(encoding="utf-8"))]
    around = zip([None, *pages], pages, [*pages[1:], None], strict=False)
    return {page[1]: _body(page[1]) + _foot(before, after) for before, page, after in around if page}


def _body(path: Path) -> str:
    """A page without its foot, with its tables as they should be."""
    text = FOOT.sub("", path.read_text(encoding="utf-8").rstrip("\n") + "\n")
    if path.name == "commands.md":
        for name, rows in (("chat", _asked()), ("terminal", _own())):
            begin, end = f"<!-- {name}: written by docs/pages.py -->\n", "<!-- / -->\n"
            before, _, rest = text.partition(begin)
            text = "".join([before, begin, *rows, end, rest.partition(end)[2]])
    return text


def _foot(before: tuple[str, Path] | None, after: tuple[str, Path] | None) -> str:
    back = f"[← {before[0]}]({before[1].name}) · " if before else ""
    on = f" · [{after[0]} →]({after[1].name})" if after else ""
    return f"\n---\n\n{back}[All pages](README.md){on}\n"


def _asked() -> list[str]:
    """What can be typed in a chat and in a terminal alike, in the order of `/digest help`."""
    texts = Texts("en")
    names = [key.removesuffix("_line") for key in texts.keys("help") if key.endswith("_line")]
    rows = [f"| `{texts(f'help.{name}_line')}` | {_cell(texts(f'help.{name}'))} |\n" for name in names]
    return ["| Type | To get |\n", "| --- | --- |\n", *rows]


def _own() -> list[str]:
    """The commands of the terminal alone."""
    own = {name: command for name, command in sorted(cli.commands.items()) if not command.hidden}
    rows = [f"| `{_usage(name, command)}` | {_cell(command.help or '')} |\n" for name, command in own.items()]
    return ["| Command | What it does |\n", "| --- | --- |\n", *rows]


def _usage(name: str, command: click.Command) -> str:
    pieces = command.collect_usage_pieces(click.Context(command))
    options = [param for param in command.params if isinstance(param, click.Option)]
    flags = [each.opts[-1] if each.required else f"[{each.opts[-1]}]" for each in options]
    words = [piece for piece in pieces if piece != "[OPTIONS]"]
    return " ".join(["digest", name, *words, *flags]).replace("|", "\\|")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    for path, text in written().items():
        path.write_text(text, encoding="utf-8")
