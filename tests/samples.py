"""Digests for tests: a normal day of 29 commits, an empty day, and a hostile one; in English and in Chinese."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from functools import cache
from hashlib import sha1
from typing import Any, Literal
from zoneinfo import ZoneInfo

import make

from bot.commits.people import Signature
from bot.commits.reading import Written
from bot.commits.related import rows, themes
from bot.commits.rollup import most_important_first, roll_up
from bot.texts import Texts
from bot.values import (
    Analysis,
    Aspect,
    ChangeType,
    Commit,
    Digest,
    Entry,
    Evidence,
    FileChange,
    FileStatus,
    Filters,
    Grade,
    Impact,
    Importance,
    Insight,
    Period,
    Repository,
    Risk,
    Suggestion,
)

Language = Literal["en", "zh"]
Kind = Literal["normal", "empty", "hostile"]
Words = tuple[str, str]
"""The same words in English and in Chinese."""

REPOSITORY = Repository("example/harbor", "example/harbor", "main", "https://github.com/example/harbor", False)
MODEL = "gpt-sample"
ZONES = {"en": "Europe/Berlin", "zh": "Asia/Shanghai"}
DAY = datetime(2026, 2, 18)

HOSTILE = (
    "# heading",
    "## a ##",
    "[link](https://evil.example/x) ![image](https://evil.example/i.png)",
    "<script>alert(1)</script><img src=x onerror=alert(1)><!-- note",
    "</td></table></article></main></body>",
    "a | b | c \\| d \\\\| e |",
    "```python\nimport os\n```",
    "~~~ fence `one ``two ```three",
    "https://evil.example www.evil.example <https://evil.example> dev@evil.example HTTP://EVIL.EXAMPLE ftp://evil.example",
    "mailto:dev@evil.example xmpp:dev@evil.example GH-12",
    "@dev-one @everyone #12 example/harbor#13 dev@.evil.example",
    "^[^1]: note",
    "[^1] [^1]: note [ref]: https://evil.example [x] $a$ $$b$$",
    "name]: dest `]: dest [name]: /dest",
    "**bold** __strong__ _it_ *it* ~~gone~~ ==mark== \\",
    "- item",
    "+ item",
    "1. item",
    "2) item",
    "> quote",
    "---",
    "===",
    "    indented code",
    "first\n\n## second\n- third\n| a | b |\n|---|---|\n| c | d |",
    "&lt;b&gt; &amp; &copy; &#64;dev-one &nbsp;",
    "\x1b[31mred\x1b[0m \u202egnp.exe \u200bzero\u2066 \x00\x07",
    "\"quotes\" 'single' `tick` = style=\"x\" onload='y'",
    "",
    " ",
    "`",
    "``",
    " `edge` ",
    "中文，标点：“引号” 🎉",
)
"""Texts that would change the layout, link somewhere or call somebody if they were not made inert."""


def digest(kind: Kind = "normal", language: Language = "en", **changes: object) -> Digest:
    """A digest of `kind`; `changes` replace its fields."""
    entries = {"normal": _normal, "empty": lambda _: (), "hostile": _hostile}[kind](language)
    zone = ZoneInfo(ZONES[language])
    since = DAY.replace(tzinfo=zone)
    value = Digest(
        repository=REPOSITORY,
        branch="main",
        period=Period(since.astimezone(UTC), (since + timedelta(days=1)).astimezone(UTC), ZONES[language]),
        language=language,
        filters=Filters(),
        entries=entries,
        overview=_overview(kind, language),
        themes=themes([e.commit for e in entries], [e.grade for e in entries]),
        usual=22 if kind == "normal" else None,
        notices=HOSTILE if kind == "hostile" else (),
    )
    value = replace(value, **changes)  # type: ignore[arg-type]
    return replace(value, rows=rows(value.entries))


@cache
def rolled_up(language: Language = "en", kind: Kind = "normal") -> Digest:
    """A week of a day's commits, and a high one that was taken back, as a rollup."""
    day = digest(kind, language)
    taken = _pair(900, "feat: answer from a cache", Importance.HIGH)
    taker = _pair(901, 'Revert "feat: answer from a cache (#900)"', Importance.MEDIUM)
    entries = (taker, *day.entries[:9], taken, *day.entries[9:])
    commits = [e.commit for e in entries]
    made = roll_up(commits, commits)
    lasting = [e for e in entries if e.commit.sha not in made.left_out]
    found = themes([e.commit for e in lasting], [e.grade for e in lasting])
    period = replace(day.period, since=day.period.until - timedelta(days=7))
    themed = most_important_first(found, lasting)
    return digest(kind, language, period=period, entries=entries, rollup=made, themes=themed)


