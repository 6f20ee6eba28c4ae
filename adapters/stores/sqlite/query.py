"""Queries in the language of SQLite's full-text index (https://sqlite.org/fts5.html#full_text_query_syntax). Pure."""

from collections.abc import Iterable

from adapters.stores.words import Phrase, phrases, repository_token


def query(words: str, repositories: Iterable[int]) -> str:
    """The query for documents of any of `repositories` that contain all `words`; empty if nothing can match."""
    wanted = [_written(phrase) for phrase in phrases(words)]
    places = " OR ".join(f'"{repository_token(number)}"' for number in repositories)
    return " AND ".join([f"({places})", *wanted]) if wanted and places else ""


def _written(phrase: Phrase) -> str:
    return f'"{" ".join(phrase.tokens)}"' + (" *" if phrase.open else "")
