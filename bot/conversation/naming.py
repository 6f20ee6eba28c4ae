"""Finds the repository that a word means in a place: by name, title, path, or any form of its address."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TypeVar

from bot.addresses import is_group, is_path
from bot.commits.hosts import Hosts
from bot.errors import DigestError, NoRight, UsageError
from bot.repositories import Repositories
from bot.rights import Who
from bot.values import DENIED, Repository, Subscription, one_line, without_credentials

_T = TypeVar("_T")
_Made = TypeVar("_Made")


class Naming:
    """Resolves the repositories that `who` may mean, each looked up once; `followed` are the place's subscriptions.

    `worked_in` is the repository of the terminal's current folder, or empty: it takes precedence over those followed.
    `failed` collects the errors that did not prevent an answer.
    """

    def __init__(
        self, repositories: Repositories, hosts: Hosts, who: Who, followed: Sequence[Subscription], worked_in: str = ""
    ) -> None:
        self.failed: list[DigestError] = []
        self._repositories = repositories
        self._hosts = hosts
        self._who = who
        self._operator = repositories.rights.is_operator(who.place)
        self._all = followed
        self._worked_in = worked_in
        self._found: dict[str, Repository | DigestError] = {}
        self._members: dict[str, tuple[Repository, ...]] = {}
        self._asked: set[str] = set()

    def find(self, name: str) -> Repository:
        """The repository of a name that a person asked for. Raises DigestError, the same each time.

        A refusal is logged once.
        """
        if name in self._asked:
            return self._look(name)
        self._asked.add(name)
        with self._repositories.logged(name, self._who):
            return self._look(name)

    def _look(self, name: str) -> Repository:
        """The repository of a name, whether or not a person asked for it. Raises DigestError, the same each time."""
        if name not in self._found:
            try:
                self._found[name] = self._repositories.find(name, self._who)
            except DigestError as error:
                self._found[name] = error
        found = self._found[name]
        if isinstance(found, DigestError):
            raise found
        return found

    def check_name(self, name: str) -> None:
        """Reject a name that nobody here can have a right to, without any request. Raises NoRight, which is logged."""
        with self._repositories.logged(name, self._who):
            self._repositories.check_name(name, self._who)

    def check_everybody(self, repository: Repository) -> None:
        """Reject a repository unless everybody here may see it. Raises NoRight, which is logged."""
        with self._repositories.logged(repository.name, self._who.everybody):
            self._repositories.check(repository, self._who.everybody)

    @cached_property
    def here(self) -> tuple[Subscription, ...]:
        """The place's subscriptions that the person asking may know of."""
        return tuple(s for s in self._all if self.is_known(s))

    @cached_property
    def unnamed(self) -> tuple[Subscription, ...]:
        """The place's other subscriptions: their existence may be shown, but not their repositories.

        Empty if strangers can read the answer.
        """
        left = tuple(s for s in self._all if s not in self.here)
        return () if left and self._strangers else left

    def subscribed(self, repo: str) -> Subscription | None:
        """The place's subscription to a repository, if the person asking may know of it."""
        found = next((s for s in self._all if s.repo == repo), None)
        return found if found and self.is_known(found) else None

    def kept(self, repo: str, branch: str) -> Subscription | None:
        """The place's subscription to a repository and branch, whether or not the person may know of it."""
        return next((s for s in self._all if (s.repo, s.branch) == (repo, branch)), None)

    def is_known(self, subscription: Subscription) -> bool:
        """Whether the person asking may know the repository of a subscription.

        If the host does not answer, strangers may not know it; if the subscription is paused as denied, nobody may.
        """
        try:
            self._look(subscription.repo)
        except NoRight:
            return False
        except DigestError:
            return subscription.paused != DENIED and not self._strangers
        return True

    @cached_property
    def _strangers(self) -> bool:
        return self._repositories.is_stranger(self._who)

    def title(self, name: str) -> str:
        """The title of a repository; its name if it can no longer be reached."""
        with suppress(DigestError):
            return self._look(name).title
        return name

    def spelled(self, word: str) -> str:
        """The name of the repository that a word means, judging only by its form.

        If it is another form of a repository followed here that the person may know of, it is that one. A git address
        that the operator types, or has listed, is cloned as it is; any other address means GitHub's `owner/name`, or a
        clone. Raises UsageError if it means none.
        """
        alike = [s for s in self._all if self.same(s.repo, word)]
        with suppress(UsageError):
            if alike and (plain := self._plainly(word)) in [s.repo for s in alike]:
                return plain
        return next((s.repo for s in alike if self.is_known(s)), "") or self._plainly(word)

    def _plainly(self, word: str) -> str:
        """The name of the repository that a word means, regardless of what is followed here. Raises UsageError."""
        if word.endswith("*"):
            return self._group(word)
        page = self._hosts.page(word)
        if page is None:
            return self._name_or_path(word)
        if self._is_clone(word):
            return word
        names = self._hosts.names(page.repository)
        return next(filter(self._lists, names), names[0])

    def _group(self, word: str) -> str:
        """The name of a group: one on GitHub, also by address, or one of folders. Raises UsageError."""
        if group := self._hosts.group(word) or (word if is_path(word) and is_group(word) else ""):
            return group
        raise UsageError("group_unclear", text=one_line(without_credentials(word), 60))

    def _name_or_path(self, word: str) -> str:
        """`word` as `owner/name`, or as a path, which only the operator may name. Raises UsageError."""
        name, operator = word.rstrip("/").removesuffix(".git"), self._operator
        if self._hosts.is_name(name) and (self._hosts.is_name(word) or not operator):
            return name
        if operator or self._lists(word) or word.startswith(("/", ".", "~")):
            return word
        raise UsageError("repository_unclear", text=one_line(without_credentials(word), 60))

    def _lists(self, name: str) -> bool:
        return self._repositories.rights.lists(name, self._who)

    def same(self, repo: str, word: str) -> bool:
        """Whether the name `repo` and a word mean the same repository."""
        return repo == word or (bool(key := self._hosts.key(word)) and self._hosts.key(repo) == key)

    def _is_clone(self, word: str) -> bool:
        """Whether a word is an address that is to be cloned exactly as given."""
        page = self._hosts.page(word)
        return bool(page and page.plain and (self._operator or self._lists(word)))

    # --- What is meant -----------------------------------------------------------------------

    def repository(self, word: str, at_hand: Sequence[str]) -> Repository:
        """The repository that a word means: one of `at_hand` with that name or address, else any other.

        Raises DigestError.
        """
        name = self.spelled(word)
        known = None if name in at_hand else self._titled(at_hand, word)
        return known or self.find(name)

    def new(self, word: str) -> Repository:
        """The repository that a word means to a person who wants to follow it. Raises DigestError."""
        # Only a clone knows its origin.
        return self.repository(word, [s.repo for s in self._all if not self._hosts.key(s.repo)])

    def meant(self, named: str = "", *, cloned: bool = False) -> list[Repository]:
        """The repositories that are meant: the named one, else the current folder's, else those followed here.

        If `cloned`, a git address means a new clone, even if there is one at hand. Raises DigestError.
        """
        worked_in = [self.spelled(self._worked_in)] if self._worked_in else []
        if named:
            at_hand = worked_in or list(dict.fromkeys(s.repo for s in self._all))
            return [self.repository(named, () if cloned and self._is_clone(named) else at_hand)]
        if not (at_hand := worked_in or list(dict.fromkeys(s.repo for s in self.here))):
            raise UsageError("repo_missing")
        return self.each(at_hand, self.find)

    def members(self, group: Repository) -> tuple[Repository, ...]:
        """The repositories of a group that every reader of the answer may see. Raises as `find` does."""
        if group.name not in self._members:
            self._members[group.name] = self._repositories.group(group.name, self._who)
        return self._members[group.name]

    def single(self) -> list[Repository]:
        """The repositories that are meant if none is named, with groups expanded. Raises as `meant` does."""
        meant = self.meant()
        found = (m for each in meant for m in (self.members(each) if is_group(each.name) else (each,)))
        return list({each.name: each for each in found}.values())

    def each_meant(self, names: Sequence[str]) -> list[Repository]:
        """The repositories for the names, without duplicates; without names, those that are meant.

        Raises DigestError if there are none.
        """
        found = self.each(names or [""], lambda name: self.meant(name, cloned=True))
        return list({each.name: each for some in found for each in some}.values())

    def each(self, things: Sequence[_T], work: Callable[[_T], _Made]) -> list[_Made]:
        """Apply `work` to each of several things; errors of some are collected in `failed`.

        Raises the first error if all fail.
        """
        made: list[_Made] = []
        failed: list[DigestError] = []
        for thing in things:
            try:
                made.append(work(thing))
            except DigestError as error:
                failed.append(error)
        if failed and not made:
            raise failed[0]
        self.failed.extend(failed)
        return made

    def _titled(self, at_hand: Sequence[str], word: str) -> Repository | None:
        """The clone at hand whose title or address is a word, so that a web link finds the current folder's."""
        for repo in at_hand:
            with suppress(DigestError):  # an unreachable one cannot be meant
                repository = self._look(repo)
                if repository.title.lower() == word.lower() or self.same(repository.url or "", word):
                    return repository
        return None

    # --- What is followed --------------------------------------------------------------------

    def followed(self, word: str) -> list[Subscription]:
        """The subscriptions of this place to what has that name or address."""
        return self._living_at(word) if self._hosts.page(word) else self._called(word)

    def _living_at(self, address: str) -> list[Subscription]:
        """The subscriptions to the repository at an address, also to a clone of it."""
        if found := [s for s in self.here if self.same(s.repo, address)]:
            return found
        known = self._titled(list(dict.fromkeys(s.repo for s in self.here)), address)
        return [s for s in self.here if known and s.repo == known.name]

    def _called(self, name: str) -> list[Subscription]:
        """The subscriptions to what has that name, title or relative path."""
        with suppress(UsageError):  # an invalid name is the same error as one not followed
            name = self.spelled(name)
        named = {name.lower()}
        if name:
            with suppress(DigestError):
                repository = self.find(name)
                named |= {repository.title.lower(), repository.name}
        return [s for s in self.here if named & {s.repo, s.repo.lower(), self.title(s.repo).lower()}]
