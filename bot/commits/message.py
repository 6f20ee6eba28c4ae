"""A parsed commit message: its title, the number it names, what was merged, and which part of its body is for readers.

Pure. Messages are untrusted: they are read line by line, every repetition in a pattern is bounded, and a hostile
message costs no more than an ordinary one of its length.

What tools write is documented, or was found in public histories: GitHub ("Merging a pull request"), GitLab ("Commit
message templates"), Gitee, Gitea ("Merge message templates"), Bitbucket Cloud and Server, Azure DevOps, Gerrit and
Zuul, bors and homu, git-merge(1) with `--log`, Copybara.
"""

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from bot.values import ChangeType, one_line, sanitize

READ = 20_000
"""Characters of a body that are looked at."""
SAID = 4_000
"""Characters kept of what a body says to a reader."""
_TITLE, _LONGEST = 1_000, 1_048_576
"""Characters of a title that are looked at, and of a first line in whose end a number is looked for."""

# --- What a commit calls itself --------------------------------------------------------------

TYPES: dict[str, ChangeType] = {
    word: type_
    for type_, words in {
        ChangeType.FEATURE: "feat feats feature features enhancement enh 新增 功能 特性 新功能 新特性 增加 添加",
        ChangeType.FIX: "fix fixes fixed bugfix bugfixes bug hotfix hotfixes patch 修复 修正 缺陷 纠正",
        ChangeType.PERFORMANCE: "perf performance speed 性能 性能优化",
        ChangeType.REFACTOR: "refactor refactoring refact cleanup 重构 整理",
        ChangeType.SECURITY: "security sec 安全",
        ChangeType.DOCS: "docs doc documentation 文档",
        ChangeType.TEST: "test tests testing 测试",
        ChangeType.BUILD: "ci build 构建 流水线",
        ChangeType.DEPENDENCIES: "deps dep dependencies dependency deps-dev 依赖 依赖升级",
        ChangeType.REVERT: "revert reverts 回退 回滚 撤销 还原",
        ChangeType.OTHER: "misc chore chores style wip optimize optimise opt improve 杂项 其他 其它 样式 优化",
    }.items()
    for word in words.split()
}
"""The words with which commits begin (`fix: …`, `[BugFix] …`), and their types. `优化`, used for any improvement, has
none.
"""

# gitmoji.dev, "An emoji guide for your commit messages"; the short codes are GitHub's names of the same emoji.
_EMOJI_TYPES: dict[str, ChangeType] = {
    mark: type_
    for type_, marks in {
        ChangeType.FEATURE: "✨ sparkles 🎉 tada 🚩 triangular_flag_on_post",
        ChangeType.FIX: "🐛 bug 🚑 ambulance 🩹 adhesive_bandage",
        ChangeType.PERFORMANCE: "⚡ zap",
        ChangeType.REFACTOR: "♻ recycle 🔥 fire 🚚 truck ⚰ coffin 🎨 art",
        ChangeType.ARCHITECTURE: "🏗 building_construction",
        ChangeType.SECURITY: "🔒 lock 🔐 closed_lock_with_key",
        ChangeType.DOCS: "📝 memo pencil 📚 books 💡 bulb 📄 page_facing_up",
        ChangeType.TEST: "✅ white_check_mark 🧪 test_tube 📸 camera_flash",
        ChangeType.BUILD: "👷 construction_worker 💚 green_heart 📦 package 🔧 wrench 🔨 hammer",
        ChangeType.DEPENDENCIES: "⬆ arrow_up ⬇ arrow_down 📌 pushpin ➕ heavy_plus_sign ➖ heavy_minus_sign",
        ChangeType.REVERT: "⏪ rewind",
    }.items()
    for mark in marks.split()
}
BREAKING_EMOJI = frozenset({"💥", "boom"})
BREAKING_WORDS = frozenset(
    {"breaking", "breaking-change", "破坏性变更", "破坏性更新", "破坏性改动", "不兼容变更", "不兼容更新"}
)
"""Headers that name no type, but say that a commit breaks something."""

