"""Parses and checks a language model's answers. Pure.

An answer is accepted only if it is complete, has the right shape, is in the right language, is about the commits that
were asked about, and gives evidence that is really there. `Rejected` explains to the model what was wrong, so that it
can be asked once more.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from bot.commits.patch import EvidenceIndex, Selection
from bot.judgement.checking import Change, Point
from bot.judgement.proofs import Finder
from bot.judgement.questions import SECOND_SIZE, cited, names
from bot.judgement.shapes import (
    MOST_RANK,
    SEARCH,
    AnalysisReply,
    CheckReply,
    CorrectionReply,
    DecisionReply,
    DescriptionReply,
    DraftReply,
    GradeReply,
    ImpactReply,
    InsightReply,
    LookedReply,
    NamedReply,
    OpenReply,
    Outcome,
    OverviewReply,
    ReadReply,
    ReviewReply,
    RiskReply,
    StepReply,
    SuggestionReply,
    WantedReply,
    is_ended,
)
from bot.judgement.triage import Judgement
from bot.languages import LANGUAGES
from bot.texts import Texts
from bot.values import (
    Analysis,
    Commit,
    Correction,
    Evidence,
    Finish,
    Grade,
    Impact,
    Importance,
    Insight,
    Look,
    Proof,
    Question,
    Reply,
    Risk,
    Statement,
    Suggestion,
)


class Rejected(Exception):
    """A reply that cannot be used; the message explains to the model what was wrong, in our own words.

    The message never contains the reply's text: it may be copied from a commit, and would be outside the data's fence.
    `found` holds the valid part of a list, by SHA; `longer` says that the answer needs more tokens.
    """

    def __init__(self, problem: str, *, found: Mapping[str, Any] | None = None, longer: bool = False) -> None:
        super().__init__(problem)
        self.found = found or {}
        self.longer = longer


_Shape = TypeVar("_Shape", bound=BaseModel)


_Record = TypeVar("_Record", bound=NamedReply)


_Made = TypeVar("_Made")


_CJK = re.compile(r"[\u3400-\u9fff]")


_LETTER = re.compile(r"[^\W\d_]")


_WRITTEN = re.compile(r"[A-Za-z][\w./:-]*", re.ASCII)
"""A word, a path or an identifier, with the punctuation after it."""


def _parsed(reply: Reply, shape: type[_Shape]) -> _Shape:
    """The reply in its shape. Raises Rejected if it is cut off, refused, or not JSON of that shape."""
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
        wrong = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg'].removeprefix('Value error, ')}" for p in problems)
        raise Rejected(f"fields are wrong: {wrong}.") from None


def _json(text: str) -> object:
    """The JSON object in a text, whatever is around it."""
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
    if LANGUAGES[language].chinese:
        text = _WRITTEN.sub(_unless_identifier, text)
    letters, chinese = len(_LETTER.findall(text)), len(_CJK.findall(text))
    if LANGUAGES[language].chinese:
        return letters < 20 or chinese >= letters * 0.08
    return chinese < 4 or chinese <= letters * 0.3


def _unless_identifier(found: re.Match[str]) -> str:
    word = found[0].rstrip("./:-")
    return found[0] if word.isalpha() and word[1:].islower() else ""


def _check_language(language: str, *texts: str) -> None:
    if not _in_language(" ".join(texts), language):
        raise Rejected(f"it was not in {LANGUAGES[language].prompt}.")


class _List(BaseModel):
    commits: list[object]


def _records(reply: Reply, shape: type[_Record], commits: Sequence[Commit]) -> tuple[dict[str, _Record], list[str]]:
    """The valid records of a list, by SHA, and the problems of the others.

    An invalid one does not affect others; if a commit is answered twice, neither answer counts.
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
    """`found`, if it has every commit and nothing was wrong. Raises Rejected with the valid ones.

    If an answer leaves out most of the list, nothing in it counts: a commit's text may have asked for that.
    """
    called = names(commits)
    missing = [called[c.sha] for c in commits if c.sha not in found]
    complaints = [*problems[:5], *([f"these commits are missing: {', '.join(missing[:20])}."] if missing else [])]
    if complaints:
        raise Rejected(" ".join(complaints), found=found if 2 * len(found) >= len(commits) else None)
    return found


