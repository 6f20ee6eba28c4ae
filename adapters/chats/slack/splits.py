"""The length limit of messages in a workspace: how Slack counts is not documented, so it is tried and remembered."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from adapters.chats.slack.blocks import SAFE, WIDE, Split
from bot.errors import DigestError
from bot.ports import Learned

_COUNTS_JSON = "json"
_DAYS = 30
"""How long a refusal is remembered: Slack's limits change, so the more generous one is tried again after that."""


class Splits:
    """How messages are divided in each workspace. Safe for several threads; `now` is seconds since 1970."""

    def __init__(self, learned: Learned | None, now: Callable[[], float]) -> None:
        """`learned` stores what was learned, if there is a database."""
        self._learned = learned
        self._now = now
        self._known: dict[str, tuple[Split, float]] = {}

    def of(self, team: str) -> Split:
        """How a message is divided at first: the most generous split that was not refused."""
        split, until = self._known.get(team, (WIDE, 0.0))
        if until <= self._now():
            split = SAFE if self._kept(team) else WIDE
            self._note(team, split)
        return split

    def learn(self, team: str) -> None:
        """Remember that Slack refused a message whose text was within the limit."""
        self._note(team, SAFE)
        if self._learned:
            with suppress(DigestError):  # then the next process learns it again
                self._learned.learn(_about(team), _COUNTS_JSON, self._moment())

    def _note(self, team: str, split: Split) -> None:
        self._known[team] = split, self._now() + timedelta(days=_DAYS).total_seconds()

    def _kept(self, team: str) -> bool:
        if self._learned:
            with suppress(DigestError):
                since = self._moment() - timedelta(days=_DAYS)
                return self._learned.learned(_about(team), since) == _COUNTS_JSON
        return False

    def _moment(self) -> datetime:
        return datetime.fromtimestamp(self._now(), UTC)


def _about(team: str) -> str:
    return f"slack {team} message"
