"""Importing much at once, such as a platform's SDK."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def of_much() -> Iterator[None]:
    """Import without garbage collection, and exclude the modules from it as long as the bot runs.

    With thousands of modules that saves a third of the time.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()
