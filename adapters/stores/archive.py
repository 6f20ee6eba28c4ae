"""Commits, analyses and digests, and which of them were delivered."""

from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from typing import LiteralString

from adapters.stores.commits import COLUMNS, CommitsPart, repository_number
from adapters.stores.packing import either, packed
from adapters.stores.part import Session
from adapters.stores.rows import (
    LOOKED_UP,
    analysis_words,
    commit_of,
    digest_columns,
    dump,
    dump_checked,
    instant,
    load,
    load_delivered,
    load_digest,
)
from bot.ports import Archive
from bot.values import Analysis, AnalysisKey, Commit, DeliveredCommit, Digest, Grade, Period

BATCH = 5_000
"""Commits stored in one transaction, which takes about 0.3 s, so that other writers do not wait long during a first
run.
"""
_REPO: LiteralString = "(SELECT id FROM repositories WHERE name = ?)"
_ALSO: LiteralString = f"sha IN (SELECT kept FROM aliases WHERE repo = {_REPO} AND sha >= ? AND sha < ?)"  # noqa: S608


class ArchivePart(CommitsPart, Archive):
    """A `bot.ports.Archive` without `search`, which depends on the index."""

    # --- Commits ---

    def keep_commits(self, commits: Iterable[Commit]) -> None:
        """Store commits, replacing known ones.

        Those of one call are stored in the order of their times, so that `search` finds the newest first. Each `BATCH`
        is a transaction.
        """
        ordered = iter(sorted(commits, key=lambda commit: commit.committed))
        while batch := [self._draft(commit) for commit in islice(ordered, BATCH)]:
            self._writing(lambda db, drafts=batch: self._put_commits(db, drafts))  # type: ignore[misc]

    def commits_by_sha(self, repo: str, prefix: str, *, aliases: bool = False) -> tuple[Commit, ...]:
        after = prefix + "g"  # sorts after every hex digit, so the lookup is a range of the index
        found = self._commits(repo, "sha >= ? AND sha < ?", prefix, after)
        return self._commits(repo, _ALSO, repo, prefix, after) if aliases and not found else found

    def commits_by_pull(self, repo: str, number: int) -> tuple[Commit, ...]:
        return self._commits(repo, "pull = ?", number)

    def _commits(self, repo: str, condition: LiteralString, *values: str | int) -> tuple[Commit, ...]:
        return self._read_each(
            "commits",
            lambda *row: commit_of(repo, row),
            f"SELECT {COLUMNS} FROM commits WHERE repo = {_REPO} AND {condition} "  # noqa: S608  # constants
            "ORDER BY committed DESC, id DESC LIMIT ?",
            *(repo, *values, LOOKED_UP),
        )

    # --- Analyses ---

    def analysis(self, key: AnalysisKey) -> Analysis | None:
        found = self._read_each(
            "analyses",
            lambda _, body, kept: load(Analysis, either(body, kept)),
            f"SELECT sha, body, packed FROM analyses WHERE repo = {_REPO} "  # noqa: S608  # a constant
            "AND sha = ? AND prompt = ? AND model = ? AND language = ?",
            *(key.repo, key.sha, key.prompt, key.model, key.language),
        )
        return found[0] if found else None

    def keep_analysis(self, key: AnalysisKey, analysis: Analysis) -> None:
        """Store an analysis; a search finds its commit by the latest analysis in each language."""
        repo, sha, *rest = map(str, self._bound(key.repo, key.sha, key.prompt, key.model, key.language))
        body = packed(dump(analysis))
        words = str(self._bound(analysis_words(analysis))[0])

        def keep(db: Session) -> None:
            number = repository_number(db, repo)
            db.run(
                "INSERT INTO analyses (repo, sha, prompt, model, language, body, packed) VALUES (?, ?, ?, ?, ?, '', ?) "
                "ON CONFLICT (repo, sha, prompt, model, language) DO UPDATE SET body = '', packed = excluded.packed",
                number,
                sha,
                *rest,
                body,
            )
            self._index_analyses(db, {(number, sha): words}, rest[2])

        self._writing(keep)

    # --- Digests ---

    def digest(self, key: str) -> Digest | None:
        return next(iter(self._digests("WHERE key = ?", key).values()), None)

    def keep_digest(self, key: str, digest: Digest, now: datetime) -> None:
        row = self._bound(key, *digest_columns(digest), instant(now), packed(dump_checked(digest)))
        entries = sorted(digest.entries, key=lambda entry: entry.commit.committed)
        drafts = [self._draft(entry.commit) for entry in entries]
        words = [str(self._bound(analysis_words(entry.analysis))[0]) for entry in entries]

        def keep(db: Session) -> None:
            db.run(
                "INSERT INTO digests (key, repo, branch, language, since, until, count, kept, packed, body) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '') ON CONFLICT (key) DO UPDATE SET count = excluded.count, "
                "kept = excluded.kept, packed = excluded.packed, body = '', until = excluded.until",
                *row,
            )
            numbers = self._put_commits(db, drafts)
            said = {(numbers[draft.repo], draft.sha): text for draft, text in zip(drafts, words, strict=True)}
            self._index_analyses(db, said, str(row[3]))

        self._writing(keep)

    def recent_digests(self, repo: str, branch: str, language: str, limit: int) -> tuple[Digest, ...]:
        where: LiteralString = (
            "WHERE repo = ? AND branch = ? AND language = ? ORDER BY until DESC, since DESC, kept DESC LIMIT ?"
        )
        return tuple(self._digests(where, repo, branch, language, max(limit, 0)).values())

    def _digests(self, where: LiteralString, *values: str | int) -> dict[str, Digest]:
        query: LiteralString = f"SELECT key, body, packed FROM digests {where}"  # noqa: S608  # constants
        found = self._read_each("digests", lambda key, *kept: (key, load_digest(either(*kept))), query, *values)
        return dict(found)

    # --- What was delivered ---

    def delivered_to(self, repo: str, sha: str) -> tuple[DeliveredCommit, ...]:
        followed: LiteralString = "subscription = 0 OR EXISTS (SELECT 1 FROM subscriptions WHERE id = subscription)"
        where: LiteralString = f"repo = {_REPO} AND sha = ? ORDER BY at, place"
        query = f"SELECT place, at, grade, {followed} FROM told_commits WHERE {where}"  # noqa: S608  # constants
        return self._read_each("told_commits", load_delivered(sha), query, repo, sha)

    def delivered_grades(self, repo: str, shas: Iterable[str]) -> dict[str, Grade]:
        found = self._read_each(
            "told_commits",
            lambda sha, grade: (sha, load(Grade, grade)),
            f"SELECT sha, grade FROM told_commits WHERE repo = {_REPO} "  # noqa: S608  # a constant
            "AND sha = ANY(?) ORDER BY at DESC, place DESC",
            *(repo, [*shas]),
        )
        return dict(found)  # of several the last one counts: the first reported

    def delivered_digests(self, repo: str, branch: str, language: str, period: Period) -> dict[str, Digest]:
        found = self._digests(
            "WHERE repo = ? AND branch = ? AND language = ? AND until = ? AND since = ? AND told = 1 ORDER BY kept",
            *(repo, branch, language, instant(period.until), instant(period.since)),
        )
        return {key: digest for key, digest in found.items() if digest.period.zone == period.zone}
