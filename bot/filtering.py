"""What a subscription's filters leave of the commits that landed, by what its source and its repository say of them."""

from collections.abc import Sequence

from bot.commits import filters, owners
from bot.commits.filters import Known
from bot.commits.owners import Owners
from bot.errors import NotFound, UsageError
from bot.repositories import Repositories
from bot.texts import Texts
from bot.values import Commit, Filters, Repository, Scope


def filtered(
    repositories: Repositories, repository: Repository, scope: Scope, landed: Sequence[Commit]
) -> tuple[tuple[Commit, ...], tuple[str, ...]]:
    """What of `landed` is wanted, and what is to be said of filters that let everything through.

    Raises NotFound, Forbidden, Unavailable if CODEOWNERS counts and the repository cannot be read.
    """
    wanted = scope.filters
    if not landed:
        return (), ()
    named = read_owners(repositories, repository, scope.branch) if wanted.owners else None
    known = Known(repository.labelled, named)
    said = tuple(lacking(name, repository, wanted, Texts(scope.language)) for name in known.lacking(wanted))
    return tuple(commit for commit in landed if filters.wanted(commit, wanted, known)), said


def lacking(name: str, repository: Repository, wanted: Filters, texts: Texts) -> str:
    """That a filter lets everything through, since nothing here says what it asks for."""
    return texts(f"digest.no_{name}", repo=repository.title, owners=wanted.owners)


def read_owners(repositories: Repositories, repository: Repository, branch: str) -> Owners | None:
    """What CODEOWNERS says at a branch's tip; None if none can be read. Raises NotFound, Forbidden, Unavailable."""
    source = repositories.source_of(repository.name)
    text = source.text(repository.name, branch or repository.branch, owners.PATHS)
    return owners.parse(text) if text is not None else None


def check(repositories: Repositories, repository: Repository, branch: str, wanted: Filters) -> None:
    """Refuse owners of whom CODEOWNERS knows nothing. Raises NotFound, UsageError, Unavailable."""
    if not wanted.owners:
        return
    known = read_owners(repositories, repository, branch)
    if known is None:
        raise NotFound("owners_none", repo=repository.title)
    for owner in wanted.owners:
        if not known.named([owner]):
            raise UsageError("owner_unknown", owner=owner, known=tuple(known.nearest(owner)))