def _pair(pull: int, subject: str, importance: Importance) -> Entry:
    landed = DAY.replace(hour=pull - 890, tzinfo=UTC)
    return replace(entry(subject, importance), commit=commit(f"{subject} (#{pull})", pull=pull, committed=landed))


def commit(subject: str, **changes: object) -> Commit:
    """A small commit at noon UTC of the sample day."""
    named: dict[str, Any] = {
        "repo": REPOSITORY.name,
        "sha": sha1(subject.encode("utf-8", "replace")).hexdigest(),
        "login": "dev-one",
        "committed": DAY.replace(hour=12, tzinfo=UTC),
        "parents": ("0" * 40,),
    }
    files = changes.pop("files", (FileChange("src/queue/lease.rs", added=12, removed=3),))
    return make.commit(subject, *files, **named | changes)  # type: ignore[misc]


def entry(subject: str, importance: Importance = Importance.LOW, summary: str = "Says what it does.") -> Entry:
    """An entry with a summary and nothing more."""
    grade = Grade(importance, (ChangeType.FIX,), "small", summary, 0.1)
    return Entry(commit(subject), grade, Analysis(summary))


def _overview(kind: Kind, language: Language) -> str:
    if kind == "empty":
        return Texts(language)("digest.overview_none")
    if kind == "hostile":
        return " ".join(HOSTILE)
    return _say(
        language,
        "Worker settings moved into one file, and old flags now stop the start: deployments must be changed before "
        "the next release. Leases of dead workers are released at once, and template paths can no longer leave the "
        "data folder. The rest is fixes around the new streaming endpoint and routine upkeep.",
        "工作进程的设置合并到了一个文件，继续用旧参数将无法启动，下次发布前须调整部署配置。失效工作进程的租约会立即释放，"
        "模板路径也不能再指向数据目录之外。其余是新流式接口的相关修复和日常维护。",
    )


def _say(language: Language, en: str, zh: str) -> str:
    return zh if language == "zh" else en


# --- The normal day --------------------------------------------------------------------------

_H, _M, _L = Importance.HIGH, Importance.MEDIUM, Importance.LOW
_CONFIGURATION = ("Configuration in one file", "配置合并到一个文件")
_STREAMING = ("Streaming answers", "流式回答")

