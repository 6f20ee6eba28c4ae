"""From judged commits to what a channel sees: themes, statistics, and the `Post`. Pure.

The words are the labels' or the analyses'; the layout of a message is decided here, its looks by each chat.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from bot.commits import related
from bot.texts import Texts
from bot.values import (
    RULES,
    Attachment,
    Bump,
    Button,
    Buttons,
    Commit,
    Count,
    Digest,
    Entry,
    Evidence,
    Fields,
    FileStatus,
    Impact,
    Importance,
    Line,
    Message,
    MessageKind,
    Part,
    Period,
    Post,
    Relation,
    Repository,
    Span,
    Table,
    Text,
    one_line,
)

AUTHOR_LIMIT = 60
"""Characters of a name in a row."""
SUBJECT_LIMIT = 200
"""Characters of a subject in a row or a title: longer ones end in `…` and stand whole in the full report."""


# --- Words shared with the report ------------------------------------------------------------


def local(moment: datetime, zone: str) -> datetime:
    """`moment` on the clock of `zone`."""
    return moment.astimezone(ZoneInfo(zone))


def days(period: Period) -> tuple[datetime, datetime]:
    """The first and the last local moment of a period; both are on the same date when it is one day."""
    return local(period.since, period.zone), local(period.until - timedelta(microseconds=1), period.zone)


def day_label(period: Period, texts: Texts) -> str:
    """`2026-02-18 Wednesday`, or both ends of a longer period."""
    first, last = days(period)
    if first.date() == last.date():
        return texts("digest.day", date=f"{first:%Y-%m-%d}", weekday=texts(f"weekday.{first.weekday()}"))
    return texts("digest.days", first=f"{first:%Y-%m-%d}", last=f"{last:%Y-%m-%d}")


def period_label(digest: Digest, texts: Texts) -> str:
    """Both ends of the period and its zone, which is named here and nowhere else, and the branch."""
    since, until = (local(m, digest.period.zone) for m in (digest.period.since, digest.period.until))
    span = texts(
        "digest.period", since=f"{since:%Y-%m-%d %H:%M}", until=f"{until:%Y-%m-%d %H:%M}", zone=digest.period.zone
    )
    return f"{span} · {texts('digest.branch', branch=digest.branch)}"


def statistics(digest: Digest, texts: Texts) -> tuple[str, ...]:
    """`29 commits`, `🔴 4`, `🟡 12`, `🟢 13`, `+4,120 −1,985`, `14 authors`, and the usual number where it is known."""
    parts = [texts.count("commits", len(digest.entries))]
    parts += [count.label for count in counts(digest, texts)]
    parts += [texts("digest.lines", added=f"{digest.added:,}", removed=f"{digest.removed:,}")]
    parts += [texts.count("authors", digest.authors)]
    if digest.usual is not None:
        parts.append(texts("digest.usual", n=digest.usual))
    return tuple(parts)


def counts(digest: Digest, texts: Texts) -> tuple[Count, ...]:
    """How many commits of each importance, the gravest first."""
    numbers = {i: len(found) for i, found in digest.by_importance.items()}
    return tuple(Count(i, n, f"{mark(i, texts)} {n}", grade_label(i, texts)) for i, n in numbers.items())


def gravest(entries: Sequence[Entry]) -> Importance | None:
    """The gravest importance of some commits; None of no commits."""
    return max((e.grade.importance for e in entries), key=_RANK.index, default=None)


def grade_label(importance: Importance | None, texts: Texts) -> str:
    """`🔴 High`; nothing for no importance."""
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
    return " / ".join(texts(f"type.{t}") for t in entry.grade.types)


def people_label(commit: Commit, limit: int = 0) -> str:
    """Who wrote what landed, for a row: the first two, each in `limit` characters, and how many more."""
    names = [one_line(person.name, limit) for person in commit.reading.people]
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" +{more}" if more > 0 else "")


_NAMED = 2


def by_label(by: str, texts: Texts) -> str:
    """Who wrote an analysis."""
    return texts("digest.by_rules") if by == RULES else texts("digest.by_model", model=by)


def size_label(commit: Commit, texts: Texts) -> str:
    """`+120 −8, 5 files`."""
    lines = texts("digest.lines", added=f"{commit.added:,}", removed=f"{commit.removed:,}")
    return f"{lines}, {texts.count('files', len(commit.files))}"


def coverage_label(coverage: float, texts: Texts) -> str:
    """How much of a patch was read, rounded down, so that only a whole patch is 100 %."""
    return texts("digest.coverage", percent=int(coverage * 100))


# --- Lines -----------------------------------------------------------------------------------


def titled(repository: Repository, commit: Commit, limit: int = 0) -> str:
    """The title with the number of its change request, in words alone; one that says the number says it once."""
    subject = one_line(commit.reading.subject, limit) or commit.short
    number = repository.number(commit.pull) if commit.pull is not None else ""
    return subject if number in subject else f"{subject} ({number})"


def subject_line(repository: Repository, commit: Commit, limit: int = SUBJECT_LIMIT) -> Line:
    """The subject as a link to the commit, and its pull request's number as a link of its own."""
    subject = one_line(commit.reading.subject, limit) or commit.short
    spans = []
    if commit.pull is not None:
        spans = [Span(" ("), Span(repository.number(commit.pull), repository.pull_url(commit.pull)), Span(")")]
    return (Span(subject, repository.commit_url(commit.sha)), *spans)


