"""The promise that every digest is posted once, with several processes on one PostgreSQL server.

Each morning has two to four of them, in Slack or in Feishu, in every third with the work split by `--only`; any is
killed with SIGKILL or stopped past its lease, or the server is ended at once and started again, or cut off. `make
stress` plays a hundred, or as many as go into forty minutes. In half as many more, all processes are killed, and go on
with a backup.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from killing import FeishuRoom, Run, SlackRoom, hub
from killing_several import SharedMorning
from postgres import postgres

STRESS = bool(os.environ.get("STRESS"))
MORNINGS, SECONDS = (int(os.environ.get("MORNINGS", "100")), 2_400) if STRESS else (2, 600)
AT_ONCE = 4


Played = list[tuple[SharedMorning, Run]]


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int, bool], Played]]:
    folder = tmp_path_factory.mktemp("several")
    with postgres() as server, hub(folder) as github:
        server.keep_what_it_says()

        def one(seed: int, until: float, *, forgetting: bool) -> tuple[SharedMorning, Run] | None:
            if time.monotonic() > until:
                return None
            own = Path(folder / f"{seed}-{forgetting}")
            own.mkdir()
            chaos = random.Random(seed)
            room = FeishuRoom(3.0, chaos, later=False) if seed % 2 else SlackRoom(0.0, chaos)
            morning = SharedMorning(own, github, seed, room, server, settle=0.5, forgetting=forgetting)
            return morning, morning.play()

        def several(number: int, forgetting: bool) -> Played:
            made = partial(one, until=time.monotonic() + SECONDS, forgetting=forgetting)
            with ThreadPoolExecutor(AT_ONCE) as pool:
                return [each for each in pool.map(made, range(number)) if each]

        yield several


def test_nothing_is_lost_and_nothing_doubled_whoever_is_killed(play):
    played = play(MORNINGS, False)
    found = [run for _, run in played]
    struck = Counter(how for morning, _ in played for how in morning.struck)
    print(f"{len(found)} mornings, {dict(struck)}, {sum(r.in_a_send for r in found)} messages in a send")
    assert [r for r in found if not r.clean] == []
    assert sum(r.kills for r in found) >= len(found)
    assert sum(r.in_a_send for r in found) > 0, "nothing was struck at an interesting moment"


def test_a_restored_backup_loses_and_doubles_nothing(play):
    found = [run for _, run in play(MORNINGS // 2, True)]
    forgotten = sum(r.forgotten for r in found)
    print(f"{len(found)} mornings, {sum(r.kills for r in found)} backups, {forgotten} steps forgotten")
    assert [r for r in found if not r.clean] == []
    assert forgotten > 0, "nothing was forgotten"
