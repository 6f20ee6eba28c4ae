"""Group bots that only take messages: Slack's incoming webhooks and Feishu's custom bots, over real sockets."""

import base64
import hmac
import json
import logging
import os
import signal
import threading
import time as real_time
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import feishu_checks
import forkserver
import pytest
import slack_checks
from feishu_server import FeishuServer, Hook
from repositories import Builder, lines
from samples import digest as sample
from service import ROOT, quiet_zone
from serving import Handler, HttpServer
from slack_server import Time
from test_slack import DAYS, HELLO, words
from test_worker import Time as Moving
from typed import process, run
from world import World

from adapters.chats import retry
from adapters.chats.feishu import webhook as feishu_webhook
from adapters.chats.feishu.settings import FeishuSettings
from adapters.chats.feishu.webhook import FeishuWebhook
from adapters.chats.slack import webhook as slack_webhook
from adapters.chats.slack.settings import SlackSettings
from adapters.chats.slack.webhook import SlackWebhook
from adapters.chats.webhooks import SecretStr, Webhook, webhooks
from adapters.stores.sqlite import SqliteStore
from bot.delivery.sending import send
from bot.errors import ConfigError, Forbidden, LeaseLost, NotFound, Refused, Unavailable
from bot.ports import Idempotency
from bot.posts import post as digests
from bot.posts.report import attachments
from bot.settings import load
from bot.texts import Texts
from bot.values import EPOCH, MOST_TOP, Attachment, Button, Buttons, Message, Place, Span, Subscription, Text

SLACK, FEISHU = "slack-webhook", "feishu-webhook"
BOTH = pytest.mark.parametrize("kind", [SLACK, FEISHU])
TOKEN, SECRET = "XXtokenXX1234567890", "XXsecretXX1234567890"
PATHS = {SLACK: f"/services/T1/B1/{TOKEN}", FEISHU: f"/open-apis/bot/v2/hook/{TOKEN}"}
# How a request can go wrong; each is used up by one. Anything else in the queue is an answer: its status and its body.
DROPPED, LOST, BUSY, BROKEN = "dropped after accepting", "dropped before", "busy", "broken"
TAKEN = {SLACK: (200, "ok"), FEISHU: (200, {"code": 0})}
DAY = datetime(2026, 2, 18, tzinfo=UTC)


