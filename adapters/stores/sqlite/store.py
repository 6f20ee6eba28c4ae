"""`SqliteStore`: what must be remembered, in one SQLite file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from sqlite_utils import Database

from adapters.stores.sqlite.file import SqliteFile
from adapters.stores.sqlite.rows import (
    COMMIT_COLUMNS,
    Row,
    analysis_words,
    bound,
    commit_of,
    commit_row,
    commit_words,
    dump,
    instant,
    load,
    load_digest,
    moment,
    to_json,
)
from adapters.stores.sqlite.schema import TABLES
from adapters.stores.sqlite.words import query, repository_token
from bot.errors import LeaseLost, NotFound
from bot.settings import Settings
from bot.values import (
    Analysis,
    AnalysisKey,
    Commit,
    DeliveredCommit,
    Delivery,
    DeliveryState,
    Digest,
    Grade,
    Period,
    Place,
    Spending,
    StepState,
    Subscription,
    Usage,
)

BATCH = 5_000
"""Commits kept in one transaction. It lasts some 0.3 s, so that no other writer waits long during a first run."""

DELIVERIES = 100
"""Deliveries of a subscription that are kept: three months of mornings, of some two kilobytes each."""

LOOKED_UP = 10
"""Most commits that a look-up by SHA or pull request returns (`bot.ports.Store`)."""

_REPO = "(SELECT id FROM repositories WHERE name = ?)"
_SELECT = f"SELECT {COMMIT_COLUMNS} FROM commits WHERE repo = {_REPO}"  # noqa: S608  # constants
_BY_SHA = f"SELECT id, {COMMIT_COLUMNS} FROM commits WHERE repo = ? AND sha = ?"  # noqa: S608


class SqliteStore:
    """A `bot.ports.Store` on one SQLite file. Safe for several threads and several processes.

    Every method raises StoreError where the file cannot be used and Unavailable where another process keeps it locked
    for longer than the busy timeout. What SQLite cannot hold is kept as near as it can: see
    `adapters.stores.sqlite.rows`.
    """

    def __init__(self, path: Path, busy_timeout: float = 10) -> None:
        """Open the file at `path`, created where missing; `busy_timeout` is in seconds. Raises as every method does."""
        self._file = SqliteFile(path, busy_timeout)

    # --- Commits ---

    def keep_commits(self, commits: Iterable[Commit]) -> None:
        """Keep commits; one that is known already is replaced.

        Those of one call count as kept in the order of their time, so that `search` finds the newest first. Each
        `BATCH` is a transaction of its own.
        """
        ordered = iter(sorted(commits, key=lambda commit: commit.committed))
        while batch := [_Draft.of(commit) for commit in islice(ordered, BATCH)]:
            with self._file.writing() as db:
                _put_commits(db, batch)

    def commits_by_sha(self, repo: str, prefix: str) -> tuple[Commit, ...]:
        """Known commits of `repo` whose SHA starts with `prefix` (lower-case hex), newest first, at most 10."""
        after = prefix + "g"  # sorts behind every hex digit, so the look-up is a range of the index
        return self._commits(repo, "sha >= ? AND sha < ?", prefix, after)

    def commits_by_pull(self, repo: str, number: int) -> tuple[Commit, ...]:
        """Known commits of `repo` that belong to pull request `number`, newest first, at most 10."""
        return self._commits(repo, "pull = ?", number)

    def search(self, words: str, repos: Sequence[str], limit: int) -> tuple[Commit, ...]:
        """Commits of `repos` whose message, paths' names or analyses hold all `words`, newest kept first.

        A word matches at the start of a word, Chinese wherever it stands, from one character on. A word with
        punctuation in it, such as `http.cancel`, matches where its parts follow each other. Any text is a valid query;
        of a very long one only the start counts (`adapters.stores.sqlite.words.LONGEST_QUERY`).
        """
        with self._file.reading() as db:
            match = query(words, _numbers(db, repos))
            if not match or limit < 1:
                return ()
            found = db.execute(
                f"SELECT (SELECT name FROM repositories WHERE id = repo), {COMMIT_COLUMNS} FROM commits "  # noqa: S608
                "WHERE id IN (SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid DESC LIMIT ?) "
                "ORDER BY id DESC",
                bound(match, limit),
            )
            return tuple(commit_of(repo, row) for repo, *row in found)

    def _commits(self, repo: str, condition: str, *values: str | int) -> tuple[Commit, ...]:
        with self._file.reading() as db:
            found = db.execute(
                f"{_SELECT} AND {condition} ORDER BY committed DESC, id DESC LIMIT {LOOKED_UP}", bound(repo, *values)
            )
            return tuple(commit_of(repo, row) for row in found)

    # --- Analyses and digests ---

    def analysis(self, key: AnalysisKey) -> Analysis | None:
        """The kept analysis, or None."""
        with self._file.reading() as db:
            row = db.execute(
                f"SELECT body FROM analyses WHERE repo = {_REPO} "  # noqa: S608
                "AND sha = ? AND prompt = ? AND model = ? AND language = ?",
                bound(key.repo, key.sha, key.prompt, key.model, key.language),
            ).fetchone()
            return load(Analysis, row[0]) if row else None

    def keep_analysis(self, key: AnalysisKey, analysis: Analysis) -> None:
        """Keep an analysis of a kept commit; an earlier one under the same key is replaced.

        A search finds the commit by the analysis kept last in each language. An analysis of a commit that is not kept
        is kept, but not found by a search.
        """
        body, words = dump(analysis), analysis_words(analysis)
        with self._file.writing() as db:
            repo = _repository(db, key.repo)
            db.execute(
                "INSERT INTO analyses (repo, sha, prompt, model, language, body) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET body = excluded.body",
                bound(repo, key.sha, key.prompt, key.model, key.language, body),
            )
            _index_analysis(db, repo, key.sha, key.language, words)

    def digest(self, key: str) -> Digest | None:
        """The digest kept under `key`, or None."""
        with self._file.reading() as db:
            row = db.execute("SELECT body FROM digests WHERE key = ?", bound(key)).fetchone()
            return load_digest(row[0]) if row else None

    def keep_digest(self, key: str, digest: Digest, now: datetime) -> None:
        """Keep a digest, its commits and its analyses' texts for search, in one transaction."""
        row = bound(key, *_digest_columns(digest), instant(now), dump(digest))
        entries = sorted(digest.entries, key=lambda entry: entry.commit.committed)
        drafts = [_Draft.of(entry.commit) for entry in entries]
        words = [analysis_words(entry.analysis) for entry in entries]
        with self._file.writing() as db:
            db.execute(
                "INSERT INTO digests (key, repo, branch, language, since, until, count, kept, body) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
                "count = excluded.count, kept = excluded.kept, body = excluded.body, until = excluded.until",
                row,
            )
            repositories = _put_commits(db, drafts)
            for draft, text in zip(drafts, words, strict=True):
                _index_analysis(db, repositories[draft.repo], draft.sha, digest.language, text)

    def recent_digests(self, repo: str, branch: str, language: str, limit: int) -> tuple[Digest, ...]:
        """Kept digests of `repo` and `branch` in `language`, the latest period first."""
        with self._file.reading() as db:
            found = db.execute(
                "SELECT body FROM digests WHERE repo = ? AND branch = ? AND language = ? "
                "ORDER BY until DESC, since DESC LIMIT ?",
                bound(repo, branch, language, max(limit, 0)),
            )
            return tuple(load_digest(body) for (body,) in found)

    # --- Subscriptions and deliveries ---

    def subscribe(self, subscription: Subscription) -> Subscription:
        """Keep a subscription and return it with its id; one for the same place, repo and branch is replaced."""
        with self._file.writing() as db:
            row = db.execute(
                "INSERT INTO subscriptions (place, repo, branch, body) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (place, repo, branch) DO UPDATE SET body = excluded.body RETURNING id",
                bound(_place_key(subscription.place), subscription.repo, subscription.branch, dump(subscription)),
            ).fetchone()
        return replace(subscription, id=row[0])

    def unsubscribe(self, subscription: int) -> None:
        """Remove a subscription and its deliveries. One that is not there is no error."""
        with self._file.writing() as db:
            db.execute("DELETE FROM subscriptions WHERE id = ?", bound(subscription))

    def pause(self, subscription: int, reason: str) -> None:
        """Let a subscription rest for a reason, or with none go on. One that is not there is no error."""
        with self._file.writing() as db:
            db.execute(
                "UPDATE subscriptions SET body = json_set(body, '$.paused', ?) WHERE id = ?",
                bound(reason, subscription),
            )

    def subscriptions(self, place: Place | None = None) -> tuple[Subscription, ...]:
        """All subscriptions by id, or those of one channel or thread."""
        where, values = ("WHERE place = ?", bound(_place_key(place))) if place else ("", ())
        with self._file.reading() as db:
            found = db.execute(f"SELECT id, body FROM subscriptions {where} ORDER BY id", values)  # noqa: S608
            return tuple(replace(load(Subscription, body), id=number) for number, body in found)

    def plan(self, delivery: Delivery, last: int) -> Delivery | None:
        """Keep a new delivery and return it with its id, where the subscription's latest one is still number `last`.

        `last` is 0 where there was none. None where another process was first, or the subscription is gone. Of settled
        ones the latest `DELIVERIES` of a subscription are kept.
        """
        with self._file.writing() as db:
            number = bound(delivery.subscription)
            if not db.execute("SELECT 1 FROM subscriptions WHERE id = ?", number).fetchone():
                return None
            latest = "SELECT id, state FROM deliveries WHERE subscription = ? ORDER BY id DESC LIMIT 1"
            kept = db.execute(latest, number).fetchone() or (0, "")
            if kept[0] != last or kept[1] == DeliveryState.DUE:
                return None
            row = db.execute(
                "INSERT INTO deliveries (subscription, until, state, attempts, retry, body) VALUES (?, ?, ?, ?, ?, ?) "
                "RETURNING id",
                bound(delivery.subscription, instant(delivery.until), *_delivery_columns(delivery)),
            ).fetchone()
            db.execute(
                "DELETE FROM deliveries WHERE subscription = ? AND state != 'due' AND id <= "
                "(SELECT id FROM deliveries WHERE subscription = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
                bound(delivery.subscription, delivery.subscription, DELIVERIES),
            )
        return replace(delivery, id=row[0])

    def keep_delivery(self, delivery: Delivery) -> None:
        """Keep how far a delivery got; the earlier state is replaced. What is given up unposted has told nothing.

        Raises NotFound where it was removed with its subscription: nothing more is to be posted for it. Raises
        Overtaken where it was tried more often since, or is settled.
        """
        with self._file.writing() as db:
            _keep_delivery(db, delivery)

    def retry_soon(self, subscription: int, retry: datetime, deadline: datetime) -> None:
        """Let what is due of a subscription be tried at `retry`, and not be given up before `deadline`."""
        with self._file.writing() as db:
            found = db.execute(
                "SELECT id, body FROM deliveries WHERE subscription = ? AND state = 'due'", bound(subscription)
            ).fetchall()
            for number, body in found:
                kept = replace(load(Delivery, body), id=number)
                _put_delivery(db, replace(kept, retry=retry, deadline=max(kept.deadline, deadline)))

    def reopen(self, delivery: Delivery) -> bool:
        """Keep a settled delivery as due again; whether it is still the one that was given up.

        One of which nothing was posted must still be the latest: else a later one tells its commits.
        """
        with self._file.writing() as db:
            kept = db.execute("SELECT state, attempts FROM deliveries WHERE id = ?", bound(delivery.id)).fetchone()
            if not kept or kept[0] != DeliveryState.FAILED or kept[1] >= delivery.attempts:
                return False
            later = "SELECT 1 FROM deliveries WHERE subscription = ? AND id > ?"
            if not delivery.sent and db.execute(later, bound(delivery.subscription, delivery.id)).fetchone():
                return False
            _put_delivery(db, delivery)
            return True

    def delivery(self, number: int) -> Delivery:
        """The delivery of that number. Raises NotFound."""
        found = self._deliveries("WHERE id = ?", number)
        if not found:
            raise NotFound("delivery_unknown", id=number)
        return found[0]

    def deliveries(
        self, subscription: int | None = None, state: DeliveryState | None = None, limit: int = 1_000
    ) -> tuple[Delivery, ...]:
        """Deliveries, the latest first: of all subscriptions or one, in any state or one, at most `limit`."""
        wanted: list[tuple[str, str | int]] = []
        wanted += [("subscription = ?", subscription)] if subscription is not None else []
        wanted += [("state = ?", state)] if state is not None else []
        where = f"WHERE {' AND '.join(condition for condition, _ in wanted)}" if wanted else ""
        return self._deliveries(f"{where} ORDER BY id DESC LIMIT ?", *(value for _, value in wanted), max(limit, 0))

    def latest_deliveries(self) -> tuple[Delivery, ...]:
        """The latest delivery of each subscription that has any."""
        return self._deliveries("WHERE id IN (SELECT max(id) FROM deliveries GROUP BY subscription)")

    def due_deliveries(self, now: datetime) -> tuple[Delivery, ...]:
        """The deliveries that are due and to be tried now, the one that waits the longest first."""
        return self._deliveries("WHERE state = 'due' AND retry <= ? ORDER BY retry, id", instant(now))

    def _deliveries(self, rest: str, *values: str | int) -> tuple[Delivery, ...]:
        with self._file.reading() as db:
            found = db.execute(f"SELECT id, body FROM deliveries {rest}", bound(*values))  # noqa: S608  # constants
            return tuple(replace(load(Delivery, body), id=number) for number, body in found)

    def delivery_states(self) -> dict[DeliveryState, int]:
        """How many deliveries are in each state."""
        with self._file.reading() as db:
            counted = dict(db.execute("SELECT state, count(*) FROM deliveries GROUP BY state").fetchall())
        return {state: counted.get(state, 0) for state in DeliveryState}

    def delivered_shas(self, subscription: int, but: int) -> frozenset[str]:
        """SHAs of commits that a subscription was told of by deliveries but one, or that lay before its first."""
        with self._file.reading() as db:
            found = db.execute(
                "SELECT sha FROM told WHERE subscription = ? AND delivery != ?", bound(subscription, but)
            )
            return frozenset(sha for (sha,) in found)

    def mark_delivered(self, delivery: Delivery, landed: Iterable[Commit], since: datetime) -> None:
        """Keep a delivery, and that its subscription is told of `landed` by it; older ones than `since` are forgotten.

        Raises as `keep_delivery` does.
        """
        rows = [bound(delivery.subscription, c.sha, delivery.id, instant(c.committed)) for c in landed]
        with self._file.writing() as db:
            _keep_delivery(db, delivery)
            db.execute(
                "DELETE FROM told WHERE subscription = ? AND committed < ?",
                bound(delivery.subscription, instant(since)),
            )
            db.conn.executemany("INSERT INTO told VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", rows)

    def delivered_to(self, repo: str, sha: str) -> tuple[DeliveredCommit, ...]:
        """Where a commit was told of, the first place first; it outlives digests, deliveries and subscriptions."""
        with self._file.reading() as db:
            found = db.execute(
                f"SELECT place, at, grade FROM told_commits WHERE repo = {_REPO} AND sha = ? ORDER BY at, place",  # noqa: S608
                bound(repo, sha),
            )
            return tuple(
                DeliveredCommit(sha, load(Grade, grade), load(Place, place), moment(at)) for place, at, grade in found
            )

    def delivered_grades(self, repo: str, shas: Iterable[str]) -> dict[str, Grade]:
        """By SHA the grade with which each commit was told of first, of those that were told of at all."""
        with self._file.reading() as db:
            query = f"SELECT grade FROM told_commits WHERE repo = {_REPO} AND sha = ? ORDER BY at, place LIMIT 1"  # noqa: S608
            found = ((sha, db.execute(query, bound(repo, sha)).fetchone()) for sha in shas)
            return {sha: load(Grade, row[0]) for sha, row in found if row}

    def delivered_digests(self, repo: str, branch: str, language: str, period: Period) -> dict[str, Digest]:
        """By key the digests of a period, in its zone, that were posted, whichever version made them."""
        with self._file.reading() as db:
            found = db.execute(
                "SELECT key, body FROM digests WHERE repo = ? AND branch = ? AND language = ? AND until = ? "
                "AND since = ? AND told = 1 ORDER BY kept",
                bound(repo, branch, language, instant(period.until), instant(period.since)),
            )
            made = {key: load_digest(body) for key, body in found}
        return {key: digest for key, digest in made.items() if digest.period.zone == period.zone}

    # --- Usage and leases ---

    def add_usage(self, usage: Usage, purpose: str, now: datetime) -> None:
        """Add what a request took."""
        with self._file.writing() as db:
            db.execute(
                "INSERT INTO usage (at, model, purpose, prompt, completion, requests) VALUES (?, ?, ?, ?, ?, ?)",
                bound(instant(now), usage.model, purpose, usage.prompt, usage.completion, usage.requests),
            )

    def add_checks(self, model: str, purpose: str, stated: int, dropped: int, now: datetime) -> None:
        """Add how many statements an answer made, and how many of them were dropped."""
        with self._file.writing() as db:
            db.execute(
                "INSERT INTO usage (at, model, purpose, prompt, completion, requests, stated, dropped) "
                "VALUES (?, ?, ?, 0, 0, 0, ?, ?)",
                bound(instant(now), model, purpose, stated, dropped),
            )

    def usage(self, since: datetime, until: datetime) -> tuple[Spending, ...]:
        """Sums per model and purpose for `since <= at < until`, in that order."""
        with self._file.reading() as db:
            found = db.execute(
                "SELECT model, purpose, sum(prompt), sum(completion), sum(requests), sum(stated), sum(dropped) "
                "FROM usage WHERE at >= ? AND at < ? GROUP BY model, purpose ORDER BY model, purpose",
                bound(instant(since), instant(until)),
            )
            return tuple(Spending(*row) for row in found)

    def claim(self, key: str, holder: str, now: datetime, until: datetime) -> bool:
        """Take the lease on `key` until `until`, or prolong one's own; False while another holder's is unexpired."""
        with self._file.writing() as db:
            db.execute("DELETE FROM claims WHERE until <= ?", bound(instant(now)))
            taken = db.execute(
                "INSERT INTO claims (key, holder, until) VALUES (?, ?, ?) "
                "ON CONFLICT (key) DO UPDATE SET holder = excluded.holder, until = excluded.until "
                "WHERE holder = excluded.holder RETURNING key",
                bound(key, holder, instant(until)),
            ).fetchone()
        return taken is not None

    def renew(self, keys: Iterable[str], holder: str, now: datetime, until: datetime) -> None:
        """Prolong those leases of a holder that have not run out."""
        rows = [bound(instant(until), key, holder, instant(now)) for key in keys]
        with self._file.writing() as db:
            db.conn.executemany("UPDATE claims SET until = ? WHERE key = ? AND holder = ? AND until > ?", rows)

    def release_all(self, holder: str) -> None:
        """Give every lease of a holder back."""
        with self._file.writing() as db:
            db.execute("DELETE FROM claims WHERE holder = ?", bound(holder))

    def release(self, key: str, holder: str) -> None:
        """Give a lease back; another holder's stays."""
        with self._file.writing() as db:
            db.execute("DELETE FROM claims WHERE key = ? AND holder = ?", bound(key, holder))

    # --- The store itself ---

    def counts(self) -> dict[str, int]:
        """Rows of each table, and `bytes`, the size of the database with its write-ahead log."""
        with self._file.reading() as db:
            return {name: db.table(name).count for name in TABLES} | {"bytes": self._file.size()}

    def close(self) -> None:
        """Let go of every connection; any later call raises StoreError."""
        self._file.close()