_EMOJI = re.compile(r":([a-z0-9_+-]{1,40}):\s{0,3}|([^\w\s\[(【\"'`“「（《<#!~@$/\\.,;:*&+=?-]{1,8})\s{0,3}")
_TAG = re.compile(r"\[([^\[\]]{1,60})\]\s{0,3}[:：]?\s{0,3}|【([^【】]{1,60})】\s{0,3}[:：]?\s{0,3}")
_TICKET = re.compile(
    r"(?:[A-Z][A-Z0-9_]{1,14}-\d{1,7}|(?:gh|bpo|issue)-\d{1,9}|bug \d{3,9}|#[A-Z0-9]{1,12})(?:\s{0,2}[:：,]"
    r"|\s{1,3}-(?=\s)|(?=\s))"
    r"[\s:：]{0,3}",
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"([A-Za-z][A-Za-z-]{0,19}"
    r"|[\u4e00-\u9fff]{2,6})\s?(?:[(（]([^()（）]{1,60})[)）])?\s?([!！])?\s{0,2}[:：](?!//)\s{0,3}"
)
_BANG_ONLY = re.compile(r"([A-Za-z][A-Za-z-]{0,19})(?:\(([^()]{1,60})\))?(!)\s")
# `fix 修复 …`: the English word is the type, the Chinese sentence after it is complete without it.
_WORD_BEFORE_CHINESE = re.compile(
    r"(fix|feat|add|docs?|perf|test|style|chore|refactor|remove|delete|reset|update)\s{1,3}"
    r"(?=[\u4e00-\u9fff])",
    re.IGNORECASE,
)
_BEFORE_CHINESE = {"add": ChangeType.FEATURE, "reset": ChangeType.REVERT}


@dataclass(frozen=True, slots=True)
class Title:
    """A parsed title. `whole` is all of it on one line; `text` the sentence without marks and a known type.

    `summary` is `text` also without the name of a part before it (`parser: …`); `word` is the word of the header,
    lower-case, `type` the one that it, a tag or an emoji names; `bang` says that a `!` or an emoji calls it breaking.
    """

    whole: str
    text: str
    summary: str
    word: str = ""
    type: ChangeType | None = None
    scope: str = ""
    tags: tuple[str, ...] = ()
    bang: bool = False

    @property
    def words(self) -> list[str]:
        """The words of the sentence."""
        return self.summary.split()


