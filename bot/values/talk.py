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
    """What shows a statement: a place in a commit, or a release."""

    commit: Commit | None = None
    evidence: Evidence | None = None
    release: Release | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence of an answer, and what shows it."""

    text: str
    proof: Proof


@dataclass(frozen=True, slots=True)
class Answered:
    """The statements of an answer, none where it is not known; `by` a model, to which so many pieces were shown.

    `dropped` are statements that nothing showed, which are left out.
    """

    statements: tuple[Statement, ...]
    by: str
    pieces: int
    dropped: int = 0
