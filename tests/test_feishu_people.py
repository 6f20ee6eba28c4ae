"""What people do in Feishu: the real client of the SDK on a real persistent connection, the whole bot behind it."""

import json
import logging
import threading
import time as real_time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import feishu_checks
import pytest
from feishu_limits import EVENT_SECONDS
from feishu_server import APP_ID, APP_SECRET, BOT, SENSITIVE, USER, FeishuServer, Time
from repositories import Builder, git
from world import World, busy_day

from adapters.chats import inbox
from adapters.chats.feishu import inbound, slash
from adapters.chats.feishu.calls import Api
from adapters.chats.feishu.chat import FeishuChat
from adapters.chats.feishu.transports import Http, LongConnection
from bot.rights import Right, Rights
from bot.values import Place, Subscription

GROUP = Place("feishu", "oc_1")
NAMES = {BOT: "Commit Digest", "": "所有人", "ou_2": "Alice <at id=all></at>"}
RETRIES = (0.1, 0.3, 0.6, 1.2)


class Feishu:
    """A bot that listens to a server, and what can be asked of it."""

    def __init__(self, server, chat, world, path, time):
        self.server = server
        self.chat = chat
        self.world = world
        self.path = path
        self.time = time
        self.acks = []
        server.deliver = self._deliver

    def _deliver(self, *given, **more):
        ack = self.server.socket.push(*given, **more)
        self.acks.append(ack)
        return ack

    def ask(self, text, **where):
        """What the bot answers to a line, once nothing is worked on any more."""
        return self.answers(self.server.say(text, **where))

    def write(self, content, kind="text", chat="oc_1", mentions=(), **sender):
        """Somebody writes something that `say` cannot; `mentions` are open ids by placeholder."""
        group = self.server.group(chat)
        told = [{"key": key, "id": {"open_id": user}, "name": NAMES[user]} for key, user in dict(mentions).items()]
        message = group.keep(group, kind, json.dumps(content), USER, mentions=told)
        event = self.server.message_event(message)
        event["event"]["sender"] |= sender
        self.server.deliver(event)
        return message

    def answers(self, message):
        """What the bot wrote after a message, in the order in which it came."""
        self.idle()
        return [m for m in self._written(message["chat_id"]) if m["order"] > message["order"]]

    def posted(self, chat="oc_1"):
        """All that the bot wrote in a chat, and did not take back."""
        return self._written(chat)

    def _written(self, chat):
        group = self.server.group(chat)
        written = [m for m in (*group.messages, *group.private) if m["sender"]["id"] == APP_ID and not m["deleted"]]
        return sorted(written, key=lambda m: m["order"])

    def shown(self, messages):
        return "\n".join(map(self.server.shown, messages))

    def wait(self, found, seconds=30.0):
        """What `found` returns once it is something."""
        until = real_time.monotonic() + seconds
        while not (seen := found()):
            assert real_time.monotonic() < until, f"nothing came: {self.server.requests[-8:]}"
            real_time.sleep(0.005)
        return seen

    def idle(self):
        """Wait until nothing is worked on any more."""
        self.wait(lambda: self.chat._inbound.inbox.idle)

    def follow(self, path="", **fields):
        made = Subscription(GROUP, path or self.path, "0 9 * * mon-fri", "UTC", "en", **fields)
        return self.world.store.subscribe(made)

    def followed(self):
        return self.world.store.subscriptions(GROUP)


def labels(message):
    """The labels of the buttons of a card."""
    return [part["text"]["content"] for part in feishu_checks.walk(message["card"]) if part.get("tag") == "button"]


def is_form(message):
    return any(part.get("tag") == "form" for part in feishu_checks.walk(message["card"]))


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    made = busy_day(tmp_path_factory.mktemp("feishu") / "repo")
    git(made.path, "remote", "add", "origin", "https://github.com/team/app.git")
    return made


@pytest.fixture
def world(tmp_path, clock, repository):
    made = World(tmp_path, clock, allow=[str(repository.path)])
    yield made
    made.close()


@pytest.fixture
def server():
    with FeishuServer(Time(), retries=RETRIES) as running:
        yield running
        assert (running.unknown, running.violations) == ([], [])


