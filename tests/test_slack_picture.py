"""Slack's pictures: their HTML says all that the blocks say, runs nothing, links only to the web, fits its page."""

import struct
from pathlib import Path

import pytest
from browser import browser, executable
from pictures import Read, loaded
from samples import HOSTILE, digest

from adapters.chats.slack.blocks import Page, render
from bot.posts import post as digests
from bot.texts import Texts

FILE = Path(__file__).resolve().parent.parent / "docs" / "slack_picture.py"
TAGS = {
    "html", "head", "meta", "title", "style", "body", "div", "main", "article", "span", "b", "i", "s", "a", "code",
    "pre", "blockquote", "ul", "ol", "li", "h2", "hr", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
ATTRIBUTES = {"lang", "class", "charset", "http-equiv", "content", "href", "rel"}
LARGEST = 250_000
in_a_browser = pytest.mark.skipif(executable() is None, reason="no Chromium or Chrome found: apt-get install chromium")


slack = loaded(FILE)


def texts_of(block):
    """Every text in a block, in order, but for what a button asks once it is pressed."""
    if isinstance(block, dict):
        for key, value in block.items():
            if key == "confirm":
                continue
            if key in ("text", "initial_value") and isinstance(value, str):
                yield value
            else:
                yield from texts_of(value)
    elif isinstance(block, list | tuple):
        for each in block:
            yield from texts_of(each)


def pages(kind, language):
    post = digests.post(digest(kind, language), Texts(language))
    return [page for message in (post.headline, *post.replies) for page in render(message).pages]


def plain(text):
    return {"type": "plain_text", "text": text}


def option(text, value="v"):
    return {"text": plain(text), "value": value}


def control(kind, **fields):
    return {"type": "input", "label": plain(f"label of {kind}"), "element": {"type": kind, **fields}}


def modal(word="word", kind="modal"):
    """A view with every block and control, and `word` wherever one stands."""
    chosen = option(word)
    link = {"type": "link", "url": "https://github.com/example/harbor", "text": word, "style": {"italic": True}}
    return {
        "type": kind,
        "title": plain(word),
        "submit": plain("Subscribe"),
        "close": plain("Cancel"),
        "blocks": [
            {"type": "header", "text": plain(word)},
            {"type": "section", "text": plain(word), "accessory": {"type": "button", "text": plain(word)}},
            {"type": "section", "fields": [plain(word), {"type": "mrkdwn", "text": word}]},
            {"type": "divider"},
            control("plain_text_input", initial_value=word, multiline=True),
            control("plain_text_input", placeholder=plain(word)),
            control("static_select", options=[chosen], initial_option=chosen),
            control("multi_static_select", options=[chosen], initial_options=[chosen, option("Friday")]),
            control("timepicker", initial_time="08:45"),
            control("conversations_select", default_to_current_conversation=True),
            control("checkboxes", options=[chosen, {**option("two", "w"), "description": plain(word)}]),
            control("radio_buttons", options=[chosen, option("two", "w")], initial_option=chosen),
            {**control("plain_text_input"), "optional": True, "hint": plain(word)},
            {
                "type": "rich_text",
                "elements": [
                    {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": word}]},
                    {"type": "rich_text_quote", "elements": [{"type": "text", "text": word}]},
                    {
                        "type": "rich_text_list",
                        "style": "ordered",
                        "indent": 1,
                        "elements": [{"type": "rich_text_section", "elements": [link]}],
                    },
                ],
            },
            {
                "type": "actions",
                "elements": [
                    {"type": "button", "style": "primary", "text": plain("Save")},
                    {"type": "button", "style": "danger", "text": plain(word)},
                ],
            },
            {"type": "context", "elements": [plain(word), {"type": "image", "image_url": "x", "alt_text": word}]},
            {"type": "not_known", "title": plain(word)},
        ],
    }


# --- What the HTML says ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["normal", "empty", "hostile"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_text_of_the_blocks_is_kept_in_its_order(kind, language):
    for page in pages(kind, language):
        said, at = Read(slack.html([page], language=language)).said, 0
        for text in texts_of(page.blocks):
            assert text in said[at:], f"{text!r} is missing, or stands earlier"
            at = said.index(text, at) + len(text)


@pytest.mark.parametrize("kind", ["normal", "hostile"])
@pytest.mark.parametrize("dark", [False, True])
def test_no_markup_of_a_commit_becomes_a_tag(kind, dark):
    document = slack.html(["<script>alert(1)</script>", *pages(kind, "en")], dark, bar="<b onclick=x>")
    read = Read(document)
    assert read.tags <= TAGS
    assert read.attributes <= ATTRIBUTES
    assert "<script" not in document
    assert "&lt;script&gt;" in document
    assert all(link.startswith(("https://", "http://")) for link in read.links)


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        " java\nscript:alert(1)",
        "data:text/html,<b>",
        "file:///etc/passwd",
        "mailto:dev@evil.example",
        "//evil.example",
        "#top",
        "http//[",
        "https://[",
        "",
    ],
)
def test_a_link_to_anything_but_the_web_is_its_words(url):
    leaf = {"type": "link", "url": url, "text": "words"}
    section = {"type": "rich_text_section", "elements": [leaf]}
    table = {"type": "table", "rows": [[{"type": "rich_text", "elements": [section]}]]}
    read = Read(slack.html([Page("", ({"type": "rich_text", "elements": [section]}, table))]))
    assert read.links == []
    assert read.said.count("words") == 2


