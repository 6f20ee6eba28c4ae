"""Answers to questions about commits that need no model: a sentence with links, perhaps a list. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from bot.commits.files import FileKind, kind
from bot.posts.labels import (
    brackets,
    by_label,
    evidence_line,
    filled,
    link_line,
    named_link,
    path_url,
    plain,
    size_label,
)
from bot.texts import Texts
from bot.values import (
    Answered,
    Commit,
    FileChange,
    Line,
    Link,
    Proof,
    Release,
    Repository,
    Span,
    Standing,
    Twin,
    local,
    one_line,
)

_FILES, _PEOPLE, _PATHS = 15, 5, 3
"""The most files and people named, and paths in a sentence."""
_ROOM = 700
"""Characters of a quote: who reads it must be able to follow the statement."""


@dataclass(frozen=True, slots=True)
class About:
    """The commit that a question is about, and the reader's language and time zone; `branch` is the commit's."""

    repository: Repository
    commit: Commit
    branch: str
    zone: str
    texts: Texts

    def said(self, key: str, **blanks: Line | Span | str | int) -> Line:
        """A sentence of `[asked]` in the labels, with spans for its blanks; `name` is the commit."""
        return sentence(self.texts, key, **{"name": named_link(self.repository, self.commit), **blanks})

    def date(self, moment: datetime) -> str:
        """The local date of a moment."""
        return f"{local(moment, self.zone):%Y-%m-%d}"


Answer = tuple[Line, ...]
"""A sentence, and the list below it."""


def sentence(texts: Texts, key: str, **blanks: Line | Span | str | int) -> Line:
    """The label `asked.KEY` with spans for its blanks."""
    return filled(texts, f"asked.{key}", **blanks)


def _release(repository: Repository, release: Release) -> Span:
    return Span(release.name, repository.release_url(release))


# --- Released ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Released:
    """The release that a commit is in; `asked` is the one asked about, and whether it contains the commit, if known.

    `latest` is the newest release; `ported` are commits with the same change, and their releases; `undone` are reverts
    that still stand, with theirs, and whether that is known.
    """

    standing: Standing
    latest: Release | None = None
    asked: Release | None = None
    has: bool | None = None
    ported: tuple[tuple[Twin, Release | None], ...] = ()
    undone: tuple[tuple[Link, Release | None, bool], ...] = ()


def released(about: About, found: Released) -> Answer:
    """Whether a commit is released, and in which release first."""
    lines = [_released(about, found)]
    in_release = found.standing.first is not None
    lines += [_undone(about, link, release, says=in_release and known) for link, release, known in found.undone]
    lines += [_ported(about, twin, release) for twin, release in found.ported]
    return tuple(lines)


def _undone(about: About, link: Link, release: Release | None, *, says: bool) -> Line:
    """`reverted by #12035: Restore the old default (2026-03-05), first released in v1.2.0`."""
    line = (*link_line(about.repository, link, about.texts), _dated(about, link))
    if release:
        return (*line, *sentence(about.texts, "undone_released", release=_release(about.repository, release)))
    return (*line, Span(about.texts("asked.undone_unreleased"))) if says else line


def _dated(about: About, link: Link) -> Span:
    return Span(about.texts("digest.named", names=about.date(link.at)))


def _released(about: About, found: Released) -> Line:
    first, latest, wanted = found.standing.first, found.latest, found.asked
    if first is None and found.standing.unreleased and latest:
        newest = _release(about.repository, latest)
        return about.said("unreleased", release=newest, date=about.date(latest.made))
    if first is None:
        return about.said("release_unknown" if latest else "release_none", repo=about.repository.title)
    known: dict[str, Span | str] = {"release": _release(about.repository, first), "date": about.date(first.made)}
    if wanted and wanted != first:
        key = {True: "wanted_yes", False: "wanted_no", None: "wanted_unknown"}[found.has]
        return about.said(key, wanted=_release(about.repository, wanted), **known)
    return about.said("released", **known)


def _ported(about: About, twin: Twin, release: Release | None) -> Line:
    sha = Span(twin.sha[:7], about.repository.commit_url(twin.sha), code=True)
    if release:
        return about.said("ported_released", twin=sha, branch=twin.branch, release=_release(about.repository, release))
    return about.said("ported", twin=sha, branch=twin.branch)


# --- What became of it -------------------------------------------------------------------------


def became(about: About, links: Sequence[Link], again: Mapping[str, Sequence[Link]], looked: int | None) -> Answer:
    """Whether a commit was reverted or fixed; `again` has the links to the reverting commits, by SHA.

    `looked` is the number of later commits that were checked; None if none could be, so that nothing is known.
    """
    lines = [_became(about, links, looked)]
    for link in links:
        line = (*link_line(about.repository, link, about.texts), _dated(about, link))
        back = next((each for each in again.get(link.later.sha, ()) if each.kind == "reverts" and each.certain), None)
        between = Span(about.texts("branch.between"))
        lines.append((*line, between, *link_line(about.repository, back, about.texts)) if back else line)
    return tuple(lines)


def _became(about: About, links: Sequence[Link], looked: int | None) -> Line:
    sure = [link.kind for link in links if link.certain]
    likely = [link.kind for link in links if not link.certain]
    key = next((f"{kind}_sure" for kind in ("reverts", "repairs") if kind in sure), "")
    key = key or next((f"{kind}_likely" for kind in ("reverts", "repairs") if kind in likely), "")
    if not key:
        key = "neither_unread" if looked is None else "neither" if looked else "neither_none"
    return about.said(key, branch=about.branch, count=about.texts.count("commits", looked or 0))


# --- Who wrote it, which files, when -----------------------------------------------------------


def who(about: About) -> Answer:
    """Who wrote a commit, and who merged it."""
    commit = about.commit
    names = about.texts("rules.comma").join(person.name for person in commit.reading.people) or commit.author
    merger = commit.reading.merger
    date = about.date(commit.committed)
    if merger:
        return (about.said("who_merged", people=names, merger=merger, date=date),)
    return (about.said("who", people=names, date=date),)


def files(about: About) -> Answer:
    """The files that a commit changes, those with the most lines first."""
    return (about.said("files", size=size_label(about.commit, about.texts)), *_listed(about, about.commit.files))


def touches(about: About, path: str, wanted: FileKind | None) -> Answer | None:
    """Whether a commit changes files of a kind or a path; None if `path` is a plain word that occurs in no path."""
    count = about.texts.count("files", len(about.commit.files))
    what = about.texts(f"asked.kind_{wanted}") if wanted else about.texts("asked.kind_path", path=one_line(path, 100))
    found = [file for file in about.commit.files if kind(file.path) is wanted or (not wanted and _is_at(file, path))]
    if found:
        return (about.said("touches", n=len(found), count=count, what=what), *_listed(about, found))
    is_word = not wanted and "/" not in path and "." not in path
    return None if is_word else (about.said("touches_not", count=count, what=what),)


def _is_at(file: FileChange, path: str) -> bool:
    """Whether a file is at a path, below it, or ends with it; a plain word may be anywhere in its path."""
    names = [f"/{name.lower()}/" for name in (file.path, file.previous or "")]
    wanted = path.strip("/").lower()
    plain_word = "/" not in path and "." not in path
    return any(wanted in name if plain_word else f"/{wanted}/" in name for name in names)


def _listed(about: About, some: Iterable[FileChange]) -> Iterable[Line]:
    by_size = sorted(some, key=lambda f: (-(f.added + f.removed), f.path))
    for file in by_size[:_FILES]:
        lines = about.texts("digest.lines", added=f"{file.added:,}", removed=f"{file.removed:,}")
        yield (Span(file.path, path_url(about.repository, about.commit, file.path), code=True), Span(f" {lines}"))
    if (more := len(by_size) - _FILES) > 0:
        page = about.repository.commit_url(about.commit.sha)
        yield plain(about.texts("asked.more_files" if page else "branch.more", n=more))


def since(about: About, standing: Standing) -> Answer:
    """Since when a commit has been on its branch, and in a release."""
    moment = f"{local(about.commit.committed, about.zone):%Y-%m-%d %H:%M}"
    known = {"branch": about.branch, "moment": moment, "zone": about.zone}
    if first := standing.first:
        release = _release(about.repository, first)
        return (about.said("since_released", release=release, date=about.date(first.made), **known),)
    return (about.said("since_unreleased" if standing.unreleased else "since", **known),)


# --- Who knows it ------------------------------------------------------------------------------


def knows(repository: Repository, paths: Sequence[str], commits: Sequence[Commit], zone: str, texts: Texts) -> Answer:
    """Who wrote most of the last commits, newest first, that touch some paths."""
    shown = texts.some(paths, _PATHS)
    counts = Counter(person.name for c in commits if not c.reading.bot for person in c.reading.people)
    if not counts:
        return (sentence(texts, "knows_nobody", paths=Span(shown, code=True)),)
    lines: list[Line] = [sentence(texts, "knows", n=len(commits), paths=Span(shown, code=True))]
    for name, number in counts.most_common(_PEOPLE):
        last = next(c for c in commits if any(person.name == name for person in c.reading.people))
        date = f"{local(last.committed, zone):%Y-%m-%d}"
        lines.append(sentence(texts, "knows_one", person=name, n=number, date=date, last=named_link(repository, last)))
    return tuple(lines)


# --- What a model found ------------------------------------------------------------------------


def researched(repository: Repository, found: Answered, texts: Texts) -> Answer:
    """A model's answer, each statement with its proofs, or that it does not know; then who wrote it, from how much."""
    is_open = found.unknown or not found.statements
    lines: list[Line] = [sentence(texts, "not_known_but" if found.statements else "not_known")] if is_open else []
    begin, end = brackets(texts)
    comma = Span(texts("branch.between"))
    for said in found.statements:
        shown = [_proof(repository, each, texts) for each in said.proofs]
        proofs = (span for each in shown for span in (comma, *each))
        lines.append((Span(said.text + begin), *islice(proofs, 1, None), Span(end)))
    how = [by_label(found.by, texts), texts("asked.looked", n=found.pieces)]
    how += [texts("digest.dropped", n=found.dropped)] if found.dropped else []
    return (*lines, plain(" · ".join(how)))


