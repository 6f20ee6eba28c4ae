"""What a language model is asked, and how its reply is read and checked. Pure.

A reply is taken only when it is complete, has the right shape, is in the right language, speaks of the commits that
were asked about, and gives evidence that is really there. `Rejected` says, for the model, what was wrong, so that it
can be asked once more.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from bot.commits.patch import EvidenceIndex, Selection
from bot.judgement.triage import Judgement
from bot.texts import prompt
from bot.values import (
    Analysis,
    Aspect,
    ChangeType,
    Commit,
    Entry,
    Evidence,
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
    one_line,
    sanitize,
)

TRIAGE, SECOND, OVERVIEW = "triage.v1", "second.v1", "overview.v1"
ANALYSIS, BATCH, MERGE = "analysis.v1", "batch.v1", "merge.v1"
"""The prompts in use; an analysis is kept under the name of the prompt that made it."""
PROMPTS = (TRIAGE, SECOND, ANALYSIS, BATCH, MERGE, OVERVIEW)

TRIAGE_SIZE = 60
"""Commits in one triage question: a longer day is split."""
BATCH_SIZE = 6
"""Medium commits in one question."""
HIGH_TOKENS, MEDIUM_TOKENS = 2_000, 350
"""Tokens of patch that a commit has on average; small patches leave theirs to large ones."""
ALONE_TOKENS, PARTS = 12_000, 4
"""Tokens of patch for a commit that is asked about by itself, and how often so many: a larger one is not read whole."""
SECOND_SIZE, SECOND_TOKENS = 6, 1_000
"""Commits that are looked at again with their patch in one day, and tokens of patch each has on average."""
_SHARE_LIMIT = 4
"""A commit gets at most so many times the average."""

_LANGUAGES = {"en": "English", "zh": "Simplified Chinese (简体中文)"}


class Rejected(Exception):
    """A reply that cannot be used; the message tells the model what was wrong, in our words alone.

    What the reply says never stands in the message: it may be copied from a commit, and would leave the data's fence.
    `found` holds what of a list is right, by SHA; `longer` says that the answer needs more room.
    """

    def __init__(self, problem: str, *, found: Mapping[str, Any] | None = None, longer: bool = False) -> None:
        super().__init__(problem)
        self.found = found or {}
        self.longer = longer


# --- The shape of replies --------------------------------------------------------------------


def _lowered(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _cleaned(value: object) -> object:
    return one_line(value) if isinstance(value, str) else value


_ENDED = re.compile(r"[.!?。！？…:：][)\]}\"'`*’”」』）】》]*$")


def _ended(value: str) -> str:
    """A text that ends as a sentence does: one that does not was cut off, whatever the service says."""
    if not _ENDED.search(value):
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


class _ImpactReply(BaseModel):
    component: _Short
    paths: Annotated[list[str], _first(5), Field(max_length=5)]
    effect: _Effect


class _InsightReply(BaseModel):
    aspect: Annotated[Aspect, _Word]
    text: _Long
    path: str
    quote: str


class _RiskReply(BaseModel):
    text: _Long
    path: str
    quote: str
    mitigation: Annotated[_Text, Field(max_length=1000)]


class _SuggestionReply(BaseModel):
    who: _Short
    action: Annotated[_Text, Field(min_length=1, max_length=600)]


_Impacts = Annotated[list[_ImpactReply], _first(8), Field(max_length=8)]
_Suggestions = Annotated[list[_SuggestionReply], _first(4), Field(max_length=4)]


class AnalysisReply(BaseModel):
    """The answer to an analysis question."""

    summary: _Long
    impact: _Impacts
    insights: Annotated[list[_InsightReply], _first(6), Field(max_length=6)]
    risks: Annotated[list[_RiskReply], _first(6), Field(max_length=6)]
    suggestions: _Suggestions


class _Named(BaseModel):
    sha: str


class _GradeReply(_Named):
    importance: Annotated[Importance, _Word]
    types: Annotated[list[Annotated[ChangeType, _Word]], _first(2), Field(min_length=1, max_length=2)]
    theme: Annotated[_Text, Field(max_length=80)]
    reason: _Reason
    sentence: _Sentence


class TriageReply(BaseModel):
    """The answer to a triage question."""

    commits: list[_GradeReply]


class _SecondReply(_Named):
    importance: Annotated[Importance, _Word]
    reason: _Reason


class SecondReply(BaseModel):
    """The answer to a question about disputed grades."""

    commits: list[_SecondReply]


class _DescriptionReply(_Named):
    summary: _Long
    impact: _Impacts
    suggestions: _Suggestions


class BatchReply(BaseModel):
    """The answer to a question about several commits."""

    commits: list[_DescriptionReply]


class OverviewReply(BaseModel):
    """The answer to an overview question."""

    overview: Annotated[_Text, Field(min_length=1, max_length=1500), AfterValidator(_ended)]


# --- Questions -------------------------------------------------------------------------------


# What tokenizers of chat models read as the end of a turn or of a thought, wherever it stands (ChatML, Llama 2 and 3,
# Gemma, DeepSeek). With a space in it, it is text; evidence is found whatever its white space.
_CONTROL = re.compile(r"<[|｜]|[|｜]>|<</?SYS>>|</?s>|</?think>|\[/?INST\]|<(?:start|end)_of_turn>", re.IGNORECASE)


def _tamed(text: str) -> str:
    return _CONTROL.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)


def _question(name: str, shape: type[BaseModel], data: str, data_name: str, max_tokens: int, **blanks: str) -> Question:
    data = _tamed(sanitize(data))
    # The mark depends on the data, so that nothing in the data can hold it and end the data early.
    mark = hashlib.sha256(data.encode("utf-8", "replace")).hexdigest()[:16]
    blanks |= {data_name: data, "mark": mark, "language": _LANGUAGES[blanks["language"]]}
    blanks["repository"] = _tamed(one_line(blanks["repository"], 200))
    system, user = prompt(name, **blanks)
    return Question(name, system, user, shape.model_json_schema(), max_tokens)


def again(question: Question, problem: str, *, longer: bool = False) -> Question:
    """The same question once more, with what was wrong with the first answer; `longer` doubles the room for it."""
    note = f"\n\nYour previous answer could not be used: {problem}\nAnswer again, completely, with JSON only."
    room = question.max_tokens * (2 if longer else 1)
    return replace(question, user=question.user + note, max_tokens=room)


def names(commits: Sequence[Commit]) -> dict[str, str]:
    """By SHA, what each commit of a list is called: the first seven digits, or as many as tell all of them apart."""
    length = next((n for n in range(7, 64) if len({c.sha[:n] for c in commits}) == len(commits)), 64)
    return {c.sha: c.sha[:length] for c in commits}


def triage_question(
    repository: Repository, commits: Sequence[Commit], judged: Sequence[Judgement], language: str
) -> Question:
    """Ask for the grades of a day's commits, with the rules' grades as a prior."""
    called = names(commits)
    data = "\n".join(f"{called[c.sha]} | {_listed(c, j)}" for c, j in zip(commits, judged, strict=True))
    blanks = {"repository": repository.title, "count": str(len(commits)), "language": language}
    return _question(TRIAGE, TriageReply, data, "commits", 600 + 160 * len(commits), **blanks)


def _listed(commit: Commit, judged: Judgement) -> str:
    kinds = ", ".join(f"{n} {name}" for name, n in sorted(judged.features.kinds.items(), key=lambda k: -k[1]))
    prior = f"{judged.importance}{' always' if judged.always else ''}"
    size = f"+{commit.added} -{commit.removed} in {len(commit.files)} files ({kinds or 'generated'})"
    said = one_line(commit.reading.said, 200)
    return f"prior {prior} | {size} | {_titled(commit, 200)}" + (f" | {said}" if said else "")


def second_question(repository: Repository, commits: Sequence[tuple[Commit, Selection]], language: str) -> Question:
    """Ask for the grades of disputed commits, with their patches."""
    data = _all_described(commits, 400)
    blanks = {"repository": repository.title, "count": str(len(commits)), "language": language}
    return _question(SECOND, SecondReply, data, "commits", 300 + 60 * len(commits), **blanks)


def analysis_question(repository: Repository, commit: Commit, seen: Selection, language: str) -> Question:
    """Ask for the full analysis of one commit."""
    blanks = {"repository": repository.title, "language": language}
    return _question(ANALYSIS, AnalysisReply, _described(commit, commit.short, seen, 2000), "commit", 4_000, **blanks)


def merge_question(repository: Repository, commit: Commit, parts: Sequence[Analysis], language: str) -> Question:
    """Ask for one analysis out of those of a commit's parts."""
    message = f"    {_titled(commit, 300)}\n{_indented(commit.reading.said, 1000)}".rstrip()
    told = "\n\n".join(f"part {n}: {_as_json(part)}" for n, part in enumerate(parts, start=1))
    blanks = {"repository": repository.title, "count": str(len(parts)), "language": language}
    return _question(MERGE, AnalysisReply, f"{message}\n\n{told}", "parts", 4_000, **blanks)


