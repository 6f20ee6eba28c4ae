"""The tables, as migrations: applied in this order, each once, remembered by name in `_sqlite_migrations`.

Append only: a released migration is never changed or renamed, and a file with an unknown name was written by a later
version. Times are numbers since 1970 in UTC: `commits.committed` in seconds, all others in microseconds. The tables
`told` and `told_commits` contain reported commits: their names are older than the term.
"""

import uuid

from sqlite_utils import Database, Migrations
from sqlite_utils.db import ForeignKey

MIGRATIONS = Migrations("commit-digest")


@MIGRATIONS()
def commits(db: Database) -> None:
    """Repositories and their commits, found by the start of a SHA and by pull request, newest first."""
    db.table("repositories").create({"id": int, "name": str}, pk="id", not_null={"name"}, strict=True)
    db.table("repositories").create_index(["name"], unique=True)
    columns = {"id": int, "repo": int, "sha": str, "subject": str, "body": str, "author": str, "login": str}
    columns |= {"committed": int, "parents": str, "pull": int, "files": str, "inner_commits": str}
    db.table("commits").create(
        columns,
        pk="id",
        not_null=set(columns) - {"id", "login", "pull"},
        foreign_keys=[("repo", "repositories", "id")],
        strict=True,
    )
    db.table("commits").create_index(["repo", "sha"], unique=True)
    db.execute("CREATE INDEX commits_by_pull ON commits (repo, pull, committed) WHERE pull IS NOT NULL")


@MIGRATIONS()
def analyses(db: Database) -> None:
    """Analyses by key. The commit of one need not be stored."""
    columns = {"repo": int, "sha": str, "prompt": str, "model": str, "language": str, "body": str}
    db.table("analyses").create(
        columns,
        pk=("repo", "sha", "prompt", "model", "language"),
        not_null=set(columns),
        foreign_keys=[("repo", "repositories", "id")],
        strict=True,
    )


@MIGRATIONS()
def full_text(db: Database) -> None:
    """The index of `adapters.stores.words`, by the commits' IDs, and its words of analyses.

    Every word of a query is a prefix. Without an index of prefixes FTS5 collects all hits before it returns the first;
    with prefixes of up to six characters this only affects words that are in few commits. The index stores no text
    (`content=''`) and no lengths (`columnsize=0`), which only ranking needs.
    """
    db.execute(
        "CREATE VIRTUAL TABLE words USING fts5(text, content='', columnsize=0, tokenize='ascii', prefix='1 2 3 4 5 6')"
    )
    db.table("analysis_words").create(
        {"commit_id": int, "language": str, "words": str},
        pk=("commit_id", "language"),
        not_null={"words"},
        foreign_keys=[ForeignKey("analysis_words", "commit_id", "commits", "id", on_delete="CASCADE")],
        strict=True,
    )


@MIGRATIONS()
def digests(db: Database) -> None:
    """Digests by key, and by repository, branch, language and period."""
    columns = {"key": str, "repo": str, "branch": str, "language": str, "since": int, "until": int}
    columns |= {"count": int, "kept": int, "body": str}
    db.table("digests").create(columns, pk="key", not_null=set(columns), strict=True)
    db.table("digests").create_index(["repo", "branch", "language", "until", "since"], index_name="digests_by_period")


@MIGRATIONS()
def subscriptions(db: Database) -> None:
    """Subscriptions, their deliveries and those deliveries' messages.

    An ID is never reused (AUTOINCREMENT): a delivery in progress for a deleted subscription must not become another's.
    """
    db.execute(
        "CREATE TABLE subscriptions (id INTEGER PRIMARY KEY AUTOINCREMENT, place TEXT NOT NULL, repo TEXT NOT NULL, "
        "branch TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (place, repo, branch)) STRICT"
    )
    db.table("deliveries").create(
        {"subscription": int, "until": int, "since": int, "finished": int},
        pk=("subscription", "until"),
        not_null={"since", "finished"},
        foreign_keys=[ForeignKey("deliveries", "subscription", "subscriptions", "id", on_delete="CASCADE")],
        strict=True,
    )
    db.execute(
        "CREATE TABLE steps (subscription INTEGER NOT NULL, until INTEGER NOT NULL, position INTEGER NOT NULL, "
        "key TEXT NOT NULL, state TEXT NOT NULL, thread TEXT, PRIMARY KEY (subscription, until, position), "
        "FOREIGN KEY (subscription, until) REFERENCES deliveries (subscription, until) ON DELETE CASCADE) STRICT"
    )


@MIGRATIONS()
def usage(db: Database) -> None:
    """The usage of requests, one row each."""
    columns = {"at": int, "model": str, "purpose": str, "prompt": int, "completion": int, "requests": int}
    db.table("usage").create(columns, not_null=set(columns), strict=True)
    db.table("usage").create_index(["at"])


