"""A row that cannot be read costs what hangs on it, is named, and can never be written."""

import logging
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from slack_sdk.oauth.installation_store import Bot as Installed
from store_contract import DAILY, planned
from test_worker import DAY, Time, opened

from adapters.chats.slack.installations import EncryptedInstallations, fernet
from adapters.stores.sqlite import SqliteStore
from bot.conversation import operator
from bot.errors import ConfigError, StoreError
from bot.ports import Verdict
from bot.values import Place, Step, StepState

OTHER = Place("slack", "T1/C2")
NO_TEXT = "CAST(x'7bff7d' AS TEXT)"
SUBSCRIPTIONS = {
    "no JSON": "body = 'oops'",
    "no UTF-8": f"body = {NO_TEXT}",
    "a field is missing": "body = json_remove(body, '$.repo')",
    "a number for a text": "body = json_set(body, '$.schedule', 7)",
    "a truth value that is none": "body = json_set(body, '$.quiet', 'perhaps')",
    "a time without a zone": "body = json_set(body, '$.created', '2026-02-18T00:00:00')",
    "a zone that is none": "body = json_set(body, '$.zone', 'Mars/Base')",
    "a zone that is a path": "body = json_set(body, '$.zone', '../../etc/passwd')",
    "a schedule that is none": "body = json_set(body, '$.schedule', 'now and then')",
    "a language that is none": "body = json_set(body, '$.language', 'xx')",
}
DELIVERIES = {
    "no JSON": "body = 'oops'",
    "no UTF-8": f"body = {NO_TEXT}",
    "a state that is none": "body = json_set(body, '$.state', 'perhaps')",
    "a time without a zone": "body = json_set(body, '$.until', '2026-02-18T00:00:00')",
    "steps that are none": "body = json_set(body, '$.steps', 'some')",
}


@pytest.fixture
def time():
    return Time(DAY - timedelta(hours=12))


@pytest.fixture
def bot(tmp_path, time):
    with opened(tmp_path, time) as made:
        yield made


def spoil(bot, table, change, where):
    with closing(sqlite3.connect(bot.folder / "digest.db")) as db:
        assert db.execute(f"UPDATE {table} SET {change} WHERE {where}").rowcount == 1
        db.commit()


def told(caplog):
    return [r for r in caplog.records if r.levelno >= logging.WARNING and r.name in ("digest.store", "digest.worker")]


def doctor(bot):
    return [f for f in operator.examine(bot.world.app, bot.store, "digest.db") if f.verdict is Verdict.FAILED]


@pytest.mark.parametrize("change", SUBSCRIPTIONS.values(), ids=SUBSCRIPTIONS)
def test_a_subscription_that_cannot_be_read_costs_no_other_one(bot, caplog, change):
    spoilt, _ = bot.follow(), bot.follow(OTHER)
    bot.commit("one", DAY + timedelta(hours=3))
    spoil(bot, "subscriptions", change, f"id = {spoilt.id}")
    for _ in range(3):
        bot.at("19T09:00")
    assert [len(bot.tops(c)) for c in ("C1", "C2")][1] == 1
    assert len(told(caplog)) <= 1
    (found,) = doctor(bot)
    assert str(spoilt.id) in str(found.fields)
    texts = bot.world.interpreter.texts(None)
    assert str(spoilt.id) in texts(f"doctor.{found.subject}_{found.outcome}", **found.fields)
    assert bot.world.said("status")
    assert not operator.unready(bot.store)
    bot.store.count_in(bot.folder / "counts")
    assert not bot.store.begin(bot.time.moment)


