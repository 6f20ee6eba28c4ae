"""The report as one HTML file without scripts or external resources. Pure; texts reach it only through `tags`."""

import base64
import hashlib
from collections.abc import Sequence

from bot.languages import LANGUAGES
from bot.posts.chapter import Chapter, Nested, Part, chapters_of, link, title_of
from bot.posts.charts import DRAWN, charts
from bot.posts.labels import period_label
from bot.posts.tags import Html, tag, text
from bot.texts import Texts, style
from bot.values import Digest, Entry, Importance, Line, Span


def html(digests: Sequence[Digest], texts: Texts) -> str:
    """The report of one or more digests as one HTML file, for any screen width, without scripts or external resources.

    Its content security policy allows its own style sheet, by hash, and nothing else.
    """
    chapters = chapters_of(digests, texts)
    title = text(title_of(digests, texts))
    lists = [_repositories(chapters, texts)] if len(chapters) > 1 else []
    body = tag(
        "body",
        tag("a", text(texts("report.skip")), class_="skip", href="#main"),
        tag("header", tag("h1", title), *lists, class_="top"),
        tag("main", *map(_html_chapter, chapters), id="main"),
    )
    head = tag("head", *_metadata(), tag("title", title), tag("style", Html(style())))
    return f"<!doctype html>\n{tag('html', head, body, lang=LANGUAGES[texts.language].tag)}\n"


def _metadata() -> list[Html]:
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src 'none'; base-uri 'none'; form-action 'none'"
    return [
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="color-scheme", content="light dark"),
    ]


def _html_line(line: Line) -> Html:
    return Html("".join(map(_html_span, line)).strip())


def _html_span(span: Span) -> Html:
    body = text(span.text)
    if not span.text.strip():
        return body
    body = tag("code", body) if span.code else body
    if url := link(span.url):
        outside = {} if url.startswith("#") else {"rel": "noopener noreferrer nofollow"}
        body = tag("a", body, href=url, **outside)
    return tag("strong", body) if span.strong else body


def _repositories(chapters: Sequence[Chapter], texts: Texts) -> Html:
    links = [tag("li", tag("a", text(c.digest.repository.title), href=f"#{c.anchor}")) for c in chapters]
    return tag("nav", tag("ul", *links), aria_label=texts("report.repositories"), class_="repositories")


def _html_chapter(chapter: Chapter) -> Html:
    digest, texts, anchor = chapter.digest, chapter.texts, chapter.anchor
    opening = [line for line in map(_html_line, chapter.opening) if line]
    top = [
        tag("h2", _html_line((Span(digest.repository.title, digest.repository.url),)), id=anchor),
        tag("p", text(period_label(digest, texts)), class_="period"),
        *_html_released(chapter),
        *(tag("p", line, class_="notice" if number else "overview") for number, line in enumerate(opening)),
    ]
    if not chapter.entries:
        return tag("section", *top, class_="repository", aria_labelledby=anchor)
    top += [_html_statistics(chapter), *_html_themes(chapter), *_html_rollup(chapter), _html_table(chapter)]
    tiers = [_html_tier(chapter, importance, entries) for importance, entries in chapter.tiers]
    return tag(
        "section",
        tag("div", *top, class_="summary"),
        _html_contents(chapter),
        tag("div", *tiers, class_="tiers"),
        class_="repository full",
        aria_labelledby=anchor,
    )


def _html_released(chapter: Chapter) -> list[Html]:
    if not chapter.digest.releases:
        return []
    heading = f"{chapter.anchor}-released"
    title = tag("h3", text(chapter.texts("release.heading")), id=heading)
    return [tag("section", title, _html_list(chapter.released), aria_labelledby=heading, class_="released")]


def _html_statistics(chapter: Chapter) -> Html:
    heading = f"{chapter.anchor}-statistics"
    return tag(
        "section",
        tag("h3", text(chapter.texts("report.statistics")), id=heading),
        tag("ul", *(tag("li", text(part)) for part in chapter.statistics), class_="numbers"),
        tag("div", *charts(chapter), class_="charts"),
        aria_labelledby=heading,
    )


