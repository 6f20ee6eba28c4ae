"""Feishu's cards: none beyond a limit, nothing left out, and text from outside is nothing but text."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from feishu_checks import check_card, links, shown, unwanted, walk
from hostile import HOSTILE as COMMITS
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from samples import HOSTILE
from samples import digest as sample
from test_slack import DAYS

from adapters.chats.feishu import forms, limits
from adapters.chats.feishu.cards import markdown, render
from bot.conversation.forms import subscribe_form
from bot.errors import UsageError
from bot.languages import LANGUAGES
from bot.posts import post as digests
from bot.posts.report import attachments
from bot.texts import Texts
from bot.values import (
    Attachment,
    Button,
    Buttons,
    Count,
    Fields,
    Form,
    Importance,
    Input,
    InputKind,
    Message,
    Place,
    Problem,
    Span,
    Subscription,
    Table,
    Text,
    one_line,
)

URL = "https://github.com/team/app/commit/1"
HIGH = Span("🔴 High", importance=Importance.HIGH)


def body(card) -> int:
    """The bytes of the request that brings a card, the longest names in it."""
    sent = {"receive_id": "oc_" + 32 * "0", "msg_type": "interactive", "uuid": limits.UUID.ours * "0"}
    sent["content"] = json.dumps(card, ensure_ascii=False)
    return len(json.dumps(sent, ensure_ascii=False).encode())


def accepted(message, limit=limits.BODY_BYTES.ours, **more):
    """The pages of a message, each of which Feishu takes and none of which acts."""
    pages = render(message, lambda number: f"digest_{number:013}", limit=limit, **more).pages
    for number, page in enumerate(pages):
        check_card(page, body_bytes=body(page))
        assert body(page) <= limit
        assert unwanted(page) == []
        assert page["body"]["elements"][0]["element_id"] == f"digest_{number:013}"
        tables = [part for part in walk(page) if part.get("tag") == "table"]
        assert len(tables) <= limits.TABLES.ours
        assert all(len(table["rows"]) <= limits.TABLE_ROWS.ours for table in tables)
    return pages


# --- Reading back ----------------------------------------------------------------------------

# CommonMark, and what others understand beyond it.
PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
BLOCKS = {"paragraph", "bullet_list", "list_item", "inline"}
INLINE = {"text", "softbreak", "strong", "link", "code_inline"}


def squashed(text: str) -> str:
    return "".join(text.split())


def read(content: str) -> str:
    """What Markdown says, which must be made of nothing but paragraphs, lists, bold words, links and code."""
    said = ""
    for token in PARSER.parse(content):
        assert token.type.removesuffix("_open").removesuffix("_close") in BLOCKS, (token.type, content)
        for leaf in token.children or ():
            assert leaf.type.removesuffix("_open").removesuffix("_close") in INLINE, (leaf.type, content)
            said += leaf.content
    return said


def elements(pages, *tags) -> Iterator[dict[str, Any]]:
    return (part for page in pages for part in walk(page["body"]) if part.get("tag") in tags)


def said_in(pages) -> str:
    """All that stands outside tables and buttons, in order, without spaces and titles of panels that go on."""
    said = ""
    for part in elements(pages, "markdown", "collapsible_panel"):
        title = part["header"]["title"]["content"] if "header" in part else "… "
        said += read(part["content"]) if part["tag"] == "markdown" else title if title[:2] != "… " else ""
    return squashed(said)


def column_in(pages, number) -> str:
    """All that stands in one column of the tables, in order, without spaces."""
    said = ""
    for table in elements(pages, "table"):
        names = {column["name"]: column["data_type"] for column in table["columns"]}
        for row in table["rows"]:
            cell = row.get(f"c{number}", "")
            kind = names.get(f"c{number}")
            said += (
                read(cell) if kind == "markdown" else "".join(o["text"] for o in cell) if kind == "options" else cell
            )
    return squashed(said)


def words(line) -> str:
    return squashed("".join(span.text if span.text.strip() else span.url or "" for span in line))


def texts_of(message) -> Iterator[str]:
    """What a message says outside tables and buttons."""
    for part in message.parts:
        if isinstance(part, Text):
            yield squashed(Span(part.heading).text)
            yield from map(words, part.lines)
        if isinstance(part, Fields):
            for label, value in part.items:
                yield from (squashed(Span(label).text), words(value))


def assert_complete(message, pages):
    said, at = said_in(pages), 0
    for text in texts_of(message):
        assert text in said[at:], f"{text[:80]!r} is missing, or stands earlier"
        at = said.index(text, at) + len(text)
    tables = [part for part in message.parts if isinstance(part, Table) and part.rows]
    for number in range(max((len(table.columns) for table in tables), default=0)):
        cells = [row[number] for table in tables if number < len(table.columns) for row in table.rows]
        assert column_in(pages, number) == "".join(map(words, cells))


# --- Whole days ------------------------------------------------------------------------------


def messages(made, language):
    post = digests.post(made, Texts(language), attachments(made, Texts(language)))
    return [post.headline, *post.replies]


def urls_of(message) -> set[str]:
    lines = [message.title]
    for part in message.parts:
        lines += part.lines if isinstance(part, Text) else ()
        lines += [value for _, value in part.items] if isinstance(part, Fields) else ()
        lines += [cell for row in part.rows for cell in row] if isinstance(part, Table) else ()
    return {span.url for line in lines for span in line if span.url}


@pytest.mark.parametrize("name", DAYS)
@pytest.mark.parametrize("limit", [limits.BODY_BYTES.ours, limits.WEBHOOK_BYTES.ours])
def test_a_day_is_taken_whole_and_read_back_complete(name, limit):
    for message in messages(DAYS[name], "zh"):
        pages = accepted(message, limit)
        everything = squashed("".join(map(shown, pages)))
        assert words(message.title) in everything
        assert urls_of(message) == {url for page in pages for url in links(page)}
        if message.key != "rest":  # whose marks stand on its panels
            assert_complete(message, pages)


@pytest.mark.parametrize("name", DAYS)
def test_a_table_that_goes_on_has_its_columns_again_and_every_commit_once(name):
    pages = accepted(messages(DAYS[name], "zh")[0])
    tables = list(elements(pages, "table"))
    assert all(table["columns"] == tables[0]["columns"] for table in tables)
    assert sum(len(table["rows"]) for table in tables) == len(DAYS[name].entries)
    assert [part["tag"] for part in pages[0]["body"]["elements"]][-1] == "column_set"
    assert not list(elements(pages[1:], "button"))


def test_pages_that_go_on_say_which_they_are():
    pages = accepted(messages(DAYS["150 commits"], "zh")[0])
    titles = [page["header"]["title"]["content"] for page in pages]
    assert len(pages) > 1
    assert titles[1:] == [f"{titles[0]} ({number}/{len(pages)})" for number in range(2, len(pages) + 1)]
    assert f"(2/{len(pages)})" in pages[1]["config"]["summary"]["content"]
    assert "text_tag_list" not in pages[1]["header"]


@pytest.mark.parametrize("kind", ["normal", "hostile", "empty"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_sample_days_are_taken_and_lead_to_their_repository_alone(kind, language):
    for message in messages(sample(kind, language), language):
        pages = accepted(message)
        assert all(url.startswith("https://github.com/") for page in pages for url in links(page))
        if message.key != "rest":
            assert_complete(message, pages)


def test_the_headline_shows_its_numbers_and_the_strongest_colour():
    message = messages(sample("normal", "en"), "en")[0]
    (page,) = accepted(message)
    header = page["header"]
    tags = [(tag["text"]["content"], tag["color"]) for tag in header["text_tag_list"]]
    assert tags == [("🔴 4", "red"), ("🟡 12", "orange"), ("🟢 13", "green")]
    assert header["template"] == "red"
    assert page["config"]["width_mode"] == "fill"
    assert page["config"]["summary"]["content"].startswith("example/harbor · 2026-02-18 Wednesday · 2026-02-18")
    (chart,) = elements([page], "chart")
    values = chart["chart_spec"]["data"]["values"]
    assert [value["name"] for value in values] == ["🔴 High 4", "🟡 Medium 12", "🟢 Low 13"]
    assert [value["value"] for value in values] == [4, 12, 13]
    kinds = [column["data_type"] for column in next(elements([page], "table"))["columns"]]
    assert kinds == ["text", "text", "markdown", "options"]
    row = next(elements([page], "table"))["rows"][0]
    assert row["c3"] == [{"text": "High", "color": "red"}]


def test_a_column_is_as_wide_as_what_it_holds():
    """Whether or not it is linked: what a repository without addresses landed has no links."""
    said = "fix: a sentence that tells what was changed in this commit"
    names = [(Span("Ada"),), (Span("Grace Brewster Murray Hopper of the Navy"),), (Span("Linus"),)]
    for url in (URL, None):
        rows = tuple(((Span("09:15"),), name, (Span(said, url),), (HIGH,)) for name in names)
        table = Table(("Time", "Author", "Message", "Importance"), rows)
        (page,) = accepted(Message("t", (Span("t"),), (table,)))
        widths = [column["width"] for column in next(elements([page], "table"))["columns"]]
        assert widths == ["80px", "130px", "300px", "94px"]


def test_an_empty_day_is_blue_without_tags_and_chart():
    (page,) = accepted(messages(sample("empty", "en"), "en")[0])
    assert page["header"]["template"] == "blue"
    assert "text_tag_list" not in page["header"]
    assert not list(elements([page], "chart", "table"))


def test_the_rest_is_a_panel_for_each_mark():
    message = messages(sample("normal", "en"), "en")[-2]
    assert message.key == "rest"
    (page,) = accepted(message)
    panels = list(elements([page], "collapsible_panel"))
    assert [panel["header"]["title"]["content"] for panel in panels] == ["🟡 12", "🟢 13"]
    assert [panel["expanded"] for panel in panels] == [True, False]
    assert page["header"]["template"] == "orange"
    for part in message.parts:
        assert all(words(line[1:]) in said_in([page]) for line in part.lines)


def test_a_short_list_of_marked_lines_is_open_and_goes_on_in_a_panel_of_the_next_page():
    def listed(count, text):
        lines = tuple((Span("🟢 ", importance=Importance.LOW), Span(f"{number} {text}")) for number in range(count))
        return Message("rest", (Span("Rest"),), (Text(lines, bullets=True),))

    (panel,) = elements(accepted(listed(5, "short")), "collapsible_panel")
    assert panel["expanded"]
    pages = accepted(listed(100, "long " * 100))
    panels = list(elements(pages, "collapsible_panel"))
    assert len(panels) == len(pages) > 1
    assert [panel["header"]["title"]["content"] for panel in panels] == ["🟢 100", *["… 🟢 100"] * (len(pages) - 1)]
    assert all(f"{number}long" in said_in(pages) for number in range(100))


def test_a_long_list_with_a_heading_is_a_panel():
    lines = tuple((Span(f"line {number}"),) for number in range(6))
    message = Message("key", (Span("Title"),), (Text(lines, "Merged", bullets=True),))
    (panel,) = elements(accepted(message), "collapsible_panel")
    assert panel["header"]["title"]["content"] == "Merged (6)"
    shorter = replace(message, parts=(Text(lines[:5], "Merged", bullets=True),))
    assert not list(elements(accepted(shorter), "collapsible_panel"))
    assert said_in(accepted(shorter)).startswith("Mergedline0")


# --- The title -------------------------------------------------------------------------------


def test_a_title_alone_is_a_sentence_without_a_header():
    (page,) = accepted(Message("error", (Span("There is no such <repository>."),)))
    assert "header" not in page
    assert shown(page) == "There is no such <repository>."
    assert page["config"]["summary"]["content"] == "There is no such <repository>."


def test_a_message_without_anything_is_a_dot():
    assert shown(accepted(Message("key", ()))[0]) == "…"
    assert shown(accepted(Message("key", (Span("  "),)))[0]) == "…"


def test_a_title_that_a_header_would_cut_stands_in_the_body_too():
    title = (Span("标题" * 100, URL),)
    (page,) = accepted(Message("key", title, (Text(((Span("words"),),)),)))
    assert page["header"]["title"]["content"].endswith("…")
    assert "标题" * 100 in said_in([page])
    assert links(page) == [URL]


def test_of_a_title_only_the_links_that_stand_nowhere_else_are_told_again():
    title = (
        Span("🔴 "),
        Span("Subject", URL),
        Span(" ("),
        Span("#12", "https://github.com/team/app/pull/12"),
        Span(")"),
    )
    message = Message("commit", title, (Fields((("SHA", (Span("abc1234", URL, code=True),)),)),))
    (page,) = accepted(message)
    assert page["header"]["title"]["content"] == "🔴 Subject (#12)"
    assert [read(part["content"]) for part in elements([page], "markdown")] == ["#12", "SHA: abc1234"]
    assert links(page) == ["https://github.com/team/app/pull/12", URL]


# --- Buttons and files -----------------------------------------------------------------------


def test_buttons_bring_their_command_back_and_stand_side_by_side():
    items = (Button("Report", "report x"), Button("Web", url="https://github.com/team/app"))
    (page,) = accepted(Message("headline", (Span("Title"),), (Text(((Span("words"),),)), Buttons(items))))
    (row,) = elements([page], "column_set")
    assert row["flex_mode"] == "flow"
    first, second = elements([page], "button")
    assert first["behaviors"] == [{"type": "callback", "value": {"command": "report x"}}]
    assert second["behaviors"] == [{"type": "open_url", "default_url": "https://github.com/team/app"}]
    (alone,) = elements(
        accepted(Message("headline", (Span("Title"),), (Buttons(items),)), buttons=False), "button", "column_set"
    )
    assert alone["text"]["content"] == "Web"


def test_what_takes_something_away_asks_first():
    button = Button("Unfollow", "unsubscribe a/b", confirm="Stop the digests of a/b?")
    (made,) = elements(accepted(Message("list", (Span("Title"),), (Buttons((button,)),))), "button")
    assert made["type"] == "danger"
    assert made["confirm"]["title"]["content"] == "Unfollow"
    assert made["confirm"]["text"]["content"] == "Stop the digests of a/b?"


@pytest.mark.parametrize(
    "button",
    [
        Button("label", "x" * 2_001),
        Button("label", url="javascript:alert(1)"),
        Button("label", url="https://"),
        Button("label", url="https://["),
    ],
)
def test_a_button_that_could_do_nothing_is_left_out(button):
    pages = accepted(Message("key", (Span("Title"),), (Buttons((button,)),)))
    assert not list(elements(pages, "button"))


def test_buttons_in_the_middle_stay_there():
    parts = (Text(((Span("a"),),)), Buttons((Button("b", "b"),)), Text(((Span("c"),),)))
    (page,) = accepted(Message("list", (Span("Title"),), parts))
    assert [part["tag"] for part in page["body"]["elements"]] == ["markdown", "button", "markdown"]


def test_files_stand_on_no_page():
    file = Attachment("report.md", "# Report")
    rendered = render(Message("report", (Span("The report"),), (file,)))
    assert rendered.files == (file,)
    assert shown(rendered.pages[0]) == "The report"


# --- Text from outside -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("<at id=all></at>", "&#60;at id&#61;all&#62;&#60;&#47;at&#62;"),
        (":DONE:", "&#58;DONE&#58;"),
        ("![x](img_v2_1)", "&#33;&#91;x&#93;&#40;img&#95;v2&#95;1&#41;"),
        ("$urlVal", "&#36;urlVal"),
        ("&#60;", "&#38;&#35;60;"),
        ("**b** ~~s~~ `c`", "&#42;&#42;b&#42;&#42; &#126;&#126;s&#126;&#126; &#96;c&#96;"),
        ("a | b", "a &#124; b"),
        ("\\*", "&#92;&#42;"),
        ("- + # >", "&#45; &#43; &#35; &#62;"),
        ("1. item", "1&#46; item"),
        ("1.5 of 2.", "1.5 of 2&#46;"),
        ("www.evil.example dev@evil.example", "www&#46;evil.example dev&#64;evil.example"),
        ("===", "&#61;&#61;&#61;"),
        ("    code", "code"),
        ("\"quoted\" 'so'", "&#34;quoted&#34; &#39;so&#39;"),
        ("中文，“引号”。", "中文，“引号”。"),
    ],
)
def test_each_character_that_is_read_is_an_entity(text, written):
    assert markdown((Span(text),)) == written
    assert markdown((Span(text, URL),)) == f"[{written}]({URL})".replace("[code]", "[    code]")
    assert read(written).strip() == text.strip()


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("https://github.com/a/(b)<c>", "https://github.com/a/%28b%29%3Cc%3E"),
        ('https://github.com/a b"c', "https://github.com/a%20b%22c"),
        ("HTTPS://github.com/a:OK:`x|[y]", "https://github.com/a%3AOK%3A%60x%7C%5By%5D"),
        ("https://github.com:8443/a?b=1&copy;2#L3", "https://github.com:8443/a?b=1&copy%3B2#L3"),
        ("https://github.com/a/%20b", "https://github.com/a/%20b"),
    ],
)
def test_an_address_cannot_end_early(url, written):
    assert markdown((Span("words", url),)) == f"[words]({written})"


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "//evil.example", "mailto:a@b.c", "#a", "https://", "https://[", "http:" + "/" * 9]
)
def test_words_stand_without_a_link_that_does_not_lead_to_the_web(url):
    assert markdown((Span("words", url),)) == "words"
    assert markdown((Span("words", "https://a.example/" + "x" * 2_000),)) == "words"


@pytest.mark.parametrize(
    ("line", "written"),
    [
        ((Span("9a93eb7", URL, code=True),), f"[`9a93eb7`]({URL})"),
        ((Span("src/a_b-c.py:12", code=True),), "`src/a_b-c.py:12`"),
        ((Span("f(x)", code=True),), "f&#40;x&#41;"),  # between backticks no entity is decoded
        ((Span(":DONE:", code=True),), "&#58;DONE&#58;"),
        ((Span("a", code=True), Span("b", code=True)), "`a`b"),
        ((Span("", URL),), f"[https&#58;&#47;&#47;github.com&#47;team&#47;app&#47;commit&#47;1]({URL})"),
        ((Span("Label: ", strong=True), Span("value")), "**Label&#58;** value"),
        ((Span("a", strong=True), Span("b", strong=True)), "**ab**"),
        ((Span("部件", strong=True), Span("：改变")), "**部件**：改变"),
        ((Span("(a)", strong=True), Span("中")), "&#40;a&#41;中"),  # CommonMark would show the asterisks
        ((Span("中"), Span("(a)", strong=True)), "中&#40;a&#41;"),
        ((Span(" ", strong=True),), ""),
    ],
)
def test_code_and_weight(line, written):
    assert markdown(line) == written


OUTSIDE = [*HOSTILE, *(text[:3_000] for commit in COMMITS for text in (commit.subject, commit.body, commit.author))]


@pytest.mark.parametrize("strong", [False, True])
def test_no_hostile_text_is_anything_but_text_wherever_it_stands(strong):
    for text in OUTSIDE:
        span = Span(text, strong=strong)
        assert squashed(read(markdown((span,)))) == squashed(span.text)
        assert squashed(read(f"- {markdown((Span(text, URL, strong),))}" if span.text.strip() else "")) == squashed(
            span.text
        )


@pytest.mark.parametrize("start", range(0, len(OUTSIDE), 40))
def test_hostile_texts_in_every_place_are_told_whole(start):
    for text in OUTSIDE[start : start + 40]:
        line = (Span(text), Span(text, URL), Span(text, strong=True), Span(text, code=True))
        parts = (
            Text((line,), heading=text, bullets=True),
            Fields(((text, line),)),
            Table((text, text), ((line, line[:1]),), heading=text),
            Buttons((Button(text, text[:2_000], confirm=text),)),
        )
        message = Message(text, line, parts)
        pages = accepted(message)
        assert all(url == URL for page in pages for url in links(page))
        (button,) = elements(pages, "button")
        assert button["text"]["content"] == (one_line(text, limits.BUTTON_TEXT.ours) or "…")


def test_a_link_that_is_cut_behind_a_blank_shows_its_address_nowhere():
    blank = (Span(" " * 1_999), Span(" 00", URL))
    rows = tuple(((Span(text),), (), (), (), blank, (HIGH,)) for text in ("one", "two"))
    message = Message("key", (), (Table(("a",) * 5 + ("b",), rows),))
    for length in range(1_900, 2_100):
        line = (Span(" " * length), Span(" 00", URL))
        cut = replace(message, parts=(Table(("a", "b"), ((line, (HIGH,)),)),))
        assert_complete(cut, accepted(cut))
    assert_complete(message, accepted(message))


# --- Anything --------------------------------------------------------------------------------

LONGEST = 2_000 if os.environ.get("STRESS") else 300
TEXTS = st.one_of(
    st.text(max_size=200),
    st.sampled_from(OUTSIDE),
    st.builds(lambda text, times: text * times, st.text(max_size=20), st.integers(1, LONGEST)),
)
SPANS = st.builds(Span, TEXTS, url=st.sampled_from([None, URL, "x:y"]), strong=st.booleans(), code=st.booleans())
LINES = st.lists(SPANS, max_size=4).map(tuple)
GRADES = st.sampled_from(
    [(HIGH,), (Span("🟡 中", importance=Importance.MEDIUM),), (Span("🟢 Low", importance=Importance.LOW),)]
)


def table(columns):
    rows = st.lists(st.tuples(*[LINES] * columns, GRADES).map(tuple), max_size=12).map(tuple)
    return rows.map(lambda rows: Table(("a",) * columns + ("b",), rows))


PARTS = st.one_of(
    st.builds(Text, st.lists(LINES, max_size=8).map(tuple), heading=st.text(max_size=50), bullets=st.booleans()),
    st.builds(Fields, st.lists(st.tuples(st.text(max_size=20), LINES), max_size=8).map(tuple)),
    st.integers(0, 5).flatmap(table),
    st.builds(
        Buttons, st.lists(st.builds(Button, TEXTS, TEXTS, st.sampled_from(["", URL]), TEXTS), max_size=9).map(tuple)
    ),
)


COUNTS = st.lists(st.integers(0, 9_999), max_size=3).map(
    lambda numbers: tuple(Count(i, n, f"{i} {n}", i) for i, n in zip(Importance, numbers, strict=False))
)


@given(
    title=LINES,
    parts=st.lists(PARTS, max_size=5),
    limit=st.sampled_from([limits.BODY_BYTES.ours, limits.WEBHOOK_BYTES.ours]),
    importance=st.sampled_from([None, *Importance]),
    counts=COUNTS,
)
def test_whatever_a_message_holds_feishu_takes_it_and_nothing_is_left_out(title, parts, limit, importance, counts):
    message = Message("key", title, tuple(parts), importance=importance, counts=counts)
    pages = accepted(message, limit)
    assert_complete(message, pages)
    assert all(url == URL for page in pages for url in links(page))
    header = pages[0].get("header", {"title": {"content": ""}})["title"]["content"]
    assert words(title) in squashed(header) or words(title) in said_in(pages)
    told = [part["text"]["content"] for part in elements(pages, "button")]
    for part in parts:
        for item in part.items if isinstance(part, Buttons) else ():
            assert item.url == "" or (one_line(item.label, limits.BUTTON_TEXT.ours) or "…") in told


@given(st.lists(st.tuples(*[LINES] * 9).map(tuple), max_size=3).map(tuple))
def test_a_table_with_too_many_columns_is_told_row_by_row(rows):
    message = Message("key", (Span("Title"),), (Table(tuple("abcdefghi"), rows),))
    pages = accepted(message)
    assert not list(elements(pages, "table"))
    said, at = said_in(pages), 0
    for cell in (cell for row in rows for cell in row):
        assert words(cell) in said[at:]
        at = said.index(words(cell), at) + len(words(cell))


def test_a_long_line_is_divided_at_words():
    text = " ".join(f"word{number}" for number in range(10_000))
    pages = accepted(Message("key", (Span("Title"),), (Text(((Span(text),),)),)))
    contents = [part["content"] for part in elements(pages, "markdown")]
    assert len(contents) > 2
    assert " ".join(contents) == text


def test_a_long_cell_goes_on_in_the_next_row():
    text = " ".join(f"word{number}" for number in range(200))
    (page,) = accepted(Message("key", (Span("Title"),), (Table(("a", "b"), (((Span(text),), (Span("x"),)),)),)))
    rows = next(elements([page], "table"))["rows"]
    assert len(rows) > 2
    assert all(len(row["c0"]) <= 400 for row in rows)
    assert "".join(row["c0"] for row in rows) == text
    assert [row["c1"] for row in rows] == ["x", *[""] * (len(rows) - 1)]


def test_no_more_than_a_page_full_of_elements_stands_on_a_page():
    buttons = tuple(Buttons((Button(str(number), str(number)),)) for number in range(120))
    pages = accepted(Message("key", (Span("Title"),), buttons))
    assert len(pages) > 1
    for page in pages:
        assert sum("tag" in part for part in walk(page)) <= limits.ELEMENTS.ours


# --- Forms -----------------------------------------------------------------------------------

FRESH = Subscription(Place("feishu", "oc_1"), "", "0 9 * * mon-fri", "Asia/Shanghai", "zh")


def form_value(card) -> dict[str, Any]:
    """What Feishu sends for a form in which nobody changed anything."""
    value: dict[str, Any] = {}
    for part in walk(card["body"]):
        match part.get("tag"):
            case "input":
                value[part["name"]] = part.get("default_value")
            case "picker_time":
                value[part["name"]] = f"{part['initial_time']} +0800"
            case "select_static":
                value[part["name"]] = part["options"][part["initial_index"] - 1]["value"]
            case "multi_select_static":
                value[part["name"]] = part["selected_values"]
    return value


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("known", [False, True])
def test_a_form_comes_back_as_it_was(language, known):
    form = subscribe_form(replace(FRESH, repo="team/app"), known, Texts(language))
    kept = {"repo": "team/app", "thread": "omt_1"}
    card = forms.card(form, kept)
    check_card(card, body_bytes=body(card))
    assert body(card) <= limits.BODY_BYTES.ours
    assert unwanted(card) == []
    assert forms.values_of(form_value(card)) == {asked.name: asked.value for asked in form.inputs}
    (submit,) = elements([card], "button")
    assert submit["behaviors"] == [{"type": "callback", "value": {"form": kept}}]
    required = {part["name"]: part["required"] for part in walk(card["body"]) if "required" in part}
    assert required == {asked.name: not asked.optional for asked in form.inputs}
    for asked in form.inputs:
        assert asked.label in shown(card)
        assert asked.hint in shown(card)


def test_a_problem_is_told_in_red_with_its_input():
    form = subscribe_form(FRESH, False, Texts("en"))
    card = forms.card(form, {}, problem=Problem("zone", "There is no such <time zone>."))
    check_card(card, body_bytes=body(card))
    label = next(asked.label for asked in form.inputs if asked.name == "zone")
    told = card["body"]["elements"][0]["text"]
    assert told == {
        "tag": "plain_text",
        "content": f"{label}: There is no such <time zone>.",
        "text_color": "red",
    }
    unknown = forms.card(form, {}, problem=Problem("gone", "Something."))
    assert unknown["body"]["elements"][0]["text"]["content"] == "Something."


def test_what_was_filled_in_wrongly_is_shown_again():
    asked = (
        Input("at", "Time", "25:00", kind=InputKind.TIME),
        Input("lang", "Language", "xx", kind=InputKind.ONE, choices=(("en", "English"),)),
        Input("on", "Days", "mon,xyz", kind=InputKind.SEVERAL, choices=(("mon", "Monday"), ("tue", "Tuesday"))),
    )
    card = forms.card(Form("Title", "Save", "Cancel", "", "", asked), {})
    check_card(card, body_bytes=body(card))
    picker, one, several = elements([card], "picker_time", "select_static", "multi_select_static")
    assert "initial_time" not in picker
    assert "initial_index" not in one
    assert several["selected_values"] == ["mon"]


def test_a_value_that_no_input_holds_is_told():
    asked = (Input("paths", "Paths", "x" * 1_001),)
    with pytest.raises(UsageError) as told:
        forms.card(Form("Title", "Save", "Cancel", "", "", asked), {})
    assert "1,000" in Texts("en").error(told.value)


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        ("09:00 +0800", "09:00"),
        ("09:00", "09:00"),
        ("at 09:00 +0800", "at 09:00 +0800"),
        (["mon", "tue"], "mon,tue"),
        ([], ""),
        (None, ""),
        ("", ""),
        ("team/app", "team/app"),
    ],
)
def test_what_was_filled_in_is_text(sent, value):
    assert forms.values_of({"name": sent}) == {"name": value}


@given(st.lists(st.text(max_size=300), min_size=4, max_size=4))
def test_a_form_of_any_texts_is_taken(texts):
    label, hint, value, title = texts
    asked = (Input("a", label, value, hint), Input("b", label, hint="", kind=InputKind.TIME, optional=True))
    card = forms.card(Form(title, label, hint, "", "", asked), {"a": value}, problem=Problem("a", hint))
    check_card(card, body_bytes=body(card))
    assert unwanted(card) == []


def test_a_note_says_what_it_says():
    card = forms.note("Title", "It is <at id=all></at> done.\nReally.")
    check_card(card, body_bytes=body(card))
    assert shown(card) == "Title\nIt is <at id=all></at> done.\nReally."
    assert unwanted(card) == []


def test_columns_and_pairs():
    fields = Fields(tuple((f"label {number}", (Span("value"),)) for number in range(5)))
    (page,) = accepted(Message("status", (Span("Title"),), (fields,)))
    (pair,) = elements([page], "column_set")
    assert [read(part["content"]).count("label") for part in elements([page], "markdown")] == [3, 2]
    assert all(left["width"] == right["width"] == "weighted" for left, right in pairwise(pair["columns"]))
