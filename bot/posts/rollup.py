"""What a digest of a week or longer says instead of a table: for a chat and for the report. Pure."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from bot.commits.files import ROOT
from bot.posts.labels import brief_line, link_line, mark, named_link, plain, subject_line, type_label
from bot.posts.lists import sentence_of
from bot.texts import Texts
from bot.values import ChangeType, Component, Digest, Entry, Importance, Line, Span, Text, Theme, Undone, one_line

_READ, _THEMES, _COMPONENTS, _PEOPLE, _UNDONE, _TYPES = 8, 6, 6, 8, 5, 6
"""Lines of each kind in a headline, and names in one of its lines: the reader has two minutes."""
_LEAST = 3
"""Commits that are named in a week in which nothing is high."""
_FEW = 2
"""So many commits may share a reason that is still worth telling."""
_NAMED = 6
"""Commits that a theme's line names."""
_VERDICT, _TITLE, _PERSON = 200, 100, 40
_GROUPS, _GROUP, _PLACES, _EACH = 12, 10, 10, 5
"""Themes in the thread and commits of each; components, and commits of each that belong to no theme."""
_CELLS, _FULL, _EMPTY = 10, "█", "░"
"""A bar's width, and what it is drawn with: characters of one width in every font that has them."""


# --- The headline ------------------------------------------------------------------------------


def to_read(digest: Digest) -> list[Entry]:
    """The weightiest commits: those that are high, and where these are few the next ones."""
    high = len(digest.lasting.by_importance[Importance.HIGH])
    return _weightiest(digest.lasting.entries)[: min(max(high, _LEAST), _READ)]


def earlier_read(digest: Digest, texts: Texts) -> list[Text]:
    """What to read, as an earlier version wrote it."""
    return _sections(texts, ("rollup.read", _read(digest, texts)))


def headline(digest: Digest, texts: Texts) -> list[Text]:
    """What stands beneath the statistics: themes, where it happened, who it was, what was taken back."""
    return _sections(
        texts,
        ("rollup.themes", _themes(digest, texts)),
        ("rollup.components", component_lines(digest, texts, _COMPONENTS)),
        ("rollup.people", [people_line(digest, texts, _PEOPLE)]),
        ("rollup.types", [types_line(digest, texts)]),
        ("rollup.undone", _undone(digest, texts)),
    )


def _sections(texts: Texts, *sections: tuple[str, Sequence[Line]]) -> list[Text]:
    # No lists: of one that is long a chat may show no more than its heading.
    return [Text(tuple(lines), texts(key)) for key, lines in sections if any(lines)]


def _read(digest: Digest, texts: Texts) -> list[Line]:
    """The weightiest commits, each with its verdict."""
    shown, high = to_read(digest), len(digest.lasting.by_importance[Importance.HIGH])
    telling = _telling(shown)
    lines = [_read_line(digest, entry, texts, telling) for entry in shown]
    return [*lines, *([plain(texts("rollup.more_high", n=high - _READ))] if high > _READ else [])]


def _telling(entries: Sequence[Entry]) -> frozenset[str]:
    """The reasons of some commits that few of them share: what many have in common tells nobody anything."""
    reasons = Counter(e.grade.reason for e in entries)
    return frozenset(reason for reason, number in reasons.items() if reason and number <= _FEW)


def _read_line(digest: Digest, entry: Entry, texts: Texts, telling: Collection[str]) -> Line:
    importance, reason = entry.grade.importance, entry.grade.reason
    said = entry.analysis.verdict or (reason if reason in telling else "")
    return (
        Span(f"{mark(importance, texts)} ", importance=importance),
        *subject_line(digest.repository, entry.commit, _TITLE),
        *([Span(f" · {one_line(said, _VERDICT)}")] if said else []),
        *(span for k in entry.since for span in (Span(" · "), *link_line(digest.repository, k, texts))),
    )


def _themes(digest: Digest, texts: Texts) -> list[Line]:
    more = len(digest.themes) - _THEMES
    lines = [theme_line(digest, theme, texts) for theme in digest.themes[:_THEMES]]
    return [*lines, *([plain(texts("rollup.more_themes", count=texts.count("more_themes", more)))] if more > 0 else [])]


def theme_line(digest: Digest, theme: Theme, texts: Texts) -> Line:
    """A theme's title, how many commits it has, and the weightiest of them by name."""
    members = _members(digest, theme)
    count = texts.count("commits", len(theme.shas))
    spans = [Span(theme.title, strong=True), Span(f" · {count}{texts('report.colon')}")]
    for number, entry in enumerate(members[:_NAMED]):
        spans += [Span(texts("rules.comma"))] if number else []
        spans.append(named_link(digest.repository, entry.commit))
    return (*spans, *([Span(f" +{len(members) - _NAMED}")] if len(members) > _NAMED else []))


