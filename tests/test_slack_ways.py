"""The other ways into Slack: HTTP with signatures, several workspaces through OAuth, and the doctor."""

import json
import sqlite3
import threading
import time as real_time
from http.client import HTTPConnection
from urllib.error import HTTPError
from urllib.parse import parse_qs, unquote, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import pytest
import slack_server
from click.testing import CliRunner
from cryptography.fernet import Fernet
from slack_server import APP_TOKEN, CLIENT_ID, CLIENT_SECRET, TOKEN, SlackServer, signed
from world import World

from adapters.chats.slack.chat import SlackChat, from_settings
from adapters.chats.slack.settings import SlackSettings
from adapters.chats.slack.transports import Http, Socket
from adapters.chats.slack.workspaces import InstalledWorkspaces, OneWorkspace
from bot.cli import cli
from bot.errors import ConfigError, NotFound
from bot.texts import Texts
from bot.values import Message, Place, Span, Subscription

SECRET = "signing-secret"
HELLO = Message("headline", (Span("Hello"),))


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


OPENER = build_opener(_Stay)


def call(url, data=None, headers=None):
    """Status, headers and body of an answer."""
    try:
        with OPENER.open(Request(url, data, headers or {}), timeout=10) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except HTTPError as error:
        return error.code, error.headers, error.read().decode()


class Listening:
    """A bot that listens over HTTP."""

    def __init__(self, tmp_path, clock, server, workspaces):
        self.world = World(tmp_path, clock)
        self.server = server
        self.http = Http(SECRET, "127.0.0.1", 0)
        self.chat = SlackChat(workspaces, self.http)
        self.thread = threading.Thread(target=self.chat.listen, args=(self.world.host(self.chat),), daemon=True)

    def __enter__(self):
        self.thread.start()
        assert self.http.listening.wait(10)
        self.url = f"http://127.0.0.1:{self.http.port}"
        return self

    def __exit__(self, *_):
        self.chat.close()
        self.thread.join(10)
        assert not self.thread.is_alive()
        self.world.close()

    def send(self, payload, *, at=None, headers=None):
        body = payload if isinstance(payload, bytes) else urlencode(payload).encode()
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        sign = signed(body, SECRET, real_time.time() if at is None else at) if headers is None else headers
        return call(f"{self.url}/slack/events", body, kind | sign)[0]

    def idle(self):
        until = real_time.monotonic() + 30
        while not self.chat._inbound.inbox.idle:
            assert real_time.monotonic() < until
            real_time.sleep(0.01)


@pytest.fixture
def server():
    with SlackServer(real_time.time) as running:
        yield running
        assert (running.unknown, running.violations) == ([], [])


@pytest.fixture
def over_http(tmp_path, clock, server):
    with Listening(tmp_path, clock, server, OneWorkspace(TOKEN, server.url)) as listening:
        yield listening


# --- HTTP ------------------------------------------------------------------------------------


def test_a_signed_command_is_answered_and_a_replayed_one_does_nothing(over_http, server):
    body = urlencode(server.slash("help")).encode()
    at = real_time.time()
    for _ in range(3):
        assert over_http.send(body, at=at) == 200
    over_http.idle()
    assert len(server.responses) == 1


@pytest.mark.parametrize("forged", ["none", "wrong secret", "old", "other body"])
def test_a_request_that_is_not_slacks_is_refused_and_changes_nothing(over_http, server, forged):
    body, now = urlencode(server.slash("help")).encode(), real_time.time()
    headers = {
        "none": {},
        "wrong secret": signed(body, "another", now),
        "old": signed(body, SECRET, now - 600),
        "other body": signed(b"text=list", SECRET, now),
    }[forged]
    assert over_http.send(body, headers=headers) == 401
    over_http.idle()
    assert server.responses == []


def test_slacks_first_question_is_answered(over_http):
    body = json.dumps({"type": "url_verification", "challenge": "abc", "token": "t"}).encode()
    headers = signed(body, SECRET, real_time.time()) | {"Content-Type": "application/json"}
    status, _, said = call(f"{over_http.url}/slack/events", body, headers)
    assert (status, "abc" in said) == (200, True)


