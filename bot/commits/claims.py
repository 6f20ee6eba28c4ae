"""Finds what a commit explicitly claims: a breaking change, a security fix, or a revert. Pure.

Each result is the words that say so, to be shown to readers, or empty. A phrase that only mentions it (a footer's name
in running text, an unticked box, `none`) does not count.
"""

import re
from collections.abc import Iterator, Sequence

from bot.commits.message import BREAKING_WORDS, Section, Title, answers, first_sentence, sections
from bot.values import ChangeType, one_line

_WORDS = 200
"""The most characters kept of a claim's words."""


def _clean(text: str) -> str:
    return one_line(re.sub(r"[*`_]{2,}|^[\s>*:：-]+", "", text), _WORDS)


# --- Breaking --------------------------------------------------------------------------------

# Conventional Commits 1.0.0, "BREAKING CHANGE" as a footer; people write it bold, as a heading, and in Chinese.
_FOOTER = re.compile(
    r"[^\w\n]{0,8}(?:BREAKING[ -]CHANGES?|Breaking[ -][Cc]hanges?|BREAKING|破坏性(?:变更|更新|改动|修改)"
    r"|不兼容(?:变更|更新|改动|修改)?)"
    r"(?P<scope> ?\([^()]{1,60}\))?[*_]{0,3}\s?(?::|：| -{1,2} | #)[*_]{0,3}\s{0,3}(?P<text>.{0,600})"
)
_BREAKING_HEADING = re.compile(
    r"breaking[ -]?(?:changes?|api changes?)?\b|backwards?[ -]incompatib|incompatible changes|不兼容|破坏性",
    re.IGNORECASE,
)
_ALONE = re.compile(r"\s{0,3}[*_#]{0,4}\s?BREAKING[ -]CHANGES?[*_]{0,3}\s{0,3}$")
_BREAKING_TAG = re.compile(
    r"(?:api[ -]?)?breaking(?:[ -]?(?:changes?|api))?|bc[ -]?break(?:ing)?|break|incompatible|破坏性(?:变更|更新"
    r"|改动|修改)?|不兼容(?:变更|更新)?",
    re.IGNORECASE,
)
_BREAKING_TITLE = re.compile(
    r"(?:\(?breaking(?:[ -]changes?)?\)?\s?[:：!]|breaking change\b|backwards?[ -]incompatible\b|(?:破坏性"
    r"|不兼容)(?:变更|更新|改动|修改))",
    re.IGNORECASE,
)
_TICKED = re.compile(r"\s{0,8}(?:[-*+]|\d{1,3}[.)])\s{1,3}\[[xX✓✔]\]\s{0,3}(?P<text>.{0,300})")
_BOX = re.compile(r"\s{0,8}(?:[-*+]|\d{1,3}[.)])\s{1,3}\[[ xX✓✔]?\]")
_NO = re.compile(
    r"[\s*_`>(-]{0,6}(?:n/?a|no(?:ne|pe|thing)?|not? (?:that|as far|expected|breaking|really|known|any|changes?"
    r"|applicable).{0,80}|false|nil|无|没有|否|不涉及|暂无|0)"
    r"[\s*_`.。!)]{0,6}$",
    re.IGNORECASE,
)
_LISTED = re.compile(r"[*-] (?P<title>[A-Za-z]{1,20}(?:\([^()]{1,60}\))?!: .{1,300})")


def breaking(title: Title, bodies: Sequence[str], inner: Sequence[Title] = ()) -> str:
    """The words with which a commit, or one that it merged, claims a breaking change.

    `bodies` are its own and those of what it merged, `inner` the titles of the latter.
    """
    if said := _title_breaks(title):
        return said
    if said := next(filter(None, (said for body in bodies for said in _body_breaks(sections(body)))), ""):
        return said
    return next((said for each in inner if (said := _title_breaks(each))), "")


_SAID_SO = re.compile(
    r"(?:^|[.!] )(?:note:? )?(?:this|it|which) (?:is|introduces|contains"
    r"|makes) (?:also )?an? (?:\w{1,15} )?breaking (?:api )?change\b"
    r"|^\s{0,3}\|?\s{0,3}bc breaks?\?\s{1,12}\|\s{0,3}yes\b",
    re.IGNORECASE,
)


