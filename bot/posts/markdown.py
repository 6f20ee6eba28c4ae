"""The report as Markdown. Pure.

Untrusted texts reach it only through `_markdown_line`; the type `Markdown` enforces that.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NewType, assert_never

from bot.posts.chapter import Chapter, Nested, chapters_of, link, title_of
from bot.posts.labels import period_label, plain
from bot.texts import Texts
from bot.values import (
    Attachment,
    Buttons,
    Digest,
    Entry,
    Fields,
    Importance,
    Line,
    Message,
    Post,
    Span,
    Table,
    Text,
)

Markdown = NewType("Markdown", str)
"""CommonMark with GitHub's tables, in which untrusted texts are escaped."""


def markdown(digests: Sequence[Digest], texts: Texts) -> str:
    """The report of one or more digests as Markdown: CommonMark with GitHub's tables.

    Its only HTML are the anchors before headings; it ends in a newline.
    """
    chapters = chapters_of(digests, texts)
    blocks = [_heading(1, plain(title_of(digests, texts)))]
    if len(chapters) > 1:
        blocks.append(_list(Nested((Span(c.digest.repository.title, f"#{c.anchor}"),)) for c in chapters))
    for chapter in chapters:
        blocks += _markdown_chapter(chapter)
    return "\n\n".join(block for block in blocks if block) + "\n"


def said(posts: Sequence[Post]) -> str:
    """The bot's answers as Markdown, without buttons and files; it ends in a newline."""
    messages = [message for post in posts for message in (post.headline, *post.replies)]
    blocks = [block for message in messages for block in (_heading(2, message.title), *_said(message))]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _said(message: Message) -> Iterator[Markdown]:
    for part in message.parts:
        match part:
            case Text():
                if part.heading:
                    yield _heading(3, plain(part.heading))
                lines = map(Nested, part.lines) if part.bullets else ()
                yield _list(lines) if part.bullets else Markdown("\n\n".join(map(_markdown_line, part.lines)))
            case Table():
                if part.heading:
                    yield _heading(3, plain(part.heading))
                yield _table((tuple(map(plain, part.columns)), *part.rows))
            case Fields():
                yield _list(Nested((Span(name, strong=True), Span(part.colon), *line)) for name, line in part.items)
            case Buttons() | Attachment():
                pass
            case _:
                assert_never(part)


def _markdown_chapter(chapter: Chapter) -> list[Markdown]:
    digest, texts = chapter.digest, chapter.texts
    blocks = [
        _heading(2, plain(digest.repository.title), chapter.anchor),
        _markdown_line(plain(period_label(digest, texts))),
        *([_heading(3, plain(texts("release.heading"))), _list(chapter.released)] if digest.releases else []),
        *(_markdown_line(line) for line in chapter.opening),
    ]
    if not chapter.entries:
        return blocks
    numbers = _markdown_line(plain(" · ".join(chapter.statistics)))
    counted = [_heading(3, plain(f"📊 {texts('report.statistics')}")), numbers, *_markdown_themes(chapter)]
    blocks += _markdown_rollup(chapter, counted) if digest.rollup else [_markdown_table(chapter), *counted]
    blocks += [_heading(3, plain(f"📋 {texts('report.contents')}")), _markdown_contents(chapter)]
    for importance, entries in chapter.tiers:
        blocks.append(_heading(3, plain(chapter.tier_title(importance)), chapter.tier_anchor(importance)))
        for entry in entries:
            blocks += _markdown_entry(chapter, entry)
    return blocks


def _markdown_themes(chapter: Chapter) -> list[Markdown]:
    if not chapter.digest.themes:
        return []
    return [_heading(3, plain(chapter.texts("digest.themes"))), _list(map(chapter.theme, chapter.digest.themes))]


def _markdown_rollup(chapter: Chapter, counted: Sequence[Markdown]) -> list[Markdown]:
    """The statistics and the rollup's sections, then the table, which only the report has in full."""
    blocks = list(counted)
    for heading, anchor, lines in chapter.rolled_up:
        blocks += [_heading(3, plain(heading), anchor), _list(map(Nested, lines))]
    return [*blocks, _heading(3, plain(chapter.texts("report.commits"))), _markdown_table(chapter)]


