"""What a language model is asked: which prompt, with which data behind which fence, and how much of it. Pure."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace

from pydantic import BaseModel

from bot.commits.files import generated
from bot.commits.patch import Selection
from bot.judgement.shapes import (
    AnalysisReply,
    BatchReply,
    ImpactReply,
    InsightReply,
    OverviewReply,
    RiskReply,
    SecondReply,
    SuggestionReply,
    TriageReply,
)
from bot.judgement.triage import Judgement
from bot.languages import LANGUAGES
from bot.texts import prompt
from bot.values import Analysis, Commit, Entry, Importance, Question, Repository, one_line, sanitize

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


# What tokenizers of chat models read as the end of a turn or of a thought, wherever it stands (ChatML, Llama 2 and 3,
# Gemma, DeepSeek). With a space in it, it is text; evidence is found whatever its white space.
_CONTROL = re.compile(r"<[|｜]|[|｜]>|<</?SYS>>|</?s>|</?think>|\[/?INST\]|<(?:start|end)_of_turn>", re.IGNORECASE)


def _tamed(text: str) -> str:
    return _CONTROL.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)


def _question(name: str, shape: type[BaseModel], data: str, data_name: str, max_tokens: int, **blanks: str) -> Question:
    data = _tamed(sanitize(data))
    # The mark depends on the data, so that nothing in the data can hold it and end the data early.
    mark = hashlib.sha256(data.encode("utf-8", "replace")).hexdigest()[:16]
    blanks |= {data_name: data, "mark": mark, "language": LANGUAGES[blanks["language"]].prompt}
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
        impact=[ImpactReply(component=i.component, paths=list(i.paths), effect=i.effect) for i in part.impact],
        insights=[
            InsightReply(aspect=i.aspect, text=i.text, path=i.evidence.path, quote=i.evidence.quote)
            for i in part.insights
        ],
        risks=[
            RiskReply(text=r.text, path=r.evidence.path, quote=r.evidence.quote, mitigation=r.mitigation)
            for r in part.risks
        ],
        suggestions=[SuggestionReply(who=s.who, action=s.action) for s in part.suggestions],
    )
    return shaped.model_dump_json()


def batch_question(repository: Repository, commits: Sequence[tuple[Commit, Selection]], language: str) -> Question:
    """Ask for the summaries of several commits."""
    data = _all_described(commits, 400)
    blanks = {"repository": repository.title, "count": str(len(commits)), "language": language}
    return _question(BATCH, BatchReply, data, "commits", 600 + 500 * len(commits), **blanks)


def overview_question(repository: Repository, entries: Sequence[Entry], language: str) -> Question:
    """Ask for the digest's opening sentences."""
    order = sorted(entries, key=lambda e: (-e.grade.importance.rank, -e.grade.score))[:TRIAGE_SIZE]
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


def budgets(commits: Sequence[Commit], average: int) -> dict[str, int]:
    """By SHA, the tokens of patch that each commit of a list gets, within `average` for each of them."""
    # About twelve tokens a changed line, and room for the lines around it.
    sizes = [100 + 20 * sum(f.added + f.removed for f in c.files if not generated(f.path)) for c in commits]
    return dict(zip((c.sha for c in commits), shares(sizes, average), strict=True))


def shares(sizes: Sequence[int], average: int) -> tuple[int, ...]:
    """A fair share of `average` tokens a commit for each size: what small ones leave goes to large ones."""
    left, result = average * len(sizes), [0] * len(sizes)
    order = sorted(range(len(sizes)), key=lambda i: sizes[i])
    for number, i in enumerate(order):
        result[i] = min(sizes[i], left // (len(order) - number), _SHARE_LIMIT * average)
        left -= result[i]
    return tuple(result)
