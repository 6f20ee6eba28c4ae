"""Questions to language models, their answers, and the tokens they use."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True)
class Question:
    """What a language model is asked. `schema` is the JSON Schema of the answer, `name` says which prompt it is.

    `max_tokens` is how long an answer may be, `expected` how long one usually is, 0 if unknown.
    """

    name: str
    system: str
    user: str
    schema: dict[str, object]
    max_tokens: int
    expected: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens that requests used: prompt, completion, and the number of requests.

    `cached` is how much of the prompt the service had cached, as far as it says so.
    """

    model: str
    prompt: int = 0
    completion: int = 0
    requests: int = 0
    cached: int = 0


@dataclass(frozen=True, slots=True)
class Spending:
    """What questions of one purpose (a prompt's name) used of one model, and how well their answers held up.

    `stated` counts statements that name evidence, `dropped` those of them whose evidence was not found; `cached` is the
    part of the prompt that the service had cached, and `asked` the tokens of all that people asked for.
    """

    model: str
    purpose: str
    prompt: int = 0
    completion: int = 0
    requests: int = 0
    stated: int = 0
    dropped: int = 0
    cached: int = 0
    asked: int = 0

    @property
    def tokens(self) -> int:
        """The tokens of prompts and completions."""
        return self.prompt + self.completion


@dataclass(frozen=True, slots=True)
class Account:
    """The account that a question is charged to: a person who asked in a channel; empty for scheduled digests.

    Without a person it is the channel's, without a channel the whole chat's.
    """

    chat: str = ""
    channel: str = ""
    person: str = ""


SCHEDULED = Account()
"""The account of scheduled digests, including those built before their slots."""
TERMINAL = Account("terminal")
"""The operator's account, without limits for persons and channels."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """The most tokens that a question may use, reserved until its actual usage is known."""

    account: Account
    model: str
    purpose: str
    tokens: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Taken:
    """Tokens that were used or are reserved: in total, by requests, in one channel, by one person.

    Channel and person are those of an account; 0 if it has none.
    """

    total: int = 0
    asked: int = 0
    channel: int = 0
    person: int = 0


class Finish(StrEnum):
    """Why a model stopped: it was done, it ran out of tokens, or it (or its filter) would not."""

    STOP = "stop"
    LENGTH = "length"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Reply:
    """A model's unparsed answer, and its usage."""

    text: str
    finish: Finish
    usage: Usage
