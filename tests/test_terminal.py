"""The terminal as a chat: drawn on a terminal, plain in a pipe, a conversation with threads."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console
from world import HOME, World, busy_day

from adapters.chats.terminal import NAME, Terminal, console
from bot.texts import Texts
from bot.values import Attachment, Button, Buttons, Fields, Message, Place, Span, Table, Text

MESSAGE = Message(
    "key",
    (Span("Title"),),
    (
        Text(((Span("first "), Span("strong", strong=True)),), heading="Heading"),
        Text(((Span("one"),), (Span("two", "https://example.com/x"),)), bullets=True),
        Table(("A", "B"), (((Span("1"),), (Span("2"),)),)),
        Fields((("Label", (Span("value"),)),)),
        Buttons((Button("Press", "status"), Button("Open", url="https://example.com"))),
        Attachment("file.md", "text"),
    ),
)


def shown(message: Message, **options) -> str:
    out = io.StringIO()
    Terminal(Console(file=out, width=80, highlight=False, **options), Texts("en")).post(HOME, message)
    return out.getvalue()


def test_a_pipe_gets_plain_text():
    assert shown(MESSAGE) == (
        "Title\n\nHeading\nfirst strong\n• one\n• two\nA\tB\n1\t2\nLabel: value\n"
        "Press: digest status   Open: https://example.com\nfile.md (4 bytes)\n\n"
    )


def test_a_table_has_its_heading_and_numbers_beneath_each_other():
    rows = tuple(tuple((Span(cell),) for cell in row) for row in (("a", "1,234", "x"), ("b", "5", "y")))
    message = Message("k", (Span("T"),), (Table(("A", "N", "Z"), rows, "Heading", numbers=(1,)),))
    assert shown(message) == "T\n\nHeading\nA\tN\tZ\na\t1,234\tx\nb\t5\ty\n\n"
    drawn = [line for line in shown(message, force_terminal=True, no_color=True).splitlines() if "│" in line]
    first, second = (next(line for line in drawn if f"  {word} " in line) for word in "ab")
    assert first.index("1,234") + 4 == second.index("5")
    assert first.index("x") == second.index("y")


def test_a_terminal_gets_a_panel_with_links():
    drawn = shown(MESSAGE, force_terminal=True)
    assert "╭" in drawn
    assert "\x1b]8;" in drawn
    assert "https://example.com/x" in drawn


def test_no_color_is_honoured(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    out = io.StringIO()
    Terminal(Console(file=out, width=80, force_terminal=True), Texts("en")).post(HOME, MESSAGE)
    assert "\x1b[36m" not in out.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_text_from_outside_is_only_shown(terminal):
    hostile = "[red]x[/red] :bomb: \x1b[2J\x1b]0;title\x07 \u202egnp.exe\rgone"
    drawn = shown(Message("k", (Span(hostile),), (Text(((Span(hostile),),)),)), force_terminal=terminal)
    assert "[red]x[/red] :bomb:" in drawn
    assert not set("\u202e\r\x07") & set(drawn)
    assert "\x1b[2J" not in drawn


def test_replies_stand_beneath_their_headline():
    out = io.StringIO()
    chat = Terminal(console(out), Texts("en"))
    thread = chat.post(HOME, Message("a", (Span("Headline"),)))
    assert thread == Place(NAME, HOME.channel, "1")
    assert chat.post(thread, Message("b", (Span("Reply"),))) == thread
    assert out.getvalue() == "Headline\n\n-- Reply\n\n"


def test_before_the_first_thread_there_is_none_to_open():
    out = io.StringIO()
    Terminal(console(out), Texts("en"), lines=iter(["thread 1", "thread"])).listen(SimpleNamespace(text=lambda *_: ""))
    assert out.getvalue() == "There are no threads yet.\n" * 2


def test_a_conversation_with_threads(tmp_path, clock):
    history = busy_day(tmp_path / "app")
    world = World(tmp_path, clock, str(history.path))
    out = io.StringIO()
    typed = ["2026-02-18", "thread 1", "#305", "back", "thread 9", "helpp", "exit", "never"]
    chat = Terminal(console(out), Texts("en"), folded=True, lines=iter(typed))
    asked = []
    answer = world.interpreter.answer

    def noted(context):
        asked.append((context.request.text, context.request.place.thread))
        return answer(context)

    world.interpreter.answer = noted
    chat.listen(world.host(chat))
    said = out.getvalue()
    assert asked == [("2026-02-18", None), ("#305", "1"), ("helpp", None)]
    assert "↳ 7" in said
    assert said.index("↳ 7") < said.index("-- 🔴 feat(api)!: replace endpoint")
    assert "-- 🟢 docs: page 5" in said
    assert "There is no such thread. The last one is thread 1." in said
    assert "Did you mean /digest help?" in said
    world.close()
