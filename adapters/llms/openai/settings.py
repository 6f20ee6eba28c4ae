"""Which language model is asked, and what it may take."""

from typing import Literal

from pydantic import Field, SecretStr

from bot.settings import Base


class OpenAISettings(Base, title="A language model: any OpenAI-compatible endpoint"):
    """The endpoint's, and the budgets."""

    openai_model: str = Field("", description="a language model; empty: the rules write the digest")
    openai_api_key: SecretStr = Field(SecretStr(""), description="its key; may stay empty for a local server")
    openai_base_url: str = Field("https://api.openai.com/v1", description="any OpenAI-compatible endpoint")
    openai_timeout: float = Field(120, gt=0, le=3600, description="seconds a whole answer may take")
    openai_concurrency: int = Field(8, ge=1, le=64, description="questions asked at once")
    openai_depth: Literal["", "brief", "normal", "deep"] = Field(
        "",
        description="how much is done for one commit: `brief`, one question; `normal`, a draft, a look at the tree, "
        "and the answer that has seen it; `deep`, with more looks",
        examples=["normal"],
        json_schema_extra={"default": "`normal`; `brief` where analyses of an earlier version are kept"},
    )
    openai_daily_tokens: int = Field(
        10_000_000, ge=0, description="tokens a day; when they are spent, the rules write the rest. `0`: no limit"
    )
    openai_digest_tokens: int = Field(1_000_000, ge=0, description="tokens one digest may take. `0`: no limit")
    openai_prompt_price: float = Field(0, ge=0, description="price of a million prompt tokens, for `digest usage`")
    openai_cached_price: float = Field(
        0, ge=0, description="price of a million prompt tokens that the service had cached. `0`: as the others"
    )
    openai_completion_price: float = Field(0, ge=0, description="price of a million answered tokens")
