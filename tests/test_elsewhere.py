"""Nothing of ours leaves the host it was meant for: servers that redirect, and others that write down who came."""

import logging
import shutil
import socket
import threading
from contextlib import suppress

import feishu_server
import pytest
import slack_server
from elsewhere import elsewhere
from feishu_server import APP_ID, APP_SECRET, FeishuServer
from git_server import GitServer
from repositories import DAY, contract_history
from slack_server import SlackServer
from websockets.datastructures import Headers
from websockets.http11 import Response
from websockets.sync.server import serve
from world import World

from adapters.chats.feishu.calls import NO_ANSWER, Api
from adapters.chats.feishu.transports import LongConnection
from adapters.chats.feishu.webhook import FeishuWebhook
from adapters.chats.slack.calls import Caller, put
from adapters.chats.slack.chat import SlackChat
from adapters.chats.slack.people import People
from adapters.chats.slack.transports import Socket
from adapters.chats.slack.webhook import SlackWebhook
from adapters.chats.slack.workspaces import InstalledWorkspaces, OneWorkspace
from adapters.chats.webhooks import SecretStr, Webhook
from adapters.sources.git.reach import Reach
from adapters.sources.git.settings import GitSettings
from adapters.sources.git.source import GitSource, from_settings
from bot import addresses
from bot.commits.hosts import Hosts
from bot.errors import DigestError, NotFound, Unavailable
from bot.parts import AllSettings, program
from bot.rights import Who
from bot.texts import Texts
from bot.values import Attachment, Message, Place, Span, Subscription


@pytest.fixture
def world(tmp_path, clock):
    made = World(tmp_path, clock)
    yield made
    made.close()


HELLO = Message("headline", (Span("Hello"),))
STATUSES = pytest.mark.parametrize("status", [301, 302, 303, 307, 308])


# --- git ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    return contract_history(tmp_path_factory.mktemp("elsewhere") / "example.git")


@pytest.fixture
def served(history, tmp_path):
    """A git over http with one repository."""
    with GitServer(tmp_path / "served") as server:
        shutil.copytree(history.path, server.folder / "team" / "app.git")
        yield server


def read(source, url):
    return source.repository(url), [commit.sha for commit in source.commits(url, "", DAY, DAY.replace(year=2027))]


@STATUSES
def test_git_follows_no_redirect_to_another_host_and_takes_nothing_there(served, tmp_path, status):
    refusal = pytest.raises(NotFound)
    with elsewhere(lambda path: f"{served.url('')[:-1]}{path}", status=status) as host, refusal as refused:
        GitSource(tmp_path / "clones").repository(f"http://user:s3cr3t@127.0.0.1:{host.port}/team/app.git")
    assert refused.value.key == "address_moved"
    assert "s3cr3t" not in str(refused.value)
    assert host.came, "it was asked"
    assert served.requests == []


def test_git_goes_on_where_a_repository_moved_to_on_its_own_host(served, history, tmp_path):
    served.moved = {"/old/name": "/team/app.git", "/older/name": "/old/name"}
    served.password = "user:s3cr3t"
    there = read(GitSource(tmp_path / "there"), served.url("team/app.git").replace("://", "://user:s3cr3t@"))
    url = served.url("older/name")
    about, shas = read(GitSource(tmp_path / "clones"), url.replace("://", "://user:s3cr3t@"))
    assert about.name == url, "it keeps the name by which it is followed"
    assert shas == there[1]


def test_git_goes_round_in_no_circle(served, tmp_path):
    served.moved = {"/a": "/b", "/b": "/a"}
    with pytest.raises(NotFound) as refused:
        GitSource(tmp_path / "clones").repository(served.url("a"))
    assert refused.value.key == "address_moved"
    assert len(served.requests) == 3


def test_what_is_read_after_the_first_answer_follows_no_redirect_either(served, tmp_path):
    """A host that answers the first question, and sends the second one elsewhere."""
    with elsewhere() as thief:
        served.sends_posts = thief.url
        with pytest.raises(DigestError):
            GitSource(tmp_path / "clones").repository(served.url("team/app.git").replace("://", "://user:s3cr3t@"))
    assert served.requests
    assert thief.came == []


