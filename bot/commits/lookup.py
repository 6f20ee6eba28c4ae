"""Looks things up in the tree at a commit: what may be requested, and which places are shown. Pure.

A source reads files (`Tree`); they become excerpts here, in the same way for every source.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, islice, zip_longest
from typing import Protocol

from bot.commits.enclosing import DEFINITION, KEYWORD, indent, opening
from bot.commits.files import FileKind, component, generated, kind
from bot.values import Commit, Excerpt, Look, LookKind, Sight, one_line

LOOKS = 20
"""The most look-ups in one call."""

COMMON = 300
"""Files above which a word is too common to be looked up."""

EXCERPTS, AROUND = 12, 3
"""The most excerpts shown of a word, and the lines on each side of a use."""

SINGLE, ELSEWHERE = 24, 20
"""The most further uses shown as single lines, and other files named that use a word."""

WINDOW, BODY, LONGEST = 60, 120, 200
"""Lines shown of a place, the most of a longer definition, and of a requested range."""

FILE_BYTES = 1_000_000
"""The most bytes of a file to read; GitHub's API returns no more as JSON (docs.github.com, Get repository content)."""

LINE_LENGTH, ROOM = 300, 30_000
"""The most characters of a line, and of all excerpts of one call."""

WORD_LENGTH, PATH_LENGTH = 200, 1_000

NO_PATH, BINARY, TOO_LARGE = "no such path", "a binary file", "larger than 1 MB"
FOLDER, LINK, SUBMODULE = "a folder", "a symbolic link", "a submodule"
UNREADABLE, UNSEARCHABLE = "could not be read", "cannot be searched here"
TOO_COMMON = f"too common: in more than {COMMON} files"
NOTHING_BEFORE = "nothing was before: the first commit"

_BINARY_BYTES = 8_000
"""A NUL among this many first bytes makes a file binary, as in git (its `buffer_is_binary`)."""

WINDOWED = 3
"""The most uses of a word in one file that are shown with the lines around them."""

_BACK = 40
"""The most lines between the beginning of a window and the requested line."""

_UNDEFINED = 10
"""Lines shown before a line outside definitions."""

_WHOLE = re.compile(r"[A-Za-z0-9_\u0080-\U0010ffff]")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


# --- What a source reads -----------------------------------------------------------------------


@dataclass(slots=True)
class Uses:
    """How many times each file uses a word, or why that is unknown.

    `unread` files could not be searched; `partial` says that there may be more of them.
    """

    counts: dict[str, int] = field(default_factory=dict)
    refused: str = ""
    unread: int = 0
    partial: bool = False

    def add(self, path: str, hits: int) -> None:
        """Add the uses in a file; a word in too many files is given up."""
        if hits and not self.refused:
            self.counts[path] = self.counts.get(path, 0) + hits
            if len(self.counts) > COMMON:
                self.counts, self.refused = {}, TOO_COMMON


@dataclass(frozen=True, slots=True)
class Spot:
    """A file at a commit."""

    sha: str
    path: str


Content = bytes | str
"""The content of a file, or why it cannot be read."""


class Tree(Protocol):
    """How a source reads the files of a commit. Raises only errors of the repository itself."""

    def uses(self, words: Sequence[str]) -> Mapping[str, Uses]:
        """How each of `words` is used."""
        ...

    def contents(self, spots: Sequence[Spot]) -> Iterator[tuple[Spot, Content]]:
        """The contents of `spots`, which are distinct."""
        ...


def pattern(word: str) -> re.Pattern[bytes]:
    """Finds a word literally and whole: where it begins or ends as an identifier does, the identifier does too.

    Letters are ASCII's, as in `git grep --word-regexp`, so that a name within a Chinese sentence is found. A search
    that starts with the word is twenty times as fast as one that starts with what may not come before it.
    """
    plain = re.escape(word.encode())
    before = b"(?<![A-Za-z0-9_]%s)" % plain if _WHOLE.match(word[:1]) else b""
    after = b"(?![A-Za-z0-9_])" if _WHOLE.match(word[-1:]) else b""
    return re.compile(plain + before + after)


def core(word: str) -> str:
    """A word without the signs around it, as in `run(` or `--flag`: what a search for whole words can find."""
    ends = [at for at, letter in enumerate(word) if _WHOLE.match(letter)]
    return word[ends[0] : ends[-1] + 1] if ends else ""


