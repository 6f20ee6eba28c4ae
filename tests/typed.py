"""What a person types on the command line, and what they get."""

from __future__ import annotations

import os
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import forkserver
from click.testing import CliRunner
from service import ROOT

from bot.cli import cli

ALWAYS = {"DIGEST_ZONE": "UTC"}


@dataclass
class Typed:
    """How a command ended, and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


def run(*words: str, cwd: Path | None = None, stdin: str = "", **settings: str) -> Typed:
    """A command within this process: as `process`, only without the half second of CPU that every start takes.

    What depends on a process, such as encodings, signals and locks on files, is tried with one.
    """
    told = {**ALWAYS, "COLUMNS": "80", **settings}
    with chdir(cwd or Path.cwd()):
        done = CliRunner().invoke(cli, words, input=stdin, env=told, prog_name="digest", catch_exceptions=False)
    return Typed(done.exit_code, done.stdout, done.stderr)


def process(*words: str, cwd: Path | None = None, stdin: str = "", **settings: str) -> Typed:
    """A command as a real process, with nothing in its environment but `settings`."""
    told = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **ALWAYS, **settings}
    told["PYTHONPATH"] = str(ROOT)  # what these tests stand beside, installed or not
    done = forkserver.run("-m", "bot", *words, env=told, cwd=cwd, input=stdin, timeout=60)
    return Typed(done.returncode, done.stdout, done.stderr)
