"""Digests of one or more days, posted again or built now, and their full reports."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import NamedTuple

from bot.addresses import is_group, is_hosted
from bot.commits import releases
from bot.conversation import spoken
from bot.conversation.command import Command, Context, unknown
from bot.conversation.grammar import AND, dates, is_date, is_release, is_repository, parse_date, quoted
from bot.delivery import schedule
from bot.errors import UsageError
from bot.posts import report
from bot.posts.group import Group, group_post
from bot.posts.labels import when_label
from bot.posts.post import post
from bot.texts import words_of
from bot.values import Digest, Message, MessageKind, Period, Post, Repository, Scope, Span, Subscription, Text

_PERIODS = {"today": schedule.so_far, "yesterday": schedule.yesterday, "week": schedule.week}
_LATEST = "latest"


def last(context: Context) -> tuple[Post, ...]:
    """The last digest of each repository again; yesterday's if there is none yet."""

    def again(repository: Repository) -> _Made:
        if is_group(repository.name):
            return _of_group(context, repository, ["yesterday"])
        scope = context.scope(repository.name, schedule.yesterday(context.now, context.zone))
        return _Made(repository, (context.services.app.last(repository, scope, context.account),))

    return _posts(context, context.naming.each(context.naming.meant(), again))


def day(context: Context, words: Sequence[str]) -> tuple[Post, ...]:
    """The digests of a period, for the repositories named in the words or else those that are meant."""
    return _posts(context, _made(context, words))


def digests(context: Context, words: Sequence[str]) -> tuple[Digest, ...]:
    """The digests of `yesterday owner/repo` and the like, without layout. Raises DigestError."""
    return tuple(digest for made in _made(context, words) for digest in made.digests or made.quiet)


class _Made(NamedTuple):
    """What was asked for, and its digest, or those of a group's repositories with something to report.

    The digests of its other repositories are `quiet`.
    """

    repository: Repository
    digests: tuple[Digest, ...]
    quiet: tuple[Digest, ...] = ()


def _made(context: Context, words: Sequence[str]) -> list[_Made]:
    named = list(dict.fromkeys(word.rstrip(",，、") for word in words if is_repository(word)))
    time = [word for word in words if not is_repository(word) and word.lower() not in AND]

    def make(repository: Repository) -> _Made:
        if is_group(repository.name):
            return _of_group(context, repository, time)
        scope = _scope(context, repository, time)
        return _Made(repository, (context.services.app.digest(repository, scope, context.account),))

    return context.naming.each(context.naming.each_meant(named), make)


def _of_group(context: Context, group: Repository, time: Sequence[str]) -> _Made:
    """The digests of a group's repositories, shared with other requests."""

    members, filters = context.naming.members(group), replace(context.subscribed(group.name).filters, releases=False)
    if len(time) == 1 and time[0].lower() in words_of(_LATEST):
        latest = context.services.app.repositories.latest
        time = [max(context.naming.each(members, lambda each: latest(each, context.zone))).isoformat()]

    def make(repository: Repository) -> Digest:
        scope = replace(_scope(context, repository, time), filters=filters)
        return context.services.app.digest(repository, scope, context.account)

    made = context.naming.each(members, make)
    active = tuple(digest for digest in made if digest.entries or digest.releases or digest.notices)
    return _Made(group, active, tuple(digest for digest in made if digest not in active))


def _scope(context: Context, repository: Repository, words: Sequence[str]) -> Scope:
    """The scope of a digest: a period or a release. Its commits are always included."""
    if len(words) == 1 and is_release(words[0]):
        older, newer = releases.ends(words[0]) or ("", words[0])
        between = context.services.app.releasing.between(repository, older, newer)
        period = Period(between.newer.made, between.newer.made + timedelta(seconds=1), context.zone)
        made = replace(context.scope(repository.name, period), branch=between.name, between=between)
    else:
        made = context.scope(repository.name, _period(context, repository, words))
    return replace(made, filters=replace(made.filters, releases=False))


