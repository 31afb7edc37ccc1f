"""How right the live view's remaining time was, replayed from the events of real batches.

    pertitle run CLIPS -o OUT --events events.jsonl
    python -m benchmarks.delivery.eta_error events.jsonl...

For every event after the first third of a batch: the error of the announced total time (gone and
remaining) against the true one, and of the remaining time alone, per cent.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pertitle import events
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("logs", nargs="+", type=Path)
    for path in parser.parse_args().logs:
        log = list(replayed(path))
        total, left = (np.abs(values) for values in errors(log))
        print(
            f"{path.name}: {log[-1][0] - log[0][0]:.0f} s; total time within 25 % for"
            f" {np.mean(total <= 0.25):.0%} of the events after the first third (largest error"
            f" {total.max():.0%}); remaining time alone: median error {np.median(left):.0%}"
        )


if __name__ == "__main__":
    main()