_MARKED = re.compile(
    r"[\[(（](?:api )?(?:breaking(?: changes?)?|(?:破坏性|不兼容)(?:变更|更新|改动|修改))[\])）]$", re.IGNORECASE
)


def _title_breaks(title: Title) -> str:
    tagged = title.word in BREAKING_WORDS or any(_BREAKING_TAG.fullmatch(tag) for tag in (*title.tags, title.scope))
    marked = bool(_MARKED.search(title.text))
    return _clean(title.summary) if title.bang or tagged or marked or _BREAKING_TITLE.match(title.text) else ""


def _body_breaks(parts: Sequence[Section]) -> Iterator[str]:
    for part in parts:
        if _BREAKING_HEADING.match(part.heading):
            yield from _answered(part)
        for at, line in enumerate(part.lines):
            if (footer := _FOOTER.match(line)) and not _NO.match(footer["text"]):
                yield _clean(footer["text"]) or _following(part.lines[at + 1 :])
            elif _SAID_SO.search(line):
                yield _clean(line)
            elif _ALONE.match(line):
                yield _following(part.lines[at + 1 :])
            elif (ticked := _TICKED.match(line)) and re.match(r"[*_`💥\s]{0,6}breaking", ticked["text"], re.IGNORECASE):
                yield _clean(ticked["text"])
            elif listed := _LISTED.match(line):  # a squashed branch lists its commits
                yield _clean(listed["title"].partition("!: ")[2])


def _answered(part: Section) -> Iterator[str]:
    """What is below a heading that asks for breaking changes, if that is more than a form."""
    ticked = [found["text"] for line in part.lines if (found := _TICKED.match(line))]
    if any(_BOX.match(line) for line in part.lines):
        said = [text for text in ticked if not _NO.match(text)]
        yield from (_following(_without_boxes(part.lines)) or _clean(text) for text in said[:1])
    else:
        yield _following(part.lines)


def _without_boxes(lines: Sequence[str]) -> list[str]:
    return [line for line in lines if not _BOX.match(line)]


def _following(lines: Sequence[str]) -> str:
    """The first sentence of lines; empty if they say that there is nothing."""
    written = [line for line in answers(lines) if line.strip()]
    if not written or _NO.match(written[0]):
        return ""
    paragraph = written[: next((n for n, line in enumerate(written) if n and re.match(r"\s{0,3}[-*+] ", line)), 6)]
    return _clean(first_sentence(one_line(" ".join(paragraph))))


# --- Security --------------------------------------------------------------------------------

