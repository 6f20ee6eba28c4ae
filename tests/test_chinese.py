"""What code puts together in Chinese: full-width colons, commas and brackets, and no space between sentences.

The labels themselves are `docs/style.py`'s matter. English is pinned by the tests of each part.
"""

import io
import re
from dataclasses import replace
from datetime import date, timedelta
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from rich.console import Console
from samples import digest, rolled_up

from adapters.chats.feishu import cards
from adapters.chats.feishu.forms import card
from adapters.chats.slack import blocks
from adapters.chats.terminal import Terminal, console
from adapters.stores import rows
from bot import parts
from bot.cli import cli
from bot.conversation import dates
from bot.conversation.forms import subscribe_form
from bot.delivery.ledger import failure_of
from bot.errors import BudgetSpent, NotFound
from bot.judgement import rules
from bot.ports import Finding, Verdict
from bot.posts import labels, report
from bot.posts.group import Group, group_post
from bot.posts.post import post
from bot.texts import Texts
from bot.values import (
    Aside,
    Attachment,
    Button,
    Buttons,
    Failure,
    Fields,
    Message,
    Place,
    Problem,
    Span,
    Subscription,
    Table,
    Text,
)

ZH = Texts("zh")
HALF = re.compile(
    r"[一-龥”）] ?[,;:](?![\w/])|[一-龥”）] \(|\([一-龥]|[一-龥]\)|[。；！？] [一-龥“\d]"
    r"|(?m:^(?:• |- )?(?:SHA|src/[\w/]+): )|。 ·"
)
"""Half-width punctuation beside Chinese, a space behind its full stop, a half-width colon behind a label, and a full
stop before ` · `, after which the line goes on."""


def messages():
    """What channels get: a day with a model's analyses and one with the rules', a week, and a group."""
    day = digest("normal", "zh")
    by_rules = replace(day, notices=("读不到 PR 的标签。",), entries=tuple(map(ruled, day.entries)))
    one_of_a_kind = replace(day, entries=tuple(reasoned(*each) for each in enumerate(day.entries)))
    posts = [post(day, ZH, (Attachment("report.md", "text"),)), post(by_rules, ZH), post(rolled_up("zh"), ZH)]
    posts += [post(one_of_a_kind, ZH)]
    posts.append(group_post(Group("owner/*", day.period, 2, (by_rules,)), ZH))
    return [m for each in posts for m in (each.headline, *each.replies)]


def reasoned(number, entry):
    """With a reason of its own, which follows the sentence in a list."""
    analysis = replace(entry.analysis, verdict="先看这个。")
    return replace(entry, grade=replace(entry.grade, reason=f"理由 {number}"), analysis=analysis)


def ruled(entry):
    said = replace(entry.commit.reading, said="第一段写了改动的原因，并且足够长，够得上引用的长度。")
    commit = replace(entry.commit, reading=said)
    return replace(entry, commit=commit, analysis=rules.analysis(commit, "改动。", entry.grade.importance, (), ZH))