def path_url(repository: Repository, commit: Commit, path: str) -> str | None:
    """The web page of a file as a commit left it, or as it was before, where the commit removed it."""
    removed = any(f.path == path and f.status is FileStatus.REMOVED for f in commit.files)
    return repository.file_url(commit.parents[0] if removed and commit.parents else commit.sha, path)


def evidence_line(repository: Repository, sha: str, evidence: Evidence) -> Line:
    """The path and line of a piece of evidence as a link, and the words quoted."""
    where = f"{evidence.path}:{evidence.line}" if evidence.line else evidence.path
    url = repository.file_url(sha, evidence.path, evidence.line) if evidence.line else repository.commit_url(sha)
    spans = [Span(where, url, code=True)]
    if evidence.quote and evidence.quote != evidence.path:
        spans += [Span(" "), Span(one_line(evidence.quote, 120), code=True)]
    return tuple(spans)


def relation_line(repository: Repository, relation: Relation, texts: Texts) -> Line:
    """`reverts 9a93eb7 Retry a failed start`, linked to the commit, or to the pull request where only that is known."""
    kind, title = texts(f"relation.{relation.kind}"), one_line(relation.title, SUBJECT_LIMIT)
    if relation.sha:
        named = Span(relation.sha[:7], repository.commit_url(relation.sha), code=True)
    else:
        number = relation.pull or 0
        named = Span(repository.number(number), repository.pull_url(number))
    return (Span(f"{kind} "), named, *([Span(f" {title}")] if title else []))


