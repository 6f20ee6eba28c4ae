"""Which form of requests a server and its model accept: found by what they refuse, stored for later requests."""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from adapters.llms.openai.dialect import LIMITS, Dialect, named, request_body, simpler
from bot.errors import DigestError
from bot.ports import Learned
from bot.values import Question

log = logging.getLogger("adapters.llms.openai")

MOST = 20
"""The most requests of one question that may be refused for their form."""

_DAYS = 30
"""How long a stored form is used: services improve, so a better one is tried again after that."""


class Forms:
    """The form that works, as far as it is known. Safe for several threads.

    It is the best one at first, and stored by server and model in `learned`, if there is a database.
    """

    def __init__(self, model: str, server: str, learned: Learned | None, now: Callable[[], datetime]) -> None:
        self.model, self._about, self._learned, self._now = model, f"{server} {model}", learned, now
        self._lock = threading.Lock()
        self._known = self._kept()
        self._better: Dialect | None = None
        self._worked: dict[str, int] = {}  # by kind of question, the most tokens that were accepted
        self._in_vain: set[str] = set()

    def begin(self, question: Question) -> "Walk":
        """The form for a question: the known one, or once a better one that may work after all."""
        with self._lock:
            better, self._better = self._better, None
            return Walk(self, question, self._known, better)

    def may_walk(self, name: str, tokens: int) -> bool:
        """Whether a refusal without a reason may be for the form: not if it worked before, or no form helped."""
        with self._lock:
            if name in self._in_vain or (self._in_vain and not self._worked):
                return False
            return tokens > self._worked.get(name, 0)

    def in_vain(self, name: str) -> None:
        """Record that no form helped with this kind of question."""
        with self._lock:
            self._in_vain.add(name)

    def worked(self, name: str, tokens: int, found: Dialect, better: Dialect | None) -> None:
        """Record that a form works for that many `tokens`; `better` is one for the next question to try."""
        with self._lock:
            self._worked[name] = max(tokens, self._worked.get(name, 0))
            before, self._known = self._known, self._known.joined(found)
            self._better = better or self._better
            self._log_change(before)

    def climbed(self, better: Dialect) -> None:
        """Record that the better form works."""
        with self._lock:
            before, self._known = self._known, better
            self._log_change(before)

    def thinks(self) -> None:
        """Record that the model reasons: it gets tokens for that from now on."""
        with self._lock:
            before, self._known = self._known, self._known._replace(thinks=1)
            self._log_change(before)

    def _log_change(self, before: Dialect) -> None:
        known = self._known
        if known == before:
            return
        if lower := known.changes(before):
            log.warning("%s refuses %s; going on with %s", self.model, before.changes(known), lower)
        if self._learned:
            with suppress(DigestError):  # then the next process learns it again
                self._learned.learn(self._about, json.dumps(known._asdict()), self._now())

    def _kept(self) -> Dialect:
        """The stored form; the best one if there is none, or none that this version knows."""
        if not self._learned:
            return Dialect()
        try:
            kept = self._learned.learned(self._about, self._now() - timedelta(days=_DAYS))
            return _checked(json.loads(kept)) if kept else Dialect()
        except (DigestError, ValueError, TypeError, RecursionError):
            return Dialect()


def _checked(fields: Any) -> Dialect:
    """Parse a dialect. Raises TypeError, ValueError."""
    dialect = Dialect(**{name: int(value) for name, value in fields.items()})
    if min(dialect) < 0:
        raise ValueError("no rung")
    try:
        dialect.names()
    except IndexError:
        raise ValueError("no rung") from None
    return dialect


class Walk:
    """The search of one question for an accepted form.

    `base` is the known form with what complaints named; from there the fixed order is tried.
    """

    def __init__(self, forms: Forms, question: Question, known: Dialect, better: Dialect | None) -> None:
        self._forms, self._question = forms, question
        self._base, self._trial = known, better
        self._form = self._enough = better or known
        self._tried: list[dict[str, Any]] = []
        self._order: Iterator[tuple[Dialect, Dialect]] | None = None

    @property
    def body(self) -> dict[str, Any]:
        """The body of the request in the current form."""
        return request_body(self._forms.model, self._question, self._form)

    def refused(self, said: str, *, mute: bool) -> bool:
        """Move on to the next simpler form, by what was `said`; False if no form may help.

        Unless `mute`, only if the complaint names something.
        """
        self._tried.append(self.body)
        if self._trial:
            self._form = self._enough = self._base
            self._trial = None
            return True
        if len(self._tried) >= MOST:
            return self._lost()
        if self._named(said):
            return True
        may = self._order is not None or self._forms.may_walk(self._question.name, self._tokens)
        return mute and may and self._blind()

    @property
    def _tokens(self) -> int:
        return int(self.body[LIMITS[self._form.limit]])

    def _named(self, said: str) -> bool:
        """Remove what the complaint names; a step of the search itself is only skipped."""
        if any(getattr(self._form, field) != getattr(self._base, field) for field in ("limit", "thinking", "stream")):
            return False
        step = named(self._form, said, self._tokens)
        changes = {name: value for name, value in step._asdict().items() if value != getattr(self._form, name)}
        base = self._base._replace(**changes)
        if not self._fresh(base):
            return False
        self._form = self._enough = self._base = base
        self._order = self._order and simpler(base)
        return True

    def _blind(self) -> bool:
        """The next form in the fixed order."""
        self._order = self._order or simpler(self._base)
        for form, enough in self._order:
            if self._fresh(form):
                self._form, self._enough = form, enough
                return True
        return self._lost()

    def _lost(self) -> bool:
        self._forms.in_vain(self._question.name)
        return False

    def taken(self) -> None:
        """Record that this form was accepted, for other questions."""
        if self._trial:
            self._forms.climbed(self._trial)
        else:
            better = self._enough if self._fresh(self._enough) else None
            self._forms.worked(self._question.name, self._tokens, self._form, better)

    def _fresh(self, form: Dialect) -> bool:
        """Whether a form makes a request that was not tried yet."""
        body = request_body(self._forms.model, self._question, form)
        return body not in [*self._tried, self.body]
