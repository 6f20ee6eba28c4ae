"""The store on a PostgreSQL server, through psycopg; `adapters.postgres` has the connections.

store      `PostgresStore`, which joins a class for each port of `bot.ports` that remembers:
           archive, subscriptions, ledger, meter, leases, memory, keeping
commits    commits and their words, within a transaction
part       what all parts share
schema     the tables, as migrations
cells      values as parameters
index      what of a commit the full-text index takes, and queries to it
"""

from adapters.stores.postgres.store import PostgresStore, from_settings

__all__ = ["PostgresStore", "from_settings"]
