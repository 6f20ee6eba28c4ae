"""What the operator sees and does: deliveries, metrics, checks, subscriptions as a file, digests built in advance."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from bot import __version__, crontab, validation, workdays
from bot.addresses import is_group
from bot.app import App
from bot.conversation.options import continued
from bot.delivery import schedule
from bot.delivery.ledger import is_sound, unbuilt, watermark
from bot.errors import BudgetSpent, DigestError, Invalid, UsageError
from bot.judgement import cost
from bot.judgement.asker import Bill, Limits
from bot.judgement.questions import EARLIER, PROMPTS, Depth
from bot.languages import BASE
from bot.ports import Finding, Ledger, Queue, Store, Subscriptions, Verdict
from bot.repositories import OPERATOR, Repositories
from bot.rights import written
from bot.settings import check_language, check_zone
from bot.texts import Texts
from bot.values import (
    EPOCH,
    MOST_TOP,
    SCHEDULED,
    TOP,
    TRIED,
    Aside,
    Delivery,
    DeliveryState,
    Digest,
    Filters,
    Measure,
    Message,
    Place,
    Question,
    Quota,
    Repository,
    Scope,
    Span,
    Spending,
    Subscription,
    Table,
    Threads,
    local,
    one_line,
)

# --- How things stand ------------------------------------------------------------------------


_LITTLE, _NONE = 200 * 2**20, 2**20
"""Free bytes on the database's disk below which the operator is warned, and below which nothing can be stored."""


def unready(store: Store, ahead: timedelta | None = None, unheard: DigestError | None = None) -> str:
    """Why the bot cannot work: its store, disk space, clock or connections; empty if it can.

    `unheard` is the error if it can reach no chat.
    """
    if unheard is not None:
        return Texts(BASE).error(unheard)
    if ahead is not None:
        return Texts(BASE)("keeping.clock_wrong", hours=hours(ahead))
    try:
        store.delivery_states()
    except DigestError as error:
        return Texts(BASE).error(error)
    free = store.free()
    return Texts(BASE)("keeping.disk_full") if free is not None and free < _NONE else ""


def hours(ahead: timedelta) -> str:
    """How far a clock is ahead, in hours; negative if it is behind."""
    return f"{ahead / timedelta(hours=1):+,.1f}"


def measures(store: Store, now: datetime, quota: Quota | None, queue: Queue | None = None) -> Iterator[Measure]:
    """The metrics of the bot, from the store, so that they are the same in every process; `quota` as last known.

    `queue` is the one that several processes share, if any.
    """
    counts, states = store.counts(), store.delivery_states()
    yield Measure("build_info", "The version that runs.", "gauge", (({"version": __version__}, 1.0),))
    yield Measure("digests", "Digests that were made and are kept.", "gauge", (({}, counts["digests"]),))
    yield Measure("subscriptions", "Subscriptions.", "gauge", (({}, counts["subscriptions"]),))
    outcomes = tuple(({"outcome": str(state)}, float(number)) for state, number in states.items())
    yield Measure("deliveries", "Deliveries by what became of them.", "gauge", outcomes)
    due = store.due_deliveries(now + timedelta(days=1))
    active = {s.id for s in store.numbered({d.subscription for d in due}) if not s.paused}
    age = max(((now - d.slot).total_seconds() for d in due if d.subscription in active), default=0.0)
    yield Measure("queue_age_seconds", "How long the oldest delivery waits that is due.", "gauge", (({}, age),))
    used = store.usage(EPOCH, now + timedelta(seconds=1))
    named = [({"model": u.model, "purpose": u.purpose}, u) for u in used]
    yield Measure(
        "model_requests",
        "Requests to the language model.",
        "counter",
        tuple((labels, float(u.requests)) for labels, u in named),
    )
    yield Measure(
        "model_tokens",
        "Tokens that the language model took.",
        "counter",
        tuple(
            ({**labels, "kind": kind}, float(number))
            for labels, u in named
            for kind, number in (("prompt", u.prompt), ("completion", u.completion))
        ),
    )
    cached = tuple((labels, float(u.cached)) for labels, u in named)
    yield Measure("model_cached_tokens", "Tokens of prompts that the service had cached.", "counter", cached)
    asked = tuple((labels, float(u.asked)) for labels, u in named)
    yield Measure("model_asked_tokens", "Tokens that people asked for.", "counter", asked)
    if queue:
        tasks = tuple(({"step": step, "state": state}, float(n)) for (step, state), n in queue.counts().items())
        yield Measure("queue_tasks", "Tasks of the queue that wait or are worked on.", "gauge", tasks)
    if quota:
        yield Measure("github_quota_left", "Requests that GitHub still allows.", "gauge", (({}, quota.left),))