def test_what_is_far_too_large_or_elsewhere_is_refused(over_http):
    assert call(f"{over_http.url}/other", b"x")[0] == 404
    link = HTTPConnection("127.0.0.1", over_http.http.port, timeout=10)
    link.putrequest("POST", "/slack/events")
    link.putheader("Content-Length", "1100000")
    link.endheaders()  # the body is not even waited for
    assert link.getresponse().status == 413
    link.close()


def test_a_port_that_is_taken_is_told(over_http, server):
    taken = Http(SECRET, "127.0.0.1", over_http.http.port)
    with pytest.raises(ConfigError) as refused:
        SlackChat(OneWorkspace(TOKEN, server.url), taken).listen(None)
    assert refused.value.key == "port_closed"


# --- Several workspaces ----------------------------------------------------------------------

KEY = Fernet.generate_key().decode()


def installed(tmp_path, server, key=KEY, invited=("T1", "T2")):
    World(tmp_path, None).close()  # the file is the bot's first
    return InstalledWorkspaces(CLIENT_ID, CLIENT_SECRET, tmp_path / "digest.db", key, server.url, invited=invited)


def rows(path, table="slack_bots"):
    with sqlite3.connect(path) as db:
        return [row[0] for row in db.execute(f"SELECT bot_token FROM {table}")]


def install(listening, server, team):
    """What a person's browser does."""
    status, _, page = call(f"{listening.url}/slack/install")
    assert status == 200
    link = "https://slack.com/oauth" + page.split('href="https://slack.com/oauth')[1].split('"')[0].replace(
        "&amp;", "&"
    )
    state = parse_qs(urlsplit(link).query)["state"][0]
    assert set(parse_qs(urlsplit(link).query)["scope"][0].split(",")) == server.scopes[TOKEN]
    server.codes["code-1"] = team
    cookie = {"Cookie": f"slack-app-oauth-state={state}"}
    return call(f"{listening.url}/slack/oauth_redirect?code=code-1&state={state}", headers=cookie), state


def test_a_workspace_installs_the_app_is_served_and_is_forgotten_when_it_takes_it_out(tmp_path, clock, server):
    server.add_workspace("T2", "xoxb-second", ("C7",))
    with Listening(tmp_path, clock, server, installed(tmp_path, server)) as listening:
        (status, _, page), _ = install(listening, server, "T2")
        assert status == 200, page
        kept = rows(tmp_path / "digest.db")
        assert kept[0].startswith("fernet:")
        assert b"xoxb-second" not in (tmp_path / "digest.db").read_bytes()
        assert listening.send(server.slash("help", channel="C7", team="T2")) == 200
        listening.idle()
        assert [(channel, user) for channel, user, _ in server.responses] == [("C7", "U1")]
        listening.chat.post(Place("slack", "T2/C7"), HELLO)
        assert len(server.messages["C7"]) == 1
        with pytest.raises(NotFound):
            listening.chat.post(Place("slack", "T1/C1"), HELLO)
        place = Place("slack", "T2/C7")
        listening.world.store.subscribe(Subscription(place, "team/app", "0 9 * * *", "UTC", "en"))
        body = json.dumps(server.event("app_uninstalled", team="T2")).encode()
        headers = signed(body, SECRET, real_time.time()) | {"Content-Type": "application/json"}
        assert call(f"{listening.url}/slack/events", body, headers)[0] == 200
        until = real_time.monotonic() + 30
        while listening.world.store.subscriptions() and real_time.monotonic() < until:
            real_time.sleep(0.01)
        assert rows(tmp_path / "digest.db") == rows(tmp_path / "digest.db", "slack_installations") == []
        assert listening.world.store.subscriptions() == ()


def test_an_installation_with_a_forged_state_is_refused(tmp_path, clock, server):
    with Listening(tmp_path, clock, server, installed(tmp_path, server)) as listening:
        server.codes["code-1"] = "T1"
        forged = {"Cookie": "slack-app-oauth-state=mine"}
        status, _, _ = call(f"{listening.url}/slack/oauth_redirect?code=code-1&state=mine", headers=forged)
        assert status >= 400
        assert "code-1" in server.codes


