"""Finds what encloses a line: a function or class of source code, a section of a file in other languages. Pure."""

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import PurePosixPath

from bot.values import one_line

Begins = Callable[[str], object]
"""Whether a line begins something that others are in."""

_MODIFIER = (
    r"(?:abstract|async|const|constexpr|declare|default|export|extern(?:\s+\"C\")?|final|inline|internal|local|open"
    r"|override|private|protected|pub(?:\([^)]*\))?|public|readonly|sealed|static|suspend|unsafe|virtual)\s+"
)
KEYWORD = (
    r"(?:class|const|def|enum|extension|fn|fun|func|function\*?|impl|interface|let|macro_rules!|mod|module|namespace"
    r"|object|protocol|record|static|struct|sub|trait|type|typedef|union|var|val)"
)
"""What declares something in the common languages."""
_NO_STATEMENT = (
    r"(?!(?:assert|await|catch|do|elif|else|elseif|for|foreach|if|match|raise|return|switch|throw|unless|until|when|while"
    r"|with|yield)\b)"
)
DEFINITION = re.compile(
    rf"\s*(?:{_MODIFIER}){{0,5}}(?:(?!const\b|let\b|static\b|var\b|val\b){KEYWORD}(?![\w(]|\s*[=:.,\[])"
    r"|(?:const|let|var)\s+[\w$]+\s*(?::[^=]{0,200})?=\s*(?:async\b\s*)?(?:function\b|\(|[\w$]+\s*=>)"
    rf"|{_NO_STATEMENT}(?:async\s+|get\s+|set\s+|\*\s*)?(?!async\b)[#\w$]+\s*\([^;]{{0,400}}\{{\s*$"
    rf"|{_NO_STATEMENT}(?!new\b)[A-Za-z_][\w<>,\[\]&*:?]{{0,80}}[ \w<>,\[\]&*:?]{{0,200}}[ *&][\w~]{{1,80}}"
    r"\([^;=]{0,400}\{\s*$)"
    rf"|{_NO_STATEMENT}[A-Za-z_]\w*[\s*&:<>,~][\w\s*&:<>,~]{{0,200}}\([^;]{{0,400}}$"
)
"""The first line of a definition that may enclose others: a variable's only if it is assigned a function."""

_LIMIT, _MOST, _BACK = 80, 2, 400
"""Characters of a first line, how many of them are named, and how many lines above a line are read."""
# A single "#" of Markdown may be a comment in an example.
_HEADING, _TABLE = re.compile(r"#{2,6}\s+\S"), re.compile(r"\[[^\]]+\]{1,2}\s*$")
_TITLES: dict[str, Begins] = {
    **dict.fromkeys((".md", ".mdx", ".markdown"), _HEADING.match),
    **dict.fromkeys((".toml", ".ini", ".cfg"), _TABLE.match),
}
_PROSE = {"", ".adoc", ".org", ".rst", ".tex", ".txt"}
_KEY = re.compile(r"\s*(?:- )?[\w.\"'$/-]+:(?:\s+[|>][+-]?)?\s*$")
# Lines whose indent says nothing of what they are in: the end of a signature, a bracket alone, a comment, a directive
# of a preprocessor, an attribute (unless it goes on), a label.
_FLAT = re.compile(r"\s*(?:[)\]]|\{\s*$|#|//|/?\*|--\s|@(?!.*[(\[{,]\s*$)|(?!else|finally|try)[A-Za-z_]+:\s*$)")
_HOLDER = re.compile(
    rf"(?:{_MODIFIER}){{0,5}}(?:class|enum|extension|impl|interface|mod|module|namespace|object|protocol|struct|trait)\b"
)


def enclosing(path: str, above: Sequence[str], line: str, section: str = "") -> str:
    """What a `line` of the file `path` is in, by its name, the outer one first, such as `Server › close`.

    `above` are the lines before it that are known, `section` is what git names before the first of them. The two
    innermost are named; empty if none is known.
    """
    suffix = PurePosixPath(path).suffix.lower()
    if titles := _TITLES.get(suffix):
        known = (section, *above, line)
        return next((_named(each) for each in reversed(known) if titles(each)), "") * (not titles(line))
    begins = _begins(suffix)
    found, inner = _outward(reversed(above), begins, indent(line))
    # Git names the nearest section, which may be the function before the one that the line is in.
    near = not found and not begins(line)
    if section and inner and begins(section) and (near or _HOLDER.match(section)):
        found.append(section)
    return " › ".join(map(_named, reversed(found[:_MOST])))


def opening(path: str, above: Iterable[str]) -> tuple[str, ...]:
    """Of the lines `above` a place, nearest first, those that enclose what follows, the outer one first."""
    suffix = PurePosixPath(path).suffix.lower()
    near = islice(above, _BACK)
    if titles := _TITLES.get(suffix):
        return tuple(islice(filter(titles, near), 1))
    return tuple(reversed(_outward(near, _begins(suffix), sys.maxsize)[0]))


def _begins(suffix: str) -> Begins:
    if suffix in _PROSE:
        return lambda _: None
    return _KEY.match if suffix in {".yml", ".yaml"} else DEFINITION.match


def _outward(above: Iterable[str], begins: Begins, inner: int) -> tuple[list[str], int]:
    """The lines that begin something and have less and less indent, from below; and the least indent of all lines."""
    found = []
    for each in above:
        if not inner:
            break
        if not each.strip() or indent(each) >= inner:
            continue
        if begins(each):
            found.append(each)
        elif _FLAT.match(each):
            continue
        inner = indent(each)
    return found, inner


# What is defined: Go's receiver and method; a class, function or variable; `describe("x"`; `TEST(Pool, closes)`; a name
# before its parameters.
_RECEIVER = re.compile(r"func \((?:\w+ )?\*?(\w{1,80})[^)]{0,80}\) ?(\w+)")
_DECLARED = re.compile(
    rf"(?:{_MODIFIER}){{0,5}}(?:(?!const\b|let\b|static\b|va[lr]\b){KEYWORD}\s+(?:[A-Z][A-Z_0-9]*\s+(?=\w))?([\w$~][\w$.:~]*)"
    r"|(?:const|let|va[lr])\s+([\w$]+)\s*[:=])"
)
_QUOTED = re.compile(r"([\w$]+)\((\"[^\"]*\"|'[^']*'|`[^`]*`)")
_MACRO = re.compile(r"[A-Z][A-Z_0-9]+\([^()]*\)")
_CALLED = re.compile(r"([\w$~:#]{1,80})\s*\(")


def _named(line: str) -> str:
    """The name of what a line begins, or the line itself."""
    text = one_line(line.strip().removesuffix("{").removesuffix(":").rstrip(), _LIMIT)
    if text.startswith(("#", "[", "impl")):
        return text
    if found := _RECEIVER.match(text):
        return f"{found[1]}.{found[2]}"
    if found := _DECLARED.match(text):
        return (found[1] or found[2]).rstrip(":")
    if found := _QUOTED.match(text):
        return f"{found[1]}({found[2]})"
    if found := _MACRO.match(text):
        return found[0]
    return found[1] if (found := _CALLED.search(text)) else text


def indent(line: str) -> int:
    """How many white characters begin a line."""
    return len(line) - len(line.lstrip())