def due_next(subscription: Subscription, now: datetime) -> datetime | None:
    """When a subscription's next digest is due; None while it is paused, or if never."""
    if subscription.paused or not is_sound(subscription):
        return None
    return schedule.next_slot(subscription.schedule, subscription.zone, now, subscription.holidays)


def followed(subscriptions: Sequence[Subscription], now: datetime) -> dict[str, object]:
    """The number of followed repositories and the time of the next digest, for the log."""
    times = filter(None, (due_next(each, now) for each in subscriptions))
    soonest = min(times, default=None)
    next_ = soonest.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if soonest else "none"
    return {"repositories": len({each.repo for each in subscriptions}), "next": next_}


def delivery_status(delivery: Delivery | None, zone: str, texts: Texts) -> str:
    """The state of a delivery, in a few words."""
    if delivery is None:
        return texts("delivery.none")
    if delivery.state is DeliveryState.DUE and delivery.failure:
        retry = f"{local(delivery.retry, zone):%H:%M}"
        return texts("delivery.retrying", reason=texts.failure(delivery.failure), n=delivery.failures, at=retry)
    if delivery.state is DeliveryState.FAILED:
        count = texts.count("attempts", delivery.failures)
        return texts("delivery.failed_why", reason=texts.failure(delivery.failure), count=count)
    if delivery.state is DeliveryState.RESTORED and not delivery.sent:
        return texts("delivery.doubtful", id=delivery.id)
    return texts(f"delivery.{delivery.state}")


def listed(store: Store, texts: Texts, zone: str, *, failed: bool, limit: int) -> Message:
    """The latest deliveries, or the latest that were given up."""
    found = store.deliveries(state=DeliveryState.FAILED if failed else None, limit=limit)
    known = {s.id: s for s in store.subscriptions()}
    found = tuple(d for d in found if d.subscription in known)
    title = (Span(texts("delivery.title" if found else "delivery.empty")),)
    if not found:
        return Message("deliveries", title)
    columns = (
        "ID",
        *(texts(f"status.{name}") for name in ("repo", "channel")),
        texts("table.time"),
        texts("status.last"),
    )
    rows = tuple(tuple((Span(cell),) for cell in _cells(d, known[d.subscription], zone, texts)) for d in found)
    return Message("deliveries", title, (Table(columns, rows),))


def _cells(delivery: Delivery, subscription: Subscription, zone: str, texts: Texts) -> tuple[str, ...]:
    where = f"{subscription.place.chat}:{subscription.place.channel}"
    slot = f"{local(delivery.slot, zone):%Y-%m-%d %H:%M}"
    return (str(delivery.id), subscription.repo, where, slot, delivery_status(delivery, zone, texts))


