"""Draws questions of which git alone knows the answers, and holds what the bot answers by rules against them.

    PYTHONPATH=tests python tests/eval/questions.py [--number 100] [--seed TEXT] [--wrong] PATH…

The rule: of the commits of the default branch's first-parent line in the last five years, those with the smallest
SHA-256 of "seed kind SHA" are asked about, in a form that the same number chooses, in English or Chinese. What is
right is read from git's own output here, with nothing of the bot's: tags that hold a commit, messages that say they
revert it, authors, files, dates.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from world import World, words

SEED = "questions 1"
SHARES = {"released": 28, "reverted": 12, "standing": 12, "who": 16, "files": 12, "touches": 10, "since": 10}
"""Of a hundred questions; `standing` is of commits that nobody reverted."""

FORMS = {
    "released": (
        "is {0} released?",
        "which release has {0}?",
        "{0} 发布了吗",
        "{0} 在哪个版本里？",
        "has {0} been shipped yet",
    ),
    "reverted": ("was {0} reverted?", "what happened to {0}?", "{0} 被回滚了吗", "did anyone revert {0}?"),
    "who": ("who wrote {0}?", "{0} 是谁写的", "who is the author of {0}"),
    "files": ("which files does {0} change?", "{0} 改了哪些文件", "what did {0} touch?"),
    "touches": ("does {0} touch {1}?", "{0} 改了 {1} 吗"),
    "since": ("when did {0} land?", "{0} 什么时候合并的", "since when is {0} there?"),
}
FORMS["standing"] = FORMS["reverted"]
_PULL = re.compile(r"\(#(\d+)\)$|^Merge pull request #(\d+)")
_REVERTS = re.compile(r"This reverts commit ([0-9a-f]{7,40})|^Reverts? (?:[\w.-]+/[\w.-]+)?#(\d+)\b", re.MULTILINE)


class Seen(NamedTuple):
    """A commit of the line, as git prints it."""

    sha: str
    parents: tuple[str, ...]
    author: str
    landed: datetime
    message: str

    @property
    def pull(self) -> str:
        found = _PULL.search(self.message.partition("\n")[0])
        return (found[1] or found[2]) if found else ""


@dataclass(frozen=True)
class Drawn:
    """A question, and what says of an answer whether it is right."""

    kind: str
    line: str
    right: Callable[[str], bool]
    truth: str


def _folder(path: str) -> str:
    """The name of a clone's folder, which its `.git` may be given for."""
    folder = Path(path).resolve()
    return (folder.parent if folder.name == ".git" else folder).name


