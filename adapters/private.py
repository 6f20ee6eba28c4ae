"""Files and folders that only this user can access: the bot stores private commits and tokens."""

import os
import stat
from contextlib import suppress
from pathlib import Path

_OTHERS = stat.S_IRWXO
_GROUP = stat.S_IRWXG


def folder(path: Path) -> None:
    """Create a folder, with missing parents, for this user only; an existing one is left unchanged. Raises OSError."""
    for each in reversed((path, *path.parents)):
        if not each.is_dir():
            each.mkdir(mode=0o700, exist_ok=True)


def file(path: Path) -> None:
    """Create a file for this user only; remove others' access to an existing one. Raises OSError.

    A group with write access was given it on purpose, and keeps it.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    close(path)


def close(path: Path) -> None:
    """Remove others' access to a file, if it exists and is this user's."""
    with suppress(OSError):
        mode = stat.S_IMODE(path.stat().st_mode)
        kept = mode & ~_OTHERS if mode & stat.S_IWGRP else mode & ~(_OTHERS | _GROUP)
        if kept != mode:
            path.chmod(kept)