def from_settings(settings: Settings) -> SqliteStore:
    """The store at `digest_database`. Raises StoreError, Unavailable."""
    return SqliteStore(settings.digest_database)


# --- Within a transaction --------------------------------------------------------------------


class _Draft(NamedTuple):
    """A commit with everything about it that can be worked out before a transaction begins."""

    repo: str
    sha: str
    row: Row
    words: str

    @classmethod
    def of(cls, commit: Commit) -> _Draft:
        row = commit_row(commit)
        return cls(str(bound(commit.repo)[0]), str(row[0]), row, commit_words(commit))


def _put_commits(db: Database, drafts: Sequence[_Draft]) -> dict[str, int]:
    """Insert or replace commits and their words, in order; the numbers of their repositories by name."""
    repositories = {name: _repository(db, name) for name in {draft.repo for draft in drafts}}
    latest = {(repositories[draft.repo], draft.sha): draft for draft in drafts}
    new = []
    for (repo, sha), draft in latest.items():
        kept = _kept(db, repo, sha)
        if kept is None:
            new.append((repo, draft))
        elif kept.row != draft.row:
            _replace_commit(db, repo, kept, draft)
    _insert_commits(db, new)
    return repositories


def _insert_commits(db: Database, drafts: Sequence[tuple[int, _Draft]]) -> None:
    first = db.execute("SELECT coalesce(max(id), 0) + 1 FROM commits").fetchone()[0]
    db.conn.executemany(
        f"INSERT INTO commits (id, repo, {COMMIT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        ((number, repo, *draft.row) for number, (repo, draft) in enumerate(drafts, first)),
    )
    db.conn.executemany(
        "INSERT INTO words (rowid, text) VALUES (?, ?)",
        (bound(number, _document(repo, draft.words)) for number, (repo, draft) in enumerate(drafts, first)),
    )


