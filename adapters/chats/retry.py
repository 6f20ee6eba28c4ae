"""Retries: within the rate limits, after the pause that a service asks for, or with exponential backoff.

The pause applies to all calls with the same key, not only to the thread that was refused: so the rate limiter keeps it,
and a library for retries could not.
"""

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from adapters.chats.ratelimit import RateLimit, RateLimiter, Shared
from bot.errors import DigestError

_T = TypeVar("_T")

PATIENCE = 60.0
"""The longest pause, in seconds, to wait for: after a longer one the caller retries later."""


@dataclass(eq=False)
class Retryable(Exception):
    """An attempt failed with `error`, and another one may succeed.

    `key` is blocked until then, for `after` seconds (None: one second, doubled each time).
    """

    error: DigestError
    key: Hashable
    after: float | None = None


class Retrier:
    """Makes at most `tries` attempts at a call. Safe for several threads; `clock`, `sleep` are monotonic seconds."""

    def __init__(
        self,
        tries: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        shared: Shared | None = None,
    ) -> None:
        self._tries = tries
        self.limiter = RateLimiter(clock, sleep, shared)

    def __call__(
        self,
        limits: Mapping[Hashable, Sequence[RateLimit]],
        attempt: Callable[[], _T],
        check: Callable[[], None] | None = None,
    ) -> _T:
        """Call `attempt` again while it raises Retryable, and return its result; the last error is raised.

        `check` is called right before each attempt; its errors end the attempts.
        """
        failures = 0
        while True:
            self.limiter.wait(limits)
            if check:
                check()
            try:
                return attempt()
            except Retryable as failed:
                pause = 2.0**failures if failed.after is None else failed.after
                failures += 1
                if failures == self._tries or pause > PATIENCE:
                    raise failed.error from None
                self.limiter.pause(failed.key, pause)
