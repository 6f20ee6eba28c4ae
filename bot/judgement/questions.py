"""Builds questions to a language model: the prompt, and the fenced data. Pure."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from itertools import chain, groupby
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic import BaseModel

from bot.commits import lookup
from bot.commits.enclosing import enclosing
from bot.commits.files import FileKind, generated, is_note, kind
from bot.commits.patch import Selection
from bot.judgement import rules
from bot.judgement.checking import Point
from bot.judgement.shapes import (
    MOST_LOOKS,
    SEARCH,
    AnalysisReply,
    BatchReply,
    CheckReply,
    ClaimReply,
    CorrectionReply,
    DraftReply,
    ImpactReply,
    InsightReply,
    LookedReply,
    OpenReply,
    OverviewReply,
    ProofReply,
    ReviewReply,
    RiskReply,
    SecondReply,
    StepReply,
    SuggestionReply,
    TriageReply,
)
from bot.judgement.triage import Judgement
from bot.languages import LANGUAGES
from bot.texts import Texts, prompt
from bot.values import (
    Analysis,
    ChangeRequest,
    Commit,
    Entry,
    Evidence,
    FileChange,
    Grade,
    Importance,
    Insight,
    Look,
    Note,
    Proof,
    Question,
    Release,
    Repository,
    Risk,
    Search,
    Sight,
    Statement,
    one_line,
    sanitize,
)

TRIAGE, SECOND, OVERVIEW, ROLLUP = "triage.v2", "second.v2", "overview.v2", "rollup.v1"
ANALYSIS, DRAFT, LOOK, BATCH, MERGE = "analysis.v4", "draft.v3", "look.v4", "batch.v3", "merge.v4"
"""The prompts in use; an analysis is stored under the name of its prompt."""
ASK, REVIEW, CHECK = "ask.v3", "review.v1", "check.v1"
OF_DIGESTS = (TRIAGE, SECOND, ANALYSIS, DRAFT, LOOK, CHECK, BATCH, MERGE, OVERVIEW, ROLLUP)
"""The prompts for a digest."""
PROMPTS = (*OF_DIGESTS, ASK, REVIEW)

EARLIER = ("analysis.v1", "batch.v1", "merge.v1")
"""Prompts of early versions that read little: usage of them shows that no depth was chosen."""


TRIAGE_SIZE, TRIAGE_LEAST = 60, 8
"""Commits in one triage question, and below how many a list that is too long for a model is no longer split."""
BATCH_SIZE, SMALL_TOKENS = 6, 1_000
"""Medium commits in one question, and tokens of patch up to which they share one."""
QUESTION_TOKENS, LEAST_TOKENS, PARTS = 40_000, 1_500, 4
"""Tokens of patch in one question, the least that are worth one, and the most questions for a large commit."""
SECOND_SIZE, SECOND_TOKENS = 8, 4_000
"""The most commits of a day that get a second look with their patch, and tokens of patch for each."""
_MESSAGE, _LISTED, _BRIEFLY = 4_000, 600, 400
"""Characters of a message in an analysis, in the list of a day, and in a second look."""
_LABELS, _LABEL = 10, 50
"""The most labels of a pull request to show, and characters of one (GitHub's limit)."""
FOUND = (14_000, 24_000)
"""Characters of look-up results, at least and at most: about half of the patch in between."""
CHECKED, CHECKED_CODE = 10_000, 18_000
"""Characters of patch up to which a check of an analysis shows it, else only the paths; and of code around quotes."""


class Depth(StrEnum):
    """How much a model does for one commit: one question; a draft and a look at the tree; the same, looked at twice."""

    BRIEF = "brief"
    NORMAL = "normal"
    DEEP = "deep"

    @property
    def looks(self) -> int:
        """The most things to look up for one commit."""
        return {"brief": 0, "normal": 10, "deep": MOST_LOOKS}[self]

    @property
    def checks(self) -> bool:
        """Whether an analysis is checked by a reader who did not write it."""
        return self is not Depth.BRIEF

    @property
    def settles(self) -> bool:
        """Whether what is open after a look-up is looked up too."""
        return self is Depth.DEEP

    @property
    def prompt(self) -> str:
        """The name under which an analysis of this depth is stored."""
        return {"brief": ANALYSIS, "normal": LOOK, "deep": f"{LOOK}+deep"}[self]

    @property
    def serving(self) -> tuple[str, ...]:
        """The names of stored analyses that may be used: of this depth and deeper, the deepest first, and in parts."""
        deeper = [each.prompt for each in Depth][list(Depth).index(self) :]
        return (*reversed(deeper), MERGE)


# What tokenizers of chat models read as the end of a turn or of reasoning, anywhere in a text (ChatML, Llama 2 and 3,
# Gemma, DeepSeek). With a space in it, it is text; evidence is found whatever its white space.
_CONTROL = re.compile(r"<[|｜]|[|｜]>|<</?SYS>>|</?s>|</?think>|\[/?INST\]|<(?:start|end)_of_turn>", re.IGNORECASE)


def _tamed(text: str) -> str:
    return _CONTROL.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)