# Time, author, importance, type, theme, path, lines added, lines removed, subject, pull request, summary.
_Row = tuple[str, str, Importance, ChangeType, Words | None, str, int, int, str, int | None, str, str]
_ROWS: tuple[_Row, ...] = (
    ("23:52:06", "dev-one", _H, ChangeType.ARCHITECTURE, _CONFIGURATION, "src/config/loader.rs", 684, 412,
     "feat!: move worker configuration into one file", 812, "", ""),
    ("23:31:40", "dev-two", _L, ChangeType.DOCS, _CONFIGURATION, "docs/configuration.md", 96, 18,
     "docs: describe the configuration file", 813,
     "Describes every key of the new configuration file.", "逐项说明新配置文件的配置项。"),
    ("22:25:09", "dev-three", _M, ChangeType.FIX, _STREAMING, "src/http/stream.rs", 41, 12,
     "fix: do not drop the last chunk of a stream", 810,
     "The last chunk is flushed before the connection closes.", "关闭连接之前先发送最后一段数据。"),
    ("21:58:33", "dependabot[bot]", _L, ChangeType.DEPENDENCIES, None, "Cargo.lock", 1890, 1702,
     "build(deps): bump the minor group with 14 updates", 809,
     "Raises 14 dependencies by a minor version.", "将 14 个依赖升级到新的次版本。"),
    ("20:14:38", "dev-four", _M, ChangeType.REFACTOR, None, "src/queue/router.rs", 212, 240,
     "refactor: split the router from the scheduler", 808,
     "Routing and scheduling are two modules; nothing changes outside.", "路由与调度拆成两个模块，对外没有变化。"),
    ("19:59:39", "dev-one", _M, ChangeType.FEATURE, _CONFIGURATION, "src/config/check.rs", 133, 4,
     "feat: `harbor check` validates a configuration file", 807,
     "A new command validates a configuration file and names the line of each fault.",
     "新命令会校验配置文件，并指出每处错误所在的行。"),
    ("18:41:50", "dev-five", _H, ChangeType.FIX, None, "src/queue/lease.rs", 158, 64,
     "fix: release the lease when a worker dies", 806, "", ""),
    ("17:39:08", "dev-two", _L, ChangeType.TEST, None, "tests/queue/test_lease.rs", 88, 0,
     "test: cover the lease of a worker that is killed", 805,
     "Adds a test that kills a worker while it holds a lease.", "增加一项测试：在工作进程持有租约时将其终止。"),
    ("16:44:04", "dev-six", _M, ChangeType.PERFORMANCE, None, "src/store/index.rs", 74, 31,
     "perf: read the index once per batch", 804,
     "The index is read once for a batch instead of once for each row.", "索引改为每批读取一次，而不是每行一次。"),
    ("16:11:52", "dev-three", _M, ChangeType.FIX, _STREAMING, "src/http/stream.rs", 29, 9,
     "fix: answer 499 when the reader goes away", 803,
     "A reader that goes away is counted as such and no longer as a server fault.",
     "客户端断开连接单独计数，不再算作服务器错误。"),
    ("15:50:00", "dev-seven", _L, ChangeType.BUILD, None, ".github/workflows/ci.yml", 14, 22,
     "ci: run the slow tests at night", 802, "Moves the slow tests to the nightly run.", "把慢测试移到夜间运行。"),
    ("15:27:31", "dev-four", _M, ChangeType.FIX, None, "src/queue/backoff.rs", 37, 16,
     "fix: cap the backoff at five minutes", 801,
     "The waiting time between tries no longer grows without end.", "重试间隔不再无限增长。"),
    ("14:21:01", "dev-eight", _H, ChangeType.FEATURE, _STREAMING, "src/http/stream.rs", 540, 21,
     "feat: add the streaming endpoint /v1/stream", 799, "", ""),
    ("13:48:52", "dev-two", _L, ChangeType.DOCS, None, "README.md", 6, 6,
     "docs: fix two links", None, "Repairs two links in the README.", "修复 README 中的两个链接。"),
    ("13:05:54", "dev-nine", _M, ChangeType.BUILD, None, "docker/Dockerfile", 18, 40,
     "build: ship one image for both architectures", 798,
     "One image serves both architectures; the separate tags go away.",
     "一个镜像支持两种架构，不再按架构分别提供标签。"),
    ("12:54:00", "dev-five", _L, ChangeType.REFACTOR, None, "src/queue/lease.rs", 8, 11,
     "refactor: name the lease's states", 797, "Gives the states of a lease names.", "为租约的各个状态命名。"),
    ("12:10:38", "dev-one", _H, ChangeType.SECURITY, None, "src/templates/path.rs", 61, 19,
     "fix: refuse template paths outside the data folder", 795, "", ""),
    ("11:37:51", "dev-six", _M, ChangeType.FEATURE, None, "src/metrics/export.rs", 120, 8,
     "feat: export queue length per tenant", 794,
     "The queue length is exported for each tenant.", "按租户导出队列长度。"),
    ("11:07:07", "dev-ten", _L, ChangeType.TEST, None, "tests/http/test_stream.rs", 52, 3,
     "test: stream over a slow connection", 793, "Tests streaming over a slow connection.",
     "测试慢速连接上的流式传输。"),
    ("10:33:12", "dev-three", _M, ChangeType.FIX, None, "src/http/limits.rs", 22, 7,
     "fix: count a request once in the rate limit", 792,
     "A retried request no longer counts twice.", "重试的请求不再重复计数。"),
    ("10:04:08", "pre-commit-ci[bot]", _L, ChangeType.DEPENDENCIES, None, ".pre-commit-config.yaml", 4, 4,
     "chore: update hooks", 791, "Updates the hooks.", "更新 pre-commit 钩子。"),
    ("09:57:22", "dev-seven", _L, ChangeType.BUILD, None, "scripts/release.sh", 9, 2,
     "build: sign the release files", 790, "Signs the files of a release.", "为发布文件签名。"),
    ("09:43:49", "dev-four", _M, ChangeType.FEATURE, None, "src/cli/drain.rs", 97, 5,
     "feat: drain a worker before it stops", 789,
     "A worker finishes its work before it stops.", "工作进程在停止之前会完成手头的任务。"),
    ("08:54:07", "dev-eight", _L, ChangeType.DOCS, None, "docs/streaming.md", 71, 0,
     "docs: an example for streaming", 788, "Adds an example for the streaming endpoint.", "增加流式接口的示例。"),
    ("08:53:56", "dev-nine", _M, ChangeType.DEPENDENCIES, None, "Cargo.toml", 3, 3,
     "fix: pin the TLS library below 2.13", 787,
     "Pins the TLS library, since 2.13 refuses old certificates.", "TLS 库限制在 2.13 以下，因为 2.13 拒绝旧证书。"),
    ("07:50:58", "dev-ten", _L, ChangeType.OTHER, None, "assets/logo.svg", 1, 1,
     "chore: a sharper logo", 786, "Replaces the logo.", "更换徽标。"),
    ("06:32:26", "dev-six", _M, ChangeType.REVERT, None, "src/store/cache.rs", 12, 88,
     "Revert \"perf: cache rows by tenant\" (#785)", 785,
     "Takes back the cache by tenant, which served stale rows.", "回退“按租户缓存”的改动，因为缓存会返回过期数据。"),
    ("02:23:00", "dev-two", _L, ChangeType.TEST, None, "tests/store/test_cache.rs", 0, 64,
     "test: drop the tests of the reverted cache", 784, "Removes tests of the reverted cache.",
     "删除已回退的缓存的测试。"),
    ("00:13:23", "dev-seven", _L, ChangeType.DOCS, None, "docs/index.md", 12, 4,
     "docs: link the streaming page", None, "Links the streaming page.", "添加指向流式接口文档的链接。"),
)  # fmt: skip

