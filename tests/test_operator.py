"""What the operator sees and does, on the command line and in values."""

import json
import signal
import socket
import time
import urllib.request
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import forkserver
import pytest
import typed
import yaml
from click.testing import CliRunner
from github_server import GitHubServer
from hypothesis import given
from hypothesis import strategies as st
from repositories import Builder, lines
from service import ROOT, environment, quiet_zone, slack_settings
from slack_server import APP_TOKEN, BROKEN, TOKEN, SlackServer
from world import World, busy_day

from adapters.stores.sqlite import SqliteStore
from bot.cli import cli
from bot.conversation import operator
from bot.errors import NotFound, Unavailable, UsageError
from bot.texts import Texts
from bot.values import DeliveryState, Filters, Place, Request, Subscription

NOW = datetime(2026, 2, 20, 1, 0, tzinfo=UTC)
WEEKDAYS = Subscription(Place("slack", "T1/C1"), "team/app", "0 9 * * mon-fri", "Asia/Shanghai", "zh", created=NOW)


# --- Subscriptions as a file -----------------------------------------------------------------


def test_a_file_holds_what_is_not_at_its_default():
    (record,) = operator.exported([WEEKDAYS])
    assert record == {
        "chat": "slack",
        "channel": "T1/C1",
        "repo": "team/app",
        "schedule": "0 9 * * mon-fri",
        "zone": "Asia/Shanghai",
        "language": "zh",
    }


SHOWN = st.characters(exclude_categories=["C", "Z"])  # what a line of the grammar can hold
WORDS = st.text(SHOWN, min_size=1, max_size=8)


@given(
    st.builds(
        Subscription,
        place=st.builds(Place, WORDS, WORDS),
        repo=WORDS,
        schedule=st.sampled_from(["0 9 * * *", "30 8 * * mon-fri"]),
        zone=st.sampled_from(["UTC", "Europe/Berlin"]),
        language=st.sampled_from(["en", "zh"]),
        branch=st.text(SHOWN, max_size=5),
        filters=st.builds(
            Filters,
            st.lists(WORDS).map(tuple),
            st.lists(WORDS).map(tuple),
            st.booleans(),
            labels=st.lists(WORDS).map(tuple),
            owners=st.lists(WORDS).map(tuple),
        ),
        holidays=st.sampled_from(["", "CN", "DE-BE"]),
        quiet=st.booleans(),
        paused=st.sampled_from(["", "left"]),
        created=st.just(NOW),
        scheduled=st.just(NOW),
    )
)
def test_what_is_exported_is_imported_as_it_was(subscription):
    text = yaml.safe_dump(operator.exported([subscription]), allow_unicode=True)
    assert operator.imported(yaml.safe_load(text), NOW) == (subscription,)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"zone": "Mars/Phobos"}, "zone"),
        ({"schedule": "now and then"}, "schedule"),
        ({"language": "xx"}, "language"),
        ({"repo": ""}, "repo"),
        ({"channel": 7}, "channel"),
        ({"bots": "no"}, "bots"),
        ({"paths": "src/"}, "paths"),
        ({"colour": "red"}, "colour"),
        ({"paused": "holiday"}, "paused"),
        ({"holidays": "Atlantis"}, "holidays"),
    ],
)
def test_a_record_that_is_wrong_is_named_with_its_number_and_its_key(change, name):
    right = operator.exported([WEEKDAYS])[0]
    with pytest.raises(UsageError) as refused:
        operator.imported([right, right | change], NOW)
    assert (refused.value.key, refused.value.fields["number"], refused.value.fields["name"]) == (
        "import_wrong",
        2,
        name,
    )
    assert Texts("zh").error(refused.value)


@pytest.mark.parametrize("data", [None, "text", {"a": 1}, 7])
def test_a_file_that_is_no_list_is_refused(data):
    with pytest.raises(UsageError) as refused:
        operator.imported(data, NOW)
    assert refused.value.key == "import_not_a_list"


@pytest.mark.parametrize("text", ["{", "a: b: c", "!!python/object:os.system x", "[" * 3_000, "\x00"])
def test_text_that_is_no_yaml_changes_nothing(text, tmp_path):
    file = tmp_path / "subscriptions.yaml"
    file.write_text(text)
    said = CliRunner().invoke(cli, ["import", str(file)])
    assert said.exit_code == 2
    assert "Nothing was changed" in said.output


def test_the_list_of_commands_cuts_no_sentence_off():
    said = CliRunner().invoke(cli, ["--help"], terminal_width=80).output.partition("Commands:\n")[2]
    commands = [line.split(maxsplit=1) for line in said.splitlines() if line.strip()]
    assert len(commands) > 10
    assert [name for name, about in commands if not about.endswith(".") or about.endswith("...")] == []


