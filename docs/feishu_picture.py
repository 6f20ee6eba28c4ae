"""Draw what the bot posts to Feishu, from the very cards it sends: `python docs/feishu_picture.py`.

The sample digest of the tests becomes card JSON as in a post, the cards become HTML with a look of its own that is near
enough to a chat's, and a headless Chromium takes the pictures into `docs/pictures`. Nothing is fetched: no font, no
script, no image. To add a picture, add a line to `documents`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# The samples are the tests'; the project may not be installed.
sys.path[:0] = [path for path in (str(ROOT), str(ROOT / "tests"), str(ROOT / "docs")) if path not in sys.path]

from markdown_it import MarkdownIt  # noqa: E402
from markdown_it.token import Token  # noqa: E402
from samples import Language, digest  # noqa: E402
from slack_picture import make_pictures  # noqa: E402

from adapters.chats.feishu import forms  # noqa: E402
from adapters.chats.feishu.cards import Card, render  # noqa: E402
from bot.conversation.forms import subscribe_form  # noqa: E402
from bot.posts import post as digests  # noqa: E402
from bot.texts import Texts  # noqa: E402
from bot.values import Message, Place, Subscription  # noqa: E402

Element = Mapping[str, Any]

BOT = "Commit Digest"
INITIALS = "CD"

# What Feishu itself says around a message.
_WORDS: dict[str, dict[str, str]] = {
    "en": {"chat": "Commits", "bot": "BOT", "thread": "Topic", "more": "{} more replies", "choose": "Choose"},
    "zh": {"chat": "代码日报", "bot": "机器人", "thread": "话题", "more": "还有 {} 条回复", "choose": "请选择"},
}
_TAGS = {"zh": "zh-Hans"}


# --- Documents -------------------------------------------------------------------------------


def html(
    cards: Sequence[Card | str],
    dark: bool = False,
    *,
    bar: str = "",
    language: str = "en",
    phone: bool = False,
    opened: int = 0,
) -> str:
    """A chat or a topic as an HTML document; a `str` among the cards is a line across, such as `9 more replies`.

    On a `phone` it is narrow. `opened` panels, the first of those that are closed, are shown as if they were pressed.
    """
    words = _WORDS[language]
    drawer = _Drawer(words, opened)
    shown = "".join(_across(card) if isinstance(card, str) else _message(card, drawer, words) for card in cards)
    scheme, width = "dark" if dark else "light", "phone" if phone else "desk"
    return (
        f'<!doctype html><html lang="{_TAGS.get(language, language)}" class="{scheme}"><head><meta charset="utf-8">'
        f'{_POLICY}<title>{BOT}</title><style>{_CSS}</style></head><body class="{width}">'
        f'<div class="bar">{escape(bar or words["chat"])}</div><main>{shown}</main></body></html>\n'
    )


def _message(card: Card, drawer: _Drawer, words: Mapping[str, str]) -> str:
    who = f'<div class="who"><span>{BOT}</span><span class="app">{words["bot"]}</span></div>'
    wide = " wide" if card.get("config", {}).get("width_mode") == "fill" else ""
    header = _header(card["header"]) if "header" in card else ""
    body = drawer.elements(card["body"]["elements"])
    return (
        f'<article><div class="avatar">{INITIALS}</div><div class="said">{who}'
        f'<section class="card{wide}">{header}<div class="body">{body}</div></section></div></article>'
    )


def _header(header: Element) -> str:
    tags = "".join(
        f'<span class="tag {_color(tag)}">{_plain(tag["text"])}</span>' for tag in header.get("text_tag_list", ())
    )
    return f'<header class="{_color(header, "template")}"><h2>{_plain(header["title"])}</h2>{tags}</header>'


def _across(text: str) -> str:
    return f'<div class="across">{escape(text)}</div>'


_COLORS = ("red", "orange", "green", "blue", "grey")


def _color(thing: Element, name: str = "color") -> str:
    """A colour that has looks here."""
    return thing[name] if thing.get(name) in _COLORS else "blue"


def _plain(text: Element | None) -> str:
    """Plain text, which is shown as it is."""
    return escape(text["content"]) if text else ""


# --- Elements --------------------------------------------------------------------------------


class _Drawer:
    """Draws elements; knows how many closed panels are yet to be shown open."""

    def __init__(self, words: Mapping[str, str], opened: int) -> None:
        self._words = words
        self._opened = opened
        self._drawn: dict[str, Callable[[Element], str]] = {
            "markdown": lambda element: f'<div class="text">{_markdown(element["content"])}</div>',
            "div": self._div,
            "table": self._table,
            "chart": self._chart,
            "collapsible_panel": self._panel,
            "column_set": self._column_set,
            "button": self._button,
            "form": lambda element: f'<div class="form">{self.elements(element["elements"])}</div>',
            "input": self._input,
            "picker_time": self._time,
            "select_static": self._select,
            "multi_select_static": self._chips,
        }

    def elements(self, elements: Sequence[Element]) -> str:
        """Elements beneath each other."""
        return "".join(self._drawn[element["tag"]](element) for element in elements)

    def _div(self, element: Element) -> str:
        text = element["text"]
        look = f"{_color(text, 'text_color')} " if "text_color" in text else ""
        return f'<div class="text plain {look}{escape(text.get("text_size", "normal"))}">{_plain(text)}</div>'

    def _panel(self, element: Element) -> str:
        expanded = element["expanded"]
        if not expanded and self._opened:
            self._opened, expanded = self._opened - 1, True
        inside = f'<div class="inside">{self.elements(element["elements"])}</div>' if expanded else ""
        title = f'<div class="name{" up" if expanded else ""}">{_plain(element["header"]["title"])}</div>'
        return f'<div class="panel">{title}{inside}</div>'

    def _column_set(self, element: Element) -> str:
        columns = "".join(f"<div>{self.elements(column['elements'])}</div>" for column in element["columns"])
        return f'<div class="{"halves" if element["flex_mode"] == "bisect" else "flow"}">{columns}</div>'

    @staticmethod
    def _button(element: Element) -> str:
        kind = element["type"] if element["type"] in ("danger", "primary_filled") else ""
        return f'<span class="button {kind}">{_plain(element["text"])}</span>'

    # --- Tables and charts -------------------------------------------------------------------

    @staticmethod
    def _table(element: Element) -> str:
        """The rows that are shown at once, and beneath them how many such pages there are."""
        columns, size = element["columns"], element["page_size"]
        head = "".join(f'<th class="w{_step(c)}">{escape(c["display_name"])}</th>' for c in columns)
        rows = "".join(
            f"<tr>{''.join(_cell(c['data_type'], row.get(c['name'], '')) for c in columns)}</tr>"
            for row in element["rows"][:size]
        )
        pages = -(-len(element["rows"]) // size)
        turn = f'<div class="turn"><span>‹</span> 1 / {pages} <span>›</span></div>' if pages > 1 else ""
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        return f'<div class="grid"><div class="slide">{table}</div>{turn}</div>'

    @staticmethod
    def _chart(element: Element) -> str:
        """A ring and its legend."""
        spec = element["chart_spec"]
        values = [value[spec["valueField"]] for value in spec["data"]["values"]]
        total, at, arcs = sum(values) or 1, 0.0, ""
        for value, color in zip(values, spec["color"], strict=True):
            arcs += (
                f'<circle r="15.9" cx="21" cy="21" fill="none" stroke="{escape(color)}" stroke-width="7" '
                f'stroke-dasharray="{100 * value / total:.2f} 100" stroke-dashoffset="{-at:.2f}"/>'
            )
            at += 100 * value / total
        names = "".join(f"<li>{escape(value[spec['categoryField']])}</li>" for value in spec["data"]["values"])
        return f'<div class="chart"><svg viewBox="0 0 42 42">{arcs}</svg><ul class="legend">{names}</ul></div>'

    # --- What is filled in -------------------------------------------------------------------

    @staticmethod
    def _field(filled: str, element: Element, kind: str = "") -> str:
        hint = f'<span class="hint">{_plain(element.get("placeholder"))}</span>'
        return f'<div class="field {kind}"><span>{filled or hint}</span></div>'

    def _input(self, element: Element) -> str:
        return self._field(escape(element.get("default_value", "")), element)

    def _time(self, element: Element) -> str:
        return self._field(escape(element.get("initial_time", "")), element, "menu")

    def _select(self, element: Element) -> str:
        number = element.get("initial_index", 0)
        chosen = _plain(element["options"][number - 1]["text"]) if number else self._words["choose"]
        return self._field(chosen, element, "menu")

    def _chips(self, element: Element) -> str:
        ticked = [option for option in element["options"] if option["value"] in element["selected_values"]]
        chips = "".join(f'<span class="chip">{_plain(option["text"])}</span>' for option in ticked)
        return self._field(chips or self._words["choose"], element, "menu")


def _step(column: Element) -> int:
    """The class of a column's width: steps of 10 px."""
    return -(-int(column["width"].removesuffix("px")) // 10)


def _cell(kind: str, value: Any) -> str:
    match kind:
        case "options":
            made = "".join(f'<span class="tag {_color(o)}">{escape(o["text"])}</span>' for o in value)
        case "markdown":
            made = _markdown(value)
        case _:
            made = escape(value)
    return f'<td class="{kind}">{made}</td>'


# --- Markdown --------------------------------------------------------------------------------

_PARSER = MarkdownIt("commonmark", {"html": False})
_MARKUP = {
    "strong_open": "<b>",
    "strong_close": "</b>",
    "softbreak": "<br>",
    "hardbreak": "<br>",
    "bullet_list_open": "<ul>",
    "bullet_list_close": "</ul>",
    "list_item_open": "<li>",
    "list_item_close": "</li>",
    "paragraph_open": "<p>",
    "paragraph_close": "</p>",
}


def _markdown(content: str) -> str:
    """Markdown as the bot writes it: paragraphs, lists, bold words, code, links; anything else is its text."""
    return "".join(_tokens(_PARSER.parse(content)))


def _tokens(tokens: Sequence[Token]) -> Iterator[str]:
    closing: list[str] = []
    for token in tokens:
        if token.type == "inline":
            yield from _tokens(token.children or ())
        elif token.type == "link_open":
            url = str(token.attrs["href"])
            is_web = url.startswith(("https://", "http://"))
            yield f'<a href="{escape(url)}" rel="noreferrer">' if is_web else ""
            closing.append("</a>" if is_web else "")
        elif token.type == "link_close":
            yield closing.pop()
        elif token.type == "code_inline":
            yield f"<code>{escape(token.content)}</code>"
        elif token.hidden:
            continue
        else:
            yield _MARKUP.get(token.type, escape(token.content))


# --- Looks -----------------------------------------------------------------------------------

_POLICY = """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">"""

_CSS = (
    """
:root { --paper: #f5f6f7; --card: #fff; --ink: #1f2329; --soft: #646a73; --line: #dee0e3; --link: #245bdb;
  --wash: #f2f3f5; --red: #fde2e2; --on-red: #ac2f28; --orange: #feead2; --on-orange: #8f4f04; --green: #d9f5d6;
  --on-green: #186010; --blue: #e1eaff; --on-blue: #1c4cba; --grey: #eff0f1; --on-grey: #51565d; --go: #245bdb;
  color-scheme: light }
.dark { --paper: #141414; --card: #1f1f1f; --ink: #ebebeb; --soft: #a6a6a6; --line: #3d3d3d; --link: #75a4ff;
  --wash: #292929; --red: #4d1a18; --on-red: #ff9e99; --orange: #4a2e0b; --on-orange: #ffbf75; --green: #1a3d17;
  --on-green: #8ee085; --blue: #152340; --on-blue: #8fb4ff; --grey: #373737; --on-grey: #c2c2c2; --go: #2f66e0;
  color-scheme: dark }
* { box-sizing: border-box }
html { background: var(--paper) }
body { margin: 0; background: var(--paper); color: var(--ink); overflow-wrap: anywhere;
  font: 14px/1.57 "Helvetica Neue", Arial, "Liberation Sans", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei",
    "Noto Color Emoji", "Apple Color Emoji", sans-serif }
.desk { width: 900px } .phone { width: 375px }
.bar { padding: 13px 22px; border-bottom: 1px solid var(--line); background: var(--card); font-size: 17px;
  font-weight: bold }
main { padding: 10px 0 16px }
a { color: var(--link); text-decoration: none }
p, ul, h2 { margin: 0 }
p + p { margin-top: 8px }
ul { padding-left: 20px }
code { padding: 1px 4px; border-radius: 4px; background: var(--wash);
  font: 12.5px/1.4 "DejaVu Sans Mono", Menlo, Consolas, "Noto Sans Mono CJK SC", monospace }
article { display: flex; gap: 10px; padding: 8px 22px }
.avatar { flex: none; width: 36px; height: 36px; border-radius: 50%; color: #fff;
  background: linear-gradient(135deg, #3d4fb5, #7a3fa8);
  font: bold 14px/36px Arial, "Liberation Sans", sans-serif; text-align: center }
.said { flex: 1; min-width: 0 }
.who { display: flex; align-items: center; gap: 6px; margin-bottom: 4px; color: var(--soft); font-size: 12.5px }
.app { padding: 0 4px; border-radius: 3px; background: var(--orange); color: var(--on-orange); font-size: 10px;
  line-height: 16px }
.across { display: flex; align-items: center; gap: 12px; padding: 6px 22px 6px 68px; color: var(--soft);
  font-size: 13px }
.across::after { content: ""; flex: 1; border-top: 1px solid var(--line) }
.card { max-width: 600px; border: 1px solid var(--line); border-radius: 8px; background: var(--card);
  overflow: hidden }
.wide { max-width: none }
header { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 8px; padding: 11px 12px }
h2 { font-size: 16px; line-height: 1.45 }
.body { display: flex; flex-direction: column; gap: 8px; padding: 12px }
.tag { display: inline-block; padding: 0 6px; border-radius: 4px; font-size: 12.5px; line-height: 20px;
  white-space: nowrap }
header .tag { background: var(--card) }
.plain { white-space: pre-wrap } .notation { font-size: 12px }
.text.red { color: var(--on-red) } .text.grey { color: var(--soft) }
.panel { border: 1px solid var(--line); border-radius: 5px }
.name { display: flex; justify-content: space-between; align-items: center; padding: 6px 10px }
.name::after, .menu::after { content: ""; flex: none; width: 7px; height: 7px; margin: -4px 4px 0;
  border: solid var(--soft); border-width: 0 1.5px 1.5px 0; transform: rotate(45deg) }
.up::after { margin-top: 4px; transform: rotate(225deg) }
.inside { padding: 8px 10px; border-top: 1px solid var(--line) }
.halves { display: grid; grid-template-columns: 1fr 1fr; gap: 8px }
.flow { display: flex; flex-wrap: wrap; gap: 8px }
.button { display: inline-block; padding: 4px 12px; border: 1px solid var(--line); border-radius: 6px;
  background: var(--card) }
.body > .button, .form > .button { align-self: start }
.danger { border-color: var(--on-red); color: var(--on-red) }
.primary_filled { border-color: var(--go); background: var(--go); color: #fff }
.grid { border: 1px solid var(--line); border-radius: 8px; overflow: hidden }
.slide { overflow: hidden }
table { width: 100%; border-collapse: collapse }
th, td { padding: 7px 10px; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top;
  line-height: 1.5 }
th { background: var(--grey); color: var(--on-grey) }
tr:last-child td { border-bottom: 0 }
.phone table { width: max-content; table-layout: fixed }
.turn { padding: 5px 12px; border-top: 1px solid var(--line); color: var(--soft); text-align: right;
  font-size: 12.5px }
.turn span { padding: 0 6px }
.chart { display: flex; align-items: center; justify-content: center; gap: 24px; height: 140px }
.chart svg { height: 120px; width: 120px; transform: rotate(-90deg) }
.legend { padding: 0; list-style: none }
.form { display: flex; flex-direction: column; gap: 6px }
.form > .text:not(.notation) { margin-top: 6px; font-weight: bold }
.form > .button { margin-top: 12px }
.field { display: flex; justify-content: space-between; align-items: center; min-height: 34px; padding: 5px 10px;
  border: 1px solid var(--line); border-radius: 6px; background: var(--card) }
.hint { color: var(--soft) }
.chip { display: inline-block; margin: 1px 6px 1px 0; padding: 0 8px; border-radius: 4px; background: var(--grey) }
.phone article { gap: 8px; padding: 8px 10px }
.phone .avatar { width: 28px; height: 28px; font-size: 11px; line-height: 28px }
"""
    + "".join(f".{color} {{ background: var(--{color}); color: var(--on-{color}) }}\n" for color in _COLORS)
    + ".text.red, .text.grey { background: none }\n"
    + "".join(f".w{n} {{ width: {10 * n}px }}\n" for n in range(8, 61))
)


# --- Pictures --------------------------------------------------------------------------------


def documents() -> dict[str, str]:
    """Every picture's name, and the document it shows. A further one is a line here."""
    english, chinese = _headline("en"), _thread("zh")
    topic = _WORDS["zh"]["thread"]
    form = subscribe_form(
        Subscription(Place("feishu", "oc_1"), "example/harbor", "0 9 * * mon-fri", "Asia/Shanghai", "zh"),
        False,
        Texts("zh"),
    )
    return {
        "feishu-digest-light": html(english),
        "feishu-digest-dark": html(english, dark=True),
        "feishu-analysis-light": html(chinese, bar=topic, language="zh", opened=1),
        "feishu-analysis-dark": html(chinese, dark=True, bar=topic, language="zh", opened=1),
        "feishu-phone-light": html(_headline("zh"), language="zh", phone=True),
        "feishu-form-light": html([forms.card(form, {})], language="zh"),
    }


def _messages(language: Language) -> tuple[Message, ...]:
    """The sample day as it is posted."""
    post = digests.post(digest("normal", language), Texts(language))
    return (post.headline, *post.replies)


def _headline(language: Language) -> tuple[Card, ...]:
    return render(_messages(language)[0]).pages


def _thread(language: Language) -> tuple[Card | str, ...]:
    """The first high commit and the rest of the day; the other high ones look the same."""
    _, first, *others, rest = _messages(language)
    between = _WORDS[language]["more"].format(sum(len(render(message).pages) for message in others))
    return (*render(first).pages, between, *render(rest).pages)


if __name__ == "__main__":
    for made in make_pictures(documents()):
        print(f"{made.relative_to(ROOT)} {made.stat().st_size:,}")
