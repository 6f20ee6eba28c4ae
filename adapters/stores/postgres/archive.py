"""The archive's index in PostgreSQL: the table `words`; see `adapters.stores.postgres.index`."""

from collections.abc import Sequence
from itertools import islice

from adapters.stores.archive import ArchivePart
from adapters.stores.commits import COLUMNS, Document, said_of
from adapters.stores.part import Session
from adapters.stores.postgres.index import holds, lexemes, query
from adapters.stores.postgres.part import PostgresPart
from adapters.stores.rows import commit_of, commit_words
from adapters.stores.words import Phrase, phrases
from bot.values import Commit

_LOOKED_THROUGH = 200
"""How many candidates of a search are read at once, at least."""
_LAST = 2**63 - 1
_NUMBERS = "SELECT nextval(pg_get_serial_sequence('commits', 'id')) FROM generate_series(1, ?)"
_INDEXED = (
    "INSERT INTO words (commit_id, lexemes) VALUES (?, array_to_tsvector(?)) "
    "ON CONFLICT (commit_id) DO UPDATE SET lexemes = excluded.lexemes"
)


class PostgresArchive(ArchivePart, PostgresPart):
    """A `bot.ports.Archive`."""

    def search(self, words: str, repos: Sequence[str], limit: int) -> tuple[Commit, ...]:
        """Commits of `repos` that contain all `words`, latest stored first; see `adapters.stores.postgres.index`."""
        wanted = phrases(words)
        numbers = [row[0] for row in self._read("SELECT id FROM repositories WHERE name = ANY(?)", [*repos])]
        if not wanted or not numbers or limit < 1:
            return ()
        match = query(wanted, numbers)
        return self._reading(lambda db: self._found(db, wanted, match, limit))

    def _found(self, db: Session, wanted: Sequence[Phrase], match: str, limit: int) -> tuple[Commit, ...]:
        found: list[Commit] = []
        batch, before = max(limit, _LOOKED_THROUGH), _LAST
        while len(found) < limit:
            rows = db.all(
                f"SELECT id, (SELECT name FROM repositories WHERE id = repo), {COLUMNS} FROM commits "  # noqa: S608
                "WHERE id IN (SELECT commit_id FROM words WHERE lexemes @@ ?::tsquery AND commit_id < ? "
                "ORDER BY commit_id DESC LIMIT ?) ORDER BY id DESC",
                *(match, before, batch),
            )
            said = said_of(db, [row[0] for row in rows])
            made = self._unread.readable("commits", lambda number, repo, *row: (number, commit_of(repo, row)), rows)
            held = (c for number, c in made if holds(wanted, (commit_words(c), *said[number].values())))
            found += islice(held, limit - len(found))
            if len(rows) < batch:
                break
            before = rows[-1][0]
        return tuple(found)

    def _numbers(self, db: Session, many: int) -> Sequence[int]:
        return [row[0] for row in db.all(_NUMBERS, many)]

    def _index(self, db: Session, documents: Sequence[Document]) -> None:
        db.run_each(_INDEXED, [(d.commit, lexemes(d.repo, *d.new)) for d in documents])
