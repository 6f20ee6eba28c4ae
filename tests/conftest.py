"""Fixtures for all tests. Nothing here reaches the network, sleeps, or reads the user's settings."""

import os
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import count

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("store_contract", "source_contract")
# `make stress` sets STRESS: the same tests with many more examples.
settings.register_profile(
    "commit-digest", database=None, deadline=None, max_examples=2_000 if os.environ.get("STRESS") else 30
)
settings.load_profile("commit-digest")


@pytest.fixture(scope="session")
def homes(tmp_path_factory):
    """New folders beneath one of their own: pytest's would look through thousands of its others for each."""
    folder = tmp_path_factory.mktemp("homes")
    return (folder / str(number) for number in count())


@pytest.fixture(autouse=True)
def own_world(homes, monkeypatch):
    """Every test starts in an empty folder, with no setting of the user's and no home of theirs."""
    for name in os.environ:
        if name.startswith(("DIGEST_", "GITHUB_", "OPENAI_", "GIT_", "SLACK_", "FEISHU_")):
            monkeypatch.delenv(name)
    home = next(homes)
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.chdir(home)


@pytest.fixture(scope="session", autouse=True)
def certificates():
    """The certificates of the world are read once, and not for each of a thousand clients, most of whom need none."""
    read = import_module("httpcore2").default_ssl_context
    known = {}

    def once(**asked):
        key = (*asked.items(), *map(os.environ.get, ("SSL_CERT_FILE", "SSL_CERT_DIR")))
        if key not in known:
            known[key] = read(**asked)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpcore2.default_ssl_context", once)
        yield


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def pass_time(self, **duration: float) -> None:
        self.now += timedelta(**duration)


@pytest.fixture
def clock() -> Clock:
    """Two days after the busiest day of the test repositories."""
    return Clock(datetime(2026, 2, 20, 1, 0, tzinfo=UTC))
