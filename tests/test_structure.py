"""Ports, classes and functions stay small enough that somebody knows which of it somebody needs."""

import ast
import importlib
import statistics
from functools import cache
from pathlib import Path

import pytest

import bot

ROOT = Path(bot.__file__).parent.parent
FILES = [*ROOT.glob("bot/**/*.py"), *ROOT.glob("adapters/**/*.py")]


@cache
def trees():
    """Each file, read as Python once a test needs it: whoever only collects tests does not wait for it."""
    return {path.relative_to(ROOT): ast.parse(path.read_text(encoding="utf-8")) for path in FILES}


def classes(*folders):
    for path, tree in trees().items():
        if path.parts[0] in folders:
            yield from ((path, node) for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def methods(node):
    return [each for each in node.body if isinstance(each, ast.FunctionDef)]


def test_a_port_has_at_most_twelve_methods():
    ports = {node.name: len(methods(node)) for path, node in classes("bot") if path.name == "ports.py"}
    assert len(ports) > 10
    assert {name: number for name, number in ports.items() if number > 12} == {}


def test_a_class_of_the_core_has_at_most_250_lines():
    sizes = {f"{path}: {node.name}": node.end_lineno - node.lineno + 1 for path, node in classes("bot")}
    assert len(sizes) > 100
    assert {name: size for name, size in sizes.items() if size > 250} == {}


def test_functions_are_short():
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    lines = [n.end_lineno - n.lineno + 1 for tree in trees().values() for n in ast.walk(tree) if isinstance(n, kinds)]
    assert statistics.median(lines) <= 9


@pytest.mark.parametrize("room", ["values", "commits", "judgement", "posts", "delivery", "conversation"])
def test_a_room_says_what_belongs_there_and_what_does_not(room):
    said = ast.get_docstring(trees()[Path("bot", room, "__init__.py")])
    assert len(said.split("\n\n")) >= 2


@pytest.mark.parametrize("path", sorted((Path(__file__).parent / "bench").glob("bench_*.py")), ids=lambda p: p.stem)
def test_a_benchmark_uses_what_is_there(path, monkeypatch):
    monkeypatch.syspath_prepend(str(path.parent))
    assert callable(importlib.import_module(path.stem).run)
