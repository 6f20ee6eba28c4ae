"""One post for all repositories of a group with something to report: a headline, a table each, a thread. Pure.

Each repository's part comes from its own digest; this module adds what is around them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from bot.posts import lists, rollup
from bot.posts.labels import counts, day_label, overview_line, plain, span_label, statistics
from bot.posts.post import HEADLINE, REPORT, ROWS, commit_message, table
from bot.posts.released import headlines
from bot.texts import Texts
from bot.values import (
    TOP,
    Attachment,
    Button,
    Buttons,
    Digest,
    Entry,
    Filters,
    Importance,
    Line,
    Message,
    MessageKind,
    Part,
    Period,
    Post,
    Repository,
    Span,
    Text,
    Threads,
    one_line,
)

TABLES = 20
"""The most repositories with a table in the headline; the report has the others."""
_NAMED, _WHY = 5, 200
"""The most repositories named in a line, and characters of the reason why one could not be read."""


@dataclass(frozen=True, slots=True)
class Group:
    """A group in a period, with the digests of those of its `repositories` that have something to report.

    `new` are the titles of repositories added to it; `failed` are those that could not be read, with the reasons;
    `asked_for` is the name that people type for it, empty if that is a path on this machine.
    """

    title: str
    period: Period
    repositories: int
    digests: tuple[Digest, ...]
    new: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    asked_for: str = ""


_Found = tuple[Digest, Entry]


def group_post(
    group: Group,
    texts: Texts,
    attachments: Sequence[Attachment] = (),
    notes: Sequence[str] = (),
    top: int | None = TOP,
    *,
    reported: Mapping[str, str] = MappingProxyType({}),
    since: Sequence[Line] = (),
    threads: Threads = Threads.FULL,
) -> Post:
    """A headline for all; in its thread all high commits by importance, the rest by repository, and one report.

    `notes`, `top`, `reported`, `since` and `threads` are as in `bot.posts.post.post`.
    """
    digests = sorted(group.digests, key=_rank, reverse=True)
    high = _of(digests, lambda importance: importance is Importance.HIGH)[: top or TOP]
    replies = list[Message]()
    if threads is Threads.FULL:
        replies = [
            *(_commit(digest, entry, texts, reported) for digest, entry in high),
            *_rest(digests, texts, reported),
        ]
    if attachments and threads is not Threads.NONE:
        replies.append(Message(REPORT, plain(texts("digest.report")), tuple(attachments), kind=MessageKind.REPORT))
    notes = (*notes, *_news(group, texts))
    shown = len(high) if threads is Threads.FULL else None
    return Post(_headline(replace(group, digests=tuple(digests)), texts, notes, since, shown), tuple(replies))


def _rank(digest: Digest) -> tuple[tuple[int, float], int]:
    """Sort key of a repository: its most important commit, then its number of commits."""
    return max((e.grade.weight for e in digest.lasting.entries), default=(0, 0.0)), len(digest.entries)


def _of(digests: Sequence[Digest], wanted: Callable[[Importance], bool]) -> list[_Found]:
    """The commits of all digests with a `wanted` importance, most important first."""
    found = [(digest, e) for digest in digests for e in digest.lasting.entries if wanted(e.grade.importance)]
    return sorted(found, key=lambda each: each[1].grade.weight, reverse=True)


def _together(group: Group, texts: Texts) -> Digest:
    """One digest with the commits of all, for counting."""
    entries = tuple(entry for digest in group.digests for entry in digest.lasting.entries)
    one = Repository(group.title, group.title, "", None, private=True)
    return Digest(one, "", group.period, texts.language, Filters(), entries, "")


# --- The headline ----------------------------------------------------------------------------


def _headline(group: Group, texts: Texts, notes: Sequence[str], since: Sequence[Line], replies: int | None) -> Message:
    """An overview of each repository, what to read, statistics and tables; `replies` as in `_left_out`."""
    digests, together = group.digests, _together(group, texts)
    parts: list[Part] = [Text((plain(span_label(group.period, texts)),)), Text(tuple(map(plain, notes)))]
    if digests:
        overview = tuple(_overview(digest, texts) for digest in digests)
        parts.append(Text(overview, heading=texts("group.repositories"), bullets=True))
    high = [(digest.repository, entry) for digest, entry in _of(digests, lambda i: i is Importance.HIGH)]
    parts += lists.to_read(high, len(high), texts("digest.to_read"), texts, several=True)
    parts += [Text(tuple(since), heading=texts("digest.since"), bullets=True)] if since else []
    if together.entries:
        parts.append(Text(((Span(" | ".join(statistics(together, texts)), strong=True),),)))
    if left_out := _left_out(digests, together, replies, texts):
        parts.append(Text(tuple(map(plain, left_out))))
    parts += _tables(digests[:TABLES], texts)
    parts += _notices(digests, texts)
    gravest = max((e.grade.importance for e in together.entries), key=lambda i: i.rank, default=None)
    return Message(
        HEADLINE,
        plain(texts("digest.title", title=group.title, day=day_label(group.period, texts))),
        (*parts, _buttons(group, texts)),
        kind=MessageKind.HEADLINE,
        importance=gravest,
        counts=counts(together, texts),
    )


def _news(group: Group, texts: Texts) -> list[str]:
    """News of the group itself: how many repositories have commits, which are new or could not be read."""
    said = [texts("group.count", n=sum(bool(d.entries) for d in group.digests), of=group.repositories)]
    if group.new:
        said.append(texts("group.new", names=_names(group.new, texts)))
    for title, why in group.failed[:_NAMED]:
        said.append(texts("group.failed", title=one_line(title, _WHY), reason=one_line(why, _WHY)))
    if more := len(group.failed) - _NAMED if len(group.failed) > _NAMED else 0:
        said.append(texts("group.failed_more", count=texts.count("more_repositories", more)))
    return said


def _names(titles: Sequence[str], texts: Texts) -> str:
    more = [texts("branch.more", n=len(titles) - _NAMED)] if len(titles) > _NAMED else []
    return texts("answer.between").join([*(one_line(title, _WHY) for title in titles[:_NAMED]), *more])


def _left_out(digests: Sequence[Digest], together: Digest, replies: int | None, texts: Texts) -> list[str]:
    """Sentences on what is only in the report; `replies` is None if there is no thread."""
    high, said = len(together.by_importance[Importance.HIGH]), []
    if replies is not None and replies < high:
        said.append(texts("digest.top_report", n=replies, of=f"{high:,}"))
    if len(digests) > TABLES:
        said.append(texts("group.tables", n=TABLES, of=f"{len(digests):,}"))
    rows = sum(len(digest.rows) for digest in digests[:TABLES] if not digest.rollup)
    if rows > ROWS:
        said.append(texts("digest.rows", n=ROWS, of=f"{rows:,}"))
    return said


def _overview(digest: Digest, texts: Texts) -> Line:
    """A repository in one line: its name, counts and overview."""
    numbers = " ".join(count.label for count in counts(digest.lasting, texts) if count.number)
    spans = [Span(digest.repository.title, digest.repository.url, strong=True)]
    spans += [Span(f" · {numbers}")] if numbers else []
    return (*spans, Span(" · "), *overview_line(digest)) if digest.overview else tuple(spans)


def _tables(digests: Sequence[Digest], texts: Texts) -> list[Part]:
    """The releases and the table of each repository, or what a rollup has instead."""
    parts: list[Part] = []
    left = ROWS
    for digest in digests:
        title = digest.repository.title
        if released := headlines(digest, texts):
            parts.append(Text(released, heading=f"{title} · {texts('release.heading')}", bullets=True))
        if digest.rollup:
            parts += [Text((), heading=title), *rollup.headline(digest, texts)]
        elif digest.entries and left > 0:
            parts.append(replace(table(digest, texts, left), heading=title))
            left -= len(digest.rows)
    return parts


def _notices(digests: Sequence[Digest], texts: Texts) -> list[Part]:
    """The notices of the digests, without duplicates."""
    by_notice: dict[str, list[str]] = {}
    for digest in digests:
        for notice in digest.notices:
            by_notice.setdefault(notice, []).append(digest.repository.title)
    colon = texts("report.colon")
    lines = tuple(plain(f"{texts.listed(titles[:_NAMED])}{colon}{notice}") for notice, titles in by_notice.items())
    return [Text(lines)] if lines else []


def _buttons(group: Group, texts: Texts) -> Buttons:
    first, last = group.period.days
    until = f" {last:%Y-%m-%d}" if first.date() != last.date() else ""
    named = f"{group.asked_for} " if group.asked_for else ""
    report = Button(texts("digest.report_button"), f"report {named}{first:%Y-%m-%d}{until}")
    return Buttons((report, Button(texts("digest.settings_button"), "settings")))


# --- The thread ------------------------------------------------------------------------------


def _commit(digest: Digest, entry: Entry, texts: Texts, reported: Mapping[str, str]) -> Message:
    """One commit, with the name of its repository."""
    message = commit_message(digest.repository, entry, digest.period.zone, texts, whole=False, reported=reported)
    mark, *rest = message.title
    return replace(message, title=(mark, Span(digest.repository.title + texts("report.colon")), *rest))


def _rest(digests: Sequence[Digest], texts: Texts, reported: Mapping[str, str]) -> list[Message]:
    """One reply with the commits that are not high, repository by repository, the most important first."""
    parts, left = list[Part](), ROWS
    for digest in digests:
        title = digest.repository.title
        if digest.rollup:
            parts += [
                replace(part, heading=f"{title} · {part.heading}") for part in rollup.rest(digest, texts, reported)
            ]
            continue
        entries = [e for _, e in _of([digest], lambda importance: importance is not Importance.HIGH)][:left]
        left -= len(entries)
        lines = tuple(line for part in lists.rest(digest, entries, texts, reported) for line in part.lines)
        parts += [Text(lines, heading=title, bullets=True)] if lines else []
    if not parts:
        return []
    return [Message("rest", plain(texts("digest.rest")), tuple(parts), kind=MessageKind.REST)]
