"""The words and lines shared by all forms of a digest: days, numbers, names, links. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import accumulate
from types import MappingProxyType

from bot.texts import Texts
from bot.values import (
    RULES,
    Bump,
    ChangeType,
    Commit,
    Count,
    Digest,
    Entry,
    Evidence,
    FileStatus,
    FollowUp,
    Importance,
    Line,
    Link,
    Named,
    Period,
    Relation,
    Repository,
    Search,
    Span,
    Theme,
    local,
    one_line,
)

AUTHOR_LIMIT = 60
"""Characters of a name in a row."""


SUBJECT_LIMIT = 200
"""Characters of a subject in a row or a title: longer ones end in `…`, and the full report has all of them."""


def day_label(period: Period, texts: Texts) -> str:
    """`2026-02-18 Wednesday`, or the first and last days of a longer period."""
    first, last = period.days
    if first.date() == last.date():
        return texts("digest.day", date=f"{first:%Y-%m-%d}", weekday=texts(f"weekday.{first.weekday()}"))
    return texts("digest.days", first=f"{first:%Y-%m-%d}", last=f"{last:%Y-%m-%d}")


def zone_label(zone: str) -> str:
    """A zone by its name; a fixed offset as `UTC+8`, positive eastwards, unlike in the time zone database."""
    if not zone.startswith("Etc/GMT") or not (count := zone.removeprefix("Etc/GMT").strip("+-0")):
        return zone
    return f"UTC{'+' if '-' in zone else '-'}{count}"


def when_label(digest: Digest, texts: Texts) -> str:
    """The day or days of a digest, or its release and the one before."""
    if not (between := digest.between):
        return day_label(digest.period, texts)
    if not between.older:
        return between.newer.name
    return texts("release.title", name=between.newer.name, before=between.older.name)


def period_label(digest: Digest, texts: Texts) -> str:
    """The start and end of the period, its zone, and the branch, if there is one."""
    span = span_label(digest.period, texts)
    return span if digest.between else f"{span} · {texts('digest.branch', branch=digest.branch)}"


def span_label(period: Period, texts: Texts) -> str:
    """The start and end of a period, and its zone, which is named nowhere else."""
    since, until = (local(moment, period.zone) for moment in (period.since, period.until))
    zone = zone_label(period.zone)
    return texts("digest.period", since=f"{since:%Y-%m-%d %H:%M}", until=f"{until:%Y-%m-%d %H:%M}", zone=zone)


def statistics(digest: Digest, texts: Texts) -> tuple[str, ...]:
    """`29 commits`, `🔴 4`, `🟡 12`, `🟢 13`, `+4,120 −1,985`, `14 authors`, and the usual number, if known."""
    parts = [texts.count("commits", len(digest.entries))]
    parts += [count.label for count in counts(digest, texts)]
    parts += [texts("digest.lines", added=f"{digest.added:,}", removed=f"{digest.removed:,}")]
    parts += [texts.count("authors", digest.authors)]
    if digest.usual is not None:
        parts.append(texts("digest.usual", n=digest.usual))
    return tuple(parts)


def counts(digest: Digest, texts: Texts) -> tuple[Count, ...]:
    """How many commits of each importance, the highest first."""
    numbers = {i: len(found) for i, found in digest.by_importance.items()}
    return tuple(Count(i, n, f"{mark(i, texts)} {n}", grade_label(i, texts)) for i, n in numbers.items())


def grade_label(importance: Importance | None, texts: Texts) -> str:
    """`🔴 High`; empty for None."""
    return f"{mark(importance, texts)} {texts(f'importance.{importance}')}" if importance else ""


def mark(importance: Importance, texts: Texts) -> str:
    """The coloured mark of an importance."""
    return texts(f"importance.{importance}_mark")


def importance_label(entry: Entry, texts: Texts) -> str:
    """`🔴 High: breaking change`."""
    grade = entry.grade
    return grade_label(grade.importance, texts) + (f" · {grade.reason}" if grade.reason else "")


def types_label(entry: Entry, texts: Texts) -> str:
    """`Fix / Security`."""
    return " / ".join(type_label(t, texts) for t in entry.grade.types)


def type_label(type_: ChangeType, texts: Texts) -> str:
    """`Fix`."""
    return texts(f"type.{type_}")


def people_label(commit: Commit, texts: Texts, limit: int = 0) -> str:
    """The authors of a commit, for a row: the first two, each cut to `limit` characters, and how many more."""
    names = [one_line(person.name, limit) for person in commit.reading.people]
    more = len(names) - _NAMED
    return texts("rules.comma").join(names[:_NAMED]) + (f" +{more}" if more > 0 else "")


_NAMED = 2


def brackets(texts: Texts) -> tuple[str, str]:
    """The brackets around an aside."""
    begin, _, end = texts("digest.named", names="\0").partition("\0")
    return begin, end


def by_label(by: str, texts: Texts) -> str:
    """Who wrote an analysis."""
    return texts("digest.by_rules") if by == RULES else texts("digest.by_model", model=by)


def size_label(commit: Commit, texts: Texts) -> str:
    """`+120 −8, 5 files`."""
    lines = texts("digest.lines", added=f"{commit.added:,}", removed=f"{commit.removed:,}")
    return texts("digest.changes", lines=lines, files=texts.count("files", len(commit.files)))


def coverage_label(coverage: float, texts: Texts) -> str:
    """How much of a patch was read, rounded down, so that only a whole patch is 100%."""
    return texts("digest.coverage", percent=int(coverage * 100))


def subject_line(repository: Repository, commit: Commit, limit: int = SUBJECT_LIMIT, *, brief: bool = False) -> Line:
    """The subject as a link to the commit, `brief` for a table, and its pull request's number as another link."""
    page = repository.brief_url(commit.sha) if brief else repository.commit_url(commit.sha)
    subject = one_line(commit.reading.subject, limit) or commit.short
    spans = []
    if commit.pull is not None:
        spans = [Span(" ("), Span(repository.number(commit.pull), repository.pull_url(commit.pull)), Span(")")]
    return (Span(subject, page), *spans)