def _spoken(
    found: Mapping[str, _Record], language: str, *texts: Callable[[_Record], str]
) -> tuple[dict[str, _Record], list[str]]:
    """The records whose `texts` are all in the language, and the problems of the others."""
    right = {sha: r for sha, r in found.items() if all(_in_language(text(r), language) for text in texts)}
    wrong = len(found) - len(right)
    return right, [f"{wrong} entries are not in {LANGUAGES[language].prompt}."] if wrong else []


def read_triage(
    reply: Reply, commits: Sequence[Commit], judged: Sequence[Judgement], language: str
) -> Mapping[str, Grade]:
    """Grades by SHA. Raises Rejected, with the valid grades, unless each commit is graded once."""
    found, problems = _records(reply, GradeReply, commits)
    spoken, foreign = _spoken(found, language, lambda r: f"{r.sentence} {r.reason} {r.theme}")
    prior = {c.sha: j for c, j in zip(commits, judged, strict=True)}
    grades = {sha: _grade(answer, prior[sha], reply.usage.model) for sha, answer in spoken.items()}
    return _complete(grades, [*problems, *foreign], commits)


def _grade(answer: GradeReply, judged: Judgement, model: str) -> Grade:
    wish = Importance.HIGH if judged.always else answer.importance
    return Grade(
        importance=wish,
        types=tuple(dict.fromkeys(answer.types))[:2],
        reason=answer.reason,
        sentence=answer.sentence,
        score=_score(answer, wish, judged),
        theme=answer.theme,
        by=model,
    )


_RANKS = {Importance.HIGH: 8, Importance.MEDIUM: 5, Importance.LOW: 1}
"""The rank for a grade if a model gives none."""


def _score(answer: GradeReply | DecisionReply, wish: Importance, judged: Judgement) -> float:
    """Sort key of a day: the model's rank, then the grade, then the rules' score.

    What is high whatever the model says ranks no lower than that.
    """
    rank = _RANKS[answer.importance] if answer.rank is None else answer.rank
    if wish is not answer.importance:
        rank = max(rank, _RANKS[wish])
    return (rank + (wish.rank + judged.score) / 3) / (MOST_RANK + 1)


def disputed(grades: Mapping[str, Grade], commits: Sequence[Commit], judged: Sequence[Judgement]) -> tuple[Commit, ...]:
    """Commits that are looked at again: model and rules grade them two steps apart, or only the model calls them high.

    Those two steps apart come first, then the best ranked, as many as fit into one question.
    """
    steps = {c.sha: _steps(grades[c.sha], j) for c, j in zip(commits, judged, strict=True) if c.sha in grades}
    apart = [c for c in commits if steps.get(c.sha)]
    return tuple(sorted(apart, key=lambda c: (-steps[c.sha], -grades[c.sha].score))[:SECOND_SIZE])


def _steps(grade: Grade, judged: Judgement) -> int:
    """How many grades apart model and rules are, if that needs another look."""
    steps = abs(grade.importance.rank - judged.importance.rank)
    return steps if steps == 2 or grade.importance is Importance.HIGH else 0


def read_second(
    reply: Reply, grades: Mapping[str, Grade], commits: Sequence[Commit], judged: Sequence[Judgement], language: str
) -> Mapping[str, Grade]:
    """The disputed grades as the second look decides them. Raises Rejected as `read_triage` does."""
    found, problems = _records(reply, DecisionReply, commits)
    spoken, foreign = _spoken(found, language, lambda r: r.reason)
    prior = {c.sha: j for c, j in zip(commits, judged, strict=True)}
    decided = {
        sha: replace(
            grades[sha],
            importance=answer.importance,
            reason=answer.reason,
            score=_score(answer, answer.importance, prior[sha]),
        )
        for sha, answer in spoken.items()
        if not prior[sha].always
    }
    return _complete(decided, [*problems, *foreign], commits)


_INVENTED = 3
"""An answer with at least this many statements, none of them with evidence, counts as invented."""