def test_the_page_for_installing_keeps_nothing_however_often_it_is_opened(tmp_path, clock, server, caplog):
    def kept():
        with sqlite3.connect(tmp_path / "digest.db") as db:
            tables = [
                name
                for (name,) in db.execute(
                    "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE TABLE%'"
                )
            ]
            return {name: db.execute(f"SELECT count(*) FROM {name}").fetchone() for name in tables}

    def come_back(state, cookie=None):
        headers = {"Cookie": f"slack-app-oauth-state={cookie or unquote(state)}".encode()}
        return call(f"{listening.url}/slack/oauth_redirect?code=code-1&state={state}", headers=headers)[0]

    with Listening(tmp_path, clock, server, installed(tmp_path, server)) as listening:
        before = kept()
        given = [call(f"{listening.url}/slack/install")[1]["Set-Cookie"].split(";")[0] for _ in range(5)]
        first, second, *_ = (each.partition("=")[2] for each in given)
        assert len(set(given)) == 5
        assert kept() == before
        server.codes["code-1"] = "T1"
        expired = f"1{first[1:]}" if first[0] != "1" else f"0{first[1:]}"
        for state, cookie in ((first, second), (expired, None), ("", None), ("..", None), ("%C3%A9.1", None)):
            assert come_back(state, cookie) >= 400
        assert "code-1" in server.codes
        assert come_back(first) == 200
    assert not any(record.exc_info for record in caplog.records)


@pytest.mark.parametrize("invited", [(), ("T1",)])
def test_a_workspace_that_is_on_no_list_is_told_so_and_nothing_of_it_is_kept(tmp_path, clock, server, invited, caplog):
    server.add_workspace("T2", "xoxb-second", ("C7",))
    with Listening(tmp_path, clock, server, installed(tmp_path, server, invited=invited)) as listening:
        (status, headers, page), _ = install(listening, server, "T2")
        assert status == 403
        assert headers["Content-Type"] == "text/html; charset=utf-8"
        assert "The workspace T2 is not allowed to install" in page
        assert "DIGEST_WORKSPACES" in page
        assert rows(tmp_path / "digest.db") == rows(tmp_path / "digest.db", "slack_installations") == []
        assert server.requests[-1] == "auth.revoke"
        assert "xoxb-second" in server._revoked
        assert ("an installation was refused", "T2") in {
            (r.message, r.fields["workspace"]) for r in caplog.records if r.name == "digest.slack"
        }
        assert "xoxb" not in caplog.text
        with pytest.raises(NotFound):
            listening.chat.post(Place("slack", "T2/C7"), HELLO)


def test_a_workspace_that_is_taken_off_the_list_is_served_no_more(tmp_path, clock, server):
    with Listening(tmp_path, clock, server, installed(tmp_path, server)) as listening:
        install(listening, server, "T1")
    kept = installed(tmp_path, server, invited=())  # as before there was a list
    assert kept.client("T1").token == TOKEN
    with Listening(tmp_path, clock, server, installed(tmp_path, server, invited=("T9",))) as listening:
        listening.send(server.slash("help"))
        listening.idle()
        assert "reinstall" in str(server.responses)  # Bolt's own word, and none of ours
        assert "/digest" not in str(server.responses)
        with pytest.raises(NotFound):
            listening.chat.post(Place("slack", "T1/C1"), HELLO)


def test_tokens_kept_before_there_was_a_key_are_encrypted_and_keys_can_be_changed(tmp_path, clock, server):
    with Listening(tmp_path, clock, server, installed(tmp_path, server, key="")) as listening:
        install(listening, server, "T1")
    assert rows(tmp_path / "digest.db") == [TOKEN]
    assert installed(tmp_path, server).client("T1").token == TOKEN
    assert rows(tmp_path / "digest.db")[0].startswith("fernet:")
    new = Fernet.generate_key().decode()
    assert installed(tmp_path, server, key=f"{new},{KEY}").client("T1").token == TOKEN
    with pytest.raises(ConfigError) as refused:
        installed(tmp_path, server, key=new).client("T1")
    assert refused.value.key == "slack_token_unreadable"
    assert TOKEN not in str(refused.value)


