"""Parses questions about commits that rules can answer: "is it released?", "这个提交回滚了吗". Pure.

A question is recognised as a whole or not at all: anything that only resembles one is left to the model. It is
simplified first: commits, paths and releases in it become placeholders, and polite phrases are dropped.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from bot.commits.files import FileKind
from bot.commits.hosts import Hosts
from bot.conversation import grammar
from bot.conversation.grammar import CommitName
from bot.languages import LANGUAGES


class Ask(StrEnum):
    """What is asked about a commit, or with `knows` also about a path. `why` and `what` ask for the full analysis."""

    RELEASED = "released"
    REVERTED = "reverted"
    WHO = "who"
    KNOWS = "knows"
    FILES = "files"
    TOUCHES = "touches"
    SINCE = "since"
    WHY = "why"
    WHAT = "what"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about the commits that it names, else about the topic (`it`, `this code`); `repo` may be empty.

    `path` is the path that it is about, or a part of one; `kind` is a kind of files, `release` a release's name.
    """

    ask: Ask
    named: tuple[CommitName, ...] = ()
    repo: str = ""
    path: str = ""
    kind: FileKind | None = None
    release: str = ""


_MOST = 5
"""The most commits in one question."""
_LONGEST = 300
"""The most characters of a question that rules answer."""
_CHINESE = re.compile(r"[\u3400-\u9fff]")

# --- What stands for what ----------------------------------------------------------------------

_COMMIT, _PATH, _RELEASE = "\ue001", "\ue002", "\ue003"
"""Placeholders that nobody types, from the private use area."""
_SIGNS = re.compile("[\ue000-\ue00f]")
_BESIDE = re.compile(r"(?<=[\u3400-\u9fff])(?=[#!/`.0-9A-Za-z])|(?<=[0-9A-Za-z/`])(?=[\u3400-\u9fff])")
_PARTS = re.compile(r"[\u3400-\u9fff、，。？！；：]+|[^\u3400-\u9fff、，。？！；：\s]+")
_SHA = re.compile(r"(?=.*\d)[0-9a-f]{7,64}", re.IGNORECASE)
_FILE = re.compile(r"\.?[\w-]{1,80}(?:\.[\w-]{1,80}){0,4}\.[A-Za-z]\w{0,9}|\.[A-Za-z][\w-]{2,60}|[A-Z][a-z]{2,20}file")
_HOSTED = re.compile(r"[\w.-]{1,100}/[\w.-]{1,100}")
_IN = frozenset({"in", "of", "for", "from", "at", "在"})


@dataclass(frozen=True, slots=True)
class _Plain:
    """A simplified question, with what its placeholders stand for."""

    text: str
    named: tuple[CommitName, ...]
    repo: str
    paths: tuple[str, ...]
    releases: tuple[str, ...]


def _plain(line: str, hosts: Hosts) -> _Plain:
    """Replace what a question names by placeholders."""
    words = [part for word in grammar.words(_SIGNS.sub("", line)) for part in _parts(word)]
    signs = [_sign(word, hosts) for word in words]
    named = [
        found for word, sign in zip(words, signs, strict=True) if sign == _COMMIT and (found := _named(word, hosts))
    ]
    repo = _repository(words, signs) if named else -1
    beside = {repo, *([repo - 1] if repo > 0 and words[repo - 1].lower() in _IN else [])}
    beside |= {repo + 1} if repo >= 0 and words[repo + 1 : repo + 2] == ["的"] else set()
    kept = [n for n in range(len(words)) if n not in beside]
    said = " ".join(signs[n] or words[n] for n in kept).lower()
    return _Plain(
        _bare(said),
        tuple(dict.fromkeys(named)),
        words[repo] if repo >= 0 else "",
        tuple(words[n].strip("`?!") for n in kept if signs[n] == _PATH),
        tuple(words[n] for n in kept if signs[n] == _RELEASE),
    )


def _parts(word: str) -> list[str]:
    """Split a word into Chinese and other parts; an address stays whole."""
    return _PARTS.findall(word) if _CHINESE.search(word) and "://" not in word else [word]