@pytest.fixture
def feishu(server, world, repository, monkeypatch, request, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(inbox, "_SLOW", getattr(request, "param", 30))
    with listening(server, world) as chat:
        yield Feishu(server, chat, world, str(repository.path), server._clock)
    told = caplog.text + json.dumps(server.written(), ensure_ascii=False)
    assert not [secret for secret in (APP_SECRET, *server._tokens) if secret in told]


@contextmanager
def listening(server, world):
    """A chat that listens while this lasts."""
    time = server._clock
    api = Api(APP_ID, APP_SECRET, server.root, now=time)
    chat = FeishuChat(api, LongConnection(api), clock=time, sleep=time.sleep, now=time)
    thread = threading.Thread(target=chat.listen, args=(world.host(chat),), daemon=True)
    thread.start()
    server.socket.wait_connected(seconds=60)  # the first one waits for the import of the SDK
    yield chat
    chat.close()
    thread.join(10)
    assert not thread.is_alive()


# --- Commands --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "rich"),
    [
        ("/digest 203", False),
        ("/digest 203", True),
        ("203", False),
        ("#203", True),
        ("／digest 203", False),
        ("／日报 203", True),
        ("/日报 #203", False),
        ("/DIGEST 203", False),
        ("日报 203", False),
        ("/日报203", True),
        ("／日报＃203", False),
    ],
)
def test_a_command_is_answered_in_the_thread_beneath_it(feishu, line, rich):
    feishu.follow()
    asked = feishu.server.say(line, rich=rich)
    (told,) = feishu.answers(asked)
    assert "wrong part 3" in feishu.server.shown(told)
    assert told["root_id"] == asked["message_id"]
    assert told["thread_id"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("昨天", "29 commits"),
        ("/日报 昨天", "29 commits"),
        ("报告 2026-02-18", ".html"),
        ("列表", "Followed here: 1"),
        ("设置", "0 9 * * mon-fri"),
        ("状态", "rules"),
        ("帮助", "/digest 6344"),
        ("/digest help", "/digest 6344"),
        ("/digest", "29 commits"),
    ],
)
def test_verbs_are_known_in_both_languages(feishu, clock, line, expected):
    clock.now = datetime(2026, 2, 19, 1, tzinfo=UTC)
    feishu.follow()
    assert expected in feishu.shown(feishu.ask(line))


def test_a_channel_follows_and_unfollows_in_chinese(feishu):
    (told,) = feishu.ask(f"订阅 {feishu.path} at 08:30 zone Asia/Shanghai lang zh")
    assert "订阅" in feishu.server.shown(told)
    assert [(s.schedule, s.zone, s.language) for s in feishu.followed()] == [
        ("30 8 * * mon-fri", "Asia/Shanghai", "zh")
    ]
    (told,) = feishu.ask("退订 team/app")
    assert "team/app" in feishu.server.shown(told)
    assert feishu.followed() == ()


def test_a_digest_is_whole_in_the_thread_and_its_buttons_answer_there(feishu):
    feishu.follow()
    headline, *rest = feishu.ask("2026-02-18")
    everything = feishu.shown([headline, *rest])
    assert all(f"wrong part {n}" in everything and f"endpoint {n % 6}" in everything for n in range(12))
    assert [m["msg_type"] for m in rest[-2:]] == ["file", "file"]
    assert {m["thread_id"] for m in rest} == {headline["thread_id"]}
    ack = feishu.server.press(headline, "Full report")
    assert (ack.data["toast"]["type"], feishu.server.toasts) == ("info", [(USER, "Working on it …")])
    report, *files = feishu.answers(rest[-1])
    assert [m["msg_type"] for m in files] == ["file", "file"]
    feishu.server.press(headline, "Settings")
    (settings,) = feishu.answers(files[-1])
    assert labels(settings) == ["Change", "Unfollow", "Follow a repository"]
    assert {m["thread_id"] for m in (report, *files, settings)} == {headline["thread_id"]}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("yesterdya", "Did you mean /digest yesterday?"),
        ("qwertyuiop", "/digest help"),
        ("x" * 40_000, "40,000 characters"),
        ("[" * 100_000, "100,000 characters"),
        ("'\"; -- 🦊 \x00\u202e", "/digest help"),
        ("unsubscribe other/repo", "not followed here"),
        ("subscribe private/thing", "DIGEST_ALLOW"),
        ("explain nothing here", "no link"),
        ("", "owner/repo"),
    ],
)
def test_what_cannot_be_done_is_told_kindly_and_changes_nothing(feishu, line, expected):
    (told,) = feishu.ask(line)
    assert expected in feishu.server.shown(told)
    assert feishu.world.store.subscriptions() == ()


@pytest.mark.parametrize(
    "hostile",
    [
        "<at id=all></at>",
        '<at user_id="all">everybody</at> :DONE:',
        "[docs](https://evil.example)",
        "![x](img_v3) **bold** `code` | a | b |",
        '<a href="https://evil.example">x</a>',
        "https://evil.example/commit/x",
    ],
)
def test_what_somebody_typed_pings_nobody_and_leads_nowhere(feishu, hostile):
    for line in (hostile, f"search {hostile}", f"subscribe {hostile}"):
        (told,) = feishu.ask(line)
        assert feishu_checks.links(told["card"]) == []
        assert feishu_checks.unwanted(told["card"]) == []