def _replace_commit(db: Database, repo: int, old: _Kept, draft: _Draft) -> None:
    columns = ", ".join(f"{name} = ?" for name in COMMIT_COLUMNS.split(", "))
    db.execute(f"UPDATE commits SET {columns} WHERE id = ?", (*draft.row, old.id))  # noqa: S608
    said = _said(db, old.id).values()
    _reindex(db, old.id, _document(repo, old.words, *said), _document(repo, draft.words, *said))


def _index_analysis(db: Database, repo: int, sha: str, language: str, words: str) -> None:
    """Let a commit be found by `words`, instead of what was said of it in `language` so far."""
    kept = _kept(db, repo, sha)
    if kept is None:
        return
    said = _said(db, kept.id)
    now = said | {language: words}
    if now == said:
        return
    db.execute(
        "INSERT OR REPLACE INTO analysis_words (commit_id, language, words) VALUES (?, ?, ?)",
        bound(kept.id, language, words),
    )
    _reindex(db, kept.id, _document(repo, kept.words, *said.values()), _document(repo, kept.words, *now.values()))


def _reindex(db: Database, number: int, old: str, new: str) -> None:
    """Replace a document. An index without content is told what to forget (https://sqlite.org/fts5.html, "delete")."""
    if old == new:
        return
    db.execute("INSERT INTO words (words, rowid, text) VALUES ('delete', ?, ?)", bound(number, old))
    db.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", bound(number, new))


