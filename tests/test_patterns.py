"""No text from outside holds the interpreter: what every pattern costs grows with the text, not with its square.

Each is run as its module runs it, on texts of what is repeated in patterns, its own pieces among them.
"""

import ast
import importlib
import inspect
import itertools
import pkgutil
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from types import ModuleType
from typing import Any

import pytest

import adapters
import bot
from adapters.chats.slack import inbound as slack
from bot.commits import files, lookup
from bot.conversation import asked, grammar
from bot.values import one_line

SEEDS = (" ", "\n", "a", "1", "-", ".", "/", "<", "#", "中", "a ", "a_")
MORE = ("_", "(", "[", "`", ":", "'", "a.", "a-", "“a", "a: ", "[a](", "a/", "x\n", "a@", "http://", "<http://a|")
MORE += ("[](http://中", "<!--", "```\n", "<@U1|", "post ")

METHODS = frozenset({"match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"})
END = "\x00"
MANY = 30
"""A repetition of fewer times is bounded by itself."""

# --- Finding them ----------------------------------------------------------------------------


@cache
def modules() -> dict[str, tuple[ModuleType, ast.Module]]:
    """Every module of ours with its source."""
    found = {}
    for package in (bot, adapters):
        for each in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not each.name.endswith("__main__"):
                module = importlib.import_module(each.name)
                found[each.name] = module, ast.parse(inspect.getsource(module))
    return found


def within(value: object, depth: int = 5) -> Iterator[re.Pattern[Any]]:
    """The patterns in a value of a module, also in its tables and records."""
    if isinstance(value, re.Pattern):
        yield value
    elif depth and isinstance(value, dict):
        yield from within([*value, *value.values()], depth - 1)
    elif depth and isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from within(each, depth - 1)
    elif depth and hasattr(value, "__dataclass_fields__") and not isinstance(value, type):
        yield from within([getattr(value, name) for name in value.__dataclass_fields__], depth - 1)


