"""No line of a person holds the interpreter: what reading it costs grows with its length, not with the square."""

import re
import time
from collections.abc import Callable

import pytest

from adapters.chats.feishu import inbound as feishu
from adapters.chats.slack import inbound as slack
from bot.conversation import grammar
from bot.values import one_line

SEEDS = (" ", "\n", "a", "A", "1", "_", "-", ".", "/", "(", "[", "`", "<", "*", "#", ":", "'", '"', "中", "a ", "a_")
SEEDS += ("a.", "1.", "a-", "\n-", "a: ", "[a](", "a/", "x\n", "a@", "http://", "<http://a|", "[](http://中", "<!--")
SEEDS += ("\\", "```\n", "=", "|", "\x1b]", "<@U|", "“a")


def taken(work: Callable[[object], object], text: object, times: int = 1) -> float:
    """Seconds of this thread's own time, the best of some: other processes do not count."""
    best = float("inf")
    for _ in range(times):
        begun = time.thread_time()
        work(text)
        best = min(best, time.thread_time() - begun)
    return best


def text_of(seed: str, length: int) -> str:
    return (seed * length)[:length] + "\x00"


def squared(work: Callable[[object], object], give: Callable[[int], object]) -> bool:
    """Whether a text four times as long takes more than nine times as long: sixteen times is the square."""
    if taken(work, give(4_000)) < 0.002:  # a square of this length is not so fast
        return False
    return taken(work, give(8_000), 2) > 9 * taken(work, give(2_000), 2)


def searched(pattern: re.Pattern[str]) -> Callable[[object], object]:
    return lambda text: pattern.sub(pattern.pattern[:0], text)  # type: ignore[arg-type]


def test_a_pattern_that_takes_the_square_is_noticed() -> None:
    assert squared(searched(re.compile(r"\s+$")), lambda n: text_of(" ", n))


PATHS = {
    "line": grammar.words,
    "references": grammar.references,
    "one line": one_line,
    "mention": lambda text: slack.without_mention(text, "U1"),
    "feishu": lambda text: feishu._LINK.sub("", text),
}


@pytest.mark.parametrize("path", PATHS)
def test_no_line_of_a_person_takes_the_square(path: str) -> None:
    seeds = (*SEEDS, "<@U1|", "help post ", "post ")
    long = [seed for seed in seeds if squared(PATHS[path], lambda n, seed=seed: "help post" + text_of(seed, 5 * n))]
    assert long == []