_ADVISORY = re.compile(
    r"\b(?:CVE-\d{4}-\d{3,9}|GHSA(?:-[0-9a-z]{4}){3}|RUSTSEC-\d{4}-\d{1,6}|PYSEC-\d{4}-\d{1,6}|OSV-\d{4}-\d{1,6}"
    r"|GO-\d{4}-\d{1,6}"
    r"|CNVD-\d{4}-\d{1,7}|CNNVD-\d{4,8}-\d{1,6}|XSA-\d{1,5}|OSSA-\d{4}-\d{1,4})\b",
    re.IGNORECASE,
)
# Kinds of vulnerabilities, by the names of the Common Weakness Enumeration and what people call them.
_KINDS = re.compile(
    r"\b(?:(?:stored |reflected |dom )?xss|cross[ -]site[ -](?:scripting|request)|csrf|xsrf|ssrf"
    r"|server[ -]side request forgery|xxe"
    r"|(?:sql|command|code|shell|ldap|crlf|header|template|html|log|argument|os command|nosql|xpath|script"
    r"|prompt) injections?(?! order)"
    r"|(?:path|directory)[ -]traversal|zip[ -]?slip|tar[ -]?slip|remote code execution|rce|arbitrary (?:code|file"
    r"|command)s?"
    r"|open redirects?|(?:unsafe|insecure) deseriali[sz]ation|redos|catastrophic backtracking|denial[ -]of[ -]service"
    r"|dos attacks?"
    r"|privilege escalation|(?:auth(?:entication|orization|n|z)?|permission|access control|acl|sandbox|policy"
    r"|signature) bypass"
    r"|bypass(?:es|ed|ing)? (?:of )?(?:the )?(?:auth\w{0,12}|permission|access|signature|sandbox|acl)\w{0,4}"
    r"|timing attacks?|side[ -]channels?"
    r"|(?:(?:heap|stack|global)[ -])?buffer[ -](?:over|under)[ -]?(?:flow|read|run)s?|heap overflows?"
    r"|use[ -]after[ -]free"
    r"|double[ -]free|out[ -]of[ -]bounds (?:read|write|access)s?"
    r"|prototype pollution|session (?:fixation|hijack\w{0,4})|clickjacking|request smuggling|request splitting"
    r"|cache poisoning"
    r"|information (?:disclosure|leak)|man[ -]in[ -]the[ -]middle|mitm|insecure direct object|idor|toctou"
    r"|symlink (?:attack|race)s?"
    r"|vulnerabilit(?:y|ies)(?! (?:list|page|dashboard|report|scan|table|view|count|database|check|feed))"
    r"|(?:an?|the|this|possible|known) exploits?|exploit(?:able|ed|ation))\b"
    r"|(?:secrets?|passwords?|credentials?|api keys?|(?:access|auth|session|bearer|api|refresh|id) tokens?)\b.{0,40}"
    r"\bin(?:to)? (?:the )?(?:logs?|urls?(?! form)|errors?|output|messages?)\b"
    r"|(?:tokens?|cookies?)\b.{0,40}\bin(?:to)? (?:the )?(?:logs?|urls?)\b"
    r"|(?:tokens?|secrets?|passwords?|credentials?|api keys?|cookies?)\b.{0,40}\b(?:are|is|was|were|gets?|no longer"
    r"|not|never) (?:being )?(?:leak|expos|disclos|logged)\w{0,4}"
    r"|(?<!memory )(?:leak\w{0,4}|expos\w{0,4}|log(?:s|ged|ging)?) (?:of )?(?:\w{1,20} ){0,2}(?:tokens?(?! ?iz)"
    r"|secrets?|passwords?|credentials?|api keys?)\b"
    r"|漏洞(?!列表|页|管理|库|扫描|报告|详情|数据)|跨站(?:脚本|请求)|(?:sql|命令|代码|脚本|表达式|模板)\s?注入|(?:路径|目录)(?:穿越|遍历)|任意(?:文件|代码"
    r"|命令)|远程(?:代码|命令)执行|反序列化(?:漏洞|攻击|风险|安全)"
    r"|越权|提权|权限(?:绕过|提升)|绕过(?:认证|鉴权|权限|登录)|未授权(?:访问)?(?!页|跳转|提示)|(?:敏感|密码|密钥|令牌"
    r"|用户)信息泄[露漏]|(?:密码|密钥|令牌|凭[证据])(?:明文)?泄[露漏]|请求伪造|拒绝服务|开放重定向|缓冲区溢出",
    re.IGNORECASE,
)
_MENDS = re.compile(
    r"\b(?:fix|prevent|avoid|mitigat|patch|block|reject|sanitiz|sanitis|escap|harden|protect|guard|address|resolv"
    r"|clos|stop|disallow"
    r"|refus|validat|remov|redact|mask|hid|bump|upgrad|updat|against|plug|handle|correct|do not|don't|no longer"
    r"|never)"
    r"|修复|修正|防止|解决|避免|过滤|校验|禁止|加固|处理|升级|拦截|屏蔽|脱敏|防护|防范|存在",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    r"\b(?:typos?|readme|policy page|scanner|scan(?:ning)? (?:job|workflow)|tests? for|examples? (?:of|for|page|in)"
    r"|(?:in|of|the) (?:an? |the )?examples?|lesson|tutorial|wording)\b"
    r"|拼写|文案|(?:更新|补充|完善|添加|新增|修改|编写)\S{0,12}(?:文档|注释)|文档(?:中|里|说明|描述|错误)|注释(?:中|里)",
    re.IGNORECASE,
)
_WRITTEN = re.compile(r"\b(?:docs?|document(?:s|ed|ing|ation)?|comments?|the page)\b", re.IGNORECASE)
"""Texts about a vulnerability; what is vulnerable comes after the kind: `XSS in the docs search`."""
_SECURITY_WORD = re.compile(
    r"\[security\]|\bsecurity (?:fix|patch|issue|hole|bug|flaw|vulnerab|hardening|update|advisory|release|problem"
    r"|hot ?fix|improvement)"
    r"|(?:修复|解决)\S{0,10}安全(?:问题|隐患|缺陷|风险)|安全(?:修复|更新|加固|补丁|漏洞)",
    re.IGNORECASE,
)


