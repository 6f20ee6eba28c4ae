"""The rules' grades: what is high, what is low, and how much a reader is asked to read."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make import change, commit, sha

from bot.judgement import triage
from bot.values import ChangeType, Importance

WIDE = [change(f"src/core/part{n}.py", 300, 80) for n in range(6)] + [change("tests/test_core.py", 200, 3)]


def grade(subject, *files, **more):
    return triage.judge([commit(subject, *files, **more)])[0]


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("feat(api): add retries (#3)", ChangeType.FEATURE),
        ("fix: crash at start", ChangeType.FIX),
        ("[BugFix] wrong shape in the kernel (#9)", ChangeType.FIX),
        ("[Perf][Ops] faster copy", ChangeType.PERFORMANCE),
        ('Revert "feat: add retries" (#5)', ChangeType.REVERT),
        ("refactor!: new layout", ChangeType.REFACTOR),
        ("Bump requests from 2.31 to 2.32", ChangeType.DEPENDENCIES),
        ("修复启动时崩溃的问题", ChangeType.FIX),
        ("新增批量导出接口", ChangeType.FEATURE),
        ("优化查询性能", ChangeType.PERFORMANCE),
        ("重构配置模块", ChangeType.REFACTOR),
        ("wip", ChangeType.OTHER),
    ],
)
def test_the_type_is_read_from_the_subject_in_both_languages(subject, expected):
    assert grade(subject).features.first is expected


@pytest.mark.parametrize(
    ("path", "reason", "type_"),
    [
        ("docs/a.md", "only_docs", ChangeType.DOCS),
        ("tests/test_a.py", "only_test", ChangeType.TEST),
        (".github/workflows/x.yml", "only_ci", ChangeType.BUILD),
        ("uv.lock", "generated", ChangeType.DEPENDENCIES),
    ],
)
def test_without_source_files_a_commit_is_low(path, reason, type_):
    judged = grade("update things", change(path, 900, 900))
    assert (judged.importance, judged.reason, judged.features.first) == (Importance.LOW, reason, type_)


@pytest.mark.parametrize(
    ("subject", "body", "reason"),
    [
        ("feat!: drop the old endpoint", "", "breaking"),
        ("fix(api)!: rename a field", "", "breaking"),
        ("refactor: settings", "BREAKING CHANGE: the file moved", "breaking"),
        ("fix: prevent path traversal (CVE-2026-1234)", "", "security"),
        ("security: check the signature", "", "security"),
        ("修复安全漏洞：校验签名", "", "security"),
    ],
)
def test_breaking_changes_and_security_are_always_high(subject, body, reason):
    crowd = [commit(f"feat: support number {n}", *WIDE, sha=sha(n)) for n in range(1, 20)]
    judged = triage.judge([*crowd, commit(subject, body=body)])[-1]
    assert (judged.importance, judged.reason, judged.always) == (Importance.HIGH, reason, True)


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        ("Stabilize the cache", "stable"),
        ("Deprecate the old client", "deprecate"),
        ("Use the new resolver by default", "default"),
        ("Reject archives without a checksum", "strict"),
        ("Remove the legacy endpoint", "remove"),
        ("Read `--jobs` from the environment", "option"),
        ("Add a second backend", "new"),
        ("默认开启缓存", "default"),
        ("弃用旧接口", "deprecate"),
        ("新增导出功能", "new"),
    ],
)
def test_a_telling_word_lifts_a_commit_and_is_its_reason(subject, reason):
    plain = grade("Change the parser a bit", *WIDE)
    told = grade(subject, *WIDE)
    assert told.reason == reason
    assert told.score > plain.score


@pytest.mark.parametrize("subject", ["refactor: the parser", "Fix a typo", "Add tests for the parser", "整理代码"])
def test_words_for_inner_work_lower_a_commit(subject):
    assert grade(subject, *WIDE).score < grade("Change the parser a bit", *WIDE).score


def test_size_alone_makes_nothing_high():
    assert grade("Change the parser a bit", change("src/a.py", 5_000, 5_000)).importance is not Importance.HIGH


@pytest.mark.parametrize("path", ["examples/web/app.py", "scripts/release.py", "vendor/lib/x.go"])
def test_what_nobodys_program_runs_does_not_count_as_source(path):
    assert grade("Add a second backend", change(path, 500, 3)).importance is Importance.LOW


def test_a_bots_commit_is_lowered():
    own, bots = grade("Add a second backend", *WIDE), grade("Add a second backend", *WIDE, login="dependabot[bot]")
    assert bots.score < own.score


def test_the_rules_read_what_the_reader_sees():
    assert grade("feat\u200b!: drop the old endpoint").features.reading.breaking
    assert grade("x", body="BREAKING\u200b CHANGE: y").features.reading.breaking


def test_a_hostile_merge_title_takes_no_time():
    body = "[a]" + " " * 60_000 + "." + "remove " * 9_000
    merged = commit("Merge pull request #7 from dev/branch", body=body, inner=("x",), pull=7)
    assert len(merged.reading.title) <= 1_000


@pytest.mark.parametrize(
    ("subject", "path"),
    [
        ("feat!: drop the v1 endpoint", "api/v1.proto"),
        ("fix(security): CVE-2026-1234 in the policy", "db/policy.sql"),
        ("fix!: another layout", "deploy/Dockerfile"),
    ],
)
def test_interfaces_and_configuration_are_always_high_when_they_break(subject, path):
    judged = grade(subject, change(path))
    assert (judged.importance, judged.always) == (Importance.HIGH, True)


@pytest.mark.parametrize(
    "subject",
    ["chore(deps): update dependency fastify to v5.8.3 [security]", "Fix pull request security review setup"],
)
def test_an_update_that_names_security_is_not_always_high(subject):
    assert not grade(subject, change("package.json"), change(".github/x.yml")).always


@pytest.mark.parametrize("path", ["docs/a.md", "tests/test_a.py", ".github/workflows/ci.yml", "examples/a.py"])
def test_what_no_user_feels_is_never_high_by_its_word_alone(path):
    assert not grade("feat!: drop the v1 endpoint", change(path)).always


def test_a_commit_without_files_says_so():
    empty = triage.judge([replace(commit("chore: trigger the build"), files=())])[0]
    assert (empty.importance, empty.reason) == (Importance.LOW, "empty")


def test_a_quiet_day_has_nothing_high():
    day = [commit(f"docs: page {n}", change(f"docs/{n}.md"), sha=sha(n)) for n in range(10)]
    assert {j.importance for j in triage.judge(day)} == {Importance.LOW}


@given(st.lists(st.sampled_from(["feat: support x by default", "fix: y", "docs: z", "stabilize the API"]), max_size=60))
def test_at_most_one_commit_in_eight_is_high(subjects):
    day = [commit(s, *WIDE, sha=sha(n)) for n, s in enumerate(subjects)]
    judged = triage.judge(day)
    assert len(judged) == len(day)
    assert sum(j.importance is Importance.HIGH for j in judged) <= max(1, round(len(day) / 8))


def test_the_best_scored_stay_high():
    wishes, scores = [Importance.HIGH] * 16, [n / 16 for n in range(16)]
    kept = triage.budget(wishes, scores, [n == 0 for n in range(16)])
    assert [n for n, i in enumerate(kept) if i is Importance.HIGH] == [0, 15]


def test_a_merge_is_judged_by_its_pull_requests_title():
    merged = commit("Merge pull request #7 from dev/branch", body="feat: support plugins", inner=("x",), pull=7)
    assert merged.reading.title == "support plugins"


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_message_can_be_judged(subject, body):
    assert 0 <= grade(subject, body=body).score <= 1
