"""The settings of the language model and its budgets."""

from typing import Literal

from pydantic import Field, SecretStr

from bot.settings import Base

_PARTS = {"scheduled": 2, "channel": 4, "person": 10}
"""The default parts of the day's tokens: one divided by the number."""


class OpenAISettings(Base, title="A language model: Any OpenAI-compatible endpoint"):
    """The settings of the endpoint and the budgets."""

    openai_model: str = Field("", description="name of the language model; empty: built-in rules produce the digest")
    openai_api_key: SecretStr = Field(SecretStr(""), description="API key; may be empty for a local server")
    openai_base_url: str = Field("https://api.openai.com/v1", description="any OpenAI-compatible endpoint")
    openai_timeout: float = Field(120, gt=0, le=3600, description="time limit for a whole answer, in seconds")
    openai_concurrency: int = Field(8, ge=1, le=64, description="maximum number of concurrent requests")
    openai_depth: Literal["", "brief", "normal", "deep"] = Field(
        "",
        description="effort per commit: `brief` (one question), `normal` (a draft, a look-up in the repository, the "
        "answer, a check) or `deep` (more look-ups)",
        examples=["normal"],
        json_schema_extra={"default": "`normal`; `brief` if an earlier version used a model here"},
    )
    openai_daily_tokens: int = Field(
        10_000_000, ge=0, description="tokens per day; once they are used up, rules write the rest. `0`: no limit"
    )
    openai_daily_tokens_scheduled: int | None = Field(
        None,
        ge=0,
        description="how many of these are reserved for scheduled digests, which may also use the rest. `0`: none",
        examples=["5000000"],
        json_schema_extra={"default": "half of `OPENAI_DAILY_TOKENS`"},
    )
    openai_daily_tokens_channel: int | None = Field(
        None,
        ge=0,
        description="tokens per day for requests in one channel. `0`: no limit",
        examples=["2500000"],
        json_schema_extra={"default": "a quarter of `OPENAI_DAILY_TOKENS`"},
    )
    openai_daily_tokens_person: int | None = Field(
        None,
        ge=0,
        description="tokens per day for requests of one person. `0`: no limit",
        examples=["1000000"],
        json_schema_extra={"default": "a tenth of `OPENAI_DAILY_TOKENS`"},
    )
    openai_digest_tokens: int = Field(1_000_000, ge=0, description="tokens per digest. `0`: no limit")
    openai_prompt_price: float = Field(
        0, ge=0, description="price per million input tokens; if prices are set, `digest usage` shows the cost"
    )
    openai_cached_price: float = Field(
        0, ge=0, description="price per million cached input tokens. `0`: same as other input tokens"
    )
    openai_completion_price: float = Field(0, ge=0, description="price per million output tokens")

    def share(self, whose: Literal["scheduled", "channel", "person"]) -> int:
        """The configured part of the day's tokens, else the default; 0 reserves none, or sets no limit."""
        given: int | None = getattr(self, f"openai_daily_tokens_{whose}")
        return self.openai_daily_tokens // _PARTS[whose] if given is None else given
