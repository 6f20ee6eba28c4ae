"""What stands between this machine and the world: each proxy and certificate, for everything that the bot reaches."""

import shutil
import socket
import ssl
import threading
from pathlib import Path
from urllib.request import Request

import pytest
from feishu_server import APP_ID, APP_SECRET, FeishuServer, Time
from git_server import GitServer
from github_server import GitHubServer
from model_server import ModelServer
from proxy_server import Authority, ProxyServer
from slack_server import TOKEN, SlackServer
from world import busy_day

from adapters import network, outgoing
from adapters.chats.feishu.calls import Api
from adapters.chats.feishu.transports import LongConnection
from adapters.chats.slack.calls import Caller, Gate
from adapters.chats.slack.transports import _Staying
from adapters.chats.slack.workspaces import web_client
from adapters.llms.openai.model import OpenAIModel
from adapters.sources.git.clones import Clones
from adapters.sources.git.reach import Reach
from adapters.sources.git.remote import parse
from adapters.sources.github.client import Client
from bot.commits.hosts import Hosts
from bot.errors import ConfigError, DigestError, NotFound, Unreachable
from bot.languages import LANGUAGES
from bot.texts import Texts
from bot.values import Question

SCHEMA = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
FILES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    """What the machine of whoever runs the tests says is not looked at."""
    for name in (*VARIABLES, *map(str.upper, VARIABLES), *FILES):
        monkeypatch.delenv(name, raising=False)
    yield
    network.trust(None)


