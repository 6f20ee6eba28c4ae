"""What every chat must do. A subclass supplies the fixture `room`, which has:

chat            the chat, and `place`, a channel of it
all()           every text that is shown in the channel and its threads, in the order in which it came
beneath(thread) the text that is shown in a thread
files(thread)   the names of the files in a thread, or at the top of the channel
ask(line)       what a `Listener` is told of when somebody types a line in the channel: a `Request`

`RemoteChatContract` is for those that messages can get lost on the way to; its `room` also has:

nowhere         a channel that is not there
other()         the chat as another process has it
remove(thread)  take away the message above a thread
time            its clock, as `Time` of the tests' servers
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.errors import LeaseLost, NotFound, ThreadGone
from bot.ports import Idempotency
from bot.values import Attachment, Button, Buttons, Fields, Message, Place, Request, Span, Table, Text

WHOLE = Message(
    "whole",
    (Span("A title"),),
    (
        Text(((Span("plain, "), Span("strong", strong=True), Span(", "), Span("a/path.py", code=True)),), "A heading"),
        Text(((Span("first point"),), (Span("second point", "https://example.com/second"),)), bullets=True),
        Fields((("A label", (Span("its value"),)),)),
        Table(("Time", "Message"), (((Span("09:00"),), (Span("a row", "https://example.com/row"),)),)),
        Buttons((Button("Open it", url="https://example.com/open"),)),
    ),
)
SAID = (
    "A title", "A heading", "plain, ", "strong", "a/path.py", "first point", "second point",
    "A label", "its value", "Time", "09:00", "a row", "Open it",
)  # fmt: skip
PINGS = (
    "<!channel> <@U1> <!subteam^S1|team>",
    "<at id=all></at> <person id='ou_1'></person>",
    "[free](https://evil.example) ![x](img_v2_1)",
    "*bold* _it_ ~no~ `code` **two** __two__",
    ":DONE: :bomb: $urlVal",
    "# heading",
    "- list | cell | cell",
    "&lt;b&gt; &#42; &amp;",
    "[red]x[/red]",
)
HEADLINE = Message("headline", (Span("Headline"),), (Text(((Span("of a day"),),)),))
REPLY = Message("reply", (Span("A reply"),), (Text(((Span("beneath it"),),)),))


class Recorder:
    """A `Listener` that notes what is asked, and answers nothing."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def request(self, request: Request, show: object = None, before: object = None) -> None:
        self.requests.append(request)

    def text(self, place: Place | None, key: str, **fields: object) -> str:
        return key


class ChatContract:
    """What a chat does with messages, and what it tells of people."""

    def test_a_message_is_shown_whole(self, room: Any) -> None:
        room.chat.post(room.place, WHOLE)
        shown = room.all()
        assert [text for text in SAID if text not in shown] == []

    def test_a_reply_stands_beneath_what_it_answers(self, room: Any) -> None:
        first = room.chat.post(room.place, HEADLINE)
        second = room.chat.post(room.place, replace(HEADLINE, title=(Span("Another"),)))
        again = room.chat.post(first, REPLY)
        assert "beneath it" in room.beneath(first)
        assert "beneath it" not in room.beneath(second)
        assert again == first  # a reply to a reply stands in the same thread

    def test_a_message_that_is_long_is_shown_whole_and_in_order(self, room: Any) -> None:
        lines = tuple((Span(f"line {n:04} {'word ' * 20}"),) for n in range(400))
        room.chat.post(room.place, Message("long", (Span("Long"),), (Text(lines, bullets=True),)))
        shown = room.all()
        found = [shown.find(f"line {n:04} ") for n in range(400)]
        assert -1 not in found
        assert found == sorted(found)

    @pytest.mark.parametrize("text", PINGS)
    def test_text_from_outside_is_only_shown(self, room: Any, text: str) -> None:
        cell = (Span(text),)
        parts = (Text((cell,), heading=text), Fields(((text, cell),)), Table((text,), ((cell,),)))
        room.chat.post(room.place, Message("hostile", (Span(text),), parts))
        assert room.all().count(Span(text).text.strip()) >= 6

    def test_files_stand_beneath_their_message(self, room: Any) -> None:
        files = (Attachment("报告.md", "# 报告"), Attachment("report.html", "<p>"))
        thread = room.chat.post(room.place, HEADLINE)
        room.chat.post(thread, Message("report", (Span("Report"),), files))
        assert sorted(room.files(thread)) == ["report.html", "报告.md"]

    def test_a_line_is_told_with_where_to_answer_it(self, room: Any) -> None:
        request = room.ask("#6344")
        assert "#6344" in request.text
        assert request.user
        room.chat.post(request.place, REPLY)
        assert "beneath it" in room.all()


