"""The shapes of a language model's answers: their fields, and what fits into each. Pure."""

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import partial
from typing import Annotated, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)

from bot.values import Aspect, ChangeType, Importance, LookKind, sanitize

MOST_LOOKS = 20
"""Things that one draft may want looked up, whatever the depth."""

SEARCH = "search"
"""What stands in place of a path where a search is the evidence."""

MOST_ALSO, MOST_LINES = 3, 10_000_000
"""Pieces of evidence beside the first of a statement, and the highest number of a line."""


def _lowered(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


_SPACES = re.compile(r"(`[^`\n]{1,300}`)|\s+")


def _cleaned(value: object) -> object:
    """A text on one line with single spaces, but for code between backticks: there an indent may be the point."""
    if not isinstance(value, str):
        return value
    text = _SPACES.sub(lambda found: found[1].replace("\t", " ") if found[1] else " ", sanitize(value))
    return text.strip()


_ENDED = re.compile(r"[.!?。！？…:：][)\]}\"'`*’”」』）】》]*$")


def is_ended(value: str) -> bool:
    """Whether a text ends as a sentence does: one that does not was cut off, whatever the service says."""
    return bool(_ENDED.search(value))


def _ended(value: str) -> str:
    if not is_ended(value):
        raise ValueError("does not end as a sentence does")
    return value


def _first(most: int) -> BeforeValidator:
    """The first of a list: a model that goes on loses what is beyond, not the answer."""
    return BeforeValidator(lambda value: value[:most] if isinstance(value, list) else value)


_Word = BeforeValidator(_lowered)


_Text = Annotated[str, BeforeValidator(_cleaned)]


_Short = Annotated[_Text, Field(max_length=300)]


_Reason = Annotated[_Text, Field(min_length=1, max_length=200)]


_Effect = Annotated[_Text, Field(max_length=600)]


_Sentence = Annotated[_Text, Field(min_length=1, max_length=600), AfterValidator(_ended)]


_Long = Annotated[_Text, Field(min_length=1, max_length=2000), AfterValidator(_ended)]


class ImpactReply(BaseModel):
    """What changes for a component."""

    component: _Short
    paths: Annotated[list[str], _first(5), Field(max_length=5)]
    before: _Effect
    effect: _Effect


def _line(value: object) -> object:
    """A line's number; what cannot be one costs nothing but itself."""
    number = isinstance(value, int) and not isinstance(value, bool)
    return value if number and 0 <= value <= MOST_LINES else 0  # type: ignore[operator]


_Line = Annotated[int, BeforeValidator(_line)]


class ProofReply(BaseModel):
    """Where something can be seen: a quote, and about at which line it begins where that is known, else 0."""

    path: str
    quote: str
    line: _Line = 0


_Also = Annotated[list[ProofReply], _first(MOST_ALSO), Field(max_length=MOST_ALSO)]


class StatementReply(BaseModel):
    """A statement with its evidence, one piece for each part of it."""

    text: _Long
    path: str
    quote: str
    line: _Line = 0
    also: _Also = []

    @property
    def proofs(self) -> tuple[ProofReply, ...]:
        """All of its evidence."""
        return (ProofReply(path=self.path, quote=self.quote, line=self.line), *self.also)


class InsightReply(StatementReply):
    """An observation on one aspect."""

    aspect: Annotated[Aspect, _Word]


class RiskReply(StatementReply):
    """What can go wrong, and what to do about it."""

    mitigation: Annotated[_Text, Field(max_length=1000)]


class SuggestionReply(BaseModel):
    """Who should do what."""

    who: _Short
    action: Annotated[_Text, Field(min_length=1, max_length=600)]


_Impacts = Annotated[list[ImpactReply], _first(8), Field(max_length=8)]


_Suggestions = Annotated[list[SuggestionReply], _first(8), Field(max_length=8)]


_Risks = Annotated[list[RiskReply], _first(6), Field(max_length=6)]


_Types = Annotated[list[Annotated[ChangeType, _Word]], _first(2), Field(max_length=2)]


class CorrectionReply(BaseModel):
    """What the digest's row of a commit should say instead; empty where it is right."""

    types: _Types = []
    theme: Annotated[_Text, Field(max_length=80)] = ""
    sentence: Annotated[_Text, Field(max_length=600), AfterValidator(lambda value: value and _ended(value))] = ""


def _else_none(value: object, read: ValidatorFunctionWrapHandler) -> object:
    """A correction that cannot be used costs nothing but itself."""
    try:
        return read(value)
    except ValidationError:
        return CorrectionReply()


_Correction = Annotated[CorrectionReply, WrapValidator(_else_none)]


class Kind(StrEnum):
    """What of an analysis rests on evidence."""

    INSIGHT = "insight"
    RISK = "risk"


class NarrowedReply(BaseModel):
    """A statement that says more than its quotes, without what they do not show; empty where nothing is left."""

    kind: Annotated[Kind, _Word]
    number: int
    becomes: Annotated[_Text, Field(max_length=2000), AfterValidator(lambda value: value and _ended(value))]


def _usable(shape: type[BaseModel], value: object) -> object:
    """The entries of a list that can be used: each of the others costs nothing but itself."""
    if not isinstance(value, list):
        return []
    return [each for each in value if _is_usable(shape, each)]


def _is_usable(shape: type[BaseModel], value: object) -> bool:
    try:
        shape.model_validate(value)
    except ValidationError:
        return False
    return True


_Narrowed = Annotated[
    list[NarrowedReply], BeforeValidator(partial(_usable, NarrowedReply)), _first(10), Field(max_length=10)
]


class AnalysisReply(BaseModel):
    """The answer to an analysis question."""

    verdict: _Sentence
    summary: _Long
    impact: _Impacts
    insights: Annotated[list[InsightReply], _first(6), Field(max_length=6)]
    risks: _Risks
    suggestions: _Suggestions
    correction: _Correction = CorrectionReply()
    narrowed: _Narrowed = []

    def read_again(self) -> tuple[list[InsightReply], list[RiskReply]]:
        """The insights and the risks as they are after they were read again with nothing but their quotes."""
        become = {(each.kind, each.number): each.becomes for each in self.narrowed}
        return _narrowed(self.insights, Kind.INSIGHT, become), _narrowed(self.risks, Kind.RISK, become)


_Claimed = TypeVar("_Claimed", InsightReply, RiskReply)


def _narrowed(claims: list[_Claimed], kind: Kind, become: Mapping[tuple[Kind, int], str]) -> list[_Claimed]:
    texts = [become.get((kind, number), claim.text) for number, claim in enumerate(claims, 1)]
    pairs = zip(claims, texts, strict=True)
    return [claim.model_copy(update={"text": text}) for claim, text in pairs if text]


class ClaimReply(StatementReply):
    """A claim of a draft, what proves it, and what would refute it."""

    number: int
    refuted_by: Annotated[_Text, Field(max_length=600)]


class LookReply(BaseModel):
    """Something that a draft wants looked up, and for which claim."""

    kind: Annotated[LookKind, _Word]
    word: Annotated[str, Field(max_length=200)] = ""
    path: Annotated[str, Field(max_length=1000)] = ""
    line: _Line = 0
    until: _Line = 0
    why: Annotated[_Text, Field(max_length=300)] = ""


class DraftReply(BaseModel):
    """The answer to a question for a draft."""

    claims: Annotated[list[ClaimReply], _first(12), Field(max_length=12)]
    looks: Annotated[list[LookReply], _first(MOST_LOOKS), Field(max_length=MOST_LOOKS)]


class Outcome(StrEnum):
    """What became of a claim."""

    KEPT = "kept"
    CORRECTED = "corrected"
    DROPPED = "dropped"


class JudgedReply(BaseModel):
    """What became of a claim of the draft, and how it is now."""

    number: int
    outcome: Annotated[Outcome, _Word]
    becomes: Annotated[_Text, Field(max_length=2000)]


class LookedReply(AnalysisReply):
    """The analysis that has seen what was looked up."""

    claims: Annotated[list[JudgedReply], _first(24), Field(max_length=24)]


class OpenReply(LookedReply):
    """The same, with what would have to be looked up to settle what is still open."""

    looks: Annotated[list[LookReply], _first(6), Field(max_length=6)]


MOST_ADDED = 2
"""Quotes that a check adds to a statement."""


_Empty = BeforeValidator(lambda value: "" if value is None else value)
"""Nothing, as some models write an empty text."""


class TextReply(BaseModel):
    """How a text of an analysis must change: quotes that it lacks, or its words; empty words stay as they are."""

    number: int
    problem: Annotated[_Text, Field(max_length=600)] = ""
    also: Annotated[list[ProofReply], _first(MOST_ADDED), Field(max_length=MOST_ADDED)] = []
    becomes: Annotated[_Text, _Empty, Field(max_length=2000)] = ""
    drop: bool = False


_Texts = Annotated[list[TextReply], BeforeValidator(partial(_usable, TextReply)), _first(40), Field(max_length=40)]


class CheckReply(BaseModel):
    """The answer to a question about an analysis that somebody else wrote."""

    texts: _Texts


class NamedReply(BaseModel):
    """What is said of one commit of a list."""

    sha: str


def _ranked(value: object) -> object:
    """A rank from 0 to 10, to the nearest whole one; of a model that gives another or none, the grade has to do."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return round(value) if number and 0 <= value <= MOST_RANK else None  # type: ignore[operator,call-overload]


MOST_RANK = 10
_Rank = Annotated[
    int | None,
    BeforeValidator(_ranked),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": MOST_RANK}),
]


class GradeReply(NamedReply):
    """A grade, and how much is lost for who does not hear of the commit."""

    importance: Annotated[Importance, _Word]
    rank: _Rank = None
    types: Annotated[_Types, Field(min_length=1)]
    theme: Annotated[_Text, Field(max_length=80)]
    reason: _Reason
    sentence: _Sentence


class TriageReply(BaseModel):
    """The answer to a triage question."""

    commits: list[GradeReply]


class DecisionReply(NamedReply):
    """A disputed grade, decided."""

    importance: Annotated[Importance, _Word]
    rank: _Rank = None
    reason: _Reason


class SecondReply(BaseModel):
    """The answer to a question about disputed grades."""

    commits: list[DecisionReply]


class DescriptionReply(NamedReply):
    """A medium analysis."""

    summary: _Long
    impact: _Impacts
    risks: _Risks
    suggestions: _Suggestions
    correction: _Correction = CorrectionReply()


class BatchReply(BaseModel):
    """The answer to a question about several commits."""

    commits: list[DescriptionReply]


class OverviewReply(BaseModel):
    """The answer to an overview question."""

    overview: Annotated[_Text, Field(min_length=1, max_length=1500), AfterValidator(_ended)]


class Tool(StrEnum):
    """What can be shown to who answers a question; nothing else can."""

    COMMITS = "commits"
    COMMIT = "commit"
    TOUCHING = "touching"
    SEARCH = "search"
    WORD = "word"
    PLACE = "place"
    RELEASES = "releases"


class WantedReply(BaseModel):
    """Something that is to be shown before a question is answered."""

    tool: Annotated[Tool, _Word]
    name: Annotated[_Text, Field(max_length=100)] = ""
    words: Annotated[_Text, Field(max_length=200)] = ""
    path: Annotated[str, Field(max_length=1000)] = ""
    line: _Line = 0
    last: _Line = 0
    since: Annotated[_Text, Field(max_length=40)] = ""
    until: Annotated[_Text, Field(max_length=40)] = ""


MOST_SHOWN = 2
"""Quotes beside the first of a statement of an answer."""


class ShownReply(BaseModel):
    """A quote, with the piece that it is from."""

    source: Annotated[_Text, Field(max_length=20)]
    path: Annotated[str, Field(max_length=1000)] = ""
    quote: str


_Shown = Annotated[list[ShownReply], _first(MOST_SHOWN), Field(max_length=MOST_SHOWN)]


class SaidReply(BaseModel):
    """A statement of an answer, with the pieces that show it and the words that do."""

    text: Annotated[_Text, Field(min_length=1, max_length=500), AfterValidator(_ended)]
    source: Annotated[_Text, Field(max_length=20)]
    path: Annotated[str, Field(max_length=1000)] = ""
    quote: str
    also: _Shown = []

    @property
    def proofs(self) -> tuple[ShownReply, ...]:
        """All that shows it."""
        return (ShownReply(source=self.source, path=self.path, quote=self.quote), *self.also)


MOST_SAID, MOST_WANTED = 6, 4
"""Statements of an answer, and things that are shown at once."""


class ReadReply(BaseModel):
    """How a statement reads with nothing but its quotes: what they do not show, and the statement without that."""

    number: int
    misses: Annotated[_Text, Field(max_length=600)] = ""
    becomes: Annotated[_Text, Field(max_length=2000)] = ""


class ReviewReply(BaseModel):
    """The answer to a question about statements and their quotes."""

    statements: Annotated[list[ReadReply], _first(2 * MOST_SAID), Field(max_length=2 * MOST_SAID)]


class StepReply(BaseModel):
    """A step towards an answer: what is to be shown, or the answer, or that it is not known."""

    looks: Annotated[list[WantedReply], _first(MOST_WANTED), Field(max_length=MOST_WANTED)]
    answer: Annotated[list[SaidReply], _first(MOST_SAID), Field(max_length=MOST_SAID)]
    unknown: bool