# --- What a message is made of ---------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "@_user_2 @_user_1 203",
        "@_user_1 @_user_2 /digest 203",
        "@_user_1 203 @_user_2",
        "@_all @_user_1 /日报 203",
        "@_user_1\n/digest\n203",
        "/digest 203 @_user_1",
    ],
)
def test_who_else_is_called_is_no_word_of_the_line(feishu, text):
    feishu.follow()
    (told,) = feishu.answers(feishu.write({"text": text}, mentions={"@_user_1": BOT, "@_user_2": "ou_2", "@_all": ""}))
    assert "wrong part 3" in feishu.server.shown(told)


LINK = "https://github.com/team/app/pull/203"


@pytest.mark.parametrize(
    "text",
    [
        LINK,
        f"[PR 203]({LINK})",
        f"explain [PR 203]({LINK})",
        f"解释[PR 203]({LINK})这个",
        f"explain see {LINK} please",
        f"解释{LINK}，谢谢",
    ],
)
def test_a_link_counts_as_what_it_leads_to(feishu, text):
    feishu.follow()
    assert "wrong part 3" in feishu.shown(feishu.ask(text))


def test_a_message_with_lines_and_styles_is_read_whole(feishu):
    feishu.follow()
    lines = [
        [{"tag": "at", "user_id": "@_user_1", "user_name": "Commit Digest"}, {"tag": "text", "text": "解释"}],
        [{"tag": "text", "text": "see", "style": ["bold"]}, {"tag": "a", "href": LINK, "text": "PR 203"}],
        [{"tag": "text", "text": "and"}, {"tag": "emotion", "emoji_type": "SMILE"}, {"tag": "text", "text": "thanks"}],
    ]
    asked = feishu.write({"title": "", "content": lines}, "post", mentions={"@_user_1": BOT})
    assert "wrong part 3" in feishu.shown(feishu.answers(asked))


def test_a_title_is_read_too(feishu):
    feishu.follow()
    called = [[{"tag": "at", "user_id": "@_user_1", "user_name": "Commit Digest"}]]
    asked = feishu.write({"title": "/digest 203", "content": called}, "post", mentions={"@_user_1": BOT})
    assert "wrong part 3" in feishu.shown(feishu.answers(asked))


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        *(("text", content) for content in ({"text": None}, {}, "a string", ["a list"], None, 7)),
        *(("post", content) for content in ({"title": None, "content": None}, {"content": [None, [{"text": None}]]})),
    ],
)
def test_a_message_that_is_oddly_made_is_an_empty_line(feishu, clock, kind, content, caplog):
    clock.now = datetime(2026, 2, 19, 1, tzinfo=UTC)
    feishu.follow()
    answers = feishu.answers(feishu.write(content, kind, feishu.server.p2p().name))
    assert "owner/repo" in feishu.shown(answers)  # nothing is followed in the direct chat
    assert not [record for record in caplog.records if record.exc_info]


def test_while_the_bot_cannot_learn_who_it_is_any_bot_that_is_named_may_be_it(feishu, monkeypatch):
    monkeypatch.setattr(feishu.chat, "_me", "")
    feishu.server.errors["GET /open-apis/bot/v3/info"] = 2200
    assert feishu.ask("help")
    feishu.server.errors.clear()