@pytest.mark.parametrize("change", DELIVERIES.values(), ids=DELIVERIES)
@pytest.mark.parametrize("due", [False, True], ids=["done", "due"])
def test_a_delivery_that_cannot_be_read_costs_its_subscription_alone(bot, caplog, change, due):
    spoilt, _ = bot.follow(), bot.follow(OTHER)
    bot.commit("one", DAY + timedelta(hours=3))
    bot.at("19T09:00")
    assert [len(bot.tops(c)) for c in ("C1", "C2")] == [1, 1]
    newest = f"id = (SELECT max(id) FROM deliveries WHERE subscription = {spoilt.id})"
    spoil(bot, "deliveries", f"{change}{', state = ' + repr('due') if due else ''}", newest)
    caplog.clear()
    bot.commit("two", DAY + timedelta(days=1, hours=3))
    for _ in range(3):
        bot.at("20T09:00")
    assert [len(bot.tops(c)) for c in ("C1", "C2")] == [1, 2]
    assert len(told(caplog)) == 1
    (found,) = doctor(bot)
    assert found.fields["table"] == "deliveries"
    assert "T1/C1" in found.fields["place"]
    assert "1" in bot.world.said("status")


def test_a_kept_digest_that_cannot_be_read_stops_no_later_one(bot):
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    bot.at("19T09:00")
    spoil(bot, "digests", "packed = x'00'", "1")
    (found,) = doctor(bot)
    assert found.fields["table"] == "digests"
    bot.commit("two", DAY + timedelta(days=1, hours=3))
    bot.at("20T09:00")
    assert len(bot.tops()) == 2


def test_a_digest_that_is_to_be_posted_and_cannot_be_read_is_made_again(bot, monkeypatch):
    bot.follow()
    bot.follow(OTHER, quiet=True)
    bot.commit("one", DAY + timedelta(hours=3), "feat(api)!: replace one (#1)")
    bot.killed_after_sending(monkeypatch)
    with closing(sqlite3.connect(bot.folder / "digest.db")) as db:
        db.execute("UPDATE digests SET packed = x'00'")
        db.commit()
    bot.worker = bot.another()
    bot.time.sleep(61)
    for _ in range(4):
        bot.tick()
        bot.time.sleep(2)
    assert [len(bot.tops(c)) for c in ("C1", "C2")] == [1, 1]
    assert {str(d.state) for d in bot.store.latest_deliveries()} == {"done"}


@pytest.mark.parametrize(
    "wrong",
    [{"quiet": "perhaps"}, {"created": datetime(2026, 2, 18)}, {"place": None}, {"schedule": 7}],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_subscription_that_could_not_be_read_is_not_written(tmp_path, wrong):
    with closing(SqliteStore(tmp_path / "digest.db")) as store:
        kept = store.subscribe(DAILY)
        with pytest.raises((StoreError, AttributeError)):
            store.subscribe(replace(DAILY, **wrong))
        assert store.subscriptions() == (kept,)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "wrong",
    [
        {"until": datetime(2026, 2, 18)},
        {"state": "perhaps"},
        {"steps": (Step("headline", "perhaps", DAY),)},
        {"steps": (Step("headline", StepState.DONE, "now"),)},
    ],
)
def test_a_delivery_that_could_not_be_read_is_not_written(tmp_path, wrong):
    with closing(SqliteStore(tmp_path / "digest.db")) as store:
        kept = planned(store, store.subscribe(DAILY).id)
        with pytest.raises((StoreError, TypeError)):
            store.keep_delivery(replace(kept, **wrong))
        assert store.deliveries() == (kept,)


def test_an_installation_that_cannot_be_read_costs_its_workspace_alone(tmp_path):
    path = tmp_path / "digest.db"
    store = EncryptedInstallations(path, "client", None)
    for team in ("T1", "T2"):
        store.save_bot(
            Installed(app_id="A", team_id=team, bot_token=f"xoxb-{team}", bot_id="B", bot_user_id="U", installed_at=1.0)
        )
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE slack_bots SET bot_token = x'ff' WHERE team_id = 'T1'")
        db.commit()
    opened = EncryptedInstallations(path, "client", fernet("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="))
    assert opened.find_bot(team_id="T2").bot_token == "xoxb-T2"
    with pytest.raises(ConfigError):
        opened.find_bot(team_id="T1")
