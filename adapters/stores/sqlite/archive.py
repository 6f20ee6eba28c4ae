"""The archive's index in SQLite: the table `words`, in FTS5. It stores no text, so deleting needs the text."""

from collections.abc import Sequence

from adapters.stores.archive import ArchivePart
from adapters.stores.commits import COLUMNS, Document
from adapters.stores.part import Session
from adapters.stores.rows import commit_of
from adapters.stores.sqlite.part import SqlitePart
from adapters.stores.sqlite.query import query
from adapters.stores.words import repository_token
from bot.values import Commit


class SqliteArchive(ArchivePart, SqlitePart):
    """A `bot.ports.Archive`."""

    def search(self, words: str, repos: Sequence[str], limit: int) -> tuple[Commit, ...]:
        """Commits of `repos` whose message, paths or analyses contain all `words`, latest stored first.

        A word matches at the start of a word, Chinese anywhere, even a single character. A word with punctuation, such
        as `http.cancel`, matches where its parts follow each other. Any text is a valid query; only the start of a very
        long one counts (`adapters.stores.words.LONGEST_QUERY`).
        """
        numbers = [row[0] for name in repos for row in self._read("SELECT id FROM repositories WHERE name = ?", name)]
        match = query(words, numbers)
        if not match or limit < 1:
            return ()
        return self._read_each(
            "commits",
            lambda repo, *row: commit_of(repo, row),
            f"SELECT (SELECT name FROM repositories WHERE id = repo), {COLUMNS} FROM commits "  # noqa: S608
            "WHERE id IN (SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid DESC LIMIT ?) ORDER BY id DESC",
            *(match, limit),
        )

    def _numbers(self, db: Session, many: int) -> Sequence[int]:
        (first,) = db.one("SELECT coalesce(max(id), 0) + 1 FROM commits") or (1,)
        return range(first, first + many)

    def _index(self, db: Session, documents: Sequence[Document]) -> None:
        """Replace documents (https://sqlite.org/fts5.html, "delete")."""
        changed = [(d.commit, _text(d.repo, d.old), _text(d.repo, d.new)) for d in documents]
        forgotten = [(number, old) for number, old, new in changed if old and old != new]
        db.run_each("INSERT INTO words (words, rowid, text) VALUES ('delete', ?, ?)", forgotten)
        found = [(number, new) for number, old, new in changed if new and old != new]
        db.run_each("INSERT INTO words (rowid, text) VALUES (?, ?)", found)


def _text(repo: int, words: tuple[str, ...]) -> str:
    return " ".join([repository_token(repo), *words]) if words else ""
