"""Maintainers' own words on a change: how much it asks of users, and what they must do. Pure, data in tables.

Names of kinds and headings are those of towncrier ("Tutorial": feature, bugfix, doc, removal, misc) and of its users
(pytest, pip, pylint, NumPy, Matplotlib), reno (docs.openstack.org/reno, "Editing a Release Note"; what belongs into
`upgrade`: Nova, "Release Notes"), Changesets ("Adding a changeset"), knope ("Change files"), beachball ("Change
types"), Rush ("Change files"), Keep a Changelog 1.1.0 and with it scriv ("Configuration") and Changie ("kinds"),
Ansible ("Changelog fragments"), GitLab ("Changelog entries"), OpenTelemetry's chloggen (its TEMPLATE.yaml) and
HashiCorp's go-changelog (README). Labels are those of Kubernetes (kubernetes.dev, "Adding Release Notes"), GitHub
("Automatically generated release notes"), Release Drafter (`version-resolver`) and Bevy, and those that public
repositories have in their `.github/release.yml`.

All texts are untrusted: repetitions in patterns are bounded or unambiguous, and texts are cut before they are read.
"""

import re
from collections.abc import Sequence

from bot.commits.claims import secures
from bot.values import NoteLevel, one_line

_LONGEST = 120
"""The most characters of a name, a heading or a label."""
_READ = 4_000
"""Characters of an entry that are read."""

# --- Names -----------------------------------------------------------------------------------


def _table(words: dict[NoteLevel, str]) -> dict[str, NoteLevel]:
    """A level for each name; names are separated by commas, or by line ends."""
    return {name.strip(): level for level, names in words.items() for name in re.split(r"[,\n]", names) if name.strip()}


_NAMES = _table(
    {
        NoteLevel.BREAKING: """
            breaking, breaking change, breaking changes, breakings, break, incompatible, incompatible change
            incompatible changes, backward incompatible, backwards incompatible, compatibility, major, major changes
            premajor, removal, removals, removed, remove, removed features, removed check, expired, upgrade
            upgrade note, upgrade notes, upgrading, migration, migrations, migration guide, action required
            user action, api change, api changes, behavior, behaviour, behavior changes
            破坏性变更, 破坏性更新, 不兼容, 不兼容变更, 不兼容更新, 移除, 删除, 升级, 升级说明, 迁移
        """,
        NoteLevel.SECURITY: "security, security fix, security fixes, vulnerability, 安全, 安全修复, 安全更新, 漏洞",
        NoteLevel.DEPRECATION: """
            deprecation, deprecations, deprecated, deprecate, deprecated features, future, 弃用, 废弃, 过时
        """,
        NoteLevel.FEATURE: """
            feature, features, feat, added, add, additions, minor, minor changes, preminor, new, new feature
            new features, new function, new functions, new component, new resource, new data source, new check
            enhancement, enhancements, improvement, improvements, improved, highlight, highlights, extension, prelude
            新增, 添加, 增加, 新特性, 新功能, 特性, 功能, 增强, 改进
        """,
        NoteLevel.FIX: """
            bug, bugs, bugfix, bugfixes, bug fix, bug fixes, fix, fixes, fixed, patch, prepatch, patch changes
            critical, regression, regressions, false positive, false negative, 修复, 修正, 缺陷, bug修复, 问题修复
        """,
        NoteLevel.INTERNAL: """
            doc, docs, documentation, misc, miscellaneous, trivial, contrib, contributor, packaging, vendor, process
            internal, internals, chore, chores, ci, build, test, tests, testing, none, no changelog, development
            dependency, dependencies, deps, refactor, refactoring, maintenance, housekeeping
            文档, 测试, 构建, 依赖, 依赖升级, 内部, 重构, 杂项
        """,
    }
)
"""Kinds of fragments, sections of their files, bumps of a version, and headings. reno's `critical` is a repair; what
its `issues` and `other` hold, and what is `changed`, its own words tell."""


