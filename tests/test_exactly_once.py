"""The promise that every digest is posted once, against the real program, killed with SIGKILL at random moments.

`make stress` kills some 600 mornings; `make test` those of a few fixed seeds. Each has one or two processes on one
database, which are killed, or in some stopped past their lease and continued, and started again. The first morning of
each series, and every fourth, is killed amid a send.
"""

import os
import random
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from killing import FeishuRoom, Morning, Room, Run, SlackRoom, hub

STRESS = bool(os.environ.get("STRESS"))
AT_ONCE = 10
# Of each series: the chat; how many seeds; how long a message does not show in the history; how long the bot waits
# before it looks for one; and whether the chat is late, drops connections and answers 429 and 500.
SERIES = {
    "killed": ("slack", 200 if STRESS else 2, 0.0, 0.5, True),
    "hidden": ("slack", 40 if STRESS else 1, 3.0, 4.0, True),
    "impatient": ("slack", 40 if STRESS else 1, 3.0, 0.5, False),
    "feishu": ("feishu", 200 if STRESS else 1, 3.0, 0.5, True),
    "feishu, later": ("feishu, later", 100 if STRESS else 1, 0.0, 0.5, True),
    "forgotten": ("slack", 100 if STRESS else 1, 0.0, 0.5, True),
    "feishu, forgotten": ("feishu", 100 if STRESS else 1, 0.0, 0.5, True),
}


def room(chat: str, hidden: float, chaos: random.Random | None) -> Room:
    """The chat of a series."""
    if chat == "slack":
        return SlackRoom(hidden, chaos)
    return FeishuRoom(hidden, chaos, later=chat.endswith("later"))


@pytest.fixture(scope="module")
def mornings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[Future[Run]]]]:
    """All runs of all series, several at a time."""
    folder = tmp_path_factory.mktemp("mornings")
    with hub(folder) as github, ThreadPoolExecutor(AT_ONCE) as pool:

        def play(name: str, seed: int) -> Run:
            chat, _, hidden, settle, chaos = SERIES[name]
            own = folder / f"{name}-{seed}"
            own.mkdir()
            place = room(chat, hidden, random.Random(seed) if chaos else None)
            # Where an hour passes with a kill, nobody else may be within a send, for whom none would have passed.
            racing = bool(seed % 2) and not chat.endswith("later")
            forgetting = name.endswith("forgotten")
            return Morning(own, github, seed, place, settle=settle, racing=racing, forgetting=forgetting).play()

        yield {name: [pool.submit(play, name, n) for n in range(series[1])] for name, series in SERIES.items()}


def runs(mornings: dict[str, list[Future[Run]]], name: str) -> list[Run]:
    """What came of a series, told in the test's output."""
    found = [future.result() for future in mornings[name]]
    print(f"{name}: {len(found)} mornings, {sum(r.kills for r in found)} kills", end=", ")
    print(f"{sum(r.in_a_send for r in found)} messages in a send, {sum(len(r.doubled) for r in found)} doubled")
    return found


def test_nothing_is_lost_and_nothing_doubled_whenever_the_bot_is_killed(mornings):
    found = runs(mornings, "killed")
    assert [r for r in found if not r.clean] == []
    assert sum(r.kills for r in found) >= len(found)
    assert sum(r.in_a_send for r in found) > 0, "no kill came at an interesting moment"


def test_a_history_that_shows_messages_late_is_waited_for(mornings):
    assert [r for r in runs(mornings, "hidden") if not r.clean] == []


def test_where_it_is_not_waited_for_long_enough_nothing_is_lost_and_a_double_needs_a_kill_in_a_send(mornings):
    found = runs(mornings, "impatient")
    assert [r for r in found if r.lost or r.faults] == []
    assert [r for r in found if len(r.doubled) > r.in_a_send] == []


def test_in_feishu_nothing_is_lost_and_nothing_doubled_whenever_the_bot_is_killed(mornings):
    """A history that shows messages late does not matter within the hour in which a `uuid` is known again."""
    found = runs(mornings, "feishu")
    assert [r for r in found if not r.clean] == []
    assert sum(r.in_a_send for r in found) > 0, "no kill came at an interesting moment"


def test_in_feishu_the_history_tells_after_the_hour_of_a_uuid(mornings):
    found = runs(mornings, "feishu, later")
    assert [r for r in found if not r.clean] == []
    assert sum(r.in_a_send for r in found) > 0, "no kill came at an interesting moment"


@pytest.mark.parametrize("series", ["forgotten", "feishu, forgotten"])
def test_a_restored_backup_and_a_lost_log_of_writes_lose_and_double_nothing(mornings, series):
    found = runs(mornings, series)
    assert [r for r in found if not r.clean] == []
    assert sum(r.forgotten for r in found) > 0, "nothing was forgotten"
