"""The full report of one or more digests as Markdown, as one HTML file, or as JSON. Pure.

The content is gathered once, as lines of spans (`_Chapter`), and laid out twice. Texts from outside reach Markdown only
through `_markdown_line` and HTML only through `_text` and `_tag`: the types `Markdown` and `Html` keep them apart.
The same digests give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json as jsonlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cached_property
from html import escape
from typing import NewType
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from bot.commits.files import ROOT, component, generated
from bot.posts.post import (
    SUBJECT_LIMIT,
    days,
    evidence_line,
    facts,
    grade_label,
    local,
    mark,
    path_url,
    people_label,
    period_label,
    relation_line,
    statistics,
    subject_line,
    titled,
)
from bot.texts import Texts, style
from bot.values import (
    Attachment,
    Commit,
    Digest,
    Entry,
    Importance,
    Line,
    Person,
    Repository,
    Span,
    Theme,
    one_line,
    sanitize,
)

Markdown = NewType("Markdown", str)
"""CommonMark with the tables of GitHub's dialect; everything from outside in it is escaped."""

Html = NewType("Html", str)
"""HTML; everything from outside in it is escaped."""

SCHEMA = 1
"""The version of the JSON form; it grows when a name or a meaning changes."""

_CONTENTS_LIMIT = 100
"""Characters of a subject in the contents; the heading has it whole."""


def attachments(digest: Digest, texts: Texts) -> tuple[Attachment, ...]:
    """The full report of a digest, as Markdown and as HTML."""
    title = re.sub(r"[^\w.-]+", "-", digest.repository.title)  # a title may be a folder's name, with anything in it
    name = f"{title}-{days(digest.period)[0]:%Y-%m-%d}"
    return (
        Attachment(f"{name}.md", markdown((digest,), texts)),
        Attachment(f"{name}.html", html((digest,), texts)),
    )


