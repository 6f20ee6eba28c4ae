"""The imperative shell: collect, triage, analyse, keep, deliver. The decisions are in the modules it calls.

A digest always goes out: a model or a patch that cannot be had costs a row's depth, and the row says so.
"""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from fnmatch import fnmatchcase
from typing import TypeVar

from bot import analysis as asking
from bot import digest as digests
from bot import patch, rules, triage
from bot.analysis import Rejected
from bot.patch import Selection
from bot.ports import (
    Chat,
    CommitSource,
    ConfigError,
    DigestError,
    Forbidden,
    LanguageModel,
    NotFound,
    Progress,
    Store,
    Unavailable,
)
from bot.texts import Texts
from bot.triage import Judgement
from bot.values import (
    Analysis,
    AnalysisKey,
    Commit,
    Digest,
    Entry,
    FilePatch,
    Filters,
    Grade,
    Importance,
    Period,
    Place,
    Post,
    Question,
    Reply,
    Repository,
    Usage,
)

_DEPTHS = (Importance.HIGH, Importance.MEDIUM)
_RECENT = 10
_PATIENCE = 3
"""Outages of a model in one digest after which it is asked nothing more: each has cost several tries already."""
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Scope:
    """Which commits a digest is about, and for whom."""

    repo: str
    period: Period
    language: str
    branch: str = ""
    filters: Filters = field(default_factory=Filters)


@dataclass(frozen=True, slots=True)
class Policy:
    """What may be followed: patterns of repositories, and the chat whose user is the operator."""

    allow: tuple[str, ...] = ()
    operator_chat: str = "terminal"

    def check_name(self, repo: str, place: Place) -> None:
        """Refuse, before anything is touched, what only the operator may name. Raises Forbidden."""
        hosted = repo.count("/") == 1 and not repo.startswith((".", "/", "~")) and ":" not in repo
        if place.chat != self.operator_chat and not self._listed(repo) and (self.allow or not hosted):
            raise Forbidden("repo_not_allowed", repo=repo)

    def check(self, repository: Repository, place: Place) -> None:
        """Refuse a repository that this place may not see. Raises Forbidden."""
        if self._listed(repository.name) or self._listed(repository.title):
            return
        if self.allow or (repository.private and place.chat != self.operator_chat):
            raise Forbidden("repo_not_allowed", repo=repository.title)

    def _listed(self, name: str) -> bool:
        return any(fnmatchcase(name.lower(), pattern.lower()) for pattern in self.allow)


