"""Commits and the words by which they are found, within a transaction.

Whoever writes commits of a repository locks its row first, so that nobody else changes what a commit is found by.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, LiteralString, NamedTuple

from adapters.postgres import Connection
from adapters.stores.postgres.cells import bound
from adapters.stores.postgres.index import lexemes
from adapters.stores.rows import COMMIT_COLUMNS, UNREADABLE, Row, commit_of, commit_row, commit_words
from bot.values import Commit

COLUMNS: LiteralString = COMMIT_COLUMNS
_HELD = f"SELECT id, repo, {COLUMNS} FROM commits WHERE repo = ANY(%s) AND sha = ANY(%s)"  # noqa: S608
_EVERY = f"SELECT id, repo, {COLUMNS} FROM commits WHERE id > %s ORDER BY id LIMIT %s"  # noqa: S608
_AT_ONCE = 1_000
_INSERTED = f"INSERT INTO commits (id, repo, {COLUMNS}) VALUES (%s, %s, {', '.join(['%s'] * 11)})"  # noqa: S608
_REPLACED = f"UPDATE commits SET ({COLUMNS}) = ({', '.join(['%s'] * 11)}) WHERE id = %s"  # noqa: S608
_NUMBERS = "SELECT nextval(pg_get_serial_sequence('commits', 'id')) FROM generate_series(1, %s)"
_INDEXED = (
    "INSERT INTO words (commit_id, lexemes) VALUES (%s, array_to_tsvector(%s)) "
    "ON CONFLICT (commit_id) DO UPDATE SET lexemes = excluded.lexemes"
)
_SAID = (
    "INSERT INTO analysis_words (commit_id, language, words) VALUES (%s, %s, %s) "
    "ON CONFLICT (commit_id, language) DO UPDATE SET words = excluded.words"
)


class Draft(NamedTuple):
    """A commit with everything about it that can be worked out before a transaction begins."""

    repo: str
    sha: str
    row: Row
    words: str

    @classmethod
    def of(cls, commit: Commit) -> "Draft":
        """The draft of a commit."""
        row = bound(*commit_row(commit))
        return cls(str(bound(commit.repo)[0]), str(row[0]), row, commit_words(commit))


class Kept(NamedTuple):
    """A commit as it is kept."""

    id: int
    repo: int
    row: tuple[Any, ...]

    @property
    def words(self) -> str:
        """What it is found by; nothing where it cannot be read, and it is replaced all the same."""
        try:
            return commit_words(commit_of("", self.row))
        except UNREADABLE:
            return ""


Key = tuple[int, str]
"""A repository's number and a SHA."""


def put_commits(db: Connection, drafts: Sequence[Draft]) -> dict[str, int]:
    """Insert or replace commits and their words, in order; the numbers of their repositories by name."""
    repositories = lock_repositories(db, {draft.repo for draft in drafts})
    latest = {(repositories[draft.repo], draft.sha): draft for draft in drafts}
    kept = _kept(db, latest)
    _insert(db, [(repo, draft) for (repo, sha), draft in latest.items() if (repo, sha) not in kept])
    _replace(db, [(old, latest[key]) for key, old in kept.items() if old.row != latest[key].row])
    return repositories


def _insert(db: Connection, drafts: Sequence[tuple[int, Draft]]) -> None:
    numbers = [row[0] for row in db.execute(_NUMBERS, (len(drafts),)).fetchall()]
    numbered = [(number, repo, draft) for number, (repo, draft) in zip(numbers, drafts, strict=True)]
    with db.cursor() as cursor:
        cursor.executemany(_INSERTED, [(number, repo, *draft.row) for number, repo, draft in numbered])
        cursor.executemany(_INDEXED, [(number, lexemes(repo, draft.words)) for number, repo, draft in numbered])


def _replace(db: Connection, changed: Sequence[tuple[Kept, Draft]]) -> None:
    said = said_of(db, [old.id for old, _ in changed])
    with db.cursor() as cursor:
        cursor.executemany(_REPLACED, [(*draft.row, old.id) for old, draft in changed])
        _index(db, [(old.id, lexemes(old.repo, draft.words, *said[old.id].values())) for old, draft in changed])


def index_analyses(db: Connection, found: Mapping[Key, str], language: str) -> None:
    """Let commits be found by what is said of them, instead of what was said of them in `language` so far."""
    kept = _kept(db, found)
    said = said_of(db, [each.id for each in kept.values()])
    new = {key: each for key, each in kept.items() if said[each.id].get(language) != found[key]}
    with db.cursor() as cursor:
        cursor.executemany(_SAID, [bound(each.id, language, found[key]) for key, each in new.items()])
    now = {key: said[each.id] | {language: found[key]} for key, each in new.items()}
    _index(db, [(each.id, lexemes(each.repo, each.words, *_ordered(now[key]))) for key, each in new.items()])


def _index(db: Connection, documents: Iterable[tuple[int, list[str]]]) -> None:
    with db.cursor() as cursor:
        cursor.executemany(_INDEXED, list(documents))


def index_commits(db: Connection) -> None:
    """Let every commit be found, where none is in the index yet."""
    after = -1
    while rows := db.execute(_EVERY, (after, _AT_ONCE)).fetchall():
        kept = [Kept(row[0], row[1], row[2:]) for row in rows]
        said = said_of(db, [each.id for each in kept])
        _index(db, [(each.id, lexemes(each.repo, each.words, *said[each.id].values())) for each in kept])
        after = kept[-1].id


def _ordered(said: Mapping[str, str]) -> list[str]:
    return [said[language] for language in sorted(said)]


def _kept(db: Connection, keys: Collection[Key]) -> dict[Key, Kept]:
    repos, shas = sorted({repo for repo, _ in keys}), [sha for _, sha in keys]
    rows = (Kept(row[0], row[1], row[2:]) for row in db.execute(_HELD, (repos, shas)).fetchall())
    return {key: each for each in rows if (key := (each.repo, each.row[0])) in keys}


def said_of(db: Connection, numbers: Sequence[int]) -> dict[int, dict[str, str]]:
    """By commit what the index holds of its analyses, by language."""
    query = "SELECT commit_id, language, words FROM analysis_words WHERE commit_id = ANY(%s) ORDER BY language"
    said: dict[int, dict[str, str]] = {number: {} for number in numbers}
    for number, language, words in db.execute(query, (list(numbers),)).fetchall():
        said[number][language] = words
    return said


def lock_repositories(db: Connection, names: Collection[str]) -> dict[str, int]:
    """The numbers of repositories by name, new ones too, whose commits nobody else writes until this transaction ends.

    All lock in the same order, so that none waits for another in a circle.
    """
    wanted = sorted(names)
    db.execute("INSERT INTO repositories (name) SELECT unnest(%s::text[]) ON CONFLICT DO NOTHING", (wanted,))
    query = "SELECT name, id FROM repositories WHERE name = ANY(%s) ORDER BY id FOR NO KEY UPDATE"
    return dict(db.execute(query, (wanted,)).fetchall())


def repository_number(db: Connection, name: str) -> int:
    """The number of a repository; a new one gets one."""
    db.execute("INSERT INTO repositories (name) VALUES (%s) ON CONFLICT DO NOTHING", bound(name))
    (number,) = db.execute("SELECT id FROM repositories WHERE name = %s", bound(name)).fetchone() or (0,)
    return int(number)
