"""Turns a digest into messages: the headline, its thread, and one commit in full. Pure.

The words come from labels and analyses; this module decides the layout, each chat the appearance.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeVar

from bot.posts import lists, rollup
from bot.posts.labels import (
    AUTHOR_LIMIT,
    SUBJECT_LIMIT,
    brackets,
    brief_line,
    bumps_line,
    columns,
    counts,
    facts,
    follow_up_title,
    grade_label,
    mark,
    overview_line,
    overview_with_themes,
    people_label,
    period_label,
    plain,
    statistics,
    subject_line,
    when_label,
)
from bot.posts.outline import Item, Section, outline, shortened
from bot.posts.released import headlines, listings, standing_facts
from bot.texts import Texts
from bot.values import (
    LOOK,
    TOP,
    Attachment,
    Between,
    Button,
    Buttons,
    Commit,
    Digest,
    Entry,
    Fields,
    FollowUp,
    Importance,
    Line,
    Message,
    MessageKind,
    Part,
    Period,
    Post,
    Repository,
    Span,
    Standing,
    Table,
    Text,
    Threads,
    local,
    one_line,
)

HEADLINE, REPORT = "headline", "report"
"""The keys of a digest's first and last messages."""
WITHHELD = ("withheld", "bare")
"""Suffixes of the names of the fallbacks for a message, the fuller one first."""
ROWS = 300
"""The most table rows, and lines of other commits, in a chat: nobody reads more there, and the report has all."""
_Thing = TypeVar("_Thing")

# --- One commit ------------------------------------------------------------------------------


def commit_message(
    repository: Repository,
    entry: Entry,
    zone: str,
    texts: Texts,
    *,
    whole: bool = True,
    standing: Standing | None = None,
    reported: Mapping[str, str] = MappingProxyType({}),
) -> Message:
    """One commit, self-contained: `whole`, or only what is read first, and how to see the rest.

    `reported` maps SHAs of commits that this one refers to to the text that says when each was reported to the reader.
    """
    title = (Span(f"{mark(entry.grade.importance, texts)} "), *subject_line(repository, entry.commit))
    landed = f"{local(entry.commit.committed, zone):%Y-%m-%d %H:%M}"
    sections = outline(repository, entry, texts, limit=SUBJECT_LIMIT, reported=reported)
    shown = sections if whole else shortened(sections)
    parts = [_text(section, texts) for section in shown]
    about = (*facts(repository, entry, landed, texts), *standing_facts(repository, standing, texts))
    if shown != sections:
        parts.append(Text((plain(texts("digest.more", name=repository.named(entry.commit))),)))
    return Message(
        f"commit:{entry.commit.sha}",
        title,
        (Fields(about, texts("report.colon")), *parts),
        kind=MessageKind.COMMIT,
        importance=entry.grade.importance,
    )


def _text(section: Section, texts: Texts) -> Text:
    """A section of the outline, each item on one line."""
    comma = texts("branch.between" if section.proven else "rules.comma")  # evidence has commas of its own
    return Text(tuple(_flat(item, comma, texts) for item in section.items), section.heading, bullets=not section.prose)


def _flat(item: Item, comma: str, texts: Texts) -> Line:
    spans = list(item.line)
    begin, end = brackets(texts)
    for number, place in enumerate(item.places):
        spans += [Span(comma if number else begin), *place]
    remedy = texts("digest.mitigation", text=item.remedy) if item.remedy else ""
    return (*spans, Span(texts.sentences(end, remedy))) if item.places else tuple(spans)


# --- A whole digest --------------------------------------------------------------------------


def post(
    digest: Digest,
    texts: Texts,
    attachments: Sequence[Attachment] = (),
    notes: Sequence[str] = (),
    top: int | None = TOP,
    *,
    reported: Mapping[str, str] = MappingProxyType({}),
    since: Sequence[Line] = (),
    news: Sequence[str] = (),
    threads: Threads = Threads.FULL,
    look: int = LOOK,
) -> Post:
    """Build the headline with overview, what to read, statistics and table, and its thread with commits and report.

    `notes` are sentences of the headline for one subscription only, such as what an earlier digest missed; `since` are
    follow-ups to reported commits, `reported` maps the SHAs of others to the text that says when they were reported;
    `news` are sentences at its end. At most `top` high commits have a reply, the most important first; the table and
    the rest are limited too, and what is left out is mentioned and in the report. None means no limits, for a digest
    that an earlier version started. `threads` says which replies are wanted, and `look` is the version of the layout,
    which an earlier version may have started.
    """
    rows = None if top is None else ROWS
    high = _most_important(digest.lasting.by_importance[Importance.HIGH], top, _weight)
    high = sorted(high, key=_weight, reverse=True) if look else high
    about = _About(digest, texts, reported, most=rows, look=look)
    headline = _headline(about, (*notes,), since, (*news,), high if threads is Threads.FULL else None)
    replies = _replies(about, high) if threads is Threads.FULL else []
    if attachments and digest.entries and threads is not Threads.NONE:
        title = plain(texts("digest.report"))
        replies.append(Message(REPORT, title, tuple(attachments), kind=MessageKind.REPORT))
    return Post(headline, tuple(replies))


