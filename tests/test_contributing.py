"""What CONTRIBUTING, SECURITY, the issue forms and `make help` name is there."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from bot.conversation.commands import WORDS

ROOT = Path(__file__).parent.parent
PAGES = ["CONTRIBUTING.md", "SECURITY.md", ".github/PULL_REQUEST_TEMPLATE.md", "docs/glossary.md"]
FORMS = [path for path in sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")) if path.stem != "config"]
FENCE = re.compile(r"^```\w*\n(.*?)^```", re.M | re.S)


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def targets() -> set[str]:
    (names,) = re.findall(r"^\.PHONY: (.*)$", page("Makefile"), re.M)
    return set(names.split())


@pytest.mark.parametrize("name", PAGES)
def test_every_path_that_a_page_names_exists(name):
    text = FENCE.sub("", page(name))
    paths = {path for path in re.findall(r"`([\w./-]+(?:/|\.\w+))`", text) if "/" in path or path.endswith(".md")}
    for path in paths | set(re.findall(r"(?:tests|docs)/\w+(?:/\w+)?\.py", page(name))):
        if not re.search(r"NAME|XX|vN", path):
            assert (ROOT / path).exists(), f"{name} names {path}"


@pytest.mark.parametrize("name", PAGES)
def test_every_target_of_make_that_a_page_names_exists(name):
    text = page(name)
    code = "\n".join([*FENCE.findall(text), *re.findall(r"`(make [^`]*)`", text)])
    named = {word for line in re.findall(r"\bmake ([a-z ]+)", code) for word in line.split()}
    assert named <= targets()


def test_what_contributing_finds_in_a_file_is_there():
    found = re.findall(
        r"`(\w+)`(?:, `(\w+)`)?(?: of a|,)? in(?: `\[\w+\]` of)? `([\w./]+\.(?:py|toml))`", page("CONTRIBUTING.md")
    )
    assert len(found) > 20
    for *names, path in found:
        for name in filter(None, names):
            assert re.search(rf"\b{name}\b", page(path)), f"{name} is not in {path}"


def test_contributing_shows_the_rooms_as_they_are_enforced():
    contracts = tomllib.loads(page("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    (core,) = [each for each in contracts if each.get("containers") == ["bot"]]
    assert "\n".join(core["layers"]) + "\n" in FENCE.findall(page("CONTRIBUTING.md"))


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", *(f".github/ISSUE_TEMPLATE/{path.name}" for path in FORMS)])
def test_every_line_to_type_begins_with_a_command(name):
    code = "\n".join(FENCE.findall(page(name)) + re.findall(r"`([^`\n]+)`", page(name)))
    for word in re.findall(r"(?:^|/)digest ([a-z]+)\b", code, re.M):
        assert word in {*WORDS, "doctor", "run"}, f"{name}: digest {word}"


def test_make_help_lists_every_target_and_is_what_make_does_alone():
    told = [
        subprocess.run(["make", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for words in ([], ["help"])
    ]
    assert told[0] == told[1]
    assert set(re.findall(r"^make ([a-z]+) +\S", told[0], re.M)) == targets()


def test_a_first_digest_waits_for_nothing_that_only_tests_need(tmp_path):
    asked = [
        subprocess.run(["make", "-n", target, f"VENV={tmp_path}"], cwd=ROOT, capture_output=True, text=True, check=True)
        for target in ("demo", "check")
    ]
    assert [("install" in done.stdout, "[dev]" in done.stdout) for done in asked] == [(True, False), (True, True)]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_is_one_that_github_takes(path):
    """https://docs.github.com/en/communities/using-templates-to-encourage-useful-issues-and-pull-requests/syntax-for-githubs-form-schema."""
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= form.keys() <= {"name", "description", "body", "labels", "title"}
    asked = [each for each in form["body"] if each["type"] != "markdown"]
    assert all(each["type"] in {"textarea", "input", "dropdown", "checkboxes"} for each in asked)
    assert all(each["attributes"]["label"] for each in asked)
    assert all(each["attributes"]["options"] for each in asked if each["type"] in {"dropdown", "checkboxes"})
    assert len({each["id"] for each in asked}) == len(asked)
    assert any(each.get("validations", {}).get("required") for each in asked)


def test_links_beside_the_forms_are_those_of_the_pages():
    config = yaml.safe_load(page(".github/ISSUE_TEMPLATE/config.yml"))
    private, conduct = [each["url"] for each in config["contact_links"]]
    assert private in page("SECURITY.md")
    assert conduct in page("CONTRIBUTING.md")
    home = tomllib.loads(page("pyproject.toml"))["project"]["urls"]["Homepage"]
    assert private == f"{home}/security/advisories/new"
