"""The content of one digest in the report, as lines of spans, which each format lays out. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from urllib.parse import quote, urlsplit

from bot.posts.labels import (
    SUBJECT_LIMIT,
    columns,
    facts,
    grade_label,
    mark,
    overview_line,
    people_label,
    plain,
    statistics,
    subject_line,
)
from bot.posts.outline import Item, Section, outline
from bot.posts.released import whole
from bot.posts.rollup import component_lines, people_line, types_line, undone_lines
from bot.texts import Texts
from bot.values import Digest, Entry, Importance, Line, Span, Theme, local, sanitize

_ALL, _PEOPLE = 100, 30
"""The most components of a rollup, more than it ever has, and people named."""
_CONTENTS_LIMIT = 100
"""Characters of a subject in the contents; the heading has all of it."""


@dataclass(frozen=True, slots=True)
class Nested:
    """A line with lines nested below it."""

    line: Line
    below: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an analysis: a list, or paragraphs if `prose`. `heading` is empty if none is needed."""

    heading: str
    items: tuple[Nested, ...]
    prose: bool


@dataclass(frozen=True)
class Chapter:
    """One digest of the report. `number` counts the digests from 1 and makes the anchors unique."""

    digest: Digest
    number: int
    texts: Texts

    @property
    def anchor(self) -> str:
        """The anchor of the chapter in the report."""
        return f"r{self.number}"

    def tier_anchor(self, importance: Importance) -> str:
        """The anchor of an importance's section."""
        return f"{self.anchor}-{importance}"

    def anchor_of(self, entry: Entry) -> str:
        """The anchor of a commit's analysis."""
        return f"{self.anchor}-{self._names[entry.commit.sha]}"

    @cached_property
    def _names(self) -> dict[str, str]:
        """Each commit's short SHA, or the full one if two have the same prefix."""
        count = Counter(e.commit.short for e in self.digest.entries)
        return {e.commit.sha: e.commit.short if count[e.commit.short] == 1 else e.commit.sha for e in self.entries}

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The commits, newest first."""
        return self.digest.entries

    @cached_property
    def lasting(self) -> Digest:
        """The digest without what was reverted within a rollup's period."""
        return self.digest.lasting

    @property
    def undone_anchor(self) -> str:
        """The anchor of the list of reverted commits."""
        return f"{self.anchor}-undone"

    @property
    def rolled_up(self) -> list[tuple[str, str, list[Line]]]:
        """A rollup's lists of components, people and reverted commits: heading, anchor and lines of each."""
        if not self.digest.rollup:
            return []
        sections = (
            ("components", component_lines(self.digest, self.texts, _ALL, lines=True)),
            ("people", [people_line(self.digest, self.texts, _PEOPLE)]),
            ("types", [types_line(self.digest, self.texts)]),
            ("undone", undone_lines(self.digest, self.texts)),
        )
        return [(self.texts(f"rollup.{n}"), f"{self.anchor}-{n}", lines) for n, lines in sections if any(lines)]

    @property
    def tiers(self) -> list[tuple[Importance, tuple[Entry, ...]]]:
        """The importances that have commits; the statistics say which have none."""
        return [(importance, found) for importance, found in self.lasting.by_importance.items() if found]

    def tier_title(self, importance: Importance) -> str:
        """An importance with the number of its commits."""
        name, count = self.texts(f"report.{importance}"), len(self.lasting.by_importance[importance])
        return self.texts("report.tier", mark=mark(importance, self.texts), name=name, n=count)

    @property
    def opening(self) -> list[Line]:
        """The overview, and notices of what is missing."""
        shown = self.digest.overview or self.entries or self.digest.filters.releases
        overview = overview_line(self.digest) if shown else plain(self.texts("digest.none"))
        return [overview, *(plain(notice) for notice in self.digest.notices)]

    @property
    def released(self) -> list[Nested]:
        """The releases of the period, with their details."""
        return [Nested(line, below) for line, below in whole(self.digest, self.texts)]

    @property
    def statistics(self) -> tuple[str, ...]:
        """The numbers of the day, each with its noun."""
        return statistics(self.lasting, self.texts)

    def theme(self, theme: Theme) -> Nested:
        """A theme, with links to its commits."""
        members = {e.commit.sha: e for e in self.entries}
        count = self.texts.count("commits", len(theme.shas))
        title = self.texts("digest.theme", title=theme.title, count=count)
        return Nested(plain(title), tuple(self.to_analysis(members[s]) for s in theme.shas if s in members))

    def to_analysis(self, entry: Entry) -> Line:
        """The subject as a link to the commit's analysis in this report."""
        subject = self.digest.repository.titled(entry.commit, _CONTENTS_LIMIT)
        return (Span(subject, f"#{self.anchor_of(entry)}"),)

    def subject(self, entry: Entry, limit: int = 0) -> Line:
        """The subject with its links, cut to `limit` characters (0: not cut)."""
        return subject_line(self.digest.repository, entry.commit, limit)

    def landed(self, entry: Entry) -> datetime:
        """When a commit landed, in the period's time zone."""
        return local(entry.commit.committed, self.digest.period.zone)

    @property
    def columns(self) -> tuple[str, ...]:
        """The headings of the table's columns."""
        return columns(self.texts)

    def row(self, entry: Entry) -> tuple[Line, ...]:
        """Time, author, message, and the importance as a link to the analysis."""
        grade = Span(grade_label(entry.grade.importance, self.texts), f"#{self.anchor_of(entry)}")
        if entry.commit.sha in self._out:
            grade = Span(self.texts("rollup.undone_mark"), f"#{self.undone_anchor}")
        return (
            plain(_clock(self.landed(entry))),
            plain(people_label(entry.commit, self.texts)),
            self.subject(entry, SUBJECT_LIMIT),
            (grade,),
        )

    @cached_property
    def _out(self) -> frozenset[str]:
        return self.digest.rollup.left_out if self.digest.rollup else frozenset()

    def facts(self, entry: Entry) -> tuple[tuple[str, Line], ...]:
        """The facts about a commit, by label."""
        return facts(self.digest.repository, entry, _clock(self.landed(entry)), self.texts)

    def parts(self, entry: Entry) -> list[Part]:
        """The parts of a commit's analysis; the only sentence of a low one needs no heading."""
        quiet = entry.grade.importance is Importance.LOW
        return [
            Part("" if quiet and s.prose else s.heading, tuple(self._nested(i, s) for i in s.items), s.prose)
            for s in outline(self.digest.repository, entry, self.texts)
        ]

    def _nested(self, item: Item, section: Section) -> Nested:
        """An item with its places, and what to do about it, below it."""
        places = [self._labelled("evidence", place) if section.proven else place for place in item.places]
        remedy = [self._labelled("mitigation", plain(item.remedy))] if item.remedy else []
        bare = bool(places) and len(item.line) == 1  # it has no name in front to make it stand out
        line = tuple(replace(span, strong=True) for span in item.line) if bare else item.line
        return Nested(line, (*places, *remedy))

    def _labelled(self, name: str, line: Line) -> Line:
        return (Span(self.texts(f"report.{name}") + self.texts("report.colon")), *line)


def chapters_of(digests: Sequence[Digest], texts: Texts) -> list[Chapter]:
    """The chapters of a report."""
    return [Chapter(digest, number, texts) for number, digest in enumerate(digests, 1)]


def title_of(digests: Sequence[Digest], texts: Texts) -> str:
    """The title of a report: its day, or its first and last days."""
    ends = [digest.period.days for digest in digests]
    first, last = min(first.date() for first, _ in ends), max(last.date() for _, last in ends)
    if first == last:
        return texts("report.title", day=first.isoformat())
    return texts("report.title_days", days=texts("digest.days", first=first.isoformat(), last=last.isoformat()))


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def link(url: str | None) -> str:
    """`url` if it is allowed as a link: an anchor of ours or http(s), with all characters that could end it encoded."""
    if not url or url.startswith("#"):
        return url or ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        return ""
    return quote(sanitize(url), safe="%/:?#@!$&+,;=~")
