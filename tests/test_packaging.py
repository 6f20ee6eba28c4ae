"""The packages' generic names mean this checkout, and the layers hold."""

import ast
import importlib.util
import re
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

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
    asked = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {re.split("[><=]", a)[0].split(";")[0].strip().lower() for a in asked}
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


def test_every_setting_is_in_the_example_and_in_the_readme():
    from bot.parts import AllSettings

    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    readmes = [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh.md")]
    for name in (field.upper() for field in AllSettings.model_fields):
        assert f"\n#{name}=" in example
        assert all(f"`{name}`" in readme for readme in readmes)