def _document(repo: int, *words: str) -> str:
    return " ".join([repository_token(repo), *words])


class _Kept(NamedTuple):
    """A commit as it is kept."""

    id: int
    row: Row

    @property
    def words(self) -> str:
        return commit_words(commit_of("", self.row))


def _kept(db: Database, repo: int, sha: str) -> _Kept | None:
    row = db.execute(_BY_SHA, bound(repo, sha)).fetchone()
    return _Kept(row[0], row[1:]) if row else None


def _said(db: Database, number: int) -> dict[str, str]:
    """What the index holds of a commit's analyses, by language."""
    return dict(db.execute("SELECT language, words FROM analysis_words WHERE commit_id = ?", (number,)).fetchall())


def _repository(db: Database, name: str) -> int:
    """The number of a repository; a new one gets one."""
    db.execute("INSERT INTO repositories (name) VALUES (?) ON CONFLICT DO NOTHING", bound(name))
    return _numbers(db, [name])[0]


def _numbers(db: Database, names: Iterable[str]) -> list[int]:
    """The numbers of those repositories that are known."""
    found = [db.execute("SELECT id FROM repositories WHERE name = ?", bound(name)).fetchone() for name in names]
    return [row[0] for row in found if row]


# --- Rows ------------------------------------------------------------------------------------


