"""What several processes share of a service's limits: rates, pauses, and how many questions are open at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import forkserver
import pytest
from postgres import Postgres, postgres
from pydantic import SecretStr
from service import ROOT
from slack_server import TOKEN, SlackServer

from adapters.chats.ratelimit import RateLimit, RateLimiter, Shared
from adapters.chats.slack import limits
from adapters.chats.slack.calls import Gate
from adapters.chats.slack.chat import SlackChat
from adapters.chats.slack.workspaces import OneWorkspace
from adapters.postgres import Server
from adapters.stores.postgres.rates import PostgresRates
from adapters.stores.postgres.slots import PostgresSlots
from bot.values import Message, Place, Span

LATE = 3.0
"""So many seconds later than it was let go a call may arrive, on a machine that does much else."""


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as made:
        yield made


@pytest.fixture
def database(server: Postgres) -> Iterator[Server]:
    with closing(Server(server.cleared())) as made:
        yield made


def limiters(database: Server, number: int = 2) -> list[RateLimiter]:
    """Those of several processes."""
    made = (Shared(PostgresRates(database), "test") for _ in range(number))
    return [RateLimiter(time.monotonic, time.sleep, shared) for shared in made]


def let_go(found: list[RateLimiter], limits: dict[str, list[RateLimit]], calls: int) -> list[float]:
    """After how many seconds each of so many calls of each limiter was let go."""
    times: list[float] = []
    began = time.monotonic()

    def call(limiter: RateLimiter) -> None:
        limiter.wait(limits)
        times.append(time.monotonic() - began)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, found * calls))
    return sorted(times)


def test_two_processes_together_are_no_faster_than_a_rate_allows(database):
    times = let_go(limiters(database), {"team": [RateLimit(0.1)], "channel": []}, 4)
    assert times[-1] >= 7 * 0.1


def test_calls_for_which_others_wait_are_taken_together(database, monkeypatch):
    asked, take = [], PostgresRates.take

    def counted(self, rates, pauses):
        room = take(self, rates, pauses)
        asked.append((rates[0].calls, room.granted))
        return room

    monkeypatch.setattr(PostgresRates, "take", counted)
    times = let_go(limiters(database), {"team": [RateLimit(0.05)]}, 12)
    assert times[-1] >= 23 * 0.05
    granted = [calls for calls, is_granted in asked if is_granted]
    assert len(granted) < 24 <= sum(granted)


def test_a_stock_that_is_not_used_in_time_is_lost(database):
    one, other = limiters(database)
    limit = {"team": [RateLimit(0.1)]}
    one._waiting["team", RateLimit(0.1)] = 4
    one.wait(limit)
    assert one._stock["team", RateLimit(0.1)][0] == 4
    time.sleep(0.7)
    began = time.monotonic()
    other.wait(limit)
    one.wait(limit)
    assert time.monotonic() - began >= 0.1


def test_a_burst_is_one_for_all(database):
    times = let_go(limiters(database), {"team": [RateLimit(0.5, 3)]}, 2)
    assert sum(moment < 0.45 for moment in times) <= 3


def test_who_waits_for_a_channel_keeps_no_other_from_its_workspace(database):
    one, other = limiters(database)
    team = {"team": [RateLimit(0.01)]}
    one.wait({**team, "a": [RateLimit(2.0)]})
    waiting = threading.Thread(target=other.wait, args=({**team, "a": [RateLimit(2.0)]},))
    waiting.start()
    other.wait({**team, "b": [RateLimit(2.0)]})
    assert waiting.is_alive()
    waiting.join()


def test_a_pause_is_everybody_s(database):
    one, other = limiters(database)
    began = time.monotonic()
    one.pause("team", 0.4)
    other.wait({"team": [RateLimit(0.01)]})
    assert time.monotonic() - began >= 0.4


def test_the_rows_name_no_key_and_old_ones_are_removed(database):
    (one,) = limiters(database, 1)
    one.wait({"https://hooks.slack.com/services/T/B/secret": [RateLimit(0.1)]})
    database.write(lambda db: db.execute("UPDATE rates SET until = 1"))
    before = database.read(lambda db: db.execute("SELECT name FROM rates").fetchall())
    assert len(before) == 2
    assert "secret" not in str(before)
    one.wait({"other": [RateLimit(0.1)]})
    after = database.read(lambda db: db.execute("SELECT name FROM rates").fetchall())
    assert not set(before) & set(after)


# --- In two processes ------------------------------------------------------------------------


def post(address: str, url: str, channels: str) -> None:
    """What each process does: post in channels, one after the other."""
    chat = SlackChat(OneWorkspace(TOKEN, url), rates=PostgresRates(Server(SecretStr(address))))
    with ThreadPoolExecutor(8) as pool:
        message = Message("m", (Span("hello"),))
        list(pool.map(lambda name: chat.post(Place("slack", f"T1/{name}"), message), channels.split(",")))


def clock(database: Server) -> float:
    """The database's time, in seconds."""
    return database.read(lambda db: db.execute("SELECT extract(epoch FROM clock_timestamp())::float").fetchone())[0]


