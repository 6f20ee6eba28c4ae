"""The language model within its token budget, with its usage recorded.

A budget is checked against rows of the store, so that all processes on one database share it. Before a question
is asked, the most that it can use is reserved there, in one step with checking what is left.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from bot.commits.patch import tokens
from bot.errors import BudgetSpent, ConfigError, DigestError, Paused, ShareSpent, Unavailable
from bot.judgement import questions
from bot.judgement.replies import Rejected
from bot.ports import LanguageModel, Meter, Slots
from bot.values import SCHEDULED, TERMINAL, Account, Aside, Question, Reply, Reservation, Spending, Taken, Usage

_PATIENCE = 3
"""After how many outages in one digest a model is no longer asked: each has taken several attempts already."""
_SHARES = {"person": "model_budget_person", "channel": "model_budget_channel", "asked": "model_budget_asked"}
"""The error for each limit that is reached."""
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Limits:
    """Tokens, 0 for no limit; prices per million tokens, 0 if not set.

    A `day` is one in `zone`. Of its tokens, `scheduled` are reserved for scheduled digests, which may use all; of the
    rest, each person may use `person` and each channel `channel`. Cached tokens cost the same as the rest of a prompt,
    unless they have a price of their own.
    """

    day: int = 0
    digest: int = 0
    person: int = 0
    channel: int = 0
    scheduled: int = 0
    zone: str = "UTC"
    prompt_price: float = 0
    completion_price: float = 0
    cached_price: float = 0

    def date(self, now: datetime, back: int = 0) -> date:
        """The local date, or that of `back` days before."""
        return now.astimezone(ZoneInfo(self.zone)).date() - timedelta(days=back)

    def midnight(self, now: datetime, back: int = 0) -> datetime:
        """The last local midnight, when the day's budget began, or that of `back` days before."""
        return datetime.combine(self.date(now, back), time(), ZoneInfo(self.zone))

    def reset(self, now: datetime) -> Aside:
        """When the day's budget resets."""
        return Aside(f"{self.midnight(now, -1):%Y-%m-%d %H:%M}", self.zone)

    @property
    def asked(self) -> int:
        """Tokens a day that all requests together may use, if there is a limit."""
        return max(self.day - self.scheduled, 0)

    def check(self, taken: Taken, account: Account, tokens_: int, now: datetime) -> None:
        """Whether `tokens_` more are within the day's limits. Raises BudgetSpent, of the nearest that is not."""
        for name, used, limit in self._held(taken, account):
            if used + tokens_ > limit:
                fields: dict[str, object] = {"tokens": f"{limit:,}", "reset": self.reset(now)}
                if name == "day":
                    raise BudgetSpent("model_budget_day", **fields)
                raise ShareSpent(_SHARES[name], **fields)

    def _held(self, taken: Taken, account: Account) -> Iterator[tuple[str, int, int]]:
        """The limits that apply to an account, the narrowest first, each with what was used of it."""
        if account.person and self.person:
            yield "person", taken.person, self.person
        if account.channel and self.channel:
            yield "channel", taken.channel, self.channel
        if account != SCHEDULED and self.day and self.scheduled:
            yield "asked", taken.asked, self.asked
        if self.day:
            yield "day", taken.total, self.day

    def cost(self, spent: Iterable[Spending]) -> float | None:
        """What tokens cost, in the unit of the prices; None if no price is set."""
        if not (self.prompt_price or self.completion_price):
            return None
        return sum(map(self._cost, spent)) / 1_000_000

    def _cost(self, spent: Spending) -> float:
        """The cost of a million times these tokens."""
        fresh = (spent.prompt - spent.cached) * self.prompt_price
        cached = spent.cached * (self.cached_price or self.prompt_price)
        return fresh + cached + spent.completion * self.completion_price


class Bill:
    """What language models used, as the store knows it from every process, and what that costs."""

    def __init__(self, meter: Meter, limits: Limits, clock: Callable[[], datetime]) -> None:
        self.meter = meter
        self.limits = limits
        self.clock = clock

    def today(self) -> tuple[Spending, ...]:
        """What was used since the last midnight in the operator's zone."""
        return self.since(self.limits.midnight(self.clock()))

    def day(self, back: int) -> tuple[Spending, ...]:
        """What was used on a whole day in the operator's zone, `back` days before today."""
        now = self.clock()
        return self.meter.usage(self.limits.midnight(now, back), self.limits.midnight(now, back - 1))

    def since(self, moment: datetime) -> tuple[Spending, ...]:
        """What was used since a moment."""
        return self.meter.usage(moment, self.clock() + timedelta(seconds=1))

    def reserve(self, account: Account, model: str, question: Question) -> str:
        """Reserve the most that a question can use, and return the reservation's name. Raises BudgetSpent."""
        now, wanted = self.clock(), most(question)
        return self.meter.reserve(
            Reservation(account, model, question.name, wanted, now),
            *self._bounds(now),
            lambda taken: self.limits.check(taken, account, wanted, now),
        )

    def taken(self, account: Account) -> Taken:
        """What was used today and is reserved, in total and by an account."""
        return self.meter.taken(account, *self._bounds(self.clock()))

    def _bounds(self, now: datetime) -> tuple[datetime, datetime]:
        """When the day of a moment begins and ends."""
        return self.limits.midnight(now), self.limits.midnight(now, -1)


