"""The core's settings, and the base classes of every adapter's. Each has a default that works.

An adapter's own are in the `settings` module of its folder; `bot.parts.AllSettings` is all of them together, which
`load` reads once. A setting is described once, by its field: `.env.example`, the tables of `docs/settings.md`
(written by `docs/settings.py`) and `digest doctor` are made from these.
"""

import os
from contextlib import suppress
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource, NoDecode, SettingsConfigDict
from tzlocal import get_localzone_name

from bot import crontab, validation
from bot.errors import ConfigError, Invalid, UsageError
from bot.languages import BASE, LANGUAGES, language_named
from bot.values import FOLLOW_UPS, one_line

LAST_PORT = 65_535
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
HOST = rf"(?:{_LABEL}\.)*{_LABEL}(?::(?P<port>\d{{1,5}}))?"
"""A pattern for a host's name and its port."""
_ENV_FILE = "DIGEST_ENV_FILE"
_SERVERS = ("postgresql://", "postgres://")
_NEAR = 0.75
"""The likeness (`difflib`, 0 to 1) from which a name counts as misspelled: GITHUB_API_URL, which CI sets, must not."""


def _local_zone() -> str:
    """This machine's time zone; UTC if it has no name. Raises ConfigError for an unknown `TZ`.

    `TZ` may be a name, a file, or a rule (POSIX.1, 8.3), which has no name that a subscription could store.
    """
    said = unquoted(os.environ.get("TZ", "")).removeprefix(":")
    name = said.partition("zoneinfo/")[2] if said.startswith("/") else said
    try:
        if name:
            return check_zone(name)
    except ValueError:
        raise ConfigError("setting_invalid", name="TZ", problem=Invalid("problem_tz")) from None
    try:
        return check_zone(get_localzone_name() or "UTC")
    except (ValueError, LookupError):
        return "UTC"


def unquoted(value: str) -> str:
    """A value without spaces around it, and without the quotes that some tools pass on.

    A shell and systemd remove quotes; `docker run --env-file` does not, and an editor may leave a carriage return.
    """
    bare = value.strip()
    return bare[1:-1].strip() if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'" else bare


def _files() -> tuple[Path, ...]:
    """The `.env` files to read, later ones overriding earlier: the user's own, and one named in the environment.

    A `.env` in the current folder may be a repository's, cloned or unpacked, and not the user's: it could send a key to
    another server. So it is not read, except in this program's own checkout.
    """
    config, here, named = _folder("XDG_CONFIG_HOME", ".config"), _here(), _named_file()
    own = here if here and here.parent == Path(__file__).parent.parent else None
    return tuple(path for path in (config and config / ".env", own, named) if path)


def _here() -> Path | None:
    """The `.env` in the current folder; None if that folder is gone."""
    try:
        return Path.cwd() / ".env"
    except OSError:
        return None


def _named_file() -> Path | None:
    named = unquoted(os.environ.get(_ENV_FILE, ""))
    return _expanded(Path(named)) if named else None


def _folder(variable: str, usual: str) -> Path | None:
    """Our folder of a kind (XDG Base Directory Specification); None for a user without a home."""
    if named := unquoted(os.environ.get(variable, "")):
        return Path(named) / "commit-digest"
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home / usual / "commit-digest" if os.environ.get("HOME") != "" else None  # an empty one would mean /


def data_folder() -> Path:
    """Where a user's programs keep data. Raises ConfigError for a user without a home."""
    if folder := _folder("XDG_DATA_HOME", ".local/share"):
        return folder
    raise ConfigError("setting_invalid", name="HOME", problem=Invalid("problem_home"))


def check_zone(name: str) -> str:
    """The IANA time zone `name` in its proper spelling, whatever its case. Raises ValueError if there is none."""
    known = _zones().get(name.lower())
    if known is None:
        raise Invalid("problem_zone")
    ZoneInfo(known)
    return known


@cache
def _zones() -> dict[str, str]:
    """All time zones by their names in lower case; this reads many files."""
    return {zone.lower(): zone for zone in available_timezones()}


def check_language(code: str) -> str:
    """The code of the language that `code` means, by any of its names. Raises ValueError."""
    language = language_named(code)
    if language is None:
        raise Invalid("problem_language", known=tuple(LANGUAGES))
    return language.code


def _schedule(text: str) -> str:
    """`text` as a stored crontab expression. Raises ValueError: it cannot be parsed, or names two kinds of days."""
    try:
        return crontab.expression(text)
    except UsageError as error:
        if error.key == "schedule_both":
            raise Invalid(error.key, **error.fields) from None
        raise Invalid("problem_schedule", text=one_line(text, 60)) from None