def retry(ledger: Ledger, number: int, now: datetime) -> Delivery:
    """Retry a delivery that was given up. Raises NotFound, UsageError."""
    delivery = ledger.delivery(number)
    later = [d for d in ledger.deliveries(delivery.subscription) if d.id > number]
    if delivery.state is DeliveryState.FAILED and not delivery.sent and later:
        raise UsageError("delivery_made_up", id=number)
    taken_over = {f.key for d in later for f in d.follow_ups}
    again = replace(
        delivery if delivery.sent else unbuilt(delivery),
        state=DeliveryState.DUE,
        attempts=delivery.attempts + 1,
        retry=now,
        deadline=now + timedelta(days=1),
        follow_ups=tuple(f for f in delivery.follow_ups if f.key not in taken_over),
    )
    if not ledger.reopen(again):
        raise UsageError("delivery_not_failed", id=number)
    return again


# --- Whether everything works ---------------------------------------------------------------

DOCTOR = "doctor"
"""The purpose of the request that checks whether a model answers."""
_TOO_FAR = timedelta(hours=1, minutes=5)
"""GitHub's limits reset within the hour (docs.github.com, Rate limits for the REST API)."""


def examine(app: App, store: Store, path: str) -> Iterator[Finding]:
    """Check the database, GitHub, the clock, the language model and its depth, and every followed repository."""
    counts, followed = store.counts(), store.subscriptions()
    known = {"path": path, "size": f"{counts['bytes'] / 2**20:.1f}", "n": counts["subscriptions"]}
    yield Finding("database", Verdict.FINE, "fine", known)
    if (free := store.free()) is not None and free < _LITTLE:
        room = {"free": f"{free / 2**20:.1f}"}
        yield Finding("disk", Verdict.WARNING if free >= _NONE else Verdict.FAILED, "little", room)
    for row in store.unreadable():
        yield Finding("row", Verdict.FAILED, "unreadable", {"table": row.table, "row": row.key, "place": row.place})
    yield from _followed(followed, app.clock())
    if unsettled := len(store.unsettled()):
        yield Finding("restored", Verdict.WARNING, "unsettled", {"n": unsettled})
    yield from _github(app, followed)
    yield _model(app)
    if app.model:
        yield _tokens(app.model.bill)
        yield _depth(app, app.model.bill, store)
    private = set()
    for repo in dict.fromkeys(s.repo for s in followed):
        found, finding = _repository(app, repo)
        yield finding
        if found is None or found.private or not (is_group(repo) or app.repositories.rights.may_be_public(repo)):
            private.add(repo)
    yield from _rights(app.repositories, [s for s in followed if s.repo in private])


def _followed(followed: Sequence[Subscription], now: datetime) -> Iterator[Finding]:
    """Subscriptions that cannot be delivered, or are due at other times than their schedules say."""
    for each in followed:
        place = f"{each.place.chat}:{each.place.channel}"
        known = {"id": each.id, "repo": each.repo, "channel": place}
        if not is_sound(each):
            yield Finding("row", Verdict.FAILED, "unsound", known)
        elif schedule.is_misread(each.schedule):
            slots = islice(schedule.coming(each.schedule, each.zone, watermark(each, None), now, each.holidays), 3)
            moments = [local(slot, each.zone) for slot in slots]
            times = tuple(f"{crontab.WEEK[m.weekday()]} {m:%Y-%m-%d %H:%M}" for m in moments) or "–"
            yield Finding("schedule", Verdict.WARNING, "misread", {**known, "schedule": each.schedule, "times": times})
    yield from _holidays({each.holidays for each in followed if each.holidays}, now.date())


_AHEAD = timedelta(days=60)
"""How long before a year starts its holidays should be known."""


def _holidays(calendars: Collection[str], today: date) -> Iterator[Finding]:
    """Calendars whose holidays of the coming year are not known yet, or not at all."""
    for calendar in sorted(calendars):
        if not workdays.is_known(calendar):
            yield Finding("holidays", Verdict.WARNING, "unknown", {"calendar": calendar})
        elif workdays.is_open(calendar, today, today + _AHEAD):
            until = workdays.announced_until(calendar)
            fields = {"calendar": calendar, "year": until, "until": today + _AHEAD}
            yield Finding("holidays", Verdict.WARNING, "until" if until else "open", fields)