def named_link(repository: Repository, commit: Commit | Named) -> Span:
    """A commit by its pull request's number or SHA, linked to the page where people discuss it."""
    page = repository.pull_url(commit.pull) if commit.pull is not None else None
    name = repository.number(commit.pull) if commit.pull is not None else commit.sha[:7]
    return Span(name, page or repository.commit_url(commit.sha))


def brief_line(
    repository: Repository,
    entry: Entry,
    texts: Texts,
    *,
    reason: bool = True,
    reported: Mapping[str, str] = MappingProxyType({}),
    sentence: str = "",
) -> Line:
    """A commit in one line: its mark, name, what it does, perhaps the reason of its grade, its relations and fate.

    `reported` is as in `relation_line`; `sentence` says what it does, by default the triage list's.
    """
    grade, sha = entry.grade, entry.commit.sha
    named = (
        Span(f"{mark(grade.importance, texts)} ", importance=grade.importance),
        Span(entry.commit.short, repository.commit_url(sha), code=True),
        Span(f" {sentence or grade.sentence}"),
    )
    return dotted(
        named,
        plain(grade.reason if reason else ""),
        *(relation_line(repository, each, texts, reported) for each in entry.relations),
        *(link_line(repository, each, texts) for each in entry.since),
    )


def dotted(*pieces: Line) -> Line:
    """Pieces of one line with ` · ` between them; empty ones are left out.

    A Chinese sentence loses its full stop before ` · `: it would end what goes on. An English one keeps it.
    """
    first, *others = [piece for piece in pieces if any(span.text for span in piece)]
    spans = [*first]
    for piece in others:
        spans[-1] = replace(spans[-1], text=spans[-1].text.rstrip("。"))
        spans += [Span(" · "), *piece]
    return tuple(spans)


# A number with a host's sign, or the start of a SHA, that is not part of a word, a path or an address.
_NAMED_COMMIT = re.compile(r"(?<![\w/.#!&@-])(?:[#!]\d{1,9}|[0-9a-f]{7,64})(?![\w/@-]|\.\w)", re.ASCII)


def overview_line(digest: Digest) -> Line:
    """The overview, with links where it names commits of this digest by number or the start of a SHA.

    Only links to this repository are added; everything else stays text.
    """
    return _linked(digest, digest.overview) or plain("")


