"""The store on one SQLite file, through sqlite-utils.

store      `SqliteStore`, which joins a class for each storing port of `bot.ports`
archive    the full-text index
keeping    copies, restores, space
moving     one side of a copy
part       sessions and transactions
file       opens, checks and migrates the file; connections, transactions, errors
schema     the tables, as migrations
query      queries in the syntax of the full-text index
"""

from adapters.stores.sqlite.keeping import restore
from adapters.stores.sqlite.store import SqliteStore, from_settings

__all__ = ["SqliteStore", "from_settings", "restore"]
