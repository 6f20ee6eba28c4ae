"""What was asked and answered: the turns of a thread, and what a model says with what shows it."""

from dataclasses import dataclass
from datetime import datetime

from bot.values.commit import Commit, Release
from bot.values.digest import Evidence


@dataclass(frozen=True, slots=True)
class Turn:
    """A question, or a line of the grammar, and what the answer told of: of `repo` the commits `shas`.

    `answer` is what it said in words, empty where it told of commits alone; `person` is who asked.
    """

    at: datetime
    question: str
    answer: str
    repo: str
    shas: tuple[str, ...] = ()
    person: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """What shows a statement: a place in a commit, a release, or a `note` of the program, as that nothing is there.

    With `tree` the place was looked up in the tree at the commit, which need not have to do with it.
    """

    commit: Commit | None = None
    evidence: Evidence | None = None
    release: Release | None = None
    note: str = ""
    tree: bool = False


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence of an answer, and what shows it; `also` shows its further parts."""

    text: str
    proof: Proof
    also: tuple[Proof, ...] = ()


@dataclass(frozen=True, slots=True)
class Answered:
    """The statements of an answer, none where it is not known; `by` a model, to which so many pieces were shown.

    `dropped` are statements that nothing showed, which are left out. With `unknown` the statements do not answer the
    question, but say what is known instead.
    """

    statements: tuple[Statement, ...]
    by: str
    pieces: int
    dropped: int = 0
    unknown: bool = False
