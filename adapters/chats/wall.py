"""Compares this machine's clock with a chat's, by the `Date` of its authenticated answers (RFC 9110, 6.6.1)."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

CLOSE = timedelta(minutes=30)
"""A difference that needs no second check: half of what would be reported."""
_AGAIN = 60.0
"""Seconds between two requests for the time."""


class Wall:
    """Tracks a chat's clock. `now` returns seconds since 1970, by this machine."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._asked: float | None = None
        self._ahead: timedelta | None = None

    def hear(self, headers: Mapping[str, str]) -> None:
        """Read the time from an answer that only the chat itself can have sent."""
        said = next((str(value) for name, value in headers.items() if name.lower() == "date"), "")
        try:
            theirs = parsedate_to_datetime(said)
        except ValueError:
            return
        if theirs.tzinfo is not None:
            self._ahead = datetime.fromtimestamp(self._now(), UTC) - theirs

    def ahead(self, ask: Callable[[], object]) -> timedelta | None:
        """How far this machine's clock is ahead; None while no answer had the time.

        `ask` requests one, at intervals: until there is one, and again while the clocks differ, since ours may have
        been corrected.
        """
        if self._ahead is None or abs(self._ahead) > CLOSE:
            now = self._now()
            if self._asked is None or abs(now - self._asked) >= _AGAIN:
                self._asked = now
                ask()
        return self._ahead