def _as_json(part: Analysis) -> str:
    """A part's analysis in the shape of an answer."""
    shaped = AnalysisReply(
        summary=part.summary,
        impact=[_ImpactReply(component=i.component, paths=list(i.paths), effect=i.effect) for i in part.impact],
        insights=[
            _InsightReply(aspect=i.aspect, text=i.text, path=i.evidence.path, quote=i.evidence.quote)
            for i in part.insights
        ],
        risks=[
            _RiskReply(text=r.text, path=r.evidence.path, quote=r.evidence.quote, mitigation=r.mitigation)
            for r in part.risks
        ],
        suggestions=[_SuggestionReply(who=s.who, action=s.action) for s in part.suggestions],
    )
    return shaped.model_dump_json()


def batch_question(repository: Repository, commits: Sequence[tuple[Commit, Selection]], language: str) -> Question:
    """Ask for the summaries of several commits."""
    data = _all_described(commits, 400)
    blanks = {"repository": repository.title, "count": str(len(commits)), "language": language}
    return _question(BATCH, BatchReply, data, "commits", 600 + 500 * len(commits), **blanks)


def overview_question(repository: Repository, entries: Sequence[Entry], language: str) -> Question:
    """Ask for the digest's opening sentences."""
    order = sorted(entries, key=lambda e: (list(Importance).index(e.grade.importance), -e.grade.score))[:TRIAGE_SIZE]
    data = "\n".join(
        f"{e.grade.importance} | {e.grade.theme or 'no theme'} | {_titled(e.commit, 120)}"
        + (f" | {one_line(e.analysis.summary, 300)}" if e.grade.importance is Importance.HIGH else "")
        for e in order
    )
    return _question(OVERVIEW, OverviewReply, data, "commits", 800, repository=repository.title, language=language)


