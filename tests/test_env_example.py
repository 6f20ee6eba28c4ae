"""One file of settings for systemd, docker and python-dotenv: each reads the same values out of it."""

import re
from pathlib import Path

import pytest
from pydantic_settings import DotEnvSettingsSource

from bot.parts import AllSettings

ROOT = Path(__file__).parent.parent
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
SETTING = re.compile(r"^#(?=[A-Z][A-Z0-9_]*=)", re.M)


def systemd(text: str) -> dict[str, str]:
    """As systemd.exec(5) has it for EnvironmentFile=.

    Empty lines and those that begin with # or ; are comments, and there are no others; quotes around a value are taken
    away, what is not quoted loses the blanks around it and its backslashes, and a comment may end in no backslash.
    """
    read = {}
    for line in filter(None, map(str.strip, text.split("\n"))):
        assert not line.endswith("\\"), "goes on in the next line"
        name, equals, value = line.partition("=")
        if line[0] in "#;" or not equals:
            continue
        value = value.strip()
        if value[:1] in ("'", '"') and value[-1:] == value[:1]:
            value = value[1:-1]
        read[name.strip()] = value.replace("\\", "")
    return read


def docker(text: str) -> dict[str, str]:
    """As docker's cli/opts/file.go reads an --env-file: what is behind = stays as it is, quotes, blanks and # too."""
    read = {}
    for line in (line.lstrip() for line in text.split("\n")):
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        assert name, "docker: no variable name"
        assert not re.search(r"\s", name), f"docker: variable {name!r} contains whitespaces"
        assert equals, "docker takes it from its own environment"
        read[name] = value
    return read


def dotenv(text: str, folder: Path) -> dict[str, str | None]:
    """As the program itself reads a .env, with python-dotenv."""
    file = folder / ".env"
    file.write_text(text, encoding="utf-8")
    read = DotEnvSettingsSource(AllSettings, env_file=file, env_ignore_empty=False).env_vars
    return {name.upper(): value for name, value in read.items()}


def test_all_three_read_the_same_values_of_every_setting(tmp_path):
    filled = SETTING.sub("", EXAMPLE)
    read = docker(filled)
    assert set(read) == {name.upper() for name in AllSettings.model_fields}
    assert systemd(filled) == read == dotenv(filled, tmp_path)
    assert not any("$" in value for value in read.values()), "compose puts a variable there"


def test_as_it_comes_it_sets_nothing(tmp_path):
    assert systemd(EXAMPLE) == docker(EXAMPLE) == dotenv(EXAMPLE, tmp_path) == {}


def test_what_the_example_shows_can_be_set(tmp_path):
    (tmp_path / ".env").write_text(SETTING.sub("", EXAMPLE), encoding="utf-8")
    settings = AllSettings(_env_file=tmp_path / ".env")
    assert (settings.digest_schedule, settings.openai_timeout) == ("0 9 * * mon-fri", 120)
    assert settings.digest_database == Path.home() / ".local/share/commit-digest/digest.db"


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_no_page_quotes_a_value_of_such_a_file(page):
    for block in re.findall(r"^ *```(?:ini|env|dotenv)?\n(.*?)```", page.read_text(encoding="utf-8"), re.M | re.S):
        assert not re.search(r"""^ *(?:DIGEST|SLACK|FEISHU|GITHUB|OPENAI)_\w+=["']""", block, re.M)
