"""Finds changes to interfaces: what others call or configure."""

import re
from collections.abc import Iterable

from bot.commits.files import FileKind, kind
from bot.values import FilePatch

DEFINED = (
    r"[ \t]*(?:export[ \t]+(?:default[ \t]+)?)?(?:pub(?:\([^)\n]*\))?[ \t]+)?"
    r"(?:(?:public|static|async|abstract|final)[ \t]+)*"
    r"(?:def|fn|func|function|class|struct|enum|trait|interface|type)[ \t]+(?:\([^)\n]*\)[ \t]*)?([A-Za-z_]\w{2,})"
)
"""A line that defines a function or a type, from its start to the name."""
_PATH = re.compile(
    r"(?:^|/)(?:api|apis|cli|public|schemas?|types|settings?|options|config|crd|proto|keps?)(?:/|[._-]|$)"
    r"|\.proto$|\.d\.ts$|schema\.json$|-cli/",
    re.IGNORECASE,
)
_CHANGED = re.compile(rf"\n[+-](?:{DEFINED}|[ \t]*(?:export|pub|public|protected)[ \t])")


def is_interface(path: str) -> bool:
    """Whether others call or configure a file, by its path."""
    return bool(_PATH.search(path))


def touches_interface(patches: Iterable[FilePatch]) -> bool:
    """Whether changed lines define what others may call, or are in files that others configure or call."""
    source = [p for p in patches if kind(p.path) is FileKind.SOURCE]
    return any(is_interface(p.path) or _defines(p.text) for p in source)


def _defines(text: str) -> bool:
    return any(not (found[1] or "").startswith("_") for found in _CHANGED.finditer(f"\n{text}"))
