"""`PostgresStore`: everything that must be remembered, in one PostgreSQL database."""

from collections.abc import Callable
from datetime import datetime

from psycopg import sql
from pydantic import SecretStr

from adapters.postgres import Server
from adapters.stores.aftermath import AftermathPart
from adapters.stores.leases import LeasesPart
from adapters.stores.ledger import LedgerPart
from adapters.stores.memory import MemoryPart
from adapters.stores.meter import LearnedPart, MeterPart
from adapters.stores.postgres.archive import PostgresArchive
from adapters.stores.postgres.keeping import PostgresKeeping
from adapters.stores.postgres.moving import PostgresMoving
from adapters.stores.postgres.schema import is_current, migrate
from adapters.stores.rows import TABLES
from adapters.stores.subscriptions import SubscriptionsPart
from adapters.stores.talks import TalksPart
from bot.ports import Database
from bot.settings import Settings


class PostgresStore(
    PostgresKeeping,
    PostgresMoving,
    PostgresArchive,
    AftermathPart,
    SubscriptionsPart,
    TalksPart,
    LedgerPart,
    MeterPart,
    LearnedPart,
    LeasesPart,
    MemoryPart,
    Database,
):
    """All storing ports of `bot.ports` in one database. Safe for several threads and processes.

    All methods raise StoreError if the database cannot be used, and Unavailable if the server does not answer. Values
    that PostgreSQL cannot store are approximated: see `adapters.stores.postgres.cells`.
    """

    def __init__(self, address: SecretStr, timeout: float = 10, clock: Callable[[], datetime] | None = None) -> None:
        """Open a database, and bring it up to date; see `adapters.postgres.Server`."""
        server = self.server = Server(address, timeout, clock)
        super().__init__(server)
        try:
            if not server.read(lambda db: is_current(db, server.name)):
                server.write(lambda db: migrate(db, server.name))
        except BaseException:
            server.close()
            raise

    @property
    def name(self) -> str:
        return self._server.name

    def counts(self) -> dict[str, int]:
        each = sql.SQL(", ").join(sql.SQL("(SELECT count(*) FROM {})").format(sql.Identifier(name)) for name in TABLES)
        query = sql.SQL("SELECT pg_database_size(current_database()), {}").format(each)
        size, *rows = self._server.read(lambda db: db.execute(query).fetchone()) or ()
        return dict(zip(TABLES, rows, strict=True)) | {"bytes": size}

    def close(self) -> None:
        self._server.close()


def from_settings(settings: Settings) -> PostgresStore:
    """The store at `digest_database`, if that is an address. Raises ConfigError, StoreError, Unavailable."""
    assert isinstance(settings.digest_database, SecretStr)
    return PostgresStore(settings.digest_database)
