"""Runs the `git` command so that only its arguments decide what it does."""

import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO

from bot.errors import ConfigError

OLDEST = (2, 32)
"""The first version of git with GIT_CONFIG_GLOBAL, which keeps out a user's own configuration (its release notes)."""

_CHUNK = 1 << 20
_BASE = {
    "LC_ALL": "C",
    "TZ": "UTC",
    "HOME": "/nonexistent",
    "XDG_CONFIG_HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that git may take: to answer, to print a stream, to fetch; and with a stalled server."""

    answer: float = 120
    stream: float = 900
    fetch: float = 900
    stall: int = 60


LIMITS = Limits()


class GitFailed(Exception):
    """Git ended with an error; the text is what it said. Never leaves this package."""


class GitSlow(GitFailed):
    """Git was stopped because it took too long."""


def version() -> tuple[int, ...]:
    """Major and minor version of git. Raises ConfigError."""
    return _version(_executable())


def _executable() -> str:
    """The path of a `git` that is new enough. Raises ConfigError."""
    path = shutil.which("git")
    needed = ".".join(map(str, OLDEST))
    if not path:
        raise ConfigError("git_missing", needed=needed)
    if (version := _version(path)) < OLDEST:
        raise ConfigError("git_old", needed=needed, found=".".join(map(str, version)) or "-")
    return path


@lru_cache
def _version(path: str) -> tuple[int, ...]:
    """Major and minor version of the git at `path`, empty if it does not say."""
    said = subprocess.run([path, "--version"], env=_environment({}), capture_output=True, text=True, check=False).stdout
    found = re.match(r"git version (\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else ()


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    """A complete environment: the path of programs, what keeps configuration out, and `extra`."""
    return {"PATH": os.environ.get("PATH", os.defpath), **_BASE, **extra}


def run(
    folder: Path, *arguments: str, stdin: bytes = b"", seconds: float = LIMITS.answer, env: Mapping[str, str]
) -> bytes:
    """Run git in `folder` with `env` and return its output. Raises GitFailed; GitSlow after `seconds`."""
    with tempfile.TemporaryFile() as errors, _started(folder, arguments, stdin, errors, env) as process:
        try:
            out, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise GitSlow(f"no end after {seconds:.0f} s") from None
        finally:
            _end(process)
        _check(process, errors)
    return out


def chunks(
    folder: Path, *arguments: str, stdin: bytes = b"", seconds: float = LIMITS.stream, env: Mapping[str, str]
) -> Generator[bytes, None, None]:
    """Run git and yield its output as it arrives. Closing the iterator early ends the process.

    Raises GitFailed; GitSlow after `seconds`, however much has arrived by then.
    """
    end = time.monotonic() + seconds
    with tempfile.TemporaryFile() as errors, _started(folder, arguments, stdin, errors, env) as process:
        assert process.stdout is not None
        try:
            yield from _pieces(process.stdout.fileno(), end)
            process.wait(max(0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise GitSlow(f"no end after {seconds:.0f} s") from None
        finally:
            _end(process)
        _check(process, errors)


def _pieces(descriptor: int, end: float) -> Iterator[bytes]:
    """Read pieces as they arrive. Raises TimeoutExpired at `end`, in monotonic seconds."""
    ready = select.poll()
    ready.register(descriptor)
    while (left := end - time.monotonic()) > 0 and ready.poll(left * 1000):
        if not (chunk := os.read(descriptor, _CHUNK)):
            return
        yield chunk
    raise subprocess.TimeoutExpired("git", 0)


@contextmanager
def _started(
    folder: Path, arguments: Sequence[str], stdin: bytes, errors: IO[bytes], env: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Start git in its own process group. `stdin` and `errors` are files, so that no pipe can fill up and block."""
    with tempfile.TemporaryFile() as asked:
        asked.write(stdin)
        asked.seek(0)
        with subprocess.Popen(
            [_executable(), "--no-pager", *arguments],
            cwd=folder,
            env=_environment(env),
            stdin=asked,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        ) as process:
            yield process


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop git and its children (ssh, a helper for https), unless it has ended."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


def _check(process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
    """Raise GitFailed with the last 4,000 bytes of git's errors if it failed."""
    if process.returncode:
        errors.seek(max(0, errors.seek(0, os.SEEK_END) - 4000))
        raise GitFailed(errors.read().decode(errors="replace"))
