"""The pauses that a service asks for: until they are over nothing is sent to it."""

import re
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_LONGEST = 86_400.0
"""The longest pause, in seconds: a longer one is a mistake, or too long to wait. After it the service is tried again.
"""


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that a server asks us to wait; None if it does not say.

    A date is measured against the response's own `Date`, so that a wrong clock on either side is harmless. Sources: RFC
    9110, Retry-After: a number or a date; Azure OpenAI and the SDK, retry-after-ms.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after", "").strip()
    seconds = _number(value)
    if seconds is not None:
        return seconds
    until = _http_date(value)
    return max(0.0, (until - (_http_date(headers.get("date", "")) or now)).total_seconds()) if until else None


def _number(value: str) -> float | None:
    return float(value) if re.fullmatch(r"\s*[0-9]+(\.[0-9]+)?\s*", value) else None


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Gate:
    """Closed to all threads while a service asks for a pause. Safe for several threads; in monotonic seconds."""

    def __init__(self, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._opens, self._asked = float("-inf"), 0.0

    def close(self, seconds: float) -> None:
        """Close the gate for some seconds; a pause that ends later is kept."""
        seconds = min(seconds, _LONGEST)
        with self._lock:
            if self._clock() + seconds > self._opens:
                self._opens, self._asked = self._clock() + seconds, seconds

    def passed(self, ends: float) -> float | None:
        """Wait until the gate is open; if it will not be by `ends`, return the requested pause at once."""
        slept_until = float("-inf")
        while True:
            with self._lock:
                opens, asked = self._opens, self._asked
            left = opens - self._clock()
            if left <= 0 or opens <= slept_until:
                return None
            if opens >= ends:
                return asked
            self._sleep(left)
            slept_until = opens