def _github(app: App, followed: Sequence[Subscription]) -> Iterator[Finding]:
    """Whether GitHub answers, and its clock and ours agree."""
    now = app.clock()
    try:
        quota = app.repositories.quota(s.repo for s in followed)
    except DigestError as error:
        yield Finding("github", Verdict.FAILED, "error", error=error)
        return
    if quota is None:
        yield Finding("github", Verdict.SKIPPED, "none")
        return
    verdict = Verdict.FINE if quota.left else Verdict.WARNING
    yield Finding("github", verdict, "fine", {"left": f"{quota.left:,}", "limit": f"{quota.limit:,}"})
    right = now - timedelta(minutes=5) < quota.reset < now + _TOO_FAR
    moment = f"{now:%Y-%m-%d %H:%M} UTC"
    yield Finding("clock", Verdict.FINE if right else Verdict.FAILED, "fine" if right else "wrong", {"now": moment})


def _model(app: App) -> Finding:
    """Whether the language model answers."""
    if app.model is None:
        return Finding("model", Verdict.SKIPPED, "none")
    schema: dict[str, object] = {
        "type": "object",
        "properties": {"ok": {"type": "boolean"}},
        "required": ["ok"],
        "additionalProperties": False,
    }
    try:
        app.model.reply(Question(DOCTOR, "Answer in JSON.", 'Answer {"ok": true}.', schema, 500))
    except DigestError as error:
        verdict = Verdict.WARNING if isinstance(error, BudgetSpent) else Verdict.FAILED  # it was not asked at all
        return Finding("model", verdict, "error", error=error)
    return Finding("model", Verdict.FINE, "fine", {"model": app.model.name})


def _tokens(bill: Bill) -> Finding:
    """The tokens used today of the budget, and of people's share."""
    limits, taken = bill.limits, bill.taken(SCHEDULED)
    if not limits.day:
        return Finding("tokens", Verdict.SKIPPED, "none")
    spent = taken.total >= limits.day or (bool(limits.scheduled) and taken.asked >= limits.asked)
    asked = limits.asked if limits.scheduled else limits.day
    numbers = {"total": taken.total, "day": limits.day, "asked": taken.asked, "all": asked}
    fields = {name: f"{number:,}" for name, number in numbers.items()}
    for name, bound in (("person", limits.person), ("channel", limits.channel)):
        fields[name] = f"{bound:,}" if bound else "∞"
    verdict, outcome = (Verdict.WARNING, "spent") if spent else (Verdict.FINE, "fine")
    return Finding("tokens", verdict, outcome, {**fields, "reset": limits.reset(bill.clock())})


def _depth(app: App, bill: Bill, store: Store) -> Finding:
    """The depth of analyses, and about how many tokens each depth uses; what to set if no depth is chosen."""
    asked = any(spent.purpose in (*PROMPTS, *EARLIER) for spent in bill.since(EPOCH))
    if app.chosen or (asked and app.depth is not Depth.BRIEF):
        outcome, verdict = "fine", Verdict.FINE
    else:
        outcome, verdict = "stays" if asked else "asks", Verdict.WARNING
    known = None if outcome == "asks" else measured(bill, app.depth) or _of_digests(store)
    day, costs = known or (None, cost.of_one())
    takes = {str(depth): _amount(spent, bill.limits) for depth, spent in costs.items()}
    fields = {"depth": app.depth, "day": day, **takes}
    return Finding("depth", verdict, f"{outcome}_{'day' if day else 'each'}", fields)


def _amount(spent: Spending, limits: Limits) -> str | Aside:
    """About how many tokens, with their cost if prices are set."""
    price, about = limits.cost([spent]), f"{cost.about(spent.tokens):,}"
    return about if price is None else Aside(about, price_label(price))


