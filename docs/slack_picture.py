"""Draw what the bot posts to Slack, from the very blocks it sends: `python docs/slack_picture.py`.

The sample digest of the tests becomes Block Kit as in a post, the blocks become HTML with a look of its own that is
near enough to a channel's, and a headless Chromium takes the pictures into `docs/pictures`. Nothing is fetched: no
font, no script, no image. To add a picture, add a line to `documents`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
# The samples are the tests'; the project may not be installed.
sys.path[:0] = [path for path in (str(ROOT), str(ROOT / "tests")) if path not in sys.path]

from samples import Language, digest  # noqa: E402

from adapters.chats.slack.blocks import Page, render  # noqa: E402
from bot.posts import post as digests  # noqa: E402
from bot.posts.report import attachments  # noqa: E402
from bot.texts import Texts  # noqa: E402
from bot.values import Post  # noqa: E402

Block = Mapping[str, Any]

FOLDER = ROOT / "docs" / "pictures"
BOT = "Commit Digest"
INITIALS = "CD"
CHANNEL = "# commits"
CLOCK = "09:00"

# What Slack itself says around a message.
_WORDS: dict[str, dict[str, str]] = {
    "en": {"replies": "{} replies", "more": "{} more replies", "thread": "Thread"},
    "zh": {"replies": "{} 条回复", "more": "还有 {} 条回复", "thread": "消息列"},
}
_TAGS = {"zh": "zh-Hans"}


# --- Documents -------------------------------------------------------------------------------


def html(pages: Sequence[Page | str], dark: bool = False, *, bar: str = CHANNEL, language: str = "en") -> str:
    """A channel or a thread as an HTML document; a `str` among the pages is a line across, such as `9 replies`."""
    shown = "".join(_across(page) if isinstance(page, str) else _message(page) for page in pages)
    return _document(f'<div class="bar">{escape(bar)}</div><main>{shown}</main>', "channel", dark, language)


def view_html(view: Mapping[str, Any], dark: bool = False, *, language: str = "en") -> str:
    """A modal or a Home tab, as given to `views.open` or `views.publish`, as an HTML document."""
    blocks = _blocks(view.get("blocks", ()))
    if view.get("type") == "home":
        tabs = f'<div class="bar home">{_avatar()}<b>{BOT}</b><span class="tab"></span></div>'
        return _document(f"{tabs}<main>{blocks}</main>", "channel", dark, language)
    ends = f'<span class="button">{_text(view["close"])}</span>' if "close" in view else ""
    ends += f'<span class="button primary">{_text(view["submit"])}</span>' if "submit" in view else ""
    title = f'<div class="title">{_text(view.get("title"))}<span class="close">×</span></div>'
    foot = f'<div class="ends">{ends}</div>' if ends else ""
    return _document(f'<div class="card">{title}<main>{blocks}</main>{foot}</div>', "modal", dark, language)


def _document(body: str, kind: str, dark: bool, language: str) -> str:
    scheme = "dark" if dark else "light"
    return (
        f'<!doctype html><html lang="{_TAGS.get(language, language)}" class="{scheme}"><head><meta charset="utf-8">'
        f'{_POLICY}<title>{BOT}</title><style>{_CSS}</style></head><body class="{kind}">{body}</body></html>\n'
    )


def _message(page: Page) -> str:
    head = f'<div class="who"><b>{BOT}</b><span class="app">APP</span><span class="clock">{CLOCK}</span></div>'
    return f'<article>{_avatar()}<div class="said">{head}{_blocks(page.blocks)}</div></article>'


def _avatar() -> str:
    return f'<div class="avatar">{INITIALS}</div>'


def _across(text: str) -> str:
    return f'<div class="across">{escape(text)}</div>'


# --- Blocks ----------------------------------------------------------------------------------


def _blocks(blocks: Sequence[Block]) -> str:
    return "".join(_BLOCKS.get(block.get("type", ""), _unknown)(block) for block in blocks)


def _header(block: Block) -> str:
    return f"<h2>{_text(block['text'])}</h2>"


def _context(block: Block) -> str:
    return f'<div class="context">{"".join(f"<span>{_text(e)}</span>" for e in block["elements"])}</div>'


def _divider(_: Block) -> str:
    return "<hr>"


def _section(block: Block) -> str:
    text = f'<div class="text">{_text(block["text"])}</div>' if "text" in block else ""
    fields = "".join(f'<div class="text">{_text(field)}</div>' for field in block.get("fields", ()))
    fields = f'<div class="fields">{fields}</div>' if fields else ""
    beside = _control(block["accessory"]) if "accessory" in block else ""
    return f'<div class="section"><div>{text}{fields}</div>{beside}</div>'


def _actions(block: Block) -> str:
    return f'<div class="actions">{"".join(map(_control, block["elements"]))}</div>'


def _input(block: Block) -> str:
    optional = '<span class="hint optional"></span>' if block.get("optional") else ""
    hint = f'<div class="hint">{_text(block["hint"])}</div>' if "hint" in block else ""
    label = f'<div class="label">{_text(block.get("label"))}{optional}</div>'
    return f'<div class="input">{label}{_control(block["element"])}{hint}</div>'


def _rich_text(block: Block) -> str:
    return f'<div class="rich">{"".join(map(_element, block["elements"]))}</div>'


def _table(block: Block) -> str:
    """A table; a column of short words is never broken, so that the long one gets the room."""
    rows = block["rows"]
    columns = max(map(len, rows), default=0)
    short = [all(len(_plain(row[n])) <= _SHORT for row in rows if n < len(row)) for n in range(columns)]
    settings = [*(block.get("column_settings") or ()), *[None] * columns]
    kinds = [_cell_kind(short[n], settings[n] or {}) for n in range(columns)]
    made = [_row(row, kinds, "td" if number else "th") for number, row in enumerate(rows)]
    return f"<table><thead>{''.join(made[:1])}</thead><tbody>{''.join(made[1:])}</tbody></table>"


_SHORT = 24


def _cell_kind(short: bool, settings: Block) -> str:
    align = settings.get("align", "left")
    return " ".join((["short"] if short else []) + ([align] if align in ("center", "right") else []))


def _row(row: Sequence[Block], kinds: Sequence[str], tag: str) -> str:
    cells = (f'<{tag} class="{kind}">{_cell(cell)}</{tag}>' for cell, kind in zip(row, kinds, strict=False))
    return f"<tr>{''.join(cells)}</tr>"


def _cell(cell: Block) -> str:
    return "".join(map(_element, cell["elements"])) if cell.get("type") == "rich_text" else _text(cell)


def _unknown(block: Block) -> str:
    """A block that has no looks here yet: its words, so that none is lost."""
    return f'<div class="text">{escape(_plain(block))}</div>'


def _plain(thing: object) -> str:
    """The words of a block, without looks."""
    if isinstance(thing, Mapping):
        own = thing.get("text") or thing.get("alt_text") or (thing.get("url") if thing.get("type") == "link" else "")
        said = own if isinstance(own, str) else _plain(own)
        return said + "".join(_plain(value) for key, value in thing.items() if key != "text")
    return "".join(map(_plain, thing)) if isinstance(thing, list | tuple) else ""


_BLOCKS: dict[str, Callable[[Block], str]] = {
    "header": _header,
    "context": _context,
    "divider": _divider,
    "section": _section,
    "actions": _actions,
    "input": _input,
    "rich_text": _rich_text,
    "table": _table,
}


# --- Text ------------------------------------------------------------------------------------


def _text(text: Block | None) -> str:
    """A text object, or a `raw_text` cell; mrkdwn is shown as it is, since the bot writes none."""
    return escape(_plain(text))


def _element(element: Block) -> str:
    """A section, list, quote or preformatted text of a rich text."""
    inner = element["elements"]
    match element["type"]:
        case "rich_text_list":
            tag = "ol" if element.get("style") == "ordered" else "ul"
            items = "".join(f"<li>{''.join(map(_leaf, item['elements']))}</li>" for item in inner)
            return f'<{tag} class="deep{min(int(element.get("indent", 0)), 3)}">{items}</{tag}>'
        case "rich_text_preformatted":
            return f"<pre>{''.join(map(_leaf, inner))}</pre>"
        case "rich_text_quote":
            return f"<blockquote>{''.join(map(_leaf, inner))}</blockquote>"
        case _:
            return f'<div class="text">{"".join(map(_leaf, inner))}</div>'


def _leaf(leaf: Block) -> str:
    """A leaf with its styles; a link to anything but the web is its words alone."""
    named = (leaf.get(key) for key in ("text", "url", "fallback", "user_id", "channel_id", "range", "name"))
    shown = escape(str(next(filter(None, named), "")))
    for style, tag in (("code", "code"), ("bold", "b"), ("italic", "i"), ("strike", "s")):
        if leaf.get("style", {}).get(style):
            shown = f"<{tag}>{shown}</{tag}>"
    if leaf["type"] != "link" or not _is_web(leaf["url"]):
        return shown
    return f'<a href="{escape(leaf["url"])}" rel="noreferrer">{shown}</a>'


def _is_web(url: str) -> bool:
    try:
        return urlsplit(url).scheme in ("http", "https")
    except ValueError:
        return False


# --- Controls --------------------------------------------------------------------------------


def _control(element: Block) -> str:
    return _CONTROLS.get(element.get("type", ""), _menu)(element)


def _button(element: Block) -> str:
    style = f" {element['style']}" if element.get("style") in ("primary", "danger") else ""
    return f'<span class="button{style}">{_text(element["text"])}</span>'


def _field(element: Block) -> str:
    lines = " lines" if element.get("multiline") else ""
    return f'<div class="field{lines}">{_value(element, element.get("initial_value"))}</div>'


def _menu(element: Block) -> str:
    """Whatever opens a list: a select of any kind, a time, a date."""
    many = element.get("initial_options") or ()
    chips = "".join(f'<span class="chip">{_text(option["text"])}</span>' for option in many)
    return f'<div class="field menu"><span>{chips or _value(element, _chosen(element))}</span></div>'


def _chosen(element: Block) -> str:
    option = element.get("initial_option")
    here = CHANNEL if element.get("default_to_current_conversation") else ""
    kinds = ("time", "date", "conversation", "channel", "user")
    return _plain(option["text"]) if option else next(filter(None, (element.get(f"initial_{k}") for k in kinds)), here)


def _value(element: Block, filled: str | None) -> str:
    """What is filled in, or the placeholder."""
    return escape(filled) if filled else f'<span class="hint">{_text(element.get("placeholder"))}</span>'


def _choices(element: Block) -> str:
    """Checkboxes or radio buttons, one beneath the other."""
    first = element.get("initial_option")
    ticked = [*(element.get("initial_options") or ()), *([first] if first else [])]
    return f'<div class="choices">{"".join(_choice(element["type"], o, o in ticked) for o in element["options"])}</div>'


def _choice(kind: str, option: Block, ticked: bool) -> str:
    shape = f"tick {'round' if kind == 'radio_buttons' else 'square'}{' on' if ticked else ''}"
    more = f'<div class="hint">{_text(option["description"])}</div>' if "description" in option else ""
    return f'<div class="choice"><span class="{shape}"></span><div>{_text(option["text"])}{more}</div></div>'


_CONTROLS: dict[str, Callable[[Block], str]] = {
    "button": _button,
    "plain_text_input": _field,
    "number_input": _field,
    "email_text_input": _field,
    "url_text_input": _field,
    "checkboxes": _choices,
    "radio_buttons": _choices,
}


# --- Looks -----------------------------------------------------------------------------------

_POLICY = """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">"""

