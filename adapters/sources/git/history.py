"""The arguments of git for commits, and parsing its output. Pure: no process, no disk."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bot.commits.people import Mailmap, Signature
from bot.commits.reading import Written
from bot.values import INNER_COMMITS, FileChange, FileStatus

OUT_OF_ORDER = 1000
"""After this many consecutive commits that are too old, the rest is assumed to be too old."""

DIFF = (
    "--root",
    "--diff-merges=first-parent",
    "--find-renames=50%",
    "-l1500",
    "--no-ext-diff",
    "--no-textconv",
    "--submodule=short",
    "--no-color",
)
"""A rename needs half of the content alike. With more than `-l` candidates on a side git looks for exact renames only;
its own bound is 400 before 2.34 and 1,000 since. 1,000 by 1,000 unrelated files took 0.66 s when measured."""

SIDES = ("--root", "--diff-merges=first-parent", "--no-renames", "--raw", "--no-abbrev", "-z")
"""Lists every file of a diff on both sides, without reading any."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = 253_402_300_799 - 2 * 86_400  # the last second of the year 9999, which datetime can hold, in every zone
_STATUS = {b"A": FileStatus.ADDED, b"C": FileStatus.ADDED, b"D": FileStatus.REMOVED, b"R": FileStatus.RENAMED}


def log(mark: str, fields: Sequence[str], *options: str) -> tuple[str, ...]:
    """The arguments of a `git log` over the SHAs on its standard input, in that order.

    Each record begins with `mark`, which is random, so that no message and no patch can imitate it; fields end in NUL.
    """
    form = f"--format={mark}" + "%x00".join(fields)
    safe = ("--encoding=UTF-8", "--no-show-signature", "--no-mailmap", "--no-notes", "--no-decorate")
    return ("log", "--no-walk=unsorted", "--stdin", "-z", *safe, form, *options)


FIELDS = ("%H", "%P", "%ct", "%an", "%ae", "%B")


def pieces(chunks: Iterable[bytes], delimiter: bytes) -> Iterator[tuple[bytes, bool]]:
    """Split a stream at `delimiter`, with at most a chunk in memory: pieces, and whether each ends a part."""
    rest = b""
    keep = len(delimiter) - 1
    for chunk in chunks:
        *ended, rest = (rest + chunk).split(delimiter)
        yield from ((part, True) for part in ended)
        if len(rest) > keep:
            yield rest[:-keep], False
            rest = rest[-keep:]
    yield rest, True


def records(chunks: Iterable[bytes], mark: str) -> Iterator[list[bytes]]:
    """The NUL-separated fields of each record of a `log`."""
    parts: list[bytes] = []
    first = True
    for piece, last in pieces(chunks, mark.encode()):
        parts.append(piece)
        if last:
            if not first:
                yield b"".join(parts).split(b"\0")
            parts, first = [], False


def seconds(written: str | bytes) -> int:
    """Parse a committer time; an invalid one, or one beyond the year 9999, is 0 (git accepts none below)."""
    value = int(written or 0)
    return value if 0 <= value <= _LAST else 0


def moment(seconds: int) -> datetime:
    """Seconds since 1970 as a time in UTC."""
    return _EPOCH + timedelta(seconds=seconds)


def text(field: bytes) -> str:
    """A field as text; invalid UTF-8 becomes U+FFFD."""
    return field.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Record:
    """A commit as git prints it, without what it merged."""

    written: Written
    committed: datetime
    parents: tuple[str, ...]
    files: tuple[FileChange, ...]


def record(fields: Sequence[bytes], mailmap: Mailmap) -> Record:
    """The commit of a record of `log(mark, FIELDS, *DIFF, "--raw", "--numstat")`."""
    return Record(
        written(fields, mailmap), moment(seconds(fields[2])), tuple(text(fields[1]).split()), _files(fields[6:])
    )