class Hooks:
    """Where webhooks lead to: it refuses what Slack or Feishu would, and keeps what it took, by the kind of webhook.

    What is taken but must not be sent stands in `violations`. `clock` is seconds, by which it refuses who comes too
    fast if it is `paced`. `secret` is what Feishu's requests are signed with, and `now` is seconds since 1970.
    """

    def __init__(self, clock, *, secret=SECRET, now=real_time.time, port=0, paced=True):
        self.taken = defaultdict(list)
        self.requests = []
        self.violations = []
        self.too_fast = 0
        self._clock, self._secret, self._now, self._paced = clock, secret, now, paced
        self._faults = []
        self._at = defaultdict(list)
        self._lock = threading.Lock()
        self._server = HttpServer(("127.0.0.1", port), self._handler())
        self.port = self._server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def queue(self, *faults):
        """What the next requests meet with."""
        self._faults += faults

    def url(self, kind):
        """The address of a webhook."""
        return f"http://127.0.0.1:{self.port}{PATHS[kind]}"

    def settings(self):
        """The settings of a process that posts here."""
        return {
            "SLACK_WEBHOOKS": f"team={self.url(SLACK)}",
            "FEISHU_WEBHOOKS": f"team={self.url(FEISHU)} {SECRET}",
        }

    def said(self, kind):
        """The words of each message that was taken."""
        return [said(kind, body) for body in self.taken[kind]]

    # --- Answering ---

    def _handler(self):
        hooks = self

        class Answering(Handler):
            def answered(self, raw):
                with hooks._lock:
                    answer = hooks._answer(self.path, raw, self.headers["Content-Type"])
                return answer and (*answer, {"Retry-After": "7"} if answer[0] == 429 else {}), 0

        return Answering

    def _answer(self, path, raw, content_type):
        """Status and body, None for a connection that is dropped."""
        self.requests.append(self._clock())
        kind = next((kind for kind, known in PATHS.items() if known == path), None)
        if kind is None or not content_type.startswith("application/json"):
            return 404, b"no_service"
        fault = self._faults.pop(0) if self._faults else None
        if isinstance(fault, tuple):
            status, body = fault
            return status, body.encode() if isinstance(body, str) else json.dumps(body).encode()
        if fault == LOST:
            return None
        if fault == BROKEN:
            return 500, b"<html>oops</html>"
        if fault == BUSY or (self._paced and self._is_too_fast(kind)):
            return (429, b"rate_limited") if kind == SLACK else _feishu(11232, "frequency limited psm")
        answer = self._slack(json.loads(raw)) if kind == SLACK else self._custom_bot(json.loads(raw), len(raw))
        return None if fault == DROPPED else answer

    def _is_too_fast(self, kind):
        """Slack takes one a second, Feishu five a second and a hundred a minute."""
        now, at = self._clock(), self._at[kind]
        limits = [(1, 1)] if kind == SLACK else [(1, 5), (60, 100)]
        fast = any(sum(each > now - span for each in at) >= most for span, most in limits)
        self.too_fast += fast
        at.append(now)
        return fast

    def _slack(self, body):
        try:
            slack_checks.check_message(body)
        except slack_checks.Refused:
            return 400, b"invalid_blocks"
        self.violations += sorted(body.keys() - {"text", "blocks", "unfurl_links", "unfurl_media"})
        self.violations += slack_checks.unwanted(body)
        self.violations += [block["type"] for block in body["blocks"] if block["type"] == "actions"]
        self.taken[SLACK].append(body)
        return 200, b"ok"

    def _custom_bot(self, body, size):
        if size > 20_480 or body.get("msg_type") != "interactive":
            return _feishu(9499, "Bad Request")
        if not self._is_signed(body):
            return _feishu(19021, "sign match fail or timestamp is not within one hour from current time")
        card = body["card"]
        try:
            feishu_checks.check_card(card, body_bytes=size)
        except feishu_checks.Refused as refused:
            return _feishu(refused.code, refused.msg)
        self.violations += sorted(body.keys() - {"msg_type", "card", "timestamp", "sign"})
        self.violations += feishu_checks.unwanted(card)
        self.violations += [p["value"] for p in feishu_checks.walk(card) if p.get("type") == "callback"]
        self.taken[FEISHU].append(body)
        return _feishu(0, "success")

    def _is_signed(self, body):
        if not self._secret:
            return True
        timestamp = str(body.get("timestamp", "0"))
        digest = hmac.digest(timestamp.encode() + b"\n" + self._secret.encode(), b"", "sha256")
        fresh = abs(self._now() - int(timestamp)) < 3_600
        return fresh and hmac.compare_digest(base64.b64encode(digest).decode(), body.get("sign", ""))


def _feishu(code, message):
    return 200, json.dumps({"code": code, "msg": message, "data": {}}).encode()


def said(kind, body):
    """The words of a message as a reader sees them."""
    return words(body["blocks"]) if kind == SLACK else feishu_checks.shown(body["card"])


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def hooks(time):
    with Hooks(time, now=time) as running:
        yield running
        assert running.violations == []


def chat_of(kind, url, time, secret=SECRET):
    known = {"team": Webhook(SecretStr(url), SecretStr(secret))}
    if kind == SLACK:
        return SlackWebhook(known, clock=time, sleep=time.sleep)
    return FeishuWebhook(known, clock=time, sleep=time.sleep, now=time)


@pytest.fixture
def chat(kind, hooks, time):
    return chat_of(kind, hooks.url(kind), time)


@pytest.fixture
def place(kind):
    return Place(kind, "team")


def once(name="a", again=False, check=lambda: None):
    return Idempotency(name, EPOCH, again, check)


def deliver(chat, place, post):
    thread = chat.post(place, post.headline)
    assert thread == place
    for reply in post.replies:
        assert chat.post(thread, reply) == place


LONG = Message("long", (Span("Long"),), tuple(Text(((Span(f"part {n} " + "word " * 900),),)) for n in range(9)))

# --- Whole days ------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("name", DAYS)
def test_a_day_is_taken_whole_and_read_back_complete(kind, chat, place, hooks, name):
    made, texts = DAYS[name], Texts("zh")
    deliver(chat, place, digests.post(made, texts, attachments(made, texts), top=MOST_TOP))
    everything = "".join(hooks.said(kind)).replace("\n", "")
    for e in made.entries:
        assert f"第 {e.commit.pull} 种情况" in everything
        assert e.analysis.summary[:400] in everything
        assert all(r.text[:400] in everything for r in e.analysis.risks)
    assert "今天的概述。" in everything or not made.entries
    assert texts("digest.report") not in [text.strip() for text in hooks.said(kind)]
    assert hooks.too_fast == 0


