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

from bot.patch import kind
from bot.values import SUBJECT_LENGTH, ChangeType, Commit, Importance, inert, one_line

# Folders that only hold components: the component is the folder below them.
_SHELVES = re.compile(
    r"apps|cmd|components|crates|internal|libs?|modules|packages|pkg|plugins|projects|services|src|tools"
)
ROOT = "."
"""The component of files that stand in no folder."""


def component(path: str) -> str:
    """The part of a repository that a path belongs to: its first folder, or the one below a folder of components."""
    *folders, _ = path.split("/")
    if not folders:
        return ROOT
    depth = 2 if len(folders) > 1 and _SHELVES.fullmatch(folders[0]) else 1
    return "/".join(folders[:depth])


# --- Features --------------------------------------------------------------------------------

_CONVENTIONAL = re.compile(
    r"^(?:\[[^\]]{1,40}\]\s*)*:?\s*([A-Za-z]+|[\u4e00-\u9fff]{2})(?:\(([^)]{1,60})\))?(!)?\s*[:：]\s*(.+)$", re.DOTALL
)
_TAGS = re.compile(r"^(?:\[[^\]]{1,40}\][\s:：]*)+")
_TAG = re.compile(r"\[([^\]]+)\]")
_PREFIXES = {
    "feat": ChangeType.FEATURE,
    "feature": ChangeType.FEATURE,
    "fix": ChangeType.FIX,
    "bugfix": ChangeType.FIX,
    "bug": ChangeType.FIX,
    "hotfix": ChangeType.FIX,
    "perf": ChangeType.PERFORMANCE,
    "performance": ChangeType.PERFORMANCE,
    "refactor": ChangeType.REFACTOR,
    "misc": ChangeType.OTHER,
    "chore": ChangeType.OTHER,
    "style": ChangeType.OTHER,
    "docs": ChangeType.DOCS,
    "doc": ChangeType.DOCS,
    "test": ChangeType.TEST,
    "tests": ChangeType.TEST,
    "ci": ChangeType.BUILD,
    "build": ChangeType.BUILD,
    "deps": ChangeType.DEPENDENCIES,
    "revert": ChangeType.REVERT,
    "security": ChangeType.SECURITY,
    "新增": ChangeType.FEATURE,
    "功能": ChangeType.FEATURE,
    "修复": ChangeType.FIX,
    "优化": ChangeType.PERFORMANCE,
    "重构": ChangeType.REFACTOR,
    "文档": ChangeType.DOCS,
    "测试": ChangeType.TEST,
    "构建": ChangeType.BUILD,
    "依赖": ChangeType.DEPENDENCIES,
    "回退": ChangeType.REVERT,
    "安全": ChangeType.SECURITY,
}
# The first that matches names the type of a subject without a prefix; English at word starts, Chinese anywhere.
_WORDS = (
    (ChangeType.REVERT, r"^revert\b|回退|回滚|撤销"),
    (ChangeType.SECURITY, r"\bcve-\d|\bsecurity\b|\bvulnerab|\bexploit|安全漏洞|安全修复|注入漏洞"),
    (
        ChangeType.DEPENDENCIES,
        r"^(?:bump|upgrade|update)\b.*\b(?:to|from|dependenc|version)|\bdependenc|\bdeps\b|升级依赖|更新依赖|依赖升级",
    ),
    (ChangeType.DOCS, r"\bdocs?\b|\bdocumentation\b|\breadme\b|\bchangelog\b|文档|说明|注释"),
    (ChangeType.TEST, r"\btests?\b|\be2e\b|测试"),
    (ChangeType.BUILD, r"\bci\b|\bgithub actions?\b|\bworkflow|\bdockerfile|\bbuild\b|\brelease\b|构建|流水线|发布"),
    (ChangeType.PERFORMANCE, r"\bperf|\bfaster\b|\bspeed|\boptimi[sz]|\bthroughput|\blatency|性能|优化|提速|加速"),
    (ChangeType.FIX, r"\bfix|\bbugs?\b|\bcorrect|\bprevent|\bavoid|\bhandle|\bcrash|修复|解决|修正|纠正"),
    (ChangeType.REFACTOR, r"\brefactor|\bclean ?up|\bsimplif|\brenam|\bmove\b|\bextract|\bdedup|重构|整理|清理|重命名"),
    (ChangeType.FEATURE, r"\badd|\bsupport|\bimplement|\bintroduc|\ballow|\benable|新增|添加|支持|实现|引入|增加"),
)
_WORD_TYPES = tuple((kind_, re.compile(words, re.IGNORECASE)) for kind_, words in _WORDS)

