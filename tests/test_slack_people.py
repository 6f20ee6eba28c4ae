"""What people do in Slack: the real Bolt application on the real Socket Mode client, the whole bot behind it."""

import threading
import time as real_time
from dataclasses import replace

import pytest
import slack_server
from slack_server import BOT, TEAM, TOKEN, SlackServer
from test_slack import Time, words
from world import World, busy_day

from adapters.chats import inbox
from adapters.chats.slack import inbound
from adapters.chats.slack.chat import SlackChat
from adapters.chats.slack.transports import Socket
from adapters.chats.slack.workspaces import OneWorkspace
from bot.rights import Right, Rights
from bot.values import Place, Subscription

C1 = Place("slack", "T1/C1")


class Slack:
    """A bot that listens to a server, and what can be asked of it."""

    def __init__(self, server, chat, world, path):
        self.server = server
        self.chat = chat
        self.world = world
        self.path = path

    def send(self, kind, payload, **more):
        return self.server.socket.send(self.server.socket.envelope(kind, payload, **more))

    def type(self, text, **where):
        """A slash command, answered; all that the person was told."""
        before = self.told()
        ack = self.send("slash_commands", self.server.slash(text, **where))
        assert ack is not None
        assert ack.payload is None
        return self.wait(lambda: self.told()[len(before) :])

    def told(self):
        """What was said to one person, in order of its kinds: answers, then ephemeral messages."""
        return [body for _, _, body in self.server.responses] + self.server.ephemeral["C1"]

    def event(self, payload, **more):
        assert self.send("events_api", payload, **more) is not None

    def interact(self, payload):
        return self.send("interactive", payload)

    def wait(self, found, seconds=30.0):
        """What `found` returns once it is something."""
        until = real_time.monotonic() + seconds
        while not (seen := found()):
            assert real_time.monotonic() < until, f"nothing came: {self.server.requests[-8:]}"
            real_time.sleep(0.01)
        return seen

    def idle(self):
        """Wait until nothing is worked on any more."""
        self.wait(lambda: self.chat._inbound.inbox.idle)

    def follow(self, **fields):
        made = Subscription(C1, self.path, "0 9 * * mon-fri", "UTC", "en", **fields)
        return self.world.store.subscribe(made)

    def buttons(self, blocks):
        return [e for block in blocks if block["type"] == "actions" for e in block["elements"]]


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    return busy_day(tmp_path_factory.mktemp("slack") / "repo")


@pytest.fixture
def slack(tmp_path, clock, repository, request, monkeypatch):
    monkeypatch.setattr(inbox, "_SLOW", getattr(request, "param", 30))
    time = Time()
    world = World(tmp_path, clock, allow=[str(repository.path)])
    with SlackServer(time, private=("G1",)) as server:
        transport = Socket(slack_server.APP_TOKEN, server.url)
        chat = SlackChat(OneWorkspace(TOKEN, server.url), transport, clock=time, sleep=time.sleep, now=time)
        listening = threading.Thread(target=chat.listen, args=(world.host(chat),), daemon=True)
        listening.start()
        server.socket.wait_connected()
        yield Slack(server, chat, world, str(repository.path))
        chat.close()
        listening.join(10)
        assert not listening.is_alive()
        assert (server.unknown, server.violations, server.impatient) == ([], [], [])
        assert server.working() == []
    world.close()


def text_of(body):
    return words(body["blocks"])


# --- Commands --------------------------------------------------------------------------------


def test_a_command_is_answered_to_the_person_alone(slack):
    (told,) = slack.type("help")
    assert "/digest 6344" in text_of(told)
    assert "post" in text_of(told)
    assert told["response_type"] == "ephemeral"
    assert slack.server.messages["C1"] == []


def test_post_answers_in_the_channel(slack):
    slack.follow()
    slack.send("slash_commands", slack.server.slash("2026-02-18 post"))
    headline = slack.wait(lambda: slack.server.thread("C1", None))[0]
    assert "29 commits" in words(headline["blocks"])
    slack.idle()
    replies = slack.server.thread("C1", headline["ts"])
    assert len(replies) >= 5
    assert slack.told() == []
    assert {f["thread_ts"] for f in slack.server.files} == {headline["ts"]}