@MIGRATIONS()
def claims(db: Database) -> None:
    """Leases."""
    columns = {"key": str, "holder": str, "until": int}
    db.table("claims").create(columns, pk="key", not_null=set(columns), strict=True)


@MIGRATIONS()
def checks(db: Database) -> None:
    """How many statements an answer made, and how many were dropped, in addition to what it used."""
    db.table("usage").add_column("stated", int, not_null_default=0)
    db.table("usage").add_column("dropped", int, not_null_default=0)


@MIGRATIONS()
def places(db: Database) -> None:
    """A place is found by its chat, channel and thread, whatever else later versions store in it."""
    parts = ", ".join(f"json_extract(place, '$.{name}')" for name in ("chat", "channel", "thread"))
    db.execute(f"UPDATE subscriptions SET place = json_array({parts})")  # noqa: S608


@MIGRATIONS()
def expired_claims(db: Database) -> None:
    """An index to find and delete expired leases."""
    db.table("claims").create_index(["until"])


@MIGRATIONS()
def ledger(db: Database) -> None:
    """Deliveries with an ID and all their data, and the commits that were reported to each subscription.

    Earlier versions delivered nothing, so nothing is lost. A subscription starts when it was created.
    """
    db.table("steps").drop()
    db.table("deliveries").drop()
    db.execute(
        "CREATE TABLE deliveries (id INTEGER PRIMARY KEY AUTOINCREMENT, subscription INTEGER NOT NULL "
        "REFERENCES subscriptions (id) ON DELETE CASCADE, until INTEGER NOT NULL, state TEXT NOT NULL, "
        "attempts INTEGER NOT NULL, retry INTEGER NOT NULL, body TEXT NOT NULL, UNIQUE (subscription, until)) STRICT"
    )
    db.execute("CREATE INDEX deliveries_due ON deliveries (retry) WHERE state = 'due'")
    db.execute("CREATE INDEX deliveries_by_state ON deliveries (state, id)")
    db.execute(
        "CREATE TABLE told (subscription INTEGER NOT NULL REFERENCES subscriptions (id) ON DELETE CASCADE, "
        "sha TEXT NOT NULL, delivery INTEGER NOT NULL, committed INTEGER NOT NULL, PRIMARY KEY (subscription, sha)) "
        "STRICT, WITHOUT ROWID"
    )
    db.execute("UPDATE subscriptions SET body = json_set(body, '$.created', strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))")


@MIGRATIONS()
def readings(db: Database) -> None:
    """The reading of a commit; null for commits stored before readings were."""
    db.execute("ALTER TABLE commits ADD COLUMN reading TEXT")


@MIGRATIONS()
def told_commits(db: Database) -> None:
    """Which commits were reported, with which grade, where and when: permanently, whatever else is deleted.

    `told` has what must not be reported to a subscription again, and is deleted after a while. Posted digests are
    marked.
    """
    db.execute(
        "CREATE TABLE told_commits (repo INTEGER NOT NULL REFERENCES repositories (id), sha TEXT NOT NULL, "
        "place TEXT NOT NULL, at INTEGER NOT NULL, grade TEXT NOT NULL, PRIMARY KEY (repo, sha, place)) "
        "STRICT, WITHOUT ROWID"
    )
    db.execute("ALTER TABLE digests ADD COLUMN told INTEGER NOT NULL DEFAULT 0")
    db.execute(_TOLD_BEFORE)
    db.execute(
        "UPDATE digests SET told = 1 WHERE key IN (SELECT json_extract(d.body, '$.digest') FROM deliveries d, "
        "json_each(d.body, '$.steps') s WHERE json_extract(s.value, '$.state') = 'done')"
    )


_TOLD_BEFORE = """
    INSERT OR IGNORE INTO told_commits
    SELECT r.id, json_extract(e.value, '$.commit.sha'),
        json_set(json_extract(f.body, '$.place'), '$.thread', json_extract(d.body, s.fullkey || '.thread')),
        strftime('%s', json_extract(s.value, '$.begun')) * 1000000, json_extract(e.value, '$.grade')
    FROM deliveries d JOIN subscriptions f ON f.id = d.subscription
        JOIN digests g ON g.key = json_extract(d.body, '$.digest')
        JOIN repositories r ON r.name = json_extract(g.body, '$.repository.name'),
        json_each(d.body, '$.steps') s, json_each(g.body, '$.entries') e
    WHERE json_extract(s.value, '$.state') = 'done'
    ORDER BY d.id, s.key
"""
"""What earlier versions reported: a headline is the first step of a delivery that is done."""


@MIGRATIONS()
def cached_tokens(db: Database) -> None:
    """The cached tokens of a prompt; 0 for requests before that was stored."""
    db.table("usage").add_column("cached", int, not_null_default=0)