# --- What the report says --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Item:
    """A line with lines that belong beneath it."""

    line: Line
    below: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of an analysis: a list, or with `plain` paragraphs. `heading` is empty where none is needed."""

    heading: str
    items: tuple[_Item, ...]
    plain: bool = False


@dataclass(frozen=True)
class _Chapter:
    """One digest of the report, in words. `number` counts the digests from 1 and makes the anchors unique."""

    digest: Digest
    number: int
    texts: Texts

    @property
    def anchor(self) -> str:
        return f"r{self.number}"

    def tier_anchor(self, importance: Importance) -> str:
        return f"{self.anchor}-{importance}"

    def anchor_of(self, entry: Entry) -> str:
        return f"{self.anchor}-{self._names[entry.commit.sha]}"

    @cached_property
    def _names(self) -> dict[str, str]:
        """Each commit's short SHA, or the whole one where two begin alike."""
        count = Counter(e.commit.short for e in self.digest.entries)
        return {e.commit.sha: e.commit.short if count[e.commit.short] == 1 else e.commit.sha for e in self.entries}

    @property
    def entries(self) -> tuple[Entry, ...]:
        return self.digest.entries

    @property
    def tiers(self) -> list[tuple[Importance, tuple[Entry, ...]]]:
        """The tiers that have commits; the statistics say which have none."""
        return [(importance, found) for importance, found in self.digest.by_importance.items() if found]

    def tier_title(self, importance: Importance) -> str:
        name, count = self.texts(f"report.{importance}"), len(self.digest.by_importance[importance])
        return self.texts("report.tier", mark=mark(importance, self.texts), name=name, n=count)

    @property
    def opening(self) -> list[Line]:
        """The overview and what is missing."""
        overview = self.digest.overview or ("" if self.entries else self.texts("digest.none"))
        return [_plain(text) for text in (overview, *self.digest.notices)]

    @property
    def statistics(self) -> tuple[str, ...]:
        return statistics(self.digest, self.texts)

    def theme(self, theme: Theme) -> _Item:
        members = {e.commit.sha: e for e in self.entries}
        count = self.texts.count("commits", len(theme.shas))
        title = self.texts("digest.theme", title=theme.title, count=count)
        return _Item(_plain(title), tuple(self.to_analysis(members[s]) for s in theme.shas if s in members))

    def to_analysis(self, entry: Entry) -> Line:
        """The subject as a link to the commit's place in this report."""
        subject = titled(self.digest.repository, entry.commit, _CONTENTS_LIMIT)
        return (Span(subject, f"#{self.anchor_of(entry)}"),)

    def subject(self, entry: Entry, limit: int = 0) -> Line:
        return subject_line(self.digest.repository, entry.commit, limit)

    def landed(self, entry: Entry) -> datetime:
        return local(entry.commit.committed, self.digest.period.zone)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.texts(f"table.{c}") for c in ("time", "author", "message", "importance"))

    def row(self, entry: Entry) -> tuple[Line, ...]:
        """Time, author, message, and the importance as a link to the analysis."""
        importance = entry.grade.importance
        return (
            _plain(_clock(self.landed(entry))),
            _plain(people_label(entry.commit)),
            self.subject(entry, SUBJECT_LIMIT),
            (Span(grade_label(importance, self.texts), f"#{self.anchor_of(entry)}"),),
        )

    def facts(self, entry: Entry) -> tuple[tuple[str, Line], ...]:
        return facts(self.digest.repository, entry, _clock(self.landed(entry)), self.texts)

    def parts(self, entry: Entry) -> list[_Part]:
        """What is said of the commit: as deep as its analysis, and nothing empty."""
        analysis = entry.analysis
        summary = "" if entry.grade.importance is Importance.LOW else self.texts("digest.summary")
        lists = [
            ("relations", [_Item(relation_line(self.digest.repository, r, self.texts)) for r in entry.relations]),
            ("impact", self._impact(entry)),
            ("insight", self._insights(entry)),
            ("risks", self._risks(entry)),
            ("suggestions", [_Item(self._pair(s.who, s.action)) for s in analysis.suggestions]),
            ("inner", self._inner(entry)),
        ]
        parts = [
            _Part(summary, (_Item(_plain(analysis.summary)),), plain=True),
            *(_Part(self.texts(f"digest.{name}"), tuple(items)) for name, items in lists if items),
        ]
        return [*parts, _Part("", (_Item(_plain(analysis.note)),), plain=True)] if analysis.note else parts

    def _pair(self, name: str, text: str) -> Line:
        name = one_line(name)
        return (Span(name, strong=True), Span(self.texts("report.colon") if name and text else ""), Span(text))

    def _impact(self, entry: Entry) -> list[_Item]:
        repository, commit = self.digest.repository, entry.commit
        return [
            _Item(
                self._pair(impact.component, impact.effect),
                tuple((Span(path, path_url(repository, commit, path), code=True),) for path in impact.paths),
            )
            for impact in entry.analysis.impact
        ]

    def _insights(self, entry: Entry) -> list[_Item]:
        repository, sha = self.digest.repository, entry.commit.sha
        return [
            _Item(
                self._pair(self.texts(f"aspect.{insight.aspect}"), insight.text),
                (self._labelled("evidence", evidence_line(repository, sha, insight.evidence)),),
            )
            for insight in entry.analysis.insights
        ]

    def _risks(self, entry: Entry) -> list[_Item]:
        repository, sha = self.digest.repository, entry.commit.sha
        return [
            _Item(
                (Span(risk.text, strong=True),),
                (
                    self._labelled("evidence", evidence_line(repository, sha, risk.evidence)),
                    *([self._labelled("mitigation", _plain(risk.mitigation))] if risk.mitigation else []),
                ),
            )
            for risk in entry.analysis.risks
        ]

    def _labelled(self, name: str, line: Line) -> Line:
        return (Span(self.texts(f"report.{name}") + self.texts("report.colon")), *line)

    def _inner(self, entry: Entry) -> list[_Item]:
        repository = self.digest.repository
        return [
            _Item(
                (
                    Span(inner.sha[:7], repository.commit_url(inner.sha), code=True),
                    Span(f" {one_line(inner.subject)} · {inner.author}"),
                )
            )
            for inner in entry.commit.inner
        ]


def _chapters(digests: Sequence[Digest], texts: Texts) -> list[_Chapter]:
    return [_Chapter(digest, number, texts) for number, digest in enumerate(digests, 1)]


def _title(digests: Sequence[Digest], texts: Texts) -> str:
    ends = [days(digest.period) for digest in digests]
    first, last = min(first.date() for first, _ in ends), max(last.date() for _, last in ends)
    if first == last:
        return texts("report.title", day=first.isoformat())
    return texts("report.title_days", days=texts("digest.days", first=first.isoformat(), last=last.isoformat()))


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _plain(text: str) -> Line:
    return (Span(text),)


