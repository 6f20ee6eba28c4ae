"""What is said of each commit of a digest that matters: by the rules, or by a model that has seen its patch.

What a model cannot do falls to the next simpler form, at last to the rules.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from bot.commits import patch
from bot.commits.patch import EvidenceIndex, Selection
from bot.errors import DigestError
from bot.judgement import questions, replies, rules
from bot.judgement.brief import Brief
from bot.judgement.replies import Rejected
from bot.ports import Progress
from bot.values import Analysis, AnalysisKey, Commit, FilePatch, Grade, Importance, Note, Question, Reply

_DEPTHS = (Importance.HIGH, Importance.MEDIUM)


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


class Analyst:
    """Analyses the commits of one digest. `notes` are what commits tell users, by SHA."""

    def __init__(self, brief: Brief, notes: Mapping[str, Sequence[Note]], progress: Progress) -> None:
        self._brief = brief
        self._notes = notes
        self._progress = progress

    def analyses(self, commits: Sequence[Commit], grades: Sequence[Grade]) -> dict[str, Analysis]:
        """By SHA, as deep as the grade asks for: what is kept, else made now."""
        graded = list(zip(commits, grades, strict=True))
        found = {c.sha: Analysis(summary=g.sentence, by=g.by) for c, g in graded}
        deep = [_Task(c, g.sentence, g.importance) for c, g in graded if g.importance in _DEPTHS]
        kept = {t.commit.sha: k for t in deep if (k := self._kept(t))}
        todo = [t for t in deep if t.commit.sha not in kept]
        found.update(kept)
        done = 0
        for made in self._by_model(todo) if self._brief.model else self._by_rules(todo):
            found.update(made)
            done += len(made)
            self._progress.analysing(done, len(todo))
        return found

    def alone(self, commit: Commit, sentence: str) -> Analysis:
        """The full analysis of one commit, of as much of its patch as several questions hold."""
        task = _Task(commit, sentence, Importance.HIGH)
        kept = self._kept(task)
        if kept and kept.coverage == 1:
            return kept
        ((_, patches),) = self._brief.patches([commit])
        if not self._brief.model:
            return self._rules(task, patches)
        pages = patch.parts(commit, patches, questions.ALONE_TOKENS, questions.PARTS)
        if kept and kept.coverage >= sum(page.coverage for page in pages):
            return kept
        if len(pages) == 1:
            return self._full(_Read(task, patches, pages[0]))
        return self._in_parts(task, patches, pages)

    # --- By the rules ------------------------------------------------------------------------

    def _by_rules(self, tasks: Sequence[_Task]) -> Iterator[dict[str, Analysis]]:
        for task, patches in self._patches(tasks):
            yield {task.commit.sha: self._rules(task, patches)}

    def _rules(self, task: _Task, patches: Sequence[FilePatch]) -> Analysis:
        notes = self._notes.get(task.commit.sha, ())
        return rules.analysis(task.commit, task.sentence, task.depth, patches, self._brief.texts, notes=notes)

    # --- By the model ------------------------------------------------------------------------

    def _by_model(self, tasks: Sequence[_Task]) -> Iterator[dict[str, Analysis]]:
        """High commits one by one, medium ones several at once, all of them as soon as their patch is there."""
        high = [t for t in tasks if t.depth is Importance.HIGH]
        medium = [t for t in tasks if t.depth is Importance.MEDIUM]
        with ThreadPoolExecutor(self._brief.concurrency) as pool:
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

    def _patches(self, tasks: Sequence[_Task]) -> Iterator[tuple[_Task, tuple[FilePatch, ...]]]:
        of = {t.commit.sha: t for t in tasks}
        return ((of[c.sha], patches) for c, patches in self._brief.patches([t.commit for t in tasks]))

    def _read(self, tasks: Sequence[_Task], average: int) -> Iterator[_Read]:
        """Tasks with what a model is to see of their patches, within `average` tokens for each of them."""
        budgets = questions.budgets([t.commit for t in tasks], average)
        for task, patches in self._patches(tasks):
            yield _Read(task, patches, patch.select(task.commit, patches, budgets[task.commit.sha]))

    def _full(self, read: _Read) -> Analysis:
        """The full analysis by the model, which is kept, else by the rules."""
        made = self._analysed(read)
        return made if made.note else self._keep(read.task.commit, questions.ANALYSIS, made)

    def _analysed(self, read: _Read) -> Analysis:
        commit, brief = read.task.commit, self._brief
        question = questions.analysis_question(brief.repository, commit, read.seen, brief.language)
        try:
            return self._checked(question, commit, EvidenceIndex(commit, read.patches), read.seen.coverage)
        except (Rejected, DigestError) as error:
            return self._fallback(error, read)

    def _checked(self, question: Question, commit: Commit, index: EvidenceIndex, coverage: float) -> Analysis:
        """The analysis with proven statements only; asked once more where some were not, and the better one taken."""
        model = self._brief.model
        assert model is not None

        def read(reply: Reply) -> replies.Checked:
            return replies.read_analysis(reply, commit, index, coverage, self._brief.language)

        made = model.ask(question, read)
        if made.problems:
            try:
                second = read(model.reply(questions.again(question, " ".join(made.problems))))
                made = min(made, second, key=lambda c: len(c.problems))
            except (Rejected, DigestError):
                pass  # the first answer stays, without what could not be proven
        model.asker.checked(question, made.stated, len(made.problems))
        if made.invented:
            raise Rejected("nothing it says could be verified.")
        return made.analysis

    def _batch(self, batch: Sequence[_Read]) -> dict[str, Analysis]:
        brief, seen = self._brief, [(read.task.commit, read.seen) for read in batch]
        assert brief.model is not None
        question = questions.batch_question(brief.repository, seen, brief.language)
        error: Exception = Rejected("incomplete")
        made: Mapping[str, Analysis] = {}
        try:
            made = brief.model.ask_list(question, lambda r: replies.read_batch(r, seen, brief.language))
        except (Rejected, DigestError) as problem:
            error = problem
        return {
            r.task.commit.sha: self._keep(r.task.commit, questions.BATCH, made[r.task.commit.sha])
            if r.task.commit.sha in made
            else self._fallback(error, r)
            for r in batch
        }

    def _in_parts(self, task: _Task, patches: tuple[FilePatch, ...], pages: Sequence[Selection]) -> Analysis:
        """A large commit, read page by page; what of it could not be read is left out of the coverage."""
        brief = self._brief
        with ThreadPoolExecutor(brief.concurrency) as pool:
            analyses = list(pool.map(lambda page: self._analysed(_Read(task, patches, page)), pages))
        parts = [a for a in analyses if not a.note]
        if not parts:
            return analyses[0]
        whole = replies.joined(parts)
        question = questions.merge_question(brief.repository, task.commit, parts, brief.language)
        try:
            made = self._checked(question, task.commit, EvidenceIndex(task.commit, patches), whole.coverage)
        except (Rejected, DigestError) as error:
            brief.fault(error)
            return whole
        return self._keep(task.commit, questions.MERGE, replace(made, dropped=made.dropped + whole.dropped))

    def _fallback(self, error: Exception, read: _Read) -> Analysis:
        self._brief.fault(error)
        return replace(self._rules(read.task, read.patches), note=self._brief.texts("digest.no_model_note"))

    # --- Keeping -----------------------------------------------------------------------------

    def _kept(self, task: _Task) -> Analysis | None:
        if not self._brief.model:
            return None
        prompts = (questions.MERGE, questions.ANALYSIS) if task.depth is Importance.HIGH else (questions.BATCH,)
        found = (self._brief.archive.analysis(self._key(task.commit, prompt)) for prompt in prompts)
        return next((analysis for analysis in found if analysis), None)

    def _keep(self, commit: Commit, prompt: str, made: Analysis) -> Analysis:
        self._brief.archive.keep_commits((commit,))
        self._brief.archive.keep_analysis(self._key(commit, prompt), made)
        return made

    def _key(self, commit: Commit, prompt: str) -> AnalysisKey:
        assert self._brief.model is not None
        return AnalysisKey(commit.repo, commit.sha, prompt, self._brief.model.asker.name, self._brief.language)
