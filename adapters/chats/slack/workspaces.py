"""The workspaces that the bot is in, and their tokens: one from the settings, or those where people installed the app.

Installations are kept in the bot's own database; with a key, tokens are encrypted there.
"""

import hashlib
import hmac
import html
import logging
import secrets
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from cryptography.fernet import MultiFernet
from pydantic import SecretStr
from slack_bolt import App, BoltRequest, BoltResponse
from slack_bolt.authorization.authorize import InstallationStoreAuthorize
from slack_bolt.error import BoltError
from slack_bolt.oauth import OAuthFlow
from slack_bolt.oauth.callback_options import CallbackOptions, FailureArgs
from slack_bolt.oauth.oauth_settings import OAuthSettings
from slack_sdk.errors import SlackApiError
from slack_sdk.oauth.installation_store import Installation, InstallationStore
from slack_sdk.oauth.state_store import OAuthStateStore
from slack_sdk.web import WebClient

from adapters.chats.slack.calls import NO_RETRIES, TIMEOUT, Gate, StayingClient, translated
from adapters.chats.slack.installations import EncryptedInstallations, fernet
from bot.errors import NotFound, Unavailable
from bot.values import Place

SCOPES = (
    "commands",
    "chat:write",
    "app_mentions:read",
    "channels:read",
    "groups:read",
    "channels:history",
    "groups:history",
    "im:read",
    "im:history",
    "im:write",
    "files:write",
    "users:read",
)
"""What the app asks of a workspace; docs/slack.md says what each is for, slack-manifest.yaml asks for the same."""

NAME = "slack"
"""The name that stands in `Place.chat`."""

_log = logging.getLogger("digest.slack")
_SETTING = "DIGEST_WORKSPACES"
_STATE_SECONDS = 600


def place_of(team: str, channel: str, thread: str | None = None, viewer: str | None = None) -> Place:
    """A place in a workspace; a channel's id is unique only within one."""
    return Place(NAME, f"{team}/{channel}", thread, viewer)


def parts_of(place: Place) -> tuple[str, str]:
    """The workspace and the channel of a place; no workspace is named where somebody typed the channel alone."""
    team, _, channel = place.channel.rpartition("/")
    return team, channel


def web_client(token: str | None, url: str) -> WebClient:
    """A client that repeats nothing by itself, and goes nowhere else."""
    return StayingClient(token, base_url=url, timeout=TIMEOUT, retry_handlers=NO_RETRIES)


class Workspaces(Protocol):
    """Where the bot is at home."""

    def client(self, team: str) -> WebClient:
        """A client with the token of a workspace; empty: of the only one. Raises NotFound, ConfigError, Unavailable."""
        ...

    def own(self) -> WebClient | None:
        """The client with the token of the settings, where there is one."""
        ...

    def app(self, logger: logging.Logger, secret: str, page: Callable[[str], str]) -> App:
        """Bolt's application, which checks signatures with `secret`; empty over a socket. Raises ConfigError.

        `page` is what somebody reads whose workspace, by its id, may not install the app.
        """
        ...

    def forget(self, team: str) -> None:
        """Remove what is kept of a workspace that took the app out."""
        ...


class OneWorkspace:
    """The workspace of one bot token."""

    def __init__(self, token: str, url: str) -> None:
        self._client = web_client(token, url)
        self._team = ""

    def client(self, team: str) -> WebClient:
        """The client, for its own workspace. Raises NotFound for another one."""
        if team and team != self.team():
            raise NotFound("slack_workspace")
        return self._client

    def own(self) -> WebClient:
        """The client."""
        return self._client

    def team(self) -> str:
        """The workspace's id, asked of Slack once. Raises ConfigError, Unavailable."""
        if not self._team:
            try:
                self._team = str(self._client.auth_test()["team_id"])
            except SlackApiError as error:
                raise translated(error, Gate("auth.test", "")) from None
            except OSError:
                raise Unavailable("slack_failed", error="connection") from None
        return self._team

    def app(self, logger: logging.Logger, secret: str, page: Callable[[str], str]) -> App:  # noqa: ARG002  # none installs
        """Bolt's application for the one token. Raises ConfigError where Slack does not take it."""
        self.team()
        return App(logger=logger, client=self._client, signing_secret=secret, request_verification_enabled=bool(secret))

    def forget(self, team: str) -> None:
        """Nothing is kept: the token stands in the settings."""


