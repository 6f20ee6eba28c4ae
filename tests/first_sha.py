"""Print the SHA of the most important commit of a JSON report: `make demo` expands it."""

import json
import sys
from pathlib import Path

order = {"high": 0, "medium": 1, "low": 2}
entries = [e for d in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["digests"] for e in d["entries"]]
print(min(entries, key=lambda e: order[e["grade"]["importance"]])["commit"]["sha"][:7])