def plain(text: str) -> str:
    """Only words: lower-case, one space between them, without emoji, punctuation and underscores."""
    return re.sub(r"[\W_]+", " ", text[:_LONGEST].lower()).strip()


def named(name: str) -> NoteLevel | None:
    """The level of a kind, a section or a version bump, by its name; None if it says nothing."""
    return _NAMES.get(plain(name)) if len(name) <= _LONGEST else None


# In this order: documentation that was improved is documentation, a removal among deprecations may break.
_HEADINGS = tuple(
    (level, re.compile(pattern))
    for level, pattern in (
        (
            NoteLevel.BREAKING,
            r"(?<!non )(?<!no )(?<!not )\bbreaking\b|incompatib|\bmigrat(?:ions?|ing)\b|\bupgrad(?:e|es|ing)\b"
            r"|\bremov(?:ed|als?)\b|\baction required\b|破坏性|不兼容|移除|重大变更|升级(?:说明|指南|须知|注意)|迁移",
        ),
        (NoteLevel.SECURITY, r"\bsecurity\b|\bvulnerab|\bcves?\b|安全|漏洞"),
        (NoteLevel.DEPRECATION, r"\bdeprecat|弃用|废弃|过时"),
        (
            NoteLevel.INTERNAL,
            r"\binternals?\b|\bdocs?\b|\bdocument|\bmisc|\btrivial|\bcontribut(?:or|ing)|\bchores?\b|\bci\b|\bbuilds?\b"
            r"|\btest(?:s|ing)?\b|\bpackaging\b|\bdependenc|\brefactor|\bhousekeeping\b|\bmaintenance\b"
            r"|\bunder the hood\b|\bdevelopment\b|文档|测试|构建|依赖|内部|重构|杂项",
        ),
        (
            NoteLevel.FEATURE,
            r"\bfeatures?\b|\benhance|\badded\b|\badditions?\b|\bhighlights?\b|\bimprove|新增|新特性|新功能|增强|改进",
        ),
        (NoteLevel.FIX, r"\bfix(?:es|ed)?\b|\bbugs?\b|修复|修正|缺陷"),
    )
)


def headed(heading: str) -> NoteLevel | None:
    """What a heading says about the entries below it; None for a version, a product's part, and the like."""
    words = plain(heading) if len(heading) <= _LONGEST else ""
    return _NAMES.get(words) or next((level for level, pattern in _HEADINGS if pattern.search(words)), None)


# --- Entries ---------------------------------------------------------------------------------

_BEGINS_BREAKING = re.compile(r"\W{0,6}(?:breaking\b(?! news)|backwards?[ -]incompatib)", re.IGNORECASE)
_BREAKS = re.compile(
    r"\bBREAKING\b|💥|(?i:\b(?:this|it|which) (?:is|introduces|contains) an? (?:\w{1,20} )?breaking change)"
    r"|破坏性(?:变更|更新|改动|修改)|不兼容(?:变更|更新|改动|修改|升级)"
)
_TRIED = re.compile(
    r"\bexperimental|\bunstable\b|\bnightly\b|non[- ]breaking|not (?:a )?breaking|实验性", re.IGNORECASE
)
"""Experimental features may break: such breaks do not concern everybody."""
_DEPRECATES = re.compile(
    r"(?<!.)[*_\s]{0,4}deprecat(?:e|es|ing|ed(?= (?:[`*]|the\b|an?\b|support|use of)))\b(?!:)"
    r"|\bnow deprecated\b|\bwill be removed in\b"
    r"|\bdeprecated in favou?r of\b|标记(?:为)?(?:废弃|弃用|过时)",
    re.IGNORECASE,
)
_DEPRECATED = re.compile(
    r"\b(?:is|are|been|be|and) deprecated\b|\bdeprecates\b|(?<!已)(?:弃用|废弃)(?!的)", re.IGNORECASE
)
_SECURES = re.compile(
    r"\bCVE-\d{4}-\d|\bGHSA-\w{4}-|\bvulnerabilit(?:y|ies)\b|\bsecurity (?:issue|bug|flaw|hole|problem)|漏洞",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"\bremov|\bno longer\b|\bdrop|\brenam|\bmust\b|\bneed|\brequir|\breject|\benforce|\brestrict|\bdefaults?\b"
    r"|\bunset\b|\bensure\b|\bshould (?:migrate|verify|update|set)\b|移除|删除|必须|需要|不再|默认",
    re.IGNORECASE,
)
"""Words of a note on upgrades that asks something of users: many only announce what will happen."""
_ENDS = re.compile(
    r"\bsupport for .{1,60}? (?:has been|have been|is|was) (?:now )?(?:dropped|removed)\b"
    r"|\b(?:is|are) no longer supported\b",
    re.IGNORECASE,
)
_REMOVALS = re.compile(r"remov|deprecat|移除|弃用", re.IGNORECASE)
"""towncrier's `removal` is a deprecation or a removal."""
_REMOVES = re.compile(r"\bremov|\bno longer\b|\bdrop|移除|删除", re.IGNORECASE)