def test_an_import_changes_what_is_followed_and_forgets_no_digest(tmp_path):
    file = tmp_path / "subscriptions.yaml"
    file.write_text(yaml.safe_dump(operator.exported([WEEKDAYS])))
    assert CliRunner().invoke(cli, ["import", str(file)]).output == "Imported subscriptions: 1.\n"
    exported = CliRunner().invoke(cli, ["export"]).output
    assert yaml.safe_load(exported) == operator.exported([WEEKDAYS])
    again = CliRunner().invoke(cli, ["import", "-"], input=exported.replace("mon-fri", "mon"))
    assert again.exit_code == 0
    (record,) = yaml.safe_load(CliRunner().invoke(cli, ["export"]).output)
    assert record["schedule"] == "0 9 * * mon"


def test_what_is_followed_already_goes_on_where_its_digests_ended(tmp_path, clock):
    world = World(tmp_path, clock)
    kept = world.store.subscribe(WEEKDAYS)
    clock.pass_time(days=3)
    operator.follow(world.store, operator.imported(operator.exported([WEEKDAYS]), clock()))
    assert world.store.subscriptions() == (kept,)
    world.close()


# --- Days made ahead -------------------------------------------------------------------------


def made(tmp_path, clock):
    build = Builder(tmp_path / "repo")
    for day in range(3):
        at = datetime(2026, 2, 17, 5, tzinfo=UTC) + timedelta(days=day)
        build.commit(f"d{day}", at, {f"src/{day}.py": lines(1, 9)}, message=f"fix: day {day}")
    return World(tmp_path, clock), str(build.finish().path)


def test_days_are_made_ahead_and_found_afterwards(tmp_path, clock):
    world, repo = made(tmp_path, clock)
    wanted = Subscription(Place("terminal", "here"), repo, "", "UTC", "en")
    digests = list(operator.backfill(world.app, wanted, date(2026, 2, 17), date(2026, 2, 18)))
    assert [e.commit.subject for d in digests for e in d.entries] == ["fix: day 0", "fix: day 1"]
    assert len(world.store.recent_digests(repo, "main", "en", 9)) == 2
    world.close()


@pytest.mark.parametrize(("first", "last", "key"), [(18, 17, "dates_reversed"), (18, 20, "date_unfinished")])
def test_days_in_the_wrong_order_or_not_over_are_refused(tmp_path, clock, first, last, key):
    world, repo = made(tmp_path, clock)
    wanted = Subscription(Place("terminal", "here"), repo, "", "UTC", "en")
    with pytest.raises(UsageError) as refused:
        list(operator.backfill(world.app, wanted, date(2026, 2, first), date(2026, 2, last)))
    assert refused.value.key == key
    world.close()


# --- The real program ------------------------------------------------------------------------


class Service:
    """`digest` as a process, with a Slack and a GitHub on loopback, and one subscription that is due."""

    def __init__(self, folder, slack, github):
        self.slack, self.database = slack, folder / "digest.db"
        now = datetime.now(UTC)
        store = SqliteStore(self.database)
        zone = quiet_zone(now)
        created = now - timedelta(hours=24)
        store.subscribe(Subscription(Place("slack", "T1/C1"), "team/app", "0 6 * * *", zone, "en", created=created))
        store.close()
        self.environment = environment(folder, **slack_settings(slack.url), DIGEST_SETTLE="0", GITHUB_URL=github.url)

    def start(self, *words):
        """The service as an operator starts it, with all its imports."""
        pipes = dict.fromkeys(("stdout", "stderr"), forkserver.PIPE)
        return forkserver.start("-m", "bot", *words, kind="anew", env=self.environment, cwd=ROOT, **pipes)

    def run(self, *words):
        """A command: `run` is a process of its own, what only looks or changes a row is not."""
        if words[0] != "run":
            done = typed.run(*words, **self.environment)
            return done.returncode, done.stdout, done.stderr
        done = forkserver.run("-m", "bot", *words, env=self.environment, cwd=ROOT)
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def service(tmp_path):
    build, noon = Builder(tmp_path / "repo"), datetime.now(UTC) - timedelta(hours=24)
    build.commit("root", noon - timedelta(days=20), {"README.md": "# App\n"})
    build.commit("one", noon, {"src/one.py": lines(1, 20)}, message="fix: one (#1)")
    with SlackServer(time.time) as slack, GitHubServer({"team/app": build.finish().path}) as github:
        yield Service(tmp_path, slack, github)
        assert (slack.unknown, slack.violations) == ([], [])