def _linked(digest: Digest, text: str) -> Line:
    spans, at = [], 0
    for found in _NAMED_COMMIT.finditer(text):
        if url := _url_of(digest, found[0]):
            spans += [Span(text[at : found.start()]), Span(found[0], url)]
            at = found.end()
    return tuple(span for span in (*spans, Span(text[at:])) if span.text)


def overview_with_themes(digest: Digest, texts: Texts) -> Line:
    """As `overview_line`; a theme's title is followed by links to its commits, unless the overview names them."""
    text, places = digest.overview, list[tuple[int, Line]]()
    before, after = brackets(texts)
    for theme in digest.themes:
        found = re.search(_THEME.format(re.escape(theme.title)), text, re.IGNORECASE | re.ASCII)
        if found and len(theme.title) >= _TITLED and (names := _unnamed(digest, theme, texts)):
            places.append((found.end(), (Span(before), *names, Span(after))))
    spans, at = list[Span](), 0
    for end, names in sorted(places, key=lambda place: place[0]):
        spans += [*_linked(digest, text[at:end]), *names]
        at = end
    return (*spans, *_linked(digest, text[at:])) or plain("")


_THEME = r"(?<![\w/.#!&@-]){}(?![\w/#!&@-])"
"""A theme's title that is not part of a word, a path or an address."""
_TITLED = 6
"""The least characters of a theme's title that is looked for in an overview: a shorter one may be any word."""
_OF_THEME = 3
"""The most commits that are linked after it."""


def _unnamed(digest: Digest, theme: Theme, texts: Texts) -> Line:
    """Links to the first commits of a theme; none if the overview names one of them."""
    repository, shas = digest.repository, set(theme.shas)
    members = sorted((e for e in digest.entries if e.commit.sha in shas), key=lambda e: e.grade.weight, reverse=True)
    commits = [entry.commit for entry in members]
    named = {span.text for span in overview_line(digest) if span.url}
    if any(repository.named(c) in named or any(c.sha.startswith(name) for name in named) for c in commits):
        return ()
    links = [named_link(repository, commit) for commit in commits[:_OF_THEME]]
    spans = _listed(links, texts)
    more = len(commits) - len(links)
    return (*spans, *([Span(f" +{more}")] if more > 0 else []))


def _url_of(digest: Digest, name: str) -> str | None:
    """The page of the digest's commit or pull request with a name; None if none or several have it."""
    repository = digest.repository
    for commit in (e.commit for e in digest.entries):
        if commit.pull is not None and repository.number(commit.pull) == name:
            return repository.pull_url(commit.pull) or repository.commit_url(commit.sha)
    shas = [e.commit.sha for e in digest.entries if e.commit.sha.startswith(name)]
    return repository.commit_url(shas[0]) if len(shas) == 1 else None


def path_url(repository: Repository, commit: Commit, path: str) -> str | None:
    """The web page of a file after a commit, or before it if the commit removed the file."""
    removed = any(f.path == path and f.status is FileStatus.REMOVED for f in commit.files)
    return repository.file_url(commit.parents[0] if removed and commit.parents else commit.sha, path)


_QUOTED, _NAMED_BY = 160, 120
"""Characters of a quote that a message shows (the link next to it leads to the rest), and of a word or a definition."""


def evidence_line(
    repository: Repository, commit: Commit, evidence: Evidence, texts: Texts, room: int = _QUOTED
) -> Line:
    """The path and lines of a piece of evidence, linked (old lines to the old file), what they are in, and the quote.

    Lines that the commit adds or removes are marked as such, and so are quotes of the message, the pull request and
    another commit's title; a search has its result. The first `room` characters of the quote are shown; 0 for all of
    it.
    """
    at, path, line = evidence.sha or commit.sha, evidence.path, evidence.line
    if evidence.search:
        return _searched(repository, evidence, evidence.search, texts)
    if evidence.removed and commit.parents:
        at, path = commit.parents[0], next((f.previous or path for f in commit.files if f.path == path), path)
    url = repository.file_url(at, path, line, evidence.last) if line else repository.commit_url(at)
    where = f"{path}:{line}" + (f"-{evidence.last}" if evidence.last else "") if line else path
    named = where or evidence.sha[:7]
    spans = [Span(named, url, code=True) if named else Span(texts("digest.message"), url)]
    if evidence.request and commit.pull is not None:
        spans = [Span(texts("digest.request"), repository.pull_url(commit.pull))]
    if evidence.inside:
        spans += [Span(" › "), Span(one_line(evidence.inside, _NAMED_BY), code=True)]
    if how := evidence.how or ("was" if path and evidence.sha in commit.parents else ""):
        spans.append(Span(texts("digest.named", names=texts(f"digest.{how}"))))
    if evidence.quote and evidence.quote != evidence.path:
        spans += _quoted(evidence.quote, room)
    return tuple(spans)


