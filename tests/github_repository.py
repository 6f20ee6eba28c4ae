"""What a test server of GitHub reads of a real git repository, with the git command."""

from __future__ import annotations

import hashlib
import io
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from repositories import ENVIRONMENT, git

_FIELDS = 8
_LANDED = re.compile(r"\(#(\d+)\)\s*$|^Merge pull request #(\d+)\b")
_STATUS = {"A": "added", "D": "removed", "M": "modified", "R": "renamed", "C": "copied", "T": "changed"}
DIFF = ("-M50%", "-l1000", "--no-color", "--abbrev=40")
_MARK = "\x01commit "


def stamp(when: datetime) -> str:
    """A moment as GitHub writes it."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Meta:
    """A commit without its files."""

    sha: str
    parents: tuple[str, ...]
    author: str
    email: str
    committed: str
    message: str
    authored: str
    tree: str


@dataclass(frozen=True)
class File:
    """A file of a commit."""

    path: str
    status: str
    additions: int
    deletions: int
    blob: str
    previous: str | None
    patch: str | None

    def rest(self) -> dict[str, Any]:
        """A `diff-entry` of the REST API."""
        entry: dict[str, Any] = {
            "sha": self.blob,
            "filename": self.path,
            "status": self.status,
            "additions": self.additions,
            "deletions": self.deletions,
            "changes": self.additions + self.deletions,
        }
        entry |= {"previous_filename": self.previous} if self.previous else {}
        return entry | ({"patch": self.patch} if self.patch is not None else {})


@dataclass(frozen=True)
class Tag:
    """An annotated tag: what it points at, and when it was made, empty where that is not said."""

    reader: Reader
    sha: str
    name: str
    target: str
    date: str


def _state(path: Path) -> bytes:
    """What tells one state of a repository from another: its branches and tags."""
    folder = path / ".git" if (path / ".git").is_dir() else path
    files = [folder / "HEAD", folder / "packed-refs", *sorted((folder / "refs").rglob("*"))]
    told = (b"%s\0%s" % (str(file.relative_to(folder)).encode(), file.read_bytes()) for file in files if file.is_file())
    return hashlib.sha256(b"\0".join(told)).digest()


@lru_cache(maxsize=256)
def _said(path: Path, state: bytes, arguments: tuple[str, ...]) -> str:
    return git(path, *arguments)


class Reader:
    """A repository called `name` at `path`, as it was when `load` was called last."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = path
        self.patch_limit = 1_000_000
        self.load()

    def load(self) -> None:
        """Read the repository."""
        self._state = _state(self.path)
        self.default_branch = self._git("symbolic-ref", "HEAD").removeprefix("refs/heads/")
        refs = self._git("for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", "refs/heads")
        self.branches = {name: sha for sha, name in (line.split(" ", 1) for line in refs.splitlines())}
        # What is forced away stays there for long, and can be asked for by its SHA.
        self.commits: dict[str, Meta] = {**self.__dict__.get("commits", {}), **self._commits()}
        self.__dict__.pop("tags", None)
        self.__dict__.pop("_tag_objects", None)
        self.__dict__.pop("_own_files", None)
        self.__dict__.pop("pulls", None)
        self.history = lru_cache(maxsize=None)(self._history)
        self._other_files = lru_cache(maxsize=None)(self._compared)

    def _git(self, *arguments: str) -> str:
        """What `git` says of the repository as it was when it was loaded, asked once for all servers of it."""
        return _said(self.path, self._state, arguments)

    @cached_property
    def _own_files(self) -> dict[str, tuple[File, ...]]:
        """The files of each commit against its first parent."""
        log = ("log", "--all", "--diff-merges=first-parent", *DIFF)
        raw, counts = (self._git(*log, "-z", f"--format={_MARK}%H", form) for form in ("--raw", "--numstat"))
        patches = self._git(*log, f"--format={_MARK}%H%n", "-p")
        records = (text.split(_MARK)[1:] for text in (raw, counts, patches))
        return {one[:40]: self._files(one[40:], two[40:], three[40:]) for one, two, three in zip(*records, strict=True)}

    @cached_property
    def tags(self) -> dict[str, str]:
        """The object of each tag by its name."""
        refs = self._git("for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", "refs/tags")
        return {name: sha for sha, name in (line.split(" ", 1) for line in refs.splitlines())}

    def object(self, sha: str) -> Any:
        """A commit as (Reader, SHA), a Tag, or itself for anything else."""
        return (self, sha) if sha in self.commits else self._tag_objects.get(sha, sha)

    @cached_property
    def _tag_objects(self) -> dict[str, Tag]:
        """The annotated tags, and the tags at which they point, as git-mktag(1) describes their objects."""
        found: dict[str, Tag] = {}
        asked = set(self.tags.values())
        while asked := asked - self.commits.keys() - found.keys():
            new = dict(self._read_tags(asked))
            found |= new
            asked = {tag.target for tag in new.values()}
        return found

    def _read_tags(self, shas: Iterable[str]) -> Iterator[tuple[str, Tag]]:
        """Those of `shas` that are annotated tags."""
        command = ["git", "-c", "safe.directory=*", "-C", str(self.path), "cat-file", "--batch"]
        asked = "".join(f"{sha}\n" for sha in shas).encode()
        said = io.BytesIO(subprocess.run(command, input=asked, env=ENVIRONMENT, capture_output=True, check=True).stdout)
        while about := said.readline().decode().split():
            sha, kind, size = about
            text = said.read(int(size) + 1).decode(errors="replace")
            if kind == "tag":
                fields = dict(line.partition(" ")[::2] for line in text.partition("\n\n")[0].split("\n"))
                seconds = re.search(r"> (\d+) [-+]\d{4}$", fields.get("tagger", ""))
                date = stamp(datetime.fromtimestamp(int(seconds[1]), UTC)) if seconds else ""
                yield sha, Tag(self, sha, fields["tag"], fields["object"], date)

    def peeled(self, sha: str) -> str:
        """The commit at which a tag's object points in the end, empty for none."""
        found = self.object(sha)
        while isinstance(found, Tag):
            found = self.object(found.target)
        return found[1] if isinstance(found, tuple) else ""

    def tag_date(self, sha: str) -> str:
        """The date of the commit of a tag, empty for one of something else."""
        commit = self.peeled(sha)
        return self.commits[commit].committed if commit else ""

    def ahead_behind(self, base: str, head: str) -> tuple[int, int] | None:
        """How many commits `head` has that `base` has not, and the reverse; None where nothing is common to both."""
        behind, ahead = map(int, git(self.path, "rev-list", "--left-right", "--count", f"{base}...{head}").split())
        try:
            if ahead and behind:
                git(self.path, "merge-base", base, head)
        except AssertionError:  # git ends with 1 where there is none
            return None
        return ahead, behind

    def _commits(self) -> dict[str, Meta]:
        form = "%H%x00%P%x00%an%x00%ae%x00%ct%x00%at%x00%T%x00%B"
        fields = self._git("log", "--all", "-z", "--encoding=UTF-8", f"--format={form}").split("\0")
        found = {}
        for at in range(0, len(fields) - _FIELDS + 1, _FIELDS):
            sha, parents, author, email, seconds, written, tree, message = fields[at : at + _FIELDS]
            when = stamp(datetime.fromtimestamp(int(seconds or 0), UTC))
            authored = stamp(datetime.fromtimestamp(int(written or 0), UTC))
            found[sha] = Meta(sha, tuple(parents.split()), author, email, when, message.rstrip("\n"), authored, tree)
        return found

    def resolve(self, ref: str) -> str:
        """The commit that GitHub finds for a branch or the start of a SHA; none for one that is ambiguous."""
        ref = ref.removeprefix("heads/")
        if ref in self.branches:
            return self.branches[ref]
        found = [sha for sha in self.commits if sha.startswith(ref.lower())] if len(ref) >= 4 else []
        return found[0] if len(found) == 1 else ""

    def _history(self, tip: str, since: str, until: str, path: str = "") -> tuple[str, ...]:
        options = [f"--{name}={value}" for name, value in (("since", since), ("until", until)) if value]
        return tuple(self._git("rev-list", *options, tip, "--", *([path] if path else [])).split())

    def touching(self, tip: str, path: str) -> list[str]:
        """The commits of a history that touch files under a path."""
        return git(self.path, "rev-list", tip, "--", f":(literal,top){path}").split()

    def folder(self, ref: str, path: str) -> list[tuple[str, str]] | None:
        """Path and object of everything in a folder of a commit; None where there is no such folder."""
        tree = f"{self.resolve(ref)}:{path}"
        if git(self.path, "cat-file", "--batch-check=%(objecttype)", stdin=f"{tree}\n".encode()) != "tree":
            return None
        entries = [entry.split("\t", 1) for entry in git(self.path, "ls-tree", "-z", tree).split("\0")[:-1]]
        return [(f"{path}/{name}".lstrip("/"), about.split()[2]) for about, name in entries]

    def file(self, ref: str, path: str) -> bytes | None:
        """What a file of a commit holds; None where there is none."""
        return self.output("cat-file", "blob", f"{self.resolve(ref)}:{path}")

    def mode(self, ref: str, path: str) -> str:
        """What git calls a path of a commit: `120000` a symbolic link, `160000` a submodule; empty for nothing."""
        listed = self.output("--literal-pathspecs", "ls-tree", self.resolve(ref), "--", path) if path else None
        return (listed or b"")[:6].decode()

    def archive(self, ref: str, prefix: str) -> bytes:
        """The archive of a commit, in which `prefix` stands before every path."""
        made = self.output("archive", "--format=tar.gz", f"--prefix={prefix}", self.resolve(ref))
        assert made is not None
        return made

    def output(self, *arguments: str) -> bytes | None:
        """The bytes that git prints; None where it fails."""
        command = ["git", "-c", "safe.directory=*", "-C", str(self.path), *arguments]
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=False)
        return None if done.returncode else done.stdout

    def between(self, base: str, head: str) -> list[str]:
        """The commits of `git log base..head`, oldest first."""
        return self._git("rev-list", "--reverse", f"{base}..{head}").split()

    @cached_property
    def pulls(self) -> dict[int, tuple[str, int]]:
        """The pull requests that subjects of the default branch name: where each landed, and its commits."""
        tip = self.branches.get(self.default_branch)
        found = {}
        for sha in self._git("rev-list", "--first-parent", tip).split() if tip else ():
            meta = self.commits[sha]
            if named := _LANDED.search(meta.message.partition("\n")[0]):
                count = len(self.between(meta.parents[0], sha)) - 1 if len(meta.parents) > 1 else 1
                found[int(named[1] or named[2])] = (sha, count)
        return found

    def files(self, sha: str, base: str = "") -> tuple[File, ...]:
        """The files of a commit against its first parent or `base`, by path."""
        parents = self.commits[sha].parents
        base = base or (parents[0] if parents and sha not in self._own_files else "")
        other = base and (base not in parents[:1] or sha not in self._own_files)
        found = self._other_files(sha, base) if other else self._own_files[sha]
        return tuple(self._served(file) for file in found)

    def _served(self, file: File) -> File:
        """A file as GitHub serves it: without its patch when that is too long."""
        return replace(file, patch=None) if file.patch and len(file.patch) > self.patch_limit else file

    def _compared(self, sha: str, base: str) -> tuple[File, ...]:
        tree = ("diff-tree", "-r", "--no-commit-id", *DIFF)
        raw, counts = (self._git(*tree, "-z", form, base, sha) for form in ("--raw", "--numstat"))
        return self._files(raw, counts, self._git(*tree, "-p", base, sha))

    @staticmethod
    def _files(raw: str, counts: str, patches: str) -> tuple[File, ...]:
        """The files of a commit from its `--raw -z`, `--numstat -z` and `-p`, which list them in the same order."""
        fields, numbers = (text.lstrip("\0\n").split("\0") for text in (raw, counts))
        files, entry, count = [], 0, 0
        for section in ("\n" + patches.lstrip("\n")).split("\ndiff --git ")[1:]:
            old, new, letter = fields[entry].split()[2:5]
            moved = letter[0] in "RC"
            previous, path = (fields[entry + 1], fields[entry + 2]) if moved else (None, fields[entry + 1])
            lines = [0 if n == "-" else int(n) for n in numbers[count].split("\t")[:2]]
            entry, count = entry + (3 if moved else 2), count + (3 if moved else 1)
            start = section.find("\n@@ ") + 1
            blob = old if letter == "D" else new
            patch = section[start:].rstrip("\n") if start else None
            files.append(File(path, _STATUS[letter[0]], lines[0], lines[1], blob, previous, patch))
        return tuple(files)