def _sign(word: str, hosts: Hosts) -> str:
    """The placeholder for a word; empty if it stays."""
    if _named(word, hosts):
        return _COMMIT
    if grammar.is_release(word):
        return _RELEASE
    return _PATH if "/" in word or _FILE.fullmatch(word) or re.fullmatch("`[^`]+`", word) else ""


def _named(word: str, hosts: Hosts) -> CommitName | None:
    """The commit that a word names. A word of letters only is never a SHA."""
    found = grammar.reference(word, hosts)
    return found if found and (found.pull is not None or found.repo or _SHA.fullmatch(found.sha)) else None


def _repository(words: Sequence[str], signs: Sequence[str]) -> int:
    """The index of the word that names the repository of a commit; -1 if there is none."""
    for n, word in enumerate(words):
        beside = words[n - 1].lower() in _IN if n else False
        beside = beside or (n + 1 < len(words) and (signs[n + 1] == _COMMIT or words[n + 1] == "的"))
        if signs[n] == _PATH and beside and (_HOSTED.fullmatch(word) or word.startswith(("/", ".", "~", "http"))):
            return n
    return -1


_POLITE = re.compile(
    r"^(?:(?:hey|hi|hello|please|pls|so|and|but|also|ok|okay|then|well|btw|sorry|quick question|question|thanks"
    r"|just)\b[,:!]?\s*"
    r"|(?:can|could|would|will) (?:you|somebody|anybody|someone|anyone)(?: please| kindly)?"
    r" (?:tell me|say|check|find out|look up|see)\s*"
    r"|(?:please )?(?:tell me|do you know|do we know|does (?:anybody|anyone) know"
    r"|any idea|i wonder|let me know|check|show me)\s*"
    r"|(?:i|we) (?:want|would like|need) to know\s*)+"
)
_THANKS = re.compile(
    r"(?:,? (?:please|pls|thanks|thank you|btw|by the way|for me|by any chance|exactly|here|in this repo(?:sitory)?))+$"
)
_KIND = re.compile(
    r"^(?:请问|请|你好|麻烦|帮忙|帮我|告诉我|看看|看一下|查一下|查查|能不能|能否|可以|我想知道|想问一下|问一下|那么?|所以|你知道|知道)+(?=.)"
)
_STOPS = re.compile(r"[?!.,;:？！。，；：~]+")


def _bare(said: str) -> str:
    """A question without punctuation and polite phrases."""
    said = re.sub(r"\s+", " ", _STOPS.sub(" ", said.replace("’", "'"))).strip()
    if _CHINESE.search(said):
        return _KIND.sub("", said.replace(" ", ""))
    return _THANKS.sub("", _POLITE.sub("", said)).strip()


# --- English -----------------------------------------------------------------------------------

_NOUN = (
    r"(?:commits?|changes?|prs?|pulls?|pull[- ]requests?|merge[- ]requests?|mrs?|sha|patch|fix|feature|one|revert"
    r"|bump|release note)"
)
_LIST = rf"{_COMMIT}(?:(?: and| or)? {_COMMIT}){{0,4}}"
_S = (
    rf"(?:(?:(?:this|that|the) )?(?:{_NOUN} )?{_LIST}"
    rf"|(?:this|that|the|these|those)(?: same)? {_NOUN}|it|this|that|they)"
)
_CODE = r"(?:code|files?|area|part|module|component|folder|directory|place)"
_K = (
    rf"(?:(?:this|that|the|these|those) {_CODE}(?: (?:in|of|behind|at|under|around|from) (?:{_S}|{_PATH}))?|{_S}"
    rf"|(?:(?:the )?{_CODE} (?:in |of |at |under )?)?{_PATH})"
)
_T = r"config(?:uration)?s?|settings|tests?|docs|documentation|ci|pipelines?|examples?|source code|source|code"
_BE = r"(?:is|was|has|have|are|were|did|does|will|do)"
_YET = r"(?: (?:already|yet|now|ever|actually|really|since|later|again|meanwhile|in the meantime|today|then))*"
_SOME = r"(?:(?:a|an|any|the|our|some) )?(?:(?:latest|last|newest|next|stable) )?"
_WENT = r"(?:released|shipped|published|live)"
_UNDONE = r"(?:reverted|undone|rolled back|backed out|taken back|repaired|fixed|superseded|revert|undo|repair|fix)"

