"""Each chat begins, fails, says so and begins again by itself; and the program, whose chats are mended."""

import json
import logging
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import forkserver
import pytest
from feishu_server import APP_SECRET, FeishuServer
from repositories import Builder, lines
from service import ROOT, environment, feishu_settings, quiet_zone, slack_settings
from slack_server import TOKEN, SlackServer

from adapters.stores.sqlite import SqliteStore
from bot import supervision
from bot.errors import ConfigError, Unavailable, Unreachable
from bot.supervision import Supervisor
from bot.values import Place, Subscription


class FakeChat:
    """A chat that fails as often as `troubles` says, and then is connected until it is closed."""

    def __init__(self, troubles):
        self._troubles = troubles
        self._closed = threading.Event()
        self.connected = False

    def listen(self):
        if self._troubles:
            raise self._troubles.pop(0)
        self.connected = True
        self._closed.wait()
        self.connected = False

    def close(self):
        self._closed.set()


class Fakes:
    """Chats by name, each with what it fails of; makes them anew each time."""

    def __init__(self, **troubles):
        self.troubles, self.made, self.outdated, self.mended = troubles, [], set(), []
        self.waited = []
        self.supervisor = Supervisor(tuple(troubles), self, lambda chat: chat.listen(), self.mended.append, self._wait)

    def _wait(self, seconds):
        self.waited.append(seconds)
        time.sleep(0.001)
        return False

    def make(self, name):
        self.made.append(name)
        self.outdated.discard(name)
        first = self.troubles[name][0] if self.troubles[name] else None
        if isinstance(first, ConfigError) and first.key == "webhook_setting":
            raise self.troubles[name].pop(0)
        return FakeChat(self.troubles[name])

    def is_outdated(self, name):
        return name in self.outdated


@contextmanager
def running(fakes, monkeypatch):
    monkeypatch.setattr(supervision, "LOOK", 0.005)
    ended = []

    def run():
        try:
            fakes.supervisor.run()
        except ConfigError as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield ended
    finally:
        fakes.supervisor.stop()
        thread.join(5)
    assert not thread.is_alive()


def until(found):
    ends = time.monotonic() + 30
    while not (seen := found()):
        assert time.monotonic() < ends, "nothing came"
        time.sleep(0.005)
    return seen


def test_a_chat_that_cannot_begin_takes_no_other_along_and_begins_again(monkeypatch, caplog):
    down = [Unavailable("slack_failed", error="connection")] * 3
    malformed = [ConfigError("webhook_setting", name="X", number=1, form="…")] * 2
    fakes = Fakes(slack=down, feishu=[], webhook=malformed)
    caplog.set_level(logging.INFO, "digest.chats")
    with running(fakes, monkeypatch) as ended:
        until(lambda: sorted(fakes.mended) == ["slack", "webhook"])
        assert fakes.supervisor.unready() is None
    assert ended == []
    assert (fakes.made.count("slack"), fakes.made.count("feishu"), fakes.made.count("webhook")) == (4, 1, 3)
    told = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert sorted(record.fields["chat"] for record in told) == ["slack", "webhook"]  # each reason once


def test_what_can_be_made_is_there_from_the_beginning():
    fakes = Fakes(slack=[], webhook=[ConfigError("webhook_setting", name="X", number=1, form="…")])
    fakes.supervisor.prepare()
    assert fakes.made == ["slack", "webhook"]


def test_the_pauses_grow_up_to_a_minute(monkeypatch):
    fakes = Fakes(slack=[Unavailable("slack_failed", error="connection")] * 9)
    with running(fakes, monkeypatch):
        until(lambda: fakes.mended)
    assert fakes.waited == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_it_ends_only_where_nothing_at_all_can_work(monkeypatch):
    wrong = [ConfigError("slack_token")] * 100
    fakes = Fakes(slack=list(wrong), feishu=[ConfigError("feishu_secret")] * 100)
    with running(fakes, monkeypatch) as ended:
        until(lambda: ended)
    assert ended[0].key == "slack_token"
    for other in (
        [],
        [Unavailable("feishu_failed", error="x")] * 10_000,
        [Unreachable("host_unknown", host="x")] * 10_000,
    ):
        fakes = Fakes(slack=list(wrong), feishu=other)
        with running(fakes, monkeypatch) as ended:
            until(lambda fakes=fakes: fakes.made.count("slack") > 3)
        assert ended == []


def test_it_is_ready_once_somebody_can_be_reached_and_says_why_not(monkeypatch):
    fakes = Fakes(slack=[Unavailable("slack_failed", error="connection")] * 20)
    assert fakes.supervisor.unready().key == "chat_connecting"
    with running(fakes, monkeypatch):
        assert until(fakes.supervisor.unready).key in {"slack_failed", "chat_connecting"}
        until(lambda: fakes.supervisor.unready() is None)


def test_a_chat_whose_settings_were_changed_begins_anew(monkeypatch):
    fakes = Fakes(slack=[], feishu=[])
    with running(fakes, monkeypatch):
        until(lambda: len(fakes.made) == 2 and fakes.supervisor.unready() is None)
        fakes.outdated = {"slack"}
        until(lambda: fakes.supervisor.refresh() or fakes.made.count("slack") == 2)
    assert fakes.made.count("feishu") == 1


def test_a_fault_of_our_own_ends_no_chat_for_good(monkeypatch, caplog):
    fakes = Fakes(slack=[RuntimeError("a fault")])
    with running(fakes, monkeypatch):
        until(lambda: fakes.mended)
    assert "a fault" in caplog.text