class RemoteChatContract(ChatContract):
    """What a chat does besides that is somewhere else."""

    def once(self, room: Any, **changes: Any) -> Idempotency:
        return replace(
            Idempotency("d1/headline", datetime.fromtimestamp(room.time(), UTC), False, lambda: None), **changes
        )

    def test_a_channel_that_is_not_there_is_not_found(self, room: Any) -> None:
        with pytest.raises(NotFound):
            room.chat.post(room.nowhere, HEADLINE)

    def test_a_thread_whose_message_was_removed_is_gone(self, room: Any) -> None:
        thread = room.chat.post(room.place, HEADLINE)
        room.remove(thread)
        with pytest.raises(ThreadGone):
            room.chat.post(thread, REPLY)

    @pytest.mark.parametrize("seconds", [0, 60, 5_000, 80_000])
    def test_what_was_sent_is_not_sent_again_by_another_process(self, room: Any, seconds: float) -> None:
        """Also long after, when no platform knows a sending by its name any more."""
        first = self.once(room)
        thread = room.chat.post(room.place, HEADLINE, first)
        reply = self.once(room, key="d1/reply")
        room.chat.post(thread, REPLY, reply)
        before = room.all()
        room.time.now += seconds
        assert room.other().post(room.place, HEADLINE, replace(first, again=True)) == thread
        room.other().post(thread, REPLY, replace(reply, again=True))
        assert room.all() == before

    def test_what_was_not_sent_is_sent(self, room: Any) -> None:
        thread = room.chat.post(room.place, HEADLINE, self.once(room, again=True))
        room.chat.post(thread, REPLY, self.once(room, key="d1/reply", again=True))
        assert "of a day" in room.all()
        assert "beneath it" in room.beneath(thread)

    def test_nothing_is_sent_by_who_was_overtaken(self, room: Any) -> None:
        def overtaken() -> None:
            raise LeaseLost("stopping")

        with pytest.raises(LeaseLost):
            room.chat.post(room.place, HEADLINE, self.once(room, check=overtaken))
        assert "Headline" not in room.all()

    def test_what_was_sent_is_found_by_who_may_send_no_more(self, room: Any) -> None:
        def overtaken() -> None:
            raise LeaseLost("stopping")

        first = self.once(room)
        thread = room.chat.post(room.place, HEADLINE, first)
        assert room.other().post(room.place, HEADLINE, replace(first, again=True, check=overtaken)) == thread

    def test_what_stands_there_is_told_by_its_names(self, room: Any) -> None:
        since = datetime.fromtimestamp(room.time() - 10, UTC)
        thread = room.chat.post(room.place, HEADLINE, self.once(room))
        files = (Attachment("report.md", "# Report"), Attachment("report.html", "<p>"))
        room.chat.post(thread, Message("report", (Span("Report"),), files), self.once(room, key="d1/report"))
        room.chat.post(room.place, HEADLINE, self.once(room, key="d2/headline"))
        asked = ("d1/headline", "d1/report", "d3/headline")
        found = room.other().posted(room.place, asked, since)
        assert found.threads["d1/headline"] == thread.thread
        assert "d2/headline" not in found.threads
        assert "d3/headline" not in found.threads
        beneath = room.other().posted(thread, asked, since)
        assert beneath.threads.get("d1/report", thread.thread) == thread.thread  # files bear no name everywhere
        assert {*beneath.files} == {"report.md", "report.html"}
        room.time.now += 1_000
        later = datetime.fromtimestamp(room.time() - 10, UTC)
        assert room.other().posted(room.place, asked, later).threads == {}

    def test_what_stands_in_a_channel_that_is_not_there_is_not_found(self, room: Any) -> None:
        with pytest.raises(NotFound):
            room.chat.posted(room.nowhere, ("d1/headline",), datetime.fromtimestamp(room.time(), UTC))
