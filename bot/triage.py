"""Features of a commit, the rules' score, and the reader's budget. Pure, and in no language: reasons are keys.

A commit gets two sums of points from its message, paths and sizes: how much speaks for reading it today, and how much
for mentioning it at all. The points are round numbers set by hand and held against commits that maintainers graded in
their release notes (docs/triage.md has the figures, `make eval` makes them anew).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.commits.files import FileKind, generated, kind
from bot.values import ChangeType, Commit, Importance, Reading

# --- Features --------------------------------------------------------------------------------

_MIGRATION = re.compile(r"\bbreaking\b|backwards?.incompat|\bmigrat|不兼容|迁移", re.IGNORECASE)
_RELEASED_REVERT = re.compile(
    r"\b(?:release|hotfix|regression|production|v?\d+\.\d+\.\d+)\b|线上|已发布", re.IGNORECASE
)
_BUMP = re.compile(r"^(?:bump|upgrade|update|sync|pin|lock file|renovate)\b|^(?:升级|更新)", re.IGNORECASE)
_SIDE_SCOPE = re.compile(r"test|\bci\b|e2e|deps|infra|release|docs|build|internal|flak", re.IGNORECASE)
# What others call: a change there is felt elsewhere.
_INTERFACE = re.compile(
    r"(?:^|/)(?:api|apis|cli|public|schemas?|types|settings?|options|config|crd|proto|keps?)(?:/|[._-]|$)"
    r"|\.proto$|\.d\.ts$|schema\.json$|-cli/",
    re.IGNORECASE,
)
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


# The first of these that matches is the reason a reader is told; the rarer and more telling ones come first.
_TELLING = (
    _cue("stable", 1.5, 0.3, r"\bstabili[sz](?:e|ed|ation)\b|\bgraduat|\bto (?:beta|stable|ga)\b", r"稳定版|转正"),
    _cue("deprecate", 1.5, 0.3, r"\bdeprecat|\bobsolete", r"弃用|废弃"),
    _cue("default", 1.0, 0.2, r"\bdefaults?\b", r"默认"),
    _cue(
        "strict",
        1.2,
        0.4,
        r"\b(?:reject|require|enforce|disallow|forbid|prohibit|refuse|validate|honou?r|drop|no longer|stop|must)s?\b",
        r"\b(?:error|fail) (?:when|if|on|for)\b",
        r"禁止|拒绝|必须|不再",
    ),
    _cue("remove", 0.8, 0.0, r"^(?:remove|delete|drop|get rid)\b", r"^(?:移除|删除)"),
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
    _cue("preview", 0.5, 0.0, r"\bfeature ?gate|\bexperimental|\balpha\b|\bbeta\b|\bpreview\b", r"实验性|预览"),
)
_OTHER = (
    _cue(
        "fault",
        -1.0,
        0.6,
        r"^(?:fix|correct|avoid|prevent|handle|ensure|don'?t|do not|ignore|resolve|preserve|respect)",
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
    """What the rules look at: what a commit says, and what it touches.

    `cues` names the title's telling words, `kinds` counts files by kind; `lines` are changed lines of source files,
    `grown` how many more of them are added than removed.
    """

    reading: Reading
    released_revert: bool
    noise: bool
    migration: bool
    cues: frozenset[str]
    kinds: dict[str, int]
    empty: bool
    lines: int
    grown: int
    interface: bool
    guide: bool

    @property
    def first(self) -> ChangeType:
        """The first type."""
        return self.reading.types[0]


def features(commit: Commit) -> Features:
    """The features of a commit, from its reading, paths and sizes alone."""
    read = commit.reading
    hand = [f for f in commit.files if not generated(f.path)]
    source = [f for f in hand if kind(f.path) is FileKind.SOURCE]
    kinds: dict[str, int] = {}
    for file in hand:
        kinds[kind(file.path)] = kinds.get(kind(file.path), 0) + 1
    return Features(
        reading=read,
        released_revert=read.types[0] is ChangeType.REVERT and bool(_RELEASED_REVERT.search(read.said)),
        noise=read.bot or bool(_BUMP.search(read.title)),
        migration=bool(_MIGRATION.search(f"{read.title}\n{read.said}")),
        cues=frozenset(cue.name for cue in _CUES if cue.words.search(read.title)),
        kinds=kinds,
        empty=not commit.files,
        lines=sum(f.added + f.removed for f in source),
        grown=sum(f.added - f.removed for f in source),
        interface=any(_INTERFACE.search(f.path) for f in source),
        guide=bool(source) and any(_GUIDE.search(f.path) for f in commit.files),
    )


# --- Points ----------------------------------------------------------------------------------


# What a commit loses by calling itself a refactoring, a build change, a chore, or what else no user meets.
_PREFIX_TODAY: dict[ChangeType | None, float] = {
    ChangeType.REFACTOR: 1.0,
    ChangeType.BUILD: 2.0,
    ChangeType.OTHER: 0.7,
    ChangeType.DOCS: 1.5,
    ChangeType.TEST: 1.5,
}
_PREFIX_MENTION: dict[ChangeType | None, float] = {
    ChangeType.REFACTOR: 1.3,
    ChangeType.BUILD: 2.0,
    ChangeType.OTHER: 0.7,
    ChangeType.DOCS: 0.5,
}


def _today(f: Features) -> float:
    """Points for reading the commit today."""
    source, points = f.kinds.get("source", 0), sum(cue.today for cue in _CUES if cue.name in f.cues)
    points += 0.8 * min(math.log10(1 + f.lines), 3.3) + 0.5 * min(math.log2(1 + source), math.log2(1 + f.lines / 4), 5)
    points += 0.8 * max(0, f.grown) / (f.lines + 5)
    points += 0.6 * (source > 0 and "test" in f.kinds) + 0.8 * f.guide + 0.8 * f.interface
    points += 0.7 * f.migration + 0.3 * ("`" in f.reading.title)
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
"""About one commit in eight is high on a normal day: what two minutes leave room for."""
_HIGH, _MEDIUM = 4.75, 1.0
"""Points from which a commit is high, or medium."""
VERSION = 3
"""Changes with what the rules say, here or in `bot.rules`, so that a kept digest of older rules is made anew."""
_REACH = 200
"""Changed source lines from which something new reaches far, wherever it is."""
_WIDE = 500
"""Changed source lines from which a change is called wide."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The rules' view of one commit. `reason` is a key of the labels' `[reason]`; `always` lifts it over the budget."""

    importance: Importance
    score: float
    reason: str
    always: bool
    features: Features


