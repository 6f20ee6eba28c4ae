"""What is said about each important commit of a digest: by the rules, or by a model that has read its patch.

A model first drafts what it would say, looks up what would refute that, and then says what is left. If that fails, a
simpler form is tried, and at last the rules.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace

from bot.commits import patch
from bot.commits.files import FileKind, kind
from bot.commits.interfaces import touches_interface
from bot.commits.patch import EvidenceIndex, Selection
from bot.errors import ContextExceeded, DigestError
from bot.judgement import checking, questions, replies, rules
from bot.judgement.asker import Conversation
from bot.judgement.brief import Brief
from bot.judgement.proofs import Proofs
from bot.judgement.replies import Checked, Rejected
from bot.judgement.shapes import DraftReply
from bot.ports import Progress
from bot.values import (
    MOST_TOP,
    Analysis,
    AnalysisKey,
    Commit,
    FilePatch,
    Grade,
    Importance,
    Note,
    Question,
    Reply,
    Sight,
)

_DEPTHS = (Importance.HIGH, Importance.MEDIUM)


@dataclass(frozen=True, slots=True)
class _Task:
    """A commit to be analysed: its row in the digest, and the depth."""

    commit: Commit
    row: Grade
    importance: Importance


_Read = tuple[_Task, tuple[FilePatch, ...], Selection]
"""A task with its patch, and the part of it that a model sees."""


@dataclass(frozen=True, slots=True)
class _Case:
    """A commit that a model reads: where its quotes are, and what else the model is shown."""

    commit: Commit
    proofs: Proofs
    rest: questions.Rest


class _Reader:
    """A model that reads one commit by itself."""

    def __init__(self, brief: Brief, model: Conversation) -> None:
        self._brief = brief
        self._model = model

    def read(self, task: _Task, patches: tuple[FilePatch, ...], room: int) -> tuple[str, Analysis]:
        """The analysis of a commit, and the name under which it is stored. Raises Rejected, DigestError."""
        commit, brief = task.commit, self._brief
        pages = patch.parts(commit, patches, room, questions.PARTS)
        rest = questions.Rest(brief.language, brief.around(commit, patches), task.row)
        landed = [other for other, _ in rest.around.landed]
        case = _Case(commit, Proofs(commit, EvidenceIndex(commit, patches), landed), rest)
        if len(pages) > 1:
            return questions.MERGE, self._in_parts(case, pages)
        return self._page(case, pages[0])

    def _page(self, case: _Case, seen: Selection) -> tuple[str, Analysis]:
        """The analysis of a part of a commit, as deep as requested. Raises Rejected, DigestError."""
        if self._brief.depth.looks:
            with suppress(Rejected):  # a model that cannot do two steps may still do one
                return self._brief.depth.prompt, self._with_a_look(case, seen)
        return questions.ANALYSIS, self._at_once(case, seen)

    def _at_once(self, case: _Case, seen: Selection) -> Analysis:
        brief, commit, proofs = self._brief, case.commit, case.proofs
        question = questions.analysis_question(brief.repository, commit, seen, case.rest)
        made, _ = self._proven(
            question, lambda r: replies.read_analysis(r, commit, proofs, seen.coverage, brief.language)
        )
        return made

    def _with_a_look(self, case: _Case, seen: Selection) -> Analysis:
        """Ask for a draft, look up what it wants, and ask for the analysis with that."""
        brief, commit = self._brief, case.commit
        looks, rest = brief.depth.looks, case.rest
        first = questions.draft_question(brief.repository, commit, seen, rest, looks=looks)
        draft = self._model.ask(first, replies.read_draft)
        sights = brief.look(commit, replies.looks(draft, looks))
        how = {"coverage": seen.coverage, "language": brief.language}

        def ask(draft: DraftReply, sights: Sequence[Sight], *, more: bool) -> tuple[Analysis, Reply]:
            about = brief.repository, commit, seen, rest
            question = questions.looked_question(*about, draft=draft, sights=sights, more=more)
            proofs = replace(case.proofs, sights=sights)
            return self._proven(question, lambda r: replies.read_looked(r, commit, proofs, draft, **how))

        made, reply = ask(draft, sights, more=brief.depth.settles)
        if brief.depth.settles:
            with suppress(Rejected, DigestError):  # if that fails, keep the second answer
                left = replies.still_open(reply, draft)
                if left.looks:
                    sights += brief.look(commit, replies.looks(left, looks))
                    made, _ = ask(left, sights, more=False)
        return self._second_reader(case, seen, made, sights) if brief.depth.checks else made

    def _second_reader(self, case: _Case, seen: Selection, made: Analysis, sights: Sequence[Sight]) -> Analysis:
        """The analysis as a reader corrects it who sees the code around its quotes; as it was if that fails."""
        brief, commit = self._brief, case.commit
        around = brief.look(commit, checking.around(made, commit))
        proofs = replace(case.proofs, sights=(*sights, *around))
        written = checking.points(made)
        question = questions.check_question(brief.repository, commit, seen, written, (*around, *sights), brief.language)
        with suppress(Rejected, DigestError):
            changes = self._model.ask(
                question, lambda r: replies.read_check(r, written, proofs, question.user, brief.language)
            )
            made = checking.mended(made, changes)
        return made

    def _proven(self, question: Question, read: Callable[[Reply], Checked]) -> tuple[Analysis, Reply]:
        """The analysis with proven statements only, and the first answer.

        Asked once more if some were not; what either answer proved is used.
        """
        replied: list[Reply] = []

        def noted(reply: Reply) -> Checked:
            replied.append(reply)
            return read(reply)

        made = self._model.ask(question, noted)
        self._model.asker.checked(question, made.stated, len(made.problems))
        if made.problems:
            with suppress(Rejected, DigestError):  # if that fails, keep the first answer without unproven statements
                again = questions.again(question, " ".join(made.problems), first=replied[-1].text)
                made = made.joined(read(self._model.reply(again)))
        if made.invented:
            raise Rejected("nothing it says could be verified.")
        return made.analysis, replied[-1]

    def _in_parts(self, case: _Case, pages: Sequence[Selection]) -> Analysis:
        """A large commit, read page by page; unreadable parts reduce the coverage."""
        brief, commit = self._brief, case.commit
        with ThreadPoolExecutor(len(pages)) as pool:
            read = [pool.submit(self._page, case, page) for page in pages]
        failed = [error for each in read if (error := each.exception())]
        if len(failed) == len(pages) or any(isinstance(error, ContextExceeded) for error in failed):
            raise next((error for error in failed if isinstance(error, ContextExceeded)), failed[0])
        for error in failed:
            assert isinstance(error, Rejected | DigestError)
            brief.fault(error)
        parts = [each.result()[1] for each in read if not each.exception()]
        whole = replies.joined(parts, brief.texts)
        question = questions.merge_question(brief.repository, commit, parts, brief.language)
        how = {"coverage": whole.coverage, "language": brief.language}
        try:
            made, _ = self._proven(question, lambda r: replies.read_merged(r, commit, case.proofs, parts, **how))
        except (Rejected, DigestError) as error:
            brief.fault(error)
            return whole
        return replace(made, dropped=made.dropped + whole.dropped)


class Analyst:
    """Analyses the commits of one digest. `notes` are what commits tell users, by SHA."""

    def __init__(self, brief: Brief, notes: Mapping[str, Sequence[Note]], progress: Progress) -> None:
        self._brief = brief
        self._notes = notes
        self._progress = progress

    def analyses(self, commits: Sequence[Commit], grades: Sequence[Grade]) -> dict[str, Analysis]:
        """The analyses by SHA, as deep as the grade asks for: stored ones, or made now, the most important first.

        So a budget that runs out affects the others. High commits that no thread can show are not sent to a model.
        """
        graded = sorted(zip(commits, grades, strict=True), key=lambda each: each[1].weight, reverse=True)
        found = {c.sha: Analysis(summary=g.sentence, by=g.by) for c, g in graded}
        deep = [_Task(c, g, g.importance) for c, g in graded if g.importance in _DEPTHS]
        kept = {t.commit.sha: k for t in deep if (k := self._kept(t))}
        todo = [t for t in deep if t.commit.sha not in kept]
        found.update(kept)
        done = 0
        for made in self._beside_model(todo, deep) if self._brief.model else self._by_rules(todo):
            found.update(made)
            done += len(made)
            self._progress.analysing(done, len(todo))
        return found

    def alone(self, commit: Commit, row: Grade) -> Analysis:
        """The full analysis of one commit, with as much of its patch as fits into several questions."""
        task = _Task(commit, row, Importance.HIGH)
        kept = self._kept(task)
        if kept and kept.coverage == 1:
            return kept
        ((_, patches),) = self._brief.patches([commit])
        if not self._brief.model:
            return self._rules(task, patches)
        pages = patch.parts(commit, patches, self._model.asker.room, questions.PARTS)
        if kept and kept.coverage >= sum(page.coverage for page in pages):
            return kept
        return self._full(task, patches)

    @property
    def _model(self) -> Conversation:
        assert self._brief.model is not None
        return self._brief.model

    def _patches(self, tasks: Sequence[_Task]) -> Iterator[tuple[_Task, tuple[FilePatch, ...]]]:
        of = {t.commit.sha: t for t in tasks}
        return ((of[c.sha], patches) for c, patches in self._brief.patches([t.commit for t in tasks]))

    # --- By the rules ------------------------------------------------------------------------

    def _by_rules(self, tasks: Sequence[_Task]) -> Iterator[dict[str, Analysis]]:
        for task, patches in self._patches(tasks):
            yield {task.commit.sha: self._rules(task, patches)}

    def _rules(self, task: _Task, patches: Sequence[FilePatch]) -> Analysis:
        notes = self._notes.get(task.commit.sha, ())
        return rules.analysis(task.commit, task.row.sentence, task.importance, patches, self._brief.texts, notes=notes)

    # --- By the model ------------------------------------------------------------------------

    def _beside_model(self, todo: Sequence[_Task], deep: Sequence[_Task]) -> Iterator[dict[str, Analysis]]:
        """The model's analyses; high commits beyond those in threads get the rules' analysis, and a note why."""
        high = [task.commit for task in deep if task.importance is Importance.HIGH]
        beyond = {commit.sha for commit in high[MOST_TOP:]}
        yield from self._by_model([task for task in todo if task.commit.sha not in beyond])
        for task, patches in self._patches([task for task in todo if task.commit.sha in beyond]):
            note = self._brief.texts("digest.beyond_top", n=MOST_TOP, of=f"{len(high):,}")
            yield {task.commit.sha: replace(self._rules(task, patches), note=note)}

    def _by_model(self, tasks: Sequence[_Task]) -> Iterator[dict[str, Analysis]]:
        """Small medium commits without look-ups several at once, all others one by one, as patches arrive.

        More commits are in progress than questions may be open, since some of them are looking things up.
        """
        with ThreadPoolExecutor(2 * self._brief.concurrency) as pool:
            asked: list[Future[dict[str, Analysis]]] = []
            batch: list[_Read] = []
            for task, patches in self._patches(tasks):
                seen = patch.select(task.commit, patches, questions.SMALL_TOKENS)
                if task.importance is Importance.HIGH or seen.coverage < 1 or self._needs_a_look(patches):
                    asked.append(pool.submit(lambda t, p: {t.commit.sha: self._full(t, p)}, task, patches))
                    continue
                batch.append((task, patches, seen))
                if len(batch) == questions.BATCH_SIZE:
                    asked.append(pool.submit(self._batch, batch))
                    batch = []
            if batch:
                asked.append(pool.submit(self._batch, batch))
            for answered in asked:
                yield answered.result()

    def _needs_a_look(self, patches: Sequence[FilePatch]) -> bool:
        """Whether other code decides what a patch means: users of an interface; with look-ups, callers."""
        code = any(kind(file.path) is FileKind.SOURCE for file in patches)
        return touches_interface(patches) or (code and self._brief.depth.looks > 0)

    def _full(self, task: _Task, patches: tuple[FilePatch, ...]) -> Analysis:
        """The full analysis by the model, which is stored, or by the rules.

        The limit of a question's length becomes known only when one is too long: then shorter ones are asked.
        """
        while True:
            room = self._model.asker.room
            try:
                prompt, made = _Reader(self._brief, self._model).read(task, patches, room)
                return self._keep(task.commit, prompt, made)
            except ContextExceeded as error:
                if not self._model.asker.shrink(room):
                    return self._fallback(error, task, patches)
            except (Rejected, DigestError) as error:
                return self._fallback(error, task, patches)

    def _batch(self, batch: Sequence[_Read]) -> dict[str, Analysis]:
        brief = self._brief
        seen = [(task.commit, selection) for task, _, selection in batch]
        indexes = [EvidenceIndex(task.commit, patches) for task, patches, _ in batch]
        rows = {task.commit.sha: task.row for task, _, _ in batch}
        question = questions.batch_question(brief.repository, seen, brief.language, rows)
        error: Exception = Rejected("incomplete")
        made: Mapping[str, Analysis] = {}
        try:
            made = self._model.ask_list(question, lambda r: replies.read_batch(r, seen, indexes, brief.language))
        except (Rejected, DigestError) as problem:
            error = problem
        return {
            task.commit.sha: self._keep(task.commit, questions.BATCH, made[task.commit.sha])
            if task.commit.sha in made
            else self._fallback(error, task, patches)
            for task, patches, _ in batch
        }

    def _fallback(self, error: Exception, task: _Task, patches: Sequence[FilePatch]) -> Analysis:
        self._brief.fault(error)
        return replace(self._rules(task, patches), note=self._brief.texts("digest.no_model_note"))

    # --- Keeping -----------------------------------------------------------------------------

    def _kept(self, task: _Task) -> Analysis | None:
        if not self._brief.model:
            return None
        small = (questions.BATCH,) if task.importance is Importance.MEDIUM else ()
        prompts = (*self._brief.depth.serving, *small)
        found = (self._brief.archive.analysis(self._key(task.commit, prompt)) for prompt in prompts)
        return next((analysis for analysis in found if analysis), None)

    def _keep(self, commit: Commit, prompt: str, made: Analysis) -> Analysis:
        self._brief.archive.keep_commits((commit,))
        self._brief.archive.keep_analysis(self._key(commit, prompt), made)
        return made

    def _key(self, commit: Commit, prompt: str) -> AnalysisKey:
        return AnalysisKey(commit.repo, commit.sha, prompt, self._model.asker.name, self._brief.language)