def _html_themes(chapter: Chapter) -> list[Html]:
    if not chapter.digest.themes:
        return []
    heading = f"{chapter.anchor}-themes"
    items = _html_list([chapter.theme(theme) for theme in chapter.digest.themes])
    title = tag("h3", text(chapter.texts("digest.themes")), id=heading)
    return [tag("section", title, items, aria_labelledby=heading, class_="themes")]


def _html_rollup(chapter: Chapter) -> list[Html]:
    """The parts of a rollup that no chart shows: its types, and what was reverted."""
    drawn = {f"{chapter.anchor}-{name}" for name in DRAWN}
    return [
        tag(
            "section",
            tag("h3", text(heading), id=anchor),
            tag("ul", *(tag("li", _html_line(line)) for line in lines)),
            aria_labelledby=anchor,
            class_="themes",
        )
        for heading, anchor, lines in chapter.rolled_up
        if anchor not in drawn
    ]


def _html_list(items: Sequence[Nested]) -> Html:
    return tag("ul", *map(_html_item, items))


def _html_item(item: Nested) -> Html:
    below = [tag("ul", *(tag("li", _html_line(line)) for line in item.below))] if item.below else []
    return tag("li", _html_line(item.line), *below)


def _html_table(chapter: Chapter) -> Html:
    """The table, with explicit roles: on narrow screens the rows are laid out as cards and would lose them."""
    heads = [tag("th", text(column), scope="col", role="columnheader") for column in chapter.columns]
    return tag(
        "table",
        tag("caption", text(chapter.texts("report.commits"))),
        tag("thead", tag("tr", *heads, role="row"), role="rowgroup"),
        tag("tbody", *(_html_row(chapter, entry) for entry in chapter.entries), role="rowgroup"),
        role="table",
    )


def _html_row(chapter: Chapter, entry: Entry) -> Html:
    clock, author, message, importance = map(_html_line, chapter.row(entry))
    moment = chapter.landed(entry).isoformat()
    return tag(
        "tr",
        tag("td", tag("time", clock, datetime=moment), role="cell", class_="time"),
        tag("td", author, role="cell", class_="author"),
        tag("th", message, scope="row", role="rowheader"),
        tag("td", importance, role="cell", class_="importance"),
        role="row",
    )


def _html_contents(chapter: Chapter) -> Html:
    heading = f"{chapter.anchor}-contents"
    tiers = []
    for importance, entries in chapter.tiers:
        link = _html_line((Span(chapter.tier_title(importance), f"#{chapter.tier_anchor(importance)}"),))
        commits = tag("ol", *(tag("li", _html_line(chapter.to_analysis(entry))) for entry in entries))
        tiers.append(tag("li", link, commits, class_=importance))
    title = tag("h3", text(chapter.texts("report.contents")), id=heading)
    return tag("nav", title, tag("ul", *tiers), aria_labelledby=heading, class_="contents")


def _html_tier(chapter: Chapter, importance: Importance, entries: Sequence[Entry]) -> Html:
    anchor = chapter.tier_anchor(importance)
    heading = tag("h3", text(chapter.tier_title(importance)), id=anchor)
    articles = [_html_entry(chapter, entry) for entry in entries]
    return tag("section", heading, *articles, aria_labelledby=anchor, class_=f"tier {importance}")


def _html_entry(chapter: Chapter, entry: Entry) -> Html:
    anchor = chapter.anchor_of(entry)
    facts = [tag("div", tag("dt", text(name)), tag("dd", _html_line(line))) for name, line in chapter.facts(entry)]
    back = tag("a", Html("↑"), href=f"#{chapter.anchor}-contents", class_="back", **_named(chapter.texts))
    return tag(
        "article",
        tag("h4", _html_line(chapter.subject(entry)), id=anchor),
        tag("dl", *facts),
        *(_html_part(part) for part in chapter.parts(entry)),
        back,
        aria_labelledby=anchor,
    )


def _named(texts: Texts) -> dict[str, str]:
    return {"aria_label": texts("report.back"), "title": texts("report.back")}


def _html_part(part: Part) -> Html:
    heading = [tag("h5", text(part.heading))] if part.heading else []
    body = [tag("p", _html_line(item.line)) for item in part.items] if part.prose else [_html_list(part.items)]
    return tag("div", *heading, *body, class_="part" if heading else "part bare")
