"""A process that posts in chats and listens in none: it makes them, says what is wrong once, and makes them anew."""

import threading

import pytest

from bot import supervision
from bot.errors import ConfigError
from bot.supervision import Readying

WRONG = ConfigError("slack_token")


class Makers:
    def __init__(self, **wrong):
        self.wrong, self.made, self.outdated = wrong, [], set()

    def make(self, name):
        if error := self.wrong.get(name):
            raise error
        self.made.append(name)

    def is_outdated(self, name):
        return name in self.outdated


def test_what_can_be_made_is_and_what_cannot_is_told_once_and_tried_again(caplog):
    makers = Makers(slack=WRONG, feishu=None)
    ready = Readying(("slack", "feishu"), makers)
    ready.prepare()
    ready.refresh()
    assert makers.made == ["feishu"]
    assert caplog.text.count("a chat does not work") == 1
    assert ready.unready() is None
    makers.wrong["slack"] = None
    ready.refresh()
    ready.refresh()
    assert makers.made == ["feishu", "slack"]


def test_a_chat_whose_settings_changed_is_made_anew():
    makers = Makers(slack=None)
    ready = Readying(("slack",), makers)
    ready.prepare()
    makers.outdated.add("slack")
    ready.refresh()
    assert makers.made == ["slack", "slack"]


def test_where_no_chat_can_be_made_it_ends():
    ready = Readying(("slack",), Makers(slack=WRONG))
    ready.prepare()
    assert ready.unready() is WRONG
    with pytest.raises(ConfigError):
        ready.run()


def test_it_runs_until_it_is_stopped(monkeypatch):
    monkeypatch.setattr(supervision, "LOOK", 0.005)
    ready = Readying(("slack",), Makers(slack=None))
    ready.prepare()
    running = threading.Thread(target=ready.run)
    running.start()
    ready.stop()
    running.join(10)
    assert not running.is_alive()