def _words(answer: AnalysisReply) -> list[str]:
    """Every text of an answer that is in the reader's language."""
    claims = [*(i.text for i in answer.insights), *(w for r in answer.risks for w in (r.text, r.mitigation))]
    return [*claims, *_effects(answer.impact, answer.suggestions)]


def _effects(impact: Sequence[ImpactReply], suggestions: Sequence[SuggestionReply]) -> list[str]:
    return [*(w for i in impact for w in (i.before, i.effect)), *(s.action for s in suggestions)]


@dataclass(frozen=True, slots=True)
class Checked:
    """An analysis with only the proven of its `stated` statements, and what was wrong with the others."""

    analysis: Analysis
    problems: tuple[str, ...]
    stated: int

    @property
    def invented(self) -> bool:
        """Whether the statements are so many, and none has evidence, that the rest is not to be trusted either."""
        return self.stated == len(self.problems) >= _INVENTED

    def joined(self, other: "Checked") -> "Checked":
        """This answer, together with what another one proved."""
        mine, theirs = self.analysis, other.analysis
        insights = tuple(dict.fromkeys((*mine.insights, *theirs.insights)))
        risks = tuple({r.text: r for r in (*theirs.risks, *mine.risks)}.values())
        left = tuple(problem for problem in self.problems if problem in other.problems)
        return Checked(
            replace(mine, insights=insights[:_MOST], risks=risks[:_MOST], dropped=len(left)), left, self.stated
        )


_MOST = 6
"""The most insights, and risks, of one analysis."""


def read_draft(reply: Reply) -> DraftReply:
    """The draft of claims, and what it wants looked up. Raises Rejected."""
    draft = _parsed(reply, DraftReply)
    if len({claim.number for claim in draft.claims}) < len(draft.claims):
        raise Rejected("two claims have the same number.")
    return draft


def looks(answer: DraftReply | OpenReply, most: int) -> tuple[Look, ...]:
    """What an answer wants looked up, each once."""
    wanted = (Look(k.kind, k.word.strip(), k.path.strip("` "), k.line, k.until) for k in answer.looks)
    return tuple(dict.fromkeys(wanted))[:most]


def still_open(reply: Reply, draft: DraftReply) -> DraftReply:
    """The draft as an answer judged it, with the look-ups needed to settle the rest. Raises Rejected."""
    answer = _parsed(reply, OpenReply)
    left = {claim.number: claim.becomes for claim in answer.claims if claim.outcome is not Outcome.DROPPED}
    claims = [c.model_copy(update={"text": left[c.number] or c.text}) for c in draft.claims if c.number in left]
    return DraftReply(claims=claims, looks=answer.looks)


def read_looked(reply: Reply, commit: Commit, proofs: Finder, draft: DraftReply, **how: Any) -> Checked:
    """The analysis that has seen what was looked up; `how` as in `read_analysis`.

    Raises Rejected, also if a claim of the draft is not addressed.
    """
    answer = _parsed(reply, LookedReply)
    judged = {claim.number for claim in answer.claims}
    if missing := [str(claim.number) for claim in draft.claims if claim.number not in judged]:
        raise Rejected(f"these claims are not gone through: {', '.join(missing)}.")
    return _checked(answer, commit, proofs.find, reply, how)


def read_analysis(reply: Reply, commit: Commit, proofs: Finder, coverage: float, language: str) -> Checked:
    """The full analysis of one commit. Raises Rejected; statements without evidence are dropped and counted."""
    how = {"coverage": coverage, "language": language}
    return _checked(_parsed(reply, AnalysisReply), commit, proofs.find, reply, how)


def read_merged(reply: Reply, commit: Commit, proofs: Finder, parts: Sequence[Analysis], **how: Any) -> Checked:
    """The merged analysis of a commit's parts, whose evidence stays valid; `how` as in `read_analysis`.

    Raises Rejected.
    """
    shown = [each for part in parts for statement in part.statements for each in (statement.evidence, *statement.also)]
    known = {(cited(evidence), evidence.quote): evidence for evidence in shown}
    return _checked(
        _parsed(reply, AnalysisReply),
        commit,
        lambda path, quote, line: known.get((path, quote)) or proofs.find(path, quote, line),
        reply,
        how,
    )


