"""Which repositories there are for whom, and what their sources and the archive know of their commits."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fnmatch import fnmatchcase

from bot import addresses
from bot.errors import DigestError, Forbidden, NotFound, Unavailable
from bot.ports import Archive, CommitSource
from bot.values import Commit, Period, Place, Quota, Repository, local, without_credentials


def is_hosted(repo: str) -> bool:
    """Whether a name is `owner/name`, no path and no address."""
    return repo.count("/") == 1 and not repo.startswith((".", "/", "~")) and ":" not in repo


def host_of(repo: str) -> str:
    """The host, with its port, that serves a repository; `github` for `owner/name`, empty for this machine."""
    if is_hosted(repo):
        return "github"
    _, full, rest = repo.partition("://")
    authority, short, _ = rest.partition("/") if full else repo.partition(":")
    remote = full or (short and "@" in authority and "/" not in authority)
    return authority.rpartition("@")[2].lower() if remote else ""


@dataclass(frozen=True, slots=True)
class Policy:
    """What may be followed: patterns of repositories, and the chat whose user is the operator."""

    allow: tuple[str, ...] = ()
    operator_chat: str = "terminal"

    def check_name(self, repo: str, place: Place) -> None:
        """Refuse, before anything is touched, what only the operator may name. Raises Forbidden."""
        if not self.is_operator(place) and not self.lists(repo) and (self.allow or not is_hosted(repo)):
            raise Forbidden("repo_not_allowed", repo=without_credentials(repo))

    def check(self, repo: str, repository: Repository, place: Place) -> None:
        """Refuse a repository, asked for as `repo`, that this place may not see. Raises Forbidden.

        What it is read from counts beside its name. Its title, which is what it says of itself, gives a right to the
        operator alone, who may read everything here anyway.
        """
        operator = self.is_operator(place)
        if all(map(self.lists, (repository.name, *repository.beside))):
            return
        if operator and (self.lists(repository.name) or self.lists(repository.title)):
            return
        if self.allow or (repository.private and not operator):
            raise Forbidden("repo_not_allowed", repo=without_credentials(repo))

    def refusal(self, repo: str, place: Place, error: DigestError) -> DigestError:
        """What a place is told instead of `error` where that would tell which repositories there are."""
        if self.is_operator(place):
            return error
        if addresses.is_path(repo):
            return NotFound("path_unknown", path=repo)
        return error if self.lists(repo) else NotFound("repository_unseen", repo=without_credentials(repo))

    def lists(self, name: str) -> bool:
        """Whether the operator has listed a repository by this name, so that it may be followed from everywhere."""
        plain = addresses.spelt(name)
        cased = addresses.is_path(plain)
        patterns = (without_credentials(p) if cased else without_credentials(p).lower() for p in self.allow)
        return bool(plain) and any(fnmatchcase(plain, pattern) for pattern in patterns)

    def is_operator(self, place: Place) -> bool:
        """Whether a place is the operator's own."""
        return place.chat == self.operator_chat


class Repositories:
    """Repositories by name. `source_of` names the source of one, `clock` gives the time in UTC."""

    def __init__(
        self,
        source_of: Callable[[str], CommitSource],
        archive: Archive,
        policy: Policy,
        clock: Callable[[], datetime],
    ) -> None:
        self.policy = policy
        self.source_of = source_of
        self._archive = archive
        self._clock = clock

    def find(self, repo: str, place: Place) -> Repository:
        """What is known of `repo`. Raises NotFound, Unavailable, and Forbidden where `place` may not see it."""
        self.policy.check_name(repo, place)
        try:
            repository = self.source_of(repo).repository(repo)
            self.policy.check(repo, repository, place)
        except (NotFound, Forbidden) as error:
            raise self.policy.refusal(repo, place, error) from None
        return repository

    def check_branch(self, repository: Repository, branch: str) -> None:
        """Make sure that a branch is there. Raises NotFound."""
        now = self._clock()
        self.source_of(repository.name).commits(repository.name, branch, now, now)

    def commits(self, repository: Repository, branch: str, period: Period) -> tuple[Commit, ...]:
        """The commits of a branch (empty: the default one) in a period, newest first. Raises NotFound, Unavailable."""
        return self.source_of(repository.name).commits(repository.name, branch, period.since, period.until)

    def commit(self, repository: Repository, sha: str) -> Commit:
        """The commit that starts with `sha`, from what is kept or from the source. Raises NotFound, UsageError."""
        kept = self.kept(repository, sha) if len(sha) >= 7 else ()
        return kept[0] if len(kept) == 1 else self._keep(self.source_of(repository.name).commit(repository.name, sha))

    def kept(self, repository: Repository, sha: str) -> tuple[Commit, ...]:
        """The commits that start with `sha`, of those that the bot has met."""
        return self._archive.commits_by_sha(repository.name, sha)

    def pull(self, repository: Repository, number: int) -> Commit:
        """The commit with which a pull request landed. Raises NotFound."""
        try:
            return self._keep(self.source_of(repository.name).pull(repository.name, number))
        except (NotFound, Unavailable):
            # A kept commit may be of another branch, onto which the same pull request was ported: it comes second.
            if kept := self._archive.commits_by_pull(repository.name, number):
                return kept[0]
            raise

    def _keep(self, commit: Commit) -> Commit:
        self._archive.keep_commits((commit,))
        return commit

    def latest(self, repository: Repository, zone: str, branch: str = "") -> date:
        """The latest day with a commit on a branch (empty: the default one). Raises NotFound where there is none."""
        now = self._clock()
        for back in (7, 60, 730, 20_000):
            if found := self.commits(repository, branch, Period(now - timedelta(days=back), now, zone)):
                return local(found[0].committed, zone).date()
        raise NotFound("no_commits", repo=repository.title)

    def quota(self, repos: Iterable[str]) -> Quota | None:
        """The requests that the source of any of some repositories still allows. Raises Unavailable, ConfigError."""
        sources = {id(source): source for source in map(self.source_of, repos)}
        return next((quota for source in sources.values() if (quota := source.quota())), None)