class Company:
    """A network in which nothing is reached but through its proxy; each service stands behind it, by its own name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.history = busy_day(folder / "app")
        self.slack, self.feishu, self.model = SlackServer(lambda: 0.0), FeishuServer(Time()), ModelServer()
        self.github, self.git = GitHubServer({"owner/app": self.history.path}), GitServer(folder / "served")
        shutil.copytree(self.history.path, self.git.folder / "app.git")
        hosts = {
            "slack.com": self.slack.url,
            "wss-primary.slack.com": self.slack.socket.ticket(),
            "open.feishu.cn": self.feishu.root,
            "msg-frontier.feishu.cn": self.feishu.socket.ticket(),
            "api.openai.com": self.model.url,
            "api.github.com": self.github.url,
            "git.example": self.git.url(""),
        }
        self.feishu.socket.ticket = lambda of=self.feishu.socket.ticket: _renamed(of(), "wss://msg-frontier.feishu.cn")
        ports = {host: int(url.split(":")[2].split("/")[0]) for host, url in hosts.items()}
        self.proxy = ProxyServer(ports, Authority(folder / "authority"), "me:s@cret")

    def __enter__(self) -> "Company":
        for server in (self.slack, self.feishu, self.model, self.github, self.git, self.proxy):
            server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        for server in (self.slack, self.feishu, self.model, self.github, self.git, self.proxy):
            server.__exit__(None, None, None)

    @property
    def url(self) -> str:
        return self.proxy.url.replace("s@cret", "s%40cret")

    # --- Each thing that the bot reaches ---

    def reach_slack(self) -> None:
        Caller()(Gate("auth.test", ""), web_client(TOKEN, "https://slack.com/api/").auth_test)

    def reach_socket(self) -> None:
        link = _Staying()
        link.connect(_renamed(self.slack.socket.ticket(), "wss://wss-primary.slack.com"))
        link.shutdown()

    def reach_webhook(self) -> None:
        outgoing.ask(Request("https://slack.com/api/api.test", b"", method="POST"), 5).close()

    def reach_feishu(self) -> None:
        assert Api(APP_ID, APP_SECRET, "https://open.feishu.cn").ask("GET", "/open-apis/bot/v3/info").code == 0

    def reach_connection(self) -> None:
        """The persistent connection, which ends once it is open."""
        way, before = LongConnection(Api(APP_ID, APP_SECRET, "https://open.feishu.cn")), self.feishu.socket.opened
        opened = threading.Event()

        def watch() -> None:
            while self.feishu.socket.opened == before and not opened.wait(0.01):
                pass
            way.stop()

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            way.run(lambda _: {})
        finally:
            opened.set()
            watcher.join()

    def reach_model(self) -> None:
        model = OpenAIModel("test-model", self.model.key, "https://api.openai.com/v1", timeout=5, concurrency=1)
        model.ask(Question("triage/v1", "Judge.", "fix", SCHEMA, 300))

    def reach_github(self) -> None:
        Client(None, "https://api.github.com").get("/repos/owner/app", NotFound("repository_unknown", repo="owner/app"))

    def reach_git(self) -> None:
        clones = Clones(self.folder / "clones", lambda: 0.0, Reach())
        with clones.opened(parse("https://git.example/app.git", Hosts()), fresh=True):
            pass


def _renamed(url: str, start: str) -> str:
    return start + "/" + url.split("/", 3)[3]


SERVICES = {
    "slack": "slack.com",
    "socket": "wss-primary.slack.com",
    "webhook": "slack.com",
    "feishu": "open.feishu.cn",
    "connection": "open.feishu.cn",
    "model": "api.openai.com",
    "github": "api.github.com",
    "git": "git.example",
}
each_service = pytest.mark.parametrize("service", SERVICES)


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    with Company(tmp_path_factory.mktemp("company")) as made:
        yield made


@pytest.fixture
def reach(company):
    company.proxy.asked.clear()
    company.proxy.status = 0
    return lambda service: getattr(company, f"reach_{service}")()


def told(raised) -> DigestError:
    """The error, which has a text in every language and holds no password."""
    for language in LANGUAGES:
        text = Texts(language).error(raised.value)
        assert "s@cret" not in text
        assert "s%40cret" not in text
    return raised.value


# --- For everything alike -----------------------------------------------------------------------


@each_service
def test_a_proxy_with_a_password_and_a_company_s_certificate_reach_everything(company, reach, monkeypatch, service):
    monkeypatch.setenv("HTTPS_PROXY", company.url)
    network.trust(company.proxy.authority.file)
    reach(service)
    assert f"CONNECT {SERVICES[service]}" in company.proxy.asked
    if service == "connection":
        assert "CONNECT msg-frontier.feishu.cn" in company.proxy.asked


@each_service
@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO"])
def test_the_usual_variables_reach_everything_too(company, reach, monkeypatch, service, name):
    monkeypatch.setenv("all_proxy", company.url.removeprefix("http://"))
    file = company.proxy.authority.file
    if name == "SSL_CERT_DIR":
        folder = company.folder / "hashed"
        folder.mkdir(exist_ok=True)
        digest = _subject_hash(file)
        shutil.copy(file, folder / f"{digest}.0")
        file = folder
    monkeypatch.setenv(name, str(file))
    reach(service)


def _subject_hash(file: Path) -> str:
    import subprocess

    asked = ["openssl", "x509", "-subject_hash", "-noout", "-in", str(file)]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


@each_service
def test_an_untrusted_certificate_is_told_as_such(company, reach, monkeypatch, service):
    monkeypatch.setenv("HTTPS_PROXY", company.url)
    with pytest.raises(Unreachable) as raised:
        reach(service)
    assert told(raised).key == "certificate_untrusted"
    assert raised.value.fields["host"] == SERVICES[service]
    assert "DIGEST_CA_FILE" in Texts("en").error(raised.value)
    asked = company.proxy.asked.count(f"CONNECT {SERVICES[service]}")
    assert asked == 1 or service == "git"  # nothing of it passes by trying again, as git itself does


@each_service
@pytest.mark.parametrize(
    ("wrong", "key"),
    [("password", "proxy_credentials"), ("none", "proxy_credentials"), ("refused", "proxy_refused"),
     ("absent", "proxy_absent")],
)  # fmt: skip
def test_a_proxy_that_lets_nobody_through_is_told_by_its_variable(company, reach, monkeypatch, service, wrong, key):
    url = company.url
    if wrong == "password":
        url = url.replace("s%40cret", "other")
    elif wrong == "none":
        url = url.replace("me:s%40cret@", "")
    elif wrong == "refused":
        company.proxy.status = 403
    else:
        url = "http://127.0.0.1:9"
    monkeypatch.setenv("HTTPS_PROXY", url)
    network.trust(company.proxy.authority.file)
    with pytest.raises(Unreachable) as raised:
        reach(service)
    assert (told(raised).key, raised.value.fields["name"]) == (key, "HTTPS_PROXY")


@each_service
@pytest.mark.parametrize(
    ("name", "value", "key"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:9", "proxy_socks"),
        ("https_proxy", "http://127.0.0.1:port", "proxy_invalid"),
        ("HTTPS_PROXY", "ftp://127.0.0.1:9", "proxy_invalid"),
        ("SSL_CERT_FILE", "/nowhere/ca.pem", "certificates_unreadable"),
        ("REQUESTS_CA_BUNDLE", __file__, "certificates_unreadable"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(reach, monkeypatch, service, name, value, key):
    monkeypatch.setenv(name, value)
    if (service, key) == ("git", "proxy_socks"):
        key = "proxy_absent"  # git's own client knows SOCKS
    with pytest.raises(DigestError) as raised:
        reach(service)
    assert (told(raised).key, raised.value.fields["name"]) == (key, name)


def test_a_host_around_the_proxy_is_reached_directly(company, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "intra.example")
    network.trust(company.proxy.authority.file)
    with pytest.raises((OSError, Unreachable)) as raised:
        outgoing.ask(Request("https://here.intra.example/"), 1)
    assert getattr(raised.value, "key", "host_unknown") == "host_unknown"


# --- What the variables say ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "variables", "proxy"),
    [
        ("https://a.example", {}, ""),
        ("https://a.example", {"HTTPS_PROXY": "http://p:3128"}, "http://p:3128"),
        ("wss://a.example", {"HTTPS_PROXY": "http://p:3128"}, "http://p:3128"),
        ("http://a.example", {"HTTPS_PROXY": "http://p:3128"}, ""),
        ("http://a.example", {"HTTP_PROXY": "p"}, "http://p:80"),
        ("https://a.example", {"https_proxy": "http://one:1", "HTTPS_PROXY": "http://two:2"}, "http://one:1"),
        ("https://a.example", {"https_proxy": "", "ALL_PROXY": "http://p:1"}, "http://p:1"),
        ("https://a.example", {"HTTPS_PROXY": ' "http://p:1"\r'}, "http://p:1"),
        ("https://a.example", {"HTTPS_PROXY": "http://me:a%40b@p:1"}, "http://me:a%40b@p:1"),
        ("https://a.example", {"HTTPS_PROXY": "http://[::1]:1"}, "http://[::1]:1"),
        ("https://a.example", {"HTTPS_PROXY": "http://p:1", "ALL_PROXY": "socks5://p:2"}, "http://p:1"),
        ("http://localhost:11434/v1", {"HTTP_PROXY": "http://p:1"}, ""),
        ("http://127.0.0.1:8000/v1", {"HTTP_PROXY": "http://p:1"}, ""),
        ("http://[::1]:8000/v1", {"HTTP_PROXY": "http://p:1"}, ""),
        ("https://a.example", {"ALL_PROXY": "http://p:1", "NO_PROXY": "*"}, ""),
        ("https://a.example", {"ALL_PROXY": "http://p:1", "no_proxy": "b.test, .example"}, ""),
        ("https://a.example", {"ALL_PROXY": "http://p:1", "NO_PROXY": "*.example"}, ""),
        ("https://a.example", {"ALL_PROXY": "http://p:1", "NO_PROXY": "A.Example:443"}, ""),
        ("https://a.example", {"ALL_PROXY": "http://p:1", "NO_PROXY": "a.example:8443,ample"}, "http://p:1"),
        ("https://10.1.2.3", {"ALL_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8"}, ""),
        ("https://11.1.2.3", {"ALL_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8"}, "http://p:1"),
        ("https://[fd00::1]:8", {"ALL_PROXY": "http://p:1", "NO_PROXY": "[fd00::1]"}, ""),
    ],
)
def test_which_proxy_an_address_is_reached_through(url, variables, proxy):
    found = network.proxy_for(url, variables)
    assert (found.url if found else "") == proxy


@pytest.mark.parametrize("value", ["http://", "http://p:0", "http://p:99999", "p:x", "https://p:1", "http://a b:1"])
def test_what_is_no_proxy_is_named_without_its_value(value):
    with pytest.raises(ConfigError) as raised:
        network.proxy_for("https://a.example", {"HTTPS_PROXY": value})
    assert raised.value.fields == {"name": "HTTPS_PROXY"}


def test_only_a_name_that_there_is_not_lasts_not_one_that_nobody_can_tell_of_now():
    for number, lasts in ((socket.EAI_NONAME, True), (socket.EAI_AGAIN, False)):
        error = OSError("request failed")
        error.__cause__ = socket.gaierror(number, "…")
        found = network.obstacle(error, "https://slack.example/api/")
        assert (found is not None) is lasts
    assert network.obstacle(ConnectionRefusedError(111, "refused"), "https://a.example") is None


def test_the_setting_is_checked_before_anything_else(tmp_path):
    for content in (None, "no certificate"):
        file = tmp_path / "ca.pem"
        if content:
            file.write_text(content)
        with pytest.raises(ConfigError) as raised:
            network.trust(file)
        assert raised.value.fields["name"] == "DIGEST_CA_FILE"


def test_the_public_roots_stay_trusted(company):
    before = len(network.context().get_ca_certs())
    network.trust(company.proxy.authority.file)
    assert len(network.context().get_ca_certs()) == before + 1
    assert network.context().verify_mode is ssl.CERT_REQUIRED
    assert network.context().check_hostname
    assert network.bundle().count(b"BEGIN CERTIFICATE") > before / 2


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_proxy_that_has_trouble_is_tried_again(monkeypatch, status):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:3128")
    error = OSError(f"Tunnel connection failed: {status} Bad Gateway")
    assert network.obstacle(error, "https://a.example") is None


@pytest.mark.parametrize(("number", "key"), [(socket.EAI_AGAIN, None), (socket.EAI_NONAME, "proxy_absent")])
def test_a_name_server_that_does_not_answer_for_now_says_nothing_of_a_proxy(monkeypatch, number, key):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    found = network.obstacle(socket.gaierror(number, "no answer"), "https://a.example")
    assert (found.key if found else None) == key


def test_socks_has_a_usual_port_of_its_own(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy.example")
    assert network.proxy_for("https://a.example", socks=True).port == 1080


def test_a_file_of_certificates_that_is_wrong_changes_nothing(tmp_path):
    with pytest.raises(ConfigError):
        network.trust(tmp_path / "none.pem")
    network.context()