def is_code(path: str) -> bool:
    """Whether a file is source that people wrote: if one is too large to search, absence is not proven."""
    return kind(path) is FileKind.SOURCE and not generated(path)


def is_binary(content: bytes) -> bool:
    """Whether git would call a file binary."""
    return b"\0" in content[:_BINARY_BYTES]


# --- What may be asked -------------------------------------------------------------------------


def answer(commit: Commit, looks: Sequence[Look], tree: Tree) -> tuple[Sight, ...]:
    """The results of `looks`, in order. Raises what `tree` raises."""
    asked = [_Asked(look, commit, _refusal(look, commit) if n < LOOKS else "too many") for n, look in enumerate(looks)]
    words = dict.fromkeys(one.word for one in asked if one.searches)
    uses = tree.uses(tuple(words)) if words else {}
    for one in asked:
        if one.searches:
            one.count(uses[one.word])
    wanted: dict[Spot, list[_Asked]] = {}
    for one in asked:
        for spot in one.spots:
            wanted.setdefault(spot, []).append(one)
    for spot, content in tree.contents(tuple(wanted)) if wanted else ():
        for one in wanted[spot]:
            one.read(spot, content)
    return within([one.sight() for one in asked], ROOM)


def _refusal(look: Look, commit: Commit) -> str:
    """Why a look-up is refused; empty if it is not."""
    if look.kind is LookKind.WORD:
        return _word_refusal(look.word.strip())
    if reason := _path_refusal(look.path):
        return reason
    if look.kind is LookKind.BEFORE and not commit.parents:
        return NOTHING_BEFORE
    return _word_refusal(look.word.strip()) if look.word.strip() else ""


def _word_refusal(word: str) -> str:
    if not core(word):
        return "empty word"
    if len(word) > WORD_LENGTH:
        return "the word is too long"
    return "no word: it holds a control character" if _UNSAFE.search(word) else ""


def _path_refusal(path: str) -> str:
    """Why a path is refused: git's are relative, without empty, `.` or `..` parts, and without line ends."""
    unsafe = _UNSAFE.search(path) or len(path) > PATH_LENGTH
    return NO_PATH if unsafe or not {"", ".", ".."}.isdisjoint(path.split("/")) else ""


class _Asked:
    """A look-up in progress: what it needs to read, and what was found so far."""

    def __init__(self, look: Look, commit: Commit, refused: str) -> None:
        self.look = look
        self.word = look.word.strip()
        self.searches = look.kind is LookKind.WORD and not refused
        self.spots: tuple[Spot, ...] = ()
        self._commit = commit
        self._refused = refused
        self._counts: Mapping[str, int] = {}
        self._uses = Uses()
        self._shown: dict[Spot, list[Excerpt]] = {}
        self._tells: dict[Spot, int] = {}
        if not refused and not self.searches:
            self.spots = (_spot(look, commit),)

    def count(self, uses: Uses) -> None:
        """Receive a search's result, and choose the files to show."""
        self._counts, self._refused, self._uses = uses.counts, uses.refused, uses
        chosen = _in_order((path for path in uses.counts if not generated(path)), self._commit)
        self.spots = tuple(Spot(self._commit.sha, path) for path in chosen[:EXCERPTS])

    def read(self, spot: Spot, content: Content) -> None:
        """Receive a file's content, or why it cannot be read."""
        if isinstance(content, bytes):
            content = _refused_content(content) or content
        if isinstance(content, str):
            self._refused = self._refused or ("" if self.searches else content)
            return
        lines = content.removesuffix(b"\n").split(b"\n")
        if self.searches:
            found = list(_telling_places(lines, self.word))
            self._shown[spot] = [_excerpt(spot, lines, first, last) for _, first, last in found]
            self._tells[spot] = min((telling for telling, _, _ in found), default=_COMMENTED)
        else:
            self._place(spot, lines)

    def _place(self, spot: Spot, lines: Sequence[bytes]) -> None:
        """Show a window of a file."""
        line = self.look.line
        self._counts = {spot.path: 0}
        if self.word:
            wanted = pattern(self.word)
            found = [n for n, text in enumerate(lines, 1) if wanted.search(text)]
            self._counts = {spot.path: len(found)} if found else {}
            if not line and not found:
                return
            line = line or min(found, key=lambda n: (_telling(lines[n - 1], self.word), n))
        if line > len(lines):
            self._refused = f"the file has {len(lines)} lines"
            return
        window = _window(lines, line, self.look.until, exactly=bool(self.word and self.look.line))
        self._shown[spot] = [_excerpt(spot, lines, *window)]

    def sight(self) -> Sight:
        """The result: for a word the most significant use of every file before a second one of any."""
        if self._refused:
            return Sight(self.look, refused=self._refused)
        shown = self._places_shown()
        paths = {each.path for each in shown}
        others = (f"{one_line(path, 200)} ({n})" for path, n in self._counts.items() if path not in paths)
        elsewhere = tuple(islice(others, ELSEWHERE)) if self.searches else ()
        hits, files = sum(self._counts.values()), len(self._counts)
        uses = self._uses
        return Sight(self.look, shown, hits, files, elsewhere=elsewhere, unread=uses.unread, partial=uses.partial)

    def _places_shown(self) -> tuple[Excerpt, ...]:
        """Those with lines around them first, then single lines, one of every file before a second one of any.

        Files in which a word is defined or called come before those that only import or mention it.
        """
        spots = sorted(self.spots, key=lambda spot: (_is_aside(spot.path), self._tells.get(spot, _COMMENTED)))
        by_file = [self._shown.get(spot, []) for spot in spots]
        found = [each for rank in zip_longest(*by_file) for each in rank if each]
        windows = [each for each in found if len(each.lines) > 1 or not self.searches]
        single = [each for each in found if each not in windows]
        order = {spot.path: n for n, spot in enumerate(spots)}
        shown = windows[:EXCERPTS] + single[:SINGLE]
        return tuple(sorted(shown, key=lambda each: (order[each.path], each.start)))


