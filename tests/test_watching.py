"""The alert rules and the dashboard ask for what is measured, and each alert has a row that says what to do."""

import json
import re
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from make import spend
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

import bot
from adapters.monitor import _Collected
from adapters.stores.sqlite import SqliteStore
from bot.conversation.operator import measures
from bot.values import Quota, Usage

ROOT = Path(__file__).parent.parent
RULES = [
    rule
    for group in yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
PANELS = json.loads((ROOT / "deploy" / "dashboard.json").read_text(encoding="utf-8"))["panels"]
ASKED = [rule["expr"] for rule in RULES] + [target["expr"] for panel in PANELS for target in panel["targets"]]
PAGES = {name: (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in ("watching", "operating")}
NOW = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> dict[str, set[str]]:
    """By the name of each sample the labels that it has."""
    registry = CollectorRegistry()
    with closing(SqliteStore(tmp_path_factory.mktemp("watched") / "digest.db")) as store:
        spend(store, Usage("m", 10, 1, 1), "analysis", NOW)
        registry.register(_Collected(lambda: measures(store, NOW, Quota(50, 60, NOW))))
        text = generate_latest(registry).decode()
    return {s.name: set(s.labels) for family in text_string_to_metric_families(text) for s in family.samples}


def test_every_metric_that_is_asked_for_is_measured_and_every_other_is_shown(measured):
    asked = {name for expression in ASKED for name in re.findall(r"commit_digest_\w+", expression)}
    assert asked == measured.keys()
    assert all(name in PAGES["operating"] for name in measured)


def test_every_label_that_is_asked_for_is_there(measured):
    for expression in ASKED:
        (name,) = re.findall(r"commit_digest_\w+", expression)
        wanted = set(re.findall(r"(\w+)=\"", expression))
        for listed in re.findall(r"by \(([^)]*)\)", expression):
            wanted |= set(listed.split(", "))
        assert wanted <= measured[name], expression


def test_an_outcome_that_is_asked_for_is_one(measured):
    from bot.values import DeliveryState

    outcomes = {outcome for expression in ASKED for outcome in re.findall(r'outcome="(\w+)"', expression)}
    assert outcomes <= {str(state) for state in DeliveryState}


def test_the_metrics_tell_the_version(tmp_path):
    with closing(SqliteStore(tmp_path / "digest.db")) as store:
        (told,) = (m for m in measures(store, NOW, None) if m.name == "build_info")
    assert told.samples == (({"version": bot.__version__}, 1.0),)


def test_every_alert_has_a_row_that_says_what_to_do():
    rows = dict(re.findall(r"^\| `(CommitDigest\w+)` \| (.+ \| .+) \|$", PAGES["watching"], re.M))
    assert rows.keys() == {rule["alert"] for rule in RULES}
    assert {rule["labels"]["severity"] for rule in RULES} <= {"critical", "warning", "info"}
    assert {rule["annotations"]["runbook_url"] for rule in RULES} == {f"{bot.DOCUMENTATION}/watching.md#alerts"}
