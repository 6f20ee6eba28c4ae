"""What the rules say of a commit: only what its message, paths, sizes and patch show."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make import PATCH, REPOSITORY, change, commit, sha

from bot.judgement import rules, triage
from bot.texts import Texts
from bot.values import RULES, Aspect, Evidence, FilePatch, Importance

EN, ZH = Texts("en"), Texts("zh")


def test_a_grade_says_why_and_that_rules_gave_it():
    one = commit("feat!: drop the old endpoint (#12)")
    grade = rules.grade(one, triage.judge([one])[0], EN)
    assert (grade.reason, grade.by) == ("breaking change", RULES)
    assert grade.sentence == "drop the old endpoint (src)."
    assert rules.grade(one, triage.judge([one])[0], ZH).reason == "不兼容变更"


def test_a_sentence_names_two_components_at_most():
    wide = commit("fix: x y", *(change(f"{name}/a.py", n, 0) for n, name in enumerate("abcd")))
    assert rules.sentence(wide, EN) == "x y (d, c, …)."
    assert rules.sentence(wide, ZH) == "x y（d、c 等）。"
    assert rules.sentence(commit("修复：登录失败", change("web/a.ts")), ZH) == "登录失败（web）。"


def test_impact_counts_by_component_and_names_what_is_touched():
    one = commit("feat: retries", change("src/app.py", 3, 1), change("docs/a.md", 1, 0))
    impact = rules.analysis(one, "", Importance.MEDIUM, [PATCH], EN).impact
    assert [(i.component, i.paths) for i in impact] == [("src", ("src/app.py",)), ("docs", ("docs/a.md",))]
    assert impact[0].effect == "1 file, +3 −1; touches serve, Pool"


@pytest.mark.parametrize(
    ("hunk", "touched"),
    [
        # The section is the last definition above the hunk, not above the line.
        (
            "@@ -1,6 +1,6 @@ def charge():\n     pay()\n \n def refund():\n-    back(1)\n+    back(2)\n     done()",
            ["refund"],
        ),
        ("@@ -9,3 +9,3 @@ def charge():\n     pay()\n-    log(1)\n+    log(2)", ["charge"]),
        # What stands less deep than the definition is not in it.
        ("@@ -9,3 +9,3 @@ def charge():\n     pay()\n \n-LIMIT = 1\n+LIMIT = 2", []),
        ("@@ -9,3 +9,5 @@ class Pool:\n     size = 4\n+    def grow(self):\n+        self.size += 1", ["grow"]),
        ("@@ -1,4 +1,1 @@ def charge():\n     pay()\n \n-def refund():\n-    back(1)", []),
        ("@@ -5,2 +5,2 @@\n-    a = 1\n+    a = 2", []),
    ],
)
def test_only_what_a_changed_line_stands_in_is_touched(hunk, touched):
    assert rules._touched([FilePatch("src/app.py", hunk)]) == {"src/app.py": touched}


def test_the_author_is_quoted_in_whole_sentences_without_trailers():
    body = "## What\n\nThe pool kept dead connections. They are closed now.\n\nSigned-off-by: dev <dev@example.com>"
    summary = rules.analysis(commit("fix: pool", body=body), "pool (src).", Importance.MEDIUM, (), EN).summary
    assert summary == "pool (src). The message says: “The pool kept dead connections. They are closed now.”"


def test_a_long_message_is_shortened_between_sentences():
    text = rules.whole_sentences("One is here. " + "Two is long " * 10 + "and ends. Three.", 60)
    assert text == "One is here."
    assert rules.whole_sentences("没有句号的长文" * 100, 60) == ""
    assert rules.whole_sentences("第一句。第二句很长" + "长" * 100 + "。", 60) == "第一句。"


def test_a_reshifted_definition_is_an_insight_with_the_reshifted_line_as_evidence():
    patch = FilePatch(
        "src/app.py", "@@ -1,4 +1,2 @@\n-def connect(url):\n-    pass\n-def shifted():\n+def shifted(x):\n context"
    )
    made = rules.analysis(commit("refactor: x"), "x.", Importance.HIGH, [patch], EN)
    (insight,) = made.insights
    assert (insight.aspect, insight.evidence) == (Aspect.COMPATIBILITY, Evidence("src/app.py", "def connect(url):"))
    assert "connect" in made.suggestions[0].action
    assert "connect" in insight.text


def test_nothing_is_called_removed_where_a_part_of_the_patch_was_not_read():
    removed = FilePatch("src/app.py", "@@ -1,2 +1 @@\n-def connect(url):\n context")
    cut = FilePatch("src/big.py", "@@ -1 +1,9 @@\n+x = 1", complete=False)
    assert rules.analysis(commit("refactor: x"), "x.", Importance.HIGH, [removed], EN).insights
    assert not rules.analysis(commit("refactor: x"), "x.", Importance.HIGH, [removed, cut], EN).insights


def test_without_anything_to_say_nothing_is_said():
    made = rules.analysis(commit("fix: x"), "x.", Importance.HIGH, [PATCH], EN)
    assert (made.insights, made.risks, made.suggestions) == ((), (), ())


def test_the_overview_names_what_to_read_and_a_quiet_day_is_called_quiet():
    assert rules.overview(REPOSITORY, [], 3, EN) == "3 commits; nothing you need to read."
    named = rules.overview(REPOSITORY, [commit("feat: retries (#1)"), commit("fix: pool", sha=sha(7))], 9, EN)
    assert named == "9 commits. Read today: #1, 0000007."
    many = [commit(f"feat: {n} (#{n})", sha=sha(n)) for n in range(1, 9)]
    assert rules.overview(REPOSITORY, many, 9, EN).endswith("Read today: #1, #2, #3, #4, #5, #6, and more.")


@pytest.mark.parametrize("depth", [Importance.HIGH, Importance.MEDIUM])
@given(subject=st.text(max_size=200), body=st.text(max_size=400), text=st.text(max_size=400))
def test_any_commit_can_be_described(depth, subject, body, text):
    for patch in (FilePatch("src/app.py", f"@@ -1 +1 @@\n{text}"), FilePatch("src/app.py", text)):
        assert rules.analysis(commit(subject, body=body), "It does.", depth, [patch], ZH).summary
