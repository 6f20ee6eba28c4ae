"""Reading patches: hunks, what a model sees within its budget, and where a quote stands."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make import PATCH, change, commit

from bot.commits import patch
from bot.values import Evidence, FileChange, FilePatch, FileStatus


def test_hunks_know_their_line_section_and_changed_lines():
    first, second = patch.hunks(PATCH.text)
    assert (first.start, first.section, first.changed) == (10, "def serve(port):", 3)
    assert (second.start, second.section, second.changed) == (41, "class Pool:", 1)


@pytest.mark.parametrize("text", ["", "no header", "\n"])
def test_a_file_without_lines_has_no_hunks(text):
    """An empty file, a change of mode, or a patch that the source did not give."""
    assert patch.hunks(text) == ()
    seen = patch.select(commit("fix: x", change(added=0, removed=0)), [FilePatch("src/app.py", text)], 1_000)
    assert "src/app.py" in seen.text


def test_a_removed_line_that_looks_like_a_header_stays_in_its_hunk():
    text = "@@ -1,2 +1,1 @@\n--- a/file\n+++ b/file\n context"
    (only,) = patch.hunks(text)
    assert only.changed == 2


def test_a_whole_patch_is_seen_whole():
    seen = patch.select(commit("fix: x", change(added=3, removed=1)), [PATCH], 10_000)
    assert seen.coverage == 1
    assert seen.left_out == ()
    assert "retries=3" in seen.text
    assert "def serve(port)" in seen.text


def test_source_comes_first_and_what_does_not_fit_is_named():
    files = [change("docs/a.md", 1, 0), change("src/app.py", 3, 1), change("uv.lock", 500, 400)]
    docs = FilePatch("docs/a.md", "@@ -1 +1,2 @@\n a\n+" + "words " * 200)
    seen = patch.select(commit("fix: x", *files), [docs, PATCH], 150)
    assert seen.text.startswith("=== src/app.py")
    assert "docs/a.md" not in seen.text
    assert seen.coverage == pytest.approx(4 / 5)
    assert seen.left_out == (
        "uv.lock (modified, +500 -400), generated",
        "docs/a.md (modified, +1 -0), 1 changed lines not shown",
    )


def test_a_hunk_is_kept_whole_or_left_out():
    seen = patch.select(commit("fix: x", change(added=3, removed=1)), [PATCH], 45)
    assert "limit = 8" in seen.text
    assert "new_name" not in seen.text
    assert seen.coverage == pytest.approx(1 / 4)


@given(budget=st.integers(0, 400), lines=st.integers(0, 60))
def test_the_budget_is_never_exceeded(budget, lines):
    text = "@@ -1 +1 @@\n" + "\n".join(f"+line {n} 一些中文" for n in range(lines))
    seen = patch.select(commit("fix: x", change(added=lines, removed=0)), [FilePatch("src/app.py", text)], budget)
    assert not seen.text or patch.tokens(seen.text) <= budget + 1
    assert 0 <= seen.coverage <= 1


def test_the_estimate_counts_chinese_by_its_bytes():
    assert patch.tokens("中" * 100) > 3 * patch.tokens("a" * 100) - 3


# --- Where room is short ---------------------------------------------------------------------


def replaced(first, count, word="value", around=3):
    """A hunk that replaces `count` lines, with `around` lines of context on either side."""
    context = [f" {word} context {first + n}" for n in range(around)]
    old = [f"-{word} old {first + n}" for n in range(count)]
    new = [f"+{word} new {first + n}" for n in range(count)]
    size = count + 2 * around
    return "\n".join((f"@@ -{first},{size} +{first},{size} @@ def {word}():", *context, *old, *new, *context))


def made(texts, **more):
    """A commit of files with these patches, and the patches."""
    files = [
        change(p, len(re.findall(r"(?m)^\+", text)), len(re.findall(r"(?m)^-", text))) for p, text in texts.items()
    ]
    return commit("feat: x", *files, **more), [FilePatch(p, text) for p, text in texts.items()]


def headed(text):
    return [line.split(" (")[0].removeprefix("=== ") for line in text.splitlines() if re.match(r"=== .*\(", line)]


def test_a_patch_that_fits_is_shown_whole_whatever_its_files_are():
    texts = {
        "src/app.py": replaced(1, 120),
        "tests/test_app.py": replaced(1, 300, "check"),
        "docs/a.md": replaced(1, 90, "words"),
        ".changeset/big-cat.md": "@@ -0,0 +1 @@\n+It is new.",
    }
    seen = patch.select(*made(texts), 40_000)
    assert (seen.coverage, seen.left_out) == (1, ())
    shown = set(seen.text.splitlines())
    assert all(line in shown for text in texts.values() for line in text.splitlines()[1:])


def test_the_first_piece_of_every_file_comes_before_any_second():
    texts = {f"src/part{n}.py": replaced(1, 200, f"part{n}") for n in range(9)}
    seen = patch.select(*made(texts), 6_000)
    assert sorted(headed(seen.text)) == sorted(texts)
    assert all(f"part{n} old 1" in seen.text for n in range(9))


def test_of_long_hunks_the_heads_are_shown_and_not_the_tails():
    text = "\n".join(replaced(1 + 1_000 * n, 200, f"hunk{n}") for n in range(3))
    seen = patch.select(*made({"src/app.py": text}), 2_000)
    assert all(f"-hunk{n} old {1 + 1_000 * n}\n" in seen.text for n in range(3))
    assert not any(f"hunk{n} new {200 + 1_000 * n}" in seen.text for n in range(3))


def test_one_line_stands_around_a_change_with_its_number():
    texts = {"src/app.py": "\n".join(replaced(10 + 100 * n, 2, f"part{n}") for n in range(30))}
    seen = patch.select(*made(texts), 1_000)
    assert seen.coverage < 1
    assert "@@ line 12 @@ def part0():\n part0 context 12\n-part0 old 10" in seen.text
    assert "part0 context 11" not in seen.text


def test_changes_that_recur_are_shown_once_with_their_files():
    texts = {
        f"src/{'deep/' * 8}part{n}.py": f"@@ -1,2 +1,5 @@\n import a{n}\n+# licence\n+{'word ' * 40}\n+\n import b"
        for n in range(80)
    }
    seen = patch.select(*made(texts), 4_000)
    assert seen.text.count("# licence") == 1
    assert "recurs 79×, in src/" in seen.text
    assert seen.coverage == 1
    named = set(re.findall(r"src/[\w/]+part\d+\.py", seen.text + " ".join(seen.left_out)))
    assert named == set(texts)
    assert all(", changed as src/" in line for line in seen.left_out)


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        ("line {}", "line {}\r", "only their line ends differ"),
        ("line {}", "\tline {}", "only their indentation differs"),
    ],
)
def test_lines_that_differ_in_white_space_alone_are_named_and_count_as_read(old, new, difference):
    removed = [f"-{old.format(n)}" for n in range(100)]
    added = [f"+{new.format(n)}" for n in range(100)]
    added[50] = "+the real change"
    texts = {"src/app.py": "\n".join(("@@ -1,100 +1,100 @@", *removed, *added))}
    seen = patch.select(*made(texts), 300)
    assert seen.coverage == 1
    assert f"=== Not shown, since {difference}: 198 changed lines of src/app.py" in seen.text
    assert [line for line in seen.text.splitlines() if line[0] in "+-"] == ["-line 50", "+the real change"]


def test_notes_come_first_and_stand_in_every_part():
    texts = {f"src/part{n}.py": replaced(1, 100, f"part{n}") for n in range(6)}
    texts[".changeset/big-cat.md"] = "@@ -0,0 +1 @@\n+Users must do something."
    pages = patch.parts(*made(texts), 4_000, 4)
    assert len(pages) > 1
    assert all(page.text.startswith("=== .changeset/big-cat.md") for page in pages)
    assert all("Users must do something." in page.text for page in pages)
    assert sum(page.coverage for page in pages) == 1


def test_where_a_repository_keeps_its_notes_can_be_said():
    texts = {"src/a.py": replaced(1, 2), "stories/one.txt": replaced(1, 1, "story")}
    seen = patch.select(*made(texts), 1_000, telling=lambda path: path.startswith("stories/"))
    assert headed(seen.text) == ["stories/one.txt", "src/a.py"]


def test_pages_with_commands_come_before_tests_and_other_pages_after():
    texts = {
        "docs/story.md": replaced(1, 3, "story"),
        "tests/test_app.py": replaced(1, 3, "check"),
        "docs/install.md": "@@ -1 +1,2 @@\n text\n+    pip install thing",
        "docs/block.md": "@@ -1 +1,4 @@\n text\n+```\n+x\n+```",
        "config.toml": replaced(1, 3, "key"),
        "src/app.py": replaced(1, 1),
    }
    order = headed(patch.select(*made(texts), 5_000).text)
    assert order == [
        "src/app.py",
        "config.toml",
        "docs/block.md",
        "docs/install.md",
        "tests/test_app.py",
        "docs/story.md",
    ]


def test_tests_get_a_fifth_unless_nothing_else_needs_the_room():
    tests = {f"tests/test_part{n}.py": replaced(1, 200, f"check{n}") for n in range(9)}
    seen = patch.select(*made({"src/app.py": replaced(1, 2_000), **tests}), 5_000)
    share = sum(len(line) + 1 for line in seen.text.splitlines() if "check" in line) / len(seen.text)
    assert 0.1 < share < 0.22
    alone = patch.select(*made(tests), 5_000)
    assert patch.tokens(alone.text) > 4_500


def test_renames_take_no_more_than_a_tenth_and_are_named_elsewhere():
    moved = [FileChange(f"src/new/{n}.py", FileStatus.RENAMED, previous=f"src/old/{n}.py") for n in range(300)]
    one, patches = made({"src/app.py": replaced(1, 500)})
    seen = patch.select(commit("refactor: x", *moved, *one.files), patches, 3_000)
    assert seen.text.count("(renamed") < 30
    assert (
        seen.text.count("(renamed") + sum(line.endswith("no line changed), not shown") for line in seen.left_out) == 300
    )


def test_files_stay_together_where_they_can():
    texts = {f"src/part{n}.py": replaced(1, 30, f"part{n}") for n in range(8)}
    pages = patch.parts(*made(texts), 2_000, 4)
    assert sorted(path for page in pages for path in headed(page.text)) == sorted(texts)


def test_few_lines_of_vendored_code_are_shown_and_many_only_counted():
    few = patch.select(
        *made({"third_party/xla/revision.bzl": replaced(1, 2), "uv.lock": replaced(1, 2, "lock")}), 5_000
    )
    assert "value new 1" in few.text
    assert few.left_out == ("uv.lock (modified, +2 -2), generated",)
    tight, patches = made({"src/a.py": replaced(1, 60), "third_party/xla/revision.bzl": replaced(1, 40)})
    alone = patch.select(tight, patches[:1], 3_000)
    seen = patch.select(tight, patches, patch.tokens(alone.text) + 20)
    assert (seen.text, seen.coverage) == (alone.text, 1)
    many = patch.select(*made({"third_party/xla/xla.cc": replaced(1, 200), "src/a.py": replaced(1, 1)}), 50_000)
    assert many.left_out == ("third_party/xla/xla.cc (modified, +200 -200), generated",)


def test_a_patch_that_is_made_to_be_slow_takes_its_size_in_time():
    """Removed lines without end, and more files than a chain of iterators could hold."""
    removed = {"src/a.py": "\n".join(("@@ -1,9 +1,9 @@", *["-x"] * 100_000, " y", "+z"))}
    assert patch.select(*made(removed), 1_000).coverage < 1
    many = {f"src/part{n}.py": f"@@ -1 +1 @@\n-a{n}\n+b{n}" for n in range(12_000)}
    assert patch.select(*made(many), 1_000).coverage < 1


PATHS = [
    "src/a.py",
    "src/b.py",
    "src/c/d.go",
    "config.toml",
    "docs/guide.md",
    "docs/deep/er.md",
    "CHANGELOG.md",
    ".changeset/a-b.md",
    "tests/test_a.py",
    "tests/test_b.py",
    "uv.lock",
    "vendor/x.go",
    "logo.svg",
]
LINES = st.sampled_from(["a = 1", "    a = 1", "a = 1\r", "b(2)", "```", "", "一些中文 " * 9, "word " * 30])


@st.composite
def changes(draw):
    """A commit of some files with their patches, whose counts are right."""
    texts = {}
    for path in draw(st.lists(st.sampled_from(PATHS), max_size=9, unique=True)):
        found = draw(st.lists(st.lists(st.tuples(st.sampled_from(" +-"), LINES), max_size=60), max_size=4))
        texts[path] = "\n".join(
            "\n".join((f"@@ -{1 + 99 * n},9 +{1 + 99 * n},9 @@ part", *(mark + line for mark, line in block)))
            for n, block in enumerate(found)
        )
    return made(texts) if texts else (commit("feat: x", change(added=0, removed=0)), [])


def missed(seen):
    found = (re.search(r", (\d+) changed lines not shown$", line) for line in seen.left_out)
    return sum(int(number[1]) for number in found if number)


@given(each=changes(), budget=st.integers(0, 3_000), most=st.integers(1, 4))
def test_whatever_a_patch_holds_its_parts_hold_to_the_rules(each, budget, most):
    one, patches = each
    pages = patch.parts(one, patches, budget, most)
    assert pages == patch.parts(one, patches[::-1], budget, most)
    assert 1 <= len(pages) <= most
    assert all(not page.text or patch.tokens(page.text) <= budget for page in pages)
    assert all(0 <= page.coverage <= 1 for page in pages)
    read = sum(page.coverage for page in pages)
    assert read <= 1
    everything = "\n".join((*(page.text for page in pages), *pages[0].left_out))
    assert all(f.path in everything for f in one.files)
    generated = [line for line in pages[0].left_out if line.endswith(", generated")]
    total = sum(f.added + f.removed for f in one.files if not any(line.startswith(f"{f.path} (") for line in generated))
    assert read * total == pytest.approx(total - missed(pages[0])) or not total


@given(each=changes(), most=st.integers(1, 4))
def test_what_fits_is_whole(each, most):
    one, patches = each
    (whole,) = patch.parts(one, patches, 1_000_000, most)
    assert (whole.coverage, missed(whole)) == (1, 0)
    shown = set(whole.text.split("\n"))
    for file in patches:
        if not any(line.startswith(f"{file.path} (") for line in whole.left_out):
            assert all(line in shown for line in file.text.split("\n") if line[:1] in ("+", "-"))
    again = patch.parts(one, patches, max(patch.tokens(whole.text) * 2, 60), most)
    assert again == (whole,)


# --- Evidence --------------------------------------------------------------------------------


def find(quote, path="src/app.py"):
    return patch.EvidenceIndex(commit("fix: x"), [PATCH]).find(path, quote)


@pytest.mark.parametrize(
    ("quote", "line"),
    [
        ("return start(token, retries=3)", 12),
        ("RETURN  start(token,\tretries=3)", 12),
        ("`new_name`", 11),
        ("limit = 8", 42),
        ("old_name(token)", 11),
        ("done()", 13),
        ("+    return start(token, retries=3)", 12),
    ],
)
def test_a_quote_is_found_at_its_line_whatever_its_case_and_white_space(quote, line):
    found = find(quote)
    assert found is not None
    assert found.line == line


SPANNED = """@@ -10,7 +10,7 @@
 def serve(port):
