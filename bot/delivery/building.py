"""From a delivery to its digest, which is built once for everybody who asks for the same."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

from bot.app import App, DigestRequest
from bot.commits.filters import Known, wanted
from bot.delivery import schedule
from bot.delivery.arrival import Arrival, arrival, reported, said
from bot.delivery.followups import LATE, first_told, follow_ups, left_over
from bot.delivery.job import Job, log
from bot.delivery.leases import LeaseHolder
from bot.delivery.ledger import LOOKED_BACK, undelivered
from bot.delivery.tagged import LATE as TAGGED
from bot.delivery.tagged import News, news
from bot.errors import DigestError
from bot.judgement import cost
from bot.judgement.questions import Depth
from bot.ports import Archive, Ledger
from bot.repositories import OPERATOR
from bot.rights import Who
from bot.texts import Texts
from bot.values import (
    LOOK,
    SCHEDULED,
    Commit,
    DeliveredCommit,
    Delivery,
    DeliveryState,
    Digest,
    Link,
    Mark,
    Period,
    Repository,
    Scope,
    Threads,
)

_REMEMBERED = 64
"""Sets of commits of which is remembered what they say of earlier ones."""


class Builder:
    """Builds the digests of deliveries. Safe for several threads and several processes."""

    def __init__(self, app: App, archive: Archive, ledger: Ledger, leases: LeaseHolder) -> None:
        self._app = app
        self._archive = archive
        self._ledger = ledger
        self._leases = leases
        self._told = False
        self._found: dict[tuple[str, ...], tuple[Link, ...]] = {}

    def look(self, job: Job) -> Repository:
        """What is known of a delivery's repository, whoever may see it. Raises NotFound, Forbidden, Unavailable."""
        return self._app.repositories.find(job.subscription.repo, OPERATOR)

    def repository(self, job: Job, look: Callable[[Job], Repository]) -> Repository:
        """The repository, where the delivery's channel may see it; `look` may have read it for others too.

        Raises NoRight, NotFound, Unavailable.
        """
        subscription = job.subscription
        return self._app.repositories.find(subscription.repo, Who.gets(subscription), lambda _: look(job))

    def arrival(self, job: Job, repository: Repository) -> Arrival:
        """What a delivery's branch has that it had not when its subscription was told of it last, and what is released.

        A default branch that is another one by now, and has left what was told, begins where the last period ended.
        Of a subscription to releases alone no commit is read.
        """
        news = self._news(job, repository)
        if job.subscription.filters.releases:
            come = Arrival(Mark(job.subscription.branch or repository.branch, None))
        else:
            come = self._landed(job, repository)
        mark = replace(come.mark, releases=news.known)
        return replace(come, mark=mark, releases=news.told, moved=news.moved)

    def _news(self, job: Job, repository: Repository) -> News:
        """The releases that a delivery tells of; where they cannot be read they are left to the next one."""
        delivery, source = job.delivery, self._app.repositories.source_of(repository.name)
        known = delivery.before.releases if delivery.before else None
        try:
            line = source.releases(repository.name, delivery.until - TAGGED)
        except DigestError as error:
            job.log(logging.WARNING, "releases not read", reason=str(error))
            return News(known=known)
        earlier = self._before(job, LOOKED_BACK) if known is None else ()
        return news(line, known, delivery, self._app.clock(), earlier)

    def _landed(self, job: Job, repository: Repository) -> Arrival:
        """What landed on the branch of a delivery."""
        subscription, before = job.subscription, job.delivery.before
        period = Period(job.delivery.cursor, job.delivery.until, subscription.zone)
        read = partial(self._app.repositories.landed, repository, subscription.branch)
        branch = subscription.branch or repository.branch
        landing = read(before.tip, period) if before else read(None, period, self._told_by_dates(job))
        if before and before.branch != branch and (landing.lost or landing.left):
            landing, before = read(None, period), None
        source = self._app.repositories.source_of(repository.name)
        return arrival(branch, before, landing, partial(source.patches, repository.name))

    def _told_by_dates(self, job: Job) -> frozenset[str]:
        """What a version that went by dates told of, unless a restore has forgotten a part of it."""
        if any(each.state is DeliveryState.RESTORED for each in self._earlier(job)):
            return frozenset()
        return self._delivered(job)

    def build(
        self,
        job: Job,
        repository: Repository,
        arrival: Arrival,
        keep: Callable[[Delivery, Sequence[Commit]], None] | None = None,
        besides: Collection[str] = (),
    ) -> Job:
        """The delivery with its digest built of what arrived; settled, where there is nothing to tell.

        `keep` keeps it with the commits of which it tells, as the ledger does where nobody says otherwise. What
        is told `besides`, by SHA, is not told here. Raises TryLater while another process builds the same, and what the
        repository and the store raise.
        """
        delivery = job.delivery
        self._app.aftermath.keep_renamed(repository.name, arrival.was)
        delivered, earlier = self._delivered(job), self._earlier(job)
        unseen = undelivered(delivery, arrival.commits, delivered)
        new = tuple(commit for commit in unseen if commit.sha not in besides)
        request = self._request(job, repository, new, arrival, delivered)
        silent = (
            not (request.commits or request.notices or request.releases)
            and not job.subscription.quiet
            and delivery.cursor == delivery.since
        )
        if not delivery.steps:  # else its messages are begun, and must stay what they are
            wanted, last = job.subscription, next((each for each in earlier if each.sent), None)
            changed = last is not None and last.look < LOOK
            job = job.at(top=wanted.top, threads=wanted.threads, look=LOOK, new_look=changed)
        job = job.at(mark=arrival.mark)
        job = job.at(state=DeliveryState.QUIET) if silent else self._with_digest(job, request)
        links = self._links(repository, arrival.mark.branch, new)
        told = self._known(job, repository, links)
        # Whoever else makes a digest for the place counts what it is told too.
        with self._leases.alone(f"follow-ups:{job.subscription.place.whole}") if told else nullcontext():
            if not job.delivery.steps or (job.delivery.looked_since and not job.delivery.follow_ups):
                job = self._with_follow_ups(job, links, told, earlier)
            (keep or self._ledger.mark_delivered)(job.delivery, (*new, *arrival.back))
        return job

    def _links(self, repository: Repository, branch: str, new: Sequence[Commit]) -> tuple[Link, ...]:
        """What commits that landed say that they do with earlier ones; found once for all who are told of the same."""
        key = (repository.name, branch, *(commit.sha for commit in new))
        if (found := self._found.get(key)) is None:
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            found = self._found[key] = self._app.links(repository, branch).found(new)
        return found

    def _known(self, job: Job, repository: Repository, links: Sequence[Link]) -> dict[str, DeliveredCommit]:
        """By SHA where and when the delivery's channel was told of the commits of which somebody says what became."""
        found = {}
        for sha in dict.fromkeys(link.earlier.sha for link in links):
            if told := first_told(self._archive.delivered_to(repository.name, sha), job.subscription.place):
                found[sha] = told
        return found

    def _with_follow_ups(
        self, job: Job, links: Sequence[Link], told: Mapping[str, DeliveredCommit], earlier: Sequence[Delivery]
    ) -> Job:
        """The delivery with what is to be said, after its digest, of commits that its channel was told of."""
        said = tuple((sha, each.at) for sha, each in told.items())
        if not (job.subscription.follow_ups and self._app.follow_ups):
            return job.at(told=said, follow_ups=())
        now, kept, place = self._app.clock(), self._app.aftermath, job.subscription.place
        ours = (job.subscription.repo, "")
        rest = [each for each in left_over(earlier, kept.is_muted, now) if each.repo in ours]
        before = kept.followed_up(place, now - LATE) if told else ()
        said_now = ((each.link.earlier.sha, each.link.later.sha, now) for each in rest)
        new = follow_ups(links, told, (*said_now, *before), kept.is_muted, now=now, most=self._app.follow_ups)
        threads = job.subscription.threads is Threads.FULL  # who wants none is told in the headline
        return job.at(told=said, follow_ups=tuple(replace(f, aloud=f.aloud or not threads) for f in (*rest, *new)))

    def _earlier(self, job: Job) -> list[Delivery]:
        """The deliveries before one, the latest first, as far as anything of them may not be said yet."""
        last = self._before(job, 2)  # mostly it was posted
        return last if not last or any(each.sent for each in last) else self._before(job, LOOKED_BACK)

    def _before(self, job: Job, limit: int) -> list[Delivery]:
        known = self._ledger.deliveries(job.subscription.id, limit=limit)
        return [each for each in known if each.id < job.delivery.id or not job.delivery.id]

    def prepare(self, job: Job, repository: Repository, arrival: Arrival) -> None:
        """Build the digest of a delivery that is not due yet, so that it is kept when it is; nothing else is done.

        One that lacks something is not kept: when it is due, what was missing may be there. Raises as `build` does.
        """
        delivered = self._delivered(job)
        new = undelivered(job.delivery, arrival.commits, delivered)
        request = self._request(job, repository, new, arrival, delivered)
        lease = f"digest:{request.key}"
        if not request.commits or _is_whole(request.kept):
            return
        with self._leases.alone(lease):
            if _is_whole(self._archive.digest(request.key)):
                return
            digest = self._app.build(request, SCHEDULED)
            if digest.degraded:
                log(logging.WARNING, "not built early", job.subscription, reason=" ".join(digest.notices))
            # Who stood still past the lease must not replace what another process made, and may be posting.
            elif self._leases.extend(lease) and not _is_whole(self._archive.digest(request.key)):
                self._archive.keep_digest(request.key, digest, self._app.clock())
                log(logging.INFO, "built early", job.subscription, commits=len(digest.entries))

    def _delivered(self, job: Job) -> frozenset[str]:
        """By SHA what other deliveries of the subscription reported."""
        return self._ledger.delivered_shas(job.subscription.id, but=job.delivery.id)

    def _request(
        self,
        job: Job,
        repository: Repository,
        new: Sequence[Commit],
        arrival: Arrival,
        delivered: Collection[str],
    ) -> DigestRequest:
        """The digest of what is new, which says what became of the branch."""
        subscription, delivery = job.subscription, job.delivery
        period = Period(delivery.since, delivery.until, subscription.zone)
        rollup = schedule.is_weekly(subscription.schedule, subscription.zone, delivery.slot)
        about = (subscription.repo, period, subscription.language, subscription.branch, subscription.filters)
        scope = Scope(*about, rollup=rollup)
        has = Known(repository.labelled)
        known = reported(arrival, delivered, lambda commit: wanted(commit, subscription.filters, has))
        return self._app.request(repository, scope, new, said(known, Texts(subscription.language)), arrival.releases)

    def _with_digest(self, job: Job, request: DigestRequest) -> Job:
        """The delivery with the digest that is asked for, which is built now unless it is kept.

        One that lacks something is kept apart: who asks for that day later may get a better one, but what is being
        delivered must not change.
        """
        if _is_whole(request.kept):
            return job.at(digest=request.key)
        with self._leases.alone(f"digest:{request.key}"):
            if kept := self._kept_key(request):
                return job.at(digest=kept)
            digest = self._app.build(request, SCHEDULED)
            key = _degraded_key(request) if digest.degraded else request.key
            self._archive.keep_digest(key, digest, self._app.clock())
            job.log(logging.INFO, "built", commits=len(digest.entries), degraded=digest.degraded)
            self._tell_depths(job)
            return replace(job.at(digest=key), digest=digest)

    def _tell_depths(self, job: Job) -> None:
        """Tell once what each depth takes, by what was asked today, where analyses stay brief since nobody chose."""
        app = self._app
        if self._told or app.chosen or app.depth is not Depth.BRIEF or not app.model:
            return
        if costs := cost.of_day(app.model.bill.today(), app.depth):
            self._told = True
            takes = {f"tokens_{depth}": cost.about(spent.tokens) for depth, spent in costs.items()}
            job.log(logging.INFO, "stays brief, since OPENAI_DEPTH is not set", **takes, next="OPENAI_DEPTH=normal")

    def _kept_key(self, request: DigestRequest) -> str:
        """The key of the digest that is kept: a whole one, else one that lacks something; empty for none."""
        if _is_whole(self._archive.digest(request.key)):
            return request.key
        return _degraded_key(request) if self._archive.digest(_degraded_key(request)) else ""


def _is_whole(digest: Digest | None) -> bool:
    """Whether there is a digest that lacks nothing."""
    return digest is not None and not digest.degraded


def _degraded_key(request: DigestRequest) -> str:
    """The key of a digest that lacks something."""
    return f"{request.key}-degraded"