def _proof(repository: Repository, proof: Proof, texts: Texts) -> Line:
    """Where to check a statement: the commit, the place in it and the words there; or the release."""
    if proof.release:
        date = f" {proof.release.made:%Y-%m-%d}"
        return (_release(repository, proof.release), Span(texts.aside(date, proof.note) if proof.note else date))
    note = (Span(one_line(proof.note, _ROOM), code=True),) if proof.note else ()
    commit, evidence = proof.commit, proof.evidence
    if not commit:
        return note
    sha = texts.aside("", commit.sha[:7]) if commit.pull is not None else ""
    named = (named_link(repository, commit), Span(f"{sha} "))
    if not evidence:
        return (*named, *note)
    shown = evidence_line(repository, commit, evidence, texts, _ROOM)
    if evidence.search and proof.tree == commit.sha[:7] and not proof.newest:
        return shown
    if proof.tree:  # it was looked up there, and need not have anything to do with that commit
        at = texts("asked.newest_tree", tree=proof.tree) if proof.newest else proof.tree
        return (Span(at + texts("report.colon")), *shown)
    return (*named, *shown)


# --- A whole digest ----------------------------------------------------------------------------


def all_released(
    repository: Repository, number: int, firsts: Sequence[Release | None], zone: str, texts: Texts
) -> Answer:
    """How many commits of a digest are released, and in which releases."""
    counts = Counter(release for release in firsts if release)
    count = texts.count("commits", number)
    lines: list[Line] = [sentence(texts, "all_released", n=sum(counts.values()), count=count)]
    for release, some in sorted(counts.items(), key=lambda each: each[0].made):
        date = f"{local(release.made, zone):%Y-%m-%d}"
        lines.append(sentence(texts, "all_in", release=_release(repository, release), date=date, n=some))
    return tuple(lines)


def all_became(repository: Repository, number: int, links: Sequence[Link], texts: Texts) -> Answer:
    """Which commits of a digest were reverted or fixed, as far as that is known."""
    relevant = [link for link in links if link.kind in ("reverts", "repairs")]
    count = texts.count("commits", number)
    if not relevant:
        return (sentence(texts, "all_neither", count=count),)
    lines: list[Line] = [sentence(texts, "all_became", n=len({link.earlier.sha for link in relevant}), count=count)]
    for link in relevant[:_FILES]:
        earlier = link.earlier
        page = repository.pull_url(earlier.pull) if earlier.pull is not None else None
        name = repository.number(earlier.pull) if earlier.pull is not None else earlier.sha[:7]
        named = Span(name, page or repository.commit_url(earlier.sha))
        lines.append((named, Span(" "), *link_line(repository, link, texts)))
    return tuple(lines)