def _all_described(commits: Sequence[tuple[Commit, Selection]], body_limit: int) -> str:
    called = names([commit for commit, _ in commits])
    return "\n\n".join(_described(commit, called[commit.sha], seen, body_limit) for commit, seen in commits)


def _described(commit: Commit, name: str, seen: Selection, body_limit: int) -> str:
    """A commit as a model sees it: message, the patch's chosen hunks, and what of it is not shown.

    The message is indented, as git shows it: only our own lines start with `commit` or `===`.
    """
    lines = [
        f"commit {name} by {one_line(commit.reading.people[0].name, 80)}",
        f"    {_titled(commit, 300)}",
        _indented(commit.reading.said, body_limit),
        seen.text,
    ]
    if seen.left_out:
        named = list(seen.left_out[:20])
        if len(seen.left_out) > 20:
            named.append(f"and {len(seen.left_out) - 20} more files")
        lines.append("Not shown: " + "; ".join(named))
    return "\n".join(line for line in lines if line)


def _titled(commit: Commit, limit: int) -> str:
    """A commit's title with the number of its change request, as people write it."""
    return one_line(commit.reading.subject + (f" (#{commit.pull})" if commit.pull else ""), limit)


def _indented(body: str, limit: int) -> str:
    if len(body) > limit:
        body = f"{body[:limit]}\n[the message goes on]"
    return "\n".join(f"    {line}" for line in body.split("\n")) if body else ""


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
_Record = TypeVar("_Record", bound=_Named)
_Made = TypeVar("_Made")
_CJK = re.compile(r"[\u3400-\u9fff]")
_LETTER = re.compile(r"[^\W\d_]")