def test_once_delivers_what_is_due_and_ends(service):
    code, out, err = service.run("run", "--once")
    assert (code, out) == (0, "")
    assert "delivered" in err
    assert len(service.slack.thread("C1", None)) == 1
    assert service.run("run", "--once") == (0, "", "")
    _, listed, _ = service.run("deliveries")
    assert "team/app" in listed
    assert "posted" in listed
    _, status, _ = service.run("status")
    assert "slack:T1/C1" in status
    assert "GitHub requests left: 53 of 60" in status


def test_once_says_by_its_exit_code_that_something_failed_and_the_operator_sees_why(service):
    service.slack.queue(*[BROKEN] * 4)
    code, _, err = service.run("run", "--once")
    assert code == 1
    assert "failed" in err
    _, listed, _ = service.run("deliveries")
    assert "not posted yet" in listed
    assert "Slack" in listed
    _, failed, _ = service.run("deliveries", "--failed")
    assert failed.strip() == "No deliveries."
    code, _, err = service.run("retry", "1")
    assert (code, "nothing to retry" in err) == (2, True)
    code, _, err = service.run("retry", "7")
    assert (code, "no delivery 7" in err) == (1, True)


def test_what_was_given_up_is_retried(service):
    store = SqliteStore(service.database)
    service.slack.queue(*[BROKEN] * 4)
    service.run("run", "--once")
    (waiting,) = store.deliveries()
    store.keep_delivery(replace(waiting, state=DeliveryState.FAILED))
    _, failed, _ = service.run("deliveries", "--failed")
    assert "abandoned" in failed
    code, said, _ = service.run("retry", "1")
    assert (code, "queued again" in said) == (0, True)
    assert service.run("run", "--once")[0] == 0
    assert len(service.slack.thread("C1", None)) == 1
    store.close()


def test_the_service_delivers_answers_tells_what_is_measured_and_ends(service, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    service.environment |= {"DIGEST_LOG": "json", "DIGEST_MONITOR_PORT": str(port)}
    process = service.start("run")
    try:
        service.slack.socket.wait_connected(30)
        until = time.monotonic() + 30
        while not any("Full report" in m["text"] for m in service.slack.channels["C1"].messages):
            assert time.monotonic() < until
            time.sleep(0.05)
        answers = {}
        while 'outcome="done"} 1.0' not in answers.get("/metrics", ""):
            assert time.monotonic() < until
            for path in ("/healthz", "/readyz", "/metrics"):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
                    answers[path] = answer.read().decode()
    finally:
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 0
    assert answers["/healthz"].strip() == "ok"
    assert "commit_digest_queue_age_seconds 0.0" in answers["/metrics"]
    assert "commit_digest_github_quota_left 53.0" in answers["/metrics"]
    events = [json.loads(line) for line in err.splitlines()]
    assert {"due", "built", "delivered"} <= {event["event"] for event in events}
    assert not any(secret in err for secret in (TOKEN, APP_TOKEN))


def test_the_doctor_looks_at_everything(service):
    code, said, _ = service.run("doctor")
    assert "✓ Database: " in said
    assert "53 of 60 requests left" in said
    assert "– Language model: not set" in said
    assert "✓ Repository: team/app, branch main" in said
    assert "✓ Slack token" in said
    # The tests' GitHub begins its limits anew at a fixed time, so that its clock is found to differ.
    assert "✗ Clock" in said
    assert code == 1


def test_the_doctor_says_what_does_not_work(service):
    service.environment |= {
        "GITHUB_URL": "http://127.0.0.1:9",
        "OPENAI_MODEL": "m",
        "OPENAI_BASE_URL": "http://127.0.0.1:9",
    }
    code, said, _ = service.run("doctor")
    assert code == 1
    assert "✗ GitHub: " in said
    assert "✗ Language model: " in said
    assert "✗ Repository: " in said


@pytest.mark.parametrize(
    ("error", "about"),
    [
        (NotFound("branch_unknown", branch="x", repo="r", known="main"), "branch"),
        (Unavailable("github_unavailable"), "repo"),
    ],
)
def test_only_a_branch_that_is_not_there_is_the_branchs_fault(tmp_path, clock, monkeypatch, error, about):
    world = World(tmp_path, clock, allow=["*"])

    def refuse(*_):
        raise error

    monkeypatch.setattr(world.repositories, "check_branch", refuse)
    history = busy_day(tmp_path / "app")
    request = Request("", Place("slack", "C1"), "U1")
    problem = world.host(None).submit(request, {"repo": str(history.path), "branch": ""})
    assert problem.input == about
    world.close()