def test_a_link_stays_within_its_attribute():
    leaf = {"type": "link", "url": "https://evil.example/\"onclick='x'><script>", "style": {"bold": True, "code": True}}
    section = {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [leaf]}]}
    read = Read(slack.html([Page("", (section,))]))
    assert read.links == [leaf["url"]]
    assert read.attributes <= ATTRIBUTES
    assert leaf["url"] in read.said  # a link without words shows its address


def test_a_table_has_a_header_row_and_keeps_the_alignment():
    cell = {"type": "raw_text", "text": "a"}
    table = {"type": "table", "rows": [[cell, cell], [cell]], "column_settings": [None, {"align": "right"}]}
    document = slack.html([Page("", (table,))])
    assert document.count("<th ") == 2
    assert '<th class="short right">' in document
    assert document.count("<td ") == 1


@pytest.mark.parametrize("kind", ["modal", "home"])
@pytest.mark.parametrize("word", ["word", *filter(str.strip, HOSTILE)])
def test_a_view_says_everything_and_runs_nothing(kind, word):
    view = modal(word, kind)
    document = slack.view_html(view, dark=True)
    read = Read(document)
    assert read.tags <= TAGS
    assert read.attributes <= ATTRIBUTES
    assert read.links == ["https://github.com/example/harbor"]
    shown = view if kind == "modal" else view["blocks"]
    assert all(text in read.said for text in texts_of(shown))
    assert "08:45" in read.said
    assert slack.CHANNEL in read.said
    assert 'class="button danger"' in document
    assert document.count("round on") == 1


def test_dark_is_a_class():
    page = pages("empty", "en")
    light, dark = slack.html(page), slack.html(page, dark=True)
    assert dark == light.replace('class="light"', 'class="dark"')


# --- The pictures ----------------------------------------------------------------------------


def test_the_pictures_are_those_of_the_script_and_small():
    sizes = {file.stem: file.stat().st_size for file in slack.FOLDER.glob("slack-*.png")}
    assert set(sizes) == set(slack.documents())
    assert max(sizes.values()) < LARGEST


def test_the_thread_is_counted_with_its_files():
    first, replies, *more = slack._channel("en")
    assert first.blocks[0]["type"] == "header"
    rest = sum(len(render(m).pages) + len(render(m).files) for m in slack._post("en").replies)
    assert replies == f"{rest + len(more)} replies"


CONTRAST = """(() => {
  const light = c => { const v = c.match(/[\\d.]+/g).slice(0, 3).map(x => x / 255)
    .map(x => x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4);
    return .2126*v[0] + .7152*v[1] + .0722*v[2] };
  const under = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (!/, 0\\)$|transparent/.test(c)) return c } };
  return Math.min(...[...document.querySelectorAll('body *:not(.avatar)')]
    .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()))
    .map(e => { const [a, b] = [light(getComputedStyle(e).color), light(under(e))].sort((x, y) => y - x);
      return (a + .05) / (b + .05) })) })()"""

RIGHTMOST = "Math.max(...[...document.querySelectorAll('body *')].map(e => e.getBoundingClientRect().right))"


@pytest.fixture(scope="module")
def page():
    with browser(executable()) as opened:
        yield opened


@pytest.fixture(scope="module")
def made():
    long = modal("w" * 150)
    views = {"modal": slack.view_html(modal()), "modal-dark": slack.view_html(modal(), dark=True)}
    views |= {"home": slack.view_html(modal(kind="home")), "unbroken": slack.view_html(long)}
    return slack.documents() | views | {"hostile": slack.html(pages("hostile", "zh"), dark=True, language="zh")}


NAMES = [*slack.documents(), "modal", "modal-dark", "home", "unbroken", "hostile"]


@in_a_browser
@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_cut_pale_or_fetched(page, made, tmp_path, name):
    file = tmp_path / "page.html"
    file.write_text(made[name], encoding="utf-8")
    page.open(file)
    width = page.run("document.body.offsetWidth")
    assert page.run("document.documentElement.scrollWidth") == 1280
    assert page.run(RIGHTMOST) <= width
    assert page.run(CONTRAST) >= 4.5  # WCAG 2.1, level AA, text of normal size
    assert page.complaints == []


@in_a_browser
def test_a_picture_is_as_large_as_what_it_shows(tmp_path):
    short, long = ({"type": "modal", "title": plain("T"), "blocks": [control("timepicker")] * n} for n in (1, 30))
    views = {"short": slack.view_html(short), "long": slack.view_html(long, dark=True)}
    files = list(slack.make_pictures(views, tmp_path))
    sizes = [struct.unpack(">II", file.read_bytes()[16:24]) for file in files]
    assert [file.name for file in files] == ["short.png", "long.png"]
    assert {width for width, _ in sizes} == {900}
    assert sizes[0][1] < 400
    assert sizes[1][1] > 3000