def _searched(repository: Repository, evidence: Evidence, search: Search, texts: Texts) -> Line:
    """`searched for retries at 9a93eb7: 2 uses in src/app.py, src/main.py`, each with its link."""
    key = "used_in" if search.paths else "used" if search.hits else "unused"
    names = (Span(path, repository.file_url(evidence.sha, path), code=True) for path in search.paths)
    counts = {"uses": texts.count("uses", search.hits), "files": texts.count("files", search.files)}
    found = filled(texts, f"digest.{key}", names=_listed(names, texts), **counts)
    word = Span(one_line(evidence.quote, _NAMED_BY), code=True)
    where = Span(evidence.sha[:7], repository.commit_url(evidence.sha), code=True)
    return filled(texts, "digest.searched", word=word, sha=where, found=found)


def _listed(spans: Iterable[Span], texts: Texts) -> Line:
    """Spans with a comma between them."""
    return tuple(piece for span in spans for piece in (Span(texts("rules.comma")), span))[1:]


def _quoted(quote: str, limit: int) -> list[Span]:
    """The lines of a quote as code, joined into one line, as many as fit into `limit` characters (0: all)."""
    lines = [line for each in quote.split("\n") if (line := one_line(each, limit))]
    ends = accumulate(map(len, lines))
    shown = [line for line, end in zip(lines, ends, strict=True) if not limit or end <= limit]
    spans = [span for line in shown for span in (Span(" ↵ "), Span(line, code=True))]
    return [Span(" "), *spans[1:], *([Span(" …")] if len(shown) < len(lines) else [])]


def relation_line(
    repository: Repository, relation: Relation, texts: Texts, reported: Mapping[str, str] = MappingProxyType({})
) -> Line:
    """`reverts 9a93eb7 Retry a failed start`, linked to the commit, or to the pull request if only that is known.

    `reported` maps SHAs to the text that says when a commit was reported to the reader.
    """
    kind, title = texts(f"relation.{relation.kind}"), one_line(relation.title, SUBJECT_LIMIT)
    if relation.sha:
        named = Span(relation.sha[:7], repository.commit_url(relation.sha), code=True)
    else:
        number = relation.pull or 0
        named = Span(repository.number(number), repository.pull_url(number))
    return (
        Span(f"{kind} "),
        named,
        *([Span(f" {title}")] if title else []),
        *([Span(reported[relation.sha])] if relation.sha in reported else []),
    )


def reported_labels(reported: Mapping[str, datetime], zone: str, texts: Texts) -> dict[str, str]:
    """The text that says when each commit was reported, by SHA: `, reported 2026-06-03`."""
    return {sha: texts("since.told", date=f"{local(at, zone):%Y-%m-%d}") for sha, at in reported.items()}


def link_line(repository: Repository, link: Link, texts: Texts) -> Line:
    """`reverted by #12035: Restore the old default`; a likely link also says how it was found."""
    key, title = link.kind if link.certain else f"likely_{link.kind}", _short_title(repository, link.later)
    before, _, after = texts(f"since.{key}", name="\0", title=title).partition("\0")
    how = [] if link.certain else [Span(texts("since.lines", changed=link.changed, of=link.of))]
    return (*([Span(before)] if before else []), *_named(repository, link.later), Span(after), *how)


def follow_up_line(repository: Repository, follow_up: FollowUp, zone: str, texts: Texts) -> Line:
    """`#9601 (reported 2026-06-03) reverted by #12035: Restore the old default`, for a headline."""
    reported = texts("since.earlier", date=f"{local(follow_up.told, zone):%Y-%m-%d}")
    return (*_named(repository, follow_up.link.earlier), Span(reported), *link_line(repository, follow_up.link, texts))