def test_a_fault_in_taking_something_stands_in_the_log(feishu, monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError

    monkeypatch.setattr(feishu.chat._inbound, "_on_action", fail)
    (told,) = feishu.ask("help")
    assert feishu.server.deliver(feishu.server.event("card.action.trigger"), callback=True).code == 500
    assert any(record.exc_info and record.name == "digest.feishu" for record in caplog.records)
    assert told


@pytest.mark.parametrize("kind", ["image", "sticker", "file", "merge_forward"])
def test_what_holds_no_words_is_left_alone(feishu, kind):
    feishu.follow()
    assert feishu.answers(feishu.write({"image_key": "img_1"}, kind, feishu.server.p2p().name)) == []


def test_a_mention_alone_gets_the_last_digest(feishu, clock):
    clock.now = datetime(2026, 2, 19, 1, tzinfo=UTC)
    feishu.follow()
    assert "29 commits" in feishu.shown(feishu.ask(""))


# --- Where it is asked -----------------------------------------------------------------------


def test_a_direct_message_is_answered_in_the_chat(feishu):
    chat = feishu.server.p2p().name
    asked = feishu.server.say(f"subscribe {feishu.path} lang zh", chat, mention=False)
    (told,) = feishu.answers(asked)
    assert "订阅" in feishu.server.shown(told)
    assert not told.get("root_id")
    assert [s.place for s in feishu.world.store.subscriptions()] == [Place("feishu", chat)]


def test_a_thread_of_a_direct_chat_stays_one(feishu):
    chat = feishu.server.p2p().name
    (told,) = feishu.ask("help", chat=chat, mention=False)
    asked = feishu.server.say("help", chat, mention=False, thread=told["message_id"])
    (again,) = feishu.answers(asked)
    assert again["thread_id"] == asked["thread_id"]


def test_what_is_asked_in_a_thread_is_answered_there(feishu):
    feishu.follow()
    headline = feishu.ask("2026-02-18")[0]
    asked = feishu.server.say("203", thread=headline["message_id"])
    (told,) = feishu.answers(asked)
    assert told["thread_id"] == headline["thread_id"] == asked["thread_id"]


def test_a_question_beneath_an_answer_is_about_what_that_told(feishu):
    (told,) = feishu.ask(f"203 {feishu.path}")
    asked = feishu.server.say("who wrote it?", thread=told["message_id"])
    assert "dev-one" in feishu.shown(feishu.answers(asked))
    asked = feishu.server.say("什么时候合并的？", thread=told["message_id"])
    assert "2026-02-18 02:03" in feishu.shown(feishu.answers(asked))


def test_a_topic_group_is_answered_in_its_topic(feishu):
    feishu.server.add_group("oc_topics", kind="topic")
    asked = feishu.server.say("help", "oc_topics")
    (told,) = feishu.answers(asked)
    assert told["thread_id"] == asked["thread_id"]


def test_a_group_that_forbids_topics_gets_plain_replies(feishu):
    feishu.server.add_group("oc_plain", topics=False)
    for _ in range(3):
        asked = feishu.server.say("help", "oc_plain")
        (told,) = feishu.answers(asked)
        assert (told["parent_id"], told.get("thread_id")) == (asked["message_id"], None)
    replies = [r for r in feishu.server.requests if r.endswith("/reply")]
    assert len(replies) == 4  # that there are no topics is found out once


# --- Who is heard ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["good morning", "digest 203", "203", "@_all hello", "日报 203", "see /digest help", "/digestive biscuits"]
)
def test_what_is_not_for_the_bot_is_left_alone(feishu, text):
    asked = feishu.write({"text": text}, mentions={"@_all": ""} if "@_all" in text else {})
    assert feishu.answers(asked) == []


@pytest.mark.parametrize("text", ["/digest 203", "／日报 203", "/日报203", "  /digest 203", "@_all /digest 203"])
def test_a_command_is_heard_without_a_mention(feishu, text):
    feishu.follow()
    (told,) = feishu.answers(feishu.write({"text": text}))
    assert "wrong part 3" in feishu.server.shown(told)


def test_a_mention_of_somebody_else_is_not_for_the_bot(feishu):
    assert feishu.answers(feishu.write({"text": "@_user_1 help"}, mentions={"@_user_1": "ou_2"})) == []


@pytest.mark.parametrize("chat", ["oc_1", "p2p"])
def test_what_bots_write_is_left_alone(feishu, chat):
    chat = feishu.server.p2p().name if chat == "p2p" else chat
    asked = feishu.write({"text": "@_user_1 /digest help"}, chat=chat, mentions={"@_user_1": BOT}, sender_type="app")
    assert feishu.answers(asked) == []


def test_a_message_that_comes_again_under_another_event_is_answered_once(feishu):
    asked = feishu.server.say("help")
    for _ in range(3):
        feishu.server.say("help", message_id=asked["message_id"])
    assert len(feishu.answers(asked)) == 1


def test_two_processes_that_are_told_of_one_message_answer_it_once(feishu):
    # Another chat of the same store, which takes what it is told without a connection of its own.
    other = FeishuChat(feishu.chat._api, Http("key", "", "127.0.0.1", 0), clock=feishu.time, sleep=feishu.time.sleep)
    second = inbound.Inbound(other, feishu.world.host(other))
    for n in range(10):
        asked = feishu.server.group("oc_1").post_by(USER, f"/digest help {n}")
        event = feishu.server.message_event(asked)
        taken = threading.Thread(target=second.take, args=(event,), daemon=True)
        taken.start()
        feishu.server.deliver(feishu.server.message_event(asked))
        taken.join(10)
        feishu.wait(lambda: second.inbox.idle)
        assert len(feishu.answers(asked)) == 1
    second.inbox.drain()


# --- Buttons ---------------------------------------------------------------------------------


def test_what_can_mean_two_commits_is_asked_back_with_buttons(feishu, tmp_path):
    build = Builder(tmp_path / "two")
    build.commit("a", datetime(2026, 2, 18, tzinfo=UTC), {"a.py": "a"}, message="fix: the other one (#203)")
    other = str(build.finish().path)
    feishu.world.repositories.rights = Rights((), (Right("feishu", "", "/*"),))
    for path in (feishu.path, other):
        feishu.follow(path)
    (asked_back,) = feishu.ask("203")
    assert "could mean several commits" in feishu.server.shown(asked_back)
    assert labels(asked_back) == ["team/app#203", "two#203"]
    feishu.server.press(asked_back, "two#203")
    (told,) = feishu.answers(asked_back)
    assert "the other one" in feishu.server.shown(told)
    assert told["thread_id"] == asked_back["thread_id"]