@dataclass(frozen=True, slots=True)
class _About:
    """What a post is made from: at most `most` rows and lines (None: no limit), in layout `look`.

    `reported` is as in `post`.
    """

    digest: Digest
    texts: Texts
    reported: Mapping[str, str]
    most: int | None
    look: int


def _replies(about: _About, high: Sequence[Entry]) -> list[Message]:
    """The messages of the thread, except the report."""
    digest, texts, reported = about.digest, about.texts, about.reported
    zone = digest.period.zone
    replies = _released(digest, texts)
    replies += [commit_message(digest.repository, e, zone, texts, whole=False, reported=reported) for e in high]
    if digest.rollup:
        replies += _rolled_up(about)
    elif rest := [e for i in (Importance.MEDIUM, Importance.LOW) for e in digest.by_importance[i]]:
        replies.append(_rest(about, rest))
    return replies


def follow_up(repository: Repository, said: FollowUp, texts: Texts) -> Message:
    """The follow-up that is posted in a commit's thread."""
    return Message(said.key, follow_up_title(repository, said.link, texts))


def _most_important(
    things: Sequence[_Thing], most: int | None, weight: Callable[[_Thing], tuple[int, float]]
) -> list[_Thing]:
    """The `most` important things, in their order; None keeps all. Among equals the first ones are kept."""
    order = sorted(range(len(things)), key=lambda n: weight(things[n]), reverse=True)
    return [things[n] for n in sorted(order[:most])]


def _weight(entry: Entry) -> tuple[int, float]:
    return entry.grade.weight


def withheld(message: Message, reason: str, texts: Texts) -> dict[str, Message]:
    """The fallbacks for a message that a chat refuses, by name, the fuller one first.

    They say that it was refused and why; the fuller one also has its title's link, what its buttons do and, for a
    headline, its title.
    """
    title = plain(texts("digest.withheld"))
    links = tuple((Span(one_line(s.url, SUBJECT_LIMIT), s.url),) for s in message.title if s.url)
    why = (plain(reason), *links)
    buttons = (part for part in message.parts if isinstance(part, Buttons))
    bare = replace(message, title=title, parts=(), importance=None, counts=())
    if message.kind is MessageKind.HEADLINE:
        fuller = replace(bare, title=message.title, parts=(Text((title, *why)), *buttons))
    else:
        fuller = replace(bare, parts=(Text(why), *buttons))
    return dict(zip(WITHHELD, (fuller, bare), strict=True))


def _headline(
    about: _About,
    notes: Sequence[str],
    since: Sequence[Line],
    news: Sequence[str],
    high: Sequence[Entry] | None,
) -> Message:
    """The first message; `high` are the commits with a message of their own, None if commits have none."""
    digest, texts, lasting = about.digest, about.texts, about.digest.lasting
    title = texts("digest.title", title=digest.repository.title, day=when_label(digest, texts))
    parts = [*_opening(about, notes), *_middle(about, since, high)]
    parts += [Text(tuple(map(plain, lines))) for lines in (digest.notices, news) if lines]
    return Message(
        HEADLINE,
        plain(title),
        (*parts, _buttons(digest, texts)),
        kind=MessageKind.HEADLINE,
        importance=_highest(lasting.entries),
        counts=counts(lasting, texts),
    )


def _opening(about: _About, notes: Sequence[str]) -> Iterable[Part]:
    """The period, the notes for one subscription, the releases, and the overview."""
    digest, texts = about.digest, about.texts
    yield Text((plain(period_label(digest, texts)),))
    if notes:
        yield Text(tuple(map(plain, notes)))
    if released := headlines(digest, texts):
        yield Text(released, heading=texts("release.heading"), bullets=True)
    elif digest.filters.releases:
        yield Text((plain(texts("release.none")),))
    if digest.overview or not digest.filters.releases:
        yield Text((overview_with_themes(digest, texts) if about.look else overview_line(digest),))


