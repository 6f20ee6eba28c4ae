"""What a rollup has instead of a table, in a chat and in the report. Pure."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from bot.commits.files import ROOT
from bot.posts.labels import brief_line, dotted, link_line, mark, named_link, plain, subject_line, type_label
from bot.posts.lists import sentence_of
from bot.texts import Texts
from bot.values import ChangeType, Component, Digest, Entry, Importance, Line, Span, Text, Theme, Undone, one_line

_READ, _THEMES, _COMPONENTS, _PEOPLE, _UNDONE, _TYPES = 8, 6, 6, 8, 5, 6
"""The most lines of each kind in a headline, and names in a line: the reader has two minutes."""
_LEAST = 3
"""How many commits are named in a week without high ones."""
_FEW = 2
"""The most commits that may share a reason before it is not worth saying."""
_NAMED = 6
"""The most commits that a theme's line names."""
_VERDICT, _TITLE, _PERSON = 200, 100, 40
_GROUPS, _GROUP, _PLACES, _EACH = 12, 10, 10, 5
"""The most themes in the thread and commits of each; components, and commits of each that belong to no theme."""
_CELLS, _FULL, _EMPTY = 10, "█", "░"
"""A bar's width, and the characters it is drawn with, which are equally wide in every font."""


# --- The headline ------------------------------------------------------------------------------


def to_read(digest: Digest) -> list[Entry]:
    """The most important commits: the high ones, and if they are few the next ones."""
    high = len(digest.lasting.by_importance[Importance.HIGH])
    return _most_important(digest.lasting.entries)[: min(max(high, _LEAST), _READ)]


def earlier_read(digest: Digest, texts: Texts) -> list[Text]:
    """What to read, as an earlier version wrote it."""
    return _sections(texts, ("rollup.read", _read(digest, texts)))


def headline(digest: Digest, texts: Texts) -> list[Text]:
    """What follows the statistics: themes, components, people, reverted commits."""
    return _sections(
        texts,
        ("rollup.themes", _themes(digest, texts)),
        ("rollup.components", component_lines(digest, texts, _COMPONENTS)),
        ("rollup.people", [people_line(digest, texts, _PEOPLE)]),
        ("rollup.types", [types_line(digest, texts)]),
        ("rollup.undone", _undone(digest, texts)),
    )


def _sections(texts: Texts, *sections: tuple[str, Sequence[Line]]) -> list[Text]:
    # Not lists: of a long one a chat may show only the heading.
    return [Text(tuple(lines), texts(key)) for key, lines in sections if any(lines)]


def _read(digest: Digest, texts: Texts) -> list[Line]:
    """The most important commits, each with its verdict."""
    shown, high = to_read(digest), len(digest.lasting.by_importance[Importance.HIGH])
    rare = _rare_reasons(shown)
    lines = [_read_line(digest, entry, texts, rare) for entry in shown]
    return [*lines, *([plain(texts("rollup.more_high", n=high - _READ))] if high > _READ else [])]


def _rare_reasons(entries: Sequence[Entry]) -> frozenset[str]:
    """The reasons that only a few of some commits share: a common reason says nothing."""
    reasons = Counter(e.grade.reason for e in entries)
    return frozenset(reason for reason, number in reasons.items() if reason and number <= _FEW)


def _read_line(digest: Digest, entry: Entry, texts: Texts, rare: Collection[str]) -> Line:
    importance, reason = entry.grade.importance, entry.grade.reason
    said = entry.analysis.verdict or (reason if reason in rare else "")
    marked = Span(f"{mark(importance, texts)} ", importance=importance)
    named = (marked, *subject_line(digest.repository, entry.commit, _TITLE))
    later = (link_line(digest.repository, link, texts) for link in entry.since)
    return dotted(named, plain(one_line(said, _VERDICT)), *later)


def _themes(digest: Digest, texts: Texts) -> list[Line]:
    more = len(digest.themes) - _THEMES
    lines = [theme_line(digest, theme, texts) for theme in digest.themes[:_THEMES]]
    return [*lines, *([plain(texts("rollup.more_themes", count=texts.count("more_themes", more)))] if more > 0 else [])]


def theme_line(digest: Digest, theme: Theme, texts: Texts) -> Line:
    """A theme's title, its number of commits, and the names of the most important ones."""
    members = _members(digest, theme)
    count = texts.count("commits", len(theme.shas))
    spans = [Span(theme.title, strong=True), Span(f" · {count}{texts('report.colon')}")]
    for number, entry in enumerate(members[:_NAMED]):
        spans += [Span(texts("rules.comma"))] if number else []
        spans.append(named_link(digest.repository, entry.commit))
    return (*spans, *([Span(f" +{len(members) - _NAMED}")] if len(members) > _NAMED else []))


def _members(digest: Digest, theme: Theme) -> list[Entry]:
    shas = set(theme.shas)
    return _most_important([e for e in digest.entries if e.commit.sha in shas])


def _most_important(entries: Sequence[Entry]) -> list[Entry]:
    """Some commits, most important first."""
    return sorted(entries, key=lambda e: e.grade.weight, reverse=True)


def component_lines(digest: Digest, texts: Texts, limit: int, *, lines: bool = False) -> list[Line]:
    """Each component with a bar of its number of commits, and with the changed lines if `lines`."""
    found = _components(digest)[:limit]
    most = max((len(c.shas) for c in found), default=1)
    return [(Span(bar(len(c.shas), most)), *_component_line(c, texts, lines)) for c in found]


