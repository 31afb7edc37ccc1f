"""Ladders for audiences on the corpus' measured tables: nothing is encoded.

    python -m benchmarks.planner.audience_ladders judge corpus/corpus.csv --json FILE
    python -m benchmarks.planner.audience_ladders judge corpus/corpus.csv --traces DIR
    python -m benchmarks.planner.audience_ladders time
    python -m benchmarks.planner.audience_ladders fit DIR

``judge`` takes every title's true curves, so that placing rungs is judged apart from prediction,
and compares four ladders: Apple's fixed one, steps of VMAF (the default), equal ratios of bitrate
(as many rungs as for the audience), and the audience's. ``limit`` is a rung at every point of the
hull within the same range of quality. Printed are means over titles: quality delivered as share of
the limit, rungs, storage against the steps', and what the two players make of it on equal traces;
then storage of the best ladder that delivers what the steps do, and quality of the best that
stores what the steps do. ``--traces`` plays recorded traces instead of made-up ones: files of JSON
lists with ``duration_ms`` and ``bandwidth_kbps``, as the Sabre simulator has them; rungs are then
placed for the distribution of every second trace and played on the others. ``fit`` prints
log-normal fits of such a folder; ``time`` the CPU time of one dynamic programme.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pertitle.ladder.abr import RULES, make_traces, play
from pertitle.ladder.allocation import Problem, best_ladders, deliver, neighbours
from pertitle.ladder.audience import AUDIENCES, lines_of
from pertitle.ladder.decision import Curves
from pertitle.ladder.rungs import choose_rungs, expected_hull
from pertitle.options import LadderOptions, ViewerClass
from pertitle.training.baselines import fixed_points
from pertitle.training.corpus import read_table
from pertitle.training.fitting import titles_of
from pertitle.training.replay import options_for
from pertitle.training.scoring import Truth

Array = NDArray[np.float64]
Ladder = tuple[Array, Array]
SESSIONS, SECONDS = 200, 600


def curves_of(truth: Truth) -> Curves:
    """The measured surface on a common grid of CRFs."""
    low, high = truth.crf_range
    grid = np.linspace(low, high, round((high - low) / 0.5) + 1)
    true = np.array([[truth.at(height, crf) for crf in grid] for height in truth.heights])
    return Curves(truth.heights, grid, np.log2(true[:, :, 0]), true[:, :, 1])


def ladders_of(
    truth: Truth, codec: str, audience: tuple[ViewerClass, ...]
) -> tuple[dict[str, Ladder], Ladder] | None:
    """Ladders by name, rising, and the hull; None where the fixed ladder has no two rungs."""
    curves = curves_of(truth)
    steps_options = options_for(truth, LadderOptions())
    own_options = options_for(truth, LadderOptions(audience=audience))
    hull = expected_hull(curves, own_options.top_vmaf, own_options.min_vmaf)
    points = np.unique(np.round(2**hull.rate, 6), return_index=True)
    kbps, vmaf = points[0], hull.vmaf[points[1]]
    fixed = sorted(fixed_points(truth, codec))
    steps = choose_rungs(curves, steps_options, 1.0)
    own = choose_rungs(curves, own_options, 1.0)
    if len(fixed) < 2 or steps.problem or own.problem or len(kbps) < 3:
        return None
    ladders = {"fixed": as_ladder(fixed)}
    for name, choice in (("steps", steps), ("audience", own)):
        ladders[name] = as_ladder(sorted((2**s.rate, s.vmaf) for s in choice.steps))
    even = np.geomspace(kbps[0], kbps[-1], len(own.steps))
    ladders["ratios"] = even, np.interp(np.log(even), np.log(kbps), vmaf)
    return ladders, (kbps, vmaf)


def as_ladder(points: list[tuple[float, float]]) -> Ladder:
    rate, vmaf = np.array(points).T
    return rate, np.maximum.accumulate(vmaf)


def frontier(hull: Ladder, audience: tuple[ViewerClass, ...]) -> list[tuple[float, float]]:
    """(quality, storage) of the best ladders at many prices of storage."""
    kbps, vmaf = hull
    allowed = neighbours(kbps, vmaf, LadderOptions())
    plain = Problem.of(audience, kbps, vmaf, allowed=allowed)
    found = []
    for weight in np.concatenate([[0.0], np.geomspace(1e-3, 300, 40)]) / kbps.max():
        priced = Problem(plain.gain, plain.top, weight * kbps, allowed)
        for _, path in best_ladders(priced, LadderOptions().max_rungs):
            pick = list(path)
            given = deliver(audience, kbps[pick], vmaf[pick])
            found.append((given.quality, given.stored_kbps))
    return found


def judge(
    table: Path, codec: str, audience: tuple[ViewerClass, ...], traces: Array
) -> dict[str, object]:
    """Means over the titles of a codec."""
    rows = [row for row in read_table(table) if row.variant == "base"]
    sums: dict[str, list[dict[str, float]]] = {}
    equal: list[tuple[float, float]] = []
    titles = 0
    for title in titles_of(rows, {}, codec):
        made = ladders_of(Truth(title), codec, audience)
        if made is None:
            continue
        titles += 1
        ladders, hull = made
        limit = deliver(audience, *hull).quality
        stored = deliver(audience, *ladders["steps"])
        for name, (kbps, vmaf) in ladders.items():
            given = deliver(audience, kbps, vmaf)
            line = {
                "of_limit": given.quality / limit,
                "quality": given.quality,
                "rungs": float(given.rungs),
                "storage": given.stored_kbps / stored.stored_kbps,
                "outage": given.outage,
            }
            for rule in RULES:
                played = play(list(kbps), list(vmaf), traces, rule=rule)
                line |= {f"{rule}_{key}": value for key, value in asdict(played).items()}
            sums.setdefault(name, []).append(line)
        best = frontier(hull, audience)
        as_good = [s for q, s in best if q >= stored.quality - 1e-9]
        as_small = [q for q, s in best if s <= stored.stored_kbps + 1e-9]
        equal.append((
            min(as_good, default=stored.stored_kbps) / stored.stored_kbps,
            max(as_small, default=stored.quality) - stored.quality,
        ))  # fmt: skip
    most = max(line["rungs"] for line in sums["audience"])
    return {
        "titles": titles,
        "ladders": {
            name: {key: float(np.mean([line[key] for line in lines])) for key in lines[0]}
            for name, lines in sums.items()
        },
        "most_rungs": most,
        "reach_97": float(np.mean([line["of_limit"] >= 0.97 for line in sums["audience"]])),
        "storage_at_equal_quality": float(np.mean([e[0] for e in equal])),
        "quality_at_equal_storage": float(np.mean([e[1] for e in equal])),
    }


def read_traces(folder: Path) -> list[Array]:
    """Every trace of a folder, second by second, kbit/s; unreadable files are left out."""
    traces = []
    for path in sorted(folder.iterdir()):
        try:
            steps = json.loads(path.read_text(encoding="utf-8"))
            kbps = [float(step["bandwidth_kbps"]) for step in steps]
            seconds = [float(step["duration_ms"]) / 1000 for step in steps]
        except (ValueError, KeyError, TypeError):
            print(f"left out: {path.name}", file=sys.stderr)
            continue
        ends = np.cumsum(seconds)
        at = np.searchsorted(ends, np.arange(int(ends[-1])) + 0.5)
        traces.append(np.array(kbps)[at])
    return traces


def recorded(folder: Path) -> tuple[tuple[ViewerClass, ...], Array]:
    """An audience of every second trace, and the others to play, repeated to one length."""
    traces = read_traces(folder)
    known = np.concatenate(traces[::2])
    audience = (ViewerClass(folder.name, 1.0, lines_of(known, np.ones(len(known)))),)
    return audience, np.array([np.resize(trace, SECONDS) for trace in traces[1::2]])


def fit(folder: Path) -> None:
    """One and two log-normal components (expectation-maximisation) of a folder of traces."""
    x = np.log(np.maximum(np.concatenate(read_traces(folder)), 1.0))
    some = x[x > np.log(10)]
    print(f"one: median {np.exp(some.mean()):.0f} kbit/s, deviation {some.std():.2f} (above 10)")
    mean, spread, share = np.quantile(x, [0.2, 0.8]), np.full(2, 0.5), np.full(2, 0.5)
    for _ in range(300):
        weight = share * np.exp(-0.5 * ((x[:, None] - mean) / spread) ** 2) / spread
        weight /= np.maximum(weight.sum(axis=1, keepdims=True), 1e-300)
        total = weight.sum(axis=0)
        share, mean = total / total.sum(), (weight * x[:, None]).sum(axis=0) / total
        spread = np.sqrt((weight * (x[:, None] - mean) ** 2).sum(axis=0) / total)
    for part in range(2):
        print(f"two: {share[part]:.2f} × {np.exp(mean[part]):.0f} kbit/s, {spread[part]:.2f}")


def timing() -> None:
    """CPU time of one dynamic programme of 200 points and 12 rungs, milliseconds."""
    kbps, vmaf = np.geomspace(150, 9000, 200), np.linspace(45, 96, 200)
    used = []
    for _ in range(30):
        started = time.process_time()
        best_ladders(Problem.of(AUDIENCES["mixed"], kbps, vmaf), 12)
        used.append(1000 * (time.process_time() - started))
    print(f"200 points, 12 rungs: median {np.median(used):.1f} ms, most {max(used):.1f} ms")


def show(name: str, found: dict[str, object]) -> None:
    print(f"{name}: {found['titles']} titles, at most {found['most_rungs']:.0f} rungs")
    for ladder, line in found["ladders"].items():  # type: ignore[attr-defined]
        print(
            f"  {ladder:9s} {line['of_limit']:6.1%} of limit ({line['quality']:.1f})"
            f"  rungs {line['rungs']:.1f}  storage {line['storage']:.0%}"
            f"  outage {line['outage']:.1%}"
            + "".join(
                f"  {rule}: {line[rule + '_quality']:.1f}, stalled {line[rule + '_stalled']:.2%},"
                f" {line[rule + '_switches']:.1f}/min, {line[rule + '_kbps']:.0f} kbit/s"
                for rule in RULES
            )
        )
    print(
        f"  97 % of limit on {found['reach_97']:.0%} of titles; storage at the steps' quality"
        f" {found['storage_at_equal_quality']:.0%}; quality at the steps' storage"
        f" +{found['quality_at_equal_storage']:.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    judging = commands.add_parser("judge")
    judging.add_argument("table", type=Path)
    judging.add_argument("--codec", action="append", choices=("h264", "hevc", "av1"))
    judging.add_argument("--traces", type=Path)
    judging.add_argument("--json", type=Path)
    commands.add_parser("time")
    commands.add_parser("fit").add_argument("folder", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "time":
        timing()
        return
    if arguments.command == "fit":
        fit(arguments.folder)
        return
    if arguments.traces:
        sets = {arguments.traces.name: recorded(arguments.traces)}
    else:
        sets = {
            name: (audience, make_traces(audience, SESSIONS, SECONDS))
            for name, audience in AUDIENCES.items()
        }
    report = {}
    for codec in arguments.codec or ["h264"]:
        for name, (audience, traces) in sets.items():
            report[f"{codec} {name}"] = judge(arguments.table, codec, audience, traces)
            show(f"{codec} {name}", report[f"{codec} {name}"])
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
