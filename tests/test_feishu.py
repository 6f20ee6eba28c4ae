"""Feishu, written to through the real SDK and a real socket: whole days, accepted and read back complete."""

import subprocess
import sys

import feishu_checks
import feishu_server
import forkserver
import pytest
from feishu_server import FeishuServer, Time
from pydantic import ValidationError
from samples import digest as sample
from service import ROOT
from test_slack import DAYS, deliver

from adapters.chats.feishu import inbound
from adapters.chats.feishu.calls import Api
from adapters.chats.feishu.chat import FeishuChat, from_settings
from adapters.chats.feishu.doctor import SCOPES
from adapters.chats.feishu.settings import FeishuSettings
from adapters.chats.feishu.transports import LongConnection
from bot.errors import ConfigError
from bot.posts import post as digests
from bot.posts.report import attachments
from bot.settings import load
from bot.texts import Texts
from bot.values import MOST_TOP, Place

GROUP = Place("feishu", "oc_1")


@pytest.fixture(params=[True, False], ids=["topics", "plain replies"])
def server(request):
    with FeishuServer(Time(), throttle=True) as running:
        running.group("oc_1").topics = request.param
        yield running
        assert (running.unknown, running.violations, running.too_fast) == ([], [], 0)


@pytest.fixture
def chat(server):
    time = server._clock
    api = Api(feishu_server.APP_ID, feishu_server.APP_SECRET, server.root, time)
    return FeishuChat(api, LongConnection(api), clock=time, sleep=time.sleep, now=time)


@pytest.mark.parametrize("name", DAYS)
def test_a_day_is_taken_whole_and_read_back_complete(chat, server, name):
    made, texts = DAYS[name], Texts("zh")
    deliver(chat, digests.post(made, texts, attachments(made, texts), top=MOST_TOP), GROUP)
    (headline,) = server.tops("oc_1")
    replies = server.thread("oc_1", headline["message_id"])
    assert len(replies) == len(server.group("oc_1").messages) - 1
    cards = [m["card"] for m in (headline, *replies) if m["msg_type"] == "interactive"]
    everything = "".join("".join(map(feishu_checks.shown, cards)).split())
    rows = [
        row for card in cards for part in feishu_checks.walk(card) if part.get("tag") == "table" for row in part["rows"]
    ]
    assert len(rows) == len(made.entries)
    for e in made.entries:
        assert f"第{e.commit.pull}种情况，包括`quotes`&<brackets>*stars*" in everything
        for said in (e.analysis.summary, *(r.text for r in e.analysis.risks), *(i.effect for i in e.analysis.impact)):
            assert "".join(said.split()) in everything
    files = [server.shown(m) for m in replies if m["msg_type"] == "file"]
    assert sorted(name.rpartition(".")[2] for name in files) == (["html", "md"] if made.entries else [])


@pytest.mark.parametrize("kind", ["normal", "hostile", "empty"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_sample_days_are_taken_and_lead_to_their_repository_alone(chat, server, kind, language):
    made, texts = sample(kind, language), Texts(language)
    deliver(chat, digests.post(made, texts, attachments(made, texts)), GROUP)
    cards = [m["card"] for m in server.group("oc_1").messages if m["msg_type"] == "interactive"]
    assert cards
    assert all(url.startswith("https://github.com/") for card in cards for url in feishu_checks.links(card))


def test_the_sdk_is_imported_only_when_feishu_is_spoken_to():
    """It takes memory, which nobody should pay for a webhook, or for Slack."""
    code = "import sys, adapters.chats.feishu, adapters.chats.feishu.webhook; print('lark_oapi' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "False\n"


def test_of_the_sdk_only_what_is_used_is_imported_and_whoever_wants_it_whole_gets_it():
    """Whole it takes two seconds and 170 MB."""
    code = (
        "import sys; from adapters.chats.feishu.sdk import sdk; used = sdk()\n"
        "print(len([name for name in sys.modules if name.startswith('lark_oapi.')]) < 150)\n"
        "print({'lark_oapi', 'lark_oapi.event.dispatcher_handler'} & sys.modules.keys())\n"
        "import lark_oapi; from lark_oapi.event.dispatcher_handler import EventDispatcherHandler\n"
        "print(lark_oapi.Client.builder().build().im is not None, EventDispatcherHandler is not object)\n"
        "print(lark_oapi.BaseRequest is used.model.BaseRequest)"
    )
    done = forkserver.run("-c", code, kind="libraries", env={"PYTHONPATH": str(ROOT)})
    assert done.stdout.split("\n")[:-1] == ["True", "set()", "True True", "True"], done.stderr


@pytest.mark.parametrize("guide", ["feishu.md", "feishu.zh.md"])
def test_the_guides_name_what_the_application_needs(guide):
    text = (ROOT / "docs" / guide).read_text(encoding="utf-8")
    assert [line[0] for line in SCOPES if f"| `{line[0]}` |" not in text] == []
    events = [*inbound._LEFT, "im.message.receive_v1", "im.chat.member.bot.added_v1", "card.action.trigger"]
    assert [event for event in events if f"`{event}`" not in text] == []


@pytest.mark.parametrize("url", ["https://open.larksuite.com", "https://open.feishu.cn/", "http://127.0.0.1:8080"])
def test_an_address_of_feishu_or_of_this_machine_is_taken(url):
    settings = FeishuSettings(feishu_app_id="cli_1", feishu_app_secret="secret", feishu_url=url, _env_file=None)
    assert from_settings(settings)._api.domain == url.rstrip("/")


@pytest.mark.parametrize("url", ["http://open.feishu.cn", "https://open.feishu.cn/open-apis", "open.feishu.cn", ""])
def test_another_address_is_refused_with_what_to_write(url, monkeypatch):
    monkeypatch.setenv("FEISHU_URL", url or "x")
    with pytest.raises(ConfigError) as told:
        load(FeishuSettings)
    assert "FEISHU_URL" in Texts("en").error(told.value)
    assert "https://open.feishu.cn" in Texts("en").error(told.value)


@pytest.mark.parametrize("url", ["https://open.feishu.cn:99999", "https://..", "https://-", "http://localhost:70000"])
def test_an_address_that_no_machine_can_have_is_refused(url):
    with pytest.raises(ValidationError):
        FeishuSettings(feishu_url=url, _env_file=None)
