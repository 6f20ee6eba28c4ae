"""The address of a chat completions service, and the SDK's client for its kind."""

from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, urlsplit, urlunsplit

import httpx2
import openai

from bot.errors import ConfigError, Invalid

_PATH = "/chat/completions"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A base address without a query, and the `api-version` that Azure's addresses have."""

    url: str
    version: str = ""

    @property
    def _deployed(self) -> bool:
        """Whether it is Azure's interface of deployments; that of `/openai/v1` is OpenAI's own, with a version."""
        return bool(self.version) and not self.url.endswith("/v1")

    def client(self, key: str, http: httpx2.Client) -> openai.OpenAI:
        """The SDK's client; Azure's adds the deployment, named as the model is, where the address has none."""
        if self._deployed:
            return openai.AzureOpenAI(
                api_key=key, base_url=self.url, api_version=self.version, max_retries=0, http_client=http
            )
        query = {"api-version": self.version} if self.version else None
        return openai.OpenAI(api_key=key, base_url=self.url, default_query=query, max_retries=0, http_client=http)


def endpoint(address: str) -> Endpoint:
    """Parse `address`, which may also be the full address of the service. Raises ConfigError.

    Azure's portal shows `https://NAME.openai.azure.com/openai/deployments/MODEL/chat/completions?api-version=DATE`.
    Source: Azure OpenAI, "REST API reference".
    """
    parts = _plain(address)
    if parts is None:
        raise ConfigError("setting_invalid", name="OPENAI_BASE_URL", problem=Invalid("problem_base_url"))
    version = parse_qs(parts.query).get("api-version", [""])[0]
    path = parts.path.rstrip("/").removesuffix(_PATH)
    if version and not path:
        path = "/openai"
    return Endpoint(urlunsplit((parts.scheme, parts.netloc, path, "", "")), version)


def _plain(address: str) -> SplitResult | None:
    """The parts of an HTTP address that may be shown: errors name it, and httpx2 logs it at INFO."""
    try:
        parts = urlsplit(address)
        named = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    versioned = set(parse_qs(parts.query, keep_blank_values=True)) <= {"api-version"}
    return parts if named and versioned and "@" not in parts.netloc else None
