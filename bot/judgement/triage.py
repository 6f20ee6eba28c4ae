"""Features of a commit, the rules' score, and the reader's budget. Pure, and in no language: reasons are keys.

A commit gets two sums of points from its message, paths and sizes: how much it deserves to be read today, and how
much to be mentioned at all. The points are round numbers set by hand and compared with commits that maintainers graded
in their release notes (docs/triage.md has the figures, `make eval` measures them again).
"""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from types import MappingProxyType

from bot.commits.claims import is_advisory
from bot.commits.files import FileKind, generated, kind
from bot.commits.interfaces import is_interface
from bot.commits.related import Landed
from bot.values import ChangeType, Commit, Importance, Note, NoteLevel, Reading

# --- Features --------------------------------------------------------------------------------

_MIGRATION = re.compile(r"\bbreaking\b|backwards?.incompat|\bmigrat|不兼容|迁移", re.IGNORECASE)
_RELEASED = re.compile(
    r"\b(?:(?:released|shipped|landed|broken|regress(?:ed|ion)) (?:in|with|since|from) "
    r"(?:v?\d|the (?:last|latest|current))|(?:already|was) (?:released|shipped)"
    r"|in production|hotfix|since v?\d+\.\d+)|线上|已发布",
    re.IGNORECASE,
)
"""What a revert says of something that users have already."""
_BUMP = re.compile(r"^(?:bump|upgrade|update|sync|pin|lock file|renovate)\b|^(?:升级|更新)", re.IGNORECASE)
_SIDE_SCOPE = re.compile(r"test|\bci\b|e2e|deps|infra|release|docs|build|internal|flak", re.IGNORECASE)
_GUIDE = re.compile(r"(?:^|/)(?:docs?|site|website|examples?|guides?)/|\.mdx?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Cue:
    """Words of a subject, and the points they give for reading today and for mentioning at all."""

    name: str
    today: float
    mention: float
    words: re.Pattern[str]


def _cue(name: str, today: float, mention: float, *words: str) -> _Cue:
    return _Cue(name, today, mention, re.compile("|".join(words), re.IGNORECASE))


# The first of these that matches is the reason that a reader sees; rarer and more significant ones come first.
_TELLING = (
    _cue("stable", 1.5, 0.3, r"\bstabili[sz](?:e|ed|ation)\b|\bgraduat|\bto (?:beta|stable|ga)\b", r"稳定版|转正"),
    _cue(
        "deprecate",
        1.5,
        0.3,
        r"\bdeprecat(?!\w{0,4} (?:label|message|warning|notice|test|helper|decorator))|\bobsolete",
        r"弃用|废弃",
    ),
    _cue("default", 1.0, 0.2, r"\bdefaults?\b", r"默认"),
    _cue(
        "strict",
        1.2,
        0.4,
        r"\b(?:reject|require|enforce|disallow|forbid|prohibit|refuse|validate|honou?r|drop|no longer|stop|must)s?\b",
        r"\b(?:error|fail) (?:when|if|on|for)\b",
        r"\b(?:raise|throw)s? .{0,40}(?:error|exception|err\b).{0,60}\b(?:when|if|for|on|unless|instead)\b",
        r"\bprevent(?:s|ing)? (?!.{0,60}\b(?:crash|panic|deadlock|leak|race|hang|overflow|infinite|null|undefined|flak"
        r"|duplicat|double|stale|error|fail|regress|warning|corrupt|loop|exception|conflict|los[st]|missing"
        r"|unexpected))",
        r"\b(?:don'?t|do not|never) allow\b|\b(?:only|must not) (?:allow|accept)",
        r"禁止|拒绝|必须|不再|不允许|只允许|仅允许",
    ),
    _cue(
        "remove",
        0.8,
        0.0,
        r"^(?:remove|delete|drop|get rid)\b(?!.{0,50}\b(?:usages?|uses? of|call ?sites?|references to|mentions? of"
        r"|leftovers?|duplicates?|unused|unreachable|dead)\b)(?!.{0,50}[ .`]_[a-z])",
        r"^(?:移除|删除)(?!.{0,20}(?:无用|未使用|多余|重复|调用))",
    ),
    _cue(
        "option",
        0.7,
        0.3,
        r"--[a-z]|\bflags?\b|\boptions?\b|\bsetting|\bopt[- ](?:in|out)|\bconfigur(?:e|able|ation)",
        r"(?-i:\b[A-Z]{2,}_[A-Z_]{2,})",
        r"选项|配置项|参数",
    ),
    _cue(
        "new",
        1.3,
        0.4,
        r"^(?:add|implement|introduc|expose|create|new|support|allow|enable|provide)",
        r"\bsupport(?:s|ed|ing)? (?:for|of)\b|\badd(?:s|ed|ing)? (?:support|an? option|a flag|the ability)",
        r"^(?:新增|添加|增加|支持|实现|引入)",
    ),
    _cue(
        "runtime",
        0.0,
        2.0,
        r"\bpy(?:thon)?[ -]?3\.?\d{1,2}\b|\b(?:node(?:\.?js)?|java|jdk|ruby|php) ?v?\d|\b(?:go|rust) ?1\.\d|\bmsrv\b",
        r"\bminimum (?:supported )?(?:\w+ )?version|requires-python",
        r"最低版本",
    ),
    _cue(
        "preview",
        0.0,
        0.0,
        r"\bfeature ?gate|\bexperimental|\balpha\b|\bbeta\b|\bpreview\b|\bnightly|\bunstable\b",
        r"实验性|预览",
    ),
)
_OTHER = (
    _cue(
        "fault",
        -1.0,
        0.6,
        r"^(?:fix|correct|avoid|handle|ensure|don'?t (?!allow)|do not (?!allow)|ignore|resolve|preserve|respect)",
        r"^prevent.{0,60}\b(?:crash|panic|deadlock|leak|race|hang|overflow|infinite|null|undefined|flak|duplicat"
        r"|double|stale"
        r"|error|fail|regress|warning|corrupt|loop|exception|conflict|los[st]|missing|unexpected)",
        r"^(?:修复|解决|修正)",
    ),
    _cue(
        "outage",
        0.0,
        0.5,
        r"\bregress|\bcrash|\bpanic|\bdeadlock|\bleak|\bdata loss|\bcorrupt|\brace\b|\bhang|\boom\b",
        r"崩溃|死锁|泄漏|丢失",
    ),
    _cue(
        "speed", 0.0, 0.4, r"\bperf|\bfaster|\bspeed|\boptimi[sz]|\blatency|\bcach(?:e|ing)\b", r"性能|优化|提速|加速"
    ),
    _cue(
        "internal",
        -0.8,
        -0.9,
        r"\binternal|\brefactor|\bclean ?up|\bsimplif|\bhelper|\bextract\b|\bdedup|\breuse|\bshare\b|\binline\b",
        r"\bunused|\bdead code|\bredundant|\bunnecessary|\bencapsul|\bconsolidat|\bwrapper|\bcommoni[sz]|\bpolish",
        r"\btidy",
        r"重构|整理|清理",
    ),
    _cue("tests", -1.5, -1.2, r"\btest(?:s|ing)?\b|\be2e\b|\bcoverage|\bflak|\bsnapshot|\bbench|\bfixture", r"测试"),
    _cue(
        "pipeline",
        -1.0,
        -1.0,
        r"\bci\b|\bworkflow|\bgithub actions?\b|\bactions?\b|\bdocker|\brelease\b|\bmakefile|\blint|\bclippy",
        r"\bformat\b|\btypo|\bnit\b|\bchangelog|\bpre-commit",
        r"构建|流水线|发布",
    ),
    _cue("words", -1.0, -0.7, r"\bdocs?\b|\bdocument|\breadme|\bcomment|\bguide\b|\bexample", r"文档|说明|注释"),
)
_CUES = (*_TELLING, *_OTHER)


@dataclass(frozen=True, slots=True)
class Features:
    """The input of the rules: what a commit says, its maintainers' notes to users, and what it touches.

    `unseen` says that nobody knows what it changes; `grave` that it reverts what users have, or what was high.
    `cues` names the title's significant words, `kinds` counts files by kind; `lines` are changed lines of source files,
    `grown` how many more of them are added than removed.
    """

    reading: Reading
    note: Note | None
    grave: bool
    noise: bool
    migration: bool
    cues: frozenset[str]
    kinds: dict[str, int]
    empty: bool
    unseen: bool
    lines: int
    grown: int
    interface: bool
    guide: bool

    @property
    def first(self) -> ChangeType:
        """The first type."""
        return self.reading.types[0]


def features(commit: Commit, note: Note | None = None, grave: bool = False) -> Features:
    """The features of a commit, from its reading, paths and sizes; `note` is the heaviest that it tells users."""
    read = commit.reading
    hand = [f for f in commit.files if not generated(f.path)]
    source = [f for f in hand if kind(f.path) is FileKind.SOURCE]
    kinds: dict[str, int] = {}
    for file in hand:
        kinds[kind(file.path)] = kinds.get(kind(file.path), 0) + 1
    return Features(
        reading=read,
        note=note,
        grave=bool(read.reverts) and (grave or bool(_RELEASED.search(f"{read.title}\n{read.said}"))),
        noise=read.bot or bool(_BUMP.search(read.title)),
        migration=bool(_MIGRATION.search(f"{read.title}\n{read.said}")),
        cues=frozenset(cue.name for cue in _CUES if cue.words.search(read.title)),
        kinds=kinds,
        empty=not commit.files,
        # A host may not show what a commit changes; a merge of what is there already has no number and changes nothing.
        unseen=not commit.files and (commit.pull is not None or not commit.inner),
        lines=sum(f.added + f.removed for f in source),
        grown=sum(f.added - f.removed for f in source),
        interface=any(is_interface(f.path) for f in source),
        guide=bool(source) and any(_GUIDE.search(f.path) for f in commit.files),
    )


# --- Points ----------------------------------------------------------------------------------


# What a commit loses by calling itself a refactoring, a build change, a chore, or what else no user meets.
_PREFIX_TODAY: dict[ChangeType | None, float] = {
    ChangeType.REFACTOR: 1.0,
    ChangeType.BUILD: 2.0,
    ChangeType.OTHER: 0.7,
    ChangeType.DOCS: 1.5,
    ChangeType.TEST: 0.5,
}
_PREFIX_MENTION: dict[ChangeType | None, float] = {
    ChangeType.REFACTOR: 1.3,
    ChangeType.BUILD: 2.0,
    ChangeType.OTHER: 0.7,
    ChangeType.DOCS: 0.5,
}


# What maintainers announce to users weighs more than any word of a title; fixes and internal work weigh less then.
_NOTE_TODAY: dict[NoteLevel | None, float] = {
    NoteLevel.BREAKING: 5.0,
    NoteLevel.SECURITY: 4.0,
    NoteLevel.DEPRECATION: 4.0,
    NoteLevel.FEATURE: 1.0,
    NoteLevel.FIX: -1.0,
    NoteLevel.INTERNAL: -2.0,
}


def _level(f: Features) -> NoteLevel | None:
    """The level of what the commit tells users; None if it changes only such notes."""
    felt = f.unseen or not {FileKind.SOURCE, FileKind.CONFIG, FileKind.OTHER}.isdisjoint(f.kinds)
    return f.note.level if f.note and felt else None


def _today(f: Features) -> float:
    """Points for reading the commit today."""
    source, points = f.kinds.get("source", 0), sum(cue.today for cue in _CUES if cue.name in f.cues)
    points += 0.8 * min(math.log10(1 + f.lines), 3.3) + 0.5 * min(math.log2(1 + source), math.log2(1 + f.lines / 4), 5)
    points += 0.8 * max(0, f.grown) / (f.lines + 5)
    points += 0.6 * (source > 0 and "test" in f.kinds) + 0.8 * f.guide + 0.8 * f.interface
    points += 0.7 * f.migration + 0.3 * ("`" in f.reading.title)
    points += _NOTE_TODAY.get(_level(f), 0.0)
    points -= 2.0 * (not source) + 1.5 * f.noise + 0.5 * (f.first is ChangeType.FIX)
    return points - _PREFIX_TODAY.get(f.reading.prefix, 0.0)


def _mention(f: Features) -> float:
    """Points for mentioning the commit at all."""
    source, points = f.kinds.get("source", 0), sum(cue.mention for cue in _CUES if cue.name in f.cues)
    points += 0.5 * min(math.log10(1 + f.lines), 3.3) + max(0, f.grown) / (f.lines + 5)
    points += 1.2 * (source > 0 and "test" in f.kinds) + 0.6 * (f.first is ChangeType.FIX)
    points += 0.5 * (f.first is ChangeType.FEATURE)
    points -= 3.0 * (not source) + 1.2 * f.noise + 1.0 * (set(f.kinds) == {"test"})
    points -= 1.0 * bool(_SIDE_SCOPE.search(f.reading.scope))
    return points - _PREFIX_MENTION.get(f.reading.prefix, 0.0)


def score(f: Features) -> float:
    """How much speaks for reading the commit today, 0 to 1: a ranking, not a probability; high begins at a half."""
    return 1 / (1 + math.exp(_HIGH - _today(f)))


# --- The reader's budget ---------------------------------------------------------------------

HIGH_ONE_IN = 8
"""At most about one commit in eight is high: what two minutes leave room for."""
_HIGH, _MEDIUM = 4.75, 1.0
"""Points from which a commit is high, or medium."""
VERSION = 5
"""Changes with what the rules say, here or in `judgement.rules`, so that a digest of older rules is rebuilt."""
_REACH = 200
"""Changed source lines from which something new reaches far, wherever it is."""
_WIDE = 500
"""Changed source lines from which a change is called wide."""


PAGE = 29
"""Commits of a page: on a quieter day they are compared with those before it as well, so that it stays quiet."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The rules' view of one commit.

    `reason` is a key of the labels' `[reason]`, empty if nothing specific can be said, `words` are the commit's own for
    it; `always` lifts it over the budget, and leaves it its rank among the high.
    """

    importance: Importance
    score: float
    reason: str
    words: str
    always: bool
    features: Features


def judge(
    commits: Sequence[Commit],
    before: Sequence[Commit] = (),
    notes: Mapping[str, Sequence[Note]] = MappingProxyType({}),
    grave: Collection[str] = (),
) -> tuple[Judgement, ...]:
    """A judgement for each commit of a page, in the same order: those of a period, and behind them those before it.

    `before` are the branch's commits before the period, newest first, of which as many count as fill a page; `notes`
    are what commits tell users, by SHA, the heaviest first; `grave` are the SHAs of serious reverts.
    """
    page = [*commits, *before[: max(0, PAGE - len(commits))]]
    seen = [features(c, next(iter(notes.get(c.sha, ())), None), c.sha in grave) for c in page]
    undone = _undone(commits, grave)
    scores = [score(f) for f in seen]
    syncs = [_syncs(c) for c in page]
    always = [_always(f) and n not in undone and not syncs[n] for n, f in enumerate(seen)]
    capped = [n in undone or syncs[n] for n in range(len(page))]
    wishes = [_capped(_wish(f, s), low) for f, s, low in zip(seen, scores, capped, strict=True)]
    kept = page_budget(wishes, scores, always, len(commits))
    weights = [(1 + s) / 2 if a else s for s, a in zip(scores, always, strict=True)]  # high begins at a half
    return tuple(Judgement(i, w, *_reason(f, i), a, f) for i, w, f, a in zip(kept, weights, seen, always, strict=True))


def _undone(commits: Sequence[Commit], grave: Collection[str]) -> frozenset[int]:
    """The positions of commits that are reverted within the period, and of their reverts: nothing comes of them.

    Unless they are released by then: users have them.
    """
    places: set[int] = set()
    landed = Landed(commits)
    for n, commit in enumerate(commits):
        reverts = bool(commit.reading.reverts) and commit.sha not in grave
        named = [r for r in commit.reading.references if r.kind == "reverts"] if reverts else []
        if taken := {m for reference in named for m in landed.before(n, reference)}:
            places |= {n, *taken}
    return frozenset(places)


_LINES = re.compile(
    r"(?:(?:origin|upstream)/)?(?:main|master|trunk|dev(?:elop)?|stable|next|staging|releases?(?:[/-].*)?|hotfix/.*"
    r"|v?\d+\.(?:x|\d+).*)$",
    re.IGNORECASE,
)
_SYNC = re.compile(r"merge[sd]? .{1,40} (?:branch )?into ", re.IGNORECASE)


def _syncs(commit: Commit) -> bool:
    """Whether a merge brings one line of development into another: its commits were reported where they landed."""
    return bool(commit.inner) and bool(_LINES.match(commit.reading.branch) or _SYNC.match(commit.reading.title))


def _capped(wish: Importance, low: bool) -> Importance:
    return Importance.MEDIUM if low and wish is Importance.HIGH else wish


def budget(wishes: Sequence[Importance], scores: Sequence[float], always: Sequence[bool]) -> tuple[Importance, ...]:
    """At most one commit in eight (at least one) stays high, the best scored; those of `always` are never lowered."""
    room = max(1, round(len(wishes) / HIGH_ONE_IN))
    highs = sorted((i for i, w in enumerate(wishes) if w is Importance.HIGH), key=lambda i: (not always[i], -scores[i]))
    kept = {i for n, i in enumerate(highs) if n < room or always[i]}
    return tuple(
        Importance.MEDIUM if wish is Importance.HIGH and i not in kept else wish for i, wish in enumerate(wishes)
    )


def page_budget(
    wishes: Sequence[Importance], scores: Sequence[float], always: Sequence[bool], own: int
) -> tuple[Importance, ...]:
    """What stays high of a page, whose first `own` commits are a period's: one in eight of it, and of those."""
    kept = budget(wishes, scores, always)
    return (*budget(kept[:own], scores[:own], always[:own]), *kept[own:])


def _always(f: Features) -> bool:
    """Whether a commit is high in any case, since it says so.

    It breaks something, fixes a known vulnerability, or reverts what users have. Without a source file only what calls
    itself a fix counts as security: bots' updates and pipelines name it daily.
    """
    read = f.reading
    source = "source" in f.kinds or f.unseen
    felt = source or "config" in f.kinds or "other" in f.kinds
    advised = is_advisory(read.security) and not read.bot and source
    secures = bool(read.security) and (f.first is ChangeType.SECURITY or not {*read.types}.isdisjoint(_MENDS))
    called = read.prefix in (ChangeType.FIX, ChangeType.SECURITY) and not f.noise and "ci" not in f.kinds
    said = bool(read.breaking) or advised or (secures and (source or called)) or (f.grave and source)
    sure = f.note is not None and not f.note.release and not f.note.guessed
    return (felt and said) or (sure and _level(f) in _ALWAYS)


_MENDS = (ChangeType.FIX, ChangeType.SECURITY)
_ALWAYS = (NoteLevel.BREAKING, NoteLevel.SECURITY)
"""What maintainers call so in notes to users is to be read today, however much there is."""
_AT_LEAST = {
    NoteLevel.DEPRECATION: Importance.HIGH,
    NoteLevel.FEATURE: Importance.MEDIUM,
    NoteLevel.FIX: Importance.MEDIUM,
}
_AT_MOST = {NoteLevel.FIX: Importance.MEDIUM, NoteLevel.INTERNAL: Importance.MEDIUM}
"""How the maintainers' own word bounds a grade. A fix may still be high by what it says: see `_always`."""


def _wish(f: Features, score_: float) -> Importance:
    if _always(f):
        return Importance.HIGH
    wish = _by_points(f, score_)
    if is_advisory(f.reading.security) and not f.reading.bot:
        wish = max(wish, Importance.MEDIUM, key=_rank)
    if f.note and not _level(f) and f.note.level is not NoteLevel.INTERNAL:
        return Importance.MEDIUM  # it informs users about what landed before
    level = _level(f)
    if level in _AT_LEAST:
        wish = max(wish, _AT_LEAST[level], key=_rank)
    return min(wish, _AT_MOST[level], key=_rank) if level in _AT_MOST else wish


_rank = attrgetter("rank")


def _by_points(f: Features, score_: float) -> Importance:
    if score_ >= 0.5 and not _small_feature(f):
        return Importance.HIGH
    mentioned = _mention(f) >= _MEDIUM or _runs_elsewhere(f) or ("strict" in f.cues and f.unseen)
    return Importance.MEDIUM if mentioned else Importance.LOW


def _runs_elsewhere(f: Features) -> bool:
    """Whether a person changes what the program runs on: users notice that, though no source changes."""
    return "runtime" in f.cues and not f.reading.bot and not {FileKind.CONFIG, FileKind.SOURCE}.isdisjoint(f.kinds)


def _small_feature(f: Features) -> bool:
    """Whether a commit is called a feature, but is new in one small place that others do not call."""
    return f.reading.prefix is ChangeType.FEATURE and "new" in f.cues and f.lines < _REACH and not f.interface


def _reason(f: Features, importance: Importance) -> tuple[str, str]:
    """The key of the label that says why, empty if nothing specific can be said, and the commit's own words."""
    read = f.reading
    if read.breaking:
        return "breaking", read.breaking
    if f.note and f.note.level in _NOTED:
        return f"note_{f.note.level}", f.note.label
    if read.security:
        return "security", read.security
    if read.reverts:
        return "revert", ""
    telling = next((cue.name for cue in _TELLING if cue.name in f.cues), "")
    if importance is not Importance.LOW:
        return telling or ("wide" if f.lines >= _WIDE else ""), ""
    if not f.kinds:
        return "empty" if f.empty else "generated", ""
    if not f.kinds.get("source"):
        return f"only_{next(iter(f.kinds))}" if len(f.kinds) == 1 else "only_other", ""
    return "", ""


_NOTED = (NoteLevel.BREAKING, NoteLevel.SECURITY, NoteLevel.DEPRECATION)
