"""Each setting is described once: what is written of it, what the doctor says of it, and what is kept secret of it."""

import importlib.util
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import Field, SecretStr

from adapters.logs import Formatter, secrets_of
from bot import parts
from bot.cli import cli
from bot.parts import AllSettings
from bot.settings import Base, load, misspelled

ROOT = Path(__file__).resolve().parent.parent
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for folder in ("bot", "adapters")
    for path in sorted((ROOT / folder).rglob("settings.py"))
]
SDKS = ["slack_sdk", "slack_bolt", "lark_oapi", "github", "openai", "sqlite_utils", "rich", "requests", "httpx2"]
SECRETS = [name for name, field in AllSettings.model_fields.items() if field.annotation is SecretStr]


def classes(module):
    made = vars(importlib.import_module(module)).values()
    return {each for each in made if isinstance(each, type) and issubclass(each, Base)}


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("settings_script", ROOT / "docs" / "settings.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def doctor(monkeypatch, *options, **settings):
    """What the doctor says of the settings alone."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    output = CliRunner().invoke(cli, ["doctor", *options]).output
    return [line for line in output.splitlines() if " Settings: " in line or " 设置：" in line]


# --- Where they are ----------------------------------------------------------------------------


def test_every_class_of_settings_is_among_all():
    assert len(MODULES) == 6
    assert all(issubclass(AllSettings, each) for module in MODULES for each in classes(module))
    assert all(each.__module__ in {*MODULES, "bot.parts"} for each in AllSettings.__mro__ if issubclass(each, Base))


@pytest.mark.parametrize("module", MODULES)
def test_a_module_of_settings_imports_no_sdk(module):
    code = f"import sys, {module}; print(sorted(set({SDKS}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"


def test_every_name_begins_with_the_service_that_it_is_of():
    for module in MODULES:
        service = {"bot": "digest", "git": "digest"}.get(module.split(".")[-2], module.split(".")[-2])
        own = {name for each in classes(module) for name in each.__annotations__ if each.__module__ == module}
        assert {name.partition("_")[0] for name in own} - {"model"} == {service}


# --- What is written of them -------------------------------------------------------------------


def test_the_example_and_the_tables_are_what_the_script_writes(script):
    for path, text in script.written().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run python docs/settings.py"


def test_every_setting_is_described_in_both_languages(script):
    names = {name.upper() for name in AllSettings.model_fields}
    assert all(field.description for field in AllSettings.model_fields.values())
    assert script.CHINESE.keys() - {"default", "heading", "note"} == names
    assert script.CHINESE["note"].keys() < script.CHINESE["heading"].keys() < names
    worded = {n.upper() for n, f in AllSettings.model_fields.items() if (f.json_schema_extra or {}).get("default")}
    assert script.CHINESE["default"].keys() == worded


# --- One more ----------------------------------------------------------------------------------


class More(AllSettings):
    """One setting more, as a field makes it."""

    digest_colour: str = Field("blue", description="colour of the `table`", examples=["dark red"])


def test_a_setting_is_added_by_its_field_alone(script, monkeypatch):
    example, table = script.example(More), script.table(More, script.HEADS["settings.md"], {})
    assert "\n# colour of the table\n#DIGEST_COLOUR=dark red\n" in example
    assert "| `DIGEST_COLOUR` | `blue` | colour of the `table` |\n" in table
    chinese = script.table(More, script.HEADS["settings.zh.md"], {"DIGEST_COLOUR": "表格的颜色"})
    assert "| `DIGEST_COLOUR` | `blue` | 表格的颜色 |\n" in chinese
    monkeypatch.setattr(parts, "AllSettings", More)
    assert doctor(monkeypatch, DIGEST_COLOUR="green") == ["✓ Settings: set: DIGEST_COLOUR"]
    assert doctor(monkeypatch, DIGEST_COLOR="green")[1:] == [
        "! Settings: DIGEST_COLOR is not a setting. Did you mean DIGEST_COLOUR?"
    ]


# --- The doctor --------------------------------------------------------------------------------


def test_the_doctor_names_what_is_set_and_shows_no_value(monkeypatch):
    assert doctor(monkeypatch) == ["– Settings: none set; every setting has a working default"]
    told = doctor(monkeypatch, GITHUB_TOKEN="very-secret", DIGEST_REPO="https://me:pw@a.example/b", OPENAI_MODEL="")
    assert told == ["✓ Settings: set: DIGEST_REPO, GITHUB_TOKEN"]


def test_the_doctor_says_what_a_misspelt_name_should_be_whatever_it_looks_at(monkeypatch):
    config = Path.home() / ".config/commit-digest"
    config.mkdir(parents=True)
    (config / ".env").write_text("SLACK_BOT_TOKN=xoxb-very-secret\n")
    told = ["! Settings: SLACK_BOT_TOKN is not a setting. Did you mean SLACK_BOT_TOKEN?"]
    assert doctor(monkeypatch, "slack") == told
    assert doctor(monkeypatch, "slack", DIGEST_LANGUAGE="zh") == [
        "! 设置：没有名为 SLACK_BOT_TOKN 的设置。是不是 SLACK_BOT_TOKEN？"
    ]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("OPENAI_MODLE", "OPENAI_MODEL"),
        ("openai_apikey", "OPENAI_API_KEY"),
        ("DIGEST_SCHEDUL", "DIGEST_SCHEDULE"),
        ("FEISHU_WEBHOOK", "FEISHU_WEBHOOKS"),
        ("GITHUB_TOKENS", "GITHUB_TOKEN"),
    ],
)
def test_a_misspelt_name_is_known(monkeypatch, name, near):
    monkeypatch.setenv(name, "1")
    assert misspelled(AllSettings) == {name.upper(): near}


# docs.github.com/en/actions/reference/workflows-and-actions/variables, and what OpenAI's own clients read.
FOREIGN = """
GITHUB_ACTION GITHUB_ACTIONS GITHUB_ACTION_PATH GITHUB_ACTION_REPOSITORY GITHUB_ACTOR GITHUB_ACTOR_ID GITHUB_API_URL
GITHUB_BASE_REF GITHUB_ENV GITHUB_EVENT_NAME GITHUB_EVENT_PATH GITHUB_GRAPHQL_URL GITHUB_HEAD_REF GITHUB_JOB
GITHUB_OUTPUT GITHUB_PATH GITHUB_REF GITHUB_REF_NAME GITHUB_REF_PROTECTED GITHUB_REF_TYPE GITHUB_REPOSITORY
GITHUB_REPOSITORY_ID GITHUB_REPOSITORY_OWNER GITHUB_REPOSITORY_OWNER_ID GITHUB_RETENTION_DAYS GITHUB_RUN_ATTEMPT
GITHUB_RUN_ID GITHUB_RUN_NUMBER GITHUB_SERVER_URL GITHUB_SHA GITHUB_STATE GITHUB_STEP_SUMMARY GITHUB_TRIGGERING_ACTOR
GITHUB_WORKFLOW GITHUB_WORKFLOW_REF GITHUB_WORKFLOW_SHA GITHUB_WORKSPACE OPENAI_ORG_ID OPENAI_PROJECT_ID
OPENAI_WEBHOOK_SECRET DIGEST SLACK_CHANNEL
"""


def test_what_others_call_so_is_no_misspelt_name(monkeypatch):
    for name in FOREIGN.split():
        monkeypatch.setenv(name, "1")
    assert misspelled(AllSettings) == {}


# --- Secrets -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SECRETS)
def test_every_secret_is_hidden_in_the_log_and_in_the_doctors_words(monkeypatch, name):
    monkeypatch.setenv(name.upper(), "of-mine/which+nobody.sees")
    settings = load(AllSettings)
    assert "nobody" not in repr(settings)
    record = logging.LogRecord("digest", logging.INFO, "f", 1, "with %s", ("of-mine/which+nobody.sees",), None)
    assert json.loads(Formatter(secrets_of(settings), True).format(record))["event"] == "with ***"
    assert doctor(monkeypatch) == [f"✓ Settings: set: {name.upper()}"]


def test_no_setting_that_is_called_a_secret_is_none():
    words = ("token", "secret", "key", "password", "webhooks")
    named = {n for n in AllSettings.model_fields if n.endswith(words)}
    assert named - {"github_app_key"} == set(SECRETS), "a path to a key is none itself"
