"""The packages' generic names mean this checkout, and the layers hold."""

import ast
import importlib.util
import re
import subprocess
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import bot

ROOT = Path(__file__).parent.parent


def test_the_names_resolve_to_this_checkout():
    for name in ("bot", "adapters", "prompts"):
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert Path(spec.origin).parent == ROOT / name


def test_every_dependency_is_pinned_for_installation():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *extras["postgres"], *extras["dev"]]
    names = {re.split(r"[><=\[]", a)[0].split(";")[0].strip().lower() for a in asked}
    assert names - pinned == set()


def test_a_package_that_only_tests_import_is_for_development_only():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {re.split("[><=]", a)[0].lower() for a in project["dependencies"]} - {
        "tzdata",
        "websocket-client",
    }  # data; slack-sdk imports it
    files = [file for folder in ("bot", "adapters", "prompts") for file in (ROOT / folder).rglob("*.py")]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))]
    modules = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    modules |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    owners = packages_distributions()
    imported = {
        owner.lower().replace("_", "-") for module in modules for owner in owners.get(module.partition(".")[0], [])
    }
    assert asked - imported == set()


def test_every_page_that_the_program_names_is_below_the_projects_own_addresses():
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    assert urls["Documentation"] == bot.DOCUMENTATION
    assert all(url.startswith(urls["Homepage"]) for url in urls.values())
    for file in (file for folder in ("bot", "adapters") for file in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in {"warning", "error", "info"}:
                told = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
                assert not any(re.search(r"docs/\w+\.md", text) for text in told), file


def test_a_source_distribution_holds_all_that_is_kept_here():
    kept = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    given = {name.removeprefix("/") for name in kept["targets"]["sdist"]["include"]}
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("this is no checkout")
    tracked = {line.partition("/")[0] for line in done.stdout.splitlines()}
    assert tracked - {".ci", ".gitignore", "pyproject.toml"} == given


def locked_in(name):
    """The versions that a lock names, each with its hash."""
    lock = (ROOT / name).read_text(encoding="utf-8")
    locked = dict(re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==(\S+)", lock, re.M))
    assert len(re.findall(r"^\S+==[^\n]*\\\n    --hash=sha256:", lock, re.M)) == len(locked)
    return locked


@pytest.mark.parametrize(("name", "extra"), [("requirements", ""), ("requirements-postgres", "postgres")])
def test_a_lock_has_every_pinned_version_of_what_the_program_needs(name, extra):
    locked = locked_in(f"{name}.lock")
    pinned = (line.split("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines())
    versions = {re.sub(r"[_.]", "-", name.lower()): version for name, version in pinned}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"].get(extra, ())]
    needed = {re.split(r"[><=\[]", a)[0].lower().replace("_", "-") for a in asked}
    assert needed <= locked.keys()
    assert {name: version for name, version in locked.items() if name in versions} == {
        name: version for name, version in versions.items() if name in locked
    }


def test_without_postgresql_nothing_of_it_is_installed():
    plain, more = locked_in("requirements.lock"), locked_in("requirements-postgres.lock")
    assert "psycopg" not in plain
    assert plain.items() <= more.items(), "and what both hold is the same"


def test_the_changelog_has_a_dated_section_of_this_version():
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.*)$", changes, re.M)
    assert headings[0] == "Unreleased"
    assert re.fullmatch(rf"{re.escape(bot.__version__)} - \d{{4}}-\d\d-\d\d", headings[1])


def test_every_setting_is_in_the_example_and_on_the_page_of_settings():
    from bot.parts import AllSettings

    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    pages = [(ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("settings.md", "settings.zh.md")]
    for name in (field.upper() for field in AllSettings.model_fields):
        assert f"\n#{name}=" in example
        assert all(f"`{name}`" in page for page in pages)
