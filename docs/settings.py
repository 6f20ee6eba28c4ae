"""Write the settings into `.env.example` and the tables of `docs/settings.md`: `python docs/settings.py`.

The English texts are the descriptions of the fields in the `settings` modules; the Chinese ones are in
`settings.zh.toml`.
"""

import re
import sys
import textwrap
import tomllib
from collections.abc import Mapping
from inspect import get_annotations
from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from bot import DOCUMENTATION  # noqa: E402
from bot.parts import AllSettings  # noqa: E402
from bot.settings import Base  # noqa: E402

CHINESE = tomllib.loads((ROOT / "docs" / "settings.zh.toml").read_text(encoding="utf-8"))
HEAD = """\
# Copy to ~/.config/commit-digest/.env, or to a file that DIGEST_ENV_FILE names, and keep what you need. The same file
# serves systemd (EnvironmentFile=), docker (--env-file) and compose (env_file). Put no quotes around a value and no
# comment after it: docker would make both part of the value.
#
# Every line is optional: the defaults work without an account. Written by docs/settings.py.
"""
HEADS = {"settings.md": "| Setting | Default | Meaning |", "settings.zh.md": "| 设置 | 默认 | 含义 |"}
RULE = "| --- | --- | --- |"
BEGIN, END = "<!-- Written by docs/settings.py -->\n", "<!-- / -->\n"
WIDTH = 120


def example(kind: type[Base]) -> str:
    """`.env.example`: each setting as it may be set, commented out, beneath what it means.

    What systemd, docker and python-dotenv all take alike: comments on lines of their own, values without quotes.
    """
    blocks = [HEAD]
    for title, names in groupby(kind.model_fields, lambda name: _title(kind, name)):
        name, _, how = title.partition(": ")
        blocks += [f"# --- {name} ---\n{_comment(how)}", *(_block(name, kind.model_fields[name]) for name in names)]
    return "\n".join(blocks)


def table(kind: type[Base], head: str, translated: Mapping[str, Any]) -> str:
    """The settings in Markdown, a table for each title.

    `translated` has the descriptions by name; under `default` the defaults, and under `heading` and `note` what comes
    above a table, by its first setting.
    """
    blocks = []
    for title, grouped in groupby(kind.model_fields, lambda name: _title(kind, name)):
        names = list(grouped)
        heading, _, note = title.partition(": ")
        first = names[0].upper()
        heading = translated.get("heading", {}).get(first, heading)
        note = translated.get("note", {}).get(first, f"{note}." if note else "")
        rows = [_row(name.upper(), kind.model_fields[name], translated) for name in names]
        blocks += [f"## {heading}\n", *([re.sub(r"docs/([\w.]+\.md)", r"[\1](\1)", note) + "\n"] if note else [])]
        blocks += [head, RULE, *rows, ""]
    return "\n".join(blocks)


def written() -> dict[Path, str]:
    """The whole text of each file, by its path."""
    files = {ROOT / ".env.example": example(AllSettings)}
    for name, head in HEADS.items():
        page = ROOT / "docs" / name
        before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
        made = table(AllSettings, head, CHINESE if name.endswith(".zh.md") else {})
        files[page] = "".join([before, BEGIN, made, END, rest.partition(END)[2]])
    return files


def _title(kind: type[Base], name: str) -> str:
    """The title of the class that a setting belongs to."""
    owner = next(each for each in kind.__mro__ if name in get_annotations(each))
    return str(owner.model_config["title"])


def _block(name: str, field: FieldInfo) -> str:
    told = (field.description or "").replace("`", "")
    pages = "".join(f"; see {page}" for page in re.findall(r"]\(([^)#]+)", told))
    plain = re.sub(r" \(\[[^]]+]\([^)]*\)\)|\[([^]]+)]\([^)]*\)", r"\1", told) + pages
    return f"{_comment(plain)}#{name.upper()}={(field.examples or [_value(field)])[0]}\n"


def _comment(text: str) -> str:
    """Lines of a comment. Pages are named by their addresses: the file is also read far from docs/."""
    named = re.sub(r"\bdocs/(?=[\w.]+\.md)", f"{DOCUMENTATION}/", text)
    return "".join(f"# {line}\n" for line in textwrap.wrap(named, WIDTH - 2, break_on_hyphens=False))


def _row(name: str, field: FieldInfo, translated: Mapping[str, Any]) -> str:
    extra = field.json_schema_extra
    told = extra.get("default") if isinstance(extra, dict) else None
    value = _value(field) if field.default_factory is None else str((field.examples or [""])[0])
    default = translated.get("default", {}).get(name, told) if told is not None else f"`{value}`" if value else ""
    meaning = str(translated.get(name, field.description)).replace("](docs/", "](")
    return f"| `{name}` | {default} | {meaning} |".replace("|  |", "| |")


def _value(field: FieldInfo) -> str:
    """The default as the environment gives it; empty for none."""
    value = field.default
    if value is None or value == () or field.default_factory:
        return ""
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


if __name__ == "__main__":
    for path, text in written().items():
        path.write_text(text, encoding="utf-8")
