"""Commits and the words in the index, within a transaction.

Writing commits of a repository locks its row first, so that no other process changes a commit's words meanwhile.
"""

from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import LiteralString, NamedTuple

from adapters.stores.packing import either, packed
from adapters.stores.part import Found, Part, Session
from adapters.stores.rows import COMMIT_COLUMNS, UNREADABLE, Row, commit_of, commit_row, commit_words
from bot.values import Commit

COLUMNS: LiteralString = COMMIT_COLUMNS
_MARKS: LiteralString = ", ".join("?" for _ in COMMIT_COLUMNS.split(", "))
_HELD = f"SELECT id, repo, {COLUMNS} FROM commits WHERE repo = ? AND sha = ANY(?)"  # noqa: S608
_EVERY = f"SELECT id, repo, {COLUMNS} FROM commits WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608
_OF_REPOSITORY = (
    f"SELECT id, repo, {COLUMNS} FROM commits "  # noqa: S608
    "WHERE repo = (SELECT id FROM repositories WHERE name = ?) LIMIT ?"
)
ALIAS: LiteralString = "INSERT INTO aliases VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_AT_ONCE = 1_000
_INSERTED = f"INSERT INTO commits (id, repo, {COLUMNS}) VALUES (?, ?, {_MARKS})"  # noqa: S608
REPLACED = f"UPDATE commits SET ({COLUMNS}) = ({_MARKS}) WHERE id = ?"  # noqa: S608
_SAID = (
    "INSERT INTO analysis_words (commit_id, language, words, packed) VALUES (?, ?, '', ?) "
    "ON CONFLICT (commit_id, language) DO UPDATE SET words = '', packed = excluded.packed"
)

Key = tuple[int, str]
"""A repository's number and a SHA."""


class Draft(NamedTuple):
    """A commit with everything that can be computed before the transaction."""

    repo: str
    sha: str
    row: Row
    words: str
    merged: tuple[str, ...]


class Kept(NamedTuple):
    """A stored commit."""

    id: int
    repo: int
    row: Found

    @property
    def words(self) -> str:
        """Its words in the index; empty if it cannot be read, so that it can be replaced anyway."""
        try:
            return commit_words(commit_of("", self.row))
        except UNREADABLE:
            return ""


class Document(NamedTuple):
    """A commit's old and new words in the index; the old ones are empty if it is not in the index."""

    commit: int
    repo: int
    old: tuple[str, ...]
    new: tuple[str, ...]


