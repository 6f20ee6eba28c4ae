"""Which commits a subscription wants. Pure."""

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
        """The filters that say nothing here, so that they let everything through: `labels`, `owners`."""
        unowned = filters.owners and not (self.owners and self.owners.named(filters.owners))
        named = (("labels", filters.labels and not self.labelled), ("owners", unowned))
        return tuple(name for name, missing in named if missing)


UNKNOWN = Known()
"""Where nobody has looked at CODEOWNERS."""


def wanted(commit: Commit, filters: Filters, known: Known = UNKNOWN) -> bool:
    """Whether a subscription's filters let the commit through.

    People count by what they wrote, not by what they merged: `-name` leaves out what only they wrote.
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
    """GitHub tells no labels apart by their case."""
    labels = {label.lower() for label in commit.reading.labels}
    chosen, unwanted = _split(filters.labels)
    return not labels & unwanted and (not chosen or bool(labels & chosen))


def _split(names: Iterable[str]) -> tuple[set[str], set[str]]:
    """What is wanted, and what with a leading `-` is not, in lower case."""
    plain = [name.lower() for name in names]
    return {n for n in plain if not n.startswith("-")}, {n[1:] for n in plain if n.startswith("-")}


def _is_owned(commit: Commit, filters: Filters, owners: Owners | None) -> bool:
    meant = owners.named(filters.owners) if owners else frozenset[str]()
    return any(owners.of(path) & meant for path in _touched(commit)) if owners else True


def _touched(commit: Commit) -> list[str]:
    return [path for file in commit.files for path in (file.path, file.previous) if path]


def _under(path: str, folder: str) -> bool:
    return path == folder.rstrip("/") or path.startswith(folder.rstrip("/") + "/")