def test_a_digest_for_one_person_is_whole_and_brings_no_files(slack):
    slack.follow()
    slack.type("2026-02-18")
    slack.idle()
    everything = "".join(map(text_of, slack.told()))
    assert "29 commits" in everything
    assert all(f"wrong part {n}" in everything for n in range(12))
    assert slack.server.messages["C1"] == []
    assert slack.server.files == []
    assert "direct messages" not in everything


def test_a_digest_in_direct_messages_brings_no_files_unless_they_are_asked_for(slack):
    slack.event(slack.server.direct(f"subscribe {slack.path}"))
    slack.wait(lambda: slack.server.messages.get("DU1"))
    slack.event(slack.server.direct("2026-02-18"))
    slack.wait(lambda: len(slack.server.messages["DU1"]) > 2)
    slack.idle()
    assert slack.server.files == []
    slack.event(slack.server.direct("report 2026-02-18"))
    slack.wait(lambda: slack.server.files)


def test_a_report_for_one_person_is_one_direct_message_with_its_words(slack):
    slack.follow()
    slack.type("report 2026-02-18")
    slack.idle()
    assert {f["channel"] for f in slack.server.files} == {"DU1"}
    (shared,) = slack.server.channels["DU1"].messages
    assert len(shared["files"]) == 2
    assert "Full report: repo · 2026-02-18" in shared["text"]
    assert "direct message" in text_of(slack.told()[-1])


def test_one_commit_is_expanded(slack):
    slack.follow()
    (told,) = slack.type("#203")
    assert "wrong part 3" in text_of(told)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("yesterdya", "Did you mean /digest yesterday?"),
        ("qwertyuiop", "/digest help"),
        ("x" * 40_000, "40,000 characters"),
        ("'\"; -- 🦊 <!channel> <@U1>", "/digest help"),
        ("unsubscribe other/repo", "not followed here"),
        ("subscribe private/thing", "DIGEST_ALLOW"),
        ("subscribe other/repo at 9", "DIGEST_ALLOW"),
        ("explain nothing here", "no link"),
    ],
)
def test_what_cannot_be_done_is_told_kindly_and_changes_nothing(slack, line, expected):
    (told,) = slack.type(line)
    assert expected in text_of(told)
    assert slack.world.store.subscriptions() == ()


def test_what_somebody_typed_as_a_mention_is_shown_as_text(slack):
    (told,) = slack.type("<!channel> <https://evil.example|docs>")
    assert "<!" not in told["text"]
    assert "&lt;!channel&gt;" in told["text"]


def test_following_is_told_to_the_whole_channel(slack):
    slack.send("slash_commands", slack.server.slash(f"subscribe {slack.path} at 08:30 zone Europe/Berlin"))
    (posted,) = slack.wait(lambda: slack.server.messages["C1"])
    assert "now follows" in words(posted["blocks"])
    (kept,) = slack.world.store.subscriptions(C1)
    assert (kept.schedule, kept.zone) == ("30 8 * * mon-fri", "Europe/Berlin")
    assert slack.told() == []


@pytest.mark.parametrize(("closed", "expected"), [("leave", "/invite"), ("archive", "archived")])
def test_a_channel_that_the_bot_cannot_post_in_follows_nothing_and_is_told_why(slack, closed, expected):
    getattr(slack.server, closed)("C1")
    (told,) = slack.type(f"subscribe {slack.path}")
    slack.idle()
    assert expected in text_of(told)
    assert told["response_type"] == "ephemeral"
    assert slack.world.store.subscriptions() == ()


def test_a_channel_that_lets_only_some_post_follows_nothing(slack):
    """Slack tells of that once something is posted."""
    slack.server.errors["chat.postMessage"] = "restricted_action"
    (told,) = slack.type(f"subscribe {slack.path}")
    slack.idle()
    assert "posting is restricted" in text_of(told)
    assert slack.world.store.subscriptions() == ()
    slack.send("slash_commands", slack.server.slash("subscribe"))
    (name,) = slack.wait(lambda: list(slack.server.views))
    slack.interact(slack.server.submit(name, filled(**(NEW | {"repo": slack.path}))))
    slack.wait(lambda: "posting is restricted" in words(slack.server.views[name]["blocks"]))
    assert slack.world.store.subscriptions() == ()


def test_following_the_same_again_is_told_to_the_person_alone(slack):
    slack.send("slash_commands", slack.server.slash(f"subscribe {slack.path} at 08:30"))
    slack.wait(lambda: slack.server.messages["C1"])
    slack.idle()
    (told,) = slack.type(f"subscribe {slack.path} at 8:30")
    assert "already follows" in text_of(told)
    assert len(slack.server.messages["C1"]) == 1