class Asker:
    """A language model within the day's limit, asked at most `concurrency` questions at once.

    With `slots` the limit is shared by all processes.
    """

    def __init__(self, model: LanguageModel, bill: Bill, concurrency: int = 8, slots: Slots | None = None) -> None:
        self.name = model.name
        self.room = questions.QUESTION_TOKENS
        self.bill = bill
        self._model = model
        self._slots = threading.BoundedSemaphore(concurrency)
        self._shared = partial(slots.taken, f"model/{model.name}", concurrency) if slots else nullcontext
        self._lock = threading.Lock()

    def conversation(self, account: Account = TERMINAL) -> "Conversation":
        """The questions of one digest, which share its limit and its patience."""
        return Conversation(self, account, self.bill.limits.digest)

    def reply(self, question: Question, account: Account = TERMINAL) -> Reply:
        """The model's unparsed answer; its usage is stored. Raises ModelError if the day's budget is used up."""
        with self._slots, self._shared():
            reservation = self.bill.reserve(account, self.name, question)
            try:
                reply = self._model.ask(question)
            except BaseException as error:  # a bug of ours must not use up anybody's share
                used = error.fields.get("usage") if isinstance(error, DigestError) else None
                self.bill.meter.charge(reservation, used if isinstance(used, Usage) else None)
                raise
            self.bill.meter.charge(reservation, reply.usage)
            return reply

    def shrink(self, room: int) -> bool:
        """Record that a question with `room` tokens of patch was too long; return whether to try a shorter one."""
        with self._lock:
            self.room = min(self.room, room // 2)
        return room // 2 >= questions.LEAST_TOKENS

    def checked(self, question: Question, stated: int, dropped: int) -> None:
        """Store how many statements an answer made, and how many of them could not be verified."""
        self.bill.meter.add_checks(self.name, question.name, stated, dropped, self.bill.clock())


def most(question: Question) -> int:
    """The tokens to reserve for a question: its own, and those of the expected answer."""
    return tokens(question.system) + tokens(question.user) + (question.expected or question.max_tokens)


@dataclass
class Conversation:
    """The questions for one digest, within its limit; none after the model has shown that it cannot answer."""

    asker: Asker
    account: Account
    limit: int
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _taken: int = 0
    _outages: int = 0
    _gave_up: DigestError | None = None

    def ask(self, question: Question, read: Callable[[Reply], _T]) -> _T:
        """The answer as parsed by `read`; on errors it is asked once more with the problem.

        Raises Rejected, DigestError.
        """
        try:
            return read(self.reply(question))
        except Rejected as rejected:
            return read(self.reply(questions.again(question, str(rejected), longer=rejected.longer)))

    def ask_list(self, question: Question, read: Callable[[Reply], Mapping[str, _T]]) -> Mapping[str, _T]:
        """The answers as parsed by `read`, by SHA; of two faulty answers, the valid parts of both.

        Raises Rejected if nothing is, and DigestError.
        """
        try:
            return read(self.reply(question))
        except Rejected as rejected:
            first = rejected
        found: dict[str, Any] = dict(first.found)
        try:
            return read(self.reply(questions.again(question, str(first), longer=first.longer)))
        except Rejected as rejected:
            found |= rejected.found
            if not found:
                raise
        except DigestError:
            if not found:
                raise
        return found

    def reply(self, question: Question) -> Reply:
        """The unparsed answer. Raises DigestError, at once after the model has shown that it cannot answer."""
        reserved = most(question)
        with self._lock:
            if self._gave_up:
                raise self._gave_up
            if self.limit and self._taken + reserved > self.limit:
                self._gave_up = BudgetSpent("model_budget_digest", tokens=f"{self.limit:,}")
                raise self._gave_up
            self._taken += reserved
        used: Any = Usage(self.asker.name)
        try:
            reply = self.asker.reply(question, self.account)
            used = reply.usage
            return reply
        except DigestError as error:
            used = error.fields.get("usage", used)
            self._consider(error)
            raise
        finally:
            with self._lock:
                self._taken += used.prompt + used.completion - reserved

    @property
    def out_of_share(self) -> bool:
        """Whether it gave up because a share of tokens was used up while others still have some."""
        return isinstance(self._gave_up, ShareSpent)

    def _consider(self, error: DigestError) -> None:
        """Give up after an error that will last longer than this digest, or after too many temporary ones."""
        with self._lock:
            self._outages += isinstance(error, Unavailable)
            lasting = isinstance(error, ConfigError | BudgetSpent | Paused)
            if lasting or self._outages >= _PATIENCE:
                self._gave_up = error
