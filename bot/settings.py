"""Every setting, from the environment or a `.env` file, each with a default that works. No other module reads them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from tzlocal import get_localzone_name

from bot.errors import ConfigError

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = rf"(?:{_LABEL}\.)*{_LABEL}(?::(?P<port>\d{{1,5}}))?"
_LAST_PORT = 65_535
_ORIGIN = re.compile(rf"https://{_HOST}|http://(?:localhost|127\.0\.0\.1|\[::1\])(?::(?P<own_port>\d{{1,5}}))?")


def _local_zone() -> str:
    """This machine's time zone, UTC where it has none that has a name."""
    try:
        return check_zone(get_localzone_name() or "UTC")
    except (ValueError, LookupError):
        return "UTC"


def _files() -> tuple[Path, ...]:
    """The `.env` files that are read, the later one stronger: the user's own, and the current folder's.

    A `.env` in a checkout is the repository's, not the user's: it could send a key to another server. So it is not
    read there, except in this program's own checkout.
    """
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "commit-digest"
    here = Path.cwd()
    foreign = here != Path(__file__).parent.parent and any((f / ".git").exists() for f in (here, *here.parents))
    return (config / ".env",) if foreign else (config / ".env", here / ".env")


def _data_folder() -> Path:
    """Where a user's programs keep data (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "commit-digest"


class Settings(BaseSettings):
    """One field a setting; the environment variable is the field's name in capitals."""

    model_config = SettingsConfigDict(env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True)

    digest_database: Path = Field(default_factory=lambda: _data_folder() / "digest.db", description="SQLite file")
    digest_clones: Path = Field(
        default_factory=lambda: _data_folder() / "clones", description="where repositories given by URL are cloned to"
    )
    digest_repo: str = Field("", description="repository meant when a command names none")
    digest_language: Literal["en", "zh"] = Field("en", description="language of digests and answers")
    digest_zone: str = Field(default_factory=_local_zone, description="IANA time zone of days and times")
    digest_schedule: str = Field("0 9 * * mon-fri", description="crontab expression of a new subscription")
    digest_allow: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="repositories that may be followed: owner/name, owner/*, paths; empty: any public one"
    )
    digest_hosts: str = Field("", description="what runs self-hosted code hosts: git.example.com=gitlab, …")
    digest_notes: str = Field("", description="where repositories keep notes for users: owner/name=docs/changes/*, …")
    digest_lease: float = Field(60, ge=1, le=3600, description="seconds after which another process takes work over")
    digest_settle: float = Field(
        5, ge=0, le=60, description="seconds until a message whose sending was interrupted is looked for in the chat"
    )
    digest_log: Literal["text", "json"] = Field("text", description="how `digest run` logs, one event a line")
    digest_monitor_host: str = Field("127.0.0.1", description="address of the operator's port")
    digest_monitor_port: int = Field(0, ge=0, le=65535, description="port with /healthz, /readyz and /metrics; 0: none")
    github_token: SecretStr = Field(SecretStr(""), description="personal access token")
    github_app_id: str = Field("", description="GitHub App: its id")
    github_app_key: Path | None = Field(None, description="GitHub App: file with its private key (PEM)")
    github_app_installation: int = Field(0, description="GitHub App: id of the installation")
    github_url: str = Field("https://api.github.com", description="API address; https://HOST/api/v3 for Enterprise")
    slack_bot_token: SecretStr = Field(SecretStr(""), description="bot token of a Slack app, xoxb-…")
    slack_app_token: SecretStr = Field(SecretStr(""), description="app-level token for Socket Mode, xapp-…")
    slack_mode: Literal["socket", "http"] = Field("socket", description="how Slack's events come in")
    slack_signing_secret: SecretStr = Field(
        SecretStr(""), description="HTTP: by which requests are known to be Slack's"
    )
    slack_host: str = Field("127.0.0.1", description="HTTP: address to listen on, behind a proxy that speaks TLS")
    slack_port: int = Field(3000, ge=0, le=65535, description="HTTP: port to listen on")
    slack_client_id: str = Field("", description="several workspaces: the app's client id")
    slack_client_secret: SecretStr = Field(SecretStr(""), description="several workspaces: the app's client secret")
    slack_token_key: SecretStr = Field(SecretStr(""), description="key that encrypts the workspaces' tokens")
    slack_url: str = Field("https://slack.com/api/", description="address of Slack's Web API")
    slack_webhooks: SecretStr = Field(SecretStr(""), description="incoming webhooks: name=url, commas between")
    feishu_webhooks: SecretStr = Field(SecretStr(""), description="custom bots: name=url secret, commas between")
    feishu_app_id: str = Field("", description="App ID of a Feishu or Lark application, cli_…")
    feishu_app_secret: SecretStr = Field(SecretStr(""), description="its App Secret")
    feishu_url: str = Field("https://open.feishu.cn", description="https://open.larksuite.com for Lark")
    feishu_mode: Literal["socket", "http"] = Field("socket", description="how Feishu's events come in")
    feishu_encrypt_key: SecretStr = Field(SecretStr(""), description="HTTP: by which requests are known to be Feishu's")
    feishu_verification_token: SecretStr = Field(SecretStr(""), description="HTTP: looked at too, where one is set")
    feishu_host: str = Field("127.0.0.1", description="HTTP: address to listen on, behind a proxy that speaks TLS")
    feishu_port: int = Field(3001, ge=0, le=65535, description="HTTP: port to listen on")
    openai_model: str = Field("", description="language model; empty: the rules, no model")
    openai_api_key: SecretStr = Field(SecretStr(""), description="key; may stay empty for a local server")
    openai_base_url: str = Field("https://api.openai.com/v1", description="any OpenAI-compatible endpoint")
    openai_timeout: float = Field(120, gt=0, le=3600, description="seconds a whole answer may take")
    openai_concurrency: int = Field(8, ge=1, le=64, description="questions asked at once")
    openai_daily_tokens: int = Field(2_000_000, ge=0, description="tokens a day; beyond, the rules write. 0: no limit")
    openai_digest_tokens: int = Field(300_000, ge=0, description="tokens a digest; 0: no limit")
    openai_prompt_price: float = Field(0, ge=0, description="price of a million prompt tokens, for /digest usage")
    openai_completion_price: float = Field(0, ge=0, description="price of a million answered tokens")

    @field_validator("digest_allow", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """A comma-separated list, as the environment gives it."""
        if not isinstance(value, str):
            return value
        return tuple(os.path.expanduser(part.strip()) for part in value.split(",") if part.strip())

    @field_validator("digest_database", "digest_clones", "github_app_key")
    @classmethod
    def _home(cls, value: Path | None) -> Path | None:
        """`~` is the user's home, as in a shell."""
        try:
            return value.expanduser() if value else value
        except RuntimeError:
            raise ValueError("there is no such user's home") from None

    @field_validator("feishu_url")
    @classmethod
    def _origin(cls, value: str) -> str:
        """An address without a path, over TLS unless it is this machine's: what Feishu's SDK takes."""
        known = _ORIGIN.fullmatch(value.rstrip("/"))
        if not known or int(known["port"] or known["own_port"] or 0) > _LAST_PORT:
            raise ValueError("write it as https://open.feishu.cn or https://open.larksuite.com, without a path")
        return value.rstrip("/")

    @field_validator("digest_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return check_zone(value)


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where a group bot is posted to, and with what its messages are signed, empty for nothing. Both are secret."""

    url: SecretStr
    secret: SecretStr


_WEBHOOK = re.compile(rf"(?P<name>[\w.-]{{1,60}})=(?P<url>https?://{_HOST}/[!-~]+)(?:\s+(?P<secret>[!-~]+))?")


def webhooks(name: str, value: SecretStr, *, signed: bool) -> dict[str, Webhook]:
    """The webhooks that the setting `name` lists, by their own names; with `signed` a secret may stand behind each.

    Raises ConfigError that says which entry is wrong, never what stands there.
    """
    found: dict[str, Webhook] = {}
    entries = filter(None, map(str.strip, value.get_secret_value().split(",")))
    for number, entry in enumerate(entries, 1):
        known = _WEBHOOK.fullmatch(entry)
        fits = known and known["name"] not in found and int(known["port"] or 0) <= _LAST_PORT
        if not known or not fits or (known["secret"] and not signed):
            form = "team=https://… secret" if signed else "team=https://…"
            raise ConfigError("webhook_setting", name=name, number=number, form=form)
        found[known["name"]] = Webhook(SecretStr(known["url"]), SecretStr(known["secret"] or ""))
    return found


def habits(value: str) -> dict[str, tuple[str, ...]]:
    """By repository the patterns of files in which it keeps notes for users, as the setting `DIGEST_NOTES` lists them.

    Several entries may name one repository. Raises ConfigError that says which entry is wrong.
    """
    found: dict[str, tuple[str, ...]] = {}
    for entry in filter(None, map(str.strip, value.split(","))):
        repo, _, pattern = (part.strip() for part in entry.partition("="))
        if not repo or not pattern:
            raise ConfigError("notes_setting", entry=entry[:100])
        found[repo] = (*found.get(repo, ()), pattern)
    return found


def check_zone(name: str) -> str:
    """`name` as an IANA time zone is spelt, whatever its case. Raises ValueError where there is none."""
    spelt = {zone.lower(): zone for zone in available_timezones()}.get(name.lower())
    if spelt is None:
        raise ValueError("no such time zone; use a name such as Europe/Berlin, Asia/Shanghai or UTC")
    ZoneInfo(spelt)
    return spelt


def load() -> Settings:
    """The settings of this process. Raises ConfigError that names the setting, never its value (it may be a secret)."""
    try:
        return Settings(_env_file=_files())  # type: ignore[call-arg]  # fields come from the environment
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        name = ".".join(str(part) for part in first["loc"]).upper()
        raise ConfigError("setting_invalid", name=name, problem=first["msg"].removeprefix("Value error, ")) from None
    except UnicodeDecodeError:
        files = " / ".join(str(path) for path in _files() if path.exists())
        raise ConfigError("setting_invalid", name=files, problem="the file is not UTF-8 text") from None