_ENGLISH = (
    (
        Ask.RELEASED,
        rf"{_BE} {_S}{_YET}(?: been| get| got| be)?{_YET} {_WENT}{_YET}",
        rf"{_BE} {_S}{_YET}(?: part of| contained in| included in| in)(?: a| any| the| some| our)?"
        rf"(?: latest| last| newest| current| stable| published)?(?: (?:releases?|versions?|tags?|{_RELEASE}))+{_YET}",
        rf"(?:in |since |with )?(?:which|what)(?: is the| was the)?(?: first)? (?:release|version|tag)s?"
        rf"(?: that| first| is| was| has| have| contains?| includes?| does| did| ships?| shipped| got| will| do"
        rf"| brought)*"
        rf" {_S}(?: first| released| in| part of| included| contained| land| landed| ship| shipped| into| be| go"
        rf"| out)*",
        rf"when (?:{_BE} {_S}|{_S} {_BE})(?: first| be| been| get)*"
        rf" (?:released|shipped|published|ship|go live)(?: in)?",
        rf"(?:if |whether )?{_S} (?:is|was|has been|got){_YET} {_WENT}{_YET}",
        rf"(?:already |not )?{_WENT}{_YET}",
        rf"(?:has|did) {_S}(?: already| ever)? (?:(?:make|made)(?: it)?|gotten|got|get|gone|go|land|ship|come)"
        rf"(?: in| into| with)? {_SOME}(?:release|version|{_RELEASE}){_YET}",
        rf"when can (?:we|i) expect {_S} in (?:a|the(?: next)?) release",
        rf"what(?:'s| is) the (?:first|earliest) (?:release|version|tag)"
        rf" (?:with|that has|that contains|containing|having|for) {_S}",
        rf"{_BE} {_S}{_YET} out(?: there)?{_YET}|did {_S}(?: already| ever)? ship{_YET}",
        rf"(?:do|did) (?:we|you|they) (?:have|ship|release) {_S} in {_SOME}(?:release|version|{_RELEASE}){_YET}",
        rf"(?:does|do|did|will|has) (?:the (?:latest|last|newest|current) (?:release|version)|{_RELEASE})"
        rf" (?:include|contain|have|ship|bring|come with|got) {_S}{_YET}",
    ),
    (
        Ask.REVERTED,
        rf"{_BE} {_S}{_YET}(?: been| get| got)?{_YET} {_UNDONE}(?: (?:or|and) {_UNDONE})?{_YET}"
        rf"(?: by (?:anyone|anybody|something|someone))?",
        rf"(?:if |whether )?{_S} (?:is|was|has been|got){_YET} {_UNDONE}{_YET}",
        rf"(?:who|what|which {_NOUN}|did (?:anyone|anybody|someone)|has (?:anyone|anybody|someone))(?: ever| later)?"
        rf" (?:reverted|undid|rolled back|repaired|fixed|revert|undo|repair|fix) {_S}{_YET}",
        rf"what (?:happened to|became of|came of|has become of) {_S}{_YET}(?: since| afterwards?)*",
        rf"(?:already )?(?:reverted|undone|rolled back){_YET}",
        rf"(?:did|have|has) (?:we|you|they|anyone|anybody|someone|somebody)(?: ever| already| later)?"
        rf" (?:reverted|undone|undid|rolled back|roll back|{_UNDONE}) {_S}{_YET}",
        rf"(?:(?:is|was|are|were) there )?(?:any|a|an)(?: later)? (?:follow[- ]?ups?|reverts?|fix(?:es)?)"
        rf"(?: (?:to|of|for|on) {_S})?{_YET}",
        rf"did {_S} stick|is {_S} still (?:there|in|in there|in place|on main)",
    ),
    (
        Ask.WHO,
        rf"(?:who|by whom)(?: has| was| is)?(?: {_S})? (?:wrote|written|made|did|authored|committed|created|merged"
        rf"|landed|pushed|behind|changed|contributed|added|by|from)(?: {_S})?",
        rf"who(?: is|'s) (?:the )?(?:author|committer|one behind|behind)(?: of)?(?: {_S})?",
        rf"who(?: is|'s) responsible for {_S}|(?:the )?authors? of {_S}",
        rf"whose {_NOUN} (?:is|was) {_S}|by whom(?: (?:is|was) {_S})?",
    ),
    (
        Ask.KNOWS,
        rf"whom?(?: else)? (?:can (?:i|we) ask about|is the (?:maintainer|owner) of|has been working on|is working on"
        rf"|works in|works with|knows|understands|owns|maintains|works on|worked on|has worked on|can help(?: me)? with"
        rf"|can explain|should (?:i|we) ask about|do (?:i|we) ask about|to ask about|is the expert (?:on|for|in)"
        rf"|is responsible for|could review|can review|should review)"
        rf"(?: about| most about)? {_K}(?: best| well| most)?",
        rf"(?:are there )?(?:any|an) experts? (?:on|for|in) {_K}",
        rf"who (?:last )?(?:changed|touched|edited|modified|wrote) {_PATH}(?: last| lately| recently)?",
    ),
    (
        Ask.FILES,
        rf"(?:which|what) (?:files?|paths?|folders?)(?: exactly)? {_BE} {_S} "
        rf"(?:changed?|touch(?:ed)?|modif(?:y|ied)|affect(?:ed)?|edit(?:ed)?)",
        rf"(?:which|what) (?:files?|paths?|folders?)(?: are| were| have been)? (?:changed|touched|modified|affected"
        rf"|edited)(?: (?:in|by|with) {_S})?",
        rf"what (?:does|did) {_S} touch|how (?:big|large) (?:is|was) {_S}|what(?:'s| is) the size of {_S}",
        rf"how many (?:files|lines)(?: of code)? (?:does|did|do) {_S} (?:change|touch|modify|add|affect)",
        rf"(?:list )?(?:all )?the files (?:of|in|from) {_S}",
    ),
    (
        Ask.TOUCHES,
        rf"(?:does|did|do|will|has|have) {_S}{_YET} (?:touch|change|affect|modify|edit|concern|touched|changed)"
        rf"(?: any| of| our| the| my| your)* (?P<topic>{_T}|{_PATH}|[\w-]{{3,40}})(?: files?| code| folder| module)?",
        rf"(?:is|are|was|were)(?: our| the| any)* (?P<topic>{_T}|{_PATH})(?: files?)?"
        rf" (?:touched|changed|affected) by {_S}",
        rf"(?:are|is|were|was) there (?:any )?(?P<topic>{_T}) (?:in|with|for) {_S}",
        rf"(?:does|did|do|has|have) (?:{_S}|they|he|she|we|you)(?: also)?"
        rf" (?:have|come with|include|contain|add|bring|update)"
        rf"(?: any| the| new)* (?P<topic>{_T})(?: files?)?",
        rf"(?:is|are|was|were)(?: the| our)? (?P<topic>{_T}|{_PATH}) (?:updated|changed|touched|affected|modified)"
        rf"(?: (?:by|in) {_S})?{_YET}",
    ),
    (
        Ask.SINCE,
        rf"when (?:{_BE} {_S}|{_S}(?: {_BE})?)(?: first| get| got| been)*"
        rf" (?:land|landed|merge|merged|made|committed|changed|written|added"
        rf"|introduced|go in|pushed|happen)(?: in| there)?",
        rf"since when(?: {_BE})?(?: {_S})?(?: been)?(?: so| like this| like that| the case| the default| there| in"
        rf"| on main| live| in there| around)?",
        rf"how old (?:is|are) {_S}|how long (?:has|is|have|are) {_S}(?: been)?(?: there| in| around| on main| merged)?",
        rf"when was {_S}|since when do we have {_S}|how long ago (?:was|is|did) {_S}(?: land| merged| made| happen)*",
        rf"(?:on )?(?:what|which) (?:date|day) {_BE} {_S}(?: land(?:ed)?| merged?| made| committed| go in)*",
    ),
)

