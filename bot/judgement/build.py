"""Builds the entries of a digest, or one commit's analysis, from collected commits."""

from collections.abc import Collection, Sequence

from bot.errors import DigestError
from bot.judgement import questions, replies, rules
from bot.judgement.analysing import Analyst
from bot.judgement.brief import Brief
from bot.judgement.grading import Grader, as_delivered
from bot.judgement.replies import Rejected
from bot.ports import Progress
from bot.values import Analysis, Commit, Entry, Grade, Importance, Rollup


class Build:
    """Builds one digest, or one commit's analysis."""

    def __init__(self, brief: Brief, progress: Progress) -> None:
        self._brief = brief
        self._grader = Grader(brief)
        self._analyst = Analyst(brief, self._grader.notes, progress)

    def entries(
        self, commits: Sequence[Commit], before: Sequence[Commit] = (), grave: Collection[str] = ()
    ) -> tuple[Entry, ...]:
        """The entries for the commits of a period, in order; `before` and `grave` as in `judge`.

        After reading a patch, a model may correct the triage list's words on the commit, but not its importance.
        """
        grades = self._grader.grades(commits, before, grave)
        analyses = self._analyst.analyses(commits, grades)
        said = ((c, g, analyses[c.sha]) for c, g in zip(commits, grades, strict=True))
        return tuple(Entry(c, a.correction.of(g), a) for c, g, a in said)

    def one(self, commit: Commit, delivered: Grade | None, grave: Collection[str]) -> tuple[Grade, Analysis]:
        """The grade of one commit, with the importance it was reported with, and its full analysis."""
        grade = as_delivered(self._grader.alone(commit, grave), delivered)
        analysis = self._analyst.alone(commit, grade)
        return analysis.correction.of(grade), analysis

    def overview(self, entries: Sequence[Entry], rollup: Rollup | None = None) -> str:
        """The digest's opening sentences; those of a `rollup` are about a week or longer."""
        brief = self._brief
        if not entries:
            if rollup and rollup.undone:
                return rules.rollup_overview(rollup, 0, brief.texts)
            return brief.texts("digest.overview_none")
        if brief.model:
            question = questions.overview_question(brief.repository, entries, brief.language, rollup=rollup is not None)
            try:
                return brief.model.ask(question, lambda r: replies.read_overview(r, question, brief.language))
            except (Rejected, DigestError) as error:
                brief.fault(error)
        if rollup:
            return rules.rollup_overview(rollup, len(entries), brief.texts)
        high = [
            e.commit for e in sorted(entries, key=lambda e: -e.grade.score) if e.grade.importance is Importance.HIGH
        ]
        return rules.overview(brief.repository, high, len(entries), brief.texts)