class App:
    """Everything the bot does, on the parts it is given.

    `source_of` names the source of a repository; `model` None means the rules alone; `clock` gives the time in UTC.
    """

    def __init__(
        self,
        *,
        store: Store,
        source_of: Callable[[str], CommitSource],
        model: LanguageModel | None,
        policy: Policy,
        clock: Callable[[], datetime],
        concurrency: int,
        progress: Progress,
    ) -> None:
        self.store = store
        self.clock = clock
        self.model = model
        self.progress = progress
        self._source_of = source_of
        self._policy = policy
        self._concurrency = concurrency

    # --- Finding -----------------------------------------------------------------------------

    def repository(self, repo: str, place: Place) -> Repository:
        """What is known of `repo`. Raises NotFound, Unavailable, and Forbidden where `place` may not see it."""
        self._policy.check_name(repo, place)
        repository = self._source_of(repo).repository(repo)
        self._policy.check(repository, place)
        return repository

    def check_branch(self, repository: Repository, branch: str) -> None:
        """Make sure that a branch is there. Raises NotFound."""
        now = self.clock()
        self._source_of(repository.name).commits(repository.name, branch, now, now)

    def commit(self, repository: Repository, sha: str) -> Commit:
        """The commit that starts with `sha`, from what is kept or from the source. Raises NotFound, UsageError."""
        kept = self.store.commits_by_sha(repository.name, sha) if len(sha) >= 7 else ()
        return kept[0] if len(kept) == 1 else self._keep(self._source_of(repository.name).commit(repository.name, sha))

    def pull(self, repository: Repository, number: int) -> Commit:
        """The commit with which a pull request landed. Raises NotFound."""
        kept = self.store.commits_by_pull(repository.name, number)
        return kept[0] if kept else self._keep(self._source_of(repository.name).pull(repository.name, number))

    def _keep(self, commit: Commit) -> Commit:
        self.store.keep_commits((commit,))
        return commit

    def latest(self, repository: Repository, zone: str) -> date:
        """The latest day with a commit on the default branch. Raises NotFound where there is none."""
        now = self.clock()
        for back in (7, 60, 730, 20_000):
            since = now - timedelta(days=back)
            if found := self._source_of(repository.name).commits(repository.name, "", since, now):
                return digests.local(found[0].committed, zone).date()
        raise NotFound("no_commits", repo=repository.title)

    # --- Delivering --------------------------------------------------------------------------

    def deliver(self, chat: Chat, place: Place, post: Post) -> None:
        """Post the headline, and the replies in the thread beneath it."""
        thread = chat.post(place, post.headline)
        for reply in post.replies:
            chat.post(thread, reply)

    # --- One commit --------------------------------------------------------------------------

    def expand(self, repository: Repository, commit: Commit, language: str) -> Entry:
        """One commit in full depth, analysed now unless that is kept."""
        texts = Texts(language)
        judged = triage.judge((commit,))[0]
        grade = self._kept_grade(repository, commit, language) or rules.grade(commit, judged, texts)
        return Entry(commit, grade, _Work(self, repository, language).alone(commit, grade.sentence))

    def _kept_grade(self, repository: Repository, commit: Commit, language: str) -> Grade | None:
        """The grade that the commit had in a recent digest, where it was compared with its day."""
        recent = self.store.recent_digests(repository.name, repository.branch, language, _RECENT)
        return next((e.grade for d in recent for e in d.entries if e.commit.sha == commit.sha), None)

    # --- A period ----------------------------------------------------------------------------

    def digest(self, repository: Repository, scope: Scope) -> Digest:
        """The digest of a period: the kept one, where its commits are still the same, else a new one, which is kept.

        Raises NotFound and Unavailable when the commits themselves cannot be read.
        """
        self.progress.collecting(repository.title)
        branch = scope.branch or repository.branch
        since, until = scope.period.since, scope.period.until
        landed = self._source_of(repository.name).commits(repository.name, scope.branch, since, until)
        commits = tuple(c for c in landed if digests.wanted(c, scope.filters))
        key = self._digest_key(repository, branch, scope)
        kept = self.store.digest(key)
        if kept and not kept.degraded and [e.commit.sha for e in kept.entries] == [c.sha for c in commits]:
            return replace(kept, period=scope.period)
        made = _Work(self, repository, scope.language).digest(commits, len(landed) - len(commits), branch, scope)
        made = replace(made, usual=self._usual(made))
        self.store.keep_digest(key, made, self.clock())
        return made

    def _digest_key(self, repository: Repository, branch: str, scope: Scope) -> str:
        model = self.model.name if self.model else "rules"
        # A period that is still running ends later each time it is asked for: its digest is kept once, and replaced.
        until = scope.period.until if scope.period.until < self.clock() else None
        time = (scope.period.since, until, scope.period.zone)
        named = (repository.name, branch, time, scope.language, scope.filters, model, asking.ANALYSIS)
        return hashlib.sha256(repr(named).encode()).hexdigest()

    def _usual(self, made: Digest) -> int | None:
        """The median number of commits of at least three earlier digests that are as long and filtered alike."""
        length = made.period.until - made.period.since
        recent = self.store.recent_digests(made.repository.name, made.branch, made.language, _RECENT)
        alike = [
            len(d.entries)
            for d in recent
            if d.period.until <= made.period.since
            and abs((d.period.until - d.period.since) - length) <= timedelta(hours=1)
            and d.filters == made.filters
        ]
        return round(statistics.median(alike)) if len(alike) >= 3 else None

    def ask(self, question: Question, read: Callable[[Reply], _T]) -> _T:
        """The model's answer as `read` takes it; asked once more with what was wrong. Raises Rejected, DigestError."""
        try:
            return read(self.reply(question))
        except Rejected as rejected:
            return read(self.reply(asking.again(question, str(rejected))))

    def reply(self, question: Question) -> Reply:
        """The model's answer as it came; what it took is kept."""
        assert self.model is not None
        try:
            reply = self.model.ask(question)
        except DigestError as error:
            if isinstance(used := error.fields.get("usage"), Usage):
                self.store.add_usage(used, question.name, self.clock())
            raise
        self.store.add_usage(reply.usage, question.name, self.clock())
        return reply

    def patches(self, repository: Repository, commits: Sequence[Commit]) -> Iterator[tuple[str, tuple[FilePatch, ...]]]:
        """The patches of `commits`, read as they are asked for."""
        return self._source_of(repository.name).patches(repository.name, commits)

    @property
    def concurrency(self) -> int:
        """How many questions may be open at once."""
        return self._concurrency


@dataclass(frozen=True, slots=True)
class _Task:
    """A commit to be analysed: the sentence of its grade, and how deep."""

    commit: Commit
    sentence: str
    depth: Importance