def _link(url: str | None) -> str:
    """`url` where it may be a link: an anchor of ours or http(s), every other character that could end it encoded."""
    if not url or url.startswith("#"):
        return url or ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        return ""
    return quote(sanitize(url), safe="%/:?#@!$&+,;=~")


# --- Markdown --------------------------------------------------------------------------------


def markdown(digests: Sequence[Digest], texts: Texts) -> str:
    """The report of one or more digests as Markdown, that is CommonMark with the tables of GitHub's dialect.

    The only HTML in it are the anchors before headings; it ends in a newline.
    """
    chapters = _chapters(digests, texts)
    blocks = [_heading(1, _plain(_title(digests, texts)))]
    if len(chapters) > 1:
        blocks.append(_list(_Item((Span(c.digest.repository.title, f"#{c.anchor}"),)) for c in chapters))
    for chapter in chapters:
        blocks += _markdown_chapter(chapter)
    return "\n\n".join(block for block in blocks if block) + "\n"


def _markdown_chapter(chapter: _Chapter) -> list[Markdown]:
    digest, texts = chapter.digest, chapter.texts
    blocks = [
        _heading(2, _plain(digest.repository.title), chapter.anchor),
        _markdown_line(_plain(period_label(digest, texts))),
        *(_markdown_line(line) for line in chapter.opening),
    ]
    if not chapter.entries:
        return blocks
    blocks += [_markdown_table(chapter), _heading(3, _plain(f"📊 {texts('report.statistics')}"))]
    blocks.append(_markdown_line(_plain(" · ".join(chapter.statistics))))
    if digest.themes:
        blocks += [_heading(3, _plain(texts("digest.themes"))), _list(chapter.theme(t) for t in digest.themes)]
    blocks += [_heading(3, _plain(f"📋 {texts('report.contents')}")), _markdown_contents(chapter)]
    for importance, entries in chapter.tiers:
        blocks.append(_heading(3, _plain(chapter.tier_title(importance)), chapter.tier_anchor(importance)))
        for entry in entries:
            blocks += _markdown_entry(chapter, entry)
    return blocks


