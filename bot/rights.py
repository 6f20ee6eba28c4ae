"""Who may see what: the one policy, which everything uses through `bot.repositories`. Pure.

    a public repository of the code host    everybody, within `DIGEST_ALLOW` if that is set
    anything else                           those with a right to it in `DIGEST_RIGHTS`
    the operator at the terminal            everything

A right is granted to a workspace, a channel or a person, in the settings and nowhere else. One that names the channel,
or the person if nobody else reads, always applies. One of a whole workspace does not apply where guests read, nor in a
channel that is shared with another organisation.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from bot.addresses import is_hosted, is_path, normalised
from bot.errors import ConfigError
from bot.ports import Readers
from bot.values import Place, Subscription, without_credentials

_UNKNOWN = Readers(guest=True, shared=True)


@dataclass(frozen=True, slots=True)
class Who:
    """Who reads an answer or a scheduled digest: a place, and the person there who asked, if any.

    `readers` is what the chat reports about the readers of the answer, at first the worst case. `follows` are the
    repositories that the channel follows. `by_operator` means that the operator typed, about that channel; `in_public`
    that everybody there will read it.
    """

    place: Place
    person: str = ""
    readers: Readers = _UNKNOWN
    follows: frozenset[str] = frozenset()
    by_operator: bool = False
    in_public: bool = False

    @classmethod
    def gets(cls, subscription: Subscription) -> "Who":
        """The channel of a subscription, which gets its digests."""
        return cls(subscription.place, follows=frozenset((subscription.repo,)))

    @property
    def workspace(self) -> str:
        """The workspace, by the ID that its channels start with; a chat without such IDs is one workspace."""
        return self.place.channel.rpartition("/")[0] or self.place.chat

    @property
    def channel(self) -> str:
        """The channel, as its workspace calls it."""
        return self.place.channel.rpartition("/")[2]

    @property
    def alone(self) -> bool:
        """Whether nobody but the person reads the answer."""
        return bool(self.person) and (self.place.viewer is not None or self.readers.alone)

    def with_readers(self, readers: Readers) -> "Who":
        """The same, with the readers as the chat reports them; in a direct chat one may be the only person."""
        return replace(self, readers=readers, person=self.person or readers.person)

    @property
    def everybody(self) -> "Who":
        """The same, for an answer that everybody in the channel reads."""
        return replace(self, place=self.place.whole, in_public=True)


@dataclass(frozen=True, slots=True)
class Right:
    """That a workspace, or in it `name`, a channel or a person, may see the repositories of a pattern."""

    workspace: str
    name: str
    pattern: str

    def __str__(self) -> str:
        where = "/".join(filter(None, (self.workspace, self.name)))
        return f"{where}={without_credentials(self.pattern)}"

    def concerns(self, repo: str, who: Who) -> bool:
        """Whether the right is for this repository and this workspace, regardless of who has it there."""
        return self.workspace == who.workspace and matches(self.pattern, repo)

    def holds(self, who: Who) -> bool:
        """Whether `who` has the right, and it applies to all readers of the answer."""
        if not self.name:
            return not (who.readers.guest or who.readers.shared)
        return self.name == who.channel or (who.alone and self.name == who.person)


@dataclass(frozen=True, slots=True)
class Rights:
    """The operator's settings: `allow` limits what may be followed, `rights` say who may see private repositories.

    With `inherits`, while no right is set, repositories in `allow` stay visible in channels that already follow them,
    as if each had a right of its own.
    """

    allow: tuple[str, ...] = ()
    rights: tuple[Right, ...] = ()
    inherits: bool = True
    operator_chat: str = "terminal"

    def is_operator(self, place: Place) -> bool:
        """Whether a place is the operator's own."""
        return place.chat == self.operator_chat

    def sees_all(self, who: Who) -> bool:
        """Whether only the operator reads."""
        return self.is_operator(who.place) or (who.by_operator and not who.in_public)

    def lists(self, name: str, who: Who) -> bool:
        """Whether the operator listed this name, for everybody or for that workspace."""
        return any(matches(pattern, name) for pattern in self.allow) or bool(self.concerning(name, who))

    def may_be_public(self, repo: str) -> bool:
        """Whether everybody may see this repository if it is public."""
        return is_hosted(repo) and (not self.allow or any(matches(pattern, repo) for pattern in self.allow))

    def concerning(self, repo: str, who: Who) -> tuple[Right, ...]:
        """The rights to a repository that `who` may have, those of channels and people first."""
        found = sorted((right for right in self.rights if right.concerns(repo, who)), key=lambda right: not right.name)
        return (*found, *([Right(who.workspace, who.channel, repo)] if self._inherited(repo, who) else []))

    def _inherited(self, repo: str, who: Who) -> bool:
        """Whether an earlier version let a channel follow a repository, by a list that applied to everybody."""
        if self.rights or not self.inherits or not any(matches(pattern, repo) for pattern in self.allow):
            return False
        return who.by_operator or any(same(repo, followed) for followed in who.follows)

    def may_hold(self, group: str, who: Who) -> bool:
        """Whether `who` may see any repository of a group, according to the settings."""
        if is_hosted(group) and (not self.allow or any(_meet(pattern, group) for pattern in self.allow)):
            return True
        return any(right.workspace == who.workspace and _meet(right.pattern, group) for right in self.rights)

    def lacking(self, repo: str, place: Place) -> Right | None:
        """The right that a channel needs to follow a private repository and that is not set; else None."""
        who = Who(place)
        if self.is_operator(place) or any(r.concerns(repo, who) and r.name in ("", who.channel) for r in self.rights):
            return None
        return Right(who.workspace, who.channel, repo)

    def right(self, repo: str, who: Who) -> Right | None:
        """The right by which `who` may see a repository; None if there is none."""
        return next((right for right in self.concerning(repo, who) if right.holds(who)), None)


def matches(pattern: str, name: str) -> bool:
    """Whether a repository matches a pattern, by the normalised form of its name; a name without one matches none."""
    plain, known = normalised(name), without_credentials(pattern)
    known = known if is_path(plain) else known.lower()
    return bool(plain) and (plain == known or fnmatchcase(plain, known))


def _meet(pattern: str, group: str) -> bool:
    """Whether a pattern may match a repository of a group."""
    known, stem = re.split(r"[*?\[]", without_credentials(pattern))[0], group.removesuffix("*")
    known, stem = (known, stem) if is_path(group) else (known.lower(), stem.lower())
    return known.startswith(stem) or stem.startswith(known)


def same(repo: str, other: str) -> bool:
    """Whether two names are the same when normalised."""
    return bool(normalised(repo)) and normalised(repo) == normalised(other)


def granted(value: str) -> tuple[Right, ...]:
    """The rights that the setting `DIGEST_RIGHTS` grants: `WORKSPACE=PATTERN`, `WORKSPACE/CHANNEL=PATTERN`, commas.

    Raises ConfigError that says which entry is wrong.
    """
    return tuple(_right(entry) for entry in filter(None, map(str.strip, value.split(","))))


def _right(entry: str) -> Right:
    where, _, pattern = (part.strip() for part in entry.partition("="))
    workspace, slash, name = where.partition("/")
    if not (workspace and pattern) or (slash and not name) or "/" in name or any(c in where for c in "* :"):
        raise ConfigError("rights_setting", entry=without_credentials(entry)[:100])
    return Right(workspace, name, pattern)


def written(rights: Iterable[Right]) -> str:
    """Rights in the form of the setting, without passwords."""
    return ",".join(dict.fromkeys(map(str, rights)))
