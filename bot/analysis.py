"""What a language model is asked, and how its reply is read and checked. Pure.

A reply is taken only when it is complete, has the right shape, is in the right language, speaks of the commits that
were asked about, and gives evidence that is really there. `Rejected` says, for the model, what was wrong, so that it
can be asked once more.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from bot import patch
from bot.patch import Selection
from bot.texts import prompt
from bot.triage import Judgement
from bot.values import (
    Analysis,
    Aspect,
    ChangeType,
    Commit,
    Entry,
    Evidence,
    FilePatch,
    Finish,
    Grade,
    Impact,
    Importance,
    Insight,
    Question,
    Reply,
    Repository,
    Risk,
    Suggestion,
    inert,
    one_line,
)

TRIAGE, ANALYSIS, BATCH, OVERVIEW = "triage.v1", "analysis.v1", "batch.v1", "overview.v1"
"""The prompts in use; an analysis is kept under the name of the prompt that made it."""

TRIAGE_SIZE = 60
"""Commits in one triage question: a longer day is split."""
BATCH_SIZE = 6
"""Medium commits in one question."""
HIGH_TOKENS, MEDIUM_TOKENS = 2_000, 350
"""Tokens of patch that a commit has on average; small patches leave theirs to large ones."""
ALONE_TOKENS = 12_000
"""Tokens of patch for a commit that is asked about by itself."""
_SHARE_LIMIT = 4
"""A commit gets at most so many times the average."""

_LANGUAGES = {"en": "English", "zh": "Simplified Chinese (简体中文)"}


class Rejected(Exception):
    """A reply that cannot be used; the message tells the model what was wrong."""


# --- The shape of replies --------------------------------------------------------------------


def _lowered(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


_Word = BeforeValidator(_lowered)
_Short = Annotated[str, Field(max_length=300)]
_Long = Annotated[str, Field(min_length=1, max_length=2000)]


class _ImpactReply(BaseModel):
    component: _Short
    paths: list[str]
    effect: Annotated[str, Field(max_length=600)]


class _InsightReply(BaseModel):
    aspect: Annotated[Aspect, _Word]
    text: _Long
    path: str
    quote: str


class _RiskReply(BaseModel):
    text: _Long
    path: str
    quote: str
    mitigation: Annotated[str, Field(max_length=1000)]


class _SuggestionReply(BaseModel):
    who: _Short
    action: Annotated[str, Field(min_length=1, max_length=600)]


class AnalysisReply(BaseModel):
    """The answer to an analysis question."""

    summary: _Long
    impact: list[_ImpactReply]
    insights: list[_InsightReply]
    risks: list[_RiskReply]
    suggestions: list[_SuggestionReply]


class _GradeReply(BaseModel):
    sha: str
    importance: Annotated[Importance, _Word]
    types: list[Annotated[ChangeType, _Word]] = Field(min_length=1)
    theme: Annotated[str, Field(max_length=80)]
    reason: Annotated[str, Field(min_length=1, max_length=200)]
    sentence: Annotated[str, Field(min_length=1, max_length=600)]


class TriageReply(BaseModel):
    """The answer to a triage question."""

    commits: list[_GradeReply]


class _DescriptionReply(BaseModel):
    sha: str
    summary: _Long
    impact: list[_ImpactReply]
    suggestions: list[_SuggestionReply]


class BatchReply(BaseModel):
    """The answer to a question about several commits."""

    commits: list[_DescriptionReply]


class OverviewReply(BaseModel):
    """The answer to an overview question."""

    overview: Annotated[str, Field(min_length=1, max_length=1500)]


# --- Questions -------------------------------------------------------------------------------


def _question(name: str, shape: type[BaseModel], data: str, data_name: str, max_tokens: int, **blanks: str) -> Question:
    # The mark depends on the data, so that nothing in the data can hold it and end the data early.
    mark = hashlib.sha256(data.encode("utf-8", "replace")).hexdigest()[:16]
    blanks |= {data_name: data, "mark": mark, "language": _LANGUAGES[blanks["language"]]}
    system, user = prompt(name, **blanks)
    return Question(name, system, user, shape.model_json_schema(), max_tokens)


def again(question: Question, problem: str) -> Question:
    """The same question once more, with what was wrong with the first answer."""
    note = f"\n\nYour previous answer could not be used: {problem}\nAnswer again, completely, with JSON only."
    return replace(question, user=question.user + note)


def triage_question(
    repository: Repository, commits: Sequence[Commit], judged: Sequence[Judgement], language: str
) -> Question:
    """Ask for the grades of a day's commits, with the rules' grades as a prior."""
    data = "\n".join(_listed(c, j) for c, j in zip(commits, judged, strict=True))
    blanks = {"repository": repository.title, "count": str(len(commits)), "language": language}
    return _question(TRIAGE, TriageReply, data, "commits", 600 + 160 * len(commits), **blanks)


def _listed(commit: Commit, judged: Judgement) -> str:
    kinds = ", ".join(f"{n} {name}" for name, n in sorted(judged.features.kinds.items(), key=lambda k: -k[1]))
    prior = f"{judged.importance}{' always' if judged.always else ''}"
    size = f"+{commit.added} -{commit.removed} in {len(commit.files)} files ({kinds or 'generated'})"
    said = one_line(commit.body, 200)
    return f"{commit.short} | prior {prior} | {size} | {one_line(commit.subject, 200)}" + (f" | {said}" if said else "")


def analysis_question(repository: Repository, commit: Commit, seen: Selection, language: str) -> Question:
    """Ask for the full analysis of one commit."""
    blanks = {"repository": repository.title, "language": language}
    return _question(ANALYSIS, AnalysisReply, _described(commit, seen, 2000), "commit", 4_000, **blanks)


def batch_question(repository: Repository, commits: Sequence[tuple[Commit, Selection]], language: str) -> Question:
    """Ask for the summaries of several commits."""
    data = "\n\n".join(_described(commit, seen, 400) for commit, seen in commits)
    blanks = {"repository": repository.title, "count": str(len(commits)), "language": language}
    return _question(BATCH, BatchReply, data, "commits", 600 + 500 * len(commits), **blanks)


def overview_question(repository: Repository, entries: Sequence[Entry], language: str) -> Question:
    """Ask for the digest's opening sentences."""
    order = sorted(entries, key=lambda e: (list(Importance).index(e.grade.importance), -e.grade.score))[:TRIAGE_SIZE]
    data = "\n".join(
        f"{e.grade.importance} | {e.grade.theme or 'no theme'} | {one_line(e.commit.subject, 120)}"
        + (f" | {one_line(e.analysis.summary, 300)}" if e.grade.importance is Importance.HIGH else "")
        for e in order
    )
    return _question(OVERVIEW, OverviewReply, data, "commits", 800, repository=repository.title, language=language)


