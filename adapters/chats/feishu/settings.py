"""The settings of Feishu or Lark: an application, or groups' custom bots."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from bot.errors import Invalid
from bot.settings import HOST, LAST_PORT, Base

_ORIGIN = re.compile(rf"https://{HOST}|http://(?:localhost|127\.0\.0\.1|\[::1\])(?::(?P<own_port>\d{{1,5}}))?")


def _origin(value: str) -> str:
    """An address without a path, over TLS unless it is this machine: as Feishu's SDK needs it."""
    known = _ORIGIN.fullmatch(value.rstrip("/"))
    if not known or int(known["port"] or known["own_port"] or 0) > LAST_PORT:
        raise Invalid("problem_feishu_url")
    return value.rstrip("/")


class FeishuSettings(
    Base, title="Feishu or Lark: Setup in ten minutes: docs/feishu.md. Without an application: docs/webhooks.md"
):
    """The settings of an application and of custom bots."""

    feishu_app_id: str = Field("", description="App ID of a Feishu or Lark application (`cli_…`)")
    feishu_app_secret: SecretStr = Field(SecretStr(""), description="the application's App Secret")
    feishu_url: Annotated[str, AfterValidator(_origin)] = Field(
        "https://open.feishu.cn", description="`https://open.larksuite.com` for Lark"
    )
    feishu_mode: Literal["socket", "http"] = Field(
        "socket",
        description="how the bot gets events: `socket` (a persistent connection, needs no public address) or `http` "
        "(Feishu calls the bot at a public address)",
    )
    feishu_encrypt_key: SecretStr = Field(
        SecretStr(""), description="over HTTP: verifies that requests come from Feishu"
    )
    feishu_verification_token: SecretStr = Field(
        SecretStr(""), description="over HTTP: the application's Verification Token; if set, it is checked too"
    )
    feishu_host: str = Field("127.0.0.1", description="over HTTP: the address to listen on, behind a TLS proxy")
    feishu_port: int = Field(3001, ge=0, le=LAST_PORT, description="over HTTP: the port")
    feishu_webhooks: SecretStr = Field(
        SecretStr(""),
        description="[custom bots](docs/webhooks.md) of Feishu groups, for digests without an application: "
        "comma-separated `name=url secret`",
        examples=["team=https://open.feishu.cn/open-apis/bot/v2/hook/… signing-secret"],
    )
