"""Commits, analyses and digests that were read or made, and which of them were delivered."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import LiteralString

from adapters.postgres import Connection
from adapters.stores.postgres.cells import bound
from adapters.stores.postgres.commits import COLUMNS, Draft, index_analyses, lock_repositories, put_commits, said_of
from adapters.stores.postgres.index import holds, query
from adapters.stores.postgres.part import Part
from adapters.stores.rows import (
    LOOKED_UP,
    analysis_words,
    commit_of,
    commit_words,
    digest_columns,
    dump,
    dump_checked,
    instant,
    load,
    load_digest,
    load_told,
)
from adapters.stores.words import Phrase, phrases
from bot.ports import Archive
from bot.values import Analysis, AnalysisKey, Commit, DeliveredCommit, Digest, Grade, Period

BATCH = 5_000
"""Commits kept in one transaction, for which others who keep commits of the same repository wait."""
_LOOKED_THROUGH = 200
"""Least candidates of a search that are read at once."""
_LAST = 2**63 - 1
_REPO: LiteralString = "(SELECT id FROM repositories WHERE name = %s)"


class PostgresArchive(Part, Archive):
    """A `bot.ports.Archive`."""

    # --- Commits ---

    def keep_commits(self, commits: Iterable[Commit]) -> None:
        """Keep commits; one that is known already is replaced.

        Those of one call count as kept in the order of their time, so that `search` finds the newest first. Each
        `BATCH` is a transaction of its own.
        """
        ordered = iter(sorted(commits, key=lambda commit: commit.committed))
        while batch := [Draft.of(commit) for commit in islice(ordered, BATCH)]:
            self._server.write(lambda db, drafts=batch: put_commits(db, drafts))  # type: ignore[misc]

    def commits_by_sha(self, repo: str, prefix: str) -> tuple[Commit, ...]:
        after = prefix + "g"  # sorts behind every hex digit, so the look-up is a range of the index
        return self._commits(repo, "sha >= %s AND sha < %s", prefix, after)

    def commits_by_pull(self, repo: str, number: int) -> tuple[Commit, ...]:
        return self._commits(repo, "pull = %s", number)

    def search(self, words: str, repos: Sequence[str], limit: int) -> tuple[Commit, ...]:
        """Commits of `repos` that hold all `words`, newest kept first; see `adapters.stores.postgres.index`."""
        wanted = phrases(words)
        numbers = [row[0] for row in self._read("SELECT id FROM repositories WHERE name = ANY(%s)", [*repos])]
        if not wanted or not numbers or limit < 1:
            return ()
        match = query(wanted, numbers)
        return self._server.read(lambda db: self._found(db, wanted, match, limit))

    def _found(self, db: Connection, wanted: Sequence[Phrase], match: str, limit: int) -> tuple[Commit, ...]:
        found: list[Commit] = []
        batch, before = max(limit, _LOOKED_THROUGH), _LAST
        while len(found) < limit:
            rows = db.execute(
                f"SELECT id, (SELECT name FROM repositories WHERE id = repo), {COLUMNS} FROM commits "  # noqa: S608
                "WHERE id IN (SELECT commit_id FROM words WHERE lexemes @@ %s::tsquery AND commit_id < %s "
                "ORDER BY commit_id DESC LIMIT %s) ORDER BY id DESC",
                (match, before, batch),
            ).fetchall()
            said = said_of(db, [row[0] for row in rows])
            made = self._unread.readable("commits", lambda number, repo, *row: (number, commit_of(repo, row)), rows)
            held = (c for number, c in made if holds(wanted, (commit_words(c), *said[number].values())))
            found += islice(held, limit - len(found))
            if len(rows) < batch:
                break
            before = rows[-1][0]
        return tuple(found)

    def _commits(self, repo: str, condition: LiteralString, *values: str | int) -> tuple[Commit, ...]:
        return self._read_each(
            "commits",
            lambda *row: commit_of(repo, row),
            f"SELECT {COLUMNS} FROM commits WHERE repo = {_REPO} AND {condition} "  # noqa: S608  # constants
            "ORDER BY committed DESC, id DESC LIMIT %s",
            *(repo, *values, LOOKED_UP),
        )

    # --- Analyses ---

    def analysis(self, key: AnalysisKey) -> Analysis | None:
        found = self._read_each(
            "analyses",
            lambda _, body: load(Analysis, body),
            f"SELECT sha, body FROM analyses WHERE repo = {_REPO} "  # noqa: S608  # a constant
            "AND sha = %s AND prompt = %s AND model = %s AND language = %s",
            *(key.repo, key.sha, key.prompt, key.model, key.language),
        )
        return found[0] if found else None

    def keep_analysis(self, key: AnalysisKey, analysis: Analysis) -> None:
        """Keep an analysis; a search finds its commit by the analysis kept last in each language."""
        repo, *rest = bound(key.repo, key.sha, key.prompt, key.model, key.language, dump(analysis))
        sha, words = str(rest[0]), str(bound(analysis_words(analysis))[0])

        def keep(db: Connection) -> None:
            number = lock_repositories(db, {str(repo)})[str(repo)]
            db.execute(
                "INSERT INTO analyses (repo, sha, prompt, model, language, body) VALUES (%s, %s, %s, %s, %s, %s) "
                "ON CONFLICT (repo, sha, prompt, model, language) DO UPDATE SET body = excluded.body",
                (number, *rest),
            )
            index_analyses(db, {(number, sha): words}, str(rest[3]))

        self._server.write(keep)

    # --- Digests ---

    def digest(self, key: str) -> Digest | None:
        return next(iter(self._digests("WHERE key = %s", key).values()), None)

    def keep_digest(self, key: str, digest: Digest, now: datetime) -> None:
        row = bound(key, *digest_columns(digest), instant(now), dump_checked(digest))
        entries = sorted(digest.entries, key=lambda entry: entry.commit.committed)
        drafts = [Draft.of(entry.commit) for entry in entries]
        words = [str(bound(analysis_words(entry.analysis))[0]) for entry in entries]

        def keep(db: Connection) -> None:
            db.execute(
                "INSERT INTO digests (key, repo, branch, language, since, until, count, kept, body) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (key) DO UPDATE SET "
                "count = excluded.count, kept = excluded.kept, body = excluded.body, until = excluded.until",
                row,
            )
            numbers = put_commits(db, drafts)
            said = {(numbers[draft.repo], draft.sha): text for draft, text in zip(drafts, words, strict=True)}
            index_analyses(db, said, str(row[3]))

        self._server.write(keep)

    def recent_digests(self, repo: str, branch: str, language: str, limit: int) -> tuple[Digest, ...]:
        where: LiteralString = (
            "WHERE repo = %s AND branch = %s AND language = %s ORDER BY until DESC, since DESC, kept DESC LIMIT %s"
        )
        return tuple(self._digests(where, repo, branch, language, max(limit, 0)).values())

    def _digests(self, where: LiteralString, *values: str | int) -> dict[str, Digest]:
        made: LiteralString = "SELECT key, body FROM digests"
        return dict(self._read_each("digests", lambda key, body: (key, load_digest(body)), f"{made} {where}", *values))

    # --- What was delivered ---

    def delivered_to(self, repo: str, sha: str) -> tuple[DeliveredCommit, ...]:
        query = f"SELECT place, at, grade FROM told_commits WHERE repo = {_REPO} AND sha = %s ORDER BY at, place"  # noqa: S608
        return self._read_each("told_commits", load_told(sha), query, repo, sha)

    def delivered_grades(self, repo: str, shas: Iterable[str]) -> dict[str, Grade]:
        found = self._read_each(
            "told_commits",
            lambda sha, grade: (sha, load(Grade, grade)),
            f"SELECT sha, grade FROM told_commits WHERE repo = {_REPO} "  # noqa: S608  # a constant
            "AND sha = ANY(%s) ORDER BY at DESC, place DESC",
            *(repo, [*shas]),
        )
        return dict(found)  # of several the last one counts: the first that was told

    def delivered_digests(self, repo: str, branch: str, language: str, period: Period) -> dict[str, Digest]:
        found = self._digests(
            "WHERE repo = %s AND branch = %s AND language = %s AND until = %s AND since = %s AND told = 1 "
            "ORDER BY kept",
            *(repo, branch, language, instant(period.until), instant(period.since)),
        )
        return {key: digest for key, digest in found.items() if digest.period.zone == period.zone}
