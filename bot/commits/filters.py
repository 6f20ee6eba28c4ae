"""Applies a subscription's filters to commits. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from bot.commits.owners import Owners
from bot.values import Commit, Filters


@dataclass(frozen=True, slots=True)
class Known:
    """What filters need that is not in a commit.

    `labelled` says that the source knows the labels of pull requests; `owners` is what CODEOWNERS says, None if
    there is none, or none that can be read.
    """

    labelled: bool = True
    owners: Owners | None = None

    def lacking(self, filters: Filters) -> tuple[str, ...]:
        """The filters that cannot be applied, so that they let everything through: `labels`, `owners`."""
        unowned = filters.owners and not (self.owners and self.owners.named(filters.owners))
        named = (("labels", filters.labels and not self.labelled), ("owners", unowned))
        return tuple(name for name, missing in named if missing)


UNKNOWN = Known()
"""For when CODEOWNERS was not read."""


def wanted(commit: Commit, filters: Filters, known: Known = UNKNOWN) -> bool:
    """Whether a subscription's filters let the commit through.

    Authors count, not those who merged: `-name` leaves out commits that only they wrote.
    """
    if not filters.bots and commit.reading.bot:
        return False
    lacking = known.lacking(filters)
    return (
        _by_people(commit, filters)
        and (not filters.paths or any(_under(path, p) for path in _touched(commit) for p in filters.paths))
        and ("labels" in lacking or _by_labels(commit, filters))
        and ("owners" in lacking or not filters.owners or _is_owned(commit, filters, known.owners))
    )


def _by_people(commit: Commit, filters: Filters) -> bool:
    people = [{person.name.lower(), (person.login or "").lower()} for person in commit.reading.people]
    chosen, unwanted = _split(filters.authors)
    if people and all(names & unwanted for names in people):
        return False
    return not chosen or any(names & chosen for names in people)


def _by_labels(commit: Commit, filters: Filters) -> bool:
    """GitHub's labels are case-insensitive."""
    labels = {label.lower() for label in commit.reading.labels}
    chosen, unwanted = _split(filters.labels)
    return not labels & unwanted and (not chosen or bool(labels & chosen))


def _split(names: Iterable[str]) -> tuple[set[str], set[str]]:
    """The wanted names, and those with a leading `-`, in lower case."""
    plain = [name.lower() for name in names]
    return {n for n in plain if not n.startswith("-")}, {n[1:] for n in plain if n.startswith("-")}


def _is_owned(commit: Commit, filters: Filters, owners: Owners | None) -> bool:
    meant = owners.named(filters.owners) if owners else frozenset[str]()
    return any(owners.of(path) & meant for path in _touched(commit)) if owners else True


def _touched(commit: Commit) -> list[str]:
    return [path for file in commit.files for path in (file.path, file.previous) if path]


def _under(path: str, folder: str) -> bool:
    return path == folder.rstrip("/") or path.startswith(folder.rstrip("/") + "/")
