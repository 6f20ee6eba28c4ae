"""Finds the parts of a notebook's patch that people wrote. Pure.

A notebook (`.ipynb`) is JSON whose cells have their source next to what a kernel and an editor put there: outputs,
images as base64, counters, ids, metadata (nbformat.readthedocs.io/en/latest/format_description.html). nbformat writes
one value a line, indented by a fixed step, so the depth of a line shows what it is, in the middle of a hunk as
well: a cell's keys are three steps deep, the lines of its source four, and what belongs to an output five or more.
"""

import re

_CELL_KEY = re.compile(r'^[ +-]([ \t]+)"(?:cell_type|source|outputs)":', re.MULTILINE)
_TEXT = r'"(?:[^"\\]|\\.)*(?:",?)?$'
"""A string alone on its line, perhaps shortened."""
_STRING = re.compile(rf"^[ +-]([ \t]*){_TEXT}", re.MULTILINE)
_COMPACT = re.compile(r'^[ +-]\s*\{\s*"(?:cells|metadata|nbformat)', re.MULTILINE)


def written(patch: str) -> re.Pattern[str]:
    """What a line of this patch (with its mark) matches if a person wrote it: a cell's source or type.

    Every line does if the whole notebook is on one, since its parts cannot be distinguished.
    """
    if _COMPACT.search(patch):
        return re.compile("")
    step = _step(patch)
    return re.compile(rf'[ +-][ \t]{{{4 * step}}}{_TEXT}|[ +-][ \t]{{{3 * step}}}"(?:cell_type":|source": ?")')


def _step(patch: str) -> int:
    """The indentation per level, in characters: nbformat uses one, Colab two.

    If no hunk shows a key of a cell, the outermost strings count as source if they are indented like it.
    """
    if keys := _CELL_KEY.findall(patch):
        return max(1, min(map(len, keys)) // 3)
    outermost = min(map(len, _STRING.findall(patch)), default=4)
    return outermost // 4 if outermost in (4, 8, 16) else 1