_REASONS = (
    (
        Ask.WHY,
        rf"why (?:{_BE} {_S}|{_S}|do {_S})(?: (?:changed?|made|done|needed|necessary|there|written|introduced|added"
        rf"|removed|merged|committed|so|like this|at all))*",
        rf"what (?:is|was) the (?:reason|motivation|purpose|point|idea) (?:for|of|behind) {_S}",
    ),
    (
        Ask.WHAT,
        rf"what (?:does|did) {_S} (?:do|change|fix|add|mean)|what (?:is|was) {_S}(?: about| for)?|what changed in {_S}"
        rf"|explain {_S}",
    ),
)

# --- Chinese, which has no spaces --------------------------------------------------------------

_MADE = r"(?:提交|改动|变更|修改|更改|合并请求|pr|补丁|修复|功能|commit|mr)"
_THIS = r"(?:这个|这次|这一个|这些|这|该|那个|那次|那|此|它们|它)"
_MANY = rf"{_COMMIT}(?:[和与及跟]?{_COMMIT}){{0,4}}"
_Z = rf"(?:{_THIS}?{_MADE}?{_MANY}(?:这个|这次)?{_MADE}?|{_THIS}{_MADE}?|{_MADE})?"
_DID = r"(?:已经|现在|有没有|是否|是不是|到底|后来|之后|还|又|曾经?|都|一起|已|没有|被|人)*"
_ASKS = r"(?:了|过|掉|的)*(?:吗|没有|没|么|呢|嘛|吧)*"
_BACK = r"(?:回滚|撤销|还原|回退|撤回|撤掉|退回|revert|修复|修好|修正|修补)"
_SEGMENT = r"(?:这段|这些|这块|这部分|这个|这|该|那段|那些|相关)?(?:代码|文件|模块|目录|部分|一块)"
_PART = rf"(?:{_Z}(?:的)?{_SEGMENT}|{_PATH}(?:的|里的|这个|这段)?(?:代码|文件|模块|目录)?|{_Z})"
_WHEN = r"(?:什么时候|何时|几时|哪天|哪一天|啥时候)"
_ON = r"(?:我们的|我们|咱们的|任何|一些|的)*"
_TOPIC = r"配置|设置|测试|文档|ci|流水线|示例|例子|源码|源代码|代码"