def test_a_long_answer_where_the_bot_is_not_says_that_a_part_is_missing(slack):
    slack.follow()
    slack.server.leave("C1")
    slack.type("2026-02-18")
    slack.idle()
    assert len(slack.server.responses) == 5
    assert "did not fit here" in text_of(slack.told()[-1])


def test_a_repeated_envelope_is_acknowledged_and_done_once(slack):
    envelope = slack.server.socket.envelope("slash_commands", slack.server.slash(f"subscribe {slack.path}"))
    for _ in range(3):
        assert slack.server.socket.send(envelope) is not None
    slack.wait(lambda: slack.server.messages["C1"])
    slack.idle()
    assert len(slack.server.messages["C1"]) == 1


def test_a_fault_of_the_program_is_told_with_a_reference_and_no_detail(slack, monkeypatch, caplog):
    monkeypatch.setattr(slack.world.interpreter, "answer", lambda _: 1 / 0)
    (told,) = slack.type("help")
    assert "went wrong" in text_of(told)
    assert "division" not in text_of(told)
    assert any(record.exc_info for record in caplog.records)


@pytest.mark.parametrize("slack", [0.0], indirect=True)
def test_who_waits_is_told_that_the_bot_is_at_it(slack, monkeypatch):
    held = hold(slack, monkeypatch)
    (told,) = slack.type("help")
    assert "Working on it" in text_of(told)
    held.set()
    slack.idle()
    assert "/digest 6344" in text_of(slack.told()[-1])


@pytest.mark.parametrize("slack", [0.0], indirect=True)
@pytest.mark.parametrize("line", ["help", "yesterdya"])
def test_who_waits_in_a_thread_sees_a_status_until_the_answer_comes(slack, monkeypatch, line):
    held = hold(slack, monkeypatch)
    slack.event(slack.server.mention(line))
    slack.wait(slack.server.working)
    assert slack.server.status_set == ["is working on it …"]
    held.set()
    slack.idle()
    assert slack.server.working() == []
    assert slack.server.requests.index("assistant.threads.setStatus") < slack.server.requests.index(
        "chat.postMessage" if line == "help" else "chat.postEphemeral"
    )
    assert slack.server.requests[-1] != "assistant.threads.setStatus"


@pytest.mark.parametrize("slack", [0.0], indirect=True)
@pytest.mark.parametrize("where", ["thread", "direct"])
def test_where_there_is_no_status_a_message_is_deleted_before_the_answer_comes(slack, monkeypatch, where):
    slack.server.errors["assistant.threads.setStatus"] = "missing_scope"
    held = hold(slack, monkeypatch)
    asked = slack.server.mention("help") if where == "thread" else slack.server.direct("help")
    channel = asked["event"]["channel"]
    slack.event(asked)
    slack.wait(lambda: any("Working on it" in m["text"] for m in slack.server.messages[channel]))
    held.set()
    slack.wait(lambda: slack.server.deleted)
    slack.idle()
    (answer,) = [m for m in slack.server.messages[channel] if m.get("bot_id")]
    assert "/digest 6344" in words(answer["blocks"])
    assert slack.server.requests[-1] == "chat.postMessage"


def hold(slack, monkeypatch):
    """Let nothing be answered until this is set."""
    held, answer = threading.Event(), slack.world.interpreter.answer
    monkeypatch.setattr(slack.world.interpreter, "answer", lambda request: held.wait(10) and answer(request))
    return held


def test_too_much_at_once_is_said_in_the_acknowledgement(slack, monkeypatch):
    held = threading.Event()
    monkeypatch.setattr(slack.world.interpreter, "answer", lambda _: held.wait(20) and ())
    for _ in range(inbox._WORKERS + inbox._WAITING):
        slack.server.socket.send_nowait(slack.server.socket.envelope("slash_commands", slack.server.slash("help")))
    slack.wait(lambda: len(slack.server.socket.acks) == inbox._WORKERS + inbox._WAITING, 20)
    ack = slack.send("slash_commands", slack.server.slash("help"))
    button = {
        "type": "button",
        "action_id": "digest:list:1",
        "value": "settings",
        "text": {"type": "plain_text", "text": "x"},
    }
    assert slack.interact(slack.server.click("C1", {}, button, ephemeral=True)).payload is None
    (told,) = slack.wait(slack.told)
    held.set()
    assert "try again" in ack.payload["text"]
    assert "try again" in text_of(told)


