"""The settings of Slack: an app in one workspace or several, or incoming webhooks."""

from typing import Literal

from pydantic import Field, SecretStr

from bot.settings import LAST_PORT, Settings


class SlackSettings(Settings, title="Slack: Setup in five minutes: docs/slack.md. Without an app: docs/webhooks.md"):
    """The settings of Slack, with the core's, since the database stores the workspaces' tokens."""

    slack_bot_token: SecretStr = Field(
        SecretStr(""), description="bot token of a Slack app (`xoxb-…`), for one workspace"
    )
    slack_app_token: SecretStr = Field(
        SecretStr(""),
        description="app-level token (`xapp-…`) for Socket Mode, so that `digest run` receives requests",
    )
    slack_mode: Literal["socket", "http"] = Field(
        "socket",
        description="how the bot gets events: `socket` (Socket Mode, needs no public address) or `http` (Slack calls "
        "the bot at a public address)",
    )
    slack_signing_secret: SecretStr = Field(
        SecretStr(""), description="over HTTP: verifies that requests come from Slack"
    )
    slack_host: str = Field("127.0.0.1", description="over HTTP: the address to listen on, behind a TLS proxy")
    slack_port: int = Field(3000, ge=0, le=LAST_PORT, description="over HTTP: the port")
    slack_client_id: str = Field(
        "", description="several workspaces: the app's client ID; people install at `/slack/install`"
    )
    slack_client_secret: SecretStr = Field(SecretStr(""), description="several workspaces: the app's client secret")
    slack_token_key: SecretStr = Field(
        SecretStr(""),
        description="several workspaces: the key that encrypts their stored tokens (`openssl rand -base64 32`); "
        "append earlier keys, separated by commas",
    )
    slack_url: str = Field("https://slack.com/api/", description="address of Slack's Web API")
    slack_webhooks: SecretStr = Field(
        SecretStr(""),
        description="[incoming webhooks](docs/webhooks.md), for digests without an app: comma-separated `name=url`",
        examples=["team=https://hooks.slack.com/services/…"],
    )
