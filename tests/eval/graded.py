"""Commits that maintainers graded, read from a file: one JSON object a line, gzipped or not.

Needed are `repo, sha, date, subject, numstat, grade`; `body, pr, bot, levels` are used where they are. `numstat` lists
`[path, added, removed]`, null counts for a binary file; `grade` is high, medium or low.
"""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.commits import reading
from bot.commits.people import Signature
from bot.commits.reading import Written
from bot.values import Commit, FileChange, FileStatus, Importance

GRADES = {Importance.LOW: 0, Importance.MEDIUM: 1, Importance.HIGH: 2}
_MOVED = re.compile(r"\{([^{}]*) => ([^{}]*)\}")


class Unreadable(Exception):
    """A file of graded commits that cannot be read; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Graded:
    """A commit with the grade its maintainers gave it; `levels` as in `metrics.Page`."""

    commit: Commit
    grade: int
    levels: int


def read(path: Path) -> dict[str, list[Graded]]:
    """The graded commits of each repository, in the order of the file. Raises Unreadable."""
    found: dict[str, list[Graded]] = {}
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                graded = _graded(line, f"{path}, line {number}")
                found.setdefault(graded.commit.repo, []).append(graded)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise Unreadable(f"{path} cannot be read: {error}.") from None
    if not found:
        raise Unreadable(f"{path} holds no commit.")
    return found


def _graded(line: str, where: str) -> Graded:
    try:
        record = json.loads(line)
        return Graded(_commit(record), GRADES[Importance(record["grade"])], int(record.get("levels", 3)))
    except KeyError as error:
        raise Unreadable(f"{where}: the field {error} is missing.") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise Unreadable(f"{where}: {error}.") from None


def _commit(record: dict[str, Any]) -> Commit:
    repo, sha = record["repo"], record["sha"]
    author = Signature("someone", login="bot[bot]" if record.get("bot") else None)
    message = f"{record['subject']}\n\n{record.get('body') or ''}"
    return reading.commit(
        repo,
        Written(sha, message, author),
        committed=datetime.fromisoformat(record["date"]).astimezone(UTC),
        parents=(),
        changes=tuple(_file(*entry) for entry in record["numstat"]),
        pull=record.get("pr"),
    )


def _file(path: str, added: int | None, removed: int | None) -> FileChange:
    """A file of `git log --numstat`, which writes a rename as `a/{b => c}/d` or `b => c`."""
    old, arrow, new = path.partition(" => ")
    if _MOVED.search(path):
        old, new = (_MOVED.sub(rf"\{side}", path).replace("//", "/") for side in (1, 2))
    if not arrow:
        return FileChange(path, FileStatus.MODIFIED, added or 0, removed or 0, binary=added is None)
    return FileChange(new, FileStatus.RENAMED, added or 0, removed or 0, previous=old, binary=added is None)