class _Reader:
    """Removes the marks from the start of a title."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.tags: list[str] = []
        self.type: ChangeType | None = None
        self.bang = False

    def marks(self) -> None:
        """Emoji, tags and ticket numbers, in any order."""
        while self._emoji() or self._tag() or self._ticket():
            pass

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def _emoji(self) -> bool:
        found = self._take(_EMOJI)
        if not found:
            return False
        name = (found[1] or found[2]).replace("\ufe0f", "")
        self.type = self.type or _EMOJI_TYPES.get(name)
        self.bang = self.bang or name in BREAKING_EMOJI
        return True

    def _tag(self) -> bool:
        found = self._take(_TAG)
        if found:
            self.tags.append((found[1] or found[2]).strip())
        return bool(found)

    def _ticket(self) -> bool:
        return bool(self._take(_TICKET))


_REPAIR = re.compile(r"(?:(?:fixup|squash|amend)! ){1,5}", re.IGNORECASE)
"""With these git marks a commit that is to go into another (git-commit(1), `--fixup`)."""


def parse(whole: str) -> Title:
    """Parse a title on one line: `[ABC-1] ✨ feat(api)!: page lists` and the like."""
    whole = _REPAIR.sub("", whole) if _REPAIR.match(whole) else whole
    reader = _Reader(whole[:_TITLE])
    reader.marks()
    text, word, scope, bang = whole[reader.at :].strip(), "", "", False
    header = _HEADER.match(text) or _BANG_ONLY.match(text)
    known = header is not None and (header[1].lower() in TYPES or header[1].lower() in BREAKING_WORDS)
    header = header if known or (header and header[1].isascii()) else None
    summary = text
    if header and (known or header.re is _HEADER):
        word, scope, bang = header[1].lower(), (header[2] or "").strip(), bool(header[3])
        rest = _Reader(text[header.end() :])
        rest.marks()
        summary = rest.text[rest.at :].strip() or text
        reader.tags += rest.tags
        reader.bang = reader.bang or rest.bang
        reader.type = reader.type or rest.type
        text = summary if known or bang else text
    elif chinese := _WORD_BEFORE_CHINESE.match(text):
        word = chinese[1].lower()
        text = summary = text[chinese.end() :]
        reader.type = reader.type or _BEFORE_CHINESE.get(word)
    named = [TYPES[tag.lower()] for tag in reader.tags if tag.lower() in TYPES]
    type_ = TYPES.get(word) or (named[0] if named else None) or reader.type
    return Title(whole, text or whole, summary or whole, word, type_, scope, tuple(reader.tags), bang or reader.bang)


# --- Numbers ---------------------------------------------------------------------------------

_NUMBER = (
    r"(?:(?:pull request|merge request|pull|pr|mr)?[\s/-]?[#!]|gh-|gl-|pr[\s-]?#?|mr[\s-]?!?|pull request "
    r"|合并请求\s?[#!]?)"
    r"(\d{1,9})"
)
_BRACKETED = re.compile(
    rf"\s?[(（\[]\s?(?:{_NUMBER}|[\w.-]{{1,60}}(?:/[\w.-]{{1,60}}){{1,6}}!(\d{{1,9}}))\s?[)）\]]", re.IGNORECASE
)
_IN_FRONT = re.compile(
    r"(?:!(\d{1,9})[:：]?\s|\[?(?:pr|mr|pull request|merge request"
    r"|合并请求)\s?[#!]?(\d{1,9})\]?\s{0,2}[:：]?\s)\s{0,3}",
    re.IGNORECASE,
)
_SKIP = re.compile(
    r"\s{0,3}(?:\[(?:skip[ -]ci|ci[ -]skip|no[ -]ci|skip[ -]actions|actions[ -]skip)\]|\*{3}NO_CI\*{3}"
    r"|\(cherry[ -]picked from commit [0-9a-f]{4,64}\)|(?<=\S) r[=?][\w.,?-]{1,100}$)",
    re.IGNORECASE,
)
"""What speaks to programs and reviewers only, at the end of a title."""
_OTHERS = re.compile(r"(?:\W{0,5}(?:re)?(?:revert|undo|back ?port|port|cherry|follow|roll|back)|回退|回滚|撤销)", re.I)
"""With these a title speaks of another change: a number within it is that one's."""
_QUOTED = re.compile(r"[\"“「][^\"”」“「]{0,300}[\"”」]")
_PAGE = r"<?https?://[^/\s]{1,100}/(?:c/)?(?P<at>[^\s<>]{1,200}?)/(?:-/)?"
_NUMBER_LINES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # GitLab, Gitee and Bitbucket write these themselves, of their own project alone.
        r"see merge request \S{0,200}?!(?P<number>\d{1,9})\b",
        r"merge pull request !(?P<number>\d{1,9})\b",
        r"merge[- ]requests?: ?!(?P<number>\d{1,9})\b",
        r"closes #(?P<number>\d{1,9}) from \S{1,100}[/:]\S",  # Apache projects
        r"(?:pr-url|pull[- ]request|github-pr): ?#(?P<number>\d{1,9})\b",
        r"github-pull-request: ?(?P<at>[\w.-]{1,100}/[\w.-]{1,100})?#(?P<number>\d{1,9})\b",
        rf"(?:see merge request|merge[- ]requests?:|part-of:|pr-url:|pull[- ]request(?:[- ]resolved|-url)?:"
        rf"|reviewed-on:"
        rf"|imported from github pr) ?{_PAGE}(?:pulls?|merge_requests|pull-requests"
        rf"|pullrequest)/(?P<number>\d{{1,9}})\b",
        rf"reviewed-on: ?{_PAGE}\+/(?P<number>\d{{1,9}})\b",  # Gerrit
    )
)
"""Lines of a body with the number of its own pull request; if they name a repository, it must be this one."""


