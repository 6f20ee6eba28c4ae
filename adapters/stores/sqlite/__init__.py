"""The store on one SQLite file, through sqlite-utils.

store      `SqliteStore`, which joins a class for each port of `bot.ports` that remembers
archive    the full-text index
keeping    copies, restores, space
moving     one side of a move
part       sessions and transactions
file       the file: opened, checked, migrated; connections, transactions, errors
schema     the tables, as migrations
query      what is looked for, as the full-text index understands it
"""

from adapters.stores.sqlite.keeping import restore
from adapters.stores.sqlite.store import SqliteStore, from_settings

__all__ = ["SqliteStore", "from_settings", "restore"]
