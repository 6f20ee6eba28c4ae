"""The bot's status: what is due, what failed, and the language model's usage."""

from collections.abc import Sequence
from datetime import timedelta

from bot.conversation import operator
from bot.conversation.command import Command, Context
from bot.delivery.ledger import is_sound
from bot.errors import DigestError
from bot.judgement import cost
from bot.judgement.asker import Bill
from bot.judgement.questions import PROMPTS, Depth
from bot.texts import Texts
from bot.values import (
    DeliveryState,
    Fields,
    Line,
    Message,
    MessageKind,
    Part,
    Post,
    Span,
    Spending,
    Subscription,
    Table,
    Taken,
    Text,
    local,
)

_COUNTED = (("waiting", DeliveryState.DUE), ("failed", DeliveryState.FAILED))
_MONTH = timedelta(days=30)


def _status(context: Context, _: Sequence[str]) -> tuple[Post, ...]:
    """What is due and what failed in this channel, or for the operator in all of them."""
    texts, services = context.texts, context.services
    everything = services.app.repositories.rights.is_operator(context.place)
    shown = services.subscriptions.subscriptions() if everything else context.here
    used, limits, taken = services.bill.today(), services.bill.limits, services.bill.taken(context.account)
    price = limits.cost(used)
    items = [
        ("model", services.app.model.name if services.app.model else texts("digest.by_rules")),
        ("tokens", texts.aside(_tokens(context, taken.total, limits.day), f"{sum(u.requests for u in used):,}")),
        ("cost", "" if price is None else operator.price_label(price)),
        ("follows", str(len(shown))),
        ("commits", f"{services.database.counts()['commits']:,}"),
    ]
    if services.app.clock_ahead is not None:
        wrong = texts("keeping.clock_wrong", hours=operator.hours(services.app.clock_ahead))
        items.insert(0, ("clock", wrong))
    if everything:
        states = services.ledger.delivery_states()
        items.append(("quota", _quota(context, shown)))
        unreadable = services.database.unreadable()
        items.append(("unreadable", f"{len(unreadable):,}" if unreadable else ""))
        items += [(name, f"{states[state]:,}" if states[state] else "") for name, state in _COUNTED]
    named = [(f"status.{name}", value) for name, value in items]
    named += _asked(context, taken) if services.app.model else ()
    fields = Fields(tuple((texts(name), (Span(value),)) for name, value in named if value), texts("report.colon"))
    parts: list[Part] = [fields, *([_due(context, shown, everything)] if shown else [])]
    return (Post(Message("status", (Span(texts("status.title")),), tuple(parts), kind=MessageKind.PERSONAL)),)


def _quota(context: Context, followed: Sequence[Subscription]) -> str:
    """GitHub's remaining requests, or why they are unknown; empty if nothing on GitHub is followed."""
    try:
        quota = context.services.app.repositories.quota(s.repo for s in followed)
    except DigestError as error:
        return context.texts.error(error)
    if quota is None:
        return ""
    reset = f"{local(quota.reset, context.zone):%H:%M}"
    return context.texts("status.quota_of", left=f"{quota.left:,}", limit=f"{quota.limit:,}", reset=reset)


def _due(context: Context, shown: Sequence[Subscription], everything: bool) -> Table:
    """When each subscription is due next, and the state of its last digest."""
    texts, now = context.texts, context.now
    latest = {d.subscription: d for d in context.services.ledger.latest_deliveries()}
    names = ("repo", *(("channel",) if everything else ()), "next", "last")
    rows = []
    for each in shown:
        due = operator.due_next(each, now)
        cells = {
            "repo": each.repo if everything else context.naming.title(each.repo),
            "channel": f"{each.place.chat}:{each.place.channel}",
            "next": texts.aside(f"{local(due, each.zone):%Y-%m-%d %H:%M}", each.zone) if due else "–",
            "last": texts(f"paused.{each.paused}")
            if each.paused
            else texts("delivery.unsound", id=each.id)
            if not is_sound(each)
            else operator.delivery_status(latest.get(each.id), each.zone, texts),
        }
        rows.append(tuple((Span(cells[name]),) for name in names))
    return Table(tuple(texts(f"status.{name}") for name in names), tuple(rows), texts("status.deliveries"))


def _asked(context: Context, taken: Taken) -> tuple[tuple[str, str], ...]:
    """The tokens used today by label: by everybody, in this channel, and by the reader."""
    limits, account = context.services.bill.limits, context.account
    channel = _tokens(context, taken.channel, limits.channel) if account.channel else ""
    person = _tokens(context, taken.person, limits.person) if account.person else ""
    everybody = _tokens(context, taken.asked, limits.asked if limits.scheduled else limits.day)
    return ("usage.asked", everybody), ("usage.channel", channel), ("usage.person", person)


def _tokens(context: Context, tokens: int, limit: int) -> str:
    """The tokens used today, and the limit."""
    return context.texts("usage.of" if limit else "usage.tokens", tokens=f"{tokens:,}", limit=f"{limit:,}")


