"""How long a channel waits for its digest where a model takes two seconds for an answer, built at its slot or before.

Real time, a real repository, SQLite and the model's client; the chat takes everything at once.
"""

from __future__ import annotations

import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from answers import answer
from model_server import ModelServer
from world import CHANNEL, DAY, World, busy_day

from adapters.llms.openai.model import OpenAIModel
from bot.judgement.questions import Depth
from bot.ports import Idempotency
from bot.values import Message, Place, Subscription

SLOT = DAY + timedelta(hours=33)
DELAY = 2.0


class Chat:
    """A chat that takes everything at once, and knows when the first message came."""

    name = "slack"

    def __init__(self) -> None:
        self.first: float | None = None

    def ahead(self) -> None:
        """Nothing is known of its clock."""

    def post(self, place: Place, message: Message, once: Idempotency | None = None) -> Place:
        if once:
            once.check()
        self.first = self.first or time.monotonic()
        return place


def waited(*, early: bool) -> tuple[float, int]:
    """Seconds from the slot to the first message of 29 commits' digest, and how much was asked after the slot."""
    with tempfile.TemporaryDirectory() as folder, ModelServer(answer, delay=DELAY) as server:
        path, chat, moved = Path(folder), Chat(), [SLOT - timedelta(minutes=30)]

        def clock() -> datetime:
            return moved[0]

        repo = str(busy_day(path / "repo").path)
        model = OpenAIModel("test-model", server.key, server.url, timeout=60, concurrency=8)
        world = World(path, clock, repo, allow=(str(path / "*"),), model=model, depth=Depth.NORMAL)
        created = DAY + timedelta(hours=12)
        world.store.subscribe(Subscription(CHANNEL, repo, "0 9 * * *", "UTC", "en", created=created))
        worker = world.worker({"slack": chat})
        if early:
            worker.early.begin()
            assert worker.early.in_progress.wait_none(300)
        moved[0], begun, asked = SLOT, time.monotonic(), len(server.statuses)
        assert worker.tick()
        assert worker.drain(300)
        assert chat.first is not None
        worker.stop(5)
        world.close()
        return chat.first - begun, len(server.statuses) - asked


def run() -> list[dict[str, object]]:
    """The same morning twice."""
    at_slot, _ = waited(early=False)
    before, asked = waited(early=True)
    what = f"29 commits, answers of {DELAY:g} s"
    return [
        {"what": f"{what}: slot to message, built at the slot", "measured": at_slot, "bar": None, "unit": "s"},
        {"what": f"{what}: slot to message, built early", "measured": before, "bar": 1, "unit": "s"},
        {"what": f"{what}: questions after the slot, built early", "measured": asked, "bar": 0, "unit": ""},
    ]


if __name__ == "__main__":
    for row in run():
        print(row)