_CHINESE_FORMS = (
    (
        Ask.RELEASED,
        rf"{_Z}{_DID}(?:发布|发版|上线|发行)(?:出去)?{_ASKS}",
        rf"{_Z}{_DID}(?:包含|包括)?(?:在|进入?)(?:了)?(?:哪一?个|什么|任何|某个)?(?:版本|发布|发行版|release)(?:里面|里|中)?"
        rf"(?:发布)?{_ASKS}",
        rf"{_Z}{_DID}(?:包含|包括)?(?:在|进入?)(?:了)?{_RELEASE}(?:版本)?(?:里面|里|中)?(?:发布)?{_ASKS}",
        rf"{_RELEASE}(?:版本)?(?:里面|里|中)?{_DID}(?:有|包含|包括)(?:了)?{_Z}{_ASKS}",
        rf"(?:在|从)?(?:哪一?个|什么|哪些)(?:版本|发布|release)(?:里面|里|中)?(?:首先|最先|最早|才|开始|已经)*(?:有|包含|带|包括"
        rf"|收录|发布)(?:了|的)*{_Z}{_ASKS}",
        rf"{_Z}(?:是)?{_WHEN}(?:才)?(?:发布|发版|上线)(?:的|了)*(?:呢)?",
        rf"(?:最新|当前|上一?个)(?:的)?(?:版本|发布){_DID}(?:有|包含|包括)(?:了)?{_Z}{_ASKS}",
    ),
    (
        Ask.REVERTED,
        rf"{_Z}{_DID}{_BACK}{_ASKS}",
        rf"(?:谁|哪一?个提交|什么|有没有人|有人)(?:把)?{_BACK}(?:了|过)?{_Z}{_ASKS}",
        rf"{_Z}(?:后来|之后)?(?:有没有|有)(?:人)?(?:被)?(?:过)?{_BACK}{_ASKS}|{_Z}(?:现在)?(?:还|仍|仍然)在{_ASKS}",
        rf"{_Z}后来(?:怎么样|怎样|怎么|如何)(?:了)?(?:呢)?",
    ),
    (
        Ask.KNOWS,
        rf"谁(?:最|比较|更)?(?:了解|熟悉|懂|负责|清楚|维护|知道)(?:{_PART})(?:呢)?",
        rf"{_PART}(?:的问题)?(?:应该|该|可以|要)?(?:去)?(?:找|问)谁(?:问|了解)?(?:呢)?",
        rf"{_PART}(?:是)?(?:由)?谁(?:在)?(?:最|比较)?(?:了解|熟悉|懂|负责|维护)(?:的)?(?:呢)?",
        rf"谁(?:最近|上次|最后)?(?:改|动|修改|写)(?:了|过|的)*{_PATH}(?:呢)?",
    ),
    (
        Ask.WHO,
        rf"{_Z}(?:是|由)?谁(?:写|做|提交|改|合并|弄|加|修|干)(?:的|了)*(?:{_Z})(?:呢)?",
        rf"{_Z}(?:的)?作者(?:是)?(?:谁)?|谁是{_Z}(?:的)?作者|{_Z}是谁的{_MADE}?",
    ),
    (
        Ask.FILES,
        rf"{_Z}(?:都|一共|总共)?(?:改|动|修改|变更|涉及|影响|更改|碰)(?:了|到|动|及)*(?:哪些|什么|哪几个|几个|多少)"
        rf"(?:文件|路径|目录)(?:呢)?",
        rf"(?:哪些|什么)文件(?:被)?(?:{_Z})?(?:改|修改|变更|动)(?:了|过|动)*(?:呢)?",
    ),
    (
        Ask.TOUCHES,
        rf"{_Z}(?:有没有|是否|会不会|会|是不是)*(?:改|动|碰|影响|涉及|修改|触及|更改)(?:到|了|过|动|及)*{_ON}"
        rf"(?P<topic>{_TOPIC}|{_PATH})(?:文件|代码|目录)?(?:吗|没有|没|么|呢)?",
        rf"{_Z}(?:有|带|加|包含|更新)(?:了|没有)?{_ON}(?P<topic>{_TOPIC}){_ASKS}",
    ),
    (
        Ask.SINCE,
        rf"{_Z}(?:是)?(?:从)?{_WHEN}(?:起|开始)?(?:合并|提交|合入|落地|改|有|加|引入|合进去|合|生效|进来)?(?:的|了|进来|这样)*(?:呢)?",
        rf"{_Z}(?:是)?{_WHEN}的{_MADE}?(?:呢)?",
    ),
)

