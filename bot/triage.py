"""Features of a commit, the rules' score, and the reader's budget. Pure, and in no language: reasons are keys.

The weights follow what maintainers named in their release notes later (the graded commits say that a deprecation, a new
default or support for something tells more than the size of a change, and that no source file means low).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.patch import kind
from bot.values import ChangeType, Commit, FileStatus, Importance

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
_RELEASED_REVERT = re.compile(
    r"\b(?:release|hotfix|regression|production|v?\d+\.\d+\.\d+)\b|线上|已发布", re.IGNORECASE
)
_SIGNALS = (
    ("stabilize", 2.6, re.compile(r"\bstabili[sz]", re.IGNORECASE)),
    ("deprecate", 2.0, re.compile(r"\bdeprecat|\bobsolete|弃用|废弃", re.IGNORECASE)),
    (
        "remove",
        1.3,
        re.compile(
            r"\b(?:remove|drop|delete)s?\b.*\b(?:support|api|option|flag|command|endpoint)|移除|删除.*(?:接口|支持)",
            re.IGNORECASE,
        ),
    ),
    ("default", 2.0, re.compile(r"\bby default\b|\bdefault to\b|默认", re.IGNORECASE)),
    ("support", 1.0, re.compile(r"\bsupport|\bintroduc|支持|引入", re.IGNORECASE)),
    ("require", 1.0, re.compile(r"\b(?:require|minimum|mandatory)|必须|最低", re.IGNORECASE)),
)


@dataclass(frozen=True, slots=True)
class Features:
    """What the rules look at. `kinds` counts files by `patch.kind`; `lines` are changed lines of source files."""

    types: tuple[ChangeType, ...]
    scope: str
    summary: str
    breaking: bool
    security: bool
    released_revert: bool
    signal: str
    weight: float
    kinds: dict[str, int]
    lines: int
    new_source: int


def features(commit: Commit) -> Features:
    """The features of a commit, from its message, paths and sizes alone."""
    prefix, scope, breaking, summary = _subject(commit)
    hand = [f for f in commit.files if not f.generated]
    kinds: dict[str, int] = {}
    for file in hand:
        kinds[kind(file.path)] = kinds.get(kind(file.path), 0) + 1
    types = _types(prefix, summary, kinds, bool(commit.files) and not hand)
    signal, weight = next(((n, w) for n, w, pattern in _SIGNALS if pattern.search(summary)), ("", 0.0))
    return Features(
        types=types,
        scope=scope,
        summary=summary,
        breaking=breaking or bool(_BREAKING.search(commit.body)),
        security=ChangeType.SECURITY in types,
        released_revert=types[0] is ChangeType.REVERT and bool(_RELEASED_REVERT.search(commit.body[:2000])),
        signal=signal,
        weight=weight,
        kinds=kinds,
        lines=sum(f.added + f.removed for f in hand if kind(f.path) == "source"),
        new_source=sum(f.status is FileStatus.ADDED and kind(f.path) == "source" for f in hand),
    )


def _subject(commit: Commit) -> tuple[ChangeType | None, str, bool, str]:
    """Type, scope and `!` of a conventional subject, and the sentence without them and without `(#12)`."""
    subject = commit.subject.strip().removesuffix(f"(#{commit.pull})").strip()
    if commit.inner and subject.startswith("Merge pull request") and commit.body.strip():
        subject = commit.body.strip().splitlines()[0]  # GitHub puts the pull request's title there
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


# --- Score -----------------------------------------------------------------------------------

_TYPE_WEIGHT = {
    ChangeType.FEATURE: 1.4,
    ChangeType.SECURITY: 2.5,
    ChangeType.PERFORMANCE: 0.9,
    ChangeType.FIX: 0.5,
    ChangeType.REVERT: 0.3,
    ChangeType.ARCHITECTURE: 0.6,
    ChangeType.REFACTOR: -0.6,
    ChangeType.OTHER: -0.3,
    ChangeType.DEPENDENCIES: -1.2,
    ChangeType.BUILD: -1.5,
    ChangeType.DOCS: -2.2,
    ChangeType.TEST: -2.2,
}


def score(f: Features) -> float:
    """How likely it is (0..1) that maintainers would single the commit out; a ranking, not a probability."""
    z = -2.6 + _TYPE_WEIGHT[f.types[0]] + f.weight
    z += 3.0 * f.breaking + 1.0 * (f.security and f.types[0] is not ChangeType.SECURITY)
    source = f.kinds.get("source", 0)
    z += 0.5 if source and f.kinds.get("test") else 0
    z += 0.5 if source and f.kinds.get("docs") else 0
    z += min(0.35 * math.log10(f.lines + 1), 1.2) if source else -2.0
    z += min(0.2 * f.new_source, 0.6)
    return 1 / (1 + math.exp(-z))


# --- The reader's budget ---------------------------------------------------------------------

HIGH_ONE_IN = 8
"""About one commit in eight is high on a normal day: what two minutes leave room for."""
_HIGH, _MEDIUM = 0.5, 0.12
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
    source = f.kinds.get("source", 0) > 0
    security = f.types[0] is ChangeType.SECURITY or (f.security and ChangeType.FIX in f.types)
    return source and (f.breaking or security or f.released_revert)


def _wish(f: Features, score_: float) -> Importance:
    if _always(f) or score_ >= _HIGH:
        return Importance.HIGH
    return Importance.MEDIUM if score_ >= _MEDIUM else Importance.LOW


def _reason(f: Features, importance: Importance) -> str:
    """The key of the label that tells why."""
    if f.breaking:
        return "breaking"
    if f.security:
        return "security"
    if importance is not Importance.LOW and f.signal:
        return f.signal
    if not f.kinds:
        return "generated"
    if not f.kinds.get("source"):
        return f"only_{next(iter(f.kinds))}" if len(f.kinds) == 1 else "only_other"
    if f.lines >= _WIDE:
        return "wide"
    return f"type_{f.types[0]}"
