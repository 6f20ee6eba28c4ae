"""Commits and the words by which they are found, within a transaction."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlite_utils import Database

from adapters.stores.rows import COMMIT_COLUMNS, UNREADABLE, Row, bound, commit_of, commit_row, commit_words
from adapters.stores.words import repository_token
from bot.values import Commit

_BY_SHA = f"SELECT id, {COMMIT_COLUMNS} FROM commits WHERE repo = ? AND sha = ?"  # noqa: S608


class Draft(NamedTuple):
    """A commit with everything about it that can be worked out before a transaction begins."""

    repo: str
    sha: str
    row: Row
    words: str

    @classmethod
    def of(cls, commit: Commit) -> "Draft":
        """The draft of a commit."""
        row = commit_row(commit)
        return cls(str(bound(commit.repo)[0]), str(row[0]), row, commit_words(commit))


def put_commits(db: Database, drafts: Sequence[Draft]) -> dict[str, int]:
    """Insert or replace commits and their words, in order; the numbers of their repositories by name."""
    repositories = {name: repository_number(db, name) for name in {draft.repo for draft in drafts}}
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


def _insert_commits(db: Database, drafts: Sequence[tuple[int, Draft]]) -> None:
    first = db.execute("SELECT coalesce(max(id), 0) + 1 FROM commits").fetchone()[0]
    db.conn.executemany(
        f"INSERT INTO commits (id, repo, {COMMIT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        ((number, repo, *draft.row) for number, (repo, draft) in enumerate(drafts, first)),
    )
    db.conn.executemany(
        "INSERT INTO words (rowid, text) VALUES (?, ?)",
        (bound(number, _document(repo, draft.words)) for number, (repo, draft) in enumerate(drafts, first)),
    )


def _replace_commit(db: Database, repo: int, old: "_Kept", draft: Draft) -> None:
    columns = ", ".join(f"{name} = ?" for name in COMMIT_COLUMNS.split(", "))
    db.execute(f"UPDATE commits SET {columns} WHERE id = ?", (*draft.row, old.id))  # noqa: S608
    said = _said(db, old.id).values()
    _reindex(db, old.id, _document(repo, old.words, *said), _document(repo, draft.words, *said))


def index_analysis(db: Database, repo: int, sha: str, language: str, words: str) -> None:
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


def forget_commits(db: Database, name: str, most: int) -> bool:
    """Remove commits of a repository, `most` at a time, with their words; whether there may be more."""
    found = db.execute(
        f"SELECT repo, id, {COMMIT_COLUMNS} FROM commits "  # noqa: S608  # constants
        "WHERE repo = (SELECT id FROM repositories WHERE name = ?) LIMIT ?",
        bound(name, most),
    ).fetchall()
    for repo, number, *row in found:
        kept = _Kept(number, tuple(row))
        _reindex(db, number, _document(repo, kept.words, *_said(db, number).values()), "")
        db.execute("DELETE FROM commits WHERE id = ?", (number,))
    return len(found) == most


def _reindex(db: Database, number: int, old: str, new: str) -> None:
    """Replace a document. An index without content is told what to forget (https://sqlite.org/fts5.html, "delete")."""
    if old == new:
        return
    if old:
        db.execute("INSERT INTO words (words, rowid, text) VALUES ('delete', ?, ?)", bound(number, old))
    if new:
        db.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", bound(number, new))


def _document(repo: int, *words: str) -> str:
    return " ".join([repository_token(repo), *words])


class _Kept(NamedTuple):
    """A commit as it is kept."""

    id: int
    row: Row

    @property
    def words(self) -> str:
        try:
            return commit_words(commit_of("", self.row))
        except UNREADABLE:  # nobody knows by what it is found; it is replaced all the same
            return ""


def _kept(db: Database, repo: int, sha: str) -> _Kept | None:
    row = db.execute(_BY_SHA, bound(repo, sha)).fetchone()
    return _Kept(row[0], row[1:]) if row else None


def _said(db: Database, number: int) -> dict[str, str]:
    """What the index holds of a commit's analyses, by language."""
    return dict(db.execute("SELECT language, words FROM analysis_words WHERE commit_id = ?", (number,)).fetchall())


def index_commits(db: Database) -> None:
    """Let every commit be found, where none is in the index yet."""
    for repo, number, *row in db.execute(f"SELECT repo, id, {COMMIT_COLUMNS} FROM commits ORDER BY id"):  # noqa: S608
        kept = _Kept(number, tuple(row))
        _reindex(db, number, "", _document(repo, kept.words, *_said(db, number).values()))


def repository_number(db: Database, name: str) -> int:
    """The number of a repository; a new one gets one."""
    db.execute("INSERT INTO repositories (name) VALUES (?) ON CONFLICT DO NOTHING", bound(name))
    return int(db.execute("SELECT id FROM repositories WHERE name = ?", bound(name)).fetchone()[0])
