"""The full-text index: a commit's lexemes in a `tsvector`, which finds candidates, and the check of these.

A `tsvector` has limits that SQLite's index lacks (https://www.postgresql.org/docs/current/textsearch-limitations.html):
16,383 positions, 256 per lexeme, a mebibyte in total. So it contains only lexemes, without positions, and the order of
words is checked in the commit itself. A very long text has its first lexemes and `BIG`, which makes it a candidate for
every query. So both stores find the same. Pure.
"""

from collections.abc import Iterable, Sequence

from adapters.stores.words import Phrase, repository_token, tokens

LONGEST = 40
"""The most characters of a lexeme; only the start of a longer token is indexed."""
MOST = 6_000
"""The most lexemes of a commit: with `LONGEST` characters of four bytes they stay below a mebibyte."""
BIG = "§"


def lexemes(repo: int, *texts: str) -> list[str]:
    """The lexemes of a repository's commit; `texts` come from `segmented`."""
    found = list(dict.fromkeys(token[:LONGEST] for token in _document(texts)))
    return [repository_token(repo), *found[:MOST], *([BIG] if len(found) > MOST else [])]


def query(wanted: Iterable[Phrase], repositories: Iterable[int]) -> str:
    """The `tsquery` for candidates with all phrases in any of the repositories."""
    places = " | ".join(f"'{repository_token(number)}'" for number in repositories)
    held = " & ".join(term for phrase in wanted for term in _terms(phrase))
    return f"({places}) & (({held}) | '{BIG}')"


def holds(wanted: Iterable[Phrase], texts: Sequence[str]) -> bool:
    """Whether a document contains all phrases."""
    document = f" {' '.join(_document(texts))} "
    return all(f" {' '.join(phrase.tokens)}{'' if phrase.open else ' '}" in document for phrase in wanted)


def _document(texts: Iterable[str]) -> list[str]:
    return [token for text in texts for token in tokens(text)]


def _terms(phrase: Phrase) -> list[str]:
    """The lexemes of a phrase, the last one as a prefix if it is open; letters and digits need no escaping."""
    terms = [f"'{token[:LONGEST]}'" for token in phrase.tokens]
    return [*terms[:-1], f"{terms[-1]}:*" if phrase.open else terms[-1]]