def _parsed(reply: Reply, shape: type[_Shape]) -> _Shape:
    """The reply in its shape. Raises Rejected when it is cut off, refused, no JSON, or of another shape."""
    if reply.finish is Finish.LENGTH:
        raise Rejected("it was cut off; be shorter.", longer=True)
    if reply.finish is Finish.REFUSED:
        raise Rejected("it was refused; only describe the change.")
    return _shaped(_json(reply.text), shape)


def _shaped(answer: object, shape: type[_Shape]) -> _Shape:
    try:
        return shape.model_validate(answer)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False, include_context=False)[:5]
        told = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg'].removeprefix('Value error, ')}" for p in problems)
        raise Rejected(f"fields are wrong: {told}.") from None


def _json(text: str) -> object:
    """The JSON object in a text, whatever stands around it."""
    start = text.find("{")
    if start < 0:
        raise Rejected("it held no JSON object.")
    try:
        found, _ = json.JSONDecoder(strict=False).raw_decode(text, start)
    except (ValueError, RecursionError):  # ValueError: also a number of more digits than Python reads
        raise Rejected("its JSON was not complete or not valid.", longer=True) from None
    return found


def _in_language(text: str, language: str) -> bool:
    """Whether a text reads as the language: identifiers and names in it are often not."""
    letters, chinese = len(_LETTER.findall(text)), len(_CJK.findall(text))
    if language == "zh":
        return letters < 20 or chinese >= letters * 0.08
    return chinese < 4 or chinese <= letters * 0.3


def _check_language(language: str, *texts: str) -> None:
    if not _in_language(" ".join(texts), language):
        raise Rejected(f"it was not in {_LANGUAGES[language]}.")


class _List(BaseModel):
    commits: list[object]


def _records(reply: Reply, shape: type[_Record], commits: Sequence[Commit]) -> tuple[dict[str, _Record], list[str]]:
    """The records of a list that are right, by SHA, and what is wrong with the others.

    One that is wrong costs no other its place; of a commit that is answered twice neither answer counts.
    """
    found: dict[str, _Record] = {}
    problems: list[str] = []
    doubled: set[str] = set()
    for number, answer in enumerate(_parsed(reply, _List).commits):
        try:
            record = _shaped(answer, shape)
        except Rejected as rejected:
            problems.append(f"entry {number}: {rejected}")
            continue
        said = record.sha.strip().lower()
        match = [c.sha for c in commits if len(said) >= 7 and c.sha.startswith(said)]
        if len(match) != 1:
            problems.append(f"entry {number}: its commit is not in the list.")
        elif match[0] in found or match[0] in doubled:
            problems.append(f"entry {number}: its commit is doubled.")
            doubled.add(match[0])
            found.pop(match[0], None)
        else:
            found[match[0]] = record
    return found, problems


def _complete(found: Mapping[str, _Made], problems: Sequence[str], commits: Sequence[Commit]) -> Mapping[str, _Made]:
    """`found`, where it holds every commit and nothing was wrong. Raises Rejected with what is right.

    Of an answer that leaves out most of the list nothing counts: it may be one that a commit dictated.
    """
    called = names(commits)
    missing = [called[c.sha] for c in commits if c.sha not in found]
    told = [*problems[:5], *([f"these commits are missing: {', '.join(missing[:20])}."] if missing else [])]
    if told:
        raise Rejected(" ".join(told), found=found if 2 * len(found) >= len(commits) else None)
    return found


def _spoken(
    found: Mapping[str, _Record], language: str, *texts: Callable[[_Record], str]
) -> tuple[dict[str, _Record], list[str]]:
    """The records whose `texts` are each in the language, and what is wrong with the others."""
    right = {sha: r for sha, r in found.items() if all(_in_language(text(r), language) for text in texts)}
    wrong = len(found) - len(right)
    return right, [f"{wrong} entries are not in {_LANGUAGES[language]}."] if wrong else []


