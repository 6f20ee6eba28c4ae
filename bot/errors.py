"""The errors that cross the ports: expected failures, each with a text that a person may read.

    DigestError                 base: an expected failure that a person may read
    ├── UsageError              a command or an option that cannot be understood
    ├── NotFound                a repository, branch, commit, pull request or channel that is not there
    │   └── ThreadGone          the message to reply to was deleted
    ├── Forbidden               not allowed here
    │   ├── NoRight             a repository that the readers may not see, or that does not exist
    │   └── NoThreads           a channel that allows no threads
    ├── Refused                 a chat rejects what a message says
    ├── Unavailable             a service failed or is rate-limiting: worth retrying later
    │   ├── Paused              it asks for a longer pause than is acceptable here
    │   └── Unreachable         unreachable as the network is set up: retrying at once is pointless
    ├── LeaseLost               another process has taken over: do nothing more
    ├── ModelError              a language model gave no usable answer
    │   ├── ContextExceeded     a question is longer than the model's context
    │   └── BudgetSpent         the tokens of a day or a digest are spent
    │       └── ShareSpent      those of a person, a channel, or all requests: others still have some
    ├── StoreError              the database cannot be used as it is
    ├── ConfigError             a setting is missing or wrong
    └── Invalid                 what is wrong with one value, within the text of another error

An error carries the key of its text in `prompts/labels.*.toml` (`[errors]`) and the fields of that text, so that it can
be shown in the reader's language. Adapters translate foreign errors into these, once, at their edge.
"""


class DigestError(Exception):
    """An expected failure; `key` names its text, `fields` fill that text's blanks.

    A field that is a tuple is names to be listed; one that is an error is said within this one.

    `option` is the option of a subscription that it is about, empty for none.
    """

    option = ""

    def __init__(self, key: str, **fields: object) -> None:
        super().__init__(key, fields)
        self.key = key
        self.fields = fields

    def __str__(self) -> str:
        return " ".join([self.key, *(f"{name}={logged(value)}" for name, value in self.fields.items())])


def logged(value: object) -> object:
    """A field as logged: names are comma-separated."""
    return ", ".join(map(str, value)) if isinstance(value, tuple) else value


class UsageError(DigestError):
    """A command or an option that cannot be understood."""


class NotFound(DigestError):
    """A repository, branch, commit, pull request or channel that does not exist."""


class ThreadGone(NotFound):
    """The message to reply to was deleted."""


class Forbidden(DigestError):
    """Not allowed here."""


class NoRight(Forbidden):
    """A repository that the readers may not see, or that does not exist: nobody learns which."""


class NoThreads(Forbidden):
    """A channel that does not allow threads, or a thread that is closed."""


class Refused(DigestError):
    """A chat rejects a part of a message and always will; `thread` is where the rest was posted, if it was."""

    thread: str | None = None


class Unavailable(DigestError):
    """A service failed or is rate-limiting: worth retrying later."""


class Paused(Unavailable):
    """A service asks for a longer pause than is acceptable here: until it is over nothing is sent."""


class Unreachable(Unavailable):
    """Unreachable as the network is set up: a certificate, a name or a proxy has to be fixed first."""


class LeaseLost(DigestError):
    """Another process has taken over, since this one was suspended for too long: do nothing more."""


class ModelError(DigestError):
    """A language model gave no usable answer."""


class ContextExceeded(ModelError):
    """A question is longer than the model's context: a shorter one may fit."""


class BudgetSpent(ModelError):
    """The tokens of a day or a digest are used up: no more questions are sent."""


class ShareSpent(BudgetSpent):
    """The day's tokens of a person, a channel, or all requests are used up; others still have some."""


class StoreError(DigestError):
    """The database cannot be used as it is."""


class ConfigError(DigestError):
    """A setting is missing or wrong."""


class Invalid(DigestError, ValueError):
    """What is wrong with one value of a setting or a file; pydantic, which expects ValueError, passes it on."""
