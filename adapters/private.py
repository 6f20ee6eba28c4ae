"""Files and folders of this user alone: what a bot keeps (private commits, tokens) is nobody else's on the machine."""

import os
import stat
from contextlib import suppress
from pathlib import Path

_OTHERS = stat.S_IRWXO
_GROUP = stat.S_IRWXG


def folder(path: Path) -> None:
    """Make a folder, and what is missing above it, for this user alone; one that is there stays. Raises OSError."""
    for each in reversed((path, *path.parents)):
        if not each.is_dir():
            each.mkdir(mode=0o700, exist_ok=True)


def file(path: Path) -> None:
    """Make a file for this user alone; of one that is there, take away what others may. Raises OSError.

    A group that may write to it has been let in on purpose, and stays.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    close(path)


def close(path: Path) -> None:
    """Take away what others may do with a file, where there is one and it is this user's."""
    with suppress(OSError):
        mode = stat.S_IMODE(path.stat().st_mode)
        kept = mode & ~_OTHERS if mode & stat.S_IWGRP else mode & ~(_OTHERS | _GROUP)
        if kept != mode:
            path.chmod(kept)
