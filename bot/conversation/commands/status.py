"""How the bot stands: what is due, what went wrong, and what the language model takes."""

from collections.abc import Sequence
from datetime import timedelta

from bot.conversation import operator
from bot.conversation.command import Command, Context
from bot.errors import DigestError
from bot.texts import Texts
from bot.values import DeliveryState, Fields, Message, Part, Post, Span, Spending, Subscription, Table, Text, local

_COUNTED = (("waiting", DeliveryState.DUE), ("failed", DeliveryState.FAILED))
_MONTH = timedelta(days=30)


def _status(context: Context, _: Sequence[str]) -> tuple[Post, ...]:
    """What is due and what went wrong: of this channel, or of all of them for the operator."""
    texts, services = context.texts, context.services
    everything = services.app.repositories.policy.is_operator(context.place)
    shown = services.subscriptions.subscriptions() if everything else context.here
    used = services.bill.today()
    cost = services.bill.limits.cost(used)
    items = [
        ("model", services.app.model.name if services.app.model else texts("digest.by_rules")),
        ("tokens", f"{_tokens(context, used)} ({sum(u.requests for u in used):,})"),
        ("cost", "" if cost is None else _price(cost)),
        ("follows", str(len(shown))),
        ("commits", f"{services.database.counts()['commits']:,}"),
    ]
    if everything:
        states = services.ledger.delivery_states()
        items.append(("quota", _quota(context, shown)))
        items += [(name, f"{states[state]:,}" if states[state] else "") for name, state in _COUNTED]
    fields = Fields(tuple((texts(f"status.{name}"), (Span(value),)) for name, value in items if value))
    parts: list[Part] = [fields, *([_due(context, shown, everything)] if shown else [])]
    return (Post(Message("status", (Span(texts("status.title")),), tuple(parts))),)


def _quota(context: Context, followed: Sequence[Subscription]) -> str:
    """What GitHub still allows, or why that is not known; empty where nothing is followed there."""
    try:
        quota = context.services.app.repositories.quota(s.repo for s in followed)
    except DigestError as error:
        return context.texts.error(error)
    if quota is None:
        return ""
    reset = f"{local(quota.reset, context.zone):%H:%M}"
    return context.texts("status.quota_of", left=f"{quota.left:,}", limit=f"{quota.limit:,}", reset=reset)


def _due(context: Context, shown: Sequence[Subscription], everything: bool) -> Table:
    """When each subscription is due next, and what became of its last digest."""
    texts, now = context.texts, context.now
    latest = {d.subscription: d for d in context.services.ledger.latest_deliveries()}
    names = ("repo", *(("channel",) if everything else ()), "next", "last")
    rows = []
    for each in shown:
        due = operator.due_next(each, now)
        cells = {
            "repo": each.repo if everything else context.naming.title(each.repo),
            "channel": f"{each.place.chat}:{each.place.channel}",
            "next": f"{local(due, each.zone):%Y-%m-%d %H:%M} ({each.zone})" if due else "–",
            "last": texts(f"paused.{each.paused}")
            if each.paused
            else operator.delivery_status(latest.get(each.id), each.zone, texts),
        }
        rows.append(tuple((Span(cells[name]),) for name in names))
    return Table(tuple(texts(f"status.{name}") for name in names), tuple(rows), texts("status.deliveries"))


def _tokens(context: Context, used: Sequence[Spending]) -> str:
    """Tokens taken today, and of how many."""
    tokens, limit = sum(u.prompt + u.completion for u in used), context.services.bill.limits.day
    return context.texts("usage.of" if limit else "usage.tokens", tokens=f"{tokens:,}", limit=f"{limit:,}")


def _usage(context: Context, _: Sequence[str]) -> tuple[Post, ...]:
    texts, bill = context.texts, context.services.bill
    month = bill.since(context.now - _MONTH)
    title = (Span(texts("usage.title")),)
    if not month:
        return (Post(Message("usage", title, (Text(((Span(texts("usage.none")),),)),))),)
    items = [("today", _tokens(context, bill.today()))]
    if (cost := bill.limits.cost(month)) is not None:
        items.append(("cost", _price(cost)))
    fields = Fields(tuple((texts(f"usage.{name}"), (Span(value),)) for name, value in items))
    columns = ("model", "purpose", "requests", "prompt", "completion", "dropped")
    rows = tuple(tuple((Span(cell),) for cell in _row(spent, texts)) for spent in month)
    table = Table(tuple(texts(f"usage.{c}") for c in columns), rows, heading=texts("usage.month"))
    return (Post(Message("usage", title, (fields, table))),)


def _price(cost: float) -> str:
    """A cost with as many digits as tell something."""
    return f"{cost:,.2f}" if cost >= 1 else f"{cost:.4f}"


def _row(spent: Spending, texts: Texts) -> tuple[str, ...]:
    numbers = (f"{n:,}" for n in (spent.requests, spent.prompt, spent.completion))
    percent = round(100 * spent.dropped / spent.stated) if spent.stated else 0
    share = texts("usage.share", dropped=spent.dropped, stated=spent.stated, percent=percent) if spent.stated else ""
    return (spent.model, spent.purpose, *numbers, share)


COMMANDS = (Command("status", _status), Command("usage", _usage))
