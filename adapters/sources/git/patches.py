"""Parses a stream of patches with bounded memory. Pure: no process, no disk."""

from collections.abc import Iterable, Iterator

from adapters.sources.git.history import changes, pieces, text
from bot.values import FILE_PATCH_BYTES, PATCH_BYTES, PATCH_LINE_LENGTH, FilePatch, shortened_lines

_HEADER = 64 << 10  # `diff --git`, `rename`, `---` and `+++` hold six paths of at most 4,096 bytes, perhaps quoted

Pieces = Iterator[tuple[bytes, bool]]


def read(chunks: Iterable[bytes], mark: str) -> Iterator[tuple[str, tuple[FilePatch, ...]]]:
    """SHA and patches of each record of `history.log(mark, ("%H",), *DIFF, "--raw", "--patch")`.

    A file is kept to 256 KiB, a commit to 8 MiB and a line to 4,000 characters; the rest is read and dropped.
    """
    stream = pieces(chunks, mark.encode())
    for _, last in stream:
        if last:
            break
    for first in stream:
        yield _commit(_part(first, stream))


def _part(first: tuple[bytes, bool], stream: Pieces) -> Iterator[bytes]:
    """The pieces of one part: `first` and what follows up to the part's end."""
    piece, last = first
    yield piece
    while not last:
        piece, last = next(stream)
        yield piece


def _commit(part: Iterator[bytes]) -> tuple[str, tuple[FilePatch, ...]]:
    """One record: the SHA and the raw entries that name its files, an empty field, a section for each file."""
    head, rest = _head(part)
    sha, *fields = head.split(b"\0")
    expected = tuple(changes(fields))
    sections = pieces(_chain(rest, part), b"\ndiff --git ")
    room = PATCH_BYTES
    patches = []
    for status, _, path in expected:
        patch = _file(text(path), sections, min(room, FILE_PATCH_BYTES))
        if status == b"T":  # a change of type is written as a removal and an addition
            patch = _joined(patch, _file(patch.path, sections, min(room, FILE_PATCH_BYTES)))
        room -= min(room, len(patch.text))
        patches.append(patch)
    for _ in part:  # drop the rest of the record
        pass
    return text(sha), tuple(patches)


def _head(part: Iterator[bytes]) -> tuple[bytes, bytes]:
    """The part before the first patch, and the beginning of that patch."""
    head = bytearray()
    for piece in part:
        start = max(0, len(head) - 1)
        head += piece
        if (end := head.find(b"\0\0", start)) >= 0:
            return bytes(head[:end]), bytes(head[end + 2 :])
    return bytes(head), b""


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    """`first` and then `rest`."""
    yield first
    yield from rest


def _file(path: str, sections: Pieces, limit: int) -> FilePatch:
    """The patch in the next section, kept to `limit` bytes from the first hunk on."""
    kept, size = [], 0
    for piece, last in sections:
        if size < limit + _HEADER:
            kept.append(piece[: limit + _HEADER - size])
        size += len(piece)
        if last:
            break
    section = b"".join(kept)
    start = section.find(b"\n@@ ") + 1
    if not start:
        return FilePatch(path, "", complete=size <= len(section))
    whole = size - start <= limit + 1 and size == len(section)
    hunks = section[start:] if whole else _whole_lines(section[start : start + limit])
    shown = shortened_lines(text(hunks.removesuffix(b"\n")))
    return FilePatch(path, shown[0], complete=whole and shown[1])


def _whole_lines(cut: bytes) -> bytes:
    """`cut` without the incomplete last line, unless that is a long one."""
    end = cut.rfind(b"\n")
    return cut if len(cut) - end > PATCH_LINE_LENGTH else cut[: max(end, 0)]


def _joined(one: FilePatch, two: FilePatch) -> FilePatch:
    """Both patches of a path as one."""
    return FilePatch(one.path, "\n".join(filter(None, (one.text, two.text))), one.complete and two.complete)