_MENDS_ADVISORY = re.compile(
    r"\b(?:fix|mend|address|mitigat|resolv|patch|clos|for|security|prevent|against)\w{0,4}\b.{0,60}\b[a-z]{2,7}-\d"
    r"|^\s{0,3}(?:cve|ghsa)\b|(?:修复|解决|针对).{0,40}(?:cve|cnvd)",
    re.IGNORECASE,
)


def security(title: Title, bodies: Sequence[str], inner: Sequence[Title] = ()) -> str:
    """The words with which a commit claims to fix a vulnerability: an advisory, a known kind, or securing something.

    `bodies` and `inner` as for `breaking`.
    """
    text = one_line(title.text)
    if found := _ADVISORY.search(title.whole):
        return _clean(text) if text != title.whole or len(text) > len(found[0]) else found[0]
    if _fixes_hole(title):
        return _clean(text)
    if title.type not in (ChangeType.DOCS, ChangeType.TEST, ChangeType.BUILD):
        lines = (line for body in bodies for line in body[:_BODY].split("\n") if _MENDS_ADVISORY.search(line))
        if found := next(filter(None, map(_ADVISORY.search, lines)), None):
            return found[0]
    return next((_clean(each.text) for each in inner if _ADVISORY.search(each.whole) or _fixes_hole(each)), "")


_BODY = 20_000


def _fixes_hole(title: Title) -> bool:
    if _ABOUT.search(title.text) or title.type in (ChangeType.DOCS, ChangeType.TEST):
        return False
    if title.type is ChangeType.SECURITY or _CALLED.match(title.text):
        return True
    named, written = _KINDS.search(title.text), _WRITTEN.search(title.text)
    if written and (not named or written.start() < named.start()):
        return False
    return bool(
        _GUARD.search(title.text)
        or (named and (_MENDS.search(title.text) or title.word in _FIXES))
        or _SECURITY_WORD.search(title.whole)
    )


_GUARD = re.compile(
    r"\badd(?:s|ed)? (?:an? |the )?(?:csrf|xsrf|rate[ -]limit)\w{0,5} (?:tokens?|protection|checks?)", re.IGNORECASE
)
_CALLED = re.compile(r"security\s?[:：]|安全\s?[:：]", re.IGNORECASE)
"""A second header after the first: `fix: security: …`."""
_FIXES = frozenset({"fix", "bugfix", "hotfix", "security", "sec", "修复", "安全"})


def secures(text: str) -> bool:
    """Whether a sentence, on one line, claims to fix a known kind of vulnerability."""
    if _ABOUT.search(text):
        return False
    return bool(_CALLED.match(text) or (_KINDS.search(text) and _MENDS.search(text)))


def is_advisory(words: str) -> bool:
    """Whether words name an advisory by its number."""
    return bool(_ADVISORY.search(words))


# --- Reverts ---------------------------------------------------------------------------------

