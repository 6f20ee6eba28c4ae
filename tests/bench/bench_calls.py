"""How often a delivery and two answers call the store and the source; run as a program it lists each method."""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from world import CHANNEL, DAY, World, busy_day

from bot.ports import CommitSource, Idempotency, Store
from bot.values import DeliveryState, Message, Place, Subscription

NOW = DAY + timedelta(hours=33)


class Chat:
    """A chat that takes everything at once, and looks at the lease before it does, as real ones do."""

    name = "slack"

    def ahead(self) -> None:
        """Nothing is known of its clock."""

    def post(self, place: Place, message: Message, once: Idempotency | None = None) -> Place:
        if once:
            once.check()
        return place if place.thread else replace(place, thread=message.key)


def measured() -> dict[str, Counter[str]]:
    """For each step, the calls by name."""
    found: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        repo = str(busy_day(path / "repo").path)
        world = World(path, lambda: NOW, repo, allow=(str(path / "*"),))
        created = DAY - timedelta(hours=12)
        world.store.subscribe(Subscription(CHANNEL, repo, "0 9 * * *", "UTC", "en", created=created))
        calls: Counter[str] = Counter()
        _count(world.store, Store, "store", calls)
        _count(world.source, CommitSource, "source", calls)
        for name, step in STEPS.items():
            calls.clear()
            step(world)
            found[name] = Counter(calls)
        assert world.store.delivery_states()[DeliveryState.DONE] == 1
        world.close()
    return found


def _count(part: object, port: type, name: str, calls: Counter[str]) -> None:
    """Let each call of a part's port be counted."""

    def counted(method: str, call: Callable[..., object]) -> Callable[..., object]:
        def count(*args: object, **kwargs: object) -> object:
            calls[f"{name}.{method}"] += 1
            return call(*args, **kwargs)

        return count

    for method in (m for each in port.__mro__ for m, value in vars(each).items() if m[0] != "_" and callable(value)):
        setattr(part, method, counted(method, getattr(type(part), method).__get__(part)))


def _deliver(world: World) -> None:
    worker = world.worker({"slack": Chat()})
    assert worker.tick()
    assert worker.drain(60)
    worker.stop(5)


STEPS = {
    "a delivery of 29 commits": _deliver,
    "a look at nothing due": lambda world: world.worker({"slack": Chat()}).tick(),
    "/digest #100": lambda world: world.ask("#100", CHANNEL),
    "/digest settings": lambda world: world.ask("settings", CHANNEL),
}
"""What is measured, in this order, on one database."""


BARS = {("a delivery of 29 commits", "store"): 51, ("a delivery of 29 commits", "source"): 4}
"""Of nine messages each is looked at twice and kept once; the source is also asked for releases."""


def run() -> list[dict[str, object]]:
    """The sums of the store's and of the source's calls."""
    return [
        {
            "what": f"{step}: calls of the {part}",
            "measured": _sum(calls, part),
            "bar": BARS.get((step, part)),
            "unit": "",
        }
        for step, calls in measured().items()
        for part in ("store", "source")
    ]


def _sum(calls: Counter[str], part: str) -> int:
    return sum(number for name, number in calls.items() if name.startswith(f"{part}."))


if __name__ == "__main__":
    for step, calls in measured().items():
        print(f"{step}: store {_sum(calls, 'store')}, source {_sum(calls, 'source')}")
        for name, number in sorted(calls.items()):
            print(f"  {number:4}  {name}")