@dataclass(frozen=True, slots=True)
class _Numbered:
    """A title without its number, and that number: `sure` if it is written as tools write it."""

    text: str
    number: int | None = None
    sure: bool = False


def _numbered(title: str) -> _Numbered:
    """The number in a title: `(#12)` at its end, at its start, or somewhere in it; never within quotes."""
    title = _SKIP.sub("", title[:_TITLE])
    if front := _IN_FRONT.match(title):
        return _Numbered(title[front.end() :].strip(), int(front[1] or front[2]), True)
    found = list(_BRACKETED.finditer(title))
    quoted = [(q.start(), q.end()) for q in _QUOTED.finditer(title)] if found else []
    found = [n for n in found if not any(a <= n.start() < b for a, b in quoted)]
    if not found:
        return _Numbered(title.strip())
    last = found[-1]
    behind = title[last.end() :].strip(" .。")
    if behind and _OTHERS.match(title):
        return _Numbered(title.strip())
    text = title if behind else title[: last.start()]
    return _Numbered(text.strip(), int(last[1] or last[2]), not behind)


# --- Lines of a body that are not for a reader -----------------------------------------------

_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_NAMED_TRAILER = re.compile(
    r"\s{0,3}(?:[\w-]{1,40}-(?:by|id|revid|on|with|url|to|bug|of|branch|commit|link|notes)|cc|fixes|fixed|closes|closed"
    r"|resolves|refs?|see|link|issue|bug|related(?: work items)?|depends-on|change-id|pr|mr|ticket|jira|implements"
    r"|story"
    r"|task|part of|topic|gerrit|differential revision|pull request (?:resolved|description)|reviewers?"
    r"|reviewed(?: by)?"
    r"|approved by|subscribers|tags|tasks|maniphest tasks|test plan|git-svn-id|no-issue|ghstack dependencies"
    r"|canonical link"
    r"|acks for top commit|tree-sha512|x-[\w-]{1,40}|github-[\w-]{1,40}|piperorigin-revid|signed-off-by|hash|author"
    r"|date"
    r"|关联|关闭)\s?(?:[:：]|(?=#\d))",
    re.IGNORECASE,
)
_TRAILER = re.compile(
    r"(?!breaking)[a-z][a-z0-9]{0,30}(?:-[a-z][a-z0-9]{0,30}){1,4}: ?\S|\(cherry[- ]picked from commit ", re.IGNORECASE
)
_TOOL_LINE = re.compile(
    r"\s{0,3}(?:see merge request |merge pull request |merge in \S+ from |merged? (?:remote-tracking )?branch(?:es)? "
    r"|imported from github pr |copybara import of the project|merging this change closes #|pull-request: |approved-by"
    r"|closes #\d|fixes #\d|fix #\d|resolves #\d|<?https?://\S+\s{0,3}$|<?rdar://|co-authored|signed-off|- vllm version"
    r"|vllm version:|-{2,}\s*$|={3,}\s*$|\[[\w ]{1,30}\]: https?://|#\t|# ?conflicts:|conflicts:$|squashed commit"
    r"|\* commit '[0-9a-f]+'|🤖 generated|r\? |`?@(?:rustbot|bors|rust-timer|ghost|dependabot)\b"
    r"|reviewed by \S.{0,60}\.$"
    r"|top commit has no acks|\([\w:~<>. ,]{1,80}\):\s*$|commit [0-9a-f]{7,64}$|[0-9a-f]{40} (?:by )?\S"
    r"|\d{1,9}: .{1,400} r=\S{1,100} a=\S{1,100}$)"
    r"|[A-Z][A-Z0-9_]{5,60}=\S|\s{1,8}(?:[\w -]{0,20}ACK [0-9a-f]{7,64}|[\w.-]{1,40}:$)",
    re.IGNORECASE,
)
_NO_TITLE = re.compile(
    r"\s{0,3}(?:(?:signed-off|co-authored|reviewed|acked|tested|reported|suggested|approved)-by|change-id"
    r"|piperorigin-revid"
    r"|git-svn-id|reviewed-on)\s?:|[A-Z][A-Z0-9_]{5,60}=\S",
    re.IGNORECASE,
)
"""Lines that are not titles, even at the start of a message."""
_UPDATED = re.compile(r"^-{3}\nupdated-dependencies:\n.*?(?:^\.{3}$|\Z)", re.MULTILINE | re.DOTALL)
"""Dependabot's metadata for other programs (docs.github.com, "Automating Dependabot with GitHub Actions")."""
_FORM_ROW = re.compile(
    r"\s{0,3}\|?\s{0,3}(?:q|bug fix\?|new feature\?|bc breaks?\?|deprecations?\?|issues?|tests pass\?|license"
    r"|fixed tickets|doc pr|branch\?)\s{1,12}\|",
    re.IGNORECASE,
)
_SHORTLOG = re.compile(
    r"\* (?:(?:tag|branch|commit) )?['\"]?[\w./+-]{1,200}['\"]?(?: of \S{1,200})?:(?: \(\d{1,5} commits?\))?\s{0,3}$"
)
_CONFLICTS = re.compile(r"\W{0,3}conflicts:\s{0,3}$", re.IGNORECASE)
_CHECK = re.compile(r"\s{0,8}(?:[-*+]|\d{1,3}[.)])\s{1,3}\[(?P<mark>[ xX✓✔]?)\]")
_HEADING = re.compile(
    r"\s{0,3}(?:#{1,6}\s{1,3}(?P<a>.{1,120}?)\s{0,3}#{0,6}|(?P<b>\*\*[^*]{1,100}\*\*"
    r"|__[^_]{1,100}__))\s{0,3}[:：]?\s{0,3}$"
)
_MARKS = re.compile(r"[*_`#:：?？]+")
_EMPTY = re.compile(
    r"\s{0,8}(?:[-*+]\s{1,3})?[*_`]{0,3}(?:n/?a|none|no|nope|nothing|not applicable|not needed|no response|tbd|todo"
    r"|-+|无|没有|否|不涉及|暂无)[*_`.。]{0,4}\s{0,3}$",
    re.IGNORECASE,
)
_USERS = re.compile(
    r"breaking|incompatib|upgrad|migrat|release[- ]notes?|action required|user[- ]facing|for users|deprecat"
    r"|does this pr introduce|破坏|不兼容|升级|迁移|用户|发布说明|变更说明",
    re.IGNORECASE,
)
_ASIDE = re.compile(
    r"check ?list|test(?:s|ed|ing| plan| result)?\b|how (?:was|has|should|did|to|do i)|screenshots?"
    r"|additional (?:info|context|notes?)"
    r"|type of (?:change|pr)|related (?:issue|pr|ticket)|issue|reviewer|review|kind of|before submitting|contribut"
    r"|conflict"
    r"|检查|自测|测试|截图|关联|相关|评审|类型",
    re.IGNORECASE,
)
_LABEL = re.compile(r"^Summary:\s{0,3}")
_FENCE = re.compile(r"\s{0,3}(?:```|~~~)")


