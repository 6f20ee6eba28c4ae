"""A database as a version left it that packed nothing yet."""

from __future__ import annotations

import json

from adapters.stores.packing import unpacked
from adapters.stores.postgres import PostgresStore
from adapters.stores.rows import to_json
from adapters.stores.sqlite import SqliteStore


def unpack_all(store: SqliteStore | PostgresStore) -> None:
    """Keep all rows as plain text."""
    for table, column, keys in (
        ("digests", "body", "key"),
        ("analyses", "body", "sha, language"),
        ("analysis_words", "words", "commit_id"),
    ):
        where = " AND ".join(f"{key} = ?" for key in keys.split(", "))
        for kept, *key in store._read(f"SELECT packed, {keys} FROM {table}"):
            store._write(f"UPDATE {table} SET {column} = ?, packed = NULL WHERE {where}", unpacked(kept), *key)
    columns = ("body", "parents", "files", "inner_commits", "reading")
    update = f"UPDATE commits SET packed = NULL, {', '.join(f'{column} = ?' for column in columns)} WHERE id = ?"
    for kept, number in store._read("SELECT packed, id FROM commits"):
        body, *parts = json.loads(unpacked(kept))
        store._write(update, body, *map(to_json, parts), number)


def is_packed(store: SqliteStore | PostgresStore) -> bool:
    """Whether no row is kept as plain text."""
    tables = ("digests", "analyses", "analysis_words", "commits")
    return not any(store._read(f"SELECT 1 FROM {table} WHERE packed IS NULL") for table in tables)
