"""What is decided once: how often a line is split, subscriptions are read, a source is asked, a bump is looked for."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from world import CHANNEL, DAY, World, busy_day

from bot.commits import bumps, reading
from bot.conversation import grammar
from bot.conversation.command import Services
from bot.judgement import triage
from bot.posts.post import post
from bot.posts.report import attachments
from bot.rights import Who
from bot.texts import Texts
from bot.values import Period, Request, Scope


class Silent:
    """A chat that takes everything."""

    name = "slack"

    def __init__(self):
        self.posted = []

    def post(self, place, message, once=None):
        self.posted.append(message)
        return replace(place, thread="1")

    def ahead(self):
        return None


@pytest.fixture
def history(tmp_path):
    return busy_day(tmp_path / "app")


@pytest.fixture
def world(tmp_path, clock, history):
    built = World(tmp_path, clock, allow=["*"])
    built.ask(f"subscribe {history.path}", CHANNEL)
    yield built
    built.close()


@pytest.fixture
def counted(world, monkeypatch):
    """Counts calls, by a name for each kind."""
    calls = Counter()

    def count(owner, attribute, name):
        real = getattr(owner, attribute)

        def counting(*args, **kwargs):
            calls[name] += 1
            return real(*args, **kwargs)

        monkeypatch.setattr(owner, attribute, counting)

    count(grammar, "words", "split")
    count(world.store, "subscriptions", "subscriptions")
    count(world.source, "repository", "source")
    count(Services, "texts", "texts")
    return calls


def ask(world, line):
    chat = Silent()
    world.host(chat).request(Request(line, replace(CHANNEL, viewer="U1"), "U1", f"slack:{line}"))
    return chat.posted


def test_a_pull_request_is_read_once(world, counted):
    (message,) = ask(world, "#100")
    assert "replace endpoint 0" in message.title[1].text
    # The second reading of subscriptions is for the branches that anybody follows, from which the commit may be gone.
    assert counted == {"split": 1, "subscriptions": 2, "source": 1, "texts": 1}


def test_settings_ask_the_source_once(world, counted):
    (message,) = ask(world, "settings")
    assert "Followed here: 1" in message.title[0].text
    assert counted == {"split": 1, "subscriptions": 1, "source": 1, "texts": 1}


def test_a_settings_form_asks_the_source_once(world, counted, history):
    shown = []
    request = Request(f"settings {history.path}", CHANNEL, "U1", "slack:form")
    world.host(Silent()).request(request, shown.append)
    assert len(shown) == 1
    assert counted == {"split": 1, "subscriptions": 1, "source": 1, "texts": 1}


def test_bumps_are_looked_for_once_a_commit(world, monkeypatch):
    """Where a commit is read out of its repository, and nowhere behind: not while it is judged, kept or shown."""
    looked = Counter()
    real = bumps.bumps

    def counting(draft):
        looked[draft.sha] += 1
        return real(draft)

    monkeypatch.setattr(reading, "bumps", counting)
    period = Period(DAY, DAY + timedelta(days=1), "UTC")
    repository = world.repositories.find(world.store.subscriptions()[0].repo, Who(CHANNEL))
    commits = world.repositories.commits(repository, "", period)
    assert looked == Counter(commit.sha for commit in commits)
    looked.clear()
    request = world.app.request(repository, Scope(repository.name, period, "en"), commits)
    monkeypatch.setattr(world.source, "commits", lambda *_: ())  # those of earlier days
    digest = world.app.build(request)
    post(digest, Texts("en"), attachments(digest, Texts("en")))
    assert looked == {}


def test_a_kept_digest_looks_the_same_whatever_later_versions_think(world, monkeypatch):
    """Nothing is parsed while a digest is shown: rows and themes are those that were decided when it was made."""
    before = world.said("2026-02-18", CHANNEL)
    monkeypatch.setattr("bot.commits.related.rows", lambda _: pytest.fail("decided again"))
    monkeypatch.setattr("bot.commits.related.themes", lambda *_: pytest.fail("decided again"))
    monkeypatch.setattr(triage, "judge", lambda *_: pytest.fail("judged again"))
    assert world.said("2026-02-18", CHANNEL) == before