# The beginning of an entry says more than what it mentions.
_BEGINS = tuple(
    (level, re.compile(rf"\W{{0,6}}(?:{pattern})", re.IGNORECASE))
    for level, pattern in (
        (
            NoteLevel.INTERNAL,
            r"refactor|tests?\b|docs?\b|document(?:ation|ed|s)?\b|ci\b|typo|bump|internal|remov\w{0,3} (?:\w{1,20} )?"
            r"(?:unused|unnecessary|redundant|duplicate)|(?:upgrad|updat)\w{0,3} .{1,60} (?:to|from) v?\d"
            r"|(?:add|fix|updat|improv|expand|correct)\w{0,3} (?:\w{1,20} ){0,3}"
            r"(?:tests?|typos?|docs|documentation|readme)\b"
            r"|重构|单元测试|文档|升级.{1,60}(?:到|至)\s?v?\d|(?:移除|删除)(?:重复|无用|多余|未使用|冗余)"
            r"|(?:更新|升级|增加|补充)\S{0,30}(?:文档|测试用例|单元测试|单测|依赖|README)",
        ),
        (
            NoteLevel.BREAKING,
            r"(?:remov(?:e|es|ed|al)\b|drop(?:s|ped)?\b(?!-)|renam(?:e|es|ed)\b)(?!.{0,40}\b(?:leaks?|races?|warnings?"
            r"|flicker|stale|deadlocks?|crash(?:es)?|frames|privileges|dialog|tests?|testing|duplicates?|unused)\b)"
            r"|(?:移除|删除)(?!.{0,16}(?:泄[漏露]|警告|报错|错误|问题|异常|按钮|弹窗|闪烁))|不再支持",
        ),
        (
            NoteLevel.FIX,
            r"(?:bug ?)?fix|correct|resolv|avoid|prevent|handl|repair|ensur|revert|restor|don't|do not"
            r"|修复|修正|解决|避免",
        ),
        (
            NoteLevel.FEATURE,
            r"add|new\b|support|introduc|implement|allow|enabl|expos|provid|improv|optimi[sz]|enhanc|extend|speed"
            r"|use\b|show|display|print|warn|issue\b|give\b"
            r"|新增|增加|添加|支持|引入|提供|允许|优化|增强|改进",
        ),
    )
)
_SAYS = tuple(
    (level, re.compile(pattern, re.IGNORECASE))
    for level, pattern in (
        (
            NoteLevel.BREAKING,
            r"\bno longer supports?\b|\bdrop(?:s|ped)? support\b|\b(?:has|have) been (?:removed|renamed)\b"
            r"|\b(?:is|are|was|were) (?:now )?(?:removed|renamed)\b|\bminimum (?:supported )?(?:\w{1,20} )?version"
            r"|\bnow requires?\b"
            r"|移除(?!.{0,16}(?:泄[漏露]|警告|报错|错误|问题|异常|按钮|弹窗|闪烁))|不再支持|改名为|重命名为",
        ),
        (
            NoteLevel.FIX,
            r"\bfix(?:es|ed)?\b|\bregression\b|\bno longer\b|\bcorrectly\b|\bproperly\b|\bbugs?\b|\bcrash"
            r"|\binstead of\b|修复|解决|修正|问题|错误|异常",
        ),
        (
            NoteLevel.FEATURE,
            r"\bnow\b|\bsupports?\b|\baccepts?\b|\bnew\b|\badd(?:s|ed)\b|\bcan be\b|\boption|\bfaster\b"
            r"|新增|增加|添加|支持|优化|兼容|允许",
        ),
    )
)
_FIRST = 300
"""Characters at the beginning of an entry that say what it is."""