def _described(commit: Commit, seen: Selection, body_limit: int) -> str:
    """A commit as a model sees it: message, the patch's chosen hunks, and what of it is not shown."""
    body = inert(commit.body)
    if len(body) > body_limit:
        body = f"{body[:body_limit]}\n[the message goes on]"
    lines = [
        f"commit {commit.short} by {one_line(commit.author, 80)}",
        one_line(commit.subject, 300),
        body,
        inert(seen.text),
    ]
    if seen.left_out:
        named = list(seen.left_out[:20])
        if len(seen.left_out) > 20:
            named.append(f"and {len(seen.left_out) - 20} more files")
        lines.append("Not shown: " + "; ".join(named))
    return "\n".join(line for line in lines if line)


def shares(sizes: Sequence[int], average: int) -> tuple[int, ...]:
    """A fair share of `average` tokens a commit for each size: what small ones leave goes to large ones."""
    left, result = average * len(sizes), [0] * len(sizes)
    order = sorted(range(len(sizes)), key=lambda i: sizes[i])
    for number, i in enumerate(order):
        result[i] = min(sizes[i], left // (len(order) - number), _SHARE_LIMIT * average)
        left -= result[i]
    return tuple(result)


# --- Reading replies -------------------------------------------------------------------------

_Shape = TypeVar("_Shape", bound=BaseModel)
_CJK = re.compile(r"[\u3400-\u9fff]")
_LETTER = re.compile(r"[^\W\d_]")


def _parsed(reply: Reply, shape: type[_Shape]) -> _Shape:
    """The reply in its shape. Raises Rejected when it is cut off, refused, no JSON, or of another shape."""
    if reply.finish is Finish.LENGTH:
        raise Rejected("it was cut off; be shorter.")
    if reply.finish is Finish.REFUSED:
        raise Rejected("it was refused; only describe the change.")
    try:
        return shape.model_validate(_json(reply.text))
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False, include_context=False)[:5]
        told = "; ".join(f"{'.'.join(str(part) for part in p['loc'])}: {p['msg']}" for p in problems)
        raise Rejected(f"fields are wrong: {told}.") from None


def _json(text: str) -> object:
    """The JSON object in a text, whatever stands around it."""
    start = text.find("{")
    if start < 0:
        raise Rejected("it held no JSON object.")
    try:
        found, _ = json.JSONDecoder(strict=False).raw_decode(text, start)
    except (json.JSONDecodeError, RecursionError):
        raise Rejected("its JSON was not complete or not valid.") from None
    return found


def _in_language(text: str, language: str) -> bool:
    """Whether a text reads as the language: identifiers and names in it are often not."""
    letters, chinese = len(_LETTER.findall(text)), len(_CJK.findall(text))
    if letters < 20:
        return True
    return chinese >= letters * 0.08 if language == "zh" else chinese <= letters * 0.3


def _check_language(language: str, *texts: str) -> None:
    if not _in_language(" ".join(texts), language):
        raise Rejected(f"it was not in {_LANGUAGES[language]}.")


def read_triage(
    reply: Reply, commits: Sequence[Commit], judged: Sequence[Judgement], language: str
) -> tuple[Grade, ...]:
    """Grades in the order of `commits`. Raises Rejected unless each commit is graded once and no other is."""
    answers = _by_sha(_parsed(reply, TriageReply).commits, commits)
    _check_language(language, *(a.sentence for a in answers.values()))
    return tuple(_grade(answers[c.sha], j, reply.usage.model) for c, j in zip(commits, judged, strict=True))


