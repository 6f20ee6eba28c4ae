"""Where git keeps what it fetches."""

from pydantic import Field

from bot.settings import Settings, UserPath, data_folder


class GitSettings(Settings, title="Repositories given by URL"):
    """Besides the core's, which hold credentials of repositories."""

    digest_clones: UserPath = Field(
        default_factory=lambda: data_folder() / "clones",
        description="clones of repositories given by URL",
        examples=["~/.local/share/commit-digest/clones"],
    )
