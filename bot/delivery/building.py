"""From a delivery to its digest, which is built once for everybody who asks for the same."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from bot.app import App, DigestRequest
from bot.delivery.job import Job, log
from bot.delivery.leases import LeaseHolder
from bot.delivery.ledger import LATE, undelivered
from bot.judgement import cost
from bot.judgement.questions import Depth
from bot.ports import Archive, Ledger
from bot.repositories import OPERATOR
from bot.rights import Who
from bot.values import SCHEDULED, Commit, DeliveryState, Digest, Period, Repository, Scope


class Builder:
    """Builds the digests of deliveries. Safe for several threads and several processes."""

    def __init__(self, app: App, archive: Archive, ledger: Ledger, leases: LeaseHolder) -> None:
        self._app = app
        self._archive = archive
        self._ledger = ledger
        self._leases = leases
        self._told = False

    def look(self, job: Job) -> Repository:
        """What is known of a delivery's repository, whoever may see it. Raises NotFound, Forbidden, Unavailable."""
        return self._app.repositories.find(job.subscription.repo, OPERATOR)

    def repository(self, job: Job, look: Callable[[Job], Repository]) -> Repository:
        """The repository, where the delivery's channel may see it; `look` may have read it for others too.

        Raises NoRight, NotFound, Unavailable.
        """
        subscription = job.subscription
        return self._app.repositories.find(subscription.repo, Who.gets(subscription), lambda _: look(job))

    def commits(self, job: Job, repository: Repository) -> tuple[Commit, ...]:
        """The commits of a delivery's period, and of the time before it, in which some may have been pushed late."""
        subscription, delivery = job.subscription, job.delivery
        period = Period(delivery.since - LATE, delivery.until, subscription.zone)
        return self._app.repositories.commits(repository, subscription.branch, period)

    def build(self, job: Job, repository: Repository, commits: Sequence[Commit]) -> Job:
        """The delivery with its digest built of its part of `commits`; settled, where there is nothing to tell.

        Raises TryLater while another process builds the same, and what the repository and the store raise.
        """
        delivery, request = job.delivery, self._request(job, repository, commits)
        silent = not request.commits and not job.subscription.quiet and delivery.cursor == delivery.since
        if not delivery.steps:  # else its messages are begun, and must stay what they are
            job = job.at(top=job.subscription.top)
        job = job.at(state=DeliveryState.QUIET) if silent else self._with_digest(job, request)
        self._ledger.mark_delivered(job.delivery, commits, delivery.cursor - LATE)
        if silent:
            job.log(logging.INFO, "nothing to tell")
        return job

    def prepare(self, job: Job, repository: Repository, commits: Sequence[Commit]) -> None:
        """Build the digest of a delivery that is not due yet, so that it is kept when it is; nothing else is done.

        One that lacks something is not kept: when it is due, what was missing may be there. Raises as `build` does.
        """
        request = self._request(job, repository, commits)
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

    def _request(self, job: Job, repository: Repository, commits: Sequence[Commit]) -> DigestRequest:
        """The digest of a delivery's part of `commits`."""
        subscription, delivery = job.subscription, job.delivery
        period = Period(delivery.since, delivery.until, subscription.zone)
        scope = Scope(subscription.repo, period, subscription.language, subscription.branch, subscription.filters)
        delivered = None if job.first else self._ledger.delivered_shas(subscription.id, but=delivery.id)
        told = undelivered(delivery, commits, delivered)
        return self._app.request(repository, scope, self._untold(job, told) if job.ahead else told)

    def _untold(self, job: Job, commits: Sequence[Commit]) -> tuple[Commit, ...]:
        """The commits that nobody was told of in the subscription's channel, by what is remembered for good."""
        place, told = job.subscription.place, self._archive.delivered_to
        return tuple(c for c in commits if all(t.place.whole != place.whole for t in told(c.repo, c.sha)))

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