class _Work:
    """One digest, or one commit, in the making: what went wrong is collected here and told once."""

    def __init__(self, app: App, repository: Repository, language: str) -> None:
        self._app = app
        self._repository = repository
        self._language = language
        self._texts = Texts(language)
        self._faults: dict[str, None] = {}
        self._gave_up: DigestError | None = None
        self._outages = 0

    def digest(self, commits: Sequence[Commit], filtered: int, branch: str, scope: Scope) -> Digest:
        with ThreadPoolExecutor(self._app.concurrency) as pool:
            grades = self._grades(commits, pool)
            analyses = self._analyses(commits, grades, pool)
        entries = tuple(Entry(c, g, analyses[c.sha]) for c, g in zip(commits, grades, strict=True))
        overview = self._overview(entries)
        left_out = self._texts("digest.filtered", count=self._texts.count("commits", filtered))
        return Digest(
            repository=self._repository,
            branch=branch,
            period=scope.period,
            language=scope.language,
            filters=scope.filters,
            entries=entries,
            overview=overview,
            themes=digests.themes(entries),
            notices=(*((left_out,) if filtered else ()), *self._faults),
            degraded=bool(self._faults),
        )

    def alone(self, commit: Commit, sentence: str) -> Analysis:
        """The full analysis of one commit."""
        task = _Task(commit, sentence, Importance.HIGH)
        if kept := self._kept(task):
            return kept
        ((_, patches),) = self._read_patches([task])
        return self._full(task, patches, asking.ALONE_TOKENS)

    # --- Grades ------------------------------------------------------------------------------

    def _grades(self, commits: Sequence[Commit], pool: ThreadPoolExecutor) -> list[Grade]:
        judged = triage.judge(commits)
        if not self._app.model or not commits:
            return [rules.grade(c, j, self._texts) for c, j in zip(commits, judged, strict=True)]
        starts = range(0, len(commits), asking.TRIAGE_SIZE)
        lists = [(commits[s : s + asking.TRIAGE_SIZE], judged[s : s + asking.TRIAGE_SIZE]) for s in starts]
        grades = [g for part in pool.map(lambda part: self._list_grades(*part), lists) for g in part]
        kept = triage.budget([g.importance for g in grades], [g.score for g in grades], [j.always for j in judged])
        return [replace(g, importance=i) for g, i in zip(grades, kept, strict=True)]

    def _list_grades(self, commits: Sequence[Commit], judged: Sequence[Judgement]) -> Sequence[Grade]:
        question = asking.triage_question(self._repository, commits, judged, self._language)
        try:
            return self._ask(question, lambda r: asking.read_triage(r, commits, judged, self._language))
        except (Rejected, DigestError) as error:
            self._fault(error)
            return [rules.grade(c, j, self._texts) for c, j in zip(commits, judged, strict=True)]

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
        for made in self._by_model(todo, pool) if self._app.model else self._by_rules(todo):
            found.update(made)
            done += len(made)
            self._app.progress.analysing(done, len(todo))
        return found

    def _by_rules(self, tasks: Sequence[_Task]) -> Iterator[dict[str, Analysis]]:
        for task, patches in self._read_patches(tasks):
            yield {task.commit.sha: self._rules(task, patches)}

    def _rules(self, task: _Task, patches: Sequence[FilePatch]) -> Analysis:
        return rules.analysis(task.commit, task.sentence, task.depth, patches, self._texts)

    def _by_model(self, tasks: Sequence[_Task], pool: ThreadPoolExecutor) -> Iterator[dict[str, Analysis]]:
        """High commits one by one, medium ones several at once, all of them as soon as their patch is there."""
        high = [t for t in tasks if t.depth is Importance.HIGH]
        medium = [t for t in tasks if t.depth is Importance.MEDIUM]
        budgets = self._budgets(high, asking.HIGH_TOKENS) | self._budgets(medium, asking.MEDIUM_TOKENS)
        asked: list[Future[dict[str, Analysis]]] = []
        for task, patches in self._read_patches(high):
            asked.append(pool.submit(self._one, task, patches, budgets[task.commit.sha]))
        batch: list[tuple[_Task, Selection, tuple[FilePatch, ...]]] = []
        for number, (task, patches) in enumerate(self._read_patches(medium), start=1):
            batch.append((task, patch.select(task.commit, patches, budgets[task.commit.sha]), patches))
            if len(batch) == asking.BATCH_SIZE or number == len(medium):
                asked.append(pool.submit(self._batch, batch))
                batch = []
        for answered in asked:
            yield answered.result()

    @staticmethod
    def _budgets(tasks: Sequence[_Task], average: int) -> dict[str, int]:
        # About twelve tokens a changed line, and room for the lines around it.
        sizes = [100 + 20 * sum(f.added + f.removed for f in t.commit.files if not f.generated) for t in tasks]
        return dict(zip((t.commit.sha for t in tasks), asking.shares(sizes, average), strict=True))

    def _read_patches(self, tasks: Sequence[_Task]) -> Iterator[tuple[_Task, tuple[FilePatch, ...]]]:
        """Every commit with its patch; with none where it cannot be read."""
        left = list(tasks)
        try:
            for _, patches in self._app.patches(self._repository, [t.commit for t in tasks]):
                yield left.pop(0), patches
        except DigestError as error:
            self._fault(error)
        yield from ((task, ()) for task in left)

    def _one(self, task: _Task, patches: Sequence[FilePatch], budget: int) -> dict[str, Analysis]:
        return {task.commit.sha: self._full(task, patches, budget)}

    def _full(self, task: _Task, patches: Sequence[FilePatch], budget: int) -> Analysis:
        """The full analysis by the model, else by the rules."""
        if not self._app.model:
            return self._rules(task, patches)
        seen = patch.select(task.commit, patches, budget)
        question = asking.analysis_question(self._repository, task.commit, seen, self._language)
        try:
            made = self._checked(question, task.commit, patches, seen.coverage)
        except (Rejected, DigestError) as error:
            return self._fallback(error, task, patches)
        return self._keep(task.commit, asking.ANALYSIS, made)

    def _checked(self, question: Question, commit: Commit, patches: Sequence[FilePatch], coverage: float) -> Analysis:
        """The analysis with proven statements only; asked once more where some were not, and the better one taken."""

        def read(reply: Reply) -> asking.Checked:
            return asking.read_analysis(reply, commit, patches, coverage, self._language)

        first = self._ask(question, read)
        if not first.problems:
            return first.analysis
        try:
            second = read(self._app.reply(asking.again(question, "; ".join(first.problems))))
        except (Rejected, DigestError):
            return first.analysis
        return min(first, second, key=lambda c: len(c.problems)).analysis

    def _batch(self, batch: Sequence[tuple[_Task, Selection, tuple[FilePatch, ...]]]) -> dict[str, Analysis]:
        seen = [(task.commit, selection) for task, selection, _ in batch]
        question = asking.batch_question(self._repository, seen, self._language)
        try:
            made = self._ask(question, lambda r: asking.read_batch(r, seen, self._language))
        except (Rejected, DigestError) as error:
            return {task.commit.sha: self._fallback(error, task, patches) for task, _, patches in batch}
        return {commit.sha: self._keep(commit, asking.BATCH, made[commit.sha]) for commit, _ in seen}

    def _fallback(self, error: Exception, task: _Task, patches: Sequence[FilePatch]) -> Analysis:
        self._fault(error)
        return replace(self._rules(task, patches), note=self._texts("digest.no_model_note"))

    def _kept(self, task: _Task) -> Analysis | None:
        if not self._app.model:
            return None
        prompt = asking.ANALYSIS if task.depth is Importance.HIGH else asking.BATCH
        return self._app.store.analysis(self._key(task.commit, prompt))

    def _keep(self, commit: Commit, prompt: str, made: Analysis) -> Analysis:
        self._app.store.keep_commits((commit,))
        self._app.store.keep_analysis(self._key(commit, prompt), made)
        return made

    def _key(self, commit: Commit, prompt: str) -> AnalysisKey:
        assert self._app.model is not None
        return AnalysisKey(commit.repo, commit.sha, prompt, self._app.model.name, self._language)

    # --- Asking ------------------------------------------------------------------------------

    def _ask(self, question: Question, read: Callable[[Reply], _T]) -> _T:
        """`App.ask`, until the model has shown that it cannot answer now: then every question fails at once."""
        if self._gave_up:
            raise self._gave_up
        try:
            return self._app.ask(question, read)
        except (ConfigError, Unavailable) as error:
            self._outages += 1
            if isinstance(error, ConfigError) or self._outages >= _PATIENCE:
                self._gave_up = error
            raise

    # --- Overview ----------------------------------------------------------------------------

    def _overview(self, entries: Sequence[Entry]) -> str:
        if not entries:
            return self._texts("digest.overview_none")
        high = [
            e.commit for e in sorted(entries, key=lambda e: -e.grade.score) if e.grade.importance is Importance.HIGH
        ]
        if self._app.model:
            question = asking.overview_question(self._repository, entries, self._language)
            try:
                return self._ask(question, lambda r: asking.read_overview(r, self._language))
            except (Rejected, DigestError) as error:
                self._fault(error)
        return rules.overview(high, len(entries), self._texts)

    def _fault(self, error: Exception) -> None:
        """Tell the reader once what went wrong; an unusable answer is no news beyond that."""
        told = self._texts.error(error) if isinstance(error, DigestError) else self._texts("digest.model_unusable")
        self._faults[told] = None
