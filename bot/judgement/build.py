"""Building a digest, or one commit's analysis: collected commits in, everything that is said of them out.

What a model cannot do falls to the next simpler form, at last to the rules, and is told once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import Protocol

from bot.commits import notes, patch
from bot.commits.files import generated
from bot.commits.patch import EvidenceIndex, Selection
from bot.errors import DigestError
from bot.judgement import questions, replies, rules, triage
from bot.judgement.asker import Conversation
from bot.judgement.replies import Rejected
from bot.judgement.triage import Judgement
from bot.ports import Progress, Store
from bot.texts import Texts
from bot.values import (
    Analysis,
    AnalysisKey,
    Commit,
    Entry,
    FilePatch,
    Grade,
    Importance,
    Note,
    Question,
    Reply,
    Repository,
)

_DEPTHS = (Importance.HIGH, Importance.MEDIUM)


_NOTE_FILES = 1_000
"""Files with notes for users that are read for one digest: they are named to git in its arguments."""


class Patches(Protocol):
    """Reads the patches of commits, in their order, as `CommitSource.patches` does."""

    def __call__(
        self, commits: Sequence[Commit], paths: Collection[str] = ()
    ) -> Iterator[tuple[str, tuple[FilePatch, ...]]]:
        """For each commit its SHA and its patch, or with `paths` that of these files."""
        ...


@dataclass(frozen=True, slots=True)
class _Task:
    """A commit to be analysed: the sentence of its grade, and how deep."""

    commit: Commit
    sentence: str
    depth: Importance


@dataclass(frozen=True, slots=True)
class _Read:
    """A task with its patch, and what of that a model is to see."""

    task: _Task
    patches: tuple[FilePatch, ...]
    seen: Selection


class Build:
    """One digest, or one commit, in the making; `faults` are the sentences that tell the reader what went wrong.

    `habits` are patterns of the files in which the repository keeps its notes for users, beyond the usual ones.
    """

    def __init__(
        self,
        repository: Repository,
        language: str,
        *,
        patches: Patches,
        store: Store,
        model: Conversation | None,
        concurrency: int,
        progress: Progress,
        habits: Sequence[str] = (),
    ) -> None:
        self.faults: dict[str, None] = {}
        self._repository = repository
        self._language = language
        self._texts = Texts(language)
        self._source = patches
        self._store = store
        self._model = model
        self._concurrency = concurrency
        self._progress = progress
        self._habits = habits
        self._noted: dict[str, tuple[Note, ...]] = {}

    def entries(
        self, commits: Sequence[Commit], before: Sequence[Commit] = (), grave: Collection[str] = ()
    ) -> tuple[Entry, ...]:
        """Everything that is said of the commits of a period, in their order; `before`, `grave` as in `judge`."""
        grades = self.grades(commits, before, grave)
        with ThreadPoolExecutor(self._concurrency) as pool:
            analyses = self._analyses(commits, grades, pool)
        return tuple(Entry(c, g, analyses[c.sha]) for c, g in zip(commits, grades, strict=True))

    # --- Grades ------------------------------------------------------------------------------

    def grades(
        self, commits: Sequence[Commit], before: Sequence[Commit] = (), grave: Collection[str] = ()
    ) -> list[Grade]:
        """The grades of the commits of a period, in their order: by the rules, or by the model on top of them.

        A commit that was told of has the grade with which it was told of first.
        """
        page = triage.judge(commits, before, self._notes(commits), grave)
        judged, rest = page[: len(commits)], page[len(commits) :]
        by_rules = {c.sha: rules.grade(c, j, self._texts) for c, j in zip(commits, judged, strict=True)}
        told = self._store.delivered_grades(self._repository.name, [c.sha for c in commits])
        if not self._model or not commits:
            return [as_told(by_rules[c.sha], told.get(c.sha)) for c in commits]
        starts = range(0, len(commits), questions.TRIAGE_SIZE)
        lists = [(commits[s : s + questions.TRIAGE_SIZE], judged[s : s + questions.TRIAGE_SIZE]) for s in starts]
        with ThreadPoolExecutor(self._concurrency) as pool:
            by_model = dict(pair for part in pool.map(lambda p: self._list_grades(*p), lists) for pair in part.items())
        by_model |= self._second_look(by_model, commits, judged)
        grades = [by_model.get(c.sha, by_rules[c.sha]) for c in commits]
        kept = triage.page_budget(
            [*(g.importance for g in grades), *(j.importance for j in rest)],
            [*(g.score for g in grades), *(j.score for j in rest)],
            [j.always for j in page],
            len(commits),
        )
        graded = [replace(g, importance=i) for g, i in zip(grades, kept, strict=False)]
        return [as_told(g, told.get(c.sha)) for c, g in zip(commits, graded, strict=True)]

    def _notes(self, commits: Sequence[Commit]) -> dict[str, tuple[Note, ...]]:
        """What commits themselves tell users, by SHA, the heaviest first: of few of them a file or two is read."""
        # A bot's labels tell of what it updates, not of this repository.
        labels = {c.sha: () if c.reading.bot else notes.from_labels(c.reading.labels) for c in commits}
        said = {c.sha: (*labels[c.sha], *notes.from_message(c.body)) for c in commits}
        telling = [f for c in commits for f in c.files if notes.is_telling(f.path, self._habits)]
        # Git sees that a file has another name only where it is given both; else all of it would be new.
        named = (path for f in telling for path in (f.path, f.previous) if path)
        paths = set(islice(dict.fromkeys(named), _NOTE_FILES))
        asked = {c.sha: c for c in commits if any(f.path in paths for f in c.files)}
        try:
            for sha, patches in self._source(list(asked.values()), paths) if asked else ():
                release = notes.prepares_release(asked[sha], patches)
                told = notes.release_breaks(patches) if release else notes.notes(patches)
                said[sha] += tuple(replace(note, release=release) for note in told)
        except DigestError as error:
            self._fault(error)
        found = {sha: notes.heaviest_first(told) for sha, told in said.items() if told}
        self._noted |= found
        return found

    def _list_grades(self, commits: Sequence[Commit], judged: Sequence[Judgement]) -> Mapping[str, Grade]:
        question = questions.triage_question(self._repository, commits, judged, self._language)
        return self._listed(question, commits, lambda r: replies.read_triage(r, commits, judged, self._language))

    def _second_look(
        self, grades: Mapping[str, Grade], commits: Sequence[Commit], judged: Sequence[Judgement]
    ) -> Mapping[str, Grade]:
        """The grades of commits on which model and rules are two steps apart, decided with their patches."""
        disputed = replies.disputed(grades, commits, judged)
        if not disputed:
            return {}
        budgets = self._budgets(disputed, questions.SECOND_TOKENS)
        tasks = [_Task(c, "", Importance.MEDIUM) for c in disputed]
        read = [(t.commit, patch.select(t.commit, p, budgets[t.commit.sha])) for t, p in self._read_patches(tasks)]
        prior = {c.sha: j for c, j in zip(commits, judged, strict=True)}
        views = [prior[c.sha] for c in disputed]
        question = questions.second_question(self._repository, read, self._language)
        return self._listed(
            question, disputed, lambda r: replies.read_second(r, grades, disputed, views, self._language)
        )

    def _listed(
        self, question: Question, commits: Sequence[Commit], read: Callable[[Reply], Mapping[str, Grade]]
    ) -> Mapping[str, Grade]:
        """What the model says of each commit of a list; nothing of those that it got wrong."""
        assert self._model is not None
        try:
            found = self._model.ask_list(question, read)
        except (Rejected, DigestError) as error:
            self._fault(error)
            return {}
        if len(found) < len(commits):
            self._fault(Rejected("incomplete"))
        return found

    # --- Analyses ----------------------------------------------------------------------------

    def _analyses(
        self, commits: Sequence[Commit], grades: Sequence[Grade], pool: ThreadPoolExecutor
    ) -> dict[str, Analysis]:
        found = {c.sha: Analysis(summary=g.sentence, by=g.by) for c, g in zip(commits, grades, strict=True)}
        deep = [
            _Task(c, g.sentence, g.importance) for c, g in zip(commits, grades, strict=True) if g.importance in _DEPTHS
        ]
        kept = {t.commit.sha: k for t in deep if (k := self._kept(t))}
        todo = [t for t in deep if t.commit.sha not in kept]
        found.update(kept)
        done = 0
        for made in self._by_model(todo, pool) if self._model else self._by_rules(todo):
            found.update(made)
            done += len(made)
            self._progress.analysing(done, len(todo))
        return found

    def _by_rules(self, tasks: Sequence[_Task]) -> Iterator[dict[str, Analysis]]:
        for task, patches in self._read_patches(tasks):
            yield {task.commit.sha: self._rules(task, patches)}

    def _rules(self, task: _Task, patches: Sequence[FilePatch]) -> Analysis:
        told = self._noted.get(task.commit.sha, ())
        return rules.analysis(task.commit, task.sentence, task.depth, patches, self._texts, notes=told)

    def _by_model(self, tasks: Sequence[_Task], pool: ThreadPoolExecutor) -> Iterator[dict[str, Analysis]]:
        """High commits one by one, medium ones several at once, all of them as soon as their patch is there."""
        high = [t for t in tasks if t.depth is Importance.HIGH]
        medium = [t for t in tasks if t.depth is Importance.MEDIUM]
        asked: list[Future[dict[str, Analysis]]] = []
        for read in self._read(high, questions.HIGH_TOKENS):
            asked.append(pool.submit(lambda r: {r.task.commit.sha: self._full(r)}, read))
        batch: list[_Read] = []
        for number, read in enumerate(self._read(medium, questions.MEDIUM_TOKENS), start=1):
            batch.append(read)
            if len(batch) == questions.BATCH_SIZE or number == len(medium):
                asked.append(pool.submit(self._batch, batch))
                batch = []
        for answered in asked:
            yield answered.result()

    def _read(self, tasks: Sequence[_Task], average: int) -> Iterator[_Read]:
        """Tasks with what a model is to see of their patches, within `average` tokens for each of them."""
        budgets = self._budgets([t.commit for t in tasks], average)
        for task, patches in self._read_patches(tasks):
            yield _Read(task, patches, patch.select(task.commit, patches, budgets[task.commit.sha]))

    @staticmethod
    def _budgets(commits: Sequence[Commit], average: int) -> dict[str, int]:
        # About twelve tokens a changed line, and room for the lines around it.
        sizes = [100 + 20 * sum(f.added + f.removed for f in c.files if not generated(f.path)) for c in commits]
        return dict(zip((c.sha for c in commits), questions.shares(sizes, average), strict=True))

    def _read_patches(self, tasks: Sequence[_Task]) -> Iterator[tuple[_Task, tuple[FilePatch, ...]]]:
        """Every commit with its patch; with none where it cannot be read."""
        left = list(tasks)
        try:
            for _, patches in self._source([t.commit for t in tasks]):
                yield left.pop(0), patches
        except DigestError as error:
            self._fault(error)
        yield from ((task, ()) for task in left)

    def _full(self, read: _Read) -> Analysis:
        """The full analysis by the model, which is kept, else by the rules."""
        made = self._analysed(read)
        return made if made.note else self._keep(read.task.commit, questions.ANALYSIS, made)

    def _analysed(self, read: _Read) -> Analysis:
        commit = read.task.commit
        question = questions.analysis_question(self._repository, commit, read.seen, self._language)
        try:
            return self._checked(question, commit, EvidenceIndex(commit, read.patches), read.seen.coverage)
        except (Rejected, DigestError) as error:
            return self._fallback(error, read)

    def _checked(self, question: Question, commit: Commit, proof: EvidenceIndex, coverage: float) -> Analysis:
        """The analysis with proven statements only; asked once more where some were not, and the better one taken."""
        assert self._model is not None

        def read(reply: Reply) -> replies.Checked:
            return replies.read_analysis(reply, commit, proof, coverage, self._language)

        made = self._model.ask(question, read)
        if made.problems:
            try:
                second = read(self._model.reply(questions.again(question, " ".join(made.problems))))
                made = min(made, second, key=lambda c: len(c.problems))
            except (Rejected, DigestError):
                pass  # the first answer stands, without what could not be proven
        self._model.asker.checked(question, made.stated, len(made.problems))
        if made.invented:
            raise Rejected("nothing it says could be verified.")
        return made.analysis

    def _batch(self, batch: Sequence[_Read]) -> dict[str, Analysis]:
        assert self._model is not None
        seen = [(read.task.commit, read.seen) for read in batch]
        question = questions.batch_question(self._repository, seen, self._language)
        error: Exception = Rejected("incomplete")
        made: Mapping[str, Analysis] = {}
        try:
            made = self._model.ask_list(question, lambda r: replies.read_batch(r, seen, self._language))
        except (Rejected, DigestError) as problem:
            error = problem
        return {
            r.task.commit.sha: self._keep(r.task.commit, questions.BATCH, made[r.task.commit.sha])
            if r.task.commit.sha in made
            else self._fallback(error, r)
            for r in batch
        }

    def _fallback(self, error: Exception, read: _Read) -> Analysis:
        self._fault(error)
        return replace(self._rules(read.task, read.patches), note=self._texts("digest.no_model_note"))

    # --- One commit --------------------------------------------------------------------------

    def grade_alone(self, commit: Commit, grave: Collection[str]) -> Grade:
        """The grade of one commit by the rules, held against no other; `grave` as in `judge`."""
        (judged,) = triage.judge((commit,), (), self._notes([commit]), grave)
        return rules.grade(commit, judged, self._texts)

    def alone(self, commit: Commit, sentence: str) -> Analysis:
        """The full analysis of one commit, of as much of its patch as several questions hold.

        What it tells users is known from `grade_alone`.
        """
        task = _Task(commit, sentence, Importance.HIGH)
        kept = self._kept(task)
        if kept and kept.coverage == 1:
            return kept
        ((_, patches),) = self._read_patches([task])
        if not self._model:
            return self._rules(task, patches)
        pages = patch.parts(commit, patches, questions.ALONE_TOKENS, questions.PARTS)
        if kept and kept.coverage >= sum(page.coverage for page in pages):
            return kept
        if len(pages) == 1:
            return self._full(_Read(task, patches, pages[0]))
        return self._in_parts(task, patches, pages)

    def _in_parts(self, task: _Task, patches: tuple[FilePatch, ...], pages: Sequence[Selection]) -> Analysis:
        """A large commit, read page by page; what of it could not be read is left out of the coverage."""
        assert self._model is not None
        with ThreadPoolExecutor(self._concurrency) as pool:
            analyses = list(pool.map(lambda page: self._analysed(_Read(task, patches, page)), pages))
        parts = [a for a in analyses if not a.note]
        if not parts:
            return analyses[0]
        whole = replies.joined(parts)
        question = questions.merge_question(self._repository, task.commit, parts, self._language)
        try:
            made = self._checked(question, task.commit, EvidenceIndex(task.commit, patches), whole.coverage)
        except (Rejected, DigestError) as error:
            self._fault(error)
            return whole
        return self._keep(task.commit, questions.MERGE, replace(made, dropped=made.dropped + whole.dropped))

    # --- Keeping -----------------------------------------------------------------------------

    def _kept(self, task: _Task) -> Analysis | None:
        if not self._model:
            return None
        prompts = (questions.MERGE, questions.ANALYSIS) if task.depth is Importance.HIGH else (questions.BATCH,)
        found = (self._store.analysis(self._key(task.commit, prompt)) for prompt in prompts)
        return next((analysis for analysis in found if analysis), None)

    def _keep(self, commit: Commit, prompt: str, made: Analysis) -> Analysis:
        self._store.keep_commits((commit,))
        self._store.keep_analysis(self._key(commit, prompt), made)
        return made

    def _key(self, commit: Commit, prompt: str) -> AnalysisKey:
        assert self._model is not None
        return AnalysisKey(commit.repo, commit.sha, prompt, self._model.asker.name, self._language)

    # --- Overview ----------------------------------------------------------------------------

    def overview(self, entries: Sequence[Entry]) -> str:
        """The digest's opening sentences."""
        if not entries:
            return self._texts("digest.overview_none")
        if self._model:
            question = questions.overview_question(self._repository, entries, self._language)
            try:
                return self._model.ask(question, lambda r: replies.read_overview(r, question, self._language))
            except (Rejected, DigestError) as error:
                self._fault(error)
        high = [
            e.commit for e in sorted(entries, key=lambda e: -e.grade.score) if e.grade.importance is Importance.HIGH
        ]
        return rules.overview(high, len(entries), self._texts)

    def _fault(self, error: Exception) -> None:
        """Tell the reader once what went wrong; an unusable answer is no news beyond that."""
        told = self._texts.error(error) if isinstance(error, DigestError) else self._texts("digest.model_unusable")
        self.faults[told] = None


def as_told(grade: Grade, told: Grade | None) -> Grade:
    """A grade, as grave as it was when the commit was told of first; a reason for another one is none for it."""
    if not told:
        return grade
    reason = grade.reason if grade.importance is told.importance else ""
    return replace(grade, importance=told.importance, types=told.types, score=told.score, reason=reason)
