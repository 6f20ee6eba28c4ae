"""The full report: valid, its links alive, its headings nested, and no text from outside more than text."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from datetime import timedelta
from functools import lru_cache, partial
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from samples import HOSTILE, REPOSITORY, commit, digest, entry, hostile_entry, rolled_up

from bot.languages import LANGUAGES
from bot.posts import report
from bot.texts import Texts
from bot.values import (
    Analysis,
    Commit,
    Digest,
    FileChange,
    InnerCommit,
    Period,
    sanitize,
)

EN = Texts("en")
DATA = Path(__file__).parent / "data"
KINDS = ("normal", "empty", "hostile")

every_digest = pytest.mark.parametrize(
    "value",
    [
        make(language)
        for language in LANGUAGES
        for make in (*(partial(digest, kind) for kind in KINDS), rolled_up, partial(rolled_up, kind="hostile"))
    ],
    ids=lambda d: f"{d.language}",
)


# --- Markdown, as a strict reader sees it ----------------------------------------------------


@lru_cache(maxsize=32)
def parsed(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)


def leaves(tokens: Iterable[Token]) -> Iterator[Token]:
    """Block tokens with each inline token replaced by what is in it."""
    for token in tokens:
        yield from token.children or [] if token.type == "inline" else [token]


def shown(token: Token) -> str:
    """The text a reader sees of an inline token, without the spaces of no width that break links."""
    return "".join(t.content for t in token.children or [] if not t.type.startswith("html")).replace("\u200b", "")


def markdown_of(*digests: Digest) -> str:
    return report.markdown(digests, Texts(digests[0].language))


def markdown_anchors(tokens: list[Token]) -> list[str]:
    """The anchors, which are the only HTML."""
    html = [t for t in leaves(tokens) if t.type.startswith("html")]
    opened = [re.fullmatch(r'<a id="([\w-]+)">', t.content) for t in html if t.content != "</a>"]
    assert all(opened), html
    return [found[1] for found in opened if found]


def markdown_links(tokens: list[Token]) -> list[str]:
    return [str(t.attrs["href"]) for t in leaves(tokens) if t.type == "link_open"]


def check_links(links: list[str], anchors: list[str], url: str = "https://github.com/example/harbor") -> None:
    assert len(anchors) == len(set(anchors))
    assert {link[1:] for link in links if link.startswith("#")} <= set(anchors)
    assert [link for link in links if link != url and not link.startswith(("#", f"{url}/"))] == []


def check_headings(levels: list[int]) -> None:
    assert levels[:1] == [1]
    assert levels.count(1) == 1
    assert all(below <= above + 1 for above, below in pairwise(levels))


@every_digest
def test_markdown_has_live_links_and_unique_anchors(value: Digest) -> None:
    tokens = parsed(markdown_of(value))
    check_links(markdown_links(tokens), markdown_anchors(tokens))


@every_digest
def test_markdown_headings_nest_by_one_step(value: Digest) -> None:
    check_headings([int(t.tag[1]) for t in parsed(markdown_of(value)) if t.type == "heading_open"])


@every_digest
def test_markdown_has_only_the_elements_that_the_report_makes(value: Digest) -> None:
    allowed = {"heading", "paragraph", "bullet_list", "list_item", "table", "thead", "tbody", "tr", "th", "td"}
    allowed |= {"link", "strong", "text", "text_special", "code_inline", "html_inline"}
    found = {re.sub("_(open|close)$", "", t.type) for t in leaves(parsed(markdown_of(value)))}
    assert found <= allowed


@every_digest
def test_every_row_of_the_markdown_table_has_four_cells(value: Digest) -> None:
    text = markdown_of(value)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == (len(value.entries) + 2 if value.entries else 0)
    assert {len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) for row in rows} <= {5}
    assert len([t for t in parsed(text) if t.type == "tr_open"]) == (len(value.entries) + 1 if value.entries else 0)


@every_digest
def test_nothing_in_markdown_is_left_for_github_to_link(value: Digest) -> None:
    depth = 0
    for token in leaves(parsed(markdown_of(value))):
        depth += token.nesting if token.type.startswith("link_") else 0
        if token.type == "text" and not depth:
            assert not re.search(r"://|www\.|@[^\s\u200b]|#\d|\bgh-\d", token.content, re.IGNORECASE), token.content


@pytest.mark.parametrize("language", LANGUAGES)
def test_markdown_of_a_small_day_is_as_kept(language: str) -> None:
    assert markdown_of(small(language)) == (DATA / f"report.{language}.md").read_text(encoding="utf-8")


def small(language: str) -> Digest:
    """A high and a low commit with something in every field."""
    value = digest("empty", language)  # type: ignore[arg-type]
    high, low = digest("normal", language).entries[0], entry("docs: `_name_` is an *example*")  # type: ignore[arg-type]
    inner = (InnerCommit("c" * 40, "step one", "dev-two"),)
    high = replace(high, commit=replace(high.commit, inner=inner), analysis=replace(high.analysis, note="Note."))
    return replace(value, entries=(high, low), overview="Two commits.", notices=("One is late.",), usual=3)


# --- What it says ----------------------------------------------------------------------------


def headings(text: str) -> list[tuple[int, str]]:
    tokens = parsed(text)
    return [(int(t.tag[1]), shown(tokens[n + 1])) for n, t in enumerate(tokens) if t.type == "heading_open"]


def test_the_tiers_follow_each_other_with_their_counts() -> None:
    titles = [title for level, title in headings(markdown_of(digest("normal", "zh"))) if level == 3]
    assert titles[-3:] == ["🔴 高重要度变更（4）", "🟡 中重要度变更（12）", "🟢 低重要度变更（13）"]


def test_a_tier_without_commits_is_left_out_of_contents_and_body() -> None:
    text = markdown_of(digest("hostile"))
    assert "High importance (33)" in text
    assert "Medium importance" not in text
    assert "Low importance" not in text
    assert "🟡 0" in text


def test_each_commit_stands_once_in_the_body_in_the_depth_of_its_tier() -> None:
    value = digest("normal")
    sections: list[list[str]] = []
    for level, title in headings(markdown_of(value)):
        if level == 4:
            sections.append([])
        elif level == 5:
            sections[-1].append(title)
    deep = ["Summary", "Impact", "Technical insight", "Risks", "Suggestions"]
    assert sections[:4] == [deep, deep, [*deep, "Merged commits"], deep]
    assert sections[4:16] == [["Summary", "Impact", "Suggestions"]] * 12
    assert sections[16:] == [[]] * 13


def test_a_longer_period_is_named_by_both_ends_and_drawn_by_day() -> None:
    value = digest("normal")
    week = replace(value, period=replace(value.period, since=value.period.since - timedelta(days=6)))
    assert markdown_of(week).startswith("# Report (2026-02-12 to 2026-02-18)\n")
    assert "Commits by day" in html_of(week)
    assert "Commits by hour" in html_of(value)


def test_the_zone_is_named_once() -> None:
    assert markdown_of(digest("normal", "zh")).count("Asia/Shanghai") == 1


def test_an_empty_day_says_so_and_has_no_empty_sections() -> None:
    text = markdown_of(digest("empty", "zh"))
    assert [title for _, title in headings(text)] == ["每日更新报告（2026-02-18）", "example/harbor"]
    assert "这段时间没有新的提交" in text
    assert EN("digest.none") in markdown_of(digest("empty", overview=""))


@pytest.mark.parametrize("render", [report.markdown, report.html])
def test_what_was_not_read_not_proved_or_simplified_is_said(render: object) -> None:
    value = small("en")
    text = render([value], EN)  # type: ignore[operator]
    assert EN("digest.coverage", percent=87) in text
    assert EN("digest.dropped", n=2) in text
    assert "Note." in text
    assert "One is late." in text
    assert EN("digest.by_model", model="gpt-sample") in text
    assert EN("digest.by_rules") in text


def test_a_subject_that_is_cut_in_the_table_stands_whole_in_the_heading() -> None:
    subject = "fix: " + "word " * 60 + "end"
    text = markdown_of(digest("empty", entries=(entry(subject),)))
    table = next(line for line in text.splitlines() if line.startswith("| 2026"))
    assert "end]" not in table
    assert (4, subject) in headings(text)


def test_two_repositories_may_hold_the_same_commit() -> None:
    one = digest("normal")
    other = replace(one, repository=replace(REPOSITORY, title="example/fork"))
    tokens = parsed(markdown_of(one, other))
    check_links(markdown_links(tokens), markdown_anchors(tokens))
    page = strictly(report.html([one, other], EN))
    check_links(page.links, page.ids)
    assert "#r2" in page.links


def test_commits_whose_short_sha_is_the_same_keep_their_own_anchors() -> None:
    alike = [replace(entry(s), commit=commit(s, sha="abcdef0" + d * 33)) for s, d in (("one", "1"), ("two", "2"))]
    anchors = markdown_anchors(parsed(markdown_of(digest("empty", entries=tuple(alike)))))
    assert anchors == ["r1", "r1-low", f"r1-abcdef0{'1' * 33}", f"r1-abcdef0{'2' * 33}"]


def test_a_repository_without_a_page_gets_no_outside_links() -> None:
    value = digest("normal", repository=replace(REPOSITORY, url=None))
    assert {link[0] for link in markdown_links(parsed(markdown_of(value)))} == {"#"}
    assert {link[0] for link in strictly(html_of(value)).links} == {"#"}


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "file:///etc/passwd", "https:", "http://[::1"]
)
def test_an_address_that_is_not_http_is_no_link(url: str) -> None:
    value = digest("normal", repository=replace(REPOSITORY, url=url))
    assert {link[0] for link in markdown_links(parsed(markdown_of(value)))} == {"#"}
    assert {link[0] for link in strictly(html_of(value)).links} == {"#"}


def test_an_address_keeps_its_meaning_whatever_is_in_it() -> None:
    url = 'https://git.example/a (b)|c"d<e>\\f`g*?x=1&copy;=2&y=%20'
    value = digest("empty", repository=replace(REPOSITORY, url=url), entries=(entry("one"),))
    encoded = "https://git.example/a%20%28b%29%7Cc%22d%3Ce%3E%5Cf%60g%2A?x=1&copy;=2&y=%20"
    outside = [link for link in markdown_links(parsed(markdown_of(value))) if link[0] != "#"]
    assert outside
    assert all(link.startswith(f"{encoded}/commit/") for link in outside)
    assert [link for link in strictly(html_of(value)).links if link[0] != "#"][-1].startswith(f"{encoded}/commit/")


# --- Texts from outside ----------------------------------------------------------------------

# Much of what means something, and anything else.
WILD = st.text(
    st.one_of(
        st.sampled_from(list("\\`*_~[]()<>#+-=.!|&@:;/$^{}\"' \n\t0123ab中。\u200b\u202e")),
        st.characters(codec="utf-8"),
    ),
    max_size=40,
)


def collapsed(text: str) -> str:
    return re.sub(r"\s", " ", sanitize(text)).strip()


def skeleton(tokens: list[Token]) -> list[str]:
    """Everything but the texts."""
    return [t.type + t.tag for t in leaves(tokens) if t.type not in {"text", "text_special"}]


def with_hostile(text: str) -> Digest:
    return digest("empty", entries=(hostile_entry(text), hostile_entry("second", 1)), overview=text)


PLAIN_MARKDOWN = skeleton(parsed(markdown_of(with_hostile("x"))))


def with_examples(test: object) -> object:
    for text in HOSTILE:
        test = example(text)(test)  # type: ignore[arg-type]
    return test


@with_examples
@given(text=WILD)
def test_a_text_from_outside_never_changes_the_shape_of_the_markdown(text: str) -> None:
    tokens = parsed(markdown_of(with_hostile(text)))
    check_headings([int(t.tag[1]) for t in tokens if t.type == "heading_open"])
    check_links(markdown_links(tokens), markdown_anchors(tokens))
    if collapsed(text) and {".", ".."}.isdisjoint(text.split("/")):  # such a path has no page
        assert skeleton(tokens) == PLAIN_MARKDOWN


def test_a_path_does_not_define_a_link_and_a_subject_does_not_refer_to_a_footnote() -> None:
    """Found by comparing with cmark-gfm: `]:` in code that is a link, and a link's text that starts with `^`."""
    assert skeleton(parsed(markdown_of(with_hostile("a]:b")))) == PLAIN_MARKDOWN
    assert "[^" not in markdown_of(digest("empty", entries=(entry("^[^1]"),))).replace("`^", "")


