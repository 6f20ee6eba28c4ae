"""Questions and answers: the turns of a thread, and a model's statements with their proofs."""

from dataclasses import dataclass
from datetime import datetime

from bot.values.commit import Commit, Release
from bot.values.digest import Evidence


@dataclass(frozen=True, slots=True)
class Turn:
    """A question, or a line of the grammar, and the commits `shas` of `repo` that the answer was about.

    `answer` is its text, empty if it was only about commits; `person` is who asked.
    """

    at: datetime
    question: str
    answer: str
    repo: str
    shas: tuple[str, ...] = ()
    person: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """The proof of a statement: a place in a commit, a release, or a `note` of the program, as when nothing was found.

    `tree` is the commit or release in whose tree the place was looked up, which need not be related to it; `newest`
    says that it is the newest commit. The note with a release says which one it is among the others; with a commit it
    is what the program knows of it.
    """

    commit: Commit | None = None
    evidence: Evidence | None = None
    release: Release | None = None
    note: str = ""
    tree: str = ""
    newest: bool = False


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence of an answer, with its proof; `also` has those of its further parts."""

    text: str
    proof: Proof
    also: tuple[Proof, ...] = ()

    @property
    def proofs(self) -> tuple[Proof, ...]:
        """All that shows it."""
        return (self.proof, *self.also)


@dataclass(frozen=True, slots=True)
class Answered:
    """The statements of an answer, empty if it is unknown; `by` is the model, which saw `pieces` pieces.

    `dropped` counts statements without proof, which are left out. `unknown` means that the statements do not answer the
    question, but say what is known instead.
    """

    statements: tuple[Statement, ...]
    by: str
    pieces: int
    dropped: int = 0
    unknown: bool = False
