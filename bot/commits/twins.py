"""Which commits make the same change: what was ported to another branch has another SHA, and the same patch. Pure."""

import hashlib
from collections.abc import Iterable

from bot.values import FilePatch


def patch_id(files: Iterable[FilePatch]) -> str:
    """What a patch does, without line numbers and white space; empty where it is not known whole.

    Two are alike where git-patch-id(1) says so too.
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
