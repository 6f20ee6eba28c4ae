"""The messages of a delivery: for one repository, or for those of a group with something to report. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bot.addresses import is_path
from bot.delivery.job import Job
from bot.posts import post as digests
from bot.posts import report
from bot.posts.group import Group, group_post
from bot.posts.labels import day_label, follow_up_line, reported_labels
from bot.repositories import as_one
from bot.texts import Texts
from bot.values import (
    Delivery,
    DeliveryState,
    Digest,
    Member,
    Message,
    MessageKind,
    Period,
    Post,
    local,
)


def missed_notes(delivery: Delivery, failed: Iterable[Delivery], period: Period, texts: Texts) -> tuple[str, ...]:
    """The notes in a headline on digests that were missed, or `failed` to be posted, latest first."""
    failed, said = tuple(failed), []
    if failed and failed[0].state is DeliveryState.RESTORED:
        doubtful = Period(failed[0].since, failed[0].until, period.zone)
        said.append(texts("digest.doubtful", day=day_label(doubtful, texts)))
    elif failed:
        taken_over = failed[0].since >= delivery.since
        key = "digest.failed_part" if failed[0].sent else "digest.failed_all" if taken_over else "digest.failed_gone"
        day = day_label(Period(failed[0].since, failed[0].until, period.zone), texts)
        said.append(texts(key, day=day, reason=texts.failure(failed[0].failure)))
    if (missed := delivery.merged - sum(d.state is DeliveryState.FAILED and not d.sent for d in failed)) > 0:
        said.append(texts("digest.merged", count=missed))
    if delivery.cursor < delivery.since:
        ends = (local(moment, period.zone) for moment in (delivery.cursor, delivery.since))
        since, until = (f"{moment:%Y-%m-%d %H:%M}" for moment in ends)
        said.append(texts("digest.gap", since=since, until=until))
    return tuple(said)


def messages(job: Job, digest: Digest) -> tuple[dict[str, Message], Texts]:
    """The messages by key and in order, the same at each attempt, and the labels."""
    # The digest's language: the subscription's may have changed since.
    texts = Texts(digest.language, chat=job.subscription.place.chat)
    delivery, zone = job.delivery, digest.period.zone
    aloud, silent = (tuple(f for f in delivery.follow_ups if f.aloud is is_aloud) for is_aloud in (True, False))
    notes = missed_notes(delivery, job.failed, digest.period, texts)
    post = digests.post(
        digest,
        texts,
        report.attachments(digest, texts),
        notes,
        delivery.top,
        reported=reported_labels(dict(delivery.told), zone, texts),
        since=[follow_up_line(digest.repository, f, zone, texts) for f in aloud],
        news=[texts("digest.look", repo=digest.repository.title)] if delivery.new_look else [],
        threads=delivery.threads,
        look=delivery.look,
    )
    return in_order(post, [digests.follow_up(digest.repository, f, texts) for f in silent]), texts


def in_order(post: Post, said: Iterable[Message]) -> dict[str, Message]:
    """The messages of a post, and those `said` in other threads, by key, in the order of sending."""
    # The report is last: if it is in the thread, all of the digest is, as a restore needs to know.
    last = [message for message in post.replies if message.kind is MessageKind.REPORT]
    first = [message for message in post.replies if message.kind is not MessageKind.REPORT]
    return {message.key: message for message in (post.headline, *first, *said, *last)}


def gathered_messages(job: Job, shown: Sequence[Digest]) -> tuple[dict[str, Message], Texts]:
    """As `messages`, for the digests of a group that its channel may see."""
    texts = Texts(shown[0].language if shown else job.subscription.language, chat=job.subscription.place.chat)
    delivery, zone = job.delivery, shown[0].period.zone if shown else job.subscription.zone
    period = Period(delivery.since, delivery.until, zone)
    group = gathered(job.subscription.repo, period, shown, delivery.members, texts)
    by_name = {digest.repository.name: digest.repository for digest in shown}
    said = [f for f in delivery.follow_ups if f.repo in by_name]
    post = group_post(
        group,
        texts,
        report.gathered(group.title, shown, texts),
        missed_notes(delivery, job.failed, period, texts),
        delivery.top,
        reported=reported_labels(dict(delivery.told), period.zone, texts),
        since=[follow_up_line(by_name[f.repo], f, period.zone, texts) for f in said if f.aloud],
        threads=delivery.threads,
    )
    return in_order(post, [digests.follow_up(by_name[f.repo], f, texts) for f in said if not f.aloud]), texts


def gathered(name: str, period: Period, shown: Sequence[Digest], members: Sequence[Member], texts: Texts) -> Group:
    """The group to post; a path on this machine is named by its last part."""
    return Group(
        as_one(name).title,
        period,
        sum(1 for member in members if member.mark or member.failure),
        tuple(shown),
        tuple(_title(member.repo) for member in members if member.new),
        tuple((_title(member.repo), texts.failure(member.failure)) for member in members if member.failure),
        "" if is_path(name) else name,
    )


def _title(repo: str) -> str:
    return repo.rstrip("/").rpartition("/")[2] if is_path(repo) else repo


def unread(delivery: Delivery, member: Member) -> Delivery:
    """Reset one repository in a group's delivery whose digest is no longer kept, to be read again."""
    members = (replace(m, mark=None, digest="") if m.repo == member.repo else m for m in delivery.members)
    return replace(delivery, digest="", members=tuple(members))