_REVERT_VERB = (
    r"(?:(?:partial(?:ly)? )?(?:revert(?:s|ed|ing)?|un-?do(?:es|ing)?|back(?:s|ed|ing)?[ -]?out|roll(?:s|ed"
    r"|ing)?[ -]?back|rollback)"
    r"\b[:：]?|回退|回滚|撤销|撤回|还原)"
)
HOW = (
    r"(?:temporar(?:y|ily)|manual(?:ly)?|full(?:y)?|complete(?:ly)?|quick(?:ly)?|automat(?:ed|ic(?:ally)?)|emergency"
    r"|partial(?:ly)?)\s|临时|暂时|手动|紧急|全部"
)
"""Words before the one that says what is reverted."""
_TITLE_REVERTS = re.compile(
    rf"\s{{0,3}}(?:{HOW})?{_REVERT_VERB}"
    rf"|.{{1,100}}?(?:[:：]\s?|\bby\s)(?:{HOW})?(?:revert(?:s|ing)?|back(?:s|ing)? out|roll(?:s|ing)?[ -]?back|回退"
    r"|回滚|撤销)"
    r"\s?(?=(?:of |the )?(?:pr |(?:pull|merge) request |commit |changeset )?(?:[#!\"“'`]|[0-9a-f]{7}))",
    re.IGNORECASE,
)
_NOT_A_REVERT = re.compile(
    r"undo(?:/| and )redo|(?:revert|undo|rollback|roll[ -]?back|回滚|撤销|还原)\S{0,4}\s(?:button|command|support"
    r"|function|feature|option"
    r"|stack|history|api|plan"
    r"|migration|transaction|handler|logic|action|flow|endpoint|mechanism|test|script|on (?:error|failure))|(?:回滚"
    r"|撤销|还原)(?:功能|按钮|接口|逻辑|机制|操作)",
    re.IGNORECASE,
)
_BODY_REVERTS = re.compile(
    r"[\s>*-]{0,4}(?:this (?:commit |pr |change )?)?(?:partially )?(?:reverts?|reverting|undo(?:es|ing)?"
    r"|back(?:s|ing)? out|roll(?:s|ing)? back)\b[:：]? ?"
    r"(?:the |commit |pull request |pr |changes? |merge |part of |#|!|[0-9a-f]{7,64}\b|[\"'`“]|https?://|\""
    r"|[\w.-]{1,60}/[\w.-]{1,60}[#@])"
    r"|[\s>*-]{0,4}(?:本次提交)?(?:回退|回滚|撤销)(?:了)?\s?(?:提交|合并|PR|#|!|[0-9a-f]{7})",
    re.IGNORECASE,
)


_AGAIN = re.compile(
    r"\b(?:re-?land|re-?appl(?:y|ies)|re-?submit|take (?:two|2|3)|(?:second|third|2nd|3rd) (?:try|attempt)"
    r"|attempt (?:#?[23]|two)"
    r"|roll(?:s|ing)?[ -]?forward|un-?revert)|^re-?instate|^bring back|重新(?:提交|合入|应用)",
    re.IGNORECASE,
)


_TWICE = re.compile(
    r"revert\w{0,3}:? [\"“']?\W{0,3}(?:revert|roll(?:ed|ing)?[ -]?back)|rollback of (?:a )?rollback", re.IGNORECASE
)


def reverts(title: Title, body: str, merged: Sequence[Title] = (), *, own: bool = True) -> str:
    """The words with which a commit says that it reverts something; the revert of a revert does not count.

    `own` says that the title is the commit's own, not a merged one's: of several all must be reverts.
    """
    if _AGAIN.search(title.whole) or _TWICE.search(title.summary):
        return ""
    if (own and title_reverts(title)) or (merged and all(title_reverts(each) for each in merged)):
        return _clean(title.whole)
    # A squashed branch lists its own commits: what one of them reverted may be on the same branch.
    plain, _, _ = body[:_BODY].partition("\n* ")
    line = next((line for line in plain.split("\n") if _BODY_REVERTS.match(line) and not line.startswith(">")), "")
    return _clean(first_sentence(line))


def title_reverts(title: Title) -> bool:
    """Whether a title calls its commit a revert; the revert of a revert brings something back."""
    return names_reverted(title) and not _TWICE.search(title.summary)


def what_reverted(title: Title) -> str:
    """The part of a title after the word for reverting; all of it without such a word."""
    found = _TITLE_REVERTS.match(title.summary)
    return title.summary[found.end() if found else 0 :].strip()


def names_reverted(title: Title) -> bool:
    """Whether a title says that something is reverted, if only a revert."""
    names = {title.word, *(tag.lower() for tag in title.tags)}
    if title.type is ChangeType.REVERT or names & {"reverted", "rollback"}:
        return True
    if title.type in (ChangeType.FEATURE, ChangeType.DOCS, ChangeType.TEST):
        return False
    return bool(_TITLE_REVERTS.match(title.summary)) and not _NOT_A_REVERT.match(title.summary)
