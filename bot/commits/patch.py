"""Selects the hunks of a patch that a language model sees within a token budget, and finds quotes in it. Pure."""

import math
import re
import sys
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import accumulate, chain, compress, groupby, islice, takewhile
from operator import itemgetter, not_

from bot.commits import notebooks
from bot.commits.enclosing import DEFINITION, enclosing
from bot.commits.files import FileKind, generated, is_notebook, kind, recorded
from bot.commits.notes import is_telling
from bot.values import ChangeRequest, Commit, Evidence, FileChange, FilePatch, FileStatus, one_line

# With the line end in front the pattern starts with literal text, which is found ten times faster than a `^`.
_HEADER = re.compile(r"\n@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@ ?(.*)")
_PATH_LIMIT = 200
"""Characters of a path that a model sees; longer ones cannot be quoted."""


def tokens(text: str) -> int:
    """An estimate that seldom falls short, without a tokenizer: a third of the UTF-8 bytes.

    Measured against o200k: 1.28 times the tokens of a diff at the median, 1.21 of Chinese.
    """
    return len(text.encode("utf-8", "replace")) // 3 + 1


@dataclass(frozen=True, slots=True)
class Hunk:
    """One hunk: its first line number in the new file, the section git names (a function), and its lines as text.

    `old` is its first line number in the old file.
    """

    start: int
    section: str
    body: str
    old: int = 1

    @property
    def lines(self) -> list[str]:
        """The lines, each with its mark: a space, `+`, `-`, or a backslash."""
        return [line for line in self.body.split("\n") if line]

    @property
    def changed(self) -> int:
        """Lines added and removed."""
        return _changed(self.lines)


def hunks(text: str) -> tuple[Hunk, ...]:
    """The hunks of one file's patch. Only a header starts with `@@`: every other line has its mark in front."""
    text = f"\n{text}"
    headers = list(_HEADER.finditer(text))
    ends = [*(header.start() for header in headers[1:]), len(text)]
    return tuple(Hunk(int(h[2]), h[3], text[h.end() : end], int(h[1])) for h, end in zip(headers, ends, strict=False))


def _changed(lines: Iterable[str]) -> int:
    return sum(line[0] in "+-" for line in lines)


def _numbered(lines: Iterable[str]) -> int:
    """How many of these lines the new file has."""
    return sum(line[0] not in "-\\" for line in lines)


# --- What is shown ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Selection:
    """The part of a patch that a model sees: a text, its share of changed lines, and a line for each file left out.

    `left_out` names what is in no part, if a patch is read in parts; the shares of parts add up to what is read.
    """

    text: str
    coverage: float
    left_out: tuple[str, ...]


def select(
    commit: Commit, patches: Sequence[FilePatch], budget: int, *, telling: Callable[[str], bool] = is_telling
) -> Selection:
    """The whole patch if it fits into `budget` (tokens), else its most important parts; `telling` puts notes first.

    If it does not fit, the first piece of every file comes before any second, with one line around each change.
    Repeated changes are shown once, changes in white space only not at all: they are named in a line, and count as
    read. Tests get at most a fifth, unless nothing else needs the space. Binary files, generated ones (except a few
    lines of code in a patch that is shown whole) and generated parts of notebooks are named, not shown, and do not
    count for coverage.
    """
    return parts(commit, patches, budget, 1, telling=telling)[0]


def parts(
    commit: Commit,
    patches: Sequence[FilePatch],
    budget: int,
    most: int,
    *,
    telling: Callable[[str], bool] = is_telling,
) -> tuple[Selection, ...]:
    """Like `select`, for a patch that is read in as few parts as possible, up to `most`, of `budget` tokens each.

    Files stay together if possible; notes are in every part.
    """
    texts = {p.path: p.text for p in patches}
    files = sorted(commit.files, key=lambda f: _order(f, texts.get(f.path, ""), telling))
    own = (f for f in files if not (f.binary or generated(f.path)))
    sources = {f.path: _Source(f, texts.get(f.path, "")) for f in own}
    page = _Page(budget)
    if all(map(page.take, chain.from_iterable(source.pieces for source in sources.values()))):
        output = {f.path: _Source(f, texts[f.path]) for f in _small_output(files, patches)}
        if page.take(*chain.from_iterable(source.pieces for source in output.values())):
            sources |= output
        return _selections(files, sources, {}, [page])
    short = _Short(tuple(sources.values()), budget)
    pages = _packed(*short.chosen(most, telling), budget, most)
    return _selections(files, sources, short.unnamed, pages)