_GROWN = 300
"""Characters by which a text may grow when it is corrected."""


def read_check(
    reply: Reply, written: Sequence[Point], proofs: Finder, shown: str, language: str
) -> Mapping[int, Change]:
    """What a check makes of the texts of an analysis, by number. Raises Rejected.

    Without its correction stays a text whose correction names what is not `shown`, is in another language, much longer,
    or no sentence where it was one; quotes that are not found add nothing.
    """
    told = {name.casefold() for name in _NAME.findall(shown)}
    found: dict[int, Change] = {}
    for said in _parsed(reply, CheckReply).texts:
        if 0 < said.number <= len(written) and said.number not in found:
            point = written[said.number - 1]
            also = (proofs.find(each.path.strip("` "), each.quote, each.line) for each in said.also)
            more = tuple(filter(None, also)) if point.proofs else ()
            text = "" if said.drop else _corrected(point.text, said.becomes, told, language)
            found[said.number] = Change(text, more)
    return found


def _corrected(text: str, becomes: str, told: Collection[str], language: str) -> str:
    """A text as a check corrects it; as it was if the correction cannot be used."""
    unusable = (
        not becomes
        or _text_problem(becomes, told, language)
        or len(becomes) > len(text) + _GROWN
        or (is_ended(text) and not is_ended(becomes))
    )
    return text if unusable else becomes


_Proof = tuple[Evidence, tuple[Evidence, ...]]
"""The evidence of a statement, and of its further parts."""


_Find = Callable[[str, str, int], Evidence | None]
"""Finds a quote, by its path, its text and the line it should be near (0: unknown)."""


def _checked(answer: AnalysisReply, commit: Commit, find: _Find, reply: Reply, how: Mapping[str, Any]) -> Checked:
    language = how["language"]
    insights_said, risks_said = answer.read_again()
    answer = answer.model_copy(update={"insights": insights_said, "risks": risks_said})
    _check_language(language, f"{answer.verdict} {answer.summary}")
    _check_language(language, *_words(answer))
    insights, bad_insights = _proven("insights", answer.insights, find)
    risks, bad_risks = _proven("risks", answer.risks, find)
    problems = (*bad_insights, *bad_risks)
    analysis = Analysis(
        summary=answer.summary,
        verdict=answer.verdict,
        impact=_impacts(answer.impact, commit),
        insights=tuple(dict.fromkeys(Insight(i.aspect, i.text, *e) for i, e in insights)),
        risks=_risks(risks),
        suggestions=_suggestions(answer.suggestions),
        by=reply.usage.model,
        coverage=how["coverage"],
        dropped=len(problems),
        correction=_correction(answer.correction, language),
    )
    return Checked(analysis, problems, len(answer.insights) + len(answer.risks))


def _correction(answer: CorrectionReply, language: str) -> Correction:
    """The correction of the row, without words in another language."""
    types = tuple(dict.fromkeys(answer.types))
    if not _in_language(f"{answer.sentence} {answer.theme}", language):
        return Correction(types)
    return Correction(types, answer.theme, answer.sentence)


def _risks(proven: Sequence[tuple[RiskReply, _Proof]]) -> tuple[Risk, ...]:
    return tuple(dict.fromkeys(Risk(r.text, first, r.mitigation, also) for r, (first, also) in proven))


def joined(parts: Sequence[Analysis], texts: Texts) -> Analysis:
    """Join the analyses of a commit's parts, in order, up to the length of one."""
    return replace(
        parts[0],
        summary=texts.sentences(*(part.summary for part in parts)),
        impact=tuple(i for part in parts for i in part.impact)[:8],
        insights=tuple(i for part in parts for i in part.insights)[:_MOST],
        risks=tuple(r for part in parts for r in part.risks)[:_MOST],
        suggestions=tuple(s for part in parts for s in part.suggestions)[:_MOST],
        coverage=min(1.0, sum(part.coverage for part in parts)),
        dropped=sum(part.dropped for part in parts),
        correction=Correction(),  # a correction of one part need not apply to the whole
    )