# --- The program -----------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """A database in which a digest is due in a channel of Slack and in a group of Feishu."""
    now = datetime.now(UTC)
    build = Builder(tmp_path / "app")
    build.commit("root", now - timedelta(days=20), {"README.md": "# App\n"})
    build.commit("one", now - timedelta(hours=24), {"a.py": lines(1, 20)}, message="fix: one")
    repo, created = str(build.finish().path), now - timedelta(hours=24)
    store = SqliteStore(tmp_path / "digest.db")
    for place in (Place("slack", "T1/C1"), Place("feishu", "oc_1")):
        store.subscribe(
            Subscription(place, repo, "0 6 * * *", quiet_zone(now), "en", created=created, scheduled=created)
        )
    store.close()
    return tmp_path


@contextmanager
def digest_run(folder, **settings):
    told = environment(folder, DIGEST_ALLOW=str(folder / "*"), DIGEST_LOG="json", PYTHONPATH=str(ROOT), **settings)
    told |= {"DIGEST_RIGHTS": f"T1={folder}/*,feishu={folder}/*"}
    with (folder / "log").open("wb") as log:
        process = forkserver.start("-m", "bot", "run", env=told, cwd=ROOT, stdout=log, stderr=log)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        assert process.wait(20) in (0, 1)


def events(folder):
    return [json.loads(line) for line in (folder / "log").read_text().splitlines() if line.startswith("{")]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def test_what_failed_comes_when_it_is_mended_and_the_others_before(folder):
    """Slack's token is wrong and Feishu works; then `.env` is mended."""
    own, port = folder / "own.env", free_port()
    own.write_text("SLACK_BOT_TOKEN=xoxb-wrong\n")
    with SlackServer(time.time) as slack, FeishuServer(time.time) as feishu:
        given = {k: v for k, v in slack_settings(slack.url).items() if k != "SLACK_BOT_TOKEN"}
        given |= feishu_settings(feishu.root) | {"DIGEST_ENV_FILE": str(own), "DIGEST_MONITOR_PORT": str(port)}
        with digest_run(folder, **given) as process:
            wait = lambda found: until(lambda: process.poll() is None and found())  # noqa: E731
            wait(lambda: any("fix: one" in feishu.shown(m) for m in feishu.tops("oc_1")))
            assert slack.messages["C1"] == []
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz") as answer:
                assert answer.status == 200
            own.write_text(f"SLACK_BOT_TOKEN={TOKEN}\n")
            wait(lambda: any("fix: one" in json.dumps(m) for m in slack.messages["C1"]))
    seen = events(folder)
    first = seen[0]
    assert (first["event"], first["chats"], first["repositories"], first["model"]) == (
        "started",
        "slack, feishu",
        1,
        "none",
    )
    assert {"version", "next"} <= first.keys()
    assert first["port"] == port
    told = [e for e in seen if e["event"].startswith("a chat does not work")]
    assert [(e["chat"], e["reason"]) for e in told] == [("slack", "slack_token")]
    assert process.returncode == 0
    assert not any(secret in (folder / "log").read_text() for secret in (TOKEN, APP_SECRET))


def test_without_a_network_it_waits_and_is_ready_only_when_it_is(folder):
    port, slack_port = free_port(), free_port()
    given = slack_settings(f"http://127.0.0.1:{slack_port}/api/") | {"DIGEST_MONITOR_PORT": str(port)}
    with digest_run(folder, **given) as process:

        def ready():
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz") as answer:
                    return answer.status
            except urllib.error.HTTPError as error:
                return error.code
            except OSError:
                return 0

        until(lambda: process.poll() is None and ready() == 503)
        until(lambda: any(e["event"].startswith("a chat does not work") for e in events(folder)))
        assert process.poll() is None
        with SlackServer(time.time, port=slack_port) as slack:
            until(lambda: ready() == 200)
            until(lambda: any("fix: one" in json.dumps(m) for m in slack.messages["C1"]))
    assert process.returncode == 0


def test_it_ends_with_one_sentence_where_nothing_can_work(folder):
    with SlackServer(time.time) as slack:
        given = slack_settings(slack.url) | {"SLACK_BOT_TOKEN": "xoxb-wrong"}
        done = subprocess.run(
            [sys.executable, "-m", "bot", "run"],
            env=environment(folder, PYTHONPATH=str(ROOT), **given), cwd=ROOT, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("digest: Slack does not accept the token")


def test_a_chat_that_is_down_for_a_day_is_still_tried_and_waits_a_minute_at_most(monkeypatch):
    fakes = Fakes(slack=[Unavailable("slack_failed", error="connection") for _ in range(1_100)])
    with running(fakes, monkeypatch) as ended:
        until(lambda: fakes.mended == ["slack"])
    assert ended == []
    assert len(fakes.waited) == 1_100
    assert max(fakes.waited) == supervision.LONGEST


def test_what_cannot_take_note_that_a_chat_is_back_is_told_again(monkeypatch):
    fakes = Fakes(slack=[Unavailable("slack_failed", error="connection")])
    busy = [Unavailable("database_busy"), Unavailable("database_busy")]

    def mended(name):
        if busy:
            raise busy.pop()
        fakes.mended.append(name)

    fakes.supervisor = Supervisor(("slack",), fakes, lambda chat: chat.listen(), mended, fakes._wait)
    with running(fakes, monkeypatch) as ended:
        until(lambda: fakes.mended == ["slack"])
        assert fakes.supervisor.unready() is None
    assert (ended, busy) == ([], [])


def test_a_chat_that_is_just_being_connected_does_not_hold_up_the_end(monkeypatch):
    monkeypatch.setattr(supervision, "PARTING", 0.05)
    held = threading.Event()
    fakes = Fakes(slack=[])
    fakes.supervisor = Supervisor(("slack",), fakes, lambda chat: held.wait(30), fakes.mended.append, fakes._wait)
    try:
        with running(fakes, monkeypatch):
            until(lambda: fakes.made)
    finally:
        held.set()