# --- Mentions and direct messages ------------------------------------------------------------


def test_a_mention_is_answered_in_its_thread(slack):
    slack.follow()
    event = slack.server.mention("#203")
    slack.event(event)
    (reply,) = slack.wait(lambda: slack.server.thread("C1", event["event"]["ts"]))
    assert "wrong part 3" in words(reply["blocks"])


def test_a_mention_within_a_thread_stays_there(slack):
    top = slack.server.mention("hello")["event"]["ts"]
    slack.event(slack.server.mention("help", thread_ts=top))
    slack.wait(lambda: [m for m in slack.server.thread("C1", top) if m.get("blocks")])


def test_a_question_in_a_thread_is_about_what_was_answered_there(slack):
    slack.follow()
    top = slack.server.mention("#203")
    slack.event(top)
    slack.wait(lambda: slack.server.thread("C1", top["event"]["ts"]))
    slack.event(slack.server.mention("who wrote it?", thread_ts=top["event"]["ts"]))
    (_, told) = slack.wait(
        lambda: (
            [m for m in slack.server.thread("C1", top["event"]["ts"]) if m.get("blocks")][1:]
            and [m for m in slack.server.thread("C1", top["event"]["ts"]) if m.get("blocks")]
        )
    )
    assert "was written by dev-one" in words(told["blocks"])


def test_what_a_mention_gets_wrong_only_the_person_is_told(slack):
    slack.event(slack.server.mention("yesterdya"))
    (told,) = slack.wait(slack.told)
    assert "Did you mean" in text_of(told)
    assert told["user"] == "U1"
    assert [m for m in slack.server.messages["C1"] if m.get("blocks")] == []


def test_a_retried_event_is_answered_once(slack):
    event = slack.server.mention("help")
    for attempt in range(3):
        slack.event(event, retry=attempt)
    slack.wait(lambda: slack.server.thread("C1", event["event"]["ts"]))
    slack.idle()
    assert len(slack.server.thread("C1", event["event"]["ts"])) == 1


def test_a_direct_message_is_answered_there(slack):
    slack.event(slack.server.direct(f"subscribe {slack.path} lang zh"))
    (posted,) = slack.wait(lambda: slack.server.messages.get("DU1"))
    assert "订阅" in words(posted["blocks"])
    (kept,) = slack.world.store.subscriptions()
    assert kept.place == Place("slack", "T1/DU1")


def test_what_bots_write_and_what_is_changed_is_left_alone(slack):
    for extra in ({"bot_id": "B9"}, {"subtype": "message_changed"}):
        event = slack.server.direct("help")
        event["event"] |= extra
        slack.event(event)
    slack.type("help")  # which comes after them
    slack.idle()
    assert slack.server.messages["DU1"] == []


def test_a_mention_by_another_bot_is_left_alone(slack):
    event = slack.server.mention("help")
    event["event"]["bot_id"] = "B9"
    slack.event(event)
    assert len(slack.type("help")) == 1  # which comes after it
    slack.idle()
    assert slack.server.thread("C1", event["event"]["ts"]) == []


# --- Buttons and forms -----------------------------------------------------------------------


def test_the_report_button_sends_the_files_to_who_pressed_it(slack):
    slack.follow()
    slack.send("slash_commands", slack.server.slash("2026-02-18 post"))
    headline = slack.wait(lambda: slack.server.thread("C1", None))[0]
    slack.idle()
    everything = [b for m in slack.server.messages["C1"] for b in slack.buttons(m["blocks"])]
    report = next(b for b in everything if b["value"].startswith("report"))
    slack.server.files.clear()
    # The title of a repository without an address is not named in the button: the channel follows one only.
    slack.interact(slack.server.click("C1", headline, report))
    slack.wait(lambda: slack.server.files)
    slack.idle()
    assert {f["channel"] for f in slack.server.files} == {"DU1"}


