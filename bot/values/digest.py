"""What is said about commits: their grades, their analyses, and the digest of a period."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from zoneinfo import ZoneInfo

from bot.values.commit import ChangeType, Commit, Release, Repository, Twin


class Importance(StrEnum):
    """How soon a reader should know: high means read this today."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """0 for low, up to 2 for high."""
        return ("low", "medium", "high").index(self)


class Aspect(StrEnum):
    """What a technical insight is about."""

    ARCHITECTURE = "architecture"
    PERFORMANCE = "performance"
    SECURITY = "security"
    COMPATIBILITY = "compatibility"


RULES = "rules"
"""The name in `by` if no language model was used."""


@dataclass(frozen=True, slots=True)
class Grade:
    """A commit's importance, one or two types, and why, in a few words. `sentence` says what the commit does.

    `theme` names the commits it belongs with, empty for none; `score` (0..1) ranks within a day; `by` is the
    model's name or `rules`.
    """

    importance: Importance
    types: tuple[ChangeType, ...]
    reason: str
    sentence: str
    score: float
    theme: str = ""
    by: str = RULES

    @property
    def weight(self) -> tuple[int, float]:
        """Sort key: the importance, then the score."""
        return self.importance.rank, self.score


@dataclass(frozen=True, slots=True)
class Search:
    """What a search of a whole tree for a word found: `hits` uses in `files` files, whose `paths` are there if few."""

    hits: int
    files: int
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where a statement can be checked: a path of the commit and a quote from its patch.

    `line` is the quote's line in the new file, or in the old file if it is `removed`; None if no line is known. With
    `added` the commit adds all of it, with `gone` it removes all, neither of which is so of lines that it only moves or
    indents; `changed` has lines of both sides with their marks,
    and is placed in the new file. A quote of several lines ends at `last`, None for one. `path` is empty if the
    quote is from the commit's message, or, with `request`, from its pull request. `sha` is the commit in whose tree it
    was looked up, empty for the commit itself; without a path, the other commit in whose title the quote is, or with
    `search` the tree that was searched for it. `inside` names the definition or section around the quote, if known.
    """

    path: str
    quote: str
    line: int | None = None
    sha: str = ""
    removed: bool = False
    request: bool = False
    last: int | None = None
    search: Search | None = None
    added: bool = False
    changed: bool = False
    gone: bool = False
    inside: str = ""

    @property
    def how(self) -> str:
        """What the commit does with the quoted lines: `removed`, `was` (some may stay), `added`, `changed` or ``."""
        if self.removed:
            return "removed" if self.gone else "was"
        return "added" if self.added else "changed" if self.changed else ""


@dataclass(frozen=True, slots=True)
class Impact:
    """Who or what the commit affects, with its paths: how it is now, and how it was before, if that is said."""

    component: str
    paths: tuple[str, ...]
    effect: str
    before: str = ""


