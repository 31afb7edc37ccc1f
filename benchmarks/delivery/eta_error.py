"""How right the live view's remaining time was, replayed from the events of real batches.

    pertitle run CLIPS -o OUT --events events.jsonl
    python -m benchmarks.delivery.eta_error events.jsonl...
    python -m benchmarks.delivery.eta_error --run CLIPS [--codec h264,hevc] [--tolerance 0.2]

The last runs the clips itself, one after another and planned from two probes, by a clock of CPU
seconds, its children's included: other work on the machine does not count.

For every event after the first third of a batch: the error of the announced total time (gone and
remaining) against the true one, and of the remaining time alone, per cent.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import pertitle
from pertitle import events
from pertitle.options import EncodeOptions, LadderOptions, Options
from pertitle.serial import from_json
from pertitle.terminal.eta import Estimate


def replayed(path: Path) -> Iterator[tuple[float, events.Event]]:
    """Times and events of one log."""
    for line in path.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        time, name = record.pop("time"), record.pop("event")
        record.pop("version")
        yield time, from_json(getattr(events, name), record)


def errors(log: list[tuple[float, events.Event]]) -> tuple[list[float], list[float]]:
    """Relative errors of the total and of the remaining time, event by event after a third."""
    start, end = log[0][0], log[-1][0]
    estimate, total, left = Estimate(), [], []
    for time, event in log:
        estimate.handle(event, time)
        said = estimate.remaining(time)
        if said is None or time < start + (end - start) / 3 or time >= end:
            continue
        total.append((time - start + said) / (end - start) - 1)
        left.append((said - (end - time)) / (end - time))
    return total, left


def recorded(
    clips: list[Path], codecs: tuple[str, ...], tolerance: float
) -> list[tuple[float, events.Event]]:
    """Times in CPU seconds and events of a run."""
    log: list[tuple[float, events.Event]] = []
    options = Options(
        cache=False,
        ladder=LadderOptions(max_probes=2),
        encode=EncodeOptions(codecs=codecs, vmaf_tolerance=tolerance),
    )
    with tempfile.TemporaryDirectory() as out:
        pertitle.run(
            clips, out, options, jobs=1,
            on_event=lambda event: log.append((sum(os.times()[:4]), event)),
        )  # fmt: skip
    return log


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("logs", nargs="*", type=Path)
    parser.add_argument("--run", nargs="+", type=Path, default=[])
    parser.add_argument("--codec", default="h264")
    parser.add_argument("--tolerance", type=float, default=1.0)
    given = parser.parse_args()
    logs = {path.name: list(replayed(path)) for path in given.logs}
    if given.run:
        codecs = tuple(given.codec.split(","))
        name = f"{' '.join(path.name for path in given.run)} ({given.codec})"
        logs[name] = recorded(given.run, codecs, given.tolerance)
    for name, log in logs.items():
        total, left = (np.abs(values) for values in errors(log))
        print(
            f"{name}: {log[-1][0] - log[0][0]:.0f} s; total time within 25 % for"
            f" {np.mean(total <= 0.25):.0%} of the events after the first third (largest error"
            f" {total.max():.0%}); remaining time alone: median error {np.median(left):.0%}"
        )


if __name__ == "__main__":
    main()
