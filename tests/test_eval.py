"""`make eval`: its figures on small cases worked out by hand, its files, and what it says of bad ones."""

import gzip
import json

import graded
import metrics
import pytest
import run as evaluation
from graded import Unreadable
from make import sha
from metrics import Page
from model_server import ModelServer
from recorded import Recorded
from world import busy_day

from bot.errors import ModelError
from bot.values import FileChange, FileStatus, Question

RECORD = {
    "repo": "team/app",
    "sha": "a" * 40,
    "date": "2026-02-18T10:00:00+08:00",
    "subject": "feat: add a backend (#3)",
    "numstat": [["src/app.py", 3, 1], ["logo.png", None, None]],
    "grade": "high",
}


def write(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


# --- Figures ---------------------------------------------------------------------------------


def test_macro_f1_is_the_mean_over_the_grades_that_occur():
    # low: 2 of 2 and one too many, 2*2/(2+3); high: 1 of 2, 2*1/(2+1); medium never occurs
    assert metrics.macro_f1([0, 0, 2, 2], [0, 0, 0, 2]) == pytest.approx((4 / 5 + 2 / 3) / 2)


def test_kappa_counts_two_grades_apart_four_times():
    assert metrics.kappa([0, 1, 2], [0, 1, 2]) == 1
    assert metrics.kappa([0, 2], [2, 0]) == pytest.approx(-1)
    # seen: 1 + 0 + 4; by chance: low is said once, 0 + 1 + 4, medium twice, 2 * (1 + 0 + 1), of three commits
    assert metrics.kappa([0, 1, 2], [1, 1, 0]) == pytest.approx(1 - 5 / 3)
    assert metrics.kappa([1, 1], [1, 1]) is None


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([0.1, 0.2, 0.9], 1), ([0.9, 0.2, 0.1], 0), ([0.5, 0.5, 0.5], 0.5), ([0.1, 0.9, 0.9], 0.75)],
)
def test_auc_is_the_chance_to_be_scored_above(scores, expected):
    assert metrics.auc([False, False, True], scores) == pytest.approx(expected)


def test_auc_of_one_kind_is_none():
    assert metrics.auc([True, True], [1, 2]) is None


def test_ties_at_the_fifth_place_are_broken_at_random():
    # four above, one place for four that tie, one of which is wanted
    wanted = [True, False, False, False, True, False, False, False]
    assert metrics.expected_hits(wanted, [9, 8, 7, 6, 1, 1, 1, 1]) == pytest.approx(1.25)


def test_a_page_that_five_hold_does_not_count_for_the_best_five():
    small = Page((2, 0, 0), (2, 0, 0), (0.9, 0.1, 0.1))
    large = Page((2, *[0] * 9), (0, *[0] * 9), (0.0, *[0.5] * 9))
    assert metrics.measure([small, large])["recall_at_5"] == 0
    assert metrics.measure([small, large])["recall_high"] == 0.5


def test_a_repository_of_two_levels_has_no_middle_to_measure():
    page = Page((2, 0, 0, 0, 0, 0), (2, 0, 0, 0, 0, 0), (0.9, 0.1, 0.1, 0, 0, 0), levels=2)
    assert {"macro_f1", "kappa", "auc_listed"}.isdisjoint(metrics.measure([page]))
    assert metrics.mean([metrics.measure([page]), {"kappa": 0.5}])["kappa"] == 0.5


def test_intervals_hold_the_mean_and_are_the_same_each_time():
    pages = [Page((2, 0, n % 2, 0, 0, 0), (n % 3, 0, 0, 0, 0, 0), (0.9, 0.1, 0.2, 0, 0, 0)) for n in range(12)]
    found = metrics.intervals([pages], 50)
    assert found == metrics.intervals([pages], 50)
    low, high = found["share_high"]
    assert low <= metrics.measure(pages)["share_high"] <= high
    assert low < high


# --- Files -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("a/{b => c}/d.py", "a/b/d.py", "a/c/d.py"),
        ("{ => src}/d.py", "/d.py", "src/d.py"),
        ("a/{b/c => }/d.py", "a/b/c/d.py", "a/d.py"),
        ("b.py => c.py", "b.py", "c.py"),
    ],
)
def test_renames_are_read_as_git_writes_them(path, old, new):
    assert graded._file(path, 1, 2) == FileChange(new, FileStatus.RENAMED, 1, 2, previous=old)


