"""What arrived on a branch since its subscription was told of it last, and what became of one that was rewritten.

A rewrite brings back under new names what was told before: a commit is the same where its patch is, or where its
author, the time it was written and its title are. It is counted, and not told again; what did not come back is named.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bot.commits.line import COMPARED, paired
from bot.commits.twins import patch_id
from bot.texts import Texts
from bot.values import Commit, FilePatch, Landing, Mark, Release, one_line

Patches = Callable[[Sequence[Commit]], Iterable[tuple[str, tuple[FilePatch, ...]]]]
"""Read the patches of commits, by SHA."""

_NAMED, _TITLE = 5, 80


@dataclass(frozen=True, slots=True)
class Arrival:
    """What is to be told, newest first, and up to where a branch is told then.

    Where it was rewritten, `old` is where it was, `back` what was told before and came back; `missing`
    commits did not, of which `gone` are the newest.
    `dated` and `lost` are a Landing's, `releases` and `moved` what `bot.delivery.tagged` has found.
    """

    mark: Mark
    commits: tuple[Commit, ...] = ()
    old: str = ""
    back: tuple[Commit, ...] = ()
    gone: tuple[Commit, ...] = ()
    missing: int = 0
    dated: bool = False
    lost: bool = False
    releases: tuple[Release, ...] = ()
    moved: tuple[tuple[Release, str], ...] = ()


def arrival(branch: str, before: Mark | None, landing: Landing, patches: Patches) -> Arrival:
    """What arrived, of what landed. Raises what `patches` raises.

    What came back waits for nothing, nor does what lies below it: of the next rewrite it could not be told any more.
    Where all that is new waits, a rewrite is told with it.
    """
    new = (*landing.waiting, *landing.commits)
    same = _by_patch([c for c in new if c.sha not in landing.returned], landing.gone, patches)
    found = {**landing.returned, **same}
    if landing.waiting and not landing.commits and not found:
        return Arrival(Mark(branch, landing.tip))
    first = next((n for n, commit in enumerate(landing.waiting) if commit.sha in found), len(landing.waiting))
    told = (*landing.waiting[first:], *landing.commits)
    return Arrival(
        Mark(branch, told[0].sha if told and first < len(landing.waiting) else landing.tip),
        tuple(c for c in told if c.sha not in found),
        (before.tip if before else None) or "",
        tuple(c for c in told if c.sha in found),
        tuple(c for c in landing.gone if c.sha not in same.values()),
        landing.missing - len(same),
        landing.dated,
        landing.lost,
    )


def _by_patch(new: Sequence[Commit], gone: Sequence[Commit], patches: Patches) -> dict[str, str]:
    """Which of the new commits do the same as one that is gone, by SHA."""
    if not new or not gone:
        return {}
    left = new[:COMPARED]
    ids = {sha: name for sha, files in patches([*left, *gone]) if (name := patch_id(files))}
    return paired(left, gone, ids)


def said(arrival: Arrival, texts: Texts) -> tuple[str, ...]:
    """What a digest says of a branch that was rewritten, or that dates decided, and of tags that moved."""
    old, notices = arrival.old[:7], []
    for release, was in arrival.moved[:_NAMED]:
        notices.append(texts("release.moved", name=release.name, old=was[:7], new=release.sha[:7]))
    if arrival.back:
        notices.append(texts("branch.back", old=old, count=texts.count("commits", len(arrival.back))))
    if arrival.gone:
        names = [f"{c.short} {one_line(c.reading.subject or c.subject, _TITLE)}" for c in arrival.gone[:_NAMED]]
        more = arrival.missing - len(names)
        names += [texts("branch.more", n=more)] if more else []
        notices.append(texts("branch.gone", old=old, names=texts("branch.between").join(names)))
    notices += [texts("branch.lost", old=old)] if arrival.lost else []
    notices += [texts("branch.dated")] if arrival.dated else []
    return tuple(notices)