-    if port is None:
-        return 80
+    if not port:
+        return 8080
     log(port)\r
     return port
@@ -40,2 +40,2 @@
-stop(1)
+stop(2)
 done()"""


@pytest.mark.parametrize(
    ("quote", "first", "last", "removed"),
    [
        ("    if not port:\n        return 8080", 11, 12, False),
        ("if not port:\n\treturn 8080\r\n\tlog(port)", 11, 13, False),
        ("if not port: return 8080", 11, 12, False),
        ("-    if port is None:\n-        return 80", 11, 12, True),
        ("def serve(port):\n    if port is None:", 10, 11, True),
        ("return 80\nlog(port)", 12, 13, True),
        ("log(port)\n    return port", 13, 14, False),
        ("if not port:", 11, None, False),
    ],
)
def test_a_quote_of_several_lines_names_the_first_and_the_last(quote, first, last, removed):
    found = patch.EvidenceIndex(commit("fix: x"), [FilePatch("src/app.py", SPANNED)]).find("src/app.py", quote)
    assert (found.line, found.last, found.removed) == (first, last, removed)


@pytest.mark.parametrize(
    "quote",
    [
        "return port\nstop(2)",  # two hunks
        "return port\n\0\nstop(2)",
        "return 8080\n    return port",  # a line between them left out
        "if not port:\n        return 80",  # one line after, one before
        "def serve(port):" + "\n" * 6 + "if not port:",
    ],
)
def test_lines_that_do_not_follow_each_other_are_no_quote(quote):
    assert patch.EvidenceIndex(commit("fix: x"), [FilePatch("src/app.py", SPANNED)]).find("src/app.py", quote) is None


def test_a_quote_has_six_lines_at_most():
    lines = [f"value_{n} = {n}" for n in range(1, 9)]
    index = patch.EvidenceIndex(commit("fix: x"), [FilePatch("src/app.py", "@@ -0,0 +1,8 @@\n+" + "\n+".join(lines))])
    assert index.find("src/app.py", "\n".join(lines[:6])).last == 6
    assert index.find("src/app.py", "\n".join(lines[:7])) is None
    assert index.find("src/app.py", " ".join(lines[:7])) is None
    assert patch.places("\n".join(lines[1:7]), lines) == [(1, 6)]
    assert patch.places(" ".join(lines[:7]), lines) == []


def test_lines_of_the_message_are_a_quote_too():
    said = commit("fix: x", body="It drops support for v1.\nUse v2 instead.")
    assert patch.EvidenceIndex(said, [PATCH]).find("", "support for v1.\r\nUse v2").path == ""


@pytest.mark.parametrize(
    ("path", "quote"),
    [
        ("src/app.py", "made_up(token)"),
        ("src/other.py", "new_name"),
        ("src/app.py", ""),
        ("src/app.py", "t"),
        ("src/app.py", "new_nam"),
        ("src/app.py", "return"),
        ("src/app.py", "==="),
        ("src/app.py", "x" * 301),
        ("src/app.py", "\n".join(["x" * 200] * 6)),
        ("", "new_name"),
    ],
)
def test_what_is_not_there_is_not_found(path, quote):
    assert find(quote, path) is None


def test_of_a_line_that_recurs_the_one_that_is_meant_is_found():
    repeated = FilePatch("src/app.py", "@@ -0,0 +1,9 @@\n" + "+event.record()\n+work()\n+\n" * 3)
    index = patch.EvidenceIndex(commit("fix: x"), [repeated])
    assert [index.find("src/app.py", "event.record()", near).line for near in (0, 1, 5, 6, 900)] == [1, 1, 4, 7, 7]


def test_a_removed_line_is_found_in_the_old_file():
    found = Evidence("src/app.py", "old_name(token)", 11, removed=True, gone=True, inside="serve")
    assert find("old_name(token)") == found
    assert find("size = 4") == Evidence("src/app.py", "size = 4", 41, inside="Pool")
    shifted = FilePatch("src/app.py", "@@ -7,3 +1,2 @@\n a\n-gone(1)\n b")
    found = patch.EvidenceIndex(commit("fix: x"), [shifted]).find("src/app.py", "gone(1)")
    assert (found.line, found.removed) == (8, True)


@pytest.mark.parametrize(
    ("quote", "line", "removed"),
    [
        ("token = Token()\n    new_name(token)", 10, False),
        ("token = Token()\n    old_name(token)\n    done()", 10, True),
        ("old_name(token)\n    done()", 11, True),
        ("-    old_name(token)\n+    new_name(token)", 11, False),
    ],
)
def test_lines_are_found_as_they_stood_before_or_after(quote, line, removed):
    found = find(quote)
    assert (found.line, found.removed, found.changed) == (line, removed, "\n+" in quote and "-" in quote)


@pytest.mark.parametrize(
    ("line", "quote", "shown"),
    [
        ('name = "value"', 'name = "value"', 'name = "value"'),
        ('name = "value"', '"value"', '"value"'),
        ('name = "value"', '"name = ', "name ="),
        ("name = value", '"name = value"', "name = value"),
        ("use `the_tool` here", "`the_tool`", "`the_tool`"),
        ("say('it')", "'say('it')'", "say('it')"),
        ('raise Fault("Gone.\\nTry again")', "Try again", "Try again"),
        ('raise Fault("Gone.\\nTry again")', "Gone.\nTry again", "Gone.\nTry again"),
        ('put("{\\"name\\": 1}")', '{"name": 1}', '{"name": 1}'),
        ('put("name", 1)', 'put(\\"name\\", 1)', 'put( "name ", 1)'),
        ("C:\\new\\table", "C:\\new\\table", "C:\\new\\table"),
    ],
)
def test_quotation_marks_stay_in_pairs_and_an_escaped_character_is_no_part_of_a_word(line, quote, shown):
    text = FilePatch("src/app.py", f"@@ -0,0 +1 @@\n+{line}")
    found = patch.EvidenceIndex(commit("fix: x"), [text]).find("src/app.py", quote)
    assert found == Evidence("src/app.py", shown, 1, added=True)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("queue/pool.ts", "packages/x/queue/pool.ts"),
        ("pool.ts", None),
        ("ueue/pool.ts", None),
        ("lib/pool.ts", "lib/pool.ts"),
        ("old/spot.ts", "packages/x/spot.ts"),
        ("packages/old/spot.ts", "packages/x/spot.ts"),
    ],
)
def test_a_unique_end_of_a_path_is_that_path(path, found):
    files = [
        change("packages/x/queue/pool.ts", 1, 0),
        change("lib/pool.ts", 1, 0),
        change("packages/y/lib/pool.ts", 1, 0),
        change("packages/x/spot.ts", 1, 0, status=FileStatus.RENAMED, previous="packages/old/spot.ts"),
    ]
    index = patch.EvidenceIndex(commit("fix: x", *files), [FilePatch(f.path, "@@ -0,0 +1 @@\n+grow()") for f in files])
    evidence = index.find(path, "grow()")
    assert (evidence and evidence.path) == found


def test_words_of_the_message_are_the_message_s_own():
    index = patch.EvidenceIndex(commit("fix: x", body="It drops support for the v1 protocol."), [PATCH])
    own = Evidence("", "drops support for the v1 protocol")
    assert index.find("src/app.py", own.quote) == index.find("", own.quote) == own


def test_words_of_the_message_are_evidence_for_a_path_of_the_commit():
    said = commit("fix: x", body="This drops support for the v1 protocol.")
    proof = patch.EvidenceIndex(said, [PATCH])
    assert proof.find("src/app.py", "drops support for the v1 protocol") is not None
    assert proof.find("src/other.py", "drops support for the v1 protocol") is None


def test_a_long_new_file_is_shown_in_part_with_its_lines_numbered():
    text = "@@ -0,0 +1,400 @@\n" + "\n".join(f"+value_{n} = {n}" for n in range(1, 401))
    made = commit("feat: x", change("src/new.py", 400, 0))
    seen = patch.select(made, [FilePatch("src/new.py", text)], 900)
    assert 0.1 < seen.coverage < 0.9
    assert "@@ line 81 @@" in seen.text
    assert "+value_81 = 81" in seen.text.split("@@ line 81 @@")[1].splitlines()[1]
    assert patch.EvidenceIndex(made, [FilePatch("src/new.py", text)]).find("src/new.py", "value_333 = 333").line == 333


LICENCES = {
    "hash": "#!/bin/sh\n# Copyright 2026 The Authors\n#\n# Licensed under the Apache License.\n\n",
    "slashes": "// SPDX-License-Identifier: MIT\n// Copyright\n",
    "block": "/*\n   Copyright (c) 2026\n   All rights reserved.\n */\n\n",
    "page": "<!--\n  Licensed to the Foundation\n-->\n",
}


@pytest.mark.parametrize("licence", LICENCES.values(), ids=LICENCES)
def test_where_room_is_short_the_licence_of_a_new_file_is_left_out_and_counted(licence):
    text = licence + "".join(f"value_{n} = {n}\n" for n in range(400))
    lines = text.splitlines()
    made = commit("feat: x", change("src/new.py", len(lines), 0, status=FileStatus.ADDED))
    patches = [FilePatch("src/new.py", f"@@ -0,0 +1,{len(lines)} @@\n+" + "\n+".join(lines))]
    short = patch.select(made, patches, 900)
    assert "icen" not in short.text
    assert "opyright" not in short.text
    assert short.text.splitlines()[1] == f"@@ line {licence.count(chr(10)) + 1} @@"
    shown = sum(line.startswith("+") for line in short.text.splitlines())
    assert f"{len(lines) - shown} changed lines not shown" in short.left_out[0]
    assert licence.splitlines()[0] in patch.select(made, patches, 9_000).text


@pytest.mark.parametrize("head", ["# What is left.", "// A new licence key", "/// Copyright", "copyright = 1"])
def test_a_comment_that_is_no_licence_stays(head):
    lines = [head, *(f"value_{n} = {n}" for n in range(400)), "# Copyright"]
    made = commit("feat: x", change("src/new.py", len(lines), 0, status=FileStatus.ADDED))
    patches = [FilePatch("src/new.py", f"@@ -0,0 +1,{len(lines)} @@\n+" + "\n+".join(lines))]
    assert f"+{head}" in patch.select(made, patches, 900).text


def test_where_room_is_short_the_body_of_a_deleted_file_comes_last():
    gone = "".join(f"-gone_{n} = {n}\n" for n in range(400))
    new = "".join(f"+value_{n} = {n}\n" for n in range(60))
    made = commit(
        "refactor: x",
        change("src/gone.py", 0, 400, status=FileStatus.REMOVED),
        change("src/new.py", 60, 0, status=FileStatus.ADDED),
        change("tests/test_new.py", 60, 0, status=FileStatus.ADDED),
    )
    patches = [
        FilePatch("src/gone.py", f"@@ -1,400 +0,0 @@\n{gone}"),
        FilePatch("src/new.py", f"@@ -0,0 +1,60 @@\n{new}"),
        FilePatch("tests/test_new.py", "@@ -0,0 +1,9 @@\n" + "".join(f"+check_{n}()\n" for n in range(9))),
    ]
    tight, roomy = (patch.select(made, patches, room).text for room in (520, 1_200))
    assert "value_59" in tight
    assert "check_8" in tight
    assert "-gone_1 " not in tight
    assert "-gone_1 " in roomy


def test_a_large_patch_is_read_in_parts_that_together_hold_it_once():
    text = "@@ -0,0 +1,400 @@\n" + "\n".join(f"+value_{n} = {n}" for n in range(1, 401))
    made = commit("feat: x", change("src/new.py", 400, 0))
    pages = patch.parts(made, [FilePatch("src/new.py", text)], 1_200, 4)
    assert len(pages) == 2
    assert sum(page.coverage for page in pages) == pytest.approx(1)
    lines = [line for page in pages for line in page.text.splitlines() if line.startswith("+")]
    assert sorted(lines) == sorted(text.splitlines()[1:])
    assert all(patch.tokens(page.text) <= 1_200 for page in pages)
    assert all("the other parts" in page.left_out[0] for page in pages)


def test_what_is_beyond_the_last_part_is_named():
    text = "@@ -0,0 +1,400 @@\n" + "\n".join(f"+value_{n} = {n}" for n in range(1, 401))
    made = commit("feat: x", change("src/new.py", 400, 0))
    pages = patch.parts(made, [FilePatch("src/new.py", text)], 700, 2)
    assert sum(page.coverage for page in pages) < 1
    assert "changed lines not shown" in pages[0].left_out[-1]


def test_renames_and_changes_of_mode_stand_in_a_line():
    files = [
        FileChange("src/b.py", FileStatus.RENAMED, previous="src/a.py"),
        FileChange("run.sh"),
        FileChange("logo.png", binary=True),
    ]
    seen = patch.select(commit("chore: move", *files), [], 500)
    assert seen.text.splitlines() == [
        "=== run.sh (modified, no line changed)",
        "=== src/b.py (renamed, was src/a.py, no line changed)",
    ]
    assert seen.left_out == ("logo.png (modified, binary)",)
    assert seen.coverage == 1


def test_a_path_cannot_forge_a_line_of_a_prompt():
    made = commit("feat: x", change("docs/a\n=== src/forged.py (modified, +1 -0)\n+x", 1, 0))
    seen = patch.select(made, [], 500)
    assert all("\n" not in line for line in seen.left_out)
    assert not [line for line in seen.text.splitlines() if line.startswith("=== src/forged")]


def test_lines_between_which_something_was_added_are_those_of_the_old_file():
    index = patch.EvidenceIndex(
        commit("fix: x"), [FilePatch("src/app.py", "@@ -1,2 +1,3 @@\n one()\n+two()\n three()")]
    )
    found = index.find("src/app.py", "one()\nthree()")
    assert (found.line, found.last, found.removed) == (1, 3, False)


MOVED = """\
@@ -1,5 +1,6 @@
 def serve(port):