def _period(context: Context, repository: Repository, words: Sequence[str]) -> Period:
    now, zone = context.now, context.zone
    words = [each for word in words for each in dates(word) or (word,)]
    if len(words) == 2 and all(map(is_date, words)):
        return _span(now, zone, *sorted(map(parse_date, words)))
    if len(words) != 1:
        raise unknown(words[1] if len(words) > 1 else "")
    word = words[0]
    name = next((name for name in (*_PERIODS, _LATEST) if word.lower() in words_of(name)), "")
    if name in _PERIODS:
        return _PERIODS[name](now, zone)
    if name == _LATEST:
        branch = context.subscribed(repository.name).branch
        wanted = context.services.app.repositories.latest(repository, zone, branch)
    elif is_date(word):
        wanted = parse_date(word)
    else:
        raise unknown(word)
    return _span(now, zone, wanted, wanted)


def _span(now: datetime, zone: str, first: date, last: date) -> Period:
    """The days from `first` to `last`, until now if the last is today. Raises UsageError if it is in the future."""
    today = schedule.today(now, zone)
    if last > today:
        raise UsageError("date_future", date=last.isoformat())
    until = now if last == today else schedule.day(last, zone).until
    return Period(schedule.day(first, zone).since, until, zone)


def _posts(context: Context, made: Sequence[_Made]) -> tuple[Post, ...]:
    """The digests; if nothing landed at all, with the command for a day on which something did."""
    texts = context.texts
    posts = [_post(context, each) for each in made]
    asked = any(word.lower() in words_of(_LATEST) for word in context.words)
    if not asked and not any(digest.entries for each in made for digest in each.digests):
        line = " ".join([_LATEST, *(quoted(word) for word in context.words if is_repository(word))])
        hint = Text(((Span(texts("answer.latest", line=line)),),))
        posts[-1] = replace(posts[-1], headline=replace(posts[-1].headline, parts=(*posts[-1].headline.parts, hint)))
    return tuple(posts)


def _post(context: Context, made: _Made) -> Post:
    kept = context.subscribed(made.repository.name)
    if is_group(made.repository.name):
        return _group_post(context, made, kept)
    (digest,) = made.digests
    spoken.keep(context, digest.repository, tuple(entry.commit.sha for entry in digest.entries))
    return post(digest, context.texts, report.attachments(digest, context.texts), top=kept.top, threads=kept.threads)


def _group_post(context: Context, made: _Made, kept: Subscription) -> Post:
    repository = made.repository
    size = len(context.naming.members(repository))
    asked_for = repository.name if is_hosted(repository.name) else ""
    group = Group(repository.title, (made.digests or made.quiet)[0].period, size, made.digests, asked_for=asked_for)
    attached = report.gathered(group.title, made.digests, context.texts)
    return group_post(group, context.texts, attached, top=kept.top, threads=kept.threads)


def _report(context: Context, words: Sequence[str]) -> tuple[Post, ...]:
    timed = words if any(not is_repository(word) for word in words) else ["yesterday", *words]
    made = _made(context, timed)
    files = tuple(_files(context, each.repository, each.digests) for each in made if each.digests)
    return files or _posts(context, made)  # a group without changes has no report


def _files(context: Context, repository: Repository, made: Sequence[Digest]) -> Post:
    texts = context.texts
    title = f"{texts('digest.report')}{texts('report.colon')}{repository.title} · {when_label(made[0], texts)}"
    files = report.gathered(repository.title, made, texts)
    return Post(Message("report", (Span(title),), files, kind=MessageKind.REPORT))


def _of(name: str) -> Command:
    """The command for the digest of a named time."""
    return Command(name, lambda context, words: day(context, [name, *words]), help="day", dated=True)


COMMANDS = (*map(_of, (*_PERIODS, _LATEST)), Command("report", _report, files=True, dated=True))