def _markdown_table(chapter: Chapter) -> Markdown:
    return _table([tuple(plain(c) for c in chapter.columns), *map(chapter.row, chapter.entries)])


def _table(rows: Sequence[Sequence[Line]]) -> Markdown:
    """A table; its first row is the header."""
    lines = ["| " + " | ".join(map(_markdown_line, row)) + " |" for row in rows]
    return Markdown("\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]]))


def _markdown_contents(chapter: Chapter) -> Markdown:
    items = []
    for importance, entries in chapter.tiers:
        title = (Span(chapter.tier_title(importance), f"#{chapter.tier_anchor(importance)}"),)
        items.append(Nested(title, tuple(map(chapter.to_analysis, entries))))
    return _list(items)


def _markdown_entry(chapter: Chapter, entry: Entry) -> list[Markdown]:
    blocks = [_heading(4, chapter.subject(entry), chapter.anchor_of(entry))]
    colon = chapter.texts("report.colon")
    facts = [(Span(name, strong=True), Span(colon), *line) for name, line in chapter.facts(entry)]
    if entry.grade.importance is Importance.HIGH:
        blocks.append(_list(map(Nested, facts)))
    else:
        blocks.append(Markdown(" · ".join(map(_markdown_line, facts))))
    for part in chapter.parts(entry):
        blocks += [_heading(5, plain(part.heading))] if part.heading else []
        blocks += [_markdown_line(item.line) for item in part.items] if part.prose else [_list(part.items)]
    return blocks


def _heading(level: int, line: Line, anchor: str = "") -> Markdown:
    heading = f"{'#' * level} {_markdown_line(line)}"
    return Markdown(f'<a id="{anchor}"></a>\n\n{heading}' if anchor else heading)


def _list(items: Iterable[Nested]) -> Markdown:
    lines = []
    for item in items:
        lines.append(f"- {_markdown_line(item.line)}")
        lines += [f"  - {_markdown_line(line)}" for line in item.below]
    return Markdown("\n".join(lines))


# A backslash escapes these (CommonMark 2.4); `&`, `<` and `>` become entities, which older parsers know.
_SYNTAX = re.compile(r"[\\`*_~^\[\]|$]")


_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


# What a line must not start with (headings, lists, rules), and the closing run that a heading would lose.
_START = re.compile(r"^(?:(\d{1,9})(?=[.)](?:\s|$))|(?=[-+=#]))")


_END = re.compile(r"(?<!#)#+$")


# GitHub links these in the text after Markdown is done, so no escape reaches them: addresses, mentions, issue numbers.
# A zero-width space prevents it; untrusted texts cannot contain one, since `sanitize` removes it.
_AUTOLINK = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)(?=\S)|(?<=#)(?=\d)|(?<=\bGH-)(?=\d)", re.IGNORECASE)


_BREAK = "\u200b"


def _markdown_line(line: Line) -> Markdown:
    """A line as one line of Markdown, in which only its own bold, code and links have a meaning."""
    joined = "".join(map(_markdown_span, line)).strip()
    joined = _END.sub(lambda run: r"\#" * len(run.group()), joined)
    if joined.startswith("[`") and "]:" in joined:
        # `[…]:` at the start of a paragraph defines a link before code is looked for (CommonMark 4.7).
        return Markdown(f"&#8203;{joined}")
    return Markdown(_START.sub(r"\1\\", joined))


def _markdown_span(span: Span) -> str:
    text = re.sub(r"\s", " ", span.text)
    url = link(span.url).replace("&", "&amp;")
    if not text.strip():
        return " " if text else ""
    if span.code:
        body = _code(text)
    else:
        body = _escaped(text if url else _AUTOLINK.sub(_BREAK, text)).replace(_BREAK, "&#8203;")
    body = f"[{body}]({url})" if url else body
    return f"**{body.strip()}**" if span.strong else body


def _escaped(text: str) -> str:
    escaped = _SYNTAX.sub(r"\\\g<0>", text)
    return re.sub("[&<>]", lambda found: _ENTITIES[found.group()], escaped)


def _code(text: str) -> str:
    """A code span: fenced by one backtick more than its longest run, padded if it begins or ends with one."""
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    text = text.strip()
    pad = " " if "`" in (text[0], text[-1]) else ""
    return f"{fence}{pad}{text}{pad}{fence}"
