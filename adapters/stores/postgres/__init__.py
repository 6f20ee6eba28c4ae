"""The store on a PostgreSQL server, through psycopg; `adapters.postgres` has the connections.

store      `PostgresStore`, which joins a class for each port of `bot.ports` that remembers
archive    the full-text index
keeping    space, and what is left to pg_dump
moving     one side of a move
part       sessions and transactions
schema     the tables, as migrations
cells      values as parameters
index      what of a commit the full-text index takes, and queries to it
"""

from adapters.stores.postgres.store import PostgresStore, from_settings

__all__ = ["PostgresStore", "from_settings"]
