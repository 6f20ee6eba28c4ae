"""What arrived on a branch since its subscription was told of it last, and what became of one that was rewritten.

A rewrite brings back under new names what was told before: a commit is the same where its patch is, or where its
author, the time it was written and its title are. It is counted, and not told again; what did not come back is named,
and remembered, since it may come back later.
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
"""Digits of a hash by which something is known again: of two hundred."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """What is to be told, newest first, and up to where a branch is told then.

    `back` is what was told before and came back, `was` by its SHA what told of it then: its SHA of then, or that of the
    merge that brought it. Where the branch was `rewritten`, `old` is where it was; `missing`
    commits did not come back, of which `gone` are the newest.
    `dated` and `lost` are a Landing's, `releases` and `moved` what `bot.delivery.tagged` has found.
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
    """What arrived, of what landed. Raises what `patches` raises.

    What came back waits for nothing, nor does what lies below it: of the next rewrite it could not be told any more.
    Where all that is new waits, a rewrite is told with it.
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
    told = (*landing.waiting[first:], *landing.commits)
    left = [commit for commit in away if commit.sha not in same.values()]
    merges = {inner.sha: commit.sha for commit in landing.gone for inner in commit.inner}
    gone = _gone(landing, set(found.values()), left)
    seen = {*again.values(), *(commit.sha for commit in left)}
    remembered = (*(_remembered(c, ids) for c in left), *(g for g in known if g.sha not in seen))
    return Arrival(
        Mark(branch, told[0].sha if told and first < len(landing.waiting) else landing.tip, gone=remembered[:COMPARED]),
        tuple(c for c in told if c.sha not in found),
        (before.tip if before else None) or "",
        tuple(c for c in told if c.sha in found),
        gone,
        landing.missing - (len(landing.gone) - len(gone)),
        bool(landing.missing or landing.returned),
        landing.dated,
        landing.lost,
        was={sha: merges.get(old, old) for sha, old in found.items()},
    )


def _gone(landing: Landing, back: Collection[str], left: Sequence[Commit]) -> tuple[Commit, ...]:
    """What of the old line did not come back. A merge did where what it brought did, and all of it."""
    line, away = {commit.sha for commit in landing.gone}, {commit.sha for commit in left}
    inner = {commit.sha: {each.sha for each in commit.inner} for commit in left}
    flat = {sha for sha, brought in inner.items() if not brought.isdisjoint(back) and brought.isdisjoint(away)}
    return tuple(c for c in left if c.sha in line and c.sha not in flat)


def _ids_of_gone(commits: Sequence[Commit], patches: Patches) -> dict[str, str]:
    """What each of some commits did, which may not be there any more."""
    try:
        return _ids(commits, patches)
    except NotFound:
        return {}


def _ids(commits: Sequence[Commit], patches: Patches) -> dict[str, str]:
    """What each of some commits does, by SHA, of those of which it is known."""
    return {sha: name for sha, files in patches(commits) if (name := patch_id(files))} if commits else {}


def _by_patch(
    new: Sequence[Commit], gone: Sequence[Commit], ids: Mapping[str, str], patches: Patches
) -> dict[str, str]:
    """Which of the new commits do the same as one that is gone, by SHA; `ids` are those of what is gone."""
    left = new[:COMPARED] if gone else ()
    return paired(left, gone, {**ids, **_ids(left, patches)})


# --- What is gone may come back later --------------------------------------------------------


def _known(new: Sequence[Commit], gone: Sequence[Gone], patches: Patches) -> dict[str, str]:
    """Which of the new commits were told of before they were gone, by SHA; patches are read where the files say so."""
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
    """Whether two commits do the same; where that is not known of both, their authors and titles tell."""
    if one.shape != other.shape:
        return False
    return one.patch == other.patch if one.patch and other.patch else one.named == other.named


def _remembered(commit: Commit, ids: Mapping[str, str]) -> Gone:
    named = f"{commit.author}\0{commit.subject}"
    return Gone(commit.sha, _shape(commit), ids.get(commit.sha, "")[:_HASH], _hash(named))


def _shape(commit: Commit) -> str:
    """Which files a commit changes, and by how many lines; empty where it changes none."""
    return _hash(repr(sorted((f.path, f.added, f.removed) for f in commit.files))) if commit.files else ""


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:_HASH]


def reported(arrival: Arrival, told: Collection[str], wanted: Callable[[Commit], bool]) -> Arrival:
    """An arrival with that alone of a rewrite which its subscription was `told` of, by SHA, and wants to be."""
    back = tuple(c for c in arrival.back if arrival.was.get(c.sha, c.sha) in told and wanted(c))
    gone = tuple(c for c in arrival.gone if c.sha in told and wanted(c))
    unread = arrival.missing - len(arrival.gone) if len(gone) == len(arrival.gone) else 0
    return replace(arrival, back=back, gone=gone, missing=len(gone) + unread)


def said(arrival: Arrival, texts: Texts) -> tuple[str, ...]:
    """What a digest says of a branch that was rewritten, or that dates decided, and of tags that moved."""
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