class Git:
    """What git says of one repository."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.name = next((p.partition("+")[2] for p in reversed(Path(path).parts) if "+" in p), _folder(path))
        self.line = tuple(self._line())
        self.tags = re.compile(
            rf"(?:{re.escape(self.name)}[-@/_]?)?v?\d+\.\d+(?:\.\d+)*(?:[-.]?(?:rc|alpha|beta|a|b|next|post)[-.]?\d*)*"
        )
        pulls = Counter(seen.pull for seen in self.line if seen.pull)
        self.unique = {pull for pull, number in pulls.items() if number == 1}
        self.reverted = dict(self._reverted())

    def run(self, *arguments: str) -> str:
        done = subprocess.run(["git", "--git-dir", self.path, *arguments], capture_output=True, check=True)
        return done.stdout.decode(errors="replace")

    def _line(self) -> Iterator[Seen]:
        form = "--format=%H%x00%P%x00%aN%x00%ct%x00%B%x01"
        said = self.run("log", "--first-parent", "--since=5 years ago", "-n", "9000", form, "HEAD")
        for record in said.split("\x01"):
            if record.strip():
                sha, parents, author, time, message = record.strip("\n").split("\0")
                yield Seen(sha, tuple(parents.split()), author, datetime.fromtimestamp(int(time), UTC), message)

    def _reverted(self) -> Iterator[tuple[str, str]]:
        """By SHA of the line the SHA of the first later commit that says it reverts it."""
        by_pull = {seen.pull: seen.sha for seen in self.line if seen.pull in self.unique}
        for seen in self.line:  # newest first: of several the oldest one is kept by dict()
            if not seen.message.lower().startswith("revert"):
                continue
            for sha, pull in _REVERTS.findall(seen.message):
                found = by_pull.get(pull, "") if pull else next((s.sha for s in self.line if s.sha.startswith(sha)), "")
                if found and found != seen.sha:
                    yield found, seen.sha

    def name_of(self, seen: Seen) -> str:
        return f"#{seen.pull}" if seen.pull in self.unique else seen.sha[:10]

    def first_release(self, sha: str) -> str:
        """The first made of the tags that name a release of the repository and hold a commit; empty for none."""
        said = self.run(
            "for-each-ref", "--sort=creatordate", "--format=%(refname:lstrip=2)", f"--contains={sha}", "refs/tags"
        )
        return next((tag for tag in said.splitlines() if self.tags.fullmatch(tag)), "")

    def files(self, seen: Seen) -> list[str]:
        base = [seen.parents[0]] if seen.parents else ["--root"]
        said = self.run("diff-tree", "-r", "-z", "--no-commit-id", "--name-only", "-M50%", "-l1500", *base, seen.sha)
        return [path for path in said.split("\0") if path and not re.fullmatch("[0-9a-f]{40}", path)]

    def authors(self, seen: Seen) -> list[str]:
        if len(seen.parents) < 2:
            # What a program commits for people is theirs.
            return re.findall(r"^Co-authored-by: ([^<\n]+?) *<", seen.message, re.M | re.I) * (
                bool(re.search(r"[\[(]bot[\])]", seen.author, re.I))
            ) or [seen.author]
        said = self.run("log", "--no-merges", "--format=%aN", f"{seen.parents[0]}..{seen.parents[1]}")
        return [name for name, _ in Counter(said.splitlines()).most_common(1)] or [seen.author]


def drawn(git: Git, number: int, seed: str) -> Iterator[Drawn]:
    """The questions about a repository; where a kind has too few, the first kind has more."""
    missing = 0
    for kind in reversed(SHARES):
        wanted = round(SHARES[kind] * number / sum(SHARES.values())) + (missing if kind == next(iter(SHARES)) else 0)
        order = sorted(git.line[:-1], key=lambda seen: _hash(seed, kind, seen.sha))  # sorted at once
        asked = (question for seen in order if (question := _MADE[kind](git, seen, _form(seed, kind, seen))))
        some = list(islice(asked, wanted))
        missing += wanted - len(some)
        yield from some


def _form(seed: str, kind: str, seen: Seen) -> str:
    return FORMS[kind][int(_hash(seed, "form", seen.sha)[:8], 16) % len(FORMS[kind])]


def _hash(*parts: str) -> str:
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


def _released(git: Git, seen: Seen, form: str) -> Drawn:
    first = git.first_release(seen.sha)

    def right(answer: str) -> bool:
        not_yet = "not been released" in answer or "还没有进入任何版本" in answer
        return (first in re.split(r"[\s（）()。,，]+", answer) and not not_yet) if first else not_yet

    return Drawn("released", form.format(git.name_of(seen)), right, first or "not released")


def _reverted(git: Git, seen: Seen, form: str) -> Drawn | None:
    if seen.sha not in git.reverted:
        return None
    later = next(s for s in git.line if s.sha == git.reverted[seen.sha])
    names = [later.sha[:7], *([f"#{later.pull}"] if later.pull else [])]

    def right(answer: str) -> bool:
        said = "was reverted" in answer or "已被回退" in answer
        return said and any(name in answer for name in names)

    return Drawn("reverted", form.format(git.name_of(seen)), right, f"reverted by {names[-1]}")


def _standing(git: Git, seen: Seen, form: str) -> Drawn | None:
    if seen.sha in git.reverted or any(
        seen.sha[:7] in s.message or (seen.pull and f"#{seen.pull}" in s.message) for s in git.line if s.sha != seen.sha
    ):
        return None  # whether what names it undoes it, git does not say

    def right(answer: str) -> bool:
        return (
            "neither reverted nor fixed" in answer
            or "既没有被回退" in answer
            or "probably" in answer
            or "很可能" in answer
        )

    return Drawn("standing", form.format(git.name_of(seen)), right, "nothing names it")


def _who(git: Git, seen: Seen, form: str) -> Drawn:
    authors = git.authors(seen)
    return Drawn(
        "who", form.format(git.name_of(seen)), lambda answer: any(a in answer for a in authors), ", ".join(authors)
    )


def _files(git: Git, seen: Seen, form: str) -> Drawn:
    files = git.files(seen)
    count = re.compile(rf"(?<![\d,]){len(files):,} (?:files?|个文件)")

    def right(answer: str) -> bool:
        named = sum(path in answer for path in files)
        return bool(count.search(answer)) and named >= min(len(files), 15)

    return Drawn("files", form.format(git.name_of(seen)), right, f"{len(files)} files")


def _touches(git: Git, seen: Seen, form: str) -> Drawn | None:
    files = git.files(seen)
    folders = sorted({f"{path.rpartition('/')[0]}/" for s in git.line[:40] for path in git.files(s) if "/" in path})
    chosen = int(_hash(seen.sha, "folder")[:8], 16)
    own = [f"{path.rpartition('/')[0]}/" for path in files if "/" in path]
    if not own or " " in "".join(folders + own):
        return None
    folder = own[chosen % len(own)] if chosen % 2 else folders[chosen % len(folders)]
    yes = any(f"/{folder}" in f"/{path}" for path in files)

    def right(answer: str) -> bool:
        said_yes, said_no = "Yes, " in answer or "是的" in answer, "No, " in answer or "没有，" in answer
        return said_yes if yes else said_no

    return Drawn("touches", form.format(git.name_of(seen), folder), right, f"{folder}: {yes}")


def _since(git: Git, seen: Seen, form: str) -> Drawn:
    date = f"{seen.landed:%Y-%m-%d %H:%M}"
    return Drawn("since", form.format(git.name_of(seen)), lambda answer: date in answer, date)


def _named(path: str, folder: str) -> str:
    """The same repository under its own name: a copy has the name of its folder, and releases are known by that."""
    name = next((p.replace("+", "/") for p in reversed(Path(path).parts) if "+" in p), "")
    if not name:
        return path
    copy = f"{folder}/copy"
    for command in (
        ["clone", "--quiet", "--bare", "--shared", path, copy],
        ["--git-dir", copy, "config", "remote.origin.url", f"https://github.com/{name}"],
    ):
        subprocess.run(["git", *command], check=True)
    return copy


_MADE: dict[str, Callable[[Git, Seen, str], Drawn | None]] = {
    "released": _released,
    "reverted": _reverted,
    "standing": _standing,
    "who": _who,
    "files": _files,
    "touches": _touches,
    "since": _since,
}


def main(arguments: Sequence[str]) -> int:
    """Print how many answers are right, of each kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repositories", nargs="+", metavar="PATH", help="a git directory; OWNER+NAME above it names it")
    parser.add_argument("--number", type=int, default=100)
    parser.add_argument("--seed", default=SEED)
    parser.add_argument("--wrong", action="store_true", help="show each wrong answer")
    asked = parser.parse_args(arguments)
    wrong = 0
    for path in asked.repositories:
        git = Git(path)
        right, of = Counter[str](), Counter[str]()
        with tempfile.TemporaryDirectory() as folder:
            declined = 0
            world = World(Path(folder), lambda: datetime.now(UTC), _named(path, folder))
            for question in drawn(git, asked.number, asked.seed):
                answer = " ".join(
                    words(message) for post in world.ask(question.line) for message in (post.headline, *post.replies)
                )
                fine = question.right(re.sub(r"\s+", " ", answer))
                of[question.kind] += 1
                declined += not fine and ("can't tell" in answer or "无法判断" in answer)
                right[question.kind] += fine
                if not fine and asked.wrong:
                    print(f"  {question.kind}: {question.line} · {question.truth} · {answer[:500]}", flush=True)
            world.close()
        wrong += of.total() - right.total()
        by_kind = ", ".join(f"{kind} {right[kind]}/{of[kind]}" for kind in SHARES)
        print(f"{git.name}: {right.total()} of {of.total()} right, {declined} declined ({by_kind})", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