# --- Settings --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({}, "slack_no_token"),
        ({"slack_client_id": "1"}, "slack_oauth_incomplete"),
        ({"slack_client_id": "1", "slack_client_secret": "s"}, "slack_oauth_mode"),
        ({"slack_bot_token": "xoxb-1", "slack_mode": "http"}, "slack_no_secret"),
    ],
)
def test_what_is_missing_is_told_by_its_setting(given, key):
    with pytest.raises(ConfigError) as refused:
        from_settings(SlackSettings(_env_file=None, **given))
    assert refused.value.key == key
    assert "SLACK_" in Texts("en").error(refused.value)


@pytest.mark.parametrize("key", ["abc", "é" * 44])
def test_a_key_that_is_none_is_told(tmp_path, server, key):
    with pytest.raises(ConfigError) as refused:
        installed(tmp_path, server, key=key)
    assert refused.value.key == "slack_token_key"


@pytest.mark.parametrize(
    ("bot", "app", "key"), [("xoxb-no", APP_TOKEN, "slack_token"), (TOKEN, "xapp-no", "slack_app_token")]
)
def test_a_token_that_slack_does_not_take_ends_the_start(server, tmp_path, clock, bot, app, key):
    world = World(tmp_path, clock)
    chat = SlackChat(OneWorkspace(bot, server.url), Socket(app, server.url))
    with pytest.raises(ConfigError) as refused:
        chat.listen(world.host(chat))
    assert refused.value.key == key
    world.close()


# --- The doctor ------------------------------------------------------------------------------


def doctor(monkeypatch, server, *options, **settings):
    for name, value in ({"SLACK_URL": server.url, "SLACK_BOT_TOKEN": TOKEN} | settings).items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(cli, ["doctor", "slack", *options])
    assert TOKEN not in result.output
    return result.exit_code, result.output


def test_the_doctor_finds_everything_well_and_posts_nothing(monkeypatch, server):
    code, said = doctor(monkeypatch, server, "--channel", "C1", SLACK_APP_TOKEN=APP_TOKEN)
    assert code == 0, said
    assert said.count("✓") == 5
    assert server.messages["C1"] == []


@pytest.mark.parametrize(
    ("settings", "break_it", "told"),
    [
        ({"SLACK_BOT_TOKEN": "xoxp-person"}, lambda s: None, "Bot User OAuth Token"),
        ({"SLACK_BOT_TOKEN": "xoxb-wrong"}, lambda s: None, "SLACK_BOT_TOKEN"),
        ({}, lambda s: s.scopes[TOKEN].discard("users:read"), "missing: users:read"),
        ({}, lambda s: s.leave("C1"), "/invite"),
        ({}, lambda s: s.archive("C1"), "archived"),
        ({"SLACK_APP_TOKEN": "xapp-wrong"}, lambda s: None, "connections:write"),
        ({"SLACK_MODE": "http"}, lambda s: None, "SLACK_SIGNING_SECRET"),
    ],
)
def test_the_doctor_says_what_to_do(monkeypatch, server, settings, break_it, told):
    break_it(server)
    code, said = doctor(monkeypatch, server, "--channel", "C1", **settings)
    assert (code, "✗" in said) == (1, True)
    assert told in said


def test_the_doctor_says_that_the_bot_hears_nothing_without_an_app_token(monkeypatch, server):
    code, said = doctor(monkeypatch, server)
    assert code == 0
    assert "SLACK_APP_TOKEN" in said


def test_manifest_documentation_and_program_ask_for_the_same_scopes():
    from pathlib import Path

    from adapters.chats.slack.workspaces import SCOPES

    root = Path(__file__).resolve().parent.parent
    manifest = (root / "slack-manifest.yaml").read_text(encoding="utf-8")
    asked = manifest.split("    bot:\n")[1].split("settings:")[0]
    assert [line.strip("- ") for line in asked.splitlines() if line.strip()] == list(SCOPES)
    documented = (root / "docs" / "slack.md").read_text(encoding="utf-8")
    assert all(f"`{scope}`" in documented for scope in SCOPES)
    assert set(SCOPES) == set(slack_server.SCOPES)