def test_unfollowing_asks_whether_it_is_meant(feishu):
    feishu.follow()
    (settings,) = feishu.ask("settings")
    confirm = next(p["confirm"] for p in feishu_checks.walk(settings["card"]) if "confirm" in p)
    assert "No more digests of" in confirm["text"]["content"]
    feishu.server.press(settings, "Unfollow")
    (told,) = feishu.answers(settings)
    assert "no longer follows team/app" in feishu.server.shown(told)
    assert feishu.followed() == ()


@pytest.mark.parametrize(
    "action",
    [
        {},
        {"value": {}},
        {"value": "status"},
        {"value": {"command": "x" * 3_000}},
        {"value": {"form": 1}},
        {"value": []},
    ],
)
def test_a_button_that_is_none_of_ours_changes_nothing(feishu, action):
    (card,) = feishu.ask("help")
    ack = feishu.server._act(card, USER, action)
    assert ack.code == 200
    feishu.answers(card)
    assert feishu.followed() == ()


# --- Forms -----------------------------------------------------------------------------------


@pytest.fixture
def form(feishu):
    """The form of a new subscription, opened by a command in a group in which no card can be one person's."""
    feishu.server.group("oc_1").kind = "topic"
    (card,) = feishu.ask("/digest subscribe")
    assert is_form(card)
    return card


def test_a_form_is_filled_in_the_card_says_that_it_is_done_and_the_group_is_told(feishu, form):
    values = {"repo": feishu.path, "at": "10:15", "on": ["mon", "sun"], "zone": "europe/berlin", "lang": "zh"}
    ack = feishu.server.submit(form, values | {"paths": "src/, docs/", "bots": "no", "quiet": "yes"})
    assert (ack.data["toast"]["content"], ack.seconds < EVENT_SECONDS.feishu) == ("Looking at the repository …", True)
    (told,) = feishu.answers(form)
    (kept,) = feishu.followed()
    assert (kept.schedule, kept.zone, kept.language) == ("15 10 * * mon,sun", "Europe/Berlin", "zh")
    assert (kept.filters.paths, kept.filters.bots, kept.quiet) == (("src/", "docs/"), False, True)
    assert "订阅" in feishu.server.shown(told)
    assert not is_form(form)
    assert "保存" in feishu.server.shown(form)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"zone": "Mars/Base"}, "Mars/Base"),
        ({"repo": "no repository"}, "“no repository”"),
        ({"repo": "private/thing"}, "DIGEST_ALLOW"),
        ({"paths": "a" * 1_000, "authors": "b" * 1_000}, "2,0"),
    ],
)
def test_what_is_plainly_wrong_is_told_at_once_and_nothing_that_was_typed_is_lost(feishu, form, wrong, told):
    before = json.dumps(form["card"])
    ack = feishu.server.submit(form, {"repo": feishu.path, "zone": "Europe/Berlin"} | wrong)
    assert (ack.data["toast"]["type"], set(ack.data), ack.seconds < EVENT_SECONDS.feishu) == ("error", {"toast"}, True)
    assert told in feishu.server.toasts[-1][1]
    assert feishu.answers(form) == []
    assert json.dumps(form["card"]) == before
    assert feishu.followed() == ()


def test_what_turns_out_wrong_later_is_told_in_the_form_with_everything_filled_in(feishu, form):
    feishu.server.submit(form, {"repo": feishu.path, "branch": "nowhere", "zone": "Europe/Berlin", "on": ["tue"]})
    assert feishu.answers(form) == []
    assert "Branch: " in feishu.server.shown(form)
    assert "no branch nowhere" in feishu.server.shown(form)
    feishu.server.submit(form, {"branch": ""})  # all else as the form shows it
    (told,) = feishu.answers(form)
    assert "now follows" in feishu.server.shown(told)
    (kept,) = feishu.followed()
    assert (kept.branch, kept.zone, kept.schedule) == ("", "Europe/Berlin", "0 9 * * tue")


def test_a_form_that_is_sent_twice_counts_once(feishu, form, monkeypatch):
    held, run = threading.Event(), feishu.world.interpreter.run
    monkeypatch.setattr(feishu.world.interpreter, "run", lambda request: held.wait(10) and run(request))
    acks = [feishu.server.submit(form, {"repo": feishu.path}) for _ in range(3)]
    assert all(ack.data["toast"]["type"] == "info" and ack.seconds < EVENT_SECONDS.feishu for ack in acks)
    held.set()
    assert len(feishu.answers(form)) == 1
    assert not is_form(form)


