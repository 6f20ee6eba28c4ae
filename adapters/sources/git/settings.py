"""The settings of clones: their folder and their limits."""

from pydantic import Field

from bot.settings import Settings, UserPath, data_folder


class GitSettings(Settings, title="Repositories given by URL"):
    """The settings of clones, with the core's, which have credentials of repositories."""

    digest_clones: UserPath = Field(
        default_factory=lambda: data_folder() / "clones",
        description="clones of repositories given by URL; the processes of one machine share them",
        examples=["~/.local/share/commit-digest/clones"],
    )
    digest_clones_most: int = Field(
        500,
        ge=0,
        description="number of clones to keep; the least recently used are deleted, and fetched again when needed. "
        "`0`: no limit",
    )
    digest_clones_gb: int = Field(
        50,
        ge=0,
        description="total size of clones to keep, in gigabytes; beyond it, the least recently used are deleted. "
        "`0`: no limit",
    )
