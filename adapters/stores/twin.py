"""A number outside the database: a file with how many times the ledger was written, so that a loss is noticed.

It is written after the database's own commit and before anything acts on what was stored. So it is ahead of the
database only if that is an older one: a backup, or one whose write-ahead log is gone.
"""

import fcntl
import logging
import os
from contextlib import suppress
from pathlib import Path

_log = logging.getLogger("digest.store")


class Twin:
    """The numbers of databases, in a folder. Safe for several threads and processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._logged = False

    def read(self, name: str) -> int:
        """The last number written for a database; 0 if there is none."""
        with suppress(OSError, ValueError):
            return int((self._folder / name).read_text(encoding="ascii"))
        return 0

    def raise_to(self, name: str, number: int) -> None:
        """Write a number, unless a higher one is there. A failure to write is only logged."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with (self._folder / f"{name}.lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if self.read(name) < number:
                    self._replace(name, number)
        except OSError as error:
            if not self._logged:
                _log.warning("the number of writes could not be saved: %s", error.strerror)
            self._logged = True

    def _replace(self, name: str, number: int) -> None:
        new = self._folder / f"{name}.new"
        with new.open("w", encoding="ascii") as file:
            file.write(f"{number}\n")
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._folder / name)