def test_a_heading_keeps_the_signs_at_its_end() -> None:
    value = digest("empty", repository=replace(REPOSITORY, title="example/c ##"))
    assert headings(markdown_of(value))[1] == (2, "example/c ##")


@with_examples
@given(text=WILD)
def test_a_text_from_outside_reads_in_markdown_as_it_was_written(text: str) -> None:
    tokens = parsed(markdown_of(with_hostile("A" + text + "Z")))
    wanted = collapsed(f"A{text}Z")
    places = [" ".join(shown(t).split()) for t in tokens if t.type == "inline"]
    # Overview, author, summary, impact, risk and note; the contents too, where it is short.
    assert places.count(" ".join(wanted.split())) >= 6
    assert f"src/{wanted}:1" in [t.content for t in leaves(tokens) if t.type == "code_inline"]


# --- HTML, as a strict reader sees it --------------------------------------------------------


class Strict(HTMLParser):
    """Fails on what a lenient browser would put right, and gathers what there is."""

    VOID = frozenset({"meta"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.referred: list[str] = []
        self.levels: list[int] = []
        self.meta: list[dict[str, str]] = []
        self.texts: dict[str, list[str]] = {}

    def handle_decl(self, decl: str) -> None:
        assert decl == "doctype html"
        assert not self.elements

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        assert len(found) == len(attrs), attrs
        self.elements.append((tag, tuple(found)))
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if "href" in found else []
        self.referred += [i for name in ("aria-labelledby", "aria-describedby") for i in found.get(name, "").split()]
        self.levels += [int(tag[1])] if re.fullmatch("h[1-6]", tag) else []
        self.meta += [found] if tag == "meta" else []
        if tag == "a" and not found["href"].startswith("#"):
            assert found["rel"] == "noopener noreferrer nofollow"
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        raise AssertionError(f"<{tag}/>")

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)
        else:
            assert not data.strip()

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(data)


def strictly(text: str) -> Strict:
    reader = Strict()
    reader.feed(text)
    reader.close()
    assert not reader.open
    return reader


def html_of(*digests: Digest) -> str:
    return report.html(digests, Texts(digests[0].language))


@every_digest
def test_html_is_balanced_with_live_links_and_unique_ids(value: Digest) -> None:
    page = strictly(html_of(value))
    check_links(page.links, page.ids)
    assert set(page.referred) <= set(page.ids)
    check_headings(page.levels)


@every_digest
def test_html_runs_nothing_loads_nothing_and_styles_nothing_inline(value: Digest) -> None:
    page = strictly(html_of(value))
    names = {tag for tag, _ in page.elements}
    attributes = {name for _, found in page.elements for name in found}
    assert not names & {"script", "img", "iframe", "object", "embed", "link", "base", "form", "input", "image", "use"}
    assert not attributes & {"src", "srcset", "style", "xlink:href", "action", "target", "background"}
    assert not [name for name in attributes if name.startswith("on")]


def test_html_says_its_encoding_first_and_allows_only_its_own_style() -> None:
    text = html_of(digest("normal", "zh"))
    page = strictly(text)
    style = "".join(page.texts["style"])
    allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert text.index('<meta charset="utf-8">') < 200
    assert page.meta[1] == {
        "http-equiv": "Content-Security-Policy",
        "content": f"default-src 'none'; style-src 'sha256-{allowed}'; img-src 'none'; base-uri 'none'; "
        "form-action 'none'",
    }
    assert '<html lang="zh-Hans">' in text
    assert not re.search(r"url\(|@import|expression", style)


def test_charts_say_in_words_what_they_show() -> None:
    text = html_of(digest("normal"))
    page = strictly(text)
    assert len(re.findall(r'<svg [^>]*aria-labelledby="([\w-]+)-title" aria-describedby="\1-desc">', text)) == 3
    assert page.texts["desc"] == [
        "High 4, Medium 12, Low 13",
        "00 1, 02 1, 06 1, 07 1, 08 2, 09 2, 10 2, 11 2, 12 2, 13 2, 14 1, 15 2, 16 2, 17 1, 18 1, 19 1, 20 1, 21 1, "
        "22 1, 23 2",
        "src/config 1,233, src/queue 746, src/http 681, tests 207, src/store 205, docs 201, Other 443",
    ]


def test_a_day_of_generated_files_alone_has_no_chart_of_components() -> None:
    only = entry("build: lock")
    only = replace(only, commit=replace(only.commit, files=(FileChange("Cargo.lock", added=9),)))
    assert len(strictly(html_of(digest("empty", entries=(only,)))).texts["desc"]) == 2


PLAIN_HTML = strictly(html_of(with_hostile("x"))).elements


@with_examples
@given(text=WILD)
def test_a_text_from_outside_reads_in_html_as_it_was_written(text: str) -> None:
    page = strictly(html_of(with_hostile(text)))
    check_links(page.links, page.ids)
    if collapsed(text) and {".", ".."}.isdisjoint(text.split("/")):
        assert page.elements == PLAIN_HTML
        shown = sanitize(text).replace("\n", " ").replace("\t", " ").strip()
        assert "".join(page.texts["dd"]).count(shown) >= 1
        assert page.texts["p"].count(shown) == 3  # overview, summary, note


# --- JSON ------------------------------------------------------------------------------------


def names(kind: type) -> list[str]:
    return [f.name for f in fields(kind)]


def test_json_has_every_field_by_its_name_and_moments_on_both_clocks() -> None:
    said = json.loads(report.json([small("zh")]))
    assert said["schema"] == 1
    [value] = said["digests"]
    untold = {"rows", "releases", "between", "rollup"}
    assert list(value) == [name for name in names(Digest) if name not in untold]
    assert list(value["entries"][0]["commit"]) == [n for n in names(Commit) if n not in ("repo", "login")]
    assert list(value["repository"]) == ["title", "branch", "url"]  # never where this machine keeps it
    assert list(value["entries"][0]["analysis"]) == [n for n in names(Analysis) if n != "correction"]
    assert value["period"] == {
        "since": {"local": "2026-02-18T00:00:00+08:00", "utc": "2026-02-17T16:00:00Z"},
        "until": {"local": "2026-02-19T00:00:00+08:00", "utc": "2026-02-18T16:00:00Z"},
        "zone": "Asia/Shanghai",
    }
    assert value["entries"][0]["grade"]["types"] == ["architecture", "feature"]
    assert value["entries"][0]["analysis"]["risks"][0]["evidence"]["quote"] == "removed_flags()"
    assert value["usual"] == 3


def test_json_is_text_that_can_be_written_and_shown() -> None:
    text = report.json([digest("hostile", overview="\ud800\u202eok\x1b[2J")])
    text.encode()
    assert json.loads(text)["digests"][0]["overview"] == "ok"
    assert sanitize(text) == text


# --- The same again --------------------------------------------------------------------------


def test_the_same_digests_give_the_same_bytes_in_every_process() -> None:
    program = (
        "import hashlib, sys; from samples import digest; from bot.posts import report; from bot.texts import Texts;"
        "ds = [digest(k, 'zh') for k in ('normal', 'empty', 'hostile')]; t = Texts('zh');"
        "print(hashlib.sha256((report.markdown(ds, t) + report.html(ds, t) + report.json(ds)).encode()).hexdigest())"
    )
    path = os.pathsep.join(p for p in sys.path if p)
    prints = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONPATH": path, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(prints) == 1


def test_a_period_that_has_no_day_of_its_own_is_one_day() -> None:
    value = digest("normal")
    half = Period(value.period.since, value.period.since + timedelta(hours=12), value.period.zone)
    assert markdown_of(replace(value, period=half)).startswith("# Daily report (2026-02-18)\n")