def test_a_form_that_was_wrong_can_be_sent_again(feishu, form):
    for _ in range(2):
        feishu.server.submit(form, {"repo": feishu.path, "branch": "nowhere"})
        feishu.idle()
    feishu.server.submit(form, {"branch": ""})
    assert len(feishu.answers(form)) == 1


def test_what_is_wrong_with_a_card_that_can_be_changed_no_more_is_told_beneath_it(feishu, form):
    feishu.time.now += 15 * 86_400
    feishu.server.submit(form, {"repo": feishu.path, "branch": "nowhere"})
    (told,) = feishu.answers(form)
    assert "no branch nowhere" in feishu.server.shown(told)
    feishu.server.submit(form, {"repo": feishu.path})
    (_, done) = feishu.answers(form)
    assert "now follows" in feishu.server.shown(done)
    assert is_form(form)


def test_a_form_that_was_recalled_counts_all_the_same(feishu, form):
    feishu.server.submit(form, {"repo": feishu.path})
    feishu.server.recall(form["message_id"])
    feishu.idle()
    assert len(feishu.followed()) == 1


def test_settings_are_changed_in_a_form(feishu):
    kept = feishu.follow()
    (settings,) = feishu.ask("settings")
    feishu.server.press(settings, "Change")
    (form,) = feishu.answers(settings)
    names = {part.get("name") for part in feishu_checks.walk(form["card"])}
    assert "zone" in names
    assert not {"repo", "branch"} & names
    feishu.server.submit(form, {"at": "10:15"})
    feishu.idle()
    (changed,) = feishu.followed()
    assert changed == replace(kept, schedule="15 10 * * mon-fri", scheduled=changed.scheduled)


def test_too_much_at_once_is_told_to_who_sends_a_form_and_it_can_be_sent_again(feishu, form, monkeypatch):
    monkeypatch.setattr(inbox, "_WAITING", -inbox._WORKERS)
    ack = feishu.server.submit(form, {"repo": feishu.path})
    assert "try again" in ack.data["toast"]["content"]
    monkeypatch.undo()
    feishu.server.submit(form, {"repo": feishu.path})
    assert len(feishu.answers(form)) == 1


# --- For one person --------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["list", "settings", "status", "yesterdya"])
def test_what_concerns_who_asked_is_shown_to_them_alone(feishu, line):
    feishu.follow()
    (told,) = feishu.ask(line)
    assert (told["open_id"], told.get("root_id")) == (USER, None)
    assert feishu.server.tops("oc_1") == feishu.server.group("oc_1").messages


def test_what_is_to_be_seen_by_everybody_is(feishu):
    feishu.follow()
    asked = feishu.server.say("list post")
    (told,) = feishu.answers(asked)
    assert told["root_id"] == asked["message_id"]


@pytest.mark.parametrize("where", ["topic", "p2p", "in a topic", "refused"])
def test_where_no_card_is_one_persons_the_answer_stands_where_it_was_asked(feishu, where):
    thread, chat = None, "oc_1"
    if where == "topic":
        feishu.server.group(chat).kind = "topic"
    elif where == "p2p":
        chat = feishu.server.p2p().name
    elif where == "in a topic":
        (told,) = feishu.ask("help")
        thread = told["message_id"]
    else:
        feishu.server.errors["/open-apis/ephemeral"] = 18053
    asked = feishu.server.say("yesterdya", chat, thread=thread, mention=chat == "oc_1")
    (told,) = feishu.answers(asked)
    assert "Did you mean" in feishu.server.shown(told)
    assert "open_id" not in told
    assert told.get("thread_id") == asked.get("thread_id")


def test_what_a_private_card_asks_for_is_answered_where_it_belongs(feishu):
    feishu.follow()
    asked = feishu.server.say("settings")
    (settings,) = feishu.answers(asked)
    feishu.server.press(settings, "Unfollow")
    (told,) = feishu.answers(settings)
    assert told["root_id"] == asked["message_id"]
    assert "no longer follows" in feishu.server.shown(told)


def test_a_private_form_is_shown_again_with_what_is_wrong_and_is_gone_once_it_is_done(feishu):
    asked = feishu.server.say("/digest subscribe")
    (form,) = feishu.answers(asked)
    assert (is_form(form), form["open_id"]) == (True, USER)
    feishu.server.submit(form, {"repo": feishu.path, "branch": "nowhere", "zone": "Europe/Berlin"})
    (again,) = feishu.answers(asked)
    assert (form["deleted"], again["open_id"]) == (True, USER)
    assert "no branch nowhere" in feishu.server.shown(again)
    feishu.server.submit(again, {"branch": ""})
    (told,) = feishu.answers(asked)
    assert again["deleted"]
    assert (told["root_id"], told.get("open_id")) == (asked["message_id"], None)
    assert [s.zone for s in feishu.followed()] == ["Europe/Berlin"]


