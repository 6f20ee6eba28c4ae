"""The workspaces of the bot, and their tokens: one from the settings, or those that installed the app.

Installations are stored in the bot's own database; with a key, tokens are encrypted there.
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
"""The scopes that the app requests; docs/slack.md says what each is for, and slack-manifest.yaml has the same."""

NAME = "slack"
"""The name used in `Place.chat`."""

_log = logging.getLogger("digest.slack")
_SETTING = "DIGEST_WORKSPACES"
_STATE_SECONDS = 600


def place_of(team: str, channel: str, thread: str | None = None, viewer: str | None = None) -> Place:
    """A place in a workspace; a channel's ID is unique only within one."""
    return Place(NAME, f"{team}/{channel}", thread, viewer)


def parts_of(place: Place) -> tuple[str, str]:
    """The workspace and the channel of a place; the workspace is empty if only the channel was typed."""
    team, _, channel = place.channel.rpartition("/")
    return team, channel


def web_client(token: str | None, url: str) -> WebClient:
    """A client without retries and redirects."""
    return StayingClient(token, base_url=url, timeout=TIMEOUT, retry_handlers=NO_RETRIES)


class Workspaces(Protocol):
    """The workspaces that the bot serves."""

    def client(self, team: str) -> WebClient:
        """A client with the token of a workspace (empty: the only one). Raises NotFound, ConfigError, Unavailable."""
        ...

    def own(self) -> WebClient | None:
        """The client with the token in the settings, if there is one."""
        ...

    def app(self, logger: logging.Logger, secret: str, page: Callable[[str], str]) -> App:
        """Bolt's application, which verifies signatures with `secret` (empty over a socket). Raises ConfigError.

        `page` returns the page for people whose workspace, by its ID, is not allowed to install the app.
        """
        ...

    def forget(self, team: str) -> None:
        """Delete the data of a workspace that uninstalled the app."""
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
        """The workspace's ID, requested once. Raises ConfigError, Unavailable."""
        if not self._team:
            try:
                self._team = str(self._client.auth_test()["team_id"])
            except SlackApiError as error:
                raise translated(error, Gate("auth.test", "")) from None
            except OSError:
                raise Unavailable("slack_failed", error="connection") from None
        return self._team

    def app(self, logger: logging.Logger, secret: str, page: Callable[[str], str]) -> App:  # noqa: ARG002  # nothing to install
        """Bolt's application for the one token. Raises ConfigError if Slack rejects it."""
        self.team()
        return App(logger=logger, client=self._client, signing_secret=secret, request_verification_enabled=bool(secret))

    def forget(self, team: str) -> None:
        """Nothing to do: the token is in the settings."""


class InstalledWorkspaces:
    """The workspaces that installed the app through OAuth, if allowed: `invited` are their IDs.

    If none are invited, those that have it keep it; all others are rejected and no longer served.
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
        """A client with the token of a workspace. Raises NotFound if the app is not installed, ConfigError."""
        found = self._installations.find_bot(enterprise_id=None, team_id=team) if team else None
        if found is None:
            raise NotFound("slack_workspace")
        return web_client(found.bot_token, self._url)

    def own(self) -> None:
        """None: each workspace has a token of its own."""

    def app(self, logger: logging.Logger, secret: str, page: Callable[[str], str]) -> App:
        """Bolt's application with its installation pages."""
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
        # The answer of auth.test is cached: else each command would wait for it before it is acknowledged.
        authorize = InstallationStoreAuthorize(
            logger=logger, installation_store=self._installations, bot_only=True, cache_enabled=True, client=client
        )
        flow.settings.authorize = authorize
        return App(logger=logger, client=client, signing_secret=secret, oauth_flow=flow)

    def forget(self, team: str) -> None:
        """Delete all tokens of a workspace."""
        self._installations.delete_all(enterprise_id=None, team_id=team)


def _kept_in(
    database: Path | SecretStr, client_id: str, key: MultiFernet | None, invited: Collection[str]
) -> InstallationStore:
    """The store of installations. Raises what opening a database raises."""
    if isinstance(database, Path):
        return EncryptedInstallations(database, client_id, key, invited)
    from adapters.chats.slack.installations_postgres import PostgresInstallations  # noqa: PLC0415  # it may not be there

    return PostgresInstallations(database, client_id, key, invited)


class _NotInvited(BoltError):
    """A workspace that is not invited; its ID is the message."""


class _InvitedOnly(OAuthFlow):
    """Stores only installations of invited workspaces; a token of any other is revoked at once."""

    def __init__(self, invited: Collection[str], **known: Any) -> None:
        super().__init__(**known)
        self._workspaces = frozenset(invited)

    def store_installation(self, request: BoltRequest, installation: Installation) -> None:
        """Store an installation. Raises BoltError for a workspace that is not invited."""
        team = installation.team_id or ""
        if installation.is_enterprise_install or team not in self._workspaces:
            _log.warning("an installation was refused", extra={"fields": {"workspace": team, "set": _SETTING}})
            with suppress(SlackApiError, OSError):
                self.client.auth_revoke(token=installation.bot_token)
            raise _NotInvited(team)
        super().store_installation(request, installation)


class _SignedStates(OAuthStateStore):
    """The states of installations (RFC 6749, 10.12): signed, short-lived, and not stored.

    Anybody can open the installation page, any number of times. Bolt's cookie shows that it is the same browser.
    """

    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(f"oauth-state:{secret}".encode()).digest()

    def issue(self, *_: Any, **__: Any) -> str:
        """A new state."""
        return self._closed(f"{time.time() + _STATE_SECONDS:.0f}.{secrets.token_hex(16)}")

    def consume(self, state: str) -> bool:
        """Whether a state is ours and has not expired."""
        said = state.rpartition(".")[0]
        ours = hmac.compare_digest(self._closed(said).encode(), state.encode())
        return ours and time.time() < int(said.partition(".")[0])

    def _closed(self, said: str) -> str:
        return f"{said}.{hmac.new(self._key, said.encode(), hashlib.sha256).hexdigest()}"


def _refusing(page: Callable[[str], str]) -> Callable[[FailureArgs], BoltResponse]:
    """The page for a failed installation: `page` if it was refused, else Bolt's own."""

    def failure(args: FailureArgs) -> BoltResponse:
        if not isinstance(args.error, _NotInvited):
            return args.default.failure(args)
        body = f'<!doctype html><meta charset="utf-8"><p>{html.escape(page(str(args.error)))}</p>'
        return BoltResponse(status=403, body=body, headers={"Content-Type": "text/html; charset=utf-8"})

    return failure