_CSS = """
:root { --paper: #fff; --ink: #1f2024; --soft: #5c5f66; --line: #dcdee2; --link: #0f5ea8; --wash: #f5f6f8;
  --code: #b3261e; --go: #0b7450; --stop: #b9233c; --on: #0b7450; --veil: #b9bcc2; color-scheme: light }
.dark { --paper: #1b1d21; --ink: #dcdee1; --soft: #a3a7ae; --line: #3b3e45; --link: #6ab4f5; --wash: #25282d;
  --code: #f09a86; --go: #0b7450; --stop: #b9233c; --on: #2aa57a; --veil: #0e0f11; color-scheme: dark }
* { box-sizing: border-box }
html { background: var(--paper) }
body { margin: 0; width: 900px; background: var(--paper); color: var(--ink); overflow-wrap: anywhere;
  font: 15px/1.47 "Helvetica Neue", Arial, "Liberation Sans", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei",
    "Noto Color Emoji", "Apple Color Emoji", sans-serif }
main { padding: 8px 0 }
a { color: var(--link); text-decoration: none }
code, pre { font: 12.5px/1.5 "DejaVu Sans Mono", Menlo, Consolas, "Noto Sans Mono CJK SC", monospace }
code { padding: 1px 4px; border: 1px solid var(--line); border-radius: 4px; background: var(--wash);
  color: var(--code); box-decoration-break: clone; -webkit-box-decoration-break: clone }
a code { color: var(--link) }
pre { margin: 4px 0; padding: 8px 10px; border: 1px solid var(--line); border-radius: 5px; background: var(--wash);
  white-space: pre-wrap }
blockquote { margin: 4px 0; padding-left: 12px; border-left: 4px solid var(--line); white-space: pre-wrap }
ul, ol { margin: 2px 0; padding-left: 24px }
.deep1 { margin-left: 24px } .deep2 { margin-left: 48px } .deep3 { margin-left: 72px }
li, .text, td, th { white-space: pre-wrap }
h2 { margin: 4px 0 6px; font-size: 18px; line-height: 1.33 }
hr { margin: 14px 0; border: 0; border-top: 1px solid var(--line) }
.bar { padding: 13px 22px; border-bottom: 1px solid var(--line); font-size: 17px; font-weight: bold }
.home { display: flex; align-items: center; gap: 10px; padding-bottom: 0 }
.home .avatar { margin-bottom: 9px }
.home b { margin-bottom: 9px }
.tab { align-self: stretch; margin-left: 14px; padding-top: 7px; border-bottom: 3px solid var(--on); font-size: 14px }
.tab::after { content: "Home" } :lang(zh) .tab::after { content: "主页" }
.home ~ main { padding: 14px 22px }
article { display: flex; gap: 10px; padding: 9px 22px }
.avatar { flex: none; width: 36px; height: 36px; border-radius: 8px; color: #fff;
  background: linear-gradient(135deg, #3d4fb5, #7a3fa8);
  font: bold 14px/36px Arial, "Liberation Sans", sans-serif; text-align: center }
.said { flex: 1; min-width: 0 }
.who { display: flex; align-items: center; gap: 7px; line-height: 1.3 }
.app { padding: 0 4px; border-radius: 3px; background: var(--line); color: var(--ink);
  font-size: 10px; font-weight: bold; line-height: 15px }
.clock, .context, .hint { color: var(--soft); font-size: 12.5px }
.across { display: flex; align-items: center; gap: 12px; padding: 6px 22px 6px 68px; color: var(--soft);
  font-size: 13px }
.across::after { content: ""; flex: 1; border-top: 1px solid var(--line) }
.context { display: flex; flex-wrap: wrap; gap: 4px 10px; margin: 4px 0 }
.rich { margin: 3px 0 }
table { width: 100%; margin: 10px 0 6px; border-collapse: separate; border-spacing: 0; border: 1px solid var(--line);
  border-radius: 8px; font-size: 14px; line-height: 1.4 }
th, td { padding: 5px 10px; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top }
th { background: var(--wash) }
th:first-child { border-top-left-radius: 7px } th:last-child { border-top-right-radius: 7px }
th + th, td + td { border-left: 1px solid var(--line) }
tbody tr:last-child td { border-bottom: 0 }
.short { width: 1% } .short, .short .text { white-space: pre }
.center { text-align: center } .right { text-align: right }
.section { display: flex; justify-content: space-between; gap: 16px; margin: 6px 0 }
.section > :first-child { flex: 1 }
.section > .field { width: 200px; flex: none; align-self: start }
.section > .button { align-self: start }
.fields { display: grid; grid-template-columns: 1fr 1fr; gap: 6px 16px }
.actions { display: flex; flex-wrap: wrap; align-items: center; gap: 8px; margin: 8px 0 4px }
.actions .field { width: auto; min-width: 150px }
.button { flex: none; max-width: 260px; padding: 4px 12px; border: 1px solid var(--line); border-radius: 7px;
  background: var(--paper); font-size: 14px; font-weight: bold }
.primary { border-color: var(--go); background: var(--go); color: #fff }
.danger { border-color: var(--stop); background: var(--stop); color: #fff }
.input { margin: 14px 0 }
.label { margin-bottom: 5px; font-weight: bold } .label .hint { font-weight: normal }
.optional::after { content: " (optional)" } :lang(zh) .optional::after { content: "（可选）" }
.input > .hint { margin-top: 4px }
.field { min-height: 36px; padding: 6px 11px; border: 1px solid var(--soft); border-radius: 7px; white-space: pre-wrap }
.field .hint { font-size: inherit }
.lines { min-height: 84px }
.menu { display: flex; justify-content: space-between; align-items: center; gap: 10px }
.menu::after { content: ""; flex: none; width: 7px; height: 7px; margin: -4px 2px 0; border: solid var(--soft);
  border-width: 0 2px 2px 0; transform: rotate(45deg) }
.chip { display: inline-block; margin: 1px 6px 1px 0; padding: 0 8px; border-radius: 5px; background: var(--line) }
.choice { display: flex; gap: 9px; margin: 5px 0 }
.tick { flex: none; width: 16px; height: 16px; margin-top: 3px; border: 1px solid var(--soft) }
.square { border-radius: 4px } .round { border-radius: 50% }
.on { border-color: var(--on); background: var(--on) }
.square.on::after { content: ""; display: block; width: 5px; height: 9px; margin: 1px auto; border: solid #fff;
  border-width: 0 2px 2px 0; transform: rotate(45deg) }
.round.on { box-shadow: inset 0 0 0 3px var(--paper) }
.modal { width: 600px; padding: 24px 40px; background: var(--veil) }
.card { border: 1px solid var(--line); border-radius: 12px; background: var(--paper) }
.card main { padding: 6px 24px 12px }
.title { display: flex; justify-content: space-between; padding: 16px 24px; border-bottom: 1px solid var(--line);
  font-size: 20px; font-weight: bold; line-height: 1.3 }
.close { color: var(--soft); font-weight: normal }
.ends { display: flex; justify-content: flex-end; gap: 10px; padding: 14px 24px; border-top: 1px solid var(--line) }
"""


