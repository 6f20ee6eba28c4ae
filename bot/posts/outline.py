"""What is said of one commit, in order, as lines: decided once, for a chat and for every form of the report. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from bot.posts.labels import evidence_line, link_line, path_url, plain, relation_line
from bot.texts import Texts
from bot.values import Commit, Entry, Impact, InnerCommit, Insight, Line, Repository, Risk, Span, one_line


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is said: a line, the places where it can be seen, and what to do about it, empty for nothing."""

    line: Line
    places: tuple[Line, ...] = ()
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Items under a heading, empty for none; with `prose` they are paragraphs, with `proven` their places evidence."""

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
    told: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Section, ...]:
    """What is said of a commit: as deep as its analysis, and nothing empty.

    With a `limit` titles of merged commits are kept to so many characters, and quotes to what a message has room for.
    `told` is by SHA what is said of when the reader was told of it.
    """
    analysis, commit, colon = entry.analysis, entry.commit, texts("report.colon")

    def section(name: str, items: Iterable[Item], *, prose: bool = False, proven: bool = False) -> Section:
        return Section(name, texts(f"digest.{name}") if name else "", tuple(items), prose, proven)

    def pair(name: str, text: str) -> Line:
        name = one_line(name)
        return (Span(name, strong=True), Span(f"{colon}{text}" if name and text else text))

    def proof(statement: Insight | Risk) -> tuple[Line, ...]:
        pieces = (statement.evidence, *statement.also)
        return tuple(evidence_line(repository, commit, each, texts, whole=not limit) for each in pieces)

    insights = (Item(pair(texts(f"aspect.{i.aspect}"), i.text), proof(i)) for i in analysis.insights)
    risks = (Item(plain(r.text), proof(r), r.mitigation) for r in analysis.risks)
    sections = (
        section("verdict", [Item(plain(analysis.verdict))] if analysis.verdict else [], prose=True),
        section("summary", [Item(plain(analysis.summary))], prose=True),
        section("since", (Item(link_line(repository, k, texts)) for k in entry.since)),
        section("relations", (Item(relation_line(repository, r, texts, told)) for r in entry.relations)),
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
    """What is so now, and what was so before, where that is said."""
    before = impact.before.rstrip("。；")  # the label goes on behind it; a full stop of English is its own
    return texts("digest.before", before=before, now=impact.effect) if before else impact.effect


def shortened(sections: Sequence[Section]) -> tuple[Section, ...]:
    """What of an analysis a thread shows: of one that has a verdict what is read first, all of any other."""
    if not any(section.name == "verdict" for section in sections):
        return tuple(sections)
    kept = (replace(s, items=s.items[: _FIRST.get(s.name, 0)]) if s.name in _LONG else s for s in sections)
    return tuple(section for section in kept if section.items)


_LONG = ("impact", "insight", "risks", "suggestions", "inner")
_FIRST = {"risks": 2, "suggestions": 3}
"""Items of the long sections that a thread shows."""


def _paths(repository: Repository, commit: Commit, impact: Impact) -> tuple[Line, ...]:
    return tuple((Span(path, path_url(repository, commit, path), code=True),) for path in impact.paths)


def _inner_line(repository: Repository, inner: InnerCommit, limit: int) -> Line:
    return (
        Span(inner.sha[:7], repository.commit_url(inner.sha), code=True),
        Span(f" {one_line(inner.subject, limit)} · {inner.author}"),
    )