@BOTH
@pytest.mark.parametrize("day", ["normal", "hostile", "empty"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_sample_days_are_taken(kind, chat, place, hooks, day, language):
    made, texts = sample(day, language), Texts(language)
    deliver(chat, place, digests.post(made, texts, attachments(made, texts)))
    assert "2026-02-18" in hooks.said(kind)[0]
    assert hooks.too_fast == 0


@BOTH
def test_buttons_become_links_or_nothing_and_files_stay_away(kind, chat, place, hooks):
    buttons = Buttons((Button("Report", "report"), Button("Web page", url="https://github.com/a/b")))
    report = Attachment("report.md", "# secret words")
    chat.post(place, replace(HELLO, parts=(*HELLO.parts, report, buttons)))
    chat.post(place, replace(HELLO, key="nothing but files", parts=(report,)))
    chat.post(place, replace(HELLO, key="only a button", parts=(Buttons((Button("Ask me", "help"),)),)))
    first, second = (json.dumps(body) for body in hooks.taken[kind])
    assert "world" in first
    assert "https://github.com/a/b" in first
    assert not any(word in first + second for word in ("Report", "secret words", "report.md", "Ask me"))
    assert "Hello" in second


# --- Sending ---------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(("fault", "arrived"), [(DROPPED, 1), (LOST, 0)])
def test_a_send_whose_answer_is_lost_is_for_a_later_try_which_may_double_but_loses_nothing(
    kind, chat, place, hooks, fault, arrived
):
    hooks.queue(fault)
    with pytest.raises(Unavailable) as failed:
        chat.post(place, HELLO, once())
    assert failed.value.key == "webhook_unclear"
    assert (len(hooks.requests), len(hooks.taken[kind])) == (1, arrived)
    chat.post(place, HELLO, once(again=True))
    assert len(hooks.taken[kind]) == arrived + 1


@BOTH
def test_an_answer_that_does_not_come_is_no_answer(kind, chat, place, hooks, monkeypatch):
    module, name = (slack_webhook, "TIMEOUT") if kind == SLACK else (feishu_webhook, "TIMEOUT")
    monkeypatch.setattr(module, name, 0.2)
    with hooks._lock, pytest.raises(Unavailable) as failed:  # it answers when the lock is free
        chat.post(place, HELLO, once())
    assert failed.value.key == "webhook_unclear"


@BOTH
def test_pages_that_arrived_are_not_sent_again_when_a_later_one_is_throttled(kind, chat, place, hooks, time):
    chat.post(place, LONG)
    whole = hooks.said(kind)
    assert len(whole) > 2
    hooks.taken.clear()
    time.sleep(100)
    hooks.queue(TAKEN[kind], BUSY, BUSY)
    chat.post(place, LONG)
    assert hooks.said(kind) == whole[1:]  # the first one was taken by the queue
    assert hooks.too_fast == 0


@BOTH
def test_pages_that_arrived_are_not_sent_again_when_the_message_is_tried_later(kind, chat, place, hooks):
    chat.post(place, LONG)
    whole = hooks.said(kind)
    hooks.taken.clear()
    hooks.queue(TAKEN[kind], LOST, LOST)
    for again in (False, True):
        with pytest.raises(Unavailable):
            chat.post(place, LONG, once(again=again))
    chat.post(place, LONG, once(again=True))
    assert hooks.said(kind) == whole[1:]
    chat.post(place, LONG, once(again=True))  # what is whole is the worker's to know
    assert hooks.said(kind) == [*whole[1:], *whole]


@BOTH
def test_what_was_posted_cannot_be_found_out(kind, chat, place):
    with pytest.raises(Forbidden) as said:
        chat.posted(place, ("d1/headline",), datetime.now(UTC))
    assert said.value.key == "webhook_history"


@BOTH
def test_a_pause_is_kept(kind, chat, place, hooks, time):
    hooks.queue(BUSY)
    chat.post(place, HELLO)
    assert len(hooks.taken[kind]) == 1
    assert sum(time.slept) >= (7 if kind == SLACK else 1)


@BOTH
def test_who_stays_busy_is_tried_later(kind, chat, place, hooks):
    hooks.queue(*[BUSY] * 9)
    with pytest.raises(Unavailable) as failed:
        chat.post(place, HELLO)
    assert failed.value.key == "webhook_busy"


def test_a_long_pause_is_not_waited_for(hooks, time, monkeypatch):
    monkeypatch.setattr(retry, "PATIENCE", 6)
    hooks.queue(BUSY)
    with pytest.raises(Unavailable):
        chat_of(SLACK, hooks.url(SLACK), time).post(Place(SLACK, "team"), HELLO)
    assert (len(hooks.requests), time.slept) == (1, [])


@BOTH
def test_nobody_comes_too_fast(kind, chat, place, hooks, time):
    for number in range(130):
        chat.post(place, replace(HELLO, key=str(number)))
    assert (len(hooks.taken[kind]), hooks.too_fast) == (130, 0)
    took = hooks.requests[-1] - hooks.requests[0]
    assert took >= (129 if kind == SLACK else 60)


@BOTH
def test_a_service_that_cannot_be_reached_is_tried_again_and_then_told(kind, time):
    with Hooks(time) as gone:
        url = gone.url(kind)
    checked = []
    with pytest.raises(Unavailable) as failed:
        chat_of(kind, url, time).post(Place(kind, "team"), HELLO, once(check=lambda: checked.append(time())))
    assert (failed.value.key, failed.value.fields["error"]) == ("webhook_failed", "connection")
    assert len(set(checked)) > 2


@BOTH
def test_a_service_that_comes_back_gets_the_message_once(kind, time):
    with Hooks(time) as gone:
        port = gone.port
    back = []

    def sleep(seconds):
        time.sleep(seconds)
        if not back:
            back.append(Hooks(time, now=time, port=port).__enter__())

    chat = chat_of(kind, gone.url(kind), time)
    chat._retrier.limiter._sleep = sleep
    chat.post(Place(kind, "team"), HELLO)
    (hooks,) = back
    hooks.__exit__()
    assert len(hooks.taken[kind]) == 1


@BOTH
def test_who_was_overtaken_sends_nothing_more(kind, chat, place, hooks):
    left = [None, None]

    def check():
        if not left:
            raise LeaseLost("delivery_overtaken", id=1)
        left.pop()

    with pytest.raises(LeaseLost):
        chat.post(place, LONG, once(check=check))
    assert len(hooks.taken[kind]) == 2


# --- Refusals --------------------------------------------------------------------------------

REFUSALS = [
    (SLACK, (404, "no_service"), NotFound, "webhook_gone"),
    (SLACK, (404, "no_team"), NotFound, "webhook_gone"),
    (SLACK, (404, "channel_not_found"), NotFound, "webhook_gone"),
    (SLACK, (404, "<html>nothing here</html>"), NotFound, "webhook_gone"),
    (SLACK, (410, "channel_is_archived"), Forbidden, "webhook_closed"),
    (SLACK, (403, "action_prohibited"), Forbidden, "webhook_closed"),
    (SLACK, (403, "posting_to_general_channel_denied"), Forbidden, "webhook_closed"),
    (SLACK, (403, "invalid_token"), ConfigError, "webhook_token"),
    (SLACK, (400, "invalid_blocks"), Refused, "webhook_refused"),
    (SLACK, (403, f"<html>{PATHS[SLACK]} is blocked</html>"), Unavailable, "webhook_refused"),
    (SLACK, (500, "rollup_error"), Unavailable, "webhook_failed"),
    (SLACK, (200, "<html>sign in first</html>"), Unavailable, "webhook_failed"),
    (FEISHU, (200, {"code": 19001, "msg": "incoming webhook access token invalid"}), NotFound, "webhook_gone"),
    (FEISHU, (404, "404 page not found"), NotFound, "webhook_gone"),
    (FEISHU, (200, {"code": 19021, "msg": "sign match fail"}), ConfigError, "webhook_signature"),
    (FEISHU, (200, {"code": 19022, "msg": "Ip Not Allowed"}), ConfigError, "webhook_machine"),
    (FEISHU, (200, {"code": 19024, "msg": "Key Words Not Found"}), ConfigError, "webhook_keyword"),
    (FEISHU, (400, {"code": 9499, "msg": "Bad Request", "data": {}}), Refused, "webhook_refused"),
    (FEISHU, (500, {"code": 1, "msg": "internal"}), Unavailable, "webhook_failed"),
    (FEISHU, (502, "<html>bad gateway</html>"), Unavailable, "webhook_failed"),
    (FEISHU, (200, f"<html>{PATHS[FEISHU]}: sign in first</html>"), Unavailable, "webhook_failed"),
    (FEISHU, (200, [1]), Unavailable, "webhook_failed"),
]


@pytest.mark.parametrize(("kind", "answer", "error", "key"), REFUSALS)
def test_a_refusal_is_told_in_the_bots_terms_and_not_repeated(kind, answer, error, key, chat, place, hooks):
    hooks.queue(answer)
    with pytest.raises(error) as refused:
        chat.post(place, HELLO)
    assert type(refused.value) is error
    assert refused.value.key == key
    assert len(hooks.requests) == 1
    for language in ("en", "zh"):
        told = Texts(language).error(refused.value)
        assert "team" in told
        assert TOKEN not in told


@pytest.mark.parametrize(("kind", "refusal"), [(SLACK, (400, "invalid_blocks")), (FEISHU, (200, {"code": 230022}))])
def test_a_page_that_is_refused_costs_only_itself_and_that_is_said(kind, refusal, chat, place, hooks):
    chat.post(place, LONG, once(name="whole"))
    pages = len(hooks.taken[kind])
    hooks.taken[kind].clear()
    hooks.queue(refusal)
    assert send(chat, place, LONG, Texts("en"), once()) == place
    assert len(hooks.taken[kind]) == pages  # all but one, and the notice
    assert "was not accepted by this chat" in json.dumps(hooks.taken[kind][-1])


def test_an_older_answer_of_feishus_is_understood(hooks, time):
    chat = chat_of(FEISHU, hooks.url(FEISHU), time)
    hooks.queue((200, {"StatusCode": 0, "StatusMessage": "success", "Extra": None}))
    assert chat.post(Place(FEISHU, "team"), HELLO) == Place(FEISHU, "team")


@BOTH
def test_a_webhook_that_is_not_set_up_is_named(kind, chat, hooks):
    with pytest.raises(NotFound) as unknown:
        chat.post(Place(kind, "nowhere"), HELLO)
    assert "nowhere" in Texts("en").error(unknown.value)
    assert hooks.requests == []


# --- Signing ---------------------------------------------------------------------------------


def test_the_signature_is_the_one_that_openssl_makes():
    assert feishu_webhook.signature("1599360473", "the-secret") == "9pQi/5RbfHSqiL0137DnexToOuoRA2unfVIUvV7OVLI="


def test_a_wrong_secret_and_a_wrong_clock_are_told(hooks, time):
    for chat in (
        chat_of(FEISHU, hooks.url(FEISHU), time, secret="wrong"),
        chat_of(FEISHU, hooks.url(FEISHU), time, secret=""),
        FeishuWebhook(
            {"team": Webhook(SecretStr(hooks.url(FEISHU)), SecretStr(SECRET))},
            clock=time,
            sleep=time.sleep,
            now=lambda: time() - 3_700,
        ),
    ):
        with pytest.raises(ConfigError) as refused:
            chat.post(Place(FEISHU, "team"), HELLO)
        assert refused.value.key == "webhook_signature"


def test_a_long_wait_makes_no_signature_too_old(hooks, time):
    chat = chat_of(FEISHU, hooks.url(FEISHU), time)
    chat._retrier.limiter.pause("team", 4_000)
    chat.post(Place(FEISHU, "team"), HELLO)
    assert int(hooks.taken[FEISHU][0]["timestamp"]) >= 5_000


def test_without_a_secret_nothing_is_signed(time):
    with Hooks(time, secret="") as open_hooks:
        chat_of(FEISHU, open_hooks.url(FEISHU), time, secret="").post(Place(FEISHU, "team"), HELLO)
        assert open_hooks.taken[FEISHU][0].keys() == {"msg_type", "card"}


def test_the_server_that_the_application_is_tested_with_takes_a_whole_day_too(time):
    post = digests.post(DAYS["150 commits"], Texts("zh"))
    with FeishuServer(time, throttle=True) as server:
        server.hooks["a"] = Hook(SECRET)
        chat = chat_of(FEISHU, f"{server.root}/open-apis/bot/v2/hook/a", time)
        deliver(chat, Place(FEISHU, "team"), post)
        assert len(server.hooks["a"].messages) > len(post.replies)
        assert (server.violations, server.too_fast, server.refused) == ([], 0, 0)


# --- Secrets ---------------------------------------------------------------------------------


@BOTH
def test_no_address_and_no_secret_is_logged_or_told_whatever_goes_wrong(kind, hooks, time, caplog):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("slack_sdk").setLevel(logging.DEBUG)
    chat = chat_of(kind, hooks.url(kind), time)
    faults = [DROPPED, LOST, BROKEN, (404, PATHS[kind]), (403, PATHS[kind]), (200, PATHS[kind]), (400, PATHS[kind])]
    for fault in [*faults, None]:
        hooks.queue(*([fault] if fault else []))
        try:
            chat.post(Place(kind, "team"), HELLO)
        except (Unavailable, NotFound) as error:
            caplog.records.append(logging.makeLogRecord({"msg": f"{error!r} {Texts('en').error(error)}"}))
    logged = "".join(record.getMessage() for record in caplog.records)
    assert "team" in logged
    assert not any(secret in logged + caplog.text for secret in (TOKEN, SECRET, "/services/", "/open-apis/"))
    assert TOKEN not in repr(chat._known)
    logging.getLogger("slack_sdk").setLevel(logging.NOTSET)


# --- Settings --------------------------------------------------------------------------------


def test_the_settings_name_webhooks():
    value = SecretStr("team=https://a.example/x , 团队-1.b=http://127.0.0.1:80/y?z=1  geheim,")
    found = webhooks("FEISHU_WEBHOOKS", value, signed=True)
    assert {n: (w.url.get_secret_value(), w.secret.get_secret_value()) for n, w in found.items()} == {
        "team": ("https://a.example/x", ""),
        "团队-1.b": ("http://127.0.0.1:80/y?z=1", "geheim"),
    }
    assert webhooks("FEISHU_WEBHOOKS", SecretStr(""), signed=True) == {}


@pytest.mark.parametrize(
    "value",
    [
        f"https://a.example/{TOKEN}",
        f"ok=https://a.example/x,team=ftp://a.example/{TOKEN}",
        f"team=a.example/{TOKEN}",
        f"two words=https://a.example/{TOKEN}",
        f"te:am=https://a.example/{TOKEN}",
        f"team=https://a.example/x,team=https://a.example/{TOKEN}",
        f"team=https://a.example/{TOKEN} {SECRET} more",
        f"team=https://a.example:port/{TOKEN}",
        f"team=https://[::1/{TOKEN}",
        f"team=https://a.example/{TOKEN}…",
        f"={TOKEN}",
    ],
)
def test_a_wrong_setting_is_named_and_never_shown(value, monkeypatch):
    monkeypatch.setenv("FEISHU_WEBHOOKS", value)
    with pytest.raises(ConfigError) as wrong:
        feishu_webhook.from_settings(load(FeishuSettings))
    told = Texts("en").error(wrong.value) + repr(wrong.value) + str(wrong.value)
    assert "of FEISHU_WEBHOOKS is invalid" in told
    assert not any(secret in told for secret in (TOKEN, SECRET, "a.example"))


def test_slack_knows_no_secret_behind_an_address(monkeypatch):
    monkeypatch.setenv("SLACK_WEBHOOKS", f"team=https://a.example/{TOKEN} {SECRET}")
    with pytest.raises(ConfigError) as wrong:
        slack_webhook.from_settings(load(SlackSettings))
    assert wrong.value.fields == {"name": "SLACK_WEBHOOKS", "number": 1, "form": "team=https://…"}


@BOTH
def test_listening_ends_when_it_is_closed(kind, chat):
    listening = threading.Thread(target=chat.listen, args=(None,), daemon=True)
    listening.start()
    listening.join(0.05)
    assert listening.is_alive()
    chat.close()
    listening.join(5)
    assert not listening.is_alive()


# --- The worker ------------------------------------------------------------------------------


class Bot:
    """A worker that posts over both webhooks, the repository it tells of, and a clock that is moved by hand."""

    def __init__(self, folder, hooks, time):
        self.folder, self.time, self.hooks = folder, time, hooks
        self.build = Builder(folder / "repo")
        self.build.commit("root", DAY - timedelta(days=30), {"a.py": lines(1, 20)})
        self.build.commit("one", DAY + timedelta(hours=3), {"a.py": lines(2, 20)}, message="fix: one")
        self.build.finish()
        self.world = World(folder, time, allow=(str(folder / "*"),))
        self.store = self.world.store
        known = {kind: {"team": Webhook(SecretStr(hooks.url(kind)), SecretStr(SECRET))} for kind in PATHS}
        pace = {"clock": time.seconds, "sleep": time.sleep}
        self.chats = {
            SLACK: SlackWebhook(known[SLACK], **pace),
            FEISHU: FeishuWebhook(known[FEISHU], now=time.seconds, **pace),
        }
        self.worker = self.world.worker(self.chats)
        self.followed = {kind: self.follow(kind, str(folder / "repo")) for kind in PATHS}

    def follow(self, kind, repo):
        created = self.time.moment
        return self.store.subscribe(
            Subscription(Place(kind, "team"), repo, "0 9 * * *", "UTC", "en", created=created, scheduled=created)
        )

    def tick(self):
        """Let the worker do what is due; one of the two waits a second for the digest that the other one makes."""
        for _ in range(2):
            while self.worker.tick():
                assert self.worker.drain(60)
            self.time.sleep(2)

    def states(self, kind):
        return [str(d.state) for d in reversed(self.store.deliveries(self.followed[kind].id))]

    def paused(self, kind):
        return self.store.subscriptions(Place(kind, "team"))[0].paused


@pytest.fixture
def bot(tmp_path):
    time = Moving(DAY + timedelta(hours=8))
    with Hooks(time.seconds, now=time.seconds) as hooks:
        made = Bot(tmp_path, hooks, time)
        made.time.moment = DAY + timedelta(hours=33)
        yield made
        made.worker.stop(5)
        made.world.close()
        assert hooks.violations == []


def test_a_digest_is_delivered_over_both_once(bot):
    bot.tick()
    for kind in PATHS:
        headline, rest = bot.hooks.said(kind)
        assert "2026-02-18" in headline
        assert "fix: one" in headline
        assert "one" in rest
        assert bot.states(kind)[-1] == "done"
    before = dict(bot.hooks.taken)
    bot.time.sleep(3_600)
    bot.tick()
    assert bot.hooks.taken == before
    assert bot.hooks.too_fast == 0
    kept = b"".join(path.read_bytes() for path in bot.folder.glob("digest.db*"))
    assert TOKEN.encode() not in kept
    assert SECRET.encode() not in kept


def test_a_delivery_whose_answer_was_lost_is_sent_again(bot):
    bot.hooks.queue(LOST, LOST)
    bot.tick()
    assert {kind: bot.states(kind)[-1] for kind in PATHS} == {SLACK: "due", FEISHU: "due"}
    bot.time.sleep(31)
    bot.tick()
    assert all((len(bot.hooks.taken[kind]), bot.states(kind)[-1]) == (2, "done") for kind in PATHS)


def test_a_channel_whose_webhook_was_removed_rests_until_it_is_back(bot):
    bot.hooks.queue(*[(404, "no_service")] * 2)
    bot.tick()
    assert all((bot.paused(kind), bot.hooks.taken[kind]) == ("left", []) for kind in PATHS)
    bot.time.sleep(3_601)
    bot.tick()
    assert all((bot.paused(kind), len(bot.hooks.taken[kind])) == ("", 2) for kind in PATHS)


def test_a_delivery_that_is_given_up_sends_nothing_in_its_last_look(bot):
    bot.hooks.queue(*[LOST] * 2)
    bot.tick()
    bot.time.moment += timedelta(days=1)
    requests = len(bot.hooks.requests)
    bot.worker.tick()
    assert bot.worker.drain(60)
    assert len(bot.hooks.requests) == requests


# --- The program -----------------------------------------------------------------------------


@pytest.fixture
def real():
    """Webhooks by the real clock, which tell no pace: not every message takes equally long to them."""
    with Hooks(real_time.monotonic, paced=False) as running:
        yield running
        assert running.violations == []


@pytest.fixture
def morning(tmp_path, real):
    """The settings of a process for which a digest is due, in both channels."""
    now = datetime.now(UTC)
    build = Builder(tmp_path / "app")
    build.commit("root", now - timedelta(days=20), {"README.md": "# App\n"})
    build.commit("one", now - timedelta(hours=24), {"a.py": lines(1, 20)}, message="fix: one")
    repo, created = str(build.finish().path), now - timedelta(hours=24)
    store = SqliteStore(tmp_path / "digest.db")
    for kind in PATHS:
        place, zone = Place(kind, "team"), quiet_zone(now)
        store.subscribe(Subscription(place, repo, "0 6 * * *", zone, "en", created=created, scheduled=created))
    store.close()
    return {"DIGEST_DATABASE": str(tmp_path / "digest.db"), "DIGEST_ALLOW": repo, **real.settings()}


def test_one_run_delivers_to_both_and_ends_well(real, morning):
    done = process("run", "--once", **morning)
    assert done.returncode == 0, done.stderr
    assert all("fix: one" in real.said(kind)[0] and len(real.taken[kind]) == 2 for kind in PATHS)
    assert (TOKEN in done.stdout + done.stderr, SECRET in done.stdout + done.stderr) == (False, False)
    assert process("run", "--once", **morning).returncode == 0
    assert all(len(real.taken[kind]) == 2 for kind in PATHS)


def test_one_run_ends_badly_where_one_channel_does_not_take_its_digest(real, morning):
    gone = f"team=http://127.0.0.1:{real.port}/services/T1/B1/{TOKEN}gone"
    done = process("run", "--once", **{**morning, "SLACK_WEBHOOKS": gone})
    assert done.returncode == 1
    assert len(real.taken[FEISHU]) == 2
    assert "paused" in done.stderr
    assert TOKEN not in done.stderr


def test_a_webhook_that_is_malformed_takes_no_other_digest_along(real, morning):
    done = run("run", "--once", **{**morning, "SLACK_WEBHOOKS": TOKEN})
    assert done.returncode == 1
    assert "SLACK_WEBHOOKS is invalid" in done.stderr
    assert TOKEN not in done.stderr
    assert (len(real.taken[FEISHU]), len(real.taken[SLACK])) == (2, 0)


def test_a_service_with_nothing_but_webhooks_runs_until_it_is_stopped(real, morning, tmp_path):
    told = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **morning}
    with (tmp_path / "log").open("wb") as log:
        process = forkserver.start("-m", "bot", "run", env=told, cwd=ROOT, stdout=log, stderr=log)
    until = real_time.monotonic() + 60
    while not all(len(real.taken[kind]) == 2 for kind in PATHS):
        assert real_time.monotonic() < until, (tmp_path / "log").read_text()
        real_time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert TOKEN not in (tmp_path / "log").read_text()


def test_a_digest_can_be_posted_to_a_webhook(real, morning):
    for kind in PATHS:
        done = run("yesterday", morning["DIGEST_ALLOW"], "--to", f"{kind}:team", **morning)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert "fix: one" in real.said(kind)[0]


def test_a_place_can_be_told_what_to_follow(real, morning):
    repo, to = morning["DIGEST_ALLOW"], ("--to", "feishu-webhook:team")
    new = {**morning, "DIGEST_DATABASE": morning["DIGEST_DATABASE"] + ".new"}
    assert "now follows app" in run("subscribe", repo, "at", "08:07", *to, **new).stdout
    assert "7 8 * * mon-fri" in run("list", *to, **new).stdout
    assert "Nothing is followed here" in run("list", **new).stdout
    assert "7 8 * * mon-fri" in run("settings", repo, *to, **new).stdout
    assert "chat: feishu-webhook\n  channel: team" in run("export", **new).stdout
    gone = {**new, "FEISHU_WEBHOOKS": ""}
    assert "no longer follows app" in run("unsubscribe", repo, *to, **gone).stdout
    assert "Nothing is followed here" in run("list", *to, **new).stdout
    assert real.requests == []


@pytest.mark.parametrize(
    ("words", "settings", "code", "told"),
    [
        (("subscribe", "REPO", "--to", "slack-webhook:tem"), {}, 1, "No webhook named tem"),
        (("yesterday", "REPO", "--to", "slack-webhook:tem"), {}, 1, "No webhook named tem"),
        (("subscribe", "REPO", "--to", "slack-webhook:team"), {"DIGEST_ALLOW": ""}, 1, "DIGEST_ALLOW"),
        (("subscribe", "REPO", "--to", "slack-webhook:"), {}, 2, "slack-webhook:"),
        (("报告", "REPO", "--to", "slack-webhook:team"), {}, 2, "cannot send files"),
        (
            ("yesterday", "REPO", "--to", "slack-webhook:team"),
            {"SLACK_WEBHOOKS": TOKEN},
            1,
            "SLACK_WEBHOOKS is invalid",
        ),
    ],
)
def test_what_cannot_be_done_with_a_webhook_is_told(real, morning, words, settings, code, told):
    typed = [morning["DIGEST_ALLOW"] if word == "REPO" else word for word in words]
    done = run(*typed, **{**morning, **settings})
    assert (done.returncode, done.stdout) == (code, "")
    assert told in done.stderr
    assert TOKEN not in done.stderr
    assert real.requests == []


@pytest.mark.parametrize("lead", ["/digest", "digest", "日报"])
def test_a_line_about_a_place_is_read_as_in_a_chat(lead, real, morning):
    done = run(lead, "list", "--to", "feishu-webhook:team", **morning)
    assert (done.returncode, done.stderr) == (0, "")
    assert "feishu-webhook" not in done.stdout
    assert done.stdout  # it is told here, and not posted
    assert real.requests == []
