"""What is shipped for running it holds what docs/deploy.md says, and the tools that read it take it."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml

from bot import __version__
from bot.conversation.operator import imported
from bot.delivery.queued import ROLES
from bot.parts import AllSettings

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
UNIT = (ROOT / "deploy" / "commit-digest.service").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]["digest"]
SEVERAL = yaml.safe_load((ROOT / "compose.postgres.yaml").read_text(encoding="utf-8"))
GITHUB = yaml.safe_load((ROOT / "deploy" / "github-actions.yml").read_text(encoding="utf-8"))
GITLAB = yaml.safe_load((ROOT / "deploy" / "gitlab-ci.yml").read_text(encoding="utf-8"))["commit-digest"]
CI = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
JOB = GITHUB["jobs"]["digest"]


def unit(name: str) -> str:
    (value,) = re.findall(rf"^{name}=(.*)$", UNIT, re.M)
    return value


# --- The image -----------------------------------------------------------------------------------


def test_the_image_and_compose_look_at_the_health_alike():
    (looked,) = re.findall(r"^HEALTHCHECK .*\n    CMD (.*)$", DOCKERFILE, re.M)
    assert ["CMD", *json.loads(looked)] == COMPOSE["healthcheck"]["test"]


class Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(self.server.status if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(params=[200, 503])
def answering(request) -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), Health) as server:
        server.status = request.param
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_health_check_ends_with_what_the_port_answers(answering):
    code, port = COMPOSE["healthcheck"]["test"][-1], str(answering.server_port)
    env = {"DIGEST_MONITOR_PORT": port}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=False)
    assert (done.returncode == 0) == (answering.status == 200)


def test_the_container_is_as_small_in_rights_as_the_page_says():
    assert (COMPOSE["read_only"], COMPOSE["cap_drop"], COMPOSE["tmpfs"]) == (True, ["ALL"], ["/tmp"])
    assert (COMPOSE["env_file"], COMPOSE["volumes"]) == (".env", ["data:/data"])
    assert "USER 10001:10001" in DOCKERFILE
    assert "VOLUME /data" in DOCKERFILE
    assert all(f"{option} " in PAGE for option in ("--read-only", "--tmpfs /tmp", "--cap-drop ALL", "--env-file .env"))


def test_what_is_kept_goes_to_the_volume_by_settings_that_there_are():
    given = dict(re.findall(r"^(?:ENV|   ) .*?(DIGEST_\w+)=(\S+)", DOCKERFILE, re.M))
    assert given == {
        "DIGEST_DATABASE": "/data/digest.db",
        "DIGEST_CLONES": "/data/clones",
        "DIGEST_MONITOR_PORT": "9464",
    }
    assert {name.lower() for name in given} <= AllSettings.model_fields.keys()


def test_on_postgresql_each_role_is_the_same_container_and_two_of_them_work():
    services = dict(SEVERAL["services"])
    database = services.pop("database")
    extended, (argument,) = {"file": "compose.yaml", "service": "digest"}, re.findall(r"^ARG (\w+)=", DOCKERFILE, re.M)
    for service in services.values():
        assert service["extends"] == extended
        assert (ROOT / service["build"]["args"][argument]).is_file()
        assert service["environment"]["DIGEST_DATABASE"] == "postgresql://digest@database/digest"
        assert service["environment"]["PGPASSWORD"] == database["environment"]["POSTGRES_PASSWORD"]
        assert service["depends_on"]["database"]["condition"] == "service_healthy"
    assert {name: service["command"] for name, service in services.items()} == {
        role: ["run", "--only", role] for role in ROLES
    }
    assert services["work"]["deploy"]["replicas"] == 2
    kept = [volume.partition(":")[0] for volume in (*COMPOSE["volumes"], *database["volumes"])]
    assert kept == list(SEVERAL["volumes"])


# --- The service ---------------------------------------------------------------------------------


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_takes_the_unit_without_a_word(tmp_path):
    file = tmp_path / "commit-digest.service"
    file.write_text(UNIT.replace(unit("ExecStart"), "/bin/true run"), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", file], capture_output=True, text=True, check=True)
    assert [line for line in done.stderr.splitlines() if file.name in line] == []


def test_the_unit_can_be_enabled_and_never_gives_up():
    assert (unit("WantedBy"), unit("Restart"), unit("StartLimitIntervalSec")) == ("multi-user.target", "always", "0")
    assert unit("Wants") == unit("After") == "network-online.target"


def test_the_service_is_where_the_page_installs_it():
    folder, file, user = f"/var/lib/{unit('StateDirectory')}", unit("EnvironmentFile"), unit("User")
    assert f"Environment=DIGEST_DATABASE={folder}/digest.db" in UNIT
    assert f"--home-dir {folder} --shell /usr/sbin/nologin {user}\n" in PAGE
    assert f".env.example {file} " in PAGE
    assert f"  {unit('ExecStart').removesuffix(' run')} doctor\n" in PAGE
    assert int(unit("TimeoutStopSec")) > 10


# --- A CI ----------------------------------------------------------------------------------------


def test_the_subscriptions_to_copy_can_be_imported():
    now = datetime(2026, 11, 30, tzinfo=UTC)
    (one,) = imported(yaml.safe_load((ROOT / "deploy" / "subscriptions.yaml").read_text(encoding="utf-8")), now)
    assert (str(one.place.chat), one.repo, one.schedule) == ("slack-webhook", "owner/repo", "7 9 * * mon-fri")


def test_the_state_is_saved_also_after_a_failure_and_two_never_run_at_once():
    restored, saved = (step for step in JOB["steps"] if "/cache/" in step.get("uses", ""))
    assert (restored["uses"].split("@")[0], saved["uses"].split("@")[0]) == (
        "actions/cache/restore",
        "actions/cache/save",
    )
    assert restored["with"]["key"] == saved["with"]["key"]
    assert restored["with"]["key"].startswith(restored["with"]["restore-keys"])
    assert (saved["if"], GITLAB["cache"]["when"]) == ("always()", "always")
    assert GITHUB["concurrency"]["group"]
    assert GITLAB["resource_group"]


def test_what_is_cached_is_what_the_bot_keeps():
    (folder,) = {step["with"]["path"] for step in JOB["steps"] if "/cache/" in step.get("uses", "")}
    given = [JOB["env"], GITLAB["variables"]]
    assert {Path(each[name]).parent.name for each in given for name in ("DIGEST_DATABASE", "DIGEST_CLONES")} == {folder}
    assert GITLAB["cache"]["paths"] == [f"{folder}/"]


def test_both_jobs_do_the_same():
    run = [step["run"] for step in JOB["steps"] if "run" in step]
    assert [line.replace(".github/workflows/", "") for line in run[-2:]] == GITLAB["script"]
    assert GITLAB["script"] == ["digest import subscriptions.yaml", "digest run --once"]


def test_the_version_that_is_fetched_is_this_one():
    texts = [PAGE, *(file.read_text(encoding="utf-8") for file in (ROOT / "deploy").glob("*.yml"))]
    fetched = {tag for text in texts for tag in re.findall(r"(?:--branch|ref:) (v\S+)", text)}
    assert fetched == {f"v{__version__}"}


def test_every_python_that_is_promised_is_tried():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [c.rpartition(" ")[2] for c in project["classifiers"] if re.search(r"Python :: 3\.\d+$", c)]
    assert CI["jobs"]["test"]["strategy"]["matrix"]["python"] == named
    assert project["requires-python"] == f">={named[0]}"


# --- The pages -----------------------------------------------------------------------------------


def test_the_newest_version_has_a_row_in_the_page_of_upgrades():
    page = (ROOT / "docs" / "upgrading.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (\d\S*) \|", page, re.M)[0] == __version__
    assert set(re.findall(r"before-(\d[\w.]*\d)", page)) == {__version__}
