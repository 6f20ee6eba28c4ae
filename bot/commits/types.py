"""Finds the types of a commit, by its header, its words and its files. Pure."""

import re
from collections.abc import Collection, Mapping

from bot.commits.message import Title
from bot.values import ChangeType

# The first that matches names the type of a title without a header; English at word starts, Chinese anywhere.
_WORDS = (
    (
        ChangeType.DEPENDENCIES,
        r"^(?:bump|upgrade|update|升级|更新)\b(?!(?: \w+){0,2} versions?\b(?! of))"
        r".*(?:\b(?:to|from) \S{0,30}\d|\bdependenc|\bversion|(?:=>|->|→)\s?v?\d)|\bdependenc"
        r"|\bdeps\b"
        r"|升级依赖|更新依赖|依赖升级|依赖版本|^(?:将|把).{1,60}(?:升级|更新)(?:到|至|为)|^(?:升级"
        r"|更新)\s?[A-Za-z@][\w./@-]{1,60}(?: 版本)?\s?(?:到|至|为|v?\d)",
    ),
    (ChangeType.SECURITY, r"\bcve-\d|\bvulnerab|\bexploit|安全漏洞|安全修复|注入漏洞"),
    (ChangeType.DOCS, r"\bdocs?\b|\bdocumentation\b|\breadme\b|\bchangelog\b|文档|说明|注释|文案"),
    (ChangeType.TEST, r"\btests?\b|\be2e\b|测试"),
    (
        ChangeType.BUILD,
        r"\bci\b|\bgithub actions?\b|\bworkflow|\bdockerfile|\bbuild\b|^(?:\w+ )?release\b"
        r"|\brelease (?:v?\d|process|workflow|script|pipeline|notes?\b)|构建|流水线|发布",
    ),
    (
        ChangeType.PERFORMANCE,
        # Optimising, 优化, may be about anything: only with a word for speed is it about speed.
        r"\bperf\b|\bperformance\b(?! reviews?)|\bperformant|\bfaster\b|\bspeed(?:s|ing)?[ -]?up\b"
        r"|\b(?:reduc|improv|lower|cut|increas|boost|optimi[sz])\w{0,4}\b.{0,40}"
        r"\b(?:latency|throughput|speed|memory|allocations?|quer(?:y|ies)|time|hot path|loops?)\b"
        r"|性能|提速|加速|提升.{0,10}(?:速度|效率|吞吐)|优化.{0,20}(?:速度|效率|耗时|延迟|吞吐|并发|内存占用|慢查询"
        r"|卡顿)"
        r"|(?:速度|效率|耗时|延迟|吞吐|慢查询|卡顿).{0,10}优化|减少.{0,10}(?:耗时|延迟|内存占用|查询次数)",
    ),
    (ChangeType.FIX, r"\bfix|\bbugs?\b|\bcorrect|\bprevent|\bavoid|\bhandle|\bcrash|修复|解决|修正|纠正"),
    (ChangeType.REFACTOR, r"\brefactor|\bclean ?up|\bsimplif|\brenam|\bmove\b|\bextract|\bdedup|重构|整理|清理|重命名"),
    (
        ChangeType.FEATURE,
        r"^(?!(?:remove|drop|delete|stop|no longer|disallow|don't|do not)).*"
        r"(?:\badd(?:s|ed|ing)?\b|\bsupport|\bimplement(?:s|ed|ing)?\b|\bintroduc|\ballow|\benable)|新增|添加|支持"
        r"|实现|引入|增加",
    ),
)
_CODE = re.compile(r"`[^`]{1,200}`")
_WORD_TYPES = tuple((type_, re.compile(words, re.IGNORECASE)) for type_, words in _WORDS)
_BY_FILES = {"docs": ChangeType.DOCS, "test": ChangeType.TEST, "ci": ChangeType.BUILD}
# For these types the files must agree with the title, if they are known.
_SEEN = {ChangeType.TEST: {"test", "ci"}, ChangeType.DOCS: {"docs", "example", "source", "config", "other"}}


def types(
    title: Title,
    merged: Collection[ChangeType],
    kinds: Mapping[str, int],
    *,
    generated: bool,
    revert: bool,
    takes_back: bool,
    secures: bool,
    bumps: bool,
) -> tuple[ChangeType, ...]:
    """One or two types of a commit.

    `merged` are the types that the commits of a merge call themselves; `kinds` counts files by what they are, and
    `generated` says that a program wrote all of them. The title is a revert (`revert`), or the message is
    (`takes_back`).
    """
    if revert:
        return (ChangeType.REVERT,)
    said = _CODE.sub(" ", title.text)
    words = [t for t, pattern in _WORD_TYPES if pattern.search(said) and _seen(t, kinds)]
    first = title.type
    if (bumps or title.scope.lower() in _DEPENDENCIES) and first in _VAGUE:
        first = ChangeType.DEPENDENCIES
    if first is None or first is ChangeType.OTHER:
        vague = ChangeType.REVERT if takes_back else ChangeType.OTHER
        first = _by_files(kinds, generated) or _merged(merged) or (words[0] if words else vague)
    if secures and first is ChangeType.OTHER:
        first = ChangeType.SECURITY
    second = ChangeType.SECURITY if secures else ChangeType.PERFORMANCE if ChangeType.PERFORMANCE in words else None
    return (first, second) if second and second is not first else (first,)


_VAGUE = (None, ChangeType.OTHER, ChangeType.BUILD, ChangeType.FIX)
_DEPENDENCIES = frozenset({"deps", "deps-dev", "dependencies", "dependency", "依赖"})


def _seen(type_: ChangeType, kinds: Mapping[str, int]) -> bool:
    return not kinds or type_ not in _SEEN or not _SEEN[type_].isdisjoint(kinds)


def _by_files(kinds: Mapping[str, int], generated: bool) -> ChangeType | None:
    """The type by the files alone, if all are of one kind."""
    if generated:
        return ChangeType.DEPENDENCIES
    return _BY_FILES.get(next(iter(kinds))) if len(kinds) == 1 else None


_ORDER = (
    ChangeType.FEATURE,
    ChangeType.FIX,
    ChangeType.PERFORMANCE,
    ChangeType.SECURITY,
    ChangeType.ARCHITECTURE,
    ChangeType.REFACTOR,
    ChangeType.DEPENDENCIES,
    ChangeType.BUILD,
    ChangeType.DOCS,
    ChangeType.TEST,
)


def _merged(merged: Collection[ChangeType]) -> ChangeType | None:
    """The most significant of the types of merged commits."""
    return next((type_ for type_ in _ORDER if type_ in merged), None)
