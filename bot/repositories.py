"""Finds repositories and their commits, in their sources and the archive, for those with a right to see them."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta

from bot import addresses
from bot.errors import DigestError, Forbidden, NoRight, NotFound, Unavailable
from bot.ports import Archive, CommitSource, Readers
from bot.rights import Right, Rights, Who
from bot.values import (
    Commit,
    Landing,
    Period,
    Place,
    Quota,
    Repository,
    Window,
    local,
    one_line,
    without_credentials,
)
from bot.watched import watched

_log = logging.getLogger("digest.rights")
_REMEMBERED = 10_000
"""How many rights to remember whose first use was logged."""

OPERATOR = Who(Place("terminal", ""))
"""The operator, who sees everything."""


class Repositories:
    """Repositories by name, for those who may see them: `find` is the only way to learn anything about one.

    `source_of` returns the source of one, `readers` asks a chat who reads in a place, `clock` returns the time in UTC.
    """

    def __init__(
        self,
        source_of: Callable[[str], CommitSource],
        archive: Archive,
        rights: Rights,
        clock: Callable[[], datetime],
        *,
        readers: Callable[[Place, str], Readers],
    ) -> None:
        self.rights = rights
        self._sources = source_of
        self._archive = archive
        self._clock = clock
        self._readers = readers
        self._used: set[tuple[str, str, str]] = set()

    def source_of(self, repo: str) -> CommitSource:
        """The source of a repository by its name, watched if this thread watches. Raises ConfigError."""
        return watched(self._sources(repo))

    # --- Who may see one ---------------------------------------------------------------------

    def find(self, repo: str, who: Who, look: Callable[[str], Repository] | None = None) -> Repository:
        """Facts about `repo`; `look` reads them, if they were read already. Raises Unavailable.

        Raises NotFound only for readers with a right; for others it is NoRight, whether the repository exists or not.
        """
        self.check_name(repo, who)
        if addresses.is_group(repo):
            return as_one(_spelled_as(repo, self.group(repo, who)[0].name))
        right = self._right(repo, who)
        if not (self.rights.sees_all(who) or right or self.rights.may_be_public(repo)):
            raise self._refused(repo)
        try:
            return self.check((look or self.source_of(repo).repository)(repo), who, repo)
        except (NotFound, Forbidden) as error:
            raise self._shown_instead(repo, who, right, error) from None

    def group(self, name: str, who: Who) -> tuple[Repository, ...]:
        """The repositories of a group that `who` may see, sorted by name; no others are revealed.

        Raises NoRight if they may see none, whatever exists; Unavailable. Raises NotFound, Forbidden only for those who
        see everything.
        """
        self.check_name(name, who)
        try:
            found = self.source_of(name).group(name)
        except (NotFound, Forbidden) as error:
            raise (error if self.rights.sees_all(who) else self._refused(name)) from None
        seen = tuple(each for each in found if self.rights.sees_all(who) or self._may_see(each, who, each.name))
        if not seen:
            raise NotFound("group_empty", group=name) if self.rights.sees_all(who) else self._refused(name)
        return seen

    def _shown_instead(self, repo: str, who: Who, right: Right | None, error: DigestError) -> DigestError:
        """The error to show instead of one that would reveal which repositories exist.

        A right to a folder includes the targets of links in it.
        """
        if self.rights.sees_all(who):
            return error
        if not right:
            return error if isinstance(error, NoRight) else self._refused(repo)
        return NotFound("path_unknown", path=repo) if addresses.is_path(repo) else error

    def check_name(self, repo: str, who: Who) -> None:
        """Reject, before any request, a name that nobody there can have a right to. Raises NoRight."""
        if addresses.is_group(repo):
            known: object = self.rights.may_hold(repo, who)
        else:
            known = self.rights.may_be_public(repo) or self.rights.concerning(repo, who)
        if not known and not self.rights.sees_all(who):
            raise self._refused(repo)

    def check(self, repository: Repository, who: Who, asked: str = "") -> Repository:
        """The repository, for readers who may see it; `asked` is the name it was asked for by. Raises NoRight.

        Where it is read from counts as well as its name; its title, which it chooses itself, does not.
        """
        if addresses.is_group(repository.name):
            self.group(repository.name, who)
        elif not (self.rights.sees_all(who) or self._may_see(repository, who, asked)):
            raise self._refused(asked or repository.name)
        return repository

    def _may_see(self, repository: Repository, who: Who, asked: str) -> bool:
        named = dict.fromkeys(filter(None, (asked, repository.name)))
        if not repository.private and any(map(self.rights.may_be_public, named)):
            return True
        if addresses.is_hosted(repository.name):  # it may have been renamed
            return any(self._right(name, who) for name in named)
        return all(self._right(name, who) for name in (*named, *repository.beside))  # a folder may lead elsewhere

    def is_stranger(self, who: Who) -> bool:
        """Whether guests, or people of another organisation, read the answer; also if that is unknown.

        They must not learn what a channel follows either. Raises ConfigError.
        """
        if self.rights.sees_all(who):
            return False
        try:
            readers = self._readers(who.place, who.person)
        except Unavailable:
            return True
        return readers.guest or readers.shared

    def _right(self, repo: str, who: Who) -> Right | None:
        """The right by which `who` may see a repository. The chat is asked who reads only if that decides."""
        if not self.rights.concerning(repo, who):
            return None
        found = self.rights.right(repo, who)
        if not found:
            found = self.rights.right(repo, who.with_readers(self._readers(who.place, who.person)))
        if found:
            self._log_used(found, repo, who)
        return found

    def _log_used(self, right: Right, repo: str, who: Who) -> None:
        """Log that a right is used, the first time in this process."""
        used = (str(right), who.place.channel, repo)
        if used not in self._used and len(self._used) < _REMEMBERED:
            self._used.add(used)
            _log.info("a right is used", extra={"fields": {"right": str(right), **_log_fields(repo, who)}})

    @staticmethod
    def _refused(repo: str) -> NoRight:
        """The refusal, which is the same whether the repository exists or not."""
        return NoRight("repo_not_allowed", repo=one_line(without_credentials(repo), 100))

    @staticmethod
    @contextmanager
    def logged(repo: str, who: Who) -> Iterator[None]:
        """Log a refusal raised in this block: a person asked for that repository."""
        try:
            yield
        except NoRight:
            _log.warning("refused", extra={"fields": _log_fields(repo, who)})
            raise

    def lacking(self, repo: str, place: Place) -> Right | None:
        """The channel's own right that is missing to follow a private repository; None if it has one.

        A workspace's right does not count while guests, or people of another organisation, read there.
        """
        if lacking := self.rights.lacking(repo, place):
            return lacking
        who = Who(place)
        try:
            held = self.rights.sees_all(who) or self._right(repo, who)
        except DigestError:  # the readers are unknown: show nothing that may be wrong
            return None
        return None if held else Right(who.workspace, who.channel, repo)

    # --- What is in one ----------------------------------------------------------------------

    def check_branch(self, repository: Repository, branch: str) -> None:
        """Check that a branch exists. Raises NotFound."""
        now = self._clock()
        self.source_of(repository.name).commits(repository.name, branch, now, now)

    def commits(self, repository: Repository, branch: str, period: Period) -> tuple[Commit, ...]:
        """The commits of a branch (empty: the default one) in a period, newest first. Raises NotFound, Unavailable."""
        return self.source_of(repository.name).commits(repository.name, branch, period.since, period.until)

    def landed(
        self,
        repository: Repository,
        branch: str,
        tip: str | None,
        period: Period,
        reported: frozenset[str] = frozenset(),
    ) -> Landing:
        """What a branch has that it did not at its old `tip`: see `CommitSource.landed`. Raises as `commits` does."""
        source, name = self.source_of(repository.name), repository.name
        return source.landed(name, branch, tip, Window(period.since, period.until, self._clock(), reported))

    def touching(self, repository: Repository, branch: str, paths: Sequence[str], most: int) -> tuple[Commit, ...]:
        """The newest commits of a branch that touch some paths, see `CommitSource.touching`."""
        return self.source_of(repository.name).touching(repository.name, branch, paths, most)

    def commit(self, repository: Repository, sha: str) -> Commit:
        """The commit that starts with `sha`, from the store or from the source. Raises NotFound, UsageError."""
        kept = self.kept(repository, sha) if len(sha) >= 7 else ()
        return kept[0] if len(kept) == 1 else self._keep(self.source_of(repository.name).commit(repository.name, sha))

    def kept(self, repository: Repository, sha: str) -> tuple[Commit, ...]:
        """The stored commits that start with `sha`."""
        return self._archive.commits_by_sha(repository.name, sha)

    def pull(self, repository: Repository, number: int) -> Commit:
        """The commit with which a pull request landed. Raises NotFound."""
        try:
            return self._keep(self.source_of(repository.name).pull(repository.name, number))
        except (NotFound, Unavailable):
            # A stored commit may be on another branch, to which the pull request was backported: it comes second.
            if kept := self._archive.commits_by_pull(repository.name, number):
                return kept[0]
            raise

    def read(self, repository: Repository, shas: Sequence[str], most: int | None = None) -> tuple[Commit, ...]:
        """The commits with these SHAs on one line, in order: the stored ones, and a limited number from the source.

        Raises NotFound, Unavailable.
        """
        kept = (self._archive.commits_by_sha(repository.name, sha) for sha in shas)
        found = {commit.sha: commit for some in kept for commit in some[:1]}
        missing = [sha for sha in shas if sha not in found][:most]
        read = self.source_of(repository.name).read(repository.name, missing) if missing else ()
        self._archive.keep_commits(read)
        found |= {commit.sha: commit for commit in read}
        return tuple(found[sha] for sha in shas if sha in found)

    def _keep(self, commit: Commit) -> Commit:
        self._archive.keep_commits((commit,))
        return commit

    def latest(self, repository: Repository, zone: str, branch: str = "") -> date:
        """The latest day with a commit on a branch (empty: the default one). Raises NotFound if there is none."""
        now = self._clock()
        for back in (7, 60, 730, 20_000):
            if found := self.commits(repository, branch, Period(now - timedelta(days=back), now, zone)):
                return local(found[0].committed, zone).date()
        raise NotFound("no_commits", repo=repository.title)

    def quota(self, repos: Iterable[str]) -> Quota | None:
        """The requests that the source of any of some repositories still allows. Raises Unavailable, ConfigError."""
        sources = {id(source): source for source in map(self._sources, repos)}
        return next((quota for source in sources.values() if (quota := source.quota())), None)


def _spelled_as(group: str, member: str) -> str:
    """The name of a group in the spelling of its repositories' names."""
    return f"{member.rpartition('/')[0]}/{group.rpartition('/')[2]}"


def as_one(group: str) -> Repository:
    """A group as a repository: it has no commits of its own, no branch and no page."""
    folders = group.split("/")[-2:] if addresses.is_path(group) else [group]
    return Repository(group, "/".join(folders), "", None, not addresses.is_hosted(group))


def _log_fields(repo: str, who: Who) -> dict[str, str]:
    """The log fields for who asked for what."""
    where = {"workspace": who.workspace, "channel": who.channel, "person": who.person}
    return {"repo": one_line(without_credentials(repo), 200)} | {n: one_line(v, 100) for n, v in where.items() if v}