def until(database: Server, *named: object) -> float:
    """Until when the calls of a rate of Slack's count, by the database's time: no delay on the way changes it."""
    told = "SELECT until / 1e6::float FROM rates WHERE name = %s"
    return database.read(lambda db: db.execute(told, (Shared(None, "slack").name(*named),)).fetchone())[0]


def test_two_workers_never_exceed_a_channel_s_or_a_workspace_s_rate(server, database):
    own = [[f"C{n}{who}" for n in range(3)] for who in "ab"]
    with SlackServer(time.time, channels=("C0", *own[0], *own[1]), throttle=True) as slack:
        slack.tolerance = LATE
        told = [server.address("shared").get_secret_value(), slack.url]
        words, env = ("-c", "import test_rates, sys; test_rates.post(*sys.argv[1:])", *told), {"PYTHONPATH": str(ROOT)}
        listed = [",".join(["C0", "C0", *names, "C0", "C0"]) for names in own]
        began = clock(database)
        processes = [forkserver.start(*words, each, env=env, cwd=ROOT / "tests") for each in listed]
        assert [process.wait(60) for process in processes] == [0, 0]
        assert slack.refused == 0
        assert len(slack.messages["C0"]) == 8
        assert len(slack._calls["chat.postMessage", "T1"]) == 14
    gate, whole = Gate("chat.postMessage", "T1", "C0"), RateLimit(60 / limits.WORKSPACE.ours)
    assert until(database, gate, RateLimit(limits.PACE)) - began >= 8 * limits.PACE
    assert until(database, gate.whole, whole) - began >= 14 * whole.period


# --- How many at once ------------------------------------------------------------------------


def test_of_all_processes_together_so_many_have_a_slot(database):
    together, most, both = [], [], threading.Barrier(2)
    found = [PostgresSlots(database, 30) for _ in range(2)]

    def hold(slots: PostgresSlots) -> None:
        with slots.taken("model", 2):
            together.append(1)
            both.wait(30)
            most.append(len(together))
            both.wait(30)
            together.pop()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(hold, found * 3))
    assert max(most) == 2
    assert database.read(lambda db: db.execute("SELECT * FROM claims").fetchall()) == []


def test_the_slot_of_a_process_that_died_is_free_after_its_lease_and_one_that_lives_keeps_its(database):
    dead, alive = PostgresSlots(database, 30), PostgresSlots(database, 0.6)
    dead._take("model", 1)
    database.write(lambda db: db.execute("UPDATE claims SET until = 1"))
    with alive.taken("model", 1):
        time.sleep(0.9)
        query = "SELECT until > extract(epoch FROM clock_timestamp()) * 1000000 FROM claims"
        assert database.read(lambda db: db.execute(query).fetchall()) == [(True,)]