@dataclass(frozen=True, slots=True)
class Insight:
    """A technical observation with the evidence for it; `also` is that for its further parts."""

    aspect: Aspect
    text: str
    evidence: Evidence
    also: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Risk:
    """What can go wrong, where to see it (`also`: its further parts), and what to do about it."""

    text: str
    evidence: Evidence
    mitigation: str
    also: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Who should do what."""

    who: str
    action: str


@dataclass(frozen=True, slots=True)
class Correction:
    """What a digest's row should say about a commit instead, as its patch shows; empty fields need no correction.

    A theme of `-` says that it belongs to none. No analysis corrects a commit's importance.
    """

    types: tuple[ChangeType, ...] = ()
    theme: str = ""
    sentence: str = ""

    def of(self, grade: Grade) -> Grade:
        """A grade as it should be shown."""
        theme = "" if self.theme == "-" else self.theme or grade.theme
        return replace(grade, types=self.types or grade.types, theme=theme, sentence=self.sentence or grade.sentence)


@dataclass(frozen=True, slots=True)
class Analysis:
    """What is said about one commit. Low has only a summary; without a model there is no `verdict` and no risk.

    `coverage` is the share (0..1) of changed lines that were read; `dropped` counts statements left out because
    their evidence was not found; `note` says, in the reader's language, why an analysis is simpler than asked.
    `correction` is what the commit's row should say instead.
    """

    summary: str
    verdict: str = ""
    impact: tuple[Impact, ...] = ()
    insights: tuple[Insight, ...] = ()
    risks: tuple[Risk, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    by: str = RULES
    coverage: float = 1.0
    dropped: int = 0
    note: str = ""
    correction: Correction = Correction()

    @property
    def statements(self) -> tuple[Insight | Risk, ...]:
        """The statements with evidence."""
        return (*self.insights, *self.risks)


@dataclass(frozen=True, slots=True)
class AnalysisKey:
    """An analysis is stored once for each of these; `prompt` names the prompt and its version."""

    repo: str
    sha: str
    prompt: str
    model: str
    language: str


LONG = 5
"""A digest of at least this many days is a rollup, whether requested or scheduled."""


@dataclass(frozen=True, slots=True)
class Period:
    """The half-open time `[since, until)` in UTC, and the IANA zone in which it is shown."""

    since: datetime
    until: datetime
    zone: str

    @property
    def days(self) -> tuple[datetime, datetime]:
        """Its first and last local moments, on the same date if it is one day."""
        return local(self.since, self.zone), local(self.until - timedelta(microseconds=1), self.zone)

    @property
    def is_long(self) -> bool:
        """Whether a requested digest of it is a rollup."""
        first, last = self.days
        return (last.date() - first.date()).days + 1 >= LONG


def local(moment: datetime, zone: str) -> datetime:
    """`moment` in an IANA time zone."""
    return moment.astimezone(ZoneInfo(zone))


@dataclass(frozen=True, slots=True)
class Filters:
    """Which commits of a repository a subscription wants.

    `authors`: names or logins; with a leading `-`, everyone but them. `paths`: folders or files; a commit counts when
    it touches one. `bots`: whether bots' commits count. `releases`: nothing but releases, and no commit. `labels` of
    the pull request; with a leading `-`, those without it. `owners`: teams or people, a commit counts when it touches a
    file that one of them owns, by the repository's CODEOWNERS.
    """

    authors: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    bots: bool = True
    # The text of the fields above is part of stored keys, so it must not change.
    releases: bool = field(default=False, repr=False)
    labels: tuple[str, ...] = field(default=(), repr=False)
    owners: tuple[str, ...] = field(default=(), repr=False)

    @property
    def unwritten(self) -> tuple[object, ...]:
        """The fields that are not in that text."""
        return (self.releases, *((name, each) for name in ("labels", "owners") if (each := getattr(self, name))))


@dataclass(frozen=True, slots=True)
class Between:
    """The commits of a release that an older one does not have; without an `older` one all of them."""

    older: Release | None
    newer: Release

    @property
    def name(self) -> str:
        """Both names as people type them, which no branch can be called (git-check-ref-format(1))."""
        return f"{self.older.name if self.older else ''}..{self.newer.name}"


@dataclass(frozen=True, slots=True)
class Scope:
    """Which commits a digest is about, and for whom. `branch` empty means the default one.

    With `between` they are those of a release, and the period is when it was made. With `rollup` it is one: for five
    days or more, since nobody reads a table that long.
    """

    repo: str
    period: Period
    language: str
    branch: str = ""
    filters: Filters = field(default_factory=Filters)
    between: Between | None = None
    rollup: bool = False


@dataclass(frozen=True, slots=True)
class Relation:
    """An earlier commit that a commit says it `reverts`, `repairs`, `completes`, `backports` or is `stacked` on.

    `sha` and `title` are empty if only its pull request's number is known.
    """

    kind: str
    sha: str
    pull: int | None
    title: str


@dataclass(frozen=True, slots=True)
class Named:
    """A commit as people name it: its SHA, the number of its pull request, and its title."""

    sha: str
    pull: int | None
    title: str


@dataclass(frozen=True, slots=True)
class Link:
    """The `later` commit, which landed `at` a time, `reverts`, `repairs`, `completes` or `backports` the `earlier` one.

    It is certain if the later one names the other. Otherwise it is likely: of the `of` lines that the later one removed
    or changed, `changed` were the earlier one's.
    """

    kind: str
    earlier: Named
    later: Named
    at: datetime
    changed: int = 0
    of: int = 0

    @property
    def certain(self) -> bool:
        """Whether the later commit says so itself."""
        return self.of == 0


@dataclass(frozen=True, slots=True)
class Entry:
    """One commit of a digest with what is said about it, the commits it names, and what became of it `since`."""

    commit: Commit
    grade: Grade
    analysis: Analysis
    relations: tuple[Relation, ...] = ()
    since: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class Broken:
    """A breaking change of a release, as its author wrote it; `sha` is the commit, empty if it is from the notes."""

    text: str
    sha: str = ""


@dataclass(frozen=True, slots=True)
class Released:
    """A release of a period, and what it brings.

    `before` is the name of the one before it, empty for the first, and if the earlier ones are `unread`; `count` is how
    many commits it has since then, None if unknown. `aside` of them are only on its own branch; `commits` are the
    newest of these. `packages` are other packages of the repository that were released at the same time.
    """

    release: Release
    before: str = ""
    count: int | None = None
    aside: int = 0
    commits: tuple[Commit, ...] = ()
    breaks: tuple[Broken, ...] = ()
    packages: tuple[Release, ...] = ()
    unread: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a commit has got to: the `first` release with it, and the same commits on other branches.

    `unreleased` says that no release has it; without a `first` one either, it is unknown.
    """

    first: Release | None = None
    unreleased: bool = False
    twins: tuple[Twin, ...] = ()