# --- Pictures --------------------------------------------------------------------------------

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-device-scale-factor=1.5",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
    "--disable-dev-shm-usage",
)  # fmt: skip
_MEASURE = "<script>document.title = document.body.offsetWidth + ',' + document.body.offsetHeight</script>"


def documents() -> dict[str, str]:
    """Every picture's name, and the document it shows. A further one is a line here."""
    english, chinese = _channel("en"), _channel("zh")
    thread, bar = _thread("en"), f"{_WORDS['en']['thread']} · {CHANNEL}"
    return {
        "slack-digest-light": html(english),
        "slack-digest-dark": html(english, dark=True),
        "slack-thread-light": html(thread, bar=bar),
        "slack-thread-dark": html(thread, dark=True, bar=bar),
        "slack-zh-light": html(chinese, language="zh"),
    }


def make_pictures(documents: Mapping[str, str], folder: Path = FOLDER) -> Iterator[Path]:
    """Save each document as `NAME.png` in `folder`, as large as what it shows."""
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if browser is None:
        raise SystemExit("no Chromium or Chrome found: apt-get install chromium fonts-noto-cjk fonts-noto-color-emoji")
    folder.mkdir(parents=True, exist_ok=True)
    for name, document in documents.items():
        picture = folder / f"{name}.png"
        with TemporaryDirectory() as scratch:
            _shoot(browser, document, picture, Path(scratch))
        yield picture


