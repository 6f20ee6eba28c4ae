"""What the operator does with the database, as far as it is specific to PostgreSQL. Backups are left to pg_dump."""

from collections.abc import Iterable
from pathlib import Path

from psycopg import sql

from adapters.stores.keeping import KeepingPart
from adapters.stores.part import Session
from adapters.stores.postgres.part import PostgresPart
from adapters.stores.rows import PERSONAL, TABLES
from bot.errors import StoreError

_BATCH = 1_000
"""Commits deleted in one transaction."""
_FEW = (
    "DELETE FROM commits WHERE id IN (SELECT id FROM commits "
    "WHERE repo = (SELECT id FROM repositories WHERE name = ?) LIMIT ?)"
)
_PEOPLE = (
    "SELECT table_name, column_name FROM information_schema.columns "
    "WHERE table_schema = current_schema() AND column_name = ANY(?)"
)


class PostgresKeeping(KeepingPart, PostgresPart):
    """What the operator does with the database: a part of `bot.ports.Database`."""

    def back_up(self, target: Path) -> int:  # noqa: ARG002
        raise StoreError("postgres_backup", server=self._server.name)

    def free(self) -> None:
        """None: the server's disk cannot be seen from here."""

    def _forget_commits(self, name: str) -> None:
        while self._writing(lambda db: db.run(_FEW, name, _BATCH)) == _BATCH:
            pass

    def _columns_of_people(self, db: Session) -> Iterable[tuple[str, str]]:
        return [(table, column) for table, column in db.all(_PEOPLE, PERSONAL)]

    def compact(self) -> None:
        """Pack what is not packed, free space, and tell the planner what there is: autovacuum would do both later."""
        self._pack()
        every = sql.SQL(", ").join(map(sql.Identifier, (*TABLES, "words", "analysis_words")))
        self._server.read(lambda db: db.execute(sql.SQL("VACUUM (ANALYZE) {}").format(every)))