-    token = make_token(port)
-    return start(token)
+    with limited():
+        token = make_token(port)
+        return start(token, 3)
 # end"""


@pytest.mark.parametrize(
    ("quote", "line", "how"),
    [
        ("token = make_token(port)", 3, ""),
        ("return start(token, 3)", 4, "added"),
        ("token = make_token(port)\n        return start(token, 3)", 3, "added"),
        ("with limited():", 2, "added"),
        ("return start(token)", 3, "removed"),
        ("token = make_token(port)\n    return start(token)", 2, "removed"),
        ("start(token", 4, "added"),
    ],
)
def test_a_line_that_is_only_indented_is_neither_added_nor_removed(quote, line, how):
    found = patch.EvidenceIndex(commit("fix: x"), [FilePatch("src/app.py", MOVED)]).find("src/app.py", quote)
    assert (found.line, found.how) == (line, how)


def test_a_line_that_stays_elsewhere_was_so_before():
    text = MOVED.replace("        token = make_token(port)\n", "") + "\n@@ -20,1 +20,2 @@\n def other(port):"
    text += "\n+    token = make_token(port)"
    index = patch.EvidenceIndex(commit("fix: x"), [FilePatch("src/app.py", text)])
    assert index.find("src/app.py", "def serve(port):\n    token = make_token(port)").how == "was"