def test_following_the_same_again_is_told_to_who_asked_alone(feishu):
    asked = feishu.server.say(f"subscribe {feishu.path}")
    (told,) = feishu.answers(asked)
    (again,) = feishu.ask(f"subscribe {feishu.path}")
    assert (told.get("open_id"), again.get("open_id")) == (None, USER)
    assert "already follows" in feishu.server.shown(again)


def test_a_digest_in_a_direct_chat_brings_no_files_unless_they_are_asked_for(feishu):
    chat = feishu.server.p2p().name
    feishu.world.store.subscribe(Subscription(Place("feishu", chat), feishu.path, "0 9 * * *", "UTC", "en"))
    assert "file" not in {m["msg_type"] for m in feishu.ask("2026-02-18", chat=chat, mention=False)}
    assert "file" in {m["msg_type"] for m in feishu.ask("report 2026-02-18", chat=chat, mention=False)}


# --- The slash command -----------------------------------------------------------------------


def test_the_slash_command_is_registered_once_and_keeps_what_others_registered(server, world):
    server.scopes |= {"application:app_slash_command:read", "application:app_slash_command:write"}
    server.slash_commands["cmd_a"] = {"command_id": "cmd_a", "command": "digest", "description": {"default_value": "x"}}
    server.slash_commands["cmd_b"] = {"command_id": "cmd_b", "command": "other", "description": {"default_value": "y"}}
    for _ in range(2):
        slash.register(Api(APP_ID, APP_SECRET, server.root, now=server._clock), "What changed")
    known = {each["command"]: each["description"]["default_value"] for each in server.slash_commands.values()}
    assert known == {"digest": "What changed", "日报": "What changed", "other": "y"}
    written = [request for request in server.requests if "slash" in request and not request.startswith("GET")]
    assert len(written) == 2


def test_an_application_that_may_register_no_slash_command_starts_all_the_same(feishu, caplog):
    assert feishu.ask("help")
    feishu.idle()
    said = (*caplog.get_records("setup"), *caplog.get_records("call"))
    assert "99991672" in "".join(record.getMessage() for record in said)


# --- Where the bot is ------------------------------------------------------------------------


def test_a_group_that_takes_the_bot_in_is_welcomed_with_a_button_that_works(feishu):
    feishu.server.add_bot("oc_new")
    feishu.idle()
    (hello,) = feishu.posted("oc_new")
    told = feishu.server.shown(hello)
    assert all(word in told for word in ("/digest subscribe", "/digest 6344", "/digest help"))
    ack = feishu.server.press(hello, "Follow a repository")
    assert ack.data["toast"]["type"] == "info"
    (form,) = feishu.answers(hello)
    assert form["open_id"] == USER
    feishu.server.submit(form, {"repo": feishu.path})
    (told,) = feishu.answers(form)
    assert "now follows" in feishu.server.shown(told)
    assert told["root_id"] == hello["message_id"]
    assert [s.place for s in feishu.world.store.subscriptions()] == [Place("feishu", "oc_new")]


@pytest.mark.parametrize(
    ("leave", "reason", "told"),
    [("remove_bot", "left", "no longer in this channel"), ("dissolve", "gone", "the channel no longer exists")],
)
def test_subscriptions_of_a_group_without_the_bot_rest_and_status_says_why(feishu, leave, reason, told):
    feishu.follow()
    getattr(feishu.server, leave)("oc_1")
    feishu.idle()
    assert [s.paused for s in feishu.followed()] == [reason]
    assert told in feishu.world.said("status")
    assert feishu.posted() == []


def test_subscriptions_that_rested_go_on_once_the_bot_is_back(feishu):
    kept = feishu.follow()
    feishu.server.remove_bot("oc_1")
    feishu.idle()
    feishu.server.add_bot("oc_1")
    feishu.idle()
    assert feishu.followed() == (kept,)
    assert len(feishu.posted()) == 1


def test_news_of_a_group_that_come_again_later_count_once(feishu):
    """Feishu pushes an event again for seven hours until it is taken, and sometimes after."""
    events, push = [], feishu.server.deliver
    feishu.server.deliver = lambda event, **more: (events.append(event), push(event, **more))[1]
    feishu.follow()
    feishu.server.remove_bot("oc_1")
    feishu.idle()
    feishu.server.add_bot("oc_1")
    feishu.idle()
    for event in events[:2]:
        push(event)
    feishu.idle()
    assert [s.paused for s in feishu.followed()] == [""]
    assert len(feishu.posted()) == 1


# --- When it takes long, or is too much ------------------------------------------------------