def _grade(answer: _GradeReply, judged: Judgement, model: str) -> Grade:
    wish = Importance.HIGH if judged.always else answer.importance
    # The rank within a day: the model's grade first, the rules' score among equals.
    score = (2 - list(Importance).index(wish) + judged.score) / 3
    return Grade(
        importance=wish,
        types=tuple(dict.fromkeys(answer.types))[:2],
        reason=one_line(answer.reason),
        sentence=one_line(answer.sentence),
        score=score,
        theme=one_line(answer.theme),
        by=model,
    )


_Answer = TypeVar("_Answer", _GradeReply, _DescriptionReply)


def _by_sha(answers: Sequence[_Answer], commits: Sequence[Commit]) -> dict[str, _Answer]:
    """Answers by full SHA. Raises Rejected for a commit that is missing, doubled, or was not asked about."""
    found: dict[str, _Answer] = {}
    for answer in answers:
        said = answer.sha.strip().lower()
        match = [c.sha for c in commits if len(said) >= 7 and c.sha.startswith(said)]
        if len(match) != 1 or match[0] in found:
            raise Rejected(f"commit {one_line(said, 20)} is doubled or not in the list.")
        found[match[0]] = answer
    if missing := [c.short for c in commits if c.sha not in found]:
        raise Rejected(f"these commits are missing: {', '.join(missing[:20])}.")
    return found


@dataclass(frozen=True, slots=True)
class Checked:
    """An analysis of which only the proven statements are left, and what was wrong with the others."""

    analysis: Analysis
    problems: tuple[str, ...]


def read_analysis(
    reply: Reply, commit: Commit, patches: Sequence[FilePatch], coverage: float, language: str
) -> Checked:
    """The full analysis of one commit. Raises Rejected; statements without evidence are dropped and told."""
    answer = _parsed(reply, AnalysisReply)
    _check_language(language, answer.summary, *(r.text for r in answer.risks), *(i.text for i in answer.insights))
    insights, bad_insights = _proven(answer.insights, commit, patches)
    risks, bad_risks = _proven(answer.risks, commit, patches)
    problems = (*bad_insights, *bad_risks)
    analysis = Analysis(
        summary=one_line(answer.summary),
        impact=_impacts(answer.impact, commit),
        insights=tuple(Insight(i.aspect, one_line(i.text), e) for i, e in insights),
        risks=tuple(Risk(one_line(r.text), e, one_line(r.mitigation)) for r, e in risks),
        suggestions=_suggestions(answer.suggestions),
        by=reply.usage.model,
        coverage=coverage,
        dropped=len(problems),
    )
    return Checked(analysis, problems)


_Claim = TypeVar("_Claim", _InsightReply, _RiskReply)


def _proven(
    claims: Sequence[_Claim], commit: Commit, patches: Sequence[FilePatch]
) -> tuple[list[tuple[_Claim, Evidence]], list[str]]:
    """The claims whose evidence is really there, and what is wrong with the others."""
    good: list[tuple[_Claim, Evidence]] = []
    bad: list[str] = []
    for claim in claims:
        if evidence := patch.find(commit, patches, claim.path.strip("` "), claim.quote):
            good.append((claim, evidence))
        else:
            bad.append(f"{one_line(claim.path, 80)} does not hold the quote {one_line(claim.quote, 80)}")
    return good, bad


def _impacts(answers: Sequence[_ImpactReply], commit: Commit) -> tuple[Impact, ...]:
    """Impacts with only those paths that the commit really changes."""
    known = {f.path for f in commit.files}
    return tuple(
        Impact(one_line(a.component), tuple(p for p in dict.fromkeys(a.paths) if p in known)[:5], one_line(a.effect))
        for a in answers
        if a.component.strip()
    )


def _suggestions(answers: Sequence[_SuggestionReply]) -> tuple[Suggestion, ...]:
    return tuple(Suggestion(one_line(a.who), one_line(a.action)) for a in answers if a.who.strip())


def read_batch(reply: Reply, commits: Sequence[tuple[Commit, Selection]], language: str) -> Mapping[str, Analysis]:
    """Analyses by SHA. Raises Rejected unless each commit is described once and no other is."""
    answers = _by_sha(_parsed(reply, BatchReply).commits, [commit for commit, _ in commits])
    _check_language(language, *(a.summary for a in answers.values()))
    return {
        commit.sha: Analysis(
            summary=one_line(answers[commit.sha].summary),
            impact=_impacts(answers[commit.sha].impact, commit),
            suggestions=_suggestions(answers[commit.sha].suggestions),
            by=reply.usage.model,
            coverage=seen.coverage,
        )
        for commit, seen in commits
    }


def read_overview(reply: Reply, language: str) -> str:
    """The digest's opening sentences. Raises Rejected."""
    answer = _parsed(reply, OverviewReply).overview
    _check_language(language, answer)
    return one_line(answer)