_Claim = TypeVar("_Claim", InsightReply, RiskReply)


_NO_QUOTE = "the quote is not in what was shown of that path, too short, or too long for one."
_NO_SEARCH = "no search for that word went through the whole tree."


def _proven(kind: str, claims: Sequence[_Claim], find: _Find) -> tuple[list[tuple[_Claim, _Proof]], list[str]]:
    """The claims whose evidence is all found, and the missing evidence of the others."""
    good: list[tuple[_Claim, _Proof]] = []
    bad: list[str] = []
    for number, claim in enumerate(claims):
        found = [find(proof.path.strip("` "), proof.quote, proof.line) for proof in claim.proofs]
        if None in found:
            at = found.index(None)
            part = f"{kind}.{number}.also.{at - 1}" if at else f"{kind}.{number}"
            is_search = claim.proofs[at].path.strip("` ") == SEARCH
            bad.append(f"{part}: {_NO_SEARCH if is_search else _NO_QUOTE}")
        else:
            proven = tuple(dict.fromkeys(filter(None, found)))
            good.append((claim, (proven[0], proven[1:])))
    return good, bad


def _impacts(answers: Sequence[ImpactReply], commit: Commit) -> tuple[Impact, ...]:
    """Impacts with only those paths that the commit really changes; one that names none of them is left out."""
    known = {f.path for f in commit.files}
    found = (
        Impact(a.component, tuple(p for p in dict.fromkeys(a.paths) if p in known), a.effect, a.before) for a in answers
    )
    return tuple(dict.fromkeys(impact for impact in found if impact.component and impact.paths))


def _suggestions(answers: Sequence[SuggestionReply]) -> tuple[Suggestion, ...]:
    return tuple(dict.fromkeys(Suggestion(a.who, a.action) for a in answers if a.who))


def read_batch(
    reply: Reply, commits: Sequence[tuple[Commit, Selection]], indexes: Sequence[EvidenceIndex], language: str
) -> Mapping[str, Analysis]:
    """Analyses by SHA. Raises Rejected, with those that are right, unless each commit is described once."""
    asked = [commit for commit, _ in commits]
    found, problems = _records(reply, DescriptionReply, asked)
    spoken, foreign = _spoken(
        found,
        language,
        lambda r: r.summary,
        lambda r: " ".join((*_effects(r.impact, r.suggestions), *(w for k in r.risks for w in (k.text, k.mitigation)))),
    )
    described = {
        commit.sha: _described(spoken[commit.sha], commit, seen, index, reply.usage.model)
        for (commit, seen), index in zip(commits, indexes, strict=True)
        if commit.sha in spoken
    }
    described = {
        sha: replace(made, correction=_correction(spoken[sha].correction, language)) for sha, made in described.items()
    }
    return _complete(described, [*problems, *foreign], asked)


def _described(answer: DescriptionReply, commit: Commit, seen: Selection, index: EvidenceIndex, model: str) -> Analysis:
    risks, bad = _proven("risks", answer.risks, index.find)
    return Analysis(
        summary=answer.summary,
        impact=_impacts(answer.impact, commit),
        risks=_risks(risks)[:3],
        suggestions=_suggestions(answer.suggestions),
        by=model,
        coverage=seen.coverage,
        dropped=len(bad),
    )


_NAME = re.compile(r"(?<![A-Za-z0-9_])[A-Za-z]*[0-9_][A-Za-z0-9_]*")


def read_overview(reply: Reply, asked: Question, language: str) -> str:
    """The digest's opening sentences. Raises Rejected, also if they name something that no commit in the question does.

    Nobody can check an overview line by line, so no number, version or identifier in it may be invented.
    """
    answer = _parsed(reply, OverviewReply).overview
    _check_language(language, answer)
    known = {name.casefold() for name in _NAME.findall(asked.user)}
    if any(name.casefold() not in known for name in _NAME.findall(answer)):
        raise Rejected("it names a number or an identifier that is not in the list.")
    return answer