def follow_up_title(repository: Repository, link: Link, texts: Texts) -> Line:
    """`#9601 reverted by #12035: Restore the old default`."""
    return (*_named(repository, link.earlier), Span(" "), *link_line(repository, link, texts))


def _named(repository: Repository, commit: Named) -> Line:
    """A commit by the number of its pull request, else by its SHA, linked."""
    if commit.pull is not None:
        return (Span(repository.number(commit.pull), repository.pull_url(commit.pull)),)
    return (Span(commit.sha[:7], repository.commit_url(commit.sha), code=True),)


def _short_title(repository: Repository, commit: Named) -> str:
    """A commit's title without its number, which is shown before it."""
    number = f" ({repository.number(commit.pull)})" if commit.pull is not None else ""
    return one_line(commit.title.removesuffix(number), SUBJECT_LIMIT)


def facts(repository: Repository, entry: Entry, landed: str, texts: Texts) -> tuple[tuple[str, Line], ...]:
    """The facts about a commit and its analysis, by label; `landed` is the time as shown."""
    commit, analysis = entry.commit, entry.analysis
    known = [
        (texts("digest.type"), types_label(entry, texts)),
        (texts("digest.importance"), importance_label(entry, texts)),
        (texts("digest.author"), texts("rules.comma").join(person.name for person in commit.reading.people)),
        *([(texts("digest.merged_by"), commit.reading.merger)] if commit.reading.merger else []),
        (texts("digest.landed"), landed),
        (texts("digest.size"), size_label(commit, texts)),
        (texts("digest.source"), by_label(analysis.by, texts)),
    ]
    if analysis.coverage < 1:
        known.append((texts("digest.read"), coverage_label(analysis.coverage, texts)))
    if analysis.dropped:
        known.append((texts("digest.left_out"), texts("digest.dropped", n=analysis.dropped)))
    named = ("SHA", (Span(commit.short, repository.commit_url(commit.sha), code=True),))
    return (named, *((label, plain(text)) for label, text in known))


def filled(texts: Texts, key: str, **blanks: Line | Span | str | int) -> Line:
    """A label with spans for its blanks."""
    lines = {name: _spans(value) for name, value in blanks.items()}
    parts = _BLANK.split(texts(key, **{name: _Blank(name, line) for name, line in lines.items()}))
    spans = [span for n, part in enumerate(parts) for span in (lines[part] if n % 2 else (Span(part),))]
    return tuple(span for span in spans if span.text)


_BLANK = re.compile("\0([a-z_]+)\0")


class _Blank(str):
    """The words of a blank, by which a label is spaced; a mark with its name is put where they belong."""

    __slots__ = ("_name",)
    _name: str

    def __new__(cls, name: str, line: Line) -> "_Blank":
        self = super().__new__(cls, "".join(span.text for span in line))
        self._name = name
        return self

    def __format__(self, spec: str) -> str:
        return f"\0{self._name}\0"


def _spans(value: Line | Span | str | int) -> Line:
    return value if isinstance(value, tuple) else (value if isinstance(value, Span) else Span(str(value)),)


def plain(text: str) -> Line:
    """A line of plain text."""
    return (Span(text),)


def columns(texts: Texts) -> tuple[str, ...]:
    """The headings of a table of commits: time, author, message, importance."""
    return tuple(texts(f"table.{name}") for name in ("time", "author", "message", "importance"))


def bumps_line(repository: Repository, entries: Sequence[Entry], texts: Texts) -> Line:
    """`4 dependency updates: requests 2.31 → 2.32, …`, each linked to its commit."""
    spans = [Span(texts("digest.bumps", count=texts.count("commits", len(entries))))]
    for number, entry in enumerate(entries):
        named = texts("rules.comma").join(_bump_label(bump) for bump in entry.commit.reading.bumps[:_MOST_BUMPS])
        spans += [Span(texts("rules.comma"))] if number else []
        spans.append(Span(one_line(named, SUBJECT_LIMIT), repository.commit_url(entry.commit.sha)))
    return tuple(spans)


_MOST_BUMPS = 5


def _bump_label(bump: Bump) -> str:
    versions = " → ".join(v for v in (bump.old, bump.new) if v)
    return f"{bump.package} {versions}".rstrip()