def judge(commits: Sequence[Commit]) -> tuple[Judgement, ...]:
    """A judgement for each commit of a period, in the same order."""
    seen = [features(c) for c in commits]
    scores = [score(f) for f in seen]
    wishes = [_wish(f, s) for f, s in zip(seen, scores, strict=True)]
    always = [_always(f) for f in seen]
    kept = budget(wishes, scores, always)
    return tuple(Judgement(i, s, _reason(f, i), a, f) for i, s, f, a in zip(kept, scores, seen, always, strict=True))


def budget(wishes: Sequence[Importance], scores: Sequence[float], always: Sequence[bool]) -> tuple[Importance, ...]:
    """At most one commit in eight (at least one) stays high, the best scored; those of `always` are never lowered."""
    room = max(1, round(len(wishes) / HIGH_ONE_IN))
    highs = sorted((i for i, w in enumerate(wishes) if w is Importance.HIGH), key=lambda i: (not always[i], -scores[i]))
    kept = {i for n, i in enumerate(highs) if n < room or always[i]}
    return tuple(
        Importance.MEDIUM if wish is Importance.HIGH and i not in kept else wish for i, wish in enumerate(wishes)
    )


def _always(f: Features) -> bool:
    """Whether a commit is high whatever else there is: it breaks something, mends a hole, or takes a release back.

    Without a source file only what calls itself a fix counts as security: bots' updates and pipelines name it daily.
    """
    source = "source" in f.kinds
    secures = bool(f.reading.security) or f.first is ChangeType.SECURITY
    security = secures and (f.first is ChangeType.SECURITY or ChangeType.FIX in f.reading.types)
    called = f.reading.prefix in (ChangeType.FIX, ChangeType.SECURITY) and not f.noise and "ci" not in f.kinds
    felt = source or "config" in f.kinds or "other" in f.kinds
    return felt and (bool(f.reading.breaking) or (security and (source or called)) or (f.released_revert and source))


def _wish(f: Features, score_: float) -> Importance:
    if _always(f) or (score_ >= 0.5 and not _small_feature(f)):
        return Importance.HIGH
    return Importance.MEDIUM if _mention(f) >= _MEDIUM else Importance.LOW


def _small_feature(f: Features) -> bool:
    """Whether a commit is called a feature, but is new in one small place that others do not call."""
    return f.reading.prefix is ChangeType.FEATURE and "new" in f.cues and f.lines < _REACH and not f.interface


def _reason(f: Features, importance: Importance) -> str:
    """The key of the label that tells why."""
    if f.reading.breaking:
        return "breaking"
    if f.reading.security or ChangeType.SECURITY in f.reading.types:
        return "security"
    telling = next((cue.name for cue in _TELLING if cue.name in f.cues), "")
    if importance is not Importance.LOW and telling:
        return telling
    if not f.kinds:
        return "empty" if f.empty else "generated"
    if not f.kinds.get("source"):
        return f"only_{next(iter(f.kinds))}" if len(f.kinds) == 1 else "only_other"
    if f.lines >= _WIDE:
        return "wide"
    return f"type_{f.first}"