def _question(
    name: str, shape: type[BaseModel], data: str, data_name: str, answer: tuple[int, int], **blanks: str
) -> Question:
    """A question about data; `answer` is how long the answer is expected to be, and may be, in tokens."""
    data, mark = _fenced(data)
    blanks |= {data_name: data, "mark": mark, "language": LANGUAGES[blanks["language"]].prompt}
    blanks["repository"] = _tamed(one_line(blanks["repository"], 200))
    system, user = prompt(name, **blanks)
    return Question(name, system, user, _schema(shape), answer[1], answer[0])


@cache
def _schema(shape: type[BaseModel]) -> dict[str, object]:
    """The schema of an answer, cached since making it takes longer than the rest of a question."""
    return shape.model_json_schema()


def _fenced(data: str) -> tuple[str, str]:
    """Data made safe for a model, and the mark around it, which is not in the data and so cannot end it early."""
    data = _tamed(sanitize(data))
    return data, hashlib.sha256(data.encode("utf-8", "replace")).hexdigest()[:16]


def again(question: Question, problem: str, *, longer: bool = False, first: str = "") -> Question:
    """The same question once more, with what was wrong with the first answer; `longer` doubles the answer's limit.

    The first answer may be copied from a commit: if it is shown again, it is data too.
    """
    data, mark = _fenced(first)
    shown = f"\n\nYour previous answer:\nDATA {mark}\n{data}\nDATA {mark}" if first else ""
    note = shown + f"\n\nYour previous answer could not be used: {problem}\nAnswer again, completely, with JSON only."
    room = question.max_tokens * (2 if longer else 1)
    return replace(question, user=question.user + note, max_tokens=room)


def names(commits: Sequence[Commit]) -> dict[str, str]:
    """The names of commits in a list, by SHA: the first seven digits, or as many as distinguish all of them."""
    length = next((n for n in range(7, 64) if len({c.sha[:n] for c in commits}) == len(commits)), 64)
    return {c.sha: c.sha[:length] for c in commits}


def triage_question(
    repository: Repository, commits: Sequence[Commit], judged: Sequence[Judgement], language: str
) -> Question:
    """Ask for the grades of a day's commits, with the rules' grades as a prior."""
    called = names(commits)
    data = "\n".join(f"{called[c.sha]} | {_listed(c, j)}" for c, j in zip(commits, judged, strict=True))
    blanks = {"repository": repository.title, "count": str(len(commits)), "language": language}
    return _question(
        TRIAGE, TriageReply, data, "commits", (300 + 120 * len(commits), 600 + 170 * len(commits)), **blanks
    )