def test_alternates_that_a_server_names_are_not_fetched(history, tmp_path):
    """The dumb protocol lets a server name other places for its objects (gitrepository-layout(5), http-alternates)."""
    folder = tmp_path / "dumb"
    shutil.copytree(history.path, folder / "app.git")
    with elsewhere() as thief, GitServer(tmp_path / "empty") as server:
        shutil.copytree(history.path, server.folder / "app.git")
        shutil.rmtree(server.folder / "app.git" / "objects" / "pack")
        info = server.folder / "app.git" / "objects" / "info"
        info.mkdir(exist_ok=True)
        (info / "http-alternates").write_text(f"{thief.url}/app.git/objects\n")
        server.dumb = True
        with pytest.raises(DigestError):
            GitSource(tmp_path / "clones").repository(server.url("app.git"))
        assert server.requests
    assert thief.came == []


# --- names from a chat ---------------------------------------------------------------------------


def guarded(tmp_path, *named, **addresses_of):
    """A source as others than the operator use it; `addresses_of` says what a host's name means."""

    def resolve(host, port):
        if host not in addresses_of:
            return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        return addresses_of[host]

    return GitSource(tmp_path / "clones", reach=Reach(lambda host: host in named, resolve))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "0.0.0.0", "0"]
)
def test_every_spelling_of_this_machine_is_refused_before_anything_is_sent(served, tmp_path, host):
    url = served.url("team/app.git").replace("127.0.0.1", host)
    with pytest.raises(Unavailable) as refused:
        guarded(tmp_path).repository(url)
    assert refused.value.key == "address_not_public"
    assert served.requests == []


@pytest.mark.parametrize("found", [["10.0.0.5"], ["169.254.169.254"], ["fd00::1"], ["93.184.215.14", "127.0.0.1"], []])
@pytest.mark.parametrize("form", ["https://{}/team/app", "http://{}/team/app", "ssh://git@{}/a/b", "git@{}:a/b"])
def test_a_name_of_a_private_network_is_refused_like_one_that_there_is_not(tmp_path, found, form):
    with pytest.raises(Unavailable) as refused:
        guarded(tmp_path, inner=found).repository(form.format("inner"))
    assert refused.value.args == Unavailable("address_not_public", host="inner").args
    assert "DIGEST_ALLOW" in Texts("en").error(refused.value)
    assert "DIGEST_ALLOW" in Texts("zh").error(refused.value)


def test_a_host_that_the_operator_named_is_reached_wherever_it_is(served, tmp_path):
    assert guarded(tmp_path, "127.0.0.1").repository(served.url("team/app.git")).branch == "main"


def test_git_goes_to_the_address_that_was_checked_and_asks_no_name_server_again(served, tmp_path, monkeypatch):
    """The name means nothing to git's own resolver, so that it can only have the address that it was told."""
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1")
    served.moved = {"/old": "/team/app.git"}
    url = served.url("old").replace("127.0.0.1", "rebinding.invalid")
    about, shas = read(guarded(tmp_path, **{"rebinding.invalid": ["127.0.0.1"]}), url)
    assert about.name == url
    assert shas


def test_ssh_goes_to_the_address_that_was_checked(tmp_path, monkeypatch):
    told = tmp_path / "told"
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {told}\nexit 255\n')
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", str(ssh.parent), prepend=":")
    with pytest.raises(DigestError):
        guarded(tmp_path, **{"git.example": ["93.184.215.14"]}).repository("ssh://git@git.example:2222/team/app")
    arguments = told.read_text().splitlines()
    assert "-oHostName=93.184.215.14" in arguments
    assert "-oHostKeyAlias=[git.example]:2222" in arguments


