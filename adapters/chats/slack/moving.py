"""Copies the installations of all workspaces from one database to another, with their tokens as stored."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr
from slack_sdk.oauth.installation_store import Bot, InstallationStore
from slack_sdk.oauth.installation_store.sqlite3 import SQLite3InstallationStore

from bot.errors import StoreError

_Kept = tuple[str, str, str]
_KEPT = (
    "SELECT client_id, team_id, user_id FROM slack_installations "
    "GROUP BY client_id, team_id, user_id ORDER BY max(installed_at)"
)


class _End(Protocol):
    def kept(self) -> list[_Kept]:
        """The app, the workspace and the person of each installation."""
        ...

    def store(self, client: str) -> InstallationStore:
        """The installations of an app."""
        ...


def move_installations(source: Path | SecretStr, target: Path | SecretStr) -> int:
    """Copy them, replacing existing ones, and return how many. Raises StoreError if a copy differs."""
    with _end(source) as old, _end(target) as new:
        kept = old.kept()
        for client, team, user in kept:
            _move(old.store(client), new.store(client), team, user)
    return len(kept)


def _move(old: InstallationStore, new: InstallationStore, team: str, user: str) -> None:
    if found := old.find_installation(enterprise_id=None, team_id=team, user_id=user):
        new.save(found)
    if bot := old.find_bot(enterprise_id=None, team_id=team):  # the one of the last installation
        new.save_bot(bot)
        again = new.find_bot(enterprise_id=None, team_id=team)
        if again is None or _without_time(again) != _without_time(bot):
            raise StoreError("move_differs", table="slack_bots", row=team)


def _without_time(bot: Bot) -> dict[str, object]:
    """A bot without its time of installation, which slack_sdk's SQLite store sets to the time of writing."""
    return {**bot.to_dict(), "installed_at": None}


class _FileEnd:
    def __init__(self, path: Path) -> None:
        self._path = path

    def kept(self) -> list[_Kept]:
        with closing(sqlite3.connect(self._path)) as db:
            known = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'slack_installations'").fetchone()
            return db.execute(_KEPT).fetchall() if known else []

    def store(self, client: str) -> InstallationStore:
        return SQLite3InstallationStore(database=str(self._path), client_id=client)


@contextmanager
def _end(database: Path | SecretStr) -> Iterator[_End]:
    if isinstance(database, Path):
        yield _FileEnd(database)
        return
    from adapters.chats.slack.installations_postgres import ServerEnd  # noqa: PLC0415  # psycopg may not be there

    with closing(ServerEnd(database)) as end:
        yield end
