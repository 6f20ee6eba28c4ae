"""Releases in posts: a line of the headline, the lists in its thread, and the releases of one commit. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from bot.posts.labels import SUBJECT_LIMIT, plain, subject_line
from bot.texts import Texts
from bot.values import Broken, Digest, Line, Period, Release, Released, Repository, Span, Standing, local, one_line

SHOWN = 5
"""The most releases that a headline names; the others are counted."""
_BREAKS, _BREAK, _PACKAGES = 2, 120, 12
"""The most breaking changes of a release in the headline, characters of each, and packages in a line."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Lines under a heading, of one release."""

    name: str
    heading: str
    lines: tuple[Line, ...]


def headlines(digest: Digest, texts: Texts) -> tuple[Line, ...]:
    """A line for each release of a digest: its name, time, size and breaking changes."""
    released = digest.releases or ()
    lines = tuple(_line(digest, each, texts, _BREAKS) for each in released[:SHOWN])
    more = len(released) - len(lines)
    return (*lines, plain(texts("release.more", n=more))) if more else lines


def listings(digest: Digest, texts: Texts) -> tuple[Listing, ...]:
    """What does not fit into the lines: all breaking changes, and the commits that only a release's own branch has."""
    released = (digest.releases or ())[:SHOWN]
    return tuple(listing for each in released for listing in _listings(digest.repository, each, texts))


def whole(digest: Digest, texts: Texts) -> list[tuple[Line, tuple[Line, ...]]]:
    """Each release of a digest for the report, with its details below it."""
    return [
        (
            _line(digest, each, texts, 0),
            tuple(chain.from_iterable(_under(listing) for listing in _listings(digest.repository, each, texts, 0))),
        )
        for each in digest.releases or ()
    ]


def _under(listing: Listing) -> tuple[Line, ...]:
    return (plain(listing.heading), *listing.lines)


def _line(digest: Digest, released: Released, texts: Texts, breaks: int) -> Line:
    """One release, with at most `breaks` breaking changes."""
    spans = [_named(digest.repository, released.release)]
    if released.packages:
        spans += _packages(digest.repository, released.packages, texts)
    facts = [_time(released.release, digest.period), _size(released, texts)]
    facts += [texts("release.aside", n=released.aside)] if released.aside and released.aside != released.count else []
    facts += [texts("release.only_aside")] if released.aside and released.aside == released.count else []
    spans.append(Span("".join(f" · {fact}" for fact in facts if fact)))
    if shown := released.breaks[:breaks]:
        spans.append(Span(f" · {texts('release.breaks')}"))
        for number, each in enumerate(shown):
            spans += [Span(texts("branch.between"))] if number else []
            spans += _broken(digest.repository, each, _BREAK)
        more = len(released.breaks) - len(shown)
        spans += [Span(texts("branch.between") + texts("release.more", n=more))] if more else []
    return tuple(spans)


def _named(repository: Repository, release: Release) -> Span:
    return Span(release.name, repository.release_url(release), strong=True)


def _packages(repository: Repository, packages: Sequence[Release], texts: Texts) -> list[Span]:
    pages = [(each.name, repository.release_url(each)) for each in packages[:_PACKAGES]]
    spans = [span for name, url in pages for span in (Span(texts("rules.comma")), Span(name, url))]
    more = len(packages) - _PACKAGES
    return [*spans, Span(texts("rules.comma") + texts("release.more", n=more))] if more > 0 else spans


def _time(release: Release, period: Period) -> str:
    """When a release was made: the time if the period is one day, else date and time."""
    moment, (first, last) = local(release.made, period.zone), period.days
    one_day = first.date() == last.date() == moment.date()
    return f"{moment:%H:%M}" if one_day else f"{moment:%Y-%m-%d %H:%M}"


def _size(released: Released, texts: Texts) -> str:
    """How many commits a release has since the previous one; empty if that could not be read."""
    if released.unread:
        return ""
    if not released.before:
        return texts("release.first")
    if released.count is None:
        return texts("release.after", before=released.before)
    return texts("release.since", count=texts.count("commits", released.count), before=released.before)


def _broken(repository: Repository, broken: Broken, limit: int = 0) -> tuple[Span, ...]:
    """A breaking change of a release, linked to its commit, if known."""
    return (Span(one_line(broken.text, limit), repository.commit_url(broken.sha) if broken.sha else None),)


def _listings(repository: Repository, released: Released, texts: Texts, beyond: int = _BREAKS) -> list[Listing]:
    """The lists for one release; breaking changes only if there are more than `beyond`."""
    name, found = released.release.name, []
    if len(released.breaks) > beyond:
        lines = tuple(_broken(repository, each) for each in released.breaks)
        found.append(Listing(name, texts("release.breaks_heading", name=name), lines))
    if released.aside:
        lines = tuple(subject_line(repository, commit, SUBJECT_LIMIT) for commit in released.commits)
        if more := released.aside - len(lines):
            lines = (*lines, plain(texts("release.more", n=more)))
        found.append(Listing(name, texts("release.branch_heading", name=name), lines))
    return found


def standing_facts(repository: Repository, standing: Standing | None, texts: Texts) -> tuple[tuple[str, Line], ...]:
    """The release of a commit and the commits that make the same change, by label; empty if that was not looked up."""
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
            on = texts("digest.named", names=texts("digest.branch", branch=twin.branch)) if twin.branch else ""
            spans += [Span(texts("rules.comma"))] if spans else []
            spans += [Span(twin.sha[:7], repository.commit_url(twin.sha), code=True), Span(on)]
        found.append((texts("release.twins"), tuple(spans)))
    return tuple(found)
