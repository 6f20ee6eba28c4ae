"""Feishu's pictures: their HTML says all that the cards show, runs nothing, links only to the web, fits its page."""

from pathlib import Path

import pytest
from browser import browser, executable
from feishu_checks import markdown_shown
from pictures import Read, loaded
from samples import HOSTILE, digest

from adapters.chats.feishu import forms
from adapters.chats.feishu.cards import render
from bot.languages import LANGUAGES
from bot.posts import post as digests
from bot.texts import Texts
from bot.values import (
    Button,
    Buttons,
    Count,
    Fields,
    Form,
    Importance,
    Input,
    InputKind,
    Message,
    Problem,
    Span,
    Table,
    Text,
)

FILE = Path(__file__).resolve().parent.parent / "docs" / "feishu_picture.py"
TAGS = {
    "html", "head", "meta", "title", "style", "body", "div", "main", "article", "section", "header", "span", "b", "a",
    "code", "ul", "li", "p", "br", "h2", "table", "thead", "tbody", "tr", "th", "td", "svg", "circle",
}  # fmt: skip
ATTRIBUTES = {"lang", "class", "charset", "http-equiv", "content", "href", "rel"}
ATTRIBUTES |= {"viewbox", "r", "cx", "cy", "fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-dashoffset"}
LARGEST = 250_000
URL = "https://github.com/example/harbor"
in_a_browser = pytest.mark.skipif(executable() is None, reason="no Chromium or Chrome found: apt-get install chromium")


feishu = loaded(FILE)


def squashed(text):
    return "".join(text.split())


def listed(content):
    """The lines of Markdown as they are shown, without what makes a list of them."""
    return [squashed(markdown_shown(line.removeprefix("- "))) for line in content.split("\n")]


def cell_of(column, row):
    cell = row[column["name"]]
    match column["data_type"]:
        case "options":
            return [squashed(option["text"]) for option in cell]
        case "markdown":
            return listed(cell)
        case _:
            return [squashed(cell)]


def texts_of(thing):
    """Every text that a card shows at once: the first rows of a table, panels that are open, and nothing of a menu."""
    if isinstance(thing, list):
        for each in thing:
            yield from texts_of(each)
    if not isinstance(thing, dict):
        return
    match thing.get("tag"):
        case "plain_text":
            yield squashed(thing["content"])
        case "markdown":
            yield from listed(thing["content"])
        case "table":
            yield from (squashed(column["display_name"]) for column in thing["columns"])
            rows = thing["rows"][: thing["page_size"]]
            yield from (text for row in rows for column in thing["columns"] for text in cell_of(column, row))
        case "collapsible_panel":
            yield from texts_of(thing["header"])
            yield from texts_of(thing["elements"]) if thing["expanded"] else ()
        case "select_static" | "multi_select_static" | "picker_time":
            pass
        case _:
            yield from texts_of([part for name, part in thing.items() if name not in ("confirm", "placeholder")])


def cards(kind, language):
    post = digests.post(digest(kind, language), Texts(language))
    return [page for message in (post.headline, *post.replies) for page in render(message).pages]


def everything(word="word"):
    """A message and a form with every element, and `word` wherever one stands."""
    line = (Span(word), Span(word, URL), Span(word, strong=True), Span("a1b2c3d", code=True))
    row = (line, (Span(word),), (Span("🔴 High", importance=Importance.HIGH),))
    parts = (
        Text((line,), heading=word),
        Text((line,) * 6, heading="many", bullets=True),
        Text(((Span("🟢 ", importance=Importance.LOW), *line),) * 3, bullets=True),
        Fields(((word, (Span(word),)),) * 5),
        Table((word, "b", "c"), ((*row[:2], (Span("🟢 Low", importance=Importance.LOW),)), *(row,) * 11)),
        Buttons((Button(word, "a"), Button(word, "b", confirm=word))),
    )
    asked = (
        Input("a", "Label", word, "hint"),
        Input("b", "Label", "", "hint"),
        Input("c", "Label", "08:45", kind=InputKind.TIME),
        Input("d", "Label", "x", kind=InputKind.ONE, choices=(("x", word), ("y", "other"))),
        Input("e", "Label", "x,y", kind=InputKind.SEVERAL, choices=(("x", word), ("y", "other"))),
        Input("f", "Label", "", kind=InputKind.ONE, choices=(("x", word),)),
    )
    form = forms.card(Form(word, "Save", "Cancel", "", "", asked), {}, problem=Problem("a", word))
    counts = (Count(Importance.HIGH, 11, "🔴 11", "🔴 High"), Count(Importance.LOW, 1, "🟢 1", "🟢 Low"))
    return [*render(Message("key", (Span(word),), parts, counts=counts)).pages, form]


