"""The texts of an analysis, as a second reader checks them: with the code around each quote. Pure.

Who has not written an analysis sees where it says more than its quotes do, and which line next to them it left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from bot.commits import lookup
from bot.values import Analysis, Commit, Evidence, Impact, Insight, Look, LookKind, Risk, Suggestion

AROUND, MOST_PROOFS = 10, 5
"""Lines to show on each side of a quote, and the most quotes of a statement after the check."""


@dataclass(frozen=True, slots=True)
class Point:
    """One text of an analysis: what it says what of, and the evidence that is shown with it."""

    about: str
    text: str
    proofs: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """What a check makes of a text, empty if it is left out, and the quotes that it adds."""

    text: str
    also: tuple[Evidence, ...] = ()


def points(analysis: Analysis) -> tuple[Point, ...]:
    """The texts of an analysis in a fixed order, the verdict and the summary first; there is none without words."""
    found = [Point("verdict", analysis.verdict), Point("summary", analysis.summary)]
    for impact in analysis.impact:
        found += [Point(f"{impact.component}, before", impact.before), Point(f"{impact.component}, now", impact.effect)]
    found += [Point(f"insight, {each.aspect}", each.text, (each.evidence, *each.also)) for each in analysis.insights]
    for risk in analysis.risks:
        found += [Point("risk", risk.text, (risk.evidence, *risk.also)), Point("its fix", risk.mitigation)]
    found += [Point(f"for {each.who}", each.action) for each in analysis.suggestions]
    return tuple(point for point in found if point.text)


def around(analysis: Analysis, commit: Commit) -> tuple[Look, ...]:
    """What to look up so that the code around each quote can be shown: neighbouring places as one, risks first."""
    spans: dict[tuple[LookKind, str], list[tuple[int, int]]] = {}
    statements: tuple[Risk | Insight, ...] = (*analysis.risks, *analysis.insights)
    for statement in statements:
        for proof in (statement.evidence, *statement.also):
            if proof.path and proof.line:
                span = max(proof.line - AROUND, 1), (proof.last or proof.line) + AROUND
                spans.setdefault((_side(proof, commit), proof.path), []).append(span)
    looks = [
        Look(kind, path=path, line=first, until=last)
        for (kind, path), found in spans.items()
        for first, last in _joined(found)
    ]
    return tuple(looks[: lookup.LOOKS])


def _side(proof: Evidence, commit: Commit) -> LookKind:
    is_before = proof.removed or proof.sha not in {"", commit.sha}
    return LookKind.BEFORE if is_before else LookKind.PLACE


def _joined(spans: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Spans of lines, those that overlap as one, as long as a look may be."""
    first, last = 0, -1
    for start, end in sorted(spans):
        if start > last + 1 or end - first >= lookup.LONGEST:
            if last > 0:
                yield first, last
            first, last = start, end
        last = max(last, end)
    if last > 0:
        yield first, last


def mended(analysis: Analysis, changes: Mapping[int, Change]) -> Analysis:
    """The analysis with `changes`, by the numbers of its `points` from 1 on; what has no words left is left out."""
    said = _Said(changes)
    return replace(
        analysis,
        verdict=said.words(analysis.verdict) or analysis.verdict,
        summary=said.words(analysis.summary) or analysis.summary,
        impact=tuple(filter(None, [said.impact(each) for each in analysis.impact])),
        insights=tuple(filter(None, [said.proven(each) for each in analysis.insights])),
        risks=tuple(filter(None, [said.risk(each) for each in analysis.risks])),
        suggestions=tuple(filter(None, [said.suggestion(each) for each in analysis.suggestions])),
    )


_Proven = TypeVar("_Proven", Insight, Risk)


class _Said:
    """The changes, taken in the order of the points."""

    def __init__(self, changes: Mapping[int, Change]) -> None:
        self._changes = changes
        self._number = 0

    def _next(self, text: str) -> Change:
        self._number += bool(text)
        return self._changes.get(self._number, Change(text)) if text else Change("")

    def words(self, text: str) -> str:
        return self._next(text).text

    def impact(self, impact: Impact) -> Impact | None:
        before, effect = self.words(impact.before), self.words(impact.effect)
        return replace(impact, before=before, effect=effect) if effect or not impact.effect else None

    def proven(self, statement: _Proven) -> _Proven | None:
        change = self._next(statement.text)
        first, *rest = _with(change.also, (statement.evidence, *statement.also))
        return replace(statement, text=change.text, evidence=first, also=tuple(rest)) if change.text else None

    def risk(self, risk: Risk) -> Risk | None:
        proven = self.proven(risk)
        mitigation = self.words(risk.mitigation)
        return replace(proven, mitigation=mitigation) if proven else None

    def suggestion(self, suggestion: Suggestion) -> Suggestion | None:
        action = self.words(suggestion.action)
        return replace(suggestion, action=action) if action else None


def _with(more: Sequence[Evidence], proofs: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """The quotes of a statement with `more`; one stays next to a wider one, of which a message shows the beginning."""
    return tuple(dict.fromkeys((*proofs, *more)))[:MOST_PROOFS]