def _parts(value: object) -> object:
    """Split a comma-separated list, as in environment variables."""
    if not isinstance(value, str):
        return value
    return tuple(os.path.expanduser(part.strip()) for part in value.split(",") if part.strip())


def _expanded(value: Path) -> Path:
    try:
        return value.expanduser()
    except RuntimeError:
        raise Invalid("problem_user") from None


UserPath = Annotated[Path, AfterValidator(_expanded)]
_Language = Annotated[str, AfterValidator(check_language)]
"""A path in which `~` is the user's home, as in a shell."""


def database_of(value: object) -> object:
    """The address of a server, as a secret since it may contain a password, or else a path."""
    if isinstance(value, str):
        return SecretStr(value) if value.lower().startswith(_SERVERS) else _expanded(Path(value))
    return value


class Base(BaseSettings):
    """One field for each setting; the environment variable is the field's name in capitals.

    A field's `description` is Markdown. `examples` has what `.env.example` shows, if not the default; `default` in
    `json_schema_extra` describes what happens without the setting, if the default does not show it. A class's `title`
    is the heading of its settings in `.env.example`.
    """

    model_config = SettingsConfigDict(env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True)

    @model_validator(mode="before")
    @classmethod
    def _as_meant(cls, given: dict[str, object]) -> dict[str, object]:
        """Clean the values; empty ones count as not set."""
        meant = {name: unquoted(value) if isinstance(value, str) else value for name, value in given.items()}
        return {name: value for name, value in meant.items() if value != ""}


class Settings(Base, title="General"):
    """The core's own settings, and those that several adapters need."""

    digest_repo: str = Field(
        "",
        description="repository to use if a command in the terminal names none",
        examples=["owner/repo"],
        json_schema_extra={"default": "the checkout you are in"},
    )
    digest_env_file: UserPath | None = Field(
        None,
        description="path of a settings file to read; set this in the environment itself. "
        "A `.env` in the current folder is not read, except in this program's own checkout, since it may be "
        "somebody else's",
        examples=["/etc/commit-digest.env"],
    )
    digest_ca_file: UserPath | None = Field(
        None,
        description="a file with certificates (PEM), such as your company's own, to trust in addition to public "
        "ones [for every connection](docs/operating.md#proxies-and-certificates)",
        examples=["/etc/ssl/company.pem"],
    )
    digest_language: _Language = Field(
        BASE, description=f"language of digests and answers: {' or '.join(f'`{code}`' for code in LANGUAGES)}"
    )
    digest_zone: Annotated[str, AfterValidator(check_zone)] = Field(
        default_factory=_local_zone,
        description="IANA time zone for days and times",
        examples=["Asia/Shanghai"],
        json_schema_extra={"default": "this machine's"},
    )
    digest_schedule: Annotated[str, AfterValidator(_schedule)] = Field(
        "0 9 * * mon-fri", description="crontab expression for new subscriptions"
    )
    digest_allow: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parts)] = Field(
        (),
        description="the only repositories that people can follow in chats: comma-separated `owner/name`, `owner/*`, "
        "paths",
        examples=["owner/*,/srv/git/*"],
        json_schema_extra={"default": "any public repository"},
    )
    digest_rights: str = Field(
        "",
        description="who may see what is not public: comma-separated `WORKSPACE=owner/*`, "
        "`WORKSPACE/CHANNEL=owner/name`, `WORKSPACE/PERSON=/srv/git/*` ([rights](docs/security.md#1-rights))",
        examples=["T0123456789/C0123456789=owner/name"],
        json_schema_extra={"default": "nobody"},
    )
    digest_workspaces: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parts)] = Field(
        (),
        description="if several Slack workspaces are served: comma-separated IDs of those that may install the app",
        examples=["T0123456789,T0123456780"],
        json_schema_extra={"default": "none"},
    )
    digest_hosts: str = Field(
        "",
        description="for links: which software a self-hosted code host runs, comma-separated `git.example.com=gitlab` "
        "([code hosts](docs/operating.md#code-hosts))",
        examples=["git.example.com=gitlab"],
        json_schema_extra={"default": "known hosts"},
    )
    digest_notes: str = Field(
        "",
        description="where repositories keep changelog fragments and the like: comma-separated "
        "`owner/name=docs/changes/*`",
        examples=["owner/name=docs/changes/*"],
        json_schema_extra={"default": "the usual places"},
    )
    digest_database: Annotated[Path | SecretStr, BeforeValidator(database_of)] = Field(
        default_factory=lambda: data_folder() / "digest.db",
        description="the SQLite file, or the address of a [PostgreSQL database](docs/postgres.md), "
        "`postgresql://USER:PASSWORD@HOST/NAME`",
        examples=["~/.local/share/commit-digest/digest.db"],
    )
    digest_follow_ups: int = Field(
        FOLLOW_UPS,
        ge=0,
        le=50,
        description="maximum number of [follow-ups](docs/operating.md#follow-ups) per channel and week; `0`: none",
    )
    digest_keep_days: int = Field(
        0,
        ge=0,
        description="how many days to keep commits and digests of repositories that nobody follows; `0`: forever",
    )
    digest_log: Literal["text", "json"] = Field(
        "text",
        description="format of the log that `digest run` writes to standard error: `text` or `json`, "
        "one event per line",
    )
    digest_monitor_port: int = Field(
        0,
        ge=0,
        le=LAST_PORT,
        description="port on which `digest run` serves `/healthz`, `/readyz` and `/metrics`; `0`: none",
    )
    digest_monitor_host: str = Field("127.0.0.1", description="address to listen on for monitoring")
    digest_lease: float = Field(
        60,
        ge=1,
        le=3600,
        description="if a process has not reported for this many seconds, another one takes over its work",
    )
    digest_settle: float = Field(
        5,
        ge=0,
        le=60,
        description="seconds to wait before checking in the chat whether an interrupted message was sent",
    )