_BREAKING = re.compile(r"^BREAKING[ -]CHANGE", re.MULTILINE)
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
_READ = 20_000
"""Characters of a body that are looked at."""


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
    """What the rules look at. `cues` names the subject's telling words, `kinds` counts files by `patch.kind`.

    `prefix` is what the commit calls itself; `lines` are changed lines of source files, `grown` how many
    more of them are added than removed.
    """

    types: tuple[ChangeType, ...]
    prefix: ChangeType | None
    scope: str
    summary: str
    breaking: bool
    security: bool
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


def is_bot(commit: Commit) -> bool:
    """Whether a program made the commit: GitHub marks its apps' accounts with `[bot]`; others are known by name."""
    names = {commit.author.lower(), (commit.login or "").lower()}
    known = {"dependabot", "renovate", "renovate-bot", "github-actions", "pre-commit-ci", "mergify", "greenkeeper"}
    return any(name.endswith("[bot]") or name in known for name in names)


def features(commit: Commit) -> Features:
    """The features of a commit, from its message, paths and sizes alone."""
    prefix, scope, bang, summary = _subject(commit)
    body = inert(commit.body[:_READ])
    hand = [f for f in commit.files if not f.generated]
    source = [f for f in hand if kind(f.path) == "source"]
    kinds: dict[str, int] = {}
    for file in hand:
        kinds[kind(file.path)] = kinds.get(kind(file.path), 0) + 1
    types = _types(prefix, summary, kinds, bool(commit.files) and not hand)
    return Features(
        types=types,
        prefix=prefix,
        scope=scope,
        summary=summary,
        breaking=bang or bool(_BREAKING.search(body)),
        security=ChangeType.SECURITY in types,
        released_revert=types[0] is ChangeType.REVERT and bool(_RELEASED_REVERT.search(body)),
        noise=is_bot(commit) or bool(_BUMP.search(summary)),
        migration=bool(_MIGRATION.search(f"{summary}\n{body}")),
        cues=frozenset(cue.name for cue in _CUES if cue.words.search(summary)),
        kinds=kinds,
        empty=not commit.files,
        lines=sum(f.added + f.removed for f in source),
        grown=sum(f.added - f.removed for f in source),
        interface=any(_INTERFACE.search(f.path) for f in source),
        guide=bool(source) and any(_GUIDE.search(f.path) for f in commit.files),
    )


def _subject(commit: Commit) -> tuple[ChangeType | None, str, bool, str]:
    """Type, scope and `!` of a conventional subject, and the sentence without them and without `(#12)`."""
    subject = one_line(commit.subject).removesuffix(f"(#{commit.pull})").strip()
    if commit.inner and subject.startswith("Merge pull request") and commit.body.strip():
        title = commit.body.strip().partition("\n")[0]  # GitHub puts the pull request's title there
        subject = one_line(title[:SUBJECT_LENGTH])
    found = _CONVENTIONAL.match(subject)
    if found and found[1].lower() in _PREFIXES:
        return _PREFIXES[found[1].lower()], found[2] or "", bool(found[3]), found[4].strip()
    leading = _TAGS.match(subject)
    if not leading:
        return None, "", False, subject
    tags = [_PREFIXES[t.lower()] for t in _TAG.findall(leading[0]) if t.lower() in _PREFIXES]
    return (tags[0] if tags else None), "", False, subject[leading.end() :] or subject


def _types(prefix: ChangeType | None, summary: str, kinds: dict[str, int], generated: bool) -> tuple[ChangeType, ...]:
    words = [t for t, pattern in _WORD_TYPES if pattern.search(summary)]
    if prefix is None or prefix is ChangeType.OTHER:
        prefix = _by_files(kinds, generated) or (words[0] if words else ChangeType.OTHER)
    second = next((t for t in words if t is not prefix and t in (ChangeType.SECURITY, ChangeType.PERFORMANCE)), None)
    return (prefix, second) if second else (prefix,)