def test_the_settings_are_changed_in_a_form(slack):
    kept = slack.follow()
    (told,) = slack.type("settings")
    change, unfollow, follow = slack.buttons(told["blocks"])
    assert unfollow["confirm"]["text"]["text"]
    assert follow["value"] == "subscribe"
    slack.interact(slack.server.click("C1", {}, change, ephemeral=True))
    (name,) = slack.wait(lambda: list(slack.server.views))
    blocks = {b["block_id"]: b for b in slack.server.views[name]["blocks"]}
    assert "repo" not in blocks
    assert blocks["at"]["element"]["initial_time"] == "09:00"
    values = filled(at="10:15", on="mon,sun", zone="Europe/Berlin", lang="zh", paths="src", quiet="yes")
    ack = slack.interact(slack.server.submit(name, values))
    assert ack.payload["response_action"] == "update"
    slack.wait(lambda: slack.server.messages["C1"])
    slack.idle()
    (changed,) = slack.world.store.subscriptions(C1)
    assert changed == replace(
        kept,
        schedule="15 10 * * mon,sun",
        zone="Europe/Berlin",
        language="zh",
        quiet=True,
        filters=changed.filters,
        scheduled=changed.scheduled,
    )
    assert changed.scheduled > kept.scheduled
    assert changed.filters.paths == ("src",)
    assert "保存" in words(slack.server.views[name]["blocks"])


def test_the_form_of_a_schedule_that_it_cannot_show_opens_and_leaves_it(slack):
    slack.world.store.subscribe(Subscription(C1, slack.path, "0 */2 1 * *", "UTC", "en"))
    slack.send("slash_commands", slack.server.slash(f"settings {slack.path}"))
    (name,) = slack.wait(lambda: list(slack.server.views))
    blocks = {b["block_id"]: b for b in slack.server.views[name]["blocks"]}
    assert "initial_time" not in blocks["at"]["element"]
    assert "initial_options" not in blocks["on"]["element"]
    empty = {"at": {"type": "timepicker", "selected_time": None}, "on": {"type": "checkboxes", "selected_options": []}}
    assert slack.interact(slack.server.submit(name, filled(zone="UTC", lang="zh", paths="") | empty))
    slack.wait(lambda: slack.server.messages["C1"])
    slack.idle()
    (changed,) = slack.world.store.subscriptions(C1)
    assert (changed.schedule, changed.language) == ("0 */2 1 * *", "zh")


def filled(**values):
    kinds = {"at": "timepicker", "on": "checkboxes", "lang": "static_select", "bots": "static_select"}
    kinds |= {"quiet": "static_select", "channel": "conversations_select"}
    made = {}
    for name, value in ({"bots": "yes", "quiet": "no", "authors": ""} | values).items():
        kind = kinds.get(name, "plain_text_input")
        made[name] = {"type": kind} | {
            "timepicker": {"selected_time": value},
            "checkboxes": {"selected_options": [{"value": part} for part in value.split(",")]},
            "static_select": {"selected_option": {"value": value}},
            "conversations_select": {"selected_conversation": value},
            "plain_text_input": {"value": value or None},
        }[kind]
    return made


@pytest.fixture
def opened(slack):
    """The form of a new subscription, opened by a command."""
    slack.send("slash_commands", slack.server.slash("subscribe"))
    (name,) = slack.wait(lambda: list(slack.server.views))
    slack.idle()
    return name


NEW = {"repo": "", "at": "09:00", "on": "mon,tue,wed,thu,fri", "zone": "UTC", "lang": "en", "branch": "", "paths": ""}


def test_a_new_form_knows_the_persons_time_zone(slack, opened):
    blocks = {b["block_id"]: b for b in slack.server.views[opened]["blocks"]}
    assert blocks["zone"]["element"]["initial_value"] == "Asia/Shanghai"
    assert [o["value"] for o in blocks["on"]["element"]["initial_options"]] == ["mon", "tue", "wed", "thu", "fri"]


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"zone": "Mars/Base"}, "zone"),
        ({"repo": "no repository"}, "repo"),
        ({"repo": "private/thing"}, "repo"),
        ({"paths": "a" * 2_500}, "repo"),
    ],
)
def test_what_is_plainly_wrong_is_told_beneath_its_input(slack, opened, wrong, where):
    ack = slack.interact(slack.server.submit(opened, filled(**(NEW | {"repo": slack.path} | wrong))))
    assert ack.payload["response_action"] == "errors"
    assert list(ack.payload["errors"]) == [where]
    assert slack.world.store.subscriptions() == ()