def _components(digest: Digest) -> tuple[Component, ...]:
    return digest.rollup.components if digest.rollup else ()


def _component_line(component: Component, texts: Texts, lines: bool) -> Line:
    """Kept short, so that it is one line on a phone."""
    said = texts("digest.lines", added=f"{component.added:,}", removed=f"{component.removed:,}")
    name = Span(component_name(component, texts), strong=True)
    return (Span(f" {len(component.shas):,} "), name, *([Span(f" · {said}")] if lines else []))


def component_name(component: Component, texts: Texts) -> str:
    """The name of a component."""
    return texts("rules.root") if component.name == ROOT else one_line(component.name, 60)


def bar(number: int, most: int) -> str:
    """A bar of blocks, with at least one full."""
    full = max(round(number / most * _CELLS), 1)
    return _FULL * full + _EMPTY * (_CELLS - full)


def people(digest: Digest) -> list[tuple[str, int]]:
    """The people with the number of commits they wrote, most first; commits written by bots only are left out."""
    wrote = Counter(p.name for e in digest.lasting.entries if not e.commit.reading.bot for p in e.commit.reading.people)
    return sorted(wrote.items(), key=lambda item: (-item[1], item[0].casefold()))


def people_line(digest: Digest, texts: Texts, limit: int) -> Line:
    """Who wrote the most commits, and how many others there were."""
    found = people(digest)
    bots = sum(e.commit.reading.bot for e in digest.lasting.entries)
    said = [texts("rollup.person", name=one_line(name, _PERSON), n=n) for name, n in found[:limit]]
    said += [texts("rollup.more_people", n=len(found) - limit)] if len(found) > limit else []
    said += [texts("rollup.bots", count=texts.count("commits", bots))] if bots else []
    return plain(texts("rules.comma").join(said)) if said else ()


def types_line(digest: Digest, texts: Texts) -> Line:
    """How many commits there are of each type, counting each by its first."""
    types = Counter(e.grade.types[0] for e in digest.lasting.entries if e.grade.types)
    ranked = sorted(types.most_common(), key=lambda item: item[0] is ChangeType.OTHER)
    said = [texts("rollup.person", name=type_label(t, texts), n=n) for t, n in ranked[:_TYPES]]
    return plain(texts("rules.comma").join(said)) if said else ()


def _undone(digest: Digest, texts: Texts) -> list[Line]:
    lines = undone_lines(digest, texts)
    more = len(lines) - _UNDONE
    return [*lines[:_UNDONE], *([plain(texts("rollup.more_undone", n=more))] if more > 0 else [])]


def undone_lines(digest: Digest, texts: Texts) -> list[Line]:
    """Each commit that was reverted, most important first, with the one that reverted it."""
    entries = {e.commit.sha: e for e in digest.entries}
    undone = sorted(
        digest.rollup.undone if digest.rollup else (), key=lambda u: entries[u.sha].grade.weight, reverse=True
    )
    return [_undone_line(digest, u, entries, texts) for u in undone]


def _undone_line(digest: Digest, undone: Undone, entries: dict[str, Entry], texts: Texts) -> Line:
    taken, by = entries[undone.sha].commit, undone.named or entries[undone.by].commit
    return (
        *subject_line(digest.repository, taken, _TITLE),
        Span(texts("rollup.undone_by")),
        named_link(digest.repository, by),
    )


# --- The thread --------------------------------------------------------------------------------


def rest(digest: Digest, texts: Texts, reported: Mapping[str, str], *, read: bool = True) -> list[Text]:
    """The themes with their commits, then other commits that are not high, by component; the report has all.

    `reported` is as in `relation_line`. With `read` a line has the analysis's sentence, else the triage list's.
    """
    themed = {sha for theme in digest.themes for sha in theme.shas}
    groups = [
        Text(tuple(_briefly(digest, _members(digest, t), _GROUP, texts, reported, read=read)), t.title, bullets=True)
        for t in digest.themes[:_GROUPS]
    ]
    named = {sha: component_name(c, texts) for c in _components(digest)[:_PLACES] for sha in c.shas}
    left: dict[str, list[Entry]] = {name: [] for name in (*named.values(), texts("report.other"))}
    for entry in _most_important(digest.lasting.entries):
        if entry.commit.sha not in themed and entry.grade.importance is not Importance.HIGH:
            left[named.get(entry.commit.sha, texts("report.other"))].append(entry)
    groups += [
        Text(tuple(_briefly(digest, e, _EACH, texts, reported, read=read)), name, bullets=True)
        for name, e in left.items()
        if e
    ]
    return groups


def _briefly(
    digest: Digest, entries: Sequence[Entry], limit: int, texts: Texts, reported: Mapping[str, str], *, read: bool
) -> Iterator[Line]:
    """The first `limit` commits in a line each, and how many more there are."""
    rare = _rare_reasons(digest.lasting.entries)
    for entry in entries[:limit]:
        said = sentence_of(entry) if read else ""
        unlike = entry.grade.reason in rare
        yield brief_line(digest.repository, entry, texts, reason=unlike, reported=reported, sentence=said)
    if (more := len(entries) - limit) > 0:
        yield plain(texts("digest.rest_more", n=f"{more:,}"))