_REASONS: dict[Importance, Words] = {
    _H: ("read before the next deployment", "下次部署前必读"),
    _M: ("changes behaviour in one component", "改变一个组件的行为"),
    _L: ("routine upkeep", "日常维护"),
}


@cache
def _normal(language: Language) -> tuple[Entry, ...]:
    return tuple(_entry(row, language) for row in _ROWS)


def _entry(row: _Row, language: Language) -> Entry:
    clock, author, importance, kind, theme, path, added, removed, subject, pull, en, zh = row
    files = [FileChange(path, FileStatus.MODIFIED, added, removed)]
    if importance is _H:
        files.append(FileChange("Cargo.lock", FileStatus.MODIFIED, 40, 38))
    landed = datetime.combine(DAY, time.fromisoformat(clock), ZoneInfo(ZONES[language])).astimezone(UTC)
    named = subject if pull is None or subject.endswith(")") else f"{subject} (#{pull})"
    value = commit(
        named, author=author, login=author, committed=landed, pull=pull, files=tuple(files), inner=_inner(pull)
    )
    summary = _HIGH[pull][0][language == "zh"] if importance is _H else _say(language, en, zh)
    grade = Grade(
        importance,
        (kind, ChangeType.FEATURE) if pull == 812 else (kind,),
        _say(language, *_REASONS[importance]),
        summary,
        {_H: 0.9, _M: 0.5, _L: 0.1}[importance],
        _say(language, *theme) if theme else "",
        MODEL,
    )
    return Entry(value, grade, _analysis(importance, pull, path, summary, language))