class CommitsPart(Part):
    """Stores commits and their words in the index."""

    # --- What each database does in its own way ---

    @abstractmethod
    def _numbers(self, db: Session, many: int) -> Sequence[int]:
        """New numbers for `many` commits, in order."""

    @abstractmethod
    def _index(self, db: Session, documents: Sequence[Document]) -> None:
        """Replace the words of commits in the index."""

    # --- What is the same in each ---

    def _draft(self, commit: Commit) -> Draft:
        row = self._bound(*commit_row(commit))
        merged = tuple(map(str, self._bound(*(each.sha for each in commit.inner))))
        return Draft(str(self._bound(commit.repo)[0]), str(row[0]), row, commit_words(commit), merged)

    def _put_commits(self, db: Session, drafts: Sequence[Draft]) -> dict[str, int]:
        """Insert or replace commits and their words, in order; return the numbers of their repositories by name."""
        names = sorted({draft.repo for draft in drafts})  # all lock in the same order, to prevent deadlocks
        repositories = {name: repository_number(db, name) for name in names}
        latest = {(repositories[draft.repo], draft.sha): draft for draft in drafts}
        kept = _kept(db, latest)
        self._insert(db, [(repo, draft) for (repo, sha), draft in latest.items() if (repo, sha) not in kept])
        self._replace(db, [(old, latest[key]) for key, old in kept.items() if old.row != latest[key].row])
        merged = {(repo, each, draft.sha) for (repo, _), draft in latest.items() for each in draft.merged}
        db.run_each(ALIAS, sorted(merged))
        return repositories

    def _insert(self, db: Session, drafts: Sequence[tuple[int, Draft]]) -> None:
        numbers = self._numbers(db, len(drafts))
        numbered = [(number, repo, draft) for number, (repo, draft) in zip(numbers, drafts, strict=True)]
        db.run_each(_INSERTED, [(number, repo, *draft.row) for number, repo, draft in numbered])
        self._index(db, [Document(number, repo, (), (draft.words,)) for number, repo, draft in numbered])

    def _replace(self, db: Session, changed: Sequence[tuple[Kept, Draft]]) -> None:
        said = said_of(db, [old.id for old, _ in changed])
        db.run_each(REPLACED, [(*draft.row, old.id) for old, draft in changed])
        words = [(old, draft, tuple(said[old.id].values())) for old, draft in changed]
        self._index(
            db, [Document(old.id, old.repo, (old.words, *each), (draft.words, *each)) for old, draft, each in words]
        )

    def _index_analyses(self, db: Session, found: Mapping[Key, str], language: str) -> None:
        """Index commits by these analyses, instead of by the earlier ones in `language`."""
        kept = _kept(db, found)
        said = said_of(db, [each.id for each in kept.values()])
        new = {key: each for key, each in kept.items() if said[each.id].get(language) != found[key]}
        db.run_each(_SAID, [(each.id, language, packed(found[key])) for key, each in new.items()])
        self._index(db, [_reindexed(each, said[each.id], language, found[key]) for key, each in new.items()])

    def _index_all(self, db: Session) -> None:
        """Index all commits; the index must be empty."""
        for rows in _all(db):
            said = said_of(db, [each.id for each in rows])
            self._index(db, [Document(k.id, k.repo, (), (k.words, *said[k.id].values())) for k in rows])


def _reindexed(kept: Kept, said: Mapping[str, str], language: str, words: str) -> Document:
    now = {**said, language: words}
    own = kept.words
    return Document(kept.id, kept.repo, (own, *said.values()), (own, *(now[each] for each in sorted(now))))


def _kept(db: Session, keys: Collection[Key]) -> dict[Key, Kept]:
    found: dict[Key, Kept] = {}
    for number in sorted({repo for repo, _ in keys}):
        rows = db.all(_HELD, number, [sha for repo, sha in keys if repo == number])
        found |= {(repo, row[0]): Kept(commit, repo, tuple(row)) for commit, repo, *row in rows}
    return found


def commits_of(db: Session, name: str, most: int) -> list[Kept]:
    """Stored commits of a repository, at most `most`."""
    return [Kept(number, repo, tuple(row)) for number, repo, *row in db.all(_OF_REPOSITORY, name, most)]


def _all(db: Session) -> Iterator[list[Kept]]:
    """All commits, in batches."""
    after = -1
    while rows := db.all(_EVERY, after, _AT_ONCE):
        yield [Kept(number, repo, tuple(row)) for number, repo, *row in rows]
        after = rows[-1][0]


def said_of(db: Session, numbers: Sequence[int]) -> dict[int, dict[str, str]]:
    """The words of analyses in the index, by commit and language."""
    query = "SELECT commit_id, language, words, packed FROM analysis_words WHERE commit_id = ANY(?) ORDER BY language"
    said: dict[int, dict[str, str]] = {number: {} for number in numbers}
    for number, language, words, kept in db.all(query, list(numbers)):
        said[number][language] = either(words, kept)
    return said


def repository_number(db: Session, name: str) -> int:
    """The number of a repository, added if new; its commits are locked until the transaction ends."""
    db.run("INSERT INTO repositories (name) VALUES (?) ON CONFLICT DO NOTHING", name)
    (number,) = db.one("SELECT id FROM repositories WHERE name = ? FOR NO KEY UPDATE", name) or (0,)
    return int(number)