def _listed(commit: Commit, judged: Judgement) -> str:
    """A commit of the list, on one line.

    It has the prior with its reason, the title, the maintainers' words, the files and the message.
    """
    said = one_line(commit.reading.said, _LISTED)
    more = one_line("; ".join(_requested(commit)), _LISTED - len(said)) if len(said) < _LISTED else ""
    parts = (
        f"prior {judged.importance}{' always' if judged.always else ''}{_because(commit, judged)}",
        titled(commit, 200),
        _called(judged.features.note, commit.reading.labels),
        _changed(commit),
        said,
        f"its pull request: {more}" if more else "",
    )
    return " | ".join(part for part in parts if part)


_ENGLISH = Texts("en")
_NAMED, _PATH = 3, 90
"""The most paths of one kind, and characters of a path, in the list."""


def _because(commit: Commit, judged: Judgement) -> str:
    reason = rules.reason(commit, judged, _ENGLISH)
    return f" ({reason})" if reason else ""


def _called(note: Note | None, labels: Sequence[str]) -> str:
    """The maintainers' own words: the most important note of a commit, and the labels of its pull request."""
    said = []
    if note:
        where = one_line(note.heading or note.label or note.path, 80)
        what = f"{note.level}, of earlier commits" if note.release else note.level
        said.append(" ".join(filter(None, (f"{what} ({where})" if where else what, one_line(note.text, 200)))))
    if labels:
        said.append(f"labels {_labels(labels)}")
    return f"maintainers: {'; '.join(said)}" if said else ""


def _changed(commit: Commit) -> str:
    """What a commit changes, by kind of file, with the paths that change most; the most significant kind first."""
    kinds: dict[str, list[FileChange]] = {name: [] for name in (_NOTE, *FileKind, _WRITTEN)}
    for file in commit.files:
        kinds[_kind(file.path)].append(file)
    return "; ".join(_sized(name, files) for name, files in kinds.items() if files) or "no file changed"


_NOTE, _WRITTEN = "note to users", "generated"


def _kind(path: str) -> str:
    if generated(path):
        return _WRITTEN
    return _NOTE if is_note(path) else kind(path)


def _sized(name: str, files: Sequence[FileChange]) -> str:
    """`source +80 -10 in 4 files: src/a.py, src/b.py, src/c.py, 1 more`; of a long path the end is shown."""
    by_size = sorted(files, key=lambda f: (-(f.added + f.removed), f.path))
    named = [one_line(f.path) for f in by_size[:_NAMED]]
    paths = [path if len(path) <= _PATH else f"…{path[1 - _PATH :]}" for path in named]
    more = [f"{len(files) - _NAMED} more"] if len(files) > _NAMED else []
    lines = f"+{sum(f.added for f in files)} -{sum(f.removed for f in files)}"
    count = f"{len(files)} file{'s' if len(files) > 1 else ''}"
    return f"{name} {lines} in {count}" + ("" if name == _WRITTEN else f": {', '.join((*paths, *more))}")


def second_question(repository: Repository, commits: Sequence[tuple[Commit, Selection]], language: str) -> Question:
    """Ask for the grades of disputed commits, with their patches."""
    data = _all_described(commits, _BRIEFLY)
    blanks = {"repository": repository.title, "count": str(len(commits)), "language": language}
    return _question(SECOND, SecondReply, data, "commits", (70 * len(commits), 300 + 70 * len(commits)), **blanks)


ANSWER, DRAFTED = (1_800, 6_000), (1_200, 5_000)
"""How long an analysis and a draft are expected to be, and may be, in tokens."""


@dataclass(frozen=True, slots=True)
class Around:
    """What else happened at the time of a commit: other commits, each with its relation, and releases.

    The first release that has the commit is marked, if it is among them.
    """

    landed: Sequence[tuple[Commit, str]] = ()
    released: Sequence[tuple[Release, bool]] = ()

    def lines(self) -> Iterator[str]:
        """As a model sees it."""
        if self.landed:
            yield "Landed within a day before or after, and touches the same:"
        for commit, why in self.landed:
            yield f"{commit.committed:%Y-%m-%d %H:%M} {commit.short}, {why}:\n    {titled(commit, 200)}"
        if self.released:
            yield "Released within a day before or after:"
        for release, first in self.released:
            yield f"{release.made:%Y-%m-%d %H:%M} {one_line(release.name, 80)}" + ", the first with this commit" * first


