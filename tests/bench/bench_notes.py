"""What hostile notes for users cost, beside ordinary ones of the same size."""

import time
from collections.abc import Iterator, Sequence

from make import commit
from test_notes import HOSTILE, added

from bot.commits import notes
from bot.values import FilePatch

SIZE = 256 * 1024
"""Characters of a patch that a source reads of a file at most."""
ENTRY = "- Add a thing to the parser of numbers, and more of it in the second half of the line\n"
MANY = [added(f"news/{n}.feature.rst", ENTRY * 50) for n in range(5_000)]


def run() -> Iterator[dict[str, object]]:
    """The worst hostile file beside an ordinary changelog, and a release of 5,000 fragments beside 500."""
    usual = _cpu([added("CHANGES.md", ENTRY * (SIZE // len(ENTRY)))])
    worst = max((_cpu([FilePatch(p.path, p.text[:SIZE])]), name) for name, p in HOSTILE.items())
    yield {
        "what": f"worst hostile notes ({worst[1]}) / ordinary notes, {SIZE:,} characters",
        "measured": worst[0] / usual,
        "unit": "x",
        "bar": 20,
    }
    yield {"what": "notes of 5,000 files / of 500", "measured": _cpu(MANY) / _cpu(MANY[:500]), "unit": "x", "bar": 2}


def _cpu(patches: Sequence[FilePatch]) -> float:
    """The best of three, in seconds of the processor."""
    took = []
    for _ in range(3):
        began = time.process_time()
        notes.notes(patches)
        notes.release_breaks(patches)
        notes.prepares_release(commit(), patches)
        took.append(time.process_time() - began)
    return min(took)