def _of_digests(store: Store) -> tuple[date, cost.Costs] | None:
    """The last day with posted digests, and about how many tokens its commits use."""
    keys = {key for delivery in store.latest_deliveries() for key in delivery.digests}
    digests = [digest for key in sorted(keys) if (digest := store.digest(key))]
    if not digests:
        return None
    day = max(digest.period.days[1].date() for digest in digests)
    entries = {e.commit.sha: e for d in digests if d.period.days[1].date() == day for e in d.entries}
    return day, cost.of_commits(entries.values())


def _repository(app: App, repo: str) -> tuple[Repository | None, Finding]:
    try:
        found = app.repositories.find(repo, OPERATOR)
        number = len(app.repositories.group(repo, OPERATOR)) if is_group(repo) else 0
    except DigestError as error:
        return None, Finding("repository", Verdict.FAILED, "error", error=error)
    if number:
        return found, Finding("repository", Verdict.FINE, "group", {"repo": found.title, "n": number})
    return found, Finding("repository", Verdict.FINE, "fine", {"repo": found.title, "branch": found.branch})


def _rights(repositories: Repositories, private: Sequence[Subscription]) -> Iterator[Finding]:
    """Whether each channel has the right to see the private repositories it follows; else the line that grants it.

    If it has only its workspace's right, which does not apply where guests can read, that is a finding of its own.
    """
    rights = repositories.rights
    lacking = dict.fromkeys(right for s in private if (right := rights.lacking(s.repo, s.place)))
    read = dict.fromkeys(right for s in private if (right := repositories.lacking(s.repo, s.place)))
    strangers = [right for right in read if right not in lacking]
    line = f"DIGEST_RIGHTS={written((*rights.rights, *lacking, *strangers))}"
    old = rights.inherits and not rights.rights
    if lacking:
        verdict = Verdict.WARNING if old else Verdict.FAILED
        yield Finding("rights", verdict, "old" if old else "missing", {"line": line})
    if strangers:
        channels = tuple(dict.fromkeys(f"{right.workspace}/{right.name}" for right in strangers))
        yield Finding("rights", Verdict.FAILED, "strangers", {"line": line, "channels": channels})
    if not read:
        verdict = Verdict.FINE if rights.rights else Verdict.SKIPPED
        yield Finding("rights", verdict, "fine" if rights.rights else "none", {"n": len(rights.rights)})


# --- What each depth costs -------------------------------------------------------------------

_LOOKED_BACK = 30
"""How many days to look back for one on which the model was used."""


def measured(bill: Bill, at: Depth) -> tuple[date, cost.Costs] | None:
    """The last day on which commits were analysed, other than today if possible, and its tokens at each depth."""
    for back in (*range(1, _LOOKED_BACK + 1), 0):
        if costs := cost.of_day(bill.day(back), at):
            return bill.limits.date(bill.clock(), back), costs
    return None


def price_label(price: float) -> str:
    """A cost, rounded to significant digits."""
    return f"{price:,.2f}" if price >= 1 else f"{price:.4f}"


# --- Digests built in advance ----------------------------------------------------------------


def backfill(app: App, wanted: Subscription, first: date, last: date) -> Iterator[Digest]:
    """Build and keep the digests of each day from `first` to `last`, without posting them. Raises DigestError."""
    now = app.clock()
    if last < first:
        raise UsageError("dates_reversed", first=first.isoformat(), last=last.isoformat())
    if schedule.day(last, wanted.zone).until > now:
        raise UsageError("date_unfinished", date=last.isoformat())
    repository = app.repositories.find(wanted.repo, OPERATOR)
    for number in range((last - first).days + 1):
        period = schedule.day(first + timedelta(days=number), wanted.zone)
        yield app.digest(repository, Scope(wanted.repo, period, wanted.language, wanted.branch, wanted.filters))


# --- Subscriptions as a file -----------------------------------------------------------------