def test_behind_a_proxy_a_name_that_only_the_proxy_knows_is_left_to_it(served, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", served.url("").rstrip("/"))
    with pytest.raises(DigestError):
        guarded(tmp_path, outer=[]).repository("http://outer/team/none.git")
    assert served.requests == ["http://outer/team/none.git/info/refs?service=git-upload-pack"]
    with pytest.raises(Unavailable):
        guarded(tmp_path).repository("http://127.0.0.1/team/app.git")


def test_a_service_reaches_what_its_operator_named_and_the_terminal_everything(tmp_path, monkeypatch, served, clock):
    url, other = served.url("team/app.git"), served.url("team/app.git").replace("127.0.0.1", "localhost")
    monkeypatch.setenv("DIGEST_DATABASE", str(tmp_path / "digest.db"))
    monkeypatch.setenv("DIGEST_CLONES", str(tmp_path / "clones"))
    monkeypatch.setenv("DIGEST_RIGHTS", f"slack/C1=http://*,slack/C1={url}")
    home = Place("terminal", "here")
    channel, operator = Who(Place("slack", "C1")), Who(home)
    with program(strangers=True) as made:
        repositories = made.app.repositories
        assert repositories.find(url, channel).name == url
        with pytest.raises(Unavailable) as refused:
            repositories.find(other, channel)
        assert refused.value.key == "address_not_public"
        made.store.subscribe(Subscription(home, other, "0 9 * * *", "UTC", "en"))
        assert repositories.find(other, channel).name == other
    with program() as made:
        assert made.app.repositories.find(other, operator).name == other


@pytest.mark.parametrize(
    "setting", [{"digest_repo": "http://H/x"}, {"digest_hosts": "H=gitea"}, {"github_url": "http://H/api/v3"}]
)
def test_a_host_in_any_setting_is_named(tmp_path, monkeypatch, setting):
    from bot import parts

    store = type("Store", (), {"subscriptions": lambda self: ()})()
    given = {name: value.replace("H", "code.example.com") for name, value in setting.items()}
    named = parts._named(AllSettings(_env_file=None, **given), store)
    assert named("code.example.com")
    assert not named("example.com")


def test_the_settings_say_nothing_of_hosts_where_only_the_operator_asks(served, tmp_path):
    settings = GitSettings(_env_file=None, digest_clones=tmp_path / "clones")
    url = served.url("team/app.git")
    assert from_settings(settings, Hosts()).repository(url).name == url
    with pytest.raises(Unavailable):
        from_settings(settings, Hosts(), lambda _: False).repository(url)


# --- Slack ---------------------------------------------------------------------------------------


@STATUSES
def test_slacks_api_is_followed_nowhere_with_a_token(status):
    time = slack_server.Time()
    with elsewhere() as thief, elsewhere(lambda path: f"{thief.url}{path}", status=status) as slack:
        chat = SlackChat(OneWorkspace("xoxb-secret", f"{slack.url}/api/"), clock=time, sleep=time.sleep)
        with pytest.raises(Unavailable):
            chat.post(Place("slack", "C1"), HELLO)
        assert "xoxb-secret" in slack.secrets
    assert thief.came == []


def test_the_client_that_bolt_copies_stays_too(tmp_path):
    from slack_bolt.util.utils import create_copy

    with elsewhere() as thief, elsewhere(lambda path: f"{thief.url}{path}", status=302) as slack:
        spaces = InstalledWorkspaces(
            "1.2", "client-secret", tmp_path / "digest.db", "", f"{slack.url}/api/", invited=()
        )
        app = spaces.app(logging.getLogger("test"), "secret", str)
        for client in (create_copy(app.client), app.oauth_flow.client):
            client.token = "xoxb-secret"
            with pytest.raises(Exception, match="Slack API"):
                client.auth_test()
        assert "xoxb-secret" in slack.secrets
    assert thief.came == []


def test_a_file_goes_only_where_slack_keeps_files():
    with elsewhere() as thief:
        with pytest.raises(Unavailable) as refused:
            put("https://slack.com/api/", f"{thief.url}/upload", b"a report")
        assert refused.value.key == "slack_failed"
        with elsewhere(lambda path: f"{thief.url}{path}") as files, pytest.raises(OSError, match="307"):
            put(files.url, f"{files.url}/upload", b"a report")
        assert files.came
    assert thief.came == []


def test_a_report_is_posted_nowhere_else(monkeypatch):
    report = Message("report", (), (Attachment("report.md", "a report"),))
    with elsewhere() as thief, SlackServer(slack_server.Time()) as server:
        named = f"http://localhost:{thief.port}/upload"
        monkeypatch.setattr(
            SlackServer, "_files_getUploadURLExternal", lambda *_, **__: {"upload_url": named, "file_id": "F1"}
        )
        chat = SlackChat(OneWorkspace(slack_server.TOKEN, server.url), sleep=lambda _: None)
        with pytest.raises(Unavailable):
            chat.post(Place("slack", "C1"), report)
    assert thief.came == []


@pytest.mark.parametrize("sent", [True, False], ids=["redirected", "named"])
def test_an_answer_to_one_person_goes_only_to_slack(sent):
    page = type("Page", (), {"text": "for one person", "blocks": ()})()
    with elsewhere() as thief, elsewhere(lambda path: f"{thief.url}{path}", status=302) as slack:
        people = People(OneWorkspace("xoxb-secret", f"{slack.url}/api/"), Caller(), lambda: 0.0)
        place = Place("slack", "C1", viewer="U1")
        people.waits(place, f"{slack.url}/response" if sent else f"http://localhost:{thief.port}/response")
        assert not people._answered(place, page, last=True)
        assert bool(slack.came) is sent
    assert thief.came == []


class Redirecting:
    """A WebSocket server that sends everybody elsewhere."""

    def __init__(self, to):
        def answer(link, request):
            self.came.append(request.path)
            return Response(302, "Found", Headers({"Location": to, "Content-Length": "0"}))

        self.came = []
        self.server = serve(lambda link: None, "127.0.0.1", 0, process_request=answer)
        self.url = f"ws://127.0.0.1:{self.server.socket.getsockname()[1]}"

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join(5)


def test_a_socket_of_slacks_is_opened_at_no_other_host(monkeypatch, world):
    with elsewhere() as thief, SlackServer(slack_server.Time()) as server:
        monkeypatch.setattr(
            SlackServer, "_apps_connections_open", lambda *_, **__: {"url": f"ws://localhost:{thief.port}/link"}
        )
        chat = SlackChat(OneWorkspace(slack_server.TOKEN, server.url), Socket(slack_server.APP_TOKEN, server.url))
        with pytest.raises(Unavailable) as refused:
            chat.listen(world.host(None))
        assert refused.value.fields == {"error": "socket"}
    assert thief.came == []


def test_a_socket_of_slacks_follows_no_redirect():
    from websocket import WebSocketApp, WebSocketException

    from adapters.chats.slack import transports

    failed = []
    with elsewhere() as thief, Redirecting(f"ws://127.0.0.1:{thief.port}/link") as server:
        link = WebSocketApp(f"{server.url}/link", on_error=lambda _, error: failed.append(error))
        link.run_forever()
    assert server.came == ["/link"]
    assert thief.came == []
    assert [type(error) for error in failed] == [WebSocketException]
    assert transports._app.WebSocket is transports._Staying


# --- Feishu ----------------------------------------------------------------------------------------


@STATUSES
def test_feishus_api_is_followed_nowhere_with_the_secret(status):
    with elsewhere() as thief, elsewhere(lambda path: f"{thief.url}{path}", status=status) as feishu:
        api = Api(APP_ID, "app-secret", feishu.url)
        assert api.ask("GET", "/open-apis/im/v1/chats").message == "redirect"
        api._token, api._until = "t-secret", 1e12
        assert api.ask("POST", "/open-apis/im/v1/messages", body={"text": "x"}).message == "redirect"
        assert api.upload("report.md", b"a report").code == NO_ANSWER
        assert "app-secret" in feishu.secrets
        assert "t-secret" in feishu.secrets
    assert thief.came == []


@pytest.mark.parametrize("kind", [SlackWebhook, FeishuWebhook])
@STATUSES
def test_a_webhook_is_followed_nowhere(kind, status):
    with elsewhere() as thief, elsewhere(lambda path: f"{thief.url}{path}", status=status) as hooks:
        chat = kind({"team": Webhook(SecretStr(f"{hooks.url}/hook/secret"), SecretStr(""))}, sleep=lambda _: None)
        with pytest.raises(DigestError):
            chat.post(chat.place("team"), HELLO)
        assert hooks.came
    assert thief.came == []


def connected(monkeypatch, url):
    """What comes of a persistent connection to `url`, as Feishu named it."""
    with FeishuServer(feishu_server.Time()) as server:
        api = Api(APP_ID, APP_SECRET, server.root)
        way = LongConnection(api)
        from adapters.chats.feishu import transports

        real = transports.endpoint

        asked_for = []

        def endpoint(asked):
            answer = real(asked)
            answer.data["URL"] = url
            asked_for.append(url)
            if len(asked_for) > 1:  # the first connection has ended
                way.stop()
            return answer

        monkeypatch.setattr(transports, "_LONGEST", 0.02)
        monkeypatch.setattr(transports, "endpoint", endpoint)
        with suppress(Unavailable):
            way.run(lambda _: {})


def test_the_long_connection_is_opened_at_no_other_host(monkeypatch, caplog):
    with elsewhere() as thief:
        connected(monkeypatch, f"ws://localhost:{thief.port}/ws?device_id=1&service_id=1")
    assert thief.came == []
    assert "not one of Feishu's" in caplog.text


def test_the_long_connection_follows_no_redirect(monkeypatch):
    with elsewhere() as thief, Redirecting(f"ws://127.0.0.1:{thief.port}/ws?device_id=1&service_id=1") as server:
        connected(monkeypatch, f"{server.url}/ws?device_id=1&service_id=1")
    assert server.came
    assert thief.came == []