def written(fields: Sequence[bytes], mailmap: Mailmap) -> Written:
    """The commit of a record of `log(mark, FIELDS)`."""
    sha, parents, _, name, email, whole = fields[:6]
    author = mailmap(Signature(text(name), text(email)))
    return Written(text(sha), text(whole), author, merge=len(parents.split()) > 1)


def changes(fields: Sequence[bytes]) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Status letter, former path and path of each entry of `--raw -z` (git-diff-tree(1), raw output format)."""
    at = 0
    while at < len(fields) and fields[at].lstrip(b"\n").startswith(b":"):
        status = fields[at].rpartition(b" ")[2][:1]
        step = 3 if status in {b"R", b"C"} else 2
        yield status, fields[at + 1], fields[at + step - 1]
        at += step


def _files(fields: Sequence[bytes]) -> tuple[FileChange, ...]:
    """The files of a record, from its `--raw` and `--numstat` entries."""
    raw = tuple(changes(fields))
    counts = _counts(fields, sum(3 if former != path else 2 for _, former, path in raw))
    return tuple(_file(status, former, path, *counts.get(path, (b"0", b"0"))) for status, former, path in raw)


def _counts(fields: Sequence[bytes], at: int) -> dict[bytes, tuple[bytes, bytes]]:
    """Lines added and removed by path, from the `--numstat -z` entries that start at index `at`."""
    counts = {}
    while at < len(fields) and fields[at]:
        added, removed, path = fields[at].split(b"\t", 2)
        if not path:  # a rename: both paths follow
            at += 2
            path = fields[at]
        counts[path] = (added, removed)
        at += 1
    return counts


def _file(status: bytes, former: bytes, path: bytes, added: bytes, removed: bytes) -> FileChange:
    """One file; git writes `-` for the counts of a binary one."""
    binary = added == b"-"
    return FileChange(
        text(path),
        _STATUS.get(status, FileStatus.MODIFIED),
        0 if binary else int(added),
        0 if binary else int(removed),
        text(former) if status == b"R" else None,
        binary,
    )


@dataclass(frozen=True)
class Span:
    """The result of a walk over first parents: SHAs of the period, newest first, and how far it went."""

    shas: tuple[str, ...]
    oldest: int
    last: str
    passed: bool


def select(walk: Iterable[tuple[int, str]], since: float, until: float) -> Span:
    """Of a first-parent walk of (committer time, SHA) from the tip: those with `since <= time < until`.

    Committer dates may be out of order, so one older commit does not end the walk: OUT_OF_ORDER in a row do.
    `oldest` is the least time seen, `passed` whether any was before `since`.
    """
    shas = []
    oldest, last, row, passed = _LAST, "", 0, False
    for time, sha in walk:
        oldest, last = min(oldest, time), sha
        row = row + 1 if time < since else 0
        passed = passed or row > 0
        if since <= time < until:
            shas.append(sha)
        if row == OUT_OF_ORDER:
            break
    return Span(tuple(shas), oldest, last, passed)


def brought(merges: Sequence[Sequence[str]], graph: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The commits that each merge brought in, oldest first, at most INNER_COMMITS.

    `merges` are (SHA, parents …) of one first-parent history, newest first; `graph` gives the parents of every commit
    that is reachable from the newest merge and not from the oldest's first parent, children before parents.
    A commit belongs to the oldest merge from which it can be reached.
    """
    taken: set[str] = set()
    result = {}
    place = {sha: at for at, sha in enumerate(graph)}
    for sha, first, *others in reversed(merges):
        _reach([first], graph, taken)
        new = _reach(others, graph, taken)
        result[sha] = sorted(new, key=place.__getitem__, reverse=True)[:INNER_COMMITS]
    return result


def _reach(start: Iterable[str], graph: Mapping[str, Sequence[str]], taken: set[str]) -> list[str]:
    """What can be reached from `start` in `graph` and is not in `taken`, to which it is added."""
    found, waiting = [], list(start)
    while waiting:
        sha = waiting.pop()
        if sha in graph and sha not in taken:
            taken.add(sha)
            found.append(sha)
            waiting += graph[sha]
    return found