@dataclass(frozen=True, slots=True)
class Theme:
    """Commits of the period that belong together, by SHA, in table order."""

    title: str
    shas: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Undone:
    """A commit of which nothing is left, since a later one in its period, `by`, reverted it.

    `spent` says that the later one did nothing else, so nothing is left of either. It is `named` if a filter keeps it
    out of the digest's entries.
    """

    sha: str
    by: str
    spent: bool = True
    named: Named | None = None


@dataclass(frozen=True, slots=True)
class Component:
    """A part of a repository, by its folder, with the commits that changed it most.

    `shas` are in table order; the lines are those of source files, or else of all that people wrote.
    """

    name: str
    shas: tuple[str, ...]
    added: int
    removed: int


@dataclass(frozen=True, slots=True)
class Rollup:
    """What makes a digest of a week or longer readable in two minutes: it has no table outside the report.

    `undone` are the commits that were reverted within the period, newest first; `components` are the parts with the
    most commits, busiest first; a commit is in at most one.
    """

    undone: tuple[Undone, ...] = ()
    components: tuple[Component, ...] = ()

    @property
    def left_out(self) -> frozenset[str]:
        """The SHAs of commits that are not news: those that were reverted, and those that only reverted them."""
        return frozenset(sha for u in self.undone for sha in (u.sha, *([u.by] if u.spent else [])))


@dataclass(frozen=True)
class Digest:
    """A period of one branch of one repository: everything that is said about it, before any layout.

    `entries` are newest first, `rows` are those of its table by SHA, in the same order, where several may share one;
    `usual` is the median number of commits of comparable earlier digests (None: too few);
    `notices` are sentences for the reader about what is missing and why; `degraded` says that a model or a patch was
    missing, so a later attempt may say more. `releases` are those of the period, newest first; None in digests stored
    before releases were reported. `between` says that it is of a release, not of a branch. With a `rollup` it is one;
    its overview and its themes are then about what lasts.
    """

    repository: Repository
    branch: str
    period: Period
    language: str
    filters: Filters
    entries: tuple[Entry, ...]
    overview: str
    rows: tuple[tuple[str, ...], ...] = ()
    themes: tuple[Theme, ...] = ()
    usual: int | None = None
    notices: tuple[str, ...] = ()
    degraded: bool = False
    releases: tuple[Released, ...] | None = None
    between: Between | None = None
    rollup: Rollup | None = None

    @cached_property
    def lasting(self) -> "Digest":
        """A rollup without the commits of which nothing is left at the end; any other digest unchanged."""
        out = self.rollup.left_out if self.rollup else frozenset()
        return replace(self, entries=tuple(e for e in self.entries if e.commit.sha not in out)) if out else self

    @cached_property
    def by_importance(self) -> dict[Importance, tuple[Entry, ...]]:
        """The entries of each importance, in table order."""
        return {i: tuple(e for e in self.entries if e.grade.importance is i) for i in Importance}

    @property
    def added(self) -> int:
        """Lines added over all entries."""
        return sum(e.commit.added for e in self.entries)

    @property
    def removed(self) -> int:
        """Lines removed over all entries."""
        return sum(e.commit.removed for e in self.entries)

    @property
    def authors(self) -> int:
        """How many people (or bots) wrote the entries."""
        return len({person.name for e in self.entries for person in e.commit.reading.people})
