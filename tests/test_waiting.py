"""That the bot is at it: said to who waits, and taken away before the answer, whatever happens at the same moment."""

import threading

import pytest

from adapters.chats import inbox
from bot.errors import Unavailable


class Note:
    """A note that writes down what became of it; `held` keeps one in the middle of being shown."""

    def __init__(self, again=None, error=None):
        self.said = []
        self.again = again
        self.error = error
        self.begun, self.held, self.twice = threading.Event(), threading.Event(), threading.Event()
        self.held.set()

    def show(self):
        self.begun.set()
        assert self.held.wait(10)
        if self.error:
            raise self.error
        self.said.append("shown")
        if self.said.count("shown") == 2:
            self.twice.set()
        return self.again

    def remove(self):
        self.said.append("removed")


def test_who_is_answered_at_once_is_told_nothing(monkeypatch):
    monkeypatch.setattr(inbox, "_SLOW", 60)
    note = Note()
    waiting = inbox._Waiting(note)
    waiting.over()
    waiting._show()  # the timer that was just going off
    assert note.said == []


def test_a_note_is_taken_away_once(monkeypatch):
    monkeypatch.setattr(inbox, "_SLOW", 0)
    note = Note()
    waiting = inbox._Waiting(note)
    assert note.begun.wait(10)
    for _ in range(2):
        waiting.over()
    assert note.said == ["shown", "removed"]


def test_a_note_that_is_just_being_shown_is_waited_for(monkeypatch):
    monkeypatch.setattr(inbox, "_SLOW", 0)
    note = Note()
    note.held.clear()
    waiting = inbox._Waiting(note)
    assert note.begun.wait(10)
    ending = threading.Thread(target=waiting.over)
    ending.start()
    note.held.set()
    ending.join(10)
    assert note.said == ["shown", "removed"]


def test_a_note_that_disappears_by_itself_is_shown_again_until_the_answer(monkeypatch):
    monkeypatch.setattr(inbox, "_SLOW", 0)
    note = Note(again=0.001)
    waiting = inbox._Waiting(note)
    assert note.twice.wait(10)
    waiting.over()
    assert note.said[-1] == "removed"
    told = len(note.said)
    waiting._show()
    assert len(note.said) == told


@pytest.mark.parametrize("seconds", [0, 60])
def test_a_note_that_cannot_be_shown_keeps_nobody_from_the_answer(monkeypatch, seconds):
    monkeypatch.setattr(inbox, "_SLOW", seconds)
    note = Note(error=Unavailable("slack_busy"))
    waiting = inbox._Waiting(note)
    waiting._show()
    waiting.over()
    assert "shown" not in note.said
