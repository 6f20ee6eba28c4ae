"""`make bench`: run every benchmark beside this file and print one table. Ratios compare inside one run."""

import importlib
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent


def main() -> int:
    """Run the benchmarks named on the command line (`bench_git`), or all; the exit code counts missed bars."""
    sys.path[:0] = [str(HERE), str(HERE.parent)]
    names = sys.argv[1:] or sorted(path.stem for path in HERE.glob("bench_*.py"))
    table = Table("what", "measured", "bar", "")
    missed = 0
    for name in names:
        print(name, file=sys.stderr)  # all of them take many minutes
        for row in importlib.import_module(name).run():
            held = row["bar"] is None or row["measured"] <= row["bar"]
            missed += not held
            bar = "" if row["bar"] is None else f"{row['bar']:,g} {row['unit']}"
            table.add_row(row["what"], f"{row['measured']:,.3g} {row['unit']}", bar, "" if held else "MISSED")
    Console().print(table)
    return missed


if __name__ == "__main__":
    sys.exit(main())
