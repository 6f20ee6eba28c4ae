"""From a delivery to its digest, which is built once for everybody who asks for the same."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from bot.app import App, Scope, Sought
from bot.delivery.job import Job
from bot.delivery.leases import LeaseHolder
from bot.delivery.ledger import LATE, undelivered
from bot.ports import Archive, Ledger
from bot.values import Commit, DeliveryState, Period, Repository


class Builder:
    """Builds the digests of deliveries. Safe for several threads and several processes."""

    def __init__(self, app: App, archive: Archive, ledger: Ledger, leases: LeaseHolder) -> None:
        self._app = app
        self._archive = archive
        self._ledger = ledger
        self._leases = leases

    def commits(self, job: Job) -> tuple[Repository, tuple[Commit, ...]]:
        """The commits of a delivery's period, and of the time before it, in which some may have been pushed late."""
        subscription, delivery = job.subscription, job.delivery
        repository = self._app.repository(subscription.repo, subscription.place)
        period = Period(delivery.since - LATE, delivery.until, subscription.zone)
        return repository, self._app.landed(repository, subscription.branch, period)

    def build(self, job: Job, repository: Repository, commits: Sequence[Commit]) -> Job:
        """The delivery with its digest built of its part of `commits`; settled, where there is nothing to tell.

        Raises TryLater while another process builds the same, and what the repository and the store raise.
        """
        subscription, delivery = job.subscription, job.delivery
        period = Period(delivery.since, delivery.until, subscription.zone)
        scope = Scope(subscription.repo, period, subscription.language, subscription.branch, subscription.filters)
        told = None if job.first else self._ledger.delivered_shas(subscription.id, but=delivery.id)
        sought = self._app.sought(repository, scope, undelivered(delivery, commits, told))
        silent = not sought.commits and not subscription.quiet and delivery.cursor == delivery.since
        job = job.at(state=DeliveryState.QUIET) if silent else self._with_digest(job, sought)
        self._ledger.mark_delivered(job.delivery, commits, delivery.cursor - LATE)
        if silent:
            job.log(logging.INFO, "nothing to tell")
        return job

    def _with_digest(self, job: Job, sought: Sought) -> Job:
        """The delivery with the digest that is sought, which is built now unless it is kept.

        One that lacks something is kept apart: who asks for that day later may get a better one, but what is being
        delivered must not change.
        """
        if sought.kept and not sought.kept.degraded:
            return job.at(digest=sought.key)
        with self._leases.alone(f"digest:{sought.key}"):
            if kept := self._kept_key(sought):
                return job.at(digest=kept)
            digest = self._app.made(sought)
            key = _degraded_key(sought) if digest.degraded else sought.key
            self._archive.keep_digest(key, digest, self._app.clock())
            job.log(logging.INFO, "built", commits=len(digest.entries), degraded=digest.degraded)
            return replace(job.at(digest=key), digest=digest)

    def _kept_key(self, sought: Sought) -> str:
        """The key of the digest that is kept: a whole one, else one that lacks something; empty for none."""
        whole = self._archive.digest(sought.key)
        if whole and not whole.degraded:
            return sought.key
        return _degraded_key(sought) if self._archive.digest(_degraded_key(sought)) else ""


def _degraded_key(sought: Sought) -> str:
    """The key of a digest that lacks something."""
    return f"{sought.key}-degraded"
