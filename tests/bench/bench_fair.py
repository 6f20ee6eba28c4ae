"""How long a channel waits for its digest beside one that follows very much, and beside git hosts that hang.

The worker with a real SQLite file, real repositories, git over real sockets, the Slack client against the tests'
server, and all limits as they are in service. A channel must have its digest within a minute.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from git_server import GitServer
from hanging import Dripping, Silent
from repositories import Builder, lines
from slack_server import TOKEN, SlackServer
from world import DAY, World

from adapters.chats.slack.chat import SlackChat
from adapters.chats.slack.workspaces import OneWorkspace
from bot.values import Place, Subscription

SLOT = DAY + timedelta(hours=33)
BUSY, OTHER = (Place("slack", f"T1/C{n}") for n in (1, 2))
MINUTE, GIVEN_UP = 60.0, 300.0
HOSTS, OF_EACH = 12, 5
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n\r\n"


class Morning:
    """A bot at nine o'clock, in a channel that follows very much and in another one, beside which it is measured."""

    def __init__(self, folder: Path, server: SlackServer, clock: Callable[[], float]) -> None:
        self.folder, self.server = folder, server
        self.world = World(folder, lambda: datetime.fromtimestamp(clock(), UTC), allow=("*",))
        chat = SlackChat(OneWorkspace(TOKEN, server.url), clock=clock, sleep=time.sleep, now=clock)
        self._worker = self.world.worker({"slack": chat})
        build = Builder(folder / "repo")
        build.commit("root", DAY - timedelta(days=30), {"README.md": "# App\n"})
        build.commit("one", DAY + timedelta(hours=3), {"src/part.py": lines(1, 20, "part")}, message="fix: one (#1)")
        self.repo = build.finish().path

    def follow(self, place: Place, repo: str) -> None:
        made = DAY + timedelta(hours=12)
        self.world.store.subscribe(Subscription(place, repo, "0 9 * * *", "UTC", "en", created=made))

    def waited(self, channel: str = "C2", said: str = "fix: one") -> float:
        """Seconds until a channel has the digest, or until it is given up."""
        begun = time.monotonic()
        while (passed := time.monotonic() - begun) < GIVEN_UP:
            if any(said in str(top) for top in self.server.thread(channel, None)):
                break
            self._worker.tick()
            time.sleep(0.5)
        return passed

    def close(self) -> None:
        self._worker.stop(5)
        self._worker.drain(60)
        self.world.close()


def measured(arrange: Callable[[Morning, ExitStack], None]) -> float:
    """Seconds from the slot until the other channel has its digest."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        begun = time.monotonic()

        def clock() -> float:
            return SLOT.timestamp() + time.monotonic() - begun

        server = stack.enter_context(SlackServer(clock, channels=("C1", "C2")))
        morning = Morning(folder, server, clock)
        stack.callback(morning.close)
        with ExitStack() as hosts:
            arrange(morning, hosts)
            return morning.waited()


def busy(number: int) -> Callable[[Morning, ExitStack], None]:
    """A channel that follows so many repositories, all before the other's by their names and numbers."""

    def arrange(morning: Morning, _: ExitStack) -> None:
        for n in range(number):
            path = morning.folder / f"a{n:03}"
            path.symlink_to(morning.repo)
            morning.follow(BUSY, str(path))
        morning.follow(OTHER, str(morning.repo))

    return arrange


def hanging(host: Callable[[], Silent], place: Place) -> Callable[[Morning, ExitStack], None]:
    """Hosts that hang, in `place`, and a good one after them in the other channel."""

    def arrange(morning: Morning, hosts: ExitStack) -> None:
        for _ in range(HOSTS):
            url = hosts.enter_context(host()).url
            for n in range(OF_EACH):
                morning.follow(place, f"{url}/owner/repo{n}.git")
        good = hosts.enter_context(GitServer(morning.folder / "served"))
        (good.folder / "repo.git").symlink_to(morning.repo)
        morning.follow(OTHER, good.url("repo.git").replace("127.0.0.1", "localhost"))

    return arrange


def run() -> list[dict[str, object]]:
    """Each in a bot of its own."""
    cases = {f"{n} subscriptions in one channel": busy(n) for n in (300, 900)}
    cases[f"{HOSTS} hosts that never answer, in another channel"] = hanging(Silent, BUSY)
    cases[f"{HOSTS} hosts that never answer, in the same channel"] = hanging(Silent, OTHER)
    cases[f"{HOSTS} hosts that drip, in the same channel"] = hanging(lambda: Dripping(HEAD), OTHER)
    return [
        {"what": f"{what}: the other's digest", "measured": measured(arrange), "bar": MINUTE, "unit": "s"}
        for what, arrange in cases.items()
    ]


if __name__ == "__main__":
    for row in run():
        print(row, flush=True)
