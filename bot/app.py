"""The imperative shell: collect, judge, store. The decisions are in the modules it calls.

A digest always goes out: if a model or a patch is unavailable, a row is less detailed, and says so.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from bot.commits import related
from bot.commits.rollup import most_important_first, roll_up
from bot.filtering import filtered
from bot.judgement import questions, triage
from bot.judgement.asker import Asker
from bot.judgement.brief import Brief
from bot.judgement.build import Build
from bot.judgement.history import SHOWN, History
from bot.judgement.links import Links, netted
from bot.judgement.questions import Depth
from bot.ports import Aftermath, Archive, Progress
from bot.releasing import Releasing, names_of, spanning
from bot.repositories import Repositories
from bot.texts import Texts
from bot.values import FOLLOW_UPS, RULES, TERMINAL, Account, Commit, Digest, Entry, Release, Repository, Scope

_RECENT = 20
_REWRITTEN = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class DigestRequest:
    """A requested digest of some commits: its key, its scope, what else it has to say, and the stored one.

    `landed` is everything that landed with them: any of it may say what became of a commit.
    """

    key: str
    repository: Repository
    scope: Scope
    commits: tuple[Commit, ...]
    landed: tuple[Commit, ...]
    kept: Digest | None
    notices: tuple[str, ...] = ()
    releases: tuple[Release, ...] = ()

    @property
    def filtered(self) -> int:
        """How many commits are filtered out."""
        return len(self.landed) - len(self.commits)


class App:
    """Everything the bot can say about commits, using the parts it is given.

    `model` None means rules only; `clock` returns the time in UTC; `concurrency` is how many questions may be open at
    once, `depth` how much is done for one commit, and `chosen` whether that was set explicitly; `habits` are, by
    repository, patterns of files with notes for users besides the usual ones; a place gets at most `follow_ups` a week.
    """

    def __init__(
        self,
        *,
        repositories: Repositories,
        archive: Archive,
        aftermath: Aftermath,
        model: Asker | None,
        clock: Callable[[], datetime],
        concurrency: int,
        progress: Progress,
        depth: Depth = Depth.NORMAL,
        chosen: bool = True,
        habits: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
        follow_ups: int = FOLLOW_UPS,
    ) -> None:
        self.repositories = repositories
        self.aftermath = aftermath
        self.follow_ups = follow_ups
        self.releasing = Releasing(repositories, archive)
        self.model = model
        self.clock = clock
        self.depth = depth
        self.chosen = chosen
        self._archive = archive
        self._concurrency = concurrency
        self._progress = progress
        self._habits = habits
        self.clock_ahead: timedelta | None = None
        """How far this machine's clock is ahead of the chats', where that is too far."""

    def report_clock(self, ahead: timedelta | None) -> None:
        """Store what is wrong with the clock, for status reports."""
        self.clock_ahead = ahead

    # --- One commit --------------------------------------------------------------------------

    def expand(
        self,
        repository: Repository,
        commit: Commit,
        texts: Texts,
        followed: Callable[[], Collection[str]] = tuple,
        account: Account = TERMINAL,
    ) -> Entry:
        """One commit with its whole patch, analysed now unless that is stored; failures are mentioned.

        So is a commit that is gone from a branch whose digest reported it: the default one, or one of `followed`.
        """
        history, brief = self._history(repository, repository.branch), self._brief(repository, texts, account=account)
        delivered = history.grade(commit, texts.language)
        with self._shown(repository):
            grade, analysis = Build(brief, self._progress).one(commit, delivered, history.grave((commit,)))
        analysis = replace(analysis, note=texts.sentences(analysis.note, *brief.faults))
        # Only what landed while branches are still rewritten is looked for: the way there is long.
        recent = self.clock() - commit.committed <= _REWRITTEN
        if recent and (branch := history.gone_from(commit, [repository.branch, *sorted(followed())])):
            gone = texts("digest.gone", branch=branch)
            analysis = replace(analysis, note=texts.sentences(gone, analysis.note))
        since = self.links(repository, repository.branch).since(commit, repository.branch)
        return Entry(commit, grade, analysis, history.relations(commit)[:SHOWN], since)

    # --- A period ----------------------------------------------------------------------------

    def digest(self, repository: Repository, scope: Scope, account: Account = TERMINAL) -> Digest:
        """The digest of a period, or of a release: the stored one if its commits are the same, else a new one.

        A new one is stored, unless it lacks something because the person asking has no tokens left. Raises NotFound and
        Unavailable when the commits themselves cannot be read; UsageError if a release has too many.
        """
        with self._shown(repository):
            landed, releases = self._landed(repository, scope), self._released(repository, scope)
            if scope.between:
                period = spanning(scope.period, landed)
                scope = replace(scope, period=period, rollup=period.is_long)
            request = self.request(repository, scope, landed, releases=releases)
            if request.kept and not request.kept.degraded:
                return request.kept
            brief = self._brief_of(request, account)
            made = self._made(request, brief)
            if not (made.degraded and brief.model and brief.model.out_of_share):
                self._archive.keep_digest(request.key, made, self.clock())
            return made

    def _landed(self, repository: Repository, scope: Scope) -> tuple[Commit, ...]:
        if scope.between:
            return self.releasing.commits(repository, scope.between)
        return self.repositories.commits(repository, scope.branch, scope.period)

    def _released(self, repository: Repository, scope: Scope) -> tuple[Release, ...]:
        return (scope.between.newer,) if scope.between else self.releasing.within(repository, scope.period)

    @contextmanager
    def _shown(self, repository: Repository) -> Iterator[None]:
        """Progress is shown while this lasts."""
        self._progress.collecting(repository.title)
        try:
            yield
        finally:
            self._progress.over()

    def last(self, repository: Repository, scope: Scope, account: Account = TERMINAL) -> Digest:
        """The last stored digest of a branch in this language, zone and with these filters; otherwise that of `scope`.

        Raises as `digest` does.
        """
        branch = scope.branch or repository.branch
        recent = self._archive.recent_digests(repository.name, branch, scope.language, _RECENT)
        wanted = (scope.filters, scope.period.zone)
        kept = next((d for d in recent if (d.filters, d.period.zone) == wanted), None)
        return kept or self.digest(repository, scope, account)

    def request(
        self,
        repository: Repository,
        scope: Scope,
        landed: Sequence[Commit],
        notices: tuple[str, ...] = (),
        releases: tuple[Release, ...] = (),
    ) -> DigestRequest:
        """The digest to make from the commits that landed; `kept` if there is one of the same commits.

        `notices` are about the branch, `releases` those that it reports.
        """
        scope = replace(scope, branch=scope.branch or repository.branch)
        landed = () if scope.filters.releases else tuple(landed)
        commits, lacking = filtered(self.repositories, repository, scope, landed)
        request = DigestRequest("", repository, scope, commits, landed, None, (*notices, *lacking), releases)
        key, kept = self._kept(replace(request, key=self._key(request)))
        kept = replace(kept, period=scope.period, repository=repository) if kept else None
        return replace(request, key=key, kept=kept)

    def _kept(self, request: DigestRequest) -> tuple[str, Digest | None]:
        """The stored digest of the same commits, and its key: an upgrade never rebuilds one that was posted."""
        scope, shas, said = request.scope, [c.sha for c in request.commits], request.notices
        kept = self._archive.digest(request.key)
        if kept and [e.commit.sha for e in kept.entries] != shas:
            kept = None
        if kept and not kept.degraded:
            return request.key, kept
        repo = request.repository.name
        for name, digest in self._archive.delivered_digests(repo, scope.branch, scope.language, scope.period).items():
            same = [e.commit.sha for e in digest.entries] == shas and digest.filters == scope.filters
            same = same and (digest.rollup is not None) == scope.rollup
            current = digest.releases is None or names_of(digest.releases) == {r.name for r in request.releases}
            if same and current and not digest.degraded and digest.notices[: len(said)] == said:
                return name, digest
        return request.key, kept

    def _key(self, request: DigestRequest) -> str:
        """What a digest depends on; for a period that is still running, apart from its commits."""
        repository, scope = request.repository, request.scope
        model = self.model.name if self.model else RULES
        # A period that is still running ends later each time it is asked for: its digest is kept once, and replaced.
        # One moment may be written in several ways: a planned one is of another kind of UTC than one that was kept.
        since, ends = (moment.astimezone(UTC) for moment in (scope.period.since, scope.period.until))
        until = ends if ends < self.clock() else None
        time = (since, until, scope.period.zone)
        place = (repository.name, repository.title, repository.url, scope.branch)
        shas = tuple(c.sha for c in request.commits) if until else ()
        about = (place, time, shas, scope.language, scope.filters, request.filtered)
        about_releases = (*scope.filters.unwritten, scope.between, *(r.name for r in request.releases))
        also = [each for each in (*about_releases, "rollup" if scope.rollup else "") if each]
        named = (*about, model, questions.OF_DIGESTS, triage.VERSION, *request.notices, *also)
        return hashlib.sha256(repr(named).encode()).hexdigest()

    def build(self, request: DigestRequest, account: Account = TERMINAL) -> Digest:
        """A new digest, not stored yet."""
        return self._made(request, self._brief_of(request, account))

    def _made(self, request: DigestRequest, brief: Brief) -> Digest:
        repository, scope, commits = request.repository, request.scope, request.commits
        texts, history = brief.texts, self._history(repository, brief.branch)
        build, landed = Build(brief, self._progress), related.Landed(request.landed)
        before = history.before(replace(scope, branch=brief.branch), commits)
        entries = tuple(
            replace(entry, relations=history.relations(entry.commit, landed)[:SHOWN])
            for entry in build.entries(commits, before, history.grave(commits))
        )
        rollup = roll_up(commits, request.landed) if scope.rollup else None
        links = self.links(repository, brief.branch).found(request.landed)
        entries = netted(entries, links, rollup.left_out if rollup else ())
        outside = () if scope.between else commits
        dated = sum(not scope.period.since <= c.committed < scope.period.until for c in outside)
        noticed = (("digest.dated_said", dated), ("digest.filtered", request.filtered))
        notices = [texts(key, count=texts.count("commits", number)) for key, number in noticed if number]
        made = Digest(
            repository=repository,
            branch=scope.branch,
            period=scope.period,
            language=scope.language,
            filters=scope.filters,
            entries=entries,
            overview="",
            rows=related.rows(entries),
            notices=(*request.notices, *notices),
            rollup=rollup,
        )
        lasting = made.lasting.entries
        overview = "" if scope.filters.releases else build.overview(lasting, rollup)
        themes = related.themes([e.commit for e in lasting], [e.grade for e in lasting])
        return replace(
            made,
            overview=overview,
            themes=most_important_first(themes, lasting) if rollup else themes,
            usual=history.usual(made),
            notices=(*made.notices, *brief.faults),
            degraded=bool(brief.faults),
            releases=self.releasing.released(repository, request.releases, brief.branch),
            between=scope.between,
        )

    def links(self, repository: Repository, branch: str) -> Links:
        """What became of the commits of a branch of a repository."""
        return Links(repository, self._history(repository, branch), self.aftermath)

    def _history(self, repository: Repository, branch: str) -> History:
        return History(repository, self.repositories.source_of(repository.name), self._archive, branch)

    def _brief_of(self, request: DigestRequest, account: Account) -> Brief:
        scope = request.scope
        branch = "" if scope.between else scope.branch
        return self._brief(request.repository, Texts(scope.language, chat=account.chat), branch, account=account)

    def _brief(self, repository: Repository, texts: Texts, branch: str = "", *, account: Account) -> Brief:
        return Brief(
            repository,
            branch or repository.branch,
            texts,
            self.repositories.source_of(repository.name),
            self._archive,
            self.model.conversation(account) if self.model else None,
            self._concurrency,
            self.depth,
            self._habits_of(repository),
        )

    def _habits_of(self, repository: Repository) -> tuple[str, ...]:
        """The patterns of files in which a repository keeps its notes for users, as the operator sets them."""
        names = {repository.name.lower(), repository.title.lower()}
        return tuple(p for name, patterns in self._habits.items() if name.lower() in names for p in patterns)