# --- What the HTML says ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["normal", "empty", "hostile"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_of_a_card_is_kept_in_its_order(kind, language):
    for card in cards(kind, language):
        said, at = squashed(Read(feishu.html([card], language=language)).said), 0
        for text in (*texts_of(card.get("header")), *texts_of(card["body"])):
            assert text in said[at:], f"{text!r} is missing, or stands earlier"
            at = said.index(text, at) + len(text)


@pytest.mark.parametrize("kind", ["normal", "hostile"])
@pytest.mark.parametrize("dark", [False, True])
def test_no_markup_of_a_commit_becomes_a_tag(kind, dark):
    document = feishu.html(["<script>alert(1)</script>", *cards(kind, "en")], dark, bar="<b onclick=x>", opened=9)
    read = Read(document)
    assert read.tags <= TAGS
    assert read.attributes <= ATTRIBUTES
    assert "<script" not in document
    assert "&lt;script&gt;" in document
    assert read.links
    assert all(link.startswith(f"{URL}/") for link in read.links)


@pytest.mark.parametrize("word", ["word", *filter(str.strip, HOSTILE)])
def test_every_element_says_everything_and_runs_nothing(word):
    made = everything(word)
    document = feishu.html(made, opened=9)
    read = Read(document)
    assert read.tags <= TAGS
    assert read.attributes <= ATTRIBUTES
    assert set(read.links) == {URL}
    shown = squashed(Span(word).text)
    assert all(text in squashed(read.said) for text in texts_of([card["body"] for card in made]))
    assert squashed(read.said).count(shown) > 30
    assert "08:45" in read.said
    assert document.count("<circle ") == 2
    assert "1 / 2" in read.said
    assert 'class="button danger"' in document
    assert 'class="button primary_filled"' in document


@pytest.mark.parametrize("url", ["javascript:alert(1)", "ftp://evil.example", "#top", "//evil.example"])
def test_a_link_to_anything_but_the_web_is_its_words(url):
    card = {"body": {"elements": [{"tag": "markdown", "content": f"[words]({url})"}]}}
    read = Read(feishu.html([card]))
    assert read.links == []
    assert "words" in read.said


def test_panels_are_open_as_the_card_says_or_once_pressed():
    made = everything()
    closed, one, all_of_them = (feishu.html(made, opened=number) for number in (0, 1, 9))
    assert [text.count('class="inside"') for text in (closed, one, all_of_them)] == [1, 2, 2]


def test_dark_and_narrow_are_classes():
    page = cards("empty", "en")
    light = feishu.html(page)
    assert feishu.html(page, dark=True) == light.replace('class="light"', 'class="dark"')
    assert feishu.html(page, phone=True) == light.replace('class="desk"', 'class="phone"')


# --- The pictures ----------------------------------------------------------------------------


def test_the_pictures_are_those_of_the_script_and_small():
    sizes = {file.stem: file.stat().st_size for file in (FILE.parent / "pictures").glob("feishu-*.png")}
    assert set(sizes) == set(feishu.documents())
    assert max(sizes.values()) < LARGEST


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

# A table on a phone goes on behind the edge, where it is moved into sight.
RIGHTMOST = """Math.max(...[...document.querySelectorAll('body *')].filter(e => !e.closest('.phone .slide'))
  .map(e => e.getBoundingClientRect().right))"""


@pytest.fixture(scope="module")
def page():
    with browser(executable()) as opened:
        yield opened


@pytest.fixture(scope="module")
def made():
    long = "w" * 150
    views = {"all": feishu.html(everything(), opened=9), "all-dark": feishu.html(everything(), dark=True)}
    views |= {"unbroken": feishu.html(everything(long)), "narrow": feishu.html(everything(long), phone=True, opened=9)}
    return feishu.documents() | views | {"hostile": feishu.html(cards("hostile", "zh"), dark=True, language="zh")}


NAMES = [*feishu.documents(), "all", "all-dark", "unbroken", "narrow", "hostile"]


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
