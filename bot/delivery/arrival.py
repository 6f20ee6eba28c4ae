"""What is new on a branch since the subscription's last digest, even after the branch was rewritten.

A rewrite gives reported commits new SHAs. Two commits are the same if their patches are, or their authors, author dates
and titles. Such a commit is counted and not reported again. Commits that did not come back are named and remembered,
since they may come back later.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bot.commits.line import COMPARED, paired
from bot.commits.twins import patch_id
from bot.errors import NotFound
from bot.texts import Texts
from bot.values import Commit, FilePatch, Gone, Landing, Mark, Release, one_line

Patches = Callable[[Sequence[Commit]], Iterable[tuple[str, tuple[FilePatch, ...]]]]
"""Read the patches of commits, by SHA."""

_NAMED, _TITLE = 5, 80
_HASH = 24
"""Hex digits kept of a hash: enough to tell two hundred commits apart."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """The commits to report, newest first, and the mark that the branch is reported up to afterwards.

    `back` are commits that were reported before and came back; `was` maps their new SHAs to the reported ones: the old
    SHA of each, or that of the merge that brought it. If the branch was `rewritten`, `old` is its former tip; `missing`
    commits did not come back, and `gone` are the newest of them. `dated` and `lost` are those of the Landing;
    `releases` and `moved` come from `bot.delivery.tagged`.
    """

    mark: Mark
    commits: tuple[Commit, ...] = ()
    old: str = ""
    back: tuple[Commit, ...] = ()
    gone: tuple[Commit, ...] = ()
    missing: int = 0
    rewritten: bool = False
    dated: bool = False
    lost: bool = False
    releases: tuple[Release, ...] = ()
    moved: tuple[tuple[Release, str], ...] = ()
    was: Mapping[str, str] = field(default_factory=dict)


def arrival(branch: str, before: Mark | None, landing: Landing, patches: Patches) -> Arrival:
    """Decide what is new among the commits that landed. Raises what `patches` raises.

    Commits that came back do not wait for the next period, nor do older ones on the branch: after another rewrite they
    could no longer be matched. If everything new waits, so does the report of the rewrite.
    """
    new, known = (*landing.waiting, *landing.commits), before.gone if before else ()
    away = (*landing.gone, *landing.aside)
    ids = _ids_of_gone(away, patches)
    same = _by_patch([c for c in new if c.sha not in landing.returned], away, ids, patches)
    again = _known([c for c in new if c.sha not in {**landing.returned, **same}], known, patches)
    found = {**landing.returned, **same, **again}
    first = next((n for n, commit in enumerate(landing.waiting) if commit.sha in found), len(landing.waiting))
    if landing.waiting and first + landing.loose >= len(new):
        return Arrival(Mark(branch, landing.tip, gone=known))
    listed = (*landing.waiting[first:], *landing.commits)
    left = [commit for commit in away if commit.sha not in same.values()]
    merges = {inner.sha: commit.sha for commit in landing.gone for inner in commit.inner}
    gone = _gone(landing, set(found.values()), left)
    seen = {*again.values(), *(commit.sha for commit in left)}
    tip = listed[0].sha if listed and first < len(landing.waiting) else landing.tip
    remembered = (*(_remembered(c, ids) for c in left), *(g for g in known if g.sha not in seen))
    return Arrival(
        Mark(branch, tip, gone=remembered[:COMPARED]),
        tuple(c for c in listed if c.sha not in found),
        (before.tip if before else None) or "",
        tuple(c for c in listed if c.sha in found),
        gone,
        landing.missing - (len(landing.gone) - len(gone)),
        bool(landing.missing or landing.returned),
        landing.dated,
        landing.lost,
        was={sha: merges.get(old, old) for sha, old in found.items()},
    )


def _gone(landing: Landing, back: Collection[str], left: Sequence[Commit]) -> tuple[Commit, ...]:
    """The commits of the old line that did not come back. A merge came back if everything that it brought did."""
    line, away = {commit.sha for commit in landing.gone}, {commit.sha for commit in left}
    inner = {commit.sha: {each.sha for each in commit.inner} for commit in left}
    flat = {sha for sha, brought in inner.items() if not brought.isdisjoint(back) and brought.isdisjoint(away)}
    return tuple(c for c in left if c.sha in line and c.sha not in flat)


def _ids_of_gone(commits: Sequence[Commit], patches: Patches) -> dict[str, str]:
    """The patch IDs of commits, by SHA; none if one of them no longer exists."""
    try:
        return _ids(commits, patches)
    except NotFound:
        return {}


def _ids(commits: Sequence[Commit], patches: Patches) -> dict[str, str]:
    """The patch IDs of commits by SHA, as far as they are known."""
    return {sha: name for sha, files in patches(commits) if (name := patch_id(files))} if commits else {}


def _by_patch(
    new: Sequence[Commit], gone: Sequence[Commit], ids: Mapping[str, str], patches: Patches
) -> dict[str, str]:
    """Match new commits with those gone by their patches: new SHA to old. `ids` are the patch IDs of those gone."""
    left = new[:COMPARED] if gone else ()
    return paired(left, gone, {**ids, **_ids(left, patches)})


# --- Commits that are gone may come back later -----------------------------------------------


def _known(new: Sequence[Commit], gone: Sequence[Gone], patches: Patches) -> dict[str, str]:
    """The new commits that were reported before they were gone: new SHA to old. Patches are read if the files match."""
    left = {g.sha: g for g in gone}
    found = {c.sha: c.sha for c in new if left.pop(c.sha, None)}
    shapes = {g.shape for g in left.values() if g.shape}
    alike = [c for c in new if c.sha not in found and _shape(c) in shapes][:COMPARED]
    ids = _ids(alike, patches)
    for one in (_remembered(c, ids) for c in alike):
        if twin := next((g for g in left.values() if _is_same(one, g)), None):
            found[one.sha] = left.pop(twin.sha).sha
    return found


def _is_same(one: Gone, other: Gone) -> bool:
    """Whether two commits do the same: by their patches if both are known, else by their authors and titles."""
    if one.shape != other.shape:
        return False
    return one.patch == other.patch if one.patch and other.patch else one.named == other.named


def _remembered(commit: Commit, ids: Mapping[str, str]) -> Gone:
    named = f"{commit.author}\0{commit.subject}"
    return Gone(commit.sha, _shape(commit), ids.get(commit.sha, "")[:_HASH], _hash(named))


def _shape(commit: Commit) -> str:
    """A hash of the files that a commit changes and their line counts; empty if it changes none."""
    return _hash(repr(sorted((f.path, f.added, f.removed) for f in commit.files))) if commit.files else ""


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:_HASH]


def only_reported(arrival: Arrival, reported: Collection[str], wanted: Callable[[Commit], bool]) -> Arrival:
    """The arrival, of whose rewritten commits only those are left that are `wanted` and were `reported` before."""
    back = tuple(c for c in arrival.back if arrival.was.get(c.sha, c.sha) in reported and wanted(c))
    gone = tuple(c for c in arrival.gone if c.sha in reported and wanted(c))
    unread = arrival.missing - len(arrival.gone) if len(gone) == len(arrival.gone) else 0
    return replace(arrival, back=back, gone=gone, missing=len(gone) + unread)


def said(arrival: Arrival, texts: Texts) -> tuple[str, ...]:
    """The notices of a digest about a rewritten branch, one whose commits were chosen by date, and moved tags."""
    old, notices = arrival.old[:7], []
    for release, was in arrival.moved[:_NAMED]:
        notices.append(texts("release.moved", name=release.name, old=was[:7], new=release.sha[:7]))
    if arrival.back:
        key = "branch.back" if arrival.rewritten else "branch.again"
        notices.append(texts(key, old=old, count=texts.count("commits", len(arrival.back))))
    if arrival.gone:
        names = [f"{c.short} {one_line(c.reading.subject or c.subject, _TITLE)}" for c in arrival.gone[:_NAMED]]
        more = arrival.missing - len(names)
        names += [texts("branch.more", n=more)] if more else []
        notices.append(texts("branch.gone", old=old, names=texts("branch.between").join(names)))
    notices += [texts("branch.lost", old=old)] if arrival.lost else []
    notices += [texts("branch.dated")] if arrival.dated else []
    return tuple(notices)