def name_of(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def ways(tree: ast.Module) -> dict[str, frozenset[str]]:
    """By the name of a pattern, the methods by which a module runs it; `sub` too where it does so by another name."""
    named = Counter(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
    used: dict[str, list[str]] = {name: [] for name in named}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in METHODS and name_of(node.value) in used:
            used[name_of(node.value)].append(node.attr)
    return {name: frozenset(how if len(how) == named[name] - 1 else [*how, "sub"]) for name, how in used.items()}


def inline(module: ModuleType, tree: ast.Module) -> Iterator[tuple[str, re.Pattern[Any], frozenset[str]]]:
    """The patterns that a module writes where it runs them, but for what a function puts together."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(ast.Attribute(ast.Name("re"), method), [ast.Constant(pattern), *_]) if method in METHODS:
                flags = [meant(each.value, module) for each in node.keywords if each.arg == "flags"]
                yield f"line {node.lineno}", re.compile(pattern, *flags), frozenset({method})


def meant(node: ast.expr, module: ModuleType) -> Any:
    return eval(compile(ast.Expression(node), module.__name__, "eval"), vars(module))


@cache
def patterns() -> dict[str, tuple[re.Pattern[Any], frozenset[str]]]:
    """Every pattern of ours by where it stands, with how it is run."""
    found: dict[str, tuple[re.Pattern[Any], frozenset[str]]] = {}
    for name, (module, tree) in modules().items():
        known = ways(tree)
        stored = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        for each in sorted(stored & set(vars(module))):
            value = vars(module)[each]
            how = known[each] if isinstance(value, re.Pattern) else frozenset({"sub"})
            found |= {f"{name}.{each}#{number}": (pattern, how) for number, pattern in enumerate(within(value))}
        found |= {f"{name} {where}": (pattern, how) for where, pattern, how in inline(module, tree)}
    return found


# --- What they are tried on ------------------------------------------------------------------


def sample(parsed: Any) -> str:
    """A text that a parsed pattern takes, as short as it is easily found."""
    return "".join(SAMPLES.get(code, lambda _: "")(value) for code, value in parsed)


def of_set(items: Any) -> str:
    """A character of a set."""
    code, value = items[0]
    if code is codes.NEGATE:
        return next(char for char in COMMON if not any(has(item, char) for item in items[1:]))
    return {codes.LITERAL: chr, codes.RANGE: lambda ends: chr(ends[0]), codes.CATEGORY: of_kind}[code](value)


def has(item: Any, char: str) -> bool:
    code, value = item
    if code is codes.CATEGORY:
        return bool(re.match(KINDS[value], char))
    return value[0] <= ord(char) <= value[1] if code is codes.RANGE else value == ord(char)


COMMON = "a 1-." + "".join(map(chr, range(33, 127))) + "\n中\x00"
KINDS = {
    codes.CATEGORY_SPACE: r"\s",
    codes.CATEGORY_NOT_SPACE: r"\S",
    codes.CATEGORY_DIGIT: r"\d",
    codes.CATEGORY_NOT_DIGIT: r"\D",
    codes.CATEGORY_WORD: r"\w",
    codes.CATEGORY_NOT_WORD: r"\W",
}


def of_kind(kind: Any) -> str:
    return next(char for char in COMMON if re.match(KINDS[kind], char))


SAMPLES: dict[Any, Callable[[Any], str]] = {
    codes.LITERAL: chr,
    codes.NOT_LITERAL: lambda value: "a" if value != ord("a") else "b",
    codes.ANY: lambda _: "a",
    codes.IN: of_set,
    codes.BRANCH: lambda value: sample(value[1][0]),
    codes.SUBPATTERN: lambda value: sample(value[3]),
    codes.ATOMIC_GROUP: sample,
    codes.MAX_REPEAT: lambda value: sample(value[2]) * max(1, value[0]),
    codes.MIN_REPEAT: lambda value: sample(value[2]) * max(1, value[0]),
    codes.POSSESSIVE_REPEAT: lambda value: sample(value[2]) * max(1, value[0]),
}
REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT)


def pieces(parsed: Any, lead: str = "") -> Iterator[tuple[str, str]]:
    """What a pattern repeats, each with a text for what stands before it."""
    for code, value in parsed:
        if code in REPEATS and value[1] >= MANY:
            yield lead, sample(value[2])
        inner = [value[2]] if code in REPEATS else value[1] if code is codes.BRANCH else []
        for each in [value[3]] if code is codes.SUBPATTERN else inner:
            yield from pieces(each, lead)
        lead += sample([(code, value)])


def texts(pattern: re.Pattern[Any]) -> set[tuple[str, str]]:
    """Leads and what is repeated behind them."""
    source = pattern.pattern.decode() if isinstance(pattern.pattern, bytes) else pattern.pattern
    own = set(pieces(parser.parse(source, pattern.flags & ~re.DEBUG)))
    both = {(lead, piece) for lead, piece in own if piece} | {("", lead + piece) for lead, piece in own if lead + piece}
    return both | {("", seed) for seed in SEEDS}


# --- Timing them -----------------------------------------------------------------------------


def taken(work: Callable[[Any], object], text: object, times: int = 1) -> float:
    """Seconds of this thread's own time, the best of some: other processes do not count."""
    best = float("inf")
    for _ in range(times):
        begun = time.thread_time()
        work(text)
        best = min(best, time.thread_time() - begun)
    return best


def text_of(seed: str, length: int, lead: str = "") -> str:
    return lead + (seed * length)[:length] + END


NOTHING = 0.0008
"""Seconds in which no square of two thousand is done, and no power of two of twenty."""


def squared(work: Callable[[Any], object], give: Callable[[int], object]) -> bool:
    """Whether a text four times as long takes more than nine times as long: sixteen times is the square."""
    if taken(work, give(20)) > NOTHING and taken(work, give(20), 3) > NOTHING:
        return True
    if taken(work, give(2_000)) < NOTHING:
        return False
    short, middle = taken(work, give(500), 3), taken(work, give(2_000), 3)
    return middle > 9 * short and (middle > 0.2 or taken(work, give(8_000), 2) > 9 * middle)


def run(pattern: re.Pattern[Any], how: str) -> Callable[[Any], object]:
    """The work of a pattern, to the end of a text."""
    if how in {"match", "fullmatch", "search"}:
        return getattr(pattern, how)
    return lambda text: pattern.sub(pattern.pattern[:0], text)


def slow(pattern: re.Pattern[Any], how: frozenset[str] = frozenset({"sub"})) -> Iterator[tuple[str, str, str]]:
    """The texts for which a pattern takes the square of their length."""
    encode = str.encode if isinstance(pattern.pattern, bytes) else str
    for way, (lead, piece) in itertools.product(sorted(how), sorted(texts(pattern))):
        if squared(run(pattern, way), lambda n, lead=lead, piece=piece: encode(text_of(piece, n, lead))):
            yield way, lead, piece


def test_the_patterns_are_found() -> None:
    found = patterns()
    assert len(found) > 400
    assert {name.partition(".")[0] for name in found} == {"bot", "adapters"}
    assert found["bot.conversation.grammar._WRAPPED#0"][1] == {"sub"}


@pytest.mark.parametrize("pattern", [r"\s+$", r"<[^>]*>", r"x*\d+y", r"^\s*a?\s*b", r"^(?:a|a)*b"])
def test_a_pattern_that_takes_the_square_is_noticed(pattern: str) -> None:
    assert any(slow(re.compile(pattern)))


BOUNDED = {
    "bot.commits.files": ("_NOTE", "_ORDER", "_LOCK", "_OUTPUT_PLACE", "_SOURCE"),
    "bot.conversation.asked": ("_TOLD", "_THANKS"),
}
"""Patterns that see the end of a path alone, which the test of paths holds, or a question of 300 characters at most."""


def exempt() -> set[str]:
    return {f"{module}.{name}" for module, names in BOUNDED.items() for name in names}


def test_no_pattern_takes_the_square() -> None:
    bounded = {name for name in patterns() if name.partition("#")[0] in exempt()}
    found = {name: list(slow(*each)) for name, each in patterns().items() if name not in bounded}
    assert {name: bad for name, bad in found.items() if bad} == {}


# --- The ways that texts take ----------------------------------------------------------------


def path_of(text: str) -> object:
    return files.kind.__wrapped__(text), files.generated.__wrapped__(text), files.recorded(text), files.component(text)


WAYS = {
    "a person's line": grammar.words,
    "references": grammar.references,
    "one line": one_line,
    "a mention": lambda text: slack.without_mention(text, "U1"),
    "a path": path_of,
    "a line of code": lambda text: lookup._telling(text.encode(), "name"),
    "a question": lambda text: asked.asked(text, grammar.EVERYBODYS) or asked.is_open(text, grammar.EVERYBODYS),
}
LEADS = ("", "help post", "common/changes/", "func name(")


@pytest.mark.parametrize("way", WAYS)
def test_no_text_takes_the_square_on_its_way(way: str) -> None:
    seeds = (*SEEDS, *MORE, "common/changes/a", "func (", "name ")
    tried = [(lead, seed) for lead in LEADS for seed in seeds]
    long = [each for each in tried if squared(WAYS[way], lambda n, each=each: text_of(each[1], 5 * n, each[0]))]
    assert long == []