@pytest.mark.parametrize("feishu", [0.0], indirect=True)
def test_who_waits_is_told_that_the_bot_is_at_it_until_the_answer_comes(feishu, monkeypatch):
    held, answer = threading.Event(), feishu.world.interpreter.answer
    monkeypatch.setattr(feishu.world.interpreter, "answer", lambda request: held.wait(10) and answer(request))
    for kind in ("group", "topic"):  # where a card can be one person's, and where not
        held.clear()
        feishu.server.add_group(kind, kind=kind)
        asked = feishu.server.say("help", kind)
        (told,) = feishu.wait(lambda: feishu.posted(kind))  # noqa: B023
        assert "Working on it" in feishu.server.shown(told)
        assert ("open_id" in told) == (kind == "group")
        held.set()
        (answered,) = feishu.answers(asked)
        assert "/digest 6344" in feishu.server.shown(answered)
        assert told["deleted"]


def test_everybody_is_acknowledged_in_time_while_fifty_wait(feishu, monkeypatch):
    held, answer = threading.Event(), feishu.world.interpreter.answer
    (card,) = feishu.ask("settings")
    monkeypatch.setattr(feishu.world.interpreter, "answer", lambda request: held.wait(20) and answer(request))
    asked = [feishu.server.say("help") for _ in range(50)]
    assert feishu.server.press(card, "Follow a repository").data["toast"]["type"] == "info"
    assert feishu.posted() == [card]
    assert all((ack.code, ack.seconds < EVENT_SECONDS.feishu) == (200, True) for ack in feishu.acks)
    held.set()
    feishu.idle()
    replied = [m["root_id"] for m in feishu.posted() if m.get("root_id") in {a["message_id"] for a in asked}]
    assert sorted(replied) == sorted(m["message_id"] for m in asked)


def test_what_is_too_much_at_once_is_pushed_again_and_nothing_is_lost(feishu, monkeypatch):
    held, answer = threading.Event(), feishu.world.interpreter.answer
    (card,) = feishu.ask("settings")
    monkeypatch.setattr(inbox, "_WAITING", 4)
    monkeypatch.setattr(feishu.world.interpreter, "answer", lambda request: held.wait(20) and answer(request))
    asked = [feishu.server.say("help", wait=n < 12) for n in range(30)]
    feishu.wait(lambda: feishu.server.socket.unacked == 18)
    assert "try again" in feishu.server.press(card, "Follow a repository").data["toast"]["content"]
    held.set()
    feishu.wait(lambda: feishu.server.socket.unacked == 0)
    feishu.idle()
    assert sorted(m["root_id"] for m in feishu.posted()[1:]) == sorted(m["message_id"] for m in asked)


# --- When something is wrong -----------------------------------------------------------------


def test_a_fault_of_the_program_is_told_with_a_reference_and_no_detail(feishu, monkeypatch, caplog):
    monkeypatch.setattr(feishu.world.interpreter, "answer", lambda _: 1 / 0)
    (told,) = feishu.ask("help")
    assert "went wrong" in feishu.server.shown(told)
    assert "division" not in feishu.server.shown(told)
    assert any(record.exc_info for record in caplog.records)


def test_what_feishus_content_review_does_not_take_is_said(feishu):
    feishu.follow()
    feishu.server.queue(SENSITIVE, path="/reply")
    (told,) = feishu.ask("203")
    assert "content review" in feishu.server.shown(told)
    assert "wrong part 3" not in feishu.server.shown(told)


def test_a_question_that_was_recalled_is_answered_to_nobody(feishu, monkeypatch, caplog):
    held, answer = threading.Event(), feishu.world.interpreter.answer
    monkeypatch.setattr(feishu.world.interpreter, "answer", lambda request: held.wait(10) and answer(request))
    asked = feishu.server.say("help")
    feishu.server.recall(asked["message_id"])
    held.set()
    assert feishu.answers(asked) == []
    assert "feishu_thread" in caplog.text


def test_what_cannot_be_told_for_want_of_a_permission_stands_in_the_log(feishu, caplog):
    feishu.server.scopes.discard("im:message:send_as_bot")
    assert feishu.ask("help") == []
    assert "feishu_scope" in caplog.text


def test_a_secret_that_was_revoked_stands_in_the_log_by_its_setting_alone(feishu, caplog):
    feishu.server.revoke_tokens()
    feishu.server.errors["POST /open-apis/auth"] = 10014
    assert feishu.ask("help") == []
    assert "feishu_secret" in caplog.text


@pytest.mark.parametrize("code", [230018, 230035, 230002])
def test_a_group_that_takes_no_messages_is_left_alone(feishu, caplog, code):
    feishu.server.errors["/open-apis/im/v1/messages"] = code
    assert feishu.ask("help") == []
    assert "could not be posted" in caplog.text