def _by_files(kinds: dict[str, int], generated: bool) -> ChangeType | None:
    """The type that the files alone give away, where all are of one kind."""
    only = {"docs": ChangeType.DOCS, "test": ChangeType.TEST, "ci": ChangeType.BUILD}
    if generated:
        return ChangeType.DEPENDENCIES
    return only.get(next(iter(kinds))) if len(kinds) == 1 else None


# --- Points ----------------------------------------------------------------------------------


# What a commit loses by calling itself a refactoring, a build change or a chore.
_PREFIX_TODAY: dict[ChangeType | None, float] = {ChangeType.REFACTOR: 1.0, ChangeType.BUILD: 2.0, ChangeType.OTHER: 0.7}
_PREFIX_MENTION: dict[ChangeType | None, float] = {
    ChangeType.REFACTOR: 1.3,
    ChangeType.BUILD: 2.0,
    ChangeType.OTHER: 0.7,
}


def _today(f: Features) -> float:
    """Points for reading the commit today."""
    source, points = f.kinds.get("source", 0), sum(cue.today for cue in _CUES if cue.name in f.cues)
    points += 0.8 * min(math.log10(1 + f.lines), 3.3) + 0.5 * min(math.log2(1 + source), math.log2(1 + f.lines / 4), 5)
    points += 0.8 * max(0, f.grown) / (f.lines + 5)
    points += 0.6 * (source > 0 and "test" in f.kinds) + 0.8 * f.guide + 0.8 * f.interface
    points += 0.7 * f.migration + 0.3 * ("`" in f.summary)
    points -= 2.0 * (not source) + 1.5 * f.noise + 0.5 * (f.types[0] is ChangeType.FIX)
    return points - _PREFIX_TODAY.get(f.prefix, 0.0)


def _mention(f: Features) -> float:
    """Points for mentioning the commit at all."""
    source, points = f.kinds.get("source", 0), sum(cue.mention for cue in _CUES if cue.name in f.cues)
    points += 0.5 * min(math.log10(1 + f.lines), 3.3) + max(0, f.grown) / (f.lines + 5)
    points += 1.2 * (source > 0 and "test" in f.kinds) + 0.6 * (f.types[0] is ChangeType.FIX)
    points += 0.5 * (f.types[0] is ChangeType.FEATURE)
    points -= 3.0 * (not source) + 1.2 * f.noise + 1.0 * (set(f.kinds) == {"test"})
    points -= 1.0 * bool(_SIDE_SCOPE.search(f.scope))
    return points - _PREFIX_MENTION.get(f.prefix, 0.0)


def score(f: Features) -> float:
    """How much speaks for reading the commit today, 0 to 1: a ranking, not a probability; high begins at a half."""
    return 1 / (1 + math.exp(_HIGH - _today(f)))


# --- The reader's budget ---------------------------------------------------------------------

HIGH_ONE_IN = 8
"""About one commit in eight is high on a normal day: what two minutes leave room for."""
_HIGH, _MEDIUM = 4.75, 1.0
"""Points from which a commit is high, or medium."""
VERSION = 2
"""Changes with what the rules say, here or in `bot.rules`, so that a kept digest of older rules is made anew."""
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
    security = f.types[0] is ChangeType.SECURITY or (f.security and ChangeType.FIX in f.types)
    called = f.prefix in (ChangeType.FIX, ChangeType.SECURITY) and not f.noise and "ci" not in f.kinds
    felt = source or "config" in f.kinds or "other" in f.kinds
    return felt and (f.breaking or (security and (source or called)) or (f.released_revert and source))


def _wish(f: Features, score_: float) -> Importance:
    if _always(f) or score_ >= 0.5:
        return Importance.HIGH
    return Importance.MEDIUM if _mention(f) >= _MEDIUM else Importance.LOW


def _reason(f: Features, importance: Importance) -> str:
    """The key of the label that tells why."""
    if f.breaking:
        return "breaking"
    if f.security:
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
    return f"type_{f.types[0]}"
