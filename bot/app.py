"""The imperative shell: collect, triage, analyse, keep, deliver. The decisions are in the modules it calls.

A digest always goes out: a model or a patch that cannot be had costs a row's depth, and the row says so.
"""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from fnmatch import fnmatchcase
from types import MappingProxyType

from bot.commits import filters, related
from bot.errors import DigestError, Forbidden, NotFound, Unavailable
from bot.judgement import analysis, triage
from bot.judgement.asker import Asker, Limits
from bot.judgement.build import Build, as_told
from bot.ports import CommitSource, LanguageModel, Progress, Store
from bot.posts import post as digests
from bot.texts import LANGUAGES, Texts
from bot.values import (
    Commit,
    Digest,
    Entry,
    Filters,
    Grade,
    Importance,
    Period,
    Place,
    Quota,
    Reference,
    Relation,
    Repository,
    Spending,
    without_credentials,
)

_RECENT = 10
_REWRITTEN = timedelta(days=30)
_MOST_RELATIONS = 5
_WHOLE = (40, 64)
"""Hex digits of a SHA that is not shortened."""
_LOOK_BACK = (2, 12, 60)
"""How many days back the commits before a quiet period are looked for, one step after the other."""
_AFFORDED = 200
"""Requests that a source must still allow, for a look at commits before a period."""


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
        if place.chat != self.operator_chat and not self.lists(repo) and (self.allow or not hosted):
            raise Forbidden("repo_not_allowed", repo=without_credentials(repo))

    def check(self, repository: Repository, place: Place) -> None:
        """Refuse a repository that this place may not see. Raises Forbidden."""
        if self.lists(repository.name) or self.lists(repository.title):
            return
        if self.allow or (repository.private and place.chat != self.operator_chat):
            raise Forbidden("repo_not_allowed", repo=repository.title)

    def lists(self, name: str) -> bool:
        """Whether the operator has listed a repository by this name."""
        patterns = (without_credentials(pattern).lower() for pattern in self.allow)
        return any(fnmatchcase(without_credentials(name).lower(), pattern) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class Sought:
    """A digest that is wanted of some commits: its key, what it is of, and the one that is kept."""

    key: str
    repository: Repository
    scope: Scope
    commits: tuple[Commit, ...]
    filtered: int
    kept: Digest | None


class App:
    """Everything the bot does, on the parts it is given.

    `source_of` names the source of a repository; `model` None means the rules alone; `clock` gives the time in UTC;
    `concurrency` is how many questions may be open at once, `limits` how many tokens they may take; `habits` are by
    repository the patterns of files in which it keeps its notes for users, beyond the usual ones.
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
        limits: Limits,
        habits: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    ) -> None:
        self.store = store
        self.clock = clock
        self.model = Asker(model, store, clock, limits) if model else None
        self.limits = limits
        self.progress = progress
        self._source_of = source_of
        self._policy = policy
        self._concurrency = concurrency
        self._habits = habits

    # --- Finding -----------------------------------------------------------------------------

    def repository(self, repo: str, place: Place) -> Repository:
        """What is known of `repo`. Raises NotFound, Unavailable, and Forbidden where `place` may not see it."""
        self._policy.check_name(repo, place)
        repository = self._source_of(repo).repository(repo)
        self._policy.check(repository, place)
        return repository

    def check_name(self, repo: str, place: Place) -> None:
        """Refuse what `place` may not name, without looking it up. Raises Forbidden."""
        self._policy.check_name(repo, place)

    def is_listed(self, repo: str) -> bool:
        """Whether the operator has listed a repository by this name, so that it may be followed from everywhere."""
        return self._policy.lists(repo)

    def is_operator(self, place: Place) -> bool:
        """Whether a place is the operator's own."""
        return place.chat == self._policy.operator_chat

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
        try:
            return self._keep(self._source_of(repository.name).pull(repository.name, number))
        except (NotFound, Unavailable):
            # A kept commit may be of another branch, onto which the same pull request was ported: it comes second.
            if kept := self.store.commits_by_pull(repository.name, number):
                return kept[0]
            raise

    def _keep(self, commit: Commit) -> Commit:
        self.store.keep_commits((commit,))
        return commit

    def latest(self, repository: Repository, zone: str, branch: str = "") -> date:
        """The latest day with a commit on a branch (empty: the default one). Raises NotFound where there is none."""
        now = self.clock()
        for back in (7, 60, 730, 20_000):
            since = now - timedelta(days=back)
            if found := self._source_of(repository.name).commits(repository.name, branch, since, now):
                return digests.local(found[0].committed, zone).date()
        raise NotFound("no_commits", repo=repository.title)

    def spent_today(self) -> tuple[Spending, ...]:
        """What the language model took since the last midnight of the operator's zone."""
        now = self.clock()
        return self.store.usage(self.limits.midnight(now), now + timedelta(seconds=1))

    def quota(self) -> Quota | None:
        """The requests that the source of what is followed still allows. Raises Unavailable, ConfigError."""
        sources = {id(source): source for s in self.store.subscriptions() if (source := self._source_of(s.repo))}
        return next((quota for source in sources.values() if (quota := source.quota())), None)

    # --- One commit --------------------------------------------------------------------------

    def expand(self, repository: Repository, commit: Commit, language: str) -> Entry:
        """One commit in full depth, analysed now unless that is kept."""
        texts = Texts(language)
        build = self._build(repository, language)
        own = build.grade_alone(commit, self._grave(repository, (commit,)))
        kept = self._kept_grade(repository, commit, language)
        grade = as_told(own, kept)
        analysed = build.alone(commit, grade.sentence)
        if branch := self._gone_from(repository, commit):
            gone = texts("digest.gone", branch=branch)
            analysed = replace(analysed, note=" ".join(filter(None, (gone, analysed.note))))
        return Entry(commit, grade, analysed, self._relations(repository, commit, ()))

    def _gone_from(self, repository: Repository, commit: Commit) -> str:
        """The branch whose digest told of a commit that is not on it any more; empty where it is, or nobody knows.

        Only what landed within the time in which branches are still rewritten is looked for: the way there is long.
        """
        if self.clock() - commit.committed > _REWRITTEN:
            return ""
        followed = {s.branch for s in self.store.subscriptions() if s.repo == repository.name and s.branch}
        wanted = [(branch, language) for branch in (repository.branch, *sorted(followed)) for language in LANGUAGES]
        told = (self.store.recent_digests(repository.name, *each, _RECENT) for each in wanted)
        digest = next((d for some in told for d in some if any(e.commit.sha == commit.sha for e in d.entries)), None)
        if digest is None:
            return ""
        moment = Period(commit.committed, commit.committed + timedelta(seconds=1), digest.period.zone)
        try:
            there = self.landed(repository, digest.branch, moment)
        except DigestError:
            return ""
        return "" if any(c.sha == commit.sha for c in there) else digest.branch

    def _kept_grade(self, repository: Repository, commit: Commit, language: str) -> Grade | None:
        """The grade with which the commit was told of first; else that of a recent digest, which compared it."""
        if told := self.store.delivered_grades(repository.name, [commit.sha]):
            return told[commit.sha]
        recent = self.store.recent_digests(repository.name, repository.branch, language, _RECENT)
        return next((e.grade for d in recent for e in d.entries if e.commit.sha == commit.sha), None)

    # --- A period ----------------------------------------------------------------------------

    def digest(self, repository: Repository, scope: Scope) -> Digest:
        """The digest of a period: the kept one, where its commits are still the same, else a new one, which is kept.

        Raises NotFound and Unavailable when the commits themselves cannot be read.
        """
        self.progress.collecting(repository.title)
        sought = self.sought(repository, scope, self.landed(repository, scope.branch, scope.period))
        if sought.kept and not sought.kept.degraded:
            return sought.kept
        made = self.made(sought)
        self.store.keep_digest(sought.key, made, self.clock())
        return made

    def landed(self, repository: Repository, branch: str, period: Period) -> tuple[Commit, ...]:
        """The commits of a branch (empty: the default one) in a period, newest first. Raises NotFound, Unavailable."""
        return self._source_of(repository.name).commits(repository.name, branch, period.since, period.until)

    def sought(self, repository: Repository, scope: Scope, landed: Sequence[Commit]) -> Sought:
        """The digest that is to be made of `landed`, under its key; `kept` where there is one of the same commits."""
        branch = scope.branch or repository.branch
        commits = tuple(c for c in landed if filters.wanted(c, scope.filters))
        key = self._digest_key(repository, branch, scope, commits, len(landed) - len(commits))
        key, kept = self._kept_digest(repository, replace(scope, branch=branch), key, commits)
        return Sought(
            key,
            repository,
            replace(scope, branch=branch),
            commits,
            len(landed) - len(commits),
            replace(kept, period=scope.period, repository=repository) if kept else None,
        )

    def _kept_digest(
        self, repository: Repository, scope: Scope, key: str, commits: Sequence[Commit]
    ) -> tuple[str, Digest | None]:
        """The digest that is kept of `commits`, and its key: one that was posted is never made anew by an upgrade."""
        shas = [c.sha for c in commits]
        kept = self.store.digest(key)
        if kept and not kept.degraded and [e.commit.sha for e in kept.entries] == shas:
            return key, kept
        told = self.store.delivered_digests(repository.name, scope.branch, scope.language, scope.period)
        for name, digest in told.items():
            same = [e.commit.sha for e in digest.entries] == shas and digest.filters == scope.filters
            if same and not digest.degraded:
                return name, digest
        return key, kept if kept and [e.commit.sha for e in kept.entries] == shas else None

    def _before(self, repository: Repository, scope: Scope, commits: Sequence[Commit]) -> tuple[Commit, ...]:
        """What fills the page of a period's commits, newest first: those kept of earlier days, else from afar.

        They must cost no digest anything: no more days are read than it takes, and where they cannot be had, or would
        take much of what the source still allows, the period is graded by itself.
        """
        known: dict[str, Commit] = {}
        for language in LANGUAGES:
            for digest in self.store.recent_digests(repository.name, scope.branch, language, _RECENT):
                if digest.filters in (Filters(), scope.filters) and digest.period.until <= scope.period.since:
                    known |= {e.commit.sha: e.commit for e in digest.entries}
        own, missing = {c.sha for c in commits}, triage.PAGE - len(commits)
        until = scope.period.since
        with suppress(DigestError):
            for days in _LOOK_BACK:
                if len(known.keys() - own) >= missing or not self._affords(repository):
                    break
                earlier = replace(scope.period, since=scope.period.since - timedelta(days=days), until=until)
                known |= {c.sha: c for c in self.landed(repository, scope.branch, earlier)}
                until = earlier.since
        found = (commit for sha, commit in known.items() if sha not in own)
        return tuple(sorted(found, key=lambda c: c.committed, reverse=True)[:missing])

    def _affords(self, repository: Repository) -> bool:
        """Whether the source of a repository allows some hundred requests more."""
        quota = self._source_of(repository.name).quota()
        return quota is None or quota.left >= _AFFORDED

    def _grave(self, repository: Repository, commits: Sequence[Commit]) -> frozenset[str]:
        """The SHAs of commits that take back what was told as high, or what is in a release."""
        found: set[str] = set()
        for commit in commits:
            named = [r for r in commit.reading.references if r.kind == "reverts"] if commit.reading.reverts else []
            taken = {c.sha for reference in named[:_MOST_RELATIONS] for c in self._meant(commit, reference, commits)}
            taken |= {r.sha for r in named[:_MOST_RELATIONS] if len(r.sha) in _WHOLE}
            grades = self.store.delivered_grades(repository.name, taken)
            high = any(grade.importance is Importance.HIGH for grade in grades.values())
            if taken and (high or self._are_released(repository, taken)):
                found.add(commit.sha)
        return frozenset(found)

    def _are_released(self, repository: Repository, shas: Collection[str]) -> bool:
        """Whether any of some commits is in a release, as far as the source can tell."""
        try:
            return bool(self._source_of(repository.name).first_releases(repository.name, sorted(shas)))
        except DigestError:
            return False

    def made(self, sought: Sought) -> Digest:
        """A new digest, which is not kept yet."""
        repository, scope, commits, filtered = sought.repository, sought.scope, sought.commits, sought.filtered
        build, texts = self._build(repository, scope.language), Texts(scope.language)
        missing = triage.PAGE - len(commits)
        before = self._before(repository, scope, commits) if commits and missing > 0 else ()
        made_entries = build.entries(commits, before, self._grave(repository, commits))
        entries = tuple(replace(e, relations=self._relations(repository, e.commit, commits)) for e in made_entries)
        overview = build.overview(entries)
        left_out = [texts("digest.filtered", count=texts.count("commits", filtered))] if filtered else []
        late = sum(c.committed < scope.period.since for c in commits)
        late_said = [texts("digest.late_said", count=texts.count("commits", late))] if late else []
        made = Digest(
            repository=repository,
            branch=scope.branch,
            period=scope.period,
            language=scope.language,
            filters=scope.filters,
            entries=entries,
            overview=overview,
            themes=related.themes(commits, [e.grade for e in entries]),
            notices=(*late_said, *left_out, *build.faults),
            degraded=bool(build.faults),
        )
        return replace(made, usual=self._usual(made))

    def _relations(self, repository: Repository, commit: Commit, day: Sequence[Commit]) -> tuple[Relation, ...]:
        """The commits that a commit names: of its day, or of an earlier one that is kept; else only their number."""
        named = commit.reading.references[:_MOST_RELATIONS]
        found = (self._relation(repository, commit, reference, day) for reference in named)
        return tuple(relation for relation in found if relation)

    def _relation(
        self, repository: Repository, commit: Commit, named: Reference, day: Sequence[Commit]
    ) -> Relation | None:
        near = self._meant(commit, named, day)
        if len(near) == 1 and near[0].sha != commit.sha and near[0].committed <= commit.committed:
            return Relation(named.kind, near[0].sha, near[0].pull, digests.titled(repository, near[0]))
        return Relation(named.kind, "", named.pull, named.title) if named.pull is not None else None

    def _meant(self, commit: Commit, named: Reference, day: Sequence[Commit]) -> list[Commit]:
        """The earlier commits that a reference can mean: of the same day, else those that are kept."""
        near = [c for c in _older(commit, day) if related.is_named(named, c)]
        if not near and named.sha:
            near = list(self.store.commits_by_sha(commit.repo, named.sha))
        if not near and named.pull is not None:
            near = list(self.store.commits_by_pull(commit.repo, named.pull))
        return near

    def _build(self, repository: Repository, language: str) -> Build:
        source = self._source_of(repository.name)
        return Build(
            repository,
            language,
            patches=lambda commits, paths=(): source.patches(repository.name, commits, paths),
            store=self.store,
            model=self.model.conversation() if self.model else None,
            concurrency=self._concurrency,
            progress=self.progress,
            habits=self._habits_of(repository),
        )

    def _habits_of(self, repository: Repository) -> tuple[str, ...]:
        """The patterns of files in which a repository keeps its notes for users, as the operator sets them."""
        names = {repository.name.lower(), repository.title.lower()}
        return tuple(p for name, patterns in self._habits.items() if name.lower() in names for p in patterns)

    def _digest_key(
        self, repository: Repository, branch: str, scope: Scope, commits: Sequence[Commit], filtered: int
    ) -> str:
        """What a digest depends on; of a period that is still running, beside its commits."""
        model = self.model.name if self.model else "rules"
        # A period that is still running ends later each time it is asked for: its digest is kept once, and replaced.
        until = scope.period.until if scope.period.until < self.clock() else None
        time = (scope.period.since, until, scope.period.zone)
        place = (repository.name, repository.title, repository.url, branch)
        shas = tuple(c.sha for c in commits) if until else ()
        named = (place, time, shas, scope.language, scope.filters, filtered, model, analysis.PROMPTS, triage.VERSION)
        return hashlib.sha256(repr(named).encode()).hexdigest()

    def _usual(self, made: Digest) -> int | None:
        """The median number of commits of at least three earlier digests that are as long and filtered alike."""
        length = made.period.until - made.period.since
        recent = self.store.recent_digests(made.repository.name, made.branch, made.language, _RECENT)
        alike = {
            d.period: len(d.entries)
            for d in recent
            if d.period.until <= made.period.since
            and abs((d.period.until - d.period.since) - length) <= timedelta(hours=1)
            and (d.filters, d.period.zone) == (made.filters, made.period.zone)
        }.values()
        return round(statistics.median(alike)) if len(alike) >= 3 else None


def _older(commit: Commit, day: Sequence[Commit]) -> Sequence[Commit]:
    """The commits of a period, newest first, that landed before one of them."""
    place = next((n for n, c in enumerate(day) if c.sha == commit.sha), len(day))
    return day[place + 1 :]