@MIGRATIONS()
def memory(db: Database) -> None:
    """One row: the database's name, how many times its ledger was written, and whether it was restored.

    A copy has the same name. `unsettled` contains the places where it is unknown what was posted last.
    """
    db.execute("CREATE TABLE memory (name TEXT NOT NULL, count INTEGER NOT NULL, restored INTEGER NOT NULL) STRICT")
    db.execute("INSERT INTO memory VALUES (?, 0, 0)", (uuid.uuid4().hex,))
    db.execute("CREATE TABLE unsettled (place TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID")


@MIGRATIONS()
def learned(db: Database) -> None:
    """What was learned about a service by calling it; it can be learned again."""
    db.execute("CREATE TABLE learned (about TEXT PRIMARY KEY, what TEXT NOT NULL, at INTEGER NOT NULL) STRICT")


@MIGRATIONS()
def accounts(db: Database) -> None:
    """The account of each request, and the tokens reserved for one in progress.

    The person's column is called `asker`: rows with a `person` are deleted when a person is, and these must still
    count. Usage of earlier versions counts as that of scheduled digests.
    """
    for name in ("chat", "channel", "asker", "reservation"):
        db.table("usage").add_column(name, str, not_null_default="")
    db.table("usage").add_column("reserved", int, not_null_default=0)
    db.execute("CREATE INDEX usage_of_channels ON usage (at) WHERE channel != ''")
    db.execute("CREATE UNIQUE INDEX usage_reserved ON usage (reservation) WHERE reservation != ''")


@MIGRATIONS()
def due_moments(db: Database) -> None:
    """When each subscription is to be checked, see `adapters.stores.due`; existing ones at once."""
    for name in ("due", "looked"):
        db.table("subscriptions").add_column(name, int, not_null_default=0)
        db.table("subscriptions").create_index([name])
    db.table("deliveries").create_index(["subscription", "id"], index_name="deliveries_latest")


@MIGRATIONS()
def packed(db: Database) -> None:
    """Long texts are packed, see `adapters.stores.packing`; an index finds those that are not yet."""
    for table, key in (("commits", "id"), ("analyses", "repo"), ("analysis_words", "commit_id"), ("digests", "key")):
        db.table(table).add_column("packed", bytes)
        db.execute(f"CREATE INDEX {table}_plain ON {table} ({key}) WHERE packed IS NULL")


@MIGRATIONS()
def aftermath(db: Database) -> None:
    """Links between commits, by both ends; follow-ups in channels; and muted threads.

    A channel gets them through a subscription, and they are deleted with it.
    """
    db.execute(
        "CREATE TABLE links (repo INTEGER NOT NULL REFERENCES repositories (id), sha TEXT NOT NULL, "
        "later TEXT NOT NULL, certain INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (repo, sha, later)) "
        "STRICT, WITHOUT ROWID"
    )
    db.execute("CREATE INDEX links_by_later ON links (repo, later)")
    db.execute(
        "CREATE TABLE follow_ups (place TEXT NOT NULL, sha TEXT NOT NULL, later TEXT NOT NULL, at INTEGER NOT NULL, "
        "subscription INTEGER NOT NULL REFERENCES subscriptions (id) ON DELETE CASCADE, delivery INTEGER NOT NULL, "
        "PRIMARY KEY (place, sha, later)) STRICT, WITHOUT ROWID"
    )
    db.execute("CREATE INDEX follow_ups_by_time ON follow_ups (at)")
    db.execute("CREATE INDEX follow_ups_by_subscription ON follow_ups (subscription)")
    db.execute("CREATE TABLE muted (place TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID")


@MIGRATIONS()
def turns(db: Database) -> None:
    """Questions and answers in threads, as far as later questions there can refer to them."""
    db.execute(
        "CREATE TABLE turns (place TEXT NOT NULL, at INTEGER NOT NULL, person TEXT NOT NULL, repo TEXT NOT NULL, "
        "body TEXT NOT NULL, PRIMARY KEY (place, at)) STRICT, WITHOUT ROWID"
    )
    db.execute("CREATE INDEX turns_by_time ON turns (at)")


@MIGRATIONS()
def aliases(db: Database) -> None:
    """Aliases: under which SHA a commit is stored that a merge brought, or whose SHA a rewrite of its branch changed.

    Commits that an earlier version stored have none.
    """
    db.execute(
        "CREATE TABLE aliases (repo INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE, "
        "sha TEXT NOT NULL, kept TEXT NOT NULL, PRIMARY KEY (repo, sha, kept)) STRICT, WITHOUT ROWID"
    )


@MIGRATIONS()
def told_by(db: Database) -> None:
    """The subscription that a commit was reported to; 0 if by an earlier version."""
    db.execute("ALTER TABLE told_commits ADD COLUMN subscription INTEGER NOT NULL DEFAULT 0")
