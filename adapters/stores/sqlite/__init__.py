"""The store on one SQLite file, through sqlite-utils.

store      `SqliteStore`, the methods of `bot.ports.Store`
file       the file: opened, checked, migrated; connections, transactions, errors
schema     the tables, as migrations
rows       values to rows and back
words      text to what the full-text index takes, and queries to what it understands
"""

from adapters.stores.sqlite.store import SqliteStore, from_settings

__all__ = ["SqliteStore", "from_settings"]