def test_what_turns_out_wrong_later_is_told_in_the_form_with_everything_filled_in(slack, opened):
    values = NEW | {"repo": slack.path, "branch": "nowhere", "zone": "Europe/Berlin"}
    ack = slack.interact(slack.server.submit(opened, filled(**values)))
    assert ack.payload["response_action"] == "update"
    slack.wait(lambda: "no branch nowhere" in words(slack.server.views[opened]["blocks"]))
    blocks = {b.get("block_id"): b for b in slack.server.views[opened]["blocks"]}
    assert blocks["branch"]["element"]["initial_value"] == "nowhere"
    assert blocks["zone"]["element"]["initial_value"] == "Europe/Berlin"
    slack.idle()
    slack.interact(slack.server.submit(opened, filled(**(values | {"branch": ""}))))
    slack.wait(lambda: slack.server.messages["C1"])
    assert [s.branch for s in slack.world.store.subscriptions()] == [""]


def test_a_form_that_is_sent_twice_counts_once(slack, opened):
    sent = slack.server.submit(opened, filled(**(NEW | {"repo": slack.path})))
    slack.interact(sent)
    slack.interact(sent)
    slack.wait(lambda: slack.server.messages["C1"])
    slack.idle()
    assert len(slack.server.messages["C1"]) == 1


def test_a_form_that_comes_too_late_is_told(slack):
    command = slack.server.slash("subscribe")
    slack.server._clock.now += 10
    slack.send("slash_commands", command)
    (told,) = slack.wait(slack.told)
    assert "in time" in text_of(told)
    assert slack.server.views == {}


def test_a_number_that_means_two_things_is_asked_back_and_the_button_answers(slack, tmp_path, repository):
    slack.follow()
    other = busy_day(tmp_path / "other")
    slack.world.repositories.rights = Rights((), (Right("T1", "", "/*"),))
    slack.world.store.subscribe(Subscription(C1, str(other.path), "0 9 * * *", "UTC", "en"))
    event = slack.server.mention("#203")
    slack.event(event)
    (asked,) = slack.wait(lambda: slack.server.thread("C1", event["event"]["ts"]))
    first, _ = slack.buttons(asked["blocks"])
    slack.interact(slack.server.click("C1", asked, first))
    slack.wait(lambda: len(slack.server.thread("C1", event["event"]["ts"])) == 2)
    assert slack.told() == []
    (private,) = slack.type("#203")
    slack.interact(slack.server.click("C1", {}, slack.buttons(private["blocks"])[0], ephemeral=True))
    slack.wait(lambda: len(slack.told()) == 2)
    assert "wrong part 3" in text_of(slack.told()[-1])


def test_the_shortcut_explains_what_a_message_links_to(slack, monkeypatch):
    seen = []
    monkeypatch.setattr(slack.world.interpreter, "answer", lambda context: seen.append(context.request) or ())
    link = "https://github.com/team/app/commit/9a93eb7"
    message = {"ts": "5.000001", "text": f"see <{link}|this> &amp; <https://github.com/team/app/pull/7>"}
    slack.interact(slack.server.shortcut("C1", message, inbound.EXPLAIN))
    (request,) = slack.wait(lambda: seen)
    assert request.text == f"explain {link} https://github.com/team/app/pull/7"
    assert request.place == Place("slack", "T1/C1", "5.000001", "U1")


def test_the_shortcut_on_a_message_without_a_link_says_so(slack):
    slack.server.mention("hi")
    message = slack.server.messages["C1"][0]
    slack.interact(slack.server.shortcut("C1", {k: v for k, v in message.items() if k != "_at"}, inbound.EXPLAIN))
    (told,) = slack.wait(slack.told)
    assert "no link" in text_of(told)


# --- Home ------------------------------------------------------------------------------------


def test_home_shows_what_the_persons_channels_follow_and_no_other(slack):
    slack.follow()
    secret = slack.world.store.subscribe(Subscription(Place("slack", "T1/G1"), slack.path, "0 7 * * *", "UTC", "en"))
    slack.server.channels["G1"].members.discard("U1")
    slack.event(slack.server.event("app_home_opened", user="U1", tab="home"))
    home = slack.wait(lambda: slack.server.homes.get("U1"))
    assert "#name-c1" in words(home["blocks"])
    assert "name-g1" not in words(home["blocks"])
    assert "Next digest" in words(home["blocks"])
    # A forged button of a channel that is not theirs, or of another workspace, changes nothing.
    unfollow = next(b for b in slack.buttons(home["blocks"]) if b["value"].startswith("unsubscribe"))
    for forged in ("home:T1/G1:2", "home:T9/C1:2"):
        slack.interact(slack.server.home_click(forged, unfollow))
    slack.wait(lambda: len(slack.server.messages.get("DU1", ())) == 2)
    assert "not in that channel" in words(slack.server.messages["DU1"][0]["blocks"])
    assert len(slack.world.store.subscriptions()) == 2
    slack.interact(slack.server.home_click("home:T1/C1:2", unfollow))
    slack.wait(lambda: "None of your channels" in words(slack.server.homes["U1"]["blocks"]))
    assert slack.world.store.subscriptions() == (secret,)


