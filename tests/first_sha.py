"""Print the SHA of the most important commit of a JSON report: `make demo` expands it."""

import json
import sys
from pathlib import Path

order = {"high": 0, "medium": 1, "low": 2}
commits = [c for d in json.loads(Path(sys.argv[1]).read_text())["digests"] for c in d["commits"]]
print(min(commits, key=lambda c: order[c["importance"]])["sha"][:7])