def _spot(look: Look, commit: Commit) -> Spot:
    """The file of a place; before the commit, a renamed one has its former path."""
    if look.kind is not LookKind.BEFORE:
        return Spot(commit.sha, look.path)
    former = next((f.previous for f in commit.files if f.path == look.path and f.previous), None)
    return Spot(commit.parents[0], former or look.path)


def _refused_content(content: bytes) -> str:
    """Why a file's content cannot be shown; empty if it can."""
    if len(content) > FILE_BYTES:
        return TOO_LARGE
    return "an empty file" if not content else BINARY if is_binary(content) else ""


def _in_order(paths: Iterable[str], commit: Commit) -> list[str]:
    """Files as they are shown: tests, examples and pages last; in each group the commit's own components first."""
    own = {component(file.path) for file in commit.files}
    return sorted(paths, key=lambda path: (_is_aside(path), component(path) not in own, _RANK[kind(path)], path))


def _is_aside(path: str) -> bool:
    """Whether a file only tests or documents what others do."""
    return kind(path) in {FileKind.TEST, FileKind.EXAMPLE, FileKind.DOCS}


_RANK = {
    FileKind.SOURCE: 0,
    FileKind.CONFIG: 1,
    FileKind.CI: 1,
    FileKind.OTHER: 1,
    FileKind.TEST: 2,
    FileKind.EXAMPLE: 3,
    FileKind.DOCS: 4,
}


# --- Which lines are shown ---------------------------------------------------------------------

_IMPORT = re.compile(
    r"\s*(?:import\b|from\s+\S+\s+import\b|(?:pub(?:\([^)]*\))?\s+)?use\s|using\s|#\s*include\b|include\b|require\b"
    r"|export\s*(?:type\s*)?[*{]|extern\s+crate\b|package\s|@import\b|\}\s*from\b|[\w$]+(?:\s+as\s+[\w$]+)?,?\s*$"
    r"|.{0,200}=\s*require\()"
)
_COMMENT = re.compile(r"\s*(?:#(?![\[!]|\s*(?:define|if|elif|undef)\b)|//|/\*|\*(?:\s|/|$)|--\s|;|<!--|%|\"\"\"|''')")


_DEFINED, _CALLED, _USED, _IMPORTED, _COMMENTED = range(5)
"""How a line uses a word, from the most significant use on; an assignment counts as a call."""