_REASONS_ZH = (
    (
        Ask.WHY,
        rf"{_Z}(?:是)?(?:为什么|为何|为啥)(?:要|会|需要)?(?:这么|这样|做|有)*(?:改|提交|写|加|删|变|修改)?{_Z}(?:的|了|呢|呀)*",
    ),
    (
        Ask.WHAT,
        rf"{_Z}(?:改|做|修|干)了什么(?:呢)?|{_Z}是(?:做|干)什么(?:的)?(?:呢)?|解释(?:一下)?{_Z}",
    ),
)

_FORMS = (*_ENGLISH, *_REASONS, *_CHINESE_FORMS, *_REASONS_ZH)
_TOLD = tuple((ask, re.compile(form)) for ask, *forms in _FORMS for form in forms)

_KINDS = {
    FileKind.CONFIG: ("config", "configs", "configuration", "configurations", "settings", "配置", "设置"),
    FileKind.TEST: ("test", "tests", "测试"),
    FileKind.DOCS: ("docs", "documentation", "文档"),
    FileKind.CI: ("ci", "pipeline", "pipelines", "流水线"),
    FileKind.EXAMPLE: ("example", "examples", "示例", "例子"),
    FileKind.SOURCE: ("source", "source code", "code", "源码", "源代码", "代码"),
}
_KIND_OF = {word: kind for kind, words in _KINDS.items() for word in words}


def asked(line: str, hosts: Hosts) -> Asked | None:
    """Parse a question that rules can answer; None for any other line."""
    if len(line) > _LONGEST or not _asks(line):
        return None
    plain = _plain(line, hosts)
    if len(plain.named) > _MOST or len({name.repo for name in plain.named} - {""}) + bool(plain.repo) > 1:
        return None
    for ask, form in _TOLD:
        if found := form.fullmatch(plain.text):
            return _about(plain, ask, found.groupdict().get("topic") or "")
    return None


_WONDERS = frozenset("who whom whose what which why when where how since is are was were does did has have".split())  # noqa: SIM905
_WONDERS_ZH = re.compile(r"[吗呢么谁哪几]|什么|怎么|怎样|如何|为何|是否|是不是|有没有|会不会|多少|何时")