def follow(store: Subscriptions, wanted: Sequence[Subscription]) -> None:
    """Store subscriptions; an existing one gets the new settings and continues where its digests ended."""
    known = {(s.place, s.repo, s.branch): s for s in store.subscriptions()}
    for each in wanted:
        store.subscribe(continued(each, known.get((each.place, each.repo, each.branch)), each.created))


class _Record(BaseModel):
    """A subscription in a file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    chat: str = Field(min_length=1)
    channel: str = Field(min_length=1)
    repo: str = Field(min_length=1)
    schedule: str
    zone: str
    language: str
    branch: str = ""
    authors: list[str] = []
    paths: list[str] = []
    bots: bool = True
    releases: bool = False
    labels: list[str] = []
    owners: list[str] = []
    holidays: str = ""
    quiet: bool = False
    top: int = Field(TOP, ge=1, le=MOST_TOP)
    threads: Literal["yes", "report", "no"] = "yes"
    paused: str = ""

    @field_validator("threads", mode="before")
    @classmethod
    def _threads(cls, value: object) -> object:
        """Accept the words as YAML reads them: unquoted, `yes` and `no` are booleans."""
        return {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value

    @field_validator("zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        return check_zone(value)

    @field_validator("language")
    @classmethod
    def _language(cls, value: str) -> str:
        return check_language(value)

    @field_validator("paused")
    @classmethod
    def _paused(cls, value: str) -> str:
        if value and value not in TRIED:
            raise Invalid("problem_one_of", known=tuple(TRIED))
        return value

    @field_validator("holidays")
    @classmethod
    def _holidays(cls, value: str) -> str:
        try:
            return workdays.named(value) if value else ""
        except UsageError as error:
            raise Invalid(error.key, **error.fields) from None

    @field_validator("schedule")
    @classmethod
    def _schedule(cls, value: str) -> str:
        try:
            return crontab.expression(value)
        except UsageError as error:
            raise Invalid(error.key, **error.fields) from None


def exported(subscriptions: Sequence[Subscription]) -> list[dict[str, Any]]:
    """Subscriptions as plain records, without defaults."""
    return [_record(each).model_dump(exclude_defaults=True) for each in subscriptions]


def _record(subscription: Subscription) -> _Record:
    return _Record.model_construct(  # invalid values too: importing reports them
        chat=subscription.place.chat,
        channel=subscription.place.channel,
        repo=subscription.repo,
        schedule=subscription.schedule,
        zone=subscription.zone,
        language=subscription.language,
        branch=subscription.branch,
        authors=list(subscription.filters.authors),
        paths=list(subscription.filters.paths),
        bots=subscription.filters.bots,
        releases=subscription.filters.releases,
        labels=list(subscription.filters.labels),
        owners=list(subscription.filters.owners),
        holidays=subscription.holidays,
        quiet=subscription.quiet,
        top=subscription.top,
        threads=subscription.threads.value,
        paused=subscription.paused,
    )


def imported(data: object, now: datetime) -> tuple[Subscription, ...]:
    """The subscriptions that records describe, created `now`. Raises UsageError that names the first invalid one."""
    if not isinstance(data, list):
        raise UsageError("import_not_a_list")
    return tuple(_subscription(number, value, now) for number, value in enumerate(data, 1))


def _subscription(number: int, value: object, now: datetime) -> Subscription:
    try:
        record = _Record.model_validate(value)
    except ValidationError as error:
        name, problem = validation.first(error)
        raise UsageError("import_wrong", number=number, name=one_line(name or "–", 60), problem=problem) from None
    return Subscription(
        Place(record.chat, record.channel),
        record.repo,
        record.schedule,
        record.zone,
        record.language,
        record.branch,
        Filters(
            tuple(record.authors),
            tuple(record.paths),
            record.bots,
            record.releases,
            tuple(record.labels),
            tuple(record.owners),
        ),
        record.quiet,
        record.paused,
        now,
        now,
        top=record.top,
        holidays=record.holidays,
        threads=Threads(record.threads),
    )