def _usage(context: Context, _: Sequence[str]) -> tuple[Post, ...]:
    """The usage of a month, by kind of question, and the tokens of a day at each depth."""
    texts, bill, app = context.texts, context.services.bill, context.services.app
    month = bill.since(context.now - _MONTH)
    title, taken = (Span(texts("usage.title")),), bill.taken(context.account)
    if not month:
        return (Post(Message("usage", title, (Text(((Span(texts("usage.none")),),)),))),)
    price, models = bill.limits.cost(month), list(dict.fromkeys(spent.model for spent in month))
    items = [
        ("usage.today", _tokens(context, taken.total, bill.limits.day)),
        *_asked(context, taken),
        ("usage.cost", "" if price is None else operator.price_label(price)),
        ("usage.model", models[0] if len(models) == 1 else ""),
        ("usage.depth", _depth(context) if app.model else ""),
    ]
    fields = Fields(tuple((texts(name), (Span(value),)) for name, value in items if value), texts("report.colon"))
    parts = (fields, _by_question(month, bill, texts), *([_by_depth(context)] if app.model else ()))
    return (Post(Message("usage", title, parts)),)


def _depth(context: Context) -> str:
    """The depth of analyses, and whether it was set or is the default."""
    app = context.services.app
    return context.texts("usage.chosen" if app.chosen else "usage.not_chosen", depth=app.depth)


_NUMBERS = ("requests", "prompt", "cached", "completion", "price")
_COLUMNS = ("model", "purpose", *_NUMBERS, "dropped")


def _by_question(month: Sequence[Spending], bill: Bill, texts: Texts) -> Table:
    """A row for each kind of question (and model, if several were used), and one for the total."""
    several, priced = len({spent.model for spent in month}) > 1, bill.limits.cost(month) is not None
    shown = {"model": several, "price": priced}
    names = [name for name in _COLUMNS if shown.get(name, True)]
    ordered = sorted(month, key=lambda spent: (spent.model, _place(spent.purpose)))
    rows = [_cells(spent, bill, texts) for spent in (*ordered, cost.total(month, _ALL))]
    lines = tuple(tuple((Span(row[name]),) for name in names) for row in rows)
    numbers = tuple(place for place, name in enumerate(names) if name in _NUMBERS)
    return Table(tuple(texts(f"usage.{name}") for name in names), lines, texts("usage.month"), numbers)


_ALL = "all"


def _cells(spent: Spending, bill: Bill, texts: Texts) -> dict[str, str]:
    """All cells that a row may have, by the name of the column."""
    counted = {name: f"{getattr(spent, name):,}" for name in _NUMBERS[:-1]}
    percent = round(100 * spent.dropped / spent.stated) if spent.stated else 0
    share = texts("usage.share", dropped=spent.dropped, stated=spent.stated, percent=percent) if spent.stated else ""
    named = {"model": spent.model, "purpose": _question(spent.purpose, texts), "dropped": share}
    return {**counted, **named, "price": _price(spent, bill)}


_NAMED = (*PROMPTS, operator.DOCTOR, _ALL)


def _place(purpose: str) -> int:
    """Sort key: questions in the order in which they are asked, then those of earlier versions."""
    return _NAMED.index(purpose) if purpose in _NAMED else len(_NAMED)


def _question(purpose: str, texts: Texts) -> str:
    """The name of a kind of question; those of earlier versions have the name of their prompt."""
    return texts(f"question.{purpose.partition('.')[0]}") if purpose in _NAMED else purpose


def _by_depth(context: Context) -> Table | Text:
    """About how many tokens the last day would have used at each depth, as far as that is known."""
    texts, bill, app = context.texts, context.services.bill, context.services.app
    if (known := operator.measured(bill, app.depth)) is None:
        return Text(((Span(texts("usage.depths_unknown")),),))
    day, costs = known
    priced = bill.limits.cost(()) is not None
    columns = ("depth", "requests", "taken", *(("price",) if priced else ()))
    rows = tuple(_depth_row(depth, spent, bill)[: len(columns)] for depth, spent in costs.items())
    heading = texts("usage.depths", day=day)
    return Table(tuple(texts(f"usage.{name}") for name in columns), rows, heading, tuple(range(1, len(columns))))


def _depth_row(depth: Depth, spent: Spending, bill: Bill) -> tuple[Line, ...]:
    """A depth and about how many tokens it uses."""
    cells = (str(depth), f"{spent.requests:,}", f"{cost.about(spent.tokens):,}", _price(spent, bill))
    return tuple((Span(cell),) for cell in cells)


def _price(spent: Spending, bill: Bill) -> str:
    """The cost of the tokens; empty if no price is set."""
    price = bill.limits.cost([spent])
    return "" if price is None else operator.price_label(price)


COMMANDS = (Command("status", _status), Command("usage", _usage))