_SMALL = 1_000
"""The most tokens of generated or vendored code to show, if everything fits."""


def _small_output(files: Iterable[FileChange], patches: Iterable[FilePatch]) -> list[FileChange]:
    """Generated and vendored files with few changes: a revision, a fix. Lock files and snapshots never count."""
    sizes = {p.path: tokens(p.text) for p in patches if p.complete and p.text}
    found = [f for f in files if f.path in sizes and generated(f.path) and not recorded(f.path)]
    return found if sum(sizes[f.path] for f in found) < _SMALL else []


_ORDER = ("source", "config", "other", "ci", "commands", "test", "example", "docs")
_RANK = {name: rank for rank, name in enumerate(_ORDER)}
"""The order of files by kind; `commands` are pages with commands for users."""
_COMMANDS = re.compile(
    r"\n[ +-][ \t>]*(?:```|~~~|\$ |\.\. (?:code|prompt)|(?:sudo|pip3?|pipx|uv|conda|npm|npx|pnpm|yarn|cargo|git|docker"
    r"|kubectl|helm|brew|apt(?:-get)?|python3? -m|go (?:get|install|run)) [\w./-])"
)


def _order(file: FileChange, text: str, telling: Callable[[str], bool]) -> tuple[int, int, str]:
    """Notes first, then source, interfaces and configuration, pages with commands, tests; the largest of each first."""
    found: str = kind(file.path)
    if found == FileKind.DOCS and _COMMANDS.search(text):
        found = "commands"
    return -1 if telling(file.path) else _RANK[found], -(file.added + file.removed), file.path


def _selections(
    files: Iterable[FileChange], sources: Mapping[str, "_Source"], unnamed: Mapping[str, str], pages: Sequence["_Page"]
) -> tuple[Selection, ...]:
    """The pages as parts, with what is in none of them."""
    total = sum(source.written for source in sources.values())
    unread = {path: source.written for path, source in sources.items()}
    shares: list[float] = []
    for page in pages:
        for path, lines in page.read.items():
            unread[path] -= min(lines, unread[path])
        read = total - sum(unread.values())
        shares.append((read / total if total else 1.0) - sum(shares))  # so that they add up to 1 where all is read
    headed = {path for page in pages for path in page.blocks}
    left_out = ["what stands in the other parts of this patch"] if len(pages) > 1 else []
    for file in files:
        if source := sources.get(file.path):
            missed = source.missed(unread[file.path], file.path in headed, unnamed.get(file.path, ""))
            left_out += [f"{_describe(file)}, {what}" for what in missed]
        else:
            left_out.append(f"{_describe(file)}{'' if file.binary else ', generated'}")
    return tuple(Selection(page.text, share, tuple(left_out)) for page, share in zip(pages, shares, strict=True))


@lru_cache(1 << 12)
def _describe(file: FileChange) -> str:
    """A file in one line, whatever characters its path has."""
    renamed = f", was {one_line(file.previous or '', _PATH_LIMIT)}" if file.status is FileStatus.RENAMED else ""
    size = f"+{file.added} -{file.removed}" if file.added or file.removed else "no line changed"
    return f"{one_line(file.path, _PATH_LIMIT)} ({file.status}{renamed}, {'binary' if file.binary else size})"


# --- Pieces ----------------------------------------------------------------------------------

_PIECE, _PIECE_LENGTH = 40, 6_000
"""The most lines and characters of a hunk that are kept or left out together: a new file is one hunk, and may be long.
"""


@dataclass(frozen=True, slots=True)
class _Piece:
    """Lines of a file that are shown or left out together, below a line that says where they are.

    `read` counts the changed lines, by file, that a reader of them knows; `place` orders the pieces of a file; a
    `notice` is at the end of the page. A piece with only a notice has no file.
    """

    file: FileChange | None
    text: str = ""
    read: Mapping[str, int] = field(default_factory=dict)
    place: tuple[int, int] = (0, 0)
    notice: str = ""

    @property
    def cost(self) -> int:
        """Tokens, without the line that names the file."""
        return sum(tokens(text) for text in (self.text, self.notice) if text)