def _members(digest: Digest, theme: Theme) -> list[Entry]:
    shas = set(theme.shas)
    return _weightiest([e for e in digest.entries if e.commit.sha in shas])


def _weightiest(entries: Sequence[Entry]) -> list[Entry]:
    """Some commits, the weightiest first."""
    return sorted(entries, key=lambda e: e.grade.weight, reverse=True)


def component_lines(digest: Digest, texts: Texts, limit: int, *, lines: bool = False) -> list[Line]:
    """Each component with a bar of how many commits happened in it, and with the `lines` that they changed."""
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
    """What a component is called."""
    return texts("rules.root") if component.name == ROOT else one_line(component.name, 60)


def bar(number: int, most: int) -> str:
    """A bar of blocks, at least one of them full."""
    full = max(round(number / most * _CELLS), 1)
    return _FULL * full + _EMPTY * (_CELLS - full)


def people(digest: Digest) -> list[tuple[str, int]]:
    """The people by how many commits they wrote, most first; what programs wrote alone is nobody's."""
    wrote = Counter(p.name for e in digest.lasting.entries if not e.commit.reading.bot for p in e.commit.reading.people)
    return sorted(wrote.items(), key=lambda item: (-item[1], item[0].casefold()))


def people_line(digest: Digest, texts: Texts, limit: int) -> Line:
    """Who wrote most of it, and how many others there were."""
    found = people(digest)
    bots = sum(e.commit.reading.bot for e in digest.lasting.entries)
    said = [texts("rollup.person", name=one_line(name, _PERSON), n=n) for name, n in found[:limit]]
    said += [texts("rollup.more_people", n=len(found) - limit)] if len(found) > limit else []
    said += [texts("rollup.bots", count=texts.count("commits", bots))] if bots else []
    return plain(texts("rules.comma").join(said)) if said else ()


def types_line(digest: Digest, texts: Texts) -> Line:
    """How many commits there are of each type, by the first that each has."""
    types = Counter(e.grade.types[0] for e in digest.lasting.entries if e.grade.types)
    ranked = sorted(types.most_common(), key=lambda item: item[0] is ChangeType.OTHER)
    said = [texts("rollup.person", name=type_label(t, texts), n=n) for t, n in ranked[:_TYPES]]
    return plain(texts("rules.comma").join(said)) if said else ()


def _undone(digest: Digest, texts: Texts) -> list[Line]:
    lines = undone_lines(digest, texts)
    more = len(lines) - _UNDONE
    return [*lines[:_UNDONE], *([plain(texts("rollup.more_undone", n=more))] if more > 0 else [])]


def undone_lines(digest: Digest, texts: Texts) -> list[Line]:
    """Each commit that was taken back, the weightiest first, with the one that did it."""
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


def rest(digest: Digest, texts: Texts, told: Mapping[str, str], *, read: bool = True) -> list[Text]:
    """The themes with their commits, then by component what is in none and is not high; the report has all of it.

    `told` is as in `relation_line`. With `read` a line says what who read the patch says, else what the list said.
    """
    themed = {sha for theme in digest.themes for sha in theme.shas}
    groups = [
        Text(tuple(_briefly(digest, _members(digest, t), _GROUP, texts, told, read=read)), t.title, bullets=True)
        for t in digest.themes[:_GROUPS]
    ]
    named = {sha: component_name(c, texts) for c in _components(digest)[:_PLACES] for sha in c.shas}
    left: dict[str, list[Entry]] = {name: [] for name in (*named.values(), texts("report.other"))}
    for entry in _weightiest(digest.lasting.entries):
        if entry.commit.sha not in themed and entry.grade.importance is not Importance.HIGH:
            left[named.get(entry.commit.sha, texts("report.other"))].append(entry)
    groups += [
        Text(tuple(_briefly(digest, e, _EACH, texts, told, read=read)), name, bullets=True)
        for name, e in left.items()
        if e
    ]
    return groups


def _briefly(
    digest: Digest, entries: Sequence[Entry], limit: int, texts: Texts, told: Mapping[str, str], *, read: bool
) -> Iterator[Line]:
    """The first of some commits in a line each, and how many more there are."""
    telling = _telling(digest.lasting.entries)
    for entry in entries[:limit]:
        said = sentence_of(entry) if read else ""
        unlike = entry.grade.reason in telling
        yield brief_line(digest.repository, entry, texts, reason=unlike, told=told, sentence=said)
    if (more := len(entries) - limit) > 0:
        yield plain(texts("digest.rest_more", n=f"{more:,}"))
