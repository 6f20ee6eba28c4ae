"""What is said of releases: a line of the headline, what stands beneath it, and where one commit is by now. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from bot.posts.labels import SUBJECT_LIMIT, plain, subject_line
from bot.texts import Texts
from bot.values import Broken, Digest, Line, Period, Release, Released, Repository, Span, Standing, local, one_line

SHOWN = 5
"""Releases that a headline names; the others are counted."""
_BREAKS, _BREAK, _PACKAGES = 2, 120, 12
"""What a release breaks in the headline, characters of each, and packages of one line."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Lines under a heading, of one release."""

    name: str
    heading: str
    lines: tuple[Line, ...]


def headlines(digest: Digest, texts: Texts) -> tuple[Line, ...]:
    """A line for each release of a digest: its name, when, how much is in it, and what of that breaks."""
    told = digest.releases or ()
    lines = tuple(_line(digest, each, texts, _BREAKS) for each in told[:SHOWN])
    more = len(told) - len(lines)
    return (*lines, plain(texts("release.more", n=more))) if more else lines


def listings(digest: Digest, texts: Texts) -> tuple[Listing, ...]:
    """What does not fit into the lines: everything that a release breaks, and what only its own branch has."""
    told = (digest.releases or ())[:SHOWN]
    return tuple(listing for each in told for listing in _listings(digest.repository, each, texts))


def whole(digest: Digest, texts: Texts) -> list[tuple[Line, tuple[Line, ...]]]:
    """Each release of a digest for the report, with all that is said of it beneath."""
    return [
        (
            _line(digest, each, texts, 0),
            tuple(chain.from_iterable(_under(listing) for listing in _listings(digest.repository, each, texts, 0))),
        )
        for each in digest.releases or ()
    ]


def _under(listing: Listing) -> tuple[Line, ...]:
    return (plain(listing.heading), *listing.lines)


def _line(digest: Digest, told: Released, texts: Texts, breaks: int) -> Line:
    """One release; of what it breaks so many."""
    spans = [_named(digest.repository, told.release)]
    if told.packages:
        spans += _packages(digest.repository, told.packages, texts)
    facts = [_time(told.release, digest.period), _size(told, texts)]
    facts += [texts("release.aside", n=told.aside)] if told.aside and told.aside != told.count else []
    facts += [texts("release.only_aside")] if told.aside and told.aside == told.count else []
    spans.append(Span("".join(f" · {fact}" for fact in facts if fact)))
    if shown := told.breaks[:breaks]:
        spans.append(Span(f" · {texts('release.breaks')}"))
        for number, each in enumerate(shown):
            spans += [Span("; ")] if number else []
            spans += _broken(digest.repository, each, _BREAK)
        more = len(told.breaks) - len(shown)
        spans += [Span(f"; {texts('release.more', n=more)}")] if more else []
    return tuple(spans)


def _named(repository: Repository, release: Release) -> Span:
    return Span(release.name, repository.release_url(release), strong=True)


def _packages(repository: Repository, packages: Sequence[Release], texts: Texts) -> list[Span]:
    pages = [(each.name, repository.release_url(each)) for each in packages[:_PACKAGES]]
    spans = [span for name, url in pages for span in (Span(", "), Span(name, url))]
    more = len(packages) - _PACKAGES
    return [*spans, Span(f", {texts('release.more', n=more)}")] if more > 0 else spans


def _time(release: Release, period: Period) -> str:
    """When a release was made: the time on a day of its own, else the whole date."""
    moment, (first, last) = local(release.made, period.zone), period.days
    one_day = first.date() == last.date() == moment.date()
    return f"{moment:%H:%M}" if one_day else f"{moment:%Y-%m-%d %H:%M}"


def _size(told: Released, texts: Texts) -> str:
    """How many commits a release has since the one before it; nothing where that could not be read."""
    if told.unread:
        return ""
    if not told.before:
        return texts("release.first")
    if told.count is None:
        return texts("release.after", before=told.before)
    return texts("release.since", count=texts.count("commits", told.count), before=told.before)


def _broken(repository: Repository, broken: Broken, limit: int = 0) -> tuple[Span, ...]:
    """Something that a release breaks, linked to its commit where that is known."""
    return (Span(one_line(broken.text, limit), repository.commit_url(broken.sha) if broken.sha else None),)


def _listings(repository: Repository, told: Released, texts: Texts, beyond: int = _BREAKS) -> list[Listing]:
    """What there is to list of one release; what it breaks only where that is more than so much."""
    name, found = told.release.name, []
    if len(told.breaks) > beyond:
        lines = tuple(_broken(repository, each) for each in told.breaks)
        found.append(Listing(name, texts("release.breaks_heading", name=name), lines))
    if told.aside:
        lines = tuple(subject_line(repository, commit, SUBJECT_LIMIT) for commit in told.commits)
        if more := told.aside - len(lines):
            lines = (*lines, plain(texts("release.more", n=more)))
        found.append(Listing(name, texts("release.branch_heading", name=name), lines))
    return found


def standing_facts(repository: Repository, standing: Standing | None, texts: Texts) -> tuple[tuple[str, Line], ...]:
    """In which release a commit is, and which other commits are the same, by label; nothing where nobody asked."""
    found: list[tuple[str, Line]] = []
    if standing is None:
        return ()
    if first := standing.first:
        line = (Span(texts("release.in")), Span(first.name, repository.release_url(first)))
        found.append((texts("release.label"), line))
    elif standing.unreleased:
        found.append((texts("release.label"), plain(texts("release.in_none"))))
    if standing.twins:
        spans: list[Span] = []
        for twin in standing.twins:
            on = f" ({texts('digest.branch', branch=twin.branch)})" if twin.branch else ""
            spans += [Span(", ")] if spans else []
            spans += [Span(twin.sha[:7], repository.commit_url(twin.sha), code=True), Span(on)]
        found.append((texts("release.twins"), tuple(spans)))
    return tuple(found)