def level_of(text: str, level: NoteLevel | None, heading: str = "") -> NoteLevel | None:
    """The level of an entry, by its heading or file name and by its own words, which may say more.

    Without a heading, an entry is what it says itself; None if it does not say. Arguments: the entry on one line, and
    what its heading says; the heading itself, since a note on upgrades may ask nothing of anybody.
    """
    text = text[:_READ]
    if plain(heading).startswith("upgrad") and (_NOTHING.search(text) or not _ASKS.search(text)):
        level = NoteLevel.FEATURE
    if _BEGINS_BREAKING.match(text) or (level is not NoteLevel.INTERNAL and _BREAKS.search(text)):
        return NoteLevel.BREAKING if not _TRIED.search(text[:_FIRST]) else level or NoteLevel.FEATURE
    if level in (NoteLevel.INTERNAL, NoteLevel.SECURITY, NoteLevel.DEPRECATION):
        return level
    if level is NoteLevel.BREAKING:
        both = bool(_REMOVALS.search(heading)) and not _REMOVES.search(text[:_FIRST])
        only = both and _deprecates(text, NoteLevel.FEATURE)
        return NoteLevel.DEPRECATION if only else level
    if _SECURES.search(text) or secures(text[:_FIRST]):
        return NoteLevel.SECURITY
    if _ENDS.search(text[:_FIRST]) and not _TRIED.search(text[:_FIRST]):
        return NoteLevel.BREAKING
    return NoteLevel.DEPRECATION if _deprecates(text, level) else level or _own(text[:_FIRST])


def is_said(text: str) -> bool:
    """Whether an entry itself says in so many words that it breaks something. Argument: the entry on one line."""
    text = text[:_READ]
    return bool(_BEGINS_BREAKING.match(text) or _BREAKS.search(text) or _ENDS.search(text[:_FIRST]))


def _deprecates(text: str, level: NoteLevel | None) -> bool:
    """Whether an entry deprecates something: a fix may only mention what is deprecated."""
    return bool(_DEPRECATES.search(text)) or (level is not NoteLevel.FIX and bool(_DEPRECATED.search(text)))


_SCOPE = re.compile(r"[\w.`/()-]{1,40}[:：]\s{1,3}|【[^【】]{1,40}】\s{0,9}")


def _own(text: str) -> NoteLevel | None:
    """The level that an entry's own words give, after the name of a part if it begins with one."""
    found = _SCOPE.match(text)
    said = (text[found.end() :], text) if found else (text,)
    return next((level for table in (_BEGINS, _SAYS) for each in said if (level := _first(table, each))), None)


def _first(table: Sequence[tuple[NoteLevel, re.Pattern[str]]], text: str) -> NoteLevel | None:
    """The first level of a table whose words a text has; the patterns of `_BEGINS` are for its beginning."""
    return next(
        (level for level, pattern in table if (pattern.match if table is _BEGINS else pattern.search)(text)), None
    )


# --- What users must do ----------------------------------------------------------------------

