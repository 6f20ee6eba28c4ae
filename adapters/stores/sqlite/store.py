"""`SqliteStore`: everything that must be remembered, in one SQLite file."""

from pathlib import Path

from adapters.stores.aftermath import AftermathPart
from adapters.stores.leases import LeasesPart
from adapters.stores.ledger import LedgerPart
from adapters.stores.memory import MemoryPart
from adapters.stores.meter import LearnedPart, MeterPart
from adapters.stores.rows import TABLES
from adapters.stores.sqlite.archive import SqliteArchive
from adapters.stores.sqlite.file import SqliteFile
from adapters.stores.sqlite.keeping import SqliteKeeping, keep_before
from adapters.stores.sqlite.moving import SqliteMoving
from adapters.stores.subscriptions import SubscriptionsPart
from adapters.stores.talks import TalksPart
from bot.ports import Database
from bot.settings import Settings


class SqliteStore(
    SqliteKeeping,
    SqliteMoving,
    SqliteArchive,
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
    """All storing ports of `bot.ports` in one SQLite file. Safe for several threads and processes.

    All methods raise StoreError if the file cannot be used, and Unavailable if another process keeps it locked for
    longer than the busy timeout. Values that SQLite cannot store are approximated: see `adapters.stores.rows`.
    """

    def __init__(self, path: Path, busy_timeout: float = 10) -> None:
        """Open the file at `path`, created if missing; `busy_timeout` is in seconds. Raises as all methods do.

        A file of an earlier version is copied before it is changed, see `keep_before`.
        """
        super().__init__(SqliteFile(path, busy_timeout, before_change=keep_before))

    @property
    def name(self) -> str:
        return str(self._file.path)

    def counts(self) -> dict[str, int]:
        with self._file.reading() as db:
            return {name: db.table(name).count for name in TABLES} | {"bytes": self._file.size()}

    def close(self) -> None:
        self._file.close()


def from_settings(settings: Settings) -> SqliteStore:
    """The store at `digest_database`, if that is a path. Raises StoreError, Unavailable."""
    assert isinstance(settings.digest_database, Path)
    return SqliteStore(settings.digest_database)