def _inner(pull: int | None) -> tuple[Written, ...]:
    if pull != 799:
        return ()
    subjects = ("stream: write the first chunk", "stream: stop with the reader", "stream: review")
    return tuple(Written(sha1(s.encode()).hexdigest(), s, Signature("dev-eight")) for s in subjects)


def _analysis(importance: Importance, pull: int | None, path: str, summary: str, language: Language) -> Analysis:
    if importance is _H:
        return _high(pull, path, language)
    if importance is _L:
        return Analysis(summary, by=MODEL)
    effect = _say(language, "behaves differently only in the case named above", "仅在上述情况下行为有变")
    action = _say(language, "try it with the staging load before the release", "发布前在预发布环境按实际负载试一遍")
    return Analysis(
        summary,
        impact=(Impact("/".join(path.split("/")[:2]), (path,), effect),),
        suggestions=(Suggestion(_say(language, "On-call", "值班人员"), action),),
        by=MODEL,
    )


_Parts = tuple[
    Words, tuple[Words, ...], tuple[tuple[Aspect, Words, str, int | None], ...], tuple[tuple[Words, Words, str], ...]
]

# Pull request: summary, impact, insights with quote and line, risks with what to do and quote.
_HIGH: dict[int | None, _Parts] = {
    812: (
        ("Workers read one TOML file instead of eleven flags and nine environment variables. Old flags are refused "
         "at the start with the name of the key that replaces them.",
         "工作进程改为读取一个 TOML 文件，取代原来的 11 个参数和 9 个环境变量。"
         "传入旧参数会拒绝启动，并提示改用哪个配置项。"),
        (("every start script that passes a flag stops working", "凡是传入参数的启动脚本都会失效"),
         ("settings are checked as a whole before the first job", "执行第一个任务之前，先整体校验设置")),
        ((Aspect.ARCHITECTURE, ("One value carries all settings; modules no longer read the environment.",
                                "所有设置集中在一个结构里，各模块不再读取环境变量。"),
          "pub fn load(path: &Path) -> Result<Settings>", 48),
         (Aspect.COMPATIBILITY, ("Flags are refused rather than ignored, so a forgotten one is seen at once.",
                                 "旧参数会直接报错，不会被忽略，遗漏马上就能发现。"), "ErrorKind::FlagRemoved", 131)),
        ((("Deployments that still pass `--queue-size` do not start.", "仍传入 `--queue-size` 的部署将无法启动。"),
          ("run `harbor check` over each deployment first", "先用 `harbor check` 检查每个部署"), "removed_flags()"),
         (("Secrets may end up in the file instead of the environment.",
           "密钥可能会写进文件，而不是放在环境变量中。"),
          ("keep `token_file` pointing at a mounted secret", "让 `token_file` 指向挂载的密钥文件"), "token_file")),
    ),
    806: (
        ("A worker that dies gives its lease back within a second; before, its jobs waited for ten minutes.",
         "工作进程失效后，租约在一秒内释放；此前任务要等十分钟。"),
        (("jobs of a dead worker start again at once", "失效工作进程的任务会立即重新执行"),),
        ((Aspect.PERFORMANCE, ("The heartbeat is checked every 500 ms by one thread, whatever the number of workers.",
                               "无论有多少工作进程，都由一个线程每 500 毫秒检查一次心跳。"),
          "Duration::from_millis(500)", 77),),
        ((("A worker that is only slow may lose its lease and do its work twice.",
           "只是变慢的工作进程也可能失去租约，任务会执行两次。"),
          ("make jobs idempotent, or raise `heartbeat_grace`", "让任务具备幂等性，或调大 `heartbeat_grace`"),
          "heartbeat_grace"),),
    ),
    799: (
        ("Answers can be read while they are made: `/v1/stream` sends each part as an event.",
         "回答可以边生成边读取：`/v1/stream` 每生成一段就发送一个事件。"),
        (("a new public endpoint behind the same rate limit", "新增一个公开接口，沿用相同的限流"),),
        ((Aspect.SECURITY, ("The endpoint checks the token before the first byte, as the others do.",
                            "与其他接口一样，先校验令牌，再发送第一个字节。"), "authorize(&request)?", 33),),
        ((("A proxy that buffers makes the stream useless.", "代理如果开启缓冲，流式传输就失去了意义。"),
          ("turn buffering off for this path", "为此路径关闭缓冲"), "X-Accel-Buffering"),),
    ),
    795: (
        ("A template name with `..` or an absolute path is refused; until now it could read any file of the service.",
         "拒绝含有 `..` 或绝对路径的模板名；此前可借此读取服务器上的任意文件。"),
        (("templates outside the data folder no longer load", "数据目录之外的模板不再加载"),),
        ((Aspect.SECURITY, ("The path is resolved first and compared afterwards, so links cannot lead out.",
                            "先解析路径再比较，符号链接因此无法指向外部。"), "resolved.starts_with(&root)", 29),),
        ((("Installations with linked template folders stop finding them.", "模板目录如果是符号链接，将找不到模板。"),
          ("list such folders in `template_roots`", "在 `template_roots` 中列出这些目录"), "template_roots"),),
    ),
}  # fmt: skip


