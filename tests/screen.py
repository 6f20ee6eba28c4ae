"""What a person sees of a program in a terminal: a pseudo-terminal, and as much of an emulator as our output needs."""

import os
import re
import select
from codecs import getincrementaldecoder
from fcntl import ioctl
from pathlib import Path
from struct import pack
from termios import TIOCSWINSZ
from unicodedata import east_asian_width

import forkserver

_SEQUENCE = re.compile(
    r"\x1b\[(?P<private>\??)(?P<numbers>[\d;]*)(?P<name>[A-Za-z])|\x1b\](?:[^\x07\x1b]*)(?:\x07|\x1b\\)"
)
_BEGUN = re.compile(r"\x1b(\[\??[\d;]*|\][^\x07\x1b]*\x1b?)?\Z")
"""A sequence whose rest comes with the next read."""
_IGNORED = "mhln"
"""Colours and modes; whether a cursor is seen changes nothing of what stands there."""


class Screen:
    """Every line that was ever shown, as it stood at the end. Raises ValueError for a sequence it does not know."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.rows: list[list[str]] = [[]]
        self.row = self.column = 0
        self._begun = ""

    @property
    def lines(self) -> list[str]:
        return ["".join(row).rstrip() for row in self.rows]

    def feed(self, text: str) -> None:
        at, text = 0, self._begun + text
        begun = _BEGUN.search(text)
        text, self._begun = (text[: begun.start()], begun[0]) if begun else (text, "")
        while at < len(text):
            if found := _SEQUENCE.match(text, at):
                self._control(found["name"] or "m", found["numbers"] or "", found["private"] or "")
                at = found.end()
            elif text[at] == "\x1b":
                raise ValueError(f"unknown: {text[at : at + 12]!r}")
            else:
                self._put(text[at])
                at += 1

    def _put(self, character: str) -> None:
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self._down()
        elif character == "\b":
            self.column = max(0, self.column - 1)
        elif character >= " ":
            cells = 2 if east_asian_width(character) in "WF" else 1
            if self.column + cells > self.width:
                self.column = 0
                self._down()
            row = self.rows[self.row]
            row.extend(" " * (self.column + cells - len(row)))
            row[self.column : self.column + cells] = [character, *[""] * (cells - 1)]
            self.column += cells

    def _down(self) -> None:
        self.row += 1
        if self.row == len(self.rows):
            self.rows.append([])

    def _control(self, name: str, numbers: str, private: str) -> None:
        if private or name in _IGNORED:
            return
        if name == "A":
            self.row = max(0, self.row - int(numbers or 1))
        elif name == "K" and numbers == "2":
            self.rows[self.row] = []
        elif name == "K" and numbers in ("", "0"):
            del self.rows[self.row][self.column :]
        else:
            raise ValueError(f"unknown: {numbers}{name}")


class Session:
    """`digest …` in a terminal of that size. A context: the program is ended with it."""

    def __init__(self, *words: str, cwd: Path, size: tuple[int, int] = (80, 24), **settings: str) -> None:
        width, height = size
        self.screen = Screen(width)
        self._open, theirs = os.openpty()
        ioctl(theirs, TIOCSWINSZ, pack("HHHH", height, width, 0, 0))
        known = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "DIGEST_ZONE": "UTC", "TERM": "xterm-256color"}
        root = str(Path(__file__).parent.parent)
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), theirs)
        environment = {**known, "PYTHONPATH": root, **settings}
        self.process = forkserver.start("-m", "bot", *words, cwd=cwd, env=environment, **streams)
        os.close(theirs)
        self._decode = getincrementaldecoder("utf-8")().decode

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._open)

    def type(self, line: str) -> None:
        os.write(self._open, line.encode() + b"\n")

    def wait(self, shown: str, times: int = 1) -> None:
        """Wait until a line begins with a text so many times."""
        while sum(line.startswith(shown) for line in self.screen.lines) < times:
            assert self._read(), self.screen.lines

    def ended(self) -> int:
        """Wait for the end and return the exit code."""
        while self._read():
            pass
        return self.process.wait(10)

    def _read(self, seconds: float = 60) -> bool:
        """Take what the program has written since; False once it has ended."""
        assert select.select([self._open], [], [], seconds)[0], self.screen.lines
        try:
            data = os.read(self._open, 65_536)
        except OSError:  # Linux: nobody has the other end any more
            return False
        self.screen.feed(self._decode(data))
        return bool(data)
