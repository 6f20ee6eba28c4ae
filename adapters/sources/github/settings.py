"""The settings of GitHub."""

from pydantic import Field, SecretStr

from bot.settings import Base, UserPath


class GitHubSettings(
    Base, title="GitHub: Public repositories need nothing here; for others, set a token or a GitHub App"
):
    """A token, or the three settings of an App."""

    github_token: SecretStr = Field(
        SecretStr(""),
        description="personal access token; without one, public repositories work, at 60 requests an hour",
    )
    github_app_id: str = Field("", description="ID of a GitHub App, if you use one instead of a token")
    github_app_key: UserPath | None = Field(
        None, description="GitHub App: the file with its private key (PEM)", examples=["/path/to/key.pem"]
    )
    github_app_installation: int = Field(
        0, description="GitHub App: the ID of the installation", json_schema_extra={"default": ""}
    )
    github_url: str = Field("https://api.github.com", description="`https://HOST/api/v3` for GitHub Enterprise")