class _Source:
    """A file that may be shown: its hunks without generated parts, and their number of lines."""

    def __init__(self, file: FileChange, text: str) -> None:
        self.file = file
        self.hunks = hunks(text)
        self.written = size = file.added + file.removed
        if is_notebook(file.path) and (shown := sum(hunk.changed for hunk in self.hunks)):
            self.hunks = tuple(_of_people(self.hunks, text))
            # What a patch does not show is assumed to be like the rest.
            self.written = math.ceil(size * sum(hunk.changed for hunk in self.hunks) / shown)

    @property
    def pieces(self) -> Iterator[_Piece]:
        """All of it, in order; a rename or a change of mode is a line."""
        if not (self.file.added or self.file.removed):
            return iter([_Piece(self.file)])
        return chain.from_iterable(_pieces(self.file, hunk, n) for n, hunk in enumerate(self.hunks))

    def missed(self, unread: int, headed: bool, unnamed: str) -> Iterator[str]:
        """Notes for what is on no page: `unread` lines, the file's own line, or its place in a list of names."""
        size = self.file.added + self.file.removed
        if outputs := size - self.written:
            yield f"{outputs} changed lines of a notebook's outputs and metadata"
        if unread:
            yield f"{unread} changed lines not shown"
        elif not size and not headed:
            yield "not shown"
        elif unnamed:
            yield unnamed


def _of_people(found: Iterable[Hunk], text: str) -> Iterator[Hunk]:
    """The parts of a notebook's hunks that people wrote, in pieces with line numbers."""
    written = notebooks.written(text)
    for hunk in found:
        start = hunk.start
        for lines in _chunks(hunk):
            piece = Hunk(start, hunk.section, "\n".join(filter(written.match, lines)))
            start += _numbered(lines)
            if piece.changed:
                yield piece


def _chunks(hunk: Hunk) -> Iterator[list[str]]:
    """The lines of a hunk, in pieces."""
    lines = hunk.lines
    if len(lines) <= _PIECE and len(hunk.body) <= _PIECE_LENGTH:
        yield lines
        return
    chunk: list[str] = []
    length = 0
    for line in lines:
        if len(chunk) == _PIECE or (chunk and length + len(line) > _PIECE_LENGTH):
            yield chunk
            chunk, length = [], 0
        chunk.append(line)
        length += len(line)
    yield chunk


def _pieces(
    file: FileChange, hunk: Hunk, number: int, copies: Sequence[str] = (), notice: str = ""
) -> Iterator[_Piece]:
    """A hunk, the `number`th of its file, in pieces; `copies` names the files of other places with the same change."""
    start = hunk.start
    times = Counter((file.path, *copies)) if copies else {file.path: 1}
    for order, lines in enumerate(_chunks(hunk)):
        if changed := _changed(lines):
            text = "\n".join((f"@@ line {start} @@ {hunk.section}".rstrip(), *lines))
            read = {path: n * changed for path, n in times.items()}
            yield _Piece(file, text, read, (number, order), notice if not order else "")
        start += _numbered(lines)


# --- Where room is short ---------------------------------------------------------------------