_SENTENCES = re.compile(
    r"(?<![.(\s]e\.g\.)(?<![.(\s]i\.e\.)(?<!\betc\.)(?<!\bvs\.)(?<=[.!?])\s+(?=[\"'`(*\[]{0,3}[A-Z\u3400-\u9fff`])"
    r"|(?<=[.!?]\))\s+(?=[\"'`(*\[]{0,3}[A-Z`])|(?<=[。！？；])"
)
ACTION = 400
"""The most characters of a sentence that says what to do: a longer one says too much else."""
_NOTHING = re.compile(
    r"\bno (?:\w{1,12} ){0,2}(?:actions?|changes?|migrations?|updates?)\b|\bwithout (?:any )?(?:changes?|action)"
    r"|\b(?:don't|do not|doesn't|does not|no longer|not) (?:need|have|required|necessary)\b|\bnothing to do\b"
    r"|无需|不需要|不必|不用",
    re.IGNORECASE,
)
_WHO = (
    r"(?:you|users?|operators?|deployers?|authors?|developers?|admin(?:istrator)?s?|maintainers?|consumers?|callers?"
    r"|clients?|projects?|deployments?|installations?|plugins?|adapters?|integrations?|applications?|code|anyone|those"
    r"|anybody|everyone)"
)
_DO = (
    r"replace|rename|set|run|use|update|upgrade|switch|migrate|convert|call|pass|import|regenerate|rebuild|reinstall"
    r"|install|specify|change|remove|move|adjust|review|recreate|add"
)
# Demands are stronger than advice, and both stronger than only naming the new way.
_ACTIONS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b{_WHO}\b[^.。]{{0,80}}\b(?:must|needs? to|have to|has to|will (?:now )?need to|(?:is|are) required to)\b"
        rf"|\b(?:must|needs? to|have to|has to|should) (?:now |instead |also )?(?:be )?(?:{_DO})(?:d|ed)?\b"
        rf"|\bmust (?:now |instead |also )?be\b"
        rf"|\bmake sure\b|\baction required\b|\bplease (?!see|refer|note|read)\w"
        r"|必须|务必|请(?!求|假)|需要(?:手动|将|把|修改|替换|升级|重新|先|在)|(?:用户|您|你|升级|迁移)[^。；]{0,20}需",
        rf"\b{_WHO}\b[^.。]{{0,80}}\b(?:should (?:now |also |instead |not )?(?:{_DO}|verify|check|ensure|make"
        r"|avoid|be)\b(?! data\b)|(?:is|are) (?:encouraged|advised|expected) to\b)",
        rf"(?:^|(?:^to|\b(?:if|when|otherwise|instead|then))\b[^.。]{{1,160}}[,，] (?:you can )?)(?:{_DO})\b(?![,，])"
        r"|(?:^|[,;:，；] ?|\bplease )use\b[^.。]{1,100}\binstead\b(?! of)"
        r"|\breplace\b[^.。]{1,100}\bwith\b|改用|替换为|改为使用|应改为",
    )
)
_NEW_WAY = re.compile(
    r"\binstead of\b|\binstead\b|\b(?:replaced|superseded) (?:by|with)\b|\b(?:renamed|moved)\b[^.。]{0,80}\bto\b"
    r"|\bin favou?r of\b|改名为|重命名为|迁移到",
    re.IGNORECASE,
)


def sentences(text: str) -> list[str]:
    """The sentences of a text on one line; abbreviations do not end one."""
    return [found.strip() for found in _SENTENCES.split(text) if found.strip()]


