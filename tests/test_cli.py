"""The command line: what a person types, sees, and gets as exit code, as a real process where that matters."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typed import process, run
from world import busy_day


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    return busy_day(tmp_path_factory.mktemp("busy") / "app")


def test_a_digest_of_the_repository_one_stands_in(history, tmp_path):
    done = process("2026-02-18", str(history.path))
    assert (done.returncode, done.stderr) == (0, "")
    assert "29 commits | 🔴 6 | 🟡 12 | 🟢 11" in done.stdout
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(history.path), str(clone)], check=True)
    (clone / "sub").mkdir()
    assert "29 commits" in run("2026-02-18", cwd=clone / "sub").stdout
    assert "replace endpoint 3" in run("103", cwd=clone).stdout


def test_a_line_in_quotation_marks_is_the_line(history, tmp_path):
    clone = tmp_path / "a folder" / "clone"
    subprocess.run(["git", "clone", "-q", str(history.path), str(clone)], check=True)
    assert "replace endpoint 3" in run("explain #103 please", cwd=clone).stdout
    assert "whether #103 has been released" in run("is #103 released?", cwd=clone).stdout
    assert "not a repository" not in run("who knows src/api/?", cwd=clone).stderr
    assert "repository at" not in (asked := run("How many commits touch docs/api/guide?", cwd=clone)).stderr, asked
    assert "29 commits" in run("2026-02-18", str(clone)).stdout


def test_options_may_stand_anywhere(history):
    for words in (["--json", "103", "--repo", str(history.path)], ["103", "--repo", str(history.path), "--json"]):
        (post,) = json.loads(run(*words).stdout)
        assert post["headline"]["key"].startswith("commit:")


@pytest.mark.parametrize("form", ["md", "html", "json"])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_reports_are_the_same_every_time(history, tmp_path, form, lang):
    words = ["report", str(history.path), "--date", "2026-02-18", "--lang", lang, "--format", form]
    first = run(*words)
    assert first.returncode == 0, first.stderr
    assert process(*words, "-o", "report.txt").returncode == 0
    assert Path("report.txt").read_text(encoding="utf-8") == first.stdout
    assert "replace endpoint 3" in first.stdout


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["nonsense"], 2, "Type digest help"),
        (["yesterdya"], 2, "Did you mean"),
        (["yesterday", "/nowhere/at/all"], 1, "/nowhere/at/all"),
        (["2026-02-18"], 2, "Which repository?"),
        (["report", "--format", "docx"], 2, "docx"),
        (["report", ".", "--zone", "Mars/Base"], 2, "Mars/Base"),
    ],
)
def test_failures_have_a_sentence_and_an_exit_code_and_no_traceback(words, code, told):
    done = run(*words)
    assert done.returncode == code
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_errors_come_in_the_language_that_is_set():
    assert "不认识" in process("nonsense", DIGEST_LANGUAGE="zh").stderr


@pytest.mark.parametrize(
    ("name", "value"), [("DIGEST_ZONE", "Mars/Base"), ("OPENAI_TIMEOUT", "soon"), ("DIGEST_LANGUAGE", "fr")]
)
def test_a_wrong_setting_is_named(name, value):
    done = run("help", **{name: value})
    assert done.returncode == 1
    assert f"The setting {name} is invalid" in done.stderr


def test_a_secret_is_never_shown(history):
    secret = "sk-never-to-be-seen-1234567890"
    settings = {"OPENAI_MODEL": "m", "OPENAI_API_KEY": secret, "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    settings |= {"GITHUB_TOKEN": secret, "OPENAI_TIMEOUT": "1"}
    done = process("2026-02-18", str(history.path), **settings)
    assert done.returncode == 0, done.stderr
    assert "29 commits" in done.stdout
    assert secret not in done.stdout + done.stderr
    database = Path(os.environ["HOME"]) / ".local/share/commit-digest/digest.db"
    assert secret.encode() not in database.read_bytes()


def test_settings_come_from_a_file_too(history):
    Path("own.env").write_text(f"DIGEST_REPO={history.path}\nDIGEST_LANGUAGE=zh\n", encoding="utf-8")
    assert "29 个提交" in run("2026-02-18", DIGEST_ENV_FILE="own.env").stdout
    done = run("2026-02-18", DIGEST_ENV_FILE="none.env")
    assert (done.returncode, "DIGEST_ENV_FILE" in done.stderr) == (1, True)


@pytest.mark.parametrize("how", ["cloned", "unpacked", "unpacked deep"])
def test_a_settings_file_of_a_repository_is_not_read(history, tmp_path, how):
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(history.path), str(clone)], check=True)
    if how != "cloned":
        settings_repo, clone = clone, tmp_path / how.replace(" ", "/") / "app-main"
        clone.mkdir(parents=True)
        archive = subprocess.run(["git", "-C", str(settings_repo), "archive", "HEAD"], capture_output=True, check=True)
        subprocess.run(["tar", "-x", "-C", str(clone)], input=archive.stdout, check=True)
    (clone / ".env").write_text("DIGEST_LANGUAGE=zh\nOPENAI_MODEL=m\nOPENAI_BASE_URL=http://127.0.0.1:9/v1\n")
    asked = ("2026-02-18", str(history.path))
    done = run(*asked, cwd=clone)
    assert "29 commits" in done.stdout
    told = run("doctor", "slack", cwd=clone, SLACK_URL="http://127.0.0.1:9/").stdout
    assert f"{clone}/.env was not read" in " ".join(told.split())
    own = Path(os.environ["HOME"]) / ".config/commit-digest/.env"
    own.parent.mkdir(parents=True)
    own.write_text("DIGEST_LANGUAGE=zh\n")
    assert "29 个提交" in run(*asked, cwd=clone).stdout


def test_an_error_shows_no_control_characters():
    done = process("yesterday", "/no\x1b[31mwhere")
    assert "\x1b" not in done.stderr
    assert "/nowhere" in done.stderr


def test_following_makes_plain_digest_enough(history):
    assert "now follows app" in run("subscribe", str(history.path), "at", "08:00").stdout
    assert "app" in run().stdout
    assert "0 8 * * mon-fri" in run("list").stdout


def test_the_conversation_reads_lines_until_they_end(history):
    done = process("chat", "--repo", str(history.path), stdin="2026-02-18\nthread 1\nexit\n")
    assert done.returncode == 0, done.stderr
    assert "29 commits" in done.stdout
    assert "-- 🔴" in done.stdout


def test_the_database_is_shown(history):
    run("2026-02-18", str(history.path))
    assert "29  commits" in run("db").stdout
    assert json.loads(run("db", "--json").stdout)["commits"] == 29


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_get_their_completion(shell):
    assert "_DIGEST_COMPLETE" in run("completion", shell).stdout


def test_completion_knows_the_grammar():
    done = process(_DIGEST_COMPLETE="bash_complete", COMP_WORDS="digest sub", COMP_CWORD="1")
    assert "subscribe" in done.stdout


def test_help_needs_no_part_of_the_bot():
    code = "import sys; sys.argv = ['digest', '--help']\nimport bot.cli as m\n"
    code += "try: m.main()\nexcept SystemExit: pass\n"
    code += "print(sorted({'pydantic', 'rich', 'openai', 'github', 'sqlite_utils', 'lark_oapi'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "yesterday's digest" in done.stdout
    assert done.stdout.endswith("[]\n")


def test_a_reader_that_leaves_a_pipe_is_no_error(history):
    command = f"{sys.executable} -m bot 2026-02-18 {history.path} | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr


def test_a_report_says_what_it_wrote_and_takes_a_folder_by_its_name(history, tmp_path):
    subprocess.run(["git", "clone", "-q", str(history.path), str(tmp_path / "clone")], check=True)
    done = run("report", "clone", "--date", "2026-02-18", "-o", "report.md", cwd=tmp_path)
    size = (tmp_path / "report.md").stat().st_size
    assert (done.returncode, done.stdout) == (0, f"Wrote report.md ({size:,} bytes)\n")


def test_a_report_that_cannot_be_written_is_told(history):
    done = run("report", str(history.path), "--date", "2026-02-18", "-o", "/proc/none/report.md")
    assert done.returncode == 1
    assert "Cannot write /proc/none/report.md" in done.stderr


def test_a_line_that_the_documentation_gives_can_be_typed(history):
    path = str(history.path)
    assert run("subscribe", path, "authors", "-dependabot").returncode == 0
    for words in (["2026-02-18", path], [path, "2026-02-18"], [path, "--date", "2026-02-18"]):
        assert "# Daily report (2026-02-18)" in run("report", *words).stdout


def test_a_path_with_a_space_is_one_repository(history, tmp_path):
    clone = tmp_path / "two words"
    subprocess.run(["git", "clone", "-q", str(history.path), str(clone)], check=True)
    assert "29 commits" in run("2026-02-18", str(clone)).stdout
    assert "(2026-02-18)" in run("report", str(clone), "--date", "2026-02-18").stdout


def test_an_option_comes_before_what_is_followed(history):
    path = str(history.path)
    run("subscribe", path, "lang", "en", DIGEST_ZONE="")
    done = run("report", path, "--date", "2026-02-18", "--lang", "zh", "--zone", "Asia/Shanghai", DIGEST_ZONE="")
    assert "# 每日更新报告（2026-02-18）" in done.stdout
    assert "Asia/Shanghai" in done.stdout
    assert "commits" not in done.stdout.split("\n| ")[0]


def test_the_language_of_errors_is_that_of_the_settings_file(tmp_path):
    (tmp_path / "own.env").write_text("DIGEST_LANGUAGE=zh\n")
    said = run("nonsense", cwd=tmp_path, DIGEST_ENV_FILE="own.env").stderr
    assert "帮助" in said or "不认识" in said


def test_a_settings_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / "own.env").write_bytes(b"DIGEST_REPO=caf\xe9\n")
    done = run("yesterday", DIGEST_ENV_FILE=str(tmp_path / "own.env"))
    assert done.returncode == 1
    assert str(tmp_path / "own.env") in done.stderr
    assert "Traceback" not in done.stderr
    done = run("yesterday", DIGEST_DATABASE="~nosuchuser/x.db")
    assert "DIGEST_DATABASE" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_terminal_that_knows_few_characters_still_shows_the_digest(history):
    done = process("2026-02-18", str(history.path), PYTHONIOENCODING="latin-1")
    assert done.returncode == 0
    assert "29 commits" in done.stdout


def test_a_digest_can_be_posted_to_a_slack_channel(history):
    from slack_server import TOKEN, SlackServer

    with SlackServer(lambda: 0.0) as slack:
        settings = {"SLACK_BOT_TOKEN": TOKEN, "SLACK_URL": slack.url}
        done = run("2026-01-05", str(history.path), "--to", "slack:C1", **settings)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert [m["blocks"][0]["type"] for m in slack.messages["C1"]] == ["header"]
        gone = run("2026-01-05", str(history.path), "--to", "slack:C9", **settings)
    assert gone.returncode == 1
    assert "C9" in gone.stderr
    assert TOKEN not in gone.stderr


@pytest.mark.parametrize(
    ("to", "code", "told"),
    [("slack:C1", 1, "SLACK_BOT_TOKEN"), ("nowhere", 2, "slack:C0123456789"), ("slack:", 2, "slack:")],
)
def test_a_place_that_cannot_be_posted_to_is_told(history, to, code, told):
    done = run("2026-01-05", str(history.path), "--to", to)
    assert (done.returncode, done.stdout) == (code, "")
    assert told in done.stderr


def test_a_slack_channel_is_followed_by_the_name_that_it_has_there():
    done = run("subscribe", "owner/repo", "--to", "slack:C1", SLACK_BOT_TOKEN="xoxb-test")
    assert done.returncode == 2
    assert "slack:T0123456789/C0123456789" in done.stderr
