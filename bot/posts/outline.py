"""The content about one commit, in order, as lines: the same for chats and all formats of the report. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from bot.posts.labels import evidence_line, link_line, path_url, plain, relation_line
from bot.texts import Texts
from bot.values import Commit, Entry, Impact, InnerCommit, Insight, Line, Repository, Risk, Span, one_line


@dataclass(frozen=True, slots=True)
class Item:
    """One item: a line, the places where it can be seen, and what to do about it (empty: nothing)."""

    line: Line
    places: tuple[Line, ...] = ()
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Items under a heading (empty: none). If `prose` they are paragraphs; if `proven` their places are evidence."""

    name: str
    heading: str
    items: tuple[Item, ...]
    prose: bool = False
    proven: bool = False


def outline(
    repository: Repository,
    entry: Entry,
    texts: Texts,
    *,
    limit: int = 0,
    reported: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Section, ...]:
    """The sections about a commit, as far as its analysis has them; none is empty.

    With a `limit`, titles of merged commits are cut to that many characters, and quotes to fit into a message.
    `reported` maps SHAs to the text that says when a commit was reported to the reader.
    """
    analysis, commit, colon = entry.analysis, entry.commit, texts("report.colon")

    def section(name: str, items: Iterable[Item], *, prose: bool = False, proven: bool = False) -> Section:
        return Section(name, texts(f"digest.{name}") if name else "", tuple(items), prose, proven)

    def pair(name: str, text: str) -> Line:
        name = one_line(name)
        return (Span(name, strong=True), Span(f"{colon}{text}" if name and text else text))

    def proof(statement: Insight | Risk) -> tuple[Line, ...]:
        pieces = (statement.evidence, *statement.also)
        return tuple(evidence_line(repository, commit, each, texts, *(() if limit else (0,))) for each in pieces)

    insights = (Item(pair(texts(f"aspect.{i.aspect}"), i.text), proof(i)) for i in analysis.insights)
    risks = (Item(plain(r.text), proof(r), r.mitigation) for r in analysis.risks)
    sections = (
        section("verdict", [Item(plain(analysis.verdict))] if analysis.verdict else [], prose=True),
        section("summary", [Item(plain(analysis.summary))], prose=True),
        section("since", (Item(link_line(repository, k, texts)) for k in entry.since)),
        section("relations", (Item(relation_line(repository, r, texts, reported)) for r in entry.relations)),
        section(
            "impact",
            (Item(pair(i.component, _change(i, texts)), _paths(repository, commit, i)) for i in analysis.impact),
        ),
        section("insight", insights, proven=True),
        section("risks", risks, proven=True),
        section("suggestions", (Item(pair(s.who, s.action)) for s in analysis.suggestions)),
        section("inner", (Item(_inner_line(repository, inner, limit)) for inner in commit.inner)),
        section("", [Item(plain(analysis.note))] if analysis.note else [], prose=True),
    )
    return tuple(section for section in sections if section.items)


def _change(impact: Impact, texts: Texts) -> str:
    """The behaviour now, and before, if that is known."""
    before = impact.before.rstrip("。；")  # the label continues after it; an English full stop stays
    return texts("digest.before", before=before, now=impact.effect) if before else impact.effect


def shortened(sections: Sequence[Section]) -> tuple[Section, ...]:
    """The part of an analysis that a thread shows: with a verdict, what is read first; else all of it."""
    if not any(section.name == "verdict" for section in sections):
        return tuple(sections)
    kept = (replace(s, items=s.items[: _FIRST.get(s.name, 0)]) if s.name in _LONG else s for s in sections)
    return tuple(section for section in kept if section.items)


_LONG = ("impact", "insight", "risks", "suggestions", "inner")
_FIRST = {"risks": 2, "suggestions": 3}
"""The most items of the long sections in a thread."""


def _paths(repository: Repository, commit: Commit, impact: Impact) -> tuple[Line, ...]:
    return tuple((Span(path, path_url(repository, commit, path), code=True),) for path in impact.paths)


def _inner_line(repository: Repository, inner: InnerCommit, limit: int) -> Line:
    return (
        Span(inner.sha[:7], repository.commit_url(inner.sha), code=True),
        Span(f" {one_line(inner.subject, limit)} · {inner.author}"),
    )
