"""The full-text index: the lexemes of a commit in a `tsvector`, which finds candidates, and what makes sure of them.

A `tsvector` has limits that SQLite's index lacks (https://www.postgresql.org/docs/current/textsearch-limitations.html):
16,383 positions, 256 of each lexeme, a mebibyte in all. So it holds lexemes alone, with no positions, and whether words
follow each other is looked up in the commit itself. Of a very long text it holds the first lexemes and `BIG`, which
every query takes for a candidate. So both stores find the same. Pure.
"""

from collections.abc import Iterable, Sequence

from adapters.stores.words import Phrase, repository_token, tokens

LONGEST = 40
"""Characters of a lexeme; of a longer token only the start is indexed."""
MOST = 6_000
"""Lexemes of a commit: of `LONGEST` characters of four bytes they stay below a mebibyte."""
BIG = "§"


def lexemes(repo: int, *texts: str) -> list[str]:
    """What the index takes of a repository's commit with texts that `segmented` made."""
    found = list(dict.fromkeys(token[:LONGEST] for token in _document(texts)))
    return [repository_token(repo), *found[:MOST], *([BIG] if len(found) > MOST else [])]


def query(wanted: Iterable[Phrase], repositories: Iterable[int]) -> str:
    """The `tsquery` for what may hold all phrases in any of some repositories."""
    places = " | ".join(f"'{repository_token(number)}'" for number in repositories)
    held = " & ".join(term for phrase in wanted for term in _terms(phrase))
    return f"({places}) & (({held}) | '{BIG}')"


def holds(wanted: Iterable[Phrase], texts: Sequence[str]) -> bool:
    """Whether a document holds all phrases."""
    document = f" {' '.join(_document(texts))} "
    return all(f" {' '.join(phrase.tokens)}{'' if phrase.open else ' '}" in document for phrase in wanted)


def _document(texts: Iterable[str]) -> list[str]:
    return [token for text in texts for token in tokens(text)]


def _terms(phrase: Phrase) -> list[str]:
    """The lexemes of a phrase, the last one as a prefix where it is open; letters and digits need no escape."""
    terms = [f"'{token[:LONGEST]}'" for token in phrase.tokens]
    return [*terms[:-1], f"{terms[-1]}:*" if phrase.open else terms[-1]]