def _shoot(browser: str, document: str, picture: Path, scratch: Path) -> None:
    """Lay the document out once to learn its size, and once for the picture."""
    file, measured = scratch / "page.html", scratch / "measured.html"
    file.write_text(document, encoding="utf-8")
    measured.write_text(document.replace(_POLICY, "").replace("</body>", f"{_MEASURE}</body>"), encoding="utf-8")
    size = re.search(r"<title>(\d+,\d+)</title>", _run(browser, scratch, "--dump-dom", measured.as_uri()))
    assert size, "the browser did not say how large the page is"
    _run(browser, scratch, f"--screenshot={picture}", f"--window-size={size[1]}", file.as_uri())
    if shutil.which("pngquant"):  # a third of the size; without it the picture is larger and the same
        subprocess.run(["pngquant", "--force", "--strip", "--speed=1", f"--output={picture}", str(picture)], check=True)


def _run(browser: str, scratch: Path, *argv: str) -> str:
    command = [browser, *_FLAGS, f"--user-data-dir={scratch / 'profile'}", *argv]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, check=True).stdout


def _post(language: Language) -> Post:
    """The sample day as it is posted, with the report as files."""
    sample, texts = digest("normal", language), Texts(language)
    return digests.post(sample, texts, attachments(sample, texts))


def _channel(language: Language) -> tuple[Page | str, ...]:
    """The headline; what one message could not hold opens the thread."""
    post = _post(language)
    rendered = [render(message) for message in (post.headline, *post.replies)]
    first, *more = rendered[0].pages
    replies = sum(len(r.pages) + len(r.files) for r in rendered) - 1
    return (first, _WORDS[language]["replies"].format(replies), *more)


def _thread(language: Language) -> tuple[Page | str, ...]:
    """The first high commit and the rest of the day; the other high ones look the same."""
    high = [m for m in _post(language).replies if m.key.startswith("commit:")]
    rest = [m for m in _post(language).replies if m.key == "rest"]
    first, *others = [render(message).pages for message in high]
    between = _WORDS[language]["more"].format(sum(map(len, others)))
    return (*first, between, *(page for message in rest for page in render(message).pages))


if __name__ == "__main__":
    for made in make_pictures(documents()):
        print(f"{made.relative_to(ROOT)} {made.stat().st_size:,}")
