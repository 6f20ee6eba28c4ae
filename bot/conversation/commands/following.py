"""Subscriptions of a place: adding, changing, listing and removing them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice

from bot import crontab, filtering, workdays
from bot.addresses import is_group
from bot.conversation import forms
from bot.conversation.command import Command, Context
from bot.conversation.grammar import AND, is_repository, quoted
from bot.conversation.options import (
    ANYTHING,
    OPTIONS,
    blaming,
    branch_of,
    continued,
    is_option,
    typed_options,
    with_options,
)
from bot.delivery import ledger, schedule
from bot.delivery.pausing import resume
from bot.errors import NotFound, UsageError
from bot.posts.labels import zone_label
from bot.texts import Texts
from bot.values import (
    DENIED,
    Button,
    Buttons,
    Fields,
    Form,
    Message,
    MessageKind,
    Part,
    Post,
    Repository,
    Span,
    Subscription,
    Text,
    Threads,
    local,
    one_line,
    without_credentials,
)

# --- Subscribing -----------------------------------------------------------------------------

_SHOWN = 3
"""How many of the next digests are listed after the schedule was set."""


def _subscribe(context: Context, words: Sequence[str]) -> tuple[Post, ...]:
    """Follow each named repository with the same options; one that fails does not affect the others."""
    named, options = _named(words)
    typed_options(options)  # errors are shown before anything is followed
    answers = context.naming.each(named, lambda word: _begin(context, word, options))
    return tuple(post for answer in answers for post in answer)


def _begin(context: Context, word: str, words: Sequence[str]) -> tuple[Post, ...]:
    """Follow the repository that a word means, with the options after it."""
    repository = context.naming.new(word)
    context.naming.check_everybody(repository)  # everybody in the channel will read it
    wanted = _wanted(context, repository.name, words)
    _check_branch(context, repository, wanted.branch)
    if not is_group(repository.name):
        with blaming("owned-by"):
            filtering.check(context.services.app.repositories, repository, wanted.branch, wanted.filters)
    subscriptions = context.services.subscriptions
    known = context.naming.kept(repository.name, wanted.branch)
    begun = replace(continued(wanted, known, context.now), place=context.place.whole, repo=repository.name, paused="")
    if begun == known:
        again = (_described(context, begun, context.texts, _SHOWN),)
        return (_private(context, "answer.subscribed_already", again, repo=repository.title),)
    context.services.check_place(begun.place)
    kept = subscriptions.subscribe(begun)
    resume(kept, context.now, subscriptions, context.services.ledger)
    texts = context.services.texts(kept.language, kept.place.chat)
    title = texts("answer.subscribed", repo=repository.title)
    described = _described(context, kept, texts, _SHOWN)
    parts: tuple[Part, ...] = (described,)
    if is_group(repository.name):
        members = (texts("setting.repositories"), (Span(_members(context, repository, texts)),))
        parts = (replace(described, items=(members, *described.items)),)
    elif kept.filters.labels and not repository.labelled:
        parts += (Text(((Span(filtering.lacking("labels", repository, kept.filters, texts)),),)),)
    return (Post(Message("subscribed", (Span(title),), parts, kind=MessageKind.ANNOUNCEMENT)),)


def _check_branch(context: Context, repository: Repository, branch: str) -> None:
    """Reject a branch that does not exist, or any for a group, whose repositories have their own.

    Raises DigestError.
    """
    with blaming("branch", NotFound):
        if not is_group(repository.name):
            context.services.app.repositories.check_branch(repository, branch)
        elif branch:
            raise NotFound("group_branch", group=repository.title)


def _members(context: Context, group: Repository, texts: Texts) -> str:
    """The number of a group's repositories that everybody in the channel may see, and the first few."""
    members = context.services.app.repositories.group(group.name, context.who.everybody)
    names = [one_line(each.title, 60) for each in members[:_MEMBERS]]
    more = [texts("branch.more", n=len(members) - _MEMBERS)] if len(members) > _MEMBERS else []
    return texts("answer.group", n=len(members), names=texts("answer.between").join([*names, *more]))


_MEMBERS = 10


