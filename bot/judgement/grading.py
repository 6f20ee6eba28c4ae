"""Grades the commits of a digest: by rules, or by a model on top of them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice

from bot.commits import notes, patch
from bot.errors import ContextExceeded, DigestError
from bot.judgement import questions, replies, rules, triage
from bot.judgement.asker import Conversation
from bot.judgement.brief import Brief
from bot.judgement.replies import Rejected
from bot.judgement.triage import Judgement
from bot.values import Commit, Grade, Note, Question, Reply

_NOTE_FILES = 1_000
"""The most files with notes to read for one digest: they are arguments of git."""


class Grader:
    """Grades the commits of one digest. `notes` are what they tell users, by SHA, as far as they were graded."""

    def __init__(self, brief: Brief) -> None:
        self.notes: dict[str, tuple[Note, ...]] = {}
        self._brief = brief

    def grades(self, commits: Sequence[Commit], before: Sequence[Commit], grave: Collection[str]) -> list[Grade]:
        """The grades of the commits of a period, in their order; `before` and `grave` as in `triage.judge`.

        A commit that was already reported keeps the grade of the first time.
        """
        page = triage.judge(commits, before, self._read_notes(commits), grave)
        judged = page[: len(commits)]
        grades = [rules.grade(c, j, self._brief.texts) for c, j in zip(commits, judged, strict=True)]
        if self._brief.model and commits:
            by_model = self._by_model(commits, judged)
            grades = [by_model.get(c.sha, by_rules) for c, by_rules in zip(commits, grades, strict=True)]
            rest = page[len(commits) :]
            kept = triage.page_budget(
                [*(g.importance for g in grades), *(j.importance for j in rest)],
                [*(g.score for g in grades), *(j.score for j in rest)],
                [j.always for j in page],
                len(commits),
            )
            grades = [replace(g, importance=i) for g, i in zip(grades, kept, strict=False)]
        delivered = self._brief.archive.delivered_grades(self._brief.repository.name, [c.sha for c in commits])
        return [as_delivered(g, delivered.get(c.sha)) for c, g in zip(commits, grades, strict=True)]

    def alone(self, commit: Commit, grave: Collection[str]) -> Grade:
        """The grade of one commit by the rules, compared with no other; `grave` as in `triage.judge`."""
        (judged,) = triage.judge((commit,), (), self._read_notes([commit]), grave)
        return rules.grade(commit, judged, self._brief.texts)

    def _read_notes(self, commits: Sequence[Commit]) -> dict[str, tuple[Note, ...]]:
        """The notes of commits to users, by SHA, the most important first; only a few commits have files with notes."""
        # A bot's labels are about what it updates, not about this repository.
        labels = {c.sha: () if c.reading.bot else notes.from_labels(c.reading.labels) for c in commits}
        found = {c.sha: (*labels[c.sha], *notes.from_message(c.body)) for c in commits}
        telling = [f for c in commits for f in c.files if notes.is_telling(f.path, self._brief.habits)]
        # Git detects a rename only if it gets both names; else all of the file would be new.
        named = (path for f in telling for path in (f.path, f.previous) if path)
        paths = set(islice(dict.fromkeys(named), _NOTE_FILES))
        changing = {c.sha: c for c in commits if any(f.path in paths for f in c.files)}
        for commit, patches in self._brief.patches(list(changing.values()), paths):
            release = notes.prepares_release(commit, patches)
            written = notes.release_breaks(patches) if release else notes.notes(patches)
            found[commit.sha] += tuple(replace(note, release=release) for note in written)
        ordered = {sha: notes.heaviest_first(each) for sha, each in found.items() if each}
        self.notes |= ordered
        return ordered

    # --- By the model ------------------------------------------------------------------------

    @property
    def _model(self) -> Conversation:
        assert self._brief.model is not None
        return self._brief.model

    def _by_model(self, commits: Sequence[Commit], judged: Sequence[Judgement]) -> Mapping[str, Grade]:
        """The model's grades by SHA, without invalid ones."""
        starts = range(0, len(commits), questions.TRIAGE_SIZE)
        lists = [(commits[s : s + questions.TRIAGE_SIZE], judged[s : s + questions.TRIAGE_SIZE]) for s in starts]
        with ThreadPoolExecutor(self._brief.concurrency) as pool:
            found = dict(pair for part in pool.map(lambda p: self._list(*p), lists) for pair in part.items())
        return {**found, **self._second_look(found, commits, judged)}

    def _list(self, commits: Sequence[Commit], judged: Sequence[Judgement]) -> Mapping[str, Grade]:
        """The grades of a list; a list too long for the model's context is split into halves."""
        brief = self._brief
        question = questions.triage_question(brief.repository, commits, judged, brief.language)
        try:
            return self._ask(question, commits, lambda r: replies.read_triage(r, commits, judged, brief.language))
        except ContextExceeded as error:
            if len(commits) <= questions.TRIAGE_LEAST:
                brief.fault(error)
                return {}
            half = len(commits) // 2
            return {**self._list(commits[:half], judged[:half]), **self._list(commits[half:], judged[half:])}

    def _second_look(
        self, grades: Mapping[str, Grade], commits: Sequence[Commit], judged: Sequence[Judgement]
    ) -> Mapping[str, Grade]:
        """The grades of commits on which model and rules disagree, decided with their patches."""
        disputed, asker = replies.disputed(grades, commits, judged), self._model.asker
        prior = {c.sha: j for c, j in zip(commits, judged, strict=True)}
        views = [prior[c.sha] for c in disputed]
        while disputed:
            room = asker.room
            try:
                return self._decided(grades, disputed, views, min(questions.SECOND_TOKENS, room // len(disputed)))
            except ContextExceeded as error:
                if not asker.shrink(room):
                    self._brief.fault(error)
                    break
        return {}

    def _decided(
        self, grades: Mapping[str, Grade], disputed: Sequence[Commit], views: Sequence[Judgement], room: int
    ) -> Mapping[str, Grade]:
        """The grades of disputed commits, with `room` tokens of each patch."""
        brief = self._brief
        read = [(c, patch.select(c, p, room)) for c, p in brief.patches(disputed)]
        question = questions.second_question(brief.repository, read, brief.language)
        return self._ask(question, disputed, lambda r: replies.read_second(r, grades, disputed, views, brief.language))

    def _ask(
        self, question: Question, commits: Sequence[Commit], read: Callable[[Reply], Mapping[str, Grade]]
    ) -> Mapping[str, Grade]:
        """The model's answers for a list of commits, without invalid ones. Raises ContextExceeded."""
        try:
            found = self._model.ask_list(question, read)
        except ContextExceeded:
            raise
        except (Rejected, DigestError) as error:
            self._brief.fault(error)
            return {}
        if len(found) < len(commits):
            self._brief.fault(Rejected("incomplete"))
        return found


def as_delivered(grade: Grade, delivered: Grade | None) -> Grade:
    """A grade with the importance of the commit's first delivery; a reason for another importance is dropped."""
    if not delivered:
        return grade
    reason = grade.reason if grade.importance is delivered.importance else ""
    return replace(grade, importance=delivered.importance, types=delivered.types, score=delivered.score, reason=reason)
