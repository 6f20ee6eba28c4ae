"""What was asked and answered in a thread, as far as a later question refers to it."""

from dataclasses import dataclass
from datetime import datetime


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