class Rest(NamedTuple):
    """The language of the answer, what happened around a commit, and its row in the digest."""

    language: str
    around: Around = Around()
    row: Grade | None = None


def analysis_question(repository: Repository, commit: Commit, seen: Selection, rest: Rest) -> Question:
    """Ask for the full analysis of one commit at once."""
    return _about(ANALYSIS, AnalysisReply, repository, commit, seen, rest, answer=ANSWER)


def draft_question(repository: Repository, commit: Commit, seen: Selection, rest: Rest, *, looks: int) -> Question:
    """Ask for a draft of claims on one commit, and for up to `looks` things to look up before they are made."""
    room = f"{_room(len(seen.text)):,}"
    return _about(DRAFT, DraftReply, repository, commit, seen, rest, answer=DRAFTED, looks=str(looks), room=room)


def looked_question(
    repository: Repository,
    commit: Commit,
    seen: Selection,
    rest: Rest,
    *,
    draft: DraftReply,
    sights: Sequence[Sight],
    more: bool = False,
) -> Question:
    """Ask for the full analysis, with the draft and what was looked up since.

    With `more`, also for what would settle anything still open. It begins as the question for the draft does, byte
    for byte, so that a provider's cache serves it.
    """
    claims = "\n".join(map(_claimed, draft.claims))
    found, mark = _fenced(f"{claims}\n\n{looked(sights, len(seen.text))}")
    blanks = {"found": found, "mark2": mark, "more": _MORE if more else ""}
    return _about(
        LOOK, OpenReply if more else LookedReply, repository, commit, seen, rest, answer=(2_500, 8_000), **blanks
    )


def _claimed(claim: ClaimReply) -> str:
    """A claim with its evidence, each line of which is indented, so that only claims begin with a number."""
    proofs = (f"{proof.path}: {proof.quote}".splitlines() for proof in claim.proofs)
    return "\n    ".join((f"{claim.number}. {claim.text}", *chain.from_iterable(proofs)))


_MORE = """
- looks: up to 6 further things to look up, as the draft could: only what settles something that is still open."""


def _about(  # noqa: PLR0917  # what a question about one commit is made of, in this order everywhere
    name: str,
    shape: type[BaseModel],
    repository: Repository,
    commit: Commit,
    seen: Selection,
    rest: Rest,
    *,
    answer: tuple[int, int],
    **blanks: str,
) -> Question:
    data = _described(commit, commit.short, seen, _MESSAGE, rest.row)
    data = "\n".join((data, *rest.around.lines()))
    blanks |= {"repository": repository.title, "language": rest.language}
    return _question(name, shape, data, "commit", answer, **blanks)


