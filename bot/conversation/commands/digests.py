"""Digests of a day or of several, again or anew, and their full reports."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from bot.commits import releases
from bot.conversation import spoken
from bot.conversation.command import Command, Context, unknown
from bot.conversation.grammar import dates, is_date, is_release, is_repository, parse_date, quoted
from bot.delivery import schedule
from bot.errors import UsageError
from bot.posts import report
from bot.posts.labels import when_label
from bot.posts.post import post
from bot.texts import words_of
from bot.values import Digest, Message, MessageKind, Period, Post, Repository, Scope, Span, Text, one_line

_PERIODS = {"today": schedule.so_far, "yesterday": schedule.yesterday, "week": schedule.week}
_LATEST = "latest"


def last(context: Context) -> tuple[Post, ...]:
    """The last digest of each repository again; yesterday's where there is none yet."""

    def again(repository: Repository) -> Digest:
        scope = context.scope(repository.name, schedule.yesterday(context.now, context.zone))
        return context.services.app.last(repository, scope, context.account)

    return _posts(context, context.naming.each(context.naming.meant(), again))


def day(context: Context, words: Sequence[str]) -> tuple[Post, ...]:
    """The digests of a time, of the repository that is named among the words or those that are meant."""
    return _posts(context, digests(context, words))


def digests(context: Context, words: Sequence[str]) -> tuple[Digest, ...]:
    """The digests of `yesterday owner/repo` and the like, before any layout. Raises DigestError."""
    named = [word for word in words if is_repository(word)]
    if len(named) > 1:
        raise UsageError("repo_one", first=one_line(named[0], 60), second=one_line(named[1], 60))
    time = [word for word in words if not is_repository(word)]

    def make(repository: Repository) -> Digest:
        return context.services.app.digest(repository, _scope(context, repository, time), context.account)

    return tuple(context.naming.each(context.naming.meant(*named, cloned=True), make))


def _scope(context: Context, repository: Repository, words: Sequence[str]) -> Scope:
    """What a digest is of: a time, or a release. Who asks for either wants its commits."""
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
    """The days from `first` to `last`, until now where the last is today. Raises UsageError for a later one."""
    today = schedule.today(now, zone)
    if last > today:
        raise UsageError("date_future", date=last.isoformat())
    until = now if last == today else schedule.day(last, zone).until
    return Period(schedule.day(first, zone).since, until, zone)


def _posts(context: Context, made: Sequence[Digest]) -> tuple[Post, ...]:
    """The digests; where nothing at all landed, with the line that asks for a day on which something did."""
    texts = context.texts
    posts = [_post(context, digest) for digest in made]
    asked = any(word.lower() in words_of(_LATEST) for word in context.words)
    if not asked and not any(digest.entries for digest in made):
        line = " ".join([_LATEST, *(quoted(word) for word in context.words if is_repository(word))])
        hint = Text(((Span(texts("answer.latest", line=line)),),))
        posts[-1] = replace(posts[-1], headline=replace(posts[-1].headline, parts=(*posts[-1].headline.parts, hint)))
    return tuple(posts)


def _post(context: Context, digest: Digest) -> Post:
    spoken.keep(context, digest.repository, tuple(entry.commit.sha for entry in digest.entries))
    top = context.subscribed(digest.repository.name).top
    return post(digest, context.texts, report.attachments(digest, context.texts), top=top)


def _report(context: Context, words: Sequence[str]) -> tuple[Post, ...]:
    timed = words if any(not is_repository(word) for word in words) else ["yesterday", *words]
    return tuple(_files(context, made) for made in digests(context, timed))


def _files(context: Context, made: Digest) -> Post:
    texts = context.texts
    title = f"{texts('digest.report')}: {made.repository.title} · {when_label(made, texts)}"
    return Post(Message("report", (Span(title),), report.attachments(made, texts), kind=MessageKind.REPORT))


def _of(name: str) -> Command:
    """The command for the digest of a time that has a name."""
    return Command(name, lambda context, words: day(context, [name, *words]), help="day", dated=True)


COMMANDS = (*map(_of, (*_PERIODS, _LATEST)), Command("report", _report, files=True, dated=True))
