"""How busy a batch keeps the cores, and what it saves over titles run one by one.

Runs ``pertitle run`` once on some clips of a folder together and then on each of them alone,
without a cache, and prints wall time, processor time, and the share of the machine's cores used::

    python benchmarks/core_use.py CLIPS_FOLDER
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from pertitle.analysis import probe
from pertitle.errors import SourceError
from pertitle.inputs import find_titles


def small_clips(folder: Path, out: Path, *, clips: int, seed: int, lines: int, seconds: float
                ) -> list[Path]:  # fmt: skip
    """Clips of ``folder`` drawn by ``seed`` from those that are small and short enough."""
    paths = sorted(title.path for title in find_titles([folder], out))
    random.Random(seed).shuffle(paths)
    found: list[Path] = []
    for path in paths:
        if len(found) == clips:
            break
        try:
            source = probe(path)
        except SourceError:
            continue
        if source.size.height <= lines and 1.0 <= source.duration <= seconds:
            found.append(path)
    return found


def deliver(paths: Sequence[Path], out: Path) -> None:
    command = [sys.executable, "-m", "pertitle.cli", "run", *map(str, paths), "-o", str(out),
               "--no-cache", "--quiet"]  # fmt: skip
    subprocess.run(command, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lines", type=int, default=540, help="tallest clip")
    parser.add_argument("--seconds", type=float, default=6.0, help="longest clip")
    chosen = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="pertitle-") as folder:
        out = Path(folder)
        paths = small_clips(chosen.folder, out, clips=chosen.clips, seed=chosen.seed,
                            lines=chosen.lines, seconds=chosen.seconds)  # fmt: skip
        for name, batches in (("one batch", [paths]), ("one by one", [[path] for path in paths])):
            before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
            for batch in batches:
                deliver(batch, out / name)
            after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - start
            spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            print(
                f"{name:12} {len(paths)} clips {wall:7.1f} s wall {spent:7.1f} s processor"
                f" {100 * spent / (cores * wall):5.1f} % of {cores} cores",
                flush=True,
            )


if __name__ == "__main__":
    main()
