"""Finds a repository on disk, and makes a private view of it: with its objects and refs, without its configuration.

Git acts on much of what a repository says: hooks, filters, external diffs, a file-system monitor, programs named in its
configuration (git-config(1)), and its results depend on more of it. A view is a git directory of our own in a temporary
folder, with a configuration of our own and symbolic links to the repository's `objects`, `refs`, `packed-refs` and
`shallow` (gitrepository-layout(5)). As we own the view, git's check of a repository's owner (`safe.directory`) passes;
it is not needed, since nothing of the repository is executed.
"""

import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from adapters.sources.git import process
from bot.errors import Forbidden, NotFound

_HEAD = re.compile(r"(?:ref: (refs/[^\0\n]*[^\0\s])|[0-9a-f]{40}|[0-9a-f]{64})\s*")
_NO_ATTRIBUTES = {
    "sha1": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "sha256": "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}
"""The empty tree of each object format, which git knows without storing it: attributes are read from it."""

# A file above the threshold counts as binary: comparing two takes git minutes and gigabytes. A commit graph repeats
# data of the commits and may differ from them.
_CONFIG = """[core]
	repositoryformatversion = 1
	bare = true
	hooksPath = /dev/null
	attributesFile = /dev/null
	commitGraph = false
	bigFileThreshold = 32m
[extensions]
	objectFormat = {objects}
[attr]
	tree = {attributes}
"""


_ALTERNATES = 64 * 1024
"""The most characters of a file with folders of objects to read."""

_BORROWED = 100
"""The most folders of borrowed objects to check; git follows five in a row."""


@dataclass(frozen=True)
class Layout:
    """A repository's folders: `top` identifies it, `own` holds its HEAD, `common` its objects, refs and config."""

    top: Path
    own: Path
    common: Path


def find(repo: str) -> Layout:
    """The repository at the path `repo` or above it, as git looks for it. Raises NotFound, Forbidden."""
    try:
        start = Path(repo).expanduser().resolve(strict=True)
        for folder in (start, *start.parents):
            if own := _git_folder(folder):
                top = folder.parent if own == folder and folder.name == ".git" else folder
                return _readable(Layout(top, own, _common(own)))
    except PermissionError:
        raise Forbidden("repository_unreadable", repo=repo) from None
    except (OSError, ValueError, RuntimeError):  # a loop of links is a RuntimeError, a NUL a ValueError
        pass
    raise NotFound("path_unknown", path=repo)


def folder(beginning: str) -> tuple[Path, str]:
    """Split the beginning of a path into its folder and the beginning of the last part. Raises NotFound, Forbidden."""
    before, _, stem = beginning.rpartition("/")
    try:
        return Path(before or "/").expanduser().resolve(strict=True), stem
    except PermissionError:
        raise Forbidden("repository_unreadable", repo=beginning) from None
    except (OSError, ValueError, RuntimeError):
        raise NotFound("path_unknown", path=beginning) from None


def folders(folder: Path) -> list[Path]:
    """The subfolders of a folder, sorted by name, without links. Raises NotFound, Forbidden."""
    try:
        return sorted(Path(each.path) for each in os.scandir(folder) if each.is_dir(follow_symlinks=False))
    except PermissionError:
        raise Forbidden("repository_unreadable", repo=str(folder)) from None
    except OSError:
        raise NotFound("path_unknown", path=str(folder)) from None


def _readable(layout: Layout) -> Layout:
    """Check that this process can read a layout. Raises PermissionError."""
    for path in (layout.own / "HEAD", layout.common / "config", layout.common / "objects", layout.common / "refs"):
        if _mode(path) and not os.access(path, os.R_OK, effective_ids=True):
            raise PermissionError(path)
    return layout


def _git_folder(folder: Path) -> Path | None:
    """The git directory of the checkout or bare repository `folder`, None if it is neither."""
    inner = folder / ".git"
    if stat.S_ISREG(_mode(inner)):
        target = _beginning(inner)
        inner = (folder / target.removeprefix("gitdir:").strip()).resolve() if target.startswith("gitdir:") else inner
    return next((f for f in (inner, folder) if stat.S_ISREG(_mode(f / "HEAD")) and _has_objects(_common(f))), None)


def _has_objects(common: Path) -> bool:
    return stat.S_ISDIR(_mode(common / "objects"))


def _mode(path: Path) -> int:
    """The mode of `path`, 0 if it does not exist. Raises PermissionError, which `Path` hides from Python 3.14 on."""
    try:
        return path.stat().st_mode
    except PermissionError:
        raise
    except OSError:
        return 0


def _common(own: Path) -> Path:
    """The directory that worktrees share (git-worktree(1)); `own` if none do."""
    pointer = own / "commondir"
    return (own / _beginning(pointer).strip()).resolve() if stat.S_ISREG(_mode(pointer)) else own


def beside(layout: Layout) -> tuple[str, ...]:
    """The roots of other repositories that this one is read from, chosen by anyone who can write to it.

    They are referred to by a `.git` file, `commondir`, symbolic links, and `alternates` of objects
    (gitrepository-layout(5)).
    """
    reached = {layout.own, layout.common, *_links(layout.own), *_links(layout.common), *_links(layout.common / "refs")}
    for objects in _stores(layout.common / "objects"):
        reached |= {objects, *_links(objects)}
        with suppress(OSError), os.scandir(objects) as folders:
            reached |= {link for folder in folders if folder.is_dir() for link in _links(Path(folder.path))}
    found = (Path(os.path.realpath(path)) for path in reached)
    return tuple(sorted({str(_top(path)) for path in found if not path.is_relative_to(layout.top)}))


def _links(folder: Path) -> Iterator[Path]:
    """The symbolic links in a folder, and the folder itself if it is behind one."""
    yield folder
    with suppress(OSError), os.scandir(folder) as entries:
        yield from (Path(entry.path) for entry in entries if entry.is_symlink())


def _stores(objects: Path) -> tuple[Path, ...]:
    """Folders of objects: a repository's own, and those borrowed from, recursively; `/` if there are too many."""
    found, waiting = dict[Path, None](), [objects]
    while waiting and len(found) < _BORROWED:
        store = waiting.pop()
        found[store] = None
        waiting += [path for path in _alternates(store) if path not in found]
    return (*found, Path("/")) if waiting else tuple(found)


def _alternates(store: Path) -> tuple[Path, ...]:
    """The folders that a folder of objects borrows from; `/`, which nobody may see, if git may read others."""
    try:
        with (store / "info" / "alternates").open("rb") as file:
            said = os.fsdecode(file.read(_ALTERNATES + 1))
    except OSError:
        return ()
    if len(said) > _ALTERNATES or "\0" in said or '\n"' in f"\n{said}":  # in quotes a path has escapes
        return (Path("/"),)
    return tuple(Path(os.path.realpath(store / line)) for line in said.split("\n") if line and line[0] != "#")


def _top(path: Path) -> Path:
    """The root folder of the repository of a path in its git directory; the path itself if there is none."""
    if ".git" in path.parts:
        return Path(*path.parts[: path.parts.index(".git")])
    folders = (folder for folder in (path, *path.parents) if (folder / "HEAD").is_file())
    return next((folder for folder in folders if (folder / "objects").is_dir()), path)


def _beginning(path: Path) -> str:
    """The first 4 KiB of a small file."""
    with path.open(encoding="utf-8", errors="surrogateescape") as file:
        return file.read(4096)


def head(layout: Layout) -> str:
    """The content of HEAD: `ref: refs/heads/NAME`, or a SHA. Raises NotFound if it is neither."""
    path = layout.own / "HEAD"
    text = f"ref: {os.readlink(path)}" if path.is_symlink() else _beginning(path)
    if not _HEAD.fullmatch(text):
        raise NotFound("path_unknown", path=str(layout.top))
    return text


def config(layout: Layout) -> dict[str, str]:
    """The few entries of the repository's own config file that are used; included files are not read."""
    file = layout.common / "config"
    if not file.is_file():
        return {}
    wanted = r"^(remote\.origin\.url|extensions\.(objectformat|refstorage))$"
    command = ("config", "--file", str(file), "--no-includes", "-z", "--get-regexp", wanted)
    try:
        found = process.run(Path("/"), *command, env={"GIT_DIR": "/nonexistent"})
    except process.GitFailed:  # also if nothing matches
        return {}
    return dict(_pair(entry) for entry in found.decode(errors="surrogateescape").split("\0")[:-1])


def _pair(entry: str) -> tuple[str, str]:
    """Name and value of a `git config -z` entry."""
    name, _, value = entry.partition("\n")
    return name, value


class View:
    """A private git directory for a repository, in which git is run."""

    def __init__(self, folder: Path, limits: process.Limits) -> None:
        self.folder = folder
        self.limits = limits
        env = {"GIT_DIR": str(folder)}
        self.run = partial(process.run, folder, seconds=limits.answer, env=env)
        self.chunks = partial(process.chunks, folder, seconds=limits.stream, env=env)

    def boundary(self) -> frozenset[str]:
        """The SHAs at which a shallow clone's history was cut off; their parents are missing."""
        path = self.folder / "shallow"
        return frozenset(path.read_text("ascii").split()) if path.is_file() else frozenset()


@contextmanager
def view(layout: Layout, entries: dict[str, str], limits: process.Limits) -> Iterator[View]:
    """A view of the repository whose config has `entries`, removed again at the end. Raises NotFound, Forbidden."""
    with tempfile.TemporaryDirectory(prefix="commit-digest-") as name:
        folder = Path(name)
        objects = entries.get("extensions.objectformat", "sha1")
        if objects not in _NO_ATTRIBUTES or entries.get("extensions.refstorage", "files") != "files":
            raise NotFound("repository_unsupported", repo=str(layout.top))
        (folder / "config").write_text(_CONFIG.format(objects=objects, attributes=_NO_ATTRIBUTES[objects]))
        (folder / "HEAD").write_text(head(layout), errors="surrogateescape")
        for shared in ("objects", "refs", "packed-refs", "shallow"):
            (folder / shared).symlink_to(layout.common / shared)  # a dangling link reads as absent, which is right
        yield View(folder, limits)