def _asks(line: str) -> bool:
    """Whether a line can be a question at all: a single word is not, nor is a Chinese statement."""
    if line.rstrip().endswith(("?", "？")):
        return True
    return bool(_WONDERS_ZH.search(line)) or "没" in line if _CHINESE.search(line) else " " in line.strip()


def is_sentence(line: str) -> bool:
    """Whether a line is long enough to be a sentence rather than a mistyped command."""
    return len(line.split()) + len(_CHINESE.findall(line)) // 2 >= _WORDS


_WORDS = 6


def language(line: str, place: str) -> str:
    """The code of the language in which a question is answered: that of the `place`, unless it is asked in Chinese.

    That a question is in English proves nothing about its readers: `is #12 released?` is typed everywhere.
    """
    if LANGUAGES[place].chinese or len(_CHINESE.findall(line)) < _FEW:
        return place
    return next((code for code, known in LANGUAGES.items() if known.chinese), place)


_FEW = 2
"""The fewest Chinese characters that make a question Chinese: a name alone may have one."""
_CLAUSE = re.compile(r"[.,;:!()–—]\s|\s-+\s|\b(?:and|but|so|or|then)\s", re.IGNORECASE)
_MARKED = re.compile(r"[?？](?=[\s?!)\"'”’？]|$)")
"""A question mark at the end of a word: addresses contain others."""


def is_question(line: str) -> bool:
    """Whether a line contains a question in a whole sentence."""
    if _CHINESE.search(line):
        return bool(_WONDERS_ZH.search(line) or _MARKED.search(line) or "？" in line)
    if len(line.split()) <= 2:
        return False
    return bool(_MARKED.search(line)) or any(_begins(clause) for clause in _CLAUSE.split(line))


def _begins(clause: str) -> bool:
    """Whether a clause begins like a question: `what …`, `who's …`."""
    words = clause.lower().replace("’", "'").split()
    return len(words) > 2 and words[0].partition("'")[0] in _WONDERS


_GENERIC = frozenset(
    """
    a about ago all an and any anything are at can change changed changes commit commits could day days did
    digest do does done explain for from going got had happened happening has have here i in is it land landed
    last latest look made me merge merged month months new news of on our past please pls released repo
    repository said see show since some something tell than thanks that the there these they thing things this
    those to today up us was we week weeks were what when which with yesterday you monday tuesday wednesday
    thursday friday saturday sunday january february march april may june july august september october november
    december jan feb mar apr jun jul aug sep oct nov dec mon tue wed thu fri sat sun pr prs pull pulls request
    requests mr sha
    """.split()  # noqa: SIM905  # a list would take sixty lines
)
_GENERIC_ZH = re.compile(
    r"昨天|今天|前天|本周|上周|上个?月|最近|本月|星期.|周.|礼拜.|[一二三四五六七八九十两\d]{1,4}(?:天|周|月|日|号)前?|什么|哪些|哪个"
    r"|怎么|改动|变化|变更|更新|提交|东西|看看|看一下|显示|告诉我|有没有|请|新|有|的|了|吗|呢|是|在|和|与|改|做|这|那|个|不同|区别|日报"
)


def is_open(line: str, hosts: Hosts) -> bool:
    """Whether a question asks for more than a digest answers: what changed in a period, or what a commit is."""
    if not is_question(line):
        return False
    text = " ".join(word for word in _STOPS.sub(" ", line.lower()).split() if not grammar.reference(word, hosts))
    if _CHINESE.search(text):
        return len(_CHINESE.findall(_GENERIC_ZH.sub("", text))) > 1
    words = (
        word for word in text.replace("'s", "").split() if not grammar.is_time(word) and not grammar.is_repository(word)
    )
    return any(word not in _GENERIC and not re.fullmatch(r"\d+(?:st|nd|rd|th)?", word) for word in words)


def _about(plain: _Plain, ask: Ask, topic: str) -> Asked:
    named = tuple(replace(name, repo=name.repo or plain.repo) for name in plain.named)
    path = plain.paths[0] if plain.paths else "" if topic in _KIND_OF else topic
    release = plain.releases[0] if plain.releases else ""
    return Asked(ask, named, plain.repo, path, _KIND_OF.get(topic), release)
