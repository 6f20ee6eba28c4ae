"""Which commits a subscription wants. Pure."""

from bot.values import Commit, Filters


def wanted(commit: Commit, filters: Filters) -> bool:
    """Whether a subscription's filters let the commit through.

    People count by what they wrote, not by what they merged: `-name` leaves out what nobody else had a part in.
    """
    if not filters.bots and commit.reading.bot:
        return False
    people = [{person.name.lower(), (person.login or "").lower()} for person in commit.reading.people]
    unwanted = {a[1:].lower() for a in filters.authors if a.startswith("-")}
    chosen = {a.lower() for a in filters.authors if not a.startswith("-")}
    if people and all(names & unwanted for names in people):
        return False
    if chosen and not any(names & chosen for names in people):
        return False
    touched = [path for f in commit.files for path in (f.path, f.previous) if path]
    return not filters.paths or any(_under(path, p) for path in touched for p in filters.paths)


def _under(path: str, folder: str) -> bool:
    return path == folder.rstrip("/") or path.startswith(folder.rstrip("/") + "/")
