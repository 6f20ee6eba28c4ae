"""The workspaces that installed the app, in the bot's own database: their tokens, encrypted by a key."""

import copy
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, TypeVar

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from slack_sdk.oauth.installation_store import Bot, Installation, InstallationStore
from slack_sdk.oauth.installation_store.sqlite3 import SQLite3InstallationStore

from bot.errors import ConfigError

SECRET = ("bot_token", "bot_refresh_token", "user_token", "user_refresh_token", "incoming_webhook_url")
"""The fields of an installation that are encrypted."""
_MARK = "fernet:"
_Kept = TypeVar("_Kept", Bot, Installation)


class Encrypting(InstallationStore):
    """Encrypts tokens with a key, if there is one, before the next class stores them.

    A workspace's ID is unique across organisations, so installations are found by it alone: a place has no more.
    Without a key, tokens are stored unencrypted; a key that is set later encrypts them. If workspaces are `invited`,
    all others are treated as if they had never installed the app.
    """

    _key: MultiFernet | None
    _invited: Collection[str]

    def save(self, installation: Installation) -> None:
        """Store an installation."""
        super().save(self._closed(installation))

    def save_bot(self, bot: Bot) -> None:
        """Store a bot's token."""
        super().save_bot(self._closed(bot))

    def find_bot(self, *, team_id: str | None, **_: Any) -> Bot | None:
        """The bot of a workspace. Raises ConfigError if its token cannot be decrypted."""
        if self._invited and team_id not in self._invited:
            return None
        try:
            return self._opened(super().find_bot(enterprise_id=None, team_id=team_id, is_enterprise_install=False))
        except (ValueError, TypeError, AttributeError):  # a corrupt row
            raise ConfigError("slack_token_unreadable") from None

    def find_installation(self, *, team_id: str | None, user_id: str | None = None, **_: Any) -> Installation | None:
        """The installation of a workspace. Raises ConfigError if its tokens cannot be decrypted."""
        if self._invited and team_id not in self._invited:
            return None
        found = super().find_installation(
            enterprise_id=None, team_id=team_id, user_id=user_id, is_enterprise_install=False
        )
        return self._opened(found)

    def _closed(self, kept: _Kept) -> _Kept:
        closed = copy.copy(kept)
        closed.enterprise_id = None
        for name in SECRET:
            value = getattr(closed, name, None)
            if value:
                setattr(closed, name, self.encrypted(value))
        return closed

    def encrypted(self, value: str) -> str:
        """A token as it is stored."""
        if self._key is None or value.startswith(_MARK):
            return value
        return _MARK + self._key.encrypt(value.encode()).decode()

    def _opened(self, kept: _Kept | None) -> _Kept | None:
        if kept is None:
            return None
        for name in SECRET:
            value = getattr(kept, name, None)
            if value and value.startswith(_MARK):
                setattr(kept, name, self._decrypted(value.removeprefix(_MARK)))
        return kept

    def _decrypted(self, value: str) -> str:
        try:
            if self._key:
                return self._key.decrypt(value.encode()).decode()
        except InvalidToken:
            pass
        raise ConfigError("slack_token_unreadable")


class EncryptedInstallations(Encrypting, SQLite3InstallationStore):
    """slack_sdk's store in an SQLite file, with tokens encrypted."""

    def __init__(
        self, database: Path, client_id: str, key: MultiFernet | None, invited: Collection[str] = frozenset()
    ) -> None:
        super().__init__(database=str(database), client_id=client_id)
        self._key = key
        self._invited = invited
        if key:
            self._close_kept()

    def _close_kept(self) -> None:
        """Encrypt tokens that were stored before there was a key, and overwrite them in the file."""
        with self.connect() as db:
            db.execute("PRAGMA secure_delete = ON")
            for table in ("slack_bots", "slack_installations"):
                columns = {row[1] for row in db.execute(f"PRAGMA table_info({table})")} & set(SECRET)
                for name in columns:
                    plain = (
                        f"SELECT id, {name} FROM {table} WHERE typeof({name}) = 'text' AND {name} NOT LIKE '{_MARK}%'"  # noqa: S608
                    )
                    for number, value in db.execute(plain).fetchall():
                        closed = f"UPDATE {table} SET {name} = ? WHERE id = ?"  # noqa: S608
                        db.execute(closed, (self.encrypted(value), number))
            db.commit()
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def fernet(keys: str) -> MultiFernet | None:
    """The comma-separated keys of a setting, the current one first. Raises ConfigError."""
    named: Sequence[str] = [key.strip().replace("+", "-").replace("/", "_") for key in keys.split(",") if key.strip()]
    try:
        return MultiFernet([Fernet(key) for key in named]) if named else None
    except ValueError:
        raise ConfigError("slack_token_key") from None
