"""Identifies the same change on several branches: a backport has another SHA and the same patch. Pure."""

import hashlib
from collections.abc import Iterable

from bot.values import FilePatch


def patch_id(files: Iterable[FilePatch]) -> str:
    """The ID of a patch, without line numbers and white space; empty if the patch is incomplete.

    Two are equal if git-patch-id(1) says so.
    """
    made = hashlib.sha256()
    known = False
    for file in files:
        if not file.complete:
            return ""
        lines = ("".join(line.split()) for line in file.text.splitlines() if not line.startswith("@@"))
        made.update("\n".join((file.path, *lines)).encode(errors="replace"))
        known = known or bool(file.text)
    return made.hexdigest() if known else ""
