"""How a batch scales with the workers of a cluster, from the wall times of delivered titles.

::

    python -m benchmarks.delivery.cluster_scaling OUT --titles 20,200
    python -m benchmarks.delivery.cluster_scaling OUT --measure films/ --workers 1,2

The titles of a delivered batch are repeated and given to workers as Dask does: each takes the next
one when it is free. How long the last ones keep a few workers busy depends on the order: the table
has the mean of many shuffled ones. Workers on machines of their own do not slow
one another down, which the simulation takes for granted. With ``--measure`` a batch of these videos
is really delivered, on local workers of one thread each with one thread an encode, without a cache.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import os
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pertitle.delivery.batch import run_batch
from pertitle.options import Options
from pertitle.serial import read_json

ORDERS = 100


def durations(out: Path) -> list[float]:
    """Wall seconds of the titles in an output folder."""
    results = [read_json(path) for path in sorted(out.glob("*/result.json"))]
    return [sum(result["seconds"].values()) for result in results]


def makespan(seconds: Sequence[float], workers: int) -> float:
    """When the last of some titles is done, each taken in order by the first free worker."""
    free = [0.0] * workers
    for one in seconds:
        heapq.heapreplace(free, free[0] + one)
    return max(free)


def simulated(known: Sequence[float], titles: int, workers: int) -> float:
    """Mean makespan of ``ORDERS`` shuffled orders of known titles, repeated to that many."""
    seconds = list(itertools.islice(itertools.cycle(known), titles))
    shuffled = random.Random(1)
    total = 0.0
    for _ in range(ORDERS):
        shuffled.shuffle(seconds)
        total += makespan(seconds, workers)
    return total / ORDERS


def measured(videos: Sequence[str], workers: int) -> float:
    """Wall seconds of a real batch on so many local workers."""
    import distributed

    local: Any = distributed.LocalCluster
    with (
        local(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        tempfile.TemporaryDirectory(prefix="pertitle-scaling-") as out,
    ):
        options = Options(threads=1, cache=False)
        batch = run_batch(videos, out, options, scheduler=cluster.scheduler_address)
        if not batch.ok:
            raise SystemExit("; ".join(failure.message for failure in batch.failures))
        return batch.seconds


def table(wall: dict[int, float]) -> None:
    print("| workers | wall time | speed-up | efficiency |\n|---|---|---|---|")
    for workers, seconds in wall.items():
        gain = wall[min(wall)] * min(wall) / seconds
        print(f"| {workers} | {seconds / 60:.1f} min | {gain:.2f} | {gain / workers:.0%} |")


def numbers(text: str) -> list[int]:
    return sorted({int(part) for part in text.split(",")})


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed-up of a batch by the number of workers.")
    parser.add_argument("out", type=Path, metavar="OUT", help="output folder of a delivered batch")
    parser.add_argument("--titles", type=numbers, default=[20, 200], help="default 20,200")
    parser.add_argument("--workers", type=numbers, default=[1, 2, 4, 8], help="default 1,2,4,8")
    parser.add_argument("--measure", nargs="+", metavar="VIDEO", help="deliver these for real")
    arguments = parser.parse_args()
    known = durations(arguments.out)
    if not known:
        raise SystemExit(f"no delivered titles in {arguments.out}")
    mean = sum(known) / len(known)
    print(f"{len(known)} titles: {mean:.0f} s on average, {min(known):.0f} to {max(known):.0f} s")
    for count in arguments.titles:
        print(f"\n{count} titles, simulated\n")
        table({workers: simulated(known, count, workers) for workers in arguments.workers})
    if arguments.measure:
        print(f"\n{' '.join(arguments.measure)}, measured on {os.cpu_count()} cores\n")
        table({workers: measured(arguments.measure, workers) for workers in arguments.workers})


if __name__ == "__main__":
    main()