def _middle(about: _About, since: Sequence[Line], high: Sequence[Entry] | None) -> list[Part]:
    """What to read, follow-ups, statistics, then the table, or what a rollup has instead."""
    digest, texts, lasting = about.digest, about.texts, about.digest.lasting
    follow_ups = [Text(tuple(since), heading=texts("digest.since"), bullets=True)] if since else []
    numbers = [Text(((Span(" | ".join(statistics(lasting, texts)), strong=True),),))] if digest.entries else []
    left_out = _left_out(lasting, texts, None if high is None else len(high), about.most)
    numbers += [Text(tuple(map(plain, left_out)))] if left_out else []
    if not about.look:
        return [*numbers[:1], *follow_ups, *numbers[1:], *_earlier_body(about)]
    if digest.rollup:
        read = _to_read(about, rollup.to_read(digest), "rollup.read")
        return [*read, *follow_ups, *numbers, *rollup.headline(digest, texts)]
    weightiest = sorted(lasting.by_importance[Importance.HIGH], key=_weight, reverse=True)
    read = _to_read(about, weightiest, "digest.to_read")
    return [*read, *follow_ups, *numbers, *_table_and_themes(about)]


def _to_read(about: _About, entries: Sequence[Entry], heading: str) -> list[Text]:
    digest, high = about.digest, len(about.digest.lasting.by_importance[Importance.HIGH])
    return lists.to_read([(digest.repository, e) for e in entries], high, about.texts(heading), about.texts)


def _table_and_themes(about: _About) -> list[Part]:
    digest, texts = about.digest, about.texts
    lines = tuple(rollup.theme_line(digest, theme, texts) for theme in digest.themes)
    themes = [Text(lines, heading=texts("digest.themes"), bullets=True)] if lines else []
    return [*([table(digest, texts, about.most)] if digest.entries else []), *themes]


def _earlier_body(about: _About) -> list[Part]:
    """The themes and the table as an earlier version wrote them."""
    digest, texts = about.digest, about.texts
    if digest.rollup:
        return [*rollup.earlier_read(digest, texts), *rollup.headline(digest, texts)]
    lines = tuple(
        plain(texts("digest.theme", title=t.title, count=texts.count("commits", len(t.shas)))) for t in digest.themes
    )
    themes: list[Part] = [Text(lines, heading=texts("digest.themes"), bullets=True)] if lines else []
    return [*themes, *([table(digest, texts, about.most, look=about.look)] if digest.entries else [])]


def _released(digest: Digest, texts: Texts) -> list[Message]:
    """The lists of releases, a message for each."""
    found: dict[str, list[Text]] = {}
    for listing in listings(digest, texts):
        found.setdefault(listing.name, []).append(Text(listing.lines, listing.heading, bullets=True))
    title = texts("release.heading") + texts("report.colon")
    return [
        Message(f"release:{name}", plain(f"{title}{name}"), tuple(parts), kind=MessageKind.REST)
        for name, parts in found.items()
    ]


def _left_out(digest: Digest, texts: Texts, replies: int | None, most: int | None) -> list[str]:
    """Sentences on what is only in the report, or only there and in the table.

    High commits are mentioned only if some have `replies`; None means that there is no thread.
    """
    high, rows, said = len(digest.by_importance[Importance.HIGH]), len(digest.rows), []
    cut = most is not None and rows > most and not digest.rollup
    if replies is not None and replies < high:
        said.append(texts("digest.top_report" if cut or digest.rollup else "digest.top", n=replies, of=f"{high:,}"))
    if cut:
        said.append(texts("digest.rows", n=most, of=f"{rows:,}"))
    return said


def _buttons(digest: Digest, texts: Texts) -> Buttons:
    first, last = digest.period.days
    until = f" {last:%Y-%m-%d}" if first.date() != last.date() else ""
    # The title is public; the name may be a path on this machine.
    named = f"{digest.repository.title} " if digest.repository.url else ""
    time = _asked_for(digest.between) if digest.between else f"{first:%Y-%m-%d}{until}"
    report = Button(texts("digest.report_button"), f"report {named}{time}")
    settings = Button(texts("digest.settings_button"), "settings")
    if not digest.filters.releases:
        return Buttons((report, settings))
    # A release's commits are a digest of their own.
    some = [released.release.name for released in (digest.releases or ())[:_ASKED]]
    asked = (Button(texts("release.button", name=name), f"{named}{name}") for name in some)
    return Buttons((*asked, settings))


