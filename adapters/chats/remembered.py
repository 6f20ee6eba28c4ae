"""Caches what a chat says about people and channels, so that not every answer waits for it."""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")

SECONDS = 300.0
"""How long answers are cached: a person who became a guest may count as a member for that long."""
_MOST = 10_000


class Remembered(Generic[T]):
    """A cache of answers. Safe for several threads; `clock` is monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[Hashable, tuple[float, T]] = {}

    def get(self, key: Hashable, ask: Callable[[], T]) -> T:
        """The cached answer, or that of `ask` if there is none or it is too old; errors are not cached."""
        with self._lock:
            until, known = self._kept.get(key, (float("-inf"), None))
            if self._clock() < until:
                return known  # type: ignore[return-value]  # once a time is stored, so is a T
        answer = ask()
        with self._lock:
            while len(self._kept) >= _MOST:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = self._clock() + SECONDS, answer
        return answer