def _text(line: bytes) -> str:
    """A line as it is shown."""
    text = line.removesuffix(b"\r").decode(errors="replace")
    return text if len(text) <= LINE_LENGTH else f"{text[: LINE_LENGTH - 1]}…"


def _telling(line: bytes, word: str) -> int:
    """How a line uses a word."""
    text = _text(line)
    if _COMMENT.match(text):
        return _COMMENTED
    named = re.escape(core(word))
    if re.search(rf"(?:^|[\s(]){KEYWORD}\s+(?:\([^)]*\)\s*)?(?:[\w.:<>]+[.:])?{named}(?![\w$])", text):
        return _DEFINED
    if DEFINITION.match(text) and re.match(rf"[^(=]*(?<![\w$.]){named}\s*\(", text):
        return _DEFINED
    if _IMPORT.match(text):
        return _IMPORTED
    return _CALLED if re.search(rf"(?<![\w$]){named}(?:<[^<>]*>)?!?\s*(?:\(|[:?]?=[^=]|:\s)", text) else _USED


def _telling_places(lines: Sequence[bytes], word: str) -> Iterator[tuple[int, int, int]]:
    """A word's uses by significance: this, and the first and last line numbers around each, without repeats.

    If a file has many uses, the later ones are single lines. Imports and comments are shown only if a file has nothing
    better.
    """
    wanted = pattern(word)
    found = sorted((_telling(text, word), n) for n, text in enumerate(lines, 1) if wanted.search(text))
    shown: set[int] = set()
    for number, (telling, line) in enumerate(found):
        if number == EXCERPTS + SINGLE or (number and telling >= _IMPORTED):
            break
        if line in shown:
            continue
        around = AROUND if len(shown) < WINDOWED * (2 * AROUND + 1) else 0
        first, last = line - around, line + around
        if around and not shown.isdisjoint(range(first, last + 1)):
            first = last = line
        shown.update(range(first, last + 1))
        yield telling, first, last


def _excerpt(spot: Spot, lines: Sequence[bytes], first: int, last: int) -> Excerpt:
    """Lines `first` to `last` of a file, as far as it has them."""
    first = max(first, 1)
    above = opening(spot.path, (_text(lines[n]) for n in range(min(first - 1, len(lines)) - 1, -1, -1)))
    return Excerpt(spot.path, first, tuple(map(_text, lines[first - 1 : last])), spot.sha, above)


def _part(excerpt: Excerpt, first: int, last: int | None = None) -> Excerpt:
    """The lines of an excerpt from index `first` to before `last`."""
    above = opening(excerpt.path, reversed((*excerpt.above, *excerpt.lines[:first])))
    return replace(excerpt, start=excerpt.start + first, lines=excerpt.lines[first:last], above=above)


def _window(lines: Sequence[bytes], line: int, until: int, *, exactly: bool) -> tuple[int, int]:
    """The first and last number of the lines to show of a place: from the definition around `line` on, or `exactly`."""
    if 0 < line <= until:
        return line, min(until, line + LONGEST - 1)
    if exactly or line < 1:
        return max(line, 1), max(line, 1) + WINDOW - 1
    start = _beginning(lines, line)
    return start, max(start + WINDOW - 1, _end(lines, start))


def _end(lines: Sequence[bytes], start: int) -> int:
    """The number of the last line of the definition that begins at line `start`, as its indent shows, within `BODY`.

    If none begins there, it is `start`.
    """
    first, last = _text(lines[start - 1]), start
    if not DEFINITION.match(first):
        return start
    for number, line in enumerate(lines[start : start + BODY - 1], start + 1):
        text = _text(line).rstrip()
        if not text:
            continue
        if indent(text) <= indent(first) and text.lstrip()[0] not in ")]{#":  # the end of a signature, a directive
            return number if text.lstrip()[0] == "}" else last
        last = number
    return last


def _beginning(lines: Sequence[bytes], line: int) -> int:
    """The number of the line that begins the definition around `line`; one nearby if that is far, or there is none."""
    inner = indent(_text(lines[line - 1]))
    for number in range(line, max(line - _BACK, 1) - 1, -1):
        text = _text(lines[number - 1])
        outer = number == line or (text.strip() and indent(text) < inner)
        if outer and DEFINITION.match(text):
            return number
        inner = min(inner, indent(text)) if text.strip() else inner
    return max(line - _UNDEFINED, 1)