_Settings = TypeVar("_Settings", bound=Base)


def load(kind: type[_Settings]) -> _Settings:
    """The settings of this process. Raises ConfigError that names the setting, never its value (it may be a secret)."""
    try:
        if (named := _named_file()) and not named.is_file():
            raise ConfigError("setting_invalid", name=_ENV_FILE, problem=Invalid("problem_file"))
        return kind(_env_file=_files())  # type: ignore[call-arg]  # fields come from the environment
    except ValidationError as error:
        name, problem = validation.first(error)
        raise ConfigError("setting_invalid", name=name.upper(), problem=problem) from None
    except UnicodeDecodeError:
        files = " / ".join(str(path) for path in _files() if path.exists())
        raise ConfigError("setting_invalid", name=files, problem=Invalid("problem_encoding")) from None
    except OSError as error:
        problem = Invalid("problem_unreadable", error=error.strerror)
        raise ConfigError("setting_invalid", name=error.filename or _ENV_FILE, problem=problem) from None
    except ValueError:  # of a missing home folder
        raise ConfigError("setting_invalid", name=_ENV_FILE, problem=Invalid("problem_user")) from None


def language() -> str:
    """The operator's language, also if other settings are invalid; the default one if it is invalid itself."""

    class Only(Base):
        digest_language: _Language = BASE

    try:
        return load(Only).digest_language
    except ConfigError:
        return BASE


def unread(kind: type[Base]) -> Path | None:
    """A `.env` in the current folder that is not read although it has our settings; else None."""
    here = _here()
    if here is None or here.resolve() in {path.resolve() for path in _files()}:
        return None
    with suppress(UnicodeDecodeError, OSError):
        given = DotEnvSettingsSource(kind, env_file=here, env_file_encoding="utf-8").env_vars
        return here if given.keys() & kind.model_fields.keys() else None
    return None


def misspelled(kind: type[Base]) -> dict[str, str]:
    """Names in the environment or a `.env` file that are not settings, with the setting that each resembles.

    `GITHUB_TOKN` resembles `GITHUB_TOKEN`; other variables of CI named `GITHUB_…` do not.
    """
    found = {}
    given = {**EnvSettingsSource(kind).env_vars, **DotEnvSettingsSource(kind, env_file=_files()).env_vars}
    for name in sorted(given.keys() - kind.model_fields.keys()):
        service, _, rest = name.partition("_")
        ours = [field.partition("_")[2] for field in kind.model_fields if field.startswith(f"{service}_")]
        if near := get_close_matches(rest, ours, n=1, cutoff=_NEAR):
            found[name.upper()] = f"{service}_{near[0]}".upper()
    return found


def habits(value: str) -> dict[str, tuple[str, ...]]:
    """The patterns of each repository's files with notes for users, from the setting `DIGEST_NOTES`.

    Several entries may name the same repository. Raises ConfigError, which says which entry is wrong.
    """
    found: dict[str, tuple[str, ...]] = {}
    for entry in filter(None, map(str.strip, value.split(","))):
        repo, _, pattern = (part.strip() for part in entry.partition("="))
        if not repo or not pattern:
            raise ConfigError("notes_setting", entry=entry[:100])
        found[repo] = (*found.get(repo, ()), pattern)
    return found
