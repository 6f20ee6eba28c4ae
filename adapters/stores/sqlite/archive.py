"""Commits, analyses and digests that were read or made, and which of them were delivered."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice

from adapters.stores.rows import (
    COMMIT_COLUMNS,
    LOOKED_UP,
    analysis_words,
    bound,
    commit_of,
    digest_columns,
    dump,
    dump_checked,
    instant,
    load,
    load_digest,
    load_told,
    to_json,
)
from adapters.stores.sqlite.commits import Draft, index_analysis, put_commits, repository_number
from adapters.stores.sqlite.file import Part
from adapters.stores.sqlite.query import query
from bot.ports import Archive
from bot.values import Analysis, AnalysisKey, Commit, DeliveredCommit, Digest, Grade, Period

BATCH = 5_000
"""Commits kept in one transaction. It lasts some 0.3 s, so that no other writer waits long during a first run."""

_REPO = "(SELECT id FROM repositories WHERE name = ?)"


class SqliteArchive(Part, Archive):
    """A `bot.ports.Archive`."""

    # --- Commits ---

    def keep_commits(self, commits: Iterable[Commit]) -> None:
        """Keep commits; one that is known already is replaced.

        Those of one call count as kept in the order of their time, so that `search` finds the newest first. Each
        `BATCH` is a transaction of its own.
        """
        ordered = iter(sorted(commits, key=lambda commit: commit.committed))
        while batch := [Draft.of(commit) for commit in islice(ordered, BATCH)]:
            with self._file.writing() as db:
                put_commits(db, batch)

    def commits_by_sha(self, repo: str, prefix: str) -> tuple[Commit, ...]:
        after = prefix + "g"  # sorts behind every hex digit, so the look-up is a range of the index
        return self._commits(repo, "sha >= ? AND sha < ?", prefix, after)

    def commits_by_pull(self, repo: str, number: int) -> tuple[Commit, ...]:
        return self._commits(repo, "pull = ?", number)

    def search(self, words: str, repos: Sequence[str], limit: int) -> tuple[Commit, ...]:
        """Commits of `repos` whose message, paths' names or analyses hold all `words`, newest kept first.

        A word matches at the start of a word, Chinese wherever it stands, from one character on. A word with
        punctuation in it, such as `http.cancel`, matches where its parts follow each other. Any text is a valid query;
        of a very long one only the start counts (`adapters.stores.words.LONGEST_QUERY`).
        """
        numbers = [n for name in repos for n in self._read(int, "SELECT id FROM repositories WHERE name = ?", name)]
        match = query(words, numbers)
        if not match or limit < 1:
            return ()
        return self._read_each(
            "commits",
            lambda repo, *row: commit_of(repo, row),
            f"SELECT (SELECT name FROM repositories WHERE id = repo), {COMMIT_COLUMNS} FROM commits "  # noqa: S608
            "WHERE id IN (SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid DESC LIMIT ?) ORDER BY id DESC",
            *(match, limit),
        )

    def _commits(self, repo: str, condition: str, *values: str | int) -> tuple[Commit, ...]:
        return self._read_each(
            "commits",
            lambda *row: commit_of(repo, row),
            f"SELECT {COMMIT_COLUMNS} FROM commits WHERE repo = {_REPO} AND {condition} "  # noqa: S608  # constants
            f"ORDER BY committed DESC, id DESC LIMIT {LOOKED_UP}",
            *(repo, *values),
        )

    # --- Analyses ---

    def analysis(self, key: AnalysisKey) -> Analysis | None:
        found = self._read_each(
            "analyses",
            lambda _, body: load(Analysis, body),
            f"SELECT sha, body FROM analyses WHERE repo = {_REPO} "  # noqa: S608  # a constant
            "AND sha = ? AND prompt = ? AND model = ? AND language = ?",
            *(key.repo, key.sha, key.prompt, key.model, key.language),
        )
        return found[0] if found else None

    def keep_analysis(self, key: AnalysisKey, analysis: Analysis) -> None:
        """Keep an analysis of a kept commit; an earlier one under the same key is replaced.

        A search finds the commit by the analysis kept last in each language. An analysis of a commit that is not kept
        is kept, but not found by a search.
        """
        body, words = dump(analysis), analysis_words(analysis)
        with self._file.writing() as db:
            repo = repository_number(db, key.repo)
            db.execute(
                "INSERT INTO analyses (repo, sha, prompt, model, language, body) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET body = excluded.body",
                bound(repo, key.sha, key.prompt, key.model, key.language, body),
            )
            index_analysis(db, repo, key.sha, key.language, words)

    # --- Digests ---

    def digest(self, key: str) -> Digest | None:
        return next(iter(self._digests("WHERE key = ?", key).values()), None)

    def keep_digest(self, key: str, digest: Digest, now: datetime) -> None:
        row = bound(key, *digest_columns(digest), instant(now), dump_checked(digest))
        entries = sorted(digest.entries, key=lambda entry: entry.commit.committed)
        drafts = [Draft.of(entry.commit) for entry in entries]
        words = [analysis_words(entry.analysis) for entry in entries]
        with self._file.writing() as db:
            db.execute(
                "INSERT INTO digests (key, repo, branch, language, since, until, count, kept, body) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
                "count = excluded.count, kept = excluded.kept, body = excluded.body, until = excluded.until",
                row,
            )
            repositories = put_commits(db, drafts)
            for draft, text in zip(drafts, words, strict=True):
                index_analysis(db, repositories[draft.repo], draft.sha, digest.language, text)

    def recent_digests(self, repo: str, branch: str, language: str, limit: int) -> tuple[Digest, ...]:
        where = "WHERE repo = ? AND branch = ? AND language = ? ORDER BY until DESC, since DESC, kept DESC LIMIT ?"
        return tuple(self._digests(where, repo, branch, language, max(limit, 0)).values())

    def _digests(self, where: str, *values: str | int) -> dict[str, Digest]:
        made = "SELECT key, body FROM digests"
        return dict(self._read_each("digests", lambda key, body: (key, load_digest(body)), f"{made} {where}", *values))

    # --- What was delivered ---

    def delivered_to(self, repo: str, sha: str) -> tuple[DeliveredCommit, ...]:
        return self._read_each(
            "told_commits",
            load_told(sha),
            f"SELECT place, at, grade FROM told_commits WHERE repo = {_REPO} AND sha = ? ORDER BY at, place",  # noqa: S608
            *(repo, sha),
        )

    def delivered_grades(self, repo: str, shas: Iterable[str]) -> dict[str, Grade]:
        found = self._read_each(
            "told_commits",
            lambda sha, grade: (sha, load(Grade, grade)),
            f"SELECT sha, grade FROM told_commits WHERE repo = {_REPO} "  # noqa: S608  # a constant
            "AND sha IN (SELECT value FROM json_each(?)) ORDER BY at DESC, place DESC",
            *(repo, to_json([*shas])),
        )
        return dict(found)  # of several the last one counts: the first that was told

    def delivered_digests(self, repo: str, branch: str, language: str, period: Period) -> dict[str, Digest]:
        found = self._digests(
            "WHERE repo = ? AND branch = ? AND language = ? AND until = ? AND since = ? AND told = 1 ORDER BY kept",
            *(repo, branch, language, instant(period.until), instant(period.since)),
        )
        return {key: digest for key, digest in found.items() if digest.period.zone == period.zone}