def is_trailer(line: str) -> bool:
    """Whether a line is for tools: a trailer, or what a host or a review system writes into a message."""
    return bool(_NAMED_TRAILER.match(line) or _TRAILER.match(line) or _TOOL_LINE.match(line))


@dataclass(frozen=True, slots=True)
class Section:
    """A heading in a body, empty for what comes before the first, and its lines as written."""

    heading: str
    lines: tuple[str, ...]

    @property
    def for_users(self) -> bool:
        """Whether it says what users must know."""
        return bool(_USERS.search(self.heading))

    @property
    def aside(self) -> bool:
        """Whether it is a form's part that says nothing about the change."""
        return bool(_ASIDE.search(self.heading)) and not self.for_users


def sections(body: str) -> tuple[Section, ...]:
    """Split an inert body by its headings, without HTML comments; only the beginning of a very long one."""
    text = _UPDATED.sub("", _COMMENT.sub("", body[:READ]))
    found: list[tuple[str, list[str]]] = [("", [])]
    fenced = False
    for line in text.split("\n"):
        fenced ^= bool(_FENCE.match(line))
        heading = None if fenced else _HEADING.match(line)
        if heading:
            found.append((_MARKS.sub(" ", heading["a"] or heading["b"]).strip(), []))
        else:
            found[-1][1].append(line)
    return tuple(Section(heading, tuple(lines)) for heading, lines in found)