def _place_key(place: Place) -> str:
    """What a place is found by; migration `places` writes the same."""
    return to_json((place.chat, place.channel, place.thread))


def _digest_columns(digest: Digest) -> tuple[str, str, str, int, int, int]:
    period = digest.period
    since, until = instant(period.since), instant(period.until)
    return digest.repository.name, digest.branch, digest.language, since, until, len(digest.entries)


def _delivery_columns(delivery: Delivery) -> tuple[str, int, int, str]:
    return delivery.state, delivery.attempts, instant(delivery.retry), dump(delivery)


def _keep_delivery(db: Database, delivery: Delivery) -> None:
    kept = db.execute("SELECT state, attempts FROM deliveries WHERE id = ?", bound(delivery.id)).fetchone()
    if not kept:
        raise NotFound("delivery_unknown", id=delivery.id)
    if kept[1] > delivery.attempts or kept[0] != DeliveryState.DUE:
        raise LeaseLost("delivery_overtaken", id=delivery.id)
    _put_delivery(db, delivery)
    _remember_told(db, delivery)
    if delivery.state is DeliveryState.FAILED and not delivery.sent:
        db.execute("DELETE FROM told WHERE delivery = ?", bound(delivery.id))


def _remember_told(db: Database, delivery: Delivery) -> None:
    """Remember what a delivery told of, in the moment in which its headline is posted: its first step that is done."""
    done = [step for step in delivery.steps if step.state is StepState.DONE]
    if len(done) != 1 or not delivery.digest:
        return
    row = db.execute("SELECT body FROM digests WHERE key = ?", bound(delivery.digest)).fetchone()
    followed = db.execute("SELECT body FROM subscriptions WHERE id = ?", bound(delivery.subscription)).fetchone()
    if not row or not followed:
        return
    digest, place = load_digest(row[0]), load(Subscription, followed[0]).place
    repo, where, at = (
        _repository(db, digest.repository.name),
        dump(replace(place, thread=done[0].thread)),
        done[0].begun,
    )
    rows = (bound(repo, e.commit.sha, where, instant(at), dump(e.grade)) for e in digest.entries)
    db.conn.executemany("INSERT INTO told_commits VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", rows)
    db.execute("UPDATE digests SET told = 1 WHERE key = ?", bound(delivery.digest))


def _put_delivery(db: Database, delivery: Delivery) -> None:
    db.execute(
        "UPDATE deliveries SET state = ?, attempts = ?, retry = ?, body = ? WHERE id = ?",
        bound(*_delivery_columns(delivery), delivery.id),
    )