class InstalledWorkspaces:
    """The workspaces where somebody installed the app through OAuth, of those that may: `invited`, by their ids.

    While none is invited, those that have it already keep it; who is on no list is told, and served, no more.
    """

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        database: Path | SecretStr,
        key: str,
        url: str,
        *,
        invited: Collection[str],
    ) -> None:
        self._client_id, self._client_secret = client_id, client_secret
        self._url = url
        self._encrypted = bool(key)
        self._invited = frozenset(invited)
        self._installations = _kept_in(database, client_id, fernet(key), self._invited)

    def client(self, team: str) -> WebClient:
        """A client with the token of a workspace. Raises NotFound where the app is not installed, ConfigError."""
        found = self._installations.find_bot(enterprise_id=None, team_id=team) if team else None
        if found is None:
            raise NotFound("slack_workspace")
        return web_client(found.bot_token, self._url)

    def own(self) -> None:
        """None: each workspace has a token of its own."""

    def app(self, logger: logging.Logger, secret: str, page: Callable[[str], str]) -> App:
        """Bolt's application with its pages for installing."""
        if not self._encrypted:
            _log.warning("workspace tokens are stored unencrypted: set SLACK_TOKEN_KEY to encrypt them")
        client = web_client(None, self._url)
        flow = _InvitedOnly(
            self._invited,
            client=client,
            logger=logger,
            settings=OAuthSettings(
                client_id=self._client_id,
                client_secret=self._client_secret,
                scopes=SCOPES,
                installation_store=self._installations,
                installation_store_bot_only=True,
                state_store=_SignedStates(self._client_secret),
                callback_options=CallbackOptions(lambda args: args.default.success(args), _refusing(page)),
                logger=logger,
            ),
        )
        # The answer of auth.test is remembered: without that each command would wait for it before it is acknowledged.
        authorize = InstallationStoreAuthorize(
            logger=logger, installation_store=self._installations, bot_only=True, cache_enabled=True, client=client
        )
        flow.settings.authorize = authorize
        return App(logger=logger, client=client, signing_secret=secret, oauth_flow=flow)

    def forget(self, team: str) -> None:
        """Remove every token of a workspace."""
        self._installations.delete_all(enterprise_id=None, team_id=team)


def _kept_in(
    database: Path | SecretStr, client_id: str, key: MultiFernet | None, invited: Collection[str]
) -> InstallationStore:
    """Where installations are kept. Raises what opening a database does."""
    if isinstance(database, Path):
        return EncryptedInstallations(database, client_id, key, invited)
    from adapters.chats.slack.installations_postgres import PostgresInstallations  # noqa: PLC0415  # it may not be there

    return PostgresInstallations(database, client_id, key, invited)


class _NotInvited(BoltError):
    """A workspace that is on no list; its id is the message."""


class _InvitedOnly(OAuthFlow):
    """Keeps no installation but those of invited workspaces; a token that came all the same is given back at once."""

    def __init__(self, invited: Collection[str], **known: Any) -> None:
        super().__init__(**known)
        self._workspaces = frozenset(invited)

    def store_installation(self, request: BoltRequest, installation: Installation) -> None:
        """Keep an installation. Raises BoltError for a workspace that is not invited."""
        team = installation.team_id or ""
        if installation.is_enterprise_install or team not in self._workspaces:
            _log.warning("an installation was refused", extra={"fields": {"workspace": team, "set": _SETTING}})
            with suppress(SlackApiError, OSError):
                self.client.auth_revoke(token=installation.bot_token)
            raise _NotInvited(team)
        super().store_installation(request, installation)


class _SignedStates(OAuthStateStore):
    """What an installation carries to Slack and back (RFC 6749, 10.12): signed and short-lived, and kept nowhere.

    Anybody may open the page for installing, any number of times. Bolt's cookie tells that it is the same browser.
    """

    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(f"oauth-state:{secret}".encode()).digest()

    def issue(self, *_: Any, **__: Any) -> str:
        """A new one."""
        return self._closed(f"{time.time() + _STATE_SECONDS:.0f}.{secrets.token_hex(16)}")

    def consume(self, state: str) -> bool:
        """Whether it is one of ours that has not expired."""
        said = state.rpartition(".")[0]
        ours = hmac.compare_digest(self._closed(said).encode(), state.encode())
        return ours and time.time() < int(said.partition(".")[0])

    def _closed(self, said: str) -> str:
        return f"{said}.{hmac.new(self._key, said.encode(), hashlib.sha256).hexdigest()}"


def _refusing(page: Callable[[str], str]) -> Callable[[FailureArgs], BoltResponse]:
    """What is shown where an installation fails: `page`, where it was refused, else Bolt's own."""

    def failure(args: FailureArgs) -> BoltResponse:
        if not isinstance(args.error, _NotInvited):
            return args.default.failure(args)
        body = f'<!doctype html><meta charset="utf-8"><p>{html.escape(page(str(args.error)))}</p>'
        return BoltResponse(status=403, body=body, headers={"Content-Type": "text/html; charset=utf-8"})

    return failure
