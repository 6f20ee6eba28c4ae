"""Builds the digests of a group's delivery, one for each repository, shared with others that follow one of them.

Each repository is read, reported and remembered separately: one that fails costs only its own part, and the next digest
continues where it left off. Progress is kept with the delivery, repository by repository, so that a retry continues
from there.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

from bot.delivery.building import Builder
from bot.delivery.job import Job, TryLater, log
from bot.delivery.ledger import failure_of
from bot.errors import DigestError, LeaseLost, StoreError, Unavailable
from bot.ports import Archive, Ledger
from bot.repositories import Repositories
from bot.rights import Who
from bot.values import DENIED, GATHERED, LOOK, Commit, Delivery, DeliveryState, Member, Repository

_PATIENCE = 3
"""How many times a delivery is postponed for a repository that cannot be read now, before it is posted without."""


class Gatherer:
    """Builds the deliveries of groups. Safe for several threads and processes."""

    def __init__(self, repositories: Repositories, builder: Builder, archive: Archive, ledger: Ledger) -> None:
        self._repositories = repositories
        self._builder = builder
        self._archive = archive
        self._ledger = ledger

    def build(self, job: Job, wake: Callable[[Job], Job]) -> Job:
        """Build the digests of a delivery's repositories; a delivery with nothing to report is settled.

        `wake` resumes it if its channel may see some of them again. Raises NoRight if it may see none, TryLater while
        another process builds the same, and what listing them, and the store, raise. An error of one repository is
        raised only if it may be temporary, or if all of them fail.
        """
        found = self._repositories.group(job.subscription.repo, Who.gets(job.subscription))
        job = wake(job) if job.subscription.paused == DENIED else job
        job = job.at(members=listed(self._renamed(job.delivery, found), found))
        if not job.delivery.steps:  # else posting has begun, and its messages must not change
            job = job.at(top=job.subscription.top, threads=job.subscription.threads, look=LOOK)
        failed, reported = list[DigestError](), self._reported(job.delivery.gathered)
        for repository in found:
            job = self._read(job, repository, failed, reported)
            reported |= self._reported([_member(job.delivery, repository.name).digest])
        _give_up_where_hopeless(job, failed)
        return self._gathered(job)

    def prepare(self, job: Job) -> None:
        """Build the digests of a delivery before it is due; those that fail are left to its slot.

        Raises NoRight, what listing the repositories raises, and at the end TryLater if another process is building
        one.
        """
        found, waits = self._repositories.group(job.subscription.repo, Who.gets(job.subscription)), False
        job = job.at(members=listed(self._renamed(job.delivery, found), found))
        for repository in found:
            own = _alone(job, _member(job.delivery, repository.name))
            try:
                self._builder.prepare(own, repository, self._builder.arrival(own, repository))
            except TryLater:
                waits = True
            except (LeaseLost, StoreError):
                raise
            except DigestError as error:
                log(logging.WARNING, "not built early", own.subscription, reason=str(error))
        if waits:
            raise TryLater

    def _renamed(self, delivery: Delivery, found: Sequence[Repository]) -> Delivery:
        """The delivery with the current names of its members, as far as a host still knows their old ones."""
        names = {each.name for each in found}
        strange = names - {member.repo for member in delivery.members}
        members = []
        for member in delivery.members:
            is_gone = strange and not member.mark and member.repo not in names
            name = self._name_now(member.repo) if is_gone else ""
            members.append(replace(member, repo=name) if name in strange else member)
            strange -= {name}
        return replace(delivery, members=tuple(members))

    def _name_now(self, repo: str) -> str:
        with suppress(DigestError):  # it is gone or cannot be read: nothing continues it
            return self._repositories.source_of(repo).repository(repo).name
        return ""

    def _read(self, job: Job, repository: Repository, failed: list[DigestError], reported: Collection[str]) -> Job:
        """Read one more repository; its error is added to `failed`. SHAs `reported` by others are left out."""
        member = _member(job.delivery, repository.name)
        if member.mark:  # an earlier attempt has read it
            return job
        kept = [job]

        def keep(own: Delivery, landed: Sequence[Commit]) -> None:
            kept[0] = _with(job, member, own)
            self._ledger.mark_delivered(kept[0].delivery, landed)

        try:
            own = _alone(job, member)
            self._builder.build(own, repository, self._builder.arrival(own, repository), keep, reported)
        except (LeaseLost, StoreError):
            raise
        except DigestError as error:
            failed.append(error)
            job.log(logging.WARNING, "a repository of the group is not read", member=member.repo, reason=str(error))
            return _replaced(job, replace(member, failure=failure_of(error)))
        return kept[0]

    def _reported(self, keys: Iterable[str]) -> frozenset[str]:
        """The SHAs that digests report: a commit that is also in a fork is reported only once."""
        digests = (self._archive.digest(key) for key in keys if key)
        return frozenset(entry.commit.sha for digest in digests if digest for entry in digest.entries)

    def _gathered(self, job: Job) -> Job:
        """The delivery with its digests, or settled if there is nothing to report.

        If the only news is that a repository cannot be read, it is reported only the first time.
        """
        delivery = job.delivery
        has_news = any(m.digest or m.new or (m.failure and m.cursor >= delivery.cursor) for m in delivery.members)
        if has_news or job.subscription.quiet or delivery.cursor < delivery.since:
            job = job.at(digest=GATHERED)
            job.log(logging.INFO, "gathered", repositories=len(delivery.members), reported=len(job.delivery.digests))
        else:
            job = job.at(state=DeliveryState.QUIET)
        self._ledger.mark_delivered(job.delivery, ())
        return job


def listed(delivery: Delivery, found: Sequence[Repository]) -> tuple[Member, ...]:
    """Update a delivery's members to the repositories that the group has now.

    One that is gone is remembered and continues if it comes back. But one that was new and is gone before it was read
    is dropped: its channel may not be allowed to see even its name. The first list announces none as new.
    """
    names, new = {each.name for each in found}, bool(delivery.members)
    kept = (m for m in delivery.members if m.mark or not m.new or m.repo in names)
    known = {member.repo: replace(member, failure=None) for member in kept}
    for each in found:
        known.setdefault(each.name, Member(each.name, delivery.cursor, new=new))
    return tuple(sorted(known.values(), key=lambda member: member.repo.lower()))


def _give_up_where_hopeless(job: Job, failed: Sequence[DigestError]) -> None:
    """Postpone a delivery if a repository may be readable soon, or if none could be read, by raising its error."""
    passing = [error for error in failed if isinstance(error, Unavailable)]
    if passing and job.delivery.failures < _PATIENCE:
        raise passing[0]
    if failed and not any(member.mark for member in job.delivery.members):
        raise failed[0]


def _member(delivery: Delivery, repo: str) -> Member:
    return next(member for member in delivery.members if member.repo == repo)


def _alone(job: Job, member: Member) -> Job:
    """The delivery of one member alone, from where it was left."""
    delivery = job.delivery
    left = member.cursor < delivery.cursor  # it could not be read the last time
    own = replace(
        delivery,
        before=member.before,
        mark=None,
        cursor=min(member.cursor, delivery.cursor),
        since=member.cursor if left else delivery.since,
        digest="",
        follow_ups=(),
        told=(),
        members=(),
    )
    return Job(replace(job.subscription, repo=member.repo, quiet=False), own)


def _with(job: Job, member: Member, own: Delivery) -> Job:
    """The delivery with what one repository reports."""
    said = (replace(each, repo=member.repo) for each in own.follow_ups)
    follow_ups = {each.key: each for each in (*job.delivery.follow_ups, *said)}  # it may be read again
    told = dict((*job.delivery.told, *own.told))
    job = job.at(follow_ups=tuple(follow_ups.values()), told=tuple(told.items()))
    return _replaced(job, replace(member, mark=own.mark, digest=own.digest, failure=None))


def _replaced(job: Job, member: Member) -> Job:
    members = (member if each.repo == member.repo else each for each in job.delivery.members)
    return job.at(members=tuple(members))
