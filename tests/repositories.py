"""Real git repositories for tests, built by one `git fast-import` each, so that every SHA is the same every time.

`Builder` collects commits and writes them at `finish()`; `contract_history` is the history that every source of
commits has to tell alike (source_contract.py).
"""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

DEV_ONE = ("dev-one", "dev-one@example.com")
DEV_TWO = ("dev-two", "4242+dev-two@users.noreply.github.com")
DAY = datetime(2026, 2, 16, tzinfo=UTC)
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
}

Content = str | bytes


@dataclass(frozen=True)
class Entry:
    """A path's mode and content; for a submodule (mode 160000) the content is a SHA."""

    content: Content
    mode: str = "100644"


def link(target: str) -> Entry:
    """A symbolic link."""
    return Entry(target, "120000")


def script(content: Content) -> Entry:
    """An executable file."""
    return Entry(content, "100755")


def submodule(sha: str) -> Entry:
    """A submodule at a commit."""
    return Entry(sha, "160000")


Files = Mapping[str | bytes, Content | Entry | None]
"""What a commit writes; None removes the path."""

Identity = tuple[str | bytes, str | bytes]
"""A name and an email address."""


def git(path: Path, *arguments: str, stdin: bytes | None = None) -> str:
    """What `git` says in `path`, under an environment without any user's configuration."""
    command = ["git", "-c", "safe.directory=*", "-C", str(path), *arguments]
    done = subprocess.run(command, input=stdin, env=ENVIRONMENT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout.decode(errors="replace").rstrip("\n")


def raw(text: Content) -> bytes:
    """`text` as bytes."""
    return text.encode() if isinstance(text, str) else text


def _quoted(path: str | bytes) -> bytes:
    """`path` as fast-import reads any byte of it: in quotes, with octal escapes."""
    plain = b"".join(bytes([c]) if (chr(c).isalnum() and c < 128) or c in b"/._-" else b"\\%03o" % c for c in raw(path))
    return b'"' + plain + b'"'


def _stamp(when: datetime | int | str) -> bytes:
    """Git's raw date of a moment; a string is written as it is, however broken."""
    if isinstance(when, datetime):
        when = round(when.timestamp())
    return when.encode() if isinstance(when, str) else b"%d +0000" % when


@cache
def _empty(*init: str) -> Path:
    """An empty repository, which others begin as copies of: a process less for each of a thousand."""
    folder = Path(tempfile.mkdtemp(prefix="empty"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    git(folder, *init)
    return folder


@dataclass(frozen=True)
class History:
    """A built repository: where it is and the SHA of each commit by its builder's name."""

    path: Path
    shas: Mapping[str, str]

    def sha(self, name: str) -> str:
        """The SHA of the commit called `name`."""
        return self.shas[name]


class Builder:
    """Collects commits for a repository at `path`; nothing is written before `finish()`.

    The first commit of a branch that has no `parents` given is a root; later ones follow the branch.
    """

    def __init__(self, path: Path, *, bare: bool = True, branch: str = "main", objects: str = "sha1") -> None:
        self.path = path
        self._init = ("init", "-q", "--template=", f"--initial-branch={branch}", f"--object-format={objects}")
        self._init += ("--bare",) if bare else ()
        self._branch = branch
        self._bare = bare
        self._stream: list[bytes] = []
        self._marks: dict[str, int] = {}
        self._tips: dict[str, str] = {}
        self._refs: dict[str, str] = {}
        self._tags: list[bytes] = []
        self._next = 1

    def commit(
        self,
        name: str,
        at: datetime | int | str,
        files: Files | None = None,
        *,
        message: Content | None = None,
        branch: str = "",
        parents: Sequence[str] | None = None,
        author: Identity = DEV_ONE,
        encoding: str = "",
    ) -> str:
        """Add the commit `name` to `branch`, committed and written at `at`; returns `name`.

        `parents` names other commits; a merge starts from its first parent's files, so say in `files` what it brings.
        """
        branch = branch or self._branch
        if parents is None:
            parents = [self._tips[branch]] if branch in self._tips else []
        self._marks[name] = self._mark()
        self._tips[branch] = name
        identity = b"%s <%s> %s\n" % (raw(author[0]), raw(author[1]), _stamp(at))
        self._stream += [
            b"reset refs/heads/%s\n" % branch.encode() if not parents else b"",
            b"commit refs/heads/%s\nmark :%d\n" % (branch.encode(), self._marks[name]),
            b"author " + identity + b"committer " + identity,
            b"encoding %s\n" % encoding.encode() if encoding else b"",
            _data(name if message is None else message),
            *(b"%s :%d\n" % (b"merge" if i else b"from", self._marks[p]) for i, p in enumerate(parents)),
            *(_change(path, entry) for path, entry in (files or {}).items()),
            b"\n",
        ]
        return name

    def ref(self, ref: str, name: str) -> None:
        """Let `ref`, such as `refs/tags/v1`, point at the commit `name`."""
        self._refs[ref] = name

    def tag(self, name: str, commit: str, at: datetime | int | str, message: str = "") -> None:
        """Add the annotated tag `name` of a commit, made at `at`, which says its name or a message."""
        tagger = b"tagger %s <%s> %s\n" % (raw(DEV_ONE[0]), raw(DEV_ONE[1]), _stamp(at))
        text = _data(message or name)
        self._tags.append(b"tag %s\nfrom :%d\n%s%s" % (name.encode(), self._marks[commit], tagger, text))

    def finish(self) -> History:
        """Write the repository."""
        self.path.mkdir(parents=True, exist_ok=True)
        shutil.copytree(_empty(*self._init), self.path, dirs_exist_ok=True)
        for ref, name in self._refs.items():
            self._stream.append(b"reset %s\nfrom :%d\n\n" % (ref.encode(), self._marks[name]))
        self._stream += self._tags
        marks = self.path.parent / f"{self.path.name}.marks"
        options = ["--quiet", "--force", "--date-format=raw-permissive", f"--export-marks={marks}"]
        git(self.path, "fast-import", *options, stdin=b"".join(self._stream) + b"done\n")
        by_mark = dict(line.split() for line in marks.read_text().splitlines())
        marks.unlink()
        if not self._bare and self._branch in self._tips:
            git(self.path, "reset", "-q", "--hard")
        return History(self.path, {name: by_mark[f":{mark}"] for name, mark in self._marks.items()})

    def _mark(self) -> int:
        self._next += 1
        return self._next


def _data(text: Content) -> bytes:
    """A fast-import data block."""
    return b"data %d\n%s\n" % (len(raw(text)), raw(text))


def _change(path: str | bytes, entry: Content | Entry | None) -> bytes:
    """What fast-import does with one path."""
    if entry is None:
        return b"D %s\n" % _quoted(path)
    if not isinstance(entry, Entry):
        entry = Entry(entry)
    if entry.mode == "160000":
        return b"M 160000 %s %s\n" % (raw(entry.content), _quoted(path))
    return b"M %s inline %s\n" % (entry.mode.encode(), _quoted(path)) + _data(entry.content)


def lines(first: int, last: int, word: str = "line") -> str:
    """Numbered lines from `first` to `last`."""
    return "".join(f"{word} {n}\n" for n in range(first, last + 1))


# --- The history that every source tells alike -----------------------------------------------

BINARY = bytes(range(256))
HOSTILE = "fix: \x1b[31mred\x1b[0m <!channel> \u202egnp.exe [x](javascript:1)"


def at(hour: float) -> datetime:
    """A moment `hour` hours into the day that the contract asks about."""
    return DAY + timedelta(hours=hour)


MAILMAP = "dev-three <dev-three@example.com> <OLD@example.com>\n"


def contract_history(path: Path) -> History:
    """The contract's repository: bare, branches `main`, `release/1.0`, `twin-one` and `twin-two`, tag `v1`.

    All commits of `main` but `root`, `old` and `last` fall into `DAY`; `twins` have SHAs with the same four digits.
    """
    build = Builder(path)
    app = lines(1, 40)
    build.commit("root", at(-38), {"README.md": "# Example\n", "src/app.py": app, "docs/old.md": lines(1, 3)})
    build.commit("old", DAY - timedelta(seconds=1), {"README.md": "# Example\n\nOld.\n", "assets/logo.bin": BINARY})
    build.commit("start", DAY, {"src/app.py": app.replace("line 20\n", "line twenty\n")}, message="Start of the day")
    _feature(build)
    _rest_of_the_day(build)
    history = build.finish()
    return History(path, {**history.shas, **_twins(history)})


def _feature(build: Builder) -> None:
    """A squashed pull request, and one with two commits of its own that was merged."""
    body = "Add the cache (#12)\n\nWhy it matters.\n\nSecond paragraph.\n"
    build.commit("squash", at(9), {"src/cache.py": lines(1, 5, "cache")}, message=body, author=DEV_TWO)
    build.ref("refs/tags/v1", "squash")
    build.ref("refs/heads/v1-line", "squash")
    patch = {"src/release.py": "release = 1\n"}
    build.commit("release", at(9.5), patch, message="Release 1.0", branch="release/1.0", parents=["squash"])
    build.commit("inner-one", at(8), {"src/fast.py": "fast = 1\n"}, message="Try", branch="topic", parents=["start"])
    build.commit("inner-two", at(10), {"src/fast.py": "fast = 2\n"}, branch="topic", message="Better", author=DEV_TWO)
    message = "Merge pull request #15 from team/topic\n\nFaster start\n"
    build.commit("merge", at(11), {"src/fast.py": "fast = 2\n"}, message=message, parents=["squash", "inner-two"])


def _rest_of_the_day(build: Builder) -> None:
    """One commit for each thing that can happen to a file, and messages that mean no pull request."""
    app = lines(1, 40).replace("line 20\n", "line twenty\n")
    moved = {"src/app.py": None, "src/main.py": app + "line 41\n"}
    build.commit("rename", at(12), moved, message="Move the app", author=("d3", "old@example.com"))
    build.commit("remove", at(13), {"docs/old.md": None}, message="Remove the old page")
    build.commit("binary", at(14), {"assets/logo.bin": BINARY[::-1]}, message="New logo", author=DEV_TWO)
    several = {"README.md": "# Example\n\nNew.\n", "docs/new.md": lines(1, 4), "src/fast.py": "fast = 3"}
    build.commit("several", at(15), several, message=HOSTILE)
    two_hunks = app.replace("line 2\n", "line two\n") + "line 42\n"
    build.commit("mention", at(16), {"src/main.py": two_hunks}, message="Speed up\n\nFollows the cache (#12)")
    tomorrow = {"README.md": "# Example\n\nTomorrow.\n", ".mailmap": MAILMAP}
    build.commit("last", at(24), tomorrow, message="First of the next day")


def _twins(history: History) -> dict[str, str]:
    """Two commits whose SHAs share their first four digits, found by trying messages."""
    tree, parent = git(history.path, "rev-parse", "main^{tree}", "main").split()
    head = f"tree {tree}\nparent {parent}\nauthor dev-one <dev-one@example.com> {{0}}\n"
    head = (head + "committer dev-one <dev-one@example.com> {0}\n\n").format(_stamp(at(48)).decode())
    seen: dict[str, bytes] = {}
    number = 0
    while True:
        number += 1
        text = f"{head}Twin {number}\n".encode()
        prefix = hashlib.sha1(b"commit %d\0" % len(text) + text, usedforsecurity=False).hexdigest()[:4]
        if prefix in seen:
            return {name: _write(history.path, name, t) for name, t in (("twin-one", seen[prefix]), ("twin-two", text))}
        seen[prefix] = text


def _write(path: Path, branch: str, commit: bytes) -> str:
    """Write a commit object and let `branch` point at it."""
    sha = git(path, "hash-object", "-t", "commit", "-w", "--stdin", stdin=commit)
    git(path, "update-ref", f"refs/heads/{branch}", sha)
    return sha


def releases_history(path: Path) -> History:
    """A repository with releases among other tags: bare, branches `main`, `maintenance`, `side`, `release/1.1` and
    `release/1.2.0`.

    `v1.0.1` is the youngest release, of the oldest line. What is no release points at older commits than any that is.
    """
    build = Builder(path)
    build.commit("root", at(-240), {"app.py": "1\n"})
    build.commit("one", at(-200), {"app.py": "2\n"})
    build.commit("fix", at(-150), {"app.py": "2.1\n"}, branch="maintenance", parents=["one"])
    build.commit("beside", at(-140), {"side.py": "1\n"}, branch="side", parents=["one"])
    for name, hour in (("two", -160), ("three", -140), ("four", -90), ("five", -70), ("six", -60), ("seven", -10)):
        build.commit(name, at(hour), {"app.py": f"{name}\n"})
    # As `four` changes its file, with other lines around it elsewhere; and a change that is only as large.
    build.commit("ported", at(-75), {"app.py": "four\n"}, branch="release/1.1", parents=["three"])
    build.commit("another", at(-74), {"app.py": "else\n"}, branch="release/1.1")
    for tag, commit in (("v1.0.0", "one"), ("release/1.2.0", "five"), ("v1", "four"), ("latest", "six")):
        build.ref(f"refs/tags/{tag}", commit)
    for tag in (
        "-x",
        "-1.0.0",
        "main",
        "nightly-2026-02-01",
        "lib-v3.0.0",
        "tool@2.0.0",
        "@team/tool@2.1.0",
        "v1.0.0.dev1",
    ):
        build.ref(f"refs/tags/{tag}", "root")
    build.ref("refs/heads/release/1.2.0", "root")
    for tag, commit, hour in (("v1.1.0-rc1", "three", -100), ("v1.1.0", "four", -80), ("v1.0.1", "fix", -20)):
        build.tag(tag, commit, at(hour))
    history = build.finish()
    _odd_tags(history)
    return history


def _odd_tags(history: History) -> None:
    """A tag of a tag, `v1.3.0` of the commit `six`, and tags of a tree and a blob."""
    form = "object {}\ntype {}\ntag {}\ntagger dev-one <dev-one@example.com> {}\n\nText\n"
    sha = history.sha("six")
    for kind, name, hour in (("commit", "inner", -50), ("tag", "v1.3.0", -40)):
        text = form.format(sha, kind, name, _stamp(at(hour)).decode())
        sha = git(history.path, "mktag", stdin=text.encode())
    git(history.path, "update-ref", "refs/tags/v1.3.0", sha)
    for name, what in (("v0.1.0", "HEAD^{tree}"), ("v0.2.0", "HEAD:app.py")):
        git(history.path, "update-ref", f"refs/tags/{name}", git(history.path, "rev-parse", what))


RELEASES = {
    "v1.0.0": ("one", -200),
    "v1.1.0-rc1": ("three", -100),
    "v1.1.0": ("four", -80),
    "release/1.2.0": ("five", -70),
    "v1.3.0": ("six", -40),
    "v1.0.1": ("fix", -20),
}
"""The releases of `releases_history`, oldest first: the commit and the hour of each."""

FIRST_RELEASES = {
    "root": "v1.0.0",
    "one": "v1.0.0",
    "two": "v1.1.0-rc1",
    "three": "v1.1.0-rc1",
    "four": "v1.1.0",
    "five": "release/1.2.0",
    "six": "v1.3.0",
    "fix": "v1.0.1",
}
"""The first release of each commit of `releases_history` that is in any."""