def facts(repository: Repository, entry: Entry, landed: str, texts: Texts) -> tuple[tuple[str, Line], ...]:
    """What is known of a commit, which landed at the time `landed`, and of how its analysis came about, by label."""
    commit, analysis = entry.commit, entry.analysis
    known = [
        (texts("digest.type"), types_label(entry, texts)),
        (texts("digest.importance"), importance_label(entry, texts)),
        (texts("digest.author"), ", ".join(person.name for person in commit.reading.people)),
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
    return (named, *((label, _plain(text)) for label, text in known))


def _plain(text: str) -> Line:
    return (Span(text),)


# --- One commit ------------------------------------------------------------------------------


def commit_message(repository: Repository, entry: Entry, zone: str, texts: Texts) -> Message:
    """Everything that is said of one commit: self-contained, in the depth of its analysis."""
    title = (Span(f"{mark(entry.grade.importance, texts)} "), *subject_line(repository, entry.commit))
    landed = f"{local(entry.commit.committed, zone):%Y-%m-%d %H:%M}"
    known = Fields(facts(repository, entry, landed, texts))
    parts = (known, *_analysis_parts(repository, entry, texts))
    return Message(
        f"commit:{entry.commit.sha}", title, parts, kind=MessageKind.COMMIT, importance=entry.grade.importance
    )


def _analysis_parts(repository: Repository, entry: Entry, texts: Texts) -> tuple[Part, ...]:
    analysis, sha = entry.analysis, entry.commit.sha
    impact = [_impact_line(repository, entry.commit, i) for i in analysis.impact]
    insights = [
        (
            Span(texts(f"aspect.{i.aspect}"), strong=True),
            Span(f": {i.text} ("),
            *evidence_line(repository, sha, i.evidence),
            Span(")"),
        )
        for i in analysis.insights
    ]
    risks = [
        (
            Span(f"{r.text} ("),
            *evidence_line(repository, sha, r.evidence),
            Span(f") {texts('digest.mitigation', text=r.mitigation)}" if r.mitigation else ")"),
        )
        for r in analysis.risks
    ]
    suggestions: list[Line] = [(Span(s.who, strong=True), Span(f": {s.action}")) for s in analysis.suggestions]
    inner: list[Line] = [
        (
            Span(c.sha[:7], repository.commit_url(c.sha), code=True),
            Span(f" {one_line(c.subject, SUBJECT_LIMIT)} · {c.author}"),
        )
        for c in entry.commit.inner
    ]
    relations = [relation_line(repository, r, texts) for r in entry.relations]
    lists: list[tuple[str, Sequence[Line]]] = [
        ("relations", relations),
        ("impact", impact),
        ("insight", insights),
        ("risks", risks),
        ("suggestions", suggestions),
        ("inner", inner),
    ]
    notes = (Text((_plain(analysis.note),)),) if analysis.note else ()
    return (
        Text((_plain(analysis.summary),), heading=texts("digest.summary")),
        *(Text(tuple(lines), heading=texts(f"digest.{name}"), bullets=True) for name, lines in lists if lines),
        *notes,
    )


def _impact_line(repository: Repository, commit: Commit, impact: Impact) -> Line:
    spans = [Span(impact.component, strong=True), Span(f": {impact.effect}" if impact.effect else "")]
    for number, path in enumerate(impact.paths):
        spans += [Span(" (" if number == 0 else ", "), Span(path, path_url(repository, commit, path), code=True)]
    return (*spans, Span(")")) if impact.paths else tuple(spans)


# --- A whole digest --------------------------------------------------------------------------


def post(digest: Digest, texts: Texts, attachments: Sequence[Attachment] = (), notes: Sequence[str] = ()) -> Post:
    """The headline with overview, statistics and table; beneath it the high commits, the rest, and the report.

    `notes` are sentences of the headline that hold for one subscription only, such as what an earlier digest missed.
    """
    zone = digest.period.zone
    replies = [commit_message(digest.repository, e, zone, texts) for e in digest.by_importance[Importance.HIGH]]
    if rest := [e for i in (Importance.MEDIUM, Importance.LOW) for e in digest.by_importance[i]]:
        replies.append(_rest(digest, rest, texts))
    if attachments and digest.entries:
        replies.append(Message("report", _plain(texts("digest.report")), tuple(attachments), kind=MessageKind.REPORT))
    return Post(_headline(digest, texts, notes), tuple(replies))


def withheld(message: Message, reason: str, texts: Texts) -> dict[str, Message]:
    """What can be posted of a message that a chat does not take, the fuller one first, each with its own name.

    That it is so, and why; where its title leads to, and what its buttons do; of a headline its title. At last only the
    first.
    """
    title = _plain(texts("digest.withheld"))
    links = tuple((Span(one_line(s.url, SUBJECT_LIMIT), s.url),) for s in message.title if s.url)
    told = (_plain(reason), *links)
    buttons = (part for part in message.parts if isinstance(part, Buttons))
    bare = replace(message, title=title, parts=())
    if message.kind is MessageKind.HEADLINE:
        fuller = replace(message, parts=(Text((title, *told)), *buttons))
    else:
        fuller = replace(bare, parts=(Text(told), *buttons))
    return {"withheld": fuller, "bare": bare}


def _headline(digest: Digest, texts: Texts, notes: Sequence[str]) -> Message:
    title = texts("digest.title", title=digest.repository.title, day=day_label(digest.period, texts))
    parts: list[Part] = [Text((_plain(period_label(digest, texts)),))]
    parts += [Text(tuple(_plain(note) for note in notes))] if notes else []
    parts.append(Text((_plain(digest.overview),)))
    if digest.entries:
        parts.append(Text(((Span(" | ".join(statistics(digest, texts)), strong=True),),)))
    if digest.themes:
        lines = tuple(
            _plain(texts("digest.theme", title=t.title, count=texts.count("commits", len(t.shas))))
            for t in digest.themes
        )
        parts.append(Text(lines, heading=texts("digest.themes"), bullets=True))
    if digest.entries:
        parts.append(table(digest, texts))
    parts += [Text(tuple(_plain(n) for n in digest.notices))] if digest.notices else []
    return Message(
        "headline",
        _plain(title),
        (*parts, _buttons(digest, texts)),
        kind=MessageKind.HEADLINE,
        importance=gravest(digest.entries),
        counts=counts(digest, texts),
    )


def _buttons(digest: Digest, texts: Texts) -> Buttons:
    first, last = days(digest.period)
    until = f" {last:%Y-%m-%d}" if first.date() != last.date() else ""
    # By the title, which everybody may see; the name may be a path of this machine.
    named = f"{digest.repository.title} " if digest.repository.url else ""
    report = f"report {named}{first:%Y-%m-%d}{until}"
    return Buttons((Button(texts("digest.report_button"), report), Button(texts("digest.settings_button"), "settings")))


def table(digest: Digest, texts: Texts) -> Table:
    """The table of all commits, newest first: time, author, message, importance."""
    first, last = days(digest.period)
    clock = "%H:%M" if first.date() == last.date() else "%m-%d %H:%M"
    entries = {e.commit.sha: e for e in digest.entries}
    rows = tuple(_row(digest, [entries[sha] for sha in shas], clock, texts) for shas in related.rows(digest.entries))
    return Table(tuple(texts(f"table.{c}") for c in ("time", "author", "message", "importance")), rows)


def _row(digest: Digest, entries: Sequence[Entry], clock: str, texts: Texts) -> tuple[Line, ...]:
    """The row of a commit, or of bots' dependency bumps, which share one."""
    newest, importance = entries[0], gravest(entries)
    authors = dict.fromkeys(people_label(e.commit, AUTHOR_LIMIT) for e in entries)
    message = subject_line(digest.repository, newest.commit) if len(entries) == 1 else _bumps(digest, entries, texts)
    return (
        _plain(_time(newest.commit, digest.period, clock, texts)),
        _plain(", ".join(authors)),
        message,
        (Span(grade_label(importance, texts), importance=importance),),
    )


def _time(commit: Commit, period: Period, clock: str, texts: Texts) -> str:
    """When a commit landed; of one that was pushed late, the day too."""
    if commit.committed < period.since:
        return texts("digest.late", time=f"{local(commit.committed, period.zone):%m-%d %H:%M}")
    return format(local(commit.committed, period.zone), clock)


_RANK = [Importance.LOW, Importance.MEDIUM, Importance.HIGH]


def _bumps(digest: Digest, entries: Sequence[Entry], texts: Texts) -> Line:
    """`4 dependency updates: requests 2.31 → 2.32, …`, each linked to its commit."""
    spans = [Span(texts("digest.bumps", count=texts.count("commits", len(entries))))]
    for number, entry in enumerate(entries):
        named = ", ".join(_bump_label(bump) for bump in entry.commit.reading.bumps[:_MOST_BUMPS])
        spans += [Span(", ")] if number else []
        spans.append(Span(one_line(named, SUBJECT_LIMIT), digest.repository.commit_url(entry.commit.sha)))
    return tuple(spans)


_MOST_BUMPS = 5


def _bump_label(bump: Bump) -> str:
    versions = " → ".join(v for v in (bump.old, bump.new) if v)
    return f"{bump.package} {versions}".rstrip()


def _rest(digest: Digest, entries: Sequence[Entry], texts: Texts) -> Message:
    counts = {i: len(digest.by_importance[i]) for i in Importance}
    said = Counter(e.grade.reason for e in entries)  # what many have in common tells nobody anything
    numbers = texts("digest.rest_of", medium=counts[Importance.MEDIUM], low=counts[Importance.LOW])
    title = f"{texts('digest.rest')} · {numbers}"
    lines = tuple(
        (
            Span(f"{mark(e.grade.importance, texts)} ", importance=e.grade.importance),
            Span(e.commit.short, digest.repository.commit_url(e.commit.sha), code=True),
            Span(f" {e.grade.sentence}"),
            *([Span(f" · {e.grade.reason}")] if e.grade.reason and said[e.grade.reason] == 1 else []),
            *(span for r in e.relations for span in (Span(" · "), *relation_line(digest.repository, r, texts))),
        )
        for e in entries
    )
    return Message(
        "rest",
        _plain(title),
        (Text(lines, bullets=True),),
        kind=MessageKind.REST,
        importance=gravest(entries),
    )