_ASKED = 3
"""The most releases with a button."""


def _asked_for(between: Between) -> str:
    """A release, in the words of a command."""
    return between.name if between.older else between.newer.name


def table(digest: Digest, texts: Texts, most: int | None = None, *, look: int = LOOK) -> Table:
    """The table of commits, newest first: time, author, message, importance; only the `most` important rows.

    The importance's mark is in the time column, which a phone shows without scrolling, except in an earlier `look`.
    """
    first, last = digest.period.days
    clock = "%H:%M" if first.date() == last.date() else "%m-%d %H:%M"
    entries = {e.commit.sha: e for e in digest.entries}
    grouped = [[entries[sha] for sha in shas] for shas in digest.rows]
    shown = _most_important(grouped, most, lambda row: max(map(_weight, row)))
    made = [_row(digest, row, clock, texts, brief=bool(look)) for row in shown]
    return Table(columns(texts), tuple(made if look else map(_earlier_row, shown, made, [texts] * len(made))))


def _row(digest: Digest, entries: Sequence[Entry], clock: str, texts: Texts, *, brief: bool) -> tuple[Line, ...]:
    """The row of a commit, or the one of all dependency bumps by bots."""
    repository = digest.repository
    newest, importance = entries[0].commit, max((e.grade.importance for e in entries), key=lambda i: i.rank)
    authors = dict.fromkeys(people_label(e.commit, texts, AUTHOR_LIMIT) for e in entries)
    alone = len(entries) == 1
    return (
        (Span(f"{mark(importance, texts)} ", importance=importance), Span(_time(newest, digest.period, clock))),
        plain(texts("rules.comma").join(authors)),
        subject_line(repository, newest, brief=brief) if alone else bumps_line(repository, entries, texts),
        (Span(texts(f"importance.{importance}"), importance=importance),),
    )


def _earlier_row(entries: Sequence[Entry], row: tuple[Line, ...], texts: Texts) -> tuple[Line, ...]:
    """A row with the mark in the importance column."""
    (_, time), *middle, _ = row
    importance = _highest(entries)
    return ((time,), *middle, (Span(grade_label(importance, texts), importance=importance),))


def _time(commit: Commit, period: Period, clock: str) -> str:
    """When a commit was committed; with the date if that is outside the period."""
    moment = local(commit.committed, period.zone)
    if period.since <= commit.committed < period.until:
        return format(moment, clock)
    return f"{moment:%Y-%m-%d %H:%M}"


def _highest(entries: Sequence[Entry]) -> Importance | None:
    """The highest importance of some commits; None if there are none."""
    return max((e.grade.importance for e in entries), key=lambda i: i.rank, default=None)


def _rolled_up(about: _About) -> list[Message]:
    """The reply with the themes and what else is worth a line; the report has the rest."""
    digest, texts = about.digest, about.texts
    parts = tuple(rollup.rest(digest, texts, about.reported, read=bool(about.look)))
    importance = _highest(digest.lasting.entries)
    title = plain(texts("rollup.rest"))
    return [Message("rest", title, parts, kind=MessageKind.REST, importance=importance)] if parts else []


def _rest(about: _About, entries: Sequence[Entry]) -> Message:
    digest, texts = about.digest, about.texts
    numbers = {i: len(digest.by_importance[i]) for i in Importance}
    of = texts("digest.rest_of", medium=numbers[Importance.MEDIUM], low=numbers[Importance.LOW])
    shown = _most_important(entries, about.most, _weight)
    parts = lists.rest(digest, shown, texts, about.reported) if about.look else [_earlier_rest(about, entries, shown)]
    if more := len(entries) - len(shown):
        line = plain(texts("digest.rest_more", n=f"{more:,}"))
        parts = [*parts[:-1], replace(parts[-1], lines=(*parts[-1].lines, line))]
    title = plain(f"{texts('digest.rest')} · {of}")
    return Message("rest", title, tuple(parts), kind=MessageKind.REST, importance=_highest(entries))


def _earlier_rest(about: _About, entries: Sequence[Entry], shown: Sequence[Entry]) -> Text:
    """The lines as an earlier version wrote them: each commit's sentence from the triage list."""
    reasons, reported = Counter(e.grade.reason for e in entries), about.reported
    repository, texts = about.digest.repository, about.texts
    lines = (brief_line(repository, e, texts, reason=reasons[e.grade.reason] == 1, reported=reported) for e in shown)
    return Text(tuple(lines), bullets=True)