@pytest.mark.parametrize(("channel", "kept"), [("C1", 1), ("G1", 0)])
def test_home_follows_in_a_channel_that_is_chosen_among_ones_own(slack, channel, kept):
    slack.server.channels["G1"].members.discard("U1")
    slack.event(slack.server.event("app_home_opened", user="U1", tab="home"))
    home = slack.wait(lambda: slack.server.homes.get("U1"))
    (follow,) = slack.buttons(home["blocks"])
    slack.interact(slack.server.home_click("home:", follow))
    (name,) = slack.wait(lambda: list(slack.server.views))
    slack.interact(slack.server.submit(name, filled(**(NEW | {"repo": slack.path, "channel": channel}))))
    told = "Saved" if kept else "not in that channel"
    slack.wait(lambda: told in words(slack.server.views[name]["blocks"]))
    assert len(slack.world.store.subscriptions()) == kept


def test_a_home_of_very_many_channels_says_how_many_it_leaves_out(slack):
    for number in range(40):
        slack.server.add_channel(f"C9{number}", members=("U1",))
        slack.world.store.subscribe(
            Subscription(Place("slack", f"T1/C9{number}"), slack.path, "0 9 * * *", "UTC", "en")
        )
    slack.event(slack.server.event("app_home_opened", user="U1", tab="home"))
    home = slack.wait(lambda: slack.server.homes.get("U1"))
    assert "More channels" in words(home["blocks"])


# --- Where the bot is ------------------------------------------------------------------------


def test_a_channel_that_the_bot_is_taken_out_of_rests_until_it_is_back(slack):
    slack.follow()
    slack.event(slack.server.event("channel_left", channel="C1"))
    slack.wait(lambda: slack.world.store.subscriptions()[0].paused == "left")
    (told,) = slack.type("settings")
    assert "invite it again" in text_of(told)
    slack.event(slack.server.event("member_joined_channel", channel="C1", user=BOT))
    slack.wait(lambda: slack.world.store.subscriptions()[0].paused == "")
    (hello,) = slack.wait(lambda: slack.server.messages["C1"])
    assert "/digest subscribe" in words(hello["blocks"])
    slack.event(slack.server.event("member_joined_channel", channel="C1", user="U2"))
    slack.event(slack.server.event("channel_archive", channel="C1", user="U2"))
    slack.wait(lambda: slack.world.store.subscriptions()[0].paused == "archived")
    slack.event(slack.server.event("channel_unarchive", channel="C1", user="U2"))
    slack.wait(lambda: slack.world.store.subscriptions()[0].paused == "")


def test_a_workspace_that_takes_the_app_out_is_forgotten(slack):
    slack.follow()
    other = slack.world.store.subscribe(Subscription(Place("slack", "T2/C1"), slack.path, "0 7 * * *", "UTC", "en"))
    slack.event(slack.server.event("tokens_revoked", tokens={"oauth": ["U1"]}))
    slack.event(slack.server.event("app_uninstalled", team=TEAM))
    slack.wait(lambda: slack.world.store.subscriptions() == (other,))


def test_a_revoked_token_is_told_to_the_person_and_written_down(slack, caplog):
    slack.follow()
    slack.server.revoke(TOKEN)
    (told,) = slack.type("2026-02-18 post")
    assert "SLACK_BOT_TOKEN" in text_of(told)
    assert TOKEN not in text_of(told) + caplog.text


def test_a_missing_scope_is_told_with_its_name(slack):
    slack.follow()
    slack.server.scopes[TOKEN].discard("chat:write")
    (told,) = slack.type("help post")
    assert "chat:write" in text_of(told)


# --- The connection --------------------------------------------------------------------------


def test_a_connection_that_is_cut_or_renewed_comes_back_and_loses_nothing(slack):
    for end in (slack.server.socket.cut, slack.server.socket.refresh):
        end()
        slack.server.socket.wait_connected(30)
        told = slack.type("help")
        assert len(told) == 1