# --- What somebody asked -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StepTaken:
    """What a step towards an answer asks for, or its valid statements, and the problems of the others."""

    looks: tuple[WantedReply, ...]
    statements: tuple[Statement, ...]
    problems: tuple[str, ...]
    unknown: bool
    headless: bool = False
    """Whether the statement that answers the question, the first, is not among the valid ones."""

    @property
    def stated(self) -> int:
        """All statements that were made."""
        return len(self.statements) + len(self.problems)


_NOT_SHOWN = (
    "its quote does not stand in the piece that it names, as lines that follow each other without their marks, or it "
    "is too short to prove anything, or longer than six lines."
)
_PIECE = re.compile(r"^\s*\[S\d+\]\s*")
"""The name of a piece in front of its first line."""
_FOREIGN = re.compile(r"://|\bwww\.|<[!@#]")
"""Links and mentions: no statement about commits needs them."""


def read_step(reply: Reply, find: Callable[[str, str, str], Proof | None], shown: str, language: str) -> StepTaken:
    """A step: `find` says what a quote of a piece that was shown proves (source, path, quote). Raises Rejected.

    A statement may name no number and no identifier that is not `shown`, since nobody could check it.
    """
    answer = _parsed(reply, StepReply)
    told = {name.casefold() for name in _NAME.findall(shown)}
    good: list[Statement] = []
    bad: list[str] = []
    for number, said in enumerate(answer.answer):
        found = [
            find(each.source.strip("[] ").upper(), each.path.strip("` "), _PIECE.sub("", each.quote))
            for each in said.proofs
        ]
        if None in found:
            at = found.index(None)
            bad.append(f"answer.{number}{f'.also.{at - 1}' if at else ''}: {_NOT_SHOWN}")
        elif problem := _text_problem(said.text, told, language):
            bad.append(f"answer.{number}: {problem}")
        else:
            first, *also = dict.fromkeys(filter(None, found))
            good.append(Statement(said.text, first, tuple(also)))
    headless = bool(good) and not any(said.text == answer.answer[0].text for said in good)
    return StepTaken(tuple(answer.looks), tuple(good), tuple(bad), answer.unknown, headless)


def _text_problem(text: str, told: Collection[str], language: str) -> str:
    """The problem of a statement's words, whatever proves them; empty if there is none."""
    if _FOREIGN.search(text):
        return "it holds a link or a mention."
    if any(name.casefold() not in told for name in _NAME.findall(text)):
        return "it names a number or an identifier that nothing shows."
    return "" if _in_language(text, language) else f"it is not in {LANGUAGES[language].prompt}."


# --- Read again --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Read:
    """A statement as its quotes carry it, empty if nothing is left, and what they `miss` of it, empty if nothing."""

    text: str
    misses: str = ""


def read_review(
    reply: Reply, statements: Sequence[Statement], told: Sequence[str], language: str
) -> tuple[tuple[Read, ...], tuple[str, ...]]:
    """How each statement reads with nothing but its quotes, and what is wrong with that. Raises Rejected.

    What one becomes names no number and no identifier that is not in it or in its `told`, what is known of it, and is
    hardly longer; else it is empty. One that was not read stays as it is.
    """
    said: dict[int, ReadReply] = {}
    for each in _parsed(reply, ReviewReply).statements:
        if not (each.number in said and said[each.number].misses):
            said[each.number] = each
    found, problems = [], []
    for number, (statement, known) in enumerate(zip(statements, told, strict=True), 1):
        read, problem = _read(said.get(number), statement.text, known, language)
        found.append(read)
        problems += [f"statement {number}: {problem}"] if problem else []
    return tuple(found), tuple(problems)


_LONGER = 30
"""Characters by which a statement may grow when it is cut: a `may` in place of an `is`."""


def _read(said: ReadReply | None, text: str, known: str, language: str) -> tuple[Read, str]:
    if said is None:
        return Read(text), "it is not read."
    if not said.misses:
        return Read(text), ""
    told = {name.casefold() for name in _NAME.findall(f"{text} {known}")}
    problem = _text_problem(said.becomes, told, language) if said.becomes else ""
    if len(said.becomes) > len(text) + _LONGER:
        problem = "it is longer than it was."
    return Read("" if problem else said.becomes, said.misses), problem