def strings(value):
    """Every text of a block or a card, and those of one line beside each other as one."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        texts = [each["text"] for each in value if isinstance(each, dict) and isinstance(each.get("text"), str)]
        return ["".join(texts), *(text for each in value for text in strings(each))]
    return [value] if isinstance(value, str) else []


def test_what_a_chat_shows_has_full_width_punctuation():
    out = io.StringIO()
    terminal = Terminal(console(out), ZH)
    for message in messages():
        terminal.post(Place("terminal", "here"), message)
    said = [out.getvalue()]
    said += [text for m in messages() for page in blocks.render(m).pages for text in strings(page.blocks)]
    said += [text for m in messages() for page in cards.render(m).pages for text in strings(page)]
    assert [hit[0] for text in said for hit in HALF.finditer(text)] == []
    assert "变更类型：架构" in said[0]
    assert "SHA：" in said[0]
    assert "完整报告：digest report " in said[0]
    assert "report.md（4 字节）" in said[0]


@pytest.mark.parametrize("width", [20, 40, 80, 120])
def test_nothing_is_cut_off_in_a_terminal_that_is_narrower_than_a_line_of_chinese(width):
    lines = [f"{n}：{'某段时间的日报，也可写成日期范围，' * 8}（状态）" for n in range(3)]
    parts = (
        Text(tuple((Span(line),) for line in lines), bullets=True),
        Fields((("最近有提交的一天", (Span(lines[0]),)),)),
        Table(("时间", "消息", "重要程度"), tuple(((Span("09:00"),), (Span(line),), (Span("高"),)) for line in lines)),
    )
    out = io.StringIO()
    terminal = Terminal(Console(file=out, width=width, force_terminal=True, color_system=None), ZH)
    terminal.post(Place("terminal", "here"), Message("m", (Span("帮助"),), parts))
    said = re.sub(r"[\s•│]|\x1b\[[\d;]*m", "", out.getvalue())
    assert "…" not in said
    assert all(line in said for line in lines)


def test_what_is_wrong_with_a_form_stands_behind_the_name_of_the_input():
    asked = subscribe_form(Subscription(Place("feishu", "oc_1"), "a/b", "0 9 * * *", "UTC", "zh"), False, ZH)
    (said,) = {text for text in strings(card(asked, {}, problem=Problem("zone", "没有时区 x。"))) if "没有时区" in text}
    assert said == "时区：没有时区 x。"


def test_a_panel_counts_its_lines_in_full_width_brackets():
    part = Text(tuple((Span(f"第 {n} 行"),) for n in range(60)), heading="相关提交", bullets=True)
    said = strings(list(cards.render(Message("k", (Span("标题"),), (part,))).pages))
    assert any("相关提交（60）" in text for text in said)


def test_a_report_has_full_width_punctuation():
    for form in ("md", "html"):
        text = report.FORMATS[form].write([digest("normal", "zh")], ZH)
        assert "高重要度变更（4）" in text
        assert "变更类型" in text
        assert re.findall(r"[一-龥]: |[一-龥] \(|[。；] [一-龥]", text) == []


def test_names_are_listed_as_the_language_lists_them():
    error = NotFound("branch_unknown", repo="owner/repo", branch="x", known=("main", "dev"))
    assert "现有：main、dev。" in ZH.error(error)
    assert Texts("en").error(error).endswith("main, dev.")
    assert str(error) == "branch_unknown repo=owner/repo branch=x known=main, dev"
    kept = rows.load(Failure, rows.dump(failure_of(error)))
    assert "现有：main、dev。" in ZH.failure(kept)
    assert ZH.failure(Failure("branch_unknown", tuple({**error.fields, "known": "a, b"}.items()))).endswith("a, b。")


def test_an_aside_has_the_brackets_of_the_language():
    error = BudgetSpent("model_budget_day", tokens="10", reset=Aside("2026-12-01 00:00", "Asia/Shanghai"))
    assert "2026-12-01 00:00（Asia/Shanghai）重置" in ZH.error(error)
    assert "2026-12-01 00:00 (Asia/Shanghai)" in Texts("en").error(error)


def test_sentences_follow_each_other_without_a_space():
    assert ZH.sentences("一。", "", "二。") == "一。二。"
    assert Texts("en").sentences("One.", "", "Two.") == "One. Two."


def test_the_terminal_counts_replies_and_names_threads():
    out = io.StringIO()
    terminal = Terminal(console(out), ZH, folded=True, lines=iter(["thread 7", "今天"]))
    thread = terminal.post(Place("terminal", "here"), Message("a", (Span("主消息"),)))
    terminal.post(thread, Message("b", (Span("回复"),), (Buttons((Button("设置", "settings"),)),)))
    terminal.listen(SimpleNamespace(request=lambda _: None, text=lambda *_: ""))
    assert "没有这个话题，最后一个是话题 1。" in out.getvalue()
    assert "↳ 1 条回复（输入 thread 1 查看）" in out.getvalue()


@pytest.mark.parametrize(("language", "said"), [("zh", "✓ 设置：已设置 A、B\n"), ("en", "✓ Settings: set: A, B\n")])
def test_doctor_prints_a_line_for_each_finding(monkeypatch, language, said):
    monkeypatch.setenv("DIGEST_LANGUAGE", language)
    found = [Finding("settings", Verdict.FINE, "fine", {"names": ("A", "B")})]
    monkeypatch.setattr(parts, "findings", lambda *_: iter(found))
    assert CliRunner().invoke(cli, ["doctor"]).output == said


def test_help_says_each_command_in_chinese_too():
    said = "".join(ZH(f"help.{key}") for key in ZH.keys("help"))
    named = set(ZH.keys("words")) - {"ask"}  # a question needs no word
    assert [word for word in sorted(named) if ZH(f"words.{word}").split()[0] not in said] == []


def test_this_week_begins_on_monday():
    monday = date(2026, 11, 30)
    for said in ("本周", "这周", "这个星期"):
        assert dates.span(said, monday) == (monday, monday)
        assert dates.span(said, monday + timedelta(days=6)) == (monday, monday + timedelta(days=6))


@pytest.mark.parametrize(
    ("people", "said"),
    [("李四", "#12 由李四编写，王五于 2026-12-01 合并。"), ("Ann", "#12 由 Ann 编写，王五于 2026-12-01 合并。")],
)
def test_a_chinese_name_stands_without_spaces_also_where_a_label_has_spans(people, said):
    blanks = {"name": Span("#12", "https://a.b/12"), "merger": "王五", "date": "2026-12-01"}
    line = labels.filled(Texts("zh"), "asked.who_merged", people=people, **blanks)
    assert "".join(span.text for span in line) == said
    assert line[0] == blanks["name"]