def answers(lines: Iterable[str]) -> list[str]:
    """The lines that people wrote: no trailers, checkboxes or lists of a merge, and no empty answers to a form."""
    kept: list[str] = []
    listed = False
    for line in lines:
        if _SHORTLOG.match(line) or _CONFLICTS.match(line):
            listed = True
        elif not listed or not line.startswith((" ", "\t")):
            listed = False
            if not (is_trailer(line) or _CHECK.match(line) or _EMPTY.match(line) or _FORM_ROW.match(line)):
                kept.append(_LABEL.sub("", line).rstrip())
    return kept


def said(body: str, heard: Container[str] = ()) -> str:
    """A body's text for readers, as written: what users must know first, then the rest, up to `SAID` characters.

    Paragraphs that are in `heard` are left out.
    """
    kept = [
        (not s.for_users, s.heading if s.for_users else "", _news(answers(s.lines), heard))
        for s in sections(body)
        if not s.aside
    ]
    blocks = [
        (f"{heading}\n{news}" if heading else news).strip()
        for _, heading, news in sorted(kept, key=_first)
        if news.strip()
    ]
    text = re.sub(r"\n{3,}", "\n\n", "\n\n".join(block for block in blocks if block))
    return text if len(text) <= SAID else text[:SAID].rstrip() + "…"


def _news(lines: Sequence[str], heard: Container[str]) -> str:
    return "\n\n".join(paragraph for paragraph in "\n".join(lines).split("\n\n") if paragraph not in heard)


def _first(block: tuple[bool, str, str]) -> bool:
    return block[0]


def _paragraphs(lines: Iterable[str]) -> Iterator[list[str]]:
    block: list[str] = []
    for line in [*lines, ""]:
        if line.strip():
            block.append(line)
        elif block:
            yield block
            block = []


# --- Titles ----------------------------------------------------------------------------------

_BULLET = re.compile(r"\s{0,8}(?:[-*+•]|\d{1,3}[.)])\s")
_UNFINISHED = re.compile(
    r"(?:\b(?:a|an|the|of|to|and|or|with|for|in|on|at|by|from|when|where|that|which|is|are|as|if|into|than|not|its"
    r"|their|be"
    r"|was|were|can|will|should|after|before|while|because|so|but)|[,，、(（/&+-])$",
    re.IGNORECASE,
)
_CUT = re.compile(r"\s?(?:…|\.{3})(?P<number>\s?\(#\d{1,9}\))?$")
_GOES_ON = re.compile(r"(?:…|\.{3})\s?([^\n]{0,400})")
_CUT_AT = 68
"""The length from which GitHub cuts off a title, even within a word, before the number that it adds."""
_WRAPPED = 50
"""The length of a first line from which a continuation in lower case means that it was wrapped."""
_LINES = 4
"""The most lines of a wrapped title."""


def _whole_title(line: str, body: str) -> tuple[str, str]:
    """The title that begins with a line, joined if it was cut or wrapped, and the rest of the body."""
    cut = _CUT.search(line)
    rest = body.lstrip("\n")
    if cut and (more := _GOES_ON.match(rest)):
        glue = "" if cut["number"] or len(line) >= _CUT_AT else " "
        return one_line(f"{line[: cut.start()]}{glue}{more[1]}{cut['number'] or ''}"), rest[more.end() :]
    if body.startswith("\n"):
        return line, body
    lines = body.split("\n", _LINES + 1)
    block = next(_paragraphs(lines[: _LINES + 1]), []) if lines[0].strip() else []
    if not block or len(block) >= _LINES or any(_BULLET.match(n) or is_trailer(n) or _HEADING.match(n) for n in block):
        return line, body
    numbered = _numbered(block[-1])
    wrapped = len(line) >= _WRAPPED and block[0][:1].islower() and not re.search(r"[.!?。！？:：]$", line)
    if (numbered.sure and numbered.text) or _UNFINISHED.search(line) or wrapped:
        return _joined([line, *block]), "\n".join(body.split("\n")[len(block) :])
    return line, body