def action(text: str, level: NoteLevel) -> str:
    """The sentence that says what users must do, or, if something breaks or ends, what replaces it; else nothing.

    The first sentence of an entry says what was done, even if it is imperative (`Remove the old name`); that of a fix
    describes the fault.
    """
    said = [one_line(sentence) for sentence in sentences(text[:_READ])]
    first = int(level is NoteLevel.FIX)
    short = [(n, each) for n, each in enumerate(said) if n >= first and len(each) <= ACTION]
    orders = [(n, each) for n, each in short if not _NOTHING.search(each)]
    for pattern in _ACTIONS:
        for n, each in orders:
            found = pattern.search(each)
            if found and (n or found.start() or not re.match(rf"(?:{_DO})\b", each, re.IGNORECASE)):
                return each
    telling = level in (NoteLevel.BREAKING, NoteLevel.DEPRECATION)
    return next((each for _, each in orders if telling and _NEW_WAY.search(each)), "")


# --- Labels ----------------------------------------------------------------------------------

_LABELS = _table(
    {
        NoteLevel.BREAKING: """
            breaking, breaking change, breaking changes, api breaking, api break, bc break, backward incompatible
            backwards incompatible, incompatible, incompatible change, semver major, semver breaking, version major
            bump major, major, api change, release note action required, release note breaking, action required
            needs migration guide, migration guide, needs upgrade note, upgrade note
            破坏性变更, 破坏性更新, 不兼容, 不兼容变更, 重大变更
        """,
        NoteLevel.SECURITY: "security, security fix, vulnerability, cve, 安全, 安全漏洞, 漏洞, 漏洞修复",
        NoteLevel.DEPRECATION: "deprecation, deprecations, deprecated, deprecates, 弃用, 废弃",
        NoteLevel.FEATURE: """
            feature, features, feat, new feature, enhancement, enhancements, improvement, semver minor, semver feature
            version minor, bump minor, minor, release note, release notes, release highlight, needs release note
            highlight, 新功能, 新特性, 特性, 功能, 功能增强, 增强
        """,
        NoteLevel.FIX: """
            bug, bugfix, bug fix, fix, fixes, regression, semver patch, semver fix, version patch, bump patch, patch
            缺陷, 修复, 问题修复
        """,
        NoteLevel.INTERNAL: """
            release note none, skip changelog, no changelog, changelog none, changelog skip, ignore for release
            skip release notes, no release notes, no release note, exclude from changelog, semver none, internal, chore
            no news, skip news, documentation, docs, doc, ci, tests, test, testing, dependencies, dependency
            refactor, refactoring, cleanup, maintenance, housekeeping, build, 文档, 测试, 重构, 依赖, 杂项, 内部
        """,
    }
)
"""Labels of pull requests, without their prefixes."""
_FRONT = re.compile(
    r"(?:kind|type|pr|t|c|m|pr type|change|change type|impact|category|changelog|release|status|kind of change) "
)
"""Prefixes of labels: `kind/feature`, `type: bug`, `C-Breaking-Change`. A part of the product (`area/security`) is not
one.
"""
_ANNOUNCED = frozenset({"release note", "release notes", "needs release note"})
"""These say that users are informed, and nothing about what."""
_BUMPED = frozenset(
    f"{front}{bump}" for front in ("", "semver ", "version ", "bump ") for bump in ("major", "minor", "patch")
)
_OF_OTHERS = frozenset({"dependencies", "dependency", "deps", "renovate", "依赖"})


def labelled(labels: list[str]) -> list[tuple[NoteLevel, str]]:
    """The labels that say what a change is, each with what it says, in order.

    If a label says that dependencies change, `major` is their version, as bots write it. The existence of a release
    note counts as something new only if no other label says what it is. Argument: the labels.
    """
    words = [_without_front(plain(label)) if len(label) <= _LONGEST else "" for label in labels]
    silent = _BUMPED if not _OF_OTHERS.isdisjoint(words) else frozenset()
    found = [(word, label) for word, label in zip(words, labels, strict=True) if word in _LABELS and word not in silent]
    telling = [(word, label) for word, label in found if word not in _ANNOUNCED]
    return [(_LABELS[word], label) for word, label in telling or found]


def _without_front(word: str) -> str:
    """The words of a label in the form of the table."""
    if word in _LABELS:
        return word
    found = _FRONT.match(word)
    return word[found.end() :] if found else word