def read_triage(
    reply: Reply, commits: Sequence[Commit], judged: Sequence[Judgement], language: str
) -> Mapping[str, Grade]:
    """Grades by SHA. Raises Rejected, with the grades that are right, unless each commit is graded once."""
    found, problems = _records(reply, _GradeReply, commits)
    spoken, foreign = _spoken(found, language, lambda r: f"{r.sentence} {r.reason} {r.theme}")
    prior = {c.sha: j for c, j in zip(commits, judged, strict=True)}
    grades = {sha: _grade(answer, prior[sha], reply.usage.model) for sha, answer in spoken.items()}
    return _complete(grades, [*problems, *foreign], commits)


def _grade(answer: _GradeReply, judged: Judgement, model: str) -> Grade:
    wish = Importance.HIGH if judged.always else answer.importance
    return Grade(
        importance=wish,
        types=tuple(dict.fromkeys(answer.types))[:2],
        reason=answer.reason,
        sentence=answer.sentence,
        score=_rank(wish, judged),
        theme=answer.theme,
        by=model,
    )


def _rank(wish: Importance, judged: Judgement) -> float:
    """The rank within a day: the model's grade first, the rules' score among equals."""
    return (2 - _ORDER.index(wish) + judged.score) / 3


_ORDER = list(Importance)


def disputed(grades: Mapping[str, Grade], commits: Sequence[Commit], judged: Sequence[Judgement]) -> tuple[Commit, ...]:
    """Commits that model and rules grade two steps apart, best scored first: those that are looked at again."""
    apart = [
        (c, j)
        for c, j in zip(commits, judged, strict=True)
        if c.sha in grades and abs(_ORDER.index(grades[c.sha].importance) - _ORDER.index(j.importance)) == 2
    ]
    return tuple(c for c, _ in sorted(apart, key=lambda pair: -pair[1].score)[:SECOND_SIZE])


def read_second(
    reply: Reply, grades: Mapping[str, Grade], commits: Sequence[Commit], judged: Sequence[Judgement], language: str
) -> Mapping[str, Grade]:
    """The disputed grades as the second look decides them. Raises Rejected as `read_triage` does."""
    found, problems = _records(reply, _SecondReply, commits)
    spoken, foreign = _spoken(found, language, lambda r: r.reason)
    prior = {c.sha: j for c, j in zip(commits, judged, strict=True)}
    decided = {
        sha: replace(
            grades[sha],
            importance=answer.importance,
            reason=answer.reason,
            score=_rank(answer.importance, prior[sha]),
        )
        for sha, answer in spoken.items()
        if not prior[sha].always
    }
    return _complete(decided, [*problems, *foreign], commits)


_INVENTED = 3
"""Statements without evidence, beside none with it, from which an answer is taken for an invention."""


def _words(answer: AnalysisReply) -> list[str]:
    """Every text of an answer that is in the reader's language."""
    claims = [*(i.text for i in answer.insights), *(w for r in answer.risks for w in (r.text, r.mitigation))]
    return [*claims, *_effects(answer.impact, answer.suggestions)]


def _effects(impact: Sequence[_ImpactReply], suggestions: Sequence[_SuggestionReply]) -> list[str]:
    return [*(i.effect for i in impact), *(s.action for s in suggestions)]


@dataclass(frozen=True, slots=True)
class Checked:
    """An analysis with only the proven of its `stated` statements, and what was wrong with the others."""

    analysis: Analysis
    problems: tuple[str, ...]
    stated: int

    @property
    def invented(self) -> bool:
        """Whether so many statements have no evidence, and none has, that the rest is not to be trusted either."""
        return self.stated == len(self.problems) >= _INVENTED