_SUGGESTIONS: tuple[tuple[Words, Words], ...] = (
    (("Operators", "管理员"), ("roll out to staging first", "先在预发布环境上线")),
    (("Client authors", "客户端作者"), ("read the notes before the upgrade", "升级前阅读变更说明")),
)


def _high(pull: int | None, path: str, language: Language) -> Analysis:
    summary, impact, insights, risks = _HIGH[pull]
    folder = "/".join(path.split("/")[:2])
    return Analysis(
        _say(language, *summary),
        impact=tuple(Impact(folder, (path,), _say(language, *effect)) for effect in impact),
        insights=tuple(
            Insight(aspect, _say(language, *text), Evidence(path, quote, line))
            for aspect, text, quote, line in insights
        ),
        risks=tuple(
            Risk(_say(language, *text), Evidence(path, quote), _say(language, *remedy)) for text, remedy, quote in risks
        ),
        suggestions=tuple(Suggestion(_say(language, *who), _say(language, *action)) for who, action in _SUGGESTIONS),
        by=MODEL,
        coverage=0.87 if pull == 812 else 1.0,
        dropped=2 if pull == 812 else 0,
    )


# --- The hostile day -------------------------------------------------------------------------


@cache
def _hostile(language: Language) -> tuple[Entry, ...]:
    """Every hostile text in every place that can hold a text from outside."""
    return tuple(hostile_entry(text, number) for number, text in enumerate(HOSTILE))


def hostile_entry(text: str, number: int = 0) -> Entry:
    """A high entry that says `text` wherever something from outside stands."""
    line = text.replace("\n", " ")  # as many lines in every quote, so that every page has the same shape
    evidence, lines = Evidence(f"src/{text}", line, 1), Evidence(f"src/{text}", f"{line}\n{line}", 1, last=2)
    return Entry(
        commit(
            text,
            sha=sha1(f"{number} {text}".encode("utf-8", "replace")).hexdigest(),
            author=text,
            pull=987_654,  # which no hostile text names: in an overview it would be a link
            files=(FileChange(f"folder {text}/a", added=1 + number), FileChange("b")),
            inner=(Written("ab" * 20, text, Signature(text)),),
        ),
        Grade(Importance.HIGH, (ChangeType.SECURITY,), text, text, 0.9, "", text or "m"),
        Analysis(
            text,
            impact=(Impact(text, (text, "b"), text),),
            insights=(Insight(Aspect.SECURITY, text, evidence),),
            risks=(Risk(text, evidence, text, (lines,)),),
            suggestions=(Suggestion(text, text),),
            by=text or "m",
            coverage=0.5,
            dropped=1,
            note=text,
        ),
    )