def check(context: Context) -> None:
    """Reject an invalid `subscribe` line, without any request. Raises DigestError."""
    named, words = _named(context.words[1:])
    for word in named:
        name = context.naming.spelled(word)
        context.naming.check_name(name)
        _asked(context.fresh(name), typed_options(words))


def _named(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words for repositories, without duplicates, and those after them. Raises UsageError if there are none."""
    names, rest = list[str](), [word for number, word in enumerate(words) if number or word.lower() not in _TO]
    while rest and (rest[0].lower() in AND or all(map(is_repository, parts := _parts(rest[0])))):
        names += parts if rest[0].lower() not in AND else ()
        rest = rest[1:]
    if not names and rest and not is_option(rest[0]):
        raise UsageError("repository_unclear", text=one_line(without_credentials(rest[0]), 60))
    if not names:
        raise UsageError("subscribe_what")
    return list(dict.fromkeys(names)), rest


def _parts(word: str) -> list[str]:
    """The repositories in `a/b,c/d`, or the word itself: a path may contain any character."""
    parts = [part for part in re.split(r"[\s,，、;；]+", word) if part]
    return parts if len(parts) > 1 and all(map(_OWNED.fullmatch, parts)) else [word.rstrip(",，、;；")]


_TO = frozenset({"to", "仓库"})
_OWNED = re.compile(r"[\w.-]+/[\w.-]+\*?")


def _wanted(context: Context, repo: str, words: Sequence[str]) -> Subscription:
    """The subscription to `repo`, on the branch in the options, with the options set. Raises UsageError."""
    options, current = typed_options(words), context.subscribed(repo)
    if "branch" in options and (branch := branch_of(options["branch"])) != current.branch:
        others = (s for s in context.here if (s.repo, s.branch) == (repo, branch))
        current = next(others, replace(current, id=0))
    return _asked(current, options)


def _asked(current: Subscription, options: Mapping[str, str]) -> Subscription:
    """A subscription with options set. Raises UsageError."""
    wanted = with_options(current, options)
    if current.id and schedule.is_sound(wanted.schedule, wanted.zone):
        return wanted  # what an earlier version stored is left unchanged
    with blaming("on"):
        return replace(wanted, schedule=crontab.expression(wanted.schedule))


def _new_form(context: Context, words: Sequence[str]) -> Form | None:
    """The form for a new subscription, if there are no options."""
    return None if words else forms.subscribe_form(context.fresh(), False, context.texts)


# --- Ending ----------------------------------------------------------------------------------


def _unsubscribe(context: Context, words: Sequence[str]) -> tuple[Post, ...]:
    gone = _unnamed(context, words) or _each_here(context, words)
    for subscription in gone:
        context.services.subscriptions.unsubscribe(subscription.id)
    named = sorted({_title(context, s) for s in gone})
    title = context.texts("answer.unsubscribed", repo=context.texts("answer.between").join(named))
    lines = [line for s in gone if s not in context.naming.unnamed and (line := _again(context, s))]
    back = [(Span(context.texts("answer.back")),), *((Span(line, code=True),) for line in lines)]
    parts = (Text(tuple(back)),) if lines else ()
    return (Post(Message("unsubscribed", (Span(title),), parts, kind=MessageKind.ANNOUNCEMENT)),)


_LASTING = frozenset({"at", "on", "zone", "lang"})
"""Options whose defaults may have changed when the line is used: they depend on the channel's other subscriptions."""


def _again(context: Context, subscription: Subscription) -> str:
    """The line that restores a subscription with its settings; empty if its schedule cannot be typed."""
    new = context.fresh(subscription.repo)
    set_to = {name: option.value(subscription) for name, option in OPTIONS.items()}
    if not set_to["at"] or not set_to["on"]:
        return ""
    other = {name: value for name, value in set_to.items() if name in _LASTING or value != OPTIONS[name].value(new)}
    return f"{context.services.command} {forms.line({'repo': context.naming.title(subscription.repo)} | other)}"


def _each_here(context: Context, words: Sequence[str]) -> list[Subscription]:
    """The subscriptions of this channel that the words name, one or more. Raises as `_here` does."""
    try:
        named, options = _named(words)
    except UsageError:
        named, options = [], []
    if len(named) < _SEVERAL:
        return _here(context, words)
    found = [s for word in named for s in _here(context, [word, *options])]
    return list({s.id: s for s in found}.values())


_SEVERAL = 2


def _here(context: Context, words: Sequence[str]) -> list[Subscription]:
    """The subscriptions of this channel that the words name. Raises NotFound if there are none."""
    if found := _named_here(context, words):
        return found
    followed = tuple(context.naming.title(s.repo) for s in context.here)
    raise NotFound("not_subscribed", repo=one_line(" ".join(words), 60) or "–", followed=followed)


def _unnamed(context: Context, words: Sequence[str]) -> list[Subscription]:
    """The subscription of this channel named by its ID, since its repository is not shown here."""
    number = int(words[0]) if len(words) == 1 and _NUMBER.fullmatch(words[0]) else 0
    return [s for s in context.naming.unnamed if s.id == number]


_NUMBER = re.compile(r"[0-9]{1,9}")


def _title(context: Context, subscription: Subscription) -> str:
    """The title of a subscription's repository, or the subscription's ID if the person may not see that."""
    if subscription in context.naming.unnamed:
        return context.texts("answer.unnamed", id=subscription.id)
    return context.naming.title(subscription.repo)


def _named_here(context: Context, words: Sequence[str]) -> list[Subscription]:
    """The subscriptions of this channel that `owner/repo [branch B]` names. Raises UsageError."""
    branch = typed_options(words[1:]).get("branch")
    found = context.naming.followed(words[0] if words else "")
    return [s for s in found if branch is None or s.branch == branch_of(branch)]


# --- Listing ---------------------------------------------------------------------------------


def listed(context: Context, words: Sequence[str] = ()) -> tuple[Post, ...]:
    """The place's subscriptions, or the named ones, with their settings and buttons."""
    texts = context.texts
    follow = Buttons((Button(texts("answer.follow"), "subscribe"),))
    unnamed = () if words else context.naming.unnamed
    if not context.here and not unnamed:
        return (_private(context, "answer.follows_nothing", (follow,)),)
    shown = _here(context, words) if words else context.here
    parts = [part for subscription in shown for part in _subscription(context, subscription)]
    parts += [part for subscription in unnamed for part in _unnamed_one(context, subscription)]
    if words:
        parts.append(Text(((Span(texts("answer.change_how", repo=context.naming.title(shown[0].repo))),),)))
    else:
        parts.append(follow)
    return (_private(context, "answer.follows", parts, n=len(context.here) + len(unnamed)),)


def _private(context: Context, label: str, parts: Sequence[Part], **fields: object) -> Post:
    """A post for the person who asked only."""
    return Post(Message("list", (Span(context.texts(label, **fields)),), tuple(parts), kind=MessageKind.PERSONAL))


def _subscription(context: Context, subscription: Subscription) -> tuple[Part, ...]:
    """One subscription: its repository, settings and buttons."""
    texts, title = context.texts, context.naming.title(subscription.repo)
    several = sum(s.repo == subscription.repo for s in context.here) > 1
    branch = subscription.branch or (ANYTHING if several else "")
    named = " ".join([quoted(title), *(["branch", branch] if branch else [])])
    gone = Button(texts("answer.unfollow"), f"unsubscribe {named}", confirm=texts("answer.unfollow_sure", repo=title))
    return (
        Text(((Span(title, strong=True),),)),
        _described(context, subscription, texts),
        Buttons((Button(texts("answer.change"), f"settings {named}"), gone)),
    )


def _unnamed_one(context: Context, subscription: Subscription) -> tuple[Part, ...]:
    """A subscription that the person may not see: whether and why it is paused, and how to remove it."""
    texts, title = context.texts, _title(context, subscription)
    sure = texts("answer.unfollow_sure", repo=title)
    gone = Button(texts("answer.unfollow"), f"unsubscribe {subscription.id}", confirm=sure)
    why = Fields(((texts("setting.paused"), (Span(texts(f"paused.{DENIED}")),)),), texts("report.colon"))
    return (Text(((Span(title, strong=True),),)), why, Buttons((gone,)))


def _described(context: Context, subscription: Subscription, texts: Texts, times: int = 1) -> Fields:
    filters = subscription.filters
    items = [
        ("schedule", _schedule(subscription, texts)),
        ("next" if times == 1 else "coming", _coming(context, subscription, texts, times)),
        ("holidays", _holidays(subscription, context.now, texts)),
        ("language", subscription.language),
        ("branch", subscription.branch),
        ("paths", texts.listed(filters.paths)),
        ("authors", texts.listed(filters.authors)),
        ("labels", texts.listed(filters.labels)),
        ("owners", texts.listed(filters.owners)),
        ("bots", "" if filters.bots else texts("answer.no")),
        ("tells", texts("answer.releases_alone") if filters.releases else ""),
        ("quiet", texts("answer.yes") if subscription.quiet else ""),
        ("top", texts("answer.at_most", n=subscription.top)),
        ("threads", "" if subscription.threads is Threads.FULL else texts(f"threads.{subscription.threads}")),
        ("follow_ups", "" if subscription.follow_ups else texts("answer.no")),
        ("paused", texts(f"paused.{subscription.paused}") if subscription.paused else ""),
    ]
    said = tuple((texts(f"setting.{name}"), (Span(value),)) for name, value in items if value)
    return Fields(said, texts("report.colon"))


def _schedule(subscription: Subscription, texts: Texts) -> str:
    """When digests are due, in words, with the crontab expression after it, or only that."""
    try:
        time, days = schedule.time_of(subscription.schedule), schedule.days_of(subscription.schedule)
    except (UsageError, ValueError):
        time, days = "", ()  # stored by an older version, or changed by hand
    if not time or not days:
        return texts.aside(subscription.schedule, zone_label(subscription.zone))
    names = texts.listed(texts(f"weekday.{crontab.WEEK.index(day)}") for day in days)
    named = {crontab.WEEK: "answer.every_day", crontab.WEEK[:5]: "answer.every_weekday"}.get(days, "answer.on_days")
    said = texts(named, days=names, time=time)
    return texts("answer.schedule", said=said, crontab=subscription.schedule, zone=zone_label(subscription.zone))


def _holidays(subscription: Subscription, now: datetime, texts: Texts) -> str:
    """The calendar of the working days, and which of its dates are not certain."""
    calendar = subscription.holidays
    if (year := workdays.announced_until(calendar)) is not None:
        return texts("answer.holidays_until", calendar=calendar, year=year)
    today = schedule.today(now, subscription.zone)
    is_open = workdays.is_open(calendar, today, today + _AHEAD)
    return texts("answer.holidays_open", calendar=calendar) if is_open else calendar


_AHEAD = timedelta(days=365)
"""How far ahead uncertain dates of holidays are listed."""


def _coming(context: Context, subscription: Subscription, texts: Texts, times: int) -> str:
    """When the next digests are due, with weekdays, which most schedules depend on."""
    last = next(iter(context.services.ledger.deliveries(subscription.id, limit=1)), None)
    try:
        mark = ledger.watermark(subscription, last)
        timed = (subscription.schedule, subscription.zone, mark, context.now)
        slots = schedule.coming(*timed, subscription.holidays)
        moments = [local(slot, subscription.zone) for slot in islice(slots, times)]
    except UsageError:
        moments = []  # stored by an older version, or changed by hand: it is shown, and never due
    return texts("answer.between").join(_moment(moment, texts) for moment in moments) or texts("answer.never")


def _moment(moment: datetime, texts: Texts) -> str:
    weekday = texts(f"weekday.{moment.weekday()}")
    return texts("answer.moment", weekday=weekday, date=f"{moment:%Y-%m-%d}", time=f"{moment:%H:%M}")


def _form(context: Context, words: Sequence[str]) -> Form | None:
    """The form for the one named subscription."""
    found = _named_here(context, words) if words else []
    return forms.subscribe_form(found[0], True, context.texts) if len(found) == 1 else None


COMMANDS = (
    Command("subscribe", _subscribe, form=_new_form, about_place=True, begins=True),
    Command("unsubscribe", _unsubscribe, about_place=True),
    Command("list", listed, about_place=True),
    Command("settings", listed, form=_form, about_place=True),
)