class _Short:
    """A patch that is larger than its limit: each change once, with one line around it.

    `unnamed` has, by path, the reasons of files that did not fit into a list of names.
    """

    def __init__(self, sources: Sequence[_Source], budget: int) -> None:
        self._sources, self._budget = sources, budget
        self._spared: dict[str, Counter[str]] = defaultdict(Counter)
        self.unnamed: dict[str, str] = {}
        same: dict[str, list[_Place]] = defaultdict(list)
        near = ((s.file.path, each) for s in sources for hunk in s.hunks for each in self._near(s, hunk))
        for number, (path, hunk) in enumerate(near):
            changes = hunk.body if "\n " not in hunk.body else "\n".join(x for x in hunk.lines if x[0] in "+-")
            same[changes].append(_Place(path, number, hunk))
        self._places: dict[str, list[_Place]] = defaultdict(list)
        for place in sorted(chain.from_iterable(map(_joined, same.values())), key=lambda place: place.number):
            self._places[place.path].append(place)

    def _near(self, source: _Source, hunk: Hunk) -> Iterator[Hunk]:
        """The changes of a hunk, each with one line around it, without pairs that differ only in white space.

        The licence at the head of a new file is left out.
        """
        if source.file.status is FileStatus.ADDED and hunk.start == 1:
            hunk = _without_licence(hunk)
        replaces = "\n-" in hunk.body and "\n+" in hunk.body
        if is_notebook(source.file.path) or not (replaces or "\n " in hunk.body):
            return iter([hunk])
        lines, spared = hunk.lines, set()
        for old, new, difference in _pairs(lines) if replaces else ():
            spared |= {old, new}
            self._spared[difference][source.file.path] += 2
        return _trimmed(hunk, lines, [line[0] in "+-" and n not in spared for n, line in enumerate(lines)])

    def chosen(self, most: int, telling: Callable[[str], bool]) -> tuple[list[_Piece], list[_Piece]]:
        """The pieces that are on each of `most` pages, which are notes, and those that are on one of them."""
        every = _Room(self._budget // 4)
        pinned: list[_Piece] = []
        queues: list[Iterator[_Piece]] = []
        deleted: list[Iterator[_Piece]] = []
        for source in self._sources:
            pieces = self._of(source)
            if telling(source.file.path):
                found = list(pieces)
                kept = [every.take(piece) for piece in found]
                pinned += compress(found, kept)
                pieces = compress(found, map(not_, kept))
            (deleted if source.file.status is FileStatus.REMOVED else queues).append(pieces)
        room = _Room(most * (self._budget - self._budget // 4 + every.left))
        chosen = _within(room, chain(self._differences(), _in_turn(queues), _in_turn(deleted)))
        order = {source.file.path: n for n, source in enumerate(self._sources)}
        return pinned, sorted(chosen, key=lambda p: (order[p.file.path] if p.file else -1, p.place))

    def _of(self, source: _Source) -> Iterator[_Piece]:
        """The pieces of a file, the heads of its hunks first."""
        if not (source.file.added or source.file.removed):
            return iter([_Piece(source.file)])
        return _in_turn([self._place(source.file, place) for place in self._places[source.file.path]])

    def _place(self, file: FileChange, place: "_Place") -> Iterator[_Piece]:
        notice = ""
        if place.copies:
            where = f"{one_line(file.path, _PATH_LIMIT)} line {place.hunk.start}"
            names = self._names(place.copies, f"changed as {where}")
            notice = f"=== The change at {where} recurs {len(place.copies)}×, in {names}"
        return _pieces(file, place.hunk, place.number, place.copies, notice)

    def _differences(self) -> Iterator[_Piece]:
        """A notice of the pairs of lines that are not shown, for each difference."""
        for difference, spared in sorted(self._spared.items()):
            names = self._names(spared, difference)
            notice = f"=== Not shown, since {difference}: {spared.total()} changed lines of {names}"
            yield _Piece(None, read=spared, notice=notice)

    def _names(self, paths: Iterable[str], reason: str) -> str:
        """The paths, as many as fit into a tenth of a page."""
        paths = list(dict.fromkeys(paths))
        names = [one_line(path, _PATH_LIMIT) for path in paths]
        ends = list(accumulate(len(name.encode("utf-8", "replace")) + 2 for name in names))
        count = bisect_right(ends, self._budget * 3 // 10)
        self.unnamed.update(dict.fromkeys(paths[count:], reason))
        return ", ".join(names[:count]) + (f" and {len(names) - count} more" if count < len(names) else "")


@dataclass(frozen=True, slots=True)
class _Place:
    """A change, the `number`th of a patch, its place, and a file for each other place with the same change."""

    path: str
    number: int
    hunk: Hunk
    copies: tuple[str, ...] = ()


def _joined(places: Sequence[_Place]) -> Sequence[_Place]:
    """The same change in several places as one, unless naming these takes more space than showing it in each."""
    if len(places) == 1:
        return places
    first, *others = places
    named = sum(len(path) + 2 for path in {place.path for place in others})
    if sum(len(place.hunk.body) + _LINE_OF_PLACE for place in others) <= named + len(first.path) + _LINE_OF_PLACE:
        return places
    return [replace(first, copies=tuple(place.path for place in others))]


_LINE_OF_PLACE = 30
"""Characters of a line that says where something is, without names."""


_ENDS, _INDENTATION = "only their line ends differ", "only their indentation differs"


_COMMENT = re.compile(
    r"\s*+(?:#!.*\n\s*+)?"
    r"(?:/\*(?s:.*?)\*/.*\n|<!--(?s:.*?)-->.*\n|(?:[ \t]*+(?:\#(?![!\[])|//(?![/!])|--|;|%).*\n)+)\s*"
)
_LICENCE = re.compile(
    r"\b(?:copyright|licen[cs]ed\s+(?:under|to)|SPDX-License-Identifier|all rights reserved)\b", re.IGNORECASE
)
_LICENCE_LINES, _LICENCE_WIDTH = 60, 200
"""The most lines of a comment that may be a licence, and characters of each to read."""


def _without_licence(hunk: Hunk) -> Hunk:
    """The hunk that is a new file, without a comment at its head that is its licence, if anything else is there."""
    lines = hunk.lines
    found = _COMMENT.match("\n".join(line[1:_LICENCE_WIDTH] for line in lines[:_LICENCE_LINES]))
    size = found[0].count("\n") if found and _LICENCE.search(found[0]) else 0
    return Hunk(hunk.start + size, hunk.section, "\n".join(("", *lines[size:])), hunk.old) if size else hunk


# What may be missing behind the removed lines does not fail, else each of them would be tried as the first.
_REPLACED = re.compile(r"((?:\n-.*)+)((?:\n\\.*)?)((?:\n\+.*)*)")


def _pairs(lines: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """Removed and added lines at either end of a replacement that differ only in white space: where, and how."""
    text = "\n".join(("", *lines))
    at = first = 0
    for found in _REPLACED.finditer(text):
        old, new = found[1].split("\n-")[1:], found[3].split("\n+")[1:]
        first += text.count("\n", at, found.start())
        at, second = found.start(), first + len(old) + bool(found[2])
        head = _alike(old, new)
        yield from ((first + n, second + n, difference) for n, difference in enumerate(head))
        tail = _alike(old[len(head) :][::-1], new[len(head) :][::-1])
        last, end = first + len(old) - 1, second + len(new) - 1
        yield from ((last - n, end - n, difference) for n, difference in enumerate(tail))


def _alike(old: Iterable[str], new: Iterable[str]) -> list[str]:
    """The differences of lines from the beginning on, as long as they are only white space."""
    return list(takewhile(bool, map(_difference, old, new)))


def _difference(old: str, new: str) -> str:
    """How two lines differ, if only in white space."""
    old, new = old.rstrip("\r"), new.rstrip("\r")
    if old == new:
        return _ENDS
    return _INDENTATION if old.lstrip(" \t") == new.lstrip(" \t") else ""


def _trimmed(hunk: Hunk, lines: Sequence[str], shown: Sequence[bool]) -> Iterator[Hunk]:
    """The shown lines of a hunk, with the context next to them, in as many hunks as needed."""
    near = [False, *shown, False]
    visible = [near[n + 1] or (line[0] not in "+-" and (near[n] or near[n + 2])) for n, line in enumerate(lines)]
    start, section = hunk.start, hunk.section
    for seen, run in groupby(zip(visible, lines, strict=True), itemgetter(0)):
        part = [line for _, line in run]
        if seen:
            yield Hunk(start, section, "\n".join(("", *part)))
            section = ""
        start += _numbered(part)


def _in_turn(queues: Sequence[Iterator[_Piece]]) -> Iterator[_Piece]:
    """The first of each, then the second of each, and so on."""
    while queues:
        left = []
        for queue in queues:
            if piece := next(queue, None):
                yield piece
                left.append(queue)
        queues = left


_LEAST, _MISSES = 12, 100
"""Tokens of the smallest piece: a page with fewer left is full, as is one for which this many pieces were too large."""


def _within(room: "_Room", pieces: Iterable[_Piece]) -> list[_Piece]:
    """Those that fit, in their order; tests and files without a changed line get no more than a share at first."""
    shares = {"test": _Room(room.left // 5), "": _Room(room.left // 10)}
    later: list[_Piece] = []
    misses = 0
    chosen: list[_Piece] = []
    for piece in pieces:
        if room.left < _LEAST or misses == _MISSES:
            break
        share = shares.get(_group(piece))
        if share and not share.take(piece):
            later.append(piece)
        elif room.take(piece):
            chosen.append(piece)
            misses = 0
        else:
            misses += 1
    return chosen + [piece for piece in later if room.take(piece)]


def _group(piece: _Piece) -> str:
    if piece.file is None:
        return "notice"
    return kind(piece.file.path) if piece.text else ""


# --- Pages -----------------------------------------------------------------------------------


class _Page:
    """One part of a patch: its pieces by file, the changed lines in it, and how many tokens are left."""

    def __init__(self, budget: int) -> None:
        self.left = budget
        self.read: Counter[str] = Counter()
        self.blocks: dict[str, list[str]] = {}
        self._notices: list[str] = []

    @property
    def text(self) -> str:
        return "\n".join(chain(chain.from_iterable(self.blocks.values()), self._notices))

    def take(self, *pieces: _Piece) -> bool:
        """Put pieces of a file here, below a line that names the file, if all of them fit."""
        heads = {p.file.path: f"=== {_describe(p.file)}" for p in pieces if p.file and p.file.path not in self.blocks}
        cost = sum(piece.cost for piece in pieces) + sum(map(tokens, heads.values()))
        if cost > self.left:
            return False
        self.left -= cost
        self.blocks.update({path: [head] for path, head in heads.items()})
        for piece in pieces:
            self.read.update(piece.read)
            if piece.file and piece.text:
                self.blocks[piece.file.path].append(piece.text)
            if piece.notice:
                self._notices.append(piece.notice)
        return True


class _Room(_Page):
    """A page for trying what fits: of a hunk nothing after a piece that did not fit."""

    def __init__(self, budget: int) -> None:
        super().__init__(budget)
        self._ended: set[tuple[str, int]] = set()

    def take(self, *pieces: _Piece) -> bool:
        """Like that of a page, for pieces of one hunk."""
        hunks_of = {(piece.file.path, piece.place[0]) for piece in pieces if piece.file}
        if hunks_of.isdisjoint(self._ended) and super().take(*pieces):
            return True
        self._ended |= hunks_of
        return False


def _packed(pinned: Sequence[_Piece], pieces: Sequence[_Piece], budget: int, most: int) -> list[_Page]:
    """Put the pieces on as few pages as possible, in order, up to `most`, with the pinned ones on each."""
    files = [list(group) for _, group in groupby(pieces, lambda p: p.file and p.file.path)]
    all_of_it, empty = _Page(sys.maxsize), _Page(budget)
    for group in files:
        all_of_it.take(*group)
    empty.take(*pinned)
    least = -(-(sys.maxsize - all_of_it.left) // max(empty.left, 1))
    for number in range(max(1, min(least, most)), most + 1):
        pages = [_Page(budget) for _ in range(number)]
        for page in pages:
            page.take(*pinned)
        if sum(_placed(group, pages) for group in files) == len(files):
            break
    return [page for page in pages if page.left < empty.left] or pages[:1]


def _placed(group: Sequence[_Piece], pages: Sequence[_Page]) -> bool:
    """Put the pieces of a file on one page if possible, else on several; return whether all fit."""
    return any(page.take(*group) for page in pages) or sum(_put(piece, pages) for piece in group) == len(group)


def _put(piece: _Piece, pages: Sequence[_Page]) -> bool:
    return any(page.take(piece) for page in pages)


# --- Evidence --------------------------------------------------------------------------------

_TOKEN = re.compile(r"\w+|[^\w\s]")
_MARK = re.compile(r"^[+-]", re.MULTILINE)
_QUOTATION = "`'\""
_ESCAPED = re.compile(r"\\[abfnrtv]|\\(?=[\"'`])")
"""Escapes in strings of source code: an escaped character, the backslash before a quotation mark."""
QUOTE_LINES, _LINE_LIMIT, _QUOTE_LIMIT = 6, 300, 600
"""Lines of a quote that follow each other, characters of one, and of all without white space; longer ones are not
quotes.
"""
_GAP = "\0"
"""The separator of hunks when quotes are searched for, so that none spans two."""
# Quotes of nothing but these are in every patch: they prove nothing.
_NOTHING = frozenset(
    """
    and assert async await bool break case class const continue def default elif else enum except export extends false
    final finally fn for from func function if impl import in int interface is let new nil none not null or package pass
    private pub public raise return self static str string struct super switch the this throw true try type use var void
    while with yield
    """.split()  # noqa: SIM905  # a list would take sixty lines
)


class EvidenceIndex:
    """Finds quotes in a commit's patch, message or pull request; made once, used for each statement."""

    def __init__(self, commit: Commit, patches: Sequence[FilePatch]) -> None:
        renamed = {f.previous: f.path for f in commit.files if f.previous}
        self._known = renamed | {f.path: f.path for f in commit.files}
        self._message = f"{commit.reading.subject}\n{commit.subject}\n{commit.body}\n{commit.reading.said}"
        request = commit.reading.request or ChangeRequest()
        self._request = "\n".join((request.title, request.said, *request.issues, *commit.reading.labels))
        self._patches = {p.path: p.text for p in patches}
        self._texts: dict[str, _Lines] = {}

    def find(self, path: str, quote: str, near: int = 0) -> Evidence | None:
        """Where `quote` is in the patch of `path`, whatever its case and white space; None if it is not there.

        It may be up to `QUOTE_LINES` lines that follow each other in the new file, in the old one or in a hunk. Of
        several places, the one nearest to line `near`; with 0, the first. Added and unchanged lines have their number
        in the new file; if a removed one is among them, they have that in the old file. `path` is one of the commit's,
        or the end of exactly one of them. A quote that only the message has is accepted for these and for an empty
        path, as the message's own; so is one that only the pull request has. Part of a word is not a quote, nor is a
        bare keyword.
        """
        known = self._path(path)
        if known is None or not _is_quotable(quote):
            return None
        tried = [(said, wanted) for said in readings(quote) if (wanted := _pattern(said))]
        file = (self._in_file(known, *each, near) for each in tried)
        said = (look(known, *each) for look in (self._in_message, self._in_request) for each in tried)
        return next(filter(None, chain(file, said)), None)

    def _path(self, path: str) -> str | None:
        """The commit's path that is meant; empty for its message."""
        if path in self._known or not path:
            return self._known.get(path, "")
        ends = {known for name, known in self._known.items() if name.endswith(f"/{path}")}
        return ends.pop() if len(ends) == 1 else None

    def _in_file(self, path: str, quote: str, wanted: re.Pattern[str], near: int) -> Evidence | None:
        lines = self._texts.setdefault(path, _Lines(self._patches.get(path, "")))
        if place := lines.find(wanted, near):
            found = _evidence(path, quote, place)
            if (found.added or found.gone) and lines.moves(quote, "-" if found.added else "+"):
                found = replace(found, added=False, gone=False)
            return replace(found, inside=enclosing(path, *place.around))
        return Evidence(path, quote) if wanted.search(path) else None

    def _in_message(self, _: str, quote: str, wanted: re.Pattern[str]) -> Evidence | None:
        return Evidence("", quote) if wanted.search(self._message) else None

    def _in_request(self, _: str, quote: str, wanted: re.Pattern[str]) -> Evidence | None:
        return Evidence("", quote, request=True) if wanted.search(self._request) else None


def _evidence(path: str, quote: str, place: "_Stretch") -> Evidence:
    """A quote at its place; one of both sides of a hunk has their marks."""
    is_old, is_new = "-" in place.marks, "+" in place.marks
    if is_old and is_new:
        lines = zip(place.marks, _MARK.sub("", quote).split("\n"), strict=False)
        quote = "\n".join(f"{mark}{line}" for mark, line in lines)
        return Evidence(path, quote, place.first, last=place.end, changed=True)
    added, gone = (set(place.marks) == {mark} for mark in "+-")
    return Evidence(path, quote, place.first, removed=is_old, last=place.end, added=added, gone=gone)


def readings(quote: str) -> Iterable[str]:
    """A quote as it may be meant: marks of the patch and quotation marks around it, and escapes, may be the model's."""
    quote = quote.strip()
    for mark in _QUOTATION:
        if quote.count(mark) % 2:
            quote = quote.strip(mark)
    bare = quote.strip(f"{_QUOTATION} \n\t")
    plain = _MARK.sub("", bare)
    return dict.fromkeys((quote, _MARK.sub("", quote), bare, plain, _ESCAPED.sub(" ", plain)))


_REPEATS = 1_000
"""The most places of a quote among which the nearest is chosen."""


def places(quote: str, lines: Sequence[str]) -> list[tuple[int, int]]:
    """The first and last indices of lines with a quote, ignoring case and white space."""
    text = "\n".join(lines)
    wanted = _pattern(quote.strip("`'\" \n\t")) if _is_quotable(quote) else None
    found = islice(wanted.finditer(text), _REPEATS) if wanted else ()
    ends = ((text.count("\n", 0, each.start()), each[0].count("\n")) for each in found)
    return [(first, first + more) for first, more in ends if more < QUOTE_LINES]


def _is_quotable(quote: str) -> bool:
    """Whether a text may be a quote by its length."""
    lines = quote.strip().split("\n")
    if len(lines) > QUOTE_LINES or max(map(len, lines)) > _LINE_LIMIT or _GAP in quote:
        return False
    return sum(map(len, quote.split())) <= _QUOTE_LIMIT


def _pattern(quote: str) -> re.Pattern[str] | None:
    """A pattern for a quote, whatever its case and white space; None for one that would prove nothing."""
    words = _TOKEN.findall(quote)
    telling = [w for w in words if w.isalnum() or "_" in w]
    if sum(map(len, telling)) < (2 if any("\u3400" <= c <= "\u9fff" for c in quote) else 3):
        return None
    if all(w.lower() in _NOTHING for w in telling):
        return None
    before = r"(?<![A-Za-z0-9_])" if re.match(r"[A-Za-z0-9_]", words[0]) else ""
    after = r"(?![A-Za-z0-9_])" if re.search(r"[A-Za-z0-9_]$", words[-1]) else ""
    return re.compile(before + r"\s*".join(map(re.escape, words)) + after, re.IGNORECASE)


class _Lines:
    """The lines of a file's patch: those of the new file, of the old one, and all as the patch has them."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._views: dict[str, _View] = {}

    def find(self, wanted: re.Pattern[str], near: int) -> "_Stretch | None":
        """The lines that have a quote, in the new file before the old one; see `_View.find`."""
        has_old_lines = "\n-" in self._text or "\n " in self._text
        for marks in ("+ ", "- ", "+- ") if has_old_lines else ("+ ",):
            view = self._views.get(marks) or self._views.setdefault(marks, _View(self._text, marks))
            if place := view.find(wanted, near):
                return place
        return None

    def moves(self, quote: str, other: str) -> bool:
        """Whether the side with the mark `other` has each telling line of a quote too, perhaps indented otherwise."""
        told = [line for each in quote.split("\n") if len(line := " ".join(each.split())) >= _TELLING]
        return bool(told) and self._sides[other].issuperset(told)

    @cached_property
    def _sides(self) -> Mapping[str, frozenset[str]]:
        """The lines that only the old and only the new file have, by mark, without their indent."""
        lines = self._text.split("\n")
        return {m: frozenset(" ".join(each[1:].split()) for each in lines if each.startswith(m)) for m in "+-"}


_TELLING = 12
"""Characters of a line that is more than a bracket or a keyword."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Lines that follow each other: the numbers of the first and the last, in the old file if they are from there.

    `marks` are those of the patch, one for each line. `around` are the lines above them in their hunk, the first of
    them, and the section that git names.
    """

    first: int
    last: int
    marks: str
    around: tuple[Sequence[str], str, str]

    @property
    def end(self) -> int | None:
        """The number of the last line; None if that is the first one too."""
        return self.last if self.last > self.first else None


_BEFORE = 32_000
"""Characters of patch before a hunk in which its section is searched for."""


def _now(section: str, before: str) -> str:
    """The section that git names before a hunk, as it is in the new file; `before` are the lines before it, with marks.

    Git takes it from the old file: where an earlier hunk removes it, it is what begins there now.
    """
    at = before.rfind(f"\n-{section}") if section else -1
    if at < 0 or f"\n+{section}" in before or f"\n {section}" in before:
        return section
    after = (line for line in reversed(before[at:].split("\n")) if line[:1] in {"+", " "})
    return next((line[1:] for line in after if DEFINITION.match(line[1:])), "")


class _View:
    """The lines with some of the marks, in one text without these; of each its mark and its numbers, old and new."""

    def __init__(self, text: str, marks: str) -> None:
        self._starts: list[int] = []
        self._lines: list[tuple[str, int, int]] = []
        self._texts: list[str] = []
        self._sections: list[tuple[int, str]] = []
        lines: list[str] = []
        before = ""
        at = 0
        for hunk in hunks(text):
            old, new = hunk.old, hunk.start
            self._sections.append((len(self._lines), hunk.section if "-" in marks else _now(hunk.section, before)))
            before = f"{before}{hunk.body}"[-_BEFORE:]
            for line in hunk.lines:
                mark = line[0]
                if mark in marks:
                    self._starts.append(at)
                    self._lines.append((mark, old, new))
                    self._texts.append(line[1:])
                    lines.append(line[1:])
                    at += len(line)
                old += mark in "- "
                new += mark in "+ "
            lines.append(_GAP)
            at += len(_GAP) + 1
        self._text = "\n".join(lines)

    def find(self, wanted: re.Pattern[str], near: int) -> _Stretch | None:
        """The lines that have a quote, as written or with its escaped characters as white space.

        Of several places it is the one nearest to line `near`, with 0 the first.
        """
        for text in (self._text, self._read):
            found = filter(None, map(self._stretch, wanted.finditer(text)))
            if places := list(islice(found, _REPEATS if near else 1)):
                return min(places, key=lambda place: abs(place.first - near) if near else 0)
        return None

    def _stretch(self, found: re.Match[str]) -> _Stretch | None:
        """The lines of what was found, unless they are more than a quote may have."""
        first, end = bisect_right(self._starts, found.start()) - 1, bisect_right(self._starts, found.end() - 1)
        if end - first > QUOTE_LINES:
            return None
        lines = self._lines[first:end]
        marks = "".join(mark for mark, _, _ in lines)
        is_old = "-" in marks and "+" not in marks
        numbers = [old if is_old else new for mark, old, new in lines if is_old or mark != "-"]
        begin, section = self._sections[bisect_right(self._sections, first, key=itemgetter(0)) - 1]
        around = self._texts[begin:first], self._texts[first], section
        return _Stretch(numbers[0], numbers[-1], marks, around)

    @cached_property
    def _read(self) -> str:
        return _ESCAPED.sub(lambda escaped: " " * len(escaped[0]), self._text)
