"""The store on one SQLite file, through sqlite-utils.

store      `SqliteStore`, which joins a class for each port of `bot.ports` that remembers:
           archive, subscriptions, ledger, meter, leases, memory, keeping
commits    commits and their words, within a transaction
file       the file: opened, checked, migrated; connections, transactions, errors; what all parts share
twin       how often the ledger was written, in a file beside
schema     the tables, as migrations
rows       values to rows and back
words      text to what the full-text index takes, and queries to what it understands
"""

from adapters.stores.sqlite.store import SqliteStore, from_settings, restore_from

__all__ = ["SqliteStore", "from_settings", "restore_from"]