def _joined(lines: Sequence[str]) -> str:
    """Lines as one, without a space between two Chinese characters."""
    return (
        re.sub(r"(?<=[\u3400-\u9fff，、]) (?=[\u3400-\u9fff])", "", one_line(" ".join(lines)))
        if len(lines) > 1
        else lines[0]
    )


_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'`(])|(?<=[。！？])")


def first_sentence(text: str) -> str:
    """The first sentence of a paragraph on one line."""
    return next(iter(_SENTENCE.split(text, maxsplit=1)), "").strip()


# --- Merges ----------------------------------------------------------------------------------

_N = r"(?P<number>\d{1,9})"
_MERGES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # Gitea and Forgejo
        rf"merge pull request ['\"“](?P<title>.{{1,600}})['\"”] \(#{_N}\) from (?P<branch>\S{{1,200}}) into \S+$",
        # GitHub, Bitbucket Server, Azure DevOps
        rf"merge pull request [#!]?{_N}(?: in \S{{1,200}})?(?: from (?P<branch>.{{1,200}}?))?"
        r"(?: (?:in)?to \S{1,200})?\s*$",
        rf"pull request #{_N}(?:[:：]\s?(?P<title>.{{1,800}}))?$",  # Bitbucket Server
        rf"merged in (?P<branch>\S{{1,200}}) \(pull request #{_N}\)$",  # Bitbucket Cloud
        rf"merged pr {_N}(?:[:：]\s?(?P<title>.{{1,800}}))?$",  # Azure DevOps
        # bors, homu
        rf"(?:auto|rollup) merge of #{_N}(?:(?: -| ?:) ?(?P<branch>[^,\s]{{1,200}}))?(?:,? r=.{{0,400}})?$",
        rf"merge #{_N}(?: #\d{{1,9}}){{0,50}}$",  # bors-ng
        r"merge commit from fork$",  # GitHub, "Collaborating in a temporary private fork to resolve a vulnerability"
        r"merge \"(?P<title>.{1,800})\"(?: into \S{1,100})?(?: am: [0-9a-f]{7,40})?$",  # Gerrit, Android's automerger
        rf"merge (?:[\w.-]{{1,60}}/[\w.-]{{1,60}})?#{_N}: (?P<title>.{{1,800}})$",  # Bitcoin's merge script
        r"merge changes (?:from topic )?[\"']?(?P<branch>.{1,300}?)[\"']?(?: into \S{1,100})?$",
        r"merge (?:remote-tracking |remote )?(?:branch(?:es)?|tags?|commits?|tag) (?P<branch>.{1,400})$",
        r"合并(?:远程(?:跟踪)?)?分支\s?(?P<branch>.{1,400})$",
        r"merged? (?:with |up |from )?(?P<branch>`?[\w./-]{1,100}`?)(?: (?:branch )?(?:in)?to `?[\w./-]{1,100}`?)?\.?$",
        r"merge(?:d|s)?\.?$",
    )
)
_BORS_NG = re.compile(r"(\d{1,9}): (?P<title>.{1,800}?)(?: r=\S{1,200})?(?: a=\S{1,200})?$")
_BRANCH = re.compile(r"['\"“‘`](?P<name>[^'\"”’`]{1,200})['\"”’`]")


@dataclass(frozen=True, slots=True)
class Message:
    """A parsed message. `merge` says that its subject is about a merge; `branch` is what it says was merged.

    `title` is empty if it says only that something was merged; `number` is `sure` if it is written as tools write it;
    `subject` is the first line, `body` the rest of the message without the title.
    """

    subject: str

    title: str
    number: int | None
    sure: bool
    merge: bool
    branch: str
    body: str


