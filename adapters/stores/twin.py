"""A number outside the database: a file that says how often the ledger was written, so that a loss is noticed.

It is written after the database's own commit and before anybody acts on what was stored. So it is never ahead of the
database, unless the database is an older one: a backup, or one whose write-ahead log is gone.
"""

import fcntl
import logging
import os
from contextlib import suppress
from pathlib import Path

_log = logging.getLogger("digest.store")


class Twin:
    """The number of one database, in a folder. Safe for several threads and several processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._told = False

    def read(self, name: str) -> int:
        """The number that was written last for a database; 0 where there is none."""
        with suppress(OSError, ValueError):
            return int((self._folder / name).read_text(encoding="ascii"))
        return 0

    def raise_to(self, name: str, number: int) -> None:
        """Write a number, unless a higher one is there. A disk that rejects it is logged, and stops nobody."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with (self._folder / f"{name}.lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if self.read(name) < number:
                    self._replace(name, number)
        except OSError as error:
            if not self._told:
                _log.warning("how often the database was written is not kept: %s", error.strerror)
            self._told = True

    def _replace(self, name: str, number: int) -> None:
        new = self._folder / f"{name}.new"
        with new.open("w", encoding="ascii") as file:
            file.write(f"{number}\n")
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._folder / name)
