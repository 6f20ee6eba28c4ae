"""Where git keeps what it fetches, and how much of it."""

from pydantic import Field

from bot.settings import Settings, UserPath, data_folder


class GitSettings(Settings, title="Repositories given by URL"):
    """Besides the core's, which hold credentials of repositories."""

    digest_clones: UserPath = Field(
        default_factory=lambda: data_folder() / "clones",
        description="clones of repositories given by URL; the processes of one machine share them",
        examples=["~/.local/share/commit-digest/clones"],
    )
    digest_clones_most: int = Field(
        500,
        ge=0,
        description="clones kept at most; those that were not used for the longest go, and are fetched again when "
        "they are asked for. `0`: no limit",
    )
    digest_clones_gb: int = Field(50, ge=0, description="gigabytes of clones kept at most, likewise. `0`: no limit")