@lru_cache(maxsize=512)
def read(message: str, place: str = "") -> Message:
    """Parse a message: its title, wherever that is, never a trailer or a merge's phrase.

    `place` is the repository as `owner/name`: an address in the message counts only if it is there.
    """
    whole, _, body = sanitize(message[: _LONGEST + READ]).strip("\n").partition("\n")
    line, body = one_line(whole[: 2 * _TITLE])[:_TITLE], body[:READ]
    if merge := _merge(line) or _merge(_numbered(line).text):
        return _merged(line, body, merge, place)
    line, rest = _whole_title(line, body)
    found = _numbered(line)
    if len(whole) > _TITLE:
        found = replace(found, number=_numbered(one_line(whole[-80:])).number)
    title = found.text if found.text and not _NO_TITLE.match(found.text) else _body_title(rest)
    # A body is free text: a number in it counts as its own only if nothing surer is known.
    number = found.number if found.sure else _number_in(body, place) or found.number
    return Message(line, title or line, number, found.sure, False, "", rest)


def _merge(line: str) -> re.Match[str] | None:
    return next((found for pattern in _MERGES if (found := pattern.match(line[:_TITLE]))), None)


def _merged(line: str, body: str, merge: re.Match[str], place: str) -> Message:
    """The message of a merge: its title is in the subject or in the body."""
    groups = merge.groupdict()
    number = int(groups["number"]) if groups.get("number") else _numbered(line).number
    title = groups.get("title") or _body_title(body)
    inner = _numbered("" if _merge(title) else one_line(title))
    found = number or _number_in(body, place) or inner.number
    branch = _branch_name(groups.get("branch") or "")
    return Message(line, inner.text, found, number is not None, True, branch, _beyond(body, title))


def _beyond(body: str, title: str) -> str:
    """The rest of a body that begins with the title, however its lines are wrapped."""
    words = title.split()
    begins = re.compile(r"\s*" + r"\s+".join(map(re.escape, words)) + r"(?!\w)\s*") if words else None
    found = begins.match(body) if begins else None
    return body[found.end() :] if found else body


def _branch_name(text: str) -> str:
    quoted = _BRANCH.search(text)
    name = quoted["name"] if quoted else text.split(" ", 1)[0]
    return one_line(name.strip("`'\""), 100)


def _number_in(body: str, place: str) -> int | None:
    """The number that a line of the body gives as the change's own, in the repository `place`."""
    for line in body.split("\n"):
        if len(line) < 400 and _NUMBERED_LINE.match(line):
            found = next((f for pattern in _NUMBER_LINES if (f := pattern.match(line.strip()))), None)
            at = found.groupdict().get("at") if found else None
            if found and (not at or "/" not in place or at.casefold() == place.casefold()):
                return int(found["number"])
    return None


_NUMBERED_LINE = re.compile(r"\s{0,8}(?:see|merge|closes|pr-|pull|github|part-of|reviewed|imported)", re.IGNORECASE)


def _body_title(body: str) -> str:
    """A title from a body: its first sentence that a person wrote, else the first item of a list."""
    item = ""
    for section in sections(body):
        if section.aside:
            continue
        blocks = list(_paragraphs(_written(section.lines)))
        for number, block in enumerate(blocks):
            if found := _BORS_NG.match(block[0]):
                return found["title"]
            if _FENCE.match(block[0]) or block[0].startswith((">", "|", "<", "![")):
                continue
            if bullet := _BULLET.match(block[0]):
                item = item or one_line(block[0][bullet.end() :])
                continue
            following = next(iter(blocks[number + 1 : number + 2]), [""])
            if (cut := _CUT.search(block[0])) and (more := _GOES_ON.match(following[0])):
                return f"{block[0][: cut.start()]}{more[1]}{cut['number'] or ''}"
            text = first_sentence(_joined(block) if len(block) > 1 else one_line(block[0]))
            if re.search(r"[^\W\d_]{2}", text) and not _merge(text):
                return text[:_TITLE].rstrip(":：")
    return item[:_TITLE]


def _written(lines: Sequence[str]) -> list[str]:
    """The lines of a body that people wrote, and those in which bors-ng names what it merged."""
    listed = [line for line in lines if _BORS_NG.match(line) and " r=" in line]
    return listed or answers(lines)