# --- How much is shown -------------------------------------------------------------------------


def within(sights: Sequence[Sight], room: int) -> tuple[Sight, ...]:
    """Sights that together have no more than `room` characters: small ones are whole, the others get equal shares.

    Lines requested by number come first and whole, in half of the room, since that request knows what matters.
    """
    needs = [sum(map(_size, sight.excerpts)) for sight in sights]
    shares, left = list(needs), room
    others = []
    for n, sight in enumerate(sights):
        if sight.look.until and left - needs[n] >= room // 2:
            left -= needs[n]
        else:
            others.append(n)
    for done, n in enumerate(sorted(others, key=needs.__getitem__)):
        shares[n] = min(needs[n], left // (len(others) - done))
        left -= shares[n]
    return tuple(s if need <= share else _cut(s, share) for s, need, share in zip(sights, needs, shares, strict=True))


def _size(excerpt: Excerpt) -> int:
    """About how many characters an excerpt uses in a question, with its path and line numbers."""
    return len(excerpt.path) + 20 + sum(len(line) + 7 for line in excerpt.lines)


def _cut(sight: Sight, room: int) -> Sight:
    """A sight cut to `room` characters, but never empty."""
    if sight.look.kind is LookKind.WORD:
        return _thinned(sight, room)
    return replace(sight, excerpts=tuple(_shortened(each, room, sight.look) for each in sight.excerpts[:1]))


def _thinned(sight: Sight, room: int) -> Sight:
    """A word's places, all as single lines before any has the lines around it; files left out are named.

    Knowing all callers matters more often than the lines around the first of them.
    """
    files: dict[str, list[int]] = {}
    for n, excerpt in enumerate(sight.excerpts):
        files.setdefault(excerpt.path, []).append(n)
    order = [n for rank in zip_longest(*files.values()) for n in rank if n is not None]
    kept: dict[int, Excerpt] = {}
    for n in order:
        line = _line_alone(sight.excerpts[n], sight.look.word)
        if not kept and _size(line) > room:
            line = _shortened(line, room, sight.look)
        if _size(line) > room and kept:
            break
        kept[n] = line
        room -= _size(line)
    for n in order:
        more = _size(sight.excerpts[n]) - _size(kept[n]) if n in kept else room + 1
        if more <= room:
            kept[n] = sight.excerpts[n]
            room -= more
    shown = tuple(kept[n] for n in sorted(kept))
    left_out = (one_line(path, 200) for path in files if path not in {each.path for each in shown})
    return replace(sight, excerpts=shown, elsewhere=(*islice(left_out, ELSEWHERE), *sight.elsewhere)[:ELSEWHERE])


def _line_alone(excerpt: Excerpt, word: str) -> Excerpt:
    """The line of an excerpt that uses the word, the one nearest its middle."""
    middle, wanted = len(excerpt.lines) // 2, pattern(word.strip())
    uses = [n for n, line in enumerate(excerpt.lines) if wanted.search(line.encode())]
    at = min(uses, key=lambda n: abs(n - middle), default=middle)
    return _part(excerpt, at, at + 1)


def _shortened(excerpt: Excerpt, room: int, look: Look) -> Excerpt:
    """An excerpt in `room` characters: fewer lines of a place, shorter ones around a use."""
    room -= len(excerpt.path) + 20
    if look.kind is LookKind.WORD:
        length = max(room // len(excerpt.lines) - 7, 0)
        return replace(excerpt, lines=tuple(line[:length] for line in excerpt.lines))
    start = 0 if look.until else _nearest(excerpt, look, room)
    sizes = accumulate(len(line) + 7 for line in excerpt.lines[start:])
    end = start + sum(size <= room for size in sizes)
    return _part(excerpt, start, end)


def _nearest(excerpt: Excerpt, look: Look, room: int) -> int:
    """The first line of a window of `room` characters around the requested line, two thirds of them above it."""
    asked = max(min(look.line - excerpt.start, len(excerpt.lines) - 1), 0)
    above = accumulate(len(line) + 7 for line in reversed(excerpt.lines[: asked + 1]))
    return max(asked + 1 - sum(size <= room * 2 // 3 for size in above), 0)