def _markdown_table(chapter: _Chapter) -> Markdown:
    rows = [tuple(_plain(c) for c in chapter.columns), *map(chapter.row, chapter.entries)]
    lines = ["| " + " | ".join(map(_markdown_line, row)) + " |" for row in rows]
    return Markdown("\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]]))


def _markdown_contents(chapter: _Chapter) -> Markdown:
    items = []
    for importance, entries in chapter.tiers:
        title = (Span(chapter.tier_title(importance), f"#{chapter.tier_anchor(importance)}"),)
        items.append(_Item(title, tuple(map(chapter.to_analysis, entries))))
    return _list(items)


def _markdown_entry(chapter: _Chapter, entry: Entry) -> list[Markdown]:
    blocks = [_heading(4, chapter.subject(entry), chapter.anchor_of(entry))]
    colon = chapter.texts("report.colon")
    facts = [(Span(name, strong=True), Span(colon), *line) for name, line in chapter.facts(entry)]
    if entry.grade.importance is Importance.HIGH:
        blocks.append(_list(map(_Item, facts)))
    else:
        blocks.append(Markdown(" · ".join(map(_markdown_line, facts))))
    for part in chapter.parts(entry):
        blocks += [_heading(5, _plain(part.heading))] if part.heading else []
        blocks += [_markdown_line(item.line) for item in part.items] if part.plain else [_list(part.items)]
    return blocks


def _heading(level: int, line: Line, anchor: str = "") -> Markdown:
    heading = f"{'#' * level} {_markdown_line(line)}"
    return Markdown(f'<a id="{anchor}"></a>\n\n{heading}' if anchor else heading)


def _list(items: Iterable[_Item]) -> Markdown:
    lines = []
    for item in items:
        lines.append(f"- {_markdown_line(item.line)}")
        lines += [f"  - {_markdown_line(line)}" for line in item.below]
    return Markdown("\n".join(lines))


# A backslash takes every meaning from these (CommonMark 2.4); `&`, `<` and `>` are entities, which older readers know.
_SYNTAX = re.compile(r"[\\`*_~^\[\]|$]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}

# What a line may not begin with (headings, lists, rules), and the closing run that a heading would lose.
_START = re.compile(r"^(?:(\d{1,9})(?=[.)](?:\s|$))|(?=[-+=#]))")
_END = re.compile(r"#+$")

# GitHub links these in the text after Markdown is done, so no escape reaches them: addresses, mentions, issue numbers.
# A zero-width space in them does, and cannot stand in a text from outside, since `sanitize` removes it.
_AUTOLINK = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)(?=\S)|(?<=#)(?=\d)|(?<=\bGH-)(?=\d)", re.IGNORECASE)
_BREAK = "\u200b"


def _markdown_line(line: Line) -> Markdown:
    """A line as Markdown that stays one line and means only its text, its bold, its code and its links."""
    joined = "".join(map(_markdown_span, line)).strip()
    joined = _END.sub(lambda run: r"\#" * len(run.group()), joined)
    if joined.startswith("[`") and "]:" in joined:
        # `[…]:` at the start of a paragraph defines a link before code is looked for (CommonMark 4.7).
        return Markdown(f"&#8203;{joined}")
    return Markdown(_START.sub(r"\1\\", joined))


def _markdown_span(span: Span) -> str:
    text = re.sub(r"\s", " ", span.text)
    url = _link(span.url).replace("&", "&amp;")
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
    """A code span: fenced by one backtick more than the longest run in it, padded where it begins or ends with one."""
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    text = text.strip()
    pad = " " if "`" in (text[0], text[-1]) else ""
    return f"{fence}{pad}{text}{pad}{fence}"


# --- HTML ------------------------------------------------------------------------------------


def html(digests: Sequence[Digest], texts: Texts) -> str:
    """The report of one or more digests as one HTML file without script or outside resource, for any width of screen.

    Its content security policy allows its own style sheet, by hash, and nothing else.
    """
    chapters = _chapters(digests, texts)
    title = _text(_title(digests, texts))
    lists = [_repositories(chapters, texts)] if len(chapters) > 1 else []
    body = _tag(
        "body",
        _tag("a", _text(texts("report.skip")), class_="skip", href="#main"),
        _tag("header", _tag("h1", title), *lists, class_="top"),
        _tag("main", *map(_html_chapter, chapters), id="main"),
    )
    head = _tag("head", *_metadata(), _tag("title", title), _tag("style", Html(style())))
    return f"<!doctype html>\n{_tag('html', head, body, lang=_LANGUAGE_TAGS.get(texts.language, texts.language))}\n"


# The script of Chinese is said, since browsers choose the shapes of characters by it (BCP 47).
_LANGUAGE_TAGS = {"zh": "zh-Hans"}


def _metadata() -> list[Html]:
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src 'none'; base-uri 'none'; form-action 'none'"
    return [
        _tag("meta", charset="utf-8"),
        _tag("meta", http_equiv="Content-Security-Policy", content=policy),
        _tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        _tag("meta", name="referrer", content="no-referrer"),
        _tag("meta", name="color-scheme", content="light dark"),
    ]


def _text(text: str) -> Html:
    return Html(escape(sanitize(text)))


_BLOCKS = frozenset(
    {"article", "caption", "div", "dl", "figure", "h1", "h2", "h3", "h4", "h5", "head", "header", "li", "main", "nav"}
    | {"p", "section", "style", "svg", "tr", "ul"}
)
"""Elements that end in a new line, so that the file can be read and compared; none stands inside a line of text."""


def _tag(element: str, /, *content: Html, **attributes: str) -> Html:
    """An element. A trailing `_` of an attribute's name is dropped, another `_` is a dash; the values are escaped."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(sanitize(value))}"' for key, value in attributes.items()
    )
    end = "" if element == "meta" else f"{''.join(content)}</{element}>"
    return Html(f"<{element}{said}>{end}" + ("\n" if element in _BLOCKS else ""))


def _html_line(line: Line) -> Html:
    return Html("".join(map(_html_span, line)).strip())


def _html_span(span: Span) -> Html:
    body = _text(span.text)
    if not span.text.strip():
        return body
    body = _tag("code", body) if span.code else body
    if url := _link(span.url):
        outside = {} if url.startswith("#") else {"rel": "noopener noreferrer nofollow"}
        body = _tag("a", body, href=url, **outside)
    return _tag("strong", body) if span.strong else body


def _repositories(chapters: Sequence[_Chapter], texts: Texts) -> Html:
    links = [_tag("li", _tag("a", _text(c.digest.repository.title), href=f"#{c.anchor}")) for c in chapters]
    return _tag("nav", _tag("ul", *links), aria_label=texts("report.repositories"), class_="repositories")


def _html_chapter(chapter: _Chapter) -> Html:
    digest, texts, anchor = chapter.digest, chapter.texts, chapter.anchor
    opening = [line for line in map(_html_line, chapter.opening) if line]
    top = [
        _tag("h2", _html_line((Span(digest.repository.title, digest.repository.url),)), id=anchor),
        _tag("p", _text(period_label(digest, texts)), class_="period"),
        *(_tag("p", line, class_="notice" if number else "overview") for number, line in enumerate(opening)),
    ]
    if not chapter.entries:
        return _tag("section", *top, class_="repository", aria_labelledby=anchor)
    top += [_html_statistics(chapter), *_html_themes(chapter), _html_table(chapter)]
    tiers = [_html_tier(chapter, importance, entries) for importance, entries in chapter.tiers]
    return _tag(
        "section",
        _tag("div", *top, class_="summary"),
        _html_contents(chapter),
        _tag("div", *tiers, class_="tiers"),
        class_="repository full",
        aria_labelledby=anchor,
    )


def _html_statistics(chapter: _Chapter) -> Html:
    heading = f"{chapter.anchor}-statistics"
    return _tag(
        "section",
        _tag("h3", _text(chapter.texts("report.statistics")), id=heading),
        _tag("ul", *(_tag("li", _text(part)) for part in chapter.statistics), class_="numbers"),
        _tag("div", *_charts(chapter), class_="charts"),
        aria_labelledby=heading,
    )


def _html_themes(chapter: _Chapter) -> list[Html]:
    if not chapter.digest.themes:
        return []
    heading = f"{chapter.anchor}-themes"
    items = _html_list([chapter.theme(theme) for theme in chapter.digest.themes])
    title = _tag("h3", _text(chapter.texts("digest.themes")), id=heading)
    return [_tag("section", title, items, aria_labelledby=heading, class_="themes")]


def _html_list(items: Sequence[_Item]) -> Html:
    return _tag("ul", *map(_html_item, items))


def _html_item(item: _Item) -> Html:
    below = [_tag("ul", *(_tag("li", _html_line(line)) for line in item.below))] if item.below else []
    return _tag("li", _html_line(item.line), *below)


def _html_table(chapter: _Chapter) -> Html:
    """The table; its roles are said, since a narrow screen lays the rows out as cards and would lose them."""
    heads = [_tag("th", _text(column), scope="col", role="columnheader") for column in chapter.columns]
    return _tag(
        "table",
        _tag("caption", _text(chapter.texts("report.commits"))),
        _tag("thead", _tag("tr", *heads, role="row"), role="rowgroup"),
        _tag("tbody", *(_html_row(chapter, entry) for entry in chapter.entries), role="rowgroup"),
        role="table",
    )


def _html_row(chapter: _Chapter, entry: Entry) -> Html:
    clock, author, message, importance = map(_html_line, chapter.row(entry))
    moment = chapter.landed(entry).isoformat()
    return _tag(
        "tr",
        _tag("td", _tag("time", clock, datetime=moment), role="cell", class_="time"),
        _tag("td", author, role="cell", class_="author"),
        _tag("th", message, scope="row", role="rowheader"),
        _tag("td", importance, role="cell", class_="importance"),
        role="row",
    )


def _html_contents(chapter: _Chapter) -> Html:
    heading = f"{chapter.anchor}-contents"
    tiers = []
    for importance, entries in chapter.tiers:
        link = _html_line((Span(chapter.tier_title(importance), f"#{chapter.tier_anchor(importance)}"),))
        commits = _tag("ol", *(_tag("li", _html_line(chapter.to_analysis(entry))) for entry in entries))
        tiers.append(_tag("li", link, commits, class_=importance))
    title = _tag("h3", _text(chapter.texts("report.contents")), id=heading)
    return _tag("nav", title, _tag("ul", *tiers), aria_labelledby=heading, class_="contents")


def _html_tier(chapter: _Chapter, importance: Importance, entries: Sequence[Entry]) -> Html:
    anchor = chapter.tier_anchor(importance)
    heading = _tag("h3", _text(chapter.tier_title(importance)), id=anchor)
    articles = [_html_entry(chapter, entry) for entry in entries]
    return _tag("section", heading, *articles, aria_labelledby=anchor, class_=f"tier {importance}")


def _html_entry(chapter: _Chapter, entry: Entry) -> Html:
    anchor = chapter.anchor_of(entry)
    facts = [_tag("div", _tag("dt", _text(name)), _tag("dd", _html_line(line))) for name, line in chapter.facts(entry)]
    back = _tag("a", Html("↑"), href=f"#{chapter.anchor}-contents", class_="back", **_named(chapter.texts))
    return _tag(
        "article",
        _tag("h4", _html_line(chapter.subject(entry)), id=anchor),
        _tag("dl", *facts),
        *(_html_part(part) for part in chapter.parts(entry)),
        back,
        aria_labelledby=anchor,
    )


def _named(texts: Texts) -> dict[str, str]:
    return {"aria_label": texts("report.back"), "title": texts("report.back")}


def _html_part(part: _Part) -> Html:
    heading = [_tag("h5", _text(part.heading))] if part.heading else []
    body = [_tag("p", _html_line(item.line)) for item in part.items] if part.plain else [_html_list(part.items)]
    return _tag("div", *heading, *body, class_="part" if heading else "part bare")


# --- Charts ----------------------------------------------------------------------------------

_WIDTH = 400
"""The width of a chart's own units; a chart is drawn about this wide, so that its text keeps its size."""

_COMPONENTS = 6
"""Components that get a bar of their own."""


def _charts(chapter: _Chapter) -> list[Html]:
    components = _changed(chapter)
    return [
        _importance_chart(chapter),
        _time_chart(chapter),
        *([_component_chart(chapter, components)] if components else []),
    ]


def _figure(
    chapter: _Chapter, name: str, values: Iterable[tuple[str, int]], height: int, shapes: Iterable[Html]
) -> Html:
    """A chart with its title, and for those who do not see it all its values in words."""
    texts, anchor = chapter.texts, f"{chapter.anchor}-{name}"
    said = texts("report.chart_separator").join(
        texts("report.chart_value", name=value, n=f"{number:,}") for value, number in values
    )
    title = _text(texts(f"report.chart_{name}"))
    drawing = _tag(
        "svg",
        _tag("title", title, id=f"{anchor}-title"),
        _tag("desc", _text(said), id=f"{anchor}-desc"),
        *shapes,
        viewBox=f"0 0 {_WIDTH} {height}",
        role="img",
        aria_labelledby=f"{anchor}-title",
        aria_describedby=f"{anchor}-desc",
    )
    return _tag("figure", _tag("figcaption", title), drawing, class_=name)


def _rect(x: float, y: float, width: float, height: float, class_: str) -> Html:
    return _tag("rect", x=f"{x:.1f}", y=f"{y:.1f}", width=f"{width:.1f}", height=f"{height:.1f}", rx="2", class_=class_)


def _label(x: float, y: float, text: str, class_: str = "") -> Html:
    return _tag("text", _text(text), x=f"{x:.1f}", y=f"{y:.1f}", **({"class_": class_} if class_ else {}))


def _importance_chart(chapter: _Chapter) -> Html:
    """One bar, divided; beneath it a name and a number for each importance."""
    counts = {i: len(found) for i, found in chapter.digest.by_importance.items()}
    names = {i: chapter.texts(f"importance.{i}") for i in counts}
    scale, x = (_WIDTH - 4) / sum(counts.values()), 0.0
    shapes = []
    for column, (importance, count) in enumerate(counts.items()):
        if count:
            shapes.append(_rect(x, 2, count * scale - 2, 18, f"fill-{importance}"))
        x += count * scale
        shapes.append(_rect(column * 132, 34, 10, 10, f"fill-{importance}"))
        shapes.append(_label(column * 132 + 16, 43.5, f"{names[importance]} {count}"))
    return _figure(chapter, "importance", [(names[i], n) for i, n in counts.items()], 52, shapes)


def _time_chart(chapter: _Chapter) -> Html:
    """Commits by hour of the day, or by day where the period is longer."""
    first, last = (moment.date() for moment in days(chapter.digest.period))
    landed = [chapter.landed(entry) for entry in chapter.entries]
    if first == last:
        hours = Counter(moment.hour for moment in landed)
        return _columns(chapter, "hours", [(f"{hour:02}", hours[hour]) for hour in range(24)], 6)
    dates = Counter(moment.date() for moment in landed)
    span = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return _columns(chapter, "days", [(f"{date:%m-%d}", dates[date]) for date in span], -(-len(span) // 7))


def _columns(chapter: _Chapter, name: str, values: Sequence[tuple[str, int]], step: int) -> Html:
    """Columns with their numbers above; every `step`th has its name below."""
    height, most, width = 84, max(number for _, number in values) or 1, _WIDTH / len(values)
    shapes = [_rect(0, height + 20, _WIDTH, 1, "axis")]
    for column, (label, number) in enumerate(values):
        size, middle = number / most * height, (column + 0.5) * width
        if number:
            shapes.append(_rect(column * width + 1, height + 18 - size, max(width - 2, 1), size, "fill"))
            shapes += [_label(middle, height + 13 - size, f"{number}", "middle")] if len(values) <= 31 else []
        shapes += [_label(middle, height + 36, label, "middle muted")] if column % step == 0 else []
    return _figure(chapter, name, [value for value in values if value[1]], height + 42, shapes)


def _changed(chapter: _Chapter) -> list[tuple[str, int]]:
    """Changed lines of the components that changed most, and of all others together; generated files do not count."""
    lines: Counter[str] = Counter()
    for entry in chapter.entries:
        for file in entry.commit.files:
            if not generated(file.path) and file.added + file.removed:
                lines[component(file.path)] += file.added + file.removed
    ranked = sorted(lines.items(), key=lambda item: (-item[1], item[0]))
    named = [(chapter.texts("rules.root") if name == ROOT else one_line(name, 44), n) for name, n in ranked]
    rest = sum(number for _, number in named[_COMPONENTS:])
    return [*named[:_COMPONENTS], *([(chapter.texts("report.other"), rest)] if rest else [])]


def _component_chart(chapter: _Chapter, values: Sequence[tuple[str, int]]) -> Html:
    """A bar for each component, its name above it and its number at the right."""
    most = max(number for _, number in values)
    shapes = []
    for row, (name, number) in enumerate(values):
        y = row * 37
        shapes += [_label(0, y + 12, name), _label(_WIDTH, y + 12, f"{number:,}", "end")]
        shapes.append(_rect(0, y + 17, max(number / most * _WIDTH, 2), 6, "fill"))
    return _figure(chapter, "components", values, len(values) * 37 - 8, shapes)


# --- JSON ------------------------------------------------------------------------------------


def json(digests: Sequence[Digest]) -> str:
    """The report of one or more digests as JSON, indented, ending in a newline.

    `{"schema": 1, "digests": […]}`. A digest has the fields of `bot.values.Digest` by their names, all the way down, in
    their order; a moment is `{"local": …, "utc": …}`, both ISO 8601, the local one on the clock of the period's zone.
    Control, direction and invisible characters are taken out of texts. Left out is what depends on how this machine
    reached the repository: the name by which its source knows it (perhaps a path), whether it is private, and accounts.
    """
    plain = [_jsonable(digest, ZoneInfo(digest.period.zone)) for digest in digests]
    return jsonlib.dumps({"schema": SCHEMA, "digests": plain}, ensure_ascii=False, indent=2) + "\n"


_LEFT_OUT: dict[type, tuple[str, ...]] = {
    Repository: ("name", "private", "links"),
    Commit: ("repo", "login"),
    Person: ("login",),
}


def _jsonable(value: object, zone: ZoneInfo) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        left_out = _LEFT_OUT.get(type(value), ())
        return {f.name: _jsonable(getattr(value, f.name), zone) for f in fields(value) if f.name not in left_out}
    if isinstance(value, datetime):
        utc = value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        return {"local": value.astimezone(zone).isoformat(), "utc": utc}
    if isinstance(value, tuple):
        return [_jsonable(item, zone) for item in value]
    if isinstance(value, Enum):
        return value.value
    return sanitize(value) if isinstance(value, str) else value
