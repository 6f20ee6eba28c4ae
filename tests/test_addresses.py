"""Where the bot may go, by tables: hosts that answers may name, redirects to follow, addresses of nobody else."""

import posixpath
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.addresses import HOSTS, Service, host_of, is_public, moved, normalised, serves

SLACK, FEISHU, LARK = "https://slack.com/api/", "https://open.feishu.cn", "https://open.larksuite.com"
GITHUB, ENTERPRISE = "https://api.github.com", "https://ghe.example.com/api/v3"
HERE = "http://127.0.0.1:4000"


@pytest.mark.parametrize(
    ("service", "asked", "url"),
    [
        (Service.SLACK, SLACK, "https://files.slack.com/upload/v1/abc"),
        (Service.SLACK, SLACK, "https://hooks.slack.com/commands/T1/2/x"),
        (Service.SLACK, SLACK, "wss://wss-primary.slack.com/link/?ticket=x"),
        (Service.SLACK, "https://slack-gov.com/api/", "wss://wss-primary.slack-gov.com/link/?ticket=x"),
        (Service.SLACK, HERE, "ws://127.0.0.1:4001/link"),
        (Service.FEISHU, FEISHU, "wss://msg-frontier.feishu.cn/ws/v2?device_id=1"),
        (Service.FEISHU, LARK, "wss://msg-frontier-sg.larksuite.com/ws/v2?device_id=1"),
        (Service.GITHUB, GITHUB, "https://codeload.github.com/o/n/legacy.tar.gz/abc?token=x"),
        (Service.GITHUB, ENTERPRISE, "https://ghe.example.com/_codeload/o/n"),
        (Service.GITHUB, ENTERPRISE, "https://codeload.ghe.example.com/o/n"),
    ],
)
def test_an_answer_may_name_the_hosts_of_its_service(service, asked, url):
    assert serves(service, asked, url)


@pytest.mark.parametrize(
    ("service", "asked", "url"),
    [
        (Service.SLACK, SLACK, "https://evil.example/upload"),
        (Service.SLACK, SLACK, "https://slack.com.evil.example/upload"),
        (Service.SLACK, SLACK, "https://evilslack.com/upload"),
        (Service.SLACK, SLACK, "https://files.slack.com@evil.example/"),
        (Service.SLACK, SLACK, "https://evil.example\\.slack.com/"),
        (Service.SLACK, SLACK, "https://evil.example#.slack.com"),
        (Service.SLACK, SLACK, "https://evil.example?.slack.com"),
        (Service.SLACK, SLACK, "http://files.slack.com/upload"),
        (Service.SLACK, SLACK, "https://files.slack.com:8443/upload"),
        (Service.SLACK, SLACK, "ws://wss-primary.slack.com/"),
        (Service.SLACK, SLACK, "file:///etc/passwd"),
        (Service.SLACK, SLACK, "http://169.254.169.254/latest"),
        (Service.SLACK, SLACK, ""),
        (Service.SLACK, SLACK, "https://[::1"),
        (Service.SLACK, SLACK, "https://files.slack.com:99999/"),
        (Service.SLACK, SLACK, "wss://msg-frontier.feishu.cn/"),
        (Service.FEISHU, FEISHU, "wss://evilfeishu.cn/"),
        (Service.FEISHU, FEISHU, "wss://feishu.cn.evil.example/"),
        (Service.FEISHU, FEISHU, "ws://msg-frontier.feishu.cn/"),
        (Service.GITHUB, GITHUB, "https://raw.githubusercontent.com/o/n"),
        (Service.GITHUB, GITHUB, "https://pages.codeload.github.com/"),
        (Service.GITHUB, GITHUB, "http://codeload.github.com/o/n"),
        (Service.GITHUB, ENTERPRISE, "https://codeload.example.com/o/n"),
    ],
)
def test_an_answer_may_name_no_other_host(service, asked, url):
    assert not serves(service, asked, url)


def test_every_service_has_hosts_of_its_own_in_the_table():
    assert set(HOSTS) == set(Service)
    assert all(HOSTS.values())


@given(st.sampled_from(Service), st.text(max_size=60), st.text(max_size=60))
def test_no_text_is_an_error_or_a_host(service, asked, url):
    assert not serves(service, SLACK, f"https://evil.example/{url}")
    serves(service, asked, url)
    moved(asked, url)
    host_of(url)
    is_public(url)


