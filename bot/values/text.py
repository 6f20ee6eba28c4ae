"""Makes untrusted text inert."""

import re
from dataclasses import dataclass

# What a terminal or a browser acts on instead of showing: ANSI sequences, control characters, direction overrides and
# isolates, zero-width and other invisible formatting characters, surrogates. An unterminated sequence does not extend
# to the next line. The invisible ones are Unicode's Default_Ignorable_Code_Point; of variation selectors only one
# U+FE0F stays, which emoji need.
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[^\n]?)")


_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff\ud800-\udfff]|(?<=\ufe0f)\ufe0f"
)


def sanitize(text: str) -> str:
    """Inert text, without control, direction and invisible characters; tabs become spaces, and line ends are kept."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub("", _ANSI.sub("", text.replace("\r\n", "\n")))


@dataclass(frozen=True, slots=True)
class Aside:
    """Something with an aside, which a label has in the brackets of its language, and everything else in plain ones."""

    text: str
    aside: str

    def __str__(self) -> str:
        return f"{self.text} ({self.aside})"


def without_credentials(address: str) -> str:
    """An address without user and password; any other text unchanged."""
    return re.sub(r"(?<=://)[^/@\s]*@", "", address)


def one_line(text: str, limit: int = 0) -> str:
    """`text` on one line with single spaces; with a `limit` (characters) shortened, ending in `…`."""
    line = " ".join(sanitize(text).split())
    return line if not limit or len(line) <= limit else line[: limit - 1].rstrip() + "…"


_DIGITS = "零一二三四五六七八九"


def whole_number(text: str) -> int:
    """Parse a number below 100 in either script: `18`, `十八`, `两`. Raises ValueError."""
    if text.isdecimal():
        return int(text)
    tens, ten, ones = text.replace("两", "二").rpartition("十")
    digits = [_DIGITS.index(each) if each else default for each, default in ((tens, 1 if ten else 0), (ones, 0))]
    return 10 * digits[0] + digits[1]