@pytest.mark.parametrize(
    ("removed", "written", "inside"),
    [
        ("func (h *Handler) Serve(", "func (r *Route) Serve(", "Route.Serve"),
        ("func (h *Handler) Serve(", "", ""),
        ("func (h *Handler) Other(", "func (r *Route) Other(", "Handler.Serve"),
    ],
)
def test_a_section_that_an_earlier_hunk_replaces_is_what_stands_there_now(removed, written, inside):
    first = [f"-{removed}w Writer) error {{", *([f"+{written}w Writer) error {{"] if written else [])]
    first += ["+// It ends here." for _ in range(2)]
    section = "@@ -20,2 +20,3 @@ func (h *Handler) Serve(w Writer) error {"
    text = "\n".join(["@@ -1,1 +1,2 @@", *first, section, " \tfirst := 1", "+\tsecond := 2", " \tthird := 3"])
    found = patch.EvidenceIndex(commit("fix: x", change("src/app.go")), [FilePatch("src/app.go", text)]).find(
        "src/app.go", "second := 2"
    )
    assert found.inside == inside


@given(st.lists(st.sampled_from("+- @"), min_size=1, max_size=40), st.data())
def test_any_few_lines_of_one_side_are_found_where_they_are(marks, data):
    """`@` begins another hunk: lines on both sides of it do not follow each other."""
    hunks: list[list[tuple[str, int, int]]] = [[]]
    text, old, new = ["@@ -1,1 +1,1 @@"], 1, 1
    for mark in marks:
        if mark == "@":
            old, new = old + 10, new + 7
            text.append(f"@@ -{old},1 +{new},1 @@")
            hunks.append([])
            continue
        text.append(f"{mark}value({old}, {new}, {mark!r})")
        hunks[-1].append((mark, old, new))
        old, new = old + (mark != "+"), new + (mark != "-")
    left_out = data.draw(st.sampled_from("+-"))
    side = [[line for line in hunk if line[0] != left_out] for hunk in hunks]
    hunk = data.draw(st.sampled_from([hunk for hunk in side if hunk] or [[]]))
    if not hunk:
        return
    start = data.draw(st.integers(0, len(hunk) - 1))
    lines = hunk[start : start + data.draw(st.integers(1, patch.QUOTE_LINES))]
    quote = "\n  ".join(f"value({old}, {new}, {mark!r})" for mark, old, new in lines)
    found = patch.EvidenceIndex(commit("fix: x"), [FilePatch("src/app.py", "\n".join(text))]).find("src/app.py", quote)
    removed = any(mark == "-" for mark, _, _ in lines)
    numbers = [line[1] if removed else line[2] for line in lines]
    assert (found.line, found.last or found.line, found.removed) == (numbers[0], numbers[-1], removed)
