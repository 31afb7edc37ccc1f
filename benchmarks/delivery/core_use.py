"""How busy a batch keeps the cores, and what it saves over titles run one by one.

Runs ``pertitle run`` once on all clips together and then on each of them alone, without a cache,
and prints wall time, processor time, and the share of the machine's cores used::

    python -m benchmarks.delivery.core_use CLIP CLIP ...
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path


def deliver(paths: Sequence[Path], out: Path, preset: str | None) -> None:
    command = [sys.executable, "-m", "pertitle.cli", "run", *map(str, paths), "-o", str(out)]
    command += ["--no-cache", "--quiet", *(["--use", preset] if preset else [])]
    subprocess.run(command, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--use", help="preset of options, as in pertitle run")
    chosen = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    ways = {"one batch": [chosen.clips], "one by one": [[clip] for clip in chosen.clips]}
    with tempfile.TemporaryDirectory(prefix="pertitle-") as folder:
        for name, batches in ways.items():
            before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
            for batch in batches:
                deliver(batch, Path(folder) / name, chosen.use)
            after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - start
            spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            print(
                f"{name:12} {len(chosen.clips)} clips {wall:7.1f} s wall {spent:7.1f} s processor"
                f" {100 * spent / (cores * wall):5.1f} % of {cores} cores",
                flush=True,
            )


if __name__ == "__main__":
    main()