def read_analysis(reply: Reply, commit: Commit, proof: EvidenceIndex, coverage: float, language: str) -> Checked:
    """The full analysis of one commit. Raises Rejected; statements without evidence are dropped and told."""
    answer = _parsed(reply, AnalysisReply)
    _check_language(language, answer.summary)
    _check_language(language, *_words(answer))
    insights, bad_insights = _proven("insights", answer.insights, proof)
    risks, bad_risks = _proven("risks", answer.risks, proof)
    problems = (*bad_insights, *bad_risks)
    analysis = Analysis(
        summary=answer.summary,
        impact=_impacts(answer.impact, commit),
        insights=tuple(dict.fromkeys(Insight(i.aspect, i.text, e) for i, e in insights)),
        risks=tuple(dict.fromkeys(Risk(r.text, e, r.mitigation) for r, e in risks)),
        suggestions=_suggestions(answer.suggestions),
        by=reply.usage.model,
        coverage=coverage,
        dropped=len(problems),
    )
    return Checked(analysis, problems, len(answer.insights) + len(answer.risks))


def joined(parts: Sequence[Analysis]) -> Analysis:
    """One analysis out of those of a commit's parts, in their order, as long as one may be."""
    return replace(
        parts[0],
        summary=" ".join(part.summary for part in parts),
        impact=tuple(i for part in parts for i in part.impact)[:6],
        insights=tuple(i for part in parts for i in part.insights)[:4],
        risks=tuple(r for part in parts for r in part.risks)[:4],
        suggestions=tuple(s for part in parts for s in part.suggestions)[:3],
        coverage=min(1.0, sum(part.coverage for part in parts)),
        dropped=sum(part.dropped for part in parts),
    )


_Claim = TypeVar("_Claim", _InsightReply, _RiskReply)


def _proven(
    kind: str, claims: Sequence[_Claim], proof: EvidenceIndex
) -> tuple[list[tuple[_Claim, Evidence]], list[str]]:
    """The claims whose evidence is really there, and the places of the others."""
    good: list[tuple[_Claim, Evidence]] = []
    bad: list[str] = []
    for number, claim in enumerate(claims):
        if evidence := proof.find(claim.path.strip("` "), claim.quote):
            good.append((claim, evidence))
        else:
            bad.append(f"{kind}.{number}: the quote does not stand in the patch of that path.")
    return good, bad


def _impacts(answers: Sequence[_ImpactReply], commit: Commit) -> tuple[Impact, ...]:
    """Impacts with only those paths that the commit really changes; one that names none of them is left out."""
    known = {f.path for f in commit.files}
    found = (Impact(a.component, tuple(p for p in dict.fromkeys(a.paths) if p in known), a.effect) for a in answers)
    return tuple(dict.fromkeys(impact for impact in found if impact.component and impact.paths))


def _suggestions(answers: Sequence[_SuggestionReply]) -> tuple[Suggestion, ...]:
    return tuple(dict.fromkeys(Suggestion(a.who, a.action) for a in answers if a.who))


def read_batch(reply: Reply, commits: Sequence[tuple[Commit, Selection]], language: str) -> Mapping[str, Analysis]:
    """Analyses by SHA. Raises Rejected, with those that are right, unless each commit is described once."""
    asked = [commit for commit, _ in commits]
    found, problems = _records(reply, _DescriptionReply, asked)
    spoken, foreign = _spoken(
        found, language, lambda r: r.summary, lambda r: " ".join(_effects(r.impact, r.suggestions))
    )
    described = {
        commit.sha: Analysis(
            summary=spoken[commit.sha].summary,
            impact=_impacts(spoken[commit.sha].impact, commit),
            suggestions=_suggestions(spoken[commit.sha].suggestions),
            by=reply.usage.model,
            coverage=seen.coverage,
        )
        for commit, seen in commits
        if commit.sha in spoken
    }
    return _complete(described, [*problems, *foreign], asked)


_NAME = re.compile(r"[A-Za-z0-9_]*[0-9_][A-Za-z0-9_]*")


def read_overview(reply: Reply, asked: Question, language: str) -> str:
    """The digest's opening sentences. Raises Rejected, also where they name what no commit of the question does.

    Nobody can check an overview line by line, so no number, version or identifier in it may be of its own making.
    """
    answer = _parsed(reply, OverviewReply).overview
    _check_language(language, answer)
    told = {name.casefold() for name in _NAME.findall(asked.user)}
    if any(name.casefold() not in told for name in _NAME.findall(answer)):
        raise Rejected("it names a number or an identifier that is not in the list.")
    return answer
