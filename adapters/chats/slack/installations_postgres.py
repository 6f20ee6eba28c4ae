"""The workspaces that installed the app, in the PostgreSQL database that DIGEST_DATABASE names.

slack_sdk's own stores are for SQLite, SQLAlchemy and files. Only the last installation of a workspace counts, so there
is one row for each workspace, and one for each person with a token of their own.
"""

import json
from collections.abc import Collection
from contextlib import suppress
from typing import Any

from cryptography.fernet import MultiFernet
from pydantic import SecretStr
from slack_sdk.oauth.installation_store import Bot, Installation, InstallationStore

from adapters.chats.slack.installations import SECRET, Encrypting
from adapters.postgres import Connection, Server

_LOCK = 0x6469676573740002
"""The key of the lock under which one process creates the tables; `adapters.stores.postgres.schema` has another."""
_TABLES = """
    CREATE TABLE IF NOT EXISTS slack_bots (
        client_id text NOT NULL, team_id text NOT NULL, body text NOT NULL, PRIMARY KEY (client_id, team_id)
    );
    CREATE TABLE IF NOT EXISTS slack_installations (
        client_id text NOT NULL, team_id text NOT NULL, user_id text NOT NULL, installed_at double precision NOT NULL,
        body text NOT NULL, PRIMARY KEY (client_id, team_id, user_id)
    )
"""


class PlainInstallations(InstallationStore):
    """Implements slack_sdk's store with rows of JSON, without encryption."""

    def __init__(self, server: Server, client_id: str) -> None:
        self.server = server
        self._client = client_id
        if not server.read(lambda db: db.execute("SELECT to_regclass('slack_installations')").fetchone() != (None,)):
            server.write(_make_tables)

    def save(self, installation: Installation) -> None:
        """Store an installation, and its bot's token."""
        if installation.bot_token:
            self.save_bot(installation.to_bot())
        row = (self._client, installation.team_id or "", installation.user_id or "", installation.installed_at)
        query = (
            "INSERT INTO slack_installations VALUES (%s, %s, %s, %s, %s) ON CONFLICT (client_id, team_id, user_id) "
            "DO UPDATE SET installed_at = excluded.installed_at, body = excluded.body"
        )
        self.server.write(lambda db: db.execute(query, (*row, _dumped(installation))))

    def save_bot(self, bot: Bot) -> None:
        """Store a bot's token."""
        query = (
            "INSERT INTO slack_bots VALUES (%s, %s, %s) "
            "ON CONFLICT (client_id, team_id) DO UPDATE SET body = excluded.body"
        )
        self.server.write(lambda db: db.execute(query, (self._client, bot.team_id or "", _dumped(bot))))

    def find_bot(self, *, team_id: str | None, **_: Any) -> Bot | None:
        """The bot of a workspace."""
        query = "SELECT body FROM slack_bots WHERE client_id = %s AND team_id = %s"
        row = self.server.read(lambda db: db.execute(query, (self._client, team_id or "")).fetchone())
        return Bot(**json.loads(row[0])) if row else None

    def find_installation(self, *, team_id: str | None, user_id: str | None = None, **_: Any) -> Installation | None:
        """The last installation of a workspace, or a person's."""
        query = (
            "SELECT body FROM slack_installations WHERE client_id = %s AND team_id = %s "
            "AND (%s::text IS NULL OR user_id = %s) ORDER BY installed_at DESC LIMIT 1"
        )
        values = (self._client, team_id or "", user_id, user_id)
        row = self.server.read(lambda db: db.execute(query, values).fetchone())
        return Installation(**json.loads(row[0])) if row else None

    def delete_bot(self, *, team_id: str | None, **_: Any) -> None:
        """Remove a bot's token."""
        query = "DELETE FROM slack_bots WHERE client_id = %s AND team_id = %s"
        self.server.write(lambda db: db.execute(query, (self._client, team_id or "")))

    def delete_installation(self, *, team_id: str | None, user_id: str | None = None, **_: Any) -> None:
        """Remove the installations of a workspace, or a person's."""
        query = (
            "DELETE FROM slack_installations WHERE client_id = %s AND team_id = %s "
            "AND (%s::text IS NULL OR user_id = %s)"
        )
        self.server.write(lambda db: db.execute(query, (self._client, team_id or "", user_id, user_id)))


class PostgresInstallations(Encrypting, PlainInstallations):
    """The installations of an app, with tokens encrypted."""

    def __init__(
        self, address: SecretStr, client_id: str, key: MultiFernet | None, invited: Collection[str] = frozenset()
    ) -> None:
        """Raises ConfigError, StoreError, Unavailable."""
        super().__init__(Server(address), client_id)
        self._key, self._invited = key, invited
        if key:
            self.server.write(self._close_kept)

    def _close_kept(self, db: Connection) -> None:
        """Encrypt tokens that were stored before there was a key."""
        for table in ("slack_bots", "slack_installations"):
            query = f"SELECT ctid::text, body FROM {table} WHERE client_id = %s FOR UPDATE"  # noqa: S608
            for row, body in db.execute(query, (self._client,)).fetchall():
                closed = self._closed_body(body)
                if closed != body:
                    changed = f"UPDATE {table} SET body = %s WHERE ctid = %s::tid"  # noqa: S608
                    db.execute(changed, (closed, row))

    def _closed_body(self, body: str) -> str:
        with suppress(ValueError, TypeError, AttributeError):  # a corrupt row
            kept = json.loads(body)
            return json.dumps(kept | {name: self.encrypted(kept[name]) for name in SECRET if kept.get(name)})
        return body


class ServerEnd:
    """A database as an end of `adapters.chats.slack.moving`."""

    def __init__(self, address: SecretStr) -> None:
        self._server = Server(address)

    def kept(self) -> list[tuple[str, str, str]]:
        """The app, the workspace and the person of each installation."""
        query = "SELECT client_id, team_id, user_id FROM slack_installations ORDER BY installed_at"
        known = self._server.read(lambda db: db.execute("SELECT to_regclass('slack_installations')").fetchone())
        return self._server.read(lambda db: db.execute(query).fetchall()) if known != (None,) else []

    def store(self, client: str) -> InstallationStore:
        """The installations of an app."""
        return PlainInstallations(self._server, client)

    def close(self) -> None:
        """Close the connection."""
        self._server.close()


def _make_tables(db: Connection) -> None:
    db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    db.execute(_TABLES)


def _dumped(kept: Bot | Installation) -> str:
    return json.dumps(kept.to_dict_for_copying(), default=lambda time: time.isoformat())