def test_graded_commits_are_read_plain_and_gzipped(tmp_path):
    plain = write(tmp_path / "a.jsonl", RECORD, RECORD | {"bot": True, "grade": "low"})
    packed = tmp_path / "a.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert graded.read(plain) == graded.read(packed)
    first, second = graded.read(plain)["team/app"]
    assert (first.grade, second.grade, first.commit.files[1].binary) == (2, 0, True)
    assert second.commit.login == "bot[bot]"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no commit"),
        ("nonsense\n", "line 1"),
        (json.dumps(RECORD) + "\n{}\n", "line 2: the field 'repo' is missing"),
        (json.dumps(RECORD | {"grade": "urgent"}), "urgent"),
        (json.dumps(RECORD | {"date": "yesterday"}), "line 1"),
        (json.dumps(RECORD | {"numstat": [7]}), "line 1"),
        ("[]\n", "line 1"),
    ],
)
def test_a_file_that_cannot_be_read_says_where(tmp_path, text, told):
    path = tmp_path / "bad.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Unreadable, match=told):
        graded.read(path)


def test_a_file_that_is_not_there_or_not_packed_is_told(tmp_path, capsys):
    assert evaluation.main(["--graded", str(tmp_path / "none.jsonl")]) == 2
    (tmp_path / "bad.gz").write_bytes(b"no")
    assert evaluation.main(["--graded", str(tmp_path / "bad.gz")]) == 2
    assert "cannot be read" in capsys.readouterr().out


# --- Runs ------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path):
    kinds = [
        ("feat: add a backend", "src/a.py", "high"),
        ("docs: say so", "docs/a.md", "low"),
        ("fix: x", "src/b.py", "medium"),
    ]
    records = [
        RECORD | {"sha": sha(n), "subject": f"{subject} (#{n})", "numstat": [[path, 300, 2]], "grade": grade}
        for n in range(40)
        for subject, path, grade in [kinds[n % 3]]
    ]
    return write(tmp_path / "graded.jsonl", *records)


def test_the_rules_are_measured_and_two_runs_compared(file, tmp_path, capsys):
    out = tmp_path / "new" / "one.json"
    assert evaluation.main(["--graded", str(file), "--rounds", "20", "--out", str(out)]) == 0
    made = json.loads(out.read_text())
    assert (made["model"], made["prompts"], made["triage"]["commits"]) == ("rules", [], 40)
    assert made["triage"]["mean"]["auc_high"] == 1
    assert evaluation.main(["--compare", str(out), str(out)]) == 0
    assert "+0.000" in capsys.readouterr().out
    assert evaluation.main(["--compare", str(out), str(tmp_path / "none.json")]) == 2


def test_nothing_to_do_says_what_to_name(capsys):
    assert evaluation.main([]) == 2
    assert "GRADED" in capsys.readouterr().out


@pytest.fixture
def server(monkeypatch):
    from answers import answer

    with ModelServer(answer=answer) as running:
        monkeypatch.setenv("OPENAI_MODEL", "test-model")
        monkeypatch.setenv("OPENAI_BASE_URL", running.url)
        monkeypatch.setenv("OPENAI_API_KEY", running.key)
        yield running


def test_a_model_is_measured_live_and_again_from_its_record(file, server, tmp_path):
    record, first, second = (tmp_path / name for name in ("answers.jsonl", "one.json", "two.json"))
    base = ["--graded", str(file), "--rounds", "0", "--pages", "1", "--record", str(record)]
    assert evaluation.main([*base, "--model", "live", "--out", str(first)]) == 0
    asked = len(server.statuses)
    assert asked == 1
    assert evaluation.main([*base, "--model", "recorded", "--out", str(second)]) == 0
    assert len(server.statuses) == asked
    assert json.loads(first.read_text()) == json.loads(second.read_text())
    assert json.loads(first.read_text())["model"] == "test-model"


def test_a_real_day_tells_what_it_took(server, tmp_path):
    history = busy_day(tmp_path / "app")
    out = tmp_path / "day.json"
    asked = ["--repo", str(history.path), "--date", "2026-02-18", "--model", "live", "--out", str(out)]
    assert evaluation.main([*asked, "--price-in", "1", "--price-out", "2"]) == 0
    day = json.loads(out.read_text())["day"]
    assert (day["commits"], day["complete"], day["evidence_rate"], day["notices"]) == (29, 1, 1, [])
    assert day["requests"] == len(server.statuses) == 56
    assert day["cost"] == pytest.approx((day["prompt"] + 2 * day["completion"]) / 1e6)
    assert day["tokens_a_commit"] > 0


def test_a_record_that_lacks_an_answer_fails_kindly(tmp_path):
    with pytest.raises(ModelError):
        Recorded(tmp_path / "none.jsonl", "m").ask(Question("q", "s", "u", {}, 5))


def test_a_repository_that_is_not_there_is_told(tmp_path, capsys):
    assert evaluation.main(["--repo", str(tmp_path), "--date", "2026-02-18"]) == 1
    assert "repository" in capsys.readouterr().out
