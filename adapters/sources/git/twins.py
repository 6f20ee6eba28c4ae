"""Finds the commits of other branches that make the same change."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta

from adapters.sources.git import history, layout, patches
from bot.commits.twins import patch_id
from bot.values import Commit, FilePatch, Twin

WITHIN = timedelta(days=180)
"""How long before and after a commit its twins may have landed."""

MOST = 5
_COMPARED, _PATHS = 300, 50
"""The most commits to read patches of, and files to find them by."""


def found(view: layout.View, commit: Commit, default: str, bring: Callable[[Sequence[str]], None]) -> tuple[Twin, ...]:
    """The twins of a commit, newest first; `default` is the branch that is named where several have one.

    `bring` fetches the files that commits change. A commit without a branch of its own is not a twin, but the same
    change made again.
    """
    candidates = _of_the_same_files(view, commit.sha, _candidates(view, commit))
    if not candidates:
        return ()
    bring([commit.sha, *candidates])
    own = patch_id(next((files for _, files in _patches(view, [commit.sha])), ()))
    alike = (sha for sha, files in _patches(view, candidates) if own and patch_id(files) == own)
    here = frozenset(_branches(view, commit.sha))
    made = (_twin(view, sha, here, default) for sha in alike)
    return tuple(twin for _, twin in zip(range(MOST), filter(None, made), strict=False))


def _candidates(view: layout.View, commit: Commit) -> list[str]:
    """Other commits of any branch or tag, around its time, that touch a file of it; newest first."""
    span = [f"--{name}={moment:%Y-%m-%dT%H:%M:%SZ}" for name, moment in _around(commit)]
    wanted = ["--branches", "--remotes", "--tags", "--first-parent", *span, f"--max-count={_COMPARED}"]
    paths = [f":(literal,top){file.path}" for file in commit.files[:_PATHS]]
    said = view.run("rev-list", *wanted, "--", *paths, seconds=view.limits.stream) if paths else b""
    return [sha for sha in said.decode("ascii").split() if sha != commit.sha]


def _of_the_same_files(view: layout.View, sha: str, others: Sequence[str]) -> list[str]:
    """The other commits that change exactly the same files, without reading patches."""
    if not others:
        return []
    mark = secrets.token_hex(16)
    command = history.log(mark, ("%H",), *history.SIDES)
    with closing(view.chunks(*command, stdin="".join(f"{each}\n" for each in (sha, *others)).encode())) as chunks:
        changed = {
            history.text(each): [path for *_, path in history.changes(fields)]
            for each, *fields in history.records(chunks, mark)
        }
    return [each for each in others if changed[each] == changed[sha]]


def _around(commit: Commit) -> Iterator[tuple[str, datetime]]:
    """The start and the end of the search for twins."""
    yield "since", max(commit.committed - WITHIN, history.moment(0))
    yield "until", commit.committed + WITHIN


def _patches(view: layout.View, shas: Sequence[str]) -> Iterator[tuple[str, tuple[FilePatch, ...]]]:
    if not shas:
        return
    mark = secrets.token_hex(16)
    command = history.log(mark, ("%H",), *history.DIFF, "--raw", "--patch")
    with closing(view.chunks(*command, stdin="".join(f"{sha}\n" for sha in shas).encode())) as chunks:
        yield from patches.read(chunks, mark)


def _branches(view: layout.View, sha: str) -> list[str]:
    """The branches that have a commit, local before remote-tracking ones."""
    said = view.run("for-each-ref", f"--contains={sha}", "--format=%(refname)", "refs/heads", "refs/remotes")
    refs = [ref for ref in history.text(said).splitlines() if not ref.endswith("/HEAD")]
    return [ref.removeprefix("refs/heads/").removeprefix("refs/remotes/") for ref in refs]


def _twin(view: layout.View, sha: str, here: frozenset[str], default: str) -> Twin | None:
    branches = _branches(view, sha)
    there = [name for name in branches if name not in here and name.removeprefix("origin/") not in here]
    if branches and not there:
        return None
    return Twin(sha, default if default in there else next(iter(there), ""))