@pytest.mark.parametrize(
    ("url", "location", "to"),
    [
        ("https://h.example/a/info/refs", "https://h.example/b/info/refs", "https://h.example/b/info/refs"),
        ("https://h.example/a/info/refs", "/b/info/refs", "https://h.example/b/info/refs"),
        ("https://h.example:443/a", "https://h.example/b", "https://h.example/b"),
        ("http://h.example/a", "https://h.example/a", "https://h.example/a"),
        ("https://h.example/a", "http://h.example/a", None),
        ("http://h.example:8080/a", "https://h.example/a", None),
        ("http://h.example/a", "https://h.example:8443/a", None),
        ("https://h.example/a", "https://h.example:8443/a", None),
        ("https://h.example/a", "https://other.example/a", None),
        ("https://h.example/a", "//other.example/a", None),
        ("https://h.example/a", "https://user:x@h.example/a", None),
        ("https://h.example/a", "https://h.example@other.example/a", None),
        ("https://h.example/a", "file:///etc/passwd", None),
        ("https://h.example/a", "ssh://h.example/a", None),
        ("https://h.example/a", "https://[::1", None),
        ("https://h.example/a", "x" * 3000, None),
    ],
)
def test_a_redirect_leads_to_the_same_host_or_nowhere(url, location, to):
    assert moved(url, location) == to


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("https://git.example.com/team/app", "git.example.com"),
        ("https://user:to-ken@git.example.com:8443/team/*", "git.example.com"),
        ("http://127.0.0.1:3000/*", "127.0.0.1"),
        ("ssh://git@Git.Example.com/team/app", "git.example.com"),
        ("git@git.example.com:team/*", "git.example.com"),
        ("https://*/team/app", ""),
        ("https://*.example.com/*", ""),
        ("https://git.example.*/app", ""),
        ("https://*", ""),
        ("http*://10.0.0.1*/x", ""),
        ("*", ""),
        ("team/app", ""),
        ("/srv/git/app", ""),
    ],
)
def test_a_host_is_named_only_in_full(name, host):
    assert host_of(name) == host


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::5db8:d70e"])
def test_addresses_of_the_internet(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "198.18.0.1",
        "192.0.2.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd12:3456::1",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::1",
        "2002:a00:1::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "nothing",
        "",
    ],
)
def test_addresses_of_nobody_else(address):
    assert not is_public(address)


# --- How names are spelled ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("/srv/git/App", "/srv/git/App"),
        ("/srv/git/app/", "/srv/git/app"),
        ("/srv/git/my app.git", "/srv/git/my app.git"),
        ("/srv/git/a%2e%2eb", "/srv/git/a%2e%2eb"),
        ("file:///srv/git/app", "/srv/git/app"),
        ("file:///srv/git/a%20b", "/srv/git/a b"),
        ("Owner/Name", "owner/name"),
        ("owner/.github", "owner/.github"),
        ("https://Git.Example.com/team/app.git", "https://git.example.com/team/app.git"),
        ("https://bot:secret@git.example.com/team/app", "https://git.example.com/team/app"),
        ("git@git.example.com:team/app", "git@git.example.com:team/app"),
        ("git@git.example.com:/team/app", "git@git.example.com:/team/app"),
        ("ssh://git.example.com:2222/~dev/app", "ssh://git.example.com:2222/~dev/app"),
        ("https://git.example.com/a%20b/c", "https://git.example.com/a%20b/c"),
    ],
)
def test_a_name_has_one_spelling(name, plain):
    assert normalised(name) == plain


@pytest.mark.parametrize(
    "name",
    [
        "/allowed/../secret",
        "/allowed/..",
        "/allowed/./app",
        "/allowed//app",
        "//allowed/app",
        "/allowed/..\\secret",
        "/allowed/a\0b",
        "file:///allowed/../secret",
        "file:///allowed/%2e%2e/secret",
        "file:///allowed%2f..%2fsecret",
        "file://host/allowed",
        "../secret",
        "./secret",
        "secret/deeper/app",
        "~/secret",
        "owner/..",
        "owner/.",
        "owner/name.",
        "http://h.example/pub/../priv/x",
        "http://h.example/pub/./x",
        "http://h.example/pub//x",
        "http://h.example//pub/x",
        "http://h.example/pub/%2e%2e/priv/x",
        "http://h.example/pub/%2E./priv/x",
        "http://h.example/pub/%252e%252e/priv/x",
        "http://h.example/pub/..%2fpriv/x",
        "http://h.example/pub%2f..%2fpriv/x",
        "http://h.example/pub/..\\priv/x",
        "http://h.example/pub\\..\\priv/x",
        "http://h.example/pub/%5c..%5cpriv/x",
        "http://h.example/pub/x.",
        "http://h.example/pub./x",
        "http://h.example/pub/x%00",
        "git@h.example:pub/../priv/x",
        "git@h.example:../priv/x",
        "ssh://git@h.example/pub/../priv/x",
        "",
    ],
)
def test_a_name_that_leads_elsewhere_than_it_says_has_none(name):
    assert normalised(name) == ""


@given(st.lists(st.sampled_from(["a", "..", ".", "", "%2e", "%2e%2e", "\\", "b.", "%2f", "%5c", "~"]), max_size=6))
def test_what_has_a_spelling_is_read_as_it_is_written(parts):
    path = "/" + "/".join(parts)
    if plain := normalised(path):
        assert posixpath.normpath(path) == plain
    if plain := normalised(f"http://h.example{path}"):
        assert posixpath.normpath(unquote(unquote(path))) == unquote(unquote(path.rstrip("/")))
