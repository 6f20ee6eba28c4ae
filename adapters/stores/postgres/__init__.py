"""The store on a PostgreSQL server, through psycopg; `adapters.postgres` has the connections.

store      `PostgresStore`, which joins a class for each storing port of `bot.ports`
archive    the full-text index
keeping    deleting and compacting; backups are left to pg_dump
moving     one side of a copy
part       sessions and transactions
schema     the tables, as migrations
cells      values as parameters
index      the full-text index's lexemes of a commit, and its queries
"""

from adapters.stores.postgres.store import PostgresStore, from_settings

__all__ = ["PostgresStore", "from_settings"]
