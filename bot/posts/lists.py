"""The lists that a digest's reader goes through: what to read, and the medium and low commits. Pure.

No phrase is repeated in a list: what several lines have in common is said once, or in the heading.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from bot.commits.message import first_sentence
from bot.posts.labels import brief_line, bumps_line, dotted, link_line, mark, plain
from bot.texts import Texts
from bot.values import RULES, TOP, Digest, Entry, Importance, Line, Repository, Span, Text, one_line

READ = TOP
"""The most lines of what to read: nobody reads more in two minutes."""
_TITLE, _SAID = 100, 600


# --- What to read ------------------------------------------------------------------------------


_Found = tuple[Repository, Entry]


def to_read(found: Sequence[_Found], high: int, heading: str, texts: Texts, *, several: bool = False) -> list[Text]:
    """The most important commits, if any: each as a link, with a sentence and its reason.

    The last line says how many more of the `high` commits there are. With `several` repositories, each line names its
    own.
    """
    shown = found[:READ]
    reasons, common = _reasons(shown, several, texts)
    if common:
        heading = texts("digest.to_read_for", heading=heading, reason=common)
    lines = [_read_line(each, reasons.get(each[1].commit.sha, ""), several, texts) for each in shown]
    if (more := high - sum(entry.grade.importance is Importance.HIGH for _, entry in shown)) > 0:
        lines.append(plain(texts("rollup.more_high", n=more)))
    # Not a list: of a long one a chat may show only the heading.
    return [Text(tuple(lines), heading)] if shown else []


def _reasons(found: Sequence[_Found], several: bool, texts: Texts) -> tuple[dict[str, str], str]:
    """The reasons of commits by SHA, shared ones at the first only; or the one reason that all share."""
    shared: dict[str, list[_Found]] = {}
    for each in found:
        shared.setdefault(each[1].grade.reason, []).append(each)
    if len(shared) == 1 < len(found):
        return {}, next(iter(shared))
    reasons = {}
    for reason, ((_, first), *others) in shared.items():
        names = texts("rules.comma").join(_name(each, several) for each in others)
        said = texts("digest.also", reason=reason, names=names) if others else reason
        reasons[first.commit.sha] = said if reason else ""
    return reasons, ""


def _name(found: _Found, several: bool) -> str:
    (repository, entry), sign = found, "@" if found[1].commit.pull is None else ""
    return f"{f'{repository.title}{sign}' if several else ''}{repository.named(entry.commit)}"


def _read_line(found: _Found, reason: str, several: bool, texts: Texts) -> Line:
    repository, entry = found
    commit, importance = entry.commit, entry.grade.importance
    page = repository.pull_url(commit.pull) if commit.pull is not None else None
    named = (
        Span(f"{mark(importance, texts)} ", importance=importance),
        *([Span(repository.title + texts("report.colon"))] if several else []),
        Span(repository.titled(commit, _TITLE), page or repository.commit_url(commit.sha)),
    )
    later = (link_line(repository, link, texts) for link in entry.since)
    return dotted(named, plain(_said(entry)), plain(reason), *later)


def _said(entry: Entry) -> str:
    """The verdict, or the first sentence of the analysis; empty if rules wrote it, which repeat the title."""
    analysis = entry.analysis
    said = analysis.verdict or ("" if analysis.by == RULES else sentence_of(entry))
    return one_line(said, _SAID)


def sentence_of(entry: Entry) -> str:
    """What a commit does, from its analysis; for a low one, or without an analysis, from the triage list."""
    if entry.grade.importance is Importance.LOW:
        return entry.grade.sentence
    return entry.analysis.correction.sentence or first_sentence(entry.analysis.summary) or entry.grade.sentence


# --- The rest ----------------------------------------------------------------------------------


def rest(digest: Digest, entries: Sequence[Entry], texts: Texts, reported: Mapping[str, str]) -> list[Text]:
    """A line for each medium commit, then for the low ones, where those that read the same share one.

    `reported` is as in `relation_line`.
    """
    reasons = Counter(entry.grade.reason for entry in entries)  # a common reason says nothing
    wanted = {entry.commit.sha: entry for entry in entries}
    rows = [[wanted[sha] for sha in row if sha in wanted] for row in digest.rows]
    parts: dict[Importance, list[Line]] = {Importance.MEDIUM: [], Importance.LOW: []}
    for row in _alike(row for row in rows if row):
        lines = parts[max((entry.grade.importance for entry in row), key=lambda i: i.rank)]
        lines.append(_rest_line(digest.repository, row, reasons, texts, reported))
    return [Text(tuple(lines), bullets=True) for lines in parts.values() if lines]


def _alike(rows: Iterable[Sequence[Entry]]) -> list[Sequence[Entry]]:
    """The rows; low commits with the same words share one."""
    found: dict[object, list[Entry]] = {}
    for number, row in enumerate(rows):
        first = row[0]
        plain_low = len(row) == 1 and first.grade.importance is Importance.LOW
        alone = not plain_low or first.relations or first.since
        found.setdefault(number if alone else first.grade.sentence.casefold(), []).extend(row)
    return [*found.values()]


def _rest_line(
    repository: Repository, row: Sequence[Entry], reasons: Counter[str], texts: Texts, reported: Mapping[str, str]
) -> Line:
    first, *others = row
    if others and all(entry.commit.reading.bumps for entry in row):
        importance = max((entry.grade.importance for entry in row), key=lambda i: i.rank)
        return (Span(f"{mark(importance, texts)} ", importance=importance), *bumps_line(repository, row, texts))
    unlike = reasons[first.grade.reason] == 1
    marked, named, *said = brief_line(
        repository, first, texts, reason=unlike, reported=reported, sentence=sentence_of(first)
    )
    more = (span for e in others for span in (Span(texts("rules.comma")), _code(repository, e)))
    return (marked, named, *more, *said)


def _code(repository: Repository, entry: Entry) -> Span:
    return Span(entry.commit.short, repository.commit_url(entry.commit.sha), code=True)