def check_question(  # noqa: PLR0917  # as `looked_question`, whose answer it checks
    repository: Repository,
    commit: Commit,
    seen: Selection,
    written: Sequence[Point],
    sights: Sequence[Sight],
    language: str,
) -> Question:
    """Ask what in the texts of an analysis must change; `sights` show the code around its quotes, and what else was
    looked up for it.
    """
    patch = seen if len(seen.text) <= CHECKED else replace(seen, text=_changed(commit), left_out=())
    texts = [_pointed(commit, number, point) for number, point in enumerate(written, 1)]
    data = "\n\n".join((_described(commit, commit.short, patch, _MESSAGE // 2), _sights(sights, CHECKED_CODE), *texts))
    blanks = {"repository": repository.title, "language": language}
    return _question(CHECK, CheckReply, data, "written", (800, 6_000), **blanks)


def _pointed(commit: Commit, number: int, point: Point) -> str:
    """A text of an analysis with its number and what it is about, and its evidence."""
    proofs = (shown(_proof_of(commit, each)) for each in point.proofs)
    return "\n".join((f"{number}. [{one_line(point.about, 80)}] {point.text}", *proofs))


def _proof_of(commit: Commit, evidence: Evidence) -> Proof:
    """A piece of evidence of a commit's analysis, with the tree in which it was looked up."""
    if evidence.sha and not (evidence.path or evidence.search):
        return Proof(note=f"the title of commit {evidence.sha[:7]}: {one_line(evidence.quote, _SHOWN)}")
    before = ", before this commit" if evidence.sha not in {"", commit.sha} else ""
    return Proof(commit, evidence, tree=f"{evidence.sha[:7]}{before}" if evidence.sha else "")


def looked(sights: Sequence[Sight], patch: int) -> str:
    """The look-up results as a model sees them, next to a patch of `patch` characters."""
    return _sights(sights, _room(patch))


def _sights(sights: Sequence[Sight], room: int) -> str:
    shown = lookup.within(sights, room)
    return "\n".join(_sight(cut, is_cut=cut != whole) for cut, whole in zip(shown, sights, strict=True))


def _room(patch: int) -> int:
    """How many characters of look-up results fit next to a patch of `patch` characters."""
    least, most = FOUND
    return min(max(patch // 2, least), most)


def _lines(look: Look) -> str:
    """The lines of a file that a look-up asks for; may be empty."""
    return f"{look.line}-{look.until}" if 0 < look.line <= look.until else str(look.line or "")


def _sight(sight: Sight, *, is_cut: bool) -> str:
    look = sight.look
    named = " ".join(filter(None, (look.kind, look.word, look.path, _lines(look))))
    if sight.refused:
        return f"--- {named}: {sight.refused}"
    left_out = "some" if sight.partial else str(sight.unread or "")
    unread = f" ({left_out} files of the tree could not be searched)" if left_out else ""
    if not sight.hits and not sight.excerpts:
        return f"--- {named}: no hit{unread}"
    counted = f"{sight.hits} hits in {sight.files} files{unread}" if sight.hits else "found"
    lines = [f"--- {named}: {counted}"]
    for (path, sha), excerpts in groupby(sight.excerpts, lambda e: (e.path, e.sha)):
        lines.append(f"=== {path} at {sha[:7]}")
        around = ""
        for number, excerpt in enumerate(excerpts):
            inside = enclosing(path, excerpt.above, next(filter(str.strip, excerpt.lines), ""))
            gap = ["…"] * (number > 0 and len(excerpt.lines) > 1)
            lines += gap if inside in {"", around} else [f"… in {inside}"]
            around = inside
            lines += [f"{at}: {line}" for at, line in enumerate(excerpt.lines, excerpt.start)]
    if sight.elsewhere:
        lines.append(f"=== also used in {', '.join(sight.elsewhere)}")
    return "\n".join(lines + ["[there is more]"] * is_cut)


def merge_question(repository: Repository, commit: Commit, parts: Sequence[Analysis], language: str) -> Question:
    """Ask to merge the analyses of a commit's parts."""
    message = "\n".join(_written(commit, _MESSAGE))
    shown = "\n\n".join(f"part {n}: {_as_json(part)}" for n, part in enumerate(parts, start=1))
    blanks = {"repository": repository.title, "count": str(len(parts)), "language": language}
    return _question(MERGE, AnalysisReply, f"{message}\n\n{shown}", "parts", ANSWER, **blanks)


def _as_json(part: Analysis) -> str:
    """A part's analysis in the shape of an answer."""
    shaped = AnalysisReply.model_construct(  # an earlier version's may lack a field, a checked text be longer
        verdict=part.verdict,
        summary=part.summary,
        impact=[
            ImpactReply.model_construct(component=i.component, paths=list(i.paths), before=i.before, effect=i.effect)
            for i in part.impact
        ],
        insights=[InsightReply.model_construct(aspect=i.aspect, text=i.text, **_proof(i)) for i in part.insights],
        risks=[RiskReply.model_construct(text=r.text, mitigation=r.mitigation, **_proof(r)) for r in part.risks],
        suggestions=[SuggestionReply.model_construct(who=s.who, action=s.action) for s in part.suggestions],
        correction=CorrectionReply(
            types=list(part.correction.types), theme=part.correction.theme, sentence=part.correction.sentence
        ),
    )
    return _dumped(shaped)


def _proof(statement: Insight | Risk) -> dict[str, Any]:
    """The evidence of a statement in the shape of an answer."""
    first, *also = (
        ProofReply(path=cited(each), quote=each.quote, line=each.line or 0)
        for each in (statement.evidence, *statement.also)
    )
    return {**first.model_dump(), "also": also}


def cited(evidence: Evidence) -> str:
    """The path in an answer: that of a file, `search`, or the SHA of another commit."""
    return SEARCH if evidence.search else evidence.path or evidence.sha


def _dumped(answer: BaseModel) -> str:
    """An answer as JSON, whatever characters it holds."""
    return json.dumps(answer.model_dump(mode="python"), ensure_ascii=False, separators=(",", ":"))


def batch_question(
    repository: Repository,
    commits: Sequence[tuple[Commit, Selection]],
    language: str,
    rows: Mapping[str, Grade] = MappingProxyType({}),
) -> Question:
    """Ask for the summaries of several commits; `rows` are, by SHA, what a digest says of them."""
    data = _all_described(commits, _MESSAGE // 2, rows)
    blanks = {"repository": repository.title, "count": str(len(commits)), "language": language}
    return _question(BATCH, BatchReply, data, "commits", (300 * len(commits), 600 + 700 * len(commits)), **blanks)


def overview_question(
    repository: Repository, entries: Sequence[Entry], language: str, *, rollup: bool = False
) -> Question:
    """Ask for the digest's opening sentences, or a rollup's, from what the analyses found."""
    order = sorted(entries, key=lambda e: (-e.grade.importance.rank, -e.grade.score))[:TRIAGE_SIZE]
    data = "\n".join(_summarised(repository, entry) for entry in order)
    blanks = {"repository": repository.title, "language": language}
    return _question(ROLLUP if rollup else OVERVIEW, OverviewReply, data, "commits", (200, 800), **blanks)


def _summarised(repository: Repository, entry: Entry) -> str:
    """A commit of the overview's list, by the name under which a reader finds it."""
    grade, title = entry.grade, one_line(entry.commit.reading.subject, 120)
    parts = (grade.importance, repository.named(entry.commit), grade.theme or "no theme", title, _opened(entry))
    return " | ".join(part for part in parts if part)


def _opened(entry: Entry) -> str:
    """What the analysis of a commit says first: its verdict, its first risk and what it asks for, or its summary.

    Of other than high commits only a verdict counts.
    """
    analysis = entry.analysis
    if entry.grade.importance is not Importance.HIGH:
        return one_line(analysis.verdict, 200)
    first = " ".join((analysis.verdict, *(risk.text for risk in analysis.risks[:1]))).strip()
    asked = [f"{s.who}: {s.action}" for s in analysis.suggestions[:1]]
    return one_line(" ".join((first or analysis.summary, *asked)), 700)


def _all_described(
    commits: Sequence[tuple[Commit, Selection]], body_limit: int, rows: Mapping[str, Grade] = MappingProxyType({})
) -> str:
    called = names([commit for commit, _ in commits])
    return "\n\n".join(_described(c, called[c.sha], seen, body_limit, rows.get(c.sha)) for c, seen in commits)


def _described(
    commit: Commit, name: str, seen: Selection, body_limit: int, row: Grade | None = None, *, whole: bool = False
) -> str:
    """A commit as a model sees it: what people wrote, its row, the chosen hunks of its patch, and what is not shown.

    The `whole` message has its trailers and forms too, such as how something was tested.
    What people wrote is indented, as git shows a message: only our own lines start with `commit`, `===` or a word.
    """
    author = ", ".join(authors(commit))
    row_ = [_row(row)] if row else []
    lines = [f"commit {name} by {author}", *_written(commit, body_limit, whole=whole), *row_, seen.text]
    if seen.left_out:
        named = list(seen.left_out[:20])
        if len(seen.left_out) > 20:
            named.append(f"and {len(seen.left_out) - 20} more files")
        lines.append("Not shown: " + "; ".join(named))
    return "\n".join(line for line in lines if line)


def _row(grade: Grade) -> str:
    """What a digest's row says about a commit, without its importance: an analysis may correct only this."""
    types = ", ".join(grade.types)
    told = f"{types} | theme {one_line(grade.theme, 80) or '-'} | {one_line(grade.sentence, 600)}"
    return f"row of the digest, by the bot: {told}"


def titled(commit: Commit, limit: int = 200) -> str:
    """A commit's title with the number of its pull request, as people write it."""
    return one_line(commit.reading.subject + (f" (#{commit.pull})" if commit.pull else ""), limit)


def _written(commit: Commit, limit: int, *, whole: bool = False) -> list[str]:
    """What people wrote about a commit: its message, and, marked as such, what its pull request says beyond it."""
    said = commit.body.strip() if whole else commit.reading.said
    lines = [f"    {titled(commit, 300)}", _indented(said, limit)]
    labels = [f"labels: {_labels(commit.reading.labels)}"] if commit.reading.labels else []
    if asked := "\n".join(labels + _requested(commit)):
        room = max(limit - len(said), limit // 4)
        lines += ["In its pull request people wrote, beyond the message:", _indented(asked, room)]
    return [line for line in lines if line.strip()]


def _requested(commit: Commit) -> list[str]:
    """What a pull request says beyond the message: its title, the issues that it closes, its description."""
    request = commit.reading.request or ChangeRequest()
    return [part for part in (request.title, *(f"closes: {issue}" for issue in request.issues), request.said) if part]


def _labels(labels: Sequence[str]) -> str:
    return ", ".join(one_line(label[: 20 * _LABEL], _LABEL) for label in labels[:_LABELS])


def _indented(body: str, limit: int) -> str:
    if len(body) > limit:
        body = f"{body[:limit]}\n[there is more]"
    return "\n".join(f"    {line}" for line in body.split("\n")) if body else ""


# --- What somebody asks ------------------------------------------------------------------------


class Inquiry(NamedTuple):
    """A person's question about a repository's branch, with what was said before, the day and the language."""

    repository: Repository
    branch: str
    asked: str
    earlier: Sequence[tuple[str, str]]
    today: str
    language: str


_EARLIER, _SAID = 5, 600
"""The most questions of a thread to repeat with their answers, and characters of each."""
_LISTED_FILES, _WRITERS = 4, 3


def step_question(inquiry: Inquiry, shown: Sequence[str], left: int) -> Question:
    """Ask for an answer, or for what must be seen before; `left` is how many more requests are possible after this."""
    earlier = [
        f"Asked before: {one_line(q, _SAID)}\nAnswered: {one_line(a, _SAID)}" for q, a in inquiry.earlier[-_EARLIER:]
    ]
    asked = "\n\n".join([*earlier, f"Asked now: {one_line(inquiry.asked, 2 * _SAID)}"])
    seen, mark = _fenced("\n\n".join(shown))
    more = f"More can be shown {left} times." if left else "Nothing more can be shown: answer now."
    blanks = {
        "shown": seen,
        "mark2": mark,
        "left": more,
        "today": inquiry.today,
        "branch": _tamed(one_line(inquiry.branch, 200)),
    }
    blanks |= {"repository": inquiry.repository.title, "language": inquiry.language}
    return _question(ASK, StepReply, asked, "asked", (500, 3_000), **blanks)


# --- Read again --------------------------------------------------------------------------------

_SHOWN, _PATHS_OF = 700, 200
"""Characters of a quote, as people see it, and of a path."""


def review_question(inquiry: Inquiry, statements: Sequence[Statement]) -> Question:
    """Ask what of each statement its quotes do not show to somebody who knows nothing but what was asked."""
    parts = [f"asked: {one_line(inquiry.asked, 2 * _SAID)}"]
    parts += ["\n".join((f"{n}. {said.text}", *map(shown, said.proofs))) for n, said in enumerate(statements, 1)]
    blanks = {"repository": inquiry.repository.title, "count": str(len(statements)), "language": inquiry.language}
    return _question(REVIEW, ReviewReply, "\n\n".join(parts), "statements", (500, 2_500), **blanks)


def shown(proof: Proof) -> str:
    """A proof as a reader sees it, on one line."""
    note = one_line(proof.note, _SHOWN)
    if proof.release:
        date = f"{one_line(proof.release.name, 80)}, {proof.release.made:%Y-%m-%d}"
        return f"    [release {date}{f' ({note})' if note else ''}]"
    if not proof.commit:
        return f"    [the program: {note}]"
    if not proof.evidence:
        return f"    [the program, of {_called_commit(proof.commit)}: {note}]"
    if proof.evidence.search:
        return f"    [{_result(proof, proof.evidence, proof.evidence.search)}]"
    return f"    [{_place(proof, proof.commit, proof.evidence)}] {one_line(proof.evidence.quote, _SHOWN)}"


def _called_commit(commit: Commit) -> str:
    return f"commit {commit.short}" + (f", #{commit.pull}" if commit.pull is not None else "")


def _result(proof: Proof, evidence: Evidence, found: Search) -> str:
    paths = f": {', '.join(one_line(path, _PATHS_OF) for path in found.paths)}" if found.paths else ""
    word = one_line(evidence.quote, 100)
    return f"a search of the whole tree at {_tree(proof)} for `{word}`: {found.hits} hits in {found.files} files{paths}"


def _tree(proof: Proof) -> str:
    return f"{proof.tree}, the newest commit" if proof.newest else proof.tree


_DONE = {
    "": "as it is after it",
    "was": "as it was before it",
    **{how: f"{how} by it" for how in ("removed", "added", "changed")},
}


def _place(proof: Proof, commit: Commit, evidence: Evidence) -> str:
    path = one_line(evidence.path, _PATHS_OF)
    at = f"{path}:{evidence.line}" if evidence.line else path
    at += f", in `{evidence.inside}`" if evidence.inside else ""
    if proof.tree:
        return f"{at}, in the tree at {_tree(proof)}"
    if not path:
        return f"{_called_commit(commit)}: {'its pull request' if evidence.request else 'its message'}"
    return f"{_called_commit(commit)}: {at}, {_DONE[evidence.how]}"


def authors(commit: Commit) -> list[str]:
    """Who wrote a commit, the first three."""
    return [one_line(person.name, 60) for person in commit.reading.people[:_WRITERS]]


def commit_line(commit: Commit) -> str:
    """A commit on one line: when, by which name, by whom, what, and the files that it changes most."""
    by_size = sorted(commit.files, key=lambda f: (-(f.added + f.removed), f.path))
    paths = ", ".join(one_line(f.path, _PATH) for f in by_size[:_LISTED_FILES])
    more = f", {len(by_size) - _LISTED_FILES} more" if len(by_size) > _LISTED_FILES else ""
    author = ", ".join(authors(commit))
    return f"{commit.committed:%Y-%m-%d} {commit.short} {author}: {titled(commit, 200)} | {paths}{more}"


def commit_shown(commit: Commit, seen: Selection) -> str:
    """A commit in full, as a model sees it."""
    return _described(commit, commit.short, seen, _MESSAGE, whole=True)
